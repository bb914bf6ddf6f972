"""The documented error codes of events, of network events and of what blocks until something happens."""

import ctypes
import os
import resource
from typing import Any

import pytest

from support import winsock
from support.hand_written import HandWritten
from support.readiness import select
from support.threads import Running, until
from support.winsock import byref, error, listening
from ws2spi import user32, ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError
from ws2spi._runtime.process import runtime
from ws2spi._runtime.serve import Served, table_of

pytestmark = pytest.mark.usefixtures("started")


def refused(result: int, code: WSAError, failure: int = c.SOCKET_ERROR) -> None:
    assert (result, WSAError(error())) == (failure, code)


@pytest.mark.parametrize("name", ["WSASetEvent", "WSAResetEvent", "WSACloseEvent"])
@pytest.mark.parametrize(
    "handle", [0, None, 0xBAD0, -1, ctypes.c_void_p(0xBAD0), ctypes.byref(ctypes.c_int())], ids=str
)
def test_what_is_no_event(name: str, handle: Any) -> None:
    refused(getattr(ws2_32, name)(handle), WSAError.WSA_INVALID_HANDLE, failure=0)


@pytest.fixture
def without_events(stream: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """A socket whose provider has no network events."""
    served = next(one for one in runtime.served.values() if isinstance(one, Served))
    provider = served.provider

    class Less:
        def __getattr__(self, name: str) -> Any:
            if name in ("event_select", "enum_network_events", "async_select", "select"):
                raise AttributeError(name)
            return getattr(provider, name)

    monkeypatch.setattr(served, "provider", Less())
    assert table_of(provider) is served.table
    return stream


def test_a_provider_without_network_events(without_events: int) -> None:
    s = without_events
    event = ws2_32.WSACreateEvent()
    refused(ws2_32.WSAEventSelect(s, event, c.FD_READ), WSAError.WSAEOPNOTSUPP)
    refused(ws2_32.WSAEnumNetworkEvents(s, None, byref(ws2_32.WSANETWORKEVENTS())), WSAError.WSAEOPNOTSUPP)
    window = user32.CreateWindowExW(*[None] * 12)
    refused(ws2_32.WSAAsyncSelect(s, window, 1025, c.FD_READ), WSAError.WSAEOPNOTSUPP)
    user32.DestroyWindow(window)
    ws2_32.WSACloseEvent(event)


def test_a_provider_without_select() -> None:
    """Its own code; nothing else can say whether its sockets are ready."""
    HandWritten("fionread")
    s = winsock.made()
    assert select([s])[0] == -WSAError.WSAEOPNOTSUPP
    winsock.close(s)


def test_what_network_events_refuse(stream: int) -> None:
    refused(ws2_32.WSAEventSelect(stream, 0xBAD0, c.FD_READ), WSAError.WSAEINVAL)
    refused(ws2_32.WSAAsyncSelect(stream, 0xBAD0, 1025, c.FD_READ), WSAError.WSAEINVAL)
    events = byref(ws2_32.WSANETWORKEVENTS())
    refused(ws2_32.WSAEnumNetworkEvents(stream, 0xBAD0, events), WSAError.WSAEINVAL)
    refused(ws2_32.WSAEnumNetworkEvents(stream, None, None), WSAError.WSAEFAULT)


@pytest.mark.parametrize("name", ["accept", "WSAAccept"])
def test_an_accept_whose_socket_is_closed(name: str) -> None:
    listener, _ = listening()
    more = (None, 0) if name == "WSAAccept" else ()

    def accept() -> int:
        assert getattr(ws2_32, name)(listener, None, None, *more) == c.INVALID_SOCKET
        return error()

    running = Running(accept)
    until(lambda: running.executive.blocked is not None)
    winsock.close(listener)
    assert running.result() == WSAError.WSAEINTR


def test_a_poll_that_is_cancelled(stream: int) -> None:
    winsock.stop()
    assert ws2_32.WSAStartup(0x0101, byref(ws2_32.WSADATA())) == 0  # only 1.1 has WSACancelBlockingCall
    s, _ = listening()

    def poll() -> int:
        one = ws2_32.WSAPOLLFD(s, c.POLLRDNORM, 0)
        ws2_32.WSASetBlockingHook(lambda: ws2_32.WSACancelBlockingCall() and 0)
        try:
            assert ws2_32.WSAPoll(byref(one), 1, -1) == c.SOCKET_ERROR
            return error()
        finally:
            ws2_32.WSAUnhookBlockingHook()

    assert Running(poll).result() == WSAError.WSAEINTR
    winsock.close(s)


def test_no_descriptor_for_a_handle_or_a_duplicate(stream: int) -> None:
    """WPUCreateSocketHandle says WSAENOBUFS, as its page has it; WSADuplicateSocket WSAEMFILE."""
    entry = runtime.catalog.find(2, 1, 6).catalog_id
    code = ctypes.c_int32()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(map(int, os.listdir("/proc/self/fd")))
    spare = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 1, limits[1]))
        while True:
            try:
                spare.append(os.dup(0))
            except OSError:
                break
        assert ws2_32.WPUCreateSocketHandle(entry, 0, byref(code)) == c.INVALID_SOCKET
        duplicates = []
        for name, kind in (("W", ws2_32.WSAPROTOCOL_INFOW), ("A", ws2_32.WSAPROTOCOL_INFOA)):
            duplicate = getattr(ws2_32, f"WSADuplicateSocket{name}")
            duplicates.append((duplicate(stream, os.getppid(), byref(kind())), error()))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for one in spare:
            os.close(one)
    assert code.value == WSAError.WSAENOBUFS
    assert duplicates == [(c.SOCKET_ERROR, WSAError.WSAEMFILE)] * 2


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("WSAAsyncGetHostByName", (b"x",)),
        ("WSAAsyncGetHostByAddr", (b"\x0a\0\0\1", 4, c.AF_INET)),
        ("WSAAsyncGetServByName", (b"http", None)),
        ("WSAAsyncGetServByPort", (80, None)),
        ("WSAAsyncGetProtoByName", (b"tcp",)),
        ("WSAAsyncGetProtoByNumber", (6,)),
    ],
)
def test_a_request_needs_a_window(name: str, arguments: tuple[Any, ...]) -> None:
    room = ctypes.create_string_buffer(1024)
    refused(getattr(ws2_32, name)(0xBAD0, 1025, *arguments, room, 1024), WSAError.WSAEINVAL, failure=0)


def test_the_family_of_an_address_as_text() -> None:
    room = ctypes.create_string_buffer(64)
    for name in ("inet_ntop", "InetNtopW"):
        refused(getattr(ws2_32, name)(77, bytes(16), room, 30), WSAError.WSAEAFNOSUPPORT, failure=0)
