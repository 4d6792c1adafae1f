"""The request's body back: whole, or as it comes with ?live."""

from kit import answer, query, reply, whole

KIND = "application/octet-stream"


async def asgi(scope, receive, send):
    if "live" not in query(scope):
        return await reply(send, await whole(receive), kind=KIND)
    await send({"type": "http.response.start", "status": 200,
        "headers": [(b"content-type", KIND.encode())]})
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        more = message.get("more_body", False)
        await send({"type": "http.response.body",
            "body": message.get("body", b""), "more_body": more})


def wsgi(environ, start_response):
    body = environ["wsgi.input"]
    if "live" not in query(environ):
        parts = []
        while part := body.read(10000):
            parts.append(part)
        return answer(start_response, b"".join(parts), kind=KIND)
    start_response("200 OK", [("Content-Type", KIND)])
    return iter(lambda: body.read(16384), b"")


async def rsgi(scope, protocol):
    if "live" not in query(scope):
        body = await protocol()
        protocol.response_bytes(200, [("content-type", KIND)], body)
        return
    out = protocol.response_stream(200, [("content-type", KIND)])
    async for part in protocol:
        if part:
            await out.send_bytes(part)
