"""The small programs that the Makefile is made of."""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = ROOT / "tools"
CC = os.environ.get("CC", "cc").split()


def script(path, text):
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return str(path)


def run(*command, **more):
    return subprocess.run([str(c) for c in command], text=True, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          **more)


# ---- the Makefile

def test_make_looks_at_lines_with_the_python_that_it_found():
    """There need not be a python3: Debian's python3.14 brings none."""
    env = {name: value for name, value in os.environ.items()
           if not name.startswith("MAKE") and name not in ("MFLAGS", "PYTHON")}
    own = os.path.dirname(os.path.realpath(sys.executable))
    env["PATH"] = own + ":" + env["PATH"]
    done = run("make", "-n", "lines", cwd=ROOT, env=env)
    assert re.search(r"^/\S+ tools/lines build/lines/shoal", done.stdout,
                     re.MULTILINE), done.stdout


# ---- pyflags

def pyflags(folder, *options):
    """Of a Python whose static library is said to be in that folder."""
    (folder / "sitecustomize.py").write_text(
        "import sysconfig\nget = sysconfig.get_config_var\n"
        "said = {'LIBDIR': %r, 'LIBPL': %r, 'LIBRARY': 'libfake.a',\n"
        "        'LDLIBRARY': 'libfake.so', 'LDVERSION': 'FAKE'}\n"
        "sysconfig.get_config_var = lambda n: said.get(n) or get(n)\n"
        % (str(folder), str(folder)))
    return run(sys.executable, TOOLS / "pyflags", *options,
               env={**os.environ, "PYTHONPATH": str(folder)})


def test_pyflags_takes_the_static_library_where_it_is_asked_to(tmp_path):
    (tmp_path / "libfake.so").touch()
    (tmp_path / "libfake.a").touch()
    shared = pyflags(tmp_path).stdout.split()
    assert "-lpythonFAKE" in shared and "-Wl,--whole-archive" not in shared
    static = pyflags(tmp_path, "--static").stdout.split()
    assert "-lpythonFAKE" not in static
    at = static.index("-Wl,--whole-archive")
    assert static[at + 1] == str(tmp_path / "libfake.a")


def test_pyflags_says_that_there_is_no_static_library(tmp_path):
    (tmp_path / "libfake.so").touch()
    assert pyflags(tmp_path).returncode == 0
    done = pyflags(tmp_path, "--static")
    assert done.returncode == 1
    assert "has no libfake.a" in done.stdout


# ---- embed

def test_embed_keeps_every_byte(tmp_path):
    sources = {
        "plain": b"x = 1\n",
        "nasty": 'a = "\\t??/\\\\ \u00e9\U0001f41f1 %d"\t# "*/\n\n\r\nb = 2\n'
                 .encode(),
        "digits": "\u00e91 = 3\n".encode(),
        "unended": b"y = 2",
        "empty": b"",
    }
    paths = []
    for name, data in sources.items():
        path = tmp_path / (name + ".py")
        path.write_bytes(data)
        paths.append(path)
    made = tmp_path / "embed.c"
    with open(made, "wb") as f:
        subprocess.run([sys.executable, TOOLS / "embed", *paths], stdout=f,
                       check=True)
    main = tmp_path / "main.c"
    main.write_text('#include "interp/embed.h"\n#include <stdio.h>\n'
                    "int main(int c, char **v)\n"
                    "{\n\tconst struct embed *e = embed_files;\n"
                    "\tfor (; e->name && --c; e++) {\n"
                    '\t\tFILE *f = fopen(v[c], "w");\n'
                    "\t\tfwrite(e->data, 1, e->size, f);\n\t\tfclose(f);\n"
                    "\t\tputs(e->name);\n\t}\n\treturn e->name != 0;\n}\n")
    binary = tmp_path / "binary"
    subprocess.run([*CC, "-std=c11", "-Wall", "-Wextra", "-Werror",
                    "-I", ROOT, "-o", binary, made, main], check=True)
    outs = [tmp_path / str(i) for i in range(len(sources))]
    done = run(binary, *reversed(outs))
    assert (done.returncode, done.stdout.split()) == (0, list(sources))
    assert [o.read_bytes() for o in outs] == list(sources.values())


def test_embed_refuses_what_does_not_compile(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text("def (:\n")
    done = run(sys.executable, TOOLS / "embed", path)
    assert done.returncode != 0 and "bad.py" in done.stdout


# ---- unit

def test_unit_counts_and_shows_the_output_of_what_failed(tmp_path):
    good = script(tmp_path / "core_good", "echo silent\n")
    bad = script(tmp_path / "core_bad", "sleep 97 & echo $!; exit 3\n")
    slow = script(tmp_path / "core_slow", "exec sleep 60\n")
    done = run(TOOLS / "unit", "debug", good, bad, slow,
               env=dict(os.environ, UNIT_TIMEOUT="1"))
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith("ok    debug/core_good (")
    child = lines.pop(2).strip()
    assert lines[1:] == ["FAIL  debug/core_bad (exit 3)",
                         "FAIL  debug/core_slow (no end after 1 s)",
                         "1 passed, 2 failed"]
    # what it started is gone, or a zombie that waits for init
    left = pathlib.Path("/proc", child, "cmdline")
    assert not left.exists() or not left.read_bytes()


def test_unit_passes_when_all_do(tmp_path):
    good = script(tmp_path / "core_good", "exit 0\n")
    done = run(TOOLS / "unit", "tsan", good)
    assert done.returncode == 0
    assert done.stdout.endswith("1 passed, 0 failed\n")


# ---- ccflags

def test_ccflags_leaves_out_what_the_compiler_does_not_take(tmp_path):
    old = script(tmp_path / "cc", 'case " $* " in\n'
                 "*-fcf-protection*|*FORTIFY_SOURCE=3*) exit 1 ;;\nesac\n")
    done = run(TOOLS / "ccflags", old, "-D_FORTIFY_SOURCE=3",
               "-fcf-protection=full", "-fstack-protector-strong")
    assert done.stdout.split() == ["-D_FORTIFY_SOURCE=2",
                                   "-fstack-protector-strong"]


def test_ccflags_takes_all_that_it_can_link_or_none(tmp_path):
    def links(refused):
        old = script(tmp_path / "cc", 'case " $* " in *"%s "*) exit 1 ;;\n'
                     "esac\n" % refused)
        done = run(TOOLS / "ccflags", "--link", old, "-flto", "-ffat")
        assert done.returncode == 0
        return done.stdout.split()

    assert links("no such flag") == ["-flto", "-ffat"]
    assert links("-ffat") == []
    assert links("main.o") == []


# ---- findpython

def fake_python(folder, minor, fit=True):
    """A python3.X that answers pyflags --check as one of that version."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ("python3.%d" % minor)
    script(path, 'test "$3" = 3.%d -o -z "$3" || exit 1\n%s\necho "$0"\n'
           % (minor, "" if fit else "exit 1"))
    return str(path)


def find(tmp_path, *args):
    env = {"PATH": "%s/bin:/usr/bin:/bin" % tmp_path, "HOME": str(tmp_path),
           "PYENV_ROOT": "%s/pyenv" % tmp_path}
    # /usr/bin is there for the shell's tools, and may have Pythons
    done = run(TOOLS / "findpython", *args, env=env)
    return done.returncode, done.stdout.strip()


def test_findpython_takes_the_newest_and_path_before_pyenv(tmp_path):
    path13 = fake_python(tmp_path / "bin", 13)
    fake_python(tmp_path / "pyenv/versions/3.13.9/bin", 13)
    assert find(tmp_path, "3.13") == (0, path13)
    fake_python(tmp_path / "bin", 14, fit=False)
    fake_python(tmp_path / "pyenv/versions/3.14.9/bin", 14)
    newest = fake_python(tmp_path / "pyenv/versions/3.14.10/bin", 14)
    assert find(tmp_path) == (0, newest)
    assert find(tmp_path, "python3.13") == (0, path13)
    assert find(tmp_path, path13) == (0, path13)


def test_findpython_says_what_to_install(tmp_path):
    absent = next("3.%d" % minor for minor in (12, 14, 13)
                  if not os.path.exists("/usr/bin/python3.%d" % minor))
    status, said = find(tmp_path, absent)
    assert status == 1 and "apt-get install python3-dev" in said
    status, said = find(tmp_path, "3.11")
    assert status == 1 and "one of 3.14 3.13 3.12" in said, said
    assert "install" not in said, said
    status, said = find(tmp_path, "no-such-python")
    assert status == 1 and "no such program" in said


def test_findpython_says_why_the_wanted_one_will_not_do(tmp_path):
    fake = script(tmp_path / "python", "echo is too old >&2; exit 1\n")
    assert find(tmp_path, fake) == (1, "is too old")


# ---- coverage

def test_coverage_counts_lines_and_judges_folders(tmp_path):
    half = "int f(int x)\n{\n\tif (x)\n\t\treturn 1;\n\treturn 2;\n}\n"
    build = tmp_path / "build"
    for folder in ("core", "proto"):
        (tmp_path / folder).mkdir()
        (build / folder).mkdir(parents=True)
        (tmp_path / folder / "a.c").write_text(
            half if folder == "core" else "int g(void)\n{\n\treturn 0;\n}\n")
        run(*CC, "--coverage", "-c", folder + "/a.c", "-o",
            build / folder / "a.o", cwd=tmp_path)
    main = tmp_path / "main.c"
    main.write_text("int f(int), g(void);\n"
                    "int main(void) { return f(1) - 1 + g(); }\n")
    done = run(*CC, "--coverage", "-o", "main", main, build / "core/a.o",
               build / "proto/a.o", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert run(tmp_path / "main", cwd=tmp_path).returncode == 0
    done = run(sys.executable, TOOLS / "coverage", "build", "75", cwd=tmp_path,
               env={**os.environ, "V": "1"})
    assert done.returncode == 0, done.stdout
    assert "core/                        3 of     4 lines   75.0 %" in \
        done.stdout
    assert "\n    5\n" in done.stdout
    done = run(sys.executable, TOOLS / "coverage", "build", "90", cwd=tmp_path)
    assert done.returncode == 1 and "below 90 %: core" in done.stdout
