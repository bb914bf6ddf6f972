# ruff: noqa - written as for Windows
"""User APCs between threads: queued from anywhere, run in alertable waits of their own thread, in order."""

import ctypes
import sys
from ctypes import wintypes

kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)

INFINITE = 0xFFFFFFFF
WAIT_OBJECT_0, WAIT_IO_COMPLETION, WAIT_TIMEOUT = 0x000, 0x0C0, 0x102
THREAD_SET_CONTEXT = 0x0010
DUPLICATE_SAME_ACCESS = 0x0002

PAPCFUNC = ctypes.WINFUNCTYPE(None, ctypes.c_void_p)
THREAD_START = ctypes.WINFUNCTYPE(wintypes.DWORD, wintypes.LPVOID)


def failed_if_zero(result, function, arguments):
    if not result:
        raise ctypes.WinError(ctypes.get_last_error())
    return result


kernel32.QueueUserAPC.argtypes = [PAPCFUNC, wintypes.HANDLE, ctypes.c_void_p]
kernel32.QueueUserAPC.restype = wintypes.DWORD
kernel32.QueueUserAPC.errcheck = failed_if_zero
kernel32.GetCurrentThread.restype = wintypes.HANDLE
kernel32.GetCurrentProcess.restype = wintypes.HANDLE
kernel32.DuplicateHandle.argtypes = [
    wintypes.HANDLE,
    wintypes.HANDLE,
    wintypes.HANDLE,
    ctypes.POINTER(wintypes.HANDLE),
    wintypes.DWORD,
    wintypes.BOOL,
    wintypes.DWORD,
]
kernel32.DuplicateHandle.errcheck = failed_if_zero
kernel32.CreateEventW.argtypes = [wintypes.LPVOID, wintypes.BOOL, wintypes.BOOL, wintypes.LPCWSTR]
kernel32.CreateEventW.restype = wintypes.HANDLE
kernel32.CreateEventW.errcheck = failed_if_zero
kernel32.SetEvent.argtypes = [wintypes.HANDLE]
kernel32.WaitForSingleObjectEx.argtypes = [wintypes.HANDLE, wintypes.DWORD, wintypes.BOOL]
kernel32.WaitForSingleObjectEx.restype = wintypes.DWORD
kernel32.WaitForSingleObject.argtypes = [wintypes.HANDLE, wintypes.DWORD]
kernel32.WaitForSingleObject.restype = wintypes.DWORD
kernel32.SleepEx.argtypes = [wintypes.DWORD, wintypes.BOOL]
kernel32.SleepEx.restype = wintypes.DWORD
kernel32.CreateThread.restype = wintypes.HANDLE
kernel32.CloseHandle.argtypes = [wintypes.HANDLE]

log = []
worker_thread_id = []
ready = kernel32.CreateEventW(None, True, False, None)
stop = kernel32.CreateEventW(None, True, False, None)
worker_handle = wintypes.HANDLE()


@PAPCFUNC
def note(value):
    log.append((value, kernel32.GetCurrentThreadId() == worker_thread_id[0]))


@PAPCFUNC
def again(value):
    log.append(("again", value))
    kernel32.QueueUserAPC(note, worker_handle, value + 1)


@PAPCFUNC
def finish(value):
    kernel32.SetEvent(stop)


@THREAD_START
def worker(argument):
    process = kernel32.GetCurrentProcess()
    kernel32.DuplicateHandle(
        process,
        kernel32.GetCurrentThread(),
        process,
        ctypes.byref(worker_handle),
        0,
        False,
        DUPLICATE_SAME_ACCESS,
    )
    worker_thread_id.append(kernel32.GetCurrentThreadId())
    kernel32.SetEvent(ready)
    waits = 0
    while kernel32.WaitForSingleObjectEx(stop, INFINITE, True) == WAIT_IO_COMPLETION:
        waits += 1
    return waits


thread = kernel32.CreateThread(None, 0, worker, None, 0, None)
if not thread:
    raise ctypes.WinError(ctypes.get_last_error())
if kernel32.WaitForSingleObject(ready, 10000) != WAIT_OBJECT_0:
    sys.exit("the worker did not come")
for number in (1, 2, 3):
    kernel32.QueueUserAPC(note, worker_handle, number)
kernel32.QueueUserAPC(again, worker_handle, 10)
kernel32.QueueUserAPC(finish, worker_handle, None)
if kernel32.WaitForSingleObject(thread, 10000) != WAIT_OBJECT_0:
    sys.exit("the worker did not end")
print(log)

# A thread that has ended takes none.
try:
    kernel32.QueueUserAPC(note, worker_handle, 4)
except OSError as error:
    print("ended:", error.winerror if hasattr(error, "winerror") else error.errno)

# One's own: only alertable waits run them.
own = []
mine = PAPCFUNC(own.append)
kernel32.QueueUserAPC(mine, kernel32.GetCurrentThread(), 7)
print(kernel32.SleepEx(0, False), len(own), hex(kernel32.SleepEx(0, True)), own, kernel32.SleepEx(0, True))
for handle in (thread, worker_handle, ready, stop):
    kernel32.CloseHandle(handle)
