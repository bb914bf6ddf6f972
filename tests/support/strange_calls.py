"""Calls every function of the exact faces with arguments that no program should pass; a program of its own.

`python -m support.strange_calls FACE SEED FILE` prints a line for each exception that ctypes would not raise either,
and at the end how many calls it made and how many descriptors are left. An access to memory that is not there would end
the process, so the test runs this in a child.

What a real DLL would not survive is not tried: a wild address, and a length that goes beyond the memory it speaks of
(a str or a small structure where much is written is one).
"""

import ctypes
import inspect
import itertools
import os
import random
import socket as py
import sys
import traceback
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from support import winsock
from ws2spi import kernel32, mswsock, user32, ws2_32
from ws2spi._abi import constants as c
from ws2spi.ctypes._function import Function

FACES: dict[str, ModuleType] = {"ws2_32": ws2_32, "kernel32": kernel32, "user32": user32, "mswsock": mswsock}
_ROOM = 1 << 16
_memory = ctypes.create_string_buffer(_ROOM)

# These wait for ever when nothing comes, whatever the arguments.
BLOCKING = {"GetMessageA", "GetMessageW", "Sleep"}
NUMBERS = (0, 7, -1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 2**63, 2**64 - 1, -(2**63), 2**70)
LENGTHS = (0, 1, 3, 64, -1, -(2**31))  # of the memory that pointers lead to
WRONG: tuple[Any, ...] = (1.5, object(), [], {}, 1j, (1, 2))  # what ctypes cannot pass without argtypes
_ROUTINES = ("routine", "func", "startaddress", "pfn", "condition", "userapc")
_TIMES = ("milliseconds", "timeout")
_LENGTHS = ("len", "cb", "count", "size", "ncount", "numberof", "entries", "length", "fds")
_TEXTS = ("name", "path", "identifier", "cp")


class Strange:
    """The values that one parameter is tried with."""

    def __init__(self, parameter: inspect.Parameter, socket: int) -> None:
        name = parameter.name.lower()
        number = parameter.annotation in (int, "int", float, "float")
        pointer = name.startswith(("lp", "p", "h")) or not number
        self.usual: Any = None
        self.values: list[Any]
        if any(word in name for word in _TIMES) and not name.startswith("lp"):
            self.usual, self.values = 0, [0]
        elif any(word in name for word in _ROUTINES):
            self.values = [None, 0]
        elif name in ("s", "socket", "hfile", "slistensocket", "sacceptsocket"):
            self.usual, self.values = socket, [socket, 0xBAD0, *NUMBERS]
        elif any(word in name for word in _LENGTHS) and (number or name.startswith(("dw", "n", "cb", "ul"))):
            self.usual, self.values = 0, [one for one in LENGTHS if one >= 0 or (number and "len" in name)]
        elif number:
            self.usual, self.values = 0, list(NUMBERS)
        elif pointer:
            places = [ctypes.byref(_memory, offset) for offset in (0, 1, 4096)]
            self.values = [None, 0, *places, ctypes.c_void_p(ctypes.addressof(_memory) + 2048), _memory]
        self.values += [] if any(word in name for word in _TIMES) else list(WRONG)


def signature(function: Function) -> list[inspect.Parameter]:
    """The parameters of a function."""
    return list(inspect.signature(function.body).parameters.values())


def arguments(function: Function, socket: int, chance: random.Random) -> Iterator[list[Any]]:
    """One strange argument at a time, then all of them at random."""
    strange = [Strange(one, socket) for one in signature(function)]
    usual = [one.usual for one in strange]
    for position, one in enumerate(strange):
        for value in one.values:
            yield [*usual[:position], value, *usual[position + 1 :]]
    for _ in range(30 if strange else 1):
        yield [chance.choice(one.values) for one in strange]


def is_strange(value: Any) -> bool:
    """Whether ctypes might refuse to pass it."""
    return any(value is one for one in WRONG)


def functions(module: ModuleType) -> list[tuple[str, Function]]:
    """The functions of a face by their names, aliases once."""
    found = {id(one): (name, one) for name, one in sorted(vars(module).items()) if isinstance(one, Function)}
    return [one for one in found.values() if one[0] not in BLOCKING]


def _no_network() -> None:
    """Names are not resolved: neither does a test wait for a name server."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise py.gaierror(py.EAI_NONAME, "no names here")

    for name in ("getaddrinfo", "gethostbyaddr", "gethostbyname_ex", "getnameinfo"):
        setattr(py, name, refuse)


def _socket() -> int:
    winsock.start()
    s = winsock.made(c.SOCK_DGRAM)
    winsock.set_nonblocking(s)
    return s


def main(face: str, seed: int, last_call: str) -> None:
    """Call everything; see the module. The file `last_call` has the call that ended the process, should one do so."""
    last = open(last_call, "w")  # noqa: SIM115 - until the end of the process
    _no_network()
    chance = random.Random(seed)
    calls = itertools.count()
    number = 0
    ws2_32.closesocket(_socket())  # what stays for the life of the process is there from now on
    winsock.stop()
    before = len(os.listdir("/proc/self/fd"))
    for name, function in functions(FACES[face]):
        s = _socket()
        for given in arguments(function, s, chance):
            ctypes.memset(_memory, 0, _ROOM)
            last.seek(0)
            last.write(f"{name} {given!r}"[:500].ljust(500))
            last.flush()
            number = next(calls)
            try:
                function(*given)
            except (TypeError, ctypes.ArgumentError):
                if not any(map(is_strange, given)):
                    _report(name, given)
            except Exception:
                _report(name, given)
        ws2_32.closesocket(s)
        winsock.stop()
    last.close()
    print("calls", number + 1)
    print("left", len(os.listdir("/proc/self/fd")) - before)


def _report(name: str, given: list[Any]) -> None:
    frames = traceback.extract_tb(sys.exc_info()[2])
    where = f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}"
    shown = ", ".join(repr(one)[:40] for one in given)
    print(f"{name}({shown}): {sys.exc_info()[1]!r} at {where}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
