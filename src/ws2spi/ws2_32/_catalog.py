"""The catalog under its C names: listing, installing, removing, changing, ordering."""

import ctypes
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of, deref, load_dword, load_int, read_bytes, read_wide, store_int, write_bytes
from ws2spi._abi.types import GUID, WSAPROTOCOL_INFOA, WSAPROTOCOL_INFOW
from ws2spi._abi.wide import encode_wide
from ws2spi._executive import lasterror
from ws2spi._runtime import loading, protocol_info
from ws2spi._runtime.catalog import CatalogEntry, StoredCatalog
from ws2spi._runtime.catalog.snapshot import NATIVE, OTHER
from ws2spi._runtime.process import runtime
from ws2spi.ws2_32._route import failed

_MOST_ENTRIES = 4096  # in one list; more is no list, but a count that was never set


def answer(lpErrno: Any, function: Callable[[], int | None]) -> int:
    """Return what `function` gives, 0 for None; a failure stores its code in `*lpErrno` and gives SOCKET_ERROR."""
    if not address_of(lpErrno):
        lasterror.set(WSAError.WSAEFAULT)
        return c.SOCKET_ERROR
    try:
        return function() or 0
    except WinsockError as error:
        store_int(lpErrno, error.code)
        return c.SOCKET_ERROR


def guid_of(lpProviderId: Any, code: WSAError = WSAError.WSAEFAULT) -> uuid.UUID:
    """Return a GUID argument; `code` for NULL."""
    source = deref(lpProviderId, GUID)
    if source is None:
        raise WinsockError(code, "lpProviderId")
    return protocol_info.read_guid(source)


def _text(argument: Any, name: str, code: WSAError = WSAError.WSAEFAULT) -> str:
    text = read_wide(argument)
    if text is None:
        raise WinsockError(code, name)
    return text


def _infos(lpProtocolInfoList: Any, count: int) -> list[CatalogEntry]:
    """Return the entries of an array of WSAPROTOCOL_INFOW, of the client's own type where it shows one."""
    first = deref(lpProtocolInfoList, WSAPROTOCOL_INFOW)
    if first is None:
        raise WinsockError(WSAError.WSAEFAULT, "lpProtocolInfoList")
    if count > _MOST_ENTRIES:
        raise WinsockError(WSAError.WSAENOBUFS, f"{count} entries")
    kind: Any = type(first)
    start, size = ctypes.addressof(first), ctypes.sizeof(first)
    return [protocol_info.read(kind.from_address(start + number * size)) for number in range(count)]


# -- listing -----------------------------------------------------------------------------------------------------------


def WSAEnumProtocolsW(lpiProtocols: Any, lpProtocolBuffer: Any, lpdwBufferLength: Any) -> int:
    """Store the entries that sockets can be made of, in the order in which they are tried.

    Returns: their number, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED: no WSAStartup.
        WSAEFAULT: a NULL pointer.
        WSAENOBUFS: too little room; the length needed is stored.
    Source: winsock2.h, nf-winsock2-wsaenumprotocolsw.
    Differs: layers' own entries (ChainLen 0) are left out, as most of the page says, one sentence contradicting it.
        Chains with a layer whose categories the application does not permit are left out too. The process sees what was
        installed before its WSAStartup, and what is there at each WSAProviderConfigChange. The page's WSAENETDOWN,
        WSAEINPROGRESS and WSAEINVAL do not occur.
    """
    return _enum_protocols(lpiProtocols, lpProtocolBuffer, lpdwBufferLength, WSAPROTOCOL_INFOW)


def WSAEnumProtocolsA(lpiProtocols: Any, lpProtocolBuffer: Any, lpdwBufferLength: Any) -> int:
    """Store the entries that sockets can be made of, as WSAEnumProtocolsW; names are in UTF-8, cut to their room.

    Returns: their number, or SOCKET_ERROR with the code in the last error.
    Errors: as WSAEnumProtocolsW.
    Source: winsock2.h, nf-winsock2-wsaenumprotocolsa.
    Differs: as WSAEnumProtocolsW.
    """
    return _enum_protocols(lpiProtocols, lpProtocolBuffer, lpdwBufferLength, WSAPROTOCOL_INFOA)


def _enum_protocols(protocols: Any, buffer: Any, length: Any, kind: Any) -> int:
    try:
        runtime.require()
        return _store(runtime.catalog.enum_protocols(_listed(protocols)), buffer, length, kind)
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)


def WSCEnumProtocols(lpiProtocols: Any, lpProtocolBuffer: Any, lpdwBufferLength: Any, lpErrno: Any) -> int:
    """Store all entries of the catalog as it is now, hidden ones and the layers' own included.

    Works before WSAStartup. What this process installed for itself alone stands where this process sees it.

    Returns: their number, or SOCKET_ERROR with the code in `*lpErrno`.
    Errors:
        WSAEFAULT: a NULL pointer (of lpErrno itself: in the last error).
        WSAENOBUFS: too little room; the length needed is stored.
        WSANO_RECOVERY: the catalog cannot be read.
    Source: ws2spi.h, nf-ws2spi-wscenumprotocols.
    Differs: it shows the catalog as it is now, so that an installer finds the ids of what it has just installed; the
        pages of the installing functions speak of what the process saw at its WSAStartup. WSANO_RECOVERY is not on the
        page.
    """

    def enum() -> int:
        entries = runtime.catalog.beside(StoredCatalog().snapshot())
        return _store(_of_protocols(entries, lpiProtocols), lpProtocolBuffer, lpdwBufferLength)

    return answer(lpErrno, enum)


def WSCEnumProtocols32(lpiProtocols: Any, lpProtocolBuffer: Any, lpdwBufferLength: Any, lpErrno: Any) -> int:
    """Store all entries of the 32-bit catalog.

    Returns: their number, or SOCKET_ERROR with the code in `*lpErrno`.
    Errors: as WSCEnumProtocols.
    Source: ws2spi.h, nf-ws2spi-wscenumprotocols32.
    Differs: the 32-bit catalog is kept as the pages say, but no process loads from it.
    """

    def enum() -> int:
        entries = StoredCatalog(bits=OTHER).entries()
        return _store(_of_protocols(entries, lpiProtocols), lpProtocolBuffer, lpdwBufferLength)

    return answer(lpErrno, enum)


def _listed(lpiProtocols: Any) -> Iterable[int] | None:
    """Return the protocols of a zero-terminated array, None for NULL: all."""
    start = address_of(lpiProtocols)
    if not start:
        return None
    protocols: list[int] = []
    while number := ctypes.c_int32.from_address(start + 4 * len(protocols)).value:
        protocols.append(number)
    return protocols


def _of_protocols(entries: list[CatalogEntry], lpiProtocols: Any) -> list[CatalogEntry]:
    wanted = _listed(lpiProtocols)
    return entries if wanted is None else [entry for entry in entries if entry.protocol in wanted]


def _store(entries: list[CatalogEntry], buffer: Any, length: Any, kind: Any = WSAPROTOCOL_INFOW) -> int:
    if not address_of(length):
        raise WinsockError(WSAError.WSAEFAULT, "lpdwBufferLength")
    size = ctypes.sizeof(kind)
    needed = len(entries) * size
    start = address_of(buffer)
    if load_dword(length) < needed:
        store_int(length, needed)
        raise WinsockError(WSAError.WSAENOBUFS, f"{needed} bytes needed")
    if needed and not start:
        raise WinsockError(WSAError.WSAEFAULT, "lpProtocolBuffer")
    for position, entry in enumerate(entries):
        target = kind.from_address(start + position * size)
        ctypes.memset(ctypes.addressof(target), 0, size)
        protocol_info.write(target, entry)
    return len(entries)


def WSCGetProviderPath(lpProviderId: Any, lpszProviderDllPath: Any, lpProviderDllPathLen: Any, lpErrno: Any) -> int:
    """Store the path of a provider, for `ws2spi.load_startup`; environment strings are as they were installed.

    Returns: 0, or SOCKET_ERROR with the code in `*lpErrno`.
    Errors:
        WSAEINVAL: no such provider.
        WSAEFAULT: a NULL pointer (of lpErrno itself: in the last error), or fewer characters than the path and its NUL
            need; the number needed is stored.
        WSANO_RECOVERY: the catalog cannot be read.
    Source: ws2spi.h, nf-ws2spi-wscgetproviderpath.
    Differs: the needed length is stored also when there was too little room. The path names a Python file or module;
        that of a built-in provider, or of one of this process alone, is `ws2spi:` and its id.
    """
    return answer(
        lpErrno,
        lambda: _store_path(lpProviderId, lpszProviderDllPath, lpProviderDllPathLen, loading.stored_provider_path),
    )


def WSCGetProviderPath32(lpProviderId: Any, lpszProviderDllPath: Any, lpProviderDllPathLen: Any, lpErrno: Any) -> int:
    """Store the path of a provider of the 32-bit catalog.

    Returns: 0, or SOCKET_ERROR with the code in `*lpErrno`.
    Errors: as WSCGetProviderPath.
    Source: ws2spi.h, nf-ws2spi-wscgetproviderpath32.
    Differs: as WSCGetProviderPath; no process loads from the 32-bit catalog.
    """
    stored = StoredCatalog(bits=OTHER)
    return answer(
        lpErrno, lambda: _store_path(lpProviderId, lpszProviderDllPath, lpProviderDllPathLen, stored.provider_path)
    )


def _store_path(lpProviderId: Any, target: Any, length: Any, path_of: Callable[[uuid.UUID], str]) -> None:
    if not address_of(target) or not address_of(length):
        raise WinsockError(WSAError.WSAEFAULT, "NULL")
    path = encode_wide(path_of(guid_of(lpProviderId)) + "\0")
    room = load_int(length)
    store_int(length, len(path) // 2)
    if room < len(path) // 2:
        raise WinsockError(WSAError.WSAEFAULT, f"{room} characters")
    write_bytes(target, path)


# -- installing --------------------------------------------------------------------------------------------------------


def WSCInstallProvider(
    lpProviderId: Any, lpszProviderDllPath: Any, lpProtocolInfoList: Any, dwNumberOfEntries: int, lpErrno: Any
) -> int:
    """Install a provider's entries at the end of the catalog, for every process that starts Winsock afterwards.

    Returns: 0, or SOCKET_ERROR with the code in `*lpErrno`.
    Errors:
        WSAEFAULT: a NULL pointer (of lpErrno itself: in the last error).
        WSAEINVAL: no path, no entries, or a chain that is too long, names an unknown id, or a layer twice.
        WSAENOBUFS: a number of entries that no list has.
        WSANO_RECOVERY: the provider id is installed, there are no rights, or the catalog cannot be read.
        WSASYSCALLFAILURE: the disk failed. WSA_NOT_ENOUGH_MEMORY: no memory.
    Source: ws2spi.h, nf-ws2spi-wscinstallprovider.
    Differs: the path names a Python file or module. Rights are those to the catalog file. WSATRY_AGAIN, which the page
        does not have, when another process has been changing the catalog for ten seconds.
    """
    return _install(lpProviderId, lpszProviderDllPath, lpProtocolInfoList, dwNumberOfEntries, lpErrno, both=False)


def WSCInstallProvider64_32(
    lpProviderId: Any, lpszProviderDllPath: Any, lpProtocolInfoList: Any, dwNumberOfEntries: int, lpErrno: Any
) -> int:
    """Install a provider's entries at the end of both catalogs, the native one and the 32-bit one.

    Returns: 0, or SOCKET_ERROR with the code in `*lpErrno`.
    Errors: as WSCInstallProvider.
    Source: ws2spi.h, nf-ws2spi-wscinstallprovider64_32.
    Differs: as WSCInstallProvider; no process loads from the 32-bit catalog.
    """
    return _install(lpProviderId, lpszProviderDllPath, lpProtocolInfoList, dwNumberOfEntries, lpErrno, both=True)


def _install(lpProviderId: Any, path: Any, infos: Any, count: int, lpErrno: Any, *, both: bool) -> int:
    def install() -> None:
        provider = guid_of(lpProviderId)
        where = _text(path, "lpszProviderDllPath")
        StoredCatalog().install(provider, where, _infos(infos, count), both=both)

    return answer(lpErrno, install)


def WSCInstallProviderAndChains(
    lpProviderId: Any,
    lpszProviderDllPath: Any,
    lpszLspName: Any,
    dwServiceFlags: int,
    lpProtocolInfoList: Any,
    dwNumberOfEntries: int,
    lpdwCatalogEntryId: Any,
    lpErrno: Any,
) -> int:
    """Install a layer: its own, hidden entry and a chain for each protocol, before all other entries.

    Without a list the layer is laid over the base entry of each protocol, with one over the topmost entry of each
    protocol in it. A layer with handles of its own is loaded, to see that it is one.

    Returns: 0 with the id of the hidden entry in `*lpdwCatalogEntryId`, or SOCKET_ERROR with the code in `*lpErrno`.
    Errors:
        WSAEFAULT: lpErrno is NULL (in the last error).
        WSAEINVAL: a NULL id, path or name; a path of MAX_PATH characters, or one that leads nowhere; a name that is too
            long; other flags than XP1_IFS_HANDLES; a list without entries; an id or name that is used already; nothing
            matches an entry of the list.
        WSAEINPROGRESS: another process has been installing for ten seconds.
        WSAEINVALIDPROCTABLE: what lies at the path is no provider.
        WSAENOBUFS: a number of entries that no list has, or no memory.
        WSANO_RECOVERY: no base provider, a chain would be too long, no rights, or the catalog cannot be read.
        WSASYSCALLFAILURE: the disk failed.
    Source: ws2spi.h, nf-ws2spi-wscinstallproviderandchains.
    Differs: the path names a Python file or module. The extension functions of a hand-written provider are not asked
        for at the installation. The chains of an IFS layer get provider ids of their own, and go with the layer's.
        Without a list raw sockets, whose entries are hidden, get no chain.
    """
    return _install_chains(
        lpProviderId,
        (lpszProviderDllPath, None),
        lpszLspName,
        dwServiceFlags,
        (lpProtocolInfoList, dwNumberOfEntries),
        lpdwCatalogEntryId,
        lpErrno,
        both=False,
    )


def WSCInstallProviderAndChains64_32(
    lpProviderId: Any,
    lpszProviderDllPath: Any,
    lpszProviderDllPath32: Any,
    lpszLspName: Any,
    dwServiceFlags: int,
    lpProtocolInfoList: Any,
    dwNumberOfEntries: int,
    lpdwCatalogEntryId: Any,
    lpErrno: Any,
) -> int:
    """Install a layer with its chains in both catalogs, the native one and the 32-bit one.

    Returns: as WSCInstallProviderAndChains.
    Errors: as WSCInstallProviderAndChains.
    Source: ws2spi.h, nf-ws2spi-wscinstallproviderandchains64_32.
    Differs: as WSCInstallProviderAndChains. A NULL lpszProviderDllPath32 stands for the same path, wherever it lies,
        since a Python file serves both. No process loads from the 32-bit catalog.
    """
    return _install_chains(
        lpProviderId,
        (lpszProviderDllPath, lpszProviderDllPath32),
        lpszLspName,
        dwServiceFlags,
        (lpProtocolInfoList, dwNumberOfEntries),
        lpdwCatalogEntryId,
        lpErrno,
        both=True,
    )


def _install_chains(
    lpProviderId: Any,
    paths: tuple[Any, Any],
    name: Any,
    flags: int,
    infos: tuple[Any, int],
    lpdwCatalogEntryId: Any,
    lpErrno: Any,
    *,
    both: bool,
) -> int:
    def install() -> None:
        provider = guid_of(lpProviderId, WSAError.WSAEINVAL)
        path = _text(paths[0], "lpszProviderDllPath", WSAError.WSAEINVAL)
        title = _text(name, "lpszLspName", WSAError.WSAEINVAL)
        kinds = [entry.kind for entry in _infos(*infos)] if address_of(infos[0]) else None
        own = loading.install_layer(provider, path, title, flags, kinds, path32=read_wide(paths[1]), both=both)
        store_int(lpdwCatalogEntryId, own)

    return answer(lpErrno, install)


# -- removing, changing, ordering --------------------------------------------------------------------------------------


def WSCDeinstallProvider(lpProviderId: Any, lpErrno: Any) -> int:
    """Remove every entry of a provider from the catalog. Running processes keep it.

    Chains of other providers that name one of them stay, and can no longer be used.

    Returns: 0, or SOCKET_ERROR with the code in `*lpErrno`.
    Errors:
        WSAEINVAL: no such provider is installed.
        WSAEFAULT: a NULL pointer (of lpErrno itself: in the last error).
        WSANO_RECOVERY: no rights, or the catalog cannot be read. WSA_NOT_ENOUGH_MEMORY: no memory.
    Source: ws2spi.h, nf-ws2spi-wscdeinstallprovider.
    Differs: WSATRY_AGAIN as WSCInstallProvider.
    """
    return answer(lpErrno, lambda: StoredCatalog().deinstall(guid_of(lpProviderId)))


def WSCDeinstallProvider32(lpProviderId: Any, lpErrno: Any) -> int:
    """Remove every entry of a provider from the 32-bit catalog.

    Returns: 0, or SOCKET_ERROR with the code in `*lpErrno`.
    Errors: as WSCDeinstallProvider.
    Source: ws2spi.h, nf-ws2spi-wscdeinstallprovider32.
    Differs: as WSCDeinstallProvider; no process loads from the 32-bit catalog.
    """
    return answer(lpErrno, lambda: StoredCatalog(bits=OTHER).deinstall(guid_of(lpProviderId)))


def WSCUpdateProvider(
    lpProviderId: Any, lpszProviderDllPath: Any, lpProtocolInfoList: Any, dwNumberOfEntries: int, lpErrno: Any
) -> int:
    """Give an installed provider a new path and new entries; ids and places in the order stay.

    Each entry of the list takes the place of the one whose dwCatalogEntryId it has. One with 0 takes the place of the
    provider's next entry that none of the others names, or, when there is none left, is added at the end.

    Returns: 0, or SOCKET_ERROR with the code in `*lpErrno`.
    Errors:
        WSAEFAULT: a NULL pointer (of lpErrno itself: in the last error).
        WSAEINVAL: no such provider, no path, no entries, somebody else's id, or a chain as WSCInstallProvider.
        WSANO_RECOVERY: no rights, or the catalog cannot be read. WSA_NOT_ENOUGH_MEMORY: no memory.
    Source: ws2spi.h, nf-ws2spi-wscupdateprovider.
    Differs: the page does not say which entry of the list replaces which one. WSATRY_AGAIN as WSCInstallProvider.
    """
    return _update(NATIVE, lpProviderId, lpszProviderDllPath, lpProtocolInfoList, dwNumberOfEntries, lpErrno)


def WSCUpdateProvider32(
    lpProviderId: Any, lpszProviderDllPath: Any, lpProtocolInfoList: Any, dwNumberOfEntries: int, lpErrno: Any
) -> int:
    """Give a provider of the 32-bit catalog a new path and new entries.

    Returns: 0, or SOCKET_ERROR with the code in `*lpErrno`.
    Errors: as WSCUpdateProvider.
    Source: ws2spi.h, nf-ws2spi-wscupdateprovider32.
    Differs: as WSCUpdateProvider; no process loads from the 32-bit catalog.
    """
    return _update(OTHER, lpProviderId, lpszProviderDllPath, lpProtocolInfoList, dwNumberOfEntries, lpErrno)


def _update(bits: int, lpProviderId: Any, path: Any, infos: Any, count: int, lpErrno: Any) -> int:
    def update() -> None:
        provider = guid_of(lpProviderId)
        where = _text(path, "lpszProviderDllPath")
        StoredCatalog(bits=bits).update(provider, where, _infos(infos, count))

    return answer(lpErrno, update)


def WSCWriteProviderOrder(lpwdCatalogEntryId: Any, dwNumberOfEntries: int) -> int:
    """Put the entries of the catalog into a new order, which is the order in which socket() tries them.

    Returns: 0, or the code itself.
    Errors:
        WSAEINVAL: a NULL pointer, or not every id of the catalog exactly once; nothing was changed.
        WSANO_RECOVERY: no rights, or the catalog cannot be read. WSA_NOT_ENOUGH_MEMORY: no memory.
    Source: sporder.h, nf-sporder-wscwriteproviderorder.
    Differs: WSATRY_AGAIN when another process has been changing the catalog for ten seconds; the page names no code.
        Ids of entries of this process alone may be in the list, and are passed over.
    """
    return _order(NATIVE, lpwdCatalogEntryId, dwNumberOfEntries)


def WSCWriteProviderOrder32(lpwdCatalogEntryId: Any, dwNumberOfEntries: int) -> int:
    """Put the entries of the 32-bit catalog into a new order.

    Returns: 0, or the code itself.
    Errors: as WSCWriteProviderOrder.
    Source: sporder.h, nf-sporder-wscwriteproviderorder32.
    Differs: as WSCWriteProviderOrder; no process loads from the 32-bit catalog.
    """
    return _order(OTHER, lpwdCatalogEntryId, dwNumberOfEntries)


def _order(bits: int, lpwdCatalogEntryId: Any, count: int) -> int:
    start = address_of(lpwdCatalogEntryId)
    if not start or not 0 <= count <= _MOST_ENTRIES:
        return int(WSAError.WSAEINVAL)
    data = read_bytes(start, 4 * count)
    ids = [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4)]
    try:
        StoredCatalog(bits=bits).order([one for one in ids if not runtime.catalog.is_private(one)])
    except WinsockError as error:
        return int(error.code)
    return 0
