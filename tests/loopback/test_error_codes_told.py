"""The documented error codes that come later than their call: of finished operations, by every way of being told them;
of network events; in window messages.
"""

import ctypes
import socket as py
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import ws2spi
from support import winsock
from support.clients import reset, set_option
from support.extension import Started
from support.stacks import Bytes, Control
from support.threads import until
from support.winsock import byref, connected, error, listening, made, packet, port_for, sockaddr
from ws2spi import WinsockError, kernel32, mswsock, user32, ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError
from ws2spi._runtime import messages

pytestmark = pytest.mark.usefixtures("started")
DWORD = ctypes.c_uint32
MESSAGE = 0x0401
CONNECT_BIT, CLOSE_BIT = 4, 5


@contextmanager
def layer(one: Any) -> Iterator[None]:
    with ws2spi.install(ws2spi.Stack([one])):
        yield


class Told(Control):
    """Connecting ends with a code."""

    def __init__(self, code: WSAError) -> None:
        self.code = code

    async def connect(self, conn: Any, address: Any) -> None:
        raise WinsockError(self.code)


class Held(Bytes):
    """What is sent waits until the test lets it go."""

    def __init__(self) -> None:
        self.gates: list[Any] = []

    async def _wait(self, conn: Any) -> None:
        self.gates.append(conn.event())
        await self.gates[-1].wait()

    async def send(self, conn: Any, data: bytes) -> None:
        await self._wait(conn)

    async def send_to(self, conn: Any, data: bytes, address: Any) -> None:
        await self._wait(conn)


class Broken(Bytes):
    """A bug in a layer: the connection is aborted."""

    async def send(self, conn: Any, data: bytes) -> None:
        raise ZeroDivisionError

    async def recv(self, conn: Any, size: int) -> bytes:
        raise ZeroDivisionError

    async def send_to(self, conn: Any, data: bytes, address: Any) -> None:
        raise ZeroDivisionError


# -- ConnectEx ---------------------------------------------------------------------------------------------------------


class Connect(Started):
    """mswsock.ConnectEx."""

    def __init__(self, s: int, to: Any) -> None:
        super().__init__(s)
        self.to = to
        self.answered(mswsock.ConnectEx(s, to, len(to), None, 0, None, byref(self.overlapped)))
        assert self.code == WSAError.WSA_IO_PENDING


@pytest.mark.parametrize(
    "code",
    [
        WSAError.WSAECONNREFUSED,
        WSAError.WSAENETUNREACH,
        WSAError.WSAEHOSTUNREACH,
        WSAError.WSAETIMEDOUT,
        WSAError.WSAEADDRINUSE,
        WSAError.WSAENETDOWN,
        WSAError.WSAENOBUFS,
    ],
)
def test_what_connectex_is_told(code: WSAError) -> None:
    with layer(Told(code)):
        s = made()
        winsock.bound(s)
        assert Connect(s, sockaddr(9)).result() == -code
        winsock.close(s)


def test_connectex_between_names_in_use() -> None:
    listener, port = listening()
    first, second = made(), made()
    for s in (first, second):
        assert set_option(s, c.SOL_SOCKET, c.SO_REUSEADDR, b"\1\0\0\0") == 0
    own = sockaddr(winsock.bound(first))
    assert ws2_32.bind(second, own, len(own)) == 0
    assert Connect(first, sockaddr(port)).result() == 0
    assert Connect(second, sockaddr(port)).result() == -WSAError.WSAEADDRINUSE
    winsock.close(listener, first, second)


# -- every way of being told -------------------------------------------------------------------------------------------


def begin(s: int, routine: Any = None) -> Started:
    """A WSARecv that pends."""
    started = Started(s)
    started.memory = ctypes.create_string_buffer(8)
    buffer = ws2_32.WSABUF(8, ctypes.addressof(started.memory))
    result = ws2_32.WSARecv(s, byref(buffer), 1, None, byref(DWORD()), byref(started.overlapped), routine)
    started.answered(result == 0)
    assert started.code == WSAError.WSA_IO_PENDING
    return started


ENDS: dict[WSAError, Callable[[int, int], object]] = {
    WSAError.WSAECONNRESET: lambda s, peer: reset(peer),
    WSAError.WSA_OPERATION_ABORTED: lambda s, peer: kernel32.CancelIoEx(s, None),
}
IN_A_PACKET = {WSAError.WSAECONNRESET: c.ERROR_NETNAME_DELETED, WSAError.WSA_OPERATION_ABORTED: 995}
ends = pytest.mark.parametrize("code", ENDS, ids=lambda code: code.name)


@contextmanager
def pair() -> Iterator[tuple[int, int]]:
    s, peer = connected()
    yield s, peer
    for one in (s, peer):
        ws2_32.closesocket(one)


@ends
def test_by_the_result(code: WSAError) -> None:
    with pair() as (s, peer):
        started = begin(s)
        ENDS[code](s, peer)
        assert started.result() == -code


@ends
def test_by_a_completion_routine(code: WSAError) -> None:
    told: list[int] = []
    with pair() as (s, peer):
        begin(s, lambda dwError, *_: told.append(dwError))
        ENDS[code](s, peer)
        assert kernel32.SleepEx(10000, True) == c.WAIT_IO_COMPLETION
    assert told == [code]


@ends
def test_by_a_packet(code: WSAError) -> None:
    """Packets carry Win32 codes (errors.md 4)."""
    with pair() as (s, peer), port_for(s) as port:
        started = begin(s)
        ENDS[code](s, peer)
        done, _, _, address, last = packet(port, 10000)
        assert (done, address, last) == (False, started.address, IN_A_PACKET[code])


# -- TransmitFile, TransmitPackets, WSARecvMsg, WSARecvEx, WSASendMsg --------------------------------------------------


class File(Started):
    """mswsock.TransmitFile."""

    def __init__(self, s: int, path: Path) -> None:
        super().__init__(s)
        with open(path, "rb") as file:
            self.answered(mswsock.TransmitFile(s, file.fileno(), 0, 0, byref(self.overlapped), None, 0))


class Packets(Started):
    """mswsock.TransmitPackets of one piece of memory."""

    def __init__(self, s: int, path: Path) -> None:
        super().__init__(s)
        self.memory = ctypes.create_string_buffer(64)
        self.array = (mswsock.TRANSMIT_PACKETS_ELEMENT * 1)()
        self.array[0].dwElFlags, self.array[0].cLength = mswsock.TP_ELEMENT_MEMORY, 64
        self.array[0].pBuffer = ctypes.addressof(self.memory)
        self.answered(mswsock.TransmitPackets(s, self.array, 1, 0, byref(self.overlapped), 0))


transmissions = pytest.mark.parametrize("transmit", [File, Packets], ids=["TransmitFile", "TransmitPackets"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "file"
    found.write_bytes(bytes(64))
    return found


@transmissions
def test_a_transmission_over_a_connection_that_was_reset(transmit: Any, path: Path) -> None:
    with pair() as (s, peer):
        reset(peer)
        assert winsock.received(s) == WSAError.WSAECONNRESET
        started = transmit(s, path)
        code = -started.result() if started.code == WSAError.WSA_IO_PENDING else started.code
        assert code == WSAError.WSAECONNRESET


@transmissions
def test_a_transmission_through_a_broken_layer(transmit: Any, path: Path) -> None:
    with layer(Broken()), pair() as (s, _):
        assert transmit(s, path).result() == -WSAError.WSAECONNABORTED


@transmissions
def test_a_transmission_that_is_cancelled(transmit: Any, path: Path) -> None:
    with layer(Held()), pair() as (s, _):
        started = transmit(s, path)
        assert ws2_32.closesocket(s) == 0
        assert started.overlapped.Internal == c.STATUS_CANCELLED


@transmissions
def test_a_transmission_after_shutdown(transmit: Any, path: Path) -> None:
    with pair() as (s, _):
        assert ws2_32.shutdown(s, c.SD_SEND) == 0
        assert transmit(s, path).code == WSAError.WSAESHUTDOWN


def refused(result: int, code: WSAError) -> None:
    assert (result, WSAError(error())) == (c.SOCKET_ERROR, code)


def message(size: int, to: Any = None) -> Any:
    memory = ctypes.create_string_buffer(size)
    buffer = ws2_32.WSABUF(size, ctypes.addressof(memory))
    name, length = (ctypes.addressof(to), len(to)) if to is not None else (None, 0)
    found = mswsock.WSAMSG(name, length, ctypes.pointer(buffer), 1)
    found.kept = memory, buffer, to
    return found


def recvmsg(s: int, overlapped: Any = None) -> int:
    return int(mswsock.WSARecvMsg(s, byref(message(8)), byref(DWORD()), overlapped, None))


def sendmsg(s: int, overlapped: Any = None, to: Any = None) -> int:
    return int(ws2_32.WSASendMsg(s, byref(message(8, to)), 0, byref(DWORD()), overlapped, None))


@contextmanager
def datagrams() -> Iterator[int]:
    """A datagram socket with a peer that is gone."""
    with py.socket(py.AF_INET, py.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        peer = sockaddr(gone.getsockname()[1])
    s = made(c.SOCK_DGRAM)
    assert ws2_32.connect(s, peer, len(peer)) == 0
    yield s
    ws2_32.closesocket(s)


@pytest.mark.parametrize("call", [recvmsg, sendmsg])
def test_wsaeconnreset_of_an_earlier_datagram(call: Callable[[int], int]) -> None:
    """The pages: a port that nobody has."""
    with datagrams() as s:
        assert ws2_32.send(s, b"x", 1, 0) == 1
        refused(call(s), WSAError.WSAECONNRESET)


def test_what_a_message_is_refused_with() -> None:
    with datagrams() as s:
        refused(recvmsg(s, byref(ws2_32.WSAOVERLAPPED(hEvent=0xBAD0))), WSAError.WSA_INVALID_HANDLE)
    with layer(Broken()), datagrams() as s:
        refused(sendmsg(s), WSAError.WSAECONNABORTED)
    held = Held()
    with layer(held), datagrams() as s:
        winsock.set_nonblocking(s)
        assert sendmsg(s) == 0, "the first one is accepted and waits in the layer"
        refused(sendmsg(s), WSAError.WSAEWOULDBLOCK)
        until(lambda: held.gates)
        until(lambda: held.gates)
        held.gates[0].set()


class Unreachable(Bytes):
    async def send_to(self, conn: Any, data: bytes, address: Any) -> None:
        raise WinsockError(WSAError.WSAEHOSTUNREACH)


def test_wsasendmsg_to_a_host_that_is_not_reached() -> None:
    with layer(Unreachable()), datagrams() as s:
        refused(sendmsg(s), WSAError.WSAEHOSTUNREACH)


@pytest.mark.parametrize("call", [recvmsg, sendmsg])
def test_a_message_that_is_cancelled(call: Callable[[int, Any], int]) -> None:
    with layer(Held()), datagrams() as s:
        overlapped = ws2_32.WSAOVERLAPPED()
        refused(call(s, byref(overlapped)), WSAError.WSA_IO_PENDING)
        assert ws2_32.closesocket(s) == 0
        assert overlapped.Internal == c.STATUS_CANCELLED


def recvex(s: int) -> int:
    return int(mswsock.WSARecvEx(s, ctypes.create_string_buffer(8), 8, byref(ctypes.c_int())))


def test_wsarecvex() -> None:
    with pair() as (s, peer):
        reset(peer)
        refused(recvex(s), WSAError.WSAECONNRESET)
    with layer(Broken()), pair() as (s, _):
        refused(recvex(s), WSAError.WSAECONNABORTED)


# -- network events and their messages ---------------------------------------------------------------------------------

OF_CONNECT = [WSAError.WSAECONNREFUSED, WSAError.WSAENETUNREACH, WSAError.WSAETIMEDOUT]


def events_of(s: int, mask: int, act: Callable[[], object]) -> dict[int, int]:
    """{bit: code} of the network events after `act`, once there is one."""
    record = ws2_32.WSANETWORKEVENTS()
    with winsock.event() as event:
        assert ws2_32.WSAEventSelect(s, event, mask) == 0
        act()
        assert winsock.is_set(event, 10000)
        assert ws2_32.WSAEnumNetworkEvents(s, event, byref(record)) == 0
        assert ws2_32.WSAEventSelect(s, 0, 0) == 0
    return {bit: record.iErrorCode[bit] for bit in range(10) if record.lNetworkEvents >> bit & 1}


def message_of(s: int, mask: int, act: Callable[[], object]) -> dict[int, int]:
    """The same of the first message."""
    window = user32.CreateWindowExW(*[None] * 12)
    assert ws2_32.WSAAsyncSelect(s, window, MESSAGE, mask) == 0
    act()
    found = messages.get(window, timeout=10)
    assert found is not None
    assert found.wparam == s
    user32.DestroyWindow(window)
    event = ws2_32.WSAGETSELECTEVENT(found.lparam)
    return {event.bit_length() - 1: ws2_32.WSAGETSELECTERROR(found.lparam)}


ways = pytest.mark.parametrize("way", [events_of, message_of], ids=["WSAEventSelect", "WSAAsyncSelect"])


@ways
@pytest.mark.parametrize("code", OF_CONNECT, ids=lambda code: code.name)
def test_fd_connect(way: Any, code: WSAError) -> None:
    with layer(Told(code)):
        s = made()
        to = sockaddr(9)
        assert way(s, c.FD_CONNECT, lambda: ws2_32.connect(s, to, len(to))) == {CONNECT_BIT: code}
        winsock.close(s)


@ways
def test_fd_close_after_a_reset(way: Any) -> None:
    with pair() as (s, peer):
        assert way(s, c.FD_CLOSE, lambda: reset(peer)) == {CLOSE_BIT: WSAError.WSAECONNRESET}


@ways
def test_fd_close_of_a_broken_layer(way: Any) -> None:
    with layer(Broken()), pair() as (s, peer):
        assert way(s, c.FD_CLOSE, lambda: ws2_32.send(peer, b"x", 1, 0)) == {CLOSE_BIT: WSAError.WSAECONNABORTED}
