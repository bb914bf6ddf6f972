"""The life of a connection: connect, accept, control calls, close, abort, and a layer that fails."""

import gc
import socket
from collections.abc import Callable
from typing import Any

import pytest

from support.engines import (
    INTERRUPTED,
    Frame,
    Lazy,
    Outcome,
    Pass,
    RealRig,
    Rig,
    code,
    exactly,
    shut,
    submitted,
    value_of,
)
from support.listening import Answers, Listening, Shakes
from support.threads import LONG, until
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.connection import Connection
from ws2spi._engine.operations import Cancelled, sleep
from ws2spi.providers.layer import Layer
from ws2spi.providers.stack import Stack
from ws2spi.testing import FakeEngine, over


def error_of(call: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    with pytest.raises(WinsockError) as caught:
        call(*arguments, **keywords)
    return caught.value.code


def closing(rig: Rig, connection: Connection) -> Outcome:
    told: list[Any] = []
    connection.close(told.append)
    rig.settle()
    return Outcome(lambda: bool(told), lambda: value_of(told[0]))


# -- close -------------------------------------------------------------------------------------------------------------


class Notes(Layer):
    """Notes how its coroutines ended."""

    def __init__(self) -> None:
        self.ends: list[str] = []

    async def recv(self, conn: Any, size: int) -> bytes:
        try:
            return bytes(await conn.below.recv(size))
        except BaseException as error:
            self.ends.append(f"recv {type(error).__name__}")
            raise

    async def send(self, conn: Any, data: bytes) -> None:
        event = conn.event()
        try:
            await event.wait()
        except BaseException as error:
            self.ends.append(f"send {type(error).__name__}")
            raise

    async def close(self, conn: Any) -> None:
        self.ends.append("close")
        await conn.below.close()


def test_heart_rule_2_close_throws_cancelled_at_the_await(rig: Rig) -> None:
    layer = Notes()
    upper, _ = rig.pair(layer)
    receiving, sending = rig.recv(upper, 1), rig.send(upper, b"x")
    closing(rig, upper).result()
    assert code(receiving.result()) == code(sending.result()) == INTERRUPTED[rig.name]
    assert sorted(layer.ends[:2]) == ["recv Cancelled", "send Cancelled"]
    assert layer.ends[2:] == ["close"], "last words come when everything else has ended"
    assert upper.closed
    assert upper.transport.closed


class Stubborn(Layer):
    """Swallows its cancellation `times` times and awaits again."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.swallowed = 0

    async def recv(self, conn: Any, size: int) -> bytes:
        while True:
            try:
                return bytes(await conn.below.recv(size))
            except Cancelled:
                self.swallowed += 1
                if self.swallowed >= self.times:
                    raise


def test_heart_rule_2_cancelled_is_thrown_at_every_further_await(rig: Rig, reported: list[str]) -> None:
    layer = Stubborn(10)
    upper, _ = rig.pair(layer)
    receiving = rig.recv(upper, 1)
    closing(rig, upper).result()
    assert code(receiving.result()) == INTERRUPTED[rig.name]
    assert layer.swallowed == 10
    assert reported == []


def test_heart_rule_2_a_stubborn_layer_is_abandoned_and_reported(rig: Rig, reported: list[str]) -> None:
    layer = Stubborn(10**9)
    upper, _ = rig.pair(layer)
    receiving = rig.recv(upper, 1)
    closing(rig, upper).result()
    assert code(receiving.result()) == INTERRUPTED[rig.name]
    assert layer.swallowed < 10_000
    assert len(reported) == 1
    assert "'stubborn' goes on in recv although its connection was closed; abandoned" in reported[0]
    layer.times = 0  # so that its coroutine can be thrown away


def test_a_layer_may_clean_up_with_awaits_while_it_is_cancelled(rig: Rig) -> None:
    class SaysGoodbye(Layer):
        async def recv(self, conn: Any, size: int) -> bytes:
            try:
                return bytes(await conn.below.recv(size))
            finally:
                await conn.below.send(b"bye")

    upper, peer = rig.pair(SaysGoodbye())
    rig.recv(upper, 1)
    closing(rig, upper).result()
    assert rig.recv(peer, 10).result() == b"bye"


def test_close_lets_layers_say_their_last_words(rig: Rig) -> None:
    class LastWords(Layer):
        async def close(self, conn: Any) -> None:
            await conn.below.send(b"the ")
            await sleep(0.001)
            await conn.below.send(b"end")
            await conn.below.close()

    upper, peer = rig.pair(LastWords(), Frame())
    told = closing(rig, upper)
    if rig.name == "fake":
        rig.engine.advance(1)  # type: ignore[attr-defined]
    told.result()
    got = b""
    while data := rig.recv(peer, 100).result():
        got += data
    assert got == b"\0\4the \0\3end"


def test_last_words_of_every_layer_top_first(fake: FakeEngine) -> None:
    order: list[str] = []

    class Says(Layer):
        def __init__(self, name: str) -> None:
            self.word = name

        async def close(self, conn: Any) -> None:
            order.append(self.word)
            await conn.below.close()

    over(fake, fake.pair()[0], Says("top"), Pass(), Says("bottom")).close()
    assert order == ["top", "bottom"]


@pytest.mark.parametrize("error", [WinsockError(WSAError.WSAENETDOWN), ValueError("broken")], ids=["winsock", "bug"])
def test_an_error_in_last_words_does_not_keep_the_descriptor(rig: Rig, error: Exception, reported: list[str]) -> None:
    class Breaks(Layer):
        async def close(self, conn: Any) -> None:
            raise error

    upper, peer = rig.pair(Breaks())
    closing(rig, upper).result()
    assert upper.transport.closed
    assert len(reported) == isinstance(error, ValueError)
    assert rig.recv(peer, 1).result() == b""


def test_close_may_be_called_any_number_of_times(rig: Rig) -> None:
    upper, _ = rig.pair(Pass())
    told = [closing(rig, upper) for _ in range(3)]
    for one in told:
        one.result()
    upper.close()
    upper.abort()
    assert "closed" in repr(upper)


def test_everything_after_close_is_aborted(rig: Rig) -> None:
    upper, _ = rig.pair(Pass())
    closing(rig, upper).result()
    for submit in (
        lambda done: upper.submit_recv(1, done),
        lambda done: upper.submit_send(b"x", done),
        lambda done: upper.submit_shutdown(socket.SHUT_WR, done),
        lambda done: upper.submit_connect(("fake", 1), done),
        lambda done: upper.submit("getsockname", done=done),
        lambda done: upper.submit_readable(done),
    ):
        outcome = submitted(submit)
        rig.settle()
        result = outcome.result()
        assert code(result) == WSAError.WSA_OPERATION_ABORTED or result is None
    assert error_of(upper.recv_nowait, 1) == WSAError.WSA_OPERATION_ABORTED


def test_close_from_the_connections_own_layer(rig: Rig) -> None:
    """As a `__del__` or a signal handler does it inside a step: it is posted, and the step ends first."""

    class Closes(Layer):
        connection: Any

        async def send(self, conn: Any, data: bytes) -> None:
            self.connection.close()
            assert not self.connection.closing
            await conn.below.send(data)

    layer = Closes()
    upper, peer = rig.pair(layer)
    layer.connection = upper
    assert rig.send(upper, b"x").result() == 1
    until(lambda: upper.closed)
    assert rig.recv(peer, 10).result() == b"x"


def test_heart_rule_3_close_and_cancel_from_del_inside_a_step(rig: Rig) -> None:
    class Trap:
        def __init__(self, strike: Callable[[], Any]) -> None:
            self.strike = strike

        def __del__(self) -> None:
            self.strike()

    class Drops(Layer):
        trap: Any = None

        async def send(self, conn: Any, data: bytes) -> None:
            self.trap = None
            await conn.below.send(data)

    layer = Drops()
    upper, peer = rig.pair(layer)
    victim, other = submitted(upper.submit_recv, 1), submitted(upper.submit_recv, 1)
    layer.trap = Trap(lambda: upper.cancel(victim.request))  # type: ignore[arg-type]
    assert rig.send(upper, b"a").result() == 1
    assert code(victim.result()) == WSAError.WSA_OPERATION_ABORTED
    assert not other.done
    layer.trap = Trap(upper.close)
    assert rig.send(upper, b"b").result() == 1
    assert code(other.result()) == WSAError.WSA_OPERATION_ABORTED
    until(lambda: upper.closed)
    assert rig.recv(peer, 1).result() == b"a"


def test_dismiss_sends_every_client_away_and_leaves_the_connection(rig: Rig) -> None:
    upper, peer = rig.pair(Frame(), capacity=4096)
    receiving = rig.recv(upper, 100)
    watching = submitted(upper.submit_readable)
    rig.send(peer, b"\0\4ha").result()
    upper.dismiss()
    assert code(receiving.result()) == INTERRUPTED[rig.name]
    assert code(watching.result()) == WSAError.WSA_OPERATION_ABORTED
    rig.send(peer, b"lf").result()
    assert rig.recv(upper, 100).result() == b"half"


# -- abort -------------------------------------------------------------------------------------------------------------


def test_abort_ends_everything_now_and_resets(real: RealRig) -> None:
    upper, peer = real.tcp(Frame())
    receiving = real.recv(upper, 1)
    upper.abort()
    assert code(receiving.result()) == WSAError.WSAEINTR
    until(lambda: upper.closed)
    with pytest.raises(ConnectionResetError):
        peer.recv(1)
    peer.close()


def test_abort_on_the_fake(fake: FakeEngine) -> None:
    one, other = fake.pair()
    upper, peer = over(fake, one, Frame()), over(fake, other)
    upper.abort()
    assert upper.closed
    assert error_of(peer.recv, 1) == WSAError.WSAECONNRESET


def test_abort_does_not_wait_for_last_words(rig: Rig) -> None:
    class Lingers(Layer):
        async def close(self, conn: Any) -> None:
            await sleep(3600)
            await conn.below.close()

    upper, _ = rig.pair(Lingers())
    told = closing(rig, upper)
    assert not told.done
    upper.abort()
    rig.settle()
    told.result()


# -- a layer's own exception -------------------------------------------------------------------------------------------


class BadSend(Layer):
    async def send(self, conn: Any, data: bytes) -> None:
        raise ZeroDivisionError("in send")


class BadRecv(Layer):
    async def recv(self, conn: Any, size: int) -> bytes:
        await conn.below.recv(size)
        raise ZeroDivisionError("in recv")


class NotAwaited(Layer):
    def send(self, conn: Any, data: bytes) -> None:  # type: ignore[override]
        conn.context  # noqa: B018


class Leaves(Layer):
    async def send(self, conn: Any, data: bytes) -> None:
        raise SystemExit(3)


class TextSent(Layer):
    async def send(self, conn: Any, data: bytes) -> None:
        await conn.below.send("text")


def test_report_names_the_authors_line_and_a_forgotten_async(rig: Rig, reported: list[str]) -> None:
    upper, _ = rig.pair(NotAwaited())
    assert code(rig.send(upper, b"x").result()) == WSAError.WSAECONNABORTED
    assert "send is not written with 'async def'" in reported[0]
    upper, _ = rig.pair(TextSent())
    assert code(rig.send(upper, b"x").result()) == WSAError.WSAECONNABORTED
    assert "'async def'" not in reported[1]
    assert "test_connection.py:" in reported[1]


def test_exit_out_of_a_layer_in_the_clients_own_thread_is_the_clients() -> None:
    """A signal handler's sys.exit may strike in the middle of a layer, and must end the program all the same."""
    engine = FakeEngine()
    upper = over(engine, engine.pair()[0], Leaves())
    with pytest.raises(SystemExit):
        upper.send(b"x")


@pytest.mark.parametrize("bad", [BadSend, BadRecv])
def test_heart_rule_7_a_layers_bug_ends_both_directions_in_its_name(
    rig: Rig, bad: type[Layer], reported: list[str]
) -> None:
    upper, peer = rig.pair(Pass(), bad())
    untouched, far = rig.pair(Pass(), bad())
    receiving = rig.recv(upper, 1)
    if bad is BadSend:
        assert code(rig.send(upper, b"x").result()) == WSAError.WSAECONNABORTED
    else:
        rig.send(peer, b"x").result()
    assert code(receiving.result()) == WSAError.WSAECONNABORTED
    assert code(rig.recv(upper, 1).result()) == WSAError.WSAECONNABORTED
    assert code(rig.send(upper, b"x").result()) == WSAError.WSAECONNABORTED
    assert error_of(upper.send_nowait, b"x") == WSAError.WSAECONNABORTED
    assert error_of(upper.recv_nowait, 1) == WSAError.WSAECONNABORTED
    assert upper.readable()
    assert upper.writable()
    assert len(reported) == 1
    name = bad.name
    method = "send" if bad is BadSend else "recv"
    assert f"layer '{name}' failed in {method}: ZeroDivisionError: in {method} (" in reported[0]
    assert "test_connection.py:" in reported[0]
    assert upper.failure is not None
    assert "failed" in repr(upper)
    # Other connections of the same stack live on.
    rig.send(far, b"y").result()
    if bad is BadSend:
        assert rig.recv(untouched, 1).result() == b"y"
    else:
        assert rig.send(untouched, b"z").result() == 1
    closing(rig, upper).result()


@pytest.mark.parametrize("bad", [BadSend, BadRecv])
def test_heart_rule_7_the_peer_of_a_failed_layer_sees_a_reset(
    real: RealRig, bad: type[Layer], reported: list[str]
) -> None:
    upper, peer = real.tcp(bad())
    peer.sendall(b"unread")
    call = real.send(upper, b"x") if bad is BadSend else real.recv(upper, 1)
    assert code(call.result()) == WSAError.WSAECONNABORTED
    with pytest.raises(ConnectionResetError):
        peer.recv(1)
    peer.close()
    assert reported


def test_heart_rule_7_a_failed_layer_ends_a_pair_of_local_sockets_too(real: RealRig, reported: list[str]) -> None:
    upper, peer = real.pair(BadSend())
    waiting = real.recv(peer, 1)
    assert code(real.send(upper, b"x").result()) == WSAError.WSAECONNABORTED
    assert waiting.result() == b"" or code(waiting.result()) == WSAError.WSAECONNRESET
    assert reported


def test_the_first_failure_is_the_one_that_is_told(rig: Rig, reported: list[str]) -> None:
    class BadTwice(Layer):
        def __init__(self) -> None:
            self.event: Any = None

        async def recv(self, conn: Any, size: int) -> bytes:
            try:
                return bytes(await conn.below.recv(size))
            finally:
                raise LookupError("while cleaning up")

        async def send(self, conn: Any, data: bytes) -> None:
            raise ValueError("first")

    upper, _ = rig.pair(BadTwice())
    receiving = rig.recv(upper, 1)
    assert code(rig.send(upper, b"x").result()) == WSAError.WSAECONNABORTED
    assert code(receiving.result()) == WSAError.WSAECONNABORTED
    assert len(reported) == 1
    assert "ValueError: first" in reported[0]


def test_a_bug_in_a_control_call_is_blamed_too(rig: Rig, reported: list[str]) -> None:
    class BadName(Layer):
        async def getsockname(self, conn: Any) -> Any:
            raise KeyError("name")

    upper, _ = rig.pair(BadName())
    call = submitted(lambda done: upper.submit("getsockname", done=done))
    rig.settle()
    assert code(call.result()) == WSAError.WSAECONNABORTED
    assert "layer 'badname' failed in getsockname: KeyError: 'name'" in reported[0]


# -- control calls -----------------------------------------------------------------------------------------------------


def test_control_calls_pass_through_the_layers(real: RealRig) -> None:
    class Renames(Layer):
        async def getpeername(self, conn: Any) -> Any:
            host, _ = await conn.below.getpeername()
            return (host, 443)

    upper, peer = real.tcp(Pass(), Renames())
    assert upper.perform("getpeername") == ("127.0.0.1", 443)
    assert upper.perform("getsockname") == peer.getpeername()
    value = upper.perform("getsockopt", socket.SOL_SOCKET, socket.SO_TYPE, 4)
    assert int.from_bytes(value, "little") == socket.SOCK_STREAM
    upper.perform("setsockopt", socket.IPPROTO_TCP, socket.TCP_NODELAY, b"\1\0\0\0")
    assert int.from_bytes(upper.perform("getsockopt", socket.IPPROTO_TCP, socket.TCP_NODELAY, 4), "little")
    assert error_of(upper.perform, "getsockopt", 12345, 1, 4) in (WSAError.WSAENOPROTOOPT, WSAError.WSAEOPNOTSUPP)
    peer.close()


def test_a_control_call_takes_no_turn(rig: Rig) -> None:
    upper, _ = rig.pair(Frame(), capacity=4096)
    sending, receiving = rig.send(upper, bytes(500_000)), rig.recv(upper, 1)
    call = submitted(lambda done: upper.submit("getsockname", done=done))
    rig.settle()
    assert not isinstance(call.result(), WinsockError)
    assert not sending.done
    assert not receiving.done
    upper.abort()


def test_a_control_call_may_time_out_and_be_cancelled(rig: Rig) -> None:
    class Thinks(Layer):
        async def getsockname(self, conn: Any) -> Any:
            await conn.event().wait()

    upper, _ = rig.pair(Thinks())
    assert error_of(upper.perform, "getsockname", timeout=0.001) == WSAError.WSAETIMEDOUT
    call = submitted(lambda done: upper.submit("getsockname", done=done))
    upper.cancel(call.request)  # type: ignore[arg-type]
    assert code(call.result()) == WSAError.WSA_OPERATION_ABORTED
    call = submitted(lambda done: upper.submit("getsockname", done=done))
    closing(rig, upper).result()
    assert code(call.result()) == WSAError.WSA_OPERATION_ABORTED


def test_a_stack_runs_the_layers_socket_first(rig: Rig) -> None:
    made: list[Any] = []

    class Counts(Layer):
        async def socket(self, conn: Any) -> None:
            conn.state.greeting = b"hi "
            made.append(conn.number)
            await conn.below.socket()

        async def send(self, conn: Any, data: bytes) -> None:
            await conn.below.send(conn.state.greeting + data)

    upper, peer = rig.pair(Counts())
    assert made == [upper.number]
    rig.send(upper, b"you").result()
    assert rig.recv(peer, 10).result() == b"hi you"


def test_a_stack_is_made_of_layers() -> None:
    with pytest.raises(TypeError, match="a stack is made of Layer objects, not str: 'log'"):
        Stack(["log"])  # type: ignore[list-item]
    assert repr(Stack()) == "<Stack empty>"
    assert repr(Stack([Pass(), Frame()])) == "<Stack pass over frame>"
    assert Stack().ifs
    assert not Stack([Pass()]).ifs


# -- connect -----------------------------------------------------------------------------------------------------------


def test_heart_rule_4_a_handshake_layer_connects_and_accepts(rig: Rig) -> None:
    server = Listening(rig, Answers())
    client, connecting = server.connect(Shakes())
    early = submitted(client.submit_recv, 100)
    queued = submitted(client.submit_send, b"request")
    accepted = server.accept()
    assert isinstance(accepted, Connection), accepted
    rig.settle()
    assert connecting.result() is None
    queued.result()
    assert accepted.view(0).state.greeted, "the layer's state goes with what it accepted"
    assert rig.recv(accepted, 100).result() == b"request", "a send waits for the connect that was started before it"
    rig.send(accepted, b"answer").result()
    rig.settle()
    assert early.result() == b"answer", "a receive begins when the connect has ended: the handshake is not its food"
    assert accepted.mailbox is not server.connection.mailbox
    closing(rig, accepted).result()
    assert rig.recv(client, 1).result() == b""


@pytest.mark.parametrize("rig", ["epoll", "fake"], indirect=True)
def test_heart_rule_4_a_receive_that_does_not_block_does_not_eat_the_handshake(rig: Rig) -> None:
    """`connect` holds both turns: without a layer on recv the kernel must not be asked meanwhile."""

    class Thinks(Layer):
        gate: Any = None

        async def connect(self, conn: Any, address: Any) -> None:
            await conn.below.connect(address)
            self.gate = conn.event()
            await self.gate.wait()
            assert await exactly(conn, 2) == b"OK"

    layer = Thinks()
    server = Listening(rig)
    client, connecting = server.connect(layer)
    accepted = server.accept()
    rig.send(accepted, b"OK").result()
    rig.settle()
    until(lambda: layer.gate and client.transport.pending_bytes() == 2)  # it lies there, and the program polls
    assert error_of(client.recv_nowait, 10) == WSAError.WSAEWOULDBLOCK
    assert error_of(client.recv_nowait, 10, peek=True) == WSAError.WSAEWOULDBLOCK
    assert not client.readable()
    assert client.available() == 0
    assert error_of(client.send_nowait, b"x") == WSAError.WSAEWOULDBLOCK
    assert not client.writable()
    layer.gate.set()
    rig.settle()
    assert connecting.result() is None
    assert client.writable()


def test_a_refused_connect_says_so_and_may_be_tried_again(rig: Rig) -> None:
    server = Listening(rig)
    closing(rig, server.connection).result()
    client, connecting = server.connect(Pass())
    rig.settle()
    assert code(connecting.result()) == WSAError.WSAECONNREFUSED
    again = submitted(client.submit_connect, server.address)
    rig.settle()
    assert code(again.result()) == WSAError.WSAECONNREFUSED


def test_a_connect_that_times_out_runs_on(rig: Rig) -> None:
    """Rule 2: the client leaves, the layer's handshake does not notice."""
    server = Listening(rig)
    client = server.make(Shakes())
    assert error_of(client.connect, server.address, 0.01) == WSAError.WSAETIMEDOUT
    accepted = server.accept()
    assert rig.recv(accepted, 2).result() == b"HI"
    rig.send(accepted, b"OK").result()
    rig.settle()
    assert rig.send(client, b"x").result() == 1
    assert rig.recv(accepted, 1).result() == b"x"


def test_close_ends_a_connect(rig: Rig) -> None:
    server = Listening(rig)
    client, connecting = server.connect(Shakes())
    accepted = server.accept()
    assert rig.recv(accepted, 2).result() == b"HI"
    closing(rig, client).result()
    assert code(connecting.result()) == INTERRUPTED[rig.name]
    assert rig.recv(accepted, 1).result() == b"" or rig.name == "fake"


# -- accept ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", [(), (Pass(),)], ids=["none", "pass"])
def test_accept_gives_a_connection_of_the_same_stack(rig: Rig, layers: tuple[Layer, ...]) -> None:
    server = Listening(rig, *layers)
    assert error_of(server.connection.recv_nowait, 0) == WSAError.WSAEWOULDBLOCK
    assert not server.connection.readable()
    client, connecting = server.connect()
    until(server.connection.readable)
    accepted = server.accept()
    rig.settle()
    assert connecting.result() is None
    assert accepted.plan is server.connection.plan
    rig.send(client, b"x").result()
    assert rig.recv(accepted, 1).result() == b"x"


def test_accepts_are_served_in_order_and_may_be_many(rig: Rig) -> None:
    server = Listening(rig, Answers())
    clients = [server.connect(Shakes()) for _ in range(5)]
    accepted = [server.accept() for _ in clients]
    rig.settle()
    assert all(connecting.result() is None for _, connecting in clients)
    for number, (client, _) in enumerate(clients):
        rig.send(client, bytes([number])).result()
    assert sorted(rig.recv(one, 1).result() for one in accepted) == [bytes([number]) for number in range(5)]


def test_an_accept_that_fails_is_of_that_client_only(rig: Rig) -> None:
    """A client that breaks its handshake must not end the listener, and its descriptor does not stay."""
    server = Listening(rig, Answers())
    rude, connecting = server.connect()
    waiting = rig.recv(server.connection, 0)
    rig.settle()
    connecting.result()
    rig.send(rude, b"no").result()
    rig.settle()
    assert code(waiting.result()) == WSAError.WSAECONNABORTED
    assert rig.recv(rude, 1).result() == b"" or code(rig.recv(rude, 1).result()) == WSAError.WSAECONNRESET
    _, polite = server.connect(Shakes())
    assert isinstance(server.accept(), Connection)
    rig.settle()
    assert polite.result() is None


def test_a_client_that_resets_in_its_handshake_does_not_end_the_listener(rig: Rig) -> None:
    server = Listening(rig, Answers())
    rude, connecting = server.connect()
    waiting = rig.recv(server.connection, 0)
    rig.settle()
    connecting.result()
    rude.abort()
    rig.settle()
    assert code(waiting.result()) in (WSAError.WSAECONNRESET, WSAError.WSAECONNABORTED)
    _, polite = server.connect(Shakes())
    assert isinstance(server.accept(), Connection)
    rig.settle()
    assert polite.result() is None


def test_a_bug_in_accept_is_of_that_client_only(rig: Rig, reported: list[str]) -> None:
    class Chokes(Answers):
        async def accept(self, conn: Any) -> Any:
            accepted = await conn.below.accept()
            if await exactly(accepted, 2) != b"HI":
                raise LookupError("what is that")
            await accepted.below.send(b"OK")
            return accepted

    server = Listening(rig, Chokes(), Pass())
    rude, connecting = server.connect()
    waiting = rig.recv(server.connection, 0)
    rig.settle()
    connecting.result()
    rig.send(rude, b"no").result()
    rig.settle()
    assert code(waiting.result()) == WSAError.WSAECONNABORTED
    assert "layer 'chokes' failed in accept: LookupError" in reported[0]


def test_a_layer_may_refuse_clients_and_accept_the_next(rig: Rig) -> None:
    """What it does not pass up is closed."""

    class Bouncer(Layer):
        async def accept(self, conn: Any) -> Any:
            while True:
                accepted = await conn.below.accept()
                if await exactly(accepted, 1) == b"+":
                    return accepted

    server = Listening(rig, Bouncer())
    refused, first = server.connect()
    waiting = rig.recv(server.connection, 0)
    rig.settle()
    first.result()
    rig.send(refused, b"-").result()
    welcome, second = server.connect()
    rig.settle()
    second.result()
    rig.send(welcome, b"+").result()
    accepted = waiting.result()
    assert isinstance(accepted, Connection)
    if rig.name != "fake":
        rig.connections.append(accepted)  # type: ignore[attr-defined]
    ended = rig.recv(refused, 1).result()
    assert ended == b"" or code(ended) == WSAError.WSAECONNRESET
    rig.send(welcome, b"x").result()
    assert rig.recv(accepted, 1).result() == b"x"


def test_closing_a_listener_closes_what_nobody_has_taken(rig: Rig) -> None:
    server = Listening(rig, Answers())
    client, connecting = server.connect(Shakes())
    until(server.connection.readable)  # the pump has accepted it on its own
    rig.settle()
    connecting.result()
    closing(rig, server.connection).result()
    ended = rig.recv(client, 1).result()
    assert ended == b"" or code(ended) == WSAError.WSAECONNRESET
    gc.collect()


def test_closing_a_listener_in_the_middle_of_a_handshake_closes_that_too(rig: Rig) -> None:
    server = Listening(rig, Answers())
    client, connecting = server.connect()
    waiting = rig.recv(server.connection, 0)
    rig.settle()
    connecting.result()
    rig.send(client, b"H").result()
    rig.settle()
    until(lambda: rig.name == "fake" or not client.transport.unsent_bytes())
    closing(rig, server.connection).result()
    assert code(waiting.result()) == INTERRUPTED[rig.name]
    ended = rig.recv(client, 1).result()
    assert ended == b"" or code(ended) == WSAError.WSAECONNRESET


def test_lazy_handshake_over_accept(rig: Rig) -> None:
    """Rule 5 on a connection that came by accept."""
    server = Listening(rig, Lazy())
    client, connecting = server.connect()
    accepted = server.accept()
    rig.settle()
    connecting.result()
    sending = rig.send(accepted, b"payload")
    assert rig.recv(client, 5).result() == b"HELLO"
    rig.send(client, b"READY").result()
    assert sending.result() == 7
    assert rig.recv(client, 10).result() == b"payload"
    if rig.name != "fake":
        shut(accepted)


def test_long_is_long() -> None:
    assert LONG >= 1
