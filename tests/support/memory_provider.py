"""A service provider whose network is this process's memory: connected pairs of stream sockets, nothing else.

Written against the public form of a provider alone, so it is also an example of one. Its handles are non-IFS ones.
"""

import uuid
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._executive.overlapped import Overlapped
from ws2spi._executive.threads import Thread
from ws2spi._runtime import upcalls
from ws2spi._runtime.catalog import CatalogEntry
from ws2spi._runtime.completion import Completion, result_of
from ws2spi._runtime.process import runtime
from ws2spi._runtime.sockets import SocketEntry, sockets

Address = Any


def memory_entry(**changes: Any) -> CatalogEntry:
    """A catalog entry for streams in memory, under a provider id of its own."""
    values: dict[str, Any] = {
        "address_family": c.AF_INET,
        "socket_type": c.SOCK_STREAM,
        "protocol": c.IPPROTO_TCP,
        "name": "streams in memory",
        "provider_id": uuid.uuid4(),
        "service_flags": c.XP1_GUARANTEED_DELIVERY | c.XP1_GUARANTEED_ORDER,
    }
    return CatalogEntry(**(values | changes))


class End:
    """One socket: what has arrived, and the receives that wait for more."""

    def __init__(self) -> None:
        self.peer: End | None = None
        self.arrived = bytearray()
        self.ended = False
        self.waiting: deque[tuple[Sequence[memoryview], Completion]] = deque()
        self.closed = False


class MemoryProvider:
    """See the module's text. `calls` names what was called, for tests that watch who gets what."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.cleaned = False

    def connected(self, catalog_id: int, flags: int = c.WSA_FLAG_OVERLAPPED) -> tuple[int, int]:
        """Two handles that are connected with each other."""
        info = runtime.catalog.get(catalog_id)
        assert info is not None
        first, second = (self.socket(info.address_family, info.socket_type, info.protocol, info, flags) for _ in "ab")
        one, other = sockets.lookup(first), sockets.lookup(second)
        one.overlapped = other.overlapped = bool(flags & c.WSA_FLAG_OVERLAPPED)
        one.context.peer, other.context.peer = other.context, one.context  # type: ignore[attr-defined]
        return first, second

    def socket(self, af: int, type: int, protocol: int, info: CatalogEntry, flags: int) -> int:
        self.calls.append("socket")
        return upcalls.create_socket_handle(info.catalog_id, End())

    def bind(self, entry: SocketEntry, address: Address) -> None:
        self.calls.append("bind")

    def listen(self, entry: SocketEntry, backlog: int) -> None:
        raise WinsockError(WSAError.WSAEOPNOTSUPP)

    def connect(self, entry: SocketEntry, address: Address) -> None:
        raise WinsockError(WSAError.WSAECONNREFUSED)

    def accept(self, entry: SocketEntry, condition: object = None) -> tuple[int, Address]:
        raise WinsockError(WSAError.WSAEINVAL)

    def shutdown(self, entry: SocketEntry, how: int) -> None:
        peer = entry.context.peer  # type: ignore[attr-defined]
        if peer is None:
            raise WinsockError(WSAError.WSAENOTCONN)
        peer.ended = True
        self._serve(peer)

    def close(self, entry: SocketEntry) -> None:
        self.calls.append("close")
        end: Any = entry.context
        end.closed = True
        if end.peer is not None:
            end.peer.ended = True
            self._serve(end.peer)
        while end.waiting:
            end.waiting.popleft()[1].complete(WSAError.WSA_OPERATION_ABORTED, 0)
        upcalls.close_socket_handle(entry.number)

    def getsockname(self, entry: SocketEntry) -> Address:
        return ("127.0.0.1", 7)

    def getpeername(self, entry: SocketEntry) -> Address:
        if entry.context.peer is None:  # type: ignore[attr-defined]
            raise WinsockError(WSAError.WSAENOTCONN)
        return ("127.0.0.1", 8)

    def send(self, entry: SocketEntry, buffers: Sequence[Any], flags: int, completion: Completion | None) -> int | None:
        self.calls.append("send")
        end: Any = entry.context
        if end.peer is None:
            raise WinsockError(WSAError.WSAENOTCONN)
        data = b"".join(bytes(buffer) for buffer in buffers)
        end.peer.arrived += data
        self._serve(end.peer)
        if completion is not None:
            completion.complete(0, len(data), immediate=True)
        return len(data)

    def recv(
        self, entry: SocketEntry, buffers: Sequence[memoryview], flags: int, completion: Completion | None
    ) -> tuple[int, int] | None:
        self.calls.append("recv")
        end: Any = entry.context
        if end.peer is None:
            raise WinsockError(WSAError.WSAENOTCONN)
        if not end.arrived and not end.ended:
            if completion is None:
                raise WinsockError(WSAError.WSAEWOULDBLOCK)
            end.waiting.append((buffers, completion))
            return None
        count = _fill(end, buffers)
        if completion is not None:
            completion.complete(0, count, immediate=True)
        return count, 0

    def send_to(
        self, entry: SocketEntry, buffers: Sequence[Any], flags: int, address: Address, completion: Completion | None
    ) -> int | None:
        return self.send(entry, buffers, flags, completion)

    def recv_from(
        self, entry: SocketEntry, buffers: Sequence[memoryview], flags: int, completion: Completion | None
    ) -> tuple[int, int, Address | None] | None:
        result = self.recv(entry, buffers, flags, completion)
        return None if result is None else (*result, None)

    def _serve(self, end: End) -> None:
        while end.waiting and (end.arrived or end.ended):
            buffers, completion = end.waiting.popleft()
            completion.complete(0, _fill(end, buffers))

    def getsockopt(self, entry: SocketEntry, level: int, option: int, size: int) -> bytes:
        if option == c.SO_TYPE:
            return entry.type.to_bytes(4, "little")
        raise WinsockError(WSAError.WSAENOPROTOOPT)

    def setsockopt(self, entry: SocketEntry, level: int, option: int, value: bytes) -> None:
        raise WinsockError(WSAError.WSAENOPROTOOPT)

    def ioctl(
        self, entry: SocketEntry, code: int, data: bytes, out_size: int, completion: Completion | None
    ) -> bytes | None:
        if code == c.FIONREAD:
            return len(entry.context.arrived).to_bytes(4, "little")  # type: ignore[attr-defined]
        if code == c.SIO_BASE_HANDLE:
            return entry.number.to_bytes(8, "little")
        raise WinsockError(WSAError.WSAEOPNOTSUPP)

    def cancel(self, entry: SocketEntry, thread: Thread | None, overlapped: Overlapped | None) -> int:
        end: Any = entry.context
        chosen = [
            one
            for one in end.waiting
            if (thread is None or one[1].issuer is thread) and (overlapped is None or one[1].overlapped is overlapped)
        ]
        for one in chosen:
            end.waiting.remove(one)
            one[1].complete(WSAError.WSA_OPERATION_ABORTED, 0)
        return len(chosen)

    def get_overlapped_result(self, entry: SocketEntry, overlapped: Overlapped, wait: bool) -> tuple[int, int]:
        return result_of(overlapped, wait)

    def cleanup(self) -> None:
        self.cleaned = True
        for entry in list(sockets.entries.values()):
            if entry.provider is self:
                end: Any = entry.context
                while end.waiting:
                    end.waiting.popleft()[1].abandon()


def _fill(end: End, buffers: Sequence[memoryview]) -> int:
    count = 0
    for buffer in buffers:
        part = end.arrived[: len(buffer)]
        buffer[: len(part)] = part
        del end.arrived[: len(part)]
        count += len(part)
    return count


class Memory(NamedTuple):
    """The provider in memory, and its entry of the catalog."""

    provider: MemoryProvider
    entry: CatalogEntry

    def connected(self, flags: int = 1) -> tuple[int, int]:
        """Two connected handles."""
        return self.provider.connected(self.entry.catalog_id, flags)
