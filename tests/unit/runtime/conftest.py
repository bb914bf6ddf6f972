"""A started runtime with a provider in memory."""

import ctypes
from collections.abc import Iterator

import pytest

from support.memory_provider import Memory, MemoryProvider, memory_entry
from ws2spi import ws2_32
from ws2spi._executive import threads
from ws2spi._runtime.process import runtime


@pytest.fixture
def started() -> Iterator[None]:
    """WSAStartup before, and as many WSACleanup afterwards as it takes; what was installed is gone."""
    threads.current().pending.clear()  # what an earlier test left for this thread
    assert ws2_32.WSAStartup(0x0202, ctypes.byref(ws2_32.WSADATA())) == 0
    yield
    while runtime.starts:
        runtime.cleanup()
    runtime.catalog.reset()


@pytest.fixture
def memory(started: None) -> Memory:
    """The provider in memory, installed on top of the catalog."""
    provider = MemoryProvider()
    entry = runtime.catalog.install([memory_entry()], lambda _: provider)[0]
    return Memory(provider, entry)
