"""A WebSocket's messages, back; first it is told "ready"."""

from . import plain


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await plain.lifespan(receive, send)
        return
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": "ready"})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        await send({"type": "websocket.send", "text": message["text"]})


async def rsgi(scope, protocol):
    transport = await protocol.accept()
    await transport.send_str("ready")
    while True:
        message = await transport.receive()
        if message.kind == 0:
            return
        await transport.send_str(message.data)


def socketify(port):
    from socketify import App, OpCode

    app = App()
    app.ws("/*", {"open": lambda ws: ws.send("ready", OpCode.TEXT),
                  "message": lambda ws, message, opcode:
                  ws.send(message, OpCode.TEXT)})
    app.listen({"port": port, "host": "127.0.0.1"}, lambda config: None)
    app.run()
