"""WSPGetSockOpt, WSPSetSockOpt: every option of the pages, and SO_LINGER's closesocket (nc-ws2spi-lpwspgetsockopt,
-lpwspsetsockopt, -lpwspclosesocket; sol-socket-, ipproto-ip-, ipproto-ipv6-, ipproto-tcp-socket-options)."""

import ctypes
import socket
import struct
from typing import Any

import pytest

from support import winsock
from support.clients import option, set_option
from support.threads import Running
from ws2spi import ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError

pytestmark = pytest.mark.usefixtures("kind")
byref = ctypes.byref
TCP, UDP = c.SOCK_STREAM, c.SOCK_DGRAM
V4, V6 = c.AF_INET, c.AF_INET6
IP, IPV6 = c.IPPROTO_IP, c.IPPROTO_IPV6


def number(value: int) -> bytes:
    return struct.pack("<i", value)


# Reads back what is set: (type, family, level, option, at first, set, then)
NUMBERS: list[tuple[int, int, int, int, int | None, int, int]] = [
    (TCP, V4, c.SOL_SOCKET, c.SO_DEBUG, 0, 1, 1),
    (TCP, V4, c.SOL_SOCKET, c.SO_DONTROUTE, 0, 1, 1),
    (TCP, V4, c.SOL_SOCKET, c.SO_KEEPALIVE, 0, 1, 1),
    (TCP, V4, c.SOL_SOCKET, c.SO_OOBINLINE, 0, 1, 1),
    (TCP, V4, c.SOL_SOCKET, c.SO_REUSEADDR, 0, 1, 1),
    (TCP, V4, c.SOL_SOCKET, c.SO_CONDITIONAL_ACCEPT, 0, 1, 1),
    (TCP, V4, c.SOL_SOCKET, c.SO_RANDOMIZE_PORT, 0, 1, 1),
    (TCP, V4, c.SOL_SOCKET, c.SO_PORT_SCALABILITY, 0, 1, 1),
    (TCP, V4, c.SOL_SOCKET, c.SO_EXCLUSIVEADDRUSE & 0xFFFFFFFF, 0, 1, 1),
    (TCP, V4, c.SOL_SOCKET, c.SO_GROUP_PRIORITY, 0, 2, 2),
    (TCP, V4, c.SOL_SOCKET, c.SO_SNDTIMEO, 0, 1500, 1500),
    (UDP, V4, c.SOL_SOCKET, c.SO_BROADCAST, 0, 1, 1),
    (TCP, V4, c.IPPROTO_TCP, c.TCP_NODELAY, 0, 1, 1),
    (TCP, V4, c.IPPROTO_TCP, c.TCP_KEEPCNT, None, 9, 9),
    (TCP, V4, c.IPPROTO_TCP, c.TCP_KEEPIDLE, 7200, 30, 30),
    (TCP, V4, c.IPPROTO_TCP, c.TCP_KEEPINTVL, None, 7, 7),
    (TCP, V4, c.IPPROTO_TCP, c.TCP_MAXRT, 0xFFFFFFFF, 20, 20),
    (TCP, V4, c.IPPROTO_TCP, c.TCP_EXPEDITED_1122, 0, 1, 1),
    (TCP, V4, c.IPPROTO_TCP, c.TCP_BSDURGENT, 1, 0, 0),
    (UDP, V4, c.IPPROTO_UDP, c.UDP_NOCHECKSUM, 0, 1, 1),
    (UDP, V4, IP, c.IP_TTL, 64, 5, 5),
    (UDP, V4, IP, c.IP_TOS, 0, 16, 16),
    (UDP, V4, IP, c.IP_MULTICAST_TTL, 1, 4, 4),
    (UDP, V4, IP, c.IP_MULTICAST_LOOP, 1, 0, 0),
    (UDP, V4, IP, c.IP_DONTFRAGMENT, None, 1, 1),
    (UDP, V4, IP, c.IP_DONTFRAGMENT, None, 0, 0),
    (UDP, V4, IP, c.IP_MTU_DISCOVER, None, 3, 3),
    (UDP, V4, IP, c.IP_PKTINFO, 0, 1, 1),
    (UDP, V4, IP, c.IP_RECVTTL, 0, 1, 1),
    (UDP, V4, IP, c.IP_RECVTOS, 0, 1, 1),
    (UDP, V4, IP, c.IP_RECEIVE_BROADCAST, 1, 0, 0),
    (UDP, V6, IPV6, c.IPV6_V6ONLY, 1, 0, 0),
    (UDP, V6, IPV6, c.IPV6_UNICAST_HOPS, 64, 5, 5),
    (UDP, V6, IPV6, c.IPV6_MULTICAST_HOPS, 1, 4, 4),
    (UDP, V6, IPV6, c.IPV6_MULTICAST_LOOP, 1, 0, 0),
    (UDP, V6, IPV6, c.IPV6_MULTICAST_IF, 0, 1, 1),
    (UDP, V6, IPV6, c.IPV6_PKTINFO, 0, 1, 1),
    (UDP, V6, IPV6, c.IPV6_HOPLIMIT, 0, 1, 1),
    (UDP, V6, IPV6, c.IPV6_RECVTCLASS, 0, 1, 1),
    (UDP, V6, IPV6, c.IPV6_DONTFRAG, 0, 1, 1),
    (UDP, V6, IPV6, c.IPV6_MTU_DISCOVER, None, 2, 2),
]


@pytest.mark.parametrize(("type", "family", "level", "name", "first", "value", "then"), NUMBERS)
def test_option_that_is_read_and_set(
    type: int, family: int, level: int, name: int, first: int | None, value: int, then: int
) -> None:
    s = winsock.made(type, family)
    if first is not None:
        assert option(s, level, name) == first, "the default"
    assert set_option(s, level, name, number(value)) == 0
    assert option(s, level, name) == then
    winsock.close(s)


READ_ONLY = [
    (TCP, c.SOL_SOCKET, c.SO_ACCEPTCONN, 0),
    (TCP, c.SOL_SOCKET, c.SO_ERROR, 0),
    (TCP, c.SOL_SOCKET, c.SO_TYPE, c.SOCK_STREAM),
    (UDP, c.SOL_SOCKET, c.SO_TYPE, c.SOCK_DGRAM),
    (UDP, c.SOL_SOCKET, c.SO_MAX_MSG_SIZE, 65507),
    (TCP, c.SOL_SOCKET, c.SO_CONNECT_TIME, 0xFFFFFFFF),
    (TCP, c.SOL_SOCKET, c.SO_GROUP_ID, 0),
]


@pytest.mark.parametrize(("type", "level", "name", "value"), READ_ONLY)
def test_option_that_is_only_read(type: int, level: int, name: int, value: int) -> None:
    s = winsock.made(type)
    assert option(s, level, name) == value
    assert set_option(s, level, name, number(1)) == WSAError.WSAENOPROTOOPT
    winsock.close(s)


@pytest.mark.parametrize("name", [c.IP_ADD_MEMBERSHIP, c.IP_DROP_MEMBERSHIP, c.IP_ADD_SOURCE_MEMBERSHIP])
def test_option_that_is_only_set(name: int) -> None:
    s = winsock.made(UDP)
    assert option(s, IP, name, 12) == -WSAError.WSAENOPROTOOPT
    assert set_option(s, IP, name, bytes(7)) == WSAError.WSAEFAULT
    winsock.close(s)


@pytest.mark.parametrize(
    ("type", "level", "name", "code"),
    [
        (TCP, c.SOL_SOCKET, c.PVD_CONFIG, WSAError.WSAENOPROTOOPT),
        (TCP, c.SOL_SOCKET, 0x7ABC, WSAError.WSAENOPROTOOPT),
        (UDP, IP, c.IP_HDRINCL, WSAError.WSAENOPROTOOPT),
        (UDP, IP, c.IP_OPTIONS, WSAError.WSAENOPROTOOPT),
        (UDP, c.IPPROTO_TCP, c.TCP_NODELAY, WSAError.WSAENOPROTOOPT),
        (TCP, 0x1234, 1, WSAError.WSAEINVAL),
    ],
)
def test_option_that_nobody_has(type: int, level: int, name: int, code: int) -> None:
    s = winsock.made(type)
    assert option(s, level, name, 16) == -code
    assert set_option(s, level, name, number(1)) == code
    winsock.close(s)


def test_values_that_are_refused() -> None:
    s, datagram = winsock.made(), winsock.made(UDP)
    assert set_option(s, c.IPPROTO_TCP, c.TCP_KEEPCNT, number(256)) == WSAError.WSAEINVAL
    assert set_option(datagram, IP, c.IP_MTU_DISCOVER, number(7)) == WSAError.WSAEINVAL
    assert set_option(s, c.SOL_SOCKET, c.SO_UPDATE_CONNECT_CONTEXT, b"") == WSAError.WSAENOTCONN
    assert set_option(s, c.IPPROTO_TCP, c.TCP_MAXRT, number(-1)) == 0
    assert option(s, c.IPPROTO_TCP, c.TCP_MAXRT) == 0xFFFFFFFF
    winsock.close(s, datagram)


def test_memberships_of_groups() -> None:
    s = winsock.made(UDP)
    group, loopback = socket.inet_aton("239.7.7.8"), socket.inet_aton("127.0.0.1")
    assert set_option(s, IP, c.IP_MULTICAST_IF, loopback) == 0
    assert set_option(s, IP, c.IP_MULTICAST_IF, socket.inet_aton("0.0.0.1")) == 0, "an index"
    assert set_option(s, IP, c.IP_ADD_MEMBERSHIP, group + loopback) == 0
    assert set_option(s, IP, c.IP_BLOCK_SOURCE, group + loopback + loopback) == 0
    assert set_option(s, IP, c.IP_UNBLOCK_SOURCE, group + loopback + loopback) == 0
    assert set_option(s, IP, c.IP_DROP_MEMBERSHIP, group + loopback) == 0
    assert set_option(s, IP, c.IP_DROP_MEMBERSHIP, group + loopback) == WSAError.WSAEADDRNOTAVAIL
    assert set_option(s, IP, c.IP_ADD_SOURCE_MEMBERSHIP, group + loopback + loopback) == 0
    assert set_option(s, IP, c.IP_DROP_SOURCE_MEMBERSHIP, group + loopback + loopback) == 0
    six = winsock.made(UDP, V6)
    member = socket.inet_pton(socket.AF_INET6, "ff01::77") + struct.pack("I", 1)
    assert set_option(six, IPV6, c.IPV6_JOIN_GROUP, member) == 0
    assert set_option(six, IPV6, c.IPV6_LEAVE_GROUP, member) == 0
    assert set_option(six, IPV6, c.IPV6_JOIN_GROUP, member[:19]) == WSAError.WSAEFAULT
    winsock.close(s, six)


def test_protocol_info_in_both_forms() -> None:
    s = winsock.made()
    for name, kind in (
        (c.SO_PROTOCOL_INFOW, ws2_32.WSAPROTOCOL_INFOW),
        (c.SO_PROTOCOL_INFOA, ws2_32.WSAPROTOCOL_INFOA),
    ):
        info, length = kind(), ctypes.c_int(ctypes.sizeof(kind))
        assert ws2_32.getsockopt(s, c.SOL_SOCKET, name, byref(info), byref(length)) == 0
        assert (info.iSocketType, info.iProtocol, info.iAddressFamily) == (TCP, c.IPPROTO_TCP, V4)
        length.value -= 1
        assert ws2_32.getsockopt(s, c.SOL_SOCKET, name, byref(info), byref(length)) == -1
        assert winsock.error() == WSAError.WSAEFAULT
    winsock.close(s)


def test_buffers_and_path() -> None:
    client, server = winsock.connected()
    assert option(client, c.IPPROTO_TCP, c.TCP_MAXSEG) > 0
    assert set_option(client, c.IPPROTO_TCP, c.TCP_MAXSEG, number(500)) == WSAError.WSAENOPROTOOPT
    assert option(client, IP, c.IP_MTU) > 0
    assert set_option(client, c.SOL_SOCKET, c.SO_UPDATE_CONNECT_CONTEXT, b"") == 0
    winsock.close(client, server)


# -- closesocket and SO_LINGER -----------------------------------------------------------------------------------------


def filled(seconds: int) -> tuple[int, int, int]:
    """A connection with unsent bytes and a linger time: (client, server, bytes sent)."""
    client, server = winsock.connected()
    assert set_option(client, c.SOL_SOCKET, c.SO_LINGER, struct.pack("<HH", 1, seconds)) == 0
    winsock.set_nonblocking(client)
    total, data = 0, bytes(1 << 16)
    while (count := ws2_32.send(client, data, len(data), 0)) > 0:
        total += count
    winsock.set_nonblocking(client, 0)
    return client, server, total


def test_close_waits_until_the_peer_has_everything() -> None:
    client, server, total = filled(60)
    closing = Running(ws2_32.closesocket, client)
    assert len(winsock.read_all(server, total + 1)) == total, "all, and then the end"
    assert closing.result() == 0
    winsock.close(server)


def test_close_resets_when_the_time_is_over() -> None:
    client, server, _ = filled(1)
    assert ws2_32.closesocket(client) == 0
    got: Any = b""
    while isinstance(got, bytes):
        got = winsock.received(server)
        assert got != b"", "no graceful end"
    assert got == WSAError.WSAECONNRESET
    winsock.close(server)
