"""RSGI's WebSockets: the interface, and what it lacks as extra arguments."""

import json
import signal
import time

import pytest

from shoal import CLOSE, Server, close_payload, handshake, until


@pytest.fixture(scope="module")
def server(isolation):
    with Server("rsgi_sockets:rsgi", "--isolation", isolation) as server:
        yield server


ids = iter(range(1 << 30))


def name():
    return "r%d" % next(ids)


def seen(server, *wanted):
    until(lambda: set(wanted) <= set(server.json("/seen")["seen"]),
        "%r in %r" % (wanted, server.json("/seen")["seen"]))


def test_the_scope(server):
    c = server.websocket("/scope?a=%20b")
    scope = json.loads(c.recv_text())
    assert scope == {"proto": "ws", "rsgi_version": "1.6",
        "http_version": "1.1", "server": "127.0.0.1:%d" % server.port,
        "client": "127.0.0.1:%d" % c.sock.getsockname()[1],
        "scheme": "http", "method": "GET", "path": "/scope",
        "query_string": "a=%20b", "authority": None,
        "headers": ["connection", "host", "sec-websocket-key",
            "sec-websocket-version", "upgrade"]}
    assert c.recv_close() == (1000, "")


@pytest.mark.asan
def test_messages_go_both_ways(server):
    who = name()
    c = server.websocket("/echo?id=%s&sub=b&header=x-y:gr%%C3%%BC" % who,
        [("Sec-WebSocket-Protocol", "a, b")])
    assert c.head.one("sec-websocket-protocol") == "b"
    assert c.head.one("x-y") == "gr\xfc"
    for size in 0, 1, 125, 126, 65536, 1 << 20:
        c.text("x" * size)
        assert c.recv_text() == "x" * size
        c.binary(b"\xff" * size)
        assert c.recv_binary() == b"\xff" * size
    c.text("gr\xfc\xdfe \U0001f40b")
    assert c.recv_text() == "gr\xfc\xdfe \U0001f40b"
    c.shut(4001, "why")
    seen(server, who + " 4001 why", who + " Closed")


def test_no_subprotocol_unless_one_is_chosen(server):
    c = server.websocket("/echo", [("Sec-WebSocket-Protocol", "a, b")])
    assert not c.head.all("sec-websocket-protocol")
    c.shut()


@pytest.mark.asan
def test_the_client_is_lost(server):
    who = name()
    c = server.websocket("/echo?id=" + who)
    c.reset()
    seen(server, who + " 1006 ", who + " Closed")


@pytest.mark.asan
@pytest.mark.parametrize("query, want", [("", (1000, "")),
    ("&code=4001&reason=gr%C3%BC%C3%9Fe", (4001, "gr\xfc\xdfe"))])
def test_the_application_closes(server, query, want):
    who = name()
    c = server.websocket("/close?id=" + who + query)
    assert c.recv_close() == want
    c.frame(CLOSE, close_payload(want[0]))
    c.assert_closed()
    seen(server, who + " Error", "%s 0 %d" % (who, want[0]), who + " Closed")


@pytest.mark.asan
@pytest.mark.parametrize("path, status", [("/refuse", 403),
    ("/refuse?status=401", 401), ("/refuse?status=503", 503),
    ("/return?when=before", 403), ("/raise?when=before", 500)])
def test_it_is_not_accepted(server, path, status):
    if "return" in path:
        server.expect("neither accepted nor closed")
    if "raise" in path:
        server.expect("Exception in the RSGI application: GET /raise")
    with server.connect() as c:
        c.send(handshake(path))
        got = c.recv_response()
        assert got.status == status and b"Traceback" not in got.body
        c.assert_closed()


@pytest.mark.asan
def test_it_ends_after_it_accepted(server):
    server.expect(r"Exception in the RSGI application\n")
    c = server.websocket("/raise?when=after")
    assert c.recv_close() == (1011, "")
    c = server.websocket("/return?when=after")
    assert c.recv_close() == (1000, "")


@pytest.mark.asan
def test_what_cannot_be(server):
    c = server.websocket("/ways")
    assert c.recv_text().split() == [
        "ValueError", "TypeError", "ValueError", "ValueError", "TypeError",
        "Error", "Error", "TypeError", "TypeError", "UnicodeEncodeError",
        "ValueError", "ValueError", "ValueError", "ValueError", "ValueError",
        "TypeError", "Error"]
    c.text("go on")
    assert c.recv_close() == (1000, "")


@pytest.mark.asan
def test_a_cancelled_receive_leaves_its_place(server):
    c = server.websocket("/cancel")
    assert c.recv_text() == "cancelled"
    c.text("and on")
    assert c.recv_text() == "and on"


def test_a_slow_client_stops_the_application(isolation):
    with Server("rsgi_sockets:rsgi", "--isolation", isolation) as server:
        c = server.websocket("/flood?n=500&size=100000", rcvbuf=4096)
        last = -1
        while last != server.json("/seen")["sent"]:
            last = server.json("/seen")["sent"]
            time.sleep(0.2)
        assert last < 400
        for _ in range(500):
            assert len(c.recv_binary()) == 100000
        assert c.recv_close() == (1000, "")


def test_a_drain(isolation):
    with Server("rsgi_sockets:rsgi", "--isolation", isolation) as server:
        conns = [server.websocket("/echo") for _ in range(10)]
        server.kill(signal.SIGTERM)
        for c in conns:
            assert c.recv_close() == (1012, "service restart")
            c.frame(CLOSE, close_payload(1012))
            c.assert_closed()
        assert server.wait() == 0
