"""Where Python lives: chosen, moved when a module refuses, and said."""

import os
import sys

import pytest

from shoal import MINOR, Server, run, until

ABLE = MINOR >= (3, 13)
needs_interp = pytest.mark.skipif(not ABLE,
    reason="auto is process before 3.13")


def places(server):
    """(pid, interpreter) of each shard that answers."""
    seen = set()
    for _ in range(40):
        who = server.json("/")
        seen.add((who["pid"], who["interpreter"]))
    return seen


def test_auto_is_interp_where_it_can_be():
    with Server("whoami:asgi", "--isolation", "auto", workers=2) as server:
        found = until(lambda: len(got := places(server)) == 2 and got,
            "two shards")
        pids = {pid for pid, _ in found}
        assert len(pids) == (1 if ABLE else 2), found
        assert pids == set(server.children())
        word = "interp" if ABLE else "process"
        assert server.logged("isolation %s" % word), server.log


def test_auto_is_the_default():
    with Server("whoami:asgi") as server:
        assert (server.json("/")["interpreter"] == 0) == (not ABLE)


def test_prometheus_multiprocess_wants_processes(tmp_path):
    with Server("whoami:asgi", workers=2,
            env={"PROMETHEUS_MULTIPROC_DIR": tmp_path}) as server:
        assert len(server.children()) == 2
        why = "PROMETHEUS_MULTIPROC_DIR" if ABLE else "Python 3.12 refuses"
        assert server.logged("isolation process: .*" + why), server.log


def test_tracing_memory_wants_processes():
    env = {"PYTHONTRACEMALLOC": "2"}
    with Server("whoami:asgi", workers=2, env=env) as server:
        assert len(server.children()) == 2
        why = "PYTHONTRACEMALLOC" if ABLE else "Python 3.12 refuses"
        assert server.logged("isolation process: .*" + why), server.log
        assert server.get("/").status == 200
    with Server("whoami:asgi", "--isolation", "interp", workers=2,
            env=env) as server:
        assert server.get("/").status == 200
        assert server.logged("PYTHONTRACEMALLOC has no effect"), server.log
    with Server("whoami:asgi", env={"PYTHONTRACEMALLOC": "0"}) as server:
        assert not server.logged("PYTHONTRACEMALLOC"), server.log


@needs_interp
def test_a_refusal_before_ready_moves_to_processes():
    with Server("early_numpy:asgi", workers=2) as server:
        assert server.get("/").body == b"45\n"
        assert len(server.children()) == 2
        assert len(server.logged("numpy.*subinterpreter|numpy.*interpreter"
            )) >= 1, server.log
        assert len(server.logged("listening at")) == 1


@pytest.mark.asan
@needs_interp
def test_a_late_refusal_costs_one_request_at_most():
    # numpy imports ctypes, and libffi may keep its own file open
    with Server("late_numpy:asgi", workers=2, slack=2) as server:
        assert server.get("/").body == b"no numpy\n"
        assert len(server.children()) == 1
        old = server.child()
        server.expect("numpy")
        first = server.get("/sum")
        assert first.status in (200, 500), first
        server.wait_log("numpy")
        until(lambda: old not in server.children()
            and len(server.children()) == 2, "processes")
        server.rebase()
        for _ in range(10):
            got = server.get("/sum")
            assert (got.status, got.body) == (200, b"45\n"), got
        warned = [r for r in server.logged("changing to a process")]
        assert len(warned) == 1, server.log
        if first.status == 200:
            server.expected.clear()


WISHES = ["faulthandler", "tracemalloc", "fork", "preexec"]
WANTED = {"fork": r"os\.fork\(\)", "preexec": "preexec_fn"}


@needs_interp
@pytest.mark.parametrize("wish", WISHES)
def test_what_python_itself_refuses_moves_to_processes(wish):
    """Its library has such, too, and an application may want it."""
    with Server("wanting:asgi", workers=2, env={"WANTING": wish}) as server:
        assert server.get("/").body == b"here it is\n"
        assert len(server.children()) == 2
        assert server.logged(WANTED.get(wish, wish) + ": does not support")
        assert server.get("/" + wish).status == 200


@needs_interp
@pytest.mark.parametrize("wish", WISHES)
def test_what_python_itself_refuses_late_costs_one_request(wish):
    with Server("wanting:asgi", workers=2) as server:
        server.expect("RuntimeError|ImportError", times=1)
        server.allow("Exception in the ASGI application")
        old = server.child()
        assert server.get("/" + wish).status == 500
        server.wait_log("%s: needed while serving" % WANTED.get(wish, wish))
        until(lambda: old not in server.children()
            and len(server.children()) == 2, "processes")
        server.rebase()
        for _ in range(4):
            assert server.get("/" + wish).body == b"here it is\n"


@needs_interp
@pytest.mark.parametrize("how", ["at its import", "in a request"])
def test_what_only_the_library_tries_is_no_refusal(how):
    wish = {"WANTING": "nothing"} if how == "at its import" else {}
    with Server("wanting:asgi", workers=2, env=wish) as server:
        old = server.child()
        assert server.get("/nothing").body == b"here it is\n"
        assert server.get("/").status == 200
        assert server.children() == [old]
        assert not server.logged("does not support|not possible"), server.log


@needs_interp
@pytest.mark.parametrize("wish", WISHES + ["readline"])
def test_interp_says_what_python_refuses(wish, tmp_path):
    from shoal import copy_of
    copy_of(tmp_path, "wanting.py", "kit.py")
    (tmp_path / "lines.py").write_text("import readline\n")
    app = "lines" if wish == "readline" else "wanting:asgi"
    done = run("--isolation", "interp", "--port", "0", "--workers", "2",
        app, env={"WANTING": wish}, cwd=tmp_path)
    assert done.code == 3, done.stderr
    assert "%s: not possible in an interpreter of its own; use --isolation " \
        "process" % WANTED.get(wish, wish).replace("\\", "") in done.stderr
    assert done.stderr.count("Traceback (most recent") == 1, done.stderr
    assert "boot.py" not in done.stderr, done.stderr


@needs_interp
def test_a_late_refusal_stays_where_interp_was_asked_for():
    with Server("late_numpy:asgi", "--isolation", "interp") as server:
        server.expect("numpy")
        old = server.child()
        for _ in range(3):
            assert server.get("/sum").status == 500
            assert server.get("/").body == b"no numpy\n"
        assert server.child() == old


@needs_interp
def test_a_refusal_that_the_application_swallows():
    """It is recorded all the same: auto gives it what it asked for."""
    with Server("swallowed:asgi") as server:
        assert server.get("/").body == b"with\n"
        assert server.logged("numpy"), server.log
    with Server("swallowed:asgi", "--isolation", "interp") as server:
        assert server.get("/").body == b"without\n"


@needs_interp
def test_interp_says_who_refuses():
    done = run("--isolation", "interp", "--port", "0", "--workers", "2",
        "early_numpy:asgi")
    assert done.code == 3, done.stderr
    assert "numpy" in done.stderr and "--isolation process" in done.stderr
    assert done.stderr.count("listening at") == 0


# Virtual environments

def test_another_minor_is_refused(tmp_path):
    other = "3.%d" % (MINOR[1] + 1)
    (tmp_path / "bin").mkdir()
    os.symlink(sys.executable, tmp_path / "bin" / "python")
    (tmp_path / "pyvenv.cfg").write_text(
        "home = %s\nversion = %s.1\n" % (
            os.path.dirname(os.path.realpath(sys.executable)), other))
    for env, options in (({"VIRTUAL_ENV": tmp_path}, ()),
            ({"VIRTUAL_ENV": None}, ("--venv", tmp_path))):
        done = run(*options, "--port", "0", "plain:asgi", env=env)
        assert done.code == 3, done.stderr
        assert other in done.stderr, done.stderr
        assert "%d.%d" % MINOR in done.stderr, done.stderr
        assert "Traceback" not in done.stderr, done.stderr


def test_a_virtual_environment_that_is_none(tmp_path):
    done = run("--venv", tmp_path, "--port", "0", "plain:asgi")
    assert done.code == 3, done.stderr
    assert str(tmp_path) in done.stderr, done.stderr
    assert "python%d.%d -m venv" % MINOR in done.stderr, done.stderr
    # a relative one is seen from --working-dir, and the message says so
    done = run("--venv", "env", "--working-dir", tmp_path, "plain:asgi")
    assert "%s/env (from --venv)" % tmp_path in done.stderr, done.stderr


def test_the_option_goes_before_the_environment(tmp_path):
    with Server("surroundings:asgi", "--venv", sys.prefix,
            env={"VIRTUAL_ENV": tmp_path}) as server:
        assert server.json("/interpreter")["prefix"] == sys.prefix


def test_a_venv_in_the_working_directory(tmp_path):
    from shoal import copy_of
    copy_of(tmp_path, "surroundings.py", "kit.py")
    os.symlink(sys.prefix, tmp_path / ".venv")
    with Server("surroundings:asgi", cwd=tmp_path,
            env={"VIRTUAL_ENV": None}) as server:
        told = server.json("/interpreter")
        assert told["prefix"] == str(tmp_path / ".venv"), told
        assert told["executable"] == str(
            tmp_path / ".venv" / "bin" / "python"), told


def test_without_a_virtual_environment(isolation, tmp_path):
    """Python itself is there to be started, not this server again."""
    from shoal import copy_of
    copy_of(tmp_path, "recipes.py", "surroundings.py", "kit.py",
        "spawned.py")
    env = {"VIRTUAL_ENV": None}
    with Server("surroundings:asgi", "--isolation", isolation,
            cwd=tmp_path, env=env) as server:
        told = server.json("/interpreter")
        assert told["prefix"] == sys.base_prefix, told
        assert told["executable"] == os.path.join(sys.base_exec_prefix,
            "bin", "python%d.%d" % MINOR), told
    with Server("recipes:asgi", "--isolation", isolation, slack=4,
            cwd=tmp_path, env=env) as server:
        for name in ("subprocesses", "multiprocessing_spawn"):
            assert server.get("/?check=" + name).body == b"ok", name
