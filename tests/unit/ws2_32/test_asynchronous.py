"""WSAAsyncGetXByY: a structure in the client's buffer, a message to its window, and cancelling."""

import ctypes
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support import winsock
from support.names import Fixed, Hosts, Stuck
from support.winsock import error
from ws2spi import WinsockError, ws2_32
from ws2spi._abi import names as n
from ws2spi._abi.constants import AF_INET, AF_INET6
from ws2spi._abi.errors import WSAError
from ws2spi._runtime import messages
from ws2spi._runtime.names.catalog import name_spaces
from ws2spi._runtime.names.records import Service

Install = Callable[..., Any]
MESSAGE = 0x0400 + 1


@pytest.fixture
def window(install: Install) -> Iterator[int]:
    winsock.stop()
    name_spaces.enable(n.DNS_PROVIDER, False)
    winsock.start()
    install(Hosts({"a.test": ["10.0.0.1"]}))
    handle = messages.create_window()
    yield handle
    messages.destroy_window(handle)


def answer(window: int, task: int) -> tuple[int, int]:
    """(code, size) of the request's message."""
    assert task, error()
    message = messages.get(window, timeout=10)
    assert message is not None
    assert (message.window, message.message, message.wparam) == (window, MESSAGE, task)
    return message.lparam >> 16, message.lparam & 0xFFFF


def test_each_structure_arrives_in_the_buffer(window: int) -> None:
    buffer = ctypes.create_string_buffer(n.MAXGETHOSTSTRUCT)
    place = buffer, len(buffer)
    code, size = answer(window, ws2_32.WSAAsyncGetHostByName(window, MESSAGE, b"a.test", *place))
    assert code == 0
    host = n.HOSTENT.from_buffer(buffer)
    assert (host.h_name, ctypes.string_at(host.h_addr_list[0], 4)) == (b"a.test", b"\x0a\0\0\1")
    assert ctypes.addressof(buffer) < host.h_addr_list[0] < ctypes.addressof(buffer) + size
    for call, arguments, kind, field, value in (
        (ws2_32.WSAAsyncGetServByName, (b"http", b"tcp"), n.SERVENT, "s_name", b"http"),
        (ws2_32.WSAAsyncGetServByPort, (socket.htons(80), None), n.SERVENT, "s_proto", b"tcp"),
        (ws2_32.WSAAsyncGetProtoByName, (b"udp",), n.PROTOENT, "p_proto", 17),
        (ws2_32.WSAAsyncGetProtoByNumber, (6,), n.PROTOENT, "p_name", b"tcp"),
    ):
        assert answer(window, call(window, MESSAGE, *arguments, *place))[0] == 0
        assert getattr(kind.from_buffer(buffer), field) == value
    code, _ = answer(window, ws2_32.WSAAsyncGetHostByAddr(window, MESSAGE, b"\x0a\0\0\1", 4, AF_INET, *place))
    assert code == WSAError.WSAHOST_NOT_FOUND, "a table of names alone"


def test_codes_in_the_message(window: int) -> None:
    buffer = ctypes.create_string_buffer(n.MAXGETHOSTSTRUCT)
    place = buffer, len(buffer)
    for call, arguments, code in (
        (ws2_32.WSAAsyncGetHostByName, (b"nobody.test", *place), WSAError.WSAHOST_NOT_FOUND),
        (ws2_32.WSAAsyncGetHostByName, (b"::1", *place), WSAError.WSANO_DATA),
        (ws2_32.WSAAsyncGetHostByName, (b"a.test", None, 1024), WSAError.WSAEFAULT),
        (ws2_32.WSAAsyncGetHostByAddr, (None, 4, AF_INET, *place), WSAError.WSAEFAULT),
        (ws2_32.WSAAsyncGetHostByAddr, (b"1234", 4, 99, *place), WSAError.WSAEAFNOSUPPORT),
        (ws2_32.WSAAsyncGetServByName, (None, None, *place), WSAError.WSAEFAULT),
        (ws2_32.WSAAsyncGetServByName, (b"nothing", None, *place), WSAError.WSAHOST_NOT_FOUND),
        (ws2_32.WSAAsyncGetProtoByName, (b"nothing", *place), WSAError.WSANO_DATA),
    ):
        assert answer(window, call(window, MESSAGE, *arguments))[0] == code


HTTP = socket.htons(80)
REQUESTS: dict[str, tuple[Any, ...]] = {
    "WSAAsyncGetHostByName": (b"a.test",),
    "WSAAsyncGetHostByAddr": (b"\x0a\0\0\1", 4, AF_INET),
    "WSAAsyncGetServByName": (b"http", None),
    "WSAAsyncGetServByPort": (HTTP, None),
    "WSAAsyncGetProtoByName": (b"tcp",),
    "WSAAsyncGetProtoByNumber": (6,),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_bad_buffer(window: int, install: Install, name: str) -> None:
    """Each page: WSAENOBUFS and WSAEFAULT, in the message."""
    install(Fixed(Service(name="a.test")))
    call = getattr(ws2_32, name)
    task = call(window, MESSAGE, *REQUESTS[name], ctypes.create_string_buffer(4), 4)
    assert answer(window, task)[0] == WSAError.WSAENOBUFS
    assert answer(window, call(window, MESSAGE, *REQUESTS[name], None, 1024))[0] == WSAError.WSAEFAULT


@pytest.mark.parametrize("name", ["WSAAsyncGetHostByName", "WSAAsyncGetHostByAddr"])
@pytest.mark.parametrize("code", [WSAError.WSATRY_AGAIN, WSAError.WSANO_RECOVERY, WSAError.WSANO_DATA])
def test_what_the_name_spaces_say(window: int, install: Install, name: str, code: WSAError) -> None:
    install(Fixed(WinsockError(code)))
    given = (b"x.test",) if name == "WSAAsyncGetHostByName" else REQUESTS[name]
    task = getattr(ws2_32, name)(window, MESSAGE, *given, ctypes.create_string_buffer(1024), 1024)
    assert answer(window, task)[0] == code


@pytest.mark.parametrize(
    ("name", "given", "code"),
    [
        ("WSAAsyncGetHostByAddr", (bytes(16), 4, AF_INET6), WSAError.WSAEINVAL),
        ("WSAAsyncGetServByName", (b"http", b"udp"), WSAError.WSANO_DATA),
        ("WSAAsyncGetServByPort", (HTTP, b"udp"), WSAError.WSANO_DATA),
        ("WSAAsyncGetServByPort", (socket.htons(81), None), WSAError.WSAHOST_NOT_FOUND),
        ("WSAAsyncGetProtoByName", (None,), WSAError.WSAEFAULT),
        ("WSAAsyncGetProtoByNumber", (200,), WSAError.WSANO_DATA),
    ],
)
def test_what_the_files_do_not_have(window: int, name: str, given: tuple[Any, ...], code: WSAError) -> None:
    task = getattr(ws2_32, name)(window, MESSAGE, *given, ctypes.create_string_buffer(1024), 1024)
    assert answer(window, task)[0] == code


def test_too_short_a_buffer_says_how_much(window: int) -> None:
    buffer = ctypes.create_string_buffer(n.MAXGETHOSTSTRUCT)
    code, needed = answer(window, ws2_32.WSAAsyncGetHostByName(window, MESSAGE, b"a.test", buffer, 10))
    assert code == WSAError.WSAENOBUFS
    assert buffer.raw == bytes(len(buffer))
    code, _ = answer(window, ws2_32.WSAAsyncGetHostByName(window, MESSAGE, b"a.test", buffer, needed - 1))
    assert code == WSAError.WSAENOBUFS
    assert answer(window, ws2_32.WSAAsyncGetHostByName(window, MESSAGE, b"a.test", buffer, needed)) == (0, needed)


def test_cancelling(window: int, install: Install) -> None:
    stuck = Stuck()
    install(stuck)
    buffer = ctypes.create_string_buffer(1024)
    task = ws2_32.WSAAsyncGetHostByName(window, MESSAGE, b"x.test", buffer, 1024)
    assert stuck.entered.wait(10)
    assert ws2_32.WSACancelAsyncRequest(task) == 0
    stuck.let_go.set()
    other = ws2_32.WSAAsyncGetProtoByNumber(window, MESSAGE, 6, ctypes.create_string_buffer(1024), 1024)
    assert answer(window, other)[0] == 0, "no message of the cancelled one"
    assert buffer.raw == bytes(1024)
    for handle, code in (
        (task, WSAError.WSAEALREADY),
        (other, WSAError.WSAEALREADY),
        (other + 4, WSAError.WSAEINVAL),
        (task + 1, WSAError.WSAEINVAL),
        (0, WSAError.WSAEINVAL),
        (None, WSAError.WSAEINVAL),
    ):
        assert ws2_32.WSACancelAsyncRequest(handle) == -1
        assert error() == code


def test_what_cannot_be_started(window: int) -> None:
    assert ws2_32.WSAAsyncGetHostByName(12345, MESSAGE, b"a.test", None, 0) == 0
    assert error() == WSAError.WSAEINVAL
    winsock.stop()
    for call, arguments in (
        (ws2_32.WSAAsyncGetHostByName, (b"a.test",)),
        (ws2_32.WSAAsyncGetHostByAddr, (b"1234", 4, 2)),
        (ws2_32.WSAAsyncGetServByName, (b"http", None)),
        (ws2_32.WSAAsyncGetServByPort, (80, None)),
        (ws2_32.WSAAsyncGetProtoByName, (b"tcp",)),
        (ws2_32.WSAAsyncGetProtoByNumber, (6,)),
    ):
        assert call(window, MESSAGE, *arguments, None, 0) == 0
        assert error() == WSAError.WSANOTINITIALISED
    assert ws2_32.WSACancelAsyncRequest(4) == -1
    assert error() == WSAError.WSANOTINITIALISED


def test_the_last_cleanup_drops_requests(window: int, install: Install) -> None:
    stuck = Stuck()
    install(stuck)
    ws2_32.WSAAsyncGetHostByName(window, MESSAGE, b"x.test", ctypes.create_string_buffer(1024), 1024)
    assert stuck.entered.wait(10)
    winsock.stop()
    stuck.let_go.set()
    winsock.start()
    task = ws2_32.WSAAsyncGetProtoByNumber(window, MESSAGE, 6, ctypes.create_string_buffer(1024), 1024)
    assert answer(window, task)[0] == 0
