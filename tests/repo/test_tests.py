"""What holds for the tests themselves."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
FILES = sorted(TESTS.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(TESTS)))
def test_no_test_sleeps(path: Path) -> None:
    """A sleep is too long on one machine and too short on another; events and joins with time-outs are neither."""
    sleeps = [
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("time.sleep", "asyncio.sleep")
    ]
    assert not sleeps


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(TESTS)))
def test_file_has_a_bearable_length(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 800


def test_unit_folders_mirror_the_source() -> None:
    source = TESTS.parent / "src" / "ws2spi"
    known = {name.lstrip("_") for name in (path.stem for path in source.iterdir())}
    unknown = [folder.name for folder in (TESTS / "unit").iterdir() if folder.is_dir() and folder.name not in known]
    assert not [name for name in unknown if name != "__pycache__"]
