"""How handles used as files end, whose they are, and what comes before a connection (design "Handles", rules 3 and 4).

Completion ports, contexts and datagrams on such handles, too.
"""

import _socket
import ctypes
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

import ws2spi
from support import stacks
from support.ends import Ends, readable, send
from support.pass_through import PassThrough
from support.threads import LONG, Running, until
from support.winsock import (
    Operation,
    byref,
    close,
    error,
    listening,
    made,
    packet,
    port_for,
    received,
    set_nonblocking,
    sockaddr,
    start,
    stop,
)
from ws2spi import kernel32, ws2_32
from ws2spi._abi.constants import AF_INET, INVALID_SOCKET, SOCK_DGRAM, SOCK_STREAM
from ws2spi._abi.errors import WSAError
from ws2spi._engine import filepair
from ws2spi._engine.sweeper import Sweeper
from ws2spi._runtime.process import runtime
from ws2spi._runtime.sockets import sockets

# -- ends ------------------------------------------------------------------------------------------------------------


def test_the_end_of_the_stream(ends: Ends) -> None:
    ends.peer.sendall(b"last")
    ends.peer.shutdown(socket.SHUT_WR)
    assert os.read(ends.handle, 10) == b"last"
    assert os.read(ends.handle, 10) == b""
    assert os.read(ends.handle, 10) == b""
    assert received(ends.handle) == b""
    assert os.write(ends.handle, b"still open here") == 15
    assert ends.peer.recv(99) == b"still open here"


def test_the_end_reaches_foreign_readers_although_a_straight_one_saw_it_first(ends: Ends) -> None:
    ends.peer.shutdown(socket.SHUT_WR)
    assert received(ends.handle) == b""
    assert os.read(ends.handle, 10) == b""


def hard_close(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()


def test_a_reset_reaches_foreign_readers_after_the_data(ends: Ends) -> None:
    ends.peer.sendall(b"data")
    readable(ends.handle)
    hard_close(ends.peer)
    assert os.read(ends.handle, 10) == b"data"
    with pytest.raises(ConnectionResetError):
        os.read(ends.handle, 10)
    assert received(ends.handle) == WSAError.WSAECONNRESET


def test_a_reset_meets_foreign_writers(ends: Ends) -> None:
    hard_close(ends.peer)

    def write() -> bool:
        try:
            os.write(ends.handle, b"x")
        except (BrokenPipeError, ConnectionResetError):
            return True
        return False

    until(write)
    assert received(ends.handle) == WSAError.WSAECONNRESET


def test_a_straight_shutdown_ends_after_what_foreign_code_wrote(ends: Ends) -> None:
    os.write(ends.handle, b"written")
    assert ws2_32.shutdown(ends.handle, 1) == 0
    assert ends.peer.recv(10) == b"written"
    assert ends.peer.recv(10) == b""


def test_closesocket_delivers_what_foreign_code_wrote(ends: Ends) -> None:
    data = os.urandom(100_000)
    got = Running(lambda: b"".join(iter(lambda: ends.peer.recv(65536), b"")))
    left = memoryview(data)
    while left:
        left = left[os.write(ends.handle, left) :]
    close(ends.handle)
    assert got.result() == data


# -- sends that are cancelled before what foreign code wrote -----------------------------------------------------------


class Stalled:
    """A handle whose first send has begun and waits for the peer, whose second waits for the first, and which foreign
    code has written to since."""

    def __init__(self, ends: Ends) -> None:
        self.handle, self.peer = ends.handle, ends.peer
        self.first = Operation(self.handle, os.urandom(8 << 20))
        self.second = Operation(self.handle, b"second")
        assert self.first.code == self.second.code == WSAError.WSA_IO_PENDING
        os.write(self.handle, b"written")
        self.whole = self.first.memory.raw + b"secondwritten"

    def read(self) -> bytes:
        """What the peer receives before its end."""
        return read_to_the_end(self.peer, bytearray())


def read_to_the_end(peer: socket.socket, data: bytearray) -> bytes:
    """Receive into `data` until the end."""
    while piece := peer.recv(1 << 20):
        data += piece
    return bytes(data)


def test_closesocket_leaves_no_hole_before_what_foreign_code_wrote(ends: Ends) -> None:
    """A send with accepted bytes behind it runs on, as one that has begun, and its client hears of its end."""
    stalled = Stalled(ends)
    close(ends.handle)
    assert stalled.read() == stalled.whole
    for one in (stalled.first, stalled.second):
        until(lambda one=one: one.internal != 0x103)
        assert (one.internal, one.overlapped.InternalHigh) == (0, len(one.memory))


def test_a_cancel_leaves_no_hole_before_what_foreign_code_wrote(ends: Ends) -> None:
    stalled = Stalled(ends)
    until(lambda: ends.pair.is_sending())
    assert kernel32.CancelIoEx(ends.handle, byref(stalled.second.overlapped))
    got = Running(stalled.read)
    assert ws2_32.shutdown(ends.handle, 1) == 0
    assert got.result() == stalled.whole
    until(lambda: stalled.second.internal != 0x103)
    assert stalled.second.result() == (1, 6, 0, 0)


def test_a_blocked_send_that_is_left_leaves_no_hole(ends: Ends) -> None:
    first = Operation(ends.handle, os.urandom(8 << 20))
    set_timeout = ws2_32.setsockopt(ends.handle, 0xFFFF, 0x1005, byref(ctypes.c_uint32(60_000)), 4)
    assert set_timeout == 0
    connection = sockets.lookup(ends.handle).state.connection
    blocked = Running(lambda: (ws2_32.send(ends.handle, b"second", 6, 0), error()))
    until(lambda: len(connection._sends) == 2)
    os.write(ends.handle, b"written")
    close(ends.handle)
    assert blocked.result() == (-1, WSAError.WSAEINTR)
    assert read_to_the_end(ends.peer, bytearray()) == first.memory.raw + b"secondwritten"


def test_wsacleanup_makes_a_hole_a_reset(ends: Ends) -> None:
    """It cancels what is pending for good, so what was accepted behind it cannot be delivered in its place."""
    stalled = Stalled(ends)
    stop()
    start()
    data = bytearray()
    with pytest.raises(ConnectionResetError):
        read_to_the_end(ends.peer, data)
    assert stalled.whole.startswith(data)
    assert len(data) < len(stalled.first.memory)


CHILD = """
import os, sys
os.write(1, b"ready\\n")
assert sys.stdin.buffer.raw.readline() == b"go\\n"
os.write(int(sys.argv[1]), b"from the child")
assert os.read(int(sys.argv[1]), 99) == b"to the child"
assert os.read(int(sys.argv[1]), 99) == b""
"""


def test_a_child_that_holds_a_copy_keeps_the_connection(ends: Ends) -> None:
    """closesocket here, and the child's copy works through this process until it closes too."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(ends.handle)],
        pass_fds=[ends.handle],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child.stdin, child.stdout:
        assert child.stdout.readline() == b"ready\n"
        close(ends.handle)
        assert received(ends.handle) == WSAError.WSAENOTSOCK
        child.stdin.write(b"go\n")
        child.stdin.flush()
        assert ends.peer.recv(99) == b"from the child"
        ends.peer.sendall(b"to the child")
        ends.peer.shutdown(socket.SHUT_WR)
        assert child.wait(LONG) == 0
    assert ends.peer.recv(99) == b""


def test_the_end_reaches_a_reader_while_a_child_holds_a_copy(ends: Ends) -> None:
    """Rule 3: a shutdown, not a close, which the child's copy would hold up."""
    gate, opener = os.pipe()
    child = os.fork()
    if not child:
        os.read(gate, 1)
        os._exit(0)
    try:
        ends.peer.shutdown(socket.SHUT_WR)
        assert os.read(ends.handle, 10) == b""
    finally:
        os.write(opener, b"x")
        os.waitpid(child, 0)
        os.close(gate)
        os.close(opener)


def test_a_forked_child_has_no_runtime_and_closes_nothing(ends: Ends) -> None:
    child = os.fork()
    if not child:
        code = 0 if received(ends.handle) == WSAError.WSANOTINITIALISED else 1
        os.write(ends.handle, b"child")
        os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert ends.peer.recv(10) == b"child"
    send(ends.handle, b"parent")
    assert ends.peer.recv(10) == b"parent"


# -- identity --------------------------------------------------------------------------------------------------------


def test_a_foreign_close_ends_the_connection(ends: Ends) -> None:
    os.write(ends.handle, b"last words")
    os.close(ends.handle)
    assert ends.peer.recv(99) == b"last words"
    assert ends.peer.recv(99) == b""
    until(lambda: ends.handle not in sockets.entries)
    assert received(ends.handle) == WSAError.WSAENOTSOCK


def test_a_number_that_is_a_strangers_by_now(ends: Ends) -> None:
    """Foreign close, and the number is a file's: nothing of ours reads or closes that."""
    with open("/etc/hostname", "rb") as original:
        os.dup2(original.fileno(), ends.handle)
    with open(ends.handle, "rb") as file:
        assert ends.peer.recv(10) == b""
        until(lambda: ends.handle not in sockets.entries)
        assert failed_with(ws2_32.closesocket(ends.handle)) == WSAError.WSAENOTSOCK
        assert file.read()


def test_a_number_that_is_another_socket_of_ours_by_now(ends: Ends) -> None:
    old = sockets.lookup(ends.handle)
    os.close(ends.handle)
    again = Ends()
    try:
        if again.handle == ends.handle:
            assert sockets.lookup(again.handle) is not old
        assert ends.peer.recv(10) == b""
        send(again.handle, b"alive")
        assert again.peer.recv(10) == b"alive"
        again.peer.sendall(b"and kicking")
        assert os.read(again.handle, 99) == b"and kicking"
    finally:
        again.close()


@contextmanager
def engine_stopped() -> Iterator[None]:
    """Nobody else moves bytes or has a descriptor for a moment."""
    gate, stopped = threading.Event(), threading.Event()

    def wait() -> None:
        stopped.set()
        gate.wait(LONG)

    runtime.engine.run_on_loop(wait)
    assert stopped.wait(LONG)
    try:
        yield
    finally:
        gate.set()


def make_at(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket whose handle has a number that was free."""

    def socketpair(*arguments: int) -> tuple[_socket.socket, _socket.socket]:
        client, hidden = _socket.socketpair(*arguments)
        os.dup2(client.fileno(), number)
        client.close()
        return _socket.socket(*arguments, 0, number), hidden

    os.dup2(0, number)  # the socket below takes another one
    with monkeypatch.context() as patch:
        patch.setattr(filepair, "_socket", SimpleNamespace(socketpair=socketpair, socket=_socket.socket))
        assert made() == number


def test_what_was_written_is_sent_although_the_number_is_another_sockets(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine_stopped():
        os.write(ends.handle, b"written before")
        os.close(ends.handle)
        make_at(ends.handle, monkeypatch)
    assert ends.peer.recv(99) == b"written before"
    assert ends.peer.recv(99) == b""


def test_a_child_keeps_a_handle_whose_number_is_another_sockets(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = os.dup(ends.handle)  # as good as a child's
    with engine_stopped():
        os.close(ends.handle)
        make_at(ends.handle, monkeypatch)
    os.write(copy, b"still there")
    assert ends.peer.recv(99) == b"still there"
    ends.peer.sendall(b"and here")
    assert os.read(copy, 99) == b"and here"
    os.close(copy)
    assert ends.peer.recv(99) == b""


def failed_with(result: int) -> int:
    assert result == -1
    return error()


def test_handles_come_and_go_under_load(stack: None) -> None:
    """Numbers are reused at once; news of an old handle must not reach the new one."""
    failures: list[object] = []

    def work(seed: int) -> None:
        for number in range(40):
            ends = Ends()
            try:
                text = b"%d of %d" % (number, seed)
                (os.write if number % 2 else ws2_32_send)(ends.handle, text)
                ends.peer.sendall(text)
                answers = (ends.peer.recv(99), received(ends.handle) if number % 3 else os.read(ends.handle, 99))
                if answers != (text, text):
                    failures.append(answers)
            finally:
                ends.close()

    def ws2_32_send(handle: int, data: bytes) -> None:
        send(handle, data)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(LONG * 3)
    assert not failures


# -- ports, contexts, datagrams --------------------------------------------------------------------------------------


def test_a_completion_port_on_the_handle(ends: Ends) -> None:
    """upcalls 5.1 (2): a port may be associated; foreign use of the handle queues nothing"""
    with port_for(ends.handle, key=77) as port:
        os.write(ends.handle, b"x")
        assert ends.peer.recv(1) == b"x"
        operation = Operation(ends.handle, 10)
        ends.peer.sendall(b"packet")
        assert packet(port, 10_000) == (True, 6, 77, operation.address, 0)
        ends.peer.sendall(b"foreign")
        assert os.read(ends.handle, 10) == b"foreign"
        assert packet(port)[0] is False
        ends.peer.sendall(b"moved")
        readable(ends.handle)
        operation = Operation(ends.handle, 10)
        assert packet(port, 10_000) == (True, 5, 77, operation.address, 0)


def test_the_context_of_the_handle(stack: None) -> None:
    """WPUQuerySocketHandleContext: a value of its own for each handle; a copy of the descriptor has none"""

    def context(number: int) -> tuple[int, int, int]:
        value, code = ctypes.c_uint64(), ctypes.c_int()
        return ws2_32.WPUQuerySocketHandleContext(number, byref(value), byref(code)), value.value, code.value

    one, two = Ends(), Ends()
    values = [context(one.handle), context(two.handle)]
    assert [result for result, _, _ in values] == [0, 0]
    assert values[0][1] != values[1][1]
    copy = os.dup(one.handle)
    assert context(copy)[::2] == (-1, WSAError.WSAENOTSOCK)
    os.close(copy)
    one.close()
    two.close()
    assert context(one.handle)[::2] == (-1, WSAError.WSAENOTSOCK)


def test_datagrams_keep_their_boundaries(datagram_ends: Ends) -> None:
    for text in (b"one", b"", b"three"):
        assert os.write(datagram_ends.handle, text) == len(text)
    assert [datagram_ends.peer.recv(99) for _ in range(3)] == [b"one", b"", b"three"]
    for text in (b"four", b"", b"six"):
        datagram_ends.peer.send(text)
    assert [os.read(datagram_ends.handle, 99) for _ in range(3)] == [b"four", b"", b"six"]


def test_datagrams_read_both_ways(datagram_ends: Ends) -> None:
    """What was moved to the pair comes before what was not, and keeps its sender"""
    for number in range(5):
        datagram_ends.peer.send(b"%d" % number)
    readable(datagram_ends.handle)
    got = [received(datagram_ends.handle), os.read(datagram_ends.handle, 9), received(datagram_ends.handle)]
    got += [received(datagram_ends.handle), received(datagram_ends.handle)]
    assert got == [b"0", b"1", b"2", b"3", b"4"]


def test_recvfrom_after_a_move_knows_the_sender(datagram_ends: Ends) -> None:
    datagram_ends.peer.send(b"who?")
    readable(datagram_ends.handle)
    room, sender, length = ctypes.create_string_buffer(9), ctypes.create_string_buffer(16), ctypes.c_int(16)
    assert ws2_32.recvfrom(datagram_ends.handle, room, 9, 0, sender, byref(length)) == 4
    assert int.from_bytes(sender.raw[2:4], "big") == datagram_ends.peer.getsockname()[1]


def test_a_moved_datagram_that_is_too_long(datagram_ends: Ends) -> None:
    """I2 holds for what was moved to the pair, too"""
    datagram_ends.peer.send(b"12345")
    datagram_ends.peer.send(b"678")
    readable(datagram_ends.handle)
    assert received(datagram_ends.handle, 3) == WSAError.WSAEMSGSIZE
    assert received(datagram_ends.handle, 9) == b"678"


def test_a_datagram_that_found_nobody(datagram_ends: Ends, swept: Callable[[], None]) -> None:
    """I7 also when a receive for foreign readers was told of it; and it is no end"""
    address = datagram_ends.peer.getsockname()
    datagram_ends.peer.close()
    assert os.write(datagram_ends.handle, b"into the void") == 13
    swept()
    assert received(datagram_ends.handle) == WSAError.WSAECONNRESET
    with socket.socket(AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(address)
        assert os.write(datagram_ends.handle, b"again") == 5
        peer.settimeout(LONG)
        data, sender = peer.recvfrom(9)
        assert data == b"again"
        peer.sendto(b"back", sender)
        assert os.read(datagram_ends.handle, 9) == b"back"


def test_a_foreign_close_of_a_datagram_handle(datagram_ends: Ends) -> None:
    os.close(datagram_ends.handle)
    until(lambda: datagram_ends.handle not in sockets.entries)


def test_non_blocking_receives_find_what_was_moved(ends: Ends) -> None:
    set_nonblocking(ends.handle)
    ends.peer.sendall(b"moved")
    readable(ends.handle)
    assert received(ends.handle, 99) == b"moved"
    assert received(ends.handle, 99) == WSAError.WSAEWOULDBLOCK


def test_the_blocking_mode_holds_for_who_uses_the_handle_as_a_file(ends: Ends) -> None:
    assert os.get_blocking(ends.handle)
    set_nonblocking(ends.handle)
    assert not os.get_blocking(ends.handle)
    with pytest.raises(BlockingIOError):
        os.read(ends.handle, 1)
    set_nonblocking(ends.handle, 0)
    assert os.get_blocking(ends.handle)


# -- before and beside a connection ----------------------------------------------------------------------------------


@pytest.fixture
def swept(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """`swept()` waits until the sweeper has looked three times more."""
    looks: list[int] = []
    original = Sweeper._sweep

    def sweep(sweeper: Sweeper) -> None:
        original(sweeper)
        looks.append(1)

    monkeypatch.setattr(Sweeper, "_sweep", sweep)

    def wait() -> None:
        before = len(looks)
        until(lambda: len(looks) >= before + 3)

    return wait


def test_a_listener_keeps_its_connections_for_accept(stack: None, swept: Callable[[], None]) -> None:
    """A waiting connection is no data for foreign readers"""
    listener, port = listening()
    with socket.create_connection(("127.0.0.1", port), LONG) as peer:
        swept()
        server = ws2_32.accept(listener, None, None)
        assert server != INVALID_SOCKET
        peer.sendall(b"hello")
        assert received(server) == b"hello"
        peer.sendall(b"file")
        assert os.read(server, 10) == b"file"
        close(server)
    os.close(listener)
    until(lambda: listener not in sockets.entries)


@pytest.mark.parametrize("kind", [SOCK_STREAM, SOCK_DGRAM])
def test_a_socket_that_is_not_connected_yet_is_left_alone(stack: None, swept: Callable[[], None], kind: int) -> None:
    """Linux shows an unconnected TCP socket as hung up, which means nothing"""
    handle = made(kind)
    swept()
    with socket.socket(AF_INET, socket.SOCK_STREAM if kind == SOCK_STREAM else socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        if kind == SOCK_STREAM:
            peer.listen()
        assert ws2_32.connect(handle, sockaddr(peer.getsockname()[1]), 16) == 0
        assert os.write(handle, b"first") == 5
        if kind == SOCK_STREAM:
            with peer.accept()[0] as server:
                assert server.recv(10) == b"first"
                server.sendall(b"back")
                assert os.read(handle, 10) == b"back"
        else:
            data, sender = peer.recvfrom(10)
            assert data == b"first"
            peer.sendto(b"back", sender)
            assert os.read(handle, 10) == b"back"
    close(handle)


def test_a_connect_that_takes_its_time(started: None, swept: Callable[[], None]) -> None:
    """What the layers receive in `connect` is theirs"""

    class Handshake(stacks.Bytes):
        async def connect(self, conn: Any, address: Any) -> None:
            await conn.below.connect(address)
            if await conn.below.recv(2) != b"OK":
                raise ws2spi.WinsockError(WSAError.WSAECONNREFUSED)

    with ws2spi.install(ws2spi.Stack([Handshake()])), socket.create_server(("127.0.0.1", 0)) as listener:
        handle = made()
        connecting = Running(ws2_32.connect, handle, sockaddr(listener.getsockname()[1]), 16)
        with listener.accept()[0] as peer:
            swept()
            peer.sendall(b"OKdata")
            assert connecting.result() == 0
            assert os.read(handle, 10) == b"data"
        close(handle)


def test_a_hand_written_listener_and_client(started: None, swept: Callable[[], None]) -> None:
    """The same for handles of a provider with a table of its own"""
    layer = PassThrough()
    layer.install(runtime.catalog.find(AF_INET, SOCK_STREAM, 6))
    listener, port = listening()
    client = made()
    swept()
    assert ws2_32.connect(client, sockaddr(port), 16) == 0
    swept()
    server = ws2_32.accept(listener, None, None)
    assert server != INVALID_SOCKET
    os.write(client, b"there")
    assert os.read(server, 10) == b"there"
    os.write(server, b"back")
    assert os.read(client, 10) == b"back"
    os.close(listener)
    until(lambda: listener not in sockets.entries)
    close(client, server)
    until(lambda: not layer.contexts)
