"""Lifespan in its variants; writes what happens to $EVENTS.

$LIFESPAN: ok, fails, raises, late (raises after startup), nostop (fails at
shutdown), slow (takes a second), none (does not know it), exits, second
(fails where it is not the first that starts), held (until there is $EVENTS.go),
works (has a task, and at the end waits for what that has left to do).
"""

import asyncio
import os

from kit import reply


def note(line):
    with open(os.environ["EVENTS"], "a") as out:
        out.write(line + "\n")


def is_first():
    try:
        os.close(os.open(os.environ["EVENTS"] + ".first",
            os.O_CREAT | os.O_EXCL))
        return True
    except FileExistsError:
        return False


async def work(jobs):
    try:
        while job := await jobs.get():
            note(job)
    except asyncio.CancelledError:
        note("cancelled")
        raise


async def asgi(scope, receive, send):
    how = os.environ.get("LIFESPAN", "ok")
    if scope["type"] != "lifespan":
        note("request")
        state = scope.get("state")
        if not state:
            return await reply(send, "no state\n")
        seen = state.setdefault("mine", 0)
        state["mine"] = 1
        state["shared"].append(1)
        text = "%s %d %d\n" % (
            state["word"], seen, len(state["shared"]))
        return await reply(send, text)
    if how == "none":
        raise ValueError("no lifespan here")
    note("scope %s %s" % (scope["asgi"]["version"],
        scope["asgi"].get("spec_version")))
    message = await receive()
    assert message == {"type": "lifespan.startup"}, message
    if how == "slow":
        await asyncio.sleep(1)
    while how == "held" and not os.path.exists(os.environ["EVENTS"] + ".go"):
        await asyncio.sleep(0.05)
    if how == "exits":
        raise SystemExit(5)
    if how == "second" and not is_first():
        how = "fails"
    if how == "fails":
        await send({"type": "lifespan.startup.failed",
            "message": "no database today"})
        return
    if how == "raises":
        raise RuntimeError("startup went wrong")
    if "state" in scope:
        scope["state"].update(word="hello", shared=[])
    note("startup")
    jobs = asyncio.Queue()
    worker = asyncio.create_task(work(jobs)) if how == "works" else None
    await send({"type": "lifespan.startup.complete"})
    if how == "late":
        await asyncio.sleep(0.05)
        raise RuntimeError("lifespan ended early")
    message = await receive()
    assert message == {"type": "lifespan.shutdown"}, message
    note("shutdown")
    if worker:
        jobs.put_nowait("last job")
        jobs.put_nowait(None)
        await worker
    if how == "nostop":
        await send({"type": "lifespan.shutdown.failed",
            "message": "could not say goodbye"})
        return
    await send({"type": "lifespan.shutdown.complete"})
    note("left")
