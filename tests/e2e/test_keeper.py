"""The keeper: what dies is replaced, no connection is refused, sockets are
its own, and nothing outlives it."""

import os
import pathlib
import re
import signal
import socket
import stat
import threading
import time

import pytest

from shoal import LIMIT, Server, alive, children_of, run, until

HELLO = b"Hello, world!\n"


class Client:
    """Opens a connection a request, on and on, and counts what happens."""

    def __init__(self, server, path="/plain"):
        self.server = server
        self.path = path
        self.answered = self.cut = self.refused = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.over.set()
        self.thread.join(2 * LIMIT)

    def run(self):
        while not self.over.is_set():
            try:
                with self.server.connect() as c:
                    assert c.get(self.path).body == HELLO
                self.answered += 1
            except ConnectionRefusedError:
                self.refused += 1
            except (AssertionError, OSError):
                self.cut += 1

    def more(self, count=20):
        """Wait for so many more answers."""
        wanted = self.answered + count
        until(lambda: self.answered >= wanted, "%d answers" % count)


@pytest.mark.asan
def test_a_killed_process_is_replaced_and_nobody_refused(isolation):
    with Server("mux:asgi", "--isolation", isolation, workers=2) as server:
        with Client(server) as client:
            client.more()
            for _ in range(2):
                old = server.children()
                os.kill(old[0], signal.SIGKILL)
                until(lambda: old[0] not in server.children()
                    and len(server.children()) == len(old),
                    "another process")
                client.more()
        assert client.refused == 0, vars(client)
        server.expect("killed by signal 9", times=2)
        kept = set(old[1:])
        assert kept <= set(server.children()), "only the dead one"


def test_requests_in_flight_are_lost_and_no_others(isolation):
    with Server("mux:asgi", "--isolation", isolation) as server:
        server.expect("killed by signal 9", times=1)
        idle, busy = server.connect(), server.connect()
        assert idle.get("/plain").body == HELLO
        busy.request("GET", "/slow?s=30")
        until(lambda: server.get("/calls").body == b"2", "it began")
        os.kill(server.child(), signal.SIGKILL)
        assert busy.recv_cut() == b""
        # waits in the keeper's socket until the new process is ready
        assert server.get("/plain").body == HELLO


def test_a_segfault_is_told_by_name(isolation):
    with Server("leaving:asgi", "--isolation", isolation) as server:
        server.expect(r"killed by signal 11 \(Segmentation fault\)",
            times=1)
        with server.connect() as c:
            c.request("GET", "/?how=segv")
            assert c.recv_cut() == b""
        assert server.get("/").body == b"stayed\n"
        server.allow("Fatal Python error")


@pytest.mark.asan
@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_an_application_that_exits_twice_is_served_again(
        isolation, interface):
    with Server("leaving:" + interface, "--isolation",
            isolation) as server:
        server.expect("ended with code 9", times=2)
        for _ in range(2):
            with server.connect() as c:
                c.request("GET", "/?how=exit")
                assert c.recv_cut() == b""
            assert server.get("/").body == b"stayed\n"


def test_a_crash_loop_is_given_up(isolation):
    with Server("leaving:asgi", "--isolation", isolation) as server:
        server.expect("ended with code 9", times=10)
        server.expect("(?i)giving up", times=1)
        while server.proc.poll() is None:
            try:
                with server.connect() as c:
                    c.request("GET", "/?how=exit")
                    assert c.recv_cut() == b""
            except ConnectionError:
                pass
        assert server.wait() == 1


def test_one_that_dies_before_it_is_ready_does_not_start(isolation):
    done = run("--isolation", isolation, "--port", "0", "--workers", "1",
        "--interface", "asgi", "dying:asgi")
    assert done.code == 3, done.stderr
    assert done.stderr.count("ended with code 3") == 1, done.stderr


@pytest.mark.asan
def test_when_the_keeper_is_killed_its_children_leave(isolation, events):
    with Server("lifespans:asgi", "--isolation", isolation, workers=2,
            env={"EVENTS": events}, check=False) as server:
        children = server.children()
        assert server.get("/").status == 200
        os.kill(server.pid, signal.SIGKILL)
        assert server.wait() == -9
        until(lambda: not any(map(alive, children)), "they leave")
        until(lambda: events.lines().count("shutdown") == 2, "orderly")
        with pytest.raises(ConnectionRefusedError):
            server.connect()
        # the port is free
        with Server("plain:asgi", "--port", server.port) as other:
            assert other.get("/").body == HELLO


def test_when_the_keeper_is_killed_a_thread_holds_nobody(isolation, events):
    """The keeper would end a process that does not leave in time."""
    with Server("outlast:asgi", "--isolation", isolation,
            "--graceful-timeout", "100ms", workers=2, check=False,
            env={"EVENTS": events}) as server:
        children = server.children()
        assert server.get("/thread?s=1000").status == 200
        os.kill(server.pid, signal.SIGKILL)
        assert server.wait() == -9
        until(lambda: not any(map(alive, children)), "they leave")


def test_requests_in_flight_survive_the_keeper(isolation):
    with Server("mux:asgi", "--isolation", isolation,
            check=False) as server:
        with server.connect() as c:
            c.request("GET", "/slow?s=1")
            until(lambda: server.get("/calls").body == b"1", "begun")
            os.kill(server.pid, signal.SIGKILL)
            server.wait()
            assert c.recv_response().body == b"slow\n"


# Sockets

def test_a_port_that_is_taken(isolation):
    with Server("plain:asgi", "--isolation", isolation,
            workers=2) as server:
        for workers in (1, 2):
            done = run("--port", server.port, "--workers", workers,
                "plain:asgi")
            assert done.code == 3, done.stderr
            wanted = r"127\.0\.0\.1:%d" % server.port
            assert re.search(wanted, done.stderr), done.stderr
            assert "Traceback" not in done.stderr, done.stderr
        assert server.get("/").body == HELLO
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    done = run("--port", taken.getsockname()[1], "plain:asgi")
    taken.close()
    assert done.code == 3, done.stderr


def test_connections_are_shared_by_the_shards(isolation):
    with Server("whoami:asgi", "--isolation", isolation,
            workers=4) as server:
        seen = set()

        def all_four():
            who = server.json("/")
            seen.add((who["pid"], who["interpreter"]))
            return len(seen) == 4

        until(all_four, "four shards answer")


def test_host_names_and_addresses():
    with Server("plain:asgi", "--host", "localhost") as server:
        assert server.get("/").body == HELLO
    with Server("plain:asgi", "--host", "0.0.0.0") as server:
        assert server.get("/").body == HELLO
        assert server.url == "http://0.0.0.0:%d" % server.port
    done = run("--host", "no.such.host.invalid", "--port", "0",
        "plain:asgi")
    assert done.code == 3 and "no.such.host.invalid" in done.stderr


@pytest.mark.skipif(not os.path.exists("/proc/net/if_inet6"),
    reason="this machine has no IPv6")
def test_ipv6():
    with Server("surroundings:asgi", "--host", "::1") as server:
        assert server.url == "http://[::1]:%d" % server.port
        with server.connect(("::1", server.port)) as c:
            c.send("GET / HTTP/1.1\r\nHost: [::1]:%d\r\n\r\n"
                % server.port)
            scope = c.recv_response().json()
            assert scope["server"] == ["::1", server.port]
            assert scope["client"][0] == "::1"


@pytest.mark.parametrize("interface", ["asgi", "wsgi", "rsgi"])
def test_a_unix_socket(tmp_path, interface, isolation):
    path = str(tmp_path / "s")
    with Server("surroundings:" + interface, "--isolation", isolation,
            "--uds", path, "--uds-permissions", "660",
            workers=2) as server:
        mode = os.stat(path).st_mode
        assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o660
        assert server.url == "unix:" + path
        told = server.json("/")
        if interface == "asgi":
            assert told["server"] in ([path, None], None), told
            assert told["client"] is None or told["client"] in (
                ["", 0], ["", None]), told
        elif interface == "rsgi":
            assert told["server"] == path, told
            assert told["client"] == "", told
        done = run("--uds", path, "plain:asgi")
        assert done.code == 3, done.stderr
        assert server.get("/").status == 200
    assert not os.path.exists(path), "removed at the end"


def test_a_socket_left_behind_is_replaced(tmp_path):
    path = str(tmp_path / "s")
    left = socket.socket(socket.AF_UNIX)
    left.bind(path)
    left.close()
    with Server("plain:asgi", "--uds", path) as server:
        assert server.get("/").body == HELLO
    (tmp_path / "s").write_text("somebody's")
    done = run("--uds", path, "plain:asgi")
    assert done.code == 3, done.stderr
    assert (tmp_path / "s").read_text() == "somebody's"


def test_several_addresses(tmp_path):
    path = str(tmp_path / "s")
    with Server("plain:asgi", "--bind", "127.0.0.1:0", "--bind",
            "127.0.0.1:0", "--bind", "unix:" + path,
            workers=2) as server:
        ports = [int(u.rpartition(":")[2]) for u in server.urls[:2]]
        assert len(set(ports)) == 2
        for address in (("127.0.0.1", ports[0]),
                ("127.0.0.1", ports[1]), path):
            for _ in range(5):
                with server.connect(address) as c:
                    assert c.get("/").body == HELLO


# HUP

@pytest.mark.asan
def test_a_reload_takes_new_code_and_loses_nothing(isolation, tmp_path):
    source = (
        "from kit import reply\n"
        "async def asgi(scope, receive, send):\n"
        "\tawait reply(send, %r)\n")
    from shoal import copy_of
    copy_of(tmp_path, "kit.py")
    module = tmp_path / "changing.py"
    module.write_text(source % "old\n")
    with Server("changing:asgi", "--isolation", isolation, workers=2,
            cwd=tmp_path, env={"PYTHONDONTWRITEBYTECODE": "1"}) as server:
        old = server.children()
        assert server.get("/").body == b"old\n"
        kept = server.connect()
        assert kept.get("/").body == b"old\n"
        time.sleep(0.01)
        module.write_text(source % "new one\n")
        errors, bodies, over = [], [], threading.Event()

        def ask():
            while not over.is_set():
                try:
                    bodies.append(server.get("/").body)
                except (AssertionError, OSError) as error:
                    errors.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        server.kill(signal.SIGHUP)
        until(lambda: bodies and bodies[-1] == b"new one\n", "new code")
        until(lambda: not set(old) & set(server.children()), "old gone")
        over.set()
        thread.join()
        assert errors == []
        assert set(bodies) <= {b"old\n", b"new one\n"}
        kept.recv_cut()


def test_a_reload_that_fails_keeps_the_old_code(isolation, tmp_path):
    from shoal import copy_of
    copy_of(tmp_path, "kit.py", "plain.py")
    with Server("plain:asgi", "--isolation", isolation, cwd=tmp_path,
            workers=2) as server:
        old = server.children()
        (tmp_path / "plain.py").write_text("raise ValueError('broken now')")
        server.expect("broken now")
        server.expect("(?i)could not start|cannot start")
        server.allow("ended with code 3")
        server.kill(signal.SIGHUP)
        server.wait_log("old ones go on")
        assert server.get("/").body == HELLO
        # the other new one leaves when it has been told
        until(lambda: server.children() == old, "only the old ones")


def test_a_reload_that_hangs_gives_way_to_the_next(isolation, events):
    go = pathlib.Path(str(events) + ".go")
    go.write_text("")
    with Server("lifespans:asgi", "--isolation", isolation, "--stall-report",
            "0.1", env={"EVENTS": events, "LIFESPAN": "held"},
            workers=2) as server:
        old = server.children()
        go.unlink()
        seen = len(server.log)
        server.kill(signal.SIGHUP)
        server.wait_log("is not ready after", since=seen)
        server.kill(signal.SIGHUP)
        server.wait_log("still not ready are given up")
        go.write_text("")
        server.wait_log("the new server processes serve")
        until(lambda: len(server.children()) == len(old)
            and not set(old) & set(server.children()), "only the new ones")
        assert server.get("/").status == 200
        server.rebase()


def test_orphans_are_reaped(isolation):
    """The keeper may be PID 1: nobody else's dead stay with it."""
    with Server("recipes:asgi", "--isolation", isolation,
            slack=4) as server:
        assert server.get("/?check=subprocesses").body == b"ok"
        until(lambda: len(children_of(server.pid)) == 1, "no zombies")


def test_the_pid_file(tmp_path):
    path = tmp_path / "pid"
    with Server("plain:asgi", "--pid-file", path) as server:
        assert int(path.read_text()) == server.pid
        done = run("--pid-file", path, "--port", "0", "plain:asgi")
        assert done.code == 3, done.stderr
        assert str(server.pid) in done.stderr, done.stderr
        assert int(path.read_text()) == server.pid
    assert not path.exists()
