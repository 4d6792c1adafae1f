"""Imports numpy at its top, so that the refusal comes before ready."""

import numpy

from kit import no_events, reply


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return await no_events(scope, receive, send)
    await reply(send, "%d\n" % int(numpy.arange(10).sum()))
