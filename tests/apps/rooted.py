"""What ties itself to the task that the loop runs until it is complete.

/thread tells the thread of anyio's that start-up had, and the one that this
request has; /cancel cancels every task but its own, which is none of ours.
"""

import asyncio
import threading

import anyio.to_thread

from kit import TEXT, reply

at_start = None


async def work():
    """Where anyio runs what blocks."""
    return await anyio.to_thread.run_sync(threading.get_native_id)


async def start(scope, receive, send):
    global at_start
    await receive()
    at_start = await work()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    assert at_start == await work()
    await send({"type": "lifespan.shutdown.complete"})


async def told(path):
    if path == "/cancel":
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)
    return f"{at_start} {await work()}"


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return await start(scope, receive, send)
    await reply(send, await told(scope["path"]))


async def rsgi(scope, protocol):
    protocol.response_str(200, [("content-type", TEXT)], await told(scope.path))
