"""The command line: what it says, what it takes, how APP may be written."""

import os
import pathlib
import pty
import re
import signal
import subprocess

import pytest

from shoal import (APPS, BIN, LIMIT, Connection, Server, copy_of, descriptors,
    environment, run, until, version)

HELLO = b"Hello, world!\n"


def test_version():
    text = version()
    assert re.search(r"(?i)\bshoal \d+\.\d+", text), text
    assert re.search(r"(?i)python\D+3\.1\d\.\d+", text), text
    assert re.search(r"(?i)llhttp\D+9\.4\.3", text), text
    assert re.search(r"zlib 1\.\d+", text), text
    assert re.search(r"(?i)jemalloc|asan|tsan", text), text
    assert "interp" in text and "process" in text, text
    assert run("--version").code == 0
    assert run("-V").stdout == text


def test_help():
    done = run("--help")
    assert (done.code, done.stderr) == (0, "")
    for option in ("--host", "--port", "--bind", "--uds", "--workers",
            "--isolation", "--interface", "--blocking-threads",
            "--graceful-timeout", "--working-dir", "--factory",
            "--venv", "--log-level", "--access-log",
            "--stall-report", "--adopt-after", "--header-timeout",
            "--keep-alive-timeout", "--limit-request-line",
            "--lifespan", "--pid-file", "--turn-budget"):
        assert re.search(option + r"\b", done.stdout), option
    assert "SHOAL_" in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


@pytest.mark.parametrize("args", [
    [], ["--no-such-option", "plain:asgi"], ["--port", "x", "plain:asgi"],
    ["--port", "70000", "plain:asgi"], ["--workers", "-1", "plain:asgi"],
    ["--isolation", "sideways", "plain:asgi"],
    ["--interface", "cgi", "plain:asgi"], ["--port"],
    ["--graceful-timeout", "soon", "plain:asgi"],
    ["plain:asgi", "another:app"],
], ids=lambda args: " ".join(args) or "nothing")
def test_a_wrong_usage_is_2_and_one_line(args):
    done = run(*args)
    assert done.code == 2, done.stderr
    assert done.stdout == ""
    assert 1 <= len(done.log) <= 3, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("app", [
    "plain:asgi", "plain", "plain:holder.inner", "plain:Holder.inner",
    "plain.py:asgi", "plain.py", str(APPS / "plain.py") + ":asgi"])
def test_forms_of_the_application(app):
    with Server(app) as server:
        assert server.get("/").body == HELLO


def test_a_factory():
    with Server("plain:factory", "--factory") as server:
        assert server.get("/").body == HELLO
    with Server("plain:wsgi_factory", "--factory",
            "--interface", "wsgi") as server:
        assert server.get("/").body == HELLO


@pytest.mark.parametrize("call", [
    "make('shop', debug=True)", "make( 'shop',debug = True )",
    "maker.make(name='shop', debug=1)"])
def test_a_factory_with_arguments(call, tmp_path):
    (tmp_path / "made.py").write_text(
        "def make(name, debug=False):\n"
        "\tasync def app(scope, receive, send):\n"
        "\t\tawait send({'type': 'http.response.start', 'status': 200})\n"
        "\t\tawait send({'type': 'http.response.body',\n"
        "\t\t\t'body': ('%s %d' % (name, debug)).encode()})\n"
        "\treturn app\n"
        "class maker:\n"
        "\tmake = staticmethod(make)\n")
    with Server("made:" + call, "--lifespan", "off",
            cwd=tmp_path) as server:
        assert server.get("/").body == b"shop 1"


@pytest.mark.parametrize("call", [
    "make(", "make(open('x'))", "make(**{'a': 1})", "make()()", "make() + 1"])
def test_a_call_of_a_factory_has_plain_values(call):
    done = run("--port", "0", "plain:" + call)
    assert done.code == 3, done.stderr
    assert "is no call with plain values" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr, done.stderr


def test_an_asgi2_application_by_name(tmp_path):
    (tmp_path / "old.py").write_text(
        "def app(*args):\n"
        "\tasync def answer(receive, send):\n"
        "\t\tawait send({'type': 'http.response.start', 'status': 200})\n"
        "\t\tawait send({'type': 'http.response.body', 'body': b'2'})\n"
        "\treturn answer\n")
    with Server("old", "--interface", "asgi2", "--lifespan", "off",
            cwd=tmp_path) as server:
        assert server.get("/").body == b"2"


def test_more_directories_to_import_from(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / (name + "_mod.py")).write_text("")
    (tmp_path / "needs.py").write_text(
        "import one_mod, two_mod\nfrom plain import asgi as app\n")
    with Server("needs", "--pythonpath", "one,%s" % (tmp_path / "two"),
            cwd=copy_of(tmp_path, "plain.py", "kit.py")) as server:
        assert server.get("/").body == HELLO


@pytest.mark.parametrize("option", ["--working-dir", "--app-dir", "--chdir"])
def test_the_working_directory(option, tmp_path):
    with Server("surroundings:asgi", option, APPS,
            cwd=tmp_path) as server:
        told = server.json("/interpreter")
        assert os.path.samefile(told["cwd"], APPS), told


def test_packages_and_modules_below(tmp_path):
    copy_of(tmp_path, "kit.py")
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "outer" / "__init__.py").write_text("")
    (inner / "__init__.py").write_text("")
    (inner / "mod.py").write_text((APPS / "plain.py").read_text())
    with Server("outer.inner.mod:asgi", cwd=tmp_path) as server:
        assert server.get("/").body == HELLO
    with Server("outer/inner/mod.py:asgi", cwd=tmp_path) as server:
        assert server.get("/").body == HELLO


def test_options_from_the_environment(tmp_path):
    with Server("whoami:asgi", workers=0, env={
            "SHOAL_WORKERS": "3", "SHOAL_ISOLATION": "process",
            "SHOAL_PORT": "0"}) as server:
        assert len(server.children()) == 3
    # the command line goes first
    with Server("whoami:asgi", workers=1, env={
            "SHOAL_WORKERS": "3",
            "SHOAL_ISOLATION": "process"}) as server:
        assert len(server.children()) == 1


def test_a_unix_socket_in_no_directory(tmp_path):
    done = run("--uds", tmp_path / "no" / "socket", "plain:asgi")
    assert done.code == 3, done.stderr
    assert "its directory does not exist" in done.stderr, done.stderr


@pytest.mark.asan
def test_variables_from_files(isolation, tmp_path):
    (tmp_path / "one.env").write_text(
        "SHOAL_WORKERS=2\nSHOAL_APP=told\nA=1\nB='1'\nGIVEN=1\n")
    (tmp_path / "two.env").write_text("B=2 # later\nC=\"${A} ${GIVEN}\"\n")
    (tmp_path / "told.py").write_text(
        "import os\n"
        "told = ' '.join(os.environ.get(name, '-') for name in\n"
        "\t('A', 'B', 'C', 'GIVEN', 'D')).encode()\n"
        "def application(environ, start_response):\n"
        "\tstart_response('200 OK', [])\n"
        "\treturn [told]\n")
    (tmp_path / "below").mkdir()
    # The files are found from here, and what they say counts for options.
    with Server("told", "--env-file", "one.env", "--env-files", "two.env",
            "-e", "D=last", "--isolation", isolation,
            "--working-dir", tmp_path, workers=0, env={"GIVEN": "outside"}, cwd=tmp_path) as server:
        assert server.logged(r"\(2 shards, "), server.log
        assert server.get("/").body == b"1 2 1 outside outside last"
        # HUP reads them again
        (tmp_path / "two.env").write_text("B=3\nD=3\n")
        server.kill(signal.SIGHUP)
        server.wait_log("the new server processes serve")
        until(lambda: server.get("/").body.startswith(b"1 3 "), "the new")
        # and what is wrong leaves the old ones in their place
        server.expect("--env-file two.env, line 1: there is no =")
        server.expect("the new server processes could not start")
        server.allow("server process [0-9]+ ended with code 3")
        (tmp_path / "two.env").write_text("B\n")
        server.kill(signal.SIGHUP)
        server.wait_log("the old ones go on serving")
        got = server.get("/").body
        assert got.startswith(b"1 3 ") and got.endswith(b" last"), got
        server.rebase()


def test_a_file_of_variables_that_cannot_be_read(tmp_path):
    done = run("--env-file", tmp_path / "none", "plain:asgi")
    assert done.code == 3, done.stderr
    assert done.log == ["shoal: --env-file %s: No such file or directory"
        % (tmp_path / "none")]
    (tmp_path / "bad").write_text("A=1\nB='\n")
    done = run("plain:asgi", env={"SHOAL_ENV_FILE": tmp_path / "bad"})
    assert done.code == 3, done.stderr
    assert "line 2: a single quote is open" in done.stderr, done.stderr


def test_the_configuration_is_printed():
    done = run("--print-config", "-w", "2", env={"SHOAL_PORT": "1",
        "GRANIAN_SSL_CERTIFICATE": "x"})
    assert done.code == 0
    assert done.stderr == ("$GRANIAN_SSL_CERTIFICATE has no effect: there is "
        "no TLS; put a proxy in front that has\n")
    lines = [line.split(None, 2) for line in done.stdout.splitlines()]
    assert ["workers", "2", "command line"] in lines
    assert ["port", "1", "environment"] in lines
    assert ["host", "127.0.0.1", "default"] in lines
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


def test_closed_standard_descriptors(isolation, tmp_path):
    """What is opened does not get their numbers: the log would go to it."""
    (tmp_path / "told.py").write_text(
        "import os\n"
        "def application(environ, start_response):\n"
        "\tprint('to nobody', flush=True)\n"
        "\tstart_response('200 OK', [])\n"
        "\treturn [' '.join(os.readlink('/proc/self/fd/%d' % fd)\n"
        "\t\tfor fd in range(3)).encode()]\n")
    server = Server("told", "--isolation", isolation, "--uds",
        tmp_path / "s", cwd=tmp_path)
    proc = subprocess.Popen(["/bin/sh", "-c",
        'exec "$0" "$@" 0<&- 1>&- 2>&-', *server.args], cwd=tmp_path,
        env=server.env, start_new_session=True)

    def body():
        try:
            with Connection(str(tmp_path / "s"), LIMIT) as c:
                return c.get("/").body
        except (FileNotFoundError, ConnectionRefusedError):
            return None

    try:
        assert until(body, "a start") == b"/dev/null /dev/null /dev/null"
        assert descriptors(proc.pid).count("/dev/null") >= 3
        proc.terminate()
        assert proc.wait(LIMIT) == 0
    finally:
        proc.kill()
        proc.wait()


@pytest.mark.parametrize("umask, mode", [("0", 0o777), ("027", 0o750)])
def test_the_umask(umask, mode, tmp_path):
    with Server("plain:asgi", "--umask", umask, "--uds", tmp_path / "s",
            "--pid-file", tmp_path / "pid"):
        assert (tmp_path / "s").stat().st_mode & 0o777 == mode
        assert (tmp_path / "pid").stat().st_mode & 0o777 == mode & 0o644


def test_a_platform_gives_the_port():
    """$PORT without --host: reached from outside, and said."""
    with Server("plain:asgi", env={"PORT": 0}) as server:
        assert server.url.startswith("http://0.0.0.0:"), server.log
        assert server.logged(r"\[WARNING\] \$PORT.*--host"), server.log
        assert server.get("/").body == HELLO
    with Server("plain:asgi", "--host", "127.0.0.1",
            env={"PORT": 0}) as server:
        assert server.url.startswith("http://127.0.0.1:"), server.log
        assert not server.logged(r"\$PORT"), server.log


def banner_on_a_terminal(env):
    """What a terminal gets up to the line that says where it listens."""
    master, slave = pty.openpty()
    proc = subprocess.Popen([BIN, "--port", "0", "--workers", "1",
        "--interface", "asgi", "plain:asgi"], cwd=APPS, stderr=slave,
        env=environment({"TERM": "xterm", **env}), start_new_session=True)
    os.close(slave)
    text = b""
    try:
        while not re.search(rb"listening at [^\n]*\n", text):
            text += os.read(master, 4096)
    finally:
        proc.terminate()
        assert proc.wait(LIMIT) == 0
        os.close(master)
    return text.decode()


def test_the_banner_has_colour_on_a_terminal():
    text = banner_on_a_terminal({"NO_COLOR": None})
    assert re.search(r"\x1b\[32m\[INFO\]\x1b\[0m \x1b\[1mShoal \S+ "
        r"listening at http://127\.0\.0\.1:\d+ \(.*\)\x1b\[0m\r\n", text), text
    assert "\x1b" not in banner_on_a_terminal({"NO_COLOR": "1"})
    with Server("plain:asgi") as server:
        assert "\x1b" not in "".join(server.log), server.log


def names_of(pid):
    """What ps shows of a process, and the names of its threads."""
    at = pathlib.Path("/proc/%d" % pid)
    threads = sorted(path.read_text().strip()
        for path in at.glob("task/*/comm"))
    return (at / "cmdline").read_bytes().rstrip(b"\0").decode(), threads


def test_names_of_processes_and_threads():
    with Server("plain:asgi", "--process-name", "web-shop", "--isolation",
            "interp", workers=2) as server:
        assert names_of(server.pid) == ("web-shop", ["web-shop"])
        title, threads = names_of(server.child())
        assert title == "web-shop shards 0-1", title
        assert {"web-shop-0", "web-shop-1", "web-sho-control"} <= \
            set(threads), threads
        assert server.get("/").body == HELLO
    with Server("plain:wsgi", "-n", "web-shop", "--isolation", "process",
            "--blocking-threads", "2", workers=2) as server:
        titles = [names_of(pid)[0] for pid in server.children()]
        assert sorted(titles) == ["web-shop shard 0", "web-shop shard 1"]
        assert server.get("/").body == HELLO
    with Server("plain:wsgi", "--isolation", "interp") as server:
        title, threads = names_of(server.pid)
        assert title == "\0".join(server.args) and threads == ["shoal"]
        title, threads = names_of(server.child())
        assert title == "\0".join(server.args), title
        assert "shoal-0" in threads, threads


def test_the_application_sees_its_own_arguments(tmp_path):
    """The title takes the command line's place, and Python has a copy."""
    (tmp_path / "told.py").write_text(
        "import sys\n"
        "def application(environ, start_response):\n"
        "\tstart_response('200 OK', [])\n"
        "\treturn ['|'.join(sys.argv[1:]).encode()]\n")
    with Server("told", "--process-name", "a-name-that-is-long-" * 9,
            cwd=tmp_path) as server:
        assert names_of(server.pid)[0].startswith("a-name-that-is-long-a")
        assert server.get("/").body == b""
    server = Server("told", "--process-name", "shop", cwd=tmp_path)
    server.args += ["--", "one", "two words"]
    with server:
        assert names_of(server.pid)[0] == "shop"
        assert server.get("/").body == b"one|two words"


def test_options_of_other_servers_are_taken():
    with Server("plain:wsgi", "--threads", "4", "--timeout", "30",
            "--loop", "uvloop", "--backlog", "100") as server:
        assert server.get("/").body == HELLO
        assert server.logged(r"\[WARNING\].*loop"), server.log


def test_as_many_shards_as_cpus():
    with Server("whoami:asgi", "--workers", "auto", "--isolation",
            "process") as server:
        assert len(server.children()) <= len(os.sched_getaffinity(0))
        assert len(server.children()) >= 1


def test_one_cpu_in_the_mask_is_one_shard():
    cpu = min(os.sched_getaffinity(0))
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        with Server("whoami:asgi", "--workers", "auto", "--isolation",
                "process") as server:
            assert len(server.children()) == 1
    finally:
        os.sched_setaffinity(0, before)


def test_the_access_log():
    with Server("mux:asgi", "--access-log") as server:
        with server.connect() as c:
            c.get("/plain?secret=1")
            c.get('/missing"\\')
            c.send("GET / HTTP/1.1\r\n\r\n")
            c.recv_response()
        server.wait_log(r'\[ACCESS\] .*127\.0\.0\.1.* '
            r'"GET /plain HTTP/1\.1" 200 14 ')
        server.wait_log(r'\[ACCESS\] .*\\x22\\x5c HTTP/1\.1" 404 8 ')
        assert not server.logged("secret"), server.log
    with Server("mux:asgi") as server:
        assert server.get("/plain").status == 200
        assert not server.logged("ACCESS"), server.log


def test_the_log_level():
    with Server("plain:asgi", "--log-level", "debug") as server:
        assert server.get("/").status == 200
    done = run("--log-level", "error", "--port", "0", "broken:asgi")
    assert done.code == 3
    assert "the import went wrong" in done.stderr
    assert "[INFO]" not in done.stderr, done.stderr


def test_response_headers_are_options():
    with Server("plain:asgi", "--server-header", "off") as server:
        assert not server.get("/").all("server")
    with Server("plain:asgi") as server:
        assert server.get("/").all("server") in ([], ["shoal"])


def test_output_of_the_application(tmp_path):
    (tmp_path / "talking.py").write_text(
        "import sys\n"
        "print('to stdout', flush=True)\n"
        "print('to stderr', file=sys.stderr)\n"
        "def application(environ, start_response):\n"
        "\tprint('more', file=environ['wsgi.errors'], flush=True)\n"
        "\tprint('buffered')\n"
        "\tstart_response('200 OK', [])\n"
        "\treturn [b'']\n")
    with Server("talking", cwd=tmp_path) as server:
        assert server.get("/").status == 200
        server.wait_log("^to stderr$")
        server.wait_log("^more$")
        assert server.stop() == 0
        assert server.out == ["to stdout", "buffered"], server.out
