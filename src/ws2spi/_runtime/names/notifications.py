"""Being told of a change: the five ways of a WSACOMPLETION.

A notification is given once, by whoever comes first: the change, the end of the lookup, or the end of the thread that
asked. The last two abort it: overlapped ways then end with WSA_OPERATION_ABORTED, a window gets no message.
"""

from _thread import allocate_lock
from collections.abc import Callable
from typing import Any

from ws2spi._abi import names as n
from ws2spi._abi.errors import WinsockError, WSAError, status_from_wsa
from ws2spi._abi.memory import deref
from ws2spi._abi.types import WSATHREADID
from ws2spi._executive.handles import handles
from ws2spi._executive.overlapped import Overlapped, pending_at
from ws2spi._executive.ports import CompletionPort, Packet
from ws2spi._executive.threads import Thread, current
from ws2spi._runtime import messages, threads
from ws2spi._runtime.arguments import as_routine, routine_argument
from ws2spi._runtime.names.provider import ChangeState


class Notification:
    """One request to be told.

    Parameters:
        deliver: gets the code, 0 or WSA_OPERATION_ABORTED, once.
    """

    def __init__(self, deliver: Callable[[int], None]) -> None:
        self._deliver = deliver
        self._claim = allocate_lock()
        self._operations = threads.own().operations
        self._state: ChangeState | None = None
        self._operations[self] = None

    def listen(self, state: ChangeState, revision: int) -> None:
        """Wait for a revision after `revision`; a change that came meanwhile is told at once."""
        self._state = state
        state.listeners[self] = None
        if state.revision != revision or self._claim.locked():
            self()

    def __call__(self, code: int = 0) -> None:
        """Tell."""
        if self._state is not None:
            self._state.listeners.pop(self, None)
        self._operations.pop(self, None)
        if self._claim.acquire(False):
            self._deliver(code)

    def abort(self) -> None:
        """There is nothing to be told any more."""
        self(WSAError.WSA_OPERATION_ABORTED)

    def issuer_ended(self) -> None:
        """The thread that asked has ended."""
        self.abort()


def begin(completion_pointer: Any, thread_pointer: Any) -> Notification | None:
    """Return how a WSACOMPLETION wants to be told, with its OVERLAPPED in progress; None: it wants an answer at once.

    Errors:
        WSAEINVAL: an unknown type, an OVERLAPPED in use or without an event, or a handle that is no completion port or
            no window.
        WSAEFAULT: no OVERLAPPED, no routine, or `thread_pointer` names no thread.
        WSA_INVALID_HANDLE: hEvent is no event.
    """
    completion = deref(completion_pointer, n.WSACOMPLETION)
    if completion is None or completion.Type == n.NSP_NOTIFY_IMMEDIATELY:
        return None
    parameters = completion.Parameters
    if completion.Type == n.NSP_NOTIFY_HWND:
        return Notification(_window(parameters.WindowMessage))
    if completion.Type == n.NSP_NOTIFY_EVENT:
        event = _record(parameters.Event.lpOverlapped, with_event=True)
        if event.event is None:
            raise WinsockError(WSAError.WSAEINVAL, "no hEvent to be told by")
        return _started(event, lambda code: event.complete(status_from_wsa(code), 0))
    if completion.Type == n.NSP_NOTIFY_PORT:
        return _port(parameters.Port)
    if completion.Type == n.NSP_NOTIFY_APC:
        return _apc(parameters.Apc, thread_pointer)
    raise WinsockError(WSAError.WSAEINVAL, f"completion type {completion.Type}")


def _record(pointer: Any, *, with_event: bool) -> Overlapped:
    record = Overlapped.from_argument(pointer, handles, with_event=with_event)
    if pending_at(record.address) is not None:
        raise WinsockError(WSAError.WSAEINVAL, "the OVERLAPPED is in use")
    return record


def _started(record: Overlapped, deliver: Callable[[int], None]) -> Notification:
    record.start()
    return Notification(deliver)


def _window(wanted: Any) -> Callable[[int], None]:
    window, message, context = wanted.hWnd or 0, wanted.uMsg, wanted.context
    if handles.get(window, messages.Window) is None:
        raise WinsockError(WSAError.WSAEINVAL, "hWnd")

    def deliver(code: int) -> None:
        if not code:
            messages.post(window, message, context, 0)

    return deliver


def _port(wanted: Any) -> Notification:
    port = handles.get(wanted.hPort or 0, CompletionPort)
    if port is None:
        raise WinsockError(WSAError.WSAEINVAL, "hPort")
    record = _record(wanted.lpOverlapped, with_event=False)
    key = wanted.Key

    def deliver(code: int) -> None:
        status = status_from_wsa(code)
        record.store(status, 0)
        port.post(Packet(key, 0, record.structure, status))

    return _started(record, deliver)


def _apc(wanted: Any, thread_pointer: Any) -> Notification:
    routine = as_routine(wanted.lpfnCompletionProc)
    if routine is None:
        raise WinsockError(WSAError.WSAEFAULT, "lpfnCompletionProc")
    thread = _thread(thread_pointer)
    record = _record(wanted.lpOverlapped, with_event=False)

    def deliver(code: int) -> None:
        record.store(status_from_wsa(code), 0)
        thread.queue_apc(lambda _: routine(code, 0, routine_argument(routine, record.structure), 0), None)

    return _started(record, deliver)


def _thread(pointer: Any) -> Thread:
    identity = deref(pointer, WSATHREADID)
    if identity is None or identity is threads.own_structure():
        return current()
    thread = threads.resolve(identity)
    if thread is None:
        raise WinsockError(WSAError.WSAEFAULT, "thread_pointer")
    return thread
