"""The module shoal outside the server: the same calls, in memory."""

import asyncio
import importlib.util
import inspect
import pathlib
import subprocess
import sys
import threading
import typing

import pytest

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "e2e"))

from shoal import BIN  # noqa: E402


@pytest.fixture()
def shoal(tmp_path):
    """As a project gets it for its tests."""
    path = tmp_path / "shoal.py"
    path.write_bytes(subprocess.run([BIN, "--print-module"], check=True,
        stdout=subprocess.PIPE).stdout)
    spec = importlib.util.spec_from_file_location("shoal_in_memory", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Socket:
    """A WebSocket of a framework."""

    def __init__(self):
        self.scope = {"type": "websocket"}
        self.got = []
        self.news = asyncio.Event()

    async def send_text(self, text):
        self.got.append(text)
        self.news.set()

    async def send_bytes(self, data):
        await self.send_text(data)

    async def heard(self, count):
        while len(self.got) < count:
            self.news.clear()
            await self.news.wait()
        return self.got


def test_a_subscriber_gets_messages(shoal):
    async def main():
        async with shoal.subscribe("room", "news", "room") as messages:
            offsets = [shoal.publish("room", "one"),
                await asyncio.to_thread(shoal.publish, "news", b"two")]
            shoal.publish("other", "none")
            got = [await anext(messages), await anext(messages)]
            assert got == [("room", "one", offsets[0], 0),
                ("news", b"two", offsets[1], 0)]
            assert got[1].channel == "news" and got[1].data == b"two"
            assert offsets[0] < offsets[1] == got[1].offset
            waiting = asyncio.ensure_future(anext(messages))
            await asyncio.sleep(0)
            assert not waiting.done()
            shoal.publish("news", "three")
            assert (await waiting).data == "three"
        shoal.publish("room", "late")
        assert not messages.waiting

    asyncio.run(main())


NOT_ENTERED = "a subscription is used by async with: this one is not " \
    "entered, or left"


def test_who_waits_for_a_subscription_that_is_left(shoal):
    async def main():
        messages = shoal.subscribe("room")
        with pytest.raises(RuntimeError, match=NOT_ENTERED):
            await anext(messages)
        await messages.__aexit__(None, None, None)
        async with messages:
            with pytest.raises(RuntimeError, match="is entered already"):
                await messages.__aenter__()
            waiting = asyncio.ensure_future(anext(messages))
            await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match=NOT_ENTERED):
            await waiting

    asyncio.run(main())


def test_a_socket_gets_its_messages_one_after_the_other(shoal):
    class Slow(Socket):
        async def send_text(self, text):
            await asyncio.sleep(0.01 if text == "first" else 0)
            await super().send_text(text)

    async def main():
        one = Slow()
        shoal.join(one, "room")
        shoal.join(one, "news")
        shoal.join(one, "room")
        for channel, text in (("room", "first"), ("news", "second"),
                ("room", "third")):
            shoal.publish(channel, text)
        assert await one.heard(3) == ["first", "second", "third"]
        assert shoal.leave(one, "room") is shoal.leave(one, "news") is True

    asyncio.run(main())


def test_a_socket_that_is_over_has_left(shoal):
    class Over(Socket):
        async def send_text(self, text):
            raise OSError("closed")

    async def main():
        one, two = Over(), Socket()
        for socket in one, two:
            shoal.join(socket, "room")
            shoal.join(socket, "news")
        shoal.publish("room", "hello")
        assert await two.heard(1) == ["hello"]
        assert shoal.leave(one, "room") is shoal.leave(one, "news") is False

    asyncio.run(main())


def test_who_stayed_when_the_event_loop_ended_has_left(shoal):
    async def main():
        shoal.join(Socket(), "room")
        await shoal.subscribe("room").__aenter__()

    asyncio.run(main())
    shoal.publish("room", "hello")
    shoal.publish("room", "hello")
    assert shoal.counters()[0]["delivered"] == 0


def test_sockets_join_and_leave(shoal):
    async def main():
        one, two = Socket(), Socket()
        shoal.join(one, "room")
        shoal.join(one, "room")
        shoal.join(two, "room")
        shoal.publish("room", "hello")
        thread = threading.Thread(target=shoal.publish,
            args=("room", b"bytes"))
        thread.start()
        thread.join()
        assert await one.heard(2) == await two.heard(2) == [
            "hello", b"bytes"]
        assert shoal.leave(one, "room") is True
        assert shoal.leave(one, "room") is False
        assert shoal.leave(one, "never") is False
        shoal.publish("room", "more")
        assert len(await two.heard(3)) == 3 and len(one.got) == 2

    asyncio.run(main())


def test_it_counts(shoal):
    for channel in "room", "room", "other":
        shoal.join({"type": "websocket"}, channel)
    shoal.publish("room", "\u20ac")
    shoal.publish("nobody", b"12")
    assert shoal.counters() == [{"published": 2, "bytes": 5, "delivered": 2,
        "lost": 0, "dropped": 0, "wakes": 0}]


def test_a_scope_collects(shoal):
    scope = {"type": "websocket"}
    shoal.join(scope, "room")
    offset = shoal.publish("room", "hello")
    assert scope["shoal.received"] == [("room", "hello", offset, 0)]
    assert shoal.leave(scope, "room") is True


@pytest.mark.parametrize("call, error", [
    (lambda s: s.publish(5, "x"), "a channel is a str, not int"),
    (lambda s: s.publish("", "x"), "a channel's name has 1 to 200 bytes of "
        "UTF-8, not 0"),
    (lambda s: s.publish("\u20ac" * 67, "x"), "a channel's name has 1 to 200 "
        "bytes of UTF-8, not 201"),
    (lambda s: s.publish("x", 5), "a message is str or bytes, not int"),
    (lambda s: s.subscribe(), "subscribe() takes at least one channel"),
    (lambda s: s.subscribe("x", None), "a channel is a str, not NoneType"),
    (lambda s: s.join(object(), "x"), "object is no connection: an ASGI "
        "scope, an object that has one, or an RSGI transport"),
])
def test_the_servers_errors(shoal, call, error):
    with pytest.raises((TypeError, ValueError)) as raised:
        call(shoal)
    assert str(raised.value) == error


def test_every_call_says_what_it_takes(shoal):
    assert typing.get_type_hints(shoal.Message) == {
        "channel": str, "data": str | bytes, "offset": int, "lost": int}
    for name in set(shoal.__all__) - {"Message"}:
        call = getattr(shoal, name)
        signature = inspect.signature(call)
        assert all(p.annotation is not p.empty
            for p in signature.parameters.values()), name
        assert signature.return_annotation is not signature.empty, name
        assert ">>> " in call.__doc__, name
        assert "Error" in call.__doc__ or not signature.parameters, name
