"""WSPCleanup, sentence by sentence (provider-functions 3.3), through every kind of provider.

The status of pending overlapped operations and their silence: K10 in `test_ws2_32_overlapped.py`. The count and the
restart: P3 in `test_ws2_32_calls.py`. What closed sockets had accepted: `test_lingering.py`.
"""

import gc
import os

import pytest

from support.threads import Running, until
from support.winsock import Operation, byref, connected, error, event, is_set, listening, made, sockaddr, start
from ws2spi import ws2_32
from ws2spi._abi.constants import INVALID_SOCKET
from ws2spi._abi.errors import WSAError
from ws2spi._runtime.process import runtime
from ws2spi._runtime.sockets import sockets

pytestmark = pytest.mark.usefixtures("kind")
ENDED = (WSAError.WSAEINTR, WSAError.WSA_OPERATION_ABORTED)


def test_a_blocked_receive_and_a_blocked_accept_end() -> None:
    """Pending blocking calls of any thread are cancelled."""
    one, _ = connected()
    listener, _ = listening()
    receiving = Running(lambda: (ws2_32.recv(one, bytearray(10), 10, 0), error()))
    accepting = Running(lambda: (ws2_32.accept(listener, None, None), error()))
    until(lambda: receiving.executive._parked and accepting.executive._parked)
    assert ws2_32.WSACleanup() == 0
    result, code = receiving.result()
    assert result == -1
    assert code in ENDED
    result, code = accepting.result()
    assert result == INVALID_SOCKET
    assert code in ENDED
    start()


def test_a_blocked_receive_does_not_see_the_end_of_a_peer_that_is_closed_before_it() -> None:
    listener, port = listening()
    client, address = made(), sockaddr(port)
    assert ws2_32.connect(client, address, len(address)) == 0
    for _ in range(100):  # closed between the two ends, which gives the blocked thread time
        made()
    server = ws2_32.accept(listener, None, None)
    receiving = Running(lambda: (ws2_32.recv(server, bytearray(10), 10, 0), error()))
    until(lambda: receiving.executive._parked)
    assert ws2_32.WSACleanup() == 0
    result, code = receiving.result()
    assert result == -1
    assert code in ENDED
    start()


def test_pending_overlapped_operations_are_aborted_without_event() -> None:
    one, _ = connected()
    with event() as told:
        operation = Operation(one, 10, hEvent=told)
        assert operation.code == WSAError.WSA_IO_PENDING
        assert ws2_32.WSACleanup() == 0
        assert operation.internal == 0xC0000120
        assert not is_set(told)
    start()


def test_everything_is_freed_and_a_restart_finds_nothing_left() -> None:
    connected()
    gc.collect()
    assert ws2_32.WSACleanup() == 0
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        assert ws2_32.WSAStartup(0x0202, byref(ws2_32.WSADATA())) == 0
        assert len(connected()) == 2
        assert ws2_32.WSACleanup() == 0
        assert not sockets.entries
        assert not runtime.makers
        assert not runtime.served
    until(lambda: len(os.listdir("/proc/self/fd")) <= before)
    start()


def test_a_socket_of_before_is_no_socket_after() -> None:
    one, _ = connected()
    assert ws2_32.WSACleanup() == 0
    assert ws2_32.send(one, b"x", 1, 0) == -1
    assert error() == WSAError.WSANOTINITIALISED
    start()
    assert ws2_32.send(one, b"x", 1, 0) == -1
    assert error() == WSAError.WSAENOTSOCK
