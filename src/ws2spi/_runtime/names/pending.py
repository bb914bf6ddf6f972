"""GetAddrInfoEx: queries with a limit of time, and queries that go on after the call.

Which thread does what: the providers are asked on one helper thread (decision 0022). A query that goes on has a second
one, which waits for the first, for the time or for the cancel, whichever comes first, and then tells the client. So a
completion routine runs on a thread of ours, as the page's example needs (its only thread waits, not alertable), and
never inside the call that cancels.

A pending query is in the table until somebody takes it out: its own end or a cancel. Whoever takes it out decides how
it ended.
"""

import itertools
from collections.abc import Callable
from typing import Generic, TypeVar

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine import reports
from ws2spi._executive.events import Event
from ws2spi._runtime.names.worker import Task, finish, start
from ws2spi._runtime.process import runtime

_R = TypeVar("_R")
_handles = itertools.count(0x3002, 4)
_pending: dict[int, Event] = {}  # {handle: set by its cancel}


def within(timeout: float | None, ask: Callable[[], _R]) -> _R:
    """Return `ask()`, with at most so many seconds for it.

    Errors:
        WSAETIMEDOUT: the time was over; the providers go on by themselves. Else those of `ask`.
    """
    return ask() if timeout is None else finish(Task(ask), timeout=timeout)


class Pending(Generic[_R]):
    """A query that goes on after the call, once `start` was called.

    Parameters:
        timeout: how many seconds it may take, None for no limit.
        ask: what gives its result, on another thread.
    Attributes:
        handle: by which it is cancelled.
    """

    def __init__(self, timeout: float | None, ask: Callable[[], _R]) -> None:
        self.handle = next(_handles)
        self._timeout = timeout
        self._task = Task(ask)
        self._cancelled = _pending[self.handle] = Event(manual=True)

    def start(self, tell: Callable[[int, _R | None], None]) -> None:
        """Begin; `tell` gets the code and the result, once, on another thread.

        The code is 0 with a result, WSAETIMEDOUT, WSA_E_CANCELLED, or that of `ask`.
        """
        start(lambda: self._run(tell))

    def _run(self, tell: Callable[[int, _R | None], None]) -> None:
        code, result = 0, None
        try:
            result = finish(self._task, self._cancelled, self._timeout)
        except WinsockError as error:
            code = int(error.code)
        except Exception as error:
            reports.report(f"GetAddrInfoEx failed: {error!r}")
            code = int(WSAError.WSANO_RECOVERY)
        if _pending.pop(self.handle, None) is None:
            code, result = int(WSAError.WSA_E_CANCELLED), None
        tell(code, result)


def cancel(handle: int) -> None:
    """End a pending query with WSA_E_CANCELLED; does not wait for it.

    Errors:
        WSA_INVALID_HANDLE: there is none, or it has ended.
    """
    cancelled = _pending.pop(handle, None)
    if cancelled is None:
        raise WinsockError(WSAError.WSA_INVALID_HANDLE, f"query {handle:#x}")
    cancelled.set()


def _unload() -> None:
    for handle in tuple(_pending):
        cancelled = _pending.pop(handle, None)
        if cancelled is not None:
            cancelled.set()


runtime.extend(_unload, _pending.clear)
