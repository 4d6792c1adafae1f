"""Starlette: async and sync endpoints, streaming, lifespan with state."""

import asyncio
import contextlib

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import (JSONResponse, PlainTextResponse,
    StreamingResponse)
from starlette.routing import Route

done = []


async def root(request):
    return PlainTextResponse("starlette\n")


async def hello(request):
    return JSONResponse({"name": request.path_params["name"],
        "greeting": request.query_params.get("greeting", "Hello")})


async def form(request):
    async with request.form() as fields:
        return JSONResponse(dict(fields))


async def document(request):
    return JSONResponse({"got": await request.json()})


async def stream(request):
    async def lines():
        for i in range(5):
            await asyncio.sleep(0.001)
            yield "line %d\n" % i

    return StreamingResponse(lines(), media_type="text/plain")


async def cookies(request):
    response = PlainTextResponse("two\n")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


def in_thread(request):
    return PlainTextResponse("%s\n" % request.state.word)


async def background(request):
    return PlainTextResponse("%d\n" % len(done),
        background=BackgroundTask(done.append, 1))


async def boom(request):
    raise ValueError("boom on purpose")


@contextlib.asynccontextmanager
async def lifespan(app):
    yield {"word": "prepared"}


asgi = Starlette(lifespan=lifespan, routes=[
    Route("/", root),
    Route("/hello/{name}", hello),
    Route("/form", form, methods=["POST"]),
    Route("/json", document, methods=["POST"]),
    Route("/stream", stream),
    Route("/cookies", cookies),
    Route("/thread", in_thread),
    Route("/background", background),
    Route("/boom", boom),
])
