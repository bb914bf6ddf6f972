"""Which documented error codes the suite provokes: a record of what every call of an exact face has answered.

`start` puts a listener around each function of the faces that documents error codes; without it nothing of this is in
the way of a call. A code counts where its function leaves it: in the thread's last error, in `*lpErrno`, as the
returned value, or, for what comes later, where `support.told` finds it. So that an old code is not taken for a new
answer, the last error and `*lpErrno` hold a mark during the call, and get back what they had if the function stored
nothing.

`unprovoked` is what the docstrings' "Errors" name and no call has answered. tests/provoked.toml says why one cannot be.
"""

import functools
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import build_docs
from support.told import Told
from ws2spi import kernel32, mswsock, user32, ws2_32
from ws2spi._abi import constants
from ws2spi._abi.errors import WSAError
from ws2spi._abi.memory import address_of, load_dword, store_int
from ws2spi._executive import lasterror
from ws2spi.ctypes._function import Function

ROOT = Path(__file__).parents[2]
FACES: dict[str, ModuleType] = {"ws2_32": ws2_32, "kernel32": kernel32, "user32": user32, "mswsock": mswsock}
CODES = {
    **{name: value for name, value in vars(constants).items() if name.startswith(("ERROR_", "WAIT_"))},
    **{name: int(code) for name, code in WSAError.__members__.items()},
}
_MARK = 0x5EA1_EDED  # no code
_WORD = re.compile(r"\b(?:WSA|ERROR_|WAIT_)[A-Z0-9_]+\b")
_AS = re.compile(r"(?:^|[.;] (?:and )?)as (\w+)(?:\(\))?(?:, but for ([A-Z_, ]+))?")


def documented() -> dict[str, set[str]]:
    """{"face.function": the codes that its docstring's "Errors" names}; "as f(), but for X" stands for those of f."""
    texts = {
        f"{face}.{function.name}": " ".join(function.sections.get("Errors", "").split())
        for face in FACES
        for function in build_docs.functions(face)
    }
    return {name: _codes(name, texts) for name in texts}


def _codes(name: str, texts: dict[str, str]) -> set[str]:
    found = {word for word in _WORD.findall(_AS.sub("", texts[name])) if word in CODES}
    for other, without in _AS.findall(texts[name]):
        found |= _codes(f"{name.partition('.')[0]}.{other}", texts) - set(_WORD.findall(without))
    return found


class Record:
    """The (function, number) pairs that were answered since `start`."""

    def __init__(self) -> None:
        self.documented = documented()
        self.answered: set[tuple[str, int]] = set()
        self._told = Told(lambda name, code: self.answered.add((name, code)))

    def start(self) -> None:
        """Listen to every function that documents a code, until the process ends."""
        for face, module in FACES.items():
            for function in {id(one): one for one in vars(module).values() if isinstance(one, Function)}.values():
                name = f"{face}.{function.__name__}"
                codes = {CODES[code] for code in self.documented.get(name, ())}
                if codes:
                    function.body = self._listening(name, function.body, codes)
                    function._configured()  # a call goes straight to the body that was there (decision 0032)
        self._told.listen()

    def _listening(self, name: str, body: Callable[..., Any], codes: set[int]) -> Callable[..., Any]:
        parameters = _parameters(body)
        has_errno = parameters[-1:] == ["lpErrno"]
        overlapped = parameters.index("lpOverlapped") if "lpOverlapped" in parameters else len(parameters)

        @functools.wraps(body)
        def call(*arguments: Any, **named: Any) -> Any:
            place = _Errno(arguments[-1]) if has_errno and arguments else None
            before = lasterror.get()
            lasterror.set(_MARK)
            result: Any = None
            for argument in arguments[overlapped : overlapped + 1]:
                self._told.begins(name, argument)
            try:
                result = body(*arguments, **named)
            finally:
                after = lasterror.get()
                if after == _MARK:
                    lasterror.set(before)
                else:
                    self.answered.add((name, after))
                if place is not None:
                    self.answered.add((name, place.read()))
            if type(result) is int and result in codes:
                self.answered.add((name, result))
            self._told.ends(name, arguments, result)
            return result

        return call

    def unprovoked(self) -> dict[str, set[str]]:
        """{function: codes that it documents and has not answered}."""
        self._told.settle()
        missing = {
            name: {code for code in codes if (name, CODES[code]) not in self.answered}
            for name, codes in self.documented.items()
        }
        return {name: codes for name, codes in missing.items() if codes}

    def report(self, reasons: dict[str, dict[str, str]]) -> list[str]:
        """A line for each pair without a test and without a reason, and for each reason that is not needed."""
        missing = self.unprovoked()
        lines = [
            f"{name}: {code} is documented, never provoked, and tests/provoked.toml has no reason"
            for name, codes in sorted(missing.items())
            for code in sorted(codes)
            if not reason_for(name, code, reasons)
        ]
        for name, codes in reasons.items():
            if name not in ("every", "family"):
                lines += [
                    f"{name}: {code} has a reason in tests/provoked.toml, but is provoked or not documented"
                    for code in codes
                    if code not in missing.get(name, ())
                ]
        return lines


class _Errno:
    """The client's `*lpErrno`, with the mark in it until it is read."""

    def __init__(self, argument: Any) -> None:
        self._argument = argument
        try:
            self._there = bool(address_of(argument))
        except TypeError:
            self._there = False
        if self._there:
            self._before = load_dword(argument)
            store_int(argument, _MARK)

    def read(self) -> int:
        """What was stored; 0 for nothing, and then the old value is back."""
        if not self._there:
            return 0
        after = load_dword(self._argument)
        if after == _MARK:
            store_int(self._argument, self._before)
            return 0
        return after


def _parameters(body: Callable[..., Any]) -> list[str]:
    code = getattr(body, "__wrapped__", body).__code__
    return list(code.co_varnames[: code.co_argcount])


def reason_for(name: str, code: str, reasons: dict[str, dict[str, str]]) -> str:
    """Why no test provokes a code: the function's own reason, else the one for the code wherever it is documented."""
    return reasons.get(name, {}).get(code) or reasons.get("every", {}).get(code, "")


def reasons() -> dict[str, dict[str, str]]:
    """tests/provoked.toml."""
    text = (ROOT / "tests" / "provoked.toml").read_text()
    return dict(tomllib.loads(text))


def print_report(record: Record) -> int:
    """Write the report to stderr; the number of its lines."""
    lines = record.report(reasons())
    for line in lines:
        print(line, file=sys.stderr)
    return len(lines)
