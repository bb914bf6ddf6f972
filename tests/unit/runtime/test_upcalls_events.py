"""The event upcalls and the rest: spec upcalls, sections 6 and 7."""

import ctypes
import uuid

import pytest

from support.calls import UNTOUCHED, code_of
from support.memory_provider import Memory
from ws2spi import kernel32, ws2_32
from ws2spi._abi.errors import WSAError
from ws2spi._abi.types import WSPUPCALL_NAMES
from ws2spi._runtime.protocol_info import write_guid
from ws2spi._runtime.tables import upcall_table

INVALID = (0, WSAError.WSA_INVALID_HANDLE)


def is_set(event: int) -> bool:
    return bool(kernel32.WaitForSingleObject(event, 0) == 0)


def test_create_event_is_manual_reset_and_not_signalled() -> None:
    """upcalls 6 WPUCreateEvent"""
    event, code = code_of(ws2_32.WPUCreateEvent)
    assert code == UNTOUCHED
    assert not is_set(event)
    assert code_of(ws2_32.WPUSetEvent, event) == (1, UNTOUCHED)
    assert is_set(event)
    assert is_set(event)  # a wait does not consume it
    assert code_of(ws2_32.WPUResetEvent, event) == (1, UNTOUCHED)
    assert not is_set(event)
    assert code_of(ws2_32.WPUCloseEvent, event) == (1, UNTOUCHED)


@pytest.mark.parametrize("function", ["WPUCloseEvent", "WPUSetEvent", "WPUResetEvent"])
def test_a_closed_or_foreign_handle_is_wsa_invalid_handle(started: None, function: str) -> None:
    """upcalls 6: later use of a closed event fails with the same code"""
    event = ws2_32.WPUCreateEvent(None)
    ws2_32.WPUCloseEvent(event, None)
    identity = ws2_32.WSATHREADID()
    ws2_32.WPUOpenCurrentThread(ctypes.byref(identity), None)
    for bad in (event, 0, None, 12, identity.ThreadHandle):
        assert code_of(getattr(ws2_32, function), bad) == INVALID
    ws2_32.WPUCloseThread(ctypes.byref(identity), None)


def test_events_are_those_of_every_other_face() -> None:
    """upcalls 6: native event calls do the same (1.1 Status table: optional)"""
    event = ws2_32.WPUCreateEvent(None)
    assert kernel32.SetEvent(event)
    assert ws2_32.WSAResetEvent(event)
    assert not is_set(event)
    assert kernel32.CloseHandle(event)
    assert code_of(ws2_32.WPUSetEvent, event) == INVALID


def test_the_table_has_fifteen_members_in_the_documented_order(started: None) -> None:
    """upcalls 2"""
    table = upcall_table()
    assert table.__slots__ == tuple(f"lp{name}" for name in WSPUPCALL_NAMES)
    assert len(table.__slots__) == 15
    assert all(callable(getattr(table, name)) for name in table.__slots__)
    assert upcall_table() is table


def test_query_blocking_callback_gives_null(memory: Memory) -> None:
    """upcalls 7.1: NULL is the normal answer; errors of the page"""
    callback, context = ctypes.c_uint64(5), ctypes.c_uint64(5)
    query = ws2_32.WPUQueryBlockingCallback
    pointers = ctypes.byref(callback), ctypes.byref(context)
    assert code_of(query, memory.entry.catalog_id, *pointers) == (0, UNTOUCHED)
    assert (callback.value, context.value) == (0, 0)
    assert code_of(query, 4711, *pointers) == (-1, WSAError.WSAEINVAL)
    assert code_of(query, memory.entry.catalog_id, None, None) == (-1, WSAError.WSAEFAULT)


def test_fd_is_set_reads_a_counted_set() -> None:
    """upcalls 7.2 WPUFDIsSet: a count and an array, no bit mask"""
    members = ws2_32.fd_set()
    members.fd_count = 2
    members.fd_array[0], members.fd_array[1], members.fd_array[2] = 7, 9, 11
    assert ws2_32.WPUFDIsSet(9, ctypes.byref(members))
    assert not ws2_32.WPUFDIsSet(11, ctypes.byref(members))
    assert not ws2_32.WPUFDIsSet(9, None)


def test_post_message_fails() -> None:
    """upcalls 7.2 WPUPostMessage: no windows here"""
    assert ws2_32.WPUPostMessage(1, 2, 3, 4) == 0


def test_get_provider_path(memory: Memory) -> None:
    """upcalls 7.2 WPUGetProviderPath; 9.15: usable while a provider starts"""
    guid, path, length = ws2_32.GUID(), (ctypes.c_uint16 * 64)(), ctypes.c_int(64)
    write_guid(guid, memory.entry.provider_id)
    query = ws2_32.WPUGetProviderPath
    assert code_of(query, ctypes.byref(guid), path, ctypes.byref(length)) == (0, UNTOUCHED)
    text = bytes(path).decode("utf-16-le").partition("\0")[0]
    assert text == f"ws2spi:{memory.entry.provider_id}"
    assert length.value == len(text) + 1
    length.value = 5
    assert code_of(query, ctypes.byref(guid), path, ctypes.byref(length)) == (-1, WSAError.WSAEFAULT)
    assert length.value == len(text) + 1
    assert code_of(query, ctypes.byref(guid), None, ctypes.byref(length)) == (-1, WSAError.WSAEFAULT)
    write_guid(guid, uuid.uuid4())
    length.value = 64
    assert code_of(query, ctypes.byref(guid), path, ctypes.byref(length)) == (-1, WSAError.WSAEINVAL)
