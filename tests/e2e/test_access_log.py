"""The access log: a line for every response, in the form that was asked for."""

import json
import re

import pytest

from shoal import Server, run

FORMAT = "LINE %(m)s %(U)s %(status)d %(bytes)d %(end)s"


def lines(server, count):
    """The lines of FORMAT, <count> of them when the server has ended."""
    found = [line[5:] for line in server.log if line.startswith("LINE ")]
    assert len(found) == count, server.log
    return found


@pytest.mark.asan
@pytest.mark.parametrize("interface", ["asgi", "wsgi", "rsgi"])
def test_every_response_has_a_line(interface):
    with Server("mux:" + interface, "--access-log", "--access-log-fmt",
            FORMAT, "--limit-request-body", "10") as server:
        server.expect("failing on purpose")
        assert server.get("/plain/x?q=1").status == 200
        assert server.get("/missing").status == 404
        with server.connect() as c:
            c.request("HEAD", "/plain")
            assert c.recv_response("HEAD").status == 200
        # the application's fault, before and behind the head
        assert server.get("/failing/").status == 500
        with server.connect() as c:
            c.request("GET", "/failing/?at=body")
            c.recv_failure()
        # the client's faults, of which no application hears
        with server.connect() as c:
            c.send("GET / HTTP/1.1\r\n\r\n")
            assert c.recv_response().status == 400
        with server.connect() as c:
            c.send("GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % ("x" * 9000))
            assert c.recv_response().status == 414
        assert server.post("/plain", b"x" * 11).status == 413
        server.stop()
    assert lines(server, 8) == [
        "GET /plain/x 200 14 whole",
        "GET /missing 404 8 whole",
        "HEAD /plain 200 0 whole",
        "GET /failing/ 500 21 whole",
        "GET /failing/ 200 4 cut",
        "GET / 400 0 whole",
        "GET - 414 0 whole",
        "POST /plain 413 0 whole",
    ]


@pytest.mark.asan
def test_a_client_that_leaves_has_a_line(events):
    with Server("mux:asgi", "--access-log", "--access-log-fmt", FORMAT,
            "--graceful-timeout", "1", env={"EVENTS": events}) as server:
        with server.connect() as c:
            c.request("GET", "/slow/?s=60")
            events.wait("begin")
            c.reset()
        server.wait_log("^LINE GET /slow/ 499 0 cut$")
        # in the middle of what it was sent, which no buffer holds
        with server.connect(rcvbuf=4096) as c:
            c.request("GET", "/big/?size=50000000")
            assert c.recv_head().status == 200
            c.reset()
        server.wait_log(r"^LINE GET /big/ 200 \d+ cut$")


def test_a_websocket_has_a_line():
    with Server("sockets:asgi", "--access-log", "--access-log-fmt",
            FORMAT) as server:
        with server.websocket("/echo") as ws:
            ws.text("x")
            ws.recv_frame()
        server.wait_log("^LINE GET /echo 101 0 whole$")


FORMS = {
    "common": r'127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\] '
        r'"GET /plain HTTP/1\.1" 200 14',
    "combined": r'127\.0\.0\.1 - - \[[^]]+\] "GET /plain HTTP/1\.1" 200 14 '
        r'"http://a/b" "tests/1 \\x22"',
    # Granian's and gunicorn's own
    '[%(time)s] %(addr)s - "%(method)s %(path)s %(protocol)s" %(status)d '
    '%(dt_ms).3f':
        r'\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000\] 127\.0\.0\.1 - '
        r'"GET /plain HTTP/1\.1" 200 \d+\.\d{3}',
    '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"':
        r'127\.0\.0\.1 - anna \[[^]]+\] "GET /plain\?q=1 HTTP/1\.1" 200 14 '
        r'"http://a/b\?c=d" "tests/1 \\x22"',
    "%(header{x-one})s %({X-One}i)s %({X-None}i)s %({Content-Type}o)s "
    "%({content-length}o)s %(scheme)s %(q)s %(shard)s":
        r"1 1 - text/plain; charset=utf-8 14 http q=1 0",
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(form):
    with Server("mux:asgi", "--access-log", "--access-logformat",
            form) as server:
        with server.connect() as c:
            c.get("/plain?q=1", [("User-Agent", 'tests/1 "'),
                ("Referer", "http://a/b?c=d"), ("X-One", "1"),
                ("Authorization", "Basic YW5uYTpzZWNyZXQ=")])
        server.wait_log("^" + FORMS[form] + "$")


def test_json_lines():
    with Server("mux:asgi", "--access-log", "--access-log-fmt",
            "json") as server:
        with server.connect() as c:
            c.get("/plain?q=1", [("User-Agent", 'tests/1 "\\ \xe4')])
            c.send("GET / HTTP/1.1\r\n\r\n")
            c.recv_response()
        server.stop()
    told = [json.loads(line) for line in server.log if line[0] == "{"]
    assert len(told) == 2, server.log
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
        told[0].pop("time"))
    assert told[0].pop("ms") >= 0
    assert told[0] == {
        "shard": 0, "addr": "127.0.0.1", "method": "GET", "scheme": "http",
        "path": "/plain", "protocol": "HTTP/1.1", "status": 200,
        "bytes": 14, "end": "whole", "referer": "-",
        "agent": 'tests/1 "\\ \xe4'}
    assert (told[1]["status"], told[1]["agent"]) == (400, "-")


def test_a_wrong_form_is_a_wrong_usage():
    done = run("--access-log-fmt", "%(hh)s", "plain:asgi")
    assert done.code == 2 and "%(hh)" in done.stderr, done.stderr
