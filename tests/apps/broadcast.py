"""Channels; what is asked for is JSON, and so is the answer: {"done": …} or
{"error": …}, and "shard", who did it.

    WebSocket /ask      each message is a question; /ask?early asks before
                        it accepts, /ask?late=ID after it ended
    POST /ask           the body is one
    WebSocket /messages the same by ASGI's messages: each is one to send()
    WebSocket /patient  waits in vain 100 times, and says how many futures are
                        left of it: of its receive, of a subscription; echoes
    GET /events         an event stream, joined to ?channel; ?type is another
                        type, ?length gives it a length, ?coding a coding,
                        ?early joins before it begins, ?own writes an event of
                        that many bytes, ?count publishes numbers
                        from now on, and "end" when something is said in that
                        channel
    GET /babble         a thread publishes, joins and leaves from now on, for
                        ever where such threads may be
    GET /late           what was answered after an end: {ID: answer}, and
                        "from the start" what was heard in that channel

A question is {"do": "publish", "channel": …, "data": …} or "binary": its
length; {"do": "join"}, {"do": "leave"}, both in a "thread": "" that the event
loop may wait for, "blocking": "", or with "of": what kind of connection is
given; {"do": "collect", "channels": […]} what a subscriber gets;
{"do": "hold"} enters a subscription and keeps it; {"do": "release"} leaves one
that a task waits for, and is what that was told; {"do": "counters"}; {"do":
"block"} until the second of two "paths" is there, when the first is; {"do":
"fork"} what a copy of the process is told, in a "thread": "" or not.
"""

import asyncio
import concurrent.futures
import contextlib
import gc
import json
import os
import pathlib
import threading
import time
import time

import shoal
from kit import TEXT, answer, no_events, query, reply, whole

late = {}
ending = []
held = []
waited_for = []


def me():
    return threading.current_thread().name


class Having:
    """What a framework's WebSocket is to us."""

    def __init__(self, scope):
        self.scope = scope


def publish(asked):
    if "binary" in asked:
        return shoal.publish(asked["channel"], b"b" * asked["binary"])
    return shoal.publish(asked["channel"], asked["data"])


def shown(message):
    data = message.data
    return [message.channel, data if isinstance(data, str) else len(data),
        message.offset, message.lost]


async def collect(asked):
    """Up to "end"; takes none before "go" is said in the channel "gate"."""
    channels = asked["channels"]
    got = []
    async with shoal.subscribe(*channels) as messages, \
            shoal.subscribe(asked.get("gate", "-")) as gate:
        shoal.publish(channels[0], "begin")
        if "gate" in asked:
            await anext(gate)
        async for message in messages:
            got.append(shown(message))
            if message.data == "end":
                return got


async def moving(asked, connection):
    """join() and leave(), on any thread."""
    given = {"scope": connection, "having": Having(connection), "none": None,
        "number": 5, "dict": {}, "http": {"type": "http", "extensions": {}},
        }[asked.get("of", "scope")] if isinstance(connection, dict) \
        else connection
    call = getattr(shoal, asked["do"])
    if "blocking" in asked:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            return pool.submit(call, given, asked["channel"]).result()
    if "thread" in asked:
        return await asyncio.to_thread(call, given, asked["channel"])
    return call(given, asked["channel"])


async def hold(channel):
    held.append(shoal.subscribe(channel))
    await held[-1].__aenter__()


async def count(channel, stop):
    async with shoal.subscribe(stop) as stops:
        over = asyncio.ensure_future(anext(stops))
        number = 0
        while not over.done():
            shoal.publish(channel, str(number))
            number += 1
            await asyncio.sleep(0.002)
        shoal.publish(channel, "end")


def block(begun, end):
    """In one call, for so long."""
    pathlib.Path(begun).touch()
    while not os.path.exists(end):
        time.sleep(0.01)


async def release(channel):
    messages = shoal.subscribe(channel)
    async with messages:
        waiting = asyncio.ensure_future(anext(messages))
        await asyncio.sleep(0)
    await waiting


def error_of(call, *args):
    try:
        return repr(call(*args))
    except Exception as error:
        return "%s: %s" % (type(error).__name__, error)


def fork(channel, connection):
    """What a copy of this process is told by each call."""
    out, to = os.pipe()
    if os.fork() == 0:
        try:
            entering = shoal.subscribe(channel).__aenter__()
            told = [error_of(shoal.publish, channel, "not to be heard"),
                error_of(shoal.join, connection, channel),
                error_of(shoal.leave, connection, channel),
                error_of(entering.send, None)]
            held.clear()
            os.write(to, json.dumps(told).encode())
        finally:
            os._exit(0)
    os.close(to)
    with open(out) as file:
        told = json.load(file)
    os.wait()
    return told


async def done(asked, connection):
    """The answer to a question."""
    try:
        if asked["do"] == "publish":
            result = await asyncio.to_thread(publish, asked) \
                if "thread" in asked else publish(asked)
        elif asked["do"] == "collect":
            result = await collect(asked)
        elif asked["do"] == "counters":
            result = shoal.counters()
        elif asked["do"] == "block":
            result = block(*asked["paths"])
        elif asked["do"] == "release":
            result = await release(asked["channel"])
        elif asked["do"] == "hold":
            result = await hold(asked["channel"])
        elif asked["do"] == "fork":
            result = await asyncio.to_thread(fork, asked["channel"],
                connection) if "thread" in asked else \
                fork(asked["channel"], connection)
        else:
            result = await moving(asked, connection)
    except Exception as error:
        return {"error": "%s: %s" % (type(error).__name__, error)}
    return {"done": result, "shard": me()}


def futures():
    gc.collect()
    return sum(isinstance(one, asyncio.Future) for one in gc.get_objects())


async def in_vain(wait):
    before = futures()
    for _ in range(100):
        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    return futures() - before


async def patient(receive):
    async with shoal.subscribe("quiet") as messages:
        return json.dumps([await in_vain(receive),
            await in_vain(messages.__anext__)])


async def patient_socket(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": await patient(receive)})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def socket(scope, receive, send):
    ask = query(scope)
    await receive()
    before = []
    if "early" in ask:
        before.append(await done({"do": "join", "channel": "x"}, scope))
    await send({"type": "websocket.accept"})
    before.append({"shard": me(), "pid": os.getpid()})
    for answer in before:
        await send({"type": "websocket.send", "text": json.dumps(answer)})
    while (message := await receive())["type"] == "websocket.receive":
        answer = await done(json.loads(message["text"]), scope)
        await send({"type": "websocket.send", "text": json.dumps(answer)})
    if "late" in ask:
        late[ask["late"]] = [await done({"do": do, "channel": "x"}, scope)
            for do in ("join", "leave")]


async def messages(scope, receive, send):
    """Each message is one for send(), and the answer what it raised."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        told = json.loads(message["text"])
        if "binary" in told:
            told["bytes"] = b"b" * told.pop("binary")
        try:
            answer = repr(await send(told))
        except Exception as error:
            answer = "%s: %s" % (type(error).__name__, error)
        await send({"type": "websocket.send", "text": answer})


async def events(scope, receive, send):
    ask = query(scope)
    notes = late[ask["id"]] = []

    async def join():
        notes.append(await done({"do": "join", "channel": ask["channel"]},
            scope))

    if "early" in ask:
        await join()
    headers = [(b"Content-Type", ask.get("type", "text/event-stream").encode())]
    for name, field in (("length", b"content-length"),
            ("coding", b"content-encoding")):
        if name in ask:
            headers.append((field, ask[name].encode()))
    await send({"type": "http.response.start", "status": 200,
        "headers": headers})
    await join()
    if "count" in ask:
        held.append(asyncio.ensure_future(count(ask["channel"],
            ask["count"])))
    while (await receive())["type"] != "http.disconnect" and "own" not in ask:
        pass
    if "own" in ask:
        body = b"data: " + b"o" * int(ask["own"]) + b"\n\n"
        shoal.publish(ask["channel"], "own")
        await send({"type": "http.response.body", "body": body,
            "more_body": True})
        shoal.publish(ask["channel"], "last")
        await asyncio.sleep(0.05)
        await send({"type": "http.response.body"})
    await join()
    notes.append("over")


def babble(scope):
    """Until it is told that the shard has ended, or is to end itself.

    It pauses: two threads that do nothing but wake each other, on each CPU,
    kept Linux 6.18 from running any other process for seconds.
    """
    while not ending:
        time.sleep(0.0002)
        try:
            shoal.publish("babble", "x" * 1000)
            shoal.leave(scope, "babble")
            shoal.join(scope, "babble")
        except OSError:
            pass  # nobody can join by what is over
        except RuntimeError:
            return


async def http(scope, receive, send):
    path = scope["path"]
    if path == "/ask":
        asked = json.loads(await whole(receive))
        await reply(send, json.dumps(await done(asked, scope)))
    elif path == "/babble":
        try:
            threading.Thread(target=babble, args=(scope,), daemon=True).start()
        except RuntimeError:  # a process waits for the threads of such a one
            threading.Thread(target=babble, args=(scope,)).start()
            waited_for.append(True)
        await reply(send, "it does")
    elif path == "/events":
        await events(scope, receive, send)
    elif path == "/late":
        await reply(send, json.dumps(late))
    else:
        await reply(send, "?", 404)


async def from_the_start():
    heard = late["from the start"] = []
    async with shoal.subscribe("from the start") as messages:
        async for message in messages:
            heard.append(message.data)


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        held.append(asyncio.ensure_future(from_the_start()))
        while "from the start" not in late:
            await asyncio.sleep(0)
        await no_events(scope, receive, send)
        ending.extend(waited_for)
    elif scope["type"] == "websocket":
        await {"/messages": messages, "/patient": patient_socket}.get(
            scope["path"], socket)(scope, receive, send)
    else:
        await http(scope, receive, send)


async def rsgi_events(scope, protocol):
    stream = protocol.response_stream(200,
        [("content-type", "text/event-stream; charset=utf-8")])
    shoal.join(stream, query(scope)["channel"])
    await protocol.client_disconnect()


async def rsgi(scope, protocol):
    if scope.proto != "ws":
        if scope.path == "/events":
            return await rsgi_events(scope, protocol)
        asked = json.loads(await protocol())
        return protocol.response_str(200, [("content-type", TEXT)],
            json.dumps(await done(asked, None)))
    transport = await protocol.accept()
    if scope.path == "/patient":
        await transport.send_str(await patient(transport.receive))
        await transport.send_str((await transport.receive()).data)
        return
    await transport.send_str(json.dumps({"shard": me()}))
    while (message := await transport.receive()).kind:
        await transport.send_str(json.dumps(
            await done(json.loads(message.data), transport)))


def wsgi(environ, start_response):
    asked = json.loads(environ["wsgi.input"].read())
    if asked["do"] == "subscribe":
        entering = shoal.subscribe(asked["channel"]).__aenter__()
        return answer(start_response, error_of(entering.send, None))
    return answer(start_response, json.dumps(
        {"done": publish(asked), "shard": me()}))
