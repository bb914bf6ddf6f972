"""Events: manual-reset and auto-reset.

An auto-reset event is a raw lock, unlocked when signalled: taking the signal is `acquire(False)`, one C call, so no
interrupt and no other thread can take it twice.
"""

from _thread import allocate_lock

from ws2spi._executive.waitable import Waitable


class Event(Waitable):
    """An event object.

    Parameters:
        manual: stays signalled until reset and releases everybody; else each set releases one wait and resets itself.
        signalled: the first state.

    `set`, `reset`, `is_set` may be called from any thread and in an interrupt context.
    """

    __slots__ = ("_resets", "_signal", "manual")

    def __init__(self, manual: bool, signalled: bool = False) -> None:
        super().__init__()
        self.manual = manual
        self._signal = allocate_lock()
        self._resets: object = None  # another object after each reset
        if not signalled:
            self._signal.acquire(False)

    def __repr__(self) -> str:
        kind = "manual" if self.manual else "auto"
        return f"<Event {kind} {'set' if self.is_set() else 'unset'}, {len(self._waiters)} waiting>"

    def set(self) -> None:
        """Signal: release every blocked wait (manual) or the oldest it satisfies (auto), else stay signalled."""
        if self.manual:
            self._deposit()
            if self._waiters:
                self._release_waiters()
            return
        if self._waiters:
            # The signal is in our hand here, in no lock: nobody but a blocked wait can get it.
            for waiter in tuple(self._waiters):
                if waiter.offer(self):
                    return
        self._deposit()
        if self._waiters:
            self._serve_late_comers()

    def reset(self) -> None:
        """Take the signal away, if there is one. Waits that a set has already released stay released."""
        self._resets = object()
        self._signal.acquire(False)

    def is_set(self) -> bool:
        """Whether the event is signalled now."""
        return not self._signal.locked()

    def signalled(self) -> bool:
        """As `is_set`."""
        return not self._signal.locked()

    def take(self) -> bool:
        """Consume the signal (auto) or see it (manual)."""
        return not self._signal.locked() if self.manual else self._signal.acquire(False)

    def give_back(self) -> None:
        """Put back a signal that was taken in vain; it may go straight to another blocked wait."""
        if not self.manual:
            self.set()

    def _deposit(self) -> None:
        try:
            self._signal.release()
        except RuntimeError:  # already signalled: sets do not count
            pass

    def _serve_late_comers(self) -> None:
        """Serve waits that went to sleep between our look at them and the deposit."""
        again = True
        while again:
            again = False
            for waiter in tuple(self._waiters):
                if waiter.ordered is not None:
                    waiter.try_all()
                elif 0 not in waiter.outcome:
                    resets = self._resets
                    if not self._signal.acquire(False):
                        return
                    if waiter.offer(self):
                        return
                    if self._resets is not resets:
                        return  # a reset came while the signal was in our hand: it is gone
                    self._deposit()
                    again = True
