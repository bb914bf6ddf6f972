"""WSAPROTOCOL_INFOW and the catalog's own entry, one into the other.

Structures are read and written by field name, so a client's own layout of WSAPROTOCOL_INFOW works.
"""

import uuid
from typing import Any

from ws2spi._abi.constants import MAX_PROTOCOL_CHAIN, WSAPROTOCOL_LEN
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.types import WSAPROTOCOL_INFOA, WSAPROTOCOL_INFOW
from ws2spi._runtime.catalog import CatalogEntry

# {field of WSAPROTOCOL_INFOW: attribute of CatalogEntry}; the id, the chain and the name are not plain integers.
_FIELDS = {
    "dwServiceFlags1": "service_flags",
    "dwServiceFlags2": "service_flags2",
    "dwServiceFlags3": "service_flags3",
    "dwServiceFlags4": "service_flags4",
    "dwProviderFlags": "provider_flags",
    "dwCatalogEntryId": "catalog_id",
    "iVersion": "version",
    "iAddressFamily": "address_family",
    "iMaxSockAddr": "max_sockaddr",
    "iMinSockAddr": "min_sockaddr",
    "iSocketType": "socket_type",
    "iProtocol": "protocol",
    "iProtocolMaxOffset": "protocol_max_offset",
    "iNetworkByteOrder": "network_byte_order",
    "iSecurityScheme": "security_scheme",
    "dwMessageSize": "message_size",
    "dwProviderReserved": "provider_reserved",
}


def write_guid(target: Any, value: uuid.UUID) -> None:
    """Store a UUID in a GUID structure."""
    target.Data1, target.Data2, target.Data3 = value.fields[:3]
    for position, byte in enumerate(value.bytes[8:]):
        target.Data4[position] = byte


def read_guid(source: Any) -> uuid.UUID:
    """Return a GUID structure as a UUID."""
    head = (source.Data1, source.Data2, source.Data3)
    tail = bytes(bytearray(source.Data4))
    return uuid.UUID(fields=(*head, tail[0], tail[1], int.from_bytes(tail[2:], "big")))


def narrow(entry: CatalogEntry) -> WSAPROTOCOL_INFOA:
    """Return an entry as a structure with single-byte text."""
    target = WSAPROTOCOL_INFOA()
    write(target, entry)
    return target


def write(target: Any, entry: CatalogEntry) -> None:
    """Store an entry in a WSAPROTOCOL_INFOW structure, or in the A form: in UTF-8, cut to its room."""
    for field, attribute in _FIELDS.items():
        setattr(target, field, getattr(entry, attribute))
    write_guid(target.ProviderId, entry.provider_id)
    target.ProtocolChain.ChainLen = entry.chain_length
    members = entry.chain or ((entry.catalog_id,) if entry.base else ())
    for position, member in enumerate(members):
        target.ProtocolChain.ChainEntries[position] = member
    if isinstance(target, WSAPROTOCOL_INFOA):
        target.szProtocol = entry.name.encode("utf-8", "replace")[:WSAPROTOCOL_LEN].decode(errors="ignore").encode()
    else:
        target.szProtocol = entry.name


def structure(entry: CatalogEntry) -> WSAPROTOCOL_INFOW:
    """Return a new WSAPROTOCOL_INFOW of an entry."""
    target = WSAPROTOCOL_INFOW()
    write(target, entry)
    return target


def read(source: Any) -> CatalogEntry:
    """Return the entry that a WSAPROTOCOL_INFOW structure describes, whether or not the catalog has it.

    Errors:
        WSAEINVAL: a chain of an impossible length.
    """
    values = {attribute: int(getattr(source, field)) for field, attribute in _FIELDS.items()}
    length = source.ProtocolChain.ChainLen
    if not 0 <= length <= MAX_PROTOCOL_CHAIN:
        raise WinsockError(WSAError.WSAEINVAL, f"a chain of {length} entries")
    chain = tuple(source.ProtocolChain.ChainEntries[position] for position in range(length)) if length > 1 else ()
    return CatalogEntry(
        name=source.szProtocol,
        provider_id=read_guid(source.ProviderId),
        chain=chain,
        base=length == 1,
        **values,
    )
