"""What holds for the tests themselves."""

import ast
import threading
from pathlib import Path

import pytest

from support import leaks
from ws2spi import kernel32
from ws2spi._executive.handles import handles
from ws2spi._executive.threads import Thread

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


def test_the_handle_of_an_ended_thread_is_a_clients() -> None:
    """The kernel gives the ident of a thread that has ended to the next one, which may be the runtime's own."""
    before = leaks.open_handles()
    handle = kernel32.CreateThread(None, 0, lambda _: 0, None, 0, None)
    assert kernel32.WaitForSingleObject(handle, 10_000) == 0
    leave = threading.Event()
    successor = threading.Thread(target=leave.wait, name=f"{leaks.SHARED_THREADS}test")
    successor.start()
    ended = handles.get(handle, Thread)
    assert ended is not None
    ended.ident = successor.ident or 0
    try:
        assert leaks.open_handles() - before == {handle}
    finally:
        leave.set()
        successor.join()
        kernel32.CloseHandle(handle)
