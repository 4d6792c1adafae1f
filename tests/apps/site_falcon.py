"""Falcon at work, WSGI and ASGI: cookies, uploads, static files, streams."""

import asyncio
import os

import falcon
import falcon.asgi

import tasks


class Login:
    def check(self, form, response):
        if tasks.USERS.get(form["user"]) != form["password"]:
            raise falcon.HTTPUnauthorized
        response.set_cookie("user", form["user"], secure=False)
        response.status = falcon.HTTP_204

    def on_post(self, request, response):
        self.check(request.get_media(), response)


class AsyncLogin(Login):
    async def on_post(self, request, response):
        self.check(await request.get_media(), response)


class Me:
    def on_get(self, request, response):
        if "user" not in request.cookies:
            raise falcon.HTTPUnauthorized
        response.media = {"user": request.cookies["user"]}


class AsyncMe(Me):
    async def on_get(self, request, response):
        super().on_get(request, response)


class Upload:
    def on_post(self, request, response):
        for part in request.get_media():
            if part.name == "file":
                response.media = {"name": part.filename,
                    **tasks.digest_of(part.stream)}


class AsyncUpload:
    async def on_post(self, request, response):
        async for part in await request.get_media():
            if part.name == "file":
                response.media = {"name": part.filename,
                    **await tasks.later_digest_of(part.stream.read)}


class Large:
    def on_get(self, request, response):
        response.stream = tasks.megabytes(request.get_param_as_int("mb"))


class AsyncLarge:
    async def on_get(self, request, response):
        response.stream = tasks.later_megabytes(
            request.get_param_as_int("mb"))


class Endless:
    def on_get(self, request, response):
        response.stream = tasks.endless()


class AsyncEndless:
    async def on_get(self, request, response):
        response.stream = tasks.later_endless()


class AsyncPatient:
    async def on_get(self, request, response):
        response.status = 504 if await tasks.in_time() else 200


class AsyncThread:
    async def on_get(self, request, response):
        response.media = await asyncio.to_thread(tasks.sum_up, 1000)


def routed(app, **resources):
    for name, resource in resources.items():
        app.add_route("/" + name, resource)
    app.add_static_route("/static", os.environ["SITE_DIR"])
    return app


wsgi = routed(falcon.App(), login=Login(), me=Me(), upload=Upload(),
    large=Large(), endless=Endless())
asgi = routed(falcon.asgi.App(), login=AsyncLogin(), me=AsyncMe(),
    upload=AsyncUpload(), large=AsyncLarge(), endless=AsyncEndless(),
    patient=AsyncPatient(), thread=AsyncThread())
