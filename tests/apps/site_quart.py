"""Quart at work: sessions, uploads, files with ranges, long streams."""

from quart import Quart, Response, jsonify, request, send_file, session

import tasks

asgi = Quart(__name__)
asgi.secret_key = "for tests only"
asgi.config["MAX_CONTENT_LENGTH"] = 100 << 20
asgi.config["RESPONSE_TIMEOUT"] = None


@asgi.post("/login")
async def login():
    form = await request.form
    if tasks.USERS.get(form["user"]) != form["password"]:
        return "", 401
    session["user"] = form["user"]
    return "", 204


@asgi.get("/me")
async def me():
    return jsonify(user=session["user"]) if "user" in session else ("", 401)


@asgi.post("/upload")
async def upload():
    file = (await request.files)["file"]
    return jsonify(name=file.filename, **tasks.digest_of(file))


@asgi.get("/large")
async def large():
    return Response(tasks.later_megabytes(int(request.args["mb"])))


@asgi.get("/file")
async def file():
    return await send_file(tasks.file_path(), conditional=True)


@asgi.get("/patient")
async def patient():
    return "", 504 if await tasks.in_time() else 200


@asgi.get("/endless")
async def endless():
    return Response(tasks.later_endless())


@asgi.get("/thread")
def in_thread():
    return jsonify(tasks.sum_up(1000))
