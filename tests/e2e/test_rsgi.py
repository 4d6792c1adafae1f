"""RSGI: the scope, the protocol object, the stream, init and del."""

import pytest

from shoal import Server, at_once, until

TEXT = ("content-type", "text/plain; charset=utf-8")


@pytest.fixture(scope="module")
def server(isolation):
    with Server("mux:rsgi", "--isolation", isolation) as server:
        yield server


@pytest.fixture(scope="module")
def rogue():
    with Server("rogue:rsgi", "--isolation", "process") as server:
        yield server


def test_the_scope(server):
    with server.connect() as c:
        port = c.sock.getsockname()[1]
        got = c.get("/surroundings/a%20%C3%A9?b=%20c", [
            ("X-Twice", "1"), ("x-TWICE", "2")]).json()
    headers = got.pop("headers")
    assert got == {
        "proto": "http", "rsgi_version": got["rsgi_version"],
        "http_version": "1.1",
        "server": "127.0.0.1:%d" % server.port,
        "client": "127.0.0.1:%d" % port,
        "scheme": "http", "method": "GET", "path": "/a \u00e9",
        "query_string": "b=%20c", "authority": None}, got
    host = "127.0.0.1:%d" % server.port
    assert headers == {
        "keys": ["host", "x-twice"], "iter": ["host", "x-twice"],
        "values": [host, "1", "2"], "len": 2,
        "items": [["host", host], ["x-twice", "1"], ["x-twice", "2"]],
        "x-twice": "1", "x-twice all": ["1", "2"], "none": None,
        "default": "default", "in": True, "not in": False,
        "item": "1", "missing": "KeyError"}, headers


def test_http_1_0_is_called_1(server):
    with server.connect() as c:
        c.send("GET /surroundings/ HTTP/1.0\r\nA: b\r\n\r\n")
        assert c.recv_response().json()["http_version"] == "1"


def test_requests_run_at_once(server):
    got = at_once(20, lambda i: server.get("/slow?s=0.5").body)
    assert got == [b"slow\n"] * 20


@pytest.mark.asan
@pytest.mark.parametrize("how", [
    "value", "exit", "keyboard", "generator", "base"])
def test_an_exception_is_a_500(isolation, how):
    with Server("mux:rsgi", "--isolation", isolation) as server:
        server.expect(r"Traceback.*failing\.py", times=1)
        with server.connect() as c:
            got = c.get("/failing?how=" + how)
            assert (got.status, got.reason) == (
                500, "Internal Server Error"), got
        who = server.json("/whoami")
        assert (who["pid"], who["calls"]) == (server.child(), 1), who


@pytest.mark.parametrize("at", ["head", "body"])
def test_an_exception_in_a_stream_cuts_it(isolation, at):
    with Server("mux:rsgi", "--isolation", isolation) as server:
        server.expect(r"Traceback.*failing\.py", times=1)
        with server.connect() as c:
            c.request("GET", "/failing?at=" + at)
            got = c.recv_failure()
            assert got.status == 500 or got.body == (
                b"4\r\nsome\r\n" if at == "body" else b""), got
        assert server.get("/plain").status == 200


def test_returning_without_an_answer_is_a_500(isolation):
    with Server("mux:rsgi", "--isolation", isolation) as server:
        server.expect("without|no response|not answer", times=1)
        assert server.get("/failing?at=silent").status == 500


def test_a_client_that_leaves_is_told_of(server):
    with server.connect() as c:
        c.request("GET", "/pressure/gone")
        until(lambda: server.json("/pressure/counts")["ended"] == 0, "x")
    until(lambda: server.json("/pressure/counts")["ended"] == 1,
        "client_disconnect")
    until(lambda: server.json("/pressure/counts")["error"], "an error")


@pytest.mark.asan
@pytest.mark.parametrize("name", ["status-0", "status-1000", "status-str",
    "header-crlf", "header-bytes", "body-bytes", "body-str", "read-twice",
    "read-then-iterate"])
def test_a_broken_rule_is_a_500(rogue, name):
    rogue.expect(r"Traceback.*rogue\.py")
    with rogue.connect() as c:
        got = c.get("/?do=" + name)
        assert (got.status, got.reason) == (
            500, "Internal Server Error"), got
        assert not got.all("x-evil") and not got.all("x-a"), got


@pytest.mark.parametrize("name, status, fields, body", [
    ("keywords", 201, [TEXT], b"made"),
    ("defaults", 200, [], b""),
    ("empty", 204, [("x-a", "b")], b""),
    ("204-body", 204, [], b""),
    ("latin", 200, [TEXT, ("x-latin", "caf\xe9")], b"ok"),
    ("stream-text", 200, [TEXT], "\u20ac five".encode()),
])
def test_what_is_allowed(rogue, name, status, fields, body):
    with rogue.connect() as c:
        got = c.get("/?do=" + name)
        assert got.answer() == (status, fields, body), got
        c.assert_open()


@pytest.mark.parametrize("name", ["twice", "stream-after"])
def test_a_second_answer(rogue, name):
    rogue.expect(r"Traceback.*rogue\.py")
    with rogue.connect() as c:
        got = c.get("/?do=" + name)
        assert got.answer() == (200, [TEXT], b"first")


def test_a_stream_shorter_than_said_is_cut(rogue):
    rogue.expect("(?i)length|less|short|fewer")
    with rogue.connect() as c:
        c.request("GET", "/?do=length-long")
        got = c.recv_failure()
        assert got.status == 500 or got.body == b"five.", got


@pytest.mark.asan
def test_init_and_del(isolation, events):
    with Server("rsgi_events:rsgi", "--isolation", isolation,
            workers=2, env={"EVENTS": events}) as server:
        assert server.get("/").answer() == (200, [TEXT], b"ready\n")
        assert events.lines() == ["init False"] * 2
    assert events.lines() == ["init False"] * 2 + ["del False"] * 2


def test_init_that_fails_is_a_failed_start(isolation, events):
    from shoal import run

    done = run("--isolation", isolation, "--port", "0", "--workers", "1",
        "--interface", "rsgi", "rsgi_events:rsgi",
        env={"EVENTS": events, "LIFESPAN": "raises"})
    assert done.code == 3, done.stderr
    assert done.stderr.count("Traceback") == 1, done.stderr
    assert "init went wrong" in done.stderr
