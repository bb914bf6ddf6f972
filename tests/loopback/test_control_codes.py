"""WSPIoctl: every control code of TCP and UDP (nc-ws2spi-lpwspioctl, winsock-ioctls; witness Q4 to Q7)."""

import ctypes
import socket
import struct
import subprocess
from typing import Any

import pytest

from support import winsock
from ws2spi import kernel32, ws2_32
from ws2spi._abi import addresses
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError
from ws2spi._runtime.sockets import sockets

pytestmark = pytest.mark.usefixtures("kind")
byref = ctypes.byref
ROOM = 4096


def controlled(s: int, code: int, data: bytes = b"", room: int = ROOM, overlapped: Any = None) -> bytes | int:
    """The output, or the code."""
    given, answer = ctypes.create_string_buffer(data, len(data) or 1), ctypes.create_string_buffer(room)
    count = ctypes.c_uint32(0xABCD)
    pointer = None if overlapped is None else byref(overlapped)
    failed = ws2_32.WSAIoctl(
        s, code, given if data else None, len(data), answer if room else None, room, byref(count), pointer, None
    )
    return winsock.error() if failed else answer.raw[: count.value]


def listed(data: bytes, start: int = 0) -> list[Any]:
    """The addresses of a SOCKET_ADDRESS_LIST that lies where its pointers say."""
    (count,) = struct.unpack_from("<i", data)
    result = []
    for index in range(count):
        pointer, length = struct.unpack_from("<Qi", data, 8 + 16 * index)
        result.append(addresses.unpack(ctypes.string_at(pointer, length))[1])
    return result


@pytest.fixture
def tcp(kind: str) -> Any:
    s = winsock.made()
    yield s
    ws2_32.closesocket(s)


@pytest.fixture
def udp(kind: str) -> Any:
    s = winsock.made(c.SOCK_DGRAM)
    yield s
    ws2_32.closesocket(s)


def test_keep_alive_values(tcp: int, udp: int) -> None:
    assert controlled(tcp, c.SIO_KEEPALIVE_VALS, struct.pack("<III", 1, 60_000, 5_000)) == b""
    values = {}
    for level, option in (
        (c.SOL_SOCKET, c.SO_KEEPALIVE),
        (c.IPPROTO_TCP, c.TCP_KEEPIDLE),
        (c.IPPROTO_TCP, c.TCP_KEEPINTVL),
    ):
        value, length = ctypes.c_uint32(), ctypes.c_int(4)
        assert ws2_32.getsockopt(tcp, level, option, byref(value), byref(length)) == 0
        values[option] = value.value
    assert values == {c.SO_KEEPALIVE: 1, c.TCP_KEEPIDLE: 60, c.TCP_KEEPINTVL: 5}
    assert controlled(tcp, c.SIO_KEEPALIVE_VALS, bytes(12)) == b""
    assert controlled(tcp, c.SIO_KEEPALIVE_VALS, bytes(11)) == WSAError.WSAEFAULT
    assert controlled(tcp, c.SIO_KEEPALIVE_VALS, struct.pack("<III", 1, 0, 5)) == WSAError.WSAEINVAL
    assert controlled(udp, c.SIO_KEEPALIVE_VALS, bytes(12)) == WSAError.WSAEINVAL


def test_mark_of_a_stream_without_urgent_data(tcp: int, udp: int) -> None:
    assert controlled(tcp, c.SIOCATMARK) == struct.pack("<I", 1)
    assert controlled(udp, c.SIOCATMARK) == WSAError.WSAEINVAL


def test_broadcast_address(udp: int) -> None:
    answer = controlled(udp, c.SIO_GET_BROADCAST_ADDRESS)
    assert isinstance(answer, bytes)
    assert addresses.unpack(answer)[1] == ("255.255.255.255", 0)
    six = winsock.made(c.SOCK_DGRAM, c.AF_INET6)
    assert controlled(six, c.SIO_GET_BROADCAST_ADDRESS) == WSAError.WSAENOPROTOOPT
    winsock.close(six)


def test_routing_interface_query(udp: int, tcp: int) -> None:
    loopback = addresses.pack(c.AF_INET, ("127.0.0.9", 80))
    for s in (udp, tcp):
        answer = controlled(s, c.SIO_ROUTING_INTERFACE_QUERY, loopback)
        assert isinstance(answer, bytes)
        assert addresses.unpack(answer)[1] == ("127.0.0.1", 0)
    assert controlled(udp, c.SIO_ROUTING_INTERFACE_QUERY, loopback, room=15) == WSAError.WSAEFAULT
    assert controlled(udp, c.SIO_ROUTING_INTERFACE_QUERY, loopback[:8]) == WSAError.WSAEFAULT
    assert controlled(udp, c.SIO_ROUTING_INTERFACE_QUERY, b"\x63" + loopback[1:]) == WSAError.WSAEAFNOSUPPORT
    six = addresses.pack(c.AF_INET6, ("::1", 80, 0, 0))
    assert controlled(udp, c.SIO_ROUTING_INTERFACE_QUERY, six) == WSAError.WSAEAFNOSUPPORT


def test_address_list_query_gives_what_can_be_bound(tcp: int) -> None:
    memory, count = ctypes.create_string_buffer(ROOM), ctypes.c_uint32()
    assert ws2_32.WSAIoctl(tcp, c.SIO_ADDRESS_LIST_QUERY, None, 0, memory, ROOM, byref(count), None, None) == 0
    found = listed(memory.raw)
    assert found
    for address in found:
        with socket.socket() as probe:
            probe.bind(address)
    needed = ctypes.c_uint32()
    assert ws2_32.WSAIoctl(tcp, c.SIO_ADDRESS_LIST_QUERY, None, 0, memory, 4, byref(needed), None, None) == -1
    assert winsock.error() == WSAError.WSAEFAULT
    assert needed.value == count.value, "the size that is needed"


def test_address_list_sort_puts_what_is_reachable_first(tcp: int) -> None:
    candidates = [("203.0.113.7", 1), ("127.0.0.1", 2)]
    packed = [ctypes.create_string_buffer(addresses.pack(c.AF_INET, one), 16) for one in candidates]
    data = struct.pack("<i4x", 2) + b"".join(struct.pack("<Qi4x", ctypes.addressof(one), 16) for one in packed)
    given, answer = ctypes.create_string_buffer(data, len(data)), ctypes.create_string_buffer(ROOM)
    count = ctypes.c_uint32()
    assert ws2_32.WSAIoctl(tcp, c.SIO_ADDRESS_LIST_SORT, given, len(data), answer, ROOM, byref(count), None, None) == 0
    assert listed(answer.raw) == [("127.0.0.1", 2), ("203.0.113.7", 1)]
    assert controlled(tcp, c.SIO_ADDRESS_LIST_SORT, data[:20]) == WSAError.WSAEFAULT
    assert controlled(tcp, c.SIO_ADDRESS_LIST_SORT, struct.pack("<i4xQi4x", 1, 0, 16)) == WSAError.WSAEINVAL


def test_handles(tcp: int) -> None:
    lower = sockets.lookup(tcp).state.connection.transport.fd
    for code, handle in (
        (c.SIO_QUERY_TARGET_PNP_HANDLE, lower),
        (c.SIO_BSP_HANDLE, tcp),
    ):
        assert controlled(tcp, code) == struct.pack("<Q", handle)
        assert controlled(tcp, code, room=4) == WSAError.WSAEFAULT
        assert controlled(tcp, code, room=0) == WSAError.WSAEFAULT


def test_multicast_scope_and_loopback(udp: int, tcp: int) -> None:
    for code, option, value in (
        (c.SIO_MULTICAST_SCOPE, c.IP_MULTICAST_TTL, 3),
        (c.SIO_MULTIPOINT_LOOPBACK, c.IP_MULTICAST_LOOP, 0),
    ):
        assert controlled(udp, code, struct.pack("<I", value)) == b""
        got, length = ctypes.c_uint32(99), ctypes.c_int(4)
        assert ws2_32.getsockopt(udp, c.IPPROTO_IP, option, byref(got), byref(length)) == 0
        assert got.value == value
        assert controlled(udp, code, b"\0") == WSAError.WSAEFAULT
        assert controlled(tcp, code, bytes(4)) == WSAError.WSAEINVAL


def test_udp_connreset_can_be_turned_off(udp: int, tcp: int) -> None:
    assert controlled(tcp, c.SIO_UDP_CONNRESET, bytes(4)) == WSAError.WSAEINVAL
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        nobody = gone.getsockname()[1]
    winsock.bound(udp)
    address = winsock.sockaddr(nobody)
    assert ws2_32.connect(udp, address, len(address)) == 0
    assert ws2_32.send(udp, b"x", 1, 0) == 1
    assert winsock.received(udp) == WSAError.WSAECONNRESET
    assert controlled(udp, c.SIO_UDP_CONNRESET, bytes(4)) == b""
    winsock.set_nonblocking(udp)
    assert ws2_32.send(udp, b"x", 1, 0) == 1
    assert winsock.received(udp) == WSAError.WSAEWOULDBLOCK


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        (c.SIO_ENABLE_CIRCULAR_QUEUEING, WSAError.WSAENOPROTOOPT),
        (c.SIO_ASSOCIATE_HANDLE, WSAError.WSAENOPROTOOPT),
        (c.SIO_TRANSLATE_HANDLE, WSAError.WSAENOPROTOOPT),
        (c.SIO_GET_QOS, WSAError.WSAENOPROTOOPT),
        (c.SIO_SET_QOS, WSAError.WSAENOPROTOOPT),
        (c.SIO_GET_GROUP_QOS, WSAError.WSAENOPROTOOPT),
        (c.SIO_SET_GROUP_QOS, WSAError.WSAENOPROTOOPT),
        (c.SIO_FLUSH, WSAError.WSAEOPNOTSUPP),
        (c.SIO_FIND_ROUTE, WSAError.WSAEOPNOTSUPP),
        (c.SIO_RCVALL, WSAError.WSAEOPNOTSUPP),
        (0x4004_1234, WSAError.WSAEOPNOTSUPP),
        (0xC800_1234, WSAError.WSAEOPNOTSUPP),
        (0x9000_1234, WSAError.WSAEOPNOTSUPP),
        (0x9800_1234, WSAError.WSAEOPNOTSUPP),
    ],
)
def test_q7_codes_that_are_not_supported(udp: int, code: int, answer: int) -> None:
    assert controlled(udp, code, bytes(64)) == answer


# -- changes of the network --------------------------------------------------------------------------------------------


def test_address_list_change_pends_and_is_cancelled(udp: int) -> None:
    with winsock.event() as event:
        overlapped = ws2_32.WSAOVERLAPPED(hEvent=event)
        assert controlled(udp, c.SIO_ADDRESS_LIST_CHANGE, overlapped=overlapped) == WSAError.WSA_IO_PENDING
        assert not winsock.is_set(event)
        assert kernel32.CancelIoEx(udp, byref(overlapped))
        assert winsock.is_set(event, 5000)
        assert overlapped.Internal == c.STATUS_CANCELLED


def test_routing_interface_change_ends_with_the_socket() -> None:
    s = winsock.made(c.SOCK_DGRAM)
    destination = addresses.pack(c.AF_INET, ("127.0.0.1", 80))
    with winsock.event() as event:
        overlapped = ws2_32.WSAOVERLAPPED(hEvent=event)
        assert controlled(s, c.SIO_ROUTING_INTERFACE_CHANGE, destination, overlapped=overlapped) == (
            WSAError.WSA_IO_PENDING
        )
        winsock.close(s)
        assert winsock.is_set(event, 5000)
        assert overlapped.Internal == c.STATUS_CANCELLED


def test_routing_interface_change_needs_a_destination(udp: int) -> None:
    assert controlled(udp, c.SIO_ROUTING_INTERFACE_CHANGE) == WSAError.WSAEFAULT
    assert controlled(udp, c.SIO_ROUTING_INTERFACE_CHANGE, b"\x63" + bytes(15)) == WSAError.WSAEAFNOSUPPORT


def test_nonblocking_request_would_block(udp: int) -> None:
    winsock.set_nonblocking(udp)
    assert controlled(udp, c.SIO_ADDRESS_LIST_CHANGE) == WSAError.WSAEWOULDBLOCK


def change_addresses() -> bool:
    """Give the loopback an address more, and take it away; False where we may not."""
    for verb in ("add", "del"):
        done = subprocess.run(["ip", "addr", verb, "127.77.0.1/32", "dev", "lo"], capture_output=True, check=False)
        if done.returncode:
            return False
    return True


def test_change_ends_the_request_and_is_told_as_an_event(udp: int) -> None:
    with winsock.event() as event, winsock.event() as network:
        overlapped = ws2_32.WSAOVERLAPPED(hEvent=event)
        assert controlled(udp, c.SIO_ADDRESS_LIST_CHANGE, overlapped=overlapped) == WSAError.WSA_IO_PENDING
        assert ws2_32.WSAEventSelect(udp, network, c.FD_ADDRESS_LIST_CHANGE) == 0
        assert controlled(udp, c.SIO_ADDRESS_LIST_CHANGE) == WSAError.WSAEWOULDBLOCK
        try:
            changed = change_addresses()
        except FileNotFoundError:
            changed = False
        if not changed:
            pytest.skip("may not change the addresses of the loopback here")
        assert winsock.is_set(event, 5000)
        assert overlapped.Internal == 0
        assert winsock.is_set(network, 5000)
        events = ws2_32.WSANETWORKEVENTS()
        assert ws2_32.WSAEnumNetworkEvents(udp, network, byref(events)) == 0
        assert events.lNetworkEvents == c.FD_ADDRESS_LIST_CHANGE
