# See LICENSE for the terms.
"""Messages to everybody who listens, on every core, without a message broker.

A *channel* is a name.  What is published to it reaches every subscriber: in
other shards, in other processes of the server, and in the same one.

>>> import shoal
>>> shoal.publish("room", "hello")              # anywhere: views, threads, tasks
>>> shoal.join(websocket, "room")               # the server sends it every later message
>>> shoal.leave(websocket, "room")
>>> async with shoal.subscribe("room") as messages:     # for code that wants them itself
...     async for message in messages:
...         print(message.channel, message.data)

Promises: all subscribers see the messages of all channels in one order; a
message comes whole, once, or not at all; a publisher waits for nobody.  A
subscriber that cannot keep up loses messages or its connection, never the
others' time.

Inside the server the work is done in C, and this module needs no installation.
Outside of it, in a test or a shell, the same calls work in memory, among the
threads of one process: ``shoal --print-module > tests/shoal.py`` makes it there.
"""

import asyncio
import collections
import threading
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple

__all__ = ["Message", "counters", "join", "leave", "publish", "subscribe"]

#: The longest name of a channel, in bytes of UTF-8.
CHANNEL_MAX = 200


class Message(NamedTuple):
    """One message, as a subscriber gets it.

    channel  str, where it was published
    data     str or bytes, as it was published
    offset   int, its place in the order of all messages; larger is later
    lost     int, how many were missed just before it, of all channels: an
             upper bound for this one.  0 unless the subscriber fell behind.
    """

    channel: str
    data: str | bytes
    offset: int
    lost: int


def check_channel(channel):
    """Raise unless *channel* is a channel's name."""
    if not isinstance(channel, str):
        raise TypeError("a channel is a str, not %s" % type(channel).__name__)
    if not 1 <= len(channel.encode()) <= CHANNEL_MAX:
        raise ValueError("a channel's name has 1 to %d bytes of UTF-8, not %d" % (
            CHANNEL_MAX, len(channel.encode())))


def check_data(data):
    """Raise unless *data* can be published."""
    if not isinstance(data, (str, bytes)):
        raise TypeError("a message is str or bytes, not %s" % type(data).__name__)


class Memory:
    """The calls in one process: what a test needs."""

    def __init__(self):
        self.lock = threading.RLock()
        self.offset = 0
        self.bytes = 0
        self.delivered = 0
        # channel: {id of a subscriber: (subscriber, function of a message)}
        self.channels = collections.defaultdict(dict)

    def publish(self, channel, data):
        check_channel(channel)
        check_data(data)
        with self.lock:
            self.offset += 1
            self.bytes += len(data.encode() if isinstance(data, str) else data)
            message = Message(channel, data, self.offset, 0)
            for subscriber, deliver in list(self.channels.get(channel, {}).values()):
                try:
                    deliver(message)
                    self.delivered += 1
                except RuntimeError:
                    self.remove_all(subscriber)  # its event loop is closed: a test is over
            return message.offset

    def add(self, channel, subscriber, deliver):
        check_channel(channel)
        with self.lock:
            self.channels[channel].setdefault(id(subscriber), (subscriber, deliver))

    def remove(self, channel, subscriber):
        check_channel(channel)
        with self.lock:
            known = self.channels.get(channel, {})
            gone = known.pop(id(subscriber), None)
            if not known:
                self.channels.pop(channel, None)
            return gone is not None

    def Subscription(self, *channels):
        for channel in channels:
            check_channel(channel)
        return MemorySubscription(self, channels)

    def remove_all(self, subscriber):
        for channel in list(self.channels):
            self.remove(channel, subscriber)

    def join(self, connection, channel):
        check_channel(channel)
        scope = scope_of(connection)
        with self.lock:
            known = [some[id(scope)][1] for some in self.channels.values() if id(scope) in some]
        self.add(channel, scope, known[0] if known else
                 delivery(connection, lambda: self.remove_all(scope)))

    def leave(self, connection, channel):
        return self.remove(channel, scope_of(connection))

    def counters(self):
        return [{"published": self.offset, "bytes": self.bytes, "delivered": self.delivered,
                 "lost": 0, "dropped": 0, "wakes": 0}]


class Elsewhere:
    """The calls in a process that the application started with multiprocessing."""

    def publish(self, *_):
        raise RuntimeError("this process was started by the application: it is none of the "
                           "server's, and nobody would hear it")

    join = leave = Subscription = counters = publish


def scope_of(connection):
    """The ASGI scope that *connection* is or has, else itself."""
    return getattr(connection, "scope", connection)


def delivery(connection, leave):
    """How a connection outside the server gets a message.

    By its own send methods, on the loop that runs now, until one of them raises;
    a bare scope collects them in the list scope["shoal.received"].
    """
    if isinstance(connection, dict):
        return connection.setdefault("shoal.received", []).append
    for text, binary in (("send_text", "send_bytes"), ("send_str", "send_bytes"),
                         ("send", "send")):
        if hasattr(connection, text) and hasattr(connection, binary):
            break
    else:
        raise TypeError("%s is no connection: an ASGI scope, an object that has one, "
                        "or an RSGI transport" % type(connection).__name__)
    loop = asyncio.get_running_loop()
    waiting = collections.deque()

    async def send():
        try:
            while waiting:
                data = waiting[0].data
                await getattr(connection, text if isinstance(data, str) else binary)(data)
                waiting.popleft()
        except Exception:
            leave()  # the connection is over

    def start(message):
        waiting.append(message)
        if len(waiting) == 1:
            deliver.task = loop.create_task(send())

    def deliver(message):
        loop.call_soon_threadsafe(start, message)

    return deliver


class MemorySubscription:
    """What subscribe() gives outside the server."""

    def __init__(self, memory, channels):
        self.memory = memory
        self.channels = channels
        self.waiting = collections.deque()
        self.news = None

    async def __aenter__(self):
        if self.news:
            raise RuntimeError("this subscription is entered already")
        self.loop = asyncio.get_running_loop()
        self.news = asyncio.Event()
        for channel in self.channels:
            self.memory.add(channel, self, self.deliver)
        return self

    async def __aexit__(self, *error):
        for channel in self.channels:
            self.memory.remove(channel, self)
        self.waiting.clear()
        if self.news:
            self.news.set()
        self.news = None

    def deliver(self, message):
        self.loop.call_soon_threadsafe(self.keep, message)

    def keep(self, message):
        if self.news:
            self.waiting.append(message)
            self.news.set()

    def __aiter__(self):
        return self

    async def __anext__(self):
        while self.news and not self.waiting:
            self.news.clear()
            await self.news.wait()
        if not self.news:
            raise RuntimeError("a subscription is used by async with: this one is not "
                               "entered, or left")
        return self.waiting.popleft()


def publish(channel: str, data: str | bytes) -> int:
    """Send *data* to every subscriber of *channel*, on every core.

    From anywhere: sync or async code, any thread, a task, a WSGI view.  Waits
    for nobody.

    channel  str, 1 to 200 bytes of UTF-8
    data     str or bytes: a text or a binary WebSocket message

    Returns the message's offset, an int that grows with each message.
    TypeError, ValueError: what the channel or the data is not, or a message
    larger than a quarter of ``--ring-size``.

    >>> shoal.publish("room", json.dumps({"from": "ann", "text": "hello"}))
    17
    """
    return backend.publish(channel, data)


def join(connection: Any, channel: str) -> None:
    """Have the server send each later message of *channel* to a client.

    No Python runs for it.  What was published before is not sent, and what
    this task publishes afterwards is.  Joining twice is joining once; the end
    of the connection leaves all its channels.  It may be called on any thread.

    connection  an accepted WebSocket: of Starlette, FastAPI, Quart or Litestar,
                a consumer of Django Channels, anything else with an ASGI scope
                in its ``scope``, the scope itself, or RSGI's transport; or, the
                same way, a request whose response of ``text/event-stream`` has
                begun: each message is sent as an event, its offset as the id

    TypeError: it is none.  OSError: it is not accepted or begun, or is over.
    ValueError: the response is no event stream, or what the channel is not.

    A client that does not take its messages is closed with 1013 beyond
    ``--subscriber-buffer``, or misses some: ``--subscriber-overflow skip``.

    An event stream is over when the application returns: where the framework does
    not do so, let it wait for ``http.disconnect`` from ``receive()``.

    >>> await websocket.accept()
    >>> shoal.join(websocket, "room")
    """
    backend.join(connection, channel)


def leave(connection: Any, channel: str) -> bool:
    """End a join(); True if there was one.

    TypeError, ValueError: as of join().

    >>> shoal.leave(websocket, "room")
    True
    """
    return backend.leave(connection, channel)


def subscribe(*channels: str) -> AbstractAsyncContextManager[AsyncIterator[Message]]:
    """The later messages of *channels*, as an asynchronous iterator.

    For code that wants the messages itself, on the shard's event loop.  What
    it does not take in time waits, up to ``--subscriber-buffer``; beyond it the
    oldest are dropped, and the next message's ``lost`` says how many.

    TypeError, ValueError: what a channel is not.  RuntimeError: it is entered
    on another thread than the event loop's, or twice; or it is not entered, or
    was left while a task waited for a message.

    >>> async with shoal.subscribe("room", "news") as messages:
    ...     async for message in messages:
    ...         print(message.channel, message.data, message.offset, message.lost)
    """
    if not channels:
        raise TypeError("subscribe() takes at least one channel")
    return backend.Subscription(*channels)


def counters() -> list[dict[str, int]]:
    """What each shard has done since the server's start, the first shard first.

    published  messages published there, and
    bytes      how large they were
    delivered  messages to its subscribers, each counted once a subscriber
    lost       messages that it was too late to read: --ring-size is too small
    dropped    messages that subscribers of its were too slow for
    wakes      how often what it published woke another shard

    >>> sum(shard["dropped"] for shard in shoal.counters())
    0
    """
    return backend.counters()


try:
    import _shoal as backend  # type: ignore
except ImportError:
    backend = Memory()
else:
    backend.use_message(Message)
