"""A client that sends the same fields again and again is told apart from one
that does not by nothing but the time that it takes."""

import random

import pytest

from shoal import Server

FIELDS = [("user-agent", "one/1.0"), ("accept", "*/*"), ("cookie", "a=b; c=d"),
    ("x-long", "l" * 700)]
PATHS = ["/", "/a", "/a?b=c", "/%41?", "/" + "p" * 300]


@pytest.fixture(params=["asgi", "wsgi", "rsgi"])
def server(request, isolation):
    with Server("same:" + request.param, "--isolation", isolation) as server:
        yield server


def ask(c, port, path="/", fields=FIELDS, method="GET"):
    """One request, and the application must be told just that."""
    c.request(method, path, fields)
    told = c.recv_response().json()
    raw, _, query = path.partition("?")
    host = [item for item in told["fields"] if item[0] == "host"]
    rest = [item for item in told["fields"] if item[0] != "host"]
    assert len(host) == 1, told
    assert rest == [list(item) for item in fields], told
    assert told == told | {"method": method, "path": raw.replace("%41", "A"),
        "query": query, "port": port}, told


def port_of(c):
    return str(c.sock.getsockname()[1])


@pytest.mark.asan
def test_again_and_again(server):
    with server.connect() as c:
        for _ in range(5):
            ask(c, port_of(c))


@pytest.mark.asan
def test_another_target_and_method(server):
    with server.connect() as c:
        for i in range(30):
            ask(c, port_of(c), PATHS[i % 5 if i % 3 else 0],
                method=["GET", "DELETE"][i % 4 == 3])


@pytest.mark.asan
def test_clients_with_the_same_fields_and_others(server):
    """In any order: each is told its own."""
    dice = random.Random(7)
    cookies = [FIELDS[:2] + [("cookie", "n=%d" % n)] for n in range(4)]
    conns = [server.connect() for _ in range(6)]
    for i in range(600):
        c = conns[dice.randrange(6)]
        kind = i // 100 % 3     # all alike; two kinds of them; any
        fields = FIELDS if kind == 0 else cookies[
            dice.randrange(4) if kind == 2 else conns.index(c) % 2]
        ask(c, port_of(c), dice.choice(PATHS[:3]), fields)


@pytest.mark.asan
def test_more_than_are_kept(server):
    with server.connect() as c:
        for n in range(300):
            for _ in range(3):
                ask(c, port_of(c), PATHS[n % 5], [("x-%d" % n, str(n))])
        for _ in range(3):
            ask(c, port_of(c))


def test_many_connections(server):
    """One after the other, and again when half of them have left."""
    conns = [server.connect() for _ in range(40)]
    for _ in range(4):
        for c in conns:
            ask(c, port_of(c))
    for c in conns[::2]:
        c.close()
    for _ in range(3):
        for c in conns[1::2]:
            ask(c, port_of(c), "/again")
