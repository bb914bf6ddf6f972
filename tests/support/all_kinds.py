"""The hand-written pass-through provider for every protocol at once: one WSPStartup, one table, all families and kinds.

Below each chain lies another provider, so for each there is a `PassThrough` of its own, started when the first socket
of that kind is asked for; a call finds the right one by its handle's context. What needs no more than the handle
translated is done here, so that the table is whole.
"""

import ctypes
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from support.pass_through import IN_PROGRESS, INVALID_SOCKET, SOCKET_ERROR, PassThrough
from support.wrapping import Wrapping
from ws2spi._abi.types import INT, SOCKET, UINT, WSPDATA, WSPPROC_NAMES, fd_set
from ws2spi._engine.descriptors import shown_events
from ws2spi.testing.conformance.subject import ARRANGEMENTS, arranged
from ws2spi.ws2_32 import WSPPROC_TABLE

byref = ctypes.byref
_TRANSLATED = (
    "WSPEventSelect",
    "WSPEnumNetworkEvents",
    "WSPSendDisconnect",
    "WSPRecvDisconnect",
    "WSPGetQOSByName",
)


class AllKinds:
    """See the module's text."""

    def __init__(self) -> None:
        self.parts: dict[int, PassThrough] = {}  # {catalog id of our chain: who serves it}
        self.started: dict[int, tuple[PassThrough, Any]] = {}
        self.own_id = 0

    def installed(self, entries: Any) -> None:
        """Which entries are ours: the hidden one, then the chains."""
        self.own_id = entries[0].catalog_id
        self.kinds = {entry.kind: entry.catalog_id for entry in entries[1:]}
        for entry in entries[1:]:
            part = self.parts[entry.catalog_id] = self.part()
            part.own_id, part.catalog_id = self.own_id, entry.catalog_id

    def part(self) -> PassThrough:
        return Wrapping()

    def WSPStartup(self, version: int, data: Any, info: Any, upcalls: Any, table: Any) -> int:
        self.version, self.up = version, upcalls
        for name in WSPPROC_NAMES:
            setattr(table, f"lp{name}", getattr(self, name, None) or self._by_handle(name))
        data.contents.wVersion = data.contents.wHighVersion = 0x0202
        return 0

    def WSPSocket(self, af: int, type: int, protocol: int, info: Any, g: int, flags: int, lpErrno: Any) -> int:
        part = self._part_for(info, lpErrno)
        return INVALID_SOCKET if part is None else part.WSPSocket(af, type, protocol, info, g, flags, lpErrno)

    def _part_for(self, info: Any, lpErrno: Any) -> PassThrough | None:
        """Who serves the chain of a WSAPROTOCOL_INFOW, started if need be."""
        structure = info.contents
        kind = (structure.iAddressFamily, structure.iSocketType, structure.iProtocol)
        catalog_id = self.kinds[kind]
        if catalog_id not in self.started:
            table = WSPPROC_TABLE()
            part = self.parts[catalog_id]
            code = part.WSPStartup(self.version, ctypes.pointer(WSPDATA()), info, self.up, ctypes.pointer(table))
            if code:
                lpErrno.contents.value = code
                return None
            self.started[catalog_id] = part, table
        return self.started[catalog_id][0]

    def _owner(self, s: int, lpErrno: Any) -> tuple[PassThrough, Any] | None:
        value = ctypes.c_uint64()
        if self.up.lpWPUQuerySocketHandleContext(s, byref(value), lpErrno):
            return None
        for part, table in self.started.values():
            if value.value in part.contexts:
                return part, table
        lpErrno.contents.value = 10038
        return None

    def _by_handle(self, name: str) -> Any:
        failure = INVALID_SOCKET if name in ("WSPAccept", "WSPJoinLeaf") else SOCKET_ERROR
        failure = 0 if name in ("WSPGetOverlappedResult", "WSPGetQOSByName") else failure

        def call(s: int, *arguments: Any) -> int:
            owner = self._owner(s, arguments[-1])
            if owner is None:
                return failure
            part, table = owner
            if name in _TRANSLATED:
                context = part.find(s, arguments[-1])
                if context is None:
                    return failure
                return int(getattr(part.lower, f"lp{name}")(context.lower, *arguments))
            return int(getattr(table, f"lp{name}")(s, *arguments))

        return call

    def WSPDuplicateSocket(self, s: int, process: int, info: Any, lpErrno: Any) -> int:
        """The structure of the chain that the socket was made by, with what the provider below has reserved in it."""
        owner = self._owner(s, lpErrno)
        context = owner[0].find(s, lpErrno) if owner is not None else None
        if owner is None or context is None:
            return SOCKET_ERROR
        if owner[0].lower.lpWSPDuplicateSocket(context.lower, process, info, lpErrno):
            return SOCKET_ERROR
        reserved = info.contents.dwProviderReserved
        ctypes.memmove(info, context.info, len(context.info))
        info.contents.dwProviderReserved = reserved
        return 0

    def WSPJoinLeaf(self, s: int, *arguments: Any) -> int:
        """The socket itself, or a new one that gets a handle of ours."""
        lpErrno = arguments[-1]
        owner = self._owner(s, lpErrno)
        context = owner[0].find(s, lpErrno) if owner is not None else None
        if owner is None or context is None:
            return INVALID_SOCKET
        leaf = owner[0].lower.lpWSPJoinLeaf(context.lower, *arguments)
        if leaf in (INVALID_SOCKET, context.lower):
            return INVALID_SOCKET if leaf == INVALID_SOCKET else s
        return owner[0]._wrap(leaf, context.info, lpErrno)

    # Without a socket of one kind

    def WSPAddressToString(self, *arguments: Any) -> int:
        return self._by_info("lpWSPAddressToString", *arguments)

    def WSPStringToAddress(self, *arguments: Any) -> int:
        return self._by_info("lpWSPStringToAddress", *arguments)

    def _by_info(self, name: str, *arguments: Any) -> int:
        """The third argument says which provider below is meant, and is that one's own on the way down."""
        part = self._part_for(arguments[2], arguments[-1])
        if part is None:
            return SOCKET_ERROR
        info = arguments[2] if part.layered_below else ctypes.pointer(part.lower_info)
        return int(getattr(part.lower, name)(*arguments[:2], info, *arguments[3:]))

    def WSPCancelBlockingCall(self, lpErrno: Any) -> int:
        part, _ = next(iter(self.started.values()))  # the thread's call is the same whoever is asked
        return int(part.lower.lpWSPCancelBlockingCall(lpErrno))

    def WSPGetOverlappedResult(self, s: int, lpOverlapped: Any, *rest: Any) -> int:
        """Of a socket that is gone the structure tells it, which is every part's alike."""
        owner = self._owner(s, rest[-1])
        part = owner[0] if owner is not None else next(iter(self.parts.values()))
        if owner is None and lpOverlapped.contents.Internal == IN_PROGRESS:
            return 0
        return part.WSPGetOverlappedResult(s, lpOverlapped, *rest)

    def WSPSelect(self, nfds: int, reads: Any, writes: Any, excepts: Any, time: Any, lpErrno: Any) -> int:
        """Layering 8: the sets are built anew from lower sockets, and answered by WPUFDIsSet."""
        lower: list[Any] = []
        pairs: list[tuple[Any, Any, int, int]] = []  # (our set, the set below, our socket, the socket below)
        table = None
        for upper in (reads, writes, excepts):
            below = None
            if upper is not None:
                members = _members(upper)
                numbers = []
                for s in members:
                    owner = self._owner(s, lpErrno)
                    context = owner[0].find(s, lpErrno) if owner is not None else None
                    if owner is None or context is None:
                        return SOCKET_ERROR
                    table = owner[0].lower
                    numbers.append(context.lower)
                below = _set_of(numbers)
                pairs += [(upper, below, *both) for both in zip(members, numbers, strict=True)]
            lower.append(below)
        if table is None:
            lpErrno.contents.value = 10022
            return SOCKET_ERROR
        result = int(table.lpWSPSelect(nfds, *lower, time, lpErrno))
        if result >= 0:
            for upper in (reads, writes, excepts):
                if upper is not None:
                    upper.contents.fd_count = 0
            for upper, below, s, number in pairs:
                if self.up.lpWPUFDIsSet(number, below):
                    _array(upper)[upper.contents.fd_count] = s
                    upper.contents.fd_count += 1
        return result

    def WSPCleanup(self, lpErrno: Any) -> int:
        for part, _ in self.started.values():
            part.WSPCleanup(byref(INT()))
        self.started.clear()
        return 0


def _array(fdset: Any) -> Any:
    """The members of a set, which may be longer than its declaration."""
    return ctypes.cast(ctypes.addressof(fdset.contents) + fd_set.fd_array.offset, ctypes.POINTER(SOCKET))


def _members(fdset: Any) -> list[int]:
    return list(_array(fdset)[: fdset.contents.fd_count])


def _set_of(sockets: list[int]) -> Any:
    """A pointer to a set as long as it needs to be."""
    fields = [("fd_count", UINT), ("fd_array", SOCKET * max(len(sockets), 1))]
    long = type("LongSet", (ctypes.Structure,), {"_fields_": fields})(len(sockets), tuple(sockets))
    return ctypes.cast(ctypes.pointer(long), ctypes.POINTER(fd_set))


@contextmanager
def installed() -> Iterator[AllKinds]:
    """An `AllKinds` over the topmost entry of each protocol."""
    made = AllKinds()
    with arranged(lambda: made, ARRANGEMENTS[0]):
        _installed.append(made)
        try:
            yield made
        finally:
            _installed.remove(made)


_installed: list[AllKinds] = []


def full() -> bool:
    """Whether a send has got as far as it can: handed down to a base socket that has no room. True where none is
    installed, for there nothing is on its way that `settle` would not see.
    """
    for one in _installed:
        for part, _ in list(one.started.values()):
            with part.lock:
                sending = [record.context.lower for record in part.records.values() if record.function == "lpWSPSend"]
            if any(not shown_events(lower, select.POLLOUT) for lower in sending):
                return True
    return not _installed


def settle() -> None:
    """Let the private threads of what is installed run what they have been told of."""
    for one in _installed:
        for part, _ in list(one.started.values()):
            with part.lock:  # held by who starts it until it has an identity
                running = part.private is not None
            if running:
                ran = threading.Event()

                def tell(context: int, ran: threading.Event = ran) -> None:
                    ran.set()

                assert not one.up.lpWPUQueueApc(byref(part.private_id), tell, 0, byref(INT()))
                assert ran.wait(10)
