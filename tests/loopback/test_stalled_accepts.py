"""Accepting through layers with a handshake, from the exact face: who connects and says nothing holds up nobody."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

import ws2spi
from support.listening import Answers
from support.threads import LONG, Running, until
from support.winsock import close, error, listening, received, set_nonblocking
from ws2spi import ws2_32
from ws2spi._abi.constants import INVALID_SOCKET
from ws2spi._abi.errors import WSAError
from ws2spi._runtime.sockets import sockets

pytestmark = pytest.mark.usefixtures("started")


@pytest.fixture
def listener() -> Iterator[tuple[int, int]]:
    """A listening SOCKET under a layer that wants to be greeted, and its port."""
    with ws2spi.install(ws2spi.Stack([Answers()])):
        s, port = listening()
        yield s, port
        ws2_32.closesocket(s)


def peer(port: int, greeting: bytes = b"") -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.settimeout(LONG)
    sock.sendall(greeting)
    return sock


def test_a_blocking_accept(listener: tuple[int, int]) -> None:
    s, port = listener
    with peer(port), peer(port), peer(port, b"HI") as polite:
        accepted = ws2_32.accept(s, None, None)
        assert accepted != INVALID_SOCKET, error()
        assert polite.recv(2) == b"OK"
        polite.sendall(b"hello")
        assert received(accepted) == b"hello"
        close(accepted)


def test_a_polling_accept(listener: tuple[int, int]) -> None:
    s, port = listener
    set_nonblocking(s)
    with peer(port) as mute:
        assert ws2_32.accept(s, None, None) == INVALID_SOCKET
        assert error() == WSAError.WSAEWOULDBLOCK
        with peer(port, b"HI"):
            found: list[Any] = []
            until(lambda: found.append(ws2_32.accept(s, None, None)) or found[-1] != INVALID_SOCKET)
            assert error() in (0, WSAError.WSAEWOULDBLOCK)
            mute.sendall(b"HI")
            until(lambda: found.append(ws2_32.accept(s, None, None)) or found[-1] != INVALID_SOCKET)
        close(*(one for one in found if one != INVALID_SOCKET))


def test_closesocket_ends_every_handshake_and_the_accept(listener: tuple[int, int]) -> None:
    s, port = listener
    with peer(port) as one, peer(port) as other:
        accepting = Running(lambda: (ws2_32.accept(s, None, None), error()))
        until(lambda: len(sockets.lookup(s).state.connection._handshakes) == 2)
        close(s)
        assert accepting.result() == (INVALID_SOCKET, WSAError.WSAEINTR)
        for mute in (one, other):
            try:
                assert mute.recv(1) == b""
            except ConnectionResetError:
                pass


def test_a_peer_that_breaks_its_handshake_leaves_the_listener(listener: tuple[int, int]) -> None:
    s, port = listener
    with peer(port, b"no"), peer(port) as slow:
        assert ws2_32.accept(s, None, None) == INVALID_SOCKET
        assert error() == WSAError.WSAECONNABORTED
        slow.sendall(b"HI")
        accepted = ws2_32.accept(s, None, None)
        assert accepted != INVALID_SOCKET, error()
        close(accepted)
