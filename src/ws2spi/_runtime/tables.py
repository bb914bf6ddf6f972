"""The two tables that WSPStartup exchanges, and what a provider's answer to it must look like.

`ProcTable` is what a provider fills, `UpcallTable` what it may call. Both hold plain Python callables with the C
signatures; `.contents` gives the table itself, so that code written for a pointer to the structure works as it is.
"""

import ctypes
import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.types import WSPDATA, WSPPROC_NAMES, WSPUPCALL_NAMES
from ws2spi._runtime import protocol_info
from ws2spi._runtime.catalog import CatalogEntry
from ws2spi._runtime.process import HIGHEST_VERSION

# WSPStartup(wVersionRequested, lpWSPData, lpProtocolInfo, UpcallTable, lpProcTable) -> 0 or the error code itself
Startup: TypeAlias = Callable[[int, Any, Any, Any, Any], int]

# The face that owns the upcalls' C signatures stands on a lower floor, so it is loaded by name.
_FACE = "ws2spi.ws2_32"


class ProcTable:
    """WSPPROC_TABLE: thirty functions, `lpWSPAccept` to `lpWSPStringToAddress`, None until they are filled in."""

    __slots__ = tuple(f"lp{name}" for name in WSPPROC_NAMES)

    # Any of the thirty; named here because the checker cannot see them.
    def __getattr__(self, name: str) -> Any:
        if name in self.__slots__:
            return None
        raise AttributeError(name)

    def __init__(self, **functions: Callable[..., Any]) -> None:
        for name, function in functions.items():
            setattr(self, name, function)

    @property
    def contents(self) -> "ProcTable":
        """The table itself, as `.contents` of a pointer to it."""
        return self

    def missing(self) -> list[str]:
        """Return the names of the functions that nobody filled in."""
        return [name for name in self.__slots__ if not getattr(self, name)]

    def copy(self) -> "ProcTable":
        """Return another table of the same functions: where an IFS layer starts from."""
        return ProcTable(**{name: getattr(self, name) for name in self.__slots__ if getattr(self, name)})


class UpcallTable:
    """WSPUPCALLTABLE: the fifteen upcalls, `lpWPUCloseEvent` to `lpWPUCloseThread`.

    One per process and the same for every provider; passed by value in C, so a provider may keep it.
    """

    __slots__ = tuple(f"lp{name}" for name in WSPUPCALL_NAMES)

    def __init__(self, functions: Any) -> None:
        for name in WSPUPCALL_NAMES:
            setattr(self, f"lp{name}", getattr(functions, name))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    @property
    def contents(self) -> "UpcallTable":
        """The table itself, as `.contents` of a pointer to it."""
        return self


_upcalls: UpcallTable | None = None


def upcall_table() -> UpcallTable:
    """Return the upcall table of this process."""
    global _upcalls
    if _upcalls is None:
        _upcalls = UpcallTable(importlib.import_module(_FACE))
    return _upcalls


_handed: ContextVar[CatalogEntry | None] = ContextVar("_handed", default=None)


@contextmanager
def handing(chain: CatalogEntry) -> Iterator[None]:
    """A layered provider that has to be started meanwhile is handed `chain`, the info of the whole chain above it."""
    token = _handed.set(chain)
    try:
        yield
    finally:
        _handed.reset(token)


def start(startup: Startup, entry: CatalogEntry) -> ProcTable:
    """Start a hand-written provider for a catalog entry and return its table, complete and of the right version.

    It gets the info of its entry; below another layer, if it is one itself, that of the chain (see `handing`).

    Errors:
        WSAEPROVIDERFAILEDINIT: WSPStartup returned a code or raised.
        WSAEINVALIDPROVIDER: it answered another version than 2.2.
        WSAEINVALIDPROCTABLE: a function is missing from the table.
    """
    table = ProcTable()
    data = WSPDATA()
    chain = _handed.get()
    info = protocol_info.structure(entry if chain is None or entry.chain_length == 1 else chain)
    token = _handed.set(None)  # what it loads itself is its own business
    try:
        code = startup(HIGHEST_VERSION, ctypes.pointer(data), ctypes.pointer(info), upcall_table(), table)
    except Exception as error:
        raise WinsockError(WSAError.WSAEPROVIDERFAILEDINIT, f"{entry.name}: {error!r}") from error
    finally:
        _handed.reset(token)
    if code:
        raise WinsockError(WSAError.WSAEPROVIDERFAILEDINIT, f"{entry.name}: WSPStartup returned {code}")
    if data.wVersion != HIGHEST_VERSION:
        _clean_up(table)
        version = f"{data.wVersion & 0xFF}.{data.wVersion >> 8}"
        raise WinsockError(WSAError.WSAEINVALIDPROVIDER, f"{entry.name}: version {version}")
    missing = table.missing()
    if missing:
        _clean_up(table)
        raise WinsockError(WSAError.WSAEINVALIDPROCTABLE, f"{entry.name}: {', '.join(missing)}")
    return table


def _clean_up(table: ProcTable) -> None:
    """Balance a start whose result is of no use."""
    if table.lpWSPCleanup:
        table.lpWSPCleanup(ctypes.byref(ctypes.c_int32()))
