"""The C arguments of socket functions as Python values, and back.

Rule: structures are read by field name in the client's own layout where it has the names (`memory.has_names`), so that
a script's own WSABUF or OVERLAPPED works. A pointer field is read as raw memory instead: a c_char_p field would hand
back a copy of the bytes.
"""

import ctypes
from collections.abc import Iterator
from typing import Any

from ws2spi._abi import addresses
from ws2spi._abi.addresses import Address
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import (
    address_of,
    are_several,
    has_names,
    is_array,
    load_int,
    read_bytes,
    store_int,
    write_bytes,
)
from ws2spi._abi.types import DWORD, OVERLAPPED, WSABUF
from ws2spi._runtime.sockets import SocketEntry

_CArgument: Any = type(ctypes.byref(ctypes.c_int()))
_Pointer: Any = ctypes._Pointer
_argument_pointer: Any = ctypes.PyDLL(None).PyLong_FromVoidPtr
_argument_pointer.restype = ctypes.py_object
_Function: Any = ctypes._CFuncPtr  # type: ignore[attr-defined]
_pointer_at: Any = ctypes.c_uint64.from_address
_addressof: Any = ctypes.addressof

# A view made through an array type would make a new type for every new length (10 us); this makes none (0.3 us).
_view_from_memory: Any = ctypes.PyDLL(None).PyMemoryView_FromMemory
_view_from_memory.restype = ctypes.py_object
_view_from_memory.argtypes = [ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int]
_PYBUF_WRITE = 0x200
_EMPTY = memoryview(bytearray())


def view(address: int | None, size: int) -> memoryview:
    """Return a writable view of client memory; it is valid as long as that memory is.

    Errors:
        WSAEFAULT: a NULL address with a size.
    """
    if not size:
        return _EMPTY
    if not address:
        raise WinsockError(WSAError.WSAEFAULT, "NULL buffer")
    result: memoryview = _view_from_memory(address, size, _PYBUF_WRITE)
    return result


def plain_buffer(buffer: Any, size: int) -> memoryview:
    """Return the memory of a `char *` and `int` argument pair as send() and recv() have it.

    Errors:
        WSAEFAULT: NULL, or a negative length.
    """
    if type(buffer) is bytes or is_array(buffer):
        # A view of the object itself keeps it alive. Who asks for more than it has reads what follows, as in C.
        memory = memoryview(buffer).cast("B")
        if 0 <= size <= len(memory):
            return memory[:size]
    if size < 0:
        raise WinsockError(WSAError.WSAEFAULT, f"length {size}")
    return view(address_of(buffer), size)


def read_buffers(buffers: Any, count: int) -> list[memoryview]:
    """Return views of the memory that an array of WSABUF structures names.

    Errors:
        WSAEFAULT: a NULL array, or a NULL buffer with a length.
    """
    if count == 1 and type(buffers) is _CArgument:
        # The usual call, a reference to one structure, without the general way's price (1 us instead of 3).
        one = buffers._obj
        if type(one) is WSABUF and (one._b_needsfree_ or _addressof(one) == _argument_pointer(buffers)):
            return [view(one.buf, one.len)]
    if not count:
        return []
    found = items(buffers, count, WSABUF)
    return [view(_pointer_at(_addressof(one) + type(one).buf.offset).value, one.len) for one in found]


def items(buffers: Any, count: int, default: Any) -> "Iterator[Any]":
    """Yield `count` structures of the array that the argument names: the client's own type, or `default`.

    Errors:
        WSAEFAULT: NULL.
    """
    target = buffers
    if type(buffers) is _CArgument:
        target = buffers._obj
        if _addressof(target) != address_of(buffers):
            target = address_of(buffers)  # byref with an offset: only the address says where
    if are_several(target, default) and target:
        return (target[index] for index in range(count))
    kind: Any = type(target) if has_names(type(target), default) else default
    start = address_of(target)
    if not start:
        raise WinsockError(WSAError.WSAEFAULT, "NULL buffer array")
    size = ctypes.sizeof(kind)
    return (kind.from_address(start + index * size) for index in range(count))


def read_address(entry: SocketEntry, argument: Any, length: int, wrong_family: int) -> Address:
    """Return the Python tuple of a `sockaddr *` and its length.

    AF_UNSPEC stands for the family's all-zero address: with connect() it removes a datagram socket's peer.

    Parameters:
        wrong_family: the code for another family than the socket's; which one it is depends on the call.
    Errors:
        WSAEFAULT: NULL, or too short.
        WSAEAFNOSUPPORT: a family nobody here knows.
    """
    start = address_of(argument)
    if not start or length < 2:
        raise WinsockError(WSAError.WSAEFAULT, "no address")
    data = read_bytes(start, min(length, 128))
    try:
        family = addresses.family_of(data)
        if not family:
            return addresses.wildcard(entry.family)
        if family in addresses.SIZES and family != entry.family:
            raise WinsockError(wrong_family, f"address family {family} on a socket of {entry.family}")
        _, address = addresses.unpack(data)
    except addresses.ShortAddressError as error:
        raise WinsockError(WSAError.WSAEFAULT, str(error)) from None
    except addresses.UnknownFamilyError as error:
        raise WinsockError(WSAError.WSAEAFNOSUPPORT, str(error)) from None
    return address


class AddressOut:
    """Where a call stores an address: `sockaddr *` and the `int *` that holds its room and gets its size.

    The room is checked when this is made, before anything is received or accepted, so that a refused call loses
    nothing.

    Errors:
        WSAEFAULT: no length, or less room than the family's sockaddr needs; the length stays as it is.
    """

    __slots__ = ("_family", "_length", "_target")

    def __init__(self, family: int, target: Any, length: Any) -> None:
        self._family = family
        self._target = target
        self._length = length
        if not address_of(length) or load_int(length) < addresses.SIZES[family]:
            raise WinsockError(WSAError.WSAEFAULT, "no room for the address")

    def __call__(self, address: Address) -> None:
        data = addresses.pack(self._family, address)
        write_bytes(self._target, data)
        store_int(self._length, len(data))


def address_out(entry: SocketEntry, target: Any, length: Any) -> AddressOut | None:
    """Return where to store an address, or None when the client wants none (a NULL `sockaddr *`)."""
    if not address_of(target):
        return None
    return AddressOut(entry.family, target, length)


# void CALLBACK (DWORD dwError, DWORD cbTransferred, LPWSAOVERLAPPED lpOverlapped, DWORD dwFlags)
_ROUTINE: Any = ctypes.CFUNCTYPE(None, DWORD, DWORD, ctypes.POINTER(OVERLAPPED), DWORD)


def as_routine(routine: Any, prototype: Any = _ROUTINE) -> Any:
    """Return a completion routine as something to call, None for NULL; an address gets the prototype."""
    if routine is None or isinstance(routine, _Function):
        return routine or None
    if callable(routine):
        return routine
    address = address_of(routine)
    return prototype(address) if address else None


def routine_argument(routine: Any, structure: Any) -> Any:
    """Return a pointer to the client's OVERLAPPED as its routine declares it; it keeps the structure alive.

    A prototype accepts its own pointer type only; a plain callable gets a pointer to the client's own structure.
    """
    if not isinstance(routine, _Function):
        return ctypes.pointer(structure)
    declared = routine.argtypes
    kind: Any = declared[2] if declared and len(declared) > 2 else ctypes.c_void_p
    if not issubclass(kind, _Pointer):
        return _addressof(structure)
    if kind._type_ is type(structure):
        return kind(structure)
    result = ctypes.cast(_addressof(structure), kind)
    result._keeper = structure
    return result
