"""Layers of Python over a hand-written provider: what they ask of it is Windows', in numbers and in layout, and nobody
waits for a provider that takes its time (layering 4, 5 and 9)."""

import ctypes
import dataclasses
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import ws2spi
from support import all_kinds
from support.pass_through import PassThrough
from support.readiness import select
from support.stacks import Bytes
from support.threads import LONG, until
from support.winsock import (
    Operation,
    bound,
    byref,
    close,
    connected,
    error,
    event,
    is_set,
    made,
    received,
    set_nonblocking,
    sockaddr,
    start,
    stop,
)
from ws2spi import ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError
from ws2spi._runtime.process import runtime
from ws2spi.providers import lower

pytestmark = pytest.mark.usefixtures("started")


class Recording(PassThrough):
    """Notes the options and control codes that reach it."""

    def __init__(self) -> None:
        super().__init__()
        self.options: list[tuple[str, int, int, bytes]] = []
        self.codes: list[tuple[int, bytes]] = []
        self.late: Any = None

    def WSPSetSockOpt(self, s: int, level: int, option: int, value: Any, size: int, lpErrno: Any) -> int:
        self.options.append(("set", level, option, ctypes.string_at(value, size)))
        if option == 0x3001:
            return 0
        return super().WSPSetSockOpt(s, level, option, value, size, lpErrno)

    def WSPGetSockOpt(self, s: int, level: int, option: int, value: Any, size: Any, lpErrno: Any) -> int:
        self.options.append(("get", level, option, b""))
        if option == 0x3001:
            ctypes.memmove(value, b"\1\2\3\4", 4)
            size.contents.value = 4
            return 0
        return super().WSPGetSockOpt(s, level, option, value, size, lpErrno)

    def WSPIoctl(self, s: int, code: int, given: Any, given_size: int, output: Any, size: int, *rest: Any) -> int:
        returned, overlapped, lpErrno = rest[0], rest[1], rest[-1]
        self.codes.append((code, ctypes.string_at(given, given_size) if given_size else b""))
        if code == c.SIO_ROUTING_INTERFACE_QUERY:
            if overlapped is not None:
                self.late = s, output, overlapped
                lpErrno.contents.value = WSAError.WSA_IO_PENDING
                return -1
            ctypes.memmove(output, b"answer", 6)
            returned.contents.value = 6
            return 0
        return super().WSPIoctl(s, code, given, given_size, output, size, *rest)

    def answer_late(self) -> None:
        s, output, overlapped = self.late
        ctypes.memmove(output, b"late", 4)
        ws2_32.WPUCompleteOverlappedRequest(s, overlapped, 0, 4, byref(ctypes.c_int32()))


class Spelling(Bytes):
    """Notes the options as a layer sees them."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int, bytes]] = []

    async def setsockopt(self, conn: Any, level: int, option: int, value: bytes) -> None:
        self.seen.append((level, option, value))
        await conn.below.setsockopt(level, option, value)


@pytest.fixture
def below() -> Iterator[Recording]:
    below = Recording()
    below.install(runtime.catalog.find(c.AF_INET, c.SOCK_STREAM, 6))
    with ws2spi.install(ws2spi.Stack([Bytes()])):
        yield below


def set_option(s: int, level: int, option: int, value: bytes) -> int:
    return 0 if ws2_32.setsockopt(s, level, option, value, len(value)) == 0 else error()


def option(s: int, level: int, number: int, size: int = 4) -> bytes | int:
    value, length = ctypes.create_string_buffer(size), ctypes.c_int(size)
    return error() if ws2_32.getsockopt(s, level, number, value, byref(length)) else value.raw[: length.value]


@pytest.mark.parametrize(
    ("level", "number", "value"),
    [
        (c.SOL_SOCKET, c.SO_LINGER, struct.pack("<HH", 1, 5)),
        (c.SOL_SOCKET, c.SO_KEEPALIVE, struct.pack("<i", 1)),
        (c.SOL_SOCKET, c.SO_SNDBUF, struct.pack("<i", 20_000)),
        (c.IPPROTO_TCP, c.TCP_NODELAY, struct.pack("<i", 1)),
        (c.IPPROTO_IP, c.IP_TTL, struct.pack("<i", 17)),
        (c.SOL_SOCKET, c.SO_RCVTIMEO, struct.pack("<I", 250)),
        (c.SOL_SOCKET, 0x3001, b"\1\2\3\4"),  # SO_GROUP_PRIORITY, which Linux does not have
    ],
)
def test_options_reach_the_provider_below_as_they_are(below: Recording, level: int, number: int, value: bytes) -> None:
    s = made()
    assert set_option(s, level, number, value) == 0
    assert below.options[-1] == ("set", level, number, value)
    assert option(s, level, number) == value
    close(s)


def test_a_layer_between_sees_linux_spelling(below: Recording) -> None:
    import socket

    spelling = Spelling()
    with ws2spi.install(ws2spi.Stack([spelling])):
        s = made()
        assert set_option(s, c.SOL_SOCKET, c.SO_LINGER, struct.pack("<HH", 1, 5)) == 0
        close(s)
    assert (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 5)) in spelling.seen
    assert ("set", c.SOL_SOCKET, c.SO_LINGER, struct.pack("<HH", 1, 5)) in below.options


def test_the_error_of_the_lower_socket_is_the_clients(below: Recording) -> None:
    client, server = connected()
    assert set_option(client, c.SOL_SOCKET, c.SO_LINGER, struct.pack("<HH", 1, 0)) == 0
    close(client)
    assert received(server) == WSAError.WSAECONNRESET
    assert option(server, c.SOL_SOCKET, c.SO_ERROR) == bytes(4)
    assert ("get", c.SOL_SOCKET, c.SO_ERROR, b"") in below.options
    close(server)


def ioctl(s: int, code: int, data: bytes = b"", overlapped: Any = None) -> tuple[int, bytes]:
    output, returned = ctypes.create_string_buffer(16), ctypes.c_uint32(0)
    failed = ws2_32.WSAIoctl(s, code, data, len(data), output, 16, byref(returned), overlapped, None)
    return (error() if failed else 0), output.raw[: returned.value]


def test_control_codes_go_down(below: Recording) -> None:
    s = made()
    assert ioctl(s, c.SIO_ROUTING_INTERFACE_QUERY, b"where to") == (0, b"answer")
    assert below.codes[-1] == (c.SIO_ROUTING_INTERFACE_QUERY, b"where to")
    code, base = ioctl(s, c.SIO_BASE_HANDLE)
    assert (code, len(base)) == (0, 8)
    assert ioctl(s, c.SIO_BSP_HANDLE_POLL) == (0, struct.pack("<Q", s))
    code, lower = ioctl(s, c.SIO_QUERY_TARGET_PNP_HANDLE)
    assert struct.unpack("<Q", lower)[0] in below.contexts_by_handle()
    assert below.codes[-1][0] == c.SIO_BASE_HANDLE, "codes about the stack's own handles are the stack's"
    close(s)


def test_a_control_code_that_pends_brings_its_output(below: Recording) -> None:
    s = made()
    output, returned = ctypes.create_string_buffer(16), ctypes.c_uint32(0)
    with event() as done:
        overlapped = ws2_32.WSAOVERLAPPED(hEvent=done)
        failed = ws2_32.WSAIoctl(
            s, c.SIO_ROUTING_INTERFACE_QUERY, b"x", 1, output, 16, byref(returned), byref(overlapped), None
        )
        assert (failed, error()) == (-1, WSAError.WSA_IO_PENDING)
        assert not is_set(done)
        below.answer_late()
        assert is_set(done, 5000)
    assert (output.raw[:4], overlapped.InternalHigh) == (b"late", 4)
    close(s)


def test_what_layers_receive_survives_the_thread_that_asked_for_it(below: Recording) -> None:
    client, server = connected()
    until(lambda: Operation(client, 1).code and below.records)  # from now on it counts as one that does not block
    set_nonblocking(server)
    seen: list[Any] = []
    asking = threading.Thread(target=lambda: seen.append(received(server)))  # starts the receive below, and ends
    asking.start()
    asking.join()
    assert seen == [WSAError.WSAEWOULDBLOCK]
    set_nonblocking(server, 0)
    assert ws2_32.send(client, b"late", 4, 0) == 4
    assert received(server) == b"late"
    close(client, server)


class Blocking(PassThrough):
    """Its WSPRecv is late: it returns only when something has come, overlapped or not."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def WSPRecv(self, s: int, *arguments: Any) -> int:
        assert self.let_go.wait(30)
        return super().WSPRecv(s, *arguments)


def test_a_receive_that_blocks_below_holds_up_nobody() -> None:
    below = Blocking()
    below.install(runtime.catalog.find(c.AF_INET, c.SOCK_STREAM, 6))
    with ws2spi.install(ws2spi.Stack([Bytes()])):
        client, server = connected()
        pending = Operation(client, 10)
        assert pending.code == WSAError.WSA_IO_PENDING
        assert ws2_32.send(client, b"meanwhile", 9, 0) == 9  # on the same connection
        assert ws2_32.send(server, b"answer", 6, 0) == 6
        below.let_go.set()
        assert received(server) == b"meanwhile"
        assert pending.result(wait=True) == (1, 6, 0, 0)
        close(client, server)


class Forgetful(PassThrough):
    """It never tells of a receive that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()

    def WSPRecv(self, *arguments: Any) -> int:
        self.asked.set()
        arguments[-1].contents.value = WSAError.WSA_IO_PENDING
        return -1


@pytest.mark.parametrize("closed", [True, False])
def test_what_a_provider_below_has_is_kept_until_it_has_cleaned_up(closed: bool) -> None:
    """The page of WSPCleanup: it cancels what is pending, without a routine."""
    below = Forgetful()
    below.install(runtime.catalog.find(c.AF_INET, c.SOCK_STREAM, 6))
    with ws2spi.install(ws2spi.Stack([Bytes()])):
        client, server = connected()
        pending = Operation(client, 10)
        assert pending.code == WSAError.WSA_IO_PENDING
        assert below.asked.wait(LONG)
        if closed:
            close(client, server)
        assert lower._in_flight, "it may still write there"
        stop()
        assert not lower._in_flight
        start()


class Lingering(PassThrough):
    """Its WSPCloseSocket waits, as SO_LINGER asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.closing = threading.Event()
        self.let_go = threading.Event()

    def WSPCloseSocket(self, s: int, lpErrno: Any) -> int:
        self.closing.set()
        assert self.let_go.wait(30)
        return super().WSPCloseSocket(s, lpErrno)


def test_a_close_that_lingers_below_does_not_hold_the_engine() -> None:
    below = Lingering()
    below.install(runtime.catalog.find(c.AF_INET, c.SOCK_STREAM, 6))
    with ws2spi.install(ws2spi.Stack([Bytes()])):
        s = made()
        assert set_option(s, c.SOL_SOCKET, c.SO_LINGER, struct.pack("<HH", 1, 30)) == 0
        runtime.engine.run_on_loop(close, s)
        assert below.closing.wait(30)
        served = threading.Event()
        runtime.engine.call_soon(served.set)
        assert served.wait(30)
        below.let_go.set()


def test_urgent_data_is_asked_for_below(below: Recording) -> None:
    client, server = connected()
    assert set_option(server, c.SOL_SOCKET, c.SO_OOBINLINE, struct.pack("<i", 1)) == 0
    assert received(server, 1, c.MSG_OOB) == WSAError.WSAEINVAL, "it is part of the stream"
    close(client, server)


def asked_for_urgent(below: Recording) -> list[int]:
    """Note the flags of each receive that reaches `below`."""
    flags: list[int] = []
    plain = below.WSPRecv

    def recv(s: int, buffers: Any, count: int, got: Any, lpFlags: Any, *rest: Any) -> int:
        flags.append(lpFlags.contents.value)
        return plain(s, buffers, count, got, lpFlags, *rest)

    below.WSPRecv = recv  # type: ignore[method-assign]
    return flags


def test_who_polls_the_third_set_hears_of_urgent_data(below: Recording) -> None:
    """A look with no time to wait asks below, too, and only one who wants urgent data does."""
    flags = asked_for_urgent(below)
    client, server = connected()
    assert select([server])[0] == 0
    until(lambda: flags == [0])
    assert select([server], excepts=[server])[0] == 0
    until(lambda: flags == [0, c.MSG_OOB])
    assert ws2_32.send(client, b"!", 1, c.MSG_OOB) == 1
    until(lambda: select(excepts=[server]) == (1, [[], [], [server]]))
    assert received(server, 1, c.MSG_OOB) == b"!"
    close(client, server)


def test_a_provider_that_refuses_urgent_receives_is_asked_once(below: Recording) -> None:
    flags: list[int] = []
    plain = below.WSPRecv

    def recv(s: int, buffers: Any, count: int, got: Any, lpFlags: Any, *rest: Any) -> int:
        flags.append(lpFlags.contents.value)
        if lpFlags.contents.value & c.MSG_OOB:
            rest[-1].contents.value = WSAError.WSAEINVAL
            return -1
        return plain(s, buffers, count, got, lpFlags, *rest)

    below.WSPRecv = recv  # type: ignore[method-assign]
    client, server = connected()
    for _ in range(3):
        assert select(excepts=[server], seconds=0.01)[0] == 0
        until(lambda: c.MSG_OOB in flags)
    assert flags.count(c.MSG_OOB) == 1
    assert received(server, 1, c.MSG_OOB) == WSAError.WSAEINVAL, "who asks himself hears why"
    close(client, server)


def test_a_provider_without_expedited_data_is_not_asked() -> None:
    below = Recording()
    base = runtime.catalog.find(c.AF_INET, c.SOCK_STREAM, 6)
    below.install(dataclasses.replace(base, service_flags=base.service_flags & ~c.XP1_EXPEDITED_DATA))
    flags = asked_for_urgent(below)
    with ws2spi.install(ws2spi.Stack([Bytes()])):
        client, server = connected()
        assert select([server], excepts=[server], seconds=0.01)[0] == 0
        until(lambda: flags == [0])
        close(client, server)


def test_a_datagram_socket_without_a_name_is_not_readable_and_keeps_no_error() -> None:
    with all_kinds.installed(), ws2spi.install(ws2spi.Stack([Bytes()])):
        s, peer = made(c.SOCK_DGRAM), made(c.SOCK_DGRAM)
        assert select([s]) == (0, [[], [], []])
        address = sockaddr(bound(s))
        assert ws2_32.sendto(peer, b"x", 1, 0, address, len(address)) == 1
        assert select([s], seconds=10.0)[0] == 1
        assert received(s, 5) == b"x"
        close(s, peer)
