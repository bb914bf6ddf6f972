"""ProcessSocketNotifications: readiness through a completion port (nf-winsock2-processsocketnotifications)."""

import ctypes
from collections.abc import Iterator
from typing import Any

import pytest

from support import winsock
from support.threads import Running, blocked_on
from ws2spi import kernel32, ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.constants import (
    ERROR_ABANDONED_WAIT_0,
    FD_READ,
    INFINITE,
    WAIT_TIMEOUT,
)
from ws2spi._abi.constants import SOCK_NOTIFY_EVENT_ERR as ERR
from ws2spi._abi.constants import SOCK_NOTIFY_EVENT_HANGUP as HANGUP
from ws2spi._abi.constants import SOCK_NOTIFY_EVENT_IN as IN
from ws2spi._abi.constants import SOCK_NOTIFY_EVENT_OUT as OUT
from ws2spi._abi.constants import SOCK_NOTIFY_EVENT_REMOVE as REMOVE
from ws2spi._abi.errors import WSAError
from ws2spi._executive.handles import handles
from ws2spi._executive.ports import CompletionPort

pytestmark = pytest.mark.usefixtures("kind")
byref = ctypes.byref
ENABLE, DISABLE, TAKE_OUT = c.SOCK_NOTIFY_OP_ENABLE, c.SOCK_NOTIFY_OP_DISABLE, c.SOCK_NOTIFY_OP_REMOVE
ONCE, PERSISTENT = c.SOCK_NOTIFY_TRIGGER_ONESHOT, c.SOCK_NOTIFY_TRIGGER_PERSISTENT
LEVEL, EDGE = c.SOCK_NOTIFY_TRIGGER_LEVEL, c.SOCK_NOTIFY_TRIGGER_EDGE
KEY = 0x1234_5678_9ABC
LONG = 10_000


@pytest.fixture
def port() -> Iterator[int]:
    handle = kernel32.CreateIoCompletionPort(kernel32.INVALID_HANDLE_VALUE, None, 0, 0)
    yield handle
    kernel32.CloseHandle(handle)


@pytest.fixture
def ends(kind: str) -> Iterator[tuple[int, int]]:
    """A client and the server's socket, both non-blocking."""
    pair = winsock.connected()
    for s in pair:
        winsock.set_nonblocking(s)
    yield pair
    for s in pair:
        ws2_32.closesocket(s)


def registered(
    port: int, s: int, events: int = IN, trigger: int = LEVEL, operation: int = ENABLE, key: int = KEY
) -> int:
    """The registration's result."""
    info = ws2_32.SOCK_NOTIFY_REGISTRATION(s, key, events, operation, trigger, 0xABCD)
    assert ws2_32.ProcessSocketNotifications(port, 1, byref(info), 0, 0, None, None) == 0
    return int(info.registrationResult)


def taken(port: int, milliseconds: int = 0, room: int = 4) -> list[tuple[int, int]]:
    """(key, events) of the packets that ProcessSocketNotifications takes."""
    entries, count = (ws2_32.OVERLAPPED_ENTRY * room)(), ctypes.c_uint32(99)
    code = ws2_32.ProcessSocketNotifications(port, 0, None, milliseconds, room, entries, byref(count))
    assert code == (0 if count.value else WAIT_TIMEOUT)
    return [
        (entry.lpCompletionKey, ws2_32.SocketNotificationRetrieveEvents(byref(entry)))
        for entry in entries[: count.value]
    ]


def events(port: int, milliseconds: int = LONG) -> int:
    """The events of the one packet that comes; 0: none."""
    found = taken(port, milliseconds)
    assert [key for key, _ in found] in ([], [KEY])
    return found[0][1] if found else 0


def send(s: int, data: bytes) -> None:
    assert ws2_32.send(s, data, len(data), 0) == len(data)


def test_level_is_told_while_it_is_so(ends: tuple[int, int], port: int) -> None:
    client, server = ends
    assert registered(port, server) == 0
    assert taken(port) == [], "there is nothing to be read"
    send(client, b"abc")
    assert events(port) == IN
    assert winsock.received(server, 2) == b"ab"
    assert taken(port) == [(KEY, IN)], "still so, once in one call however much room there is"
    assert taken(port) == [(KEY, IN)], "and again"
    assert winsock.received(server) == b"c"
    assert taken(port) == [], "a packet that is no longer true is nobody's"
    send(client, b"d")
    assert events(port) == IN, "and it goes on"


def test_packets_come_through_the_ordinary_functions(ends: tuple[int, int], port: int) -> None:
    client, server = ends
    assert registered(port, server, IN | OUT) == 0
    send(client, b"x")
    registered(port, server, IN, ONCE | LEVEL)
    assert winsock.packet(port, LONG) == (True, IN, KEY, 0, 0)
    kernel32.PostQueuedCompletionStatus(port, 7, 8, None)
    assert taken(port) == [(8, 7)], "other packets come through this one"


def test_waiting_thread_is_woken_and_a_lapsed_packet_wakes_nobody(ends: tuple[int, int], port: int) -> None:
    client, server = ends
    registered(port, server)
    waiter = Running(taken, port, INFINITE)
    blocked_on(handles.get(port, CompletionPort))(1)
    send(client, b"x")
    assert waiter.result() == [(KEY, IN)]
    assert winsock.received(server) == b"x"
    assert winsock.packet(port, 20)[0] is False, "the packet lapses inside the wait, which goes on to its end"


def test_one_shot_is_told_once_until_it_is_enabled_again(ends: tuple[int, int], port: int) -> None:
    client, server = ends
    registered(port, server, IN, ONCE | LEVEL)
    send(client, b"x")
    assert events(port) == IN
    assert taken(port) == [], "it is disabled"
    registered(port, server, IN, ONCE | LEVEL)
    assert events(port) == IN, "still unread"
    assert taken(port) == []


def test_edge_is_told_when_it_becomes_so(ends: tuple[int, int], port: int) -> None:
    client, server = ends
    send(client, b"before")
    registered(port, server, IN, EDGE | PERSISTENT)
    assert taken(port) == [], "what was there when it was enabled is no change"
    while not isinstance(winsock.received(server), int):
        pass
    assert taken(port) == []
    send(client, b"one")
    assert events(port) == IN
    assert taken(port) == [], "told once, and unread"
    assert winsock.received(server) == b"one"
    send(client, b"two")
    assert events(port) == IN
    assert winsock.received(server) == b"two"
    assert winsock.received(server) == WSAError.WSAEWOULDBLOCK
    send(client, b"three")
    assert events(port) == IN
    assert winsock.received(server, 2) == b"th"
    assert events(port) == IN, "what a receive leaves cannot be told from what came since, and counts as new"
    assert taken(port) == []


def test_edge_of_output(ends: tuple[int, int], port: int) -> None:
    client, server = ends
    registered(port, client, OUT, EDGE)
    assert taken(port) == [], "it was so"
    data = bytes(1 << 20)
    while ws2_32.send(client, data, len(data), 0) != -1:
        pass
    assert winsock.error() == WSAError.WSAEWOULDBLOCK
    assert taken(port) == []
    told = 0
    while not told:
        while isinstance(winsock.received(server), bytes):
            pass
        told = events(port, 10)
    assert told == OUT


def test_the_end_and_the_reset(ends: tuple[int, int], port: int) -> None:
    client, server = ends
    registered(port, server, IN | HANGUP)
    send(client, b"last")
    ws2_32.shutdown(client, c.SD_SEND)
    told = 0
    while told != IN | HANGUP:
        told = events(port)
    assert winsock.received(server) == b"last"
    assert events(port) == HANGUP
    registered(port, server, operation=TAKE_OUT)
    assert events(port) == REMOVE


def test_an_error_is_told_whatever_was_asked_for(ends: tuple[int, int], port: int) -> None:
    client, server = ends
    registered(port, server, 0)
    linger = ws2_32.LINGER(1, 0)
    ws2_32.setsockopt(client, c.SOL_SOCKET, c.SO_LINGER, byref(linger), ctypes.sizeof(linger))
    ws2_32.closesocket(client)
    assert events(port) == ERR
    registered(port, server, IN | HANGUP)
    assert events(port) & (HANGUP | ERR) == HANGUP | ERR


def test_connections_and_connecting(kind: str, port: int) -> None:
    listener, at = winsock.listening()
    winsock.set_nonblocking(listener)
    registered(port, listener)
    client = winsock.made()
    winsock.set_nonblocking(client)
    registered(port, client, OUT, ONCE | LEVEL, key=7)
    name = winsock.sockaddr(at)
    assert ws2_32.connect(client, byref(name), ctypes.sizeof(name)) == -1
    found = set()
    while len(found) < 2:
        found |= set(taken(port, LONG))
    assert found == {(KEY, IN), (7, OUT)}
    accepted = ws2_32.accept(listener, None, None)
    assert accepted != 2**64 - 1
    assert taken(port) == []
    winsock.close(accepted, client, listener)


def test_disable_and_remove(ends: tuple[int, int], port: int) -> None:
    client, server = ends
    registered(port, server)
    assert registered(port, server, operation=DISABLE) == 0
    send(client, b"x")
    assert taken(port, 20) == []
    registered(port, server)
    assert events(port) == IN
    assert registered(port, server, operation=TAKE_OUT) == 0
    assert registered(port, server, operation=TAKE_OUT) == 0, "until it was told, once more does no harm"
    assert taken(port) == [(KEY, REMOVE)], "and nothing else"
    assert registered(port, server, operation=TAKE_OUT) == WSAError.WSAEINVAL
    assert registered(port, server, operation=DISABLE) == WSAError.WSAEINVAL
    registered(port, server, key=9)
    assert taken(port, LONG) == [(9, IN)]
    registered(port, server, operation=TAKE_OUT)
    registered(port, server, key=10)
    assert sorted(taken(port, LONG)) == [(9, REMOVE), (10, IN)], "registered anew before the end was told"


def test_closing_ends_it_in_silence(ends: tuple[int, int], port: int) -> None:
    client, server = ends
    registered(port, server)
    other = winsock.made(c.SOCK_DGRAM)
    winsock.bound(other)
    registered(port, other)
    send(client, b"x")
    ws2_32.closesocket(server)
    ws2_32.closesocket(other)
    assert taken(port, 20) == []


def test_beside_network_events(ends: tuple[int, int], port: int) -> None:
    client, server = ends
    with winsock.event() as event:
        registered(port, server, IN, EDGE)
        assert ws2_32.WSAEventSelect(server, event, FD_READ) == 0
        for _ in range(2):
            send(client, b"x")
            assert winsock.is_set(event, LONG)
            ws2_32.WSAResetEvent(event)
            assert events(port) == IN
            assert winsock.received(server) == b"x"
        assert ws2_32.WSAEventSelect(server, event, 0) == 0
        send(client, b"y")
        assert events(port) == IN, "the one ends, the other goes on"
        assert winsock.received(server) == b"y"
        send(client, b"z")
        assert events(port) == IN
    blocking = ctypes.c_uint32(0)
    assert ws2_32.ioctlsocket(server, c.FIONBIO, byref(blocking)) == 0


def test_datagrams(kind: str, family: int, port: int) -> None:
    sender, receiver = winsock.datagram_pair(family)
    winsock.set_nonblocking(receiver)
    registered(port, receiver, IN, EDGE)
    for data in (b"one", b"two"):
        send(sender, data)
        assert events(port) == IN
        assert winsock.received(receiver) == data
        assert winsock.received(receiver) == WSAError.WSAEWOULDBLOCK
    winsock.close(sender, receiver)


def test_results_of_registrations(ends: tuple[int, int], port: int) -> None:
    _, server = ends
    assert registered(port, 0x7FFF) == WSAError.WSAENOTSOCK
    for trigger in (0, PERSISTENT, LEVEL | EDGE, LEVEL | ONCE | PERSISTENT, LEVEL | 0x10):
        assert registered(port, server, trigger=trigger) == WSAError.WSAEINVAL
    assert registered(port, server, 0x08) == WSAError.WSAEINVAL
    for operation in (ENABLE | DISABLE, 8):
        assert registered(port, server, operation=operation) == WSAError.WSAEINVAL
    assert registered(port, server, operation=TAKE_OUT) == WSAError.WSAEINVAL, "never registered"
    assert registered(port, 0x7FFF, operation=c.SOCK_NOTIFY_OP_NONE) == 0, "nothing is to be done"
    assert registered(port, server) == 0
    second = kernel32.CreateIoCompletionPort(kernel32.INVALID_HANDLE_VALUE, None, 0, 0)
    assert registered(second, server) == WSAError.WSAEINVAL, "one port at a time"
    kernel32.CloseHandle(second)
    infos = (ws2_32.SOCK_NOTIFY_REGISTRATION * 2)((0x7FFF, 1, IN, ENABLE, LEVEL), (server, 2, IN, ENABLE, LEVEL))
    assert ws2_32.ProcessSocketNotifications(port, 2, infos, 0, 0, None, None) == 0
    assert [info.registrationResult for info in infos] == [WSAError.WSAENOTSOCK, 0]


def test_codes(ends: tuple[int, int], port: int) -> None:
    process = ws2_32.ProcessSocketNotifications
    info, entries, count = ws2_32.SOCK_NOTIFY_REGISTRATION(), (ws2_32.OVERLAPPED_ENTRY * 2)(), ctypes.c_uint32()
    none = port, 0, None, 0, 0, None, None
    assert process(*none) == 0
    for position, value in ((1, 1), (2, byref(info)), (3, 1), (4, 1), (5, entries), (6, byref(count))):
        arguments: list[Any] = list(none)
        arguments[position] = value
        assert process(*arguments) == WSAError.WSAEINVAL, position
    assert process(port + 0x1000, *none[1:]) == WSAError.WSA_INVALID_HANDLE
    assert process(port, 0, None, 0, 2, entries, byref(count)) == WAIT_TIMEOUT
    assert ws2_32.SocketNotificationRetrieveEvents(None) == 0


def test_the_port_is_closed_while_somebody_waits(ends: tuple[int, int]) -> None:
    port = kernel32.CreateIoCompletionPort(kernel32.INVALID_HANDLE_VALUE, None, 0, 0)
    entries, count = (ws2_32.OVERLAPPED_ENTRY * 2)(), ctypes.c_uint32()
    waiter = Running(ws2_32.ProcessSocketNotifications, port, 0, None, 10_000, 2, entries, byref(count))
    blocked_on(handles.get(port, CompletionPort))(1)
    kernel32.CloseHandle(port)
    assert waiter.result() == ERROR_ABANDONED_WAIT_0


def test_before_wsastartup(started: None, port: int) -> None:
    winsock.stop()
    assert ws2_32.ProcessSocketNotifications(port, 0, None, 0, 0, None, None) == WSAError.WSANOTINITIALISED
    winsock.start()
