"""asyncio's semantics in the shard's loop: the checks of apps/loops.py."""

import contextlib
import os
import re

import pytest

from shoal import APPS, Server, at_once, handshake, until

NAMES = re.findall(r"^@check\nasync def (\w+)",
    (APPS / "loops.py").read_text(), re.M)


@pytest.fixture(scope="module")
def server(isolation):
    # to_thread keeps its threads, getaddrinfo and children nothing
    with Server("loops:asgi", "--isolation", isolation) as server:
        yield server


@pytest.mark.parametrize("name", NAMES)
def test_asyncio(server, name):
    got = server.get("/?check=" + name)
    assert (got.status, got.body.decode()) == (200, "ok")
    # the loop is well, and the next request finds nothing left over
    assert server.get("/?check=a_request_is_a_task").body == b"ok"
    if "exits" in name:
        server.expect("SystemExit")


def test_requests_have_contexts_of_their_own(server):
    def ask(i):
        return server.get("/context?id=%d" % i).body.decode()

    assert at_once(8, ask) == [
        "unset %d %d %d" % (i, i, i) for i in range(8)]


@pytest.mark.asan
def test_the_loop_is_not_the_applications_to_stop(isolation):
    """Its shard serves on, and what was under way goes on, too."""
    with Server("slow:asgi", "--isolation", isolation) as server:
        child = server.child()
        with server.connect() as c:
            c.request("GET", "/?s=0.5")
            for s in "0", "0.1", "0":
                assert server.get("/?stop&s=" + s).body == b"slow\n"
            assert c.recv_response().body == b"slow\n"
        assert server.get("/?s=0").body == b"slow\n"
        assert server.child() == child
        assert len(server.logged("the application stopped the event loop")
            ) == 1, server.log


@pytest.mark.asan
def test_a_thread_serves_from_the_start_to_the_end(isolation):
    """anyio ends its threads with the task that the loop runs until complete."""
    with Server("rooted:asgi", "--isolation", isolation) as server:
        threads = {server.get("/").body for _ in range(20)}
        assert len(threads) == 1
        assert len(set(threads.pop().split())) == 1
    with Server("rooted:rsgi", "--isolation", isolation) as server:
        assert len({server.get("/").body for _ in range(20)}) == 1


@pytest.fixture
def gate(tmp_path):
    """What kit.block() waits for."""
    return tmp_path / "gate"


@contextlib.contextmanager
def at_a_standstill(server, gate):
    """Nothing of the application runs within: what comes is there at once."""
    with server.connect() as blocker:
        blocker.request("GET", "/block")
        until(gate.with_suffix(".shut").exists, "the standstill")
        yield
        gate.touch()
        assert blocker.recv_response().body == b"ok"


def began_and_ended(isolation, gate, steps):
    """Of eight requests that come at once, in the order of all their parts."""
    with Server("steps:asgi", "--isolation", isolation, env={"GATE": gate}) as server:
        conns = [server.connect() for _ in range(8)]
        for conn in conns:
            assert conn.get("/order").body == b""
        with at_a_standstill(server, gate):
            for conn in conns:
                conn.request("GET", "/?steps=%d" % steps)
        for conn in conns:
            assert conn.recv_response().body == b"ok"
        return server.get("/order").body.decode().split()


@pytest.mark.asan
def test_a_request_goes_on_before_others_begin(isolation, gate):
    """What has begun is still in the CPU's caches, and its client waits longest."""
    assert began_and_ended(isolation, gate, 5) == ["begin", "end"] * 8


@pytest.mark.asan
def test_others_begin_before_a_long_request_ends(isolation, gate):
    order = began_and_ended(isolation, gate, 100)
    assert order[:2] == ["begin"] * 2 and order.count("end") == 8


LEFT = {
    "asgi": {
        "/start": "OSError: the client has left",
        "/body": "OSError: the client has left",
        "/accept": "OSError: the WebSocket is closed",
        "/deny": "OSError: the WebSocket is closed",
        "/ws": "OSError: the WebSocket is closed",
    },
    "rsgi": {
        "/start": "the client has left",
        "/body": "the client has left",
        "/accept": "the client has left",
        "/deny": "the client has left",
        "/ws": "the client has left",
    },
}


@pytest.mark.asan
@pytest.mark.parametrize("interface", LEFT)
def test_who_sends_before_word_of_a_lost_client_is_told(isolation, interface, gate):
    """What takes everything for nobody would never let its sender stop."""
    with Server("parting:" + interface, "--isolation", isolation,
            env={"GATE": gate}) as server:
        go = server.connect()
        assert go.get("/told").body == b"{}"
        leaving = [server.connect() for _ in LEFT[interface]]
        for conn, path in zip(leaving, LEFT[interface]):
            if path in ("/start", "/body"):
                conn.request("GET", path)
            else:
                conn.send(handshake(path, ()))
        leaving[1].recv_head()
        leaving[4].recv_head()
        assert go.get("/told").body == b"{}"
        with at_a_standstill(server, gate):
            go.request("GET", "/go")
            for conn in leaving:
                conn.reset()
        assert go.recv_response().body == b"ok"
        told = until(lambda: (got := go.get("/told").json()) and
            len(got) == len(leaving) and got, "word of all that was sent")
        for path, text in LEFT[interface].items():
            assert told[path].endswith(text), told


@pytest.mark.asan
def test_callbacks_without_end_hold_nothing_up(isolation):
    with Server("steps:asgi", "--isolation", isolation) as server:
        assert server.get("/spin").body == b"ok"
        assert [server.get("/?steps=5").body for _ in range(20)] == [b"ok"] * 20
        assert server.get("/calm").body == b"ok"


@pytest.mark.asan
def test_the_servers_task_is_not_the_applications_to_cancel(isolation):
    with Server("rooted:rsgi", "--isolation", isolation) as server:
        first = server.get("/").body
        for _ in range(3):
            assert server.get("/cancel").body == first
        assert server.get("/").body == first
        assert len(server.logged("the application cancelled the server's task")
            ) == 1, server.log


@pytest.mark.asan
def test_every_check_at_once(isolation):
    """The checks share a loop without disturbing each other."""
    alone = re.compile("debug_mode|handler|factory|exits|eager|order|later")
    names = [name for name in NAMES if not alone.search(name)]
    with Server("loops:asgi", "--isolation", isolation) as server:
        conns = [server.connect() for _ in names]
        for conn, name in zip(conns, names):
            conn.request("GET", "/?check=" + name)
        for conn, name in zip(conns, names):
            got = conn.recv_response()
            assert got.body == b"ok", (name, got.body.decode())


@pytest.mark.asan
def test_a_storm_leaves_nothing_behind(isolation):
    """Cancellation, groups, timeouts and threads, on many connections."""
    with Server("storm:asgi", "--isolation", isolation) as server:
        def ask(i):
            return server.get("/?rounds=15&seed=%d" % i).body

        assert at_once(12, ask) == [b"ok"] * 12
        left = server.get("/left").json()
        assert left.pop("begun") > 1000, left
        assert left == {"steps": 0, "tasks": 0, "timers": 0}


ORDINARY, BATCH = "0 0", "3 3"


@pytest.mark.asan
def test_threads_that_hand_over_the_lock_do_not_preempt_each_other(isolation):
    """While the shard is busy; not when it slept, since it would wake up late."""
    with Server("handing:asgi", "--isolation", isolation) as server:
        assert server.get("/policies").body.decode() == ORDINARY
        assert server.get("/start").body.decode() == ORDINARY
        until(lambda: server.get("/policies").body.decode() == BATCH, "SCHED_BATCH")
        server.get("/stop")
        until(lambda: server.get("/policies").body.decode() == ORDINARY, "SCHED_OTHER")


@pytest.mark.asan
def test_subprocesses_begin_with_the_ordinary_policy(isolation):
    # an interpreter of its own cannot fork
    ways = ["subprocess", "system"] + ["fork"] * (isolation == "process")
    with Server("handing:asgi", "--isolation", isolation) as server:
        server.get("/start")
        for way in ways:
            until(lambda: server.get("/policies").body.decode() == BATCH, "SCHED_BATCH")
            got = server.get("/policies?child=" + way).body.decode()
            assert got.split()[2] == "0", way
        server.get("/stop")


@contextlib.contextmanager
def batch():
    """What this thread starts has that policy."""
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@pytest.mark.asan
def test_a_policy_that_the_operator_chose_stays(isolation):
    with batch(), Server("handing:asgi", "--isolation", isolation) as server:
        server.get("/start")
        for _ in range(50):
            assert server.get("/policies").body.decode() == BATCH
        server.get("/stop")
        assert server.get("/policies").body.decode() == BATCH
