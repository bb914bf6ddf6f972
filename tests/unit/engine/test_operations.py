"""What a coroutine may wait for: time, events, turns; and what a request tells its client."""

import threading
from typing import Any

import pytest

from support.engines import INTERRUPTED, Lazy, RealRig, Rig, code, submitted
from support.threads import until
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.operations import Cancelled, Kind, Receive, Request, Turn, Want, sleep
from ws2spi.providers.layer import Layer
from ws2spi.testing import FakeEngine, over

# -- time --------------------------------------------------------------------------------------------------------------


class Naps(Layer):
    """Sleeps before each send, and notes the clock before and after."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.naps: list[float] = []

    async def send(self, conn: Any, data: bytes) -> None:
        began = conn.now()
        await sleep(self.seconds)
        self.naps.append(conn.now() - began)
        await conn.below.send(data)


def test_sleep_takes_its_time_under_every_driver(rig: Rig) -> None:
    layer = Naps(10 if rig.name == "fake" else 0.01)
    upper, peer = rig.pair(layer)
    sending = rig.send(upper, b"x")
    if rig.name == "fake":
        assert not sending.done
        rig.engine.advance(9)  # type: ignore[attr-defined]
        assert not sending.done
        rig.engine.advance(1)  # type: ignore[attr-defined]
    assert sending.result() == 1
    assert layer.naps[0] >= layer.seconds, "resumed at the moment and not before"
    assert rig.recv(peer, 1).result() == b"x"


def test_sleep_of_nothing_does_not_wait(fake: FakeEngine) -> None:
    layer = Naps(0)
    upper = over(fake, fake.pair()[0], layer)
    assert upper.send(b"x") == 1
    layer.seconds = -1
    assert upper.send(b"x") == 1
    assert layer.naps == [0, 0]


def test_sleep_holds_only_its_own_direction(rig: Rig) -> None:
    upper, peer = rig.pair(Naps(3600))
    sending = rig.send(upper, b"x")
    receiving = rig.recv(upper, 10)
    rig.send(peer, b"meanwhile")
    assert receiving.result() == b"meanwhile"
    assert not sending.done
    upper.abort()
    assert code(sending.result()) == INTERRUPTED[rig.name]


def test_a_blocked_call_that_sleeps_is_woken_by_a_later_event_too(real: RealRig) -> None:
    """An hour's sleep of one direction must not keep the thread from its request's end."""
    upper, _ = real.pair(Naps(3600))
    sending = real.send(upper, b"x")
    upper.close()
    assert code(sending.result()) == WSAError.WSAEINTR


# -- events ------------------------------------------------------------------------------------------------------------


def test_heart_rule_5_one_direction_waits_for_the_other(rig: Rig) -> None:
    """A lazy handshake with a receive already waiting: the answer comes in there, the send goes on here."""
    upper, peer = rig.pair(Lazy())
    receiving = rig.recv(upper, 100)
    sending = rig.send(upper, b"payload")
    assert rig.recv(peer, 5).result() == b"HELLO"
    assert not sending.done
    rig.send(peer, b"READYdata")
    assert sending.result() == 7
    assert receiving.result() == b"data"
    assert rig.recv(peer, 100).result() == b"payload"


def test_heart_rule_5_waiting_for_input_starts_the_pump(rig: Rig) -> None:
    """The same with nobody receiving: `want_input` has the top of the stack read once."""
    upper, peer = rig.pair(Lazy())
    sending = rig.send(upper, b"payload")
    assert rig.recv(peer, 5).result() == b"HELLO"
    rig.send(peer, b"READY")
    assert sending.result() == 7
    assert rig.recv(peer, 100).result() == b"payload"
    rig.send(peer, b"more")
    assert rig.recv(upper, 100).result() == b"more", "the pump that was started goes on for whoever comes"


class Waits(Layer):
    """Every send waits for one event, which the test holds."""

    def __init__(self) -> None:
        self.event: Any = None
        self.conn: Any = None
        self.waiting = 0

    async def send(self, conn: Any, data: bytes) -> None:
        self.conn = conn
        self.event = self.event or conn.event()
        self.waiting += 1
        await self.event.wait()
        await conn.below.send(data)


def test_heart_rule_5_an_event_may_be_set_from_anywhere(rig: Rig) -> None:
    """As a provider that completes by callback does it, from a thread of its own."""
    layer = Waits()
    upper, peer = rig.pair(layer)
    sending = rig.send(upper, b"x")
    until(lambda: layer.waiting)
    setter = threading.Thread(target=layer.event.set)
    setter.start()
    setter.join(10)
    assert sending.result() == 1
    assert rig.recv(peer, 1).result() == b"x"


def test_an_event_that_is_set_does_not_hold_anybody(fake: FakeEngine) -> None:
    layer = Waits()
    upper = over(fake, fake.pair()[0], layer)
    first = submitted(upper.submit_send, b"x")
    assert not layer.event.is_set()
    assert "unset waiters=1" in repr(layer.event)
    layer.event.set()
    assert first.done
    assert layer.event.is_set()
    assert upper.send(b"y") == 1


def test_a_cleared_event_holds_again(fake: FakeEngine) -> None:
    layer = Waits()
    upper = over(fake, fake.pair()[0], layer)
    first = submitted(upper.submit_send, b"x")
    layer.event.set()
    layer.event.clear()
    second = submitted(upper.submit_send, b"y")
    assert first.done
    assert not second.done
    layer.event.set()
    assert second.done


def test_an_event_set_and_cleared_before_its_waiter_ran_goes_on_waiting(fake: FakeEngine) -> None:
    layer = Waits()
    upper = over(fake, fake.pair()[0], layer)
    sending = submitted(upper.submit_send, b"x")

    def step() -> None:  # inside the mailbox: the waiter can only run afterwards
        layer.event.set()
        layer.event.clear()

    upper.mailbox.post(step)
    assert not sending.done
    layer.event.set()
    assert sending.done


def test_an_event_set_between_look_and_park_is_not_missed(fake: FakeEngine) -> None:
    """Another thread sets it after the coroutine has looked and before it is in the list of waiters."""
    layer = Waits()
    upper = over(fake, fake.pair()[0], layer)
    submitted(upper.submit_send, b"x")
    task = upper._sends[0]
    event = upper.view(0).event()
    task.want = event._want
    event._is_set = True
    resumed: list[Any] = []
    upper.step = resumed.append  # type: ignore[method-assign, assignment]
    upper.mailbox.post(event.park, task)
    assert resumed == [task]


# -- turns -------------------------------------------------------------------------------------------------------------


def test_a_turn_that_dies_in_line_is_not_taken_along(fake: FakeEngine) -> None:
    upper = over(fake, fake.pair()[0])
    turn = Turn()
    turn.taken = True
    lines = [turn.join(upper) for _ in range(3)]
    for line in lines:
        line.send(None)
    with pytest.raises(Cancelled):
        lines[1].throw(Cancelled())
    turn.leave()
    with pytest.raises(StopIteration):
        lines[0].send(None)
    turn.leave()
    with pytest.raises(StopIteration):
        lines[2].send(None)
    turn.leave()
    assert not turn.taken


def test_a_turn_given_to_one_who_dies_in_that_moment_passes_on(fake: FakeEngine) -> None:
    upper = over(fake, fake.pair()[0])
    turn = Turn()
    turn.taken = True
    first, second = turn.join(upper), turn.join(upper)
    first.send(None)
    second.send(None)
    turn.leave()  # to `first`, which does not get to run any more
    with pytest.raises(Cancelled):
        first.throw(Cancelled())
    with pytest.raises(StopIteration):
        second.send(None)


# -- requests ----------------------------------------------------------------------------------------------------------


def test_a_request_gives_its_value_or_raises_its_error() -> None:
    request = Request()
    assert "pending" in repr(request)
    request.result, request.done = 5, True
    assert request.value() == 5
    assert "done" in repr(request)
    request.error = WinsockError(WSAError.WSAETIMEDOUT)
    with pytest.raises(WinsockError):
        request.value()
    assert "WSAETIMEDOUT" in repr(request)
    assert repr(Receive(1)) == "<Receive pending>"


def test_a_want_says_what_it_is() -> None:
    assert repr(Want(Kind.TIME, 1.5)) == "<Want TIME 1.5>"


def test_cancelled_is_not_swallowed_by_except_exception() -> None:
    assert not issubclass(Cancelled, Exception)
