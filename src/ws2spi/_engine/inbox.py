"""What the pump has brought and nobody has taken yet. Both kinds are true when there is something.

An interrupt finds each change done or not begun: they are made by operators, not by calls (`interrupts.py`).
"""

from collections import deque
from typing import Any


class ByteInbox(bytearray):
    """Of a stream: bytes, taken in any sizes."""

    __slots__ = ()

    def put(self, data: bytes) -> None:
        self += data

    def get(self, size: int) -> bytes:
        data = bytes(memoryview(self)[:size])
        del self[:size]
        return data

    def put_back(self, data: bytes) -> None:
        self[:0] = data

    def peek(self, size: int) -> bytes:
        return bytes(memoryview(self)[:size])

    def total(self) -> int:
        return len(self)


class ItemInbox(deque[Any]):
    """Of a datagram socket (datagram, sender) or a listener (a connection): one at a time, whatever the size."""

    __slots__ = ()

    def put(self, item: Any) -> None:
        self += (item,)

    def get(self, size: int) -> Any:
        item = self[0]
        del self[0]
        return item

    def put_back(self, item: Any) -> None:
        for _ in map(self.appendleft, (item,)):
            return  # not another turn: an interrupt would strike there, and the item would be put back twice

    def peek(self, size: int) -> Any:
        return self[0]

    def total(self) -> int:
        """Bytes of all datagrams together; connections have none."""
        return sum(len(item[0]) for item in self if type(item) is tuple)
