"""An interrupt controller: runs a handler at every bytecode of a call, one run for each."""

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
