"""TCP and UDP over IPv4 and IPv6 through the exact face: witness rows H, I, K, L, N, P ("our rule").

Each test runs over the base provider alone and over stacks that change nothing: control calls only, bytes, and two
installed one over the other. A client must not be able to tell them apart.
"""

import ctypes
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from support import stacks
from support.threads import Running, until
from support.winsock import (
    Operation,
    bound,
    byref,
    close,
    connected,
    datagram_pair,
    error,
    event,
    is_set,
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
from ws2spi import kernel32, ws2_32
from ws2spi._abi import addresses
from ws2spi._abi import constants as c
from ws2spi._abi.constants import AF_INET, AF_INET6, INVALID_SOCKET, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET
from ws2spi._abi.errors import WSAError
from ws2spi._runtime.process import runtime

PENDING = WSAError.WSA_IO_PENDING
FIONREAD = 0x4004667F
FIONBIO = 0x8004667E - 2**32
BIG = 16 << 20  # more than the kernel buffers between two sockets

pytestmark = pytest.mark.usefixtures("kind")


@pytest.fixture(params=stacks.KINDS)
def kind(request: pytest.FixtureRequest, started: None) -> Iterator[str]:
    with stacks.installed(request.param):
        yield request.param


@pytest.fixture(params=[AF_INET, AF_INET6], ids=["v4", "v6"])
def family(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def pair(family: int) -> Iterator[tuple[int, int]]:
    ends = connected(family)
    yield ends
    for s in ends:
        ws2_32.closesocket(s)


@pytest.fixture
def stream() -> Iterator[int]:
    """An unconnected TCP socket over IPv4."""
    s = made()
    yield s
    ws2_32.closesocket(s)


@pytest.fixture
def datagrams(family: int) -> Iterator[tuple[int, int]]:
    ends = datagram_pair(family)
    yield ends
    for s in ends:
        ws2_32.closesocket(s)


def failed(result: int) -> int:
    """The code of a call that answered SOCKET_ERROR."""
    assert result == -1, result
    return error()


def connect(s: int, port: int, family: int = AF_INET, host: str | None = None) -> int:
    address = sockaddr(port, family, host)
    return int(ws2_32.connect(s, address, len(address)))


def bind(s: int, port: int, family: int = AF_INET, host: str | None = None) -> int:
    address = sockaddr(port, family, host)
    return int(ws2_32.bind(s, address, len(address)))


def name(function: Any, s: int) -> Any:
    """What getsockname or getpeername gave: (host, port), or the code."""
    room, length = ctypes.create_string_buffer(128), ctypes.c_int(128)
    if function(s, room, byref(length)):
        return error()
    return addresses.unpack(room.raw[: length.value])[1][:2]


def option(s: int, level: int, number: int, size: int = 4) -> int:
    """An option's value, or minus the code."""
    room, length = ctypes.create_string_buffer(16), ctypes.c_int(size)
    if ws2_32.getsockopt(s, level, number, room, byref(length)):
        return -error()
    return int.from_bytes(room.raw[: length.value], "little")


def set_option(s: int, level: int, number: int, value: bytes) -> int:
    return 0 if ws2_32.setsockopt(s, level, number, value, len(value)) == 0 else error()


def sent(s: int, data: bytes, flags: int = 0) -> int:
    """How many bytes send took, or minus the code."""
    count = int(ws2_32.send(s, data, len(data), flags))
    return count if count >= 0 else -error()


def available(s: int) -> int:
    count = ctypes.c_uint32()
    assert ws2_32.ioctlsocket(s, FIONREAD, byref(count)) == 0, error()
    return count.value


def ready(s: int, count: int = 1) -> None:
    until(lambda: available(s) >= count)


def asleep(running: Running) -> None:
    """Wait until the thread is parked in its call."""
    until(lambda: running.executive._parked or not running.alive())
    assert running.alive(), running.result()


def reset(s: int) -> None:
    """Close with a reset."""
    assert set_option(s, SOL_SOCKET, c.SO_LINGER, struct.pack("<HH", 1, 0)) == 0
    close(s)


class Datagram:
    """WSARecvFrom with an OVERLAPPED."""

    def __init__(self, s: int, size: int, hEvent: int = 0, routine: Any = None) -> None:
        self.s = s
        self.memory = ctypes.create_string_buffer(size)
        self.buffer = ws2_32.WSABUF(size, ctypes.addressof(self.memory))
        self.overlapped = ws2_32.WSAOVERLAPPED(hEvent=hEvent)
        self.count, self.flags = ctypes.c_uint32(99), ctypes.c_uint32()
        self.sender, self.length = ctypes.create_string_buffer(128), ctypes.c_int(128)
        result = ws2_32.WSARecvFrom(
            s,
            byref(self.buffer),
            1,
            byref(self.count),
            byref(self.flags),
            self.sender,
            byref(self.length),
            byref(self.overlapped),
            routine,
        )
        self.code = error() if result else 0

    result = Operation.result


# -- connections -----------------------------------------------------------------------------------------------------


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


# -- connect ---------------------------------------------------------------------------------------------------------


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


# -- states ----------------------------------------------------------------------------------------------------------


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


# -- modes -----------------------------------------------------------------------------------------------------------


def test_non_blocking_calls_answer_at_once(pair: tuple[int, int], family: int) -> None:
    """FIONBIO: WSAEWOULDBLOCK from recv, send behind a full buffer, accept; and back to blocking"""
    set_nonblocking(pair[0])
    assert received(pair[0], 10) == WSAError.WSAEWOULDBLOCK
    taken = 0
    while (count := sent(pair[0], bytes(1 << 16))) > 0:
        taken += count
    assert count == -WSAError.WSAEWOULDBLOCK
    reading = Running(read_all, pair[1], taken)
    assert len(reading.result()) == taken
    until(lambda: sent(pair[0], b"x") == 1)
    assert received(pair[1], 10) == b"x"
    set_nonblocking(pair[0], 0)
    waiting = Running(received, pair[0], 10)
    asleep(waiting)
    assert sent(pair[1], b"now") == 3
    assert waiting.result() == b"now"
    listener, _ = listening(family)
    set_nonblocking(listener)
    assert ws2_32.accept(listener, None, None) == INVALID_SOCKET
    assert error() == WSAError.WSAEWOULDBLOCK
    close(listener)


def test_an_accepted_socket_is_as_non_blocking_as_its_listener() -> None:
    """accept's page: properties are inherited"""
    listener, port = listening()
    set_nonblocking(listener)
    client = made()
    assert connect(client, port) == 0
    accepted: list[int] = []
    until(lambda: accepted.append(ws2_32.accept(listener, None, None)) or accepted[-1] != INVALID_SOCKET)
    assert received(accepted[-1], 10) == WSAError.WSAEWOULDBLOCK
    close(client, accepted[-1], listener)


def test_fionread_counts_what_is_there(pair: tuple[int, int]) -> None:
    assert available(pair[0]) == 0
    assert sent(pair[1], b"12345") == 5
    ready(pair[0])
    assert available(pair[0]) == 5
    assert received(pair[0], 4) == b"1234"
    assert available(pair[0]) == 1


def test_so_rcvtimeo(pair: tuple[int, int]) -> None:
    """L5: a blocking receive ends with WSAETIMEDOUT; overlapped ones ignore it; the socket goes on"""
    assert set_option(pair[0], SOL_SOCKET, c.SO_RCVTIMEO, struct.pack("<I", 30)) == 0
    assert option(pair[0], SOL_SOCKET, c.SO_RCVTIMEO) == 30
    operation = Operation(pair[0], 4)
    assert received(pair[0], 10) == WSAError.WSAETIMEDOUT
    assert operation.internal == c.STATUS_PENDING
    assert sent(pair[1], b"for both") == 8
    assert operation.result(wait=True) == (1, 4, 0, 0)
    assert received(pair[0], 10) == b"both"
    assert operation.memory.raw == b"for "


def test_so_rcvtimeo_with_an_apc_in_between(pair: tuple[int, int]) -> None:
    """L5: the APC runs, and the time runs out all the same"""
    assert set_option(pair[0], SOL_SOCKET, c.SO_RCVTIMEO, struct.pack("<I", 50)) == 0
    ran: list[int] = []
    waiting = Running(received, pair[0], 10)
    asleep(waiting)
    waiting.executive.queue_apc(ran.append, 1)
    assert waiting.result() == WSAError.WSAETIMEDOUT
    assert ran == [1]


def test_so_sndtimeo(pair: tuple[int, int]) -> None:
    assert set_option(pair[0], SOL_SOCKET, c.SO_SNDTIMEO, struct.pack("<I", 30)) == 0
    assert sent(pair[0], bytes(BIG)) == -WSAError.WSAETIMEDOUT


# -- receives --------------------------------------------------------------------------------------------------------


def test_h3_a_plain_receive_queues_behind_a_pending_one(pair: tuple[int, int]) -> None:
    operation = Operation(pair[0], 3)
    set_nonblocking(pair[0])
    assert received(pair[0], 10) == WSAError.WSAEWOULDBLOCK
    assert sent(pair[1], b"abcdef") == 6
    assert operation.result(wait=True) == (1, 3, 0, 0)
    ready(pair[0], 3)
    assert received(pair[0], 10) == b"def"
    assert operation.memory.raw == b"abc"


def test_h4_a_zero_byte_receive_waits_for_data_and_leaves_it(pair: tuple[int, int]) -> None:
    with event() as handle:
        operation = Operation(pair[0], 0, hEvent=handle)
        assert operation.code == PENDING
        assert not is_set(handle)
        assert sent(pair[1], b"data") == 4
        assert is_set(handle, 10_000)
        assert operation.result() == (1, 0, 0, 0)
        again = Operation(pair[0], 0, hEvent=handle)
        assert again.code in (0, PENDING)  # another thread may have it in its hands
        assert again.result(wait=True) == (1, 0, 0, 0)
        assert received(pair[0], 10) == b"data"
        last = Operation(pair[0], 0, hEvent=handle)
        assert last.code == PENDING
        close(pair[1])
        assert is_set(handle, 10_000)
        assert last.result() == (1, 0, 0, 0)


def test_h6_zero_bytes(pair: tuple[int, int]) -> None:
    """recv of 0 with data there is 0, with nothing there it waits; send of 0 is 0"""
    set_nonblocking(pair[0])
    assert received(pair[0], 0) == WSAError.WSAEWOULDBLOCK
    assert sent(pair[1], b"") == 0
    assert sent(pair[1], b"x") == 1
    ready(pair[0])
    assert received(pair[0], 0) == b""
    assert received(pair[0], 10) == b"x"
    set_nonblocking(pair[0], 0)
    waiting = Running(received, pair[0], 0)
    asleep(waiting)
    assert sent(pair[1], b"y") == 1
    assert waiting.result() == b""
    assert received(pair[0], 10) == b"y"


def test_h8_peek(pair: tuple[int, int]) -> None:
    """the data stays; with an OVERLAPPED too; MSG_PARTIAL is ignored; an unknown flag is WSAEINVAL"""
    assert sent(pair[1], b"look") == 4
    ready(pair[0], 4)
    assert received(pair[0], 2, c.MSG_PEEK) == b"lo"
    assert received(pair[0], 9, c.MSG_PEEK) == b"look"
    operation = Operation(pair[0], 3, flags=c.MSG_PEEK)
    assert operation.result(wait=True) == (1, 3, 0, 0)
    assert received(pair[0], 9, c.MSG_PARTIAL) == b"look"
    waiting = Operation(pair[0], 9, flags=c.MSG_PEEK)
    assert waiting.code == PENDING
    assert sent(pair[1], b"more") == 4
    assert waiting.result(wait=True) == (1, 4, 0, 0)
    assert received(pair[0], 9) == b"more"
    assert received(pair[0], 9, 0x4000000) == WSAError.WSAEINVAL
    assert sent(pair[0], b"x", 0x4000000) == -WSAError.WSAEINVAL


def test_h9_large_overlapped_sends_are_delivered_in_order(pair: tuple[int, int]) -> None:
    first, second = Operation(pair[0], b"a" * BIG), Operation(pair[0], b"b" * 1000)
    assert first.code == second.code == PENDING
    assert read_all(pair[1], BIG + 1000) == b"a" * BIG + b"b" * 1000
    assert first.result(wait=True) == (1, BIG, 0, 0)
    assert second.result(wait=True) == (1, 1000, 0, 0)


def test_j7_a_send_half_done(pair: tuple[int, int]) -> None:
    """cancelling is a request: a send that has begun runs on, one that waits behind it does not"""
    first, second = Operation(pair[0], b"a" * BIG), Operation(pair[0], b"b" * 1000)
    assert kernel32.CancelIoEx(pair[0], byref(second.overlapped))
    assert second.result() == (0, 99, 99, WSAError.WSA_OPERATION_ABORTED)
    kernel32.CancelIoEx(pair[0], byref(first.overlapped))
    assert sent(pair[1], b"!") == 1
    assert len(read_all(pair[1], BIG)) == BIG
    assert first.result(wait=True)[0] == 1


# -- blocked calls, APCs, close --------------------------------------------------------------------------------------


def test_l1_an_apc_runs_in_a_blocked_recv(pair: tuple[int, int]) -> None:
    """at once, in the blocked thread, and the call goes on"""
    ran: list[str] = []
    waiting = Running(received, pair[0], 10)
    asleep(waiting)
    waiting.executive.queue_apc(lambda _: ran.append("apc"), 0)
    until(lambda: ran)
    assert waiting.alive()
    assert sent(pair[1], b"end") == 3
    assert waiting.result() == b"end"


def test_l2_an_apc_runs_in_a_blocked_accept_and_send(pair: tuple[int, int]) -> None:
    ran: list[str] = []
    listener, port = listening()
    accepting = Running(ws2_32.accept, listener, None, None)
    asleep(accepting)
    accepting.executive.queue_apc(ran.append, "accept")
    until(lambda: ran == ["accept"])
    client = made()
    assert connect(client, port) == 0
    server = accepting.result()
    sending = Running(sent, pair[0], bytes(BIG))
    asleep(sending)
    sending.executive.queue_apc(ran.append, "send")
    until(lambda: ran == ["accept", "send"])
    assert len(read_all(pair[1], BIG)) == BIG
    assert sending.result() == BIG
    close(client, server, listener)


def test_l3_l4_a_call_that_need_not_wait_runs_no_apc(pair: tuple[int, int]) -> None:
    ran: list[int] = []
    assert sent(pair[1], b"here") == 4
    ready(pair[0], 4)
    kernel32.QueueUserAPC(lambda value: ran.append(value), kernel32.GetCurrentThread(), 5)
    assert received(pair[0], 10) == b"here"
    set_nonblocking(pair[0])
    assert received(pair[0], 10) == WSAError.WSAEWOULDBLOCK
    assert ran == []
    assert kernel32.SleepEx(0, True) == c.WAIT_IO_COMPLETION
    assert ran == [5]


def test_l5_an_apc_that_sends_what_the_blocked_call_waits_for(pair: tuple[int, int]) -> None:
    kernel32.QueueUserAPC(lambda _: sent(pair[1], b"from the apc"), kernel32.GetCurrentThread(), 0)
    assert received(pair[0], 20) == b"from the apc"


def test_l6_close_by_another_thread(family: int) -> None:
    """blocked recv, accept, send: WSAEINTR"""
    near, far = connected(family)
    receiving = Running(received, near, 10)
    asleep(receiving)
    close(near)
    assert receiving.result() == WSAError.WSAEINTR
    listener, _ = listening(family)
    accepting = Running(lambda: (ws2_32.accept(listener, None, None), error()))
    asleep(accepting)
    close(listener)
    assert accepting.result() == (INVALID_SOCKET, WSAError.WSAEINTR)
    one, other = connected(family)
    sending = Running(sent, one, bytes(BIG))
    asleep(sending)
    close(one)
    assert sending.result() == -WSAError.WSAEINTR
    close(far, other)


def test_k10_wsacleanup_tells_nobody(pair: tuple[int, int]) -> None:
    """aborted, not told"""
    with event() as handle:
        operation = Operation(pair[0], 10, hEvent=handle)
        while runtime.starts:
            assert ws2_32.WSACleanup() == 0
        assert operation.internal == c.STATUS_CANCELLED
        assert not is_set(handle)
    assert failed(ws2_32.closesocket(pair[0])) == WSAError.WSANOTINITIALISED


# -- datagrams -------------------------------------------------------------------------------------------------------


def test_datagrams_with_and_without_a_peer(family: int) -> None:
    """sendto, recvfrom, connect, send, recv, names; boundaries and empty datagrams are kept"""
    one, two = made(SOCK_DGRAM, family), made(SOCK_DGRAM, family)
    port = bound(two, family)
    address = sockaddr(port, family)
    for text in (b"first", b"", b"third"):
        assert ws2_32.sendto(one, text, len(text), 0, address, len(address)) == len(text)
    room, sender, length = ctypes.create_string_buffer(99), ctypes.create_string_buffer(128), ctypes.c_int(128)
    got = []
    for _ in range(3):
        count = ws2_32.recvfrom(two, room, 99, 0, sender, byref(length))
        got.append(room.raw[:count])
    assert got == [b"first", b"", b"third"]
    assert addresses.unpack(sender.raw[: length.value])[1][1] == port_of(one)
    assert ws2_32.sendto(two, b"back", 4, 0, sender, length.value) == 4
    assert received(one, 99) == b"back"
    assert connect(one, port, family) == 0
    assert sent(one, b"to the peer") == 11
    assert received(two, 99) == b"to the peer"
    assert name(ws2_32.getpeername, one)[1] == port
    close(one, two)


def test_i1_recvfrom_with_an_overlapped_writes_the_sender_at_the_end(datagrams: tuple[int, int]) -> None:
    one, two = datagrams
    with event() as handle:
        operation = Datagram(two, 20, hEvent=handle)
        assert (operation.code, operation.length.value) == (PENDING, 128)
        assert sent(one, b"hello") == 5
        assert is_set(handle, 10_000)
        assert operation.result() == (1, 5, 0, 0)
        assert addresses.unpack(operation.sender.raw[: operation.length.value])[1][1] == port_of(one)
        assert operation.memory.raw[:5] == b"hello"


def test_i2_a_datagram_that_is_too_long(datagrams: tuple[int, int]) -> None:
    """the rest is lost, WSAEMSGSIZE; with an OVERLAPPED the status is 0x80000005 and the bytes count"""
    one, two = datagrams
    assert sent(one, b"12345") == sent(one, b"67890") == 5
    room = ctypes.create_string_buffer(3)
    assert failed(ws2_32.recv(two, room, 3, 0)) == WSAError.WSAEMSGSIZE
    assert room.raw == b"123"
    assert received(two, 9) == b"67890"
    with event() as handle:
        operation = Datagram(two, 3, hEvent=handle)
        assert sent(one, b"abcde") == 5
        assert is_set(handle, 10_000)
        assert operation.result()[::3] == (0, WSAError.WSAEMSGSIZE)
        assert (operation.overlapped.Internal, operation.overlapped.InternalHigh) == (0x80000005, 3)
        assert operation.memory.raw == b"abc"


def test_i3_a_truncated_receive_that_ends_at_once_is_told(datagrams: tuple[int, int]) -> None:
    """event; routine with 0 bytes; packet with the bytes"""
    one, two = datagrams
    with event() as handle:
        assert sent(one, b"12345") == 5
        ready(two)
        operation = Datagram(two, 3, hEvent=handle)
        assert operation.code == WSAError.WSAEMSGSIZE
        assert is_set(handle)
        assert operation.overlapped.InternalHigh == 3
    told: list[tuple[int, int]] = []
    assert sent(one, b"12345") == 5
    ready(two)
    operation = Datagram(two, 3, routine=lambda code, count, pointer, flags: told.append((code, count)))
    assert operation.code == WSAError.WSAEMSGSIZE
    assert kernel32.SleepEx(10_000, True) == c.WAIT_IO_COMPLETION
    assert told == [(WSAError.WSAEMSGSIZE, 0)]
    with port_for(two) as port:
        assert sent(one, b"12345") == 5
        ready(two)
        operation = Datagram(two, 3)
        assert operation.code == WSAError.WSAEMSGSIZE
        assert packet(port, 10_000) == (False, 3, 7, ctypes.addressof(operation.overlapped), 234)


def test_i4_zero_bytes_and_peeks(datagrams: tuple[int, int]) -> None:
    one, two = datagrams
    assert sent(one, b"12345") == sent(one, b"67890") == 5
    assert received(two, 0) == WSAError.WSAEMSGSIZE
    assert received(two, 3, c.MSG_PEEK) == WSAError.WSAEMSGSIZE
    assert received(two, 9, c.MSG_PEEK) == b"67890"
    assert received(two, 9) == b"67890"
    assert sent(one, b"") == 0
    assert received(two, 9) == b""
    set_nonblocking(two)
    assert received(two, 9, c.MSG_PEEK) == WSAError.WSAEWOULDBLOCK
    assert sent(one, b"abc") == 3
    ready(two, 3)
    assert received(two, 9, c.MSG_PEEK) == received(two, 9) == b"abc"


def test_i5_too_long_out_of_band_broadcast(datagrams: tuple[int, int], family: int) -> None:
    one, two = datagrams
    assert sent(one, bytes(70_000)) == -WSAError.WSAEMSGSIZE
    assert sent(one, b"x", c.MSG_OOB) == -WSAError.WSAEOPNOTSUPP
    assert received(two, 9, c.MSG_OOB) == WSAError.WSAEOPNOTSUPP
    if family == AF_INET:
        s, everybody = made(SOCK_DGRAM), sockaddr(9, host="255.255.255.255")
        assert failed(ws2_32.sendto(s, b"x", 1, 0, everybody, 16)) == WSAError.WSAEACCES
        close(s)


def test_i6_unbound_unconnected_and_disconnected(family: int) -> None:
    """recv unbound WSAEINVAL, send without a peer WSAENOTCONN, connect(AF_UNSPEC) removes the peer"""
    s, other = made(SOCK_DGRAM, family), made(SOCK_DGRAM, family)
    assert received(s, 9) == WSAError.WSAEINVAL
    assert sent(s, b"x") == -WSAError.WSAENOTCONN
    assert connect(s, bound(other, family), family) == 0
    assert sent(s, b"x") == 1
    nobody = ctypes.create_string_buffer(28)
    assert ws2_32.connect(s, nobody, 28) == 0, error()
    assert sent(s, b"x") == -WSAError.WSAENOTCONN
    assert name(ws2_32.getpeername, s) == WSAError.WSAENOTCONN
    close(s, other)


def test_i7_a_peer_that_is_gone(datagrams: tuple[int, int], kind: str) -> None:
    """its port is closed: WSAECONNRESET; FIONREAD is the total (of what is this side of a layer, where there is one)"""
    one, two = datagrams
    assert sent(one, b"123") == 3
    assert sent(one, b"45678") == 5
    ready(two, 8 if kind in ("base", "control") else 3)
    close(one)
    assert sent(two, b"into the void") == 13
    codes: list[Any] = []
    until(lambda: codes.append(received(two, 99)) or codes[-1] == WSAError.WSAECONNRESET)
    assert [one for one in codes if isinstance(one, bytes)] in ([b"123", b"45678"], [b"123"], [])


def test_l6_close_ends_a_blocked_recvfrom(datagrams: tuple[int, int]) -> None:
    waiting = Running(received, datagrams[0], 10)
    asleep(waiting)
    close(datagrams[0])
    assert waiting.result() == WSAError.WSAEINTR


def test_datagram_receives_end_in_posting_order(datagrams: tuple[int, int]) -> None:
    """H1 for datagrams, with one of them cancelled"""
    one, two = datagrams
    operations = [Datagram(two, 10) for _ in range(3)]
    assert kernel32.CancelIoEx(two, byref(operations[1].overlapped))
    assert sent(one, b"a") == sent(one, b"b") == 1
    assert operations[2].result(wait=True) == (1, 1, 0, 0)
    assert operations[0].memory.raw[:1] + operations[2].memory.raw[:1] == b"ab"
    assert operations[1].result()[3] == WSAError.WSA_OPERATION_ABORTED


# -- options ---------------------------------------------------------------------------------------------------------


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
