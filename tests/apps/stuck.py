"""Holds its shard for ?s seconds: a loop in Python, or ?how=sleep, or ?how=late,
where the signal that asks for the stack gets through after half of the time.
"""

import signal
import time

from kit import answer, no_events, query, reply


def held_in_python(end):
    while time.monotonic() < end:
        pass


def held_in_python_late(seconds):
    asks = {signal.SIGRTMAX - 3}
    signal.pthread_sigmask(signal.SIG_BLOCK, asks)
    time.sleep(seconds / 2)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, asks)
    held_in_python(time.monotonic() + seconds / 2)


def hold(asked):
    seconds = float(asked.get("s", "2"))
    if asked.get("how") == "late":
        return held_in_python_late(seconds)
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
