"""Sizes and offsets of Windows' 64-bit structures."""

import ctypes

import pytest

from ws2spi._abi import types as t

SIZES = {
    "WCHAR": 2, "WORD": 2, "DWORD": 4, "LONG": 4, "BOOL": 4, "INT": 4, "ULONG": 4, "HANDLE": 8, "SOCKET": 8,
    "ULONG_PTR": 8, "GUID": 16, "WSADATA": 408, "WSPDATA": 516, "WSATHREADID": 16, "WSABUF": 16, "OVERLAPPED": 32,
    "WSAOVERLAPPED": 32, "OVERLAPPED_ENTRY": 32, "WSAPROTOCOLCHAIN": 32, "WSAPROTOCOL_INFOW": 628,
    "WSANETWORKEVENTS": 44, "WSPUPCALLTABLE": 120, "WSPPROC_TABLE": 240, "SOCKADDR": 16, "SOCKADDR_IN": 16,
    "SOCKADDR_IN6": 28, "SOCKADDR_STORAGE": 128, "fd_set": 520, "TIMEVAL": 8, "LINGER": 4,
}  # fmt: skip


@pytest.mark.parametrize(("name", "size"), SIZES.items())
def test_size_is_windows(name: str, size: int) -> None:
    assert ctypes.sizeof(getattr(t, name)) == size


@pytest.mark.parametrize(
    ("field", "offset"),
    [
        (t.OVERLAPPED.hEvent, 24),
        (t.OVERLAPPED.OffsetHigh, 20),
        (t.WSABUF.buf, 8),
        (t.WSADATA.lpVendorInfo, 8),
        (t.WSADATA.szSystemStatus, 273),
        (t.WSAPROTOCOL_INFOW.ProviderId, 20),
        (t.WSAPROTOCOL_INFOW.ProtocolChain, 40),
        (t.WSAPROTOCOL_INFOW.dwMessageSize, 108),
        (t.WSAPROTOCOL_INFOW.szProtocol, 116),
        (t.OVERLAPPED_ENTRY.dwNumberOfBytesTransferred, 24),
        (t.fd_set.fd_array, 8),
        (t.WSPUPCALLTABLE.lpWPUQueueApc, 80),
        (t.WSPUPCALLTABLE.lpWPUCloseThread, 112),
        (t.WSPPROC_TABLE.lpWSPGetSockOpt, 112),
        (t.WSPPROC_TABLE.lpWSPGetQOSByName, 120),
        (t.WSPPROC_TABLE.lpWSPStringToAddress, 232),
    ],
)
def test_offset_is_windows(field: object, offset: int) -> None:
    assert field.offset == offset  # type: ignore[attr-defined]


def test_tables_have_fifteen_and_thirty_entries_in_order() -> None:
    """upcalls 2, provider-functions 2."""
    assert len(t.WSPUPCALL_NAMES) == 15
    assert t.WSPUPCALL_NAMES[:13] == tuple(sorted(t.WSPUPCALL_NAMES[:13], key=str.lower))
    assert len(t.WSPPROC_NAMES) == 30
    assert t.WSPPROC_NAMES.index("WSPGetSockOpt") + 1 == t.WSPPROC_NAMES.index("WSPGetQOSByName")


def test_guid_has_its_usual_spelling() -> None:
    text = "25a207b9-ddf3-4660-8ee9-76e58c74063e"
    guid = t.guid_from_text("{" + text.upper() + "}")
    assert (guid.Data1, guid.Data2, guid.Data3, guid.Data4[0]) == (0x25A207B9, 0xDDF3, 0x4660, 0x8E)
    assert t.guid_to_text(guid) == text


def test_names_are_exported() -> None:
    assert all(hasattr(t, name) for name in t.__all__)
