"""Blocking hooks, a matter of Winsock 1.1: a function of the client's that runs while a call of its thread blocks.

Rules:
1. A hook belongs to one thread. While a call really waits, it is called again and again; as long as it returns TRUE at
   once, then after a moment.
2. While it runs, nothing else of its thread may block: such a call ends with WSAEINPROGRESS.
3. It may cancel the blocked call, which then ends with WSAEINTR.

Our own engine runs the hook itself (`Thread.idle`). A hand-written provider asks for the callback and calls it.
"""

import ctypes
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.types import BOOL, DWORD_PTR, INT
from ws2spi._executive.threads import Thread, current
from ws2spi._runtime.process import runtime
from ws2spi._runtime.serve import table_of

Function = Callable[[], object]


class Hook:
    """The hook of one thread.

    Attributes:
        function: the client's.
        given: what the client passed, to be handed back to it.
        running: whether it runs now; cancelled: whether it has cancelled the call that blocks.
        catalog_id: whose call blocks: that of a hand-written provider, or 0.
    """

    __slots__ = ("cancelled", "catalog_id", "function", "given", "running")

    def __init__(self, function: Function, given: Any) -> None:
        self.function = function
        self.given = given
        self.running = False
        self.cancelled = False
        self.catalog_id = 0

    def run(self, catalog_id: int = 0) -> bool:
        """Call the hook until it has nothing more to do. Returns False when the blocked call was cancelled."""
        thread = current()
        outer = (self.running, self.catalog_id)
        idle, thread.idle = thread.idle, _refuse
        self.running, self.catalog_id, self.cancelled = True, catalog_id, False
        try:
            while self.function() and not self.cancelled:
                pass
        finally:
            self.running, self.catalog_id = outer
            thread.idle = idle
        return not self.cancelled


def _refuse() -> bool:
    raise WinsockError(WSAError.WSAEINPROGRESS, "a blocking call inside a blocking hook")


_hooks: "WeakKeyDictionary[Thread, Hook]" = WeakKeyDictionary()


def _require_old_client() -> None:
    """Hooks exist for clients of version 1.1 alone."""
    runtime.require()
    if runtime.oldest & 0xFF >= 2:
        raise WinsockError(WSAError.WSAEOPNOTSUPP, "blocking hooks need a WSAStartup of version 1.1")


def set_hook(function: Function | None, given: Any = None) -> Any:
    """Install the calling thread's hook; None: the default again, which does nothing. Returns what was given before.

    Errors:
        WSANOTINITIALISED. WSAEOPNOTSUPP: no client of version 1.1.
    """
    _require_old_client()
    thread = current()
    before = _hooks.pop(thread, None)
    thread.idle = None
    if function is not None:
        hook = _hooks[thread] = Hook(function, given)
        thread.idle = hook.run
    return None if before is None else before.given


def is_blocking() -> bool:
    """Whether a call of this thread blocks now, further up its stack."""
    thread = current()
    hook = _hooks.get(thread)
    return thread.blocked is not None or (hook is not None and hook.running)


def cancel() -> None:
    """End the call of this thread that blocks now with WSAEINTR.

    Errors:
        WSANOTINITIALISED. WSAEOPNOTSUPP: no client of version 1.1. WSAEINVAL: nothing blocks.
        What the provider of the blocked call answers.
    """
    _require_old_client()
    thread = current()
    hook = _hooks.get(thread)
    if hook is not None and hook.running and hook.catalog_id:
        _cancel_through_provider(hook.catalog_id)
    elif thread.blocked is not None:
        thread.blocked()
    else:
        raise WinsockError(WSAError.WSAEINVAL, "no blocking call")
    if hook is not None:
        hook.cancelled = True


def _cancel_through_provider(catalog_id: int) -> None:
    entry = runtime.catalog.get(catalog_id)
    if entry is None:
        raise WinsockError(WSAError.WSAEINVAL, f"catalog entry {catalog_id}")
    code = INT()
    if table_of(runtime.provider(entry)).lpWSPCancelBlockingCall(ctypes.byref(code)):
        raise WinsockError(code.value or WSAError.WSASYSCALLFAILURE, "WSPCancelBlockingCall")


def query_blocking_callback(catalog_id: int) -> tuple[Callable[[int], int] | None, int]:
    """Return (callback, what to pass to it) of the calling thread; the callback is None without a hook.

    Errors:
        WSAEINVAL: no such catalog entry.
    """
    if runtime.catalog.get(catalog_id) is None:
        raise WinsockError(WSAError.WSAEINVAL, f"catalog entry {catalog_id}")
    return (None, 0) if current() not in _hooks else (_callback, catalog_id)


def _callback(context: int) -> int:
    hook = _hooks.get(current())
    return int(hook is None or hook.run(context))


_pointers: list[Any] = []  # the callback as a C function, made once


def pointer_to_callback() -> int:
    """The address of the callback, for who stores it in C memory."""
    if not _pointers:
        _pointers.append(ctypes.CFUNCTYPE(BOOL, DWORD_PTR)(_callback))
    return ctypes.cast(_pointers[0], ctypes.c_void_p).value or 0
