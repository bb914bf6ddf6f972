"""WSAAddressToString, WSAStringToAddress (witness R7), InetNtop, InetPton, and byte order by a socket's protocol."""

import ctypes
import dataclasses
from typing import Any

import pytest

from support import winsock
from support.memory_provider import MemoryProvider, memory_entry
from support.winsock import error
from ws2spi import Layer, Stack, install, ws2_32
from ws2spi._abi import addresses
from ws2spi._abi.constants import AF_INET, AF_INET6
from ws2spi._abi.errors import WSAError
from ws2spi._abi.wide import WCHAR
from ws2spi._runtime import protocol_info
from ws2spi._runtime.process import runtime
from ws2spi._runtime.serve import table_of

pytestmark = pytest.mark.usefixtures("started")
byref = ctypes.byref
FULL = ("fe80::1", 443, 0, 3)


def text_of(address: Any, length: int, room: int = 100, info: Any = None) -> tuple[str, int] | tuple[int, int]:
    """(text, length) or (code, length) of WSAAddressToStringW."""
    buffer, size = (ctypes.c_uint16 * max(room, 1))(), ctypes.c_uint32(room)
    if ws2_32.WSAAddressToStringW(address, length, info, buffer, byref(size)):
        return error(), size.value
    return bytes(buffer).decode("utf-16-le").partition("\0")[0], size.value


def test_address_to_string_counts_characters_and_the_nul() -> None:
    v6 = addresses.pack(AF_INET6, FULL)
    assert text_of(v6, 28) == ("[fe80::1%3]:443", 16)
    v4 = addresses.pack(AF_INET, ("10.0.0.1", 80))
    assert text_of(v4, 16) == ("10.0.0.1:80", 12)
    assert text_of(v4, 16, room=12) == ("10.0.0.1:80", 12)


def test_address_to_string_too_short_says_how_much() -> None:
    v4 = addresses.pack(AF_INET, ("10.0.0.1", 80))
    assert text_of(v4, 16, room=11) == (WSAError.WSAEFAULT, 12)
    assert text_of(v4, 16, room=0) == (WSAError.WSAEFAULT, 12)
    size = ctypes.c_uint32(100)
    assert ws2_32.WSAAddressToStringW(v4, 16, None, None, byref(size)) == -1
    assert (error(), size.value) == (WSAError.WSAEFAULT, 12)


@pytest.mark.parametrize("length", [0, 1, 2, 15])
def test_address_to_string_of_no_address(length: int) -> None:
    v4 = addresses.pack(AF_INET, ("10.0.0.1", 80))
    assert text_of(v4, length)[0] == WSAError.WSAEINVAL
    assert text_of(None, 16)[0] == WSAError.WSAEINVAL


def test_address_to_string_without_a_length_or_a_provider() -> None:
    v4 = addresses.pack(AF_INET, ("10.0.0.1", 80))
    assert ws2_32.WSAAddressToStringW(v4, 16, None, (ctypes.c_uint16 * 100)(), None) == -1
    assert error() == WSAError.WSAEINVAL
    assert text_of(b"\x63\0" + v4[2:], 16)[0] == WSAError.WSAEINVAL, "family 99"
    runtime.catalog.remove([one.catalog_id for one in runtime.catalog.enum_protocols() if one.address_family == 2])
    assert text_of(v4, 16)[0] == WSAError.WSAEINVAL, "nobody serves the family"


def test_a_named_protocol_translates_its_own_family_alone() -> None:
    entries = {one.address_family: one for one in runtime.catalog.enum_protocols()}
    v4 = addresses.pack(AF_INET, ("10.0.0.1", 80))
    assert text_of(v4, 16, info=byref(protocol_info.structure(entries[AF_INET])))[0] == "10.0.0.1:80"
    assert text_of(v4, 16, info=byref(protocol_info.structure(entries[AF_INET6])))[0] == WSAError.WSAEINVAL
    unknown = ws2_32.WSAPROTOCOL_INFOW(iAddressFamily=AF_INET, dwCatalogEntryId=4711)
    assert text_of(v4, 16, info=byref(unknown))[0] == WSAError.WSAEINVAL, "no protocol of the catalog's"


def test_address_to_string_a_counts_bytes() -> None:
    v4 = addresses.pack(AF_INET, ("10.0.0.1", 80))
    buffer, size = ctypes.create_string_buffer(12), ctypes.c_uint32(12)
    assert ws2_32.WSAAddressToStringA(v4, 16, None, buffer, byref(size)) == 0
    assert (buffer.value, size.value) == (b"10.0.0.1:80", 12)
    size.value = 11
    assert ws2_32.WSAAddressToStringA(v4, 16, None, buffer, byref(size)) == -1
    assert (error(), size.value) == (WSAError.WSAEFAULT, 12)


def address_from(text: Any, family: int, room: int = 128) -> tuple[Any, int]:
    """(unpacked address, length) or (code, length) of WSAStringToAddressW."""
    buffer, size = ctypes.create_string_buffer(room), ctypes.c_int32(room)
    if ws2_32.WSAStringToAddressW(text, family, None, buffer, byref(size)):
        return error(), size.value
    return addresses.unpack(buffer.raw[: size.value])[1], size.value


def test_string_to_address() -> None:
    assert address_from("[fe80::1%3]:443", AF_INET6) == (FULL, 28)
    assert address_from("10.0.0.1", AF_INET) == (("10.0.0.1", 0), 16), "a missing port is 0"
    assert address_from("10.0.0.1:80", AF_INET, room=16) == (("10.0.0.1", 80), 16)


def test_string_to_address_too_short_says_how_much() -> None:
    assert address_from("10.0.0.1", AF_INET, room=15) == (WSAError.WSAEFAULT, 16)
    assert address_from("::1", AF_INET6, room=16) == (WSAError.WSAEFAULT, 28)
    assert ws2_32.WSAStringToAddressW("10.0.0.1", AF_INET, None, None, byref(ctypes.c_int32(16))) == -1
    assert error() == WSAError.WSAEFAULT
    assert ws2_32.WSAStringToAddressW("10.0.0.1", AF_INET, None, ctypes.create_string_buffer(16), None) == -1
    assert error() == WSAError.WSAEFAULT


@pytest.mark.parametrize(
    ("text", "family"),
    [(None, AF_INET), ("", AF_INET), ("x", AF_INET), ("::1", AF_INET), ("1.2.3.4", AF_INET6), ("1.2.3.4", 0),
     ("1.2.3.4", 99), ("1.2.3.4:99999", AF_INET)],
)  # fmt: skip
def test_string_to_address_of_no_address(text: Any, family: int) -> None:
    assert address_from(text, family) == (WSAError.WSAEINVAL, 128)


def test_string_to_address_a() -> None:
    buffer, size = ctypes.create_string_buffer(16), ctypes.c_int32(16)
    assert ws2_32.WSAStringToAddressA(b"10.0.0.1:80", AF_INET, None, buffer, byref(size)) == 0
    assert addresses.unpack(buffer.raw)[1] == ("10.0.0.1", 80)
    assert ws2_32.WSAStringToAddressA(b"nonsense", AF_INET, None, buffer, byref(size)) == -1
    assert error() == WSAError.WSAEINVAL


def test_the_spi_counts_bytes_and_needs_a_protocol() -> None:
    entry = next(one for one in runtime.catalog.enum_protocols() if one.address_family == AF_INET)
    table = table_of(runtime.provider(entry))
    info, code, size = byref(protocol_info.structure(entry)), ctypes.c_int32(), ctypes.c_uint32(100)
    v4, buffer = addresses.pack(AF_INET, ("10.0.0.1", 80)), ctypes.create_string_buffer(100)
    assert table.lpWSPAddressToString(v4, 16, info, buffer, byref(size), byref(code)) == 0
    assert size.value == 24
    assert table.lpWSPAddressToString(v4, 16, None, buffer, byref(size), byref(code)) == -1
    assert code.value == WSAError.WSAEINVAL
    size.value = 23
    assert table.lpWSPAddressToString(v4, 16, info, buffer, byref(size), byref(code)) == -1
    assert (code.value, size.value) == (WSAError.WSAEFAULT, 24)
    room = ctypes.c_int32(100)
    assert table.lpWSPStringToAddress("1.2.3.4", 0, info, buffer, byref(room), byref(code)) == 0, "AF_UNSPEC"
    assert room.value == 16
    for family, given in ((AF_INET, None), (AF_INET6, info)):
        assert table.lpWSPStringToAddress("1.2.3.4", family, given, buffer, byref(room), byref(code)) == -1
        assert code.value == WSAError.WSAEINVAL


def test_inet_ntop_and_pton_in_wide_characters() -> None:
    packed, buffer = ctypes.create_string_buffer(16), (ctypes.c_uint16 * 46)()
    assert ws2_32.InetPtonW(AF_INET6, "2001:db8::1", packed) == 1
    assert ws2_32.InetNtopW(AF_INET6, packed, buffer, 46) == ctypes.addressof(buffer)
    assert bytes(buffer).decode("utf-16-le").rstrip("\0") == "2001:db8::1"
    assert ws2_32.InetNtopW(AF_INET6, packed, buffer, 11) == 0
    assert error() == WSAError.WSA_INVALID_PARAMETER
    assert ws2_32.InetNtopW(99, packed, buffer, 46) == 0
    assert error() == WSAError.WSAEAFNOSUPPORT
    assert ws2_32.InetNtopW(AF_INET6, None, buffer, 46) == 0
    assert error() == WSAError.WSA_INVALID_PARAMETER
    assert ws2_32.InetPtonW(AF_INET, "1.2.3", packed) == 0, "all four parts"
    assert ws2_32.InetPtonW(99, "1.2.3.4", packed) == -1
    assert error() == WSAError.WSAEAFNOSUPPORT
    assert ws2_32.InetPtonW(AF_INET, None, packed) == -1
    assert error() == WSAError.WSAEFAULT


def test_byte_order_is_the_protocols() -> None:
    big = winsock.made()
    entry = dataclasses.replace(memory_entry(), network_byte_order=1)
    installed = runtime.catalog.install([entry], lambda _: MemoryProvider())[0]
    little = ws2_32.WSASocketW(-1, -1, -1, byref(protocol_info.structure(installed)), 0, 0)
    long, short = ctypes.c_uint32(), ctypes.c_uint16()
    for s, expected in ((big, (0x04030201, 0x0201)), (little, (0x01020304, 0x0102))):
        for call in (ws2_32.WSAHtonl, ws2_32.WSANtohl):
            assert call(s, 0x01020304, byref(long)) == 0
            assert long.value == expected[0]
        for call in (ws2_32.WSAHtons, ws2_32.WSANtohs):
            assert call(s, 0x0102, byref(short)) == 0
            assert short.value == expected[1]
    for call in (ws2_32.WSAHtonl, ws2_32.WSANtohl, ws2_32.WSAHtons, ws2_32.WSANtohs):
        assert call(big, 1, None) == -1
        assert error() == WSAError.WSAEFAULT
        assert call(999999, 1, byref(long)) == -1
        assert error() == WSAError.WSAENOTSOCK
    winsock.close(big)


def test_everything_but_conversions_needs_a_start() -> None:
    winsock.stop()
    v4, size = addresses.pack(AF_INET, ("10.0.0.1", 80)), ctypes.c_uint32(100)
    buffer = ctypes.create_string_buffer(200)
    for call, arguments in (
        (ws2_32.WSAAddressToStringW, (v4, 16, None, buffer, byref(size))),
        (ws2_32.WSAAddressToStringA, (v4, 16, None, buffer, byref(size))),
        (ws2_32.WSAStringToAddressW, ("1.2.3.4", 2, None, buffer, byref(size))),
        (ws2_32.WSAStringToAddressA, (b"1.2.3.4", 2, None, buffer, byref(size))),
        (ws2_32.WSAHtonl, (1, 1, buffer)),
        (ws2_32.WSANtohs, (1, 1, buffer)),
    ):
        assert call(*arguments) == -1
        assert error() == WSAError.WSANOTINITIALISED
    assert ws2_32.InetPtonW(AF_INET, "1.2.3.4", buffer) == 1


def test_a_layer_above_may_translate() -> None:
    class Shouting(Layer):
        """Its texts end with "!"; what it does not override passes down."""

        def WSPAddressToString(
            self, below: Any, lpsaAddress: Any, dwLength: int, lpInfo: Any, lpszText: Any, lpdwLength: Any, lpErrno: Any
        ) -> int:
            result = below.lpWSPAddressToString(lpsaAddress, dwLength, lpInfo, lpszText, lpdwLength, lpErrno)
            if result == 0:
                end = lpdwLength[0] // 2 - 1
                lpszText[end], lpszText[end + 1] = WCHAR("!"), WCHAR(0)
                lpdwLength[0] += 2
            return int(result)

    v4 = addresses.pack(AF_INET, ("10.0.0.1", 80))
    with install(Stack([Shouting()])):
        assert text_of(v4, 16) == ("10.0.0.1:80!", 13)
        assert address_from("10.0.0.1", AF_INET) == (("10.0.0.1", 0), 16)
    assert text_of(v4, 16) == ("10.0.0.1:80", 12)
