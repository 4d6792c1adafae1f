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

Inside the server the work is done in C.  Outside of it, in a test or a shell,
the same calls work in memory, among the threads of one process.
"""

import asyncio
import collections
import threading

__all__ = ["Message", "join", "leave", "publish", "subscribe"]

#: The longest name of a channel, in bytes of UTF-8.
CHANNEL_MAX = 200


class Message(collections.namedtuple("Message", "channel data offset lost")):
    """One message, as a subscriber gets it.

    channel  str, where it was published
    data     str or bytes, as it was published
    offset   int, its place in the order of all messages; larger is later
    lost     int, how many were missed just before it, of all channels: an
             upper bound for this one.  0 unless the subscriber fell behind.
    """

    __slots__ = ()


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
        self.lock = threading.Lock()
        self.offset = 0
        # channel: {subscriber: function that takes a message}
        self.channels = collections.defaultdict(dict)

    def publish(self, channel, data):
        check_channel(channel)
        check_data(data)
        with self.lock:
            self.offset += 1
            message = Message(channel, data, self.offset, 0)
            for deliver in list(self.channels.get(channel, {}).values()):
                deliver(message)
            return message.offset

    def add(self, channel, subscriber, deliver):
        check_channel(channel)
        with self.lock:
            self.channels[channel][id(subscriber)] = deliver

    def remove(self, channel, subscriber):
        check_channel(channel)
        with self.lock:
            known = self.channels.get(channel, {})
            gone = known.pop(id(subscriber), None)
            if not known:
                self.channels.pop(channel, None)
            return gone is not None

    def join(self, connection, channel):
        self.add(channel, scope_of(connection), delivery(connection))

    def leave(self, connection, channel):
        return self.remove(channel, scope_of(connection))


def scope_of(connection):
    """The ASGI scope that *connection* is or has, else itself."""
    return getattr(connection, "scope", connection)


def delivery(connection):
    """How a connection outside the server gets a message.

    By its own send methods, on the loop that runs now; a bare scope collects
    them in the list scope["shoal.received"].
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

    async def send(data):
        await getattr(connection, text if isinstance(data, str) else binary)(data)

    def deliver(message):
        loop.call_soon_threadsafe(lambda: loop.create_task(send(message.data)))

    return deliver


class MemorySubscription:
    """What ``async with subscribe()`` gives, outside the server."""

    def __init__(self, channels):
        self.channels = channels
        self.waiting = collections.deque()

    async def __aenter__(self):
        self.loop = asyncio.get_running_loop()
        self.news = asyncio.Event()
        for channel in self.channels:
            memory.add(channel, self, self.deliver)
        return self

    async def __aexit__(self, *error):
        for channel in self.channels:
            memory.remove(channel, self)

    def deliver(self, message):
        self.waiting.append(message)
        self.loop.call_soon_threadsafe(self.news.set)

    def __aiter__(self):
        return self

    async def __anext__(self):
        while not self.waiting:
            self.news.clear()
            await self.news.wait()
        return self.waiting.popleft()


memory = Memory()
