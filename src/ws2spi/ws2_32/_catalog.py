"""The catalog under its C names."""

import ctypes
from collections.abc import Iterable
from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of, load_dword, store_int
from ws2spi._abi.types import WSAPROTOCOL_INFOW
from ws2spi._runtime import protocol_info
from ws2spi._runtime.catalog import CatalogEntry
from ws2spi._runtime.process import runtime
from ws2spi.ws2_32._route import failed
from ws2spi.ws2_32._upcalls import WPUGetProviderPath

_SIZE = ctypes.sizeof(WSAPROTOCOL_INFOW)


def WSAEnumProtocolsW(lpiProtocols: Any, lpProtocolBuffer: Any, lpdwBufferLength: Any) -> int:
    """Store the entries that sockets can be made of, in the order in which they are tried.

    Returns: their number, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED. WSAEFAULT: a NULL pointer. WSAENOBUFS: too little room; the length needed is stored.
    Source: winsock2.h, nf-winsock2-wsaenumprotocolsw.
    Differs: nothing.
    """
    try:
        runtime.require()
        return _store(runtime.catalog.enum_protocols(_listed(lpiProtocols)), lpProtocolBuffer, lpdwBufferLength)
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)


def WSCEnumProtocols(lpiProtocols: Any, lpProtocolBuffer: Any, lpdwBufferLength: Any, lpErrno: Any) -> int:
    """Store all entries of the catalog, hidden ones and the layers' own included. Works before WSAStartup.

    Returns: their number, or SOCKET_ERROR with the code in `*lpErrno`.
    Errors:
        WSAEFAULT: a NULL pointer. WSAENOBUFS: too little room; the length needed is stored.
    Source: ws2spi.h, nf-ws2spi-wscenumprotocols.
    Differs: nothing.
    """
    try:
        entries = runtime.catalog.enum_protocols(_listed(lpiProtocols), hidden=True)
        return _store(entries, lpProtocolBuffer, lpdwBufferLength)
    except WinsockError as error:
        store_int(lpErrno, error.code)
        return c.SOCKET_ERROR


def WSCGetProviderPath(lpProviderId: Any, lpszProviderDllPath: Any, lpProviderDllPathLen: Any, lpErrno: Any) -> int:
    """Store the path of a provider, for `ws2spi.load_startup`.

    Returns: 0, or SOCKET_ERROR with the code in `*lpErrno`.
    Errors:
        WSAEINVAL: no such provider. WSAEFAULT: a NULL pointer, or fewer characters than the path and its NUL need.
    Source: ws2spi.h, nf-ws2spi-wscgetproviderpath.
    Differs: the needed length is stored also when there was too little room.
    """
    return WPUGetProviderPath(lpProviderId, lpszProviderDllPath, lpProviderDllPathLen, lpErrno)


def _listed(lpiProtocols: Any) -> Iterable[int] | None:
    """Return the protocols of a zero-terminated array, None for NULL: all."""
    start = address_of(lpiProtocols)
    if not start:
        return None
    protocols: list[int] = []
    while number := ctypes.c_int32.from_address(start + 4 * len(protocols)).value:
        protocols.append(number)
    return protocols


def _store(entries: list[CatalogEntry], buffer: Any, length: Any) -> int:
    if not address_of(length):
        raise WinsockError(WSAError.WSAEFAULT, "lpdwBufferLength")
    needed = len(entries) * _SIZE
    start = address_of(buffer)
    if load_dword(length) < needed:
        store_int(length, needed)
        raise WinsockError(WSAError.WSAENOBUFS, f"{needed} bytes needed")
    if needed and not start:
        raise WinsockError(WSAError.WSAEFAULT, "lpProtocolBuffer")
    for position, entry in enumerate(entries):
        target = WSAPROTOCOL_INFOW.from_address(start + position * _SIZE)
        ctypes.memset(ctypes.addressof(target), 0, _SIZE)
        protocol_info.write(target, entry)
    return len(entries)
