"""Event functions."""

# ruff: noqa: N802, N803 - Windows' spelling

from typing import Any

from ws2spi._abi.constants import ERROR_INVALID_HANDLE, ERROR_NOT_SUPPORTED
from ws2spi._executive.events import Event
from ws2spi._executive.handles import handles
from ws2spi.ctypes._function import exact, number_of
from ws2spi.kernel32._arguments import fail, object_of


@exact
def CreateEventW(lpEventAttributes: Any, bManualReset: Any, bInitialState: Any, lpName: Any) -> int:
    """Make an event.

    Returns: its handle, or NULL with the code in the last error.
    Errors:
        ERROR_NOT_SUPPORTED: `lpName` is not NULL.
    Source: synchapi.h, nf-synchapi-createeventw.
    Differs: events have no names, since nothing is shared between processes; the attributes are ignored.
    """
    if lpName is not None and number_of(lpName if not isinstance(lpName, str | bytes) else 1):
        return fail(ERROR_NOT_SUPPORTED)
    return handles.insert(Event(bool(number_of(bManualReset)), bool(number_of(bInitialState))))


@exact
def CreateEventA(lpEventAttributes: Any, bManualReset: Any, bInitialState: Any, lpName: Any) -> int:
    """Make an event: CreateEventW with a narrow name.

    Returns: its handle, or NULL with the code in the last error.
    Errors:
        ERROR_NOT_SUPPORTED: `lpName` is not NULL.
    Source: synchapi.h, nf-synchapi-createeventa.
    Differs: as CreateEventW.
    """
    return int(CreateEventW.body(lpEventAttributes, bManualReset, bInitialState, lpName))


@exact
def SetEvent(hEvent: Any) -> int:
    """Signal an event: release every waiter (manual-reset), or one, the longest waiting (auto-reset).

    Safe in a signal handler, a weakref callback and `__del__`.

    Returns: TRUE, or FALSE with the code in the last error.
    Errors:
        ERROR_INVALID_HANDLE: `hEvent` names no event.
    Source: synchapi.h, nf-synchapi-setevent.
    Differs: nothing.
    """
    event = object_of(hEvent, Event)
    if event is None:
        return fail(ERROR_INVALID_HANDLE)
    event.set()
    return 1


@exact
def ResetEvent(hEvent: Any) -> int:
    """Take an event's signal away. Safe where SetEvent is.

    Returns: TRUE, or FALSE with the code in the last error.
    Errors:
        ERROR_INVALID_HANDLE: `hEvent` names no event.
    Source: synchapi.h, nf-synchapi-resetevent.
    Differs: nothing.
    """
    event = object_of(hEvent, Event)
    if event is None:
        return fail(ERROR_INVALID_HANDLE)
    event.reset()
    return 1
