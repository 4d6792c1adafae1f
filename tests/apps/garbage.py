"""What the cyclic collector is set to, and garbage that tells when it goes.

GARBAGE=mine: the application has thresholds of its own.
"""

import gc
import json
import os
import weakref

from kit import no_events, reply

if os.environ.get("GARBAGE") == "mine":
    gc.set_threshold(333, 3, 3)


class Knot:
    def __init__(self):
        self.me = self


def note(line):
    with open(os.environ["EVENTS"], "a") as file:
        file.write(line + "\n")


def state():
    return json.dumps({"threshold": gc.get_threshold(),
        "frozen": gc.get_freeze_count() > 1000})


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return await no_events(scope, receive, send)
    if scope["path"] == "/knot":
        knot = Knot()
        weakref.finalize(knot, note, "collected")
        del knot
    await reply(send, state())


def wsgi(environ, start_response):
    start_response("200 OK", [])
    return [state().encode()]
