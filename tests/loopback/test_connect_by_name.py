"""WSAConnectByList and WSAConnectByName (nf-winsock2-wsaconnectbylist, nf-winsock2-wsaconnectbynamew)."""

import ctypes
import struct
from typing import Any

import pytest

import ws2spi
from support import winsock
from ws2spi import ws2_32
from ws2spi._abi import addresses
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi.providers.layer import Layer

every_kind = pytest.mark.usefixtures("kind")
byref = ctypes.byref


class List:
    """A SOCKET_ADDRESS_LIST of loopback ports."""

    def __init__(self, *ports: int) -> None:
        self.names = [winsock.sockaddr(port) for port in ports]
        data = struct.pack("<i4x", len(ports))
        data += b"".join(struct.pack("<Qi4x", ctypes.addressof(one), len(one)) for one in self.names)
        self.memory = ctypes.create_string_buffer(data, len(data))


def closed_port() -> int:
    s, port = winsock.listening()
    winsock.close(s)
    return port


def by_list(s: int, given: Any, timeout: Any = None, reserved: Any = None) -> int:
    """0, or the code."""
    done = ws2_32.WSAConnectByList(s, given, None, None, None, None, timeout, reserved)
    return 0 if done else winsock.error()


@every_kind
@pytest.mark.parametrize("blocking", [True, False])
def test_first_address_that_answers(blocking: bool) -> None:
    listener, port = winsock.listening()
    s = winsock.made()
    if not blocking:
        winsock.set_nonblocking(s)
    rooms = [(ctypes.create_string_buffer(128), ctypes.c_uint32(128)) for _ in "lr"]
    (local, local_size), (remote, remote_size) = rooms
    given = List(closed_port(), port)
    assert ws2_32.WSAConnectByList(s, given.memory, byref(local_size), local, byref(remote_size), remote, None, None), (
        winsock.error()
    )
    assert addresses.unpack(remote.raw[: remote_size.value])[1] == ("127.0.0.1", port)
    assert addresses.unpack(local.raw[: local_size.value])[1] == ("127.0.0.1", winsock.port_of(s))
    winsock.close(listener, s)


@every_kind
def test_nobody_answers() -> None:
    s = winsock.made()
    given = List(closed_port(), closed_port())
    assert by_list(s, given.memory) == WSAError.WSAECONNREFUSED, "the last attempt's"
    over = ws2_32.TIMEVAL(0, 0)
    assert by_list(s, given.memory, byref(over)) == WSAError.WSAETIMEDOUT, "between two attempts"
    winsock.close(s)


@every_kind
def test_errors_of_the_list() -> None:
    s = winsock.made()
    given = List(9)
    assert by_list(s, given.memory, None, byref(ws2_32.WSAOVERLAPPED())) == WSAError.WSAEINVAL
    assert by_list(s, None) == WSAError.WSAEFAULT
    assert by_list(s, List().memory) == WSAError.WSAEINVAL
    assert by_list(9999, given.memory) == WSAError.WSAENOTSOCK
    winsock.close(s)


def by_name(s: int, node: Any, service: Any, reserved: Any = None, wide: bool = True) -> int:
    function = ws2_32.WSAConnectByNameW if wide else ws2_32.WSAConnectByNameA
    done = function(s, node, service, None, None, None, None, None, reserved)
    return 0 if done else winsock.error()


@every_kind
@pytest.mark.parametrize("wide", [True, False])
def test_host_and_service_by_name(wide: bool) -> None:
    listener, port = winsock.listening()
    s = winsock.made()
    names: list[Any] = ["127.0.0.1", str(port)]
    assert by_name(s, *[one if wide else one.encode() for one in names], wide=wide) == 0
    server = ws2_32.accept(listener, None, None)
    assert server != c.INVALID_SOCKET
    winsock.close(listener, s, server)


@every_kind
def test_errors_of_names() -> None:
    s = winsock.made()
    assert by_name(s, None, "80") == WSAError.WSAEINVAL
    assert by_name(s, "127.0.0.1", None) == WSAError.WSAEINVAL
    assert by_name(s, "127.0.0.1", "80", byref(ws2_32.WSAOVERLAPPED())) == WSAError.WSAEINVAL
    assert by_name(s, "::1", "80") == WSAError.WSAEHOSTUNREACH
    assert by_name(9999, "127.0.0.1", "80") == WSAError.WSAENOTSOCK
    winsock.close(s)


class Undecided(Layer):
    """Its connect fails with a code by which clients know a connect that is on its way."""

    def __init__(self, code: WSAError) -> None:
        self.code = code

    async def connect(self, conn: Any, address: Any) -> None:
        raise WinsockError(self.code)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("code", [WSAError.WSAEWOULDBLOCK, WSAError.WSAEALREADY])
def test_layer_that_fails_as_if_it_were_on_its_way(code: WSAError, blocking: bool) -> None:
    winsock.start()
    with ws2spi.install(ws2spi.Stack([Undecided(code)])):
        s = winsock.made()
        if not blocking:
            winsock.set_nonblocking(s)
        given = List(9, 9)
        assert by_list(s, given.memory) == code
        assert by_name(s, "127.0.0.1", "9") == code
        winsock.close(s)
    winsock.stop()
