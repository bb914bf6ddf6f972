"""Threads and their APCs."""

# ruff: noqa: N802, N803 - Windows' spelling

import os
import threading
from typing import Any

from ws2spi._abi.constants import (
    CREATE_SUSPENDED,
    ERROR_GEN_FAILURE,
    ERROR_INVALID_HANDLE,
    ERROR_INVALID_PARAMETER,
    STILL_ACTIVE,
)
from ws2spi._abi.memory import store_int
from ws2spi._executive.events import Event
from ws2spi._executive.handles import handles
from ws2spi._executive.threads import Thread, adopt, by_native_id, current
from ws2spi._executive.waits import wait
from ws2spi.ctypes import CFUNCTYPE, c_size_t, c_uint32, c_void_p
from ws2spi.ctypes._function import callback, exact, number_of
from ws2spi.kernel32._arguments import (
    CURRENT_PROCESS,
    CURRENT_THREAD,
    DWORD_MASK,
    POINTER_MASK,
    fail,
    handle_of,
    object_of,
    thread_of,
)

_APC = CFUNCTYPE(None, c_size_t)
_START = CFUNCTYPE(c_uint32, c_void_p)


class _MadeThread(Thread):
    """A thread of CreateThread: it has a start gate and an exit code."""

    __slots__ = ("exit_code", "gate", "suspended")

    def __init__(self, suspended: bool) -> None:
        super().__init__()
        self.suspended = suspended
        self.gate = Event(True, not suspended)
        self.exit_code = 0


@exact
def QueueUserAPC(pfnAPC: Any, hThread: Any, dwData: Any) -> int:
    """Queue `pfnAPC(dwData)` on a thread; it runs only in that thread's alertable waits, in the order queued.

    Safe in a signal handler, a weakref callback and `__del__`. An exception leaves through the wait when `pfnAPC` is a
    plain callable, and goes to sys.unraisablehook when it is a ctypes function.

    Returns: 1, or 0 with the code in the last error.
    Errors:
        ERROR_INVALID_HANDLE: `hThread` names no thread.
        ERROR_INVALID_PARAMETER: `pfnAPC` is NULL.
        ERROR_GEN_FAILURE: the thread has ended.
    Source: processthreadsapi.h, nf-processthreadsapi-queueuserapc.
    Differs: the right THREAD_SET_CONTEXT is not modelled.
    """
    thread = current() if hThread == CURRENT_THREAD else thread_of(handle_of(hThread))
    if thread is None:
        return fail(ERROR_INVALID_HANDLE)
    routine = callback(pfnAPC, _APC)
    if routine is None:
        return fail(ERROR_INVALID_PARAMETER)
    data = (dwData if type(dwData) is int else number_of(dwData)) & POINTER_MASK
    return 1 if thread.queue_apc(routine, data) else fail(ERROR_GEN_FAILURE)


@exact
def GetCurrentThread() -> int:
    """Name the calling thread by a pseudo handle, which means whoever uses it.

    Returns: the pseudo handle, -2.
    Source: processthreadsapi.h, nf-processthreadsapi-getcurrentthread.
    Differs: nothing.
    """
    return CURRENT_THREAD


@exact
def GetCurrentProcess() -> int:
    """Name the process by a pseudo handle.

    Returns: the pseudo handle, -1.
    Source: processthreadsapi.h, nf-processthreadsapi-getcurrentprocess.
    Differs: nothing.
    """
    return CURRENT_PROCESS


@exact
def GetCurrentThreadId() -> int:
    """Tell the calling thread's id.

    Returns: the kernel's thread id.
    Source: processthreadsapi.h, nf-processthreadsapi-getcurrentthreadid.
    Differs: nothing.
    """
    return current().native_id


@exact
def GetCurrentProcessId() -> int:
    """Tell the process id.

    Returns: the process id.
    Source: processthreadsapi.h, nf-processthreadsapi-getcurrentprocessid.
    Differs: nothing.
    """
    return os.getpid()


@exact
def OpenThread(dwDesiredAccess: Any, bInheritHandle: Any, dwThreadId: Any) -> int:
    """Open a thread of this process by its id.

    Returns: a handle, or NULL with the code in the last error.
    Errors:
        ERROR_INVALID_PARAMETER: no such thread.
    Source: processthreadsapi.h, nf-processthreadsapi-openthread.
    Differs: only threads that have called a function of this library are known; access rights are not modelled.
    """
    thread = by_native_id(number_of(dwThreadId) & DWORD_MASK)
    return fail(ERROR_INVALID_PARAMETER) if thread is None else handles.insert(thread)


@exact
def CreateThread(
    lpThreadAttributes: Any,
    dwStackSize: Any,
    lpStartAddress: Any,
    lpParameter: Any,
    dwCreationFlags: Any,
    lpThreadId: Any,
) -> int:
    """Start `lpStartAddress(lpParameter)` on a Python thread of its own; APCs queued before it runs come first.

    Returns: a handle, or NULL with the code in the last error.
    Errors:
        ERROR_INVALID_PARAMETER: `lpStartAddress` is NULL.
    Source: processthreadsapi.h, nf-processthreadsapi-createthread.
    Differs: attributes and stack size are ignored; an exception goes to threading.excepthook; a thread does not keep
        the process alive.
    """
    routine = callback(lpStartAddress, _START)
    if routine is None:
        return fail(ERROR_INVALID_PARAMETER)
    made = _MadeThread(bool(number_of(dwCreationFlags) & CREATE_SUSPENDED))
    begun = Event(True)

    def run() -> None:
        adopt(made)
        begun.set()
        wait((made.gate,))
        made.run_apcs()
        result = routine(lpParameter)
        made.exit_code = result & DWORD_MASK if isinstance(result, int) else 0

    threading.Thread(target=run, daemon=True).start()
    wait((begun,))
    store_int(lpThreadId, made.native_id)
    return handles.insert(made)


@exact
def ResumeThread(hThread: Any) -> int:
    """Let a thread that was created suspended run.

    Returns: 1 if it was suspended, 0 if not, -1 (as a DWORD) with the code in the last error.
    Errors:
        ERROR_INVALID_HANDLE: `hThread` names no thread of CreateThread.
    Source: processthreadsapi.h, nf-processthreadsapi-resumethread.
    Differs: there is no SuspendThread, so the count is 0 or 1.
    """
    made = object_of(hThread, _MadeThread)
    if made is None:
        return fail(ERROR_INVALID_HANDLE, DWORD_MASK)
    was, made.suspended = made.suspended, False
    made.gate.set()
    return int(was)


@exact
def GetExitCodeThread(hThread: Any, lpExitCode: Any) -> int:
    """Read a thread's exit code.

    Returns: TRUE with STILL_ACTIVE or the code in `lpExitCode`, or FALSE with the code in the last error.
    Errors:
        ERROR_INVALID_HANDLE: `hThread` names no thread.
    Source: processthreadsapi.h, nf-processthreadsapi-getexitcodethread.
    Differs: the code of a thread that CreateThread did not make is 0.
    """
    thread = thread_of(handle_of(hThread))
    if thread is None:
        return fail(ERROR_INVALID_HANDLE)
    store_int(lpExitCode, getattr(thread, "exit_code", 0) if thread.ended else STILL_ACTIVE)
    return 1
