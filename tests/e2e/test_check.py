"""--check: the application is loaded in every isolation, and nothing served."""

import pytest

from shoal import MINOR, run

ABLE = MINOR >= (3, 13)
needs_interp = pytest.mark.skipif(not ABLE,
    reason="much of 3.12 itself refuses an interpreter a shard")


def check(*args, code=0, **more):
    """Run to the end; the lines of standard output, and of the log."""
    done = run("--check", *args, **more)
    assert done.code == code, (done.code, done.stdout, done.stderr)
    assert "listening" not in done.stderr, done.stderr
    return done.stdout.splitlines(), done.stderr


@pytest.mark.asan
@needs_interp
@pytest.mark.parametrize("app, interface", [
    ("plain:asgi", "asgi"), ("plain:wsgi", "wsgi"), ("plain:rsgi", "rsgi")])
def test_what_loads_everywhere(app, interface):
    out, log = check(app)
    assert out[:2] == ["process: loads as " + interface,
        "interp: loads as " + interface], out
    assert len(out) == 3 and out[2].startswith(
        "--isolation auto is interp: "), out
    assert log == "", log


@needs_interp
def test_every_module_that_refuses_is_named():
    out, log = check("early_numpy:asgi")
    assert out[0] == "process: loads as asgi", out
    assert out[1].startswith("interp: refused by "), out
    refused = out[1].partition("refused by ")[2].split(", ")
    # not only the first, at which the import ends
    assert "numpy._core._multiarray_umath" in refused, out
    assert len(refused) > 1 and len(set(refused)) == len(refused), out
    assert out[2].startswith("--isolation auto is process"), out
    assert "Traceback" not in log, log
    # asked for, it would not start
    out, _ = check("--isolation", "interp", "early_numpy:asgi", code=3)
    assert out[1].startswith("interp: refused by "), out
    check("--isolation", "process", "early_numpy:asgi")


@needs_interp
def test_a_refusal_that_the_application_survives():
    out, _ = check("swallowed:asgi")
    assert out[1].startswith("interp: loads as asgi, refused by numpy"), out
    assert out[2].startswith("--isolation auto is process"), out
    check("--isolation", "interp", "swallowed:asgi")


def test_an_application_that_does_not_load():
    out, log = check("broken:asgi", code=3)
    assert out == ["process: does not load"], out
    assert log.count("RuntimeError: the import went wrong") == 1, log
    out, log = check("plain:missing", code=3)
    assert out == ["process: does not load"], out
    assert "module 'plain' has no attribute 'missing'" in log, log
    assert "Traceback" not in log, log
    out, log = check("kit:TEXT", code=3)
    assert "which cannot be called" in log, log


def test_a_process_that_dies_is_said(tmp_path):
    (tmp_path / "fatal.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    out, _ = check("fatal:app", code=3, cwd=tmp_path)
    assert out == ["process: killed by signal 9 (Killed)"], out


@pytest.mark.skipif(ABLE, reason="is 3.12's")
def test_python_312_is_process():
    out, _ = check("plain:asgi")
    assert out[0] == "process: loads as asgi", out
    assert out[-1].startswith("--isolation auto is process: Python 3.12")


def test_options_are_checked_too():
    assert run("--check", "--port", "x", "plain:asgi").code == 2
    assert run("--check-config").code == 2
    done = run("--check", "--working-dir", "/nowhere", "plain:asgi")
    assert done.code == 3 and "/nowhere" in done.stderr, done.stderr


def test_a_thread_of_the_application_does_not_keep_it(tmp_path):
    (tmp_path / "busy.py").write_text(
        "import threading\n"
        "threading.Thread(target=threading.Event().wait).start()\n"
        "def app(environ, start_response): pass\n")
    out, _ = check("busy:app", cwd=tmp_path)
    assert out[0] == "process: loads as wsgi", out


def test_nothing_is_bound():
    with_port = ["--port", "8000", "--bind", "192.0.2.1:1"]
    out, _ = check(*with_port, "plain:asgi")
    assert out[0] == "process: loads as asgi", out
