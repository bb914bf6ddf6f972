"""The output buffer of AcceptEx: data, then the two addresses in a form that only GetAcceptExSockaddrs reads.

Each area holds the length of its address (4 bytes, and 4 unused) and the sockaddr: eight of the sixteen bytes more that
the page asks for. An area of no bytes is left out.
"""

import struct

from ws2spi._abi import addresses
from ws2spi._abi.addresses import Address
from ws2spi._abi.memory import read_bytes, write_bytes

MORE = 16  # bytes that an area must have more than the family's sockaddr
_PREFIX = 8


def store(place: int, room: int, family: int, address: Address) -> None:
    """Write `address` into the area of `room` bytes at `place`."""
    if room:
        data = addresses.pack(family, address)
        write_bytes(place, struct.pack("<II", len(data), 0) + data)


def find(place: int, room: int) -> tuple[int, int]:
    """The address and length in bytes of the sockaddr in an area; (0, 0) for one that was left out."""
    if not room:
        return 0, 0
    (length,) = struct.unpack("<I", read_bytes(place, 4))
    return place + _PREFIX, min(length, room - _PREFIX)
