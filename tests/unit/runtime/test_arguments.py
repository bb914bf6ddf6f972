"""C arguments as Python values: buffers, addresses, routines."""

import ctypes
from typing import Any

import pytest

from support.memory_provider import Memory
from ws2spi import ws2_32
from ws2spi._abi import addresses
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._runtime.arguments import (
    address_out,
    as_routine,
    plain_buffer,
    read_address,
    read_buffers,
    routine_argument,
)
from ws2spi._runtime.sockets import sockets

byref = ctypes.byref


class Own(ctypes.Structure):
    """A script's WSABUF made with other types."""

    _fields_ = (("buf", ctypes.c_char_p), ("len", ctypes.c_uint64))


def wsabuf(data: Any, size: int) -> ws2_32.WSABUF:
    return ws2_32.WSABUF(size, ctypes.addressof(data))


def test_an_array_of_buffers_in_every_form() -> None:
    first, second = ctypes.create_string_buffer(b"abc"), ctypes.create_string_buffer(b"defg")
    array = (ws2_32.WSABUF * 3)(wsabuf(first, 1), wsabuf(first, 3), wsabuf(second, 4))
    expected = [b"abc", b"defg"]
    offset = ctypes.sizeof(ws2_32.WSABUF)
    start = ctypes.addressof(array) + offset
    forms: list[Any] = [
        byref(array, offset),
        start,
        ctypes.c_void_p(start),
        ctypes.cast(start, ctypes.POINTER(ws2_32.WSABUF)),
        byref(array[1]),
    ]
    for form in forms:
        assert [bytes(view) for view in read_buffers(form, 2)] == expected
    assert [bytes(view) for view in read_buffers(array, 3)] == [b"a", *expected]
    assert [bytes(view) for view in read_buffers(byref(array), 1)] == [b"a"]
    assert [bytes(view) for view in read_buffers(array[2], 1)] == [b"defg"]


def test_a_scripts_own_layout() -> None:
    text = b"raw\0bytes"
    array = (Own * 2)(Own(text, 9), Own(text, 2))
    assert [bytes(view) for view in read_buffers(array, 2)] == [text, b"ra"]
    assert [bytes(view) for view in read_buffers(byref(array[0]), 1)] == [text]
    assert [bytes(view) for view in read_buffers(ctypes.pointer(array[1]), 1)] == [b"ra"]


def test_views_write_through() -> None:
    memory = ctypes.create_string_buffer(4)
    (view,) = read_buffers(byref(wsabuf(memory, 4)), 1)
    view[:2] = b"ok"
    assert memory.raw == b"ok\0\0"


def test_null_arrays_and_buffers() -> None:
    assert read_buffers(None, 0) == []
    assert [len(view) for view in read_buffers(byref(ws2_32.WSABUF(0, None)), 1)] == [0]
    for bad in (None, byref(ws2_32.WSABUF(3, None))):
        with pytest.raises(WinsockError) as raised:
            read_buffers(bad, 1)
        assert raised.value.code is WSAError.WSAEFAULT


def test_plain_buffers() -> None:
    memory = ctypes.create_string_buffer(b"abcdef", 6)
    start = ctypes.addressof(memory)
    for form in (memory, b"abcdef", start, ctypes.c_void_p(start), byref(memory), ctypes.c_char_p(b"abcdef")):
        assert bytes(plain_buffer(form, 4)) == b"abcd"
    assert bytes(plain_buffer(byref(memory, 2), 4)) == b"cdef"
    assert len(plain_buffer(None, 0)) == 0
    numbers = (ctypes.c_uint32 * 2)(1, 2)
    assert bytes(plain_buffer(numbers, 8)) == bytes(numbers)


def test_addresses_in_and_out(memory: Memory) -> None:
    a, b = memory.connected()
    entry = sockets.lookup(a)
    packed = addresses.pack(2, ("127.0.0.1", 80))
    assert read_address(entry, packed, 16, WSAError.WSAEFAULT) == ("127.0.0.1", 80)
    assert read_address(entry, bytes(16), 16, WSAError.WSAEFAULT) == ("0.0.0.0", 0)  # AF_UNSPEC: the wildcard
    length = ctypes.c_int(16)
    room = ctypes.create_string_buffer(16)
    assert address_out(entry, None, None) is None
    out = address_out(entry, room, byref(length))
    assert out is not None
    out(("127.0.0.1", 80))
    assert room.raw == packed
    for handle in (a, b):
        ws2_32.closesocket(handle)


def test_routines_in_every_form() -> None:
    prototype = ctypes.CFUNCTYPE(
        None, ctypes.c_uint32, ctypes.c_uint32, ctypes.POINTER(ws2_32.WSAOVERLAPPED), ctypes.c_uint32
    )
    called: list[int] = []
    compiled = prototype(lambda code, count, overlapped, flags: called.append(count))
    by_address = as_routine(ctypes.cast(compiled, ctypes.c_void_p))
    overlapped = ws2_32.WSAOVERLAPPED()
    by_address(0, 5, routine_argument(by_address, overlapped), 0)
    as_routine(compiled)(0, 6, routine_argument(compiled, overlapped), 0)
    assert called == [5, 6]
    assert as_routine(None) is None
    assert as_routine(prototype()) is None
    assert as_routine(0) is None
    assert as_routine(print) is print
    plain = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32)(print)
    assert routine_argument(plain, overlapped) == ctypes.addressof(overlapped)
