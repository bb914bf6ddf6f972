"""The name-space catalog: which providers are installed, in which order they are asked, and which of them run here.

Rules:
1. A process goes on with the catalog as it was when it first looked after WSAStartup: installing, removing and enabling
   change the store, and are seen from the next WSAStartup on (nf-ws2spi-wscinstallnamespace). What is installed for
   this process alone (`install_here`) is seen at once, and asked first.
2. No lock is held while a provider is loaded or started: two threads may start one at the same time, and the second
   start is balanced by a clean-up.
"""

import functools
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ws2spi._abi import names as n
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._runtime.catalog import place
from ws2spi._runtime.names import routines
from ws2spi._runtime.names.dns import DnsProvider
from ws2spi._runtime.names.entries import BUILT_IN, DNS_ENTRY, NameSpaceEntry
from ws2spi._runtime.names.loading import load
from ws2spi._runtime.names.provider import NameSpaceProvider
from ws2spi._runtime.names.routines import Started, Startup
from ws2spi._runtime.names.served import startup_of
from ws2spi._runtime.process import runtime

if TYPE_CHECKING:
    from ws2spi._runtime.names.stored import StoredNameSpaces


class NameSpaces:
    """The catalog as this process sees it, and its started providers.

    Attributes:
        python: {provider id: the object of a provider written in Python}, once it is started.
    """

    def __init__(self) -> None:
        self.python: dict[uuid.UUID, NameSpaceProvider] = {}
        self._view: list[NameSpaceEntry] | None = None
        self._here: list[tuple[NameSpaceEntry, Startup | NameSpaceProvider]] = []
        self._started: dict[uuid.UUID, Started] = {}

    @functools.cached_property
    def store(self) -> "StoredNameSpaces":
        """What is installed. Loaded at the first use: without a catalog file nobody needs a data base."""
        from ws2spi._runtime.names.stored import StoredNameSpaces

        return StoredNameSpaces()

    def view(self) -> list[NameSpaceEntry]:
        """Return the entries that this process goes by; errors as `StoredNameSpaces`."""
        view = self._view
        if view is None:
            view = self.store.entries() if place.exists() else [DNS_ENTRY]
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


name_spaces = NameSpaces()


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
