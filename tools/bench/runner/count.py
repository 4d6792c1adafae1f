"""Instructions in user space, counted by callgrind."""

import os
import re
import subprocess
from pathlib import Path

APPS = Path(__file__).resolve().parents[1] / "apps"


def counted(command, env, folder):
    """Instructions of <command> and all that it forks, the largest process's."""
    for old in folder.iterdir():
        old.unlink()
    subprocess.run(["valgrind", "--tool=callgrind", "-q",
        "--callgrind-out-file=%s/out.%%p" % folder, *command], cwd=APPS,
        env={**os.environ, "PYTHONHASHSEED": "0", **env},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=600)
    totals = []
    for file in folder.iterdir():
        found = re.search(r"^(?:summary|totals): (\d+)", file.read_text(errors="replace"), re.M)
        if found:
            totals.append(int(found[1]))
    return max(totals)


def cost(module, kind, name, counts, options, folder, env={}):
    """
    Of one of the operation *name* of apps/*module*, on the loop *kind*: by the
    difference of two runs, of which *counts* says how often they do it.
    """
    totals = []
    for count in counts:
        if kind == "shoal":
            command = [options.shoal, "--workers", "1", "--port", "0", "--isolation",
                options.isolation, "--interface", "asgi", "--venv", options.venv,
                module + ":app"]
            more = {"LOOPOPS": "%s %d" % (name, count)}
        else:
            command = [options.python, module + ".py", kind, name, str(count)]
            more = {}
        totals.append(counted(command, {**env, **more}, folder))
    return (totals[1] - totals[0]) / (counts[1] - counts[0])


def add_options(parser):
    parser.add_argument("--shoal", default=APPS.parents[2] / "build/shoal", type=Path)
    parser.add_argument("--python", required=True)
    parser.add_argument("--isolation", default="process")
    parser.add_argument("--only", nargs="*")


def parse(parser):
    options = parser.parse_args()
    options.shoal = str(options.shoal.resolve())
    # not resolved: a virtual environment's python is a link
    options.venv = str(Path(options.python).absolute().parents[1])
    return options


def table(operations, measure, options):
    """Prints it; the rows as (asyncio, uvloop, shoal)."""
    rows = []
    print("| operation | asyncio | uvloop | shoal | x asyncio | x uvloop |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for operation in operations:
        if options.only and operation.__name__ not in options.only:
            continue
        stock, uv, ours = row = [measure(operation, kind)
            for kind in ("asyncio", "uvloop", "shoal")]
        print("| %s | %d | %d | %d | %.2f | %.2f |" % (
            operation.__doc__.rstrip("."), stock, uv, ours, ours / stock, ours / uv), flush=True)
        rows.append(row)
    return rows
