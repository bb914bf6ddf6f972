"""Sending and receiving, and the results of overlapped operations.

These four WSA functions and their Berkeley names are the hot path: each looks up the socket, lets the redirector move
what foreign code has written or read ahead, and calls the procedure table with the client's own arguments.
"""

import ctypes
from typing import Any

from ws2spi._abi.constants import FALSE, SOCKET_ERROR
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of
from ws2spi._abi.types import DWORD, INT, WSABUF
from ws2spi._engine.hand import receives, receiving_from
from ws2spi._runtime.arguments import plain_buffer
from ws2spi._runtime.extensions import pointers
from ws2spi._runtime.redirected import moved, receive_made, receive_moved
from ws2spi._runtime.threads import own_structure
from ws2spi.ws2_32._route import call, failed, refused, route, thread_id

_byref = ctypes.byref


def WSASend(
    s: int,
    lpBuffers: Any,
    dwBufferCount: int,
    lpNumberOfBytesSent: Any,
    dwFlags: int,
    lpOverlapped: Any,
    lpCompletionRoutine: Any,
) -> int:
    """Send the bytes of several buffers.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK, WSAENOTCONN, WSAESHUTDOWN, WSAECONNRESET, WSAECONNABORTED, WSAEMSGSIZE.
        WSAEFAULT: a NULL buffer, or neither a place for the number of bytes nor an OVERLAPPED.
        WSAEINVAL: a routine on a socket with a completion port, an OVERLAPPED in use, an unknown flag.
        WSAEOPNOTSUPP: MSG_OOB or MSG_PARTIAL of a datagram socket.
        WSAETIMEDOUT: the time-out of the socket, or a connection that Linux has given up. WSAEINTR: cancelled by the
            blocking hook, or closed meanwhile. WSAEINPROGRESS: inside a blocking hook.
        WSA_INVALID_HANDLE: hEvent is no event. WSAEWOULDBLOCK. WSA_IO_PENDING: announced later.
        Told at the end: WSA_OPERATION_ABORTED, WSAECONNRESET.
    Source: winsock2.h, nf-winsock2-wsasend.
    Differs: an OVERLAPPED in use is refused; on a non-overlapped, non-blocking socket it does not make the call block.
    """
    try:
        entry = route(s)
        if entry.pair is not None:
            entry.pair.before_send(pending=bool(lpOverlapped))
    except WinsockError as error:
        return failed(error, SOCKET_ERROR)
    code = INT()
    result: int = entry.table.lpWSPSend(
        entry.number,
        lpBuffers,
        dwBufferCount,
        lpNumberOfBytesSent,
        dwFlags,
        lpOverlapped,
        lpCompletionRoutine,
        _byref(own_structure()),
        _byref(code),
    )
    if result:
        refused(code)
    return result


def WSASendTo(
    s: int,
    lpBuffers: Any,
    dwBufferCount: int,
    lpNumberOfBytesSent: Any,
    dwFlags: int,
    lpTo: Any,
    iTolen: int,
    lpOverlapped: Any,
    lpCompletionRoutine: Any,
) -> int:
    """Send one datagram to an address; without an address as WSASend.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors: as WSASend; and
        WSAEFAULT, WSAEAFNOSUPPORT: the address. WSAEADDRNOTAVAIL, WSAENETUNREACH, WSAEACCES. WSAEHOSTUNREACH: Linux
            has been told so of an earlier datagram.
    Source: winsock2.h, nf-winsock2-wsasendto.
    Differs: as WSASend.
    """
    try:
        entry = route(s)
        if entry.pair is not None:
            entry.pair.before_send(pending=bool(lpOverlapped))
    except WinsockError as error:
        return failed(error, SOCKET_ERROR)
    code = INT()
    result: int = entry.table.lpWSPSendTo(
        entry.number,
        lpBuffers,
        dwBufferCount,
        lpNumberOfBytesSent,
        dwFlags,
        lpTo,
        iTolen,
        lpOverlapped,
        lpCompletionRoutine,
        _byref(own_structure()),
        _byref(code),
    )
    if result:
        refused(code)
    return result


def WSASendMsg(
    Handle: int, lpMsg: Any, dwFlags: int, lpNumberOfBytesSent: Any, lpOverlapped: Any, lpCompletionRoutine: Any
) -> int:
    """Send one datagram with control data (the source address and the like).

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors: as WSASendTo; and
        WSAEOPNOTSUPP: a stream, a flag other than MSG_DONTROUTE, or control data over a hand-written provider.
        WSAEFAULT: a NULL pointer with a length. WSAEINVAL: control data that Linux does not know.
    Source: winsock2.h, nf-winsock2-wsasendmsg.
    Differs: an unbound socket is bound, as by WSASendTo.
    """
    return pointers.call("WSASendMsg", Handle, lpMsg, dwFlags, lpNumberOfBytesSent, lpOverlapped, lpCompletionRoutine)


@receives
def WSARecv(
    s: int,
    lpBuffers: Any,
    dwBufferCount: int,
    lpNumberOfBytesRecvd: Any,
    lpFlags: Any,
    lpOverlapped: Any,
    lpCompletionRoutine: Any,
) -> int:
    """Receive into several buffers, in their order.

    Returns: 0, or SOCKET_ERROR with the code in the last error. On a stream 0 bytes are its end.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK, WSAENOTCONN, WSAESHUTDOWN, WSAECONNRESET, WSAECONNABORTED, WSAEMSGSIZE.
        WSAEFAULT: `lpFlags` or a buffer is NULL, or no place for the number of bytes and no OVERLAPPED.
        WSAEINVAL: no buffers, a routine on a socket with a completion port, an OVERLAPPED in use, an unknown flag.
        WSAEOPNOTSUPP: MSG_OOB of a datagram socket, or MSG_WAITALL where the page forbids it.
        WSAETIMEDOUT: the time-out of the socket, or a connection that Linux has given up. WSAEINTR: cancelled by the
            blocking hook, or closed meanwhile. WSAEINPROGRESS: inside a blocking hook.
        WSA_INVALID_HANDLE: hEvent is no event. WSAEWOULDBLOCK. WSA_IO_PENDING: announced later.
        Told at the end: WSA_OPERATION_ABORTED, WSAECONNRESET.
    Source: winsock2.h, nf-winsock2-wsarecv.
    Differs: as WSASend; an urgent byte that is received past before anybody has asked for one is gone.
    """
    try:
        entry = route(s)
        receiving_from(entry.number)
    except WinsockError as error:
        return failed(error, SOCKET_ERROR)
    if entry.pair is not None:
        try:
            if receive_moved(
                entry,
                lpBuffers,
                dwBufferCount,
                lpNumberOfBytesRecvd,
                lpFlags,
                lpOverlapped,
                lpCompletionRoutine,
                thread_id(),
            ):
                return 0
        except WinsockError as error:
            return failed(error, SOCKET_ERROR)
    code = INT()
    result: int = entry.table.lpWSPRecv(
        entry.number,
        lpBuffers,
        dwBufferCount,
        lpNumberOfBytesRecvd,
        lpFlags,
        lpOverlapped,
        lpCompletionRoutine,
        _byref(own_structure()),
        _byref(code),
    )
    if result:
        refused(code)
    return result


@receives
def WSARecvFrom(
    s: int,
    lpBuffers: Any,
    dwBufferCount: int,
    lpNumberOfBytesRecvd: Any,
    lpFlags: Any,
    lpFrom: Any,
    lpFromlen: Any,
    lpOverlapped: Any,
    lpCompletionRoutine: Any,
) -> int:
    """Receive one datagram and its sender; what the sender pointers name is written when the operation ends.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors: as WSARecv; and
        WSAEFAULT: `*lpFromlen` is too small; nothing is received.
    Source: winsock2.h, nf-winsock2-wsarecvfrom.
    Differs: as WSASend; that nobody has the port which a datagram went to (WSAECONNRESET) is told on a connected socket
        only, which is what Linux tells.
    """
    try:
        entry = route(s)
        receiving_from(entry.number)
    except WinsockError as error:
        return failed(error, SOCKET_ERROR)
    if entry.pair is not None:
        try:
            if receive_moved(
                entry,
                lpBuffers,
                dwBufferCount,
                lpNumberOfBytesRecvd,
                lpFlags,
                lpOverlapped,
                lpCompletionRoutine,
                thread_id(),
                lpFrom,
                lpFromlen,
            ):
                return 0
        except WinsockError as error:
            return failed(error, SOCKET_ERROR)
    code = INT()
    result: int = entry.table.lpWSPRecvFrom(
        entry.number,
        lpBuffers,
        dwBufferCount,
        lpNumberOfBytesRecvd,
        lpFlags,
        lpFrom,
        lpFromlen,
        lpOverlapped,
        lpCompletionRoutine,
        _byref(own_structure()),
        _byref(code),
    )
    if result:
        refused(code)
    return result


def _one_buffer(s: int, buf: Any, length: int) -> WSABUF:
    """Return a WSABUF of the Berkeley functions' buffer; a bad socket is reported before a bad length."""
    entry = route(s)
    if length < 0:
        receive_made(entry)
        raise WinsockError(WSAError.WSAEFAULT, f"length {length}")
    return WSABUF(length, address_of(buf))


def send(s: int, buf: Any, len: int, flags: int) -> int:
    """Send bytes.

    Returns: how many, or SOCKET_ERROR with the code in the last error.
    Errors: as WSASend, but for WSA_IO_PENDING, WSA_INVALID_HANDLE, WSA_OPERATION_ABORTED.
    Source: winsock2.h, nf-winsock2-send.
    Differs: nothing.
    """
    try:
        entry = route(s)
        provider = entry.direct
        if provider is not None:
            memory = plain_buffer(buf, len)
            if entry.pair is not None:
                entry.pair.before_send()
            return provider.send(entry, (memory,), flags, None)  # type: ignore[return-value]
        buffer, sent = _one_buffer(s, buf, len), DWORD()
    except WinsockError as error:
        return failed(error, SOCKET_ERROR)
    if WSASend(s, _byref(buffer), 1, _byref(sent), flags, None, None):
        return SOCKET_ERROR
    return sent.value


def sendto(s: int, buf: Any, len: int, flags: int, to: Any, tolen: int) -> int:
    """Send one datagram to an address.

    Returns: the number of bytes, or SOCKET_ERROR with the code in the last error.
    Errors: as WSASendTo, but for WSA_IO_PENDING, WSA_INVALID_HANDLE, WSA_OPERATION_ABORTED.
    Source: winsock2.h, nf-winsock2-sendto.
    Differs: nothing.
    """
    try:
        buffer, sent = _one_buffer(s, buf, len), DWORD()
    except WinsockError as error:
        return failed(error, SOCKET_ERROR)
    if WSASendTo(s, _byref(buffer), 1, _byref(sent), flags, to, tolen, None, None):
        return SOCKET_ERROR
    return sent.value


@receives
def recv(s: int, buf: Any, len: int, flags: int) -> int:
    """Receive bytes.

    Returns: how many, 0 at the end of a stream, or SOCKET_ERROR with the code in the last error.
    Errors: as WSARecv, but for WSA_IO_PENDING, WSA_INVALID_HANDLE, WSA_OPERATION_ABORTED.
    Source: winsock2.h, nf-winsock2-recv.
    Differs: nothing.
    """
    try:
        entry = route(s)
        receiving_from(entry.number)
        provider = entry.direct
        if provider is not None and (entry.pair is None or entry.pair.stream):
            try:
                memory = plain_buffer(buf, len)
            except WinsockError:
                receive_made(entry)
                raise
            if entry.pair is not None:
                data = moved(entry, memory.nbytes, flags)
                if data is not None:
                    memory[: memoryview(data).nbytes] = data
                    return memoryview(data).nbytes
            return provider.recv(entry, (memory,), flags, None)[0]  # type: ignore[index]
        buffer, received, in_out = _one_buffer(s, buf, len), DWORD(), DWORD(flags)
    except WinsockError as error:
        return failed(error, SOCKET_ERROR)
    if WSARecv(s, _byref(buffer), 1, _byref(received), _byref(in_out), None, None):
        return SOCKET_ERROR
    return received.value


@receives
def recvfrom(s: int, buf: Any, len: int, flags: int, from_: Any, fromlen: Any) -> int:
    """Receive one datagram and its sender.

    Returns: the number of bytes, or SOCKET_ERROR with the code in the last error.
    Errors: as WSARecvFrom, but for WSA_IO_PENDING, WSA_INVALID_HANDLE, WSA_OPERATION_ABORTED.
    Source: winsock2.h, nf-winsock2-recvfrom.
    Differs: as WSARecvFrom.
    """
    try:
        buffer, received, in_out = _one_buffer(s, buf, len), DWORD(), DWORD(flags)
    except WinsockError as error:
        return failed(error, SOCKET_ERROR)
    if WSARecvFrom(s, _byref(buffer), 1, _byref(received), _byref(in_out), from_, fromlen, None, None):
        return SOCKET_ERROR
    return received.value


def WSAGetOverlappedResult(s: int, lpOverlapped: Any, lpcbTransfer: Any, fWait: int, lpdwFlags: Any) -> int:
    """Return the result of an overlapped operation.

    Returns: TRUE when it ended well, else FALSE with the code in the last error and nothing stored, but for a
        datagram that was cut: how much of it there was room for.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK. WSAEFAULT: `lpOverlapped` or `lpcbTransfer` is NULL.
        WSA_IO_INCOMPLETE: it runs, and `fWait` is FALSE. Any other code: the operation's own.
    Source: winsock2.h, nf-winsock2-wsagetoverlappedresult.
    Differs: with `fWait` and no event it waits for this operation; `lpdwFlags` may be NULL.
    """
    return call("lpWSPGetOverlappedResult", FALSE, s, lpOverlapped, lpcbTransfer, fWait, lpdwFlags)
