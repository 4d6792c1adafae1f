"""Emmett, an RSGI framework."""

from emmett import App, request, response
from emmett.tools import service

rsgi = App(__name__)


@rsgi.route("/")
async def root():
    response.content_type = "text/plain"
    return "emmett\n"


@rsgi.route("/hello/<str:name>", methods=["get"])
@service.json
async def hello(name):
    return {"name": name,
        "greeting": request.query_params.greeting or "Hello"}


@rsgi.route("/form", methods=["post"])
@service.json
async def form():
    return dict(await request.body_params)


@rsgi.route("/json", methods=["post"])
@service.json
async def document():
    return {"got": dict(await request.body_params)}


@rsgi.route("/cookies")
async def cookies():
    response.content_type = "text/plain"
    response.cookies["a"] = "1"
    response.cookies["b"] = "2"
    return "two\n"


@rsgi.route("/boom")
async def boom():
    raise ValueError("boom on purpose")
