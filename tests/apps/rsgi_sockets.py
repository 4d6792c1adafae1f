"""RSGI's WebSockets; the path says what is done.  GET /seen tells what was.

    /echo       accepts with ?sub and ?header, sends back what comes
    /close      accepts, closes with ?code and ?reason, then tries to send
    /refuse     closes with the HTTP ?status before it accepts
    /raise      raises ?when: before or after it accepted
    /return     the same without an exception
    /ways       everything that is an error; says what was raised
    /cancel     cancels a receive, then goes on as /echo
    /flood      sends ?n messages of ?size bytes
    /scope      sends its scope
"""

import asyncio
import json

from granian.rsgi import ProtocolClosed, ProtocolError, WebsocketMessageType
from kit import query

seen = []
sent = [0]


def note(scope, text):
    seen.append("%s %s" % (query(scope).get("id", scope.path), text))


async def accept(scope, protocol):
    asked = query(scope)
    more = {}
    if "sub" in asked:
        more["subprotocol"] = asked["sub"]
    if "header" in asked:
        name, _, value = asked["header"].partition(":")
        more["headers"] = [(name, value)]
    return await protocol.accept(**more)


async def echo(scope, protocol):
    transport = await accept(scope, protocol)
    while True:
        message = await transport.receive()
        if message.kind == WebsocketMessageType.close:
            assert not hasattr(message, "data")
            note(scope, "%d %s" % (message.code, message.reason))
            break
        assert not hasattr(message, "code")
        if message.kind == WebsocketMessageType.string:
            await transport.send_str(message.data)
        else:
            assert message.kind == WebsocketMessageType.bytes
            await transport.send_bytes(message.data)
    note(scope, await error_of(transport.receive))
    note(scope, await error_of(transport.send_str, "late"))


async def error_of(call, *args, **named):
    try:
        got = call(*args, **named)
        if got is not None:
            await got
        return "none"
    except (ProtocolError, ProtocolClosed) as error:
        return {ProtocolError: "Error", ProtocolClosed: "Closed"}[type(error)]
    except Exception as error:
        return type(error).__name__


async def close(scope, protocol):
    transport = await accept(scope, protocol)
    asked = query(scope)
    if "code" in asked:
        asked["code"] = int(asked["code"])
    ident = asked.pop("id")
    assert protocol.close(**asked) is None
    seen.append(ident + " " + await error_of(transport.send_str, "late"))
    message = await transport.receive()
    seen.append("%s %d %d" % (ident, message.kind, message.code))
    seen.append(ident + " " + await error_of(transport.receive))


async def refuse(scope, protocol):
    status = query(scope).get("status")
    for bad in 4001, 99, "403", 1 << 70:
        assert await error_of(protocol.close, bad) == "ValueError"
    assert protocol.close(*([int(status)] if status else [])) is None
    assert await error_of(protocol.close) == "Error"
    assert await error_of(protocol.accept) == "Error"


async def fail(scope, protocol):
    if query(scope)["when"] == "after":
        await accept(scope, protocol)
    raise RuntimeError("on purpose")


async def come_back(scope, protocol):
    if query(scope)["when"] == "after":
        await accept(scope, protocol)


async def ways(scope, protocol):
    got = [
        await error_of(protocol.accept, "not-offered"),
        await error_of(protocol.accept, 5),
        await error_of(protocol.accept, headers=[("a", "b\r\nc")]),
        await error_of(protocol.accept,
            headers=[("Sec-WebSocket-Accept", "a")]),
        await error_of(protocol.accept, nonsense=1),
    ]
    transport = await protocol.accept()
    first = asyncio.ensure_future(transport.receive())
    await asyncio.sleep(0)
    got += [
        await error_of(protocol.accept),
        await error_of(transport.receive),
        await error_of(transport.send_str, b"bytes"),
        await error_of(transport.send_bytes, "text"),
        await error_of(transport.send_str, "\ud800"),
        await error_of(protocol.close, code=1005),
        await error_of(protocol.close, code=1006),
        await error_of(protocol.close, code=1015),
        await error_of(protocol.close, code="1000"),
        await error_of(protocol.close, reason="x" * 124),
        await error_of(protocol.close, reason=b"bytes"),
        await error_of(await_in_thread, transport),
    ]
    await transport.send_str(" ".join(got))
    assert (await first).data == "go on"


async def await_in_thread(transport):
    await asyncio.to_thread(transport.send_str, "from a thread")


async def cancel(scope, protocol):
    transport = await accept(scope, protocol)
    for _ in range(3):
        try:
            await asyncio.wait_for(transport.receive(), 0.001)
        except TimeoutError:
            pass
    await transport.send_str("cancelled")
    await transport.send_str((await transport.receive()).data)


async def flood(scope, protocol):
    transport = await accept(scope, protocol)
    asked = query(scope)
    data = b"x" * int(asked["size"])
    for i in range(int(asked["n"])):
        await transport.send_bytes(data)
        sent[0] = i + 1


async def show_scope(scope, protocol):
    transport = await accept(scope, protocol)
    names = ("proto", "rsgi_version", "http_version", "server", "client",
        "scheme", "method", "path", "query_string", "authority")
    await transport.send_str(json.dumps({name: getattr(scope, name)
        for name in names} | {"headers": sorted(scope.headers.keys())}))


PATHS = {
    "/echo": echo, "/close": close, "/refuse": refuse, "/raise": fail,
    "/return": come_back, "/ways": ways, "/cancel": cancel, "/flood": flood,
    "/scope": show_scope,
}


async def rsgi(scope, protocol):
    if scope.proto == "ws":
        await PATHS[scope.path](scope, protocol)
    else:
        protocol.response_str(200, [("content-type", "text/plain")],
            json.dumps({"seen": seen, "sent": sent[0]}))
