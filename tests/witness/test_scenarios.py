"""Every line of the scenarios: the Python twin prints what Wine printed, or what differences.toml says and why.

The programs under Wine are run by `make witness`; what they printed is in recorded/. A test is one row of one scenario.
"""

import functools
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import witness  # noqa: E402

KNOWN = witness.differences()


@functools.cache
def printed(name: str) -> list[witness.Line]:
    """What the twin prints, run once."""
    return witness.lines(witness.run_ours(name))


ROWS = [
    (name, row)
    for name in witness.names()
    for row in dict.fromkeys(line.row for line in witness.lines(witness.recorded(name)))
]


@pytest.mark.parametrize(("name", "row"), ROWS, ids=["-".join(pair) for pair in ROWS])
def test_row(name: str, row: str) -> None:
    wine = [line for line in witness.lines(witness.recorded(name)) if line.row == row]
    ours = [line for line in printed(name) if line.row == row]
    outcomes = list(witness.compare(wine, ours, KNOWN))
    assert [outcome for outcome in outcomes if not outcome.expected] == []


@pytest.mark.parametrize("name", witness.names())
def test_scenario_is_whole(name: str) -> None:
    """A C program, its twin and a recording belong together, and the twin prints no row that Wine did not."""
    recorded = witness.lines(witness.recorded(name))
    assert recorded
    assert (witness.SCENARIOS / f"{name}.py").exists()
    assert {line.name for line in printed(name)} == {line.name for line in recorded}


def test_known_differences_are_of_lines_that_exist() -> None:
    lines = {line.name for name in witness.names() for line in witness.lines(witness.recorded(name))}
    assert set(KNOWN) <= lines
    assert all(entry.keys() == {"ours", "why"} and entry["why"] for entry in KNOWN.values())


def test_comparison_finds_what_differs() -> None:
    wine = witness.lines("A1 one | 1;\nA1 one | 2;\nB2 two | x;\nC3 three | old;\nD4 four |\n")
    ours = witness.lines("A1 one | 1;\nA1 one | 3;\nB2 two | y;\nC3 three | old;\nE5 five | 5;\n")
    known = {"B2 two": {"ours": "y;", "why": "w"}, "C3 three": {"ours": "new;", "why": "w"}}
    found = {(outcome.name, outcome.expected) for outcome in witness.compare(wine, ours, known)}
    assert found == {
        ("A1 one", True),
        ("A1 one", False),
        ("B2 two", True),
        ("C3 three", False),
        ("D4 four", False),
        ("E5 five", False),
    }


def test_without_the_tools_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(witness.shutil, "which", lambda _: None)
    monkeypatch.setattr(witness.os, "access", lambda *_: False)
    assert witness.main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "wine64" in err
    assert "gcc-mingw-w64-x86-64" in err
