"""WSGI to the letter of PEP 3333: files, hints, every way to read."""

import gzip
import json
import os

import pytest

from shoal import APPS, Server, until

TEXT = ("content-type", "text/plain; charset=utf-8")
FILE = (APPS / "wsgi_ways.py").read_bytes()
WAY = str(APPS / "wsgi_ways.py")


@pytest.fixture(scope="module")
def server(isolation):
    with Server("wsgi_ways:wsgi", "--isolation", isolation) as server:
        yield server


# wsgi.file_wrapper

@pytest.mark.asan
@pytest.mark.parametrize("kind", ["plain", "raw", "both"])
def test_a_plain_file_has_a_length(server, kind):
    with server.connect() as c:
        for _ in range(3):
            got = c.get("/file?kind=%s&path=%s" % (kind, WAY))
            assert got.answer() == (200, [TEXT], FILE), got
            assert got.framing == "length", got
        c.assert_open()


@pytest.mark.asan
@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 9000000])
def test_files_of_any_size(server, tmp_path, size):
    data = os.urandom(size)
    (tmp_path / "data").write_bytes(data)
    with server.connect() as c:
        for _ in range(2):
            c.request("GET", "/file?kind=plain&path=%s" % (
                tmp_path / "data"))
        for _ in range(2):
            got = c.recv_response()
            assert (got.body, got.framing) == (data, "length")
        c.assert_open()


@pytest.mark.parametrize("ask, wanted", [("&seek=9", FILE[9:]),
    ("&length=5", FILE[:5]), ("&length=0", b""),
    ("&seek=9&length=5", FILE[9:14]), ("&status=206+Part", FILE)])
def test_a_part_of_a_file(server, ask, wanted):
    with server.connect() as c:
        got = c.get("/file?kind=plain&path=" + WAY + ask)
        assert got.body == wanted and got.framing == "length"
        c.assert_open()


def test_a_file_shorter_than_its_length(server):
    server.allow("shorter than its Content-Length")
    with server.connect() as c:
        c.request("GET", "/file?kind=plain&length=1000000&path=" + WAY)
        assert c.recv_head().status == 200
        assert c.recv_cut() == FILE


@pytest.mark.parametrize("ask, status, length", [
    ("", 200, [str(len(FILE))]), ("&status=204+No", 204, []),
    ("&status=304+Not", 304, [str(len(FILE))])])
def test_a_file_that_is_not_to_be_sent(server, ask, status, length):
    with server.connect() as c:
        c.request("HEAD", "/file?kind=plain&path=" + WAY + ask)
        got = c.recv_response("HEAD")
        assert (got.status, got.all("content-length")) == (status, length)
        c.assert_open()


@pytest.mark.asan
@pytest.mark.parametrize("kind, wanted", [("bytes", b"in memory"),
    ("pipe", b"through a pipe"), ("gzip", FILE), ("buffered-gzip", FILE),
    ("temporary", b"temporary"), ("noted", b"noted" * 5000)])
def test_what_is_no_plain_file_is_read(server, tmp_path, kind, wanted):
    (tmp_path / "z").write_bytes(gzip.compress(FILE))
    with server.connect() as c:
        got = c.get("/file?kind=%s&path=%s" % (kind, tmp_path / "z"))
        assert got.answer() == (200, [TEXT], wanted), got
        c.assert_open()


def test_the_block_size_and_close(server):
    assert len(server.get("/file?kind=noted&block=10000").body) == 25000
    until(lambda: server.json("/notes")["closed"] == 1, "close()")
    assert server.json("/notes")["asked"] == [10000] * 4


def test_a_file_whose_reading_fails_is_closed(isolation):
    with Server("wsgi_ways:wsgi", "--isolation", isolation) as server:
        server.expect("ZeroDivisionError", times=1)
        with server.connect() as c:
            c.request("GET", "/file?kind=fails")
            c.recv_failure()
        until(lambda: server.json("/notes")["closed"] == 1, "close()")


def test_a_file_without_start_response(isolation):
    with Server("wsgi_ways:wsgi", "--isolation", isolation) as server:
        server.allow("Exception in the WSGI application")
        server.expect("AssertionError", times=1)
        assert server.get("/no-start").status == 500


def test_a_wrapper_is_an_iterable(server):
    assert server.get("/wrapped").body == FILE + b"100 True"


@pytest.mark.asan
def test_a_file_that_shrinks_is_cut(isolation, tmp_path):
    path = tmp_path / "data"
    path.write_bytes(b"x" * 9000000)
    with Server("wsgi_ways:wsgi", "--isolation", isolation) as server:
        server.expect("A response was cut: %s: the file became shorter" %
            path, times=1)
        with server.connect(rcvbuf=4096) as c:
            c.request("GET", "/file?kind=plain&path=%s" % path)
            assert c.recv_head().one("content-length") == "9000000"
            os.truncate(path, 10)
            assert len(c.recv_cut()) < 9000000


# wsgi.early_hints

@pytest.mark.asan
def test_early_hints(server):
    with server.connect() as c:
        c.request("GET", "/hints")
        first, second = c.recv_head(), c.recv_head()
        assert (first.status, first.headers) == (103, [
            ("Link", "</a.css>; rel=preload"), ("X-A", "b")])
        assert (second.status, second.headers) == (103, [("Link", "</b>")])
        told = c.recv_response().json()
        c.assert_open()
    assert [t.partition(":")[0] for t in told] == ["TypeError", "TypeError",
        "ValueError", "ValueError", "TypeError", "TypeError",
        "RuntimeError"], told
    assert server.get("/late-hint").body == \
        b"RuntimeError: the request is over"


def test_http_1_0_gets_no_hints(server):
    with server.connect() as c:
        c.send("GET /hints HTTP/1.0\r\n\r\n")
        assert c.recv_cut().startswith(b"HTTP/1.1 200 ")


# wsgi.input

LINES = b"one\ntwo two\n\nfour\r\nlast"


@pytest.mark.asan
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("how, wanted", [
    ("r,r", ["one\ntwo two\n\nfour\r\nlast", ""]),
    ("r-1,r-1", ["one\ntwo two\n\nfour\r\nlast", ""]),
    ("rN", ["one\ntwo two\n\nfour\r\nlast"]),
    ("r0,r3,r,r0", ["", "one", "\ntwo two\n\nfour\r\nlast", ""]),
    ("r1000", ["one\ntwo two\n\nfour\r\nlast"]),
    ("l,l,l,l,l,l", ["one\n", "two two\n", "\n", "four\r\n", "last", ""]),
    ("l2,l2,l9,l0,l-1", ["on", "e\n", "two two\n", "", "\n"]),
    ("lN", ["one\n"]),
    ("s,s", [["one\n", "two two\n", "\n", "four\r\n", "last"], []]),
    ("s5,s", [["one\n", "two two\n"], ["\n", "four\r\n", "last"]]),
    ("s0", [["one\n", "two two\n", "\n", "four\r\n", "last"]]),
    ("sN", [["one\n", "two two\n", "\n", "four\r\n", "last"]]),
    ("i,r", [["one\n", "two two\n", "\n", "four\r\n", "last"], ""]),
    ("r2,l,i", ["on", "e\n", ["two two\n", "\n", "four\r\n", "last"]]),
    ("l,r5,s", ["one\n", "two t", ["wo\n", "\n", "four\r\n", "last"]]),
])
def test_every_way_to_read(server, how, wanted, chunked):
    with server.connect() as c:
        if not chunked:
            got = c.post("/reads?how=" + how, LINES)
        else:
            c.request("POST", "/reads?how=" + how,
                [("Transfer-Encoding", "chunked")])
            for byte in LINES:
                c.send(b"1\r\n%c\r\n" % byte)
            c.send("0\r\n\r\n")
            got = c.recv_response()
        assert json.loads(got.body) == wanted
        c.assert_open()


@pytest.mark.parametrize("how", ["r", "r5", "l", "s", "i"])
def test_reading_without_a_body(server, how):
    assert server.json("/reads?how=" + how)[0] in ("", [])


def test_a_body_is_read_as_it_comes(server):
    """Each line is answered before the next is sent, beyond what is
    gathered before the application is called."""
    with server.connect() as c:
        c.request("POST", "/streams", [("Transfer-Encoding", "chunked")])
        c.send(b"9c41\r\n" + b"x" * 40000 + b"\n\r\n")
        assert c.recv_head().status == 200
        assert c._line() == b"9c42" and len(c._exactly(40004)) == 40004
        for _ in range(3):
            c.send(b"4\r\nabc\n\r\n")
            assert c._exactly(10) == b"5\r\n<abc>\r\n"
        c.send(b"0\r\n\r\n")
        assert c._exactly(5) == b"0\r\n\r\n"
        c.assert_open()


# environ

def test_where_the_request_came_from(server):
    with server.connect() as c:
        address = c.sock.getsockname()
        got = c.get("/facts/%2e%ff?a=%20").json()
    assert (got["REMOTE_ADDR"], got["REMOTE_PORT"]) == (
        address[0], str(address[1]))
    assert got["RAW_URI"] == got["REQUEST_URI"] == "/facts/%2e%ff?a=%20"
    assert got["PATH_INFO"] == "/facts/.\xff"
    assert got["wsgi.input_terminated"] is True


@pytest.mark.parametrize("target, script, path", [
    ("/facts/facts/x", "/facts", "/facts/x"),
    ("/facts/x", "/facts", "/x"), ("/factsx", "", "/factsx"),
    ("/facts", "/facts", ""), ("/%66acts/facts", "/facts", "/facts")])
def test_the_prefix_is_script_name_only_where_it_fits(target, script, path):
    with Server("surroundings:wsgi", "--url-path-prefix",
            "/facts") as server:
        got = server.json(target)
        assert (got["SCRIPT_NAME"], got["PATH_INFO"]) == (script, path)


@pytest.mark.asan
def test_each_target_of_a_connection_is_its_own():
    """What it shares with the one before is kept from it, and no more."""
    asked = {
        "/facts/x?a=1": ("/facts", "/x", "a=1"),
        "/facts/x": ("/facts", "/x", ""),
        "/x?a=1": ("", "/x", "a=1"),
        "/facts/%41%2f": ("/facts", "/A/", ""),
        "http://h/facts/x?b": ("/facts", "/x", "b"),
    }
    with Server("surroundings:wsgi", "--url-path-prefix", "/facts") as \
            server, server.connect() as one, server.connect() as other:
        for target in [t for t in asked for _ in "twice"] + list(asked)[::-1]:
            for conn in one, other:
                conn.send("GET %s HTTP/1.1\r\nHost: h\r\n\r\n" % target)
                got = json.loads(conn.recv_response().body)
                assert (got["SCRIPT_NAME"], got["PATH_INFO"],
                    got["QUERY_STRING"]) == asked[target]
                assert got["RAW_URI"] == got["REQUEST_URI"] == target


@pytest.mark.parametrize("workers, threads, isolation, wanted", [
    (1, 1, "process", (False, False)), (1, 4, "process", (True, False)),
    (2, 1, "process", (False, True)), (2, 4, "process", (True, True)),
    (2, 4, "interp", (True, True)), (1, 1, "interp", (False, False))])
def test_multithread_and_multiprocess_are_true(workers, threads, isolation,
        wanted):
    """Another interpreter is another process to an application."""
    with Server("wsgi_ways:wsgi", "--isolation", isolation,
            "--blocking-threads", str(threads), workers=workers) as server:
        got = server.json("/facts")
        assert (got["wsgi.multithread"], got["wsgi.multiprocess"]) == wanted


# The response

def test_write_before_a_list(server):
    assert server.get("/write-then").body == b"one two three"


def test_the_head_waits_for_a_block_that_is_not_empty(server):
    got = server.get("/empty-first")
    assert (got.reason, got.answer()) == ("Accepted", (202, [TEXT,
        ("x-a", "second")], b"told"))


# the environ's memory

def test_a_browsers_fields_do_not_make_the_environ_grow(server):
    """It has room for them when it is copied: growing costs a copy more."""
    sizes = []
    for request in ("GET /size HTTP/1.0\r\n\r\n",
            "GET /size HTTP/1.0\r\n%s\r\n" % "".join(
                "X-%d: 1\r\n" % i for i in range(12))):
        with server.connect() as c:
            c.send(request.encode())
            sizes.append(int(c.recv_response().body))
    assert sizes[0] == sizes[1]
