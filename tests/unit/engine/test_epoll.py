"""The engine on epoll: calls, timers, descriptors, connections, and a step that holds everybody up."""

import os
import select
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from support.engines import Pass, RealRig, submitted
from support.threads import LONG, Running, until
from ws2spi._engine import epoll
from ws2spi._engine.epoll import HOG, Engine
from ws2spi._engine.operations import sleep
from ws2spi._engine.transport import SocketTransport
from ws2spi.providers.layer import Layer
from ws2spi.providers.stack import Stack


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = Engine().start()
    yield made
    made.stop()
    made.close()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe2(os.O_NONBLOCK)
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            pass


# -- calls and timers --------------------------------------------------------------------------------------------------


def test_call_soon_runs_on_the_loop_and_in_order(engine: Engine) -> None:
    ran: list[Any] = []
    for number in range(100):
        engine.call_soon(lambda number=number: ran.append((number, threading.current_thread().name)))
    until(lambda: len(ran) == 100)
    assert ran == [(number, "ws2spi-engine") for number in range(100)]


def test_timers_run_in_the_order_of_their_moments(engine: Engine) -> None:
    ran: list[str] = []
    now = engine.now()
    engine.at(now + 0.02, ran.append, "third")
    engine.at(now + 0.01, ran.append, "second")
    engine.call_later(0, ran.append, "first")
    until(lambda: len(ran) == 3)
    assert ran == ["first", "second", "third"]


def test_a_timer_is_never_early(engine: Engine) -> None:
    ran: list[float] = []
    moment = engine.now() + 0.01
    engine.at(moment, lambda: ran.append(engine.now()))
    until(lambda: ran)
    assert ran[0] >= moment


def test_a_cancelled_timer_does_not_run(engine: Engine) -> None:
    ran: list[str] = []
    timer = engine.call_later(0.005, ran.append, "cancelled")
    timer.cancel()
    done = threading.Event()
    engine.call_later(0.01, done.set)
    assert done.wait(LONG)
    assert ran == []


def test_timers_set_on_the_loop(engine: Engine) -> None:
    ran: list[int] = []

    def again(number: int) -> None:
        ran.append(number)
        if number < 3:
            engine.call_later(0.001, again, number + 1)

    engine.call_soon(again, 0)
    until(lambda: len(ran) == 4)
    assert ran == [0, 1, 2, 3]


def test_a_broken_call_is_reported_and_the_engine_goes_on(engine: Engine, reported: list[str]) -> None:
    ran = threading.Event()
    engine.call_soon(lambda: 1 // 0)
    engine.call_later(0, lambda: [][0])
    engine.call_later(0.001, ran.set)
    assert ran.wait(LONG)
    assert len(reported) == 2
    assert all(text.startswith("unexpected: ") for text in reported)


# -- descriptors -------------------------------------------------------------------------------------------------------


def test_watch_is_level_triggered(engine: Engine, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    seen: list[int] = []
    enough = threading.Event()

    def tell(events: int) -> None:
        seen.append(events)
        if len(seen) == 3:
            os.read(reader, 10)
            enough.set()

    engine.watch(reader, select.EPOLLIN, tell)
    os.write(writer, b"x")
    assert enough.wait(LONG)
    engine.unwatch(reader)
    assert seen == [select.EPOLLIN] * 3, "told again and again until it was read"


def test_watch_again_modifies(engine: Engine, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    first: list[int] = []
    second = threading.Event()
    engine.watch(reader, 0, first.append)
    os.write(writer, b"x")

    def tell(events: int) -> None:
        engine.unwatch(reader)
        second.set()

    engine.watch(reader, select.EPOLLIN, tell)
    assert second.wait(LONG)
    assert first == []


def test_unwatch_before_close_lets_the_number_be_used_again(engine: Engine) -> None:
    for _ in range(3):
        reader, writer = os.pipe()
        told = threading.Event()
        engine.watch(reader, select.EPOLLIN, lambda events, told=told: told.set())
        os.write(writer, b"x")
        assert told.wait(LONG)
        engine.unwatch(reader)
        os.close(reader)
        os.close(writer)
    engine.unwatch(12345)  # never watched


def test_watch_when_the_number_was_closed_behind_our_back(engine: Engine) -> None:
    reader, writer = os.pipe()
    engine.watch(reader, select.EPOLLIN, lambda events: None)
    again, other = os.pipe()
    os.dup2(again, reader)  # closes what was there: epoll forgets it by itself
    os.close(again)
    again = reader
    told = threading.Event()

    def tell(events: int) -> None:
        engine.unwatch(again)
        told.set()

    engine.watch(again, select.EPOLLIN, tell)
    os.write(other, b"x")
    assert told.wait(LONG)
    for number in (writer, again, other):
        os.close(number)


# -- connections -------------------------------------------------------------------------------------------------------


def test_registrations_are_by_connection_not_by_number(real: RealRig) -> None:
    """A closed connection's number goes to the next one; what was armed for the old is not taken for the new."""
    for number in range(20):
        upper, peer = real.pair(Pass())
        waiting = submitted(upper.submit_recv, 10)
        peer.send(bytes([number]))
        assert waiting.result() == bytes([number])
        submitted(upper.submit_recv, 10)
        for connection in (upper, peer):
            closed = threading.Event()
            connection.close(lambda _, closed=closed: closed.set())
            assert closed.wait(LONG)
    assert not real.engine._transports


def test_a_late_event_of_a_closed_transport_finds_nobody(real: RealRig) -> None:
    """The event was in hand when another thread closed the connection."""
    upper, peer = real.pair(Pass())
    waiting = submitted(upper.submit_recv, 10)
    upper.close()
    until(lambda: upper.closed)
    waiting.result()
    upper.mailbox.post(upper.ready, upper.transport, select.EPOLLIN)
    assert upper.closed
    assert peer.recv(1) == b""


def test_both_directions_of_one_descriptor_wait_at_once(real: RealRig) -> None:
    upper, peer = real.pair(capacity=4096)
    big = bytes(300_000)
    sending, receiving = submitted(upper.submit_send, big), submitted(upper.submit_recv, 10)
    assert not sending.done
    peer.send(b"in")
    assert receiving.result() == b"in"
    assert not sending.done
    again = submitted(upper.submit_recv, 10)
    got = 0
    while got < len(big):
        got += len(peer.recv(65536))
    assert sending.result() == len(big)
    assert not again.done


def test_many_connections_at_once(real: RealRig) -> None:
    pairs = [real.pair(Pass()) for _ in range(100)]
    waiting = [submitted(upper.submit_recv, 10) for upper, _ in pairs]
    for number, (_, peer) in enumerate(pairs):
        peer.send(bytes([number]))
    assert [one.result() for one in waiting] == [bytes([number]) for number in range(100)]


# -- a step that holds everybody up ------------------------------------------------------------------------------------


class Spins(Layer):
    """Blocks in `recv`, as no layer must."""

    async def recv(self, conn: Any, size: int) -> bytes:
        data = await conn.below.recv(size)
        spin()
        return bytes(data)


def spin() -> None:
    # Long enough to be told although the time that a busy machine made the engine wait, lately, is taken off.
    end = time.thread_time() + HOG * 4
    while time.thread_time() < end:
        pass


def test_heart_rule_8_a_step_that_holds_the_engine_is_named_once(real: RealRig, reported: list[str]) -> None:
    upper, peer = real.pair(Pass(), Spins())
    for _ in range(2):
        waiting = submitted(upper.submit_recv, 1)
        peer.send(b"x")
        assert waiting.result() == b"x"
    real.engine.call_soon(int)
    done = threading.Event()
    real.engine.call_soon(done.set)
    assert done.wait(LONG)
    assert len(reported) == 1
    assert "'pass', 'spins' held everybody up for " in reported[0]
    assert reported[0].endswith(" ms in one step; layers must not block")


def test_heart_rule_8_a_step_after_a_sleep_is_named_too(real: RealRig, reported: list[str]) -> None:
    class SpinsLater(Layer):
        async def send(self, conn: Any, data: bytes) -> None:
            await sleep(0.001)
            spin()
            await conn.below.send(data)

    upper, _ = real.pair(SpinsLater())
    assert submitted(upper.submit_send, b"x").result() == 1
    until(lambda: reported)
    assert "layer 'spinslater' held everybody up" in reported[0]


class Blocks(Layer):
    """Sleeps in `recv`, as no layer must."""

    async def recv(self, conn: Any, size: int) -> bytes:
        data = await conn.below.recv(size)
        threading.Event().wait(HOG * 1.2)
        return bytes(data)


def receives(real: RealRig, layer: Layer) -> None:
    done = threading.Event()
    real.engine.call_soon(done.set)
    assert done.wait(LONG)  # the loop has begun a round
    upper, peer = real.pair(layer)
    waiting = submitted(upper.submit_recv, 1)
    peer.send(b"x")
    assert waiting.result() == b"x"
    done = threading.Event()
    real.engine.call_soon(done.set)
    assert done.wait(LONG)


def test_heart_rule_8_a_step_that_blocks_is_named(real: RealRig, reported: list[str]) -> None:
    receives(real, Blocks())
    assert len(reported) == 1


def test_heart_rule_8_waiting_for_a_processor_is_not_the_layers_fault(
    real: RealRig, reported: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel's account says that the thread was ready to run and was not let, for as long as the step took."""
    monkeypatch.setattr(epoll, "account", lambda: (0.0, time.monotonic()))
    receives(real, Spins())
    assert reported == []


def test_heart_rule_8_waiting_for_the_interpreter_is_not_the_layers_fault(
    real: RealRig, reported: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread woke up once in each switch interval and went to sleep again, as one does that asks for the lock."""
    monkeypatch.setattr(epoll, "switches", lambda: int(time.monotonic() / sys.getswitchinterval()))
    receives(real, Blocks())
    assert reported == []


def test_heart_rule_8_each_stack_is_named(real: RealRig, reported: list[str]) -> None:
    for layers in ((Spins(),), (Spins(), Pass())):
        upper, peer = real.pair(*layers)
        waiting = submitted(upper.submit_recv, 1)
        peer.send(b"x")
        assert waiting.result() == b"x"
    until(lambda: len(reported) == 2)


# -- beginning and end -------------------------------------------------------------------------------------------------


def test_run_on_the_calling_thread_until_stop() -> None:
    engine = Engine()
    ran: list[int] = []
    engine.call_soon(lambda: ran.append(threading.get_ident()))
    engine.call_later(0.001, engine.stop)
    engine.run()
    assert ran == [threading.get_ident()]
    engine.close()


def test_start_twice_is_one_thread(engine: Engine) -> None:
    thread = engine._thread
    assert engine.start() is engine
    assert engine._thread is thread


def test_stop_from_the_loop_itself() -> None:
    engine = Engine().start()
    thread = engine._thread
    assert thread is not None
    engine.call_soon(engine.stop)
    thread.join(LONG)
    assert not thread.is_alive()
    engine.close()


def test_what_was_asked_before_start_is_done_after_it() -> None:
    engine = Engine()
    one, other = socket.socketpair()
    upper = Stack([Pass()]).connection(engine, SocketTransport(one))
    waiting = submitted(upper.submit_recv, 10)
    other.send(b"early")
    assert not waiting.done
    engine.start()
    assert waiting.result() == b"early"
    upper.close()
    other.close()
    engine.stop()
    engine.close()


def test_a_stopped_engine_may_be_started_again() -> None:
    engine = Engine().start()
    engine.stop()
    ran = threading.Event()
    engine.call_soon(ran.set)
    engine.start()
    assert ran.wait(LONG)
    engine.stop()
    engine.close()


def test_the_loop_is_an_alertable_thread(engine: Engine) -> None:
    loops: list[Any] = []
    engine.call_soon(lambda: loops.append(engine._loop))
    until(lambda: loops)
    ran: list[Any] = []
    loops[0].queue_apc(ran.append, "on the loop")
    until(lambda: ran)


def test_wakes_from_many_threads_are_not_lost(engine: Engine) -> None:
    count = [0]

    def bump() -> None:
        count[0] += 1

    def call() -> None:
        for _ in range(1000):
            engine.call_soon(bump)

    for thread in [Running(call) for _ in range(4)]:
        thread.result()
    until(lambda: count[0] == 4000)
