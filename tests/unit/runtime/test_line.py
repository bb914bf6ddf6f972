"""The line behind a receive for foreign readers: that and one that leaves the line never go below at once."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from ws2spi._runtime.line import Line


class Claimant:
    """Stands for the completion of an overlapped receive."""

    def __init__(self) -> None:
        self.address_out = None
        self.told = False


def line_of(recv: Callable[..., Any]) -> Line:
    """The line of a handle whose pair is empty and whose provider receives by `recv`."""
    entry: Any = SimpleNamespace(pair=SimpleNamespace(holds=lambda: False), provider=SimpleNamespace(recv=recv))
    return Line(entry)


def join(line: Line, claimant: Any) -> None:
    line.join(claimant, [memoryview(bytearray(4))], 0)


def test_no_receive_for_foreign_readers_begins_while_another_goes_to_the_provider() -> None:
    begun: list[bool] = []
    line = line_of(lambda *arguments: begun.append(line.begin()))
    join(line, Claimant())
    assert begun == [False]
    assert not line.is_busy()
    assert line.begin()


def test_one_that_has_begun_is_waited_for() -> None:
    received: list[Any] = []
    line = line_of(lambda *arguments: received.append(arguments))
    assert line.begin()
    join(line, Claimant())
    line.advance(None)
    assert len(received) == 1
    assert not line.is_busy()
