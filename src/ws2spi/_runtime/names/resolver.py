"""getaddrinfo and its kin over the name-space providers.

Every active NS_DNS provider is asked, in the catalog's order, and the answers are put together; GetAddrInfoEx says
itself which providers (`Where`). Numeric addresses, ports and NULL node names are answered without asking anybody. A
Python provider's `lookup` is called straight, any other through its NSP functions.
"""

import copy
import re
import socket
import uuid
from collections.abc import Sequence
from typing import NamedTuple

from ws2spi._abi import addresses
from ws2spi._abi import constants as c
from ws2spi._abi import names as n
from ws2spi._abi.addresses import Address
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._runtime.names import netdb
from ws2spi._runtime.names.catalog import name_spaces
from ws2spi._runtime.names.entries import BUILT_IN, NameSpaceEntry
from ws2spi._runtime.names.lookups import Lookup
from ws2spi._runtime.names.memory import Block
from ws2spi._runtime.names.records import Query, Service, checked, hosts_of
from ws2spi._runtime.names.served import guarded
from ws2spi._runtime.names.text import ascii_name, ipv4_number, own_name, parse_address
from ws2spi._runtime.names.worker import endable

_TYPES = {c.SOCK_STREAM: c.IPPROTO_TCP, c.SOCK_DGRAM: c.IPPROTO_UDP}
_PROTOCOL_NAMES = {"tcp": (c.SOCK_STREAM, c.IPPROTO_TCP), "udp": (c.SOCK_DGRAM, c.IPPROTO_UDP)}
_NOT_FOUND = WSAError.WSAHOST_NOT_FOUND
# Which of several providers' failures is the answer: the first of these that one of them gave.
_TELLING = (
    WSAError.WSATRY_AGAIN,
    WSAError.WSANO_DATA,
    WSAError.WSANO_RECOVERY,
    WSAError.WSA_NOT_ENOUGH_MEMORY,
    WSAError.WSAEAFNOSUPPORT,
)
_HOST_FLAGS = n.LUP_RETURN_NAME | n.LUP_RETURN_ADDR


class Info(NamedTuple):
    """One ADDRINFO; of an ADDRINFOEX also which provider gave it, and the provider's blob."""

    family: int
    socket_type: int
    protocol: int
    address: Address
    canonical: str | None = None
    provider_id: uuid.UUID | None = None
    blob: bytes | None = None


class Where(NamedTuple):
    """Which providers are asked, and what they are told beside the name.

    Attributes:
        provider_id: the only provider to be asked; None for all of the name space (NS_ALL: of every one).
        service: the service's name, the query's `query_string`.
        blob: what only the provider understands.
    """

    namespace: int = n.NS_DNS
    provider_id: uuid.UUID | None = None
    service: str | None = None
    blob: bytes | None = None

    def require(self) -> None:
        """There is such a provider.

        Errors:
            WSASERVICE_NOT_FOUND: there is not. WSANO_RECOVERY: the catalog cannot be read.
        """
        if not _entries(self.namespace, self.provider_id):
            raise WinsockError(WSAError.WSASERVICE_NOT_FOUND, f"no provider of name space {self.namespace}")


_HOSTS = Where()

# Asking the providers


def find(query: Query) -> list[Service]:
    """Return the results of all providers that the query means.

    Errors:
        WSAHOST_NOT_FOUND: there are none; WSASERVICE_NOT_FOUND where another name space than NS_DNS, or one provider,
            was asked. WSATRY_AGAIN, WSANO_DATA, WSANO_RECOVERY, …: a provider said why.
    """
    found: list[Service] = []
    codes: set[int] = set()
    for entry in _entries(query.namespace, query.provider_id):
        own = copy.copy(query)  # each provider its own: it may do with it what it likes
        if entry.path == BUILT_IN:
            own.flags &= ~n.LUP_RETURN_BLOB  # its blob is the HOSTENT of what it answers anyhow
        try:
            found += [_stamped(one, entry) for one in _ask(entry, own)]
        except WinsockError as error:
            if error.code in (WSAError.WSAEINTR, WSAError.WSAEINPROGRESS):  # the call's affair, not the name's
                raise
            codes.add(error.code)
    if found:
        return found
    for code in _TELLING:
        if code in codes:
            raise WinsockError(code, query.name or "")
    anywhere = query.namespace in (n.NS_ALL, n.NS_DNS) and query.provider_id is None
    raise WinsockError(_NOT_FOUND if anywhere else WSAError.WSASERVICE_NOT_FOUND, query.name or "")


def _stamped(result: Service, entry: NameSpaceEntry) -> Service:
    stamped = copy.copy(result)  # the provider may keep its own
    stamped.provider_id = entry.provider_id
    return stamped


def _entries(namespace: int, provider_id: uuid.UUID | None) -> list[NameSpaceEntry]:
    try:
        return name_spaces.select(namespace, provider_id)
    except WinsockError as error:
        if error.code != WSAError.WSASERVICE_NOT_FOUND:  # the catalog cannot be read
            raise WinsockError(WSAError.WSANO_RECOVERY, error.detail) from error
        return []


def _ask(entry: NameSpaceEntry, query: Query) -> list[Service]:
    try:
        name_spaces.started(entry)
    except WinsockError as error:
        raise WinsockError(WSAError.WSANO_RECOVERY, str(error)) from error
    provider = name_spaces.python.get(entry.provider_id)
    if provider is None:
        lookup = Lookup(query, [entry])
        try:
            return list(lookup.services(query.flags))
        finally:
            lookup.end()

    def ask() -> list[Service]:
        results: list[Service] = guarded(entry.name, lambda: [checked(one) for one in provider.lookup(query)])
        return results

    return endable(ask) if provider.blocking else ask()


# Names to addresses


def hosts(
    name: str, families: Sequence[int], flags: int = 0, where: Where = _HOSTS
) -> tuple[str, list[tuple[str, Service]]]:
    """Return `(name, [(address text, the result that has it)])` of a host, each address once.

    Parameters:
        families: Windows families; the answer may have each of them.
        flags: LUP_ flags beside those for names and addresses.
    Errors:
        As `find`; WSANO_DATA when the host exists and has no such address.
    """
    query = Query(
        name=name,
        class_id=n.SVCID_INET_HOSTADDRBYNAME,
        namespace=where.namespace,
        provider_id=where.provider_id,
        query_string=where.service,
        blob=where.blob,
        protocols=tuple((family, 0) for family in families),
        flags=_HOST_FLAGS | flags,
    )
    found = [one for one in find(query) if not one.is_alias]
    texts: dict[str, Service] = {}
    for one in found:
        for text in hosts_of((one,)):
            if _family(text) in families:
                texts.setdefault(text, one)
    if not texts:
        raise WinsockError(WSAError.WSANO_DATA, name)
    return next((one.name for one in found if one.name), name), list(texts.items())


def _family(text: str) -> int:
    return c.AF_INET6 if ":" in text else c.AF_INET


def getaddrinfo(
    node: str | None,
    service: str | None,
    flags: int = 0,
    family: int = 0,
    socket_type: int = 0,
    protocol: int = 0,
    where: Where = _HOSTS,
) -> list[Info]:
    """Return what GetAddrInfo stores; the numbers are Windows'.

    Errors:
        WSAHOST_NOT_FOUND, WSAEINVAL, WSANO_RECOVERY, WSAEAFNOSUPPORT, WSAESOCKTNOSUPPORT, WSATYPE_NOT_FOUND,
        WSATRY_AGAIN, WSANO_DATA: as the page says. WSASERVICE_NOT_FOUND: as `find`.
    """
    check(node, service, flags, family, socket_type)
    if flags & n.AI_CANONNAME and flags & n.AI_FQDN and where is _HOSTS:
        raise WinsockError(WSAError.WSAEINVAL, "AI_CANONNAME and AI_FQDN")
    places = _services(service, flags, socket_type, protocol)
    canonical, found = _addresses(node, flags, family, where)
    wants_name = flags & (n.AI_CANONNAME | n.AI_FQDN)
    result = [
        Info(one_family, kind, number, (address[0], port, *address[2:]), None, source.provider_id, source.blob)
        for one_family, address, source in found
        for kind, number, port in places
    ]
    if wants_name:
        result[0] = result[0]._replace(canonical=canonical)
    return result


def check(node: str | None, service: str | None, flags: int, family: int, socket_type: int) -> None:
    """Refuse what no provider need be asked for; errors as `getaddrinfo`."""
    if node is None and service is None:
        raise WinsockError(_NOT_FOUND, "neither a node nor a service")
    if flags & ~n.AI_KNOWN:
        raise WinsockError(WSAError.WSAEINVAL, f"ai_flags 0x{flags:x}")
    if flags & (n.AI_CANONNAME | n.AI_FQDN) and node is None:
        raise WinsockError(WSAError.WSANO_RECOVERY, "the name of no node")
    if family not in (c.AF_UNSPEC, c.AF_INET, c.AF_INET6):
        raise WinsockError(WSAError.WSAEAFNOSUPPORT, f"ai_family {family}")
    if socket_type not in (0, c.SOCK_STREAM, c.SOCK_DGRAM, c.SOCK_RAW):
        raise WinsockError(WSAError.WSAESOCKTNOSUPPORT, f"ai_socktype {socket_type}")


def _services(service: str | None, flags: int, kind: int, protocol: int) -> list[tuple[int, int, int]]:
    """Return `(socket type, protocol, port)` for each way to reach the service."""
    if not service:
        return [(kind, protocol, 0)]
    if service.isascii() and service.isdigit():
        if int(service) > 0xFFFF:
            raise WinsockError(WSAError.WSATYPE_NOT_FOUND, f"port {service}")
        return [(kind, protocol, int(service))]
    if flags & n.AI_NUMERICSERV:
        raise WinsockError(_NOT_FOUND, f"{service} is no number")
    wanted = _TYPES.get(kind, protocol) if kind or protocol else 0
    found = [
        (kind or _PROTOCOL_NAMES[one.protocol][0], protocol or _PROTOCOL_NAMES[one.protocol][1] * (not kind), one.port)
        for one in netdb.services_named(service)
        if one.protocol in _PROTOCOL_NAMES and wanted in (0, _PROTOCOL_NAMES[one.protocol][1])
    ]
    if not found:
        raise WinsockError(WSAError.WSATYPE_NOT_FOUND, service)
    return found


_Found = tuple[int, Address, Service]
_NOBODY = Service()  # the source of what no provider was asked for


def _addresses(node: str | None, flags: int, family: int, where: Where) -> tuple[str, list[_Found]]:
    families = (family,) if family else (c.AF_INET6, c.AF_INET)
    if node is None:
        texts = ("::", "0.0.0.0") if flags & n.AI_PASSIVE else ("::1", "127.0.0.1")
        return "", [(*parse_address(text), _NOBODY) for text in texts if _family(text) in families]
    numeric = _numeric(node)
    if numeric is not None:
        if numeric[0] not in families:
            if not (family == c.AF_INET6 and flags & n.AI_V4MAPPED):
                raise WinsockError(_NOT_FOUND, f"{node} is of another family")
            numeric = _mapped(numeric[1][0])
        return node, [(*numeric, _NOBODY)]
    if flags & n.AI_NUMERICHOST:
        raise WinsockError(_NOT_FOUND, f"{node} is no numeric address")
    return _named(node, flags, family, families, where)


def _named(node: str, flags: int, family: int, families: tuple[int, ...], where: Where) -> tuple[str, list[_Found]]:
    if flags & n.AI_DISABLE_IDN_ENCODING and not node.isascii():
        raise WinsockError(_NOT_FOUND, f"{node}: the system's resolver takes ASCII names alone")
    node = ascii_name(own_name(node))
    asked = n.LUP_ADDRCONFIG if flags & n.AI_ADDRCONFIG else 0
    if where is not _HOSTS:
        asked |= n.LUP_RETURN_BLOB
    mapped = family == c.AF_INET6 and flags & n.AI_V4MAPPED
    if mapped and flags & n.AI_ALL:
        families = (c.AF_INET6, c.AF_INET)
    try:
        canonical, texts = hosts(node, families, asked, where)
    except WinsockError as error:
        if not mapped or error.code not in (_NOT_FOUND, WSAError.WSASERVICE_NOT_FOUND, WSAError.WSANO_DATA):
            raise
        canonical, texts = hosts(node, (c.AF_INET,), asked, where)
    return canonical, [
        (*(_mapped(text) if mapped and _family(text) == c.AF_INET else parse_address(text)), source)
        for text, source in texts
    ]


def _numeric(node: str) -> tuple[int, Address] | None:
    """An address without a port, as a node name may be."""
    number = ipv4_number(node)
    if number is not None:
        return c.AF_INET, (socket.inet_ntoa(number), 0)
    if ":" not in node or "[" in node:
        return None
    try:
        return parse_address(node, c.AF_INET6)
    except WinsockError:
        return None


def _mapped(text: str) -> tuple[int, Address]:
    return c.AF_INET6, (f"::ffff:{text}", 0, 0, 0)


def gethostbyname(name: str | None) -> tuple[str, list[str], list[bytes]]:
    """Return `(name, aliases, IPv4 addresses)`.

    Errors:
        As `find`; WSANO_DATA also for IPv6 addresses and illegal IPv4 addresses.
    """
    asked = own_name(name)
    number = ipv4_number(asked)
    if number is not None:
        return asked, [], [number]
    if ":" in asked or re.fullmatch(r"[0-9.]+", asked):
        raise WinsockError(WSAError.WSANO_DATA, f"{asked} is no IPv4 address")
    query = Query(
        name=ascii_name(asked),
        class_id=n.SVCID_INET_HOSTADDRBYNAME,
        namespace=n.NS_DNS,
        flags=_HOST_FLAGS | n.LUP_RETURN_ALIASES,
    )
    found = find(query)
    texts = [text for text in hosts_of(one for one in found if not one.is_alias) if _family(text) == c.AF_INET]
    if not texts:
        raise WinsockError(WSAError.WSANO_DATA, asked)
    official = next((one.name for one in found if one.name and not one.is_alias), asked)
    aliases = dict.fromkeys(one.name for one in found if one.is_alias and one.name)
    return official, list(aliases), [socket.inet_aton(text) for text in texts]


def hostent_of_name(name: str | None) -> Block:
    """Return the HOSTENT of a name; errors as `gethostbyname`."""
    official, aliases, found = gethostbyname(name)
    return netdb.hostent_block(official, found, c.AF_INET, aliases)


# Addresses to names


def hostent_of_address(family: int, packed: bytes) -> Block:
    """Return the HOSTENT of a binary address; errors as `find`."""
    official, aliases = gethostbyaddr(family, packed)
    return netdb.hostent_block(official, [packed], family, aliases)


def gethostbyaddr(family: int, packed: bytes) -> tuple[str, list[str]]:
    """Return `(name, aliases)` of an address; errors as `find`."""
    text = socket.inet_ntop(addresses.linux_family(family), packed)
    return host_name(text)


def host_name(text: str) -> tuple[str, list[str]]:
    """Return `(name, aliases)` of an address text; errors as `find`."""
    query = Query(
        name=text,
        class_id=n.SVCID_INET_HOSTADDRBYINETSTRING,
        namespace=n.NS_DNS,
        flags=_HOST_FLAGS | n.LUP_RETURN_ALIASES,
    )
    found = [one for one in find(query) if one.name]
    official = [one.name or "" for one in found if not one.is_alias]
    if not official:
        raise WinsockError(WSAError.WSANO_DATA, text)
    return official[0], list(dict.fromkeys(one.name or "" for one in found if one.is_alias))


def getnameinfo(family: int, address: Address, flags: int, *, host: bool, service: bool) -> tuple[str, str]:
    """Return `(host, service)` of a socket address; what is not wanted is empty.

    Errors:
        WSAHOST_NOT_FOUND: neither is wanted, or NI_NAMEREQD and the address has no name.
        WSATRY_AGAIN, WSANO_RECOVERY: with NI_NAMEREQD, a provider said so.
    """
    if not host and not service:
        raise WinsockError(_NOT_FOUND, "neither the host nor the service is wanted")
    if flags & n.NI_NUMERICHOST and flags & n.NI_NAMEREQD and host:
        raise WinsockError(WSAError.WSAEINVAL, "NI_NUMERICHOST and NI_NAMEREQD")
    return _host(address, flags) if host else "", _service(address[1], flags) if service else ""


def _host(address: Address, flags: int) -> str:
    scope = address[3] if len(address) == 4 else 0
    text = address[0].partition("%")[0] + (f"%{scope}" if scope else "")
    if flags & n.NI_NUMERICHOST:
        return text
    try:
        name, _ = host_name(text)
    except WinsockError as error:
        if flags & n.NI_NAMEREQD:
            raise WinsockError(_NOT_FOUND if error.code == WSAError.WSANO_DATA else error.code, text) from None
        return text
    if flags & n.NI_NOFQDN:
        # Hosts of the own domain are called by their own label.
        own = endable(socket.getfqdn).partition(".")[2] if "." in name else ""
        if own and name.lower().endswith("." + own.lower()):
            name = name[: -len(own) - 1]
    return name


def _service(port: int, flags: int) -> str:
    if flags & n.NI_NUMERICSERV:
        return str(port)
    try:
        return netdb.service_by_port(port, "udp" if flags & n.NI_DGRAM else "tcp").name
    except WinsockError:
        return str(port)
