"""HTTP/1.1 on the wire: what is answered, byte by byte, and what is left of
the connection."""

import os
import re
import signal
import socket
import time

import pytest

from shoal import LIMIT, SLOW, Server, at_once, phrase, until

TEXT = ("content-type", "text/plain; charset=utf-8")
HELLO = (200, [TEXT], b"Hello, world!\n")
LENGTH = ("content-length", "14")
GET = "GET /plain HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module", params=["asgi", "wsgi", "rsgi"])
def server(request):
    with Server("mux:" + request.param, "--isolation", "process") as server:
        yield server


@pytest.fixture(scope="module")
def asgi():
    """For what does not depend on the interface."""
    with Server("mux:asgi", "--isolation", "process") as server:
        yield server


def refused(conn, status):
    """The whole of a refusal: said, framed, and the connection ended."""
    got = conn.recv_response()
    assert (got.status, got.reason) == (status, phrase(status)), got
    assert got.connection == "close", got
    assert got.framing == "length" and len(got.body) < 200, got
    assert b"<" not in got.body, got
    conn.assert_closed()


# Answers

def test_the_answer_byte_by_byte(server):
    with server.connect() as c:
        c.send(GET)
        got = c.recv_response()
        assert (got.version, got.status, got.reason) == ("1.1", 200, "OK")
        names = sorted((n.lower(), v) for n, v in got.headers
            if n.lower() not in ("date", "server"))
        assert names == [LENGTH, TEXT], got
        assert got.answer() == HELLO and got.keep_alive
        c.assert_open()


def test_keep_alive(server):
    with server.connect() as c:
        for _ in range(50):
            assert c.get("/plain").answer() == HELLO
        c.assert_open()


def test_pipelined_requests_are_answered_in_order(server):
    with server.connect() as c:
        c.send("".join(
            "POST /echo HTTP/1.1\r\nHost: x\r\n"
            "Content-Length: %d\r\n\r\n%d" % (len(str(i)), i)
            for i in range(200)))
        for i in range(200):
            got = c.recv_response()
            assert (got.status, got.body) == (200, b"%d" % i)
        c.assert_open()


def test_a_slow_request_holds_back_those_behind_it(server):
    with server.connect() as c:
        c.send("GET /slow?s=0.2 HTTP/1.1\r\nHost: x\r\n\r\n" + GET * 2)
        assert c.recv_response().body == b"slow\n"
        assert c.recv_response().answer() == HELLO
        assert c.recv_response().answer() == HELLO


def test_ten_thousand_pipelined_requests(asgi):
    # as many as a connection may have: the last answer ends it
    with asgi.connect() as c:
        c.sock.setblocking(False)
        data, got = memoryview(GET.encode() * 10000), b""
        while got.count(b"Hello, world!\n") < 10000:
            try:
                data = data[c.sock.send(data):] if data else data
            except BlockingIOError:
                pass
            c.sock.settimeout(LIMIT if not data else 0.01)
            try:
                got += c.sock.recv(1 << 20)
            except TimeoutError:
                assert data, "only %d answers" % got.count(b"Hello")
            c.sock.setblocking(False)
        assert got.count(b"HTTP/1.1 200 OK\r\n") == 10000
        assert got.count(b"connection: close\r\n") == 1
        c.sock.settimeout(LIMIT)
        c.assert_closed()
    assert asgi.get("/plain").answer() == HELLO


@pytest.mark.asan
def test_requests_one_byte_at_a_time(server):
    data = ("POST /echo?x=1 HTTP/1.1\r\nHost: x\r\nX-A: b\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
        "3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    with server.connect() as c:
        for byte in data:
            c.send(byte)
        got = c.recv_response()
        assert got.answer() == (200, [
            ("content-type", "application/octet-stream")], b"abcde")
        c.assert_open()


def test_head_has_the_headers_and_no_body(server):
    with server.connect() as c:
        c.request("HEAD", "/plain")
        got = c.recv_response("HEAD")
        assert got.answer() == (200, [TEXT], b"")
        assert got.all("content-length") == ["14"], got
        c.request("HEAD", "/parts?n=3")
        got = c.recv_response("HEAD")
        assert got.answer() == (200, [TEXT], b"")
        assert c.get("/plain").answer() == HELLO


def test_streamed_answers_are_chunked(server):
    with server.connect() as c:
        got = c.get("/parts?n=5&pause=0.01")
        assert got.framing == "chunked" and got.keep_alive
        assert got.answer() == (200, [TEXT], b"".join(
            b"part %d\n" % i for i in range(5)))
        assert c.get("/plain").answer() == HELLO


def test_a_part_is_sent_before_the_next_is_made(server):
    with server.connect() as c:
        c.request("GET", "/parts?n=2&pause=0.5")
        c.recv_head()
        assert c._line() == b"7"
        assert c._exactly(9) == b"part 0\n\r\n"
        assert b"part 1" not in c.data
        assert c._line() == b"7"


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 1000000, 30000000])
def test_bodies_of_any_size(server, size):
    with server.connect() as c:
        got = c.get("/big?size=%d" % size)
        assert got.status == 200 and len(got.body) == size
        assert got.all("content-length") == [str(size)]
        unit = bytes(range(256)) * 256
        assert got.body == (unit * (size // 65536 + 1))[:size]
        c.assert_open()


@pytest.mark.parametrize("live", ["", "?live"])
@pytest.mark.parametrize("size", [0, 1, 16384, 1000003])
def test_bodies_go_both_ways(server, live, size):
    body = (bytes(range(251)) * (size // 251 + 1))[:size]
    with server.connect() as c:
        got = c.post("/echo" + live, body)
        assert (got.status, got.body) == (200, body)
        # an answer that begins before a long body has come may say "close"
        c.assert_open() if got.keep_alive else c.assert_closed()
    with server.connect() as c:
        c.request("POST", "/echo" + live,
            [("Transfer-Encoding", "chunked")])
        for i in range(0, size, 77777):
            piece = body[i:i + 77777]
            c.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        c.send("0\r\n\r\n")
        got = c.recv_response()
        assert (got.status, got.body) == (200, body)
        c.assert_open() if got.keep_alive else c.assert_closed()


def test_trailers_are_not_headers(asgi):
    with asgi.connect() as c:
        c.request("POST", "/echo", [("Transfer-Encoding", "chunked"),
            ("Trailer", "X-After")])
        c.send("3\r\nabc\r\n0\r\nX-After: b\r\n\r\n")
        assert c.recv_response().body == b"abc"
        assert c.get("/plain").answer() == HELLO


# The connection's end

def test_connection_close_is_kept(server):
    with server.connect() as c:
        got = c.get("/plain", [("Connection", "close")])
        assert got.answer() == HELLO and got.connection == "close"
        c.assert_closed()


def test_nothing_behind_connection_close_is_served(server):
    with server.connect() as c:
        before = int(server.get("/calls").body)
        c.send("GET /plain HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            "\r\n" + GET)
        assert c.recv_response().answer() == HELLO
        c.assert_closed()
        assert int(server.get("/calls").body) == before + 1


def test_http_1_0_closes_unless_asked(server):
    with server.connect() as c:
        c.send("GET /plain HTTP/1.0\r\n\r\n")
        got = c.recv_response()
        assert got.answer() == HELLO and not got.keep_alive
        c.assert_closed()
    with server.connect() as c:
        for _ in range(3):
            c.send("GET /plain HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
            got = c.recv_response()
            assert got.answer() == HELLO, got
            assert got.connection == "keep-alive", got
        c.assert_open()


def test_http_1_0_gets_no_chunks(server):
    with server.connect() as c:
        c.send("GET /parts?n=3&pause=0.01 HTTP/1.0\r\n"
            "Connection: keep-alive\r\n\r\n")
        got = c.recv_response()
        assert got.framing == "close" and got.answer() == (
            200, [TEXT], b"part 0\npart 1\npart 2\n")


def test_a_client_may_shut_its_side_and_wait(server):
    with server.connect() as c:
        c.request("POST", "/echo", [], b"last words")
        c.finish()
        assert c.recv_response().body == b"last words"
        c.assert_closed()


def test_a_client_that_says_nothing_and_leaves(server):
    for _ in range(20):
        server.connect().close()
        c = server.connect()
        c.send("GET /pl")
        c.reset()
    assert server.get("/plain").answer() == HELLO


def test_a_client_that_leaves_in_the_middle_of_an_answer(server):
    for _ in range(5):
        c = server.connect()
        c.request("GET", "/big?size=30000000")
        c.recv_head()
        c.reset()
    assert server.get("/plain").answer() == HELLO


def test_empty_lines_before_a_request(asgi):
    with asgi.connect() as c:
        c.send("\r\n" + GET + "\r\n" + GET)
        assert c.recv_response().answer() == HELLO
        assert c.recv_response().answer() == HELLO


# Expect: 100-continue

def test_continue_is_said_once_and_only_when_read(server):
    with server.connect() as c:
        c.request("POST", "/echo", [("Expect", "100-continue"),
            ("Content-Length", "5")])
        got = c.recv_head()
        assert (got.status, got.reason, got.headers) == (
            100, "Continue", []), got
        c.send("hello")
        assert c.recv_response().body == b"hello"
        c.assert_open()


def test_no_continue_when_the_body_is_there(server):
    with server.connect() as c:
        c.send("POST /echo HTTP/1.1\r\nHost: x\r\n"
            "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello")
        head = c.recv_head()
        if head.status == 100:
            head = c.recv_head()
        assert head.status == 200
        assert c._exactly(5) == b"hello"
        c.assert_open()


def test_no_continue_when_the_body_is_not_wanted(server):
    with server.connect() as c:
        c.request("POST", "/plain", [("Expect", "100-continue"),
            ("Content-Length", "5")])
        got = c.recv_response()
        assert got.answer() == HELLO, got
        if got.keep_alive:
            # it must take the five bytes as the body, not as a request
            c.send("hello" + GET)
            assert c.recv_response().answer() == HELLO
        else:
            c.assert_closed()


def test_an_unknown_expectation(asgi):
    with asgi.connect() as c:
        c.request("POST", "/echo", [("Expect", "a miracle"),
            ("Content-Length", "5")])
        refused(c, 417)


# Refusals.  The application is not called, nothing behind is parsed.

BAD = {
    "garbage": "garbage\r\n\r\n",
    "no version": "GET /plain\r\n\r\n",
    "http 0.9": "GET /plain HTTP/0.9\r\nHost: x\r\n\r\n",
    "lower case": "get /plain http/1.1\r\nHost: x\r\n\r\n",
    "two spaces": "GET  /plain HTTP/1.1\r\nHost: x\r\n\r\n",
    "space in the target": "GET /pl ain HTTP/1.1\r\nHost: x\r\n\r\n",
    "relative target": "GET plain HTTP/1.1\r\nHost: x\r\n\r\n",
    "star": "GET * HTTP/1.1\r\nHost: x\r\n\r\n",
    "no host": "GET /plain HTTP/1.1\r\n\r\n",
    "two hosts": "GET /plain HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
    "bad host": "GET /plain HTTP/1.1\r\nHost: x/y\r\n\r\n",
    "host with user": "GET /plain HTTP/1.1\r\nHost: a@x\r\n\r\n",
    "space before colon": "GET /plain HTTP/1.1\r\nHost : x\r\n\r\n",
    "space in a name": "GET /plain HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n",
    "no colon": "GET /plain HTTP/1.1\r\nHost: x\r\nnothing\r\n\r\n",
    "folded": "GET /plain HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "nul": "GET /plain HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n",
    "bare lf": "GET /plain HTTP/1.1\nHost: x\n\n",
    "bare lf in headers": "GET /plain HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
    "bare cr": "GET /plain HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
    "both lengths": "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5"
        "\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5"
        "\r\nContent-Length: 5\r\n\r\nhello",
    "list of lengths": "POST /echo HTTP/1.1\r\nHost: x\r\n"
        "Content-Length: 5, 5\r\n\r\nhello",
    "signed length": "POST /echo HTTP/1.1\r\nHost: x\r\n"
        "Content-Length: +5\r\n\r\nhello",
    "hex length": "POST /echo HTTP/1.1\r\nHost: x\r\n"
        "Content-Length: 0x5\r\n\r\nhello",
    "endless length": "POST /echo HTTP/1.1\r\nHost: x\r\n"
        "Content-Length: 18446744073709551617\r\n\r\nhello",
    "chunked twice": "POST /echo HTTP/1.1\r\nHost: x\r\n"
        "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "not chunked": "POST /echo HTTP/1.1\r\nHost: x\r\n"
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "identity": "POST /echo HTTP/1.1\r\nHost: x\r\n"
        "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "chunked in 1.0": "POST /echo HTTP/1.0\r\nHost: x\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD)
def test_refused_before_the_application(asgi, name):
    before = asgi.get("/calls").body
    with asgi.connect() as c:
        c.send(BAD[name] + GET)
        refused(c, 400)
    with asgi.connect() as c:
        c.send(GET + BAD[name] + GET)
        assert c.recv_response().answer() == HELLO
        refused(c, 400)
    assert int(asgi.get("/calls").body) == int(before) + 1


@pytest.mark.asan
@pytest.mark.parametrize("name", BAD)
def test_refused_byte_by_byte(asgi, name):
    with asgi.connect() as c:
        try:
            for byte in BAD[name]:
                c.send(byte)
        except (BrokenPipeError, ConnectionResetError):
            pass
        refused(c, 400)


@pytest.mark.parametrize("version", ["2.0", "3.0", "9.9"])
def test_another_major_version(asgi, version):
    with asgi.connect() as c:
        c.send("GET /plain HTTP/%s\r\nHost: x\r\n\r\n" % version)
        got = c.recv_response()
        assert got.status in (400, 505) and not got.keep_alive, got
        c.assert_closed()


BAD_CHUNKS = ["x\r\nabc\r\n", "-1\r\n", "0x3\r\nabc\r\n", "3\nabc\r\n",
    "3\r\nabcd\r\n", "3\r\nabc\n", "\r\n", "3 \r\nabc\r\n",
    "FFFFFFFFFFFFFFFF\r\n", "10000000000000000\r\n",
    "0" * 1000 + "3\r\nabc\r\n", "3;" + "x" * 70000 + "\r\nabc\r\n"]


@pytest.mark.asan
@pytest.mark.parametrize("chunk", BAD_CHUNKS, ids=lambda c: repr(c[:20]))
def test_a_bad_chunk_never_completes_a_body(asgi, chunk):
    with asgi.connect() as c:
        assert c.post("/pressure/read", b"four").body == b"4\n"
        c.request("POST", "/pressure/read",
            [("Transfer-Encoding", "chunked")])
        try:
            c.send("2\r\nok\r\n" + chunk + "0\r\n\r\n" + GET)
        except (BrokenPipeError, ConnectionResetError):
            pass
        rest = c.recv_cut()
        assert rest == b"" or rest.startswith(b"HTTP/1.1 400 "), rest
        assert b"200 OK" not in rest
    # the application was not called, or it heard that the client is gone
    until(lambda: asgi.json("/pressure/counts")["ended"] == 1, "its end")
    counts = asgi.json("/pressure/counts")
    assert (counts["read"], counts["error"]) == (4, "") or \
        (counts["read"] <= 5 and counts["error"] == "disconnect"), counts


def test_the_request_line_has_a_limit(asgi):
    with asgi.connect() as c:
        assert c.get("/plain?" + "x" * 8000).answer() == HELLO
    with asgi.connect() as c:
        c.request("GET", "/plain?" + "x" * 8300)
        refused(c, 414)
    with asgi.connect() as c:
        # decided while it comes, not after its end
        c.send("GET /" + "x" * 20000)
        refused(c, 414)


def test_the_headers_have_limits(asgi):
    with asgi.connect() as c:
        got = c.get("/plain", [("X-%d" % i, "v") for i in range(98)])
        assert got.answer() == HELLO, got
    with asgi.connect() as c:
        c.request("GET", "/plain",
            [("X-%d" % i, "v") for i in range(110)])
        refused(c, 431)
    with asgi.connect() as c:
        assert c.get("/plain", [("X", "v" * 8000)]).answer() == HELLO
    with asgi.connect() as c:
        c.request("GET", "/plain", [("X", "v" * 8300)])
        refused(c, 431)
    with asgi.connect() as c:
        c.request("GET", "/plain",
            [("X-%d" % i, "v" * 4000) for i in range(9)])
        refused(c, 431)
    with asgi.connect() as c:
        c.request("GET", "/plain",
            [("X-%d" % i, "v") for i in range(300)])
        assert c.recv_cut() == b""


def test_the_oldest_idle_connection_makes_room():
    with Server("mux:asgi", "--isolation", "process",
            "--max-connections", "3") as server:
        old = [server.connect() for _ in range(3)]
        for c in old:
            assert c.get("/plain").answer() == HELLO
        old[1].request("GET", "/slow?s=1")
        assert old[0].get("/plain").answer() == HELLO
        # idle longest is the third now, and the second is not idle
        with server.connect() as new:
            assert new.get("/plain").answer() == HELLO
            assert old[2].recv_cut() == b""
            old[0].assert_open()
            assert old[1].recv_response().body == b"slow\n"
            assert old[0].get("/plain").answer() == HELLO


def test_fields_of_every_response():
    def common(got):
        return [(n, v) for n, v in got.headers
            if n.lower() in ("server", "x-frame-options", "x-a")]

    ours = [("X-A", "b"), ("X-Frame-Options", "DENY")]
    with Server("mux:asgi", "--isolation", "process",
            "--server-header", "off", "--header", "X-A:b",
            "--header", "X-Frame-Options: DENY") as server, server.connect() as c:
        for target in ("/plain", "/parts?n=2", "/big?size=100000"):
            assert common(c.get(target)) == ours
        c.send("GET /plain HTTP/1.1\r\n\r\n")
        assert common(c.recv_response()) == ours
    with Server("mux:asgi", "--isolation", "process",
            "--server-header", "My Server/1", "--no-date-header") \
            as server, server.connect() as c:
        c.send("GET /plain HTTP/1.0\r\n\r\n")
        head = c.recv_until_close().lower()
        assert b"\r\nserver: my server/1\r\n" in head, head
        assert b"\r\ndate:" not in head, head


def test_the_limits_are_options():
    with Server("mux:asgi", "--isolation", "process",
            "--limit-request-line", "300",
            "--limit-request-fields", "5",
            "--limit-request-field-size", "256",
            "--limit-request-body", "1000") as server:
        with server.connect() as c:
            assert c.get("/plain").answer() == HELLO
            got = c.post("/echo", b"x" * 1000)
            assert (got.status, got.body) == (200, b"x" * 1000)
        with server.connect() as c:
            c.request("GET", "/plain?" + "x" * 300)
            refused(c, 414)
        with server.connect() as c:
            c.request("GET", "/plain",
                [("X-%d" % i, "v") for i in range(6)])
            refused(c, 431)
        with server.connect() as c:
            c.request("GET", "/plain", [("X", "v" * 300)])
            refused(c, 431)
        with server.connect() as c:
            c.request("POST", "/echo", [("Content-Length", "1001")])
            refused(c, 413)
        with server.connect() as c:
            c.request("POST", "/echo",
                [("Transfer-Encoding", "chunked")])
            c.send(b"258\r\n" + b"x" * 600 + b"\r\n")
            c.send(b"258\r\n" + b"x" * 600 + b"\r\n")
            refused(c, 413)


# Deadlines: options make them short, and what is seen is that they come.

def test_deadlines():
    with Server("mux:asgi", "--isolation", "process",
            "--header-timeout", "1", "--keep-alive-timeout", "1") \
            as server:
        idle, silent, half, slow = (server.connect() for _ in range(4))
        assert idle.get("/plain").answer() == HELLO
        half.send("GET /plain HTTP/1.1\r\nHost:")
        slow.request("GET", "/slow?s=2")
        refused(half, 408)
        rest = silent.recv_until_close()
        assert rest == b"" or rest.startswith(b"HTTP/1.1 408 "), rest
        idle.assert_closed()
        # a deadline of the head is none of the answer
        assert slow.recv_response().body == b"slow\n"


def ask_while_stopped(server, texts, seconds):
    """Asks each of <texts> in two parts, the second while the server is
    stopped for so long; the bodies.  None: it took too long to be fair."""
    began = time.monotonic()
    conns = [server.connect() for _ in texts]
    for c, (first, _) in zip(conns, texts):
        # those who have said nothing of it were answered before
        assert first or c.get("/plain").answer() == HELLO
        c.send(first)
    until(lambda: server.get("/plain").answer() == HELLO, "it has read them")
    os.kill(server.child(), signal.SIGSTOP)
    try:
        for c, (_, second) in zip(conns, texts):
            c.send(second)
        fair = time.monotonic() - began < seconds / 2
        time.sleep(seconds)
    finally:
        os.kill(server.child(), signal.SIGCONT)
    got = [c.recv_response().body for c in conns] if fair else None
    for c in conns:
        c.close()
    return got


@pytest.mark.asan
def test_what_came_in_time_is_served_after_a_stop():
    """A suspended machine, a debugger, a long call: more of them than one
    look at the sockets finds, each with a deadline that passed meanwhile."""
    post = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
    texts = [("", GET), (GET[:30], GET[30:]), (post + "bo", "dy")] * 133
    limit = 4 * SLOW
    with Server("mux:asgi", "--isolation", "process", "--header-timeout",
            limit, "--body-timeout", limit, "--keep-alive-timeout",
            limit) as server:
        got = until(lambda: ask_while_stopped(server, texts, limit + 1),
            "a stop that was in time")
    assert got == [HELLO[2], HELLO[2], b"body"] * 133


@pytest.mark.parametrize("option", [
    ("--body-timeout", "500ms", "--body-rate", "0"),
    ("--body-rate", "1g", "--body-timeout", "1h")], ids=["gap", "pace"])
@pytest.mark.parametrize("kind", ["asgi", "wsgi", "rsgi"])
def test_a_body_that_does_not_come(kind, option):
    """408 for the client, and for the application no whole body."""
    with Server("mux:" + kind, "--isolation", "process", *option) as server:
        server.allow("ClientDisconnected|ClientDisconnect|ProtocolError"
            "|--body-timeout|OSError|wsgi.input")
        slow = server.connect(limit=max(LIMIT, 30))
        slow.request("POST", "/pressure/read", [("Content-Length", "90000")])
        slow.send(b"x" * 70000)
        refused(slow, 408)
        counts = server.json("/pressure/counts")
        # called or not: it never had all of it
        until(lambda: server.json("/pressure/counts")["ended"] ==
            server.json("/pressure/counts")["begun"], "the application's end")
        counts = server.json("/pressure/counts")
        assert counts["read"] < 90000, counts
        assert not counts["begun"] or counts["error"], counts
        assert server.get("/plain").answer() == HELLO


# Back-pressure

@pytest.mark.asan
def test_a_client_that_does_not_read_stops_the_application(server):
    with server.connect(rcvbuf=4096) as c:
        c.request("GET", "/pressure/write?n=2000")
        last = [0, 0]

        def still():
            now = server.json("/pressure/counts")["written"]
            last.append(now)
            return now > 0 and len(set(last[-20:])) == 1

        until(still, "the application waits")
        assert last[-1] < 40 << 20, last[-1]
        got = c.recv_response()
        assert len(got.body) == 2000 * 65536
        assert set(got.body) == {ord("x")}
        c.assert_open()


def test_an_application_that_does_not_read_stops_the_client(asgi):
    with asgi.connect() as c:
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        size = 60 << 20
        c.request("POST", "/pressure/read?wait=1",
            [("Content-Length", str(size))])
        c.sock.settimeout(0.3)
        sent, block = 0, b"x" * 65536
        try:
            while sent < size:
                sent += c.sock.send(block)
        except TimeoutError:
            pass
        assert sent < 20 << 20, "%d bytes taken unread" % sent
        c.sock.settimeout(LIMIT)
        while sent < size:
            sent += c.sock.send(block[:size - sent])
        assert c.recv_response().body == b"%d\n" % size
        c.assert_open()


@pytest.mark.asan
def test_an_unread_body_never_becomes_a_request(server):
    evil = GET * 3
    with server.connect() as c:
        before = int(server.get("/calls").body)
        c.request("POST", "/pressure/ignore", [], evil.encode())
        got = c.recv_response()
        assert got.answer() == (200, [TEXT], b"ignored\n")
        if got.keep_alive:
            assert c.get("/plain").answer() == HELLO
            before += 1
        else:
            c.assert_closed()
        assert int(server.get("/calls").body) == before + 1
    with server.connect() as c:
        # too large to be skipped
        c.request("POST", "/pressure/ignore",
            [("Content-Length", str(1 << 30))])
        c.send(b"x" * 100000)
        got = c.recv_response()
        assert got.answer() == (200, [TEXT], b"ignored\n")
        try:
            for _ in range(1 << 14):
                c.send(b"x" * 65536)
            raise AssertionError("a gigabyte was read for nothing")
        except (BrokenPipeError, ConnectionResetError):
            pass


def test_an_early_answer_reaches_who_reads_it_last(server):
    """A proxy with a whole upload sends all of it before it looks."""
    body = b"x" * (16 << 20)

    def answer():
        with server.connect() as c:
            try:
                c.request("POST", "/pressure/ignore", [], body)
                return c.recv_response()
            except (BrokenPipeError, ConnectionResetError):
                return None  # on a busy machine it may have been too slow

    got = until(answer, "an answer")
    assert got.answer() == (200, [TEXT], b"ignored\n")
    assert not got.keep_alive


def test_targets_reach_the_application(asgi):
    for target, path, raw, query in (
            ("/surroundings/a%20b%2Fc?x=%20y", "/a b/c",
                "/surroundings/a%20b%2Fc", "x=%20y"),
            ("/surroundings/%C3%A9", "/\u00e9",
                "/surroundings/%C3%A9", ""),
            ("/surroundings/../a//b/", "/../a//b/",
                "/surroundings/../a//b/", "")):
        scope = asgi.json(target)
        assert scope["path"] == path, scope
        assert scope["raw_path"] == {"bytes": raw}, scope
        assert scope["query_string"] == {"bytes": query}, scope


def test_absolute_form(asgi):
    with asgi.connect() as c:
        c.send("GET http://a.test/surroundings/x?y HTTP/1.1\r\n"
            "Host: a.test\r\n\r\n")
        got = c.recv_response()
        assert got.status == 200 and got.json()["path"] == "/x", got
        assert got.json()["query_string"] == {"bytes": "y"}, got
    with asgi.connect() as c:
        c.send("GET http://user@a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n")
        refused(c, 400)


def test_the_date_is_one_and_moves(asgi):
    with asgi.connect() as c:
        first = c.get("/plain").one("date")
        assert re.match(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT$", first)
        until(lambda: c.get("/plain").one("date") != first, "a second")


SENT = bytes(range(256)) * 32768


@pytest.mark.asan
@pytest.mark.parametrize("interface", ["asgi", "rsgi"])
def test_large_bodies_are_let_go_of(isolation, interface):
    """They are not copied: held until they have left, or their clients have."""
    wants = {"/": SENT, "/parts": 3 * SENT}
    if interface == "rsgi":
        wants["/text"] = ("größer " * 20000).encode()
    with Server("lent:" + interface, "--isolation", isolation) as server:
        before = server.get("/refs").body
        for path, body in wants.items():
            got = at_once(4, lambda i, path=path: server.get(path).body)
            assert set(got) == {body}, path
        assert server.get("/refs").body == before
        slow = [server.connect(rcvbuf=4096) for _ in range(6)]
        for conn in slow:
            conn.request("GET", "/")
        until(lambda: server.get("/refs").body != before, "what is not read")
        for conn in slow[::2]:
            conn.reset()
        for conn in slow[1::2]:
            assert conn.recv_response().body == SENT
        until(lambda: server.get("/refs").body == before, "all of it being let go")
