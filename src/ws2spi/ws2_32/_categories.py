"""Categories of layers and of applications, and being told that the configuration of providers has changed."""

import ctypes
from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import (
    address_of,
    load_dword,
    load_pointer_sized,
    read_wide,
    store_int,
    store_pointer_sized,
)
from ws2spi._abi.wide import wstring_at
from ws2spi._runtime import config_change
from ws2spi._runtime.catalog import StoredCatalog
from ws2spi._runtime.catalog.snapshot import NATIVE, OTHER
from ws2spi._runtime.process import runtime
from ws2spi.ws2_32._catalog import answer, guid_of
from ws2spi.ws2_32._route import failed

_DWORD = 4


def WSCSetProviderInfo(
    lpProviderId: Any, InfoType: int, Info: Any, InfoSize: int, Flags: int, lpErrno: Any
) -> int:  # fmt: skip
    """Store the LSP categories of a layer (InfoType ProviderInfoLspCategories, a DWORD), replacing those it had.

    Returns: 0, or SOCKET_ERROR with the code in `*lpErrno`.
    Errors:
        ERROR_CALL_NOT_IMPLEMENTED: ProviderInfoAudit.
        WSAEFAULT: a NULL pointer (of lpErrno itself: in the last error).
        WSAEINVAL: no layer's own entry has that provider id; another InfoType or size, flags, or no such category.
        WSANO_RECOVERY: no rights, or the catalog cannot be read. WSA_NOT_ENOUGH_MEMORY: no memory.
    Source: ws2spi.h, nf-ws2spi-wscsetproviderinfo.
    Differs: no flags are defined, so all are refused. WSATRY_AGAIN as WSCInstallProvider.
    """
    return _set_info(NATIVE, lpProviderId, InfoType, Info, InfoSize, Flags, lpErrno)


def WSCSetProviderInfo32(
    lpProviderId: Any, InfoType: int, Info: Any, InfoSize: int, Flags: int, lpErrno: Any
) -> int:  # fmt: skip
    """Store the LSP categories of a layer of the 32-bit catalog.

    Returns: 0, or SOCKET_ERROR with the code in `*lpErrno`.
    Errors: as WSCSetProviderInfo.
    Source: ws2spi.h, nf-ws2spi-wscsetproviderinfo32.
    Differs: as WSCSetProviderInfo; no process loads from the 32-bit catalog.
    """
    return _set_info(OTHER, lpProviderId, InfoType, Info, InfoSize, Flags, lpErrno)


def _set_info(bits: int, lpProviderId: Any, kind: int, info: Any, size: int, flags: int, lpErrno: Any) -> int:
    def set_info() -> None:
        provider = guid_of(lpProviderId)
        _require_categories(kind, flags)
        if not address_of(info):
            raise WinsockError(WSAError.WSAEFAULT, "Info")
        if size != _DWORD:
            raise WinsockError(WSAError.WSAEINVAL, f"InfoSize {size}")
        StoredCatalog(bits=bits).set_categories(provider, load_dword(info))

    return answer(lpErrno, set_info)


def WSCGetProviderInfo(
    lpProviderId: Any, InfoType: int, Info: Any, InfoSize: Any, Flags: int, lpErrno: Any
) -> int:  # fmt: skip
    """Store the LSP categories of a layer in `*Info`, a DWORD: 0 for a layer that was not categorised.

    Returns: 0, or SOCKET_ERROR with the code in `*lpErrno`.
    Errors:
        ERROR_CALL_NOT_IMPLEMENTED: ProviderInfoAudit.
        WSAEFAULT: a NULL pointer (of lpErrno itself: in the last error), or too little room; with a NULL `Info` or too
            little room the size needed is stored in `*InfoSize`.
        WSAEINVAL: another InfoType, or flags.
        WSAEINVALIDPROVIDER: no layer's own entry has that provider id.
        WSANO_RECOVERY: the catalog cannot be read. WSA_NOT_ENOUGH_MEMORY: no memory.
    Source: ws2spi.h, nf-ws2spi-wscgetproviderinfo.
    Differs: no flags are defined, so all are refused.
    """
    return _get_info(NATIVE, lpProviderId, InfoType, Info, InfoSize, Flags, lpErrno)


def WSCGetProviderInfo32(
    lpProviderId: Any, InfoType: int, Info: Any, InfoSize: Any, Flags: int, lpErrno: Any
) -> int:  # fmt: skip
    """Store the LSP categories of a layer of the 32-bit catalog.

    Returns: 0, or SOCKET_ERROR with the code in `*lpErrno`.
    Errors: as WSCGetProviderInfo.
    Source: ws2spi.h, nf-ws2spi-wscgetproviderinfo32.
    Differs: as WSCGetProviderInfo; no process loads from the 32-bit catalog.
    """
    return _get_info(OTHER, lpProviderId, InfoType, Info, InfoSize, Flags, lpErrno)


def _get_info(bits: int, lpProviderId: Any, kind: int, info: Any, size: Any, flags: int, lpErrno: Any) -> int:
    def get_info() -> None:
        provider = guid_of(lpProviderId)
        _require_categories(kind, flags)
        if not address_of(size):
            raise WinsockError(WSAError.WSAEFAULT, "InfoSize")
        categories = StoredCatalog(bits=bits).get_categories(provider)
        room = load_pointer_sized(size)
        store_pointer_sized(size, _DWORD)
        if not address_of(info) or room < _DWORD:
            raise WinsockError(WSAError.WSAEFAULT, "Info")
        store_int(info, categories)

    return answer(lpErrno, get_info)


def _require_categories(kind: int, flags: int) -> None:
    if kind == c.PROVIDER_INFO_AUDIT:
        raise WinsockError(c.ERROR_CALL_NOT_IMPLEMENTED, "ProviderInfoAudit")
    if kind != c.PROVIDER_INFO_LSP_CATEGORIES or flags:
        raise WinsockError(WSAError.WSAEINVAL, f"InfoType {kind}, Flags {flags}")


def WSCSetApplicationCategory(
    Path: Any,
    PathLength: int,
    Extra: Any,
    ExtraLength: int,
    PermittedLspCategories: int,
    pPrevPermLspCat: Any,
    lpErrno: Any,
) -> int:
    """Permit an application the layers of some LSP categories, beside those it has; it reads them at its WSAStartup.

    Returns: 0 with the categories it had before in `*pPrevPermLspCat` if that is not NULL, or SOCKET_ERROR with the
        code in `*lpErrno`.
    Errors:
        WSAEFAULT: `Path` or lpErrno is NULL (the latter: in the last error).
        WSAEINVAL: an empty path, one that no file can have, a negative length, or no such category.
        WSANO_RECOVERY: no rights, or the catalog cannot be read.
    Source: ws2spi.h, nf-ws2spi-wscsetapplicationcategory.
    Differs: `Extra` is the arguments of the command line with one space between them, without the program's name; NULL
        means the application whatever its arguments, unless these very arguments were categorised. Under `ws2spi run`
        the application is the program that was named. WSATRY_AGAIN as WSCInstallProvider.
    """

    def set_category() -> None:
        path = _counted(Path, PathLength)
        if path is None:
            raise WinsockError(WSAError.WSAEFAULT, "Path")
        before = StoredCatalog().set_application(path, _counted(Extra, ExtraLength) or "", PermittedLspCategories)
        store_int(pPrevPermLspCat, before)

    return answer(lpErrno, set_category)


def WSCGetApplicationCategory(
    Path: Any, PathLength: int, Extra: Any, ExtraLength: int, pPermittedLspCategories: Any, lpErrno: Any
) -> int:
    """Store the LSP categories that an application permits.

    Returns: 0, or SOCKET_ERROR with the code in `*lpErrno`.
    Errors:
        WSAEFAULT: a NULL pointer (of lpErrno itself: in the last error).
        WSAEINVAL: an empty path, one that no file can have, or a negative length.
        WSASERVICE_NOT_FOUND: the application is not categorised.
        WSANO_RECOVERY: the catalog cannot be read.
    Source: ws2spi.h, nf-ws2spi-wscgetapplicationcategory.
    Differs: as WSCSetApplicationCategory.
    """

    def get_category() -> None:
        path = _counted(Path, PathLength)
        if path is None or not address_of(pPermittedLspCategories):
            raise WinsockError(WSAError.WSAEFAULT, "NULL")
        store_int(pPermittedLspCategories, StoredCatalog().get_application(path, _counted(Extra, ExtraLength) or ""))

    return answer(lpErrno, get_category)


def _counted(argument: Any, length: int) -> str | None:
    """Return `length` characters of a wide string, or what there is before its NUL; None for NULL."""
    if length < 0:
        raise WinsockError(WSAError.WSAEINVAL, f"length {length}")
    if argument is None or isinstance(argument, str | ctypes.c_wchar_p):
        text = read_wide(argument)
        return None if text is None else text[:length]
    address = address_of(argument)
    return wstring_at(address, length).partition("\0")[0] if address else None


def WSAProviderConfigChange(lpNotificationHandle: Any, lpOverlapped: Any, lpCompletionRoutine: Any) -> int:
    """Be told when the configuration of providers changes. Every call also renews what WSAEnumProtocols shows.

    The first call, with a NULL handle in `*lpNotificationHandle`, only makes the handle. Later ones end at the first
    change after them: without `lpOverlapped` the call waits for it, with one the event or the routine tells of it.
    CloseHandle closes the handle.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSA_IO_PENDING: not an error: an overlapped call waits.
        WSANOTINITIALISED: no WSAStartup.
        WSAENETDOWN: the catalog file cannot be read.
        WSA_NOT_ENOUGH_MEMORY: no memory.
        WSA_INVALID_HANDLE: no notification handle, or hEvent is no event.
        WSAEOPNOTSUPP: the catalog's folder cannot be watched.
        WSAEFAULT: `lpNotificationHandle` is NULL. WSAEINVAL: the OVERLAPPED is in use.
        WSA_OPERATION_ABORTED: the handle was closed. WSAEINTR: the last WSACleanup ended a blocking call.
    Source: winsock2.h, nf-winsock2-wsaproviderconfigchange.
    Differs: the handle cannot be associated with a completion port. An installation for this process alone counts as a
        change.
    """
    try:
        runtime.require()
        if not address_of(lpNotificationHandle):
            raise WinsockError(WSAError.WSAEFAULT, "lpNotificationHandle")
        handle = load_pointer_sized(lpNotificationHandle)
        if handle:
            config_change.next_change(handle, lpOverlapped, lpCompletionRoutine)
        else:
            store_pointer_sized(lpNotificationHandle, config_change.open_notification())
    except MemoryError:
        return failed(WinsockError(WSAError.WSA_NOT_ENOUGH_MEMORY), c.SOCKET_ERROR)
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)
    return 0
