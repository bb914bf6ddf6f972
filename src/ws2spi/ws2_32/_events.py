"""Event objects under their Winsock names, and the wait for several of them."""

import ctypes
from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of
from ws2spi._executive.events import Event
from ws2spi._executive.handles import handles
from ws2spi._executive.waitable import Waitable
from ws2spi._executive.waits import wait
from ws2spi._runtime import upcalls
from ws2spi._runtime.process import runtime
from ws2spi.ctypes._function import number_of
from ws2spi.ws2_32._route import failed

# [number of handles]: the type of their array; asking ctypes for it costs as much as the rest of a wait that is over.
_ARRAYS: list[Any] = [ctypes.c_uint64 * count for count in range(c.WSA_MAXIMUM_WAIT_EVENTS + 1)]


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
        upcalls.close_event(number_of(hEvent))
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
        upcalls.set_event(number_of(hEvent))
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
        upcalls.reset_event(number_of(hEvent))
    except WinsockError as error:
        return failed(error, c.FALSE)
    return c.TRUE


def WSAWaitForMultipleEvents(cEvents: int, lphEvents: Any, fWaitAll: int, dwTimeout: int, fAlertable: int) -> int:
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
        objects = _objects(cEvents, lphEvents, bool(fWaitAll))
    except WinsockError as error:
        return failed(error, c.WSA_WAIT_FAILED)
    timeout = None if dwTimeout & 0xFFFFFFFF == c.WSA_INFINITE else dwTimeout / 1000
    return wait(objects, all=bool(fWaitAll), timeout=timeout, alertable=bool(fAlertable))


def _objects(count: int, array: Any, all_of_them: bool) -> list[Waitable]:
    """Return the objects of an array of handles, all checked before any is waited for."""
    if not 1 <= count <= c.WSA_MAXIMUM_WAIT_EVENTS:
        raise WinsockError(WSAError.WSA_INVALID_PARAMETER, f"{count} events")
    start = address_of(array)
    if not start:
        raise WinsockError(WSAError.WSA_INVALID_PARAMETER, "no array")
    objects = []
    for number in _ARRAYS[count].from_address(start):
        found = handles.get(number & ~3, Waitable)
        if found is None:
            raise WinsockError(WSAError.WSA_INVALID_HANDLE, f"event {number}")
        objects.append(found)
    if all_of_them and count > 1 and len(set(map(id, objects))) < count:
        raise WinsockError(WSAError.WSA_INVALID_PARAMETER, "an event twice")
    return objects
