"""An application that forks: the copy holds nothing of the server's."""

import os
import pathlib
import signal

import pytest

from shoal import MINOR, Server, alive, descriptors, until

# os.fork() is refused in an interpreter of its own (test_python.py), and
# 3.12 refuses it ctypes.
WAYS = [("process", "by_os"), ("process", "by_multiprocessing"),
    ("process", "by_c")] + [("interp", "by_c")] * (MINOR >= (3, 13))


def tcp_sockets():
    """As descriptors() calls them; asyncio's own pair is none."""
    lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return {"socket:[%s]" % line.split()[9] for line in lines}


def held_by(pid):
    """What of the server's sockets a process has."""
    return [name for name in descriptors(pid)
        if name in tcp_sockets() or "eventpoll" in name]


@pytest.mark.asan
@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
@pytest.mark.parametrize("isolation, way", WAYS)
def test_a_fork_holds_nothing(isolation, way, interface):
    child = None
    try:
        with Server("forked:" + interface, "--isolation", isolation,
                workers=2, slack=2) as server:
            with server.connect() as idle, server.connect() as c:
                assert idle.get("/").body == b"no fork\n"
                # framed by the end of the connection, which must be seen
                c.send("GET /%s HTTP/1.0\r\n\r\n" % way)
                got = c.recv_response()
                assert got.framing in ("close", "length"), got
                child = int(got.body)
                c.assert_closed()
                # the copy lets go of them by itself, beside the answer
                until(lambda: not held_by(child), "a copy without sockets")
                assert idle.get("/").body == b"no fork\n"
            port = server.port
            assert server.stop() == 0
            assert alive(child)
        # the port is free, and nobody listens for ever
        with Server("forked:" + interface, "--port", port) as server:
            assert server.get("/").body == b"no fork\n"
            assert alive(child)
    finally:
        if child:
            os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_a_fork_that_comes_back_is_ended(interface):
    """It answers nobody, and the server does not notice."""
    with Server("forked:" + interface, "--isolation", "process") as server:
        server.expect(r"the application forked.*os\._exit", times=1)
        with server.connect() as c:
            child = int(c.get("/comes_back").body)
            server.wait_log("the application forked")
            assert c.get("/").body == b"no fork\n"
            c.assert_open()
        until(lambda: not alive(child), "the end of %d" % child)
