"""WSAEventSelect and WSAEnumNetworkEvents over every kind of provider: the re-enabling table and the conditions of
provider-functions 6.2, and rows M of the witness ("our rule")."""

import ctypes
from collections.abc import Iterator
from typing import Any

import pytest

from support import winsock
from support.readiness import Selected, enumerated, fill, selected
from support.readiness import select as in_sets
from support.threads import until
from support.winsock import (
    Operation,
    byref,
    close,
    connected,
    error,
    event,
    is_set,
    listening,
    made,
    read_all,
    received,
    set_nonblocking,
    sockaddr,
)
from ws2spi import kernel32, ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError

pytestmark = pytest.mark.usefixtures("kind")
READ, WRITE, ACCEPT, CONNECT, CLOSE, OOB = c.FD_READ, c.FD_WRITE, c.FD_ACCEPT, c.FD_CONNECT, c.FD_CLOSE, c.FD_OOB


@pytest.fixture
def pair(kind: str) -> Iterator[tuple[int, int]]:
    ends = connected()
    yield ends
    for s in ends:
        ws2_32.closesocket(s)


def send(s: int, data: bytes) -> None:
    assert ws2_32.send(s, data, len(data), 0) == len(data), error()


def reset(s: int) -> None:
    """Close with a reset."""
    linger = ws2_32.LINGER(1, 0)
    assert ws2_32.setsockopt(s, c.SOL_SOCKET, c.SO_LINGER, byref(linger), 4) == 0, error()
    close(s)


# The table: which call re-enables what


def test_m1_fd_read_is_recorded_once_and_again_after_a_receive_that_leaves_data(pair: tuple[int, int]) -> None:
    """6.2 FD_READ, level, re-enabled by recv; 6.3 READ "after recv if data remains" """
    client, server = pair
    with selected(client, READ) as it:
        send(server, b"hello")
        assert it.told(READ) == {READ: 0}
        assert it.silent()
        assert read_all(client, 2) == b"he"
        assert is_set(it.event)
        assert it.record() == {READ: 0}
        assert read_all(client, 3) == b"llo"
        assert it.silent()
        send(server, b"more")
        it.told(READ)


def test_m2_more_data_without_a_receive_is_not_told(pair: tuple[int, int]) -> None:
    """6.2 "no further actions until the re-enabling call" """
    client, server = pair
    with selected(client, READ) as it:
        send(server, b"one")
        it.told(READ)
        send(server, b"two")
        assert it.silent()
        read_all(client, 1)
        it.told(READ)


def available(s: int) -> int:
    count = ctypes.c_uint32()
    assert ws2_32.ioctlsocket(s, c.FIONREAD, byref(count)) == 0, error()
    return count.value


def test_m3_reset_by_hand_says_nothing_a_part_and_a_peek_do(pair: tuple[int, int]) -> None:
    """6.3 READ "after recv, also with MSG_PEEK, if data remains"; the record need not be enumerated"""
    client, server = pair
    with selected(client, READ) as it:
        send(server, b"hello")
        assert is_set(it.event, 5000)
        ws2_32.WSAResetEvent(it.event)
        assert not is_set(it.event)
        read_all(client, 1)
        assert is_set(it.event)
        ws2_32.WSAResetEvent(it.event)
        assert received(client, 9, c.MSG_PEEK) == b"ello"
        assert is_set(it.event)
        assert it.record() == {READ: 0}


def test_m4_a_failing_receive_re_enables(pair: tuple[int, int]) -> None:
    """6.2 "any re-enabling call, even a failing one": WSAEFAULT by NULL, by a length of -1, and no flags"""
    client, server = pair
    room = ctypes.create_string_buffer(8)
    buffer = ws2_32.WSABUF(8, 0)

    def wsarecv() -> int:
        return int(ws2_32.WSARecv(client, byref(buffer), 1, byref(ws2_32.DWORD()), None, None, None))

    with selected(client, READ) as it:
        send(server, b"hello")
        it.told(READ)
        failing = (
            lambda: ws2_32.recv(client, None, 5, 0),
            lambda: ws2_32.recv(client, room, -1, 0),
            lambda: ws2_32.recvfrom(client, None, 5, 0, None, None),
            wsarecv,
        )
        for call in failing:
            assert it.silent()
            assert call() == -1
            assert error() == WSAError.WSAEFAULT
            assert it.told(READ) == {READ: 0}


def test_m4_a_receive_that_would_block_re_enables(pair: tuple[int, int]) -> None:
    client, server = pair
    with selected(client, READ) as it:
        send(server, b"x")
        it.told(READ)
        read_all(client, 1)
        assert received(client) == WSAError.WSAEWOULDBLOCK
        assert it.silent()
        send(server, b"y")
        it.told(READ)


def test_q9_readfile_re_enables(pair: tuple[int, int]) -> None:
    """witness Q9: ReadFile with an OVERLAPPED re-enables FD_READ"""
    client, server = pair
    with selected(client, READ) as it:
        send(server, b"hello")
        it.told(READ)
        room, overlapped = ctypes.create_string_buffer(2), kernel32.OVERLAPPED()
        assert kernel32.ReadFile(client, room, 2, None, byref(overlapped))
        it.told(READ)


def test_m10_a_pending_receive_takes_what_it_wants_and_only_the_rest_is_told(pair: tuple[int, int]) -> None:
    client, server = pair
    with selected(client, READ) as it:
        operation = Operation(client, 4)
        assert operation.code == WSAError.WSA_IO_PENDING
        send(server, b"all!")
        until(lambda: operation.internal == 0)
        assert it.silent()
        operation = Operation(client, 4)
        send(server, b"and more")
        until(lambda: operation.internal == 0)
        it.told(READ)


def test_m11_fd_write_when_connected_and_not_after_a_good_send(pair: tuple[int, int]) -> None:
    """6.2 FD_WRITE: after connect or accept; 6.3 WRITE "at registration if sendable" """
    client, _ = pair
    with selected(client, WRITE) as it:
        send(client, b"before it was enumerated")
        assert it.told(WRITE) == {WRITE: 0}
        assert in_sets(writes=[client], seconds=10.0)[0] == 1  # what was sent before has gone through
        send(client, b"after")
        assert it.silent()


def test_m12_fd_write_after_wsaewouldblock_when_there_is_room_again(pair: tuple[int, int]) -> None:
    client, server = pair
    with selected(client, WRITE) as it:
        it.told(WRITE)
        total = fill(client)
        it.record()
        assert it.silent()
        set_nonblocking(server, 0)
        got = 0
        while got < total:
            piece = received(server)
            assert isinstance(piece, bytes)
            got += len(piece)
        it.told(WRITE)
        assert it.silent()


def test_m12_full_is_not_writable(pair: tuple[int, int]) -> None:
    client, _ = pair
    set_nonblocking(client)
    fill(client)
    with selected(client, WRITE) as it:
        assert it.silent()


def test_m14_fd_accept_once_until_the_next_accept(kind: str) -> None:
    """6.2 FD_ACCEPT, level, re-enabled by accept, even a failing one; registered late it is recorded at once"""
    listener, port = listening()
    address = sockaddr(port)
    clients = [made() for _ in "ab"]
    with selected(listener, ACCEPT) as it:
        assert it.silent()
        for client in clients:
            assert ws2_32.connect(client, address, len(address)) == 0
        assert it.told(ACCEPT) == {ACCEPT: 0}
        assert it.silent()
        short = ctypes.c_int(3)
        assert ws2_32.accept(listener, ctypes.create_string_buffer(3), byref(short)) == c.INVALID_SOCKET
        assert error() == WSAError.WSAEFAULT
        it.told(ACCEPT)
        first = ws2_32.accept(listener, None, None)
        it.told(ACCEPT)
        second = ws2_32.accept(listener, None, None)
        assert it.silent()
        assert ws2_32.accept(listener, None, None) == c.INVALID_SOCKET
        assert error() == WSAError.WSAEWOULDBLOCK
        close(*clients, first, second)
    close(listener)


def test_6_2_already_true_at_the_call(kind: str) -> None:
    """6.2 "conditions true at the call are recorded at once": a request that waits, data that waits"""
    listener, port = listening()
    client, address = made(), sockaddr(port)
    assert ws2_32.connect(client, address, len(address)) == 0
    with selected(listener, ACCEPT) as it:
        it.told(ACCEPT)
    server = ws2_32.accept(listener, None, None)
    send(client, b"x")
    with selected(server, READ) as it:
        it.told(READ)
    close(client, server, listener)


def test_m15_an_accepted_socket_inherits_event_mask_and_mode(kind: str) -> None:
    """4.2, 6.2 Inheritance; M17 the accepted end has FD_WRITE and no FD_CONNECT"""
    listener, port = listening()
    client, address = made(), sockaddr(port)
    with selected(listener, ACCEPT | READ | WRITE | CONNECT) as it:
        assert ws2_32.connect(client, address, len(address)) == 0
        it.told(ACCEPT)
        server = ws2_32.accept(listener, None, None)
        assert is_set(it.event)
        assert received(server) == WSAError.WSAEWOULDBLOCK
        assert enumerated(server, it.event) == {WRITE: 0}
        send(client, b"x")
        assert is_set(it.event, 5000)
        assert enumerated(server) == {READ: 0}
        close(server)
    close(client, listener)


def test_m16_fd_connect_and_fd_write(kind: str) -> None:
    """6.3 CONNECT "connect completed", WRITE "connection established"; once"""
    listener, port = listening()
    client, address = made(), sockaddr(port)
    with selected(client, CONNECT | WRITE) as it:
        assert it.silent()
        assert ws2_32.connect(client, address, len(address)) == -1
        assert error() == WSAError.WSAEWOULDBLOCK
        assert it.told(CONNECT, WRITE) == {CONNECT: 0, WRITE: 0}
        send(client, b"x")
        assert it.silent()
    close(client, listener)


def test_m16_fd_connect_of_a_refused_connect_has_its_code_and_comes_again_for_the_next(kind: str) -> None:
    """6.2 Errors per event: CONNECT WSAECONNREFUSED; 6.3 "failure of a non-blocking connect" """
    free = made()
    port = winsock.bound(free)
    client, address = made(), sockaddr(port)
    with selected(client, CONNECT | WRITE | CLOSE | READ) as it:
        assert ws2_32.connect(client, address, len(address)) == -1
        assert it.told(CONNECT) == {CONNECT: WSAError.WSAECONNREFUSED}
        assert it.silent()
        assert ws2_32.listen(free, 1) == 0
        assert ws2_32.connect(client, address, len(address)) == -1
        assert error() == WSAError.WSAEWOULDBLOCK
        assert it.told(CONNECT, WRITE) == {CONNECT: 0, WRITE: 0}
    close(client, free)


def test_m17_registered_after_a_connect(pair: tuple[int, int]) -> None:
    client, server = pair
    with selected(client, CONNECT | WRITE) as it:
        assert it.record() == {CONNECT: 0, WRITE: 0}
    with selected(server, CONNECT | WRITE) as it:
        assert it.record() == {WRITE: 0}


def test_m18_fd_close_at_the_peers_end_once(pair: tuple[int, int]) -> None:
    """6.2 FD_CLOSE: never FD_READ for it, once, error 0"""
    client, server = pair
    with selected(client, READ | CLOSE) as it:
        close(server)
        assert it.told(CLOSE) == {CLOSE: 0}
        assert received(client) == b""
        assert received(client) == b""
        assert it.silent()


def test_m19_fd_close_only_after_all_data_was_read(pair: tuple[int, int]) -> None:
    client, server = pair
    with selected(client, READ | CLOSE) as it:
        send(server, b"123456")
        close(server)
        assert it.told(READ) == {READ: 0}
        assert it.silent()
        read_all(client, 3)
        assert it.told(READ) == {READ: 0}
        read_all(client, 3)
        assert it.told(CLOSE) == {CLOSE: 0}
        assert received(client) == b""
        assert it.silent()


def test_m19_without_fd_read_too(pair: tuple[int, int]) -> None:
    client, server = pair
    with selected(client, CLOSE) as it:
        send(server, b"123456")
        close(server)
        assert it.silent()
        assert read_all(client, 6) == b"123456"
        assert it.told(CLOSE) == {CLOSE: 0}


def test_m20_fd_close_on_a_reset(pair: tuple[int, int]) -> None:
    """6.2 Errors per event: CLOSE WSAECONNRESET; the receive still hears of it"""
    client, server = pair
    with selected(client, READ | CLOSE) as it:
        reset(server)
        assert it.told(CLOSE) == {CLOSE: WSAError.WSAECONNRESET}
        assert received(client) == WSAError.WSAECONNRESET
        assert it.silent()


def test_6_3_fd_close_at_registration(pair: tuple[int, int]) -> None:
    """6.3 CLOSE "at registration if closed": after a graceful end and after a reset"""
    client, server = pair
    close(server)
    set_nonblocking(client)
    until(lambda: received(client) == b"")
    with selected(client, READ | CLOSE) as it:
        assert it.record() == {CLOSE: 0}
        it.again(CLOSE)
        assert it.record() == {CLOSE: 0}


def test_m21_own_shutdown_then_the_peers_end_but_nothing_after_closesocket(pair: tuple[int, int]) -> None:
    """6.3 CLOSE "own shutdown + peer's end"; "never after closesocket" """
    client, server = pair
    with selected(client, READ | CLOSE) as it:
        assert ws2_32.shutdown(client, c.SD_BOTH) == 0
        assert it.silent()
        assert received(server) == b""
        close(server)
        assert it.told(CLOSE) == {CLOSE: 0}
        close(client)
        assert not is_set(it.event)


def test_m21_closesocket_ends_the_selection(pair: tuple[int, int]) -> None:
    client, server = pair
    with selected(client, READ | CLOSE) as it:
        close(client)
        with event() as other:
            assert not is_set(it.event)
            assert not is_set(other)
        assert received(server) == b""
        assert not is_set(it.event)


def test_fd_oob_is_not_fd_read(pair: tuple[int, int]) -> None:
    """6.2 FD_OOB, level, re-enabled by recv: urgent data apart from the stream, through layers that carry it too"""
    client, server = pair
    with selected(client, OOB | READ) as it:
        _urgent(server)
        assert it.told(OOB) == {OOB: 0}
        assert it.silent()
        assert received(client, 1, c.MSG_PEEK) == WSAError.WSAEWOULDBLOCK
        assert it.told(OOB) == {OOB: 0}


def _urgent(s: int) -> None:
    assert ws2_32.send(s, b"!", 1, c.MSG_OOB) == 1, error()


def is_layered(s: int) -> bool:
    """Whether a layer stands between the socket and urgent data."""
    from ws2spi._runtime.sockets import sockets

    return not sockets.lookup(s).state.connection.raw_recv


def test_fd_oob_inline_is_fd_read(pair: tuple[int, int]) -> None:
    client, server = pair
    on = ctypes.c_int(1)
    assert ws2_32.setsockopt(client, c.SOL_SOCKET, c.SO_OOBINLINE, byref(on), 4) == 0, error()
    with selected(client, OOB | READ) as it:
        _urgent(server)
        assert it.told(READ) == {READ: 0}
        assert it.silent()
        assert received(client) == b"!"
        assert it.silent()


# Datagrams


def test_m13_datagram_sockets(kind: str) -> None:
    """M13: FD_WRITE after bind; nothing on an unconnected stream. FD_READ as on streams, and no FD_CLOSE"""
    s, stream = made(c.SOCK_DGRAM), made()
    with selected(s, READ | WRITE | CLOSE | CONNECT) as it, selected(stream, READ | WRITE | CLOSE | CONNECT) as other:
        assert it.silent()
        port = winsock.bound(s)
        assert it.told(WRITE) == {WRITE: 0}
        peer, address = made(c.SOCK_DGRAM), sockaddr(port)
        for data in (b"one", b""):
            assert ws2_32.sendto(peer, data, len(data), 0, address, len(address)) == len(data), error()
        assert it.told(READ) == {READ: 0}
        assert it.silent()
        assert received(s) == b"one"
        it.told(READ)
        assert received(s) == b""
        assert it.silent()
        assert other.silent()
        close(peer)
    close(s, stream)


def test_fd_connect_of_a_datagram_socket_that_connects_at_once(kind: str) -> None:
    """6.3 CONNECT "also when it succeeded immediately" """
    s, address = made(c.SOCK_DGRAM), sockaddr(9)
    with selected(s, WRITE | CONNECT) as it:
        assert ws2_32.connect(s, address, len(address)) == 0
        assert it.told(CONNECT, WRITE) == {CONNECT: 0, WRITE: 0}
    close(s)


# The calls


def test_m5_registering_again_tells_what_is_so(pair: tuple[int, int]) -> None:
    """M5, 6.2 Already true: the same mask, and 0 and again"""
    client, server = pair
    with selected(client, READ) as it:
        send(server, b"x")
        it.told(READ)
        it.again(READ)
        it.told(READ)
        it.again(0)
        it.again(READ)
        it.told(READ)


def test_6_2_a_call_replaces_and_clears_the_record(pair: tuple[int, int]) -> None:
    """6.2 Replace: the mask, the event (M6), and the record; 0 cancels"""
    client, server = pair
    with selected(client, WRITE) as it, event() as other:
        assert ws2_32.WSAEventSelect(client, other, READ) == 0
        assert enumerated(client) == {}
        ws2_32.WSAResetEvent(it.event)
        send(server, b"x")
        assert is_set(other, 5000)
        assert not is_set(it.event)
        assert ws2_32.WSAEventSelect(client, None, 0) == 0
        assert enumerated(client) == {}
        ws2_32.WSAResetEvent(other)
        assert received(client) == b"x"
        send(server, b"y")
        until(lambda: available(client) == 1)
        assert not is_set(other)


def test_m6_two_sockets_on_one_event(pair: tuple[int, int]) -> None:
    client, server = pair
    with selected(client, READ) as it:
        assert ws2_32.WSAEventSelect(server, it.event, WRITE) == 0
        assert is_set(it.event)
        assert enumerated(server, it.event) == {WRITE: 0}
        assert enumerated(client) == {}
        send(server, b"x")
        assert is_set(it.event, 5000)
        assert enumerated(client) == {READ: 0}


def test_m7_m8_which_event_is_reset(pair: tuple[int, int]) -> None:
    """6.2 Enum: the event is optional, any event will do; on an error nothing changes (M9: nor unasked codes)"""
    client, _ = pair
    record = ws2_32.WSANETWORKEVENTS()
    with selected(client, WRITE) as it, event() as other:
        ws2_32.WSASetEvent(other)
        for bad_event, place, code in (
            (4, byref(record), WSAError.WSAEINVAL),
            (it.event, None, WSAError.WSAEFAULT),
        ):
            assert ws2_32.WSAEnumNetworkEvents(client, bad_event, place) == -1
            assert error() == code
            assert is_set(it.event)
        assert it.record(other) == {WRITE: 0}
        assert is_set(it.event)
        assert not is_set(other)
        assert it.record(None) == {}
        assert is_set(it.event)
        assert ws2_32.WSAEnumNetworkEvents(999_999, it.event, byref(record)) == -1
        assert error() == WSAError.WSAENOTSOCK
        assert is_set(it.event)


def test_m22_arguments(pair: tuple[int, int]) -> None:
    """6.2 Errors: WSAEINVAL, WSAENOTSOCK; unknown bits and (NULL, 0) are no errors"""
    client, _ = pair
    with event() as handle:
        for bad in (None, 12):
            assert ws2_32.WSAEventSelect(client, bad, READ) == -1
            assert error() == WSAError.WSAEINVAL
        assert ws2_32.WSAEventSelect(999_999, handle, READ) == -1
        assert error() == WSAError.WSAENOTSOCK
        assert ws2_32.WSAEventSelect(client, handle, 0x400) == 0
        assert ws2_32.WSAEventSelect(client, None, 0) == 0


def test_m23_blocking_mode(pair: tuple[int, int]) -> None:
    """6.2 Blocking mode: non-blocking, even with 0; FIONBIO 0 is WSAEINVAL while active, and needed afterwards"""
    client, _ = pair
    blocking = ctypes.c_uint32(0)
    with selected(client, READ) as it:
        assert received(client) == WSAError.WSAEWOULDBLOCK
        assert ws2_32.ioctlsocket(client, c.FIONBIO, byref(blocking)) == -1
        assert error() == WSAError.WSAEINVAL
        it.again(0)
        assert received(client) == WSAError.WSAEWOULDBLOCK
        assert ws2_32.ioctlsocket(client, c.FIONBIO, byref(blocking)) == 0
        it.again(0)
        assert received(client) == WSAError.WSAEWOULDBLOCK


def test_the_event_may_be_closed_by_its_client(pair: tuple[int, int]) -> None:
    client, server = pair
    handle = ws2_32.WSACreateEvent()
    it = Selected(client, READ, handle)
    ws2_32.WSACloseEvent(handle)
    send(server, b"x")
    until(lambda: enumerated(it.s) == {READ: 0})


def test_nothing_is_looked_at_while_nothing_is_enabled(pair: tuple[int, int]) -> None:
    """Rule 3: a level condition that stays true and is not re-enabled costs the engine nothing"""
    from ws2spi._runtime.process import runtime
    from ws2spi._runtime.sockets import sockets

    client, server = pair
    if sockets.lookup(client).state.connection.transport.fd < 0:
        pytest.skip("its provider's descriptor is not the engine's to watch")
    with selected(client, READ | CLOSE | WRITE | OOB) as it:
        send(server, b"x")
        until(lambda: READ in it.record())
        looks = 0
        told = runtime.engine._tell_transport

        def count(transport: Any, events: int) -> None:
            nonlocal looks
            looks += transport is sockets.lookup(client).state.connection.transport
            told(transport, events)

        runtime.engine._tell_transport = count  # type: ignore[method-assign]
        try:
            close(server)  # the end comes, and cannot be told before the data was read
            until(lambda: peer_gone(client))
            for _ in range(20):
                it.silent()
        finally:
            del runtime.engine._tell_transport
        assert looks <= 2
        assert received(client) == b"x"
        it.told(CLOSE)


def peer_gone(s: int) -> bool:
    """The kernel knows of the peer's end."""
    import select

    from ws2spi._runtime.sockets import sockets

    poll = select.poll()
    poll.register(sockets.lookup(s).state.connection.transport.fd, select.POLLRDHUP)
    return bool(poll.poll(0))


def test_6_2_only_what_was_selected_is_recorded(pair: tuple[int, int]) -> None:
    """6.2: a re-enabling call enables nothing that is not in the mask"""
    client, server = pair
    with selected(client, WRITE) as it:
        it.told(WRITE)
        send(server, b"xy")
        until(lambda: received(client, 1, c.MSG_PEEK) == b"x")
        assert received(client, 1) == b"x"
        assert it.silent()


def test_m21_sd_receive_with_unread_data_then_the_peers_end(pair: tuple[int, int]) -> None:
    """6.3 CLOSE "own shutdown + peer's end": data that can no longer be received does not hold it back"""
    client, server = pair
    if is_layered(client):
        pytest.skip("the end comes through the layers, after the data")
    with selected(client, READ | CLOSE) as it:
        send(server, b"unread")
        it.told(READ)
        assert ws2_32.shutdown(client, c.SD_RECEIVE) == 0
        assert it.silent()
        close(server)
        assert it.told(CLOSE) == {CLOSE: 0}
        assert received(client) == WSAError.WSAESHUTDOWN
        assert it.silent()


def test_m20_a_reset_is_told_while_data_is_unread(pair: tuple[int, int]) -> None:
    """6.3 CLOSE: only a graceful end waits for the data; what had come can still be received"""
    client, server = pair
    if is_layered(client):
        pytest.skip("the reset comes through the layers, after the data")
    with selected(client, READ | CLOSE) as it:
        send(server, b"unread")
        it.told(READ)
        reset(server)
        assert it.told(CLOSE) == {CLOSE: WSAError.WSAECONNRESET}
        assert received(client) == b"unread"
        assert received(client) == WSAError.WSAECONNRESET
        assert it.silent()


def test_m13_a_send_that_binds_a_datagram_socket_makes_it_writable(kind: str) -> None:
    s, peer = made(c.SOCK_DGRAM), made(c.SOCK_DGRAM)
    address = sockaddr(winsock.bound(peer))
    with selected(s, WRITE) as it:
        assert it.silent()
        assert ws2_32.sendto(s, b"x", 1, 0, address, len(address)) == 1
        assert it.told(WRITE) == {WRITE: 0}
    close(s, peer)


def test_fd_read_of_what_was_moved_for_foreign_readers(pair: tuple[int, int]) -> None:
    """What a receive for foreign readers took before anybody was told of it can be received, and is told"""
    from ws2spi._runtime.sockets import sockets

    client, server = pair
    files = sockets.lookup(client).pair
    if files is None:
        pytest.skip("the handle is the descriptor itself")
    files.share()
    with selected(client, READ) as it:
        send(server, b"x")
        until(files.waiting)
        assert it.told(READ) == {READ: 0}
        assert received(client) == b"x"
