"""Memory through whatever ctypes passes as a pointer."""

import ctypes
import gc
import weakref
from typing import Any

import pytest

from ws2spi._abi import memory
from ws2spi._abi.mswsock import WSAMSG
from ws2spi._abi.types import OVERLAPPED, WSABUF

OFFSETS = ("Offset", "OffsetHigh")
NUMBER = ctypes.c_int32


def address(x: Any) -> int:
    return ctypes.addressof(x)


def test_addresses_of_every_kind_of_argument() -> None:
    x = NUMBER(5)
    buffer = ctypes.create_string_buffer(64)
    array = (NUMBER * 3)()
    ov = OVERLAPPED()
    routine = ctypes.CFUNCTYPE(None)(print)
    for argument, expected in [
        (None, 0),
        (4096, 4096),
        (True, 1),
        (ctypes.c_void_p(4096), 4096),
        (ctypes.c_void_p(None), 0),
        (ctypes.byref(x), address(x)),
        (ctypes.byref(buffer, 16), address(buffer) + 16),
        (ctypes.pointer(x), address(x)),
        (ctypes.POINTER(NUMBER)(), 0),
        (ctypes.cast(ctypes.pointer(x), ctypes.c_void_p), address(x)),
        (array, address(array)),
        (buffer, address(buffer)),
        (ov, address(ov)),
        (x, address(x)),
        (routine, ctypes.cast(routine, ctypes.c_void_p).value),
        (ctypes.c_char_p(None), 0),
    ]:
        assert memory.address_of(argument) == expected, argument
    assert ctypes.string_at(memory.address_of(b"abc")) == b"abc"
    assert ctypes.string_at(memory.address_of(ctypes.c_char_p(b"abc"))) == b"abc"
    held = bytearray(b"abc")
    assert ctypes.string_at(memory.address_of(held), 3) == b"abc"


def test_objects_with_as_parameter() -> None:
    class Wrapped:
        _as_parameter_ = 4096

    assert memory.address_of(Wrapped()) == 4096


def test_what_is_no_pointer_is_refused() -> None:
    with pytest.raises(TypeError):
        memory.address_of(object())
    with pytest.raises(TypeError):
        memory.address_of(1.5)


def test_stores_and_loads() -> None:
    x = NUMBER()
    assert memory.store_int(ctypes.byref(x), 0xFFFFFFFF)
    assert x.value == -1
    assert (memory.load_int(ctypes.byref(x)), memory.load_dword(ctypes.pointer(x))) == (-1, 0xFFFFFFFF)
    array = (NUMBER * 4)()
    memory.store_int(ctypes.byref(array, 8), 7)
    assert list(array) == [0, 0, 7, 0], "the offset of byref counts"
    wide = ctypes.c_size_t()
    assert memory.store_pointer_sized(ctypes.byref(wide), 2**64 - 1)
    assert memory.load_pointer_sized(wide) == 2**64 - 1
    assert not memory.store_int(None, 1)
    assert not memory.store_int(0, 1)
    assert not memory.store_pointer_sized(None, 1)
    assert not memory.store_pointer_sized(ctypes.POINTER(NUMBER)(), 1)


def test_store_int_writes_four_bytes_only() -> None:
    buffer = ctypes.create_string_buffer(b"\xff" * 12, 12)
    memory.store_int(ctypes.byref(buffer, 4), 0)
    assert buffer.raw == b"\xff" * 4 + b"\0" * 4 + b"\xff" * 4


def test_deref_gives_the_clients_own_object() -> None:
    class Own(ctypes.Structure):
        _fields_ = [(name, ctypes.c_long) for name in ("Extra", "hEvent", *OFFSETS, "InternalHigh", "Internal")]

    own = Own(Extra=9)
    assert memory.deref(ctypes.byref(own), OVERLAPPED) is own
    assert memory.deref(ctypes.pointer(own), OVERLAPPED).Extra == 9
    assert memory.deref(own, OVERLAPPED) is own
    assert memory.deref(None, OVERLAPPED) is None
    assert memory.deref(ctypes.POINTER(OVERLAPPED)(), OVERLAPPED) is None
    assert memory.deref(0, OVERLAPPED) is None


def test_a_structure_without_our_names_is_the_memory_it_is_in_c() -> None:
    class Place(ctypes.Structure):
        _fields_ = [(name, ctypes.c_uint32) for name in OFFSETS]

    class Plain(ctypes.Structure):
        _fields_ = [
            ("Internal", ctypes.c_size_t),
            ("high", ctypes.c_size_t),
            ("place", Place),
            ("event", ctypes.c_void_p),
        ]

    class Anonymous(Plain):
        _anonymous_ = ("place",)
        _fields_ = (("InternalHigh", ctypes.c_size_t), ("hEvent", ctypes.c_void_p))

    class Record(ctypes.Structure):
        _fields_ = [("first", OVERLAPPED), ("second", ctypes.c_int)]

    for kind in (Plain, Record):
        own = kind()
        for argument in (own, ctypes.byref(own), ctypes.pointer(own)):
            view = memory.deref(argument, OVERLAPPED)
            assert type(view) is OVERLAPPED
            assert address(view) == address(own)
            assert view._keeper is argument, "what the client passed lives as long as the view"
    anonymous = Anonymous()
    assert memory.deref(anonymous, OVERLAPPED) is anonymous, "names of a base and of an anonymous field are names, too"


def test_names_of_nested_structures_count() -> None:
    class Buffer(ctypes.Structure):
        _fields_ = [("length", ctypes.c_uint32), ("data", ctypes.c_void_p)]

    def message(buffer: Any) -> Any:
        fields = [(name, buffer if name == "Control" else kind) for name, kind in WSAMSG._fields_]
        return type("Message", (ctypes.Structure,), {"_fields_": fields})

    assert memory.has_names(message(WSABUF), WSAMSG)
    assert not memory.has_names(message(Buffer), WSAMSG)
    assert not memory.has_names(ctypes.c_int, WSAMSG)


def test_deref_of_raw_memory_is_a_view() -> None:
    raw = ctypes.create_string_buffer(64)
    for argument in (ctypes.byref(raw, 32), address(raw) + 32, ctypes.c_void_p(address(raw) + 32)):
        view = memory.deref(argument, OVERLAPPED)
        view.Offset = 3
        assert raw.raw[48] == 3
        view.Offset = 0


def test_store_pointer_keeps_the_target_alive() -> None:
    target = OVERLAPPED()
    seen = weakref.ref(target)
    pointer = ctypes.POINTER(OVERLAPPED)()
    assert memory.store_pointer(ctypes.byref(pointer), target)
    target.Offset = 7
    del target
    gc.collect()
    assert pointer.contents.Offset == 7
    assert seen() is not None
    assert memory.store_pointer(ctypes.byref(pointer), None)
    assert not pointer


def test_store_pointer_of_another_layout_and_of_numbers() -> None:
    class Other(ctypes.Structure):
        _fields_ = [("a", ctypes.c_uint64), ("b", ctypes.c_uint64), ("c", ctypes.c_uint32)]

    other = Other(c=5)
    pointer = ctypes.POINTER(OVERLAPPED)()
    memory.store_pointer(ctypes.byref(pointer), other)
    assert pointer.contents.Offset == 5
    raw = ctypes.c_void_p()
    memory.store_pointer(ctypes.byref(raw), 2**64 - 1)
    assert raw.value == 2**64 - 1
    assert not memory.store_pointer(None, other)


def test_bytes_in_and_out() -> None:
    buffer = ctypes.create_string_buffer(8)
    memory.write_bytes(ctypes.byref(buffer, 2), b"abc")
    assert memory.read_bytes(buffer, 6) == b"\0\0abc\0"
    view = memory.view_of(ctypes.byref(buffer, 2), 3)
    view[:] = b"xyz"
    assert buffer.raw[2:5] == b"xyz"
    assert len(memory.view_of(None, 0)) == 0
    assert memory.read_bytes(None, 0) == b""
    memory.write_bytes(None, b"")


def test_strings() -> None:
    from ws2spi._abi.wide import create_unicode_buffer

    assert memory.read_wide("text") == "text"
    assert memory.read_wide(None) is None
    assert memory.read_wide(create_unicode_buffer("höhe")) == "höhe"
    assert memory.read_wide(ctypes.c_wchar_p("four bytes each")) == "four bytes each"
    assert memory.read_narrow(b"abc") == "abc"
    assert memory.read_narrow(ctypes.c_char_p(b"abc")) == "abc"
    assert memory.read_narrow(ctypes.create_string_buffer(b"abc")) == "abc"
    assert memory.read_narrow("abc") == "abc"
    assert memory.read_narrow(None) is None
