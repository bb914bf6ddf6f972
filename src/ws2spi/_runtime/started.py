"""The service providers that are started in this process: who loads one, who waits for that, how often each is started.

Rule 1: no lock is held while a loader or a clean-up runs, so either may call the runtime: make a socket of a provider
        below, ask for the catalog, start the process once more.
Rule 2: one thread loads a provider; others that need the same one wait for that load and share its outcome. The next
        one who asks after a failure tries again.
Rule 3: nobody waits for a load that waits for them: asking for a provider from within its own WSPStartup, or from
        within a load that another thread's load waits for, fails with WSAEPROVIDERFAILEDINIT and says why.
Rule 4: the last WSACleanup waits for no load. A load that it overtakes is cleaned up by the thread that loads, as soon
        as its WSPStartup returns, and whoever wanted it gets WSANOTINITIALISED.
Rule 5: a provider of ours is started once by the runtime and once more by each layer above it that calls its
        WSPStartup. The layers' WSPCleanup balance their starts, and what is more than that is WSANOTINITIALISED; its
        sockets end with the runtime's own. A provider with a table of its own counts by itself.
"""

import uuid
from _thread import LockType, allocate_lock, get_ident
from collections import deque
from collections.abc import Callable

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine import reports
from ws2spi._runtime.catalog import CatalogEntry
from ws2spi._runtime.provider import Provider

Load = Callable[[CatalogEntry], Provider]


class Turn:
    """Something that one thread does and others wait for. Safe in interrupts: every change is one C call."""

    __slots__ = ("_waiting", "error", "over", "thread")

    def __init__(self) -> None:
        self.thread = get_ident()
        self.over = False
        self.error: WinsockError | None = None
        self._waiting: deque[LockType] = deque()

    def end(self) -> None:
        """Let everybody go on."""
        self.over = True
        while self._waiting:
            self._waiting.popleft().release()

    def wait(self) -> None:
        """Return when it is over."""
        mine = allocate_lock()
        mine.acquire()
        self._waiting.append(mine)
        if self.over:
            return  # it may have ended before it could see us
        mine.acquire()


class StartedProviders:
    """See the module's text.

    Parameters:
        load: makes the provider of a catalog entry: foreign code.
    """

    def __init__(self, load: Load) -> None:
        self._load = load
        self._providers: dict[uuid.UUID, tuple[CatalogEntry, Provider]] = {}  # {provider id: (first entry, provider)}
        self._loads: dict[uuid.UUID, Turn] = {}
        self._waits: dict[int, Turn] = {}  # {thread: the load it waits for}
        self._starts: dict[int, int] = {}  # {id of a provider of ours: WSPStartup calls of layers, not yet balanced}
        self._ending: set[int] = set()  # {id of a provider that the runtime cleans up at this moment}
        self._era = 0  # counts last clean-ups

    def __len__(self) -> int:
        return len(self._providers)

    def all(self) -> list[Provider]:
        """Those that are started."""
        return [provider for _, provider in list(self._providers.values())]

    def provider(self, entry: CatalogEntry) -> Provider:
        """Return the provider of a catalog entry, loading it at the first use: one for each provider id.

        Errors:
            WSAEPROVIDERFAILEDINIT: it cannot be loaded, does not start, or is being loaded by who asks.
            WSAEINVALIDPROVIDER, WSAEINVALIDPROCTABLE: it starts, but not as a provider must.
            WSANOTINITIALISED: the last WSACleanup came while it was loaded.
        """
        key = entry.provider_id
        loaded = self._providers.get(key)
        if loaded is not None:
            return loaded[1]
        mine = Turn()
        try:
            load = self._loads.setdefault(key, mine)
            if load is mine:
                loaded = self._providers.get(key)  # another one may have ended between our two looks
                return self._begin(entry, mine) if loaded is None else loaded[1]
        finally:
            if self._loads.get(key) is mine:
                del self._loads[key]
                mine.end()
        self._wait(load, entry)
        if load.error is not None:
            raise WinsockError(load.error.code, load.error.detail)
        return self.provider(entry)

    def _begin(self, entry: CatalogEntry, mine: Turn) -> Provider:
        era = self._era
        try:
            try:
                provider = self._load(entry)
            except WinsockError:
                raise
            except Exception as error:
                raise WinsockError(WSAError.WSAEPROVIDERFAILEDINIT, f"{entry.name}: {error!r}") from error
            self._providers[entry.provider_id] = (entry, provider)
            if era != self._era and self._providers.pop(entry.provider_id, None) is not None:
                self._clean_up(entry, provider)
                raise WinsockError(WSAError.WSANOTINITIALISED, f"{entry.name}: WSACleanup came while it was loaded")
        except WinsockError as error:
            mine.error = error
            raise
        except BaseException as error:  # Ctrl-C in a loader is the loading thread's alone
            mine.error = WinsockError(WSAError.WSAEPROVIDERFAILEDINIT, f"{entry.name}: {error!r}")
            raise
        return provider

    def _wait(self, load: Turn, entry: CatalogEntry) -> None:
        me = get_ident()
        outer = self._waits.get(me)  # a signal handler asks while its thread waits for another one
        self._waits[me] = load
        try:
            # Named first, then looked: of several who come to wait in a circle the last one at least finds it closed.
            thread, seen = load.thread, set[int]()
            while thread != me and thread not in seen:
                seen.add(thread)
                next_load = self._waits.get(thread)
                if next_load is None or next_load.over:
                    break
                thread = next_load.thread
            if thread == me and not load.over:
                raise WinsockError(
                    WSAError.WSAEPROVIDERFAILEDINIT, f"{entry.name}: asked for while its own WSPStartup is running"
                )
            load.wait()
        finally:
            if outer is None:
                self._waits.pop(me, None)
            else:
                self._waits[me] = outer

    # -- starts of layers ------------------------------------------------------------------------------------------

    def retain(self, provider: Provider) -> None:
        """A layer has called the WSPStartup of a provider of ours."""
        self._starts[id(provider)] = self._starts.get(id(provider), 0) + 1

    def release(self, provider: Provider) -> None:
        """WSPCleanup of a provider of ours. The runtime's own start keeps its sockets until the last WSACleanup.

        Errors:
            WSANOTINITIALISED: more of them than starts.
        """
        left = self._starts.get(id(provider), 0)
        if left:
            self._starts[id(provider)] = left - 1
        elif id(provider) in self._ending:
            provider.cleanup()  # by way of a layer's own WSPCleanup
        else:
            raise WinsockError(WSAError.WSANOTINITIALISED, "WSPCleanup without a WSPStartup")

    # -- the end ---------------------------------------------------------------------------------------------------

    def clean_up(self) -> None:
        """Let every provider clean up: layers before what is below them, whose sockets they close through it."""
        self._era += 1
        taken: list[tuple[CatalogEntry, Provider]] = []
        while self._providers:
            try:
                taken.append(self._providers.popitem()[1])
            except KeyError:  # the thread that loaded it has taken it out itself
                break
        taken.reverse()  # first come first, among equals
        for entry, provider in sorted(taken, key=lambda pair: -pair[0].chain_length):
            self._clean_up(entry, provider)

    def _clean_up(self, entry: CatalogEntry, provider: Provider) -> None:
        """Let a provider clean up; one that fails must not keep the others from it."""
        self._starts.pop(id(provider), None)  # a layer that has not balanced its starts must not keep it alive
        self._ending.add(id(provider))
        try:
            provider.cleanup()
        except Exception as error:
            reports.report(f"{entry.name}: WSPCleanup failed: {error!r}")
        finally:
            self._ending.discard(id(provider))
