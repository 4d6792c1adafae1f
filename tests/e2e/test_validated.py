"""Every well-behaved WSGI application inside the standard library's
validator: it watches what the server hands out and how it calls back."""

import pytest

from shoal import Server

SMALL = {
    "mux": ["/plain", "/parts?n=4", "/big?size=300000", "/slow?s=0",
        "/surroundings/a%20b?c=d", "/whoami", "/calls", "/missing"],
    "parts": ["/?n=3&size=70000"],
    "overlap": ["/?n=1", "/most"],
    "wsgi_ways": ["/facts", "/reads?how=r5,l5,i", "/write-then",
        "/empty-first", "/hints"],
    "fw_bottle": ["/", "/hello/a?greeting=b", "/stream"],
    "fw_flask": ["/", "/hello/a?greeting=b", "/stream"],
    "fw_django": ["/", "/hello/a?greeting=b", "/stream"],
    "fw_falcon": ["/", "/hello/a?greeting=b", "/stream"],
}


@pytest.mark.parametrize("name", SMALL)
def test_the_validator_is_content(name):
    with Server("validated:wsgi", "--isolation", "process",
            env={"VALIDATED": name}) as server:
        with server.connect() as c:
            for path in SMALL[name]:
                for method in ("GET", "HEAD"):
                    c.request(method, path)
                    while c.peek_status() == b"103":
                        c.recv_head()
                    got = c.recv_response(method)
                    assert got.status < 500, (path, got)
        assert not server.logged("AssertionError|WSGIWarning"), server.log


@pytest.mark.asan
@pytest.mark.parametrize("live", ["", "?live"])
@pytest.mark.parametrize("size", [0, 1, 300000])
def test_the_validator_reads_bodies(live, size):
    with Server("validated:wsgi", "--isolation", "process",
            env={"VALIDATED": "echo"}) as server:
        with server.connect() as c:
            assert c.post("/" + live, b"x" * size).body == b"x" * size
        assert not server.logged("AssertionError|WSGIWarning"), server.log


def test_the_validator_is_there():
    """An application that breaks a rule does raise in it."""
    with Server("validated:wsgi", "--isolation", "process",
            env={"VALIDATED": "misbehaving"}) as server:
        server.allow("Exception in the WSGI application")
        server.expect("AssertionError", times=1)
        assert server.get("/?do=status-glued").status == 500
