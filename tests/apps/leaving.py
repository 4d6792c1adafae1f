"""Ends its process: ?how=exit by os._exit, segv by that signal, as a null
pointer in an extension would (ctypes has none for interpreters in 3.12)."""

import os
import signal
import threading

from kit import answer, no_events, query, reply


def leave(how):
    if how == "exit":
        os._exit(9)
    signal.pthread_kill(threading.get_ident(), signal.SIGSEGV)


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return await no_events(scope, receive, send)
    if "how" in query(scope):
        leave(query(scope)["how"])
    await reply(send, "stayed\n")


def wsgi(environ, start_response):
    if "how" in query(environ):
        leave(query(environ)["how"])
    return answer(start_response, "stayed\n")
