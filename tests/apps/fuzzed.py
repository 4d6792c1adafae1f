"""Calls its interface at random, mostly wrongly: /fuzz?seed=N repeats a run.

Every byte of a body is "z", so that one which is out of place is seen; those
of the file FUZZ_FILE are, too.
/plain is a well-behaved neighbour, and /fuzz?seed=N&log=1 tells the calls.
"""

import asyncio
import os
import random

from kit import TEXT, answer, no_events, query, reply

GOOD = b"untouched\n"
FILE = os.environ["FUZZ_FILE"]

STATUSES = [200, 200, 200, 200, 204, 205, 206, 304, 299, 404, 500, 0, 99, 100,
    101, 103, 199, 1000, -1, 1 << 40, "abc", "200", None, 2.5, b"200", [200]]
LINES = ["200 OK", "200 OK", "204 No Content", "304 Not Modified", "205 x",
    "500 Oops", "299 \xe9", "200", "2000 OK", "99 low", "100 Continue",
    "101 Upgrade", "103 Early Hints", "abc", "", "200 OK\r\nX-Evil: 1", None,
    200, b"200 OK", "200 \u20ac", "200 a\0b"]
NAMES = ["x-a", "X-A", "content-type", "content-length", "connection",
    "transfer-encoding", "upgrade", "keep-alive", "trailer", "set-cookie",
    "", "x a", "x\n", "x:", "\xe9", "x\0", 5, None]
VALUES = ["", "a", "5", "0", "10000", "-1", "close", "keep-alive", "chunked",
    "b\r\nx-evil: 1", "b\nx-evil: 1", "b\rc", "b\0c", "caf\xe9", "\u20ac",
    "\x7f", "z" * 2000, 5, None, [], ("a",), 2.5, object(), {}]
SIZES = [0, 0, 1, 4, 5, 6, 100, 70000, 400000]


def seeded(where):
    return random.Random(int(query(where)["seed"]))


def name_and_value(dice, native):
    """A header; of bytes unless <native>, and sometimes of the other kind."""
    pair = [dice.choice(NAMES), dice.choice(VALUES)]
    if dice.random() < (0.5 if native is None else 0.95):
        pair = [item.encode("utf-8") if isinstance(item, str) and not native
            else item for item in pair]
    if dice.random() < 0.1:
        return dice.choice([None, (), pair[:1], pair * 2, "ab", 5])
    return dice.choice([tuple, list])(pair) if not native else tuple(pair)


def fields(dice, native):
    """Headers of a response, right more often than not."""
    kind = dice.random()
    if kind < 0.1:
        return dice.choice([None, 5, "abc", {}, object()])
    if kind < 0.6:
        good = [("content-type", TEXT)]
        if dice.random() < 0.4:
            good.append(("content-length", str(dice.choice(SIZES))))
        if native:
            return good
        return [(n.encode(), v.encode()) for n, v in good]
    return [name_and_value(dice, native) for _ in range(dice.randrange(4))]


def data(dice):
    kind = dice.random()
    if kind < 0.08:
        return dice.choice([None, "z", 5, [], {}, object()])
    block = b"z" * dice.choice(SIZES)
    if kind < 0.2:
        return dice.choice([bytearray, memoryview])(block)
    return block


def fail(dice):
    raise dice.choice([ValueError, SystemExit, KeyboardInterrupt,
        GeneratorExit, StopIteration, asyncio.CancelledError,
        BaseException])("at random")


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return await no_events(scope, receive, send)
    if scope["path"] == "/plain":
        return await reply(send, GOOD)
    dice = seeded(scope)
    brave = dice.random() < 0.7  # goes on after an error
    kept = []

    def message():
        kind = dice.random()
        if kind < 0.3:
            found = {"type": "http.response.start",
                "status": dice.choice(STATUSES), "headers": fields(dice, False),
                "trailers": dice.choice([False, False, True, None])}
        elif kind < 0.85:
            found = {"type": "http.response.body", "body": data(dice),
                "more_body": dice.choice([True, True, False, None, 5])}
        else:
            found = {"type": dice.choice(["http.response.trailers",
                "http.response.pathsend", "http.response.zerocopysend",
                "http.response.early_hint", "http.response.push",
                "websocket.accept", "", None, 5, b"http.response.start"]),
                "headers": fields(dice, False), "path": dice.choice(
                [FILE, FILE, "/", "x", None, 5]), "offset": dice.choice(
                [None, 0, 5, 1 << 70, -1, "a"]), "file": dice.choice(
                [None, 999, -1, open(FILE, "rb")]), "links": dice.choice(
                [None, [], [b"</a>"], ["a"], [b"a\r\nx-evil: 1"], 5]),
                "status": 200}
        if dice.random() < 0.1:
            found.pop(dice.choice(list(found)))
        return dice.choice([None, [], 5]) if dice.random() < 0.03 else found

    async def step():
        kind = dice.random()
        if kind < 0.55:
            await send(message())
        elif kind < 0.65:
            await asyncio.wait_for(receive(), 0.001)
        elif kind < 0.7:
            await asyncio.gather(send(message()), send(message()))
        elif kind < 0.75:
            kept.append(send(message()))  # never awaited
        elif kind < 0.8:
            await asyncio.sleep(0)
        elif kind < 0.84:
            task = asyncio.ensure_future(send(message()))
            await asyncio.sleep(0)
            task.cancel()
            await task
        elif kind < 0.87:
            receive(5)
        elif kind < 0.9:
            send()
        elif kind < 0.94:
            fail(dice)
        else:
            await send({"type": "http.response.start", "status": 200})

    for _ in range(dice.randrange(12)):
        try:
            await step()
        except BaseException:
            if not brave:
                raise


class Odd:
    """What an application may return: ends, fails or lies at random."""

    def __init__(self, dice):
        self.dice = dice

    def __iter__(self):
        if self.dice.random() < 0.1:
            return self.dice.choice([5, None])
        return self

    def __next__(self):
        kind = self.dice.random()
        if kind < 0.4:
            raise StopIteration
        if kind < 0.5:
            fail(self.dice)
        return data(self.dice)

    def __len__(self):
        return self.dice.choice([1, 2, 0])

    def close(self):
        if self.dice.random() < 0.2:
            fail(self.dice)


def wsgi(environ, start_response):
    if environ["PATH_INFO"] == "/plain":
        return answer(start_response, GOOD)
    dice = seeded(environ)
    brave = dice.random() < 0.7
    body = environ["wsgi.input"]
    write = [None]

    def info():
        try:
            raise ValueError("told")
        except ValueError as error:
            return dice.choice([None, 5, (), (1, 2, 3),
                (ValueError, error, None), (ValueError, error, None)])

    def start():
        args = [dice.choice(LINES), fields(dice, True)]
        if dice.random() < 0.4:
            args.append(info())
        if dice.random() < 0.03:
            args = args[:1]
        write[0] = start_response(*args)

    def step():
        kind = dice.random()
        if kind < 0.3:
            start()
        elif kind < 0.5 and write[0]:
            write[0](data(dice))
        elif kind < 0.7:
            size = dice.choice([None, -1, -5, 0, 1, 7, 1 << 20, 1 << 70, "a"])
            getattr(body, dice.choice(["read", "readline", "readlines"]))(size)
        elif kind < 0.75:
            list(body)
        elif kind < 0.8:
            fail(dice)
        elif kind < 0.84:
            environ["wsgi.early_hints"](fields(dice, True))

    def steps():
        for _ in range(dice.randrange(6)):
            try:
                step()
            except BaseException:
                if not brave:
                    raise

    def generate():
        steps()
        while dice.random() < 0.7:
            yield data(dice)
            steps()

    kind = dice.random()
    if kind < 0.3:
        return generate()
    if kind < 0.8:
        start_response("200 OK", [("Content-Type", TEXT)])
    steps()
    return dice.choice([[], [b"zz"], (b"z", b""), [data(dice)],
        [data(dice), data(dice)], Odd(dice), Odd(dice), generate(), None, 5,
        b"zz", "zz", environ["wsgi.file_wrapper"](dice.choice([Odd(dice),
            None, open(FILE, "rb"), open(FILE, "rb")]))])


async def rsgi(scope, protocol):
    if scope.path == "/plain":
        return protocol.response_bytes(200, [("content-type", TEXT)], GOOD)
    dice = seeded(scope)
    brave = dice.random() < 0.7
    streams = []

    def head():
        return [dice.choice(STATUSES), fields(dice, True)]

    async def step():
        kind = dice.random()
        if kind < 0.1:
            protocol.response_empty(*head())
        elif kind < 0.2:
            protocol.response_str(*head(), dice.choice(["z" * 50, b"z", None,
                "", "z" * 200000, "\ud800"]))
        elif kind < 0.3:
            protocol.response_bytes(*head(), data(dice))
        elif kind < 0.35:
            protocol.response_file(*head(), dice.choice([FILE, FILE + "x",
                "/", None, 5, "a\0b"]))
        elif kind < 0.4:
            protocol.response_file_range(*head(), FILE,
                dice.choice([0, 5, -1, None]), dice.choice([0, 5, 1 << 70]))
        elif kind < 0.55:
            streams.append(protocol.response_stream(*head()))
        elif kind < 0.75 and streams:
            out = dice.choice(streams)
            await dice.choice([out.send_bytes, out.send_str])(dice.choice(
                [data(dice), data(dice), "z" * 1000]))
        elif kind < 0.8 and streams:
            out = streams[-1]
            await asyncio.gather(*(out.send_bytes(data(dice))
                for _ in range(3)), return_exceptions=True)
        elif kind < 0.85 and streams:
            streams.pop()
        elif kind < 0.9:
            await asyncio.wait_for(dice.choice([protocol,
                protocol.client_disconnect])(), 0.001)
        elif kind < 0.94:
            async for _ in protocol:
                break
        elif kind < 0.97:
            fail(dice)
        else:
            await asyncio.sleep(0)

    for _ in range(dice.randrange(12)):
        try:
            await step()
        except BaseException:
            if not brave:
                raise
