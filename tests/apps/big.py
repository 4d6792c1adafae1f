"""A body of ?size bytes in one piece."""

from kit import answer, query, reply

KIND = "application/octet-stream"


def data(where):
    size = int(query(where).get("size", "1000000"))
    unit = bytes(range(256)) * 256
    return (unit * (size // len(unit) + 1))[:size]


async def asgi(scope, receive, send):
    await reply(send, data(scope), kind=KIND)


def wsgi(environ, start_response):
    return answer(start_response, data(environ), kind=KIND)


async def rsgi(scope, protocol):
    protocol.response_bytes(200, [("content-type", KIND)], data(scope))
