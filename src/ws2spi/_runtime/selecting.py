"""select and WSAPoll: looking at several sockets at once, and waiting for one of them.

A provider takes part by two methods (`Observable`): what a socket shows now, and who is to be told when that may have
changed. A wait takes nothing and changes nothing, so it never disturbs what WSAEventSelect or WSAAsyncSelect keep.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.driving import Observer
from ws2spi._engine.lookout import wait_until
from ws2spi._engine.observing import BROKEN, DATA, END, ROOM, URGENT
from ws2spi._runtime.sockets import SocketEntry

# What a socket may show beyond what its connection does.
CONNECT_FAILED = 0x100  # the last connect of a non-blocking socket failed
RECEIVES_REFUSED = 0x200  # SD_RECEIVE: a receive ends at once, with an error
CLOSED = 0x400  # closesocket was called while somebody waited

_READ = DATA | END | BROKEN | RECEIVES_REFUSED
_EXCEPT = URGENT | CONNECT_FAILED

_R = TypeVar("_R")


class Observable(Protocol):
    """A provider whose sockets can be waited for."""

    def shown(self, entry: SocketEntry, wanted: int) -> int: ...
    def observe(self, entry: SocketEntry, observer: Observer, wanted: int) -> None: ...


class _Watched:
    """One distinct socket of a wait: the bits its caller asks for."""

    __slots__ = ("entry", "observer", "provider", "wanted")

    def __init__(self, provider: Observable, entry: SocketEntry) -> None:
        self.provider = provider
        self.entry = entry
        self.wanted = 0
        self.observer: Observer | None = None

    def arm(self, tell: Callable[[], object]) -> None:
        if self.observer is None:
            self.observer = Observer(tell)
        self.provider.observe(self.entry, self.observer, self.wanted)

    def disarm(self) -> None:
        if self.observer is not None:
            self.provider.observe(self.entry, self.observer, 0)


Sets = tuple[list[SocketEntry], list[SocketEntry], list[SocketEntry]]


def select(
    reads: Sequence[SocketEntry],
    writes: Sequence[SocketEntry],
    excepts: Sequence[SocketEntry],
    timeout: float | None,
) -> Sets:
    """WSPSelect over sockets of providers that can be observed; each list names a socket once.

    Parameters:
        timeout: seconds; 0: look once; None: no limit.
    Returns: the members of each set that are ready; all empty when the time is over.
    Errors:
        WSAENOTSOCK: a socket was closed meanwhile that is in no read set (one that is counts as ready).
        WSAEINTR: the call was cancelled.
    """
    watched: dict[SocketEntry, _Watched] = {}
    for members, bits in ((reads, _READ), (writes, ROOM), (excepts, _EXCEPT)):
        for entry in members:
            one = watched.get(entry)
            if one is None:
                provider: Any = entry.provider
                one = watched[entry] = _Watched(provider, entry)
            one.wanted |= bits

    def look() -> Sets | None:
        shown = {entry: one.provider.shown(entry, one.wanted) for entry, one in watched.items()}
        for entry, bits in shown.items():
            if bits & CLOSED and entry not in reads:
                raise WinsockError(WSAError.WSAENOTSOCK, f"socket {entry.number} was closed")
        ready = (
            [entry for entry in reads if shown[entry] & (_READ | CLOSED)],
            [entry for entry in writes if shown[entry] & ROOM],
            [entry for entry in excepts if shown[entry] & _EXCEPT],
        )
        return ready if any(ready) else None

    return _wait(list(watched.values()), look, timeout) or ([], [], [])


def poll(
    sockets: Sequence[tuple[Observable, SocketEntry] | None], events: Sequence[int], timeout: float | None
) -> list[int]:
    """WSAPoll: the flags of each socket.

    Parameters:
        sockets: provider and entry of each element; None for one that is left out.
        events: the flags asked for.
        timeout: seconds; 0: look once; None: no limit.
    Returns: `revents` of each element, POLLNVAL for a socket that was closed meanwhile.
    Errors:
        WSAEINTR: the call was cancelled.
    """
    members: list[_Watched | None] = []
    for one, asked in zip(sockets, events, strict=True):
        member = None
        if one is not None:
            member = _Watched(*one)
            # Ends, resets and failed connects are told of without being asked for.
            member.wanted = END | BROKEN | CONNECT_FAILED
            member.wanted |= DATA | RECEIVES_REFUSED if asked & c.POLLRDNORM else 0
            member.wanted |= URGENT if asked & c.POLLRDBAND else 0
            member.wanted |= ROOM if asked & c.POLLWRNORM else 0
        members.append(member)

    def look() -> list[int] | None:
        flags = [
            0 if one is None else _flags(one.provider.shown(one.entry, one.wanted), asked)
            for one, asked in zip(members, events, strict=True)
        ]
        return flags if any(flags) else None

    return _wait([one for one in members if one is not None], look, timeout) or [0] * len(events)


def _flags(shown: int, asked: int) -> int:
    if shown & CLOSED:
        return c.POLLNVAL
    flags = 0
    if shown & (DATA | RECEIVES_REFUSED):
        flags |= asked & c.POLLRDNORM
    if shown & URGENT:
        flags |= asked & c.POLLRDBAND
    if shown & ROOM:
        flags |= asked & c.POLLWRNORM
    if shown & END:
        flags |= c.POLLHUP
    if shown & (BROKEN | CONNECT_FAILED):
        flags |= c.POLLHUP | c.POLLERR | asked & c.POLLWRNORM
    return flags


def _wait(watched: list[_Watched], look: Callable[[], _R | None], timeout: float | None) -> _R | None:
    def arm(tell: Callable[[], None]) -> None:
        for one in watched:
            one.arm(tell)

    try:
        return wait_until(look, arm, timeout)
    finally:
        for one in watched:
            one.disarm()
