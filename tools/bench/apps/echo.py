"""The request's body, back."""

from . import plain


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await plain.lifespan(receive, send)
        return
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    body = b"".join(parts)
    await send({"type": "http.response.start", "status": 200, "headers": [
        (b"content-type", b"application/octet-stream"),
        (b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})


def wsgi(environ, start_response):
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    start_response("200 OK", [("content-type", "application/octet-stream"),
                              ("content-length", str(len(body)))])
    return [body]


async def rsgi(scope, protocol):
    body = await protocol()
    protocol.response_bytes(200, [
        ("content-type", "application/octet-stream"),
        ("content-length", str(len(body)))], body)
