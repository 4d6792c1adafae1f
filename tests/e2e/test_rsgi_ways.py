"""RSGI to the letter: what is kept, what is refused, what waits, what ends."""

import os
import threading
import venv

import pytest

from shoal import APPS, Server, until

TEXT = ("content-type", "text/plain; charset=utf-8")
FILE = (APPS / "rsgi_ways.py").read_bytes()


@pytest.fixture(scope="module")
def server(isolation):
    with Server("rsgi_ways:rsgi", "--isolation", isolation,
            "--body-timeout", "30") as server:
        yield server


@pytest.fixture
def notes(server):
    """What the application noted since the test began."""
    server.get("/clear")
    return lambda: server.json("/notes")


def total(body):
    return b"%d %d" % (len(body), sum(body))


# Scope and headers

def test_values_are_latin_1(server):
    with server.connect() as c:
        c.send("GET /scope HTTP/1.1\r\nHost: x\r\nX-A: caf\xe9\tb\r\n\r\n")
        assert c.recv_response().json()["items"] == [
            ["host", "x"], ["x-a", "caf\xe9\tb"]]


def test_the_authority_is_the_absolute_form_s(server):
    with server.connect() as c:
        c.send("GET http://there:81/scope?a HTTP/1.1\r\nHost: there:81\r\n"
            "\r\n")
        got = c.recv_response().json()
        assert (got["authority"], got["path"], got["query_string"]) == (
            "there:81", "/scope", "a")


def test_a_path_that_is_no_utf_8(server):
    got = server.json("/scope/%ff%2f%zz//..")
    assert got["path"] == "/scope/\ufffd/%zz//.."


def test_the_scope_is_read_only(server):
    got = server.json("/read-only")
    assert all(text.startswith("AttributeError") for text in got), got


def test_ipv6_addresses_are_in_brackets(isolation):
    with Server("rsgi_ways:rsgi", "--isolation", isolation,
            "--host", "::1") as server:
        with server.connect(("::1", server.port)) as c:
            port = c.sock.getsockname()[1]
            got = c.get("/scope", [("Host", "x")]).json()
    assert got["client"] == "[::1]:%d" % port
    assert got["server"] == "[::1]:%d" % server.port


def test_a_unix_socket_has_its_path(isolation, tmp_path):
    with Server("rsgi_ways:rsgi", "--isolation", isolation,
            "--uds", tmp_path / "s") as server:
        got = server.json("/scope")
    assert (got["client"], got["server"]) == ("", str(tmp_path / "s"))


@pytest.mark.asan
@pytest.mark.parametrize("what", ["scope", "headers"])
def test_what_is_kept_outlives_the_request(server, what):
    with server.connect() as c:
        port = c.sock.getsockname()[1]
        assert c.post("/keep?what=%s&%s" % (what, "l" * 300), b"", [
            ("X-A", "b" * 500), ("X-B", "")]).status == 204
        for i in range(5):
            assert c.get("/scope?%d" % i, [("X-%d" % i, "y")]).status == 200
    got = server.json("/kept")
    items = [["host", "127.0.0.1:%d" % server.port],
        ["content-length", "0"], ["x-a", "b" * 500], ["x-b", ""]]
    if what == "headers":
        assert got == items
    else:
        assert got == {"proto": "http", "method": "POST", "path": "/keep",
            "query_string": "what=scope&" + "l" * 300, "authority": None,
            "client": "127.0.0.1:%d" % port, "scheme": "http",
            "server": "127.0.0.1:%d" % server.port, "http_version": "1.1",
            "rsgi_version": "1.6", "items": items}


def test_the_headers_object(server):
    with server.connect() as c:
        got = c.get("/headers", [("X-A", "1"), ("x-a", "2")]).json()
    assert got == {
        "get": ["1", None, 5, "1", None],
        "in": [True, False, False, False],
        "all": [["1", "2"], []],
        "missing": "KeyError: 'x-none'",
        "no key": "TypeError: get() needs a key",
        "dict": {"host": "127.0.0.1:%d" % server.port, "x-a": "1"},
        "len": 2, "keys": ["host", "x-a"], "same": True, "true": True,
        "types": [True, True, True] if got["types"][0] else [False] * 3,
        "repr": "Headers("}, got


def test_the_names_of_granian_rsgi(server):
    assert server.json("/names") == {
        "errors": [True, True], "kinds": [0, 1, 2]}


def test_granian_rsgi_without_granian(isolation, tmp_path):
    """All ways to import it; what is not there is still not there."""
    venv.create(tmp_path / "env", with_pip=False)
    with Server("granian_less:rsgi", "--isolation", isolation,
            "--venv", tmp_path / "env") as server:
        assert server.json("/") == {
            "import granian.rsgi": "granian.rsgi",
            "from granian import rsgi": "granian.rsgi",
            "from granian.rsgi import Scope": "RSGIScope",
            "from granian import Granian": "ImportError",
            "import granian.utils": "ModuleNotFoundError",
            "scope": True}


# The request's body

@pytest.mark.parametrize("way", ["body", "chunks"])
@pytest.mark.parametrize("size", [0, 1, 70000, 3000000])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body(server, way, size, framing):
    data = os.urandom(size)
    with server.connect() as c:
        if framing == "length":
            c.request("POST", "/" + way, (), data)
        else:
            c.request("POST", "/" + way, [("Transfer-Encoding", "chunked")])
            for at in range(0, size, 50000):
                part = data[at:at + 50000]
                c.send(b"%x\r\n%s\r\n" % (len(part), part))
            c.send("0\r\n\r\n")
        got = c.recv_response()
        assert got.body.startswith(total(data)), got
        assert way == "body" or got.body.endswith(b"True\n"), got
        c.assert_open()


def test_a_body_that_comes_while_the_application_waits(server):
    with server.connect() as c:
        c.request("POST", "/body?wait=0.1", [("Content-Length", "200000")])
        for _ in range(200):
            c.send("x" * 1000)
        assert c.recv_response().body == b"200000 24000000\n"


def test_expect_100_continue(server):
    with server.connect() as c:
        c.request("POST", "/body", [("Content-Length", "3"),
            ("Expect", "100-continue")])
        assert c.recv_head().status == 100
        c.send("abc")
        assert c.recv_response().body == b"3 294\n"


@pytest.mark.asan
@pytest.mark.parametrize("wait", [False, True])
@pytest.mark.parametrize("way", ["body", "chunks"])
def test_a_client_that_leaves_in_the_body(server, notes, way, wait):
    with server.connect() as c:
        c.request("POST", "/" + way, [("Content-Length", "10")])
        c.send("five.")
        if wait:
            until(lambda: "begun" in notes(), "the start")
    until(lambda: "error" in notes(), "an error")
    assert notes()["error"].startswith(
        "RSGIProtocolClosed: RSGI transport is closed: the client left")


@pytest.mark.parametrize("way", ["body", "chunks"])
def test_a_body_above_the_limit(isolation, way):
    with Server("rsgi_ways:rsgi", "--isolation", isolation,
            "--limit-request-body", "1000") as server:
        with server.connect() as c:
            c.request("POST", "/" + way, [("Transfer-Encoding", "chunked")])
            until(lambda: "begun" in server.json("/notes"), "the start")
            for _ in range(3):
                c.send(b"1f4\r\n" + b"x" * 500 + b"\r\n")
            assert c.recv_head().status == 413
        until(lambda: "error" in server.json("/notes"), "an error")


def test_rules_of_reading(server):
    error = "RSGIProtocolError: RSGI protocol error: "
    with server.connect() as c:
        got = c.post("/rules", b"text").json()
    again = error + "the request's body was asked for already"
    assert got == [error + "iterate over the protocol object by "
        "\"async for\"", again, again, "text", again], got


def test_the_body_can_be_read_after_the_response(server, notes):
    with server.connect() as c:
        assert c.post("/read-later", b"text").body == b"out\n"
    until(lambda: notes().get("later") == "text", "the body")


def test_the_body_that_was_never_sent(server, notes):
    with server.connect() as c:
        c.request("POST", "/read-later", [("Content-Length", "5")])
        assert c.recv_response().body == b"out\n"
        until(lambda: "later" in notes(), "an error")
    assert "the response was complete before" in notes()["later"]


@pytest.mark.asan
def test_reading_with_a_timeout(server):
    with server.connect() as c:
        c.request("POST", "/timeout", [("Content-Length", "5")])
        assert c.recv_response().answer() == (408, [TEXT], b"too slow\n")


# Responses

def test_what_is_refused_says_why(server):
    got = server.json("/broken")
    value = {"name", "empty name", "control", "line", "wide", "status",
        "huge", "negative", "length", "two lengths", "range", "before",
        "beyond", "file length"}
    for name, text in got.items():
        kind = "ValueError: " if name in value else \
            "UnicodeEncodeError: " if name == "surrogate" else "TypeError: "
        assert text.startswith(kind), (name, text)
    assert got["name"] == "ValueError: header 0 ('x a'): a header name " \
        "must be a token of RFC 9110"
    assert got["wide"].endswith("'\u20ac' cannot be encoded as latin-1")
    assert got["status"].endswith("not 99")
    assert got["range"] == "ValueError: Invalid range"


@pytest.mark.asan
@pytest.mark.parametrize("second", ["empty", "str", "bytes", "file",
    "stream"])
@pytest.mark.parametrize("first", ["empty", "str", "bytes", "file",
    "stream"])
def test_one_request_one_response(server, notes, first, second):
    with server.connect() as c:
        got = c.get("/twice?how=%s-%s" % (first, second))
        assert got.answer() == (200, [TEXT], {"str": b"text",
            "bytes": b"bytes", "file": FILE}.get(first, b""))
        c.assert_open()
    assert notes()["twice"] == "RSGIProtocolError: RSGI protocol error: " \
        "a response was already given"


def test_headers_that_give_a_response(server, notes):
    assert server.get("/nested").answer() == (200, [TEXT], b"told\n")
    assert notes()["nested"].endswith("a response was called for by what "
        "another one's headers contain")


@pytest.mark.asan
@pytest.mark.parametrize("kind, body", [("bytearray", b"some"),
    ("memoryview", b"some"), ("big", b"some" * 500000)])
def test_a_buffer_as_a_body(server, notes, kind, body):
    with server.connect() as c:
        assert c.get("/kinds?kind=" + kind).answer() == (200, [TEXT], body)
    if kind == "big":
        # It is not copied: the application cannot change it meanwhile.
        assert notes()["big"].startswith("BufferError")


# Files

def test_a_file(server):
    with server.connect() as c:
        got = c.get("/file")
        assert got.answer() == (200, [TEXT], FILE)
        assert got.framing == "length"
        c.assert_open()


def test_a_file_for_head(server):
    with server.connect() as c:
        c.request("HEAD", "/file")
        got = c.recv_response("HEAD")
        assert got.one("content-length") == "%d" % len(FILE)
        c.assert_open()


@pytest.mark.parametrize("start, end", [(0, 1), (5, 100), (0, len(FILE)),
    (len(FILE) - 1, len(FILE))])
def test_a_part_of_a_file(server, start, end):
    with server.connect() as c:
        got = c.get("/file?start=%d&end=%d" % (start, end))
        assert got.answer() == (206, [TEXT], FILE[start:end])


def test_a_part_of_a_file_beyond_4_gib(server, tmp_path):
    far = 5 << 30
    with open(tmp_path / "data", "wb") as file:
        file.seek(far)
        file.write(b"x" * 100_000 + b"end")
    with server.connect() as c:
        got = c.get("/file?start=%d&end=%d&path=%s" % (far - 3,
            far + 100_003, tmp_path / "data"))
        assert got.body == b"\0\0\0" + b"x" * 100_000 + b"end"
        c.assert_open()


@pytest.mark.parametrize("path", ["/no/such/file", "/etc", "/dev/null/x",
    "a%00b", "x" * 300, "/dev/null"])
def test_a_file_that_is_none(server, path):
    with server.connect() as c:
        got = c.get("/file?path=" + path)
        assert (got.status, got.body) == (404, b"Not Found")
        c.assert_open()


@pytest.mark.asan
@pytest.mark.parametrize("size", [0, 1, 8192, 8193, 65536, 5000000])
def test_files_of_any_size(server, tmp_path, size):
    data = os.urandom(size)
    (tmp_path / "data").write_bytes(data)
    with server.connect() as c:
        got = c.get("/file?path=%s" % (tmp_path / "data"))
        assert got.body == data
        c.request("GET", "/file?path=%s" % (tmp_path / "data"))
        c.request("GET", "/scope")
        assert c.recv_response().body == data
        assert c.recv_response().status == 200


def test_a_file_that_shrinks_is_cut(isolation, tmp_path):
    path = tmp_path / "data"
    path.write_bytes(b"x" * 9000000)
    with Server("rsgi_ways:rsgi", "--isolation", isolation) as server:
        server.expect("A response was cut: %s: the file became shorter" %
            path, times=1)
        with server.connect(rcvbuf=4096) as c:
            c.request("GET", "/file?path=%s" % path)
            assert c.recv_head().one("content-length") == "9000000"
            os.truncate(path, 10)
            assert len(c.recv_cut()) < 9000000


def test_a_client_that_leaves_a_file(server, tmp_path):
    (tmp_path / "data").write_bytes(b"x" * 9000000)
    with server.connect(rcvbuf=4096) as c:
        c.request("GET", "/file?path=%s" % (tmp_path / "data"))
        c.recv_head()
        c.reset()
    assert server.get("/scope").status == 200


# Streams

def test_a_stream_ends_when_it_is_released(server, notes):
    with server.connect() as c:
        got = c.get("/stream?after=3")
        # The application runs on.
        assert notes()["running"]
    assert got.body.startswith("bytes array \u20ac ['TypeError: ".encode())
    assert got.framing == "chunked"


@pytest.mark.asan
def test_a_stream_ends_when_the_application_returns(server, notes):
    with server.connect() as c:
        assert c.get("/outlast").body == b"one"
        c.assert_open()
    until(lambda: "outlast" in notes(), "ProtocolClosed")
    assert notes()["outlast"] == "RSGIProtocolClosed: RSGI transport is " \
        "closed: the response has ended"


@pytest.mark.asan
@pytest.mark.parametrize("size", [10, 300000])
def test_sends_of_several_tasks_do_not_mix(server, size):
    with server.connect(rcvbuf=4096) as c:
        got = c.get("/many?size=%d" % size)
        assert got.body == b"".join(
            b"%c" % (97 + i) * size for i in range(8))


@pytest.mark.asan
def test_a_send_that_is_cancelled(server, notes):
    """One half out is sent whole; one that has not begun is not sent."""
    with server.connect(rcvbuf=4096) as c:
        c.request("GET", "/cancelled")
        until(lambda: "begun" in notes(), "the sends")
        got = c.recv_response()
    assert notes()["begun"] == [False, False]
    assert got.body == b"a" * 20000000 + b"c" * 1000


def test_a_slow_client_stops_the_sender(isolation):
    with Server("mux:rsgi", "--isolation", isolation) as server:
        def written():
            return server.json("/pressure/counts")["written"]

        with server.connect(rcvbuf=4096) as c:
            c.request("GET", "/pressure/write?n=2000")
            assert c.recv_head().status == 200
            until(lambda: written() > 0, "a part")
            last = -1
            while last != (last := written()):
                threading.Event().wait(0.3)
            assert last < 20 << 20, last
            c.data = b""
            c.reset()
        until(lambda: server.json("/pressure/counts")["ended"] == 1, "x")
        assert server.json("/pressure/counts")["error"] == "RSGIProtocolClosed"


@pytest.mark.asan
@pytest.mark.parametrize("how", ["close", "reset"])
def test_sends_to_nobody_raise(server, notes, how):
    with server.connect() as c:
        c.request("GET", "/lost")
        c.recv_head()
        getattr(c, how)()
    until(lambda: "lost" in notes(), "ProtocolClosed")
    assert notes()["lost"] == \
        "RSGIProtocolClosed: RSGI transport is closed: the client has left"


def test_more_than_the_content_length(server, notes):
    with server.connect() as c:
        got = c.get("/over-length")
        assert got.answer() == (200, [TEXT], b"abcde")
        c.assert_open()
    assert notes()["over"].startswith("ValueError: the response is longer")


# The client leaves

@pytest.mark.asan
@pytest.mark.parametrize("cancel", ["", "&cancel=1"])
def test_client_disconnect_of_one_that_stays(server, notes, cancel):
    with server.connect() as c:
        assert c.get("/leave?s=0.1" + cancel).body == b"stayed\n"
        until(lambda: notes().get("told"), "the answer being complete")
        assert notes()["at the end"] is False
        until(lambda: notes()["left"] is not bool(cancel), "its end")


def test_client_disconnect_of_one_that_leaves(server, notes):
    with server.connect() as c:
        c.request("GET", "/leave?s=1")
        until(lambda: notes().get("left") is False, "the beginning")
    until(lambda: notes().get("at the end") is True, "word of it")


# Threads, and applications of another form

@pytest.mark.asan
def test_threads(server):
    got = server.json("/thread")
    assert got[:2] == ["/thread", True]
    assert all(text.startswith("RSGIProtocolError: RSGI protocol error: this "
        "was called in another thread") for text in got[2:]), got


@pytest.mark.asan
def test_a_stream_released_in_a_thread(server, notes):
    with server.connect() as c:
        assert c.get("/thread-release").body == b"sent"
    assert notes()["dropped"] is True


def test_an_application_that_is_not_async(isolation):
    with Server("rsgi_ways:rsgi", "--isolation", isolation) as server:
        server.allow("Exception in the RSGI application: GET /not-async")
        server.expect("must be async: it gave int", times=1)
        assert server.get("/not-async").status == 500
        assert server.get("/awaitable").body == b"awaited\n"
