"""The bottom of a stack that stands on another provider's procedure table instead of a Linux socket.

Windows' layering, spelled out once so that authors of `Layer` never meet it: each send or receive goes down with an
OVERLAPPED and buffers of ours (the substitutes), an intermediate completion routine, and the WSATHREADID of a private
thread that waits alertably: the engine's. The lower provider queues the routine there as an APC; the routine wakes the
coroutine; what the client asked for is completed upwards by its own record, as on every other connection.

Calls that the SPI lets block without an overlapped form, connect and accept, run on a thread of their own.
"""

import ctypes
import struct
import threading
import types
from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any

from ws2spi._abi import addresses
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.types import DWORD, INT, OVERLAPPED, WSABUF
from ws2spi._engine.operations import Event, Kind, Task, Want
from ws2spi._engine.transport import MAX_DATAGRAM, Address
from ws2spi._runtime import protocol_info
from ws2spi._runtime.address_lists import AddressList, read_list
from ws2spi._runtime.catalog import CatalogEntry
from ws2spi._runtime.completion import Completion, expect
from ws2spi._runtime.process import runtime
from ws2spi._runtime.serve import table_of
from ws2spi._runtime.threads import own_structure
from ws2spi.providers import options
from ws2spi.providers.private_thread import PrivateThread

if TYPE_CHECKING:
    from ws2spi._engine.connection import Connection

_ADDRESS_ROOM = 128  # sizeof(SOCKADDR_STORAGE)
_LISTS = (c.SIO_ADDRESS_LIST_QUERY, c.SIO_ADDRESS_LIST_SORT)
_PENDING = WSAError.WSA_IO_PENDING
_FAILED = (c.SOCKET_ERROR, c.INVALID_SOCKET)


class Operation:
    """One overlapped call on its way through the lower provider; keeps the substitutes alive until it is back."""

    __slots__ = ("buffer", "code", "ended", "event", "keep", "overlapped", "transferred", "wsabuf")

    def __init__(self, connection: "Connection", buffer: Any, size: int) -> None:
        self.buffer = buffer
        self.wsabuf = WSABUF(size, ctypes.addressof(buffer))
        self.overlapped = OVERLAPPED()
        self.event = Event(connection)
        self.code = 0
        self.transferred = 0
        self.ended = False
        self.keep: Any = None

    def routine(self, error: int, transferred: int, overlapped: Any, flags: int) -> None:
        """The intermediate procedure, as an APC on the private thread."""
        _in_flight.discard(self)
        self.code, self.transferred, self.ended = error, transferred, True
        self.event.set()

    def failed(self, code: int) -> None:
        """It has not been started: no routine follows."""
        _in_flight.discard(self)
        self.code, self.ended = code, True
        self.event.set()


# What lower providers still point into, whatever became of the connection. A provider that has cleaned up writes
# nowhere, and need not have told of what it cancelled by that.
_in_flight: set[Operation] = set()
runtime.extend(unloaded=_in_flight.clear)


class ProviderTransport:
    """In the place of `SocketTransport`: a socket of the provider below.

    Parameters:
        info: the catalog entry of the provider below; table: its functions; number: its socket.
        private: where completion routines run.
    """

    direct = False  # nothing can be asked without a coroutine; the connection keeps an inbox for everything

    def __init__(self, info: CatalogEntry, table: Any, number: int, private: PrivateThread) -> None:
        self.info = info
        self.table = table
        self.number = number
        self.private = private
        self.stream = info.stream
        self.expedited = bool(info.service_flags & c.XP1_EXPEDITED_DATA)
        self.fd = -1
        self.connection: Connection | None = None
        self.reader: Task | None = None
        self.writer: Task | None = None
        self.armed = 0
        self.watched = 0
        self.named = False  # has an address of its own, and keeps it
        self.closed = False
        self.patient = False  # who closes it must not wait

    @classmethod
    def open(
        cls, af: int, type: int, protocol: int, info: CatalogEntry, handed: CatalogEntry, private: PrivateThread
    ) -> "ProviderTransport":
        """A new socket of the provider of `info`, which is handed `handed`; always overlapped."""
        table = table_of(runtime.provider(info))
        code = INT()
        number = table.lpWSPSocket(
            af,
            type,
            protocol,
            ctypes.pointer(protocol_info.structure(handed)),
            0,
            c.WSA_FLAG_OVERLAPPED,
            ctypes.byref(code),
        )
        if number == c.INVALID_SOCKET:
            raise _failure(code)
        return cls(info, table, number, private)

    # -- data ------------------------------------------------------------------------------------------------------

    @types.coroutine
    def send(self, data: Any) -> Generator[Want, None, None]:
        operation = self._operation(ctypes.create_string_buffer(bytes(data), len(data) or 1), len(data))
        self._start(operation, "lpWSPSend", 0)
        yield from self._end(operation)

    @types.coroutine
    def recv(self, size: int) -> Generator[Want, None, bytes]:
        operation = self._operation(ctypes.create_string_buffer(size), size)
        self._start(operation, "lpWSPRecv", ctypes.byref(DWORD()))
        yield from self._end(operation)
        return ctypes.string_at(operation.buffer, operation.transferred)

    @types.coroutine
    def send_urgent(self, data: Any) -> Generator[Want, None, None]:
        operation = self._operation(ctypes.create_string_buffer(bytes(data), len(data) or 1), len(data))
        self._start(operation, "lpWSPSend", c.MSG_OOB)
        yield from self._end(operation)

    @types.coroutine
    def recv_urgent(self, size: int) -> Generator[Want, None, bytes]:
        operation = self._operation(ctypes.create_string_buffer(size), size)
        self._start(operation, "lpWSPRecv", ctypes.byref(DWORD(c.MSG_OOB)))
        yield from self._end(operation)
        return ctypes.string_at(operation.buffer, operation.transferred)

    @types.coroutine
    def send_to(self, data: Any, address: Address | None = None) -> Generator[Want, None, None]:
        if address is None:
            yield from self.send(data)
            return
        operation = self._operation(ctypes.create_string_buffer(bytes(data), len(data) or 1), len(data))
        packed = addresses.pack(self.info.address_family, address)
        operation.keep = ctypes.create_string_buffer(packed, len(packed))
        self._start(operation, "lpWSPSendTo", 0, operation.keep, len(packed))
        yield from self._end(operation)

    @types.coroutine
    def recv_from(self, size: int = MAX_DATAGRAM) -> Generator[Want, None, tuple[bytes, Address]]:
        operation = self._operation(ctypes.create_string_buffer(size), size)
        room, length = ctypes.create_string_buffer(_ADDRESS_ROOM), INT(_ADDRESS_ROOM)
        operation.keep = (room, length)
        self._start(operation, "lpWSPRecvFrom", ctypes.byref(DWORD()), room, ctypes.byref(length))
        yield from self._end(operation)
        sender = addresses.unpack(room.raw[: length.value])[1]
        return ctypes.string_at(operation.buffer, operation.transferred), sender

    def _operation(self, buffer: Any, size: int) -> Operation:
        assert self.connection is not None
        return Operation(self.connection, buffer, size)

    def _start(self, operation: Operation, function: str, *middle: Any) -> None:
        """Hand `operation` to a provider that has shown that it does not block.

        One that has not is called on a helper thread: it may be one whose calls take their time, and whoever runs the
        layers, the engine not least, has others to serve.
        """
        _in_flight.add(operation)
        call = partial(self._issue, operation, function, middle)
        if id(self.table) in self.private.asynchronous:
            call()
        else:
            threading.Thread(target=call, name="ws2spi-lower", daemon=True).start()

    def _issue(self, operation: Operation, function: str, middle: tuple[Any, ...]) -> None:
        code, transferred = INT(), DWORD()
        try:
            identity = ctypes.byref(self.private.identity())
            acting = self.private.acting()
        except WinsockError as error:  # the process cleans up
            operation.failed(error.code)
            return
        if self.closed:
            operation.failed(WSAError.WSA_OPERATION_ABORTED)
            return
        with acting:
            failed = getattr(self.table, function)(
                self.number,
                ctypes.byref(operation.wsabuf),
                1,
                ctypes.byref(transferred),
                *middle,
                ctypes.byref(operation.overlapped),
                operation.routine,
                identity,
                ctypes.byref(code),
            )
        if failed and code.value == _PENDING:
            self.private.asynchronous.add(id(self.table))
        elif failed:
            operation.failed(code.value or WSAError.WSASYSCALLFAILURE)

    @types.coroutine
    def _end(self, operation: Operation) -> Generator[Want, None, None]:
        while not operation.ended:
            yield from operation.event.wait()
        if operation.code:
            raise WinsockError(operation.code, "the provider below")

    # -- control ---------------------------------------------------------------------------------------------------

    async def connect(self, address: Address) -> None:
        data = addresses.pack(self.info.address_family, address)
        await self._aside(lambda: self._call("lpWSPConnect", data, len(data), None, None, None, None))

    async def accept(self) -> "ProviderTransport":
        def accept() -> int:
            room, length = ctypes.create_string_buffer(_ADDRESS_ROOM), INT(_ADDRESS_ROOM)
            return self._call("lpWSPAccept", room, ctypes.byref(length), None, 0)

        number = await self._aside(accept, self._close_socket)
        return ProviderTransport(self.info, self.table, number, self.private)

    async def bind(self, address: Address) -> None:
        data = addresses.pack(self.info.address_family, address)
        self._call("lpWSPBind", data, len(data))

    async def listen(self, backlog: int) -> None:
        self._call("lpWSPListen", backlog)

    async def shutdown(self, how: int) -> None:
        self._call("lpWSPShutdown", how)  # SHUT_ and SD_ are the same numbers

    async def getsockname(self) -> Address:
        return self._name("lpWSPGetSockName")

    async def getpeername(self) -> Address:
        return self._name("lpWSPGetPeerName")

    async def getsockopt(self, level: int, option: int, size: int) -> bytes:
        """Linux numbers and layouts, as everywhere beneath a layer; the provider below gets Windows'."""
        windows = options.below(level, option)
        room = max(size, 0) if windows.room is None else windows.room
        value, length = ctypes.create_string_buffer(max(room, 1)), INT(room)
        self._call("lpWSPGetSockOpt", windows.level, windows.number, value, ctypes.byref(length))
        return windows.as_got(value.raw[: max(0, min(length.value, room))])

    async def setsockopt(self, level: int, option: int, value: bytes) -> None:
        windows = options.below(level, option)
        data = windows.to_set(value)
        self._call("lpWSPSetSockOpt", windows.level, windows.number, data, len(data))

    def ioctl(self, code: int, data: bytes, out_size: int, completion: Completion | None) -> bytes | AddressList | None:
        """WSPIoctl of the provider below; None when pending. On the caller's thread, which it may block."""
        if code == c.SIO_QUERY_TARGET_PNP_HANDLE:
            return struct.pack("<Q", self.number)
        given = ctypes.create_string_buffer(data, len(data) or 1)
        output, returned, failure = ctypes.create_string_buffer(max(out_size, 1)), DWORD(), INT()
        started = None

        def ended(error: int, count: int) -> None:
            assert completion is not None
            if not error and completion.output_out is not None:
                completion.output_out(output.raw[: min(count, out_size)])
            completion.complete(error, 0 if error else count)

        if completion is not None:
            started = expect(OVERLAPPED(), ended, (given, output))
        failed = self.table.lpWSPIoctl(
            self.number,
            code,
            given if data else None,
            len(data),
            output if out_size else None,
            out_size,
            ctypes.byref(returned),
            None if started is None else ctypes.byref(started.structure),
            None,
            ctypes.byref(own_structure()),
            ctypes.byref(failure),
        )
        if failed and started is not None and failure.value == _PENDING:
            return None
        if started is not None:
            started.forget()
        if failed and failure.value == WSAError.WSAEFAULT and returned.value > out_size:
            return bytes(returned.value)  # does not fit above either, and there the size that is needed is told
        if failed:
            raise _failure(failure)
        answer = output.raw[: min(returned.value, out_size)]
        # A list has pointers into the memory that it was written to.
        return AddressList(read_list(answer)) if code in _LISTS else answer

    async def socket(self) -> None:
        """The lower socket exists already."""

    async def close(self) -> None:
        """The connection closes the lower socket after the layers' last words."""

    def _name(self, function: str) -> Address:
        room, length = ctypes.create_string_buffer(_ADDRESS_ROOM), INT(_ADDRESS_ROOM)
        self._call(function, room, ctypes.byref(length))
        return addresses.unpack(room.raw[: length.value])[1]

    def _call(self, function: str, *arguments: Any) -> int:
        code = INT()
        result: int = getattr(self.table, function)(self.number, *arguments, ctypes.byref(code))
        if result in _FAILED:
            raise _failure(code)
        return result

    async def _aside(self, call: Callable[[], int], abandoned: Callable[[int], object] | None = None) -> int:
        """Run a call that may block on a thread of its own; the connection goes on meanwhile.

        Parameters:
            abandoned: gets a result for which nobody waits any more.
        """
        assert self.connection is not None
        event = Event(self.connection)
        outcome: list[int | BaseException] = []
        left: list[bool] = []  # the connection was closed meanwhile: nobody waits for the outcome

        def run() -> None:
            try:
                outcome.append(call())
            except BaseException as error:
                outcome.append(error)
            finally:
                event.set()
                if left and abandoned is not None and isinstance(outcome[0], int):
                    abandoned(outcome[0])

        threading.Thread(target=run, name="ws2spi-lower", daemon=True).start()
        try:
            await event.wait()
        except BaseException:
            left.append(True)
            raise
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        return outcome[0]

    # -- for the connection ----------------------------------------------------------------------------------------

    def _close_socket(self, number: int) -> None:
        self.table.lpWSPCloseSocket(number, ctypes.byref(INT()))

    def ready(self, kind: Kind) -> bool:
        return kind is Kind.WRITE

    def base_handle(self) -> int:
        """SIO_BASE_HANDLE of the lower socket."""
        handle, returned = ctypes.c_uint64(), DWORD()
        self._call(
            "lpWSPIoctl",
            c.SIO_BASE_HANDLE,
            None,
            0,
            ctypes.byref(handle),
            ctypes.sizeof(handle),
            ctypes.byref(returned),
            None,
            None,
            ctypes.byref(own_structure()),
        )
        return int(handle.value)

    def urgent_inline(self) -> bool:
        """Whether the provider below gives urgent data as part of the stream (SO_OOBINLINE)."""
        value, length = ctypes.create_string_buffer(4), INT(4)
        try:
            self._call("lpWSPGetSockOpt", c.SOL_SOCKET, c.SO_OOBINLINE, value, ctypes.byref(length))
        except WinsockError:
            return False
        return any(value.raw)

    def make_abortive(self) -> None:
        linger = ctypes.create_string_buffer(b"\x01\x00\x00\x00", 4)  # struct linger: on, 0 seconds
        try:
            self._call("lpWSPSetSockOpt", c.SOL_SOCKET, c.SO_LINGER, linger, 4)
        except WinsockError:
            pass  # a provider without the option ends as it can

    def disconnect(self) -> None:
        """A layer above has failed: the lower socket is closed at once, with a reset where it can."""
        self.make_abortive()
        self.close_now()

    def bound(self) -> bool:
        if not self.named:
            try:
                self.named = bool(self._name("lpWSPGetSockName")[1])
            except WinsockError:
                pass  # WSAEINVAL: it has no name yet
        return self.named

    def unsent_bytes(self) -> int:
        return 0

    def descriptor(self) -> int:
        return -1

    def do_not_wait(self) -> None:
        """The engine closes: a provider that waits for SO_LINGER does so on a thread of its own."""
        self.patient = True

    def dissolve(self) -> None:
        """A datagram socket forgets its peer: the wildcard address, by the SPI."""
        data = addresses.pack(self.info.address_family, addresses.wildcard(self.info.address_family))
        self._call("lpWSPConnect", data, len(data), None, None, None, None)

    def lose(self) -> None:
        self.close_now()

    def close_now(self) -> None:
        if self.closed:
            return
        self.closed = True
        if self.patient and self._lingers():
            threading.Thread(target=self._close_socket, args=(self.number,), name="ws2spi-lower", daemon=True).start()
        else:
            self._close_socket(self.number)  # it may be closed below already

    def _lingers(self) -> bool:
        linger, length = ctypes.create_string_buffer(4), INT(4)
        try:
            self._call("lpWSPGetSockOpt", c.SOL_SOCKET, c.SO_LINGER, linger, ctypes.byref(length))
        except WinsockError:
            return False
        on, seconds = struct.unpack("<HH", linger.raw)
        return bool(on and seconds)

    def __repr__(self) -> str:
        return f"<ProviderTransport {self.number} of {self.info.name!r} {'closed' if self.closed else 'open'}>"


def _failure(code: Any) -> WinsockError:
    # A provider that fails without saying why is told of as the exact face does it.
    return WinsockError(code.value or WSAError.WSASYSCALLFAILURE, "the provider below")


__all__ = ["ProviderTransport"]
