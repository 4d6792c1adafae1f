"""A large body that is one object: / in one piece, /parts in three.

/refs tells how many references there are to it, /text (RSGI) sends a str.
"""

import sys

from kit import TEXT, no_events, reply

BODY = bytes(range(256)) * 32768
WORDS = "größer " * 20000


def refs():
    return "%d %d" % (sys.getrefcount(BODY), sys.getrefcount(WORDS))


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return await no_events(scope, receive, send)
    if scope["path"] == "/refs":
        return await reply(send, refs())
    if scope["path"] == "/":
        return await reply(send, BODY)
    await send({"type": "http.response.start", "status": 200})
    for part in range(3):
        await send({"type": "http.response.body", "body": BODY, "more_body": part < 2})


async def rsgi(scope, protocol):
    headers = [("content-type", TEXT)]
    if scope.path == "/refs":
        protocol.response_str(200, headers, refs())
    elif scope.path == "/":
        protocol.response_bytes(200, headers, BODY)
    elif scope.path == "/text":
        protocol.response_str(200, headers, WORDS)
    else:
        transport = protocol.response_stream(200, headers)
        for _ in range(3):
            await transport.send_bytes(BODY)
