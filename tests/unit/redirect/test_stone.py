"""Sockets held in SYN_SENT: completed, refused, abandoned."""

import errno
import os
import select
import socket
import struct
from collections.abc import Iterator

import pytest

from ws2spi.redirect.stone import CLOSED, ESTABLISHED, SYN_SENT, Stone, disconnect, state_of


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def stone(request: pytest.FixtureRequest) -> Iterator[Stone]:
    made = Stone(request.param)
    yield made
    made.close()


def events(sock: socket.socket) -> int:
    poll = select.poll()
    poll.register(sock, select.POLLIN | select.POLLOUT)
    return poll.poll(0)[0][1] if poll.poll(0) else 0


def test_held_socket_looks_like_one_that_connects(stone: Stone) -> None:
    with socket.socket(stone.family) as sock:
        assert stone.hold(sock, False) == errno.EINPROGRESS
        assert state_of(sock) == SYN_SENT
        assert events(sock) == 0
        assert os.get_blocking(sock.fileno()), "its blocking mode is its own"
        assert stone.hold(sock, False) == errno.EALREADY


def test_queue_is_full_before_anybody_is_held(stone: Stone) -> None:
    """Else the first SYN could overtake the plug's last packet on a busy machine, and be answered."""
    info = stone._listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    waiting, room = struct.unpack_from("=II", info, 24)  # tcpi_unacked, tcpi_sacked: of a listener, its queue
    assert waiting > room


def test_completed_socket_is_connected_at_once(stone: Stone) -> None:
    with socket.socket(stone.family) as sock:
        stone.hold(sock, False)
        with stone.complete(sock.getsockname()) as ours:
            assert state_of(sock) == state_of(ours) == ESTABLISHED
            sock.sendall(b"to us")
            ours.setblocking(True)
            assert ours.recv(10) == b"to us"
            ours.sendall(b"to you")
            assert sock.recv(10) == b"to you"
        with pytest.raises(ConnectionResetError):  # its end was no orderly one
            sock.recv(10)


def test_refused_socket_says_so_itself(stone: Stone) -> None:
    with socket.socket(stone.family) as sock:
        stone.hold(sock, False)
        stone.refuse(sock, False)
        assert events(sock) & (select.POLLERR | select.POLLHUP) == select.POLLERR | select.POLLHUP
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
        assert os.get_blocking(sock.fileno())


def test_abandoned_socket_is_noticed(stone: Stone) -> None:
    with socket.socket(stone.family) as sock:
        stone.hold(sock, False)
        name = sock.getsockname()
    with stone.complete(name) as ours:
        assert state_of(ours) == CLOSED


def test_disconnected_socket_can_be_held_again(stone: Stone) -> None:
    with socket.socket(stone.family) as sock:
        stone.hold(sock, False)
        assert disconnect(sock) == 0
        assert state_of(sock) == CLOSED
        assert stone.hold(sock, False) == errno.EINPROGRESS


def test_many_are_held_and_completed_in_any_order(stone: Stone) -> None:
    held = [socket.socket(stone.family) for _ in range(200)]
    for sock in held:
        assert stone.hold(sock, False) == errno.EINPROGRESS
    ours = [stone.complete(sock.getsockname()) for sock in reversed(held)]
    assert {state_of(sock) for sock in held + ours} == {ESTABLISHED}
    for sock in held + ours:
        sock.close()


def test_sockets_are_completed_again_and_again_although_we_end_first() -> None:
    """Our end waits in TIME_WAIT then, under an address that the next one may get."""
    stone = Stone()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for _ in range(20):
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", port))
            stone.hold(sock, False)
            with stone.complete(sock.getsockname()) as ours:
                assert state_of(ours) == ESTABLISHED
                ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes(8))
                ours.shutdown(socket.SHUT_WR)
                assert sock.recv(1) == b""
    stone.close()


def test_kernel_does_what_we_count_on(stone: Stone) -> None:
    assert stone.works()
