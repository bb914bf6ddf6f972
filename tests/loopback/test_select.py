"""select and WSAPoll over every kind of provider: provider-functions 6.1, rows L and N of the witness ("our rule")."""

import ctypes
from collections.abc import Iterator
from typing import Any

import pytest

from support import winsock
from support.readiness import fdset, fill, in_set, polled, select, selected
from support.threads import Running, until
from support.winsock import (
    Operation,
    byref,
    close,
    connected,
    error,
    event,
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
from ws2spi._executive.threads import current

pytestmark = pytest.mark.usefixtures("kind")
LONG = 10.0


@pytest.fixture
def pair(kind: str) -> Iterator[tuple[int, int]]:
    ends = connected()
    yield ends
    for s in ends:
        ws2_32.closesocket(s)


def send(s: int, data: bytes) -> None:
    assert ws2_32.send(s, data, len(data), 0) == len(data), error()


def reset(s: int) -> None:
    linger = ws2_32.LINGER(1, 0)
    assert ws2_32.setsockopt(s, c.SOL_SOCKET, c.SO_LINGER, byref(linger), 4) == 0, error()
    close(s)


def refused() -> int:
    """A socket whose non-blocking connect has failed."""
    free, s = made(), made()
    address = sockaddr(winsock.bound(free))
    set_nonblocking(s)
    assert ws2_32.connect(s, address, len(address)) == -1
    assert error() == WSAError.WSAEWOULDBLOCK
    assert select(excepts=[s], seconds=LONG)[0] == 1
    close(free)
    return s


def blocked(running: Running) -> None:
    """Wait until a thread sleeps in its blocking call."""
    until(lambda: running.executive.blocked is not None and running.executive._parked)


# What is true when


def test_6_1_read_data_listener_and_end(pair: tuple[int, int]) -> None:
    """6.1 read: data; a pending connection; closed"""
    client, server = pair
    assert select([client])[0] == 0
    send(server, b"x")
    assert select([client, server], seconds=LONG) == (1, [[client], [], []])
    read_all(client, 1)
    assert select([client])[0] == 0
    listener, port = listening()
    assert select([listener])[0] == 0
    other, address = made(), sockaddr(port)
    assert ws2_32.connect(other, address, len(address)) == 0
    assert select([listener], seconds=LONG) == (1, [[listener], [], []])
    close(server)
    assert select([client], [client], [client], LONG) in ((2, [[client], [client], []]), (1, [[], [client], []]))
    assert select([client], seconds=LONG) == (1, [[client], [], []])
    close(other, listener)


def test_6_1_write(pair: tuple[int, int]) -> None:
    """6.1 write: send will work now, or not"""
    client, server = pair
    assert select(writes=[client]) == (1, [[], [client], []])
    set_nonblocking(client)
    total = fill(client)
    assert select(writes=[client]) == (0, [[], [], []])
    waiting = Running(lambda: select(writes=[client], seconds=None))
    blocked(waiting)
    assert len(read_all(server, total)) == total
    assert waiting.result() == (1, [[], [client], []])


def test_n10_write_when_connected(kind: str) -> None:
    """6.1 write: connect succeeded"""
    listener, port = listening()
    s, address = made(), sockaddr(port)
    set_nonblocking(s)
    assert ws2_32.connect(s, address, len(address)) == -1
    assert error() == WSAError.WSAEWOULDBLOCK
    assert select(writes=[s], excepts=[s], seconds=LONG) == (1, [[], [s], []])
    close(s, listener)


def test_n11_a_refused_connect_is_in_except_only(kind: str) -> None:
    """6.1 except: connect failed; the reason is in SO_ERROR"""
    s = refused()
    assert select([s], [s], [s]) == (1, [[], [], [s]])
    value = ctypes.c_int()
    assert ws2_32.getsockopt(s, c.SOL_SOCKET, c.SO_ERROR, byref(value), byref(ctypes.c_int(4))) == 0
    assert value.value == WSAError.WSAECONNREFUSED
    close(s)


def test_6_1_out_of_band_data_is_in_except(pair: tuple[int, int]) -> None:
    """6.1 except: OOB waiting, not inline; with SO_OOBINLINE it is in read"""
    import socket as linux

    from ws2spi._runtime.sockets import sockets

    client, server = pair
    if not sockets.lookup(client).state.connection.raw_recv:
        pytest.skip("a layer that answers receives sees no urgent data")
    waiting = Running(lambda: select(excepts=[client], seconds=None))
    blocked(waiting)
    sockets.lookup(server).state.connection.transport.sock.send(b"!", linux.MSG_OOB)
    assert waiting.result() == (1, [[], [], [client]])
    assert ws2_32.setsockopt(client, c.SOL_SOCKET, c.SO_OOBINLINE, byref(ctypes.c_int(1)), 4) == 0
    assert select([client], excepts=[client]) == (1, [[client], [], []])


def test_n5_before_a_connection(kind: str) -> None:
    """N5: nothing on an unconnected stream; an unbound datagram socket is writable"""
    stream, datagrams = made(), made(c.SOCK_DGRAM)
    sockets = [stream, datagrams]
    assert select(sockets, sockets, sockets) == (1, [[], [datagrams], []])
    assert select([stream], [stream], [stream], 0.05)[0] == 0
    close(*sockets)


def test_n6_reset_and_own_sd_receive(pair: tuple[int, int]) -> None:
    """N6: a reset is read and write, not except; SD_RECEIVE is read"""
    client, server = pair
    assert ws2_32.shutdown(client, c.SD_RECEIVE) == 0
    assert select([client], excepts=[client]) == (1, [[client], [], []])
    other, peer = connected()
    reset(peer)
    assert select([other], seconds=LONG)[0] == 1
    assert select([other], [other], [other]) == (2, [[other], [other], []])
    assert received(other) == WSAError.WSAECONNRESET
    assert select([other], [other], [other]) == (2, [[other], [other], []])
    close(other)
    assert server


def test_n7_what_an_overlapped_receive_took_is_not_there(pair: tuple[int, int]) -> None:
    """N7, 6.1 "does not touch Async/EventSelect registrations" """
    client, server = pair
    operation = Operation(client, 4)
    send(server, b"mine")
    until(lambda: operation.internal == 0)
    assert select([client])[0] == 0
    with selected(client, c.FD_READ) as it:
        send(server, b"both")
        assert select([client], seconds=LONG) == (1, [[client], [], []])
        assert it.told(c.FD_READ) == {c.FD_READ: 0}
        assert select([client]) == (1, [[client], [], []])
        assert it.silent()


def test_datagrams(kind: str) -> None:
    one, other = winsock.datagram_pair()
    assert select([other])[0] == 0
    assert ws2_32.send(one, b"", 0, 0) == 0
    assert select([other], seconds=LONG) == (1, [[other], [], []])
    assert received(other) == b""
    assert select([other])[0] == 0
    close(one, other)


# Arguments


def test_n1_n4_arguments(pair: tuple[int, int]) -> None:
    """6.1 Errors: WSAEINVAL, WSAENOTSOCK with sets unchanged; nfds ignored, timeval untouched"""
    client, _ = pair
    for empty in ((None, None, None), ([], None, []), ([], [], [])):
        assert select(*empty)[0] == -WSAError.WSAEINVAL
    with event() as handle:
        for bad in (999_999, handle, 2**64 - 1):
            assert select([client, bad], [client]) == (-WSAError.WSAENOTSOCK, [[client, bad], [client], []])
            assert select([bad, client])[0] == -WSAError.WSAENOTSOCK
    closed = made()
    close(closed)
    assert select([client, closed])[0] == -WSAError.WSAENOTSOCK
    for seconds, microseconds in ((-1, 0), (0, -1)):
        time = ws2_32.TIMEVAL(seconds, microseconds)
        assert ws2_32.select(0, byref(fdset([client])), None, None, byref(time)) == -1
        assert error() == WSAError.WSAEINVAL
    time = ws2_32.TIMEVAL(0, 20_000)
    assert ws2_32.select(0, byref(fdset([client])), None, None, byref(time)) == 0
    assert (time.tv_sec, time.tv_usec) == (0, 20_000)


def test_n2_n3_sets(pair: tuple[int, int]) -> None:
    """N2 an empty set beside a good one; N3 a socket twice counts once, in three sets once for each"""
    client, server = pair
    send(server, b"x")
    assert select([client], [], None, LONG) == (1, [[client], [], []])
    assert select([client, client, server]) == (1, [[client], [], []])
    assert select([client], [client, client], [client]) == (2, [[client], [client], []])


def test_6_1_sets_of_any_length(pair: tuple[int, int]) -> None:
    """6.1: FD_SETSIZE is 64 by default, but the array is counted"""
    client, server = pair
    many = [made(c.SOCK_DGRAM) for _ in range(99)]
    send(server, b"x")
    assert select([*many, client], seconds=LONG) == (1, [[client], [], []])
    close(*many)


def test_one_provider(pair: tuple[int, int]) -> None:
    """6.1 "all sockets must belong to one provider"; 9.8 the first socket of the first non-empty set decides"""
    import ws2spi
    from support.stacks import Bytes

    client, _ = pair
    with ws2spi.install(ws2spi.Stack([Bytes()])):
        stranger = made()
        assert select([client, stranger])[0] == -WSAError.WSAENOTSOCK
        assert select([], [stranger], [client])[0] == -WSAError.WSAENOTSOCK
        assert select([], [client], [])[0] == 1
        close(stranger)


def test_fd_macros() -> None:
    """winsock2.h: FD_SET adds once and never beyond the array, FD_CLR keeps the order, FD_ISSET, FD_ZERO"""
    one = ws2_32.fd_set()
    for s in (5, 7, 5, 9):
        ws2_32.FD_SET(s, byref(one))
    assert in_set(one) == [5, 7, 9]
    ws2_32.FD_CLR(7, byref(one))
    assert in_set(one) == [5, 9]
    assert [ws2_32.FD_ISSET(s, byref(one)) for s in (5, 7, 9)] == [1, 0, 1]
    assert getattr(ws2_32, "__WSAFDIsSet")(9, byref(one)) == 1
    assert ws2_32.WPUFDIsSet(9, byref(one)) == 1
    assert ws2_32.WPUFDIsSet(7, ctypes.pointer(one)) == 0
    ws2_32.FD_ZERO(byref(one))
    assert one.fd_count == 0
    for s in range(70):
        ws2_32.FD_SET(s, byref(one))
    assert one.fd_count == 64
    longer = fdset(range(100))
    assert ws2_32.WPUFDIsSet(99, byref(longer)) == 1
    assert ws2_32.WPUFDIsSet(1, None) == 0


# Waiting


def test_l1_apcs_run_and_select_goes_on(pair: tuple[int, int]) -> None:
    """L1: an alertable wait that runs APCs and goes on; L5: also one that brings what is waited for"""
    client, server = pair
    ran: list[int] = []
    waiting = Running(lambda: select([client], seconds=None))
    blocked(waiting)
    waiting.executive.queue_apc(ran.append, 1)
    until(lambda: ran == [1])
    assert waiting.alive()
    waiting.executive.queue_apc(lambda _: send(server, b"x"), 2)
    assert waiting.result() == (1, [[client], [], []])


def test_l4_no_apc_without_a_wait(pair: tuple[int, int]) -> None:
    """L3, L4: nothing runs with a zero time-out, nor when the answer is there at once"""
    client, _ = pair
    ran: list[int] = []
    current().queue_apc(ran.append, 1)
    assert select([client])[0] == 0
    assert select([client], [client], seconds=None)[0] == 1
    assert polled([(client, c.POLLIN)])[0] == 0
    assert ran == []
    assert select([client], seconds=0.01)[0] == 0
    assert ran == [1]


def test_l6_closesocket_by_another_thread(pair: tuple[int, int]) -> None:
    """L6: in the read set it is ready; in another one WSAENOTSOCK; WSAPoll has POLLNVAL"""
    client, server = pair
    third, fourth = connected()
    reading = Running(lambda: select([client], seconds=None))
    excepting = Running(lambda: select(excepts=[server], seconds=None))
    polling = Running(lambda: polled([(third, c.POLLIN)], -1))
    for one in (reading, excepting, polling):
        blocked(one)
    close(client)
    assert reading.result() == (1, [[client], [], []])
    close(server)
    assert excepting.result()[0] == -WSAError.WSAENOTSOCK
    close(third)
    assert polling.result() == (1, [c.POLLNVAL])
    close(fourth)


def test_a_select_leaves_nothing_behind(pair: tuple[int, int]) -> None:
    from ws2spi._runtime.sockets import sockets

    client, _ = pair
    assert select([client], excepts=[client], seconds=0.01)[0] == 0
    assert sockets.lookup(client).state.connection._observers == []


# WSAPoll


def test_n8_n9_wsapoll_arguments(pair: tuple[int, int]) -> None:
    """N8: WSAEINVAL, WSAEFAULT, WSAENOTSOCK with POLLNVAL; N9: POLLNVAL beside a good one, not counted; bad events"""
    client, _ = pair
    assert polled([])[0] == -WSAError.WSAEINVAL
    assert ws2_32.WSAPoll(None, 1, 0) == -1
    assert error() == WSAError.WSAEFAULT
    assert polled([(999_999, c.POLLIN)]) == (-WSAError.WSAENOTSOCK, [c.POLLNVAL])
    assert polled([(999_999, c.POLLIN), (client, c.POLLOUT)]) == (1, [c.POLLNVAL, c.POLLOUT])
    assert polled([(999_999, c.POLLIN), (client, c.POLLIN)]) == (0, [c.POLLNVAL, 0])
    for bad in (c.POLLPRI, c.POLLWRBAND, c.POLLHUP, 0x1000):
        assert polled([(client, c.POLLIN | bad)])[0] == -WSAError.WSAEINVAL


def test_wsapoll_negative_sockets_are_left_out(pair: tuple[int, int]) -> None:
    """nf-winsock2-wsapoll: `fd` negative is ignored and revents cleared"""
    client, _ = pair
    assert polled([(2**64 - 1, c.POLLIN), (client, c.POLLOUT)]) == (1, [0, c.POLLOUT])


def test_wsapoll_data_end_reset(pair: tuple[int, int]) -> None:
    """nf-winsock2-wsapoll: POLLRDNORM; POLLHUP at the peer's end; POLLHUP | POLLERR at a reset, unasked"""
    client, server = pair
    assert polled([(client, c.POLLIN | c.POLLOUT)]) == (1, [c.POLLWRNORM])
    send(server, b"x")
    assert polled([(client, c.POLLIN)], 5000) == (1, [c.POLLRDNORM])
    read_all(client, 1)
    waiting = Running(lambda: polled([(client, 0)], -1))
    blocked(waiting)
    close(server)
    assert waiting.result() == (1, [c.POLLHUP])
    other, peer = connected()
    waiting = Running(lambda: polled([(other, c.POLLIN)], -1))
    blocked(waiting)
    reset(peer)
    assert waiting.result() == (1, [c.POLLHUP | c.POLLERR])
    close(other)


def test_wsapoll_the_end_is_told_while_data_is_unread(pair: tuple[int, int]) -> None:
    """nf-winsock2-wsapoll POLLHUP "when a FIN was received"; a layer's end is known when its data was taken"""
    from ws2spi._runtime.sockets import sockets

    client, server = pair
    if not sockets.lookup(client).state.connection.raw_recv:
        pytest.skip("the end comes through the layers, after the data")
    send(server, b"x")
    waiting = Running(lambda: polled([(client, 0)], -1))
    blocked(waiting)
    close(server)
    assert waiting.result() == (1, [c.POLLHUP])
    assert polled([(client, c.POLLIN)]) == (1, [c.POLLHUP | c.POLLRDNORM])


def test_wsapoll_connects(kind: str) -> None:
    """A connect that succeeds is POLLWRNORM, one that fails POLLHUP | POLLERR, a request POLLRDNORM"""
    s = refused()
    assert polled([(s, c.POLLOUT)]) == (1, [c.POLLHUP | c.POLLERR | c.POLLWRNORM])
    assert polled([(s, 0)]) == (1, [c.POLLHUP | c.POLLERR])
    listener, port = listening()
    good, address = made(), sockaddr(port)
    set_nonblocking(good)
    assert polled([(good, c.POLLIN | c.POLLOUT)]) == (0, [0])
    assert ws2_32.connect(good, address, len(address)) == -1
    assert polled([(good, c.POLLOUT)], -1) == (1, [c.POLLWRNORM])
    assert polled([(listener, c.POLLIN)], 5000) == (1, [c.POLLRDNORM])
    close(s, good, listener)


def test_wsapoll_over_several_providers(pair: tuple[int, int]) -> None:
    """WSAPoll has no provider of its own: sockets of different ones may stand beside each other"""
    import ws2spi
    from support.stacks import Bytes

    client, server = pair
    with ws2spi.install(ws2spi.Stack([Bytes()])):
        other, peer = connected()
    members = [(client, c.POLLIN), (other, c.POLLIN)]
    waiting = Running(lambda: polled(members, -1))
    blocked(waiting)
    send(peer, b"x")
    assert waiting.result() == (1, [0, c.POLLRDNORM])
    send(server, b"x")
    until(lambda: polled(members) == (2, [c.POLLRDNORM, c.POLLRDNORM]))
    close(other, peer)


def test_l1_apcs_run_in_wsapoll(pair: tuple[int, int]) -> None:
    client, _ = pair
    ran: list[Any] = []
    current().queue_apc(ran.append, 1)
    assert polled([(client, c.POLLIN)], 10)[0] == 0
    assert ran == [1]
    assert kernel32.SleepEx(0, True) == 0
