"""fd_set: a count and an array of SOCKETs of any length, in the client's memory."""

import ctypes
from typing import Any

from ws2spi._abi.constants import FD_SETSIZE
from ws2spi._abi.memory import address_of

_uint32_at: Any = ctypes.c_uint32.from_address
_uint64_at: Any = ctypes.c_uint64.from_address
_ARRAY = 8  # offset of fd_array
_SOCKET = 8  # bytes


def members(fdset: Any) -> list[int]:
    """The sockets of a set, in its order and as often as they are there; none for NULL."""
    address = address_of(fdset)
    if not address:
        return []
    count = _uint32_at(address).value
    return list((ctypes.c_uint64 * count).from_address(address + _ARRAY))


def store(fdset: Any, sockets: list[int]) -> None:
    """Make `sockets`, no more than are in it, the members of a set; nothing for NULL."""
    address = address_of(fdset)
    if not address:
        return
    for position, number in enumerate(sockets):
        _uint64_at(address + _ARRAY + position * _SOCKET).value = number
    _uint32_at(address).value = len(sockets)


def add(fdset: Any, sockets: list[int]) -> int:
    """Add those of `sockets` that are not there; there must be room. Returns how many that were."""
    if not sockets:
        return 0
    there = members(fdset)
    new = [number for number in dict.fromkeys(sockets) if number not in there]
    store(fdset, there + new)
    return len(new)


def contains(number: int, fdset: Any) -> bool:
    """Whether a socket is a member."""
    return number in members(fdset)


def room(fdset: Any) -> int:
    """How many members a set has room for: what its own structure says, FD_SETSIZE where there is none."""
    structure = getattr(fdset, "_obj", fdset)
    if isinstance(structure, ctypes._Pointer) and structure:
        structure = structure.contents
    array = getattr(structure, "fd_array", None)
    return FD_SETSIZE if array is None else len(array)
