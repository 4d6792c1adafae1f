"""Litestar: typed handlers, a form, a streamed answer, cookies."""

import asyncio
from typing import Annotated, Any

from litestar import Litestar, MediaType, Response, get, post
from litestar.datastructures import Cookie
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Stream


@get("/", media_type=MediaType.TEXT)
async def root() -> str:
    return "litestar\n"


@get("/hello/{name:str}")
async def hello(name: str, greeting: str = "Hello") -> dict[str, str]:
    return {"name": name, "greeting": greeting}


@post("/form", status_code=200)
async def form(data: Annotated[dict[str, str],
        Body(media_type=RequestEncodingType.URL_ENCODED)]) -> dict[str, str]:
    return data


@post("/json", status_code=200)
async def document(data: Any) -> dict[str, Any]:
    return {"got": data}


@get("/stream")
async def stream() -> Stream:
    async def lines():
        for i in range(5):
            await asyncio.sleep(0.001)
            yield "line %d\n" % i

    return Stream(lines(), media_type="text/plain")


@get("/cookies", media_type=MediaType.TEXT)
async def cookies() -> Response[str]:
    return Response("two\n", cookies=[Cookie("a", value="1"),
        Cookie("b", value="2")])


@get("/thread", sync_to_thread=True)
def in_thread() -> dict[str, int]:
    return {"next": 1}


@get("/boom")
async def boom() -> None:
    raise ValueError("boom on purpose")


asgi = Litestar([root, hello, form, document, stream, cookies, in_thread,
    boom])
