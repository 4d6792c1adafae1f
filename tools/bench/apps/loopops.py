"""What loopcost counts: operations of an event loop, so many at a time.

    python loopops.py asyncio|uvloop OPERATION COUNT

or imported by Shoal as an application, with LOOPOPS="OPERATION COUNT": then
they run in the shard, on its own loop.  The cyclic collector is off, so that a
difference of two counts is the operation's and nothing else's.
"""

import asyncio

import ops

#: Callbacks that are ready in one turn.
BATCH = 100
nothing = [].clear


def call_soon(loop, count):
    """call_soon() and the run of its handle, many in a turn."""
    left = count

    def some():
        nonlocal left
        for _ in range(BATCH):
            loop.call_soon(nothing)
        left -= BATCH
        loop.call_soon(some if left > 0 else loop.stop)

    loop.call_soon(some)
    loop.run_forever()


def turn(loop, count):
    """A turn with one callback."""
    left = count

    def again():
        nonlocal left
        left -= 1
        loop.call_soon(again if left > 0 else loop.stop)

    loop.call_soon(again)
    loop.run_forever()


def await_future(loop, count):
    """A future that is awaited, and set by a callback."""
    async def main():
        for _ in range(count):
            future = loop.create_future()
            loop.call_soon(future.set_result, None)
            await future

    loop.run_until_complete(main())


def sleep_0(loop, count):
    """await asyncio.sleep(0)."""
    async def main():
        for _ in range(count):
            await asyncio.sleep(0)

    loop.run_until_complete(main())


def call_later_cancel(loop, count):
    """call_later() and cancel(), as each timeout that is not reached."""
    async def main():
        for _ in range(count // BATCH):
            for _ in range(BATCH):
                loop.call_later(1000, nothing).cancel()
            await asyncio.sleep(0)

    loop.run_until_complete(main())


OPERATIONS = [turn, call_soon, await_future, sleep_0, call_later_cancel]


ops.start(__name__, OPERATIONS)
