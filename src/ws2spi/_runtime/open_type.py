"""SO_OPENTYPE: whether the sockets that socket() makes for this thread are for overlapped I/O.

Source: WinSock, sol-socket-socket-options.
"""

from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of, load_int, read_bytes, store_int, write_bytes
from ws2spi._runtime import threads

_SIZE = 4


def means(level: int, option: int) -> bool:
    """Whether a socket option is this one, which belongs to no socket."""
    return option == c.SO_OPENTYPE and level & 0xFFFF == c.SOL_SOCKET


def flags() -> int:
    """The flags with which socket() makes a socket for the calling thread."""
    return 0 if threads.own().open_type else c.WSA_FLAG_OVERLAPPED


def read(value: Any, length: Any) -> None:
    """Store the option and its size.

    Errors:
        WSAEFAULT: no room.
    """
    if not address_of(value) or not address_of(length) or load_int(length) < _SIZE:
        raise WinsockError(WSAError.WSAEFAULT, "no room for SO_OPENTYPE")
    write_bytes(value, threads.own().open_type.to_bytes(_SIZE, "little"))
    store_int(length, _SIZE)


def write(value: Any, length: int) -> None:
    """Set the option.

    Errors:
        WSAEFAULT: no value, or fewer than four bytes.
    """
    if not address_of(value) or length < _SIZE:
        raise WinsockError(WSAError.WSAEFAULT, "SO_OPENTYPE has 4 bytes")
    threads.own().open_type = int.from_bytes(read_bytes(value, _SIZE), "little")
