"""Driving and blocking: who resumes a parked coroutine, and what interrupts the thread that blocks for it."""

import os
import random
import signal
import socket
import threading
import weakref
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from support.engines import Frame, Gated, Pass, RealRig, Rig, Xor, code, submitted
from support.interrupts import at_every_bytecode
from support.threads import LONG, Running, until
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.connection import Connection
from ws2spi._executive.threads import current
from ws2spi.providers.layer import Layer
from ws2spi.testing import FakeEngine, over

BIG = bytes(500_000)

stacks = pytest.mark.parametrize("stack", ["none", "pass", "frame"])
STACKS: dict[str, tuple[Layer, ...]] = {"none": (), "pass": (Pass(),), "frame": (Frame(),)}


def plain(stack: str, data: bytes) -> bytes:
    """`data` as the peer must send it."""
    return len(data).to_bytes(2, "big") + data if stack == "frame" else data


def on_the_wire(stack: str, count: int) -> int:
    """How many bytes a send of `count` becomes: frames hold 30,000 bytes of a piece of 64 KiB."""
    if stack != "frame":
        return count
    return count + 2 * sum(-(-min(65536, count - start) // 30000) for start in range(0, count, 65536))


def error_of(call: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    with pytest.raises(WinsockError) as caught:
        call(*arguments, **keywords)
    return caught.value.code


def when_parked(act: Callable[[], object]) -> Running:
    """Run `act` on another thread as soon as this one blocks."""
    me = current()

    def wait_and_act() -> None:
        until(lambda: me._parked)
        act()

    return Running(wait_and_act)


class Handler:
    """A real signal whose handler runs what the test wants, on this (the main) thread."""

    def __init__(self) -> None:
        self.act: Callable[[], object] = lambda: None
        self.outcomes: list[Any] = []

    def __call__(self, number: int, frame: FrameType | None) -> None:
        try:
            self.outcomes.append(self.act())
        except WinsockError as error:
            self.outcomes.append(error.code)

    def send(self) -> None:
        """Strike now; from another thread, the main thread's next bytecode."""
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)


@pytest.fixture
def handler() -> Iterator[Handler]:
    made = Handler()
    before = signal.signal(signal.SIGUSR1, made)
    yield made
    signal.signal(signal.SIGUSR1, before)


# -- Ctrl-C ------------------------------------------------------------------------------------------------------------


@stacks
def test_ctrl_c_out_of_a_blocked_receive_leaves_the_connection_usable(
    real: RealRig, stack: str, handler: Handler
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    handler.act = interrupt
    upper, peer = real.pair(*STACKS[stack])
    wire = plain(stack, b"hello")
    peer.send(wire[:1] if stack == "frame" else b"")
    helper = when_parked(handler.send)
    with pytest.raises(KeyboardInterrupt):
        upper.recv(100)
    helper.result()
    until(lambda: not upper._receives)
    assert upper.send(b"x") == 1
    peer.send(wire[1:] if stack == "frame" else wire)
    assert upper.recv(100) == b"hello", "not a byte was lost with the interrupted call"


@pytest.mark.parametrize("stack", ["none", "pass"])
def test_ctrl_c_out_of_a_blocked_send_lets_it_run_on(real: RealRig, stack: str, handler: Handler) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    handler.act = interrupt
    upper, peer = real.pair(*STACKS[stack], capacity=4096)
    helper = when_parked(handler.send)
    with pytest.raises(KeyboardInterrupt):
        upper.send(BIG)
    helper.result()
    got = 0
    while got < len(BIG):
        got += len(peer.recv(65536))
    assert upper.send(b"next") == 4
    assert peer.recv(10) == b"next"


def test_ctrl_c_in_the_middle_of_a_layer_ends_its_connection(
    real: RealRig, handler: Handler, reported: list[str]
) -> None:
    """What the layer had in hand is lost, and a stream must not go on without. The interrupt reaches the program."""

    class Struck(Layer):
        strike = True

        async def send(self, conn: Any, data: bytes) -> None:
            if self.strike:
                self.strike = False
                handler.send()
                for _ in range(100_000):  # the handler runs at one of these bytecodes
                    pass
            await conn.below.send(data)

    def interrupt() -> None:
        raise KeyboardInterrupt

    handler.act = interrupt
    upper, _ = real.pair(Struck())
    with pytest.raises(KeyboardInterrupt):
        upper.send(b"lost")
    assert not upper.mailbox.is_taken()
    assert error_of(upper.send, b"next") == WSAError.WSAECONNABORTED
    assert error_of(upper.recv, 1) == WSAError.WSAECONNABORTED
    assert "KeyboardInterrupt" in reported[0]
    assert "struck in the middle of send of layer 'struck'" in reported[0]


def test_an_interrupt_inside_a_parked_operation_ends_its_connection(real: RealRig, reported: list[str]) -> None:
    """The same when the coroutine was resumed from a park."""

    class Struck(Layer):
        async def recv(self, conn: Any, size: int) -> bytes:
            data = await conn.below.recv(size)
            if data == b"strike":
                raise KeyboardInterrupt
            return bytes(data)

    upper, peer = real.pair(Struck())
    helper = when_parked(lambda: peer.send(b"strike"))
    with pytest.raises(KeyboardInterrupt):
        upper.recv(100)
    helper.result()
    assert error_of(upper.recv, 100) == WSAError.WSAECONNABORTED, "its bytes are gone, so the stream has ended"
    assert "in the middle of recv of layer 'struck'" in reported[0]


@pytest.mark.filterwarnings(
    "ignore:coroutine .* was never awaited"
)  # an interrupt may fall between making and awaiting
def test_interrupts_that_raise_anywhere_leave_no_connection_behind(real: RealRig) -> None:
    """Real signals whose handler raises, at whatever moment they hit a round trip: afterwards both ends work."""

    def strike(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    upper, peer = real.pair()
    choose = random.Random(1)
    before = signal.signal(signal.SIGALRM, strike)
    try:
        for _ in range(500):
            try:
                signal.setitimer(signal.ITIMER_REAL, choose.uniform(1e-5, 2e-4))
                while True:
                    upper.send(b"x" * 64)
                    peer.recv(4096)
            except KeyboardInterrupt:
                pass
            assert not upper.mailbox.is_taken()
            assert not peer.mailbox.is_taken()
            upper.send(b"!", timeout=LONG)
            while not peer.recv(65536, LONG).endswith(b"!"):
                pass
            assert not peer._receives
            assert not upper._sends
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# -- signal handlers that call in --------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["close", "abort", "cancel"])
def test_heart_rule_3_close_and_cancel_from_a_signal_handler_inside_the_layer(
    real: RealRig, handler: Handler, call: str
) -> None:
    """The handler strikes while this very thread runs a layer of the connection: what it does is posted."""

    class Struck(Layer):
        async def send(self, conn: Any, data: bytes) -> None:
            handler.send()
            for _ in range(100_000):
                if handler.outcomes:
                    break
            await conn.below.send(data)

    upper, peer = real.pair(Struck())
    waiting = submitted(upper.submit_recv, 1)
    handler.act = {
        "close": upper.close,
        "abort": upper.abort,
        "cancel": lambda: upper.cancel(waiting.request),  # type: ignore[arg-type]
    }[call]
    assert upper.send(b"x") == 1
    assert handler.outcomes == [None]
    assert code(waiting.result()) == WSAError.WSA_OPERATION_ABORTED
    if call == "cancel":
        assert peer.recv(1) == b"x"
    else:
        until(lambda: upper.closed)


def test_heart_rule_3_a_blocking_call_from_a_handler_inside_the_layer(real: RealRig, handler: Handler) -> None:
    class Struck(Layer):
        async def send(self, conn: Any, data: bytes) -> None:
            handler.send()
            for _ in range(100_000):
                if handler.outcomes:
                    break
            await conn.below.send(data)

    upper, peer = real.pair(Struck())
    handler.act = lambda: upper.recv(1)
    assert upper.send(b"x") == 1
    assert handler.outcomes == [WSAError.WSAEINPROGRESS]
    assert peer.recv(1) == b"x"


def test_close_from_a_handler_while_this_thread_blocks(real: RealRig, handler: Handler) -> None:
    upper, _ = real.pair(Frame())
    handler.act = upper.close
    helper = when_parked(handler.send)
    assert error_of(upper.recv, 1) == WSAError.WSAEINTR
    helper.result()


@stacks
def test_a_handler_may_use_the_connection_that_its_thread_blocks_on(
    real: RealRig, handler: Handler, stack: str
) -> None:
    """Parked is not inside: the handler's own blocking calls work, and the outer one goes on."""
    upper, peer = real.pair(*STACKS[stack])

    def act() -> Any:
        upper.send(b"from the handler")
        return True

    handler.act = act
    helper = when_parked(lambda: (handler.send(), until(lambda: handler.outcomes), peer.send(plain(stack, b"outer"))))
    assert upper.recv(100) == b"outer"
    helper.result()
    assert peer.recv(100) == plain(stack, b"from the handler")


@stacks
def test_a_send_from_a_handler_while_its_thread_blocks_in_a_send(real: RealRig, handler: Handler, stack: str) -> None:
    """The nested send stands behind the outer one, so somebody must go on driving that."""
    upper, peer = real.pair(*STACKS[stack], capacity=4096)
    handler.act = lambda: upper.send(b"nested")
    total = on_the_wire(stack, len(BIG)) + on_the_wire(stack, 6)
    got = bytearray()

    def read() -> None:
        handler.send()
        while len(got) < total:
            got.extend(peer.recv(65536))

    helper = when_parked(read)
    assert upper.send(BIG) == len(BIG)
    helper.result()
    assert handler.outcomes == [6]
    assert got.endswith(plain(stack, b"nested"))


@stacks
def test_a_receive_from_a_handler_while_its_thread_blocks_in_a_send(
    real: RealRig, handler: Handler, stack: str
) -> None:
    """The peer answers only when it has all of what the outer call sends: the engine must go on with that."""
    upper, peer = real.pair(*STACKS[stack], capacity=4096)
    handler.act = lambda: upper.recv(100)

    def serve() -> None:
        handler.send()
        left = on_the_wire(stack, len(BIG))
        while left:
            left -= len(peer.recv(left))
        peer.send(plain(stack, b"answer"))

    helper = when_parked(serve)
    assert upper.send(BIG) == len(BIG)
    helper.result()
    assert handler.outcomes == [b"answer"]


# -- APCs --------------------------------------------------------------------------------------------------------------


@stacks
def test_apcs_run_in_a_blocked_call_and_the_call_goes_on(real: RealRig, stack: str) -> None:
    upper, peer = real.pair(*STACKS[stack])
    me, ran = current(), []

    def act() -> None:
        for number in range(3):
            me.queue_apc(ran.append, (number, upper.mailbox.held_by_me()))
        until(lambda: len(ran) == 3)
        peer.send(plain(stack, b"data"))

    helper = when_parked(act)
    assert upper.recv(100) == b"data"
    helper.result()
    assert ran == [(0, False), (1, False), (2, False)]


def test_an_apc_does_not_run_in_a_call_that_need_not_wait(real: RealRig) -> None:
    upper, peer = real.pair(Pass())
    peer.send(b"x")
    ran: list[Any] = []
    current().queue_apc(ran.append, 1)
    assert upper.recv(1) == b"x"
    assert ran == []
    current().run_apcs()


@stacks
def test_an_apc_may_use_the_connection_it_interrupts(real: RealRig, stack: str) -> None:
    upper, peer = real.pair(*STACKS[stack], capacity=4096)
    me, ran = current(), []

    def routine(_: Any) -> None:
        ran.append(upper.send(b"nested"))

    total = on_the_wire(stack, len(BIG)) + on_the_wire(stack, 6)
    got = bytearray()

    def act() -> None:
        me.queue_apc(routine, None)
        while len(got) < total:
            got.extend(peer.recv(65536))

    helper = when_parked(act)
    assert upper.send(BIG) == len(BIG)
    helper.result()
    assert ran == [6]


def test_an_exception_out_of_an_apc_takes_the_request_and_leaves_the_operation(real: RealRig) -> None:
    upper, peer = real.pair(Frame())
    me = current()

    def routine(_: Any) -> None:
        raise LookupError("from an APC")

    helper = when_parked(lambda: me.queue_apc(routine, None))
    with pytest.raises(LookupError, match="from an APC"):
        upper.recv(100)
    helper.result()
    peer.send(b"\0\1x")
    assert upper.recv(100) == b"x"


def test_apcs_run_in_blocked_calls_of_the_fake_too(fake: FakeEngine) -> None:
    one, other = fake.pair()
    upper, peer = over(fake, one, Frame()), over(fake, other)
    ran: list[Any] = []
    current().queue_apc(lambda _: (ran.append(1), peer.send(b"\0\1x")), None)
    assert upper.recv(100) == b"x"
    assert ran == [1]

    def routine(_: Any) -> None:
        raise LookupError

    current().queue_apc(routine, None)
    with pytest.raises(LookupError):
        upper.recv(100)
    peer.send(b"\0\1y")
    assert upper.recv(100) == b"y", "the interrupted receive is not in line any more"


# -- handing over ------------------------------------------------------------------------------------------------------


def test_work_of_a_connection_goes_on_while_its_thread_runs_a_long_apc(real: RealRig) -> None:
    """The thread's own operation waits for it; other connections do not notice."""
    upper, peer = real.pair(Pass())
    other, far = real.pair(Pass())
    me = current()
    inside, leave = threading.Event(), threading.Event()

    def routine(_: Any) -> None:
        inside.set()
        assert leave.wait(LONG)

    def act() -> None:
        me.queue_apc(routine, None)
        assert inside.wait(LONG)
        peer.send(b"late")
        outcome = submitted(other.submit_recv, 1)
        far.send(b"x")
        assert outcome.result() == b"x"
        leave.set()

    helper = when_parked(act)
    assert upper.recv(100) == b"late"
    helper.result()


def test_a_begun_send_of_a_thread_that_has_ended_runs_on(real: RealRig) -> None:
    upper, peer = real.pair(Xor(), capacity=4096)
    gone = Running(upper.send, BIG, None, 0.01)
    assert gone.result().code == WSAError.WSAETIMEDOUT
    gone.thread.join(LONG)
    got = bytearray()
    while len(got) < len(BIG):
        got += peer.recv(65536)
    assert got.translate(Xor.TABLE) == BIG


def test_a_blocked_thread_is_told_when_another_finishes_its_operation(rig: Rig) -> None:
    """The gate is opened by a third party, so the step runs there, and the sender must be woken."""
    layer = Gated()
    upper, peer = rig.pair(layer)
    sending = rig.send(upper, b"x")
    Running(layer.gate.set).result()
    assert sending.result() == 1
    assert rig.recv(peer, 1).result() == b"x"


def test_a_busy_connection_does_not_hold_up_the_engine(real: RealRig) -> None:
    """Rule 3: the engine leaves its step at a taken mailbox and serves the others."""
    busy, quiet = threading.Event(), threading.Event()

    class Slow(Layer):
        async def send(self, conn: Any, data: bytes) -> None:
            busy.set()
            assert quiet.wait(LONG)
            await conn.below.send(data)

    upper, peer = real.pair(Slow())
    other, far = real.pair()
    mine, theirs = submitted(upper.submit_recv, 1), submitted(other.submit_recv, 1)
    sending = Running(upper.send, b"x")
    assert busy.wait(LONG)
    peer.send(b"1")
    far.send(b"2")
    assert theirs.result() == b"2"
    assert not mine.done
    quiet.set()
    assert mine.result() == b"1"
    assert sending.result() == 1


def test_heart_rule_3_a_reader_never_reads_a_strangers_bytes(real: RealRig) -> None:
    """Close under a blocked receive, then let the number be reused: bytes move inside the mailbox only."""
    upper, _ = real.pair()
    number = upper.transport.fd
    waiting = real.recv(upper, 100)
    upper.close()
    until(lambda: upper.closed)
    pair = list(socket.socketpair())
    if number not in [sock.fileno() for sock in pair]:
        os.dup2(pair[0].fileno(), number)
        pair[0].close()
        pair[0] = socket.socket(fileno=number)
    pair.sort(key=lambda sock: sock.fileno() != number)
    stranger, far = pair  # the number is somebody else's now
    far.send(b"secret of a stranger")
    assert code(waiting.result()) == WSAError.WSAEINTR
    assert stranger.recv(100) == b"secret of a stranger"
    stranger.close()
    far.close()


# -- interrupts at every bytecode --------------------------------------------------------------------------------------


class Watched:
    """A connection of the fake with a request to cancel."""

    def __init__(self) -> None:
        self.engine = FakeEngine()
        one, other = self.engine.pair()
        self.upper = over(self.engine, one, Pass())
        self.peer = over(self.engine, other)
        self.told: list[Any] = []
        self.request = self.upper.submit_recv(1, self.told.append)


ENGINE = os.path.join(os.path.dirname(Connection.__init__.__code__.co_filename), "")


@pytest.mark.parametrize("strike", ["close", "cancel", "weakref"])
def test_heart_rule_3_close_and_cancel_at_every_bytecode_of_a_send(strike: str) -> None:
    def handle(watched: Watched) -> None:
        if strike == "close":
            watched.upper.close()
        elif strike == "cancel":
            watched.upper.cancel(watched.request)
        else:
            victim = threading.Event()
            watched.ref = weakref.ref(victim, lambda _: watched.upper.close())  # type: ignore[attr-defined]
            del victim

    def check(watched: Watched, result: Any) -> None:
        assert result == 1 or code(result) in (WSAError.WSA_OPERATION_ABORTED, WSAError.WSAEINTR), result
        watched.engine.settle()
        assert watched.told == [watched.request]
        assert code(watched.request.error) == WSAError.WSA_OPERATION_ABORTED
        assert watched.upper.closed == (strike != "cancel")
        assert not watched.upper.mailbox.is_taken()
        if result == 1:
            assert watched.peer.recv(10) == b"x"

    points = at_every_bytecode(Watched, lambda watched: watched.upper.send(b"x"), handle, check, watched=(ENGINE,))
    assert points > 100
