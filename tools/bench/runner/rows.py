"""The two tables of the bench: the servers and the loads.

A new peer is one more Server (and a line in requirements.txt), a new load
one more Load (and a module in apps/).  Nothing else knows their names.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Tuple

ALL = ("asgi", "wsgi", "rsgi")


@dataclass(frozen=True)
class Place:
    """Where the programs of this run are."""

    bench: Path   # tools/bench: the servers' working directory
    venv: Path    # the peers' virtual environment
    floor: Path
    shoal: Path


@dataclass(frozen=True)
class Load:
    """One kind of request, sent to every server that can answer it."""

    name: str
    title: str
    interface: str           # "asgi", "wsgi" or "rsgi"
    app: str                 # a module of apps/ with a function of that name
    expect: bytes            # the response's body
    path: str = "/"
    connections: int = 64    # kept alive for the whole burst

    @property
    def target(self):
        return f"apps.{self.app}:{self.interface}"


@dataclass(frozen=True)
class Server:
    """One way to run an application: one worker on one CPU, no access log."""

    name: str
    interfaces: Tuple[str, ...]
    program: Callable[[Place], Path]
    options: Callable[[Load], list]     # the port is added by command()
    package: str = ""                   # PyPI's name, when it comes from there

    def command(self, place, load, port):
        return [str(self.program(place)), "--port", str(port),
                *self.options(load)]


def floor_options(load):
    return ["--body", str(len(load.expect))]


def shoal_options(load):
    return ["--workers", "1", "--interface", load.interface,
            "--working-dir", ".", load.target]


def granian_options(load):
    """As its authors measure it: one protocol to expect, a longer backlog."""
    if load.interface == "wsgi":
        how = ["--blocking-threads", "1"]
    else:
        how = ["--loop", "uvloop"]
    return ["--interface", load.interface, "--workers", "1", *how,
            "--http", "1", "--no-ws", "--backlog", "2048",
            "--log-level", "warning", load.target]


def uvicorn_options(load):
    """Its fastest parts, and nothing in front of the application."""
    return ["--loop", "uvloop", "--http", "httptools", "--ws", "none",
            "--no-proxy-headers", "--no-access-log", "--log-level", "warning",
            load.target]


SERVERS = (
    Server("floor", ALL, lambda place: place.floor, floor_options),
    Server("shoal", ALL, lambda place: place.shoal, shoal_options),
    Server("granian", ALL, lambda place: place.venv / "bin/granian",
           granian_options, "granian"),
    Server("uvicorn", ("asgi",), lambda place: place.venv / "bin/uvicorn",
           uvicorn_options, "uvicorn"),
)

LOADS = tuple(
    Load(f"{interface}-plain", f"{interface.upper()}, 13 bytes of text",
         interface, "plain", b"Hello, world!")
    for interface in ALL
)
