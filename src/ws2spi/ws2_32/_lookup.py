"""Looking services up: WSALookupService* and WSANSPIoctl."""

from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of, store_pointer_sized
from ws2spi._runtime.names import lookups
from ws2spi._runtime.names.querysets import read_query
from ws2spi._runtime.process import runtime
from ws2spi.ws2_32._route import failed


def WSALookupServiceBeginW(lpqsRestrictions: Any, dwControlFlags: int, lphLookup: Any) -> int:
    """Begin a lookup in the name-space providers that a query means; nothing is fetched yet.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED: no WSAStartup.
        WSAEINVAL: NULL, a `dwSize` too small, or no service class.
        WSASERVICE_NOT_FOUND: no active provider of that name space, or with that id.
        WSANO_DATA, WSA_NOT_ENOUGH_MEMORY: the providers', where none begins.
    Source: winsock2.h, nf-winsock2-wsalookupservicebeginw.
    Differs: the page swaps the values of LUP_FLUSHCACHE and LUP_FLUSHPREVIOUS; the headers' (0x1000, 0x2000) count.
    """
    return _begin(lpqsRestrictions, dwControlFlags, lphLookup, wide=True)


def WSALookupServiceBeginA(lpqsRestrictions: Any, dwControlFlags: int, lphLookup: Any) -> int:
    """As WSALookupServiceBeginW, with texts in bytes.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAEINVAL, WSASERVICE_NOT_FOUND, WSANO_DATA, WSA_NOT_ENOUGH_MEMORY: as
            WSALookupServiceBeginW.
    Source: winsock2.h, nf-winsock2-wsalookupservicebegina.
    Differs: as WSALookupServiceBeginW.
    """
    return _begin(lpqsRestrictions, dwControlFlags, lphLookup, wide=False)


def _begin(lpqsRestrictions: Any, flags: int, lphLookup: Any, *, wide: bool) -> int:
    try:
        runtime.require()
        if not address_of(lphLookup):
            raise WinsockError(WSAError.WSAEINVAL, "lphLookup")
        store_pointer_sized(lphLookup, lookups.begin(read_query(lpqsRestrictions, flags & 0xFFFFFFFF, wide=wide)))
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)
    return 0


def WSALookupServiceNextW(hLookup: Any, dwControlFlags: int, lpdwBufferLength: Any, lpqsResults: Any) -> int:
    """Store the next result of a lookup; its pointers lead into the same buffer.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED: no WSAStartup. WSA_INVALID_HANDLE: no such lookup. WSAEINVAL: `lpdwBufferLength` is NULL.
        WSAEFAULT: too little room; what is needed is stored. The same call, or one with LUP_FLUSHPREVIOUS, goes on.
        WSA_E_CANCELLED: WSALookupServiceEnd was called meanwhile. WSA_E_NO_MORE: that was all.
        WSASERVICE_NOT_FOUND: no provider knows such a service. WSANO_DATA: one knows it, but nothing of the kind.
        WSA_NOT_ENOUGH_MEMORY: a provider's.
    Source: winsock2.h, nf-winsock2-wsalookupservicenextw.
    Differs: two calls on one handle take turns (the page is silent).
    """
    return _next(hLookup, dwControlFlags, lpdwBufferLength, lpqsResults, wide=True)


def WSALookupServiceNextA(hLookup: Any, dwControlFlags: int, lpdwBufferLength: Any, lpqsResults: Any) -> int:
    """As WSALookupServiceNextW, with texts in bytes.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSA_INVALID_HANDLE, WSAEINVAL, WSAEFAULT, WSA_E_CANCELLED, WSA_E_NO_MORE,
        WSASERVICE_NOT_FOUND, WSANO_DATA, WSA_NOT_ENOUGH_MEMORY: as WSALookupServiceNextW.
    Source: winsock2.h, nf-winsock2-wsalookupservicenexta.
    Differs: as WSALookupServiceNextW.
    """
    return _next(hLookup, dwControlFlags, lpdwBufferLength, lpqsResults, wide=False)


def _next(hLookup: Any, flags: int, length: Any, results: Any, *, wide: bool) -> int:
    try:
        runtime.require()
        lookup = lookups.find(hLookup)
        if not address_of(length):
            raise WinsockError(WSAError.WSAEINVAL, "lpdwBufferLength")
        lookup.next_into(flags & 0xFFFFFFFF, length, results, wide=wide)
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)
    return 0


def WSALookupServiceEnd(hLookup: Any) -> int:
    """End a lookup. Another thread that is inside WSALookupServiceNext leaves it with WSA_E_CANCELLED.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED: no WSAStartup. WSA_INVALID_HANDLE: no such lookup, or ended already.
    Source: winsock2.h, nf-winsock2-wsalookupserviceend.
    Differs: nothing.
    """
    try:
        runtime.require()
        lookups.end(hLookup)
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)
    return 0


def WSANSPIoctl(
    hLookup: Any,
    dwControlCode: int,
    lpvInBuffer: Any,
    cbInBuffer: int,
    lpvOutBuffer: Any,
    cbOutBuffer: int,
    lpcbBytesReturned: Any,
    lpCompletion: Any,
) -> int:
    """Send a control code to the provider of a lookup; with SIO_NSP_NOTIFY_CHANGE ask whether its answers still hold.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED: no WSAStartup. WSA_INVALID_HANDLE: no such lookup; or hEvent is no event.
        WSA_IO_PENDING: the change will be told as the WSACOMPLETION says; aborted by the end of the lookup or of the
            calling thread.
        WSAEWOULDBLOCK: asked without a WSACOMPLETION or with NSP_NOTIFY_IMMEDIATELY: the answers still hold.
        WSAEINVAL: several providers stand behind the handle, or the WSACOMPLETION makes no sense.
        WSAEFAULT: a buffer is NULL or too small, or the WSACOMPLETION lacks its OVERLAPPED or routine.
        WSAEOPNOTSUPP: the provider does not know the code.
        WSAENETDOWN: the provider's.
    Source: winsock2.h, nf-winsock2-wsanspioctl.
    Differs: the built-in provider is not told of changes in DNS, and answers WSAEOPNOTSUPP.
    """
    try:
        runtime.require()
        lookup = lookups.find(hLookup)
        lookup.ioctl(
            dwControlCode & 0xFFFFFFFF, lpvInBuffer, cbInBuffer, lpvOutBuffer, cbOutBuffer, lpcbBytesReturned,
            lpCompletion,
        )  # fmt: skip
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)
    return 0
