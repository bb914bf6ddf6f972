"""The rules of WSPConnect, multicast groups, templates (nc-ws2spi-lpwspconnect, -lpwspjoinleaf, -lpwspgetqosbyname)."""

import ctypes
import socket
from typing import Any

import pytest

from support import winsock
from ws2spi import ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError

pytestmark = pytest.mark.usefixtures("kind")
byref = ctypes.byref
GROUP = "239.7.7.7"


def connected(s: int, host: str, port: int, *extras: Any) -> int:
    """0, or the code."""
    address = winsock.sockaddr(port, host=host)
    return winsock.error() if ws2_32.WSAConnect(s, address, len(address), *(extras or (None,) * 4)) else 0


def joined(s: int, host: str, port: int, flags: int, *extras: Any) -> int:
    """The socket, or minus the code."""
    address = winsock.sockaddr(port, host=host)
    member = int(ws2_32.WSAJoinLeaf(s, address, len(address), *(extras or (None,) * 4), flags))
    return member if member != c.INVALID_SOCKET else -winsock.error()


def leaf() -> int:
    return winsock.made(c.SOCK_DGRAM, flags=1 | c.WSA_FLAG_MULTIPOINT_C_LEAF | c.WSA_FLAG_MULTIPOINT_D_LEAF)


@pytest.mark.parametrize("type", [c.SOCK_STREAM, c.SOCK_DGRAM])
def test_addresses_that_cannot_be_connected_to(type: int) -> None:
    s = winsock.made(type)
    assert connected(s, "127.0.0.1", 0) == WSAError.WSAEADDRNOTAVAIL
    if type == c.SOCK_STREAM:
        assert connected(s, "0.0.0.0", 80) == WSAError.WSAEADDRNOTAVAIL
    else:
        assert connected(s, "255.255.255.255", 80) == WSAError.WSAEACCES
        assert ws2_32.setsockopt(s, c.SOL_SOCKET, c.SO_BROADCAST, byref(ctypes.c_int(1)), 4) == 0
        assert connected(s, "255.255.255.255", 80) in (0, WSAError.WSAENETUNREACH)
    winsock.close(s)


def test_data_and_flows_of_a_connect() -> None:
    s = winsock.made(c.SOCK_DGRAM)
    data = ws2_32.WSABUF(1, ctypes.addressof(ctypes.create_string_buffer(1)))
    flows = ws2_32.QOS()
    assert connected(s, "127.0.0.1", 9, byref(data), None, None, None) == WSAError.WSAEPROTONOSUPPORT
    assert connected(s, "127.0.0.1", 9, None, byref(data), byref(flows), None) == 0
    assert data.len == 0, "nothing came back"
    flows.SendingFlowspec.ServiceType = c.SERVICETYPE_GUARANTEED
    assert connected(s, "127.0.0.1", 9, None, None, byref(flows), None) == WSAError.WSAEOPNOTSUPP
    winsock.close(s)


@pytest.mark.parametrize("blocking", [True, False])
def test_new_peer_of_a_datagram_socket_silences_the_others(blocking: bool) -> None:
    s = winsock.made(c.SOCK_DGRAM)
    port = winsock.bound(s)
    one, other = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in "ab")
    with one, other:
        for end in (one, other):
            end.bind(("127.0.0.1", 0))
        for end, text in ((one, b"1"), (other, b"2"), (one, b"3"), (other, b"4")):
            end.sendto(text, ("127.0.0.1", port))
        assert winsock.received(s, 9, c.MSG_PEEK) == b"1"
        assert connected(s, "127.0.0.1", other.getsockname()[1]) == 0
        if not blocking:
            winsock.set_nonblocking(s)
        waiting = ctypes.c_uint32()
        assert ws2_32.ioctlsocket(s, c.FIONREAD, byref(waiting)) == 0
        assert waiting.value in (1, 2)
        assert winsock.received(s, 9, c.MSG_PEEK) == b"2"
        assert [winsock.received(s), winsock.received(s)] == [b"2", b"4"]
        other.sendto(b"5", ("127.0.0.1", port))
        one.sendto(b"no", ("127.0.0.1", port))
        assert winsock.received(s) == b"5"
        winsock.set_nonblocking(s)
        assert winsock.received(s) == WSAError.WSAEWOULDBLOCK
    winsock.close(s)


def test_all_zero_address_removes_the_peer() -> None:
    one, other = winsock.datagram_pair()
    assert connected(one, "0.0.0.0", 0) == 0
    assert ws2_32.send(one, b"x", 1, 0) == -1
    assert winsock.error() == WSAError.WSAENOTCONN
    winsock.close(one, other)


# -- multicast ---------------------------------------------------------------------------------------------------------


def test_member_receives_and_sends_to_the_group() -> None:
    one, other = leaf(), leaf()
    for s in (one, other):
        assert ws2_32.setsockopt(s, c.SOL_SOCKET, c.SO_REUSEADDR, byref(ctypes.c_int(1)), 4) == 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("", 0))
        port = probe.getsockname()[1]
    first = joined(one, GROUP, port, c.JL_BOTH)
    if first == -WSAError.WSAENETUNREACH:
        winsock.close(one, other)
        pytest.skip("no interface leads to a multicast group here")
    assert first == one, "a leaf gets its own socket"
    assert joined(other, GROUP, port, c.JL_SENDER_ONLY) == other
    assert joined(one, GROUP, port, c.JL_BOTH) == -WSAError.WSAEISCONN
    loopback = socket.inet_aton("127.0.0.1")
    for s in (one, other):
        ws2_32.setsockopt(s, c.IPPROTO_IP, c.IP_MULTICAST_IF, loopback, 4)
    ws2_32.setsockopt(one, c.IPPROTO_IP, c.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + loopback, 8)
    assert ws2_32.send(other, b"all", 3, 0) == 3
    assert winsock.received(one) == b"all"
    assert winsock.received(other) == WSAError.WSAEOPNOTSUPP, "a sender only"
    winsock.close(one, other)


def test_receiver_only_cannot_send() -> None:
    s = leaf()
    member = joined(s, GROUP, 7777, c.JL_RECEIVER_ONLY)
    if member == -WSAError.WSAENETUNREACH:
        winsock.close(s)
        pytest.skip("no interface leads to a multicast group here")
    assert member == s
    assert ws2_32.send(s, b"x", 1, 0) == -1
    assert winsock.error() == WSAError.WSAEOPNOTSUPP
    winsock.close(s)


def test_errors_of_joining() -> None:
    s, plain = leaf(), winsock.made(c.SOCK_DGRAM)
    data = ws2_32.WSABUF(1, ctypes.addressof(ctypes.create_string_buffer(1)))
    flows = ws2_32.QOS()
    flows.ReceivingFlowspec.ServiceType = c.SERVICETYPE_GUARANTEED
    assert joined(plain, GROUP, 7, c.JL_BOTH) == -WSAError.WSAEINVAL
    assert joined(s, GROUP, 7, 0) == -WSAError.WSAEINVAL
    assert joined(s, "10.1.1.1", 7, c.JL_BOTH) == -WSAError.WSAEADDRNOTAVAIL
    assert joined(9999, GROUP, 7, c.JL_BOTH) == -WSAError.WSAENOTSOCK
    assert joined(s, GROUP, 7, c.JL_BOTH, byref(data), None, None, None) == -WSAError.WSAEPROTONOSUPPORT
    assert joined(s, GROUP, 7, c.JL_BOTH, None, None, byref(flows), None) == -WSAError.WSAEOPNOTSUPP
    assert ws2_32.WSAJoinLeaf(s, None, 0, None, None, None, None, c.JL_BOTH) == c.INVALID_SOCKET
    assert winsock.error() == WSAError.WSAEFAULT
    six = winsock.sockaddr(7, c.AF_INET6, "ff02::1")
    assert ws2_32.WSAJoinLeaf(s, six, len(six), None, None, None, None, c.JL_BOTH) == c.INVALID_SOCKET
    assert winsock.error() == WSAError.WSAEAFNOSUPPORT
    winsock.close(s, plain)


@pytest.mark.parametrize(
    ("type", "flags"),
    [
        (c.SOCK_DGRAM, c.WSA_FLAG_MULTIPOINT_C_LEAF),
        (c.SOCK_DGRAM, c.WSA_FLAG_MULTIPOINT_C_ROOT | c.WSA_FLAG_MULTIPOINT_D_LEAF),
        (c.SOCK_DGRAM, c.WSA_FLAG_MULTIPOINT_C_LEAF | c.WSA_FLAG_MULTIPOINT_D_ROOT),
        (c.SOCK_STREAM, c.WSA_FLAG_MULTIPOINT_C_LEAF | c.WSA_FLAG_MULTIPOINT_D_LEAF),
    ],
)
def test_multipoint_flags_that_no_protocol_has(type: int, flags: int) -> None:
    assert ws2_32.WSASocketW(c.AF_INET, type, 0, None, 0, flags | 1) == c.INVALID_SOCKET
    assert winsock.error() == WSAError.WSAEINVAL


# -- templates ---------------------------------------------------------------------------------------------------------


def test_there_are_no_templates_of_quality_of_service() -> None:
    s = winsock.made()
    text = ctypes.create_string_buffer("G711".encode("utf-16-le") + b"\0\0")
    name = ws2_32.WSABUF(len(text), ctypes.addressof(text))
    assert not ws2_32.WSAGetQOSByName(s, byref(name), byref(ws2_32.QOS()))
    assert winsock.error() == WSAError.WSAEINVAL
    text.raw = bytes(len(text))
    assert ws2_32.WSAGetQOSByName(s, byref(name), None), "an empty list"
    assert text.raw == bytes(len(text))
    assert not ws2_32.WSAGetQOSByName(s, None, None)
    assert winsock.error() == WSAError.WSAEFAULT
    assert not ws2_32.WSAGetQOSByName(9999, byref(name), None)
    assert winsock.error() == WSAError.WSAENOTSOCK
    winsock.close(s)
