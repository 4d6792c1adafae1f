"""A hundred parts of twenty bytes, without a length."""

from . import plain

PART = b"nineteen characters\n"
PARTS = 100
HEADERS = [("content-type", "text/plain")]
ASGI_START = {"type": "http.response.start", "status": 200,
              "headers": [(b"content-type", b"text/plain")]}
ASGI_PART = {"type": "http.response.body", "body": PART, "more_body": True}
ASGI_END = {"type": "http.response.body", "body": b""}


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await plain.lifespan(receive, send)
        return
    await send(ASGI_START)
    for _ in range(PARTS):
        await send(ASGI_PART)
    await send(ASGI_END)


def wsgi(environ, start_response):
    start_response("200 OK", HEADERS)
    return (PART for _ in range(PARTS))


async def rsgi(scope, protocol):
    stream = protocol.response_stream(200, HEADERS)
    for _ in range(PARTS):
        await stream.send_bytes(PART)
