"""Wait functions."""

# ruff: noqa: N802, N803 - Windows' spelling

import os
from typing import Any

from ws2spi._abi.constants import (
    ERROR_INVALID_HANDLE,
    ERROR_INVALID_PARAMETER,
    MAXIMUM_WAIT_OBJECTS,
    WAIT_FAILED,
    WAIT_IO_COMPLETION,
)
from ws2spi._abi.memory import load_handles
from ws2spi._executive.events import Event
from ws2spi._executive.handles import handles
from ws2spi._executive.waitable import Waitable
from ws2spi._executive.waits import wait
from ws2spi.ctypes._function import exact, number_of
from ws2spi.kernel32._arguments import CURRENT_THREAD, fail, handle_of, object_of, seconds, thread_of


@exact
def SleepEx(dwMilliseconds: Any, bAlertable: Any) -> int:
    """Sleep; when alertable, until APCs have run at the latest.

    Returns: 0 when the time is over, WAIT_IO_COMPLETION when APCs ran.
    Source: synchapi.h, nf-synchapi-sleepex.
    Differs: nothing. A pending APC runs even when the time is 0 (the page is silent).
    """
    timeout = seconds(dwMilliseconds)
    alertable = bool(number_of(bAlertable))
    if timeout == 0 and not alertable:
        os.sched_yield()
        return 0
    return WAIT_IO_COMPLETION if wait((), timeout=timeout, alertable=alertable) == WAIT_IO_COMPLETION else 0


@exact
def Sleep(dwMilliseconds: Any) -> None:
    """Sleep without running APCs.

    Returns: nothing.
    Source: synchapi.h, nf-synchapi-sleep.
    Differs: nothing.
    """
    SleepEx.body(dwMilliseconds, 0)


def _object(handle: int) -> Waitable | None:
    return thread_of(handle) if handle == CURRENT_THREAD else handles.get(handle, Waitable)


@exact
def WaitForSingleObjectEx(hHandle: Any, dwMilliseconds: Any, bAlertable: Any) -> int:
    """Wait until an object is signalled, or APCs have run, or the time is over: looked at in this order.

    Returns: WAIT_OBJECT_0, WAIT_IO_COMPLETION, WAIT_TIMEOUT, or WAIT_FAILED with the code in the last error.
    Errors:
        ERROR_INVALID_HANDLE: `hHandle` names nothing that can be waited for.
    Source: synchapi.h, nf-synchapi-waitforsingleobjectex.
    Differs: an event closed while it is waited for stays alive until the wait ends (undefined on Windows).
    """
    target = _object(handle_of(hHandle))
    if target is None:
        return fail(ERROR_INVALID_HANDLE, WAIT_FAILED)
    return wait((target,), timeout=seconds(dwMilliseconds), alertable=bool(number_of(bAlertable)))


@exact
def WaitForSingleObject(hHandle: Any, dwMilliseconds: Any) -> int:
    """Wait until an object is signalled or the time is over; runs no APCs.

    Returns: WAIT_OBJECT_0, WAIT_TIMEOUT, or WAIT_FAILED with the code in the last error.
    Errors:
        ERROR_INVALID_HANDLE: `hHandle` names nothing that can be waited for.
    Source: synchapi.h, nf-synchapi-waitforsingleobject.
    Differs: as WaitForSingleObjectEx.
    """
    return int(WaitForSingleObjectEx.body(hHandle, dwMilliseconds, 0))


@exact
def WaitForMultipleObjectsEx(nCount: Any, lpHandles: Any, bWaitAll: Any, dwMilliseconds: Any, bAlertable: Any) -> int:
    """Wait for one of several objects, or for all at once; nothing is consumed unless the wait ends by it.

    Returns: WAIT_OBJECT_0 + the lowest index of a signalled object (0 for all), WAIT_IO_COMPLETION, WAIT_TIMEOUT, or
        WAIT_FAILED with the code in the last error.
    Errors:
        ERROR_INVALID_PARAMETER: `nCount` is not 1 to 64, the array is NULL, or a handle repeats in a wait for all.
        ERROR_INVALID_HANDLE: one of the handles names nothing that can be waited for; a pseudo handle does not.
    Source: synchapi.h, nf-synchapi-waitformultipleobjectsex.
    Differs: in a wait for one, a repeated handle is accepted.
    """
    count = nCount if type(nCount) is int else number_of(nCount)
    numbers = load_handles(lpHandles, count) if 1 <= count <= MAXIMUM_WAIT_OBJECTS else None
    if numbers is None:
        return fail(ERROR_INVALID_PARAMETER, WAIT_FAILED)
    targets = handles.get_all(numbers, Waitable)
    if targets is None:
        return fail(ERROR_INVALID_HANDLE, WAIT_FAILED)
    every = bool(number_of(bWaitAll))
    if every and len(set(map(id, targets))) != count:
        return fail(ERROR_INVALID_PARAMETER, WAIT_FAILED)
    return wait(targets, all=every, timeout=seconds(dwMilliseconds), alertable=bool(number_of(bAlertable)))


@exact
def WaitForMultipleObjects(nCount: Any, lpHandles: Any, bWaitAll: Any, dwMilliseconds: Any) -> int:
    """Wait for one of several objects or for all; runs no APCs.

    Returns: as WaitForMultipleObjectsEx, never WAIT_IO_COMPLETION.
    Errors:
        ERROR_INVALID_PARAMETER, ERROR_INVALID_HANDLE: as WaitForMultipleObjectsEx.
    Source: synchapi.h, nf-synchapi-waitformultipleobjects.
    Differs: as WaitForMultipleObjectsEx.
    """
    return int(WaitForMultipleObjectsEx.body(nCount, lpHandles, bWaitAll, dwMilliseconds, 0))


@exact
def SignalObjectAndWait(hObjectToSignal: Any, hObjectToWaitOn: Any, dwMilliseconds: Any, bAlertable: Any) -> int:
    """Set an event, then wait for an object.

    Returns: as WaitForSingleObjectEx.
    Errors:
        ERROR_INVALID_HANDLE: the first names no event, or the second nothing that can be waited for.
    Source: synchapi.h, nf-synchapi-signalobjectandwait.
    Differs: not atomic, as its own page allows (another page says it is).
    """
    signal = object_of(hObjectToSignal, Event)
    target = _object(handle_of(hObjectToWaitOn))
    if signal is None or target is None:
        return fail(ERROR_INVALID_HANDLE, WAIT_FAILED)
    signal.set()
    return wait((target,), timeout=seconds(dwMilliseconds), alertable=bool(number_of(bAlertable)))
