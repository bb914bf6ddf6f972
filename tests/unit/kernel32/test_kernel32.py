"""The exact face: arguments, returned values, last errors (executive.md 2, 3, 4, 8; witness A to E, G, J)."""

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.threads import LONG, Running, blocked_on, until
from ws2spi import kernel32 as k
from ws2spi._abi.constants import STATUS_CANCELLED, STATUS_PENDING
from ws2spi._executive import lasterror
from ws2spi._executive.events import Event
from ws2spi._executive.handles import handles
from ws2spi._executive.overlapped import Overlapped
from ws2spi._executive.ports import CompletionPort, Packet
from ws2spi._executive.threads import current
from ws2spi.ctypes import WINFUNCTYPE, wintypes

APC = WINFUNCTYPE(None, ctypes.c_size_t)
ROOM = int(LONG * 1000)
ALL_ONES = 2**64 - 1


@pytest.fixture(autouse=True)
def _clean_thread() -> Iterator[None]:
    current().pending.clear()
    lasterror.set(0)
    before = len(handles)
    yield
    current().pending.clear()
    port = current().port
    if port:
        port.thread_leaves(current())
    assert len(handles) == before, "a test left handles open"


@pytest.fixture
def event() -> Iterator[int]:
    handle = k.CreateEventW(None, True, False, None)
    yield handle
    k.CloseHandle(handle)


@pytest.fixture
def auto() -> Iterator[int]:
    handle = k.CreateEvent(None, 0, 0, None)
    yield handle
    k.CloseHandle(handle)


@pytest.fixture
def port() -> Iterator[int]:
    handle = k.CreateIoCompletionPort(k.INVALID_HANDLE_VALUE, None, 0, 4)
    yield handle
    k.CloseHandle(handle)


def array(*values: int) -> Any:
    return (wintypes.HANDLE * len(values))(*values)


class Result:
    """The out parameters of GetQueuedCompletionStatus."""

    def __init__(self) -> None:
        self.bytes = wintypes.DWORD(77)
        self.key = ctypes.c_size_t(78)
        self.overlapped = ctypes.POINTER(k.OVERLAPPED)()

    def get(self, port: int, milliseconds: int = 0) -> int:
        result: int = k.GetQueuedCompletionStatus(
            port, ctypes.byref(self.bytes), ctypes.byref(self.key), ctypes.byref(self.overlapped), milliseconds
        )
        return result


# APCs


def test_queueuserapc_runs_in_an_alertable_sleep() -> None:
    ran: list[int] = []
    assert k.QueueUserAPC(APC(ran.append), k.GetCurrentThread(), 7) == 1
    assert k.QueueUserAPC(ran.append, k.GetCurrentThread(), -1) == 1
    assert k.SleepEx(0, False) == 0
    assert ran == []
    assert k.SleepEx(0, True) == k.WAIT_IO_COMPLETION
    assert ran == [7, ALL_ONES]
    assert k.SleepEx(0, True) == 0


def test_queueuserapc_takes_the_routine_as_an_address() -> None:
    ran: list[int] = []
    routine = APC(ran.append)
    assert k.QueueUserAPC(ctypes.cast(routine, ctypes.c_void_p), k.GetCurrentThread(), 5) == 1
    k.SleepEx(0, True)
    assert ran == [5]


def test_queueuserapc_gives_the_pointer_type_that_the_routine_declares() -> None:
    ran: list[int] = []
    number = ctypes.c_int(42)
    routine = WINFUNCTYPE(None, ctypes.POINTER(ctypes.c_int))(lambda pointer: ran.append(pointer.contents.value))
    k.QueueUserAPC(routine, k.GetCurrentThread(), ctypes.addressof(number))
    assert k.SleepEx(0, True) == k.WAIT_IO_COMPLETION
    assert ran == [42]


@pytest.mark.parametrize("handle", [0, None, 0x7FFFFFF0, "event"])
def test_queueuserapc_on_what_is_no_thread(handle: Any, event: int) -> None:
    """C3."""
    assert k.QueueUserAPC(print, event if handle == "event" else handle, 0) == 0
    assert k.GetLastError() == 6


@pytest.mark.parametrize("routine", [None, 0, APC(0)])
def test_queueuserapc_without_a_routine(routine: Any) -> None:
    assert k.QueueUserAPC(routine, k.GetCurrentThread(), 0) == 0
    assert k.GetLastError() == 87


def test_queueuserapc_on_an_ended_thread() -> None:
    """C2: ERROR_GEN_FAILURE."""
    thread = k.CreateThread(None, 0, lambda _: 0, None, 0, None)
    assert k.WaitForSingleObject(thread, ROOM) == 0
    assert k.QueueUserAPC(print, thread, 0) == 0
    assert k.GetLastError() == 31
    k.CloseHandle(thread)


def test_apc_queued_through_a_closed_duplicate_is_delivered() -> None:
    """C6."""
    ran: list[int] = []
    copy = wintypes.HANDLE()
    process = k.GetCurrentProcess()
    assert k.DuplicateHandle(process, k.GetCurrentThread(), process, ctypes.byref(copy), 0, False, 2)
    k.QueueUserAPC(ran.append, copy, 3)
    assert k.CloseHandle(copy)
    k.SleepEx(0, True)
    assert ran == [3]


def test_current_thread_duplicated_twice() -> None:
    """C7: different values, same thread; the second close fails with 6."""
    first, second = wintypes.HANDLE(), wintypes.HANDLE()
    process = k.GetCurrentProcess()
    for copy in (first, second):
        assert k.DuplicateHandle(process, k.GetCurrentThread(), process, ctypes.byref(copy), 0, 0, 2)
    assert first.value != second.value
    assert first.value
    assert second.value
    assert handles.get(first.value, object) is handles.get(second.value, object) is current()
    assert k.CloseHandle(first)
    assert not k.CloseHandle(first)
    assert k.GetLastError() == 6
    assert k.CloseHandle(second)


def test_duplicatehandle_refusals(event: int) -> None:
    process = k.GetCurrentProcess()
    copy = wintypes.HANDLE()
    for source, owner, target, code in [
        (0x7FFFFFF0, process, copy, 6),
        (event, 1234, copy, 6),
        (event, process, None, 87),
    ]:
        k.SetLastError(0)
        assert not k.DuplicateHandle(owner, source, owner, None if target is None else ctypes.byref(target), 0, 0, 2)
        assert k.GetLastError() == code


def test_duplicate_with_close_source() -> None:
    """D14: one state, outlives the original."""
    source = k.CreateEvent(None, True, False, None)
    copy = wintypes.HANDLE()
    process = k.GetCurrentProcess()
    assert k.DuplicateHandle(process, source, process, ctypes.byref(copy), 0, 0, k.DUPLICATE_CLOSE_SOURCE)
    assert not k.SetEvent(source)
    assert k.SetEvent(copy)
    assert k.WaitForSingleObject(copy, 0) == 0
    k.CloseHandle(copy)


def test_suspended_thread_runs_its_apcs_first() -> None:
    """C1: 1, 2, 3, z, then the start routine; its first SleepEx finds nothing."""
    ran: list[Any] = []

    def third(_: int) -> None:
        ran.append(3)
        k.QueueUserAPC(lambda _: ran.append("z"), k.GetCurrentThread(), 0)

    def start(parameter: int) -> int:
        ran.append(parameter)
        ran.append(k.SleepEx(0, True))
        return 9

    number = wintypes.DWORD()
    thread = k.CreateThread(None, 0, start, 55, k.CREATE_SUSPENDED, ctypes.byref(number))
    for routine in (ran.append, ran.append, third):
        assert k.QueueUserAPC(routine, thread, len(ran) + 1)
    assert ran == []
    code = wintypes.DWORD()
    k.GetExitCodeThread(thread, ctypes.byref(code))
    assert code.value == k.STILL_ACTIVE
    assert k.ResumeThread(thread) == 1
    assert k.WaitForSingleObject(thread, ROOM) == 0
    assert ran[2:] == [3, "z", 55, 0]
    k.GetExitCodeThread(thread, ctypes.byref(code))
    assert code.value == 9
    assert number.value not in (0, k.GetCurrentThreadId())
    assert k.ResumeThread(thread) == 0
    k.CloseHandle(thread)
    assert k.ResumeThread(thread) == 0xFFFFFFFF
    assert not k.GetExitCodeThread(thread, ctypes.byref(code))
    assert k.CreateThread(None, 0, None, None, 0, None) == 0


def test_openthread_by_id() -> None:
    ran: list[int] = []
    worker = Running(lambda: (k.GetCurrentThreadId(), k.SleepEx(ROOM, True))[0])
    thread = k.OpenThread(k.THREAD_SET_CONTEXT, False, worker.executive.native_id)
    assert k.QueueUserAPC(ran.append, thread, 1)
    assert worker.result() == worker.executive.native_id
    assert ran == [1]
    k.CloseHandle(thread)
    assert k.OpenThread(0, False, 1) == 0
    assert k.GetLastError() == 87


# Waits and events


def test_wait_results(event: int, auto: int) -> None:
    assert k.WaitForSingleObject(event, 0) == k.WAIT_TIMEOUT
    assert k.SetEvent(event)
    assert k.WaitForSingleObject(event, k.INFINITE) == 0
    assert k.ResetEvent(event)
    k.SetEvent(auto)
    assert k.WaitForMultipleObjects(2, array(event, auto), False, 0) == 1
    assert k.WaitForMultipleObjects(2, array(event, auto), False, 1) == k.WAIT_TIMEOUT
    k.SetEvent(event)
    k.SetEvent(auto)
    assert k.WaitForMultipleObjects(2, array(event, auto), True, 0) == 0
    assert k.WaitForSingleObject(auto, 0) == k.WAIT_TIMEOUT
    assert k.GetLastError() == 0, "B9: results are no errors"


@pytest.mark.parametrize("function", ["SetEvent", "ResetEvent"])
@pytest.mark.parametrize("handle", [0, None, 0x7FFFFFF0, "port"])
def test_event_functions_on_what_is_no_event(function: str, handle: Any, port: int) -> None:
    """D12."""
    assert getattr(k, function)(port if handle == "port" else handle) == 0
    assert k.GetLastError() == 6


def test_low_bits_of_a_handle_are_ignored(event: int) -> None:
    """D13."""
    assert k.SetEvent(event | 3)
    assert k.WaitForSingleObject(event | 1, 0) == 0


def test_createevent_with_a_name_is_refused() -> None:
    assert k.CreateEventW(None, 0, 0, "name") == 0
    assert k.GetLastError() == 50
    assert k.CreateEventA(None, 0, 0, b"name") == 0
    handle = k.CreateEventA(None, 0, 1, None)
    assert k.WaitForSingleObject(handle, 0) == 0
    k.CloseHandle(handle)


def test_alertable_wait_on_a_bad_handle_fails_at_once_and_runs_nothing(event: int) -> None:
    """A11: validate before APCs."""
    ran: list[int] = []
    k.QueueUserAPC(ran.append, k.GetCurrentThread(), 1)
    assert k.WaitForSingleObjectEx(0x7FFFFFF0, ROOM, True) == k.WAIT_FAILED
    assert k.WaitForSingleObject(0x7FFFFFF0, ROOM) == k.WAIT_FAILED
    assert k.GetLastError() == 6
    assert k.WaitForMultipleObjectsEx(0, array(event), False, ROOM, True) == k.WAIT_FAILED
    assert k.GetLastError() == 87
    assert ran == []


def test_wait_for_multiple_checks_its_arguments(event: int) -> None:
    """D7, D8, D9, D10."""
    k.SetEvent(event)
    failing: list[tuple[Callable[[], int], int]] = [
        (lambda: k.WaitForMultipleObjects(65, array(*[event] * 65), False, 0), 87),
        (lambda: k.WaitForMultipleObjects(1, None, False, 0), 87),
        (lambda: k.WaitForMultipleObjects(2, array(event, event), True, 0), 87),
        (lambda: k.WaitForMultipleObjects(2, array(event, 0x7FFFFFF0), False, 0), 6),
        (lambda: k.WaitForMultipleObjects(1, array(k.GetCurrentThread()), False, 0), 6),
    ]
    for call, code in failing:
        k.SetLastError(0)
        assert call() == k.WAIT_FAILED
        assert k.GetLastError() == code
    assert k.WaitForMultipleObjects(2, array(event, event), False, 0) == 0, "repeated in a wait for one: allowed"
    assert k.WaitForMultipleObjects(64, array(*[event] * 64), False, 0) == 0
    assert k.WaitForSingleObject(k.GetCurrentThread(), 0) == k.WAIT_TIMEOUT, "D10: a single wait accepts it"


def test_bad_second_handle_leaves_the_first_alone(auto: int) -> None:
    """D9."""
    k.SetEvent(auto)
    assert k.WaitForMultipleObjects(2, array(auto, 0x7FFFFFF0), False, 0) == k.WAIT_FAILED
    assert k.WaitForSingleObject(auto, 0) == 0


def test_event_closed_while_waited_for() -> None:
    """D11: the object stays alive, the wait goes on."""
    handle = k.CreateEvent(None, 0, 0, None)
    target = handles.get(handle, Event)
    assert target
    worker = Running(k.WaitForSingleObject, handle, ROOM)
    blocked_on(target)(1)
    k.CloseHandle(handle)
    assert worker.alive()
    target.set()
    assert worker.result() == 0


def test_signalobjectandwait_sets_first(event: int, auto: int) -> None:
    """A10."""
    ran: list[int] = []
    k.QueueUserAPC(ran.append, k.GetCurrentThread(), 1)
    k.SetEvent(auto)
    assert k.SignalObjectAndWait(event, auto, ROOM, True) == 0
    assert ran == []
    assert k.WaitForSingleObject(event, 0) == 0
    assert k.SignalObjectAndWait(event, auto, 0, True) == k.WAIT_IO_COMPLETION
    assert ran == [1]
    assert k.SignalObjectAndWait(0, auto, 0, True) == k.WAIT_FAILED


def test_last_error_across_a_wait() -> None:
    """B9: stays; a value that an APC sets shows afterwards."""
    k.SetLastError(77)
    k.SleepEx(1, True)
    assert k.GetLastError() == 77
    k.QueueUserAPC(lambda _: k.SetLastError(78), k.GetCurrentThread(), 0)
    k.SleepEx(0, True)
    assert k.GetLastError() == 78
    assert Running(k.GetLastError).result() == 0, "one slot for each thread"


def test_sleep_runs_no_apc() -> None:
    """A2, B4."""
    ran: list[int] = []
    k.QueueUserAPC(ran.append, k.GetCurrentThread(), 1)
    assert k.Sleep(1) is None
    assert ran == []


def test_closehandle() -> None:
    handle = k.CreateEvent(None, 0, 0, None)
    assert k.CloseHandle(handle) == 1
    assert k.CloseHandle(handle) == 0
    assert k.GetLastError() == 6
    assert k.CloseHandle(k.GetCurrentThread()) == 1, "closing a pseudo handle does nothing"


# Ports


def test_posted_values_come_out_verbatim(port: int) -> None:
    """E2: (0, 0, NULL) and all ones; the last error untouched."""
    k.SetLastError(77)
    result = Result()
    assert k.PostQueuedCompletionStatus(port, 0, 0, None)
    assert result.get(port) == 1
    assert (result.bytes.value, result.key.value, bool(result.overlapped)) == (0, 0, False)
    assert k.PostQueuedCompletionStatus(port, -1, -1, ctypes.c_void_p(-1))
    assert result.get(port) == 1
    assert (result.bytes.value, result.key.value) == (0xFFFFFFFF, ALL_ONES)
    assert ctypes.cast(result.overlapped, ctypes.c_void_p).value == ALL_ONES
    assert k.GetLastError() == 77


def test_posted_overlapped_is_the_clients_own(port: int) -> None:
    client = k.OVERLAPPED(Offset=5)
    for argument in (ctypes.byref(client), ctypes.pointer(client), ctypes.addressof(client)):
        k.PostQueuedCompletionStatus(port, 1, 2, argument)
        result = Result()
        assert result.get(port)
        assert ctypes.addressof(result.overlapped.contents) == ctypes.addressof(client)


@pytest.mark.parametrize("milliseconds", [0, 2])
def test_empty_port(port: int, milliseconds: int) -> None:
    """E1: FALSE, WAIT_TIMEOUT, *ov NULL, bytes and key untouched."""
    result = Result()
    result.overlapped.contents = k.OVERLAPPED()
    assert result.get(port, milliseconds) == 0
    assert k.GetLastError() == k.WAIT_TIMEOUT
    assert not result.overlapped
    assert (result.bytes.value, result.key.value) == (77, 78)


def test_what_is_no_port(event: int) -> None:
    """E3."""
    closed = k.CreateIoCompletionPort(-1, None, 0, 0)
    k.CloseHandle(closed)
    entries, removed = (k.OVERLAPPED_ENTRY * 2)(), wintypes.ULONG()
    for handle in (event, 0, None, 0x7FFFFFF0, closed):
        result = Result()
        result.overlapped.contents = k.OVERLAPPED()
        k.SetLastError(0)
        assert result.get(handle) == 0
        assert (k.GetLastError(), bool(result.overlapped)) == (6, False)
        assert k.PostQueuedCompletionStatus(handle, 0, 0, None) == 0
        assert k.GetQueuedCompletionStatusEx(handle, entries, 2, ctypes.byref(removed), 0, False) == 0
        assert k.GetLastError() == 6


def test_packet_of_a_failed_operation(port: int) -> None:
    """8.3: FALSE with *ov set, all three stored, the operation's Win32 code."""
    client = k.OVERLAPPED()
    target = handles.get(port, CompletionPort)
    assert target
    target.post(Packet(9, 3, Overlapped(client), 0xC000020D))
    result = Result()
    assert result.get(port) == 0
    assert k.GetLastError() == 64
    assert (result.bytes.value, result.key.value) == (3, 9)
    assert ctypes.addressof(result.overlapped.contents) == ctypes.addressof(client)


def test_closing_the_port_ends_the_waits() -> None:
    """E4: 735 and *ov NULL, in both functions."""
    port = k.CreateIoCompletionPort(-1, None, 0, 0)
    target = handles.get(port, CompletionPort)
    assert target

    def plain() -> tuple[int, int, bool]:
        result = Result()
        result.overlapped.contents = k.OVERLAPPED()
        return result.get(port, k.INFINITE), k.GetLastError(), bool(result.overlapped)

    def extended() -> tuple[int, int]:
        entries, removed = (k.OVERLAPPED_ENTRY * 2)(), wintypes.ULONG()
        done = k.GetQueuedCompletionStatusEx(port, entries, 2, ctypes.byref(removed), k.INFINITE, True)
        return done, k.GetLastError()

    workers = [Running(plain), Running(extended)]
    blocked_on(target)(2)
    assert k.CloseHandle(port)
    assert workers[0].result() == (0, 735, False)
    assert workers[1].result() == (0, 735)


def test_extended_get(port: int) -> None:
    """E7, E8: all three; two, then three; empty: FALSE, WAIT_TIMEOUT, removed 1; posted ones have Internal 0."""
    entries, removed = (k.OVERLAPPED_ENTRY * 8)(), wintypes.ULONG()
    client = k.OVERLAPPED()

    def get(room: int) -> list[int]:
        assert k.GetQueuedCompletionStatusEx(port, entries, room, ctypes.byref(removed), 0, False)
        return [entries[index].dwNumberOfBytesTransferred for index in range(removed.value)]

    for number in range(3):
        k.PostQueuedCompletionStatus(port, number, 4, ctypes.byref(client))
    assert get(8) == [0, 1, 2]
    assert (entries[0].lpCompletionKey, entries[0].Internal) == (4, 0)
    assert ctypes.addressof(entries[0].lpOverlapped.contents) == ctypes.addressof(client)
    for number in range(5):
        k.PostQueuedCompletionStatus(port, number, 4, None)
    assert get(2) == [0, 1]
    assert get(8) == [2, 3, 4]
    assert not entries[0].lpOverlapped
    assert not k.GetQueuedCompletionStatusEx(port, entries, 8, ctypes.byref(removed), 1, False)
    assert (k.GetLastError(), removed.value) == (k.WAIT_TIMEOUT, 1)


def test_extended_get_and_apcs(port: int) -> None:
    """E9, E10: FALSE, WAIT_IO_COMPLETION and removed 1 when empty; a packet goes first; not alertable: not run."""
    entries, removed = (k.OVERLAPPED_ENTRY * 8)(), wintypes.ULONG()
    ran: list[int] = []
    k.QueueUserAPC(ran.append, k.GetCurrentThread(), 1)
    assert not k.GetQueuedCompletionStatusEx(port, entries, 8, ctypes.byref(removed), 0, False)
    assert ran == []
    k.PostQueuedCompletionStatus(port, 0, 0, None)
    assert k.GetQueuedCompletionStatusEx(port, entries, 8, ctypes.byref(removed), 0, True)
    assert ran == []
    assert not k.GetQueuedCompletionStatusEx(port, entries, 8, ctypes.byref(removed), ROOM, True)
    assert (k.GetLastError(), removed.value, ran) == (k.WAIT_IO_COMPLETION, 1, [1])


def test_extended_get_with_bad_arguments(port: int) -> None:
    """E10: count 0."""
    entries, removed = (k.OVERLAPPED_ENTRY * 2)(), wintypes.ULONG()
    for arguments in ((entries, 0, ctypes.byref(removed)), (None, 2, ctypes.byref(removed)), (entries, 2, None)):
        k.SetLastError(0)
        assert k.GetQueuedCompletionStatusEx(port, *arguments, 0, False) == 0
        assert k.GetLastError() == 87
    assert k.GetQueuedCompletionStatus(port, None, None, None, 0) == 0
    assert k.GetLastError() == 87


def test_entries_in_the_clients_own_layout(port: int) -> None:
    class Entry(ctypes.Structure):
        _fields_ = [
            ("lpCompletionKey", ctypes.c_uint64),
            ("lpOverlapped", ctypes.c_void_p),
            ("Internal", ctypes.c_uint64),
            ("dwNumberOfBytesTransferred", ctypes.c_uint64),
        ]

    entries, removed = (Entry * 3)(), wintypes.ULONG()
    for number in range(2):
        k.PostQueuedCompletionStatus(port, number + 10, 4, 4096)
    assert k.GetQueuedCompletionStatusEx(port, ctypes.byref(entries), 3, ctypes.byref(removed), 0, False)
    assert [(one.dwNumberOfBytesTransferred, one.lpOverlapped) for one in entries[:2]] == [(10, 4096), (11, 4096)]
    raw = ctypes.create_string_buffer(64)
    k.PostQueuedCompletionStatus(port, 12, 4, 4096)
    assert k.GetQueuedCompletionStatusEx(port, raw, 2, ctypes.byref(removed), 0, False)
    assert k.OVERLAPPED_ENTRY.from_buffer(raw).dwNumberOfBytesTransferred == 12


def test_associations_that_are_refused(port: int, event: int) -> None:
    """E11, E3."""
    for file, existing, code in [(-1, port, 87), (event, port, 6), (-1, 0x7FFFFFF0, 87), (3, 0x7FFFFFF0, 6)]:
        k.SetLastError(0)
        assert k.CreateIoCompletionPort(file, existing, 0, 0) == 0
        assert k.GetLastError() == code
    k.SetLastError(0)
    assert k.CreateIoCompletionPort(9999, port, 0, 0) == 0
    assert k.GetLastError() == 6, "no socket of that number"


def test_port_keeps_the_posted_object_alive_until_it_is_handed_back(port: int) -> None:
    import gc

    def post() -> int:
        client = k.OVERLAPPED(Offset=1234)
        k.PostQueuedCompletionStatus(port, 0, 0, ctypes.byref(client))
        return ctypes.addressof(client)

    address = post()
    gc.collect()
    fillers = [ctypes.create_string_buffer(b"\xaa" * 32, 32) for _ in range(50)]
    result = Result()
    assert result.get(port)
    gc.collect()
    assert ctypes.addressof(result.overlapped.contents) == address
    assert result.overlapped.contents.Offset == 1234
    assert fillers


# Overlapped results and cancelling


def test_result_of_a_structure_alone() -> None:
    """G2, G3, G10: only the structure is read; bytes untouched on FALSE (G4), but for a cut datagram (I2)."""
    count = wintypes.DWORD(77)

    def result(**fields: int) -> tuple[int, int, int]:
        k.SetLastError(0)
        count.value = 77
        done = k.GetOverlappedResult(1, ctypes.byref(k.OVERLAPPED(**fields)), ctypes.byref(count), False)
        return done, k.GetLastError(), count.value

    assert result(Internal=STATUS_PENDING) == (0, 996, 77)
    assert result(Internal=0, InternalHigh=5) == (1, 0, 5)
    assert result(Internal=STATUS_CANCELLED, InternalHigh=5) == (0, 995, 77)
    assert result(Internal=0xC000020D) == (0, 64, 77)
    assert result(Internal=0x80000005, InternalHigh=3) == (0, 234, 3)  # a datagram that was cut is told with its bytes
    assert k.GetOverlappedResult(1, None, ctypes.byref(count), False) == 0
    assert k.GetLastError() == 998


def test_result_waits_for_this_operation() -> None:
    """G6: no event, two pending: the other's end does not end the wait."""
    mine, other = k.OVERLAPPED(), k.OVERLAPPED()
    first, second = Overlapped(mine), Overlapped(other)
    first.start()
    second.start()
    count = wintypes.DWORD()
    worker = Running(lambda: k.GetOverlappedResult(1, ctypes.byref(mine), ctypes.byref(count), True))
    blocked_on(first)(1)
    second.complete(0, 1)
    assert worker.alive()
    first.complete(0, 7)
    assert worker.result() == 1
    assert count.value == 7


def test_result_with_a_consumed_auto_event(auto: int) -> None:
    """G8: never hangs."""
    client = k.OVERLAPPED(hEvent=auto)
    record = Overlapped.from_argument(client, handles)
    record.start()
    record.complete(0, 3)
    assert k.WaitForSingleObject(auto, 0) == 0
    assert k.GetOverlappedResult(1, ctypes.byref(client), None, True) == 1


def test_result_waits_through_the_event_of_a_foreign_operation(event: int) -> None:
    """An operation that some provider keeps by itself: its event, low bit or not, tells the end."""
    client = k.OVERLAPPED(Internal=STATUS_PENDING, hEvent=event | 1)
    target = handles.get(event, Event)
    assert target
    worker = Running(lambda: k.GetOverlappedResult(1, ctypes.byref(client), None, True))
    blocked_on(target)(1)
    client.Internal = 0
    k.SetEvent(event)
    assert worker.result() == 1


def test_extended_result() -> None:
    """G12: 30 ms: 258; 0 ms: 996, APC not run; alertable with an APC: WAIT_IO_COMPLETION."""
    ran: list[int] = []
    client = k.OVERLAPPED()
    record = Overlapped(client)
    record.start()
    k.QueueUserAPC(ran.append, k.GetCurrentThread(), 1)

    def result(milliseconds: int, alertable: bool) -> int:
        k.SetLastError(0)
        assert k.GetOverlappedResultEx(1, ctypes.byref(client), None, milliseconds, alertable) == 0
        code: int = k.GetLastError()
        return code

    assert result(2, False) == 258
    assert result(0, True) == 996
    assert ran == []
    assert result(ROOM, True) == 192
    assert ran == [1]
    record.complete(0, 0)
    assert k.GetOverlappedResultEx(1, ctypes.byref(client), None, 0, True) == 1


def test_cancel_on_what_is_no_socket(event: int) -> None:
    """J2."""
    for handle in (event, 9999, 0):
        k.SetLastError(0)
        assert k.CancelIo(handle) == 0
        assert k.GetLastError() == 6
        k.SetLastError(0)
        assert k.CancelIoEx(handle, None) == 0
        assert k.GetLastError() == 6


def test_faces_may_be_called_by_a_signal_handler(auto: int) -> None:
    import signal

    def handler(*_: object) -> None:
        k.QueueUserAPC(lambda _: None, k.GetCurrentThread(), 0)
        k.SetEvent(auto)

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.005)
        assert k.WaitForSingleObjectEx(auto, ROOM, True) in (0, k.WAIT_IO_COMPLETION)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_exception_of_a_plain_apc_leaves_through_the_wait_and_that_of_a_ctypes_one_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import sys

    def failing(_: int) -> None:
        raise ValueError("x")

    k.QueueUserAPC(failing, k.GetCurrentThread(), 0)
    with pytest.raises(ValueError, match="x"):
        k.SleepEx(0, True)
    seen: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda report: seen.append(report.exc_type))
    k.QueueUserAPC(APC(failing), k.GetCurrentThread(), 0)
    assert k.SleepEx(0, True) == k.WAIT_IO_COMPLETION
    assert seen == [ValueError]


def test_wait_of_a_created_thread_ends_when_it_does() -> None:
    gate = threading.Event()
    thread = k.CreateThread(None, 0, lambda _: gate.wait(LONG), None, 0, None)
    worker = Running(k.WaitForSingleObject, thread, ROOM)
    target = handles.get(thread, object)
    until(lambda: target._waiters)  # type: ignore[attr-defined]
    gate.set()
    assert worker.result() == 0
    k.CloseHandle(thread)


def test_the_process_is_the_one_that_linux_means() -> None:
    assert k.GetCurrentProcessId() == os.getpid()
