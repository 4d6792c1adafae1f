"""When there is not enough: descriptors."""

import os
import pathlib
import resource
import time

import pytest

from shoal import Server, until


def cpu_seconds(pid):
    """Used by the process so far, in user space and in the kernel."""
    text = pathlib.Path("/proc/%d/stat" % pid).read_text()
    fields = text.rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.asan
def test_without_descriptors_clients_wait_and_nothing_spins(
        isolation, tmp_path):
    path = tmp_path / "eating"
    hungry = tmp_path / "eating.hungry"
    path.touch()
    hungry.touch()
    with Server("shortage:asgi", "--isolation", isolation) as server:
        server.expect("accepting paused: out of file descriptors")
        resource.prlimit(server.child(), resource.RLIMIT_NOFILE, (256, 256))
        eater = server.connect()
        eater.request("GET", "/eat?path=%s" % path)
        until(lambda: not hungry.exists(), "no descriptor is left")
        waiting = [server.connect() for _ in range(5)]
        for conn in waiting:
            conn.request("GET", "/")
        server.wait_log("accepting paused: out of file descriptors")
        used, began = cpu_seconds(server.child()), time.monotonic()
        time.sleep(1)
        used = cpu_seconds(server.child()) - used
        # Somebody who is asked 100,000 times a second has used all of it.
        assert used < 0.25 * (time.monotonic() - began)
        for conn in waiting:
            conn.assert_open()
        path.unlink()
        assert int(eater.recv_response().body) > 100
        for conn in waiting:
            assert conn.recv_response().body == b"here\n"
