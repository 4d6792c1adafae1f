"""WSGI as PEP 3333 has it, on many threads at once."""

import pytest

from shoal import Server, at_once, cpu_seconds, until

TEXT = ("content-type", "text/plain; charset=utf-8")


@pytest.fixture(scope="module")
def server(isolation):
    with Server("mux:wsgi", "--isolation", isolation,
            "--blocking-threads", "8") as server:
        yield server


@pytest.fixture(scope="module")
def rogue():
    with Server("rogue:wsgi", "--isolation", "process") as server:
        yield server


def test_the_environ(server):
    with server.connect() as c:
        port = c.sock.getsockname()[1]
        c.request("PUT", "/surroundings/a%20%C3%A9?b=%20c", [
            ("Content-Type", "text/x"), ("X-Twice", "1"),
            ("x-TWICE", "2"), ("X-Latin", "caf\xe9"),
            ("X_Under", "dropped"), ("Proxy", "evil"),
            ("Cookie", "a=1")], b"body")
        environ = c.recv_response().json()
    assert environ == environ | {
        "REQUEST_METHOD": "PUT", "SCRIPT_NAME": "",
        "PATH_INFO": "/a \u00c3\u00a9", "QUERY_STRING": "b=%20c",
        "CONTENT_TYPE": "text/x", "CONTENT_LENGTH": "4",
        "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_PORT": str(server.port),
        "SERVER_NAME": "127.0.0.1", "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1:%d" % server.port,
        "HTTP_X_TWICE": environ["HTTP_X_TWICE"],
        "HTTP_X_LATIN": "caf\xe9", "HTTP_COOKIE": "a=1",
        "wsgi.version": [1, 0], "wsgi.url_scheme": "http",
        "wsgi.multithread": True, "wsgi.run_once": False}, environ
    assert environ["HTTP_X_TWICE"].replace(" ", "") == "1,2", environ
    assert isinstance(environ["wsgi.multiprocess"], bool), environ
    for name in ("HTTP_X_UNDER", "HTTP_PROXY", "HTTP_CONTENT_TYPE",
            "HTTP_CONTENT_LENGTH"):
        assert name not in environ, environ
    assert environ.get("REMOTE_PORT", str(port)) == str(port), environ
    for value in ("wsgi.input", "wsgi.errors"):
        assert value in environ, environ


@pytest.mark.asan
def test_fields_of_one_name_are_joined_in_order(server):
    long = "v" * 1000  # more than what is kept of fields seen before
    with server.connect() as c:
        for _ in range(2):  # the second time they were seen before
            c.request("GET", "/surroundings", [("X-Many", "1"),
                ("Cookie", "a=1"), ("x-other", "0"), ("X-MANY", ""),
                ("X-Long", long), ("Cookie", "b=2"), ("x-many", "3, 4"),
                ("X-Long", "\xe9"), ("Cookie", "c=\"3\"")])
            environ = c.recv_response().json()
            assert environ["HTTP_X_MANY"] == "1, , 3, 4"
            assert environ["HTTP_COOKIE"] == "a=1; b=2; c=\"3\""
            assert environ["HTTP_X_LONG"] == long + ", \xe9"
            assert environ["HTTP_X_OTHER"] == "0"


@pytest.mark.asan
@pytest.mark.parametrize("count", [2, 8, 32])
def test_views_that_wait_wait_together(isolation, count):
    """Judged by the application: all are inside at the same time."""
    with Server("overlap:wsgi", "--isolation", isolation,
            "--blocking-threads", str(count)) as server:
        bodies = at_once(count,
            lambda i: server.get("/?n=%d" % count).body)
        assert bodies == [b"True\n"] * count, bodies
        most, threads = map(int, server.get("/most").body.split())
        assert (most, threads) == (count, count)


def test_never_more_at_once_than_allowed(isolation):
    with Server("overlap:wsgi", "--isolation", isolation,
            "--blocking-threads", "3") as server:
        conns = [server.connect() for _ in range(9)]
        for conn in conns:
            conn.request("GET", "/?n=3")
        bodies = [conn.recv_response().body for conn in conns]
        assert bodies == [b"True\n"] * 9, bodies
        most, threads = map(int, server.get("/most").body.split())
        # The fourth keeps the turns going; who that is changes.
        assert most == 3 and threads <= 4, (most, threads)


def test_one_connection_waits_for_its_turn(isolation):
    """Pipelined requests of one connection stay in order."""
    with Server("mux:wsgi", "--isolation", isolation,
            "--blocking-threads", "4") as server:
        with server.connect() as c:
            for i in range(8):
                c.request("POST", "/echo", [], b"%d" % i)
                c.request("GET", "/slow?s=0.01")
            for i in range(8):
                assert c.recv_response().body == b"%d" % i
                assert c.recv_response().body == b"slow\n"


@pytest.mark.asan
def test_a_storm_of_short_and_long_calls(isolation):
    with Server("mux:wsgi", "--isolation", isolation, workers=2) as server:
        def ask(i):
            with server.connect() as c:
                for j in range(25):
                    if (i + j) % 5 == 0:
                        got = c.get("/slow?s=0.01")
                        assert got.body == b"slow\n", got
                    elif (i + j) % 5 == 1:
                        body = b"%d-%d" % (i, j) * 3000
                        got = c.post("/echo?live", body)
                        assert got.body == body
                    elif (i + j) % 5 == 2:
                        got = c.get("/parts?n=4&size=9000")
                        assert len(got.body) == 36000, got
                    else:
                        got = c.get("/plain")
                        assert got.body == b"Hello, world!\n", got
            return i

        assert at_once(16, ask) == list(range(16))


def test_threads_have_names_and_a_short_switch_interval(server):
    who = server.json("/whoami")
    assert who["switch"] <= 0.001, who
    assert who["pid"] == server.child(), who


# What raises

@pytest.mark.asan
@pytest.mark.parametrize("how", [
    "value", "exit", "keyboard", "generator", "base"])
def test_an_exception_is_a_500(isolation, how):
    with Server("mux:wsgi", "--isolation", isolation) as server:
        server.expect(r"Traceback.*failing\.py", times=1)
        with server.connect() as c:
            got = c.get("/failing?how=" + how)
            assert (got.status, got.reason) == (
                500, "Internal Server Error"), got
            assert b"Traceback" not in got.body, got
        who = server.json("/whoami")
        assert (who["pid"], who["calls"]) == (server.child(), 1), who


@pytest.mark.parametrize("how", ["value", "exit"])
def test_an_exception_in_the_body_cuts_it(isolation, how):
    with Server("mux:wsgi", "--isolation", isolation) as server:
        server.expect(r"Traceback.*failing\.py", times=1)
        with server.connect() as c:
            c.request("GET", "/failing?at=body&how=" + how)
            got = c.recv_failure()
            assert got.status == 500 or got.body == b"4\r\nsome\r\n", got
        assert server.get("/plain").status == 200


@pytest.mark.parametrize("how", ["value", "exit"])
def test_an_exception_in_close_is_only_logged(isolation, how):
    with Server("mux:wsgi", "--isolation", isolation) as server:
        server.expect(r"Traceback.*failing\.py", times=1)
        with server.connect() as c:
            assert c.get("/failing?at=after&how=" + how).body == b"all"
            assert c.get("/plain").status == 200


def test_half_a_body_raises(server):
    """A larger one than is gathered before the application is called: half
    a small one never reaches it."""
    with server.connect() as c:
        c.request("POST", "/pressure/read", [("Content-Length", "100000")])
        c.send("x" * 60000)
        until(lambda: server.json("/pressure/counts")["begun"] == 1 and
            server.json("/pressure/counts")["ended"] == 0, "a call")
    until(lambda: server.json("/pressure/counts")["error"], "an exception")
    server.allow("Traceback.*pressure")


def test_a_client_that_leaves_closes_the_iterator(server):
    with server.connect() as c:
        c.request("GET", "/pressure/write?n=100000")
        c.recv_head()
    until(lambda: server.json("/pressure/counts")["ended"] == 1, "close()")


# Applications that break the rules, and those that use them all

@pytest.mark.asan
@pytest.mark.parametrize("name", [
    "none", "int", "str", "status-int", "status-text",
    "status-crlf", "status-huge", "header-crlf", "header-bytes",
    "header-wide", "header-name", "headers-none", "twice", "no-start"])
def test_a_broken_rule_is_a_500(rogue, name):
    rogue.expect("Exception in the WSGI application|TypeError|ValueError|AssertionError")
    with rogue.connect() as c:
        got = c.get("/?do=" + name)
        assert (got.status, got.reason) == (
            500, "Internal Server Error"), got
        assert not got.all("x-evil") and not got.all("x-a"), got


def test_transfer_encoding_is_the_servers(rogue):
    with rogue.connect() as c:
        got = c.get("/?do=hop-by-hop")
        if got.status == 500:
            rogue.expect("(?i)hop|transfer-encoding|connection")
        else:
            assert got.answer() == (200, [TEXT], b"a")


@pytest.mark.parametrize("name, status, reason, fields, body", [
    ("generator", 202, "Accepted", [TEXT, ("x-a", "b")], b"made\n"),
    ("write", 200, "OK", [TEXT], b"one two three\n"),
    ("reason", 299, "Rather Odd", [TEXT], b"odd\n"),
    ("latin", 200, "OK", [TEXT, ("x-latin", "caf\xe9")], b"ok\n"),
    ("tuple", 200, "OK", [TEXT], b"one two\n"),
    ("empty", 200, "OK", [TEXT], b""),
    ("204-body", 204, "No Content", [], b""),
    ("304-body", 304, "Not Modified", [], b""),
    ("exc-before", 501, "Told So", [TEXT], b"told\n"),
])
def test_what_is_allowed(rogue, name, status, reason, fields, body):
    with rogue.connect() as c:
        got = c.get("/?do=" + name)
        assert got.reason == reason, got
        assert got.answer() == (status, fields, body), got
        c.assert_open()


def test_lengths_are_kept(rogue):
    with rogue.connect() as c:
        c.request("GET", "/?do=length-long")
        got = c.recv_failure()
        assert got.status == 500 or got.body == b"five.", got
    with rogue.connect() as c:
        got = c.get("/?do=length-short")
        assert got.status == 500 or got.body == b"five.", got
    rogue.expect("(?i)Exception in the WSGI|length|longer|shorter|less|more|bytes")


def test_exc_info_after_the_head_cuts(rogue):
    rogue.expect("caught and told")
    with rogue.connect() as c:
        c.request("GET", "/?do=exc-after")
        got = c.recv_failure()
        assert got.status == 500 or got.body == b"4\r\nsome\r\n", got


def test_close_is_called_exactly_once(rogue):
    rogue.expect("iterating failed")

    def closed():
        return int(rogue.get("/?do=closed").body)

    before = closed()
    assert rogue.get("/?do=closing").body == b"ab\n"
    until(lambda: closed() == before + 1, "closed")
    with rogue.connect() as c:
        c.request("GET", "/?do=closing-fails")
        c.recv_failure()
    until(lambda: closed() == before + 2, "closed")
    with rogue.connect() as c:
        c.request("HEAD", "/?do=closing")
        assert c.recv_response("HEAD").answer() == (200, [TEXT], b"")
    until(lambda: closed() == before + 3, "closed")


def test_the_standard_librarys_validator_is_content():
    with Server("wellformed:wsgi") as server:
        with server.connect() as c:
            assert c.get("/").body == b"got "
            assert c.post("/", b"body").body == b"got body"
            got = c.post("/?write", b"body")
            assert got.body == b"written got body", got


def test_waiting_for_the_only_thread_is_not_spinning(isolation):
    """Who holds the token sleeps while the thread of the last call parks."""
    with Server("mux:wsgi", "--isolation", isolation, "--pin", "on",
            "--blocking-threads", "1") as server:
        def ask(i):
            with server.connect() as c:
                for _ in range(50):
                    assert c.get("/slow?s=0.002").body == b"slow\n"

        child = server.child()
        before = cpu_seconds(child)
        at_once(8, ask)
        used = cpu_seconds(child) - before
        # 4 ms a request when it spun, 0.1 ms when not.
        assert used < 400 * 0.001, used
