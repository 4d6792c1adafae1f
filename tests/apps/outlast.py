"""What should still happen at the end: threads, atexit, logging.

Writes to $EVENTS.  GET /thread starts a thread that needs ?s seconds,
/daemon a daemon thread that never ends, /task an asyncio task likewise.
"""

import asyncio
import atexit
import logging
import os
import threading
import time

from kit import answer, query, reply

FILE = os.environ["EVENTS"]
log = logging.getLogger("outlast")
handler = logging.FileHandler(FILE, delay=True)
handler.setFormatter(logging.Formatter("logged %(message)s"))
log.addHandler(handler)
log.setLevel(logging.INFO)
tasks = set()


def note(line):
    with open(FILE, "a") as out:
        out.write(line + "\n")


@atexit.register
def goodbye():
    note("atexit")
    log.info("at exit")


def lasting(seconds):
    time.sleep(seconds)
    note("thread done")


async def forever():
    try:
        await asyncio.sleep(1000)
    except asyncio.CancelledError:
        note("task cancelled")
        raise


def start(path, asked):
    if path == "/thread":
        seconds = float(asked.get("s", "1"))
        thread = threading.Thread(target=lasting, args=(seconds,))
        thread.start()
        return "daemon %s\n" % thread.daemon
    if path == "/daemon":
        threading.Thread(target=time.sleep, args=(1000,),
            daemon=True).start()
    if path == "/log":
        log.info("a line")
    return "started\n"


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise ValueError("no lifespan here")
    if scope["path"] == "/task":
        tasks.add(asyncio.create_task(forever()))
        await asyncio.sleep(0)
    await reply(send, start(scope["path"], query(scope)))


def wsgi(environ, start_response):
    text = start(environ["PATH_INFO"], query(environ))
    return answer(start_response, text)
