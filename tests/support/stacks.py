"""Stacks that change nothing, to see the same behaviour through every kind of provider."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ws2spi
from support import all_kinds
from ws2spi.providers.layer import Layer

KINDS = ("base", "control", "bytes", "two")
BY_HAND = (*KINDS, "hand")  # "hand": layers over a provider that knows nothing but the SPI


class Control(Layer):
    """Control calls only: an IFS layer."""

    async def connect(self, conn: Any, address: Any) -> None:
        await conn.below.connect(address)


class Bytes(Layer):
    """Every method that touches bytes, changing none: a non-IFS layer."""

    async def send(self, conn: Any, data: bytes) -> None:
        await conn.below.send(data)

    async def recv(self, conn: Any, size: int) -> bytes:
        data: bytes = await conn.below.recv(size)
        return data

    async def send_urgent(self, conn: Any, data: bytes) -> None:
        await conn.below.send_urgent(data)

    async def recv_urgent(self, conn: Any, size: int) -> bytes:
        data: bytes = await conn.below.recv_urgent(size)
        return data

    async def send_to(self, conn: Any, data: bytes, address: Any) -> None:
        await conn.below.send_to(data, address)

    async def recv_from(self, conn: Any, size: int) -> Any:
        return await conn.below.recv_from(size)


@contextmanager
def installed(kind: str) -> Iterator[None]:
    """The base provider alone, or a stack of that kind over it."""
    if kind == "base":
        yield
        return
    if kind == "hand":
        with all_kinds.installed(), ws2spi.install(ws2spi.Stack([Bytes()])):
            yield
        return
    with ws2spi.install(ws2spi.Stack([Control()] if kind == "control" else [Bytes()])):
        if kind != "two":
            yield
            return
        with ws2spi.install(ws2spi.Stack([Bytes()])):
            yield
