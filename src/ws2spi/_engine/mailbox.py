"""A mailbox: who finds it free runs what is in it; who finds it taken leaves the step there.

Rule 1: steps run one at a time, in the order in which they were posted, on whichever thread found the mailbox free.
Rule 2: nobody waits for it. Posting is safe from a signal handler or `__del__` that strikes inside a step of the same
        thread, because every change of state is one C call (`deque.append`, `popleft`, `lock.acquire(False)`).
Rule 3: what must not run inside (callbacks of clients) is handed to `later` and runs after the mailbox is free, one at
        a time and in order.
"""

import _thread
from collections import deque
from collections.abc import Callable
from typing import Any

Step = tuple[Callable[..., object], tuple[Any, ...]]


class Mailbox:
    __slots__ = ("_announcing", "announcements", "holder", "lock", "steps")

    def __init__(self) -> None:
        self.lock = _thread.allocate_lock()
        self.steps: deque[Step] = deque()
        self.holder = 0  # ident of the thread inside, 0 when free
        self._announcing = _thread.allocate_lock()
        self.announcements: deque[Step] = deque()

    def post(self, step: Callable[..., object], *arguments: Any) -> None:
        """Run `step(*arguments)` inside: now, if nobody is there, else as soon as whoever is there gets to it."""
        self.steps.append((step, arguments))
        self.drain()

    def later(self, step: Callable[..., object], *arguments: Any) -> None:
        """From inside: run `step(*arguments)` once the mailbox is free."""
        self.announcements.append((step, arguments))

    def drain(self) -> None:
        """Run what is there. To be called after every release of `lock`, unless nothing is there."""
        steps = self.steps
        try:
            # A step posted after the inner loop saw the queue empty and before the release finds the lock taken; the
            # outer test, after the release, picks it up.
            while steps and self.lock.acquire(False):
                try:
                    self.holder = _thread.get_ident()
                    while steps:
                        step, arguments = steps.popleft()
                        step(*arguments)
                finally:
                    self.holder = 0
                    self.lock.release()
            if self.announcements:
                self._announce()
        except BaseException:
            # Ctrl-C leaves through whoever is inside; what others have left here must not wait for the next visitor.
            self.drain()
            raise

    def _announce(self) -> None:
        queue = self.announcements
        while queue and self._announcing.acquire(False):
            try:
                while queue:
                    step, arguments = queue.popleft()
                    step(*arguments)
            finally:
                self._announcing.release()

    def held_by_me(self) -> bool:
        """Whether this very thread is inside, further up its stack."""
        return self.holder == _thread.get_ident()
