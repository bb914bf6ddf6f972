"""Completion port functions."""

# ruff: noqa: N802, N803 - Windows' spelling

import ctypes
import functools
from collections.abc import Iterator
from typing import Any

from ws2spi._abi.constants import (
    ERROR_ABANDONED_WAIT_0,
    ERROR_INVALID_HANDLE,
    ERROR_INVALID_PARAMETER,
    INVALID_HANDLE_VALUE,
    WAIT_IO_COMPLETION,
    WAIT_TIMEOUT,
)
from ws2spi._abi.errors import WinsockError, win32_from_status
from ws2spi._abi.memory import (
    address_of,
    are_several,
    has_names,
    is_null,
    store_int,
    store_pointer,
    store_pointer_sized,
)
from ws2spi._abi.types import OVERLAPPED_ENTRY
from ws2spi._executive.handles import FIRST_HANDLE, handles
from ws2spi._executive.overlapped import Overlapped
from ws2spi._executive.ports import CompletionPort, Packet, PortClosed
from ws2spi.ctypes._function import exact, number_of, pointer_as
from ws2spi.kernel32._arguments import DWORD_MASK, POINTER_MASK, fail, handle_of, object_of, seconds, win32_code

_Pointer: Any = ctypes._Pointer
_CArgument: Any = type(ctypes.byref(ctypes.c_int()))
_FAILED = 0x80000000  # NTSTATUS: warnings and errors, which make a packet one of a failed operation


@exact
def CreateIoCompletionPort(
    FileHandle: Any, ExistingCompletionPort: Any, CompletionKey: Any, NumberOfConcurrentThreads: Any
) -> int:
    """Make a port, or associate a socket with a new or an existing one.

    Returns: the port's handle, or NULL with the code in the last error.
    Errors:
        ERROR_INVALID_HANDLE: the port or the socket does not exist, or is another kind of handle.
        ERROR_INVALID_PARAMETER: no file and a port; a socket that has a port already or is not overlapped.
    Source: ioapiset.h; FileIO, createiocompletionport.
    Differs: files are sockets here. A thread that blocks outside this library counts as running until it is seen to use
        no processor time (about 50 ms); a thread counts from the packet it gets, not from its first call.
    """
    file = handle_of(FileHandle)
    existing = handle_of(ExistingCompletionPort)
    if file in (INVALID_HANDLE_VALUE, 0xFFFFFFFF):
        if existing:
            return fail(ERROR_INVALID_PARAMETER)
        return handles.insert(CompletionPort(number_of(NumberOfConcurrentThreads)))
    port = handles.get(existing, CompletionPort) if existing else CompletionPort(number_of(NumberOfConcurrentThreads))
    if port is None:
        return fail(ERROR_INVALID_HANDLE)
    if file >= FIRST_HANDLE and handles.get(file, object) is not None:
        return fail(ERROR_INVALID_HANDLE)  # a handle, and no file (witness E11)
    from ws2spi._runtime import sockets

    try:
        sockets.associate(file, port, number_of(CompletionKey) & POINTER_MASK)
    except WinsockError as error:
        return fail(win32_code(error))
    return existing or handles.insert(port)


@exact
def PostQueuedCompletionStatus(
    CompletionPort: Any, dwNumberOfBytesTransferred: Any, dwCompletionKey: Any, lpOverlapped: Any
) -> int:
    """Queue a packet; its three values come out as they are. Safe in a signal handler and `__del__`.

    Returns: TRUE, or FALSE with the code in the last error.
    Errors:
        ERROR_INVALID_HANDLE: no such port.
    Source: ioapiset.h; FileIO, postqueuedcompletionstatus.
    Differs: nothing.
    """
    port = object_of(CompletionPort, _Port)
    if port is None:
        return fail(ERROR_INVALID_HANDLE)
    transferred = dwNumberOfBytesTransferred
    if type(transferred) is not int:
        transferred = number_of(transferred)
    key = dwCompletionKey if type(dwCompletionKey) is int else number_of(dwCompletionKey)
    port.post(Packet(key & POINTER_MASK, transferred & DWORD_MASK, lpOverlapped, 0))
    return 1


_Port = CompletionPort  # the parameters of the functions carry the page's names


@exact
def GetQueuedCompletionStatus(
    CompletionPort: Any,
    lpNumberOfBytesTransferred: Any,
    lpCompletionKey: Any,
    lpOverlapped: Any,
    dwMilliseconds: Any,
) -> int:
    """Take the oldest packet of a port, waiting for one; not alertable.

    Returns: TRUE for the packet of a successful operation or a posted one. FALSE with `*lpOverlapped` set: the packet
        of a failed operation, its code in the last error. FALSE with NULL there: nothing taken, the code says why.
    Errors:
        WAIT_TIMEOUT: no packet came in time.
        ERROR_ABANDONED_WAIT_0: the port was closed meanwhile.
        ERROR_INVALID_HANDLE: no such port.
        ERROR_INVALID_PARAMETER: `lpOverlapped` is NULL.
    Source: ioapiset.h, nf-ioapiset-getqueuedcompletionstatus.
    Differs: nothing.
    """
    if is_null(lpOverlapped):
        return fail(ERROR_INVALID_PARAMETER)
    port = object_of(CompletionPort, _Port)
    if port is None:
        return _nothing(lpOverlapped, ERROR_INVALID_HANDLE)
    try:
        packet = port.get(seconds(dwMilliseconds))
    except PortClosed:
        return _nothing(lpOverlapped, ERROR_ABANDONED_WAIT_0)
    if packet is None:
        return _nothing(lpOverlapped, WAIT_TIMEOUT)
    store_int(lpNumberOfBytesTransferred, packet.transferred)
    store_pointer_sized(lpCompletionKey, packet.key)
    if packet.overlapped is None:
        store_pointer_sized(lpOverlapped, 0)
    else:
        store_pointer(lpOverlapped, _clients_overlapped(packet.overlapped))
    return fail(win32_from_status(packet.status)) if packet.status & _FAILED else 1


@exact
def GetQueuedCompletionStatusEx(
    CompletionPort: Any,
    lpCompletionPortEntries: Any,
    ulCount: Any,
    ulNumEntriesRemoved: Any,
    dwMilliseconds: Any,
    fAlertable: Any,
) -> int:
    """Take up to `ulCount` packets, waiting for the first. APCs run only when there is no packet.

    Returns: TRUE with the number in `ulNumEntriesRemoved` (each may be of a failed operation), or FALSE with the code
        in the last error and 1 there.
    Errors:
        WAIT_IO_COMPLETION: APCs ran. WAIT_TIMEOUT: no packet came in time.
        ERROR_ABANDONED_WAIT_0: the port was closed meanwhile. ERROR_INVALID_HANDLE: no such port.
        ERROR_INVALID_PARAMETER: `ulCount` is 0 or a pointer NULL.
    Source: ioapiset.h; FileIO, getqueuedcompletionstatusex-func.
    Differs: nothing.
    """
    port = object_of(CompletionPort, _Port)
    if port is None:
        return fail(ERROR_INVALID_HANDLE)
    count = number_of(ulCount) & DWORD_MASK
    if not count or not address_of(lpCompletionPortEntries) or not store_int(ulNumEntriesRemoved, 1):
        return fail(ERROR_INVALID_PARAMETER)
    try:
        packets = port.get_many(count, seconds(dwMilliseconds), bool(number_of(fAlertable)))
    except PortClosed:
        return fail(ERROR_ABANDONED_WAIT_0)
    if not packets:
        return fail(WAIT_IO_COMPLETION if packets is None else WAIT_TIMEOUT)
    store_entries(lpCompletionPortEntries, packets)
    store_int(ulNumEntriesRemoved, len(packets))
    return 1


def _nothing(lpOverlapped: Any, code: int) -> int:
    """No packet: NULL tells this from a packet of a failed operation."""
    store_pointer(lpOverlapped, None)
    return fail(code)


def _clients_overlapped(overlapped: Any) -> Any:
    """What a packet's third value is in the client's memory: its structure, or the number it posted."""
    # A byref hides its object, which a pointer can keep alive.
    if type(overlapped) is _CArgument:
        return overlapped._obj if ctypes.addressof(overlapped._obj) == address_of(overlapped) else overlapped
    if isinstance(overlapped, Overlapped):
        return overlapped.structure
    return overlapped & POINTER_MASK if isinstance(overlapped, int) else overlapped


def store_entries(argument: Any, packets: list[Packet]) -> None:
    """Store packets in a client's array of OVERLAPPED_ENTRY."""
    for entry, packet in zip(_entries(argument, len(packets)), packets, strict=True):
        _fill(entry, packet)


def _entries(argument: Any, count: int) -> Iterator[Any]:
    """The first entries of the client's array, in its own layout where it shows one."""
    array = argument._obj if type(argument) is _CArgument else argument
    if are_several(array, OVERLAPPED_ENTRY):
        return (array[index] for index in range(count))
    kind: Any = type(array) if has_names(type(array), OVERLAPPED_ENTRY) else OVERLAPPED_ENTRY
    return iter((kind * count).from_address(address_of(argument)))


def _fill(entry: Any, packet: Packet) -> None:
    entry.lpCompletionKey = packet.key
    entry.Internal = packet.status
    entry.dwNumberOfBytesTransferred = packet.transferred
    overlapped = packet.overlapped
    if overlapped is None:
        entry.lpOverlapped = None
        return
    kind: Any = _type_of_overlapped(type(entry))  # type: ignore[arg-type]
    overlapped = _clients_overlapped(overlapped)
    if issubclass(kind, _Pointer):
        entry.lpOverlapped = pointer_as(kind, overlapped)  # through it, the client's object stays alive
    else:
        entry.lpOverlapped = address_of(overlapped)


@functools.lru_cache(maxsize=16)
def _type_of_overlapped(entry: Any) -> Any:
    """The type of the field `lpOverlapped` of a client's OVERLAPPED_ENTRY."""
    return {field[0]: field[1] for field in entry._fields_}["lpOverlapped"]
