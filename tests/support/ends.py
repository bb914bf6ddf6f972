"""A handle of a stack and the socket of Linux at the other end of its connection."""

import os
import select
import socket
from typing import Any

from support.threads import LONG
from support.winsock import (
    error,
    made,
    sockaddr,
)
from ws2spi import ws2_32
from ws2spi._abi.constants import AF_INET, SOCK_STREAM
from ws2spi._engine.filepair import FilePair
from ws2spi._runtime.sockets import sockets
from ws2spi.providers.layer import Layer


class Ahead(Layer):
    """Reads as much as it can get, whatever it is asked for, and sends in small pieces."""

    async def send(self, conn: Any, data: bytes) -> None:
        for start in range(0, len(data), 700):
            await conn.below.send(data[start : start + 700])

    async def recv(self, conn: Any, size: int) -> bytes:
        data: bytes = await conn.below.recv(10_000)
        return data


class Ends:
    """A handle and the socket of Linux at the other end of its connection."""

    def __init__(self, kind: int = SOCK_STREAM, *, overlapped: bool = True) -> None:
        self.handle = made(kind, flags=int(overlapped))
        if kind == SOCK_STREAM:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                self._connect(listener.getsockname()[1])
                self.peer = listener.accept()[0]
        else:
            self.peer = socket.socket(AF_INET, socket.SOCK_DGRAM)
            self.peer.bind(("127.0.0.1", 0))
            self._connect(self.peer.getsockname()[1])
            assert ws2_32.send(self.handle, b"hello", 5, 0) == 5
            self.peer.connect(self.peer.recvfrom(9)[1])
        self.peer.settimeout(LONG)
        self.pair: FilePair = sockets.lookup(self.handle).pair

    def _connect(self, port: int) -> None:
        address = sockaddr(port)
        assert ws2_32.connect(self.handle, address, 16) == 0, error()

    def close(self) -> None:
        ws2_32.closesocket(self.handle)
        self.peer.close()


def readable(descriptor: int) -> None:
    """Wait until poll shows input."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    assert poll.poll(LONG * 1000)


def read_exactly(descriptor: int, size: int) -> bytes:
    data = b""
    while len(data) < size and (piece := os.read(descriptor, size - len(data))):
        data += piece
    return data


def send(handle: int, data: bytes) -> None:
    assert ws2_32.send(handle, data, len(data), 0) == len(data), error()
