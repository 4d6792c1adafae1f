"""The server's own llhttp and jemalloc stay out of other people's way."""

import pytest

from shoal import Server


@pytest.mark.parametrize("where", ["auto", "process"])
def test_httptools_and_aiohttp_parse_with_their_own_parsers(where):
    with Server("parsers:asgi", "--isolation", where, slack=2) as server:
        for _ in range(3):
            assert server.json("/") == {
                "events": ["begin", "Host=x",
                    "Transfer-Encoding=chunked", "head", "end"],
                "url": "/a?b=c",
                "body": "hello world",
                "method": "POST",
                "keep_alive": True,
                "refused": True,
                "version": "1.1",
                "aiohttp": True,
                "c parser": True,
                "client": "200 POST /a?b=c body",
            }
        # and the server still parses by its own
        with server.connect() as c:
            c.send("GET / HTTP/1.1\r\nHost: x\r\nBad Name: y\r\n\r\n")
            got = c.recv_response()
            assert (got.status, got.keep_alive) == (400, False)
            c.assert_closed()
