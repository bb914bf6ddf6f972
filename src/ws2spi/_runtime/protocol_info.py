"""WSAPROTOCOL_INFOW and the catalog's own entry, one into the other.

Structures are read and written by field name, so a client's own layout of WSAPROTOCOL_INFOW works.
"""

import uuid
from typing import Any

from ws2spi._abi.types import WSAPROTOCOL_INFOW
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


def write(target: Any, entry: CatalogEntry) -> None:
    """Store an entry in a WSAPROTOCOL_INFOW structure."""
    for field, attribute in _FIELDS.items():
        setattr(target, field, getattr(entry, attribute))
    write_guid(target.ProviderId, entry.provider_id)
    target.ProtocolChain.ChainLen = entry.chain_length
    members = entry.chain or ((entry.catalog_id,) if entry.base else ())
    for position, member in enumerate(members):
        target.ProtocolChain.ChainEntries[position] = member
    target.szProtocol = entry.name


def structure(entry: CatalogEntry) -> WSAPROTOCOL_INFOW:
    """Return a new WSAPROTOCOL_INFOW of an entry."""
    target = WSAPROTOCOL_INFOW()
    write(target, entry)
    return target


def read(source: Any) -> CatalogEntry:
    """Return the entry that a WSAPROTOCOL_INFOW structure describes, whether or not the catalog has it."""
    values = {attribute: int(getattr(source, field)) for field, attribute in _FIELDS.items()}
    length = source.ProtocolChain.ChainLen
    chain = tuple(source.ProtocolChain.ChainEntries[position] for position in range(length)) if length > 1 else ()
    return CatalogEntry(
        name=source.szProtocol,
        provider_id=read_guid(source.ProviderId),
        chain=chain,
        base=length == 1,
        **values,
    )
