"""An answer after ?s seconds; writes begin and end to $EVENTS.

With ?after the ASGI application goes on so long when it has answered, with
?stop it stops the event loop first.
"""

import asyncio
import os
import time

from kit import TEXT, answer, no_events, query, reply


def note(line):
    if path := os.environ.get("EVENTS"):
        with open(path, "a") as out:
            out.write(line + "\n")


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return await no_events(scope, receive, send)
    note("begin")
    if "stop" in query(scope):
        asyncio.get_running_loop().stop()
    try:
        await asyncio.sleep(float(query(scope).get("s", "0.1")))
    except asyncio.CancelledError:
        note("cancelled")
        raise
    await reply(send, "slow\n")
    if "after" in query(scope):
        await asyncio.sleep(float(query(scope)["after"]))
    note("end")


def wsgi(environ, start_response):
    note("begin")
    time.sleep(float(query(environ).get("s", "0.1")))
    note("end")
    return answer(start_response, "slow\n")


async def rsgi(scope, protocol):
    note("begin")
    await asyncio.sleep(float(query(scope).get("s", "0.1")))
    protocol.response_str(200, [("content-type", TEXT)], "slow\n")
    note("end")
