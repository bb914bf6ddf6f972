"""Looking after handles whose foreign readers the kernel does not tell us of (`filepair`, rule 2)."""

import select
from _thread import allocate_lock
from typing import TYPE_CHECKING

from ws2spi._engine.epoll import Engine

if TYPE_CHECKING:
    from ws2spi._engine.filepair import FilePair

SWEEP = 0.020  # seconds; a foreign reader waits at most this long for its first bytes


class Sweeper:
    """Looks every SWEEP seconds for handles with data behind them that nobody asks for. One for each engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._epoll = select.epoll()  # level-triggered, and never waited on
        self._pairs: dict[int, FilePair] = {}  # {descriptor behind: pair}
        self._blind: set[FilePair] = set()  # pairs without a descriptor behind
        self._recent: set[FilePair] = set()  # asked since the last look: what is left over is in no descriptor
        self._looking = allocate_lock()  # taken while a look is due

    def add(self, pair: "FilePair", descriptor: int) -> None:
        if descriptor < 0:
            self._blind.add(pair)
        else:
            self._pairs[descriptor] = pair
            try:
                self._epoll.register(descriptor, select.EPOLLIN | select.EPOLLRDHUP)
            except FileExistsError:
                pass
        self._start()

    def remove(self, pair: "FilePair", descriptor: int) -> None:
        self._blind.discard(pair)
        self._recent.discard(pair)
        if self._pairs.get(descriptor) is pair:
            del self._pairs[descriptor]
            try:
                self._epoll.unregister(descriptor)
            except (OSError, ValueError):
                pass

    def asked(self, pair: "FilePair") -> None:
        self._recent.add(pair)

    def _start(self) -> None:
        if self._looking.acquire(False):
            self._engine.call_later(SWEEP, self._look)

    def _look(self) -> None:
        self._looking.release()
        try:
            self._sweep()
        finally:  # one provider that raises is not the end of foreign reading
            if self._pairs or self._blind:
                self._start()

    def _sweep(self) -> None:
        now = self._engine.now()
        idle = {pair for pair in tuple(self._recent) if now - pair.idle_since() > SWEEP}
        self._recent -= idle
        suspects = {pair for pair in idle if _stocked(pair)}
        suspects |= {pair for pair in tuple(self._blind) if now - pair.idle_since() > SWEEP and pair.worth_a_pull()}
        for descriptor, _ in self._epoll.poll(0):
            pair = self._pairs.get(descriptor)
            if pair is not None and now - pair.idle_since() > SWEEP:
                suspects.add(pair)
        for pair in suspects:
            pair.sweep()


def _stocked(pair: "FilePair") -> bool:
    """Whether something waits above the descriptor: in a connection's inbox, or its end."""
    # A hint, taken outside the mailbox: the engine never waits for a connection. A wrong one costs a receive that
    # waits.
    stocked = getattr(pair.behind, "stocked", None)
    return stocked is not None and bool(stocked())


_sweepers: dict[int, Sweeper] = {}  # {id of an engine: its sweeper}; engines live as long as the process


def sweeper_of(engine: Engine) -> Sweeper:
    sweeper = _sweepers.get(id(engine))
    if sweeper is None:
        sweeper = _sweepers.setdefault(id(engine), Sweeper(engine))
    return sweeper
