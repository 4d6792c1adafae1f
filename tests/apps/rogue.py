"""Applications that break their interface's rules: ?do=NAME."""

from kit import TEXT, answer, no_events, query, reply

HEAD = [(b"content-type", TEXT.encode())]


def start(status=200, headers=HEAD):
    return {"type": "http.response.start", "status": status,
        "headers": headers}


def body(data=b"", more=False):
    return {"type": "http.response.body", "body": data, "more_body": more}


# What is sent, message by message.
ASGI = {
    "status-0": [start(0), body()],
    "status-99": [start(99), body()],
    "status-1000": [start(1000), body()],
    "status-str": [start("200"), body()],
    "status-none": [start(None), body()],
    "status-huge": [start(1 << 70), body()],
    "status-missing": [{"type": "http.response.start"}, body()],
    "status-101": [start(101), body()],
    "header-crlf": [start(200, [(b"x-a", b"b\r\nx-evil: 1")]), body()],
    "header-lf": [start(200, [(b"x-a", b"b\nx-evil: 1")]), body()],
    "header-nul": [start(200, [(b"x-a", b"b\0c")]), body()],
    "header-name": [start(200, [(b"x a", b"b")]), body()],
    "header-empty": [start(200, [(b"", b"b")]), body()],
    "header-str": [start(200, [("x-a", "b")]), body()],
    "header-int": [start(200, [(b"x-a", 5)]), body()],
    "header-triple": [start(200, [(b"x-a", b"b", b"c")]), body()],
    "header-none": [start(200, [None]), body()],
    "headers-none": [start(200, None), body()],
    "length-text": [start(200, [(b"content-length", b"five")]), body()],
    "length-twice": [start(200, [(b"content-length", b"1"),
        (b"content-length", b"2")]), body(b"a")],
    "body-first": [body(b"too early")],
    "start-twice": [start(), start(), body()],
    "type-unknown": [{"type": "http.response.sing"}, start(), body()],
    "type-missing": [{}, start(), body()],
    "not-a-dict": [None, start(), body()],
    "body-str": [start(), body("text")],
    "body-none": [start(), {"type": "http.response.body", "body": None}],
    "more-after-end": [start(), body(b"all"), body(b"more")],
    "unfinished": [start(), body(b"some", True)],
    "length-long": [start(200, HEAD + [(b"content-length", b"10")]),
        body(b"five.")],
    "length-short": [start(200, HEAD + [(b"content-length", b"5")]),
        body(b"five.HTTP/1.1 200 OK\r\n\r\n")],
    "both-framings": [start(200, HEAD + [(b"content-length", b"5"),
        (b"transfer-encoding", b"chunked")]), body(b"five.")],
    "204-body": [start(204), body(b"not allowed")],
    "304-body": [start(304), body(b"not allowed")],
    "no-headers": [{"type": "http.response.start", "status": 200},
        body(b"bare")],
    "own-date": [start(200, HEAD + [(b"date",
        b"Thu, 01 Jan 1970 00:00:00 GMT")]), body(b"dated")],
    "odd-status": [start(299, HEAD), body(b"odd")],
    "bytearray": [start(), body(bytearray(b"arr"), True),
        body(memoryview(b"ay"))],
    "lists": [start(200, [[b"content-type", TEXT.encode()]]),
        body(b"listed")],
    "latin": [start(200, HEAD + [(b"x-latin", b"caf\xe9")]), body(b"ok")],
    "close": [start(200, HEAD + [(b"connection", b"close")]), body(b"bye")],
}


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return await no_events(scope, receive, send)
    name = query(scope)["do"]
    if name == "send-after-return":
        import asyncio

        async def later():
            await asyncio.sleep(0.05)
            await send(body(b"from the grave"))

        asgi.task = asyncio.create_task(later())
        return await reply(send, "fine\n")
    if name == "receive-forever":
        await reply(send, "fine\n")
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    for message in ASGI[name]:
        await send(message)


class Closing:
    """Counts how often its close is called."""

    closed = 0

    def __init__(self, parts):
        self.parts = iter(parts)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.parts)

    def close(self):
        Closing.closed += 1


def failing():
    import sys

    try:
        raise ValueError("caught and told")
    except ValueError:
        return sys.exc_info()


def wsgi(environ, start_response):
    name = query(environ)["do"]
    head = [("Content-Type", TEXT)]
    if name == "none":
        start_response("200 OK", head)
        return None
    if name == "int":
        start_response("200 OK", head)
        return [5]
    if name == "str":
        start_response("200 OK", head)
        return ["text"]
    if name == "a-str":
        start_response("200 OK", head)
        return "text"
    if name == "status-int":
        start_response(200, head)
        return [b"a"]
    if name == "status-text":
        start_response("fine", head)
        return [b"a"]
    if name == "status-crlf":
        start_response("200 OK\r\nX-Evil: 1", head)
        return [b"a"]
    if name == "status-huge":
        start_response("99999 OK", head)
        return [b"a"]
    if name == "header-crlf":
        start_response("200 OK", [("X-A", "b\r\nX-Evil: 1")])
        return [b"a"]
    if name == "header-bytes":
        start_response("200 OK", [(b"X-A", b"b")])
        return [b"a"]
    if name == "header-wide":
        start_response("200 OK", [("X-A", "\u20ac")])
        return [b"a"]
    if name == "header-name":
        start_response("200 OK", [("X A", "b")])
        return [b"a"]
    if name == "headers-none":
        start_response("200 OK", None)
        return [b"a"]
    if name == "hop-by-hop":
        start_response("200 OK", head + [("Transfer-Encoding", "chunked")])
        return [b"a"]
    if name == "twice":
        start_response("200 OK", head)
        start_response("200 OK", head)
        return [b"a"]
    if name == "no-start":
        return [b"a"]
    if name == "exc-before":
        start_response("200 OK", head)
        start_response("501 Told So", head, failing())
        return [b"told\n"]
    if name == "exc-after":
        def produce():
            start_response("200 OK", head)
            yield b"some"
            start_response("500 Oops", head, failing())
            yield b"never"
        return produce()
    if name == "length-long":
        start_response("200 OK", head + [("Content-Length", "10")])
        return [b"five."]
    if name == "length-short":
        start_response("200 OK", head + [("Content-Length", "5")])
        return [b"five.", b"HTTP/1.1 200 OK\r\n\r\n"]
    if name == "204-body":
        start_response("204 No Content", [])
        return [b"not allowed"]
    if name == "304-body":
        start_response("304 Not Modified", [])
        return [b"not allowed"]
    if name == "generator":
        def produce():
            start_response("202 Accepted", head + [("X-A", "b")])
            yield b""
            yield b"made\n"
        return produce()
    if name == "write":
        write = start_response("200 OK", head)
        write(b"one ")
        write(b"two ")
        return [b"three\n"]
    if name == "reason":
        start_response("299 Rather Odd", head)
        return [b"odd\n"]
    if name == "latin":
        start_response("200 OK", head + [("X-Latin", "caf\xe9")])
        return [b"ok\n"]
    if name == "tuple":
        start_response("200 OK", head)
        return (b"one ", b"", b"two\n")
    if name == "closing":
        start_response("200 OK", head)
        return Closing([b"a", b"b\n"])
    if name == "closing-fails":
        start_response("200 OK", head)
        def produce():
            yield b"a"
            raise ValueError("iterating failed")
        return Closing(produce())
    if name == "empty":
        start_response("200 OK", head)
        return []
    if name == "closed":
        return answer(start_response, "%d\n" % Closing.closed)
    raise KeyError(name)


async def rsgi(scope, protocol):
    name = query(scope)["do"]
    head = [("content-type", TEXT)]
    if name == "status-0":
        protocol.response_str(0, head, "a")
    elif name == "status-1000":
        protocol.response_str(1000, head, "a")
    elif name == "status-str":
        protocol.response_str("200", head, "a")
    elif name == "header-crlf":
        protocol.response_str(200, [("x-a", "b\r\nx-evil: 1")], "a")
    elif name == "header-bytes":
        protocol.response_str(200, [(b"x-a", b"b")], "a")
    elif name == "body-bytes":
        protocol.response_str(200, head, b"bytes")
    elif name == "body-str":
        protocol.response_bytes(200, head, "text")
    elif name == "send-str":
        out = protocol.response_stream(200, head)
        await out.send_bytes("text")
    elif name == "twice":
        protocol.response_str(200, head, "first")
        protocol.response_str(200, head, "second")
    elif name == "stream-after":
        protocol.response_str(200, head, "first")
        protocol.response_stream(200, head)
    elif name == "keywords":
        protocol.response_bytes(status=201, headers=head, body=b"made")
    elif name == "defaults":
        protocol.response_str()
    elif name == "empty":
        protocol.response_empty(204, [("x-a", "b")])
    elif name == "204-body":
        protocol.response_str(204, [], "not allowed")
    elif name == "latin":
        protocol.response_str(200, head + [("x-latin", "caf\xe9")], "ok")
    elif name == "read-twice":
        await protocol()
        await protocol()
    elif name == "read-then-iterate":
        await protocol()
        async for part in protocol:
            pass
    elif name == "stream-text":
        out = protocol.response_stream(200, head)
        await out.send_str("\u20ac ")
        await out.send_bytes(b"five")
    elif name == "length-long":
        out = protocol.response_stream(200,
            head + [("content-length", "10")])
        await out.send_bytes(b"five.")
    else:
        raise KeyError(name)
