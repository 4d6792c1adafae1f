"""The harness itself: what it must notice, it notices."""

import email.utils
import socket
import threading

import pytest

import shoal

# stands for the time at which it is said
DATE = "Date: now\r\n"
TIME = "2026-01-01 00:00:00.000 "


@pytest.fixture
def said(tmp_path):
    """Make a client whose server says these bytes and closes."""
    opened = []

    def make(data):
        now = email.utils.formatdate(usegmt=True)
        data = data.replace("Date: now", "Date: " + now)
        path = str(tmp_path / ("s%d" % len(opened)))
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()

        def serve():
            peer, _ = listener.accept()
            peer.sendall(data.encode("latin-1"))
            peer.shutdown(socket.SHUT_WR)
            opened.append(peer)

        thread = threading.Thread(target=serve)
        thread.start()
        conn = shoal.Connection(path, 5)
        thread.join()
        opened.extend([listener, conn])
        return conn

    yield make
    for one in opened:
        one.close()


def test_good_answers_are_read(said):
    conn = said(
        "HTTP/1.1 200 OK\r\n" + DATE + "Content-Length: 2\r\n\r\nab"
        "HTTP/1.1 200 OK\r\n" + DATE + "Transfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"
        "HTTP/1.1 204 No Content\r\n" + DATE + "\r\n"
        "HTTP/1.1 200 OK\r\n" + DATE + "Connection: close\r\n\r\nrest")
    seen = [conn.recv_response() for _ in range(4)]
    assert [(r.body, r.framing, r.keep_alive) for r in seen] == [
        (b"ab", "length", True), (b"abcd", "chunked", True),
        (b"", "none", True), (b"rest", "close", False)]


@pytest.mark.parametrize("data", [
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\n" + DATE * 2 + "Content-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nDate: yesterday\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\n" + DATE + "Content-Length: 0\r\n"
    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\n" + DATE + "Content-Length: 5\r\n\r\nabc",
    "HTTP/1.1 200 OK\r\n" + DATE + "Transfer-Encoding: chunked\r\n\r\n3\r\n",
    "HTTP/1.1 200 OK\r\n" + DATE + "Transfer-Encoding: chunked\r\n\r\n"
    "3\r\nabcd\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\n" + DATE + "Content-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\n" + DATE + "A: b\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 204 No Content\r\n" + DATE + "Content-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\n" + DATE + "\r\nno length and no close",
    "HTTP/1.1 200 OK\r\n" + DATE + "A b: c\r\nContent-Length: 0\r\n\r\n",
])
def test_bad_answers_are_not(said, data):
    with pytest.raises(AssertionError):
        said(data).recv_response()


def test_tracebacks_are_one_record_each():
    trace = [TIME + "[ERROR] [shard 0] " + text for text in (
        "Exception in the application: GET /",
        "Traceback (most recent call last):", "  File x", "ValueError: x",
        "", "During handling of the above exception, another occurred:",
        "", "Traceback (most recent call last):", "  File x", "KeyError: y")]
    lines = [TIME + "[INFO] begin", *trace, *trace, "raw", "raw too",
        TIME + "[ERROR] [shard 1] alone", TIME + "[INFO] end"]
    found = shoal.records(lines)
    assert [len(record.splitlines()) for record in found] == [
        1, 10, 10, 2, 1, 1], found
    assert [shoal.is_bad(record) for record in found] == [
        False, True, True, False, True, False]


def test_tracebacks_of_two_writers_may_mix():
    def trace(who):
        return [TIME + "[ERROR] [%s] %s" % (who, text) for text in (
            "Exception: GET /", "Traceback (most recent call last):",
            "  File x", "ValueError: x")]
    lines = [line for pair in zip(trace("shard 0"), trace("shard 1"))
        for line in pair]
    lines.insert(3, TIME + "[WARNING] between")
    found = shoal.records(lines)
    assert [len(record.splitlines()) for record in found] == [4, 4, 1], found
