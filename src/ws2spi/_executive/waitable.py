"""What can be waited for, and one blocked wait: the hand-over between who signals and who waits.

Rules:
1. A blocked wait ends once. Its `outcome` is a dict with one key, 0; `dict.setdefault(0, x)` is one C call, so of all
   who would end the wait (a set, an APC, the time-out) exactly one wins, whatever interrupts whom.
2. A signal is handed to a blocked wait by who sets it, at once, oldest wait first. So a set and a reset in a row
   release a waiter, and nobody who comes later can take what was meant for it.
3. A wait registers, looks, and only then sleeps. While it looks it owns its own outcome (`LOOKING`) and nobody can hand
   it anything; so whatever was set meanwhile lies in the object, and it looks again after letting go.
4. Taking several objects goes in one fixed order (by id), so of two waits that want the same objects one succeeds.
5. No lock is held anywhere. Who cannot finish a hand-over puts the signal back through the same door.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol


class Sleeper(Protocol):
    """The part of a thread that a hand-over needs."""

    def wake(self) -> None: ...


class Hold:
    """A setter is about to take all objects of a wait-all: the outcome is not decided yet."""

    __slots__ = ()


LOOKING = Hold()
APC = ("apc",)
TIMEOUT = ("timeout",)
GOT_ALL = ("all",)
GONE = ("gone",)


class Waitable:
    """Base of what can be waited for; by itself like a manual-reset object: taking consumes nothing."""

    __slots__ = ("__weakref__", "_waiters")

    def __init__(self) -> None:
        self._waiters: dict[Waiter, None] = {}  # {blocked wait: None}, oldest first

    def signalled(self) -> bool:
        """Whether a wait for this object alone would end now. Takes nothing."""
        raise NotImplementedError

    def take(self) -> bool:
        """Consume the signal if there is one: a single atomic step where there is something to consume."""
        return self.signalled()

    def give_back(self) -> None:
        """Undo a `take` that led to nothing, or a hand-over to a wait that was abandoned."""

    def _release_waiters(self) -> None:
        """Offer a signal that stays to every blocked wait."""
        for waiter in tuple(self._waiters):
            waiter.offer(self)


class Waiter:
    """One blocked wait of one thread, known to each object it waits for."""

    __slots__ = ("objects", "ordered", "outcome", "thread")

    def __init__(self, thread: Sleeper, objects: Sequence[Waitable], wants_all: bool) -> None:
        self.thread = thread
        self.objects = objects
        #: the objects in taking order for a wait-all, None for a wait-any
        self.ordered: list[Waitable] | None = sorted(objects, key=id) if wants_all else None
        # {0: how the wait ended}: LOOKING or a Hold while somebody decides, then (object,), GOT_ALL, APC, TIMEOUT, GONE
        self.outcome: dict[int, Any] = {}

    def offer(self, signal: Waitable) -> bool:
        """Called by who holds `signal`'s signal: True when this wait ended by it, and the signal is consumed."""
        if self.ordered is None:
            # A tuple of its own per offer: an earlier hand-over by the same object must not look like this one.
            mine = (signal,)
            if self.outcome.setdefault(0, mine) is not mine:
                return False
            self.thread.wake()
            return True
        return self._end_by_taking([o for o in self.ordered if o is not signal])

    def try_all(self) -> bool:
        """For a wait-all: end it if all its objects can be taken now."""
        return self._end_by_taking(self.ordered or ())

    def _end_by_taking(self, objects: Iterable[Waitable]) -> bool:
        objects = tuple(objects)
        # Looking before holding: an object is only ever touched when the wait has a real chance (D4: the others stay
        # takable). Looking again after letting go: who set one meanwhile found the wait held and went past it.
        while all(o.signalled() for o in objects):
            hold = Hold()
            if self.outcome.setdefault(0, hold) is not hold:
                return False
            try:
                taken = take_all(objects)
            except BaseException:
                self.outcome.pop(0, None)
                self.thread.wake()
                raise
            if taken:
                self.outcome[0] = GOT_ALL
                self.thread.wake()
                return True
            del self.outcome[0]
            self.thread.wake()  # its time may have run out while it was held
        return False


def take_all(objects: Iterable[Waitable]) -> bool:
    """Take every object or none. `objects` must come in the fixed order."""
    taken: list[Waitable] = []
    for candidate in objects:
        if candidate.take():
            taken.append(candidate)
        else:
            for held in taken:
                held.give_back()
            return False
    return True
