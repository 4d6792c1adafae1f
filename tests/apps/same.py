"""Answers with what it is told of a request, and then spoils that: nothing of
it may be seen by the next one."""

import json

from kit import answer, no_events, reply


def text(value):
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return await no_events(scope, receive, send)
    told = {
        "method": scope["method"],
        "path": scope["path"],
        "query": text(scope["query_string"]),
        "port": str(scope["client"][1]),
        "fields": [[text(name), text(value)] for name, value in scope["headers"]],
    }
    scope["headers"].reverse()
    scope["headers"].append((b"x-spoilt", b"yes"))
    scope["path"] = "/spoilt"
    await reply(send, json.dumps(told))


def wsgi(environ, start_response):
    names = [name for name in environ if name.startswith("HTTP_")]
    told = {
        "method": environ["REQUEST_METHOD"],
        "path": environ["PATH_INFO"],
        "query": environ["QUERY_STRING"],
        "port": environ["REMOTE_PORT"],
        "fields": [[name[5:].lower().replace("_", "-"), environ[name]]
            for name in names],
    }
    for name in list(environ):
        environ[name] = "spoilt"
    environ["HTTP_X_SPOILT"] = "yes"
    return answer(start_response, json.dumps(told))


async def rsgi(scope, protocol):
    told = {
        "method": scope.method,
        "path": scope.path,
        "query": scope.query_string,
        "port": scope.client.rpartition(":")[2],
        "fields": [list(item) for item in scope.headers.items()],
    }
    protocol.response_str(200, [("content-type", "application/json")],
        json.dumps(told))
