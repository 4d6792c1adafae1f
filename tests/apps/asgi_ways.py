"""ASGI beyond the usual: /NAME?…, each a function below.

What happens after an answer is noted, and /notes tells it.
"""

import asyncio
import json
import os

from kit import TEXT, no_events, query, reply

HEAD = [(b"content-type", TEXT.encode())]
START = {"type": "http.response.start", "status": 200, "headers": HEAD}
notes = {}


def body(data=b"", more=False):
    return {"type": "http.response.body", "body": data, "more_body": more}


def error_of(error):
    return "%s: %s" % (type(error).__name__, error)


async def raised_by(awaitable_of, *args):
    try:
        await awaitable_of(*args)
    except Exception as error:
        return error_of(error)
    return "sent"


async def extensions(scope, receive, send, ask):
    await reply(send, json.dumps(sorted(scope["extensions"])))


# Files

async def path(scope, receive, send, ask):
    headers = HEAD + ([(b"content-length", ask["length"].encode())]
        if "length" in ask else [])
    await send(START | {"headers": headers})
    if "before" in ask:
        await send(body(b"before ", True))
    await send({"type": "http.response.pathsend", "path": ask["path"]})
    notes["after"] = await raised_by(send, body(b"after"))


async def zero(scope, receive, send, ask):
    await send(START)
    with open(ask["path"], "rb") as file:
        file.seek(int(ask.get("seek", "0")))
        message = {"type": "http.response.zerocopysend", "file": file,
            "more_body": True}
        for name in ("offset", "count"):
            if name in ask:
                message[name] = int(ask[name]) if ask[name] else None
        await send(message)
        await send(body(b"|", True))
        if "again" in ask:
            await send(message)
    await send(body())


async def bad_files(scope, receive, send, ask):
    """What each message that cannot be raises."""
    await send(START)
    told = {}
    read, write = os.pipe()
    with open(__file__, "rb") as file:
        for name, message in {
            "path missing": {"type": "http.response.pathsend"},
            "path bytes": {"type": "http.response.pathsend",
                "path": b"/etc/passwd"},
            "path relative": {"type": "http.response.pathsend", "path": "a"},
            "path none": {"type": "http.response.pathsend",
                "path": "/no/such/file"},
            "path directory": {"type": "http.response.pathsend",
                "path": "/etc"},
            "path nul": {"type": "http.response.pathsend", "path": "/a\0b"},
            "file missing": {"type": "http.response.zerocopysend"},
            "file none": {"type": "http.response.zerocopysend",
                "file": None},
            "file closed": {"type": "http.response.zerocopysend",
                "file": 9999},
            "file pipe": {"type": "http.response.zerocopysend",
                "file": read},
            "offset": {"type": "http.response.zerocopysend", "file": file,
                "offset": -1},
            "count": {"type": "http.response.zerocopysend", "file": file,
                "count": "5"},
        }.items():
            told[name] = await raised_by(send, message)
    os.close(read)
    os.close(write)
    await send(body(json.dumps(told).encode()))


# Trailers and hints

async def trailers(scope, receive, send, ask):
    headers = HEAD + ([(b"content-length", b"4")] if "length" in ask else [])
    await send(START | {"headers": headers, "trailers": True})
    told = [await raised_by(send, {"type": "http.response.trailers"})]
    if "data" in ask:
        await send(body(ask["data"].encode()))
    else:
        await send({"type": "http.response.pathsend", "path": ask["path"]})
    told.append(await raised_by(send, body(b"more")))
    for pair in ((b"content-length", b"5"), (b"x a", b"b"),
            (b"x-a", b"b\r\nx-evil: 1"), ("x-a", "b"),
            (b"set-cookie", b"a=b")):
        told.append(await raised_by(send, {"type": "http.response.trailers",
            "headers": [pair]}))
    await send({"type": "http.response.trailers", "headers": [(b"X-A", b"1")],
        "more_trailers": True})
    await send({"type": "http.response.trailers",
        "headers": [(b"x-b", b"2")]})
    told.append(await raised_by(send, {"type": "http.response.trailers"}))
    notes["trailers"] = told


async def unpromised(scope, receive, send, ask):
    await send(START)
    notes["unpromised"] = await raised_by(send,
        {"type": "http.response.trailers", "headers": []})
    await send(body(b"fine"))


async def forgotten(scope, receive, send, ask):
    """Trailers promised and never sent."""
    await send(START | {"trailers": True})
    await send(body(b"all"))


async def hints(scope, receive, send, ask):
    hint = {"type": "http.response.early_hint",
        "links": [b"</a.css>; rel=preload", b"</b.js>; rel=preload"]}
    told = []
    for links in ([b"a\r\nx-evil: 1"], ["a"], 5, None):
        told.append(await raised_by(send, hint | {"links": links}))
    told.append(await raised_by(send, {"type": "http.response.early_hint"}))
    await send(hint)
    await send(hint | {"links": (link for link in [b"</c>"])})
    await send(START)
    told.append(await raised_by(send, hint))
    await send(body(json.dumps(told).encode()))


async def many_hints(scope, receive, send, ask):
    for _ in range(20000):
        await send({"type": "http.response.early_hint",
            "links": [b"</" + b"a" * 1000 + b">"]})
    await reply(send, "hinted\n")


# Messages

async def bad(scope, receive, send, ask):
    """The text that each wrong message raises, before the response."""
    told = {}
    for name, message in {
        "no dict": 5, "no type": {}, "unknown": {"type": "http.sing"},
        "early": body(b"x"), "status": START | {"status": "200"},
        "header": START | {"headers": [(b"x-a", 5)]},
        "value": START | {"headers": [(b"x-a", b"\n")]},
        "triple": START | {"headers": [(b"a", b"b", b"c")]},
        "headers": START | {"headers": 5},
    }.items():
        told[name] = await raised_by(send, message)
    await send(START)
    told["twice"] = await raised_by(send, START)
    told["body"] = await raised_by(send, body("text"))
    await send(body(json.dumps(told).encode()))
    notes["end"] = await raised_by(send, body(b"more"))


async def nested(scope, receive, send, ask):
    """A message whose evaluation sends another one."""
    class Sly:
        def __bool__(self):
            try:
                send(body(b"sly"))
            except Exception as error:
                notes["sly"] = error_of(error)
            return False

    def headers():
        try:
            send(START)
        except Exception as error:
            notes["headers"] = error_of(error)
        yield from HEAD

    await send(START | {"headers": headers()})
    await send({"type": "http.response.body", "body": b"told\n",
        "more_body": Sly()})


async def head_first(scope, receive, send, ask):
    """The head, then nothing until /notes was asked for twice."""
    await send(START)
    notes["waits"] = asyncio.Event()
    await notes["waits"].wait()
    await send(body(b"late"))


async def go_on(scope, receive, send, ask):
    notes.pop("waits").set()
    await reply(send, "set")


async def disconnect(scope, receive, send, ask):
    """What receive() gives before, while and after an answer is sent."""
    told = [(await receive())["type"]]
    task = asyncio.ensure_future(receive())
    await asyncio.sleep(0.05)
    told.append(task.done())
    await send(START)
    await send(body(b"some", True))
    await asyncio.sleep(0.05)
    told.append(task.done())
    await send(body())
    told.append((await task)["type"])
    told.append((await receive())["type"])
    notes["disconnect"] = told


async def after_left(scope, receive, send, ask):
    await receive()
    notes["begun"] = True
    notes["left"] = (await receive())["type"]
    notes["send"] = await raised_by(send, START)
    notes["again"] = (await receive())["type"]


async def state(scope, receive, send, ask):
    scope["state"]["request"] = scope["state"].get("request", 0) + 1
    scope["state"]["shared"].append(1)
    await reply(send, json.dumps(scope["state"]))


async def tell(scope, receive, send, ask):
    await reply(send, json.dumps(notes, default=str))


async def clear(scope, receive, send, ask):
    notes.clear()
    await reply(send, "")


WAYS = {f.__name__.replace("_", "-"): f for f in (extensions, path, zero,
    bad_files, trailers, unpromised, forgotten, hints, many_hints, bad, nested,
    head_first, go_on, disconnect, after_left, state, clear)}
WAYS["notes"] = tell


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        scope["state"]["shared"] = []
        return await no_events(scope, receive, send)
    await WAYS[scope["path"][1:]](scope, receive, send, query(scope))


class Single:
    """An ASGI 3 application that is a class, awaited when it was made."""

    def __init__(self, scope, receive, send):
        self.work = reply(send, "double %s\n" % scope["path"])

    def __await__(self):
        return self.work.__await__()


class Double:
    """An ASGI 2 application: called twice, first with the scope."""

    def __init__(self, scope):
        self.scope = scope

    async def __call__(self, receive, send):
        await reply(send, "double %s\n" % self.scope["path"])


def double(scope):
    async def instance(receive, send):
        await reply(send, "double %s\n" % scope["path"])

    return instance
