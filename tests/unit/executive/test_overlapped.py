"""Overlapped records (executive.md 6; witness F, G; upcalls 5.5)."""

import ctypes
import gc
import weakref

import pytest

from support.threads import LONG, Running, blocked_on
from ws2spi._abi.constants import STATUS_CANCELLED, STATUS_PENDING, WAIT_OBJECT_0, WAIT_TIMEOUT
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.types import OVERLAPPED
from ws2spi._executive.events import Event
from ws2spi._executive.handles import HandleTable
from ws2spi._executive.overlapped import Overlapped, pending_at, pending_count
from ws2spi._executive.waits import wait


def test_start_marks_pending_and_resets_the_event() -> None:
    """F7: Internal 0x103, event reset, InternalHigh untouched."""
    client = OVERLAPPED(InternalHigh=77)
    event = Event(True, signalled=True)
    record = Overlapped(client, event=event)
    record.start()
    assert (client.Internal, client.InternalHigh) == (STATUS_PENDING, 77)
    assert not event.is_set()
    assert record.pending
    assert pending_at(ctypes.addressof(client)) is record
    record.complete(0, 5)


def test_complete_stores_both_then_tells() -> None:
    """G1: write both, then tell."""
    seen: list[tuple[int, int, bool]] = []
    client = OVERLAPPED()

    class Watched(Event):
        __slots__ = ()

        def set(self) -> None:
            seen.append((client.Internal, client.InternalHigh, record.pending))
            super().set()

    record = Overlapped(client, event=Watched(True))
    record.start()
    record.complete(STATUS_CANCELLED, 3)
    assert seen == [(STATUS_CANCELLED, 3, False)]
    assert pending_at(ctypes.addressof(client)) is None


def test_internal_high_is_stored_before_internal() -> None:
    """upcalls 5.5 Memory effects."""
    order: list[str] = []

    class Client:
        def __setattr__(self, name: str, value: int) -> None:
            order.append(name)

    record = Overlapped()
    record.structure = Client()
    record.store(0, 9)
    assert order == ["InternalHigh", "Internal"]


def test_record_is_waitable() -> None:
    """G6: a wait for this operation itself."""
    record = Overlapped(OVERLAPPED())
    record.start()
    assert wait((record,), timeout=0) == WAIT_TIMEOUT
    worker = Running(lambda: wait((record,), timeout=LONG))
    blocked_on(record)(1)
    record.complete(0, 0)
    assert worker.result() == WAIT_OBJECT_0


def test_pending_record_keeps_the_clients_memory_alive() -> None:
    client = OVERLAPPED()
    seen = weakref.ref(client)
    address = ctypes.addressof(client)
    record = Overlapped.from_argument(ctypes.byref(client), HandleTable())
    record.start()
    del client, record
    gc.collect()
    kept = pending_at(address)
    assert kept is not None
    assert seen() is kept.structure
    kept.complete(0, 1)
    del kept
    gc.collect()
    assert seen() is None


def test_event_is_captured() -> None:
    """F15."""
    table = HandleTable()
    event = Event(True)
    handle = table.insert(event)
    client = OVERLAPPED(hEvent=handle)
    record = Overlapped.from_argument(ctypes.pointer(client), table)
    record.start()
    table.close(handle)
    client.hEvent = 0
    record.complete(0, 0)
    assert event.is_set()


def test_low_bit_of_the_event_asks_for_no_packet() -> None:
    """F4."""
    table = HandleTable()
    event = Event(True)
    record = Overlapped.from_argument(OVERLAPPED(hEvent=table.insert(event) | 1), table)
    assert record.event is event
    assert not record.packet


def test_event_of_one_is_no_event_and_no_packet() -> None:
    """F5."""
    record = Overlapped.from_argument(OVERLAPPED(hEvent=1), HandleTable())
    assert record.event is None
    assert not record.packet


def test_bad_event_is_refused_unless_a_routine_is_given() -> None:
    """F11: WSA_INVALID_HANDLE; F8: with a routine hEvent is the client's own."""
    with pytest.raises(WinsockError) as refusal:
        Overlapped.from_argument(OVERLAPPED(hEvent=0x50000), HandleTable())
    assert refusal.value.code == WSAError.WSA_INVALID_HANDLE
    record = Overlapped.from_argument(OVERLAPPED(hEvent=0x50000), HandleTable(), with_event=False)
    assert record.event is None


def test_null_is_refused() -> None:
    with pytest.raises(WinsockError) as refusal:
        Overlapped.from_argument(None, HandleTable())
    assert refusal.value.code == WSAError.WSAEFAULT


def test_one_structure_for_two_operations() -> None:
    """F17: not detected; the last writer wins, and each end leaves the other alone."""
    client = OVERLAPPED()
    first, second = Overlapped(client), Overlapped(client)
    first.start()
    second.start()
    first.complete(0, 1)
    assert pending_at(ctypes.addressof(client)) is second
    second.complete(0, 2)
    assert client.InternalHigh == 2
    assert pending_at(ctypes.addressof(client)) is None


def test_clients_own_layout_is_written_by_name() -> None:
    class Own(ctypes.Structure):
        _fields_ = [
            ("Internal", ctypes.c_void_p),
            ("InternalHigh", ctypes.c_void_p),
            ("Offset", ctypes.c_ulong),  # eight bytes here
            ("OffsetHigh", ctypes.c_ulong),
            ("hEvent", ctypes.c_void_p),
        ]

    client = Own()
    record = Overlapped.from_argument(ctypes.byref(client), HandleTable())
    record.start()
    assert client.Internal == STATUS_PENDING
    record.complete(0, 12)
    assert (client.Internal, client.InternalHigh) == (None, 12)


def test_pure_python_record_has_no_address() -> None:
    before = pending_count()
    record = Overlapped()
    record.start()
    assert pending_count() == before
    record.complete(0, 4)
    assert (record.status, record.transferred, record.pending) == (0, 4, False)
