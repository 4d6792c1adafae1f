"""A server as a tree of processes: started, measured, ended.

Each server leads a session of its own, and its tree is whoever is in that
session: children that were handed to another parent are still found.
"""

import contextlib
import http.client
import io
import os
import random
import signal
import socket
import subprocess
import tempfile
import time

from .build import Failure

START_SECONDS = 20
STOP_SECONDS = 5
PORTS = range(20000, 32000)     # below what the kernel gives to clients
ENDING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


@contextlib.contextmanager
def signals_held():
    """Be interrupted after this block, not within it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def in_child(*cpus):
    """What a started program does before it becomes itself."""
    os.sched_setaffinity(0, cpus)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def free_port(taken):
    """A port of the loopback that nobody listens on, and not in <taken>."""
    for _ in range(100):
        port = random.choice(PORTS)
        if port in taken:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Failure("no free port found")


def session_of(pid):
    """The session that a process is in, or None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[3])


def cpu_seconds(pid):
    """CPU time of all threads of a process, ended ones included.

    The clock of clock_getcpuclockid(3): in nanoseconds what schedstat says
    of each thread, without losing the threads that end within a burst.
    """
    return time.clock_gettime((~pid << 3) | 2)


def memory_of(pid):
    """KiB of a process: its part of anonymous memory, and each file's."""
    files = {}
    file = None
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        anonymous = next(int(line.split()[1]) for line in rollup
                         if line.startswith("Pss_Anon:"))
    with open(f"/proc/{pid}/smaps") as smaps:
        for line in smaps:
            words = line.split()
            if not words[0].endswith(":"):
                file = (words[3], words[4])         # device and inode
            elif file[1] == "0":
                continue
            elif words[0] == "Rss:":
                files[file] = files.get(file, 0) + int(words[1])
            elif words[0] == "Anonymous:":
                files[file] -= int(words[1])
    return anonymous, files


class Counted:
    """A socket that counts what came; as much of one as http.client uses."""

    def __init__(self, connection):
        self.connection = connection
        self.received = 0

    def sendall(self, data):
        self.connection.sendall(data)

    def makefile(self, mode):
        return io.BufferedReader(CountedFile(self))

    def close(self):
        """Not yet: http.client does so before it reads an answer that ends
        the connection."""


class CountedFile(io.RawIOBase):
    def __init__(self, counted):
        self.counted = counted

    def readable(self):
        return True

    def readinto(self, buffer):
        count = self.counted.connection.recv_into(buffer)
        self.counted.received += count
        return count


class Process:
    """A running server, pinned to its CPUs."""

    def __init__(self, command, port, cpus, cwd, env, patience=1):
        self.port = port
        self.patience = patience    # times as long for all that it does
        self.cpus = cpus
        self.response_bytes = None
        self.log = tempfile.TemporaryFile()
        self.popen = subprocess.Popen(
            command, cwd=cwd, env=env, stdin=subprocess.DEVNULL,
            stdout=self.log, stderr=self.log, start_new_session=True,
            preexec_fn=lambda: in_child(*cpus))

    def pids(self):
        return [int(name) for name in os.listdir("/proc")
                if name.isdigit() and session_of(name) == self.popen.pid]

    def cpu_seconds(self):
        """CPU seconds so far, a dictionary by pid."""
        return {pid: cpu_seconds(pid) for pid in self.pids()}

    def rest(self):
        """Stop, until wake(): it would take CPU time from others."""
        self.signal(signal.SIGSTOP)

    def wake(self):
        self.signal(signal.SIGCONT)

    def signal(self, number):
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def pss_bytes(self):
        """The tree's proportional set size, were it alone on the machine.

        The kernel's figure divides a page of libpython among all servers
        of the run, and changes with their number.  Here a file counts
        whole, as much of it as the process with most of it has mapped.
        """
        total = 0
        files = {}
        for pid in self.pids():
            anonymous, mapped = memory_of(pid)
            total += anonymous
            for file, size in mapped.items():
                files[file] = max(size, files.get(file, 0))
        return 1024 * (total + sum(files.values()))

    def wait_until_it_answers(self, load):
        """Note the length of a whole response once one is as expected; it
        is None for WebSockets, where the load itself looks at everything."""
        seconds = START_SECONDS * self.patience
        give_up = time.monotonic() + seconds
        while True:
            if self.popen.poll() is not None:
                raise Failure(f"ended with {self.popen.returncode}"
                              + self.last_lines())
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            except OSError:
                if time.monotonic() > give_up:
                    raise Failure(f"no connection in {seconds} s"
                                  + self.last_lines())
                time.sleep(0.05)
        if load.interface != "websocket":
            self.response_bytes = self.checked_response(load)

    def checked_response(self, load):
        """Send one request; the response's length, or what is wrong."""
        client = http.client.HTTPConnection("127.0.0.1", self.port,
                                            timeout=START_SECONDS * self.patience)
        try:
            client.connect()
            with client.sock as connection:
                counted = client.sock = Counted(connection)
                client.request(load.method, load.path, b"x" * load.body_size,
                               dict(load.headers))
                response = client.getresponse()
                body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise Failure(f"no response: {error!r}" + self.last_lines())
        if response.status != 200 or body != load.expect:
            raise Failure(f"answers {response.status} {body[:60]!r}"
                          + self.last_lines())
        return counted.received

    def last_lines(self):
        """The end of what the server wrote, for an error message."""
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").splitlines()
        return "".join("\n    | " + line for line in lines[-12:])

    def stop(self):
        """End the tree: its leader politely, whoever is left not; once."""
        if self.log.closed:
            return
        with signals_held():
            self.popen.terminate()
            self.wake()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(STOP_SECONDS * self.patience)
            self.signal(signal.SIGKILL)
            self.popen.wait()
            self.log.close()
