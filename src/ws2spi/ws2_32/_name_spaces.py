"""The catalog of name-space providers under its C names. These functions speak through the last error, not lpErrno."""

from collections.abc import Callable
from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi import names as n
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of, deref, read_bytes, read_wide
from ws2spi._runtime.names.catalog import name_spaces
from ws2spi._runtime.names.entries import NameSpaceEntry
from ws2spi._runtime.names.memory import Block
from ws2spi._runtime.names.querysets import read_guid
from ws2spi._runtime.process import runtime
from ws2spi.ws2_32._route import failed


def WSCInstallNameSpace(
    lpszIdentifier: Any, lpszPathName: Any, dwNameSpace: int, dwVersion: int, lpProviderId: Any
) -> int:
    """Install a name-space provider; processes that call WSAStartup from now on have it, active.

    `lpszPathName` is `FILE.py:Class`, `FILE.py`, `package.module:Class` or `package.module`: a NameSpaceProvider class,
    or a module with NSPStartup. `%NAME%` in it stands for an environment variable.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSAEINVAL: no identifier, no path, no id, or NS_ALL. WSANO_RECOVERY: the id is installed already.
        WSAEACCES: the catalog may not be written. WSASYSCALLFAILURE: it cannot.
        WSA_NOT_ENOUGH_MEMORY: no memory for it.
    Source: ws2spi.h, nf-ws2spi-wscinstallnamespace.
    Differs: no administrator is asked for. What is at the path is not looked at before it is used.
    """
    return _install(lpszIdentifier, lpszPathName, dwNameSpace, dwVersion, lpProviderId, None)


def WSCInstallNameSpaceEx(
    lpszIdentifier: Any,
    lpszPathName: Any,
    dwNameSpace: int,
    dwVersion: int,
    lpProviderId: Any,
    lpProviderSpecific: Any,
) -> int:
    """As WSCInstallNameSpace, with a blob that WSAEnumNameSpaceProvidersExW shows.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSAEINVAL, WSANO_RECOVERY, WSAEACCES, WSASYSCALLFAILURE, WSA_NOT_ENOUGH_MEMORY: as WSCInstallNameSpace.
    Source: ws2spi.h, nf-ws2spi-wscinstallnamespaceex.
    Differs: as WSCInstallNameSpace.
    """
    return _install(lpszIdentifier, lpszPathName, dwNameSpace, dwVersion, lpProviderId, lpProviderSpecific)


def _install(name: Any, path: Any, namespace: int, version: int, lpProviderId: Any, specific: Any) -> int:
    def install() -> None:
        provider_id = read_guid(lpProviderId)
        if provider_id is None:
            raise WinsockError(WSAError.WSAEINVAL, "lpProviderId")
        blob = deref(specific, n.BLOB)
        data = b""
        if blob is not None and blob.cbSize:
            if not address_of(blob.pBlobData):
                raise WinsockError(WSAError.WSAEINVAL, "lpProviderSpecific")
            data = read_bytes(blob.pBlobData, blob.cbSize)
        entry = NameSpaceEntry(
            provider_id, namespace, read_wide(name) or "", read_wide(path) or "", version=version, blob=data
        )
        name_spaces.install(entry)

    return _status(install)


def WSCUnInstallNameSpace(lpProviderId: Any) -> int:
    """Remove a name-space provider; processes that have it go on with it.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSAEFAULT: NULL. WSAEINVAL: no such provider. WSAEACCES: the catalog may not be written.
        WSASYSCALLFAILURE: it cannot. WSA_NOT_ENOUGH_MEMORY: no memory for it.
    Source: ws2spi.h, nf-ws2spi-wscuninstallnamespace.
    Differs: no administrator is asked for.
    """
    return _status(lambda: name_spaces.remove(_known(lpProviderId)))


def WSCEnableNSProvider(lpProviderId: Any, fEnable: int) -> int:
    """Activate or deactivate a name-space provider, for processes that call WSAStartup from now on.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSAEFAULT: NULL. WSAEINVAL: no such provider. WSAEACCES: the catalog may not be written.
        WSASYSCALLFAILURE: it cannot. WSA_NOT_ENOUGH_MEMORY: no memory for it.
    Source: ws2spi.h, nf-ws2spi-wscenablensprovider.
    Differs: no administrator is asked for.
    """
    return _status(lambda: name_spaces.enable(_known(lpProviderId), bool(fEnable)))


def WSCWriteNameSpaceOrder(lpProviderId: Any, dwNumberOfEntries: int) -> int:
    """Say in which order name-space providers are asked: those of the array first, then the others.

    Returns: 0, or the error code itself.
    Errors:
        WSAEFAULT: NULL. WSAEINVAL: no such provider, or one named twice. WSAEACCES: the catalog may not be written.
        WSASYSCALLFAILURE: it cannot. WSA_NOT_ENOUGH_MEMORY: no memory for it.
    Source: sporder.h, nf-sporder-wscwritenamespaceorder.
    Differs: providers that are not named keep their order behind the others.
    """
    start = address_of(lpProviderId)
    if not start:
        return int(WSAError.WSAEFAULT)
    try:
        name_spaces.order([_known(start + 16 * position) for position in range(dwNumberOfEntries)])
    except WinsockError as error:
        return int(error.code)
    return 0


def WSCInstallNameSpace32(
    lpszIdentifier: Any, lpszPathName: Any, dwNameSpace: int, dwVersion: int, lpProviderId: Any
) -> int:
    """As WSCInstallNameSpace: there is one catalog, whatever a process's word size.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSAEINVAL, WSANO_RECOVERY, WSAEACCES, WSASYSCALLFAILURE, WSA_NOT_ENOUGH_MEMORY: as WSCInstallNameSpace.
    Source: ws2spi.h, nf-ws2spi-wscinstallnamespace32.
    Differs: there is no catalog of its own for 32-bit processes.
    """
    return WSCInstallNameSpace(lpszIdentifier, lpszPathName, dwNameSpace, dwVersion, lpProviderId)


def WSCInstallNameSpaceEx32(
    lpszIdentifier: Any,
    lpszPathName: Any,
    dwNameSpace: int,
    dwVersion: int,
    lpProviderId: Any,
    lpProviderSpecific: Any,
) -> int:
    """As WSCInstallNameSpaceEx.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSAEINVAL, WSANO_RECOVERY, WSAEACCES, WSASYSCALLFAILURE, WSA_NOT_ENOUGH_MEMORY: as WSCInstallNameSpace.
    Source: ws2spi.h, nf-ws2spi-wscinstallnamespaceex32.
    Differs: as WSCInstallNameSpace32.
    """
    return WSCInstallNameSpaceEx(lpszIdentifier, lpszPathName, dwNameSpace, dwVersion, lpProviderId, lpProviderSpecific)


def WSCUnInstallNameSpace32(lpProviderId: Any) -> int:
    """As WSCUnInstallNameSpace.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSAEFAULT, WSAEINVAL, WSAEACCES, WSASYSCALLFAILURE, WSA_NOT_ENOUGH_MEMORY: as WSCUnInstallNameSpace.
    Source: ws2spi.h, nf-ws2spi-wscuninstallnamespace32.
    Differs: as WSCInstallNameSpace32.
    """
    return WSCUnInstallNameSpace(lpProviderId)


def WSCEnableNSProvider32(lpProviderId: Any, fEnable: int) -> int:
    """As WSCEnableNSProvider.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSAEFAULT, WSAEINVAL, WSAEACCES, WSASYSCALLFAILURE, WSA_NOT_ENOUGH_MEMORY: as WSCEnableNSProvider.
    Source: ws2spi.h, nf-ws2spi-wscenablensprovider32.
    Differs: as WSCInstallNameSpace32.
    """
    return WSCEnableNSProvider(lpProviderId, fEnable)


def _known(lpProviderId: Any) -> Any:
    provider_id = read_guid(lpProviderId)
    if provider_id is None:
        raise WinsockError(WSAError.WSAEFAULT, "lpProviderId")
    return provider_id


def _status(change: Callable[[], None]) -> int:
    try:
        change()
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)
    return 0


def WSAEnumNameSpaceProvidersW(lpdwBufferLength: Any, lpnspBuffer: Any) -> int:
    """Store the name-space providers that this process goes by, in the order in which they are asked.

    Returns: their number, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED: no WSAStartup. WSAEFAULT: NULL, or too little room; what is needed is stored.
        WSA_NOT_ENOUGH_MEMORY: no memory for it.
    Source: winsock2.h, nf-winsock2-wsaenumnamespaceprovidersw.
    Differs: nothing.
    """
    return _enumerate(lpdwBufferLength, lpnspBuffer, n.WSANAMESPACE_INFOW, name_spaces.view)


def WSAEnumNameSpaceProvidersA(lpdwBufferLength: Any, lpnspBuffer: Any) -> int:
    """As WSAEnumNameSpaceProvidersW, with texts in bytes.

    Returns: their number, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAEFAULT, WSA_NOT_ENOUGH_MEMORY: as WSAEnumNameSpaceProvidersW.
    Source: winsock2.h, nf-winsock2-wsaenumnamespaceprovidersa.
    Differs: nothing.
    """
    return _enumerate(lpdwBufferLength, lpnspBuffer, n.WSANAMESPACE_INFOA, name_spaces.view)


def WSAEnumNameSpaceProvidersExW(lpdwBufferLength: Any, lpnspBuffer: Any) -> int:
    """As WSAEnumNameSpaceProvidersW, with what the providers were installed with.

    Returns: their number, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAEFAULT, WSA_NOT_ENOUGH_MEMORY: as WSAEnumNameSpaceProvidersW.
    Source: winsock2.h, nf-winsock2-wsaenumnamespaceprovidersexw.
    Differs: nothing.
    """
    return _enumerate(lpdwBufferLength, lpnspBuffer, n.WSANAMESPACE_INFOEXW, name_spaces.view)


def WSAEnumNameSpaceProvidersExA(lpdwBufferLength: Any, lpnspBuffer: Any) -> int:
    """As WSAEnumNameSpaceProvidersExW, with texts in bytes.

    Returns: their number, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAEFAULT, WSA_NOT_ENOUGH_MEMORY: as WSAEnumNameSpaceProvidersW.
    Source: winsock2.h, nf-winsock2-wsaenumnamespaceprovidersexa.
    Differs: nothing.
    """
    return _enumerate(lpdwBufferLength, lpnspBuffer, n.WSANAMESPACE_INFOEXA, name_spaces.view)


def WSCEnumNameSpaceProviders32(lpdwBufferLength: Any, lpnspBuffer: Any) -> int:
    """Store the name-space providers that are installed, whether this process goes by them or not.

    Returns: their number, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAEFAULT, WSA_NOT_ENOUGH_MEMORY: as WSAEnumNameSpaceProvidersW.
    Source: ws2spi.h, nf-ws2spi-wscenumnamespaceproviders32.
    Differs: as WSCInstallNameSpace32.
    """
    return _enumerate(lpdwBufferLength, lpnspBuffer, n.WSANAMESPACE_INFOW, name_spaces.store.entries)


def WSCEnumNameSpaceProvidersEx32(lpdwBufferLength: Any, lpnspBuffer: Any) -> int:
    """As WSCEnumNameSpaceProviders32, with what the providers were installed with.

    Returns: their number, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAEFAULT, WSA_NOT_ENOUGH_MEMORY: as WSAEnumNameSpaceProvidersW.
    Source: ws2spi.h, nf-ws2spi-wscenumnamespaceprovidersex32.
    Differs: as WSCInstallNameSpace32.
    """
    return _enumerate(lpdwBufferLength, lpnspBuffer, n.WSANAMESPACE_INFOEXW, name_spaces.store.entries)


def _enumerate(length: Any, buffer: Any, kind: Any, listed: Callable[[], list[NameSpaceEntry]]) -> int:
    try:
        runtime.require()
        if not address_of(length):
            raise WinsockError(WSAError.WSAEFAULT, "lpdwBufferLength")
        entries = listed()
        _pack(entries, kind).store(buffer, length)
    except MemoryError:
        return failed(WinsockError(WSAError.WSA_NOT_ENOUGH_MEMORY), c.SOCKET_ERROR)
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)
    return len(entries)


def _pack(entries: list[NameSpaceEntry], kind: Any) -> Block:
    block = Block(kind * len(entries))
    size = len(block) // len(entries) if entries else 0
    wide = kind in (n.WSANAMESPACE_INFOW, n.WSANAMESPACE_INFOEXW)
    for position, entry in enumerate(entries):
        at = position * size
        block.put(at, entry.provider_id.bytes_le)
        block.number(at + kind.dwNameSpace.offset, entry.namespace)
        block.number(at + kind.fActive.offset, int(entry.active))
        block.number(at + kind.dwVersion.offset, entry.version)
        if entry.blob and hasattr(kind, "ProviderSpecific"):
            specific = at + kind.ProviderSpecific.offset
            block.number(specific, len(entry.blob))
            block.point(specific + n.BLOB.pBlobData.offset, block.add(entry.blob))
        block.text(at + kind.lpszIdentifier.offset, entry.name, wide)
    return block


def WSCWriteNameSpaceOrder32(lpProviderId: Any, dwNumberOfEntries: int) -> int:
    """As WSCWriteNameSpaceOrder: there is one catalog, whatever a process's word size.

    Returns: 0, or the error code itself.
    Errors:
        WSAEFAULT, WSAEINVAL, WSAEACCES, WSASYSCALLFAILURE, WSA_NOT_ENOUGH_MEMORY: as WSCWriteNameSpaceOrder.
    Source: sporder.h, nf-sporder-wscwritenamespaceorder32.
    Differs: as WSCInstallNameSpace32.
    """
    return WSCWriteNameSpaceOrder(lpProviderId, dwNumberOfEntries)
