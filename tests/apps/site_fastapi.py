"""FastAPI at work: sessions by a dependency, uploads, files, streams."""

from typing import Annotated

from fastapi import (Depends, FastAPI, Form, HTTPException, Request, Response,
    UploadFile)
from fastapi.responses import FileResponse, StreamingResponse
from starlette.middleware.sessions import SessionMiddleware

import tasks

asgi = FastAPI()
asgi.add_middleware(SessionMiddleware, secret_key="for tests only")


@asgi.middleware("http")
async def mark(request: Request, call_next):
    response = await call_next(request)
    response.headers["x-marked"] = "yes"
    return response


def user_of(request: Request):
    user = request.session.get("user")
    if user is None:
        raise HTTPException(401)
    return user


@asgi.post("/login", status_code=204)
async def login(request: Request, user: Annotated[str, Form()],
        password: Annotated[str, Form()]):
    if tasks.USERS.get(user) != password:
        raise HTTPException(401)
    request.session["user"] = user


@asgi.get("/me")
async def me(user: Annotated[str, Depends(user_of)]):
    return {"user": user}


@asgi.post("/upload")
async def upload(file: UploadFile):
    return {"name": file.filename, **await tasks.later_digest_of(file.read)}


@asgi.get("/large")
async def large(mb: int):
    return StreamingResponse(tasks.later_megabytes(mb))


@asgi.get("/file")
async def file():
    return FileResponse(tasks.file_path())


@asgi.get("/patient")
async def patient():
    return Response(status_code=504 if await tasks.in_time() else 200)


@asgi.get("/endless")
async def endless():
    return StreamingResponse(tasks.later_endless())


@asgi.get("/thread")
def in_thread():
    return tasks.sum_up(1000)
