"""Both interfaces at once: __rsgi__ beside an ASGI call."""

from kit import TEXT, no_events, reply


class App:
    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            return await no_events(scope, receive, send)
        await reply(send, "asgi\n")

    async def __rsgi__(self, scope, protocol):
        protocol.response_str(200, [("content-type", TEXT)], "rsgi\n")


app = App()


async def rsgi_function(scope, protocol):
    protocol.response_str(200, [("content-type", TEXT)], "rsgi\n")


class Callable:
    async def __call__(self, scope, receive, send):
        await app(scope, receive, send)


asgi_object = Callable()


class WSGIClass:
    def __init__(self, environ, start_response):
        start_response("200 OK", [("Content-Type", TEXT),
            ("Content-Length", "5")])

    def __iter__(self):
        return iter([b"wsgi\n"])


def generator(environ, start_response):
    start_response("200 OK", [("Content-Type", TEXT),
        ("Content-Length", "5")])
    yield b"wsgi\n"
