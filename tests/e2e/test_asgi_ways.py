"""ASGI to the letter: files, trailers, hints, what is refused and how, and
the right moment of each event."""

import json
import os

import pytest

from shoal import APPS, Server, until

TEXT = ("content-type", "text/plain; charset=utf-8")
FILE = (APPS / "asgi_ways.py").read_bytes()
WAY = str(APPS / "asgi_ways.py")


@pytest.fixture(scope="module")
def server(isolation):
    with Server("asgi_ways:asgi", "--isolation", isolation) as server:
        yield server


@pytest.fixture
def notes(server):
    server.get("/clear")
    return lambda: server.json("/notes")


def test_the_extensions_are_named(server):
    assert server.json("/extensions") == ["http.response.early_hint",
        "http.response.pathsend", "http.response.trailers",
        "http.response.zerocopysend", "shoal.broadcast"]


# Files

def test_a_path_is_sent(server, notes):
    with server.connect() as c:
        got = c.get("/path?path=" + WAY)
        assert got.answer() == (200, [TEXT], FILE)
        assert got.framing == "length"
        c.assert_open()
    until(lambda: "after" in notes(), "the end")
    assert notes()["after"].startswith("RuntimeError: http.response.body "
        "was sent after the response was complete")


def test_a_path_for_head(server):
    with server.connect() as c:
        c.request("HEAD", "/path?path=" + WAY)
        got = c.recv_response("HEAD")
        assert got.one("content-length") == "%d" % len(FILE)
        c.assert_open()


def test_a_path_behind_a_part_of_the_body(server):
    with server.connect() as c:
        got = c.get("/path?before=1&path=" + WAY)
        assert got.body == b"before " + FILE and got.framing == "chunked"


@pytest.mark.asan
@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 9000000])
def test_files_of_any_size(server, tmp_path, size):
    data = os.urandom(size)
    (tmp_path / "data").write_bytes(data)
    with server.connect() as c:
        for _ in range(2):
            c.request("GET", "/path?path=%s" % (tmp_path / "data"))
            c.request("GET", "/zero?path=%s" % (tmp_path / "data"))
        for _ in range(2):
            assert c.recv_response().body == data
            assert c.recv_response().body == data + b"|"
        c.assert_open()


def test_a_path_longer_than_its_length(server):
    server.allow("longer than its Content-Length")
    with server.connect() as c:
        got = c.get("/path?length=10&path=" + WAY)
        assert got.body == FILE[:10]
        c.assert_open()


def test_a_path_shorter_than_its_length(server):
    server.allow("shorter than its Content-Length")
    with server.connect() as c:
        c.request("GET", "/path?length=10000000&path=" + WAY)
        head = c.recv_head()
        assert head.status == 200 and c.recv_cut() == FILE


@pytest.mark.asan
def test_a_file_that_shrinks_is_cut(isolation, tmp_path):
    path = tmp_path / "data"
    path.write_bytes(b"x" * 9000000)
    with Server("asgi_ways:asgi", "--isolation", isolation) as server:
        server.expect("A response was cut: %s: the file became shorter" %
            path, times=1)
        with server.connect(rcvbuf=4096) as c:
            c.request("GET", "/path?path=%s" % path)
            assert c.recv_head().one("content-length") == "9000000"
            os.truncate(path, 10)
            assert len(c.recv_cut()) < 9000000
        assert server.json("/extensions")


@pytest.mark.parametrize("ask, wanted", [
    ("", FILE), ("&offset=5", FILE[5:]), ("&count=5", FILE[:5]),
    ("&offset=5&count=7", FILE[5:12]), ("&offset=&count=", FILE),
    ("&seek=9", FILE[9:]), ("&seek=9&offset=0", FILE),
    ("&seek=9&count=3", FILE[9:12]), ("&count=0", b""),
    ("&offset=10000000", b""), ("&offset=5&count=10000000", FILE[5:])])
def test_ranges_of_a_descriptor(server, ask, wanted):
    with server.connect() as c:
        got = c.get("/zero?path=" + WAY + ask)
        assert got.answer() == (200, [TEXT], wanted + b"|")
        c.assert_open()


def test_a_descriptor_goes_on_where_it_was(server):
    got = server.get("/zero?count=5&again=1&path=" + WAY)
    assert got.body == FILE[:5] + b"|" + FILE[5:10]
    got = server.get("/zero?offset=3&count=5&again=1&path=" + WAY)
    assert got.body == FILE[3:8] + b"|" + FILE[3:8]


def test_files_that_cannot_be_sent(server):
    got = server.json("/bad-files")
    kinds = {name: text.partition(":")[0] for name, text in got.items()}
    assert kinds == {"path missing": "TypeError", "path bytes": "TypeError",
        "path relative": "ValueError", "path none": "FileNotFoundError",
        "path directory": "IsADirectoryError", "path nul": "ValueError",
        "file missing": "ValueError", "file none": "TypeError",
        "file closed": "OSError", "file pipe": "OSError",
        "offset": "ValueError", "count": "TypeError"}, got


# Trailers

@pytest.mark.asan
@pytest.mark.parametrize("what", ["data=some", "data=", "path=" + WAY])
def test_trailers(server, notes, what):
    data = FILE if what.startswith("path") else what[5:].encode()
    with server.connect() as c:
        c.request("GET", "/trailers?" + what)
        head = c.recv_head()
        assert head.all("transfer-encoding") == ["chunked"], head
        body = b""
        while size := int(c._line(), 16):
            body += c._exactly(size)
            assert c._line() == b""
        assert body == data
        assert [c._line(), c._line(), c._line()] == [
            b"X-A: 1", b"x-b: 2", b""]
        assert c.get("/extensions").status == 200
    until(lambda: "trailers" in notes(), "the end")
    told = notes()["trailers"]
    assert [t.partition(":")[0] for t in told] == ["RuntimeError",
        "RuntimeError", "ValueError", "ValueError", "ValueError",
        "TypeError", "ValueError", "RuntimeError"], told
    assert "before the body was complete" in told[0]
    assert "after the body was complete" in told[1]


@pytest.mark.parametrize("request_line, ask", [
    ("GET %s HTTP/1.0", ""), ("HEAD %s HTTP/1.1", ""),
    ("GET %s HTTP/1.1", "&length=1")])
def test_trailers_that_cannot_be_sent(server, notes, request_line, ask):
    """Without chunks there is no place for them: they are dropped."""
    with server.connect() as c:
        c.send((request_line + "\r\nHost: x\r\nConnection: close\r\n\r\n")
            % ("/trailers?data=some" + ask))
        got = c.recv_response(request_line.split()[0])
        assert got.body == (b"" if "HEAD" in request_line else b"some")
    until(lambda: "trailers" in notes(), "the end")


def test_trailers_that_were_not_announced(server, notes):
    assert server.get("/unpromised").body == b"fine"
    assert "not announced" in notes()["unpromised"]


def test_trailers_that_never_come_cut_the_answer(isolation):
    with Server("asgi_ways:asgi", "--isolation", isolation) as server:
        server.expect("without a complete response", times=1)
        with server.connect() as c:
            c.request("GET", "/forgotten")
            c.recv_failure()


# Early hints

HINT = b"HTTP/1.1 103 Early Hints\r\n"


@pytest.mark.asan
def test_early_hints(server):
    with server.connect() as c:
        c.request("GET", "/hints")
        first, second = c.recv_head(), c.recv_head()
        assert (first.status, first.reason, first.headers) == (
            103, "Early Hints", [("link", "</a.css>; rel=preload"),
            ("link", "</b.js>; rel=preload")])
        assert (second.status, second.headers) == (103, [("link", "</c>")])
        told = c.recv_response().json()
        c.assert_open()
    assert [t.partition(":")[0] for t in told] == ["ValueError",
        "TypeError", "TypeError", "TypeError", "ValueError", "RuntimeError"]


def test_http_1_0_gets_no_hints(server):
    with server.connect() as c:
        c.send("GET /hints HTTP/1.0\r\n\r\n")
        assert c.recv_response().status == 200


def test_hints_to_a_client_that_does_not_read_are_dropped(server):
    with server.connect(rcvbuf=4096) as c:
        c.request("GET", "/many-hints")
        count = 0
        while (head := c.recv_head()).status == 103:
            count += 1
        assert head.status == 200 and 0 < count < 20000, count
        assert c._exactly(7) == b"hinted\n"


# Messages and events

def test_the_text_names_the_fault(server, notes):
    assert server.json("/bad") == {
        "no dict": "TypeError: send() takes a dict, not int",
        "no type": "ValueError: send(): the message has no \"type\"",
        "unknown": "ValueError: send(): 'http.sing' is no message of an "
            "HTTP response",
        "early": "RuntimeError: http.response.body came before "
            "http.response.start",
        "status": "ValueError: http.response.start: status must be an int "
            "from 200 to 999, not '200'",
        "header": "TypeError: header 0: name and value "
            "must be bytes, not bytes and int",
        "value": "ValueError: header 0 (b'x-a'): a "
            "header value has a control character in it",
        "triple": "TypeError: header 0 is not a pair",
        "headers": "TypeError: headers must be an iterable of pairs of "
            "bytes",
        "twice": "RuntimeError: http.response.start was already sent",
        "body": "TypeError: http.response.body: body must be bytes, not "
            "str"}
    until(lambda: "end" in notes(), "the end")
    assert notes()["end"] == "RuntimeError: http.response.body was sent " \
        "after the response was complete"


@pytest.mark.asan
def test_a_message_that_sends_another(server, notes):
    got = server.get("/nested")
    assert got.answer() == (200, [TEXT], b"told\n")
    wanted = "RuntimeError: send() was called by what a message contains"
    assert notes() == {"sly": wanted, "headers": wanted}


def test_the_head_is_sent_at_once(server):
    with server.connect() as c:
        c.request("GET", "/head-first")
        assert c.recv_head().status == 200 and c.data == b""
        assert server.get("/go-on").body == b"set"
        assert c._exactly(9) == b"4\r\nlate\r\n"


def test_disconnect_comes_when_the_answer_is_complete(server, notes):
    with server.connect() as c:
        assert c.get("/disconnect").body == b"some"
        until(lambda: "disconnect" in notes(), "the end")
        assert notes()["disconnect"] == ["http.request", False, False,
            "http.disconnect", "http.disconnect"]
        c.assert_open()


@pytest.mark.asan
@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("more", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"],
    ids=["", "more asked for"])
def test_disconnect_comes_when_the_client_leaves(server, notes, how, more):
    with server.connect() as c:
        c.request("GET", "/after-left")
        c.send(more)
        until(lambda: "begun" in notes(), "the start")
        assert "left" not in notes()
        getattr(c, how)()
    until(lambda: "again" in notes(), "the end")
    assert notes() == {"begun": True, "left": "http.disconnect",
        "send": "OSError: the client has left", "again": "http.disconnect"}


def test_state_is_copied_for_each_request(isolation):
    with Server("asgi_ways:asgi", "--isolation", isolation) as server:
        assert server.json("/state") == {"shared": [1], "request": 1}
        assert server.json("/state") == {"shared": [1, 1], "request": 1}


@pytest.mark.parametrize("option", ["--root-path", "--url-path-prefix"])
def test_root_path(option):
    with Server("mux:asgi", option, "/below/") as server:
        scope = json.loads(server.get("/surroundings/a").body)
        assert (scope["root_path"], scope["path"]) == ("/below", "/a")


@pytest.mark.parametrize("interface", ["auto", "asgi"])
@pytest.mark.parametrize("app", ["Double", "double", "Single"])
def test_applications_of_another_form(isolation, app, interface):
    with Server("asgi_ways:" + app, "--isolation", isolation,
            "--interface", interface) as server:
        assert server.get("/x").answer() == (200, [TEXT], b"double /x\n")
