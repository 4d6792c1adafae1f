"""A storm on the event loop: cancellation, TaskGroup, timeout and to_thread.

Each request does something of everything at random, from the seed it is given,
and answers with how many things it has counted in and out: a lost wake-up hangs
it, a lost or doubled callback shows in the sum.  /left answers with what is left
over when nothing runs.
"""

import asyncio
import json
import random
import time

from kit import no_events, query, reply

begun = ended = 0


async def step(seed):
    """One piece of work, that may be cancelled anywhere."""
    global begun, ended
    begun += 1
    loop = asyncio.get_running_loop()
    try:
        for _ in range(seed.randrange(1, 4)):
            kind = seed.randrange(7)
            if kind == 0:
                await asyncio.sleep(0)
            elif kind == 1:
                await asyncio.sleep(seed.random() / 500)
            elif kind == 2:
                await asyncio.to_thread(time.sleep, seed.random() / 1000)
            elif kind == 3:
                future = loop.create_future()
                handle = loop.call_later(seed.random() / 500, settle, future)
                await future
                assert handle.when() <= loop.time() + 1
            elif kind == 4:
                future = loop.create_future()
                await loop.run_in_executor(None, loop.call_soon_threadsafe, settle, future)
                await future
            elif kind == 5:
                handles = [loop.call_later(60 + i, settle, None) for i in range(50)]
                for handle in seed.sample(handles, 50):
                    handle.cancel()
                assert all(handle.cancelled() for handle in handles)
            else:
                queue = asyncio.Queue(1)
                async with asyncio.TaskGroup() as group:
                    group.create_task(feed(queue))
                    for i in range(3):
                        assert await queue.get() == i
    finally:
        ended += 1


def settle(future):
    if future and not future.done():
        future.set_result(None)


async def feed(queue):
    for i in range(3):
        await queue.put(i)


async def group(seed):
    """Some steps in a TaskGroup; one may fail, or time may run out."""
    async def fail():
        await asyncio.sleep(seed.random() / 500)
        raise KeyError("storm")

    try:
        async with asyncio.timeout(seed.choice([None, seed.random() / 200])):
            async with asyncio.TaskGroup() as tasks:
                for _ in range(seed.randrange(1, 6)):
                    tasks.create_task(step(seed))
                if seed.random() < 0.2:
                    tasks.create_task(fail())
    except* (KeyError, TimeoutError):
        pass


async def storm(seed):
    tasks = [asyncio.create_task(group(seed)) for _ in range(5)]
    for task in tasks:
        if seed.random() < 0.3:
            await asyncio.sleep(seed.random() / 300)
            task.cancel()
    for got in await asyncio.gather(*tasks, return_exceptions=True):
        if got is not None and not isinstance(got, asyncio.CancelledError):
            raise got


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return await no_events(scope, receive, send)
    loop = asyncio.get_running_loop()
    if scope["path"] == "/left":
        await asyncio.sleep(0.01)
        left = {"steps": begun - ended, "begun": begun,
            "tasks": len(asyncio.all_tasks()) - 3,  # the life, lifespan, this
            "timers": sum(not timer.cancelled() for timer in loop._scheduled)}
        return await reply(send, json.dumps(left))
    seed = random.Random(query(scope)["seed"])
    for _ in range(int(query(scope)["rounds"])):
        await storm(seed)
    await reply(send, "ok")
