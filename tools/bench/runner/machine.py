"""The machine and the programs of a run, as the results describe them.

Nothing here names the machine itself, its users or its paths.
"""

import hashlib
import os
import platform
import re
import subprocess

from .build import output_of, python_version
from . import rows, talks


def cpu_model():
    with open("/proc/cpuinfo") as cpuinfo:
        for line in cpuinfo:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def memory_gib():
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
                 / 2**30)


def distribution():
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, AttributeError):
        return platform.system()


def are_siblings(one, other):
    """Whether two CPUs are threads of one core."""
    path = f"/sys/devices/system/cpu/cpu{one}/topology/thread_siblings_list"
    try:
        with open(path) as siblings:
            ranges = siblings.read().strip().split(",")
    except OSError:
        return False
    for low, _, high in (entry.partition("-") for entry in ranges):
        if int(low) <= other <= int(high or low):
            return True
    return False


def packages(place):
    """Versions of the peers, and of the loop and parser they run on."""
    names = list(dict.fromkeys(
        server.package for server in rows.SERVERS + talks.SERVERS
        if server.package))
    program = ("import sys, importlib.metadata as m\n"
               "for n in sys.argv[1:]: print(n, m.version(n))")
    lines = output_of(str(place.venv / "bin/python"), "-c", program,
                      *names, "uvloop", "httptools")
    return dict(line.split() for line in lines.splitlines())


def describe(place, server_cpu, load_cpu):
    """Everything a reader needs to judge the figures, by name."""
    wrk = re.search(r"wrk (\S+)", wrk_banner())
    facts = {
        "CPU": f"{cpu_model()}, {os.cpu_count()} CPUs",
        "pinned": f"server to CPU {server_cpu}, load to CPU {load_cpu}"
                  + (" (threads of one core)"
                     if server_cpu != load_cpu
                     and are_siblings(server_cpu, load_cpu) else ""),
        "memory": f"{memory_gib()} GiB",
        "system": f"{distribution()}, Linux {platform.release()}",
        "Python": python_version(str(place.venv / "bin/python")),
        "wrk": wrk[1] if wrk else "unknown",
        **packages(place),
    }
    shoal = output_of(str(place.shoal), "--version")
    if shoal:
        facts["Shoal"] = "; ".join(shoal.splitlines())
    facts["binary"] = ("sha256 " + hashlib.sha256(place.shoal.read_bytes())
                       .hexdigest()[:16])
    return facts


def wrk_banner():
    """`wrk -v` prints its version and fails."""
    done = subprocess.run(["wrk", "-v"], capture_output=True, text=True)
    return done.stdout + done.stderr
