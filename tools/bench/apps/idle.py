"""Connections that wait; for tools/bench/idle.

    GET /kept   answers, and the connection stays
    /accepted   accepts, and waits for a message
    /joined     joins the room besides
    GET /heap   collects garbage, and prints its process and what Python's
                allocator has
    GET /say    tells the room
"""

import gc
import os
import sys

import shoal


async def wait(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    if scope["path"] == "/joined":
        shoal.join(scope, "room")
    await receive()


async def answer(scope, send):
    if scope["path"] == "/heap":
        gc.collect()
        print("heap of", os.getpid(), file=sys.stderr, flush=True)
        sys._debugmallocstats()
    elif scope["path"] == "/say":
        shoal.publish("room", "hello")
    await send({"type": "http.response.start", "status": 204})
    await send({"type": "http.response.body"})


async def asgi(scope, receive, send):
    if scope["type"] == "websocket":
        await wait(scope, receive, send)
    elif scope["type"] == "http":
        await answer(scope, send)
    else:
        raise NotImplementedError(scope["type"])
