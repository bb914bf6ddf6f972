"""SOCKET_ADDRESS_LIST: addresses behind pointers, in one piece of memory."""

import ctypes
import struct

from ws2spi._abi import addresses
from ws2spi._abi.errors import WinsockError, WSAError


class AddressList(list[bytes]):
    """Addresses (sockaddr bytes) as a SOCKET_ADDRESS_LIST; its pointers depend on where it is stored."""

    def size(self) -> int:
        return 8 + 16 * len(self) + sum(len(one) + 7 & ~7 for one in self)

    def stored_at(self, start: int) -> bytes:
        """The bytes of the structure for the address `start`."""
        head = struct.pack("<i4x", len(self))
        tail = b""
        base = start + 8 + 16 * len(self)
        for one in self:
            head += struct.pack("<Qi4x", base + len(tail), len(one))
            tail += one.ljust(len(one) + 7 & ~7, b"\0")
        return head + tail


def read_list(data: bytes) -> list[bytes]:
    """The addresses of a client's SOCKET_ADDRESS_LIST.

    Errors:
        WSAEFAULT: too short for what it says. WSAEINVAL: an address is NULL or of no family of ours.
    """
    if len(data) < 8:
        raise WinsockError(WSAError.WSAEFAULT, f"{len(data)} bytes for a SOCKET_ADDRESS_LIST")
    count = struct.unpack_from("<i", data)[0]
    if count < 0 or len(data) < 8 + 16 * count:
        raise WinsockError(WSAError.WSAEFAULT, f"{len(data)} bytes for {count} addresses")
    result = []
    for index in range(count):
        pointer, length = struct.unpack_from("<Qi", data, 8 + 16 * index)
        if not pointer or not 2 <= length <= 128:
            raise WinsockError(WSAError.WSAEINVAL, f"address {index}")
        one = ctypes.string_at(pointer, length)
        if addresses.family_of(one) not in addresses.SIZES:
            raise WinsockError(WSAError.WSAEINVAL, f"address {index}")
        result.append(one)
    return result
