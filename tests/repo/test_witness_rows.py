"""Every row of docs/witness-rows.toml has a test that names it, or says why it has none.

A test names a row in its docstring ("A1, decision 12.2: …") or its own name (`test_m15_…`), or is a line of a scenario
(tests/witness/recorded).
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
ROWS: dict[str, dict[str, str]] = tomllib.loads((TESTS.parent / "docs" / "witness-rows.toml").read_text())
KEYS = {"rule", "windows", "untested"}
# The last row of each letter: none is forgotten, and none invented.
LETTERS = "A13 B9 C7 D14 E16 F17 G12 H9 I7 J7 K18 L6 M24 N17 O15 P12 Q11 R8"


def named() -> Iterator[tuple[str, str]]:
    """(row, the test that names it)."""
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                words = [ast.get_docstring(node) or "", *re.findall(r"_([a-r]\d{1,2})(?=_|$)", node.name)]
                for row in re.findall(r"\b[A-R]\d{1,2}\b", " ".join(words[:1] + [word.upper() for word in words[1:]])):
                    yield row, f"{path.name}::{node.name}"
    for path in sorted((TESTS / "witness" / "recorded").glob("*.txt")):
        for line in path.read_text().splitlines():
            yield line.split(" ", 1)[0], f"recorded/{path.name}"


def test_every_row_is_there_once() -> None:
    assert list(ROWS) == [f"{last[0]}{number}" for last in LETTERS.split() for number in range(1, int(last[1:]) + 1)]


def test_rows_are_written_as_the_head_says() -> None:
    for row, entry in ROWS.items():
        assert entry.keys() <= KEYS, row
        assert entry["rule"].endswith("."), row
        assert entry.get("windows", "-.").endswith("."), row


def test_every_row_has_a_test_that_names_it_or_a_reason() -> None:
    tested = {row for row, _ in named()}
    silent = [row for row, entry in ROWS.items() if row not in tested and "untested" not in entry]
    assert silent == []


def test_no_reason_outlives_its_test() -> None:
    """Who writes the test of a row takes its reason out, so that the page says what is true."""
    tests: dict[str, str] = {}
    for row, test in named():
        tests.setdefault(row, test)
    assert {row: tests[row] for row, entry in ROWS.items() if "untested" in entry and row in tests} == {}


def test_scenarios_and_tests_name_rows_that_exist() -> None:
    recorded = {row for row, test in named() if test.startswith("recorded/")}
    assert recorded <= set(ROWS)
