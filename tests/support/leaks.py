"""What the runtime keeps for its clients, read off its tables: what a test has added to them it has left behind.

Every table is named by its module and read there, so that a test which never loads a module costs nothing for it. The
keys are compared and not the counts: one thing closed and another one left is a leak too.
"""

import sys
import threading
from _thread import get_ident
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any

SHARED_THREADS = "ws2spi-"  # threads the runtime keeps for the life of the process begin with this

Keys = Iterable[Hashable]


def _handles(module: Any) -> Keys:
    """The executive's handles, but for the one by which the runtime itself names a thread that is still there."""
    return [handle for handle, target in tuple(module.handles._objects.items()) if not _names_itself(handle, target)]


def _names_itself(handle: int, target: Any) -> bool:
    threads = sys.modules["ws2spi._executive.threads"]
    if not isinstance(target, threads.Thread) or target.ended:  # an ended one's ident may be another thread's by now
        return False
    if target.ident == get_ident():
        own = getattr(sys.modules["ws2spi._runtime.threads"]._local, "own", None)
        return own is not None and own.handle == handle
    # Those of the engine and of the helpers for names; a test's own thread has ended, and its handle with it.
    return any(one.ident == target.ident and one.name.startswith(SHARED_THREADS) for one in threading.enumerate())


def _operations(module: Any) -> Keys:
    own = getattr(module._local, "own", None)
    return () if own is None else [id(one) for one in tuple(own.operations)]


def _apcs(module: Any) -> Keys:
    return [id(apc) for apc in tuple(module.current().pending)]


def _unended(module: Any) -> Keys:
    """Threads that are known and no longer there, and what waits in the queue of one that has ended."""
    alive = {thread.ident for thread in threading.enumerate()}
    return [
        number for number, thread in tuple(module._by_native_id.items()) if thread.ended or thread.ident not in alive
    ]


def _blocked(module: Any) -> Keys:
    thread = module.current()
    return [name for name in ("alertable_wait", "blocked", "idle") if getattr(thread, name) is not None] + (
        ["parked"] if thread._parked else []
    )


def _messages(module: Any) -> Keys:
    queue = module._queues.get(sys.modules["ws2spi._executive.threads"].current())
    return () if queue is None else [id(one) for one in tuple(queue.messages)]


def _sockets(module: Any) -> Keys:
    return [(number, entry.inode) for number, entry in tuple(module.sockets.entries.items())]


def _engine(module: Any) -> Keys:
    """Descriptors that the shared engine tells somebody of."""
    engine = module.runtime._engine
    if engine is None:
        return ()
    return [("transport", number) for number in tuple(engine._transports)] + [
        ("watch", number) for number in tuple(engine._watches)
    ]


def _timers(module: Any) -> Keys:
    """Timers of the shared engine; the sweeper's own ends by itself once it has nobody to look after."""
    engine = module.runtime._engine
    if engine is None:
        return ()
    return [
        number
        for _, number, timer in tuple(engine._timers)
        if not timer.cancelled and type(getattr(timer.call, "__self__", None)).__name__ != "Sweeper"
    ]


def _swept(module: Any) -> Keys:
    found: list[Hashable] = []
    for sweeper in tuple(module._sweepers.values()):
        found += [id(pair) for pair in (*sweeper._pairs.values(), *sweeper._blind, *sweeper._recent)]
    return found


def _installed(module: Any) -> Keys:
    catalog = module.runtime.catalog
    return [("entry", entry.catalog_id) for entry in (*catalog._top, *catalog._bottom)]


def _loads(module: Any) -> Keys:
    providers = module.runtime.providers
    return [*providers._loads, *providers._waits, *providers._ending]


def open_handles() -> frozenset[Hashable]:
    """The executive's handles that somebody has asked for."""
    return frozenset(_handles(sys.modules["ws2spi._executive.handles"]))


def _table(name: str) -> Callable[[Any], Keys]:
    return lambda module: tuple(getattr(module, name))


def _objects(name: str) -> Callable[[Any], Keys]:
    return lambda module: [id(one) for one in tuple(getattr(module, name))]


# {what is counted: (module, reader)}
_TABLES: dict[str, tuple[str, Callable[[Any], Keys]]] = {
    "handle": ("_executive.handles", _handles),
    "socket": ("_runtime.sockets", _sockets),
    "pending OVERLAPPED": ("_executive.overlapped", _table("_pending")),
    "operation of this thread": ("_runtime.threads", _operations),
    "operation below a stack": ("providers.lower", _objects("_in_flight")),
    "operation of the runtime's own": ("_runtime.completion", _table("_expected")),
    "APC of this thread": ("_executive.threads", _apcs),
    "ended thread": ("_executive.threads", _unended),
    "unfinished wait of this thread": ("_executive.threads", _blocked),
    "WSATHREADID": ("_runtime.threads", _table("_opened")),
    "message": ("_runtime.messages", _messages),
    "registration with the engine": ("_runtime.process", _engine),
    "timer": ("_runtime.process", _timers),
    "swept handle": ("_engine.sweeper", _swept),
    "lingering connection": ("_engine.lingering", _table("_left")),
    "installed entry": ("_runtime.process", _installed),
    "load of a provider": ("_runtime.process", _loads),
    "wait for a change of the catalog": ("_runtime.config_change", _objects("_pending")),
    "lookup": ("_runtime.names.lookups", _table("_lookups")),
    "asynchronous request": ("_runtime.names.asynchronous", _table("_requests")),
    "pending query": ("_runtime.names.pending", _table("_pending")),
    "ADDRINFOEX list": ("ws2_32._resolver_ex", _table("_lists")),
    "list of addresses": ("ws2_32._resolver", _table("_lists")),
}

Snapshot = dict[str, frozenset[Hashable]]


def snapshot() -> Snapshot:
    """{what: keys} of every table that is loaded. Opens nothing and starts nothing."""
    return {what: frozenset(keys) for what, keys in _read()}


def _read() -> Iterator[tuple[str, Keys]]:
    for what, (name, read) in _TABLES.items():
        module = sys.modules.get(f"ws2spi.{name}")
        if module is not None:
            yield what, read(module)


def added(before: Snapshot) -> dict[str, int]:
    """{what: how many} are there now that were not in `before`."""
    grown = {what: len(keys - before.get(what, frozenset())) for what, keys in snapshot().items()}
    return {what: count for what, count in grown.items() if count}


def settle(before: Snapshot, patience: float = 2.0) -> dict[str, int]:
    """As `added`, once what ends by itself (a close that still delivers, a thread on its way out) has ended."""
    pause = threading.Event()
    left = added(before)
    while left and patience > 0:
        pause.wait(0.01)
        patience -= 0.01
        left = added(before)
    return left
