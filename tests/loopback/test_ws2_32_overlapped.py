"""Overlapped I/O through the exact face over real sockets: witness rows F, G, J, K ("our rule"), executive 6 to 9."""

import ctypes
import threading
from typing import Any

import pytest

from support.threads import Running, until
from support.winsock import (
    Operation,
    byref,
    close,
    connected,
    error,
    event,
    is_set,
    packet,
    port_for,
    read_all,
    received,
    set_nonblocking,
)
from ws2spi import kernel32, ws2_32
from ws2spi._abi.constants import STATUS_CANCELLED, STATUS_PENDING, WAIT_IO_COMPLETION
from ws2spi._abi.errors import WSAError
from ws2spi._executive.overlapped import pending_count

PENDING = WSAError.WSA_IO_PENDING
ABORTED = WSAError.WSA_OPERATION_ABORTED

pytestmark = pytest.mark.usefixtures("started")


@pytest.fixture
def pair() -> Any:
    kernel32.SleepEx(0, True)
    ends = connected()
    yield ends
    for s in ends:
        ws2_32.closesocket(s)


def ready(s: int, count: int) -> None:
    """Wait until `count` bytes can be received."""
    available = ctypes.c_uint32()

    def arrived() -> bool:
        assert ws2_32.ioctlsocket(s, 0x4004667F, byref(available)) == 0
        return available.value >= count

    until(arrived)


# F. Starting an operation and being told


def test_f1_immediate_end_with_nothing_asked_for(pair: tuple[int, int]) -> None:
    operation = Operation(pair[0], b"hello")
    assert (operation.code, operation.count.value) == (0, 5)
    assert (operation.internal, operation.overlapped.InternalHigh) == (0, 5)
    assert read_all(pair[1], 5) == b"hello"


@pytest.mark.parametrize("immediate", [True, False])
def test_f2_f7_event(pair: tuple[int, int], immediate: bool) -> None:
    client, server = pair
    with event() as handle:
        ws2_32.WSASetEvent(handle)  # set beforehand: the start resets it
        if immediate:
            ws2_32.send(server, b"abc", 3, 0)
            ready(client, 3)
        operation = Operation(client, 10, hEvent=handle)
        if not immediate:
            assert (operation.code, operation.internal, operation.overlapped.InternalHigh) == (PENDING, 0x103, 0)
            assert not is_set(handle)
            ws2_32.send(server, b"abc", 3, 0)
            assert is_set(handle, 5000)
            assert operation.count.value == 0xABCD  # the bytes variable stays untouched, also at the end
        assert is_set(handle)
        assert operation.result() == (1, 3, 0, 0)
        assert operation.memory.raw[:3] == b"abc"


@pytest.mark.parametrize("immediate", [True, False])
def test_f2_routine_runs_once_in_the_starting_thread(pair: tuple[int, int], immediate: bool) -> None:
    client, server = pair
    told: list[Any] = []

    def routine(code: int, count: int, overlapped: Any, flags: int) -> None:
        told.append((code, count, ctypes.addressof(overlapped.contents), flags, threading.get_ident()))

    if immediate:
        ws2_32.send(server, b"abc", 3, 0)
        ready(client, 3)
    operation = Operation(client, 10, routine)
    assert operation.code == (0 if immediate else PENDING)
    if not immediate:
        ws2_32.send(server, b"abc", 3, 0)
        until(lambda: operation.internal == 0)
    assert told == []
    assert kernel32.SleepEx(5000, True) == WAIT_IO_COMPLETION
    assert told == [(0, 3, operation.address, 0, threading.get_ident())]
    assert kernel32.SleepEx(0, True) == 0


@pytest.mark.parametrize("immediate", [True, False])
def test_f2_port(pair: tuple[int, int], immediate: bool) -> None:
    client, server = pair
    with port_for(client, 0x1234) as port:
        if immediate:
            ws2_32.send(server, b"abc", 3, 0)
            ready(client, 3)
        operation = Operation(client, 10)
        if not immediate:
            assert packet(port)[4] == 258
            ws2_32.send(server, b"abc", 3, 0)
        assert packet(port, 5000) == (True, 3, 0x1234, operation.address, 0)
        assert packet(port)[0] is False


def test_f3_event_and_port_are_both_told(pair: tuple[int, int]) -> None:
    with port_for(pair[0]) as port, event() as handle:
        Operation(pair[0], b"x", hEvent=handle)
        assert is_set(handle)
        assert packet(port)[:2] == (True, 1)


def test_f4_the_low_bit_of_the_event_suppresses_the_packet(pair: tuple[int, int]) -> None:
    with port_for(pair[0]) as port, event() as handle:
        Operation(pair[0], b"x", hEvent=handle | 1)
        assert is_set(handle)
        assert packet(port)[0] is False


def test_f5_an_event_of_1_is_no_event_and_no_packet(pair: tuple[int, int]) -> None:
    with port_for(pair[0]) as port:
        assert Operation(pair[0], b"x", hEvent=1).code == 0
        assert packet(port)[0] is False


def test_f8_with_a_routine_the_event_is_neither_reset_nor_set(pair: tuple[int, int]) -> None:
    with event() as handle:
        ws2_32.WSASetEvent(handle)
        operation = Operation(pair[0], 10, lambda *_: None, hEvent=handle)
        assert is_set(handle)
        ws2_32.WSAResetEvent(handle)
        ws2_32.send(pair[1], b"abc", 3, 0)
        assert kernel32.SleepEx(5000, True) == WAIT_IO_COMPLETION
        assert operation.internal == 0
        assert not is_set(handle)


def test_f9_a_routine_on_a_port_associated_socket_is_wsaeinval(pair: tuple[int, int]) -> None:
    told: list[Any] = []
    with port_for(pair[0]) as port:
        for data in (b"x", 10):
            operation = Operation(pair[0], data, lambda *_: told.append(1))
            assert (operation.code, operation.internal) == (WSAError.WSAEINVAL, STATUS_PENDING)
        assert kernel32.SleepEx(0, True) == 0
        assert packet(port)[0] is False
    assert told == []


def test_f10_an_immediate_failure_tells_nobody_and_leaves_0x103(pair: tuple[int, int]) -> None:
    assert ws2_32.shutdown(pair[0], 1) == 0
    with event() as handle:
        ws2_32.WSASetEvent(handle)
        operation = Operation(pair[0], b"late", hEvent=handle)
        assert (operation.code, operation.internal) == (WSAError.WSAESHUTDOWN, STATUS_PENDING)
        assert not is_set(handle)
        # It is not in use any more, so it may be used again.
        assert Operation(pair[1], b"x", hEvent=handle).code == 0


def test_f11_a_bad_socket_and_a_bad_event() -> None:
    with event() as handle:
        ws2_32.WSASetEvent(handle)
        assert Operation(4711, b"x", hEvent=handle).code == WSAError.WSAENOTSOCK
        assert is_set(handle)
    ends = connected()
    assert Operation(ends[0], b"x", hEvent=handle).code == WSAError.WSA_INVALID_HANDLE
    close(*ends)


def test_f12_the_number_of_bytes_may_be_null_with_an_overlapped_only(pair: tuple[int, int]) -> None:
    memory = ctypes.create_string_buffer(8)
    buffer = ws2_32.WSABUF(8, ctypes.addressof(memory))
    assert ws2_32.WSASend(pair[0], byref(buffer), 1, None, 0, None, None) == -1
    assert error() == WSAError.WSAEFAULT
    assert ws2_32.WSARecv(pair[0], byref(buffer), 1, None, byref(ctypes.c_uint32()), None, None) == -1
    assert error() == WSAError.WSAEFAULT
    overlapped = ws2_32.WSAOVERLAPPED()
    assert ws2_32.WSASend(pair[0], byref(buffer), 1, None, 0, byref(overlapped), None) == 0


def test_f13_on_a_non_overlapped_socket_the_call_blocks_and_fills_the_structure() -> None:
    client, server = connected(flags=0)
    told: list[Any] = []
    with event() as handle:
        running = Running(lambda: Operation(client, 10, lambda *_: told.append(1), hEvent=handle))
        ws2_32.send(server, b"abc", 3, 0)
        operation = running.result()
        assert (operation.code, operation.count.value, operation.internal) == (0, 3, 0)
        assert operation.overlapped.InternalHigh == 3
        assert is_set(handle)
        assert told == []
        set_nonblocking(client)
        assert Operation(client, 10).code == WSAError.WSAEWOULDBLOCK
    close(client, server)


def test_f14_the_blocking_mode_does_not_matter(pair: tuple[int, int]) -> None:
    set_nonblocking(pair[0])
    operation = Operation(pair[0], 10)
    assert operation.code == PENDING
    ws2_32.send(pair[1], b"abc", 3, 0)
    assert operation.result(wait=True)[:2] == (1, 3)


def test_f15_the_event_is_captured_at_the_start(pair: tuple[int, int]) -> None:
    with event() as first, event() as second:
        kept = kernel32.GetCurrentProcess()
        copy = ctypes.c_uint64()
        assert kernel32.DuplicateHandle(kept, first, kept, byref(copy), 0, 0, 2)
        operation = Operation(pair[0], 10, hEvent=first)
        operation.overlapped.hEvent = second
        ws2_32.send(pair[1], b"abc", 3, 0)
        assert is_set(copy.value, 5000)
        assert not is_set(second)
        kernel32.CloseHandle(copy.value)


def test_f16_the_buffer_array_is_captured_and_null_is_wsaefault(pair: tuple[int, int]) -> None:
    operation = Operation(pair[0], 10)
    operation.buffer.len, operation.buffer.buf = 0, None
    ws2_32.send(pair[1], b"captured", 8, 0)
    assert operation.result(wait=True)[:2] == (1, 8)
    assert operation.memory.raw[:8] == b"captured"
    overlapped = ws2_32.WSAOVERLAPPED()
    flags = ctypes.c_uint32()
    assert ws2_32.WSARecv(pair[0], byref(operation.buffer), 1, None, None, byref(overlapped), None) == -1
    assert error() == WSAError.WSAEFAULT
    assert ws2_32.WSARecv(pair[0], None, 1, None, byref(flags), byref(overlapped), None) == -1
    assert error() == WSAError.WSAEFAULT
    assert overlapped.Internal == 0


def test_f17_one_event_for_two_operations(pair: tuple[int, int]) -> None:
    with event() as handle:
        first = Operation(pair[0], 3, hEvent=handle)
        ws2_32.send(pair[1], b"abc", 3, 0)
        assert is_set(handle, 5000)
        second = Operation(pair[0], 3, hEvent=handle)
        assert not is_set(handle)  # the second start resets it
        ws2_32.send(pair[1], b"def", 3, 0)
        assert is_set(handle, 5000)
        assert (first.result()[:2], second.result()[:2]) == ((1, 3), (1, 3))


def test_f17_an_overlapped_in_use_is_wsaeinval(pair: tuple[int, int]) -> None:
    """design "exact faces": a second start on a pending one"""
    operation = Operation(pair[0], 10)
    memory = ctypes.create_string_buffer(4)
    buffer = ws2_32.WSABUF(4, ctypes.addressof(memory))
    again = ws2_32.WSARecv(pair[0], byref(buffer), 1, None, byref(operation.flags), byref(operation.overlapped), None)
    assert (again, error()) == (-1, WSAError.WSAEINVAL)
    ws2_32.send(pair[1], b"abc", 3, 0)
    assert operation.result(wait=True)[:2] == (1, 3)


# G. Status block and results


def test_g2_pending_without_waiting(pair: tuple[int, int]) -> None:
    operation = Operation(pair[0], 10)
    assert operation.result() == (0, 99, 99, WSAError.WSA_IO_INCOMPLETE)
    ws2_32.send(pair[1], b"abc", 3, 0)
    assert operation.result(wait=True) == (1, 3, 0, 0)


def test_g3_a_reset_at_the_port_is_a_win32_code_and_elsewhere_the_wsa_code(pair: tuple[int, int]) -> None:
    client, server = pair
    linger = ws2_32.LINGER(1, 0)
    with port_for(client) as port:
        operation = Operation(client, 10)
        assert ws2_32.setsockopt(server, 0xFFFF, 0x80, byref(linger), 4) == 0
        close(server)
        assert packet(port, 5000) == (False, 0, 7, operation.address, 64)
    assert operation.result() == (0, 99, 99, WSAError.WSAECONNRESET)
    assert operation.internal == 0xC000020D


def test_g5_the_peers_end_is_true_with_0_bytes(pair: tuple[int, int]) -> None:
    operation = Operation(pair[0], 10)
    ws2_32.shutdown(pair[1], 1)
    assert operation.result(wait=True) == (1, 0, 0, 0)


def test_g6_the_wait_is_for_this_operation(pair: tuple[int, int]) -> None:
    first, second = Operation(pair[0], 3), Operation(pair[0], 3)
    running = Running(lambda: second.result(wait=True))
    ws2_32.send(pair[1], b"abc", 3, 0)
    until(lambda: first.internal == 0)
    assert running.alive()
    assert second.internal == STATUS_PENDING
    ws2_32.send(pair[1], b"def", 3, 0)
    assert running.result()[:2] == (1, 3)


def test_g9_a_closed_socket_is_wsaenotsock_though_the_structure_is_final(pair: tuple[int, int]) -> None:
    operation = Operation(pair[0], b"abc")
    close(pair[0])
    assert operation.result() == (0, 99, 99, WSAError.WSAENOTSOCK)
    count = ctypes.c_uint32()
    assert kernel32.GetOverlappedResult(pair[0], byref(operation.overlapped), byref(count), 0)


def test_g10_only_the_structure_is_read(pair: tuple[int, int]) -> None:
    for internal, expected in ((0x103, (0, 99, 99, 996)), (0, (1, 5, 3, 0)), (STATUS_CANCELLED, (0, 99, 99, 995))):
        operation = Operation(pair[0], b"")
        operation.overlapped = ws2_32.WSAOVERLAPPED(Internal=internal, InternalHigh=5, Offset=3)
        assert operation.result() == expected


def test_g11_null_pointers(pair: tuple[int, int]) -> None:
    operation = Operation(pair[0], b"abc")
    count = ctypes.c_uint32()
    result = ws2_32.WSAGetOverlappedResult
    assert result(pair[0], None, byref(count), 0, None) == 0
    assert error() == WSAError.WSAEFAULT
    assert result(pair[0], byref(operation.overlapped), None, 0, None) == 0
    assert error() == WSAError.WSAEFAULT
    assert result(pair[0], byref(operation.overlapped), byref(count), 0, None) == 1


# H. Streams


def test_h1_h2_receives_are_filled_in_posting_order_and_packed(pair: tuple[int, int]) -> None:
    one, other = Operation(pair[0], 3), Operation(pair[0], 8)
    ws2_32.send(pair[1], b"abcdef", 6, 0)
    assert one.result(wait=True)[1] == 3
    assert other.result(wait=True)[1] == 3
    assert (one.memory.raw[:3], other.memory.raw[:3]) == (b"abc", b"def")
    memory = ctypes.create_string_buffer(11)
    start = ctypes.addressof(memory)
    buffers = (ws2_32.WSABUF * 2)((3, start), (8, start + 3))
    ws2_32.send(pair[1], b"ghijk", 5, 0)
    ready(pair[0], 5)
    count, flags = ctypes.c_uint32(), ctypes.c_uint32()
    assert ws2_32.WSARecv(pair[0], buffers, 2, byref(count), byref(flags), None, None) == 0
    assert (count.value, memory.raw[:5]) == (5, b"ghijk")


def test_h5_no_buffers(pair: tuple[int, int]) -> None:
    count, flags = ctypes.c_uint32(9), ctypes.c_uint32()
    assert ws2_32.WSARecv(pair[0], None, 0, byref(count), byref(flags), None, None) == -1
    assert error() == WSAError.WSAEINVAL
    assert ws2_32.WSASend(pair[0], None, 0, byref(count), 0, None, None) == 0
    assert count.value == 0


# E15, J, K


def test_e15_the_port_is_looked_up_at_the_end_except_with_a_routine(pair: tuple[int, int]) -> None:
    plain, told = Operation(pair[0], 3), []
    routine = Operation(pair[0], 3, lambda *_: told.append(1))
    with port_for(pair[0], 5) as port:
        ws2_32.send(pair[1], b"abcdef", 6, 0)
        assert packet(port, 5000) == (True, 3, 5, plain.address, 0)
        assert kernel32.SleepEx(5000, True) == WAIT_IO_COMPLETION
        assert told == [1]
        assert packet(port)[0] is False
    assert routine.internal == 0


def test_e12_a_socket_has_one_port(pair: tuple[int, int]) -> None:
    with port_for(pair[0]) as port:
        assert not kernel32.CreateIoCompletionPort(pair[0], port, 1, 0)
        assert kernel32.GetLastError() == 87


def test_e14_a_non_overlapped_socket_has_none() -> None:
    ends = connected(flags=0)
    assert not kernel32.CreateIoCompletionPort(ends[0], None, 1, 0)
    assert kernel32.GetLastError() == 87
    close(*ends)


def test_j1_j2_nothing_to_cancel(pair: tuple[int, int]) -> None:
    assert kernel32.CancelIo(pair[0])
    for pointer in (byref(ws2_32.WSAOVERLAPPED()), None):
        assert not kernel32.CancelIoEx(pair[0], pointer)
        assert kernel32.GetLastError() == 1168
    assert not kernel32.CancelIo(4711)
    assert kernel32.GetLastError() == 6


@pytest.mark.parametrize("how", ["event", "port", "routine"])
def test_j3_an_own_receive_is_final_when_the_cancel_returns(pair: tuple[int, int], how: str) -> None:
    told: list[tuple[int, int]] = []
    with port_for(pair[0]) if how == "port" else event() as handle:
        operation = Operation(
            pair[0],
            10,
            (lambda code, count, *_: told.append((code, count))) if how == "routine" else None,
            hEvent=handle if how == "event" else 0,
        )
        assert kernel32.CancelIo(pair[0])
        assert operation.internal == STATUS_CANCELLED
        if how == "event":
            assert is_set(handle)
        elif how == "port":
            assert packet(handle) == (False, 0, 7, operation.address, 995)
        else:
            assert kernel32.SleepEx(5000, True) == WAIT_IO_COMPLETION
            assert told == [(ABORTED, 0)]
    assert operation.result() == (0, 99, 99, ABORTED)


def test_j4_cancelio_leaves_other_threads_operations_alone(pair: tuple[int, int]) -> None:
    going, done = threading.Event(), threading.Event()
    operations: list[Operation] = []

    def other() -> None:
        operations.append(Operation(pair[0], 10))
        going.set()
        done.wait(10)

    running = Running(other)
    assert going.wait(10)
    assert kernel32.CancelIo(pair[0])
    assert operations[0].internal == STATUS_PENDING
    assert kernel32.CancelIoEx(pair[0], byref(operations[0].overlapped))
    until(lambda: operations[0].internal == STATUS_CANCELLED)
    done.set()
    running.result()


def test_j5_only_the_one_in_the_middle(pair: tuple[int, int]) -> None:
    first, middle, last = (Operation(pair[0], 3) for _ in range(3))
    assert kernel32.CancelIoEx(pair[0], byref(middle.overlapped))
    ws2_32.send(pair[1], b"abcdef", 6, 0)
    assert (first.result(wait=True)[1], last.result(wait=True)[1]) == (3, 3)
    assert (first.memory.raw[:3], last.memory.raw[:3]) == (b"abc", b"def")
    assert middle.result() == (0, 99, 99, ABORTED)


def test_j6_what_has_ended_cannot_be_cancelled(pair: tuple[int, int]) -> None:
    told: list[tuple[int, int]] = []
    operation = Operation(pair[0], 3, lambda code, count, *_: told.append((code, count)))
    ws2_32.send(pair[1], b"abc", 3, 0)
    until(lambda: operation.internal == 0)
    assert not kernel32.CancelIoEx(pair[0], byref(operation.overlapped))
    assert kernel32.GetLastError() == 1168
    assert kernel32.SleepEx(5000, True) == WAIT_IO_COMPLETION
    assert told == [(0, 3)]


@pytest.mark.parametrize("how", ["event", "port", "routine", "nothing"])
def test_k1_k2_closesocket_tells_pending_operations_once(how: str) -> None:
    client, server = connected()
    kernel32.SleepEx(0, True)
    told: list[tuple[int, int]] = []
    with port_for(client) if how == "port" else event() as handle:
        operation = Operation(
            client,
            10,
            (lambda code, count, *_: told.append((code, count))) if how == "routine" else None,
            hEvent=handle if how == "event" else 0,
        )
        close(client)
        until(lambda: operation.internal == STATUS_CANCELLED)
        if how == "event":
            assert is_set(handle, 5000)
        elif how == "port":
            assert packet(handle, 5000) == (False, 0, 7, operation.address, 995)
            assert packet(handle)[0] is False
        elif how == "routine":
            assert kernel32.SleepEx(5000, True) == WAIT_IO_COMPLETION
            assert told == [(ABORTED, 0)]
            assert kernel32.SleepEx(0, True) == 0
    assert ws2_32.closesocket(client) == -1
    assert error() == WSAError.WSAENOTSOCK
    close(server)


def test_k10_wsacleanup_aborts_and_tells_nobody() -> None:
    client, _server = connected()
    told: list[int] = []
    with event() as handle:
        one = Operation(client, 10, hEvent=handle)
        other = Operation(client, 10, lambda *_: told.append(1))
        assert ws2_32.WSACleanup() == 0
        assert (one.internal, other.internal) == (STATUS_CANCELLED, STATUS_CANCELLED)
        assert not is_set(handle)
        assert kernel32.SleepEx(0, True) == 0
        assert told == []
    assert pending_count() == 0


def test_k16_the_end_of_the_starting_thread_cancels(pair: tuple[int, int]) -> None:
    told: list[int] = []
    with event() as handle:
        started: list[Operation] = []

        def start() -> None:
            started.append(Operation(pair[0], 10, hEvent=handle))
            started.append(Operation(pair[0], 10))
            started.append(Operation(pair[0], 10, lambda *_: told.append(1)))

        Running(start).result()
        until(lambda: all(operation.internal == STATUS_CANCELLED for operation in started))
        assert is_set(handle, 5000)
    assert told == []


def test_k17_an_operation_that_only_a_port_waits_for_keeps_running(pair: tuple[int, int]) -> None:
    started: list[Operation] = []
    with port_for(pair[0]) as port:
        Running(lambda: started.append(Operation(pair[0], 10))).result()
        assert packet(port)[4] == 258
        assert started[0].internal == STATUS_PENDING
        ws2_32.send(pair[1], b"abc", 3, 0)
        assert packet(port, 5000) == (True, 3, 7, started[0].address, 0)


@pytest.mark.parametrize("low_bit", [0, 1])
def test_k18_with_a_port_and_an_event_it_is_cancelled(pair: tuple[int, int], low_bit: int) -> None:
    started: list[Operation] = []
    with port_for(pair[0]) as port, event() as handle:
        Running(lambda: started.append(Operation(pair[0], 10, hEvent=handle | low_bit))).result()
        assert is_set(handle, 5000)
        if low_bit:
            assert packet(port)[4] == 258
        else:
            assert packet(port, 5000) == (False, 0, 7, started[0].address, 995)


# The client's memory


def test_an_overlapped_that_nobody_else_holds_is_handed_back_alive(pair: tuple[int, int]) -> None:
    """design "exact faces": it is kept until it is handed back through `.contents`"""
    memory = ctypes.create_string_buffer(16)
    buffer = ws2_32.WSABUF(16, ctypes.addressof(memory))
    handed: list[int] = []

    class Own(ctypes.Structure):
        _fields_ = (("overlapped", ws2_32.WSAOVERLAPPED), ("number", ctypes.c_int))

    def start(number: int) -> None:
        own = Own(number=number)
        flags = ctypes.c_uint32()
        ws2_32.WSARecv(
            pair[0], byref(buffer), 1, None, byref(flags), ctypes.cast(ctypes.pointer(own), OVERLAPPED), routine
        )

    def routine(code: int, count: int, overlapped: Any, flags: int) -> None:
        handed.append(ctypes.cast(overlapped, ctypes.POINTER(Own)).contents.number)

    OVERLAPPED = ctypes.POINTER(ws2_32.WSAOVERLAPPED)
    start(4242)
    ws2_32.send(pair[1], b"abc", 3, 0)
    assert kernel32.SleepEx(5000, True) == WAIT_IO_COMPLETION
    assert handed == [4242]


def test_a_scripts_own_structures_work(pair: tuple[int, int]) -> None:
    """design "exact faces": structures are read and written by field name"""

    class Own(ctypes.Structure):
        _fields_ = (
            ("before", ctypes.c_int),
            ("hEvent", ctypes.c_void_p),
            ("InternalHigh", ctypes.c_size_t),
            ("Internal", ctypes.c_size_t),
            ("OffsetHigh", ctypes.c_uint32),
            ("Offset", ctypes.c_uint32),
        )

    class Buffer(ctypes.Structure):
        _fields_ = (("len", ctypes.c_ulong), ("buf", ctypes.c_char_p))

    with event() as handle:
        overlapped = Own(hEvent=handle)
        text = b"own layouts"
        buffer = Buffer(len(text), text)
        assert ws2_32.WSASend(pair[0], byref(buffer), 1, None, 0, byref(overlapped), None) == 0
        assert (overlapped.Internal, overlapped.InternalHigh) == (0, len(text))
        assert is_set(handle)
    assert received(pair[1]) == text
