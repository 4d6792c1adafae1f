"""FastAPI, JSON."""

from fastapi import FastAPI

asgi = FastAPI()


@asgi.get("/")
async def index():
    return {"message": "Hello, world!"}


@asgi.get("/def")
def blocking():
    return {"message": "Hello, world!"}
