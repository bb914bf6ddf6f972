"""WSANSPIoctl: control codes of a provider, and being told of changes in each of the five ways."""

import ctypes
import threading
from collections.abc import Callable
from typing import Any

import pytest

from support import winsock
from support.names import Fixed, begun, byref
from support.winsock import error
from ws2spi import Query, Service, WinsockError, kernel32, ws2_32
from ws2spi._abi import names as n
from ws2spi._abi.constants import INVALID_HANDLE_VALUE, STATUS_CANCELLED, STATUS_PENDING
from ws2spi._abi.errors import WSAError
from ws2spi._runtime import messages
from ws2spi._runtime.threads import own_structure

Install = Callable[..., Any]
CHANGE = n.SIO_NSP_NOTIFY_CHANGE
MESSAGE = 0x0400 + 7


class Changing(Fixed):
    """Says when it changes, and has control codes of its own."""

    notifies = True

    def ioctl(self, query: Query, code: int, data: bytes) -> bytes:
        if code == 1:
            return data.upper()
        if code == 2:
            raise WinsockError(WSAError.WSAENETDOWN)
        return super().ioctl(query, code, data)


@pytest.fixture
def provider(install: Install) -> Changing:
    changing = Changing(Service(name="x"), namespace=n.NS_NIS)
    install(changing)
    return changing


@pytest.fixture
def handle(provider: Changing) -> int:
    return begun("x", namespace=n.NS_NIS)


def ioctl(handle: int, completion: Any = None, code: int = CHANGE) -> int:
    """0, or the code."""
    returned = ctypes.c_uint32()
    pointer = None if completion is None else byref(completion)
    return error() if ws2_32.WSANSPIoctl(handle, code, None, 0, None, 0, byref(returned), pointer) else 0


def completion_of(kind: int, **members: Any) -> Any:
    names = {1: "WindowMessage", 2: "Event", 3: "Port", 4: "Apc"}
    completion = n.WSACOMPLETION(Type=kind)
    for name, value in members.items():
        setattr(getattr(completion.Parameters, names[kind]), name, value)
    return completion


# Polling


@pytest.mark.parametrize("kind", [None, n.NSP_NOTIFY_IMMEDIATELY])
def test_polling(provider: Changing, handle: int, kind: int | None) -> None:
    completion = None if kind is None else n.WSACOMPLETION(Type=kind)
    assert ioctl(handle, completion) == WSAError.WSAEWOULDBLOCK
    provider.changed()
    assert ioctl(handle, completion) == 0
    assert ioctl(begun("x", namespace=n.NS_NIS), completion) == WSAError.WSAEWOULDBLOCK, "a later lookup is fresh"


# Being told


class Told:
    """An OVERLAPPED with an event, as a client has them."""

    def __init__(self) -> None:
        self.event = ws2_32.WSACreateEvent()
        self.overlapped = ws2_32.WSAOVERLAPPED(hEvent=self.event)
        self.completion = completion_of(2, lpOverlapped=ctypes.addressof(self.overlapped))

    def is_set(self) -> bool:
        return winsock.is_set(self.event)


@pytest.fixture
def told() -> Any:
    made = Told()
    yield made
    ws2_32.WSACloseEvent(made.event)


def test_an_event(provider: Changing, handle: int, told: Told) -> None:
    assert ioctl(handle, told.completion) == WSAError.WSA_IO_PENDING
    assert (told.overlapped.Internal, told.is_set()) == (STATUS_PENDING, False)
    assert ioctl(handle, told.completion) == WSAError.WSAEINVAL, "the OVERLAPPED is in use"
    provider.changed()
    assert (told.overlapped.Internal, told.is_set()) == (0, True)
    provider.changed()
    assert ws2_32.WSALookupServiceEnd(handle) == 0
    assert told.overlapped.Internal == 0, "once"


def test_a_change_before_the_request_is_told_at_once(provider: Changing, handle: int, told: Told) -> None:
    provider.changed()
    assert ioctl(handle, told.completion) == WSAError.WSA_IO_PENDING
    assert told.is_set()


def test_the_end_of_the_lookup_aborts(handle: int, told: Told) -> None:
    assert ioctl(handle, told.completion) == WSAError.WSA_IO_PENDING
    assert ws2_32.WSALookupServiceEnd(handle) == 0
    assert (told.overlapped.Internal, told.is_set()) == (STATUS_CANCELLED, True)


def test_the_end_of_the_thread_aborts(provider: Changing, handle: int, told: Told) -> None:
    thread = threading.Thread(target=lambda: ioctl(handle, told.completion))
    thread.start()
    thread.join()
    assert winsock.is_set(told.event, 5000)
    assert told.overlapped.Internal == STATUS_CANCELLED
    provider.changed()
    assert told.overlapped.Internal == STATUS_CANCELLED


def test_the_last_cleanup_aborts(handle: int, told: Told) -> None:
    assert ioctl(handle, told.completion) == WSAError.WSA_IO_PENDING
    winsock.stop()
    assert told.overlapped.Internal == STATUS_CANCELLED


def test_a_port(provider: Changing, handle: int) -> None:
    port = kernel32.CreateIoCompletionPort(INVALID_HANDLE_VALUE, None, 0, 0)
    first, second = ws2_32.WSAOVERLAPPED(), ws2_32.WSAOVERLAPPED()
    for overlapped in (first, second):
        members = {"lpOverlapped": ctypes.addressof(overlapped), "hPort": port, "Key": 77}
        assert ioctl(handle, completion_of(3, **members)) == WSAError.WSA_IO_PENDING
        if overlapped is first:
            provider.changed()
            assert winsock.packet(port) == (True, 0, 77, ctypes.addressof(first), 0)
            handle = begun("x", namespace=n.NS_NIS)
    ws2_32.WSALookupServiceEnd(handle)
    assert winsock.packet(port)[::4] == (False, WSAError.WSA_OPERATION_ABORTED)
    kernel32.CloseHandle(port)


def test_an_apc(provider: Changing, handle: int) -> None:
    heard: list[tuple[int, int, bool]] = []
    overlapped = ws2_32.WSAOVERLAPPED(hEvent=0x1234)  # the client's own with a routine
    prototype = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32)
    start = ctypes.addressof(overlapped)
    routine = prototype(lambda code, count, pointer, flags: heard.append((code, count, pointer == start)))
    address = ctypes.cast(routine, ctypes.c_void_p).value
    completion = completion_of(4, lpOverlapped=start, lpfnCompletionProc=address)
    assert ioctl(handle, completion) == WSAError.WSA_IO_PENDING
    threading.Thread(target=provider.changed).run()
    assert heard == [], "in an alertable wait alone"
    assert kernel32.SleepEx(0, True) == 0xC0
    assert heard == [(0, 0, True)]
    again = begun("x", namespace=n.NS_NIS)
    assert ioctl(again, completion) == WSAError.WSA_IO_PENDING
    ws2_32.WSALookupServiceEnd(again)
    kernel32.SleepEx(0, True)
    assert heard[1:] == [(WSAError.WSA_OPERATION_ABORTED, 0, True)]


def test_a_window(provider: Changing, handle: int) -> None:
    window = messages.create_window()
    completion = completion_of(1, hWnd=window, uMsg=MESSAGE, context=5)
    assert ioctl(handle, completion) == WSAError.WSA_IO_PENDING
    provider.changed()
    posted = messages.peek(window)
    assert posted is not None
    assert (posted.window, posted.message, posted.wparam, posted.lparam) == (window, MESSAGE, 5, 0)
    other = begun("x", namespace=n.NS_NIS)
    assert ioctl(other, completion) == WSAError.WSA_IO_PENDING
    ws2_32.WSALookupServiceEnd(other)
    assert messages.peek(window) is None, "no message when it is aborted"
    messages.destroy_window(window)


@pytest.mark.usefixtures("provider")
def test_what_is_refused(handle: int) -> None:
    overlapped = ws2_32.WSAOVERLAPPED()
    start = ctypes.addressof(overlapped)
    for completion, code in (
        (n.WSACOMPLETION(Type=9), WSAError.WSAEINVAL),
        (completion_of(1, hWnd=12345), WSAError.WSAEINVAL),
        (completion_of(2), WSAError.WSAEFAULT),
        (completion_of(2, lpOverlapped=start), WSAError.WSAEINVAL),
        (completion_of(3, lpOverlapped=start), WSAError.WSAEINVAL),
        (completion_of(4, lpOverlapped=start), WSAError.WSAEFAULT),
    ):
        assert ioctl(handle, completion) == code
    bad = ws2_32.WSAOVERLAPPED(hEvent=0x777770)
    assert ioctl(handle, completion_of(2, lpOverlapped=ctypes.addressof(bad))) == WSAError.WSA_INVALID_HANDLE
    assert ioctl(handle + 4) == WSAError.WSA_INVALID_HANDLE
    assert ioctl(handle, code=99) == WSAError.WSAEOPNOTSUPP
    assert ioctl(handle, code=2) == WSAError.WSAENETDOWN
    assert ioctl(begun("localhost", namespace=n.NS_DNS)) == WSAError.WSAEOPNOTSUPP, "the built-in one cannot tell"
    assert ioctl(begun("localhost")) == WSAError.WSAEINVAL, "two providers behind one handle"
    winsock.stop()
    assert ioctl(handle) == WSAError.WSANOTINITIALISED


@pytest.mark.usefixtures("provider")
def test_data_in_and_out(handle: int) -> None:
    data, out, returned = ctypes.create_string_buffer(b"abc", 3), ctypes.create_string_buffer(3), ctypes.c_uint32()
    assert ws2_32.WSANSPIoctl(handle, 1, data, 3, out, 3, byref(returned), None) == 0
    assert (out.raw, returned.value) == (b"ABC", 3)
    for arguments in ((data, 3, out, 2), (data, 3, None, 3), (None, 3, out, 3)):
        assert ws2_32.WSANSPIoctl(handle, 1, *arguments, byref(returned), None) == -1
        assert error() == WSAError.WSAEFAULT
    assert ws2_32.WSANSPIoctl(handle, 1, data, 3, out, 2, byref(returned), None) == -1
    assert returned.value == 3, "what is needed"


def test_an_identity_that_names_no_thread(provider: Changing, install: Install) -> None:
    """Only a hand-written caller of NSPIoctl can pass one."""
    from ws2spi._runtime.names.catalog import name_spaces

    handle = begun("x", namespace=n.NS_NIS)
    started = next(one for one in name_spaces._started.values() if one.title == "Changing")
    part = next(iter(started.routines.NSPIoctl.func.__self__._lookups))
    overlapped = ws2_32.WSAOVERLAPPED()
    prototype = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32)
    routine = prototype(lambda *_: None)
    address = ctypes.cast(routine, ctypes.c_void_p).value
    completion = completion_of(4, lpOverlapped=ctypes.addressof(overlapped), lpfnCompletionProc=address)
    for identity, code in (
        (byref(own_structure()), WSAError.WSA_IO_PENDING),
        (byref(ws2_32.WSATHREADID(0x9990, 0)), WSAError.WSAEFAULT),
    ):
        result = started.routines.NSPIoctl(part, CHANGE, None, 0, None, 0, None, byref(completion), identity)
        assert (result, error()) == (-1, code)
        ws2_32.WSALookupServiceEnd(handle)
        handle = begun("x", namespace=n.NS_NIS)
        part = next(iter(started.routines.NSPIoctl.func.__self__._lookups))
        kernel32.SleepEx(0, True)
