"""WebSockets; the path says what is done.  GET /seen tells what was seen.

    /echo       accepts with ?sub and ?header, sends back what comes
    /close      accepts, closes with ?code and ?reason, then goes on as /try
    /refuse     closes before it accepts
    /deny       answers with ?status in ?parts
    /early      waits for GET /note?text=go, then as /echo
    /eager      receives before it accepts, and sends that back
    /raise      raises ?when: before or after it accepted
    /return     the same without an exception
    /still      accepts, and then waits for one message
    /flood      accepts, sends ?n messages of ?size bytes, as fast as it may
    /deaf       accepts, and receives only after GET /note?text=go%20id
    /bad        sends messages that cannot be, and says what was raised
    /scope      sends its scope
"""

import asyncio
import json
import os

from kit import no_events, query, reply

seen = []
sent = [0]


def note(scope, text):
    line = "%s %s" % (query(scope).get("id", scope["path"]), text)
    seen.append(line)
    if "EVENTS" in os.environ:
        with open(os.environ["EVENTS"], "a") as out:
            out.write(line + "\n")


async def accept(scope, receive, send):
    message = await receive()
    assert message == {"type": "websocket.connect"}, message
    asked = query(scope)
    message = {"type": "websocket.accept"}
    if "sub" in asked:
        message["subprotocol"] = asked["sub"]
    if "header" in asked:
        name, _, value = asked["header"].partition(":")
        message["headers"] = [(name.encode(), value.encode("latin-1"))]
    await send(message)


async def echo(scope, receive, send):
    await accept(scope, receive, send)
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            note(scope, "%s %s" % (message["code"], message["reason"]))
            await attempt(scope, send)
            return
        assert message["type"] == "websocket.receive", message
        del message["type"]
        assert len(message) == 1, message
        await send({"type": "websocket.send", **message})


async def attempt(scope, send):
    """Sends to what is closed."""
    try:
        await send({"type": "websocket.send", "text": "too late"})
        note(scope, "no error")
    except OSError:
        note(scope, "OSError")


async def close(scope, receive, send):
    await accept(scope, receive, send)
    asked = query(scope)
    message = {"type": "websocket.close"}
    if "code" in asked:
        message["code"] = int(asked["code"])
    if "reason" in asked:
        message["reason"] = asked["reason"]
    await send(message)
    await attempt(scope, send)
    message = await receive()
    note(scope, "%s %s" % (message["type"], message["code"]))


async def refuse(scope, receive, send):
    await receive()
    await send({"type": "websocket.close", "code": 4000})
    await attempt(scope, send)
    note(scope, (await receive())["type"])


async def deny(scope, receive, send):
    await receive()
    asked = query(scope)
    parts = int(asked.get("parts", 1))
    await send({"type": "websocket.http.response.start",
        "status": int(asked["status"]),
        "headers": [(b"x-why", b"because")]})
    for i in range(parts):
        await send({"type": "websocket.http.response.body",
            "body": b"part %d\n" % i, "more_body": i < parts - 1})


async def early(scope, receive, send):
    while "go" not in seen:
        await asyncio.sleep(0.01)
    await echo(scope, receive, send)


async def eager(scope, receive, send):
    await receive()
    first = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": (await first)["text"]})


async def fail(scope, receive, send):
    if query(scope)["when"] == "after":
        await accept(scope, receive, send)
    raise RuntimeError("on purpose")


async def come_back(scope, receive, send):
    if query(scope)["when"] == "after":
        await accept(scope, receive, send)


async def still(scope, receive, send):
    await accept(scope, receive, send)
    message = await receive()
    note(scope, "%s %s" % (message["type"], message.get("code")))


async def flood(scope, receive, send):
    await accept(scope, receive, send)
    asked = query(scope)
    data = b"x" * int(asked["size"])
    for i in range(int(asked["n"])):
        await send({"type": "websocket.send", "bytes": data})
        sent[0] = i + 1
    await send({"type": "websocket.close"})


async def deaf(scope, receive, send):
    await accept(scope, receive, send)
    while "go " + query(scope)["id"] not in seen:
        await asyncio.sleep(0.01)
    total = count = 0
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            note(scope, "%d %d %d" % (count, total, message["code"]))
            return
        total += len(message["bytes"])
        count += 1


BAD = [
    {"type": "websocket.send"},
    {"type": "websocket.send", "text": None, "bytes": None},
    {"type": "websocket.send", "text": b"bytes"},
    {"type": "websocket.send", "bytes": "text"},
    {"type": "websocket.send", "text": "\ud800"},
    {"type": "websocket.accept"},
    {"type": "websocket.close", "code": 1005},
    {"type": "websocket.close", "code": 1006},
    {"type": "websocket.close", "code": 1015},
    {"type": "websocket.close", "code": 999},
    {"type": "websocket.close", "code": 5000},
    {"type": "websocket.close", "code": 1 << 70},
    {"type": "websocket.close", "code": "1000"},
    {"type": "websocket.close", "reason": "x" * 124},
    {"type": "websocket.close", "reason": b"bytes"},
    {"type": "http.response.start", "status": 200},
    {"type": "nonsense"},
    {},
    None,
]


async def bad(scope, receive, send):
    got = []
    before = [{"type": "websocket.send", "text": "early"},
        {"type": "websocket.accept", "subprotocol": "not-offered"},
        {"type": "websocket.accept", "subprotocol": b"a"},
        {"type": "websocket.accept", "headers": [(b"a", b"b\r\nc")]},
        {"type": "websocket.accept",
            "headers": [(b"Sec-WebSocket-Protocol", b"a")]},
        {"type": "websocket.accept", "headers": 5}]
    await receive()
    for message in before:
        try:
            await send(message)
            got.append("none")
        except Exception as error:
            got.append(type(error).__name__)
    await send({"type": "websocket.accept"})
    for message in BAD:
        try:
            await send(message)
            got.append("none")
        except Exception as error:
            got.append(type(error).__name__)
    await send({"type": "websocket.send", "text": " ".join(got)})


async def show_scope(scope, receive, send):
    await accept(scope, receive, send)
    shown = dict(scope, headers=len(scope["headers"]))
    shown["shoal.connection"] = type(shown["shoal.connection"]).__name__
    for key in ("raw_path", "query_string"):
        shown[key] = shown[key].decode()
    await send({"type": "websocket.send", "text": json.dumps(shown)})


async def answer(scope, receive, send):
    if scope["path"] == "/note":
        seen.append(query(scope)["text"])
    await reply(send, json.dumps({"seen": seen, "sent": sent[0]}))


PATHS = {
    "/echo": echo, "/close": close, "/refuse": refuse, "/deny": deny,
    "/early": early, "/eager": eager, "/raise": fail,
    "/return": come_back, "/still": still,
    "/flood": flood, "/deaf": deaf, "/bad": bad, "/scope": show_scope,
}


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await no_events(scope, receive, send)
    elif scope["type"] == "http":
        await answer(scope, receive, send)
    else:
        await PATHS[scope["path"]](scope, receive, send)
