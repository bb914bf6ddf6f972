"""ConnectEx and DisconnectEx: their pages in mswsock.h, layering 10, witness O9, O10, O13 to O15 and F4."""

import ctypes
import socket
import threading
from collections.abc import Iterator

import pytest

from support.extension import Accept, Connect, Disconnect, connect_time, fetch, met
from support.winsock import (
    LOOPBACK,
    bound,
    byref,
    close,
    connected,
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
from ws2spi import kernel32, mswsock, ws2_32
from ws2spi._abi.constants import AF_INET, SOCK_DGRAM
from ws2spi._abi.errors import WSAError
from ws2spi._executive.overlapped import pending_count

PENDING = WSAError.WSA_IO_PENDING
ABORTED = -WSAError.WSA_OPERATION_ABORTED
REUSE = mswsock.TF_REUSE_SOCKET

pytestmark = pytest.mark.usefixtures("kind")


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    assert pending_count() == 0


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """A listener that is not ours."""
    with socket.create_server((LOOPBACK[AF_INET], 0)) as listener:
        yield listener


def bound_socket() -> int:
    s = made()
    bound(s)
    return s


def nobody() -> int:
    """A port that nobody listens on."""
    with socket.create_server((LOOPBACK[AF_INET], 0)) as gone:
        return int(gone.getsockname()[1])


def test_data_goes_with_the_connect(family: int) -> None:
    connect, accept, listener = met(family, b"x" * 100_000, 100)
    assert accept.buffer.raw[:100] == b"x" * 100
    assert read_all(accept.accepted, 99_900) == b"x" * 99_900
    close(connect.s, accept.accepted, listener)


def test_o9_states_and_codes(server: socket.socket) -> None:
    port = server.getsockname()[1]
    unbound = Connect(port, s=made())
    assert (unbound.code, unbound.pending) == (WSAError.WSAEINVAL, True)  # witness F10
    s = bound_socket()
    name, call = sockaddr(port), fetch(s, "ConnectEx")
    place = ctypes.addressof(name)
    overlapped = mswsock.OVERLAPPED()
    ov = ctypes.addressof(overlapped)

    def code(*arguments: object) -> int:
        assert call(*arguments) == 0
        return error()

    assert code(s, place, len(name), None, 0, None, None) == WSAError.WSA_INVALID_PARAMETER
    assert code(s, None, len(name), None, 0, None, ov) == WSAError.WSAEFAULT
    assert code(s, place, 7, None, 0, None, ov) == WSAError.WSAEFAULT
    assert code(0x7FFFFFF, place, len(name), None, 0, None, ov) == WSAError.WSAENOTSOCK
    six = sockaddr(port, 23)
    assert code(s, ctypes.addressof(six), len(six), None, 0, None, ov) == WSAError.WSAEAFNOSUPPORT
    assert overlapped.Internal == 0
    overlapped.hEvent = 12345678
    assert code(s, place, len(name), None, 0, None, ov) == WSAError.WSA_INVALID_HANDLE
    for host, where in (("127.0.0.1", 0), ("0.0.0.0", port)):
        assert connect_to(s, host, where) == WSAError.WSAEADDRNOTAVAIL
    connect = Connect(port, s=s)
    assert (connect.code, connect.result()) == (PENDING, 0)
    assert Connect(port, s=s).code == WSAError.WSAEISCONN
    listener, _ = listening()
    assert Connect(port, s=listener).code == WSAError.WSAEINVAL
    datagram = made(SOCK_DGRAM)
    bound(datagram)
    assert Connect(port, s=datagram).code == WSAError.WSAEINVAL
    close(s, unbound.s, listener, datagram)


def connect_to(s: int, host: str, port: int) -> int:
    name = sockaddr(port, host=host)
    overlapped = mswsock.OVERLAPPED()
    assert mswsock.ConnectEx(s, name, len(name), None, 0, None, byref(overlapped)) == 0
    return error()


def test_o9_a_packet_also_with_skip_on_success(server: socket.socket) -> None:
    s = bound_socket()
    with port_for(s, 3) as queue:
        kernel32.SetFileCompletionNotificationModes(s, 1)  # fails on handles that are no system handles
        connect = Connect(server.getsockname()[1], b"abc", s)
        assert packet(queue, 5000) == (True, 3, 3, connect.address, 0)
    close(s)


def test_o10_refused_and_then_again_on_the_same_socket(server: socket.socket) -> None:
    s = bound_socket()
    with port_for(s) as queue:
        connect = Connect(nobody(), b"data", s)
        assert connect.code == PENDING
        assert packet(queue, 5000) == (False, 0, 7, connect.address, 1225)
        assert connect.result() == -WSAError.WSAECONNREFUSED
        again = Connect(server.getsockname()[1], b"data", s)
        assert packet(queue, 5000) == (True, 4, 7, again.address, 0)
        peer, _ = server.accept()
        assert peer.recv(10) == b"data"
        peer.close()
    close(s)


@pytest.fixture
def never() -> Iterator[int]:
    """A port whose connects stay under way: its queue is full."""
    with socket.socket() as full:
        full.bind((LOOPBACK[AF_INET], 0))
        full.listen(0)
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
            fillers.append(filler)
        yield int(full.getsockname()[1])
        for filler in fillers:
            filler.close()


def test_o10_cancelled(never: int) -> None:
    connect = Connect(never)
    assert connect.pending
    assert kernel32.CancelIoEx(connect.s, byref(connect.overlapped))
    assert connect.result() == ABORTED
    close(connect.s)


def test_o10_closed(never: int) -> None:
    s = bound_socket()
    with port_for(s) as queue:
        connect = Connect(never, s=s)
        close(s)
        assert packet(queue, 5000) == (False, 0, 7, connect.address, 995)


def test_o10_meanwhile(never: int) -> None:
    connect = Connect(never)
    name = sockaddr(never)
    assert (ws2_32.connect(connect.s, name, len(name)), error()) == (-1, WSAError.WSAEINVAL)
    assert Connect(never, s=connect.s).code == WSAError.WSAEALREADY
    close(connect.s)
    assert connect.overlapped.Internal != 0x103


def test_connectex_while_a_connect_is_under_way(never: int) -> None:
    s = bound_socket()
    set_nonblocking(s)
    name = sockaddr(never)
    assert (ws2_32.connect(s, name, len(name)), error()) == (-1, WSAError.WSAEWOULDBLOCK)
    assert Connect(never, s=s).code == WSAError.WSAEALREADY
    close(s)


def test_the_thread_that_started_it_ends(never: int) -> None:
    s = bound_socket()
    with event() as handle:
        started: list[Connect] = []
        thread = threading.Thread(target=lambda: started.append(Connect(never, s=s, hEvent=handle)))
        thread.start()
        thread.join()
        assert is_set(handle, 5000)
        assert started[0].result() == ABORTED
    close(s)


def test_before_the_update_shutdown_and_the_peers_name_are_refused(server: socket.socket) -> None:
    connect = Connect(server.getsockname()[1])
    assert connect.result() == 0
    room, length = ctypes.create_string_buffer(128), ctypes.c_int(128)
    assert (ws2_32.getpeername(connect.s, room, byref(length)), error()) == (-1, WSAError.WSAENOTCONN)
    assert (ws2_32.shutdown(connect.s, 1), error()) == (-1, WSAError.WSAENOTCONN)
    assert connect_time(connect.s) < 100
    assert connect.update() == 0
    assert ws2_32.getpeername(connect.s, room, byref(length)) == 0
    assert ws2_32.shutdown(connect.s, 1) == 0
    close(connect.s)


def test_the_update_of_an_unconnected_socket() -> None:
    s = made()
    assert (ws2_32.setsockopt(s, 0xFFFF, 0x7010, None, 0), error()) == (-1, WSAError.WSAENOTCONN)
    close(s)


# DisconnectEx


def test_o13_unconnected_and_bad_arguments() -> None:
    s, datagram = made(), made(SOCK_DGRAM)
    assert Disconnect(s).code == WSAError.WSAENOTCONN
    assert Disconnect(datagram).code == WSAError.WSAEINVAL
    assert Disconnect(s, 1).code == WSAError.WSAEINVAL
    assert Disconnect(s, 0, 1).code == WSAError.WSAEINVAL
    assert Disconnect(s, hEvent=12345678).code == WSAError.WSA_INVALID_HANDLE
    assert (fetch(s, "DisconnectEx")(0x7FFFFFF, None, 0, 0), error()) == (0, WSAError.WSAENOTSOCK)
    close(s, datagram)


def test_o13_o14_the_sending_side_ends_and_receiving_goes_on() -> None:
    s, peer = connected()
    with port_for(s, 5) as queue:
        kernel32.SetFileCompletionNotificationModes(s, 1)
        disconnect = Disconnect(s)
        assert disconnect.code == PENDING
        assert packet(queue, 5000) == (True, 0, 5, disconnect.address, 0)
    assert received(peer) == b""
    assert (ws2_32.send(s, b"x", 1, 0), error()) == (-1, WSAError.WSAESHUTDOWN)
    ws2_32.send(peer, b"later", 5, 0)
    assert received(s) == b"later"
    assert Disconnect(s).result() == 0
    close(s, peer)


def test_o13_without_an_overlapped_it_takes_its_time() -> None:
    s, peer = connected()
    assert fetch(s, "DisconnectEx")(s, None, 0, 0) == 1
    assert received(peer) == b""
    close(s, peer)


def test_what_was_sent_before_arrives_first() -> None:
    s, peer = connected()
    ws2_32.send(s, b"before", 6, 0)
    assert Disconnect(s).result() == 0
    assert read_all(peer, 100) == b"before"
    close(s, peer)


def test_o15_reused_for_connectex_it_is_still_bound(server: socket.socket) -> None:
    s = bound_socket()
    port = server.getsockname()[1]
    for text in (b"first", b"second", b"third"):
        connect = Connect(port, text, s)
        assert (connect.code, connect.result()) == (PENDING, len(text))
        peer, _ = server.accept()
        assert peer.recv(100) == text
        disconnect = Disconnect(s, REUSE)
        assert peer.recv(100) == b""
        peer.close()
        assert disconnect.result() == 0
        assert connect_time(s) == 0xFFFFFFFF
        assert (ws2_32.send(s, b"x", 1, 0), error()) == (-1, WSAError.WSAENOTCONN)
        assert port_of(s)
    close(s)


def test_o15_reused_for_acceptex(family: int) -> None:
    connect, accept, listener = met(family)
    for number in range(3):
        disconnect = Disconnect(accept.accepted, REUSE)
        assert received(connect.s) == b""
        close(connect.s)
        assert disconnect.result() == 0
        accept = Accept(listener, 5, accept.accepted, family)
        assert accept.code == PENDING
        connect = Connect(port_of(listener), b"no %02d" % number, family=family)
        assert accept.result() == 5
        assert accept.buffer.raw[:5] == b"no %02d" % number
        assert ws2_32.send(accept.accepted, b"answer", 6, 0) == 6
        assert received(connect.s) == b"answer"
    close(connect.s, accept.accepted, listener)


def test_disconnectex_lets_an_accepted_socket_connect_and_a_bound_one_accept(server: socket.socket) -> None:
    connect, accept, listener = met()
    for here, there in ((accept.accepted, connect.s), (connect.s, None)):
        disconnect = Disconnect(here, REUSE)
        if there is not None:
            assert fetch(there, "DisconnectEx")(there, None, 0, 0) == 1
        assert disconnect.result() == 0
    again = Connect(server.getsockname()[1], s=accept.accepted)
    assert again.result() == 0
    taken = Accept(listener, accepted=connect.s)
    assert taken.code == PENDING
    socket.create_connection((LOOPBACK[AF_INET], port_of(listener))).close()
    assert taken.result() == 0
    close(connect.s, accept.accepted, listener)


def test_a_peer_that_stays_is_waited_for_until_the_close() -> None:
    s, peer = connected()
    with port_for(s) as queue:
        disconnect = Disconnect(s, REUSE)
        assert received(peer) == b""
        assert disconnect.pending
        close(s)
        assert packet(queue, 5000) == (False, 0, 7, disconnect.address, 995)
    close(peer)
