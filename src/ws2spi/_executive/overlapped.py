"""Overlapped records: what is remembered of one pending operation, and its status block.

Rules:
1. `InternalHigh` is stored before `Internal`, and both before anybody is told: whoever sees a final `Internal`, a set
   event, a packet or a routine may trust the count.
2. The event is captured when the record is made: closing its handle or changing hEvent afterwards changes nothing.
3. While pending, the record is in the table of its address and keeps the client's memory alive.
"""

import ctypes
import os
from typing import Any

from ws2spi._abi import memory
from ws2spi._abi.constants import STATUS_PENDING
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.types import OVERLAPPED
from ws2spi._executive.events import Event
from ws2spi._executive.handles import HandleTable
from ws2spi._executive.waitable import Waitable

_pending: dict[int, "Overlapped"] = {}  # {address of the client's OVERLAPPED: its latest pending operation}


class Overlapped(Waitable):
    """One operation; signalled when it is over.

    Parameters:
        structure: the client's OVERLAPPED (any layout with its field names), or None for a pure Python operation.
        event: set when the operation ends.
        packet: whether the client wants a port packet (the low bit of hEvent says no).
        keep: what the client passed; held while pending.
    """

    __slots__ = ("address", "event", "keep", "packet", "pending", "status", "structure", "transferred")

    def __init__(
        self, structure: Any = None, *, event: Event | None = None, packet: bool = True, keep: Any = None
    ) -> None:
        super().__init__()
        self.structure = structure
        self.address = 0 if structure is None else ctypes.addressof(structure)
        self.event = event
        self.packet = packet
        self.keep = keep
        self.pending = False
        self.status = 0
        self.transferred = 0

    @classmethod
    def from_argument(cls, argument: Any, handles: HandleTable, *, with_event: bool = True) -> "Overlapped":
        """The record for an LPOVERLAPPED argument (anything ctypes passes as a pointer, not NULL).

        With `with_event` False (a completion routine was given) hEvent is the client's own and is not looked at.
        Raises WSA_INVALID_HANDLE when hEvent names no event.
        """
        structure = memory.deref(argument, OVERLAPPED)
        if structure is None:
            raise WinsockError(WSAError.WSAEFAULT, "lpOverlapped is NULL")
        event = None
        packet = True
        if with_event:
            number = structure.hEvent or 0
            packet = not number & 1
            if number & ~1:
                event = handles.get(number, Event)
                if event is None:
                    raise WinsockError(WSAError.WSA_INVALID_HANDLE, "hEvent")
        return cls(structure, event=event, packet=packet, keep=argument)

    def __repr__(self) -> str:
        state = "pending" if self.pending else f"ended 0x{self.status:X}, {self.transferred} bytes"
        return f"<Overlapped 0x{self.address:x} {state}>"

    def start(self) -> None:
        """The operation is pending: Internal says so, the event is reset, InternalHigh stays as it is."""
        self.pending = True
        self.status = STATUS_PENDING
        if self.structure is not None:
            self.structure.Internal = STATUS_PENDING
            _pending[self.address] = self
        if self.event is not None:
            self.event.reset()

    def complete(self, status: int, transferred: int) -> None:
        """The operation is over: store an NTSTATUS and the byte count, then set the event."""
        self.store(status, transferred)
        if self.event is not None:
            self.event.set()

    def store(self, status: int, transferred: int) -> None:
        """The status block alone, for who tells the client by other means (a routine)."""
        self.transferred = transferred
        self.status = status
        structure = self.structure
        if structure is not None:
            structure.InternalHigh = transferred
            structure.Internal = status
            if _pending.get(self.address) is self:
                _pending.pop(self.address, None)
        self.pending = False
        if self._waiters:
            self._release_waiters()

    def refuse(self) -> None:
        """The start failed: nobody is told, and the status block says "in progress" for ever (witness F10)."""
        if _pending.get(self.address) is self:
            _pending.pop(self.address, None)
        self.pending = False

    def signalled(self) -> bool:
        """Whether the operation is over."""
        return not self.pending


os.register_at_fork(after_in_child=_pending.clear)


def pending_at(address: int) -> Overlapped | None:
    """The pending operation whose OVERLAPPED lies at `address`."""
    return _pending.get(address)


def pending_count() -> int:
    """How many operations with an OVERLAPPED are pending in the process."""
    return len(_pending)
