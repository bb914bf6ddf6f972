"""Threads and blocked waits for tests: started, watched and joined without sleeping."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from ws2spi._executive.ports import CompletionPort
from ws2spi._executive.threads import Thread, current
from ws2spi._executive.waitable import Waitable, Waiter

LONG = 10.0  # seconds; only a failing test waits as long as this


def until(condition: Callable[[], object], timeout: float = LONG) -> None:
    """Wait until `condition()` is true."""
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "condition never came true"
        pause.wait(0.0005)


class Running:
    """A function on a thread of its own; `.executive` is the thread's executive object, `.result()` joins."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self._outcome: list[Any] = []
        self._known = threading.Event()
        self.executive: Thread = None  # type: ignore[assignment]
        self.thread = threading.Thread(target=self._run, args=(function, args), daemon=True)
        self.thread.start()
        assert self._known.wait(LONG)

    def _run(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.executive = current()
        self._known.set()
        try:
            self._outcome.append(function(*args))
        except BaseException as error:
            self._outcome.append(error)

    def result(self, timeout: float = LONG) -> Any:
        """What the function returned, or the exception that ended it."""
        self.thread.join(timeout)
        assert not self.thread.is_alive(), "the thread hangs"
        return self._outcome[0]

    def alive(self) -> bool:
        return self.thread.is_alive()


def blocked_on(*targets: Waitable | CompletionPort) -> Callable[[int], None]:
    """`blocked_on(event)(2)`: wait until two waits sleep on each of the targets."""

    def wait_for(count: int) -> None:
        until(lambda: all(_sleeping(target) == count for target in targets))

    return wait_for


def _sleeping(target: Waitable | CompletionPort) -> int:
    # A registered wait with an undecided outcome has looked and sleeps (or is about to, which is the same to a setter).
    return sum(0 not in waiter.outcome and waiter.thread._parked for waiter in tuple(target._waiters))  # type: ignore[attr-defined]


class Sleeper:
    """Stands for a thread that sleeps in a wait."""

    _parked = True

    def __init__(self) -> None:
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1


def sleeping_wait(objects: Sequence[Waitable], *, all: bool = False) -> Waiter:
    """A blocked wait without a thread: it stays registered, its `outcome` tells how it ended."""
    waiter = Waiter(Sleeper(), tuple(objects), all)
    for target in objects:
        target._waiters[waiter] = None
    return waiter
