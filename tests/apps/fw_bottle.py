"""Bottle: routes, JSON, a form, a streamed answer, cookies."""

from bottle import Bottle, request, response

wsgi = Bottle()


@wsgi.get("/")
def root():
    response.content_type = "text/plain"
    return "bottle\n"


@wsgi.get("/hello/<name>")
def hello(name):
    greeting = request.query.getunicode("greeting", "Hello")
    return {"name": name, "greeting": greeting}


@wsgi.post("/form")
def form():
    return {key: request.forms.getunicode(key) for key in request.forms}


@wsgi.post("/json")
def document():
    return {"got": request.json}


@wsgi.get("/stream")
def stream():
    response.content_type = "text/plain"
    for i in range(5):
        yield "line %d\n" % i


@wsgi.get("/cookies")
def cookies():
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return "two\n"


@wsgi.get("/boom")
def boom():
    raise ValueError("boom on purpose")
