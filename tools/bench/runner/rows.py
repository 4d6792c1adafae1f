"""The two tables of the bench: the servers and the loads.

A new peer is one more Server (and a line in requirements.txt), a new load
one more Load (and a module in apps/).  Nothing else knows their names.  Those
of WebSockets are in talks.py.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Tuple

ALL = ("asgi", "wsgi", "rsgi")


@dataclass(frozen=True)
class Place:
    """Where the programs of this run are."""

    bench: Path   # tools/bench: the servers' working directory
    venv: Path    # the peers' virtual environment
    floor: Path
    wsload: Path
    rateload: Path
    shoal: Path


@dataclass(frozen=True)
class Load:
    """One kind of request, sent to every server that can answer it."""

    name: str
    title: str
    interface: str           # "asgi", "wsgi" or "rsgi"
    app: str                 # a module of apps/ with an object of that name
    expect: bytes            # the response's body
    path: str = "/"
    connections: int = 64    # kept alive for the whole burst
    method: str = "GET"
    headers: Tuple[Tuple[str, str], ...] = ()
    body_size: int = 0       # the request's, of the letter x
    depth: int = 1           # requests that wrk sends at once
    threads: int = 1         # of the server, for calls that block
    floor: bool = True       # it answers one request a read, and at once
    paced: bool = False      # at one rate for all, not as fast as it can
    rate: int = 0            # paced: requests a second, once it is known
    unit = "req"

    @property
    def seconds(self):
        """Of a burst: a rare latency needs many requests to be seen."""
        return 3 if self.paced else 1

    @property
    def target(self):
        return f"apps.{self.app}:{self.interface}"

    @property
    def by_wrk(self):
        """rateload.c sends one request at a time, and connects in turn."""
        return self.depth > 1 or not self.paced and self.closes

    @property
    def closes(self):
        return ("Connection", "close") in self.headers

    @property
    def wrk(self):
        """The arguments of detail.lua."""
        return [self.method, str(self.depth), str(self.body_size),
                *(f"{name}:{value}" for name, value in self.headers)]

    def rateload(self, length, seconds):
        """The arguments of rateload.c, of answers of that length."""
        options = {"rate": self.rate, "length": length, "seconds": seconds,
                   "connections": self.connections, "method": self.method,
                   "path": self.path, "body": self.body_size}
        return ([f"--{name}={value}" for name, value in options.items()]
                + [f"--header={name}:{value}" for name, value in self.headers]
                + ["--close"] * self.closes)


@dataclass(frozen=True)
class Server:
    """One way to run an application: one worker on one CPU, no access log."""

    name: str
    interfaces: Tuple[str, ...]
    program: Callable[[Place], Path]
    options: Callable[[Load, int], list]    # of a load and a port
    package: str = ""                       # PyPI's name, if it is there
    needs: str = ""                         # a program of the system's
    workers: int = 1                        # more than one: on both CPUs
    only: Tuple[str, ...] = ()              # loads, where not all

    def command(self, place, load, port):
        return [str(self.program(place)), *self.options(load, port)]

    def answers(self, load):
        return (load.interface in self.interfaces
                and (load.floor or self.name != "floor")
                and (load.name in self.only or not self.only))


def floor_options(load, port):
    return ["--port", str(port), "--body", str(len(load.expect))]


def shoal_options(workers):
    return lambda load, port: [
        "--port", str(port), "--workers", str(workers),
        "--interface", load.interface, "--working-dir", ".",
        "--blocking-threads", str(load.threads), load.target]


def granian_options(load, port):
    """As its authors measure it: one protocol to expect, a longer backlog."""
    if load.interface == "wsgi":
        how = ["--blocking-threads", str(load.threads)]
    else:
        how = ["--loop", "uvloop"]
    return ["--port", str(port), "--interface", load.interface,
            "--workers", "1", *how, "--http", "1", "--no-ws",
            "--backlog", "2048", "--log-level", "warning", load.target]


def uvicorn_options(load, port):
    """Its fastest parts, and nothing in front of the application."""
    return ["--port", str(port), "--loop", "uvloop", "--http", "httptools",
            "--ws", "none", "--no-proxy-headers", "--no-access-log",
            "--log-level", "warning", load.target]


def hypercorn_options(load, port):
    return ["--bind", f"127.0.0.1:{port}", "--worker-class", "uvloop",
            "--workers", "1", "--log-level", "warning", load.target]


def gunicorn_options(load, port):
    """Threads keep connections alive; its sync workers close each."""
    return ["--bind", f"127.0.0.1:{port}", "--workers", "1",
            "--worker-class", "gthread", "--threads", str(load.threads),
            "--worker-connections", "2000", "--keep-alive", "75",
            "--backlog", "2048", "--log-level", "warning", load.target]


def socketify_options(load, port):
    return ["-m", "socketify", load.target, "--interface", load.interface,
            "--host", "127.0.0.1", "--port", str(port), "--ws", "none",
            "--disable-listen-log", "True"]


def peer(name):
    """One that is started by peers.py."""
    return lambda load, port: ["peers.py", name, load.target, str(port)]


def installed(name):
    return lambda place: place.venv / "bin" / name


PLAIN_ONES = tuple(f"{interface}-plain" for interface in ALL)

SERVERS = (
    Server("floor", ALL, lambda place: place.floor, floor_options),
    Server("shoal", ALL, lambda place: place.shoal, shoal_options(1)),
    # On both CPUs, of which the load takes its part.
    Server("shoal-2", ALL, lambda place: place.shoal, shoal_options(2),
           workers=2, only=PLAIN_ONES),
    # What "make pgo" made beside it.
    Server("shoal-pgo", ALL, lambda place: place.shoal.parent / "pgo/shoal",
           shoal_options(1), only=PLAIN_ONES),
    Server("granian", ALL, installed("granian"), granian_options, "granian"),
    Server("uvicorn", ("asgi",), installed("uvicorn"), uvicorn_options,
           "uvicorn"),
    Server("hypercorn", ("asgi",), installed("hypercorn"),
           hypercorn_options, "hypercorn"),
    Server("socketify", ("asgi",), installed("python"), socketify_options,
           "socketify"),
    Server("fastpysgi", ("asgi", "wsgi"), installed("python"),
           peer("fastpysgi"), "fastpysgi"),
    Server("bjoern", ("wsgi",), installed("python"), peer("bjoern"),
           "bjoern"),
    Server("gunicorn", ("wsgi",), installed("gunicorn"), gunicorn_options,
           "gunicorn"),
)

# What a browser says beside the Host.
BROWSER = (
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) "
                   "Gecko/20100101 Firefox/140.0"),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,"
               "*/*;q=0.8"),
    ("Accept-Language", "en-US,en;q=0.5"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Connection", "keep-alive"),
    ("Cookie", "session=eyJ1c2VyIjoiYW5uIn0.aSNqdA.k3Ff0W1Y"),
    ("Upgrade-Insecure-Requests", "1"),
    ("Priority", "u=0, i"),
)
# The same of a client whose cookie is another one each time.
CHANGING = tuple((name, value.replace("YW5uIn0", "NUMBER"))
                 for name, value in BROWSER)
PLAIN = b"Hello, world!"
# What the floor says, too: as often as it takes.
BIG = (PLAIN * 800)[:10240]
FILE = (PLAIN * 7000)[:90_000]
DOCUMENT = b'{"message": "Hello, world!", "list": [1, 2, 3], "ok": true}'
HELLO = b'{"message":"Hello, world!"}'
HELLO_SPACED = b'{"message": "Hello, world!"}'


def of_each(name, title, app, expect, **more):
    """A load in every interface."""
    return tuple(Load(f"{interface}-{name}", f"{interface.upper()}, {title}",
                      interface, app, expect, **more) for interface in ALL)


SATURATED = (
    *of_each("plain", "13 bytes of text", "plain", PLAIN),
    *of_each("browser", "13 bytes of text, asked for with a browser's "
             "8 headers", "plain", PLAIN, headers=BROWSER),
    *of_each("changing", "13 bytes of text, asked for with a browser's "
             "8 headers, one of them another each time", "plain", PLAIN,
             headers=CHANGING),
    *of_each("big", "10 KiB of text", "big", BIG),
    *of_each("echo", "4 KiB posted and sent back", "echo", b"x" * 4096,
             method="POST", body_size=4096, floor=False),
    *of_each("json", "a JSON document of 59 bytes", "document", DOCUMENT,
             floor=False),
    *of_each("stream", "100 parts of 20 bytes, chunked", "stream",
             b"nineteen characters\n" * 100, floor=False),
    *of_each("pipeline", "13 bytes of text, 16 requests at once", "plain",
             PLAIN, depth=16, floor=False),
    *of_each("connect", "13 bytes of text, a connection each", "plain",
             PLAIN, headers=(("Connection", "close"),), floor=False),
    *of_each("crowd", "13 bytes of text to 1,000 connections", "plain",
             PLAIN, connections=1000),
    *of_each("wait", "13 bytes of text after 10 ms of waiting", "wait",
             PLAIN, threads=64, floor=False),
    *of_each("file", "a file of 90 KB", "file", FILE),
    Load("starlette", "Starlette, JSON", "asgi", "fw_starlette", HELLO,
         floor=False),
    Load("fastapi", "FastAPI, JSON", "asgi", "fw_fastapi", HELLO,
         floor=False),
    Load("fastapi-def", "FastAPI, JSON, an endpoint in a thread", "asgi",
         "fw_fastapi", HELLO, path="/def", floor=False),
    Load("flask", "Flask, JSON", "wsgi", "fw_flask", HELLO + b"\n",
         floor=False),
    Load("django-wsgi", "Django, JSON, a sync view", "wsgi", "fw_django",
         HELLO_SPACED, floor=False),
    Load("django-asgi", "Django, JSON, an async view", "asgi", "fw_django",
         HELLO_SPACED, path="/async", floor=False),
)

# wrk alone sends many requests at once.
LOADS = SATURATED + tuple(
    replace(load, name=load.name + "-rate", paced=True,
            title=load.title + ", at a fixed rate")
    for load in SATURATED if load.depth == 1)
