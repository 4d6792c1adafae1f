"""permessage-deflate, with a client that others wrote."""

import random

import pytest
import websockets.exceptions
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory)
from websockets.sync.client import connect

from shoal import LIMIT, TEXT, Server, frame

OFFERS = {
    "as it is": {},
    "no context take-over": {"server_no_context_takeover": True,
        "client_no_context_takeover": True},
    "only ours forgets": {"server_no_context_takeover": True},
    "only the client's forgets": {"client_no_context_takeover": True},
    "small windows": {"server_max_window_bits": 9,
        "client_max_window_bits": 9},
    "no word of the client's window": {"client_max_window_bits": None},
}


@pytest.fixture(scope="module")
def server():
    with Server("sockets:asgi", "--isolation", "process") as server:
        yield server


def client(server, path="/echo", **offer):
    offer.setdefault("client_max_window_bits", True)
    return connect("ws://127.0.0.1:%d%s" % (server.port, path),
        compression=None, proxy=None, open_timeout=LIMIT, max_size=None,
        extensions=[ClientPerMessageDeflateFactory(**offer)])


def texts():
    rng = random.Random(1)
    words = ["shoal", "wave", "\U0001f40b", "gr\xfc\xdfe", "tide", "reef"]
    for size in 0, 1, 10, 50, 100, 1000, 20000:
        yield " ".join(rng.choices(words, k=size))


@pytest.mark.asan
@pytest.mark.parametrize("what", OFFERS)
def test_messages_survive(server, what):
    with client(server, **OFFERS[what]) as ws:
        assert [e.name for e in ws.protocol.extensions] == [
            "permessage-deflate"]
        for _ in range(3):
            for text in texts():
                ws.send(text)
                assert ws.recv(LIMIT) == text
            noise = random.Random(2).randbytes(30000)
            ws.send(noise)
            assert ws.recv(LIMIT) == noise
        # In fragments, the first of which says that it is compressed.
        ws.send(iter(["one " * 200, "two " * 200, "three"]))
        assert ws.recv(LIMIT) == "one " * 200 + "two " * 200 + "three"


@pytest.mark.asan
def test_a_bomb(server):
    with client(server) as ws:
        ws.send("x" * (1 << 20))
        assert len(ws.recv(LIMIT)) == 1 << 20
        ws.send("x" * ((1 << 20) + 1))
        with pytest.raises(websockets.exceptions.ConnectionClosedError) as e:
            ws.recv(LIMIT)
        assert e.value.rcvd.code == 1009


def test_what_is_no_deflate(server):
    c = server.websocket("/echo",
        [("Sec-WebSocket-Extensions", "permessage-deflate")])
    assert c.head.one("sec-websocket-extensions") == \
        "permessage-deflate; server_max_window_bits=12"
    c.frame(TEXT | 0x40, b"\xff\xff\xff\xff")
    assert c.recv_close()[0] == 1007
    c.assert_closed()


def test_the_first_good_offer_is_taken(server):
    c = server.websocket("/echo", [
        ("Sec-WebSocket-Extensions", "x-other; a=b, permessage-deflate; "
            "server_max_window_bits=8"),
        ("Sec-WebSocket-Extensions", "permessage-deflate; unknown, "
            "permessage-deflate; server_max_window_bits=10")])
    assert c.head.one("sec-websocket-extensions") == \
        "permessage-deflate; server_max_window_bits=10"
    # What is short goes uncompressed, and so may what the client sends.
    c.send(frame(TEXT, "plain"))
    assert c.recv_text() == "plain"
    c.shut()


def test_no_deflate():
    with Server("sockets:asgi", "--isolation", "process",
            "--no-ws-per-message-deflate") as server:
        with client(server) as ws:
            assert ws.protocol.extensions == []
            ws.send("x" * 1000)
            assert ws.recv(LIMIT) == "x" * 1000
