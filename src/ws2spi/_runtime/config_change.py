"""WSAProviderConfigChange: a handle, and calls on it that end when the configuration of providers has changed.

Two pages disagree about a running process: the installing functions say that only a later WSAStartup shows what they
did, the page of this function says that enumerating after it gives what there is now. So a process keeps what it read
at its start-up until it calls this function; each call renews what it sees.
"""

from typing import Any

from ws2spi._abi.errors import WinsockError, WSAError, status_from_wsa
from ws2spi._abi.memory import is_null
from ws2spi._engine import reports
from ws2spi._executive.handles import handles
from ws2spi._executive.overlapped import Overlapped, pending_at
from ws2spi._executive.threads import current
from ws2spi._executive.waits import wait as wait_for
from ws2spi._runtime.arguments import as_routine, routine_argument
from ws2spi._runtime.catalog.changes import State, Waiting, watch
from ws2spi._runtime.process import runtime


class Notification:
    """What a notification handle stands for. Closing its last handle ends the calls that wait on it."""

    def __init__(self) -> None:
        self.waiting: dict[Waiting, None] = {}
        self.closed = False

    def close(self) -> None:
        """End what waits, with WSA_OPERATION_ABORTED."""
        self.closed = True
        for waiting in tuple(self.waiting):
            watch.cancel(waiting)


_pending: dict["_Call", None] = {}  # the calls that wait, of all handles


class _Call:
    """One call that waits: overlapped, with an event or a routine, or blocking, with neither."""

    def __init__(self, notification: Notification, record: Overlapped, routine: Any, since: State) -> None:
        self.notification = notification
        self.record = record
        self.routine = routine
        self.thread = current()
        self.code = 0
        self.silent = False
        self.waiting = Waiting(since, self.told)

    def start(self) -> None:
        self.record.start()
        # Entered first, begun after: who ends it in between finds nothing to end, and so we look again.
        _pending[self] = None
        self.notification.waiting[self.waiting] = None
        try:
            watch.wait(self.waiting)
        except WinsockError:
            self._leave()
            self.record.refuse()
            raise
        if not runtime.starts:
            self.end_of_use()
        elif self.notification.closed:
            watch.cancel(self.waiting)

    def _leave(self) -> None:
        _pending.pop(self, None)
        self.notification.waiting.pop(self.waiting, None)

    def told(self, code: int) -> None:
        """The end: the status block first, then whichever way the caller chose."""
        self._leave()
        self.code = code
        status = status_from_wsa(code)
        if self.silent or self.routine is not None:
            self.record.store(status, 0)
        else:
            self.record.complete(status, 0)
        if self.routine is not None and not self.silent:
            self.thread.queue_apc(_deliver, (self.routine, code, self.record))

    def end_of_use(self) -> None:
        """The last WSACleanup: what overlaps ends without a word, who blocks is let go."""
        self.silent = self.record.structure is not None
        watch.cancel(self.waiting, WSAError.WSA_OPERATION_ABORTED if self.silent else WSAError.WSAEINTR)


def _deliver(block: tuple[Any, int, Overlapped]) -> None:
    routine, code, record = block
    routine(code, 0, routine_argument(routine, record.structure), 0)


def open_notification() -> int:
    """Return a new notification handle, and renew what this process sees of the catalog.

    Errors:
        WSANOTINITIALISED. WSAENETDOWN: the catalog cannot be read.
    """
    runtime.require()
    _renew()
    return handles.insert(Notification())


def next_change(handle: int, pointer: Any, routine: Any) -> None:
    """Wait for a change of the configuration after this call; renew what this process sees now.

    Parameters:
        pointer: the client's OVERLAPPED; NULL: return at the change.
        routine: its completion routine, or NULL.
    Errors:
        WSANOTINITIALISED. WSA_INVALID_HANDLE: no notification handle, or hEvent is no event. WSAENETDOWN: the catalog
        cannot be read. WSAEOPNOTSUPP: it cannot be watched.
        WSA_IO_PENDING: not an error: the overlapped call waits. WSAEINVAL: its OVERLAPPED is in use.
        WSA_OPERATION_ABORTED: the handle was closed. WSAEINTR: the last WSACleanup ended a blocking call.
    """
    runtime.require()
    notification = handles.get(handle, Notification)
    if notification is None:
        raise WinsockError(WSAError.WSA_INVALID_HANDLE, f"handle {handle}")
    since = watch.state()
    _renew()
    if is_null(pointer):
        _block(_Call(notification, Overlapped(), None, since))
        return
    routine = as_routine(routine)
    record = Overlapped.from_argument(pointer, handles, with_event=routine is None)
    if pending_at(record.address) is not None:
        raise WinsockError(WSAError.WSAEINVAL, "the OVERLAPPED is in use")
    _Call(notification, record, routine, since).start()
    raise WinsockError(WSAError.WSA_IO_PENDING)


def _block(call: _Call) -> None:
    try:
        call.start()
        wait_for((call.record,))
    except BaseException:
        watch.cancel(call.waiting)
        raise
    if call.code:
        raise WinsockError(call.code)


def _renew() -> None:
    try:
        runtime.read_catalog()
    except WinsockError as error:
        reports.report(f"the catalog of providers cannot be read: {error.detail}")
        raise WinsockError(WSAError.WSAENETDOWN, error.detail) from error


def _end_of_use() -> None:
    for call in tuple(_pending):
        call.end_of_use()


runtime.extend(_end_of_use, _pending.clear)
runtime.catalog.changed = watch.changed_here
