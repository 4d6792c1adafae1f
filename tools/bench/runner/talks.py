"""The loads that are WebSockets, and the servers' ways with them.

In a room what one socket says goes to all of them, and every server has a way
of its own to do that; an echo is the same application everywhere.
"""

from dataclasses import dataclass

from .rows import Server, installed

AT_MOST = 10            # seconds of a burst, for the slow ones


@dataclass(frozen=True)
class Talk:
    """One kind of conversation; wsload.c holds it and checks every message."""

    name: str
    title: str
    app: str             # a module of apps/: "room" or "wsecho"
    sockets: int
    window: int = 1      # messages in flight
    size: int = 128      # of each, bytes
    messages: int = 0    # of a burst; 0: as long as the bursts are
    together: bool = False   # what may be said at once is one write
    interface = "websocket"
    floor = False
    paced = False
    seconds = 1
    unit = "msg"

    def wsload(self, seconds):
        """The arguments of wsload.c."""
        options = {"sockets": self.sockets, "window": self.window,
                   "size": self.size, "messages": self.messages,
                   "seconds": AT_MOST if self.messages else seconds}
        flags = {"--echo": self.app == "wsecho", "--together": self.together}
        return ([f"--{name}={value}" for name, value in options.items()]
                + [name for name, wanted in flags.items() if wanted])


@dataclass(frozen=True)
class Talker(Server):
    """A server's way: an object of each module of apps/ that it knows."""

    objects: tuple = ()      # (module, object)

    def answers(self, load):
        return load.interface == "websocket" and load.app in dict(self.objects)

    def command(self, place, load, port):
        target = f"apps.{load.app}:{dict(self.objects)[load.app]}"
        return [str(self.program(place)), *self.options(target, port)]


def shoal(workers):
    return lambda target, port: [
        "--port", str(port), "--workers", str(workers), "--interface", "asgi",
        "--working-dir", ".", target]


def granian(target, port):
    """RSGI, by 4 % the faster of its interfaces here."""
    return ["--port", str(port), "--interface", "rsgi", "--workers", "1",
            "--loop", "uvloop", "--http", "1", "--backlog", "2048",
            "--log-level", "warning", target]


# The fastest of its three implementations, by a fifth or more.
UVICORN = ["--loop", "uvloop", "--http", "httptools",
           "--ws", "websockets-sansio", "--ws-per-message-deflate", "false",
           "--no-proxy-headers", "--no-access-log", "--log-level", "warning"]


def uvicorn(target, port):
    return ["--port", str(port), *UVICORN, target]


def by_peers(name, *options):
    return lambda target, port: ["peers.py", name, target, str(port),
                                 *options]


def python(place):
    return place.venv / "bin/python"


def talker(name, program, options, objects, package="", **more):
    return Talker(name, ("websocket",), program, options, package,
                  objects=tuple(objects.items()), **more)


SERVERS = (
    talker("shoal", lambda place: place.shoal, shoal(1),
           {"room": "asgi", "wsecho": "asgi"}),
    # On both CPUs, of which the load takes its part.
    talker("shoal-2", lambda place: place.shoal, shoal(2),
           {"room": "asgi"}, workers=2),
    talker("socketify", python, by_peers("socketify"),
           {"room": "socketify", "wsecho": "socketify"}, "socketify"),
    talker("granian", installed("granian"), granian,
           {"room": "rsgi", "wsecho": "rsgi"}, "granian"),
    talker("uvicorn", installed("uvicorn"), uvicorn,
           {"room": "loop", "wsecho": "asgi"}, "uvicorn"),
    talker("uvicorn-redis", python, by_peers("uvicorn-redis", *UVICORN),
           {"room": "redis"}, "redis", needs="redis-server"),
    talker("channels", python,
           by_peers("uvicorn-redis", *UVICORN, "--factory"),
           {"room": "channels_app"}, "channels-redis", needs="redis-server"),
)

LOADS = (
    *(Talk(f"broadcast-{window}", f"messages of 128 bytes to the 1,000 "
           f"sockets of a room, {window} in flight", "room", 1000, window,
           messages=messages)
      for window, messages in ((1, 300), (4, 600), (32, 2400))),
    *(Talk(f"broadcast-{window}-together", f"the same, {window} in flight, "
           "those that may be said at once said by one write", "room", 1000,
           window, messages=messages, together=True)
      for window, messages in ((4, 600), (32, 2400))),
    *(Talk(f"ws-echo-{size}", f"messages of {size} bytes, sent back to each "
           "of 64 sockets", "wsecho", 64, size=size) for size in (64, 1024)),
)
