"""A room in several frameworks, each made when it is asked for.

    WebSocket /room     joins it with what the framework has, and says "in"
    GET /events         listens to it as an event stream, where there is one
    GET /say?text=…     tells it, from a synchronous view where there is one
"""

import asyncio
import os

import shoal

NAME = os.environ.get("FRAMEWORK")


async def left(receive):
    """Of a framework that does not end a stream whose client left."""
    while (await receive())["type"] != "http.disconnect":
        pass


def make_starlette():
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse, StreamingResponse
    from starlette.routing import Route, WebSocketRoute

    async def room(ws):
        await ws.accept()
        shoal.join(ws, "room")
        await ws.send_text("in")
        async for _ in ws.iter_text():
            pass

    async def events(request):
        async def stream():
            shoal.join(request, "room")
            yield ": in\n\n"
            await left(request.receive)

        return StreamingResponse(stream(), media_type="text/event-stream")

    def say(request):
        shoal.publish("room", request.query_params["text"])
        return PlainTextResponse("said")

    return Starlette(routes=[WebSocketRoute("/room", room),
        Route("/events", events), Route("/say", say)])


def make_fastapi():
    from fastapi import FastAPI, Request, WebSocket
    from fastapi.responses import StreamingResponse

    app = FastAPI()

    @app.websocket("/room")
    async def room(ws: WebSocket):
        await ws.accept()
        await asyncio.to_thread(shoal.join, ws, "room")
        await ws.send_text("in")
        async for _ in ws.iter_text():
            pass

    @app.get("/events")
    async def events(request: Request):
        async def stream():
            shoal.join(request, "room")
            yield ": in\n\n"
            await left(request.receive)

        return StreamingResponse(stream(), media_type="text/event-stream")

    @app.get("/say")
    def say(text: str):
        shoal.publish("room", text)
        return "said"

    return app


def make_quart():
    from quart import Quart, request, websocket

    app = Quart("rooms")

    @app.websocket("/room")
    async def room():
        await websocket.accept()
        shoal.join(websocket, "room")
        await websocket.send("in")
        while True:
            await websocket.receive()

    @app.get("/events")
    async def events():
        scope = request.scope

        async def stream():
            shoal.join(scope, "room")
            yield ": in\n\n"
            await asyncio.Event().wait()

        response = await app.make_response((stream(), 200,
            {"content-type": "text/event-stream"}))
        response.timeout = None
        return response

    @app.get("/say")
    def say():
        shoal.publish("room", request.args["text"])
        return "said"

    return app


def make_litestar():
    from litestar import Litestar, Request, WebSocket, get, websocket
    from litestar.response import Stream

    @websocket("/room")
    async def room(socket: WebSocket) -> None:
        await socket.accept()
        shoal.join(socket, "room")
        await socket.send_text("in")
        while True:
            await socket.receive_text()

    @get("/events")
    async def events(request: Request) -> Stream:
        async def stream():
            shoal.join(request, "room")
            yield ": in\n\n"
            await left(request.receive)

        return Stream(stream(), media_type="text/event-stream")

    @get("/say", sync_to_thread=True)
    def say(text: str) -> str:
        shoal.publish("room", text)
        return "said"

    return Litestar([room, events, say])


def make_falcon():
    import falcon
    import falcon.asgi

    class Room:
        async def on_websocket(self, req, ws):
            await ws.accept()
            shoal.join(req, "room")
            await ws.send_text("in")
            try:
                while True:
                    await ws.receive_text()
            except falcon.WebSocketDisconnected:
                pass

    class Say:
        async def on_get(self, req, resp):
            shoal.publish("room", req.get_param("text"))
            resp.text = "said"

    app = falcon.asgi.App()
    app.add_route("/room", Room())
    app.add_route("/say", Say())
    return app


def make_channels():
    """Django with Channels, without a channel layer."""
    import django
    from channels.generic.websocket import (AsyncWebsocketConsumer,
        WebsocketConsumer)
    from channels.routing import ProtocolTypeRouter, URLRouter
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.http import HttpResponse, StreamingHttpResponse
    from django.urls import path

    async def events(request):
        async def stream():
            shoal.join(request, "room")
            yield b": in\n\n"
            await asyncio.Event().wait()

        return StreamingHttpResponse(stream(),
            content_type="text/event-stream")

    def say(request):
        shoal.publish("room", request.GET["text"])
        return HttpResponse("said")

    settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__,
        SECRET_KEY="rooms", DEBUG=False)
    globals()["urlpatterns"] = [path("say", say), path("events", events)]
    django.setup()

    class Room(AsyncWebsocketConsumer):
        async def connect(self):
            await self.accept()
            shoal.join(self, "room")
            await self.send("in")

    class SyncRoom(WebsocketConsumer):
        def connect(self):
            self.accept()
            shoal.join(self, "room")
            self.send("in")

    return ProtocolTypeRouter({"http": get_asgi_application(),
        "websocket": URLRouter([path("room", Room.as_asgi()),
        path("sync", SyncRoom.as_asgi())])})


def make_blacksheep():
    from blacksheep import (Application, StreamedContent, Response, WebSocket,
        WebSocketDisconnectError)

    app = Application()

    @app.router.ws("/room")
    async def room(ws: WebSocket):
        await ws.accept()
        shoal.join(ws, "room")
        await ws.send_text("in")
        try:
            while True:
                await ws.receive()
        except WebSocketDisconnectError:
            pass

    @app.router.get("/events")
    async def events(request):
        async def stream():
            shoal.join(request, "room")
            yield b": in\n\n"
            while not await request.is_disconnected():
                await asyncio.sleep(0.05)

        return Response(200, content=StreamedContent(b"text/event-stream",
            stream))

    @app.router.get("/say")
    def say(text: str):
        shoal.publish("room", text)
        return "said"

    return app


def make_emmett():
    """By RSGI, whose transport it keeps for itself."""
    from emmett import App, request, websocket

    app = App("rooms")

    @app.websocket("/room")
    async def room():
        await websocket.accept()
        shoal.join(websocket._proto.transport, "room")
        await websocket.send("in")
        while True:
            await websocket.receive()

    @app.route("/say")
    async def say():
        shoal.publish("room", request.query_params.text)
        return "said"

    return app


def make_flask():
    """A WSGI application in a thread of the ASGI one beside it."""
    from flask import Flask, request
    from starlette.applications import Starlette
    from starlette.middleware.wsgi import WSGIMiddleware
    from starlette.routing import Mount

    flask = Flask("rooms")

    @flask.get("/say")
    def say():
        shoal.publish("room", request.args["text"])
        return "said"

    return Starlette(routes=[*make_starlette().routes[:2],
        Mount("/", WSGIMiddleware(flask))])


if NAME:
    app = globals()["make_" + NAME]()
