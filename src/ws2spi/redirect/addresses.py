"""Socket addresses as the program's memory has them, and as Python's socket module wants them.

Rule: an address is judged here as Linux judges it in connect(2), in the same order and with the same errors.
"""

import errno
import socket
import struct
from typing import Any, Final

Address = tuple[Any, ...]

MAX_SIZE: Final = 128  # sizeof(struct sockaddr_storage); the kernel refuses more with EINVAL
_FAMILY: Final = struct.Struct("=H")
_IN: Final = struct.Struct("=H2s4s8x")  # struct sockaddr_in
_IN6: Final = struct.Struct("=H2sI16sI")  # struct sockaddr_in6: family, port, flowinfo, address, scope
_IN6_SHORTEST: Final = 24  # SIN6_LEN_RFC2133: without the scope
_MAPPED: Final = b"\0" * 10 + b"\xff\xff"  # ::ffff:0:0/96


def refused(family: int, data: bytes) -> int:
    """Why connect() of a TCP socket of `family` would refuse the address `data` itself: an errno, or 0."""
    if len(data) < _FAMILY.size:
        return errno.EINVAL
    (named,) = _FAMILY.unpack_from(data)
    if named == socket.AF_UNSPEC:
        return 0  # not an address but the wish to disconnect
    if len(data) < (_IN.size if family == socket.AF_INET else _IN6_SHORTEST):
        return errno.EINVAL
    return 0 if named == family else errno.EAFNOSUPPORT


def is_unspecified(data: bytes) -> bool:
    return len(data) >= _FAMILY.size and _FAMILY.unpack_from(data)[0] == socket.AF_UNSPEC


def is_mapped(family: int, data: bytes) -> bool:
    """Whether an IPv6 address stands for an IPv4 one (::ffff:a.b.c.d)."""
    return family == socket.AF_INET6 and data[8:20] == _MAPPED


def unpack(data: bytes) -> Address:
    """The address as a tuple of the socket module; for `data` that `refused` has let pass."""
    if _FAMILY.unpack_from(data)[0] == socket.AF_INET:
        _, port, host = _IN.unpack_from(data)
        return socket.inet_ntop(socket.AF_INET, host), int.from_bytes(port)
    _, port, flow, host, scope = _IN6.unpack(data[: _IN6.size].ljust(_IN6.size, b"\0"))
    return socket.inet_ntop(socket.AF_INET6, host), int.from_bytes(port), socket.ntohl(flow), scope


def pack(family: int, address: Address) -> bytes:
    """A tuple of the socket module as the kernel would write it for a socket of `family`.

    An IPv4 address on an IPv6 socket is written v4-mapped.
    """
    host, port = address[0], address[1]
    if family == socket.AF_INET:
        return _IN.pack(family, port.to_bytes(2), socket.inet_pton(family, host))
    raw = socket.inet_pton(family, host) if ":" in host else _MAPPED + socket.inet_pton(socket.AF_INET, host)
    flow, scope = (address[2], address[3]) if len(address) == 4 else (0, 0)
    return _IN6.pack(family, port.to_bytes(2), socket.htonl(flow), raw, scope)


def unmapped(address: Address) -> Address:
    """An IPv4 address written v4-mapped, as the IPv4 address it stands for; any other unchanged."""
    host = address[0]
    if host.startswith("::ffff:") and "." in host:
        return host[7:], address[1]
    return address


def show(address: Address) -> str:
    """host:port, with brackets round an IPv6 host."""
    host, port = address[0], address[1]
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
