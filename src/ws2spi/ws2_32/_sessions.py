"""Beginning and ending connections with what few transports know, and sharing them: conditions, disconnect data,
duplicates.
"""

import ctypes
from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError
from ws2spi._abi.memory import address_of, read_narrow, read_wide, write_bytes
from ws2spi._abi.types import WSAPROTOCOL_INFOW
from ws2spi._runtime import connecting, redirected
from ws2spi.ws2_32._route import call, failed, route, status
from ws2spi.ws2_32._sockets import _handed_out


def WSAAccept(s: int, addr: Any, addrlen: Any, lpfnCondition: Any, dwCallbackData: int) -> int:
    """Take the next connection of a listening socket, if a function of the caller's says so.

    `lpfnCondition` is called in this thread and gives CF_ACCEPT, CF_REJECT, or CF_DEFER: the connection stays the first
    one, and the next call asks again.

    Returns: the socket of the connection, or INVALID_SOCKET with the code in the last error.
    Errors: as accept(); and
        WSAECONNREFUSED: CF_REJECT. WSATRY_AGAIN: CF_DEFER. WSAEACCES: a deferred connection was withdrawn.
        WSAEINVAL: the function gave something else, or a socket group. WSAEFAULT: `lpfnCondition` is no function.
    Source: winsock2.h, nf-winsock2-wsaaccept.
    Differs: the peer is connected before the function is asked, also with SO_CONDITIONAL_ACCEPT; a rejected one sees a
        reset.
    """
    handle = call("lpWSPAccept", c.INVALID_SOCKET, s, addr, addrlen, lpfnCondition, dwCallbackData)
    if handle != c.INVALID_SOCKET:
        _handed_out(handle, route(s).overlapped)
    return handle


def WSASendDisconnect(s: int, lpOutboundDisconnectData: Any) -> int:
    """End the sending direction, after what was sent.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK, WSAENOTCONN. WSAENOPROTOOPT: disconnect data, which TCP does not carry.
    Source: winsock2.h, nf-winsock2-wsasenddisconnect.
    Differs: nothing.
    """
    return _disconnect("lpWSPSendDisconnect", s, lpOutboundDisconnectData, c.SD_SEND)


def WSARecvDisconnect(s: int, lpInboundDisconnectData: Any) -> int:
    """End the receiving direction: further receives are refused, and the peer may send until the window is full.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK, WSAENOTCONN. WSAENOPROTOOPT: room for disconnect data, which TCP does not carry.
    Source: winsock2.h, nf-winsock2-wsarecvdisconnect.
    Differs: nothing.
    """
    return _disconnect("lpWSPRecvDisconnect", s, lpInboundDisconnectData, c.SD_RECEIVE)


def _disconnect(function: str, s: int, data: Any, how: int) -> int:
    try:
        entry = route(s)
        if entry.pair is not None and how != c.SD_RECEIVE:
            entry.pair.before_send()  # what foreign code has written goes before the end
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)
    result = status(function, s, data)
    if not result:
        redirected.after_shutdown(entry, how)
    return result


def WSADuplicateSocketW(s: int, dwProcessId: int, lpProtocolInfo: Any) -> int:
    """Describe a socket so that a process can have it, too: its WSASocket, given `lpProtocolInfo`, shares the socket.

    A description works once. The socket ends when all its handles are closed.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK, WSAEMFILE, WSAENOBUFS. WSAEFAULT: `lpProtocolInfo` is NULL.
        WSAEINVAL: no such process; or a layer of the socket touches bytes, and it is another process: it is named on
        stderr.
    Source: winsock2.h, nf-winsock2-wsaduplicatesocketw.
    Differs: this process must live until the other one has made its socket. Between processes the blocking mode,
        time-outs and shut directions are copied once, and network events are each process's own. While a non-IFS socket
        has several handles in this process, os.read of them gets nothing.
    """
    return _duplicated(s, dwProcessId, lpProtocolInfo)


def _duplicated(s: int, process: int, lpProtocolInfo: Any) -> int:
    try:
        number = route(s).number
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)
    with redirected.shared(number, process) as done:
        result = status("lpWSPDuplicateSocket", s, process, lpProtocolInfo)
        done(not result)
    return result


def WSADuplicateSocketA(s: int, dwProcessId: int, lpProtocolInfo: Any) -> int:
    """Describe a socket for another process, as WSADuplicateSocketW, in the structure with single-byte text.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors: as WSADuplicateSocketW.
    Source: winsock2.h, nf-winsock2-wsaduplicatesocketa.
    Differs: as WSADuplicateSocketW.
    """
    wide = WSAPROTOCOL_INFOW()
    result = _duplicated(s, dwProcessId, ctypes.byref(wide) if address_of(lpProtocolInfo) else None)
    if not result:
        text = str(wide.szProtocol).encode("ascii", "replace")[:255].ljust(256, b"\0")
        write_bytes(lpProtocolInfo, bytes(wide)[: WSAPROTOCOL_INFOW.szProtocol.offset] + text)
    return result


def WSAJoinLeaf(
    s: int,
    name: Any,
    namelen: int,
    lpCallerData: Any,
    lpCalleeData: Any,
    lpSQOS: Any,
    lpGQOS: Any,
    dwFlags: int,
) -> int:
    """Join a multicast group with a datagram socket made with WSA_FLAG_MULTIPOINT_C_LEAF and _D_LEAF.

    Sends without an address go to the group; a socket that joined as a sender only cannot receive, and the reverse.

    Returns: `s`, or INVALID_SOCKET with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK, WSAEFAULT, WSAEAFNOSUPPORT, WSAENETUNREACH, WSAENOBUFS.
        WSAEINVAL: no multipoint socket, or unknown flags. WSAEISCONN: a member already. WSAEADDRNOTAVAIL: no group.
        WSAEPROTONOSUPPORT: caller data. WSAEOPNOTSUPP: flow specifications beyond best effort.
    Source: winsock2.h, nf-winsock2-wsajoinleaf.
    Differs: nothing.
    """
    return call(
        "lpWSPJoinLeaf",
        c.INVALID_SOCKET,
        s,
        name,
        namelen,
        lpCallerData,
        lpCalleeData,
        lpSQOS,
        lpGQOS,
        dwFlags,
    )


def WSAGetQOSByName(s: int, lpQOSName: Any, lpQOS: Any) -> int:
    """Look up a quality-of-service template. There are none: an empty name gets the list of names, which is empty.

    Returns: TRUE, or FALSE with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK. WSAEFAULT: no name. WSAEINVAL: no such template.
    Source: winsock2.h, nf-winsock2-wsagetqosbyname.
    Differs: nothing.
    """
    return call("lpWSPGetQOSByName", c.FALSE, s, lpQOSName, lpQOS)


def WSAConnectByList(
    s: int,
    SocketAddress: Any,
    LocalAddressLength: Any,
    LocalAddress: Any,
    RemoteAddressLength: Any,
    RemoteAddress: Any,
    timeout: Any,
    Reserved: Any,
) -> int:
    """Connect to the first of several addresses that answers, in their order; blocks in non-blocking mode, too.

    Returns: TRUE, or FALSE with the code in the last error.
    Errors: as connect(), but for WSAEWOULDBLOCK, WSAEALREADY, WSAEACCES; of the last attempt; and
        WSAEINVAL: `Reserved` is not NULL, or no address. WSAEFAULT: no list, or no room for an address.
        WSAETIMEDOUT: the time is over; looked at between two attempts.
    Source: winsock2.h, nf-winsock2-wsaconnectbylist.
    Differs: the order of the list decides, and Linux picks the local address; SO_UPDATE_CONNECT_CONTEXT is not needed.
    """
    try:
        connecting.by_list(route(s), SocketAddress, timeout, Reserved)
    except WinsockError as error:
        return failed(error, c.FALSE)
    return _names(s, LocalAddressLength, LocalAddress, RemoteAddressLength, RemoteAddress)


def WSAConnectByNameW(
    s: int,
    nodename: Any,
    servicename: Any,
    LocalAddressLength: Any,
    LocalAddress: Any,
    RemoteAddressLength: Any,
    RemoteAddress: Any,
    timeout: Any,
    Reserved: Any,
) -> int:
    """Connect to a host and a service by name; blocks in non-blocking mode, too.

    Returns: TRUE, or FALSE with the code in the last error.
    Errors: as WSAConnectByList; and
        WSAEINVAL: a name is NULL. WSAEHOSTUNREACH: the names lead to no address of the socket's family.
    Source: winsock2.h, nf-winsock2-wsaconnectbynamew.
    Differs: as WSAConnectByList.
    """
    return _by_name(s, read_wide(nodename), read_wide(servicename), timeout, Reserved) and _names(
        s, LocalAddressLength, LocalAddress, RemoteAddressLength, RemoteAddress
    )


def WSAConnectByNameA(
    s: int,
    nodename: Any,
    servicename: Any,
    LocalAddressLength: Any,
    LocalAddress: Any,
    RemoteAddressLength: Any,
    RemoteAddress: Any,
    timeout: Any,
    Reserved: Any,
) -> int:
    """Connect to a host and a service by name, as WSAConnectByNameW.

    Returns: TRUE, or FALSE with the code in the last error.
    Errors: as WSAConnectByNameW.
    Source: winsock2.h, nf-winsock2-wsaconnectbynamea.
    Differs: as WSAConnectByList.
    """
    return _by_name(s, read_narrow(nodename), read_narrow(servicename), timeout, Reserved) and _names(
        s, LocalAddressLength, LocalAddress, RemoteAddressLength, RemoteAddress
    )


def _by_name(s: int, node: str | None, service: str | None, timeout: Any, reserved: Any) -> int:
    try:
        connecting.by_name(route(s), node, service, timeout, reserved)
    except WinsockError as error:
        return failed(error, c.FALSE)
    return c.TRUE


def _names(s: int, local_length: Any, local: Any, remote_length: Any, remote: Any) -> int:
    """Store both ends of a new connection where the client wants them."""
    for function, place, length in (
        ("lpWSPGetSockName", local, local_length),
        ("lpWSPGetPeerName", remote, remote_length),
    ):
        if address_of(place) and status(function, s, place, length):
            return c.FALSE
    return c.TRUE
