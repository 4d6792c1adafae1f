"""Each style check fails on a planted violation, and passes without it.

A check that passes whatever it is given looks the same as a clean tree, so
every test here plants one fault in a tiny tree and wants it named.
"""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CC = os.environ.get("CC", "cc").split()

CLEAN_H = """\
#ifndef CORE_A_H
#define CORE_A_H

int a_get(int x);

#endif
"""

CLEAN_C = """\
#include <stdlib.h>

#include "core/a.h"

/* strcpy( in words is not a call */
int
a_get(int x)
{
	return x > 0 ? x : abs(x);
}
"""


@pytest.fixture
def tree(tmp_path):
    """A tree with nothing wrong in it, and copies of the tools."""
    put(tmp_path, "core/a.h", CLEAN_H)
    put(tmp_path, "core/a.c", CLEAN_C)
    shutil.copytree(ROOT / "tools", tmp_path / "tools", symlinks=True,
                    ignore=shutil.ignore_patterns("bench*", "demo*"))
    (tmp_path / "tools/globals.ok").write_text("")
    return tmp_path


def put(tree, path, text):
    file = tree / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def run(tree, tool, *args):
    done = subprocess.run([sys.executable, "tools/" + tool, *args], cwd=tree,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=60)
    assert "Traceback" not in done.stdout, done.stdout
    return done.returncode, done.stdout


def compile_c(tree, path):
    out = tree / "build/release" / (path[:-2] + ".o")
    out.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([*CC, "-I.", "-fPIC", "-fvisibility=hidden", "-c", "-o",
                    str(out), path], cwd=tree, check=True)
    return str(out.relative_to(tree))


# ---- layers

@pytest.mark.parametrize("path, line", [
    ("core/b.c", '#include "proto/p.h"'),
    ("core/b.c", '#include "interp/i.h"'),
    ("core/b.c", "#include <llhttp.h>"),
    ("core/b.c", "#include <jemalloc/jemalloc.h>"),
    ("core/b.c", '#include "a.h"'),
    ("core/b.c", '#include "core/missing.h"'),
    ("core/b.c", "#include <core/a.h>"),
    ("core/b.h", "# include <Python.h>"),
    ("proto/b.c", '#include "interp/i.h"'),
    ("proto/b.c", "#include <llhttp.h>"),
    ("proto/h1_in.h", "#include <llhttp.h>"),
    ("proto/b.c", "#include <openssl/ssl.h>"),
    ("tls/b.h", "#include <openssl/ssl.h>"),
    ("tls/b.c", '#include "proto/p.h"'),
    ("interp/b.c", "#include <Python.h>"),
    ("interp/b.c", '#include "tls/t.h"'),
    ("interp/b.c", '#include "tests/unit/t.h"'),
    ("core/main.c", '#include "tests/unit/t.h"'),
])
def test_layers_sees_an_include_against_the_order(tree, path, line):
    for header in ("proto/p.h", "interp/i.h", "tls/t.h", "tests/unit/t.h"):
        put(tree, header, "")
    assert run(tree, "layers") == (0, "")
    put(tree, path, "\n" + line + "\n")
    status, said = run(tree, "layers")
    assert status == 1 and said.startswith(path + ":2: "), said


def test_layers_allows_what_the_order_allows(tree):
    put(tree, "interp/py.h", "#include <Python.h>\n")
    put(tree, "interp/i.c", '#include "interp/py.h"\n#include "core/a.h"\n')
    put(tree, "proto/h1_in.c", '#include <llhttp.h>\n#include "core/a.h"\n')
    put(tree, "core/main.c", '#include "interp/py.h"\n')
    put(tree, "core/mem.c", "#include <jemalloc/jemalloc.h>\n")
    put(tree, "tls/t.c", '#include <openssl/ssl.h>\n#include "core/a.h"\n')
    put(tree, "tests/unit/u.c", '#include "interp/py.h"\n')
    assert run(tree, "layers") == (0, "")


# ---- globals

@pytest.mark.parametrize("code, name", [
    ("static int counter; int f(void) { return ++counter; }", "counter"),
    ("int shown = 3;", "shown"),
    ("int f(void) { static int n; return ++n; }", "n"),
    ("_Thread_local int t;", "t"),
    ("const char *names[] = { \"a\" };", "names"),
    ("int common __attribute__((common));", "common"),
    ("int my_methods[2];", "my_methods"),
])
def test_globals_sees_a_writable_variable(tree, code, name):
    put(tree, "core/b.c", code + "\n")
    status, said = run(tree, "globals", compile_c(tree, "core/b.c"))
    assert status == 1 and "core/b.c: %s is writable" % name in said, said
    # ... and takes a reason for it
    put(tree, "tools/globals.ok", "core/b.c %s because of a test\n" % name)
    assert run(tree, "globals", "build/release/core/b.o") == (0, "")


def test_globals_allows_constants_and_pythons_tables(tree):
    put(tree, "interp/b.c",
        "static int b_methods[2];\n"
        "static const char *const names[] = { \"a\" };\n"
        "static const int number = 3;\n"
        "const void *f(int i);\n"
        "const void *f(int i)\n"
        "{ return i ? (const void *)names : i < 0 ? &number : b_methods; }\n")
    assert run(tree, "globals", compile_c(tree, "interp/b.c")) == (0, "")


def test_globals_sees_an_allowance_that_is_not_needed(tree):
    put(tree, "tools/globals.ok", "core/a.c gone because of a test\n")
    status, said = run(tree, "globals", compile_c(tree, "core/a.c"))
    assert status == 1 and "gone" in said


def test_globals_allows_what_only_some_builds_have(tree):
    put(tree, "tools/globals.ok", "core/a.c gone? because of a test\n")
    assert run(tree, "globals", compile_c(tree, "core/a.c")) == (0, "")
    put(tree, "tools/globals.ok", "core/b.c here? because of a test\n")
    put(tree, "core/b.c", "int here = 1;\n")
    assert run(tree, "globals", compile_c(tree, "core/b.c")) == (0, "")


def test_globals_wants_a_reason(tree):
    put(tree, "tools/globals.ok", "core/a.c gone\n")
    status, said = run(tree, "globals", compile_c(tree, "core/a.c"))
    assert status == 1 and "REASON" in said


# ---- srccheck

def function_of(lines):
    return "int\nf(void)\n{\n" + "\t;\n" * (lines - 2) + "}\n"


@pytest.mark.parametrize("path, text, why", [
    ("core/b.c", "\t" + "x" * 73 + "\n", "b.c:1: 81 columns"),
    ("core/b.h", "int x;\n" * 801, "801 lines"),
    ("core/b.c", function_of(101), "function of 101 lines"),
    ("core/b.c", "int x; \n", "blanks at the end"),
    ("core/b.c", "\tstrcpy(a, b);\n", "strcpy: memcpy instead"),
    ("core/b.c", "\tx = atoi (a);\n", "atoi: strtol instead"),
    ("core/b.c", "/* TO" "DO: later */\n", "TO" "DO without an issue"),
    ("tests/unit/b.c", "/* FIX" "ME (#x) */\n", "without an issue"),
    ("tools/b.py", "def f(:\n", "does not compile"),
    ("tools/b", "#!/usr/bin/env python3\nx =\n", "tools/b:2: does not"),
    ("tests/b.py", "x = '%s'\n" % ("x" * 95), "101 columns"),
    ("interp/py/b.py", "# TO" "DO\n", "without an issue"),
])
def test_srccheck_sees(tree, path, text, why):
    assert run(tree, "srccheck") == (0, "")
    put(tree, path, text)
    status, said = run(tree, "srccheck")
    assert status == 1 and path in said and why in said, said


def test_srccheck_allows_what_is_just_so(tree):
    put(tree, "core/b.c", "\t" + "x" * 72 + "\n" + function_of(100) +
        "/* TO" "DO (#12): strcpy(a, b) */\nint my_rand(void);\n"
        "const char *s = \"atoi(\";\nchar q = '\"'; /* gets( */\n")
    assert run(tree, "srccheck") == (0, "")


# ---- symbols

def link(tree, code, *flags):
    put(tree, "main.c", code)
    subprocess.run([*CC, "-fPIC", "-fvisibility=hidden", "main.c", "-o",
                    "binary", "-Wl,--dynamic-list=list", "-Wl,-u,shown",
                    *flags], cwd=tree, check=True)


GOOD = ("__attribute__((visibility(\"default\"))) int shown(void);\n"
        "int shown(void) { return 1; }\n"
        "int main(void) { return 0; }\n")
SAFE = ("-pie", "-Wl,-z,relro,-z,now,-z,noexecstack")


@pytest.fixture
def exports(tree):
    put(tree, "tools/exports.list", "{\n\t/* no; */\n\tPy*;\n\tshown;\n};\n")
    put(tree, "list", "{ shown; llhttp_init; Py*; };\n")
    return tree


def test_symbols_passes_a_good_binary(exports):
    link(exports, GOOD + "__attribute__((visibility(\"default\")))\n"
         "int PyThing;\n", *SAFE)
    assert run(exports, "symbols", "binary") == (0, "")


@pytest.mark.parametrize("code, flags, why", [
    (GOOD + "__attribute__((visibility(\"default\"))) int llhttp_init;\n",
     SAFE, "offers llhttp_init"),
    (GOOD, (*SAFE, "-rdynamic", "-fvisibility=default"), "offers main"),
    ("int main(void) { return 0; }\n", (*SAFE, "-Wl,--defsym=shown=0",
     "-Wl,--exclude-libs,ALL", "-Wl,--version-script=hide"),
     "does not offer shown"),
    (GOOD, ("-no-pie", SAFE[1]), "not PIE"),
    (GOOD, ("-pie", "-Wl,-z,relro,-z,lazy,-z,noexecstack"), "not bound"),
    (GOOD, ("-pie", "-Wl,-z,norelro,-z,now,-z,noexecstack"), "no RELRO"),
    (GOOD, ("-pie", "-Wl,-z,relro,-z,now,-z,execstack"), "executable stack"),
])
def test_symbols_sees(exports, code, flags, why):
    put(exports, "hide", "{ local: *; };\n")
    link(exports, code, *flags)
    status, said = run(exports, "symbols", "binary")
    assert status == 1 and why in said, said


# ---- hdrs, a rule of the Makefile

def test_hdrs_sees_a_header_that_needs_another_one_first(tree):
    for name in ("Makefile", "config.mk"):
        shutil.copy(ROOT / name, tree)
    make = ["make", "-s", "hdrs", "PYTHON=" + sys.executable]
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}

    def hdrs():
        return subprocess.run(make, cwd=tree, env=env, text=True, timeout=60,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
    done = hdrs()
    assert done.returncode == 0, done.stdout
    put(tree, "core/b.h", "size_t b_size(void);\n")
    done = hdrs()
    assert done.returncode != 0 and "core/b.h" in done.stdout, done.stdout
    assert "size_t" in done.stdout
