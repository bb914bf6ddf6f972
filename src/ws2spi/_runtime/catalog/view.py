"""The catalog as this process sees it: what the file held at the start-up, and what the process installed for itself.

The order is: what the process put on top, then the stored entries, then what it put at the end. An entry that has gone
from the view is still known by its id: sockets made of it live on.
"""

import dataclasses
import uuid
from collections.abc import Callable, Iterable, Sequence

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._runtime.catalog.categories import admits
from ws2spi._runtime.catalog.entries import (
    BASE_ENTRIES,
    BASE_PROVIDERS,
    FIRST_PRIVATE_ID,
    PATH_PREFIX,
    CatalogEntry,
    Loader,
)
from ws2spi._runtime.catalog.matching import find
from ws2spi._runtime.catalog.snapshot import BASE_PATH, Installed, Snapshot


class Catalog:
    """An ordered list of entries, each with the loader of its provider.

    Parameters:
        base: loads the provider of the built-in base entries; it can be set later with `set_base`.
        stored: loads a provider by its path.

    Attributes:
        changed: called after every change that this process makes to its own view.
    """

    def __init__(self, base: Loader | None = None, stored: "Callable[[str], Loader] | None" = None) -> None:
        self._base = base
        self._stored_loader = stored
        self._next_id = FIRST_PRIVATE_ID
        self.changed: Callable[[], None] = lambda: None
        self._clear()

    def _clear(self) -> None:
        self._top: list[CatalogEntry] = []
        self._bottom: list[CatalogEntry] = []
        self._loaders: dict[uuid.UUID, Loader] = {}  # {provider id: loader} of what the process itself installed
        self._providers: dict[uuid.UUID, Installed] = {}  # the stored ones
        self._stored: tuple[CatalogEntry, ...] = BASE_ENTRIES
        self._refused: frozenset[int] = frozenset()  # ids of entries with a layer that the application does not admit
        self._gone: dict[int, CatalogEntry] = {}  # {id: entry} of those that are no longer in the view
        self._renew()

    def _renew(self) -> None:
        """Put the parts together; each list is replaced whole, so that who walks one is not disturbed."""
        self._entries = [*self._top, *self._stored, *self._bottom]
        self._by_id = {entry.catalog_id: entry for entry in self._entries}
        self._usable = [entry for entry in self._entries if entry.catalog_id not in self._refused]

    def set_base(self, loader: Loader) -> None:
        """Make `loader` the one that gives the provider of the built-in base entries."""
        self._base = loader

    def reset(self) -> None:
        """Drop what the process installed and what it read; the built-in entries are left."""
        self._clear()

    def take(self, snapshot: Snapshot, application: int | None = None) -> None:
        """Make a snapshot of the stored catalog the middle of the view.

        Parameters:
            application: the LSP categories that this application permits, None if it was not categorised.
        """
        for entry in self._stored:
            self._gone[entry.catalog_id] = entry
        self._stored = snapshot.entries
        self._providers = dict(snapshot.providers)
        self._refused = frozenset(
            entry.catalog_id
            for entry in snapshot.entries
            if entry.chain and not all(admits(application, one) for one in layer_categories(snapshot, entry))
        )
        self._renew()

    def install(self, entries: Sequence[CatalogEntry], loader: Loader, *, top: bool = True) -> list[CatalogEntry]:
        """Add the entries of one provider for this process alone, on top or at the end; return them with their ids.

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
            if entry.provider_id in self._loaders or self.by_provider(entry.provider_id):
                raise WinsockError(WSAError.WSANO_RECOVERY, f"provider {entry.provider_id} is already installed")
        installed = []
        for entry in entries:
            chain = tuple(member or own_id for member in entry.chain)
            installed.append(dataclasses.replace(entry, catalog_id=self._next_id, chain=chain))
            self._next_id += 1
            self._loaders[entry.provider_id] = loader
        if top:
            self._top = [*installed, *self._top]
        else:
            self._bottom = [*self._bottom, *installed]
        self._renew()
        self.changed()
        return installed

    def remove(self, ids: Iterable[int]) -> None:
        """Take entries out of the view; chains that still name them stay, and fail when they are loaded."""
        gone = set(ids)
        for entry in self._entries:
            if entry.catalog_id in gone:
                self._gone[entry.catalog_id] = entry
        self._top = [entry for entry in self._top if entry.catalog_id not in gone]
        self._bottom = [entry for entry in self._bottom if entry.catalog_id not in gone]
        self._stored = tuple(entry for entry in self._stored if entry.catalog_id not in gone)
        self._renew()
        left = {entry.provider_id for entry in self._entries}
        self._loaders = {provider: loader for provider, loader in self._loaders.items() if provider in left}
        self.changed()

    # -- looking ---------------------------------------------------------------------------------------------------

    def get(self, catalog_id: int) -> CatalogEntry | None:
        """Return the entry of an id, or None."""
        return self._by_id.get(catalog_id)

    def recall(self, catalog_id: int) -> CatalogEntry | None:
        """Return the entry of an id also when it has gone from the view since, or None."""
        return self._by_id.get(catalog_id) or self._gone.get(catalog_id)

    def by_provider(self, provider_id: uuid.UUID) -> CatalogEntry | None:
        """Return the first entry of a provider id, or None."""
        for entry in self._entries:
            if entry.provider_id == provider_id:
                return entry
        return None

    def stored(self, provider_id: uuid.UUID) -> Installed | None:
        """Return what the stored catalog says of a provider id, None for one of this process alone."""
        return self._providers.get(provider_id)

    def path(self, provider_id: uuid.UUID, snapshot: Snapshot | None = None) -> str:
        """Return where a provider is loaded from: as it was stored, else `ws2spi:` and its id.

        Parameters:
            snapshot: asked before this process's own view.
        Errors:
            WSAEINVAL: nobody has that provider id.
        """
        known = (snapshot.providers if snapshot is not None else {}).get(provider_id)
        if known is None and self.by_provider(provider_id) is None:
            raise WinsockError(WSAError.WSAEINVAL, f"provider {provider_id}")
        known = known or self._providers.get(provider_id)
        return f"{PATH_PREFIX}{provider_id}" if known is None or known.path == BASE_PATH else known.path

    def beside(self, snapshot: Snapshot) -> list[CatalogEntry]:
        """Return the entries of a snapshot, with those of this process alone around them."""
        return [*self._top, *snapshot.entries, *self._bottom]

    def is_private(self, catalog_id: int) -> bool:
        """Tell whether an entry is this process's alone."""
        return any(entry.catalog_id == catalog_id for entry in (*self._top, *self._bottom))

    def check(self, chain: CatalogEntry) -> None:
        """Raise WSAEPROVIDERFAILEDINIT for a chain that cannot be used.

        Errors:
            WSAEPROVIDERFAILEDINIT: a member of it is gone, or the application does not admit a layer of it.
        """
        missing = [member for member in chain.chain if member not in self._by_id]
        if missing:
            gone = ", ".join(map(str, missing))
            raise WinsockError(WSAError.WSAEPROVIDERFAILEDINIT, f"{chain.name}: its chain is broken, {gone} is gone")
        if chain.catalog_id in self._refused:
            detail = f"{chain.name}: a layer's categories are not among those of this application"
            raise WinsockError(WSAError.WSAEPROVIDERFAILEDINIT, detail)

    def loader(self, entry: CatalogEntry) -> Loader:
        """Return what loads the provider of `entry`.

        Errors:
            WSAEPROVIDERFAILEDINIT: nothing does, or as `check`.
        """
        self.check(entry)
        known = self._providers.get(entry.provider_id)
        built_in = entry.provider_id in BASE_PROVIDERS and (known is None or known.path == BASE_PATH)
        loader = self._base if built_in else self._loaders.get(entry.provider_id)
        if loader is None and known is not None and self._stored_loader is not None:
            loader = self._stored_loader(known.path)
        if loader is None:
            raise WinsockError(WSAError.WSAEPROVIDERFAILEDINIT, f"nothing loads provider {entry.provider_id}")
        return loader

    def enum_protocols(self, protocols: Iterable[int] | None = None, *, hidden: bool = False) -> list[CatalogEntry]:
        """Return the entries in order: all, or those whose protocol is listed; hidden ones and layers on demand.

        Without `hidden`, what this application does not admit is left out too.
        """
        wanted = None if protocols is None else set(protocols)
        return [
            entry
            for entry in (self._entries if hidden else self._usable)
            if (hidden or not entry.hidden) and (wanted is None or entry.protocol in wanted)
        ]

    def find(self, family: int, kind: int, protocol: int) -> CatalogEntry:
        """Return the entry that socket(family, kind, protocol) means, with the codes of `matching.find`.

        Chains with a layer that the application does not admit are passed over.
        """
        return find(self._usable, family, kind, protocol)


def layer_categories(snapshot: Snapshot, chain: CatalogEntry) -> list[int | None]:
    """Return the categories of every layer of a chain, from the top; None for one that was not categorised.

    A layer is categorised under the provider id of its own entry, the first member of the chain that it made.
    """
    found: list[int | None] = []
    seen = set()
    entry: CatalogEntry | None = chain
    while entry is not None and entry.chain and entry.catalog_id not in seen:
        seen.add(entry.catalog_id)
        own = snapshot.get(entry.chain[0])
        provider = own.provider_id if own is not None and not own.chain_length else entry.provider_id
        known = snapshot.providers.get(provider)
        found.append(known.categories if known is not None else None)
        entry = snapshot.get(entry.chain[1]) if len(entry.chain) > 1 else None
    return found
