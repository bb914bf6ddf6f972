"""Functions made from a prototype with flags: named parameters, defaults, and results through pointers."""

import ctypes
from collections.abc import Callable
from typing import Any, NamedTuple

from ws2spi.ctypes._function import Function, as_result

_IN, _OUT, _LCID = 1, 2, 4  # _IN | _LCID: never given by the caller
_MISSING: Any = object()
_Pointer: Any = ctypes._Pointer
_Array: Any = ctypes.Array
_POINTERS: Any = (_Pointer, _Array, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_wchar_p)


class Parameter(NamedTuple):
    """One item of `paramflags`."""

    direction: int
    name: str | None = None
    default: Any = _MISSING


def parameters(flags: Any, kinds: tuple[Any, ...]) -> tuple[Parameter, ...]:
    """Return the items of `paramflags`, refused as ctypes refuses them.

    Raises TypeError for items of another form and for `out` parameters that are no pointers, ValueError for a wrong
    number of items.
    """
    if not isinstance(flags, tuple):
        raise TypeError("paramflags must be a tuple of tuples")
    if len(flags) != len(kinds):
        raise ValueError("paramflags must have the same length as argtypes")
    found = []
    for number, (item, kind) in enumerate(zip(flags, kinds, strict=True), 1):
        if not isinstance(item, tuple) or not 1 <= len(item) <= 3 or not isinstance(item[0], int):
            raise TypeError("paramflags must be a sequence of (int [,string [,value]]) tuples")
        parameter = Parameter(*item)
        if parameter.direction not in (0, _IN, _OUT, _IN | _OUT, _IN | _LCID):
            raise TypeError(f"paramflag value {parameter.direction} not supported")
        if parameter.direction == _OUT and not (isinstance(kind, type) and issubclass(kind, _POINTERS)):
            raise TypeError(f"'out' parameter {number} must be a pointer type, not {kind.__name__}")
        found.append(parameter)
    return tuple(found)


class FlaggedFunction(Function):
    """A function whose parameters have directions, names and defaults.

    Room for an `out` parameter is made for each call. What the call stored in such parameters, and in those that are
    `in` and `out`, is its result: one value, or a tuple. An `errcheck` gets all arguments and decides; when it returns
    them the values are the result.

    Parameters:
        body: as of Function.
        flags: what `parameters` gave. `argtypes` must have as many items.
    """

    def __init__(self, body: Callable[..., Any], flags: tuple[Parameter, ...]) -> None:
        super().__init__(body)
        self._flags = flags

    def _configured(self) -> None:
        """There is one way of a call."""

    def __call__(self, *args: Any, **named: Any) -> Any:
        kinds = self._argtypes or ()
        given = self._arguments(kinds, args, named)
        result = as_result(self._restype, self.body(*self._converted(kinds, given)))
        if self._errcheck is not None:
            result = self._errcheck(result, self, given)
            if result is not given:
                return result
        values = tuple(
            _stored(one) if flag.direction == _OUT else one
            for one, flag in zip(given, self._flags, strict=True)
            if flag.direction & _OUT
        )
        if not values:
            return result
        return values if len(values) > 1 else values[0]

    def _arguments(self, kinds: tuple[Any, ...], args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        """All arguments in C order, out of what the caller gave."""
        given: list[Any] = []
        used = 0
        for flag, kind in zip(self._flags, kinds, strict=True):
            if flag.direction == _OUT:
                given.append(_room(kind) if flag.default is _MISSING else flag.default)
            elif flag.direction & _LCID:
                given.append(0 if flag.default is _MISSING else flag.default)
            elif used < len(args):
                given.append(args[used])
                used += 1
            elif flag.name in named:
                given.append(named[flag.name])
                used += 1
            elif flag.default is not _MISSING:
                given.append(flag.default)
            else:
                raise TypeError(f"required argument '{flag.name}' missing" if flag.name else "not enough arguments")
        if used != len(args) + len(named):
            raise TypeError(f"call takes exactly {used} arguments ({len(args) + len(named)} given)")
        return tuple(given)


def _room(kind: Any) -> Any:
    """An object for an `out` parameter to be stored in."""
    if not issubclass(kind, (_Pointer, _Array)):
        raise TypeError(f"{kind.__name__} 'out' parameter must be passed as default value")
    return kind._type_() if issubclass(kind, _Pointer) else kind()


def _stored(argument: Any) -> Any:
    """What an `out` parameter holds after the call: the number, or the structure or array itself."""
    simple = isinstance(argument, ctypes._SimpleCData) and type(argument).__base__ is ctypes._SimpleCData
    return argument.value if simple else argument
