"""WSGI beyond the usual: /NAME?…, each a function below."""

import gzip
import io
import json
import os
import sys
import tempfile

from kit import TEXT, answer, query

HEAD = [("Content-Type", TEXT)]
notes = {}


def error_of(error):
    return "%s: %s" % (type(error).__name__, error)


def raised_by(function, *args):
    try:
        function(*args)
    except Exception as error:
        return error_of(error)
    return "nothing"


class Noted:
    """A file that is none: it notes what is done to it."""

    def __init__(self, data, **members):
        self.file = io.BytesIO(data)
        notes["closed"] = 0
        notes["asked"] = []
        vars(self).update(members)

    def read(self, size):
        notes["asked"].append(size)
        return self.file.read(size)

    def close(self):
        notes["closed"] += 1


def file_of(environ, ask):
    kind = ask["kind"]
    if kind == "plain":
        file = open(ask["path"], "rb")
        file.read(int(ask.get("seek", "0")))
        return file
    if kind == "raw":
        return open(ask["path"], "rb", 0)
    if kind == "both":
        return open(ask["path"], "r+b")
    if kind == "bytes":
        return io.BytesIO(b"in memory")
    if kind == "gzip":
        return gzip.open(ask["path"])
    if kind == "buffered-gzip":
        return io.BufferedReader(gzip.open(ask["path"]))
    if kind == "pipe":
        read, write = os.pipe()
        os.write(write, b"through a pipe")
        os.close(write)
        return open(read, "rb")
    if kind == "temporary":
        file = tempfile.TemporaryFile()
        file.write(b"temporary")
        file.seek(0)
        return file
    if kind == "noted":
        return Noted(b"noted" * 5000)
    if kind == "fails":
        return Noted(b"x" * 9000, read=lambda size: 1 / 0)
    raise KeyError(kind)


def file(environ, start_response, ask):
    head = list(HEAD)
    if "length" in ask:
        head.append(("Content-Length", ask["length"]))
    start_response(ask.get("status", "200 OK"), head)
    size = (int(ask["block"]),) if "block" in ask else ()
    return environ["wsgi.file_wrapper"](file_of(environ, ask), *size)


def no_start(environ, start_response, ask):
    return environ["wsgi.file_wrapper"](open(__file__, "rb"))


def wrapped(environ, start_response, ask):
    """Of something else: it is iterated over, and closed by its owner."""
    start_response("200 OK", HEAD)
    with open(__file__, "rb") as source:
        wrapper = environ["wsgi.file_wrapper"](source, 100)
        blocks = list(wrapper)
        wrapper.close()
        closed = source.closed
    return [b"".join(blocks), b"%d %r" % (max(map(len, blocks)), closed)]


def hints(environ, start_response, ask):
    hint = environ["wsgi.early_hints"]
    told = [raised_by(hint, headers) for headers in (None, [("Link", 5)],
        [("Link", "a\r\nX-Evil: 1")], [("X A", "b")], [["Link", "a"]])]
    told.append(raised_by(hint))
    hint([("Link", "</a.css>; rel=preload"), ("X-A", "b")])
    write = start_response("200 OK", HEAD)
    hint([("Link", "</b>")])
    write(b" ")
    told.append(raised_by(hint, [("Link", "</c>")]))
    notes["hint"] = hint
    return [json.dumps(told).encode()]


def late_hint(environ, start_response, ask):
    return answer(start_response, raised_by(notes["hint"], []))


def reads(environ, start_response, ask):
    """The body by the calls that ?how lists: r5, r, l, l3, s, s9, i."""
    body = environ["wsgi.input"]
    got = []
    for call in ask["how"].split(","):
        args = [None if a == "N" else int(a) for a in [call[1:]] if a]
        if call[0] == "i":
            got.append([line.decode() for line in body])
            continue
        data = {"r": body.read, "l": body.readline, "s": body.readlines}[
            call[0]](*args)
        got.append([line.decode() for line in data]
            if isinstance(data, list) else data.decode())
    return answer(start_response, json.dumps(got))


def streams(environ, start_response, ask):
    """Answers each line of the body as it comes."""
    start_response("200 OK", HEAD)
    return (b"<" + line.strip() + b">" for line in environ["wsgi.input"])


def facts(environ, start_response, ask):
    return answer(start_response, json.dumps({key: value
        for key, value in environ.items()
        if isinstance(value, (str, bool))}))


def size(environ, start_response, ask):
    """Of the environ's own memory."""
    return answer(start_response, str(sys.getsizeof(environ)))


def write_then(environ, start_response, ask):
    """write() first, then a list."""
    write = start_response("200 OK", HEAD)
    write(b"one ")
    return [b"two ", b"three"]


def empty_first(environ, start_response, ask):
    """The head may change until the first block that is not empty."""
    start_response("200 OK", HEAD + [("X-A", "first")])
    yield b""
    try:
        raise ValueError("changed")
    except ValueError as error:
        start_response("202 Accepted", HEAD + [("X-A", "second")],
            (ValueError, error, None))
    yield b"told"


def tell(environ, start_response, ask):
    return answer(start_response, json.dumps(notes, default=str))


WAYS = {f.__name__.replace("_", "-"): f for f in (file, no_start, wrapped,
    hints, late_hint, reads, streams, facts, size,
    write_then, empty_first)}
WAYS["notes"] = tell


def wsgi(environ, start_response):
    name = environ["PATH_INFO"][1:].partition("/")[0]
    return WAYS[name](environ, start_response, query(environ))
