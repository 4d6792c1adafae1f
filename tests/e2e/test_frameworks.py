"""The grid framework x isolation: unmodified frameworks, small but real."""

import importlib.util
import json

import pytest

import shoal
from shoal import Server

# name: (application, the module that refuses an own-GIL interpreter)
FRAMEWORKS = {
    "django-asgi": ("fw_django:asgi", None),
    "django-wsgi": ("fw_django:wsgi", None),
    "flask": ("fw_flask:wsgi", None),
    "bottle": ("fw_bottle:wsgi", None),
    "starlette": ("fw_starlette:asgi", None),
    "fastapi": ("fw_fastapi:asgi", "pydantic_core"),
    "quart": ("fw_quart:asgi", None),
    "falcon-wsgi": ("fw_falcon:wsgi", "falcon.cyutil"),
    "falcon-asgi": ("fw_falcon:asgi", "falcon.cyutil"),
    "litestar": ("fw_litestar:asgi", "msgspec|_core"),
    "emmett": ("fw_emmett:rsgi", "emmett_core"),
    "rsgi": ("fw_rsgi:rsgi", None),
}
# Falcon goes on without what refuses, in Python; the others cannot.
FALLS_BACK = {"falcon-wsgi", "falcon-asgi"}
# These read no body without a Content-Length, or expect to find it in chunks.
NO_CHUNKS = {"django-wsgi", "falcon-wsgi", "bottle"}


def media(answer):
    """The content type without its parameters."""
    return answer.one("content-type").partition(";")[0].strip()


def expect_boom(server, name):
    """Frameworks differ in who logs; Litestar does not unless asked to."""
    if name == "litestar":
        server.allow("boom on purpose")
    else:
        server.expect("boom on purpose")


def exercise(server, name, word):
    """The checks that hold for every framework, on one connection."""
    with server.connect() as c:
        got = c.get("/")
        assert (got.status, got.reason, got.body) == (
            200, "OK", b"%s\n" % word.encode()), got
        assert media(got) == "text/plain"

        got = c.get("/hello/Zo%C3%AB?greeting=H%C3%A9")
        assert got.status == 200 and media(got) == "application/json", got
        assert got.json() == {"name": "Zo\u00eb", "greeting": "H\u00e9"}

        got = c.post("/form", b"a=1&b=two+words", [
            ("Content-Type", "application/x-www-form-urlencoded")])
        assert (got.status, got.json()) == (
            200, {"a": "1", "b": "two words"}), got

        body = json.dumps({"list": [1, 2, "drei"], "deep": {"x": None}})
        got = c.post("/json", body.encode(),
            [("Content-Type", "application/json")])
        assert (got.status, got.json()) == (
            200, {"got": json.loads(body)}), got

        if name not in NO_CHUNKS:
            c.request("POST", "/json", [
                ("Content-Type", "application/json"),
                ("Transfer-Encoding", "chunked")])
            c.send("5\r\n{\"a\":\r\n3\r\n 1}\r\n0\r\n\r\n")
            got = c.recv_response()
            assert (got.status, got.json()) == (
                200, {"got": {"a": 1}}), got

        if word != "emmett":
            got = c.get("/stream")
            assert got.status == 200 and media(got) == "text/plain", got
            assert got.body == b"".join(
                b"line %d\n" % i for i in range(5)), got

        got = c.get("/cookies")
        assert (got.status, got.body) == (200, b"two\n"), got
        assert sorted(value[:3] for value in got.all("set-cookie")) == [
            "a=1", "b=2"], got

        assert c.get("/missing").status == 404
        got = c.post("/hello/ann")
        assert got.status in (404, 405), got

        c.request("HEAD", "/")
        got = c.recv_response("HEAD")
        assert got.status in (200, 404, 405) and got.body == b"", got

        got = c.get("/boom")
        assert got.status == 500 and b"Traceback" not in got.body, got
        if not got.keep_alive:
            c.assert_closed()
    # and the server goes on
    got = server.get("/")
    assert got.status == 200, got
    special = SPECIAL.get(name)
    if special:
        special(server)


def django(server):
    got = server.get("/async/ann")
    assert got.json() == {"name": "ann", "greeting": "Hello"}, got
    got = server.get("/page")
    assert got.status == 200 and got.body.startswith(b"<p>SHOAL 20"), got


def starlette(server):
    assert server.get("/thread").answer()[2] == b"prepared\n"
    first = server.get("/background")
    assert first.status == 200, first
    shoal.until(lambda: int(server.get("/background").body) > 0,
        "the background task")


def fastapi(server):
    item = b'{"name": "fish", "price": 2.5}'
    kind = [("Content-Type", "application/json")]
    got = server.post("/items", item, kind)
    assert (got.status, got.json()) == (
        200, {"name": "fish", "price": 2.5, "tags": []}), got
    got = server.post("/items", b'{"name": "fish", "price": -1}', kind)
    assert got.status == 422, got
    assert got.json()["detail"][0]["loc"] == ["body", "price"], got
    assert server.get("/thread?count=41").json() == {"next": 42}
    shoal.until(lambda: int(server.get("/background").body) > 0,
        "the background task")
    got = server.get("/openapi.json")
    assert "/items" in got.json()["paths"], got


def litestar(server):
    assert server.get("/thread").json() == {"next": 1}


SPECIAL = {"django-asgi": django, "django-wsgi": django,
    "starlette": starlette, "fastapi": fastapi, "litestar": litestar}


def chosen(name, refusing):
    """What auto must end with on this Python."""
    if shoal.MINOR < (3, 13) or refusing:
        return "process"
    return "interp"


@pytest.mark.parametrize("where", ["auto", "process"])
@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_framework_is_served(name, where):
    app, refusing = FRAMEWORKS[name]
    word = app.partition(":")[0].removeprefix("fw_")
    if word == "emmett" and not importlib.util.find_spec("emmett"):
        pytest.skip("emmett does not run on this Python")
    with Server(app, "--isolation", where, workers=2) as server:
        expect_boom(server, name)
        exercise(server, name, word)
        wanted = chosen(name, refusing) if where == "auto" else where
        assert server.logged(r"\b%s\b" % wanted), server.log
        processes = 2 if wanted == "process" else 1
        assert len(server.children()) == processes, server.children()
        if where == "auto" and refusing and shoal.MINOR >= (3, 13):
            assert server.logged(refusing), server.log


@pytest.mark.parametrize("name", sorted(FALLS_BACK))
def test_interp_serves_what_falls_back(name):
    app, refusing = FRAMEWORKS[name]
    with Server(app, "--isolation", "interp", workers=2) as server:
        expect_boom(server, name)
        exercise(server, name, "falcon")
        assert len(server.children()) == 1
        assert server.logged(refusing), server.log


@pytest.mark.parametrize("name", [
    name for name, (app, refusing) in FRAMEWORKS.items()
    if refusing and name not in FALLS_BACK])
def test_interp_refuses_what_cannot_load_there(name):
    app, refusing = FRAMEWORKS[name]
    if name == "emmett" and not importlib.util.find_spec("emmett"):
        pytest.skip("emmett does not run on this Python")
    done = shoal.run("--isolation", "interp", "--port", "0",
        "--workers", "1", app)
    assert done.code == 3, done.stderr
    if shoal.MINOR < (3, 13):  # the library itself may be first
        refusing += "|3.12's own library.* --isolation process"
    assert any(shoal.re.search(refusing, line) for line in done.log), \
        done.stderr
    assert not any(shoal.READY.search(line) for line in done.log)
