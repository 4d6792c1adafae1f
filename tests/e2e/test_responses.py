"""What an application may do wrong with its response, row by row, for every
interface: what the client gets, what becomes of the connection, that the next
answer is untouched, and that the fault is logged once."""

import re
import sys

import pytest

from shoal import APPS, Server, until

sys.path.insert(0, str(APPS))

import misbehaving as rows  # noqa: E402

GOOD = rows.GOOD.encode()
TEXT = ("content-type", "text/plain; charset=utf-8")
# The first line of a fault's record.
FAULT = r"\[ERROR\].*(: (GET|HEAD|POST) /|in the ASGI application$)"


@pytest.fixture(scope="module", params=["asgi", "wsgi", "rsgi"])
def server(request):
    with Server("misbehaving:" + request.param, "--isolation",
            "process") as server:
        server.allow(r"\[ERROR\]")
        server.interface = request.param
        yield server


@pytest.fixture
def faults(server):
    """Holds a test to the number of faults it declares."""
    since = len(server.log)

    def found():
        return [line for line in server.log[since:]
            if re.search(FAULT, line)]

    def check(count):
        until(lambda: len(found()) >= count, "the log")
        assert len(found()) == count, found()

    return check


def untouched(server, c, got):
    """The neighbour's answers, on this connection and a new one."""
    if got is not None and got.keep_alive:
        c.send("GET /plain HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        for _ in range(2):
            after = c.recv_response()
            assert after.answer() == (200, [TEXT], GOOD), after
        c.assert_open()
    elif got is not None:
        c.assert_closed()
    assert server.get("/plain").answer() == (200, [TEXT], GOOD)


REFUSED = [*rows.HEADS, *rows.STATUSES, *rows.REASONS, "headers-none",
    "headers-int", "length-twice", "head-too-large"]


@pytest.mark.asan
@pytest.mark.parametrize("name", REFUSED)
def test_a_head_that_is_refused(server, faults, name):
    """R1: 500, nothing of it on the wire, the fault named in the log."""
    if name in rows.REASONS and server.interface != "wsgi":
        pytest.skip("only WSGI has reasons")
    since = len(server.log)
    with server.connect() as c:
        got = c.get("/?do=" + name)
        assert got.answer() == (500, [("content-type", "text/plain")],
            b"Internal Server Error"), got
        assert got.reason == "Internal Server Error"
        assert got.keep_alive, got
        untouched(server, c, got)
    faults(1)
    assert any("misbehaving.py" in line for line in server.log[since:])


@pytest.mark.parametrize("name", ["body-str-in-bytes", "body-int",
    "body-none"])
def test_a_body_of_a_wrong_type(server, faults, name):
    with server.connect() as c:
        got = c.get("/?do=" + name)
        assert (got.status, got.body) == (500, b"Internal Server Error")
        untouched(server, c, got)
    faults(1)


@pytest.mark.asan
def test_a_body_shorter_than_its_length(server, faults):
    """R2: cut, and the connection is never used again."""
    with server.connect() as c:
        c.send("GET /?do=too-short HTTP/1.1\r\nHost: x\r\n\r\n"
            "GET /plain HTTP/1.1\r\nHost: x\r\n\r\n")
        got = c.recv_head()
        if got.status == 500:
            assert c._exactly(21) == b"Internal Server Error"
            assert c.recv_response().body == GOOD
        else:
            assert got.one("content-length") == "50"
            assert c.recv_cut() == b"five."
        untouched(server, c, None)
    faults(1)


@pytest.mark.asan
def test_a_body_longer_than_its_length(server, faults):
    """R3: exactly the length, the rest dropped, the application told."""
    with server.connect() as c:
        got = c.get("/?do=too-long")
        assert got.answer() == (200, [TEXT], b"five."), got
        untouched(server, c, got)
    faults(1)


@pytest.mark.parametrize("name", ["both-framings", "own-chunks", "own-gzip",
    "hop-by-hop"])
def test_framing_is_the_servers(server, faults, name):
    """R4, R8: what concerns the connection is not the application's."""
    with server.connect() as c:
        got = c.get("/?do=" + name)
        assert got.answer() == (200, [TEXT], b"five."), got
        assert got.framing == "length" and got.connection is None, got
        untouched(server, c, got)
    faults(0)


@pytest.mark.asan
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("name, status, length", [
    ("204", 204, []), ("204-length", 204, []), ("304", 304, []),
    ("304-length", 304, ["5"]), ("205", 205, ["0"])])
def test_a_status_without_a_body(server, faults, method, name, status,
        length):
    """R5: the body is dropped; 204 has no length."""
    with server.connect() as c:
        c.request(method, "/?do=" + name)
        got = c.recv_response(method)
        assert got.answer() == (status, [], b""), got
        assert got.all("content-length") == length, got
        assert got.all("transfer-encoding") == [], got
        untouched(server, c, got)
    faults(0)


@pytest.mark.parametrize("name", ["both-framings", "own-chunks"])
def test_head_has_no_body(server, faults, name):
    with server.connect() as c:
        c.request("HEAD", "/?do=" + name)
        got = c.recv_response("HEAD")
        assert got.answer() == (200, [TEXT], b""), got
        assert got.one("content-length") == "5", got
        untouched(server, c, got)
    faults(0)


HOWS = ["value", "exit", "keyboard", "generator", "base"]


@pytest.mark.asan
@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("at", ["before", "head", "body", "after"])
def test_an_exception(server, faults, at, how, version):
    """R6, R7: 500 before the head, cut behind it, only logged at the end."""
    pid = server.child()
    with server.connect() as c:
        c.send("GET /?do=fail&at=%s&how=%s HTTP/%s\r\nHost: x\r\n\r\n" % (
            at, how, version))
        got = None
        if at == "after" and (version == "1.1" or
                server.interface == "rsgi"):
            got = c.recv_response()
            assert got.answer() == (200, [TEXT], b"some"), got
        elif at == "after":
            assert b"\r\n\r\nsome" in c.recv_cut()
        elif at == "before":
            got = c.recv_response()
            assert got.status == 500 and len(got.body) < 30, got
        elif version == "1.1":
            head = c.recv_failure()
            assert at == "body" or head.status == 500 or not head.body
            assert head.status == 500 or head.body in (
                b"", b"4\r\nsome\r\n"), head
        else:
            # Where the end is the end of the body: no orderly one.
            told_apart(c)
        untouched(server, c, got)
    faults(1)
    assert server.child() == pid


def told_apart(c):
    """A 500, or an end by a reset that no client takes for a body's."""
    parts = []
    try:
        while got := c.sock.recv(65536):
            parts.append(got)
    except ConnectionResetError:
        return
    data = b"".join(parts)
    assert data.startswith(b"HTTP/1.1 500 "), data


@pytest.mark.asan
def test_an_application_that_writes_nothing(server, faults):
    """R10: a 500 of the server's."""
    with server.connect() as c:
        got = c.get("/?do=silent")
        assert (got.status, got.body) == (500, b"Internal Server Error")
        untouched(server, c, got)
    faults(1)


@pytest.mark.asan
def test_an_application_that_writes_after_the_end(server, faults):
    """R10: nothing of it is sent, and it is told so."""
    with server.connect() as c:
        got = c.get("/?do=fine")
        assert got.answer() == (200, [TEXT], b"five."), got
        untouched(server, c, got)
    faults(1)


@pytest.mark.asan
@pytest.mark.parametrize("name", ["fine", "silent", "204"])
def test_an_application_that_reads_nothing(server, name):
    """R10: the body is read by the server, and is no request."""
    with server.connect() as c:
        c.request("POST", "/?do=" + name, (), rows.EVIL * 100 +
            b"GET /plain HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
        got = c.recv_response()
        assert got.status == {"fine": 200, "silent": 500, "204": 204}[name]
        untouched(server, c, got)


@pytest.mark.asan
@pytest.mark.parametrize("how", ["close", "reset", "finish"])
@pytest.mark.parametrize("size", [5, 50000, 90000])
def test_a_client_that_leaves_in_its_body(server, how, size):
    """R9: what is cut is never handed over as whole."""
    told = {"asgi": "http.disconnect", "wsgi": "OSError",
        "rsgi": "RSGIProtocolClosed"}[server.interface]
    # WSGI gathers a small body first: half of it is nobody's.
    called = server.interface != "wsgi" or size > 80000

    def left():
        return server.json("/left")

    with server.connect() as c:
        assert c.post("/?do=read", b"whole").body == b"whole"
        assert left()[0] == "begun" and told not in left()
        server.get("/forget")
        c.request("POST", "/?do=read", [("Content-Length", "100000")])
        c.send(b"x" * size)
        if called:
            until(lambda: left() != [], "a call")
        getattr(c, how)()
        if how == "finish":
            assert b"200 OK" not in c.recv_cut()
    if called:
        until(lambda: told in left(), "an error")
    # Where it was called although it need not be, it may not know yet.
    until(lambda: left() == [] or left()[-1] == told, "it was told")
    got = left()
    assert got in ([], ["begun"] + ["http.request"] * got.count("http.request")
        + [told]), got
    server.get("/forget")
    assert server.get("/plain").answer() == (200, [TEXT], GOOD)


@pytest.mark.asan
@pytest.mark.parametrize("interface", ["asgi", "wsgi", "rsgi"])
def test_os_exit(isolation, interface):
    """R7: the keeper starts another; the client sees a cut connection."""
    with Server("misbehaving:" + interface, "--isolation",
            isolation) as server:
        server.allow("ended|died|exit")
        pid = server.child()
        with server.connect() as c:
            c.request("GET", "/?do=exit")
            assert c.recv_cut() == b""
        until(lambda: server.children() and pid not in server.children(),
            "another process")
        assert server.get("/plain").answer() == (200, [TEXT], GOOD)
        server.rebase()
