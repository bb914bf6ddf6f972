"""Stacks of `Layer` objects in the catalog: what they do to clients of the exact face (issue item 6, the heart)."""

import ctypes
import os
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import ws2spi
from support import stacks
from support.pass_through import PassThrough
from support.threads import LONG, Running, until
from support.winsock import (
    Operation,
    byref,
    close,
    connected,
    datagram_pair,
    error,
    event,
    is_set,
    listening,
    made,
    packet,
    port_for,
    read_all,
    received,
    set_nonblocking,
    sockaddr,
)
from ws2spi import kernel32, ws2_32
from ws2spi._abi.constants import (
    AF_INET,
    INVALID_SOCKET,
    PFL_HIDDEN,
    SIO_BASE_HANDLE,
    SO_ERROR,
    SOCK_DGRAM,
    SOCK_STREAM,
    SOL_SOCKET,
    WAIT_IO_COMPLETION,
    XP1_IFS_HANDLES,
)
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine import reports
from ws2spi._runtime.process import runtime
from ws2spi._runtime.sockets import sockets
from ws2spi.providers.layer import Layer

PENDING = WSAError.WSA_IO_PENDING

pytestmark = pytest.mark.usefixtures("started")

Stacked = Callable[..., Any]


@pytest.fixture
def over() -> Iterator[Stacked]:
    """`over(A(), B())` installs the stack, top first, until the end of the test."""
    made: list[Any] = []

    def install(*layers: Layer) -> Any:
        made.append(ws2spi.install(ws2spi.Stack(layers)))
        return made[-1]

    yield install
    for one in reversed(made):
        one.remove()


@pytest.fixture
def reported() -> Iterator[list[str]]:
    """What is reported of layers' bugs."""
    lines: list[str] = []
    reports.set_sink(lines.append)
    yield lines
    reports.set_sink(None)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.settimeout(LONG)
        yield sock


def connect(s: int, port: int) -> int:
    """0, or the code."""
    return error() if ws2_32.connect(s, sockaddr(port), 16) else 0


def client_of(listener: socket.socket) -> tuple[int, socket.socket]:
    """A connected socket of ours, and the other end as a socket of Linux."""
    s = made()
    assert connect(s, listener.getsockname()[1]) == 0
    peer = listener.accept()[0]
    peer.settimeout(LONG)
    return s, peer


def sent(s: int, data: bytes) -> int:
    count = int(ws2_32.send(s, data, len(data), 0))
    return count if count >= 0 else -error()


class Upper(Layer):
    """The README's: upper-case everything the program sends."""

    async def send(self, conn: Any, data: bytes) -> None:
        await conn.below.send(bytes(data).upper())


class Framed(Layer):
    """One byte of length before each piece; asks below for exactly what it needs."""

    async def send(self, conn: Any, data: bytes) -> None:
        for start in range(0, len(data), 255):
            piece = data[start : start + 255]
            await conn.below.send(bytes([len(piece)]) + piece)

    async def recv(self, conn: Any, size: int) -> bytes:
        head = await conn.below.recv(1)
        if not head:
            return b""
        data = b""
        while len(data) < head[0]:
            piece = await conn.below.recv(head[0] - len(data))
            if not piece:
                raise WinsockError(WSAError.WSAECONNRESET, "the end inside a frame")
            data += piece
        return data


class Ahead(Layer):
    """Gives more than it was asked for."""

    async def recv(self, conn: Any, size: int) -> bytes:
        data: bytes = await conn.below.recv(4096)
        return data


class Tunnel(Layer):
    """A handshake: `connect` itself sends and receives."""

    handshakes = True

    async def connect(self, conn: Any, address: Any) -> None:
        await conn.below.connect(address)
        await conn.below.send(b"HELLO\n")
        answer = b""
        while not answer.endswith(b"\n"):
            piece = await conn.below.recv(1)
            if not piece:
                raise WinsockError(WSAError.WSAECONNREFUSED, "the tunnel's end")
            answer += piece
        if answer != b"WELCOME\n":
            raise WinsockError(WSAError.WSAEACCES, answer.decode())


# -- the catalog -----------------------------------------------------------------------------------------------------


def test_a_stack_is_a_provider_with_a_hidden_entry_and_chains_on_top(over: Stacked) -> None:
    """layering 2; a chain over the topmost entry of every protocol"""
    base = runtime.catalog.enum_protocols()
    installed = over(stacks.Bytes())
    own, *chains = [runtime.catalog.get(one) for one in installed.ids]
    assert own.provider_flags & PFL_HIDDEN
    assert own.chain_length == 0
    assert [chain.chain for chain in chains] == [(own.catalog_id, entry.catalog_id) for entry in base]
    assert runtime.catalog.enum_protocols() == [*chains, *base]
    assert not any(chain.service_flags & XP1_IFS_HANDLES for chain in chains)
    installed.remove()
    assert runtime.catalog.enum_protocols() == base


def test_the_kind_of_handle_follows_from_the_methods(over: Stacked) -> None:
    """Control calls only: the lower provider's own handle, which costs nothing per byte"""
    over(stacks.Control())
    s, base = made(), ctypes.c_uint64()
    assert sockets.lookup(s).ifs
    assert sockets.lookup(s).pair is None
    arguments = (None, 0, byref(base), 8, byref(ctypes.c_uint32()), None, None)
    assert ws2_32.WSAIoctl(s, SIO_BASE_HANDLE, *arguments) == 0
    assert base.value == s
    over(Upper())
    other = made()
    assert not sockets.lookup(other).ifs
    assert ws2_32.WSAIoctl(other, SIO_BASE_HANDLE, *arguments) == 0
    assert base.value != other
    close(s, other)


def test_a_control_layer_over_one_that_touches_bytes_cannot_be_ifs(over: Stacked) -> None:
    over(Upper())
    over(stacks.Control())
    s = made()
    assert not sockets.lookup(s).ifs
    assert len(sockets.lookup(s).info.chain) == 3
    close(s)


def test_removal_leaves_living_sockets_alone(over: Stacked, listener: socket.socket) -> None:
    installed = over(Upper())
    s, peer = client_of(listener)
    installed.remove()
    assert sent(s, b"still") == 5
    assert peer.recv(10) == b"STILL"
    close(s)
    peer.close()
    s, peer = client_of(listener)
    assert sent(s, b"plain") == 5
    assert peer.recv(10) == b"plain"
    close(s)
    peer.close()


def test_seven_entries_are_the_longest_chain(over: Stacked) -> None:
    for _ in range(6):
        over(Upper())
    with pytest.raises(WinsockError) as caught:
        over(Upper())
    assert caught.value.code == WSAError.WSANO_RECOVERY
    s = made()
    assert len(sockets.lookup(s).info.chain) == 7
    close(s)


# -- every kind of client --------------------------------------------------------------------------------------------


def test_one_layer_every_kind_of_client(over: Stacked, listener: socket.socket) -> None:
    """Written once; blocking, non-blocking, event, routine, port, os.write"""
    over(Upper())
    s, peer = client_of(listener)
    assert sent(s, b"blocking,") == 9
    set_nonblocking(s)
    assert sent(s, b"non-blocking,") == 13
    with event() as handle:
        operation = Operation(s, b"event,", hEvent=handle)
        assert is_set(handle, 10_000)
        assert operation.result() == (1, 6, 0, 0)
    told: list[int] = []
    Operation(s, b"routine,", lambda code, count, overlapped, flags: told.append(count))
    assert kernel32.SleepEx(10_000, True) == WAIT_IO_COMPLETION
    assert told == [8]
    with port_for(s) as port:
        operation = Operation(s, b"port,")
        assert packet(port, 10_000) == (True, 5, 7, operation.address, 0)
    os.write(s, b"file")
    want = b"BLOCKING,NON-BLOCKING,EVENT,ROUTINE,PORT,FILE"
    got = b""
    while len(got) < len(want):
        got += peer.recv(99)
    assert got == want
    close(s)
    peer.close()


def test_accepted_sockets_go_through_the_layers(over: Stacked) -> None:
    over(Upper())
    one, two = connected()
    assert sent(one, b"there") == 5
    assert received(two) == b"THERE"
    assert sent(two, b"back") == 4
    assert received(one) == b"BACK"
    assert not sockets.lookup(two).ifs
    close(one, two)


def test_a_layer_that_frames_over_one_that_reads_ahead(over: Stacked) -> None:
    """issue item 6: the surplus is kept at each boundary"""
    over(Framed(), Ahead())
    one, two = connected()
    data = os.urandom(20_000)
    sending = Running(sent, one, data)
    assert read_all(two, len(data)) == data
    assert sending.result() == len(data)
    assert ws2_32.shutdown(one, 1) == 0
    assert received(two) == b""
    close(one, two)


def test_the_order_of_layers(over: Stacked, listener: socket.socket) -> None:
    """Top first: the topmost one sees the client's bytes before the others do; a later install lies on top"""

    class Mark(Layer):
        def __init__(self, mark: bytes) -> None:
            self.mark = mark

        async def send(self, conn: Any, data: bytes) -> None:
            await conn.below.send(self.mark + data)

    over(Mark(b"2"), Mark(b"1"))
    over(Mark(b"3"))
    s, peer = client_of(listener)
    assert sent(s, b"x") == 1
    assert peer.recv(10) == b"123x"
    close(s)
    peer.close()


def test_datagram_layers(over: Stacked) -> None:
    class Stamp(Layer):
        async def send_to(self, conn: Any, data: bytes, address: Any) -> None:
            await conn.below.send_to(b"<" + data, address)

        async def recv_from(self, conn: Any, size: int) -> Any:
            data, sender = await conn.below.recv_from(size)
            return data + b">", sender

    over(Stamp())
    one, two = datagram_pair()
    assert sent(one, b"hi") == 2
    assert received(two) == b"<hi>"
    with event() as handle:
        operation = Operation(two, 20, hEvent=handle)
        assert operation.code == PENDING
        assert sent(one, b"") == 0
        assert is_set(handle, 10_000)
        assert operation.result() == (1, 2, 0, 0)
    close(one, two)


# -- contexts, state -------------------------------------------------------------------------------------------------


def test_the_context_of_a_handle_is_its_connections(over: Stacked) -> None:
    """heart rule 8: `conn.context` is the value behind WPUQuerySocketHandleContext; `conn.state` is the layer's own"""
    seen: list[tuple[int, int]] = []

    class Counting(Layer):
        async def send(self, conn: Any, data: bytes) -> None:
            conn.state.count = getattr(conn.state, "count", 0) + len(data)
            seen.append((conn.context, conn.state.count))
            await conn.below.send(data)

    over(Counting())
    one, two = connected()
    sent(one, b"12")
    sent(two, b"345")
    sent(one, b"6")
    contexts = []
    for s in (one, two):
        value = ctypes.c_uint64()
        assert ws2_32.WPUQuerySocketHandleContext(s, byref(value), byref(ctypes.c_int())) == 0
        contexts.append(value.value)
    assert seen == [(contexts[0], 2), (contexts[1], 3), (contexts[0], 3)]
    close(one, two)


# -- connecting ------------------------------------------------------------------------------------------------------


def test_a_handshake_is_done_when_connect_returns(over: Stacked, listener: socket.socket) -> None:
    """issue item 6: a layer whose connect sends and receives"""
    over(Upper(), Tunnel())
    s = made()
    connecting = Running(connect, s, listener.getsockname()[1])
    peer = listener.accept()[0]
    assert peer.recv(6) == b"HELLO\n"
    assert connecting.alive()
    peer.sendall(b"WELCOME\nand data")
    assert connecting.result() == 0
    assert received(s) == b"and data"
    assert sent(s, b"hi") == 2
    assert peer.recv(10) == b"HI"
    close(s)
    peer.close()


def test_n10_a_handshake_under_a_non_blocking_connect(over: Stacked, listener: socket.socket) -> None:
    """WSAEWOULDBLOCK, WSAEALREADY meanwhile, no data and no peer; then WSAEISCONN"""
    over(Tunnel())
    s, port = made(), listener.getsockname()[1]
    set_nonblocking(s)
    assert connect(s, port) == WSAError.WSAEWOULDBLOCK
    peer = listener.accept()[0]
    assert peer.recv(6) == b"HELLO\n"
    assert connect(s, port) == WSAError.WSAEALREADY
    assert received(s) == WSAError.WSAENOTCONN
    assert sent(s, b"x") == -WSAError.WSAENOTCONN
    assert ws2_32.getpeername(s, ctypes.create_string_buffer(16), byref(ctypes.c_int(16))) == -1
    assert error() == WSAError.WSAENOTCONN
    peer.sendall(b"WELCOME\n")
    until(lambda: connect(s, port) == WSAError.WSAEISCONN)
    assert sent(s, b"x") == 1
    assert peer.recv(9) == b"x"
    close(s)
    peer.close()


def so_error(s: int) -> int:
    value = ctypes.c_int()
    assert ws2_32.getsockopt(s, SOL_SOCKET, SO_ERROR, byref(value), byref(ctypes.c_int(4))) == 0
    return value.value


def test_a_handshake_that_is_refused(over: Stacked, listener: socket.socket) -> None:
    """The layer's own code, from a blocking connect at once and from a non-blocking one by SO_ERROR"""
    over(Tunnel())
    s = made()
    connecting = Running(connect, s, listener.getsockname()[1])
    with listener.accept()[0] as peer:
        peer.sendall(b"go away\n")
        assert connecting.result() == WSAError.WSAEACCES
    close(s)
    s = made()
    set_nonblocking(s)
    assert connect(s, listener.getsockname()[1]) == WSAError.WSAEWOULDBLOCK
    with listener.accept()[0] as peer:
        assert peer.recv(6) == b"HELLO\n"
        peer.sendall(b"go away\n")
        codes: list[int] = []
        until(lambda: codes.append(so_error(s)) or codes[-1])
    assert codes[-1] == WSAError.WSAEACCES
    assert so_error(s) == 0
    close(s)


def test_close_ends_a_handshake(over: Stacked, listener: socket.socket) -> None:
    over(Tunnel())
    s = made()
    connecting = Running(connect, s, listener.getsockname()[1])
    with listener.accept()[0] as peer:
        assert peer.recv(6) == b"HELLO\n"
        close(s)
        assert connecting.result() == WSAError.WSAEINTR
        assert peer.recv(6) == b""


def test_a_layer_leads_elsewhere(over: Stacked, listener: socket.socket) -> None:
    class Elsewhere(Layer):
        async def connect(self, conn: Any, address: Any) -> None:
            await conn.below.connect(listener.getsockname())

    over(Elsewhere())
    s = made()
    assert connect(s, 9) == 0
    listener.accept()[0].close()
    assert received(s) == b""
    close(s)


# -- layers that fail ------------------------------------------------------------------------------------------------


class Broken(Layer):
    async def send(self, conn: Any, data: bytes) -> None:
        if b"bug" in data:
            raise ZeroDivisionError("a bug")
        await conn.below.send(data)


def test_a_layers_bug_closes_the_connection_and_names_it(
    over: Stacked, listener: socket.socket, reported: list[str]
) -> None:
    """heart rule 7: both directions end with WSAECONNABORTED, the peer sees a reset, other connections live on"""
    over(Broken())
    s, peer = client_of(listener)
    other, other_peer = client_of(listener)
    operation = Operation(s, 10)
    assert sent(s, b"a bug") == -WSAError.WSAECONNABORTED
    assert operation.result(wait=True) == (0, 99, 99, WSAError.WSAECONNABORTED)
    assert received(s) == WSAError.WSAECONNABORTED
    assert sent(s, b"more") == -WSAError.WSAECONNABORTED
    with pytest.raises(ConnectionResetError):
        peer.recv(10)
    assert len(reported) == 1
    assert "broken" in reported[0]
    assert "ZeroDivisionError" in reported[0]
    assert sent(other, b"fine") == 4
    assert other_peer.recv(10) == b"fine"
    close(s, other)
    peer.close()
    other_peer.close()


def test_a_bug_met_by_foreign_code(over: Stacked, listener: socket.socket, reported: list[str]) -> None:
    over(Broken())
    s, peer = client_of(listener)
    os.write(s, b"a bug")
    with pytest.raises(ConnectionResetError):
        peer.recv(10)
    with pytest.raises(ConnectionResetError):
        os.read(s, 10)
    assert len(reported) == 1
    close(s)
    peer.close()


def test_on_error_open(over: Stacked, listener: socket.socket, reported: list[str]) -> None:
    """The call is repeated as a pass-through"""

    class Optional(Broken):
        on_error = "open"

    over(Optional())
    s, peer = client_of(listener)
    assert sent(s, b"a bug") == 5
    assert peer.recv(10) == b"a bug"
    assert len(reported) == 1
    close(s)
    peer.close()


def test_a_late_error_meets_the_next_call(over: Stacked, listener: socket.socket) -> None:
    """heart rule 6: a non-blocking send is accepted before the layer has done it"""
    gate = threading.Event()

    class Late(Layer):
        async def send(self, conn: Any, data: bytes) -> None:
            await ws2spi.sleep(0.01)
            gate.set()
            raise WinsockError(WSAError.WSAEACCES, "not this")

    over(Late())
    s, peer = client_of(listener)
    set_nonblocking(s)
    assert sent(s, b"accepted") == 8
    assert gate.wait(LONG)
    codes: list[int] = []
    until(lambda: codes.append(sent(s, b"more")) or codes[-1] != -WSAError.WSAEWOULDBLOCK)
    assert codes[-1] == -WSAError.WSAEACCES
    close(s)
    peer.close()


def test_a_late_error_that_nobody_knows_of_meets_shutdown(over: Stacked, listener: socket.socket) -> None:
    """A connection that is over has nothing to end, but what was accepted and is lost must be told."""
    gate = threading.Event()

    class Late(Layer):
        async def send(self, conn: Any, data: bytes) -> None:
            await ws2spi.sleep(0.01)
            gate.set()
            raise WinsockError(WSAError.WSAECONNRESET, "lost")

    over(Late())
    s, peer = client_of(listener)
    set_nonblocking(s)
    assert sent(s, b"accepted") == 8
    assert gate.wait(LONG)
    until(lambda: ws2_32.WSAPoll(ctypes.byref(ws2_32.WSAPOLLFD(s, 0x10, 0)), 1, 100) == 1)
    assert ws2_32.shutdown(s, 1) == -1
    assert ws2_32.WSAGetLastError() == WSAError.WSAECONNRESET
    assert ws2_32.shutdown(s, 1) == 0
    close(s)
    peer.close()


def test_last_words(over: Stacked, listener: socket.socket) -> None:
    """A layer's `close` may still send; closesocket delivers it after what was accepted"""

    class Bye(Layer):
        async def send(self, conn: Any, data: bytes) -> None:
            await conn.below.send(data)

        async def close(self, conn: Any) -> None:
            await conn.below.send(b"bye")
            await conn.below.close()

    over(Bye())
    s, peer = client_of(listener)
    assert sent(s, b"hello,") == 6
    close(s)
    got = b"".join(iter(lambda: peer.recv(99), b""))
    assert got == b"hello,bye"
    peer.close()


def test_a_blocking_call_from_inside_a_layer_of_the_same_connection(over: Stacked, listener: socket.socket) -> None:
    """heart rule 3: WSAEINPROGRESS instead of a deadlock"""
    handles: list[int] = []
    codes: list[Any] = []

    class Deep(Layer):
        async def send(self, conn: Any, data: bytes) -> None:
            codes.append(received(handles[0]))
            await conn.below.send(data)

    over(Deep())
    s, peer = client_of(listener)
    handles.append(s)
    assert sent(s, b"x") == 1
    assert codes == [WSAError.WSAEINPROGRESS]
    close(s)
    peer.close()


# -- over somebody else's procedure table ----------------------------------------------------------------------------


@pytest.fixture
def below() -> Iterator[PassThrough]:
    """A hand-written layer over the base provider's TCP; what is installed next lies on it."""
    layer = PassThrough()
    layer.install(runtime.catalog.find(AF_INET, SOCK_STREAM, 6))
    yield layer
    until(lambda: not layer.contexts)


def test_layers_over_a_hand_written_provider(over: Stacked, below: PassThrough) -> None:
    """issue item 6: substituted records, the intermediate procedure, a private thread"""
    over(Upper())
    one, two = connected()
    assert len(sockets.lookup(one).info.chain) == 3
    assert sent(one, b"through both") == 12
    assert received(two) == b"THROUGH BOTH"
    with event() as handle:
        operation = Operation(two, 20, hEvent=handle)
        assert operation.code == PENDING
        assert sent(one, b"event") == 5
        assert is_set(handle, 10_000)
        assert operation.memory.raw[:5] == b"EVENT"
    assert sum(context.sent for context in below.contexts.values()) == 17
    os.write(one, b"file")
    assert received(two) == b"FILE"
    assert ws2_32.shutdown(one, 1) == 0
    assert received(two) == b""
    close(one, two)


def test_close_with_pending_operations_over_a_hand_written_provider(over: Stacked, below: PassThrough) -> None:
    over(Upper())
    one, two = connected()
    with event() as handle:
        operation = Operation(one, 10, hEvent=handle)
        waiting = Running(received, one, 10)
        until(lambda: waiting.executive._parked)
        close(one)
        assert is_set(handle, 10_000)
        assert operation.overlapped.Internal == 0xC0000120
        assert waiting.result() == WSAError.WSAEINTR
    assert received(two) == b""
    close(two)


def test_names_options_and_modes_over_a_hand_written_provider(over: Stacked, below: PassThrough) -> None:
    over(Upper())
    one, two = connected()
    room, length = ctypes.create_string_buffer(16), ctypes.c_int(16)
    assert ws2_32.getpeername(one, room, byref(length)) == 0
    other = ctypes.create_string_buffer(16)
    assert ws2_32.getsockname(two, other, byref(length)) == 0
    assert room.raw == other.raw
    set_nonblocking(one)
    assert received(one, 5) == WSAError.WSAEWOULDBLOCK
    assert sent(two, b"x") == 1
    until(lambda: received(one, 5) == b"X")
    close(one, two)


def test_a_refused_connect_over_a_hand_written_provider(over: Stacked, below: PassThrough) -> None:
    over(Upper())
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        s = made()
        assert connect(s, unused.getsockname()[1]) == WSAError.WSAECONNREFUSED
        close(s)


def test_a_bulk_over_a_hand_written_provider(over: Stacked, below: PassThrough) -> None:
    over(stacks.Bytes())
    one, two = connected()
    data = os.urandom(500_000)
    sending = Running(sent, one, data)
    assert read_all(two, len(data)) == data
    assert sending.result() == len(data)
    close(one, two)


def test_the_private_thread_is_given_back(over: Stacked, below: PassThrough) -> None:
    """WPUOpenCurrentThread once, WPUCloseThread at the clean-up"""
    over(Upper())
    one, two = connected()
    assert sent(one, b"x") == 1
    private = sockets.lookup(one).provider._private  # type: ignore[attr-defined]
    identity = private.identity()
    assert sent(two, b"y") == 1
    assert private.identity() is identity
    close(one, two)
    until(lambda: not below.contexts)
    assert queue_apc(identity) == 0
    while runtime.starts:
        assert ws2_32.WSACleanup() == 0
    assert not private._identities
    assert ws2_32.WSAStartup(0x0202, byref(ws2_32.WSADATA())) == 0
    assert queue_apc(identity) == WSAError.WSAEFAULT


def queue_apc(identity: Any) -> int:
    """The code of WPUQueueApc."""
    code = ctypes.c_int()
    return code.value if ws2_32.WPUQueueApc(byref(identity), lambda _: None, 0, byref(code)) else 0


def test_listening_on_a_stack_keeps_listening(over: Stacked) -> None:
    over(Upper())
    listener, port = listening()
    clients = [made() for _ in range(3)]
    for s in clients:
        assert connect(s, port) == 0
    servers = [ws2_32.accept(listener, None, None) for _ in clients]
    assert INVALID_SOCKET not in servers
    assert len({sockets.lookup(s).context for s in (*clients, *servers)}) == 6
    close(listener, *clients, *servers)


def test_datagram_sockets_of_a_stack_for_streams_only(over: Stacked) -> None:
    """A layer that overrides send and recv leaves datagrams alone"""
    over(Upper())
    one, two = datagram_pair()
    assert sent(one, b"as it is") == 8
    assert received(two) == b"as it is"
    s = made(SOCK_DGRAM)
    close(one, two, s)
