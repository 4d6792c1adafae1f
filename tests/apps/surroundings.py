"""What the application sees of its interpreter and its request."""

import asyncio
import json
import os
import sys

from kit import answer, no_events, reply


def interpreter():
    return {
        "executable": sys.executable,
        "argv": sys.argv,
        "path": sys.path,
        "prefix": sys.prefix,
        "base_prefix": sys.base_prefix,
        "version": "%d.%d" % sys.version_info[:2],
        "cwd": os.getcwd(),
        "name": __name__,
        "utf8": sys.getfilesystemencoding(),
        "flags": {"optimize": sys.flags.optimize},
        "environ": {k: v for k, v in os.environ.items()
            if k.startswith("TEST_")},
    }


def plain(value):
    if isinstance(value, bytes):
        return {"bytes": value.decode("latin-1")}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    return "%s" % type(value).__name__


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return await no_events(scope, receive, send)
    if scope["path"] == "/interpreter":
        told = interpreter()
        told["loop"] = [c.__name__ for c in
            type(asyncio.get_running_loop()).__mro__]
    else:
        told = plain(scope)
    await reply(send, json.dumps(told), kind="application/json")


def wsgi(environ, start_response):
    if environ["PATH_INFO"] == "/interpreter":
        told = interpreter()
    else:
        told = plain(environ)
    return answer(start_response, json.dumps(told),
        kind="application/json")


NAMES = ("proto", "rsgi_version", "http_version", "server", "client",
    "scheme", "method", "path", "query_string", "authority")


async def rsgi(scope, protocol):
    if scope.path == "/interpreter":
        told = interpreter()
    else:
        told = {name: getattr(scope, name) for name in NAMES}
        headers = scope.headers
        told["headers"] = {
            "keys": list(headers.keys()),
            "values": list(headers.values()),
            "items": [list(pair) for pair in headers.items()],
            "iter": list(headers),
            "len": len(headers),
            "x-twice": headers.get("X-Twice"),
            "x-twice all": headers.get_all("x-twice"),
            "none": headers.get("x-none"),
            "default": headers.get("x-none", "default"),
            "in": "HOST" in headers,
            "not in": "x-none" in headers,
            "item": headers["x-Twice"] if "x-twice" in headers else None,
        }
        try:
            headers["x-none"]
        except KeyError:
            told["headers"]["missing"] = "KeyError"
    protocol.response_str(200, [("content-type", "application/json")],
        json.dumps(told))
