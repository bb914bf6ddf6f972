"""The provider catalog of this process: entries, their order, and the choice that socket() makes among them.

Kept in memory; what was installed goes with the process. The order of the list is at once the order of enumeration
and of matching (spec: catalog 5).
"""

import dataclasses
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._runtime.provider import Provider

FIRST_ID = 1001  # where a new catalog starts; ids only grow, so that a removed entry's id never means another one


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

    def has_protocol(self, protocol: int) -> bool:
        """True when socket()'s third argument means this entry."""
        if self.protocol <= protocol <= self.protocol + self.protocol_max_offset:
            return True
        return protocol == 0 and bool(self.provider_flags & c.PFL_MATCHES_PROTOCOL_ZERO)


Loader: TypeAlias = Callable[[CatalogEntry], Provider]

_TCP = c.XP1_GUARANTEED_DELIVERY | c.XP1_GUARANTEED_ORDER | c.XP1_GRACEFUL_CLOSE | c.XP1_EXPEDITED_DATA
_UDP = c.XP1_CONNECTIONLESS | c.XP1_MESSAGE_ORIENTED | c.XP1_SUPPORT_BROADCAST | c.XP1_SUPPORT_MULTIPOINT

# The ids under which Windows' own base providers are known: programs that look for "the base provider" by id find ours.
BASE_IPV4 = uuid.UUID("e70f1aa0-ab8b-11cf-8ca3-00805f48a192")
BASE_IPV6 = uuid.UUID("f9eab0c0-26d4-11d0-bbbf-00aa006c34e4")


def _base(family: int, kind: int, protocol: int, name: str) -> CatalogEntry:
    size = 16 if family == c.AF_INET else 28
    stream = kind == c.SOCK_STREAM
    return CatalogEntry(
        address_family=family,
        socket_type=kind,
        protocol=protocol,
        name=f"ws2spi Tcpip [{name}]",
        provider_id=BASE_IPV4 if family == c.AF_INET else BASE_IPV6,
        service_flags=(_TCP if stream else _UDP) | c.XP1_IFS_HANDLES,
        max_sockaddr=size,
        min_sockaddr=size,
        message_size=0 if stream else 65507 if family == c.AF_INET else 65527,
    )


BASE_ENTRIES = (
    _base(c.AF_INET, c.SOCK_STREAM, c.IPPROTO_TCP, "TCP/IP"),
    _base(c.AF_INET, c.SOCK_DGRAM, c.IPPROTO_UDP, "UDP/IP"),
    _base(c.AF_INET6, c.SOCK_STREAM, c.IPPROTO_TCP, "TCP/IPv6"),
    _base(c.AF_INET6, c.SOCK_DGRAM, c.IPPROTO_UDP, "UDP/IPv6"),
)


class Catalog:
    """An ordered list of entries, each with the loader of its provider.

    Parameters:
        base: loads the provider of the built-in base entries; it can be set later with `set_base`.
    """

    def __init__(self, base: Loader | None = None) -> None:
        self._base = base
        self._next_id = FIRST_ID
        self._entries: list[CatalogEntry] = []
        self._by_id: dict[int, CatalogEntry] = {}  # {catalog id: entry}
        self._loaders: dict[uuid.UUID, Loader] = {}  # {provider id: loader}; the base ids are not in it
        self.reset()

    def set_base(self, loader: Loader) -> None:
        """Make `loader` the one that gives the provider of the built-in base entries."""
        self._base = loader

    def reset(self) -> None:
        """Drop what was installed; the base entries come back under fresh positions and their first ids."""
        self._entries.clear()
        self._by_id.clear()
        self._loaders.clear()
        for number, entry in enumerate(BASE_ENTRIES):
            self._append(dataclasses.replace(entry, catalog_id=FIRST_ID + number), top=False)
        self._next_id = max(self._next_id, FIRST_ID + len(BASE_ENTRIES))

    def _append(self, entry: CatalogEntry, *, top: bool, position: int = 0) -> None:
        self._entries.insert(position if top else len(self._entries), entry)
        self._by_id[entry.catalog_id] = entry

    def install(self, entries: Sequence[CatalogEntry], loader: Loader, *, top: bool = True) -> list[CatalogEntry]:
        """Add the entries of one provider, at the top of the order or at its end; return them with their ids.

        A 0 in an entry's `chain` stands for the id of the first entry of this very call: the layer's own one.

        Errors:
            WSAEINVAL: no entries, or a chain that is too long or names an id the catalog does not have.
            WSANO_RECOVERY: one of the provider ids is installed already.
        """
        if not entries:
            raise WinsockError(WSAError.WSAEINVAL, "no entries to install")
        own_id = self._next_id
        known = set(self._by_id) | {0}
        for entry in entries:
            if len(entry.chain) > c.MAX_PROTOCOL_CHAIN or not known.issuperset(entry.chain):
                raise WinsockError(WSAError.WSAEINVAL, f"chain {entry.chain} of {entry.name!r}")
            if entry.provider_id in self._loaders or entry.provider_id in (BASE_IPV4, BASE_IPV6):
                raise WinsockError(WSAError.WSANO_RECOVERY, f"provider {entry.provider_id} is already installed")
        installed = []
        for position, entry in enumerate(entries):
            chain = tuple(member or own_id for member in entry.chain)
            numbered = dataclasses.replace(entry, catalog_id=self._next_id, chain=chain)
            self._next_id += 1
            self._append(numbered, top=top, position=position)
            self._loaders[entry.provider_id] = loader
            installed.append(numbered)
        return installed

    def remove(self, ids: Iterable[int]) -> None:
        """Take entries out; chains that still name them stay, and fail when they are loaded (spec: catalog 11.3)."""
        for catalog_id in ids:
            entry = self._by_id.pop(catalog_id, None)
            if entry is None:
                continue
            self._entries.remove(entry)
            if not any(other.provider_id == entry.provider_id for other in self._entries):
                self._loaders.pop(entry.provider_id, None)

    def get(self, catalog_id: int) -> CatalogEntry | None:
        """Return the entry of an id, or None."""
        return self._by_id.get(catalog_id)

    def by_provider(self, provider_id: uuid.UUID) -> CatalogEntry | None:
        """Return the first entry of a provider id, or None."""
        for entry in self._entries:
            if entry.provider_id == provider_id:
                return entry
        return None

    def loader(self, entry: CatalogEntry) -> Loader:
        """Return what loads the provider of `entry`; WSAEPROVIDERFAILEDINIT when there is nothing to load."""
        loader = self._base if entry.provider_id in (BASE_IPV4, BASE_IPV6) else self._loaders.get(entry.provider_id)
        if loader is None:
            raise WinsockError(WSAError.WSAEPROVIDERFAILEDINIT, f"nothing loads provider {entry.provider_id}")
        return loader

    def enum_protocols(self, protocols: Iterable[int] | None = None, *, hidden: bool = False) -> list[CatalogEntry]:
        """Return the entries in order: all, or those whose protocol is listed; hidden ones and layers on demand."""
        wanted = None if protocols is None else set(protocols)
        return [
            entry
            for entry in self._entries
            if (hidden or not entry.hidden) and (wanted is None or entry.protocol in wanted)
        ]

    def find(self, family: int, kind: int, protocol: int) -> CatalogEntry:
        """Return the entry that socket(family, kind, protocol) means: the first one that matches.

        Errors, in the order of the tests: WSAEINVAL (neither family nor protocol given, or an empty catalog),
        WSAESOCKTNOSUPPORT (no entry of that type), WSAEAFNOSUPPORT (none of that family with that type),
        WSAEPROTOTYPE (the family has the protocol for another type), WSAEPROTONOSUPPORT.
        """
        entries = [entry for entry in self._entries if entry.chain_length]
        if (not family and not protocol) or not entries:
            raise WinsockError(WSAError.WSAEINVAL, "neither family nor protocol given" if entries else "no providers")
        of_type = [entry for entry in entries if not kind or entry.socket_type == kind]
        if not of_type:
            raise WinsockError(WSAError.WSAESOCKTNOSUPPORT, f"socket type {kind}")
        of_family = [entry for entry in of_type if not family or entry.address_family == family]
        if not of_family:
            raise WinsockError(WSAError.WSAEAFNOSUPPORT, f"address family {family}")
        for entry in of_family:
            if entry.has_protocol(protocol):
                return entry
        relatives = (entry for entry in entries if not family or entry.address_family == family)
        if any(entry.has_protocol(protocol) for entry in relatives):
            raise WinsockError(WSAError.WSAEPROTOTYPE, f"protocol {protocol} with socket type {kind}")
        raise WinsockError(WSAError.WSAEPROTONOSUPPORT, f"protocol {protocol}")
