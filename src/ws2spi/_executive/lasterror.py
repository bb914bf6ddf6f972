"""The per-thread last-error slot: one for WSAGetLastError and GetLastError."""

from ws2spi._executive.threads import current


def get() -> int:
    """The calling thread's last error code."""
    return current().last_error


def set(code: int) -> None:
    """Store `code` as the calling thread's last error."""
    current().last_error = code
