"""Layers that the tests of `ws2spi run` put under programs, as `path/own_layers.py:Class`."""

import os
from pathlib import Path
from typing import Any

from ws2spi._abi.errors import WinsockError, wsa_from_errno
from ws2spi._engine.operations import sleep
from ws2spi.providers.layer import Layer

_LOOK = 0.01  # seconds between two looks at a gate


async def pass_gate(mark: Path | None, gate: Path | None) -> None:
    """Say that we are here (a line in the file `mark`), then wait until the file `gate` exists."""
    if mark is not None:
        with open(mark, "a") as file:
            file.write("here\n")
    while gate is not None and not os.path.exists(gate):
        await sleep(_LOOK)


class Bytes(Layer):
    """Looks at bytes and changes none: the program is relayed."""

    async def send(self, conn: Any, data: bytes) -> None:
        await conn.below.send(data)

    async def recv(self, conn: Any, size: int) -> bytes:
        data: bytes = await conn.below.recv(size)
        return data


class Control(Layer):
    """Looks at connects only: the program's own socket connects."""

    async def connect(self, conn: Any, address: Any) -> None:
        await conn.below.connect(address)


class Late(Layer):
    """Looks at connects only, but thinks before each."""

    async def connect(self, conn: Any, address: Any) -> None:
        await sleep(_LOOK)
        await conn.below.connect(address)


class Gate(Layer):
    """Connects when the gate opens; relayed.

    Options:
        mark: a file that gets a line for each connect that has begun
        gate: a file; connects wait until it exists
        ended: a file that gets a line for each connect that was given up
    """

    def __init__(self, *, mark: Path | None = None, gate: Path | None = None, ended: Path | None = None) -> None:
        self._mark, self._gate, self._ended = mark, gate, ended

    async def connect(self, conn: Any, address: Any) -> None:
        try:
            await pass_gate(self._mark, self._gate)
        except BaseException:
            await pass_gate(self._ended, None)
            raise
        await conn.below.connect(address)

    async def send(self, conn: Any, data: bytes) -> None:
        await conn.below.send(data)


class ControlGate(Layer):
    """As `Gate`, without looking at bytes.

    Options:
        mark: a file that gets a line for each connect that has begun
        gate: a file; connects wait until it exists
    """

    def __init__(self, *, mark: Path | None = None, gate: Path | None = None) -> None:
        self._mark, self._gate = mark, gate

    async def connect(self, conn: Any, address: Any) -> None:
        await pass_gate(self._mark, self._gate)
        await conn.below.connect(address)


class Sends(Layer):
    """Holds what the program sends until the gate opens.

    Options:
        mark: a file that gets a line for each piece
        gate: a file; pieces wait until it exists
    """

    def __init__(self, *, mark: Path | None = None, gate: Path | None = None) -> None:
        self._mark, self._gate = mark, gate

    async def send(self, conn: Any, data: bytes) -> None:
        await pass_gate(self._mark, self._gate)
        await conn.below.send(data)


class Elsewhere(Layer):
    """Leads every connection to another port of the same host.

    Options:
        port: where to
    """

    def __init__(self, *, port: int) -> None:
        self._port = port

    async def connect(self, conn: Any, address: Any) -> None:
        await conn.below.connect((address[0], self._port))


class Refuse(Layer):
    """Lets nothing connect.

    Options:
        error: the errno that the program gets
        gate: a file; refuses when it exists
    """

    def __init__(self, *, error: int, gate: Path | None = None) -> None:
        self._error, self._gate = error, gate

    async def connect(self, conn: Any, address: Any) -> None:
        await pass_gate(None, self._gate)
        raise WinsockError(wsa_from_errno(self._error), "by the layer", errno=self._error)


class Greet(Layer):
    """Says hello to the server and waits for an answer before the program may speak: what proxies ask for."""

    handshakes = True

    async def connect(self, conn: Any, address: Any) -> None:
        await conn.below.connect(address)
        await conn.below.send(b"hello\n")
        answer = b""
        while not answer.endswith(b"\n"):
            answer += await conn.below.recv(1)


class Upper(Layer):
    """Upper-cases what the program sends."""

    async def send(self, conn: Any, data: bytes) -> None:
        await conn.below.send(data.upper())


class Broken(Layer):
    """Has a bug in its recv."""

    async def recv(self, conn: Any, size: int) -> bytes:
        await conn.below.recv(size)
        raise ValueError("a bug")
