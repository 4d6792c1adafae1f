"""tools/bench/shards loads two servers as it does two shards of one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SHARDS = Path(__file__).resolve().parent.parent.parent / "tools/bench/shards"

# A server as far as the tool looks; says how it was started, and by whom asked.
SERVER = """#!%s
import asyncio, os, sys, threading, time
MISTAKE, NOTES = %r, %r
def note(text):
    with open(NOTES, "a") as notes:
        notes.write(text + "\\n")
def option(name):
    return sys.argv[sys.argv.index(name) + 1]
name = option("--isolation") + " " + option("--workers")
count = 0
async def serve(reader, writer):
    global count
    count += 1
    note(name + " connection")
    try:
        while await reader.readuntil(b"\\r\\n\\r\\n"):
            wrong = MISTAKE == "answer" and count > 30
            writer.write(b"HTTP/1.1 %%d OK\\r\\nContent-Type: text/plain\\r\\n"
                         b"Content-Length: 13\\r\\n\\r\\nHello, world!"
                         %% (500 if wrong else 200))
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()
async def main():
    note(name + " start")
    server = await asyncio.start_server(serve, "127.0.0.1",
                                        int(option("--port")), backlog=512)
    await server.serve_forever()
def shard(number):
    with open("/proc/thread-self/comm", "w") as comm:
        comm.write("shoal-%%d" %% number)
    while True:
        time.sleep(0.01)
if MISTAKE != "one shard" and option("--isolation") == "interp":
    for number in range(int(option("--workers"))):
        threading.Thread(target=shard, args=[number], daemon=True).start()
if option("--isolation") == "process" and os.fork() == 0:
    while True:
        time.sleep(0.01)
asyncio.run(main())
"""


def run(folder, mistake=""):
    server = folder / "shoal"
    server.write_text(SERVER % (sys.executable, mistake,
                                str(folder / "notes")))
    server.chmod(0o755)
    done = subprocess.run(
        [sys.executable, SHARDS, "--shoal", server, "--rounds=1",
         "--only=asgi"], text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    return done, (folder / "notes").read_text().splitlines()


needs_two_cpus = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2,
                                    reason="it compares two CPUs")


@needs_two_cpus
def test_two_servers_get_together_what_one_of_two_shards_gets(tmp_path):
    done, notes = run(tmp_path)
    assert done.returncode == 0, done.stdout
    assert [line.split(" | ")[1] for line in done.stdout.splitlines()[-3:]] \
        == ["two servers of a shard", "two threads", "two processes"]
    assert all(0.5 <= float(line.split(" | ")[-1].strip(" |")) <= 1
               for line in done.stdout.splitlines()[-3:])
    assert [notes.count(f"{way} start") for way in
            ("interp 1", "interp 2", "process 2")] == [2, 1, 1]
    # A burst's 64 of each of two loads, twice; a few that look for an answer.
    for way in ("interp 1", "interp 2", "process 2"):
        assert 256 <= notes.count(f"{way} connection") < 300


@needs_two_cpus
@pytest.mark.parametrize("mistake, said", [
    ("answer", "a load failed"),
    ("one shard", "no two shards are seen"),
])
def test_a_mistake_is_seen(tmp_path, mistake, said):
    done, _ = run(tmp_path, mistake)
    assert done.returncode != 0
    assert said in done.stdout
