"""The exact face of kernel32: APCs, waits, events, threads, completion ports, overlapped results, sockets as files.

Called as `ctypes.windll.kernel32` is: Windows' names, C order of parameters, documented return values, the code in the
thread's last error (one slot with WSAGetLastError). Bare names are the W forms. `restype`, `argtypes` and `errcheck`
of each function are honoured; while unset, the documented value is returned (through `windll`: a C int).
Never: decisions of its own; it converts and calls.
"""

# ruff: noqa: F401 - a door: what is imported here is there to be found

from ws2spi._abi.constants import (
    CREATE_SUSPENDED,
    DUPLICATE_CLOSE_SOURCE,
    DUPLICATE_SAME_ACCESS,
    INFINITE,
    INVALID_HANDLE_VALUE,
    MAXIMUM_WAIT_OBJECTS,
    STILL_ACTIVE,
    THREAD_ALL_ACCESS,
    THREAD_SET_CONTEXT,
    WAIT_ABANDONED_0,
    WAIT_FAILED,
    WAIT_IO_COMPLETION,
    WAIT_OBJECT_0,
    WAIT_TIMEOUT,
)
from ws2spi._abi.types import OVERLAPPED, OVERLAPPED_ENTRY
from ws2spi.kernel32._events import CreateEventA, CreateEventW, ResetEvent, SetEvent
from ws2spi.kernel32._files import (
    ReadFile,
    ReadFileEx,
    SetFileCompletionNotificationModes,
    WriteFile,
    WriteFileEx,
)
from ws2spi.kernel32._handles import CloseHandle, DuplicateHandle, GetLastError, SetLastError
from ws2spi.kernel32._overlapped import CancelIo, CancelIoEx, GetOverlappedResult, GetOverlappedResultEx
from ws2spi.kernel32._ports import (
    CreateIoCompletionPort,
    GetQueuedCompletionStatus,
    GetQueuedCompletionStatusEx,
    PostQueuedCompletionStatus,
)
from ws2spi.kernel32._threads import (
    CreateThread,
    GetCurrentProcess,
    GetCurrentProcessId,
    GetCurrentThread,
    GetCurrentThreadId,
    GetExitCodeThread,
    OpenThread,
    QueueUserAPC,
    ResumeThread,
)
from ws2spi.kernel32._waits import (
    SignalObjectAndWait,
    Sleep,
    SleepEx,
    WaitForMultipleObjects,
    WaitForMultipleObjectsEx,
    WaitForSingleObject,
    WaitForSingleObjectEx,
)

CreateEvent = CreateEventW
