"""Takes what the machine has only so many of, until it is told to stop."""

import asyncio
import os

from kit import no_events, query, reply


async def eat(path):
    """Every descriptor that the process may have, while <path> exists."""
    eaten = []
    try:
        while True:
            eaten.append(os.dup(2))
    except OSError:
        pass
    os.unlink(path + ".hungry")
    while os.path.exists(path):
        await asyncio.sleep(0.02)
    for fd in eaten:
        os.close(fd)
    return len(eaten)


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return await no_events(scope, receive, send)
    if scope["path"] == "/eat":
        count = await eat(query(scope)["path"])
        return await reply(send, "%d\n" % count)
    await reply(send, "here\n")
