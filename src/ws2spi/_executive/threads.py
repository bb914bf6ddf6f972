"""Thread objects: an APC queue, a parking place, and an end that others can wait for.

Rules:
1. APC routines run only in `run_apcs`, on their own thread, and nothing is held while one runs.
2. Parking: `begin_park` announces, then the caller looks at its conditions, then `park` sleeps. Who changes a
   condition changes it first and calls `wake` after. One of the two sees the other (the interpreter orders them).
3. A wake token is swallowed by the innermost `park`. `end_park` of a wait nested in another (a signal handler that
   waits inside a wait) wakes the thread once more, so the outer one looks again and loses nothing.
4. The eventfd is closed by the thread object's own finaliser and nowhere else: whoever is inside `wake` holds a
   reference, so a token can never reach a stranger's descriptor.
"""

import os
import select
import threading
from _thread import get_ident, get_native_id
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from ws2spi._executive.waitable import APC, Waitable, Waiter

Routine = Callable[[Any], object]

_POLLIN = select.POLLIN
# poll() takes an int of milliseconds; a longer sleep is cut and its caller looks again.
_LONGEST_POLL = 1_000_000.0


class _Port(Protocol):
    """What a thread owes the completion port it serves."""

    def thread_sleeps(self, thread: "Thread") -> None: ...
    def thread_resumes(self, thread: "Thread") -> None: ...
    def thread_leaves(self, thread: "Thread") -> None: ...


class Thread(Waitable):
    """One thread's executive object; signalled once the thread has ended.

    `queue_apc`, `wake` may be called from any thread and in an interrupt context; `run_apcs` and the parking methods on
    the own thread only.
    """

    __slots__ = ("_eventfd", "_parked", "_pollers", "alertable_wait", "blocked", "ended", "ident", "idle", "last_error",
                 "native_id", "pending", "port")  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.pending: deque[tuple[Routine, Any]] = deque()  #: APCs not yet run, oldest first
        self.ended = False
        self.ident = 0  #: 0 until the thread runs
        self.native_id = 0
        self.last_error = 0  #: the slot behind GetLastError and WSAGetLastError
        self.alertable_wait: Waiter | None = None  #: the innermost blocked alertable wait
        self.blocked: Callable[[], object] | None = None  #: ends the innermost blocked call of this thread
        self.idle: Callable[[], bool] | None = None  #: called now and then while a call blocks; False ends the call
        self.port: _Port | None = None  #: the completion port whose packet this thread is working on
        self._parked = False
        self._eventfd = -1
        self._pollers: list[select.poll] = []  # free poll objects: one cannot serve two nested waits

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        # `close` is bound early: at the end of the interpreter the module's `os` may be gone before this object.
        if self._eventfd >= 0:
            close(self._eventfd)

    def __repr__(self) -> str:
        state = "ended" if self.ended else "parked" if self._parked else "running"
        return f"<Thread {self.ident} {state}, {len(self.pending)} APCs>"

    # APCs

    def queue_apc(self, routine: Routine, context: Any) -> bool:
        """Append an APC; it runs in this thread's next alertable wait. False: the thread has ended, nothing queued."""
        if self.ended:
            return False
        apc = (routine, context)
        self.pending.append(apc)
        waiter = self.alertable_wait
        if waiter is not None:  # the first comer ends a blocked wait: from now on a set stays in its event
            waiter.outcome.setdefault(0, APC)
        if self._parked:
            self.wake()
        if self.ended:
            # It ended meanwhile. Still in the queue: it came too late, and is not queued. Gone: it ran (an APC that
            # tells its thread to end does), or was lost with the others at the end, as one queued in time may be.
            try:
                self.pending.remove(apc)
            except ValueError:
                return True
            return False
        return True

    def run_apcs(self) -> int:
        """Run what is pending, and what is queued meanwhile, oldest first; returns how many ran.

        An exception of a routine leaves through here; the rest stays queued.
        """
        pending = self.pending
        count = 0
        while pending:
            try:
                routine, context = pending.popleft()
            except IndexError:  # an interrupt ran them
                break
            count += 1
            routine(context)
        return count

    # Parking

    def begin_park(self) -> bool:
        """Announce that this thread is about to look and then sleep; returns the state `end_park` wants back."""
        if self._eventfd < 0:
            self._open_eventfd()
        was = self._parked
        self._parked = True
        return was

    def park(self, fd: int = -1, events: int = 0, timeout: float | None = None) -> int:
        """Sleep until woken, until `fd` has one of poll()'s `events`, or for `timeout` seconds (None: no limit).

        Returns the poll events of `fd`, 0 if none. May return early for no visible reason: look again.
        """
        port = self.port
        if port is not None and timeout != 0:
            port.thread_sleeps(self)
        try:
            return self._poll(fd, events, timeout)
        finally:
            if port is not None and timeout != 0:
                port.thread_resumes(self)

    def end_park(self, was: bool) -> None:
        """Leave the state that `begin_park` announced; an outer wait of this thread is woken to look again."""
        self._parked = was
        if was:
            self.wake()

    def wake(self) -> None:
        """Make a parked thread look again; nothing if it is not parked."""
        if self._parked:
            try:
                os.eventfd_write(self._eventfd, 1)
            except BlockingIOError:  # the counter is full: it is awake enough
                pass

    @property
    def wake_descriptor(self) -> int:
        """For a loop that sleeps in its own epoll instead of `park`: readable once woken. Valid after `begin_park`."""
        return self._eventfd

    def swallow(self) -> None:
        """Take the wake token, as `park` does."""
        try:
            os.eventfd_read(self._eventfd)
        except BlockingIOError:
            pass

    def _open_eventfd(self) -> None:
        # An interrupt may do the same in the middle: the one who comes second closes its own.
        made = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        if self._eventfd < 0:
            self._eventfd = made
        else:
            os.close(made)

    def _poll(self, fd: int, events: int, timeout: float | None) -> int:
        try:
            poller = self._pollers.pop()
        except IndexError:
            poller = select.poll()
            poller.register(self._eventfd, _POLLIN)
        if fd >= 0:
            poller.register(fd, events)
        ready = poller.poll(None if timeout is None else min(max(timeout, 0.0), _LONGEST_POLL) * 1000)
        result = 0
        for number, revents in ready:
            if number == fd:
                result = revents
            else:
                try:
                    os.eventfd_read(self._eventfd)
                except BlockingIOError:  # a nested wait swallowed the token
                    pass
        # Only a poller without a descriptor goes back; one that an exception left behind is forgotten.
        if fd >= 0:
            poller.unregister(fd)
        self._pollers.append(poller)
        return result

    # Birth and end

    def _begin(self) -> None:
        self.native_id = get_native_id()
        self.ident = get_ident()
        _by_native_id[self.native_id] = self

    def _end(self) -> None:
        self.ended = True
        _by_native_id.pop(self.native_id, None)
        self.pending.clear()
        port = self.port
        if port is not None:
            port.thread_leaves(self)
        self._release_waiters()

    def signalled(self) -> bool:
        """Whether the thread has ended."""
        return self.ended


class _Life:
    """Sits in a thread-local slot; when the thread's locals are cleared at its end, so is this."""

    __slots__ = ("thread",)

    def __init__(self, thread: Thread) -> None:
        self.thread = thread

    def __del__(self) -> None:
        thread = self.thread
        if thread.ident:
            thread._end()


_local = threading.local()
_by_native_id: dict[int, Thread] = {}  # {the kernel's thread id: a living thread that has entered here}


def by_native_id(native_id: int) -> Thread | None:
    """The living thread with this id, if it has ever asked for its own object."""
    return _by_native_id.get(native_id)


def current() -> Thread:
    """The calling thread's object, made at its first use."""
    try:
        return _local.thread  # type: ignore[no-any-return]
    except AttributeError:
        return adopt(Thread())


def adopt(thread: Thread) -> Thread:
    """Make `thread` the calling thread's object unless it has one; returns the one it has."""
    # setdefault is one C call: an interrupt that comes here first wins, and both agree.
    life: _Life = _local.__dict__.setdefault("life", _Life(thread))
    if not life.thread.ident:
        life.thread._begin()
    _local.thread = life.thread
    return life.thread


def _forget_after_fork() -> None:
    # The child shares the parent's eventfds: its one thread gets an object of its own.
    _local.__dict__.clear()
    _by_native_id.clear()


os.register_at_fork(after_in_child=_forget_after_fork)
