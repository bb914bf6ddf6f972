"""Functions of the exact faces as objects, called and configured like a foreign function of ctypes.

`restype`, `argtypes` and `errcheck` mean what they mean there. Until one of them is set a call goes straight to the
body: each function is the one instance of a class whose `__call__` is that body (decision 0032).
"""

import ctypes
import functools
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

from ws2spi._abi.memory import address_of
from ws2spi.ctypes._messages import WinError

_UNSET: Any = object()
_SimpleData: Any = ctypes._SimpleCData
_Pointer: Any = ctypes._Pointer
_MEMORY: Any = (ctypes.Structure, ctypes.Union, ctypes.Array)
_CFuncPtr: Any = ctypes._CFuncPtr  # type: ignore[attr-defined]
_CArgument: Any = type(ctypes.byref(ctypes.c_int()))


class HRESULT(ctypes.c_int32):
    """A result type whose negative values are raised as OSError."""


class Function:
    """One function of an exact face.

    Parameters:
        body: does the work; takes the C parameters in C order and returns the documented value as a Python int. Its
            attribute `guard`, if there is one, wraps the whole call.
        default: the result type used while `restype` is not set; None here means the documented value itself.
    """

    def __init__(self, body: Callable[..., Any], default: Any = _UNSET) -> None:
        self.__name__ = body.__name__
        functools.update_wrapper(self, body)
        self.body = body
        self._guard: Callable[..., Any] | None = getattr(body, "guard", None)
        self._default = default
        self._restype: Any = _UNSET
        self._argtypes: tuple[Any, ...] | None = None
        self._errcheck: Callable[..., Any] | None = None
        self._configured()

    def __call__(self, *args: Any, **named: Any) -> Any:
        given = args if self._argtypes is None else self._converted(self._argtypes, args)
        result = self.body(*given, **named)
        restype = self._default if self._restype is _UNSET else self._restype
        if restype is not _UNSET:
            result = as_result(restype, result)
        if self._errcheck is not None:
            return self._errcheck(result, self, args)
        return result

    def __repr__(self) -> str:
        return f"<function {self.__name__} of {self.__module__}>"

    def copy(self, default: Any = _UNSET) -> "Function":
        """The same function with settings of its own, as another handle of the same DLL has it."""
        return Function(self.body, default)

    @property
    def restype(self) -> Any:
        """The result type: a ctypes type, a callable that gets the int, or None for no result."""
        if self._restype is not _UNSET:
            return self._restype
        return None if self._default is _UNSET else self._default

    @restype.setter
    def restype(self, kind: Any) -> None:
        if kind is not None and not callable(kind):
            raise TypeError("restype must be a type, a callable, or None")
        self._restype = kind
        self._configured()

    @property
    def argtypes(self) -> tuple[Any, ...] | None:
        """The parameter types that arguments are checked against, or None."""
        return self._argtypes

    @argtypes.setter
    def argtypes(self, kinds: Sequence[Any] | None) -> None:
        if kinds is not None:
            for number, kind in enumerate(kinds, 1):
                if not hasattr(kind, "from_param"):
                    raise TypeError(f"item {number} in _argtypes_ has no from_param method")
        self._argtypes = None if kinds is None else tuple(kinds)
        self._configured()

    @property
    def errcheck(self) -> Callable[..., Any] | None:
        """Called with (result, function, arguments); what it returns is the call's result."""
        return self._errcheck

    @errcheck.setter
    def errcheck(self, check: Callable[..., Any] | None) -> None:
        if check is not None and not callable(check):
            raise TypeError("the errcheck attribute must be callable")
        self._errcheck = check
        self._configured()

    def _configured(self) -> None:
        """Choose the way of a call: as short as what is set allows."""
        call: Any = None
        if self._restype is _UNSET and self._argtypes is None and self._errcheck is None:
            if self._default is _UNSET:
                call = self.body
            elif self._default is ctypes.c_int32:
                call = _as_c_int(self.body)
        if self._guard is not None:  # around all else
            call = self._guard(call or functools.partial(Function.__call__, self))
        kind: Any = Function if call is None else _with_call(staticmethod(call))
        self.__class__ = kind

    def _converted(self, kinds: tuple[Any, ...], args: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(args) < len(kinds):
            raise TypeError(
                f"this function takes at least {len(kinds)} argument{'s'[: len(kinds) > 1]} ({len(args)} given)"
            )
        converted = []
        for number, (kind, argument) in enumerate(zip(kinds, args, strict=False), 1):
            try:
                converted.append(_as_argument(kind, argument))
            except Exception as refusal:
                raise ctypes.ArgumentError(f"argument {number}: {type(refusal).__name__}: {refusal}") from None
        return (*converted, *args[len(kinds) :])


def _with_call(call: Any) -> type[Function]:
    """Function with a `__call__` of its own: two frames less than a method that passes its arguments on."""
    return type("Function", (Function,), {"__call__": call, "__slots__": (), "__module__": __name__})


def _as_c_int(body: Callable[..., Any]) -> Callable[..., Any]:
    """`body` with what `windll` makes of its results: a C int."""

    def call(*args: Any, **named: Any) -> Any:
        result = body(*args, **named)
        if type(result) is int and 0 <= result <= 0x7FFFFFFF:
            return result
        return as_result(ctypes.c_int32, result)

    return call


def _as_argument(kind: Any, argument: Any) -> Any:
    """`argument` as a parameter of type `kind`: refused as ctypes would, numbers cut to their size."""
    accepted = kind.from_param(argument)
    while hasattr(argument, "_as_parameter_"):
        argument = argument._as_parameter_
    if type(argument) is int and isinstance(kind, type) and issubclass(kind, _SimpleData):
        value = kind(argument).value
        return 0 if value is None else value
    if not isinstance(accepted, _CArgument) or (isinstance(kind, type) and issubclass(kind, _Pointer)):
        return accepted  # an object of the pointed type has become a byref of itself
    return argument  # what from_param made of it is opaque


def as_result(restype: Any, result: Any) -> Any:
    """The documented value as a result of type `restype`."""
    if restype is None:
        return None
    if not isinstance(result, int):  # inet_ntoa's bytes, and what returns nothing
        return result
    if isinstance(restype, type) and issubclass(restype, _SimpleData):
        value = restype(result)
        if restype is HRESULT:
            if value.value < 0:
                raise WinError(value.value)
            return value.value
        # ctypes unpacks its own simple types and leaves subclasses as they are.
        return value.value if restype.__base__ is _SimpleData else value
    if isinstance(restype, type) and issubclass(restype, _Pointer):
        return ctypes.cast(ctypes.c_void_p(result), restype)
    return restype(ctypes.c_int32(result).value)


def exact(body: Callable[..., Any]) -> Function:
    """Decorator: this is a function of an exact face."""
    return Function(body)


def number_of(argument: Any) -> int:
    """An integer argument: an int, a ctypes number, a pointer where an integer is meant, or None for 0."""
    kind = type(argument)
    if kind is int:
        return argument  # type: ignore[no-any-return]
    if kind is bool:
        return int(argument)
    if argument is None:
        return 0
    while hasattr(argument, "_as_parameter_"):
        argument = argument._as_parameter_
    value = argument.value if isinstance(argument, _SimpleData) else argument
    if isinstance(value, bytes):
        return value[0]
    if isinstance(value, str):
        return ord(value)
    if value is None:
        return 0
    if isinstance(value, int):
        return int(value)
    return address_of(argument)


def callback(routine: Any, prototype: Any) -> Callable[..., Any] | None:
    """A client's routine as something to call from Python; None for a NULL pointer.

    A plain callable stays itself, so its exceptions leave through the wait. A CFUNCTYPE object gets the pointer types
    it declares. An address is called through `prototype`.
    """
    if routine is None:
        return None
    if type(routine) is FunctionType:
        return routine
    if isinstance(routine, _CFuncPtr):
        if not routine:
            return None
        pointers = _pointers_of(routine.argtypes or ())
        if not pointers:
            return routine  # type: ignore[no-any-return]

        def with_its_pointers(*args: Any) -> Any:
            return routine(*(pointer_as(p, a) if p else a for p, a in zip(pointers, args, strict=True)))

        return with_its_pointers
    if callable(routine):
        return routine  # type: ignore[no-any-return]
    address = address_of(routine)
    made: Callable[..., Any] | None = prototype(address) if address else None
    return made


@functools.cache
def _pointers_of(kinds: tuple[Any, ...]) -> list[Any]:
    """Each parameter's type where it is a pointer, else None; empty when none is."""
    pointers = [kind if isinstance(kind, type) and issubclass(kind, _Pointer) else None for kind in kinds]
    return pointers if any(pointers) else []


def pointer_as(kind: Any, target: Any) -> Any:
    """`target` (a ctypes object, a pointer or an address) as a pointer of type `kind`, which keeps it alive."""
    if target is None or isinstance(target, kind):
        return target
    if isinstance(target, kind._type_):
        made = kind()
        made.contents = target
        return made
    if isinstance(target, int):
        return ctypes.cast(ctypes.c_void_p(target), kind)
    if isinstance(target, _MEMORY):
        return ctypes.cast(ctypes.pointer(target), kind)
    return ctypes.cast(target, kind)
