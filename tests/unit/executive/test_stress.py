"""Many threads at once: nothing lost, nothing doubled, nothing stolen."""

import random
import threading
import time

from support.threads import LONG, Running, until
from ws2spi._abi.constants import WAIT_IO_COMPLETION, WAIT_OBJECT_0, WAIT_TIMEOUT
from ws2spi._executive.events import Event
from ws2spi._executive.ports import CompletionPort, Packet, PortClosed
from ws2spi._executive.threads import current
from ws2spi._executive.waits import wait


def test_every_set_of_an_auto_event_is_consumed_once() -> None:
    event, done, ack = Event(False), Event(True), Event(False)
    got = [0, 0, 0]

    def consumer(number: int) -> None:
        while wait((done, event)) == WAIT_OBJECT_0 + 1:
            got[number] += 1
            ack.set()

    workers = [Running(consumer, number) for number in range(3)]
    for _ in range(3000):
        event.set()
        assert wait((ack,), timeout=LONG) == WAIT_OBJECT_0, got
    done.set()
    for worker in workers:
        worker.result()
    assert sum(got) == 3000


def test_apcs_from_three_threads_keep_each_ones_order() -> None:
    seen: list[tuple[int, int]] = []
    finish, nudge = Event(True), Event(False)
    choice = random.Random(3)

    def target() -> None:
        while True:
            timeout = choice.choice((None, 0.001, 0.0001))
            if wait((finish, nudge), timeout=timeout, alertable=True) == WAIT_OBJECT_0:
                while wait((), timeout=0, alertable=True) == WAIT_IO_COMPLETION:
                    pass
                return

    worker = Running(target)

    def producer(number: int) -> None:
        for count in range(2000):
            assert worker.executive.queue_apc(seen.append, (number, count))
            if count % 50 == 0:
                nudge.set()

    producers = [Running(producer, number) for number in range(3)]
    for one in producers:
        one.result()
    finish.set()
    worker.result()
    assert len(seen) == 6000
    for number in range(3):
        assert [count for who, count in seen if who == number] == list(range(2000))


def test_no_wake_up_is_lost() -> None:
    """One APC there, one event back, nothing else that could wake anybody."""
    hit, stop = Event(False), [False]

    def target() -> None:
        while not stop[0]:
            wait((), timeout=LONG, alertable=True)

    worker = Running(target)
    for _ in range(4000):
        worker.executive.queue_apc(lambda _: hit.set(), None)
        assert wait((hit,), timeout=LONG) == WAIT_OBJECT_0
    stop[0] = True
    worker.executive.queue_apc(lambda _: None, None)
    worker.result()


def test_wait_for_all_steals_nothing() -> None:
    """D4: a alone stays takable although a wait for all looks at it."""
    a, b, ack, stop = Event(False), Event(False), Event(False), [False]
    pairs = [0]

    def both() -> None:
        while not stop[0]:
            if wait((a, b), all=True, timeout=0.05) == WAIT_OBJECT_0:
                pairs[0] += 1
                ack.set()

    worker = Running(both)
    for _ in range(2000):
        a.set()
        assert wait((a,), timeout=0) == WAIT_OBJECT_0
        a.set()
        b.set()
        assert wait((ack,), timeout=LONG) == WAIT_OBJECT_0
    stop[0] = True
    worker.result()
    assert pairs[0] == 2000


def test_waits_for_all_in_opposite_orders_and_single_waits_share() -> None:
    """As many signals out as in, in any mixture, and none is stuck beside a wait that could have it."""
    a, b = Event(False), Event(False)
    taken_a, taken_b = [0] * 6, [0] * 6
    stop = Event(True)

    def one(number: int, event: Event, counts: list[int]) -> None:
        while wait((stop, event)) != WAIT_OBJECT_0:
            counts[number] += 1

    def both(number: int, pair: tuple[Event, Event]) -> None:
        while not stop.is_set():
            if wait(pair, all=True, timeout=0.02) == WAIT_OBJECT_0:
                taken_a[number] += 1
                taken_b[number] += 1

    workers = [Running(one, 0, a, taken_a), Running(one, 1, b, taken_b)]
    workers += [Running(both, number, pair) for number, pair in ((2, (a, b)), (3, (b, a)), (4, (a, b)))]
    sets = [0, 0]
    choice = random.Random(5)
    for _ in range(3000):
        which = choice.randrange(2)
        event = (a, b)[which]
        until(lambda event=event: not event.is_set())
        event.set()
        sets[which] += 1
    until(lambda: not a.is_set() and not b.is_set())
    stop.set()
    for worker in workers:
        worker.result()
    left = [int(event.is_set()) for event in (a, b)]
    assert [sum(taken_a) + left[0], sum(taken_b) + left[1]] == sets


def test_timeouts_and_sets_race_without_loss() -> None:
    """A set that meets a time-out is either taken or stays."""
    event = Event(False)
    taken, sets, stop = [0], [0], [False]

    def consumer() -> None:
        while not stop[0]:
            if wait((event,), timeout=0.001) == WAIT_OBJECT_0:
                taken[0] += 1

    worker = Running(consumer)
    end = time.monotonic() + 0.8
    while time.monotonic() < end:
        until(lambda: not event.is_set())
        sets[0] += 1
        event.set()
    until(lambda: not event.is_set())
    stop[0] = True
    worker.result()
    until(lambda: taken[0] == sets[0])


def test_port_gives_every_packet_once() -> None:
    port = CompletionPort(2)
    got: list[tuple[int, int]] = []
    running, most, lock = [0], [0], threading.Lock()

    def work(number: int) -> None:
        choice = random.Random(number)
        while True:
            try:
                packets = port.get_many(choice.randrange(1, 3), LONG)
            except PortClosed:
                return
            with lock:
                running[0] += 1
                most[0] = max(most[0], running[0])
            got.extend((number, packet.key) for packet in packets or [])
            with lock:
                running[0] -= 1

    workers = [Running(work, number) for number in range(5)]

    def post(first: int) -> None:
        for key in range(first, 6000, 2):
            port.post(Packet(key))

    posters = [Running(post, first) for first in range(2)]
    for poster in posters:
        poster.result()
    until(lambda: len(got) == 6000)
    port.close()
    for worker in workers:
        worker.result()
    assert sorted(key for _, key in got) == list(range(6000))
    assert most[0] <= 3, "the limit is 2; one more for a moment is allowed"


def test_ping_pong_over_two_ports() -> None:
    there, back = CompletionPort(1), CompletionPort(1)

    def echo() -> None:
        while True:
            packet = there.get(LONG)
            assert packet
            if not packet.key:
                return
            back.post(packet)

    worker = Running(echo)
    for key in range(1, 2000):
        there.post(Packet(key))
        packet = back.get(LONG)
        assert packet
        assert packet.key == key
    there.post(Packet(0))
    worker.result()
    back.thread_leaves(current())


def test_threads_come_and_go() -> None:
    event = Event(False)
    for _ in range(100):
        worker = Running(lambda: wait((event,), timeout=LONG))
        worker.executive.queue_apc(print, "never")
        event.set()
        assert worker.result() == WAIT_OBJECT_0
        assert wait((worker.executive,), timeout=LONG) == WAIT_OBJECT_0
        assert not worker.executive.queue_apc(print, "never")
    assert wait((event,), timeout=0) == WAIT_TIMEOUT
