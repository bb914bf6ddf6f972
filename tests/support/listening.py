"""Listeners of layers under the three drivers, and layers that shake hands."""

import socket
from typing import Any

from support.engines import Outcome, Rig, exactly, submitted
from support.threads import Running
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.connection import Connection
from ws2spi._engine.transport import SocketTransport
from ws2spi.providers.layer import Layer
from ws2spi.providers.stack import Stack
from ws2spi.testing import FakeTransport, over


class Shakes(Layer):
    """Asks `HI` of whoever it connects to, and wants `OK` back."""

    handshakes = True

    async def connect(self, conn: Any, address: Any) -> None:
        await conn.below.connect(address)
        await conn.below.send(b"HI")
        answer = await exactly(conn, 2)
        if answer != b"OK":
            raise WinsockError(WSAError.WSAECONNREFUSED, f"answered {answer!r}")


class Answers(Layer):
    """The other side: handshakes with what it accepts."""

    async def accept(self, conn: Any) -> Any:
        accepted = await conn.below.accept()
        if await exactly(accepted, 2) != b"HI":
            raise WinsockError(WSAError.WSAECONNABORTED, "no greeting")
        accepted.state.greeted = True
        await accepted.below.send(b"OK")
        return accepted


class Listening:
    """A listener of layers, on either kind of engine."""

    def __init__(self, rig: Rig, *layers: Layer) -> None:
        self.rig = rig
        self.connection = self.make(*layers)
        if rig.name == "fake":
            self.connection.perform("bind", ("server", 80))
        else:
            self.connection.perform("bind", ("127.0.0.1", 0))
        self.connection.listen(16)
        self.address = self.connection.perform("getsockname")

    def make(self, *layers: Layer) -> Connection:
        if self.rig.name == "fake":
            return over(self.rig.engine, FakeTransport(self.rig.engine), *layers)  # type: ignore[attr-defined]
        connection = Stack(layers).connection(self.rig.engine, SocketTransport(socket.socket()))  # type: ignore[attr-defined]
        self.rig.connections.append(connection)  # type: ignore[attr-defined]
        return connection

    def connect(self, *layers: Layer) -> tuple[Connection, Outcome]:
        connection = self.make(*layers)
        if self.rig.name == "thread":
            running = Running(connection.connect, self.address)
            return connection, Outcome(lambda: not running.alive(), running.result)
        return connection, submitted(connection.submit_connect, self.address)

    def accept(self) -> Any:
        outcome = self.rig.recv(self.connection, 0)
        accepted = outcome.result()
        if isinstance(accepted, Connection) and self.rig.name != "fake":
            self.rig.connections.append(accepted)  # type: ignore[attr-defined]
        return accepted
