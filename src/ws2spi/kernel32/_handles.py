"""Handles and the last error."""

# ruff: noqa: N802, N803 - Windows' spelling

from typing import Any

from ws2spi._abi.constants import DUPLICATE_CLOSE_SOURCE, ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER
from ws2spi._abi.memory import store_pointer_sized
from ws2spi._executive import lasterror
from ws2spi._executive.handles import handles
from ws2spi._executive.threads import current
from ws2spi.ctypes._function import exact, number_of
from ws2spi.kernel32._arguments import CURRENT_PROCESS, CURRENT_THREAD, DWORD_MASK, fail, handle_of


@exact
def CloseHandle(hObject: Any) -> int:
    """Close a handle of an event, thread or port. The object lives on while something else uses it.

    Returns: TRUE, or FALSE with the code in the last error.
    Errors:
        ERROR_INVALID_HANDLE: `hObject` names nothing (any more).
    Source: handleapi.h, nf-handleapi-closehandle.
    Differs: closing a port ends the waits on it with ERROR_ABANDONED_WAIT_0, as its pages say. Sockets are closed with
        closesocket.
    """
    handle = handle_of(hObject)
    if handle in (CURRENT_PROCESS, CURRENT_THREAD) or handles.close(handle):
        return 1
    return fail(ERROR_INVALID_HANDLE)


@exact
def DuplicateHandle(
    hSourceProcessHandle: Any,
    hSourceHandle: Any,
    hTargetProcessHandle: Any,
    lpTargetHandle: Any,
    dwDesiredAccess: Any,
    bInheritHandle: Any,
    dwOptions: Any,
) -> int:
    """Make another handle of an object; the pseudo handle of the current thread becomes a real one.

    Returns: TRUE with the handle in `lpTargetHandle`, or FALSE with the code in the last error.
    Errors:
        ERROR_INVALID_HANDLE: the source names nothing, or a process handle is not the current process.
        ERROR_INVALID_PARAMETER: `lpTargetHandle` is NULL.
    Source: handleapi.h, nf-handleapi-duplicatehandle.
    Differs: only within the process; access rights are not modelled; not for sockets, as their pages ask.
    """
    if handle_of(hSourceProcessHandle) != CURRENT_PROCESS or handle_of(hTargetProcessHandle) != CURRENT_PROCESS:
        return fail(ERROR_INVALID_HANDLE)
    source = handle_of(hSourceHandle)
    made = handles.insert(current()) if source == CURRENT_THREAD else handles.duplicate(source)
    if made is None:
        return fail(ERROR_INVALID_HANDLE)
    if not store_pointer_sized(lpTargetHandle, made):
        handles.close(made)
        return fail(ERROR_INVALID_PARAMETER)
    if number_of(dwOptions) & DUPLICATE_CLOSE_SOURCE:
        handles.close(source)
    return 1


@exact
def GetLastError() -> int:
    """Read the calling thread's last error, the same slot as WSAGetLastError's.

    Returns: the code.
    Source: errhandlingapi.h, nf-errhandlingapi-getlasterror.
    Differs: nothing.
    """
    return lasterror.get()


@exact
def SetLastError(dwErrCode: Any) -> None:
    """Store the calling thread's last error.

    Returns: nothing.
    Source: errhandlingapi.h, nf-errhandlingapi-setlasterror.
    Differs: nothing.
    """
    lasterror.set(number_of(dwErrCode) & DWORD_MASK)
