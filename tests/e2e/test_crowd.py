"""Channels used at random by many at once: whatever they do, who uses them well
hears everything, once and in order, and the shards live."""

import os
import random
import threading

import pytest

from shoal import CLOSE, SLOW, Server, frame, handshake

RUNS = int(os.environ.get("FUZZ_RUNS", "300")) // SLOW
SEED = int(os.environ.get("FUZZ_SEED", "0")) or random.randrange(1 << 30)


def join(server, seed):
    """One of the crowd: it comes, listens or not, and goes as it likes."""
    dice = random.Random(seed)
    path = "/crowd?seed=%d" % seed
    with server.connect() as c:
        if dice.random() < 0.7:
            c.send(handshake(path))
        else:
            c.request("GET", path)
        c.sock.settimeout(0.1)
        try:
            for _ in range(dice.randrange(4)):
                c.sock.recv(1 << 16)
            if dice.random() < 0.3:
                c.send(frame(CLOSE))
        except OSError:
            pass  # it was ended, by whatever it did, or hears nothing
        if dice.random() < 0.3:
            c.reset()


@pytest.mark.asan
@pytest.mark.parametrize("options", [(), ("--subscriber-buffer", "20k",
    "--subscriber-overflow", "skip")], ids=["close", "skip"])
def test_a_crowd(isolation, options):
    print("FUZZ_SEED=%d" % SEED)
    with Server("crowd:asgi", "--isolation", isolation, *options,
            "--ws-ping-interval", "0", workers=2) as server:
        server.allow("RuntimeError: at random$")
        server.allow("returned without a complete response")
        witnesses = [server.websocket("/witness") for _ in range(4)]
        errors = []

        def crowd(first):
            for seed in range(SEED + first, SEED + RUNS, 3):
                try:
                    join(server, seed)
                except Exception as error:
                    errors.append((seed, error))

        threads = [threading.Thread(target=crowd, args=(i,))
            for i in range(3)]
        for thread in threads:
            thread.start()
        said = 0
        while any(thread.is_alive() for thread in threads) or said < 20:
            witnesses[said % 4].text("%d" % said)
            for ws in witnesses:
                assert ws.recv_text() == "%d" % said
            said += 1
        for thread in threads:
            thread.join()
        assert errors == []
        for ws in witnesses:
            ws.shut()
