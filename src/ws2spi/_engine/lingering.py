"""What its clients have closed and what is not yet at its end: bytes that were accepted are still on their way.

closesocket returns at once; who ends the process or the runtime waits here, because the engine's thread dies with the
process and the bytes with it.
"""

import time

from ws2spi._executive.events import Event
from ws2spi._executive.waits import wait

PATIENCE = 10.0  # seconds that the end of a process waits for peers that do not read

_left: dict[int, object] = {}  # {id: connection or handle}
_changed = Event(manual=True)


def begin(what: object) -> None:
    """`what` is closed, but not done. Any thread or interrupt."""
    _left[id(what)] = what


def end(what: object) -> None:
    """`what` is done, if it ever lingered. Any thread or interrupt."""
    if _left.pop(id(what), None) is not None:
        _changed.set()


def finish(patience: float = PATIENCE) -> int:
    """Wait until nothing lingers, at most `patience` seconds. Returns how many do even then."""
    deadline = time.monotonic() + patience
    while True:
        _changed.reset()  # before the look, so that an end after it is not missed
        left = deadline - time.monotonic()
        if not _left or left <= 0:
            return len(_left)
        wait((_changed,), timeout=left)


def forget() -> None:
    """In a forked child: what lingers is the parent's."""
    _left.clear()
