"""SOCKET to provider: which provider owns a handle, and what the runtime knows about the handle itself.

A SOCKET is a file descriptor, and the kernel gives numbers out again. Rules:

1. An entry is known by (number, inode). Whatever closes a descriptor compares the inode first, so that a stale owner
   never acts on a stranger.
2. A number that is registered anew replaces what was known under it; the stale owner is told through `on_purge`.
3. `lookup` compares nothing: a handle that the client closed behind our back is noticed when its hidden end hangs up,
   or by rule 2. One dict access keeps every call cheap (measured: 0.1 µs; an fstat would make it 0.8).
"""

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._executive.overlapped import pending_at
from ws2spi._executive.ports import CompletionPort
from ws2spi._executive.threads import Thread
from ws2spi._runtime.catalog import CatalogEntry
from ws2spi._runtime.provider import Provider

if TYPE_CHECKING:
    from ws2spi._runtime.tables import ProcTable


class SocketEntry:
    """One SOCKET as one provider sees it.

    An IFS layer registers its lower provider's number again under its own name. Then `below` is the lower provider's
    entry for the same number, and calls reach the layer first.
    """

    __slots__ = (
        "below",
        "catalog_id",
        "context",
        "direct",
        "family",
        "ifs",
        "info",
        "inode",
        "key",
        "number",
        "on_purge",
        "overlapped",
        "pair",
        "port",
        "protocol",
        "provider",
        "skip_on_success",
        "state",
        "table",
        "type",
    )

    def __init__(
        self,
        number: int,
        inode: int,
        provider: Provider,
        info: CatalogEntry,
        table: "ProcTable",
        *,
        context: object = 0,
        ifs: bool,
    ) -> None:
        self.number = number
        self.inode = inode
        self.provider = provider
        self.info = info
        self.table = table  # the provider's functions under their C signatures
        # The provider itself where the table only converts for it: callers with Python values need not go through it.
        self.direct = None if getattr(provider, "table", None) is table else provider
        self.catalog_id = info.catalog_id
        self.context = context
        self.ifs = ifs
        self.family = info.address_family
        self.type = info.socket_type
        self.protocol = info.protocol
        self.overlapped = True  # WSPSocket's dispatch stores what the flags said
        self.port: CompletionPort | None = None
        self.key = 0
        self.skip_on_success = False  # FILE_SKIP_COMPLETION_PORT_ON_SUCCESS
        self.state: Any = None  # the provider's own
        self.pair: Any = None  # the redirector's pair of a handle made by create_socket_handle
        self.below: SocketEntry | None = None
        self.on_purge: Callable[[SocketEntry], None] | None = None

    def __repr__(self) -> str:
        kind = "ifs" if self.ifs else "non-ifs"
        return f"<SocketEntry {self.number} {kind} catalog={self.catalog_id} inode={self.inode}>"

    def layers(self) -> "Iterator[SocketEntry]":
        """Yield this entry and those below it that share its number."""
        entry: SocketEntry | None = self
        while entry is not None:
            yield entry
            entry = entry.below

    def maker(self) -> "SocketEntry":
        """Return the entry of who made the handle: the lowest one."""
        entry = self
        while entry.below is not None:
            entry = entry.below
        return entry

    def of(self, provider: Provider) -> "SocketEntry | None":
        """Return the entry that `provider` made for this number, or None."""
        for entry in self.layers():
            if entry.provider is provider:
                return entry
        return None

    def still_ours(self) -> bool:
        """True while the descriptor of that number is the one this entry was made for."""
        try:
            return os.fstat(self.number).st_ino == self.inode
        except OSError:
            return False


class SocketTable:
    """Every SOCKET of the process."""

    __slots__ = ("entries",)

    def __init__(self) -> None:
        self.entries: dict[int, SocketEntry] = {}  # {number: topmost entry}

    def __len__(self) -> int:
        return len(self.entries)

    def lookup(self, number: int) -> SocketEntry:
        """Return the entry that calls on `number` go to; WSAENOTSOCK for everything else."""
        entry = self.entries.get(number)
        if entry is None:
            raise WinsockError(WSAError.WSAENOTSOCK, f"socket {number}")
        return entry

    def insert(self, entry: SocketEntry) -> None:
        """Register a new handle. What was known under its number is stale: the kernel gives no live number twice."""
        stale = self.entries.get(entry.number)
        self.entries[entry.number] = entry
        if stale is not None:
            _tell_purged(stale)

    def overlay(self, entry: SocketEntry) -> None:
        """Register a number again for an IFS layer: the last registration wins, the lower one stays reachable below.

        The port and the pair belong to the handle, not to a layer, so the new entry has them too.
        """
        lower = self.entries.get(entry.number)
        if lower is not None and lower.inode == entry.inode:
            entry.below = lower.below if lower.provider is entry.provider else lower
            entry.port, entry.key, entry.skip_on_success = lower.port, lower.key, lower.skip_on_success
            entry.overlapped, entry.pair = lower.overlapped, lower.pair
            self.entries[entry.number] = entry
        else:
            self.insert(entry)

    def remove(self, entry: SocketEntry) -> bool:
        """Forget the handle for every layer that shares it; False when it was not registered any more."""
        top = self.entries.get(entry.number)
        if top is None or all(one is not entry for one in top.layers()):
            return False
        # Look and delete are two steps: only the owner of a handle removes it, before its number can come again.
        del self.entries[entry.number]
        return True

    def clear(self) -> list[SocketEntry]:
        """Forget every handle; return what was registered."""
        entries = list(self.entries.values())
        self.entries.clear()
        return entries


def _tell_purged(stale: SocketEntry) -> None:
    for entry in stale.layers():
        if entry.on_purge is not None:
            entry.on_purge(entry)


sockets = SocketTable()
lookup = sockets.lookup


def associate(number: int, port: CompletionPort, key: int) -> None:
    """Tie a completion port to a SOCKET: from now on completions without a routine post a packet with `key`.

    Errors:
        WSA_INVALID_HANDLE: `number` is no socket.
        WSA_INVALID_PARAMETER: a port is associated already, or the socket was not opened for overlapped I/O.
    """
    entry = _entry(number)
    if entry.port is not None or not entry.overlapped:
        raise WinsockError(WSAError.WSA_INVALID_PARAMETER, f"socket {number}")
    # The key first: a completion that sees the port finds its key.
    for layer in entry.layers():
        layer.key = key
    for layer in entry.layers():
        layer.port = port


def cancel_io(number: int, thread: Thread) -> int:
    """Ask the operations that `thread` started on a SOCKET to end; return how many were asked.

    Errors:
        WSA_INVALID_HANDLE: `number` is no socket.
    """
    entry = _entry(number)
    return sum(layer.provider.cancel(layer, thread, None) for layer in entry.layers())


def cancel_io_ex(number: int, overlapped_address: int = 0) -> int:
    """Ask one operation of a SOCKET to end, known by its OVERLAPPED's address, or all; return how many were asked.

    Errors:
        WSA_INVALID_HANDLE: `number` is no socket.
    """
    entry = _entry(number)
    record = None
    if overlapped_address:
        record = pending_at(overlapped_address)
        if record is None:
            return 0
    return sum(layer.provider.cancel(layer, None, record) for layer in entry.layers())


def is_socket(number: int) -> bool:
    """Tell whether a handle is a SOCKET of this process."""
    return number in sockets.entries


def _entry(number: int) -> SocketEntry:
    entry = sockets.entries.get(number)
    if entry is None:
        raise WinsockError(WSAError.WSA_INVALID_HANDLE, f"socket {number}")
    return entry
