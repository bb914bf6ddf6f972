"""Readiness: WSPEventSelect and WSPEnumNetworkEvents, WSPSelect, WSAPoll."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

from ws2spi import kernel32, ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError
from ws2spi.testing.conformance.client import (
    Net,
    an_event,
    byref,
    ensure,
    expect,
    is_set,
    last,
    name_of,
    patience,
    wait_set,
)
from ws2spi.testing.conformance.rules import clause


@contextmanager
def _selected(net: Net, s: int, mask: int) -> Iterator[int]:
    """An event that is told of the network events in `mask`."""
    with an_event() as event:
        net.done(ws2_32.WSAEventSelect(s, event, mask), "WSAEventSelect")
        yield event


def _record(net: Net, s: int, event: int) -> dict[int, int]:
    """{network event: code} of WSAEnumNetworkEvents, which resets the event."""
    events = ws2_32.WSANETWORKEVENTS()
    net.done(ws2_32.WSAEnumNetworkEvents(s, event, byref(events)), "WSAEnumNetworkEvents")
    return {1 << bit: events.iErrorCode[bit] for bit in range(10) if events.lNetworkEvents & 1 << bit}


def _told(net: Net, s: int, event: int, wanted: int, what: str) -> int:
    """Wait until the network event is recorded; return its code."""
    for _ in range(patience.milliseconds):
        wait_set(event, what)
        recorded = _record(net, s, event)
        if wanted in recorded:
            return recorded[wanted]
    ensure(False, f"{what} was never recorded")
    return 0


@clause("WSPEventSelect")
def data_is_recorded_once(net: Net) -> None:
    """FD_READ is recorded when data comes, and not again before a receive."""
    client, server = net.pair()
    with _selected(net, server, c.FD_READ) as event:
        ensure(not _record(net, server, event), "something was recorded before anything came")
        net.sent(client, b"one")
        expect(_told(net, server, event, c.FD_READ, "FD_READ"), 0, "FD_READ")
        net.sent(client, b"two")
        kernel32.Sleep(5)
        ensure(not is_set(event), "FD_READ was recorded again without a receive")


@clause("WSPEventSelect")
def a_receive_that_leaves_data_records_it_again(net: Net) -> None:
    """After a receive FD_READ is recorded again if data remains, and not if none does."""
    client, server = net.pair()
    with _selected(net, server, c.FD_READ) as event:
        net.sent(client, b"ab")
        _told(net, server, event, c.FD_READ, "FD_READ")
        for _ in range(50):  # a layer may give one at a time
            if net.ioctl(server, c.FIONREAD) >= 2:
                break
            kernel32.Sleep(1)
        got = net.recv(server, 1)
        ensure(isinstance(got, bytes), f"recv after FD_READ gave {got!r}")
        _told(net, server, event, c.FD_READ, "FD_READ after a receive that left data")
        net.recv(server, 1)
        kernel32.Sleep(5)
        ensure(not is_set(event), "FD_READ was recorded though nothing was left")


@clause("WSPEventSelect")
def event_selection_makes_nonblocking(net: Net) -> None:
    """WSAEventSelect makes the socket non-blocking, and going back while it is in force is WSAEINVAL."""
    _, server = net.pair()
    with _selected(net, server, c.FD_READ):
        got = net.recv(server, 1)
        expect(got if isinstance(got, int) else 0, WSAError.WSAEWOULDBLOCK, "recv under WSAEventSelect")
        value = ctypes.c_uint32(0)
        result = ws2_32.ioctlsocket(server, c.FIONBIO, byref(value))
        expect(last() if result else 0, WSAError.WSAEINVAL, "FIONBIO 0 under WSAEventSelect")
        net.done(ws2_32.WSAEventSelect(server, None, 0), "WSAEventSelect(0)")
        net.ioctl(server, c.FIONBIO, 0)


@clause("WSPEventSelect")
def end_is_recorded_after_the_data(net: Net) -> None:
    """FD_CLOSE comes once, when the data before it has been received."""
    client, server = net.pair()
    with _selected(net, server, c.FD_READ | c.FD_CLOSE) as event:
        net.sent(client, b"last")
        net.done(ws2_32.shutdown(client, c.SD_SEND), "shutdown")
        data, code = b"", None
        for _ in range(patience.milliseconds):
            wait_set(event, "FD_READ or FD_CLOSE")
            recorded = _record(net, server, event)
            if c.FD_CLOSE in recorded:
                ensure(data == net.through(b"last"), f"FD_CLOSE came when {data!r} had been received")
                code = recorded[c.FD_CLOSE]
                break
            while isinstance(piece := net.recv(server, 100), bytes) and piece:
                data += piece
        expect(code or 0, 0, "FD_CLOSE after an orderly end")
        ensure(code is not None, "FD_CLOSE was never recorded")


@clause("WSPEventSelect")
def connections_are_recorded(net: Net) -> None:
    """FD_ACCEPT tells a connection on the listener, FD_CONNECT and FD_WRITE the end of a non-blocking connect."""
    listener, port = net.listener()
    s = net.socket()
    with _selected(net, listener, c.FD_ACCEPT) as incoming, _selected(net, s, c.FD_CONNECT | c.FD_WRITE) as outgoing:
        code = net.connect(s, port)
        ensure(code in (0, WSAError.WSAEWOULDBLOCK), f"connect under WSAEventSelect: {name_of(code)}")
        expect(_told(net, s, outgoing, c.FD_CONNECT, "FD_CONNECT"), 0, "FD_CONNECT")
        expect(_told(net, listener, incoming, c.FD_ACCEPT, "FD_ACCEPT"), 0, "FD_ACCEPT")
        server = net.accept(listener)
        ensure(net.send(s, b"writable") > 0, "send after FD_CONNECT")
        net.done(ws2_32.WSAEventSelect(server, None, 0), "WSAEventSelect(0)")
        net.ioctl(server, c.FIONBIO, 0)
        net.arrives(server, b"writable")


@clause("WSPEventSelect")
def failed_connect_is_recorded(net: Net) -> None:
    """FD_CONNECT carries the error of a connect that was refused."""
    listener, port = net.listener()
    net.close(listener)
    s = net.socket()
    with _selected(net, s, c.FD_CONNECT) as event:
        code = net.connect(s, port)
        if code == WSAError.WSAECONNREFUSED:
            return
        expect(_told(net, s, event, c.FD_CONNECT, "FD_CONNECT"), WSAError.WSAECONNREFUSED, "FD_CONNECT of a refusal")


@clause("WSPEventSelect")
def room_is_recorded_after_a_would_block(net: Net) -> None:
    """FD_WRITE is recorded again when a send answered WSAEWOULDBLOCK and there is room once more."""
    client, server = net.pair()
    net.set_option(client, c.SOL_SOCKET, c.SO_SNDBUF, 8192)
    net.set_option(server, c.SOL_SOCKET, c.SO_RCVBUF, 8192)
    with _selected(net, client, c.FD_WRITE) as event:
        _told(net, client, event, c.FD_WRITE, "FD_WRITE of a connected socket")
        total = 0
        for _ in range(2000):
            count = net.send(client, bytes(8192))
            if count < 0:
                expect(-count, WSAError.WSAEWOULDBLOCK, "a send that cannot go on")
                break
            total += count
        reading = net.beside(net.read, server, total)
        _told(net, client, event, c.FD_WRITE, "FD_WRITE when there is room again")
        ensure(len(reading.result()) == total, "not everything that was accepted arrived")


@clause("WSPEnumNetworkEvents")
def enumeration_clears_the_record(net: Net) -> None:
    """WSAEnumNetworkEvents copies the record, clears it, and resets the event."""
    client, server = net.pair()
    with _selected(net, server, c.FD_READ) as event:
        net.sent(client, b"x")
        wait_set(event, "FD_READ")
        ensure(_record(net, server, event) == {c.FD_READ: 0}, "FD_READ was not in the record")
        ensure(not is_set(event), "WSAEnumNetworkEvents did not reset the event")
        ensure(not _record(net, server, event), "the record was not cleared")


def _select(net: Net, milliseconds: int, **sets: int) -> set[str]:
    """Which of the sets `read`, `write`, `error` hold their socket after select."""
    filled = {name: ws2_32.fd_set(1, (ws2_32.SOCKET * 64)(s)) for name, s in sets.items()}
    wait = ws2_32.TIMEVAL(milliseconds // 1000, milliseconds % 1000 * 1000)
    pointers = [byref(filled[name]) if name in filled else None for name in ("read", "write", "error")]
    count = int(ws2_32.select(0, *pointers, byref(wait)))
    ensure(count >= 0, f"select failed: {name_of(last())}")
    found = {name for name, held in filled.items() if held.fd_count}
    ensure(count == len(found), f"select returned {count}, its sets hold {len(found)}")
    return found


@clause("WSPSelect")
def select_tells_data_and_room(net: Net) -> None:
    """A connected socket is writable; it is readable when data has come, and at the end."""
    client, server = net.pair()
    ensure(_select(net, 0, read=server) == set(), "readable before data came")
    ensure(_select(net, patience.milliseconds, write=server) == {"write"}, "a connected socket is not writable")
    net.sent(client, b"x")
    ensure(_select(net, patience.milliseconds, read=server) == {"read"}, "not readable though data came")
    net.arrives(server, b"x")
    ensure(_select(net, 0, read=server) == set(), "readable though everything was received")
    net.done(ws2_32.shutdown(client, c.SD_SEND), "shutdown")
    ensure(_select(net, patience.milliseconds, read=server) == {"read"}, "not readable at the end of the stream")
    ensure(net.recv(server, 1) == b"", "select told the end, recv did not")


@clause("WSPSelect")
def select_tells_connections(net: Net) -> None:
    """A listener is readable when a connection waits; a refused connect shows in the third set."""
    listener, port = net.listener()
    ensure(_select(net, 0, read=listener) == set(), "a listener without connections is readable")
    client = net.socket()
    expect(net.connect(client, port), 0, "connect")
    ensure(
        _select(net, patience.milliseconds, read=listener) == {"read"}, "a listener with a connection is not readable"
    )
    net.exchange(client, net.accept(listener))
    net.close(listener)
    s = net.socket()
    net.nonblocking(s)
    if net.connect(s, port) == WSAError.WSAEWOULDBLOCK:
        ensure(_select(net, patience.milliseconds, error=s) == {"error"}, "a refused connect is not in the third set")


@clause("WSPSelect")
def select_refuses_what_is_no_socket(net: Net) -> None:
    """A closed handle in a set is WSAENOTSOCK, no sets at all WSAEINVAL."""
    s = net.socket()
    net.close(s)
    held, wait = ws2_32.fd_set(1, (ws2_32.SOCKET * 64)(s)), ws2_32.TIMEVAL(0, 0)
    result = ws2_32.select(0, byref(held), None, None, byref(wait))
    expect(last() if result < 0 else 0, WSAError.WSAENOTSOCK, "select of a closed handle")
    result = ws2_32.select(0, None, None, None, byref(wait))
    expect(last() if result < 0 else 0, WSAError.WSAEINVAL, "select of nothing")


@clause("WSAPoll, SIO_BSP_HANDLE_POLL")
def poll_tells_room_and_data(net: Net) -> None:
    """WSAPoll tells POLLWRNORM of a connected socket, and POLLRDNORM when data has come."""
    client, server = net.pair()
    polled = (ws2_32.WSAPOLLFD * 1)(ws2_32.WSAPOLLFD(server, c.POLLRDNORM | c.POLLWRNORM, 0))
    count = ws2_32.WSAPoll(polled, 1, 0)
    ensure(count == 1 and polled[0].revents == c.POLLWRNORM, f"a connected socket shows {polled[0].revents:#x}")
    net.sent(client, b"x")
    polled[0].events = c.POLLRDNORM
    count = ws2_32.WSAPoll(polled, 1, patience.milliseconds)
    ensure(count == 1 and polled[0].revents & c.POLLRDNORM, f"a socket with data shows {polled[0].revents:#x}")
    net.arrives(server, b"x")


@clause("WSPSelect, WPUFDIsSet")
def select_tells_which_of_several(net: Net) -> None:
    """Of several sockets in a set those stay that are ready, under the client's numbers, and are counted."""
    one, other = net.pair(), net.pair()
    members = (one[1], other[1], other[0])
    net.sent(other[0], b"x")
    net.wait_readable(other[1])
    held = ws2_32.fd_set(len(members), (ws2_32.SOCKET * 64)(*members))
    count = int(ws2_32.select(0, byref(held), None, None, byref(ws2_32.TIMEVAL(1, 0))))
    found = list(held.fd_array[: held.fd_count])
    ensure((count, found) == (1, [other[1]]), f"select returned {count}, and {found} of {members}; {other[1]} has data")


@clause("WSAPoll, WSPIoctl")
def poll_tells_the_end(net: Net) -> None:
    """WSAPoll tells the peer's end as POLLHUP or POLLRDNORM, and nothing of a socket without data."""
    client, server = net.pair()
    polled = (ws2_32.WSAPOLLFD * 2)(
        ws2_32.WSAPOLLFD(server, c.POLLRDNORM, 0), ws2_32.WSAPOLLFD(client, c.POLLRDNORM, 0)
    )
    ensure(ws2_32.WSAPoll(polled, 2, 0) == 0, "WSAPoll told something of two idle sockets")
    net.done(ws2_32.shutdown(client, c.SD_SEND), "shutdown")
    count = ws2_32.WSAPoll(polled, 2, patience.milliseconds)
    shown = [one.revents for one in polled]
    ensure(count == 1 and shown[0] & (c.POLLHUP | c.POLLRDNORM) and not shown[1], f"at the end WSAPoll shows {shown}")


@clause("WSPIoctl, SIO_BSP_HANDLE")
def handles_for_select_and_poll_are_sockets(net: Net) -> None:
    """SIO_BSP_HANDLE and its kin are refused, or answered with a handle that shows the same data."""
    client, server = net.pair()
    net.sent(client, b"x")
    net.wait_readable(server)
    for name in ("SIO_BSP_HANDLE", "SIO_BSP_HANDLE_SELECT", "SIO_BSP_HANDLE_POLL"):
        handle, count = ctypes.c_uint64(), ctypes.c_uint32()
        code = getattr(c, name)
        if ws2_32.WSAIoctl(server, code, None, 0, byref(handle), 8, byref(count), None, None):
            refused = (WSAError.WSAEOPNOTSUPP, WSAError.WSAEINVAL)
            ensure(last() in refused, f"{name} is refused with {name_of(last())}")
            continue
        value, size = ctypes.c_int32(), ctypes.c_int(4)
        result = ws2_32.getsockopt(handle.value, c.SOL_SOCKET, c.SO_TYPE, byref(value), byref(size))
        ensure(not result, f"{name} answers {handle.value}, which is no socket")
        ensure(_select(net, 1000, read=handle.value), f"the socket that {name} answers does not show the data")
        result = ws2_32.WSAIoctl(server, code, None, 0, byref(handle), 4, byref(count), None, None)
        expect(last() if result else 0, WSAError.WSAEFAULT, f"{name} with room for 4 bytes")
