"""Clients of WSAEventSelect, WSAAsyncSelect, select and WSAPoll."""

import ctypes
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from support import all_kinds
from support.threads import until
from support.winsock import byref, error, is_set
from ws2spi import ws2_32
from ws2spi._abi import constants as c

ALL = c.FD_ALL_EVENTS
UNTOUCHED = -77


class Selected:
    """A socket with an event: what was recorded."""

    def __init__(self, s: int, mask: int, event: int) -> None:
        self.s = s
        self.event = event
        assert ws2_32.WSAEventSelect(s, event, mask) == 0, error()

    def again(self, mask: int) -> None:
        """WSAEventSelect once more."""
        assert ws2_32.WSAEventSelect(self.s, self.event, mask) == 0, error()

    def record(self, event: int | None = -1) -> dict[int, int]:
        """{event: code} of WSAEnumNetworkEvents, which resets our event (or `event`)."""
        return enumerated(self.s, self.event if event == -1 else event)

    def told(self, *events: int) -> dict[int, int]:
        """Wait until the event is set and exactly `events` are recorded, enumerating as often as it takes."""
        found: dict[int, int] = {}

        def came() -> bool:
            if is_set(self.event):
                found.update(self.record())
            return set(events) <= set(found)

        until(came)
        assert set(found) == set(events), found
        return found

    def silent(self) -> bool:
        """Nothing was recorded, and the event is not set, after all that is on its way has arrived."""
        settle(self.s)
        return not is_set(self.event) and self.record() == {}


def enumerated(s: int, event: int | None = None) -> dict[int, int]:
    """{event: code} of WSAEnumNetworkEvents."""
    events = ws2_32.WSANETWORKEVENTS()
    for index in range(10):
        events.iErrorCode[index] = UNTOUCHED
    assert ws2_32.WSAEnumNetworkEvents(s, event, byref(events)) == 0, error()
    bits = [1 << index for index in range(10) if events.lNetworkEvents >> index & 1]
    for index in range(10):
        if 1 << index not in bits:
            assert events.iErrorCode[index] == UNTOUCHED  # M9
    return {bit: events.iErrorCode[bit.bit_length() - 1] for bit in bits}


def settle(s: int) -> None:
    """Let the engine look at everything that is there: two full rounds of its loop, and of hand-written ones."""
    import threading

    from ws2spi._runtime.process import runtime

    for _ in range(2):
        done = threading.Event()
        runtime.engine.call_soon(done.set)
        assert done.wait(10)
        all_kinds.settle()


@contextmanager
def selected(s: int, mask: int) -> Iterator[Selected]:
    """WSAEventSelect with an event of its own."""
    event = ws2_32.WSACreateEvent()
    yield Selected(s, mask, event)
    ws2_32.WSACloseEvent(event)


def fdset(sockets: Iterable[int]) -> Any:
    """An fd_set with as much room as it needs."""
    numbers = list(sockets)

    class Set(ctypes.Structure):
        _fields_ = (("fd_count", ctypes.c_uint32), ("fd_array", ctypes.c_uint64 * max(1, len(numbers))))

    made = Set()
    made.fd_count = len(numbers)
    made.fd_array[: len(numbers)] = numbers
    return made


def in_set(one: Any) -> list[int]:
    """The members of a set."""
    return list(one.fd_array[: one.fd_count])


def select(
    reads: Iterable[int] | None = None,
    writes: Iterable[int] | None = None,
    excepts: Iterable[int] | None = None,
    seconds: float | None = 0.0,
) -> tuple[int, list[list[int]]]:
    """(result or minus the code, the three sets afterwards)."""
    sets = [None if one is None else fdset(one) for one in (reads, writes, excepts)]
    time = None if seconds is None else byref(ws2_32.TIMEVAL(int(seconds), int(seconds % 1 * 1_000_000)))
    result = ws2_32.select(-5, *(None if one is None else byref(one) for one in sets), time)
    return result if result >= 0 else -error(), [[] if one is None else in_set(one) for one in sets]


def polled(members: Iterable[tuple[int, int]], milliseconds: int = 0) -> tuple[int, list[int]]:
    """(result or minus the code, revents of each) of WSAPoll."""
    given = list(members)
    array = (ws2_32.WSAPOLLFD * max(1, len(given)))()
    for one, (s, events) in zip(array, given, strict=False):
        one.fd, one.events, one.revents = s, events, 0x7777
    result = ws2_32.WSAPoll(array, len(given), milliseconds)
    return result if result >= 0 else -error(), [one.revents for one in array][: len(given)]


def fill(s: int) -> int:
    """Send until nothing goes any more; returns how much was taken. What was selected hears of room in between."""
    piece = b"x" * 65536
    total = 0

    def there_is_room() -> bool:
        settle(s)  # what a layer has taken may still find room below
        return bool(select(writes=[s])[0])

    while True:
        while (sent := ws2_32.send(s, piece, len(piece), 0)) >= 0:
            total += sent
        assert error() == 10035
        until(lambda: there_is_room() or all_kinds.full())
        if not there_is_room():
            return total
