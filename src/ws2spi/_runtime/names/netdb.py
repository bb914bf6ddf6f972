"""The data bases of services and protocols, and the structures of the Berkeley functions.

/etc/services and /etc/protocols are read when they are first asked for, and again once they have changed. Where there
is no such file (a slim container) a short list of the usual names serves.
"""

import ctypes
import os
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ws2spi._abi import constants as c
from ws2spi._abi import names as n
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._runtime.names.memory import Block, encode_narrow

SERVICES = "/etc/services"
PROTOCOLS = "/etc/protocols"

_USUAL_SERVICES = """
ftp-data 20/tcp
ftp 21/tcp
ssh 22/tcp
telnet 23/tcp
smtp 25/tcp mail
domain 53/tcp
domain 53/udp
http 80/tcp www
pop3 110/tcp
ntp 123/udp
imap2 143/tcp imap
snmp 161/udp
ldap 389/tcp
https 443/tcp
https 443/udp
"""
_USUAL_PROTOCOLS = """
ip 0 IP
icmp 1 ICMP
tcp 6 TCP
udp 17 UDP
ipv6 41 IPv6
ipv6-icmp 58 IPv6-ICMP
"""


class ServiceEntry(NamedTuple):
    """One line of the services file."""

    name: str
    port: int
    protocol: str
    aliases: tuple[str, ...]


class ProtocolEntry(NamedTuple):
    """One line of the protocols file."""

    name: str
    number: int
    aliases: tuple[str, ...]


class _File:
    """The lines of a file, read again when it has changed."""

    def __init__(self, path: Callable[[], str], instead: str) -> None:
        self._path = path
        self._instead = instead
        self._read: tuple[object, list[list[str]]] = (object(), [])

    def lines(self) -> list[list[str]]:
        """Return the words of each line that has any; comments are gone."""
        path = self._path()
        try:
            status = os.stat(path)
            stamp: object = (path, status.st_mtime_ns, status.st_size, status.st_ino)
        except OSError:
            stamp = path
        known, lines = self._read
        if known != stamp:
            lines = self._parse(path)
            self._read = (stamp, lines)
        return lines

    def _parse(self, path: str) -> list[list[str]]:
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                text = file.read()
        except OSError:
            text = self._instead
        words = (line.partition("#")[0].split() for line in text.splitlines())
        return [line for line in words if len(line) >= 2]


_services = _File(lambda: SERVICES, _USUAL_SERVICES)
_protocols = _File(lambda: PROTOCOLS, _USUAL_PROTOCOLS)


def _service_entries() -> list[ServiceEntry]:
    found = []
    for name, place, *aliases in _services.lines():
        port, _, protocol = place.partition("/")
        if port.isdigit() and int(port) <= 0xFFFF and protocol:
            found.append(ServiceEntry(name, int(port), protocol, tuple(aliases)))
    return found


def services_named(name: str) -> list[ServiceEntry]:
    """Return the entries of a service's name or alias, one for each protocol."""
    return [one for one in _service_entries() if name == one.name or name in one.aliases]


def service_by_name(name: str, protocol: str | None) -> ServiceEntry:
    """Return the first entry of a service, of one protocol or (None) of any.

    Errors:
        WSAHOST_NOT_FOUND: no such service. WSANO_DATA: not with that protocol.
    """
    named = services_named(name)
    return _first(named, [one for one in named if protocol in (None, one.protocol)], name)


def service_by_port(port: int, protocol: str | None) -> ServiceEntry:
    """Return the first entry of a port; errors as `service_by_name`."""
    with_port = [one for one in _service_entries() if one.port == port]
    return _first(with_port, [one for one in with_port if protocol in (None, one.protocol)], f"port {port}")


def _first(named: Sequence[ServiceEntry], fitting: Sequence[ServiceEntry], what: str) -> ServiceEntry:
    if fitting:
        return fitting[0]
    raise WinsockError(WSAError.WSANO_DATA if named else WSAError.WSAHOST_NOT_FOUND, f"service {what}")


def _protocol_entries() -> list[ProtocolEntry]:
    return [
        ProtocolEntry(name, int(number), tuple(aliases))
        for name, number, *aliases in _protocols.lines()
        if number.isdigit() and int(number) <= 0x7FFF
    ]


def protocol_by_name(name: str) -> ProtocolEntry:
    """Return the entry of a protocol's name or alias; WSANO_DATA when there is none."""
    return _protocol(lambda one: name == one.name or name in one.aliases, name)


def protocol_by_number(number: int) -> ProtocolEntry:
    """Return the entry of a protocol's number; WSANO_DATA when there is none."""
    return _protocol(lambda one: one.number == number, str(number))


def _protocol(fits: Callable[[ProtocolEntry], bool], what: str) -> ProtocolEntry:
    for one in _protocol_entries():
        if fits(one):
            return one
    raise WinsockError(WSAError.WSANO_DATA, f"protocol {what}")


# Structures


def hostent_block(name: str, hosts: Sequence[bytes], family: int, aliases: Sequence[str] = ()) -> Block:
    """Return a HOSTENT; `hosts` are binary addresses of one family."""
    kind: Any = n.HOSTENT
    block = Block(kind)
    block.number(kind.h_addrtype.offset, family, 2)
    block.number(kind.h_length.offset, 16 if family == c.AF_INET6 else 4, 2)
    block.list_of(kind.h_addr_list.offset, list(hosts), 4)
    block.list_of(kind.h_aliases.offset, [encode_narrow(one) + b"\0" for one in aliases])
    block.text(kind.h_name.offset, name, wide=False)
    return block


def hostent_blob(name: str, hosts: Sequence[str], aliases: Sequence[str] = ()) -> bytes:
    """Return a HOSTENT with offsets for pointers: of the IPv4 addresses, or of the IPv6 ones if there are no others."""
    four = [socket.inet_pton(socket.AF_INET, one) for one in hosts if ":" not in one]
    six = [socket.inet_pton(socket.AF_INET6, one.partition("%")[0]) for one in hosts if ":" in one]
    block = hostent_block(name, four or six, c.AF_INET if four or not six else c.AF_INET6, aliases)
    return block.image(0)


def servent_block(entry: ServiceEntry) -> Block:
    """Return a SERVENT."""
    kind: Any = n.SERVENT
    block = Block(kind)
    block.number(kind.s_port.offset, socket.htons(entry.port), 2)
    block.list_of(kind.s_aliases.offset, [encode_narrow(one) + b"\0" for one in entry.aliases])
    block.text(kind.s_name.offset, entry.name, wide=False)
    block.text(kind.s_proto.offset, entry.protocol, wide=False)
    return block


def protoent_block(entry: ProtocolEntry) -> Block:
    """Return a PROTOENT."""
    kind: Any = n.PROTOENT
    block = Block(kind)
    block.number(kind.p_proto.offset, entry.number, 2)
    block.list_of(kind.p_aliases.offset, [encode_narrow(one) + b"\0" for one in entry.aliases])
    block.text(kind.p_name.offset, entry.name, wide=False)
    return block


class _PerThread(threading.local):
    """The structures that a thread's next call of the same function overwrites."""

    def __init__(self) -> None:
        self.memory: dict[str, list[Any]] = {}  # {kind: buffers, the one in use last}


_own = _PerThread()


def keep(kind: str, block: Block) -> int:
    """Store a structure where the calling thread keeps its one of that kind; return its address.

    The place stays the same, so an address from an earlier call shows the newest structure. One that outgrows it gets a
    larger place; the smaller one stays what it was as long as the thread lives.
    """
    places = _own.memory.setdefault(kind, [])
    if not places or len(places[-1]) < len(block):
        places.append(ctypes.create_string_buffer(max(n.MAXGETHOSTSTRUCT, 2 * len(block))))
    start = ctypes.addressof(places[-1])
    ctypes.memmove(start, block.image(start), len(block))
    return start
