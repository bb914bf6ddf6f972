"""Addresses as text: the formats that the pages and witness R7 name, both directions."""

import pytest

from ws2spi._abi.constants import AF_INET, AF_INET6, AF_UNSPEC
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._runtime.names.text import format_address, ipv4_number, parse_address

ROUND_TRIPS = [
    (AF_INET, "0.0.0.0", ("0.0.0.0", 0)),
    (AF_INET, "127.0.0.1", ("127.0.0.1", 0)),
    (AF_INET, "255.255.255.255:65535", ("255.255.255.255", 65535)),
    (AF_INET6, "::", ("::", 0, 0, 0)),
    (AF_INET6, "2001:db8::1", ("2001:db8::1", 0, 0, 0)),
    (AF_INET6, "fe80::1%3", ("fe80::1", 0, 0, 3)),
    (AF_INET6, "[::1]:80", ("::1", 80, 0, 0)),
    (AF_INET6, "[fe80::1%3]:443", ("fe80::1", 443, 0, 3)),
    (AF_INET6, "::ffff:10.0.0.1", ("::ffff:10.0.0.1", 0, 0, 0)),
]


@pytest.mark.parametrize(("family", "text", "address"), ROUND_TRIPS)
def test_there_and_back(family: int, text: str, address: tuple[str, int]) -> None:
    assert format_address(family, address) == text
    assert parse_address(text, family) == (family, address)
    assert parse_address(text, AF_UNSPEC) == (family, address)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.1", ("127.0.0.1", 0)),
        ("0x7f.0.0.1:0x50", ("127.0.0.1", 80)),
        ("004.003.002.020", ("4.3.2.16", 0)),
        ("1.2.3.4:0", ("1.2.3.4", 0)),
        ("1.2.3.4:010", ("1.2.3.4", 8)),
    ],
)
def test_ipv4_is_read_generously(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text, AF_INET) == (AF_INET, address)


def test_ipv6_is_read_generously() -> None:
    assert parse_address("[::1]", AF_INET6) == (AF_INET6, ("::1", 0, 0, 0))
    assert parse_address("2001:DB8:0:0:0:0:0:1", AF_INET6)[1][0] == "2001:db8::1"
    assert parse_address("fe80::1%lo", AF_INET6)[1] == ("fe80::1", 0, 0, 1), "an interface's name"


@pytest.mark.parametrize("family", [AF_INET, AF_INET6, AF_UNSPEC])
@pytest.mark.parametrize(
    "text",
    ["", " ", "a", "1.2.3.256", "1.2.3.4.5", "1.2.3.4 ", "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:65536", "1.2.3.4:-1",
     ":80", "[::1", "::1]", "[::1]:", "[::1]x", "[::1]:65536", ":::", "fe80::1%", "fe80::1%nosuch", "[1.2.3.4]:80",
     "fe80::1%4294967296", "12345::", "\0", "1.2.3.4\0", "::1\n", "1.2.3.4:\u0661"],
)  # fmt: skip
def test_what_is_no_address(text: str, family: int) -> None:
    with pytest.raises(WinsockError) as caught:
        parse_address(text, family)
    assert caught.value.code == WSAError.WSAEINVAL


@pytest.mark.parametrize(("text", "family"), [("::1", AF_INET), ("1.2.3.4", AF_INET6), ("1.2.3.4", 99), ("::1", -1)])
def test_of_another_family(text: str, family: int) -> None:
    with pytest.raises(WinsockError) as caught:
        parse_address(text, family)
    assert caught.value.code == WSAError.WSAEINVAL


def test_ipv4_notations_of_inet_addr() -> None:
    assert ipv4_number("0x4.0x3.0x2.0x10") == ipv4_number("4.003.002.0x10") == b"\4\3\2\x10"
    assert ipv4_number("1.2.3") == b"\1\2\0\3"
    assert ipv4_number("10.0.0.1 trailing") is None
