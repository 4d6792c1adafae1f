"""Litestar at work: sessions, uploads, files, long streams."""

from typing import Annotated, Any

from litestar import Litestar, Request, Response, get, post
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.params import Body
from litestar.response import File, Stream

import tasks


@post("/login")
async def login(request: Request, data: Annotated[dict[str, str],
        Body(media_type=RequestEncodingType.URL_ENCODED)]) -> Response:
    if tasks.USERS.get(data["user"]) != data["password"]:
        return Response(None, status_code=401)
    request.set_session({"user": data["user"]})
    return Response(None, status_code=204)


@get("/me")
async def me(request: Request) -> Response:
    if "user" not in request.session:
        return Response(None, status_code=401)
    return Response({"user": request.session["user"]})


@post("/upload", status_code=200, request_max_body_size=100 << 20)
async def upload(data: Annotated[dict[str, UploadFile],
        Body(media_type=RequestEncodingType.MULTI_PART)]) -> dict[str, Any]:
    file = data["file"]
    return {"name": file.filename, **await tasks.later_digest_of(file.read)}


@get("/large")
async def large(mb: int) -> Stream:
    return Stream(tasks.later_megabytes(mb))


@get("/file")
async def file() -> File:
    return File(tasks.file_path(), filename="file.bin")


@get("/patient")
async def patient() -> Response:
    return Response(None, status_code=504 if await tasks.in_time() else 200)


@get("/endless")
async def endless() -> Stream:
    return Stream(tasks.later_endless())


@get("/thread", sync_to_thread=True)
def in_thread() -> dict[str, int]:
    return tasks.sum_up(1000)


asgi = Litestar([login, me, upload, large, file, patient, endless, in_thread],
    middleware=[ServerSideSessionConfig().middleware])
