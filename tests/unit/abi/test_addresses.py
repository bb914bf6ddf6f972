"""sockaddr bytes and Python tuples."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ws2spi._abi import addresses
from ws2spi._abi.constants import AF_INET, AF_INET6

ports = some.integers(0, 65535)


@given(some.ip_addresses(v=4), ports)
def test_ipv4_there_and_back(host: ipaddress.IPv4Address, port: int) -> None:
    data = addresses.pack(AF_INET, (str(host), port))
    assert len(data) == 16
    assert data[:2] == b"\x02\x00"
    assert data[2:8] == port.to_bytes(2, "big") + host.packed
    assert addresses.unpack(data) == (AF_INET, (str(host), port))


@given(some.ip_addresses(v=6), ports, some.integers(0, 2**20 - 1), some.integers(0, 2**32 - 1))
def test_ipv6_there_and_back(host: ipaddress.IPv6Address, port: int, flow: int, scope: int) -> None:
    data = addresses.pack(AF_INET6, (str(host), port, flow, scope))
    assert len(data) == 28
    assert data[:2] == b"\x17\x00"
    family, (back, *rest) = addresses.unpack(data + b"more")
    assert (family, ipaddress.ip_address(back), rest) == (AF_INET6, host, [port, flow, scope])


@given(some.binary(max_size=40))
def test_any_bytes_give_an_address_or_a_refusal(data: bytes) -> None:
    try:
        family, address = addresses.unpack(data)
    except ValueError:
        return
    assert addresses.pack(family, address)[:8] == data[:8]


def test_a_scope_in_the_host_is_dropped_and_two_members_do() -> None:
    assert addresses.pack(AF_INET6, ("fe80::1%lo", 1)) == addresses.pack(AF_INET6, ("fe80::1", 1, 0, 0))


def test_families() -> None:
    assert [addresses.linux_family(family) for family in (AF_INET, AF_INET6)] == [2, 10]
    assert addresses.windows_family(10) == AF_INET6
    assert addresses.wildcard(AF_INET6) == ("::", 0, 0, 0)
    for function in (addresses.linux_family, addresses.windows_family, addresses.wildcard):
        with pytest.raises(addresses.UnknownFamilyError):
            function(99)  # type: ignore[operator]
    with pytest.raises(addresses.UnknownFamilyError):
        addresses.unpack(b"\x63\0" + bytes(14))
    with pytest.raises(addresses.ShortAddressError):
        addresses.unpack(b"\x02\0" + bytes(5))
    with pytest.raises(addresses.UnknownFamilyError):
        addresses.pack(99, ("x", 1))
