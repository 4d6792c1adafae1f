"""The demo's chat, and beside it a Flask view that publishes to its rooms."""

import importlib.util
import json
import pathlib

import shoal
from flask import Flask, request
from starlette.middleware.wsgi import WSGIMiddleware

DEMO = pathlib.Path(__file__).parents[2] / "tools" / "demo" / "app.py"

spec = importlib.util.spec_from_file_location("demo", DEMO)
demo = importlib.util.module_from_spec(spec)
spec.loader.exec_module(demo)

flask = Flask("chat_flask")


@flask.post("/flask/<room>")
def say(room):
    shoal.publish("chat:" + room, json.dumps({"kind": "say",
        "name": "Flask", "text": request.get_data(as_text=True),
        "shard": "a thread"}))
    return "said"


wsgi = WSGIMiddleware(flask)


async def app(scope, receive, send):
    if scope["type"] == "http" and scope["path"].startswith("/flask/"):
        await wsgi(scope, receive, send)
    else:
        await demo.app(scope, receive, send)
