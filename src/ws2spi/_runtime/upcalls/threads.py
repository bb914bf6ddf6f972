"""Thread identities and APCs: WPUOpenCurrentThread, WPUCloseThread, WPUQueueApc (spec: upcalls 4).

`queue_apc` and `close_thread` take no lock: they may strike, from a signal handler or `__del__`, while the same thread
is inside them.
"""

from collections.abc import Callable
from typing import Any

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._runtime import threads
from ws2spi._runtime.process import runtime
from ws2spi._runtime.threads import ThreadId


def open_current_thread() -> ThreadId:
    """Return a new identity of the calling thread, to be handed to an overlapped function and closed afterwards.

    Errors:
        WSANOTINITIALISED: no successful start-up yet.
    """
    runtime.require_upcalls()
    return threads.open_current()


def close_thread(identity: Any) -> None:
    """Release an identity that `open_current_thread` gave; any copy of it will do, and all copies die with it.

    Errors:
        WSANOTINITIALISED: no successful start-up yet.
        WSAEFAULT: not one of those, or closed before; nothing happens then.
    """
    runtime.require_upcalls()
    if not threads.close(identity):
        raise WinsockError(WSAError.WSAEFAULT, "not an open thread identity")


def queue_apc(identity: Any, routine: Callable[[Any], object] | None, context: Any) -> None:
    """Append `routine(context)` to the APCs of a thread; it runs in an alertable wait of that thread, never here.

    Errors:
        WSAEFAULT: the identity names no living thread, or there is no routine.
    """
    thread = threads.resolve(identity)
    if thread is None or not routine or not thread.queue_apc(routine, context):
        raise WinsockError(WSAError.WSAEFAULT, "not a living thread" if routine else "no routine")
