"""Requests of several steps, and which began and ended when.

/?steps=N yields so often; /block lets nothing else run until $GATE; /spin
leaves callbacks that make each other ready for ever, /calm ends them; /order
tells what has happened, in order.
"""

import asyncio

from kit import block, no_events, query, reply

happened = []
spinning = False


def spin():
    if spinning:
        asyncio.get_running_loop().call_soon(spin)


async def asgi(scope, receive, send):
    global spinning
    if scope["type"] == "lifespan":
        return await no_events(scope, receive, send)
    path = scope["path"]
    if path == "/block":
        block()
    elif path == "/order":
        return await reply(send, " ".join(happened))
    elif path in ("/spin", "/calm"):
        spinning = path == "/spin"
        for _ in range(100 * spinning):
            spin()
    else:
        happened.append("begin")
        for _ in range(int(query(scope)["steps"])):
            await asyncio.sleep(0)
        happened.append("end")
    await reply(send, "ok")
