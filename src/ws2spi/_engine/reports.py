"""One-line reports to the person who runs the program: a layer that failed, a step that held everybody up.

A report is a sentence without a prefix. Where it goes is decided by the front door in use; a library must not print
unasked, but a failing layer closes connections, and the user must learn whose fault that was.
"""

import sys
from collections.abc import Callable

Sink = Callable[[str], None]


def _to_stderr(text: str) -> None:
    # A closed stderr must not turn a report into a second failure.
    try:
        sys.stderr.write(f"ws2spi: {text}\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        pass


_sink: Sink = _to_stderr


def report(text: str) -> None:
    """Hand one line to the current sink. Never raises."""
    try:
        _sink(text)
    except Exception:
        _to_stderr(text)


def set_sink(sink: Sink | None) -> Sink:
    """Send reports to `sink` from now on (None: back to stderr). Returns the sink used before."""
    global _sink
    before = _sink
    _sink = sink or _to_stderr
    return before
