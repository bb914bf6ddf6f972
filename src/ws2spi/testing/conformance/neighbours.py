"""Awkward neighbours: layers that keep every rule of the contract and none of the habits one may come to rely on.

Each changes nothing that a program can see, so a provider must behave the same above and below them.
"""

from typing import TYPE_CHECKING

from ws2spi._engine.operations import sleep
from ws2spi.providers.layer import Address, Layer

if TYPE_CHECKING:
    from ws2spi._engine.boundary import View

_MOMENT = 0.0002  # seconds; long enough to be parked for


class Ahead(Layer):
    """Reads as much as it can get, whatever it is asked for, and sends in pieces of 700 bytes."""

    async def send(self, conn: "View", data: bytes) -> None:
        for start in range(0, len(data), 700):
            await conn.below.send(data[start : start + 700])

    async def recv(self, conn: "View", size: int) -> bytes:
        data: bytes = await conn.below.recv(10_000)
        return data


class Dribble(Layer):
    """Gives 1, 2, 4, … 4096 bytes at a time, then 1 again, and sends the first byte of each piece by itself."""

    async def send(self, conn: "View", data: bytes) -> None:
        await conn.below.send(data[:1])
        if len(data) > 1:
            await conn.below.send(data[1:])

    async def recv(self, conn: "View", size: int) -> bytes:
        calls = conn.state.calls = getattr(conn.state, "calls", -1) + 1
        data: bytes = await conn.below.recv(min(size, 1 << calls % 13))
        return data


class Lazy(Layer):
    """Never answers at once: each call gives way first, so that everything which may be pending is."""

    async def send(self, conn: "View", data: bytes) -> None:
        await sleep(_MOMENT)
        await conn.below.send(data)

    async def recv(self, conn: "View", size: int) -> bytes:
        data: bytes = await conn.below.recv(size)
        await sleep(_MOMENT)
        return data

    async def send_to(self, conn: "View", data: bytes, address: Address | None) -> None:
        await sleep(_MOMENT)
        await conn.below.send_to(data, address)

    async def recv_from(self, conn: "View", size: int) -> tuple[bytes, Address]:
        result: tuple[bytes, Address] = await conn.below.recv_from(size)
        await sleep(_MOMENT)
        return result

    async def connect(self, conn: "View", address: Address) -> None:
        await sleep(_MOMENT)
        await conn.below.connect(address)

    async def shutdown(self, conn: "View", how: int) -> None:
        await sleep(_MOMENT)
        await conn.below.shutdown(how)


class Watcher(Layer):
    """Sees the control calls and never the bytes: its handles are the lower provider's own (IFS)."""

    async def connect(self, conn: "View", address: Address) -> None:
        await conn.below.connect(address)


NEIGHBOURS: tuple[type[Layer], ...] = (Ahead, Dribble, Lazy, Watcher)
