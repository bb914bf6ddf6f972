"""Waiting for one, any or all of several objects, for APCs, and for time.

Each wait looks at its objects, then at the thread's APCs, then at the clock (executive.md 2.4; witness A1 to A13).
Once it sleeps, the first comer ends it: a set hands its signal over, an APC claims the wait, or the time-out does.
"""

import time
from collections.abc import Sequence

from ws2spi._abi.constants import WAIT_IO_COMPLETION, WAIT_OBJECT_0, WAIT_TIMEOUT
from ws2spi._executive.threads import Thread, current
from ws2spi._executive.waitable import APC, GONE, GOT_ALL, LOOKING, TIMEOUT, Hold, Waitable, Waiter, take_all

_monotonic = time.monotonic
# A setter that holds a wait-all decides within a few instructions and wakes it; this only bounds the harm of one that
# was itself interrupted for long.
_HELD_POLL = 0.01


def wait(
    objects: Sequence[Waitable], *, all: bool = False, timeout: float | None = None, alertable: bool = False
) -> int:
    """Wait until an object (or, with `all`, every object) is signalled, an APC has run, or `timeout` seconds are over.

    Parameters:
        objects: any number, also none (then only APCs and time end the wait); with `all` without repetition.
        timeout: seconds; None: no limit; 0: look once.
        alertable: run APCs of this thread.

    Returns: WAIT_OBJECT_0 + lowest index (0 with `all`), WAIT_IO_COMPLETION after APCs ran, or WAIT_TIMEOUT. Objects
    are consumed only when the wait ends by them. An APC's exception leaves through here.
    """
    if all and len(objects) > 1:
        if _take_every(objects):
            return WAIT_OBJECT_0
    else:
        index = WAIT_OBJECT_0
        for candidate in objects:
            if candidate.take():
                return index
            index += 1
    thread = current()
    if alertable and thread.pending and thread.run_apcs():
        return WAIT_IO_COMPLETION
    if timeout is not None and timeout <= 0:
        return WAIT_TIMEOUT
    return _block(thread, Waiter(thread, objects, all and len(objects) > 1), timeout, alertable)


def _take_every(objects: Sequence[Waitable]) -> bool:
    for candidate in objects:
        if not candidate.signalled():
            return False
    return take_all(sorted(objects, key=id))


def _block(thread: Thread, waiter: Waiter, timeout: float | None, alertable: bool) -> int:
    deadline = None if timeout is None else _monotonic() + timeout
    outer = thread.alertable_wait
    was = thread.begin_park()
    try:
        for candidate in waiter.objects:
            candidate._waiters[waiter] = None
        if alertable:
            thread.alertable_wait = waiter
        _look_before_sleeping(thread, waiter, alertable)
        outcome = _sleep(thread, waiter, deadline, alertable)
    except BaseException:
        _abandon(thread, waiter)
        raise
    finally:
        for candidate in waiter.objects:
            candidate._waiters.pop(waiter, None)
        thread.alertable_wait = outer
        thread.end_park(was)
    if outcome is APC:
        thread.run_apcs()  # none left: an interrupt ran them inside this wait; it still ended by them
        return WAIT_IO_COMPLETION
    if outcome is TIMEOUT:
        return WAIT_TIMEOUT
    if outcome is GOT_ALL:
        return WAIT_OBJECT_0
    return WAIT_OBJECT_0 + waiter.objects.index(outcome[0])


def _look_before_sleeping(thread: Thread, waiter: Waiter, alertable: bool) -> None:
    """The registered wait's own look; afterwards every set hands over to it, so it need never look again."""
    outcome = waiter.outcome
    ordered = waiter.ordered
    while outcome.setdefault(0, LOOKING) is LOOKING:
        if ordered is not None:
            if take_all(ordered):
                outcome[0] = GOT_ALL
                return
        else:
            for candidate in waiter.objects:
                if candidate.take():
                    outcome[0] = (candidate,)
                    return
        if alertable and thread.pending:
            outcome[0] = APC
            return
        del outcome[0]
        # What was set while we looked went past us. (APCs are looked at again before each sleep.)
        if not _satisfied(waiter):
            return


def _satisfied(waiter: Waiter) -> bool:
    if waiter.ordered is None:
        return any(candidate.signalled() for candidate in waiter.objects)
    return all(candidate.signalled() for candidate in waiter.ordered)


def _sleep(thread: Thread, waiter: Waiter, deadline: float | None, alertable: bool) -> tuple[object, ...]:
    outcome = waiter.outcome
    while True:
        ended = outcome.get(0)
        if ended is None:
            if alertable and thread.pending:  # queued while we looked, or while a nested wait was the alertable one
                outcome.setdefault(0, APC)
                continue
            left = None if deadline is None else deadline - _monotonic()
            if left is not None and left <= 0:
                outcome.setdefault(0, TIMEOUT)
                continue
            thread.park(timeout=left)
        elif type(ended) is Hold:
            thread.park(timeout=_HELD_POLL)
        else:
            return ended  # type: ignore[no-any-return]


def _abandon(thread: Thread, waiter: Waiter) -> None:
    """An exception ends the wait (a signal handler's): what had been handed over goes back."""
    ended = waiter.outcome.setdefault(0, GONE)
    while type(ended) is Hold and ended is not LOOKING:
        thread.park(timeout=_HELD_POLL)
        ended = waiter.outcome.setdefault(0, GONE)
    if ended is GOT_ALL:
        for candidate in waiter.objects:
            candidate.give_back()
    elif type(ended) is tuple and isinstance(ended[0], Waitable):
        ended[0].give_back()
