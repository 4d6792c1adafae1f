"""The transports of the application's own connections: ?check=NAME.

Each check plays a scene twice, with the loop's transport, whose frequent part
is in C, and with asyncio's own in Python: what the protocol is told, what the
peer gets and what is raised must be the same.
"""

import array
import asyncio
import socket
import struct
from asyncio import selector_events

import _shoal

from loops import asgi, check  # noqa: F401

MANY = bytes(range(256)) * 16384


class Recorder(asyncio.Protocol):
    """Notes what it is told; consecutive data is one piece."""

    def __init__(self, events):
        self.events = events
        self.lost = asyncio.get_running_loop().create_future()
        self.keep_open = False
        self.on_data = None

    def connection_made(self, transport):
        self.transport = transport
        self.events.append("made")

    def data_received(self, data):
        assert type(data) is bytes and 0 < len(data) <= 256 << 10
        if isinstance(self.events[-1], bytes):
            self.events[-1] += data
        else:
            self.events.append(data)
        if self.on_data:
            self.on_data(data)

    def eof_received(self):
        self.events.append("eof")
        return self.keep_open

    def connection_lost(self, exc):
        self.events.append(("lost", type(exc).__name__))
        self.lost.set_result(None)

    def pause_writing(self):
        self.events.append("pause")

    def resume_writing(self):
        self.events.append("resume")


class Filled(asyncio.BufferedProtocol):
    """The same with memory of its own: 10 bytes, or what get() makes."""

    def __init__(self, events, get=None):
        self.events = events
        self.lost = asyncio.get_running_loop().create_future()
        self.memory = bytearray(10)
        self.get = get or (lambda hint: self.memory)

    def connection_made(self, transport):
        self.events.append("made")

    def get_buffer(self, hint):
        self.events.append(("hint", hint))
        return self.get(hint)

    def buffer_updated(self, n):
        self.events.append(bytes(self.memory[:n]))

    def connection_lost(self, exc):
        self.events.append(("lost", type(exc).__name__))
        self.lost.set_result(None)


class Scene:
    """A connection: a transport with a protocol, and the peer's socket."""

    def __init__(self, stock, tcp):
        self.stock, self.tcp = stock, tcp
        self.loop = asyncio.get_running_loop()
        self.events = []

    async def __aenter__(self):
        if self.tcp:
            with socket.create_server(("127.0.0.1", 0)) as server:
                # or the kernel may take all that a check writes
                server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
                self.sock = socket.create_connection(server.getsockname())
                self.peer = server.accept()[0]
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        else:
            self.sock, self.peer = socket.socketpair()
        self.sock.setblocking(False)
        self.peer.setblocking(False)
        self.handler = self.loop.get_exception_handler()
        self.loop.set_exception_handler(lambda loop, context:
            self.events.append((context["message"], type(context.get("exception")).__name__)))
        return self

    async def __aexit__(self, *exc):
        self.peer.close()
        if not self.protocol.lost.done():
            self.transport.abort()
        await self.protocol.lost
        self.loop.set_exception_handler(self.handler)

    async def begin(self, protocol=None, sock=None):
        self.protocol = protocol or Recorder(self.events)
        if self.stock:
            waiter = self.loop.create_future()
            self.transport = selector_events._SelectorSocketTransport(
                self.loop, sock or self.sock, self.protocol, waiter)
            await waiter
        else:
            self.transport, _ = await self.loop.create_connection(
                lambda: self.protocol, sock=sock or self.sock)
        assert isinstance(self.transport, _shoal.SocketTransport) is not self.stock

    async def read(self, size):
        """So many bytes at the peer, or to the end."""
        data = b""
        while len(data) < size:
            more = await self.loop.sock_recv(self.peer, 1 << 20)
            if not more:
                break
            data += more
        return data

    async def settle(self):
        for _ in range(10):
            await asyncio.sleep(0)

    def note(self, call, *args):
        """What became of a call."""
        try:
            self.events.append(("returned", call(*args)))
        except Exception as e:
            self.events.append((type(e).__name__, str(e)))


def scene(function=None, *, tcp=False):
    """A check of what <function>(scene) makes the events be."""
    if function is None:
        return lambda function: scene(function, tcp=tcp)

    async def both():
        seen = []
        for stock in (True, False):
            async with Scene(stock, tcp) as s:
                await asyncio.wait_for(function(s), 60)
            seen.append(s.events)
        assert seen[0] == seen[1], "asyncio: %.2000r\nShoal: %.2000r" % tuple(seen)

    both.__name__ = function.__name__
    return both


@check
@scene
async def what_is_written_arrives(s):
    await s.begin()
    for data in (b"bytes", b"", bytearray(b"array"), memoryview(b"a view")[2:],
            memoryview(array.array("H", [0x4142, 0x4344]))):
        s.note(s.transport.write, data)
    s.transport.writelines([b"of", b"", b"lines"])
    s.transport.close()
    s.events.append(await s.read(1 << 20))
    assert s.events[-1] == b"bytesarrayviewBADCoflines", s.events


@check
@scene
async def what_cannot_be_written_is_refused(s):
    await s.begin()
    for data in ("text", None, 1, [b"list"]):
        s.note(s.transport.write, data)
    s.transport.write_eof()
    s.note(s.transport.write, b"behind the end")
    s.transport.close()
    s.note(s.transport.write, b"")
    await s.protocol.lost
    s.events.append(await s.read(100))


@check
@scene(tcp=True)
async def lines_are_written(s):
    await s.begin()
    wanted = b""
    for lines in ([b"of"], (b"a", b"", b"tuple"), [bytearray(b"an array"), b"and bytes"],
            (part for part in (b"of a", b"generator")), [MANY[:100_000], MANY[:300_000]],
            [b"behind", b"that"], [MANY]):
        if not isinstance(lines, (list, tuple)):
            lines = iter(list(lines))
            wanted += b"of agenerator"
        else:
            wanted += b"".join(lines)
        s.note(s.transport.writelines, lines)
    assert await s.read(len(wanted)) == wanted
    await s.settle()
    for lines in ([], ["text"], None, 1, [None]):
        s.note(s.transport.writelines, lines)
    s.transport.write_eof()
    s.note(s.transport.writelines, [b"behind the end"])
    s.transport.close()
    s.events.append(await s.read(100))
    await s.protocol.lost


@check
@scene
async def bytes_with_gaps_are_an_error(s):
    await s.begin()
    s.note(s.transport.write, memoryview(b"a b c d")[::2])
    await s.protocol.lost
    s.note(s.transport.write, b"lost")


@check
@scene(tcp=True)
async def more_than_the_socket_takes(s):
    await s.begin()
    s.transport.write(MANY)
    s.transport.write(b"then this")
    assert s.transport.get_write_buffer_size() > 0
    wanted = MANY + b"then this"
    assert await s.read(len(wanted)) == wanted
    await s.settle()
    s.events.append(s.transport.get_write_buffer_size())
    # and at once again
    s.transport.write(b"small")
    s.events.append(await s.read(5))
    s.transport.write(MANY)
    s.transport.close()
    assert await s.read(len(MANY) + 1) == MANY
    await s.protocol.lost
    assert s.events == ["made", "pause", "resume", 0, b"small", "pause", "resume",
        ("lost", "NoneType")], s.events


@check
@scene(tcp=True)
async def what_comes_is_read(s):
    await s.begin()
    await s.loop.sock_sendall(s.peer, b"first")
    await s.settle()
    await s.loop.sock_sendall(s.peer, MANY)
    s.peer.shutdown(socket.SHUT_WR)
    await s.protocol.lost
    assert s.events == ["made", b"first" + MANY, "eof", ("lost", "NoneType")]


@check
@scene
async def half_a_connection_stays_open(s):
    await s.begin()
    s.protocol.keep_open = True
    s.peer.shutdown(socket.SHUT_WR)
    await s.settle()
    s.transport.write(b"still")
    s.events.append(await s.read(5))
    s.events.append(s.transport.is_closing())


@check
@scene
async def reading_pauses(s):
    await s.begin()
    s.protocol.on_data = lambda data: s.transport.pause_reading()
    for part in (b"one", b"two"):
        s.peer.send(part)
        await s.settle()
    s.events.append(s.transport.is_reading())
    s.protocol.on_data = None
    s.transport.resume_reading()
    await s.settle()
    assert s.events == ["made", b"one", False, b"two"], s.events


@check
@scene(tcp=True)
async def a_reset_is_noticed_by_reading(s):
    await s.begin()
    s.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.peer.close()
    await s.protocol.lost
    assert s.events == ["made", ("lost", "ConnectionResetError")], s.events


@check
@scene(tcp=True)
async def a_reset_is_noticed_by_writing(s):
    await s.begin()
    s.transport.pause_reading()
    s.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.peer.close()
    for _ in range(8):
        s.note(s.transport.write, b"to nobody")
    await s.protocol.lost
    assert ("lost", "ConnectionResetError") in s.events, s.events


@check
@scene
async def a_protocol_that_raises(s):
    await s.begin()

    def fail(data):
        raise ValueError("on purpose")

    s.protocol.on_data = fail
    s.peer.send(b"data")
    await s.protocol.lost
    assert ("Fatal error: protocol.data_received() call failed.", "ValueError") in s.events


@check
@scene
async def a_protocol_that_closes(s):
    await s.begin()
    s.protocol.on_data = lambda data: s.transport.close()
    s.peer.send(b"data")
    await s.protocol.lost
    s.note(s.transport.is_closing)


@check
@scene
async def a_protocol_with_memory_of_its_own(s):
    await s.begin(Filled(s.events))
    s.peer.send(b"more than ten bytes")
    await s.settle()
    s.peer.close()
    await s.protocol.lost
    assert s.events[:5] == ["made", ("hint", -1), b"more than ", ("hint", -1), b"ten bytes"]


@check
@scene
async def memory_that_is_none(s):
    def fail(hint):
        raise KeyError("on purpose")

    for get in (fail, lambda hint: bytearray(), lambda hint: b"cannot change",
            lambda hint: None):
        await s.begin(Filled(s.events, get))
        s.peer.send(b"data")
        await s.protocol.lost
        s.peer.close()
        s.sock, s.peer = socket.socketpair()
        s.sock.setblocking(False)
    s.peer.close()
    s.sock.close()


@check
@scene
async def the_protocol_is_replaced(s):
    await s.begin()
    second = Filled(s.events)
    s.protocol.on_data = lambda data: s.transport.set_protocol(second)
    s.peer.send(b"first")
    await s.settle()
    s.peer.send(b"second")
    await s.settle()
    s.protocol.on_data = None
    s.transport.set_protocol(s.protocol)
    s.peer.send(b"third")
    await s.settle()
    assert s.events == ["made", b"first", ("hint", -1), b"secondthird"], s.events


@check
@scene
async def who_closes_the_socket_writes_to_no_other(s):
    await s.begin()
    s.transport.pause_reading()
    number = s.sock.fileno()
    s.sock.close()
    a, b = socket.socketpair()
    try:
        # one of them has the number now
        assert number in (a.fileno(), b.fileno())
        s.note(s.transport.write, b"astray")
        await s.protocol.lost
        for sock in (a, b):
            sock.setblocking(False)
            s.note(sock.recv, 100)
    finally:
        a.close()
        b.close()
    assert s.events[1:3] == [("returned", None), ("lost", "OSError")], s.events


@check
@scene
async def who_closes_the_socket_gets_nothing(s):
    def close(hint):
        s.sock.close()
        return bytearray(10)

    await s.begin(Filled(s.events, close))
    s.peer.send(b"astray")
    await s.protocol.lost
    assert s.events[-1] == ("lost", "OSError"), s.events


@check
@scene
async def a_socket_with_methods_of_its_own(s):
    class Loud(socket.socket):
        def send(self, data, *args):
            return super().send(bytes(data).upper(), *args)

        def recv(self, *args):
            return super().recv(*args).upper()

    loud = Loud(fileno=s.sock.detach())
    loud.setblocking(False)
    await s.begin(sock=loud)
    s.transport.write(b"quiet")
    s.events.append(await s.read(5))
    s.peer.send(b"words")
    await s.settle()
    assert s.events == ["made", b"QUIETWORDS"], s.events


@check
@scene
async def nothing_happens_behind_the_end(s):
    await s.begin()
    s.peer.send(b"data")
    s.transport.abort()
    s.note(s.transport.write, b"more")
    await s.protocol.lost
    for _ in range(8):
        s.note(s.transport.write, b"lost")


async def exits(kind):
    """A protocol that wants to end the server ends nothing."""
    async with Scene(False, False) as s:
        await s.begin()

        def leave(data):
            raise kind("of a protocol")

        s.protocol.on_data = leave
        s.peer.send(b"data")
        await s.settle()
        s.protocol.on_data = None
        s.peer.send(b" and more")
        await s.settle()
        assert s.events == ["made", b"data and more"], s.events


@check
async def a_protocol_that_exits():
    await exits(SystemExit)


@check
async def transports_leave_no_cycle():
    import gc
    import weakref

    gc.disable()
    try:
        async with Scene(False, False) as s:
            await s.begin()
            s.transport.write(b"x")
            kept = weakref.ref(s.protocol)
            s.peer.close()
            await s.protocol.lost
        await s.settle()
        del s
        assert kept() is None
    finally:
        gc.enable()
