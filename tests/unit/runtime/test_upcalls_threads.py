"""WPUOpenCurrentThread, WPUCloseThread, WPUQueueApc: each test names its row of spec upcalls, section 4 (or 9)."""

import ctypes
import inspect
import sys
import threading
import time

import pytest

from support.calls import (
    IO_COMPLETION,
    TIMEOUT,
    UNTOUCHED,
    Worker,
    alertable,
    close,
    code_of,
    copy_of,
    open_thread,
    queue,
)
from ws2spi import ws2_32
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._executive import lasterror, threads
from ws2spi._executive.events import Event
from ws2spi._executive.handles import handles
from ws2spi._executive.waits import wait
from ws2spi._runtime import upcalls
from ws2spi._runtime.process import runtime
from ws2spi._runtime.threads import ThreadId, own_structure

FAULT = (-1, WSAError.WSAEFAULT)
NOT_INITIALISED = (-1, WSAError.WSANOTINITIALISED)


@pytest.fixture
def got() -> list[object]:
    """What APC routines were called with."""
    alertable()  # nothing of an earlier test is left
    return []


# 1. General rules


def test_codes_go_through_lp_errno_and_never_to_the_last_error(started: None) -> None:
    """upcalls 1 "Every upcall with an lpErrno returns its error through that pointer" """
    lasterror.set(77)
    assert close(ws2_32.WSATHREADID()) == FAULT
    assert queue(ws2_32.WSATHREADID(), print) == FAULT
    assert lasterror.get() == 77


def test_lp_errno_stays_untouched_on_success(started: None) -> None:
    """upcalls 9.16"""
    identity = ws2_32.WSATHREADID()
    assert code_of(ws2_32.WPUOpenCurrentThread, ctypes.byref(identity)) == (0, UNTOUCHED)
    assert queue(identity, lambda context: None) == (0, UNTOUCHED)
    assert close(identity) == (0, UNTOUCHED)
    assert alertable() == IO_COMPLETION


def test_null_lp_errno_is_allowed(started: None) -> None:
    """upcalls 1 "A NULL lpErrno": the code is lost, nothing else"""
    assert ws2_32.WPUCloseThread(ctypes.byref(ws2_32.WSATHREADID()), None) == -1


# 4.1 WPUOpenCurrentThread


def test_open_names_the_calling_thread(started: None, got: list[object]) -> None:
    """upcalls 4.1 Effect"""
    with Worker() as worker:
        identity = worker.do(open_thread)
        assert queue(identity, lambda context: got.append((context, threading.get_ident())), 5) == (0, UNTOUCHED)
        assert alertable() == 0x102  # not this thread
        assert worker.do(alertable) == IO_COMPLETION
        assert got == [(5, worker._thread.ident)]
        assert close(identity) == (0, UNTOUCHED)


def test_open_before_startup_is_wsanotinitialised() -> None:
    """upcalls 4.1 Errors"""
    assert code_of(ws2_32.WPUOpenCurrentThread, ctypes.byref(ws2_32.WSATHREADID())) == NOT_INITIALISED


def test_open_after_the_last_cleanup_is_wsanotinitialised(started: None) -> None:
    """upcalls 4.1 Errors, "already balanced by cleanup" """
    runtime.cleanup()
    assert code_of(ws2_32.WPUOpenCurrentThread, ctypes.byref(ws2_32.WSATHREADID())) == NOT_INITIALISED


def test_open_with_a_null_pointer_is_wsaefault(started: None) -> None:
    """upcalls 4.1 Errors: no code is documented for a bad pointer"""
    assert code_of(ws2_32.WPUOpenCurrentThread, None) == FAULT


def test_open_gives_a_real_handle_of_the_executive(started: None) -> None:
    """upcalls 3 WSATHREADID: ThreadHandle is a real handle"""
    identity = open_thread()
    assert handles.get(identity.ThreadHandle, threads.Thread) is threads.current()
    close(identity)


def test_what_open_names_belongs_to_the_dll_until_closed(started: None) -> None:
    """upcalls 4.1 Storage: the structure is the caller's, what it names is not"""
    identity = open_thread()
    kept = copy_of(identity)
    ctypes.memset(ctypes.byref(identity), 0, ctypes.sizeof(identity))
    assert close(kept) == (0, UNTOUCHED)


def test_each_open_needs_its_own_close(started: None) -> None:
    """upcalls 4.1 Pairing, Repetition; 9.5: distinct tokens, same thread"""
    first, second = open_thread(), open_thread()
    assert first.ThreadHandle != second.ThreadHandle
    assert close(first) == (0, UNTOUCHED)
    assert queue(first, print) == FAULT
    assert queue(second, lambda context: None) == (0, UNTOUCHED)
    assert close(second) == (0, UNTOUCHED)
    assert alertable() == IO_COMPLETION


def test_open_runs_no_apcs(started: None, got: list[object]) -> None:
    """upcalls 4.1 Blocking / alertable"""
    identity = open_thread()
    queue(identity, got.append, 1)
    close(open_thread())
    assert got == []
    close(identity)
    assert alertable() == IO_COMPLETION
    assert got == [1]


def test_the_result_is_usable_from_any_thread(started: None, got: list[object]) -> None:
    """upcalls 4.1 Threading"""
    identity = open_thread()
    with Worker() as worker:
        assert worker.do(lambda: queue(identity, got.append, 3)) == (0, UNTOUCHED)
    assert alertable() == IO_COMPLETION
    assert got == [3]
    close(identity)


# 4.2 WPUCloseThread


def test_close_releases_the_handle(started: None) -> None:
    """upcalls 4.2 Effect"""
    before = len(handles)
    identity = open_thread()
    assert len(handles) == before + 1
    assert close(identity) == (0, UNTOUCHED)
    assert len(handles) == before


def test_close_before_startup_is_wsanotinitialised() -> None:
    """upcalls 4.2 Errors"""
    assert close(ws2_32.WSATHREADID()) == NOT_INITIALISED


def test_second_close_is_wsaefault(started: None) -> None:
    """upcalls 9.3 Double WPUCloseThread"""
    identity = open_thread()
    close(identity)
    assert close(identity) == FAULT


def test_close_of_a_foreign_identity_is_wsaefault_and_does_nothing(started: None) -> None:
    """upcalls 4.2 Input rule; 9.3 foreign id"""
    handle = handles.insert(threads.current())
    assert close(ws2_32.WSATHREADID(handle, 0)) == FAULT
    assert handles.close(handle)


def test_close_of_null_is_wsaefault(started: None) -> None:
    """upcalls 4.2 Errors: nothing is documented for a NULL pointer"""
    assert code_of(ws2_32.WPUCloseThread, None) == FAULT


def test_the_identity_passed_to_an_spi_call_cannot_be_closed(started: None) -> None:
    """upcalls 4.2 Input rule: a WSATHREADID that the DLL passed belongs to the DLL; 9.3 DLL-owned id"""
    assert close(own_structure()) == FAULT
    assert queue(own_structure(), lambda context: None) == (0, UNTOUCHED)
    assert alertable() == IO_COMPLETION


def test_close_works_from_another_thread(started: None) -> None:
    """upcalls 4.2 Which thread"""
    identity = open_thread()
    with Worker() as worker:
        assert worker.do(lambda: close(identity)) == (0, UNTOUCHED)


def test_a_bitwise_copy_closes_and_all_copies_die(started: None) -> None:
    """upcalls 4.2 Copies"""
    identity = open_thread()
    copies = [copy_of(identity) for _ in range(3)]
    assert close(copies[1]) == (0, UNTOUCHED)
    for dead in (identity, *copies):
        assert queue(dead, print) == FAULT
        assert close(dead) == FAULT


def test_an_apc_queued_before_the_close_is_delivered(started: None, got: list[object]) -> None:
    """upcalls 4.2 APCs already queued; 9.4"""
    identity = open_thread()
    queue(identity, got.append, 9)
    close(identity)
    assert alertable() == IO_COMPLETION
    assert got == [9]


def test_a_copy_of_a_lower_layer_is_dead_after_the_close(started: None) -> None:
    """upcalls 4.2 Open operations: undefined on the page; here the lower layer's WPUQueueApc answers WSAEFAULT"""
    identity = open_thread()
    lower = copy_of(identity)
    close(identity)
    assert queue(lower, print) == FAULT


def test_a_stale_identity_never_names_a_later_one(started: None) -> None:
    """upcalls 4.2 Copies: a handle value does not come again"""
    stale = open_thread()
    close(stale)
    later = [open_thread() for _ in range(50)]
    assert queue(stale, print) == FAULT
    for identity in later:
        close(identity)


# 4.3 WPUQueueApc


def test_queue_never_calls_the_routine_itself(started: None, got: list[object]) -> None:
    """upcalls 4.3 Effect: not even when the target is the calling thread"""
    identity = open_thread()
    assert queue(identity, got.append, 1) == (0, UNTOUCHED)
    assert got == []
    assert alertable() == IO_COMPLETION
    assert got == [1]
    close(identity)


def test_queue_with_an_invalid_thread_is_wsaefault(started: None) -> None:
    """upcalls 4.3 Errors; 9.2 NULL id, NULL function, closed id"""
    identity = open_thread()
    assert code_of(ws2_32.WPUQueueApc, None, print, 0) == FAULT
    assert queue(ws2_32.WSATHREADID(), print) == FAULT
    assert queue(ws2_32.WSATHREADID(12345678, 0), print) == FAULT
    assert queue(identity, None) == FAULT
    assert queue(identity, ctypes.CFUNCTYPE(None, ctypes.c_size_t)()) == FAULT
    close(identity)
    assert queue(identity, print) == FAULT


def test_queue_with_the_handle_of_something_else_is_wsaefault(started: None) -> None:
    """upcalls 4.3 Errors (witness C3: an event's handle)"""
    handle = handles.insert(Event(manual=True))
    assert queue(ws2_32.WSATHREADID(handle, 0), print) == FAULT
    handles.close(handle)


def test_an_apc_runs_only_in_an_alertable_wait(started: None, got: list[object]) -> None:
    """upcalls 4.3 When it runs"""
    identity = open_thread()
    event = Event(manual=True)
    queue(identity, got.append, 1)
    assert wait((event,), timeout=0) == TIMEOUT
    assert wait((event,), timeout=0.01) == TIMEOUT
    assert got == []
    assert wait((event,), timeout=0, alertable=True) == IO_COMPLETION
    assert got == [1]
    close(identity)


def test_an_apc_ends_a_wait_that_is_blocked(started: None, got: list[object]) -> None:
    """upcalls 4.3 When it runs: made directly, in that thread"""
    with Worker() as worker:
        identity = worker.do(open_thread)
        target = handles.get(identity.ThreadHandle, threads.Thread)
        blocked = worker.start(lambda: alertable(10))
        deadline = time.monotonic() + 5
        while target is None or target.alertable_wait is None:
            assert time.monotonic() < deadline
        queue(identity, lambda context: got.append(threading.get_ident()))
        assert blocked.result(10) == IO_COMPLETION
        assert got == [worker._thread.ident]
        close(identity)


def test_apcs_run_in_the_order_in_which_they_were_queued(started: None, got: list[object]) -> None:
    """upcalls 4.3 Order: FIFO with all other user APCs of that thread"""
    identity, other = open_thread(), open_thread()
    for number in range(9):
        if number % 3 == 2:
            threads.current().queue_apc(got.append, number)  # as QueueUserAPC does
        else:
            queue((identity, other)[number % 3], got.append, number)
    assert alertable() == IO_COMPLETION
    assert got == list(range(9))
    close(identity)
    close(other)


def test_the_structure_may_go_once_the_apc_is_queued(started: None, got: list[object]) -> None:
    """upcalls 4.3 Lifetime of lpThreadId"""
    identity = open_thread()
    local = copy_of(identity)
    queue(local, got.append, 4)
    ctypes.memset(ctypes.byref(local), 0xFF, ctypes.sizeof(local))
    assert alertable() == IO_COMPLETION
    assert got == [4]
    close(identity)


@pytest.mark.parametrize("context", [0, 2**64 - 1, None, "anything", [1]])
def test_the_context_is_opaque(started: None, got: list[object], context: object) -> None:
    """upcalls 4.3 Lifetime of dwContext: neither looked at nor freed"""
    identity = open_thread()
    queue(identity, got.append, context)
    alertable()
    assert got == [context]
    assert context is None or got[0] is context
    close(identity)


def test_the_apc_procedure_frees_and_a_lost_apc_tells_nobody(started: None) -> None:
    """upcalls 4.3 Who frees: the block is only given up when the APC never runs"""
    block: list[object] = []
    with Worker() as worker:
        identity = worker.do(open_thread)
        queue(identity, lambda given: given.clear(), block)
        references = sys.getrefcount(block)
    assert sys.getrefcount(block) < references  # the queue of the thread is gone, and its hold on the block
    close(identity)


def test_one_apc_for_each_call(started: None, got: list[object]) -> None:
    """upcalls 4.3 Number of completions: nothing coalesces"""
    identity = open_thread()
    for _ in range(5):
        queue(identity, got.append, "same")
    assert alertable() == IO_COMPLETION
    assert got == ["same"] * 5
    close(identity)


def test_an_alertable_wait_inside_an_apc_dispatches_further_ones(started: None, got: list[object]) -> None:
    """upcalls 4.3 Nested delivery: the runtime enforces nothing"""
    identity = open_thread()

    def first(context: object) -> None:
        got.append("first begins")
        got.append(alertable())
        got.append("first ends")

    queue(identity, first)
    queue(identity, got.append, "second")
    assert alertable() == IO_COMPLETION
    assert got == ["first begins", "second", IO_COMPLETION, "first ends"]
    close(identity)


def test_a_thread_that_has_ended_is_wsaefault(started: None, got: list[object]) -> None:
    """upcalls 4.3 Thread already gone; 9.1: the APC is dropped"""
    with Worker() as worker:
        identity = worker.do(open_thread)
        queue(identity, got.append, "lost")
    assert queue(identity, got.append, "late") == FAULT
    assert got == []
    assert close(identity) == (0, UNTOUCHED)


def test_an_apc_that_ends_its_thread_counts_as_queued(started: None) -> None:
    """upcalls 4.3 Return: 0 = queued, also when it ran and the thread is gone before the call returns"""
    for _ in range(100):
        ready, stop = threading.Event(), threading.Event()
        identity = ws2_32.WSATHREADID()

        def serve(identity: ws2_32.WSATHREADID = identity, ready: threading.Event = ready) -> None:
            ws2_32.WPUOpenCurrentThread(ctypes.byref(identity), None)
            ready.set()
            alertable(10)

        thread = threading.Thread(target=serve)
        thread.start()
        assert ready.wait(10)
        assert queue(identity, lambda context, stop=stop: stop.set()) == (0, UNTOUCHED)
        thread.join(10)
        assert stop.is_set()
        close(identity)


def test_intermediate_procedure_pattern(started: None, got: list[object]) -> None:
    """upcalls 4.3 Standard intermediate-procedure pattern: unpack, free the block, call the routine"""
    blocks: dict[int, tuple[object, ...]] = {}
    identity = open_thread()

    def routine(error: int, transferred: int, overlapped: object, flags: int) -> None:
        assert not blocks, "freed before the client is called"
        got.append((error, transferred, flags))

    def intermediate(context: int) -> None:
        client, *rest = blocks.pop(context)
        client(*rest)  # type: ignore[operator]

    blocks[0x1000] = (routine, 0, 12, None, 3)
    queue(identity, intermediate, 0x1000)
    close(identity)
    assert alertable() == IO_COMPLETION
    assert got == [(0, 12, 3)]


def test_compiled_apc_procedures_and_their_exceptions(started: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """upcalls 3 LPWSAUSERAPC: pointer-sized context; an exception inside a C callback cannot leave it"""
    seen: list[object] = []
    reported: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: reported.append(unraisable.exc_type))
    prototype = ctypes.CFUNCTYPE(None, ctypes.c_size_t)
    good, bad = prototype(seen.append), prototype(lambda context: 1 // 0)
    identity = open_thread()
    for routine in (good, bad, good):
        queue(identity, routine, 2**63)
    assert alertable() == IO_COMPLETION
    assert seen == [2**63, 2**63]
    assert reported == [ZeroDivisionError]
    close(identity)


def test_an_exception_of_a_plain_routine_leaves_the_wait_and_the_rest_stays(started: None, got: list[object]) -> None:
    """upcalls 4.3 When it runs (witness B5)"""
    identity = open_thread()

    def bad(context: object) -> None:
        raise ValueError("from the APC")

    queue(identity, bad)
    queue(identity, got.append, "next")
    with pytest.raises(ValueError, match="from the APC"):
        alertable()
    assert got == []
    assert alertable() == IO_COMPLETION
    assert got == ["next"]
    close(identity)


# 4.4 Where WSATHREADID values come from


def test_the_dll_has_one_identity_for_each_thread_until_it_ends(started: None) -> None:
    """upcalls 4.4 lpThreadId argument: one per thread, destroyed with it"""
    assert own_structure() is own_structure()
    with Worker() as worker:
        handle = worker.do(lambda: own_structure().ThreadHandle)
        assert handle != own_structure().ThreadHandle
        assert handles.get(handle, threads.Thread) is not None
    assert handles.get(handle, threads.Thread) is None


# The Python forms


def test_python_forms_raise_and_take_any_spelling_of_an_identity(started: None, got: list[object]) -> None:
    """upcalls 4: one home for the rules, whatever face calls"""
    identity = upcalls.open_current_thread()
    assert isinstance(identity, ThreadId)
    for spelling in (identity, ws2_32.WSATHREADID(*identity), threads.current()):
        upcalls.queue_apc(spelling, got.append, 1)
    assert alertable() == IO_COMPLETION
    assert got == [1, 1, 1]
    upcalls.close_thread(ws2_32.WSATHREADID(*identity))
    with pytest.raises(WinsockError) as raised:
        upcalls.queue_apc(identity, got.append, 1)
    assert raised.value.code is WSAError.WSAEFAULT


def test_nothing_in_the_queue_path_takes_a_lock() -> None:
    """upcalls 4.3 Calling context: safe in an interrupt context (the interrupt tests strike; this reads)"""
    for function in (upcalls.queue_apc, upcalls.close_thread, upcalls.set_event, upcalls.reset_event):
        assert "lock" not in inspect.getsource(function).split('"""')[2]
