"""__rsgi_init__ and __rsgi_del__, recorded in $EVENTS."""

import asyncio
import os

from kit import TEXT


def note(line):
    with open(os.environ["EVENTS"], "a") as out:
        out.write(line + "\n")


class App:
    def __init__(self):
        self.word = "none"

    def __rsgi_init__(self, loop):
        if os.environ.get("LIFESPAN") == "raises":
            raise RuntimeError("init went wrong")
        note("init %s" % loop.is_running())
        loop.run_until_complete(self.prepare())

    async def prepare(self):
        await asyncio.sleep(0.01)
        self.word = "ready"

    def __rsgi_del__(self, loop):
        loop.run_until_complete(asyncio.sleep(0.01))
        note("del %s" % loop.is_running())

    async def __rsgi__(self, scope, protocol):
        protocol.response_str(200, [("content-type", TEXT)],
            self.word + "\n")


rsgi = App()
