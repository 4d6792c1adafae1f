"""WebSockets in the frameworks that people write them with."""

import importlib.util

import pytest

from shoal import CLOSE, Server, close_payload, handshake, until

# What a client gets where the application raises: some close by themselves.
RAISED = {"starlette": 1011, "fastapi": 1011, "quart": 1000,
    "litestar": 4500, "falcon": 1011, "blacksheep": 1011, "channels": 1011,
    "emmett": 1000}
NAMES = sorted(RAISED)
# What their applications hear of a client that closes with a code and reason.
HEARD = {"blacksheep": [4002], "channels": [4002], "falcon": [4002],
    "quart": None, "emmett": None}


def serve(app, framework, **more):
    if not importlib.util.find_spec(framework):
        pytest.skip("%s does not run on this Python" % framework)
    return Server(app, "--interface", "rsgi" if framework == "emmett" else
        "asgi", env={"FRAMEWORK": framework}, **more)


@pytest.fixture(scope="module", params=NAMES)
def server(request):
    with serve("ws_frameworks:app", request.param) as server:
        server.framework = request.param
        server.allow("on purpose")
        yield server


@pytest.mark.asan
def test_echo(server):
    c = server.websocket("/echo", [("Sec-WebSocket-Protocol", "x, chat")])
    assert c.head.all("sec-websocket-protocol") == ["chat"] * (
        server.framework != "emmett")
    for size in 0, 1, 1000, 100000:
        text = "gr\xfc\xdfe" * size
        c.text(text)
        assert c.recv_text() == text
        # Quart takes an empty message for none.
        if size == 0 and server.framework == "quart":
            continue
        c.binary(b"\xff" * size)
        assert c.recv_binary() == b"\xff" * size
    c.shut(4002, "enough")
    until(lambda: server.json("/left"), "it hears that the client left")
    assert server.json("/left") == [
        HEARD.get(server.framework, [4002, "enough"])]
    c = server.websocket("/echo")
    assert not c.head.all("sec-websocket-protocol")
    c.shut()


@pytest.mark.asan
def test_it_closes(server):
    c = server.websocket("/close")
    code, reason = c.recv_close()
    assert (code, reason) == ((1000, "") if server.framework == "emmett"
        else (4001, "enough"))
    c.frame(CLOSE, close_payload(code))
    c.assert_closed()


def test_it_raises(server):
    c = server.websocket("/boom")
    assert c.recv_close()[0] == RAISED[server.framework]


def test_it_refuses(server):
    with server.connect() as c:
        c.send(handshake("/refuse"))
        assert c.recv_response().status in (401, 403)
        c.assert_closed()


ROOMS = sorted({*NAMES, "flask"})


@pytest.mark.asan
@pytest.mark.parametrize("framework", ROOMS)
def test_a_room(framework):
    """Its WebSockets and event streams hear what its views say."""
    with serve("rooms:app", framework, workers=2) as server:
        paths = ["/room"] * 3
        if framework == "channels":
            paths += ["/sync"] * 2
        sockets = [server.websocket(path) for path in paths]
        for ws in sockets:
            assert ws.recv_text() == "in"
        if framework not in ("falcon", "emmett"):
            sockets.append(server.connect())
            sockets[-1].request("GET", "/events")
            assert sockets[-1].recv_head().status == 200
            assert sockets[-1].recv_chunk() == b": in\n\n"
        for text in ("hello", "all"):
            assert server.get("/say?text=" + text).status == 200
            for ws in sockets[:len(paths)]:
                assert ws.recv_text() == text
            for stream in sockets[len(paths):]:
                assert stream.recv_chunk().endswith(
                    b"\ndata: %s\n\n" % text.encode())
        for ws in sockets:
            ws.close()
