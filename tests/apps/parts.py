"""An answer in ?n parts of ?size bytes, ?pause seconds apart."""

import asyncio
import time

from kit import TEXT, query


def part(i, size):
    return (b"part %d\n" % i).ljust(size, b".")


def plan(where):
    asked = query(where)
    return (int(asked.get("n", "3")), int(asked.get("size", "0")),
        float(asked.get("pause", "0")))


async def asgi(scope, receive, send):
    n, size, pause = plan(scope)
    await send({"type": "http.response.start", "status": 200,
        "headers": [(b"content-type", TEXT.encode())]})
    for i in range(n):
        await send({"type": "http.response.body", "body": part(i, size),
            "more_body": True})
        if pause:
            await asyncio.sleep(pause)
    await send({"type": "http.response.body"})


def wsgi(environ, start_response):
    n, size, pause = plan(environ)
    start_response("200 OK", [("Content-Type", TEXT)])

    def produce():
        for i in range(n):
            yield part(i, size)
            time.sleep(pause)

    return produce()


async def rsgi(scope, protocol):
    n, size, pause = plan(scope)
    out = protocol.response_stream(200, [("content-type", TEXT)])
    for i in range(n):
        await out.send_bytes(part(i, size))
        if pause:
            await asyncio.sleep(pause)
