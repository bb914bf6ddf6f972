"""ECN codepoints of datagrams: WSASetRecvIPEcn, IP_ECN and IPV6_ECN (winsock, winsock-ecn)."""

import ctypes
import struct
from collections.abc import Iterator

import pytest

from support import winsock
from support.extension import fetch
from support.winsock import error
from ws2spi import mswsock, ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError

byref = ctypes.byref
ECN = 50
Control = list[tuple[int, int]]  # (type, number)


@pytest.fixture
def level(family: int) -> int:
    return c.IPPROTO_IP if family == c.AF_INET else c.IPPROTO_IPV6


@pytest.fixture
def tos(family: int) -> int:
    """The message of the whole octet."""
    return c.IP_TOS if family == c.AF_INET else c.IPV6_TCLASS


@pytest.fixture
def pair(started: None, family: int) -> Iterator[tuple[int, int]]:
    ends = winsock.datagram_pair(family)
    yield ends
    winsock.close(*ends)


def message(control: ctypes.Array[ctypes.c_char], size: int, data: bytes | int) -> tuple[mswsock.WSAMSG, object]:
    memory = (
        ctypes.create_string_buffer(data, len(data)) if isinstance(data, bytes) else ctypes.create_string_buffer(data)
    )
    buffer = ws2_32.WSABUF(len(memory), ctypes.addressof(memory))
    room = ws2_32.WSABUF(size, ctypes.addressof(control))
    return mswsock.WSAMSG(None, 0, ctypes.pointer(buffer), 1, room, 0), memory


def sent(s: int, level: int, *messages: tuple[int, int]) -> int:
    """WSASendMsg with control messages of one INT each: 0 or the code."""
    data = b"".join(struct.pack("<Qiii4x", 20, level, kind, number) for kind, number in messages)
    control = ctypes.create_string_buffer(data, len(data))
    msg, kept = message(control, len(data), b"x")
    result = ws2_32.WSASendMsg(s, byref(msg), 0, byref(ctypes.c_uint32()), None, None)
    assert kept
    return error() if result else 0


def told(s: int, level: int) -> Control:
    """The control messages of the next datagram."""
    control = ctypes.create_string_buffer(256)
    msg, kept = message(control, 256, 100)
    count = ctypes.c_uint32()
    assert fetch(s, "WSARecvMsg")(s, ctypes.addressof(msg), ctypes.addressof(count), None, None) == 0, error()
    assert kept
    found: Control = []
    at = 0
    while at < msg.Control.len:
        length, message_level, kind, number = struct.unpack_from("<Qiii", control.raw, at)
        assert (length, message_level) == (20, level)
        found.append((kind, number))
        at += 24
    return sorted(found)


def enabled(s: int) -> int:
    value = ctypes.c_uint32(99)
    assert ws2_32.WSAGetRecvIPEcn(s, byref(value)) == 0, error()
    return value.value


def option(s: int, level: int, name: int, value: int) -> None:
    assert ws2_32.setsockopt(s, level, name, byref(ctypes.c_int(value)), 4) == 0, error()


def test_the_codepoint_is_told_to_who_asks_for_it(pair: tuple[int, int], level: int) -> None:
    sender, receiver = pair
    assert enabled(receiver) == 0
    assert ws2_32.WSASetRecvIPEcn(receiver, 1) == 0
    assert enabled(receiver) == 1
    for codepoint in (0, 1, 2):
        assert sent(sender, level, (ECN, codepoint)) == 0
        assert told(receiver, level) == [(ECN, codepoint)]
    assert ws2_32.WSASetRecvIPEcn(receiver, 0) == 0
    assert sent(sender, level, (ECN, 1)) == 0
    assert told(receiver, level) == []


def test_beside_the_whole_octet(pair: tuple[int, int], level: int, tos: int) -> None:
    """Each of the two options is on by itself, though Linux has one for both."""
    sender, receiver = pair
    whole = c.IP_RECVTOS if level == c.IPPROTO_IP else c.IPV6_RECVTCLASS
    option(receiver, level, whole, 1)
    assert enabled(receiver) == 0
    assert sent(sender, level, (ECN, 2)) == 0
    assert told(receiver, level) == [(tos, 2)]
    ws2_32.WSASetRecvIPEcn(receiver, 1)
    assert sent(sender, level, (tos, 0x28), (ECN, 2)) == 0
    assert told(receiver, level) == sorted([(tos, 0x2A), (ECN, 2)]), "the codepoint takes its two bits alone"
    option(receiver, level, whole, 0)
    assert sent(sender, level, (ECN, 1)) == 0
    assert told(receiver, level) == [(ECN, 1)], "the other goes on"
    value, size = ctypes.c_int(9), ctypes.c_int(4)
    assert ws2_32.getsockopt(receiver, level, whole, byref(value), byref(size)) == 0
    assert value.value == 0


def test_the_sockets_own_octet_stays(pair: tuple[int, int], level: int, tos: int) -> None:
    sender, receiver = pair
    if level == c.IPPROTO_IPV6:
        pytest.skip("Windows has no option for a socket's traffic class")
    option(sender, level, tos, 0x48)
    option(receiver, level, c.IP_RECVTOS, 1)
    assert sent(sender, level, (ECN, 1)) == 0
    assert told(receiver, level) == [(tos, 0x49)]


def test_codes(pair: tuple[int, int], level: int) -> None:
    sender, _ = pair
    for codepoint in (3, 4, -1):
        assert sent(sender, level, (ECN, codepoint)) == WSAError.WSAEINVAL, "congestion is not the sender's to tell"
    stream = winsock.made()
    for s, code in ((stream, WSAError.WSAENOPROTOOPT), (0x7FFF, WSAError.WSAENOTSOCK)):
        assert ws2_32.WSASetRecvIPEcn(s, 1) == -1
        assert error() == code
        assert ws2_32.WSAGetRecvIPEcn(s, byref(ctypes.c_uint32())) == -1
        assert error() == code
    assert ws2_32.WSAGetRecvIPEcn(sender, None) == -1
    assert error() == WSAError.WSAEFAULT
    winsock.close(stream)
