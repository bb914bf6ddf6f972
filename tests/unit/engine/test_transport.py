"""The bottom of a stack: a Linux socket whose operations are coroutines; streams, datagrams, names and options."""

import errno
import os
import select
import socket
from collections.abc import Callable
from typing import Any

import pytest

from support.engines import EpollRig, Pass, RealRig, ThreadRig, code, submitted
from support.threads import LONG, until
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.connection import Connection
from ws2spi._engine.operations import Kind
from ws2spi._engine.transport import SocketTransport, winsock_error
from ws2spi.providers.layer import Layer
from ws2spi.providers.stack import Stack


def error_of(call: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    with pytest.raises(WinsockError) as caught:
        call(*arguments, **keywords)
    return caught.value.code


@pytest.fixture(params=[ThreadRig, EpollRig], ids=["thread", "epoll"])
def either(request: pytest.FixtureRequest) -> Any:
    made = request.param()
    yield made
    made.close()


def bare(rig: RealRig, kind: int = socket.SOCK_STREAM, *layers: Layer, family: int = socket.AF_INET) -> Connection:
    connection = Stack(layers).connection(rig.engine, SocketTransport(socket.socket(family, kind)))
    rig.connections.append(connection)
    return connection


# -- blocking mode -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blocking", [True, False])
def test_the_sockets_own_blocking_mode_is_left_alone(either: RealRig, blocking: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = bare(either, socket.SOCK_STREAM, Pass())
        sock = connection.transport.sock
        sock.setblocking(blocking)
        connection.connect(listener.getsockname(), LONG)
        peer = listener.accept()[0]
    assert os.get_blocking(sock.fileno()) is blocking
    waiting = either.recv(connection, 10)
    assert not waiting.done
    peer.send(b"x")
    assert waiting.result() == b"x"
    assert os.get_blocking(sock.fileno()) is blocking
    peer.close()


def test_connect_sets_nonblock_for_one_call_only() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as sock:
        transport = SocketTransport(sock)
        assert transport.begin_connect(listener.getsockname()) in (0, errno.EINPROGRESS)
        assert os.get_blocking(sock.fileno())
        assert select.select([], [sock], [], LONG)[1]
        assert transport.connected()


# -- connecting --------------------------------------------------------------------------------------------------------


def test_a_refused_connect_keeps_the_errno(either: RealRig) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        connection = bare(either)
        with pytest.raises(WinsockError) as caught:
            connection.connect(reserved.getsockname(), LONG)
    assert caught.value.code == WSAError.WSAECONNREFUSED
    assert caught.value.errno == errno.ECONNREFUSED


def test_ipv6(either: RealRig) -> None:
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 on this machine's loopback")
    with listener:
        connection = bare(either, socket.SOCK_STREAM, Pass(), family=socket.AF_INET6)
        connection.connect(listener.getsockname(), LONG)
        peer, name = listener.accept()
    assert connection.perform("getsockname") == name
    peer.close()


def test_resumed_early_a_connect_waits_on() -> None:
    """Being resumed is a hint: a connect that is not through looks again."""

    class Slow(SocketTransport):
        def begin_connect(self, address: Any) -> int:
            return errno.EINPROGRESS

    transport = Slow(socket.socket())
    connecting = transport.connect(("127.0.0.1", 1))
    assert connecting.send(None) is transport.write
    assert connecting.send(None) is transport.write
    connecting.close()
    transport.close_now()


# -- streams -----------------------------------------------------------------------------------------------------------


def test_resumed_early_a_receive_and_a_send_wait_on() -> None:
    one, other = socket.socketpair()
    transport = SocketTransport(one)
    receiving = transport.recv(10)
    for _ in range(3):
        assert receiving.send(None) is transport.read
    sending = transport.send(bytes(10_000_000))
    for _ in range(3):
        assert sending.send(None) is transport.write
    other.send(b"x")
    with pytest.raises(StopIteration) as stop:
        receiving.send(None)
    assert stop.value.value == b"x"
    sending.close()
    assert not transport._sending.taken
    one.close()
    other.close()


def test_counts_of_bytes(either: RealRig) -> None:
    upper, peer = either.tcp()
    assert upper.transport.pending_bytes() == upper.transport.unsent_bytes() == 0
    peer.send(b"abc")
    assert upper.wait_readable(LONG)
    until(lambda: upper.transport.pending_bytes() == 3)
    assert upper.transport.ready(Kind.READ)
    assert upper.transport.ready(Kind.WRITE)
    assert upper.transport.recv_now(2, peek=True) == b"ab"
    assert upper.transport.recv_now(10) == b"abc"
    assert error_of(upper.transport.recv_now, 1) == WSAError.WSAEWOULDBLOCK
    peer.close()


def test_a_reset_stays_a_reset_and_an_own_shutdown_is_told_apart(either: RealRig) -> None:
    upper, peer = either.tcp()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()
    assert upper.wait_readable(LONG)
    transport = upper.transport
    codes = [error_of(transport.send_now, b"x") for _ in range(3)]
    assert codes == [WSAError.WSAECONNRESET] * 3
    other, _peer = either.tcp()
    other.shutdown(socket.SHUT_WR)
    assert error_of(other.transport.send_now, b"x") == WSAError.WSAESHUTDOWN
    _peer.close()


def test_errors_keep_the_kernels_number() -> None:
    error = winsock_error(OSError(errno.ENETUNREACH, "x"), "connect")
    assert (error.code, error.errno) == (WSAError.WSAENETUNREACH, errno.ENETUNREACH)
    assert "connect: Network is unreachable" in str(error)
    assert winsock_error(OSError("no number"), "recv").errno == errno.EIO


def test_disconnect_resets_tcp_and_says_when_it_cannot(either: RealRig) -> None:
    upper, peer = either.tcp()
    upper.transport.disconnect()
    with pytest.raises(ConnectionResetError):
        peer.recv(1)
    peer.close()
    one, other = socket.socketpair()
    assert isinstance(_raised(SocketTransport(one).disconnect), WinsockError)
    one.close()
    other.close()


def _raised(call: Callable[[], Any]) -> BaseException | None:
    try:
        call()
    except BaseException as error:
        return error
    return None


def test_lose_never_touches_the_number_again() -> None:
    one, other = socket.socketpair()
    transport = SocketTransport(one)
    number = transport.fd
    transport.lose()
    transport.close_now()
    assert transport.descriptor() == -1
    assert "closed" in repr(transport)
    os.close(number)  # still ours to close: it was not
    other.close()


def test_close_now_closes_once() -> None:
    one, other = socket.socketpair()
    transport = SocketTransport(one)
    assert transport.descriptor() == one.fileno()
    assert "open" in repr(transport)
    transport.close_now()
    transport.close_now()
    assert other.recv(1) == b""
    other.close()


# -- accepting ---------------------------------------------------------------------------------------------------------


def test_accept_and_names(either: RealRig) -> None:
    server = bare(either)
    server.perform("bind", ("127.0.0.1", 0))
    server.listen(5)
    name = server.perform("getsockname")
    waiting = either.recv(server, 0)
    client = socket.create_connection(name)
    accepted = waiting.result()
    either.connections.append(accepted)
    assert accepted.perform("getpeername") == client.getsockname()
    assert accepted.perform("getsockname") == name
    client.close()


def test_a_client_that_leaves_before_it_is_accepted(either: RealRig) -> None:
    server = bare(either)
    server.perform("bind", ("127.0.0.1", 0))
    server.listen(5)
    gone = socket.create_connection(server.perform("getsockname"))
    gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    gone.close()
    accepted = server.recv(0, LONG)
    either.connections.append(accepted)
    assert code(either.recv(accepted, 1).result()) == WSAError.WSAECONNRESET


def test_bind_and_listen_errors(either: RealRig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        connection = bare(either)
        assert error_of(connection.perform, "bind", taken.getsockname()) == WSAError.WSAEADDRINUSE
    assert error_of(bare(either).perform, "getpeername") == WSAError.WSAENOTCONN
    assert error_of(bare(either, socket.SOCK_DGRAM).perform, "listen", 1) == WSAError.WSAEOPNOTSUPP
    assert error_of(bare(either).recv, 1) == WSAError.WSAENOTCONN


# -- datagrams ---------------------------------------------------------------------------------------------------------


class Stamps(Layer):
    """Puts a mark before each datagram and takes it off again; what has none is passed over."""

    async def send_to(self, conn: Any, data: bytes, address: Any) -> None:
        await conn.below.send_to(b"#" + data, address)

    async def recv_from(self, conn: Any, size: int) -> Any:
        while True:
            data, sender = await conn.below.recv_from(size + 1)
            if data[:1] == b"#":
                return data[1:], sender


LAYERS: dict[str, tuple[Layer, ...]] = {"none": (), "stamps": (Stamps(),), "stamps over stamps": (Stamps(), Stamps())}
datagram_stacks = pytest.mark.parametrize("stack", LAYERS)


def two(rig: RealRig, stack: str) -> tuple[Connection, Connection]:
    made = [bare(rig, socket.SOCK_DGRAM, *LAYERS[stack]) for _ in "ab"]
    for one in made:
        one.perform("bind", ("127.0.0.1", 0))
    return made[0], made[1]


@datagram_stacks
def test_datagrams_go_whole_and_in_order_with_their_sender(either: RealRig, stack: str) -> None:
    one, other = two(either, stack)
    here, there = one.perform("getsockname"), other.perform("getsockname")
    waiting = [either.recv(other, 100) for _ in range(3)]
    for data in (b"first", b"", bytes(20_000)):
        assert one.send(data, there) == len(data)
    assert [outcome.result() for outcome in waiting] == [(b"first", here), (b"", here), (bytes(20_000), here)]


@datagram_stacks
def test_datagrams_without_blocking(either: RealRig, stack: str) -> None:
    one, other = two(either, stack)
    here, there = one.perform("getsockname"), other.perform("getsockname")
    assert error_of(other.recv_nowait, 100) == WSAError.WSAEWOULDBLOCK
    assert error_of(other.recv_nowait, 100, peek=True) == WSAError.WSAEWOULDBLOCK
    assert not other.readable()
    assert one.writable()
    assert one.send_nowait(b"ping", there) == 4
    assert other.wait_readable(LONG)
    assert other.readable()
    assert other.recv_nowait(100, peek=True) == (b"ping", here)
    assert other.recv(100, peek=True) == (b"ping", here)
    assert other.available() >= 4
    assert other.recv_nowait(100) == (b"ping", here)
    assert not other.readable()


@datagram_stacks
def test_a_datagram_receive_that_leaves_loses_nothing(either: RealRig, stack: str) -> None:
    one, other = two(either, stack)
    there = other.perform("getsockname")
    assert error_of(other.recv, 100, 0.001) == WSAError.WSAETIMEDOUT
    leaving = submitted(other.submit_recv, 100)
    other.cancel(leaving.request)  # type: ignore[arg-type]
    assert code(leaving.result()) == WSAError.WSA_OPERATION_ABORTED
    one.send(b"still there", there)
    assert either.recv(other, 100).result()[0] == b"still there"


@datagram_stacks
def test_a_connected_datagram_socket(either: RealRig, stack: str) -> None:
    one, other = two(either, stack)
    one.connect(other.perform("getsockname"), LONG)
    assert one.send(b"to the peer") == 11
    assert one.send_nowait(b"again") == 5
    assert [either.recv(other, 100).result()[0] for _ in "ab"] == [b"to the peer", b"again"]


@datagram_stacks
def test_an_error_of_one_datagram_is_not_the_end(either: RealRig, stack: str) -> None:
    """Nobody listens there: the kernel tells a later call, which one is its business; then all goes on."""
    one, other = two(either, stack)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reserved:
        reserved.bind(("127.0.0.1", 0))
        nobody = reserved.getsockname()
    one.connect(nobody, LONG)
    one.send(b"hello?")
    assert one.wait_readable(LONG)
    assert code(either.recv(one, 100).result()) == WSAError.WSAECONNRESET
    one.send(b"hello?")
    until(lambda: one.transport.ready(Kind.READ))
    assert error_of(one.send_nowait, b"again?") == WSAError.WSAECONNRESET
    one.connect(other.perform("getsockname"), LONG)
    assert one.send_nowait(b"at last") == 7
    assert one.send(b"and more") == 8
    assert either.recv(other, 100).result()[0] == b"at last"
    assert either.recv(other, 100).result()[0] == b"and more"


def test_a_datagram_that_is_too_long_is_refused_and_the_next_one_goes(either: RealRig) -> None:
    one, other = two(either, "none")
    there = other.perform("getsockname")
    assert error_of(one.send, bytes(70_000), there) == WSAError.WSAEMSGSIZE
    assert error_of(one.send_nowait, bytes(70_000), there) == WSAError.WSAEMSGSIZE
    assert one.send_nowait(b"short", there) == 5
    assert either.recv(other, 100).result()[0] == b"short"


def test_what_is_no_pair_is_the_layers_bug(either: RealRig, reported: list[str]) -> None:
    class Forgets(Layer):
        async def recv_from(self, conn: Any, size: int) -> Any:
            data, _ = await conn.below.recv_from(size)
            return data

    one = bare(either, socket.SOCK_DGRAM, Forgets())
    one.perform("bind", ("127.0.0.1", 0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"three", one.perform("getsockname"))
    assert code(either.recv(one, 100).result()) == WSAError.WSAECONNABORTED
    assert "layer 'forgets' failed in recv_from" in reported[0]


def test_close_ends_datagram_receives(either: RealRig) -> None:
    one, _ = two(either, "stamps")
    waiting = either.recv(one, 100)
    one.close()
    expected = WSAError.WSAEINTR if either.name == "thread" else WSAError.WSA_OPERATION_ABORTED
    assert code(waiting.result()) == expected
