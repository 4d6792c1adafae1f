"""Channels: who joined gets everything, once, in order, whole, from every
shard, and who is slow costs the others nothing."""

import json
import re
import signal
import threading

import pytest

from shoal import CLOSE, HERE, SLOW, TEXT, Server, close_payload, until

WORKERS = 2
ids = iter(range(1 << 30))


def name():
    """A channel that no other test has."""
    return "c%d" % next(ids)


def start(app, *options, workers=WORKERS, **more):
    return Server("broadcast:" + app, *options, workers=workers, **more)


@pytest.fixture(scope="module", params=["asgi", "rsgi"])
def server(isolation, request):
    with start(request.param, "--isolation", isolation) as server:
        server.app = request.param
        yield server


@pytest.fixture(scope="module")
def asgi(isolation):
    with start("asgi", "--isolation", isolation) as server:
        yield server


def question(do, channel, **more):
    return json.dumps({"do": do, "channel": channel, **more})


def told(ws):
    """The next message, which is an answer."""
    text = ws.recv_text()
    assert text.startswith("{"), text
    return json.loads(text)


def ask(ws, do, channel, **more):
    ws.text(question(do, channel, **more))
    return told(ws)


def done(ws, do, channel, **more):
    got = ask(ws, do, channel, **more)
    assert "done" in got, got
    return got["done"]


def post(server, do, channel, **more):
    got = server.post("/ask", question(do, channel, **more).encode())
    assert got.status == 200, got
    return json.loads(got.body)


def enter(server, *channels, path="/ask", **options):
    ws = server.websocket(path, **options)
    ws.shard = told(ws)["shard"]
    for channel in channels:
        done(ws, "join", channel)
    return ws


def enter_beside(server, other, *channels):
    """A socket on the shard of <other>."""
    found = []

    def beside():
        ws = enter(server)
        found.append(ws)
        if ws.shard != other.shard:
            found.pop().close()
        return found

    until(beside, "a socket on the same shard")
    for channel in channels:
        done(found[0], "join", channel)
    return found[0]


def on_every_shard(server, *channels, count=1):
    """<count> sockets on each of the shards."""
    found = {}

    def enough():
        ws = enter(server)
        if len(found.setdefault(ws.shard, [])) == count:
            ws.close()
        else:
            found[ws.shard].append(ws)
            for channel in channels:
                done(ws, "join", channel)
        return sum(map(len, found.values())) == WORKERS * count

    until(enough, "%d sockets on each shard" % count)
    return [ws for some in found.values() for ws in some]


@pytest.mark.asan
def test_what_is_said_anywhere_is_heard_everywhere(server):
    channel, other = name(), name()
    sockets = on_every_shard(server, channel, count=2)
    offsets = []
    for i, ws in enumerate(sockets):
        ws.text(question("publish", channel, data="from %d" % i))
        # Who publishes gets it, too; before or after the answer.
        both = [ws.recv_text(), ws.recv_text()]
        both.sort()
        assert both[0] == "from %d" % i, both
        offsets.append(json.loads(both[1])["done"])
        for listener in sockets:
            if listener is not ws:
                assert listener.recv_text() == "from %d" % i
    assert offsets == sorted(set(offsets)), offsets
    # A thread of the pool, a request, text that is not ASCII, bytes.
    post(server, "publish", channel, data="\u00e9\u20ac\U0001f41f", thread="")
    post(server, "publish", channel, binary=0)
    post(server, "publish", channel, binary=70000)
    post(server, "publish", other, data="not for us")
    post(server, "publish", channel, data="")
    for ws in sockets:
        assert ws.recv_text() == "\u00e9\u20ac\U0001f41f"
        assert ws.recv_binary() == b""
        assert ws.recv_binary() == b"b" * 70000
        assert ws.recv_text() == ""
        ws.shut()


@pytest.mark.asan
def test_all_hear_the_same_in_one_order(server):
    """Also of two channels: one order of all messages."""
    one, two = name(), name()
    sockets = on_every_shard(server, one, two, count=2)
    each = 300 // SLOW

    def talk(talker, number):
        for i in range(each):
            talker.text(question("publish", one if i % 3 else two,
                data="%d.%d" % (number, i)))

    talkers = on_every_shard(server)
    threads = [threading.Thread(target=talk, args=(talker, number))
        for number, talker in enumerate(talkers)]
    for thread in threads:
        thread.start()
    heard = [[ws.recv_text() for _ in range(each * len(talkers))]
        for ws in sockets]
    for thread in threads:
        thread.join()
    assert all(got == heard[0] for got in heard)
    for number in range(len(talkers)):
        mine = [text for text in heard[0] if text.startswith("%d." % number)]
        assert mine == ["%d.%d" % (number, i) for i in range(each)]
    for talker in talkers:
        for _ in range(each):
            told(talker)
        talker.shut()
    for ws in sockets:
        ws.shut()


@pytest.mark.asan
def test_who_left_hears_no_more(server):
    channel, other = name(), name()
    ws = enter(server, channel, other, channel)  # twice is once
    post(server, "publish", channel, data="first")
    assert ws.recv_text() == "first"
    assert done(ws, "leave", channel) is True
    assert done(ws, "leave", channel) is False
    post(server, "publish", channel, data="second")
    post(server, "publish", other, data="third")
    assert ws.recv_text() == "third"
    assert done(ws, "join", channel, thread="") is None
    post(server, "publish", channel, data="fourth")
    assert ws.recv_text() == "fourth"
    assert done(ws, "leave", channel, thread="") is True
    post(server, "publish", channel, data="fifth")
    post(server, "publish", other, data="sixth")
    assert ws.recv_text() == "sixth"
    ws.shut()


@pytest.mark.asan
def test_what_came_is_sent_before_the_end(server):
    """What waits for a client that reads nothing, and asks to close."""
    channel, after = name(), name()
    ws = enter(server, channel, rcvbuf=4096)
    witness = enter_beside(server, ws, after)
    for i in range(8):
        post(server, "publish", channel, data="%d" % i + "x" * 100_000)
    # A shard delivers in the order of publishing, so ws has its messages
    # when its neighbour has this one.
    post(server, "publish", after, data="now")
    assert witness.recv_text() == "now"
    witness.close()
    ws.frame(CLOSE, close_payload(1000))
    for i in range(8):
        assert ws.recv_text() == "%d" % i + "x" * 100_000
    assert ws.recv_frame() == (CLOSE, close_payload(1000))
    ws.assert_closed()


WRONG = {
    "no str": (("join", 5), "TypeError: a channel is a str, not int"),
    "empty": (("join", ""), "ValueError: a channel's name has 1 to 200 bytes "
        "of UTF-8, not 0"),
    "long": (("leave", "\u20ac" * 67), "ValueError: a channel's name has 1 "
        "to 200 bytes of UTF-8, not 201"),
    "publish to none": (("publish", None, "data", "x"),
        "TypeError: a channel is a str, not NoneType"),
    "publish nothing": (("publish", "x", "data", None),
        "TypeError: a message is str or bytes, not NoneType"),
    "publish a list": (("publish", "x", "data", ["x"]),
        "TypeError: a message is str or bytes, not list"),
    "a lone surrogate": (("publish", "x", "data", "\ud800"),
        "UnicodeEncodeError: 'utf-8' codec can't encode character '\\ud800' "
        "in position 0: surrogates not allowed"),
    "too large": (("publish", "x", "binary", (1 << 20) + 1),
        "ValueError: a message has at most "),
}


@pytest.mark.asan
@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_is_said(server, what):
    (do, channel, *more), error = WRONG[what]
    ws = enter(server)
    more = dict(zip(more[::2], more[1::2]))
    assert ask(ws, do, channel, **more)["error"].startswith(error)
    # Nothing else is lost by it.
    channel = name()
    done(ws, "join", channel)
    post(server, "publish", channel, data="fine")
    assert ws.recv_text() == "fine"
    ws.shut()


NO_CONNECTION = "%s is nothing that can join a channel: an accepted " \
    "WebSocket, an event stream's request, its ASGI scope, or an RSGI " \
    "transport"


@pytest.mark.asan
def test_what_may_join(asgi):
    channel = name()
    ws = enter(asgi)
    assert done(ws, "join", channel, of="having") is None
    post(asgi, "publish", channel, data="heard")
    assert ws.recv_text() == "heard"
    assert done(ws, "leave", channel, of="having", thread="") is True
    for kind, type_name in (("none", "NoneType"), ("number", "int"),
            ("dict", "dict"), ("http", "dict")):
        for thread in ({}, {"thread": ""}):
            assert ask(ws, "join", channel, of=kind, **thread) == {
                "error": "TypeError: " + NO_CONNECTION % type_name}
    ws.shut()


@pytest.mark.asan
def test_only_while_it_is_open(asgi):
    ws = asgi.websocket("/ask?early&late=a")
    shut = {"error": "OSError: the WebSocket is not accepted or the "
        "response not begun; or it is over"}
    assert told(ws) == shut
    told(ws)
    ws.shut()
    late = {}
    until(lambda: late.update(asgi.json("/late")) or "a" in late,
        "what was answered after the end")
    assert late["a"][0] == shut
    assert late["a"][1]["done"] is False


def begin(server, *channels, **more):
    """Of a socket whose application collects, and of one that is joined."""
    ws, witness = enter(server), enter(server, channels[0])
    ws.text(json.dumps({"do": "collect", "channels": channels, **more}))
    assert witness.recv_text() == "begin"
    return ws, witness


def told_of(ws):
    """What was collected."""
    got = told(ws)
    assert "done" in got, got
    return got["done"]


@pytest.mark.asan
def test_a_subscriber_gets_messages(server):
    one, two = name(), name()
    ws, witness = begin(server, one, two, one)
    first = post(server, "publish", two, binary=7)["done"]
    post(server, "publish", name(), data="not for us")
    second = post(server, "publish", one, data="\u20ac")["done"]
    last = post(server, "publish", two, data="end")["done"]
    got = told_of(ws)
    assert got[0][:2] == [one, "begin"] and got[0][3] == 0
    assert got[1:] == [[two, 7, first, 0], [one, "\u20ac", second, 0],
        [two, "end", last, 0]]
    assert got[0][2] < first < second < last
    assert witness.recv_text() == "\u20ac"
    witness.shut()
    ws.shut()


@pytest.mark.asan
def test_a_subscriber_that_lifespan_began(asgi):
    text = name()
    post(asgi, "publish", "from the start", data=text)
    for _ in range(4):
        until(lambda: text in asgi.json("/late")["from the start"],
            "it is heard on this shard, too")


@pytest.mark.asan
def test_who_waits_for_a_subscription_that_is_left(server):
    ws = enter(server)
    assert ask(ws, "release", name()) == {"error": "RuntimeError: a "
        "subscription is used by async with: this one is not entered, or left"}
    ws.shut()


@pytest.mark.asan
def test_who_waits_in_vain_again_and_again_leaves_nothing(server):
    """By a timeout, say, while the client or the channel is quiet."""
    ws = server.websocket("/patient")
    left = json.loads(ws.recv_text())
    assert max(left) < 10, left
    ws.text("and on")
    assert ws.recv_text() == "and on"
    ws.shut()


@pytest.mark.asan
def test_a_slow_subscriber_loses_the_oldest_and_is_told(isolation):
    gate = name()
    with start("asgi", "--isolation", isolation,
            "--subscriber-buffer", "8k") as server:
        channel = name()
        ws, witness = begin(server, channel, gate=gate)
        for i in range(100):
            post(server, "publish", channel, data="%03d" % i + "x" * 500)
            assert witness.recv_text().startswith("%03d" % i)
        post(server, "publish", gate, data="go")
        post(server, "publish", channel, data="end")
        got = told_of(ws)
        numbers = [int(data[:3]) for _, data, _, _ in got[:-1]]
        assert 5 < len(numbers) < 20
        assert numbers == list(range(100 - len(numbers), 100))
        # "begin" was dropped, too.
        assert got[0][3] == 101 - len(numbers)
        assert not any(entry[3] for entry in got[1:])
        assert witness.recv_text() == "end"
        witness.shut()
        ws.shut()


@pytest.mark.asan
def test_a_shard_that_comes_too_late_says_so(isolation, tmp_path):
    begun, end = tmp_path / "begun", tmp_path / "end"
    with start("asgi", "--isolation", isolation, "--ring-size", "64k",
            "--stall-report", "0") as server:
        channel = name()
        one, two = on_every_shard(server, channel)
        one.text(json.dumps({"do": "block", "paths": [str(begun), str(end)]}))
        until(begun.exists, "it is in that call")
        for i in range(100):
            text = "%03d" % i + "x" * 1000
            two.text(question("publish", channel, data=text))
            assert sorted([two.recv_text(), two.recv_text()])[0] == text
        end.touch()
        server.wait_log(r"\d+ messages between connections were overtaken")
        heard = [one.recv_text()]
        while heard[-1][:3] != "099":
            heard.append(one.recv_text())
        numbers = [int(text[:3]) for text in heard if text[0] != "{"]
        assert numbers == list(range(100 - len(numbers), 100))
        assert len(numbers) < 70
        for ws in one, two:
            ws.close()


@pytest.mark.asan
@pytest.mark.parametrize("overflow", ["close", "skip"])
def test_a_slow_socket(isolation, overflow):
    """It is closed with 1013, or has a gap: nobody else does."""
    size, count = 20000, 150
    with start("asgi", "--isolation", isolation, "--subscriber-buffer",
            "100k", "--subscriber-overflow", overflow) as server:
        channel = name()
        slow = enter(server, channel, rcvbuf=4096)
        others = on_every_shard(server, channel)
        for i in range(count):
            data = "%05d" % i + "x" * (size - 5)
            post(server, "publish", channel, data=data)
            for ws in others:
                assert ws.recv_text() == data
        heard = []
        if overflow == "close":
            while (frame := slow.recv_frame())[0] == TEXT:
                heard.append(int(frame[1][:5]))
            assert frame == (CLOSE, close_payload(1013, "too slow"))
            slow.assert_closed()
            assert heard == list(range(len(heard)))
        else:
            # Each is heard that comes while there is room.
            while len(text := slow.recv_text()) == size:
                heard.append(int(text[:5]))
                post(server, "publish", channel, data="the end")
            assert heard == sorted(set(heard))
        assert 1 < len(heard) < count
        for ws in others:
            ws.close()


@pytest.mark.asan
@pytest.mark.parametrize("options, size", [((), 1 << 20),
    (("--subscriber-buffer", "20k"), 100_000)], ids=["default", "small"])
def test_a_message_larger_than_what_may_wait(isolation, options, size):
    """Nobody is slow because of it."""
    with start("asgi", "--isolation", isolation, *options) as server:
        channel = name()
        sockets = on_every_shard(server, channel)
        events = stream(server, channel)
        for _ in range(3):
            # Behind the answer to who asks.
            for asker in sockets:
                asker.text(question("publish", channel, binary=size))
                for ws in sockets:
                    got = [ws.recv_frame()[1]
                        for _ in range(1 + (ws is asker))]
                    assert b"b" * size in got
                assert len(events.next()) > size
        for ws in sockets:
            ws.shut()
        events.conn.close()


class Events:
    """A client of an event stream."""

    def __init__(self, conn, path):
        self.conn = conn
        conn.request("GET", path)
        self.head = conn.recv_head()
        assert self.head.status == 200, self.head
        self.text = b""

    def next(self):
        """The next event, as it is written."""
        while b"\n\n" not in self.text:
            more = self.conn.recv_chunk()
            assert more, self.text
            self.text += more
        event, _, self.text = self.text.partition(b"\n\n")
        return event.decode()


def stream(server, channel, more=""):
    conn = server.connect()
    return Events(conn, "/events?id=%s&channel=%s%s" % (channel, channel,
        more))


@pytest.mark.asan
def test_an_event_stream(server):
    channel = name()
    streams = [stream(server, channel) for _ in range(4)]
    for events in streams:
        assert events.head.one("content-type").startswith("text/event-stream")
        assert events.head.one("transfer-encoding") == "chunked"
    for data, lines in (("hello", ["hello"]), ("", [""]),
            ("\u20ac\n\nb\n", ["\u20ac", "", "b", ""]),
            ("a\rb\r\nc", ["a", "b", "c"]),
            ("x" * 70000, ["x" * 70000]), ("id: 5", ["id: 5"])):
        offset = post(server, "publish", channel, data=data)["done"]
        event = "\n".join(["id: %d" % offset]
            + ["data: " + line for line in lines])
        for events in streams:
            assert events.next() == event
    offset = post(server, "publish", channel, binary=3)["done"]
    for events in streams:
        assert events.next() == "id: %d\ndata: bbb" % offset
        events.conn.close()


@pytest.mark.asan
def test_what_is_no_event_stream_cannot_join(asgi):
    def joined(more):
        channel = name()
        conn = asgi.connect()
        conn.request("GET", "/events?id=%s&channel=%s%s" % (channel, channel,
            more))
        conn.recv_head()
        conn.close()
        late = {}
        until(lambda: late.update(asgi.json("/late")) or
            "over" in late.get(channel, ()), "it is over")
        return late[channel]

    none = "ValueError: a response that joins a channel is of content-type " \
        "text/event-stream, and has no content-length or content-encoding"
    over = "OSError: the WebSocket is not accepted or the response not " \
        "begun; or it is over"
    for more in ("&type=text/plain", "&length=50", "&type=text/event-streams",
            "&coding=gzip"):
        assert [note.get("error") for note in joined(more)[:-1]] == [
            none, over], more
    assert [note.get("error") for note in joined("&early")[:-1]] == [
        over, None, over]
    assert [note.get("error") for note in joined(
        "&type=Text/Event-Stream%3b%20charset=utf-8")[:-1]] == [None, over]


@pytest.mark.asan
def test_the_head_of_an_event_stream(server):
    channel = name()
    with server.connect() as c:
        c.request("HEAD", "/events?id=%s&channel=%s" % (channel, channel))
        head = c.recv_head()
        assert head.status == 200, head
        assert head.one("content-type").startswith("text/event-stream")
        post(server, "publish", channel, data="nobody is to hear it")
        c.finish()
        c.assert_closed()
    if server.app == "asgi":
        until(lambda: any(notes and "done" in notes[0]
            for notes in [server.json("/late").get(channel)]),
            "it could join")


@pytest.mark.asan
def test_an_event_of_the_applications_own_stays_whole(asgi):
    """It is larger than all buffers: messages come while it is half out."""
    channel, own = name(), 20 << 20
    events = stream(asgi, channel, "&own=%d" % own)
    first = events.conn.recv_chunk()
    post(asgi, "publish", channel, data="between")
    events.text += first
    got = [events.next() for _ in range(4)]
    data = [event.partition("data: ")[2] for event in got]
    assert data[0] == "o" * own
    assert data[1:] == ["own", "between", "last"]
    assert events.conn.recv_chunk() == b""
    events.conn.close()


@pytest.mark.asan
@pytest.mark.parametrize("overflow", ["close", "skip"])
def test_a_slow_event_stream(isolation, overflow):
    size, count = 20000, 400
    with start("asgi", "--isolation", isolation, "--subscriber-buffer",
            "100k", "--subscriber-overflow", overflow) as server:
        channel = name()
        conn = server.connect(rcvbuf=4096)
        slow = Events(conn, "/events?id=%s&channel=%s" % (channel, channel))
        witness = enter(server, channel)
        for i in range(count):
            data = "%05d" % i + "x" * size
            post(server, "publish", channel, data=data)
            assert witness.recv_text() == data
        if overflow == "close":
            with pytest.raises(ConnectionResetError):
                while True:
                    slow.next()
        else:
            heard = []
            while len(event := slow.next()) > size:
                heard.append(int(event.partition("data: ")[2][:5]))
                post(server, "publish", channel, data="the end")
            assert heard == sorted(set(heard))
            assert 1 < len(heard) < count
        conn.close()
        witness.close()


@pytest.mark.asan
def test_a_shard_ends_while_threads_publish_and_join(isolation):
    with start("asgi", "--isolation", isolation) as server:
        ws = enter(server, "babble")
        for _ in range(4):
            assert server.get("/babble").status == 200
        assert ws.recv_text() == "x" * 1000
        ws.close()


@pytest.mark.asan
def test_what_each_shard_has_done_is_counted(isolation):
    with start("asgi", "--isolation", isolation, "--subscriber-buffer", "8k",
            "--subscriber-overflow", "skip") as server:
        channel, gate = name(), name()
        one, two = on_every_shard(server, channel)
        talker = enter_beside(server, one)
        zero = dict(published=0, bytes=0, delivered=0, lost=0, dropped=0,
            wakes=0)
        assert done(talker, "counters", "") == [zero] * WORKERS
        for text in "\u20ac", "x" * 100:
            done(talker, "publish", channel, data=text)
            assert one.recv_text() == two.recv_text() == text
        counted = done(talker, "counters", "")
        first, second = (counted[int(ws.shard[-1])] for ws in (one, two))
        # Who was awake had no need to be woken.
        assert first.pop("wakes") <= 2
        assert first == dict(published=2, bytes=103, delivered=2, lost=0,
            dropped=0)
        assert second == dict(zero, delivered=2)
        for ws in one, two, talker:
            ws.close()
        # Of another, which takes nothing until it is told to.
        ws, witness = begin(server, channel, gate=gate)
        for i in range(100):
            post(server, "publish", channel, data="%03d" % i + "x" * 500)
            assert witness.recv_text().startswith("%03d" % i)
        post(server, "publish", gate, data="go")
        post(server, "publish", channel, data="end")
        lost = sum(entry[3] for entry in told_of(ws))
        assert lost == sum(shard["dropped"]
            for shard in done(enter(server), "counters", "")) > 80
        ws.close()
        witness.close()


@pytest.mark.asan
def test_the_event_loop_may_wait_for_a_thread_that_joins(server):
    channel = name()
    ws = enter(server)
    assert done(ws, "join", channel, blocking="") is None
    post(server, "publish", channel, data="heard")
    assert ws.recv_text() == "heard"
    assert done(ws, "leave", channel, blocking="") is True
    ws.shut()


@pytest.mark.asan
def test_threads_join_and_leave_while_others_do(server):
    """Whatever the shard does meanwhile: it waits, sleeps, runs."""
    sockets = on_every_shard(server, count=3)
    for _ in range(100 // SLOW):
        for ws in sockets:
            ws.text(question("join", "crowd", thread=""))
        for ws in sockets:
            ws.text(question("leave", "crowd", thread=""))
    for _ in range(100 // SLOW):
        for ws in sockets:
            assert told(ws)["done"] is None
            assert told(ws)["done"] is True
    for ws in sockets:
        ws.shut()


@pytest.mark.asan
def test_a_subscription_that_nobody_leaves(isolation):
    """It goes with the shard: its end is none the worse for it."""
    with start("asgi", "--isolation", isolation) as server:
        ws, channel = enter(server), name()
        for i in range(3):
            assert done(ws, "hold", channel) is None
        post(server, "publish", channel, data="kept")
        ws.shut()


@pytest.mark.asan
def test_between_generations(isolation):
    """The old processes, while they finish, and the new ones hear each other:
    nothing is missed in between."""
    with start("asgi", "--isolation", isolation) as server:
        channel, stop = name(), name()
        old = server.children()
        events = stream(server, channel, "&count=" + stop)
        server.kill(signal.SIGHUP)
        server.wait_log("the new server processes serve")
        while True:
            ws = server.websocket("/ask")
            kind, text = ws.recv_frame()
            # An old one may still accept it, and drain before it answers.
            if kind == TEXT and json.loads(text)["pid"] not in old:
                break
            ws.close()
        done(ws, "join", channel)
        heard = [ws.recv_text()]
        post(server, "publish", channel, data="new")
        while heard[-1] != "new":
            heard.append(ws.recv_text())
        post(server, "publish", stop, data="now")
        while heard[-1] != "end":
            heard.append(ws.recv_text())
        all_of_it = []
        while not all_of_it or all_of_it[-1] != "end":
            all_of_it.append(events.next().partition("data: ")[2])
        assert all_of_it[-len(heard):] == heard
        all_of_it.remove("new")
        assert all_of_it == [str(i) for i in range(len(all_of_it) - 1)] + [
            "end"]
        assert set(old) & set(server.children())
        events.conn.close()
        ws.shut()
        until(lambda: not set(old) & set(server.children()),
            "the old ones leave")
        server.rebase()


@pytest.mark.asan
@pytest.mark.parametrize("where", [{}, {"thread": ""}],
    ids=["event loop", "thread"])
def test_a_forked_process_takes_no_part(where):
    """And nothing away: neither is its parent's ear its own."""
    with start("asgi", "--isolation", "process") as server:
        channel, mine, last = name(), name(), name()
        one, two = on_every_shard(server, last)
        done(one, "join", channel)
        done(one, "hold", mine)
        forked = "RuntimeError: this process was forked by the application, " \
            "or its shard has ended: it cannot "
        told = done(one, "fork", channel, **where)
        assert told[:3] == [forked + what
            for what in ("publish", "join", "leave")]
        assert told[3] == ("RuntimeError: subscribe() is for the shard's "
            "event loop, not for another thread's" if where else
            forked + "subscribe")
        for text in "first", "second":
            done(two, "publish", channel, data=text)
            assert one.recv_text() == text
        one.shut()
        two.shut()


@pytest.mark.asan
def test_messages_instead_of_calls(asgi):
    channel = name()
    ws, witness = asgi.websocket("/messages"), enter(asgi, channel)

    def say(kind, **more):
        ws.text(json.dumps({"type": kind, **more}))

    def answer(kind, **more):
        say(kind, **more)
        return ws.recv_text()

    assert answer("shoal.join", channel=channel) == "None"
    say("shoal.publish", channel=channel, text="said")
    assert sorted([ws.recv_text(), ws.recv_text()]) == ["None", "said"]
    assert answer("shoal.leave", channel=channel) == "None"
    assert answer("shoal.publish", channel=channel, binary=5) == "None"
    assert answer("shoal.publish", channel=channel, text="x", bytes=None) \
        == "None"
    assert witness.recv_text() == "said"
    assert witness.recv_binary() == b"bbbbb"
    assert witness.recv_text() == "x"
    assert answer("shoal.publish", channel=channel) == \
        answer("shoal.publish", channel=channel, text="x", binary=1) == \
        "ValueError: shoal.publish: text or bytes, one of both"
    assert answer("shoal.join") == \
        'ValueError: shoal.join: the message has no "channel"'
    assert answer("shoal.join", channel=5) == \
        "TypeError: a channel is a str, not int"
    assert answer("shoal.else", channel=channel) == "RuntimeError: " \
        "shoal.else was sent after the WebSocket was accepted, or refused"
    witness.shut()
    ws.shut()


@pytest.mark.asan
def test_a_view_of_wsgi_publishes(isolation):
    with start("wsgi", "--isolation", isolation) as server:
        offsets = [json.loads(server.post("/ask", question("publish", "x",
            data="x").encode()).body)["done"] for _ in range(20)]
        assert offsets == sorted(set(offsets))
        for _ in range(20):
            assert server.post("/ask", question("subscribe", "x").encode()) \
                .body == b"RuntimeError: subscribe() is for the shard's " \
                b"event loop, not for another thread's"


README = (HERE.parents[1] / "README.md").read_text()
NEWS = """
import asyncio

import shoal
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

%s

async def say(request):
    shoal.publish("news", request.query_params["text"])
    return PlainTextResponse(str(len(asyncio.all_tasks())))


app = Starlette(routes=[Route("/news", news), Route("/say", say)])
"""


@pytest.mark.asan
def test_the_readmes_examples(tmp_path):
    chat, news = re.findall(r"```python\n(.*?)```", README, re.S)
    (tmp_path / "chat.py").write_text(chat)
    (tmp_path / "news.py").write_text(NEWS % news)
    with Server("chat:app", workers=2, cwd=tmp_path) as server:
        sockets = [server.websocket("/") for _ in range(4)]
        for i, ws in enumerate(sockets):
            ws.text("%d" % i)
            assert [one.recv_text() for one in sockets] == ["%d" % i] * 4
        for ws in sockets:
            ws.shut()
    with Server("news:app", workers=1, cwd=tmp_path) as server:
        tasks = server.get("/say?text=early").body
        conn = server.connect()
        events = Events(conn, "/news")
        assert events.next() == ": hello"
        assert server.get("/say?text=hello").body != tasks
        assert events.next().endswith("\ndata: hello")
        conn.close()
        until(lambda: server.get("/say?text=late").body == tasks,
            "its task has ended")
