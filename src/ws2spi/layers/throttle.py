"""`throttle`: bytes pass at a given rate.

It keeps a debt and not a sleep per piece: what a timer wakes up too late, or a short piece does not wait for at all,
is carried over to the next piece, so that the rate holds over any second however the bytes are cut.
"""

import threading
from math import inf
from typing import TYPE_CHECKING, Any

from ws2spi._engine.operations import sleep
from ws2spi.layers.options import Rate, Size
from ws2spi.providers.layer import Layer

if TYPE_CHECKING:
    from ws2spi._engine.boundary import View

# A piece is what passes in this time: short enough for a progress bar, long enough that a wake-up costs little beside
# it.
_PIECE = 0.020
# Waits below this stay debt: epoll counts in milliseconds.
_GRAIN = 0.001
# A stop of the whole process longer than this is a pause and not a late timer; it is not made up for.
_LATE = 0.25


class Pace:
    """When the next bytes may pass, at `rate` bytes per second with `burst` bytes at once after a pause.

    `charge(now, size)` counts bytes and returns the seconds to wait before they may pass; `woke(now)` tells it that
    the wait is over, so that the lateness of a timer is not taken for a pause.
    """

    __slots__ = ("_due", "_late", "_lock", "_pause", "piece", "rate")

    def __init__(self, rate: float, burst: float | None = None) -> None:
        self.rate = rate
        self.piece = max(1, int(rate * _PIECE))
        self._pause = _PIECE if burst is None else burst / rate  # how much of a pause counts as credit, in seconds
        self._due = -inf  # when everything charged so far has passed
        self._late = 0.0  # how much of the past was lost to late timers, in seconds
        # A shared pace is charged by connections of several threads. Reentrant, because a signal handler may strike
        # inside and use a connection of its own; the price is a rounding, not a deadlock.
        self._lock = threading.RLock()

    def charge(self, now: float, size: int) -> float:
        with self._lock:
            start = max(self._due, now - self._pause - self._late)
            self._due = start + size / self.rate
            # Lateness that these bytes have not made up for is left to the next.
            self._late = min(self._late, max(0.0, now - self._due))
            return self._due - now

    def woke(self, now: float) -> None:
        with self._lock:
            self._late = min(max(0.0, now - self._due), _LATE)

    async def pass_on(self, conn: "View", size: int) -> None:
        """Return when `size` bytes may pass."""
        wait = self.charge(conn.now(), size)
        if wait > _GRAIN:
            await sleep(wait)
            self.woke(conn.now())


class Throttle(Layer):
    """Let bytes pass at a given rate.

    Each direction of a connection has its own rate. A stream is cut into pieces that pass every 20 ms; a datagram
    stays whole and waits its time. The rate is that of the bytes the program sends and receives, without the headers
    of TCP and IP.

    Options:
        rate: bytes per second in each direction, where up or down says nothing else
        up: bytes per second of what the program sends
        down: bytes per second of what the program receives
        burst: bytes that pass at once after a pause, 0 for none (otherwise what passes in 20 ms)
        shared: yes: all connections together have the rate; no: each has it

    Examples:
        throttle:rate=2MB/s
        throttle:up=256kbit/s,down=2Mbit/s,burst=64KiB
    """

    def __init__(
        self,
        *,
        rate: Rate | None = None,
        up: Rate | None = None,
        down: Rate | None = None,
        burst: Size | None = None,
        shared: bool = False,
    ) -> None:
        self.up = rate if up is None else up
        self.down = rate if down is None else down
        if self.up is None and self.down is None:
            raise ValueError(f"one of the options rate, up and down is needed: {Rate.allowed}")
        self.burst = burst
        self._shared = (self._pace(self.up), self._pace(self.down)) if shared else None

    def _pace(self, rate: float | None) -> Pace | None:
        return None if rate is None else Pace(rate, self.burst)

    def _paces(self, conn: "View") -> tuple[Pace | None, Pace | None]:
        """(up, down) of a connection; made when its first bytes pass."""
        if self._shared is not None:
            return self._shared
        try:
            paces: tuple[Pace | None, Pace | None] = conn.state.paces
        except AttributeError:
            paces = conn.state.paces = (self._pace(self.up), self._pace(self.down))
        return paces

    async def send(self, conn: "View", data: bytes) -> None:
        pace = self._paces(conn)[0]
        if pace is None:
            await conn.below.send(data)
            return
        for start in range(0, len(data), pace.piece):
            piece = data[start : start + pace.piece]
            await pace.pass_on(conn, len(piece))
            await conn.below.send(piece)

    async def recv(self, conn: "View", size: int) -> bytes:
        pace = self._paces(conn)[1]
        data: bytes = await conn.below.recv(size if pace is None else min(size, pace.piece))
        if pace is not None and data:
            await pace.pass_on(conn, len(data))
        return data

    async def send_urgent(self, conn: "View", data: bytes) -> None:
        pace = self._paces(conn)[0]
        if pace is not None:
            await pace.pass_on(conn, len(data))
        await conn.below.send_urgent(data)

    async def recv_urgent(self, conn: "View", size: int) -> bytes:
        """Not held back: it is a byte, and urgent."""
        data: bytes = await conn.below.recv_urgent(size)
        return data

    async def send_to(self, conn: "View", data: bytes, address: Any) -> None:
        pace = self._paces(conn)[0]
        if pace is not None:
            await pace.pass_on(conn, len(data))
        await conn.below.send_to(data, address)

    async def recv_from(self, conn: "View", size: int) -> Any:
        data, address = await conn.below.recv_from(size)
        pace = self._paces(conn)[1]
        if pace is not None:
            await pace.pass_on(conn, len(data))
        return data, address
