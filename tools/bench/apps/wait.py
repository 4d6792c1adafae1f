"""Ten milliseconds of waiting, as for a database, then the plain text."""

import asyncio
import time

from . import plain

SECONDS = 0.01


async def asgi(scope, receive, send):
    if scope["type"] == "http":
        await asyncio.sleep(SECONDS)
    await plain.asgi(scope, receive, send)


def wsgi(environ, start_response):
    time.sleep(SECONDS)
    return plain.wsgi(environ, start_response)


async def rsgi(scope, protocol):
    await asyncio.sleep(SECONDS)
    await plain.rsgi(scope, protocol)
