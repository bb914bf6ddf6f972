"""Interrupt safety (upcalls 4.3, 6: WPUQueueApc, WPUSetEvent, WPUResetEvent; executive.md 2, 4, 8).

Each of queue, post, set, reset and close strikes at every bytecode of each of them and of the waits, in the same
thread. Nothing may be lost or doubled, nothing may hang, and no wait may end late.
"""

import time
from collections.abc import Callable

import pytest

from support.interrupts import at_every_bytecode
from support.threads import sleeping_wait
from ws2spi._abi.constants import WAIT_IO_COMPLETION, WAIT_OBJECT_0, WAIT_TIMEOUT
from ws2spi._executive.events import Event
from ws2spi._executive.handles import HandleTable
from ws2spi._executive.ports import CompletionPort, Packet, PortClosed
from ws2spi._executive.threads import Thread, current
from ws2spi._executive.waits import wait

SHORT = 0.006  # a wait's time-out
EARLY = 0.003  # an interrupt before this must end the wait, not its time-out


class Scene:
    """One of each object, and what happened."""

    def __init__(self) -> None:
        self.thread = current()
        self.thread.pending.clear()
        self.auto = Event(False)
        self.manual = Event(True)
        self.second = Event(False)
        self.port = CompletionPort(2)
        self.ran: list[str] = []
        self.began = time.monotonic()
        self.early = False

    def queue(self, name: str = "apc") -> None:
        assert self.thread.queue_apc(self.ran.append, name)

    def strike(self) -> None:
        self.early = time.monotonic() - self.began < EARLY

    def finish(self) -> None:
        """Leave nothing queued, also after a run that was not struck."""
        self.drain()

    def drain(self) -> list[str]:
        self.thread.run_apcs()
        return sorted(self.ran)

    def packets(self) -> list[int]:
        return [packet.key for packet in self.port.get_many(9, 0) or []]


def test_queue_apc_inside_queue_apc_loses_and_doubles_nothing() -> None:
    def check(scene: Scene, result: object) -> None:
        assert result is True
        assert scene.drain() == ["outer", "struck"]

    assert at_every_bytecode(
        Scene, lambda s: s.thread.queue_apc(s.ran.append, "outer"), lambda s: s.queue("struck"), check
    )


def test_queue_apc_inside_the_drain_keeps_order_and_runs_in_the_same_wait() -> None:
    def call(scene: Scene) -> int:
        scene.queue("a")
        scene.queue("b")
        return wait((), timeout=0, alertable=True)

    def check(scene: Scene, result: object) -> None:
        assert result == WAIT_IO_COMPLETION
        assert scene.drain() == ["a", "b", "struck"]
        assert scene.ran.index("a") < scene.ran.index("b")

    assert at_every_bytecode(Scene, call, lambda s: s.queue("struck"), check)


def test_alertable_wait_inside_the_drain_doubles_nothing() -> None:
    def call(scene: Scene) -> int:
        scene.queue("a")
        scene.queue("b")
        return wait((), timeout=SHORT, alertable=True)

    def check(scene: Scene, result: object) -> None:
        assert scene.drain() == ["a", "b"]

    assert at_every_bytecode(Scene, call, lambda s: wait((), timeout=0, alertable=True), check)


@pytest.mark.parametrize("kind", ["auto", "manual"])
def test_set_inside_set_is_one_signal(kind: str) -> None:
    def check(scene: Scene, result: object) -> None:
        event: Event = getattr(scene, kind)
        assert event.is_set()
        event.reset()
        assert not event.is_set()

    assert at_every_bytecode(Scene, lambda s: getattr(s, kind).set(), lambda s: getattr(s, kind).set(), check)


@pytest.mark.parametrize("kind", ["auto", "manual"])
@pytest.mark.parametrize(("outer", "inner"), [("set", "reset"), ("reset", "set"), ("reset", "reset")])
def test_set_and_reset_inside_each_other_leave_a_working_event(kind: str, outer: str, inner: str) -> None:
    def check(scene: Scene, result: object) -> None:
        event: Event = getattr(scene, kind)
        event.reset()
        assert wait((event,), timeout=0) == WAIT_TIMEOUT
        event.set()
        assert wait((event,), timeout=0) == WAIT_OBJECT_0

    def do(name: str) -> Callable[[Scene], None]:
        return lambda scene: getattr(getattr(scene, kind), name)()

    assert at_every_bytecode(Scene, do(outer), do(inner), check)


def test_two_sets_release_two_blocked_waits() -> None:
    """D2: the one that strikes and the one that is struck release one wait each."""

    def call(scene: Scene) -> None:
        scene.auto.set()

    def make() -> Scene:
        scene = Scene()
        scene.waits = [sleeping_wait([scene.auto]), sleeping_wait([scene.auto])]  # type: ignore[attr-defined]
        return scene

    def check(scene: Scene, result: object) -> None:
        assert all(waiter.outcome.get(0) == (scene.auto,) for waiter in scene.waits)  # type: ignore[attr-defined]
        assert all(waiter.thread.woken for waiter in scene.waits)  # type: ignore[attr-defined]
        assert not scene.auto.is_set(), "a set was doubled"

    assert at_every_bytecode(make, call, lambda s: s.auto.set(), check)


def test_second_set_stays_when_one_wait_is_blocked() -> None:
    """D2: a set beyond the waiters stays."""

    def make() -> Scene:
        scene = Scene()
        scene.waiter = sleeping_wait([scene.auto])  # type: ignore[attr-defined]
        return scene

    def check(scene: Scene, result: object) -> None:
        assert scene.waiter.outcome.get(0) == (scene.auto,)  # type: ignore[attr-defined]
        assert scene.auto.is_set(), "a set was lost"

    assert at_every_bytecode(make, lambda s: s.auto.set(), lambda s: s.auto.set(), check)


def test_reset_inside_set_never_unreleases_a_blocked_wait() -> None:
    """D3: released at SetEvent, whatever resets in the middle of it."""

    def make() -> Scene:
        scene = Scene()
        scene.waiter = sleeping_wait([scene.auto])  # type: ignore[attr-defined]
        return scene

    def check(scene: Scene, result: object) -> None:
        assert scene.waiter.outcome.get(0) == (scene.auto,)  # type: ignore[attr-defined]
        assert not scene.auto.is_set()

    assert at_every_bytecode(make, lambda s: s.auto.set(), lambda s: s.auto.reset(), check)


def test_setting_both_objects_inside_each_other_ends_a_wait_for_all() -> None:
    """D4, D5: whichever set comes last satisfies the wait for all, wherever it strikes."""

    def make() -> Scene:
        scene = Scene()
        scene.waiter = sleeping_wait([scene.auto, scene.second], all=True)  # type: ignore[attr-defined]
        return scene

    def check(scene: Scene, result: object) -> None:
        assert scene.waiter.outcome.get(0) == ("all",)  # type: ignore[attr-defined]
        assert not scene.auto.is_set()
        assert not scene.second.is_set()

    assert at_every_bytecode(make, lambda s: s.auto.set(), lambda s: s.second.set(), check)


def test_wait_for_all_and_for_one_share_what_interleaved_sets_give() -> None:
    """D5 under interrupts: a wait for {a, b} and one for {a}; two sets of a and one of b serve both."""

    def make() -> Scene:
        scene = Scene()
        scene.both = sleeping_wait([scene.auto, scene.second], all=True)  # type: ignore[attr-defined]
        scene.one = sleeping_wait([scene.auto])  # type: ignore[attr-defined]
        return scene

    def handler(scene: Scene) -> None:
        scene.second.set()
        scene.auto.set()

    def check(scene: Scene, result: object) -> None:
        assert scene.one.outcome.get(0) == (scene.auto,)  # type: ignore[attr-defined]
        assert scene.both.outcome.get(0) == ("all",)  # type: ignore[attr-defined]
        assert not scene.auto.is_set()

    assert at_every_bytecode(make, lambda s: s.auto.set(), handler, check)


def test_post_inside_post_keeps_both_packets() -> None:
    def check(scene: Scene, result: object) -> None:
        assert sorted(scene.packets()) == [1, 2]

    assert at_every_bytecode(Scene, lambda s: s.port.post(Packet(1)), lambda s: s.port.post(Packet(2)), check)


def test_post_inside_post_serves_two_sleeping_gets() -> None:
    def make() -> Scene:
        scene = Scene()
        scene.gets = [sleeping_wait([]), sleeping_wait([])]  # type: ignore[attr-defined]
        for waiter in scene.gets:  # type: ignore[attr-defined]
            scene.port._waiters[waiter] = None
        return scene

    def check(scene: Scene, result: object) -> None:
        got = [waiter.outcome[0][0].key for waiter in scene.gets]  # type: ignore[attr-defined]
        assert sorted(got) == [1, 2]
        assert len(scene.port) == 0
        assert all(waiter.thread.woken for waiter in scene.gets)  # type: ignore[attr-defined]

    assert at_every_bytecode(make, lambda s: s.port.post(Packet(1)), lambda s: s.port.post(Packet(2)), check)


def test_get_inside_post_and_post_inside_get() -> None:
    def check_get(scene: Scene, result: object) -> None:
        keys = [key for key in (getattr(result, "key", None), *scene.packets()) if key]
        assert sorted(keys) == [1, 2]

    def call(scene: Scene) -> Packet | None:
        scene.port.post(Packet(1))
        return scene.port.get(0)

    assert at_every_bytecode(Scene, call, lambda s: s.port.post(Packet(2)), check_get)

    taken: list[Packet | None] = []

    def check_post(scene: Scene, result: object) -> None:
        keys = [packet.key for packet in taken if packet] + scene.packets()
        taken.clear()
        assert keys == [1]

    assert at_every_bytecode(Scene, lambda s: s.port.post(Packet(1)), lambda s: taken.append(s.port.get(0)), check_post)


def test_get_inside_post_robs_a_sleeping_get_of_one_packet_only() -> None:
    """A running thread takes the packet while it is being handed over: the sleeping get stays and gets the next."""
    taken: list[Packet | None] = []

    def make() -> Scene:
        scene = Scene()
        scene.port.post(Packet(9))
        assert scene.port.get(0), "this thread works for the port"
        scene.waiter = sleeping_wait([])  # type: ignore[attr-defined]
        scene.port._waiters[scene.waiter] = None  # type: ignore[attr-defined]
        return scene

    def check(scene: Scene, result: object) -> None:
        robbed = [packet.key for packet in taken if packet]
        taken.clear()
        outcome = scene.waiter.outcome  # type: ignore[attr-defined]
        if robbed:
            assert not outcome
            scene.port.post(Packet(2))
            assert outcome[0][0].key == 2
        else:
            assert outcome[0][0].key == 1
        scene.port.thread_leaves(scene.thread)

    assert at_every_bytecode(make, lambda s: s.port.post(Packet(1)), lambda s: taken.append(s.port.get(0)), check)


def test_close_inside_post_and_post_inside_close() -> None:
    def closed(scene: Scene, result: object) -> None:
        with pytest.raises(PortClosed):
            scene.port.get(0)

    assert at_every_bytecode(Scene, lambda s: s.port.post(Packet(1)), lambda s: s.port.close(), closed)
    assert at_every_bytecode(Scene, lambda s: s.port.close(), lambda s: s.port.post(Packet(1)), closed)
    assert at_every_bytecode(Scene, lambda s: s.port.close(), lambda s: s.port.close(), closed)


def test_handle_close_inside_close_succeeds_once() -> None:
    class Table:
        def __init__(self) -> None:
            self.table = HandleTable()
            self.handle = self.table.insert(Event(False))
            self.struck: list[bool] = []

    def check(target: Table, result: object) -> None:
        assert sorted([result, *target.struck]) == [False, True]

    assert at_every_bytecode(
        Table,
        lambda t: t.table.close(t.handle),
        lambda t: t.struck.append(t.table.close(t.handle)),
        check,
    )


def test_handle_insert_inside_insert_gives_two_handles() -> None:
    made: list[int] = []

    def check(table: HandleTable, result: object) -> None:
        assert result not in made
        assert len(table) == 2
        made.clear()

    assert at_every_bytecode(HandleTable, lambda t: t.insert(t), lambda t: made.append(t.insert(t)), check)


@pytest.mark.parametrize("every", [False, True])
def test_one_set_is_consumed_once_when_waits_strike_in_each_other(every: bool) -> None:
    """4: an auto-reset event releases exactly one; test and clear are one step."""

    def make() -> Scene:
        scene = Scene()
        scene.auto.set()
        scene.second.set()
        scene.struck = []  # type: ignore[attr-defined]
        return scene

    def look(scene: Scene) -> int:
        return wait((scene.auto, scene.second) if every else (scene.auto,), all=every, timeout=0)

    def check(scene: Scene, result: object) -> None:
        assert sorted([result, *scene.struck]) == [WAIT_OBJECT_0, WAIT_TIMEOUT]  # type: ignore[attr-defined]
        assert not scene.auto.is_set()

    assert at_every_bytecode(make, look, lambda s: s.struck.append(look(s)), check)  # type: ignore[attr-defined]


# Waits: whatever strikes, the wait ends by it at once, or it is still there afterwards.


def in_time(scene: Scene, result: object) -> None:
    assert not (scene.early and result == WAIT_TIMEOUT), "it ended late, by its time-out"


@pytest.mark.parametrize("kind", ["auto", "manual"])
@pytest.mark.parametrize("alertable", [False, True])
def test_set_inside_a_wait_ends_it(kind: str, alertable: bool) -> None:
    def handler(scene: Scene) -> None:
        scene.strike()
        getattr(scene, kind).set()

    def check(scene: Scene, result: object) -> None:
        in_time(scene, result)
        event: Event = getattr(scene, kind)
        assert event.is_set() == (kind == "manual" or result == WAIT_TIMEOUT), "the signal was lost or doubled"
        assert not event._waiters

    points = at_every_bytecode(
        Scene, lambda s: wait((getattr(s, kind),), timeout=SHORT, alertable=alertable), handler, check
    )
    assert points > 100


def test_set_and_reset_inside_a_wait_leave_it_consistent() -> None:
    def handler(scene: Scene) -> None:
        scene.auto.set()
        scene.auto.reset()

    def check(scene: Scene, result: object) -> None:
        assert result in (WAIT_OBJECT_0, WAIT_TIMEOUT)
        assert not scene.auto.is_set()

    assert at_every_bytecode(Scene, lambda s: wait((s.auto,), timeout=SHORT), handler, check)


def test_queue_apc_inside_an_alertable_wait_ends_it() -> None:
    def handler(scene: Scene) -> None:
        scene.strike()
        scene.queue()

    def check(scene: Scene, result: object) -> None:
        in_time(scene, result)
        if result == WAIT_IO_COMPLETION:
            assert scene.ran == ["apc"]
        assert scene.drain() == ["apc"]

    assert at_every_bytecode(Scene, lambda s: wait((s.auto,), timeout=SHORT, alertable=True), handler, check)


def test_queue_apc_inside_a_plain_wait_does_not_run_there() -> None:
    def check(scene: Scene, result: object) -> None:
        assert result == WAIT_TIMEOUT
        assert scene.ran == []
        assert scene.drain() == ["apc"]

    assert at_every_bytecode(Scene, lambda s: wait((s.auto,), timeout=0.001), lambda s: s.queue(), check)


def test_the_last_set_inside_a_wait_for_all_ends_it() -> None:
    def make() -> Scene:
        scene = Scene()
        scene.second.set()
        return scene

    def handler(scene: Scene) -> None:
        scene.strike()
        scene.auto.set()

    def check(scene: Scene, result: object) -> None:
        in_time(scene, result)
        assert scene.auto.is_set() == scene.second.is_set() == (result == WAIT_TIMEOUT)

    assert at_every_bytecode(make, lambda s: wait((s.auto, s.second), all=True, timeout=SHORT), handler, check)


def test_a_wait_nested_in_a_wait_loses_nothing() -> None:
    """A handler waits itself and swallows the wake-up; the outer wait still ends by its own event."""

    def handler(scene: Scene) -> None:
        scene.strike()
        scene.auto.set()
        assert wait((scene.second,), timeout=0.0005, alertable=True) == WAIT_TIMEOUT

    def check(scene: Scene, result: object) -> None:
        in_time(scene, result)
        assert scene.auto.is_set() == (result == WAIT_TIMEOUT)

    assert at_every_bytecode(Scene, lambda s: wait((s.auto,), timeout=SHORT, alertable=True), handler, check)


def test_an_alertable_wait_nested_in_an_alertable_wait_runs_the_apc_once() -> None:
    def handler(scene: Scene) -> None:
        scene.queue()
        wait((), timeout=0.0005, alertable=True)

    def check(scene: Scene, result: object) -> None:
        assert scene.drain() == ["apc"]

    assert at_every_bytecode(Scene, lambda s: wait((s.auto,), timeout=0.002, alertable=True), handler, check)


def test_apc_queued_while_a_nested_wait_sleeps_ends_the_outer_one() -> None:
    def handler(scene: Scene) -> None:
        scene.strike()
        scene.second.set()
        wait((scene.second,), timeout=0, alertable=True)
        scene.queue()

    def check(scene: Scene, result: object) -> None:
        in_time(scene, result)
        assert scene.drain() == ["apc"]

    assert at_every_bytecode(Scene, lambda s: wait((s.auto,), timeout=SHORT, alertable=True), handler, check)


def test_post_inside_get_ends_it() -> None:
    def handler(scene: Scene) -> None:
        scene.strike()
        scene.port.post(Packet(7))

    def check(scene: Scene, result: object) -> None:
        assert not (scene.early and result is None), "it ended late, by its time-out"
        keys = [packet.key for packet in (result,) if isinstance(packet, Packet)] + scene.packets()
        assert keys == [7]
        assert not scene.port._waiters

    assert at_every_bytecode(Scene, lambda s: s.port.get(SHORT), handler, check) > 100


def test_close_inside_get_ends_it() -> None:
    def handler(scene: Scene) -> None:
        scene.strike()
        scene.port.close()

    def check(scene: Scene, result: object) -> None:
        assert isinstance(result, PortClosed) or (result is None and not scene.early)

    assert at_every_bytecode(Scene, lambda s: s.port.get(SHORT), handler, check)


def test_queue_apc_inside_alertable_get_many_ends_it() -> None:
    """E9: blocked, an APC ends it at once."""

    def handler(scene: Scene) -> None:
        scene.strike()
        scene.queue()

    def check(scene: Scene, result: object) -> None:
        assert not (scene.early and result == []), "it ended late, by its time-out"
        assert scene.drain() == ["apc"]

    assert at_every_bytecode(Scene, lambda s: s.port.get_many(4, SHORT, True), handler, check)


def test_first_use_of_a_thread_struck_by_another_first_use_gives_one_object() -> None:
    """The object of a thread is made once, even when an interrupt asks for it while it is being made."""
    import threading

    from ws2spi._executive import threads

    def forget() -> list[Thread]:
        threads._local.__dict__.clear()
        return []

    failures: list[BaseException] = []

    def run() -> None:
        try:
            assert at_every_bytecode(
                forget,
                lambda seen: current(),
                lambda seen: seen.append(current()),
                lambda seen, result: _same(seen[0], result),
            )
        except BaseException as error:
            failures.append(error)

    worker = threading.Thread(target=run)
    worker.start()
    worker.join(20)
    assert not failures, failures


def _same(struck: Thread, result: object) -> None:
    assert struck is result
    assert not struck.ended
