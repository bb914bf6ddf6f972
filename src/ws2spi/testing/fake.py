"""An engine with its own clock, and transports in memory.

Everything runs on the calling thread. A blocking call runs the fake network until its request is done; when nothing can
run, the clock jumps to the next timer; when there is none, the call would wait for ever, and `DeadlockError` says so.
"""

import errno
import heapq
import itertools
import os
import select
import socket
import types
from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import Any, cast

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.connection import Connection
from ws2spi._engine.operations import Kind, Request, Task, Turn, Want
from ws2spi._engine.transport import Address, SocketTransport, winsock_error
from ws2spi.providers.layer import Layer
from ws2spi.providers.stack import Stack

CAPACITY = 65536  # bytes that a fake transport takes before its sender would block


class DeadlockError(AssertionError):
    """A blocking call that nothing can ever finish."""


class FakeTimer:
    """A call at a moment of the fake clock."""

    __slots__ = ("arguments", "call", "cancelled")

    def __init__(self, call: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        self.call = call
        self.arguments = arguments
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class FakeEngine:
    """The place where coroutines are parked, with `clock` seconds since it was made."""

    def __init__(self) -> None:
        self.clock = 0.0
        self._timers: list[tuple[float, int, FakeTimer]] = []
        self._numbers = itertools.count()
        self._armed: dict[FakeTransport, int] = {}  # {transport: one-shot interest}
        self.listeners: dict[Address, FakeTransport] = {}
        self.datagrams: dict[Address, Any] = {}  # {address: the `FakeDatagrams` there}
        self._blocked = 0  # blocking calls inside each other

    # -- what a connection asks of its engine ----------------------------------------------------------------------

    def now(self) -> float:
        return self.clock

    def serves_here(self) -> bool:
        return False

    def at(self, moment: float, call: Callable[..., object], *arguments: Any) -> FakeTimer:
        timer = FakeTimer(call, arguments)
        heapq.heappush(self._timers, (moment, next(self._numbers), timer))
        return timer

    def call_later(self, delay: float, call: Callable[..., object], *arguments: Any) -> FakeTimer:
        return self.at(self.clock + delay, call, *arguments)

    def call_soon(self, call: Callable[..., object], *arguments: Any) -> None:
        self.at(self.clock, call, *arguments)

    def arm(self, transport: "FakeTransport", events: int) -> None:
        self._armed[transport] = events

    def disarm(self, transport: "FakeTransport") -> None:
        self._armed.pop(transport, None)

    def block(self, connection: Any, request: Request, timeout: float | None, alertable: bool = True) -> None:
        """Run the network until `request` is done; withdraw it after `timeout` seconds of the clock."""
        thread = request.owner
        assert thread is not None
        if self._blocked:
            connection.mailbox.post(connection.entrust, thread, request)
        self._blocked += 1
        try:
            self._block(connection, request, timeout, alertable)
        except BaseException:
            connection.mailbox.post(connection.withdraw, request, WSAError.WSAEINTR)
            raise
        finally:
            self._blocked -= 1

    def _block(self, connection: Any, request: Request, timeout: float | None, alertable: bool) -> None:
        thread = request.owner
        assert thread is not None
        deadline = None if timeout is None else self.clock + timeout
        while not request.done:
            if alertable and thread.pending:
                thread.run_apcs()
                continue
            task = connection.driven_for(request)
            if task is not None and task.owner is thread and self._drive(connection, task):
                continue
            if self._step():
                continue
            moments = [moment for moment in (deadline, self._next_timer()) if moment is not None]
            if task is not None and task.owner is thread and task.want is not None and task.want.kind is Kind.TIME:
                moments.append(task.deadline)
            if not moments:
                raise DeadlockError(f"nothing can finish {request!r} of {connection!r}")
            self.clock = max(self.clock, min(moments))
            if deadline is not None and self.clock >= deadline:
                deadline = None
                connection.mailbox.post(connection.withdraw, request, WSAError.WSAETIMEDOUT)

    # -- what a test asks ------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Run everything that can run without moving the clock."""
        while self._step():
            pass

    def advance(self, seconds: float) -> None:
        """Move the clock, running what falls due on the way, in order."""
        end = self.clock + seconds
        while True:
            self.settle()
            moment = self._next_timer()
            if moment is None or moment > end:
                break
            self.clock = max(self.clock, moment)
        self.clock = end
        self.settle()

    def pair(self, capacity: int = CAPACITY) -> tuple["FakeTransport", "FakeTransport"]:
        """Two transports that are connected to each other."""
        one, other = FakeTransport(self, capacity), FakeTransport(self, capacity)
        one.peer, other.peer = other, one
        return one, other

    def _drive(self, connection: Connection, task: Task) -> bool:
        """Do for a blocked thread what its own poll would do."""
        want = task.want
        if want is None or want.kind is Kind.EVENT:
            return False
        if want.kind is Kind.TIME:
            if task.deadline > self.clock:
                return False
        elif not want.source.ready(want.kind):
            return False
        connection.mailbox.post(connection.resume, task, want)
        return True

    def _step(self) -> bool:
        """Run one thing that is due; False when there is none."""
        while self._timers and self._timers[0][0] <= self.clock:
            timer = heapq.heappop(self._timers)[2]
            if not timer.cancelled:
                timer.call(*timer.arguments)
                return True
        for transport, events in tuple(self._armed.items()):
            shown = transport.shown() & (events | select.EPOLLERR | select.EPOLLHUP)
            if shown:
                del self._armed[transport]
                connection = transport.connection
                assert connection is not None
                connection.mailbox.post(connection.ready, cast(SocketTransport, transport), shown)
                return True
        return False

    def _next_timer(self) -> float | None:
        while self._timers and self._timers[0][2].cancelled:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None


class FakeTransport:
    """A stream in memory, in the place of `SocketTransport`.

    Attributes:
        peer: the other end.
        pieces: how many bytes each `recv` gives at most, one number after the other; empty: as asked. So a test feeds a
            stream byte by byte, or cut where it hurts.
        connect_delay: seconds of the fake clock until a connect has its outcome.
    """

    direct = True

    def __init__(self, engine: FakeEngine, capacity: int = CAPACITY) -> None:
        self.engine = engine
        self.capacity = capacity
        self.stream = True
        self.fd = -1
        self.connection: Connection | None = None
        self.peer: FakeTransport | None = None
        self.read = Want(Kind.READ, self)
        self.write = Want(Kind.WRITE, self)
        self.reader: Task | None = None
        self.writer: Task | None = None
        self.armed = 0
        self.watched = 0
        self.sent = 0  # bytes of the last send that are gone
        self.closed = False
        self.saves_urgent = False
        self.was_reset = False
        self.reset = False
        self.pieces: Iterable[int] = ()
        self.connect_delay = 0.0
        self.arrived = bytearray()
        self.ended = False  # the peer has shut down its sending side
        self.shut_write = False
        self._backlog: deque[FakeTransport] | None = None
        self._name: Address = ("fake", next(_ports))
        self._peer_name: Address | None = None
        self._sending = Turn()
        self._receiving = Turn()

    # -- data ------------------------------------------------------------------------------------------------------

    @types.coroutine
    def send(self, data: Any) -> Generator[Want, None, None]:
        if self._sending.taken:
            yield from self._join(self._sending)
        self._sending.taken = True
        try:
            rest = memoryview(data)
            self.sent = 0
            while True:
                self.sent += self._take(rest[self.sent :])
                if self.sent == len(rest):
                    return
                yield self.write
        finally:
            self._sending.leave()

    @types.coroutine
    def recv(self, size: int) -> Generator[Want, None, bytes]:
        if self._receiving.taken:
            yield from self._join(self._receiving)
        self._receiving.taken = True
        try:
            while not self.ready(Kind.READ):
                yield self.read
            return self._give(size)
        finally:
            self._receiving.leave()

    @types.coroutine
    def peek(self, size: int) -> Generator[Want, None, bytes]:
        while not self.ready(Kind.READ):
            yield self.read
        return bytes(self.arrived[:size])

    @types.coroutine
    def wait(self, kind: Kind) -> Generator[Want, None, None]:
        while not self.ready(kind):
            yield self.read if kind is Kind.READ else self.write

    def send_now(self, data: Any) -> int:
        taken = self._take(memoryview(data))
        if not taken:
            raise WinsockError(WSAError.WSAEWOULDBLOCK)
        return taken

    def recv_now(self, size: int, peek: bool = False) -> bytes:
        if not self.ready(Kind.READ):
            raise WinsockError(WSAError.WSAEWOULDBLOCK)
        return bytes(self.arrived[:size]) if peek else self._give(size)

    async def send_urgent(self, data: Any) -> None:
        """There is none in this network."""
        raise WinsockError(WSAError.WSAEOPNOTSUPP, "urgent data in memory")

    def recv_urgent_now(self, size: int) -> bytes | None:
        raise WinsockError(WSAError.WSAEOPNOTSUPP, "urgent data in memory")

    def pending_bytes(self) -> int:
        return len(self.arrived)

    def _take(self, data: memoryview) -> int:
        peer = self.peer
        if self.shut_write:
            raise _error(errno.EPIPE, "send")
        if self.was_reset or peer is None or peer.closed:
            raise _error(errno.ECONNRESET if peer is not None else errno.ENOTCONN, "send")
        count = min(max(0, peer.capacity - len(peer.arrived)), len(data))
        peer.arrived += data[:count]
        return count

    def _give(self, size: int) -> bytes:
        if self.was_reset:
            raise _error(errno.ECONNRESET, "recv")
        if self.peer is None:
            raise _error(errno.ENOTCONN, "recv")
        pieces = iter(self.pieces)
        self.pieces = pieces
        size = min(size, next(pieces, size))
        data = bytes(self.arrived[:size])
        del self.arrived[:size]
        return data

    # -- control ---------------------------------------------------------------------------------------------------

    async def connect(self, address: Address) -> None:
        if self.connect_delay:
            from ws2spi._engine.operations import sleep

            await sleep(self.connect_delay)
        listener = self.engine.listeners.get(address)
        if listener is None or listener._backlog is None:
            raise _error(errno.ECONNREFUSED, "connect")
        accepted = FakeTransport(self.engine, self.capacity)
        accepted.peer, self.peer = self, accepted
        accepted._name = self._peer_name = address
        accepted._peer_name = self._name
        listener._backlog.append(accepted)

    @types.coroutine
    def accept(self) -> Generator[Want, None, "FakeTransport"]:
        backlog = self._backlog
        if backlog is None:
            raise _error(errno.EINVAL, "accept")
        if self._receiving.taken:
            yield from self._join(self._receiving)
        self._receiving.taken = True
        try:
            while not backlog:
                yield self.read
            accepted = backlog[0]
            del backlog[0]
            return accepted
        finally:
            self._receiving.leave()

    async def bind(self, address: Address) -> None:
        if address in self.engine.listeners:
            raise _error(errno.EADDRINUSE, "bind")
        self._name = address

    async def listen(self, backlog: int) -> None:
        self._backlog = deque()
        self.engine.listeners[self._name] = self

    async def shutdown(self, how: int) -> None:
        if how != socket.SHUT_RD:
            self.shut_write = True
            if self.peer is not None:
                self.peer.ended = True

    async def getsockname(self) -> Address:
        return self._name

    async def getpeername(self) -> Address:
        if self._peer_name is None:
            raise _error(errno.ENOTCONN, "getpeername")
        return self._peer_name

    async def getsockopt(self, level: int, option: int, size: int) -> bytes:
        return bytes(size)

    async def setsockopt(self, level: int, option: int, value: bytes) -> None:
        """Taken and forgotten."""

    async def socket(self) -> None:
        """The transport exists already."""

    async def close(self) -> None:
        """The connection closes the transport itself."""

    # -- for the connection and the engine -------------------------------------------------------------------------

    def ready(self, kind: Kind) -> bool:
        if kind is Kind.READ:
            if self.peer is None and self._backlog is None:
                return True  # not connected: the call fails at once
            return bool(self.arrived or self.ended or self.was_reset or self._backlog)
        peer = self.peer
        return self.was_reset or peer is None or peer.closed or len(peer.arrived) < peer.capacity

    def shown(self) -> int:
        """The events that epoll would show."""
        events = select.EPOLLIN if self.ready(Kind.READ) else 0
        if self.was_reset:
            events |= select.EPOLLERR
        elif self.ended:
            events |= select.EPOLLRDHUP
        return events | (select.EPOLLOUT if self.ready(Kind.WRITE) else 0)

    def urgent_inline(self) -> bool:
        return False

    def make_abortive(self) -> None:
        self.disconnect()

    def disconnect(self) -> None:
        if self.peer is not None and not self.peer.closed:
            self.peer.was_reset = True
            self.peer.arrived.clear()
        self.was_reset = True

    def descriptor(self) -> int:
        return -1

    def do_not_wait(self) -> None:
        """Nothing here waits."""

    def free_turn(self, kind: Kind) -> None:
        """Whoever moved bytes in this direction was torn by an interrupt."""
        (self._receiving if kind is Kind.READ else self._sending).free_turn()

    def close_now(self) -> None:
        if not self.closed:
            self.closed = True
            if self.engine.listeners.get(self._name) is self:
                del self.engine.listeners[self._name]
            for accepted in self._backlog or ():
                accepted.disconnect()
            if self.peer is not None:
                self.peer.ended = True

    def _join(self, turn: Turn) -> Generator[Want, None, None]:
        assert self.connection is not None
        yield from turn.join(self.connection).__await__()

    def __repr__(self) -> str:
        return f"<FakeTransport {self._name} {'closed' if self.closed else 'open'} arrived={len(self.arrived)}>"


def over(engine: FakeEngine, transport: FakeTransport, *layers: Layer) -> Connection:
    """A connection of `layers` (top first) over a fake transport."""
    return Stack(layers).connection(engine, cast(SocketTransport, transport))


def _error(number: int, what: str) -> WinsockError:
    return winsock_error(OSError(number, os.strerror(number)), what)


_ports = itertools.count(40000)
