"""C arguments of kernel32 as Python values, and failures as the last error."""

from typing import Any, TypeVar

from ws2spi._abi.constants import INFINITE
from ws2spi._abi.errors import WinsockError, status_from_wsa, win32_from_status
from ws2spi._executive import lasterror
from ws2spi._executive.handles import handles
from ws2spi._executive.threads import Thread, current
from ws2spi.ctypes._function import number_of

_T = TypeVar("_T")

POINTER_MASK = 0xFFFFFFFFFFFFFFFF
DWORD_MASK = 0xFFFFFFFF
_exactly = handles.exactly

CURRENT_PROCESS = 0xFFFFFFFFFFFFFFFF
CURRENT_THREAD = 0xFFFFFFFFFFFFFFFE


def handle_of(argument: Any) -> int:
    """A HANDLE argument as an unsigned number."""
    return (argument if type(argument) is int else number_of(argument)) & POINTER_MASK


def object_of(argument: Any, kind: type[_T]) -> _T | None:
    """The object that a HANDLE argument names if it is a `kind`, else None."""
    if type(argument) is int:
        target = _exactly(argument)
        if type(target) is kind:
            return target
    return handles.get(handle_of(argument), kind)


def seconds(milliseconds: Any) -> float | None:
    """A time-out argument in seconds; None for INFINITE."""
    number = (milliseconds if type(milliseconds) is int else number_of(milliseconds)) & DWORD_MASK
    return None if number == INFINITE else number / 1000


def thread_of(handle: int) -> Thread | None:
    """The thread a handle names, the pseudo handle included."""
    return current() if handle == CURRENT_THREAD else handles.get(handle, Thread)


def fail(code: int, result: int = 0) -> int:
    """Store `code` as the thread's last error and return the function's failure value."""
    lasterror.set(code)
    return result


def win32_code(error: WinsockError) -> int:
    """The Win32 code of a Winsock error, as kernel32 reports it: WSAENOTSOCK is ERROR_INVALID_HANDLE."""
    return win32_from_status(status_from_wsa(int(error.code)))
