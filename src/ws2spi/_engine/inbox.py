"""What the pump has brought and nobody has taken yet."""

import builtins
from collections import deque
from typing import Any


class ByteInbox:
    """Of a stream: bytes, taken in any sizes."""

    __slots__ = ("_bytes",)

    def __init__(self) -> None:
        self._bytes = bytearray()

    def __len__(self) -> int:
        return len(self._bytes)

    def bytes(self) -> int:
        return len(self._bytes)

    def put(self, data: builtins.bytes) -> None:
        self._bytes += data

    def take(self, size: int) -> builtins.bytes:
        data = builtins.bytes(memoryview(self._bytes)[:size])
        del self._bytes[: len(data)]
        return data

    def peek(self, size: int) -> builtins.bytes:
        return builtins.bytes(memoryview(self._bytes)[:size])

    def clear(self) -> None:
        self._bytes.clear()


class ItemInbox:
    """Of a datagram socket (datagram, sender) or a listener (a connection): one at a time, whatever the size."""

    __slots__ = ("_items",)

    def __init__(self) -> None:
        self._items: deque[Any] = deque()

    def __len__(self) -> int:
        return len(self._items)

    def bytes(self) -> int:
        """Of all datagrams together; connections have none."""
        return sum(len(item[0]) for item in self._items if type(item) is tuple)

    def put(self, item: Any) -> None:
        self._items.append(item)

    def take(self, size: int) -> Any:
        return self._items.popleft()

    def peek(self, size: int) -> Any:
        return self._items[0]

    def clear(self) -> None:
        self._items.clear()
