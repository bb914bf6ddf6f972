"""What `ws2spi run` makes of its command line before it starts anything."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from ws2spi.cli.main import main
from ws2spi.layers import registry
from ws2spi.providers.stack import Stack
from ws2spi.redirect import launch

OWN = """\
from ws2spi import Layer


class First(Layer):
    async def connect(self, conn, address): ...


class Second(First): ...


class Blind(Layer):
    async def on_send(self, conn, data): ...
"""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[list[str], list[str], int, bool]]:
    """(program, names of the layers, verbose, quiet) of every program that would have been run."""
    runs = []

    def run(argv: Sequence[str], stack: Stack, *, verbose: int, quiet: bool) -> int:
        runs.append((list(argv), [layer.name for layer in stack.layers], verbose, quiet))
        return 7

    monkeypatch.setattr(launch, "run", run)
    monkeypatch.setattr(registry, "_loaded", {})
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "one.toml").write_text('[[layer]]\nuse = "own.py:First"\n[[layer]]\nuse = "own.py:Second"\n')
    return runs


def test_stack_is_the_command_line_from_left_to_right(
    started: list[tuple[list[str], list[str], int, bool]], capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "run",
        "-l",
        "log",
        "--stack",
        "one.toml",
        "-vl",
        "own.py:First",
        "--stack=one.toml",
        "--",
        "sh",
        "-c",
        "--",
    ]
    assert main(words) == 7
    assert started == [(["sh", "-c", "--"], ["log", "first", "second", "first", "first", "second"], 1, False)]
    assert capsys.readouterr() == ("", "")


def test_layer_that_sees_nothing_is_named_once(
    started: list[tuple[list[str], list[str], int, bool]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "-l", "own.py:Blind", "-l", "own.py:Blind", "true"]) == 7
    assert capsys.readouterr().err == (
        "ws2spi: layer 'blind' sees nothing of the program: Blind overrides none of Layer's methods "
        "('on_send', did you mean send or send_to?)\n"
    )
    assert main(["run", "-q", "-l", "own.py:Blind", "true"]) == 7
    assert capsys.readouterr().err == ""


def test_nothing_is_started_with_a_layer_that_cannot_be_made(
    started: list[tuple[list[str], list[str], int, bool]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "-l", "log", "-l", "lag", "true"]) == 125
    assert capsys.readouterr().err.startswith("ws2spi: there is no layer 'lag', did you mean log?")
    assert not started
