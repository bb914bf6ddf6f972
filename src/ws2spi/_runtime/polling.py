"""WSAPoll: which sockets are looked at, and whom the DLL asks for them.

A socket of a provider written in Python is looked at as it is. For one of a hand-written provider the DLL asks that
provider with SIO_BSP_HANDLE_POLL which handle to poll. Another handle is polled in its place, down to one that can be
looked at; its own handle means that the provider wants the call: it gets SIO_EXT_POLL. A provider that does not answer
is bypassed: its base handle is polled. So is that of one that wants the call and then hands it down as it came.
"""

import ctypes
import time
from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.types import DWORD, INT, WSAPOLLDATA, WSAPOLLFD
from ws2spi._runtime import redirected, selecting
from ws2spi._runtime.selecting import Observable
from ws2spi._runtime.sockets import SocketEntry, sockets
from ws2spi._runtime.threads import own_structure

_KNOWN = c.POLLRDNORM | c.POLLRDBAND | c.POLLWRNORM
_NEGATIVE = 1 << 63
_DEEPEST = c.MAX_PROTOCOL_CHAIN
_ARRAY = 16  # offset of fdArray in a WSAPOLLDATA
_TURN = 0.01  # seconds between two looks at providers that want the call, while others are waited for beside them

Seen = tuple[Observable, SocketEntry]


def poll(members: list[tuple[int, int]], milliseconds: int, *, below: bool = False) -> tuple[int, list[int]]:
    """Look at (socket, events) until one of them shows something.

    Parameters:
        members: a socket with its top bit set is left out, as INVALID_SOCKET is.
        milliseconds: 0: look once; negative: no limit.
        below: the call has come down through its provider, so nobody is asked whether he wants it.
    Returns: how many sockets show something, and the flags of each member; POLLNVAL, not counted, for no socket.
    Errors:
        WSAEINVAL: no members, or an event that cannot be asked for.
        WSAENOTSOCK: nothing to look at; `PollRefusedError` says which flags are to be stored all the same.
        WSAEINTR: the call was cancelled. What SIO_EXT_POLL answers.
    """
    if not members:
        raise WinsockError(WSAError.WSAEINVAL, "no sockets")
    found = [None if number & _NEGATIVE else _pollable(number, below) for number, _ in members]
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
    asked = [events for _, events in members]
    with redirected.asked_for(number for number, events in members if events & c.POLLRDNORM) as moved:
        flags = _poll(found, asked, 0.0 if moved else timeout)
    for position, (number, _) in enumerate(members):
        if number in moved:
            flags[position] |= asked[position] & c.POLLRDNORM
    return sum(map(bool, flags)), [one | other for one, other in zip(flags, invalid, strict=True)]


def _poll(found: "list[Seen | SocketEntry | None]", events: list[int], timeout: float | None) -> list[int]:
    seen = [one if isinstance(one, tuple) else None for one in found]
    groups: dict[int, list[int]] = {}  # {id of a table that wants the call: positions of its sockets}
    for position, one in enumerate(found):
        if isinstance(one, SocketEntry):
            groups.setdefault(id(one.table), []).append(position)
    if not groups:
        return selecting.poll(seen, events, timeout)
    if len(groups) == 1 and not any(seen):
        return _ask(found, events, next(iter(groups.values())), timeout)
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        turn = _TURN if left is None else min(left, _TURN)
        flags = [_ask(found, events, positions, 0.0) for positions in groups.values()]
        if any(map(any, flags)):
            turn = 0.0
        flags.append(selecting.poll(seen, events, turn))
        merged = [max(column) for column in zip(*flags, strict=True)]
        if any(merged) or left == 0:
            return merged


def _ask(
    found: "list[Seen | SocketEntry | None]", events: list[int], positions: list[int], timeout: float | None
) -> list[int]:
    """SIO_EXT_POLL: the provider of the sockets at `positions` looks at them. Returns the flags of all."""
    entries = [found[position] for position in positions]
    first = entries[0]
    assert isinstance(first, SocketEntry)

    size = _ARRAY + len(positions) * ctypes.sizeof(WSAPOLLFD)
    memory = ctypes.create_string_buffer(size)
    data = WSAPOLLDATA.from_buffer(memory)
    elements = (WSAPOLLFD * len(positions)).from_buffer(memory, _ARRAY)
    data.fds, data.timeout = len(positions), -1 if timeout is None else int(timeout * 1000)
    for element, entry, position in zip(elements, entries, positions, strict=True):
        assert isinstance(entry, SocketEntry)
        element.fd, element.events = entry.number, events[position]
    code = INT()
    failed = first.table.lpWSPIoctl(
        first.number, c.SIO_EXT_POLL, memory, size, memory, size, ctypes.byref(DWORD()), None, None,
        ctypes.byref(own_structure()), ctypes.byref(code),
    )  # fmt: skip
    if failed or data.result < 0:
        raise WinsockError(code.value or WSAError.WSASYSCALLFAILURE, "SIO_EXT_POLL")
    flags = [0] * len(events)
    for element, position in zip(elements, positions, strict=True):
        flags[position] = element.revents & 0xFFFF
    return flags


class PollRefusedError(WinsockError):
    """None of the sockets can be looked at; `flags` are stored for each of them."""

    def __init__(self, flags: list[int]) -> None:
        super().__init__(WSAError.WSAENOTSOCK, "no socket to look at")
        self.flags = flags


def _pollable(number: int, below: bool) -> Seen | SocketEntry | None:
    """Who answers for a socket: a provider and its entry, or the entry of a provider that wants the call; or nobody."""
    for _ in range(_DEEPEST):
        entry = sockets.entries.get(number)
        if entry is None:
            return None
        for one in entry.layers():
            provider: Any = one.provider
            if hasattr(provider, "observe"):
                return provider, one
        asked = None if below else _handle(entry, c.SIO_BSP_HANDLE_POLL)
        if asked == number:
            return entry
        if asked is None:
            asked = _handle(entry, c.SIO_BASE_HANDLE)
        if asked is None or asked == number:
            return None
        number = asked
    return None


def observable(number: int) -> Seen | None:
    """Who can be asked to tell what a socket shows; None for no socket, or one of a provider that wants the call."""
    found = _pollable(number, below=False)
    return found if isinstance(found, tuple) else None


def _handle(entry: SocketEntry, question: int) -> int | None:
    handle, code = ctypes.c_uint64(), INT()
    failed = entry.table.lpWSPIoctl(
        entry.number, question, None, 0, ctypes.byref(handle), 8, ctypes.byref(DWORD()), None, None,
        ctypes.byref(own_structure()), ctypes.byref(code),
    )  # fmt: skip
    return None if failed else handle.value
