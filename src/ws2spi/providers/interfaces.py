"""The addresses of this machine, and which of them leads where: what the control codes about routing tell."""

import ipaddress
import socket
import struct
from collections.abc import Iterable

from ws2spi._abi import addresses
from ws2spi._abi import constants as c
from ws2spi._abi.addresses import Address
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.transport import winsock_error

# rtnetlink.h and if_addr.h: a dump of addresses
_DUMP = struct.Struct("=IHHIIBBHI")  # nlmsghdr, then ifaddrmsg's first fields
_MESSAGE = struct.Struct("=IHHII")
_ADDRESS = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, interface
_ATTRIBUTE = struct.Struct("=HH")
_RTM_NEWADDR, _RTM_GETADDR, _NLMSG_DONE = 20, 22, 3
_REQUEST_DUMP = 0x301
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_TENTATIVE = 0x40 | 0x08  # not yet an address, or found to be another machine's


def destination(family: int, data: bytes) -> Address:
    """The address in the input buffer of a routing control code.

    Errors:
        WSAEFAULT: too short. WSAEAFNOSUPPORT: of another family.
    """
    try:
        given, address = addresses.unpack(data)
    except addresses.ShortAddressError as error:
        raise WinsockError(WSAError.WSAEFAULT, str(error)) from None
    except addresses.UnknownFamilyError as error:
        raise WinsockError(WSAError.WSAEAFNOSUPPORT, str(error)) from None
    if given != family:
        raise WinsockError(WSAError.WSAEAFNOSUPPORT, f"address family {given}")
    return address


def source_for(family: int, address: Address) -> bytes:
    """The local address from which `address` is reached, as sockaddr bytes with port 0.

    Errors:
        WSAENETUNREACH, WSAEHOSTUNREACH.
    """
    with socket.socket(addresses.linux_family(family), socket.SOCK_DGRAM) as probe:
        try:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            probe.connect((address[0], address[1] or 9, *address[2:]))
            name = probe.getsockname()
        except OSError as error:
            raise winsock_error(error, "route") from None
    return addresses.pack(family, (name[0], 0, *name[2:]))


def local_addresses(family: int) -> list[bytes]:
    """The addresses that a socket of a Windows family can be bound to, without the loopback if there are others."""
    linux = addresses.linux_family(family)
    found = [one for one in _dump(linux) if not one[2] & _TENTATIVE]
    others = [one for one in found if not ipaddress.ip_address(one[0]).is_loopback]
    result = []
    for host, interface, _ in others or found:
        if family == c.AF_INET:
            result.append(addresses.pack(family, (host, 0)))
        else:
            local = ipaddress.ip_address(host).is_link_local
            result.append(addresses.pack(family, (host, 0, 0, interface if local else 0)))
    return result


def _dump(family: int) -> list[tuple[str, int, int]]:
    """Ask the kernel: (address, interface, flags) of each."""
    found: list[tuple[str, int, int]] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as link:
        link.send(_MESSAGE.pack(24, _RTM_GETADDR, _REQUEST_DUMP, 1, 0) + _ADDRESS.pack(family, 0, 0, 0, 0))
        while True:
            data = link.recv(1 << 16)
            while data:
                length, kind, _, _, _ = _MESSAGE.unpack_from(data)
                if kind == _NLMSG_DONE or length < 16:
                    return found
                if kind == _RTM_NEWADDR:
                    one = _address(family, data[16:length])
                    if one is not None:
                        found.append(one)
                data = data[length + 3 & ~3 :]


def _address(family: int, message: bytes) -> tuple[str, int, int] | None:
    given, _, flags, _, interface = _ADDRESS.unpack_from(message)
    if given != family:
        return None
    raw: dict[int, bytes] = {}
    rest = message[8:]
    while len(rest) >= 4:
        length, kind = _ATTRIBUTE.unpack_from(rest)
        if length < 4:
            break
        raw[kind] = rest[4:length]
        rest = rest[length + 3 & ~3 :]
    address = raw.get(_IFA_LOCAL) or raw.get(_IFA_ADDRESS)
    return None if address is None else (socket.inet_ntop(family, address), interface, flags)


def preferred(candidates: Iterable[bytes]) -> list[bytes]:
    """Addresses in the order in which they should be tried: reachable ones first, wider scopes after narrower ones.

    A part of RFC 6724: rules 1 (reachable), 6 (precedence of IPv6 over mapped IPv4) and 8 (smaller scope).
    """
    return sorted(candidates, key=_rank)


def _rank(candidate: bytes) -> tuple[int, int, int]:
    family, address = addresses.unpack(candidate.ljust(28, b"\0"))
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(address[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    if mapped is not None:
        ip, family, address = mapped, c.AF_INET, (str(mapped), 0)
    try:
        source_for(family, address)
        reachable = 0
    except WinsockError:
        reachable = 1
    scope = 0 if ip.is_loopback else 1 if ip.is_link_local else 2
    return reachable, scope, int(family == c.AF_INET)
