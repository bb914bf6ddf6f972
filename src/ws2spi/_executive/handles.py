"""The handle table of the process: numbers for events, threads and ports.

Handles are multiples of 4 from 0x10000 on and never given out twice, so they collide with no file descriptor (which
SOCKETs are) and a stale one names nothing. The low two bits of a handle are ignored (witness D13). Each step is one C
call, so the table needs no lock.
"""

import itertools
from collections.abc import Iterable
from typing import Any, TypeVar

_T = TypeVar("_T")

FIRST_HANDLE = 0x10000


class HandleTable:
    """Numbers to objects; an object lives at least as long as one number names it.

    `exactly(handle)` is the object of a handle as it was given out, of whatever kind, or None: the short way of `get`.
    """

    __slots__ = ("_numbers", "_objects", "exactly")

    def __init__(self) -> None:
        self._numbers = itertools.count(FIRST_HANDLE, 4)
        self._objects: dict[int, Any] = {}  # {handle: object}
        self.exactly = self._objects.get

    def __len__(self) -> int:
        return len(self._objects)

    def __repr__(self) -> str:
        return f"<HandleTable {len(self._objects)} open>"

    def insert(self, target: object) -> int:
        """A new handle for `target`."""
        handle = next(self._numbers)
        self._objects[handle] = target
        return handle

    def get(self, handle: int, kind: type[_T]) -> _T | None:
        """The object behind `handle` if it is a `kind`, else None."""
        target = self._objects.get(handle & ~3)
        return target if isinstance(target, kind) else None

    def get_all(self, numbers: Iterable[int], kind: type[_T]) -> list[_T] | None:
        """The objects behind several handles, or None if one of them is no `kind`."""
        at = self.exactly
        found = []
        for number in numbers:
            target = at(number & ~3)
            if not isinstance(target, kind):
                return None
            found.append(target)
        return found

    def duplicate(self, handle: int) -> int | None:
        """Another handle of the same object; None if `handle` names nothing."""
        target = self._objects.get(handle & ~3)
        return None if target is None else self.insert(target)

    def close(self, handle: int) -> bool:
        """Forget a handle; False if it names nothing. The last handle of an object that has `close` closes it."""
        target = self._objects.pop(handle & ~3, None)
        if target is None:
            return False
        closer = getattr(target, "close", None)
        if closer is not None and all(other is not target for other in tuple(self._objects.values())):
            closer()
        return True


handles = HandleTable()
