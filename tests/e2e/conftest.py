"""Fixtures of the end-to-end tests, and the server's log beside a failure."""

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import shoal  # noqa: E402


def pytest_report_header(config):
    if not os.access(shoal.BIN, os.X_OK):
        pytest.exit("no server at %s: run make" % shoal.BIN, 2)
    return ["server: %s" % shoal.BIN] + shoal.version().splitlines()


def pytest_runtest_setup():
    shoal.forget()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        for server in shoal.recent():
            title = "log of %s" % server.title
            report.sections.append((title, "\n".join(server.log[-200:])))
    return report


@pytest.fixture(params=["interp", "process"], scope="module")
def isolation(request):
    """Where a shard's Python lives; a test that takes it runs twice."""
    return request.param


@pytest.fixture
def events(tmp_path):
    """A file into which applications write what happened to them."""
    path = tmp_path / "events"
    path.touch()
    return shoal.Events(path)
