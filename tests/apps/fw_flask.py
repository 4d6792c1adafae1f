"""Flask: routes, JSON, a form, a streamed answer, cookies."""

from flask import Flask, Response, jsonify, make_response, request

wsgi = Flask(__name__)


@wsgi.get("/")
def root():
    return Response("flask\n", mimetype="text/plain")


@wsgi.get("/hello/<name>")
def hello(name):
    return jsonify(name=name, greeting=request.args.get("greeting", "Hello"))


@wsgi.post("/form")
def form():
    return jsonify(request.form.to_dict())


@wsgi.post("/json")
def document():
    return jsonify(got=request.get_json())


@wsgi.get("/stream")
def stream():
    return Response(("line %d\n" % i for i in range(5)),
        mimetype="text/plain")


@wsgi.get("/cookies")
def cookies():
    response = make_response("two\n")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


@wsgi.get("/boom")
def boom():
    raise ValueError("boom on purpose")
