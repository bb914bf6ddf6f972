"""Threads, APC queues, parking (executive.md 2, 5; witness A, B, C; upcalls 4.3)."""

import gc
import os
import select
import socket
import threading
import weakref

import pytest

from support.threads import LONG, Running, until
from ws2spi._abi.constants import WAIT_IO_COMPLETION, WAIT_OBJECT_0, WAIT_TIMEOUT
from ws2spi._executive.events import Event
from ws2spi._executive.threads import Thread, adopt, by_native_id, current
from ws2spi._executive.waits import wait


def run_pending() -> int:
    return wait((), timeout=0, alertable=True)


def test_current_is_one_object_for_each_thread() -> None:
    assert current() is current()
    other = Running(current)
    assert other.result() is other.executive
    assert other.executive is not current()


def test_apcs_run_in_the_order_queued() -> None:
    """2.1 Queue: one per thread, FIFO."""
    ran: list[int] = []
    for number in range(5):
        assert current().queue_apc(ran.append, number)
    assert ran == [], "queueing never calls (upcalls 4.3), not even on the thread itself (2.1 Self)"
    assert run_pending() == WAIT_IO_COMPLETION
    assert ran == [0, 1, 2, 3, 4]
    assert run_pending() == WAIT_TIMEOUT, "one WAIT_IO_COMPLETION for any number (2.2)"


def test_apcs_run_on_their_own_thread_only() -> None:
    go = Event(True)
    ran: list[int] = []

    def target() -> int:
        wait((go,), timeout=LONG)
        return wait((), timeout=LONG, alertable=True)

    worker = Running(target)
    worker.executive.queue_apc(lambda _: ran.append(threading.get_ident()), None)
    run_pending()
    assert ran == []
    go.set()
    assert worker.result() == WAIT_IO_COMPLETION
    assert ran == [worker.thread.ident]


def test_apc_queued_by_an_apc_runs_in_the_same_wait() -> None:
    """B1: three deep, one WAIT_IO_COMPLETION."""
    ran: list[int] = []

    def apc(depth: int) -> None:
        ran.append(depth)
        if depth < 3:
            current().queue_apc(apc, depth + 1)

    current().queue_apc(apc, 1)
    assert run_pending() == WAIT_IO_COMPLETION
    assert ran == [1, 2, 3]


def test_apc_queued_by_another_thread_during_the_drain_runs_in_the_same_wait() -> None:
    """B1, second half."""
    ran: list[str] = []
    mine = current()

    def apc(_: object) -> None:
        Running(mine.queue_apc, ran.append, "from another").result()

    mine.queue_apc(apc, None)
    assert run_pending() == WAIT_IO_COMPLETION
    assert ran == ["from another"]


def test_alertable_wait_inside_an_apc_runs_the_rest_inside() -> None:
    """B3: inner 0 with an empty queue, inner WAIT_IO_COMPLETION with two more queued."""
    inner: list[int] = []
    ran: list[int] = []
    current().queue_apc(lambda _: inner.append(run_pending()), None)
    assert run_pending() == WAIT_IO_COMPLETION
    assert inner == [WAIT_TIMEOUT]

    def nesting(_: object) -> None:
        inner.append(run_pending())
        assert ran == [1, 2]

    current().queue_apc(nesting, None)
    current().queue_apc(ran.append, 1)
    current().queue_apc(ran.append, 2)
    assert run_pending() == WAIT_IO_COMPLETION
    assert inner[1:] == [WAIT_IO_COMPLETION]


def test_plain_wait_inside_an_apc_runs_no_other() -> None:
    """B4."""
    ran: list[str] = []

    def apc(_: object) -> None:
        wait((), timeout=0.001)
        ran.append("first")

    current().queue_apc(apc, None)
    current().queue_apc(ran.append, "second")
    run_pending()
    assert ran == ["first", "second"]


def test_exception_of_an_apc_leaves_through_the_wait_and_the_rest_stays() -> None:
    """B5."""
    ran: list[int] = []

    def failing(_: object) -> None:
        raise ValueError("x")

    current().queue_apc(ran.append, 1)
    current().queue_apc(failing, None)
    current().queue_apc(ran.append, 2)
    current().queue_apc(ran.append, 3)
    with pytest.raises(ValueError, match="x"):
        run_pending()
    assert ran == [1]
    assert run_pending() == WAIT_IO_COMPLETION
    assert ran == [1, 2, 3]


def test_exception_of_an_apc_leaves_through_a_blocked_wait() -> None:
    """B5 where the thread sleeps: nothing of the wait stays behind."""
    event = Event(False)

    def failing(_: object) -> None:
        raise ValueError("x")

    worker = Running(wait, (event,))
    worker.executive.queue_apc(failing, None)
    event.set()
    assert worker.result() == WAIT_OBJECT_0

    def target() -> int:
        with pytest.raises(ValueError, match="x"):
            wait((event,), timeout=LONG, alertable=True)
        return wait((event,), timeout=0)

    worker = Running(target)
    until(lambda: event._waiters)
    worker.executive.queue_apc(failing, None)
    assert worker.result() == WAIT_TIMEOUT
    assert not event._waiters


def test_ended_thread_refuses_apcs_and_drops_what_it_had() -> None:
    """C2: queueing to an exited thread fails; C4, C5: what was queued is lost, nobody is told."""
    ran: list[int] = []
    worker = Running(lambda: current().queue_apc(ran.append, 1))
    assert worker.result() is True
    until(lambda: worker.executive.ended)
    assert not worker.executive.queue_apc(ran.append, 2)
    assert not worker.executive.pending
    assert ran == []


def test_ended_thread_is_signalled() -> None:
    """5: a thread handle stays valid; the object is signalled from its end on, also for who waits already."""
    go = Event(True)
    worker = Running(wait, (go,))
    assert wait((worker.executive,), timeout=0) == WAIT_TIMEOUT
    watcher = Running(wait, (worker.executive,))
    until(lambda: worker.executive._waiters)
    go.set()
    assert watcher.result() == WAIT_OBJECT_0
    assert wait((worker.executive,), timeout=LONG) == WAIT_OBJECT_0
    assert wait((worker.executive,), timeout=0) == WAIT_OBJECT_0


def test_context_of_a_lost_apc_is_released() -> None:
    class Block:
        pass

    block = Block()
    seen = weakref.ref(block)
    worker = Running(lambda held: current().queue_apc(print, held), block)
    worker.result()
    assert wait((worker.executive,), timeout=LONG) == WAIT_OBJECT_0
    del block, worker
    gc.collect()
    assert seen() is None


def test_adopted_thread_keeps_apcs_queued_before_it_ran() -> None:
    """2.1 Before start, C1: 1, 2, 3 and what the third queues."""
    ran: list[str] = []
    made = Thread()
    made.queue_apc(ran.append, "1")
    made.queue_apc(lambda _: made.queue_apc(ran.append, "z"), None)

    def start() -> Thread:
        adopt(made)
        current().run_apcs()
        ran.append("start")
        return current()

    thread = threading.Thread(target=start)
    thread.start()
    thread.join(LONG)
    assert ran == ["1", "z", "start"]
    until(lambda: made.ended)


def test_threads_are_found_by_native_id_while_they_live() -> None:
    worker = Running(lambda: by_native_id(threading.get_native_id()))
    assert worker.result() is worker.executive
    until(lambda: worker.executive.ended)
    assert by_native_id(worker.executive.native_id) is not worker.executive


def test_park_returns_the_events_of_the_descriptor() -> None:
    a, b = socket.socketpair()
    with a, b:
        thread = current()
        was = thread.begin_park()
        try:
            assert thread.park(a.fileno(), select.POLLIN, 0) == 0
            b.send(b"x")
            assert thread.park(a.fileno(), select.POLLIN, LONG) == select.POLLIN
            assert thread.park(a.fileno(), select.POLLIN | select.POLLOUT, LONG) == select.POLLIN | select.POLLOUT
            assert thread.park(timeout=0) == 0
        finally:
            thread.end_park(was)


def test_wake_between_look_and_park_is_not_lost() -> None:
    thread = current()
    was = thread.begin_park()
    thread.wake()
    assert thread.park(timeout=LONG) == 0
    thread.end_park(was)


def test_wake_of_a_running_thread_is_nothing() -> None:
    thread = current()
    was = thread.begin_park()
    thread.park(timeout=0)  # a wake that came too late for an earlier test's wait
    thread.end_park(was)
    thread.wake()
    was = thread.begin_park()
    assert not select.select([thread._eventfd], [], [], 0)[0]
    thread.end_park(was)


def test_nested_park_wakes_the_outer_one() -> None:
    thread = current()
    outer = thread.begin_park()
    thread.wake()
    inner = thread.begin_park()
    thread.park(timeout=0)
    thread.end_park(inner)
    assert select.select([thread._eventfd], [], [], 0)[0], "the swallowed token was not replaced"
    thread.end_park(outer)


def test_a_nested_park_polls_while_the_outer_one_does() -> None:
    """A signal handler waits inside poll(): each nesting has a poll object of its own."""
    import signal

    thread = current()
    inner: list[int] = []

    event = Event(False)

    def handler(*_: object) -> None:
        inner.append(wait((), timeout=0.001))
        event.set()

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.003)
        assert wait((event,), timeout=LONG) == WAIT_OBJECT_0
    finally:
        signal.signal(signal.SIGALRM, before)
    assert inner == [WAIT_TIMEOUT]
    assert not thread._parked


def test_a_very_long_park_is_cut_and_not_refused() -> None:
    thread = current()
    was = thread.begin_park()
    thread.wake()
    thread.park(timeout=1e12)
    thread.end_park(was)


def test_eventfd_lives_as_long_as_the_thread_object() -> None:
    """A late wake, by who still holds the object, must not reach a descriptor that the kernel gave to another."""
    worker = Running(lambda: wait((), timeout=0.001))
    worker.result()
    kept = worker.executive
    del worker
    assert wait((kept,), timeout=LONG) == WAIT_OBJECT_0
    number = kept._eventfd
    kept.wake()
    assert os.readlink(f"/proc/self/fd/{number}") == "anon_inode:[eventfd]"
    del kept
    gc.collect()
    with pytest.raises(FileNotFoundError):
        os.readlink(f"/proc/self/fd/{number}")


def test_forked_child_has_a_thread_object_of_its_own() -> None:
    mine = current()
    mine.pending.clear()
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            other = current() is not mine and mine.ended and wait((), timeout=0.001) == WAIT_TIMEOUT
            os.write(write, b"y" if other else b"n")
        finally:
            os._exit(0)
    os.close(write)
    assert os.read(read, 1) == b"y"
    os.close(read)
    os.waitpid(child, 0)
    assert not mine.ended
