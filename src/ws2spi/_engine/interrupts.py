"""Interrupts: exceptions that a program's signal handler raises while its thread happens to be in here.

Python runs signal handlers on the main thread, between two bytecodes: at the start of a function, when a coroutine is
resumed at its `yield`, at a jump back, and after a call, also after one of a C function, before its result is stored.
Never between other bytecodes, and never inside a C function that does not ask for it. The engine is written along these
lines: what belongs together is stored without a call in between, and bytes are taken from the kernel by
`for data in map(recv, …)`, because no handler runs between an iterator's C code and the store of what it gave.

Such an exception is nobody's bug. It leaves through whatever runs and reaches the program; what it has torn is put
right afterwards (`mending.py`). Here: how to tell it from an exception of a layer, and where it struck.
"""

import opcode
import os
import signal
import threading
from types import CodeType, FrameType, TracebackType
from typing import Any

_ENGINE = os.path.dirname(os.path.abspath(__file__))
_RESUME = opcode.opmap["RESUME"]


def came_from_outside(error: BaseException) -> bool:
    """Whether `error` is an interrupt: Ctrl-C, the end of the program, or what a signal handler raised."""
    return isinstance(error, (KeyboardInterrupt, SystemExit)) or raised_by_handler(error)


def raised_by_handler(error: BaseException) -> bool:
    """Whether `error` comes out of a signal handler that struck one of the frames it passed.

    A handler is a function that was given the very frame it interrupted (the interpreter calls it so, and nobody else
    does), or one that is registered right now.
    """
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:  # a layer may have wrapped it
        seen.add(id(cause))
        trace = cause.__traceback__
        while trace is not None and trace.tb_next is not None:
            if _is_handler(trace.tb_next.tb_frame, trace.tb_frame):
                return True
            trace = trace.tb_next
        cause = cause.__cause__
    return False


def _is_handler(frame: FrameType, struck: FrameType) -> bool:
    code = frame.f_code
    arguments = code.co_varnames[: code.co_argcount]
    if arguments and any(frame.f_locals.get(name) is struck for name in arguments):
        return True
    return threading.current_thread() is threading.main_thread() and code in _registered()


def _registered() -> set[CodeType]:
    """The code of the functions that are signal handlers now."""
    found = set()
    for number in signal.valid_signals():
        handler: Any = signal.getsignal(number)
        # A function, a method, or an object that is called.
        for function in (handler, getattr(handler, "__func__", None), vars(type(handler)).get("__call__")):
            code = getattr(function, "__code__", None)
            if isinstance(code, CodeType):
                found.add(code)
    return found


def struck_frames(error: BaseException, root: CodeType) -> list[tuple[FrameType, int]]:
    """The frames that `error` tore, outermost first, beneath the last one of `root`: (frame, offset of the bytecode).

    The handler's own frames are left out.
    """
    found: list[tuple[FrameType, int]] = []
    trace: TracebackType | None = error.__traceback__
    before: FrameType | None = None
    inside = False
    while trace is not None:
        frame = trace.tb_frame
        if before is not None and _is_handler(frame, before):
            break
        if frame is not before:
            if frame.f_code is root:
                inside, found = True, []
            elif inside:
                found.append((frame, trace.tb_lasti))
        before = frame
        trace = trace.tb_next
    return found


def had_not_begun(frame: FrameType, offset: int) -> bool:
    """Whether a function torn at bytecode `offset` had not executed anything of its own."""
    code = frame.f_code.co_code
    return code[offset] == _RESUME and not code[offset + 1]  # 0 is the start, others stand behind a yield or await


def is_engine(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_ENGINE)
