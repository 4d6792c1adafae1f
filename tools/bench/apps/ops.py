"""How the modules of operations that are counted run: loopops and clientops."""

import asyncio
import gc
import os
import sys


def run(loop, operations, name, count):
    asyncio.set_event_loop(loop)
    gc.disable()
    next(each for each in operations if each.__name__ == name)(loop, int(count))
    asyncio.set_event_loop(None)
    loop.close()


def start(module, operations):
    """What a module of operations ends with; nothing, where it is only looked at."""
    if os.environ.get("LOOPOPS"):
        import _shoal

        run(_shoal.embedded("loop").Loop(), operations, *os.environ["LOOPOPS"].split())
        # There is nothing to serve: the server ends, and says that it was told so.
        os._exit(0)
    elif module == "__main__":
        if sys.argv[1] == "uvloop":
            import uvloop as loops
        else:
            loops = asyncio
        run(loops.new_event_loop(), operations, *sys.argv[2:])
