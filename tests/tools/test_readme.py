"""The README says what the binary says."""

import os
import pathlib
import re
import runpy
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
OPTDOC = runpy.run_path(str(ROOT / "tools" / "optdoc"))
FIGURES = runpy.run_path(str(ROOT / "tools" / "bench" / "figures"))


def help_text():
    shoal = os.environ.get("SHOAL_BIN", str(ROOT / "build" / "shoal"))
    return subprocess.run([shoal, "--help"], stdout=subprocess.PIPE,
                          check=True, text=True, timeout=60).stdout


def test_options_are_those_of_the_binary():
    begin, end = OPTDOC["BEGIN"], OPTDOC["END"]
    assert README.count(begin) == README.count(end) == 1
    tables = README.split(begin)[1].split(end)[0]
    assert tables == OPTDOC["markdown"](help_text()), \
        "run tools/optdoc build/shoal README.md"


def test_figures_are_those_of_the_results():
    begin, end = FIGURES["BEGIN"], FIGURES["END"]
    assert README.count(begin) == README.count(end) == 1
    table = README.split(begin)[1].split(end)[0]
    assert table == FIGURES["markdown"](FIGURES["RESULTS"]), \
        "run tools/bench/figures README.md"


def test_every_row_of_the_source_is_in_the_table():
    source = (ROOT / "core" / "opt.h").read_text(encoding="utf-8")
    rows = re.findall(r"^X\((\w+), (\w+),", source, re.M)
    assert len(rows) > 30
    for kind, name in rows:
        if kind == "TARGET":
            continue
        option = name.replace("_", "-")
        assert re.search(r"`(-\w, )?--(no-)?%s\b" % option, README), option


def test_options_in_the_text_exist():
    known = set(re.findall(r"--([a-z][a-z-]*)", help_text()))
    used = set(re.findall(r"--([a-z][a-z-]*)",
                          README.split(OPTDOC["BEGIN"])[0]))
    assert used - known == set()


def test_goals_in_the_text_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for goal in re.findall(r"^ {4}make ([a-z]+)|`(?:sudo )?make ([a-z]+)",
                           README, re.M):
        assert re.search(r"^%s:" % (goal[0] or goal[1]), makefile, re.M), goal


def test_files_in_the_text_exist():
    for path in re.findall(r"\]\(([^):]+)\)", README):
        assert (ROOT / path).exists(), path


def test_exit_codes_are_those_of_the_source():
    header = (ROOT / "core" / "keeper.h").read_text(encoding="utf-8")
    codes = re.search(r"enum \{ (EXIT_CLEAN[^}]*) \}", header)[1]
    table = README.split("| code | means |")[1].split("\n\n")[0]
    assert re.findall(r"= (\d)", codes) == \
        re.findall(r"^\| (\d) \|", table, re.M)


def test_optdoc_reads_every_shape_of_a_row():
    text = ("Usage: x\n\nOne:\n"
            "  -w, --workers N|auto    what it is,\n"
            "                          and more [default auto] [--shards]\n"
            "                          [$SHOAL_WORKERS]\n"
            "  --isolation auto|interp\n"
            "                          how [--old-name, in ms]\n"
            "\n%s:\n  --loop VALUE            no\n" % OPTDOC["WITHOUT"])
    assert OPTDOC["markdown"](text).splitlines() == [
        "**One**", "", "| option | default | meaning |",
        "| --- | --- | --- |",
        "| `-w, --workers N\\|auto` | `auto` | what it is, and more; "
        "also `--shards` |",
        "| `--isolation auto\\|interp` |  | how; also `--old-name` in ms |",
        "", "Accepted from other servers, without effect: `--loop`.", ""][:-1]
