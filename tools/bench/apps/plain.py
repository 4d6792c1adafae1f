"""Thirteen bytes of text with two headers, in the three interfaces."""

BODY = b"Hello, world!"
ASGI_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"text/plain"),
        (b"content-length", b"13"),
    ],
}
ASGI_BODY = {"type": "http.response.body", "body": BODY}
HEADERS = [("content-type", "text/plain"), ("content-length", "13")]


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    await send(ASGI_START)
    await send(ASGI_BODY)


async def lifespan(receive, send):
    while True:
        event = (await receive())["type"]
        await send({"type": event + ".complete"})
        if event == "lifespan.shutdown":
            return


def wsgi(environ, start_response):
    start_response("200 OK", HEADERS)
    return [BODY]


async def rsgi(scope, protocol):
    protocol.response_bytes(200, HEADERS, BODY)
