"""shutdown tells of a reset that nobody knows of yet, as its page says; after that there is nothing to end.

Wine gives 0 in both cases, and CPython's own tests of asyncio expect it of Windows in the second.
"""

import socket

import pytest

from support import winsock
from support.threads import until
from support.winsock import byref, connected, error
from ws2spi import ws2_32
from ws2spi._abi.constants import SD_BOTH, SD_SEND, SO_LINGER, SOL_SOCKET
from ws2spi._abi.errors import WSAError
from ws2spi._runtime.sockets import sockets


def reset(s: int) -> None:
    assert ws2_32.setsockopt(s, SOL_SOCKET, SO_LINGER, byref(ws2_32.LINGER(1, 0)), 4) == 0
    assert ws2_32.closesocket(s) == 0


def arrived(s: int) -> None:
    """Until the reset is there; nobody is told of it by that."""
    sock = sockets.lookup(s).state.connection.transport.sock
    until(lambda: sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == b"\x07")  # TCP_CLOSE


@pytest.mark.parametrize("how", [SD_SEND, SD_BOTH])
def test_shutdown_after_a_reset_that_nobody_has_been_told_of(kind: str, how: int) -> None:
    one, two = connected()
    reset(two)
    arrived(one)
    assert (ws2_32.shutdown(one, how), error()) == (-1, WSAError.WSAECONNRESET)
    assert ws2_32.shutdown(one, how) == 0
    assert winsock.received(one, 10) == (WSAError.WSAECONNRESET if how == SD_SEND else WSAError.WSAESHUTDOWN)
    ws2_32.closesocket(one)


@pytest.mark.parametrize("how", [SD_SEND, SD_BOTH])
def test_shutdown_after_a_receive_was_told_of_the_reset(kind: str, how: int) -> None:
    one, two = connected()
    reset(two)
    arrived(one)
    assert winsock.received(one, 10) == WSAError.WSAECONNRESET
    assert ws2_32.shutdown(one, how) == 0, error()
    ws2_32.closesocket(one)


@pytest.mark.parametrize("how", [SD_SEND, SD_BOTH])
def test_shutdown_after_a_send_was_told_of_the_reset(kind: str, how: int) -> None:
    one, two = connected()
    reset(two)
    arrived(one)
    until(lambda: ws2_32.send(one, b"x", 1, 0) < 0)
    assert error() == WSAError.WSAECONNRESET
    assert ws2_32.shutdown(one, how) == 0, error()
    ws2_32.closesocket(one)
