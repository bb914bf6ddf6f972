"""The upcalls in an interrupt context: spec upcalls 4.3 "Calling context", 6 "Safe in interrupt context".

The executive has tests of its own for what lies below; here the upcalls' own code is struck, at every bytecode of it
and by real interrupts, with the C signatures that a provider calls.
"""

import ctypes
import gc
import signal
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from support.calls import IO_COMPLETION, alertable, close, code_of, open_thread, queue
from support.interrupts import at_every_bytecode
from ws2spi import ws2_32
from ws2spi._abi.errors import WSAError
from ws2spi._executive import threads

ROOT = Path(ws2_32.__file__).parents[1]
OURS = (str(ROOT / "_runtime"), str(ROOT / "ws2_32"))


class Scene:
    """A thread's identity, an event, and what ran."""

    def __init__(self) -> None:
        threads.current().pending.clear()
        self.identity = open_thread()
        self.spare = open_thread()
        self.event = ws2_32.WPUCreateEvent(None)
        self.ran: list[str] = []
        self.answers: list[tuple[object, int]] = []

    def finish(self) -> list[str]:
        alertable()
        for identity in (self.identity, self.spare):
            close(identity)
        code_of(ws2_32.WPUCloseEvent, self.event)
        return self.ran

    def is_set(self) -> bool:
        from ws2spi._executive.events import Event
        from ws2spi._executive.handles import handles

        event = handles.get(self.event, Event)
        return event is not None and event.is_set()


def _queue(scene: Scene, name: str) -> tuple[int, int]:
    return queue(scene.identity, scene.ran.append, name)


def _set(scene: Scene) -> tuple[int, int]:
    return code_of(ws2_32.WPUSetEvent, scene.event)


def _reset(scene: Scene) -> tuple[int, int]:
    return code_of(ws2_32.WPUResetEvent, scene.event)


ACTIONS: dict[str, Callable[[Scene], object]] = {
    "queue": lambda scene: _queue(scene, "struck"),
    "set": _set,
    "reset": _reset,
    "close": lambda scene: close(scene.spare),
}


@pytest.mark.parametrize("strike", ACTIONS)
def test_queue_struck_at_every_bytecode_queues_once(started: None, strike: str) -> None:
    def check(scene: Scene, result: tuple[int, int]) -> None:
        assert result[0] == 0
        assert sorted(scene.finish()) == ["outer", "struck"][: 1 + (strike == "queue")]

    points = at_every_bytecode(Scene, lambda scene: _queue(scene, "outer"), ACTIONS[strike], check, OURS)
    assert points > 20


@pytest.mark.parametrize("strike", ACTIONS)
def test_close_struck_at_every_bytecode_closes_once(started: None, strike: str) -> None:
    def check(scene: Scene, result: tuple[int, int]) -> None:
        assert result[0] == 0
        assert close(scene.identity) == (-1, WSAError.WSAEFAULT)
        scene.finish()

    assert at_every_bytecode(Scene, lambda scene: close(scene.identity), ACTIONS[strike], check, OURS) > 20


def test_close_struck_by_a_close_of_the_same_identity(started: None) -> None:
    """One of the two succeeds, the other is the second close."""

    def check(scene: Scene, result: tuple[int, int]) -> None:
        answers = sorted([result, scene.answers[0]], key=str)
        assert [answer[0] for answer in answers] in ([0, -1], [-1, 0])
        scene.finish()

    def strike(scene: Scene) -> None:
        scene.answers.append(close(scene.identity))

    assert at_every_bytecode(Scene, lambda scene: close(scene.identity), strike, check, OURS) > 20


@pytest.mark.parametrize(("call", "outcome"), [(_set, True), (_reset, False)])
@pytest.mark.parametrize("strike", ACTIONS)
def test_set_and_reset_struck_at_every_bytecode(
    started: None, call: Callable[[Scene], object], outcome: bool, strike: str
) -> None:
    """Struck by the opposite the result is that of whichever came last; by anything else it is what was asked."""

    def check(scene: Scene, result: tuple[int, int]) -> None:
        assert result[0] == 1
        if strike not in ("set", "reset") or ACTIONS[strike] is call:
            assert scene.is_set() is outcome
        scene.finish()

    assert at_every_bytecode(Scene, call, ACTIONS[strike], check, OURS) > 20


def test_apcs_queued_by_a_signal_handler_inside_queue_and_waits(started: None) -> None:
    """Real signals: nothing lost, nothing doubled, no hang."""
    identity = open_thread()
    alertable()
    # Appends, because the handler may be interrupted by itself.
    sent: list[int] = []
    ran: list[object] = []
    own = 0

    def handler(*_: object) -> None:
        sent.append(queue(identity, ran.append)[0])

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
    try:
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            own += queue(identity, ran.append)[0] == 0
            alertable(0.0005)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    while alertable() == IO_COMPLETION:
        pass
    assert len(ran) == sent.count(0) + own
    assert len(sent) > 20
    close(identity)


@pytest.mark.parametrize("kind", ["weakref callback", "__del__"])
def test_apcs_queued_while_objects_die(started: None, kind: str) -> None:
    """A collection may strike inside the queue; its callbacks queue in turn."""
    identity = open_thread()
    alertable()
    ran: list[str] = []

    class Dying:
        def __init__(self) -> None:
            self.cycle = self
            if kind == "weakref callback":
                self.watch = weakref.ref(self, lambda _: queue(identity, ran.append, "dead"))
                watches.append(self.watch)

        def __del__(self) -> None:
            if kind == "__del__":
                queue(identity, ran.append, "dead")

    watches: list[object] = []
    threshold = gc.get_threshold()
    gc.set_threshold(1)  # a collection at nearly every allocation
    try:
        for _ in range(200):
            Dying()
            queue(identity, ran.append, "own")
    finally:
        gc.set_threshold(*threshold)
    gc.collect()
    while alertable() == IO_COMPLETION:
        pass
    assert ran.count("own") == 200
    assert ran.count("dead") == 200
    close(identity)


def test_queue_from_many_threads_at_once(started: None) -> None:
    """upcalls 4.3 Calling context: from any thread"""
    identity = open_thread()
    alertable()
    ran: list[tuple[int, int]] = []

    def flood(number: int) -> None:
        for turn in range(300):
            assert queue(identity, ran.append, (number, turn))[0] == 0

    workers = [threading.Thread(target=flood, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers):
        alertable(0.01)
    alertable()
    assert len(ran) == 1200
    for number in range(4):
        assert [turn for one, turn in ran if one == number] == list(range(300))
    close(identity)


def test_the_structure_may_be_a_scripts_own(started: None) -> None:
    """Structures are read and written by field name."""

    class Own(ctypes.Structure):
        _fields_ = (("Extra", ctypes.c_int), ("ThreadHandle", ctypes.c_void_p), ("Reserved", ctypes.c_size_t))

    identity, ran = Own(), []
    assert ws2_32.WPUOpenCurrentThread(ctypes.byref(identity), None) == 0
    assert queue(identity, ran.append, 5)[0] == 0
    assert alertable() == IO_COMPLETION
    assert ran == [5]
    assert close(identity)[0] == 0
