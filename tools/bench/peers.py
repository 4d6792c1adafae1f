"""Start a peer that has no command line, or that needs more than one:
peers.py NAME APP PORT."""

import importlib
import os
import socket
import subprocess
import sys
import time

sys.path.insert(0, ".")


def bjoern(app, port):
    import bjoern as server

    server.run(app, "127.0.0.1", port, reuse_port=False)


def fastpysgi(app, port):
    import fastpysgi as server

    server.server.loglevel = 0
    server.run(app, "127.0.0.1", port)


def socketify(app, port):
    """An app that does the server's part, too."""
    app(port)


def start_redis():
    """A server of its own, in this session and so in the measured tree; the
    bench ends whoever is in it.  Its port and process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    redis = subprocess.Popen(["redis-server", "--bind", "127.0.0.1", "--port",
                              str(port), "--save", "", "--appendonly",
                              "no"],
                             stdout=subprocess.DEVNULL)
    for _ in range(100):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return port, redis
        time.sleep(0.05)
    sys.exit("redis-server does not start")


def uvicorn_with_redis(target, port, *options):
    os.environ["REDIS_PORT"] = str(start_redis()[0])
    os.execv(sys.executable, [sys.executable, "-m", "uvicorn", "--port",
                              str(port), *options, target])


if __name__ == "__main__":
    name, target, port, *options = sys.argv[1:]
    if name == "uvicorn-redis":
        uvicorn_with_redis(target, int(port), *options)
    module, attr = target.split(":")
    app = getattr(importlib.import_module(module), attr)
    {"bjoern": bjoern, "fastpysgi": fastpysgi,
     "socketify": socketify}[name](app, int(port))
