"""Modes, receives, and blocked calls through the exact face: witness rows H, J, K, L ("our rule")."""

import struct

import pytest

from support.clients import asleep, available, connect, failed, option, ready, sent, set_option
from support.threads import Running, until
from support.winsock import (
    Operation,
    byref,
    close,
    connected,
    error,
    event,
    is_set,
    listening,
    made,
    read_all,
    received,
    set_nonblocking,
)
from ws2spi import kernel32, ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.constants import INVALID_SOCKET, SOL_SOCKET
from ws2spi._abi.errors import WSAError
from ws2spi._runtime.process import runtime

PENDING = WSAError.WSA_IO_PENDING
BIG = 16 << 20  # more than the kernel buffers between two sockets

pytestmark = pytest.mark.usefixtures("kind")


# -- modes -------------------------------------------------------------------------------------------------------------


def test_non_blocking_calls_answer_at_once(pair: tuple[int, int], family: int) -> None:
    """FIONBIO: WSAEWOULDBLOCK from recv, send behind a full buffer, accept; and back to blocking"""
    set_nonblocking(pair[0])
    assert received(pair[0], 10) == WSAError.WSAEWOULDBLOCK
    taken = 0
    while (count := sent(pair[0], bytes(1 << 16))) > 0:
        taken += count
    assert count == -WSAError.WSAEWOULDBLOCK
    reading = Running(read_all, pair[1], taken)
    assert len(reading.result()) == taken
    until(lambda: sent(pair[0], b"x") == 1)
    assert received(pair[1], 10) == b"x"
    set_nonblocking(pair[0], 0)
    waiting = Running(received, pair[0], 10)
    asleep(waiting)
    assert sent(pair[1], b"now") == 3
    assert waiting.result() == b"now"
    listener, _ = listening(family)
    set_nonblocking(listener)
    assert ws2_32.accept(listener, None, None) == INVALID_SOCKET
    assert error() == WSAError.WSAEWOULDBLOCK
    close(listener)


def test_an_accepted_socket_is_as_non_blocking_as_its_listener() -> None:
    """accept's page: properties are inherited"""
    listener, port = listening()
    set_nonblocking(listener)
    client = made()
    assert connect(client, port) == 0
    accepted: list[int] = []
    until(lambda: accepted.append(ws2_32.accept(listener, None, None)) or accepted[-1] != INVALID_SOCKET)
    assert received(accepted[-1], 10) == WSAError.WSAEWOULDBLOCK
    close(client, accepted[-1], listener)


def test_fionread_counts_what_is_there(pair: tuple[int, int]) -> None:
    assert available(pair[0]) == 0
    assert sent(pair[1], b"12345") == 5
    ready(pair[0])
    assert available(pair[0]) == 5
    assert received(pair[0], 4) == b"1234"
    assert available(pair[0]) == 1


def test_so_rcvtimeo(pair: tuple[int, int]) -> None:
    """L5: a blocking receive ends with WSAETIMEDOUT; overlapped ones ignore it; the socket goes on"""
    assert set_option(pair[0], SOL_SOCKET, c.SO_RCVTIMEO, struct.pack("<I", 30)) == 0
    assert option(pair[0], SOL_SOCKET, c.SO_RCVTIMEO) == 30
    operation = Operation(pair[0], 4)
    assert received(pair[0], 10) == WSAError.WSAETIMEDOUT
    assert operation.internal == c.STATUS_PENDING
    assert sent(pair[1], b"for both") == 8
    assert operation.result(wait=True) == (1, 4, 0, 0)
    assert received(pair[0], 10) == b"both"
    assert operation.memory.raw == b"for "


def test_so_rcvtimeo_with_an_apc_in_between(pair: tuple[int, int]) -> None:
    """L5: the APC runs, and the time runs out all the same"""
    assert set_option(pair[0], SOL_SOCKET, c.SO_RCVTIMEO, struct.pack("<I", 50)) == 0
    ran: list[int] = []
    waiting = Running(received, pair[0], 10)
    asleep(waiting)
    waiting.executive.queue_apc(ran.append, 1)
    assert waiting.result() == WSAError.WSAETIMEDOUT
    assert ran == [1]


def test_so_sndtimeo(pair: tuple[int, int]) -> None:
    assert set_option(pair[0], SOL_SOCKET, c.SO_SNDTIMEO, struct.pack("<I", 30)) == 0
    assert sent(pair[0], bytes(BIG)) == -WSAError.WSAETIMEDOUT


# -- receives ----------------------------------------------------------------------------------------------------------


def test_h3_a_plain_receive_queues_behind_a_pending_one(pair: tuple[int, int]) -> None:
    operation = Operation(pair[0], 3)
    set_nonblocking(pair[0])
    assert received(pair[0], 10) == WSAError.WSAEWOULDBLOCK
    assert sent(pair[1], b"abcdef") == 6
    assert operation.result(wait=True) == (1, 3, 0, 0)
    ready(pair[0], 3)
    assert received(pair[0], 10) == b"def"
    assert operation.memory.raw == b"abc"


def test_h4_a_zero_byte_receive_waits_for_data_and_leaves_it(pair: tuple[int, int]) -> None:
    with event() as handle:
        operation = Operation(pair[0], 0, hEvent=handle)
        assert operation.code == PENDING
        assert not is_set(handle)
        assert sent(pair[1], b"data") == 4
        assert is_set(handle, 10_000)
        assert operation.result() == (1, 0, 0, 0)
        again = Operation(pair[0], 0, hEvent=handle)
        assert again.code in (0, PENDING)  # another thread may have it in its hands
        assert again.result(wait=True) == (1, 0, 0, 0)
        assert received(pair[0], 10) == b"data"
        last = Operation(pair[0], 0, hEvent=handle)
        assert last.code == PENDING
        close(pair[1])
        assert is_set(handle, 10_000)
        assert last.result() == (1, 0, 0, 0)


def test_h6_zero_bytes(pair: tuple[int, int]) -> None:
    """recv of 0 with data there is 0, with nothing there it waits; send of 0 is 0"""
    set_nonblocking(pair[0])
    assert received(pair[0], 0) == WSAError.WSAEWOULDBLOCK
    assert sent(pair[1], b"") == 0
    assert sent(pair[1], b"x") == 1
    ready(pair[0])
    assert received(pair[0], 0) == b""
    assert received(pair[0], 10) == b"x"
    set_nonblocking(pair[0], 0)
    waiting = Running(received, pair[0], 0)
    asleep(waiting)
    assert sent(pair[1], b"y") == 1
    assert waiting.result() == b""
    assert received(pair[0], 10) == b"y"


def test_h8_peek(pair: tuple[int, int]) -> None:
    """the data stays; with an OVERLAPPED too; MSG_PARTIAL is ignored; an unknown flag is WSAEINVAL"""
    assert sent(pair[1], b"look") == 4
    ready(pair[0], 4)
    assert received(pair[0], 2, c.MSG_PEEK) == b"lo"
    assert received(pair[0], 9, c.MSG_PEEK) == b"look"
    operation = Operation(pair[0], 3, flags=c.MSG_PEEK)
    assert operation.result(wait=True) == (1, 3, 0, 0)
    assert received(pair[0], 9, c.MSG_PARTIAL) == b"look"
    waiting = Operation(pair[0], 9, flags=c.MSG_PEEK)
    assert waiting.code == PENDING
    assert sent(pair[1], b"more") == 4
    assert waiting.result(wait=True) == (1, 4, 0, 0)
    assert received(pair[0], 9) == b"more"
    assert received(pair[0], 9, 0x4000000) == WSAError.WSAEINVAL
    assert sent(pair[0], b"x", 0x4000000) == -WSAError.WSAEINVAL


def test_h9_large_overlapped_sends_are_delivered_in_order(pair: tuple[int, int]) -> None:
    first, second = Operation(pair[0], b"a" * BIG), Operation(pair[0], b"b" * 1000)
    assert first.code == second.code == PENDING
    assert read_all(pair[1], BIG + 1000) == b"a" * BIG + b"b" * 1000
    assert first.result(wait=True) == (1, BIG, 0, 0)
    assert second.result(wait=True) == (1, 1000, 0, 0)


def test_j7_a_send_half_done(pair: tuple[int, int]) -> None:
    """cancelling is a request: a send that has begun runs on, one that waits behind it does not"""
    first, second = Operation(pair[0], b"a" * BIG), Operation(pair[0], b"b" * 1000)
    assert kernel32.CancelIoEx(pair[0], byref(second.overlapped))
    assert second.result() == (0, 99, 99, WSAError.WSA_OPERATION_ABORTED)
    kernel32.CancelIoEx(pair[0], byref(first.overlapped))
    assert sent(pair[1], b"!") == 1
    assert len(read_all(pair[1], BIG)) == BIG
    assert first.result(wait=True)[0] == 1


# -- blocked calls, APCs, close ----------------------------------------------------------------------------------------


def test_l1_an_apc_runs_in_a_blocked_recv(pair: tuple[int, int]) -> None:
    """at once, in the blocked thread, and the call goes on"""
    ran: list[str] = []
    waiting = Running(received, pair[0], 10)
    asleep(waiting)
    waiting.executive.queue_apc(lambda _: ran.append("apc"), 0)
    until(lambda: ran)
    assert waiting.alive()
    assert sent(pair[1], b"end") == 3
    assert waiting.result() == b"end"


def test_l2_an_apc_runs_in_a_blocked_accept_and_send(pair: tuple[int, int]) -> None:
    ran: list[str] = []
    listener, port = listening()
    accepting = Running(ws2_32.accept, listener, None, None)
    asleep(accepting)
    accepting.executive.queue_apc(ran.append, "accept")
    until(lambda: ran == ["accept"])
    client = made()
    assert connect(client, port) == 0
    server = accepting.result()
    sending = Running(sent, pair[0], bytes(BIG))
    asleep(sending)
    sending.executive.queue_apc(ran.append, "send")
    until(lambda: ran == ["accept", "send"])
    assert len(read_all(pair[1], BIG)) == BIG
    assert sending.result() == BIG
    close(client, server, listener)


def test_l3_l4_a_call_that_need_not_wait_runs_no_apc(pair: tuple[int, int]) -> None:
    ran: list[int] = []
    assert sent(pair[1], b"here") == 4
    ready(pair[0], 4)
    kernel32.QueueUserAPC(lambda value: ran.append(value), kernel32.GetCurrentThread(), 5)
    assert received(pair[0], 10) == b"here"
    set_nonblocking(pair[0])
    assert received(pair[0], 10) == WSAError.WSAEWOULDBLOCK
    assert ran == []
    assert kernel32.SleepEx(0, True) == c.WAIT_IO_COMPLETION
    assert ran == [5]


def test_l5_an_apc_that_sends_what_the_blocked_call_waits_for(pair: tuple[int, int]) -> None:
    kernel32.QueueUserAPC(lambda _: sent(pair[1], b"from the apc"), kernel32.GetCurrentThread(), 0)
    assert received(pair[0], 20) == b"from the apc"


def test_l6_close_by_another_thread(family: int) -> None:
    """blocked recv, accept, send: WSAEINTR"""
    near, far = connected(family)
    receiving = Running(received, near, 10)
    asleep(receiving)
    close(near)
    assert receiving.result() == WSAError.WSAEINTR
    listener, _ = listening(family)
    accepting = Running(lambda: (ws2_32.accept(listener, None, None), error()))
    asleep(accepting)
    close(listener)
    assert accepting.result() == (INVALID_SOCKET, WSAError.WSAEINTR)
    one, other = connected(family)
    sending = Running(sent, one, bytes(BIG))
    asleep(sending)
    close(one)
    assert sending.result() == -WSAError.WSAEINTR
    close(far, other)


def test_k10_wsacleanup_tells_nobody(pair: tuple[int, int]) -> None:
    """aborted, not told"""
    with event() as handle:
        operation = Operation(pair[0], 10, hEvent=handle)
        while runtime.starts:
            assert ws2_32.WSACleanup() == 0
        assert operation.internal == c.STATUS_CANCELLED
        assert not is_set(handle)
    assert failed(ws2_32.closesocket(pair[0])) == WSAError.WSANOTINITIALISED
