"""A signal handler that raises, at every place of the engine's code where it can: no byte is lost, doubled or moved.

What a program's own handler raises always reaches the program. Without layers the socket goes on as if nothing had
happened; with layers it does, too, or it ends in the name of the layer that was interrupted, and the peer sees a reset.
"""

import gc
import random
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import ws2spi
from support.engines import Frame, Pass, RealRig, Xor
from support.interrupts import Strike, Struck, raising_everywhere
from support.threads import LONG, Running, until
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine import reports
from ws2spi._engine.connection import Connection
from ws2spi._engine.transport import SocketTransport
from ws2spi._executive.threads import current
from ws2spi.providers.layer import Layer
from ws2spi.providers.stack import Stack
from ws2spi.testing import FakeEngine, over

ENGINE = (str(Path(ws2spi.__file__).parent / "_engine"),)
STACKS: dict[str, tuple[Layer, ...]] = {
    "none": (),
    "pass": (Pass(),),
    "frame+xor": (Frame(), Xor()),
    "pass+frame+pass": (Pass(), Frame(), Pass()),
}
END = b"|the end"

stacks = pytest.mark.parametrize("stack", STACKS)
never_awaited = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")  # it may strike in between


def wire(stack: str, data: bytes) -> bytes:
    """`data` as it looks beneath the layers, sent in pieces of at most 64 KiB."""
    if stack == "none" or stack == "pass":
        return data
    out = b""
    for piece in range(0, len(data), 65536):
        whole = data[piece : piece + 65536]
        for start in range(0, len(whole), 30000):
            part = whole[start : start + 30000]
            out += len(part).to_bytes(2, "big") + part
    return out.translate(Xor.TABLE) if "xor" in stack else out


@pytest.fixture(autouse=True)
def named() -> Iterator[list[str]]:
    texts: list[str] = []
    before = reports.set_sink(texts.append)
    yield texts
    reports.set_sink(before)


def struck(strike: Strike, call: Callable[..., Any], *arguments: Any) -> Any:
    """What `call` gives, or None if the strike came out of it, as it must where it fell."""
    try:
        with strike:
            result = call(*arguments)
    except Struck:
        return None
    assert not strike.where, f"what the handler raised was swallowed, the call gave {result!r}"
    return result


def ended_in_a_name(connection: Connection, stack: str, named: list[str]) -> bool:
    """Whether the connection has ended, which it may only where there are layers, and never without saying so."""
    failure = connection.failure
    if failure is None:
        assert not named
        return False
    assert stack != "none"
    assert "Struck" in failure
    assert "in the middle of" in failure
    assert len(named) == 1
    named.clear()
    with pytest.raises(WinsockError) as caught:
        connection.recv(1)
    assert caught.value.code == WSAError.WSAECONNABORTED
    return True


def all_of(connection: Connection, known: bytes) -> bytes:
    got = known
    while not got.endswith(END):
        data = connection.recv(1000, LONG)
        assert data
        got += data
    return got


@never_awaited
@stacks
@pytest.mark.parametrize("when", ["there", "later", "in pieces"])
def test_a_receive_on_the_fake(stack: str, when: str, named: list[str]) -> None:
    message = wire(stack, b"hello")

    def run(strike: Strike) -> None:
        engine = FakeEngine()
        one, other = engine.pair()
        upper, peer = over(engine, one, *STACKS[stack]), over(engine, other)
        if when == "there":
            peer.send(message)
        else:
            for number, piece in enumerate([message] if when == "later" else [message[:1], message[1:3], message[3:]]):
                engine.call_later(number + 1, one.arrived.extend, piece)  # no engine's code, nothing to strike
        data = struck(strike, upper.recv, 100) or b""
        if ended_in_a_name(upper, stack, named):
            return
        if when != "there":
            engine.advance(5)
        peer.send(wire(stack, END))
        assert all_of(upper, data) == b"hello" + END
        assert not upper._receives
        assert not upper.mailbox.is_taken()

    assert raising_everywhere(run, ENGINE) > 2


@never_awaited
@stacks
@pytest.mark.parametrize("capacity", [65536, 10])
def test_a_send_on_the_fake(stack: str, capacity: int, named: list[str]) -> None:
    def run(strike: Strike) -> None:
        engine = FakeEngine()
        one, other = engine.pair(capacity)
        upper = over(engine, one, *STACKS[stack])
        got = bytearray()

        def read() -> None:
            got.extend(other.arrived)
            other.arrived.clear()
            engine.call_later(1, read)

        engine.call_later(1, read)
        message = b"0123456789abcdefghij"
        struck(strike, upper.send, message)
        if ended_in_a_name(upper, stack, named):
            return
        upper.send(END, timeout=1000)
        engine.advance(10)
        assert bytes(got) in (wire(stack, message) + wire(stack, END), wire(stack, END))
        assert not upper._sends
        assert not upper.mailbox.is_taken()

    assert raising_everywhere(run, ENGINE) > 2


# -- real sockets, parked in poll --------------------------------------------------------------------------------------


@pytest.fixture
def real() -> Iterator[RealRig]:
    rig = RealRig()
    yield rig
    rig.close()


def pair(rig: RealRig, stack: str, buffer: int = 0) -> tuple[Connection, socket.socket]:
    ends = socket.socketpair()
    for end in ends if buffer else ():
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
    ends[1].settimeout(LONG)
    return Stack(STACKS[stack]).connection(rig.engine, SocketTransport(ends[0])), ends[1]


class Later:
    """Runs `act` on another thread when the caller's has parked, or when it is told that it will not."""

    def __init__(self, act: Callable[[], object]) -> None:
        me = current()
        self._over = False

        def wait_and_act() -> None:
            until(lambda: me._parked or self._over)
            try:
                act()
            except BrokenPipeError:  # the connection has ended
                pass

        self._running = Running(wait_and_act)

    def result(self) -> None:
        self._over = True
        assert self._running.result() is None


@never_awaited
@stacks
@pytest.mark.parametrize("when", ["there", "later"])
def test_a_receive(real: RealRig, stack: str, when: str, named: list[str]) -> None:
    message = wire(stack, b"hello")

    def run(strike: Strike) -> None:
        upper, peer = pair(real, stack)
        helper = Later(lambda: peer.sendall(message))
        if when == "there":
            helper.result()
        data = struck(strike, upper.recv, 100) or b""
        helper.result()
        if not ended_in_a_name(upper, stack, named):
            peer.sendall(wire(stack, END))
            assert all_of(upper, data) == b"hello" + END
            until(lambda: not upper._receives)
            assert not current()._parked
        upper.abort()
        peer.close()

    assert raising_everywhere(run, ENGINE) > 2


@never_awaited
@stacks
@pytest.mark.parametrize("size", [5, 100_000])
def test_a_send(real: RealRig, stack: str, size: int, named: list[str]) -> None:
    message = random.Random(size).randbytes(size)

    def run(strike: Strike) -> None:
        upper, peer = pair(real, stack, 4096)
        got = bytearray()
        ends = wire(stack, END)

        def read() -> None:
            while not got.endswith(ends):
                try:
                    data = peer.recv(65536)
                except ConnectionResetError:
                    return
                if not data:
                    return
                got.extend(data)

        helper = Later(read)
        struck(strike, upper.send, message)
        if not ended_in_a_name(upper, stack, named):
            upper.send(END, timeout=LONG)
            helper.result()
            assert bytes(got) in (wire(stack, message) + ends, ends)
            until(lambda: not upper._sends)
        upper.abort()
        helper.result()
        peer.close()

    assert raising_everywhere(run, ENGINE) > 2


@never_awaited
@stacks
def test_a_receive_that_does_not_wait(real: RealRig, stack: str, named: list[str]) -> None:
    def run(strike: Strike) -> None:
        upper, peer = pair(real, stack)
        peer.sendall(wire(stack, b"hello"))
        data = struck(strike, upper.recv_nowait, 3) or b""
        if not ended_in_a_name(upper, stack, named):
            peer.sendall(wire(stack, END))
            assert all_of(upper, data) == b"hello" + END
            assert not upper.mailbox.is_taken()
        upper.abort()
        peer.close()

    assert raising_everywhere(run, ENGINE) > 2


@never_awaited
@stacks
@pytest.mark.parametrize("size", [5, 100_000])
def test_a_send_that_does_not_wait(real: RealRig, stack: str, size: int, named: list[str]) -> None:
    """What the kernel had taken when the strike fell is sent; of a layer's piece, all or nothing."""
    message = random.Random(size).randbytes(size)

    def run(strike: Strike) -> None:
        upper, peer = pair(real, stack, 4096)
        count = struck(strike, upper.send_nowait, message)
        if not ended_in_a_name(upper, stack, named):
            ends = wire(stack, END)
            sending = Running(lambda: upper.send(END, timeout=LONG))
            got = bytearray()
            while not got.endswith(ends):
                got += peer.recv(65536)
            assert sending.result() == len(END)
            sent = bytes(got[: -len(ends)])
            if count is not None or (stack != "none" and sent):
                assert sent == wire(stack, message[: count or min(size, 65536)])
            assert wire(stack, message).startswith(sent)
            until(lambda: not upper._sends)
        upper.abort()
        peer.close()

    assert raising_everywhere(run, ENGINE) > 2


@never_awaited
@pytest.mark.parametrize("item", ["datagram", "connection"])
def test_an_item_that_is_not_waited_for(real: RealRig, item: str) -> None:
    def run(strike: Strike) -> None:
        kind = socket.SOCK_DGRAM if item == "datagram" else socket.SOCK_STREAM
        upper = Stack(()).connection(real.engine, SocketTransport(socket.socket(socket.AF_INET, kind)))
        upper.perform("bind", ("127.0.0.1", 0))
        address = upper.perform("getsockname")
        if item == "connection":
            upper.listen(5)
        others = [socket.socket(socket.AF_INET, kind) for _ in "12"]
        for other in others:
            other.connect(address)
            if item == "datagram":
                other.send(b"one")
        upper.wait_readable(LONG)
        found = [struck(strike, upper.recv_nowait, 100)]
        while len(found) < 2 + (found[0] is None):
            found.append(upper.recv(100, LONG))
        names = [other.getsockname() for other in others]
        if item == "datagram":
            assert [one for one in found if one] == [(b"one", name) for name in names]
        else:
            ends = [one for one in found if one]
            assert [end.perform("getpeername") for end in ends] == names
            for end in ends:
                end.abort()
        upper.abort()
        for other in others:
            other.close()

    assert raising_everywhere(run, ENGINE) > 2


class Wrapped(Pass):
    """As `Pass`, and connects and accepts, too."""

    async def connect(self, conn: Any, address: Any) -> None:
        await conn.below.connect(address)

    async def accept(self, conn: Any) -> Any:
        return await conn.below.accept()


CONTROLS: dict[str, tuple[Layer, ...]] = {"none": (), "one": (Wrapped(),), "two": (Wrapped(), Wrapped())}


@never_awaited
@pytest.mark.parametrize("stack", CONTROLS)
def test_a_connect(real: RealRig, stack: str, named: list[str]) -> None:
    def run(strike: Strike) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(LONG)
            upper = Stack(CONTROLS[stack]).connection(real.engine, SocketTransport(socket.socket()))
            try:
                struck(strike, upper.connect, server.getsockname())
                if ended_in_a_name(upper, stack, named):
                    return
                with suppress(WinsockError):  # WSAEISCONN: the first one has gone on
                    upper.connect(server.getsockname(), LONG)
                upper.send(END)
                peer, _ = server.accept()
                peer.settimeout(LONG)
                assert peer.recv(100) == END
                peer.close()
                assert not upper._connecting
            finally:
                upper.abort()

    assert raising_everywhere(run, ENGINE) > 2


@never_awaited
@pytest.mark.parametrize("when", ["there", "later"])
@pytest.mark.parametrize("stack", CONTROLS)
def test_an_accept(real: RealRig, stack: str, when: str, named: list[str]) -> None:
    def run(strike: Strike) -> None:
        listener = Stack(CONTROLS[stack]).connection(real.engine, SocketTransport(socket.socket()))
        listener.perform("bind", ("127.0.0.1", 0))
        listener.listen(5)
        address = listener.perform("getsockname")
        clients: list[socket.socket] = []
        helper = Later(lambda: clients.append(socket.create_connection(address)))
        if when == "there":
            helper.result()
        accepted = struck(strike, listener.recv, 1)
        helper.result()
        reset = bool(named)
        named.clear()
        assert listener.failure is None, "one client's end is not the listener's"
        assert not reset or stack != "none"
        clients.append(socket.create_connection(address))
        if accepted is None:
            accepted = listener.recv(1, LONG)
        ends = [accepted] if reset else [accepted, listener.recv(1, LONG)]
        assert {end.perform("getpeername") for end in ends} == {
            client.getsockname() for client in (clients[1:] if reset else clients)
        }
        for end in ends:
            end.send(END)
        for client in clients[1:] if reset else clients:
            client.settimeout(LONG)
            assert client.recv(100) == END
        if reset:
            clients[0].settimeout(LONG)
            try:
                assert clients[0].recv(1) == b""
            except ConnectionResetError:
                pass
        for end in (*ends, listener):
            end.abort()
        for client in clients:
            client.close()

    assert raising_everywhere(run, ENGINE) > 2


# -- real signals ------------------------------------------------------------------------------------------------------


@never_awaited
@pytest.mark.parametrize("stack", ["none", "pass", "frame+xor", "pass+frame+pass"])
def test_real_signals_at_any_moment_of_a_round_trip(real: RealRig, stack: str, named: list[str]) -> None:
    """Numbered messages to an echo and back, struck every 10 to 300 µs: each comes back once and in order."""
    armed = [False]

    def strike(number: int, frame: FrameType | None) -> None:
        if armed[0]:
            armed[0] = False
            raise Struck

    choose = random.Random(stack)
    before = signal.signal(signal.SIGALRM, strike)
    connections: list[Connection] = []
    gc.disable()  # what strikes in a finalizer is ignored by the interpreter
    try:
        upper, peer = echo(real, stack)
        connections += upper, peer
        number = echoed = strikes = ends = 0
        buffer = b""
        for _ in range(1500):
            try:
                armed[0] = True
                signal.setitimer(signal.ITIMER_REAL, choose.uniform(1e-5, 3e-4))
                while armed[0]:
                    number += 1
                    upper.send(number.to_bytes(4, "big"))
                    for data in map(upper.recv, (100,)):
                        buffer += data
            except Struck:
                strikes += 1
            except WinsockError:
                pass
            armed[0] = False
            if ended_in_a_name(upper, stack, named):
                ends += 1
                upper, peer = echo(real, stack)
                connections += upper, peer
                buffer, echoed = b"", number
                continue
            number += 1
            upper.send(number.to_bytes(4, "big"), timeout=LONG)
            while not buffer.endswith(number.to_bytes(4, "big")) or len(buffer) % 4:
                buffer += upper.recv(100, LONG)
            got = [int.from_bytes(buffer[start : start + 4], "big") for start in range(0, len(buffer), 4)]
            # One that was struck may not have been sent: only it, and it is the last but one.
            sure = [*range(echoed + 1, number - 1), number]
            assert [n for n in got if n != number - 1] == sure, "lost, doubled or moved"
            assert got in (sure, [*sure[:-1], number - 1, number])
            buffer, echoed = b"", number
        assert strikes > 1000
    finally:
        gc.enable()
        armed[0] = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        for connection in connections:
            connection.abort()


def echo(rig: RealRig, stack: str) -> tuple[Connection, Connection]:
    """A connection under the layers and its peer under the same, which the engine drives: what it gets, it sends."""
    ends = socket.socketpair()
    upper, peer = (Stack(STACKS[stack]).connection(rig.engine, SocketTransport(end)) for end in ends)

    def go_on(request: Any) -> None:
        if request.error is None and request.result:
            peer.submit_send(request.result)
            peer.submit_recv(1000, go_on)

    peer.submit_recv(1000, go_on)
    return upper, peer


# -- whose fault it is -------------------------------------------------------------------------------------------------


class TimeIsUp:
    """A handler that is an object, as programs have them, and raises an OSError, as they do."""

    def __call__(self, number: int, frame: FrameType | None) -> None:
        raise TimeoutError("time is up")


def raise_later(extra: str, number: int, frame: FrameType | None) -> None:
    raise LookupError(extra)


HANDLERS: dict[str, tuple[Any, type[Exception]]] = {
    "object": (TimeIsUp(), TimeoutError),
    "lambda": (lambda number, frame: [][number], IndexError),
    "partial": (partial(raise_later, "extra"), LookupError),
    "one that forgets its frame": (lambda *_: {}["nothing"], KeyError),
}


class InTheMiddle(Pass):
    """Is struck in the middle of a send."""

    async def send(self, conn: Any, data: bytes) -> None:
        signal.raise_signal(signal.SIGUSR1)
        await conn.below.send(data)


class Open(InTheMiddle):
    on_error = "open"


class Wrapping(Pass):
    async def send(self, conn: Any, data: bytes) -> None:
        try:
            signal.raise_signal(signal.SIGUSR1)
        except Exception as error:
            raise RuntimeError("my own words") from error


@pytest.mark.parametrize("layer", [InTheMiddle(), Open()], ids=["closed", "open"])
@pytest.mark.parametrize("handler", HANDLERS)
def test_what_a_handler_raises_in_a_layer_is_not_the_layers_fault(handler: str, layer: Layer, named: list[str]) -> None:
    function, kind = HANDLERS[handler]
    engine = FakeEngine()
    one, other = engine.pair()
    upper, peer = over(engine, one, Pass(), layer), over(engine, other)
    before = signal.signal(signal.SIGUSR1, function)
    try:
        with pytest.raises(kind):
            upper.send(b"x")
    finally:
        signal.signal(signal.SIGUSR1, before)
    (text,) = named
    assert f"struck in the middle of send of layer '{layer.name}'" in text
    assert "failed" not in text
    for call in (partial(upper.send, b"y"), partial(upper.recv, 1)):
        with pytest.raises(WinsockError) as caught:
            call()
        assert caught.value.code == WSAError.WSAECONNABORTED
    with pytest.raises(WinsockError) as caught:
        peer.recv(1)
    assert caught.value.code == WSAError.WSAECONNRESET


def test_a_layer_that_wraps_it_passes_it_on_as_the_cause(named: list[str]) -> None:
    engine = FakeEngine()
    upper = over(engine, engine.pair()[0], Wrapping())
    before = signal.signal(signal.SIGUSR1, TimeIsUp())
    try:
        with pytest.raises(RuntimeError, match="my own words") as caught:
            upper.send(b"x")
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert isinstance(caught.value.__cause__, TimeoutError)
    assert "layer 'wrapping'" in named[0]


def test_the_same_exception_of_the_layers_own_is_its_fault(named: list[str]) -> None:
    class Own(Pass):
        async def send(self, conn: Any, data: bytes) -> None:
            raise TimeoutError("the layer's own")

    engine = FakeEngine()
    upper = over(engine, engine.pair()[0], Own())
    with pytest.raises(WinsockError) as caught:
        upper.send(b"x")
    assert caught.value.code == WSAError.WSAECONNABORTED
    assert "layer 'own' failed in send: TimeoutError: the layer's own" in named[0]
