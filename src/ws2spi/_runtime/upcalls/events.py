"""Events: WPUCreateEvent, WPUCloseEvent, WPUSetEvent, WPUResetEvent (spec: upcalls 6).

`set_event` and `reset_event` take no lock: they may strike from a signal handler or `__del__` while the same thread is
inside them. The low two bits of a handle are ignored, as with every event handle.
"""

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._executive.events import Event
from ws2spi._executive.handles import handles


def create_event() -> int:
    """Return the handle of a new manual-reset event, not signalled; its creator closes it."""
    return handles.insert(Event(manual=True))


_exactly = handles.exactly


def _event(handle: int) -> Event:
    event = handles.get(handle, Event)
    if event is None:
        raise WinsockError(WSAError.WSA_INVALID_HANDLE, f"event {handle}")
    return event


def close_event(handle: int) -> None:
    """Close an event; waits that have begun go on with it.

    Errors:
        WSA_INVALID_HANDLE: not an open event.
    """
    _event(handle)
    if not handles.close(handle):
        raise WinsockError(WSAError.WSA_INVALID_HANDLE, f"event {handle}")


def set_event(handle: int) -> None:
    """Signal an event.

    Errors:
        WSA_INVALID_HANDLE: not an open event.
    """
    event = _exactly(handle)
    if type(event) is not Event:
        event = _event(handle)
    event.set()


def reset_event(handle: int) -> None:
    """Take an event's signal away.

    Errors:
        WSA_INVALID_HANDLE: not an open event.
    """
    event = _exactly(handle)
    if type(event) is not Event:
        event = _event(handle)
    event.reset()
