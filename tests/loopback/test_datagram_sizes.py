"""Datagrams that are cut by the socket and put together by it: UDP_SEND_MSG_SIZE and UDP_RECV_MAX_COALESCED_SIZE."""

import ctypes
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from support import winsock
from support.extension import fetch
from support.winsock import error
from ws2spi import mswsock, ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError

byref = ctypes.byref
CALLS = (
    (ws2_32.WSASetUdpSendMessageSize, ws2_32.WSAGetUdpSendMessageSize),
    (ws2_32.WSASetUdpRecvMaxCoalescedSize, ws2_32.WSAGetUdpRecvMaxCoalescedSize),
)
LARGEST = 65535


@pytest.fixture
def pair(started: None, family: int) -> Iterator[tuple[int, int]]:
    """Two datagram sockets, the first connected to the second."""
    ends = winsock.datagram_pair(family)
    yield ends
    winsock.close(*ends)


def stored(call: Any, s: int) -> int:
    number = ctypes.c_uint32(0xABCD)
    assert call(s, byref(number)) == 0, error()
    return number.value


def message(s: int) -> tuple[bytes, int]:
    """WSARecvMsg: the data, and the size of the datagrams in it (0: one)."""
    memory, control = ctypes.create_string_buffer(LARGEST), ctypes.create_string_buffer(128)
    buffer = ws2_32.WSABUF(LARGEST, ctypes.addressof(memory))
    place = ws2_32.WSABUF(128, ctypes.addressof(control))
    msg = mswsock.WSAMSG(None, 0, ctypes.pointer(buffer), 1, place, 0)
    count = ctypes.c_uint32()
    assert fetch(s, "WSARecvMsg")(s, ctypes.addressof(msg), ctypes.addressof(count), None, None) == 0, error()
    size = 0
    if msg.Control.len:
        length, level, kind, size = struct.unpack_from("<QiiI", control.raw)
        assert (length, level, kind) == (20, c.IPPROTO_UDP, c.UDP_COALESCED_INFO)
    return memory.raw[: count.value], size


def test_one_send_many_datagrams(pair: tuple[int, int]) -> None:
    sender, receiver = pair
    assert ws2_32.WSASetUdpSendMessageSize(sender, 100) == 0
    assert stored(ws2_32.WSAGetUdpSendMessageSize, sender) == 100
    data = bytes(range(250))
    assert ws2_32.send(sender, data, len(data), 0) == 250
    assert [winsock.received(receiver) for _ in range(3)] == [data[:100], data[100:200], data[200:]]
    assert ws2_32.WSASetUdpSendMessageSize(sender, 0) == 0
    assert ws2_32.send(sender, data, len(data), 0) == 250
    assert winsock.received(receiver) == data


def test_many_datagrams_one_receive(pair: tuple[int, int]) -> None:
    sender, receiver = pair
    assert stored(ws2_32.WSAGetUdpRecvMaxCoalescedSize, receiver) == 0
    assert ws2_32.WSASetUdpRecvMaxCoalescedSize(receiver, 65527) == 0
    assert stored(ws2_32.WSAGetUdpRecvMaxCoalescedSize, receiver) == LARGEST
    ws2_32.WSASetUdpSendMessageSize(sender, 100)
    data = bytes(range(250))
    assert ws2_32.send(sender, data, len(data), 0) == 250
    assert message(receiver) == (data, 100)
    assert ws2_32.WSASetUdpSendMessageSize(sender, 0) == 0
    assert ws2_32.send(sender, b"alone", 5, 0) == 5
    assert message(receiver)[0] == b"alone"


def test_a_size_for_one_message(pair: tuple[int, int]) -> None:
    sender, receiver = pair
    memory = ctypes.create_string_buffer(b"abcdefgh", 8)
    control = ctypes.create_string_buffer(struct.pack("<QiiI", 20, c.IPPROTO_UDP, c.UDP_SEND_MSG_SIZE, 3), 24)
    buffer = ws2_32.WSABUF(8, ctypes.addressof(memory))
    msg = mswsock.WSAMSG(None, 0, ctypes.pointer(buffer), 1, ws2_32.WSABUF(24, ctypes.addressof(control)), 0)
    count = ctypes.c_uint32()
    assert ws2_32.WSASendMsg(sender, byref(msg), 0, byref(count), None, None) == 0, error()
    assert [winsock.received(receiver) for _ in range(3)] == [b"abc", b"def", b"gh"]
    struct.pack_into("<I", control, 16, 0x10000)
    assert ws2_32.WSASendMsg(sender, byref(msg), 0, byref(count), None, None) == -1
    assert error() == WSAError.WSAEINVAL


def test_codes(pair: tuple[int, int]) -> None:
    stream = winsock.made()
    for put, get in CALLS:
        for s, code in ((stream, WSAError.WSAENOPROTOOPT), (0x7FFF, WSAError.WSAENOTSOCK)):
            assert put(s, 0) == -1
            assert error() == code
            assert get(s, byref(ctypes.c_uint32())) == -1
            assert error() == code
        assert get(pair[0], None) == -1
        assert error() == WSAError.WSAEFAULT
    assert ws2_32.WSASetUdpSendMessageSize(pair[0], 0x10000) == -1
    assert error() == WSAError.WSAEINVAL
    assert ws2_32.WSASetUdpRecvMaxCoalescedSize(pair[0], 1000) == -1
    assert error() == WSAError.WSAEINVAL
    winsock.close(stream)
