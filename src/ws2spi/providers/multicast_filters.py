"""The filters of sources of a multicast group: SIO_GET/SET_MULTICAST_FILTER (IPv4) and SIOCGMSFILTER/SIOCSMSFILTER.

Windows' IP_MSFILTER and GROUP_FILTER are laid out as Linux' ip_msfilter and group_filter; the numbers of the modes
are swapped, and AF_INET6 has another number.
Rule: a filter is the final state of a group on an interface (RFC 3678). One that lets something through joins the
group if the socket has not; one that lets nothing through (include nobody) leaves it.
"""

import socket
import struct
from typing import Any, NamedTuple

from ws2spi._abi import addresses
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.asked_option import AskedSize
from ws2spi._runtime.sockets import SocketEntry

_IP_MSFILTER, _MCAST_JOIN_GROUP, _MCAST_MSFILTER = 41, 42, 48
_STORAGE = 128  # sockaddr_storage
_IPV4_HEAD = 8  # group and interface
_GROUP_HEAD = 8 + _STORAGE  # interface, padding and group
_COUNTED = struct.Struct("<II")  # mode and number of sources, behind either head
_MODES = {c.MCAST_INCLUDE: 1, c.MCAST_EXCLUDE: 0}  # {Windows' number: Linux'}
_BACK = {linux: windows for windows, linux in _MODES.items()}


class _Group(NamedTuple):
    """A group on an interface as Linux names it: by the interface's address, or by its index."""

    level: int
    option: int
    head: bytes
    join: int
    unit: int  # bytes of one source


def _by_address(head: bytes) -> _Group:
    return _Group(socket.IPPROTO_IP, _IP_MSFILTER, head, socket.IP_ADD_MEMBERSHIP, 4)


def _by_index(level: int, index: int, group: bytes) -> _Group:
    return _Group(level, _MCAST_MSFILTER, struct.pack("<I4x", index) + group, _MCAST_JOIN_GROUP, _STORAGE)


def set_ipv4(entry: SocketEntry, data: bytes) -> None:
    """Make what an IP_MSFILTER says the state of its group.

    Errors:
        WSAEFAULT: too short. WSAEINVAL: no multicast address, or no such mode. WSAENOBUFS: more sources than Linux
        takes. As setsockopt.
    """
    mode, sources = _counted(data, _IPV4_HEAD, 4)
    group = _ipv4_group(data)
    _set(entry, group, mode, sources if group.unit == 4 else [_ipv4_storage(one) for one in sources])


def get_ipv4(entry: SocketEntry, data: bytes, room: int) -> bytes:
    """Return the IP_MSFILTER of the group in another's head, with as many of its sources as there is room for.

    Errors:
        WSAEFAULT: too short, or no room for one without sources. WSAEADDRNOTAVAIL: not a member of the group.
    """
    group = _ipv4_group(data)
    mode, total, sources = _get(entry, group, _fits(room, _IPV4_HEAD, 4))
    addressed = sources if group.unit == 4 else [one[4:8] for one in sources]
    return data[:_IPV4_HEAD] + _COUNTED.pack(mode, total) + b"".join(addressed)


def set_group(entry: SocketEntry, data: bytes) -> None:
    """As `set_ipv4`, of a GROUP_FILTER of the socket's family."""
    mode, sources = _counted(data, _GROUP_HEAD, _STORAGE)
    _set(entry, _any_group(entry, data), mode, [_linux_storage(entry, one) for one in sources])


def get_group(entry: SocketEntry, data: bytes, room: int) -> bytes:
    """As `get_ipv4`, of a GROUP_FILTER."""
    mode, total, sources = _get(entry, _any_group(entry, data), _fits(room, _GROUP_HEAD, _STORAGE))
    family = struct.pack("<H", entry.family)
    return data[:_GROUP_HEAD] + _COUNTED.pack(mode, total) + b"".join(family + one[2:] for one in sources)


# Reading the structures


def _counted(data: bytes, head: int, unit: int) -> tuple[int, list[bytes]]:
    start = head + _COUNTED.size
    mode, count = _COUNTED.unpack_from(data, head) if len(data) >= start else (0, 1)
    if len(data) < start + count * unit:
        raise WinsockError(WSAError.WSAEFAULT, f"{len(data)} bytes for a filter of {count} sources")
    return mode, [data[start + unit * at : start + unit * (at + 1)] for at in range(count)]


def _ipv4_group(data: bytes) -> _Group:
    if len(data) < _IPV4_HEAD:
        raise WinsockError(WSAError.WSAEFAULT, f"{len(data)} bytes for an IP_MSFILTER")
    index = int.from_bytes(data[4:8], "big")
    if 0 < index < 1 << 24:  # 0.x.x.x is an index
        return _by_index(socket.IPPROTO_IP, index, _ipv4_storage(data[:4]))
    return _by_address(data[:_IPV4_HEAD])


def _ipv4_storage(address: bytes) -> bytes:
    return struct.pack("<HH4s", socket.AF_INET, 0, address).ljust(_STORAGE, b"\0")


def _any_group(entry: SocketEntry, data: bytes) -> _Group:
    if len(data) < _GROUP_HEAD:
        raise WinsockError(WSAError.WSAEFAULT, f"{len(data)} bytes for a GROUP_FILTER")
    level = socket.IPPROTO_IP if entry.family == c.AF_INET else socket.IPPROTO_IPV6
    return _by_index(level, int.from_bytes(data[:4], "little"), _linux_storage(entry, data[8:_GROUP_HEAD]))


def _linux_storage(entry: SocketEntry, storage: bytes) -> bytes:
    if addresses.family_of(storage) != entry.family:
        raise WinsockError(WSAError.WSAEINVAL, f"address family {addresses.family_of(storage)}")
    return struct.pack("<H", addresses.linux_family(entry.family)) + storage[2:]


def _fits(room: int, head: int, unit: int) -> int:
    left = room - head - _COUNTED.size
    if left < 0:
        raise WinsockError(WSAError.WSAEFAULT, f"{room} bytes for a filter")
    return left // unit


# What Linux is asked


def _set(entry: SocketEntry, group: _Group, mode: int, sources: list[bytes]) -> None:
    if mode not in _MODES:
        raise WinsockError(WSAError.WSAEINVAL, f"filter mode {mode}")
    value = group.head + _COUNTED.pack(_MODES[mode], len(sources)) + b"".join(sources)
    perform = entry.state.connection.perform
    nothing = mode == c.MCAST_INCLUDE and not sources
    try:
        perform("setsockopt", group.level, group.option, value)
    except WinsockError as error:
        if nothing and error.code == WSAError.WSAEADDRNOTAVAIL:
            return  # it is no member
        if nothing or error.code != WSAError.WSAEINVAL:
            raise
        try:
            perform("setsockopt", group.level, group.join, group.head)
        except WinsockError:
            raise error from None  # a member already, or no group at all: the first refusal says what is wrong
        perform("setsockopt", group.level, group.option, value)


def _get(entry: SocketEntry, group: _Group, fits: int) -> tuple[int, int, list[bytes]]:
    head = len(group.head)
    asked = group.head + _COUNTED.pack(0, fits) + bytes(fits * group.unit)
    perform: Any = entry.state.connection.perform
    answer: bytes = perform("getsockopt", group.level, group.option, AskedSize.of(asked))
    mode, total = _COUNTED.unpack_from(answer, head)
    start = head + _COUNTED.size
    sources = [answer[start + group.unit * at : start + group.unit * (at + 1)] for at in range(min(total, fits))]
    return _BACK[mode], total, sources
