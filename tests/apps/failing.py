"""Raises what ?how names, ?at before, head or body; ?at=silent answers not."""

from kit import TEXT, query


class Custom(BaseException):
    pass


def fail(how):
    if how == "exit":
        raise SystemExit(7)
    raise {
        "value": ValueError,
        "keyboard": KeyboardInterrupt,
        "generator": GeneratorExit,
        "base": Custom,
    }[how]("failing on purpose")


async def asgi(scope, receive, send):
    asked = query(scope)
    at, how = asked.get("at", "before"), asked.get("how", "value")
    if at == "silent":
        return
    if at != "before":
        await send({"type": "http.response.start", "status": 200,
            "headers": [(b"content-type", TEXT.encode())]})
    if at == "body":
        await send({"type": "http.response.body", "body": b"some",
            "more_body": True})
    if at == "after":
        await send({"type": "http.response.body", "body": b"all"})
    fail(how)


def wsgi(environ, start_response):
    asked = query(environ)
    at, how = asked.get("at", "before"), asked.get("how", "value")
    if at == "silent":
        return []
    if at != "before":
        start_response("200 OK", [("Content-Type", TEXT)])
    if at == "body":
        def produce():
            yield b"some"
            fail(how)
        return produce()
    if at == "after":
        class Body:
            def __iter__(self):
                return iter([b"all"])

            def close(self):
                fail(how)
        return Body()
    fail(how)


async def rsgi(scope, protocol):
    asked = query(scope)
    at, how = asked.get("at", "before"), asked.get("how", "value")
    if at == "silent":
        return
    if at in ("head", "body"):
        out = protocol.response_stream(200, [("content-type", TEXT)])
    if at == "body":
        await out.send_bytes(b"some")
    if at == "after":
        protocol.response_str(200, [("content-type", TEXT)], "all")
    fail(how)
