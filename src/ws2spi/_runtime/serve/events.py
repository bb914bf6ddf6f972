"""Readiness: WSPSelect, WSPEventSelect, WSPEnumNetworkEvents, WSPAsyncSelect, and WSPCancelBlockingCall.

A provider that has no such method answers WSAEOPNOTSUPP.
"""

from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of, deref
from ws2spi._abi.types import TIMEVAL, WSANETWORKEVENTS
from ws2spi._executive.events import Event
from ws2spi._executive.handles import handles
from ws2spi._executive.threads import current
from ws2spi._runtime import fdsets, selecting
from ws2spi._runtime.serve.answering import Family, integer
from ws2spi._runtime.sockets import SocketEntry, sockets


class Events(Family):
    """What tells a client that a call would not block."""

    def _able(self, method: str) -> Any:
        found = getattr(self.provider, method, None)
        if found is None:
            raise WinsockError(WSAError.WSAEOPNOTSUPP, method)
        return found

    @integer
    def WSPEventSelect(self, s: int, hEventObject: Any, lNetworkEvents: int) -> int:
        event_select = self._able("event_select")
        entry = self.entry(s)
        mask = lNetworkEvents & c.FD_ALL_EVENTS
        event = _event(hEventObject)
        if mask and event is None:
            raise WinsockError(WSAError.WSAEINVAL, f"event {hEventObject}")
        event_select(entry, event, mask)
        return 0

    @integer
    def WSPEnumNetworkEvents(self, s: int, hEventObject: Any, lpNetworkEvents: Any) -> int:
        enum_network_events = self._able("enum_network_events")
        entry = self.entry(s)
        target = deref(lpNetworkEvents, WSANETWORKEVENTS)
        if target is None:
            raise WinsockError(WSAError.WSAEFAULT, "no place for the events")
        event = _event(hEventObject)
        if event is None and _number(hEventObject):
            raise WinsockError(WSAError.WSAEINVAL, f"event {hEventObject}")
        record, codes = enum_network_events(entry, event)
        target.lNetworkEvents = record
        for bit, code in codes.items():
            target.iErrorCode[bit.bit_length() - 1] = code
        return 0

    @integer
    def WSPAsyncSelect(self, s: int, hWnd: Any, wMsg: int, lEvent: int) -> int:
        async_select = self._able("async_select")
        entry = self.entry(s)
        async_select(entry, _number(hWnd), wMsg & 0xFFFFFFFF, lEvent & c.FD_ALL_EVENTS)
        return 0

    @integer
    def WSPSelect(self, nfds: int, readfds: Any, writefds: Any, exceptfds: Any, timeout: Any) -> int:
        self._able("observe")
        sets = (readfds, writefds, exceptfds)
        reads, writes, excepts = (self._members(one) for one in sets)
        if not (reads or writes or excepts):
            raise WinsockError(WSAError.WSAEINVAL, "no socket")
        ready = selecting.select(reads, writes, excepts, _seconds(timeout))
        for one, found in zip(sets, ready, strict=True):
            fdsets.store(one, [entry.number for entry in found])
        return sum(map(len, ready))

    def _members(self, fdset: Any) -> list[SocketEntry]:
        """The entries of a set, each once: this provider's own, and those of its kin, as IPv4 and IPv6 are."""
        return list(dict.fromkeys(self._member(number) for number in fdsets.members(fdset)))

    def _member(self, number: int) -> SocketEntry:
        try:
            return self.entry(number)
        except WinsockError:
            found = sockets.entries.get(number)
            is_kin: Any = getattr(self.provider, "is_kin", None)
            for one in found.layers() if found is not None and is_kin is not None else ():
                if is_kin(one.provider):
                    return one
            raise

    @integer
    def WSPCancelBlockingCall(self) -> int:
        end = current().blocked
        if end is None:
            raise WinsockError(WSAError.WSAEINVAL, "no blocking call")
        end()
        return 0


def _number(handle: Any) -> int:
    value = getattr(handle, "value", handle)
    return value if type(value) is int else address_of(value)


def _event(handle: Any) -> Event | None:
    return handles.get(_number(handle) & ~3, Event)


def _seconds(timeout: Any) -> float | None:
    """A timeval in seconds; None for NULL.

    Errors:
        WSAEINVAL: a negative time.
    """
    given = deref(timeout, TIMEVAL)
    if given is None:
        return None
    if given.tv_sec < 0 or given.tv_usec < 0:
        raise WinsockError(WSAError.WSAEINVAL, "a negative time-out")
    seconds: float = given.tv_sec + given.tv_usec / 1_000_000
    return seconds
