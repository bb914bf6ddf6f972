"""Heart rule 4, what holds at every boundary between two layers; and rules 7 and 8 where a boundary keeps them."""

import socket
from typing import Any

import pytest

from support.engines import Frame, Gated, Pass, ReadAhead, Rig, Xor, code, submitted
from support.threads import until
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.boundary import METHODS, PIECE, Plan
from ws2spi._engine.operations import sleep
from ws2spi.providers.layer import Layer
from ws2spi.providers.stack import Stack
from ws2spi.testing import FakeEngine, over


class Notes(Layer):
    """Notes what each call of either direction got, and gives what `answers` says, then what is below."""

    def __init__(self, *answers: Any) -> None:
        self.sent: list[Any] = []
        self.asked: list[int] = []
        self.answers = list(answers)

    async def send(self, conn: Any, data: bytes) -> None:
        self.sent.append(data)
        await conn.below.send(data)

    async def recv(self, conn: Any, size: int) -> Any:
        self.asked.append(size)
        if self.answers:
            return self.answers.pop(0)
        return await conn.below.recv(size)


# -- pieces ------------------------------------------------------------------------------------------------------------


def test_heart_rule_4_send_gets_at_most_64_kib_at_a_time(fake: FakeEngine) -> None:
    layer = Notes()
    upper = over(fake, fake.pair(10 * PIECE)[0], layer)
    data = bytes(range(256)) * 1000  # 256,000 bytes
    assert upper.send(data) == len(data)
    assert [len(piece) for piece in layer.sent] == [PIECE, PIECE, PIECE, len(data) - 3 * PIECE]
    assert b"".join(layer.sent) == data


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_heart_rule_4_send_gets_bytes_whatever_the_client_gave(fake: FakeEngine, kind: type) -> None:
    layer = Notes()
    upper = over(fake, fake.pair()[0], layer)
    assert upper.send(kind(b"abc")) == 3
    assert layer.sent == [b"abc"]
    assert type(layer.sent[0]) is bytes


def test_heart_rule_4_a_boundary_between_two_layers_cuts_too(fake: FakeEngine) -> None:
    class Doubles(Layer):
        async def send(self, conn: Any, data: bytes) -> None:
            await conn.below.send(data * 2)

    lower = Notes()
    one, other = fake.pair(10 * PIECE)
    upper = over(fake, one, Doubles(), lower)
    upper.send(bytes(PIECE))
    assert [len(piece) for piece in lower.sent] == [PIECE, PIECE]
    assert other.pending_bytes() == 2 * PIECE


def test_an_empty_send_reaches_the_layer_once(fake: FakeEngine) -> None:
    layer = Notes()
    upper = over(fake, fake.pair()[0], layer)
    assert upper.send(b"") == 0
    assert layer.sent == [b""]


# -- surplus and the end -----------------------------------------------------------------------------------------------


def test_heart_rule_4_surplus_is_kept_in_order(fake: FakeEngine) -> None:
    one, other = fake.pair()
    upper, peer = over(fake, one, Notes(b"abcdefgh")), over(fake, other)
    peer.send(b"12")
    assert [upper.recv(3), upper.recv(3), upper.recv(3), upper.recv(3)] == [b"abc", b"def", b"gh", b"12"]


def test_heart_rule_4_read_ahead_under_a_framer(rig: Rig) -> None:
    """A layer that gives 8 KiB whatever was asked, under one that asks for two bytes and then for the rest."""
    upper, peer = rig.pair(Frame(), ReadAhead(), Xor())
    stream = b"".join(len(part).to_bytes(2, "big") + part for part in (b"one", b"twenty", b"3"))
    rig.send(peer, stream.translate(Xor.TABLE))
    assert [rig.recv(upper, 100).result() for _ in range(3)] == [b"one", b"twenty", b"3"]


def test_heart_rule_4_surplus_above_a_framer_for_a_client_that_asks_for_little(rig: Rig) -> None:
    upper, peer = rig.pair(Frame(), ReadAhead())
    rig.send(peer, b"\x00\x06twenty\x00\x01!")
    assert [rig.recv(upper, 4).result() for _ in range(3)] == [b"twen", b"ty", b"!"]


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_recv_may_give_any_bytes_like_object(fake: FakeEngine, kind: type) -> None:
    upper = over(fake, fake.pair()[0], Notes(kind(b"abc")))
    assert upper.recv(2) == b"ab"
    assert upper.recv(2) == b"c"


def test_heart_rule_4_the_end_is_for_good(fake: FakeEngine) -> None:
    """A layer beneath that has given the end is not asked again, though it would have more."""
    lower = Notes(b"", b"more")

    class Retries(Layer):
        async def recv(self, conn: Any, size: int) -> bytes:
            return b"".join([await conn.below.recv(size) for _ in range(3)]) or b"nothing thrice"

    upper = over(fake, fake.pair()[0], Retries(), lower)
    assert upper.recv(100) == b"nothing thrice"
    assert len(lower.asked) == 1


def test_heart_rule_4_the_end_seen_by_the_client_is_for_good(rig: Rig) -> None:
    upper, peer = rig.pair(Notes(b"", b"more"))
    rig.send(peer, b"more still")
    assert [rig.recv(upper, 10).result() for _ in range(3)] == [b"", b"", b""]


def test_surplus_is_given_before_the_end(fake: FakeEngine) -> None:
    one, other = fake.pair()
    upper, peer = over(fake, one, Pass(), Notes(b"abcd")), over(fake, other)
    peer.shutdown(socket.SHUT_WR)
    assert [upper.recv(3) for _ in range(4)] == [b"abc", b"d", b"", b""]


def test_to_ask_for_nothing_is_not_the_end(fake: FakeEngine) -> None:
    """`recv(0)` of a layer, as for an empty frame's body, gives b"" and leaves the stream as it is."""

    class AsksForNothing(Layer):
        async def recv(self, conn: Any, size: int) -> bytes:
            return bytes(await conn.below.recv(0) + await conn.below.recv(size))

    one, other = fake.pair()
    upper, peer = over(fake, one, AsksForNothing(), Pass()), over(fake, other)
    peer.send(b"here")
    assert upper.recv(10) == b"here"


# -- one call per direction and boundary -------------------------------------------------------------------------------


class Answers(Layer):
    """Its `recv` sends below for each piece that arrives, so the boundary beneath sees sends of two directions."""

    async def send(self, conn: Any, data: bytes) -> None:
        await conn.below.send(data)

    async def recv(self, conn: Any, size: int) -> bytes:
        data = await conn.below.recv(size)
        await conn.below.send(b"[ack]")
        return bytes(data)


class Halves(Layer):
    """Sends each piece in two halves with a wait between, and counts who is inside."""

    def __init__(self) -> None:
        self.inside = self.most = 0
        self.gates: list[Any] = []

    async def send(self, conn: Any, data: bytes) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        half = len(data) // 2
        await conn.below.send(data[:half])
        self.gates.append(conn.event())
        await self.gates[-1].wait()
        await conn.below.send(data[half:])
        self.inside -= 1


def test_heart_rule_4_one_call_per_direction_and_boundary(rig: Rig) -> None:
    """A layer's recv sends below while a send is parked there: it waits in line, and neither is torn."""
    lower = Halves()
    upper, peer = rig.pair(Answers(), lower)
    sending = rig.send(upper, b"payload.")
    receiving = rig.recv(upper, 10)
    rig.send(peer, b"in").result()
    rig.settle()
    assert rig.recv(peer, 100).result() == b"payl"
    assert len(lower.gates) == 1
    lower.gates[0].set()
    assert sending.result() == 8
    assert rig.recv(peer, 4).result() == b"oad."
    rig.settle()
    until(lambda: len(lower.gates) == 2)
    assert not receiving.done
    lower.gates[1].set()
    assert receiving.result() == b"in"
    assert _all(rig, peer, 5) == b"[ack]"
    assert lower.most == 1


def _all(rig: Rig, peer: Any, count: int) -> bytes:
    got = b""
    while len(got) < count:
        got += rig.recv(peer, count - len(got)).result()
    return got


def test_heart_rule_4_the_bottom_keeps_two_senders_apart(rig: Rig) -> None:
    """The same directly above the socket: a big send that is parked is not torn by one from `recv`."""
    upper, peer = rig.pair(Answers(), capacity=4096)
    big = bytes(200_000)
    sending = rig.send(upper, big)
    receiving = rig.recv(upper, 10)
    rig.send(peer, b"in").result()
    assert not sending.done
    assert not receiving.done
    got = _all(rig, peer, len(big) + 5)
    assert sending.result() == len(big)
    assert receiving.result() == b"in"
    # Whole pieces: the answer stands between two pieces of 64 KiB or behind them all.
    place = got.index(b"[ack]")
    assert place in {PIECE, 2 * PIECE, 3 * PIECE, len(big)}
    assert got[:place] + got[place + 5 :] == big


def test_heart_rule_4_two_receives_at_one_boundary_wait_in_line(rig: Rig) -> None:
    """A layer's send reads its answer from below while a receive is parked there."""

    class AsksInSend(Layer):
        async def send(self, conn: Any, data: bytes) -> None:
            await conn.below.send(data)
            self.answer = await conn.below.recv(100)

        async def recv(self, conn: Any, size: int) -> bytes:
            return bytes(await conn.below.recv(size))

    class OneAtATime(Layer):
        inside = most = 0

        async def recv(self, conn: Any, size: int) -> bytes:
            self.inside += 1
            self.most = max(self.most, self.inside)
            data = await conn.below.recv(size)
            self.inside -= 1
            return bytes(data)

    layer, lower = AsksInSend(), OneAtATime()
    upper, peer = rig.pair(layer, lower)
    receiving = rig.recv(upper, 5)
    sending = rig.send(upper, b"?")
    assert rig.recv(peer, 1).result() == b"?"
    rig.send(peer, b"first").result()
    assert receiving.result() == b"first"
    assert not sending.done
    rig.send(peer, b"answer").result()
    assert sending.result() == 1
    assert layer.answer == b"answer"
    assert lower.most == 1


def test_heart_rule_4_shutdown_takes_the_send_turn(rig: Rig) -> None:
    layer = Gated()
    upper, peer = rig.pair(layer)
    sending = rig.send(upper, b"before the end")
    shutting = submitted(upper.submit_shutdown, socket.SHUT_WR)
    rig.settle()
    assert not shutting.done, "the end waits for what was sent before it"
    layer.gate.set()
    assert sending.result() == 14
    shutting.result()
    assert rig.recv(peer, 100).result() == b"before the end"
    assert rig.recv(peer, 100).result() == b""


# -- what is left out --------------------------------------------------------------------------------------------------


def test_a_layer_that_does_not_override_a_method_is_left_out_of_its_path() -> None:
    class OnlySends(Layer):
        async def send(self, conn: Any, data: bytes) -> None: ...

    layers = (Pass(), OnlySends(), Pass())
    plan = Plan(layers, [layer.overrides() for layer in layers])
    assert [plan.answers(above, "send") for above in (-1, 0, 1, 2)] == [0, 1, 2, None]
    assert [plan.answers(above, "recv") for above in (-1, 0, 1, 2)] == [0, 2, 2, None]
    assert [plan.answers(above, "connect") for above in (-1, 0, 1, 2)] == [None] * 4
    assert plan.names == ("pass", "onlysends", "pass")


def test_below_names_the_methods_there_are(fake: FakeEngine) -> None:
    upper = over(fake, fake.pair()[0], Pass())
    with pytest.raises(AttributeError, match="there is no 'sendall' below a layer; there are send, recv"):
        _ = upper.view(0).below.sendall
    for method in set(METHODS) - {"send_to", "recv_from"}:  # those end at a datagram socket only
        assert callable(getattr(upper.view(0).below, method))


# -- views -------------------------------------------------------------------------------------------------------------


def test_heart_rule_8_state_is_of_one_connection_and_one_layer(fake: FakeEngine) -> None:
    class Counts(Layer):
        async def send(self, conn: Any, data: bytes) -> None:
            conn.state.count = getattr(conn.state, "count", 0) + len(data)
            await conn.below.send(data)

    layer = Counts()
    stack = Stack([layer, layer])
    one, other = (stack.connection(fake, fake.pair()[0]) for _ in "ab")  # type: ignore[arg-type]
    one.send(b"abc")
    other.send(b"a")
    one.view(1).state.count += 10
    assert [conn.view(i).state.count for conn in (one, other) for i in (0, 1)] == [3, 13, 1, 1]


def test_a_view_tells_what_is_known_of_its_connection(fake: FakeEngine) -> None:
    upper = Stack([Pass()]).connection(fake, fake.pair()[0], origin="curl")  # type: ignore[arg-type]
    view = upper.view(0)
    upper.context = 77
    fake.advance(2.5)
    assert (view.origin, view.context, view.number, view.stream) == ("curl", 77, upper.number, True)
    assert view.now() == 2.5
    assert repr(view) == f"<conn #{upper.number} of layer 'pass'>"


# -- errors ------------------------------------------------------------------------------------------------------------


def test_heart_rule_7_a_winsock_error_passes_as_it_is(rig: Rig, reported: list[str]) -> None:
    class Refuses(Layer):
        async def send(self, conn: Any, data: bytes) -> None:
            raise WinsockError(WSAError.WSAEACCES, "not this")

    upper, peer = rig.pair(Pass(), Refuses())
    assert code(rig.send(upper, b"x").result()) == WSAError.WSAEACCES
    rig.send(peer, b"on")
    assert rig.recv(upper, 10).result() == b"on", "one refused call is not the end of the connection"
    assert reported == []


def test_heart_rule_7_what_is_no_bytes_is_the_layers_bug(fake: FakeEngine, reported: list[str]) -> None:
    upper = over(fake, fake.pair()[0], Notes("text"))
    with pytest.raises(WinsockError) as caught:
        upper.recv(10)
    assert caught.value.code == WSAError.WSAECONNABORTED
    assert "recv must give bytes, not str" in reported[0]
    assert "'notes'" in reported[0]


class Open(Layer):
    on_error = "open"

    def __init__(self, after: bool = False) -> None:
        self.after = after

    async def send(self, conn: Any, data: bytes) -> None:
        if self.after:
            await conn.below.send(b"touched ")
        raise ValueError("not today")

    async def recv(self, conn: Any, size: int) -> bytes:
        raise LookupError("nor here")

    async def shutdown(self, conn: Any, how: int) -> None:
        raise KeyError(how)


def test_heart_rule_7_on_error_open_repeats_the_call_as_a_pass_through(rig: Rig, reported: list[str]) -> None:
    upper, peer = rig.pair(Open(), Xor())
    assert rig.send(upper, b"plain").result() == 5
    assert rig.recv(peer, 10).result() == b"plain".translate(Xor.TABLE)
    rig.send(peer, b"back".translate(Xor.TABLE)).result()
    assert rig.recv(upper, 10).result() == b"back"
    submitted(upper.submit_shutdown, socket.SHUT_WR).result()
    assert rig.recv(peer, 10).result() == b""
    assert all("passed through (on_error=open)" in text and "'open'" in text for text in reported)
    assert "ValueError: not today" in reported[0]


def test_heart_rule_7_on_error_open_only_while_nothing_below_was_touched(fake: FakeEngine, reported: list[str]) -> None:
    one, other = fake.pair()
    upper = over(fake, one, Open(after=True))
    with pytest.raises(WinsockError) as caught:
        upper.send(b"plain")
    assert caught.value.code == WSAError.WSAECONNABORTED
    assert other.was_reset
    assert "connection #" in reported[0]


def test_on_error_is_checked_when_the_class_is_made() -> None:
    with pytest.raises(TypeError, match="on_error must be 'open' or 'closed'"):

        class Ajar(Layer):
            on_error = "ajar"


def test_a_slow_lower_layer_stalls_nothing_but_its_own_direction(fake: FakeEngine) -> None:
    class Late(Layer):
        async def recv(self, conn: Any, size: int) -> bytes:
            data = await conn.below.recv(size)
            await sleep(100)
            return bytes(data)

    one, other = fake.pair()
    upper, peer = over(fake, one, Pass(), Late()), over(fake, other)
    peer.send(b"in")
    receiving = submitted(upper.submit_recv, 10)
    assert upper.send(b"out") == 3
    assert peer.recv(10) == b"out"
    assert not receiving.done
    fake.advance(100)
    assert receiving.result() == b"in"
