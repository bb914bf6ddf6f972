"""The tables of ws2spi.h in memory: filled with functions, copied as bytes, read through a script's own types."""

import ctypes
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.memory_provider import memory_entry
from ws2spi import ctypes as win
from ws2spi import ws2_32
from ws2spi._abi.constants import INVALID_SOCKET
from ws2spi._abi.errors import WSAError
from ws2spi._abi.types import WSPPROC_NAMES, WSPUPCALL_NAMES
from ws2spi._runtime.loading import install_provider, load_startup
from ws2spi._runtime.process import runtime
from ws2spi.ctypes import wintypes
from ws2spi.ws2_32 import WSAPROTOCOL_INFOW, WSPDATA, WSPPROC_TABLE, WSPUPCALLTABLE

byref, sizeof = ctypes.byref, ctypes.sizeof


def base_table() -> Any:
    """What the built-in provider for IPv4 fills in."""
    table = WSPPROC_TABLE()
    entry = runtime.catalog.find(2, 1, 6)
    startup = load_startup(runtime.catalog.path(entry.provider_id))
    assert startup(0x0202, byref(WSPDATA()), None, None, byref(table)) == 0
    return table


def test_a_new_table_is_empty_and_holds_functions() -> None:
    table = WSPPROC_TABLE()
    assert all(getattr(table, f"lp{name}") is None for name in WSPPROC_NAMES)
    table.lpWSPShutdown = lambda s, how, lpErrno: how
    assert table.lpWSPShutdown(5, 0, None) == 0
    table.lpWSPShutdown = None
    assert table.lpWSPShutdown is None
    with pytest.raises(TypeError):
        table.lpWSPShutdown = "no function"


def test_a_table_is_copied_as_bytes(started: None) -> None:
    first = base_table()
    copy = WSPPROC_TABLE()
    ctypes.memmove(byref(copy), byref(first), sizeof(WSPPROC_TABLE))
    code = ctypes.c_int()
    assert copy.lpWSPListen(INVALID_SOCKET, 1, byref(code)) == -1
    assert code.value == WSAError.WSAENOTSOCK
    assert all(getattr(copy, f"lp{name}") is getattr(first, f"lp{name}") for name in WSPPROC_NAMES)


def test_a_table_is_read_through_a_scripts_own_prototypes(started: None) -> None:
    """Each member is a C function: called as such, with what C has."""
    table = base_table()
    listen = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_size_t, ctypes.c_int, ctypes.POINTER(ctypes.c_int))
    address = ctypes.c_void_p.from_buffer(table, 8 * WSPPROC_NAMES.index("WSPListen")).value
    code = ctypes.c_int()
    assert address
    assert listen(address)(77, 5, byref(code)) == -1
    assert code.value == WSAError.WSAENOTSOCK


def test_a_functions_exception_does_not_pass_through_c(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(s: int, backlog: int, lpErrno: Any) -> int:
        raise OSError("not today")

    table = WSPPROC_TABLE(lpWSPListen=broken)
    listen = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p)
    code = ctypes.c_int()
    address = ctypes.c_void_p.from_buffer(table, 8 * WSPPROC_NAMES.index("WSPListen")).value
    assert address
    assert listen(address)(5, 5, ctypes.addressof(code)) == -1
    assert code.value == WSAError.WSASYSCALLFAILURE
    assert "WSPListen raised OSError: not today" in capsys.readouterr().err


# A provider as a C program declares it: its own structures, and a prototype for everything.


class OwnInfo(ctypes.Structure):
    _fields_ = [(name, kind) for name, kind, *_ in WSAPROTOCOL_INFOW._fields_]


SOCKET_FUNCTION = win.WINFUNCTYPE(
    ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.POINTER(OwnInfo), wintypes.UINT,
    wintypes.DWORD, ctypes.POINTER(ctypes.c_int),
)  # fmt: skip
CLOSE_FUNCTION = win.WINFUNCTYPE(ctypes.c_int, ctypes.c_size_t, ctypes.POINTER(ctypes.c_int))
CREATE_HANDLE = win.WINFUNCTYPE(ctypes.c_size_t, wintypes.DWORD, ctypes.c_size_t, ctypes.POINTER(ctypes.c_int))
OTHER = win.WINFUNCTYPE(ctypes.c_int, ctypes.c_void_p)


class OwnTable(ctypes.Structure):
    _fields_ = [
        (f"lp{name}", {"WSPSocket": SOCKET_FUNCTION, "WSPCloseSocket": CLOSE_FUNCTION}.get(name, OTHER))
        for name in WSPPROC_NAMES
    ]


class OwnUpcalls(ctypes.Structure):
    _fields_ = [
        (f"lp{name}", {"WPUCreateSocketHandle": CREATE_HANDLE, "WPUCloseSocketHandle": CLOSE_FUNCTION}.get(name, OTHER))
        for name in WSPUPCALL_NAMES
    ]


STARTUP = win.WINFUNCTYPE(
    ctypes.c_int, wintypes.WORD, ctypes.POINTER(WSPDATA), ctypes.POINTER(OwnInfo), OwnUpcalls, ctypes.POINTER(OwnTable)
)


def test_a_provider_that_declares_everything_itself(started: None) -> None:
    kept: list[Any] = []
    seen: list[Any] = []

    def startup(version: int, data: Any, info: Any, upcalls: Any, table: Any) -> int:
        up = OwnUpcalls.from_buffer_copy(upcalls)
        own = info.contents.dwCatalogEntryId

        def make(af: int, kind: int, protocol: int, given: Any, g: int, flags: int, lpErrno: Any) -> int:
            seen.append((af, given.contents.szProtocol.value))
            return int(up.lpWPUCreateSocketHandle(own, 42, lpErrno))

        def close(s: int, lpErrno: Any) -> int:
            seen.append(s)
            return int(up.lpWPUCloseSocketHandle(s, lpErrno))

        kept.extend([SOCKET_FUNCTION(make), CLOSE_FUNCTION(close), OTHER(lambda _: 0)])
        for name, kind in OwnTable._fields_:
            if kind is OTHER:
                setattr(table.contents, name, kept[2])
        table.contents.lpWSPSocket, table.contents.lpWSPCloseSocket = kept[:2]
        data.contents.wVersion = data.contents.wHighVersion = version
        return 0

    typed: Callable[..., Any] = STARTUP(startup)
    install_provider(typed, [memory_entry(name="declared")])
    s = ws2_32.WSASocketW(2, 1, 6, None, 0, 1)
    assert s != INVALID_SOCKET, ws2_32.WSAGetLastError()
    context = ctypes.c_size_t()
    assert ws2_32.WPUQuerySocketHandleContext(s, byref(context), byref(ctypes.c_int())) == 0
    assert context.value == 42
    assert ws2_32.closesocket(s) == 0
    assert seen == [(2, "declared"), s]


def test_the_upcall_table_as_a_structure(started: None) -> None:
    table = WSPUPCALLTABLE(lpWPUCreateEvent=ws2_32.WPUCreateEvent, lpWPUCloseEvent=ws2_32.WPUCloseEvent)
    code = ctypes.c_int()
    event = table.lpWPUCreateEvent(byref(code))
    assert event
    assert table.lpWPUCloseEvent(event, byref(code)) == 1
    assert table.lpWPUSetEvent is None


def test_windll_loads_a_provider_by_its_path(started: None, tmp_path: Path) -> None:
    """Where a layer in C calls LoadLibrary and GetProcAddress."""
    file = tmp_path / "mine.py"
    file.write_text("def WSPStartup(version, data, info, upcalls, table):\n    return 10091\n")
    library = win.WinDLL(str(file))
    assert library.WSPStartup(0x0202, byref(WSPDATA()), None, None, byref(WSPPROC_TABLE())) == 10091
    with pytest.raises(AttributeError):
        _ = library.WSPCleanup
    for path in (str(tmp_path / "nothing.py"), "ws2spi:" + str(uuid.uuid4())):
        with pytest.raises(FileNotFoundError):
            win.WinDLL(path)
    base = win.WinDLL(runtime.catalog.path(runtime.catalog.find(2, 1, 6).provider_id))
    assert base.WSPStartup(0x0202, byref(WSPDATA()), None, None, byref(WSPPROC_TABLE())) == 0
