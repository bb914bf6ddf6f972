"""What the loopback tests share."""

from collections.abc import Iterator

import pytest

from support import winsock
from ws2spi._executive import threads


@pytest.fixture
def started() -> Iterator[None]:
    """WSAStartup before the test, WSACleanup after it."""
    threads.current().pending.clear()  # what an earlier test left for this thread
    winsock.start()
    yield
    winsock.stop()
