"""Datagrams through the exact face: witness rows I ("our rule")."""

import ctypes
from typing import Any

import pytest

from support.clients import Datagram, asleep, connect, failed, name, ready, sent
from support.threads import Running, until
from support.winsock import (
    bound,
    byref,
    close,
    error,
    event,
    is_set,
    made,
    packet,
    port_for,
    port_of,
    received,
    set_nonblocking,
    sockaddr,
)
from ws2spi import kernel32, ws2_32
from ws2spi._abi import addresses
from ws2spi._abi import constants as c
from ws2spi._abi.constants import AF_INET, SOCK_DGRAM
from ws2spi._abi.errors import WSAError

PENDING = WSAError.WSA_IO_PENDING

pytestmark = pytest.mark.usefixtures("kind")


def test_datagrams_with_and_without_a_peer(family: int) -> None:
    """sendto, recvfrom, connect, send, recv, names; boundaries and empty datagrams are kept"""
    one, two = made(SOCK_DGRAM, family), made(SOCK_DGRAM, family)
    port = bound(two, family)
    address = sockaddr(port, family)
    for text in (b"first", b"", b"third"):
        assert ws2_32.sendto(one, text, len(text), 0, address, len(address)) == len(text)
    room, sender, length = ctypes.create_string_buffer(99), ctypes.create_string_buffer(128), ctypes.c_int(128)
    got = []
    for _ in range(3):
        count = ws2_32.recvfrom(two, room, 99, 0, sender, byref(length))
        got.append(room.raw[:count])
    assert got == [b"first", b"", b"third"]
    assert addresses.unpack(sender.raw[: length.value])[1][1] == port_of(one)
    assert ws2_32.sendto(two, b"back", 4, 0, sender, length.value) == 4
    assert received(one, 99) == b"back"
    assert connect(one, port, family) == 0
    assert sent(one, b"to the peer") == 11
    assert received(two, 99) == b"to the peer"
    assert name(ws2_32.getpeername, one)[1] == port
    close(one, two)


def test_i1_recvfrom_with_an_overlapped_writes_the_sender_at_the_end(datagrams: tuple[int, int]) -> None:
    one, two = datagrams
    with event() as handle:
        operation = Datagram(two, 20, hEvent=handle)
        assert (operation.code, operation.length.value) == (PENDING, 128)
        assert sent(one, b"hello") == 5
        assert is_set(handle, 10_000)
        assert operation.result() == (1, 5, 0, 0)
        assert addresses.unpack(operation.sender.raw[: operation.length.value])[1][1] == port_of(one)
        assert operation.memory.raw[:5] == b"hello"


def test_i2_a_datagram_that_is_too_long(datagrams: tuple[int, int]) -> None:
    """the rest is lost, WSAEMSGSIZE; with an OVERLAPPED the status is 0x80000005 and the bytes count"""
    one, two = datagrams
    assert sent(one, b"12345") == sent(one, b"67890") == 5
    room = ctypes.create_string_buffer(3)
    assert failed(ws2_32.recv(two, room, 3, 0)) == WSAError.WSAEMSGSIZE
    assert room.raw == b"123"
    assert received(two, 9) == b"67890"
    with event() as handle:
        operation = Datagram(two, 3, hEvent=handle)
        assert sent(one, b"abcde") == 5
        assert is_set(handle, 10_000)
        assert operation.result()[::3] == (0, WSAError.WSAEMSGSIZE)
        assert (operation.overlapped.Internal, operation.overlapped.InternalHigh) == (0x80000005, 3)
        assert operation.memory.raw == b"abc"


def test_i3_a_truncated_receive_that_ends_at_once_is_told(datagrams: tuple[int, int]) -> None:
    """event; routine with 0 bytes; packet with the bytes"""
    one, two = datagrams
    with event() as handle:
        assert sent(one, b"12345") == 5
        ready(two)
        operation = Datagram(two, 3, hEvent=handle)
        assert operation.code == WSAError.WSAEMSGSIZE
        assert is_set(handle)
        assert operation.overlapped.InternalHigh == 3
    told: list[tuple[int, int]] = []
    assert sent(one, b"12345") == 5
    ready(two)
    operation = Datagram(two, 3, routine=lambda code, count, pointer, flags: told.append((code, count)))
    assert operation.code == WSAError.WSAEMSGSIZE
    assert kernel32.SleepEx(10_000, True) == c.WAIT_IO_COMPLETION
    assert told == [(WSAError.WSAEMSGSIZE, 0)]
    with port_for(two) as port:
        assert sent(one, b"12345") == 5
        ready(two)
        operation = Datagram(two, 3)
        assert operation.code == WSAError.WSAEMSGSIZE
        assert packet(port, 10_000) == (False, 3, 7, ctypes.addressof(operation.overlapped), 234)


def test_i4_zero_bytes_and_peeks(datagrams: tuple[int, int]) -> None:
    one, two = datagrams
    assert sent(one, b"12345") == sent(one, b"67890") == 5
    assert received(two, 0) == WSAError.WSAEMSGSIZE
    assert received(two, 3, c.MSG_PEEK) == WSAError.WSAEMSGSIZE
    assert received(two, 9, c.MSG_PEEK) == b"67890"
    assert received(two, 9) == b"67890"
    assert sent(one, b"") == 0
    assert received(two, 9) == b""
    set_nonblocking(two)
    assert received(two, 9, c.MSG_PEEK) == WSAError.WSAEWOULDBLOCK
    assert sent(one, b"abc") == 3
    ready(two, 3)
    assert received(two, 9, c.MSG_PEEK) == received(two, 9) == b"abc"


def test_i5_too_long_out_of_band_broadcast(datagrams: tuple[int, int], family: int) -> None:
    one, two = datagrams
    assert sent(one, bytes(70_000)) == -WSAError.WSAEMSGSIZE
    assert sent(one, b"x", c.MSG_OOB) == -WSAError.WSAEOPNOTSUPP
    assert received(two, 9, c.MSG_OOB) == WSAError.WSAEOPNOTSUPP
    if family == AF_INET:
        s, everybody = made(SOCK_DGRAM), sockaddr(9, host="255.255.255.255")
        assert failed(ws2_32.sendto(s, b"x", 1, 0, everybody, 16)) == WSAError.WSAEACCES
        close(s)


def test_i6_unbound_unconnected_and_disconnected(family: int) -> None:
    """recv unbound WSAEINVAL, send without a peer WSAENOTCONN, connect(AF_UNSPEC) removes the peer"""
    s, other = made(SOCK_DGRAM, family), made(SOCK_DGRAM, family)
    assert received(s, 9) == WSAError.WSAEINVAL
    assert sent(s, b"x") == -WSAError.WSAENOTCONN
    assert connect(s, bound(other, family), family) == 0
    assert sent(s, b"x") == 1
    nobody = ctypes.create_string_buffer(28)
    assert ws2_32.connect(s, nobody, 28) == 0, error()
    assert sent(s, b"x") == -WSAError.WSAENOTCONN
    assert name(ws2_32.getpeername, s) == WSAError.WSAENOTCONN
    close(s, other)


def test_i7_a_peer_that_is_gone(datagrams: tuple[int, int], kind: str) -> None:
    """its port is closed: WSAECONNRESET; FIONREAD is the total (of what is this side of a layer, where there is one)"""
    one, two = datagrams
    assert sent(one, b"123") == 3
    assert sent(one, b"45678") == 5
    ready(two, 8 if kind in ("base", "control") else 3)
    close(one)
    assert sent(two, b"into the void") == 13
    codes: list[Any] = []
    until(lambda: codes.append(received(two, 99)) or codes[-1] == WSAError.WSAECONNRESET)
    assert [one for one in codes if isinstance(one, bytes)] in ([b"123", b"45678"], [b"123"], [])


def test_l6_close_ends_a_blocked_recvfrom(datagrams: tuple[int, int]) -> None:
    waiting = Running(received, datagrams[0], 10)
    asleep(waiting)
    close(datagrams[0])
    assert waiting.result() == WSAError.WSAEINTR


def test_datagram_receives_end_in_posting_order(datagrams: tuple[int, int]) -> None:
    """H1 for datagrams, with one of them cancelled"""
    one, two = datagrams
    operations = [Datagram(two, 10) for _ in range(3)]
    assert kernel32.CancelIoEx(two, byref(operations[1].overlapped))
    assert sent(one, b"a") == sent(one, b"b") == 1
    assert operations[2].result(wait=True) == (1, 1, 0, 0)
    assert operations[0].memory.raw[:1] + operations[2].memory.raw[:1] == b"ab"
    assert operations[1].result()[3] == WSAError.WSA_OPERATION_ABORTED
