"""From a SOCKET to the procedure table that serves it, and from its answer to the thread's last error."""

import ctypes
import functools
from collections.abc import Callable
from typing import Any, TypeVar

from ws2spi._abi.constants import SOCKET_ERROR
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.types import INT
from ws2spi._executive import lasterror
from ws2spi._runtime.process import runtime
from ws2spi._runtime.sockets import SocketEntry, sockets
from ws2spi._runtime.threads import own_structure
from ws2spi.ctypes._function import Function, exact

_entries = sockets.entries
_byref = ctypes.byref
_SimpleData: Any = ctypes._SimpleCData
_POINTERS = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_wchar_p)
# What most arguments are, and what no ctypes number is: told apart without a look at each argument's class.
_NO_NUMBERS = frozenset({int, bool, bytes, bytearray, str, type(None), type(_byref(INT()))})
_R = TypeVar("_R")


def route(s: Any) -> SocketEntry:
    """Return the entry of a SOCKET argument.

    Errors:
        WSANOTINITIALISED: no WSAStartup. WSAENOTSOCK: no socket of ours.
    """
    try:
        return _entries[s]
    except (KeyError, TypeError):
        return _look_again(s)


def _look_again(s: Any) -> SocketEntry:
    runtime.require()
    number = getattr(s, "value", s)  # a SOCKET object instead of its number
    entry = _entries.get(number) if isinstance(number, int) else None
    if entry is None:
        raise WinsockError(WSAError.WSAENOTSOCK, f"socket {s}")
    return entry


def failed(error: WinsockError, result: _R) -> _R:
    """Put the code of `error` into the thread's last error and return `result`."""
    lasterror.set(int(error.code))
    return result


def refused(code: Any) -> None:
    """Put what a provider stored in `*lpErrno` into the thread's last error."""
    # A provider that fails without saying why.
    lasterror.set(code.value or WSAError.WSASYSCALLFAILURE)


def call(function: str, failure: int, s: Any, *arguments: Any) -> int:
    """Call a function of the socket's procedure table; on `failure` the code becomes the thread's last error."""
    try:
        entry = route(s)
    except WinsockError as error:
        return failed(error, failure)
    code = INT()
    result: int = getattr(entry.table, function)(entry.number, *arguments, _byref(code))
    if result == failure:
        refused(code)
    return result


def status(function: str, s: Any, *arguments: Any) -> int:
    """As `call`, for functions that answer 0 or SOCKET_ERROR."""
    return call(function, SOCKET_ERROR, s, *arguments)


def thread_id() -> Any:
    """Return the calling thread's identity as the pointer that providers get."""
    return _byref(own_structure())


def exported(body: Callable[..., Any]) -> Function:
    """Return a function of this module as callers get it: configurable, and taking for numbers what ctypes takes.

    That is its numbers, objects with `_as_parameter_`, and None, which is 0 where `body` declares a number.
    """
    declared, code = body.__annotations__, body.__code__
    numbers = [
        place for place, name in enumerate(code.co_varnames[: code.co_argcount]) if declared.get(name) in (int, float)
    ]
    floats = float in declared.values()

    @functools.wraps(body)
    def with_numbers(*arguments: Any, **named: Any) -> Any:
        if not _NO_NUMBERS.issuperset(map(type, arguments)):
            if not floats and float in map(type, arguments):
                raise ctypes.ArgumentError("a float where the function takes none")  # as from ctypes itself
            for argument in arguments:
                if isinstance(argument, _SimpleData) or hasattr(argument, "_as_parameter_"):
                    arguments = tuple(map(_plain, arguments))
                    break
        if None in arguments:
            for place in numbers:
                if place < len(arguments) and arguments[place] is None:
                    arguments = (*arguments[:place], 0, *arguments[place + 1 :])
        return body(*arguments, **named)

    return exact(with_numbers)


def _plain(argument: Any) -> Any:
    """Return the value of a ctypes number, and what an object has as its parameter; pointers stay what they are."""
    while hasattr(argument, "_as_parameter_"):
        argument = argument._as_parameter_
    if isinstance(argument, _SimpleData) and not isinstance(argument, _POINTERS):
        return argument.value
    return argument
