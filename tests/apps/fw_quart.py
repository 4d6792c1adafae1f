"""Quart: routes, JSON, a form, a streamed answer, before_serving."""

import asyncio

from quart import Quart, Response, jsonify, make_response, request

asgi = Quart(__name__)
words = []


@asgi.before_serving
async def prepare():
    words.append("quart\n")


@asgi.get("/")
async def root():
    return Response(words[0], mimetype="text/plain")


@asgi.get("/hello/<name>")
async def hello(name):
    return jsonify(name=name, greeting=request.args.get("greeting", "Hello"))


@asgi.post("/form")
async def form():
    return jsonify((await request.form).to_dict())


@asgi.post("/json")
async def document():
    return jsonify(got=await request.get_json())


@asgi.get("/stream")
async def stream():
    async def lines():
        for i in range(5):
            await asyncio.sleep(0.001)
            yield "line %d\n" % i

    return Response(lines(), mimetype="text/plain")


@asgi.get("/cookies")
async def cookies():
    response = await make_response("two\n")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


@asgi.get("/boom")
async def boom():
    raise ValueError("boom on purpose")
