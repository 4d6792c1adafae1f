"""A small JSON document, made for each request."""

import json

from . import plain


def made():
    return json.dumps({"message": "Hello, world!", "list": [1, 2, 3],
                       "ok": True}).encode()


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await plain.lifespan(receive, send)
        return
    body = made()
    await send({"type": "http.response.start", "status": 200, "headers": [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})


def wsgi(environ, start_response):
    body = made()
    start_response("200 OK", [("content-type", "application/json"),
                              ("content-length", str(len(body)))])
    return [body]


async def rsgi(scope, protocol):
    body = made()
    protocol.response_bytes(200, [("content-type", "application/json"),
                                  ("content-length", str(len(body)))], body)
