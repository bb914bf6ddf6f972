"""WSAQUERYSET and WSASERVICECLASSINFO in C memory: read into records, and laid out with inner pointers.

Structures are read by field name, in the client's own layout. The A forms hold bytes in UTF-8.
"""

import ctypes
import uuid
from typing import Any

from ws2spi._abi import names as n
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of, deref, read_bytes, read_narrow, read_wide
from ws2spi._abi.types import GUID
from ws2spi._runtime.names.memory import Block
from ws2spi._runtime.names.records import ClassValue, Endpoint, Query, Service, ServiceClass

_LARGEST_SOCKADDR = 128
_QUERY_SIZE = ctypes.sizeof(n.WSAQUERYSETW)
_CLASS_SIZE = ctypes.sizeof(n.WSASERVICECLASSINFOW)
_VALUE_SIZE = ctypes.sizeof(n.WSANSCLASSINFOW)
_ADDRESS_SIZE = ctypes.sizeof(n.CSADDR_INFO)


# Reading


def read_guid(pointer: Any) -> uuid.UUID | None:
    """Return the GUID that a pointer names, None for NULL."""
    start = address_of(pointer)
    return uuid.UUID(bytes_le=read_bytes(start, 16)) if start else None


def read_service(pointer: Any, *, wide: bool = True, into: type[Service] = Service) -> Service:
    """Return what a WSAQUERYSET says.

    Errors:
        WSAEINVAL: NULL, or a dwSize too small for the structure.
    """
    source = deref(pointer, n.WSAQUERYSETW if wide else n.WSAQUERYSETA)
    if source is None or source.dwSize < _QUERY_SIZE:
        raise WinsockError(WSAError.WSAEINVAL, "no WSAQUERYSET, or its dwSize is too small")
    text = read_wide if wide else read_narrow
    version = deref(source.lpVersion, n.WSAVERSION)
    return into(
        name=text(source.lpszServiceInstanceName),
        class_id=read_guid(source.lpServiceClassId),
        version=None if version is None else (version.dwVersion, version.ecHow),
        comment=text(source.lpszComment),
        namespace=source.dwNameSpace,
        provider_id=read_guid(source.lpNSProviderId),
        context=text(source.lpszContext),
        protocols=tuple(
            (one.iAddressFamily, one.iProtocol)
            for one in _array(source.lpafpProtocols, source.dwNumberOfProtocols, n.AFPROTOCOLS)
        ),
        query_string=text(source.lpszQueryString),
        endpoints=tuple(
            Endpoint(_sockaddr(one.RemoteAddr), _sockaddr(one.LocalAddr), one.iSocketType, one.iProtocol)
            for one in _array(source.lpcsaBuffer, source.dwNumberOfCsAddrs, n.CSADDR_INFO)
        ),
        output_flags=source.dwOutputFlags,
        blob=_blob(source.lpBlob),
    )


def read_query(pointer: Any, flags: int, *, wide: bool = True) -> Query:
    """Return what WSALookupServiceBegin is asked for; the members that are ignored in queries are left out.

    Errors:
        WSAEINVAL: NULL, a dwSize too small, or no service class.
    """
    query = read_service(pointer, wide=wide, into=Query)
    assert isinstance(query, Query)
    if query.class_id is None:
        raise WinsockError(WSAError.WSAEINVAL, "lpServiceClassId")
    query.comment, query.endpoints, query.output_flags, query.flags = None, (), 0, flags
    return query


def read_class(pointer: Any, *, wide: bool = True) -> ServiceClass:
    """Return what a WSASERVICECLASSINFO says.

    Errors:
        WSAEINVAL: NULL, or no class id.
    """
    source = deref(pointer, n.WSASERVICECLASSINFOW if wide else n.WSASERVICECLASSINFOA)
    class_id = None if source is None else read_guid(source.lpServiceClassId)
    if class_id is None:
        raise WinsockError(WSAError.WSAEINVAL, "no service class")
    text = read_wide if wide else read_narrow
    kind = n.WSANSCLASSINFOW if wide else n.WSANSCLASSINFOA
    return ServiceClass(
        class_id,
        text(source.lpszServiceClassName),
        tuple(
            ClassValue(
                text(one.lpszName) or "",
                one.dwNameSpace,
                one.dwValueType,
                read_bytes(one.lpValue, one.dwValueSize) if one.lpValue else b"",
            )
            for one in _array(source.lpClassInfos, source.dwCount, kind)
        ),
    )


def read_addresses(pointer: Any, count: int) -> list[bytes]:
    """Return the sockaddrs of an array of SOCKET_ADDRESS; WSAEINVAL when there is none, or no sockaddr in one."""
    found = [_sockaddr(one) for one in _array(pointer, count, n.SOCKET_ADDRESS)]
    if not all(found):
        raise WinsockError(WSAError.WSAEINVAL, "a SOCKET_ADDRESS without an address")
    return found


def read_blob(pointer: Any) -> bytes | None:
    """Return the bytes that a BLOB names, None for NULL."""
    return _blob(pointer)


def _array(pointer: Any, count: int, kind: Any) -> Any:
    start = address_of(pointer)
    if count and not start:
        raise WinsockError(WSAError.WSAEINVAL, f"{count} x {kind.__name__} at NULL")
    return (kind.from_address(start + position * ctypes.sizeof(kind)) for position in range(count))


def _sockaddr(place: Any) -> bytes:
    start = address_of(place.lpSockaddr)
    size = place.iSockaddrLength
    return read_bytes(start, min(size, _LARGEST_SOCKADDR)) if start and size > 0 else b""


def _blob(pointer: Any) -> bytes | None:
    source = deref(pointer, n.BLOB)
    if source is None:
        return None
    start = address_of(source.pBlobData)
    return read_bytes(start, source.cbSize) if start else b""


# Laying out


def pack_service(service: Service, *, wide: bool = True) -> Block:
    """Return a WSAQUERYSET and what it points to."""
    kind: Any = n.WSAQUERYSETW
    block = Block(kind)
    block.number(kind.dwSize.offset, _QUERY_SIZE)
    block.number(kind.dwNameSpace.offset, service.namespace)
    block.number(kind.dwOutputFlags.offset, service.output_flags)
    for field, value in ((kind.lpServiceClassId, service.class_id), (kind.lpNSProviderId, service.provider_id)):
        if value is not None:
            block.point(field.offset, block.add(value.bytes_le, 4))
    if service.version is not None:
        block.point(kind.lpVersion.offset, block.add(bytes(n.WSAVERSION(*service.version)), 4))
    if service.protocols:
        block.number(kind.dwNumberOfProtocols.offset, len(service.protocols))
        data = b"".join(bytes(n.AFPROTOCOLS(*one)) for one in service.protocols)
        block.point(kind.lpafpProtocols.offset, block.add(data, 4))
    if service.endpoints:
        block.number(kind.dwNumberOfCsAddrs.offset, len(service.endpoints))
        array = block.add(bytes(_ADDRESS_SIZE * len(service.endpoints)))
        block.point(kind.lpcsaBuffer.offset, array)
        for position, one in enumerate(service.endpoints):
            _pack_endpoint(block, array + position * _ADDRESS_SIZE, one)
    if service.blob is not None:
        blob = block.add(bytes(ctypes.sizeof(n.BLOB)))
        block.point(kind.lpBlob.offset, blob)
        block.number(blob, len(service.blob))
        block.point(blob + 8, block.add(service.blob))
    # Texts last: they need no alignment beyond their characters'.
    block.text(kind.lpszServiceInstanceName.offset, service.name, wide)
    block.text(kind.lpszComment.offset, service.comment, wide)
    block.text(kind.lpszContext.offset, service.context, wide)
    block.text(kind.lpszQueryString.offset, service.query_string, wide)
    return block


def _pack_endpoint(block: Block, at: int, one: Endpoint) -> None:
    for offset, data in ((0, one.local), (16, one.remote)):
        if data:
            block.point(at + offset, block.add(data))
            block.number(at + offset + 8, len(data))
    block.number(at + 32, one.socket_type)
    block.number(at + 36, one.protocol)


def pack_class(info: ServiceClass, *, wide: bool = True) -> Block:
    """Return a WSASERVICECLASSINFO and what it points to."""
    kind: Any = n.WSASERVICECLASSINFOW
    inner: Any = n.WSANSCLASSINFOW
    block = Block(kind)
    block.point(kind.lpServiceClassId.offset, block.add(info.class_id.bytes_le, 4))
    block.number(kind.dwCount.offset, len(info.values))
    if info.values:
        array = block.add(bytes(_VALUE_SIZE * len(info.values)))
        block.point(kind.lpClassInfos.offset, array)
        for position, value in enumerate(info.values):
            at = array + position * _VALUE_SIZE
            block.number(at + inner.dwNameSpace.offset, value.namespace)
            block.number(at + inner.dwValueType.offset, value.kind)
            block.number(at + inner.dwValueSize.offset, len(value.data))
            if value.data:
                block.point(at + inner.lpValue.offset, block.add(value.data))
            block.text(at + inner.lpszName.offset, value.name, wide)
    block.text(kind.lpszServiceClassName.offset, info.name, wide)
    return block


def guid_pointer(value: uuid.UUID | None) -> Any:
    """Return a pointer to a GUID structure of its own, None for None."""
    return None if value is None else ctypes.pointer(GUID.from_buffer_copy(value.bytes_le))
