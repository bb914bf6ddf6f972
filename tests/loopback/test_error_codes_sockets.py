"""The documented error codes of making, naming and connecting sockets, of their options and control codes."""

import ctypes
import os
import resource
import socket as py
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import ws2spi
from support import winsock
from support.clients import bind, reset, set_option
from support.stacks import Control
from support.winsock import byref, connected, error, listening, made, sockaddr
from ws2spi import WinsockError, ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError
from ws2spi._runtime.process import runtime

pytestmark = pytest.mark.usefixtures("started")
Call = Callable[..., int]


def refused(result: int, code: WSAError) -> None:
    assert result in (c.SOCKET_ERROR, c.INVALID_SOCKET, c.FALSE)
    assert WSAError(error()) == code


@contextmanager
def no_descriptors() -> Iterator[None]:
    """The process has as many open files as it may."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir("/proc/self/fd")))
    spare = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, limits[1]))
        while True:
            try:
                spare.append(os.dup(0))
            except OSError:
                break
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for one in spare:
            os.close(one)


# Making sockets

MAKERS: dict[str, Call] = {
    "socket": lambda *numbers: ws2_32.socket(*numbers),
    "WSASocketW": lambda *numbers: ws2_32.WSASocketW(*numbers, None, 0, 1),
    "WSASocketA": lambda *numbers: ws2_32.WSASocketA(*numbers, None, 0, 1),
}
makers = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


@makers
@pytest.mark.parametrize(
    ("numbers", "code"),
    [
        ((0, 0, 0), WSAError.WSAEINVAL),
        ((77, c.SOCK_STREAM, 0), WSAError.WSAEAFNOSUPPORT),
        ((c.AF_INET, 99, 0), WSAError.WSAESOCKTNOSUPPORT),
        ((c.AF_INET, c.SOCK_STREAM, 17), WSAError.WSAEPROTOTYPE),
        ((c.AF_INET, c.SOCK_STREAM, 200), WSAError.WSAEPROTONOSUPPORT),
    ],
)
def test_no_entry_of_the_catalog_fits(make: Call, numbers: tuple[int, int, int], code: WSAError) -> None:
    refused(make(*numbers), code)


@makers
def test_wsaemfile(make: Call) -> None:
    winsock.close(make(c.AF_INET, c.SOCK_STREAM, 0))
    with no_descriptors():
        refused(make(c.AF_INET, c.SOCK_STREAM, 0), WSAError.WSAEMFILE)


@makers
@pytest.mark.parametrize(
    "code",
    [WSAError.WSAEPROVIDERFAILEDINIT, WSAError.WSAEINVALIDPROVIDER, WSAError.WSAEINVALIDPROCTABLE, WSAError.WSAENOBUFS],
)
def test_what_the_start_of_a_provider_says(make: Call, code: WSAError, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(entry: Any) -> Any:
        raise WinsockError(code)

    monkeypatch.setattr(runtime, "provider", start)
    refused(make(c.AF_INET, c.SOCK_STREAM, 0), code)


# accept


@pytest.mark.parametrize("name", ["accept", "WSAAccept"])
def test_accept(name: str) -> None:
    more = (None, 0) if name == "WSAAccept" else ()
    accept = getattr(ws2_32, name)
    listener, port = listening()
    winsock.set_nonblocking(listener)
    refused(accept(listener, None, None, *more), WSAError.WSAEWOULDBLOCK)
    with py.create_connection(("127.0.0.1", port)), no_descriptors():
        refused(accept(listener, None, None, *more), WSAError.WSAEMFILE)
    stream, datagram = made(), made(c.SOCK_DGRAM)
    refused(accept(stream, None, None, *more), WSAError.WSAEINVAL)
    refused(accept(datagram, None, None, *more), WSAError.WSAEOPNOTSUPP)
    winsock.close(listener, stream, datagram)


# Connecting

CONNECTS: dict[str, Call] = {
    "connect": lambda s, to: ws2_32.connect(s, to, len(to)),
    "WSAConnect": lambda s, to: ws2_32.WSAConnect(s, to, len(to), None, None, None, None),
}
connects = pytest.mark.parametrize("connect", CONNECTS.values(), ids=CONNECTS)


@connects
def test_what_is_wrong_with_the_address(stream: int, connect: Call) -> None:
    refused(connect(stream, sockaddr(9)[:6]), WSAError.WSAEFAULT)
    refused(connect(stream, sockaddr(9, c.AF_INET6)), WSAError.WSAEAFNOSUPPORT)
    refused(connect(stream, sockaddr(0)), WSAError.WSAEADDRNOTAVAIL)


@connects
def test_wsaeconnrefused(stream: int, connect: Call) -> None:
    with py.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    refused(connect(stream, sockaddr(port)), WSAError.WSAECONNREFUSED)


@connects
def test_wsaenetunreach(stream: int, connect: Call) -> None:
    """TCP reaches no multicast address, whatever the routes."""
    refused(connect(stream, sockaddr(9, host="224.0.0.1")), WSAError.WSAENETUNREACH)


@connects
def test_wsaeaddrinuse(connect: Call) -> None:
    """A second connection between the same two addresses, which SO_REUSEADDR let bind."""
    listener, port = listening()
    first, second = made(), made()
    for s in (first, second):
        assert set_option(s, c.SOL_SOCKET, c.SO_REUSEADDR, b"\1\0\0\0") == 0
    own = winsock.bound(first)
    assert bind(second, own) == 0
    assert connect(first, sockaddr(port)) == 0
    refused(connect(second, sockaddr(port)), WSAError.WSAEADDRINUSE)
    winsock.close(listener, first, second)


@connects
def test_wsaeacces_of_a_broadcast_address(connect: Call) -> None:
    s = made(c.SOCK_DGRAM)
    refused(connect(s, sockaddr(9, host="255.255.255.255")), WSAError.WSAEACCES)
    winsock.close(s)


@connects
def test_the_states_of_connecting(connect: Call) -> None:
    """WSAEINVAL for a listener, WSAEISCONN, and WSAEWOULDBLOCK, then WSAEALREADY, while it is under way."""
    listener, port = listening()
    refused(connect(listener, sockaddr(port)), WSAError.WSAEINVAL)
    client = made()
    assert connect(client, sockaddr(port)) == 0
    refused(connect(client, sockaddr(port)), WSAError.WSAEISCONN)
    with py.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with py.create_connection(full.getsockname()):
            slow = made()
            winsock.set_nonblocking(slow)
            refused(connect(slow, sockaddr(full.getsockname()[1])), WSAError.WSAEWOULDBLOCK)
            refused(connect(slow, sockaddr(full.getsockname()[1])), WSAError.WSAEALREADY)
            winsock.close(slow)
    winsock.close(listener, client)


def by_list(s: int, to: Any) -> int:
    address = ws2_32.SOCKET_ADDRESS(ctypes.cast(to, ctypes.POINTER(ws2_32.SOCKADDR)), len(to))

    class One(ctypes.Structure):
        _fields_ = (("iAddressCount", ctypes.c_int32), ("Address", ws2_32.SOCKET_ADDRESS * 1))

    given = One(1, (ws2_32.SOCKET_ADDRESS * 1)(address))
    return int(ws2_32.WSAConnectByList(s, byref(given), None, None, None, None, None, None))


def by_name_w(s: int, to: Any) -> int:
    return int(ws2_32.WSAConnectByNameW(s, "127.0.0.1", "9", None, None, None, None, None, None))


def by_name_a(s: int, to: Any) -> int:
    return int(ws2_32.WSAConnectByNameA(s, b"127.0.0.1", b"9", None, None, None, None, None, None))


@pytest.mark.parametrize("connect", [*CONNECTS.values(), by_list, by_name_w, by_name_a])
@pytest.mark.parametrize(
    "code",
    [
        WSAError.WSAEADDRINUSE,
        WSAError.WSAEADDRNOTAVAIL,
        WSAError.WSAEAFNOSUPPORT,
        WSAError.WSAECONNREFUSED,
        WSAError.WSAEFAULT,
        WSAError.WSAEHOSTUNREACH,
        WSAError.WSAEINVAL,
        WSAError.WSAEISCONN,
        WSAError.WSAENETUNREACH,
        WSAError.WSAETIMEDOUT,
    ],
)
def test_what_a_lower_provider_says_of_connecting(connect: Call, code: WSAError) -> None:
    """Its code is the caller's: also those that take a network to happen, or another state of the socket."""

    class Failing(Control):
        async def connect(self, conn: Any, address: Any) -> None:
            raise WinsockError(code)

    with ws2spi.install(ws2spi.Stack([Failing()])):
        s = made()
        refused(connect(s, sockaddr(9)), code)
        winsock.close(s)


# Options and control codes


def test_options(stream: int) -> None:
    value, length = ctypes.create_string_buffer(64), ctypes.c_int32(64)
    for name in ("getsockopt", "setsockopt"):
        call, size = getattr(ws2_32, name), byref(length) if name == "getsockopt" else 4
        refused(call(stream, 0x4321, 1, value, size), WSAError.WSAEINVAL)
        refused(call(stream, c.SOL_SOCKET, 0x4321, value, size), WSAError.WSAENOPROTOOPT)
        refused(call(stream, c.SOL_SOCKET, c.SO_KEEPALIVE, None, size), WSAError.WSAEFAULT)


def test_control_codes(stream: int) -> None:
    number, returned = ctypes.c_uint32(1), ctypes.c_uint32()
    refused(ws2_32.ioctlsocket(stream, 0x40045555, byref(number)), WSAError.WSAEOPNOTSUPP)
    refused(ws2_32.ioctlsocket(stream, 0x8004667E, None), WSAError.WSAEFAULT)
    arguments = byref(number), 4, byref(number), 4, byref(returned), None, None
    refused(ws2_32.WSAIoctl(stream, 0x5555, *arguments), WSAError.WSAEOPNOTSUPP)
    refused(ws2_32.WSAIoctl(stream, 0x8004667E, None, 4, None, 0, None, None, None), WSAError.WSAEFAULT)


def test_what_shutdown_and_names_refuse(stream: int) -> None:
    room, length = ctypes.create_string_buffer(64), ctypes.c_int32(64)
    refused(ws2_32.shutdown(stream, c.SD_BOTH), WSAError.WSAENOTCONN)
    refused(ws2_32.getpeername(stream, room, byref(length)), WSAError.WSAENOTCONN)
    refused(ws2_32.getsockname(stream, room, byref(length)), WSAError.WSAEINVAL)
    one, other = connected()
    refused(ws2_32.shutdown(one, 9), WSAError.WSAEINVAL)
    refused(ws2_32.getpeername(one, room, byref(ctypes.c_int32(3))), WSAError.WSAEFAULT)
    refused(ws2_32.getsockname(one, room, byref(ctypes.c_int32(3))), WSAError.WSAEFAULT)
    refused(ws2_32.listen(one, 5), WSAError.WSAEISCONN)
    winsock.close(one, other)


def test_what_bind_and_listen_refuse(stream: int) -> None:
    def bind(s: int, name: Any) -> int:
        return int(ws2_32.bind(s, name, len(name)))

    refused(ws2_32.listen(stream, 5), WSAError.WSAEINVAL)
    refused(bind(stream, sockaddr(0)[:7]), WSAError.WSAEFAULT)
    refused(bind(stream, sockaddr(0, host="192.0.2.77")), WSAError.WSAEADDRNOTAVAIL)
    other = made()
    port = winsock.bound(other)
    refused(bind(stream, sockaddr(port)), WSAError.WSAEADDRINUSE)
    refused(bind(other, sockaddr(0)), WSAError.WSAEINVAL)
    datagram = made(c.SOCK_DGRAM)
    refused(ws2_32.listen(datagram, 5), WSAError.WSAEOPNOTSUPP)
    winsock.close(other, datagram)


def test_the_broadcast_address_is_bound_with_so_broadcast_only() -> None:
    """bind's page: WSAEACCES."""
    s = made(c.SOCK_DGRAM)
    refused(bind(s, 0, host="255.255.255.255"), WSAError.WSAEACCES)
    assert set_option(s, c.SOL_SOCKET, c.SO_BROADCAST, b"\1\0\0\0") == 0
    assert bind(s, 0, host="255.255.255.255") == 0
    winsock.close(s)


def test_listen_where_another_socket_listens() -> None:
    """listen's page: WSAEADDRINUSE, when bind did not say so."""
    first, second = made(), made()
    for s in (first, second):
        assert set_option(s, c.SOL_SOCKET, c.SO_REUSEADDR, b"\1\0\0\0") == 0
    assert bind(second, winsock.bound(first)) == 0
    assert ws2_32.listen(first, 5) == 0
    refused(ws2_32.listen(second, 5), WSAError.WSAEADDRINUSE)
    winsock.close(first, second)


def test_shutdown_after_a_reset() -> None:
    """shutdown's page: WSAECONNRESET; WSAENOTCONN is for what never was connected."""
    one, other = connected()
    reset(other)
    assert winsock.received(one) == WSAError.WSAECONNRESET
    refused(ws2_32.shutdown(one, c.SD_SEND), WSAError.WSAECONNRESET)
    winsock.close(one)
