"""One entry of the catalog, and the built-in ones.

The built-in entries are TCP and UDP over IPv4 and IPv6 and, hidden as on Windows, their raw sockets: what the base
provider can make (decision 0037).
"""

import dataclasses
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from ws2spi._abi import constants as c

if TYPE_CHECKING:
    from ws2spi._runtime.provider import Provider

FIRST_ID = 1001  # where a new catalog starts; ids only grow, so that a removed entry's id never means another one
_RAW_IPV4_ID, _RAW_IPV6_ID = (
    999,
    1000,
)  # below all that an older catalog may have given out

# Ids of entries that one process installs for itself alone. They lie apart, so that what another process installs
# meanwhile for all can never get the same ones.
FIRST_PRIVATE_ID = 0x40000001

PATH_PREFIX = "ws2spi:"  # and a provider id: the path of a provider that has no file


@dataclasses.dataclass(frozen=True, slots=True)
class CatalogEntry:
    """The fields of WSAPROTOCOL_INFOW, in Python's spelling and in its order where it matters to nobody.

    `chain` holds ProtocolChain.ChainEntries: empty for a layer's own (hidden) entry and for base entries, which are
    told apart by `base`.
    """

    address_family: int
    socket_type: int
    protocol: int
    name: str
    provider_id: uuid.UUID
    catalog_id: int = 0
    service_flags: int = 0
    service_flags2: int = 0
    service_flags3: int = 0
    service_flags4: int = 0
    provider_flags: int = c.PFL_MATCHES_PROTOCOL_ZERO
    chain: tuple[int, ...] = ()
    base: bool = True
    version: int = 2
    max_sockaddr: int = 16
    min_sockaddr: int = 16
    protocol_max_offset: int = 0
    network_byte_order: int = 0
    security_scheme: int = 0
    message_size: int = 0
    provider_reserved: int = 0

    @property
    def chain_length(self) -> int:
        """ProtocolChain.ChainLen: 0 for a layer's own entry, 1 for a base provider, else the chain's length."""
        return len(self.chain) if self.chain else int(self.base)

    @property
    def ifs(self) -> bool:
        """True when the provider hands out operating-system handles."""
        return bool(self.service_flags & c.XP1_IFS_HANDLES)

    @property
    def stream(self) -> bool:
        """True when receives see a byte stream, False when they see messages."""
        return not self.service_flags & c.XP1_MESSAGE_ORIENTED or bool(self.service_flags & c.XP1_PSEUDO_STREAM)

    @property
    def hidden(self) -> bool:
        """True when WSAEnumProtocols leaves the entry out."""
        return bool(self.provider_flags & c.PFL_HIDDEN) or self.chain_length == c.LAYERED_PROTOCOL

    @property
    def kind(self) -> tuple[int, int, int]:
        """What the page of WSCInstallProviderAndChains compares: family, type and protocol."""
        return self.address_family, self.socket_type, self.protocol

    def has_protocol(self, protocol: int) -> bool:
        """True when socket()'s third argument means this entry."""
        if self.protocol <= protocol <= self.protocol + self.protocol_max_offset:
            return True
        return protocol == 0 and bool(self.provider_flags & c.PFL_MATCHES_PROTOCOL_ZERO)


Loader: TypeAlias = Callable[[CatalogEntry], "Provider"]

_TCP = c.XP1_GUARANTEED_DELIVERY | c.XP1_GUARANTEED_ORDER | c.XP1_GRACEFUL_CLOSE | c.XP1_EXPEDITED_DATA
_UDP = c.XP1_CONNECTIONLESS | c.XP1_MESSAGE_ORIENTED | c.XP1_SUPPORT_BROADCAST | c.XP1_SUPPORT_MULTIPOINT

# The ids under which Windows' own base providers are known: programs that look for "the base provider" by id find ours.
BASE_IPV4 = uuid.UUID("e70f1aa0-ab8b-11cf-8ca3-00805f48a192")
BASE_IPV6 = uuid.UUID("f9eab0c0-26d4-11d0-bbbf-00aa006c34e4")
BASE_PROVIDERS = (BASE_IPV4, BASE_IPV6)


def _raw(catalog_id: int, family: int, name: str) -> CatalogEntry:
    return dataclasses.replace(
        _base(0, family, c.SOCK_RAW, c.IPPROTO_IP, name),
        catalog_id=catalog_id,
        provider_flags=c.PFL_MATCHES_PROTOCOL_ZERO | c.PFL_HIDDEN,
        protocol_max_offset=255,
        message_size=65535,
    )


def _base(number: int, family: int, kind: int, protocol: int, name: str) -> CatalogEntry:
    size = 16 if family == c.AF_INET else 28
    stream = kind == c.SOCK_STREAM
    return CatalogEntry(
        address_family=family,
        socket_type=kind,
        protocol=protocol,
        name=f"ws2spi Tcpip [{name}]",
        provider_id=BASE_IPV4 if family == c.AF_INET else BASE_IPV6,
        catalog_id=FIRST_ID + number,
        service_flags=(_TCP if stream else _UDP) | c.XP1_IFS_HANDLES,
        max_sockaddr=size,
        min_sockaddr=size,
        message_size=0 if stream else 65507 if family == c.AF_INET else 65527,
    )


BASE_ENTRIES = (
    _base(0, c.AF_INET, c.SOCK_STREAM, c.IPPROTO_TCP, "TCP/IP"),
    _base(1, c.AF_INET, c.SOCK_DGRAM, c.IPPROTO_UDP, "UDP/IP"),
    _base(2, c.AF_INET6, c.SOCK_STREAM, c.IPPROTO_TCP, "TCP/IPv6"),
    _base(3, c.AF_INET6, c.SOCK_DGRAM, c.IPPROTO_UDP, "UDP/IPv6"),
    _raw(_RAW_IPV4_ID, c.AF_INET, "RAW/IP"),
    _raw(_RAW_IPV6_ID, c.AF_INET6, "RAW/IPv6"),
)
NEXT_ID = 1 + max(entry.catalog_id for entry in BASE_ENTRIES)  # what the first entry of a new catalog gets
