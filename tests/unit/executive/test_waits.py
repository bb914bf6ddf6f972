"""Waits: priority, several objects, time (executive.md 2.4, 3; witness A, D)."""

import signal
import time

import pytest

from support.threads import LONG, Running, blocked_on, sleeping_wait, until
from ws2spi._abi.constants import WAIT_IO_COMPLETION, WAIT_OBJECT_0, WAIT_TIMEOUT
from ws2spi._executive.events import Event
from ws2spi._executive.threads import current
from ws2spi._executive.waits import wait


@pytest.fixture
def ran() -> list[int]:
    """One APC queued on this thread, which appends 1."""
    current().pending.clear()
    result: list[int] = []
    current().queue_apc(result.append, 1)
    return result


def test_alertable_sleep_with_a_pending_apc_and_no_time(ran: list[int]) -> None:
    """A1, decision 12.2: APCs before the time-out."""
    assert wait((), timeout=0, alertable=True) == WAIT_IO_COMPLETION
    assert ran == [1]


@pytest.mark.parametrize("timeout", [0, 0.001])
def test_plain_wait_runs_no_apc(ran: list[int], timeout: float) -> None:
    """A2."""
    assert wait((), timeout=timeout) == WAIT_TIMEOUT
    assert wait((Event(True),), timeout=timeout) == WAIT_TIMEOUT
    assert ran == []
    assert len(current().pending) == 1
    current().pending.clear()


@pytest.mark.parametrize("timeout", [0, 0.1, None])
@pytest.mark.parametrize("manual", [False, True])
def test_signalled_object_goes_before_a_pending_apc(ran: list[int], timeout: float | None, manual: bool) -> None:
    """A3, A5: the APC stays queued, however often repeated; a set auto event is consumed."""
    event = Event(manual, signalled=True)
    for _ in range(3):
        event.set()
        assert wait((event,), timeout=timeout, alertable=True) == WAIT_OBJECT_0
        assert event.is_set() == manual
    assert ran == []
    assert wait((), timeout=0, alertable=True) == WAIT_IO_COMPLETION


def test_unsignalled_object_with_no_time_runs_the_apc(ran: list[int]) -> None:
    """A4."""
    event = Event(True)
    assert wait((event,), timeout=0, alertable=True) == WAIT_IO_COMPLETION
    assert wait((event,), timeout=0, alertable=True) == WAIT_TIMEOUT
    assert ran == [1]


def test_apc_leaves_a_set_event_alone(ran: list[int]) -> None:
    """A5, second half."""
    event = Event(False, signalled=True)
    wait((), timeout=0, alertable=True)
    assert event.is_set()


def test_lowest_index_wins_and_the_others_stay(ran: list[int]) -> None:
    """A6, D6."""
    events = [Event(False, signalled=True), Event(False, signalled=True), Event(False)]
    assert wait(events, timeout=LONG, alertable=True) == WAIT_OBJECT_0
    assert events[1].is_set()
    events = [Event(False), Event(True), Event(False, signalled=True)]
    assert wait(events, timeout=LONG, alertable=True) == WAIT_OBJECT_0 + 2
    assert ran == []
    current().pending.clear()


@pytest.mark.parametrize("timeout", [0, 0.1])
def test_wait_for_all_changes_nothing_until_all_are_set(ran: list[int], timeout: float) -> None:
    """A7."""
    events = [Event(False, signalled=True), Event(False), Event(True)]
    assert wait(events, all=True, timeout=timeout, alertable=True) == WAIT_IO_COMPLETION
    assert events[0].is_set()


def test_wait_for_all_with_all_set(ran: list[int]) -> None:
    """A8."""
    events = [Event(False, signalled=True), Event(True, signalled=True)]
    assert wait(events, all=True, timeout=LONG, alertable=True) == WAIT_OBJECT_0
    assert [event.is_set() for event in events] == [False, True]
    assert ran == []
    current().pending.clear()


def test_wait_for_all_that_times_out_consumes_nothing() -> None:
    """D6."""
    events = [Event(False, signalled=True), Event(False)]
    assert wait(events, all=True, timeout=0.002) == WAIT_TIMEOUT
    assert events[0].is_set()


def test_wait_for_all_of_one_is_a_plain_wait() -> None:
    event = Event(False, signalled=True)
    assert wait([event], all=True, timeout=0) == WAIT_OBJECT_0
    assert not event.is_set()


def test_first_comer_is_the_event() -> None:
    """A12: set, then the APC queued: the object, and the APC never runs in that wait."""
    for _ in range(50):
        event = Event(False)
        ran: list[int] = []

        def target(event: Event = event, ran: list[int] = ran) -> tuple[int, list[int]]:
            return wait((event,), timeout=LONG, alertable=True), list(ran)

        worker = Running(target)
        blocked_on(event)(1)
        event.set()
        worker.executive.queue_apc(ran.append, 1)
        assert worker.result() == (WAIT_OBJECT_0, [])


def test_first_comer_is_the_apc() -> None:
    """A13: the APC queued, then the event set: WAIT_IO_COMPLETION, the event stays set."""
    for _ in range(50):
        event = Event(False)
        ran: list[int] = []
        worker = Running(lambda event=event: wait((event,), timeout=LONG, alertable=True))
        blocked_on(event)(1)
        worker.executive.queue_apc(ran.append, 1)
        event.set()
        assert worker.result() == WAIT_IO_COMPLETION
        assert ran == [1]
        assert event.is_set()


def test_apc_that_sets_the_awaited_event_leaves_it_set() -> None:
    """B2."""
    event = Event(False)
    current().queue_apc(lambda _: event.set(), None)
    assert wait((event,), timeout=LONG, alertable=True) == WAIT_IO_COMPLETION
    assert event.is_set()
    worker = Running(lambda: wait((event,), timeout=LONG, alertable=True))
    assert worker.result() == WAIT_OBJECT_0


def test_blocked_apc_that_sets_the_awaited_event_leaves_it_set() -> None:
    """B2 where the wait sleeps."""
    event = Event(False)
    worker = Running(lambda: (wait((event,), timeout=LONG, alertable=True), event.is_set()))
    blocked_on(event)(1)
    worker.executive.queue_apc(lambda _: event.set(), None)
    assert worker.result() == (WAIT_IO_COMPLETION, True)


def test_io_completion_ends_the_wait_with_time_left() -> None:
    """2.2, B9."""
    worker = Running(lambda: wait((), alertable=True))
    until(lambda: worker.executive.alertable_wait)
    worker.executive.queue_apc(lambda _: None, None)
    assert worker.result() == WAIT_IO_COMPLETION


def test_apc_does_not_end_a_plain_wait() -> None:
    """2.1 Signals."""
    event = Event(False)
    ran: list[int] = []
    worker = Running(lambda: (wait((event,), timeout=LONG), list(ran)))
    blocked_on(event)(1)
    worker.executive.queue_apc(ran.append, 1)
    blocked_on(event)(1)
    event.set()
    assert worker.result() == (WAIT_OBJECT_0, [])


def test_timeout_is_not_early() -> None:
    start = time.monotonic()
    assert wait((Event(False),), timeout=0.01) == WAIT_TIMEOUT
    assert time.monotonic() - start >= 0.01


def test_wait_for_all_wakes_at_the_last_set() -> None:
    """D4: a was takable meanwhile."""
    a, b = Event(False), Event(False)
    worker = Running(lambda: wait((a, b), all=True, timeout=LONG))
    blocked_on(a, b)(1)
    a.set()
    assert wait((a,), timeout=0) == WAIT_OBJECT_0
    b.set()
    assert worker.alive()
    assert b.is_set()
    a.set()
    assert worker.result() == WAIT_OBJECT_0
    assert not a.is_set()
    assert not b.is_set()


@pytest.mark.parametrize("all_is_older", [True, False])
def test_the_older_satisfiable_wait_gets_the_signal(all_is_older: bool) -> None:
    """D5, both ages."""
    a, b = Event(False), Event(False)
    waits = [lambda: sleeping_wait([a, b], all=True), lambda: sleeping_wait([a])]
    made = [make() for make in (waits if all_is_older else waits[::-1])]
    b.set()
    a.set()
    assert made[0].outcome
    assert not made[1].outcome
    assert b.is_set() == (not all_is_older)


def test_same_object_twice_in_a_wait_for_one() -> None:
    """D7: index 0."""
    event = Event(False)
    worker = Running(lambda: wait((event, event), timeout=LONG))
    blocked_on(event)(1)
    event.set()
    assert worker.result() == WAIT_OBJECT_0
    event.set()
    assert wait((event, event), timeout=0) == WAIT_OBJECT_0


def test_blocked_wait_tells_the_index() -> None:
    events = [Event(False) for _ in range(5)]
    worker = Running(lambda: wait(events, timeout=LONG))
    blocked_on(*events)(1)
    events[3].set()
    assert worker.result() == WAIT_OBJECT_0 + 3
    assert not any(event._waiters for event in events)


def test_exception_of_a_signal_handler_gives_the_signal_back() -> None:
    """A handler sets the awaited event and raises: the wait ends by the exception, the signal is not lost."""
    event = Event(False)
    also = Event(False, signalled=True)

    class StruckError(Exception):
        pass

    def handler(*_: object) -> None:
        event.set()
        raise StruckError

    before = signal.signal(signal.SIGALRM, handler)
    try:
        for objects, every in (((event,), False), ((also, event), True)):
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            with pytest.raises(StruckError):
                wait(objects, all=every, timeout=LONG)
            assert event.is_set()
            assert also.is_set()
            event.reset()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert not event._waiters
    assert not current()._parked


def test_apc_that_a_nested_wait_left_ends_the_outer_one() -> None:
    """A handler's own alertable wait ends by its object while an APC comes: the outer alertable wait gets the APC."""
    thread = current()
    thread.pending.clear()
    ran: list[int] = []

    class Trap(Event):
        __slots__ = ("looks",)

        def take(self) -> bool:
            self.looks = getattr(self, "looks", 0) + 1
            if self.looks == 2:  # registered: the nested wait is the thread's alertable one
                thread.queue_apc(ran.append, 1)
            return self.looks == 2

    trap = Trap(False)
    nested: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda *_: nested.append(wait((trap,), timeout=LONG, alertable=True)))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        assert wait((), timeout=LONG, alertable=True) == WAIT_IO_COMPLETION
    finally:
        signal.signal(signal.SIGALRM, before)
    assert nested == [WAIT_OBJECT_0]
    assert ran == [1]


def test_first_comer_after_a_nested_wait_still_ends_the_outer_one() -> None:
    """A13 for an outer wait that an alertable wait of a handler has interrupted."""
    thread = current()
    thread.pending.clear()
    event = Event(False)
    ran: list[int] = []

    def handler(*_: object) -> None:
        wait((), timeout=0.001, alertable=True)
        thread.queue_apc(ran.append, 1)
        event.set()

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        assert wait((event,), timeout=LONG, alertable=True) == WAIT_IO_COMPLETION
    finally:
        signal.signal(signal.SIGALRM, before)
    assert ran == [1]
    assert event.is_set()
