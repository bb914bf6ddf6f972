"""What a hand-written function of a procedure table may answer, and what becomes of everything else.

A provider that is compiled cannot answer None, or raise; one written in Python can. Whatever it does, its caller gets
the return values and the codes of the SPI, and the person who runs the program one line that names provider and
function:

| The function | Its caller gets |
|---|---|
| returns 0 or SOCKET_ERROR, a handle, TRUE or FALSE, as its kind says | that |
| returns -1 as a handle | INVALID_SOCKET: in C they are one |
| returns a number beyond its C type | an int: what C makes of its low bits; a handle: failure; reported |
| returns another number for 0 or SOCKET_ERROR (a code, for instance), None, or no number | failure; reported |
| raises | failure with WSASYSCALLFAILURE; reported. What a signal handler raises passes as it is |
| fails without a code in `*lpErrno` | WSASYSCALLFAILURE |
"""

from collections.abc import Callable
from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError
from ws2spi._abi.memory import address_of, load_int, store_int
from ws2spi._engine import reports
from ws2spi._engine.boundary import describe
from ws2spi._engine.interrupts import came_from_outside

_HANDLES = frozenset({"lpWSPAccept", "lpWSPJoinLeaf", "lpWSPSocket"})
_TRUTHS = frozenset({"lpWSPGetOverlappedResult", "lpWSPGetQOSByName"})
_COUNTS = frozenset({"lpWSPSelect"})


def failure_of(name: str) -> int:
    """What the function of that name returns when it fails."""
    return c.INVALID_SOCKET if name in _HANDLES else c.FALSE if name in _TRUTHS else c.SOCKET_ERROR


class Checked:
    """Reports each kind of slip of one function once; `owner` says whose it is."""

    __slots__ = ("_failure", "_function", "_name", "_told", "owner")

    def __init__(self, name: str, function: Callable[..., Any], owner: str) -> None:
        self._name = name
        self._function = function
        self.owner = owner
        self._failure = failure_of(name)
        self._told: set[str] = set()

    def __call__(self, *arguments: Any) -> int:
        try:
            result = self._function(*arguments)
        except Exception as error:
            if came_from_outside(error):
                raise
            self._report(describe(error))
            store_int(arguments[-1], WSAError.WSASYSCALLFAILURE)
            return self._failure
        if result == 0 and type(result) is int and self._failure != 0:
            return 0
        return self._checked(result, arguments[-1])

    def _checked(self, result: Any, place: Any) -> int:
        number = self._number(result)
        if number == self._failure and address_of(place) and not load_int(place):
            store_int(place, WSAError.WSASYSCALLFAILURE)
        return number

    def _number(self, result: Any) -> int:
        if not isinstance(result, int):
            self._report(f"returned {result!r}, which is no number")
            return self._failure
        number = int(result)
        if self._name in _HANDLES:
            if number == -1:
                return c.INVALID_SOCKET
            if not 0 <= number <= c.INVALID_SOCKET:
                self._report(f"returned {number}, which is no SOCKET")
                return c.INVALID_SOCKET
            return number
        if not -(1 << 31) <= number < 1 << 32:
            self._report(f"returned {number}, which is no int")
        number = (number + (1 << 31) & 0xFFFFFFFF) - (1 << 31)
        if self._name in _TRUTHS:
            return c.TRUE if number else c.FALSE
        if number in (0, c.SOCKET_ERROR) or (self._name in _COUNTS and number > 0):
            return number
        self._report(f"returned {number} instead of 0 or SOCKET_ERROR")
        return c.SOCKET_ERROR

    def _report(self, what: str) -> None:
        kind = what.partition(" ")[0]
        if kind not in self._told:
            self._told.add(kind)
            reports.report(f"{self.owner}: {self._name.removeprefix('lp')} {_verb(what)}")


def _verb(what: str) -> str:
    return what if what.startswith("returned") else f"raised {what}"
