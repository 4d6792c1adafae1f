"""Lifespan: once a shard, before the first and after the last request."""

import pathlib
import re

import pytest

from shoal import SLOW, Server, run, until

TEXT = ("content-type", "text/plain; charset=utf-8")


def serve(isolation, events, how, *options, **more):
    return Server("lifespans:asgi", "--isolation", isolation, *options,
        env={"EVENTS": events, "LIFESPAN": how}, **more)


def test_startup_and_shutdown_frame_the_requests(isolation, events):
    with serve(isolation, events, "ok") as server:
        lines = events.lines()
        assert re.match(r"scope 3\.0 2\.\d$", lines[0]), lines
        assert lines[1:] == ["startup"], lines
        assert server.get("/").answer() == (200, [TEXT], b"hello 0 1\n")
        assert server.get("/").answer() == (200, [TEXT], b"hello 0 2\n")
    assert events.lines()[1:] == [
        "startup", "request", "request", "shutdown", "left"]


def test_every_shard_has_its_own(isolation, events):
    with serve(isolation, events, "ok", workers=3):
        assert events.lines().count("startup") == 3
    assert events.lines().count("shutdown") == 3
    assert events.lines().count("left") == 3


@pytest.mark.asan
def test_shutdown_waits_for_the_requests(isolation, events):
    """A request in flight is finished before lifespan.shutdown."""
    with Server("mux:asgi", "--isolation", isolation,
            env={"EVENTS": events}) as server:
        c = server.connect()
        c.request("GET", "/slow?s=1")
        events.wait("begin")
        assert server.stop() == 0
        got = c.recv_response()
        assert (got.status, got.body) == (200, b"slow\n")
    assert events.lines() == ["begin", "end"]


@pytest.mark.asan
def test_tasks_of_the_start_last_until_shutdown(isolation, events):
    """What an application has begun is its own to end."""
    with serve(isolation, events, "works") as server:
        assert server.get("/").answer() == (200, [TEXT], b"hello 0 1\n")
    assert events.lines()[1:] == [
        "startup", "request", "shutdown", "last job", "left"]


def test_a_start_that_says_it_failed(isolation, events):
    done = run("--isolation", isolation, "--port", "0", "--workers", "2",
        "--interface", "asgi", "lifespans:asgi",
        env={"EVENTS": events, "LIFESPAN": "fails"})
    assert done.code == 3, done.stderr
    assert "no database today" in done.stderr, done.stderr
    assert "listening at" not in done.stderr, done.stderr
    assert "Traceback" not in done.stderr, done.stderr


@pytest.mark.asan
def test_a_start_that_fails_in_one_shard_only(isolation, events):
    """The others do not wait for it, and end as they should."""
    done = run("--isolation", isolation, "--port", "0", "--workers", "3",
        "--interface", "asgi", "lifespans:asgi",
        env={"EVENTS": events, "LIFESPAN": "second"})
    assert done.code == 3, done.stderr
    assert done.stderr.count("no database today") == 1, done.stderr
    assert "listening at" not in done.stderr, done.stderr
    if isolation == "interp":
        assert events.lines().count("startup") == 1, events.lines()
        assert events.lines().count("left") == 1, events.lines()


@pytest.mark.parametrize("how", ["raises", "none", "exits"])
def test_a_start_that_raises_where_lifespan_is_demanded(
        isolation, events, how):
    done = run("--isolation", isolation, "--port", "0", "--workers", "1",
        "--interface", "asgi", "--lifespan", "on", "lifespans:asgi",
        env={"EVENTS": events, "LIFESPAN": how})
    assert done.code == 3, done.stderr
    assert done.stderr.count("Traceback (most") == 1, done.stderr


def test_a_start_that_exits_is_no_lack_of_lifespan(isolation, events):
    """An exception is, by the specification; sys.exit() is meant."""
    done = run("--isolation", isolation, "--port", "0", "--workers", "2",
        "--interface", "asgi", "lifespans:asgi",
        env={"EVENTS": events, "LIFESPAN": "exits"})
    assert done.code == 3, done.stderr
    assert done.stderr.count("SystemExit: 5") == 1, done.stderr
    assert "exits in its lifespan start-up" in done.stderr, done.stderr
    with serve(isolation, events, "raises") as server:
        assert server.logged(r"does not support lifespan.*start.*wrong")
        assert server.get("/").status == 200


def test_an_application_without_lifespan_is_served(isolation, events):
    with serve(isolation, events, "none") as server:
        assert server.get("/").status == 200
    assert events.lines() == ["request"]


def test_lifespan_switched_off(isolation, events):
    with serve(isolation, events, "ok", "--lifespan", "off") as server:
        assert server.get("/").body == b"no state\n"
    assert events.lines() == ["request"]


def test_asginl_is_asgi_without_lifespan(isolation, events):
    with serve(isolation, events, "ok", "--interface", "asginl") as server:
        assert server.get("/").body == b"no state\n"
    assert events.lines() == ["request"]


def test_ready_comes_after_a_slow_start(isolation, events):
    with serve(isolation, events, "slow") as server:
        assert events.lines().count("startup") == 1
        assert server.get("/").status == 200


def test_a_start_that_waits_is_told(isolation, events):
    with serve(isolation, events, "held", "--stall-report",
            0.3 * SLOW, ready=False) as server:
        server.wait_log(r"\[WARNING\] shard 0 .* is not ready after "
            r"\d+\.\d s: it waits for the application's start-up")
        pathlib.Path(str(events) + ".go").write_text("")
        server.wait_ready()
        assert server.get("/").status == 200
        assert len(server.logged("is not ready after")) == 1, server.log


def test_a_lifespan_that_ends_early_ends_nothing_else(isolation, events):
    with serve(isolation, events, "late") as server:
        server.expect("lifespan ended early")
        server.wait_log("lifespan ended early")
        assert server.get("/").status == 200
    assert "shutdown" not in events.lines()


def test_a_shutdown_that_fails_is_logged(isolation, events):
    with serve(isolation, events, "nostop") as server:
        server.expect("could not say goodbye", times=1)
        assert server.get("/").status == 200
    assert "shutdown" in events.lines()
