"""Socket addresses between memory and tuples: against the kernel's own forms, and through all values."""

import errno
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ws2spi.redirect import addresses

PORTS = st.integers(0, 65535)
WORDS = st.integers(0, 2**32 - 1)


@given(st.ip_addresses(v=4), PORTS)
def test_ipv4_there_and_back(host: object, port: int) -> None:
    address = (str(host), port)
    data = addresses.pack(socket.AF_INET, address)
    assert len(data) == 16
    assert addresses.refused(socket.AF_INET, data) == 0
    assert addresses.unpack(data) == address


@given(st.ip_addresses(v=6), PORTS, st.integers(0, 0xFFFFF), WORDS)
def test_ipv6_there_and_back(host: object, port: int, flow: int, scope: int) -> None:
    data = addresses.pack(socket.AF_INET6, (str(host), port, flow, scope))
    assert len(data) == 28
    assert addresses.refused(socket.AF_INET6, data) == 0
    unpacked = addresses.unpack(data)
    assert unpacked[1:] == (port, flow, scope)
    assert socket.inet_pton(socket.AF_INET6, unpacked[0]) == host.packed  # type: ignore[attr-defined]


@given(st.ip_addresses(v=4), PORTS)
def test_ipv4_on_an_ipv6_socket_is_written_mapped(host: object, port: int) -> None:
    data = addresses.pack(socket.AF_INET6, (str(host), port))
    assert addresses.is_mapped(socket.AF_INET6, data)
    assert addresses.unmapped(addresses.unpack(data)) == (str(host), port)


def test_unmapped_leaves_others_alone() -> None:
    for address in (("127.0.0.1", 1), ("::1", 1, 0, 0), ("::ffff:1", 1, 0, 0)):
        assert addresses.unmapped(address) == address


@given(st.binary(max_size=addresses.MAX_SIZE))
def test_any_memory_is_judged_and_what_passes_can_be_read(data: bytes) -> None:
    for family in (socket.AF_INET, socket.AF_INET6):
        error = addresses.refused(family, data)
        assert error in (0, errno.EINVAL, errno.EAFNOSUPPORT)
        if not error and not addresses.is_unspecified(data):
            addresses.unpack(data)


@pytest.mark.parametrize(
    ("family", "data", "error"),
    [
        (socket.AF_INET, b"", errno.EINVAL),
        (socket.AF_INET, b"\2", errno.EINVAL),
        (socket.AF_INET, struct.pack("=H13x", socket.AF_INET), errno.EINVAL),
        (socket.AF_INET, struct.pack("=H14x", socket.AF_INET), 0),
        (socket.AF_INET, struct.pack("=H26x", socket.AF_INET6), errno.EAFNOSUPPORT),
        (socket.AF_INET, struct.pack("=H", socket.AF_UNSPEC), 0),
        (socket.AF_INET6, struct.pack("=H21x", socket.AF_INET6), errno.EINVAL),
        (socket.AF_INET6, struct.pack("=H22x", socket.AF_INET6), 0),
        (socket.AF_INET6, struct.pack("=H26x", socket.AF_INET), errno.EAFNOSUPPORT),
    ],
)
def test_refusals_are_linux(family: int, data: bytes, error: int) -> None:
    assert addresses.refused(family, data) == error


def test_show_puts_brackets_round_ipv6() -> None:
    assert addresses.show(("127.0.0.1", 80)) == "127.0.0.1:80"
    assert addresses.show(("::1", 80, 0, 0)) == "[::1]:80"
