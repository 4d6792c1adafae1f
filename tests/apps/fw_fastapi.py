"""FastAPI: validation, a dependency, a background task, streaming."""

import asyncio
from typing import Annotated

from fastapi import BackgroundTasks, Depends, FastAPI, Form, Request
from fastapi.responses import PlainTextResponse, StreamingResponse
from pydantic import BaseModel, Field

asgi = FastAPI()
done = []


class Item(BaseModel):
    name: str
    price: float = Field(gt=0)
    tags: list[str] = []


def greeting(greeting: str = "Hello"):
    yield greeting


@asgi.get("/", response_class=PlainTextResponse)
async def root():
    return "fastapi\n"


@asgi.get("/hello/{name}")
async def hello(name: str, word: Annotated[str, Depends(greeting)]):
    return {"name": name, "greeting": word}


@asgi.post("/form")
async def form(a: Annotated[str, Form()], b: Annotated[str, Form()]):
    return {"a": a, "b": b}


@asgi.post("/json")
async def document(request: Request):
    return {"got": await request.json()}


@asgi.post("/items")
async def items(item: Item) -> Item:
    return item


@asgi.get("/stream")
async def stream():
    async def lines():
        for i in range(5):
            await asyncio.sleep(0.001)
            yield "line %d\n" % i

    return StreamingResponse(lines(), media_type="text/plain")


@asgi.get("/cookies", response_class=PlainTextResponse)
async def cookies():
    response = PlainTextResponse("two\n")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


@asgi.get("/thread")
def in_thread(count: int):
    return {"next": count + 1}


@asgi.get("/background", response_class=PlainTextResponse)
async def background(tasks: BackgroundTasks):
    tasks.add_task(done.append, 1)
    return "%d\n" % len(done)


@asgi.get("/boom")
async def boom():
    raise ValueError("boom on purpose")
