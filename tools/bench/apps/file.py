"""Ninety KB of text as a file: by its path where the server can, else in pieces
as Starlette's FileResponse sends it."""

import os
import tempfile

from . import plain

BODY = (plain.BODY * 7000)[:90_000]
PIECE = 64 * 1024


def made():
    """A file without a name, known by a path all the same."""
    file = tempfile.TemporaryFile()
    file.write(BODY)
    file.flush()
    return file


FILE = made()
PATH = f"/proc/self/fd/{FILE.fileno()}"
HEADERS = [("content-type", "text/plain"), ("content-length", str(len(BODY)))]
ASGI_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(name.encode(), value.encode()) for name, value in HEADERS],
}
PATHSEND = {"type": "http.response.pathsend", "path": PATH}


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await plain.lifespan(receive, send)
        return
    await send(ASGI_START)
    if "http.response.pathsend" in scope.get("extensions", {}):
        await send(PATHSEND)
        return
    for at in range(0, len(BODY), PIECE):
        await send({"type": "http.response.body",
                    "body": os.pread(FILE.fileno(), PIECE, at),
                    "more_body": at + PIECE < len(BODY)})


def wsgi(environ, start_response):
    start_response("200 OK", HEADERS)
    file = open(PATH, "rb")
    wrapper = environ.get("wsgi.file_wrapper")
    return wrapper(file, PIECE) if wrapper else iter(
        lambda: file.read(PIECE), b"")


async def rsgi(scope, protocol):
    protocol.response_file(200, HEADERS, PATH)
