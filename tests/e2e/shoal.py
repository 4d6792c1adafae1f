"""The harness: starts the real server, speaks raw bytes to it, and holds it
to what every test demands of it besides its own subject:

- the log has no error but those the test declared, and has all of those;
- the server's processes have as many descriptors as when they were ready;
- TERM ends it with code 0 and no process is left.

A limit is generous and only there so that a test ends; what a test asserts
is a condition, never a time.  SHOAL_BIN names another binary, a sanitizer's
build for instance: every limit is four times as long then.
"""

import email.utils
import functools
import http
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).parent
APPS = HERE.parent / "apps"
BIN = os.environ.get("SHOAL_BIN") or str(HERE.parents[1] / "build" / "shoal")
SLOW = 4 if re.search("asan|tsan|debug", BIN) else 1
NAME = "shoal"
LIMIT = 20 * SLOW
MINOR = sys.version_info[:2]

LINE = re.compile(
    r"\d{4}-\d\d-\d\d (\d\d:\d\d:\d\d\.\d{3}) \[(\w+)\] (.*)")
READY = re.compile(r"listening at (\S+(?: and \S+)*)")
BAD_LEVEL = {"ERROR", "CRIT", "CRITICAL", "FATAL"}
BAD_TEXT = re.compile(
    r"Traceback \(most recent call last\)|AddressSanitizer|LeakSanitizer"
    r"|ThreadSanitizer|: runtime error: |Fatal Python error"
    r"|Segmentation fault|double free|free\(\): invalid|\bBUG\b")

_recent = []


def recent():
    """The servers of the running test, for its report."""
    return list(_recent)


def forget():
    """Another test begins: servers that have ended are not its own."""
    _recent[:] = [s for s in _recent if s.proc.poll() is None]


def until(condition, what, limit=LIMIT):
    """Wait until condition() is true and return what it gave."""
    end = time.monotonic() + limit
    while True:
        got = condition()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError("not within %g s: %s" % (limit, what))
        time.sleep(0.01)


def at_once(count, function):
    """Call function(0) to function(count - 1) in threads; what they gave."""
    given, errors = [None] * count, []

    def call(i):
        try:
            given[i] = function(i)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=call, args=(i,), daemon=True)
        for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return given


class Events:
    """A file that applications append lines to."""

    def __init__(self, path):
        self.path = path

    def __str__(self):
        return str(self.path)

    def lines(self):
        return self.path.read_text().splitlines()

    def wait(self, line, count=1):
        until(lambda: self.lines().count(line) >= count,
            "%d x %r in %r" % (count, line, self.lines))


def environment(extra=None):
    """What the server sees: this environment without what would steer it."""
    env = {k: v for k, v in os.environ.items()
        if not re.match("PYTHON|PYTEST|SHOAL|GRANIAN|WEB_CONC|COV|PORT$", k)}
    env["VIRTUAL_ENV"] = sys.prefix
    env["ASAN_OPTIONS"] = "detect_leaks=0:handle_sigill=0"
    env["UBSAN_OPTIONS"] = "print_stacktrace=1"
    for key, value in (extra or {}).items():
        if value is None:
            env.pop(key, None)
        else:
            env[key] = str(value)
    return env


class Done:
    """A finished call of the binary."""

    def __init__(self, code, stdout, stderr):
        self.code = code
        self.stdout = stdout
        self.stderr = stderr
        self.log = stderr.splitlines()


def run(*args, env=None, cwd=APPS, limit=LIMIT):
    """Call the binary and wait for its end."""
    try:
        done = subprocess.run([BIN, *map(str, args)], cwd=cwd,
            env=environment(env), stdin=subprocess.DEVNULL,
            capture_output=True, timeout=limit, text=True,
            errors="backslashreplace", start_new_session=True)
    except subprocess.TimeoutExpired as error:
        raise AssertionError("did not end: %s\n%s" % (args,
            (error.stderr or b"").decode(errors="replace"))) from None
    return Done(done.returncode, done.stdout, done.stderr)


@functools.cache
def version():
    return run("--version").stdout


def records(lines):
    """Log lines grouped into events.

    The server writes a traceback line by line, each with the time of the
    whole; what the application writes has none.  A line belongs to the
    traceback before it, of the same writer, if it has its time and no
    traceback of its own follows.  Those of two writers may mix.
    """
    parsed = []
    for line in lines:
        head = LINE.match(line)
        level, text = (head[2], head[3]) if head else (None, line)
        at = head[1] if head else None
        who, text = re.match(r"(\[[^]]*\] )?(.*)", text).groups()
        parsed.append((level, who, at, text))
    begins = [bool(re.match(r"Traceback|\s+\+ Exception Group", text))
        for *_, text in parsed]
    next_begins, later = [], {}
    for (_, who, *_), begin in zip(parsed[::-1], begins[::-1]):
        next_begins.insert(0, later.get(who, False))
        later[who] = begin
    groups, last = [], {}
    for i, (level, who, at, text) in enumerate(parsed):
        before, group, inside = last.get(who, (None, None, False))
        joined = before and before[0] == level and (
            level is None or before[2] == at and (begins[i] or inside
            and not (next_begins[i] and text.strip())))
        if not joined:
            group, inside = [], False
            groups.append(group)
        group.append(lines[i])
        inside = inside or "Traceback (most recent call last)" in text \
            or begins[i]
        last[who] = parsed[i], group, inside
    return ["\n".join(group) for group in groups]


def is_bad(record):
    head = LINE.match(record)
    return bool(head and head[2] in BAD_LEVEL or BAD_TEXT.search(record))


# Processes, as /proc shows them

def children_of(pid):
    found = []
    try:
        for task in os.listdir("/proc/%d/task" % pid):
            path = "/proc/%d/task/%s/children" % (pid, task)
            found += map(int, pathlib.Path(path).read_text().split())
    except (FileNotFoundError, ProcessLookupError):
        pass
    return sorted(found)


def state_of(pid):
    """R, S, Z…, or None for a process that is gone."""
    try:
        text = pathlib.Path("/proc/%d/stat" % pid).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()[0]


def alive(pid):
    return state_of(pid) not in (None, "Z", "X")


def session(sid):
    """The living processes of a session."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            text = pathlib.Path("/proc/%s/stat" % name).read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        fields = text.rpartition(")")[2].split()
        if int(fields[3]) == sid and fields[0] not in "ZX":
            found.append(int(name))
    return sorted(found)


def cpu_seconds(pid):
    """CPU time of a process, of all its threads so far."""
    return time.clock_gettime((~pid << 3) | 2)


def executable(pid):
    try:
        return os.readlink("/proc/%d/exe" % pid)
    except OSError:
        return None


def descriptors(pid):
    try:
        return sorted(
            os.readlink("/proc/%d/fd/%s" % (pid, fd))
            for fd in os.listdir("/proc/%d/fd" % pid))
    except OSError:
        return []


class Server:
    """A running server; use it by `with`.

    app      as on the command line; `x:asgi`, `x:wsgi` and `x:rsgi` set
             --interface unless an option does
    options  further options, in the order given
    env      additions to the environment, None to remove a name
    slack    descriptors that the application may keep
    """

    def __init__(self, app, *options, env=None, cwd=APPS, slack=0,
            workers=1, ready=True, check=True):
        options = [str(option) for option in options]
        given = " ".join(options)
        if workers and "--workers" not in given:
            options += ["--workers", str(workers)]
        if not re.search(r"--(port|uds|bind)\b", given) and \
                "PORT" not in (env or {}):
            options += ["--port", "0"]
        if "--interface" not in given:
            attr = app.rpartition(":")[2]
            if attr in ("asgi", "wsgi", "rsgi"):
                options += ["--interface", attr]
        self.args = [BIN, *options, app]
        self.title = " ".join(self.args[1:])
        self.env = environment(env)
        self.cwd = cwd
        self.slack = slack
        self.log = []
        self.out = []
        self.expected = []
        self.allowed = []
        self.code = None
        self._wait_ready = ready
        self._check = check
        self._conns = []
        self._ready = []
        self._stopped = False
        self._news = threading.Condition()

    # Life

    def __enter__(self):
        self.proc = subprocess.Popen(self.args, cwd=self.cwd,
            env=self.env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True)
        self.pid = self.proc.pid
        _recent.append(self)
        del _recent[:-4]
        self._readers = [
            threading.Thread(target=self._read, args=args, daemon=True)
            for args in ((self.proc.stderr, self.log),
                (self.proc.stdout, self.out))]
        for reader in self._readers:
            reader.start()
        try:
            if self._wait_ready:
                self.wait_ready()
        except BaseException:
            self._kill()
            raise
        return self

    def _read(self, pipe, lines):
        for raw in pipe:
            with self._news:
                lines.append(raw.decode(errors="replace").rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def wait_ready(self):
        found = self.wait_log(READY)
        self.urls = found[1].split(" and ")
        self.url = self.urls[0]
        port = re.match(r"https?://.*:(\d+)/?$", self.url)
        self.port = int(port[1]) if port else None
        self._ready = self._descriptors()

    def wait_log(self, pattern, since=0, limit=LIMIT):
        """Wait for a log line that matches; gives the match."""
        pattern = re.compile(pattern)
        end = time.monotonic() + limit
        seen = since
        while True:
            with self._news:
                while len(self.log) <= seen:
                    left = end - time.monotonic()
                    ended = self.proc.poll() is not None and \
                        not self._readers[0].is_alive()
                    if left <= 0 or ended:
                        break
                    self._news.wait(min(left, 0.1))
                lines = self.log[seen:]
            for line in lines:
                found = pattern.search(line)
                if found:
                    return found
            seen += len(lines)
            if not lines:
                why = "ended with %s" % self.proc.poll() \
                    if self.proc.poll() is not None \
                    else "not within %g s" % limit
                raise AssertionError("%s: no line with %r in\n%s" % (
                    why, pattern.pattern, "\n".join(self.log)))

    def logged(self, pattern):
        """The log's records that match."""
        return [r for r in records(list(self.log))
            if re.search(pattern, r, re.S)]

    def expect(self, pattern, times=None):
        """Declare a record: it must come, <times> times if given."""
        self.expected.append((pattern, times))

    def allow(self, pattern):
        """Declare an error record that may come or not."""
        self.allowed.append(pattern)

    def kill(self, number):
        os.kill(self.pid, number)

    def wait(self, limit=LIMIT):
        """Wait for the keeper's end; gives its exit code."""
        if self.code is None:
            try:
                self.code = self.proc.wait(limit)
            except subprocess.TimeoutExpired:
                raise AssertionError("still runs after %g s:\n%s" % (
                    limit, "\n".join(self.log))) from None
            self._stopped = True
            for reader in self._readers:
                reader.join(LIMIT)
        return self.code

    def stop(self, number=signal.SIGTERM, limit=LIMIT):
        self.kill(number)
        return self.wait(limit)

    def __exit__(self, kind, error, trace):
        try:
            if kind is None:
                self._finish()
        finally:
            self._kill()

    def _finish(self):
        for conn in self._conns:
            conn.close()
        if not self._stopped:
            self._check_descriptors()
            code = self.stop(limit=2 * LIMIT)
            assert code == 0, "exit code %d" % code
        if self._check:
            self.check_log()
        until(lambda: not session(self.pid),
            "no process left of %s" % session(self.pid), LIMIT / 4)

    def _kill(self):
        for conn in self._conns:
            conn.close()
        for pid in set(session(self.pid)) | {self.pid}:
            if pid != self.pid or self.proc.poll() is None:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self.proc.wait()

    def check_log(self):
        """No error that was not declared, every declared one there."""
        found = records(list(self.log))
        known = self.expected + [(p, None) for p in self.allowed]
        left = [record for record in found if is_bad(record)
            and not any(re.search(p, record, re.S) for p, _ in known)]
        assert not left, "unexpected in the log:\n" + "\n".join(left)
        for pattern, times in self.expected:
            hits = [r for r in found if re.search(pattern, r, re.S)]
            assert hits and times in (None, len(hits)), \
                "%d records, not %s, with %r in the log:\n%s" % (
                len(hits), times or "some", pattern, "\n".join(self.log))

    # Processes

    def children(self):
        """The server processes: the keeper's living children."""
        exe = executable(self.pid)
        return [pid for pid in children_of(self.pid)
            if alive(pid) and executable(pid) == exe]

    def child(self):
        """The only server process."""
        found = self.children()
        assert len(found) == 1, found
        return found[0]

    def _descriptors(self):
        found = descriptors(self.pid)
        for pid in self.children():
            found += descriptors(pid)
        return found

    def rebase(self):
        """The processes are others now: their descriptors count."""
        def settled():
            # The kernel's list of children lacks some while one goes.
            self._ready = self._descriptors()
            return self.children() and self._ready == self._descriptors()

        until(settled, "the same descriptors twice")

    def _check_descriptors(self):
        def settled():
            return len(self._descriptors()) <= \
                len(self._ready) + self.slack
        try:
            until(settled, "descriptors", LIMIT / 4)
        except AssertionError:
            now = self._descriptors()
            raise AssertionError(
                "%d descriptors at the start, %d now:\n%s\n--\n%s" % (
                len(self._ready), len(now), "\n".join(self._ready),
                "\n".join(now))) from None

    # Requests

    def connect(self, address=None, limit=LIMIT, **options):
        conn = Connection(address or self.address(), limit, **options)
        self._conns.append(conn)
        return conn

    def websocket(self, path, headers=(), **options):
        """A WebSocket whose handshake must succeed."""
        conn = WebSocket(self.address(), LIMIT, **options)
        self._conns.append(conn)
        conn.open(path, headers)
        return conn

    def address(self):
        if self.port is not None:
            return ("127.0.0.1", self.port)
        return re.sub(r"^(http\+)?unix:(//)?", "", self.url)

    def get(self, path, headers=()):
        with self.connect() as conn:
            return conn.get(path, headers)

    def post(self, path, body=b"", headers=()):
        with self.connect() as conn:
            return conn.post(path, body, headers)

    def json(self, path):
        answer = self.get(path)
        assert answer.status == 200, answer
        return json.loads(answer.body)


TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+$")
DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d "
    r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) "
    r"\d{4} \d\d:\d\d:\d\d GMT$")


class Response:
    """One answer, its framing already judged.

    framing     "length", "chunked", "close" or "none"
    keep_alive  what the answer promises about the connection
    """

    def __init__(self, version, status, reason, headers):
        self.version = version
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = b""
        self.chunks = []
        self.framing = None
        options = [option.strip().lower() for value in self.all("connection")
            for option in value.split(",")]
        assert len(options) <= 1, headers
        self.keep_alive = "close" not in options and \
            (version == "1.1" or "keep-alive" in options)
        self.connection = options[0] if options else None

    def all(self, name):
        return [v for k, v in self.headers if k.lower() == name]

    def one(self, name):
        found = self.all(name)
        assert len(found) == 1, (name, self.headers)
        return found[0]

    def fields(self):
        """The headers that the application is responsible for."""
        return [(name.lower(), value) for name, value in self.headers
            if name.lower() not in ("date", "server", "connection",
                "content-length", "transfer-encoding")]

    def answer(self):
        """Status, the application's headers, body: all that it decides."""
        return self.status, self.fields(), self.body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return "<%s %s %s %r>" % (
            self.status, self.reason, self.headers, self.body[:200])


class Connection:
    """A client's end that trusts nothing the server says."""

    def __init__(self, address, limit, rcvbuf=None, source=None):
        if isinstance(address, str):
            family, self.host = socket.AF_UNIX, "localhost"
        else:
            family = socket.AF_INET6 if ":" in address[0] \
                else socket.AF_INET
            self.host = "%s:%d" % address[:2]
        self.sock = socket.socket(family)
        if rcvbuf:
            self.sock.setsockopt(
                socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(limit)
        try:
            self.sock.connect(address)
        except BaseException:
            self.sock.close()
            raise
        if family != socket.AF_UNIX:
            self.sock.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        self.sock.close()

    def reset(self):
        """Leave at once, by RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
            b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def finish(self):
        """Send no more; the server's answers are still read."""
        self.sock.shutdown(socket.SHUT_WR)

    def send(self, data):
        if isinstance(data, str):
            data = data.encode("latin-1")
        self.sock.sendall(data)

    def request(self, method, path, headers=(), body=None):
        """Send one well-formed request."""
        lines = ["%s %s HTTP/1.1" % (method, path)]
        names = {name.lower() for name, _ in headers}
        if "host" not in names:
            lines.append("Host: " + self.host)
        if body is not None and not names & {
                "content-length", "transfer-encoding"}:
            lines.append("Content-Length: %d" % len(body))
        lines += ["%s: %s" % pair for pair in headers]
        head = "\r\n".join(lines) + "\r\n\r\n"
        self.send(head.encode("latin-1") + (body or b""))

    def get(self, path, headers=()):
        self.request("GET", path, headers)
        return self.recv_response()

    def post(self, path, body=b"", headers=()):
        self.request("POST", path, headers, body)
        return self.recv_response()

    def _more(self):
        try:
            got = self.sock.recv(65536)
        except TimeoutError:
            raise AssertionError(
                "nothing more after %r" % self.data[-300:]) from None
        self.data += got
        return got

    def _line(self):
        while b"\r\n" not in self.data:
            assert self._more(), "cut after %r" % self.data[-300:]
        line, self.data = self.data.split(b"\r\n", 1)
        assert b"\n" not in line and b"\r" not in line, line
        return line

    def _exactly(self, count):
        parts = [self.data[:count]]
        self.data = self.data[count:]
        left = count - len(parts[0])
        while left:
            try:
                got = self.sock.recv(min(left, 1 << 20))
            except TimeoutError:
                raise AssertionError("%d bytes missing" % left) from None
            assert got, "cut with %d bytes missing" % left
            parts.append(got)
            left -= len(got)
        return b"".join(parts)

    def peek_status(self):
        """The status of the answer that comes next; b"" at the end."""
        try:
            while len(self.data) < 12 and self._more():
                pass
        except ConnectionResetError:
            return b""
        return self.data[9:12]

    def recv_head(self):
        """Read a status line and the headers, and judge them."""
        line = self._line().decode("latin-1")
        found = re.match(r"HTTP/(1\.[01]) (\d{3}) ([^\r\n]*)$", line)
        assert found, line
        headers = []
        while True:
            line = self._line()
            if not line:
                break
            name, colon, value = line.decode("latin-1").partition(":")
            assert colon and TOKEN.match(name), line
            assert not re.search(r"[\0-\x08\x0a-\x1f\x7f]", value), line
            headers.append((name, value.strip(" \t")))
        head = Response(found[1], int(found[2]), found[3], headers)
        if head.status < 200:
            assert not head.all("content-length"), head
            assert not head.all("transfer-encoding"), head
            return head
        date = head.one("date")
        assert DATE.match(date), date
        when = email.utils.parsedate_to_datetime(date).timestamp()
        assert abs(when - time.time()) < 10 * SLOW, date
        assert all(name == NAME for name in head.all("server")), head
        return head

    def recv_response(self, method="GET"):
        """Read exactly one final answer and judge its framing."""
        head = self.recv_head()
        assert head.status >= 200, head
        length = head.all("content-length")
        coding = head.all("transfer-encoding")
        assert not (length and coding), head
        assert len(length) < 2 and len(coding) < 2, head
        if head.status == 204:
            assert not length and not coding, head
        if coding:
            assert coding == ["chunked"] and head.version == "1.1", head
        if length:
            assert re.match(r"\d+$", length[0]), head
        if method == "HEAD" or head.status in (204, 304):
            head.framing = "none"
        elif coding:
            head.framing = "chunked"
            self._chunked(head)
        elif length:
            head.framing = "length"
            head.body = self._exactly(int(length[0]))
        else:
            assert not head.keep_alive, head
            head.framing = "close"
            head.body = self.recv_until_close()
        return head

    def recv_chunk(self):
        """One chunk's data, empty at the end of the body."""
        data = self._exactly(int(self._line(), 16))
        assert self._line() == b""
        return data

    def _chunked(self, head):
        while True:
            size = self._line()
            assert re.match(rb"[0-9a-fA-F]{1,16}$", size), size
            if int(size, 16) == 0:
                break
            head.chunks.append(self._exactly(int(size, 16)))
            assert self._exactly(2) == b"\r\n"
        assert self._line() == b"", "trailers"
        head.body = b"".join(head.chunks)

    def recv_failure(self):
        """A whole 500, or what came before the connection was cut."""
        head = self.recv_head()
        if head.status == 500:
            length = int(head.one("content-length"))
            head.body = self._exactly(length)
            assert length < 200 and b"Traceback" not in head.body, head
            self.assert_open() if head.keep_alive else self.assert_closed()
            return head
        rest = self.recv_cut()
        if head.all("content-length"):
            assert len(rest) < int(head.one("content-length")), rest
        else:
            assert head.all("transfer-encoding") == ["chunked"], head
            assert not rest.endswith(b"0\r\n\r\n"), rest
        head.body = rest
        return head

    def recv_until_close(self):
        """Everything up to an orderly end."""
        parts = [self.data]
        self.data = b""
        while True:
            try:
                got = self.sock.recv(1 << 20)
            except TimeoutError:
                raise AssertionError("not closed after %r" % b"".join(
                    parts)[-300:]) from None
            if not got:
                return b"".join(parts)
            parts.append(got)

    def recv_cut(self):
        """Everything up to the end, orderly or not."""
        parts = [self.data]
        self.data = b""
        try:
            while got := self.sock.recv(1 << 20):
                parts.append(got)
        except ConnectionResetError:
            pass
        except TimeoutError:
            raise AssertionError("not closed") from None
        return b"".join(parts)

    def assert_closed(self):
        """The server has closed, and said nothing more before."""
        rest = self.recv_until_close()
        assert rest == b"", rest

    def assert_open(self):
        """The connection still serves."""
        assert self.data == b"", self.data
        self.sock.setblocking(False)
        try:
            got = self.sock.recv(1)
            raise AssertionError("closed" if not got else got)
        except BlockingIOError:
            pass
        finally:
            self.sock.settimeout(LIMIT)


WS_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
WS_ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8a


def handshake(path, headers=(), key=WS_KEY, version="13"):
    """A request that opens a WebSocket, as the RFC's example."""
    lines = ["GET %s HTTP/1.1" % path, "Host: a", "Upgrade: websocket",
        "Connection: Upgrade", "Sec-WebSocket-Key: " + key,
        "Sec-WebSocket-Version: " + version]
    lines += ["%s: %s" % pair for pair in headers]
    return "\r\n".join(lines) + "\r\n\r\n"


def frame(first, payload=b"", key=b"\x12\xe4\x00\x9d"):
    """A client's frame; <first> is FIN, reserved bits and opcode."""
    if isinstance(payload, str):
        payload = payload.encode()
    size = len(payload)
    if size < 126:
        head = bytes([first, 0x80 | size])
    elif size < 65536:
        head = bytes([first, 0xfe]) + size.to_bytes(2, "big")
    else:
        head = bytes([first, 0xff]) + size.to_bytes(8, "big")
    mask = (key * (size // 4 + 1))[:size]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")
    return head + key + masked.to_bytes(size, "big")


def close_payload(code, reason=""):
    return code.to_bytes(2, "big") + reason.encode()


class WebSocket(Connection):
    """A WebSocket client that trusts nothing the server says."""

    def open(self, path, headers=()):
        self.send(handshake(path, headers))
        self.head = self.recv_head()
        assert self.head.status == 101, self.head
        assert self.head.one("upgrade") == "websocket", self.head
        assert self.head.one("connection").lower() == "upgrade", self.head
        assert self.head.one("sec-websocket-accept") == WS_ACCEPT, self.head
        return self.head

    def frame(self, first, payload=b""):
        self.send(frame(first, payload))

    def text(self, text):
        self.frame(TEXT, text)

    def binary(self, data):
        self.frame(BINARY, data)

    def recv_frame(self):
        """Its first byte and its payload."""
        first, size = self._exactly(2)
        assert size < 128, "the server's frame is masked"
        if size == 126:
            size = int.from_bytes(self._exactly(2), "big")
            assert size > 125, size
        elif size == 127:
            size = int.from_bytes(self._exactly(8), "big")
            assert size > 65535, size
        assert first & 0x30 == 0 and (first & 8 == 0 or size < 126), first
        return first, self._exactly(size)

    def recv_text(self):
        first, payload = self.recv_frame()
        assert first == TEXT, (first, payload)
        return payload.decode()

    def recv_binary(self):
        first, payload = self.recv_frame()
        assert first == BINARY, (first, payload[:100])
        return payload

    def recv_close(self):
        """The close frame's code and reason; it is answered, and the end."""
        first, payload = self.recv_frame()
        assert first == CLOSE, (first, payload[:100])
        assert len(payload) != 1, payload
        code = int.from_bytes(payload[:2], "big") if payload else None
        assert code not in (1004, 1005, 1006, 1015), code
        return code, payload[2:].decode()

    def shut(self, code=1000, reason=""):
        """The whole closing handshake, from here."""
        self.frame(CLOSE, close_payload(code, reason))
        assert self.recv_close()[0] == code
        self.assert_closed()


# RFC 9110's, which http.HTTPStatus has from 3.13 on
PHRASES = {413: "Content Too Large", 414: "URI Too Long"}


def phrase(status):
    return PHRASES.get(status) or http.HTTPStatus(status).phrase


def copy_of(tmp_path, *names):
    """Applications copied beside each other, away from the others."""
    for name in names:
        shutil.copy(APPS / name, tmp_path / name)
    return tmp_path
