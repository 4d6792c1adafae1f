"""The work that every site_*.py has done by its framework."""

import asyncio
import hashlib
import os
from pathlib import Path

MEGABYTE = bytes(range(256)) * 4096
USERS = {"ann": "secret"}


def file_path():
    """The test has put it there."""
    return str(Path(os.environ["SITE_DIR"], "file.bin"))


def event(word):
    """Tell the test."""
    with open(os.environ["EVENTS"], "a") as file:
        file.write(word + "\n")


def megabytes(count):
    for _ in range(count):
        for at in range(0, len(MEGABYTE), 65536):
            yield MEGABYTE[at:at + 65536]


async def later_megabytes(count):
    for part in megabytes(count):
        yield part


def endless():
    """Until the client leaves."""
    try:
        while True:
            yield b"more\n" * 1000
    finally:
        event("left")


async def later_endless():
    try:
        while True:
            yield b"more\n" * 1000
            await asyncio.sleep(0)
    finally:
        event("left")


def sum_up(count):
    return {"sum": sum(range(count))}


def digest_of(file):
    """What the client checks of an uploaded file, read in pieces."""
    digest, size = hashlib.sha256(), 0
    while part := file.read(1 << 20):
        digest.update(part)
        size += len(part)
    return {"size": size, "sha256": digest.hexdigest()}


async def later_digest_of(read):
    """The same by a coroutine function read(n)."""
    digest, size = hashlib.sha256(), 0
    while part := await read(1 << 20):
        digest.update(part)
        size += len(part)
    return {"size": size, "sha256": digest.hexdigest()}


async def in_time():
    """True: nothing came, and the wait was ended."""
    try:
        async with asyncio.timeout(0.05):
            await asyncio.Event().wait()
    except TimeoutError:
        return True
