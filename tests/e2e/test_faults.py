"""System calls that are interrupted, that would block and that do less than
they were asked for, at random (tests/shim/faults.c): nobody notices."""

import os
import pathlib
import random
import signal
import struct

import pytest

from shoal import BIN, Server, until

SHIM = pathlib.Path(__file__).parents[2] / "build" / "faults.so"
# A sanitizer's runtime has to be the first that is loaded.
PRELOADS = not any(name in BIN for name in ("asan", "tsan"))
# One system call of three is not what one would like it to be.
ONE_OF = 3


@pytest.fixture(params=[1, 2, 3])
def faults(request, tmp_path):
    """The environment of a server, and the file that counts faults."""
    assert SHIM.exists(), "run make build/faults.so"
    counts = tmp_path / "counts"
    counts.write_bytes(bytes(4096))
    return counts, {"LD_PRELOAD": SHIM, "FAULTS": "%d:%d" % (
        request.param, ONE_OF), "FAULTS_COUNT": counts}


def counted(path):
    """How often: EINTR, EAGAIN, less than asked for."""
    return struct.unpack("4I", path.read_bytes()[:16])[1:]


def exchange(conn, size):
    """Bodies both ways, with a length and without, whole and in parts."""
    body = random.Random(size).randbytes(size)
    assert conn.get("/plain/").body == b"Hello, world!\n"
    assert conn.post("/echo/", body).body == body
    conn.send("POST /echo/?live HTTP/1.1\r\nHost: x\r\n"
        "Transfer-Encoding: chunked\r\n\r\n")
    for at in range(0, size, 7000):
        part = body[at:at + 7000]
        conn.send(b"%x\r\n%s\r\n" % (len(part), part))
    conn.send("0\r\n\r\n")
    assert conn.recv_response().body == body
    answer = conn.get("/big/?size=%d" % size)
    assert len(answer.body) == size
    answer = conn.get("/parts/?n=20&size=%d" % (size // 20))
    assert answer.body.count(b"part ") == 20


def pipeline(conn, count):
    conn.send("GET /plain/ HTTP/1.1\r\nHost: x\r\n\r\n" * count)
    for _ in range(count):
        assert conn.recv_response().body == b"Hello, world!\n"


@pytest.mark.skipif(not PRELOADS, reason="a sanitizer comes first")
@pytest.mark.parametrize("kind", ["asgi", "wsgi", "rsgi"])
def test_faults_of_system_calls_change_no_byte(kind, faults, tmp_path):
    counts, env = faults
    pid_file = tmp_path / "pid"
    with Server("mux:" + kind, "--access-log", "--pid-file", pid_file,
            env=env) as server:
        assert pid_file.read_text() == "%d\n" % server.pid
        conns = [server.connect() for _ in range(4)]
        for size in (10, 1000, 30000, 300000):
            for conn in conns:
                exchange(conn, size)
        for conn in conns:
            pipeline(conn, 50)
        # Those who leave in mid-answer hurt nobody.
        for conn in conns[:2]:
            conn.request("GET", "/big/?size=3000000")
            conn.recv_head()
            conn.reset()
        pipeline(conns[2], 50)
        before = counted(counts)
    assert min(before) > 20, before


# Applications that send files, and what they put behind them.
FILES = {"asgi_ways:asgi": [("/path?path=%s", b""), ("/zero?path=%s", b"|")],
    "rsgi_ways:rsgi": [("/file?path=%s", b"")],
    "wsgi_ways:wsgi": [("/file?kind=plain&path=%s", b"")]}


@pytest.mark.skipif(not PRELOADS, reason="a sanitizer comes first")
@pytest.mark.parametrize("app", FILES)
def test_faults_of_system_calls_change_no_byte_of_a_file(app, faults,
        tmp_path):
    counts, env = faults
    path = tmp_path / "data"
    with Server(app, env=env) as server:
        conns = [server.connect(rcvbuf=rcvbuf) for rcvbuf in (4096, None)]
        for size in (1, 8192, 8193, 200_000, 3_000_000):
            data = random.Random(size).randbytes(size)
            path.write_bytes(data)
            for conn in conns:
                for url, behind in FILES[app]:
                    assert conn.get(url % path).body == data + behind
        before = counted(counts)
    assert min(before) > 5, before


@pytest.mark.skipif(not PRELOADS, reason="a sanitizer comes first")
def test_faults_of_system_calls_lose_no_shard_and_no_signal(faults,
        tmp_path):
    """Several processes: ready, killed, restarted, reloaded, stopped."""
    counts, env = faults
    with Server("plain:asgi", "--isolation", "process", workers=3,
            env=env) as server:
        server.expect("was killed by signal 9")
        first = server.children()
        os.kill(first[1], signal.SIGKILL)
        server.wait_log("server process \\d+ serves")
        until(lambda: len(server.children()) == 3, "three processes")
        server.kill(signal.SIGHUP)
        server.wait_log("the new server processes serve")
        until(lambda: len(server.children()) == 3 and
            not set(first) & set(server.children()), "others")
        server.rebase()
        for _ in range(30):
            assert server.get("/").body == b"Hello, world!\n"
