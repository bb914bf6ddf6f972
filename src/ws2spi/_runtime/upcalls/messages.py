"""Window messages: WPUPostMessage (spec: upcalls 7.2)."""

from ws2spi._runtime import messages


def post_message(window: int, message: int, wparam: int, lparam: int) -> bool:
    """Append a message to a window's queue; False when there is no such window. Safe in an interrupt context."""
    return messages.post(window, message, wparam, lparam)


def is_window(window: int) -> bool:
    """Whether a handle names a window."""
    return messages.window_of(window) is not None
