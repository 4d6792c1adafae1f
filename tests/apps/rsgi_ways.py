"""Ways to use RSGI beyond the usual: /NAME?…, each a function below.

What happens after an answer is noted, and /notes tells it.
"""

import asyncio
import inspect
import json
import os
import threading
from urllib.parse import parse_qsl

from granian.rsgi import Headers, HTTPProtocol, ProtocolClosed, ProtocolError
from granian.rsgi import Scope, WebsocketMessageType
from kit import TEXT

HEAD = [("content-type", TEXT)]
notes = {}
kept = {}
tasks = set()


def spawn(coro):
    task = asyncio.create_task(coro)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task


def error_of(error):
    return "%s: %s" % (type(error).__name__, error)


def raised_by(function, *args, **kwargs):
    try:
        return "returned %r" % (function(*args, **kwargs),)
    except Exception as error:
        return error_of(error)


async def tell(protocol, what):
    protocol.response_str(200, [("content-type", "application/json")],
        json.dumps(what))


def facts(scope):
    return {name: getattr(scope, name) for name in ("proto", "method",
        "path", "query_string", "authority", "client", "server", "scheme",
        "http_version", "rsgi_version")} | {
        "items": [list(pair) for pair in scope.headers.items()]}


# Scope and headers

async def scope(scope, protocol, ask):
    await tell(protocol, facts(scope))


async def read_only(scope, protocol, ask):
    told = []
    for name in ("path", "headers", "anything"):
        told.append(raised_by(setattr, scope, name, "x"))
        told.append(raised_by(delattr, scope, name))
    await tell(protocol, told)


async def keep(scope, protocol, ask):
    """Kept beyond the request, for /kept: the scope, or its headers only."""
    kept.clear()
    if ask.get("what") == "headers":
        kept["headers"] = scope.headers
    else:
        kept["scope"] = scope
    protocol.response_empty(204)


async def kept_back(scope, protocol, ask):
    if "headers" in kept:
        return await tell(protocol, [list(i) for i in
            kept["headers"].items()])
    await tell(protocol, facts(kept["scope"]))


async def headers(scope, protocol, ask):
    h = scope.headers
    await tell(protocol, {
        "get": [h.get("X-A"), h.get("x-none"), h.get("x-none", 5),
            h.get(key="x-a", default=1), h.get(5)],
        "in": ["X-a" in h, "x-none" in h, 5 in h, "\u20ac" in h],
        "all": [h.get_all("x-a"), h.get_all("x-none")],
        "missing": raised_by(lambda: h["x-none"]),
        "no key": raised_by(h.get),
        "dict": dict(h), "len": len(h), "keys": h.keys(),
        "same": scope.headers is h, "true": bool(h),
        "types": [isinstance(h, Headers), isinstance(scope, Scope),
            isinstance(protocol, HTTPProtocol)],
        "repr": repr(h)[:8]})


# The request's body

async def body(scope, protocol, ask):
    notes["begun"] = True
    await asyncio.sleep(float(ask.get("wait", "0")))
    try:
        got = await protocol()
    except Exception as error:
        notes["error"] = error_of(error)
        raise
    protocol.response_bytes(200, HEAD, b"%d %d\n" % (len(got), sum(got)))


async def chunks(scope, protocol, ask):
    notes["begun"] = True
    got = []
    try:
        async for chunk in protocol:
            got.append(chunk)
    except Exception as error:
        notes["error"] = error_of(error)
        raise
    whole = b"".join(got)
    protocol.response_str(200, HEAD, "%d %d %s\n" % (
        len(whole), sum(whole), all(got)))


async def rules(scope, protocol, ask):
    """Each rule about reading that can be broken."""
    told = [raised_by(protocol.__anext__)]
    reading = protocol()
    told.append(raised_by(protocol))
    told.append(raised_by(aiter, protocol))
    told.append((await reading).decode())
    try:
        told.append((await reading).decode())
    except Exception as error:
        told.append(error_of(error))
    await tell(protocol, told)


async def read_later(scope, protocol, ask):
    """The body is asked for when the response is out."""
    protocol.response_str(200, HEAD, "out\n")
    try:
        notes["later"] = (await protocol()).decode()
    except ProtocolError as error:
        notes["later"] = error_of(error)


async def timeout(scope, protocol, ask):
    try:
        await asyncio.wait_for(protocol(), 0.05)
    except TimeoutError:
        protocol.response_str(408, HEAD, "too slow\n")


# Responses

BROKEN = {
    "name": lambda p: p.response_str(200, [("x a", "b")], ""),
    "empty name": lambda p: p.response_str(200, [("", "b")], ""),
    "control": lambda p: p.response_str(200, [("x-a", "b\x01")], ""),
    "line": lambda p: p.response_empty(200, [("x-a", "b\n")]),
    "wide": lambda p: p.response_bytes(200, [("x-a", "\u20ac")], b""),
    "bytes": lambda p: p.response_bytes(200, [(b"x-a", b"b")], b""),
    "triple": lambda p: p.response_bytes(200, [("x-a", "b", "c")], b""),
    "dict": lambda p: p.response_bytes(200, {"x-a": "b"}, b""),
    "number": lambda p: p.response_bytes(200, 5, b""),
    "status": lambda p: p.response_stream(99, []),
    "huge": lambda p: p.response_stream(1 << 80, []),
    "negative": lambda p: p.response_stream(-1, []),
    "no status": lambda p: p.response_stream("200", []),
    "body": lambda p: p.response_str(200, [], None),
    "text": lambda p: p.response_bytes(200, [], "text"),
    "surrogate": lambda p: p.response_str(200, [], "\ud800"),
    "length": lambda p: p.response_str(200, [("Content-Length", "5")], "a"),
    "two lengths": lambda p: p.response_str(200, [("content-length", "1"),
        ("content-length", "2")], "a"),
    "too many": lambda p: p.response_empty(200, [], b""),
    "unknown": lambda p: p.response_empty(code=200),
    "twice": lambda p: p.response_empty(200, status=200),
    "no file": lambda p: p.response_file(200, []),
    "range": lambda p: p.response_file_range(206, [], __file__, 5, 5),
    "before": lambda p: p.response_file_range(206, [], __file__, -1, 5),
    "beyond": lambda p: p.response_file_range(206, [], __file__, 0, 10**9),
    "odd range": lambda p: p.response_file_range(206, [], __file__, "1", 5),
    "file length": lambda p: p.response_file(200, [
        ("content-length", "1")], __file__),
    "file type": lambda p: p.response_file(200, [], 5),
}


async def broken(scope, protocol, ask):
    """All of them, and then the answer all the same."""
    told = {name: raised_by(function, protocol)
        for name, function in BROKEN.items()}
    await tell(protocol, told)


async def twice(scope, protocol, ask):
    first, second = ask["how"].split("-")
    ways = {
        "empty": lambda: protocol.response_empty(200, HEAD),
        "str": lambda: protocol.response_str(200, HEAD, "text"),
        "bytes": lambda: protocol.response_bytes(200, HEAD, b"bytes"),
        "file": lambda: protocol.response_file(200, HEAD, __file__),
        "stream": lambda: protocol.response_stream(200, HEAD),
    }
    kept["first"] = ways[first]()
    notes["twice"] = raised_by(ways[second])
    kept.clear()


async def kinds(scope, protocol, ask):
    data = {"bytearray": bytearray(b"some"), "memoryview": memoryview(
        b"xsomex")[1:5], "big": bytearray(b"some" * 500000)}[ask["kind"]]
    protocol.response_bytes(200, HEAD, data)
    if ask["kind"] == "big":
        notes["big"] = raised_by(data.append, 1)


async def file(scope, protocol, ask):
    path = ask.get("path", __file__)
    head = list(HEAD)
    if "length" in ask:
        head.append(("content-length", ask["length"]))
    if "start" in ask:
        return protocol.response_file_range(206, head, path,
            int(ask["start"]), int(ask["end"]))
    protocol.response_file(status=200, headers=head, file=path)


# Streams

async def stream(scope, protocol, ask):
    """Both kinds, a release in the midst of the work, and a late send."""
    out = protocol.response_stream(200, HEAD)
    await out.send_bytes(b"bytes ")
    await out.send_bytes(bytearray(b"array "))
    await out.send_str("\u20ac ")
    await out.send_str("")
    told = [raised_by(out.send_bytes, "text"), raised_by(out.send_str, b"b")]
    await out.send_str("%r" % told)
    del out
    notes["running"] = True
    await asyncio.sleep(float(ask.get("after", "0")))
    notes["running"] = False


async def outlast(scope, protocol, ask):
    """The stream is kept beyond the application's return."""
    out = protocol.response_stream(200, HEAD)
    await out.send_str("one")

    async def later():
        await asyncio.sleep(0.05)
        try:
            await out.send_str("two")
        except ProtocolClosed as error:
            notes["outlast"] = error_of(error)

    spawn(later())


async def many(scope, protocol, ask):
    """Several tasks send large pieces at once."""
    out = protocol.response_stream(200, HEAD)
    size = int(ask["size"])
    await asyncio.gather(*(
        out.send_bytes(b"%c" % (97 + i) * size) for i in range(8)))


async def cancelled(scope, protocol, ask):
    """A send that waits is cancelled, one that has begun and one not."""
    out = protocol.response_stream(200, HEAD)
    first = spawn(out.send_bytes(b"a" * 20000000))
    second = spawn(out.send_bytes(b"b" * 1000))
    await asyncio.sleep(0.05)
    notes["begun"] = [first.done(), second.done()]
    first.cancel()
    second.cancel()
    await asyncio.wait([first, second])
    await out.send_bytes(b"c" * 1000)


async def lost(scope, protocol, ask):
    """Sends until it hears that the client has left."""
    out = protocol.response_stream(200, HEAD)
    try:
        while True:
            await out.send_bytes(b"x" * 65536)
    except ProtocolClosed as error:
        notes["lost"] = error_of(error)


async def over_length(scope, protocol, ask):
    out = protocol.response_stream(200, HEAD + [("content-length", "5")])
    await out.send_str("abc")
    try:
        await out.send_str("defgh")
    except ValueError as error:
        notes["over"] = error_of(error)


# The client leaves

async def leave(scope, protocol, ask):
    """Waited for in a task; ?s is how long the work lasts."""
    async def watch():
        await protocol.client_disconnect()
        notes["left"] = True

    notes["left"] = False
    watching = spawn(watch())
    await asyncio.sleep(float(ask.get("s", "0.1")))
    notes["at the end"] = notes["left"]
    protocol.response_str(200, HEAD, "stayed\n")
    await protocol.client_disconnect()
    notes["told"] = True
    if "cancel" in ask:
        watching.cancel()


# Threads

async def thread(scope, protocol, ask):
    """Reading the scope in a thread works; answering there is refused."""
    def work():
        return [scope.path, scope.headers.get("host") is not None,
            raised_by(protocol.response_str, 200, [], "x"),
            raised_by(protocol), raised_by(protocol.client_disconnect)]

    await tell(protocol, await asyncio.to_thread(work))


async def thread_release(scope, protocol, ask):
    """The stream's last reference is dropped in another thread."""
    box = [protocol.response_stream(200, HEAD)]
    await box[0].send_str("sent")
    dropped = threading.Event()

    def work(box):
        box.clear()
        dropped.set()

    await asyncio.to_thread(work, box)
    notes["dropped"] = dropped.is_set()


def not_async(scope, protocol):
    return 5


class Awaitable:
    """No coroutine, but it can be awaited."""

    def __init__(self, scope, protocol):
        self.protocol = protocol

    def __await__(self):
        yield from asyncio.sleep(0).__await__()
        self.protocol.response_str(200, HEAD, "awaited\n")


async def names(scope, protocol, ask):
    await tell(protocol, {
        "errors": [issubclass(e, RuntimeError)
            for e in (ProtocolError, ProtocolClosed)],
        "kinds": [int(k) for k in WebsocketMessageType]})


async def nested(scope, protocol, ask):
    """Headers whose making gives another response."""
    def headers():
        notes["nested"] = raised_by(protocol.response_str, 200, [], "sly")
        yield from HEAD

    protocol.response_str(200, headers(), "told\n")


async def told(scope, protocol, ask):
    await tell(protocol, notes)


ALL = {name: value for name, value in globals().items()
    if inspect.iscoroutinefunction(value)}
ALL["notes"] = told
ALL["kept"] = kept_back


class App:
    def __rsgi__(self, scope, protocol):
        name = scope.path[1:].partition("/")[0].replace("-", "_")
        if name == "not_async":
            return not_async(scope, protocol)
        if name == "awaitable":
            return Awaitable(scope, protocol)
        if name == "clear":
            notes.clear()
        return self.run(name, scope, protocol)

    async def run(self, name, scope, protocol):
        if name == "clear":
            return protocol.response_empty(204)
        await ALL[name](scope, protocol, dict(parse_qsl(scope.query_string)))


rsgi = App()
