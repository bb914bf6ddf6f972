"""The exact face over real sockets: start-up, choosing a provider, names, errors (witness P, R; issue 2 item 5)."""

import ctypes
import socket as posix
import struct
import threading
from typing import Any

import pytest

from support.threads import Running, until
from support.winsock import (
    byref,
    close,
    connected,
    datagram_pair,
    error,
    event,
    is_set,
    listening,
    made,
    port_of,
    read_all,
    received,
    set_nonblocking,
    sockaddr,
)
from ws2spi import kernel32, ws2_32
from ws2spi._abi import addresses
from ws2spi._abi.constants import (
    AF_INET,
    AF_INET6,
    FIONREAD,
    INVALID_SOCKET,
    SIO_BASE_HANDLE,
    SIO_FLUSH,
    SO_RCVTIMEO,
    SOCK_DGRAM,
    SOL_SOCKET,
)
from ws2spi._abi.errors import WSAError
from ws2spi._abi.types import WSAPROTOCOL_INFOW
from ws2spi._runtime.process import runtime

FAMILIES = pytest.mark.parametrize("family", [AF_INET, AF_INET6], ids=["IPv4", "IPv6"])


# P. Start-up, states, pointers


def test_p1_before_wsastartup_everything_is_wsanotinitialised() -> None:
    assert ws2_32.socket(2, 1, 6) == INVALID_SOCKET
    assert error() == WSAError.WSANOTINITIALISED
    assert ws2_32.WSACleanup() == -1
    assert error() == WSAError.WSANOTINITIALISED
    ws2_32.WSASetLastError(0)
    buffer = ctypes.create_string_buffer(4)
    for call in (
        lambda: ws2_32.send(5, buffer, 4, 0),
        lambda: ws2_32.recv(5, buffer, 4, 0),
        lambda: ws2_32.bind(5, None, 0),
        lambda: ws2_32.closesocket(5),
        lambda: ws2_32.ioctlsocket(5, 1, None),
    ):
        ws2_32.WSASetLastError(0)
        assert call() == -1
        assert error() == WSAError.WSANOTINITIALISED
    with event() as handle:  # events work without it
        assert ws2_32.WSASetEvent(handle)
        assert is_set(handle)


@pytest.mark.parametrize(
    ("requested", "version"),
    [
        (0x0001, 0x0001),
        (0x0101, 0x0101),
        (0x0002, 0x0002),
        (0x0102, 0x0102),
        (0x0202, 0x0202),
        (0x0302, 0x0202),
        (0x0003, 0x0202),
        (0xFF01, 0x0101),
    ],
)
def test_p2_versions(requested: int, version: int) -> None:
    """Low byte major, high byte minor."""
    data = ws2_32.WSADATA()
    assert ws2_32.WSAStartup(requested, byref(data)) == 0
    assert (data.wVersion, data.wHighVersion) == (version, 0x0202)
    assert ws2_32.WSACleanup() == 0


def test_p2_refusals_are_results_and_leave_the_last_error_alone() -> None:
    data = ws2_32.WSADATA()
    ws2_32.WSASetLastError(77)
    assert ws2_32.WSAStartup(0x0900, byref(data)) == WSAError.WSAVERNOTSUPPORTED
    assert data.wHighVersion == 0x0202
    assert ws2_32.WSAStartup(0x0202, None) == WSAError.WSAEFAULT
    assert error() == 77
    assert not runtime.starts


def test_p3_starts_are_counted_and_the_last_cleanup_ends_the_sockets(started: None) -> None:
    for _ in range(2):
        assert ws2_32.WSAStartup(0x0202, byref(ws2_32.WSADATA())) == 0
    s = made()
    assert ws2_32.WSACleanup() == 0
    assert ws2_32.WSACleanup() == 0
    assert ws2_32.bind(s, sockaddr(0), 16) == 0
    assert ws2_32.WSACleanup() == 0
    assert ws2_32.WSACleanup() == -1
    assert error() == WSAError.WSANOTINITIALISED
    assert ws2_32.WSAStartup(0x0202, byref(ws2_32.WSADATA())) == 0
    assert ws2_32.closesocket(s) == -1
    assert error() == WSAError.WSAENOTSOCK


@pytest.mark.usefixtures("started")
class TestErrors:
    def code(self, result: int) -> int:
        assert result in (-1, INVALID_SOCKET)
        return error()

    def test_p4_unconnected_stream(self) -> None:
        s = made()
        assert received(s) == WSAError.WSAENOTCONN
        assert self.code(ws2_32.send(s, b"x", 1, 0)) == WSAError.WSAENOTCONN
        close(s)

    def test_p5_listen(self) -> None:
        s, _ = listening()
        assert ws2_32.listen(s, 3) == 0  # twice
        close(s)
        s = made()
        assert self.code(ws2_32.listen(s, 5)) == WSAError.WSAEINVAL
        close(s)
        ends = connected()
        assert self.code(ws2_32.listen(ends[0], 5)) == WSAError.WSAEISCONN
        close(*ends)
        s = made(SOCK_DGRAM)
        assert self.code(ws2_32.listen(s, 5)) == WSAError.WSAEOPNOTSUPP
        close(s)

    def test_p6_accept(self) -> None:
        s = made()
        assert self.code(ws2_32.accept(s, None, None)) == WSAError.WSAEINVAL
        close(s)
        s = made(SOCK_DGRAM)
        assert self.code(ws2_32.accept(s, None, None)) == WSAError.WSAEOPNOTSUPP
        close(s)

    def test_p7_bind(self) -> None:
        s, other = made(), made()
        assert self.code(ws2_32.bind(s, sockaddr(0), 8)) == WSAError.WSAEFAULT
        assert self.code(ws2_32.bind(s, None, 16)) == WSAError.WSAEFAULT
        assert self.code(ws2_32.bind(s, sockaddr(0, AF_INET6), 28)) == WSAError.WSAEFAULT
        assert self.code(ws2_32.bind(s, ctypes.create_string_buffer(b"\x63\0", 16), 16)) == WSAError.WSAEAFNOSUPPORT
        assert self.code(ws2_32.bind(s, sockaddr(0, host="192.0.2.1"), 16)) == WSAError.WSAEADDRNOTAVAIL
        assert ws2_32.bind(s, sockaddr(0), 16) == 0
        assert self.code(ws2_32.bind(s, sockaddr(0), 16)) == WSAError.WSAEINVAL
        assert self.code(ws2_32.bind(other, sockaddr(port_of(s)), 16)) == WSAError.WSAEADDRINUSE
        close(s, other)

    def test_p8_names_of_unbound_and_unconnected(self) -> None:
        s = made()
        room, length = ctypes.create_string_buffer(16), ctypes.c_int(16)
        assert self.code(ws2_32.getsockname(s, room, byref(length))) == WSAError.WSAEINVAL
        assert self.code(ws2_32.getpeername(s, room, byref(length))) == WSAError.WSAENOTCONN
        assert self.code(ws2_32.getpeername(s, None, None)) == WSAError.WSAENOTCONN  # before pointers are looked at
        close(s)

    def test_p9_address_length(self) -> None:
        ends = connected()
        room, length = ctypes.create_string_buffer(16), ctypes.c_int(8)
        for function in (ws2_32.getsockname, ws2_32.getpeername):
            assert self.code(function(ends[0], room, byref(length))) == WSAError.WSAEFAULT
            assert length.value == 8
            assert self.code(function(ends[0], room, None)) == WSAError.WSAEFAULT
            assert self.code(function(ends[0], None, byref(length))) == WSAError.WSAEFAULT
        close(*ends)

    def test_p10_accept_keeps_the_request_when_the_room_is_too_small(self) -> None:
        s, port = listening()
        client = made()
        assert ws2_32.connect(client, sockaddr(port), 16) == 0
        room, length = ctypes.create_string_buffer(16), ctypes.c_int(4)
        assert self.code(ws2_32.accept(s, room, byref(length))) == WSAError.WSAEFAULT
        length.value = 16
        server = ws2_32.accept(s, room, byref(length))
        assert server != INVALID_SOCKET
        assert addresses.unpack(room.raw) == (AF_INET, ("127.0.0.1", port_of(client)))
        close(s, client, server)

    def test_p11_a_bad_socket_comes_before_bad_pointers(self) -> None:
        calls: list[Any] = [
            lambda: ws2_32.bind(4711, None, 0),
            lambda: ws2_32.connect(4711, None, 0),
            lambda: ws2_32.getsockname(4711, None, None),
            lambda: ws2_32.getsockopt(4711, 0, 0, None, None),
            lambda: ws2_32.setsockopt(4711, 0, 0, None, 4),
            lambda: ws2_32.ioctlsocket(4711, FIONREAD, None),
            lambda: ws2_32.WSASend(4711, None, 1, None, 0, None, None),
            lambda: ws2_32.WSARecv(4711, None, 0, None, None, None, None),
            lambda: ws2_32.send(4711, None, -1, 0),
            lambda: ws2_32.recvfrom(4711, None, -1, 0, None, None),
            lambda: ws2_32.sendto(4711, None, 5, 0, None, 0),
            lambda: ws2_32.shutdown(4711, 7),
            lambda: ws2_32.WSAIoctl(4711, 1, None, 4, None, 4, None, None, None),
        ]
        for call in calls:
            assert self.code(call()) == WSAError.WSAENOTSOCK

    def test_null_and_negative_buffers(self) -> None:
        ends = connected()
        assert self.code(ws2_32.send(ends[0], None, 5, 0)) == WSAError.WSAEFAULT
        assert self.code(ws2_32.send(ends[0], b"x", -1, 0)) == WSAError.WSAEFAULT
        assert self.code(ws2_32.recv(ends[0], None, 5, 0)) == WSAError.WSAEFAULT
        assert ws2_32.send(ends[0], None, 0, 0) == 0
        close(*ends)

    def test_k13_shutdown(self) -> None:
        ends = connected()
        assert self.code(ws2_32.shutdown(ends[0], 7)) == WSAError.WSAEINVAL
        close(*ends)
        s = made()
        assert self.code(ws2_32.shutdown(s, 1)) == WSAError.WSAENOTCONN
        close(s)

    def test_q_ioctls(self) -> None:
        ends = connected()
        output, returned = ctypes.c_uint64(), ctypes.c_uint32(9)
        ioctl = ws2_32.WSAIoctl
        assert ioctl(ends[0], SIO_BASE_HANDLE, None, 0, byref(output), 8, byref(returned), None, None) == 0
        assert (output.value, returned.value) == (ends[0], 8)
        assert self.code(ioctl(ends[0], SIO_BASE_HANDLE, None, 0, byref(output), 8, None, None, None)) == 10014
        assert self.code(ioctl(ends[0], SIO_BASE_HANDLE, None, 0, None, 0, byref(returned), None, None)) == 10014
        assert (
            self.code(ioctl(ends[0], SIO_FLUSH, None, 0, None, 0, byref(returned), None, None))
            == WSAError.WSAEOPNOTSUPP
        )
        overlapped = ws2_32.WSAOVERLAPPED()
        with event() as handle:
            overlapped.hEvent = handle
            count = ctypes.c_uint32()
            assert ioctl(ends[0], FIONREAD, None, 0, byref(count), 4, None, byref(overlapped), None) == 0
            assert is_set(handle)
            assert overlapped.InternalHigh == 4
        assert self.code(ws2_32.ioctlsocket(ends[0], FIONREAD, None)) == WSAError.WSAEFAULT
        close(*ends)


# R. socket(family, type, protocol), enumeration


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((0, 1, 0), WSAError.WSAEINVAL),
        ((0, 9, 0), WSAError.WSAEINVAL),
        ((2, 9, 6), WSAError.WSAESOCKTNOSUPPORT),
        ((99, 9, 99), WSAError.WSAESOCKTNOSUPPORT),
        ((99, 1, 6), WSAError.WSAEAFNOSUPPORT),
        ((99, 1, 99), WSAError.WSAEAFNOSUPPORT),
        ((2, 1, 17), WSAError.WSAEPROTOTYPE),
        ((2, 2, 6), WSAError.WSAEPROTOTYPE),
        ((2, 1, 99), WSAError.WSAEPROTONOSUPPORT),
        ((0, 0, 99), WSAError.WSAEPROTONOSUPPORT),
    ],
)
def test_r1_to_r4_codes_in_the_order_of_the_tests(arguments: tuple[int, int, int], code: WSAError) -> None:
    assert ws2_32.socket(*arguments) == INVALID_SOCKET
    assert error() == code


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize(
    ("arguments", "kind"),
    [((2, 1, 0), 1), ((2, 0, 6), 1), ((2, 0, 0), 1), ((0, 1, 6), 1), ((0, 0, 17), 2), ((23, 2, 0), 2)],
)
def test_r5_what_zeros_mean(arguments: tuple[int, int, int], kind: int) -> None:
    s = ws2_32.socket(*arguments)
    value, length = ctypes.c_int(), ctypes.c_int(4)
    assert ws2_32.getsockopt(s, SOL_SOCKET, 0x1008, byref(value), byref(length)) == 0
    assert value.value == kind
    info = WSAPROTOCOL_INFOW()
    length.value = ctypes.sizeof(info)
    assert ws2_32.getsockopt(s, SOL_SOCKET, 0x2005, byref(info), byref(length)) == 0
    assert info.iAddressFamily == (arguments[0] or 2)
    close(s)


@pytest.mark.usefixtures("started")
def test_r6_enumeration() -> None:
    length = ctypes.c_uint32(0)
    assert ws2_32.WSAEnumProtocolsW(None, None, byref(length)) == -1
    assert error() == WSAError.WSAENOBUFS
    size = ctypes.sizeof(WSAPROTOCOL_INFOW)
    assert length.value == 4 * size
    entries = (WSAPROTOCOL_INFOW * 4)()
    assert ws2_32.WSAEnumProtocols(None, entries, byref(length)) == 4
    assert [entry.iAddressFamily for entry in entries] == [2, 2, 23, 23]
    assert entries[0].szProtocol == "ws2spi Tcpip [TCP/IP]"
    assert ws2_32.WSAEnumProtocolsW((ctypes.c_int * 2)(6, 0), entries, byref(length)) == 2
    assert ws2_32.WSAEnumProtocolsW((ctypes.c_int * 2)(77, 0), entries, byref(length)) == 0
    code = ctypes.c_int()
    assert ws2_32.WSCEnumProtocols(None, entries, byref(ctypes.c_uint32(size)), byref(code)) == -1
    assert code.value == WSAError.WSAENOBUFS


@pytest.mark.usefixtures("started")
def test_wsasocket_of_an_entry() -> None:
    """catalog 8.1: no matching; FROM_PROTOCOL_INFO for all three"""
    length = ctypes.c_uint32(4 * ctypes.sizeof(WSAPROTOCOL_INFOW))
    entries = (WSAPROTOCOL_INFOW * 4)()
    ws2_32.WSAEnumProtocolsW(None, entries, byref(length))
    s = ws2_32.WSASocketW(-1, -1, -1, byref(entries[3]), 0, 1)
    assert s != INVALID_SOCKET
    assert ws2_32.bind(s, sockaddr(0, AF_INET6), 28) == 0
    close(s)
    s = ws2_32.WSASocketA(-1, -1, -1, byref(entries[1]), 0, 1)  # the members it looks at lie at the same places
    assert s != INVALID_SOCKET
    close(s)
    entries[0].dwCatalogEntryId = 4711
    assert ws2_32.WSASocketW(-1, -1, -1, byref(entries[0]), 0, 1) == INVALID_SOCKET
    assert error() == WSAError.WSAEINVAL


# Talking


@pytest.mark.usefixtures("started")
@FAMILIES
def test_a_connection_both_ways_and_its_end(family: int) -> None:
    client, server = connected(family)
    assert ws2_32.send(client, b"ping", 4, 0) == 4
    assert read_all(server, 4) == b"ping"
    assert ws2_32.send(server, ctypes.create_string_buffer(b"pong"), 4, 0) == 4
    assert received(client) == b"pong"
    assert ws2_32.shutdown(client, 1) == 0
    assert received(server) == b""
    assert ws2_32.send(client, b"x", 1, 0) == -1
    assert error() == WSAError.WSAESHUTDOWN
    close(client, server)


@pytest.mark.usefixtures("started")
@FAMILIES
def test_datagrams_with_and_without_a_peer(family: int) -> None:
    one, other = datagram_pair(family)
    assert ws2_32.send(one, b"to the peer", 11, 0) == 11
    room, length = ctypes.create_string_buffer(128), ctypes.c_int(128)
    buffer = ctypes.create_string_buffer(64)
    assert ws2_32.recvfrom(other, buffer, 64, 0, room, byref(length)) == 11
    assert addresses.unpack(room.raw[: length.value])[1][1] == port_of(one)
    size = addresses.SIZES[family]
    assert length.value == size
    assert ws2_32.sendto(one, b"addressed", 9, 0, sockaddr(port_of(other), family), size) == 9
    length.value = 4
    assert ws2_32.recvfrom(other, buffer, 64, 0, room, byref(length)) == -1
    assert error() == WSAError.WSAEFAULT
    assert received(other) == b"addressed"  # nothing was lost
    assert ws2_32.sendto(one, b"x", 1, 0, sockaddr(9, AF_INET6 if family == AF_INET else AF_INET), 28) == -1
    assert error() == WSAError.WSAEAFNOSUPPORT
    close(one, other)


@pytest.mark.usefixtures("started")
def test_an_overlapped_datagram_stores_its_sender_at_the_end() -> None:
    """witness I1"""
    one, other = datagram_pair()
    memory, room, length = ctypes.create_string_buffer(3), ctypes.create_string_buffer(16), ctypes.c_int(16)
    buffer, flags = ws2_32.WSABUF(3, ctypes.addressof(memory)), ctypes.c_uint32()
    with event() as handle:
        overlapped = ws2_32.WSAOVERLAPPED(hEvent=handle)
        result = ws2_32.WSARecvFrom(
            other, byref(buffer), 1, None, byref(flags), room, byref(length), byref(overlapped), None
        )
        assert (result, error()) == (-1, WSAError.WSA_IO_PENDING)
        assert room.raw == bytes(16)
        ws2_32.send(one, b"abcde", 5, 0)
        assert is_set(handle, 5000)
    # Two bytes too many: the end carries the code, the bytes are there (I2).
    assert (overlapped.Internal, overlapped.InternalHigh, memory.raw) == (0x80000005, 3, b"abc")
    assert addresses.unpack(room.raw)[1] == ("127.0.0.1", port_of(one))
    count = ctypes.c_uint32()
    assert not ws2_32.WSAGetOverlappedResult(other, byref(overlapped), byref(count), 0, None)
    assert error() == WSAError.WSAEMSGSIZE
    assert not kernel32.GetOverlappedResult(other, byref(overlapped), byref(count), 0)
    close(one, other)


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize("how", ["event", "routine"])
def test_i3_a_receive_that_is_cut_short_at_once_is_told(how: str) -> None:
    one, other = datagram_pair()
    kernel32.SleepEx(0, True)
    ws2_32.send(one, b"abcde", 5, 0)
    memory, available = ctypes.create_string_buffer(3), ctypes.c_uint32()
    until(lambda: ws2_32.ioctlsocket(other, FIONREAD, byref(available)) == 0 and available.value)
    buffer, flags, told = ws2_32.WSABUF(3, ctypes.addressof(memory)), ctypes.c_uint32(), []
    with event() as handle:
        overlapped = ws2_32.WSAOVERLAPPED(hEvent=handle if how == "event" else 0)
        routine = (lambda code, count, *_: told.append((code, count))) if how == "routine" else None
        result = ws2_32.WSARecv(other, byref(buffer), 1, None, byref(flags), byref(overlapped), routine)
        assert (result, error()) == (-1, WSAError.WSAEMSGSIZE)
        assert is_set(handle) is (how == "event")
    assert (overlapped.Internal, overlapped.InternalHigh) == (0x80000005, 3)
    assert kernel32.SleepEx(0, True) == (0xC0 if how == "routine" else 0)
    assert told == ([(WSAError.WSAEMSGSIZE, 0)] if how == "routine" else [])
    close(one, other)


@pytest.mark.usefixtures("started")
def test_a_nonblocking_connect_and_its_repetitions() -> None:
    """Witness N10."""
    listener, port = listening()
    s = made()
    set_nonblocking(s)
    assert ws2_32.connect(s, sockaddr(port), 16) == -1
    assert error() == WSAError.WSAEWOULDBLOCK
    until(lambda: ws2_32.connect(s, sockaddr(port), 16) == -1 and error() == WSAError.WSAEISCONN)
    set_nonblocking(listener)
    server = ws2_32.accept(listener, None, None)
    assert server != INVALID_SOCKET
    assert ws2_32.accept(listener, None, None) == INVALID_SOCKET
    assert error() == WSAError.WSAEWOULDBLOCK
    assert received(s) == WSAError.WSAEWOULDBLOCK
    close(listener, s, server)


@pytest.mark.usefixtures("started")
def test_a_refused_connect() -> None:
    with posix.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    s = made()
    assert ws2_32.connect(s, sockaddr(port), 16) == -1
    assert error() == WSAError.WSAECONNREFUSED
    assert ws2_32.connect(s, sockaddr(0), 16) == -1
    assert error() == WSAError.WSAEADDRNOTAVAIL
    close(s)


@pytest.mark.usefixtures("started")
def test_caller_data_is_wsaeprotonosupport() -> None:
    s, port = listening()
    client = made()
    data = ws2_32.WSABUF(3, None)
    assert ws2_32.WSAConnect(client, sockaddr(port), 16, byref(data), None, None, None) == -1
    assert error() == WSAError.WSAEPROTONOSUPPORT
    assert ws2_32.WSAConnect(client, sockaddr(port), 16, None, None, None, None) == 0
    close(client, s)


@pytest.mark.usefixtures("started")
def test_a_blocked_receive_runs_apcs_and_goes_on() -> None:
    """witness L1, L3"""
    client, server = connected()
    ran: list[int] = []
    running = Running(lambda: received(client))
    until(lambda: running.executive._parked)
    running.executive.queue_apc(lambda context: ran.append(threading.get_ident()), 0)
    until(lambda: ran)
    assert running.alive()
    ws2_32.send(server, b"abc", 3, 0)
    assert running.result() == b"abc"
    assert ran == [running.thread.ident]
    close(client, server)


@pytest.mark.usefixtures("started")
def test_l6_closesocket_ends_a_blocked_receive() -> None:
    client, server = connected()
    running = Running(lambda: received(client))
    until(lambda: running.executive._parked)
    close(client)
    assert running.result() == WSAError.WSAEINTR
    close(server)


@pytest.mark.usefixtures("started")
def test_a_receive_timeout() -> None:
    client, server = connected()
    assert ws2_32.setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, byref(ctypes.c_uint32(30)), 4) == 0
    assert received(client) == WSAError.WSAETIMEDOUT
    close(client, server)


@pytest.mark.usefixtures("started")
def test_ctypes_numbers_are_numbers_and_settings_are_honoured() -> None:
    """design "exact faces": restype, argtypes, errcheck"""
    s = made()
    assert ws2_32.closesocket(ctypes.c_size_t(s)) == 0
    from ws2spi import ctypes as win

    dll = win.windll.ws2_32
    dll.socket.restype = ctypes.c_size_t
    handle = dll.socket(win.c_int(2), win.c_int(1), 6)
    assert handle < 2**32
    dll.closesocket.argtypes = [ctypes.c_size_t]
    assert dll.closesocket(handle) == 0
    assert win.WinDLL("ws2_32").socket(99, 1, 6) == -1  # c_int is the default result, as there


@pytest.mark.usefixtures("started")
def test_wait_for_multiple_events() -> None:
    """executive 3: WSAWaitForMultipleEvents"""
    first, second = ws2_32.WSACreateEvent(), ws2_32.WSACreateEvent()
    array = (ctypes.c_void_p * 2)(first, second)
    wait = ws2_32.WSAWaitForMultipleEvents
    assert wait(2, array, 0, 0, 0) == 0x102
    ws2_32.WSASetEvent(second)
    assert wait(2, array, 0, 1000, 0) == 1
    assert wait(2, array, 1, 0, 0) == 0x102
    ws2_32.WSASetEvent(first)
    assert wait(2, array, 1, 0, 0) == 0
    for count, code in ((0, 87), (65, 87)):
        assert wait(count, array, 0, 0, 0) == 0xFFFFFFFF
        assert error() == code
    array[1] = first
    assert wait(2, array, 0, 0, 0) == 0
    assert wait(2, array, 1, 0, 0) == 0xFFFFFFFF
    ws2_32.WSACloseEvent(second)
    array[1] = second
    assert wait(2, array, 0, 0, 0) == 0xFFFFFFFF
    assert error() == WSAError.WSA_INVALID_HANDLE
    ws2_32.WSACloseEvent(first)


def test_byte_order_and_text_forms() -> None:
    assert (ws2_32.htons(0x1234), ws2_32.ntohs(0x3412)) == (0x3412, 0x1234)
    assert (ws2_32.htonl(1), ws2_32.ntohl(0x01000000)) == (0x01000000, 1)
    assert (ws2_32.htonll(1), ws2_32.ntohll(1 << 56)) == (1 << 56, 1)
    for number, back, value, size in (
        (ws2_32.htond, ws2_32.ntohd, -1.5, "d"), (ws2_32.htonf, ws2_32.ntohf, 0.25, "f"),
    ):  # fmt: skip
        swapped = number(value)
        assert swapped.to_bytes(struct.calcsize(size), "little") == struct.pack(f">{size}", value)
        assert back(swapped) == value
    assert ws2_32.ntohf(ws2_32.htonf(1e300)) == float("inf"), "as a C cast rounds it"
    assert ws2_32.inet_addr(b"127.0.0.1") == 0x0100007F
    assert ws2_32.inet_addr(b"nonsense") == 0xFFFFFFFF
    assert ws2_32.inet_ntoa(0x0100007F) == b"127.0.0.1"
    binary, text = ctypes.create_string_buffer(16), ctypes.create_string_buffer(46)
    assert ws2_32.inet_pton(23, b"::1", binary) == 1
    assert binary.raw == bytes(15) + b"\1"
    assert ws2_32.inet_ntop(23, binary, text, 46) == ctypes.addressof(text)
    assert text.value == b"::1"
    assert ws2_32.inet_pton(2, b"256.1.1.1", binary) == 0
    assert ws2_32.inet_pton(99, b"::1", binary) == -1
    assert error() == WSAError.WSAEAFNOSUPPORT
    assert ws2_32.inet_pton(2, None, binary) == -1
    assert ws2_32.inet_ntop(2, binary, text, 3) == 0
    assert error() == 87


def test_a_forked_child_is_uninitialised_and_its_descriptors_work(started: None) -> None:
    """design "Handles": a forked child has no runtime"""
    import os

    client, server = connected()
    child = os.fork()
    if not child:
        status = 1
        try:
            refused = ws2_32.send(client, b"x", 1, 0) == -1 and error() == WSAError.WSANOTINITIALISED
            written = os.write(client, b"from the child") == 14
            status = 0 if refused and written else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert read_all(server, 14) == b"from the child"
    assert ws2_32.send(client, b"parent", 6, 0) == 6
    assert received(server) == b"parent"
    close(client, server)
