"""Channels used at random, also wrongly: WebSocket and GET /crowd?seed=N.

WebSocket /witness joins "truth" and publishes there what it is sent; nothing
that the crowd does may keep a message from it.
"""

import asyncio
import concurrent.futures
import random

import shoal
from kit import no_events, query

CHANNELS = ["a", "b", "c", "truth", "\u20ac" * 66, "", "x" * 201, None, 5]
DATA = ["", "text", b"", b"bytes", "x" * 70000, "\ud800", None, 5, b"y" * 300]
pool = concurrent.futures.ThreadPoolExecutor(4)
# Others' connections, living and dead; and what nobody ends.
others, kept = [], []


class Wrong:
    scope = {"type": "websocket"}


def remember(dice, where, what):
    where.append(what)
    if len(where) > 30:
        where.pop(dice.randrange(len(where)))


async def called(dice, call, *args):
    """On this thread, or on another that the loop waits for, or does not."""
    kind = dice.randrange(5)
    if kind < 2:
        return call(*args)
    future = pool.submit(call, *args)
    if kind == 2:
        return future.result()
    if kind == 3:
        return await asyncio.wrap_future(future)
    return None


async def listen(dice):
    """A subscription that is used as it should be, or not."""
    messages = shoal.subscribe(*dice.choices(CHANNELS[:4], k=2))
    kind = dice.randrange(6)
    if kind == 0:
        await anext(messages)
    elif kind == 1:
        await messages.__aenter__()
        remember(dice, kept, messages)
    elif kind == 2:
        await messages.__aenter__()
        waiting = asyncio.ensure_future(anext(messages))
        waiting.add_done_callback(lambda task: task.exception())
        await messages.__aexit__(None, None, None)
    elif kind == 3:
        await messages.__aenter__()
        await called(dice, lambda: None)
        # Perhaps collected by another thread.
        pool.submit(lambda one: None, messages)
    else:
        async with messages:
            async with asyncio.timeout(dice.choice([0, 0.001, 0.01])):
                async for message in messages:
                    assert message.data is not None
                    if kind == 4:
                        break


async def step(dice, scope, send):
    channel = dice.choice(CHANNELS)
    kind = dice.randrange(10)
    if kind < 3:
        given = dice.choice([scope, scope, *others, Wrong(), None])
        await called(dice, dice.choice([shoal.join, shoal.leave]), given,
            channel)
    elif kind < 6 and channel != "truth":
        await called(dice, shoal.publish, channel, dice.choice(DATA))
    elif kind == 6:
        await send({"type": dice.choice(["shoal.join", "shoal.leave",
            "shoal.publish"]), "channel": "a" if channel == "truth"
            else channel, "text": dice.choice(DATA)})
    elif kind == 7:
        shoal.counters()
    elif kind == 8:
        await asyncio.sleep(dice.choice([0, 0.001]))
    else:
        await listen(dice)


async def witness(receive, send, scope):
    await receive()
    await send({"type": "websocket.accept"})
    shoal.join(scope, "truth")
    while (message := await receive())["type"] == "websocket.receive":
        shoal.publish("truth", message["text"])


async def begin(receive, send, scope):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
    else:
        await send({"type": "http.response.start", "status": 200,
            "headers": [(b"content-type", b"text/event-stream")]})


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return await no_events(scope, receive, send)
    if scope["path"] == "/witness":
        return await witness(receive, send, scope)
    dice = random.Random(int(query(scope)["seed"]))
    remember(dice, others, scope)
    begins = dice.randrange(20)
    for i in range(40):
        if i == begins:
            await begin(receive, send, scope)
        try:
            await step(dice, scope, send)
        except (TypeError, ValueError, OSError, RuntimeError, TimeoutError):
            pass  # that it was wrong
    if dice.random() < 0.3:
        raise RuntimeError("at random")
    if dice.random() < 0.5:
        while "disconnect" not in (await receive())["type"]:
            pass
