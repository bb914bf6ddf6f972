"""A client of the exact face: what a C program would write, in few words."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ws2spi import kernel32, ws2_32
from ws2spi._abi import addresses
from ws2spi._abi.constants import AF_INET, AF_INET6, INVALID_HANDLE_VALUE, INVALID_SOCKET, SOCK_DGRAM, SOCK_STREAM
from ws2spi._runtime.process import runtime

byref = ctypes.byref
LOOPBACK = {AF_INET: "127.0.0.1", AF_INET6: "::1"}


def start() -> None:
    """WSAStartup(2.2)."""
    assert ws2_32.WSAStartup(0x0202, byref(ws2_32.WSADATA())) == 0


def stop() -> None:
    """As many WSACleanup as it takes."""
    while runtime.starts:
        assert ws2_32.WSACleanup() == 0
    runtime.catalog.reset()


def sockaddr(port: int, family: int = AF_INET, host: str | None = None) -> Any:
    """A sockaddr as bytes in memory."""
    data = addresses.pack(family, (host or LOOPBACK[family], port))
    return ctypes.create_string_buffer(data, len(data))


def error() -> int:
    """WSAGetLastError()."""
    return int(ws2_32.WSAGetLastError())


def made(kind: int = SOCK_STREAM, family: int = AF_INET, flags: int = 1) -> int:
    """A new socket of the catalog's first entry that matches."""
    s = ws2_32.WSASocketW(family, kind, 0, None, 0, flags)
    assert s != INVALID_SOCKET, error()
    return int(s)


def bound(s: int, family: int = AF_INET) -> int:
    """Bind to a free loopback port; return the port."""
    address = sockaddr(0, family)
    assert ws2_32.bind(s, address, len(address)) == 0, error()
    return port_of(s)


def port_of(s: int) -> int:
    """The local port."""
    room, length = ctypes.create_string_buffer(128), ctypes.c_int(128)
    assert ws2_32.getsockname(s, room, byref(length)) == 0, error()
    return int(addresses.unpack(room.raw[: length.value])[1][1])


def listening(family: int = AF_INET, flags: int = 1) -> tuple[int, int]:
    """A listening socket and its port."""
    s = made(SOCK_STREAM, family, flags)
    port = bound(s, family)
    assert ws2_32.listen(s, 5) == 0, error()
    return s, port


def connected(family: int = AF_INET, flags: int = 1) -> tuple[int, int]:
    """The two ends of a TCP connection."""
    listener, port = listening(family, flags)
    client = made(SOCK_STREAM, family, flags)
    address = sockaddr(port, family)
    assert ws2_32.connect(client, address, len(address)) == 0, error()
    server = ws2_32.accept(listener, None, None)
    assert server != INVALID_SOCKET, error()
    close(listener)
    return client, server


def datagram_pair(family: int = AF_INET) -> tuple[int, int]:
    """Two UDP sockets, each the other's peer."""
    pair = made(SOCK_DGRAM, family), made(SOCK_DGRAM, family)
    ports = [bound(s, family) for s in pair]
    for s, port in zip(pair, reversed(ports), strict=True):
        address = sockaddr(port, family)
        assert ws2_32.connect(s, address, len(address)) == 0, error()
    return pair


def close(*handles: int) -> None:
    """closesocket each."""
    for s in handles:
        assert ws2_32.closesocket(s) == 0, error()


def set_nonblocking(s: int, on: int = 1) -> None:
    """ioctlsocket(FIONBIO)."""
    assert ws2_32.ioctlsocket(s, 0x8004667E - 2**32, byref(ctypes.c_uint32(on))) == 0, error()


def received(s: int, size: int = 65536, flags: int = 0) -> bytes | int:
    """What recv gave, or the code."""
    buffer = ctypes.create_string_buffer(max(size, 1))
    count = ws2_32.recv(s, buffer, size, flags)
    return buffer.raw[:count] if count >= 0 else error()


def read_all(s: int, size: int) -> bytes:
    """Exactly `size` bytes, or what there is until the end."""
    data = b""
    while len(data) < size:
        piece = received(s, size - len(data))
        assert isinstance(piece, bytes), piece
        if not piece:
            break
        data += piece
    return data


@contextmanager
def event() -> Iterator[int]:
    """An event handle."""
    handle = ws2_32.WSACreateEvent()
    yield handle
    ws2_32.WSACloseEvent(handle)


def is_set(handle: int, milliseconds: int = 0) -> bool:
    """Whether an event is signalled, waiting for it."""
    return bool(kernel32.WaitForSingleObject(handle, milliseconds) == 0)


@contextmanager
def port_for(s: int, key: int = 7) -> Iterator[int]:
    """A completion port that a socket is associated with."""
    port = kernel32.CreateIoCompletionPort(INVALID_HANDLE_VALUE, None, 0, 0)
    assert kernel32.CreateIoCompletionPort(s, port, key, 0) == port, kernel32.GetLastError()
    yield port
    kernel32.CloseHandle(port)


def packet(port: int, milliseconds: int = 0) -> tuple[bool, int, int, int, int]:
    """(result, bytes, key, address of the OVERLAPPED, last error)."""
    count, key, pointer = ctypes.c_uint32(), ctypes.c_uint64(), ctypes.POINTER(ws2_32.WSAOVERLAPPED)()
    result = kernel32.GetQueuedCompletionStatus(port, byref(count), byref(key), byref(pointer), milliseconds)
    address = ctypes.addressof(pointer.contents) if pointer else 0
    return bool(result), count.value, key.value, address, 0 if result else kernel32.GetLastError()


class Operation:
    """An overlapped receive or send, with memory of its own for as long as it exists."""

    def __init__(self, s: int, data: bytes | int, routine: Any = None, hEvent: int = 0, flags: int = 0) -> None:
        self.s = s
        sending = isinstance(data, bytes)
        size = len(data) if isinstance(data, bytes) else data
        self.memory = ctypes.create_string_buffer(data if isinstance(data, bytes) else b"", size or 1)
        self.buffer = ws2_32.WSABUF(size, ctypes.addressof(self.memory))
        self.overlapped = ws2_32.WSAOVERLAPPED(hEvent=hEvent)
        self.count = ctypes.c_uint32(0xABCD)
        self.flags = ctypes.c_uint32(flags)
        common = byref(self.buffer), 1, byref(self.count)
        if sending:
            result = ws2_32.WSASend(s, *common, flags, byref(self.overlapped), routine)
        else:
            result = ws2_32.WSARecv(s, *common, byref(self.flags), byref(self.overlapped), routine)
        self.code = error() if result else 0

    @property
    def address(self) -> int:
        return ctypes.addressof(self.overlapped)

    @property
    def internal(self) -> int:
        return int(self.overlapped.Internal)

    def result(self, wait: bool = False) -> tuple[int, int, int, int]:
        """(TRUE or FALSE, bytes, flags, last error) of WSAGetOverlappedResult; 99 where nothing was stored."""
        count, flags = ctypes.c_uint32(99), ctypes.c_uint32(99)
        done = ws2_32.WSAGetOverlappedResult(self.s, byref(self.overlapped), byref(count), wait, byref(flags))
        return done, count.value, flags.value, 0 if done else error()
