"""A loop that is busy with handing Python's lock to a thread and back.

/start begins and /stop ends it; /policies tells the scheduling policies of the
loop's thread, of that thread, and of a new subprocess if ?child is given: 0 is
the ordinary one, 3 SCHED_BATCH.
"""

import asyncio
import os
import subprocess
import sys
import threading

from kit import no_events, query, reply

ASK = "import os; print(os.sched_getscheduler(0))"
to_thread, to_loop = threading.Semaphore(0), threading.Semaphore(0)
going = False


def answer():
    while True:
        to_thread.acquire()
        to_loop.release()


def hand():
    to_thread.release()
    to_loop.acquire()
    if going:
        asyncio.get_running_loop().call_soon(hand)


helper = threading.Thread(target=answer, daemon=True)


async def policies(child):
    own = [os.sched_getscheduler(0), os.sched_getscheduler(helper.native_id)]
    if child == "fork":
        pid = os.fork()
        if pid == 0:
            os._exit(os.sched_getscheduler(0))
        own.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    elif child == "system":
        own.append(os.waitstatus_to_exitcode(os.system(
            f'{sys.executable} -c "import os; exit(os.sched_getscheduler(0))"')))
    elif child:
        own.append(int(subprocess.check_output([sys.executable, "-c", ASK])))
    return " ".join(map(str, own))


async def asgi(scope, receive, send):
    global going
    if scope["type"] == "lifespan":
        helper.start()
        return await no_events(scope, receive, send)
    was = going
    going = scope["path"] != "/stop" and (going or scope["path"] == "/start")
    if going and not was:
        hand()
    await reply(send, await policies(query(scope).get("child")))
