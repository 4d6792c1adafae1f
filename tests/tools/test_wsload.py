"""tools/bench/wsload.c sees what a server does to its messages."""

import asyncio
import json
import os
import subprocess
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SIZE = 40
MESSAGES = 50


@pytest.fixture(scope="module")
def wsload(tmp_path_factory):
    program = tmp_path_factory.mktemp("wsload") / "wsload"
    subprocess.run([os.environ.get("CC", "cc"), "-std=c11", "-O1", "-Wall",
                    "-Wextra", "-Werror", "-o", program,
                    ROOT / "tools/bench/wsload.c"], check=True)
    return program


def frame(payload):
    return bytes([0x81, len(payload)]) + payload


class Room:
    """A server for one room, or for echoes, that makes one mistake."""

    def __init__(self, mistake, echo):
        self.mistake = mistake
        self.echo = echo
        self.writers = []
        self.count = 0
        self.held = None
        self.pongs = []

    async def serve(self, reader, writer):
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
                         + frame(b"ready"))
            self.writers.append(writer)
            while True:
                head = await reader.readexactly(6)
                size = head[1] & 127
                mask = (head[2:] * size)[:size]
                body = await reader.readexactly(size)
                text = bytes(a ^ b for a, b in zip(body, mask))
                if head[0] == 0x8a:
                    self.pongs.append(text)
                else:
                    self.say([writer] if self.echo else self.writers, text)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def say(self, writers, text):
        """To all; the last of them is the one who is wronged, once."""
        self.count += 1
        for writer in writers[:-1]:
            writer.write(frame(text))
        victim = writers[-1]
        if self.count == 20 and self.mistake == "swap":
            self.held = text
        elif self.count == 20:
            victim.write(self.wrong(text))
        else:
            victim.write(frame(text))
            if self.held:
                victim.write(frame(self.held))
                self.held = None
        if self.count == 20 and self.mistake == "close":
            victim.close()

    def wrong(self, text):
        return {
            "none": frame(text),
            "drop": b"",
            "double": frame(text) * 2,
            "change": frame(text[:-1] + b"!"),
            "invent": frame(b"f" * 16 + text[16:]) + frame(text),
            "ping": b"\x89\x02hi" + frame(text),
            "close": frame(text) + b"\x88\x00",
        }[self.mistake]


def run(wsload, mistake, *options):
    """What it says of a server with that mistake, without what is no error."""
    rooms = []
    ports = []
    started = threading.Event()
    loop = asyncio.new_event_loop()

    async def start():
        rooms.append(Room(mistake, "--echo" in options))
        server = await asyncio.start_server(rooms[0].serve, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        started.set()

    def main():
        loop.create_task(start())
        loop.run_forever()

    thread = threading.Thread(target=main)
    thread.start()
    try:
        started.wait()
        done = subprocess.run(
            [wsload, "--port", str(ports[0]), "--sockets", "5", "--size",
             str(SIZE), "--messages", str(MESSAGES), *options],
            input="go\n", capture_output=True, text=True)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
    assert done.returncode == 0, done.stderr
    assert rooms[0].pongs == [b"hi"] * (mistake == "ping")
    ready, detail = done.stdout.splitlines()
    assert ready == "ready"
    detail = json.loads(detail.removeprefix("detail "))
    detail["errors"] = {k: n for k, n in detail["errors"].items() if n}
    return detail


@pytest.mark.parametrize("options", [
    ["--window", "1"], ["--window", "8"], ["--window", "8", "--together"]],
    ids=" ".join)
@pytest.mark.parametrize("mistake", ["none", "ping"])
def test_a_right_server_has_no_errors(wsload, mistake, options):
    detail = run(wsload, mistake, *options)
    assert detail["errors"] == {}
    assert detail["requests"] == 5 * MESSAGES
    assert 0 < detail["p50"] <= detail["p99"] <= detail["max"]


def test_echoes_come_back(wsload):
    detail = run(wsload, "none", "--echo", "--window", "2")
    assert detail["errors"] == {}
    assert detail["requests"] == MESSAGES


@pytest.mark.parametrize("mistake, errors, less", [
    ("drop", {"missed": 1}, 1),
    ("double", {"repeated": 1}, 0),
    ("invent", {"foreign": 1}, 0),
    # It comes late: first it is missed, then it is one too many.
    ("swap", {"missed": 1, "repeated": 1}, 1),
    ("change", {"foreign": 1, "missed": 1}, 1),
])
def test_a_mistake_is_seen(wsload, mistake, errors, less):
    detail = run(wsload, mistake, "--window", "8")
    assert detail["errors"] == errors
    assert detail["requests"] == 5 * MESSAGES - less


def test_nothing_comes_any_more(wsload):
    """With one in flight nothing follows what was dropped."""
    detail = run(wsload, "drop", "--window", "1")
    assert detail["errors"] == {"stalled": 1}


def test_a_socket_is_closed(wsload):
    """The messages that it does not get are nobody's."""
    detail = run(wsload, "close", "--window", "8")
    assert detail["errors"]["closed"] == 1
