"""WebSocket over HTTP/1.1, and ASGI's websocket, byte by byte."""

import json
import random
import resource
import signal
import time

import pytest

from shoal import (BINARY, CLOSE, LIMIT, PING, PONG, SLOW, TEXT, WS_ACCEPT,
    WS_KEY, Server, close_payload, frame, handshake, until)


@pytest.fixture(scope="module")
def server(isolation):
    with Server("sockets:asgi", "--isolation", isolation) as server:
        yield server


def only(*options, app="sockets:asgi", **more):
    """A server with options of its own."""
    return Server(app, "--isolation", "process", *options, **more)


ids = iter(range(1 << 30))


def name():
    """One that no other test has."""
    return "t%d" % next(ids)


def seen(server, what):
    until(lambda: what in server.json("/seen")["seen"],
        "%r in %r" % (what, server.json("/seen")["seen"]))


# ---- the handshake

REFUSED = {
    "POST": (400, handshake("/echo").replace("GET", "POST", 1).replace(
        "\r\n\r\n", "\r\nContent-Length: 0\r\n\r\n")),
    "HTTP/1.0": (400, handshake("/echo").replace("HTTP/1.1", "HTTP/1.0")),
    "no connection": (400, handshake("/echo").replace(
        "Connection: Upgrade\r\n", "")),
    "connection: close": (400, handshake("/echo").replace(
        "Connection: Upgrade", "Connection: close")),
    "a body": (400, handshake("/echo", [("Content-Length", "5")]) + "hello"),
    "a chunked body": (400, handshake("/echo",
        [("Transfer-Encoding", "chunked")]) + "0\r\n\r\n"),
    "no key": (400, handshake("/echo").replace(
        "Sec-WebSocket-Key: %s\r\n" % WS_KEY, "")),
    "an empty key": (400, handshake("/echo", key="")),
    "a short key": (400, handshake("/echo", key="c2hvcnQ=")),
    "a long key": (400, handshake("/echo", key="A" * 32)),
    "a key that is not base64": (400, handshake("/echo",
        key="dGhlIHNhbXBsZSBub25j*Q==")),
    "a key without padding": (400, handshake("/echo", key="A" * 24)),
    "two keys": (400, handshake("/echo", [("Sec-WebSocket-Key", WS_KEY)])),
    "a subprotocol that is no token": (400, handshake("/echo",
        [("Sec-WebSocket-Protocol", "a b")])),
    "version 8": (426, handshake("/echo", version="8")),
    "version 013": (426, handshake("/echo", version="013")),
    "no version": (426, handshake("/echo").replace(
        "Sec-WebSocket-Version: 13\r\n", "")),
    "two versions": (426, handshake("/echo",
        [("Sec-WebSocket-Version", "13")])),
}


@pytest.mark.asan
@pytest.mark.parametrize("what", REFUSED)
def test_a_handshake_that_is_refused(server, what):
    status, request = REFUSED[what]
    with server.connect() as c:
        # What is behind is never read, neither as frames nor as a request.
        c.send(request.encode() + frame(TEXT, "hello")
            + b"GET /note?text=smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
        head, _, body = c.recv_until_close().partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0].startswith("HTTP/1.1 %d " % status), head
    assert "connection: close" in lines, lines
    if status == 426:
        assert "sec-websocket-version: 13" in lines, lines
        assert "upgrade: websocket" in lines, lines
        assert "connection: upgrade" in lines, lines
    assert body and b"HTTP/" not in body
    assert "smuggled" not in server.json("/seen")["seen"]


@pytest.mark.parametrize("upgrade, connection", [
    ("websocket", "upgrade"), ("WebSocket", "Upgrade"),
    ("WEBSOCKET", "keep-alive, UPGRADE"), ("h2c, websocket", "upgrade, x"),
])
def test_tokens_in_any_case(server, upgrade, connection):
    with server.connect() as c:
        c.send(handshake("/echo").replace("Upgrade: websocket",
            "Upgrade: " + upgrade).replace("Connection: Upgrade",
            "Connection: " + connection))
        head = c.recv_head()
        assert head.status == 101
        assert head.one("sec-websocket-accept") == WS_ACCEPT


def test_another_upgrade_is_a_plain_request(server):
    with server.connect() as c:
        c.send(handshake("/seen").replace("websocket", "websocket2"))
        assert c.recv_response().status == 200
        c.assert_open()


@pytest.mark.asan
def test_the_whole_answer(server):
    c = server.websocket("/echo?sub=b&header=set-cookie:a%3db", [
        ("Sec-WebSocket-Protocol", "a,"),
        ("sec-websocket-protocol", ", b ,c")])
    fields = [(k.lower(), v) for k, v in c.head.headers if k != "date"]
    assert fields == [
        ("upgrade", "websocket"), ("connection", "upgrade"),
        ("sec-websocket-accept", WS_ACCEPT), ("sec-websocket-protocol", "b"),
        ("server", "shoal"), ("set-cookie", "a=b")]
    assert len(c.head.all("date")) == 1
    c.shut()


def test_nothing_is_answered_that_was_not_asked_for(server):
    c = server.websocket("/echo", [("Sec-WebSocket-Protocol", "a, b"),
        ("Sec-WebSocket-Extensions", "permessage-bzip2")])
    assert not c.head.all("sec-websocket-protocol")
    assert not c.head.all("sec-websocket-extensions")
    c.shut()


def test_the_scope(server):
    c = server.websocket("/scope?a=%20b", [
        ("Sec-WebSocket-Protocol", "x, y"), ("Sec-WebSocket-Protocol", "z")])
    scope = json.loads(c.recv_text())
    port = c.sock.getsockname()[1]
    assert scope.pop("state", {}) == {}
    assert scope == {
        "type": "websocket", "asgi": {"version": "3.0",
            "spec_version": "2.5"}, "http_version": "1.1", "scheme": "ws",
        "path": "/scope", "raw_path": "/scope", "query_string": "a=%20b",
        "root_path": "", "headers": 7, "subprotocols": ["x", "y", "z"],
        "client": ["127.0.0.1", port], "server": ["127.0.0.1", server.port],
        "extensions": {"websocket.http.response": {}, "shoal.broadcast": {}},
        "shoal.connection": "Exchange"}, scope
    assert c.recv_close() == (1000, "")


def test_no_ws():
    with only("--no-ws") as server, server.connect() as c:
        c.send(handshake("/seen"))
        assert c.recv_response().status == 200
        c.assert_open()


def test_wsgi_has_none():
    with only(app="plain:wsgi") as server, server.connect() as c:
        c.send(handshake("/"))
        assert c.recv_response().status == 200
        c.assert_open()


def test_origins():
    with only("--ws-origins", "https://a.example", "--ws-origins",
            "http://b.example:8080") as server:
        for origin, status in [("https://a.example", 101),
                ("HTTPS://A.example", 101), ("http://b.example:8080", 101),
                (None, 101), ("http://a.example", 403), ("null", 403),
                ("https://a.example.evil", 403), ("", 403)]:
            with server.connect() as c:
                c.send(handshake("/echo", [("Origin", origin)]
                    if origin is not None else []))
                head = c.recv_head()
                assert head.status == status, (origin, head)


@pytest.mark.asan
@pytest.mark.parametrize("parts", [1, 3])
def test_a_denial(server, parts):
    with server.connect() as c:
        c.send(handshake("/deny?status=401&parts=%d" % parts).encode()
            + frame(TEXT, "hello")
            + b"GET /note?text=denied HTTP/1.1\r\nHost: a\r\n\r\n")
        got = c.recv_response()
        assert got.status == 401 and got.one("x-why") == "because"
        assert not got.all("upgrade"), got
        assert not got.all("sec-websocket-accept"), got
        assert got.body == b"".join(b"part %d\n" % i for i in range(parts))
        c.assert_closed()
    assert "denied" not in server.json("/seen")["seen"]


def test_a_refusal(server):
    who = name()
    with server.connect() as c:
        c.send(handshake("/refuse?id=" + who))
        assert c.recv_response().status == 403
        c.assert_closed()
    seen(server, who + " OSError")
    seen(server, who + " websocket.disconnect")


@pytest.mark.asan
def test_it_ends_before_it_accepts(server):
    server.expect("returned without a complete response")
    server.expect("Exception in the ASGI application: GET /raise")
    for path in "/raise?when=before", "/return?when=before":
        with server.connect() as c:
            c.send(handshake(path))
            got = c.recv_response()
            assert got.status == 500 and b"Traceback" not in got.body
            c.assert_closed()


@pytest.mark.asan
def test_frames_before_it_accepts_are_kept():
    with only() as server, server.connect() as c:
        c.send(handshake("/early").encode() + frame(TEXT, "one")
            + frame(TEXT, "two"))
        c.send(frame(TEXT, "three"))
        server.get("/note?text=go")
        assert c.recv_head().status == 101
        first = [c._exactly(2 + n)[2:] for n in (3, 3, 5)]
        assert first == [b"one", b"two", b"three"]


@pytest.mark.asan
def test_who_receives_before_it_accepts_is_woken(server):
    c = server.websocket("/eager")
    c.text("hello")
    assert c.recv_text() == "hello"
    assert c.recv_close() == (1000, "")


def pour(sock, data, times):
    """Send that often, or until nothing more is taken for a second."""
    sock.settimeout(1)
    done = 0
    try:
        for done in range(times):
            sock.sendall(data)
    except TimeoutError:
        pass
    sock.settimeout(LIMIT)
    return done


def test_what_comes_before_it_accepts_is_bounded():
    with only() as server, server.connect() as c:
        c.send(handshake("/early"))
        done = pour(c.sock, frame(BINARY, b"x" * 65000), 1000)
        assert done < 999
        server.get("/note?text=go")


def test_a_handshake_of_2000_fields(server):
    with server.connect() as c:
        c.send(handshake("/echo", [("X-%d" % i, "a") for i in range(2000)]))
        assert not c.recv_cut().startswith(b"HTTP/1.1 101")
    server.websocket("/echo").shut()


# ---- frames

@pytest.mark.asan
def test_messages_go_both_ways(server):
    c = server.websocket("/echo")
    for size in 0, 1, 125, 126, 127, 4096, 8192, 65535, 65536, 1 << 20:
        text = "%x" % size * (size // 8)
        data = random.Random(size).randbytes(size)
        c.text(text)
        assert c.recv_text() == text
        c.binary(data)
        assert c.recv_binary() == data
    c.text("gr\xfc\xdfe \U0001f40b")
    assert c.recv_text() == "gr\xfc\xdfe \U0001f40b"
    c.shut()


def test_many_in_one_write(server):
    c = server.websocket("/echo")
    c.send(b"".join(frame(TEXT, "m%d" % i) for i in range(2000)))
    for i in range(2000):
        assert c.recv_text() == "m%d" % i
    c.shut()


def test_one_byte_at_a_time(server):
    with server.connect() as c:
        for byte in handshake("/echo").encode() + frame(PING, "p") \
                + frame(TEXT, "slow") + frame(CLOSE, close_payload(1000)):
            c.send(bytes([byte]))
        assert c.recv_head().status == 101
        assert c.recv_until_close() == b"\x8a\x01p\x81\x04slow" \
            b"\x88\x02\x03\xe8"


@pytest.mark.asan
@pytest.mark.parametrize("end, code", [(frame(CLOSE, close_payload(1000)),
    1000), (frame(0xa1, "rsv"), 1002), (frame(TEXT, b"\xff"), 1007)])
def test_what_came_before_the_end_is_answered(server, end, code):
    who = name()
    c = server.websocket("/echo?id=" + who)
    c.send(frame(TEXT, "one") + frame(BINARY, b"two") + end
        + frame(TEXT, "behind"))
    assert c.recv_text() == "one"
    assert c.recv_binary() == b"two"
    assert c.recv_close()[0] == code
    c.assert_closed()
    until(lambda: [s for s in server.json("/seen")["seen"]
        if s.startswith("%s %d " % (who, code))], "disconnect")


def test_an_end_waits_for_the_application_only_so_long():
    with only("--ws-close-timeout", "100ms") as server:
        who = name()
        c = server.websocket("/deaf?id=" + who)
        c.send(frame(BINARY, b"x" * 10) + frame(CLOSE, close_payload(4000)))
        assert c.recv_close()[0] == 4000
        c.assert_closed()
        server.get("/note?text=go%20" + who)
        # What it did not take before it closed is still there for it.
        seen(server, who + " 1 10 4000")


def test_fragments_with_control_frames_between(server):
    c = server.websocket("/echo")
    for first, text in [(0x01, "one "), (PING, "p"), (0x00, "two "),
            (PONG, "unasked"), (0x00, ""), (0x80, "three")]:
        c.frame(first, text)
    assert c.recv_frame() == (PONG, b"p")
    assert c.recv_text() == "one two three"
    c.shut()


BROKEN = {
    "no mask": (1002, b"\x81\x05hello"),
    "reserved bit": (1002, frame(0xc1, "a")),
    "reserved opcode": (1002, frame(0x83, "a")),
    "control frame in fragments": (1002, frame(0x09, "a")),
    "long control frame": (1002, frame(PING, "a" * 126)),
    "continuation of nothing": (1002, frame(0x80, "a")),
    "message in a message": (1002, frame(0x01, "a") + frame(TEXT, "b")),
    "length not shortest": (1002, b"\x82\xfe\x00\x05abcd12345"),
    "close with one byte": (1002, frame(CLOSE, b"\x03")),
    "close with 1005": (1002, frame(CLOSE, close_payload(1005))),
    "close with 999": (1002, frame(CLOSE, close_payload(999))),
    "reason not UTF-8": (1007, frame(CLOSE, b"\x03\xe8\xff")),
    "text not UTF-8": (1007, frame(TEXT, b"abc\xff")),
    "half a character": (1007, frame(TEXT, b"abc\xe2\x82")),
    "bad text, more to come": (1007, frame(0x01, b"abc\xff")),
    "too large": (1009, b"\x82\xff\x00\x00\x00\x00\x00\x10\x00\x01abcd"),
    "absurdly large": (1009, b"\x82\xff" + b"\xff" * 8 + b"abcd"),
    "too large in pieces": (1009, (frame(0x02, b"x" * (1 << 20))
        + frame(0x80, b"x"))),
    "many fragments": (1009, frame(0x02) + frame(0x00) * 1024),
}


@pytest.mark.asan
@pytest.mark.parametrize("what", BROKEN)
def test_broken_frames(server, what):
    code, data = BROKEN[what]
    who = name()
    c = server.websocket("/echo?id=" + who)
    # The application never sees the message, nor what is behind it.
    c.send(data + frame(TEXT, "behind"))
    got, reason = c.recv_close()
    assert got == code and reason
    c.assert_closed()
    seen(server, "%s %d %s" % (who, code, reason))
    seen(server, who + " OSError")


def test_limits_are_options():
    with only("--ws-max-size", "1000", "--ws-max-fragments", "3") as server:
        c = server.websocket("/echo")
        c.text("x" * 1000)
        c.recv_text()
        c.send(frame(0x01, "a") + frame(0x00, "b") + frame(0x80, "c"))
        assert c.recv_text() == "abc"
        c.text("x" * 1001)
        assert c.recv_close()[0] == 1009
        c = server.websocket("/echo")
        c.send(frame(0x01) + frame(0x00) * 3)
        assert c.recv_close()[0] == 1009


@pytest.mark.asan
def test_a_claim_costs_no_memory():
    with only() as server:
        conns = [server.websocket("/still") for _ in range(100)]
        before = memory(server)
        for c in conns:
            c.send(b"\x82\xff" + (1 << 20).to_bytes(8, "big") + b"abcd12345")
        server.get("/seen")
        assert memory(server) - before < 20 << 20


def memory(server):
    """What only the server's process holds, in bytes."""
    with open("/proc/%d/smaps_rollup" % server.child()) as f:
        return sum(int(line.split()[1]) << 10 for line in f
            if line.startswith("Private_Dirty"))


@pytest.mark.skipif(SLOW > 1, reason="sanitizers have memory of their own")
@pytest.mark.parametrize("isolation", ["interp", "process"])
def test_an_idle_one_with_its_coroutine_costs_8_kib(isolation):
    count = 1500
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with Server("sockets:asgi", "--isolation", isolation,
                "--ws-ping-interval", "0") as server:
            # Pools and caches have their size before it is counted.
            for i in range(300):
                idle(server, i)
            server.get("/seen")
            before = memory(server)
            for i in range(count):
                idle(server, i)
            server.get("/seen")
            each = (memory(server) - before) / count
            assert each < 8192, each
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def idle(server, number):
    """One that has headers of its own, as from a browser."""
    return server.websocket("/still?number=%d" % number, [
        ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Number/%d" % number),
        ("Cookie", "session=%040d" % number), ("Origin", "http://a"),
        ("Sec-WebSocket-Extensions",
            "permessage-deflate; client_max_window_bits")])


# ---- closing

@pytest.mark.asan
@pytest.mark.parametrize("code, reason", [(1000, ""), (1001, "going"),
    (1011, ""), (3000, "x" * 123), (4999, "gr\xfc\xdfe")])
def test_the_client_closes(server, code, reason):
    who = name()
    c = server.websocket("/echo?id=" + who)
    c.send(frame(CLOSE, close_payload(code, reason)) + frame(TEXT, "late"))
    assert c.recv_close()[0] == code
    c.assert_closed()
    seen(server, "%s %d %s" % (who, code, reason))
    seen(server, who + " OSError")


def test_the_client_closes_without_a_code(server):
    who = name()
    c = server.websocket("/echo?id=" + who)
    c.frame(CLOSE)
    assert c.recv_frame() == (CLOSE, b"")
    c.assert_closed()
    seen(server, who + " 1005 ")


@pytest.mark.parametrize("how", ["close", "finish", "reset"])
def test_the_client_is_lost(server, how):
    who = name()
    c = server.websocket("/echo?id=" + who)
    c.text("a")
    c.recv_text()
    getattr(c, how)()
    seen(server, who + " 1006 ")
    seen(server, who + " OSError")


@pytest.mark.parametrize("query, want", [("", (1000, "")),
    ("&code=4001&reason=gr%C3%BC%C3%9Fe", (4001, "gr\xfc\xdfe")),
    ("&code=1013", (1013, "")), ("&code=1003", (1003, ""))])
def test_the_application_closes(server, query, want):
    who = name()
    c = server.websocket("/close?id=" + who + query)
    assert c.recv_close() == want
    seen(server, who + " OSError")
    seen(server, "%s websocket.disconnect %d" % (who, want[0]))
    # Not closed before the client has answered; what comes is dropped.
    c.assert_open()
    c.send(frame(TEXT, "dropped") + frame(PING, "dropped"))
    c.frame(CLOSE, close_payload(want[0]))
    c.assert_closed()


def test_a_client_that_does_not_answer_the_close():
    with only("--ws-close-timeout", "100ms") as server:
        c = server.websocket("/close")
        c.recv_close()
        c.recv_cut()


@pytest.mark.asan
def test_it_ends_after_it_accepted(server):
    server.expect(r"Exception in the ASGI application\n")
    c = server.websocket("/raise?when=after")
    assert c.recv_close() == (1011, "")
    c.frame(CLOSE, close_payload(1011))
    c.assert_closed()
    c = server.websocket("/return?when=after")
    assert c.recv_close() == (1000, "")


@pytest.mark.asan
def test_messages_that_cannot_be(server):
    c = server.websocket("/bad")
    got = c.recv_text().split()
    assert got == [
        "RuntimeError", "ValueError", "TypeError", "ValueError",
        "ValueError", "TypeError",
        "ValueError", "ValueError", "TypeError", "TypeError",
        "UnicodeEncodeError", "RuntimeError"] + ["ValueError"] * 8 + [
        "TypeError", "RuntimeError", "RuntimeError", "ValueError",
        "TypeError"]
    assert c.recv_close() == (1000, "")


@pytest.mark.asan
@pytest.mark.parametrize("isolation", ["interp", "process"])
def test_a_drain(isolation, events):
    with Server("sockets:asgi", "--isolation", isolation,
            "--ws-close-timeout", "500ms", env={"EVENTS": events}) as server:
        idle = [server.websocket("/still?id=s%d" % i) for i in range(20)]
        silent = server.websocket("/still?id=silent")
        server.kill(signal.SIGTERM)
        for c in idle:
            assert c.recv_close() == (1012, "service restart")
            c.frame(CLOSE, close_payload(1012))
            c.assert_closed()
        # One that does not answer is not waited for long.
        assert silent.recv_close()[0] == 1012
        assert server.wait() == 0
    assert sorted(events.lines()) == sorted(
        ["s%d websocket.disconnect 1012" % i for i in range(20)]
        + ["silent websocket.disconnect 1012"])


# ---- pings

def test_the_server_pings_and_a_sign_of_life_is_enough():
    with only("--ws-ping-interval", "70ms", "--ws-ping-timeout",
            "30s") as server:
        c = server.websocket("/echo")
        for i in range(3):
            assert c.recv_frame() == (PING, b"")
            if i % 2:
                c.frame(PONG)
            else:
                c.text("alive")
                assert c.recv_text() == "alive"


@pytest.mark.asan
def test_a_client_without_a_sign_of_life_is_lost():
    with only("--ws-ping-interval", "70ms", "--ws-ping-timeout",
            "70ms") as server:
        who = name()
        c = server.websocket("/still?id=" + who)
        assert c.recv_frame() == (PING, b"")
        assert c.recv_close() == (1011, "ping timeout")
        c.assert_closed()
        seen(server, who + " websocket.disconnect 1006")


def test_no_pings():
    with only("--ws-ping-interval", "0") as server:
        c = server.websocket("/echo")
        time.sleep(0.3)
        c.assert_open()
        c.shut()


def test_one_that_we_do_not_read_is_not_lost():
    with only("--ws-ping-interval", "70ms", "--ws-ping-timeout",
            "70ms") as server:
        who = name()
        c = server.websocket("/deaf?id=" + who)
        pour(c.sock, frame(BINARY, b"x" * 50000), 4)
        # Several times as long as a silent client has.
        pings = 0
        while pings < 10:
            assert c.recv_frame() == (PING, b"")
            pings += 1
        server.get("/note?text=go%20" + who)
        c.frame(CLOSE, close_payload(1000))
        while c.recv_frame()[0] != CLOSE:
            pass
        seen(server, who + " 4 200000 1000")


def test_pings_are_answered_in_order(server):
    c = server.websocket("/echo")
    c.send(b"".join(frame(PING, "p%d" % i) for i in range(10)))
    for i in range(10):
        assert c.recv_frame() == (PONG, b"p%d" % i)
    c.shut()


@pytest.mark.asan
def test_a_flood_of_pings_fills_nothing():
    with only() as server:
        c = server.websocket("/still", rcvbuf=4096)
        before = memory(server)
        # None of the pongs is read meanwhile.
        pour(c.sock, frame(PING, "x" * 125) * 500, 100)
        server.get("/seen")
        assert memory(server) - before < 8 << 20
        c.sock.settimeout(LIMIT)
        c.frame(PING, "the last")
        got = (0, b"")
        while got != (PONG, b"the last"):
            got = c.recv_frame()
            assert got[0] == PONG


# ---- back-pressure

@pytest.mark.asan
def test_a_slow_client_stops_the_application():
    with only() as server:
        c = server.websocket("/flood?n=500&size=100000", rcvbuf=4096)
        last = -1
        while last != server.json("/seen")["sent"]:
            last = server.json("/seen")["sent"]
            time.sleep(0.2)
        assert last < 400
        for _ in range(500):
            assert len(c.recv_binary()) == 100000
        assert c.recv_close() == (1000, "")


def test_a_client_that_takes_nothing_is_given_up():
    with only("--send-timeout", "200ms") as server:
        c = server.websocket("/flood?n=500&size=100000", rcvbuf=4096)
        server.wait_log("The client left, .* OSError")
        c.recv_cut()
        assert server.json("/seen")["sent"] < 500


@pytest.mark.asan
def test_an_application_that_does_not_receive_stops_the_client():
    with only("--ws-ping-interval", "0") as server:
        who = name()
        c = server.websocket("/deaf?id=" + who)
        before = memory(server)
        data = frame(BINARY, b"x" * 1000) * 50
        c.sock.settimeout(1)
        done = 0
        try:
            while done < 4000:
                done += c.sock.send(data[done % len(data):]) if \
                    done % len(data) else c.sock.send(data)
        except TimeoutError:
            pass
        assert memory(server) - before < 8 << 20
        c.sock.settimeout(LIMIT)
        c.send(data[done % len(data):] if done % len(data) else b"")
        server.get("/note?text=go%20" + who)
        c.frame(CLOSE, close_payload(1000))
        assert c.recv_close()[0] == 1000
        total = -(-done // len(data)) * 50
        seen(server, "%s %d %d 1000" % (who, total, total * 1000))
