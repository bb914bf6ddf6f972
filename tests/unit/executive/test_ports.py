"""Completion ports (executive.md 8; witness E)."""

import threading

import pytest

from support.threads import LONG, Running, blocked_on, sleeping_wait, until
from ws2spi._abi.constants import WAIT_OBJECT_0
from ws2spi._executive import ports
from ws2spi._executive.events import Event
from ws2spi._executive.ports import CompletionPort, LivePacket, Packet, PortClosed
from ws2spi._executive.threads import current
from ws2spi._executive.waits import wait


@pytest.fixture(autouse=True)
def _own_thread_serves_no_port() -> None:
    """What a test before took must not count here."""
    current().pending.clear()
    port = current().port
    if port is not None:
        port.thread_leaves(current())


def keys(packets: list[Packet] | None) -> list[int]:
    assert packets is not None
    return [packet.key for packet in packets]


def test_packets_come_out_in_order_and_as_they_went_in() -> None:
    """E2, decision 12.8."""
    port = CompletionPort()
    marker = object()
    sent = [Packet(1, 2, None, 0), Packet(2**64 - 1, 2**32 - 1, marker, 0xC0000120), Packet(0, 0, None, 0)]
    for packet in sent:
        assert port.post(packet)
    assert [port.get(0) for _ in sent] == sent
    assert port.get(0) is None


def test_empty_port_times_out() -> None:
    """E1."""
    port = CompletionPort()
    assert port.get(0) is None
    assert port.get(0.002) is None
    assert port.get_many(4, 0) == []
    assert port.get_many(4, 0.002) == []


def test_newest_waiter_gets_the_oldest_packet() -> None:
    """E5, 8.2: waiting threads LIFO, packets FIFO."""
    port = CompletionPort(4)
    got: list[tuple[int, int]] = []

    def target(number: int) -> None:
        packet = port.get(LONG)
        assert packet
        got.append((number, packet.key))

    workers = []
    for number in range(4):
        workers.append(Running(target, number))
        blocked_on(port)(number + 1)
    for key in range(4):
        port.post(Packet(key))
        until(lambda key=key: len(got) == key + 1)
    assert got == [(3, 0), (2, 1), (1, 2), (0, 3)]


def test_posts_in_a_row_are_handed_over_at_once() -> None:
    """8.2: two waiters, two packets; a later get of the posting thread takes neither."""
    port = CompletionPort(4)
    workers = [Running(port.get, LONG) for _ in range(2)]
    blocked_on(port)(2)
    port.post(Packet(1))
    port.post(Packet(2))
    assert port.get(0) is None
    assert sorted(worker.result().key for worker in workers) == [1, 2]


def test_no_more_threads_than_the_concurrency_value() -> None:
    """E6: a spinning holder keeps the second packet back."""
    port = CompletionPort(1)
    stop = threading.Event()
    started = threading.Event()

    def holder() -> None:
        port.get(LONG)
        started.set()
        while not stop.is_set():
            pass

    spinning = Running(holder)
    blocked_on(port)(1)
    port.post(Packet(1))
    assert started.wait(LONG)
    second = Running(port.get, LONG)
    blocked_on(port)(1)
    port.post(Packet(2))
    second.thread.join(0.15)
    assert second.alive()
    stop.set()
    spinning.result()
    assert second.result().key == 2, "the end of the holder frees its place"


def test_holder_that_waits_here_frees_its_place() -> None:
    """E6, 8.2: when a running thread blocks elsewhere another is released; afterwards there may be more."""
    port = CompletionPort(1)
    go = Event(True)

    def holder() -> tuple[int, Packet | None]:
        port.get(LONG)
        wait((go,), timeout=LONG)
        running = len(port._running)
        return running, port.get(0)

    first = Running(holder)
    blocked_on(port)(1)
    port.post(Packet(1))
    blocked_on(go)(1)
    second_packet: list[int] = []
    leave = threading.Event()

    def second() -> None:
        packet = port.get(LONG)
        assert packet
        second_packet.append(packet.key)
        leave.wait(LONG)

    other = Running(second)
    until(lambda: port._waiters or second_packet)
    port.post(Packet(2))
    until(lambda: second_packet)
    go.set()
    running, nothing = first.result()
    assert second_packet == [2]
    assert running == 2, "the count may exceed the limit for a while"
    assert nothing is None
    leave.set()
    other.result()
    until(lambda: len(port._tokens) == 1 and not port._debts, LONG)


def test_holder_that_blocks_out_of_sight_frees_its_place() -> None:
    """E6: seen by the processor time it does not use."""
    port = CompletionPort(1)
    leave = threading.Event()

    def holder() -> None:
        port.get(LONG)
        leave.wait(LONG)

    first = Running(holder)
    blocked_on(port)(1)
    port.post(Packet(1))
    until(lambda: port._running)
    second = Running(port.get, LONG)
    blocked_on(port)(1)
    port.post(Packet(2))
    assert second.result().key == 2
    leave.set()
    first.result()


def test_running_thread_gets_the_next_packet_at_once() -> None:
    """8.2: it calls again with packets queued, although another waits."""
    port = CompletionPort(1)
    port.post(Packet(1))
    assert port.get(0)
    waiting = Running(port.get, 0.2)
    blocked_on(port)(1)
    port.post(Packet(2))
    packet = port.get(0)
    assert packet
    assert packet.key == 2
    assert port.get(0) is None
    assert waiting.result() is None


def test_thread_belongs_to_the_port_it_called_last() -> None:
    """8.2 Association."""
    first, second = CompletionPort(1), CompletionPort(1)
    first.post(Packet(1))
    first.post(Packet(2))
    assert first.get(0)
    waiting = Running(first.get, LONG)
    until(lambda: first._waiters)
    assert second.get(0) is None
    assert waiting.result().key == 2


def test_default_concurrency_is_the_number_of_processors() -> None:
    import os

    assert CompletionPort().concurrency == os.cpu_count()


def test_close_ends_waiting_gets() -> None:
    """E4: ERROR_ABANDONED_WAIT_0 for plain and extended gets."""
    port = CompletionPort()
    workers = [Running(port.get, LONG), Running(port.get_many, 4, LONG, True), Running(port.get)]
    blocked_on(port)(3)
    port.close()
    assert all(isinstance(worker.result(), PortClosed) for worker in workers)


def test_closed_port_refuses_everything() -> None:
    """E16: queued packets are lost, for the thread that works on one, too."""
    port = CompletionPort()
    for key in range(3):
        port.post(Packet(key))
    assert port.get(0)
    port.close()
    assert not port.post(Packet(2))
    with pytest.raises(PortClosed):
        port.get(0)
    with pytest.raises(PortClosed):
        port.get_many(1, 0)
    assert "closed" in repr(port)


def test_packet_handed_over_before_the_close_arrives() -> None:
    port = CompletionPort()
    worker = Running(port.get, LONG)
    blocked_on(port)(1)
    port.post(Packet(5))
    port.close()
    assert worker.result().key == 5


def test_get_many_takes_what_there_is() -> None:
    """E8."""
    port = CompletionPort()
    for key in range(3):
        port.post(Packet(key))
    assert keys(port.get_many(8, 0)) == [0, 1, 2]
    for key in range(5):
        port.post(Packet(key))
    assert keys(port.get_many(2, 0)) == [0, 1]
    assert keys(port.get_many(8, 0)) == [2, 3, 4]


def test_get_many_runs_apcs_only_without_packets() -> None:
    """E9."""
    port = CompletionPort()
    ran: list[int] = []
    current().queue_apc(ran.append, 1)
    port.post(Packet(1))
    assert keys(port.get_many(8, 0, True)) == [1]
    assert ran == []
    assert port.get_many(8, 0, True) is None
    assert ran == [1]
    current().queue_apc(ran.append, 2)
    assert port.get_many(8, 0.2, True) is None
    assert ran == [1, 2]


def test_blocked_alertable_get_many_ends_by_an_apc() -> None:
    """E9: blocked, at once."""
    port = CompletionPort()
    ran: list[int] = []
    worker = Running(port.get_many, 8, LONG, True)
    blocked_on(port)(1)
    worker.executive.queue_apc(ran.append, 1)
    assert worker.result() is None
    assert ran == [1]


@pytest.mark.parametrize("many", [False, True])
def test_plain_gets_run_no_apc(many: bool) -> None:
    """E10, A2; 2.3: GetQueuedCompletionStatus never, Ex only when asked."""
    port = CompletionPort()
    ran: list[int] = []
    worker = Running((lambda: port.get_many(8, LONG)) if many else (lambda: port.get(LONG)))
    blocked_on(port)(1)
    worker.executive.queue_apc(ran.append, 1)
    blocked_on(port)(1)
    port.post(Packet(1))
    assert worker.result()
    assert ran == []


def test_end_of_a_thread_frees_its_place() -> None:
    port = CompletionPort(1)
    port.post(Packet(1))
    port.post(Packet(2))
    assert Running(port.get, LONG).result().key == 1
    until(lambda: not port._running)
    assert Running(port.get, LONG).result().key == 2


def test_two_ports_waited_for_by_one_thread_after_the_other() -> None:
    """A thread that holds a packet of one port sleeps on another: its first place is free meanwhile."""
    first, second = CompletionPort(1), CompletionPort(1)

    def target() -> tuple[int, int]:
        one = first.get(LONG)
        two = second.get(LONG)
        assert one
        assert two
        return one.key, two.key

    worker = Running(target)
    blocked_on(first)(1)
    first.post(Packet(1))
    blocked_on(second)(1)
    first.post(Packet(2))
    assert Running(first.get, LONG).result().key == 2
    second.post(Packet(3))
    assert worker.result() == (1, 3)


def test_wait_on_an_event_inside_work_still_ends() -> None:
    port, event = CompletionPort(2), Event(False)

    def target() -> int:
        port.get(LONG)
        return wait((event,), timeout=LONG)

    worker = Running(target)
    blocked_on(port)(1)
    port.post(Packet(1))
    blocked_on(event)(1)
    event.set()
    assert worker.result() == WAIT_OBJECT_0


def test_packet_for_a_get_whose_time_is_over_goes_to_the_next() -> None:
    """A get that has timed out and not yet left costs neither the packet nor a place."""
    port = CompletionPort(1)
    leaving = sleeping_wait([])
    leaving.outcome[0] = ("timeout",)
    port._waiters[leaving] = None
    port.post(Packet(1))
    packet = port.get(0)
    assert packet
    assert packet.key == 1


# Packets that are made up when they are taken


def _lapsed(packet: LivePacket) -> bool:
    return False


def _counted(packet: LivePacket) -> bool:
    packet.transferred += 1
    return True


def test_a_live_packet_is_made_up_by_who_takes_it() -> None:
    port = CompletionPort()
    port.post_live(LivePacket(1, _counted))
    port.post(Packet(2))
    first = port.get(0)
    assert first is not None
    assert (first.key, first.transferred) == (1, 1)
    assert keys([port.get(0)]) == [2]  # type: ignore[list-item]


def test_a_live_packet_about_nothing_is_passed_by() -> None:
    port = CompletionPort()
    port.post_live(LivePacket(1, _lapsed))
    assert port.get(0) is None
    for key in (1, 2):
        port.post_live(LivePacket(key, _lapsed if key == 1 else _counted))
    assert keys(port.get_many(4, 0)) == [2]
    port.post_live(LivePacket(1, _lapsed))
    assert port.get_many(4, 0) == []


@pytest.mark.parametrize("many", [False, True])
def test_a_wait_goes_on_behind_a_packet_about_nothing(many: bool) -> None:
    port = CompletionPort()
    waiter = Running(lambda: port.get_many(2, LONG) if many else port.get(LONG))
    for key in (1, 2):
        blocked_on(port)(1)
        port.post_live(LivePacket(key, _lapsed))
    blocked_on(port)(1)
    port.post(Packet(3))
    result = waiter.result()
    assert keys(result if many else [result]) == [3]


@pytest.mark.parametrize("many", [False, True])
def test_the_time_of_a_wait_is_not_begun_anew(many: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(ports, "_monotonic", lambda: now[0])
    port = CompletionPort()

    def late(packet: LivePacket) -> bool:
        now[0] += 1.0
        return False

    waiter = Running(lambda: port.get_many(2, 1.0) if many else port.get(1.0))
    blocked_on(port)(1)
    port.post_live(LivePacket(1, late))
    assert not waiter.result()
