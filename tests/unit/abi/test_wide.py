"""Two-byte wide characters."""

import ctypes

import pytest
from hypothesis import given
from hypothesis import strategies as st

# ruff: noqa: RUF012 - ctypes reads `_fields_` once
from ws2spi._abi.wide import LPWSTR, WCHAR, Structure, create_unicode_buffer, wstring_at


def test_one_character() -> None:
    one = WCHAR("A")
    assert (one.value, ctypes.sizeof(one)) == ("A", 2)
    one.value = "é"
    assert bytes(one) == b"\xe9\0"


def test_buffer_reads_and_writes_text() -> None:
    buffer = create_unicode_buffer("abc", 8)
    assert (len(buffer), ctypes.sizeof(buffer), buffer.value) == (8, 16, "abc")
    buffer.value = "longer"
    assert (buffer[0], buffer[1:4], buffer.value) == ("l", "ong", "longer")
    buffer[0] = "L"
    assert buffer.value == "Longer"
    with pytest.raises(ValueError, match="too long"):
        buffer.value = "far too long"
    assert create_unicode_buffer(4).value == ""
    assert len(create_unicode_buffer("ab")) == 3


@given(st.text(st.characters(exclude_characters="\0"), max_size=40))
def test_text_survives(text: str) -> None:
    assert create_unicode_buffer(text).value == text
    assert wstring_at(create_unicode_buffer(text)) == text
    assert LPWSTR(text).value == text


def test_wstring_at_with_a_size() -> None:
    assert wstring_at(create_unicode_buffer("abc\0def"), 7) == "abc\0def"
    with pytest.raises(ValueError, match="NULL"):
        wstring_at(None)


def test_structure_fields_are_str() -> None:
    class Named(Structure):
        _fields_ = [("before", ctypes.c_uint16), ("name", WCHAR * 8), ("initial", WCHAR)]

    named = Named()
    named.name = "abc"
    named.initial = "x"
    assert (named.name, named.initial) == ("abc", "x")
    assert (Named.name.offset, Named.name.size, ctypes.sizeof(Named)) == (2, 16, 20)
    assert bytes(named)[2:8] == b"a\0b\0c\0"


def test_structure_with_late_fields() -> None:
    class Late(Structure):
        pass

    Late._fields_ = [("name", WCHAR * 4)]
    late = Late()
    late.name = "ab"
    assert late.name == "ab"


def test_array_type_is_one_for_each_length() -> None:
    assert WCHAR * 5 is WCHAR * 5
    assert ctypes.sizeof(WCHAR * 260) == 520


def test_pointer_to_text() -> None:
    pointer = LPWSTR("text")
    assert pointer.value == "text"
    pointer.value = None
    assert pointer.value is None
    assert LPWSTR.from_param("text").value == "text"
    buffer = create_unicode_buffer("other")
    assert LPWSTR(ctypes.addressof(buffer)).value == "other"
