"""WINFUNCTYPE: prototypes, and the functions of the exact faces that are made from them."""

import ctypes
import sys
from typing import Any

from ws2spi.ctypes._flags import FlaggedFunction, parameters
from ws2spi.ctypes._function import Function, number_of
from ws2spi.ctypes._libraries import WinDLL


def _extension(address: Any) -> Function | None:
    """The function behind an address that SIO_GET_EXTENSION_FUNCTION_POINTER gave."""
    pointers = sys.modules.get("ws2spi._runtime.extensions.pointers")
    number = getattr(address, "value", address)
    if pointers is None or not isinstance(number, int):
        return None
    body = pointers.function_at(number)
    if body is None:
        return None

    def call(*arguments: Any) -> Any:
        return body(*(one if _is_pointer(one) else number_of(one) for one in arguments))

    call.__name__ = body.__name__
    return Function(call)


def _is_pointer(argument: Any) -> bool:
    if isinstance(argument, ctypes.c_void_p | ctypes.c_char_p):
        return True
    return not isinstance(argument, int | ctypes._SimpleCData)


_prototypes: dict[tuple[Any, ...], Any] = {}  # {(result type, parameter types): the class WINFUNCTYPE made for them}


def WINFUNCTYPE(restype: Any, *argtypes: Any, use_errno: bool = False, use_last_error: bool = False) -> Any:
    """A function prototype; on 64-bit Windows there is one calling convention, so it is CFUNCTYPE's.

    An instance is made from a callable, an address, or ("name", windll.dll) for a function of an exact face, where the
    parameters' flags, names and defaults may follow. The address of an extension function gives that function itself,
    which keeps what it is given alive while it is pending.
    """
    key = (restype, *argtypes)
    made = _prototypes.get(key)
    if made is None:
        base: Any = ctypes.CFUNCTYPE(restype, *argtypes)

        class WinFunctionType(base):  # type: ignore[misc]
            _argtypes_ = argtypes
            _restype_ = restype
            _flags_ = base._flags_

            def __new__(cls, *args: Any) -> Any:
                if args and isinstance(args[0], tuple) and isinstance(args[0][1], WinDLL):
                    name, library = args[0]
                    function = library[name]
                    if args[1:] and args[1] is not None:
                        function = FlaggedFunction(function.body, parameters(args[1], argtypes))
                    function.restype = restype
                    function.argtypes = argtypes
                    return function
                given = _extension(args[0]) if args else None
                if given is not None:
                    given.restype, given.argtypes = restype, argtypes
                    return given
                return super().__new__(cls, *args)

        made = _prototypes.setdefault(key, WinFunctionType)
    return made
