"""Completion ports: packets FIFO, waiting threads LIFO, a limit on the threads that work on packets at once.

Rules:
1. A token is the right to work on packets; there are as many as the concurrency value. `_running` says who holds one;
   who pops a thread from it, and only who does, gives its token back.
2. A packet leaves the queue for good: first the newest waiter is held, then the packet is taken, so nothing is ever put
   back and the order stays.
3. A thread that sleeps in one of our waits lends its token; when it goes on while none is free, the port owes one
   (`_debts`), and the next token given back pays for it. So more threads than the limit may run for a while, as the
   pages say.
4. A thread that blocks elsewhere (a lock, a pipe) is not seen by us. While packets and waiters are there and no token
   is, the newest waiter looks now and then whether a running thread has used processor time; one that has not counts
   as asleep.
"""

import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ws2spi._executive.threads import Thread, current
from ws2spi._executive.waitable import APC, GONE, TIMEOUT, Hold, Waiter

_monotonic = time.monotonic
_CLOSED = ("closed",)
_MOST_THREADS = 1 << 14  # a port allots a token to each that may run; no process has more threads than this
# Two looks without progress make "asleep". A spinning thread shares the interpreter in turns of 5 ms, so even among a
# few others it moves within one interval.
_LOOK_INTERVAL = 0.025
_STALE_LOOKS = 2


class PortClosed(Exception):  # noqa: N818 - a condition the caller maps to ERROR_ABANDONED_WAIT_0, not a mistake
    """The port was closed before or while the thread waited for a packet."""


@dataclass(slots=True)
class Packet:
    """One completion packet; all four values are handed on as they are."""

    key: int = 0
    transferred: int = 0
    overlapped: Any = None
    status: int = 0  #: NTSTATUS, 0 for success and for posted packets


class LivePacket(Packet):
    """A packet whose values are made up when a thread takes it, or that is then found to be about nothing.

    Parameters:
        make_up: is called by the thread that took the packet, with it; False: go on as if there had been none.
    """

    __slots__ = ("_make_up",)

    def __init__(self, key: int, make_up: "Callable[[LivePacket], bool]") -> None:
        super().__init__(key)
        self._make_up = make_up

    def settle(self) -> bool:
        """Make the values up; whether there is anything to be told."""
        return self._make_up(self)


class CompletionPort:
    """A completion port.

    Parameters:
        concurrency: how many threads may work on packets at once; 0: as many as there are processors.

    `post` and `close` may be called from any thread and in an interrupt context. A thread works on a packet from the
    get that returned it to its next get (on any port), its end, or a wait of ours; a get that returned nothing does not
    count.
    """

    __slots__ = (
        "__weakref__",
        "_debts",
        "_live",
        "_packets",
        "_running",
        "_tokens",
        "_waiters",
        "closed",
        "concurrency",
    )

    def __init__(self, concurrency: int = 0) -> None:
        self.concurrency = min(concurrency or os.cpu_count() or 1, _MOST_THREADS)
        self.closed = False
        self._live = False  # no live packet was ever posted: the usual get need not look
        self._packets: deque[Packet] = deque()
        self._waiters: dict[Waiter, None] = {}  # {blocked get: None}, newest last
        self._tokens: deque[None] = deque([None] * self.concurrency)
        self._debts: deque[None] = deque()
        self._running: dict[Thread, _Progress] = {}  # {thread that holds a token: when it was last seen working}

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open"
        return (
            f"<CompletionPort {state} packets={len(self._packets)} waiting={len(self._waiters)}"
            f" running={len(self._running)}/{self.concurrency}>"
        )

    def __len__(self) -> int:
        return len(self._packets)

    def __bool__(self) -> bool:
        return True

    def post(self, packet: Packet) -> bool:
        """Queue a packet, or hand the oldest one to the newest waiter. False: the port is closed, nothing queued."""
        if self.closed:
            return False
        self._packets.append(packet)
        if self._waiters:
            self._dispatch()
        return True

    def post_live(self, packet: LivePacket) -> bool:
        """As `post`, of a packet that is made up when it is taken."""
        self._live = True
        return self.post(packet)

    def get(self, timeout: float | None = None) -> Packet | None:
        """Take the oldest packet; wait up to `timeout` seconds (None: no limit) for one. Not alertable.

        Returns None when the time is over. Raises PortClosed when the port is, or becomes, closed.
        """
        thread = current()
        if thread.port is self and thread in self._running:  # it goes on with the token it has
            try:
                if not self._live:
                    return self._packets.popleft()
                packet = self._packets.popleft()
            except IndexError:
                pass
            else:
                if type(packet) is Packet or packet.settle():  # type: ignore[attr-defined]
                    return packet
        deadline = None
        while True:
            taken = self._try_get(thread)
            if taken is None and (timeout is None or timeout > 0):
                if timeout is not None and deadline is None:
                    deadline = _monotonic() + timeout
                ended = self._block(thread, timeout, alertable=False)
                taken = ended[0] if ended is not TIMEOUT else None
            if taken is None or type(taken) is Packet or taken.settle():  # type: ignore[attr-defined]
                return taken
            if timeout is not None:
                deadline = _monotonic() + timeout if deadline is None else deadline
                timeout = max(0.0, deadline - _monotonic())

    def get_many(self, count: int, timeout: float | None = None, alertable: bool = False) -> list[Packet] | None:
        """Take up to `count` packets, waiting for the first as `get` does.

        Returns them oldest first; an empty list when the time is over; None when, with `alertable` and no packet to be
        had, APCs ran instead. Raises PortClosed, and what an APC raises.
        """
        thread = current()
        deadline = None
        while True:
            first = self._try_get(thread)
            if first is None:
                if alertable and thread.pending and thread.run_apcs():
                    return None
                if timeout is not None and timeout <= 0:
                    return []
                if timeout is not None and deadline is None:
                    deadline = _monotonic() + timeout
                ended = self._block(thread, timeout, alertable)
                if ended is APC:
                    thread.run_apcs()
                    return None
                if ended is TIMEOUT:
                    return []
                first = ended[0]
            taken: list[Packet] = [first]
            while len(taken) < count and self._packets:
                try:
                    taken.append(self._packets.popleft())
                except IndexError:
                    break
            # Only now: a live packet may put itself behind the others again.
            taken = [one for one in taken if type(one) is Packet or one.settle()]  # type: ignore[attr-defined]
            if taken:
                return taken
            if timeout is not None:
                deadline = _monotonic() + timeout if deadline is None else deadline
                timeout = max(0.0, deadline - _monotonic())

    def close(self) -> None:
        """End every waiting get with PortClosed; packets still queued are lost."""
        self.closed = True
        self._packets.clear()
        for waiter in tuple(self._waiters):
            waiter.outcome.setdefault(0, _CLOSED)
            waiter.thread.wake()

    # The thread's side

    def thread_sleeps(self, thread: Thread) -> None:
        """A thread working for this port goes to sleep elsewhere: its token is lent."""
        if self._running.pop(thread, None) is not None:
            self._give_token()

    def thread_resumes(self, thread: Thread) -> None:
        """It goes on: it has a token again, owed if none is free."""
        if thread.port is not self or thread in self._running:
            return
        try:
            self._tokens.popleft()
        except IndexError:
            self._debts.append(None)
        self._running[thread] = _Progress()
        self._settle()

    def thread_leaves(self, thread: Thread) -> None:
        """The thread ended or turned to another port."""
        thread.port = None
        self.thread_sleeps(thread)

    # Tokens

    def _take_token(self) -> bool:
        try:
            self._tokens.popleft()
        except IndexError:
            return False
        return True

    def _give_token(self) -> None:
        self._tokens.append(None)
        self._settle()
        if self._packets and self._waiters:
            self._dispatch()

    def _settle(self) -> None:
        while self._debts and self._take_token():
            try:
                self._debts.popleft()
            except IndexError:
                self._tokens.append(None)

    def _start_working(self, thread: Thread) -> None:
        thread.port = self
        self._running[thread] = _Progress()

    # Packets

    def _try_get(self, thread: Thread) -> Packet | None:
        """A packet without waiting. Afterwards the thread has a token only if it has a packet."""
        holding = thread.port is self and self._running.pop(thread, None) is not None
        if not holding:
            if thread.port is not None:
                thread.port.thread_leaves(thread)
            if self.closed:
                raise PortClosed
            holding = bool(self._packets) and self._take_token()
        if holding:
            try:
                packet = self._packets.popleft()
            except IndexError:
                thread.port = None
                self._give_token()
            else:
                self._start_working(thread)
                return packet
        if self.closed:
            raise PortClosed
        return None

    def _dispatch(self) -> None:
        """Hand packets to waiters while there are both, and tokens."""
        while self._packets and self._waiters:
            if not self._take_token():
                self._wake_newest()  # so that it starts to look whether the running ones really run (rule 4)
                return
            try:
                waiter, _ = self._waiters.popitem()
            except KeyError:
                self._tokens.append(None)
                self._settle()
                continue
            hold = Hold()
            if waiter.outcome.setdefault(0, hold) is not hold:  # its time was over, or an APC came
                self._tokens.append(None)
                self._settle()
                continue
            try:
                waiter.outcome[0] = (self._packets.popleft(),)
            except IndexError:  # a running thread was faster
                del waiter.outcome[0]
                self._waiters[waiter] = None
                self._tokens.append(None)
                self._settle()
            waiter.thread.wake()

    def _wake_newest(self) -> None:
        try:
            next(reversed(self._waiters)).thread.wake()
        except (StopIteration, RuntimeError):  # gone, or changed while we looked: whoever changed it dispatches
            pass

    def _block(self, thread: Thread, timeout: float | None, alertable: bool) -> tuple[Any, ...]:
        deadline = None if timeout is None else _monotonic() + timeout
        waiter = Waiter(thread, (), False)
        outer = thread.alertable_wait
        was = thread.begin_park()
        try:
            if alertable:
                thread.alertable_wait = waiter
            self._waiters[waiter] = None
            self._dispatch()
            ended = self._sleep(thread, waiter, deadline, alertable)
        except BaseException:
            self._abandon(thread, waiter)
            raise
        finally:
            self._waiters.pop(waiter, None)
            thread.alertable_wait = outer
            thread.end_park(was)
        if ended is _CLOSED:
            raise PortClosed
        if ended is not APC and ended is not TIMEOUT:
            self._start_working(thread)
        return ended

    def _sleep(self, thread: Thread, waiter: Waiter, deadline: float | None, alertable: bool) -> tuple[Any, ...]:
        outcome = waiter.outcome
        while True:
            ended = outcome.get(0)
            if type(ended) is Hold:
                thread.park(timeout=_LOOK_INTERVAL)
                continue
            if ended is not None:
                return ended  # type: ignore[no-any-return]
            left = None if deadline is None else deadline - _monotonic()
            if self.closed:
                outcome.setdefault(0, _CLOSED)
            elif alertable and thread.pending:
                outcome.setdefault(0, APC)
            elif left is not None and left <= 0:
                outcome.setdefault(0, TIMEOUT)
            elif self._packets and not self._tokens:
                thread.park(timeout=_LOOK_INTERVAL if left is None else min(left, _LOOK_INTERVAL))
                self._lend_tokens_of_sleepers()
            else:
                thread.park(timeout=left)

    def _abandon(self, thread: Thread, waiter: Waiter) -> None:
        """An exception ends the wait: a packet already handed over goes back to the head of the queue."""
        ended = waiter.outcome.setdefault(0, GONE)
        while type(ended) is Hold:
            thread.park(timeout=_LOOK_INTERVAL)
            ended = waiter.outcome.setdefault(0, GONE)
        if isinstance(ended[0], Packet):
            self._packets.appendleft(ended[0])
            self._give_token()

    def _lend_tokens_of_sleepers(self) -> None:
        for thread, progress in tuple(self._running.items()):
            if progress.stale(thread):
                self.thread_sleeps(thread)


class _Progress:
    """Whether a running thread uses processor time, seen from outside."""

    __slots__ = ("used", "without")

    def __init__(self) -> None:
        self.used = -1.0
        self.without = 0

    def stale(self, thread: Thread) -> bool:
        try:
            # The number of a thread's own processor clock is made from its id (clock_getcpuclockid, linux).
            used = time.clock_gettime((~thread.native_id << 3) | 6)
        except OSError:  # it is gone
            return True
        self.without = self.without + 1 if used == self.used else 0
        self.used = used
        return self.without >= _STALE_LOOKS
