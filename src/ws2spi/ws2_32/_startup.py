"""Start-up, clean-up and the last error."""

from typing import Any

from ws2spi._abi.constants import SOCKET_ERROR
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import deref
from ws2spi._abi.types import WSADATA
from ws2spi._executive import lasterror
from ws2spi._runtime.process import HIGHEST_VERSION, negotiate, runtime
from ws2spi.ws2_32._route import failed

_DESCRIPTION = b"ws2spi 2.2"
_STATUS = b"Running"


def WSAStartup(wVersionRequested: int, lpWSAData: Any) -> int:
    """Start using Winsock: needed once before everything else, and counted.

    Returns: 0, or the error code itself; the thread's last error stays as it is. WSADATA is filled in both ways.
    Errors:
        WSAEFAULT: `lpWSAData` is NULL.
        WSAVERNOTSUPPORTED: a version below 1.0 is asked for.
        WSASYSNOTREADY: there is a catalog file and it cannot be read, or a provider asks from within its WSPCleanup.
    Source: winsock2.h, nf-winsock2-wsastartup.
    Differs: nothing.
    """
    data = deref(lpWSAData, WSADATA)
    if data is None:
        return int(WSAError.WSAEFAULT)
    versions = negotiate(wVersionRequested)
    data.wVersion, data.wHighVersion = versions or (HIGHEST_VERSION, HIGHEST_VERSION)
    data.szDescription, data.szSystemStatus = _DESCRIPTION, _STATUS
    # Only version 1.1 clients may look at these; there is no limit to report.
    data.iMaxSockets = data.iMaxUdpDg = 0
    data.lpVendorInfo = None
    try:
        runtime.startup(wVersionRequested)
    except WinsockError as error:
        return int(error.code)
    return 0


def WSACleanup() -> int:
    """Balance one WSAStartup. The last one ends all sockets; pending operations end without being announced.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED: nothing to balance.
    Source: winsock2.h, nf-winsock2-wsacleanup.
    Differs: sockets still open end as by closesocket, and what they had accepted is delivered; Windows resets them.
    """
    try:
        runtime.cleanup()
    except WinsockError as error:
        return failed(error, SOCKET_ERROR)
    return 0


def WSAGetLastError() -> int:
    """Return the calling thread's last error, the same slot as kernel32's GetLastError.

    Returns: the code.
    Errors: none.
    Source: winsock2.h, nf-winsock2-wsagetlasterror.
    Differs: nothing.
    """
    return lasterror.get()


def WSASetLastError(iError: int) -> None:
    """Set the calling thread's last error.

    Returns: nothing.
    Errors: none.
    Source: winsock2.h, nf-winsock2-wsasetlasterror.
    Differs: nothing.
    """
    lasterror.set(iError)
