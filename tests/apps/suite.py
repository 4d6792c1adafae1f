"""CPython's test.test_asyncio on the shard's event loop.

SUITE names the test modules, SUITE_SKIP is a file of tests not to run
(asyncio.skip says how), SUITE_OUT is the file that gets the outcome as JSON.
They run while this is imported: then the shard's thread has no other loop to
run, and the tests make loops as they like, all on the shard's epoll.
"""

import asyncio
import fnmatch
import importlib
import json
import os
import signal
import sys
import threading
import traceback
import unittest

import _shoal

from kit import reply

SHARD_THREAD = threading.get_ident()
ours = _shoal.embedded("loop")


def derive_unix(base):
    """A Unix event loop; a selector made by a test's mock is used as it is."""

    class Unix(ours.Signals, ours.Sockets, ours.derive(base)):
        def __new__(cls, *args):
            # Only the shard's thread may wait at its epoll.
            if threading.get_ident() != SHARD_THREAD:
                return base(*args)
            return super().__new__(cls, *args)

        def __init__(self, selector=None):
            real = selector is None or type(selector).__module__ == "selectors"
            if real and selector is not None:
                selector.close()
            super().__init__(ours.selector() if real else selector)

    Unix.__name__ = Unix.__qualname__ = base.__name__
    return Unix


def put_ours_in_place():
    from asyncio import base_events, selector_events, unix_events

    unix = derive_unix(asyncio.SelectorEventLoop)
    policy = getattr(unix_events, "_DefaultEventLoopPolicy", None) or \
        unix_events._UnixDefaultEventLoopPolicy
    policy._loop_factory = unix
    for module in (asyncio, unix_events):
        for name in ("SelectorEventLoop", "_UnixSelectorEventLoop", "EventLoop"):
            if hasattr(module, name):
                setattr(module, name, unix)
    base = ours.derive(base_events.BaseEventLoop)
    asyncio.BaseEventLoop = base_events.BaseEventLoop = base
    selector_events.BaseSelectorEventLoop = derive_unix(
        selector_events.BaseSelectorEventLoop)


class Result(unittest.TestResult):
    """Each test's outcome; which test runs goes to stderr in case it hangs."""

    def __init__(self):
        super().__init__()
        self.outcome = {}

    def note(self, test, what):
        self.outcome[test.id()] = what

    def startTest(self, test):
        super().startTest(test)
        if os.environ.get("SUITE_VERBOSE"):
            print(test.id(), file=sys.stderr, flush=True)
        self.note(test, "ok")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.note(test, "skipped: " + reason)

    def addExpectedFailure(self, test, err):
        self.note(test, "ok")

    def addError(self, test, err):
        self.note(test, "".join(traceback.format_exception(*err)))

    addFailure = addError

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.addError(test, err)


def tests_in(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from tests_in(item)
        else:
            yield item


def short(test):
    return test.id().removeprefix("test.test_asyncio.")


def run(names, skips):
    loader = unittest.TestLoader()
    result = Result()
    skipped = {}
    for name in names:
        module = importlib.import_module("test.test_asyncio." + name)
        suite = loader.loadTestsFromModule(module)
        wanted = unittest.TestSuite()
        for test in tests_in(suite):
            why = [reason for pattern, reason in skips
                if fnmatch.fnmatchcase(short(test), pattern)]
            if why:
                skipped[test.id()] = why[0]
            else:
                wanted.addTest(test)
        wanted.run(result)
    return {"outcome": result.outcome, "left_out": skipped}


def read_skips(path):
    """[(pattern, reason)] of the lines that hold here."""
    here = {"all", "interp" if _shoal.config["own_interpreter"] else "process",
        "%d.%d" % sys.version_info[:2]}
    with open(path) as file:
        lines = [line.split(None, 2) for line in file
            if line.strip() and not line.startswith("#")]
    return [(pattern, reason.strip()) for where, pattern, reason in lines
        if where.partition("<")[0] in here and is_before(where)]


def is_before(where):
    """Whether this Python is older than that of "interp<3.14", if there is one."""
    bound = where.partition("<")[2]
    return not bound or sys.version_info < tuple(map(int, bound.split(".")))


if not _shoal.config["own_interpreter"]:
    # The tests put back what was there, and Python cannot name the server's.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
put_ours_in_place()
os.chdir(os.path.dirname(os.environ["SUITE_OUT"]))	# they leave files about
report = run(os.environ["SUITE"].split(), read_skips(os.environ["SUITE_SKIP"]))
with open(os.environ["SUITE_OUT"], "w") as file:
    json.dump(report, file, indent=1)
asyncio.set_event_loop(None)


async def asgi(scope, receive, send):
    await reply(send, "done")
