"""Python inside a shard: the recipes that own-GIL interpreters need, each as
a regression, and what should still happen when the server ends."""

import json
import os
import re
import sys

import pytest

import shoal
from shoal import APPS, MINOR, Server, at_once, until

NAMES = re.findall(r"^@check\ndef (\w+)",
    (APPS / "recipes.py").read_text(), re.M)
# zoneinfo, ctypes and expat have C halves that refuse before 3.13
REFUSED = {"datetimes", "c_types", "xml_and_hashes"} \
    if MINOR < (3, 13) else set()
TOLD = {"forking", "threads_use_all_cpus", "children_use_all_cpus",
    "cpus_counted"}


@pytest.fixture(scope="module", params=["asgi", "wsgi"])
def server(request, isolation):
    # multiprocessing keeps its resource tracker's pipe
    with Server("recipes:" + request.param, "--isolation", isolation,
            workers=2, slack=4) as server:
        server.where = isolation
        server.interface = request.param
        yield server


@pytest.mark.parametrize("name", [n for n in NAMES if n not in TOLD])
def test_python(server, name):
    if server.where == "interp" and name in REFUSED:
        pytest.skip("a module of the library refuses on 3.12")
    if name == "threads_are_not_daemons" and server.interface == "wsgi":
        pytest.skip("a pool's thread is nobody's parent by name")
    assert server.get("/?check=" + name).body.decode() == "ok"


def test_fork_is_refused_where_it_would_crash(server):
    got = server.get("/?check=forking").body.decode()
    if server.where == "interp":
        assert got.startswith("RuntimeError: fork not supported"), got
    else:
        assert got == "forked 5", got


@pytest.mark.parametrize("who", ["threads", "children"])
def test_all_cpus_are_for_what_the_application_starts(server, who):
    mask = sorted(os.sched_getaffinity(0))
    for _ in range(4):
        got = server.get("/?check=%s_use_all_cpus" % who).body
        assert json.loads(got) == mask, got


@pytest.mark.skipif(MINOR < (3, 13), reason="3.12 counts all CPUs")
def test_pools_count_all_cpus(isolation):
    with Server("recipes:asgi", "--isolation", isolation,
            "--pin", "on") as server:
        got = server.get("/?check=cpus_counted").body
        assert int(got) == len(os.sched_getaffinity(0)), got


@pytest.mark.asan
@pytest.mark.parametrize("name", [
    "datetimes", "decimals", "environment_beside_localtime"])
def test_two_shards_at_once(isolation, name):
    if isolation == "interp" and name in REFUSED:
        pytest.skip("a module of the library refuses on 3.12")
    with Server("recipes:asgi", "--isolation", isolation,
            workers=2) as server:
        def ask(i):
            return [server.get("/?check=" + name).body.decode()
                for _ in range(4)]

        assert at_once(6, ask) == [["ok"] * 4] * 6


@pytest.mark.asan
def test_the_end_is_orderly(isolation, events):
    """Threads joined, atexit run, tasks cancelled, daemons left behind."""
    with Server("outlast:asgi", "--isolation", isolation,
            env={"EVENTS": events}) as server:
        assert server.get("/thread?s=1").body == b"daemon False\n"
        for path in ("/daemon", "/task", "/log"):
            assert server.get(path).body == b"started\n"
        assert server.stop() == 0
    lines = events.lines()
    for line in ("thread done", "task cancelled", "atexit",
            "logged a line", "logged at exit"):
        assert lines.count(line) == 1, lines
    assert lines.index("thread done") < lines.index("atexit"), lines


def test_the_end_is_orderly_for_wsgi(isolation, events):
    with Server("outlast:wsgi", "--isolation", isolation,
            env={"EVENTS": events}) as server:
        assert server.get("/thread?s=1").status == 200
        assert server.get("/daemon").status == 200
        assert server.stop() == 0
    lines = events.lines()
    for line in ("thread done", "atexit", "logged at exit"):
        assert lines.count(line) == 1, lines


def test_every_shard_runs_its_exit_functions(isolation, events):
    with Server("outlast:asgi", "--isolation", isolation, workers=2,
            slack=2, env={"EVENTS": events}) as server:
        assert server.get("/log").status == 200
    assert events.lines().count("atexit") == 2, events.lines()


def test_an_endless_thread_does_not_hold_the_end_for_ever(isolation, events):
    with Server("outlast:asgi", "--isolation", isolation,
            "--graceful-timeout", "1", env={"EVENTS": events},
            check=False) as server:
        assert server.get("/thread?s=600").status == 200
        assert server.stop() in (0, 1)


def test_shards_differ_and_say_so(isolation):
    """interp: one process, an interpreter a shard; process: one each."""
    with Server("whoami:asgi", "--isolation", isolation,
            workers=2) as server:
        seen = {}

        def both():
            who = server.json("/")
            seen[who["interpreter"], who["pid"]] = who
            return len(seen) == 2

        until(both, "both shards answer")
        facts = list(seen.values())
        assert {who["python"] for who in facts} == {
            "%d.%d" % MINOR}
        assert all(not who["daemon"] for who in facts), facts
        pids = sorted({who["pid"] for who in facts})
        assert pids == server.children()
        assert all(who["ppid"] == server.pid for who in facts), facts
        if isolation == "interp":
            assert len(pids) == 1, facts
            assert {w["thread"] for w in facts} == {
                "shoal-0", "shoal-1"}, facts
            assert 0 not in {w["interpreter"] for w in facts}
        else:
            assert len(pids) == 2, facts
            assert {w["interpreter"] for w in facts} == {0}, facts


def test_what_python_is_told(isolation, tmp_path):
    with Server("surroundings:asgi", "--isolation", isolation,
            env={"TEST_GIVEN": "given"}) as server:
        told = server.json("/interpreter")
        assert told["executable"] == os.path.join(
            sys.prefix, "bin", "python") or os.path.samefile(
            told["executable"], sys.executable), told
        assert told["prefix"] == sys.prefix, told
        assert told["base_prefix"] == sys.base_prefix, told
        assert os.path.samefile(told["cwd"], APPS), told
        assert os.path.samefile(told["path"][0] or told["cwd"], APPS)
        assert told["environ"] == {"TEST_GIVEN": "given"}
        assert told["argv"] and all(
            isinstance(word, str) for word in told["argv"]), told
        assert told["utf8"] == "utf-8", told
        assert told["name"] == "surroundings", told
        assert "BaseSelectorEventLoop" in told["loop"], told
    assert shoal.version().count("%d.%d" % MINOR), shoal.version()
