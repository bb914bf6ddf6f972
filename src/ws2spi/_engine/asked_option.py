"""Options that are read with an argument: their value says what is wanted before, and what there is afterwards.

The socket module only reads values into fresh memory. So the argument goes with the size, through the layers, down to
the transport.
"""

import ctypes
import os
import socket


class AskedSize(int):
    """The size of an option's value, with what is in it before it is read."""

    given: bytes

    @classmethod
    def of(cls, given: bytes) -> "AskedSize":
        """Return the size of `given`, which is handed over."""
        size = cls(len(given))
        size.given = given
        return size


def read(sock: socket.socket, level: int, option: int, size: AskedSize) -> bytes:
    """Read an option with an argument; OSError as `socket.getsockopt`."""
    value = ctypes.create_string_buffer(size.given, len(size.given))
    length = ctypes.c_uint32(len(size.given))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.getsockopt(sock.fileno(), level, option, value, ctypes.byref(length)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return value.raw[: length.value]
