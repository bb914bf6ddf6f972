"""The hand-written pass-through provider for every protocol at once: one WSPStartup, one table, all families and kinds.

Below each chain lies another provider, so for each there is a `PassThrough` of its own, started when the first socket
of that kind is asked for; a call finds the right one by its handle's context. What needs no more than the handle
translated is done here, so that the table is whole.
"""

import ctypes
from typing import Any

from support.pass_through import INVALID_SOCKET, SOCKET_ERROR, PassThrough
from ws2spi import ws2_32
from ws2spi._abi.types import INT, WSPDATA, WSPPROC_NAMES
from ws2spi._runtime.tables import ProcTable

byref = ctypes.byref
_TRANSLATED = (
    "WSPEventSelect",
    "WSPEnumNetworkEvents",
    "WSPAsyncSelect",
    "WSPSendDisconnect",
    "WSPRecvDisconnect",
)


class AllKinds:
    """See the module's text."""

    def __init__(self) -> None:
        self.parts: dict[int, PassThrough] = {}  # {catalog id of our chain: who serves it}
        self.started: dict[int, tuple[PassThrough, ProcTable]] = {}
        self.own_id = 0

    def installed(self, entries: Any) -> None:
        """Which entries are ours: the hidden one, then the chains."""
        self.own_id = entries[0].catalog_id
        self.kinds = {entry.kind: entry.catalog_id for entry in entries[1:]}
        for entry in entries[1:]:
            part = self.parts[entry.catalog_id] = self.part()
            part.own_id, part.catalog_id = self.own_id, entry.catalog_id

    def part(self) -> PassThrough:
        return PassThrough()

    def WSPStartup(self, version: int, data: Any, info: Any, upcalls: Any, table: Any) -> int:
        self.version, self.up = version, upcalls
        for name in WSPPROC_NAMES:
            setattr(table, f"lp{name}", getattr(self, name, None) or self._by_handle(name))
        data.contents.wVersion = data.contents.wHighVersion = 0x0202
        return 0

    def WSPSocket(self, af: int, type: int, protocol: int, info: Any, g: int, flags: int, lpErrno: Any) -> int:
        structure = info.contents
        kind = (structure.iAddressFamily, structure.iSocketType, structure.iProtocol)
        catalog_id = self.kinds[kind]
        if catalog_id not in self.started:
            table = ProcTable()
            part = self.parts[catalog_id]
            code = part.WSPStartup(self.version, ctypes.pointer(WSPDATA()), info, self.up, table)
            if code:
                lpErrno.contents.value = code
                return INVALID_SOCKET
            self.started[catalog_id] = part, table
        return self.started[catalog_id][0].WSPSocket(af, type, protocol, info, g, flags, lpErrno)

    def _owner(self, s: int, lpErrno: Any) -> tuple[PassThrough, ProcTable] | None:
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
                return part._translate(f"lp{name}", s, *arguments)
            return int(getattr(table, f"lp{name}")(s, *arguments))

        return call

    # Without a socket of one kind

    def WSPAddressToString(self, *arguments: Any) -> int:
        return self._any("lpWSPAddressToString", *arguments)

    def WSPStringToAddress(self, *arguments: Any) -> int:
        return self._any("lpWSPStringToAddress", *arguments)

    def WSPCancelBlockingCall(self, lpErrno: Any) -> int:
        return self._any("lpWSPCancelBlockingCall", lpErrno)

    def _any(self, name: str, *arguments: Any) -> int:
        part, _ = next(iter(self.started.values()))
        return int(getattr(part.lower, name)(*arguments))

    def WSPSelect(self, nfds: int, reads: Any, writes: Any, excepts: Any, time: Any, lpErrno: Any) -> int:
        """Layering 8: the sets are built anew from lower sockets, and answered by WPUFDIsSet."""
        lower: list[Any] = []
        pairs: list[tuple[Any, Any, int, int]] = []
        table = None
        for upper in (reads, writes, excepts):
            below = None
            if upper is not None:
                below = ws2_32.fd_set()
                for s in list(upper.contents.fd_array[: upper.contents.fd_count]):
                    owner = self._owner(s, lpErrno)
                    context = owner[0].find(s, lpErrno) if owner is not None else None
                    if owner is None or context is None:
                        return SOCKET_ERROR
                    table = owner[0].lower
                    ws2_32.FD_SET(context.lower, byref(below))
                    pairs.append((upper, below, s, context.lower))
            lower.append(below)
        if table is None:
            lpErrno.contents.value = 10022
            return SOCKET_ERROR
        given = [None if one is None else ctypes.pointer(one) for one in lower]
        result = int(table.lpWSPSelect(nfds, *given, time, lpErrno))
        if result >= 0:
            for upper in (reads, writes, excepts):
                if upper is not None:
                    ws2_32.FD_ZERO(upper)
            for upper, below, s, number in pairs:
                if self.up.lpWPUFDIsSet(number, ctypes.pointer(below)):
                    ws2_32.FD_SET(s, upper)
        return result

    def WSPCleanup(self, lpErrno: Any) -> int:
        for part, _ in self.started.values():
            part.WSPCleanup(byref(INT()))
        self.started.clear()
        return 0
