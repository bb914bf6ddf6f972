"""An interrupt controller: runs a handler at every bytecode of a call, one run for each."""

import dis
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import ws2spi

_T = TypeVar("_T")
_WATCHED = str(Path(ws2spi.__file__).parent / "_executive")


def at_every_bytecode(
    make: Callable[[], _T],
    call: Callable[[_T], Any],
    handler: Callable[[_T], Any],
    check: Callable[[_T, Any], object],
    watched: tuple[str, ...] = (_WATCHED,),
) -> int:
    """For every bytecode of the executive's code in `call`: a fresh object, the handler struck there, the check.

    `watched`: paths whose code is struck, instead of the executive's.

    Returns how many points there were. A failing check names the point.
    """
    point = 0
    while True:
        target = make()
        struck, result, where = _once(target, call, handler, point, watched)
        if not struck:
            getattr(target, "finish", int)()  # what `check` does for the others
            return point
        try:
            check(target, result)
        except AssertionError as failure:
            raise AssertionError(f"interrupted at bytecode {point}, {where}: {failure}") from failure
        point += 1


def _once(
    target: Any, call: Callable[[Any], Any], handler: Callable[[Any], Any], point: int, watched: tuple[str, ...]
) -> tuple[bool, Any, str]:
    seen = 0
    struck = False
    where = ""

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal seen, struck, where
        if not frame.f_code.co_filename.startswith(watched):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            if seen == point and not struck:
                struck = True
                where = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} in {frame.f_code.co_name}"
                sys.settrace(None)
                handler(target)
                sys.settrace(trace)
            seen += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        result = call(target)
    except Exception as error:
        result = error
    finally:
        sys.settrace(before)
    return struck, result, where


class Struck(Exception):  # noqa: N818 - not a mistake
    """What the raising handler of these tests raises: an ordinary exception of the program's own."""


_AFTER = {"CALL", "CALL_FUNCTION_EX", "CALL_KW", "CALL_INTRINSIC_1"}


class Strike:
    """Raises `Struck` once, in the frames of `watched`, at the `point`th place where CPython may run a signal handler.

    Those are: the start of a function, the place where a coroutine goes on after its `yield`, jumps back, and after a
    call of anything but a Python function (those are not checked when they return).
    """

    def __init__(self, point: int, watched: tuple[str, ...]) -> None:
        self.where = ""
        self._left = point
        self._watched = watched
        self._last: dict[FrameType, str] = {}  # the bytecode that each frame has executed last

    def __enter__(self) -> "Strike":
        self._before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        if event == "call" and frame.f_back is not None and code.co_name != "__init__":
            self._last[frame.f_back] = ""  # what it called is a Python function
        if not code.co_filename.startswith(self._watched):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            opcode, operand = code.co_code[frame.f_lasti], code.co_code[frame.f_lasti + 1]
            name = dis.opname[opcode]
            before = self._last.get(frame, "")
            self._last[frame] = name
            back = "BACKWARD" in before and "NO_INTERRUPT" not in before
            if (name == "RESUME" and operand & 3 < 2) or before in _AFTER or back:
                if not self._left:
                    self.where = f"{Path(code.co_filename).name}:{frame.f_lineno} in {code.co_name}, {before} {name}"
                    raise Struck(self.where)
                self._left -= 1
        return self._trace


def raising_everywhere(run: Callable[[Strike], object], watched: tuple[str, ...]) -> int:
    """`run(strike)` for each place in turn, until a run comes to its end unstruck. Returns how many there were.

    A run enters `strike` around the call that is to be struck, and checks afterwards.
    """
    point = 0
    while True:
        strike = Strike(point, watched)
        try:
            run(strike)
        except BaseException as failure:
            raise AssertionError(f"struck at place {point}, {strike.where or 'none'}: {failure!r}") from failure
        if not strike.where:
            return point
        point += 1
