"""Datagrams with control data, and files sent as one operation: what a connection can do beside plain sends.

Rule 1: both hold the send turn like any other send.
Rule 2: control data goes past the layers: it belongs to the datagram that the transport sends, or has received last,
        while the layers' one call for it runs. So it fits layers that pass on one datagram for each that they get; what
        a layer has read ahead comes without.
Rule 3: an interrupt that tears a transmission finds in it how far it has come (`mending.py`).
Rule 4: a transmission is driven by the engine, also when its client blocks, and lets others go on after every megabyte.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.boundary import PIECE
from ws2spi._engine.datagram import Datagram
from ws2spi._engine.driving import aborted, would_block
from ws2spi._engine.operations import Done, Request, Role, Task, sleep
from ws2spi._engine.sending import Sending
from ws2spi._engine.transport import Address
from ws2spi._executive import threads

_RUN = 1 << 20  # bytes after which everybody else has a turn
_TURN = 1e-6  # seconds: as soon as the engine comes round
_FILE_PIECE = 1 << 18  # bytes of a file that one system call sends: a bound for how long the mailbox is held


class File(Protocol):
    """A part of a file, as `submit_transmission` takes it beside plain buffers."""

    fd: int
    start: int

    def __len__(self) -> int: ...

    def read(self, offset: int, size: int) -> bytes: ...


class Transmission:
    """What is to be sent, packet by packet, and how far that has come. A stream is one packet.

    Calling it makes the coroutine that goes on from there.
    """

    __slots__ = ("_cancelled", "_connection", "_offset", "_packets", "_part", "_request", "_run_of", "total")

    def __init__(self, connection: "Messages", packets: list[list[Any]], request: Request) -> None:
        self._connection = connection
        self._packets = packets
        self._request = request
        self._part = 0  # of the first packet
        self._offset = 0  # within it
        self._cancelled = False
        self._run_of = 0  # bytes since others had their turn
        self.total = 0  # bytes that are gone

    def __call__(self) -> Any:
        return self._run()

    def cancel(self) -> None:
        """Send no further piece."""
        self._cancelled = True

    def torn(self, sent: int) -> None:
        """An interrupt came after `sent` bytes of the piece that was on its way."""
        self._offset, self.total = self._offset + sent, self.total + sent

    async def _run(self) -> None:
        connection = self._connection
        # A file may go as fast as it is read: the engine drives it, in turns with everybody else (rule 4).
        await sleep(_TURN)
        while self._packets:
            if connection.transport.stream:
                await self._stream_packet(self._packets[0])
            else:
                if self._cancelled:
                    raise aborted()
                await self._message(self._packets[0])
            self._part = self._offset = 0
            self._packets.pop(0)
        self._request.result = self.total

    async def _stream_packet(self, parts: list[Any]) -> None:
        transport: Any = self._connection.transport
        straight = self._connection.raw_send and getattr(transport, "send_file", None)
        while self._part < len(parts):
            part = parts[self._part]
            while self._offset < len(part):
                if self._cancelled:
                    raise aborted()
                if isinstance(part, memoryview):
                    piece: Any = part[self._offset : self._offset + _FILE_PIECE]
                elif straight:
                    size = min(_FILE_PIECE, len(part) - self._offset)
                    await self._take_turns(size)
                    if await straight(part.fd, part.start + self._offset, size):
                        gone = transport.sent
                        self._offset, self.total, transport.sent = self._offset + gone, self.total + gone, 0
                        continue
                    break  # the file has become shorter
                else:
                    piece = part.read(self._offset, PIECE)
                    if not piece:
                        break
                gone = len(piece)
                await self._take_turns(gone)
                await self._connection.send_piece(piece)
                self._offset, self.total, transport.sent = self._offset + gone, self.total + gone, 0
            self._part, self._offset = self._part + 1, 0

    async def _take_turns(self, size: int) -> None:
        self._run_of += size
        if self._run_of > _RUN:
            self._run_of = size
            await sleep(_TURN)

    async def _message(self, parts: list[Any]) -> None:
        data = b"".join(part if isinstance(part, memoryview) else part.read(0, len(part)) for part in parts)
        await self._connection.send_piece(data, None)
        self.total += len(data)


class Messages(Sending):
    """Sends with control data, receives that keep it, and transmissions."""

    labels = False  # somebody receives with control data

    _wait: Callable[..., Any]

    def send_piece(self, *arguments: Any) -> Any:
        """The way down for bytes."""
        return self._send(*arguments)

    def submit_transmission(self, packets: list[list[Any]], done: Done | None = None) -> tuple[Request, Transmission]:
        """Send buffers and parts of files in order, as one operation. `done(request)`: how many bytes.

        Returns: the request, and what `cancel` ends before the next piece.
        """
        request = Request(None, done)
        transmission = Transmission(self, packets, request)
        request.tag = transmission
        self.mailbox.post(self._queue_transmission, transmission, request)
        return request, transmission

    def _queue_transmission(self, transmission: Transmission, request: Request) -> None:
        self._enqueue(Task(self, Role.SEND, transmission, request))

    def submit_inside(self, call: Callable[..., Any], *arguments: Any, done: Done) -> Request:
        """Run `call(*arguments)` in the mailbox, without waiting; `done(request)` has what it gives or raises."""
        request = Request(None, done)
        self.mailbox.post(self._answer_inside, request, call, arguments)
        return request

    # -- control data ----------------------------------------------------------------------------------------------

    def keep_control(self) -> None:
        """From now on received datagrams bring their control data."""
        if not self.labels:
            self.transport.with_control = True
            self.labels = True

    def labelled(self, data: Any) -> Any:
        """In the mailbox: a datagram that layers have passed up, with the control data of the last one from below."""
        last = getattr(self.transport, "last", None)
        if last is None or type(data) is not tuple:
            return data
        datagram = Datagram(data)
        datagram.control, datagram.flags = last
        return datagram

    def send_message(self, data: Any, control: Any, address: Address | None, timeout: float | None) -> int:
        """As `send`, of one datagram with control data."""
        request = Request(threads.current())
        count: int = self._wait(request, timeout, self._queue_message, data, control, address)
        return count

    def submit_message(self, data: Any, control: Any, done: Done | None, address: Address | None) -> Request:
        """As `submit_send`, of one datagram with control data."""
        request = Request(None, done)
        self.mailbox.post(self._queue_message, data, control, address, request)
        return request

    def send_message_nowait(self, data: Any, control: Any, address: Address | None) -> int:
        """As `send_nowait`, of one datagram with control data."""
        count: int = self._inside(self._message_nowait, bytes(data), control, address)
        return count

    def _message_nowait(self, data: bytes, control: Any, address: Address | None) -> int:
        if self._send_error is not None:
            raise self._kept_send_error()
        if self.closing:
            raise aborted()
        if self._sends:
            raise would_block()
        task = Task(self, Role.SEND, partial(self._send_message, data, control, address))
        task.accepted = True
        self._sends.append(task)
        self._begin(task)
        if self._send_error is not None:
            raise self._kept_send_error()
        return len(data)

    def _queue_message(self, data: Any, control: Any, address: Address | None, request: Request) -> None:
        request.result = len(data)
        self._enqueue(Task(self, Role.SEND, partial(self._send_message, data, control, address), request))

    async def _send_message(self, data: Any, control: Any, address: Address | None) -> None:
        transport: Any = self.transport
        if not transport.direct:
            raise WinsockError(WSAError.WSAEOPNOTSUPP, "control data over a hand-written provider")
        transport.out_control = control
        try:
            await self._send(data, address)
        finally:
            transport.out_control = None


__all__ = ["File", "Messages", "Transmission"]
