"""The layers that the lines of `programs` run under."""

from typing import Any

from ws2spi import Layer, sleep


class Watch(Layer):
    """Sees connects and no bytes: a control-plane stack."""

    async def connect(self, conn: Any, address: Any) -> None:
        await conn.below.connect(address)


class Pass(Layer):
    """Sees every byte and changes none: a data-plane stack."""

    async def send(self, conn: Any, data: bytes) -> None:
        await conn.below.send(data)

    async def recv(self, conn: Any, size: int) -> bytes:
        data: bytes = await conn.below.recv(size)
        return data


class Slow(Pass):
    """Takes a second to connect."""

    async def connect(self, conn: Any, address: Any) -> None:
        await sleep(1)
        await conn.below.connect(address)
