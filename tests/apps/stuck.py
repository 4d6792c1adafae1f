"""Holds its shard for ?s seconds: a loop in Python, or ?how=sleep."""

import time

from kit import answer, no_events, query, reply


def held_in_python(end):
    while time.monotonic() < end:
        pass


def hold(asked):
    seconds = float(asked.get("s", "2"))
    if asked.get("how") == "sleep":
        time.sleep(seconds)
    else:
        held_in_python(time.monotonic() + seconds)


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return await no_events(scope, receive, send)
    hold(query(scope))
    await reply(send, "free again\n")


def wsgi(environ, start_response):
    hold(query(environ))
    return answer(start_response, "free again\n")
