"""Event objects under their Winsock names, and the wait for several of them."""

from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import load_handles
from ws2spi._executive.events import Event
from ws2spi._executive.handles import handles
from ws2spi._executive.waitable import Waitable
from ws2spi._executive.waits import wait
from ws2spi._runtime import upcalls
from ws2spi._runtime.process import runtime
from ws2spi.ctypes._function import number_of
from ws2spi.ws2_32._route import failed


def WSACreateEvent() -> int:
    """Make a manual-reset event, not signalled.

    Returns: its handle.
    Errors: none.
    Source: winsock2.h, nf-winsock2-wsacreateevent.
    Differs: works before WSAStartup, as on Windows, where the page names WSANOTINITIALISED.
    """
    return handles.insert(Event(manual=True))


def WSACloseEvent(hEvent: Any) -> int:
    """Close an event.

    Returns: TRUE, or FALSE with the code in the last error.
    Errors:
        WSA_INVALID_HANDLE: not an open event.
    Source: winsock2.h, nf-winsock2-wsacloseevent.
    Differs: nothing.
    """
    try:
        upcalls.close_event(hEvent if type(hEvent) is int else number_of(hEvent))
    except WinsockError as error:
        return failed(error, c.FALSE)
    return c.TRUE


def WSASetEvent(hEvent: Any) -> int:
    """Signal an event.

    Returns: TRUE, or FALSE with the code in the last error.
    Errors:
        WSA_INVALID_HANDLE: not an open event.
    Source: winsock2.h, nf-winsock2-wsasetevent.
    Differs: nothing.
    """
    try:
        upcalls.set_event(hEvent if type(hEvent) is int else number_of(hEvent))
    except WinsockError as error:
        return failed(error, c.FALSE)
    return c.TRUE


def WSAResetEvent(hEvent: Any) -> int:
    """Take an event's signal away.

    Returns: TRUE, or FALSE with the code in the last error.
    Errors:
        WSA_INVALID_HANDLE: not an open event.
    Source: winsock2.h, nf-winsock2-wsaresetevent.
    Differs: nothing.
    """
    try:
        upcalls.reset_event(hEvent if type(hEvent) is int else number_of(hEvent))
    except WinsockError as error:
        return failed(error, c.FALSE)
    return c.TRUE


def WSAWaitForMultipleEvents(cEvents: Any, lphEvents: Any, fWaitAll: Any, dwTimeout: Any, fAlertable: Any) -> int:
    """Wait for one or all of several events, and for APCs when `fAlertable`.

    Returns: WSA_WAIT_EVENT_0 + index, WSA_WAIT_IO_COMPLETION, WSA_WAIT_TIMEOUT, or WSA_WAIT_FAILED with the code in the
    last error.
    Errors:
        WSANOTINITIALISED.
        WSA_INVALID_PARAMETER: no events, more than 64, or one of them twice with `fWaitAll`.
        WSA_INVALID_HANDLE: one of them is no open handle; nothing is waited for then.
    Source: winsock2.h, nf-winsock2-wsawaitformultipleevents.
    Differs: nothing.
    """
    try:
        runtime.require()
        every = bool(number_of(fWaitAll))
        objects = _objects(cEvents if type(cEvents) is int else number_of(cEvents), lphEvents, every)
    except WinsockError as error:
        return failed(error, c.WSA_WAIT_FAILED)
    milliseconds = (dwTimeout if type(dwTimeout) is int else number_of(dwTimeout)) & 0xFFFFFFFF
    timeout = None if milliseconds == c.WSA_INFINITE else milliseconds / 1000
    return wait(objects, all=every, timeout=timeout, alertable=bool(number_of(fAlertable)))


def _objects(count: int, array: Any, all_of_them: bool) -> list[Waitable]:
    """Return the objects of an array of handles, all checked before any is waited for."""
    numbers = load_handles(array, count) if 1 <= count <= c.WSA_MAXIMUM_WAIT_EVENTS else None
    if numbers is None:
        raise WinsockError(WSAError.WSA_INVALID_PARAMETER, f"{count} events, or no array")
    objects = handles.get_all(numbers, Waitable)
    if objects is None:
        raise WinsockError(WSAError.WSA_INVALID_HANDLE, "one of the events")
    if all_of_them and count > 1 and len(set(map(id, objects))) < count:
        raise WinsockError(WSAError.WSA_INVALID_PARAMETER, "an event twice")
    return objects
