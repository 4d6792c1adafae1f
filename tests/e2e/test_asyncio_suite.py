"""CPython's own tests of asyncio, on the shard's event loop (apps/suite.py).

The short modules run always, all of them by `make suite`.  What is not run,
and why, is in asyncio.skip; a line there that fits no test fails.
"""

import fnmatch
import importlib.util
import json
import os
import pathlib
import sys

import pytest

from shoal import LIMIT, Server

SKIPS = pathlib.Path(__file__).with_name("asyncio.skip")
ALL = os.environ.get("SUITE") == "all"
SHORT = ["base_events", "buffered_proto", "context", "eager_task_factory",
    "futures", "futures2", "locks", "pep492", "protocols", "queues",
    "runners", "selector_events", "staggered", "taskgroups", "threads",
    "timeouts", "transports", "waitfor"]
LONG = ["events", "sendfile", "server", "sock_lowlevel", "ssl", "sslproto",
    "streams", "subprocess", "tasks", "unix_events"]

pytestmark = [
    pytest.mark.skipif(not importlib.util.find_spec("test.test_asyncio"),
        reason="this Python comes without its tests"),
    pytest.mark.timeout(1200),
]


def lines():
    for line in SKIPS.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            yield line.split(None, 2)


def suite(module, isolation, tmp_path):
    """What became of the tests of <module>: {test: "ok" or why not}."""
    out = tmp_path / "outcome"
    server = Server("suite:asgi", "--isolation", isolation, "--lifespan",
        "off", ready=False, check=False, env={"SUITE": "test_" + module,
        "SUITE_OUT": out, "SUITE_SKIP": SKIPS})
    with server:
        server.wait_log("listening at", limit=40 * LIMIT)
        server.wait_ready()
    return json.loads(out.read_text())


def judge(module, isolation, tmp_path):
    if not importlib.util.find_spec("test.test_asyncio.test_" + module):
        pytest.skip("this Python's tests have no such module")
    got = suite(module, isolation, tmp_path)
    bad = {test: why for test, why in got["outcome"].items()
        if why != "ok" and not why.startswith("skipped")}
    assert not bad, "\n\n".join("%s\n%s" % item for item in bad.items())
    assert len([w for w in got["outcome"].values() if w == "ok"]) > 0


@pytest.mark.parametrize("module", SHORT)
def test_short(module, isolation, tmp_path):
    judge(module, isolation, tmp_path)


@pytest.mark.skipif(not ALL, reason="minutes: make suite")
@pytest.mark.parametrize("module", LONG)
def test_long(module, isolation, tmp_path):
    judge(module, isolation, tmp_path)


def test_every_skip_has_a_test_and_a_reason():
    """Of the Python that runs this; those of others are not looked at."""
    import unittest

    names = []

    def collect(item):
        if isinstance(item, unittest.TestSuite):
            for each in item:
                collect(each)
        else:
            names.append(item.id().removeprefix("test.test_asyncio."))

    loader = unittest.TestLoader()
    for module in SHORT + LONG:
        collect(loader.loadTestsFromName("test.test_asyncio.test_" + module))
    here = {"all", "interp", "process", "%d.%d" % sys.version_info[:2]}
    for where, pattern, reason in lines():
        assert len(reason) > 10, (pattern, reason)
        name, _, bound = where.partition("<")
        bound = tuple(map(int, bound.split("."))) if bound else (4,)
        if name in here and sys.version_info < bound:
            assert fnmatch.filter(names, pattern), pattern
