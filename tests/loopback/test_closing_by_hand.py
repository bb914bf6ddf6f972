"""What foreign code has written to a hand-written provider's handle is sent before the provider closes it.

os.write has returned a count, so the bytes are accepted; closesocket and WSACleanup come behind them (filepair rule 1).
"""

import os
import socket
import threading
from collections.abc import Iterator

import pytest

from support import winsock
from support.ends import readable
from support.pass_through import PassThrough
from support.threads import LONG, Running, blocked_on, until
from support.winsock import bound, byref, close, error, listening, made, received, sockaddr
from ws2spi import ws2_32
from ws2spi._abi.constants import (
    AF_INET,
    AF_INET6,
    FROM_PROTOCOL_INFO,
    INVALID_SOCKET,
    MSG_WAITALL,
    SOCK_DGRAM,
    SOCK_STREAM,
)
from ws2spi._abi.errors import WSAError
from ws2spi._engine import lingering
from ws2spi._runtime.process import runtime
from ws2spi._runtime.sockets import sockets


@pytest.fixture
def ends() -> Iterator[tuple[int, socket.socket]]:
    """A socket through a pass-through provider, and its peer, who is a stranger."""
    winsock.start()
    PassThrough().install(runtime.catalog.find(AF_INET, SOCK_STREAM, 6))
    listener = socket.create_server(("127.0.0.1", 0))
    s = made()
    address = sockaddr(listener.getsockname()[1])
    assert ws2_32.connect(s, address, len(address)) == 0, error()
    peer, _ = listener.accept()
    peer.settimeout(LONG)
    yield s, peer
    peer.close()
    listener.close()
    winsock.stop()


def test_a_whole_receive_begins_with_what_was_moved_for_foreign_readers(ends: tuple[int, socket.socket]) -> None:
    """MSG_WAITALL went past it, to the provider, and what was moved came behind, or never."""
    s, peer = ends
    peer.sendall(b"moved")
    readable(s)
    receiving = Running(lambda: received(s, 10, MSG_WAITALL))
    peer.sendall(b" rest")
    assert receiving.result() == b"moved rest"
    peer.sendall(b"the end")
    readable(s)
    peer.shutdown(socket.SHUT_WR)
    assert received(s, 10, MSG_WAITALL) == b"the end"
    assert received(s, 10, MSG_WAITALL) == b""


def read_to_the_end(peer: socket.socket) -> bytes:
    pieces = []
    while piece := peer.recv(1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


def fill(s: int) -> bytes:
    """Write until nothing goes any more; return what went."""
    os.set_blocking(s, False)
    pair = sockets.lookup(s).pair
    sent = b""

    def is_full() -> bool:
        nonlocal sent
        piece = bytes((len(sent) + position) % 251 for position in range(32768))
        try:
            sent += piece[: os.write(s, piece)]
        except BlockingIOError:
            return bool(pair.is_sending())
        return False

    until(is_full)
    return sent


def test_what_was_written_just_before_closesocket_is_sent(ends: tuple[int, socket.socket]) -> None:
    s, peer = ends
    gate = threading.Event()
    runtime.engine.run_on_loop(lambda: gate.wait(LONG))  # nobody else moves what is written
    try:
        assert os.write(s, b"x" * 9000) == 9000
        close(s)
    finally:
        gate.set()
    assert read_to_the_end(peer) == b"x" * 9000
    until(lambda: s not in sockets.entries)


def test_closesocket_does_not_cut_off_what_is_on_its_way(ends: tuple[int, socket.socket]) -> None:
    """It returns at once, and the socket is closed for everybody; the provider closes when it has sent the rest."""
    s, peer = ends
    sent = fill(s)
    close(s)
    assert ws2_32.closesocket(s) == -1
    assert error() == WSAError.WSAENOTSOCK
    assert ws2_32.send(s, b"x", 1, 0) == -1
    assert error() == WSAError.WSAENOTSOCK
    with pytest.raises(BrokenPipeError):
        os.write(s, b"x")
    assert s in sockets.entries
    assert read_to_the_end(peer) == sent
    until(lambda: s not in sockets.entries)


def test_a_reset_ends_what_is_on_its_way(ends: tuple[int, socket.socket]) -> None:
    s, peer = ends
    fill(s)
    close(s)
    peer.close()  # with unread bytes
    until(lambda: s not in sockets.entries)


@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
def test_wsacleanup_waits_for_what_is_on_its_way(ends: tuple[int, socket.socket], closed: bool) -> None:
    s, peer = ends
    sent = fill(s)
    if closed:
        close(s)
    ended = Running(ws2_32.WSACleanup)
    blocked_on(lingering._changed)(1)
    assert read_to_the_end(peer) == sent
    assert ended.result() == 0


def test_what_was_written_never_goes_to_the_next_socket_of_the_same_number(ends: tuple[int, socket.socket]) -> None:
    """filepair rule 4: a provider knows its sockets by number, and os.close has freed this one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = sockaddr(listener.getsockname()[1])
        spare = os.dup(listener.fileno())
        s = made()
        assert ws2_32.connect(s, address, len(address)) == 0, error()
        gate = threading.Event()
        runtime.engine.run_on_loop(lambda: gate.wait(LONG))
        try:
            assert os.write(s, b"for the first") == 13
            os.close(s)
            os.close(spare)  # for the socket below
            new = made()
            assert ws2_32.connect(new, address, len(address)) == 0, error()
        finally:
            gate.set()
        until(lambda: s not in sockets.entries)
        assert new != s
        assert ws2_32.send(new, b"for the second", 14, 0) == 14
        close(new)
        first, second = listener.accept()[0], listener.accept()[0]
    with first, second:
        for one, data in ((first, b"for the first"), (second, b"for the second")):
            one.settimeout(LONG)
            assert read_to_the_end(one) == data


@pytest.mark.parametrize("how", ["socket", "duplicate"])
def test_what_was_written_outlives_a_descriptor_that_takes_its_number(
    ends: tuple[int, socket.socket], how: str
) -> None:
    """A base socket is its own handle, whose number the kernel chooses: it moves to another one."""
    s, peer = ends
    old = made(SOCK_DGRAM)
    info = ws2_32.WSAPROTOCOL_INFOW()
    assert ws2_32.WSADuplicateSocketW(old, os.getpid(), byref(info)) == 0, error()
    gate = threading.Event()
    runtime.engine.run_on_loop(lambda: gate.wait(LONG))  # nobody else moves what is written
    try:
        assert os.write(s, b"for the first") == 13
        os.close(s)
        any_ = FROM_PROTOCOL_INFO
        new = made(SOCK_DGRAM) if how == "socket" else ws2_32.WSASocketW(any_, any_, any_, byref(info), 0, 1)
        assert not sockets.lookup(new).pair, "a descriptor of its own"
        assert sockets.lookup(s).pair, "the number is still the first's"
    finally:
        gate.set()
    assert read_to_the_end(peer) == b"for the first"
    until(lambda: s not in sockets.entries)
    port = bound(new)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.sendto(b"for the second", ("127.0.0.1", port))
    assert received(new) == b"for the second"
    close(new)
    if how == "duplicate":
        close(old)


def test_an_accepted_descriptor_leaves_the_number_of_what_was_written(ends: tuple[int, socket.socket]) -> None:
    """As above; the listener is one of the base provider's other protocol, which nobody has layered."""
    s, peer = ends
    listener, port = listening(AF_INET6)
    with socket.create_connection(("::1", port)) as client:
        ready = ws2_32.fd_set()
        ready.fd_count, ready.fd_array[0] = 1, listener
        assert ws2_32.select(0, byref(ready), None, None, None) == 1
        gate = threading.Event()
        runtime.engine.run_on_loop(lambda: gate.wait(LONG))
        try:
            assert os.write(s, b"for the first") == 13
            os.close(s)
            new = ws2_32.accept(listener, None, None)
            assert new != INVALID_SOCKET
            assert sockets.lookup(s).pair
        finally:
            gate.set()
        assert read_to_the_end(peer) == b"for the first"
        client.sendall(b"for the second")
        assert received(new) == b"for the second"
        assert ws2_32.send(new, b"answer", 6, 0) == 6
        assert client.recv(9) == b"answer"
    close(new, listener)
