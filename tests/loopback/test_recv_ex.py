"""WSARecvEx: recv that says whether it got a part of a message (nf-mswsock-wsarecvex)."""

import ctypes

import pytest

from support import winsock
from support.winsock import error
from ws2spi import mswsock, ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError

pytestmark = pytest.mark.usefixtures("kind")
byref = ctypes.byref


def received(s: int, size: int = 100) -> tuple[bytes, int] | int:
    """(data, flags), or the code."""
    buffer, flags = ctypes.create_string_buffer(max(size, 1)), ctypes.c_int(c.MSG_PEEK | c.MSG_OOB)
    count = mswsock.WSARecvEx(s, buffer, size, byref(flags))
    if count == -1:
        assert flags.value == c.MSG_PEEK | c.MSG_OOB, "untouched"
        return error()
    return buffer.raw[:count], flags.value


def test_a_datagram_whole_and_in_part(kind: str, family: int) -> None:
    sender, receiver = winsock.datagram_pair(family)
    for data in (b"whole", b"in part", b"next"):
        assert ws2_32.send(sender, data, len(data), 0) == len(data)
    assert received(receiver) == (b"whole", 0), "what is in the flags chooses nothing"
    assert received(receiver, 2) == (b"in", c.MSG_PARTIAL)
    assert received(receiver) == (b"next", 0)
    winsock.close(sender, receiver)


def test_a_stream_has_no_parts(pair: tuple[int, int]) -> None:
    client, server = pair
    assert ws2_32.send(client, b"abcdef", 6, 0) == 6
    assert received(server, 2) == (b"ab", 0)
    assert received(server, 4) == (b"cdef", 0)
    ws2_32.shutdown(client, c.SD_SEND)
    assert received(server) == (b"", 0)


def test_codes(pair: tuple[int, int]) -> None:
    client, server = pair
    buffer = ctypes.create_string_buffer(8)
    assert mswsock.WSARecvEx(client, buffer, 8, None) == -1
    assert error() == WSAError.WSAEFAULT
    assert received(client, -1) == WSAError.WSAEFAULT
    assert mswsock.WSARecvEx(client, None, 8, byref(ctypes.c_int())) == -1
    assert error() == WSAError.WSAEFAULT
    assert received(0x7FFF) == WSAError.WSAENOTSOCK
    winsock.set_nonblocking(client)
    assert received(client) == WSAError.WSAEWOULDBLOCK
    ws2_32.shutdown(client, c.SD_RECEIVE)
    assert received(client) == WSAError.WSAESHUTDOWN
    fresh, datagram = winsock.made(), winsock.made(c.SOCK_DGRAM)
    assert received(fresh) == WSAError.WSAENOTCONN
    assert received(datagram) == WSAError.WSAEINVAL, "no name"
    milliseconds = ctypes.c_uint32(1)
    assert ws2_32.setsockopt(server, c.SOL_SOCKET, c.SO_RCVTIMEO, byref(milliseconds), 4) == 0
    assert received(server) == WSAError.WSAETIMEDOUT
    winsock.close(fresh, datagram)


def test_before_wsastartup(started: None) -> None:
    s = winsock.made()
    winsock.stop()
    assert received(s) == WSAError.WSANOTINITIALISED
    winsock.start()
