"""Flask at work: sessions, uploads, files with ranges, long streams."""

from flask import Flask, Response, jsonify, request, send_file, session

import tasks

wsgi = Flask(__name__)
wsgi.secret_key = "for tests only"


@wsgi.post("/login")
def login():
    user = request.form["user"]
    if tasks.USERS.get(user) != request.form["password"]:
        return "", 401
    session["user"] = user
    return "", 204


@wsgi.get("/me")
def me():
    return jsonify(user=session["user"]) if "user" in session else ("", 401)


@wsgi.post("/upload")
def upload():
    file = request.files["file"]
    return jsonify(name=file.filename, **tasks.digest_of(file))


@wsgi.get("/large")
def large():
    return Response(tasks.megabytes(int(request.args["mb"])))


@wsgi.get("/file")
def file():
    return send_file(tasks.file_path(), conditional=True)


@wsgi.get("/endless")
def endless():
    return Response(tasks.endless())
