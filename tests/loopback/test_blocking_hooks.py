"""Blocking hooks of version 1.1 clients: upcalls 7.1, provider-functions 8 (WSPCancelBlockingCall)."""

import ctypes
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support import stacks, winsock
from support.calls import UNTOUCHED, code_of
from support.readiness import select
from support.threads import Running, until
from support.winsock import byref, close, connected, error, listening, made, received
from ws2spi import ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError
from ws2spi._abi.types import BOOL, DWORD_PTR
from ws2spi._executive import threads
from ws2spi._runtime.process import runtime
from ws2spi._runtime.serve import table_of


@pytest.fixture(params=stacks.KINDS)
def old_client(request: pytest.FixtureRequest) -> Iterator[None]:
    """A client of version 1.1 over every kind of provider."""
    threads.current().pending.clear()
    assert ws2_32.WSAStartup(0x0101, byref(ws2_32.WSADATA())) == 0
    with stacks.installed(request.param):
        yield
        ws2_32.WSAUnhookBlockingHook()
    winsock.stop()


@pytest.fixture
def pair(old_client: None) -> Iterator[tuple[int, int]]:
    ends = connected()
    yield ends
    for s in ends:
        ws2_32.closesocket(s)


def with_hook(hook: Callable[[], int], call: Callable[[], Any]) -> Any:
    """What `call` gives on a thread that has the hook."""

    def run() -> Any:
        assert ws2_32.WSASetBlockingHook(hook) == 0
        try:
            return call()
        finally:
            assert ws2_32.WSAUnhookBlockingHook() == 0

    return Running(run).result()


def test_the_hook_runs_while_a_call_waits_and_the_call_goes_on(pair: tuple[int, int]) -> None:
    """upcalls 7.1 Use: TRUE goes on; again and again; it is called only when the call cannot complete at once"""
    client, server = pair
    ran: list[int] = []

    def hook() -> int:
        ran.append(ws2_32.WSAIsBlocking())
        if len(ran) == 5:
            ws2_32.WPUQueueApc  # noqa: B018
            assert threads.current().queue_apc(lambda _: ws2_32.send(server, b"x", 1, 0), 0)
        return len(ran) % 2

    assert with_hook(hook, lambda: received(client)) == b"x"
    assert len(ran) >= 5
    assert set(ran) == {1}
    assert ws2_32.WSAIsBlocking() == 0
    ran.clear()
    ws2_32.send(server, b"y", 1, 0)
    until(lambda: received(client, 1, c.MSG_PEEK) == b"y")
    assert with_hook(hook, lambda: received(client)) == b"y"
    assert ran == []


def test_cancelled_from_the_hook(pair: tuple[int, int]) -> None:
    """WSPCancelBlockingCall: the call ends with WSAEINTR; after recv, accept and select the sockets are fine"""
    client, server = pair
    listener, _ = listening()

    def hook() -> int:
        assert ws2_32.WSACancelBlockingCall() == 0
        return 1

    assert with_hook(hook, lambda: received(client)) == WSAError.WSAEINTR

    def accept() -> tuple[int, int]:
        return ws2_32.accept(listener, None, None), error()

    assert with_hook(hook, accept) == (c.INVALID_SOCKET, WSAError.WSAEINTR)
    assert with_hook(hook, lambda: select([client], seconds=None)[0]) == -WSAError.WSAEINTR
    ws2_32.send(server, b"still", 5, 0)
    assert received(client) == b"still"
    close(listener)


def test_not_for_non_blocking_calls(pair: tuple[int, int]) -> None:
    """upcalls 7.1 Not called: non-blocking sockets, select with a zero time-out"""
    client, _ = pair
    ran: list[int] = []

    def calls() -> tuple[Any, Any]:
        winsock.set_nonblocking(client)
        return received(client), select([client])[0]

    assert with_hook(lambda: ran.append(1) or 0, calls) == (WSAError.WSAEWOULDBLOCK, 0)  # type: ignore[func-returns-value]
    assert ran == []


def test_no_blocking_call_from_inside_a_hook(pair: tuple[int, int]) -> None:
    """2.2 std: WSAEINPROGRESS while a 1.1 blocking call is in progress"""
    client, server = pair
    seen: list[Any] = []

    def hook() -> int:
        seen.append(received(server))
        seen.append(select([server], seconds=5)[0])
        assert ws2_32.WSACancelBlockingCall() == 0
        return 0

    assert with_hook(hook, lambda: received(client)) == WSAError.WSAEINTR
    assert seen == [WSAError.WSAEINPROGRESS, -WSAError.WSAEINPROGRESS]


def test_an_apc_may_cancel_too(pair: tuple[int, int]) -> None:
    """WSPCancelBlockingCall acts on the calling thread's blocking call, whoever makes it there"""
    client, _ = pair
    running = Running(lambda: received(client))
    until(lambda: running.executive.blocked is not None)
    result: list[Any] = []
    table = table_of(runtime.provider(runtime.catalog.find(2, 1, 6)))
    running.executive.queue_apc(lambda _: result.append(code_of(table.lpWSPCancelBlockingCall)), 0)
    assert running.result() == WSAError.WSAEINTR
    assert result == [(0, UNTOUCHED)]
    assert code_of(table.lpWSPCancelBlockingCall) == (-1, WSAError.WSAEINVAL)


def test_setting_and_unhooking(old_client: None) -> None:
    """The previous hook comes back as it was given; codes"""
    first = ctypes.CFUNCTYPE(BOOL)(lambda: 0)
    assert ws2_32.WSASetBlockingHook(first) == 0
    assert ws2_32.WSASetBlockingHook(ctypes.cast(first, ctypes.c_void_p)) is first
    assert ws2_32.WSAUnhookBlockingHook() == 0
    assert ws2_32.WSASetBlockingHook(None) == 0
    assert error() == WSAError.WSAEFAULT
    assert ws2_32.WSACancelBlockingCall() == -1
    assert error() == WSAError.WSAEINVAL


def test_hooks_are_for_clients_of_version_1_1(started: None) -> None:
    """upcalls 7.1: NULL is the normal answer; a 2.2 client has no hooks"""
    for call in (lambda: ws2_32.WSASetBlockingHook(int) or -1, ws2_32.WSAUnhookBlockingHook):
        assert call() == -1
        assert error() == WSAError.WSAEOPNOTSUPP
    assert ws2_32.WSACancelBlockingCall() == -1
    assert error() == WSAError.WSAEOPNOTSUPP
    ws2_32.WSACleanup()
    assert ws2_32.WSAUnhookBlockingHook() == -1
    assert error() == WSAError.WSANOTINITIALISED


def query(catalog_id: int) -> tuple[int, int, int, int]:
    """(result, code, callback, context) of WPUQueryBlockingCallback."""
    callback, context = ctypes.c_uint64(99), ctypes.c_uint64(99)
    result, code = code_of(ws2_32.WPUQueryBlockingCallback, catalog_id, byref(callback), byref(context))
    return result, code, callback.value, context.value


def test_query_blocking_callback(old_client: None) -> None:
    """upcalls 7.1: of the calling thread; WSAEINVAL, WSAEFAULT; the callback runs the hook, FALSE when cancelled"""
    entry = runtime.catalog.find(2, 1, 6).catalog_id
    assert query(entry) == (0, UNTOUCHED, 0, 0)
    assert query(4711)[:2] == (-1, WSAError.WSAEINVAL)
    room = byref(ctypes.c_uint64())
    for pointers in ((None, room), (room, None)):
        assert code_of(ws2_32.WPUQueryBlockingCallback, entry, *pointers) == (-1, WSAError.WSAEFAULT)
    answers: list[int] = []
    ws2_32.WSASetBlockingHook(lambda: answers.pop())
    assert Running(lambda: query(entry)).result() == (0, UNTOUCHED, 0, 0)
    result, code, address, context = query(entry)
    assert (result, code, context) == (0, UNTOUCHED, entry)
    callback = ctypes.CFUNCTYPE(BOOL, DWORD_PTR)(address)
    answers += [0, 1, 1]
    assert callback(context) == 1
    assert answers == []
    ws2_32.WSASetBlockingHook(lambda: 1 if ws2_32.WSACancelBlockingCall() else 0)
    blocked = threads.current()
    blocked.blocked = lambda: answers.append(7)
    try:
        assert callback(context) == 0
    finally:
        blocked.blocked = None
    assert answers == [7]


def test_a_call_without_a_blocking_one(old_client: None) -> None:
    s = made()
    ran: list[int] = []
    assert with_hook(lambda: ran.append(1) or 0, lambda: winsock.bound(s)) > 0  # type: ignore[func-returns-value]
    assert ran == []
    close(s)
