"""What a run needs before it starts: a Python, the peers, programs in C."""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

class Failure(Exception):
    """A reason to stop that the user can do something about."""


def output_of(*command):
    """The standard output of a command, or "" when it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True,
                              timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def python_version(program):
    """3.13.0, or "" for what is no Python."""
    return output_of(program, "-c",
                     "import platform; print(platform.python_version())")


def find_python(asked, shoal, findpython):
    """The Python the peers run on: as asked, else Shoal's, else the one
    that Shoal would be built with.

    Shoal's comes from `shoal --version`: a comparison between two Pythons
    says little about servers.
    """
    if asked:
        if not python_version(asked):
            raise Failure(f"{asked} is no Python that runs")
        return asked
    version = re.search(r"python\D{0,3}(3\.\d+)",
                        output_of(str(shoal), "--version"), re.IGNORECASE)
    python = output_of(str(findpython), *([version[1]] if version else []))
    if not python:
        raise Failure("no Python found for the peers: name one by --python")
    return python


def cache_dir():
    """Where everything is kept that is built once."""
    if os.environ.get("SHOAL_CACHE"):
        return Path(os.environ["SHOAL_CACHE"])
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "shoal"


@contextlib.contextmanager
def one_builder(path):
    """Hold the lock of <path>, so that two runs do not build it together."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{path}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build_venv(python, requirements):
    """The peers' virtual environment; made when its pins are new.

    Its name holds the Python's version and the hash of the pins; the file
    "complete" in it says that nothing interrupted the making.
    """
    pins = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    venv = cache_dir() / f"bench-{python_version(python)}-{pins}"
    with one_builder(venv):
        if (venv / "complete").exists():
            return venv
        print(f"building the peers' environment in {venv}", file=sys.stderr)
        shutil.rmtree(venv, ignore_errors=True)
        for command in (
            [python, "-m", "venv", str(venv)],
            [str(venv / "bin/pip"), "install", "--quiet", "--no-input",
             "--disable-pip-version-check", "--requirement",
             str(requirements)],
        ):
            if subprocess.run(command).returncode:
                raise Failure(f"{' '.join(command)}: failed")
        (venv / "complete").touch()
    return venv


def build_program(source):
    """The compiled program; kept under the hash of its source."""
    sha = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    program = cache_dir() / f"bench-{source.stem}-{sha}"
    cc = os.environ.get("CC", "cc")
    with one_builder(program):
        if not program.exists():
            part = f"{program}.part"
            command = [cc, "-std=c11", "-O2", "-o", part, str(source), "-lm"]
            if subprocess.run(command).returncode:
                raise Failure(f"{' '.join(command)}: failed")
            os.rename(part, program)
    return program


def environment(place):
    """The servers' environment: nothing of the user's that steers them."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR")
    env = {name: os.environ[name] for name in kept if name in os.environ}
    env["VIRTUAL_ENV"] = str(place.venv)
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    return env
