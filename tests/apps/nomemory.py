"""Has CPython's allocators fail: /fail/N lets the N-th allocation from then
on fail, whoever makes it; /well ends that."""

import _testcapi

from kit import TEXT, answer, no_events, reply


def obey(path):
    """Without a function in a function or an f-string: CPython itself may
    crash where it has no memory for them."""
    if path.startswith("/fail/"):
        n = int(path[6:])
        _testcapi.set_nomemory(n, n + 1)
    elif path == "/well":
        _testcapi.remove_mem_hooks()
    return "Hello!\n"


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return await no_events(scope, receive, send)
    await reply(send, obey(scope["path"]))


def wsgi(environ, start_response):
    return answer(start_response, obey(environ["PATH_INFO"]))


async def rsgi(scope, protocol):
    protocol.response_str(200, [("content-type", TEXT)],
        obey(scope.path))
