"""Wants what an interpreter of its own refuses: $WANTING at its import, /NAME
in a request.
"""

import os
import subprocess
import sys
import warnings

from kit import no_events, reply


def faulthandler():
    import faulthandler

    faulthandler.enable()


def tracemalloc():
    import tracemalloc

    assert not tracemalloc.is_tracing()


def fork():
    pid = os.fork()
    if pid == 0:
        os._exit(5)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5


def preexec():
    subprocess.run([sys.executable, "-c", ""], preexec_fn=os.setsid,
        check=True)


def nothing():
    """The library tries tracemalloc and _suggestions, and does without."""
    import traceback

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("look", ResourceWarning, source=object())
    try:
        import tracemallok
    except ImportError:
        traceback.format_exc()
    try:
        wanrings
    except NameError:
        traceback.format_exc()
    import rlcompleter


WISHES = {f.__name__: f for f in (
    faulthandler, tracemalloc, fork, preexec, nothing)}
if wish := os.environ.get("WANTING"):
    WISHES[wish]()


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return await no_events(scope, receive, send)
    if scope["path"] != "/":
        WISHES[scope["path"][1:]]()
    await reply(send, "here it is\n")
