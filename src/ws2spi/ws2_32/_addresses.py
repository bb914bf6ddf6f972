"""Addresses as text through a provider, and byte order through a socket's catalog entry."""

import ctypes
import socket as _socket
from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.addresses import family_of
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of, deref, load_dword, read_bytes, read_narrow, read_wide, store_int
from ws2spi._abi.types import DWORD, INT, WSAPROTOCOL_INFOW
from ws2spi._abi.wide import create_unicode_buffer
from ws2spi._runtime import protocol_info
from ws2spi._runtime.catalog import CatalogEntry
from ws2spi._runtime.names.memory import encode_narrow, write_text
from ws2spi._runtime.process import runtime
from ws2spi._runtime.serve import table_of
from ws2spi.ws2_32._conversions import inet_ntop, inet_pton
from ws2spi.ws2_32._route import failed, refused, route

_ROOM = 128  # characters; longer than any address as text


def WSAAddressToStringW(
    lpsaAddress: Any, dwAddressLength: int, lpProtocolInfo: Any, lpszAddressString: Any, lpdwAddressStringLength: Any
) -> int:
    """Store the text of a socket address, as a provider writes it.

    Returns: 0, or SOCKET_ERROR with the code in the last error. `*lpdwAddressStringLength` counts characters and the
        NUL.
    Errors:
        WSANOTINITIALISED: no WSAStartup.
        WSAEINVAL: NULL or no address, a family without a provider, or a protocol of another family.
        WSAEFAULT: no buffer, or too few characters; their number is stored.
    Source: winsock2.h, nf-winsock2-wsaaddresstostringw.
    Differs: nothing.
    """
    try:
        text = _text(lpsaAddress, dwAddressLength, lpProtocolInfo, lpdwAddressStringLength)
        return _deliver(text, lpszAddressString, lpdwAddressStringLength, wide=True)
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)


def WSAAddressToStringA(
    lpsaAddress: Any, dwAddressLength: int, lpProtocolInfo: Any, lpszAddressString: Any, lpdwAddressStringLength: Any
) -> int:
    """As WSAAddressToStringW, with lengths in bytes.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAEINVAL, WSAEFAULT: as WSAAddressToStringW.
    Source: winsock2.h, nf-winsock2-wsaaddresstostringa.
    Differs: `lpProtocolInfo` is a WSAPROTOCOL_INFOW here too.
    """
    try:
        text = _text(lpsaAddress, dwAddressLength, lpProtocolInfo, lpdwAddressStringLength)
        return _deliver(text, lpszAddressString, lpdwAddressStringLength, wide=False)
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)


def WSAStringToAddressW(
    AddressString: Any, AddressFamily: int, lpProtocolInfo: Any, lpAddress: Any, lpAddressLength: Any
) -> int:
    """Store the socket address that a text means, as a provider reads it; a missing port is 0.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED: no WSAStartup.
        WSAEINVAL: no address of that family, or a family without a provider (AF_UNSPEC is one).
        WSAEFAULT: no buffer, or too short a one; the size is stored.
    Source: winsock2.h, nf-winsock2-wsastringtoaddressw.
    Differs: a scope may be an interface's name ("fe80::1%eth0").
    """
    return _to_address(read_wide(AddressString), AddressFamily, lpProtocolInfo, lpAddress, lpAddressLength)


def WSAStringToAddressA(
    AddressString: Any, AddressFamily: int, lpProtocolInfo: Any, lpAddress: Any, lpAddressLength: Any
) -> int:
    """As WSAStringToAddressW.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAEINVAL, WSAEFAULT: as WSAStringToAddressW.
    Source: winsock2.h, nf-winsock2-wsastringtoaddressa.
    Differs: as WSAStringToAddressW; `lpProtocolInfo` is a WSAPROTOCOL_INFOW here too.
    """
    return _to_address(read_narrow(AddressString), AddressFamily, lpProtocolInfo, lpAddress, lpAddressLength)


def _entry(lpProtocolInfo: Any, family: int) -> CatalogEntry:
    """The entry that translates: the one the client names, else the first of the address family."""
    runtime.require()
    source = deref(lpProtocolInfo, WSAPROTOCOL_INFOW)
    if source is not None:
        named = runtime.catalog.get(source.dwCatalogEntryId)
        if named is None:
            raise WinsockError(WSAError.WSAEINVAL, f"no protocol {source.dwCatalogEntryId}")
        return named
    for entry in runtime.catalog.enum_protocols():
        if entry.address_family == family:
            return entry
    raise WinsockError(WSAError.WSAEINVAL, f"no provider for address family {family}")


def _text(lpsaAddress: Any, dwAddressLength: int, lpProtocolInfo: Any, lpdwLength: Any) -> str:
    runtime.require()
    if not address_of(lpsaAddress) or dwAddressLength < 2 or not address_of(lpdwLength):
        raise WinsockError(WSAError.WSAEINVAL, "no address")
    entry = _entry(lpProtocolInfo, family_of(read_bytes(lpsaAddress, 2)))
    table = table_of(runtime.provider(entry))
    info = protocol_info.structure(entry)
    code = INT()
    buffer = create_unicode_buffer(_ROOM)
    length = DWORD(2 * _ROOM)  # bytes at the SPI
    arguments = lpsaAddress, dwAddressLength, ctypes.pointer(info)
    result = table.lpWSPAddressToString(*arguments, buffer, ctypes.byref(length), ctypes.byref(code))
    if result and code.value == WSAError.WSAEFAULT and length.value > 2 * _ROOM:
        buffer = create_unicode_buffer(length.value // 2 + 1)
        result = table.lpWSPAddressToString(*arguments, buffer, ctypes.byref(length), ctypes.byref(code))
    if result:
        raise WinsockError(code.value or WSAError.WSASYSCALLFAILURE, "WSPAddressToString")
    return str(buffer.value)


def _deliver(text: str, target: Any, length: Any, *, wide: bool) -> int:
    needed = (len(text) if wide else len(encode_narrow(text))) + 1
    room = load_dword(length)
    store_int(length, needed)
    if not write_text(target, room, text, wide):
        raise WinsockError(WSAError.WSAEFAULT, f"{needed} characters needed")
    return 0


def _to_address(text: str | None, family: int, lpProtocolInfo: Any, lpAddress: Any, lpAddressLength: Any) -> int:
    try:
        runtime.require()
        if text is None:
            raise WinsockError(WSAError.WSAEINVAL, "AddressString")
        if not family:
            raise WinsockError(WSAError.WSAEINVAL, "AF_UNSPEC")
        entry = _entry(lpProtocolInfo, family)
        table = table_of(runtime.provider(entry))
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)
    info = ctypes.pointer(protocol_info.structure(entry))
    code = INT()
    wide = create_unicode_buffer(text)
    result: int = table.lpWSPStringToAddress(wide, family, info, lpAddress, lpAddressLength, ctypes.byref(code))
    if result:
        refused(code)
    return result


def InetNtopW(Family: int, pAddr: Any, pStringBuf: Any, StringBufSize: int) -> int:
    """As inet_ntop, with wide characters; `StringBufSize` counts them.

    Returns: the address of `pStringBuf`, or 0 with the code in the last error.
    Errors:
        WSAEAFNOSUPPORT: a family other than AF_INET and AF_INET6. WSA_INVALID_PARAMETER: NULL, or too little room.
    Source: ws2tcpip.h, nf-ws2tcpip-inetntopw.
    Differs: nothing.
    """
    narrow = ctypes.create_string_buffer(_ROOM)
    if not inet_ntop(Family, pAddr, narrow, _ROOM):
        return 0
    if not write_text(pStringBuf, StringBufSize, narrow.value.decode(), wide=True):
        return failed(WinsockError(WSAError.WSA_INVALID_PARAMETER, f"{StringBufSize} characters"), 0)
    return address_of(pStringBuf)


def InetPtonW(Family: int, pszAddrString: Any, pAddrBuf: Any) -> int:
    """As inet_pton, of wide characters.

    Returns: 1; 0 when the text is no address; -1 with the code in the last error.
    Errors:
        WSAEAFNOSUPPORT: a family other than AF_INET and AF_INET6. WSAEFAULT: a NULL pointer.
    Source: ws2tcpip.h, nf-ws2tcpip-inetptonw.
    Differs: nothing.
    """
    return inet_pton(Family, read_wide(pszAddrString), pAddrBuf)


def WSAHtonl(s: Any, hostlong: int, lpnetlong: Any) -> int:
    """Store 32 bits in the byte order of a socket's protocol.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED. WSAENOTSOCK: no socket. WSAEFAULT: `lpnetlong` is NULL.
    Source: winsock2.h, nf-winsock2-wsahtonl.
    Differs: nothing.
    """
    return _ordered(s, hostlong, lpnetlong, 4)


def WSANtohl(s: Any, netlong: int, lphostlong: Any) -> int:
    """Store 32 bits that came in the byte order of a socket's protocol in the machine's own.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK, WSAEFAULT: as WSAHtonl.
    Source: winsock2.h, nf-winsock2-wsantohl.
    Differs: nothing.
    """
    return _ordered(s, netlong, lphostlong, 4)


def WSAHtons(s: Any, hostshort: int, lpnetshort: Any) -> int:
    """Store 16 bits in the byte order of a socket's protocol.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK, WSAEFAULT: as WSAHtonl.
    Source: winsock2.h, nf-winsock2-wsahtons.
    Differs: nothing.
    """
    return _ordered(s, hostshort, lpnetshort, 2)


def WSANtohs(s: Any, netshort: int, lphostshort: Any) -> int:
    """Store 16 bits that came in the byte order of a socket's protocol in the machine's own.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK, WSAEFAULT: as WSAHtonl.
    Source: winsock2.h, nf-winsock2-wsantohs.
    Differs: nothing.
    """
    return _ordered(s, netshort, lphostshort, 2)


def _ordered(s: Any, value: int, target: Any, size: int) -> int:
    try:
        entry = route(s)
        start = address_of(target)
        if not start:
            raise WinsockError(WSAError.WSAEFAULT, "no place for the number")
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)
    swaps = entry.info.network_byte_order == c.BIGENDIAN
    if size == 2:
        number = value & 0xFFFF
        ctypes.c_uint16.from_address(start).value = _socket.htons(number) if swaps else number
    else:
        number = value & 0xFFFFFFFF
        ctypes.c_uint32.from_address(start).value = _socket.htonl(number) if swaps else number
    return 0
