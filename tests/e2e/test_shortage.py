"""When there is not enough: descriptors, memory."""

import os
import pathlib
import re
import resource
import time

import pytest

from shoal import BIN, Server, until


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


# The allocator of the other builds can be made to fail: core/mem.h.
MAY_FAIL = re.search("debug|asan|tsan", BIN)
# Starts that failed nowhere, behind the last that failed.
WELL = 10


def start_with_fault(app, number):
    """Whether the start failed, as it should, without that allocation."""
    with Server(app, "--isolation", "interp", ready=False, check=False,
            env={"MEM_FAIL_AT": number}) as server:
        server.wait_log("listening at|out of memory|MemoryError"
            "|Cannot allocate memory")
        if not server.logged("listening at"):
            assert server.wait() == 3, server.log
            assert server.logged("out of memory|Cannot allocate memory"
                "|MemoryError"), server.log
            return True
        server.wait_ready()
        answers = []
        for _ in range(5):
            with server.connect() as conn:
                conn.request("GET", "/", [("Connection", "close")])
                answers.append(conn.recv_cut()[:12])
        # It was one of a request's that failed, or none.
        bad = [a for a in answers if a != b"HTTP/1.1 200"]
        assert len(bad) < 2, answers
        assert not bad or bad[0] in (b"", b"HTTP/1.1 500",
            b"HTTP/1.1 503"), bad
    return False


@pytest.mark.asan
@pytest.mark.skipif(not MAY_FAIL, reason="the release build's never fails")
@pytest.mark.parametrize("app", ["plain:asgi", "plain:wsgi", "plain:rsgi"])
def test_any_allocation_of_a_start_may_fail(app):
    """An exit code and a reason; or a server that serves."""
    failed, well, number = 0, 0, 0
    while well < WELL:
        number += 1
        if start_with_fault(app, number):
            failed += 1
            well = 0
        else:
            well += 1
    assert failed > 10


def last_word(server, path):
    with server.connect() as conn:
        conn.request("GET", path, [("Connection", "close")])
        return conn.recv_cut()


@pytest.mark.asan
@pytest.mark.parametrize("kind", ["asgi", "wsgi", "rsgi"])
def test_any_allocation_of_pythons_may_fail_in_a_request(kind):
    """The request is a 500 or cut, the shard lives, the next is served."""
    pytest.importorskip("_testcapi")
    with Server("nomemory:" + kind, "--isolation", "process") as server:
        server.allow("MemoryError|Exception in the|could not be started")
        child, calm, number, answers = server.child(), 0, 0, []
        # Until the requests allocate no more than that.
        while calm < 10:
            number += 1
            got = [last_word(server, path)
                for path in ("/fail/%d" % number, "/", "/well")]
            # The last may have met it, too.
            until(lambda: b"\r\n\r\nHello!\n" in last_word(server,
                "/well"), "it is well again")
            assert server.get("/").body == b"Hello!\n"
            bad = [answer for answer in got
                if not answer.startswith(b"HTTP/1.1 200 ")]
            assert len(bad) < 2, got
            assert not bad or not bad[0] or \
                bad[0].startswith(b"HTTP/1.1 500 "), bad
            calm = 0 if bad else calm + 1
            answers += bad
        assert server.child() == child
        assert len(answers) > 10
