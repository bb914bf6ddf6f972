"""The Berkeley data bases: hosts, services, protocols. Each thread has one structure of each kind."""

import socket as _socket
from collections.abc import Callable
from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of, read_bytes, read_narrow
from ws2spi._runtime.names import netdb, resolver
from ws2spi._runtime.names.memory import write_text
from ws2spi._runtime.process import runtime
from ws2spi.ws2_32._route import failed

_LENGTHS = {c.AF_INET: 4, c.AF_INET6: 16}


def _kept(kind: str, block: Callable[[], Any]) -> int:
    """Return the address of the calling thread's structure, or 0 with the code in the last error."""
    try:
        runtime.require()
        return netdb.keep(kind, block())
    except WinsockError as error:
        return failed(error, 0)


def gethostbyname(name: Any) -> int:
    """Find a host's IPv4 addresses; NULL and "" mean this computer.

    Returns: the address of the thread's HOSTENT, valid until its next gethostbyname or gethostbyaddr; 0 with the code
        in the last error.
    Errors:
        WSANOTINITIALISED: no WSAStartup.
        WSAHOST_NOT_FOUND: no such host. WSANO_DATA: it has no IPv4 address; or an IPv6 or an illegal IPv4 address.
        WSATRY_AGAIN: the name server did not answer. WSANO_RECOVERY: it cannot.
        WSAEINTR: WSACancelBlockingCall. WSAEINPROGRESS: the thread is inside its blocking hook.
    Source: winsock2.h, nf-winsock2-gethostbyname.
    Differs: nothing.
    """
    return _kept("host", lambda: resolver.hostent_of_name(read_narrow(name)))


def gethostbyaddr(addr: Any, len: int, type: int) -> int:
    """Find the host of a binary address.

    Returns: the address of the thread's HOSTENT, as gethostbyname; 0 with the code in the last error.
    Errors:
        WSANOTINITIALISED: no WSAStartup.
        WSAEAFNOSUPPORT: a type other than AF_INET and AF_INET6. WSAEFAULT: NULL, or too short.
        WSAEINVAL: AF_INET6 and another length than 16.
        WSAHOST_NOT_FOUND: no such host. WSANO_DATA: it has no name.
        WSATRY_AGAIN: the name server did not answer. WSANO_RECOVERY: it cannot.
        WSAEINTR: WSACancelBlockingCall. WSAEINPROGRESS: the thread is inside its blocking hook.
    Source: winsock2.h, nf-winsock2-gethostbyaddr.
    Differs: nothing.
    """
    return _kept("host", lambda: resolver.hostent_of_address(type, read_packed(addr, len, type)))


def gethostname(name: Any, namelen: int) -> int:
    """Store this computer's name.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED: no WSAStartup. WSAEFAULT: NULL, or too little room.
    Source: winsock2.h, nf-winsock2-gethostname.
    Differs: nothing.
    """
    return _host_name(name, namelen, wide=False)


def GetHostNameW(name: Any, namelen: int) -> int:
    """Store this computer's name in wide characters; `namelen` counts them.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED: no WSAStartup. WSAEFAULT: NULL, or too little room.
    Source: winsock2.h, nf-winsock2-gethostnamew.
    Differs: nothing.
    """
    return _host_name(name, namelen, wide=True)


def _host_name(name: Any, namelen: int, *, wide: bool) -> int:
    try:
        runtime.require()
        if not write_text(name, namelen, _socket.gethostname(), wide):
            raise WinsockError(WSAError.WSAEFAULT, f"{namelen} characters")
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)
    return 0


def getservbyname(name: Any, proto: Any) -> int:
    """Find a service by its name or alias; of any protocol if `proto` is NULL.

    Returns: the address of the thread's SERVENT, valid until its next getservbyname or getservbyport; 0 with the code
        in the last error.
    Errors:
        WSANOTINITIALISED: no WSAStartup. WSAEFAULT: `name` is NULL.
        WSAHOST_NOT_FOUND: no such service. WSANO_DATA: not with that protocol.
    Source: winsock2.h, nf-winsock2-getservbyname.
    Differs: services are a file, so WSATRY_AGAIN and WSANO_RECOVERY do not happen; an unknown service is
        WSAHOST_NOT_FOUND, as the page says, where Windows gives WSANO_DATA.
    """

    def found() -> Any:
        return netdb.servent_block(netdb.service_by_name(read_given(name), read_narrow(proto)))

    return _kept("service", found)


def getservbyport(port: int, proto: Any) -> int:
    """Find a service by its port, in network byte order; of any protocol if `proto` is NULL.

    Returns: the address of the thread's SERVENT, as getservbyname; 0 with the code in the last error.
    Errors:
        WSANOTINITIALISED: no WSAStartup. WSAHOST_NOT_FOUND: no such service. WSANO_DATA: not with that protocol.
    Source: winsock2.h, nf-winsock2-getservbyport.
    Differs: as getservbyname.
    """

    def found() -> Any:
        return netdb.servent_block(netdb.service_by_port(_socket.ntohs(port & 0xFFFF), read_narrow(proto)))

    return _kept("service", found)


def getprotobyname(name: Any) -> int:
    """Find a protocol by its name or alias.

    Returns: the address of the thread's PROTOENT, valid until its next getprotobyname or getprotobynumber; 0 with the
        code in the last error.
    Errors:
        WSANOTINITIALISED: no WSAStartup. WSAEFAULT: `name` is NULL. WSANO_DATA: no such protocol.
    Source: winsock2.h, nf-winsock2-getprotobyname.
    Differs: protocols are a file, so WSAHOST_NOT_FOUND, WSATRY_AGAIN and WSANO_RECOVERY do not happen.
    """
    return _kept("protocol", lambda: netdb.protoent_block(netdb.protocol_by_name(read_given(name))))


def getprotobynumber(number: int) -> int:
    """Find a protocol by its number.

    Returns: the address of the thread's PROTOENT, as getprotobyname; 0 with the code in the last error.
    Errors:
        WSANOTINITIALISED: no WSAStartup. WSANO_DATA: no such protocol.
    Source: winsock2.h, nf-winsock2-getprotobynumber.
    Differs: as getprotobyname.
    """
    return _kept("protocol", lambda: netdb.protoent_block(netdb.protocol_by_number(number)))


def read_packed(addr: Any, length: int, family: int) -> bytes:
    """Return the binary address of gethostbyaddr's arguments.

    Errors:
        WSAEAFNOSUPPORT: the family. WSAEINVAL: AF_INET6 with another length. WSAEFAULT: NULL, or too short.
    """
    size = _LENGTHS.get(family)
    if size is None:
        raise WinsockError(WSAError.WSAEAFNOSUPPORT, f"address family {family}")
    if family == c.AF_INET6 and length != size:
        raise WinsockError(WSAError.WSAEINVAL, f"{length} bytes for an IPv6 address")
    if not address_of(addr) or length < size:
        raise WinsockError(WSAError.WSAEFAULT, "addr")
    return read_bytes(addr, size)


def read_given(name: Any) -> str:
    """Return a text that must be there; WSAEFAULT for NULL."""
    text = read_narrow(name)
    if text is None:
        raise WinsockError(WSAError.WSAEFAULT, "name")
    return text
