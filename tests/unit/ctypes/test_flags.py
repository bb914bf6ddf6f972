"""Prototypes with flags behave as the standard ctypes' do: each call is made of both, and the results are compared."""

import ctypes as standard
from collections.abc import Callable
from typing import Any

import pytest

from ws2spi import ctypes
from ws2spi.ctypes import POINTER, c_int, c_void_p, wintypes
from ws2spi.ctypes._flags import FlaggedFunction, parameters


class Own(c_int):
    """A number type of the script's own, which stays an object."""


def pair_of(kinds: tuple[Any, ...], flags: Any) -> list[Any]:
    """libc's abs() with further parameters, which it does not look at, and a body of ours that does the same."""
    prototype: Any = standard.CFUNCTYPE(c_int, *kinds)
    theirs = prototype(("abs", standard.CDLL(None)), flags)
    ours = FlaggedFunction(lambda number, *_: abs(number), parameters(flags, kinds))
    ours.restype, ours.argtypes = c_int, kinds
    return [theirs, ours]


def outcome(call: Callable[[], Any]) -> tuple[Any, ...]:
    """What a call gives in a form that compares: types and values, or the exception."""
    try:
        result = call()
    except Exception as refusal:
        return type(refusal), str(refusal)
    parts = result if isinstance(result, tuple) else (result,)
    return tuple((type(part), getattr(part, "value", repr(part)[:20])) for part in parts)


INT_P, OWN_P = POINTER(c_int), POINTER(Own)
ONE, TWO, OUT = (c_int,), (c_int, c_int), (c_int, INT_P)


@pytest.mark.parametrize(
    ("kinds", "flags", "call"),
    [
        (ONE, ((1, "a"),), lambda f: f(-3)),
        (ONE, ((1, "a"),), lambda f: f(a=-3)),
        (ONE, ((1, "a", -5),), lambda f: f()),
        (ONE, ((1,),), lambda f: f(-3)),
        (ONE, ((0, "a"),), lambda f: f(-3)),
        (ONE, ((1, "a"),), lambda f: f()),
        (ONE, ((1,),), lambda f: f()),
        (ONE, ((1, "a"),), lambda f: f(1, 2)),
        (ONE, ((1, "a"),), lambda f: f(1, a=2)),
        (ONE, ((1, "a"),), lambda f: f(b=2)),
        (ONE, ((1, "a"),), lambda f: f("x")),
        (TWO, ((1, "a"), (1, "b", 7)), lambda f: f(-3)),
        (TWO, ((1, "a"), (1, "b", 7)), lambda f: f(b=1, a=-2)),
        (TWO, ((1, "a"), (1, "b", 7)), lambda f: f(-3, 4)),
        (TWO, ((1, "a"), (5, "b")), lambda f: f(-3)),
        (TWO, ((1, "a"), (5, "b")), lambda f: f(-3, 1)),
        (OUT, ((1, "a"), (2, "b")), lambda f: f(-3)),
        (OUT, ((1, "a"), (2, "b")), lambda f: f(-3, c_int())),
        (OUT, ((1, "a"), (2, "b", c_int(9))), lambda f: f(-3)),
        (OUT, ((1, "a"), (3, "b")), lambda f: f(-3, c_int(9))),
        ((c_int, OWN_P), ((1, "a"), (2, "b")), lambda f: f(-3)),
        ((c_int, POINTER(INT_P)), ((1, "a"), (2, "b")), lambda f: f(-3)),
        ((c_int, INT_P, OWN_P), ((1, "a"), (2, "b"), (3, "c")), lambda f: f(-3, Own(4))),
        ((c_int, c_int * 2), ((1, "a"), (2, "b")), lambda f: f(-3)),
        ((c_int, c_void_p), ((1, "a"), (2, "b")), lambda f: f(-3)),
    ],
)  # fmt: skip
def test_a_call(kinds: tuple[Any, ...], flags: Any, call: Callable[[Any], Any]) -> None:
    theirs, ours = pair_of(kinds, flags)
    assert outcome(lambda: call(ours)) == outcome(lambda: call(theirs))


@pytest.mark.parametrize("check", [lambda result, f, given: result + 1, lambda result, f, given: given])
def test_errcheck_gets_all_arguments_and_decides(check: Callable[..., Any]) -> None:
    theirs, ours = pair_of(OUT, ((1, "a"), (2, "b")))
    seen = []
    for function in (theirs, ours):

        def noting(result: int, checked: Any, given: tuple[Any, ...], me: Any = function) -> Any:
            assert checked is me
            seen.append((result, given[0], given[1].value))
            return check(result, checked, given)

        function.errcheck = noting
    assert outcome(lambda: ours(-3)) == outcome(lambda: theirs(-3))
    assert seen == [(3, -3, 0)] * 2


@pytest.mark.parametrize(
    ("kinds", "flags"),
    [
        (ONE, [(1, "a")]),
        (ONE, ((1, "a"), (1, "b"))),
        (ONE, ([1, "a"],)),
        (ONE, ((1, "a", 2, 3),)),
        (ONE, ((),)),
        (ONE, (("a",),)),
        (ONE, ((2, "a"),)),
        (OUT, ((1, "a"), (4, "b"))),
        (OUT, ((1, "a"), (7, "b"))),
    ],
)
def test_wrong_flags(kinds: tuple[Any, ...], flags: Any) -> None:
    prototype: Any = standard.CFUNCTYPE(c_int, *kinds)
    with pytest.raises((TypeError, ValueError)) as theirs:
        prototype(("abs", standard.CDLL(None)), flags)(1)
    with pytest.raises((TypeError, ValueError)) as ours:
        parameters(flags, kinds)
    assert ours.type is theirs.type


def test_a_function_of_a_dll() -> None:
    prototype = ctypes.WINFUNCTYPE(
        wintypes.BOOL,
        wintypes.HANDLE,
        POINTER(wintypes.DWORD),
        POINTER(ctypes.c_size_t),
        POINTER(c_void_p),
        wintypes.DWORD,
    )
    dequeue = prototype(
        ("GetQueuedCompletionStatus", ctypes.windll.kernel32),
        ((1, "port"), (2, "count"), (2, "key"), (2, "overlapped"), (1, "milliseconds", 0)),
    )
    kernel32 = ctypes.WinDLL("kernel32")
    kernel32.CreateIoCompletionPort.restype = wintypes.HANDLE
    port = kernel32.CreateIoCompletionPort(wintypes.HANDLE(-1), None, 0, 0)
    assert kernel32.PostQueuedCompletionStatus(port, 3, 4, c_void_p(0x50))
    assert dequeue(port=port) == (3, 4, 0x50)
    assert kernel32.CloseHandle(port)
