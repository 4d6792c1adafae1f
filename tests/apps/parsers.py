"""httptools and aiohttp inside the server: their llhttp, not the server's."""

import json

import aiohttp
import httptools
from aiohttp import http_parser

from kit import no_events, reply

REQUEST = (b"POST /a?b=c HTTP/1.1\r\nHost: x\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")


class Seen:
    def __init__(self):
        self.events = []
        self.url = b""
        self.body = b""

    def on_message_begin(self):
        self.events.append("begin")

    def on_url(self, url):
        self.url += url

    def on_header(self, name, value):
        self.events.append("%s=%s" % (name.decode(), value.decode()))

    def on_headers_complete(self):
        self.events.append("head")

    def on_body(self, body):
        self.body += body

    def on_message_complete(self):
        self.events.append("end")


def parse():
    seen = Seen()
    parser = httptools.HttpRequestParser(seen)
    for i in range(len(REQUEST)):
        parser.feed_data(REQUEST[i:i + 1])
    try:
        httptools.HttpRequestParser(Seen()).feed_data(
            b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n")
        refused = False
    except httptools.HttpParserError:
        refused = True
    return {
        "events": seen.events,
        "url": seen.url.decode(),
        "body": seen.body.decode(),
        "method": parser.get_method().decode(),
        "keep_alive": parser.should_keep_alive(),
        "refused": refused,
        "version": parser.get_http_version(),
        "aiohttp": aiohttp.__version__ != "",
        "c parser": http_parser.HttpRequestParser
            is not http_parser.HttpRequestParserPy,
    }


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return await no_events(scope, receive, send)
    told = parse()
    told["client"] = await fetch(scope)
    await reply(send, json.dumps(told), kind="application/json")


async def fetch(scope):
    """aiohttp's client against a server of aiohttp's in the same loop."""
    from aiohttp import web

    async def hello(request):
        body = await request.text()
        return web.Response(text="%s %s %s" % (
            request.method, request.path_qs, body))

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", hello)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with aiohttp.ClientSession() as session:
            url = "http://127.0.0.1:%d/a?b=c" % port
            async with session.post(url, data="body") as answer:
                return "%d %s" % (answer.status, await answer.text())
    finally:
        await runner.cleanup()
