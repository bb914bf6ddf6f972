"""WSAProviderConfigChange: told of every change, of this process and of others, and of nothing else (catalog 6.11)."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.catalogs import entry
from support.memory_provider import MemoryProvider, memory_entry
from ws2spi import kernel32, ws2_32
from ws2spi._abi.errors import WSAError
from ws2spi._executive.threads import current
from ws2spi._runtime import config_change
from ws2spi._runtime.catalog import StoredCatalog
from ws2spi._runtime.catalog.changes import watch
from ws2spi._runtime.names.entries import NameSpaceEntry
from ws2spi._runtime.names.stored import StoredNameSpaces
from ws2spi._runtime.process import runtime

byref = ctypes.byref
change = ws2_32.WSAProviderConfigChange
A, B = (uuid.UUID(int=number) for number in (1, 2))
E = WSAError
PATIENCE = 20_000  # milliseconds


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StoredCatalog]:
    monkeypatch.setenv("WS2SPI_CATALOG", str(tmp_path / "folder" / "catalog.sqlite"))
    current().pending.clear()
    assert ws2_32.WSAStartup(0x0202, byref(ws2_32.WSADATA())) == 0
    yield StoredCatalog()
    while runtime.starts:
        runtime.cleanup()
    runtime.catalog.reset()
    for thread in threading.enumerate():
        if thread.name == "ws2spi-catalog":
            thread.join(20)
    assert not watch._waiting


@pytest.fixture
def handle(stored: StoredCatalog) -> Iterator[ctypes.c_void_p]:
    value = ctypes.c_void_p()
    assert change(byref(value), None, None) == 0
    assert value.value
    yield value
    kernel32.CloseHandle(value)


class Pending:
    """An overlapped call with an event."""

    def __init__(self, handle: Any) -> None:
        self.event = ws2_32.WSACreateEvent()
        self.overlapped = ws2_32.WSAOVERLAPPED(hEvent=self.event)
        assert change(byref(handle), byref(self.overlapped), None) == -1
        assert ws2_32.WSAGetLastError() == E.WSA_IO_PENDING

    def told(self, milliseconds: int = PATIENCE) -> bool:
        return bool(kernel32.WaitForSingleObject(self.event, milliseconds) == 0)

    def close(self) -> int:
        """The status block."""
        ws2_32.WSACloseEvent(self.event)
        return int(self.overlapped.Internal)


def installed_names() -> list[str]:
    return [one.name for one in runtime.catalog.enum_protocols()]


def test_an_event_tells_of_a_change_by_this_process(stored: StoredCatalog, handle: Any) -> None:
    pending = Pending(handle)
    assert pending.overlapped.Internal == 0x103
    assert not pending.told(0)
    stored.install(A, "/x.py", [entry("new", protocol=99)])
    assert pending.told()
    assert pending.close() == 0
    assert "new" not in installed_names(), "what it sees is renewed by the next call"
    pending = Pending(handle)
    assert "new" in installed_names()
    assert not pending.told(0), "that change was before this call"
    stored.deinstall(A)
    assert pending.told()
    pending.close()


@pytest.mark.parametrize(
    "action",
    [
        ["install", "log"],
        ["reset"],
    ],
)
def test_an_event_tells_of_a_change_by_another_process(stored: StoredCatalog, handle: Any, action: list[str]) -> None:
    pending = Pending(handle)
    subprocess.run([sys.executable, "-m", "ws2spi.cli.main", "catalog", *action], check=True, capture_output=True)
    assert pending.told()
    pending.close()


def test_every_kind_of_change_tells_and_a_refused_one_does_not(stored: StoredCatalog, handle: Any) -> None:
    stored.install_chains(A, "/x.py", "a")
    changes: list[Any] = [
        lambda: stored.install(B, "/x.py", [entry()]),
        lambda: stored.update(B, "/y.py", [entry()]),
        lambda: stored.order([one.catalog_id for one in reversed(stored.entries())]),
        lambda: stored.set_categories(A, 1),
        lambda: stored.set_application("/x", "", 1),
        lambda: StoredNameSpaces().install(NameSpaceEntry(A, 99, "names", "/names.py", True, 1, b"")),
        lambda: StoredNameSpaces().enable(A, False),
        lambda: stored.deinstall(B),
        stored.reset,
    ]
    for one in changes:
        pending = Pending(handle)
        with pytest.raises(OSError, match="installed"):
            stored.deinstall(uuid.UUID(int=99))
        assert not pending.told(50)
        one()
        assert pending.told()
        assert pending.close() == 0


def test_an_installation_for_this_process_alone_counts(stored: StoredCatalog, handle: Any) -> None:
    pending = Pending(handle)
    made = runtime.catalog.install([memory_entry()], lambda _: MemoryProvider())
    assert pending.told()
    pending.close()
    pending = Pending(handle)
    runtime.catalog.remove([made[0].catalog_id])
    assert pending.told()
    pending.close()


def test_a_routine_runs_in_an_alertable_wait_of_its_thread(stored: StoredCatalog, handle: Any) -> None:
    calls: list[tuple[int, int, int, int]] = []
    overlapped = ws2_32.WSAOVERLAPPED(hEvent=12345)  # the client's own with a routine

    def routine(code: int, count: int, pointer: Any, flags: int) -> None:
        calls.append((code, count, flags, threading.get_ident()))
        assert ctypes.addressof(pointer.contents) == ctypes.addressof(overlapped)

    assert change(byref(handle), byref(overlapped), routine) == -1
    assert ws2_32.WSAGetLastError() == E.WSA_IO_PENDING
    stored.install(A, "/x.py", [entry()])
    assert kernel32.SleepEx(PATIENCE, True) == 192
    assert calls == [(0, 0, 0, threading.get_ident())]
    assert overlapped.Internal == 0


def test_a_blocking_call_returns_at_the_change(stored: StoredCatalog, handle: Any) -> None:
    results: list[int] = []
    waiter = threading.Thread(target=lambda: results.append(change(byref(handle), None, None)))
    waiter.start()
    _until_waiting()
    assert not results
    stored.install(A, "/x.py", [entry()])
    waiter.join(20)
    assert results == [0]


def _until_waiting(count: int = 1) -> None:
    """Return when so many calls wait."""
    tick = threading.Event()
    for _ in range(4000):
        if len(watch._waiting) >= count:
            return
        tick.wait(0.005)
    raise AssertionError("nobody waits")


def test_many_wait_and_each_is_told_once(stored: StoredCatalog, handle: Any) -> None:
    several = [Pending(handle) for _ in range(5)]
    other = ctypes.c_void_p()
    assert change(byref(other), None, None) == 0
    several.append(Pending(other))
    stored.install(A, "/x.py", [entry()])
    assert all(pending.told() for pending in several)
    assert [pending.close() for pending in several] == [0] * 6
    assert kernel32.CloseHandle(other)


def test_closing_the_handle_ends_what_waits(stored: StoredCatalog, handle: Any) -> None:
    pending = Pending(handle)
    codes: list[tuple[int, int]] = []
    waiter = threading.Thread(
        target=lambda: codes.append((change(byref(handle), None, None), ws2_32.WSAGetLastError()))
    )
    waiter.start()
    _until_waiting(2)
    assert kernel32.CloseHandle(handle)
    assert pending.told()
    assert pending.close() == 0xC0000120
    waiter.join(20)
    assert codes == [(-1, E.WSA_OPERATION_ABORTED)]
    assert change(byref(handle), None, None) == -1
    assert ws2_32.WSAGetLastError() == E.WSA_INVALID_HANDLE


def test_the_last_clean_up_tells_nobody_and_lets_who_blocks_go(stored: StoredCatalog, handle: Any) -> None:
    """executive: pending operations end without being announced"""
    pending = Pending(handle)
    codes: list[tuple[int, int]] = []
    waiter = threading.Thread(
        target=lambda: codes.append((change(byref(handle), None, None), ws2_32.WSAGetLastError()))
    )
    waiter.start()
    _until_waiting(2)
    assert ws2_32.WSACleanup() == 0
    waiter.join(20)
    assert codes == [(-1, E.WSAEINTR)]
    assert not pending.told(0)
    assert pending.overlapped.Internal != 0x103
    pending.close()


def test_a_signal_handler_that_raises_ends_a_blocking_call(stored: StoredCatalog, handle: Any) -> None:
    class StopError(Exception):
        pass

    def stop(*_: object) -> None:
        raise StopError

    before = signal.signal(signal.SIGUSR1, stop)
    killer = threading.Thread(target=lambda: (_until_waiting(), os.kill(os.getpid(), signal.SIGUSR1)))
    killer.start()
    try:
        with pytest.raises(StopError):
            change(byref(handle), None, None)
    finally:
        killer.join()
        signal.signal(signal.SIGUSR1, before)
    assert not watch._waiting


def test_a_signal_handler_may_wait_and_close_at_any_bytecode(stored: StoredCatalog, handle: Any) -> None:
    """The handler of an interrupt makes a handle, waits on it, and closes it, wherever it strikes."""
    struck = 0

    def strike(frame: Any, kind: str, _: Any) -> Any:
        nonlocal struck
        if "catalog/changes.py" not in frame.f_code.co_filename and "config_change.py" not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes = True
        if kind == "opcode" and struck < 200:
            struck += 1
            sys.settrace(None)
            try:
                inner = ctypes.c_void_p()
                assert change(byref(inner), None, None) == 0
                pending = Pending(inner)
                assert kernel32.CloseHandle(inner)
                assert pending.told()
                pending.close()
            finally:
                sys.settrace(strike)
        return strike

    sys.settrace(strike)
    try:
        outer = Pending(handle)
    finally:
        sys.settrace(None)
    assert struck > 100
    stored.install(A, "/x.py", [entry()])
    assert outer.told()
    outer.close()


def test_codes(stored: StoredCatalog, handle: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def code(*arguments: Any) -> int:
        assert change(*arguments) == -1
        return int(ws2_32.WSAGetLastError())

    overlapped = ws2_32.WSAOVERLAPPED()
    assert code(None, None, None) == E.WSAEFAULT
    event = ws2_32.WSACreateEvent()
    for bad in (event, 0x7FFF0000, 4):
        assert code(byref(ctypes.c_void_p(bad)), byref(overlapped), None) == E.WSA_INVALID_HANDLE
    ws2_32.WSACloseEvent(event)
    assert code(byref(handle), byref(ws2_32.WSAOVERLAPPED(hEvent=0x7FFF0000)), None) == E.WSA_INVALID_HANDLE
    pending = Pending(handle)
    assert code(byref(handle), byref(pending.overlapped), None) == E.WSAEINVAL
    stored.install(A, "/x.py", [entry()])
    assert pending.told()
    pending.close()
    with monkeypatch.context() as patch:
        (tmp_path / "file").touch()
        patch.setenv("WS2SPI_CATALOG", str(tmp_path / "file" / "catalog.sqlite"))
        assert code(byref(handle), byref(overlapped), None) == E.WSAEOPNOTSUPP
        assert overlapped.Internal == 0x103
    with monkeypatch.context() as patch:
        patch.setattr(config_change, "Notification", _no_memory)
        assert code(byref(ctypes.c_void_p()), None, None) == E.WSA_NOT_ENOUGH_MEMORY
    Path(stored.path).write_bytes(b"rubbish" * 1000)
    assert code(byref(handle), byref(overlapped), None) == E.WSAENETDOWN
    assert code(byref(ctypes.c_void_p()), None, None) == E.WSAENETDOWN
    runtime.cleanup()
    assert code(byref(handle), None, None) == E.WSANOTINITIALISED


def _no_memory() -> Any:
    raise MemoryError


def test_a_folder_that_goes_is_a_change(stored: StoredCatalog, handle: Any) -> None:
    stored.install(A, "/x.py", [entry()])
    pending = Pending(handle)
    os.unlink(stored.path)
    os.rmdir(os.path.dirname(stored.path))
    assert pending.told()
    pending.close()


def test_a_child_process_waits_for_nothing_and_can_begin_anew(stored: StoredCatalog, handle: Any) -> None:
    pending = Pending(handle)
    child = os.fork()
    if child == 0:
        try:
            assert not watch._waiting
            assert ws2_32.WSAStartup(0x0202, byref(ws2_32.WSADATA())) == 0
            mine = ctypes.c_void_p()
            assert change(byref(mine), None, None) == 0
            own = Pending(mine)
            stored.install(A, "/x.py", [entry()])
            assert own.told()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert pending.told(), "the child's change is one"
    pending.close()
