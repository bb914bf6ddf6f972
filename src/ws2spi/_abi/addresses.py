"""Socket addresses: the bytes of a Windows sockaddr on one side, the tuples of Python's socket module on the other.

Only the layout is known here. What a wrong family or a short buffer means depends on the call, so this module raises
`ValueError` subclasses and the caller picks the documented code.

Families are Windows' numbers everywhere above the base provider: AF_INET6 is 23 there and 10 on Linux.
"""

import socket
import struct
from typing import TypeAlias

from ws2spi._abi.constants import AF_INET, AF_INET6

Address: TypeAlias = tuple[str, int] | tuple[str, int, int, int]

SIZES = {AF_INET: 16, AF_INET6: 28}  # {Windows family: bytes of its sockaddr}

# Ports travel in network order and the family in the machine's own (little-endian on every Windows). `flowinfo` is in
# network order in the structure and a plain integer in Python's tuple; `scope_id` is the machine's own in both.
_FAMILY = struct.Struct("<H")
_PORT = struct.Struct(">H")
_IPV6_TAIL = struct.Struct("<I")
_FLOW = struct.Struct(">I")

_TO_LINUX = {AF_INET: int(socket.AF_INET), AF_INET6: int(socket.AF_INET6)}
_TO_WINDOWS = {linux: windows for windows, linux in _TO_LINUX.items()}


class UnknownFamilyError(ValueError):
    """The family in a sockaddr, or asked for, is none that this project carries."""


class ShortAddressError(ValueError):
    """Fewer bytes than the family's sockaddr has."""


def linux_family(family: int) -> int:
    """Return Linux' number for a Windows family."""
    try:
        return _TO_LINUX[family]
    except KeyError:
        raise UnknownFamilyError(f"address family {family}") from None


def windows_family(family: int) -> int:
    """Return Windows' number for a Linux family."""
    try:
        return _TO_WINDOWS[family]
    except KeyError:
        raise UnknownFamilyError(f"address family {family}") from None


def wildcard(family: int) -> Address:
    """Return the all-zero address of a Windows family."""
    if family == AF_INET:
        return ("0.0.0.0", 0)
    if family == AF_INET6:
        return ("::", 0, 0, 0)
    raise UnknownFamilyError(f"address family {family}")


def pack(family: int, address: Address) -> bytes:
    """Return the sockaddr bytes of `address`, a tuple as `socket.getsockname` gives it.

    A scope written into the host ("fe80::1%eth0") is dropped: the tuple's fourth member carries it.
    """
    host = address[0].partition("%")[0]
    port = _PORT.pack(address[1])
    if family == AF_INET:
        return _FAMILY.pack(family) + port + socket.inet_pton(socket.AF_INET, host) + bytes(8)
    if family == AF_INET6:
        flow, scope = (address[2], address[3]) if len(address) == 4 else (0, 0)
        packed = socket.inet_pton(socket.AF_INET6, host)
        return _FAMILY.pack(family) + port + _FLOW.pack(flow) + packed + _IPV6_TAIL.pack(scope)
    raise UnknownFamilyError(f"address family {family}")


def family_of(data: bytes) -> int:
    """Return the family field of sockaddr bytes."""
    if len(data) < 2:
        raise ShortAddressError(f"{len(data)} bytes")
    return int(_FAMILY.unpack_from(data)[0])


def unpack(data: bytes) -> tuple[int, Address]:
    """Return `(family, address)` of sockaddr bytes; bytes after the structure are ignored."""
    family = family_of(data)
    size = SIZES.get(family)
    if size is None:
        raise UnknownFamilyError(f"address family {family}")
    if len(data) < size:
        raise ShortAddressError(f"{len(data)} bytes for family {family}")
    port = int(_PORT.unpack_from(data, 2)[0])
    if family == AF_INET:
        return family, (socket.inet_ntop(socket.AF_INET, data[4:8]), port)
    flow = int(_FLOW.unpack_from(data, 4)[0])
    scope = int(_IPV6_TAIL.unpack_from(data, 24)[0])
    return family, (socket.inet_ntop(socket.AF_INET6, data[8:24]), port, flow, scope)
