"""Who answered: process, thread, interpreter."""

import json
import os
import sys
import threading

from kit import answer, no_events, reply

try:
    from _interpreters import get_current
except ImportError:
    from _xxsubinterpreters import get_current

calls = 0


def facts():
    global calls
    calls += 1
    number = get_current()
    if isinstance(number, tuple):
        number = number[0]
    thread = threading.current_thread()
    return json.dumps({
        "pid": os.getpid(),
        "ppid": os.getppid(),
        "interpreter": int(number),
        "thread": thread.name,
        "daemon": thread.daemon,
        "native": threading.get_native_id(),
        "ident": threading.get_ident(),
        "python": "%d.%d" % sys.version_info[:2],
        "calls": calls,
        "cpus": sorted(os.sched_getaffinity(0)),
        "switch": sys.getswitchinterval(),
    })


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return await no_events(scope, receive, send)
    await reply(send, facts(), kind="application/json")


def wsgi(environ, start_response):
    return answer(start_response, facts(), kind="application/json")


async def rsgi(scope, protocol):
    protocol.response_str(200, [("content-type", "application/json")],
        facts())
