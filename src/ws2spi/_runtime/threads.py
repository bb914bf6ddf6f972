"""Threads as the SPI names them: WSATHREADID structures and the handles in them.

Rules:
1. Every structure holds a real handle of the executive's table, so a bitwise copy is as good as the original and a
   close kills all copies at once.
2. What `open_current` gave, and only that, can be closed here, once. The identity that the runtime itself passes to an
   overlapped function belongs to the runtime.
3. Closing is a dict pop and a handle close, each one C call: safe when a signal handler or `__del__` strikes between
   them. Nothing here touches the thread or its queue, so an APC that is queued already is still delivered.
"""

import os
import threading
from typing import Any, NamedTuple

from ws2spi._abi.types import WSATHREADID
from ws2spi._executive.handles import handles
from ws2spi._executive.threads import Thread, current


class ThreadId(NamedTuple):
    """A WSATHREADID in Python: the same two members, and as good as the structure everywhere."""

    ThreadHandle: int
    Reserved: int = 0


_opened: dict[int, Thread] = {}  # {handle given out by open_current and not yet closed: its thread}


def open_current() -> ThreadId:
    """Return a new identity of the calling thread; each call gives another one."""
    thread = current()
    handle = handles.insert(thread)
    _opened[handle] = thread
    return ThreadId(handle)


def close(identity: Any) -> bool:
    """Release what `open_current` gave; False when it is not one of those, or closed already."""
    handle = _handle_of(identity)
    if _opened.pop(handle, None) is None:
        return False
    handles.close(handle)
    return True


def resolve(identity: Any) -> Thread | None:
    """Return the thread that an identity names: a ThreadId, a WSATHREADID of any layout, or a Thread itself."""
    if isinstance(identity, Thread):
        return identity
    handle = _handle_of(identity)
    return handles.get(handle, Thread) if handle else None


def _handle_of(identity: Any) -> int:
    return getattr(identity, "ThreadHandle", None) or 0


class Own:
    """What the runtime keeps for one thread: the identity it passes down, and the operations the thread started.

    `operations` are those not yet told to the client; they are what the end of the thread cancels. `open_type` is the
    value of SO_OPENTYPE: with any but 0 the thread's socket() makes sockets that are not overlapped.
    """

    def __init__(self) -> None:
        self.thread = current()
        self.handle = handles.insert(self.thread)
        self.structure = WSATHREADID(self.handle, 0)
        self.operations: dict[Any, None] = {}  # {completion: None}
        self.open_type = 0

    def __del__(self) -> None:
        # Runs when the thread's locals are cleared, on the thread that ends.
        handles.close(self.handle)
        for operation in tuple(self.operations):
            operation.issuer_ended()


_local = threading.local()


def own() -> Own:
    """Return what belongs to the calling thread."""
    try:
        return _local.own  # type: ignore[no-any-return]
    except AttributeError:
        made: Own = _local.__dict__.setdefault("own", Own())
        return made


def own_structure() -> WSATHREADID:
    """Return the runtime's own WSATHREADID of the calling thread, the same one as long as the thread lives."""
    return own().structure


class ActingFor:
    """While inside, what the calling thread starts belongs to another one, and is not cancelled when it ends itself.

    For a layer that starts operations below on whatever thread happens to run it.
    """

    __slots__ = ("_mine", "_owner")

    def __init__(self, owner: Own) -> None:
        self._owner = owner

    def __enter__(self) -> None:
        self._mine = own()
        _local.own = self._owner

    def __exit__(self, *_: object) -> None:
        _local.own = self._mine


def _forget_after_fork() -> None:
    # What was pending goes on in the parent; nothing of it is cancelled here.
    inherited: Own | None = getattr(_local, "own", None)
    if inherited is not None:
        inherited.operations = {}
        _local.__dict__.clear()


os.register_at_fork(after_in_child=_forget_after_fork)
