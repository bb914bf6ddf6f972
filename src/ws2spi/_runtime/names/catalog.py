"""The name-space catalog: which providers are installed, in which order they are asked, and which of them run here.

Rules:
1. A process goes on with the catalog as it was when it first looked after WSAStartup: installing, removing and enabling
   change the store, and are seen from the next WSAStartup on (nf-ws2spi-wscinstallnamespace). What is installed for
   this process alone (`install_here`) is seen at once, and asked first.
2. No lock is held while a provider is loaded or started: two threads may start one at the same time, and the second
   start is balanced by a clean-up.
"""

import dataclasses
import uuid
from collections.abc import Sequence
from typing import Protocol

from ws2spi._abi import names as n
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._runtime.names import routines
from ws2spi._runtime.names.dns import DnsProvider
from ws2spi._runtime.names.loading import load
from ws2spi._runtime.names.provider import NameSpaceProvider
from ws2spi._runtime.names.routines import Started, Startup
from ws2spi._runtime.names.served import startup_of
from ws2spi._runtime.process import runtime


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


class Store(Protocol):
    """Where the entries are kept; every method is a transaction of its own."""

    def entries(self) -> list[NameSpaceEntry]:
        """Return all entries in their order."""
        ...

    def install(self, entry: NameSpaceEntry) -> None:
        """Append an entry; WSANO_RECOVERY when its id is there already."""
        ...

    def remove(self, provider_id: uuid.UUID) -> None:
        """Take an entry out; WSAEINVAL when there is none."""
        ...

    def enable(self, provider_id: uuid.UUID, active: bool) -> None:
        """Say whether queries reach a provider; WSAEINVAL when there is none."""
        ...

    def order(self, provider_ids: Sequence[uuid.UUID]) -> None:
        """Put these entries first, in this order; WSAEINVAL when one is unknown or named twice."""
        ...

    def reset(self) -> None:
        """Leave nothing but what is always there."""
        ...


BUILT_IN = "ws2spi:dns"  # the path of the provider that is always there
DNS_ENTRY = NameSpaceEntry(n.DNS_PROVIDER, n.NS_DNS, "Tcpip", BUILT_IN)


class MemoryStore:
    """Entries of this process."""

    def __init__(self) -> None:
        self._entries = [DNS_ENTRY]

    def entries(self) -> list[NameSpaceEntry]:
        return list(self._entries)

    def install(self, entry: NameSpaceEntry) -> None:
        if any(one.provider_id == entry.provider_id for one in self._entries):
            raise WinsockError(WSAError.WSANO_RECOVERY, f"provider {entry.provider_id} is already installed")
        self._entries = [*self._entries, entry]

    def remove(self, provider_id: uuid.UUID) -> None:
        self._find(provider_id)
        self._entries = [one for one in self._entries if one.provider_id != provider_id]

    def enable(self, provider_id: uuid.UUID, active: bool) -> None:
        self._find(provider_id)
        self._entries = [
            dataclasses.replace(one, active=active) if one.provider_id == provider_id else one for one in self._entries
        ]

    def order(self, provider_ids: Sequence[uuid.UUID]) -> None:
        first = [self._find(one) for one in provider_ids]
        if len(set(provider_ids)) != len(first):
            raise WinsockError(WSAError.WSAEINVAL, "a provider is named twice")
        self._entries = first + [one for one in self._entries if one not in first]

    def reset(self) -> None:
        self._entries = [DNS_ENTRY]

    def _find(self, provider_id: uuid.UUID) -> NameSpaceEntry:
        for one in self._entries:
            if one.provider_id == provider_id:
                return one
        raise WinsockError(WSAError.WSAEINVAL, f"no name-space provider {provider_id}")


class NameSpaces:
    """The catalog as this process sees it, and its started providers.

    Attributes:
        store: what is installed.
        python: {provider id: the object of a provider written in Python}, once it is started.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.python: dict[uuid.UUID, NameSpaceProvider] = {}
        self._view: list[NameSpaceEntry] | None = None
        self._here: list[tuple[NameSpaceEntry, Startup | NameSpaceProvider]] = []
        self._started: dict[uuid.UUID, Started] = {}

    def view(self) -> list[NameSpaceEntry]:
        """Return the entries that this process goes by."""
        view = self._view
        if view is None:
            view = self.store.entries()
            if runtime.starts:
                self._view = view
        return [entry for entry, _ in self._here] + view

    def install(self, entry: NameSpaceEntry) -> None:
        """Install a provider for processes that start from now on.

        Errors: WSAEINVAL (no name, no path, NS_ALL), WSANO_RECOVERY (it is installed already).
        """
        self._freeze()
        if not entry.name or not entry.path or entry.namespace == n.NS_ALL:
            raise WinsockError(WSAError.WSAEINVAL, "a provider has a name, a path and one name space")
        self.store.install(entry)

    def remove(self, provider_id: uuid.UUID) -> None:
        """Remove a provider; WSAEINVAL when there is none."""
        self._freeze()
        self.store.remove(provider_id)

    def enable(self, provider_id: uuid.UUID, active: bool) -> None:
        """Activate or deactivate a provider; WSAEINVAL when there is none."""
        self._freeze()
        self.store.enable(provider_id, active)

    def order(self, provider_ids: Sequence[uuid.UUID]) -> None:
        """Put providers first; WSAEINVAL when one is unknown."""
        self._freeze()
        self.store.order(provider_ids)

    def _freeze(self) -> None:
        if runtime.starts and self._view is None:
            self.view()

    def install_here(self, provider: "Startup | NameSpaceProvider", entry: NameSpaceEntry) -> None:
        """Install a provider for this process alone, before all others and at once."""
        self._here.insert(0, (entry, provider))

    def remove_here(self, provider_id: uuid.UUID) -> None:
        """Take out what `install_here` put in."""
        self._here = [pair for pair in self._here if pair[0].provider_id != provider_id]
        self._clean_up(provider_id)

    def select(self, namespace: int, provider_id: uuid.UUID | None) -> list[NameSpaceEntry]:
        """Return the active entries that a query reaches, in their order.

        Errors:
            WSASERVICE_NOT_FOUND: there is none.
        """
        found = [
            entry
            for entry in self.view()
            if entry.active
            and (
                entry.provider_id == provider_id
                if provider_id is not None
                else namespace in (n.NS_ALL, entry.namespace)
            )
        ]
        if not found:
            raise WinsockError(WSAError.WSASERVICE_NOT_FOUND, f"no provider of name space {namespace}")
        return found

    def started(self, entry: NameSpaceEntry) -> Started:
        """Return the running provider of an entry, started at the first use.

        Errors:
            WSAEPROVIDERFAILEDINIT: it cannot be loaded or does not start. WSAEINVALIDPROCTABLE: a function is missing.
        """
        started = self._started.get(entry.provider_id)
        if started is None:
            provider = self._provider(entry)
            python = provider if isinstance(provider, NameSpaceProvider) else None
            startup = startup_of(python, entry.name) if python is not None else provider
            fresh = routines.start(startup, entry.provider_id, entry.name)  # type: ignore[arg-type]
            started = self._started.setdefault(entry.provider_id, fresh)
            if started is not fresh:
                routines.clean_up(fresh)
            elif python is not None:
                self.python[entry.provider_id] = python
        return started

    def _provider(self, entry: NameSpaceEntry) -> "Startup | NameSpaceProvider":
        for here, provider in self._here:
            if here.provider_id == entry.provider_id:
                return provider
        return DnsProvider() if entry.path == BUILT_IN else load(entry.path)

    def _clean_up(self, provider_id: uuid.UUID) -> None:
        started = self._started.pop(provider_id, None)
        self.python.pop(provider_id, None)
        if started is not None:
            routines.clean_up(started)

    def unload(self) -> None:
        """The last WSACleanup: every provider cleans up, and the next start sees the catalog as it is then."""
        self._view = None
        for provider_id in tuple(self._started):
            self._clean_up(provider_id)

    def forget(self) -> None:
        """In a forked child: start anew, and clean nothing up that the parent goes on using."""
        self._view = None
        self._started = {}
        self.python = {}


name_spaces = NameSpaces(MemoryStore())


class InstalledNameSpace:
    """A name-space provider of this process; `remove()` (or leaving the `with` block) takes it out again."""

    def __init__(self, provider_id: uuid.UUID) -> None:
        self.provider_id = provider_id

    def remove(self) -> None:
        """It is asked no more, and cleans up."""
        name_spaces.remove_here(self.provider_id)

    def __enter__(self) -> "InstalledNameSpace":
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


def install_name_space(
    provider: "NameSpaceProvider | Startup",
    name: str | None = None,
    *,
    namespace: int | None = None,
    provider_id: uuid.UUID | None = None,
) -> InstalledNameSpace:
    """Install a name-space provider for this process, before all others; lookups see it at once.

    Parameters:
        provider: an object of a NameSpaceProvider class, or an NSPStartup function.
        name: what it is called; the class's or function's name unless given.
        namespace: the NS_ number; the provider's own, else NS_DNS.
        provider_id: a new one unless given.
    Returns: what takes it out again.
    Errors: WinsockError WSAEINVAL for NS_ALL, WSANO_RECOVERY for an id that is there already.
    """
    kind = getattr(provider, "namespace", n.NS_DNS) if namespace is None else namespace
    title = name or str(getattr(provider, "__name__", type(provider).__name__))
    entry = NameSpaceEntry(provider_id or uuid.uuid4(), kind, title, "", version=getattr(provider, "version", 1))
    if kind == n.NS_ALL:
        raise WinsockError(WSAError.WSAEINVAL, "NS_ALL is no name space of its own")
    if any(one.provider_id == entry.provider_id for one in name_spaces.view()):
        raise WinsockError(WSAError.WSANO_RECOVERY, f"provider {entry.provider_id} is already installed")
    name_spaces.install_here(provider, entry)
    return InstalledNameSpace(entry.provider_id)
