"""Starlette at work: sessions, uploads, files with ranges, long streams."""

import os

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import (FileResponse, JSONResponse, Response,
    StreamingResponse)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

import tasks


async def login(request):
    async with request.form() as form:
        user = form["user"]
        if tasks.USERS.get(user) != form["password"]:
            return Response(status_code=401)
    request.session["user"] = user
    return Response(status_code=204)


async def me(request):
    if "user" not in request.session:
        return Response(status_code=401)
    return JSONResponse({"user": request.session["user"]})


async def upload(request):
    async with request.form() as form:
        file = form["file"]
        return JSONResponse({"name": file.filename,
            **await tasks.later_digest_of(file.read)})


async def large(request):
    count = int(request.query_params["mb"])
    return StreamingResponse(tasks.later_megabytes(count))


async def file(request):
    return FileResponse(tasks.file_path())


async def patient(request):
    return Response(status_code=504 if await tasks.in_time() else 200)


async def endless(request):
    return StreamingResponse(tasks.later_endless())


async def in_thread(request):
    return JSONResponse(await run_in_threadpool(tasks.sum_up, 1000))


asgi = Starlette(routes=[
    Route("/login", login, methods=["POST"]),
    Route("/me", me),
    Route("/upload", upload, methods=["POST"]),
    Route("/large", large),
    Route("/file", file),
    Route("/patient", patient),
    Route("/endless", endless),
    Route("/thread", in_thread),
    Mount("/static", StaticFiles(directory=os.environ["SITE_DIR"])),
], middleware=[
    Middleware(SessionMiddleware, secret_key="for tests only"),
    Middleware(GZipMiddleware),
])
