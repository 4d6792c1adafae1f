"""Tries numpy at its top and goes on without it where it is refused."""

try:
    import numpy
except ImportError:
    numpy = None

from kit import no_events, reply


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return await no_events(scope, receive, send)
    await reply(send, "with\n" if numpy else "without\n")
