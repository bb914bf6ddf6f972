"""WPUCompleteOverlappedRequest and the order of things: spec upcalls, sections 5.5, 8 and 9.10 to 9.13."""

import ctypes
import socket
import threading
from typing import Any

import pytest

from support.calls import UNTOUCHED, alertable, code_of
from support.memory_provider import Memory
from ws2spi import kernel32, ws2_32
from ws2spi._abi.constants import INVALID_HANDLE_VALUE, STATUS_CANCELLED, STATUS_PENDING
from ws2spi._abi.errors import WSAError
from ws2spi._executive.overlapped import Overlapped
from ws2spi._runtime import upcalls

byref = ctypes.byref


class Client:
    """A handle of the provider in memory, with a port or an event at hand."""

    def __init__(self, memory: Memory) -> None:
        self.handle = upcalls.create_socket_handle(memory.entry.catalog_id)
        self.event = ws2_32.WSACreateEvent()
        self.port = 0

    def associate(self, key: int = 0x77) -> None:
        self.port = kernel32.CreateIoCompletionPort(INVALID_HANDLE_VALUE, None, 0, 0)
        assert kernel32.CreateIoCompletionPort(self.handle, self.port, key, 0) == self.port

    def event_is_set(self) -> bool:
        return bool(kernel32.WaitForSingleObject(self.event, 0) == 0)

    def packet(self) -> tuple[bool, int, int, Any]:
        """(result, bytes, key, overlapped pointer) of GetQueuedCompletionStatus without waiting."""
        transferred, key = ctypes.c_uint32(), ctypes.c_uint64()
        overlapped = ctypes.POINTER(ws2_32.WSAOVERLAPPED)()
        result = kernel32.GetQueuedCompletionStatus(self.port, byref(transferred), byref(key), byref(overlapped), 0)
        return bool(result), transferred.value, key.value, overlapped

    def complete(self, overlapped: Any, code: int = 0, transferred: int = 0) -> tuple[int, int]:
        return code_of(ws2_32.WPUCompleteOverlappedRequest, self.handle, byref(overlapped), code, transferred)

    def close(self) -> None:
        upcalls.close_socket_handle(self.handle)
        kernel32.CloseHandle(self.event)
        if self.port:
            kernel32.CloseHandle(self.port)


@pytest.fixture
def client(memory: Memory) -> Any:
    client = Client(memory)
    yield client
    client.close()


def test_it_signals_the_event(client: Client) -> None:
    """upcalls 5.5 Effect"""
    overlapped = ws2_32.WSAOVERLAPPED(Internal=STATUS_PENDING, hEvent=client.event)
    assert client.complete(overlapped, 0, 12) == (0, UNTOUCHED)
    assert client.event_is_set()
    assert (overlapped.Internal, overlapped.InternalHigh) == (0, 12)


def test_it_queues_a_packet_to_the_port_of_the_handle(client: Client) -> None:
    """upcalls 5.5 Effect, Packet: bytes, key of the association, the client's own pointer"""
    client.associate(0xFEDCBA9876543210)
    overlapped = ws2_32.WSAOVERLAPPED(Internal=STATUS_PENDING)
    assert client.complete(overlapped, 0, 12) == (0, UNTOUCHED)
    result, transferred, key, pointer = client.packet()
    assert (result, transferred, key) == (True, 12, 0xFEDCBA9876543210)
    assert ctypes.addressof(pointer.contents) == ctypes.addressof(overlapped)


def test_a_handle_that_create_did_not_make_is_wsaeinval(memory: Memory) -> None:
    """upcalls 5.5 Return / errors: not WSAENOTSOCK"""
    overlapped = ws2_32.WSAOVERLAPPED(Internal=STATUS_PENDING)
    answer = code_of(ws2_32.WPUCompleteOverlappedRequest, 4711, byref(overlapped), 0, 0)
    assert answer == (-1, WSAError.WSAEINVAL)
    assert overlapped.Internal == STATUS_PENDING
    one, other = socket.socketpair()
    with one, other:
        upcalls.modify_ifs_handle(memory.entry.catalog_id, one.fileno())
        answer = code_of(ws2_32.WPUCompleteOverlappedRequest, one.fileno(), byref(overlapped), 0, 0)
        assert answer == (-1, WSAError.WSAEINVAL)
        upcalls.forget_ifs_handle(one.fileno())
    assert overlapped.Internal == STATUS_PENDING


def test_event_and_port_are_both_told(client: Client) -> None:
    """upcalls 5.5 Event or port?; 9.10"""
    client.associate()
    overlapped = ws2_32.WSAOVERLAPPED(Internal=STATUS_PENDING, hEvent=client.event)
    client.complete(overlapped, 0, 3)
    assert client.event_is_set()
    assert client.packet()[:2] == (True, 3)


def test_the_low_bit_of_the_event_suppresses_the_packet(client: Client) -> None:
    """upcalls 9.10 (witness F4)"""
    client.associate()
    overlapped = ws2_32.WSAOVERLAPPED(Internal=STATUS_PENDING, hEvent=client.event | 1)
    client.complete(overlapped, 0, 3)
    assert client.event_is_set()
    assert client.packet()[0] is False


def test_no_apc_is_ever_queued(client: Client) -> None:
    """upcalls 5.5 Not for APC"""
    client.complete(ws2_32.WSAOVERLAPPED(Internal=STATUS_PENDING))
    assert alertable() == 0x102


def test_it_works_without_a_port_and_without_an_event(client: Client) -> None:
    """upcalls 5.5 Works: whether or not a port is associated"""
    overlapped = ws2_32.WSAOVERLAPPED(Internal=STATUS_PENDING)
    assert client.complete(overlapped, 0, 5) == (0, UNTOUCHED)
    assert (overlapped.Internal, overlapped.InternalHigh) == (0, 5)


def test_internal_high_is_stored_before_internal(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """upcalls 5.5 Memory effects, 8: a poller that sees a final Internal may trust the count"""
    overlapped = ws2_32.WSAOVERLAPPED(Internal=STATUS_PENDING)
    wrong: list[int] = []
    done = threading.Event()

    def poll() -> None:
        while overlapped.Internal == STATUS_PENDING:
            if done.is_set():
                return
        if overlapped.InternalHigh != 41:
            wrong.append(overlapped.InternalHigh)

    poller = threading.Thread(target=poll)
    poller.start()
    client.complete(overlapped, 0, 41)
    poller.join(5)
    done.set()
    assert wrong == []


class _Recording(ctypes.Structure):
    """An OVERLAPPED that writes down in which order it is written."""

    _fields_ = ws2_32.WSAOVERLAPPED._fields_

    def __setattr__(self, name: str, value: object) -> None:
        order.append(name)
        super().__setattr__(name, value)


order: list[str] = []


def test_order_of_the_stores(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """upcalls 8: results before notification, InternalHigh before Internal"""
    from ws2spi._executive.events import Event

    overlapped = _Recording()
    overlapped.Internal = STATUS_PENDING
    overlapped.hEvent = client.event
    order.clear()
    real = Event.set
    monkeypatch.setattr(Event, "set", lambda self: (order.append("event"), real(self))[1])
    client.complete(overlapped, 0, 1)
    assert order == ["InternalHigh", "Internal", "event"]


def test_the_error_becomes_internal_and_the_status_of_the_packet(client: Client) -> None:
    """upcalls 5.5 dwError; 9.11"""
    client.associate()
    overlapped = ws2_32.WSAOVERLAPPED(Internal=STATUS_PENDING)
    assert client.complete(overlapped, WSAError.WSA_OPERATION_ABORTED, 7) == (0, UNTOUCHED)
    assert (overlapped.Internal, overlapped.InternalHigh) == (STATUS_CANCELLED, 7)
    result, transferred, _, pointer = client.packet()
    assert (result, transferred) == (False, 7)
    assert pointer
    assert kernel32.GetLastError() == 995


def test_offset_and_offset_high_belong_to_the_provider(client: Client) -> None:
    """upcalls 5.5 Provider-owned fields"""
    overlapped = ws2_32.WSAOVERLAPPED(Internal=STATUS_PENDING, Offset=1, OffsetHigh=2)
    client.complete(overlapped, WSAError.WSAECONNRESET, 0)
    assert (overlapped.Offset, overlapped.OffsetHigh) == (1, 2)


def test_a_second_completion_announces_again(client: Client) -> None:
    """upcalls 9.12"""
    client.associate()
    overlapped = ws2_32.WSAOVERLAPPED(Internal=STATUS_PENDING)
    for transferred in (1, 2):
        assert client.complete(overlapped, 0, transferred) == (0, UNTOUCHED)
    assert [client.packet()[1], client.packet()[1]] == [1, 2]


def test_a_null_overlapped_is_wsaefault(client: Client) -> None:
    """upcalls 9.13"""
    answer = code_of(ws2_32.WPUCompleteOverlappedRequest, client.handle, None, 0, 0)
    assert answer == (-1, WSAError.WSAEFAULT)


def test_it_is_exported_by_name_and_absent_from_the_table(started: None) -> None:
    """upcalls 1: the exception to "every upcall is reached through the table" """
    from ws2spi._runtime.tables import upcall_table

    assert callable(ws2_32.WPUCompleteOverlappedRequest)
    assert not any("Complete" in name for name in upcall_table().__slots__)


def test_a_closed_event_is_no_obstacle(client: Client) -> None:
    """upcalls 5.5 Effect: hEvent no longer names an event; the port is told"""
    client.associate()
    overlapped = ws2_32.WSAOVERLAPPED(Internal=STATUS_PENDING, hEvent=0x7FFFFFF0)
    assert client.complete(overlapped, 0, 1) == (0, UNTOUCHED)
    assert client.packet()[:2] == (True, 1)


# 8. Ordering summary: what the runtime itself guarantees on the whole way


def _receive(handle: int, overlapped: Any, routine: Any = None, size: int = 16) -> tuple[int, int, Any]:
    """(result, last error, memory) of a WSARecv."""
    memory = ctypes.create_string_buffer(size)
    buffer = ws2_32.WSABUF(size, ctypes.addressof(memory))
    result = ws2_32.WSARecv(handle, byref(buffer), 1, None, byref(ctypes.c_uint32()), byref(overlapped), routine)
    return result, ws2_32.WSAGetLastError() if result else 0, memory


def test_an_immediate_success_is_told_before_the_call_returns(memory: Memory) -> None:
    """upcalls 8 "Immediate success": event already set or APC already queued"""
    ran: list[int] = []
    first, second = memory.connected()
    event = ws2_32.WSACreateEvent()
    ws2_32.send(first, b"abcdef", 6, 0)
    overlapped = ws2_32.WSAOVERLAPPED(hEvent=event)
    assert _receive(second, overlapped, size=3)[0] == 0
    assert kernel32.WaitForSingleObject(event, 0) == 0
    routine = lambda code, count, ov, flags: ran.append(count)  # noqa: E731
    assert _receive(second, ws2_32.WSAOVERLAPPED(), routine, size=3)[0] == 0
    assert ran == []
    assert alertable() == 0xC0
    assert ran == [3]
    ws2_32.WSACloseEvent(event)


def test_an_immediate_failure_is_told_to_nobody(memory: Memory) -> None:
    """upcalls 8 "Immediate failure other than WSA_IO_PENDING" (witness F10: Internal stays 0x103)"""
    handle = memory.provider.socket(2, 1, 6, memory.entry, 1)
    event = ws2_32.WSACreateEvent()
    ws2_32.WSASetEvent(event)
    overlapped = ws2_32.WSAOVERLAPPED(hEvent=event)
    assert _receive(handle, overlapped)[:2] == (-1, WSAError.WSAENOTCONN)
    assert overlapped.Internal == STATUS_PENDING
    assert kernel32.WaitForSingleObject(event, 0) == 0x102
    assert _receive(handle, ws2_32.WSAOVERLAPPED(), lambda *_: None)[0] == -1
    assert alertable() == 0x102
    upcalls.close_socket_handle(handle)
    ws2_32.WSACloseEvent(event)


def test_a_completion_may_be_announced_before_the_start_returns(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """upcalls 8 "Completion may be announced before the initiating call returns WSA_IO_PENDING" """
    first, second = memory.connected()
    event = ws2_32.WSACreateEvent()
    real = memory.provider.recv

    def hasty(entry: Any, buffers: Any, flags: int, completion: Any) -> Any:
        result = real(entry, buffers, flags, completion)
        ws2_32.send(first, b"early", 5, 0)
        assert kernel32.WaitForSingleObject(event, 0) == 0
        return result

    monkeypatch.setattr(memory.provider, "recv", hasty)
    overlapped = ws2_32.WSAOVERLAPPED(hEvent=event)
    result, code, data = _receive(second, overlapped)
    assert (result, code) == (-1, WSAError.WSA_IO_PENDING)
    assert overlapped.InternalHigh == 5
    assert data.raw[:5] == b"early"
    ws2_32.WSACloseEvent(event)


def test_pure_python_operations_end_the_same_way(memory: Memory) -> None:
    """One home for the rules: an operation without a structure of the client's"""
    from ws2spi._runtime.completion import Completion
    from ws2spi._runtime.sockets import sockets

    first, _ = memory.connected()
    told: list[tuple[Any, ...]] = []
    completion = Completion.pure(sockets.lookup(first), Overlapped(), lambda *args: told.append(args))
    completion.complete(WSAError.WSAECONNRESET, 9, 2)
    assert alertable() == 0xC0
    assert told == [(WSAError.WSAECONNRESET, 0, completion.overlapped, 2)]
