"""The list of the interfaces' rules names tests that exist, and no rule has
none."""

import pathlib
import re

TESTS = pathlib.Path(__file__).resolve().parents[1]
ROW = re.compile(r"^\| (.+) \| (.+) \|$")


def rows():
    text = (TESTS / "interfaces.md").read_text(encoding="utf-8")
    found = [ROW.match(line) for line in text.splitlines()]
    return [row.groups() for row in found if row and row[1] != "rule"]


def test_every_rule_has_tests_that_exist():
    assert len(rows()) > 60
    for rule, tests in rows():
        for test in tests.split(", "):
            name, _, function = test.partition("::")
            path = TESTS / "e2e" / ("test_%s.py" % name)
            assert path.exists(), (rule, test)
            assert "\ndef %s(" % function in path.read_text(), (rule, test)
