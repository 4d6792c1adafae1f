"""tools/bench/rateload.c: a load that sees what a server does."""

import json
import os
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"
ANSWER = HEAD + b"hello"
RATE = 200
VICTIM = 50             # the request that the mistake is made with


@pytest.fixture(scope="module")
def rateload(tmp_path_factory):
    program = tmp_path_factory.mktemp("rateload") / "rateload"
    subprocess.run([os.environ.get("CC", "cc"), "-std=c11", "-O1", "-Wall",
                    "-Wextra", "-Werror", "-o", program,
                    ROOT / "tools/bench/rateload.c", "-lm"], check=True)
    return program


class Server:
    """Answers with what answer() says of each request, by number."""

    def __init__(self, answer):
        self.answer = answer
        self.requests = []
        self.connections = 0
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(conn,),
                             daemon=True).start()

    def serve(self, conn):
        with conn, conn.makefile("rb") as reader:
            while True:
                try:
                    request = self.read(reader)
                    if not request:
                        return
                    with self.lock:
                        self.requests.append(request)
                        data = self.answer(len(self.requests))
                    if data is None:
                        return
                    conn.sendall(data)
                except OSError:
                    return

    def read(self, reader):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = reader.readline()
            if not line:
                return None
            head += line
        size = head.lower().partition(b"content-length: ")[2].split(b"\r")[0]
        return head + reader.read(int(size or 0))


def run(rateload, answer, *options, length=len(ANSWER)):
    """What it says of the server, without what is no error; the server."""
    server = Server(answer)
    try:
        done = subprocess.run(
            [rateload, f"--port={server.port}", f"--rate={RATE}",
             f"--length={length}", "--connections=5", *options],
            input="go\n", capture_output=True, text=True)
    finally:
        server.listener.shutdown(socket.SHUT_RDWR)
        server.listener.close()
    assert done.returncode == 0, done.stderr
    ready, detail = done.stdout.splitlines()
    assert ready == "ready"
    detail = json.loads(detail.removeprefix("detail "))
    detail["errors"] = {k: n for k, n in detail["errors"].items() if n}
    return detail, server


def test_a_right_server_gets_what_was_planned_and_has_no_errors(rateload):
    detail, server = run(rateload, lambda number: ANSWER)
    assert detail["errors"] == {}
    assert detail["requests"] == len(server.requests) == RATE
    assert detail["bytes"] == RATE * len(ANSWER)
    assert detail["seconds"] > 0.9          # the last one is due then
    assert 0 < detail["p50"] <= detail["p99"] <= detail["p999"] \
        <= detail["max"]
    curve = detail["curve"]
    assert curve == sorted(curve)
    assert curve[-1] == [100, detail["max"]]
    assert [50, detail["p50"]] in curve and [99, detail["p99"]] in curve
    assert detail["late"] <= detail["max"]


def test_the_request_is_what_was_asked_for(rateload):
    _, server = run(rateload, lambda number: ANSWER, "--method=POST",
                    "--path=/a?b", "--header=One:1", "--header=Two: 2",
                    "--body=3")
    assert set(server.requests) == {
        b"POST /a?b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nOne: 1\r\nTwo:  2\r\n"
        b"Content-Length: 3\r\n\r\nxxx" % server.port}


def test_a_closed_load_asks_again_when_it_was_answered(rateload):
    detail, server = run(rateload, lambda number: ANSWER, "--rate=0")
    assert detail["errors"] == {}
    assert detail["requests"] == len(server.requests) > 10
    assert server.connections == 5
    assert detail["late"] == 0
    assert 0 < detail["p50"] <= detail["p99"] <= detail["max"]
    assert detail["seconds"] > 0.99


def test_a_closed_load_waits_for_what_was_asked(rateload):
    def answer(number):
        time.sleep(0.3)     # with one lock for all: 1.5 s for each
        return ANSWER

    detail, server = run(rateload, answer, "--rate=0")
    assert detail["errors"] == {}
    assert detail["requests"] == len(server.requests)
    assert detail["p50"] > 300


def test_a_closed_load_gives_up(rateload):
    detail, _ = run(rateload, lambda number: b"", "--rate=0")
    assert detail["requests"] == 0
    assert detail["errors"] == {"timeout": 5}


def test_a_number_is_another_one_in_each_request(rateload):
    _, server = run(rateload, lambda number: ANSWER, "--header=One:n=NUMBER;")
    found = [request.partition(b"One: n=")[2].partition(b";")[0]
        for request in server.requests]
    assert sorted(map(int, found)) == list(range(1, RATE + 1))
    assert {len(number) for number in found} == {6}


def test_a_connection_each(rateload):
    detail, server = run(rateload, lambda number: ANSWER, "--close")
    assert detail["errors"] == {}
    assert detail["requests"] == server.connections == RATE


@pytest.mark.parametrize("wrong, errors", [
    (ANSWER.replace(b"200", b"500"), {"status": 1}),
    (ANSWER.replace(b"hello", b"hell0"), {"body": 1}),
    (ANSWER + b"!", {"length": 1}),
    (ANSWER[:-1], {"timeout": 1}),
    (b"", {"timeout": 1}),
    (None, {"closed": 1}),
], ids=["status", "body", "longer", "shorter", "never", "closed"])
def test_a_mistake_is_seen_once(rateload, wrong, errors):
    detail, _ = run(rateload,
                    lambda number: wrong if number == VICTIM else ANSWER)
    assert detail["errors"] == errors
    assert detail["requests"] == RATE - 1


def test_who_never_answers_has_all_of_them_to_answer_for(rateload):
    detail, _ = run(rateload, lambda number: b"")
    assert detail["requests"] == 0
    assert detail["errors"] == {"timeout": RATE}
    # Those that found no connection, too, from when they were due.
    assert detail["p50"] > 4000


def test_a_pause_counts_for_all_that_were_due_in_it(rateload):
    """With five connections a closed load would have five slow answers."""
    def answer(number):
        if number == VICTIM:
            time.sleep(0.4)
        return ANSWER

    detail, _ = run(rateload, answer)
    assert detail["errors"] == {}
    # 40 % of a second's requests were due in it, half of them waited longer
    # than half of it.
    assert dict(detail["curve"])[90] > 200


def test_a_request_without_a_connection_is_late(rateload):
    """Each takes 10 ms of the only connection, and 5 ms later is the next."""
    def answer(number):
        time.sleep(0.01)
        return ANSWER

    detail, _ = run(rateload, answer, "--connections=1")
    assert detail["requests"] == RATE
    assert detail["max"] > 500
    assert detail["p50"] > 200
    # It is the server's fault, and not the load's.
    assert detail["late"] < detail["p50"]


def test_every_second_connection_goes_to_the_other_port(rateload):
    other = Server(lambda number: ANSWER)
    detail, server = run(rateload, lambda number: ANSWER,
                         f"--other-port={other.port}")
    other.listener.shutdown(socket.SHUT_RDWR)
    other.listener.close()
    assert detail["errors"] == {}
    assert (server.connections, other.connections) == (3, 2)
    assert server.requests and other.requests
