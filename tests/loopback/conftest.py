"""What the loopback tests share."""

from collections.abc import Iterator

import pytest

from support import winsock


@pytest.fixture
def started() -> Iterator[None]:
    """WSAStartup before the test, WSACleanup after it."""
    winsock.start()
    yield
    winsock.stop()
