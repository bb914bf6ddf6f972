"""Reading and writing through whatever ctypes would pass as `void *`.

Rules:
1. One function finds an address, `address_of`, so `byref(x, offset)`, pointers, arrays, integers, bytes and None mean
   here what they mean in a call of a real DLL.
2. `deref` hands back the client's own structure where it has the wanted names, so that fields are read by name in the
   client's layout and Python attributes on it survive; else a view of the wanted type on the same memory. So a
   structure with other names, or one that begins with the wanted one, is what it is in C.
3. A view does not keep memory alive. Whoever remembers an address beyond the call keeps the client's argument too
   (`byref` results and pointers hold what they point to).
"""

import ctypes
import functools
import struct
from collections.abc import Sequence
from typing import Any

from ws2spi._abi.constants import MAXIMUM_WAIT_OBJECTS
from ws2spi._abi.wide import LPWSTR, decode_wide, wstring_at

_CArgument: Any = type(ctypes.byref(ctypes.c_int()))
_Pointer: type = ctypes._Pointer
_SimpleData: type = ctypes._SimpleCData
_Function: type = ctypes._CFuncPtr  # type: ignore[attr-defined]
_POINTERS: Any = (_Pointer, _Function, LPWSTR, ctypes.c_char_p, ctypes.c_wchar_p, ctypes.c_void_p)

# Fact: byref(x, offset) keeps x but hides the offset from Python. Decision: ask C, through a call that keeps the GIL:
# the number comes back as a Python int in about 0.1 us. Two prototypes, because a call without argtypes is faster but
# truncates plain ints.
_void_pointer: Any = ctypes.PyDLL(None).PyLong_FromVoidPtr
_void_pointer.restype = ctypes.py_object
_void_pointer.argtypes = [ctypes.c_void_p]
_argument_pointer: Any = ctypes.PyDLL(None).PyLong_FromVoidPtr
_argument_pointer.restype = ctypes.py_object

# The classes of ctypes' classes. Asking for one is two to three times as fast as isinstance(x, Structure), because
# a class with a metaclass is asked through its metaclass.
_StructureType: Any = type(ctypes.Structure)
_ArrayType: Any = type(ctypes.Array)
_INLINE: Any = (_StructureType, _ArrayType, type(ctypes.Union))
_SEVERAL: Any = (_ArrayType, type(ctypes._Pointer))

_addressof: Any = ctypes.addressof
_memmove: Any = ctypes.memmove
_int32_at: Any = ctypes.c_int32.from_address
_uint32_at: Any = ctypes.c_uint32.from_address
_uint64_at: Any = ctypes.c_uint64.from_address

# Numbers of exactly these sizes. One that has its memory to itself leaves no room for a byref with an offset, so it can
# be read and written as it is; asking for the address costs twice as much.
_INTS_32 = frozenset({ctypes.c_int32, ctypes.c_uint32})
_INTS_64: Any = frozenset(
    {ctypes.c_long, ctypes.c_ulong, ctypes.c_longlong, ctypes.c_ulonglong, ctypes.c_void_p}
)  # c_size_t and the fixed sizes are among them
# [count]: reads that many handles.
_unpack_handles: Any = [struct.Struct(f"{count}Q").unpack_from for count in range(MAXIMUM_WAIT_OBJECTS + 1)]


def is_array(arg: Any) -> bool:
    """Whether `arg` is a ctypes array."""
    return isinstance(type(arg), _ArrayType)


def _has_names(own: Any, kind: Any) -> bool:
    """Whether a client's type is a structure with all the fields of ours, so that it can be read by name."""
    if own is kind:
        return True
    if not isinstance(own, _StructureType) or not isinstance(kind, _StructureType):
        return False
    theirs = _fields(own)
    for name, wanted in _fields(kind).items():
        given = theirs.get(name)
        if given is None or (isinstance(wanted, _StructureType) and not has_names(given, wanted)):
            return False
    return True


has_names: Any = functools.lru_cache(maxsize=256)(_has_names)


def _fields(kind: Any) -> dict[str, Any]:
    """{name: type} of a structure's fields, inherited and anonymous ones included."""
    fields: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        for name, inner, *_ in base.__dict__.get("_fields_", ()):
            fields[name] = inner
        for name in base.__dict__.get("_anonymous_", ()):
            fields |= _fields(fields[name])
    return fields


def are_several(arg: Any, kind: Any) -> bool:
    """Whether `arg` is an array of structures, or a pointer to one, that can be read by the names of `kind`."""
    return isinstance(type(arg), _SEVERAL) and has_names(arg._type_, kind)


def address_of(arg: Any) -> int:
    """The address that `arg` stands for as a pointer argument; 0 for None.

    Raises TypeError for what is no pointer. A structure or number passed itself counts as passed by reference, as
    ctypes does for a POINTER parameter.
    """
    if arg is None:
        return 0
    kind = type(arg)
    if kind is _CArgument:
        address: int = _argument_pointer(arg)
        return address
    if kind is int:
        return int(arg)
    if isinstance(kind, _INLINE):
        return _addressof(arg)  # type: ignore[no-any-return]
    if isinstance(arg, _POINTERS):
        return _uint64_at(_addressof(arg)).value  # type: ignore[no-any-return]
    if isinstance(arg, _SimpleData):
        return _addressof(arg)  # type: ignore[no-any-return]
    if isinstance(arg, bytearray):
        return int(_addressof(ctypes.c_char.from_buffer(arg))) if arg else 0
    parameter = getattr(arg, "_as_parameter_", arg)
    if parameter is not arg:
        return address_of(parameter)
    if isinstance(arg, int):
        return int(arg)
    try:
        return _void_pointer(arg) or 0
    except ctypes.ArgumentError as refusal:
        raise TypeError(f"no pointer: {arg!r}") from refusal


def is_null(arg: Any) -> bool:
    """Whether a pointer argument is NULL. What byref gives never is."""
    return arg is None or (type(arg) is not _CArgument and not address_of(arg))


def store_int(arg: Any, value: int) -> bool:
    """Store a 32-bit integer (INT, DWORD, BOOL, LONG) at `arg`; False and nothing stored when it is NULL."""
    if type(arg) is _CArgument:
        place = arg._obj
        if type(place) in _INTS_32 and place._b_needsfree_:
            place.value = value
            return True
    address = address_of(arg)
    if not address:
        return False
    _uint32_at(address).value = value
    return True


def store_pointer_sized(arg: Any, value: int) -> bool:
    """Store a 64-bit integer (ULONG_PTR, HANDLE, SOCKET, a context) at `arg`; False when it is NULL."""
    if type(arg) is _CArgument:
        place = arg._obj
        if type(place) in _INTS_64 and place._b_needsfree_:
            place.value = value
            return True
    address = address_of(arg)
    if not address:
        return False
    _uint64_at(address).value = value
    return True


def load_int(arg: Any) -> int:
    """The signed 32-bit integer at `arg`."""
    if type(arg) is _CArgument:
        place = arg._obj
        if type(place) is ctypes.c_int32 and place._b_needsfree_:
            return place.value
    return int(_int32_at(address_of(arg)).value)


def load_word(arg: Any) -> int:
    """The 16-bit number at an address."""
    return ctypes.c_uint16.from_address(address_of(arg)).value


def load_dword(arg: Any) -> int:
    """The unsigned 32-bit integer at `arg`."""
    if type(arg) is _CArgument:
        place = arg._obj
        if type(place) in _INTS_32 and place._b_needsfree_:
            return place.value & 0xFFFFFFFF  # type: ignore[no-any-return]
    return int(_uint32_at(address_of(arg)).value)


def load_pointer_sized(arg: Any) -> int:
    """The unsigned 64-bit integer at `arg`."""
    return int(_uint64_at(address_of(arg)).value)


def load_handles(arg: Any, count: int) -> Sequence[int] | None:
    """The `count` (at most 64) HANDLEs of an array; None for NULL."""
    if isinstance(type(arg), _ArrayType):
        try:
            return _unpack_handles[count](arg)  # type: ignore[no-any-return]
        except struct.error:  # shorter than that: what follows in memory counts, as in C
            pass
    start = address_of(arg)
    return struct.unpack(f"{count}Q", ctypes.string_at(start, 8 * count)) if start else None


def deref(arg: Any, kind: Any) -> Any:
    """What `arg` points to: the client's own structure if it passed one, else a `kind` on that memory; None for NULL.

    The result's type may be the client's own structure of another layout: read it by field name.
    """
    if type(arg) is _CArgument:
        target = arg._obj
        if type(target) is kind and target._b_needsfree_:
            return target  # alone in its memory: no room for an offset
        address = _argument_pointer(arg)
        if _addressof(target) == address and has_names(type(target), kind):
            return target
    elif arg is None:
        return None
    elif has_names(type(arg), kind):
        return arg
    elif isinstance(arg, _Pointer):
        if not arg:
            return None
        target = arg.contents  # type: ignore[attr-defined]
        if has_names(type(target), kind):
            return target
        address = _addressof(target)
    else:
        address = address_of(arg)
    return _view(kind, address, arg) if address else None


def store_pointer(arg: Any, target: Any) -> bool:
    """Store into `arg` (a `T **`) a pointer to `target`: a ctypes object, an address, a pointer, or None.

    Where the client passed a reference to a pointer object, it is set through `.contents`, so that the pointer keeps
    `target` alive as if the client had written it.
    """
    if target is None:
        return store_pointer_sized(arg, 0)
    address = _argument_pointer(arg) if type(arg) is _CArgument else address_of(arg)
    if not address:
        return False
    place = arg._obj if type(arg) is _CArgument else arg.contents if isinstance(arg, _Pointer) else arg  # type: ignore[attr-defined]
    where = address_of(target)
    if where and isinstance(place, _Pointer) and _addressof(place) == address:
        kind: Any = place._type_  # type: ignore[attr-defined]
        held = target if isinstance(target, kind) else _view(kind, where, target)
        place.contents = held  # type: ignore[attr-defined]
    else:
        _uint64_at(address).value = where
    return True


def _view(kind: Any, address: int, keeper: Any) -> Any:
    """A `kind` on another object's memory that keeps that object alive where ctypes allows attributes."""
    view = kind.from_address(address)
    try:
        view._keeper = keeper
    except AttributeError:
        pass
    return view


def read_bytes(arg: Any, size: int) -> bytes:
    """A copy of `size` bytes at `arg`."""
    return ctypes.string_at(address_of(arg), size) if size else b""


def write_bytes(arg: Any, data: bytes) -> None:
    """Copy `data` to `arg`; the client vouches for the room, as in C."""
    if data:
        _memmove(address_of(arg), data, len(data))


def view_of(arg: Any, size: int) -> memoryview:
    """A writable view of `size` bytes at `arg`, valid as long as the client's memory is (rule 3)."""
    if not size:
        return memoryview(bytearray())
    return memoryview((ctypes.c_char * size).from_address(address_of(arg))).cast("B")


def read_wide(arg: Any) -> str | None:
    """A wide string argument: a str, ctypes' own c_wchar_p (4-byte on Linux), or a pointer to UTF-16; None for NULL."""
    if arg is None or isinstance(arg, str):
        return arg
    if isinstance(arg, ctypes.c_wchar_p):
        return arg.value
    address = address_of(arg)
    return wstring_at(address) if address else None


def read_narrow(arg: Any) -> str | None:
    """A char string argument: a str, bytes, or a pointer to NUL-terminated bytes; None for NULL."""
    if arg is None or isinstance(arg, str):
        return arg
    raw = bytes(arg) if isinstance(arg, bytes) else ctypes.string_at(address_of(arg)) if address_of(arg) else None
    return None if raw is None else raw.decode("utf-8", "surrogateescape")


def fill(buffers: Sequence[memoryview], data: bytes) -> int:
    """Store `data` into `buffers`, packed; returns how much found room."""
    size = len(data)
    if len(buffers) == 1:
        target = buffers[0]
        if size <= len(target):
            target[:size] = data
            return size
    offset = 0
    for target in buffers:
        piece = data[offset : offset + len(target)]
        target[: len(piece)] = piece
        offset += len(piece)
        if offset == size:
            break
    return offset


__all__ = [
    "address_of",
    "are_several",
    "decode_wide",
    "deref",
    "fill",
    "has_names",
    "is_array",
    "is_null",
    "load_dword",
    "load_handles",
    "load_int",
    "load_pointer_sized",
    "load_word",
    "read_bytes",
    "read_narrow",
    "read_wide",
    "store_int",
    "store_pointer",
    "store_pointer_sized",
    "view_of",
    "write_bytes",
]  # fmt: skip
