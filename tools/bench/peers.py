"""Start a peer that has no command line: peers.py NAME APP PORT."""

import importlib
import sys

sys.path.insert(0, ".")


def bjoern(app, port):
    import bjoern as server

    server.run(app, "127.0.0.1", port, reuse_port=False)


def fastpysgi(app, port):
    import fastpysgi as server

    server.server.loglevel = 0
    server.run(app, "127.0.0.1", port)


if __name__ == "__main__":
    name, target, port = sys.argv[1:]
    module, attr = target.split(":")
    app = getattr(importlib.import_module(module), attr)
    {"bjoern": bjoern, "fastpysgi": fastpysgi}[name](app, int(port))
