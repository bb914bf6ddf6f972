"""Flags, many buffers, and sizes of sends and receives (nc-ws2spi-lpwspsend, nc-ws2spi-lpwsprecv, witness H and I)."""

import ctypes
import select
from collections.abc import Iterator

import pytest

from support import winsock
from ws2spi import kernel32, ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError

pytestmark = pytest.mark.usefixtures("kind")
byref = ctypes.byref


@pytest.fixture
def ends(kind: str) -> Iterator[tuple[int, int]]:
    client, server = winsock.connected()
    yield client, server
    winsock.close(client, server)


@pytest.fixture
def datagram_ends(kind: str) -> Iterator[tuple[int, int]]:
    one, other = winsock.datagram_pair()
    yield one, other
    winsock.close(one, other)


def sent(s: int, data: bytes, flags: int = 0) -> int:
    """What send gave, or minus the code."""
    count = int(ws2_32.send(s, data, len(data), flags))
    return count if count >= 0 else -winsock.error()


def scattered(*sizes: int) -> tuple[ctypes.Array[ws2_32.WSABUF], list[ctypes.Array[ctypes.c_char]]]:
    memory = [ctypes.create_string_buffer(max(size, 1)) for size in sizes]
    buffers = (ws2_32.WSABUF * len(sizes))(
        *[(size, ctypes.addressof(one) if size else None) for size, one in zip(sizes, memory, strict=True)]
    )
    return buffers, memory


# -- MSG_WAITALL -------------------------------------------------------------------------------------------------------


def test_h7_waitall_is_content_when_full(ends: tuple[int, int]) -> None:
    client, server = ends
    operation = winsock.Operation(server, 6, flags=c.MSG_WAITALL)
    assert operation.code == WSAError.WSA_IO_PENDING
    assert sent(client, b"ab") == 2
    behind = winsock.Operation(server, 2)
    assert behind.code == WSAError.WSA_IO_PENDING, "later receives stay behind"
    assert sent(client, b"cdefgh") == 6
    assert operation.result(wait=True)[:2] == (1, 6)
    assert operation.memory.raw == b"abcdef"
    assert behind.result(wait=True)[:2] == (1, 2)
    assert behind.memory.raw == b"gh"


def test_waitall_blocks_until_full(ends: tuple[int, int]) -> None:
    client, server = ends
    assert sent(client, b"abc") == 3
    first = winsock.Operation(client, b"d" * 100_000)
    assert winsock.received(server, 100_003, c.MSG_WAITALL) == b"abc" + b"d" * 100_000
    assert first.result(wait=True)[0]


def test_waitall_gives_what_is_there_at_the_end(ends: tuple[int, int]) -> None:
    client, server = ends
    assert sent(client, b"abc") == 3
    assert ws2_32.shutdown(client, c.SD_SEND) == 0
    assert winsock.received(server, 10, c.MSG_WAITALL) == b"abc"
    assert winsock.received(server, 10, c.MSG_WAITALL) == b""


def test_waitall_that_is_cancelled_loses_nothing(ends: tuple[int, int]) -> None:
    client, server = ends
    operation = winsock.Operation(server, 6, flags=c.MSG_WAITALL)
    assert sent(client, b"ab") == 2
    assert kernel32.CancelIoEx(server, byref(operation.overlapped))
    assert operation.result(wait=True)[3] == WSAError.WSA_OPERATION_ABORTED
    assert winsock.received(server, 10) == b"ab"


def test_waitall_that_times_out_loses_nothing(ends: tuple[int, int]) -> None:
    client, server = ends
    assert ws2_32.setsockopt(server, c.SOL_SOCKET, c.SO_RCVTIMEO, byref(ctypes.c_uint32(50)), 4) == 0
    assert sent(client, b"ab") == 2
    assert winsock.received(server, 3, c.MSG_WAITALL) == WSAError.WSAETIMEDOUT
    assert winsock.received(server, 10) == b"ab"


def test_waitall_takes_what_was_moved_for_foreign_readers_first(ends: tuple[int, int]) -> None:
    client, server = ends
    assert sent(client, b"ab") == 2
    assert select.select([server], [], [], 10)[0], "somebody looks at the handle as a file"
    assert sent(client, b"cdef") == 4
    assert winsock.received(server, 6, c.MSG_WAITALL) == b"abcdef"


@pytest.mark.parametrize("other", [c.MSG_PEEK, c.MSG_OOB, c.MSG_PARTIAL])
def test_waitall_does_not_go_with_other_flags(ends: tuple[int, int], other: int) -> None:
    assert winsock.received(ends[1], 3, c.MSG_WAITALL | other) == WSAError.WSAEOPNOTSUPP


def test_waitall_on_a_nonblocking_socket(ends: tuple[int, int]) -> None:
    winsock.set_nonblocking(ends[1])
    assert winsock.received(ends[1], 3, c.MSG_WAITALL) == WSAError.WSAEOPNOTSUPP


def test_waitall_on_datagrams(datagram_ends: tuple[int, int]) -> None:
    assert winsock.received(datagram_ends[0], 3, c.MSG_WAITALL) == WSAError.WSAEOPNOTSUPP


# -- other flags -------------------------------------------------------------------------------------------------------


def test_h8_flags_that_change_nothing(ends: tuple[int, int]) -> None:
    client, server = ends
    assert sent(client, b"abc", c.MSG_DONTROUTE | c.MSG_PARTIAL) == 3
    assert winsock.received(server, 1, c.MSG_PARTIAL | c.MSG_PUSH_IMMEDIATE) == b"a"
    assert winsock.received(server, 9, c.MSG_PEEK) == b"bc"
    assert winsock.received(server, 9) == b"bc"


@pytest.mark.parametrize("flag", [c.MSG_PEEK, c.MSG_WAITALL, c.MSG_PUSH_IMMEDIATE, 0x10, 0x40, 0x1000000])
def test_unknown_flag_of_a_send(ends: tuple[int, int], flag: int) -> None:
    assert sent(ends[0], b"x", flag) == -WSAError.WSAEINVAL


@pytest.mark.parametrize("flag", [c.MSG_DONTROUTE, 0x10, 0x40, 0x1000000])
def test_unknown_flag_of_a_receive(ends: tuple[int, int], flag: int) -> None:
    assert winsock.received(ends[0], 1, flag) == WSAError.WSAEINVAL


def test_partial_message_is_not_supported_by_datagrams(datagram_ends: tuple[int, int]) -> None:
    one, other = datagram_ends
    assert sent(one, b"x", c.MSG_PARTIAL) == -WSAError.WSAEOPNOTSUPP
    assert sent(one, b"whole", c.MSG_DONTROUTE) == 5
    assert winsock.received(other, 9, c.MSG_PARTIAL) == b"whole", "only MSG_PARTIAL of a send needs support"


# -- many buffers ------------------------------------------------------------------------------------------------------


def test_h2_gather_and_scatter_with_empty_ones(ends: tuple[int, int]) -> None:
    client, server = ends
    out, memory = scattered(2, 0, 3)
    memory[0].raw, memory[2].raw = b"ab", b"cde"
    count, flags = ctypes.c_uint32(), ctypes.c_uint32()
    assert ws2_32.WSASend(client, out, 3, byref(count), 0, None, None) == 0
    assert count.value == 5
    into, memory = scattered(3, 0, 8)
    assert ws2_32.WSARecv(server, into, 3, byref(count), byref(flags), None, None) == 0
    assert (count.value, memory[0].raw, memory[2].raw[:2]) == (5, b"abc", b"de")


def test_datagram_of_many_buffers_is_one(datagram_ends: tuple[int, int]) -> None:
    one, other = datagram_ends
    out, memory = scattered(2, 0, 3)
    memory[0].raw, memory[2].raw = b"ab", b"cde"
    count = ctypes.c_uint32()
    assert ws2_32.WSASend(one, out, 3, byref(count), 0, None, None) == 0
    assert winsock.received(other, 9) == b"abcde"


def test_h5_no_buffers(ends: tuple[int, int]) -> None:
    client, server = ends
    count, flags = ctypes.c_uint32(9), ctypes.c_uint32()
    assert ws2_32.WSASend(client, None, 0, byref(count), 0, None, None) == 0
    assert count.value == 0
    assert ws2_32.WSARecv(server, None, 0, byref(count), byref(flags), None, None) == -1
    assert winsock.error() == WSAError.WSAEINVAL


def test_empty_datagram_of_no_buffers(datagram_ends: tuple[int, int]) -> None:
    one, other = datagram_ends
    count = ctypes.c_uint32(9)
    assert ws2_32.WSASend(one, None, 0, byref(count), 0, None, None) == 0
    assert winsock.received(other, 9) == b""


def test_null_arrays_buffers_and_counts_are_faults(ends: tuple[int, int]) -> None:
    client, server = ends
    buffers, _ = scattered(1)
    null, flags, count = (ws2_32.WSABUF * 1)((5, None)), ctypes.c_uint32(), ctypes.c_uint32()
    for array, place in ((None, byref(count)), (null, byref(count)), (buffers, None)):
        assert ws2_32.WSASend(client, array, 1, place, 0, None, None) == -1
        assert winsock.error() == WSAError.WSAEFAULT
        assert ws2_32.WSARecv(server, array, 1, place, byref(flags), None, None) == -1
        assert winsock.error() == WSAError.WSAEFAULT


# -- sizes of datagrams ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blocking", [True, False])
def test_i5_datagram_that_is_too_long(datagram_ends: tuple[int, int], blocking: bool) -> None:
    one, other = datagram_ends
    if not blocking:
        winsock.set_nonblocking(one)
    size = ctypes.c_uint32()
    length = ctypes.c_int(4)
    assert ws2_32.getsockopt(one, c.SOL_SOCKET, c.SO_MAX_MSG_SIZE, byref(size), byref(length)) == 0
    assert sent(one, bytes(size.value + 1)) == -WSAError.WSAEMSGSIZE
    assert sent(one, b"next") == 4, "nothing was sent, and nothing is wrong"
    assert winsock.received(other, 9) == b"next"


def test_i2_cut_datagram_loses_its_rest(datagram_ends: tuple[int, int]) -> None:
    one, other = datagram_ends
    assert sent(one, b"hello") == sent(one, b"again") == 5
    buffer = ctypes.create_string_buffer(3)
    assert ws2_32.recv(other, buffer, 3, 0) == -1
    assert winsock.error() == WSAError.WSAEMSGSIZE
    assert buffer.raw == b"hel"
    assert winsock.received(other, 9) == b"again"


def test_i4_peeked_datagram_that_is_cut_stays(datagram_ends: tuple[int, int]) -> None:
    one, other = datagram_ends
    assert sent(one, b"hello") == 5
    assert winsock.received(other, 3, c.MSG_PEEK) == WSAError.WSAEMSGSIZE
    assert winsock.received(other, 9) == b"hello"
