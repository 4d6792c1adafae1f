"""Ten KiB in one piece."""

from . import plain

BODY = (plain.BODY * 800)[:10240]
HEADERS = [("content-type", "text/plain"), ("content-length", str(len(BODY)))]
ASGI_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(name.encode(), value.encode()) for name, value in HEADERS],
}
ASGI_BODY = {"type": "http.response.body", "body": BODY}


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await plain.lifespan(receive, send)
        return
    await send(ASGI_START)
    await send(ASGI_BODY)


def wsgi(environ, start_response):
    start_response("200 OK", HEADERS)
    return [BODY]


async def rsgi(scope, protocol):
    protocol.response_bytes(200, HEADERS, BODY)
