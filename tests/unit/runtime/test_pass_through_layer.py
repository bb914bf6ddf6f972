"""The five upcalls at work: a hand-written non-IFS layer, and clients with every kind of completion (layering 12)."""

import ctypes
import os
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from support.calls import alertable
from support.memory_provider import Memory
from support.pass_through import PassThrough
from support.threads import until
from ws2spi import kernel32, ws2_32
from ws2spi._abi.constants import INVALID_HANDLE_VALUE
from ws2spi._abi.errors import WSAError
from ws2spi._executive.handles import handles
from ws2spi._runtime.process import runtime
from ws2spi._runtime.sockets import sockets

byref = ctypes.byref


class Stage:
    """A client's socket on top of the layer, and the far end of its connection, straight on the provider in memory."""

    def __init__(self, memory: Memory) -> None:
        self.layer = PassThrough()
        self.entry = self.layer.install(memory.entry)
        self.client = ws2_32.WSASocketW(2, 1, 6, None, 0, 1)
        assert self.client != 2**64 - 1, ws2_32.WSAGetLastError()
        self.context = next(iter(self.layer.contexts.values()))
        self.far, spare = memory.connected()
        # The lower socket takes the place of the second of two connected ones.
        lower, other = sockets.lookup(self.context.lower), sockets.lookup(spare)
        lower.context.peer, other.context.peer.peer = other.context.peer, lower.context  # type: ignore[attr-defined]
        self.spare = spare

    def close(self) -> None:
        for handle in (self.client, self.far, self.spare):
            ws2_32.closesocket(handle)


@pytest.fixture
def stage(memory: Memory) -> Iterator[Stage]:
    stage = Stage(memory)
    yield stage
    stage.close()
    until(lambda: not (runtime.starts and stage.context.outstanding))
    Receive.kept.clear()


class Receive:
    """An overlapped receive of a client, which keeps its memory until the operation has ended, as clients must."""

    kept: ClassVar[list["Receive"]] = []

    def __init__(self, handle: int, routine: Any = None, event: int = 0, size: int = 32) -> None:
        self.kept.append(self)
        self.memory = ctypes.create_string_buffer(size)
        self.buffer = ws2_32.WSABUF(size, ctypes.addressof(self.memory))
        self.overlapped = ws2_32.WSAOVERLAPPED(hEvent=event)
        self.handle = handle
        result = ws2_32.WSARecv(
            handle, byref(self.buffer), 1, None, byref(ctypes.c_uint32()), byref(self.overlapped), routine
        )
        self.code = ws2_32.WSAGetLastError() if result else 0

    def result(self, wait: bool = False) -> tuple[int, int, int]:
        """(TRUE or FALSE, bytes, last error)."""
        transferred, flags = ctypes.c_uint32(99), ctypes.c_uint32()
        done = ws2_32.WSAGetOverlappedResult(
            self.handle, byref(self.overlapped), byref(transferred), wait, byref(flags)
        )
        return done, transferred.value, ws2_32.WSAGetLastError() if not done else 0


def test_the_chain_is_chosen_and_the_layer_gets_its_own_handle(stage: Stage, memory: Memory) -> None:
    """layering 2, 4"""
    entry = sockets.lookup(stage.client)
    assert entry.catalog_id == stage.entry.catalog_id
    assert not entry.ifs
    assert stage.context.lower != stage.client
    assert sockets.lookup(stage.context.lower).provider is memory.provider
    assert stage.layer.calls[:2] == ["WSPStartup", "WSPSocket"]


def test_plain_calls_go_through_the_layer(stage: Stage) -> None:
    """layering 4: every function translates the handle"""
    assert ws2_32.send(stage.client, b"down", 4, 0) == 4
    data = ctypes.create_string_buffer(8)
    assert ws2_32.recv(stage.far, data, 8, 0) == 4
    assert ws2_32.send(stage.far, b"upward", 6, 0) == 6
    assert ws2_32.recv(stage.client, data, 8, 0) == 6
    assert data.raw[:6] == b"upward"
    assert (stage.context.sent, stage.context.received) == (4, 6)


def test_event_client(stage: Stage) -> None:
    """layering 5.3 5b"""
    event = ws2_32.WSACreateEvent()
    receive = Receive(stage.client, event=event)
    assert receive.code == WSAError.WSA_IO_PENDING
    assert receive.result() == (0, 99, WSAError.WSA_IO_INCOMPLETE)
    ws2_32.send(stage.far, b"for the event", 13, 0)
    assert receive.result(wait=True) == (1, 13, 0)
    assert receive.memory.raw[:13] == b"for the event"
    ws2_32.WSACloseEvent(event)


def test_routine_client_is_called_in_its_own_thread_and_only_when_it_waits(stage: Stage) -> None:
    """layering 12.2, 12.3, 12.7: opens nothing, queues to the client's thread, results visible first"""
    told: list[tuple[Any, ...]] = []
    import threading

    def routine(error: int, transferred: int, overlapped: Any, flags: int) -> None:
        told.append((error, transferred, overlapped.contents.InternalHigh, threading.get_ident()))

    receive = Receive(stage.client, routine)
    assert receive.code == WSAError.WSA_IO_PENDING
    ws2_32.send(stage.far, b"for the routine", 15, 0)
    until(lambda: stage.context.outstanding == 0)
    assert told == []
    assert alertable(5) == 0xC0
    assert told == [(0, 15, 15, threading.get_ident())]


def test_compiled_routine_gets_the_pointer_type_that_it_declares(stage: Stage) -> None:
    """design "exact faces": a script's own OVERLAPPED and prototype"""

    class Own(ctypes.Structure):
        _fields_ = ws2_32.WSAOVERLAPPED._fields_

    told: list[tuple[int, int]] = []
    prototype = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32, ctypes.POINTER(Own), ctypes.c_uint32)
    routine = prototype(lambda error, count, overlapped, flags: told.append((count, overlapped.contents.InternalHigh)))
    Receive(stage.client, routine)
    ws2_32.send(stage.far, b"abc", 3, 0)
    assert alertable(5) == 0xC0
    assert told == [(3, 3)]


def test_port_client_gets_one_packet_with_its_own_key_and_pointer(stage: Stage) -> None:
    """layering 12.1: the layer neither knows the port nor needs to"""
    port = kernel32.CreateIoCompletionPort(INVALID_HANDLE_VALUE, None, 0, 0)
    assert kernel32.CreateIoCompletionPort(stage.client, port, 0x99, 0) == port
    receive = Receive(stage.client)
    ws2_32.send(stage.far, b"for the port", 12, 0)
    transferred, key = ctypes.c_uint32(), ctypes.c_uint64()
    pointer = ctypes.POINTER(ws2_32.WSAOVERLAPPED)()
    assert kernel32.GetQueuedCompletionStatus(port, byref(transferred), byref(key), byref(pointer), 5000)
    assert (transferred.value, key.value) == (12, 0x99)
    assert ctypes.addressof(pointer.contents) == ctypes.addressof(receive.overlapped)
    assert not kernel32.GetQueuedCompletionStatus(port, byref(transferred), byref(key), byref(pointer), 0)
    kernel32.CloseHandle(port)


def test_overlapped_send(stage: Stage) -> None:
    """layering 5.2: sends are substituted like receives"""
    memory = ctypes.create_string_buffer(b"overlapped send")
    event = ws2_32.WSACreateEvent()
    overlapped = ws2_32.WSAOVERLAPPED(hEvent=event)
    buffers = (ws2_32.WSABUF * 2)((10, ctypes.addressof(memory)), (5, ctypes.addressof(memory) + 10))
    assert ws2_32.WSASend(stage.client, buffers, 2, None, 0, byref(overlapped), None) == -1
    assert ws2_32.WSAGetLastError() == WSAError.WSA_IO_PENDING
    assert kernel32.WaitForSingleObject(event, 5000) == 0
    data = ctypes.create_string_buffer(32)
    assert ws2_32.recv(stage.far, data, 32, 0) == 15
    assert data.value == b"overlapped send"
    ws2_32.WSACloseEvent(event)


def test_close_with_a_pending_receive_announces_the_abort_and_frees_the_handle_afterwards(stage: Stage) -> None:
    """layering 12.6"""
    event = ws2_32.WSACreateEvent()
    receive = Receive(stage.client, event=event)
    until(lambda: stage.context.lower and sockets.lookup(stage.context.lower).context.waiting)  # type: ignore[attr-defined]
    assert ws2_32.closesocket(stage.client) == 0
    assert kernel32.WaitForSingleObject(event, 5000) == 0
    assert receive.overlapped.OffsetHigh == WSAError.WSA_OPERATION_ABORTED
    until(lambda: stage.client not in sockets.entries)
    assert not stage.layer.contexts
    ws2_32.WSACloseEvent(event)


def test_two_such_layers_each_get_their_own_context(stage: Stage) -> None:
    """layering 12.4: upcalls are not cross-wired"""
    upper = PassThrough()
    upper.install(stage.entry)
    client = ws2_32.WSASocketW(2, 1, 6, None, 0, 1)
    assert client != 2**64 - 1, ws2_32.WSAGetLastError()
    top = next(iter(upper.contexts.values()))
    middle = stage.layer.find(top.lower, byref(ctypes.c_int()))
    assert middle is not None
    assert middle.upper == top.lower
    assert upper.find(client, byref(ctypes.c_int())) is top
    ws2_32.closesocket(client)
    until(lambda: client not in sockets.entries and top.lower not in sockets.entries)


def test_what_the_layer_writes_as_a_file_goes_through_its_wspsend(stage: Stage) -> None:
    """layering 6: WriteFile on a non-IFS handle becomes WSPSend of the owning provider"""
    os.write(stage.client, b"as a file, ")
    until(lambda: stage.context.sent == 11)
    ws2_32.send(stage.client, b"as a socket", 11, 0)
    data = ctypes.create_string_buffer(64)
    assert ws2_32.recv(stage.far, data, 64, 0) == 22
    assert data.value == b"as a file, as a socket"


def test_file_writes_and_sends_keep_their_order(stage: Stage) -> None:
    """upcalls 5.1 Handle nature: none lost or reordered when the client mixes both"""
    expected = b""
    for number in range(120):
        piece = f"{number};".encode()
        expected += piece
        if number % 3:
            os.write(stage.client, piece)
        else:
            assert ws2_32.send(stage.client, piece, len(piece), 0) == len(piece)
    until(lambda: stage.context.sent == len(expected))
    data = ctypes.create_string_buffer(len(expected))
    assert ws2_32.recv(stage.far, data, len(expected), 0) == len(expected)
    assert data.raw == expected


def test_cleanup_stops_the_layer_and_leaves_no_handles(stage: Stage) -> None:
    """layering 5.5: worker threads must not outlive WSPCleanup; each lower start has its clean-up"""
    told: list[object] = []
    Receive(stage.client, lambda *_: told.append(1))
    before = stage.layer.private
    assert before is not None
    runtime.cleanup()
    assert stage.layer.calls[-1] == "WSPCleanup"
    assert not before.is_alive()
    assert told == []
    assert not sockets.entries
    assert len(handles) < 200
