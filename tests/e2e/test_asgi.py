"""ASGI: the scope, the messages both ways, and applications that err."""

import re

import pytest

from shoal import Server, at_once, until

TEXT = ("content-type", "text/plain; charset=utf-8")


@pytest.fixture(scope="module")
def server(isolation):
    with Server("mux:asgi", "--isolation", isolation) as server:
        yield server


@pytest.fixture(scope="module")
def rogue():
    with Server("rogue:asgi", "--isolation", "process") as server:
        yield server


def test_the_scope(server):
    with server.connect() as c:
        port = c.sock.getsockname()[1]
        c.request("PATCH", "/surroundings/a?b=c", [
            ("X-Twice", "1"), ("x-TWICE", "2"), ("X-Latin", "caf\xe9"),
            ("X_Under", "kept"), ("X-Empty", "")], b"body")
        got = c.recv_response()
    scope = got.json()
    headers = [tuple(item["bytes"] for item in pair)
        for pair in scope.pop("headers")]
    assert headers == [
        ("host", "127.0.0.1:%d" % server.port),
        ("content-length", "4"), ("x-twice", "1"), ("x-twice", "2"),
        ("x-latin", "caf\xe9"), ("x_under", "kept"), ("x-empty", "")]
    asgi = scope.pop("asgi")
    assert asgi["version"] == "3.0", asgi
    assert re.match(r"2\.\d$", asgi["spec_version"]), asgi
    assert scope.pop("extensions", {}) is not None
    assert scope.pop("state", {}) == {}
    assert scope.pop("shoal.connection") == "Exchange"
    assert scope == {
        "type": "http", "http_version": "1.1", "method": "PATCH",
        "scheme": "http", "path": "/a", "root_path": "",
        "raw_path": {"bytes": "/surroundings/a"},
        "query_string": {"bytes": "b=c"},
        "client": ["127.0.0.1", port],
        "server": ["127.0.0.1", server.port]}, scope


def test_http_1_0_is_called_so(server):
    with server.connect() as c:
        c.send("GET /surroundings/ HTTP/1.0\r\n\r\n")
        scope = c.recv_response().json()
        assert (scope["http_version"], scope["headers"]) == ("1.0", [])


def test_a_path_of_bad_utf8(server):
    with server.connect() as c:
        scope = c.get("/surroundings/%ff%c3%a9").json()
        assert scope["path"] == "/\ufffd\u00e9", scope
        assert scope["raw_path"] == {"bytes": "/surroundings/%ff%c3%a9"}


def test_requests_run_at_once(server):
    got = at_once(20, lambda i: server.get("/slow?s=0.5").body)
    assert got == [b"slow\n"] * 20


# What raises, and when

HOWS = ["value", "exit", "keyboard", "generator", "base"]


@pytest.mark.asan
@pytest.mark.parametrize("how", HOWS)
def test_an_exception_before_the_head_is_a_500(isolation, how):
    with Server("mux:asgi", "--isolation", isolation) as server:
        name = {"value": "ValueError", "exit": "SystemExit",
            "keyboard": "KeyboardInterrupt",
            "generator": "GeneratorExit", "base": "Custom"}[how]
        server.expect(r"Traceback.*failing\.py.*%s" % name, times=1)
        with server.connect() as c:
            got = c.get("/failing?how=" + how)
            assert (got.status, got.reason) == (
                500, "Internal Server Error"), got
            assert b"Traceback" not in got.body and len(got.body) < 200
            if got.keep_alive:
                assert c.get("/plain").status == 200
            else:
                c.assert_closed()
        who = server.json("/whoami")
        assert (who["pid"], who["calls"]) == (server.child(), 1), who


@pytest.mark.parametrize("how", ["value", "exit"])
@pytest.mark.parametrize("at", ["head", "body"])
def test_an_exception_later_cuts_the_answer(isolation, at, how):
    with Server("mux:asgi", "--isolation", isolation) as server:
        server.expect(r"Traceback.*failing\.py", times=1)
        with server.connect() as c:
            c.request("GET", "/failing?at=%s&how=%s" % (at, how))
            got = c.recv_failure()
            if at == "body" and got.status == 200:
                assert got.body == b"4\r\nsome\r\n", got
        assert server.get("/plain").status == 200


@pytest.mark.parametrize("how", ["value", "exit"])
def test_an_exception_after_the_answer_is_only_logged(isolation, how):
    with Server("mux:asgi", "--isolation", isolation) as server:
        server.expect(r"Traceback.*failing\.py", times=1)
        with server.connect() as c:
            got = c.get("/failing?at=after&how=" + how)
            assert got.answer() == (200, [TEXT], b"all")
            assert c.get("/plain").status == 200


def test_returning_without_an_answer_is_a_500(isolation):
    with Server("mux:asgi", "--isolation", isolation) as server:
        server.expect("without|no response|not answer", times=1)
        with server.connect() as c:
            assert c.get("/failing?at=silent").status == 500


def test_a_client_that_leaves_is_told_of(server):
    with server.connect() as c:
        c.request("GET", "/pressure/gone")
        until(lambda: server.json("/pressure/counts")["ended"] == 0, "x")
    until(lambda: server.json("/pressure/counts")["ended"] == 1,
        "http.disconnect")
    until(lambda: server.json("/pressure/counts")["error"], "an error")


def test_half_a_body_is_no_body(server):
    with server.connect() as c:
        c.request("POST", "/pressure/read", [("Content-Length", "10")])
        c.send("five.")
    until(lambda: server.json("/pressure/counts")["error"] ==
        "disconnect", "http.disconnect instead of the rest")


# Applications that break the rules

SAID = ["status-0", "status-99", "status-1000", "status-str", "status-none",
    "status-huge", "status-missing", "status-101", "header-crlf",
    "header-lf", "header-nul", "header-name", "header-empty", "header-str",
    "header-int", "header-triple", "header-none", "headers-none",
    "length-text", "length-twice", "body-first", "start-twice",
    "type-unknown", "type-missing", "not-a-dict"]


@pytest.mark.asan
@pytest.mark.parametrize("name", SAID)
def test_a_bad_head_is_a_500_with_nothing_of_it(rogue, name):
    rogue.expect(r"Traceback.*rogue\.py")
    before = len(rogue.logged("Traceback"))
    with rogue.connect() as c:
        got = c.get("/?do=" + name)
        assert (got.status, got.reason) == (
            500, "Internal Server Error"), got
        assert not got.all("x-evil") and not got.all("x-a"), got
        c.assert_open() if got.keep_alive else c.assert_closed()
    until(lambda: len(rogue.logged("Traceback")) == before + 1,
        "one traceback")


@pytest.mark.parametrize("name", ["body-str", "body-none"])
def test_a_body_of_a_wrong_type(rogue, name):
    rogue.expect(r"Traceback.*rogue\.py")
    with rogue.connect() as c:
        c.request("GET", "/?do=" + name)
        c.recv_failure()


@pytest.mark.parametrize("name", ["unfinished", "length-long"])
def test_an_unfinished_answer_is_cut(rogue, name):
    rogue.expect("(?i)without|less|short|unfinished|incomplete|not finish"
        "|fewer|before")
    with rogue.connect() as c:
        c.request("GET", "/?do=" + name)
        got = c.recv_failure()
        wanted = b"five." if name == "length-long" else b"4\r\nsome\r\n"
        assert got.status == 500 or got.body == wanted, got


def test_a_body_longer_than_said_is_not_sent(rogue):
    rogue.expect("(?i)longer|more|exceed|too much|long")
    with rogue.connect() as c:
        got = c.get("/?do=length-short")
        assert got.status == 500 or got.body == b"five.", got
        c.assert_open() if got.keep_alive else c.assert_closed()


def test_more_after_the_end(rogue):
    rogue.expect(r"Traceback.*rogue\.py")
    with rogue.connect() as c:
        got = c.get("/?do=more-after-end")
        assert got.answer() == (200, [TEXT], b"all")


@pytest.mark.parametrize("name, status, fields, body", [
    ("204-body", 204, [TEXT], b""),
    ("304-body", 304, [TEXT], b""),
    ("no-headers", 200, [], b"bare"),
    ("odd-status", 299, [TEXT], b"odd"),
    ("lists", 200, [TEXT], b"listed"),
    ("bytearray", 200, [TEXT], b"array"),
    ("latin", 200, [TEXT, ("x-latin", "caf\xe9")], b"ok"),
    ("close", 200, [TEXT], b"bye"),
    ("both-framings", 200, [TEXT], b"five."),
])
def test_what_is_mended_or_allowed(rogue, name, status, fields, body):
    with rogue.connect() as c:
        got = c.get("/?do=" + name)
        assert got.answer() == (status, fields, body), got
        if name == "close":
            assert got.connection == "close"
            c.assert_closed()
        else:
            c.assert_open()


def test_the_applications_own_date(rogue):
    with rogue.connect() as c:
        c.request("GET", "/?do=own-date")
        while b"dated" not in c.data:
            assert c._more()
        assert c.data.lower().count(b"\r\ndate: ") == 1, c.data
        assert b"Thu, 01 Jan 1970 00:00:00 GMT" in c.data, c.data


def test_after_the_answer(rogue):
    rogue.allow("Task exception was never retrieved")
    with rogue.connect() as c:
        got = c.get("/?do=send-after-return")
        assert got.answer() == (200, [TEXT], b"fine\n")
        got = c.get("/?do=odd-status")
        assert got.answer() == (299, [TEXT], b"odd")
        got = c.get("/?do=receive-forever")
        assert got.answer() == (200, [TEXT], b"fine\n")
        got = c.get("/?do=odd-status")
        assert got.answer() == (299, [TEXT], b"odd")
        c.assert_open()


def test_the_interface_is_found_from_the_object():
    for app, body in (
            ("plain:asgi", b"Hello, world!\n"),
            ("plain:wsgi", b"Hello, world!\n"),
            ("plain:rsgi", b"Hello, world!\n"),
            ("aware:app", b"rsgi\n"),
            ("aware:asgi_object", b"asgi\n"),
            ("aware:WSGIClass", b"wsgi\n"),
            ("aware:generator", b"wsgi\n")):
        with Server(app, "--interface", "auto") as server:
            got = server.get("/")
            assert (got.status, got.body) == (200, body), (app, got)
    with Server("aware:app", "--interface", "asgi") as server:
        assert server.get("/").body == b"asgi\n"
