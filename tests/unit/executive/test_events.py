"""Events (executive.md 4; witness D)."""

import pytest

from support.threads import LONG, Running, Sleeper, blocked_on, sleeping_wait, until
from ws2spi._abi.constants import WAIT_OBJECT_0, WAIT_TIMEOUT
from ws2spi._executive.events import Event
from ws2spi._executive.waitable import Waitable, Waiter
from ws2spi._executive.waits import wait


@pytest.mark.parametrize("manual", [False, True])
def test_first_state_and_repr(manual: bool) -> None:
    assert not Event(manual).is_set()
    assert Event(manual, signalled=True).is_set()
    assert ("manual" if manual else "auto") in repr(Event(manual))


def test_manual_event_stays_until_reset() -> None:
    event = Event(True)
    event.set()
    assert [wait((event,), timeout=0) for _ in range(3)] == [WAIT_OBJECT_0] * 3
    event.reset()
    assert wait((event,), timeout=0) == WAIT_TIMEOUT


def test_sets_do_not_count() -> None:
    """4: several sets are idempotent."""
    event = Event(False)
    event.set()
    event.set()
    assert wait((event,), timeout=0) == WAIT_OBJECT_0
    assert wait((event,), timeout=0) == WAIT_TIMEOUT
    event.reset()
    event.reset()
    assert not event.is_set()


def test_one_set_releases_exactly_one_wait_the_oldest() -> None:
    """D1: FIFO."""
    event = Event(False)
    waits = [sleeping_wait([event]) for _ in range(4)]
    for count in range(1, 5):
        event.set()
        assert [bool(waiter.outcome) for waiter in waits] == [True] * count + [False] * (4 - count)
        assert not event.is_set()
    event.set()
    assert event.is_set()


def test_threads_are_released_in_the_order_they_came() -> None:
    """D1 with real threads."""
    event = Event(False)
    order: list[int] = []

    def target(number: int) -> None:
        wait((event,), timeout=LONG)
        order.append(number)

    workers = []
    for number in range(4):
        workers.append(Running(target, number))
        blocked_on(event)(number + 1)
    for number in range(4):
        event.set()
        until(lambda number=number: len(order) == number + 1)
    assert order == [0, 1, 2, 3]


def test_sets_in_a_row_release_as_many_waits() -> None:
    """D2: a set is handed to a blocked waiter at once; one beyond the waiters stays."""
    for _ in range(20):
        event = Event(False)
        workers = [Running(lambda event=event: wait((event,), timeout=LONG)) for _ in range(3)]
        blocked_on(event)(3)
        for _ in range(4):
            event.set()
        assert [worker.result() for worker in workers] == [WAIT_OBJECT_0] * 3
        assert event.is_set()


def test_set_and_reset_at_once_release_one_of_two() -> None:
    """D3, auto."""
    for _ in range(20):
        event, end = Event(False), Event(True)
        workers = [Running(lambda event=event, end=end: wait((event, end), timeout=LONG)) for _ in range(2)]
        blocked_on(event)(2)
        event.set()
        event.reset()
        end.set()
        assert sorted(worker.result() for worker in workers) == [WAIT_OBJECT_0, WAIT_OBJECT_0 + 1]


def test_set_and_reset_at_once_release_all_of_four() -> None:
    """D3, manual."""
    for _ in range(20):
        event = Event(True)
        workers = [Running(lambda event=event: wait((event,), timeout=LONG)) for _ in range(4)]
        blocked_on(event)(4)
        event.set()
        event.reset()
        assert [worker.result() for worker in workers] == [WAIT_OBJECT_0] * 4
        assert not event.is_set()


def test_nobody_takes_what_was_handed_over() -> None:
    """D2: a wait that comes after the set finds the event unset, although the released thread has not run yet."""
    event = Event(False)
    sleeping_wait([event])
    event.set()
    assert wait((event,), timeout=0) == WAIT_TIMEOUT


def test_manual_set_ends_a_wait_for_all_without_consuming_it() -> None:
    manual, auto = Event(True), Event(False, signalled=True)
    waiter = sleeping_wait([manual, auto], all=True)
    manual.set()
    assert waiter.outcome
    assert manual.is_set()
    assert not auto.is_set()


def test_wait_for_all_that_cannot_be_satisfied_is_passed_over() -> None:
    a, b = Event(False), Event(False)
    older = sleeping_wait([a, b], all=True)
    newer = sleeping_wait([a])
    a.set()
    assert not older.outcome
    assert newer.outcome


def test_released_wait_that_has_not_left_gets_no_second_signal() -> None:
    event = Event(False)
    first = sleeping_wait([event])
    event.set()
    second = sleeping_wait([event])
    event.set()
    assert first.outcome[0] is not second.outcome[0]
    assert not event.is_set()


@pytest.mark.parametrize("manual", [False, True])
def test_object_stolen_and_set_again_while_a_wait_for_all_is_held(manual: bool) -> None:
    """Rule 3 of waitable: who set it meanwhile went past the held wait, so the holder looks again."""

    class Contested(Event):
        __slots__ = ("stolen",)

        def take(self) -> bool:
            if not hasattr(self, "stolen"):
                self.stolen = True
                assert super().take()  # another wait was faster
                self.set()  # and another thread sets it anew, finding the wait held
                return False
            return super().take()

    a, b = Event(manual), Contested(False, signalled=True)
    waiter = sleeping_wait([a, b], all=True)
    a.set()
    assert waiter.outcome == {0: ("all",)}
    assert a.is_set() == manual
    assert not b.is_set()


def test_reset_while_a_late_comers_signal_is_in_hand_is_not_undone() -> None:
    """A reset between taking the signal for a wait and finding that wait gone counts: nothing is put back."""
    event = Event(False, signalled=True)

    class Leaving(Waiter):
        __slots__ = ()

        def offer(self, signal: Waitable) -> bool:
            event.reset()
            self.outcome[0] = ("timeout",)
            return False

    event._waiters[Leaving(Sleeper(), (event,), False)] = None
    event._serve_late_comers()
    assert not event.is_set()
