"""A hand-written base provider whose network is this process's memory: a WSPStartup and nothing of ours behind it.

Its handles are non-IFS ones without a descriptor below (no SIO_BASE_HANDLE), so foreign readers of a handle can only be
served by asking it: WSPSelect, FIONREAD, WSPRecv.
"""

import ctypes
import threading
from collections import deque
from typing import Any

from support.memory_provider import memory_entry
from ws2spi._abi.constants import FIONBIO, FIONREAD, INVALID_SOCKET, SD_SEND
from ws2spi._abi.errors import WSAError
from ws2spi._abi.types import DWORD, INT, WSPPROC_NAMES
from ws2spi._runtime.loading import install_provider

byref = ctypes.byref


class End:
    """One socket. `waiting` are overlapped receives: (place for the bytes, its size, the OVERLAPPED)."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.peer: End | None = None
        self.arrived = bytearray()
        self.waiting: deque[tuple[int, int, Any]] = deque()
        self.ended = self.shut = self.closed = self.nonblocking = False


class HandWritten:
    """See the module's text.

    Parameters:
        answers: which of "select" and "fionread" it can do.
        silent: it says that an overlapped call has ended at once by its return only, without an announcement.
    """

    def __init__(self, *answers: str, silent: bool = False) -> None:
        self.answers = answers or ("select", "fionread")
        self.silent = silent
        self.ends: dict[int, End] = {}
        self.calls: list[str] = []
        self.changed = threading.Condition()
        self.entry = install_provider(self.WSPStartup, [memory_entry(name="by hand")])[0]

    def pair(self) -> tuple[int, int]:
        """Two sockets, connected with each other."""
        from ws2spi import ws2_32

        one, other = (ws2_32.WSASocketW(2, 1, 6, None, 0, 1) for _ in "ab")
        self.ends[one].peer, self.ends[other].peer = self.ends[other], self.ends[one]
        return one, other

    def WSPStartup(self, version: int, data: Any, info: Any, upcalls: Any, table: Any) -> int:
        self.calls.append("WSPStartup")
        self.up, self.catalog_id = upcalls, info.contents.dwCatalogEntryId
        data.contents.wVersion = data.contents.wHighVersion = 0x0202
        for name in WSPPROC_NAMES:
            setattr(table, f"lp{name}", getattr(self, name, self._unsupported))
        return 0

    @staticmethod
    def _fail(lpErrno: Any, code: int) -> int:
        lpErrno.contents.value = code
        return -1

    def _unsupported(self, *arguments: Any) -> int:
        return self._fail(arguments[-1], WSAError.WSAEOPNOTSUPP)

    def WSPCleanup(self, lpErrno: Any) -> int:
        self.calls.append("WSPCleanup")
        return 0

    def WSPSocket(self, af: int, type: int, protocol: int, info: Any, g: int, flags: int, lpErrno: Any) -> int:
        handle: int = self.up.lpWPUCreateSocketHandle(self.catalog_id, 0, lpErrno)
        if handle != INVALID_SOCKET:
            self.ends[handle] = End(handle)
        return handle

    def WSPGetPeerName(self, s: int, name: Any, length: Any, lpErrno: Any) -> int:
        return 0 if self.ends[s].peer is not None else self._fail(lpErrno, WSAError.WSAENOTCONN)

    def WSPSend(
        self, s: int, buffers: Any, n: int, sent: Any, flags: int, ov: Any, routine: Any, tid: Any, lpErrno: Any
    ) -> int:
        end = self.ends.get(s)
        if end is None or end.peer is None:
            return self._fail(lpErrno, WSAError.WSAENOTSOCK)
        data = b"".join(ctypes.string_at(buffers[i].buf, buffers[i].len) for i in range(n))
        with self.changed:
            end.peer.arrived += data
        self._deliver(end.peer)
        if sent:
            sent.contents.value = len(data)
        if ov and not self.silent:
            self.up_complete(s, ov, 0, len(data))
        return 0

    def up_complete(self, s: int, overlapped: Any, code: int, count: int) -> None:
        from ws2spi import ws2_32

        ws2_32.WPUCompleteOverlappedRequest(s, overlapped, code, count, byref(INT()))

    def _deliver(self, end: End) -> None:
        """Give overlapped receives what has come for them."""
        while True:
            with self.changed:
                self.changed.notify_all()
                if not end.waiting or not (end.arrived or end.ended):
                    return
                place, size, overlapped = end.waiting.popleft()
                data = bytes(end.arrived[:size])
                del end.arrived[: len(data)]
            ctypes.memmove(place, data, len(data))
            self.up_complete(end.number, overlapped, 0, len(data))

    def WSPRecv(
        self, s: int, buffers: Any, n: int, received: Any, flags: Any, ov: Any, routine: Any, tid: Any, lpErrno: Any
    ) -> int:
        self.calls.append("WSPRecv overlapped" if ov else "WSPRecv")
        end = self.ends.get(s)
        if end is None:
            return self._fail(lpErrno, WSAError.WSAENOTSOCK)
        if end.shut:
            return self._fail(lpErrno, WSAError.WSAESHUTDOWN)
        with self.changed:
            while not (end.arrived or end.ended) or end.waiting:
                if ov:
                    end.waiting.append((buffers[0].buf, buffers[0].len, ov))
                    return self._fail(lpErrno, WSAError.WSA_IO_PENDING)
                if end.nonblocking:
                    return self._fail(lpErrno, WSAError.WSAEWOULDBLOCK)
                self.changed.wait()
                if end.closed:
                    return self._fail(lpErrno, WSAError.WSAEINTR)
            data = bytes(end.arrived[: buffers[0].len])
            del end.arrived[: len(data)]
        ctypes.memmove(buffers[0].buf, data, len(data))
        if received:
            received.contents.value = len(data)
        if ov and not self.silent:
            self.up_complete(s, ov, 0, len(data))
        return 0

    def WSPSelect(self, nfds: int, readable: Any, writable: Any, failed: Any, timeout: Any, lpErrno: Any) -> int:
        if "select" not in self.answers:
            return self._unsupported(lpErrno)
        assert timeout.contents.tv_sec == timeout.contents.tv_usec == 0
        end = self.ends[readable.contents.fd_array[0]]
        return int(bool(end.arrived or end.ended))

    def WSPIoctl(
        self,
        s: int,
        code: int,
        given: Any,
        given_size: int,
        answer: Any,
        size: int,
        returned: Any,
        ov: Any,
        routine: Any,
        tid: Any,
        lpErrno: Any,
    ) -> int:
        if code == FIONBIO:
            self.ends[s].nonblocking = bool(ctypes.cast(given, ctypes.POINTER(DWORD))[0])
            return 0
        if code == FIONREAD and "fionread" in self.answers:
            ctypes.cast(answer, ctypes.POINTER(DWORD))[0] = len(self.ends[s].arrived)
            return 0
        return self._unsupported(lpErrno)

    def WSPShutdown(self, s: int, how: int, lpErrno: Any) -> int:
        end = self.ends[s]
        if how != SD_SEND:
            end.shut = True
        else:
            self._end(end)
        return 0

    def _end(self, end: End) -> None:
        if end.peer is not None:
            end.peer.ended = True
            self._deliver(end.peer)

    def WSPCloseSocket(self, s: int, lpErrno: Any) -> int:
        end = self.ends.pop(s, None)
        if end is None:
            return self._fail(lpErrno, WSAError.WSAENOTSOCK)
        end.closed = True
        while end.waiting:
            self.up_complete(s, end.waiting.popleft()[2], WSAError.WSA_OPERATION_ABORTED, 0)
        self._end(end)
        self.up.lpWPUCloseSocketHandle(s, byref(INT()))
        return 0

    def WSPGetOverlappedResult(self, s: int, ov: Any, count: Any, wait: int, flags: Any, lpErrno: Any) -> int:
        if ov.contents.Internal == 0x103:
            self._fail(lpErrno, WSAError.WSA_IO_INCOMPLETE)
            return 0
        count.contents.value = ov.contents.InternalHigh
        return 1
