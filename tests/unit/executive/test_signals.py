"""Real interrupts: signals, weakref callbacks and `__del__` that strike wherever they like (upcalls 4.3, 6)."""

import gc
import signal
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ws2spi._abi.constants import WAIT_OBJECT_0, WAIT_TIMEOUT
from ws2spi._executive.events import Event
from ws2spi._executive.ports import CompletionPort, Packet
from ws2spi._executive.threads import current
from ws2spi._executive.waits import wait

STORM = 0.7  # seconds


@contextmanager
def alarm(handler: Callable[[], object]) -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, lambda *_: handler())
    signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_apcs_from_a_signal_handler_are_all_delivered_once() -> None:
    thread = current()
    thread.pending.clear()
    sent, ran = [0], [0]

    def apc(_: object) -> None:
        ran[0] += 1

    def handler() -> None:
        sent[0] += 1
        thread.queue_apc(apc, None)

    own = 0
    end = time.monotonic() + STORM
    with alarm(handler):
        while time.monotonic() < end:
            thread.queue_apc(apc, None)
            own += 1
            wait((), timeout=0.001, alertable=True)
    wait((), timeout=0, alertable=True)
    assert sent[0] > 50
    assert ran[0] == sent[0] + own


def test_sets_from_a_signal_handler_end_every_wait() -> None:
    event, hits = Event(False), [0]

    def handler() -> None:
        hits[0] += 1
        event.set()

    ended = 0
    end = time.monotonic() + STORM
    with alarm(handler):
        while time.monotonic() < end:
            assert wait((event,), timeout=5) == WAIT_OBJECT_0
            ended += 1
    assert ended >= 50
    assert ended <= hits[0]


def test_everything_from_a_signal_handler_at_once() -> None:
    """Sets, resets, posts, APCs and a nested wait; the packets are counted."""
    thread = current()
    auto, manual, port = Event(False), Event(True), CompletionPort(2)
    posted, ran = [0], [0]

    def apc(_: object) -> None:
        ran[0] += 1

    def handler() -> None:
        posted[0] += 1
        port.post(Packet(posted[0]))
        thread.queue_apc(apc, None)
        auto.set()
        manual.set()
        manual.reset()
        wait((manual,), timeout=0)

    seen: list[int] = []
    end = time.monotonic() + STORM
    with alarm(handler):
        while time.monotonic() < end:
            wait((manual, auto), timeout=0.0005, alertable=True)
            wait((manual, auto), all=True, timeout=0)
            for packet in port.get_many(8, 0.0005, True) or []:
                seen.append(packet.key)
    for packet in port.get_many(1 << 20, 0) or []:
        seen.append(packet.key)
    wait((), timeout=0, alertable=True)
    assert posted[0] > 50
    # A handler may strike inside the handler before, between its count and its post: no order to assert here.
    assert sorted(seen) == list(range(1, posted[0] + 1)), "lost or doubled"
    assert ran[0] == posted[0]
    port.thread_leaves(thread)


@pytest.mark.parametrize("how", ["__del__", "weakref"])
def test_finalisers_of_the_cycle_collector(how: str) -> None:
    thread = current()
    thread.pending.clear()
    event = Event(False)
    fired, ran = [0], [0]

    def apc(_: object) -> None:
        ran[0] += 1

    def strike() -> None:
        fired[0] += 1
        thread.queue_apc(apc, None)
        event.set()
        event.reset()

    class Cycle:
        def __init__(self) -> None:
            self.itself = self

    class Finalised(Cycle):
        def __del__(self) -> None:
            strike()

    watched: set[weakref.ref[Cycle]] = set()

    def make() -> None:
        if how == "__del__":
            Finalised()
        else:
            watched.add(weakref.ref(Cycle(), lambda ref: (watched.discard(ref), strike())))

    thresholds = gc.get_threshold()
    gc.set_threshold(5)
    own = 0
    try:
        end = time.monotonic() + STORM
        while time.monotonic() < end:
            make()
            thread.queue_apc(apc, None)
            own += 1
            wait((event,), timeout=0, alertable=True)
    finally:
        gc.set_threshold(*thresholds)
    gc.collect()
    wait((), timeout=0, alertable=True)
    assert fired[0] > 50
    assert ran[0] == fired[0] + own
    assert wait((event,), timeout=0) == WAIT_TIMEOUT
