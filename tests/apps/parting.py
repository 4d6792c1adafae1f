"""Who goes on between the client's leaving and the word of it.

The path is what is done, in steps until somebody asked for /go, and without
end after that: /start, /body (started before), /accept, /deny, /ws (accepted
before). /block lets nothing else run until $GATE, /told tells what was raised.
"""

import asyncio
import json

from kit import TEXT, block, no_events, reply

gone_on = False
told = {}


async def until_it_goes_on():
    while not gone_on:
        await asyncio.sleep(0)


def common(path):
    """The answer of what waits for nothing; None: it is not of these."""
    global gone_on
    if path == "/block":
        block()
    elif path == "/go":
        gone_on = True
    return {"/block": "ok", "/go": "ok", "/told": json.dumps(told)}.get(path)


async def without_end(path, send, *args):
    """Not for ever: whoever is never told may not hang the test."""
    try:
        for _ in range(100000):
            await send(*args)
        told[path] = "nothing"
    except Exception as error:
        told[path] = "%s: %s" % (type(error).__name__, error)


START = {"type": "http.response.start", "status": 200,
    "headers": [(b"content-type", TEXT.encode())]}
MESSAGES = {
    "/start": START,
    "/body": {"type": "http.response.body", "body": b"x", "more_body": True},
    "/accept": {"type": "websocket.accept"},
    "/deny": {**START, "type": "websocket.http.response.start"},
    "/ws": {"type": "websocket.send", "text": "x"},
}


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return await no_events(scope, receive, send)
    path = scope["path"]
    answer = common(path)
    if answer is not None:
        return await reply(send, answer)
    before = {"/body": "/start", "/ws": "/accept"}.get(path)
    if before:
        await send(MESSAGES[before])
    await until_it_goes_on()
    await without_end(path, send, MESSAGES[path])


async def rsgi(scope, protocol):
    path = scope.path
    answer = common(path)
    headers = [("content-type", TEXT)]
    if answer is not None:
        protocol.response_str(200, headers, answer)
    elif path == "/body":
        transport = protocol.response_stream(200, headers)
        await until_it_goes_on()
        await without_end(path, transport.send_str, "x")
    elif path == "/start":
        await until_it_goes_on()
        transport = protocol.response_stream(200, headers)
        await without_end(path, transport.send_bytes, b"x")
    elif path == "/ws":
        transport = await protocol.accept()
        await until_it_goes_on()
        await without_end(path, transport.send_str, "x")
    else:
        await until_it_goes_on()
        await without_end(path, protocol.accept if path == "/accept" else
            deny(protocol))


def deny(protocol):
    async def close():
        protocol.close(403)
    return close
