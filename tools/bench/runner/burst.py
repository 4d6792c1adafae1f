"""One burst of load on one server, and what it cost the server."""

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass

from .build import Failure
from .process import in_child

FOREIGN = 0.10          # of the burst, by others on either CPU


@dataclass
class Burst:
    """What is kept of one burst; wrk's detail and our own readings."""

    requests: int
    seconds: float
    bytes: int
    p50: float              # milliseconds, as are the next three
    p99: float
    p999: float
    max: float
    errors: dict            # by kind, zeros included
    cpu: float              # seconds of the server's tree
    load_cpu: float         # seconds of wrk
    foreign_server: float   # share of the server's CPU that others took
    foreign_load: float     # and of wrk's
    lost: int               # processes of the server that ended meanwhile

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
    for line in output.splitlines():
        if line.startswith("detail "):
            return json.loads(line[len("detail "):])
    raise Failure(f"wrk said nothing of use: {output.strip()[-300:]}")


def children_seconds():
    """CPU time of the children that have ended: of wrk, that is."""
    times = os.times()
    return times.children_user + times.children_system


def share(part, whole):
    return max(0.0, part / whole)


def run_burst(process, load, seconds, server_cpu, load_cpu, script):
    """Load one server for some seconds, and read its CPU time around it."""
    wrk_cpu = children_seconds()
    server_busy, load_busy = busy_seconds(server_cpu), busy_seconds(load_cpu)
    start = time.monotonic()
    before = process.cpu_seconds()
    detail = wrk(load, process.port, seconds, load_cpu, script)
    after = process.cpu_seconds()
    elapsed = time.monotonic() - start
    server_busy = busy_seconds(server_cpu) - server_busy
    load_busy = busy_seconds(load_cpu) - load_busy
    wrk_cpu = children_seconds() - wrk_cpu
    cpu = sum(used - before.get(pid, 0) for pid, used in after.items())
    shared = server_cpu == load_cpu
    return Burst(cpu=cpu, load_cpu=wrk_cpu,
                 foreign_server=share(server_busy - cpu - shared * wrk_cpu,
                                      elapsed),
                 foreign_load=share(load_busy - wrk_cpu - shared * cpu,
                                    elapsed),
                 lost=len(before.keys() - after.keys()), **detail)
