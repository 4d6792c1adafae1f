"""What gcpause asks: another application, and at /gc what the collector did.

GCWATCH="module:attribute" is served; GCWATCH_HEAP lists are made beside it, and
each request leaves a cycle of 11 objects and 12 others in a cache of 10,000.
The figures are CPU time of the thread that collected, so who else was on the
machine is not in them.
"""

import collections
import gc
import importlib
import json
import os
import time

module, _, interface = os.environ["GCWATCH"].partition(":")
target = getattr(importlib.import_module(module), interface)
heap = [[] for _ in range(int(os.environ.get("GCWATCH_HEAP", "0")))]
cache = collections.deque(maxlen=10_000)
pauses = []
requests = 0


def watch(phase, info, begun=[0]):
    if phase == "start":
        begun[0] = time.thread_time_ns()
    else:
        pauses.append((info["generation"], (time.thread_time_ns() - begun[0]) / 1e6))


gc.callbacks.append(watch)


def figures():
    return json.dumps({"requests": requests, "pauses": pauses}).encode()


def work():
    """What frameworks and their users leave: a cycle, and something in a cache."""
    global requests
    if requests == 0:
        pauses.clear()
    requests += 1
    parts = [{"number": i} for i in range(10)]
    for part in parts:
        part["all"] = parts
    cache.append({"parts": [list(part) for part in parts]})


async def asgi(scope, receive, send):
    if scope["type"] == "http" and scope["path"] == "/gc":
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": figures()})
        return
    if scope["type"] == "http":
        work()
    await target(scope, receive, send)


def wsgi(environ, start_response):
    if environ["PATH_INFO"] == "/gc":
        start_response("200 OK", [])
        return [figures()]
    work()
    return target(environ, start_response)
