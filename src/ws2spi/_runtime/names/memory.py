"""Structures with inner pointers, laid out in one block as the callers of Winsock want them.

A `Block` is first built at no address; `store` copies it into the client's memory with every inner pointer pointing
there, or says how much room it takes.
"""

import ctypes
from typing import Any

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of, load_dword, store_int, write_bytes
from ws2spi._abi.wide import encode_wide

_ALIGNMENT = 8


class Block:
    """A structure and what it points to.

    Parameters:
        kind: the structure at the block's beginning, or an array of it.
    """

    def __init__(self, kind: Any = None) -> None:
        self._data = bytearray(ctypes.sizeof(kind) if kind is not None else 0)
        self._pointers: list[tuple[int, int]] = []  # [(where a pointer lies, what it points to)], offsets both

    def __len__(self) -> int:
        return len(self._data)

    def add(self, data: bytes, alignment: int = _ALIGNMENT) -> int:
        """Append bytes; return their offset."""
        self._data += bytes(-len(self._data) % alignment)
        offset = len(self._data)
        self._data += data
        return offset

    def put(self, at: int, data: bytes) -> None:
        """Store bytes at an offset."""
        self._data[at : at + len(data)] = data

    def number(self, at: int, value: int, size: int = 4) -> None:
        """Store an integer at an offset."""
        self.put(at, (value & ((1 << 8 * size) - 1)).to_bytes(size, "little"))

    def point(self, at: int, target: int) -> None:
        """Make the pointer at one offset point to another."""
        self._pointers.append((at, target))

    def text(self, at: int, text: str | None, wide: bool) -> None:
        """Append a text with its NUL and point to it; None stays a NULL pointer."""
        if text is not None:
            data = encode_wide(text) + b"\0\0" if wide else encode_narrow(text) + b"\0"
            self.point(at, self.add(data, 2 if wide else 1))

    def list_of(self, at: int, items: "list[bytes]", alignment: int = 1) -> None:
        """Append a NULL-terminated array of pointers to `items` and point to it."""
        array = self.add(bytes(8 * (len(items) + 1)))
        self.point(at, array)
        for position, item in enumerate(items):
            self.point(array + 8 * position, self.add(item, alignment))

    def image(self, base: int) -> bytes:
        """Return the block's bytes as they are at address `base`; 0: its pointers are offsets from its beginning."""
        data = bytearray(self._data)
        for at, target in self._pointers:
            data[at : at + 8] = (base + target).to_bytes(8, "little")
        return bytes(data)

    def owned(self) -> Any:
        """Return the block in memory of its own, a ctypes array."""
        memory = ctypes.create_string_buffer(len(self._data))
        memory.raw = self.image(ctypes.addressof(memory))
        return memory

    def store(self, target: Any, length: Any) -> None:
        """Copy the block to a client's buffer, whose room the DWORD at `length` says.

        Errors:
            WSAEFAULT: no buffer or too little room; the DWORD then holds what is needed.
        """
        start = address_of(target)
        if not start or load_dword(length) < len(self._data):
            store_int(length, len(self._data))
            raise WinsockError(WSAError.WSAEFAULT, f"{len(self._data)} bytes needed")
        write_bytes(start, self.image(start))


def encode_narrow(text: str) -> bytes:
    """Return a text as the A functions have it here: UTF-8, and bytes that were none when they were read."""
    return text.encode("utf-8", "surrogateescape")


def write_text(target: Any, room: int, text: str, wide: bool) -> bool:
    """Store a text with its NUL where `room` characters (wide) or bytes fit; False and nothing stored otherwise."""
    data = encode_wide(text) + b"\0\0" if wide else encode_narrow(text) + b"\0"
    if not address_of(target) or len(data) > room * (2 if wide else 1):
        return False
    write_bytes(target, data)
    return True
