"""Out-of-band data: MSG_OOB, SO_OOBINLINE, SIOCATMARK (nc-ws2spi-lpwspsend, nc-ws2spi-lpwsprecv, winsock-ioctls)."""

import ctypes
from collections.abc import Iterator
from typing import Any

import pytest

import ws2spi
from support import stacks, winsock
from ws2spi import ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError
from ws2spi.providers.layer import Layer

pytestmark = pytest.mark.usefixtures("kind")
byref = ctypes.byref


@pytest.fixture
def ends(kind: str) -> Iterator[tuple[int, int]]:
    client, server = winsock.connected()
    if kind == "hand":  # from the second receive on, asking reaches the provider below before the caller goes on
        assert sent(client, b"?") == 1
        assert winsock.received(server, 1) == b"?"
    yield client, server
    winsock.close(client, server)


def sent(s: int, data: bytes, flags: int = 0) -> int:
    return int(ws2_32.send(s, data, len(data), flags))


def at_mark(s: int) -> int:
    answer = ctypes.c_uint32(99)
    assert ws2_32.ioctlsocket(s, c.SIOCATMARK, byref(answer)) == 0, winsock.error()
    return answer.value


def inline(s: int) -> None:
    assert ws2_32.setsockopt(s, c.SOL_SOCKET, c.SO_OOBINLINE, byref(ctypes.c_int(1)), 4) == 0


def wait_for_urgent(s: int) -> None:
    """Until select shows it in the third set."""
    excepts = ws2_32.fd_set(1)
    excepts.fd_array[0] = s
    assert ws2_32.select(0, None, None, byref(excepts), None) == 1


def test_urgent_byte_comes_apart_from_the_stream(ends: tuple[int, int]) -> None:
    client, server = ends
    assert sent(client, b"ab") == 2
    assert sent(client, b"c!", c.MSG_OOB) == 2
    wait_for_urgent(server)
    assert winsock.received(server, 10, c.MSG_OOB | c.MSG_PEEK) == b"!"
    assert at_mark(server) == 0, "TRUE only when nothing is left to read"
    assert winsock.received(server, 10, c.MSG_OOB) == b"!"
    assert at_mark(server) == 1
    assert winsock.read_all(server, 3) == b"abc"


def test_blocking_receive_waits_for_it(ends: tuple[int, int]) -> None:
    client, server = ends
    operation = winsock.Operation(server, 5, flags=c.MSG_OOB)
    assert operation.code == WSAError.WSA_IO_PENDING
    assert sent(client, b"x") == 1
    assert sent(client, b"!", c.MSG_OOB) == 1
    assert operation.result(wait=True)[:2] == (1, 1)
    assert operation.memory.raw[:1] == b"!"
    assert winsock.received(server, 10) == b"x"


def test_nothing_there_would_block(ends: tuple[int, int]) -> None:
    client, server = ends
    winsock.set_nonblocking(server)
    assert winsock.received(server, 1, c.MSG_OOB) == WSAError.WSAEWOULDBLOCK
    assert sent(client, b"!", c.MSG_OOB) == 1
    wait_for_urgent(server)
    assert winsock.received(server, 1, c.MSG_OOB) == b"!"
    assert winsock.received(server, 1, c.MSG_OOB) == WSAError.WSAEWOULDBLOCK


def test_nonblocking_send_is_urgent_too(ends: tuple[int, int]) -> None:
    client, server = ends
    winsock.set_nonblocking(client)
    assert sent(client, b"z!", c.MSG_OOB) == 2
    wait_for_urgent(server)
    assert winsock.received(server, 1, c.MSG_OOB) == b"!"
    assert winsock.received(server, 5) == b"z"


def test_overlapped_send_is_urgent_too(ends: tuple[int, int]) -> None:
    client, server = ends
    operation = winsock.Operation(client, b"z!", flags=c.MSG_OOB)
    assert operation.result(wait=True)[:2] == (1, 2)
    wait_for_urgent(server)
    assert winsock.received(server, 1, c.MSG_OOB) == b"!"


def test_cancelled_receive_leaves_the_byte(ends: tuple[int, int]) -> None:
    from ws2spi import kernel32

    client, server = ends
    operation = winsock.Operation(server, 5, flags=c.MSG_OOB)
    assert kernel32.CancelIoEx(server, byref(operation.overlapped))
    assert operation.result(wait=True)[3] == WSAError.WSA_OPERATION_ABORTED
    assert sent(client, b"!", c.MSG_OOB) == 1
    wait_for_urgent(server)
    assert winsock.received(server, 1, c.MSG_OOB) == b"!"


def test_closing_ends_a_pending_receive() -> None:
    client, server = winsock.connected()
    operation = winsock.Operation(server, 5, flags=c.MSG_OOB)
    assert operation.code == WSAError.WSA_IO_PENDING
    winsock.close(server, client)
    assert operation.internal == c.STATUS_CANCELLED


def test_inline_byte_is_part_of_the_stream(ends: tuple[int, int]) -> None:
    client, server = ends
    inline(server)
    assert sent(client, b"ab") == 2
    assert sent(client, b"!", c.MSG_OOB) == 1
    assert winsock.received(server, 1, c.MSG_OOB) == WSAError.WSAEINVAL
    assert winsock.read_all(server, 3) == b"ab!"


def test_a_waiting_receive_ends_when_urgent_data_becomes_inline(ends: tuple[int, int]) -> None:
    client, server = ends
    operation = winsock.Operation(server, 5, flags=c.MSG_OOB)
    assert operation.code == WSAError.WSA_IO_PENDING
    inline(server)
    assert operation.result(wait=True)[3] == WSAError.WSAEINVAL
    assert sent(client, b"!", c.MSG_OOB) == 1
    assert winsock.received(server, 1) == b"!"


def test_network_event_oob_is_told_and_reenabled(ends: tuple[int, int]) -> None:
    client, server = ends
    with winsock.event() as event:
        assert ws2_32.WSAEventSelect(server, event, c.FD_OOB) == 0
        for _ in range(2):
            assert sent(client, b"!", c.MSG_OOB) == 1
            assert winsock.is_set(event, 5000)
            events = ws2_32.WSANETWORKEVENTS()
            assert ws2_32.WSAEnumNetworkEvents(server, event, byref(events)) == 0
            assert events.lNetworkEvents == c.FD_OOB
            assert winsock.received(server, 1, c.MSG_OOB) == b"!"


def test_datagram_socket_has_none() -> None:
    one, other = winsock.datagram_pair()
    assert sent(one, b"x", c.MSG_OOB) == -1
    assert winsock.error() == WSAError.WSAEOPNOTSUPP
    assert winsock.received(one, 1, c.MSG_OOB) == WSAError.WSAEOPNOTSUPP
    winsock.close(one, other)


class Silent(Layer):
    """Says nothing about urgent data."""

    async def send(self, conn: Any, data: bytes) -> None:
        await conn.below.send(data)

    async def recv(self, conn: Any, size: int) -> bytes:
        data: bytes = await conn.below.recv(size)
        return data


def test_layer_that_changes_the_stream_and_is_silent_carries_none() -> None:
    with ws2spi.install(ws2spi.Stack([Silent()])):
        client, server = winsock.connected()
        for flagged in (0, c.MSG_PEEK):
            assert winsock.received(server, 1, c.MSG_OOB | flagged) == WSAError.WSAEOPNOTSUPP
        assert sent(client, b"!", c.MSG_OOB) == -1
        assert winsock.error() == WSAError.WSAEOPNOTSUPP
        assert sent(client, b"on") == 2, "the stream goes on"
        assert winsock.received(server, 5) == b"on"
        winsock.close(client, server)


def test_layers_see_the_byte() -> None:
    seen: list[Any] = []

    class Watches(stacks.Bytes):
        async def send_urgent(self, conn: Any, data: bytes) -> None:
            seen.append(data)
            await conn.below.send_urgent(data.upper())

    with ws2spi.install(ws2spi.Stack([Watches()])):
        client, server = winsock.connected()
        assert sent(client, b"ab", c.MSG_OOB) == 2
        wait_for_urgent(server)
        assert winsock.received(server, 1, c.MSG_OOB) == b"B"
        assert seen == [b"ab"]
        winsock.close(client, server)
