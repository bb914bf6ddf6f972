"""Options and control codes through the exact face: witness rows P12, Q ("our rule")."""

import ctypes
import socket
import struct
from typing import Any

import pytest

from support.clients import FIONREAD, failed, option, ready, sent, set_option
from support.winsock import (
    bound,
    byref,
    close,
    error,
    event,
    is_set,
    made,
    received,
)
from ws2spi import ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.constants import AF_INET, AF_INET6, INVALID_SOCKET, SOCK_STREAM, SOL_SOCKET
from ws2spi._abi.errors import WSAError

pytestmark = pytest.mark.usefixtures("kind")


def test_p12_options_refused(stream: int) -> None:
    """unknown; unknown level; NULL or short; 1 byte for a boolean; one that can only be read"""
    assert option(stream, SOL_SOCKET, 0x7ABC) == -WSAError.WSAENOPROTOOPT
    assert option(stream, 0x1234, 1) == -WSAError.WSAEINVAL
    assert failed(ws2_32.getsockopt(stream, SOL_SOCKET, c.SO_TYPE, None, byref(ctypes.c_int(4)))) == WSAError.WSAEFAULT
    assert option(stream, SOL_SOCKET, c.SO_TYPE, 2) == -WSAError.WSAEFAULT
    assert option(stream, SOL_SOCKET, c.SO_LINGER, 3) == -WSAError.WSAEFAULT
    assert set_option(stream, SOL_SOCKET, c.SO_LINGER, b"\1") == WSAError.WSAEFAULT
    assert failed(ws2_32.setsockopt(stream, SOL_SOCKET, c.SO_KEEPALIVE, None, 4)) == WSAError.WSAEFAULT
    assert set_option(stream, SOL_SOCKET, c.SO_KEEPALIVE, b"\1") == 0
    assert option(stream, SOL_SOCKET, c.SO_KEEPALIVE) == 1
    assert option(stream, SOL_SOCKET, c.SO_KEEPALIVE, 1) == 1
    assert set_option(stream, SOL_SOCKET, c.SO_ACCEPTCONN, bytes(4)) == WSAError.WSAENOPROTOOPT


def test_common_options(stream: int) -> None:
    """what is set is read back, in Windows' numbers and layouts"""
    one = struct.pack("<i", 1)
    for level, number in [
        (SOL_SOCKET, c.SO_REUSEADDR),
        (SOL_SOCKET, c.SO_KEEPALIVE),
        (SOL_SOCKET, c.SO_OOBINLINE),
        (c.IPPROTO_TCP, c.TCP_NODELAY),
    ]:
        assert option(stream, level, number) == 0
        assert set_option(stream, level, number, one) == 0
        assert option(stream, level, number) == 1
    assert set_option(stream, SOL_SOCKET, c.SO_RCVBUF, struct.pack("<i", 20_000)) == 0
    assert option(stream, SOL_SOCKET, c.SO_RCVBUF) == 20_000
    assert set_option(stream, SOL_SOCKET, c.SO_LINGER, struct.pack("<HH", 1, 7)) == 0
    assert option(stream, SOL_SOCKET, c.SO_LINGER) == 1 | 7 << 16
    assert option(stream, SOL_SOCKET, c.SO_DONTLINGER & 0xFFFFFFFF) == 0
    assert set_option(stream, SOL_SOCKET, c.SO_DONTLINGER, one) == 0
    assert option(stream, SOL_SOCKET, c.SO_LINGER) & 0xFFFF == 0
    assert option(stream, SOL_SOCKET, c.SO_TYPE) == SOCK_STREAM
    assert option(stream, SOL_SOCKET, c.SO_ACCEPTCONN) == 0
    bound(stream)
    assert ws2_32.listen(stream, 1) == 0
    assert option(stream, SOL_SOCKET, c.SO_ACCEPTCONN) == 1


def test_options_of_ipv6_sockets() -> None:
    """an IPv6 socket takes IPv6 only unless told otherwise"""
    s = made(SOCK_STREAM, AF_INET6)
    assert option(s, c.IPPROTO_IPV6, c.IPV6_V6ONLY) == 1
    assert set_option(s, c.IPPROTO_IPV6, c.IPV6_V6ONLY, bytes(4)) == 0
    assert option(s, c.IPPROTO_IPV6, c.IPV6_V6ONLY) == 0
    close(s)


def test_so_protocol_info_says_which_entry_made_the_socket(stream: int, kind: str) -> None:
    info, length = ws2_32.WSAPROTOCOL_INFOW(), ctypes.c_int(ctypes.sizeof(ws2_32.WSAPROTOCOL_INFOW))
    assert ws2_32.getsockopt(stream, SOL_SOCKET, c.SO_PROTOCOL_INFOW, byref(info), byref(length)) == 0
    assert (info.iAddressFamily, info.iSocketType, info.iProtocol) == (AF_INET, SOCK_STREAM, 6)
    assert info.ProtocolChain.ChainLen == {"base": 1, "control": 2, "bytes": 2, "two": 3}[kind]
    assert bool(info.dwServiceFlags1 & c.XP1_IFS_HANDLES) == (kind in ("base", "control"))


def test_q4_to_q7_control_codes(pair: tuple[int, int]) -> None:
    """FIONREAD and FIONBIO through WSAIoctl, short buffers, with an OVERLAPPED; the base handle; unknown codes"""

    def ioctl(code: int, data: Any, size: int, room: Any, length: int, overlapped: Any = None) -> int:
        returned = ctypes.c_uint32()
        failure = ws2_32.WSAIoctl(pair[0], code, data, size, room, length, byref(returned), overlapped, None)
        return error() if failure else returned.value

    number, base = ctypes.c_uint32(), ctypes.c_uint64()
    assert sent(pair[1], b"1234") == 4
    ready(pair[0], 4)
    assert ioctl(FIONREAD, None, 0, byref(number), 4) == number.value == 4
    assert ioctl(FIONREAD, None, 0, byref(number), 2) == WSAError.WSAEFAULT
    with event() as handle:
        overlapped = ws2_32.WSAOVERLAPPED(hEvent=handle)
        assert ioctl(FIONREAD, None, 0, byref(number), 4, byref(overlapped)) == 4
        assert is_set(handle)
        assert overlapped.InternalHigh == 4
    assert ioctl(0x8004667E, byref(ctypes.c_uint32(1)), 4, None, 0) == 0
    assert received(pair[0], 10) == b"1234"
    assert received(pair[0], 10) == WSAError.WSAEWOULDBLOCK
    assert ioctl(c.SIO_BASE_HANDLE, None, 0, byref(base), 8) == 8
    assert socket.socket(fileno=base.value).detach() == base.value
    assert ioctl(0x18001234, None, 0, None, 0) == WSAError.WSAEOPNOTSUPP


def test_no_descriptors_left(stream: int) -> None:
    """WSAEMFILE or WSAENOBUFS, and everything works again afterwards"""
    import os
    import resource

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(one) for one in os.listdir("/proc/self/fd"))
    taken = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, limits[1]))
    try:
        while (s := ws2_32.socket(AF_INET, SOCK_STREAM, 6)) != INVALID_SOCKET:
            taken.append(s)
        assert error() in (WSAError.WSAEMFILE, WSAError.WSAENOBUFS)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    close(*taken)
    close(made())
