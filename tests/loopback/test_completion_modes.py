"""How files tell and are cancelled, over every kind of stack: executive 8.4, 9 and 10, witness F6 and F9."""

import ctypes
import os
import signal
from typing import Any

import pytest

from support.threads import Running, until
from support.winsock import Operation, byref, close, connected, event, is_set, packet, port_for, read_all, received
from ws2spi import kernel32, mswsock, ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError
from ws2spi._runtime.sockets import sockets

pytestmark = pytest.mark.usefixtures("kind")

SKIP, NO_HANDLE = 1, 2


@pytest.fixture
def family() -> int:
    return c.AF_INET


def error() -> int:
    return int(kernel32.GetLastError())


def read(s: int, overlapped: Any, size: int = 5) -> tuple[int, Any]:
    memory = ctypes.create_string_buffer(size)
    return kernel32.ReadFile(s, memory, size, None, byref(overlapped)), memory


def test_skipping_packets_needs_system_handles_all_the_way(kind: str, pair: tuple[int, int]) -> None:
    """executive 8.4: sockets only with IFS providers in the chain; irrevocable; unknown flags"""
    s, _ = pair
    ifs = kind in ("base", "control")
    assert kernel32.SetFileCompletionNotificationModes(s, SKIP) == ifs
    if not ifs:
        assert error() == 87
    assert kernel32.SetFileCompletionNotificationModes(s, NO_HANDLE) == 1
    assert (kernel32.SetFileCompletionNotificationModes(s, 8), error()) == (0, 87)
    assert (kernel32.SetFileCompletionNotificationModes(0x7FFFFFF, 0), error()) == (0, 6)
    assert kernel32.SetFileCompletionNotificationModes(s, 0) == 1
    with port_for(s) as queue:
        operation = Operation(s, b"now")
        assert operation.code == 0
        assert packet(queue)[0] == (not ifs)  # 0 has not undone it


def test_flag_2_leaves_an_explicit_event_alone(pair: tuple[int, int]) -> None:
    s, peer = pair
    assert kernel32.SetFileCompletionNotificationModes(s, NO_HANDLE) == 1
    with event() as handle:
        overlapped = mswsock.OVERLAPPED(hEvent=handle)
        result, memory = read(s, overlapped)
        assert (result, error()) == (0, 997)
        ws2_32.send(peer, b"hello", 5, 0)
        assert is_set(handle, 5000)
        assert memory.raw == b"hello"


def test_the_low_bit_of_the_event(pair: tuple[int, int]) -> None:
    s, peer = pair
    with event() as handle, port_for(s) as queue:
        overlapped = mswsock.OVERLAPPED(hEvent=handle | 1, Offset=99, OffsetHigh=99)
        read(s, overlapped)
        ws2_32.send(peer, b"hello", 5, 0)
        assert is_set(handle, 5000)
        assert packet(queue)[4] == 258


def test_readfileex_is_refused_with_a_port_and_without_a_routine(pair: tuple[int, int]) -> None:
    s, _ = pair
    memory, overlapped = ctypes.create_string_buffer(5), mswsock.OVERLAPPED(hEvent=12345)

    def routine(code: int, count: int, pointer: Any) -> None:
        raise AssertionError("nothing was started")

    for call in (kernel32.ReadFileEx, kernel32.WriteFileEx):
        assert (call(s, memory, 5, byref(overlapped), None), error()) == (0, 87)
        assert (call(s, memory, 5, None, routine), error()) == (0, 87)
        assert (call(0x7FFFFFF, memory, 5, byref(overlapped), routine), error()) == (0, 6)
    with port_for(s):
        for call in (kernel32.ReadFileEx, kernel32.WriteFileEx):
            assert (call(s, memory, 5, byref(mswsock.OVERLAPPED()), routine), error()) == (0, 87)
    assert kernel32.SleepEx(0, True) == 0


def test_readfileex_ignores_the_event(pair: tuple[int, int]) -> None:
    s, peer = pair
    told = []
    with event() as handle:
        memory, overlapped = ctypes.create_string_buffer(5), mswsock.OVERLAPPED(hEvent=handle)
        kernel32.SetEvent(handle)
        routine = lambda code, count, pointer: told.append((code, count))  # noqa: E731
        assert kernel32.ReadFileEx(s, memory, 5, byref(overlapped), routine) == 1
        assert is_set(handle)  # not reset
        kernel32.ResetEvent(handle)
        ws2_32.send(peer, b"hello", 5, 0)
        assert kernel32.SleepEx(5000, True) == c.WAIT_IO_COMPLETION
        assert (told, is_set(handle)) == ([(0, 5)], False)


def test_cancelio_means_the_calling_thread_and_cancelioex_everybody(pair: tuple[int, int]) -> None:
    """executive 9: FALSE and ERROR_NOT_FOUND when there is nothing; normal notifications"""
    s, _ = pair
    assert kernel32.CancelIo(s) == 1
    assert (kernel32.CancelIoEx(s, None), error()) == (0, 1168)
    with port_for(s) as queue:
        mine = mswsock.OVERLAPPED()
        kept = read(s, mine)
        assert Running(kernel32.CancelIo, s).result() == 1  # another thread has started nothing
        assert mine.Internal == 0x103
        assert (kernel32.CancelIoEx(s, byref(mswsock.OVERLAPPED())), error()) == (0, 1168)
        assert Running(kernel32.CancelIoEx, s, byref(mine)).result() == 1
        assert packet(queue, 5000)[3:] == (ctypes.addressof(mine), 995)
        assert kernel32.CancelIo(s) == 1
        assert kept[0] == 0
    assert (kernel32.CancelIo(0x7FFFFFF), error()) == (0, 6)
    assert (kernel32.CancelIoEx(0x7FFFFFF, None), error()) == (0, 6)


def test_a_closed_socket_tells_what_was_pending() -> None:
    """executive 9.1: cancelled with their normal notification"""
    s, peer = connected()
    with event() as handle:
        overlapped = mswsock.OVERLAPPED(hEvent=handle)
        kept = read(s, overlapped)
        close(s)
        assert is_set(handle, 5000)
        assert (overlapped.Internal, kept[0]) == (c.STATUS_CANCELLED, 0)
    assert received(peer) == b""
    close(peer)


def test_ctrl_c_ends_a_transmission_that_waits(kind: str, pair: tuple[int, int], tmp_path: Any) -> None:
    """The call is interrupted, the rest of the file stays, and the socket lives on.

    Unless the signal strikes in the middle of a layer: then the connection ends, as with every other call.
    """
    s, peer = pair
    big = tmp_path / "big"
    with open(big, "wb") as sparse:
        sparse.truncate(64 << 20)

    def interrupt() -> None:
        assert read_all(peer, 100_000) == bytes(100_000)  # it has begun
        os.kill(os.getpid(), signal.SIGINT)

    with open(big, "rb") as file:
        interrupter = Running(interrupt)
        with pytest.raises(KeyboardInterrupt):
            mswsock.TransmitFile(s, file.fileno(), 0, 0, None, None, 0)
        interrupter.result()
    rest = Running(drained, peer)
    until(lambda: not sockets.lookup(s).state.pending)
    assert ws2_32.shutdown(s, c.SD_SEND) == 0 or kind in ("bytes", "two")
    assert rest.result() < 64 << 20


def drained(s: int) -> int:
    """How many bytes come until the end."""
    count = 0
    while isinstance(piece := received(s), bytes) and piece:
        count += len(piece)
    return count


def test_the_codes_are_win32s(pair: tuple[int, int]) -> None:
    s, peer = pair
    assert ws2_32.shutdown(s, c.SD_BOTH) == 0
    overlapped = mswsock.OVERLAPPED()
    assert (read(s, overlapped)[0], error()) == (0, 233)
    close(peer)
    assert WSAError.WSAESHUTDOWN == 10058
