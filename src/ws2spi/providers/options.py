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
    access: str = "rw"  # what may be done with it

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


def _structure(name: str, room: int) -> Callable[[bytes], bytes]:
    def convert(value: bytes) -> bytes:
        if len(value) < room:
            raise WinsockError(WSAError.WSAEFAULT, f"struct {name} has {room} bytes")
        return value[:room]

    return convert


_group6_to_linux = _structure("ipv6_mreq", 20)


def _source_to_linux(value: bytes) -> bytes:
    """struct ip_mreq_source: group, source, interface; Linux wants group, interface, source."""
    value = _structure("ip_mreq_source", 12)(value)
    return value[:4] + value[8:] + value[4:8]


def _interface_to_linux(value: bytes) -> bytes:
    """IP_MULTICAST_IF: an address, or the index of an interface in network order where an address begins with 0."""
    value = dword(value)
    index = int.from_bytes(value, "big")
    if 0 < index < 1 << 24:
        return bytes(8) + struct.pack("i", index)  # struct ip_mreqn
    return bytes(4) + value + bytes(4)


def _fragment_to_linux(value: bytes) -> bytes:
    return struct.pack("i", 2 if any(boolean(value)) else 0)  # IP_PMTUDISC_DO or DONT


def _fragment_to_windows(value: bytes) -> bytes:
    return struct.pack("i", struct.unpack_from("i", value)[0] in (2, 3))


# PMTUD_STATE: not set, do, do not, probe; and what Linux calls them
_DISCOVERY = {0: 1, 1: 2, 2: 0, 3: 3}


def _discovery_to_linux(value: bytes) -> bytes:
    state = struct.unpack("<I", dword(value))[0]
    if state not in _DISCOVERY:
        raise WinsockError(WSAError.WSAEINVAL, f"PMTUD_STATE {state}")
    return struct.pack("i", _DISCOVERY[state])


def _discovery_to_windows(value: bytes) -> bytes:
    state = struct.unpack_from("i", value)[0]
    return struct.pack("<I", next((ours for ours, linux in _DISCOVERY.items() if linux == state), 0))


def _count_to_linux(value: bytes) -> bytes:
    count = struct.unpack("<I", dword(value))[0]
    if count > 255:
        raise WinsockError(WSAError.WSAEINVAL, f"TCP_KEEPCNT {count}: at most 255")
    return struct.pack("i", max(1, min(count, 127)))


def _seconds_to_linux(value: bytes) -> bytes:
    seconds = struct.unpack("<i", dword(value))[0]
    return struct.pack("I", 0 if seconds < 0 else min(max(1, seconds * 1000), (1 << 31) - 1))


def _seconds_to_windows(value: bytes) -> bytes:
    milliseconds = struct.unpack_from("I", value)[0]
    return struct.pack("<i", milliseconds // 1000 if milliseconds else -1)


def _coalesced_to_linux(value: bytes) -> bytes:
    """UDP_GRO is a switch: datagrams are put together up to 64 KiB, and a smaller limit cannot be kept."""
    limit = struct.unpack("<I", dword(value))[0]
    if 0 < limit < _LARGEST_DATAGRAM:
        raise WinsockError(WSAError.WSAEINVAL, f"datagrams cannot be put together up to {limit} bytes only")
    return struct.pack("i", bool(limit))


def _coalesced_to_windows(value: bytes) -> bytes:
    return struct.pack("<I", 0xFFFF if any(value) else 0)


def _set_only(level: int, number: int, convert: Callable[[bytes], bytes], room: int) -> Option:
    return Option(level, number, convert, _same, room, room, "w")


_IP, _TCP = socket.IPPROTO_IP, socket.IPPROTO_TCP
_SIX = socket.IPPROTO_IPV6
_IPV6 = c.IPPROTO_IPV6
_UDP = socket.IPPROTO_UDP
_UDP_SEGMENT, _UDP_GRO = 103, 104
_LARGEST_DATAGRAM = 65507
# linux/in.h, in6.h; the socket module has no names for them
_IP_MTU_DISCOVER, _IP_MTU, _IP_UNBLOCK, _IP_BLOCK = 10, 14, 37, 38
_IP_ADD_SOURCE, _IP_DROP_SOURCE = 39, 40
_IPV6_MTU_DISCOVER, _IPV6_MTU = 23, 24


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
    (c.IPPROTO_TCP, c.TCP_KEEPCNT): Option(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _count_to_linux, _same, 4, 4),
    (c.IPPROTO_TCP, c.TCP_MAXSEG): _plain(socket.IPPROTO_TCP, socket.TCP_MAXSEG)._replace(access="r"),
    (c.IPPROTO_TCP, c.TCP_MAXRT): Option(_TCP, 18, _seconds_to_linux, _seconds_to_windows, 4, 4),  # TCP_USER_TIMEOUT
    (c.IPPROTO_UDP, c.UDP_NOCHECKSUM): _plain(socket.SOL_SOCKET, 11, _boolean),  # SO_NO_CHECK
    (c.IPPROTO_UDP, c.UDP_SEND_MSG_SIZE): Option(_UDP, _UDP_SEGMENT, dword, _same, 4, 4),
    (c.IPPROTO_UDP, c.UDP_RECV_MAX_COALESCED_SIZE): Option(
        _UDP, _UDP_GRO, _coalesced_to_linux, _coalesced_to_windows, 4, 4
    ),
    (c.IPPROTO_TCP, c.TCP_FASTOPEN): _plain(socket.IPPROTO_TCP, 30, _boolean),  # TCP_FASTOPEN_CONNECT
    (c.IPPROTO_IP, c.IP_TTL): _plain(socket.IPPROTO_IP, socket.IP_TTL),
    (c.IPPROTO_IP, c.IP_HDRINCL): _plain(socket.IPPROTO_IP, socket.IP_HDRINCL, _boolean),
    (c.IPPROTO_IP, c.IP_TOS): _plain(socket.IPPROTO_IP, socket.IP_TOS),
    (c.IPPROTO_IP, c.IP_PKTINFO): _plain(socket.IPPROTO_IP, 8, _boolean),  # no name in the socket module
    (c.IPPROTO_IP, c.IP_RECVTTL): _plain(socket.IPPROTO_IP, 12, _boolean),
    (c.IPPROTO_IP, c.IP_RECVTOS): _plain(socket.IPPROTO_IP, socket.IP_RECVTOS, _boolean),
    (_IPV6, c.IPV6_PKTINFO): _plain(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, _boolean),
    (_IPV6, c.IPV6_HOPLIMIT): _plain(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, _boolean),
    (_IPV6, c.IPV6_RECVTCLASS): _plain(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, _boolean),
    (c.IPPROTO_IP, c.IP_MULTICAST_TTL): _plain(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL),
    (c.IPPROTO_IP, c.IP_MULTICAST_LOOP): _plain(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP),
    (c.IPPROTO_IP, c.IP_ADD_MEMBERSHIP): _set_only(_IP, socket.IP_ADD_MEMBERSHIP, _group_to_linux, 8),
    (c.IPPROTO_IP, c.IP_DROP_MEMBERSHIP): _set_only(_IP, socket.IP_DROP_MEMBERSHIP, _group_to_linux, 8),
    (c.IPPROTO_IP, c.IP_ADD_SOURCE_MEMBERSHIP): _set_only(_IP, _IP_ADD_SOURCE, _source_to_linux, 12),
    (c.IPPROTO_IP, c.IP_DROP_SOURCE_MEMBERSHIP): _set_only(_IP, _IP_DROP_SOURCE, _source_to_linux, 12),
    (c.IPPROTO_IP, c.IP_BLOCK_SOURCE): _set_only(_IP, _IP_BLOCK, _source_to_linux, 12),
    (c.IPPROTO_IP, c.IP_UNBLOCK_SOURCE): _set_only(_IP, _IP_UNBLOCK, _source_to_linux, 12),
    (c.IPPROTO_IP, c.IP_MULTICAST_IF): Option(_IP, socket.IP_MULTICAST_IF, _interface_to_linux, _same, 4, 4),
    (c.IPPROTO_IP, c.IP_DONTFRAGMENT): Option(_IP, _IP_MTU_DISCOVER, _fragment_to_linux, _fragment_to_windows, 4, 4),
    (c.IPPROTO_IP, c.IP_MTU_DISCOVER): Option(_IP, _IP_MTU_DISCOVER, _discovery_to_linux, _discovery_to_windows, 4, 4),
    (c.IPPROTO_IP, c.IP_MTU): _plain(_IP, _IP_MTU)._replace(access="r"),
    (_IPV6, c.IPV6_V6ONLY): _plain(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, _boolean),
    (_IPV6, c.IPV6_UNICAST_HOPS): _plain(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS),
    (_IPV6, c.IPV6_MULTICAST_HOPS): _plain(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS),
    (_IPV6, c.IPV6_MULTICAST_LOOP): _plain(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP),
    (_IPV6, c.IPV6_MULTICAST_IF): _plain(_SIX, socket.IPV6_MULTICAST_IF),
    (_IPV6, c.IPV6_JOIN_GROUP): _set_only(_SIX, socket.IPV6_JOIN_GROUP, _group6_to_linux, 20),
    (_IPV6, c.IPV6_LEAVE_GROUP): _set_only(_SIX, socket.IPV6_LEAVE_GROUP, _group6_to_linux, 20),
    (_IPV6, c.IPV6_DONTFRAG): _plain(_SIX, socket.IPV6_DONTFRAG, _boolean),
    (_IPV6, c.IPV6_MTU_DISCOVER): Option(_SIX, _IPV6_MTU_DISCOVER, _discovery_to_linux, _discovery_to_windows, 4, 4),
    (_IPV6, c.IPV6_MTU): _plain(_SIX, _IPV6_MTU)._replace(access="r"),
}

LEVELS = frozenset(level for level, _ in TABLE)
# {(Linux level, Linux option): (Windows level, Windows option, row)}
# Rows whose values are the same on both sides, or are converted back by `below`; the others go down as the client gave
# them.
_ALIKE = (dword, boolean, _linger_to_linux, _group_to_linux, _group6_to_linux)
_BACK = {(row.level, row.number): (key[0], key[1], row) for key, row in TABLE.items() if row.to_linux in _ALIKE}


def same_below(level: int, option: int) -> bool:
    """Whether a provider below can be asked for an option by its Linux spelling (`below`)."""
    row = TABLE.get((level, option))
    return row is not None and row.to_linux in _ALIKE


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


# Linux tells one octet, of which Windows has two options: the whole, and the two bits of congestion notification alone.
# {(level, either option): (the whole, the two bits)}; what is wanted is kept with the socket, Linux' switch is either.
OCTETS: dict[tuple[int, int], tuple[tuple[int, int], tuple[int, int]]] = {
    one: pair
    for pair in (
        ((c.IPPROTO_IP, c.IP_RECVTOS), (c.IPPROTO_IP, c.IP_RECVECN)),
        ((_IPV6, c.IPV6_RECVTCLASS), (_IPV6, c.IPV6_RECVECN)),
    )
    for one in pair
}

# {(level, option): its number while nobody has set another}: what Linux has not and that is kept with the socket. They
# change nothing here: addresses are shared with nobody anyhow, ports are random, the rest tunes Windows' own TCP.
KEPT: dict[tuple[int, int], int] = {
    (SOL_SOCKET, c.SO_DEBUG): 0,
    (SOL_SOCKET, c.SO_CONDITIONAL_ACCEPT): 0,
    (SOL_SOCKET, c.SO_PAUSE_ACCEPT): 0,
    (SOL_SOCKET, c.SO_RANDOMIZE_PORT): 0,
    (SOL_SOCKET, c.SO_PORT_SCALABILITY): 0,
    (SOL_SOCKET, c.SO_REUSE_UNICASTPORT): 0,
    (SOL_SOCKET, c.SO_REUSE_MULTICASTPORT): 0,
    (SOL_SOCKET, c.SO_GROUP_PRIORITY): 0,
    (c.IPPROTO_TCP, c.TCP_EXPEDITED_1122): 0,
    (c.IPPROTO_TCP, c.TCP_BSDURGENT): 1,
    (c.IPPROTO_IP, c.IP_RECEIVE_BROADCAST): 1,
}


def lookup(level: int, option: int, access: str) -> Option:
    """The row of an option that may be read ("r") or set ("w").

    Errors:
        WSAEINVAL: no such level. WSAENOPROTOOPT: no such option there, or only for the other.
    """
    row = TABLE.get((level & 0xFFFF, option))
    if row is not None and access in row.access:
        return row
    if level & 0xFFFF not in LEVELS:
        raise WinsockError(WSAError.WSAEINVAL, f"option level {level}")
    raise WinsockError(WSAError.WSAENOPROTOOPT, f"option {option & _MASK:#x} of level {level:#x}")


def is_option(option: int, wanted: int) -> bool:
    """Whether `option` means `wanted`, whose number may be written as a complement."""
    return option & 0xFFFF == wanted & 0xFFFF
