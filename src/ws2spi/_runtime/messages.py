"""Windows' message queues, as far as WSAAsyncSelect needs them: a window is a handle whose messages its thread polls.

There are no class procedures and nothing is dispatched: a client gets its messages with `get` or `peek`, in the order
in which they were posted. Posting takes no lock, so it may strike anywhere, like setting an event.
"""

from collections import deque
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from ws2spi._abi.constants import WM_QUIT
from ws2spi._executive.events import Event
from ws2spi._executive.handles import handles
from ws2spi._executive.threads import Thread, current
from ws2spi._executive.waits import wait

_FIRST, _LAST = 0, 0xFFFFFFFF
_MOST = 10_000  # messages in one queue, as on Windows


@dataclass(frozen=True, eq=False, slots=True)
class Message:
    """One message; numbers as they were posted."""

    window: int
    message: int
    wparam: int
    lparam: int


@dataclass(eq=False, slots=True)
class Queue:
    """The messages of one thread."""

    messages: deque[Message] = field(default_factory=deque)
    arrived: Event = field(default_factory=lambda: Event(manual=True))

    def post(self, message: Message) -> bool:
        """Append a message; False when the queue is full."""
        if len(self.messages) >= _MOST:
            return False
        self.messages.append(message)
        self.arrived.set()
        return True

    def take(self, window: int, first: int, last: int, remove: bool) -> Message | None:
        """The oldest message that passes the filter; WM_QUIT passes every one."""
        for found in tuple(self.messages):
            if found.window and window_of(found.window) is None:
                self._drop(found)  # posted while its window was destroyed
                continue
            passes = window in (0, found.window) and first <= found.message <= last
            if passes or found.message == WM_QUIT:
                if remove and not self._drop(found):
                    continue
                return found
        return None

    def forget(self, window: int) -> None:
        """Remove what was posted to a window."""
        for found in tuple(self.messages):
            if found.window == window:
                self._drop(found)

    def _drop(self, message: Message) -> bool:
        """Remove a message; False when an interrupt has taken it."""
        try:
            self.messages.remove(message)
        except ValueError:
            return False
        return True


class Window:
    """A window: a handle to a place in a thread's queue."""

    __slots__ = ("__weakref__", "handle", "queue")

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.handle = 0


_queues: "WeakKeyDictionary[Thread, Queue]" = WeakKeyDictionary()


def own_queue() -> Queue:
    """The calling thread's queue, made at its first use."""
    thread = current()
    queue = _queues.get(thread)
    if queue is None:
        queue = _queues.setdefault(thread, Queue())
    return queue


def create_window() -> int:
    """A new window of the calling thread; returns its handle."""
    window = Window(own_queue())
    window.handle = handles.insert(window)
    return window.handle


def window_of(handle: int) -> Window | None:
    """The window behind a handle."""
    return handles.get(handle, Window) if isinstance(handle, int) else None


def destroy_window(handle: int) -> bool:
    """Close a window; what waits for it is never seen, and leaves its place to others. False: no such window."""
    window = window_of(handle)
    if window is None or not handles.close(handle):
        return False
    window.queue.forget(handle)
    return True


def post(handle: int, message: int, wparam: int, lparam: int) -> bool:
    """Append a message to a window's queue; False: no such window, or 10,000 messages wait there. Safe anywhere."""
    window = window_of(handle)
    return window is not None and window.queue.post(Message(window.handle, message, wparam, lparam))


def post_quit(code: int) -> None:
    """Append WM_QUIT to the calling thread's queue."""
    own_queue().post(Message(0, WM_QUIT, code, 0))


def peek(window: int = 0, first: int = _FIRST, last: int = _LAST, *, remove: bool = True) -> Message | None:
    """The oldest message of the calling thread that passes the filter; None when there is none."""
    return own_queue().take(window, first, last, remove)


def get(window: int = 0, first: int = _FIRST, last: int = _LAST, timeout: float | None = None) -> Message | None:
    """As `peek`, waiting for it; None when `timeout` seconds are over. Runs no APCs."""
    queue = own_queue()
    while True:
        queue.arrived.reset()
        message = queue.take(window, first, last, True)
        if message is not None:
            return message
        if wait((queue.arrived,), timeout=timeout):
            return None


__all__ = [
    "Message",
    "Window",
    "create_window",
    "destroy_window",
    "get",
    "own_queue",
    "peek",
    "post",
    "post_quit",
    "window_of",
]
