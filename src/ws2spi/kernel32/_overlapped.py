"""Results and cancelling of overlapped operations."""

# ruff: noqa: N802, N803 - Windows' spelling

from typing import Any

from ws2spi._abi.constants import (
    ERROR_INVALID_HANDLE,
    ERROR_IO_INCOMPLETE,
    ERROR_NOT_FOUND,
    INFINITE,
    STATUS_BUFFER_OVERFLOW,
    STATUS_PENDING,
    WAIT_IO_COMPLETION,
    WAIT_OBJECT_0,
    WAIT_TIMEOUT,
)
from ws2spi._abi.errors import WinsockError, win32_from_status
from ws2spi._abi.memory import address_of, deref, store_int
from ws2spi._abi.types import OVERLAPPED
from ws2spi._executive.events import Event
from ws2spi._executive.handles import handles
from ws2spi._executive.overlapped import pending_at
from ws2spi._executive.threads import current
from ws2spi._executive.waitable import Waitable
from ws2spi._executive.waits import wait
from ws2spi.ctypes._function import exact, number_of
from ws2spi.kernel32._arguments import fail, handle_of, seconds, win32_code

_ERROR_NOACCESS = 998
_FAILED = 0x80000000


@exact
def GetOverlappedResultEx(
    hFile: Any, lpOverlapped: Any, lpNumberOfBytesTransferred: Any, dwMilliseconds: Any, bAlertable: Any
) -> int:
    """Read the result of an overlapped operation, waiting for its end.

    Returns: TRUE with the byte count, or FALSE with the code in the last error and the count untouched,
        but for a datagram that was cut.
    Errors:
        ERROR_IO_INCOMPLETE: still pending, and the time is 0. WAIT_TIMEOUT: still pending after the time.
        WAIT_IO_COMPLETION: APCs ran. Any other: the operation's own.
        ERROR_NOACCESS: `lpOverlapped` is NULL.
    Source: ioapiset.h, nf-ioapiset-getoverlappedresultex.
    Differs: without an event it waits for this operation, not for the handle, so another one's end does not end it.
    """
    structure = deref(lpOverlapped, OVERLAPPED)
    if structure is None:
        return fail(_ERROR_NOACCESS)
    timeout = seconds(dwMilliseconds)
    while (structure.Internal or 0) == STATUS_PENDING:
        # A time of 0 never looks at APCs, unlike every other alertable call (witness G12).
        target = _end_of(structure, address_of(lpOverlapped)) if timeout != 0 else None
        if target is None:
            return fail(ERROR_IO_INCOMPLETE)
        ended = wait((target,), timeout=timeout, alertable=bool(number_of(bAlertable)))
        if ended == WAIT_IO_COMPLETION:
            return fail(WAIT_IO_COMPLETION)
        if ended == WAIT_TIMEOUT and (structure.Internal or 0) == STATUS_PENDING:
            return fail(WAIT_TIMEOUT)
        if ended == WAIT_OBJECT_0 and isinstance(target, Event):
            break
    status = structure.Internal or 0
    if status == STATUS_PENDING:  # an event that somebody else set
        return fail(ERROR_IO_INCOMPLETE)
    if status & _FAILED:
        if status == STATUS_BUFFER_OVERFLOW:  # a datagram that was cut: what there was room for (witness I2)
            store_int(lpNumberOfBytesTransferred, structure.InternalHigh or 0)
        return fail(win32_from_status(status))
    store_int(lpNumberOfBytesTransferred, structure.InternalHigh or 0)
    return 1


def _end_of(structure: Any, address: int) -> Waitable | None:
    """What is signalled when the operation ends: its record, or, when the provider keeps none with us, its event."""
    return pending_at(address) or handles.get(structure.hEvent or 0, Event)


@exact
def GetOverlappedResult(hFile: Any, lpOverlapped: Any, lpNumberOfBytesTransferred: Any, bWait: Any) -> int:
    """Read the result of an overlapped operation; with `bWait`, wait for its end. Runs no APCs.

    Returns: TRUE with the byte count, or FALSE with the code in the last error and the count untouched,
        but for a datagram that was cut.
    Errors:
        ERROR_IO_INCOMPLETE: still pending, and not to be waited for. Any other: the operation's own, a Win32 code.
        ERROR_NOACCESS: `lpOverlapped` is NULL.
    Source: ioapiset.h, nf-ioapiset-getoverlappedresult.
    Differs: as GetOverlappedResultEx; an auto-reset event that was consumed already does not make it hang.
    """
    milliseconds = INFINITE if number_of(bWait) else 0
    return int(GetOverlappedResultEx.body(hFile, lpOverlapped, lpNumberOfBytesTransferred, milliseconds, 0))


@exact
def CancelIo(hFile: Any) -> int:
    """Ask the operations that the calling thread started on a socket to end.

    Returns: TRUE, also when there is none; FALSE with the code in the last error.
    Errors:
        ERROR_INVALID_HANDLE: `hFile` is no socket.
    Source: ioapiset.h; FileIO, cancelio.
    Differs: nothing; as on Windows, what a hand-written provider has been given is out of reach of any cancel.
    """
    found = _cancel(hFile, mine=True, overlapped=None)
    return 0 if found is None else 1


@exact
def CancelIoEx(hFile: Any, lpOverlapped: Any) -> int:
    """Ask one operation on a socket, or all of them, to end, whichever thread started them.

    Returns: TRUE when something was asked, or FALSE with the code in the last error.
    Errors:
        ERROR_INVALID_HANDLE: `hFile` is no socket.
        ERROR_NOT_FOUND: nothing to cancel.
    Source: ioapiset.h; FileIO, cancelioex-func.
    Differs: nothing; as on Windows, what a hand-written provider has been given is out of reach of any cancel.
    """
    found = _cancel(hFile, mine=False, overlapped=lpOverlapped)
    if found is None:
        return 0
    return 1 if found else fail(ERROR_NOT_FOUND)


def _cancel(hFile: Any, *, mine: bool, overlapped: Any) -> int | None:
    """How many operations were asked to end; None with the last error set when the handle is no socket."""
    from ws2spi._runtime import sockets

    number = handle_of(hFile)
    try:
        if mine:
            return sockets.cancel_io(number, current())
        return sockets.cancel_io_ex(number, address_of(overlapped))
    except WinsockError as error:
        fail(win32_code(error) or ERROR_INVALID_HANDLE)
        return None
