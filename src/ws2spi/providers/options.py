"""Socket options in both spellings: Windows' levels, numbers and layouts above, Linux' below.

An option that means the same is a row of `TABLE`; those that Linux has not, or answers otherwise, are answered by the
provider from what it remembers (`sockets.py`).
"""

import errno
import socket
import struct
from collections.abc import Callable
from typing import NamedTuple

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSA_TO_ERRNO, WinsockError, WSAError

SOL_SOCKET = c.SOL_SOCKET
_MASK = 0xFFFFFFFF  # options written as ~X come as negative numbers or as unsigned ones


class Option(NamedTuple):
    """The Linux spelling of one option and how its value is converted both ways."""

    level: int
    number: int
    to_linux: Callable[[bytes], bytes]
    to_windows: Callable[[bytes], bytes]
    size: int  # bytes of the Linux value
    room: int  # bytes of the Windows value

    @property
    def boolean(self) -> bool:
        """Whether programs may read it into one byte."""
        return self.to_windows is _boolean


def dword(value: bytes) -> bytes:
    """The four bytes of a number; less is WSAEFAULT (witness P12)."""
    if len(value) < 4:
        raise WinsockError(WSAError.WSAEFAULT, f"{len(value)} bytes for 4")
    return value[:4]


def boolean(value: bytes) -> bytes:
    """A boolean, or a number of a protocol's level: one byte is accepted, as programs give it."""
    if not value:
        raise WinsockError(WSAError.WSAEFAULT, "no value")
    if len(value) < 4:
        return struct.pack("i", value[0])
    return value[:4]


def _same(value: bytes) -> bytes:
    return value


def _linger_to_linux(value: bytes) -> bytes:
    if len(value) < 4:
        raise WinsockError(WSAError.WSAEFAULT, "struct linger has 4 bytes")
    on, seconds = struct.unpack_from("<HH", value)
    return struct.pack("ii", on, seconds)


def _linger_to_windows(value: bytes) -> bytes:
    on, seconds = struct.unpack_from("ii", value)
    return struct.pack("<HH", bool(on), seconds & 0xFFFF)


def _group_to_linux(value: bytes) -> bytes:
    if len(value) < 8:
        raise WinsockError(WSAError.WSAEFAULT, "struct ip_mreq has 8 bytes")
    return value[:8]


def _halved(value: bytes) -> bytes:
    """Linux doubles what is set as a buffer size, for its own bookkeeping, and tells the doubled number."""
    return struct.pack("i", struct.unpack_from("i", value)[0] // 2)


def _doubled(value: bytes) -> bytes:
    return struct.pack("i", struct.unpack("<i", dword(value))[0] * 2)


def _boolean(value: bytes) -> bytes:
    return struct.pack("i", bool(struct.unpack_from("i", value)[0]))


def _plain(level: int, number: int, to_windows: Callable[[bytes], bytes] = _same) -> Option:
    return Option(level, number, dword if to_windows is _halved else boolean, to_windows, 4, 4)


_IPV6 = c.IPPROTO_IPV6


def _error_to_linux(value: bytes) -> bytes:
    code: int = struct.unpack("<i", value[:4])[0] if len(value) >= 4 else 0
    return struct.pack("i", WSA_TO_ERRNO.get(code, errno.EIO) if code else 0)


# {(Windows level, Windows option): the Linux spelling}
TABLE: dict[tuple[int, int], Option] = {
    (SOL_SOCKET, c.SO_REUSEADDR): _plain(socket.SOL_SOCKET, socket.SO_REUSEADDR, _boolean),
    (SOL_SOCKET, c.SO_KEEPALIVE): _plain(socket.SOL_SOCKET, socket.SO_KEEPALIVE, _boolean),
    (SOL_SOCKET, c.SO_BROADCAST): _plain(socket.SOL_SOCKET, socket.SO_BROADCAST, _boolean),
    (SOL_SOCKET, c.SO_DONTROUTE): _plain(socket.SOL_SOCKET, socket.SO_DONTROUTE, _boolean),
    (SOL_SOCKET, c.SO_OOBINLINE): _plain(socket.SOL_SOCKET, socket.SO_OOBINLINE, _boolean),
    (SOL_SOCKET, c.SO_SNDBUF): _plain(socket.SOL_SOCKET, socket.SO_SNDBUF, _halved),
    (SOL_SOCKET, c.SO_RCVBUF): _plain(socket.SOL_SOCKET, socket.SO_RCVBUF, _halved),
    (SOL_SOCKET, c.SO_LINGER): Option(socket.SOL_SOCKET, socket.SO_LINGER, _linger_to_linux, _linger_to_windows, 8, 4),
    (c.IPPROTO_TCP, c.TCP_NODELAY): _plain(socket.IPPROTO_TCP, socket.TCP_NODELAY, _boolean),
    (c.IPPROTO_TCP, c.TCP_KEEPIDLE): _plain(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
    (c.IPPROTO_TCP, c.TCP_KEEPINTVL): _plain(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
    (c.IPPROTO_TCP, c.TCP_KEEPCNT): _plain(socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
    (c.IPPROTO_TCP, c.TCP_MAXSEG): _plain(socket.IPPROTO_TCP, socket.TCP_MAXSEG),
    (c.IPPROTO_IP, c.IP_TTL): _plain(socket.IPPROTO_IP, socket.IP_TTL),
    (c.IPPROTO_IP, c.IP_TOS): _plain(socket.IPPROTO_IP, socket.IP_TOS),
    (c.IPPROTO_IP, c.IP_PKTINFO): _plain(socket.IPPROTO_IP, 8, _boolean),  # no name in the socket module
    (c.IPPROTO_IP, c.IP_RECVTTL): _plain(socket.IPPROTO_IP, 12, _boolean),
    (c.IPPROTO_IP, c.IP_RECVTOS): _plain(socket.IPPROTO_IP, socket.IP_RECVTOS, _boolean),
    (_IPV6, c.IPV6_PKTINFO): _plain(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, _boolean),
    (_IPV6, c.IPV6_HOPLIMIT): _plain(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, _boolean),
    (_IPV6, c.IPV6_RECVTCLASS): _plain(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, _boolean),
    (c.IPPROTO_IP, c.IP_MULTICAST_TTL): _plain(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL),
    (c.IPPROTO_IP, c.IP_MULTICAST_LOOP): _plain(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP),
    (c.IPPROTO_IP, c.IP_ADD_MEMBERSHIP): Option(
        socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, _group_to_linux, _same, 8, 8
    ),
    (c.IPPROTO_IP, c.IP_DROP_MEMBERSHIP): Option(
        socket.IPPROTO_IP, socket.IP_DROP_MEMBERSHIP, _group_to_linux, _same, 8, 8
    ),
    (_IPV6, c.IPV6_V6ONLY): _plain(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, _boolean),
    (_IPV6, c.IPV6_UNICAST_HOPS): _plain(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS),
    (_IPV6, c.IPV6_MULTICAST_HOPS): _plain(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS),
    (_IPV6, c.IPV6_MULTICAST_LOOP): _plain(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP),
}

LEVELS = frozenset(level for level, _ in TABLE)
# {(Linux level, Linux option): (Windows level, Windows option, row)}
_BACK = {(row.level, row.number): (key[0], key[1], row) for key, row in TABLE.items()}


class Untranslated(int):
    """The number of an option that Linux does not have, in Windows' spelling: it and its value go down as they are."""


class Below(NamedTuple):
    """How a provider below spells an option: Windows' numbers, and its values as Linux would take and give them."""

    level: int
    number: int
    to_set: Callable[[bytes], bytes]
    as_got: Callable[[bytes], bytes]
    room: int | None  # bytes of the Windows value; None: as many as are asked for


def below(level: int, number: int) -> Below:
    """The Windows spelling of an option as layers spell it; one that Linux does not have is spelled so already."""
    if isinstance(number, Untranslated):
        return Below(level, int(number), _same, _same, None)
    if (level, number) == (socket.SOL_SOCKET, socket.SO_ERROR):
        return Below(SOL_SOCKET, c.SO_ERROR, _same, _error_to_linux, 4)
    found = _BACK.get((level, number))
    if found is None:
        return Below(level, number, _same, _same, None)
    own_level, own, row = found
    if row.to_linux is _linger_to_linux:
        return Below(own_level, own, _linger_to_windows, _linger_to_linux, row.room)
    if row.to_windows is _halved:
        return Below(own_level, own, _same, _doubled, row.room)
    return Below(own_level, own, _same, boolean if row.to_linux is boolean else _same, row.room)


def lookup(level: int, option: int) -> Option:
    """The row of an option.

    Errors:
        WSAEINVAL: no such level. WSAENOPROTOOPT: no such option there.
    """
    row = TABLE.get((level & 0xFFFF, option))
    if row is not None:
        return row
    if level & 0xFFFF not in LEVELS:
        raise WinsockError(WSAError.WSAEINVAL, f"option level {level}")
    raise WinsockError(WSAError.WSAENOPROTOOPT, f"option {option & _MASK:#x} of level {level:#x}")


def is_option(option: int, wanted: int) -> bool:
    """Whether `option` means `wanted`, whose number may be written as a complement."""
    return option & 0xFFFF == wanted & 0xFFFF
