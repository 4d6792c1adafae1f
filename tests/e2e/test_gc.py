"""--gc: when Python's cyclic collector runs."""

import pytest

from shoal import Server

INCREMENTAL = [2000, 10, 0]
DEFAULTS = ([700, 10, 10], [2000, 10, 10], INCREMENTAL)


def state(server):
    got = server.get("/").json()
    return got["threshold"], got["frozen"]


@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_auto_leaves_the_start_out_and_looks_seldom(isolation, interface):
    with Server("garbage:" + interface, "--isolation", isolation) as server:
        threshold, frozen = state(server)
        assert frozen and threshold in ([1000, 10, 100], INCREMENTAL), threshold


@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_python_leaves_all_as_it_is(isolation, interface):
    with Server("garbage:" + interface, "--isolation", isolation,
            "--gc", "python") as server:
        threshold, frozen = state(server)
        assert not frozen and threshold in DEFAULTS, threshold


def test_the_applications_own_thresholds_stay(isolation):
    with Server("garbage:asgi", "--isolation", isolation,
            env={"GARBAGE": "mine"}) as server:
        assert state(server) == ([333, 3, 3], False)


@pytest.mark.asan
def test_garbage_goes_while_nothing_happens(isolation, events):
    """One object is far from any threshold: only idleness collects it."""
    with Server("garbage:asgi", "--isolation", isolation,
            env={"EVENTS": events}) as server:
        for count in (1, 2):
            server.get("/knot")
            events.wait("collected", count)
