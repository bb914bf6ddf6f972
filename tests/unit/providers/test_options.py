"""Socket options in both spellings."""

import os
import socket
import struct

import pytest

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi.providers import options

ROWS = sorted(options.TABLE)


@pytest.mark.parametrize(("level", "option"), ROWS)
def test_every_row_is_an_option_of_linux(level: int, option: int) -> None:
    """Its numbers are known to the kernel; its value is converted both ways without loss of the Windows size."""
    row = options.TABLE[level, option]
    family = socket.AF_INET6 if row.level == socket.IPPROTO_IPV6 else socket.AF_INET
    stream = level == c.IPPROTO_TCP or option == c.SO_KEEPALIVE
    kind, protocol = socket.SOCK_STREAM if stream else socket.SOCK_DGRAM, 0
    if (level, option) == (c.IPPROTO_IP, c.IP_HDRINCL):
        if os.geteuid():
            pytest.skip("an option of raw sockets, which need CAP_NET_RAW")
        kind, protocol = socket.SOCK_RAW, socket.IPPROTO_ICMP
    with socket.socket(family, kind, protocol) as sock:
        if "r" not in row.access:
            assert len(row.to_linux(bytes(32))) == row.size
            return
        if option in (c.IP_MTU, c.IPV6_MTU):
            sock.connect(("127.0.0.1", 9) if family == socket.AF_INET else ("::1", 9))
        value = row.to_windows(sock.getsockopt(row.level, row.number, row.size))
        assert len(value) == row.room
        if "w" in row.access:
            sock.setsockopt(row.level, row.number, row.to_linux(value))


@pytest.mark.parametrize("level", [c.SOL_SOCKET, c.SOL_SOCKET - 0x10000])
def test_sol_socket_may_be_written_as_a_negative_number(level: int) -> None:
    assert options.lookup(level, c.SO_KEEPALIVE, "r").number == socket.SO_KEEPALIVE


def test_unknown_level_and_unknown_option() -> None:
    """P12: WSAEINVAL and WSAENOPROTOOPT"""
    with pytest.raises(WinsockError) as level:
        options.lookup(0x4321, 1, "r")
    with pytest.raises(WinsockError) as option:
        options.lookup(c.SOL_SOCKET, 0x7ABC, "r")
    assert (level.value.code, option.value.code) == (WSAError.WSAEINVAL, WSAError.WSAENOPROTOOPT)


@pytest.mark.parametrize("value", [b"\1", b"\1\0\0\0", b"\1\0\0\0\0\0\0\0"])
def test_a_boolean_may_have_any_size(value: bytes) -> None:
    """P12: 1 byte for SO_KEEPALIVE is accepted"""
    assert options.lookup(c.SOL_SOCKET, c.SO_KEEPALIVE, "r").to_linux(value) == struct.pack("i", 1)


def test_only_booleans_fit_into_one_byte() -> None:
    assert options.lookup(c.SOL_SOCKET, c.SO_KEEPALIVE, "r").boolean
    assert options.lookup(c.IPPROTO_TCP, c.TCP_NODELAY, "r").boolean
    assert not options.lookup(c.SOL_SOCKET, c.SO_RCVBUF, "r").boolean
    assert not options.lookup(c.SOL_SOCKET, c.SO_LINGER, "r").boolean


def test_linger_has_two_shorts_on_windows_and_two_ints_on_linux() -> None:
    row = options.lookup(c.SOL_SOCKET, c.SO_LINGER, "r")
    assert row.to_linux(struct.pack("<HH", 1, 300)) == struct.pack("ii", 1, 300)
    assert row.to_windows(struct.pack("ii", 5, 300)) == struct.pack("<HH", 1, 300)


def test_buffer_sizes_are_told_as_they_were_set() -> None:
    """Linux doubles them for its own use"""
    row = options.lookup(c.SOL_SOCKET, c.SO_SNDBUF, "r")
    with socket.socket() as sock:
        sock.setsockopt(row.level, row.number, row.to_linux(struct.pack("<i", 30_000)))
        assert struct.unpack("<i", row.to_windows(sock.getsockopt(row.level, row.number, row.size))) == (30_000,)


@pytest.mark.parametrize(
    ("level", "option"),
    [(c.SOL_SOCKET, c.SO_KEEPALIVE), (c.SOL_SOCKET, c.SO_LINGER), (c.IPPROTO_IP, c.IP_ADD_MEMBERSHIP)],
)
def test_a_value_that_is_too_short(level: int, option: int) -> None:
    with pytest.raises(WinsockError) as caught:
        options.lookup(level, option, "w").to_linux(b"")
    assert caught.value.code == WSAError.WSAEFAULT


@pytest.mark.parametrize("option", [~c.SO_LINGER, ~c.SO_LINGER & 0xFFFFFFFF, c.SO_DONTLINGER])
def test_complements_are_known_in_every_spelling(option: int) -> None:
    assert options.is_option(option, c.SO_DONTLINGER)
    assert not options.is_option(c.SO_LINGER, c.SO_DONTLINGER)
