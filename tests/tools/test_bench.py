"""What tools/bench/run makes of its tables, its bursts, and earlier results."""

import argparse
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BENCH = ROOT / "tools/bench"
sys.path.insert(0, str(BENCH))

from runner import ask, build, burst, count, report, rows, talks  # noqa: E402

PLOT = runpy.run_path(str(BENCH / "plot"))
RUN = runpy.run_path(str(BENCH / "run"))
LOADS = {load.name: load for load in rows.LOADS + talks.LOADS}
FACTS = {"binary": "sha256 1"}


def a_burst(per_second=1000, **more):
    kept = {"requests": per_second, "seconds": 1.0, "p50": 1.0, "p99": 2.0,
            "p999": 3.0, "max": 4.0, "errors": {"status": 0}, "cpu": 0.5,
            "load_cpu": 0.5, "foreign_server": 0.0, "foreign_load": 0.0,
            "lost": 0, "bytes": per_second * 100}
    return burst.Burst(**{**kept, **more})


def written(folder, load, servers, notes=(), facts=FACTS):
    results = {name: report.figures(bursts, 100, 1 << 20)
               for name, bursts in servers.items()}
    report.add_ratios(results, "shoal")
    report.write(folder, load, results, facts, list(notes))


def run(*options):
    return subprocess.run([sys.executable, BENCH / "run", *options], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


# ---- the tables

def test_what_the_help_offers_is_there():
    text = " ".join(run("--help").stdout.split())
    for name in ("asgi-plain", "asgi-plain-rate", "django-asgi-rate",
                 "broadcast-4", "shoal-2"):
        assert name in text


def test_a_name_that_is_none_is_refused():
    done = run("--loads", "asgi-plain,asgi-plane")
    assert done.returncode == 2
    assert "no 'asgi-plane' among" in done.stdout


def test_a_paced_load_asks_for_the_same_as_the_other():
    load = rows.replace(LOADS["asgi-echo-rate"], rate=700)
    assert LOADS["asgi-echo"].app == load.app
    assert load.rateload(4200, 3) == [
        "--rate=700", "--length=4200", "--seconds=3", "--connections=64",
        "--method=POST", "--path=/", "--body=4096"]
    load = rows.replace(LOADS["wsgi-connect-rate"], rate=700)
    assert load.rateload(150, 3)[-2:] == ["--header=Connection:close",
                                          "--close"]


def test_every_load_but_pipelines_has_a_paced_one():
    names = [load.name for load in rows.SATURATED]
    assert [name for name in names if name + "-rate" not in LOADS] == [
        "asgi-pipeline", "wsgi-pipeline", "rsgi-pipeline"]


def test_two_shards_are_compared_where_it_says_something():
    two = next(s for s in rows.SERVERS if s.name == "shoal-2")
    assert [name for name, load in LOADS.items() if two.answers(load)] == [
        "asgi-plain", "wsgi-plain", "rsgi-plain"]
    assert "--workers 2" in " ".join(map(str, two.options(
        LOADS["asgi-plain"], 80)))


# ---- what the rate of all is taken from

class AServer:
    """Says what its bursts are, or does not bear one."""

    def __init__(self, *taken):
        self.taken = list(taken)
        self.stopped = False

    def last_lines(self):
        return "\n    | its last words"

    def stop(self):
        self.stopped = True


def paced(monkeypatch, servers):
    def one_burst(args, place, load, server, restless):
        taken = server.taken[0] if len(server.taken) == 1 \
            else server.taken.pop(0)
        if isinstance(taken, Exception):
            raise taken
        return taken

    pace = RUN["pace"]
    monkeypatch.setitem(pace.__globals__, "one_burst", one_burst)
    args = argparse.Namespace(rate=None)
    notes = []
    return pace(args, None, LOADS["asgi-plain-rate"], servers, set(),
                notes), notes


def test_the_slowest_server_sets_the_rate(monkeypatch):
    servers = {"floor": AServer(a_burst(10)), "shoal": AServer(a_burst(900)),
               "granian": AServer(a_burst(500))}
    (rate, why), notes = paced(monkeypatch, servers)
    assert (rate, why) == (350, "70% of granian's 500")
    assert notes == []


def test_a_cold_start_sets_no_rate(monkeypatch):
    servers = {"bjoern": AServer(a_burst(10), a_burst(800)),
               "shoal": AServer(a_burst(900))}
    (rate, _), _ = paced(monkeypatch, servers)
    assert rate == 560


def test_one_that_loses_requests_sets_no_rate(monkeypatch):
    servers = {"shoal": AServer(a_burst(900)),
               "socketify": AServer(a_burst(80, errors={"read": 1})),
               "fastpysgi": AServer(a_burst(0))}
    (rate, _), notes = paced(monkeypatch, servers)
    assert rate == 630
    assert list(servers) == ["shoal", "socketify", "fastpysgi"]
    assert [note.split()[0] for note in notes] == ["socketify", "fastpysgi"]


def test_one_that_ends_is_left_out(monkeypatch):
    gone = AServer(build.Failure("it ended"))
    servers = {"socketify": gone, "shoal": AServer(a_burst(900))}
    (rate, _), notes = paced(monkeypatch, servers)
    assert rate == 630
    assert list(servers) == ["shoal"] and gone.stopped
    assert notes == ["socketify failed: it ended\n    | its last words"]


def test_nobody_bears_it(monkeypatch):
    with pytest.raises(build.Failure, match="asgi-plain-rate: no server"):
        paced(monkeypatch, {"shoal": AServer(build.Failure("it ended"))})


# ---- training

@pytest.mark.parametrize("text, said", [
    ("exit 7", "ended with 7"),
    # Answers, and is killed, or ends badly: counts are lost.
    ('exec "$PYTHON" -c "$SERVER" "$2"', "it ended with 3"),
])
def test_training_wants_answers_and_a_good_end(tmp_path, text, said):
    shoal = tmp_path / "shoal"
    shoal.write_text("#!/bin/sh\n" + text + "\n")
    shoal.chmod(0o755)
    wrk = tmp_path / "wrk"
    wrk.write_text("#!/bin/sh\necho 'detail %s'\n" % json.dumps(
        {name: 1 for name in ("requests", "seconds", "p50", "p99", "p999",
                              "max")} | {"errors": {"status": 0}}))
    wrk.chmod(0o755)
    server = ("import os, signal\nsignal.signal(signal.SIGTERM, "
              "lambda *_: os._exit(3))\n" + SERVER % (0, rows.PLAIN))
    done = subprocess.run(
        [sys.executable, BENCH / "train", shoal], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHON": sys.executable, "SERVER": server,
             "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert done.returncode == 1
    assert said in done.stdout


# ---- figures

def test_figures_are_the_medians_of_the_quiet_bursts():
    bursts = [a_burst(1000), a_burst(2000), a_burst(9000, foreign_load=0.5),
              a_burst(3000)]
    figures = report.figures(bursts, 100, 0)
    assert figures["per_cpu_second"] == 4000
    assert figures["best_per_cpu_second"] == 18000
    assert figures["quiet_bursts"] == 3
    assert figures["errors"] == {}


@pytest.mark.parametrize("mistake, errors", [
    ({"errors": {"status": 2}}, {"status": 2}),
    ({"bytes": 90_000}, {"length": 1}),
    ({"lost": 1}, {"processes lost": 1}),
])
def test_errors_are_counted(mistake, errors):
    bursts = [a_burst(), a_burst(**mistake)]
    assert report.figures(bursts, 100, 0)["errors"] == errors


def test_a_curve_has_the_medians_of_each_percentile():
    bursts = [a_burst(curve=[[50, ms], [100, 10 * ms]]) for ms in (3, 1, 2)]
    assert report.figures(bursts, 100, 0)["curve"] == [[50, 2], [100, 20]]


# ---- earlier results

def test_results_count_for_their_binary_and_their_servers(tmp_path):
    load = LOADS["asgi-plain"]
    assert not report.has(tmp_path, load, FACTS, ["shoal"])
    written(tmp_path, load, {"shoal": [a_burst()], "uvicorn": [a_burst()]},
            ["bjoern is left out: it is not built"])
    assert report.has(tmp_path, load, FACTS, ["shoal"])
    assert report.has(tmp_path, load, FACTS, ["shoal", "uvicorn", "bjoern"])
    assert not report.has(tmp_path, load, FACTS, ["shoal", "granian"])
    assert not report.has(tmp_path, load, {"binary": "sha256 2"}, ["shoal"])
    assert not report.has(tmp_path, LOADS["asgi-big"], FACTS, ["shoal"])


# ---- plots

def test_each_result_is_in_the_picture_of_its_kind(tmp_path):
    for name in ("wsgi-plain", "flask", "asgi-plain", "asgi-plain-rate",
                 "ws-echo-64"):
        written(tmp_path, LOADS[name], {"shoal": [a_burst()]})
    pictures = {name: [document["load"] for document in documents]
                for name, documents in PLOT["groups"](tmp_path).items()}
    assert pictures == {"wsgi": ["wsgi-plain", "flask"],
                        "asgi": ["asgi-plain"],
                        "latency-asgi": ["asgi-plain-rate"],
                        "websocket": ["ws-echo-64"]}


def test_what_is_drawn_is_what_was_measured(tmp_path):
    curves = [[50, 1.0], [90, 2.0], [99.9, 5.0], [100, 7.0]]
    written(tmp_path, LOADS["asgi-plain-rate"], {
        "shoal": [a_burst(3000, curve=curves)],
        "uvicorn": [a_burst(1000)]})
    document = json.loads((tmp_path / "asgi-plain-rate.json").read_text())
    assert PLOT["bars"](document) == [("uvicorn", 2000), ("shoal", 6000)]
    (name, places, ms), = PLOT["lines"](document)
    assert name == "shoal"
    assert ms == [1.0, 2.0, 5.0, 7.0]
    assert places == pytest.approx([0.30103, 1, 3, 3.6])


def test_every_server_has_a_colour_of_its_own():
    colours = PLOT["SERVERS"]
    names = {s.name for s in rows.SERVERS + talks.SERVERS}
    assert names == set(colours)
    assert len(set(colours.values())) == len(colours)


# ---- the README's tables

FIGURES = runpy.run_path(str(BENCH / "figures"))


def test_figures_are_beside_the_best_other_of_each_kind(tmp_path):
    few = a_burst(1000, p99=0.5)
    many = a_burst(2000, p99=3.0)
    servers = {"floor": [a_burst(9000, p99=0.1)], "shoal": [a_burst(5000)],
               "shoal-2": [a_burst(6000, p99=0.2)], "uvicorn": [few],
               "granian": [many]}
    written(tmp_path, LOADS["asgi-plain"], servers)
    table = FIGURES["markdown"](tmp_path)
    assert "At one rate" not in table
    assert ("| ASGI, 13 bytes of text | 10,000 | 18,000 | granian: 4,000 | "
            "2.50 | 1.00 / 1.00 | 2.00 / 3.00 |\n") in table
    written(tmp_path, LOADS["asgi-plain-rate"], servers,
            facts={**FACTS, "rate": "1,400 requests a second, 70 % of all"})
    table = FIGURES["markdown"](tmp_path)
    assert ("| ASGI, 13 bytes of text | 1,400 | uvicorn | 1.00 / 1.00 | "
            "2.00 / 0.50 | 3.00 / 3.00 | 4.00 / 4.00 |\n") in table


# ---- starting

STARTUP = runpy.run_path(str(BENCH / "startup"))
SERVER = """
import http.server, sys, time
time.sleep(%f)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = %r
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def start(*command):
    cpu = min(os.sched_getaffinity(0))
    return STARTUP["start"](command, cpu, dict(os.environ))


def started(delay, body=rows.PLAIN):
    return start(sys.executable, "-c", SERVER % (delay, body), "PORT")


def test_a_start_is_timed_until_the_answer():
    took, used, size = started(0.5)
    assert took > 500
    assert 0 < used < took
    assert size > 1 << 20


def test_a_wrong_first_answer_fails():
    with pytest.raises(build.Failure, match="a wrong answer"):
        started(0, b"Goodbye!")


def test_a_server_that_ends_fails():
    with pytest.raises(build.Failure, match="it ended"):
        start(sys.executable, "-c", "")


def test_bars_of_starting_that_are_missed_are_named():
    taken = {"shoal": [(90, 1, 40), (110, 1, 40), (100, 1, 40)],
             "granian": [(10, 1, 40)], "uvicorn": [(100, 1, 20)]}
    found = STARTUP["figures"](taken)
    assert found["shoal"] == (100, 90, 1, 40)
    assert STARTUP["missed"](found) == []
    found["granian"] = (10, 10, 1, 39)
    found["uvicorn"] = (99, 99, 1, 20)
    assert STARTUP["missed"](found) == ["shoal starts slower than uvicorn",
                                        "shoal is larger than granian"]


# ---- counting instructions

CALLGRIND = """\
summary: 1158
ob=(1) /b/shoal
fl=(1) /src/proto/h1_in.c
fn=(1) head.part.0
12 100
+3 20
fi=(2) /src/./core/str.h
40 7
fe=(1)
16 1
cob=(2) /lib/libpython3.13.so.1.0
cfi=(3) Objects/dict.c
cfn=(2) insertdict
calls=2 80
17 1000
fn=(3) llhttp__internal__run
* 5
fl=(4) ???
fn=(4) malloc'2
0 4
ob=(2)
fl=(3)
fn=(2)
80 1000
ob=(3) /lib/ld-linux-x86-64.so.2
fl=(5) ???
fn=(5) __tls_get_addr
0 21
"""


def test_instructions_are_their_own_and_where_the_code_is_from(tmp_path):
    file = tmp_path / "out.1"
    file.write_text(CALLGRIND.replace("fn=(3)", "fl=(4) ???\nfn=(3)"))
    costs = count.profile(file)
    assert sum(costs.values()) == 1158
    areas, functions = count.summed(costs, "/b/shoal")
    assert areas == {"proto": 121, "core": 7, "llhttp": 5, "jemalloc": 4,
                     "libpython": 1000, "libc": 21}
    assert functions == {"proto/h1_in.c head": 128, "malloc": 4,
                         "llhttp__internal__run": 5, "insertdict": 1000,
                         "__tls_get_addr": 21}


def test_a_request_is_asked_as_its_load_says():
    said = ask.request(rows.replace(LOADS["asgi-echo"], depth=2))
    head, body = said.split(b"\r\n\r\n")[:2]
    assert head.startswith(b"POST / HTTP/1.1\r\nHost: ")
    assert b"\r\nContent-Length: 4096" in head
    assert said == 2 * (head + b"\r\n\r\n" + b"x" * 4096)
    assert body.startswith(b"x" * 4096 + b"POST / ")


@pytest.mark.parametrize("size, head", [(5, b"\x81\x85"),
                                        (1024, b"\x81\xfe\x04\x00")])
def test_a_message_is_a_masked_frame(size, head):
    said = ask.frame(b"m" * size, b"\0\1\0\1")
    assert said.startswith(head + b"\0\1\0\1ml")
    assert len(said) == len(head) + 4 + size
