"""One blocked call that waits for several connections at once.

The connections tell (`observing`), the thread looks again. As in `blocking`, the wait is alertable: APCs that come
while it really waits run here and the wait goes on; `thread.idle` is called now and then; `thread.blocked` ends it.
"""

from collections.abc import Callable
from time import monotonic
from typing import TypeVar

from ws2spi._engine.blocking import IDLE_INTERVAL, interrupted
from ws2spi._executive import threads

_R = TypeVar("_R")


def wait_until(
    look: Callable[[], _R | None], arm: Callable[[Callable[[], None]], None], timeout: float | None
) -> _R | None:
    """Block until `look` gives something.

    Parameters:
        look: gives the result, None if there is none yet.
        arm: has the function it gets called once, from anywhere, when `look` may give something; called before each
            sleep. What has come since the last look must lead to a call, too.
        timeout: seconds; None: no limit; 0: look once.
    Returns: what `look` gave; None when the time is over.
    Raises WinsockError WSAEINTR when the blocked call was cancelled.
    """
    result = look()
    if result is not None or timeout == 0:
        return result
    return _Wait().run(look, arm, timeout)


class _Wait:
    """One blocked call of one thread."""

    __slots__ = ("cancelled", "stirred", "thread")

    def __init__(self) -> None:
        self.thread = threads.current()
        self.stirred = False
        self.cancelled = False

    def stir(self) -> None:
        self.stirred = True
        self.thread.wake()

    def cancel(self) -> None:
        self.cancelled = True
        self.thread.wake()

    def run(
        self, look: Callable[[], _R | None], arm: Callable[[Callable[[], None]], None], timeout: float | None
    ) -> _R | None:
        thread = self.thread
        deadline = None if timeout is None else monotonic() + timeout
        outer, was = thread.blocked, thread._parked
        try:
            thread.begin_park()
            thread.blocked = self.cancel
            while True:
                self.stirred = False
                arm(self.stir)
                self._sleep(deadline)
                if self.cancelled:
                    raise interrupted("the call was cancelled")
                result = look()
                if result is not None or not self.stirred:
                    return result
        finally:
            # Without a call first: an interrupt must not leave the thread parked.
            thread.blocked, thread._parked = outer, was
            if was:
                thread.wake()

    def _sleep(self, deadline: float | None) -> None:
        """Return when something may have changed, on cancelling, or (with `stirred` unset) at the deadline."""
        thread = self.thread
        while not (self.stirred or self.cancelled):
            if thread.pending:
                thread.run_apcs()
                continue
            if thread.idle is not None and not thread.idle():
                self.cancelled = True
                return
            pause = None if deadline is None else deadline - monotonic()
            if pause is not None and pause <= 0:
                return
            if thread.idle is not None:
                pause = IDLE_INTERVAL if pause is None else min(pause, IDLE_INTERVAL)
            thread.park(timeout=pause)
