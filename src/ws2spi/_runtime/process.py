"""The process as Ws2_32 sees it: how often it was started, its catalog, its loaded providers, its engine.

A forked child has no runtime: it starts uninitialised, with no sockets, and what it inherited goes on through the
parent. Nothing inherited is closed there, so the child's copies of the descriptors keep working.
"""

import atexit
import importlib
import os
import threading
from _thread import get_ident
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine import lingering, reports
from ws2spi._runtime.catalog import Catalog, CatalogEntry, Loader, place
from ws2spi._runtime.catalog.categories import permitted, this_process
from ws2spi._runtime.catalog.snapshot import Snapshot
from ws2spi._runtime.provider import Provider
from ws2spi._runtime.sockets import SocketTable, sockets
from ws2spi._runtime.started import StartedProviders, Turn

if TYPE_CHECKING:
    from ws2spi._engine.epoll import Engine
    from ws2spi._runtime.tables import ProcTable

HIGHEST_VERSION = 0x0202  # low byte major, high byte minor
# Loaded by name: they stand on lower floors than this folder, or are not wanted by everybody.
BASE_PROVIDER = "ws2spi.providers.base"
_LOADING = "ws2spi._runtime.loading"
_STORE = "ws2spi._runtime.catalog.store"


class Versions(NamedTuple):
    """What WSADATA and WSPDATA report: the version to be used and the highest there is."""

    version: int
    highest: int


def _nothing() -> None:
    pass


class Extension(NamedTuple):
    """Who takes part in the runtime's life: see `Runtime.extend`."""

    unload: Callable[[], None]
    forget: Callable[[], None]
    unloaded: Callable[[], None]


class HandleMaker(NamedTuple):
    """What all handles of a non-IFS entry have in common."""

    info: CatalogEntry
    provider: Provider
    table: "ProcTable"
    stream: bool
    engine: "Engine"


def negotiate(requested: int) -> Versions | None:
    """Return the versions for a requested one (low byte major, high byte minor); None when it is not supported.

    Any 1.x beyond 1.1 becomes 1.1 and anything from 2.2 on becomes 2.2; below 1.0 nothing is offered.
    """
    major, minor = requested & 0xFF, requested >> 8 & 0xFF
    if major == 0:
        return None
    if major == 1:
        return Versions(0x0001 | min(minor, 1) << 8, HIGHEST_VERSION)
    if major == 2:
        return Versions(0x0002 | min(minor, 2) << 8, HIGHEST_VERSION)
    return Versions(HIGHEST_VERSION, HIGHEST_VERSION)


def _ordered(version: int) -> tuple[int, int]:
    return version & 0xFF, version >> 8


def _load_base(entry: CatalogEntry) -> Provider:
    loader: Loader = importlib.import_module(BASE_PROVIDER).provider
    return loader(entry)


def _load_stored(path: str) -> Loader:
    loader: Loader = importlib.import_module(_LOADING).loader_of(path)
    return loader


class Runtime:
    """The one runtime of a process.

    `starts` counts successful WSAStartup calls not yet balanced. `initialised` is longer true than `starts` is above
    zero: while the last WSACleanup runs, API calls already fail, but providers still use their upcalls.
    """

    def __init__(self) -> None:
        self.catalog = Catalog(_load_base, _load_stored)
        self._application: tuple[int | None] | None = None  # (permitted LSP categories,), once they were looked up
        self.sockets: SocketTable = sockets
        self.starts = 0
        self.initialised = False
        self.oldest = HIGHEST_VERSION  # the oldest version that a start since the last clean-up has agreed to
        self._engine: Engine | None = None
        self.providers = StartedProviders(self._load)
        self.makers: dict[int, HandleMaker] = {}  # {catalog id: how its handles are made}
        self.served: dict[int, Any] = {}  # {id of a provider: its served table's owner, which keeps the provider}
        self._lock = threading.RLock()  # the counts of start-up and clean-up; no foreign code runs under it
        self._cleaning: Turn | None = None  # the last WSACleanup, while it runs
        self._told: set[str] = set()  # what was reported
        self._inherited: list[object] = []  # a child keeps what it must not close
        self._extensions: list[Extension] = []

    def __repr__(self) -> str:
        return f"<Runtime starts={self.starts} sockets={len(self.sockets)} providers={len(self.providers)}>"

    def require(self) -> None:
        """Raise WSANOTINITIALISED unless WSAStartup succeeded and is not yet balanced."""
        if not self.starts:
            raise WinsockError(WSAError.WSANOTINITIALISED)

    def require_upcalls(self) -> None:
        """Raise WSANOTINITIALISED unless providers may call up."""
        if not self.initialised:
            raise WinsockError(WSAError.WSANOTINITIALISED)

    def extend(
        self,
        unload: Callable[[], None] = _nothing,
        forget: Callable[[], None] = _nothing,
        unloaded: Callable[[], None] = _nothing,
    ) -> None:
        """Take part in the runtime's life: `unload` runs in the last WSACleanup before the providers clean up,
        `unloaded` after that, `forget` in a forked child.
        """
        self._extensions.append(Extension(unload, forget, unloaded))

    def startup(self, requested: int = HIGHEST_VERSION) -> Versions:
        """Count one start, after a last clean-up that runs on another thread.

        The first one, and the first after a full clean-up, reads the stored catalog.

        Errors:
            WSAVERNOTSUPPORTED: a version below 1.0.
            WSASYSNOTREADY: a provider asks from within its own WSPCleanup; or there is a catalog file and it cannot be
                read, and why is told on stderr.
        """
        versions = negotiate(requested)
        if versions is None:
            raise WinsockError(WSAError.WSAVERNOTSUPPORTED, f"version {requested & 0xFF}.{requested >> 8 & 0xFF}")
        while True:
            if not self.starts:
                self._read_catalog_at_start()
            with self._lock:
                cleaning = self._cleaning
                if cleaning is None:
                    if not self.starts or _ordered(versions.version) < _ordered(self.oldest):
                        self.oldest = versions.version
                    self.initialised = True
                    self.starts += 1
                    return versions
            if cleaning.thread == get_ident():
                raise WinsockError(WSAError.WSASYSNOTREADY, "the process is cleaning up")
            cleaning.wait()

    def _read_catalog_at_start(self) -> None:
        try:
            self.read_catalog()
        except WinsockError as error:
            # Going on with the built-in entries would leave out what somebody installed: a firewall, perhaps.
            reports.report(f"the catalog of providers cannot be read: {error.detail}")
            raise WinsockError(WSAError.WSASYSNOTREADY, error.detail) from error

    def foresee_catalog(self) -> None:
        """Before the first WSAStartup, read what it will read; what is laid over the catalog now lies over all of it.

        Errors:
            As `StoredCatalog.view`.
        """
        if not self.starts:
            self.read_catalog()

    def read_catalog(self) -> None:
        """Make what the catalog file holds now what this process sees; sockets that exist stay as they are.

        Which layers the application permits is looked up once and stays for the life of the process.

        Errors:
            As `StoredCatalog.view`.
        """
        snapshot, applications = Snapshot(), {}
        if place.exists():
            snapshot, applications, _ = importlib.import_module(_STORE).StoredCatalog().view()
        if self._application is None:
            self._application = (permitted(applications, *this_process()) if applications else None,)
        self.catalog.take(snapshot, self._application[0])

    def cleanup(self) -> None:
        """Balance one start. The last one ends every socket, without telling who waits for pending operations.

        What sends had accepted is delivered first; peers that do not read are waited for ten seconds. A provider that
        another thread is loading is not waited for: see `started`.

        Errors:
            WSANOTINITIALISED: nothing left to balance.
        """
        mine = Turn()
        try:
            with self._lock:
                self.require()
                if self.starts > 1:
                    self.starts -= 1
                    return
                self._cleaning = mine
                self.starts = 0
            self._unload()
        finally:
            if self._cleaning is mine:
                self.initialised = False
                self._cleaning = None
                mine.end()
        # Afterwards: the layers go on until their last byte is out.
        lingering.finish()

    def _unload(self) -> None:
        try:
            for extension in self._extensions:
                extension.unload()
            self.providers.clean_up()
            for extension in self._extensions:
                extension.unloaded()
        finally:
            self.served.clear()
            self.makers.clear()
            for left in self.sockets.clear():
                if left.pair is not None:
                    abandon = getattr(left.pair.behind, "abandon", None)
                    if abandon is not None:
                        abandon()
                    left.pair.close()

    def provider(self, entry: CatalogEntry) -> Provider:
        """Return the provider of a catalog entry, loading it at the first use: see `StartedProviders.provider`."""
        return self.providers.provider(entry)

    def choose(self, family: int, kind: int, protocol: int) -> CatalogEntry:
        """Return the entry that socket() means; as `Catalog.find`, and WSAEPROVIDERFAILEDINIT for a broken chain."""
        return self._checked(self.catalog.find(family, kind, protocol))

    def named(self, catalog_id: int) -> CatalogEntry:
        """Return the entry that a WSAPROTOCOL_INFO names by its id.

        Errors:
            WSAEINVAL: no such entry, or a layer's own, of which no socket can be made.
            WSAEPROVIDERFAILEDINIT: a broken chain, or one that this application does not admit.
        """
        entry = self.catalog.get(catalog_id)
        if entry is None or not entry.chain_length:
            raise WinsockError(WSAError.WSAEINVAL, f"catalog entry {catalog_id}")
        return self._checked(entry)

    def _checked(self, entry: CatalogEntry) -> CatalogEntry:
        if entry.chain:
            try:
                self.catalog.check(entry)
            except WinsockError as error:
                self._tell(error.detail)
                raise
        return entry

    def _tell(self, text: str) -> None:
        """Report a failure to load, once: a program may try again and again."""
        if text not in self._told:
            self._told.add(text)
            reports.report(text)

    def _load(self, entry: CatalogEntry) -> Provider:
        try:
            return self.catalog.loader(entry)(entry)
        except WinsockError as error:
            self._tell(f"{entry.name} cannot be loaded: {error}")
            raise
        except Exception as error:
            self._tell(f"{entry.name} cannot be loaded: {error!r}")
            raise WinsockError(WSAError.WSAEPROVIDERFAILEDINIT, f"{entry.name}: {error!r}") from error

    @property
    def engine(self) -> "Engine":
        """The engine of this process, started at the first use."""
        engine = self._engine
        if engine is None:
            with self._lock:
                if self._engine is None:
                    from ws2spi._engine.epoll import Engine

                    engine = Engine()
                    engine.start()
                    atexit.register(self._end_of_process)
                    self._engine = engine
                engine = self._engine
        return engine

    def _end_of_process(self) -> None:
        """Without WSACleanup: what sends had accepted is still delivered."""
        for provider in self.providers.all():
            deliver = getattr(provider, "deliver", None)
            if deliver is not None:
                deliver()
        lingering.finish()

    def forget(self) -> None:
        """In a forked child: start anew without closing what the parent goes on using."""
        self._inherited.append((self._engine, self.providers, self.served, dict(self.sockets.entries)))
        for provider in self.providers.all():
            forget = getattr(provider, "forget", None)
            if forget is not None:
                forget()
        self._lock = threading.RLock()
        self._cleaning = None
        self._engine = None
        self.providers = StartedProviders(self._load)
        self.served = {}
        self.makers = {}
        self.sockets.entries.clear()
        self.starts = 0
        self.initialised = False
        for extension in self._extensions:
            extension.forget()
        self._application = None


runtime = Runtime()
os.register_at_fork(after_in_child=runtime.forget)
os.register_at_fork(after_in_child=lingering.forget)
