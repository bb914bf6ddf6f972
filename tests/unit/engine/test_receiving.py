"""Heart rules 1, 2 and 6 on the receiving side: requests, one pump, an inbox; who leaves early loses nothing."""

import socket
import threading
from typing import Any

import pytest

from support.engines import (
    INTERRUPTED,
    FakeRig,
    Frame,
    Pass,
    RealRig,
    Rig,
    Xor,
    code,
    exactly,
    submitted,
)
from support.threads import LONG, Running, until
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi.providers.layer import Layer
from ws2spi.testing import FakeEngine, over

STACKS: dict[str, tuple[Layer, ...]] = {"none": (), "pass": (Pass(),), "xor": (Xor(),)}


def coded(stack: str, data: bytes) -> bytes:
    """`data` as it must arrive below for the client above to see it plain."""
    return data.translate(Xor.TABLE) if stack == "xor" else data


stacks = pytest.mark.parametrize("stack", STACKS)


def error_of(call: Any, *arguments: Any, **keywords: Any) -> Any:
    with pytest.raises(WinsockError) as caught:
        call(*arguments, **keywords)
    return caught.value.code


# -- rule 1 ------------------------------------------------------------------------------------------------------------


class OneAtATime(Layer):
    def __init__(self) -> None:
        self.inside = self.most = self.calls = 0

    async def recv(self, conn: Any, size: int) -> bytes:
        self.inside += 1
        self.calls += 1
        self.most = max(self.most, self.inside)
        try:
            return bytes(await conn.below.recv(size))
        finally:
            self.inside -= 1


def test_heart_rule_1_at_most_one_recv_of_the_top_layer_is_in_flight(rig: Rig) -> None:
    layer = OneAtATime()
    upper, peer = rig.pair(layer)
    waiting = [rig.recv(upper, 2) for _ in range(5)]
    rig.settle()
    assert layer.most == layer.calls == 1
    rig.send(peer, b"0011223344").result()
    assert [one.result() for one in waiting] == [b"00", b"11", b"22", b"33", b"44"]
    assert layer.most == 1


@stacks
def test_heart_rule_1_requests_are_served_in_the_order_of_asking(rig: Rig, stack: str) -> None:
    upper, peer = rig.pair(*STACKS[stack])
    waiting = [rig.recv(upper, size) for size in (3, 1, 5)]
    rig.send(peer, coded(stack, b"abcdefghi")).result()
    assert [one.result() for one in waiting] == [b"abc", b"d", b"efghi"]


def test_heart_rule_1_a_receive_that_does_not_block_does_not_overtake(rig: Rig) -> None:
    upper, peer = rig.pair(Frame())
    waiting = rig.recv(upper, 10)
    rig.settle()
    assert error_of(upper.recv_nowait, 10) == WSAError.WSAEWOULDBLOCK
    rig.send(peer, b"\0\1x").result()
    assert waiting.result() == b"x"


@pytest.mark.parametrize("rig", ["epoll", "fake"], indirect=True)
@stacks
def test_two_thousand_queued_receives_complete_without_deep_recursion(rig: Rig, stack: str) -> None:
    upper, peer = rig.pair(*STACKS[stack])
    order: list[int] = []
    requests = [upper.submit_recv(1, lambda _, number=number: order.append(number)) for number in range(2000)]
    data = bytes(number % 251 for number in range(2000))
    rig.send(peer, coded(stack, data)).result()
    rig.settle()
    until(lambda: len(order) == 2000)
    assert order == list(range(2000))
    assert b"".join(request.result for request in requests) == data


def test_receives_submitted_from_their_own_completion_do_not_recurse(rig: Rig) -> None:
    upper, peer = rig.pair(Pass())
    got = bytearray()

    def again(request: Any) -> None:
        if request.error is None and request.result:
            got.extend(request.result)
            upper.submit_recv(1, again)

    data = bytes(number % 251 for number in range(2000))
    rig.send(peer, data).result()
    upper.submit_recv(1, again)
    rig.settle()
    until(lambda: len(got) == 2000)
    assert got == data


@stacks
def test_a_receive_of_no_bytes_waits_for_input_and_takes_nothing(rig: Rig, stack: str) -> None:
    upper, peer = rig.pair(*STACKS[stack])
    waiting = submitted(upper.submit_recv, 0)
    rig.settle()
    assert not waiting.done
    rig.send(peer, coded(stack, b"here")).result()
    rig.settle()
    assert waiting.result() == b""
    assert rig.recv(upper, 10).result() == b"here"


# -- rule 2: leaving in the middle of a frame --------------------------------------------------------------------------


FRAME = b"\x00\x0bhello world"


def test_heart_rule_2_a_cancel_in_the_middle_of_a_frame_loses_nothing(rig: Rig) -> None:
    upper, peer = rig.pair(Frame())
    leaving = submitted(upper.submit_recv, 100)
    rig.send(peer, FRAME[:1]).result()
    rig.settle()
    upper.cancel(leaving.request)  # type: ignore[arg-type]
    assert code(leaving.result()) == WSAError.WSA_OPERATION_ABORTED
    staying = rig.recv(upper, 100)
    rig.send(peer, FRAME[1:] + FRAME).result()
    assert staying.result() == b"hello world"
    assert rig.recv(upper, 100).result() == b"hello world"


def test_heart_rule_2_a_timeout_in_the_middle_of_a_frame_loses_nothing(rig: Rig) -> None:
    upper, peer = rig.pair(Frame())
    rig.send(peer, FRAME[:5]).result()
    for timeout in (0.0, 0.001):
        assert error_of(upper.recv, 100, timeout) == WSAError.WSAETIMEDOUT
    rig.send(peer, FRAME[5:]).result()
    assert rig.recv(upper, 100).result() == b"hello world"


def test_heart_rule_2_would_block_in_the_middle_of_a_frame_loses_nothing(rig: Rig) -> None:
    upper, peer = rig.pair(Frame())
    for byte in FRAME[:-1]:
        rig.send(peer, bytes([byte])).result()
        rig.settle()
        assert error_of(upper.recv_nowait, 100) == WSAError.WSAEWOULDBLOCK
    rig.send(peer, FRAME[-1:]).result()
    rig.settle()
    until(upper.readable)
    assert upper.recv_nowait(5) == b"hello"
    assert upper.recv_nowait(100) == b" world"
    assert error_of(upper.recv_nowait, 100) == WSAError.WSAEWOULDBLOCK


@stacks
def test_a_cancelled_receive_leaves_the_others_in_line(rig: Rig, stack: str) -> None:
    upper, peer = rig.pair(*STACKS[stack])
    first, second, third = (submitted(upper.submit_recv, 1) for _ in range(3))
    upper.cancel(second.request)  # type: ignore[arg-type]
    upper.cancel(first.request)  # type: ignore[arg-type]
    assert {code(first.result()), code(second.result())} == {WSAError.WSA_OPERATION_ABORTED}
    rig.send(peer, coded(stack, b"x")).result()
    rig.settle()
    assert third.result() == b"x"


def test_a_cancel_that_comes_too_late_changes_nothing(rig: Rig) -> None:
    upper, peer = rig.pair(Pass())
    rig.send(peer, b"x").result()
    done = rig.recv(upper, 1)
    assert done.result() == b"x"
    request = upper.submit_recv(1)
    rig.send(peer, b"y").result()
    rig.settle()
    until(lambda: request.done)
    upper.cancel(request)
    assert request.value() == b"y"


# -- rule 3 of driving: who takes over ---------------------------------------------------------------------------------


@stacks
def test_a_blocked_threads_pump_goes_to_the_next_blocked_thread(real: RealRig, stack: str) -> None:
    upper, peer = real.pair(*STACKS[stack])
    leaving = Running(upper.recv, 10, 0.05)
    until(lambda: upper._receives)
    staying = real.recv(upper, 10)
    assert leaving.result().code == WSAError.WSAETIMEDOUT
    peer.send(coded(stack, b"for the second"))
    assert staying.result() == b"for the se"


@stacks
def test_a_blocked_threads_pump_goes_to_the_engine_for_an_overlapped_receive(real: RealRig, stack: str) -> None:
    upper, peer = real.pair(*STACKS[stack])
    leaving = Running(upper.recv, 10, 0.05)
    until(lambda: upper._receives)
    staying = submitted(upper.submit_recv, 10)
    assert leaving.result().code == WSAError.WSAETIMEDOUT
    peer.send(coded(stack, b"later"))
    assert staying.result() == b"later"


@stacks
def test_an_orphaned_pump_is_adopted_by_the_next_caller(real: RealRig, stack: str) -> None:
    upper, peer = real.pair(*STACKS[stack])
    assert error_of(upper.recv, 10, 0.001) == WSAError.WSAETIMEDOUT
    waiting = real.recv(upper, 10)
    peer.send(coded(stack, b"x"))
    assert waiting.result() == b"x"
    if stack != "none":
        assert error_of(upper.recv, 10, 0.001) == WSAError.WSAETIMEDOUT
        peer.send(coded(stack, b"unasked"))
        until(lambda: upper.available() == 7)  # the engine drives what nobody does


def test_a_pump_that_a_leaving_thread_began_counts_for_readiness(real: RealRig) -> None:
    upper, peer = real.pair(Frame())
    assert error_of(upper.recv, 100, 0.001) == WSAError.WSAETIMEDOUT
    peer.send(FRAME)
    assert upper.wait_readable(LONG)
    assert upper.recv_nowait(100) == b"hello world"


# -- rule 6: readiness, peeking, counting ------------------------------------------------------------------------------


@stacks
def test_heart_rule_6_readable_is_inbox_end_or_failure(rig: Rig, stack: str) -> None:
    upper, peer = rig.pair(*STACKS[stack])
    assert not upper.readable()
    assert upper.available() == 0
    rig.send(peer, coded(stack, b"abc")).result()
    rig.settle()
    until(upper.readable)
    assert upper.available() == 3
    assert upper.recv_nowait(10) == b"abc"
    assert not upper.readable()
    submitted(peer.submit_shutdown, socket.SHUT_WR).result()
    rig.settle()
    until(upper.readable)
    assert upper.recv_nowait(10) == b""
    assert upper.readable()


@stacks
def test_heart_rule_6_peek_takes_nothing(rig: Rig, stack: str) -> None:
    upper, peer = rig.pair(*STACKS[stack])
    assert error_of(upper.recv_nowait, 10, peek=True) == WSAError.WSAEWOULDBLOCK
    rig.send(peer, coded(stack, b"abcdef")).result()
    rig.settle()
    until(upper.readable)
    # What one run of xor's table does to a peeked byte it must not do twice.
    assert upper.recv_nowait(3, peek=True) == b"abc"
    assert upper.recv(4, peek=True) == b"abcd"
    peeking = submitted(upper.submit_recv, 2)
    assert peeking.result() == b"ab"
    assert upper.recv(10, peek=True) == b"cdef"
    assert rig.recv(upper, 10).result() == b"cdef"


@stacks
def test_a_blocking_peek_waits_and_leaves_the_bytes(rig: Rig, stack: str) -> None:
    upper, peer = rig.pair(*STACKS[stack])
    told: list[Any] = []
    peeking = upper.submit_recv(2, told.append, peek=True)
    taking = submitted(upper.submit_recv, 10)
    rig.send(peer, coded(stack, b"abc")).result()
    rig.settle()
    got = taking.result()
    while len(got) < 3:
        got += rig.recv(upper, 10).result()
    assert got == b"abc"
    assert peeking.value() == b"ab"


@stacks
def test_heart_rule_6_waiting_for_readiness(rig: Rig, stack: str) -> None:
    upper, peer = rig.pair(*STACKS[stack])
    assert not upper.wait_readable(0.001)
    watching = submitted(upper.submit_readable)
    rig.settle()
    assert not watching.done
    rig.send(peer, coded(stack, b"x")).result()
    rig.settle()
    watching.result()
    assert upper.wait_readable(LONG)
    assert rig.recv(upper, 10).result() == b"x"


@stacks
def test_a_watcher_and_a_receive_wait_together(rig: Rig, stack: str) -> None:
    """The receive comes while somebody waits for readiness; one piece of data serves both."""
    upper, peer = rig.pair(*STACKS[stack])
    watching = submitted(upper.submit_readable)
    waiting = rig.recv(upper, 1)
    rig.send(peer, coded(stack, b"xy")).result()
    assert waiting.result() == b"x"
    rig.settle()
    watching.result()
    assert rig.recv(upper, 1).result() == b"y"


@stacks
def test_a_cancelled_watcher_leaves(rig: Rig, stack: str) -> None:
    upper, peer = rig.pair(*STACKS[stack])
    watching = submitted(upper.submit_readable)
    upper.cancel(watching.request)  # type: ignore[arg-type]
    assert code(watching.result()) == WSAError.WSA_OPERATION_ABORTED
    rig.send(peer, coded(stack, b"x")).result()
    assert rig.recv(upper, 1).result() == b"x"


def test_heart_rule_6_without_a_layer_on_recv_nothing_is_read_ahead(rig: Rig) -> None:
    class SendsOnly(Layer):
        async def send(self, conn: Any, data: bytes) -> None:
            await conn.below.send(data)

    upper, peer = rig.pair(SendsOnly())
    rig.send(peer, b"stays below").result()
    assert upper.readable()
    assert upper.available() == 11
    assert upper.recv_nowait(5, peek=True) == b"stays"
    assert upper.transport.pending_bytes() == 11


# -- ends and errors ---------------------------------------------------------------------------------------------------


@stacks
def test_the_end_serves_everybody_in_line_and_later(rig: Rig, stack: str) -> None:
    upper, peer = rig.pair(*STACKS[stack])
    waiting = [rig.recv(upper, 1) for _ in range(3)]
    submitted(peer.submit_shutdown, socket.SHUT_WR).result()
    assert [one.result() for one in waiting] == [b"", b"", b""]
    assert rig.recv(upper, 1).result() == b""


def test_a_reset_meets_every_later_receive(real: RealRig) -> None:
    upper, peer = real.tcp(Pass())
    waiting = real.recv(upper, 1)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()
    assert code(waiting.result()) == WSAError.WSAECONNRESET
    assert code(real.recv(upper, 1).result()) == WSAError.WSAECONNRESET
    assert error_of(upper.recv_nowait, 1) == WSAError.WSAECONNRESET
    assert upper.readable()


class Moody(Layer):
    """Each receive fails once in a way that is no end."""

    def __init__(self) -> None:
        self.failures = [WSAError.WSAEACCES]

    async def recv(self, conn: Any, size: int) -> bytes:
        data = await exactly(conn, 1)
        if self.failures:
            raise WinsockError(self.failures.pop())
        return data


def test_an_error_of_one_call_meets_the_first_in_line_only(rig: Rig) -> None:
    upper, peer = rig.pair(Moody())
    first, second = rig.recv(upper, 1), rig.recv(upper, 1)
    rig.send(peer, b"ab").result()
    assert code(first.result()) == WSAError.WSAEACCES
    assert second.result() == b"b"


def test_an_error_that_comes_while_nobody_waits_meets_the_next_receive(rig: Rig) -> None:
    """The client that asked has left, or never waited: the error is kept for the next call, once."""
    upper, peer = rig.pair(Moody())
    assert error_of(upper.recv_nowait, 1) == WSAError.WSAEWOULDBLOCK
    rig.send(peer, b"ab").result()
    rig.settle()
    until(upper.readable)
    assert error_of(upper.recv_nowait, 1) == WSAError.WSAEACCES
    assert rig.recv(upper, 1).result() == b"b"


def test_an_error_at_once_is_the_answer_of_a_receive_that_does_not_block(fake: FakeEngine) -> None:
    class Refuses(Layer):
        async def recv(self, conn: Any, size: int) -> bytes:
            raise WinsockError(WSAError.WSAEACCES)

    upper = over(fake, fake.pair()[0], Refuses())
    assert error_of(upper.recv_nowait, 1) == WSAError.WSAEACCES
    assert error_of(upper.recv_nowait, 1) == WSAError.WSAEACCES
    assert error_of(upper.recv, 1) == WSAError.WSAEACCES


def test_watchers_of_a_failing_receive_are_told_and_the_error_is_kept(rig: Rig) -> None:
    upper, peer = rig.pair(Moody())
    watching = submitted(upper.submit_readable)
    rig.send(peer, b"ab").result()
    rig.settle()
    watching.result()
    assert code(rig.recv(upper, 1).result()) == WSAError.WSAEACCES
    assert rig.recv(upper, 1).result() == b"b"


# -- re-entry, Ctrl-C, APCs --------------------------------------------------------------------------------------------


def test_heart_rule_3_a_blocking_call_from_the_connections_own_layer(rig: Rig) -> None:
    answers: list[Any] = []

    class Reenters(Layer):
        connection: Any

        async def send(self, conn: Any, data: bytes) -> None:
            for call in (
                lambda: self.connection.recv(1),
                lambda: self.connection.recv(1, peek=True),
                lambda: self.connection.recv_nowait(1),
                lambda: self.connection.send(b"again"),
                lambda: self.connection.send_nowait(b"again"),
                lambda: self.connection.wait_readable(0),
                lambda: self.connection.readable(),
                lambda: self.connection.writable(),
                lambda: self.connection.available(),
                lambda: self.connection.connect(("x", 1)),
                lambda: self.connection.shutdown(2),
                lambda: self.connection.perform("getsockname"),
                lambda: self.connection.listen(1),
            ):
                answers.append(error_of(call))
            await conn.below.send(data)

    layer = Reenters()
    upper, peer = rig.pair(layer)
    layer.connection = upper
    assert rig.send(upper, b"x").result() == 1
    assert answers == [WSAError.WSAEINPROGRESS] * 13
    assert rig.recv(peer, 10).result() == b"x"


def test_submitting_from_the_connections_own_layer_is_fine(rig: Rig) -> None:
    told: list[Any] = []

    class Submits(Layer):
        connection: Any

        async def send(self, conn: Any, data: bytes) -> None:
            if data == b"first":
                self.connection.submit_send(b"second", told.append)
            await conn.below.send(data)

    layer = Submits()
    upper, peer = rig.pair(layer)
    layer.connection = upper
    assert rig.send(upper, b"first").result() == 5
    until(lambda: told)
    got = b""
    while len(got) < 11:
        got += rig.recv(peer, 100).result()
    assert got == b"firstsecond"


def test_heart_rule_3_results_are_announced_when_the_mailbox_is_free(rig: Rig) -> None:
    """What the client runs on completion may block on the very same connection."""
    upper, peer = rig.pair(Pass())
    seen: list[Any] = []

    def told(request: Any) -> None:
        seen.append(upper.mailbox.held_by_me())
        seen.append(upper.recv_nowait(10))

    rig.send(peer, b"ab").result()
    upper.submit_recv(1, told)
    rig.settle()
    until(lambda: len(seen) == 2)
    assert seen == [False, b"b"]


def test_close_ends_what_waits(rig: Rig) -> None:
    upper, _ = rig.pair(Frame())
    waiting = [rig.recv(upper, 1) for _ in range(2)]
    upper.close()
    rig.settle()
    assert [code(one.result()) for one in waiting] == [INTERRUPTED[rig.name]] * 2
    assert code(rig.recv(upper, 1).result()) == WSAError.WSA_OPERATION_ABORTED
    assert upper.readable()


def test_close_tells_watchers(rig: Rig) -> None:
    upper, _ = rig.pair(Frame())
    watching = submitted(upper.submit_readable)
    waiting = None if isinstance(rig, FakeRig) else Running(upper.wait_readable)
    until(lambda: len(upper._watchers) == 1 + (waiting is not None))
    upper.close()
    assert code(watching.result()) == WSAError.WSA_OPERATION_ABORTED
    assert waiting is None or waiting.result()


def test_full_duplex_two_threads_on_one_connection(real: RealRig) -> None:
    upper, peer = real.pair(Frame())
    echo = Running(_echo, peer)
    got = bytearray()
    done = threading.Event()

    def read() -> None:
        while len(got) < 200 * 32:
            got.extend(upper.recv(4096))
        done.set()

    reader = Running(read)
    for number in range(200):
        upper.send(bytes([number]) * 32)
    assert done.wait(LONG)
    reader.result()
    assert got == b"".join(bytes([number]) * 32 for number in range(200))
    upper.close()
    echo.result()


def _echo(peer: Any) -> None:
    while data := peer.recv(65536):
        peer.send(data)
