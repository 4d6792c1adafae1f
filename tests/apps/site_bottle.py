"""Bottle at work: signed cookies, uploads, files with ranges, streams."""

from bottle import Bottle, HTTPResponse, request, response, static_file

import tasks

SECRET = "for tests only"

wsgi = Bottle()


@wsgi.post("/login")
def login():
    user = request.forms["user"]
    if tasks.USERS.get(user) != request.forms["password"]:
        return HTTPResponse(status=401)
    response.set_cookie("user", user, secret=SECRET)
    response.status = 204


@wsgi.get("/me")
def me():
    user = request.get_cookie("user", secret=SECRET)
    return {"user": user} if user else HTTPResponse(status=401)


@wsgi.post("/upload")
def upload():
    file = request.files["file"]
    return {"name": file.raw_filename, **tasks.digest_of(file.file)}


@wsgi.get("/large")
def large():
    return tasks.megabytes(int(request.query["mb"]))


@wsgi.get("/file")
def file():
    path = tasks.file_path()
    return static_file("file.bin", path.removesuffix("file.bin"))


@wsgi.get("/endless")
def endless():
    return tasks.endless()
