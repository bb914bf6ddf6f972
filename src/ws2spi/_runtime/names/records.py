"""Queries and results in Python: what a WSAQUERYSET and a WSASERVICECLASSINFO say."""

import dataclasses
import uuid
from collections.abc import Iterable
from typing import NamedTuple

from ws2spi._abi import addresses
from ws2spi._abi import constants as c
from ws2spi._abi import names as n
from ws2spi._abi.addresses import Address
from ws2spi._abi.errors import WinsockError
from ws2spi._runtime.names.text import parse_address

_KINDS = {c.IPPROTO_TCP: c.SOCK_STREAM, c.IPPROTO_UDP: c.SOCK_DGRAM}
_TCP_CLASS, _UDP_CLASS = 0x0009, 0x000A


class Endpoint(NamedTuple):
    """A CSADDR_INFO: where a service is reached.

    `remote` and `local` are the bytes of sockaddrs, empty for none; `endpoint` and `address` speak tuples.
    """

    remote: bytes
    local: bytes = b""
    socket_type: int = c.SOCK_STREAM
    protocol: int = c.IPPROTO_TCP

    @property
    def family(self) -> int:
        """The Windows family of the remote address, or of the local one if there is no other; 0 for none."""
        data = self.remote or self.local
        return addresses.family_of(data) if len(data) >= 2 else 0

    @property
    def address(self) -> Address | None:
        """The remote address as Python's socket module has it; None if it is of another family or missing."""
        try:
            return addresses.unpack(self.remote)[1]
        except ValueError:
            return None


def endpoint(host: str, port: int = 0, protocol: int = c.IPPROTO_TCP) -> Endpoint:
    """Return the Endpoint of an address text ("10.0.0.5", "fe80::1%2") and a port.

    Errors: WinsockError WSAEINVAL for what is no address.
    """
    family, address = parse_address(host)
    remote = addresses.pack(family, (address[0], address[1] or port, *address[2:]))
    local = addresses.pack(family, addresses.wildcard(family))
    return Endpoint(remote, local, _KINDS.get(protocol, 0), protocol)


class ClassValue(NamedTuple):
    """A WSANSCLASSINFO: one property of a service class in one name space; `kind` is a registry type (REG_DWORD 4)."""

    name: str
    namespace: int
    kind: int
    data: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class ServiceClass:
    """A WSASERVICECLASSINFO."""

    class_id: uuid.UUID
    name: str | None = None
    values: tuple[ClassValue, ...] = ()


@dataclasses.dataclass(slots=True, kw_only=True)
class Service:
    """A WSAQUERYSET: a service that was found, or that is to be registered.

    Attributes:
        version: `(number, how to compare)`, or None.
        output_flags: RESULT_IS_ALIAS and its like.
        blob: what only provider and client understand, or None.
    """

    name: str | None = None
    class_id: uuid.UUID | None = None
    version: tuple[int, int] | None = None
    comment: str | None = None
    namespace: int = n.NS_ALL
    provider_id: uuid.UUID | None = None
    context: str | None = None
    protocols: tuple[tuple[int, int], ...] = ()
    query_string: str | None = None
    endpoints: tuple[Endpoint, ...] = ()
    output_flags: int = 0
    blob: bytes | None = None

    @property
    def is_alias(self) -> bool:
        """Whether this is another name of a service that was found."""
        return bool(self.output_flags & n.RESULT_IS_ALIAS)


@dataclasses.dataclass(slots=True, kw_only=True)
class Query(Service):
    """What somebody looks for.

    Attributes:
        flags: the LUP_ flags of WSALookupServiceBegin.
        class_info: what the provider itself says of the class, where it says anything.
        cancelled: True once the lookup has ended; a provider that takes long may look at it between two steps.
    """

    flags: int = n.LUP_RETURN_NAME | n.LUP_RETURN_ADDR
    class_info: ServiceClass | None = None
    cancelled: bool = False

    @property
    def families(self) -> tuple[int, ...]:
        """The Windows address families that answers may have."""
        if self.class_id == n.SVCID_DNS_TYPE_A:
            return (c.AF_INET,)
        if self.class_id == n.SVCID_DNS_TYPE_AAAA:
            return (c.AF_INET6,)
        named = tuple(dict.fromkeys(family for family, _ in self.protocols if family))
        if named:
            return named
        return (c.AF_INET,) if self.class_id == n.SVCID_INET_HOSTADDRBYNAME else (c.AF_INET, c.AF_INET6)

    @property
    def port(self) -> int:
        """The port that the service class stands for, 0 for other classes."""
        first, record = self._class_parts()
        return first & 0xFFFF if first >> 16 in (_TCP_CLASS, _UDP_CLASS) and not record else 0

    @property
    def protocol(self) -> int:
        """IPPROTO_UDP where the class or the restriction to protocols says so, else IPPROTO_TCP."""
        first, _ = self._class_parts()
        if first >> 16 == _UDP_CLASS:
            return c.IPPROTO_UDP
        wanted = {protocol for _, protocol in self.protocols if protocol}
        return c.IPPROTO_UDP if c.IPPROTO_UDP in wanted and c.IPPROTO_TCP not in wanted else c.IPPROTO_TCP

    @property
    def reverse(self) -> bool:
        """Whether the name is an address, and the name of its host is looked for."""
        return self.class_id in (n.SVCID_INET_HOSTADDRBYINETSTRING, n.SVCID_DNS_TYPE_PTR)

    def _class_parts(self) -> tuple[int, int]:
        fields = (0, 0, 0, 0, 0, 0) if self.class_id is None else self.class_id.fields
        well_known = self.class_id is not None and self.class_id.bytes[8:] == b"\xc0\0\0\0\0\0\0\x46"
        return (fields[0], fields[2]) if well_known else (0, 0)

    def answer(self, *hosts: str, name: str | None = None, alias: bool = False) -> Service:
        """Return a result of this query: the addresses `hosts` (texts) of the wanted families, with the class's port.

        Parameters:
            name: what the host is called, if not as the query says.
            alias: it is another name of a result that was given already.
        Errors: ValueError for what is no address.
        """
        try:
            found = [endpoint(host, self.port, self.protocol) for host in hosts]
        except WinsockError as error:  # the provider's mistake, not the client's
            raise ValueError(error.detail) from None
        families = self.families
        return Service(
            name=self.name if name is None else name,
            class_id=self.class_id,
            endpoints=tuple(one for one in found if one.family in families),
            query_string=self.query_string,
            output_flags=n.RESULT_IS_ALIAS if alias else 0,
        )


def checked(result: object) -> Service:
    """Return what a provider gave as a result.

    Errors: TypeError for what cannot be one.
    """
    if not isinstance(result, Service):
        raise TypeError(f"{result!r} is no Service; query.answer(...) makes one")
    texts = (result.name, result.comment, result.context, result.query_string)
    if not all(text is None or isinstance(text, str) for text in texts):
        raise TypeError(f"a text of {result!r} is no str")
    if not all(isinstance(one, Endpoint) for one in result.endpoints):
        raise TypeError(f"an endpoint of {result!r} is no Endpoint; query.answer(...) makes them")
    return result


def hosts_of(services: Iterable[Service]) -> list[str]:
    """Return the address texts of some results, each once, in their order."""
    found: dict[str, None] = {}
    for service in services:
        for one in service.endpoints:
            address = one.address
            if address is not None:
                scope = f"%{address[3]}" if len(address) == 4 and address[3] else ""
                found[address[0] + scope] = None
    return list(found)
