"""The upcalls under their C signatures: what providers find in the upcall table, and as names of the DLL.

An upcall reports through `*lpErrno`, which stays untouched on success, and never through the thread's last error. A
NULL `lpErrno` is allowed: the code is then lost.
"""

from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of, deref, load_int, store_int, store_pointer_sized, write_bytes
from ws2spi._abi.types import GUID, WSATHREADID
from ws2spi._abi.wide import encode_wide
from ws2spi._runtime import fdsets, hooks, protocol_info, upcalls
from ws2spi._runtime.process import runtime
from ws2spi.ctypes._function import number_of


def _failed(lpErrno: Any, error: WinsockError, result: int) -> int:
    store_int(lpErrno, error.code)
    return result


def WPUOpenCurrentThread(lpThreadId: Any, lpErrno: Any) -> int:
    """Fill in an identity of the calling thread, for overlapped calls that it starts.

    Returns: 0, or SOCKET_ERROR with the code in `*lpErrno`.
    Errors:
        WSANOTINITIALISED: no successful WSAStartup.
        WSAEFAULT: `lpThreadId` is NULL.
    Source: ws2spi.h, nf-ws2spi-wpuopencurrentthread.
    Differs: the page does not say what a NULL pointer gives.
    """
    try:
        runtime.require_upcalls()
        target = deref(lpThreadId, WSATHREADID)
        if target is None:
            raise WinsockError(WSAError.WSAEFAULT, "lpThreadId")
        identity = upcalls.open_current_thread()
    except WinsockError as error:
        return _failed(lpErrno, error, c.SOCKET_ERROR)
    target.ThreadHandle, target.Reserved = identity
    return 0


def WPUCloseThread(lpThreadId: Any, lpErrno: Any) -> int:
    """Release what WPUOpenCurrentThread filled in; a copy of the structure will do, and all copies die with it.

    Returns: 0, or SOCKET_ERROR with the code in `*lpErrno`.
    Errors:
        WSANOTINITIALISED: no successful WSAStartup.
        WSAEFAULT: NULL, closed before, or not from WPUOpenCurrentThread.
    Source: ws2spi.h, nf-ws2spi-wpuclosethread.
    Differs: the page does not say what a second close or a foreign structure gives.
    """
    try:
        upcalls.close_thread(deref(lpThreadId, WSATHREADID))
    except WinsockError as error:
        return _failed(lpErrno, error, c.SOCKET_ERROR)
    return 0


def WPUQueueApc(lpThreadId: Any, lpfnUserApc: Any, dwContext: Any, lpErrno: Any) -> int:
    """Queue `lpfnUserApc(dwContext)` on a thread; it runs only in that thread's alertable waits.

    Returns: 0, or SOCKET_ERROR with the code in `*lpErrno`.
    Errors:
        WSAEFAULT: `lpThreadId` names no living thread, or `lpfnUserApc` is NULL.
    Source: ws2spi.h, nf-ws2spi-wpuqueueapc.
    Differs: nothing.
    """
    try:
        upcalls.queue_apc(deref(lpThreadId, WSATHREADID), lpfnUserApc, dwContext)
    except WinsockError as error:
        return _failed(lpErrno, error, c.SOCKET_ERROR)
    return 0


def WPUCreateSocketHandle(dwCatalogEntryId: int, dwContext: Any, lpErrno: Any) -> int:
    """Make a socket handle that belongs to the provider of a catalog entry and carries a context value.

    Returns: the handle, a file descriptor; or INVALID_SOCKET with the code in `*lpErrno`.
    Errors:
        WSAENOBUFS: no descriptors or memory left.
        WSAEINVAL: no such catalog entry. WSANOTINITIALISED: no successful WSAStartup.
    Source: ws2spi.h, nf-ws2spi-wpucreatesockethandle.
    Differs: the page names WSAENOBUFS alone.
    """
    try:
        return upcalls.create_socket_handle(dwCatalogEntryId, dwContext)
    except WinsockError as error:
        return _failed(lpErrno, error, c.INVALID_SOCKET)


def WPUQuerySocketHandleContext(s: int, lpContext: Any, lpErrno: Any) -> int:
    """Store the context value of a handle, whoever made it.

    Returns: 0, or SOCKET_ERROR with the code in `*lpErrno`.
    Errors:
        WSAENOTSOCK: WPUCreateSocketHandle did not make `s`, or it is closed.
        WSAEFAULT: `lpContext` is NULL.
    Source: ws2spi.h, nf-ws2spi-wpuquerysockethandlecontext.
    Differs: a context that is no integer cannot be stored in C memory and gives WSAEFAULT; Python providers ask
        `query_socket_handle_context`.
    """
    try:
        context = upcalls.query_socket_handle_context(s)
        if not isinstance(context, int) or not store_pointer_sized(lpContext, context):
            raise WinsockError(WSAError.WSAEFAULT, "lpContext")
    except WinsockError as error:
        return _failed(lpErrno, error, c.SOCKET_ERROR)
    return 0


def WPUCloseSocketHandle(s: int, lpErrno: Any) -> int:
    """Close a handle that WPUCreateSocketHandle made.

    Returns: 0, or SOCKET_ERROR with the code in `*lpErrno`.
    Errors:
        WSAENOTSOCK: it did not, or it is closed.
    Source: ws2spi.h, nf-ws2spi-wpuclosesockethandle.
    Differs: nothing.
    """
    try:
        upcalls.close_socket_handle(s)
    except WinsockError as error:
        return _failed(lpErrno, error, c.SOCKET_ERROR)
    return 0


def WPUModifyIFSHandle(dwCatalogEntryId: int, ProposedHandle: int, lpErrno: Any) -> int:
    """Register an open descriptor as a socket of a catalog entry; the last registration wins.

    Returns: the handle to be used, the same number; or INVALID_SOCKET with the code in `*lpErrno`.
    Errors:
        WSAEINVAL: not an open descriptor, or no such catalog entry. WSANOTINITIALISED: no successful WSAStartup.
    Source: ws2spi.h, nf-ws2spi-wpumodifyifshandle.
    Differs: nothing.
    """
    try:
        return upcalls.modify_ifs_handle(dwCatalogEntryId, ProposedHandle)
    except WinsockError as error:
        return _failed(lpErrno, error, c.INVALID_SOCKET)


def WPUCompleteOverlappedRequest(s: int, lpOverlapped: Any, dwError: int, cbTransferred: int, lpErrno: Any) -> int:
    """Announce the end of an overlapped operation without a routine: by its event, and the port of `s`.

    Returns: 0, or SOCKET_ERROR with the code in `*lpErrno`.
    Errors:
        WSAEINVAL: WPUCreateSocketHandle did not make `s`. WSAEFAULT: `lpOverlapped` is NULL.
    Source: ws2spi.h, nf-ws2spi-wpucompleteoverlappedrequest.
    Differs: nothing.
    """
    try:
        upcalls.complete_overlapped_request(s, lpOverlapped, dwError, cbTransferred)
    except WinsockError as error:
        return _failed(lpErrno, error, c.SOCKET_ERROR)
    return 0


def WPUCreateEvent(lpErrno: Any) -> int:
    """Make a manual-reset event, not signalled.

    Returns: its handle.
    Errors: none.
    Source: ws2spi.h, nf-ws2spi-wpucreateevent.
    Differs: nothing.
    """
    return upcalls.create_event()


def WPUCloseEvent(hEvent: int, lpErrno: Any) -> int:
    """Close an event.

    Returns: TRUE, or FALSE with the code in `*lpErrno`.
    Errors:
        WSA_INVALID_HANDLE: not an open event.
    Source: ws2spi.h, nf-ws2spi-wpucloseevent.
    Differs: nothing.
    """
    try:
        upcalls.close_event(hEvent or 0)
    except WinsockError as error:
        return _failed(lpErrno, error, c.FALSE)
    return c.TRUE


def WPUSetEvent(hEvent: int, lpErrno: Any) -> int:
    """Signal an event; safe in an interrupt context.

    Returns: TRUE, or FALSE with the code in `*lpErrno`.
    Errors:
        WSA_INVALID_HANDLE: not an open event.
    Source: ws2spi.h, nf-ws2spi-wpusetevent.
    Differs: nothing.
    """
    try:
        upcalls.set_event(hEvent or 0)
    except WinsockError as error:
        return _failed(lpErrno, error, c.FALSE)
    return c.TRUE


def WPUResetEvent(hEvent: int, lpErrno: Any) -> int:
    """Take an event's signal away; safe in an interrupt context.

    Returns: TRUE, or FALSE with the code in `*lpErrno`.
    Errors:
        WSA_INVALID_HANDLE: not an open event.
    Source: ws2spi.h, nf-ws2spi-wpuresetevent.
    Differs: nothing.
    """
    try:
        upcalls.reset_event(hEvent or 0)
    except WinsockError as error:
        return _failed(lpErrno, error, c.FALSE)
    return c.TRUE


def WPUFDIsSet(s: int, fdset: Any) -> int:
    """Tell whether a socket is a member of a set.

    Returns: non-zero when it is.
    Errors: none.
    Source: ws2spi.h, nf-ws2spi-wpufdisset.
    Differs: nothing.
    """
    return int(fdsets.contains(s, fdset))


def WPUGetProviderPath(lpProviderId: Any, lpszProviderDllPath: Any, lpProviderDllPathLen: Any, lpErrno: Any) -> int:
    """Store the path of a provider, for `ws2spi.load_startup`.

    Returns: 0, or SOCKET_ERROR with the code in `*lpErrno`.
    Errors:
        WSAEINVAL: no such provider. WSAEFAULT: a NULL pointer, or fewer characters than the path and its NUL need.
    Source: ws2spi.h, nf-ws2spi-wpugetproviderpath.
    Differs: the needed length is stored also when there was too little room.
    """
    try:
        runtime.require_upcalls()
        source = deref(lpProviderId, GUID)
        if source is None or not address_of(lpszProviderDllPath) or not address_of(lpProviderDllPathLen):
            raise WinsockError(WSAError.WSAEFAULT, "NULL")
        path = upcalls.get_provider_path(protocol_info.read_guid(source))
        room = load_int(lpProviderDllPathLen)
        store_int(lpProviderDllPathLen, len(path) + 1)
        if room < len(path) + 1:
            raise WinsockError(WSAError.WSAEFAULT, f"{room} characters")
    except WinsockError as error:
        return _failed(lpErrno, error, c.SOCKET_ERROR)
    write_bytes(lpszProviderDllPath, encode_wide(path + "\0"))
    return 0


def WPUQueryBlockingCallback(dwCatalogEntryId: int, lplpfnCallback: Any, lpdwContext: Any, lpErrno: Any) -> int:
    """Store the blocking callback of the calling thread and what to pass to it; NULL when the thread has no hook.

    A provider calls it now and then while a call blocks: TRUE means wait on, FALSE that the call was cancelled, which
    then ends with WSAEINTR.

    Returns: 0, or SOCKET_ERROR with the code in `*lpErrno`.
    Errors:
        WSAEFAULT: a NULL pointer. WSAEINVAL: no such catalog entry.
    Source: ws2spi.h, nf-ws2spi-wpuqueryblockingcallback.
    Differs: nothing.
    """
    try:
        callback, context = hooks.query_blocking_callback(dwCatalogEntryId)
        address = 0 if callback is None else hooks.pointer_to_callback()
        if not address_of(lpdwContext) or not store_pointer_sized(lplpfnCallback, address):
            raise WinsockError(WSAError.WSAEFAULT, "NULL")
        store_pointer_sized(lpdwContext, context)
    except WinsockError as error:
        return _failed(lpErrno, error, c.SOCKET_ERROR)
    return 0


def WPUPostMessage(hWnd: Any, Msg: int, wParam: int, lParam: int) -> int:
    """Append a message to a window's queue; safe in an interrupt context.

    Returns: TRUE, or FALSE when there is no such window or its queue is full.
    Errors: none, as on the page.
    Source: ws2spi.h, nf-ws2spi-wpupostmessage.
    Differs: nothing.
    """
    return int(upcalls.post_message(number_of(hWnd), Msg, wParam, lParam))
