"""Instructions in user space, counted by callgrind."""

import os
import re
import subprocess
from collections import Counter
from pathlib import Path

APPS = Path(__file__).resolve().parents[1] / "apps"


def callgrind(folder):
    """What a command begins with; its processes write into <folder>, now empty."""
    for old in folder.iterdir():
        old.unlink()
    return ["valgrind", "--tool=callgrind", "-q", "--callgrind-out-file=%s/out.%%p" % folder]


def counted(command, env, folder):
    """Instructions of <command> and all that it forks, the largest process's."""
    subprocess.run([*callgrind(folder), *command], cwd=APPS,
        env={**os.environ, "PYTHONHASHSEED": "0", **env},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=600)
    totals = []
    for file in folder.iterdir():
        found = re.search(r"^(?:summary|totals): (\d+)", file.read_text(errors="replace"), re.M)
        if found:
            totals.append(int(found[1]))
    return max(totals)


def profile(file):
    """
    The instructions of one of callgrind's files: a Counter by object (a path), the
    function's source, the line's source (another one where code is inlined), function.
    """
    costs, names, now = Counter(), {}, {}
    called = False      # the next line is of what is called
    for line in file.read_text(errors="replace").splitlines():
        if line[:1] in "0123456789+-*" and line:
            if not called:
                costs[now["ob"], now["fl"], now["fi"], now["fn"]] += int(line.split()[1])
            called = False
        elif line.startswith("calls="):
            called = True
        elif found := NAMING.match(line):
            kind, number, name = found.groups()
            table = {"cfi": "fl", "cfl": "fl", "fi": "fl", "fe": "fl", "cfn": "fn",
                "cob": "ob"}.get(kind, kind)
            # a name is told once, with its number
            name = names.setdefault((table, number), name)
            if kind in ("fi", "fe"):
                now["fi"] = name
            elif kind == table:
                now[kind] = name
                now["fi"] = now.get("fl")
    return costs


NAMING = re.compile(r"(c?(?:ob|fl|fn|fi)|fe)=\((\d+)\)(?: (.*))?$")
OURS = re.compile(r"/(core|proto|interp)/([^/]+\.[ch])$")
AREAS = ("proto", "core", "interp", "llhttp", "zlib", "jemalloc", "libpython", "libc", "other")


def place(key, binary):
    """Where that code is from, one of AREAS, and its function as people name it."""
    path, source, line, name = key
    # 'N: of a recursion; .isra.0 and the like: as the compiler changed it
    name = re.sub(r"'\d+$|\.(isra|part|constprop|cold|lto_priv)\b.*", "", name)
    if path != binary:
        base = os.path.basename(path)
        if base.startswith("libpython") or "/lib-dynload/" in path:
            return "libpython", name
        return ("libc" if re.match(r"(libc|libm|ld-linux\S*)\.so", base) else "other"), name
    if found := OURS.search(source):
        inlined = OURS.search(line)
        return (inlined or found)[1], "%s/%s %s" % (found[1], found[2], name)
    if "/include/python" in source:
        return "interp", name           # an inline function that was not inlined
    if source != "???":
        return "libpython", name        # STATIC_PYTHON
    # the other archives do not say their sources
    return {"ll": "llhttp", "z_": "zlib"}.get(name[:2], "jemalloc"), name


def summed(costs, binary):
    """Instructions by area and by function, most first, of a Counter of profile()."""
    areas, functions = Counter(), Counter()
    for key, cost in costs.items():
        area, name = place(key, binary)
        areas[area] += cost
        functions[name] += cost
    return areas, functions


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
