"""Calls that can be left: foreign or slow code runs on a helper thread while the caller waits for it or for an end.

The system's resolver cannot be interrupted. So whoever waits for it waits on two events, and leaves when the lookup
ends (or a signal handler raises, or a blocking hook cancels); the helper finishes by itself. Who leaves a task may take
it up again with `finish`.
"""

import os
import threading
import time
from _thread import allocate_lock
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from ws2spi._abi.constants import WAIT_TIMEOUT
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.blocking import IDLE_INTERVAL
from ws2spi._executive.events import Event
from ws2spi._executive.threads import current
from ws2spi._executive.waits import wait

_R = TypeVar("_R")
_KEPT = 4  # idle helpers that are not dismissed
_NAME = "ws2spi-names"


class Task(Generic[_R]):
    """A call on its way; `done` is set once it is over."""

    def __init__(self, function: Callable[[], _R]) -> None:
        self.function = function
        self.done = Event(manual=True)
        self.result: _R | None = None
        self.error: BaseException | None = None
        self._claim = allocate_lock()

    def hand_over(self) -> None:
        """Give the task to a helper, unless one has it.

        An interrupt may strike anywhere here and this be called again: a helper that gets a task which another one has
        passes it by.
        """
        if self._claim.locked():
            return
        try:
            helper = _idle.pop()
        except IndexError:
            helper = _Helper()
        helper.tasks.put(self)

    def run(self) -> None:
        """Call the function, once."""
        if not self._claim.acquire(False):
            return
        try:
            self.result = self.function()
        except BaseException as error:
            self.error = error
        self.done.set()


class _Helper:
    def __init__(self) -> None:
        self.tasks: SimpleQueue[Task[Any]] = SimpleQueue()
        threading.Thread(target=self._work, name=_NAME, daemon=True).start()

    def _work(self) -> None:
        _own.is_helper = True
        while True:
            task = self.tasks.get()
            task.run()
            del task  # neither its result nor what it was called with outlives it here
            if len(_idle) >= _KEPT:
                return
            _idle.append(self)


class _Own(threading.local):
    is_helper = False


_own = _Own()
_idle: deque[_Helper] = deque()
os.register_at_fork(after_in_child=_idle.clear)


def start(function: Callable[[], _R]) -> Task[_R]:
    """Run `function()` on another thread, and go on."""
    task = Task(function)
    task.hand_over()
    return task


def finish(task: Task[_R], ended: Event | None = None, timeout: float | None = None) -> _R:
    """Wait for a task, handing it over if it is not; return what its function returned, or raise what it raised.

    Not alertable.

    Parameters:
        ended: once it is set the wait is over.
        timeout: how many seconds to wait at most.
    Errors:
        WSA_E_CANCELLED: `ended` was set first. WSAETIMEDOUT: the time was over first.
        WSAEINTR: WSACancelBlockingCall, from the thread's blocking hook.
        WSAEINPROGRESS: the thread is inside its blocking hook.
    """
    thread = current()
    cancelled = Event(manual=True)
    objects = (task.done, cancelled) if ended is None else (task.done, cancelled, ended)
    outer, thread.blocked = thread.blocked, cancelled.set
    deadline = None if timeout is None else time.monotonic() + timeout
    try:
        task.hand_over()
        while True:
            if thread.idle is not None and not task.done.is_set() and not thread.idle():
                cancelled.set()
            step = None if deadline is None else max(deadline - time.monotonic(), 0)
            if thread.idle is not None:
                step = IDLE_INTERVAL if step is None else min(step, IDLE_INTERVAL)
            first = wait(objects, timeout=step)
            if first != WAIT_TIMEOUT:
                break
            if deadline is not None and time.monotonic() >= deadline:
                raise WinsockError(WSAError.WSAETIMEDOUT, f"no answer in {timeout} s")
    finally:
        thread.blocked = outer
    if first == 1:
        raise WinsockError(WSAError.WSAEINTR, "the call was cancelled")
    if first == 2:
        raise WinsockError(WSAError.WSA_E_CANCELLED, "the lookup has ended")
    if task.error is not None:
        raise task.error
    return task.result  # type: ignore[return-value]


def endable(function: Callable[[], _R]) -> _R:
    """Run `function()` on another thread and wait for it; a helper, whom nobody waits for but by a task, runs it."""
    return function() if _own.is_helper else finish(Task(function))
