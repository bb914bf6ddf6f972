"""Connections, connect and states through the exact face: witness rows K, N, P, R ("our rule").

Each test runs over the base provider alone and over stacks that change nothing: control calls only, bytes, and two
installed one over the other. A client must not be able to tell them apart. So do the other `test_base_` files.
"""

import ctypes
import socket
import struct

import pytest

from support.clients import FIONREAD, bind, connect, failed, name, option, ready, reset, sent, set_option
from support.threads import Running, until
from support.winsock import (
    Operation,
    bound,
    byref,
    close,
    error,
    listening,
    made,
    packet,
    port_for,
    port_of,
    read_all,
    received,
    set_nonblocking,
    sockaddr,
)
from ws2spi import ws2_32
from ws2spi._abi import addresses
from ws2spi._abi import constants as c
from ws2spi._abi.constants import AF_INET6, INVALID_SOCKET, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET
from ws2spi._abi.errors import WSAError

PENDING = WSAError.WSA_IO_PENDING
BIG = 16 << 20  # more than the kernel buffers between two sockets

pytestmark = pytest.mark.usefixtures("kind")


# -- connections -------------------------------------------------------------------------------------------------------


def test_a_connection_from_socket_to_close(family: int) -> None:
    """issue item 5: socket, bind, listen, accept with an address, connect, names, both ways, shutdown, end, close"""
    listener, port = listening(family)
    client = made(SOCK_STREAM, family)
    assert connect(client, port, family) == 0
    room, length = ctypes.create_string_buffer(128), ctypes.c_int(128)
    server = ws2_32.accept(listener, room, byref(length))
    assert server != INVALID_SOCKET
    peer = addresses.unpack(room.raw[: length.value])[1][:2]
    assert peer == name(ws2_32.getsockname, client) == name(ws2_32.getpeername, server)
    assert name(ws2_32.getpeername, client) == name(ws2_32.getsockname, server) == (peer[0], port)
    assert (sent(client, b"there"), received(server)) == (5, b"there")
    assert (sent(server, b"and back"), received(client)) == (8, b"and back")
    assert ws2_32.shutdown(client, c.SD_SEND) == 0
    assert received(server) == b""
    assert sent(server, b"after the end") == 13
    assert ws2_32.shutdown(server, c.SD_BOTH) == 0
    assert read_all(client, 99) == b"after the end"
    assert received(client) == b""
    close(client, server, listener)
    assert failed(ws2_32.closesocket(client)) == WSAError.WSAENOTSOCK


def test_what_lies_below_is_an_ordinary_socket_of_linux(family: int) -> None:
    """The other side of a connection need not be ours."""
    listener, port = listening(family)
    with socket.create_connection((("127.0.0.1", "::1")[family == AF_INET6], port), 10) as plain:
        server = ws2_32.accept(listener, None, None)
        assert sent(server, b"hello") == 5
        assert plain.recv(10) == b"hello"
        close(server, listener)
        assert plain.recv(10) == b""


def test_several_buffers_are_gathered_and_scattered(pair: tuple[int, int]) -> None:
    """WSASend and WSARecv take arrays; what is received is packed from the first on (H2)"""
    out = [ctypes.create_string_buffer(text, len(text)) for text in (b"one,", b"two,", b"three")]
    buffers = (ws2_32.WSABUF * 3)(*[(len(one), ctypes.addressof(one)) for one in out])
    count, flags = ctypes.c_uint32(), ctypes.c_uint32()
    assert ws2_32.WSASend(pair[0], buffers, 3, byref(count), 0, None, None) == 0
    assert count.value == 13
    ready(pair[1], 13)
    back = [ctypes.create_string_buffer(size) for size in (6, 5, 9)]
    room = (ws2_32.WSABUF * 3)(*[(len(one), ctypes.addressof(one)) for one in back])
    assert ws2_32.WSARecv(pair[1], room, 3, byref(count), byref(flags), None, None) == 0
    assert count.value == 13
    assert [one.raw.rstrip(b"\0") for one in back] == [b"one,tw", b"o,thr", b"ee"]


def test_a_large_blocking_send_goes_whole(pair: tuple[int, int]) -> None:
    data = bytes(range(256)) * (BIG // 256)
    reading = Running(read_all, pair[1], len(data))
    assert sent(pair[0], data) == len(data)
    assert reading.result() == data


def test_the_catalog_answers_socket(family: int) -> None:
    """R1 to R5"""

    def code(*numbers: int) -> int:
        assert ws2_32.socket(*numbers) == INVALID_SOCKET
        return error()

    assert code(0, 1, 0) == WSAError.WSAEINVAL
    assert code(family, 9, 6) == WSAError.WSAESOCKTNOSUPPORT
    assert code(99, 1, 6) == WSAError.WSAEAFNOSUPPORT
    assert code(family, 1, 17) == code(family, 2, 6) == WSAError.WSAEPROTOTYPE
    assert code(family, 1, 99) == WSAError.WSAEPROTONOSUPPORT
    for numbers, protocol in [((family, 1, 0), SOCK_STREAM), ((family, 0, 6), SOCK_STREAM), ((0, 0, 17), SOCK_DGRAM)]:
        s = ws2_32.socket(*numbers)
        assert option(s, SOL_SOCKET, c.SO_TYPE) == protocol
        close(s)


# -- connect -----------------------------------------------------------------------------------------------------------


def test_n10_non_blocking_connect(family: int) -> None:
    """WSAEWOULDBLOCK, then WSAEISCONN; WSAEALREADY while it runs is shown with a layer that takes its time"""
    listener, port = listening(family)
    client = made(SOCK_STREAM, family)
    set_nonblocking(client)
    code = error() if connect(client, port, family) else 0
    assert code in (0, WSAError.WSAEWOULDBLOCK)
    server = ws2_32.accept(listener, None, None)
    until(lambda: isinstance(name(ws2_32.getpeername, client), tuple))
    assert failed(connect(client, port, family)) == WSAError.WSAEISCONN
    assert sent(client, b"x") == 1
    assert received(server) == b"x"
    close(client, server, listener)


def unused_port(family: int) -> int:
    """A loopback port on which nobody listens, held by a bound socket."""
    s = made(SOCK_STREAM, family)
    port = bound(s, family)
    close(s)
    return port


def test_n12_n13_a_refused_non_blocking_connect(family: int) -> None:
    """SO_ERROR tells once; connecting again is allowed"""
    client = made(SOCK_STREAM, family)
    set_nonblocking(client)
    port = unused_port(family)
    if failed(connect(client, port, family)) == WSAError.WSAEWOULDBLOCK:
        seen: list[int] = []
        until(lambda: seen.append(option(client, SOL_SOCKET, c.SO_ERROR)) or seen[-1])
        assert seen[-1] == WSAError.WSAECONNREFUSED
    assert option(client, SOL_SOCKET, c.SO_ERROR) == 0
    listener, port = listening(family)
    assert connect(client, port, family) == 0 or error() == WSAError.WSAEWOULDBLOCK
    server = ws2_32.accept(listener, None, None)
    until(lambda: sent(client, b"x") == 1)
    assert received(server) == b"x"
    close(client, server, listener)


def test_n13_a_refused_blocking_connect(family: int) -> None:
    """WSAECONNREFUSED, SO_ERROR is 0, and it may be tried again"""
    client = made(SOCK_STREAM, family)
    assert failed(connect(client, unused_port(family), family)) == WSAError.WSAECONNREFUSED
    assert option(client, SOL_SOCKET, c.SO_ERROR) == 0
    listener, port = listening(family)
    assert connect(client, port, family) == 0
    close(client, listener)


def test_n14_before_a_connection_there_is_no_peer_and_no_data(stream: int) -> None:
    """P4, P8: WSAENOTCONN; getpeername before the pointers are looked at"""
    assert received(stream, 10) == WSAError.WSAENOTCONN
    assert sent(stream, b"x") == -WSAError.WSAENOTCONN
    assert failed(ws2_32.getpeername(stream, None, None)) == WSAError.WSAENOTCONN
    assert name(ws2_32.getsockname, stream) == WSAError.WSAEINVAL


def test_n15_connect_on_a_listener_is_wsaeinval() -> None:
    listener, port = listening()
    assert failed(connect(listener, port)) == WSAError.WSAEINVAL
    assert received(listener, 10) == WSAError.WSAENOTCONN
    close(listener)


def test_n16_addresses_that_connect_refuses(stream: int) -> None:
    address = sockaddr(80)
    assert failed(connect(stream, 0)) == WSAError.WSAEADDRNOTAVAIL
    assert failed(ws2_32.connect(stream, address, 15)) == WSAError.WSAEFAULT
    assert failed(ws2_32.connect(stream, None, 16)) == WSAError.WSAEFAULT
    assert failed(connect(stream, 80, AF_INET6)) == WSAError.WSAEAFNOSUPPORT


def test_n17_so_connect_time(stream: int) -> None:
    assert option(stream, SOL_SOCKET, c.SO_CONNECT_TIME) == 0xFFFFFFFF
    listener, port = listening()
    assert connect(stream, port) == 0
    assert option(stream, SOL_SOCKET, c.SO_CONNECT_TIME) < 60
    close(listener)


# -- states ------------------------------------------------------------------------------------------------------------


def test_p5_listen(stream: int) -> None:
    """unbound, twice, connected, datagram"""
    assert failed(ws2_32.listen(stream, 5)) == WSAError.WSAEINVAL
    bound(stream)
    assert ws2_32.listen(stream, 5) == 0
    assert ws2_32.listen(stream, 5) == 0
    client = made()
    assert connect(client, port_of(stream)) == 0
    assert failed(ws2_32.listen(client, 5)) == WSAError.WSAEISCONN
    datagram = made(SOCK_DGRAM)
    bound(datagram)
    assert failed(ws2_32.listen(datagram, 5)) == WSAError.WSAEOPNOTSUPP
    close(client, datagram)


def test_p6_accept_on_what_does_not_listen(stream: int) -> None:
    assert ws2_32.accept(stream, None, None) == INVALID_SOCKET
    assert error() == WSAError.WSAEINVAL
    datagram = made(SOCK_DGRAM)
    assert ws2_32.accept(datagram, None, None) == INVALID_SOCKET
    assert error() == WSAError.WSAEOPNOTSUPP
    close(datagram)


def test_p7_bind(stream: int) -> None:
    """twice; used port; foreign address; short, NULL; family 99; another family"""
    port = bound(stream)
    assert failed(bind(stream, 0)) == WSAError.WSAEINVAL
    other = made()
    assert failed(bind(other, port)) == WSAError.WSAEADDRINUSE
    assert failed(bind(other, 0, host="192.0.2.1")) == WSAError.WSAEADDRNOTAVAIL
    assert failed(ws2_32.bind(other, sockaddr(0), 8)) == WSAError.WSAEFAULT
    assert failed(ws2_32.bind(other, None, 16)) == WSAError.WSAEFAULT
    strange = ctypes.create_string_buffer(b"\x63\0" + bytes(14), 16)
    assert failed(ws2_32.bind(other, strange, 16)) == WSAError.WSAEAFNOSUPPORT
    assert failed(bind(other, 0, AF_INET6)) == WSAError.WSAEFAULT
    close(other)


def test_p9_p10_room_for_addresses(family: int) -> None:
    """too little room is WSAEFAULT, the length stays as it is, and accept keeps the request"""
    listener, port = listening(family)
    client = made(SOCK_STREAM, family)
    assert connect(client, port, family) == 0
    room, length = ctypes.create_string_buffer(128), ctypes.c_int(4)
    for call in (ws2_32.getsockname, ws2_32.getpeername):
        assert failed(call(client, room, byref(length))) == WSAError.WSAEFAULT
        assert failed(call(client, room, None)) == WSAError.WSAEFAULT
    assert ws2_32.accept(listener, room, byref(length)) == INVALID_SOCKET
    assert (error(), length.value) == (WSAError.WSAEFAULT, 4)
    server = ws2_32.accept(listener, None, None)
    assert server != INVALID_SOCKET
    close(client, server, listener)


def test_p11_a_bad_socket_comes_before_bad_pointers() -> None:
    calls = [
        (ws2_32.bind, None, 0),
        (ws2_32.connect, None, 0),
        (ws2_32.getsockname, None, None),
        (ws2_32.recv, None, 9, 0),
        (ws2_32.send, None, 9, 0),
        (ws2_32.getsockopt, 0, 0, None, None),
        (ws2_32.setsockopt, 0, 0, None, 9),
        (ws2_32.ioctlsocket, FIONREAD, None),
        (ws2_32.shutdown, 7),
        (ws2_32.listen, 5),
    ]
    with open("/dev/null") as file:
        for call, *arguments in calls:
            assert failed(call(file.fileno(), *arguments)) == WSAError.WSAENOTSOCK, call


def test_k11_sd_receive(pair: tuple[int, int]) -> None:
    """a pending receive takes later data, the next receive is refused, the peer may go on sending"""
    operation = Operation(pair[0], 10)
    assert operation.code == PENDING
    assert ws2_32.shutdown(pair[0], c.SD_RECEIVE) == 0
    assert received(pair[0], 10) == WSAError.WSAESHUTDOWN
    assert sent(pair[1], b"late") == 4
    assert operation.result(wait=True) == (1, 4, 0, 0)
    assert sent(pair[1], b"more") == 4
    assert received(pair[0], 10) == WSAError.WSAESHUTDOWN
    assert sent(pair[0], b"out") == 3


@pytest.mark.parametrize("how", [c.SD_SEND, c.SD_BOTH])
def test_k12_sd_send(pair: tuple[int, int], how: int) -> None:
    """a pending receive stays, sends are refused, once more is fine"""
    operation = Operation(pair[0], 10)
    assert ws2_32.shutdown(pair[0], how) == 0
    assert ws2_32.shutdown(pair[0], c.SD_SEND) == 0
    assert sent(pair[0], b"x") == -WSAError.WSAESHUTDOWN
    assert received(pair[1]) == b""
    assert operation.internal == c.STATUS_PENDING
    close(pair[1])
    assert operation.result(wait=True) == (1, 0, 0, 0)


def test_k13_shutdown_refused(stream: int) -> None:
    assert failed(ws2_32.shutdown(stream, 7)) == WSAError.WSAEINVAL
    assert failed(ws2_32.shutdown(stream, c.SD_SEND)) == WSAError.WSAENOTCONN
    bound(stream)
    assert ws2_32.listen(stream, 1) == 0
    assert failed(ws2_32.shutdown(stream, c.SD_BOTH)) == WSAError.WSAENOTCONN


def test_k14_shutdown_on_a_socket_with_a_port_queues_nothing(pair: tuple[int, int]) -> None:
    with port_for(pair[0]) as port:
        assert ws2_32.shutdown(pair[0], c.SD_SEND) == 0
        assert packet(port)[::4] == (False, c.WAIT_TIMEOUT)


def test_k15_after_a_reset_every_call_says_so(pair: tuple[int, int]) -> None:
    """until it is closed"""
    operation = Operation(pair[0], 10)
    reset(pair[1])
    assert operation.result(wait=True) == (0, 99, 99, WSAError.WSAECONNRESET)
    assert received(pair[0]) == received(pair[0]) == WSAError.WSAECONNRESET
    assert sent(pair[0], b"x") == sent(pair[0], b"x") == -WSAError.WSAECONNRESET
    for data in (10, b"x"):
        operation = Operation(pair[0], data)
        if operation.code == PENDING:  # another thread still had the connection in its hands
            assert operation.result(wait=True)[3] == WSAError.WSAECONNRESET
        else:
            assert operation.code == WSAError.WSAECONNRESET


def test_k7_linger_on_a_non_blocking_socket(pair: tuple[int, int]) -> None:
    """unsent data: WSAEWOULDBLOCK, and it stays open"""
    set_nonblocking(pair[0])
    assert set_option(pair[0], SOL_SOCKET, c.SO_LINGER, struct.pack("<HH", 1, 2)) == 0
    until(lambda: sent(pair[0], bytes(BIG)) == -WSAError.WSAEWOULDBLOCK)
    assert failed(ws2_32.closesocket(pair[0])) == WSAError.WSAEWOULDBLOCK
    assert name(ws2_32.getpeername, pair[0]) == name(ws2_32.getsockname, pair[1])
    assert set_option(pair[0], SOL_SOCKET, c.SO_LINGER, bytes(4)) == 0
    close(pair[0])


def test_k7_hard_close_is_a_reset(pair: tuple[int, int]) -> None:
    """linger on with 0 seconds"""
    reset(pair[0])
    assert received(pair[1]) == WSAError.WSAECONNRESET


def test_k8_what_was_sent_before_close_is_delivered(pair: tuple[int, int]) -> None:
    data = bytes(range(256)) * 1000
    reading = Running(read_all, pair[1], len(data) + 1)
    assert sent(pair[0], data) == len(data)
    close(pair[0])
    assert reading.result() == data


def test_closesocket_leaves_the_listeners_connections_alone() -> None:
    listener, port = listening()
    client = made()
    assert connect(client, port) == 0
    server = ws2_32.accept(listener, None, None)
    close(listener)
    assert sent(client, b"still") == 5
    assert received(server) == b"still"
    close(client, server)
