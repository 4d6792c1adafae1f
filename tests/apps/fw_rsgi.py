"""An RSGI application without a framework, as large as the others."""

import asyncio
import json
import re
from urllib.parse import parse_qsl

JSON = [("content-type", "application/json")]
TEXT = [("content-type", "text/plain")]
routes = []


def route(method, pattern):
    def add(function):
        routes.append((method, re.compile(pattern + "$"), function))
        return function

    return add


async def rsgi(scope, protocol):
    for method, pattern, function in routes:
        if found := pattern.match(scope.path):
            if method == scope.method:
                return await function(scope, protocol, *found.groups())
            return protocol.response_empty(405, [("allow", method)])
    protocol.response_str(404, TEXT, "missing\n")


@route("GET", "/")
async def root(scope, protocol):
    protocol.response_str(200, TEXT, "rsgi\n")


@route("GET", "/hello/(.+)")
async def hello(scope, protocol, name):
    asked = dict(parse_qsl(scope.query_string))
    protocol.response_str(200, JSON, json.dumps({"name": name,
        "greeting": asked.get("greeting", "Hello")}))


@route("POST", "/form")
async def form(scope, protocol):
    fields = dict(parse_qsl((await protocol()).decode()))
    protocol.response_bytes(200, JSON, json.dumps(fields).encode())


@route("POST", "/json")
async def document(scope, protocol):
    parts = [part async for part in protocol]
    got = json.loads(b"".join(parts))
    protocol.response_str(200, JSON, json.dumps({"got": got}))


@route("GET", "/stream")
async def stream(scope, protocol):
    out = protocol.response_stream(200, TEXT)
    for i in range(5):
        await asyncio.sleep(0.001)
        await out.send_str("line %d\n" % i)


@route("GET", "/cookies")
async def cookies(scope, protocol):
    protocol.response_str(200, TEXT + [("set-cookie", "a=1; Path=/"),
        ("set-cookie", "b=2; Path=/")], "two\n")


@route("GET", "/boom")
async def boom(scope, protocol):
    raise ValueError("boom on purpose")
