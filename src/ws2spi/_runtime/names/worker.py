"""Calls that can be left: foreign or slow code runs on a helper thread while the caller waits for it or for an end.

The system's resolver cannot be interrupted. So whoever waits for it waits on two events, and leaves when the lookup
ends (or a signal handler raises); the helper finishes by itself and its result is dropped.
"""

import os
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._executive.events import Event
from ws2spi._executive.waits import wait

_R = TypeVar("_R")
_KEPT = 4  # idle helpers that are not dismissed
_NAME = "ws2spi-names"


class _Task(Generic[_R]):
    def __init__(self, function: Callable[[], _R]) -> None:
        self.function = function
        self.done = Event(manual=True)
        self.result: _R | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self.function()
        except BaseException as error:
            self.error = error
        self.done.set()


class _Helper:
    def __init__(self) -> None:
        self.tasks: SimpleQueue[_Task[Any]] = SimpleQueue()
        threading.Thread(target=self._work, name=_NAME, daemon=True).start()

    def _work(self) -> None:
        while True:
            task = self.tasks.get()
            task.run()
            del task  # neither its result nor what it was called with outlives it here
            if len(_idle) >= _KEPT:
                return
            _idle.append(self)


_idle: deque[_Helper] = deque()
os.register_at_fork(after_in_child=_idle.clear)


def start(function: Callable[[], _R]) -> "_Task[_R]":
    """Run `function()` on another thread, and go on."""
    task = _Task(function)
    try:
        helper = _idle.pop()
    except IndexError:
        helper = _Helper()
    helper.tasks.put(task)
    return task


def endable(function: Callable[[], _R], ended: Event | None = None) -> _R:
    """Return what `function()` returns, or raise what it raises; it runs on another thread.

    Parameters:
        ended: once it is set the call is left.
    Errors:
        WSA_E_CANCELLED: `ended` was set first.
    """
    if ended is not None and ended.is_set():
        raise WinsockError(WSAError.WSA_E_CANCELLED, "the lookup has ended")
    task = start(function)
    if wait((task.done,) if ended is None else (task.done, ended)):
        raise WinsockError(WSAError.WSA_E_CANCELLED, "the lookup has ended")
    if task.error is not None:
        raise task.error
    return task.result  # type: ignore[return-value]
