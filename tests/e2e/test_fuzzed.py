"""Applications that call their interface at random: whatever they do, the
client can tell a whole answer from a cut one, nothing of one answer gets into
the next, and the shard lives."""

import os
import random

import pytest

from shoal import SLOW, Server

GOOD = b"untouched\n"
RUNS = int(os.environ.get("FUZZ_RUNS", "600")) // SLOW
SEED = int(os.environ.get("FUZZ_SEED", "0")) or random.randrange(1 << 30)
METHODS = ["GET", "GET", "HEAD", "POST", "POST"]


class Cut(Exception):
    """The answer ended before it was whole, and the client can tell."""


def judge(c, method):
    """Read one answer; Cut where it is not whole."""
    try:
        got = c.recv_response(method)
    except AssertionError as error:
        if "cut" not in str(error):
            raise
        raise Cut from None
    except ConnectionResetError:
        raise Cut from None
    assert not got.all("x-evil"), got
    if got.status == 500 and got.body == b"Internal Server Error":
        return got
    if got.status == 404 and got.body == b"Not Found":
        return got
    assert set(got.body) <= {ord("z")}, got
    return got


def ask(c, dice, seed):
    method = dice.choice(METHODS)
    body = b"y" * dice.choice([0, 5, 5000, 100000]) if method == "POST" \
        else None
    early = dice.random() < 0.2
    tail = "GET /plain HTTP/1.1\r\nHost: x\r\n\r\n"
    try:
        c.request(method, "/fuzz?seed=%d" % seed, (), body)
        if early:
            c.send(tail)
    except (BrokenPipeError, ConnectionResetError):
        pass  # it was answered before it was read
    while c.peek_status() in (b"100", b"103"):
        c.recv_head()
    got = judge(c, method)
    if not got.keep_alive:
        c.assert_closed()
        raise Cut
    try:
        if not early:
            c.send(tail)
    except (BrokenPipeError, ConnectionResetError):
        pass
    after = c.recv_response()
    assert (after.status, after.body) == (200, GOOD), after
    return got.status


@pytest.mark.asan
@pytest.mark.parametrize("interface", ["asgi", "wsgi", "rsgi"])
def test_calls_at_random(isolation, interface, tmp_path):
    print("FUZZ_SEED=%d" % SEED)
    dice = random.Random("%d %s" % (SEED, interface))
    file = tmp_path / "file"
    file.write_bytes(b"z" * 70000)
    with Server("fuzzed:" + interface, "--isolation", isolation,
            env={"FUZZ_FILE": str(file)}) as server:
        server.allow("")  # every run may be wrong in its own way
        pid = server.child()
        seen = {"cut": 0}
        for _ in range(RUNS):
            seed = dice.randrange(1 << 30)
            try:
                with server.connect() as c:
                    try:
                        status = ask(c, dice, seed)
                        seen[status] = seen.get(status, 0) + 1
                    except Cut:
                        seen["cut"] += 1
                got = server.get("/plain")
                assert (got.status, got.body) == (200, GOOD), got
            except BaseException:
                print("/fuzz?seed=%d" % seed)
                raise
        assert server.child() == pid
        # Neither all right nor all wrong: the dice are worth throwing.
        assert seen.get(200) and seen.get(500), seen
        bad = server.logged(
            "Sanitizer|runtime error|Fatal Python|SystemError|BUG")
        assert not bad, bad
