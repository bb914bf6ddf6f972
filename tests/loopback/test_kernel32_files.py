"""ReadFile, WriteFile and their kin on sockets: executive 10, witness Q8 to Q11, F6."""

import ctypes
from collections.abc import Iterator
from typing import Any

import pytest

from support.threads import Running, until
from support.winsock import byref, close, connected, datagram_pair, event, is_set, made, packet, port_for, received
from ws2spi import kernel32, ws2_32
from ws2spi._abi.constants import WAIT_IO_COMPLETION

pytestmark = pytest.mark.usefixtures("started")


@pytest.fixture
def pair() -> Iterator[tuple[int, int]]:
    kernel32.SleepEx(0, True)
    ends = connected()
    yield ends
    for s in ends:
        ws2_32.closesocket(s)


def test_q8_without_an_overlapped_on_an_overlapped_socket(pair: tuple[int, int]) -> None:
    count, buffer = ctypes.c_uint32(9), ctypes.create_string_buffer(4)
    assert not kernel32.ReadFile(pair[0], buffer, 4, byref(count), None)
    assert kernel32.GetLastError() == 87
    assert not kernel32.WriteFile(pair[0], buffer, 4, byref(count), None)
    assert kernel32.GetLastError() == 87


def test_q8_on_a_non_overlapped_socket_it_blocks() -> None:
    client, server = connected(flags=0)
    count, buffer = ctypes.c_uint32(), ctypes.create_string_buffer(8)
    running = Running(lambda: kernel32.ReadFile(client, buffer, 8, byref(count), None))
    until(lambda: running.executive._parked)
    written = ctypes.c_uint32()
    assert kernel32.WriteFile(server, b"abc", 3, byref(written), None)
    assert running.result() == 1
    assert (count.value, written.value, buffer.raw[:3]) == (3, 3, b"abc")
    close(client, server)


def test_q9_with_an_overlapped_offset_is_ignored(pair: tuple[int, int]) -> None:
    with event() as handle:
        overlapped = ws2_32.WSAOVERLAPPED(Offset=100, hEvent=handle)
        buffer = ctypes.create_string_buffer(8)
        assert not kernel32.ReadFile(pair[0], buffer, 8, None, byref(overlapped))
        assert kernel32.GetLastError() == 997
        written = ws2_32.WSAOVERLAPPED()
        assert kernel32.WriteFile(pair[1], b"file", 4, None, byref(written))
        assert is_set(handle, 5000)
        count = ctypes.c_uint32()
        assert kernel32.GetOverlappedResult(pair[0], byref(overlapped), byref(count), True)
        assert (count.value, buffer.raw[:4]) == (4, b"file")


def test_q10_ends_and_codes(pair: tuple[int, int]) -> None:
    count, buffer, overlapped = ctypes.c_uint32(9), ctypes.create_string_buffer(3), ws2_32.WSAOVERLAPPED()
    ws2_32.shutdown(pair[1], 1)
    until(lambda: received(pair[0], 3, 2) == b"")
    assert kernel32.ReadFile(pair[0], buffer, 3, byref(count), byref(overlapped))
    assert count.value == 0
    ws2_32.shutdown(pair[0], 2)
    assert not kernel32.ReadFile(pair[0], buffer, 3, byref(count), byref(overlapped))
    assert kernel32.GetLastError() == 233
    one, other = datagram_pair()
    ws2_32.send(one, b"abcde", 5, 0)
    available = ctypes.c_uint32()
    until(lambda: ws2_32.ioctlsocket(other, 0x4004667F, byref(available)) == 0 and available.value)
    assert not kernel32.ReadFile(other, buffer, 3, byref(count), byref(ws2_32.WSAOVERLAPPED()))
    assert kernel32.GetLastError() == 234
    close(one, other)
    assert not kernel32.ReadFile(one, buffer, 3, byref(count), byref(ws2_32.WSAOVERLAPPED()))
    assert kernel32.GetLastError() == 6


def test_q11_unconnected() -> None:
    s = made()
    buffer = ctypes.create_string_buffer(3)
    for function in (kernel32.ReadFile, kernel32.WriteFile):
        assert not function(s, buffer, 3, None, byref(ws2_32.WSAOVERLAPPED()))
        assert kernel32.GetLastError() == 59
    close(s)


def test_readfileex_and_writefileex_call_a_routine_of_three_arguments(pair: tuple[int, int]) -> None:
    told: list[Any] = []
    prototype = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32, ctypes.POINTER(ws2_32.WSAOVERLAPPED))
    routine = prototype(lambda code, count, overlapped: told.append((code, count, ctypes.addressof(overlapped[0]))))
    buffer, reading, writing = ctypes.create_string_buffer(8), ws2_32.WSAOVERLAPPED(), ws2_32.WSAOVERLAPPED()
    kernel32.SetLastError(77)
    assert kernel32.ReadFileEx(pair[0], buffer, 8, byref(reading), routine)
    assert kernel32.GetLastError() == 77
    assert kernel32.WriteFileEx(pair[1], b"abc", 3, byref(writing), routine)
    until(lambda: reading.Internal == 0)
    assert kernel32.SleepEx(5000, True) == WAIT_IO_COMPLETION
    assert sorted(told) == sorted([(0, 3, ctypes.addressof(writing)), (0, 3, ctypes.addressof(reading))])
    told.clear()
    assert kernel32.ReadFileEx(pair[0], buffer, 8, byref(reading), routine)
    assert kernel32.CancelIo(pair[0])
    assert kernel32.SleepEx(5000, True) == WAIT_IO_COMPLETION
    assert told == [(995, 0, ctypes.addressof(reading))]
    assert not kernel32.ReadFileEx(pair[0], buffer, 8, byref(reading), None)
    assert kernel32.GetLastError() == 87
    with port_for(pair[0]):
        assert not kernel32.ReadFileEx(pair[0], buffer, 8, byref(ws2_32.WSAOVERLAPPED()), routine)
        assert kernel32.GetLastError() == 87


def test_f6_skip_completion_port_on_success(pair: tuple[int, int]) -> None:
    """Immediate: no packet, the event is set all the same; pending: a packet"""
    assert kernel32.SetFileCompletionNotificationModes(pair[0], 1)
    with port_for(pair[0]) as port, event() as handle:
        buffer = ctypes.create_string_buffer(8)
        assert kernel32.WriteFile(pair[0], b"x", 1, None, byref(ws2_32.WSAOVERLAPPED(hEvent=handle)))
        assert is_set(handle)
        assert packet(port)[0] is False
        overlapped = ws2_32.WSAOVERLAPPED()
        assert not kernel32.ReadFile(pair[0], buffer, 8, None, byref(overlapped))
        ws2_32.send(pair[1], b"abc", 3, 0)
        assert packet(port, 5000)[:2] == (True, 3)
    assert not kernel32.SetFileCompletionNotificationModes(pair[0], 8)
    assert kernel32.GetLastError() == 87
    assert not kernel32.SetFileCompletionNotificationModes(4711, 1)
    assert kernel32.GetLastError() == 6
