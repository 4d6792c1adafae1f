"""Imports numpy in the first request that needs it, and adds."""

from kit import no_events, reply


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return await no_events(scope, receive, send)
    if scope["path"] != "/sum":
        return await reply(send, "no numpy\n")
    import numpy

    total = int(numpy.arange(10).sum())
    await reply(send, "%d\n" % total)
