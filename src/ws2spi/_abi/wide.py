"""Windows' two-byte WCHAR for ctypes, which has four-byte wide characters on Linux.

Fact: `ctypes.c_wchar` is the platform's wchar_t. Consequence: a structure with `WCHAR * 256` has the wrong size and the
wrong bytes here. Decision: WCHAR is a 16-bit integer type whose arrays behave as ctypes' own wide arrays do, and
`Structure` gives fields of such arrays the str they give on Windows. Text is UTF-16-LE; a lone surrogate passes.
"""

import ctypes
from typing import TYPE_CHECKING, Any

# Typed Any: the checker cannot follow ctypes' metaclasses.
_SimpleType: Any = type(ctypes.c_uint16)
_StructType: Any = type(ctypes.Structure)
_Uint16: Any = ctypes.c_uint16
_Array: Any = ctypes.Array
_VoidPointer: Any = ctypes.c_void_p
_array_types: dict[int, Any] = {}  # {length: the one array type of that length}


def encode_wide(text: str) -> bytes:
    """UTF-16-LE without a terminator."""
    return text.encode("utf-16-le", "surrogatepass")


def decode_wide(data: bytes) -> str:
    """The text up to the first NUL character."""
    text = data.decode("utf-16-le", "surrogatepass")
    return text.partition("\0")[0]


class _WcharMeta(_SimpleType):  # type: ignore[misc]
    def __mul__(cls, length: int) -> Any:
        kind = _array_types.get(length)
        if kind is None:
            kind = type(f"WCHAR_Array_{length}", (_WideArray,), {"_type_": cls, "_length_": length})
            _array_types[length] = kind
        return kind

    __rmul__ = __mul__


class WCHAR(_Uint16, metaclass=_WcharMeta):  # type: ignore[misc]
    """One UTF-16 unit; `.value` is a one-character str, as c_wchar's is."""

    def __init__(self, value: str | int = "\0") -> None:
        super().__init__(value if isinstance(value, int) else ord(value))

    @property
    def value(self) -> str:
        return chr(_unit(self))

    @value.setter
    def value(self, value: str | int) -> None:
        _set_unit(self, value if isinstance(value, int) else ord(value))


_unit = _Uint16.value.__get__
_set_unit = _Uint16.value.__set__


class _WideArray(_Array):  # type: ignore[misc]
    """What `WCHAR * n` gives: indexing and `.value` speak str, as c_wchar arrays do."""

    _type_ = WCHAR
    _length_ = 0

    def __init__(self, *units: str | int) -> None:
        super().__init__(*(WCHAR(unit) for unit in units))

    @property
    def value(self) -> str:
        return decode_wide(bytes(self))

    @value.setter
    def value(self, text: str) -> None:
        data = encode_wide(text)
        if len(data) > ctypes.sizeof(self):
            raise ValueError("string too long")
        if len(data) < ctypes.sizeof(self):
            data += b"\0\0"
        ctypes.memmove(self, data, len(data))

    def __getitem__(self, index: Any) -> Any:
        units = bytes(self).decode("utf-16-le", "surrogatepass") if isinstance(index, slice) else None
        return units[index] if units is not None else super().__getitem__(index).value

    def __setitem__(self, index: Any, text: Any) -> None:
        if isinstance(index, slice):
            super().__setitem__(index, [WCHAR(unit) for unit in text])
        else:
            super().__setitem__(index, WCHAR(text))


class _WideField:
    """A structure's field of WCHARs: reads and takes str; `offset` and `size` are the plain field's."""

    def __init__(self, field: Any) -> None:
        self._field = field
        self.offset: int = field.offset
        self.size: int = field.size

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        raw = self._field.__get__(instance, owner)
        return raw.value

    def __set__(self, instance: Any, text: Any) -> None:
        if isinstance(text, str):
            self._field.__get__(instance, type(instance)).value = text
        else:
            self._field.__set__(instance, text)


class _WideStructMeta(_StructType):  # type: ignore[misc]
    # Called for `_fields_` when a class body has them, too: that is when ctypes makes the fields.
    def __setattr__(cls, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "_fields_":
            for field, kind, *_ in value:
                if isinstance(kind, type) and issubclass(kind, _WideArray | WCHAR):
                    super().__setattr__(field, _WideField(cls.__dict__[field]))
                elif isinstance(kind, type) and issubclass(kind, LPWSTR):
                    super().__setattr__(field, _TextPointerField(cls.__dict__[field]))


class _TextPointerField:
    """A structure's LPWSTR field: reads as str or None, takes str, None or an address, as a c_wchar_p does on Windows.

    A str's memory lives as long as the structure object through which it was stored.
    """

    def __init__(self, field: Any) -> None:
        self._field = field
        self.offset: int = field.offset
        self.size: int = field.size

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        return self._field.__get__(instance, owner).value

    def __set__(self, instance: Any, text: Any) -> None:
        pointer = text if isinstance(text, LPWSTR) else LPWSTR(text)
        self._field.__set__(instance, pointer)
        instance.__dict__[f"_text_{self.offset}"] = pointer


if TYPE_CHECKING:  # the checker sees no difference; it could not follow the metaclass
    Structure = ctypes.Structure
else:

    class Structure(ctypes.Structure, metaclass=_WideStructMeta):
        """ctypes.Structure whose WCHAR fields are str, as they are on Windows."""


def create_unicode_buffer(init: str | int, size: int | None = None) -> Any:
    """A mutable array of 2-byte WCHARs: of `init` characters and a NUL, or `size` long, or `init` long when an int."""
    if isinstance(init, int):
        return (WCHAR * init)()
    units = len(encode_wide(init)) // 2
    buffer = (WCHAR * (units + 1 if size is None else size))()
    buffer.value = init
    return buffer


def wstring_at(address: Any, size: int = -1) -> str:
    """The UTF-16 text at an address (anything ctypes passes as a pointer): `size` units, or up to the NUL."""
    start = ctypes.cast(address, ctypes.c_void_p).value or 0
    if size >= 0:
        return ctypes.string_at(start, size * 2).decode("utf-16-le", "surrogatepass")
    if not start:
        raise ValueError("NULL string pointer access")
    length = 0
    while ctypes.c_uint16.from_address(start + 2 * length).value:
        length += 1
    return ctypes.string_at(start, length * 2).decode("utf-16-le", "surrogatepass")


class LPWSTR(_VoidPointer):  # type: ignore[misc]
    """A pointer to NUL-terminated UTF-16, made from a str or an address; keeps a str's bytes alive."""

    def __init__(self, value: str | int | None = None) -> None:
        super().__init__()
        self.value = value

    @property
    def value(self) -> str | None:
        address = _address(self)
        return None if not address else wstring_at(address)

    @value.setter
    def value(self, value: str | int | None) -> None:
        self._buffer = create_unicode_buffer(value) if isinstance(value, str) else None
        _set_address(self, ctypes.addressof(self._buffer) if self._buffer is not None else value)

    @classmethod
    def from_param(cls, value: Any) -> Any:
        """A str is passed as a fresh buffer; everything else as ctypes passes a void pointer."""
        return cls(value) if isinstance(value, str) else ctypes.c_void_p.from_param(value)


_address = _VoidPointer.value.__get__
_set_address = _VoidPointer.value.__set__
