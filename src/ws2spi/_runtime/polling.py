"""WSAPoll: which sockets are looked at, and whom the DLL asks for them.

A socket of a provider written in Python is looked at as it is. For one of a hand-written provider the DLL asks that
provider with SIO_BSP_HANDLE_POLL which handle to poll, and goes on with that one, down to a handle it can look at.
"""

import ctypes
from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.types import DWORD, INT
from ws2spi._runtime import selecting
from ws2spi._runtime.selecting import Observable
from ws2spi._runtime.sockets import SocketEntry, sockets
from ws2spi._runtime.threads import own_structure

_KNOWN = c.POLLRDNORM | c.POLLRDBAND | c.POLLWRNORM
_NEGATIVE = 1 << 63
_DEEPEST = c.MAX_PROTOCOL_CHAIN


def poll(members: list[tuple[int, int]], milliseconds: int) -> tuple[int, list[int]]:
    """Look at (socket, events) until one of them shows something.

    Parameters:
        members: a socket with its top bit set is left out, as INVALID_SOCKET is.
        milliseconds: 0: look once; negative: no limit.
    Returns: how many sockets show something, and the flags of each member; POLLNVAL, not counted, for no socket.
    Errors:
        WSAEINVAL: no members, or an event that cannot be asked for.
        WSAENOTSOCK: nothing to look at; `PollRefusedError` says which flags are to be stored all the same.
        WSAEINTR: the call was cancelled.
    """
    if not members:
        raise WinsockError(WSAError.WSAEINVAL, "no sockets")
    found = [None if number & _NEGATIVE else _pollable(number) for number, _ in members]
    for one, (_, events) in zip(found, members, strict=True):
        if one is not None and events & ~_KNOWN:
            raise WinsockError(WSAError.WSAEINVAL, f"events {events:#x}")
    invalid = [
        c.POLLNVAL if one is None and not number & _NEGATIVE else 0
        for one, (number, _) in zip(found, members, strict=True)
    ]
    if not any(found):
        raise PollRefusedError(invalid)
    timeout = None if milliseconds < 0 else milliseconds / 1000
    flags = selecting.poll(found, [events for _, events in members], timeout)
    return sum(map(bool, flags)), [one | other for one, other in zip(flags, invalid, strict=True)]


class PollRefusedError(WinsockError):
    """None of the sockets can be looked at; `flags` are stored for each of them."""

    def __init__(self, flags: list[int]) -> None:
        super().__init__(WSAError.WSAENOTSOCK, "no socket to look at")
        self.flags = flags


def _pollable(number: int) -> tuple[Observable, SocketEntry] | None:
    """The provider and entry that answer for a socket; None when nobody does."""
    for _ in range(_DEEPEST):
        entry = sockets.entries.get(number)
        if entry is None:
            return None
        provider: Any = entry.provider
        if hasattr(provider, "observe"):
            return provider, entry
        for below in entry.layers():
            lower: Any = below.provider
            if hasattr(lower, "observe"):
                return lower, below
        asked = _handle_to_poll(entry)
        if asked is None:
            return None
        number = asked
    return None


def _handle_to_poll(entry: SocketEntry) -> int | None:
    handle, returned, code = ctypes.c_uint64(), DWORD(), INT()
    for question in (c.SIO_BSP_HANDLE_POLL, c.SIO_BASE_HANDLE):
        failed = entry.table.lpWSPIoctl(
            entry.number,
            question,
            None,
            0,
            ctypes.byref(handle),
            8,
            ctypes.byref(returned),
            None,
            None,
            ctypes.byref(own_structure()),
            ctypes.byref(code),
        )
        if not failed and handle.value != entry.number:
            return handle.value
    return None
