"""A client of the extension functions, through the pointers that SIO_GET_EXTENSION_FUNCTION_POINTER gives out."""

import ctypes
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ws2spi import mswsock, ws2_32
from ws2spi._abi import addresses
from ws2spi._abi import constants as c
from ws2spi._abi.mswsock import EXTENSIONS, PROTOTYPES
from ws2spi.testing.conformance.client import NOTHING, Net, Started, byref, ensure, last, name_of

_AREA = {family: size + 16 for family, size in addresses.SIZES.items()}  # bytes that AcceptEx wants for each address


def asked_for(s: int, guid: bytes) -> tuple[int, int]:
    """(code, pointer) of SIO_GET_EXTENSION_FUNCTION_POINTER."""
    place, count = ctypes.c_void_p(), ctypes.c_uint32()
    given = ctypes.create_string_buffer(guid, len(guid))
    code = c.SIO_GET_EXTENSION_FUNCTION_POINTER
    result = ws2_32.WSAIoctl(s, code, given, len(guid), byref(place), 8, byref(count), None, None)
    return (last() if result else 0), place.value or 0


def fetch(s: int, name: str) -> Any:
    """An extension function, to be called through C as a program calls it; pointers are given as addresses."""
    code, address = asked_for(s, EXTENSIONS[name].bytes_le)
    ensure(not code, f"SIO_GET_EXTENSION_FUNCTION_POINTER for {name}: {name_of(code)}")
    ensure(address, f"SIO_GET_EXTENSION_FUNCTION_POINTER for {name} succeeded with a NULL pointer")
    return PROTOTYPES[name](address)


class Accept(Started):
    """AcceptEx on a listener; `accepted` is the accept socket, a new one unless given."""

    def __init__(self, net: Net, listener: int, size: int = 0, *, accepted: int | None = None, event: int = 0) -> None:
        super().__init__(listener, event)
        self.size, self.area = size, _AREA[net.family]
        self.accepted = net.socket() if accepted is None else accepted
        self.memory = ctypes.create_string_buffer(size + 2 * self.area)
        done = fetch(listener, "AcceptEx")(
            listener, self.accepted, ctypes.addressof(self.memory), size, self.area, self.area,
            ctypes.addressof(self.count_variable), self.address,
        )  # fmt: skip
        self.code = 0 if done else last()

    def names(self) -> tuple[tuple[str, int], tuple[str, int]]:
        """(host, port) of the local and of the remote end, by GetAcceptExSockaddrs."""
        places = [ctypes.c_void_p() for _ in range(2)]
        lengths = [ctypes.c_int() for _ in range(2)]
        pointers = [ctypes.addressof(one) for pair in zip(places, lengths, strict=True) for one in pair]
        fetch(self.s, "GetAcceptExSockaddrs")(ctypes.addressof(self.memory), self.size, self.area, self.area, *pointers)
        found = []
        for place, length, what in zip(places, lengths, ("local", "remote"), strict=True):
            ensure(place.value and length.value, f"GetAcceptExSockaddrs found no {what} address")
            host, port = addresses.unpack(ctypes.string_at(place.value or 0, length.value))[1][:2]
            found.append((host, port))
        return found[0], found[1]

    def update(self) -> None:
        """SO_UPDATE_ACCEPT_CONTEXT, after which the socket is as one that accept has given."""
        value = ctypes.c_uint64(self.s)
        result = ws2_32.setsockopt(self.accepted, c.SOL_SOCKET, c.SO_UPDATE_ACCEPT_CONTEXT, byref(value), 8)
        Net.done(result, "SO_UPDATE_ACCEPT_CONTEXT")


class Connect(Started):
    """ConnectEx to a port of the loopback, with data to be sent; on a new bound socket unless one is given."""

    def __init__(self, net: Net, port: int, data: bytes = b"", *, s: int | None = None, event: int = 0) -> None:
        super().__init__(net.bound()[0] if s is None else s, event)
        self.name = net.address(port)
        self.memory = ctypes.create_string_buffer(data, max(len(data), 1))
        done = fetch(self.s, "ConnectEx")(
            self.s, ctypes.addressof(self.name), len(self.name), ctypes.addressof(self.memory) if data else None,
            len(data), ctypes.addressof(self.count_variable), self.address,
        )  # fmt: skip
        self.code = 0 if done else last()

    def update(self) -> None:
        """SO_UPDATE_CONNECT_CONTEXT, after which the socket is as one that connect has connected."""
        Net.done(
            ws2_32.setsockopt(self.s, c.SOL_SOCKET, c.SO_UPDATE_CONNECT_CONTEXT, None, 0), "SO_UPDATE_CONNECT_CONTEXT"
        )


class Disconnect(Started):
    """DisconnectEx."""

    def __init__(self, s: int, flags: int = 0) -> None:
        super().__init__(s)
        done = fetch(s, "DisconnectEx")(s, self.address, flags, 0)
        self.code = 0 if done else last()


class TransmitFile(Started):
    """TransmitFile: a part of a file between two texts."""

    def __init__(self, s: int, file: int, offset: int, size: int, head: bytes, tail: bytes, flags: int = 0) -> None:
        super().__init__(s)
        self.overlapped.Offset = offset
        self.memory = [ctypes.create_string_buffer(text, max(len(text), 1)) for text in (head, tail)]
        self.around = mswsock.TRANSMIT_FILE_BUFFERS(
            ctypes.addressof(self.memory[0]), len(head), ctypes.addressof(self.memory[1]), len(tail)
        )
        done = fetch(s, "TransmitFile")(s, file, size, 0, self.address, ctypes.addressof(self.around), flags)
        self.code = 0 if done else last()


class TransmitPackets(Started):
    """TransmitPackets; an element is bytes, or (file, offset, size)."""

    def __init__(self, s: int, elements: list[bytes | tuple[int, int, int]], flags: int = 0) -> None:
        super().__init__(s)
        self.array = (mswsock.TRANSMIT_PACKETS_ELEMENT * len(elements))()
        self.memory = []
        for place, element in zip(self.array, elements, strict=True):
            if isinstance(element, bytes):
                self.memory.append(ctypes.create_string_buffer(element, len(element)))
                place.dwElFlags, place.cLength = mswsock.TP_ELEMENT_MEMORY, len(element)
                place.pBuffer = ctypes.addressof(self.memory[-1])
            else:
                place.dwElFlags, place.cLength = mswsock.TP_ELEMENT_FILE, element[2]
                place.hFile, place.nFileOffset = element[0], element[1]
        call = fetch(s, "TransmitPackets")
        done = call(s, ctypes.addressof(self.array), len(elements), 0, self.address, flags)
        self.code = 0 if done else last()


class Message(Started):
    """One datagram of WSARecvMsg (`data` is the room) or WSASendMsg (`data` is bytes), which `recv` or `send` calls."""

    def __init__(self, s: int, data: bytes | int, name: Any = None) -> None:
        super().__init__(s)
        size = data if isinstance(data, int) else len(data)
        self.memory = ctypes.create_string_buffer(b"" if isinstance(data, int) else data, size)
        self.buffer = ws2_32.WSABUF(size, ctypes.addressof(self.memory))
        self.name = ctypes.create_string_buffer(128) if name is None else name
        self.message = mswsock.WSAMSG(
            ctypes.addressof(self.name), len(self.name), ctypes.pointer(self.buffer), 1, ws2_32.WSABUF(0, None), 0
        )

    def recv(self, *, overlapped: bool = False, routine: Any = None, flags: int = 0) -> "Message":
        self.message.dwFlags = flags
        self.routine = None if routine is None else ctypes.cast(routine, ctypes.c_void_p)
        result = fetch(self.s, "WSARecvMsg")(
            self.s, ctypes.addressof(self.message), ctypes.addressof(self.count_variable),
            self.address if overlapped else None, self.routine,
        )  # fmt: skip
        self.code = last() if result else 0
        return self

    def send(self) -> "Message":
        result = fetch(self.s, "WSASendMsg")(
            self.s, ctypes.addressof(self.message), 0, ctypes.addressof(self.count_variable), None, None
        )
        self.code = last() if result else 0
        return self

    def sender(self) -> int:
        """The port that the datagram came from."""
        ensure(self.message.namelen, "WSARecvMsg told no sender")
        return int(addresses.unpack(self.name.raw[: self.message.namelen])[1][1])

    def data(self) -> bytes:
        ensure(self.count != NOTHING, "WSARecvMsg stored no number of bytes")
        return self.memory.raw[: self.count]


@contextmanager
def a_file(content: bytes) -> Iterator[int]:
    """The handle of a file, which is the number of its descriptor."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        os.lseek(file.fileno(), 0, os.SEEK_SET)
        yield file.fileno()
