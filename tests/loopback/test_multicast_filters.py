"""SIO_GET/SET_MULTICAST_FILTER, SIOCGMSFILTER/SIOCSMSFILTER and the inline functions over them (RFC 3678)."""

import ctypes
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from support import winsock
from support.winsock import error
from ws2spi import ws2_32
from ws2spi._abi import addresses
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError

pytestmark = pytest.mark.usefixtures("kind")
byref = ctypes.byref
GROUP, LOOPBACK = socket.inet_aton("239.7.7.9"), socket.inet_aton("127.0.0.1")
INDEX = socket.inet_aton("0.0.0.1")  # of the loopback interface
FIRST, SECOND = socket.inet_aton("127.0.0.1"), socket.inet_aton("127.0.0.2")
INCLUDE, EXCLUDE = c.MCAST_INCLUDE, c.MCAST_EXCLUDE
Filter = tuple[int, int, list[bytes]]


@pytest.fixture
def udp(kind: str) -> Iterator[int]:
    s = winsock.made(c.SOCK_DGRAM)
    yield s
    ws2_32.closesocket(s)


def in_addr(data: bytes) -> int:
    return int.from_bytes(data, "little")


def put(s: int, mode: int, *sources: bytes, interface: bytes = LOOPBACK, group: bytes = GROUP) -> int:
    """SetIpv4SourceFilter: 0 or the code."""
    listed = ctypes.create_string_buffer(b"".join(sources), 4 * len(sources) or 1)
    done = ws2_32.SetIpv4SourceFilter(s, in_addr(interface), in_addr(group), mode, len(sources), listed)
    return error() if done else 0


def got(s: int, room: int = 8, interface: bytes = LOOPBACK, group: bytes = GROUP) -> Filter | int:
    """(mode, number of all sources, those there was room for) of GetIpv4SourceFilter, or the code."""
    mode, count, listed = ctypes.c_uint32(99), ctypes.c_uint32(room), ctypes.create_string_buffer(4 * room or 1)
    place = listed if room else None
    if ws2_32.GetIpv4SourceFilter(s, in_addr(interface), in_addr(group), byref(mode), byref(count), place):
        return error()
    held = min(room, count.value)
    return mode.value, count.value, sorted(listed.raw[4 * at : 4 * at + 4] for at in range(held))


def member(s: int) -> bool:
    """Whether the socket's group is joined."""
    return got(s) != WSAError.WSAEADDRNOTAVAIL


def test_a_filter_is_the_state_of_its_group(udp: int) -> None:
    assert got(udp) == WSAError.WSAEADDRNOTAVAIL, "nothing is joined"
    assert put(udp, INCLUDE) == 0, "include nobody: it is so already"
    assert put(udp, INCLUDE, FIRST, SECOND) == 0
    assert got(udp) == (INCLUDE, 2, [FIRST, SECOND])
    assert got(udp, 1) in [(INCLUDE, 2, [FIRST]), (INCLUDE, 2, [SECOND])]
    assert got(udp, 0) == (INCLUDE, 2, [])
    assert put(udp, EXCLUDE, SECOND) == 0
    assert got(udp) == (EXCLUDE, 1, [SECOND])
    assert put(udp, INCLUDE) == 0
    assert not member(udp), "who includes nobody has left"


def test_an_interface_by_its_index(udp: int) -> None:
    assert put(udp, EXCLUDE, FIRST, interface=INDEX) == 0
    assert got(udp, interface=INDEX) == (EXCLUDE, 1, [FIRST])
    assert got(udp, interface=LOOPBACK) == (EXCLUDE, 1, [FIRST]), "the same interface"


def test_who_is_filtered_is_not_received(udp: int) -> None:
    name = winsock.sockaddr(0, host="0.0.0.0")
    assert ws2_32.bind(udp, byref(name), ctypes.sizeof(name)) == 0, error()
    port = winsock.port_of(udp)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("127.0.0.1", 0))
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, LOOPBACK)
        for mode, sources, heard in (
            (EXCLUDE, (), True), (EXCLUDE, (FIRST,), False), (INCLUDE, (FIRST,), True), (INCLUDE, (SECOND,), False),
        ):  # fmt: skip
            assert put(udp, mode, *sources) == 0
            sender.sendto(b"group", ("239.7.7.9", port))
            sender.sendto(b"one", ("127.0.0.1", port))
            assert winsock.received(udp) == (b"group" if heard else b"one"), (mode, sources)
            if heard:
                assert winsock.received(udp) == b"one"


def test_in_structures(udp: int) -> None:
    s = winsock.made(c.SOCK_DGRAM)
    data = ctypes.create_string_buffer(GROUP + LOOPBACK + struct.pack("<II", INCLUDE, 1) + FIRST, 20)
    count = ctypes.c_uint32()
    assert ws2_32.WSAIoctl(s, c.SIO_SET_MULTICAST_FILTER, data, 20, None, 0, byref(count), None, None) == 0
    answer = ctypes.create_string_buffer(64)
    asked = s, c.SIO_GET_MULTICAST_FILTER, data, 8, answer
    assert ws2_32.WSAIoctl(*asked, 64, byref(count), None, None) == 0
    assert answer.raw[: count.value] == data.raw
    other = ctypes.create_string_buffer(socket.inet_aton("239.7.7.10") + LOOPBACK, 8)
    assert ws2_32.WSAIoctl(s, c.SIO_GET_MULTICAST_FILTER, other, 8, answer, 64, byref(count), None, None) == -1
    assert error() == WSAError.WSAEADDRNOTAVAIL
    many = GROUP + LOOPBACK + struct.pack("<II", INCLUDE, 200) + bytes(range(200)) * 4
    assert ws2_32.WSAIoctl(s, c.SIO_SET_MULTICAST_FILTER, many, 816, None, 0, byref(count), None, None) == -1
    assert error() == WSAError.WSAENOBUFS
    for size in (8, 15):
        assert ws2_32.WSAIoctl(*asked, size, byref(count), None, None) == -1
        assert error() == WSAError.WSAEFAULT, "no room"
    for code, size in ((c.SIO_SET_MULTICAST_FILTER, 19), (c.SIO_SET_MULTICAST_FILTER, 8), (c.SIOCSMSFILTER, 20),
                       (c.SIO_GET_MULTICAST_FILTER, 7), (c.SIOCGMSFILTER, 20)):  # fmt: skip
        assert ws2_32.WSAIoctl(s, code, data, size, answer, 64, byref(count), None, None) == -1
        assert error() == WSAError.WSAEFAULT, "too short"
    winsock.close(s)


def storage(host: str, family: int) -> bytes:
    scope = (host, 0, 0, 0) if family == c.AF_INET6 else (host, 0)
    return addresses.pack(family, scope).ljust(128, b"\0")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("family", "group", "hosts"),
    [(c.AF_INET, "239.7.7.9", ("127.0.0.1", "127.0.0.2")), (c.AF_INET6, "ff01::7779", ("::1", "fd00::9"))],
)
def test_either_family(kind: str, family: int, group: str, hosts: tuple[str, str]) -> None:
    s = winsock.made(c.SOCK_DGRAM, family)
    name = ctypes.create_string_buffer(storage(group, family), 128)
    size = addresses.SIZES[family]
    listed = ctypes.create_string_buffer(b"".join(storage(host, family) for host in hosts), 256)
    assert ws2_32.SetSourceFilter(s, 1, name, size, INCLUDE, 2, listed) == 0, error()
    mode, count, found = ctypes.c_uint32(), ctypes.c_uint32(3), ctypes.create_string_buffer(3 * 128)
    assert ws2_32.GetSourceFilter(s, 1, name, size, byref(mode), byref(count), found) == 0, error()
    assert (mode.value, count.value) == (INCLUDE, 2)
    seen = {addresses.unpack(found.raw[128 * at : 128 * at + size])[1][0] for at in range(2)}
    assert seen == set(hosts)
    assert ws2_32.SetSourceFilter(s, 1, name, size, INCLUDE, 0, None) == 0
    count.value = 0
    assert ws2_32.GetSourceFilter(s, 1, name, size, byref(mode), byref(count), None) == -1
    assert error() == WSAError.WSAEADDRNOTAVAIL
    winsock.close(s)


def test_codes(udp: int) -> None:
    stream = winsock.made()
    name = ctypes.create_string_buffer(storage("239.7.7.9", c.AF_INET), 128)
    mode, count = ctypes.c_uint32(), ctypes.c_uint32(1)
    out = byref(mode), byref(count)
    many = [bytes((127, 0, 1, at)) for at in range(200)]
    several = ctypes.create_string_buffer(storage("127.0.0.1", c.AF_INET) * 200, 128 * 200)
    ipv4 = in_addr(LOOPBACK), in_addr(GROUP)
    wrong = ctypes.create_string_buffer(storage("ff01::7", c.AF_INET6), 128)
    place = ctypes.create_string_buffer(256)
    set4, get4 = ws2_32.SetIpv4SourceFilter, ws2_32.GetIpv4SourceFilter
    set_any, get_any = ws2_32.SetSourceFilter, ws2_32.GetSourceFilter
    rows: list[tuple[Any, tuple[Any, ...], int]] = [
        (set4, (stream, *ipv4, INCLUDE, 1, FIRST), WSAError.WSAEINVAL),
        (set4, (udp, *ipv4, 2, 0, None), WSAError.WSAEINVAL),
        (set4, (udp, ipv4[0], in_addr(LOOPBACK), EXCLUDE, 0, None), WSAError.WSAEINVAL),
        (set4, (udp, *ipv4, INCLUDE, 1, None), WSAError.WSAEFAULT),
        (set4, (udp, *ipv4, INCLUDE, 200, b"".join(many)), WSAError.WSAENOBUFS),
        (get4, (stream, *ipv4, *out, place), WSAError.WSAEINVAL),
        (get4, (udp, *ipv4, None, out[1], place), WSAError.WSAEFAULT),
        (get4, (udp, *ipv4, out[0], None, place), WSAError.WSAEFAULT),
        (get4, (udp, *ipv4, *out, None), WSAError.WSAEFAULT),
        (get4, (udp, *ipv4, *out, place), WSAError.WSAEADDRNOTAVAIL),
        (set_any, (stream, 1, name, 16, INCLUDE, 1, several), WSAError.WSAEINVAL),
        (set_any, (udp, 1, wrong, 28, EXCLUDE, 0, None), WSAError.WSAEINVAL),
        (set_any, (udp, 1, name, 16, INCLUDE, 1, None), WSAError.WSAEFAULT),
        (set_any, (udp, 1, None, 16, INCLUDE, 0, None), WSAError.WSAEFAULT),
        (set_any, (udp, 1, name, 129, INCLUDE, 0, None), WSAError.WSAENOBUFS),
        (set_any, (udp, 1, name, 16, INCLUDE, 200, several), WSAError.WSAENOBUFS),
        (get_any, (stream, 1, name, 16, *out, place), WSAError.WSAEINVAL),
        (get_any, (udp, 1, wrong, 28, *out, place), WSAError.WSAEINVAL),
        (get_any, (udp, 1, None, 16, *out, place), WSAError.WSAEFAULT),
        (get_any, (udp, 1, name, 129, *out, place), WSAError.WSAENOBUFS),
        (get_any, (udp, 1, name, 16, *out, None), WSAError.WSAEFAULT),
        (get_any, (udp, 1, name, 16, *out, place), WSAError.WSAEADDRNOTAVAIL),
    ]
    for position, (call, arguments, code) in enumerate(rows):
        assert call(*arguments) == -1, position
        assert error() == code, position
    for call in (set4, get4):
        assert call(0x7FFF, *ipv4, *(out if call is get4 else (INCLUDE, 0)), place) == -1
        assert error() == WSAError.WSAENOTSOCK
    for call in (set_any, get_any):
        assert call(0x7FFF, 1, name, 16, *(out if call is get_any else (INCLUDE, 0)), place) == -1
        assert error() == WSAError.WSAENOTSOCK
    winsock.close(stream)
