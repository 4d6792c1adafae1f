"""The loop's transports do what asyncio's do: the checks of apps/transports.py."""

import re

import pytest

from shoal import APPS, Server

NAMES = re.findall(r"^@check\n(?:@scene.*\n)?async def (\w+)",
    (APPS / "transports.py").read_text(), re.M)


@pytest.fixture(scope="module")
def server(isolation):
    with Server("transports:asgi", "--isolation", isolation) as server:
        yield server


@pytest.mark.asan
@pytest.mark.parametrize("name", NAMES)
def test_transport(server, name):
    got = server.get("/?check=" + name)
    assert (got.status, got.body.decode()) == (200, "ok")
    if "exits" in name:
        server.expect("SystemExit")
