"""What the small applications share: answers in one line, and the query."""

import os
import time
from urllib.parse import parse_qsl

TEXT = "text/plain; charset=utf-8"


def query(where):
    """The query's fields of a scope or an environ."""
    if isinstance(where, dict):
        raw = where.get("QUERY_STRING", where.get("query_string", ""))
    else:
        raw = where.query_string
    if isinstance(raw, bytes):
        raw = raw.decode("latin-1")
    return dict(parse_qsl(raw, keep_blank_values=True))


async def reply(send, body=b"", status=200, kind=TEXT, headers=()):
    """An ASGI answer in one piece."""
    if isinstance(body, str):
        body = body.encode()
    await send({
        "type": "http.response.start",
        "status": status,
        "headers": [
            (b"content-type", kind.encode()),
            (b"content-length", b"%d" % len(body)),
            *headers,
        ],
    })
    await send({"type": "http.response.body", "body": body})


def answer(start_response, body=b"", status="200 OK", kind=TEXT, headers=()):
    """A WSGI answer in one piece."""
    if isinstance(body, str):
        body = body.encode()
    start_response(status, [
        ("Content-Type", kind),
        ("Content-Length", str(len(body))),
        *headers,
    ])
    return [body]


async def whole(receive):
    """The body of an ASGI request."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the client left")
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def no_events(scope, receive, send):
    """Lifespan for applications that have nothing to start."""
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


def block():
    """Let nothing else run, from now ($GATE.shut is there) until $GATE is there."""
    gate = os.environ["GATE"]
    open(gate + ".shut", "w").close()
    while not os.path.exists(gate):
        time.sleep(0.001)
