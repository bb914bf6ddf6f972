"""A client of the exact faces, as a C program would be one: sockets, overlapped calls, and what they answered.

`Net` belongs to one run of one clause: it makes the sockets, knows them for the end, and knows what becomes of bytes on
their way through the subject. Everything that does not go as it must raises `BrokenClauseError` with one line.
"""

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from ws2spi import kernel32, ws2_32
from ws2spi._abi import addresses
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError

byref = ctypes.byref
LOOPBACK = {c.AF_INET: "127.0.0.1", c.AF_INET6: "::1"}
PENDING = int(WSAError.WSA_IO_PENDING)
NOTHING = 0xABCD  # what a count holds before anybody has stored one


class Patience:
    """How long a call may take before it counts as one that never comes back; only broken providers need it."""

    seconds = 10.0

    @property
    def milliseconds(self) -> int:
        return int(self.seconds * 1000)


patience = Patience()


class BrokenClauseError(AssertionError):
    """The provider did not keep the clause; the text says how."""


class NotTriedError(Exception):
    """The clause cannot be tried on this machine; the text says why."""


def ensure(condition: object, problem: str) -> None:
    """Raise `BrokenClauseError` unless the condition holds."""
    if not condition:
        raise BrokenClauseError(problem)


def name_of(code: int) -> str:
    """A code as people read it."""
    if not code:
        return "success"
    try:
        return WSAError(code).name
    except ValueError:
        return str(code)


def expect(code: int, wanted: int, what: str) -> None:
    """Raise `BrokenClauseError` unless a call answered with the code; 0 stands for success."""
    ensure(code == wanted, f"{what}: {name_of(wanted)} expected, {name_of(code)} came")


def pause() -> None:
    """Give other threads a moment; nothing depends on how long it is."""
    threading.Event().wait(0.001)


def last() -> int:
    """WSAGetLastError()."""
    return int(ws2_32.WSAGetLastError())


class Net:
    """The network of one clause.

    Parameters:
        family: AF_INET or AF_INET6, Windows' numbers.
        through: what the peer receives of what one end sends, both ends being sockets of the subject.
    """

    def __init__(self, family: int, through: Callable[[bytes], bytes]) -> None:
        self.family = family
        self.through = through
        _kept.clear()
        self.handles: list[int] = []
        self.threads: list[threading.Thread] = []

    # -- sockets ---------------------------------------------------------------------------------------------------

    def socket(self, kind: int = c.SOCK_STREAM, flags: int = c.WSA_FLAG_OVERLAPPED) -> int:
        s = int(ws2_32.WSASocketW(self.family, kind, 0, None, 0, flags))
        ensure(s != c.INVALID_SOCKET, f"WSASocketW failed: {name_of(last())}")
        self.handles.append(s)
        return s

    def address(self, port: int) -> Any:
        """A sockaddr of the loopback, in memory of its own."""
        data = addresses.pack(self.family, (LOOPBACK[self.family], port))
        return ctypes.create_string_buffer(data, len(data))

    def bound(self, kind: int = c.SOCK_STREAM, flags: int = c.WSA_FLAG_OVERLAPPED) -> tuple[int, int]:
        """A socket bound to a free port of the loopback, and the port."""
        s = self.socket(kind, flags)
        address = self.address(0)
        self.done(ws2_32.bind(s, address, len(address)), "bind")
        return s, self.port_of(s)

    def port_of(self, s: int) -> int:
        return self.name_of(s, ws2_32.getsockname)[1]

    def name_of(self, s: int, function: Callable[..., int]) -> tuple[str, int]:
        """(host, port) as getsockname or getpeername tells it."""
        room, length = ctypes.create_string_buffer(128), ctypes.c_int(128)
        self.done(function(s, room, byref(length)), function.__name__)
        host, port = addresses.unpack(room.raw[: length.value])[1][:2]
        return host, port

    def listener(self, flags: int = c.WSA_FLAG_OVERLAPPED) -> tuple[int, int]:
        s, port = self.bound(flags=flags)
        self.done(ws2_32.listen(s, 5), "listen")
        return s, port

    def connect(self, s: int, port: int) -> int:
        """0, or the code."""
        address = self.address(port)
        return last() if ws2_32.connect(s, address, len(address)) else 0

    def accept(self, listener: int) -> int:
        s = int(ws2_32.accept(listener, None, None))
        ensure(s != c.INVALID_SOCKET, f"accept failed: {name_of(last())}")
        self.handles.append(s)
        return s

    def pair(self, flags: int = c.WSA_FLAG_OVERLAPPED) -> tuple[int, int]:
        """The two ends of a TCP connection, the one that connected first."""
        listener, port = self.listener(flags)
        client = self.socket(flags=flags)
        expect(self.connect(client, port), 0, "connect")
        server = self.accept(listener)
        self.close(listener)
        return client, server

    def datagrams(self) -> tuple[int, int]:
        """Two UDP sockets, each the other's peer."""
        (first, one), (second, other) = self.bound(c.SOCK_DGRAM), self.bound(c.SOCK_DGRAM)
        expect(self.connect(first, other), 0, "connect of a datagram socket")
        expect(self.connect(second, one), 0, "connect of a datagram socket")
        return first, second

    def close(self, s: int) -> None:
        self.handles.remove(s)
        self.done(ws2_32.closesocket(s), "closesocket")

    def end(self) -> None:
        """Close what is left, whatever became of it."""
        for s in self.handles:
            ws2_32.closesocket(s)
        self.handles.clear()

    @staticmethod
    def done(result: int, what: str) -> None:
        ensure(result == 0, f"{what} failed: {name_of(last())}")

    # -- bytes -----------------------------------------------------------------------------------------------------

    def send(self, s: int, data: bytes, flags: int = 0) -> int:
        """How many bytes were taken, or minus the code."""
        count = int(ws2_32.send(s, data, len(data), flags))
        return count if count >= 0 else -last()

    def sent(self, s: int, data: bytes) -> None:
        """Send everything, which a blocking send does at once."""
        count = self.send(s, data)
        ensure(count == len(data), f"a blocking send of {len(data)} bytes returned {_told(count)}")

    def recv(self, s: int, size: int, flags: int = 0) -> bytes | int:
        """The bytes, or the code."""
        room = ctypes.create_string_buffer(max(size, 1))
        count = int(ws2_32.recv(s, room, size, flags))
        ensure(count <= size, f"recv gave {count} bytes for a buffer of {size}")
        return room.raw[:count] if count >= 0 else last()

    def read(self, s: int, size: int) -> bytes:
        """Exactly `size` bytes, or what there is until the end."""
        data = b""
        while len(data) < size:
            piece = self.recv(s, min(size - len(data), 1 << 14))
            if isinstance(piece, int):
                raise BrokenClauseError(f"recv failed after {len(data)} of {size} bytes: {name_of(piece)}")
            if not piece:
                break
            data += piece
        return data

    def arrives(self, s: int, data: bytes, what: str = "what arrived") -> None:
        """The peer has sent `data`; exactly that comes."""
        wanted = self.through(data)
        got = self.read(s, len(wanted))
        ensure(got == wanted, f"{what}: {_shown(got)} instead of {_shown(wanted)}")

    def arrives_rest(self, s: int, data: bytes, first: bytes) -> None:
        """The peer has sent `data`, of which `first` has come already; exactly the rest comes."""
        wanted = self.through(data)
        got = first + self.read(s, len(wanted) - len(first))
        ensure(got == wanted, f"what arrived: {_shown(got)} instead of {_shown(wanted)}")

    def exchange(self, one: int, other: int, data: bytes = b"still here") -> None:
        """Bytes go both ways."""
        self.sent(one, data)
        self.arrives(other, data)
        self.sent(other, data[::-1])
        self.arrives(one, data[::-1])

    def wait_readable(self, s: int, size: int = 1) -> None:
        """Until FIONREAD tells at least `size` bytes: they have come through all layers."""
        for _ in range(patience.milliseconds):
            if self.ioctl(s, c.FIONREAD) >= size:
                return
            pause()
        raise BrokenClauseError(f"FIONREAD never told {size} bytes")

    def ioctl(self, s: int, code: int, value: int = 0) -> int:
        """The value of an integer control code after the call."""
        number = ctypes.c_uint32(value)
        self.done(ws2_32.ioctlsocket(s, code, byref(number)), f"ioctlsocket({code:#x})")
        return number.value

    def nonblocking(self, s: int) -> None:
        self.ioctl(s, c.FIONBIO, 1)

    def option(self, s: int, level: int, option: int) -> int:
        value, size = ctypes.c_int32(), ctypes.c_int(4)
        self.done(ws2_32.getsockopt(s, level, option, byref(value), byref(size)), f"getsockopt({option:#x})")
        return value.value

    def set_option(self, s: int, level: int, option: int, value: int) -> None:
        self.done(
            ws2_32.setsockopt(s, level, option, byref(ctypes.c_int32(value)), 4), f"setsockopt({option:#x}, {value})"
        )

    # -- threads ---------------------------------------------------------------------------------------------------

    def beside(self, function: Callable[..., Any], *arguments: Any) -> "Beside":
        """Run a function on a thread of its own."""
        beside = Beside(function, arguments)
        self.threads.append(beside.thread)
        return beside


class Beside:
    """A call on another thread; `result()` waits for it and raises what it raised."""

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self._outcome: list[Any] = []
        self.thread = threading.Thread(target=self._run, args=(function, arguments), daemon=True)
        self.thread.start()

    def _run(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        try:
            self._outcome.append(function(*arguments))
        except BaseException as error:
            self._outcome.append(error)

    def result(self) -> Any:
        self.thread.join(patience.seconds)
        ensure(not self.thread.is_alive(), "a call on another thread did not come back")
        outcome = self._outcome[0]
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


# A broken provider may write into an operation's memory long after its clause has failed.
_kept: list["Started"] = []


class Started:
    """One overlapped call with a structure of its own, unless one is given that has served before.

    Attributes:
        code: 0 when the start said that it had ended, WSA_IO_PENDING, or the error; set by who makes the call.
        count: the count variable of the start, NOTHING until somebody stores one.
    """

    code = NOTHING

    def __init__(self, s: int, event: int = 0, structure: Any = None) -> None:
        self.s = s
        _kept.append(self)
        self.overlapped = ws2_32.WSAOVERLAPPED(hEvent=event) if structure is None else structure
        self.count_variable = ctypes.c_uint32(NOTHING)

    @property
    def count(self) -> int:
        return self.count_variable.value

    @property
    def address(self) -> int:
        return ctypes.addressof(self.overlapped)

    @property
    def pending(self) -> bool:
        """HasOverlappedIoCompleted, denied."""
        return bool(self.overlapped.Internal == c.STATUS_PENDING)

    def wait(self) -> None:
        """Poll until it is no longer pending, in no alertable wait."""
        for _ in range(patience.milliseconds):
            if not self.pending:
                return
            kernel32.Sleep(1)

    def started(self, what: str) -> Self:
        """Raise `BrokenClauseError` unless the start ended it or left it pending."""
        ensure(self.code in (0, PENDING), f"{what}: the start failed with {name_of(self.code)}")
        return self

    def must_pend(self, what: str) -> Self:
        """Raise `BrokenClauseError` unless the start left it pending."""
        expect(self.code, PENDING, what)
        return self

    def result(self, wait: bool = False) -> tuple[int, int]:
        """(code, bytes) of WSAGetOverlappedResult."""
        count, flags = ctypes.c_uint32(NOTHING), ctypes.c_uint32(NOTHING)
        done = ws2_32.WSAGetOverlappedResult(self.s, byref(self.overlapped), byref(count), wait, byref(flags))
        return (0 if done else last()), count.value

    def ended_with(self, code: int, size: int | None, what: str) -> None:
        """Raise `BrokenClauseError` unless it has ended, with that code and (unless None) that many bytes."""
        got, count = self.result()
        expect(got, code, what)
        if size is not None and not code:
            ensure(count == size, f"{what}: {count} bytes told, {size} expected")

    def ends_with(self, code: int, size: int | None, what: str) -> None:
        """As `ended_with`, but give it its time; for calls that nobody else announces."""
        self.started(what).wait()
        ensure(not self.pending, f"{what}: it never ended")
        self.ended_with(code, size, what)


class Operation(Started):
    """One overlapped receive (`data` is a size) or send (`data` is bytes), with memory of its own."""

    def __init__(
        self,
        s: int,
        data: bytes | int,
        *,
        event: int = 0,
        routine: Any = None,
        flags: int = 0,
        sizes: tuple[int, ...] = (),
        structure: Any = None,
    ) -> None:
        super().__init__(s, event, structure)
        sending = isinstance(data, bytes)
        size = len(data) if isinstance(data, bytes) else data
        self.memory = ctypes.create_string_buffer(data if isinstance(data, bytes) else b"", max(size, 1))
        self.flags_variable = ctypes.c_uint32(flags)
        self.routine = routine
        start = ctypes.addressof(self.memory)
        self.buffers = (ws2_32.WSABUF * max(len(sizes), 1))()
        for buffer, length in zip(self.buffers, sizes or (size,), strict=True):
            buffer.len, buffer.buf = length, start
            start += length
        common = self.buffers, len(self.buffers), byref(self.count_variable)
        if sending:
            result = ws2_32.WSASend(s, *common, flags, byref(self.overlapped), routine)
        else:
            result = ws2_32.WSARecv(s, *common, byref(self.flags_variable), byref(self.overlapped), routine)
        self.code = last() if result else 0

    def data(self, size: int) -> bytes:
        return self.memory.raw[:size]


def topmost_entry(net: Net, kind: int) -> Any:
    """The first entry of the catalog for a kind of socket, by which one is made."""
    length = ctypes.c_uint32()
    ws2_32.WSAEnumProtocolsW(None, None, byref(length))
    entries = (ws2_32.WSAPROTOCOL_INFOW * (length.value // ctypes.sizeof(ws2_32.WSAPROTOCOL_INFOW)))()
    count = ws2_32.WSAEnumProtocolsW(None, entries, byref(length))
    found = (one for one in entries[:count] if (one.iAddressFamily, one.iSocketType) == (net.family, kind))
    return next(found)


@contextmanager
def an_event(*, manual: bool = True) -> Iterator[int]:
    """An event handle, unset."""
    handle = kernel32.CreateEventW(None, manual, False, None)
    try:
        yield handle
    finally:
        kernel32.CloseHandle(handle)


def wait_set(event: int, what: str) -> None:
    """Wait for an event."""
    ensure(
        kernel32.WaitForSingleObject(event, patience.milliseconds) == c.WAIT_OBJECT_0,
        f"{what}: its event was never set",
    )


def is_set(event: int) -> bool:
    """Whether a manual-reset event is set now."""
    return bool(kernel32.WaitForSingleObject(event, 0) == c.WAIT_OBJECT_0)


ROUTINE = ctypes.CFUNCTYPE(
    None, ctypes.c_uint32, ctypes.c_uint32, ctypes.POINTER(ws2_32.WSAOVERLAPPED), ctypes.c_uint32
)


class Routine:
    """A completion routine; `calls` holds (error, bytes, address of the structure, flags) of each of its runs."""

    def __init__(self, also: Callable[[], None] | None = None) -> None:
        self.calls: list[tuple[int, int, int, int]] = []
        self.threads: list[int] = []
        self._also = also

    def __call__(self, error: int, transferred: int, overlapped: Any, flags: int) -> None:
        self.calls.append((error, transferred, ctypes.addressof(overlapped.contents), flags))
        self.threads.append(threading.get_ident())
        if self._also is not None:
            self._also()

    def wait(self, times: int, what: str) -> None:
        """Wait alertably until it has run so often."""
        while len(self.calls) < times:
            came = kernel32.SleepEx(patience.milliseconds, True)
            ensure(came == c.WAIT_IO_COMPLETION, f"{what}: the completion routine never ran")


class Port:
    """A completion port."""

    def __init__(self) -> None:
        self.handle = kernel32.CreateIoCompletionPort(c.INVALID_HANDLE_VALUE, None, 0, 0)

    def add(self, s: int, key: int) -> None:
        same = kernel32.CreateIoCompletionPort(s, self.handle, key, 0)
        ensure(same == self.handle, f"CreateIoCompletionPort(socket): {name_of(kernel32.GetLastError())}")

    def packet(self, milliseconds: int | None = None) -> tuple[bool, int, int, int] | None:
        """(success, bytes, key, address of the structure) of the next packet; None when none came."""
        count, key = ctypes.c_uint32(), ctypes.c_uint64()
        pointer = ctypes.POINTER(ws2_32.WSAOVERLAPPED)()
        wait = patience.milliseconds if milliseconds is None else milliseconds
        result = kernel32.GetQueuedCompletionStatus(self.handle, byref(count), byref(key), byref(pointer), wait)
        if not pointer:
            return None
        return bool(result), count.value, key.value, ctypes.addressof(pointer.contents)

    def __enter__(self) -> "Port":
        return self

    def __exit__(self, *exception: object) -> None:
        kernel32.CloseHandle(self.handle)


def _told(count: int) -> str:
    return str(count) if count >= 0 else name_of(-count)


def _shown(data: bytes) -> str:
    return repr(data) if len(data) <= 40 else f"{data[:30]!r}… ({len(data)} bytes)"
