"""WSAAccept: condition functions, rejection and deferral (nc-ws2spi-lpwspaccept; witness O11, O12)."""

import ctypes
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from support import winsock
from ws2spi import ws2_32
from ws2spi._abi import addresses
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError

pytestmark = pytest.mark.usefixtures("kind")
byref = ctypes.byref


@pytest.fixture
def listener(kind: str) -> Iterator[tuple[int, int]]:
    s, port = winsock.listening()
    yield s, port
    winsock.close(s)


def client_of(port: int) -> int:
    s = winsock.made()
    address = winsock.sockaddr(port)
    assert ws2_32.connect(s, address, len(address)) == 0
    return s


class Condition:
    """Answers as told and remembers how it was asked."""

    def __init__(self, *answers: int, group: int = 0) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[Any, ...]] = []
        self.group = group
        self.threads: list[int] = []

    def __call__(
        self, caller: Any, caller_data: Any, sqos: Any, gqos: Any, callee: Any, callee_data: Any, g: Any, data: int
    ) -> int:
        self.threads.append(threading.get_ident())
        names = [addresses.unpack(ctypes.string_at(one.contents.buf, one.contents.len))[1] for one in (caller, callee)]
        self.asked.append((*names, caller_data, sqos, gqos, callee_data.contents.len, g.contents.value, data))
        g.contents.value = self.group
        return self.answers.pop(0)


def accepted(s: int, condition: Any, data: int = 0) -> int:
    """The socket, or minus the code."""
    handle = int(ws2_32.WSAAccept(s, None, None, condition, data))
    return handle if handle != c.INVALID_SOCKET else -winsock.error()


def test_o11_condition_is_asked_once_in_the_callers_thread(listener: tuple[int, int]) -> None:
    s, port = listener
    client = client_of(port)
    condition = Condition(c.CF_ACCEPT)
    room, length = ctypes.create_string_buffer(128), ctypes.c_int(128)
    server = ws2_32.WSAAccept(s, room, byref(length), condition, 77)
    assert server != c.INVALID_SOCKET, winsock.error()
    peer = ("127.0.0.1", winsock.port_of(client))
    assert condition.asked == [(peer, ("127.0.0.1", port), None, None, None, 0, 0, 77)]
    assert condition.threads == [threading.get_ident()]
    assert addresses.unpack(room.raw[: length.value])[1] == peer
    assert ws2_32.send(client, b"hi", 2, 0) == 2
    assert winsock.received(server) == b"hi"
    winsock.close(client, server)


def test_o12_rejected_connection_is_gone(listener: tuple[int, int]) -> None:
    s, port = listener
    client = client_of(port)
    room, length = ctypes.create_string_buffer(128), ctypes.c_int(128)
    assert ws2_32.WSAAccept(s, room, byref(length), Condition(c.CF_REJECT), 0) == c.INVALID_SOCKET
    assert winsock.error() == WSAError.WSAECONNREFUSED
    assert addresses.unpack(room.raw[: length.value])[1][1] == winsock.port_of(client), "whatever it answers"
    assert winsock.received(client) == WSAError.WSAECONNRESET
    winsock.set_nonblocking(s)
    assert accepted(s, None) == -WSAError.WSAEWOULDBLOCK
    winsock.close(client)


def test_o12_deferred_connection_stays_the_first(listener: tuple[int, int]) -> None:
    s, port = listener
    first, second = client_of(port), client_of(port)
    condition = Condition(c.CF_DEFER, c.CF_DEFER, c.CF_ACCEPT)
    assert [accepted(s, condition) for _ in range(2)] == [-WSAError.WSATRY_AGAIN] * 2
    one = accepted(s, condition)
    assert one > 0
    assert [asked[0][1] for asked in condition.asked] == [winsock.port_of(first)] * 3
    other = accepted(s, None)
    assert ws2_32.send(second, b"2", 1, 0) == 1
    assert winsock.received(other) == b"2"
    winsock.close(first, second, one, other)


def test_o12_plain_accept_takes_a_deferred_connection(listener: tuple[int, int]) -> None:
    s, port = listener
    client = client_of(port)
    assert accepted(s, Condition(c.CF_DEFER)) == -WSAError.WSATRY_AGAIN
    server = ws2_32.accept(s, None, None)
    assert ws2_32.send(client, b"x", 1, 0) == 1
    assert winsock.received(server) == b"x"
    winsock.close(client, server)


def test_deferred_connection_is_readable_but_tells_no_further_accept(listener: tuple[int, int]) -> None:
    s, port = listener
    client = client_of(port)
    readable = ws2_32.fd_set(1)
    readable.fd_array[0] = s
    with winsock.event() as event:
        assert ws2_32.WSAEventSelect(s, event, c.FD_ACCEPT) == 0
        assert winsock.is_set(event, 5000)
        assert ws2_32.WSAResetEvent(event)
        assert accepted(s, Condition(c.CF_DEFER)) == -WSAError.WSATRY_AGAIN
        other = client_of(port)
        assert ws2_32.select(0, byref(readable), None, None, None) == 1
        assert not winsock.is_set(event)
        one = accepted(s, Condition(c.CF_ACCEPT))
        assert winsock.is_set(event, 5000), "decided: the next one is told"
        two = accepted(s, None)
    winsock.close(client, other, one, two)


def test_withdrawn_connection(listener: tuple[int, int]) -> None:
    s, port = listener
    client = client_of(port)
    assert accepted(s, Condition(c.CF_DEFER)) == -WSAError.WSATRY_AGAIN
    linger = ws2_32.LINGER(1, 0)
    assert ws2_32.setsockopt(client, c.SOL_SOCKET, c.SO_LINGER, byref(linger), 4) == 0
    winsock.close(client)
    unasked = Condition()
    assert accepted(s, unasked) == -WSAError.WSAEACCES
    assert not unasked.asked


@pytest.mark.parametrize(("answer", "group"), [(77, 0), (-1, 0), (c.CF_ACCEPT, c.SG_UNCONSTRAINED_GROUP)])
def test_o12_invalid_answers(listener: tuple[int, int], answer: int, group: int) -> None:
    s, port = listener
    client = client_of(port)
    assert accepted(s, Condition(answer, group=group)) == -WSAError.WSAEINVAL
    server = accepted(s, None)
    assert server > 0, "nothing was decided"
    winsock.close(client, server)


def test_condition_that_raises_decides_nothing(listener: tuple[int, int]) -> None:
    def broken(*arguments: Any) -> int:
        raise ZeroDivisionError

    s, port = listener
    client = client_of(port)
    with pytest.raises(ZeroDivisionError):
        ws2_32.WSAAccept(s, None, None, broken, 0)
    server = accepted(s, None)
    assert server > 0
    winsock.close(client, server)


def test_condition_with_a_prototype_and_as_an_address(listener: tuple[int, int]) -> None:
    s, port = listener
    buffer, group = ctypes.POINTER(ws2_32.WSABUF), ctypes.POINTER(ctypes.c_uint32)
    prototype = ctypes.CFUNCTYPE(
        ctypes.c_int, buffer, buffer, ctypes.c_void_p, ctypes.c_void_p, buffer, buffer, group, ctypes.c_uint64
    )
    condition = Condition(c.CF_ACCEPT, c.CF_ACCEPT)
    function = prototype(condition)
    for given in (function, ctypes.cast(function, ctypes.c_void_p).value):
        client = client_of(port)
        server = accepted(s, given, 5)
        assert server > 0
        winsock.close(client, server)
    assert [asked[-1] for asked in condition.asked] == [5, 5]


def test_condition_that_is_no_function(listener: tuple[int, int]) -> None:
    assert accepted(listener[0], "no function") == -WSAError.WSAEFAULT


def test_errors_of_accept(listener: tuple[int, int]) -> None:
    datagram, plain = winsock.made(c.SOCK_DGRAM), winsock.made()
    condition = Condition()
    assert accepted(datagram, condition) == -WSAError.WSAEOPNOTSUPP
    assert accepted(plain, condition) == -WSAError.WSAEINVAL
    assert accepted(9999, condition) == -WSAError.WSAENOTSOCK
    winsock.close(datagram, plain)


def test_closing_the_listener_resets_who_was_deferred() -> None:
    s, port = winsock.listening()
    client = client_of(port)
    assert accepted(s, Condition(c.CF_DEFER)) == -WSAError.WSATRY_AGAIN
    winsock.close(s)
    assert winsock.received(client) == WSAError.WSAECONNRESET
    winsock.close(client)


def test_accepted_socket_inherits_options_and_time_outs(listener: tuple[int, int]) -> None:
    s, port = listener
    for option, value in ((c.SO_KEEPALIVE, 1), (c.SO_OOBINLINE, 1), (c.SO_RCVTIMEO, 1234)):
        assert ws2_32.setsockopt(s, c.SOL_SOCKET, option, byref(ctypes.c_uint32(value)), 4) == 0
    client = client_of(port)
    server = accepted(s, Condition(c.CF_ACCEPT))
    for option, value in ((c.SO_KEEPALIVE, 1), (c.SO_OOBINLINE, 1), (c.SO_RCVTIMEO, 1234)):
        got, length = ctypes.c_uint32(), ctypes.c_int(4)
        assert ws2_32.getsockopt(server, c.SOL_SOCKET, option, byref(got), byref(length)) == 0
        assert got.value == value
    winsock.close(client, server)


def test_disconnect_data_is_not_carried() -> None:
    client, server = winsock.connected()
    data = ws2_32.WSABUF(1, ctypes.addressof(ctypes.create_string_buffer(1)))
    for function in (ws2_32.WSASendDisconnect, ws2_32.WSARecvDisconnect):
        assert function(client, byref(data)) == -1
        assert winsock.error() == WSAError.WSAENOPROTOOPT
        assert function(9999, None) == -1
        assert winsock.error() == WSAError.WSAENOTSOCK
    assert ws2_32.WSASendDisconnect(client, None) == 0
    assert winsock.received(server) == b""
    assert ws2_32.WSARecvDisconnect(client, None) == 0
    assert ws2_32.send(server, b"x", 1, 0) == 1, "the peer may go on"
    assert winsock.received(client) == WSAError.WSAESHUTDOWN
    winsock.close(client, server)
    alone = winsock.made()
    for function in (ws2_32.WSASendDisconnect, ws2_32.WSARecvDisconnect):
        assert function(alone, None) == -1
        assert winsock.error() == WSAError.WSAENOTCONN
    winsock.close(alone)
