"""Emmett at work: a Renoir template, sessions, uploads, files, streams."""

import asyncio
import os

from emmett import App, request, response, session
from emmett.sessions import SessionManager
from emmett.tools import service

import tasks

rsgi = App(__name__, template_folder=os.environ["SITE_DIR"])
rsgi.pipeline = [SessionManager.cookies("for tests only")]


@rsgi.route("/page", template="page.html")
async def page():
    return {"name": "shoal", "items": [1, 2, 3]}


@rsgi.route("/login", methods=["post"])
async def login():
    form = await request.body_params
    if tasks.USERS.get(form["user"]) != form["password"]:
        response.status = 401
        return ""
    session.user = form["user"]
    response.status = 204
    return ""


@rsgi.route("/me", methods=["get"])
@service.json
async def me():
    if not session.user:
        response.status = 401
        return {}
    return {"user": session.user}


@rsgi.route("/upload", methods=["post"])
@service.json
async def upload():
    file = (await request.files).file
    return {"name": file.filename, **tasks.digest_of(file)}


@rsgi.route("/large", methods=["get"], output="aiter")
async def large():
    return tasks.later_megabytes(int(request.query_params.mb))


@rsgi.route("/file", methods=["get"])
async def file():
    return response.wrap_file(tasks.file_path())


@rsgi.route("/patient", methods=["get"])
async def patient():
    response.status = 504 if await tasks.in_time() else 200
    return ""


@rsgi.route("/endless", methods=["get"], output="aiter")
async def endless():
    return tasks.later_endless()


@rsgi.route("/thread", methods=["get"])
@service.json
async def in_thread():
    return await asyncio.to_thread(tasks.sum_up, 1000)
