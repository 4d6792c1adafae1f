"""Clients that ask together, so that a server finds all of them in one turn."""

import os
import signal
import socket
import time
from pathlib import Path

HANDSHAKE = (b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
READY = b"\x81\x05ready"
MASK = b"\x12\x34\x56\x78"
SECONDS = 300           # that nothing may take, be it counted and the machine busy


class Wrong(Exception):
    """An answer that is none."""


def request(load, number=0):
    fields = [("Host", "localhost"), *load.headers]
    if load.body_size:
        fields.append(("Content-Length", str(load.body_size)))
    head = "%s %s HTTP/1.1\r\n%s\r\n" % (load.method, load.path,
        "".join("%s: %s\r\n" % field for field in fields))
    head = head.replace("NUMBER", str(100000 + number))
    return (head.encode() + b"x" * load.body_size) * load.depth


def frame(data, mask=b""):
    """A WebSocket's text, of a client if there is a mask."""
    bit, size = 0x80 if mask else 0, len(data)
    head = bytes([0x81, bit | size]) if size < 126 else (
        bytes([0x81, bit | 126]) + size.to_bytes(2, "big"))
    if mask:
        data = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
    return head + mask + data


def read(conn, length):
    data = b""
    while len(data) < length and (more := conn.recv(length - len(data))):
        data += more
    if len(data) != length:
        raise Wrong("%d bytes of %d: %r" % (len(data), length, data[:200]))
    return data


class Requests:
    """A load of HTTP, of which an answer has so many bytes."""

    def __init__(self, load, length):
        self.load, self.length = load, length
        self.says, self.said = request(load), 0
        self.varies = any("NUMBER" in value for _, value in load.headers)
        self.closes = load.closes
        self.count = load.connections
        self.a_round = self.count * load.depth
        self.depth = load.depth

    def open(self, port):
        self.port = port
        self.conns = [] if self.closes else self.connected()

    def connected(self):
        return [socket.create_connection(("127.0.0.1", self.port), SECONDS)
            for _ in range(self.count)]

    def ask(self):
        if self.closes:
            self.conns = self.connected()
        for conn in self.conns:
            if self.varies:
                self.said += 1
                self.says = request(self.load, self.said)
            conn.sendall(self.says)

    def hear(self):
        for conn in self.conns:
            for _ in range(self.depth):
                data = read(conn, self.length)
                if not data.startswith(b"HTTP/1.1 200 "):
                    raise Wrong("%r" % data[:200])
            if self.closes and conn.recv(1):
                raise Wrong("more than an answer")
        if self.closes:
            self.close()

    def close(self):
        for conn in self.conns:
            conn.close()
        self.conns = []


class Messages(Requests):
    """A load of WebSockets: each its own messages, or all those of the first."""

    def __init__(self, load):
        text = b"m" * load.size
        self.says, self.answer = frame(text, MASK) * load.window, frame(text) * load.window
        self.count, self.closes = load.sockets, False
        self.a_round = self.count * load.window
        self.speakers = 1 if load.app == "room" else self.count

    def open(self, port):
        super().open(port)
        for conn in self.conns:
            conn.sendall(HANDSHAKE)
            data = b""
            while not data.endswith(READY):
                data += read(conn, 1)

    def ask(self):
        for conn in self.conns[:self.speakers]:
            conn.sendall(self.says)

    def hear(self):
        for conn in self.conns:
            if read(conn, len(self.answer)) != self.answer:
                raise Wrong("another message")


def stop(pid):
    """It runs no more when this returns."""
    os.kill(pid, signal.SIGSTOP)
    while Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()[0] != "T":
        time.sleep(0.0005)


def converse(clients, pid, rounds):
    """
    All, open, ask, then all are answered; so many <rounds>.  The process <pid> is stopped
    while they ask: how many of them a turn finds does not depend on the machine.
    """
    for _ in range(rounds):
        stop(pid)
        clients.ask()
        os.kill(pid, signal.SIGCONT)
        clients.hear()
    clients.close()
