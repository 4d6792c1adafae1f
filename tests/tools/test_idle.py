"""tools/bench/idle sees what connections cost, and those that do not stay."""

import subprocess
import sys
from pathlib import Path

import pytest

IDLE = Path(__file__).resolve().parent.parent.parent / "tools/bench/idle"
COUNT = 2400            # the least that it takes is 2,001

# A server as far as the tool looks; a mistake is made with one connection.
SERVER = """#!%s
import os, resource, selectors, signal, socket, sys
MISTAKE = %r
if "--version" in sys.argv:
    print("Fake 1")
    sys.exit()
n = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (n, n))
listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
print("listening at http://127.0.0.1:%%d" %% listener.getsockname()[1],
      file=sys.stderr, flush=True)
sel = selectors.DefaultSelector()
sel.register(listener, selectors.EVENT_READ)
conns, hoard = {}, []
def serve(conn):
    path = conn.recv(4096).split(b" ")[1:2]
    if not path:
        sel.unregister(conn)
        conn.close()
        conns.pop(conn, None)
        return
    code = b"101" if path[0] in (b"/accepted", b"/joined") else b"204"
    if path[0] == b"/heap":
        print("heap of", os.getpid(), file=sys.stderr)
        print("3 arenas * 1048576 bytes/arena   = 1", file=sys.stderr,
              flush=True)
    elif path[0] == b"/say":
        for member in conns:
            member.sendall(b"\\x81\\x05hello")
        if MISTAKE == "twice":
            member.sendall(b"\\x81\\x05hello")
    elif MISTAKE.startswith("hoard " + path[0].decode()[1:]):
        hoard.append(b"x" * int(MISTAKE.split()[2]))
    more = b"!" * (MISTAKE == "more" and len(conns) == 2000)
    conn.sendall(b"HTTP/1.1 " + code + b" OK\\r\\n\\r\\n" + more)
    if path[0] in (b"/heap", b"/say"):
        conn.shutdown(socket.SHUT_WR)
    else:
        conns[conn] = path[0]
        if len(conns) == 2000 and MISTAKE == "talks":
            next(iter(conns)).sendall(b"!")
        if len(conns) == 2000 and MISTAKE == "closes":
            conn.shutdown(socket.SHUT_WR)
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
while True:
    for key, _ in sel.select():
        if key.fileobj is listener:
            conn = listener.accept()[0]
            sel.register(conn, selectors.EVENT_READ)
        else:
            serve(key.fileobj)
"""


def run(folder, mistake):
    server = folder / "shoal"
    server.write_text(SERVER % (sys.executable, mistake))
    server.chmod(0o755)
    return subprocess.run([sys.executable, IDLE, server, f"--count={COUNT}"],
                          text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)


def test_connections_that_stay_and_are_small_pass(tmp_path):
    done = run(tmp_path, "")
    assert done.returncode == 0, done.stdout
    assert [line.split(" | ")[0] for line in done.stdout.splitlines()[-3:]] \
        == ["| kept", "| accepted", "| joined"]


@pytest.mark.parametrize("mistake, said", [
    ("hoard kept 6000", "kept: above 4096 bytes"),
    ("hoard joined 12000", "joined: above 8192 bytes"),
    ("talks", "1 sockets are not idle"),
    ("closes", "1 sockets are not idle"),
    ("more", "a wrong answer"),
    ("twice", "instead of the message"),
])
def test_a_mistake_is_seen(tmp_path, mistake, said):
    done = run(tmp_path, mistake)
    assert done.returncode != 0
    assert said in done.stdout
