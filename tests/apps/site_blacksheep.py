"""BlackSheep at work: sessions, uploads, files, long streams."""

import asyncio
import io

from blacksheep import (Application, Content, FromForm, Request, Response,
    StreamedContent, json)
from blacksheep.server.responses import ContentDispositionType, file

import tasks

asgi = Application()
asgi.use_sessions("for tests only")
route = asgi.router


@route.get("/")
async def root():
    return Response(200, content=Content(b"text/plain", b"blacksheep\n"))


@route.post("/login")
async def login(request: Request):
    form = await request.form()
    if tasks.USERS.get(form["user"]) != form["password"]:
        return Response(401)
    request.session["user"] = form["user"]
    return Response(204)


@route.get("/me")
async def me(request: Request):
    user = request.session.get("user")
    return json({"user": user}) if user else Response(401)


@route.post("/upload")
async def upload(request: Request):
    files = await request.files("file")
    return json({"name": files[0].file_name.decode(),
        **tasks.digest_of(io.BytesIO(files[0].data))})


@route.get("/large")
async def large(mb: int):
    async def parts():
        async for part in tasks.later_megabytes(mb):
            yield part

    return Response(200, content=StreamedContent(
        b"application/octet-stream", parts))


@route.get("/file")
async def whole_file():
    return file(tasks.file_path(), "application/octet-stream",
        file_name="file.bin",
        content_disposition=ContentDispositionType.ATTACHMENT)


@route.get("/patient")
async def patient():
    return Response(504 if await tasks.in_time() else 200)


@route.get("/endless")
async def endless():
    return Response(200, content=StreamedContent(
        b"text/plain", tasks.later_endless))


@route.get("/thread")
async def in_thread():
    return json(await asyncio.to_thread(tasks.sum_up, 1000))
