"""Python as a whole inside a shard: ?check=NAME, as in loops.py, by threads.

Every check is a plain function and must leave nothing behind.
"""

import datetime
import decimal
import hashlib
import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import traceback
import warnings
import xml.etree.ElementTree

from kit import answer, no_events, query, reply

checks = {}


def check(function):
    checks[function.__name__] = function
    return function


def run(path, asked):
    if path == "/names":
        return "\n".join(checks)
    try:
        result = checks[asked["check"]]()
        return "ok" if result is None else str(result)
    except BaseException:
        return traceback.format_exc()


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return await no_events(scope, receive, send)
    await reply(send, run(scope["path"], query(scope)))


def wsgi(environ, start_response):
    return answer(start_response,
        run(environ["PATH_INFO"], query(environ)))


def in_threads(count, function):
    errors = []

    def guarded():
        try:
            function()
        except BaseException:
            errors.append(traceback.format_exc())

    threads = [threading.Thread(target=guarded) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors[0]


@check
def datetimes():
    day = datetime.datetime(2026, 2, 28, tzinfo=datetime.timezone.utc)
    for i in range(2000):
        later = day + datetime.timedelta(days=i, microseconds=i)
        text = later.isoformat()
        assert datetime.datetime.fromisoformat(text) == later
        assert later.strftime("%Y") == str(later.year)
    assert datetime.datetime.strptime("2026", "%Y").year == 2026
    import zoneinfo

    zone = zoneinfo.ZoneInfo("Europe/Berlin")
    assert day.astimezone(zone).utcoffset() == datetime.timedelta(hours=1)


@check
def decimals():
    total = sum((decimal.Decimal(i) / 7 for i in range(2000)),
        decimal.Decimal(0))
    assert str(total.quantize(decimal.Decimal("0.01"))) == "285571.43"
    with decimal.localcontext() as context:
        context.prec = 5
        assert str(decimal.Decimal(1) / 3) == "0.33333"


@check
def environment_beside_localtime():
    end = time.monotonic() + 0.25

    def write():
        i = 0
        while time.monotonic() < end:
            os.environ["TEST_VARIABLE_%d" % (i % 200)] = "x" * (i % 99)
            if i % 3 == 0:
                os.environ.pop("TEST_VARIABLE_%d" % (i % 50), None)
            i += 1

    def read():
        while time.monotonic() < end:
            time.tzset()
            assert time.localtime().tm_year >= 2020
            assert os.environ["VIRTUAL_ENV"]

    threads = [threading.Thread(target=t) for t in (write, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in list(os.environ):
        if name.startswith("TEST_VARIABLE_"):
            del os.environ[name]


@check
def environment_reaches_children():
    os.environ["TEST_CHILD"] = "given"
    try:
        out = subprocess.run(["printenv", "TEST_CHILD"],
            capture_output=True, text=True, check=True).stdout
        assert out == "given\n", out
    finally:
        del os.environ["TEST_CHILD"]
    gone = subprocess.run(["printenv", "TEST_CHILD"], capture_output=True)
    assert gone.returncode == 1


@check
def subprocesses():
    out = subprocess.run([sys.executable, "-c", "print(6 * 7)"],
        capture_output=True, text=True, check=True).stdout
    assert out == "42\n", out
    child = subprocess.Popen(["sleep", "100"])
    child.terminate()
    assert child.wait() == -15


@check
def a_child_has_the_usual_signals():
    text = subprocess.run(["grep", "^Sig[BI]", "/proc/self/status"],
        capture_output=True, text=True, check=True).stdout
    masks = dict(line.split(":\t") for line in text.splitlines())
    assert int(masks["SigBlk"], 16) == 0, text
    ignored = int(masks["SigIgn"], 16)
    for number in (signal.SIGPIPE, signal.SIGTERM, signal.SIGCHLD,
            signal.SIGUSR1, signal.SIGUSR2):
        assert not ignored >> number - 1 & 1, (number, text)


@check
def a_child_inherits_no_socket():
    listing = subprocess.run(["ls", "-l", "/proc/self/fd"],
        capture_output=True, text=True, check=True, close_fds=False).stdout
    assert "socket:" not in listing and "eventpoll" not in listing, listing
    assert "memfd" not in listing and "eventfd" not in listing, listing


@check
def multiprocessing_spawn():
    import multiprocessing

    import spawned

    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        assert pool.apply(spawned.double, (21,)) == 42


@check
def what_is_spawned_publishes_nothing():
    import concurrent.futures
    import multiprocessing

    import spawned

    want = "this process was started by the application: it is none of the " \
        "server's, and nobody would hear it"
    for method in "spawn", "forkserver":
        with concurrent.futures.ProcessPoolExecutor(1,
                multiprocessing.get_context(method)) as pool:
            assert pool.submit(spawned.told).result(60) == want
            assert pool.submit(spawned.told_by_another).result(60) == want


@check
def process_pool():
    import concurrent.futures
    import multiprocessing

    import spawned

    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(
            1, mp_context=context) as pool:
        assert pool.submit(spawned.double, 4).result(60) == 8


@check
def forking():
    """Tells what os.fork does here."""
    try:
        pid = os.fork()
    except RuntimeError as error:
        return "RuntimeError: %s" % error
    if pid == 0:
        os._exit(5)
    return "forked %d" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@check
def threads_use_all_cpus():
    seen = []
    in_threads(1, lambda: seen.append(sorted(os.sched_getaffinity(0))))
    return json.dumps(seen[0])


@check
def children_use_all_cpus():
    code = "import os; print(sorted(os.sched_getaffinity(0)))"
    return subprocess.run([sys.executable, "-c", code],
        capture_output=True, text=True, check=True).stdout.strip()


@check
def cpus_counted():
    return os.process_cpu_count()


@check
def threads_are_not_daemons():
    seen = []
    in_threads(1, lambda: seen.append(threading.current_thread().daemon))
    assert seen == [False], seen
    assert threading.current_thread().daemon is False


@check
def locals_of_threads():
    data = threading.local()

    def work():
        assert not hasattr(data, "value")
        data.value = threading.get_ident()
        time.sleep(0.001)
        assert data.value == threading.get_ident()

    in_threads(8, work)


@check
def deep_recursion_is_an_error():
    def down(n):
        return down(n + 1)

    try:
        down(0)
    except RecursionError:
        pass
    else:
        raise AssertionError("no error")
    try:
        # 3.14 counts the bytes of the stack, not the calls
        json.loads("[" * 1000000)
    except RecursionError:
        pass
    else:
        raise AssertionError("no error")
    in_threads(2, lambda: deep())


def deep():
    nested = []
    for _ in range(100000):
        nested = [nested]
    try:
        repr(nested)
    except RecursionError:
        return
    raise AssertionError("no error")


@check
def sqlite():
    base = sqlite3.connect(":memory:", check_same_thread=False)
    base.execute("create table t (a integer, b text)")
    base.executemany("insert into t values (?, ?)",
        [(i, str(i)) for i in range(500)])
    assert base.execute("select sum(a) from t").fetchone() == (124750,)
    base.create_function("twice", 1, lambda x: 2 * x)
    assert base.execute("select twice(21)").fetchone() == (42,)
    base.close()


@check
def c_types():
    import ctypes

    size = ctypes.c_int(5)
    assert ctypes.sizeof(size) == 4
    libc = ctypes.CDLL(None)
    assert libc.abs(-5) == 5
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int),
        ctypes.POINTER(ctypes.c_int))
    numbers = (ctypes.c_int * 5)(3, 1, 5, 2, 4)
    libc.qsort(numbers, 5, ctypes.sizeof(ctypes.c_int),
        kind(lambda a, b: a[0] - b[0]))
    assert list(numbers) == [1, 2, 3, 4, 5], list(numbers)


@check
def xml_and_hashes():
    root = xml.etree.ElementTree.fromstring("<a><b c='1'>text</b></a>")
    assert root.find("b").get("c") == "1"
    assert hashlib.sha256(b"abc").hexdigest().startswith("ba7816bf")
    assert hashlib.scrypt(b"a", salt=b"b", n=2, r=1, p=1, dklen=4)


@check
def tls_contexts():
    import ssl

    context = ssl.create_default_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="a.test")
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    assert outgoing.read()[:1] == b"\x16"


@check
def garbage():
    import gc
    import weakref

    class Node:
        pass

    node = Node()
    node.self = node
    gone = weakref.ref(node)
    del node
    gc.collect()
    assert gone() is None


@check
def logging_and_warnings():
    seen = []

    class Keep(logging.Handler):
        def emit(self, record):
            seen.append(record.getMessage())

    log = logging.getLogger("recipes")
    log.propagate = False
    log.addHandler(Keep())
    log.warning("%s words", 2)
    log.handlers.clear()
    assert seen == ["2 words"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn("a warning")
    assert len(caught) == 1


@check
def exits_in_threads():
    def leave():
        raise SystemExit(3)

    thread = threading.Thread(target=leave)
    thread.start()
    thread.join()
