"""One burst of load on one server, and what it cost the server.

Of rateload.c, of wsload.c where the load is WebSockets, or of wrk where the
others can't: many requests at once, a connection each.
"""

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field

from .build import Failure
from .process import in_child

FOREIGN = 0.10          # of the burst, by others on either CPU


@dataclass
class Burst:
    """What is kept of one burst; the load's detail and our own readings."""

    requests: int
    seconds: float
    p50: float              # milliseconds, as are the next three
    p99: float
    p999: float
    max: float
    errors: dict            # by kind, zeros included
    cpu: float              # seconds of the server's tree
    load_cpu: float         # seconds of the load
    foreign_server: float   # share of the server's CPU that others took
    foreign_load: float     # and of the load's
    lost: int               # processes of the server that ended meanwhile
    bytes: int = 0          # received, where they are counted
    late: float = 0.0       # of a paced load: its own p99 lateness, ms
    curve: list = field(default_factory=list)   # and [percent, ms], rising

    @property
    def per_cpu_second(self):
        return self.requests / self.cpu if self.cpu else 0.0

    @property
    def is_quiet(self):
        """Whether server and load had their CPUs for themselves."""
        return max(self.foreign_server, self.foreign_load) <= FOREIGN


def busy_seconds(cpu):
    """What the kernel counts as used of one CPU, in ticks of some ms."""
    with open("/proc/stat") as stat:
        for line in stat:
            name, *ticks = line.split()
            if name == f"cpu{cpu}":
                user, nice, system, _, _, irq, softirq = map(int, ticks[:7])
                used = user + nice + system + irq + softirq
                return used / os.sysconf("SC_CLK_TCK")
    return 0.0


def wrk(load, port, seconds, cpu, script):
    """Run wrk; its detail, with its own CPU time added."""
    command = ["wrk", "--threads", "1", "--connections",
               str(load.connections), "--duration", str(seconds),
               "--latency", "--script", str(script),
               f"http://127.0.0.1:{port}{load.path}", "--", *load.wrk]
    with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True,
            preexec_fn=lambda: in_child(cpu)) as popen:
        try:
            output, _ = popen.communicate(timeout=seconds + 15)
        except BaseException:
            popen.send_signal(signal.SIGKILL)
            raise
    detail = detail_of(output)
    if detail:
        return detail
    raise Failure(f"wrk said nothing of use: {output.strip()[-300:]}")


def children_seconds():
    """CPU time of the children that have ended: of wrk, that is."""
    times = os.times()
    return times.children_user + times.children_system


def share(part, whole):
    return max(0.0, part / whole)


def detail_of(output):
    """What the load says at its end; None when it says nothing."""
    for line in output.splitlines():
        if line.startswith("detail "):
            return json.loads(line[len("detail "):])
    return None


class Readings:
    """CPU time of everybody who matters, at one moment."""

    def __init__(self, process, server_cpu, load_cpu):
        self.server = process.cpu_seconds()
        self.server_busy = busy_seconds(server_cpu)
        self.load_busy = busy_seconds(load_cpu)
        self.wrk = children_seconds()
        self.time = time.monotonic()


def run_burst(process, load, seconds, server_cpu, load_cpu, place):
    """Load one server for a while, and read its CPU time around it."""
    program = None
    if load.interface == "websocket":
        program = [place.wsload, *load.wsload(seconds)]
    elif place.rateload and not load.by_wrk:
        program = [place.rateload,
                   *load.rateload(process.response_bytes, seconds)]
    if program:
        before, after, detail = told_to_go(program, process, server_cpu,
                                           load_cpu)
    else:
        before = Readings(process, server_cpu, load_cpu)
        detail = wrk(load, process.port, seconds, load_cpu,
                     place.bench / "detail.lua")
        after = Readings(process, server_cpu, load_cpu)
        detail["load_cpu"] = after.wrk - before.wrk
    elapsed = after.time - before.time
    server_busy = after.server_busy - before.server_busy
    load_busy = after.load_busy - before.load_busy
    cpu = sum(used - before.server.get(pid, 0)
              for pid, used in after.server.items())
    if load_cpu in process.cpus:
        # Together on the CPUs, whichever these are.
        cpus = 1 + (server_cpu != load_cpu)
        others = server_busy + load_busy * (cpus - 1)
        foreign = [share(others - cpu - detail["load_cpu"],
                         elapsed * cpus)] * 2
    else:
        foreign = [share(server_busy - cpu, elapsed),
                   share(load_busy - detail["load_cpu"], elapsed)]
    return Burst(cpu=cpu, foreign_server=foreign[0], foreign_load=foreign[1],
                 lost=len(before.server.keys() - after.server.keys()),
                 **detail)


def told_to_go(program, process, server_cpu, load_cpu):
    """Run a load of our own: readings from when it is ready, its detail."""
    name = program[0].name
    command = [*map(str, program), f"--port={process.port}"]
    with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True,
            preexec_fn=lambda: in_child(load_cpu)) as popen:
        try:
            line = popen.stdout.readline()
            before = Readings(process, server_cpu, load_cpu)
            output, _ = popen.communicate("go\n")
            after = Readings(process, server_cpu, load_cpu)
        except BaseException:
            popen.send_signal(signal.SIGKILL)
            raise
    detail = detail_of(output)
    if not detail:
        raise Failure(f"{name} said nothing of use: {line}{output[-300:]}")
    return before, after, detail
