"""WSPPROC_TABLE and WSPUPCALLTABLE as C has them: pointers that Python fills in and reads as functions.

A provider written by hand keeps the functions of the layer below in a `WSPPROC_TABLE`, copies it, and lays its own over
some of it. Rules:
1. What lies in memory is a real function pointer, so a table can be copied as bytes, and read through a structure that
   a script has declared itself, with its own prototypes.
2. A pointer is read as a function that takes pointers in any form; one of ours is called without going through C.
3. A pointer is never freed, as the functions of a DLL are not: whoever has copied it may call it whenever he likes.
"""

import ctypes
import functools
from collections.abc import Callable
from typing import Any

from ws2spi._abi import types
from ws2spi._abi.memory import address_of
from ws2spi._abi.spi import PROTOTYPES
from ws2spi._engine import reports
from ws2spi._runtime.signatures import pointer_to, typed

_Function: Any = ctypes._CFuncPtr  # type: ignore[attr-defined]

_DATA: Any = ctypes.POINTER(types.WSPDATA)
_INFO: Any = ctypes.POINTER(types.WSAPROTOCOL_INFOW)

_pointers: dict[tuple[str, Any], Any] = {}  # {(name, function): the C function made of it}
_functions: dict[tuple[str, int], Callable[..., Any]] = {}  # {(name, its address): the function}


def _to_pointer(name: str, function: Any) -> int:
    """Return the address of a C function that calls `function`; 0 for None."""
    if function is None:
        return 0
    if isinstance(function, int):
        return function
    if not callable(function):
        raise TypeError(f"{name}: a function is wanted, not {type(function).__name__}")
    made = _pointers.get((name, function))
    if made is None:
        called = typed(name, function) if name.startswith("lpWSP") else function
        made = function if isinstance(function, _Function) else PROTOTYPES[name](_from_c(name, called))
        made = _pointers.setdefault((name, function), made)
        _functions.setdefault((name, ctypes.cast(made, ctypes.c_void_p).value or 0), called)
    return ctypes.cast(made, ctypes.c_void_p).value or 0


def _from_c(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except BaseException as error:  # nothing is raised through C
            reports.report(f"{name.removeprefix('lp')} raised {error!r}")
            return -1

    return call


def _to_function(name: str, address: int | None) -> Callable[..., Any] | None:
    """Return the function behind an address; None for NULL."""
    if not address:
        return None
    found = _functions.get((name, address))
    if found is None:
        found = PROTOTYPES[name](address)
        found = _functions.setdefault((name, address), typed(name, found) if name.startswith("lpWSP") else found)
    return found


def _member(structure: type[ctypes.Structure], name: str) -> property:
    field = vars(structure)[name]

    def read(self: ctypes.Structure) -> Callable[..., Any] | None:
        return _to_function(name, field.__get__(self, structure))

    def write(self: ctypes.Structure, function: Any) -> None:
        field.__set__(self, _to_pointer(name, function))

    return property(read, write)


def _with_functions(structure: type[ctypes.Structure]) -> Callable[[Any], Any]:
    def add(kind: Any) -> Any:
        names = tuple(name for name, *_ in structure._fields_)
        for name in names:
            setattr(kind, name, _member(structure, name))
        kind.__slots__ = names  # what a provider that fills in all of them goes through
        return kind

    return add


@_with_functions(types.WSPPROC_TABLE)
class WSPPROC_TABLE(types.WSPPROC_TABLE):
    """Thirty functions, `lpWSPAccept` to `lpWSPStringToAddress`, that WSPStartup fills in; None until then."""


@_with_functions(types.WSPUPCALLTABLE)
class WSPUPCALLTABLE(types.WSPUPCALLTABLE):
    """The fifteen upcalls, `lpWPUCloseEvent` to `lpWPUCloseThread`, that WSPStartup gets by value."""


class LPWSPPROC_TABLE(ctypes.POINTER(WSPPROC_TABLE)):  # type: ignore[misc]
    """The pointer that WSPStartup gets; `lpProcTable.lpWSPSocket` works as `lpProcTable.contents.lpWSPSocket` does."""

    _type_ = WSPPROC_TABLE

    def __getattr__(self, name: str) -> Any:
        if name.startswith("lpWSP"):
            return getattr(self.contents, name)
        raise AttributeError(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("lpWSP"):
            setattr(self.contents, name, value)
        else:
            super().__setattr__(name, value)


def table_behind(argument: Any) -> Any:
    """Return the table that `lpProcTable` of a WSPStartup names, in whatever form it is passed; None for NULL.

    It has the thirty members either way: a `ProcTable` of ours, or a structure.
    """
    if argument is None or hasattr(argument, "missing"):  # a ProcTable, which is its own pointer
        return argument
    structure = getattr(argument, "_obj", None) or argument  # a byref
    if isinstance(structure, WSPPROC_TABLE):
        return structure
    address = address_of(argument)
    if not address:
        return None
    table = WSPPROC_TABLE.from_address(address)
    table._keeper = argument
    return table


@functools.cache
def upcall_structure(upcalls: Any) -> WSPUPCALLTABLE:
    """Return the upcall table as the structure that a C prototype takes by value."""
    structure = WSPUPCALLTABLE()
    for name, *_ in types.WSPUPCALLTABLE._fields_:
        setattr(structure, name, getattr(upcalls, name))
    return structure


def call_startup(startup: Callable[..., int], version: int, data: Any, info: Any, upcalls: Any, table: Any) -> int:
    """Call a WSPStartup with pointers, whatever its caller has passed; one with a ctypes prototype gets those, and the
    structure, that it declares.

    Parameters:
        table: what `table_behind` found.
    """
    pointers = pointer_to(data, _DATA), pointer_to(info, _INFO)
    if isinstance(table, WSPPROC_TABLE):
        table = LPWSPPROC_TABLE(table)
    declared = tuple(startup.argtypes or ()) if isinstance(startup, _Function) else ()
    if not declared:
        return startup(version, *pointers, upcalls, table)
    by_value = declared[3].from_buffer_copy(upcall_structure(upcalls.contents))
    given = [pointer_to(one, kind) for one, kind in zip(pointers, declared[1:3], strict=True)]
    return startup(version, *given, by_value, pointer_to(table, declared[4]))
