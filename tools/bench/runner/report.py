"""From bursts to figures, and from figures to a table, text and JSON."""

import json
from statistics import median



def columns(load):
    return ("server", f"{load.unit}/CPU-s", "best", "x floor (best)",
            "x shoal (best)", f"{load.unit}/s", "busy", "p50 ms", "p99 ms",
            "p99.9 ms", "max ms", "PSS MiB", "quiet", "errors")


def add_ratios(results, other):
    """How many times <other> each server is, by medians and by bests.

    The first is the median of the rounds' ratios: each compares two bursts
    that ran seconds apart.  Rounds in which either was disturbed are left
    out where others remain.
    """
    if other not in results:
        return
    base = results[other]
    for row in results.values():
        pairs = list(zip(row["bursts"], base["bursts"]))
        quiet = [(a, b) for a, b in pairs if a["quiet"] and b["quiet"]]
        row[f"times_{other}"] = median(
            a["per_cpu_second"] / b["per_cpu_second"]
            for a, b in quiet or pairs)
        row[f"best_times_{other}"] = (row["best_per_cpu_second"]
                                      / base["best_per_cpu_second"])


def figures(bursts, response_bytes, pss):
    """The figures of one server from its bursts, without the warm-up.

    Medians are of the quiet bursts when there are any, else of all.
    """
    quiet = [b for b in bursts if b.is_quiet]
    used = quiet or bursts
    return {
        "per_cpu_second": median(b.per_cpu_second for b in used),
        "best_per_cpu_second": max(b.per_cpu_second for b in bursts),
        "per_second": median(b.requests / b.seconds for b in used),
        "busy": median(b.cpu / b.seconds for b in used),
        "load_busy": median(b.load_cpu / b.seconds for b in used),
        "p50_ms": median(b.p50 for b in used),
        "p99_ms": median(b.p99 for b in used),
        "p999_ms": median(b.p999 for b in used),
        "max_ms": max(b.max for b in used),
        "late_ms": median(b.late for b in used),
        "curve": curve(used),
        "pss_bytes": pss,
        "quiet_bursts": len(quiet),
        "errors": errors(bursts, response_bytes),
        "bursts": [dict(vars(b), per_cpu_second=b.per_cpu_second,
                        quiet=b.is_quiet) for b in bursts],
    }


def curve(bursts):
    """[percent, ms] of a paced load: of each percentile the bursts' median."""
    return [[points[0][0], median(ms for _, ms in points)]
            for points in zip(*(b.curve for b in bursts))]


def errors(bursts, response_bytes):
    """What went wrong, by kind; empty when nothing did.

    "length" counts the bursts whose responses were not as long as the one
    that was checked: wrk itself looks at the status only, and at 3xx not
    even then.  None: the load looked at them.
    """
    found = {}
    for burst in bursts:
        for kind, count in burst.errors.items():
            found[kind] = found.get(kind, 0) + count
        if burst.lost:
            found["processes lost"] = found.get("processes lost", 0) + 1
        if response_bytes is None:
            continue
        mean = burst.bytes / burst.requests if burst.requests else 0
        if abs(mean - response_bytes) > 0.01 * response_bytes:
            found["length"] = found.get("length", 0) + 1
    return {kind: count for kind, count in found.items() if count}


def cells(name, results):
    """One row of the table, as text."""
    row = results[name]

    def times(other):
        if f"times_{other}" not in row:
            return ""
        return (f"{row[f'times_{other}']:.2f} "
                f"({row[f'best_times_{other}']:.2f})")

    return (
        name,
        f"{row['per_cpu_second']:,.0f}",
        f"{row['best_per_cpu_second']:,.0f}",
        times("floor"),
        times("shoal"),
        f"{row['per_second']:,.0f}",
        f"{100 * row['busy']:.0f} %",
        f"{row['p50_ms']:.2f}",
        f"{row['p99_ms']:.2f}",
        f"{row['p999_ms']:.2f}",
        f"{row['max_ms']:.1f}",
        f"{row['pss_bytes'] / 2**20:.1f}",
        f"{row['quiet_bursts']}/{len(row['bursts'])}",
        ", ".join(f"{count} {kind}" for kind, count
                  in row["errors"].items()) or "0",
    )


def text_table(load, results):
    """For a terminal: columns aligned, names left, figures right."""
    rows = [columns(load)] + [cells(name, results) for name in results]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join(
        "  ".join(cell.ljust(width) if column == 0 else cell.rjust(width)
                  for column, (cell, width) in enumerate(zip(row, widths)))
        .rstrip() for row in rows)


def markdown(load, results, facts, notes):
    """The whole result of one load as a page."""
    head = columns(load)
    rows = [head, ["---"] + ["---:"] * (len(head) - 1)]
    rows += [cells(name, results) for name in results]
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    lines = [f"# {load.name}: {load.title}", "", table, ""]
    lines += [f"- {note}" for note in notes]
    lines += [""] * bool(notes)
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    return "\n".join(lines) + "\n"


def has(directory, load, facts, servers):
    """Whether there are results of this load: of that binary, and of all
    these servers (or a note why one of them is not among them)."""
    path = directory / f"{load.name}.json"
    if not path.exists():
        return False
    document = json.loads(path.read_text())
    left_out = "\n".join(document["notes"])
    return (document["machine"].get("binary") == facts["binary"]
            and all(name in document["servers"] or f"{name} is left out"
                    in left_out or f"{name} failed" in left_out
                    for name in servers))


def write(directory, load, results, facts, notes):
    """results/<load>.md for people, .json with every burst.

    Of a note only the first line is kept: the others are a server's own
    words, with paths of this machine.
    """
    notes = [note.splitlines()[0] for note in notes]
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{load.name}.md").write_text(
        markdown(load, results, facts, notes))
    document = {"load": load.name, "title": load.title, "machine": facts,
                "notes": notes, "servers": results}
    (directory / f"{load.name}.json").write_text(
        json.dumps(document, indent=1) + "\n")
