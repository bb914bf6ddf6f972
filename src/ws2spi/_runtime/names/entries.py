"""The entries of the name-space catalog, and the rules of changing a list of them."""

import dataclasses
import uuid
from collections.abc import Sequence

from ws2spi._abi import names as n
from ws2spi._abi.errors import WinsockError, WSAError


@dataclasses.dataclass(frozen=True, slots=True)
class NameSpaceEntry:
    """A WSANAMESPACE_INFOEX with the path that is loaded; `blob` is ProviderSpecific."""

    provider_id: uuid.UUID
    namespace: int
    name: str
    path: str
    active: bool = True
    version: int = 0
    blob: bytes = b""

    def enabled(self, active: bool) -> "NameSpaceEntry":
        """Return the entry activated or not."""
        return dataclasses.replace(self, active=active)


BUILT_IN = "ws2spi:dns"  # the path of the provider that is always there
DNS_ENTRY = NameSpaceEntry(n.DNS_PROVIDER, n.NS_DNS, "Tcpip", BUILT_IN)


def require_known(entries: Sequence[NameSpaceEntry], provider_id: uuid.UUID) -> NameSpaceEntry:
    """Return the entry of an id; WSAEINVAL when there is none."""
    for one in entries:
        if one.provider_id == provider_id:
            return one
    raise WinsockError(WSAError.WSAEINVAL, f"no name-space provider {provider_id}")


def moved_first(entries: Sequence[NameSpaceEntry], provider_ids: Sequence[uuid.UUID]) -> list[NameSpaceEntry]:
    """Return the entries with some of them first; WSAEINVAL when one is unknown or named twice."""
    first = [require_known(entries, one) for one in provider_ids]
    if len(set(provider_ids)) != len(first):
        raise WinsockError(WSAError.WSAEINVAL, "a provider is named twice")
    return first + [one for one in entries if one not in first]
