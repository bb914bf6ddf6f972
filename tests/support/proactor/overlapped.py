"""The module `_overlapped` (and what asyncio needs of `_winapi` and `msvcrt`), written for windll.

The names and what they do are those of CPython's Modules/overlapped.c.
"""



import errno
import itertools
import os
import threading
from collections.abc import Callable
from typing import Any

from ws2spi import ctypes as ct
from ws2spi import ws2_32

c: Any = ct
kernel32: Any = c.windll.kernel32
winsock: Any = c.windll.ws2_32
mswsock: Any = c.windll.mswsock
for _function in ("CreateIoCompletionPort", "CreateEventW"):
    getattr(kernel32, _function).restype = c.c_void_p

NULL = 0
INFINITE = 0xFFFFFFFF
INVALID_HANDLE_VALUE = 0xFFFFFFFFFFFFFFFF
WAIT_OBJECT_0, WAIT_TIMEOUT = 0, 258
ERROR_NETNAME_DELETED, ERROR_BROKEN_PIPE, ERROR_SEM_TIMEOUT, ERROR_PIPE_BUSY = 64, 109, 121, 231
ERROR_MORE_DATA, ERROR_OPERATION_ABORTED, ERROR_IO_PENDING, ERROR_NOT_FOUND = 234, 995, 997, 1168
ERROR_PORT_UNREACHABLE = 1234
SO_UPDATE_ACCEPT_CONTEXT, SO_UPDATE_CONNECT_CONTEXT, TF_REUSE_SOCKET = 0x700B, 0x7010, 2
STATUS_PENDING = 0x103
AF_INET, AF_INET6 = 2, 23
_ROOM = 28 + 16  # sockaddr_in6 and what AcceptEx wants beside it

# {Windows' code: errno}, as PC/errmap.h and the Winsock range map them.
_ERRNO = {
    5: errno.EACCES, 6: errno.EBADF, 64: errno.ENOENT, 109: errno.EPIPE, 121: errno.ETIMEDOUT, 232: errno.EPIPE,
    995: errno.EINVAL, 1225: errno.ECONNREFUSED, 1236: errno.ECONNABORTED, 1234: errno.ECONNREFUSED,
    10004: errno.EINTR, 10013: errno.EACCES, 10014: errno.EFAULT, 10022: errno.EINVAL, 10024: errno.EMFILE,
    10035: errno.EWOULDBLOCK, 10036: errno.EINPROGRESS, 10037: errno.EALREADY, 10038: errno.ENOTSOCK,
    10040: errno.EMSGSIZE, 10045: errno.EOPNOTSUPP, 10048: errno.EADDRINUSE, 10049: errno.EADDRNOTAVAIL,
    10053: errno.ECONNABORTED, 10054: errno.ECONNRESET, 10056: errno.EISCONN, 10057: errno.ENOTCONN,
    10058: errno.ESHUTDOWN, 10060: errno.ETIMEDOUT, 10061: errno.ECONNREFUSED,
}  # fmt: skip


def windows_error(code: int) -> OSError:
    """The OSError that Windows' Python raises for a code."""
    error = OSError(_ERRNO.get(code, errno.EINVAL), f"WinError {code}")
    error.winerror = code  # type: ignore[attr-defined]
    return error


def _check(result: Any) -> Any:
    if not result:
        raise windows_error(kernel32.GetLastError())
    return result


# Addresses


def pack(family: int, address: Any) -> bytes:
    """The sockaddr of a Python address; `family` is Windows'."""
    host, port = address[0], address[1]
    if host == "localhost":
        host = "127.0.0.1" if family == AF_INET else "::1"
    if family == AF_INET:
        room = c.create_string_buffer(4)
        if winsock.inet_pton(AF_INET, host.encode(), room) != 1:
            raise OSError(f"no address: {host}")
        return AF_INET.to_bytes(2, "little") + port.to_bytes(2, "big") + room.raw + bytes(8)
    room = c.create_string_buffer(16)
    if winsock.inet_pton(AF_INET6, host.partition("%")[0].encode(), room) != 1:
        raise OSError(f"no address: {host}")
    flow, scope = (*address[2:], 0, 0)[:2]
    return (
        AF_INET6.to_bytes(2, "little") + port.to_bytes(2, "big") + flow.to_bytes(4, "big") + room.raw
        + scope.to_bytes(4, "little")
    )  # fmt: skip


def unpack(data: bytes) -> Any:
    """A Python address from a sockaddr."""
    family, port = int.from_bytes(data[:2], "little"), int.from_bytes(data[2:4], "big")
    text = c.create_string_buffer(64)
    if family == AF_INET:
        winsock.inet_ntop(AF_INET, data[4:8], text, 64)
        return text.value.decode(), port
    winsock.inet_ntop(AF_INET6, data[8:24], text, 64)
    return text.value.decode(), port, int.from_bytes(data[4:8], "big"), int.from_bytes(data[24:28], "little")


# Ports, events, waits


def CreateIoCompletionPort(handle: int, port: int, key: int, concurrency: int) -> int:
    return int(_check(kernel32.CreateIoCompletionPort(c.c_void_p(handle), c.c_void_p(port), key, concurrency)))


def GetQueuedCompletionStatus(port: int, ms: int) -> tuple[int, int, int, int] | None:
    count, key, overlapped = c.c_uint32(), c.c_size_t(), c.c_void_p()
    well = kernel32.GetQueuedCompletionStatus(port, c.byref(count), c.byref(key), c.byref(overlapped), ms)
    code = 0 if well else kernel32.GetLastError()
    if not overlapped.value:
        if code == WAIT_TIMEOUT:
            return None
        if code:
            raise windows_error(code)
    return code, count.value, key.value, overlapped.value or 0


def PostQueuedCompletionStatus(port: int, count: int, key: int, address: int) -> None:
    _check(kernel32.PostQueuedCompletionStatus(port, count, key, address))


def CreateEvent(attributes: Any, manual: bool, initial: bool, name: Any) -> int:
    return int(_check(kernel32.CreateEventW(None, manual, initial, None)))


def SetEvent(handle: int) -> None:
    _check(kernel32.SetEvent(handle))


def ResetEvent(handle: int) -> None:
    _check(kernel32.ResetEvent(handle))


def WaitForSingleObject(handle: int, ms: int) -> int:
    return int(kernel32.WaitForSingleObject(handle, ms)) & 0xFFFFFFFF


def CloseHandle(handle: int) -> None:
    _check(kernel32.CloseHandle(handle))


_waits: dict[int, tuple[int, threading.Thread]] = {}  # {number of a registered wait: (event that ends it, its thread)}
_numbers = itertools.count(1)


def RegisterWaitWithQueue(handle: int, port: int, address: int, ms: int) -> int:
    """Windows' thread pool waits for an object and posts a packet; here a thread of its own does."""
    stop, number = CreateEvent(None, True, False, None), next(_numbers)

    def work() -> None:
        both = (c.c_void_p * 2)(handle, stop)
        found = kernel32.WaitForMultipleObjects(2, both, False, ms) & 0xFFFFFFFF
        if found != 1:
            kernel32.PostQueuedCompletionStatus(port, int(found == WAIT_TIMEOUT), 0, address)

    thread = threading.Thread(target=work, daemon=True)
    _waits[number] = stop, thread
    thread.start()
    return number


def UnregisterWait(number: int) -> None:
    UnregisterWaitEx(number, NULL)


def UnregisterWaitEx(number: int, event: int) -> None:
    stop, thread = _waits.pop(number)
    SetEvent(stop)
    thread.join()
    CloseHandle(stop)
    if event:
        SetEvent(event)


# Sockets


def BindLocal(handle: int, family: int) -> None:
    data = pack(AF_INET, ("0.0.0.0", 0)) if family == 2 else pack(AF_INET6, ("::", 0))
    if winsock.bind(handle, data, len(data)):
        raise windows_error(winsock.WSAGetLastError())


def WSAConnect(handle: int, address: Any) -> None:
    data = pack(AF_INET6 if ":" in address[0] else AF_INET, address)
    if winsock.WSAConnect(handle, data, len(data), None, None, None, None):
        raise windows_error(winsock.WSAGetLastError())


def FormatMessage(code: int) -> str:
    return f"WinError {code}"


class _Buffers:
    """One WSABUF over memory that lives as long as this."""

    def __init__(self, memory: Any, size: int) -> None:
        self.memory = memory
        self.wsabuf = ws2_32.WSABUF(size, c.addressof(memory) if size else None)


def _writable(buffer: Any) -> _Buffers:
    view = memoryview(buffer).cast("B")
    return _Buffers((c.c_char * max(view.nbytes, 1)).from_buffer(view) if view.nbytes else c.c_char(), view.nbytes)


def _readable(buffer: Any) -> _Buffers:
    data = bytes(buffer)
    return _Buffers(c.create_string_buffer(data, max(len(data), 1)), len(data))


class Overlapped:
    """One overlapped operation: `_overlapped.Overlapped`."""

    def __init__(self, event: int = INVALID_HANDLE_VALUE) -> None:
        if event == INVALID_HANDLE_VALUE:
            event = CreateEvent(None, True, False, None)
        self.structure = ws2_32.OVERLAPPED(hEvent=event or None)
        self.event = event
        self.error = 0
        self._handle = 0
        self._started = False
        self._buffers: _Buffers | None = None
        self._sender: tuple[Any, Any] | None = None
        self._result: Callable[[int], Any] = lambda count: count
        self._reads = False

    def __del__(self) -> None:
        if self.event:
            CloseHandle(self.event)

    @property
    def address(self) -> int:
        return int(c.addressof(self.structure))

    @property
    def pending(self) -> bool:
        return self._started and self.structure.Internal == STATUS_PENDING

    def cancel(self) -> None:
        if self.pending and not kernel32.CancelIoEx(self._handle, c.byref(self.structure)):
            code = kernel32.GetLastError()
            if code != ERROR_NOT_FOUND:
                raise windows_error(code)

    def getresult(self, wait: bool = False) -> Any:
        count = c.c_uint32()
        well = kernel32.GetOverlappedResult(self._handle, c.byref(self.structure), c.byref(count), wait)
        self.error = 0 if well else kernel32.GetLastError()
        if self.error not in (0, ERROR_MORE_DATA) and not (self.error == ERROR_BROKEN_PIPE and self._reads):
            raise windows_error(self.error)
        return self._result(count.value)

    def _begun(self, code: int, also: int = ERROR_MORE_DATA) -> None:
        self.error = code
        if code not in (0, ERROR_IO_PENDING, also):
            self._started = False
            raise windows_error(code)

    def _begin(self, handle: int) -> None:
        self._handle, self._started = handle, True

    def _receive(self, handle: int, buffers: _Buffers, flags: int, sender: bool = False) -> None:
        self._begin(handle)
        self._buffers, self._reads = buffers, True
        in_out, count = c.c_uint32(flags), c.c_uint32()
        first = (handle, c.byref(buffers.wsabuf), 1, c.byref(count), c.byref(in_out))
        if sender:
            self._sender = c.create_string_buffer(28), c.c_int(28)
            result = winsock.WSARecvFrom(
                *first, self._sender[0], c.byref(self._sender[1]), c.byref(self.structure), None
            )
        else:
            result = winsock.WSARecv(*first, c.byref(self.structure), None)
        self._begun(winsock.WSAGetLastError() if result else 0)

    def _from(self) -> Any:
        assert self._sender is not None
        return unpack(self._sender[0].raw)

    def WSARecv(self, handle: int, size: int, flags: int = 0) -> None:
        buffers = _Buffers(c.create_string_buffer(max(size, 1)), size)
        self._result = lambda count: buffers.memory.raw[:count]
        self._receive(handle, buffers, flags)

    def WSARecvInto(self, handle: int, buffer: Any, flags: int = 0) -> None:
        self._receive(handle, _writable(buffer), flags)

    def WSARecvFrom(self, handle: int, size: int, flags: int = 0) -> None:
        buffers = _Buffers(c.create_string_buffer(max(size, 1)), size)
        self._result = lambda count: (buffers.memory.raw[:count], self._from())
        self._receive(handle, buffers, flags, sender=True)

    def WSARecvFromInto(self, handle: int, buffer: Any, size: int = 0, flags: int = 0) -> None:
        self._result = lambda count: (count, self._from())
        self._receive(handle, _writable(buffer), flags, sender=True)

    def WSASend(self, handle: int, buffer: Any, flags: int = 0) -> None:
        self._begin(handle)
        self._buffers = _readable(buffer)
        count = c.c_uint32()
        result = winsock.WSASend(
            handle, c.byref(self._buffers.wsabuf), 1, c.byref(count), flags, c.byref(self.structure), None
        )
        self._begun(winsock.WSAGetLastError() if result else 0)

    def WSASendTo(self, handle: int, buffer: Any, flags: int, address: Any) -> None:
        self._begin(handle)
        self._buffers = _readable(buffer)
        count, data = c.c_uint32(), pack(AF_INET6 if ":" in address[0] else AF_INET, address)
        result = winsock.WSASendTo(
            handle, c.byref(self._buffers.wsabuf), 1, c.byref(count), flags, data, len(data),
            c.byref(self.structure), None,
        )  # fmt: skip
        self._begun(winsock.WSAGetLastError() if result else 0)

    def AcceptEx(self, listener: int, accepted: int) -> None:
        self._begin(listener)
        self._buffers = _Buffers(c.create_string_buffer(2 * _ROOM), 2 * _ROOM)
        count = c.c_uint32()
        well = mswsock.AcceptEx(
            listener, accepted, self._buffers.memory, 0, _ROOM, _ROOM, c.byref(count), c.byref(self.structure)
        )
        self._begun(0 if well else winsock.WSAGetLastError())

    def ConnectEx(self, handle: int, address: Any) -> None:
        self._begin(handle)
        data = pack(AF_INET6 if ":" in address[0] else AF_INET, address)
        well = mswsock.ConnectEx(handle, data, len(data), None, 0, None, c.byref(self.structure))
        self._begun(0 if well else winsock.WSAGetLastError())

    def TransmitFile(
        self, handle: int, file: int, offset: int, high: int, count: int, per_send: int, flags: int
    ) -> None:
        self._begin(handle)
        self.structure.Offset, self.structure.OffsetHigh = offset, high
        well = mswsock.TransmitFile(handle, file, count, per_send, c.byref(self.structure), None, flags)
        self._begun(0 if well else winsock.WSAGetLastError())

    def ReadFile(self, handle: int, size: int) -> None:
        raise windows_error(6)  # pipes, which there are none of

    WriteFile = ReadFileInto = ConnectNamedPipe = ReadFile


def get_osfhandle(descriptor: int) -> int:
    """`msvcrt.get_osfhandle`: a file's handle is its descriptor here."""
    os.fstat(descriptor)
    return descriptor
