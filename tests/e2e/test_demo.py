"""The example application of `make demo` (tools/demo)."""

import json
import os

import pytest

from shoal import HERE, Server, until

DEMO = HERE.parents[1] / "tools" / "demo"
NO_STORE = ("cache-control", "no-store")
JSON = ("content-type", "application/json")


@pytest.fixture(scope="module")
def server(isolation):
    with Server("app:app", "--working-dir", DEMO, "--isolation", isolation,
                workers=2) as server:
        server.where = isolation
        yield server


@pytest.mark.parametrize("path, file", [("/", "chat.html"),
    ("/shards", "shards.html")])
def test_the_pages(server, path, file):
    got = server.get(path)
    page = (DEMO / file).read_bytes()
    assert got.answer() == (200, [
        ("content-type", "text/html; charset=utf-8"), NO_STORE], page)
    with server.connect() as c:
        c.request("HEAD", path)
        assert c.recv_response("HEAD").answer() == (200, got.fields(), b"")


def enter(server, room, name):
    ws = server.websocket("/chat/%s?name=%s" % (room, name))
    ws.shard = told(ws, "welcome", name)["shard"]
    return ws


def told(ws, kind, name):
    """The next message, which is of that kind, and whose."""
    message = json.loads(ws.recv_text())
    assert message["kind"] == kind, message
    assert message.get("name", name) == name, message
    return message


def test_a_chat_between_the_shards(server):
    ann = enter(server, "reef", "ann")
    assert told(ann, "join", "ann")["shard"] == ann.shard
    while (ben := enter(server, "reef", "ben")).shard == ann.shard:
        told(ann, "join", "ben")
        told(ben, "join", "ben")
        ben.shut()
        told(ann, "leave", "ben")
    for ws in ann, ben:
        assert told(ws, "join", "ben")["shard"] == ben.shard
    ann.text("hello \u20ac")
    for ws in ann, ben:
        said = told(ws, "say", "ann")
        assert (said["text"], said["shard"]) == ("hello \u20ac", ann.shard)
    got = server.post("/say/reef?name=curl", b"from curl")
    assert got.answer() == (200, [JSON, NO_STORE], b'{"said": "from curl"}\n')
    server.post("/say/deep", b"another room")
    for ws in ann, ben:
        assert told(ws, "say", "curl")["text"] == "from curl"
    ben.shut()
    told(ann, "leave", "ben")
    ann.shut()


def test_every_shard_says_who_it_is(server):
    seen = {}

    def both():
        with server.connect() as c:
            got = c.get("/api/whoami?close")
            assert got.connection == "close", got
            c.assert_closed()
        who = got.json()
        assert who["isolation"] == server.where, who
        assert who["pid"] in server.children(), who
        assert who["cpus"] == sorted(
            os.sched_getaffinity(who["thread_id"])), who
        seen[who["shard"]] = who
        return len(seen) == 2

    until(both, "both shards")


def test_the_other_routes(server):
    with server.connect() as c:
        who = c.get("/api/slow?s=0.01").json()
        assert who["slept"] == 0.01, who
        assert c.post("/api/echo", b"abc").body == b"abc"
        got = c.get("/stream")
        assert got.framing == "chunked" and len(got.chunks) == 20, got
        assert got.body.startswith(b"line 1 of 20 from shoal-"), got
        assert c.get("/nowhere").answer() == (404, [JSON, NO_STORE],
            json.dumps({"error": "not found", "path": "/nowhere"}).encode()
            + b"\n")
        assert c.post("/").answer() == (405, [JSON, NO_STORE,
            ("allow", "GET")], b'{"error": "method not allowed"}\n')
        c.assert_open()
