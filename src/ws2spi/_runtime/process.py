"""The process as Ws2_32 sees it: how often it was started, its catalog, its loaded providers, its engine.

A forked child has no runtime: it starts uninitialised, with no sockets, and what it inherited goes on through the
parent. Nothing inherited is closed there, so the child's copies of the descriptors keep working.
"""

import atexit
import importlib
import os
import threading
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine import lingering, reports
from ws2spi._runtime.catalog import Catalog, CatalogEntry, Loader
from ws2spi._runtime.provider import Provider
from ws2spi._runtime.sockets import SocketTable, sockets

if TYPE_CHECKING:
    from ws2spi._engine.epoll import Engine
    from ws2spi._runtime.tables import ProcTable

HIGHEST_VERSION = 0x0202  # low byte major, high byte minor
BASE_PROVIDER = "ws2spi.providers.base"  # loaded by name: it stands on a lower floor than this folder


class Versions(NamedTuple):
    """What WSADATA and WSPDATA report: the version to be used and the highest there is."""

    version: int
    highest: int


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


def _load_base(entry: CatalogEntry) -> Provider:
    loader: Loader = importlib.import_module(BASE_PROVIDER).provider
    return loader(entry)


def _clean_up(entry: CatalogEntry, provider: Provider) -> None:
    """Let a provider clean up; one that fails must not keep the others from it."""
    try:
        provider.cleanup()
    except Exception as error:
        reports.report(f"{entry.name}: WSPCleanup failed: {error!r}")


class Runtime:
    """The one runtime of a process.

    `starts` counts successful WSAStartup calls not yet balanced. `initialised` is longer true than `starts` is above
    zero: while the last WSACleanup runs, API calls already fail, but providers still use their upcalls.
    """

    def __init__(self) -> None:
        self.catalog = Catalog(_load_base)
        self.sockets: SocketTable = sockets
        self.starts = 0
        self.initialised = False
        self._engine: Engine | None = None
        self._providers: dict[uuid.UUID, tuple[CatalogEntry, Provider]] = {}  # {provider id: (first entry, provider)}
        self.makers: dict[int, HandleMaker] = {}  # {catalog id: how its handles are made}
        self.served: dict[int, Any] = {}  # {id of a provider: its served table's owner, which keeps the provider}
        self._lock = threading.RLock()  # start-up, clean-up and loading; never taken by a call on a socket
        self._inherited: list[object] = []  # a child keeps what it must not close

    def __repr__(self) -> str:
        return f"<Runtime starts={self.starts} sockets={len(self.sockets)} providers={len(self._providers)}>"

    def require(self) -> None:
        """Raise WSANOTINITIALISED unless WSAStartup succeeded and is not yet balanced."""
        if not self.starts:
            raise WinsockError(WSAError.WSANOTINITIALISED)

    def require_upcalls(self) -> None:
        """Raise WSANOTINITIALISED unless providers may call up."""
        if not self.initialised:
            raise WinsockError(WSAError.WSANOTINITIALISED)

    def startup(self, requested: int = HIGHEST_VERSION) -> Versions:
        """Count one start; WSAVERNOTSUPPORTED for a version below 1.0."""
        versions = negotiate(requested)
        if versions is None:
            raise WinsockError(WSAError.WSAVERNOTSUPPORTED, f"version {requested & 0xFF}.{requested >> 8 & 0xFF}")
        with self._lock:
            self.initialised = True
            self.starts += 1
        return versions

    def cleanup(self) -> None:
        """Balance one start. The last one ends every socket, without telling who waits for pending operations.

        What sends had accepted is delivered first; peers that do not read are waited for ten seconds.

        Errors:
            WSANOTINITIALISED: nothing left to balance.
        """
        with self._lock:
            self.require()
            self.starts -= 1
            if self.starts:
                return
            try:
                self._unload()
            finally:
                self.initialised = False
        # Outside the lock: the layers go on until their last byte is out.
        lingering.finish()

    def _unload(self) -> None:
        # Layers before what is below them: their clean-up closes lower sockets through the lower provider.
        loaded = sorted(self._providers.values(), key=lambda pair: -pair[0].chain_length)
        self._providers.clear()
        try:
            for entry, provider in loaded:
                _clean_up(entry, provider)
        finally:
            self.served.clear()
            self.makers.clear()
            for left in self.sockets.clear():
                if left.pair is not None:
                    left.pair.close()

    def provider(self, entry: CatalogEntry) -> Provider:
        """Return the provider of a catalog entry, loading it at the first use: one per provider id.

        Errors:
            WSAEPROVIDERFAILEDINIT: it cannot be loaded or does not start.
            WSAEINVALIDPROVIDER, WSAEINVALIDPROCTABLE: it starts, but not as a provider must.
        """
        loaded = self._providers.get(entry.provider_id)
        if loaded is not None:
            return loaded[1]
        with self._lock:
            loaded = self._providers.get(entry.provider_id)
            if loaded is None:
                loaded = self._providers[entry.provider_id] = (entry, self._load(entry))
        return loaded[1]

    def _load(self, entry: CatalogEntry) -> Provider:
        loader = self.catalog.loader(entry)
        try:
            return loader(entry)
        except WinsockError:
            raise
        except Exception as error:
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
        for _, provider in list(self._providers.values()):
            deliver = getattr(provider, "deliver", None)
            if deliver is not None:
                deliver()
        lingering.finish()

    def forget(self) -> None:
        """In a forked child: start anew without closing what the parent goes on using."""
        self._inherited.append((self._engine, self._providers, self.served, dict(self.sockets.entries)))
        for _, provider in self._providers.values():
            forget = getattr(provider, "forget", None)
            if forget is not None:
                forget()
        self._lock = threading.RLock()
        self._engine = None
        self._providers = {}
        self.served = {}
        self.makers = {}
        self.sockets.entries.clear()
        self.starts = 0
        self.initialised = False


runtime = Runtime()
os.register_at_fork(after_in_child=runtime.forget)
os.register_at_fork(after_in_child=lingering.forget)
