"""Byte order and the text forms of addresses: nothing here needs a socket or WSAStartup."""

import ctypes
import socket as _socket
import struct
from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.addresses import UnknownFamilyError, linux_family
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of, read_bytes, read_narrow, write_bytes
from ws2spi.ctypes._function import number_of
from ws2spi.ws2_32._route import failed

_INADDR_NONE = 0xFFFFFFFF


def htons(hostshort: int) -> int:
    """Return 16 bits in network byte order.

    Returns: the number.
    Errors: none.
    Source: winsock2.h, nf-winsock2-htons.
    Differs: nothing.
    """
    return _socket.htons(hostshort & 0xFFFF)


def ntohs(netshort: int) -> int:
    """Return 16 bits in the machine's byte order.

    Returns: the number.
    Errors: none.
    Source: winsock2.h, nf-winsock2-ntohs.
    Differs: nothing.
    """
    return _socket.ntohs(netshort & 0xFFFF)


def htonl(hostlong: int) -> int:
    """Return 32 bits in network byte order.

    Returns: the number.
    Errors: none.
    Source: winsock2.h, nf-winsock2-htonl.
    Differs: nothing.
    """
    return _socket.htonl(hostlong & 0xFFFFFFFF)


def ntohl(netlong: int) -> int:
    """Return 32 bits in the machine's byte order.

    Returns: the number.
    Errors: none.
    Source: winsock2.h, nf-winsock2-ntohl.
    Differs: nothing.
    """
    return _socket.ntohl(netlong & 0xFFFFFFFF)


def htonll(Value: int) -> int:
    """Return 64 bits in network byte order.

    Returns: the number.
    Errors: none.
    Source: winsock2.h, nf-winsock2-htonll.
    Differs: nothing.
    """
    return int.from_bytes((Value & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "big"), "little")


def ntohll(Value: int) -> int:
    """Return 64 bits in the machine's byte order.

    Returns: the number.
    Errors: none.
    Source: winsock2.h, nf-winsock2-ntohll.
    Differs: nothing.
    """
    return htonll(Value)


def htond(Value: float) -> int:
    """Return a double in network byte order, as a 64-bit number.

    Returns: the number.
    Errors: none.
    Source: winsock2.h, nf-winsock2-htond.
    Differs: nothing.
    """
    return int.from_bytes(bytes(ctypes.c_double(Value))[::-1], "little")


def ntohd(Value: int) -> float:
    """Return the double that 64 bits in network byte order stand for.

    Returns: the double.
    Errors: none.
    Source: winsock2.h, nf-winsock2-ntohd.
    Differs: nothing.
    """
    return float(struct.unpack(">d", (Value & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "little"))[0])


def htonf(Value: float) -> int:
    """Return a float in network byte order, as a 32-bit number; a double is rounded as C does it.

    Returns: the number.
    Errors: none.
    Source: winsock2.h, nf-winsock2-htonf.
    Differs: nothing.
    """
    return int.from_bytes(bytes(ctypes.c_float(Value))[::-1], "little")


def ntohf(Value: int) -> float:
    """Return the float that 32 bits in network byte order stand for.

    Returns: the float.
    Errors: none.
    Source: winsock2.h, nf-winsock2-ntohf.
    Differs: nothing.
    """
    return float(struct.unpack(">f", (Value & 0xFFFFFFFF).to_bytes(4, "little"))[0])


def inet_addr(cp: Any) -> int:
    """Return the IPv4 address of a dotted text, in network byte order.

    Returns: the number, or INADDR_NONE for what is no address.
    Errors: none.
    Source: winsock2.h, nf-winsock2-inet_addr.
    Differs: an empty text gives INADDR_NONE, not 0.
    """
    text = read_narrow(cp)
    try:
        return int.from_bytes(_socket.inet_aton(text or ""), "little")
    except (OSError, ValueError):  # no address; no ASCII
        return _INADDR_NONE


def inet_ntoa(in_: Any) -> bytes:
    """Return the dotted text of an IPv4 address: an in_addr structure, or its number in network byte order.

    Returns: the text.
    Errors: none.
    Source: winsock2.h, nf-winsock2-inet_ntoa.
    Differs: the result is a bytes object of its own; Windows reuses one buffer per thread.
    """
    by_value = isinstance(in_, bytes | bytearray | ctypes.Structure | ctypes.Union | ctypes.Array)
    data = bytes(in_) if by_value else (number_of(in_) & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "little")
    return _socket.inet_ntoa(data[:4].ljust(4, b"\0")).encode()


def inet_pton(Family: int, pszAddrString: Any, pAddrBuf: Any) -> int:
    """Store the binary form of an address text.

    Returns: 1; 0 when the text is no address; -1 with the code in the last error.
    Errors:
        WSAEAFNOSUPPORT: a family other than AF_INET and AF_INET6. WSAEFAULT: a NULL pointer.
    Source: ws2tcpip.h, nf-ws2tcpip-inet_pton.
    Differs: nothing.
    """
    try:
        family = linux_family(Family)
    except UnknownFamilyError as error:
        return failed(WinsockError(WSAError.WSAEAFNOSUPPORT, str(error)), c.SOCKET_ERROR)
    text = read_narrow(pszAddrString)
    if text is None or not address_of(pAddrBuf):
        return failed(WinsockError(WSAError.WSAEFAULT), c.SOCKET_ERROR)
    try:
        write_bytes(pAddrBuf, _socket.inet_pton(family, text))
    except (OSError, ValueError):
        return 0
    return 1


def inet_ntop(Family: int, pAddr: Any, pStringBuf: Any, StringBufSize: int) -> int:
    """Store the text of a binary address.

    Returns: the address of `pStringBuf`, or 0 with the code in the last error.
    Errors:
        WSAEAFNOSUPPORT: a family other than AF_INET and AF_INET6. WSA_INVALID_PARAMETER: NULL, or too little room.
    Source: ws2tcpip.h, nf-ws2tcpip-inet_ntop.
    Differs: nothing.
    """
    try:
        family = linux_family(Family)
    except UnknownFamilyError as error:
        return failed(WinsockError(WSAError.WSAEAFNOSUPPORT, str(error)), 0)
    if not address_of(pAddr) or not address_of(pStringBuf):
        return failed(WinsockError(WSAError.WSA_INVALID_PARAMETER), 0)
    size = 4 if Family == c.AF_INET else 16
    text = _socket.inet_ntop(family, read_bytes(pAddr, size)).encode() + b"\0"
    if len(text) > StringBufSize:
        return failed(WinsockError(WSAError.WSA_INVALID_PARAMETER, f"{StringBufSize} characters"), 0)
    write_bytes(pStringBuf, text)
    return address_of(pStringBuf)
