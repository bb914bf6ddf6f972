"""The documented error codes of the calls that move bytes: WSASend, WSASendTo, WSARecv, WSARecvFrom and their kin.

Each code is provoked in all functions that document it, since each has a path of its own into the provider.
"""

import ctypes
import os
import socket as py
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import ws2spi
from support import winsock
from support.stacks import Bytes
from support.winsock import byref, connected, datagram_pair, error, made, sockaddr
from ws2spi import ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError

pytestmark = pytest.mark.usefixtures("started")
DWORD = ctypes.c_uint32


def buffers(size: int, address: int | None = None) -> Any:
    """One WSABUF, which keeps its memory."""
    memory = ctypes.create_string_buffer(max(size, 1))
    found = ws2_32.WSABUF(size, ctypes.addressof(memory) if address is None else address)
    found.memory = memory
    return found


class Overlapped:
    """What an overlapped call takes besides its buffers."""

    def __init__(self, routine: Any = None, hEvent: int = 0) -> None:
        self.structure = ws2_32.WSAOVERLAPPED(hEvent=hEvent)
        self.routine = routine

    @property
    def arguments(self) -> tuple[Any, Any]:
        return byref(self.structure), self.routine


def wsasend(s: int, size: int = 1, flags: int = 0, ov: Overlapped | None = None, null: bool = False) -> int:
    buffer = buffers(size, 0 if null else None)
    return int(ws2_32.WSASend(s, byref(buffer), 1, byref(DWORD()), flags, *(ov.arguments if ov else (None, None))))


def wsasendto(
    s: int, size: int = 1, flags: int = 0, ov: Overlapped | None = None, null: bool = False, to: Any = None
) -> int:
    buffer, rest = buffers(size, 0 if null else None), ov.arguments if ov else (None, None)
    length = len(to) if to is not None else 0
    return int(ws2_32.WSASendTo(s, byref(buffer), 1, byref(DWORD()), flags, to, length, *rest))


def wsarecv(s: int, size: int = 8, flags: int = 0, ov: Overlapped | None = None, null: bool = False) -> int:
    buffer, rest = buffers(size, 0 if null else None), ov.arguments if ov else (None, None)
    return int(ws2_32.WSARecv(s, byref(buffer), 1, byref(DWORD()), byref(DWORD(flags)), *rest))


def wsarecvfrom(s: int, size: int = 8, flags: int = 0, ov: Overlapped | None = None, null: bool = False) -> int:
    buffer, rest = buffers(size, 0 if null else None), ov.arguments if ov else (None, None)
    return int(ws2_32.WSARecvFrom(s, byref(buffer), 1, byref(DWORD()), byref(DWORD(flags)), None, None, *rest))


def send(s: int, size: int = 1, flags: int = 0, null: bool = False) -> int:
    return int(ws2_32.send(s, None if null else bytes(size), size, flags))


def sendto(s: int, size: int = 1, flags: int = 0, null: bool = False, to: Any = None) -> int:
    return int(ws2_32.sendto(s, None if null else bytes(size), size, flags, to, len(to) if to is not None else 0))


def recv(s: int, size: int = 8, flags: int = 0, null: bool = False) -> int:
    return int(ws2_32.recv(s, None if null else ctypes.create_string_buffer(size), size, flags))


def recvfrom(s: int, size: int = 8, flags: int = 0, null: bool = False) -> int:
    return int(ws2_32.recvfrom(s, None if null else ctypes.create_string_buffer(size), size, flags, None, None))


Call = Callable[..., int]
SENDS = [send, sendto, wsasend, wsasendto]
RECEIVES = [recv, recvfrom, wsarecv, wsarecvfrom]
OVERLAPPED = [wsasend, wsasendto, wsarecv, wsarecvfrom]
WITH_ADDRESS = [sendto, wsasendto]
every = pytest.mark.parametrize("call", [*SENDS, *RECEIVES], ids=lambda call: call.__name__)
sends = pytest.mark.parametrize("call", SENDS, ids=lambda call: call.__name__)
receives = pytest.mark.parametrize("call", RECEIVES, ids=lambda call: call.__name__)
overlapped = pytest.mark.parametrize("call", OVERLAPPED, ids=lambda call: call.__name__)
addressed = pytest.mark.parametrize("call", WITH_ADDRESS, ids=lambda call: call.__name__)


def refused(result: int, code: WSAError) -> None:
    assert (result, WSAError(error())) == (c.SOCKET_ERROR, code)


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    pair = connected()
    yield pair
    for s in pair:
        ws2_32.closesocket(s)


@pytest.fixture
def datagram() -> Iterator[int]:
    s = made(c.SOCK_DGRAM)
    yield s
    ws2_32.closesocket(s)


@every
def test_wsaenotconn(stream: int, call: Call) -> None:
    refused(call(stream), WSAError.WSAENOTCONN)


@sends
def test_wsaenotconn_of_a_datagram_without_a_peer(datagram: int, call: Call) -> None:
    refused(call(datagram), WSAError.WSAENOTCONN)


@every
def test_wsaefault_of_a_null_buffer(ends: tuple[int, int], call: Call) -> None:
    refused(call(ends[0], null=True), WSAError.WSAEFAULT)


@every
def test_wsaeshutdown(ends: tuple[int, int], call: Call) -> None:
    assert ws2_32.shutdown(ends[0], c.SD_BOTH) == 0
    refused(call(ends[0]), WSAError.WSAESHUTDOWN)


@every
def test_wsaewouldblock(ends: tuple[int, int], call: Call) -> None:
    winsock.set_nonblocking(ends[0])
    if call in SENDS:
        while send(ends[0], 1 << 16) > 0:
            pass
    refused(call(ends[0], 1 << 16), WSAError.WSAEWOULDBLOCK)


@receives
def test_wsaewouldblock_of_datagrams(datagram: int, call: Call) -> None:
    winsock.bound(datagram)
    winsock.set_nonblocking(datagram)
    refused(call(datagram), WSAError.WSAEWOULDBLOCK)


@every
def test_wsaeconnreset(call: Call) -> None:
    """The peer's end was closed hard, and nothing is left to read."""
    client, server = connected()
    linger = ws2_32.LINGER(1, 0)
    assert ws2_32.setsockopt(server, c.SOL_SOCKET, c.SO_LINGER, byref(linger), 4) == 0
    winsock.close(server)
    refused(call(client), WSAError.WSAECONNRESET)
    winsock.close(client)


@every
def test_wsaeinval_of_an_unknown_flag(ends: tuple[int, int], call: Call) -> None:
    refused(call(ends[0], flags=0x4000_0000), WSAError.WSAEINVAL)


@receives
def test_wsaeinval_of_a_datagram_socket_without_a_name(datagram: int, call: Call) -> None:
    refused(call(datagram), WSAError.WSAEINVAL)


@sends
def test_wsaemsgsize(call: Call) -> None:
    one, other = datagram_pair()
    refused(call(one, 70_000), WSAError.WSAEMSGSIZE)
    winsock.close(one, other)


@receives
def test_wsaemsgsize_of_a_short_buffer(call: Call) -> None:
    one, other = datagram_pair()
    assert send(other, 20) == 20
    refused(call(one, 4), WSAError.WSAEMSGSIZE)
    winsock.close(one, other)


@every
def test_wsaeopnotsupp_of_urgent_data_in_datagrams(call: Call) -> None:
    one, other = datagram_pair()
    refused(call(one, flags=c.MSG_OOB), WSAError.WSAEOPNOTSUPP)
    winsock.close(one, other)


@addressed
def test_wsaehostunreach(call: Call) -> None:
    """What Linux, or a layer, has learnt of the way."""

    class Unreachable(Bytes):
        async def send_to(self, conn: Any, data: bytes, address: Any) -> None:
            raise WinsockError(WSAError.WSAEHOSTUNREACH)

    with ws2spi.install(ws2spi.Stack([Unreachable()])):
        s = made(c.SOCK_DGRAM)
        refused(call(s, to=sockaddr(9)), WSAError.WSAEHOSTUNREACH)
        winsock.close(s)


@addressed
def test_what_is_wrong_with_an_address(datagram: int, call: Call) -> None:
    refused(call(datagram, to=sockaddr(9)[:8]), WSAError.WSAEFAULT)
    refused(call(datagram, to=sockaddr(9, c.AF_INET6)), WSAError.WSAEAFNOSUPPORT)
    refused(call(datagram, to=sockaddr(0)), WSAError.WSAEADDRNOTAVAIL)
    refused(call(datagram, to=sockaddr(9, host="255.255.255.255")), WSAError.WSAEACCES)


@addressed
def test_wsaenetunreach(call: Call) -> None:
    """Over the loopback device no other address is reached."""
    s = made(c.SOCK_DGRAM, c.AF_INET6)
    with py.socket(fileno=os.dup(s)) as same:
        same.setsockopt(py.SOL_SOCKET, py.SO_BINDTODEVICE, b"lo")
    refused(call(s, to=sockaddr(9, c.AF_INET6, "2001:db8::1")), WSAError.WSAENETUNREACH)
    winsock.close(s)


@overlapped
def test_what_is_wrong_with_an_overlapped(ends: tuple[int, int], call: Call) -> None:
    """hEvent is no event; the OVERLAPPED is in use; a routine on a socket with a port."""
    refused(call(ends[0], ov=Overlapped(hEvent=0xBAD0)), WSAError.WSA_INVALID_HANDLE)
    pending = Overlapped()
    refused(wsarecv(ends[0], ov=pending), WSAError.WSA_IO_PENDING)
    refused(call(ends[0], ov=pending), WSAError.WSAEINVAL)
    with winsock.port_for(ends[0]):
        refused(call(ends[0], ov=Overlapped(routine=lambda *_: None)), WSAError.WSAEINVAL)
        winsock.close(ends[0])


@overlapped
def test_wsa_io_pending(ends: tuple[int, int], call: Call) -> None:
    pending = Overlapped()
    if call in SENDS:
        winsock.set_nonblocking(ends[0])
        while send(ends[0], 1 << 16) > 0:
            pass
    refused(call(ends[0], 1 << 16, ov=pending), WSAError.WSA_IO_PENDING)
    winsock.close(ends[0])


def test_wsarecvfrom_without_room_for_the_address(datagram: int) -> None:
    winsock.bound(datagram)
    buffer, room, length = buffers(8), ctypes.create_string_buffer(4), ctypes.c_int32(4)
    arguments = byref(buffer), 1, byref(DWORD()), byref(DWORD()), room, byref(length), None, None
    refused(ws2_32.WSARecvFrom(datagram, *arguments), WSAError.WSAEFAULT)
    refused(ws2_32.recvfrom(datagram, buffer.memory, 8, 0, room, byref(length)), WSAError.WSAEFAULT)


class Broken(Bytes):
    """A bug in a layer."""

    async def send(self, conn: Any, data: bytes) -> None:
        raise ZeroDivisionError

    async def recv(self, conn: Any, size: int) -> bytes:
        raise ZeroDivisionError


@every
def test_wsaeconnaborted(call: Call) -> None:
    """A layer of the chain fails: the connection is aborted, and every later call says so."""
    listener = py.create_server(("127.0.0.1", 0))
    with ws2spi.install(ws2spi.Stack([Broken()])):
        s = made()
        address = sockaddr(listener.getsockname()[1])
        assert ws2_32.connect(s, address, len(address)) == 0
        refused(call(s), WSAError.WSAECONNABORTED)
        ws2_32.closesocket(s)
    listener.close()
