"""Rows of the witness that a scenario cannot show: what happens by chance there, or needs many rounds."""

from collections.abc import Iterator

import pytest

from support import winsock
from ws2spi import kernel32, ws2_32
from ws2spi._executive import threads


@pytest.fixture(autouse=True)
def _clean_thread() -> Iterator[None]:
    threads.current().pending.clear()
    yield
    winsock.stop()
    threads.current().pending.clear()


@pytest.mark.parametrize("first", ["receiver", "peer"])
def test_cleanup_tells_nobody_not_even_of_the_end_of_its_own_sockets(first: str) -> None:
    """K10: both ends are this process's; the one that is closed first must not end the other's receive."""
    told: list[tuple[int, int]] = []

    def routine(code: int, transferred: int, overlapped: object, flags: int) -> None:
        told.append((code, transferred))

    for _ in range(10):
        winsock.start()
        a, b = winsock.connected()
        receives = [winsock.Operation(s, 16, routine) for s in ((a, b) if first == "receiver" else (b, a))]
        assert ws2_32.WSACleanup() == 0
        assert kernel32.SleepEx(1, True) == 0
        assert told == []
        assert [receive.internal for receive in receives] == [0xC0000120] * 2
