"""Shoal's example: a plain ASGI application, without a framework.

    GET /             a chat, between people on all shards
    /chat/ROOM        its WebSocket; ?name
    POST /say/ROOM    the same for curl: the body is said by ?name
    GET /shards       a page that shows live which shard answers
    GET /api/whoami   who answered, as JSON; ?close ends the connection
    GET /api/slow     the same after ?s seconds (1, at most 10)
    GET /stream       text that comes line by line
    POST /api/echo    the body, back

Every shard imports this file for itself: what stands here exists once a shard.
"""

import asyncio
import json
import os
import pathlib
import platform
import sys
import threading
import time
from urllib.parse import parse_qsl, unquote

import shoal

try:
    from _interpreters import get_current
except ImportError:  # Python 3.12
    from _xxsubinterpreters import get_current

CHAT = pathlib.Path(__file__).with_name("chat.html").read_bytes()
SHARDS = pathlib.Path(__file__).with_name("shards.html").read_bytes()
STARTED = time.time()
BODY_LIMIT = 1 << 20
TEXT_LIMIT = 2000

served = 0


def interpreter():
    """This interpreter's number; 0 is the main one of a process."""
    number = get_current()
    return int(number[0] if isinstance(number, tuple) else number)


def whoami(scope):
    """Who answers, and what it has done so far."""
    own = interpreter()
    client = scope.get("client")
    return {
        "shard": f"{os.getpid()}/{own}",
        "pid": os.getpid(),
        "thread": threading.current_thread().name,
        "thread_id": threading.get_native_id(),
        "interpreter": own,
        "isolation": "interp" if own else "process",
        "python": platform.python_version(),
        "requests": served,
        "uptime": round(time.time() - STARTED, 1),
        "cpus": sorted(os.sched_getaffinity(0)),
        "client": f"{client[0]}:{client[1]}" if client else None,
        "http": scope["http_version"],
    }


async def answer(send, body, kind="application/json", status=200, headers=()):
    """Send a response in one piece."""
    if not isinstance(body, bytes):
        body = (json.dumps(body) + "\n").encode()
    await send({
        "type": "http.response.start",
        "status": status,
        "headers": [
            (b"content-type", kind.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
            *headers,
        ],
    })
    await send({"type": "http.response.body", "body": body})


async def chat_page(scope, receive, send, asked):
    await answer(send, CHAT, "text/html; charset=utf-8")


async def shards_page(scope, receive, send, asked):
    await answer(send, SHARDS, "text/html; charset=utf-8")


async def api_whoami(scope, receive, send, asked):
    # A new connection may come to another shard: the page asks for that.
    headers = [(b"connection", b"close")] if "close" in asked else []
    await answer(send, whoami(scope), headers=headers)


async def api_slow(scope, receive, send, asked):
    try:
        seconds = min(max(float(asked.get("s", "1")), 0), 10)
    except ValueError:
        seconds = 1
    await asyncio.sleep(seconds)
    await answer(send, whoami(scope) | {"slept": seconds})


async def api_echo(scope, receive, send, asked):
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > BODY_LIMIT:
            return await answer(send, {"error": "too large"}, status=413)
        if not message.get("more_body"):
            break
    await answer(send, b"".join(parts), "application/octet-stream")


async def lines(count, pause):
    """What /stream says."""
    me = threading.current_thread().name
    for i in range(count):
        yield f"line {i + 1} of {count} from {me} ({os.getpid()})\n"
        await asyncio.sleep(pause)


async def stream(scope, receive, send, asked):
    await send({
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"content-type", b"text/plain; charset=utf-8"),
                    (b"cache-control", b"no-store")],
    })
    async for line in lines(20, 0.15):
        await send({"type": "http.response.body", "body": line.encode(), "more_body": True})
    await send({"type": "http.response.body"})


ROUTES = {
    ("GET", "/"): chat_page,
    ("GET", "/shards"): shards_page,
    ("GET", "/api/whoami"): api_whoami,
    ("GET", "/api/slow"): api_slow,
    ("POST", "/api/echo"): api_echo,
    ("GET", "/stream"): stream,
}


async def http(scope, receive, send):
    """Find the route and count the request."""
    global served
    served += 1
    method = "GET" if scope["method"] == "HEAD" else scope["method"]
    path = scope["path"]
    asked = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    route = ROUTES.get((method, path))
    if method == "POST" and path.startswith("/say/"):
        route = say
    if route:
        return await route(scope, receive, send, asked)
    allowed = [known for known, where in ROUTES if where == path]
    if allowed:
        return await answer(send, {"error": "method not allowed"}, status=405,
                            headers=[(b"allow", ", ".join(allowed).encode())])
    await answer(send, {"error": "not found", "path": path}, status=404)


# ---- the chat -------------------------------------------------------------

def tell(room, kind, name, text=""):
    """Publish to everybody in a room, whatever their shard."""
    shoal.publish("chat:" + room, json.dumps({
        "kind": kind, "name": name, "text": text[:TEXT_LIMIT],
        "shard": threading.current_thread().name}))


async def chat(scope, receive, send):
    """One person in one room.

    What others say does not pass through here: having joined, the server
    sends it to the socket itself.
    """
    room = unquote(scope["path"].removeprefix("/chat/"))
    asked = dict(parse_qsl(scope["query_string"].decode("latin-1")))
    name = asked.get("name", "somebody")[:24]
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": json.dumps(
        whoami(scope) | {"kind": "welcome", "shard": threading.current_thread().name})})
    shoal.join(scope, "chat:" + room)
    tell(room, "join", name)
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text"):
            tell(room, "say", name, message["text"])
    tell(room, "leave", name)


async def say(scope, receive, send, asked):
    """Anything may publish: here a request of curl's."""
    text = (await receive())["body"].decode(errors="replace")
    room = unquote(scope["path"].removeprefix("/say/"))
    tell(room, "say", asked.get("name", "curl"), text)
    await answer(send, {"said": text})


# ---- the application ------------------------------------------------------

async def lifespan(receive, send):
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            print(f"demo: {threading.current_thread().name} of process {os.getpid()} is up, "
                  f"interpreter {interpreter()}", file=sys.stderr, flush=True)
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "http":
        await http(scope, receive, send)
    elif scope["type"] == "websocket" and scope["path"].startswith("/chat/"):
        await chat(scope, receive, send)
