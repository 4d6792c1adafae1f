"""Forks: /NAME, one of the functions below; answers with the child's pid.

The child sleeps in a session of its own, and the test ends it.
"""

import multiprocessing
import os
import time

from kit import answer, no_events, reply


def sleep():
    os.setsid()
    # the test waits for the ends of these pipes; the log has one more
    pipes = [os.readlink("/proc/self/fd/%d" % fd) for fd in (1, 2)]
    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            if os.readlink("/proc/self/fd/%d" % fd) in pipes:
                os.close(fd)
        except OSError:
            pass  # that of the listing
    time.sleep(1000)


def sleeping(pid):
    """In both processes, after a fork."""
    if pid == 0:
        sleep()
        os._exit(0)
    return pid


def by_os():
    return sleeping(os.fork())


def by_multiprocessing():
    child = multiprocessing.get_context("fork").Process(target=sleep)
    child.start()
    multiprocessing.process._children.discard(child)  # nobody joins it
    return child.pid


def by_c():
    import ctypes

    return sleeping(ctypes.PyDLL(None).fork())


def comes_back():
    return os.fork() or os.getpid()


WAYS = {"/" + f.__name__: f for f in (
    by_os, by_multiprocessing, by_c, comes_back)}


def called(path):
    return "%d\n" % WAYS[path]() if path in WAYS else "no fork\n"


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return await no_events(scope, receive, send)
    await reply(send, called(scope["path"]))


def wsgi(environ, start_response):
    return answer(start_response, called(environ["PATH_INFO"]))
