"""Which entry socket(family, type, protocol) means."""

from collections.abc import Sequence

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._runtime.catalog.entries import CatalogEntry


def find(entries: Sequence[CatalogEntry], family: int, kind: int, protocol: int) -> CatalogEntry:
    """Return the first of `entries` that matches; layers' own entries (ChainLen 0) never do.

    A hidden entry (raw sockets, which match every protocol) is meant by who names its type, and by nobody else.

    Errors, in the order of the tests (witness R1 to R5): WSAEINVAL (neither family nor protocol given, or an empty
    catalog), WSAESOCKTNOSUPPORT (no entry of that type), WSAEAFNOSUPPORT (none of that family with that type),
    WSAEPROTOTYPE (the family has the protocol for another type), WSAEPROTONOSUPPORT.
    """
    usable = [entry for entry in entries if entry.chain_length]
    if (not family and not protocol) or not usable:
        raise WinsockError(WSAError.WSAEINVAL, "neither family nor protocol given" if usable else "no providers")
    shown = [entry for entry in usable if not entry.hidden]
    of_type = [entry for entry in usable if entry.socket_type == kind] if kind else shown
    if not of_type:
        raise WinsockError(WSAError.WSAESOCKTNOSUPPORT, f"socket type {kind}")
    of_family = [entry for entry in of_type if not family or entry.address_family == family]
    if not of_family:
        raise WinsockError(WSAError.WSAEAFNOSUPPORT, f"address family {family}")
    for entry in of_family:
        if entry.has_protocol(protocol):
            return entry
    relatives = (entry for entry in shown if not family or entry.address_family == family)
    if any(entry.has_protocol(protocol) for entry in relatives):
        raise WinsockError(WSAError.WSAEPROTOTYPE, f"protocol {protocol} with socket type {kind}")
    raise WinsockError(WSAError.WSAEPROTONOSUPPORT, f"protocol {protocol}")
