"""Asks for signals: by signal.signal, and by loop.add_signal_handler."""

import asyncio
import os
import signal

from kit import query, reply

if os.environ.get("SIGNAL_AT_IMPORT"):
    signal.signal(signal.SIGTERM, lambda *args: None)
    signal.signal(signal.SIGUSR1, lambda *args: None)


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        raise ValueError("no lifespan here")
    how = query(scope).get("how")
    try:
        if how == "signal":
            signal.signal(signal.SIGTERM, lambda *args: None)
        elif how == "handler":
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTERM, print)
            loop.remove_signal_handler(signal.SIGTERM)
        text = "done\n"
    except Exception as error:
        text = "%s: %s\n" % (type(error).__name__, error)
    await reply(send, text)
