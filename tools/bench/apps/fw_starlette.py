"""Starlette, JSON."""

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route


async def index(request):
    return JSONResponse({"message": "Hello, world!"})


asgi = Starlette(routes=[Route("/", index)])
