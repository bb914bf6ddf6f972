"""A name-space provider as a C programmer writes one: NSPStartup, nine functions, structures filled in by hand.

It knows one service, "c.test", and two names of it; nothing of the base class of Python providers is used.
"""

import ctypes
from typing import Any

from ws2spi import ws2_32

NO_ERROR, SOCKET_ERROR = 0, -1
WSAEINVAL, WSAEFAULT, WSAEOPNOTSUPP = 10022, 10014, 10045
WSASERVICE_NOT_FOUND, WSA_E_NO_MORE, WSA_INVALID_HANDLE = 10108, 10110, 6
LUP_FLUSHPREVIOUS = 0x2000

QuerySet: Any = ws2_32.WSAQUERYSETW
calls: list[str] = []
lookups: dict[int, list[str]] = {}


def failed(code: int) -> int:
    ws2_32.WSASetLastError(code)
    return SOCKET_ERROR


def not_supported(*arguments: Any) -> int:
    return failed(WSAEOPNOTSUPP)


def NSPCleanup(lpProviderId: Any) -> int:
    calls.append("cleanup")
    return NO_ERROR


def NSPLookupServiceBegin(lpProviderId: Any, lpqs: Any, lpClass: Any, flags: int, lphLookup: Any) -> int:
    query = lpqs.contents
    calls.append(f"begin {query.lpszServiceInstanceName} {bytes(lpProviderId.contents).hex()[:8]} {flags:#x}")
    known = query.lpszServiceInstanceName == "c.test"
    handle = 100 + len(lookups)
    lookups[handle] = ["c.test", "second.test"] if known else []
    lphLookup[0] = handle
    return NO_ERROR


def NSPLookupServiceNext(hLookup: int, flags: int, lpdwLength: Any, lpqsResults: Any) -> int:
    left = lookups.get(hLookup)
    if left is None:
        return failed(WSA_INVALID_HANDLE)
    if flags & LUP_FLUSHPREVIOUS and left:
        left.pop(0)
    if not left:
        return failed(WSA_E_NO_MORE if calls[-1] == "next" else WSASERVICE_NOT_FOUND)
    name = (left[0] + "\0").encode("utf-16-le")
    size = ctypes.sizeof(QuerySet)
    if lpdwLength[0] < size + len(name):
        lpdwLength[0] = size + len(name)
        return failed(WSAEFAULT)
    calls.append("next")
    start = ctypes.addressof(lpqsResults.contents)
    ctypes.memset(start, 0, size)
    ctypes.memmove(start + size, name, len(name))
    lpqsResults.contents.dwSize = size
    lpqsResults.contents.dwNameSpace = 41
    lpqsResults.contents.lpszServiceInstanceName = start + size
    left.pop(0)
    return NO_ERROR


def NSPLookupServiceEnd(hLookup: int) -> int:
    calls.append("end")
    return NO_ERROR if lookups.pop(hLookup, None) is not None else failed(WSA_INVALID_HANDLE)


def NSPStartup(lpProviderId: Any, lpnspRoutines: Any) -> int:
    if not lpProviderId:
        return failed(WSAEINVAL)
    routines = lpnspRoutines.contents
    assert routines.cbSize == ctypes.sizeof(ws2_32.NSP_ROUTINE)
    routines.dwMajorVersion = routines.dwMinorVersion = 4
    routines.NSPCleanup = NSPCleanup
    routines.NSPLookupServiceBegin = NSPLookupServiceBegin
    routines.NSPLookupServiceNext = NSPLookupServiceNext
    routines.NSPLookupServiceEnd = NSPLookupServiceEnd
    routines.NSPSetService = not_supported
    routines.NSPInstallServiceClass = not_supported
    routines.NSPRemoveServiceClass = not_supported
    routines.NSPGetServiceClassInfo = not_supported
    routines.cbSize = 80  # made before NSPIoctl existed
    return NO_ERROR
