"""The hand-written provider with what a non-IFS layer owes beyond the procedure table: wrapped extension functions
(layering 9 and 10), messages that name the upper socket (layering 8), options that hold a socket (layering 4).

A client calls an extension function past the DLL, with an upper handle; so there is a wrapper for each, which
translates the handles and puts an OVERLAPPED of the layer's own in the client's place. Such calls carry no routine:
their ends come to a private port, on which the private thread waits alertably.
"""

import ctypes
import threading
from typing import Any

from support.pass_through import SOCKET_ERROR, WSA_IO_PENDING, Context, PassThrough, Record
from ws2spi import kernel32, user32, ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.mswsock import EXTENSIONS, PROTOTYPES
from ws2spi._abi.types import DWORD, INT, OVERLAPPED

byref = ctypes.byref
INFINITE = 0xFFFFFFFF
_NAMES = {guid.bytes_le: name for name, guid in EXTENSIONS.items()}
_OVERLAPPED_AT = {  # which argument behind the socket is the OVERLAPPED
    "AcceptEx": 6,
    "ConnectEx": 5,
    "DisconnectEx": 0,
    "TransmitFile": 3,
    "TransmitPackets": 3,
    "WSARecvMsg": 2,
    "WSASendMsg": 3,
}
WM_BELOW = user32.WM_USER + 1


class Wrapping(PassThrough):
    """See the module's text."""

    def __init__(self) -> None:
        super().__init__()
        self.port = 0
        self.ported: set[int] = set()  # ids of contexts whose lower socket is associated with the port
        self.window: Window | None = None

    def WSPCleanup(self, lpErrno: Any) -> int:
        if self.window is not None:
            self.window.end()
            self.window = None
        result = super().WSPCleanup(lpErrno)
        if self.port:
            kernel32.CloseHandle(self.port)
            self.port = 0
        return result

    # Extension functions

    def WSPIoctl(self, s: int, code: int, given: Any, size: int, place: Any, room: int, *rest: Any) -> int:
        if code & 0xFFFFFFFF == c.SIO_GET_EXTENSION_FUNCTION_POINTER and given and size >= 16 and place and room >= 8:
            name = _NAMES.get(ctypes.string_at(ctypes.addressof(given.contents), 16))
            if name is not None and name != "GetAcceptExSockaddrs":
                address = ctypes.cast(wrapper(self, name), ctypes.c_void_p).value or 0
                ctypes.c_uint64.from_address(ctypes.addressof(place.contents)).value = address
                rest[0].contents.value = 8
                return 0
        if rest[1] is not None:
            return self._overlapped_ioctl(s, code, given, size, place, room, *rest)
        return self._translate("lpWSPIoctl", s, code, given, size, place, room, *rest)

    def _overlapped_ioctl(self, s: int, code: int, given: Any, size: int, place: Any, room: int, *rest: Any) -> int:
        """As a send or a receive: an OVERLAPPED of our own goes down, and the client is told by us."""
        _, lpOverlapped, routine, lpThreadId, lpErrno = rest
        context = self.find(s, lpErrno)
        if context is None:
            return SOCKET_ERROR
        record = self._begin("lpWSPIoctl", context, lpOverlapped, routine, lpThreadId, lpErrno)
        if record is None:
            return SOCKET_ERROR
        error = INT()
        failed = self.lower.lpWSPIoctl(
            context.lower, code, given, size, place, room, byref(DWORD()), byref(record.overlapped), self.routine,
            byref(self.private_id), byref(error),
        )  # fmt: skip
        if failed and error.value != WSA_IO_PENDING:
            return self._refuse(record, error.value, lpErrno)
        lpErrno.contents.value = WSA_IO_PENDING
        return SOCKET_ERROR

    def call_extension(self, name: str, s: int, arguments: list[Any]) -> int:
        """What a wrapper does: returns TRUE or FALSE, or an int as WSASendMsg does, with the code in the last error."""
        code = INT()
        failure = SOCKET_ERROR if name.startswith("WSA") else 0
        context = self.find(s, ctypes.pointer(code))
        also = None
        if context is not None and name == "AcceptEx":
            also = self.find(arguments[0], ctypes.pointer(code))
            if also is not None:
                arguments[0] = also.lower
        if context is None or (name == "AcceptEx" and also is None):
            ws2_32.WSASetLastError(code.value)
            return failure
        below = self._below(context, name)
        at = _OVERLAPPED_AT[name]
        if not arguments[at]:
            return int(below(context.lower, *arguments))
        client = ctypes.cast(arguments[at], ctypes.POINTER(OVERLAPPED))
        routine = None
        if name.startswith("WSA") and arguments[-1]:
            routine = ROUTINE(arguments[-1])
            arguments[-1] = None
        record = self._begin(name, context, client, routine, None, ctypes.pointer(code))
        assert record is not None
        record.overlapped.Offset, record.overlapped.OffsetHigh = client.contents.Offset, client.contents.OffsetHigh
        record.buffers = also
        if also is not None:
            with self.lock:  # its handle stays until the end, whatever the client closes
                also.outstanding += 1
        self._associate(context)
        arguments[at] = ctypes.addressof(record.overlapped)
        result = int(below(context.lower, *arguments))
        error = ws2_32.WSAGetLastError()
        if result == failure and error != WSA_IO_PENDING:
            self._refuse(record, error, ctypes.pointer(code))
            self._let_go(record)
            ws2_32.WSASetLastError(error)
            return failure
        ws2_32.WSASetLastError(WSA_IO_PENDING)
        return failure

    def _below(self, context: Context, name: str) -> Any:
        """The function of the provider below, asked for on demand."""
        place, count, code = ctypes.c_void_p(), DWORD(), INT()
        guid = ctypes.create_string_buffer(EXTENSIONS[name].bytes_le, 16)
        failed = self.lower.lpWSPIoctl(
            context.lower, c.SIO_GET_EXTENSION_FUNCTION_POINTER, guid, 16, byref(place), 8, byref(count), None, None,
            byref(self.private_id), byref(code),
        )  # fmt: skip
        assert not failed, code.value
        assert place.value
        return PROTOTYPES[name](place.value)

    def _associate(self, context: Context) -> None:
        with self.lock:
            if id(context) not in self.ported:
                assert kernel32.CreateIoCompletionPort(context.lower, self.port, 0, 0) == self.port
                self.ported.add(id(context))

    def _start_private(self) -> None:
        with self.lock:
            if not self.port:
                self.port = kernel32.CreateIoCompletionPort(c.INVALID_HANDLE_VALUE, None, 0, 0)
        super()._start_private()

    def _wait(self) -> None:
        packets, count = (kernel32.OVERLAPPED_ENTRY * 8)(), DWORD()
        if kernel32.GetQueuedCompletionStatusEx(self.port, packets, 8, byref(count), INFINITE, True):
            for packet in packets[: count.value]:
                # Only a lower socket that is gone does not tell which error it was.
                error = 995 if packet.lpOverlapped.contents.Internal else 0
                self._completed(error, packet.dwNumberOfBytesTransferred, packet.lpOverlapped, 0)

    def _tell(self, record: Record, error: int, transferred: int, flags: int) -> None:
        super()._tell(record, error, transferred, flags)
        self._let_go(record)

    def _let_go(self, record: Record) -> None:
        """The accept socket of an AcceptEx that has ended, well or not."""
        if record.function == "AcceptEx":
            with self.lock:
                record.buffers.outstanding -= 1
            self._drop(record.buffers)

    def _drop(self, context: Context) -> None:
        super()._drop(context)
        if not context.upper:
            self.ported.discard(id(context))

    def WSPSetSockOpt(self, s: int, level: int, option: int, value: Any, size: int, lpErrno: Any) -> int:
        if (level, option) == (c.SOL_SOCKET, c.SO_UPDATE_ACCEPT_CONTEXT) and value and size >= 8:
            listener = self.find(ctypes.c_uint64.from_address(ctypes.addressof(value.contents)).value, lpErrno)
            if listener is None:
                return SOCKET_ERROR
            value = ctypes.pointer(ctypes.c_uint64(listener.lower))
        return self._translate("lpWSPSetSockOpt", s, level, option, value, size, lpErrno)

    # Messages

    def WSPAsyncSelect(self, s: int, hWnd: int, wMsg: int, lEvent: int, lpErrno: Any) -> int:
        context = self.find(s, lpErrno)
        if context is None:
            return SOCKET_ERROR
        if lEvent and not user32.IsWindow(hWnd):
            lpErrno.contents.value = 10022
            return SOCKET_ERROR
        with self.lock:
            if self.window is None:
                self.window = Window(self)
        context.asked = hWnd, wMsg  # type: ignore[attr-defined]
        return int(self.lower.lpWSPAsyncSelect(context.lower, self.window.handle, WM_BELOW, lEvent, lpErrno))

    def WSPAccept(self, s: int, *arguments: Any) -> int:
        accepted = super().WSPAccept(s, *arguments)
        by_handle = self.contexts_by_handle()
        if accepted in by_handle and s in by_handle:
            by_handle[accepted].asked = getattr(by_handle[s], "asked", None)  # type: ignore[attr-defined]
        return accepted


class Window:
    """The hidden window of a layer and the thread that reads it: messages of lower sockets go on, with the upper ones'
    numbers."""

    def __init__(self, layer: Wrapping) -> None:
        self.layer = layer
        self.handle = 0
        ready = threading.Event()
        self.thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self.thread.start()
        assert ready.wait(10)

    def _serve(self, ready: threading.Event) -> None:
        self.handle = user32.CreateWindowExW(0, None, None, 0, 0, 0, 0, 0, user32.HWND_MESSAGE, None, None, None)
        ready.set()
        message = user32.MSG()
        while user32.GetMessageW(byref(message), self.handle, 0, 0) == 1 and message.message == WM_BELOW:
            self._pass_on(message.wParam, message.lParam)
        user32.DestroyWindow(self.handle)

    def _pass_on(self, lower: int, lParam: int) -> None:
        for _ in range(2000):  # the message of a socket may come before its accept has returned
            with self.layer.lock:
                found = [one for one in self.layer.contexts.values() if one.lower == lower and one.upper]
            asked = getattr(found[0], "asked", None) if found else None
            if asked is not None:
                self.layer.up.lpWPUPostMessage(asked[0], asked[1], found[0].upper, lParam)
                return
            threading.Event().wait(0.0005)

    def end(self) -> None:
        """The thread ends, and its window."""
        user32.PostMessageW(self.handle, WM_BELOW + 1, 0, 0)
        self.thread.join(10)
        assert not self.thread.is_alive()


_wrappers: dict[tuple[int, str], Any] = {}  # never freed: a client may call a pointer whenever it likes


def wrapper(layer: Wrapping, name: str) -> Any:
    """The C function that calls a layer's extension function."""
    key = id(layer), name
    if key not in _wrappers:
        _wrappers[key] = PROTOTYPES[name](lambda s, *arguments: layer.call_extension(name, s, list(arguments)))
    return _wrappers[key]


ROUTINE = ctypes.CFUNCTYPE(None, DWORD, DWORD, ctypes.POINTER(OVERLAPPED), DWORD)
