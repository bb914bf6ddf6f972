"""mswsock.dll as a module: its exports and the extension functions of its header.

The DLL exports AcceptEx, GetAcceptExSockaddrs, TransmitFile and WSARecvEx; the others are reached on Windows by
SIO_GET_EXTENSION_FUNCTION_POINTER alone, which works here, too. Called as through `ctypes.windll.mswsock`; the code is
in the thread's last error.
Never: decisions of its own; it converts and calls.
"""

# ruff: noqa: N802, N803 - Windows' spelling

from ctypes import byref
from typing import Any

from ws2spi._abi.constants import MSG_PARTIAL, SOCKET_ERROR
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of, store_int
from ws2spi._abi.mswsock import (
    EXTENSIONS,
    IN6_PKTINFO,
    IN_PKTINFO,
    TF_DISCONNECT,
    TF_REUSE_SOCKET,
    TF_USE_DEFAULT_WORKER,
    TF_USE_KERNEL_APC,
    TF_USE_SYSTEM_THREAD,
    TF_WRITE_BEHIND,
    TP_ELEMENT_EOP,
    TP_ELEMENT_FILE,
    TP_ELEMENT_MEMORY,
    TRANSMIT_FILE_BUFFERS,
    TRANSMIT_PACKETS_ELEMENT,
    WSACMSGHDR,
    WSAMSG,
    WSASENDMSG,
)
from ws2spi._abi.types import DWORD, GUID, OVERLAPPED, WSABUF
from ws2spi._executive import lasterror
from ws2spi._runtime.extensions import functions, pointers
from ws2spi.ctypes._function import exact, number_of
from ws2spi.ws2_32 import _transfer
from ws2spi.ws2_32._route import failed, route


def _guid(name: str) -> GUID:
    return GUID.from_buffer_copy(EXTENSIONS[name].bytes_le)


WSAID_ACCEPTEX = _guid("AcceptEx")
WSAID_CONNECTEX = _guid("ConnectEx")
WSAID_DISCONNECTEX = _guid("DisconnectEx")
WSAID_GETACCEPTEXSOCKADDRS = _guid("GetAcceptExSockaddrs")
WSAID_TRANSMITFILE = _guid("TransmitFile")
WSAID_TRANSMITPACKETS = _guid("TransmitPackets")
WSAID_WSARECVMSG = _guid("WSARecvMsg")
WSAID_WSASENDMSG = _guid("WSASendMsg")


@exact
def AcceptEx(
    sListenSocket: Any,
    sAcceptSocket: Any,
    lpOutputBuffer: Any,
    dwReceiveDataLength: Any,
    dwLocalAddressLength: Any,
    dwRemoteAddressLength: Any,
    lpdwBytesReceived: Any,
    lpOverlapped: Any,
) -> int:
    """Accept a connection on a socket that exists already, with both addresses and the first data.

    Returns: FALSE with WSA_IO_PENDING in the last error; TRUE on a socket that was not opened for overlapped I/O.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK. WSA_INVALID_PARAMETER: `lpOverlapped` is NULL.
        WSAEFAULT: no buffer, or an area with less than the sockaddr and 16 bytes (a local one of 0 bytes is left out).
        WSAEINVAL: not listening; or the accept socket is bound, connected, of another kind, or in use.
        WSA_INVALID_HANDLE: hEvent is no event. WSA_IO_PENDING: announced later.
        Told at the end: WSAECONNRESET: the peer was gone before its data came. WSA_OPERATION_ABORTED.
    Source: mswsock.h, nf-mswsock-acceptex.
    Differs: the new socket has the listener's options of Linux from the start, and loses those set before AcceptEx;
        when it fails, the accept socket can be used again.
    """
    return pointers.call(
        "AcceptEx",
        number_of(sListenSocket),
        number_of(sAcceptSocket),
        lpOutputBuffer,
        number_of(dwReceiveDataLength),
        number_of(dwLocalAddressLength),
        number_of(dwRemoteAddressLength),
        lpdwBytesReceived,
        lpOverlapped,
    )


@exact
def GetAcceptExSockaddrs(
    lpOutputBuffer: Any,
    dwReceiveDataLength: Any,
    dwLocalAddressLength: Any,
    dwRemoteAddressLength: Any,
    LocalSockaddr: Any,
    LocalSockaddrLength: Any,
    RemoteSockaddr: Any,
    RemoteSockaddrLength: Any,
) -> None:
    """Find the two addresses in the buffer of an AcceptEx that has ended: pointers into it, and their lengths.

    Returns: nothing.
    Errors: none.
    Source: mswsock.h, nf-mswsock-getacceptexsockaddrs.
    Differs: an area of 0 bytes gives NULL and 0.
    """
    functions.GetAcceptExSockaddrs(
        lpOutputBuffer,
        number_of(dwReceiveDataLength),
        number_of(dwLocalAddressLength),
        number_of(dwRemoteAddressLength),
        LocalSockaddr,
        LocalSockaddrLength,
        RemoteSockaddr,
        RemoteSockaddrLength,
    )


@exact
def ConnectEx(
    s: Any,
    name: Any,
    namelen: Any,
    lpSendBuffer: Any,
    dwSendDataLength: Any,
    lpdwBytesSent: Any,
    lpOverlapped: Any,
) -> int:
    """Connect a bound socket and then send some data.

    Returns: FALSE with WSA_IO_PENDING in the last error; TRUE on a socket that was not opened for overlapped I/O.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK. WSA_INVALID_PARAMETER: `lpOverlapped` is NULL.
        WSAEFAULT, WSAEAFNOSUPPORT, WSAEADDRNOTAVAIL: the address. WSAEINVAL: unbound, listening, or a datagram socket.
        WSAEISCONN. WSAEALREADY: a connect is under way. WSA_INVALID_HANDLE: hEvent is no event. WSA_IO_PENDING:
            announced later.
        Told at the end: WSAECONNREFUSED, WSAETIMEDOUT, WSAENETUNREACH, WSAEHOSTUNREACH, WSAEADDRINUSE,
            WSA_OPERATION_ABORTED.
    Source: mswsock.h, nc-mswsock-lpfn_connectex.
    Differs: TCP_FASTOPEN changes nothing; options set before keep their effect before SO_UPDATE_CONNECT_CONTEXT, and
        getsockname works.
    """
    return pointers.call(
        "ConnectEx",
        number_of(s),
        name,
        number_of(namelen),
        lpSendBuffer,
        number_of(dwSendDataLength),
        lpdwBytesSent,
        lpOverlapped,
    )


@exact
def DisconnectEx(s: Any, lpOverlapped: Any, dwFlags: Any, dwReserved: Any) -> int:
    """End a connection in order; with TF_REUSE_SOCKET the socket can then be used for AcceptEx or ConnectEx.

    Returns: TRUE when it is done, FALSE with the code in the last error; with an OVERLAPPED that is WSA_IO_PENDING.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK. WSAENOTCONN. WSAEINVAL: another flag, a reserved value, a datagram socket.
        WSA_INVALID_HANDLE: hEvent is no event. WSA_IO_PENDING: announced later.
    Source: mswsock.h, nc-mswsock-lpfn_disconnectex.
    Differs: with TF_REUSE_SOCKET it ends when the peer has ended its side, and never waits for TIME_WAIT. A socket that
        was bound to a port of the system's choice may get another one; who uses the handle as a file stays at its end.
    """
    return pointers.call("DisconnectEx", number_of(s), lpOverlapped, number_of(dwFlags), number_of(dwReserved))


@exact
def TransmitFile(
    hSocket: Any,
    hFile: Any,
    nNumberOfBytesToWrite: Any,
    nNumberOfBytesPerSend: Any,
    lpOverlapped: Any,
    lpTransmitBuffers: Any,
    dwReserved: Any,
) -> int:
    """Send a file, or a part of it, with something before and after it; `dwReserved` are the TF_ flags.

    Returns: TRUE when it is done, FALSE with the code in the last error; with an OVERLAPPED that is WSA_IO_PENDING.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK, WSAENOTCONN, WSAESHUTDOWN, WSAECONNRESET, WSAECONNABORTED.
        WSA_IO_PENDING: announced later. WSA_OPERATION_ABORTED: cancelled, or the socket was closed.
        WSAEINVAL: a datagram socket, TF_REUSE_SOCKET without TF_DISCONNECT, an offset that is not in the file, more
            than 2,147,483,646 bytes, no regular file.
        WSAEFAULT: a NULL buffer with a length. WSA_INVALID_HANDLE: no open file, or hEvent is no event.
    Source: mswsock.h, nf-mswsock-transmitfile.
    Differs: a file handle is the number of an open descriptor (`file.fileno()`); a file that is shorter than asked for
        ends the call well; nNumberOfBytesPerSend, TF_WRITE_BEHIND and the TF_USE_ flags change nothing; without an
        OVERLAPPED it takes its time on a non-blocking socket, too.
    """
    return pointers.call(
        "TransmitFile",
        number_of(hSocket),
        hFile,
        number_of(nNumberOfBytesToWrite),
        number_of(nNumberOfBytesPerSend),
        lpOverlapped,
        lpTransmitBuffers,
        number_of(dwReserved),
    )


@exact
def TransmitPackets(
    hSocket: Any, lpPacketArray: Any, nElementCount: Any, nSendSize: Any, lpOverlapped: Any, dwFlags: Any
) -> int:
    """Send pieces of memory and of files in their order.

    Returns: TRUE when it is done, FALSE with the code in the last error; with an OVERLAPPED that is WSA_IO_PENDING.
    Errors:
        as TransmitFile; and
        WSAEFAULT: no array. WSAEINVAL: an element of no kind, TF_DISCONNECT of a datagram socket.
    Source: mswsock.h, nc-mswsock-lpfn_transmitpackets.
    Differs: as TransmitFile. On a datagram socket, what lies between two TP_ELEMENT_EOP is one datagram.
    """
    return pointers.call(
        "TransmitPackets",
        number_of(hSocket),
        lpPacketArray,
        number_of(nElementCount),
        number_of(nSendSize),
        lpOverlapped,
        number_of(dwFlags),
    )


@exact
def WSARecvMsg(s: Any, lpMsg: Any, lpdwNumberOfBytesRecvd: Any, lpOverlapped: Any, lpCompletionRoutine: Any) -> int:
    """Receive one datagram with its sender, control data and flags.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK, WSAECONNRESET, WSAESHUTDOWN, WSAETIMEDOUT, WSAEWOULDBLOCK, WSAEINTR.
        WSAEOPNOTSUPP: a stream, or a flag other than MSG_PEEK. WSAEINVAL: not bound. WSAEMSGSIZE: cut.
        WSAEFAULT: a NULL pointer with a length, too little room for the name, no place for the number of bytes and no
            OVERLAPPED. WSA_INVALID_HANDLE: hEvent is no event. WSA_IO_PENDING: announced later.
        WSAEINPROGRESS: inside a blocking hook. Told at the end: WSA_OPERATION_ABORTED.
    Source: mswsock.h, nc-mswsock-lpfn_wsarecvmsg.
    Differs: MSG_BCAST and MSG_MCAST need IP_PKTINFO (IPV6_PKTINFO) to be on. Under layers that touch datagrams the
        control data is that of the last one from below; over a hand-written provider there is none.
    """
    return pointers.call("WSARecvMsg", number_of(s), lpMsg, lpdwNumberOfBytesRecvd, lpOverlapped, lpCompletionRoutine)


@exact
def WSARecvEx(s: Any, buf: Any, len: Any, flags: Any) -> int:
    """Receive as recv does, and say in `*flags` whether it was a part of a message (MSG_PARTIAL) or not (0).

    Parameters:
        flags: written only; what is in it chooses nothing.
    Returns: how many bytes, 0 at the end of a stream, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK, WSAENOTCONN, WSAECONNRESET, WSAECONNABORTED, WSAESHUTDOWN, WSAETIMEDOUT,
        WSAEWOULDBLOCK, WSAEINTR, WSAEINPROGRESS: as recv. WSAEINVAL: a datagram socket without a name.
        WSAEFAULT: no buffer, a negative length, or `flags` is NULL.
    Source: mswsock.h, nf-mswsock-wsarecvex.
    Differs: the rest of a datagram that was cut is lost, as in UDP's nature; the page speaks of other protocols, too.
    """
    size = number_of(len)
    try:
        route(number_of(s))
        if not address_of(flags):
            raise WinsockError(WSAError.WSAEFAULT, "flags")
    except WinsockError as error:
        return failed(error, SOCKET_ERROR)
    received, got = DWORD(), DWORD()
    if size < 0:
        return int(_transfer.recv(number_of(s), buf, size, 0))  # which says what is wrong first
    buffer = WSABUF(size, address_of(buf))
    if _transfer.WSARecv(number_of(s), byref(buffer), 1, byref(received), byref(got), None, None):
        if lasterror.get() != WSAError.WSAEMSGSIZE:
            return SOCKET_ERROR
        store_int(flags, MSG_PARTIAL)
        return size
    store_int(flags, got.value & MSG_PARTIAL)
    return received.value


__all__ = [
    "GUID",
    "IN6_PKTINFO",
    "IN_PKTINFO",
    "OVERLAPPED",
    "TF_DISCONNECT",
    "TF_REUSE_SOCKET",
    "TF_USE_DEFAULT_WORKER",
    "TF_USE_KERNEL_APC",
    "TF_USE_SYSTEM_THREAD",
    "TF_WRITE_BEHIND",
    "TP_ELEMENT_EOP",
    "TP_ELEMENT_FILE",
    "TP_ELEMENT_MEMORY",
    "TRANSMIT_FILE_BUFFERS",
    "TRANSMIT_PACKETS_ELEMENT",
    "WSACMSGHDR",
    "WSAID_ACCEPTEX",
    "WSAID_CONNECTEX",
    "WSAID_DISCONNECTEX",
    "WSAID_GETACCEPTEXSOCKADDRS",
    "WSAID_TRANSMITFILE",
    "WSAID_TRANSMITPACKETS",
    "WSAID_WSARECVMSG",
    "WSAID_WSASENDMSG",
    "WSAMSG",
    "WSASENDMSG",
    "AcceptEx",
    "ConnectEx",
    "DisconnectEx",
    "GetAcceptExSockaddrs",
    "TransmitFile",
    "TransmitPackets",
    "WSARecvEx",
    "WSARecvMsg",
]
