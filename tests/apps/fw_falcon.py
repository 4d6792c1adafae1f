"""Falcon, as a WSGI and as an ASGI application."""

import asyncio

import falcon
import falcon.asgi


class Base:
    def on_get(self, request, response):
        response.content_type = "text/plain"
        response.text = "falcon\n"


class Hello:
    def on_get(self, request, response, name):
        response.media = {"name": name,
            "greeting": request.get_param("greeting", default="Hello")}


class Form:
    def on_post(self, request, response):
        response.media = request.get_media()


class Document:
    def on_post(self, request, response):
        response.media = {"got": request.get_media()}


class Stream:
    def on_get(self, request, response):
        response.content_type = "text/plain"
        response.stream = (b"line %d\n" % i for i in range(5))


class Cookies:
    def on_get(self, request, response):
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        response.content_type = "text/plain"
        response.text = "two\n"


class Boom:
    def on_get(self, request, response):
        raise ValueError("boom on purpose")


class AsyncBase(Base):
    async def on_get(self, request, response):
        super().on_get(request, response)


class AsyncHello(Hello):
    async def on_get(self, request, response, name):
        super().on_get(request, response, name)


class AsyncForm:
    async def on_post(self, request, response):
        response.media = await request.get_media()


class AsyncDocument:
    async def on_post(self, request, response):
        response.media = {"got": await request.get_media()}


class AsyncStream:
    async def on_get(self, request, response):
        async def lines():
            for i in range(5):
                await asyncio.sleep(0.001)
                yield b"line %d\n" % i

        response.content_type = "text/plain"
        response.stream = lines()


class AsyncCookies(Cookies):
    async def on_get(self, request, response):
        super().on_get(request, response)


class AsyncBoom(Boom):
    async def on_get(self, request, response):
        super().on_get(request, response)


def routed(app, *resources):
    for path, resource in zip(("/", "/hello/{name}", "/form", "/json",
            "/stream", "/cookies", "/boom"), resources, strict=True):
        app.add_route(path, resource)
    return app


wsgi = routed(falcon.App(), Base(), Hello(), Form(), Document(), Stream(),
    Cookies(), Boom())
asgi = routed(falcon.asgi.App(), AsyncBase(), AsyncHello(), AsyncForm(),
    AsyncDocument(), AsyncStream(), AsyncCookies(), AsyncBoom())
