"""Rows of the witness that a scenario cannot show: what happens by chance there, or needs many rounds."""

import ctypes
from collections.abc import Iterator

import pytest

from support import winsock
from support.calls import Worker
from support.threads import Running, until
from ws2spi import kernel32, ws2_32
from ws2spi._abi.constants import AF_INET, SO_OPENTYPE, SOCK_STREAM, SOL_SOCKET
from ws2spi._abi.errors import WSAError
from ws2spi._executive import threads


@pytest.fixture(autouse=True)
def _clean_thread() -> Iterator[None]:
    threads.current().pending.clear()
    yield
    winsock.stop()
    threads.current().pending.clear()


@pytest.mark.parametrize("first", ["receiver", "peer"])
def test_cleanup_tells_nobody_not_even_of_the_end_of_its_own_sockets(first: str) -> None:
    """K10: both ends are this process's; the one that is closed first must not end the other's receive."""
    told: list[tuple[int, int]] = []

    def routine(code: int, transferred: int, overlapped: object, flags: int) -> None:
        told.append((code, transferred))

    for _ in range(10):
        winsock.start()
        a, b = winsock.connected()
        receives = [winsock.Operation(s, 16, routine) for s in ((a, b) if first == "receiver" else (b, a))]
        assert ws2_32.WSACleanup() == 0
        assert kernel32.SleepEx(1, True) == 0
        assert told == []
        assert [receive.internal for receive in receives] == [0xC0000120] * 2


def test_so_opentype_is_the_threads_own() -> None:
    """E14: it needs no socket, another thread is not concerned, and 0 makes overlapped sockets again."""
    winsock.start()
    value, size = ctypes.c_int(0x10), ctypes.c_int(4)

    def associable() -> bool:
        s = ws2_32.socket(AF_INET, SOCK_STREAM, 0)
        port = kernel32.CreateIoCompletionPort(s, None, 0, 0)
        kernel32.CloseHandle(port)
        ws2_32.closesocket(s)
        return bool(port)

    assert ws2_32.setsockopt(-1, SOL_SOCKET, SO_OPENTYPE, ctypes.byref(value), 4) == 0
    value.value = 0
    assert ws2_32.getsockopt(-1, SOL_SOCKET, SO_OPENTYPE, ctypes.byref(value), ctypes.byref(size)) == 0
    assert (value.value, size.value) == (0x10, 4)
    assert not associable()
    with Worker() as other:
        assert other.do(associable)
    assert ws2_32.setsockopt(-1, SOL_SOCKET, SO_OPENTYPE, ctypes.byref(ctypes.c_int(0)), 4) == 0
    assert associable()
    for refused in ((None, 4), (ctypes.byref(value), 3)):
        assert ws2_32.setsockopt(-1, SOL_SOCKET, SO_OPENTYPE, *refused) == -1
        assert winsock.error() == WSAError.WSAEFAULT


def test_a_wait_for_a_result_without_an_event_is_for_this_operation() -> None:
    """G6: two receives without events; the end of the first does not end the wait for the second."""
    winsock.start()
    a, b = winsock.connected()
    first, second = winsock.Operation(b, 3), winsock.Operation(b, 3)
    waiting = Running(second.result, True)
    until(lambda: waiting.executive._parked)
    assert ws2_32.send(a, b"abc", 3, 0) == 3
    until(lambda: first.internal == 0)
    assert waiting.alive()
    assert second.result() == (0, 99, 99, 996)
    assert ws2_32.send(a, b"def", 3, 0) == 3
    assert waiting.result() == (1, 3, 0, 0)
    winsock.close(a, b)


def test_a_send_that_blocks_ends_when_its_socket_is_closed() -> None:
    """L6: WSAEINTR."""
    winsock.start()
    a, b = winsock.connected()
    big = ctypes.create_string_buffer(16 << 20)

    def send() -> tuple[int, int]:
        return ws2_32.send(b, big, len(big), 0), winsock.error()

    blocked = Running(send)
    until(lambda: blocked.executive._parked)
    winsock.close(b)
    assert blocked.result() == (-1, WSAError.WSAEINTR)
    winsock.close(a)


def test_writing_after_a_reset_is_a_win32_code() -> None:
    """Q11: ERROR_NETNAME_DELETED."""
    winsock.start()
    a, b = winsock.connected(flags=0)
    linger = (ctypes.c_uint16 * 2)(1, 0)
    assert ws2_32.setsockopt(a, SOL_SOCKET, 0x80, linger, 4) == 0
    winsock.close(a)
    assert winsock.received(b) == WSAError.WSAECONNRESET
    count = ctypes.c_uint32()
    assert kernel32.WriteFile(b, b"x", 1, ctypes.byref(count), None) == 0
    assert kernel32.GetLastError() == 64
    winsock.close(b)


def test_sockets_handle_is_no_kernel_object() -> None:
    """G7, K9: it can be neither waited for nor duplicated; the codes are those of a bad handle."""
    winsock.start()
    s, copy, process = winsock.made(), ctypes.c_void_p(), kernel32.GetCurrentProcess()
    assert kernel32.WaitForSingleObject(s, 0) == 0xFFFFFFFF
    assert kernel32.GetLastError() == 6
    assert kernel32.DuplicateHandle(process, s, process, ctypes.byref(copy), 0, False, 2) == 0
    assert kernel32.GetLastError() == 6
    assert not copy.value
    winsock.close(s)


@pytest.mark.parametrize("length", [None, 0, ctypes.c_void_p(), ctypes.POINTER(ctypes.c_int)()])
def test_accept_takes_every_spelling_of_no_length(length: object) -> None:
    """P10."""
    winsock.start()
    listener, port = winsock.listening()
    client, room = winsock.made(), ctypes.create_string_buffer(b"\xaa" * 16, 16)
    assert ws2_32.connect(client, winsock.sockaddr(port), 16) == 0
    server = ws2_32.accept(listener, room, length)
    assert server > 0
    assert room.raw == b"\xaa" * 16
    winsock.close(listener, client, server)
