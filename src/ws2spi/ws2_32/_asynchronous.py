"""The data bases by message: WSAAsyncGetXByY and WSACancelAsyncRequest."""

import socket as _socket
from collections.abc import Callable
from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError
from ws2spi._abi.memory import read_narrow
from ws2spi._runtime.names import asynchronous, netdb, resolver
from ws2spi._runtime.names.memory import Block
from ws2spi._runtime.process import runtime
from ws2spi.ws2_32._databases import read_given, read_packed
from ws2spi.ws2_32._route import failed


def _request(hWnd: Any, wMsg: int, arguments: Callable[[], Callable[[], Block]], buf: Any, buflen: int) -> int:
    """Start a request. `arguments` reads the client's memory now; what it returns does the work later."""
    try:
        runtime.require()
        try:
            find = arguments()
        except WinsockError as error:
            find = _telling(error)
        return asynchronous.request(hWnd or 0, wMsg, find, buf, buflen)
    except WinsockError as error:
        return failed(error, 0)


def _telling(error: WinsockError) -> Callable[[], Block]:
    """An argument was bad: its message says so."""

    def find() -> Block:
        raise error

    return find


def WSAAsyncGetHostByName(hWnd: Any, wMsg: int, name: Any, buf: Any, buflen: int) -> int:
    """Find a host's IPv4 addresses; a HOSTENT comes into `buf`, then a message to the window.

    Returns: the request's handle, or 0 with the code in the last error.
    Errors:
        WSANOTINITIALISED: no WSAStartup. WSAEINVAL: no such window.
        The message has WSAHOST_NOT_FOUND, WSATRY_AGAIN, WSANO_RECOVERY, WSANO_DATA of gethostbyname, WSAENOBUFS for
            too short a buffer, whose needed size it tells, or WSAEFAULT for a NULL one.
    Source: winsock.h, nf-winsock-wsaasyncgethostbyname.
    Differs: requests run at the same time; none is refused with WSAEWOULDBLOCK.
    """

    def arguments() -> Callable[[], Block]:
        text = read_narrow(name)
        return lambda: resolver.hostent_of_name(text)

    return _request(hWnd, wMsg, arguments, buf, buflen)


def WSAAsyncGetHostByAddr(hWnd: Any, wMsg: int, addr: Any, len: int, type: int, buf: Any, buflen: int) -> int:
    """Find the host of a binary address; a HOSTENT comes into `buf`, then a message to the window.

    Returns: the request's handle, or 0 with the code in the last error.
    Errors: as WSAAsyncGetHostByName; and
        The message has WSAEAFNOSUPPORT for another family, WSAEINVAL for another length of an IPv6 address.
    Source: winsock.h, nf-winsock-wsaasyncgethostbyaddr.
    Differs: as WSAAsyncGetHostByName.
    """

    def arguments() -> Callable[[], Block]:
        packed = read_packed(addr, len, type)
        return lambda: resolver.hostent_of_address(type, packed)

    return _request(hWnd, wMsg, arguments, buf, buflen)


def WSAAsyncGetServByName(hWnd: Any, wMsg: int, name: Any, proto: Any, buf: Any, buflen: int) -> int:
    """Find a service by its name; a SERVENT comes into `buf`, then a message to the window.

    Returns: the request's handle, or 0 with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAEINVAL: no WSAStartup, no such window. The message has WSAHOST_NOT_FOUND, WSANO_DATA of
            getservbyname, WSAENOBUFS, or WSAEFAULT also for a NULL name.
    Source: winsock.h, nf-winsock-wsaasyncgetservbyname.
    Differs: as WSAAsyncGetHostByName and getservbyname.
    """

    def arguments() -> Callable[[], Block]:
        text, protocol = read_given(name), read_narrow(proto)
        return lambda: netdb.servent_block(netdb.service_by_name(text, protocol))

    return _request(hWnd, wMsg, arguments, buf, buflen)


def WSAAsyncGetServByPort(hWnd: Any, wMsg: int, port: int, proto: Any, buf: Any, buflen: int) -> int:
    """Find a service by its port, in network byte order; a SERVENT comes into `buf`, then a message to the window.

    Returns: the request's handle, or 0 with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAEINVAL: no WSAStartup, no such window. The message has WSAHOST_NOT_FOUND, WSANO_DATA of
            getservbyport, WSAENOBUFS or WSAEFAULT.
    Source: winsock.h, nf-winsock-wsaasyncgetservbyport.
    Differs: as WSAAsyncGetHostByName and getservbyname.
    """

    def arguments() -> Callable[[], Block]:
        number, protocol = _socket.ntohs(port & 0xFFFF), read_narrow(proto)
        return lambda: netdb.servent_block(netdb.service_by_port(number, protocol))

    return _request(hWnd, wMsg, arguments, buf, buflen)


def WSAAsyncGetProtoByName(hWnd: Any, wMsg: int, name: Any, buf: Any, buflen: int) -> int:
    """Find a protocol by its name; a PROTOENT comes into `buf`, then a message to the window.

    Returns: the request's handle, or 0 with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAEINVAL: no WSAStartup, no such window. The message has WSANO_DATA of getprotobyname,
            WSAENOBUFS, or WSAEFAULT also for a NULL name.
    Source: winsock.h, nf-winsock-wsaasyncgetprotobyname.
    Differs: as WSAAsyncGetHostByName and getprotobyname.
    """

    def arguments() -> Callable[[], Block]:
        text = read_given(name)
        return lambda: netdb.protoent_block(netdb.protocol_by_name(text))

    return _request(hWnd, wMsg, arguments, buf, buflen)


def WSAAsyncGetProtoByNumber(hWnd: Any, wMsg: int, number: int, buf: Any, buflen: int) -> int:
    """Find a protocol by its number; a PROTOENT comes into `buf`, then a message to the window.

    Returns: the request's handle, or 0 with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAEINVAL: no WSAStartup, no such window. The message has WSANO_DATA of getprotobynumber,
            WSAENOBUFS or WSAEFAULT.
    Source: winsock.h, nf-winsock-wsaasyncgetprotobynumber.
    Differs: as WSAAsyncGetHostByName and getprotobyname.
    """
    return _request(hWnd, wMsg, lambda: lambda: netdb.protoent_block(netdb.protocol_by_number(number)), buf, buflen)


def WSACancelAsyncRequest(hAsyncTaskHandle: Any) -> int:
    """End a request of WSAAsyncGetXByY: its message never comes.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED: no WSAStartup. WSAEINVAL: no handle of a request.
        WSAEALREADY: it has ended or was cancelled; its message may still wait in the queue.
    Source: winsock.h, nf-winsock-wsacancelasyncrequest.
    Differs: nothing.
    """
    try:
        runtime.require()
        asynchronous.cancel(hAsyncTaskHandle)
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)
    return 0
