"""The sending side: the turn, a begun send that runs on (heart rule 2), and sends that do not block (heart rule 6)."""

import socket
from typing import Any

import pytest

from support.engines import (
    INTERRUPTED,
    FakeRig,
    Frame,
    Gated,
    Lazy,
    Outcome,
    Pass,
    RealRig,
    Rig,
    Xor,
    code,
    shut,
    submitted,
)
from support.threads import LONG, Running, until
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.boundary import PIECE
from ws2spi._engine.operations import sleep
from ws2spi.providers.layer import Layer
from ws2spi.testing import FakeEngine, over

BIG = bytes(range(256)) * 2000  # 512,000 bytes: more than any pair takes at once


def error_of(call: Any, *arguments: Any, **keywords: Any) -> Any:
    with pytest.raises(WinsockError) as caught:
        call(*arguments, **keywords)
    return caught.value.code


def read(rig: Rig, connection: Any, count: int) -> bytes:
    """`count` bytes, or what there is until the end."""
    got = bytearray()
    while len(got) < count:
        data = rig.recv(connection, count - len(got)).result()
        if not data:
            break
        got += data
    return bytes(got)


def closing(rig: Rig, connection: Any) -> Outcome:
    closed: list[Any] = []
    connection.close(closed.append)
    rig.settle()
    return Outcome(lambda: bool(closed), lambda: None)


# -- order -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", [(), (Pass(),), (Xor(), Xor())], ids=["none", "pass", "xor-xor"])
def test_sends_go_out_in_the_order_of_their_start(rig: Rig, layers: tuple[Layer, ...]) -> None:
    upper, peer = rig.pair(*layers, capacity=4096)
    parts = [bytes([number]) * 30_000 for number in range(8)]
    sending = [rig.send(upper, part) for part in parts]
    assert read(rig, peer, 240_000) == b"".join(parts)
    assert [one.result() for one in sending] == [30_000] * 8


@pytest.mark.parametrize("rig", ["epoll", "fake"], indirect=True)
@pytest.mark.parametrize("layers", [(), (Pass(),)], ids=["none", "pass"])
def test_two_thousand_queued_sends_complete_without_deep_recursion(rig: Rig, layers: tuple[Layer, ...]) -> None:
    upper, peer = rig.pair(*layers)
    order: list[int] = []
    data = bytes(number % 251 for number in range(2000))

    def submit_all() -> None:  # inside the mailbox, so that all wait behind each other
        for number in range(2000):
            upper.submit_send(data[number : number + 1], lambda _, number=number: order.append(number))

    upper.mailbox.post(submit_all)
    assert read(rig, peer, 2000) == data
    until(lambda: len(order) == 2000)
    assert order == list(range(2000))


def test_two_thousand_sends_behind_one_that_is_parked(rig: Rig) -> None:
    class FirstWaits(Layer):
        gate: Any = None

        async def send(self, conn: Any, data: bytes) -> None:
            if self.gate is None:
                self.gate = conn.event()
                await self.gate.wait()
            await conn.below.send(data)

    layer = FirstWaits()
    upper, peer = rig.pair(layer)
    told: list[int] = []
    first = rig.send(upper, b"1")
    until(lambda: layer.gate is not None)  # a real rig sends on a thread of its own
    for number in range(2000):
        upper.submit_send(b"x", lambda _, number=number: told.append(number))
    assert not told
    layer.gate.set()
    assert read(rig, peer, 2001) == b"1" + b"x" * 2000
    assert first.result() == 1
    until(lambda: len(told) == 2000)
    assert told == list(range(2000))


# -- rule 2 ------------------------------------------------------------------------------------------------------------


def test_heart_rule_2_a_send_that_has_begun_runs_on_after_a_cancel(rig: Rig) -> None:
    """Cancelling is a request: the client hears of the send's own end."""
    upper, peer = rig.pair(Frame(), capacity=4096)
    sending = submitted(upper.submit_send, BIG)
    rig.settle()
    upper.cancel(sending.request)  # type: ignore[arg-type]
    rig.settle()
    assert not sending.done
    frames = read(rig, peer, len(BIG) + 2 * _frames(len(BIG)))
    rig.settle()
    assert sending.result() == len(BIG)
    assert _unframed(frames) == BIG


def _frames(count: int) -> int:
    """How many frames `count` bytes come in: each piece of 64 KiB makes three."""
    whole, rest = divmod(count, PIECE)
    return whole * 3 + -(-rest // 30000)


def _unframed(data: bytes) -> bytes:
    got = bytearray()
    while data:
        size = int.from_bytes(data[:2], "big")
        got += data[2 : 2 + size]
        data = data[2 + size :]
    return bytes(got)


def test_heart_rule_2_a_send_that_has_not_begun_is_withdrawn(rig: Rig) -> None:
    layer = Gated()
    upper, peer = rig.pair(layer)
    first, second = rig.send(upper, b"first"), submitted(upper.submit_send, b"second")
    third = submitted(upper.submit_send, b"third")
    upper.cancel(second.request)  # type: ignore[arg-type]
    assert code(second.result()) == WSAError.WSA_OPERATION_ABORTED
    layer.gate.set()
    assert first.result() == 5
    rig.settle()
    until(lambda: layer.entered == 2)
    layer.gate.set()
    rig.settle()
    assert third.result() == 5
    assert read(rig, peer, 10) == b"firstthird"


def test_heart_rule_2_a_send_that_times_out_runs_on(rig: Rig) -> None:
    upper, peer = rig.pair(Frame(), capacity=4096)
    assert error_of(upper.send, BIG, timeout=0.01) == WSAError.WSAETIMEDOUT
    after = submitted(upper.submit_send, b"after")
    frames = read(rig, peer, len(BIG) + 2 * _frames(len(BIG)) + 7)
    assert _unframed(frames) == BIG + b"after"
    rig.settle()
    assert after.result() == 5


def test_a_blocked_senders_next_in_line_goes_on_when_it_leaves(real: RealRig) -> None:
    upper, peer = real.pair(Xor(), capacity=4096)
    leaving = Running(upper.send, BIG, None, 0.05)
    until(lambda: upper._sends)
    staying = real.send(upper, b"next")
    assert leaving.result().code == WSAError.WSAETIMEDOUT
    got = read(real, peer, len(BIG) + 4)
    assert got.translate(Xor.TABLE) == BIG + b"next"
    assert staying.result() == 4


def test_close_interrupts_a_blocked_send(rig: Rig) -> None:
    upper, _ = rig.pair(Frame(), capacity=4096)
    sending, queued = rig.send(upper, BIG), rig.send(upper, b"behind it")
    upper.close()
    rig.settle()
    assert [code(one.result()) for one in (sending, queued)] == [INTERRUPTED[rig.name]] * 2
    assert code(rig.send(upper, b"x").result()) == WSAError.WSA_OPERATION_ABORTED
    assert error_of(upper.send_nowait, b"x") == WSAError.WSA_OPERATION_ABORTED
    assert upper.writable()


# -- rule 6: sends that do not block -----------------------------------------------------------------------------------


def test_heart_rule_6_without_a_layer_on_send_the_kernel_takes_what_it_can(rig: Rig) -> None:
    upper, peer = rig.pair(capacity=4096)
    assert upper.writable()
    taken = upper.send_nowait(BIG)
    assert 0 < taken < len(BIG)
    while upper.writable():
        taken += upper.send_nowait(BIG[taken:])
    assert error_of(upper.send_nowait, b"x") == WSAError.WSAEWOULDBLOCK
    assert not upper.writable()
    assert read(rig, peer, taken) == BIG[:taken]
    assert upper.writable()


def test_heart_rule_6_one_piece_is_accepted_and_the_next_would_block(rig: Rig) -> None:
    layer = Gated()
    upper, peer = rig.pair(layer, capacity=1 << 18)
    buffer = bytearray(BIG)
    assert upper.writable()
    assert upper.send_nowait(buffer) == PIECE
    buffer[:] = bytes(len(buffer))  # the client's own again: what was accepted is in ours
    assert error_of(upper.send_nowait, b"more") == WSAError.WSAEWOULDBLOCK
    assert not upper.writable()
    layer.gate.set()
    rig.settle()
    assert read(rig, peer, PIECE) == BIG[:PIECE]
    until(upper.writable)
    assert upper.send_nowait(b"more") == 4
    layer.gate.set()
    assert read(rig, peer, 4) == b"more"


def test_heart_rule_6_a_late_error_meets_the_next_call(rig: Rig) -> None:
    class Breaks(Layer):
        gate: Any = None

        async def send(self, conn: Any, data: bytes) -> None:
            self.gate = conn.event()
            await self.gate.wait()
            raise WinsockError(WSAError.WSAENETDOWN, "later")

    layer = Breaks()
    upper, _ = rig.pair(layer)
    assert upper.send_nowait(b"accepted") == 8
    layer.gate.set()
    rig.settle()
    until(upper.writable)
    assert error_of(upper.send_nowait, b"next") == WSAError.WSAENETDOWN
    assert code(rig.send(upper, b"and after").result()) == WSAError.WSAENETDOWN, "bytes are missing from this stream"


def test_heart_rule_6_an_error_at_once_is_the_answer(rig: Rig) -> None:
    class Refuses(Layer):
        async def send(self, conn: Any, data: bytes) -> None:
            raise WinsockError(WSAError.WSAEACCES)

    upper, _ = rig.pair(Refuses())
    assert error_of(upper.send_nowait, b"x") == WSAError.WSAEACCES


def test_heart_rule_2_what_was_accepted_is_delivered_at_close(rig: Rig) -> None:
    layer = Gated()
    upper, peer = rig.pair(layer)
    assert upper.send_nowait(b"accepted") == 8
    closed = closing(rig, upper)
    assert not closed.done
    layer.gate.set()
    rig.settle()
    closed.result()
    assert read(rig, peer, 100) == b"accepted"


def test_what_was_accepted_is_delivered_though_the_peer_is_slow(rig: Rig) -> None:
    upper, peer = rig.pair(Frame(), capacity=4096)
    assert upper.send_nowait(BIG) == PIECE
    closed = closing(rig, upper)
    assert not closed.done
    assert _unframed(read(rig, peer, PIECE + 2 * 3)) == BIG[:PIECE]
    rig.settle()
    closed.result()
    assert read(rig, peer, 1) == b""


def test_what_was_accepted_is_delivered_though_its_layer_waits_for_an_answer(rig: Rig) -> None:
    """A program that writes and closes at once, over a layer that shakes hands at the first send."""
    upper, peer = rig.pair(Lazy())
    assert upper.send_nowait(b"payload") == 7
    closed = closing(rig, upper)
    assert read(rig, peer, 5) == b"HELLO"
    rig.send(peer, b"READY").result()
    assert read(rig, peer, 100) == b"payload"
    rig.settle()
    closed.result()


def test_what_was_accepted_is_given_up_when_the_answer_cannot_come(rig: Rig) -> None:
    """The same with a peer that ends instead: its layer waits for ever, so the connection must not."""

    class Careful(Lazy):
        async def recv(self, conn: Any, size: int) -> bytes:
            data = await super().recv(conn, size)
            if not data and not self._answered(conn).is_set():
                raise WinsockError(WSAError.WSAECONNABORTED, "no answer")
            return data

    upper, peer = rig.pair(Careful())
    assert upper.send_nowait(b"payload") == 7
    closed = closing(rig, upper)
    submitted(peer.submit_shutdown, socket.SHUT_WR).result()
    rig.settle()
    assert not closed.done
    upper.abort()
    rig.settle()
    closed.result()


def test_abort_ends_a_close_that_still_delivers(rig: Rig) -> None:
    upper, _ = rig.pair(Frame(), capacity=4096)
    assert upper.send_nowait(BIG) == PIECE
    closed = closing(rig, upper)
    assert not closed.done
    upper.abort()
    rig.settle()
    closed.result()


def test_abort_drops_what_was_accepted(rig: Rig) -> None:
    layer = Gated()
    upper, _ = rig.pair(layer)
    assert upper.send_nowait(b"accepted") == 8
    upper.abort()
    closing(rig, upper).result()
    assert upper.closed


# -- shutdown ----------------------------------------------------------------------------------------------------------


def test_half_close_leaves_the_other_direction(rig: Rig) -> None:
    upper, peer = rig.pair(Frame())
    rig.send(upper, b"request").result()
    submitted(upper.submit_shutdown, socket.SHUT_WR).result()
    assert read(rig, peer, 100) == b"\0\x07request"
    rig.send(peer, b"\0\x06answer").result()
    assert rig.recv(upper, 100).result() == b"answer"


def test_a_blocking_shutdown_waits_for_its_turn_and_may_time_out(real: RealRig) -> None:
    layer = Gated()
    upper, peer = real.pair(layer)
    sending = real.send(upper, b"x")
    assert error_of(upper.shutdown, socket.SHUT_WR, timeout=0.001) == WSAError.WSAETIMEDOUT
    layer.gate.set()
    assert sending.result() == 1
    upper.shutdown(socket.SHUT_WR)
    assert read(real, peer, 10) == b"x"


def test_send_after_shutdown_fails(rig: Rig) -> None:
    upper, _ = rig.pair(Pass())
    submitted(upper.submit_shutdown, socket.SHUT_WR).result()
    assert code(rig.send(upper, b"x").result()) == WSAError.WSAESHUTDOWN


# -- resets ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", [(), (Pass(),)], ids=["none", "pass"])
def test_a_reset_meets_every_later_send(real: RealRig, layers: tuple[Layer, ...]) -> None:
    upper, peer = real.tcp(*layers)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()
    assert upper.wait_readable(LONG)
    for _ in range(3):
        assert code(real.send(upper, b"x").result()) == WSAError.WSAECONNRESET
    assert error_of(upper.send_nowait, b"x") == WSAError.WSAECONNRESET


def test_a_reset_of_the_fake_is_the_same(fake: FakeEngine) -> None:
    one, other = fake.pair()
    upper, peer = over(fake, one, Pass()), over(fake, other)
    peer.abort()
    assert error_of(upper.send, b"x") == WSAError.WSAECONNRESET
    assert error_of(upper.recv, 1) == WSAError.WSAECONNRESET


# -- enqueue -----------------------------------------------------------------------------------------------------------


def test_enqueue_send_runs_no_layer_before_the_drain(rig: Rig) -> None:
    layer = Gated()
    upper, _ = rig.pair(layer)
    upper.enqueue_send(b"moved")
    assert layer.entered == 0
    upper.mailbox.drain()
    assert layer.entered == 1


def test_a_layer_that_sleeps_in_send_holds_the_turn(fake: FakeEngine) -> None:
    class Naps(Layer):
        async def send(self, conn: Any, data: bytes) -> None:
            if data == b"slow":
                await sleep(100)
            await conn.below.send(data)

    one, other = fake.pair()
    upper, peer = over(fake, one, Naps()), over(fake, other)
    slow, quick = submitted(upper.submit_send, b"slow"), submitted(upper.submit_send, b"quick")
    fake.advance(99)
    assert not quick.done
    fake.advance(1)
    assert (slow.result(), quick.result()) == (4, 5)
    assert peer.recv(100) == b"slowquick"


def test_shut_is_for_real_engines_only() -> None:
    rig = FakeRig()
    upper, _ = rig.pair()
    shut(upper)
    assert upper.closed


def test_a_kept_error_does_not_gather_the_tracebacks_of_those_it_met(real: RealRig) -> None:
    """A polling client may meet it a million times; frames and the threads they name must not stay."""
    upper, peer = real.tcp(Pass())
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()
    assert upper.wait_readable(LONG)
    for call in (
        lambda: upper.recv_nowait(1),
        lambda: upper.recv(1),
        lambda: upper.send(b"x"),
        lambda: upper.send_nowait(b"x"),
    ):
        depths = [_depth(call) for _ in range(5)]
        assert len(set(depths[1:])) == 1, depths


def _depth(call: Any) -> int:
    with pytest.raises(WinsockError) as caught:
        call()
    return len(caught.traceback)
