"""ReadFile and WriteFile on sockets: WSARecv and WSASend of their provider, with Win32 codes (executive.md 10)."""

# ruff: noqa: N802, N803 - Windows' spelling

import ctypes
from typing import Any

from ws2spi._abi.constants import ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_IO_PENDING, SOCKET_ERROR
from ws2spi._abi.errors import WinsockError, status_from_wsa, win32_from_status
from ws2spi._abi.memory import address_of
from ws2spi._abi.types import DWORD, WSABUF
from ws2spi._engine.hand import receives
from ws2spi._executive import lasterror
from ws2spi._runtime.arguments import as_routine, routine_argument
from ws2spi._runtime.sockets import SocketEntry, sockets
from ws2spi.ctypes._function import exact, number_of
from ws2spi.kernel32._arguments import fail, handle_of, win32_code
from ws2spi.ws2_32 import _transfer

_byref = ctypes.byref
_MODES = 3  # FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE


@exact
@receives
def ReadFile(hFile: Any, lpBuffer: Any, nNumberOfBytesToRead: Any, lpNumberOfBytesRead: Any, lpOverlapped: Any) -> int:
    """Receive from a socket as from a file; 0 bytes are the peer's end. `Offset` is ignored.

    Returns: TRUE, or FALSE with a Win32 code in the last error.
    Errors:
        ERROR_INVALID_HANDLE: no socket. ERROR_IO_PENDING: announced later.
        ERROR_INVALID_PARAMETER: no OVERLAPPED on an overlapped socket.
        ERROR_PIPE_NOT_CONNECTED: that direction was shut down. ERROR_MORE_DATA: a longer datagram.
        ERROR_NETNAME_DELETED: reset. ERROR_UNEXP_NET_ERR: not connected.
    Source: fileapi.h, nf-fileapi-readfile.
    Differs: only sockets are files here.
    """
    return _transfer_file(hFile, lpBuffer, nNumberOfBytesToRead, lpNumberOfBytesRead, lpOverlapped, None, _receive)


@exact
def WriteFile(
    hFile: Any, lpBuffer: Any, nNumberOfBytesToWrite: Any, lpNumberOfBytesWritten: Any, lpOverlapped: Any
) -> int:
    """Send to a socket as to a file. `Offset` is ignored.

    Returns: TRUE, or FALSE with a Win32 code in the last error.
    Errors: as ReadFile.
    Source: fileapi.h, nf-fileapi-writefile.
    Differs: only sockets are files here.
    """
    return _transfer_file(hFile, lpBuffer, nNumberOfBytesToWrite, lpNumberOfBytesWritten, lpOverlapped, None, _send)


@exact
def ReadFileEx(
    hFile: Any, lpBuffer: Any, nNumberOfBytesToRead: Any, lpOverlapped: Any, lpCompletionRoutine: Any
) -> int:
    """Receive with a completion routine, `(dwErrorCode, dwNumberOfBytesTransfered, lpOverlapped)`; hEvent is ignored.

    Returns: TRUE when it started, or FALSE with a Win32 code in the last error.
    Errors: as ReadFile, but for ERROR_IO_PENDING; and
        ERROR_INVALID_PARAMETER: no OVERLAPPED, no routine, or a socket with a completion port.
    Source: fileapi.h, nf-fileapi-readfileex.
    Differs: only sockets are files here.
    """
    return _with_routine(hFile, lpBuffer, nNumberOfBytesToRead, lpOverlapped, lpCompletionRoutine, _receive)


@exact
def WriteFileEx(
    hFile: Any, lpBuffer: Any, nNumberOfBytesToWrite: Any, lpOverlapped: Any, lpCompletionRoutine: Any
) -> int:
    """Send with a completion routine, `(dwErrorCode, dwNumberOfBytesTransfered, lpOverlapped)`; hEvent is ignored.

    Returns: TRUE when it started, or FALSE with a Win32 code in the last error.
    Errors: as ReadFileEx.
    Source: fileapi.h, nf-fileapi-writefileex.
    Differs: only sockets are files here.
    """
    return _with_routine(hFile, lpBuffer, nNumberOfBytesToWrite, lpOverlapped, lpCompletionRoutine, _send)


@exact
def SetFileCompletionNotificationModes(FileHandle: Any, Flags: Any) -> int:
    """Choose that operations which succeed at once post no packet (1). It cannot be undone.

    Returns: TRUE, or FALSE with the code in the last error.
    Errors:
        ERROR_INVALID_HANDLE: no socket. ERROR_INVALID_PARAMETER: an unknown flag, or a socket without system handles.
    Source: winbase.h, nf-winbase-setfilecompletionnotificationmodes.
    Differs: FILE_SKIP_SET_EVENT_ON_HANDLE (2) is accepted; a socket handle itself is never waited for.
    """
    entry = sockets.entries.get(handle_of(FileHandle))
    if entry is None:
        return fail(ERROR_INVALID_HANDLE)
    flags = number_of(Flags)
    if flags & ~_MODES or (flags & 1 and not entry.ifs):
        return fail(ERROR_INVALID_PARAMETER)
    for layer in entry.layers():
        layer.skip_on_success = layer.skip_on_success or bool(flags & 1)
    return 1


def _receive(s: int, buffer: Any, count: Any, overlapped: Any, routine: Any) -> int:
    return _transfer.WSARecv(s, buffer, 1, count, _byref(DWORD()), overlapped, routine)


def _send(s: int, buffer: Any, count: Any, overlapped: Any, routine: Any) -> int:
    return _transfer.WSASend(s, buffer, 1, count, 0, overlapped, routine)


def _transfer_file(
    hFile: Any, lpBuffer: Any, size: Any, lpCount: Any, lpOverlapped: Any, routine: Any, call: Any
) -> int:
    entry = sockets.entries.get(handle_of(hFile))
    if entry is None:
        return fail(ERROR_INVALID_HANDLE)
    if not address_of(lpOverlapped) and entry.overlapped:
        return fail(ERROR_INVALID_PARAMETER)
    return _started(entry, lpBuffer, size, lpCount, lpOverlapped, routine, call)


def _started(
    entry: SocketEntry, lpBuffer: Any, size: Any, lpCount: Any, lpOverlapped: Any, routine: Any, call: Any
) -> int:
    buffer = WSABUF(number_of(size) & 0xFFFFFFFF, address_of(lpBuffer))
    if call(entry.number, _byref(buffer), lpCount, lpOverlapped, routine) == SOCKET_ERROR:
        return fail(win32_code(WinsockError(lasterror.get())))
    return 1


def _with_routine(hFile: Any, lpBuffer: Any, size: Any, lpOverlapped: Any, lpRoutine: Any, call: Any) -> int:
    entry = sockets.entries.get(handle_of(hFile))
    if entry is None:
        return fail(ERROR_INVALID_HANDLE)
    routine = as_routine(lpRoutine)
    if routine is None or not address_of(lpOverlapped):
        return fail(ERROR_INVALID_PARAMETER)
    before = lasterror.get()
    started = _started(entry, lpBuffer, size, None, lpOverlapped, _file_routine(routine), call)
    # TRUE means "started", so that a caller sees no difference between now and later.
    if not started and lasterror.get() == ERROR_IO_PENDING:
        lasterror.set(before)
        return 1
    return started


def _file_routine(routine: Any) -> Any:
    """A file's routine has no flags, and gets a Win32 code."""

    def call(code: int, transferred: int, overlapped: Any, flags: int) -> None:
        target = routine_argument(routine, overlapped.contents)
        routine(win32_from_status(status_from_wsa(code)), transferred, target)

    return call
