"""`ws2spi check`: its answers and exit statuses; what is checked, and how, is tests/conformance's affair."""

from pathlib import Path

import pytest

from ws2spi.cli.main import main
from ws2spi.testing.conformance import clauses, places

ONE = ["--clause", "connect_is_refused", "--where", "alone", "--patience", "5"]

OWN = """
from ws2spi import Layer

class Forgetful(Layer):
    async def shutdown(self, conn, how):
        pass
"""

BY_HAND = """
def WSPStartup(version, data, info, upcalls, table):
    return 10091
"""


def test_a_shipped_layer_that_keeps_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "throttle:rate=1GB/s", *ONE]) == 0
    assert capsys.readouterr().out == "throttle: 1 tried, 0 broken\n"


def test_every_outcome_with_v_and_layers_over_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "throttle:rate=1GB/s", "throttle:rate=1GB/s", *ONE, "--ipv6", "-v"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "connect_is_refused [alone] (WSPConnect): kept",
        "connect_is_refused [alone IPv6] (WSPConnect): kept",
        "throttle over throttle: 2 tried, 0 broken",
    ]


def test_a_broken_clause_is_a_line_and_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "own.py"
    file.write_text(OWN)
    words = ["--clause", "shutdown_ends_one_direction", "--where", "alone", "--patience", "0.2"]
    assert main(["check", str(file), *words]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "shutdown_ends_one_direction [alone] (WSPShutdown): FAILED  recv never came back",
        "forgetful: 1 tried, 1 broken",
    ]
    assert main(["check", str(file), *words, "--known", "shutdown_ends_one_direction"]) == 1, "nothing was tried"


def test_the_wspstartup_of_a_file_and_an_end_after_so_many(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "by_hand.py"
    file.write_text(BY_HAND)
    assert main(["check", str(file), "--where", "alone", "--stop-after", "2"]) == 1
    lines = capsys.readouterr().out.splitlines()
    # Which clause comes first depends on what was imported; one of cleaning up was seen to fail without this line.
    assert any("WSPStartup returned 10091" in line for line in lines[:2])
    assert lines[-1] == f"WSPStartup: 2 tried, 2 broken, {len(clauses()) - 2} skipped"


def test_the_list_has_clauses_and_places(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(clauses()) + 1
    assert lines[-1] == f"places: {', '.join(places())}"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "no layer was given"),
        (["nonsense"], "there is no layer 'nonsense'"),
        (["log", "--clause", "connect_is_refusd"], "no clause 'connect_is_refusd', did you mean connect_is_refused?"),
        (["log", "--where", "alon"], "no place 'alon', did you mean alone?"),
        (["log", "--patience", "0"], "want numbers above 0"),
        (["./nowhere.py"], "nowhere.py"),
    ],
)
def test_a_usage_that_cannot_be_understood(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", *words]) == 2
    captured = capsys.readouterr()
    assert told in captured.err
    assert captured.err.count("\n") == 1
    assert not captured.out
