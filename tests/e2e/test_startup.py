"""A start that fails: exit 3, the traceback once, and what to do."""

import re
import sys

import pytest

from shoal import Server, copy_of, run

FIRST = ("--port", "0", "--workers", "2", "--interface", "asgi")


def failed(*args, **more):
    """Run to the end and give the log, without its info lines."""
    done = run(*FIRST, *args, **more)
    assert done.code == 3, (done.code, done.stderr)
    assert "listening at" not in done.stderr, done.stderr
    assert done.stdout == "", done.stdout
    return done.stderr


def test_an_import_that_raises(isolation):
    text = failed("--isolation", isolation, "broken:asgi")
    assert text.count("Traceback (most recent call last)") == 1, text
    assert text.count("RuntimeError: the import went wrong") == 1, text
    # the application's frames, and none of the server's
    assert "in inner" in text and "broken.py" in text, text
    assert "boot.py" not in text and "importlib" not in text, text
    assert len(re.findall("could not (be )?start", text)) >= 1, text


@pytest.mark.asan
def test_an_import_that_raises_and_leaves_a_thread(isolation, tmp_path):
    """Python would wait for the thread for ever."""
    (tmp_path / "threaded.py").write_text(
        "import threading\n"
        "threading.Thread(target=threading.Event().wait).start()\n"
        "raise RuntimeError('the import went wrong')\n")
    text = failed("--isolation", isolation, "--graceful-timeout", "1",
        "threaded:asgi", cwd=tmp_path)
    assert text.count("RuntimeError: the import went wrong") == 1, text
    assert "did not leave in time: killed" in text, text


def test_an_import_that_takes_long_is_told(isolation, tmp_path):
    """With its stack, and of the shards of a process only once."""
    copy_of(tmp_path, "plain.py", "kit.py")
    (tmp_path / "tardy.py").write_text(
        "import os, time\n"
        "def wait_for_a_database():\n"
        "\twhile not os.path.exists('go'):\n"
        "\t\ttime.sleep(0.05)\n"
        "wait_for_a_database()\n"
        "from plain import asgi\n")
    with Server("tardy:asgi", "--isolation", isolation, "--stall-report",
            "0.1", workers=2, cwd=tmp_path, ready=False) as server:
        server.wait_log(r"\[WARNING\] shard \d .* is not ready after "
            r"\d+\.\d s: it is importing the application")
        server.wait_log("tardy.py.* in wait_for_a_database")
        (tmp_path / "go").write_text("")
        server.wait_ready()
        assert server.get("/").body == b"Hello, world!\n"
        assert len(server.logged("is not ready after")) == (
            1 if isolation == "interp" else 2), server.log


def test_a_syntax_error(isolation, tmp_path):
    (tmp_path / "garbled.py").write_text('"""Not Python."""\n\ndef (:\n')
    text = failed("--isolation", isolation, "garbled:asgi", cwd=tmp_path)
    assert text.count("SyntaxError") == 1, text
    assert "garbled.py" in text and "line 3" in text, text


def test_an_import_that_exits(isolation):
    text = failed("--isolation", isolation, "loud:asgi")
    assert "this application does not want to start" in text, text


@pytest.mark.parametrize("app, said", [
    ("nowhere:app", "nowhere"),
    ("plain:missing", "missing"),
    ("plain:holder.missing", "missing"),
    ("nowhere.py:app", "nowhere.py"),
    ("kit", "'app'"),
    ("kit:TEXT", "str"),
])
def test_an_application_that_is_not_there(app, said):
    text = failed(app)
    assert said in text, text
    assert "Traceback" not in text, text


@pytest.mark.parametrize("app, advice", [
    ("plian:asgi", "did you mean plain:asgi?"),
    ("plain:asig", "did you mean plain:asgi?"),
    ("plain.py:asig", "did you mean plain.py:asgi?"),
    ("plain.asgi", "did you mean plain:asgi?"),
    ("./plain:asgi", "did you mean ./plain.py:asgi?"),
    ("box.iner.mod:app", "did you mean box.inner.mod:app?"),
    ("box.inner.mood:app", "did you mean box.inner.mod:app?"),
    ("box.inner.mod:make_it", "did you mean box.inner.mod:application?"),
    ("box/inner/mod.py:application", "such as box.inner.mod:NAME"),
    ("box", "say which it is: box:NAME"),
    ("box.inner", "did you mean box.inner.app or box.inner.wsgi?"),
    ("qwertyuiop:app", "check the name, --working-dir and --venv"),
    ("qwertyuiop.py", "check the path and --working-dir"),
    ("kit:qwertyuiop", "say what the application is called in it: kit:NAME"),
    ("plain:factory", "--factory"),
])
def test_what_was_meant_is_said(app, advice, tmp_path):
    copy_of(tmp_path, "plain.py", "kit.py")
    inner = tmp_path / "box" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "box" / "__init__.py").write_text("")
    (inner / "__init__.py").write_text("")
    (inner / "mod.py").write_text(
        "from . import __name__\n\n"
        "def application(environ, start_response):\n\tpass\n")
    for name in ("app.py", "wsgi.py"):
        (inner / name).write_text("")
    done = run("--port", "0", "--workers", "2", app, cwd=tmp_path)
    assert done.code == 3, done.stderr
    assert done.stderr.count(advice) == 1, done.stderr


def test_a_package_that_is_missing(tmp_path):
    """Where it would have to be, with a virtual environment and without."""
    (tmp_path / "needy.py").write_text("import absent_module.inner\n")
    text = failed("needy", cwd=tmp_path)
    assert "needy.py imports; if it is a package: %s/bin/python -m pip " \
        "install absent_module" % sys.prefix in text, text
    text = failed("needy", cwd=tmp_path, env={"VIRTUAL_ENV": None})
    assert "no virtual environment is used" in text and "--venv" in text, text


def test_another_interface_than_it_looks_like():
    with Server("plain:wsgi", "--interface", "asgi") as server:
        server.expect("Exception in the ASGI application")
        server.allow("TypeError: wsgi\\(\\) takes 2")
        assert server.get("/").status == 500
        assert server.logged(r"\[WARNING\].*looks like wsgi"), server.log
    with Server("plain:asgi", "--interface", "asginl") as server:
        assert not server.logged("looks like"), server.log


def test_a_module_missing_inside_the_application(tmp_path):
    (tmp_path / "needy.py").write_text("import absent_module\napp = None\n")
    for app in ("needy:app", "needy.py:app"):
        text = failed(app, cwd=tmp_path)
        assert text.count("Traceback (most recent call last)") == 1, text
        assert "No module named 'absent_module'" in text, text
        assert len(re.findall(r"\[shard \d\]   File ", text)) == 1, text


def test_no_such_directory(tmp_path):
    done = run("--working-dir", tmp_path / "no", "plain:asgi")
    assert done.code in (2, 3), done.stderr
    assert str(tmp_path / "no") in done.stderr, done.stderr


def test_a_factory_that_raises(tmp_path):
    (tmp_path / "made.py").write_text(
        "def make():\n\traise LookupError('nothing to make')\n")
    text = failed("--factory", "made:make", cwd=tmp_path)
    assert text.count("LookupError: nothing to make") == 1, text
