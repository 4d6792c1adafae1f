"""The logs: what is in a line, where lines go, and that nobody waits for
them."""

import os
import re
import resource
import signal
import subprocess

import pytest

from shoal import APPS, Server, until

# What a client may put into a request without its being refused.
WILD = bytes(set(range(0x21, 0x100)) - {0x7f})


def access_lines(path):
    return [line for line in path.read_text(errors="replace").splitlines()
        if "[ACCESS]" in line]


def lost(path):
    return sum(map(int, re.findall(r"(\d+) log lines were lost here",
        path.read_text())))


def get_many(server, count):
    with server.connect() as conn:
        for _ in range(count):
            assert conn.get("/plain/").body == b"Hello, world!\n"


# A line

@pytest.mark.asan
def test_one_request_is_one_line_and_has_no_secrets(tmp_path):
    log = tmp_path / "access"
    with Server("mux:asgi", "--access-log-file", log) as server:
        with server.connect() as conn:
            conn.send(b"GET /plain/a%0d%0a\"'\\`$(){}|?password=secret "
                b"HTTP/1.1\r\nHost: x\r\nAuthorization: Basic secret\r\n"
                b"Cookie: session=secret\r\nReferer: http://a/?secret\r\n"
                b"User-Agent: " + WILD + b"\r\n\r\n")
            assert conn.recv_response().status == 200
            # Refused, and not parsed as far as that.
            conn.send(b"GET /\x1b[31m\x07 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert conn.recv_response().status == 400
        until(lambda: len(access_lines(log)) == 2, "two lines")
        text = log.read_bytes()
        assert text.isascii() and text.count(b"\n") == 2, text
        assert not re.search(rb"[\0-\x09\x0b-\x1f\x7f]", text), text
        for secret in b"secret", b"Basic", b"session":
            assert secret not in text, text
        assert not server.logged("secret|Basic|session")


# Where lines go

def running(server, path):
    """Ready, by what is in the log's file instead of on standard error."""
    found = until(lambda: path.exists() and re.search(
        r"listening at unix:(\S+)", path.read_text()), "it listens")
    server.url, server.port = "unix:" + found[1], None
    server.rebase()


@pytest.mark.asan
def test_log_files_are_reopened_by_usr1(isolation, tmp_path):
    log, access = tmp_path / "log", tmp_path / "access"
    rotated = [tmp_path / "log.1", tmp_path / "access.1"]
    with Server("mux:asgi", "--log-file", "log", "--access-log-file",
            "access", "--working-dir", tmp_path, "--isolation", isolation,
            "--uds", tmp_path / "socket", workers=2, ready=False,
            cwd="/", env={"PYTHONPATH": APPS}) as server:
        running(server, log)
        get_many(server, 20)
        until(lambda: len(access_lines(access)) == 20, "lines in the old")
        log.rename(rotated[0])
        access.rename(rotated[1])
        get_many(server, 20)
        until(lambda: len(access_lines(rotated[1])) == 40, "still the old")
        server.kill(signal.SIGUSR1)
        until(lambda: log.exists() and "reopened" in log.read_text(),
            "the keeper has reopened")
        # Each process does it for itself, a moment later.
        until(lambda: get_many(server, 1) or access_lines(access),
            "a line in the new one")
        with server.connect() as one, server.connect() as two:
            until(lambda: one.get("/plain/") and two.get("/plain/") and
                len(access_lines(access)) > 5, "more of them")
        # A process that starts later has the new ones, too.
        server.kill(signal.SIGHUP)
        until(lambda: "the new server processes serve" in log.read_text(),
            "others")
        before = len(access_lines(rotated[1]))
        count = len(access_lines(access))
        # Each on its own: the old processes answer once more, and close.
        for _ in range(20):
            get_many(server, 1)
        until(lambda: len(access_lines(access)) == count + 20, "new lines")
        assert len(access_lines(rotated[1])) == before
        server.rebase()
    assert "Shoal has stopped" in log.read_text()
    assert not server.log and not server.out, (server.log, server.out)


def test_a_log_file_that_cannot_be_reopened_is_kept(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    log = folder / "access"
    with Server("mux:asgi", "--access-log-file", log) as server:
        server.expect("logs/access cannot be reopened: No such file", 2)
        get_many(server, 1)
        folder.rename(tmp_path / "gone")
        server.kill(signal.SIGUSR1)
        server.wait_log("log files reopened")
        until(lambda: len(server.logged("cannot be reopened")) == 2, "both")
        get_many(server, 1)
        until(lambda: len(access_lines(tmp_path / "gone/access")) == 2,
            "the old one still takes lines")


def test_without_a_log_file_usr1_does_nothing():
    with Server("mux:asgi") as server:
        server.kill(signal.SIGUSR1)
        server.wait_log("SIGUSR1: no log file to reopen")
        get_many(server, 1)


def test_the_access_log_may_go_to_standard_output():
    with Server("mux:asgi", "--access-logfile", "-") as server:
        get_many(server, 3)
        until(lambda: len(server.out) == 3, "three lines")
        assert all("[ACCESS]" in line for line in server.out), server.out
        assert not server.logged("ACCESS")


@pytest.mark.parametrize("option", ["--log-file", "--access-log-file"])
def test_a_log_file_that_cannot_be_opened_is_an_error(option, tmp_path):
    with Server("mux:asgi", option, tmp_path / "no" / "log",
            ready=False, check=False) as server:
        assert server.wait() == 3
        assert server.logged("%s: No such file or directory" % option)


# Nobody waits

@pytest.mark.asan
def test_a_reader_that_stops_stops_no_request(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    # More than a pipe and the log's own buffer keep.
    count, kept = 2500, b""
    with Server("mux:asgi", "--access-log-file", path) as server:
        get_many(server, count)
        while kept.count(b"\n") < 500:
            kept += os.read(reader, 1 << 16)
        # There is room again: the next line is preceded by their number.
        get_many(server, 100)
    while got := os.read(reader, 1 << 16):
        kept += got
    os.close(reader)
    lines = kept.decode().splitlines()
    told = [int(n) for n in re.findall(r"(\d+) log lines were lost here",
        kept.decode())]
    written = sum("[ACCESS]" in line for line in lines)
    assert sum(told) > 100 and written + sum(told) == count + 100, (
        written, told)
    assert len(lines) == written + len(told)


def full_disk(tmp_path):
    """A file system of 64 KiB; what makes room on it, what ends it."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none",
        folder], capture_output=True)
    if done.returncode:
        pytest.skip("no file system may be mounted here")
    return folder


def test_a_full_disk_stops_no_request(tmp_path):
    folder = full_disk(tmp_path)
    log, ballast = folder / "access", folder / "ballast"
    try:
        ballast.write_bytes(bytes(40 << 10))
        with Server("mux:asgi", "--access-log-file", log) as server:
            get_many(server, 1000)
            first = len(access_lines(log))
            assert 0 < first < 900
            ballast.unlink()
            get_many(server, 50)
            until(lambda: lost(log) > 0, "the lost ones are told")
        assert len(access_lines(log)) + lost(log) == 1050
        # A line that was cut by the end of the disk is not the next one's.
        for line in log.read_text().splitlines():
            assert line.count("[ACCESS]") < 2, line
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.asan
def test_a_file_at_its_largest_stops_no_request(isolation, tmp_path):
    """As a full disk; without care it is a signal that kills."""
    log = tmp_path / "access"
    with Server("mux:asgi", "--access-log-file", log, "--isolation",
            isolation) as server:
        child = server.child()
        for pid in server.pid, child:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (20000,
                resource.RLIM_INFINITY))
        get_many(server, 1000)
        assert log.stat().st_size == 20000
        for pid in server.pid, child:
            resource.prlimit(pid, resource.RLIMIT_FSIZE,
                (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        get_many(server, 50)
        until(lambda: lost(log) > 0, "the lost ones are told")
        assert server.child() == child
    assert len(access_lines(log)) + lost(log) in (1050, 1051)
