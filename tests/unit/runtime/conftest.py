"""A started runtime with a provider in memory."""

import ctypes
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from support.memory_provider import MemoryProvider, memory_entry
from ws2spi import ws2_32
from ws2spi._runtime.catalog import CatalogEntry
from ws2spi._runtime.process import runtime


@pytest.fixture
def started() -> Iterator[None]:
    """WSAStartup before, and as many WSACleanup afterwards as it takes; what was installed is gone."""
    assert ws2_32.WSAStartup(0x0202, ctypes.byref(ws2_32.WSADATA())) == 0
    yield
    while runtime.starts:
        runtime.cleanup()
    runtime.catalog.reset()


class Memory(NamedTuple):
    """The provider in memory, and its entry of the catalog."""

    provider: MemoryProvider
    entry: CatalogEntry

    def connected(self, flags: int = 1) -> tuple[int, int]:
        """Two connected handles."""
        return self.provider.connected(self.entry.catalog_id, flags)


@pytest.fixture
def memory(started: None) -> Memory:
    """The provider in memory, installed on top of the catalog."""
    provider = MemoryProvider()
    entry = runtime.catalog.install([memory_entry()], lambda _: provider)[0]
    return Memory(provider, entry)
