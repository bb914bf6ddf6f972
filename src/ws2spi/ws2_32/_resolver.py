"""getaddrinfo, getnameinfo and the memory they hand out."""

import ctypes
from typing import Any

from ws2spi._abi import addresses
from ws2spi._abi import names as n
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of, deref, read_bytes, read_narrow, read_wide, store_pointer_sized
from ws2spi._executive import lasterror
from ws2spi._runtime.names import resolver
from ws2spi._runtime.names.memory import Block, write_text
from ws2spi._runtime.process import runtime
from ws2spi.ctypes._messages import FormatError

_TEXTS = {
    WSAError.WSAHOST_NOT_FOUND: "No such host is known.",
    WSAError.WSATRY_AGAIN: "The name server did not answer; try again.",
    WSAError.WSANO_RECOVERY: "Name resolution failed for good.",
    WSAError.WSANO_DATA: "The name is known, but has no data of this kind.",
    WSAError.WSAEAFNOSUPPORT: "The address family is not supported.",
    WSAError.WSAESOCKTNOSUPPORT: "The socket type is not supported.",
    WSAError.WSATYPE_NOT_FOUND: "The service is not known for this socket type.",
    WSAError.WSAEINVAL: "A flag or an argument is not valid.",
    WSAError.WSA_NOT_ENOUGH_MEMORY: "There is not enough memory.",
}
_lists: dict[int, Any] = {}  # {address of a list's first ADDRINFO: the memory of the whole list}


def getaddrinfo(pNodeName: Any, pServiceName: Any, pHints: Any, ppResult: Any) -> int:
    """Store a list of the addresses of a host and a service; free it with freeaddrinfo.

    Returns: 0, or the error code, which is in the last error too.
    Errors:
        WSANOTINITIALISED: no WSAStartup.
        WSAHOST_NOT_FOUND: no such host, neither name given, or AI_NUMERICHOST or AI_NUMERICSERV and no number.
        WSANO_DATA: the host has no address of the family.
        WSATRY_AGAIN: the name server did not answer. WSANO_RECOVERY: it cannot; or hints that must be 0 are not, or
            AI_CANONNAME or AI_FQDN without a node.
        WSAEINVAL: unknown `ai_flags`, AI_CANONNAME with AI_FQDN, or `ppResult` is NULL.
        WSAEAFNOSUPPORT: `ai_family`. WSAESOCKTNOSUPPORT: `ai_socktype`.
        WSATYPE_NOT_FOUND: the service is not known for the socket type.
        WSA_NOT_ENOUGH_MEMORY: the resolver said so.
    Source: ws2tcpip.h, nf-ws2tcpip-getaddrinfo.
    Differs: names of NS_EMAIL and clusters do not exist; "" and "..localmachine" are the host's own name, resolved;
        names in UTF-8 are encoded as IDNA 2003 has it, and refused with AI_DISABLE_IDN_ENCODING; AI_ALL counts with
        AI_V4MAPPED only; AI_FQDN gives what AI_CANONNAME does.
    """
    return _getaddrinfo(read_narrow(pNodeName), read_narrow(pServiceName), pHints, ppResult, wide=False)


def GetAddrInfoW(pNodeName: Any, pServiceName: Any, pHints: Any, ppResult: Any) -> int:
    """As getaddrinfo, with wide texts; free it with FreeAddrInfoW.

    Returns: 0, or the error code, which is in the last error too.
    Errors:
        WSANOTINITIALISED, WSAHOST_NOT_FOUND, WSANO_DATA, WSATRY_AGAIN, WSANO_RECOVERY, WSAEINVAL, WSAEAFNOSUPPORT,
        WSAESOCKTNOSUPPORT, WSATYPE_NOT_FOUND, WSA_NOT_ENOUGH_MEMORY: as getaddrinfo.
    Source: ws2tcpip.h, nf-ws2tcpip-getaddrinfow.
    Differs: as getaddrinfo.
    """
    return _getaddrinfo(read_wide(pNodeName), read_wide(pServiceName), pHints, ppResult, wide=True)


def _getaddrinfo(node: str | None, service: str | None, pHints: Any, ppResult: Any, *, wide: bool) -> int:
    try:
        stored = store_pointer_sized(ppResult, 0)
        runtime.require()
        if not stored:
            raise WinsockError(WSAError.WSAEINVAL, "ppResult")
        hints = deref(pHints, n.ADDRINFOW if wide else n.ADDRINFOA)
        if hints is None:
            flags, found = 0, resolver.getaddrinfo(node, service)
        else:
            if hints.ai_addrlen or any(map(address_of, (hints.ai_canonname, hints.ai_addr, hints.ai_next))):
                raise WinsockError(WSAError.WSANO_RECOVERY, "hints that must be 0")
            flags = hints.ai_flags & 0xFFFFFFFF
            asked = hints.ai_family, hints.ai_socktype, hints.ai_protocol
            found = resolver.getaddrinfo(node, service, flags, *asked)
    except WinsockError as error:
        lasterror.set(int(error.code))
        return int(error.code)
    memory = _list(found, wide).owned()
    start = ctypes.addressof(memory)
    _lists[start] = memory
    store_pointer_sized(ppResult, start)
    return 0


def _list(found: list[resolver.Info], wide: bool) -> Block:
    kind: Any = n.ADDRINFOW
    block = Block()
    before = None
    for one in found:
        at = block.add(bytes(ctypes.sizeof(kind)))
        data = addresses.pack(one.family, one.address)
        block.number(at + kind.ai_family.offset, one.family)
        block.number(at + kind.ai_socktype.offset, one.socket_type)
        block.number(at + kind.ai_protocol.offset, one.protocol)
        block.number(at + kind.ai_addrlen.offset, len(data), 8)
        block.point(at + kind.ai_addr.offset, block.add(data))
        block.text(at + kind.ai_canonname.offset, one.canonical, wide)
        if before is not None:
            block.point(before + kind.ai_next.offset, at)
        before = at
    return block


def freeaddrinfo(pAddrInfo: Any) -> None:
    """Free a list that getaddrinfo gave.

    Returns: nothing.
    Errors: none.
    Source: ws2tcpip.h, nf-ws2tcpip-freeaddrinfo.
    Differs: what getaddrinfo did not give, or what is freed already, is ignored.
    """
    _lists.pop(address_of(pAddrInfo), None)


def FreeAddrInfoW(pAddrInfo: Any) -> None:
    """Free a list that GetAddrInfoW gave.

    Returns: nothing.
    Errors: none.
    Source: ws2tcpip.h, nf-ws2tcpip-freeaddrinfow.
    Differs: as freeaddrinfo.
    """
    _lists.pop(address_of(pAddrInfo), None)


def getnameinfo(
    pSockaddr: Any,
    SockaddrLength: int,
    pNodeBuffer: Any,
    NodeBufferSize: int,
    pServiceBuffer: Any,
    ServiceBufferSize: int,
    Flags: int,
) -> int:
    """Store the names of a socket address's host and service.

    Returns: 0, or the error code, which is in the last error too.
    Errors:
        WSANOTINITIALISED: no WSAStartup.
        WSAEFAULT: no address, too short a one, or too little room for a name.
        WSAEINVAL: a buffer of size 0, or NI_NAMEREQD with NI_NUMERICHOST. WSAEAFNOSUPPORT: the address's family.
        WSAHOST_NOT_FOUND: neither name is wanted; or NI_NAMEREQD and the host has none.
        WSATRY_AGAIN, WSANO_RECOVERY: with NI_NAMEREQD, the name server's.
        WSA_NOT_ENOUGH_MEMORY: with NI_NAMEREQD, the resolver said so.
    Source: ws2tcpip.h, nf-ws2tcpip-getnameinfo.
    Differs: port 0 is "0", as ports without a name are numbers; the page has both.
    """
    nodes, services = (pNodeBuffer, NodeBufferSize), (pServiceBuffer, ServiceBufferSize)
    return _getnameinfo(pSockaddr, SockaddrLength, nodes, services, Flags, wide=False)


def GetNameInfoW(
    pSockaddr: Any,
    SockaddrLength: int,
    pNodeBuffer: Any,
    NodeBufferSize: int,
    pServiceBuffer: Any,
    ServiceBufferSize: int,
    Flags: int,
) -> int:
    """As getnameinfo, with wide texts and sizes in characters.

    Returns: 0, or the error code, which is in the last error too.
    Errors:
        WSANOTINITIALISED, WSAEFAULT, WSAEINVAL, WSAEAFNOSUPPORT, WSAHOST_NOT_FOUND, WSATRY_AGAIN, WSANO_RECOVERY,
        WSA_NOT_ENOUGH_MEMORY: as getnameinfo.
    Source: ws2tcpip.h, nf-ws2tcpip-getnameinfow.
    Differs: as getnameinfo. Too little room is WSAEFAULT; the page's WSA_NOT_ENOUGH_MEMORY means memory alone.
    """
    nodes, services = (pNodeBuffer, NodeBufferSize), (pServiceBuffer, ServiceBufferSize)
    return _getnameinfo(pSockaddr, SockaddrLength, nodes, services, Flags, wide=True)


def _getnameinfo(
    pSockaddr: Any, length: int, nodes: tuple[Any, int], services: tuple[Any, int], flags: int, *, wide: bool
) -> int:
    try:
        runtime.require()
        family, address = _address(pSockaddr, length)
        wanted = [bool(address_of(buffer)) for buffer, _ in (nodes, services)]
        if any(wish and not size for wish, (_, size) in zip(wanted, (nodes, services), strict=True)):
            raise WinsockError(WSAError.WSAEINVAL, "a buffer of size 0")
        texts = resolver.getnameinfo(family, address, flags, host=wanted[0], service=wanted[1])
        for wish, text, (buffer, size) in zip(wanted, texts, (nodes, services), strict=True):
            if wish and not write_text(buffer, size, text, wide):
                raise WinsockError(WSAError.WSAEFAULT, f"{size} characters for {text!r}")
    except WinsockError as error:
        lasterror.set(int(error.code))
        return int(error.code)
    return 0


def _address(pSockaddr: Any, length: int) -> tuple[int, addresses.Address]:
    start = address_of(pSockaddr)
    if not start or length < 2:
        raise WinsockError(WSAError.WSAEFAULT, "no address")
    try:
        return addresses.unpack(read_bytes(start, min(length, 128)))
    except addresses.ShortAddressError as error:
        raise WinsockError(WSAError.WSAEFAULT, str(error)) from None
    except addresses.UnknownFamilyError as error:
        raise WinsockError(WSAError.WSAEAFNOSUPPORT, str(error)) from None


def gai_strerrorA(ecode: int) -> bytes:
    """Return what an error code of getaddrinfo means.

    Returns: the text.
    Errors: none.
    Source: ws2tcpip.h, nf-ws2tcpip-gai_strerrora.
    Differs: the text is an object of its own; Windows has one buffer for all threads.
    """
    return gai_strerrorW(ecode).encode()


def gai_strerrorW(ecode: int) -> str:
    """Return what an error code of getaddrinfo means.

    Returns: the text.
    Errors: none.
    Source: ws2tcpip.h, nf-ws2tcpip-gai_strerrorw.
    Differs: as gai_strerrorA.
    """
    return _TEXTS.get(ecode) or FormatError(ecode)  # type: ignore[call-overload]
