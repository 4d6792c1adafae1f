"""One room: what a socket says, all of them get.

Each server has its own way to do that, named in runner/rows.py.  A socket is
told "ready" when it is in.
"""

import asyncio
import os

from . import plain

READY = {"type": "websocket.send", "text": "ready"}


async def texts(receive):
    """What a socket says, until it leaves."""
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        yield message["text"]


async def enter(receive, send):
    """The handshake."""
    await receive()
    await send({"type": "websocket.accept"})


async def asgi(scope, receive, send):
    """Shoal: the server knows who is in."""
    import shoal

    if scope["type"] == "lifespan":
        await plain.lifespan(receive, send)
        return
    await enter(receive, send)
    shoal.join(scope, "room")
    await send(READY)
    async for text in texts(receive):
        shoal.publish("room", text)


members = set()


async def loop(scope, receive, send):
    """The usual loop over the sockets of this process."""
    if scope["type"] == "lifespan":
        await plain.lifespan(receive, send)
        return
    await enter(receive, send)
    members.add(send)
    try:
        await send(READY)
        async for text in texts(receive):
            message = {"type": "websocket.send", "text": text}
            for member in tuple(members):
                await member(message)
    finally:
        members.discard(send)


async def rsgi(scope, protocol):
    """The same for RSGI."""
    transport = await protocol.accept()
    members.add(transport)
    try:
        await transport.send_str("ready")
        while True:
            message = await transport.receive()
            if message.kind == 0:
                return
            for member in tuple(members):
                await member.send_str(message.data)
    finally:
        members.discard(transport)


class Redis:
    """The usual way over more than one process: each subscribes once."""

    def __init__(self):
        self.listener = None

    async def start(self):
        import redis.asyncio

        self.client = redis.asyncio.Redis(port=int(os.environ["REDIS_PORT"]))
        self.pubsub = self.client.pubsub(ignore_subscribe_messages=True)
        await self.pubsub.subscribe("room")
        self.listener = asyncio.create_task(self.listen())

    async def listen(self):
        async for event in self.pubsub.listen():
            message = {"type": "websocket.send",
                       "text": event["data"].decode()}
            for member in tuple(members):
                await member(message)

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            await self.start()
            await plain.lifespan(receive, send)
            return
        await enter(receive, send)
        members.add(send)
        try:
            await send(READY)
            async for text in texts(receive):
                await self.client.publish("room", text)
        finally:
            members.discard(send)


redis = Redis()


def channels_app():
    """Django Channels with its Redis layer."""
    import django
    from django.conf import settings

    settings.configure(
        CHANNEL_LAYERS={"default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {"hosts": [
                ("127.0.0.1", int(os.environ["REDIS_PORT"]))]}}})
    django.setup()

    from channels.generic.websocket import AsyncWebsocketConsumer
    from channels.routing import ProtocolTypeRouter

    class Room(AsyncWebsocketConsumer):
        groups = ["room"]

        async def connect(self):
            await self.accept()
            await self.send("ready")

        async def receive(self, text_data=None, bytes_data=None):
            await self.channel_layer.group_send(
                "room", {"type": "room.message", "text": text_data})

        async def room_message(self, event):
            await self.send(event["text"])

    return ProtocolTypeRouter({"websocket": Room.as_asgi()})


def socketify(port):
    """socketify: uWebSockets knows who is in, and publishes."""
    from socketify import App, OpCode

    def opened(ws):
        ws.subscribe("room")
        ws.send("ready", OpCode.TEXT)

    def came(ws, message, opcode):
        ws.publish("room", message, OpCode.TEXT)

    app = App()
    app.ws("/*", {"open": opened, "message": came,
                  "max_backpressure": 1 << 20})
    app.listen({"port": port, "host": "127.0.0.1"}, lambda config: None)
    app.run()
