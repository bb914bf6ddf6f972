"""A non-IFS layered provider written by hand, with nothing but the SPI: WSPStartup, the upcall table, the lower table.

It does what such a layer must do (spec: layering 4 and 5): a handle of its own with a context, the context asked for on
every call, an OVERLAPPED of its own for the layer below, a completion routine on a private thread that waits alertably,
and then the client's own way of being told. It changes no byte; it counts them.
"""

import ctypes
import itertools
import threading
import uuid
from typing import Any

from ws2spi import ctypes as win
from ws2spi import kernel32
from ws2spi._abi.types import (
    DWORD,
    GUID,
    INT,
    OVERLAPPED,
    WSABUF,
    WSAPROTOCOL_INFOW,
    WSATHREADID,
    WSPPROC_NAMES,
)
from ws2spi._runtime.catalog import CatalogEntry
from ws2spi._runtime.loading import install_provider, load_startup
from ws2spi.ws2_32 import WSPPROC_TABLE

byref = ctypes.byref
SOCKET_ERROR, INVALID_SOCKET = -1, 2**64 - 1
WSA_IO_PENDING, WSA_IO_INCOMPLETE = 997, 996
WSAENOTSOCK, WSAEFAULT = 10038, 10014
IN_PROGRESS = 0x103
INFINITE = 0xFFFFFFFF


class Context:
    """What a handle's context value stands for."""

    def __init__(self, lower: int, info: bytes) -> None:
        self.lower = lower
        self.info = info  # the chain's WSAPROTOCOL_INFOW that the socket was made by
        self.upper = 0
        self.outstanding = 0
        self.closing = False
        self.sent = 0
        self.received = 0


class Record:
    """One overlapped call of a client, with the structure that goes down in its place."""

    def __init__(self, function: str, context: Context, client: Any, routine: Any) -> None:
        self.overlapped = OVERLAPPED()  # known below by its address
        self.function = function
        self.context = context
        self.client = client
        self.routine = routine
        self.identity = WSATHREADID()
        self.opened = False
        self.flags = DWORD()
        self.buffers: Any = None
        self.count = 0
        self.result = (0, 0, 0)


class PassThrough:
    """One installed layer; `install` makes its entries above every entry of `base`'s kind."""

    def __init__(self) -> None:
        self.contexts: dict[int, Context] = {}  # {context value: what it stands for}
        self.records: dict[int, Record] = {}  # {address of its OVERLAPPED, or an APC's context: record}
        self.lock = threading.RLock()
        self.calls: list[str] = []
        self.lower: Any = None
        self.up: Any = None
        self.private: threading.Thread | None = None
        self.private_id = WSATHREADID()
        self.stopping = False
        self.routine = ROUTINE(self._completed)

    def install(self, base: CatalogEntry) -> CatalogEntry:
        """Install the layer's own (hidden) entry and a chain over `base`; return the chain's entry."""
        own = CatalogEntry(
            base.address_family,
            base.socket_type,
            base.protocol,
            "pass-through",
            uuid.uuid4(),
            base=False,
            provider_flags=4,
        )
        chain = CatalogEntry(
            base.address_family,
            base.socket_type,
            base.protocol,
            f"pass-through over [{base.name}]",
            uuid.uuid4(),
            chain=(0, *(base.chain or (base.catalog_id,))),
            service_flags=base.service_flags & ~0x20000,
        )
        own, chain = install_provider(self.WSPStartup, [own, chain])
        self.own_id, self.catalog_id = own.catalog_id, chain.catalog_id
        return chain

    # Starting

    def WSPStartup(
        self, wVersionRequested: int, lpWSPData: Any, lpProtocolInfo: Any, UpcallTable: Any, lpProcTable: Any
    ) -> int:
        self.calls.append("WSPStartup")
        self.up = UpcallTable
        # The chain may be that of a layer above: what lies below stands behind our own entry in it.
        # There it stands under its hidden entry's id, or under its chain's where another layer was put over that.
        members = list(lpProtocolInfo.contents.ProtocolChain.ChainEntries)
        ours = {self.own_id, self.catalog_id}
        self.lower_info = self._entry(next(low for one, low in itertools.pairwise(members) if one in ours))
        path, length = (ctypes.c_uint16 * 260)(), INT(260)
        failed = UpcallTable.lpWPUGetProviderPath(byref(self.lower_info.ProviderId), path, byref(length), byref(INT()))
        assert not failed
        startup = load_startup(bytes(path).decode("utf-16-le").partition("\0")[0])
        self.lower = WSPPROC_TABLE()
        # A base provider gets its own info, another layer the chain's, unchanged.
        layered = self.layered_below = self.lower_info.ProtocolChain.ChainLen != 1
        code = startup(
            wVersionRequested,
            lpWSPData,
            lpProtocolInfo if layered else ctypes.pointer(self.lower_info),
            UpcallTable,
            byref(self.lower),
        )
        if code:
            return code
        for name in WSPPROC_NAMES:
            setattr(lpProcTable.contents, f"lp{name}", getattr(self, name, None) or self._unsupported)
        lpWSPData.contents.wVersion = lpWSPData.contents.wHighVersion = 0x0202
        return 0

    def _entry(self, catalog_id: int) -> Any:
        """The catalog entry of an id, as WSCEnumProtocols gives it."""
        from ws2spi import ws2_32

        length = DWORD(0)
        ws2_32.WSCEnumProtocols(None, None, byref(length), byref(INT()))
        entries = (WSAPROTOCOL_INFOW * (length.value // ctypes.sizeof(WSAPROTOCOL_INFOW)))()
        count = ws2_32.WSCEnumProtocols(None, entries, byref(length), byref(INT()))
        assert count == len(entries)
        return next(entry for entry in entries if entry.dwCatalogEntryId == catalog_id)

    @staticmethod
    def _unsupported(*arguments: Any) -> int:
        arguments[-1].contents.value = 10045
        return SOCKET_ERROR

    def WSPCleanup(self, lpErrno: Any) -> int:
        self.calls.append("WSPCleanup")
        if self.private is not None:
            code = INT()
            assert not self.up.lpWPUQueueApc(byref(self.private_id), self._stop, 0, byref(code)), code.value
            self.private.join(10)
            assert not self.private.is_alive()
            self.up.lpWPUCloseThread(byref(self.private_id), byref(code))
            self.private = None
        return self.lower.lpWSPCleanup(lpErrno)  # type: ignore[no-any-return]

    # The private thread: it waits alertably, and the ends of the lower calls come to it.

    def _start_private(self) -> None:
        with self.lock:  # the second caller waits until there is an identity to pass down
            if self.private is None:
                self.stopping = False
                ready = threading.Event()
                self.private = threading.Thread(target=self._serve, args=(ready,), daemon=True)
                self.private.start()
                assert ready.wait(10)

    def _serve(self, ready: threading.Event) -> None:
        code = INT()
        assert not self.up.lpWPUOpenCurrentThread(byref(self.private_id), byref(code)), code.value
        ready.set()
        while not self.stopping:
            self._wait()

    def _wait(self) -> None:
        """Wait alertably, once."""
        kernel32.SleepEx(INFINITE, True)

    def _stop(self, context: int) -> None:
        self.stopping = True

    # Sockets

    def WSPSocket(
        self, af: int, type: int, protocol: int, lpProtocolInfo: Any, g: int, flags: int, lpErrno: Any
    ) -> int:
        self.calls.append("WSPSocket")
        info = lpProtocolInfo if self.layered_below else self._base_info(lpProtocolInfo)
        lower = self.lower.lpWSPSocket(af, type, protocol, info, g, flags | 1, lpErrno)
        if lower == INVALID_SOCKET:
            return INVALID_SOCKET
        return self._wrap(lower, bytes(lpProtocolInfo.contents), lpErrno)

    def _base_info(self, chain: Any) -> Any:
        """The base's own info, with what the chain's says of a socket that is imported."""
        info = WSAPROTOCOL_INFOW.from_buffer_copy(self.lower_info)
        info.dwProviderReserved = chain.contents.dwProviderReserved
        return ctypes.pointer(info)

    def _wrap(self, lower: int, info: bytes, lpErrno: Any) -> int:
        """A handle of ours over a lower one."""
        context = Context(lower, info)
        value = id(context)
        with self.lock:
            self.contexts[value] = context
        handle = self.up.lpWPUCreateSocketHandle(self.catalog_id, value, lpErrno)
        if handle == INVALID_SOCKET:
            del self.contexts[value]
            self.lower.lpWSPCloseSocket(lower, byref(INT()))  # another variable: the first error is the one that counts
        context.upper = handle
        return handle  # type: ignore[no-any-return]

    def find(self, s: int, lpErrno: Any) -> Context | None:
        """The context of a handle, asked for on every call."""
        value = ctypes.c_uint64()
        with self.lock:
            if self.up.lpWPUQuerySocketHandleContext(s, byref(value), lpErrno):
                return None
            return self.contexts[value.value]

    def contexts_by_handle(self) -> dict[int, Context]:
        """{our handle: context}"""
        return {context.upper: context for context in self.contexts.values()}

    def WSPCloseSocket(self, s: int, lpErrno: Any) -> int:
        self.calls.append("WSPCloseSocket")
        context = self.find(s, lpErrno)
        if context is None:
            return SOCKET_ERROR
        with self.lock:
            context.closing = True
        if self.lower.lpWSPCloseSocket(context.lower, lpErrno):
            return SOCKET_ERROR
        self._drop(context)
        return 0

    def _drop(self, context: Context) -> None:
        """Give the handle up when it is closed and nothing is outstanding."""
        with self.lock:
            if not context.closing or context.outstanding or not context.upper:
                return
            upper, context.upper = context.upper, 0
            del self.contexts[id(context)]
        self.up.lpWPUCloseSocketHandle(upper, byref(INT()))

    def _translate(self, name: str, s: int, *arguments: Any) -> int:
        context = self.find(s, arguments[-1])
        if context is None:
            return SOCKET_ERROR
        return getattr(self.lower, name)(context.lower, *arguments)  # type: ignore[no-any-return]

    def WSPBind(self, s: int, *arguments: Any) -> int:
        return self._translate("lpWSPBind", s, *arguments)

    def WSPListen(self, s: int, *arguments: Any) -> int:
        return self._translate("lpWSPListen", s, *arguments)

    def WSPConnect(self, s: int, *arguments: Any) -> int:
        return self._translate("lpWSPConnect", s, *arguments)

    def WSPShutdown(self, s: int, *arguments: Any) -> int:
        return self._translate("lpWSPShutdown", s, *arguments)

    def WSPGetSockName(self, s: int, *arguments: Any) -> int:
        return self._translate("lpWSPGetSockName", s, *arguments)

    def WSPGetPeerName(self, s: int, *arguments: Any) -> int:
        return self._translate("lpWSPGetPeerName", s, *arguments)

    def WSPGetSockOpt(self, s: int, level: int, option: int, value: Any, size: Any, lpErrno: Any) -> int:
        context = self.find(s, lpErrno)
        if context is not None and (level, option) == (0xFFFF, 0x2005) and size.contents.value >= len(context.info):
            ctypes.memmove(value, context.info, len(context.info))  # SO_PROTOCOL_INFOW: the layer's own entry
            return 0
        return self._translate("lpWSPGetSockOpt", s, level, option, value, size, lpErrno)

    def WSPSetSockOpt(self, s: int, *arguments: Any) -> int:
        return self._translate("lpWSPSetSockOpt", s, *arguments)

    def WSPIoctl(self, s: int, *arguments: Any) -> int:
        return self._translate("lpWSPIoctl", s, *arguments)

    def WSPAccept(self, s: int, addr: Any, addrlen: Any, condition: Any, data: int, lpErrno: Any) -> int:
        context = self.find(s, lpErrno)
        if context is None:
            return INVALID_SOCKET
        lower = self.lower.lpWSPAccept(context.lower, addr, addrlen, condition, data, lpErrno)
        return INVALID_SOCKET if lower == INVALID_SOCKET else self._wrap(lower, context.info, lpErrno)

    # Data

    def WSPSend(
        self,
        s: int,
        lpBuffers: Any,
        count: int,
        lpSent: Any,
        flags: int,
        lpOverlapped: Any,
        routine: Any,
        lpThreadId: Any,
        lpErrno: Any,
    ) -> int:
        self.calls.append("WSPSend")
        context = self.find(s, lpErrno)
        if context is None:
            return SOCKET_ERROR
        if lpOverlapped is not None:
            return self._overlap(
                "lpWSPSend", context, lpBuffers, count, flags, lpOverlapped, routine, lpThreadId, lpErrno
            )
        result = self.lower.lpWSPSend(context.lower, lpBuffers, count, lpSent, flags, None, None, lpThreadId, lpErrno)
        if not result:
            context.sent += lpSent.contents.value
        return result  # type: ignore[no-any-return]

    def WSPRecv(
        self,
        s: int,
        lpBuffers: Any,
        count: int,
        lpReceived: Any,
        lpFlags: Any,
        lpOverlapped: Any,
        routine: Any,
        lpThreadId: Any,
        lpErrno: Any,
    ) -> int:
        self.calls.append("WSPRecv")
        context = self.find(s, lpErrno)
        if context is None:
            return SOCKET_ERROR
        if lpOverlapped is not None:
            flags = lpFlags.contents.value
            return self._overlap(
                "lpWSPRecv", context, lpBuffers, count, flags, lpOverlapped, routine, lpThreadId, lpErrno
            )
        result = self.lower.lpWSPRecv(
            context.lower, lpBuffers, count, lpReceived, lpFlags, None, None, lpThreadId, lpErrno
        )
        if not result:
            context.received += lpReceived.contents.value
        return result  # type: ignore[no-any-return]

    def WSPSendTo(self, s: int, lpBuffers: Any, count: int, lpSent: Any, flags: int, *rest: Any) -> int:
        self.calls.append("WSPSendTo")
        lpTo, tolen, lpOverlapped, routine, lpThreadId, lpErrno = rest
        context = self.find(s, lpErrno)
        if context is None:
            return SOCKET_ERROR
        if lpOverlapped is not None:
            started = (flags, lpOverlapped, routine, lpThreadId, lpErrno)
            return self._overlap("lpWSPSendTo", context, lpBuffers, count, *started, address=(lpTo, tolen))
        return self.lower.lpWSPSendTo(  # type: ignore[no-any-return]
            context.lower, lpBuffers, count, lpSent, flags, lpTo, tolen, None, None, lpThreadId, lpErrno
        )

    def WSPRecvFrom(self, s: int, lpBuffers: Any, count: int, lpReceived: Any, lpFlags: Any, *rest: Any) -> int:
        self.calls.append("WSPRecvFrom")
        lpFrom, lpFromlen, lpOverlapped, routine, lpThreadId, lpErrno = rest
        context = self.find(s, lpErrno)
        if context is None:
            return SOCKET_ERROR
        if lpOverlapped is not None:
            started = (lpFlags.contents.value, lpOverlapped, routine, lpThreadId, lpErrno)
            return self._overlap("lpWSPRecvFrom", context, lpBuffers, count, *started, address=(lpFrom, lpFromlen))
        return self.lower.lpWSPRecvFrom(  # type: ignore[no-any-return]
            context.lower, lpBuffers, count, lpReceived, lpFlags, lpFrom, lpFromlen, None, None, lpThreadId, lpErrno
        )

    def _begin(
        self, function: str, context: Context, lpOverlapped: Any, routine: Any, lpThreadId: Any, lpErrno: Any
    ) -> Record | None:
        """Steps 1 to 7 of layering 5.2: the record of a call, with the client's structure in progress."""
        self._start_private()
        client = lpOverlapped.contents
        record = Record(function, context, lpOverlapped, routine)
        if lpThreadId is None:
            if self.up.lpWPUOpenCurrentThread(byref(record.identity), lpErrno):
                return None
            record.opened = True
        else:
            record.identity = WSATHREADID.from_buffer_copy(lpThreadId.contents)
        client.Internal, client.InternalHigh = IN_PROGRESS, 0
        if client.hEvent and routine is None:
            self.up.lpWPUResetEvent(client.hEvent & ~1, byref(INT()))
        with self.lock:
            context.outstanding += 1
            self.records[ctypes.addressof(record.overlapped)] = record
        return record

    def _overlap(
        self,
        function: str,
        context: Context,
        lpBuffers: Any,
        count: int,
        flags: int,
        lpOverlapped: Any,
        routine: Any,
        lpThreadId: Any,
        lpErrno: Any,
        *,
        address: tuple[Any, ...] = (),
    ) -> int:
        """Steps 1 to 11 of layering 5.2. `address`: what WSPSendTo and WSPRecvFrom have after the flags."""
        record = self._begin(function, context, lpOverlapped, routine, lpThreadId, lpErrno)
        if record is None:
            return SOCKET_ERROR
        record.buffers = (WSABUF * count)(*(WSABUF(lpBuffers[i].len, lpBuffers[i].buf) for i in range(count)))
        record.count, record.flags.value = count, flags
        # Made here, so that the order of calls stays; the thread named is the private one, so the end comes there.
        transferred, code = DWORD(), INT()
        failed = getattr(self.lower, function)(
            context.lower,
            record.buffers,
            record.count,
            byref(transferred),
            byref(record.flags) if function.startswith("lpWSPRecv") else flags,
            *address,
            byref(record.overlapped),
            self.routine,
            byref(self.private_id),
            byref(code),
        )
        if failed and code.value != WSA_IO_PENDING:
            return self._refuse(record, code.value, lpErrno)
        # Pending also when it has ended already: what the layer does with the result comes first.
        lpErrno.contents.value = WSA_IO_PENDING
        return SOCKET_ERROR

    def _refuse(self, record: Record, error: int, lpErrno: Any) -> int:
        """Step 10: the lower call failed at once, and so does ours."""
        del self.records[ctypes.addressof(record.overlapped)]
        client = record.client.contents
        client.Offset, client.OffsetHigh, client.InternalHigh, client.Internal = 0, error, 0, 0
        if record.opened:
            self.up.lpWPUCloseThread(byref(record.identity), byref(INT()))
        with self.lock:
            record.context.outstanding -= 1
        self._drop(record.context)  # a close may have come meanwhile
        lpErrno.contents.value = error
        return SOCKET_ERROR

    def _completed(self, error: int, transferred: int, lpOverlapped: Any, flags: int) -> None:
        """The lower operation has ended; on the private thread, in its alertable wait."""
        record = self.records.pop(ctypes.addressof(lpOverlapped.contents))
        count, out_flags, code = DWORD(), DWORD(), INT()
        done = self.lower.lpWSPGetOverlappedResult(
            record.context.lower, lpOverlapped, byref(count), False, byref(out_flags), byref(code)
        )
        if not done:
            error = code.value
        self._tell(record, error, count.value if done else transferred, out_flags.value)

    def _tell(self, record: Record, error: int, transferred: int, flags: int) -> None:
        """Steps 3 to 8 of layering 5.3."""
        context = record.context
        if record.function.startswith("lpWSPRecv"):
            context.received += transferred
        else:
            context.sent += transferred
        client = record.client.contents
        client.Offset, client.OffsetHigh = flags, error
        code = INT()
        if record.routine is not None:
            record.result = (error, transferred, flags)
            self.records[id(record)] = record
            self.up.lpWPUQueueApc(byref(record.identity), self._deliver, id(record), byref(code))
        else:
            from ws2spi import ws2_32

            ws2_32.WPUCompleteOverlappedRequest(context.upper, record.client, error, transferred, byref(code))
        if record.opened:
            self.up.lpWPUCloseThread(byref(record.identity), byref(code))
        with self.lock:
            context.outstanding -= 1
        self._drop(context)

    def _deliver(self, number: int) -> None:
        """The intermediate procedure, in the client's thread: free the block, then call the routine."""
        record = self.records.pop(number)
        error, transferred, flags = record.result
        client = record.client.contents
        client.InternalHigh = transferred
        client.Internal = 0 if not error else 0xC0000000
        record.routine(error, transferred, record.client, flags)

    def WSPGetOverlappedResult(
        self, s: int, lpOverlapped: Any, lpcb: Any, wait: int, lpFlags: Any, lpErrno: Any
    ) -> int:
        """Layering 5.4: only the structure counts, also when the socket is gone."""
        client = lpOverlapped.contents
        if client.Internal == IN_PROGRESS:
            if self.find(s, lpErrno) is None:
                return 0
            if not wait:
                lpErrno.contents.value = WSA_IO_INCOMPLETE
                return 0
            kernel32.WaitForSingleObject(client.hEvent & ~1, INFINITE)
        if client.OffsetHigh:
            lpErrno.contents.value = client.OffsetHigh
            return 0
        lpcb.contents.value = client.InternalHigh
        if lpFlags is not None:
            lpFlags.contents.value = client.Offset
        return 1


ROUTINE = win.WINFUNCTYPE(None, DWORD, DWORD, ctypes.POINTER(OVERLAPPED), DWORD)
__all__ = ["GUID", "PassThrough"]
