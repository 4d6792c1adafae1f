"""What clientcost counts: clients of an application, on connections that stay.

Run as loopops.py is; the servers are where the environment says.
"""

import asyncio
import os

import ops

DATA = b"x" * 100


def in_loop(function):
    """An operation from one that is a coroutine."""
    def operation(loop, count):
        loop.run_until_complete(function(count))

    operation.__name__, operation.__doc__ = function.__name__, function.__doc__
    return operation


def port(name):
    return int(os.environ[name])


@in_loop
async def protocol(count):
    """100 bytes there and back: transport.write() and data_received()."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    class Ping(asyncio.Protocol):
        left = count

        def connection_made(self, transport):
            self.transport = transport
            transport.write(DATA)

        def data_received(self, data):
            self.left -= 1
            if self.left:
                self.transport.write(DATA)
            else:
                done.set_result(None)

    transport, _ = await loop.create_connection(Ping, "127.0.0.1", port("ECHO_PORT"))
    await done
    transport.close()


@in_loop
async def streams(count):
    """The same by asyncio's streams: write(), drain(), readexactly()."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port("ECHO_PORT"))
    for _ in range(count):
        writer.write(DATA)
        await writer.drain()
        await reader.readexactly(len(DATA))
    writer.close()


@in_loop
async def asyncpg_fetchval(count):
    """asyncpg: fetchval() of one row, prepared once."""
    import asyncpg

    connection = await asyncpg.connect(os.environ["POSTGRES"])
    for i in range(count):
        assert await connection.fetchval("SELECT $1::int", i) == i
    await connection.close()


@in_loop
async def redis_get(count):
    """redis.asyncio: get() of 100 bytes."""
    import redis.asyncio

    async with redis.asyncio.Redis(port=port("REDIS_PORT")) as client:
        await client.set("key", DATA)
        for _ in range(count):
            assert await client.get("key") == DATA


@in_loop
async def httpx_get(count):
    """httpx: get() over one connection."""
    import httpx

    url = "http://127.0.0.1:%d/" % port("HTTP_PORT")
    async with httpx.AsyncClient(trust_env=False) as client:
        for _ in range(count):
            assert (await client.get(url)).text == "hello"


OPERATIONS = [protocol, streams, asyncpg_fetchval, redis_get, httpx_get]

ops.start(__name__, OPERATIONS)
