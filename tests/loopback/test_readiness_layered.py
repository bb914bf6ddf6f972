"""Readiness through a hand-written layer (layering 8), WSAPoll by SIO_BSP_HANDLE_POLL and SIO_EXT_POLL, and clients
that are driven by nothing but events."""

import ctypes
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from support import stacks
from support.pass_through import PassThrough
from support.readiness import fill, polled, select, selected
from support.threads import Running, until
from support.winsock import byref, close, connected, error, made, read_all, received
from ws2spi import ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError
from ws2spi._abi.types import WSAPOLLDATA, WSAPOLLFD
from ws2spi._runtime.process import runtime
from ws2spi._runtime.sockets import sockets

READ, WRITE, CLOSE = c.FD_READ, c.FD_WRITE, c.FD_CLOSE


class Readiness(PassThrough):
    """Layering 8: handles are translated, events passed down; sets are built anew and answered by WPUFDIsSet."""

    polls = 0

    def WSPEventSelect(self, s: int, *arguments: Any) -> int:
        return self._translate("lpWSPEventSelect", s, *arguments)

    def WSPEnumNetworkEvents(self, s: int, *arguments: Any) -> int:
        return self._translate("lpWSPEnumNetworkEvents", s, *arguments)

    def WSPSelect(self, nfds: int, reads: Any, writes: Any, excepts: Any, time: Any, lpErrno: Any) -> int:
        lower, pairs = [], []
        for upper in (reads, writes, excepts):
            below = None
            if upper is not None:
                members = list(upper.contents.fd_array[: upper.contents.fd_count])
                below = ws2_32.fd_set()
                for s in members:
                    context = self.find(s, lpErrno)
                    if context is None:
                        return -1
                    ws2_32.FD_SET(context.lower, byref(below))
                    pairs.append((upper, below, s, context.lower))
                upper.contents.fd_count = len(members)
            lower.append(below)
        given = [None if one is None else ctypes.pointer(one) for one in lower]
        result = self.lower.lpWSPSelect(nfds, *given, time, lpErrno)
        if result >= 0:
            for upper in (reads, writes, excepts):
                if upper is not None:
                    ws2_32.FD_ZERO(upper)
            for upper, below, s, number in pairs:
                if self.up.lpWPUFDIsSet(number, ctypes.pointer(below)):
                    ws2_32.FD_SET(s, upper)
        return int(result)


class Polling(Readiness):
    """A layer that wants WSAPoll's call: it answers its own handle, and SIO_EXT_POLL."""

    def WSPIoctl(self, s: int, code: int, *arguments: Any) -> int:
        if code == c.SIO_BSP_HANDLE_POLL:
            ctypes.c_uint64.from_address(ctypes.addressof(arguments[2].contents)).value = s
            return 0
        if code != c.SIO_EXT_POLL:
            return super().WSPIoctl(s, code, *arguments)
        self.polls += 1
        address = ctypes.addressof(arguments[0].contents)
        data = WSAPOLLDATA.from_address(address)
        elements = (WSAPOLLFD * data.fds).from_address(address + 16)
        lower = (WSAPOLLFD * data.fds)()
        for above, below in zip(elements, lower, strict=True):
            context = self.find(above.fd, arguments[-1])
            assert context is not None
            below.fd, below.events = context.lower, above.events
        data.result = ws2_32.WSAPoll(lower, data.fds, data.timeout)
        for above, below in zip(elements, lower, strict=True):
            above.revents = below.revents
        return 0


@pytest.fixture(params=[Readiness, Polling])
def layer(request: pytest.FixtureRequest, started: None) -> PassThrough:
    made = request.param()
    made.install(runtime.catalog.find(2, 1, 6))
    return made  # type: ignore[no-any-return]


@pytest.fixture
def ends(layer: PassThrough) -> Iterator[tuple[int, int]]:
    pair = connected()
    assert all(not sockets.lookup(s).ifs for s in pair)
    yield pair
    for s in pair:
        ws2_32.closesocket(s)
    until(lambda: not layer.contexts)


def send(s: int, data: bytes) -> None:
    assert ws2_32.send(s, data, len(data), 0) == len(data), error()


def test_layering_8_event_select(ends: tuple[int, int]) -> None:
    client, server = ends
    with selected(client, READ | CLOSE) as it:
        send(server, b"two")
        assert it.told(READ) == {READ: 0}
        assert received(client, 1) == b"t"
        it.told(READ)
        assert received(client, 9) == b"wo"
        close(server)
        assert it.told(CLOSE) == {CLOSE: 0}


def test_layering_8_select(ends: tuple[int, int]) -> None:
    client, server = ends
    assert select([client, server], seconds=0)[0] == 0
    waiting = Running(lambda: select([client, server], [client], [server], None))
    assert waiting.result() == (1, [[], [client], []])
    waiting = Running(lambda: select([client, server], seconds=None))
    until(lambda: waiting.executive.blocked is not None)
    send(server, b"x")
    assert waiting.result() == (1, [[client], [], []])


def test_7_wsapoll_asks_the_layer_which_handle_to_poll(ends: tuple[int, int], layer: PassThrough) -> None:
    """provider-functions 7 SIO_BSP_HANDLE_POLL, SIO_EXT_POLL; layering 8 WSAPoll"""
    client, server = ends
    members = [(client, c.POLLIN), (server, c.POLLIN | c.POLLOUT)]
    assert polled(members) == (1, [0, c.POLLWRNORM])
    waiting = Running(lambda: polled([(client, c.POLLIN)], -1))
    until(lambda: waiting.executive.blocked is not None)
    send(server, b"x")
    assert waiting.result() == (1, [c.POLLRDNORM])
    assert isinstance(layer, Polling) == (getattr(layer, "polls", 0) > 0)


def test_7_wsapoll_of_a_layer_that_wants_the_call_beside_others(ends: tuple[int, int]) -> None:
    client, server = ends
    other = made(c.SOCK_DGRAM)
    members = [(client, c.POLLIN), (other, c.POLLIN)]
    assert polled(members, 30) == (0, [0, 0])
    waiting = Running(lambda: polled(members, -1))
    send(server, b"x")
    assert waiting.result() == (1, [c.POLLRDNORM, 0])
    close(other)


def test_the_15_upcalls_are_there(layer: PassThrough, ends: tuple[int, int]) -> None:
    """upcalls 2: fifteen members, none of them NULL"""
    from ws2spi._abi.types import WSPUPCALL_NAMES

    assert len(WSPUPCALL_NAMES) == 15
    assert all(callable(getattr(layer.up, f"lp{name}")) for name in WSPUPCALL_NAMES)


def test_nothing_is_moved_for_foreign_readers_from_a_client_that_asks(ends: tuple[int, int]) -> None:
    """What the redirector moves is gone for the provider: a client that has selected events, or waits in select, would
    never hear of it; what was moved before counts as ready"""
    client, server = ends
    pair = sockets.lookup(client).pair
    send(server, b"moved")
    until(pair.waiting)
    assert select([client], seconds=None) == (1, [[client], [], []])
    assert select([client, server], [client]) == (2, [[client], [client], []])
    assert polled([(client, c.POLLIN), (server, c.POLLIN)], -1) == (1, [c.POLLRDNORM, 0])
    assert read_all(client, 5) == b"moved"
    assert select([client])[0] == 0
    with selected(client, READ) as it:
        send(server, b"stays here")
        it.told(READ)
        for _ in range(5):
            pair.sweep()
            assert not pair.waiting()
        assert received(client, 5) == b"stays"
        assert it.told(READ) == {READ: 0}
        it.again(0)
        pair.sweep()
        until(pair.waiting)
        assert received(client, 5) == b" here"
    assert pair.quiet == set()


# Clients that do nothing but what an event tells them to


@pytest.mark.usefixtures("kind")
def test_no_event_is_lost_between_two_clients_that_wait_for_events_only() -> None:
    """6.2: a single recv for each FD_READ, a send for each FD_WRITE until WSAEWOULDBLOCK, the end by FD_CLOSE"""
    client, server = connected()
    data = bytes(range(256)) * 12_000

    def sending() -> None:
        with selected(client, WRITE) as it:
            rest = memoryview(data)
            while rest:
                wait_for(it.event)
                if WRITE in it.record():
                    while rest:
                        piece = bytes(rest[:20_000])
                        sent = ws2_32.send(client, piece, len(piece), 0)
                        if sent < 0:
                            assert error() == WSAError.WSAEWOULDBLOCK
                            break
                        rest = rest[sent:]
            ws2_32.shutdown(client, c.SD_SEND)

    def receiving() -> str:
        digest = hashlib.sha256()
        sizes = 0
        with selected(server, READ | CLOSE) as it:
            while True:
                wait_for(it.event)
                record = it.record()
                if READ in record:
                    sizes += 977
                    piece = received(server, 1 + sizes % 40_000)
                    if isinstance(piece, bytes):
                        digest.update(piece)
                    else:
                        assert piece == WSAError.WSAEWOULDBLOCK
                if CLOSE in record:
                    return digest.hexdigest()

    reader, writer = Running(receiving), Running(sending)
    assert writer.result(60) is None
    assert reader.result(60) == hashlib.sha256(data).hexdigest()
    close(client, server)


def wait_for(event: int) -> None:
    handles = (ctypes.c_void_p * 1)(event)
    assert ws2_32.WSAWaitForMultipleEvents(1, handles, 0, 20_000, 0) == 0


@pytest.mark.usefixtures("kind")
def test_no_readiness_is_lost_between_two_clients_that_select() -> None:
    """6.1 with NULL time-outs: whoever waits is told"""
    client, server = connected()
    for s in (client, server):
        assert ws2_32.ioctlsocket(s, c.FIONBIO, byref(ctypes.c_uint32(1))) == 0

    def echo() -> int:
        total = 0
        while True:
            assert select([server], seconds=None)[0] == 1
            piece = received(server, 4096)
            assert isinstance(piece, bytes)
            if not piece:
                return total
            assert select(writes=[server], seconds=None)[0] == 1
            send(server, piece)
            total += len(piece)

    echoing = Running(echo)
    for turn in range(200):
        assert polled([(client, c.POLLOUT)], 20_000)[0] == 1  # what was sent before has gone through
        send(client, bytes(1 + turn))
        left = 1 + turn
        while left:
            assert polled([(client, c.POLLIN)], 20_000)[0] == 1
            piece = received(client, left)
            assert isinstance(piece, bytes)
            left -= len(piece)
    ws2_32.shutdown(client, c.SD_SEND)
    assert echoing.result() == 200 * 201 // 2
    close(client, server)


@pytest.mark.usefixtures("started")
def test_data_that_was_moved_for_foreign_readers_still_counts() -> None:
    """Handles: what the redirector has moved into the pair is there for select, FD_READ and its re-enabling receive"""
    with stacks.installed("bytes"):
        client, server = connected()
        pair = sockets.lookup(client).pair
        send(server, b"moved away")
        until(pair.waiting)
        assert select([client]) == (1, [[client], [], []])
        with selected(client, READ) as it:
            it.told(READ)
            assert read_all(client, 5) == b"moved"
            it.told(READ)
            assert read_all(client, 5) == b" away"
            assert it.silent()
        close(client, server)


def test_events_that_a_control_code_asks_for(started: None) -> None:
    """6.2 FD_ROUTING_INTERFACE_CHANGE, FD_ADDRESS_LIST_CHANGE, FD_QOS: edge, once for each control code"""
    s = made()
    with selected(s, c.FD_ALL_EVENTS) as it:
        selection = sockets.lookup(s).state.selection
        selection.happened(c.FD_ADDRESS_LIST_CHANGE)
        assert it.silent()
        selection.reenable(c.FD_ADDRESS_LIST_CHANGE | c.FD_ROUTING_INTERFACE_CHANGE)
        assert it.silent()
        selection.happened(c.FD_ADDRESS_LIST_CHANGE)
        selection.happened(c.FD_ROUTING_INTERFACE_CHANGE, WSAError.WSAENETUNREACH)
        selection.happened(c.FD_QOS)
        expected = {c.FD_ADDRESS_LIST_CHANGE: 0, c.FD_ROUTING_INTERFACE_CHANGE: WSAError.WSAENETUNREACH}
        assert it.told(*expected) == expected
        selection.happened(c.FD_ADDRESS_LIST_CHANGE)
        assert it.silent()
    close(s)


def test_6_1_write_is_not_told_while_a_layer_still_sends(started: None) -> None:
    """heart rule 6: above a layer one piece is taken, and the next send waits until it has gone through"""
    with stacks.installed("bytes"):
        client, server = connected()
        assert ws2_32.ioctlsocket(client, c.FIONBIO, byref(ctypes.c_uint32(1))) == 0
        with selected(client, WRITE) as it:
            it.told(WRITE)
            total = fill(client)
            it.record()
            assert select(writes=[client])[0] == 0
            assert it.silent()
            assert len(read_all(server, total)) == total
            it.told(WRITE)
        close(client, server)
