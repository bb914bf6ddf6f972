"""Connections for tests of the engine, under the three drivers, and layers that are awkward on purpose."""

import socket
import threading
from collections.abc import Callable
from typing import Any

from support.threads import LONG, Running, until
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.connection import Connection
from ws2spi._engine.epoll import Engine
from ws2spi._engine.operations import Request, sleep
from ws2spi._engine.transport import SocketTransport
from ws2spi.providers.layer import Layer
from ws2spi.providers.stack import Stack
from ws2spi.testing import FakeEngine, over

# -- layers ------------------------------------------------------------------------------------------------------------


class Pass(Layer):
    """Overrides both directions and changes nothing."""

    async def send(self, conn: Any, data: bytes) -> None:
        await conn.below.send(data)

    async def recv(self, conn: Any, size: int) -> bytes:
        return bytes(await conn.below.recv(size))


class Frame(Layer):
    """Two bytes of length before each piece: the commonest kind of real layer."""

    async def send(self, conn: Any, data: bytes) -> None:
        for start in range(0, len(data), 30000):
            piece = data[start : start + 30000]
            await conn.below.send(len(piece).to_bytes(2, "big") + piece)

    async def recv(self, conn: Any, size: int) -> bytes:
        head = await exactly(conn, 2)
        return await exactly(conn, int.from_bytes(head, "big")) if head else b""


async def exactly(conn: Any, count: int) -> bytes:
    """`count` bytes from below, fewer only at the end."""
    got = b""
    while len(got) < count:
        data = await conn.below.recv(count - len(got))
        if not data:
            break
        got += data
    return got


class Xor(Layer):
    TABLE = bytes(number ^ 0x5A for number in range(256))

    async def send(self, conn: Any, data: bytes) -> None:
        await conn.below.send(data.translate(self.TABLE))

    async def recv(self, conn: Any, size: int) -> bytes:
        return bytes((await conn.below.recv(size)).translate(self.TABLE))


class ReadAhead(Layer):
    """Always reads 8 KiB and gives all of it, however little was asked for."""

    async def recv(self, conn: Any, size: int) -> bytes:
        return bytes(await conn.below.recv(8192))


class Paced(Layer):
    """Sleeps before a send whenever it has sent faster than 200 MB/s."""

    RATE = 200e6

    async def send(self, conn: Any, data: bytes) -> None:
        now = conn.now()
        conn.state.debt = max(getattr(conn.state, "debt", 0.0), now - 0.02) + len(data) / self.RATE
        if conn.state.debt - now > 0.002:
            await sleep(conn.state.debt - now)
        await conn.below.send(data)


class Lazy(Layer):
    """Shakes hands at the first send; the answer comes in on the receiving side."""

    async def recv(self, conn: Any, size: int) -> bytes:
        answered = self._answered(conn)
        if not answered.is_set():
            if not await exactly(conn, 5):
                return b""
            answered.set()
        return bytes(await conn.below.recv(size))

    async def send(self, conn: Any, data: bytes) -> None:
        if not hasattr(conn.state, "greeted"):
            conn.state.greeted = True
            await conn.below.send(b"HELLO")
            conn.want_input()
        await self._answered(conn).wait()
        await conn.below.send(data)

    def _answered(self, conn: Any) -> Any:
        if not hasattr(conn.state, "answered"):
            conn.state.answered = conn.event()
        return conn.state.answered


class Gated(Layer):
    """Both directions work, but a `send` goes on only when the test opens `gate` (of the last connection)."""

    def __init__(self) -> None:
        self.gate: Any = None
        self.entered = 0

    async def send(self, conn: Any, data: bytes) -> None:
        self.gate = conn.event()
        self.entered += 1
        await self.gate.wait()
        await conn.below.send(data)


# -- outcomes ----------------------------------------------------------------------------------------------------------


class Outcome:
    """What one call came to, however it was driven. `result()` waits for it and gives the value or the WinsockError."""

    def __init__(self, done: Callable[[], bool], value: Callable[[], Any], request: Request | None = None) -> None:
        self._done = done
        self._value = value
        self.request = request

    @property
    def done(self) -> bool:
        return self._done()

    def result(self) -> Any:
        until(self._done)
        return self._value()


def value_of(request: Request) -> Any:
    """The result or the error of a finished request."""
    return request.result if request.error is None else request.error


def code(outcome: Any) -> Any:
    """The code of a WinsockError; anything else is not what was expected, and shows as it is."""
    return outcome.code if isinstance(outcome, WinsockError) else outcome


def submitted(submit: Callable[..., Request], *arguments: Any) -> Outcome:
    """A request with a callback, submitted; it is done when the callback was called."""
    told: list[Request] = []
    request = submit(*arguments, told.append)
    return Outcome(lambda: bool(told), lambda: value_of(request), request)


def shut(*connections: Connection) -> None:
    """Close connections on a real engine and wait until their descriptors are closed."""
    for connection in connections:
        closed = threading.Event()
        connection.close(lambda _, closed=closed: closed.set())
        if not closed.wait(LONG):
            connection.abort()
            raise AssertionError(f"{connection!r} does not close")


# -- the three drivers -------------------------------------------------------------------------------------------------


class Rig:
    """Connections, and calls on them, as one driver performs them. `.name` is the driver's."""

    name: str

    def pair(self, *layers: Layer, capacity: int = 65536) -> tuple[Connection, Connection]:
        """A connection under `layers`, and its bare peer."""
        raise NotImplementedError

    def recv(self, connection: Connection, size: int) -> Outcome:
        raise NotImplementedError

    def send(self, connection: Connection, data: bytes) -> Outcome:
        raise NotImplementedError

    def settle(self) -> None:
        """Let happen what can happen at once; only the fake knows when that is."""

    def close(self) -> None:
        """End everything."""


class RealRig(Rig):
    def __init__(self) -> None:
        self.engine = Engine().start()
        self.connections: list[Connection] = []

    def pair(self, *layers: Layer, capacity: int = 65536) -> tuple[Connection, Connection]:
        ends = socket.socketpair()
        if capacity != 65536:
            for end in ends:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, capacity)
        made = (
            Stack(layers).connection(self.engine, SocketTransport(ends[0])),
            Stack().connection(self.engine, SocketTransport(ends[1])),
        )
        self.connections += made
        return made

    def tcp(self, *layers: Layer) -> tuple[Connection, socket.socket]:
        """A connection under `layers` over TCP, and the peer's plain socket."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            lower = socket.create_connection(listener.getsockname())
            peer = listener.accept()[0]
        peer.settimeout(LONG)
        connection = Stack(layers).connection(self.engine, SocketTransport(lower))
        self.connections.append(connection)
        return connection, peer

    def close(self) -> None:
        try:
            for connection in self.connections:
                connection.abort()
            shut(*self.connections)
        finally:
            self.engine.stop()
            self.engine.close()


class ThreadRig(RealRig):
    """Each call blocks on a thread of its own, which drives it."""

    name = "thread"

    def recv(self, connection: Connection, size: int) -> Outcome:
        return self._blocked(connection, lambda: connection.recv(size))

    def send(self, connection: Connection, data: bytes) -> Outcome:
        return self._blocked(connection, lambda: connection.send(data))

    def _blocked(self, connection: Connection, call: Callable[[], Any]) -> Outcome:
        running = Running(call)
        # Parked or done: whoever comes next must find this call in its place.
        until(lambda: running.executive._parked or not running.alive())
        return Outcome(lambda: not running.alive(), running.result)


class EpollRig(RealRig):
    """Each call is submitted; the engine's thread drives it."""

    name = "epoll"

    def recv(self, connection: Connection, size: int) -> Outcome:
        return submitted(connection.submit_recv, size)

    def send(self, connection: Connection, data: bytes) -> Outcome:
        return submitted(connection.submit_send, data)


class FakeRig(Rig):
    """Each call is submitted to the engine with a clock of its own."""

    name = "fake"

    def __init__(self) -> None:
        self.engine = FakeEngine()

    def pair(self, *layers: Layer, capacity: int = 65536) -> tuple[Connection, Connection]:
        one, other = self.engine.pair(capacity)
        return over(self.engine, one, *layers), over(self.engine, other)

    def recv(self, connection: Connection, size: int) -> Outcome:
        return self._run(submitted(connection.submit_recv, size))

    def send(self, connection: Connection, data: bytes) -> Outcome:
        return self._run(submitted(connection.submit_send, data))

    def _run(self, outcome: Outcome) -> Outcome:
        plain = outcome.result

        def result() -> Any:
            self.engine.settle()
            return plain()

        outcome.result = result  # type: ignore[method-assign]
        return outcome

    def settle(self) -> None:
        self.engine.settle()


RIGS: dict[str, type[Rig]] = {"thread": ThreadRig, "epoll": EpollRig, "fake": FakeRig}

INTERRUPTED = {
    "thread": WSAError.WSAEINTR,
    "epoll": WSAError.WSA_OPERATION_ABORTED,
    "fake": WSAError.WSA_OPERATION_ABORTED,
}
