"""Registering services, and the classes they belong to."""

from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of, load_dword, store_int
from ws2spi._runtime.names import services
from ws2spi._runtime.names.memory import encode_narrow, write_text
from ws2spi._runtime.names.querysets import pack_class, read_class, read_guid, read_service
from ws2spi._runtime.process import runtime
from ws2spi.ws2_32._route import failed


def WSASetServiceW(lpqsRegInfo: Any, essoperation: int, dwControlFlags: int) -> int:
    """Register (0), deregister (1) or delete (2) a service with the providers that its members mean.

    Returns: 0 when one provider did it, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED: no WSAStartup.
        WSAEINVAL: NULL, a `dwSize` too small, no name, no class, or another operation.
        WSASERVICE_NOT_FOUND: no provider, or it has no such service.
        WSAEACCES, WSA_NOT_ENOUGH_MEMORY: the providers'.
    Source: winsock2.h, nf-winsock2-wsasetservicew.
    Differs: nothing. In NS_DNS every operation succeeds and does nothing, as the page says.
    """
    return _set(lpqsRegInfo, essoperation, dwControlFlags, wide=True)


def WSASetServiceA(lpqsRegInfo: Any, essoperation: int, dwControlFlags: int) -> int:
    """As WSASetServiceW, with texts in bytes.

    Returns: 0 when one provider did it, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAEINVAL, WSASERVICE_NOT_FOUND, WSAEACCES, WSA_NOT_ENOUGH_MEMORY: as WSASetServiceW.
    Source: winsock2.h, nf-winsock2-wsasetservicea.
    Differs: nothing.
    """
    return _set(lpqsRegInfo, essoperation, dwControlFlags, wide=False)


def _set(lpqsRegInfo: Any, operation: int, flags: int, *, wide: bool) -> int:
    try:
        runtime.require()
        services.set_service(read_service(lpqsRegInfo, wide=wide), operation, flags)
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)
    return 0


def WSAInstallServiceClassW(lpServiceClassInfo: Any) -> int:
    """Tell the providers a service class.

    Returns: 0 when one provider took it, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED: no WSAStartup. WSAEINVAL: NULL, no id or no name. WSAEALREADY: it is known already.
        WSA_INVALID_PARAMETER: it speaks of name spaces without a provider. WSAEOPNOTSUPP: no provider keeps classes.
        WSAEACCES, WSANO_DATA, WSA_NOT_ENOUGH_MEMORY: the providers'.
    Source: winsock2.h, nf-winsock2-wsainstallserviceclassw.
    Differs: the built-in provider keeps classes until the last WSACleanup.
    """
    return _install(lpServiceClassInfo, wide=True)


def WSAInstallServiceClassA(lpServiceClassInfo: Any) -> int:
    """As WSAInstallServiceClassW, with texts in bytes.

    Returns: 0 when one provider took it, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAEINVAL, WSAEALREADY, WSA_INVALID_PARAMETER, WSAEOPNOTSUPP, WSAEACCES, WSANO_DATA,
        WSA_NOT_ENOUGH_MEMORY: as WSAInstallServiceClassW.
    Source: winsock2.h, nf-winsock2-wsainstallserviceclassa.
    Differs: as WSAInstallServiceClassW.
    """
    return _install(lpServiceClassInfo, wide=False)


def _install(lpServiceClassInfo: Any, *, wide: bool) -> int:
    try:
        runtime.require()
        services.install_class(read_class(lpServiceClassInfo, wide=wide))
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)
    return 0


def WSARemoveServiceClass(lpServiceClassId: Any) -> int:
    """Make the providers forget a service class.

    Returns: 0 when one provider did, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED: no WSAStartup. WSAEINVAL: NULL. WSATYPE_NOT_FOUND: nobody knows the class.
        WSAETOOMANYREFS: services of it are registered. WSAEACCES: it is one that is always there.
        WSA_NOT_ENOUGH_MEMORY: a provider's.
    Source: winsock2.h, nf-winsock2-wsaremoveserviceclass.
    Differs: nothing.
    """
    try:
        runtime.require()
        class_id = read_guid(lpServiceClassId)
        if class_id is None:
            raise WinsockError(WSAError.WSAEINVAL, "lpServiceClassId")
        services.remove_class(class_id)
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)
    return 0


def WSAGetServiceClassInfoW(lpProviderId: Any, lpServiceClassId: Any, lpdwBufSize: Any, lpServiceClassInfo: Any) -> int:
    """Store what a provider says of a service class; the pointers lead into the same buffer.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED: no WSAStartup. WSAEINVAL: a NULL pointer, or no such provider.
        WSAEFAULT: too little room; what is needed is stored. WSATYPE_NOT_FOUND: it does not know the class.
        WSAEOPNOTSUPP: it keeps no classes. WSAEACCES, WSANO_DATA, WSA_NOT_ENOUGH_MEMORY: the provider's.
    Source: winsock2.h, nf-winsock2-wsagetserviceclassinfow.
    Differs: nothing.
    """
    return _info(lpProviderId, lpServiceClassId, lpdwBufSize, lpServiceClassInfo, wide=True)


def WSAGetServiceClassInfoA(lpProviderId: Any, lpServiceClassId: Any, lpdwBufSize: Any, lpServiceClassInfo: Any) -> int:
    """As WSAGetServiceClassInfoW, with texts in bytes.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAEINVAL, WSAEFAULT, WSATYPE_NOT_FOUND, WSAEOPNOTSUPP, WSAEACCES, WSANO_DATA,
        WSA_NOT_ENOUGH_MEMORY: as WSAGetServiceClassInfoW.
    Source: winsock2.h, nf-winsock2-wsagetserviceclassinfoa.
    Differs: nothing.
    """
    return _info(lpProviderId, lpServiceClassId, lpdwBufSize, lpServiceClassInfo, wide=False)


def _info(lpProviderId: Any, lpServiceClassId: Any, size: Any, target: Any, *, wide: bool) -> int:
    try:
        runtime.require()
        provider_id, class_id = read_guid(lpProviderId), read_guid(lpServiceClassId)
        if provider_id is None or class_id is None or not address_of(size) or not address_of(target):
            raise WinsockError(WSAError.WSAEINVAL, "a NULL pointer")
        pack_class(services.class_of(provider_id, class_id), wide=wide).store(target, size)
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)
    return 0


def WSAGetServiceClassNameByClassIdW(lpServiceClassId: Any, lpszServiceClassName: Any, lpdwBufferLength: Any) -> int:
    """Store the name of a service class; lengths count characters and the NUL.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED: no WSAStartup. WSA_INVALID_PARAMETER: no class, or nobody knows it.
        WSAEFAULT: no buffer, or too little room; what is needed is stored. WSAEOPNOTSUPP: no provider keeps classes.
        WSANO_DATA: the class has no name. WSAEACCES, WSAENOBUFS, WSA_NOT_ENOUGH_MEMORY: a provider's.
    Source: winsock2.h, nf-winsock2-wsagetserviceclassnamebyclassidw.
    Differs: nothing.
    """
    return _name(lpServiceClassId, lpszServiceClassName, lpdwBufferLength, wide=True)


def WSAGetServiceClassNameByClassIdA(lpServiceClassId: Any, lpszServiceClassName: Any, lpdwBufferLength: Any) -> int:
    """As WSAGetServiceClassNameByClassIdW, with lengths in bytes.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSA_INVALID_PARAMETER, WSAEFAULT, WSAEOPNOTSUPP, WSANO_DATA, WSAEACCES, WSAENOBUFS,
        WSA_NOT_ENOUGH_MEMORY: as WSAGetServiceClassNameByClassIdW.
    Source: winsock2.h, nf-winsock2-wsagetserviceclassnamebyclassida.
    Differs: nothing.
    """
    return _name(lpServiceClassId, lpszServiceClassName, lpdwBufferLength, wide=False)


def _name(lpServiceClassId: Any, target: Any, length: Any, *, wide: bool) -> int:
    try:
        runtime.require()
        class_id = read_guid(lpServiceClassId)
        if class_id is None:
            raise WinsockError(WSAError.WSA_INVALID_PARAMETER, "lpServiceClassId")
        if not address_of(length):
            raise WinsockError(WSAError.WSAEFAULT, "lpdwBufferLength")
        name = services.class_name(class_id)
        room = load_dword(length)
        store_int(length, (len(name) if wide else len(encode_narrow(name))) + 1)
        if not write_text(target, room, name, wide):
            raise WinsockError(WSAError.WSAEFAULT, f"{room} characters for {name!r}")
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)
    return 0
