"""A shard that is stuck: the others serve, its connections too, and the log
says where it hangs."""

import os
import signal

import pytest

import shoal
from shoal import LIMIT, Server, until


def stick(server, how="", seconds=8):
    """Make one shard hang, by a connection that is returned."""
    c = server.connect(limit=2 * LIMIT)
    c.request("GET", "/?s=%d%s" % (seconds, how))
    return c


@pytest.mark.asan
@pytest.mark.parametrize("how", ["", "&how=sleep"])
def test_every_new_connection_is_answered(isolation, how):
    """While one of two shards hangs, nobody waits for its end."""
    with Server("stuck:asgi", "--isolation", isolation, workers=2) as server:
        held = stick(server, how)
        server.wait_log("in one call|stuck|longer")
        for _ in range(40):
            with server.connect(limit=5 * shoal.SLOW) as c:
                got = c.get("/?s=0")
                assert (got.status, got.body) == (200,
                    b"free again\n"), got
        held.sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            held.sock.recv(1)
        held.sock.settimeout(2 * LIMIT)
        assert held.recv_response().body == b"free again\n"
        server.wait_log("well again")
        for _ in range(10):
            assert server.get("/?s=0").status == 200


@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_the_stack_of_a_stuck_shard_is_told(isolation, interface):
    with Server("stuck:" + interface, "--isolation", isolation,
            "--blocking-threads", "1", workers=2) as server:
        held = stick(server, seconds=4)
        server.wait_log("held_in_python")
        found = "\n".join(server.log)
        assert "stuck.py" in found, found
        assert "hold" in found, found
        assert held.recv_response().body == b"free again\n"


def test_a_stack_that_comes_late_is_told(isolation):
    """As on a machine with more to do than CPUs for it."""
    with Server("stuck:asgi", "--isolation", isolation, "--stall-report",
            "0.2") as server:
        held = stick(server, "&how=late", seconds=3)
        server.wait_log("in held_in_python_late")
        assert held.recv_response().body == b"free again\n"


def test_a_shard_alone_is_reported_and_recovers(isolation):
    with Server("stuck:asgi", "--isolation", isolation) as server:
        held = stick(server, seconds=3)
        server.wait_log("held_in_python")
        waiting = server.connect(limit=2 * LIMIT)
        waiting.request("GET", "/?s=0")
        assert held.recv_response().body == b"free again\n"
        assert waiting.recv_response().body == b"free again\n"


def test_reports_can_be_switched_off(isolation):
    with Server("stuck:asgi", "--isolation", isolation, "--stall-report",
            "0") as server:
        assert server.get("/?s=2").body == b"free again\n"
        assert not server.logged("held_in_python"), server.log


def test_a_dead_shards_connections_are_taken(isolation):
    """Its process is killed and its place taken over, at once."""
    if isolation == "interp":
        pytest.skip("all shards are in one process")
    with Server("mux:asgi", "--isolation", isolation, workers=2) as server:
        server.expect("killed by signal 9", times=1)
        os.kill(server.children()[0], signal.SIGKILL)
        for _ in range(30):
            with server.connect(limit=5 * shoal.SLOW) as c:
                assert c.get("/plain").status == 200


def test_a_unix_sockets_connections_go_to_those_that_are_well(
        isolation, tmp_path):
    with Server("stuck:asgi", "--isolation", isolation, "--uds",
            tmp_path / "s", workers=2) as server:
        held = stick(server, seconds=4)
        until(lambda: server.logged("held_in_python"), "a report")
        for _ in range(20):
            with server.connect(limit=3 * shoal.SLOW) as c:
                assert c.get("/?s=0").status == 200
        assert held.recv_response().status == 200


def test_a_stuck_shard_does_not_hold_up_the_end(isolation):
    with Server("stuck:asgi", "--isolation", isolation,
            "--graceful-timeout", "1", workers=2,
            check=False) as server:
        stick(server, seconds=600)
        server.wait_log("in one call|stuck|longer")
        assert server.stop() == 0
