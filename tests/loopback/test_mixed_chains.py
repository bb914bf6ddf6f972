"""Chains of three in every order of kinds: an IFS layer, one that changes bytes, a hand-written WSPStartup provider.

Under random calls of every mode no byte is lost, doubled or out of order, and nothing is left behind. A state machine:
what is sent is the next bytes of a stream that is known by its position, so that what is received says by itself where
it belongs.
"""

import gc
import itertools
import os
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

import ws2spi
from support import winsock
from support.engines import Xor
from support.pass_through import PassThrough
from support.stacks import Control, installed
from support.threads import until
from support.winsock import Operation, connected, error, received, set_nonblocking
from ws2spi import kernel32, ws2_32
from ws2spi._abi.constants import AF_INET, SD_SEND, SOCK_STREAM
from ws2spi._abi.errors import WSAError
from ws2spi._executive import threads
from ws2spi._executive.overlapped import pending_at
from ws2spi._runtime.process import runtime
from ws2spi._runtime.sockets import sockets

STREAM = bytes((position * 131 + (position >> 8) * 7) % 251 for position in range(1 << 17))
IN_FLIGHT = 30_000  # bytes on their way: no blocking send has to wait for its own thread to receive
PENDING, CANCELLED = 0x103, 0xC0000120

sizes = st.integers(1, 9000)
which = st.integers(0, 1)


class Side:
    """One socket: what it has sent and received, and its overlapped receives in the order of their starts."""

    def __init__(self, s: int) -> None:
        self.s = s
        self.sent = 0
        self.got = 0
        self.receives: list[Operation] = []
        self.sends: list[Operation] = []
        self.shut = self.closed = self.at_end = False


class Chains(RuleBasedStateMachine):
    """See the module's text."""

    @initialize(order=st.permutations(["ifs", "bytes", "by hand"]))
    def begin(self, order: list[str]) -> None:
        threads.current().pending.clear()
        winsock.start()
        self.hands: list[PassThrough] = []
        for kind in reversed(order):  # the lowest first
            if kind == "by hand":
                self.hands.append(PassThrough())
                self.hands[-1].install(runtime.catalog.find(AF_INET, SOCK_STREAM, 6))
            else:
                ws2spi.install(ws2spi.Stack([Control() if kind == "ifs" else Xor()]))
        self.sides = [Side(s) for s in connected()]
        assert len(sockets.lookup(self.sides[0].s).info.chain) == 4

    def room(self, side: Side) -> int:
        return min(IN_FLIGHT - (side.sent - self.other(side).got), len(STREAM) - side.sent)

    def other(self, side: Side) -> Side:
        return self.sides[side is self.sides[0]]

    def outstanding(self, side: Side) -> int:
        """What was sent to this side and not received."""
        return self.other(side).sent - side.got

    def take(self, side: Side, data: bytes) -> None:
        assert data == STREAM[side.got : side.got + len(data)], f"at {side.got} of {self.other(side).sent}"
        side.got += len(data)
        assert side.got <= self.other(side).sent

    def harvest(self, side: Side) -> None:
        """Look at overlapped operations that have ended, receives in order."""
        for send in side.sends:
            assert send.internal in (0, PENDING), hex(send.internal)
            assert send.internal or send.overlapped.InternalHigh == len(send.memory), "sent in part"
        while side.receives and side.receives[0].internal != PENDING:
            ended = side.receives.pop(0)
            if ended.internal == 0:
                data = ended.memory.raw[: ended.overlapped.InternalHigh]
                side.at_end = side.at_end or not data
                self.take(side, data)
            elif not side.closed:
                assert ended.internal == CANCELLED, hex(ended.internal)

    # -- sending ---------------------------------------------------------------------------------------------------

    @rule(number=which, size=sizes, way=st.sampled_from(["blocking", "polling", "overlapped", "as a file"]))
    def send(self, number: int, size: int, way: str) -> None:
        side = self.sides[number]
        size = min(size, self.room(side))
        if size <= 0 or side.shut or side.closed or self.other(side).closed:
            return
        data = STREAM[side.sent : side.sent + size]
        if way == "overlapped":
            side.sends.append(Operation(side.s, data))
            assert side.sends[-1].code in (0, WSAError.WSA_IO_PENDING)
            side.sent += size
            return
        if way == "as a file":
            side.sent += os.write(side.s, data)
            return
        set_nonblocking(side.s, way == "polling")
        count = ws2_32.send(side.s, data, size, 0)
        if count < 0:
            assert way == "polling"
            assert error() == WSAError.WSAEWOULDBLOCK
        else:
            assert count == size or way == "polling"
            side.sent += count

    # -- receiving -------------------------------------------------------------------------------------------------

    @rule(number=which, size=sizes)
    def receive_blocking(self, number: int, size: int) -> None:
        side = self.sides[number]
        if side.closed or side.receives or not self.outstanding(side) or self.other(side).closed:
            return
        set_nonblocking(side.s, 0)
        data = received(side.s, size)
        assert isinstance(data, bytes), data
        assert data, "the end, with bytes on their way"
        self.take(side, data)

    @rule(number=which, size=sizes)
    def receive_polling(self, number: int, size: int) -> None:
        side = self.sides[number]
        if side.closed or side.receives:
            return
        set_nonblocking(side.s)
        data = received(side.s, size)
        if isinstance(data, bytes):
            side.at_end = side.at_end or not data
            self.take(side, data)
        else:
            assert data == WSAError.WSAEWOULDBLOCK or self.other(side).closed, data

    @rule(number=which, size=sizes)
    def receive_overlapped(self, number: int, size: int) -> None:
        side = self.sides[number]
        if side.closed or len(side.receives) > 3 or self.other(side).closed:
            return
        side.receives.append(Operation(side.s, size))
        assert side.receives[-1].code in (0, WSAError.WSA_IO_PENDING)
        self.harvest(side)

    @rule(number=which, position=st.integers(0, 3))
    def cancel(self, number: int, position: int) -> None:
        side = self.sides[number]
        if position < len(side.receives) and not side.closed:
            kernel32.CancelIoEx(side.s, winsock.byref(side.receives[position].overlapped))
            self.harvest(side)

    # -- ending ----------------------------------------------------------------------------------------------------

    @rule(number=which)
    def shut_down(self, number: int) -> None:
        side = self.sides[number]
        if not side.closed and not side.shut:
            side.shut = True
            assert ws2_32.shutdown(side.s, SD_SEND) == 0

    @rule(number=which)
    def close(self, number: int) -> None:
        side = self.sides[number]
        if self.outstanding(side) or any(one.closed for one in self.sides):
            return  # unread bytes turn its end into a reset, which drops what the peer has not read
        # Closing cancels overlapped sends that are pending, and says so to the client: nothing lost, but not sent.
        until(lambda: all(one.internal != PENDING for one in side.sends))
        self.close_side(side)

    def close_side(self, side: Side) -> None:
        set_nonblocking(side.s, 0)
        side.closed = side.shut = True
        winsock.close(side.s)
        until(lambda: all(one.internal != PENDING for one in side.receives + side.sends))
        self.harvest(side)

    @invariant()
    def in_order(self) -> None:
        for side in getattr(self, "sides", ()):
            self.harvest(side)

    def teardown(self) -> None:
        if not hasattr(self, "sides"):
            return
        try:
            for side in self.sides:
                if not side.closed:
                    self.shut_down(self.sides.index(side))
            for side in self.sides:
                if not side.closed:
                    self.drain(side)
            for side in self.sides:
                if not side.closed:
                    self.close_side(side)
            self.nothing_left()
        finally:
            winsock.stop()
            until(lambda: not any(hand.contexts for hand in self.hands))

    def drain(self, side: Side) -> None:
        """Every byte, then the end."""
        until(lambda: self.harvest(side) or not side.receives)  # type: ignore[func-returns-value]
        set_nonblocking(side.s, 0)
        while not side.at_end:
            data = received(side.s, 65536)
            assert isinstance(data, bytes), data
            self.take(side, data)
            side.at_end = not data
        assert side.got == self.other(side).sent, "lost"

    def nothing_left(self) -> None:
        for side in self.sides:
            for one in side.receives + side.sends:
                assert pending_at(one.address) is None
        until(lambda: not any(hand.contexts or hand.records for hand in self.hands))
        until(lambda: not sockets.entries)  # a hand-written layer closes when nothing of its own is outstanding
        assert not threads.current().pending, "an APC nobody asked for"
        gc.collect()


def test_mixed_chains_lose_nothing() -> None:
    """layering 3 to 5, heart 1 to 4."""
    run_state_machine_as_test(
        Chains,
        settings=settings(
            max_examples=40,
            stateful_step_count=30,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_what_a_layer_has_not_received_yet_is_not_moved_for_foreign_readers() -> None:
    """filepair rule 2 is for handles that a client has: a layer receives from the one below it through the table."""
    machine: Any = Chains()
    machine.begin(["ifs", "by hand", "bytes"])
    machine.send(0, 700, "blocking")
    contexts = machine.hands[0].contexts
    until(lambda: len(contexts) == 2)  # the listener is closed by the layer above, in its own time
    for entry in [sockets.lookup(context.lower) for context in contexts.values()]:
        assert entry.pair is not None
        entry.pair.sweep()
        assert not entry.pair.worth_a_pull()
        assert entry.pair._pull is None
    machine.teardown()


def test_an_overlapped_send_and_a_shutdown_go_behind_foreign_writes_on_a_non_blocking_socket() -> None:
    """provider-functions 5.1 Blocking mode: irrelevant for overlapped calls; 3.5: WSPShutdown never blocks."""
    winsock.start()
    with installed("bytes"):
        one, two = connected()
        set_nonblocking(one)
        pair = sockets.lookup(one).pair
        pair._pushing.append(1)  # a foreign write is on its way
        try:
            os.write(one, b"file ")
            assert Operation(one, b"overlapped").code in (0, WSAError.WSA_IO_PENDING)
            assert ws2_32.shutdown(one, SD_SEND) == 0
        finally:
            pair._pushing.popleft()
        assert winsock.read_all(two, 100) == b"file overlapped"
        winsock.close(one, two)
    winsock.stop()


def test_every_order_with_a_fixed_script() -> None:
    """The same machine without chance: one exchange in each mode for each order, so that none is left to luck."""
    for order in itertools.permutations(["ifs", "bytes", "by hand"]):
        machine: Any = Chains()
        machine.begin(list(order))
        for way in ("blocking", "polling", "overlapped", "as a file"):
            for number in (0, 1):
                machine.send(number, 700, way)
                machine.receive_blocking(1 - number, 300)
                machine.receive_overlapped(1 - number, 5000)
        machine.cancel(0, 0)
        machine.in_order()
        machine.shut_down(0)
        machine.teardown()
