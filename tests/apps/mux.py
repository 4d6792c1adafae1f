"""The small applications behind one server: /NAME/… goes to NAME."""

import big
import echo
import failing
import parts
import plain
import pressure
import slow
import surroundings
import whoami
from kit import TEXT, answer, no_events, reply

APPS = {module.__name__: module for module in (
    big, echo, failing, parts, plain, pressure, slow, surroundings, whoami)}
calls = 0


def find(path):
    """The application and the rest of the path."""
    global calls
    name, _, rest = path[1:].partition("/")
    if name != "calls":
        calls += 1
    return APPS.get(name), name, "/" + rest


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return await no_events(scope, receive, send)
    app, name, rest = find(scope["path"])
    if app:
        await app.asgi(dict(scope, path=rest), receive, send)
    elif name == "calls":
        await reply(send, "%d" % calls)
    else:
        await reply(send, "missing\n", 404)


def wsgi(environ, start_response):
    app, name, rest = find(environ["PATH_INFO"])
    if app:
        return app.wsgi(dict(environ, PATH_INFO=rest), start_response)
    if name == "calls":
        return answer(start_response, "%d" % calls)
    return answer(start_response, "missing\n", "404 Not Found")


class Below:
    """A scope whose path is below a mount."""

    def __init__(self, scope, path):
        self._scope = scope
        self.path = path

    def __getattr__(self, name):
        return getattr(self._scope, name)


async def rsgi(scope, protocol):
    app, name, rest = find(scope.path)
    if app:
        return await app.rsgi(Below(scope, rest), protocol)
    status, text = (200, "%d" % calls) if name == "calls" \
        else (404, "missing\n")
    protocol.response_str(status, [("content-type", TEXT)], text)
