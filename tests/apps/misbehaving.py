"""One mistake a row, the same for every interface: ?do=ROW.

A row is status, headers (of str; bytes stand for themselves), body.
/plain is the well-behaved neighbour, /left tells what a reader was told.
"""

import json
import os
import sys

from failing import fail
from kit import TEXT, answer, no_events, query, reply

GOOD = "untouched\n"
KIND = ("content-type", TEXT)
EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"

HEADS = {
    "value-crlf": ("x-a", "b\r\nx-evil: 1"),
    "value-lf": ("x-a", "b\nx-evil: 1"),
    "value-cr": ("x-a", "b\rx-evil: 1"),
    "value-nul": ("x-a", "b\0"),
    "value-del": ("x-a", "b\x7f"),
    "value-split": ("x-a", "b\r\n\r\n" + EVIL.decode()),
    "cookie-crlf": ("set-cookie", "a=b\r\nset-cookie: c=d"),
    "location-crlf": ("location", "/a\r\nx-evil: 1"),
    "name-crlf": ("x-a: b\r\nx-evil", "1"),
    "name-space": ("x a", "b"),
    "name-colon": ("x-a:", "b"),
    "name-empty": ("", "b"),
    "name-nul": ("x-a\0", "b"),
    "name-wide": ("x-\xe9", "b"),
    "length-text": ("content-length", "five"),
    "length-negative": ("content-length", "-5"),
    "length-plus": ("content-length", "+5"),
    "length-hex": ("content-length", "0x5"),
    "length-list": ("content-length", "5, 5"),
    "length-huge": ("content-length", "9223372036854775808"),
    "length-empty": ("content-length", ""),
    "value-int": ("x-a", 5), "value-none": ("x-a", None),
    "value-float": ("x-a", 2.5), "value-list": ("x-a", ["b"]),
    "value-dict": ("x-a", {}), "value-bool": ("x-a", True),
    "value-bytearray": ("x-a", bytearray(b"b")),
    "value-tuple": ("x-a", ("b",)), "value-class": ("x-a", str),
    "name-int": (5, "b"), "name-none": (None, "b"),
    "pair-one": ("x-a",), "pair-three": ("x-a", "b", "c"),
    "pair-none": None, "pair-int": 5,
}
STATUSES = {"status-0": 0, "status-99": 99, "status-100": 100,
    "status-101": 101, "status-103": 103, "status-199": 199,
    "status-1000": 1000, "status-negative": -200, "status-abc": "abc",
    "status-empty": "", "status-none": None, "status-huge": 1 << 70,
    "status-float": 200.0}
REASONS = {"reason-crlf": "200 OK\r\nX-Evil: 1", "reason-nul": "200 a\0b",
    "reason-lf": "200 OK\nX-Evil: 1", "reason-wide": "200 \u20ac",
    "status-bytes": b"200 OK", "status-two": "20 OK", "status-four":
    "2000 OK", "status-glued": "200OK"}
ROWS = {name: (200, [KIND, pair], b"never") for name, pair in HEADS.items()}
ROWS |= {name: (s, [KIND], b"never") for name, s in STATUSES.items()}
ROWS |= {name: (s, [KIND], b"never") for name, s in REASONS.items()}
ROWS |= {
    "headers-none": (200, None, b"never"),
    "headers-int": (200, 5, b"never"),
    "length-twice": (200, [("content-length", "5"),
        ("content-length", "6")], b"never"),
    "head-too-large": (200, [("x-a", "b" * 70000)], b"never"),
    "body-str-in-bytes": (200, [KIND], "str"),
    "body-int": (200, [KIND], 5),
    "body-none": (200, [KIND], None),
    "too-long": (200, [KIND, ("content-length", "5")], b"five." + EVIL),
    "too-short": (200, [KIND, ("content-length", "50")], b"five."),
    "both-framings": (200, [KIND, ("content-length", "5"),
        ("transfer-encoding", "chunked")], b"five."),
    "own-chunks": (200, [KIND, ("transfer-encoding", "chunked")], b"five."),
    "own-gzip": (200, [KIND, ("transfer-encoding", "gzip")], b"five."),
    "hop-by-hop": (200, [KIND, ("connection", "upgrade, x-a"),
        ("upgrade", "h2c"), ("keep-alive", "timeout=9"),
        ("proxy-connection", "close")], b"five."),
    "fine": (200, [KIND], b"five."),
    "204": (204, [], EVIL),
    "204-length": (204, [("content-length", "5")], EVIL),
    "304": (304, [], EVIL),
    "304-length": (304, [("content-length", "5")], EVIL),
    "205": (205, [], EVIL),
}
left = []


def neighbour(path):
    if path == "/forget":
        left.clear()
    return json.dumps(left) if path == "/left" else GOOD


def as_bytes(headers):
    def convert(item):
        return item.encode("latin-1") if isinstance(item, str) else item

    if not isinstance(headers, list):
        return headers
    return [tuple(map(convert, pair)) if isinstance(pair, tuple) else pair
        for pair in headers]


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return await no_events(scope, receive, send)
    if scope["path"] != "/":
        return await reply(send, neighbour(scope["path"]))
    asked = query(scope)
    if asked["do"] == "read":
        left[:] = ["begun"]
        while True:
            message = await receive()
            left.append(message["type"])
            if not message.get("more_body"):
                break
        return await reply(send, "whole")
    if asked["do"] == "fail":
        return await fail_at(asked, send)
    if asked["do"] == "exit":
        os._exit(9)
    if asked["do"] == "silent":
        return
    status, headers, body = ROWS[asked["do"]]
    await send({"type": "http.response.start", "status": status,
        "headers": as_bytes(headers)})
    await send({"type": "http.response.body", "body": body})
    if asked["do"] == "fine":
        await send({"type": "http.response.body", "body": EVIL})


async def fail_at(asked, send):
    if asked["at"] != "before":
        await send({"type": "http.response.start", "status": 200,
            "headers": as_bytes([KIND])})
    if asked["at"] in ("body", "after"):
        await send({"type": "http.response.body", "body": b"some",
            "more_body": asked["at"] == "body"})
    fail(asked["how"])


def wsgi(environ, start_response):
    if environ["PATH_INFO"] != "/":
        return answer(start_response, neighbour(environ["PATH_INFO"]))
    asked = query(environ)
    name = asked["do"]
    if name == "read":
        left[:] = ["begun"]
        try:
            left.append(len(environ["wsgi.input"].read()))
        except OSError as error:
            left.append("OSError")
            raise error
        return answer(start_response, "whole")
    if name == "fail":
        return fail_in(asked, start_response)
    if name == "exit":
        os._exit(9)
    if name == "silent":
        return []
    status, headers, body = ROWS[name]
    if isinstance(status, int) and not name.startswith("status"):
        status = "%d OK" % status
    elif name in STATUSES and isinstance(status, int):
        status = "%d X" % status
    write = start_response(status, headers)
    if name != "fine":
        return [body]

    class Body:
        def __iter__(self):
            return iter([body])

        def close(self):
            write(EVIL)  # which is over with the iterator

    start_response(status, headers + [("content-length", "5")],
        excused())
    return Body()


def excused():
    try:
        raise ValueError
    except ValueError:
        return sys.exc_info()


def fail_in(asked, start_response):
    if asked["at"] == "before":
        fail(asked["how"])
    start_response("200 OK", [KIND])

    class Body:
        def __iter__(self):
            if asked["at"] != "head":
                yield b"some"
            if asked["at"] != "after":
                fail(asked["how"])

        def close(self):
            if asked["at"] == "after":
                fail(asked["how"])

    return Body()


async def rsgi(scope, protocol):
    if scope.path != "/":
        return protocol.response_str(200, [KIND], neighbour(scope.path))
    asked = query(scope)
    name = asked["do"]
    if name == "read":
        left[:] = ["begun"]
        try:
            left.append(len(await protocol()))
        except RuntimeError as error:
            left.append(type(error).__name__)
            raise
        return protocol.response_str(200, [KIND], "whole")
    if name == "fail":
        return await fail_with(asked, protocol)
    if name == "exit":
        os._exit(9)
    if name == "silent":
        return
    status, headers, body = ROWS[name]
    if name in ("too-long", "too-short"):
        out = protocol.response_stream(status, headers)
        return await out.send_bytes(body)
    protocol.response_bytes(status, headers, body)
    if name == "fine":
        protocol.response_bytes(200, [], EVIL)


async def fail_with(asked, protocol):
    if asked["at"] == "after":
        protocol.response_bytes(200, [KIND], b"some")
    elif asked["at"] != "before":
        out = protocol.response_stream(200, [KIND])
        if asked["at"] == "body":
            await out.send_bytes(b"some")
    fail(asked["how"])
