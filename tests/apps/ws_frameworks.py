"""The same WebSockets in several frameworks, each made when it is asked for.

    /echo       the subprotocol "chat" if it is offered; sends back what comes
    /close      closes with 4001 and a reason
    /boom       raises after it accepted
    /refuse     refuses the handshake
"""

import json
import os

NAME = os.environ.get("FRAMEWORK")
left = []


def make_starlette():
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route, WebSocketRoute
    from starlette.websockets import WebSocketDisconnect

    async def echo(ws):
        offered = ws.scope["subprotocols"]
        await ws.accept("chat" if "chat" in offered else None)
        try:
            while True:
                message = await ws.receive()
                if message["type"] == "websocket.disconnect":
                    raise WebSocketDisconnect(message["code"],
                        message["reason"])
                if "text" in message:
                    await ws.send_text(message["text"])
                else:
                    await ws.send_bytes(message["bytes"])
        except WebSocketDisconnect as error:
            left.append([error.code, error.reason])

    async def close(ws):
        await ws.accept()
        await ws.close(4001, "enough")

    async def boom(ws):
        await ws.accept()
        raise RuntimeError("on purpose")

    async def refuse(ws):
        await ws.close()

    async def seen(request):
        return JSONResponse(left)

    return Starlette(routes=[WebSocketRoute("/echo", echo),
        WebSocketRoute("/close", close), WebSocketRoute("/boom", boom),
        WebSocketRoute("/refuse", refuse), Route("/left", seen)])


def make_fastapi():
    from fastapi import (FastAPI, WebSocket, WebSocketDisconnect,
        WebSocketException)

    app = FastAPI()

    @app.websocket("/echo")
    async def echo(ws: WebSocket):
        offered = ws.scope["subprotocols"]
        await ws.accept("chat" if "chat" in offered else None)
        try:
            while True:
                message = await ws.receive()
                ws._raise_on_disconnect(message)
                if "text" in message:
                    await ws.send_text(message["text"])
                else:
                    await ws.send_bytes(message["bytes"])
        except WebSocketDisconnect as error:
            left.append([error.code, error.reason])

    @app.websocket("/close")
    async def close(ws: WebSocket):
        await ws.accept()
        raise WebSocketException(4001, "enough")

    @app.websocket("/boom")
    async def boom(ws: WebSocket):
        await ws.accept()
        raise RuntimeError("on purpose")

    @app.websocket("/refuse")
    async def refuse(ws: WebSocket):
        raise WebSocketException(1008)

    @app.get("/left")
    async def seen():
        return left

    return app


def make_quart():
    import asyncio

    from quart import Quart, abort, websocket

    app = Quart("ws_frameworks")

    @app.websocket("/echo")
    async def echo():
        offered = websocket.requested_subprotocols
        await websocket.accept(
            subprotocol="chat" if "chat" in offered else None)
        try:
            while True:
                await websocket.send(await websocket.receive())
        except asyncio.CancelledError:
            left.append(None)
            raise

    @app.websocket("/close")
    async def close():
        await websocket.accept()
        await websocket.close(4001, "enough")

    @app.websocket("/boom")
    async def boom():
        await websocket.accept()
        raise RuntimeError("on purpose")

    @app.websocket("/refuse")
    async def refuse():
        abort(403)

    @app.get("/left")
    async def seen():
        return json.dumps(left)

    return app


def make_litestar():
    from litestar import Litestar, WebSocket, get, websocket
    from litestar.exceptions import (NotAuthorizedException,
        WebSocketDisconnect)

    @websocket("/echo")
    async def echo(socket: WebSocket) -> None:
        offered = socket.scope["subprotocols"]
        await socket.accept("chat" if "chat" in offered else None)
        try:
            while True:
                message = await socket.receive()
                if message["type"] == "websocket.disconnect":
                    raise WebSocketDisconnect(code=message["code"],
                        detail=message["reason"])
                if message.get("text") is not None:
                    await socket.send_text(message["text"])
                else:
                    await socket.send_bytes(message["bytes"])
        except WebSocketDisconnect as error:
            left.append([error.code, error.detail])

    @websocket("/close")
    async def close(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close(4001, "enough")

    @websocket("/boom")
    async def boom(socket: WebSocket) -> None:
        await socket.accept()
        raise RuntimeError("on purpose")

    @websocket("/refuse")
    async def refuse(socket: WebSocket) -> None:
        raise NotAuthorizedException

    @get("/left")
    async def seen() -> list:
        return left

    return Litestar([echo, close, boom, refuse, seen])


def make_falcon():
    import falcon
    import falcon.asgi

    class Echo:
        async def on_websocket(self, req, ws):
            await ws.accept("chat" if "chat" in ws.subprotocols else None)
            try:
                while True:
                    message = await ws._receive()
                    if message["type"] == "websocket.disconnect":
                        raise falcon.WebSocketDisconnected(message["code"])
                    if message.get("text") is not None:
                        await ws.send_text(message["text"])
                    else:
                        await ws.send_data(message["bytes"])
            except falcon.WebSocketDisconnected as error:
                left.append([error.code])

        async def on_get(self, req, resp):
            resp.media = left

    class Close:
        async def on_websocket(self, req, ws):
            await ws.accept()
            await ws.close(4001, "enough")

    class Boom:
        async def on_websocket(self, req, ws):
            await ws.accept()
            raise RuntimeError("on purpose")

    class Refuse:
        async def on_websocket(self, req, ws):
            raise falcon.HTTPForbidden

    app = falcon.asgi.App()
    app.add_route("/echo", Echo())
    app.add_route("/left", Echo())
    app.add_route("/close", Close())
    app.add_route("/boom", Boom())
    app.add_route("/refuse", Refuse())
    return app


def make_blacksheep():
    from blacksheep import Application, WebSocket, WebSocketDisconnectError, json

    app = Application()

    @app.router.ws("/echo")
    async def echo(ws: WebSocket):
        offered = ws.scope["subprotocols"]
        await ws.accept(subprotocol="chat" if "chat" in offered else None)
        try:
            while True:
                message = await ws.receive()
                if message.get("text") is not None:
                    await ws.send_text(message["text"])
                else:
                    await ws.send_bytes(message["bytes"])
        except WebSocketDisconnectError as error:
            left.append([error.code])

    @app.router.ws("/close")
    async def close(ws: WebSocket):
        await ws.accept()
        await ws.close(4001, "enough")

    @app.router.ws("/boom")
    async def boom(ws: WebSocket):
        await ws.accept()
        raise RuntimeError("on purpose")

    @app.router.ws("/refuse")
    async def refuse(ws: WebSocket):
        await ws.close()

    @app.router.get("/left")
    async def seen():
        return json(left)

    return app


def make_channels():
    import django
    from channels.exceptions import DenyConnection
    from channels.generic.websocket import AsyncWebsocketConsumer
    from channels.routing import ProtocolTypeRouter, URLRouter
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.http import JsonResponse
    from django.urls import path

    settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__,
        SECRET_KEY="sockets", DEBUG=False)
    globals()["urlpatterns"] = [
        path("left", lambda request: JsonResponse(left, safe=False))]
    django.setup()

    class Echo(AsyncWebsocketConsumer):
        async def connect(self):
            offered = self.scope["subprotocols"]
            await self.accept("chat" if "chat" in offered else None)

        async def receive(self, text_data=None, bytes_data=None):
            await self.send(text_data, bytes_data)

        async def disconnect(self, code):
            left.append([code])

    class Close(AsyncWebsocketConsumer):
        async def connect(self):
            await self.accept()
            await self.close(4001, "enough")

    class Boom(AsyncWebsocketConsumer):
        async def connect(self):
            await self.accept()
            raise RuntimeError("on purpose")

    class Refuse(AsyncWebsocketConsumer):
        async def connect(self):
            raise DenyConnection

    return ProtocolTypeRouter({"http": get_asgi_application(),
        "websocket": URLRouter([path(one.__name__.lower(), one.as_asgi())
            for one in (Echo, Close, Boom, Refuse)])})


def make_emmett():
    """By RSGI, with which it has no codes and chooses no subprotocol."""
    from emmett import App, response, websocket
    from emmett.http import HTTPResponse

    app = App(__name__)

    @app.websocket("/echo")
    async def echo():
        await websocket.accept()
        try:
            while True:
                await websocket.send(await websocket.receive())
        finally:
            left.append(None)

    @app.websocket("/close")
    async def close():
        await websocket.accept()

    @app.websocket("/boom")
    async def boom():
        await websocket.accept()
        raise RuntimeError("on purpose")

    @app.websocket("/refuse")
    async def refuse():
        raise HTTPResponse(403)

    @app.route("/left")
    async def seen():
        response.content_type = "application/json"
        return json.dumps(left)

    return app


if NAME:
    app = globals()["make_" + NAME]()
