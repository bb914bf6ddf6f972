"""A datagram socket in memory: `send_to` and `recv_from` of a layer under test, without a network."""

import errno
import types
from collections import deque
from collections.abc import Generator
from typing import Any

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.operations import Kind, Want
from ws2spi._engine.transport import MAX_DATAGRAM, Address, winsock_error
from ws2spi.testing.fake import CAPACITY, FakeEngine, FakeTransport


class FakeDatagrams(FakeTransport):
    """A datagram socket with an address of its own; `bind` changes it.

    As with UDP, nothing is retried and nothing refused: what is sent to an address where nobody is, or to a socket with
    `capacity` bytes unread, is lost.

    Attributes:
        waiting: datagrams that have arrived and nobody has read: (bytes, sender).
    """

    def __init__(self, engine: FakeEngine, capacity: int = CAPACITY) -> None:
        super().__init__(engine, capacity)
        self.stream = False
        self.waiting: deque[tuple[bytes, Address]] = deque()
        engine.datagrams[self._name] = self

    @classmethod
    def pair(cls, engine: FakeEngine, capacity: int = CAPACITY) -> tuple["FakeDatagrams", "FakeDatagrams"]:
        """Two sockets, each connected to the other's address."""
        one, other = cls(engine, capacity), cls(engine, capacity)
        one._peer_name, other._peer_name = other._name, one._name
        return one, other

    @property
    def address(self) -> Address:
        """Where others send to."""
        return self._name

    async def send_to(self, data: Any, address: Address | None = None) -> None:
        """One datagram, to `address` or to the connected peer."""
        there = address if address is not None else self._peer_name
        if there is None:
            raise winsock_error(OSError(errno.EDESTADDRREQ, "no address"), "send")
        receiver = self.engine.datagrams.get(there)
        self.sent = len(data) or 1
        if receiver is not None and receiver.pending_bytes() + len(data) <= receiver.capacity:
            receiver.waiting.append((bytes(data), self._name))

    @types.coroutine
    def recv_from(self, size: int = MAX_DATAGRAM) -> Generator[Want, None, tuple[bytes, Address]]:
        """One datagram, cut to `size`, and who sent it."""
        if self._receiving.taken:
            yield from self._join(self._receiving)
        self._receiving.taken = True
        try:
            while not self.waiting:
                yield self.read
            data, sender = self.waiting[0]
            del self.waiting[0]
            return data[:size], sender
        finally:
            self._receiving.leave()

    def peek_from(self) -> tuple[bytes, Address]:
        if not self.waiting:
            raise WinsockError(WSAError.WSAEWOULDBLOCK)
        return self.waiting[0]

    def pending_bytes(self) -> int:
        return sum(len(data) for data, _ in self.waiting)

    async def bind(self, address: Address) -> None:
        if address in self.engine.datagrams:
            raise winsock_error(OSError(errno.EADDRINUSE, "in use"), "bind")
        del self.engine.datagrams[self._name]
        self._name = address
        self.engine.datagrams[address] = self

    async def connect(self, address: Address) -> None:
        """Only remembers where a send without an address goes to."""
        self._peer_name = address

    async def shutdown(self, how: int) -> None:
        """Of no effect."""

    def ready(self, kind: Kind) -> bool:
        return kind is Kind.WRITE or bool(self.waiting)

    def disconnect(self) -> None:
        self._peer_name = None

    def close_now(self) -> None:
        if not self.closed:
            self.closed = True
            self.engine.datagrams.pop(self._name, None)
