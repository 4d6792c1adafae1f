"""Hello, world, in each interface."""

from kit import TEXT, answer, no_events, reply

HELLO = "Hello, world!\n"


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return await no_events(scope, receive, send)
    await reply(send, HELLO)


def wsgi(environ, start_response):
    return answer(start_response, HELLO)


async def rsgi(scope, protocol):
    protocol.response_str(200, [("content-type", TEXT)], HELLO)


app = asgi
application = wsgi


class Holder:
    inner = asgi


holder = Holder


def factory():
    return asgi


def wsgi_factory():
    return wsgi
