"""TERM, INT, QUIT: what runs is finished within a limit, what waits is told,
and an application that wants signals for itself is warned."""

import os
import signal

import pytest

from shoal import Server, until

HELLO = b"Hello, world!\n"


@pytest.mark.asan
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT],
    ids=lambda number: number.name)
def test_a_stop_finishes_what_runs(isolation, number, events):
    with Server("mux:asgi", "--isolation", isolation, workers=2,
            env={"EVENTS": events}) as server:
        conns = [server.connect() for _ in range(8)]
        for conn in conns:
            conn.request("GET", "/slow?s=1.5")
        events.wait("begin", 8)
        stream = server.connect()
        stream.request("GET", "/parts?n=10&pause=0.1")
        assert stream.recv_head().status == 200
        server.kill(number)
        server.wait_log("SIG%s" % number.name[3:])
        for conn in conns:
            got = conn.recv_response()
            assert (got.status, got.body) == (200, b"slow\n")
            assert got.connection == "close", got
            conn.assert_closed()
        rest = stream.recv_until_close()
        assert rest.endswith(b"\r\n0\r\n\r\n"), rest
        assert server.wait() == 0
    assert events.lines().count("end") == 8


@pytest.mark.asan
@pytest.mark.parametrize("interface", ["wsgi", "rsgi"])
def test_a_stop_finishes_other_interfaces_too(isolation, interface, events):
    with Server("mux:" + interface, "--isolation", isolation,
            "--blocking-threads", "4",
            env={"EVENTS": events}) as server:
        conns = [server.connect() for _ in range(4)]
        for conn in conns:
            conn.request("GET", "/slow?s=1")
        events.wait("begin", 4)
        server.kill(signal.SIGTERM)
        for conn in conns:
            got = conn.recv_response()
            assert (got.status, got.body) == (200, b"slow\n")
        assert server.wait() == 0


@pytest.mark.asan
def test_work_after_an_answer_is_finished_too(isolation, events):
    """What a framework calls a background task."""
    with Server("slow:asgi", "--isolation", isolation,
                env={"EVENTS": events}) as server:
        assert server.get("/?s=0&after=1").body == b"slow\n"
        assert events.lines() == ["begin"]
        assert server.stop() == 0
    assert events.lines() == ["begin", "end"]


def test_new_connections_are_refused_when_it_has_ended(isolation):
    with Server("plain:asgi", "--isolation", isolation) as server:
        assert server.stop() == 0
        with pytest.raises(ConnectionRefusedError):
            server.connect()


@pytest.mark.asan
@pytest.mark.parametrize("interface", ["asgi", "wsgi", "rsgi"])
def test_a_request_that_crosses_the_stop_is_answered(isolation, interface):
    """An idle connection is answered once more, and told that it ends."""
    with Server("mux:" + interface, "--isolation", isolation,
            "--drain-grace", "3s") as server:
        crossing, idle, other = [server.connect() for _ in range(3)]
        assert crossing.get("/plain").body == HELLO
        assert idle.get("/plain").body == HELLO
        server.kill(signal.SIGTERM)
        # The shard learns it a moment after the signal.
        until(lambda: other.get("/plain").connection == "close",
            "the shard drains")
        got = crossing.get("/plain")
        assert (got.status, got.body) == (200, HELLO)
        assert got.connection == "close", got
        crossing.assert_closed()
        idle.assert_closed()
        assert server.wait() == 0


def test_idle_connections_do_not_hold_up_the_end(isolation):
    with Server("plain:asgi", "--isolation", isolation) as server:
        conns = [server.connect() for _ in range(50)]
        for conn in conns[:25]:
            assert conn.get("/").body == HELLO
        assert server.stop() == 0
        for conn in conns:
            conn.assert_closed()


def test_a_second_int_ends_at_once(isolation, events):
    with Server("slow:asgi", "--isolation", isolation,
            "--graceful-timeout", "600", env={"EVENTS": events},
            check=False) as server:
        c = server.connect()
        c.request("GET", "/?s=600")
        events.wait("begin")
        server.kill(signal.SIGINT)
        server.wait_log("SIGINT")
        server.kill(signal.SIGINT)
        server.wait()
        assert c.recv_cut() == b""


def test_quit_ends_at_once(isolation, events):
    with Server("slow:asgi", "--isolation", isolation,
            "--graceful-timeout", "600", env={"EVENTS": events},
            check=False) as server:
        c = server.connect()
        c.request("GET", "/?s=600")
        events.wait("begin")
        server.stop(signal.SIGQUIT)
        assert c.recv_cut() == b""


@pytest.mark.asan
def test_the_graceful_timeout_is_a_limit(isolation, events):
    with Server("slow:asgi", "--isolation", isolation,
            "--graceful-timeout", "1", env={"EVENTS": events},
            check=False) as server:
        c = server.connect()
        c.request("GET", "/?s=600")
        events.wait("begin")
        assert server.stop() == 0
        rest = c.recv_cut()
        assert b"200 OK" not in rest, rest


def test_a_stop_while_it_starts(isolation, events):
    with Server("lifespans:asgi", "--isolation", isolation, ready=False,
            env={"EVENTS": events, "LIFESPAN": "slow"},
            check=False) as server:
        until(lambda: events.lines(), "it starts")
        server.stop()
        assert server.code in (0, 3), server.code
        assert not server.logged("listening at")


@pytest.mark.parametrize("how", ["signal", "handler"])
def test_an_application_that_wants_a_signal_is_warned(isolation, how):
    with Server("sigs:asgi", "--isolation", isolation) as server:
        got = server.get("/?how=" + how)
        assert (got.status, got.body) == (200, b"done\n"), got
        if isolation == "interp":
            server.wait_log(r"\[WARNING\].*SIGTERM")
        # and TERM still ends the server in order


def test_handlers_at_import_do_not_hinder_the_start(isolation):
    with Server("sigs:asgi", "--isolation", isolation, workers=2,
            env={"SIGNAL_AT_IMPORT": "1"}) as server:
        assert server.get("/").body == b"done\n"
        if isolation == "interp":
            server.wait_log(r"\[WARNING\].*SIGTERM")


def test_a_rotation_may_signal_the_whole_service(isolation, events):
    """systemctl kill -s USR1 does: server processes must not die of it."""
    with Server("slow:asgi", "--isolation", isolation, workers=2,
            env={"EVENTS": events}) as server:
        children = server.children()
        c = server.connect()
        c.request("GET", "/?s=1")
        events.wait("begin")
        os.killpg(server.pid, signal.SIGUSR1)
        server.wait_log("SIGUSR1")
        got = c.recv_response()
        assert (got.status, got.body) == (200, b"slow\n")
        assert server.children() == children


def test_a_terminals_interrupt_reaches_everybody(isolation, events):
    """^C goes to the whole group: the children must not die of it."""
    with Server("slow:asgi", "--isolation", isolation,
            env={"EVENTS": events}) as server:
        c = server.connect()
        c.request("GET", "/?s=1")
        events.wait("begin")
        os.killpg(server.pid, signal.SIGINT)
        got = c.recv_response()
        assert (got.status, got.body) == (200, b"slow\n")
        assert server.wait() == 0
