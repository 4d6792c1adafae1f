"""asyncio's and anyio's promises, checked inside a request: ?check=NAME.

Each check returns, or raises what is wrong; the answer is "ok" or the
traceback.  /names lists them.
"""

import asyncio
import contextvars
import functools
import os
import socket
import sys
import threading
import time
import traceback

import anyio
import anyio.to_thread

from kit import no_events, query, reply

checks = {}
request = contextvars.ContextVar("request", default="unset")
kept = set()


def check(function):
    checks[function.__name__] = function
    return function


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return await no_events(scope, receive, send)
    if scope["path"] == "/names":
        return await reply(send, "\n".join(checks))
    asked = query(scope)
    if scope["path"] == "/context":
        return await reply(send, await context(asked))
    try:
        result = await checks[asked["check"]]()
        assert result is None, result
        text = "ok"
    except Exception:
        text = traceback.format_exc()
    await reply(send, text)


async def context(asked):
    """What this request set before it waited, and what it found first."""
    before = request.get()
    request.set(asked["id"])
    await asyncio.sleep(0.05)

    async def child():
        await asyncio.sleep(0)
        return request.get()

    seen = [before, request.get(), await asyncio.create_task(child()),
        await asyncio.to_thread(request.get)]
    return " ".join(seen)


@check
async def a_request_is_a_task():
    task = asyncio.current_task()
    assert isinstance(task, asyncio.Task), task
    await asyncio.sleep(0)
    assert asyncio.current_task() is task
    await asyncio.sleep(0.001)
    assert asyncio.current_task() is task
    assert task in asyncio.all_tasks()
    assert task.get_loop() is asyncio.get_running_loop()


@check
async def the_loop_is_asyncios():
    loop = asyncio.get_running_loop()
    assert isinstance(loop, asyncio.AbstractEventLoop)
    assert isinstance(loop, asyncio.BaseEventLoop)
    assert loop.is_running() and not loop.is_closed()
    assert loop.get_debug() is False
    assert repr(loop)
    try:
        loop.run_until_complete(asyncio.sleep(0))
    except RuntimeError:
        pass
    else:
        raise AssertionError("ran inside itself")


@check
async def callbacks_run_in_order():
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    seen = []
    for i in range(5):
        loop.call_soon(seen.append, i)
    handle = loop.call_soon(seen.append, "cancelled")
    handle.cancel()
    loop.call_soon(done.set_result, None)
    assert seen == []
    await done
    assert seen == [0, 1, 2, 3, 4], seen


@check
async def a_callback_made_by_a_callback_runs_a_turn_later():
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    seen = []

    def first():
        loop.call_soon(lambda: (seen.append("later"),
            done.set_result(None)))

    loop.call_soon(first)
    loop.call_soon(seen.append, "sooner")
    await done
    assert seen == ["sooner", "later"], seen


@check
async def timers_run_in_order():
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    seen = []
    start = loop.time()
    loop.call_later(0.06, lambda: done.set_result(loop.time()))
    loop.call_later(0.04, seen.append, 4)
    loop.call_at(start + 0.02, seen.append, 2)
    dead = loop.call_later(0.03, seen.append, "cancelled")
    dead.cancel()
    loop.call_later(0, seen.append, 0)
    end = await done
    assert seen == [0, 2, 4], seen
    assert end - start >= 0.059, end - start
    assert dead.cancelled() and dead.when() > start


@check
async def many_timers():
    loop = asyncio.get_running_loop()
    handles = [loop.call_later(1000, print) for _ in range(1000)]
    for handle in handles:
        handle.cancel()
    await asyncio.sleep(0.01)
    await asyncio.gather(*(asyncio.sleep(i % 10 / 1000)
        for i in range(500)))


@check
async def users_tasks_are_not_eager():
    seen = []

    async def child():
        seen.append("child")

    task = asyncio.create_task(child(), name="a name")
    assert task.get_name() == "a name"
    seen.append("parent")
    await task
    assert seen == ["parent", "child"], seen


@check
async def a_task_gets_its_context():
    context = contextvars.copy_context()
    context.run(request.set, "given")

    async def child():
        return request.get()

    loop = asyncio.get_running_loop()
    assert await loop.create_task(child(), context=context) == "given"
    assert request.get() == "unset"


@check
async def timeouts():
    try:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(10)
    except TimeoutError:
        pass
    else:
        raise AssertionError("no timeout")
    async with asyncio.timeout(10):
        await asyncio.sleep(0)
    try:
        await asyncio.wait_for(asyncio.sleep(10), 0.01)
    except TimeoutError:
        pass
    else:
        raise AssertionError("no timeout")
    assert asyncio.current_task().cancelling() == 0


@check
async def task_groups():
    async with asyncio.TaskGroup() as group:
        one = group.create_task(asyncio.sleep(0.001, 1))
        two = group.create_task(asyncio.sleep(0, 2))
    assert one.result() + two.result() == 3

    async def bad():
        raise KeyError("bad")

    cancelled = []

    async def other():
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(other())
            await asyncio.sleep(0)
            group.create_task(bad())
    except* KeyError:
        pass
    else:
        raise AssertionError("no group")
    assert cancelled == [True]


@check
async def cancelling():
    async def child():
        try:
            await asyncio.sleep(10)
        finally:
            await asyncio.sleep(0)

    task = asyncio.create_task(child())
    await asyncio.sleep(0)
    assert task.cancel("why")
    try:
        await task
    except asyncio.CancelledError:
        pass
    else:
        raise AssertionError("not cancelled")
    assert task.cancelled()
    me = asyncio.current_task()
    asyncio.get_running_loop().call_soon(me.cancel)
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        assert me.uncancel() == 0
    else:
        raise AssertionError("not cancelled")
    inner = asyncio.ensure_future(asyncio.sleep(0.01, "kept"))
    assert await asyncio.shield(inner) == "kept"


@check
async def gathering_and_queues():
    got = await asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0.001, 2))
    assert got == [1, 2]
    queue = asyncio.Queue(2)

    async def produce():
        for i in range(20):
            await queue.put(i)
        await queue.put(None)

    task = asyncio.create_task(produce())
    seen = []
    while (item := await queue.get()) is not None:
        seen.append(item)
    await task
    assert seen == list(range(20))
    lock, event = asyncio.Lock(), asyncio.Event()
    async with lock:
        asyncio.get_running_loop().call_soon(event.set)
        await event.wait()
    done, waiting = await asyncio.wait(
        [asyncio.create_task(asyncio.sleep(s)) for s in (0, 5)],
        return_when=asyncio.FIRST_COMPLETED)
    assert len(done) == len(waiting) == 1
    for task in waiting:
        task.cancel()


@check
async def threads():
    loop = asyncio.get_running_loop()
    ident = await asyncio.to_thread(threading.get_ident)
    assert ident != threading.get_ident()
    assert await loop.run_in_executor(None, sum, [1, 2]) == 3
    many = await asyncio.gather(*(
        asyncio.to_thread(time.sleep, 0.001) for _ in range(50)))
    assert many == [None] * 50
    try:
        await asyncio.to_thread(int, "no number")
    except ValueError:
        pass
    else:
        raise AssertionError("no error")


@check
async def calls_from_other_threads_wake_the_loop():
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def other():
        time.sleep(0.02)
        loop.call_soon_threadsafe(done.set_result, "woken")

    threading.Thread(target=other).start()
    async with asyncio.timeout(10):
        assert await done == "woken"

    def outside():
        future = asyncio.run_coroutine_threadsafe(
            asyncio.sleep(0.001, "result"), loop)
        return future.result(10)

    assert await asyncio.to_thread(outside) == "result"


@check
async def another_loop_in_a_thread():
    async def elsewhere():
        await asyncio.sleep(0.001)
        return asyncio.get_running_loop()

    mine = asyncio.get_running_loop()
    theirs = await asyncio.to_thread(lambda: asyncio.run(elsewhere()))
    assert theirs is not mine and asyncio.get_running_loop() is mine


@check
async def streams():
    async def serve(reader, writer):
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(
        serve, "127.0.0.1", 0, limit=1 << 20)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for word in (b"one\n", b"two\n", b"x" * 200000 + b"\n"):
        writer.write(word)
        await writer.drain()
        if len(word) < 100:
            assert await reader.readline() == word.upper()
    got = await reader.readexactly(200001)
    assert got == b"X" * 200000 + b"\n"
    writer.close()
    await writer.wait_closed()
    server.close()


@check
async def descriptors():
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    seen = loop.create_future()
    loop.add_reader(ours, lambda: seen.done() or
        seen.set_result(ours.recv(10)))
    writable = loop.create_future()
    loop.add_writer(theirs, lambda: writable.done() or
        writable.set_result(True))
    assert await writable
    assert loop.remove_writer(theirs)
    theirs.send(b"ping")
    assert await seen == b"ping"
    assert loop.remove_reader(ours)
    assert not loop.remove_reader(ours)
    await loop.sock_sendall(ours, b"pong")
    assert await loop.sock_recv(theirs, 10) == b"pong"
    ours.close()
    theirs.close()


@check
async def a_descriptor_used_again():
    loop = asyncio.get_running_loop()
    for i in range(20):
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        await loop.sock_sendall(theirs, b"%d" % i)
        assert await loop.sock_recv(ours, 10) == b"%d" % i
        ours.close()
        theirs.close()


@check
async def datagrams():
    loop = asyncio.get_running_loop()
    got = loop.create_future()

    class Receiver(asyncio.DatagramProtocol):
        def datagram_received(self, data, address):
            got.set_result(data)

    server, _ = await loop.create_datagram_endpoint(
        Receiver, local_addr=("127.0.0.1", 0))
    client, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol,
        remote_addr=server.get_extra_info("sockname"))
    client.sendto(b"datagram")
    async with asyncio.timeout(10):
        assert await got == b"datagram"
    client.close()
    server.close()
    await asyncio.sleep(0)


@check
async def names_are_resolved():
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo("127.0.0.1", 80,
        type=socket.SOCK_STREAM)
    assert found[0][4] == ("127.0.0.1", 80), found
    assert await loop.getaddrinfo("localhost", 80)


@check
async def subprocesses():
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "print(input()[::-1]); raise SystemExit(3)",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    out, _ = await child.communicate(b"abc\n")
    assert out == b"cba\n" and child.returncode == 3, (out, child)
    shell = await asyncio.create_subprocess_shell("exit 4")
    assert await shell.wait() == 4


@check
async def pipes():
    loop = asyncio.get_running_loop()
    inner, outer = os.pipe()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader),
        os.fdopen(inner, "rb"))
    os.write(outer, b"through a pipe")
    os.close(outer)
    assert await reader.read() == b"through a pipe"
    transport.close()


@check
async def errors_reach_the_handler():
    loop = asyncio.get_running_loop()
    seen = []
    loop.set_exception_handler(lambda loop, context: seen.append(context))
    try:
        loop.call_soon(functools.partial(int, "no number"))
        await asyncio.sleep(0.001)
        await asyncio.sleep(0.001)
    finally:
        loop.set_exception_handler(None)
    assert len(seen) == 1, seen
    assert isinstance(seen[0]["exception"], ValueError), seen
    assert loop.get_exception_handler() is None


@check
async def debug_mode():
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    try:
        assert loop.get_debug()
        await asyncio.sleep(0.001)
        await asyncio.create_task(asyncio.sleep(0))
        loop.call_soon(int)
        loop.call_later(0.001, int)
        await asyncio.sleep(0.005)
    finally:
        loop.set_debug(False)
    await asyncio.sleep(0)


@check
async def abandoned_generators_are_closed():
    closed = []

    async def numbers():
        try:
            for i in range(10):
                yield i
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    async for i in numbers():
        if i == 2:
            break
    for _ in range(5):
        await asyncio.sleep(0.001)
    assert closed == [True]


@check
async def a_task_factory_of_the_users():
    loop = asyncio.get_running_loop()
    made = []

    def factory(loop, coro, **options):
        task = asyncio.Task(coro, loop=loop, **options)
        made.append(task)
        return task

    loop.set_task_factory(factory)
    try:
        await asyncio.create_task(asyncio.sleep(0))
    finally:
        loop.set_task_factory(None)
    assert len(made) == 1, made
    assert loop.get_task_factory() is None


@check
async def anyio_groups_and_scopes():
    seen = []

    async def child(word):
        await anyio.sleep(0.001)
        seen.append(word)

    async with anyio.create_task_group() as group:
        group.start_soon(child, "a")
        group.start_soon(child, "b")
    assert sorted(seen) == ["a", "b"]
    with anyio.move_on_after(0.01) as scope:
        await anyio.sleep_forever()
    assert scope.cancelled_caught
    try:
        with anyio.fail_after(0.01):
            await anyio.sleep_forever()
    except TimeoutError:
        pass
    else:
        raise AssertionError("no timeout")
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep_forever)
        await anyio.sleep(0)
        group.cancel_scope.cancel()


@check
async def anyio_threads():
    ident = await anyio.to_thread.run_sync(threading.get_ident)
    assert ident != threading.get_ident()

    def back():
        return anyio.from_thread.run(anyio.sleep, 0)

    assert await anyio.to_thread.run_sync(back) is None


@check
async def anyio_streams():
    sender, receiver = anyio.create_memory_object_stream(1)

    async def produce():
        async with sender:
            for i in range(5):
                await sender.send(i)

    async with anyio.create_task_group() as group:
        group.start_soon(produce)
        async with receiver:
            assert [i async for i in receiver] == [0, 1, 2, 3, 4]


@check
async def a_user_task_that_exits_ends_only_itself():
    async def leave():
        await asyncio.sleep(0)
        raise SystemExit("from a task")

    task = asyncio.create_task(leave())
    for _ in range(5):
        await asyncio.sleep(0.001)
    assert task.done()
    assert isinstance(task.exception(), SystemExit)


@check
async def a_callback_that_exits_ends_only_itself():
    def leave():
        raise SystemExit("from a callback")

    loop = asyncio.get_running_loop()
    loop.call_soon(leave)
    loop.call_later(0.001, leave)
    for _ in range(5):
        await asyncio.sleep(0.001)


# What uvloop's documentation and issues name as differences from asyncio, and
# what httpx needs of a loop.


@check
async def handles_are_asyncios():
    loop = asyncio.get_running_loop()
    soon = loop.call_soon(int)
    later = loop.call_later(60, int, 7)
    assert isinstance(soon, asyncio.Handle), soon
    assert isinstance(later, asyncio.TimerHandle), later
    assert "int" in repr(soon) and "when=" in repr(later), (soon, later)
    assert abs(later.when() - loop.time() - 60) < 30
    assert isinstance(later.get_context(), contextvars.Context)
    assert loop.call_at(later.when() + 1, int) > later
    later.cancel()
    later.cancel()
    assert later.cancelled() and "cancelled" in repr(later)
    assert soon.cancelled() is False


@check
async def a_callback_has_the_context_it_is_given():
    loop = asyncio.get_running_loop()
    given = contextvars.copy_context()
    given.run(request.set, "given")
    seen = loop.create_future()
    loop.call_soon(lambda: seen.set_result(request.get()), context=given)
    assert await seen == "given"
    late = loop.create_future()
    loop.call_later(0, lambda: late.set_result(request.get()), context=given)
    assert await late == "given"
    assert request.get() == "unset"


@check
async def wrong_arguments_are_refused():
    loop = asyncio.get_running_loop()
    for wrong in (lambda: loop.call_soon(), lambda: loop.call_later(1),
            lambda: loop.call_later(None, int), lambda: loop.call_at(None, int),
            lambda: loop.call_soon(int, wrong=1)):
        try:
            wrong()
        except TypeError:
            continue
        raise AssertionError(wrong)
    assert asyncio.isfuture(loop.create_future())


@check
async def a_timer_of_asyncios_own_among_ours():
    """What asyncio's code in debug mode has pushed is in the same heap."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    seen = []
    loop.call_later(0.02, seen.append, "second")
    loop.set_debug(True)
    loop.call_later(0.01, seen.append, "first")
    loop.set_debug(False)
    loop.call_later(0.03, done.set_result, None)
    await done
    assert seen == ["first", "second"], seen


@check
async def httpx_gets_and_times_out():
    import httpx

    async def serve(reader, writer):
        line = (await reader.readuntil(b"\r\n\r\n")).split()[1]
        if line == b"/never":
            await reader.read()  # until the client leaves
            return writer.close()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n" + b"httpx")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = "http://127.0.0.1:%d" % server.sockets[0].getsockname()[1]
    async with httpx.AsyncClient(trust_env=False) as client:
        got = await asyncio.gather(*(client.get(url) for _ in range(10)))
        assert [answer.text for answer in got] == ["httpx"] * 10
        try:
            await client.get(url + "/never", timeout=0.05)
        except httpx.ReadTimeout:
            pass
        else:
            raise AssertionError("no timeout")
    server.close()
