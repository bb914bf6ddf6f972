"""The documented error codes of ReadFile and WriteFile on sockets, and of their Ex forms."""

import ctypes
from collections.abc import Callable, Iterator

import pytest

from support import winsock
from support.winsock import byref, connected, datagram_pair, made
from ws2spi import kernel32, ws2_32
from ws2spi._abi import constants as c

pytestmark = pytest.mark.usefixtures("started")
DWORD = ctypes.c_uint32
Call = Callable[..., int]


class Request:
    """An OVERLAPPED and memory that live as long as the test."""

    def __init__(self, size: int = 8) -> None:
        self.memory = ctypes.create_string_buffer(size)
        self.overlapped = ws2_32.WSAOVERLAPPED()


def _nothing(code: int, transferred: int, overlapped: object) -> None: ...


def read(s: int, request: Request) -> int:
    return int(kernel32.ReadFile(s, request.memory, len(request.memory), None, byref(request.overlapped)))


def write(s: int, request: Request) -> int:
    return int(kernel32.WriteFile(s, request.memory, len(request.memory), None, byref(request.overlapped)))


def read_ex(s: int, request: Request) -> int:
    return int(kernel32.ReadFileEx(s, request.memory, len(request.memory), byref(request.overlapped), _nothing))


def write_ex(s: int, request: Request) -> int:
    return int(kernel32.WriteFileEx(s, request.memory, len(request.memory), byref(request.overlapped), _nothing))


CALLS = [read, write, read_ex, write_ex]
every = pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
reads = pytest.mark.parametrize("call", [read, read_ex], ids=lambda call: call.__name__)
writes = pytest.mark.parametrize("call", [write, write_ex], ids=lambda call: call.__name__)


def refused(result: int, code: int) -> None:
    assert (result, kernel32.GetLastError()) == (0, code)


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    pair = connected()
    yield pair
    for s in pair:
        ws2_32.closesocket(s)


@every
def test_what_is_no_socket(call: Call) -> None:
    refused(call(0xBAD0, Request()), c.ERROR_INVALID_HANDLE)


@every
def test_a_socket_that_is_not_connected(stream: int, call: Call) -> None:
    refused(call(stream, Request()), c.ERROR_UNEXP_NET_ERR)


@every
def test_a_direction_that_was_shut_down(ends: tuple[int, int], call: Call) -> None:
    assert ws2_32.shutdown(ends[0], c.SD_BOTH) == 0
    refused(call(ends[0], Request()), c.ERROR_PIPE_NOT_CONNECTED)


@every
def test_a_reset(call: Call) -> None:
    client, server = connected()
    assert ws2_32.setsockopt(server, c.SOL_SOCKET, c.SO_LINGER, byref(ws2_32.LINGER(1, 0)), 4) == 0
    winsock.close(server)
    refused(call(client, Request()), c.ERROR_NETNAME_DELETED)
    winsock.close(client)


@reads
def test_a_datagram_that_is_longer_than_the_memory(call: Call) -> None:
    one, other = datagram_pair()
    assert ws2_32.send(other, bytes(20), 20, 0) == 20
    refused(call(one, Request(4)), c.ERROR_MORE_DATA)
    # What was cut is received all the same (witness I2), so the routine is told.
    assert kernel32.SleepEx(0, 1) == (c.WAIT_IO_COMPLETION if call is read_ex else 0)
    winsock.close(one, other)


@writes
def test_a_datagram_that_is_too_long(call: Call) -> None:
    one, other = datagram_pair()
    refused(call(one, Request(70_000)), c.ERROR_MORE_DATA)
    winsock.close(one, other)


@pytest.mark.parametrize("call", [read, write], ids=lambda call: call.__name__)
def test_what_is_announced_later(ends: tuple[int, int], call: Call) -> None:
    if call is write:
        winsock.set_nonblocking(ends[0])
        while ws2_32.send(ends[0], bytes(1 << 16), 1 << 16, 0) > 0:
            pass
    request = Request(1 << 16)
    refused(call(ends[0], request), c.ERROR_IO_PENDING)
    winsock.close(ends[0])


@pytest.mark.parametrize("name", ["ReadFile", "WriteFile"])
def test_what_the_arguments_lack(ends: tuple[int, int], name: str) -> None:
    """No OVERLAPPED on an overlapped socket; no routine; a routine on a socket with a port."""
    request = Request()
    refused(getattr(kernel32, name)(ends[0], request.memory, 8, byref(DWORD()), None), c.ERROR_INVALID_PARAMETER)
    ex = getattr(kernel32, f"{name}Ex")
    refused(ex(ends[0], request.memory, 8, None, _nothing), c.ERROR_INVALID_PARAMETER)
    refused(ex(ends[0], request.memory, 8, byref(request.overlapped), None), c.ERROR_INVALID_PARAMETER)
    with winsock.port_for(ends[0]):
        refused(ex(ends[0], request.memory, 8, byref(request.overlapped), _nothing), c.ERROR_INVALID_PARAMETER)
        winsock.close(ends[0])


def test_modes_of_completion(ends: tuple[int, int]) -> None:
    modes = kernel32.SetFileCompletionNotificationModes
    refused(modes(0xBAD0, 1), c.ERROR_INVALID_HANDLE)
    refused(modes(ends[0], 0x80), c.ERROR_INVALID_PARAMETER)


def test_a_socket_without_overlapped_io_has_no_port() -> None:
    s = made(flags=0)
    port = kernel32.CreateIoCompletionPort(c.INVALID_HANDLE_VALUE, None, 0, 0)
    refused(kernel32.CreateIoCompletionPort(s, port, 0, 0), c.ERROR_INVALID_PARAMETER)
    kernel32.CloseHandle(port)
    winsock.close(s)
