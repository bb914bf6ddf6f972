"""Handles of hand-written providers that foreign code reads: no descriptor below can be polled (filepair rule 2).

WPUCreateSocketHandle's page: ReadFile on the handle goes to the provider's WSPRecv.
"""

import ctypes
import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from support.hand_written import HandWritten
from support.threads import LONG, Running, until
from support.winsock import Operation, byref, close, error, event, is_set, received, set_nonblocking
from ws2spi import kernel32, ws2_32
from ws2spi._abi.constants import FIONREAD, SD_RECEIVE
from ws2spi._abi.errors import WSAError
from ws2spi._engine.sweeper import sweeper_of
from ws2spi._runtime.process import runtime
from ws2spi._runtime.sockets import sockets

pytestmark = pytest.mark.usefixtures("started")

PENDING = WSAError.WSA_IO_PENDING
ERROR_NOT_FOUND = 1168
_WAYS = [("select",), ("fionread",), ("select", "fionread")]


@pytest.fixture(params=_WAYS, ids=" and ".join)
def provider(request: pytest.FixtureRequest) -> HandWritten:
    return HandWritten(*request.param)


@pytest.fixture
def hand() -> HandWritten:
    return HandWritten()


@pytest.fixture
def ends(hand: HandWritten) -> Iterator[tuple[int, int]]:
    pair = hand.pair()
    yield pair
    for s in pair:
        if s in sockets.entries:
            close(s)


def send(s: int, data: bytes) -> None:
    assert ws2_32.send(s, data, len(data), 0) == len(data)


def data(operation: Operation) -> bytes:
    """What an operation has received."""
    return operation.memory.raw[: operation.overlapped.InternalHigh]


def waiting(s: int) -> int:
    """FIONREAD."""
    count = ctypes.c_uint32()
    assert ws2_32.ioctlsocket(s, FIONREAD, byref(count)) == 0
    return count.value


def moved(s: int) -> None:
    """Have the next bytes moved into the pair, as for a foreign reader, and wait until they are there."""
    pair = sockets.lookup(s).pair
    until(lambda: pair.waiting())


def pulling(s: int) -> None:
    """Have a receive for foreign readers made although nothing is there: a handle that was given out."""
    pair = sockets.lookup(s).pair
    pair.share()
    assert pair.behind.line.is_busy()


# -- foreign readers ---------------------------------------------------------------------------------------------------


def test_os_read_and_select(provider: HandWritten) -> None:
    one, other = provider.pair()
    reading = Running(os.read, one, 100)
    send(other, b"by hand")
    assert reading.result() == b"by hand"
    send(other, b"again")
    assert select.select([one], [], [], LONG)[0] == [one]
    assert os.read(one, 100) == b"again"
    close(one, other)


def test_a_child_reads_it_to_the_end(provider: HandWritten) -> None:
    one, other = provider.pair()
    sent = os.urandom(300_000)
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; d=sys.stdin.buffer.read(); sys.stdout.buffer.write(d)"],
        stdin=one,
        stdout=subprocess.PIPE,
    ) as child:
        send(other, sent)
        close(other)
        assert child.stdout is not None
        assert child.stdout.read() == sent
    close(one)


def test_a_provider_that_can_tell_neither_is_not_asked_for_what_nobody_wants() -> None:
    """No receive is made on suspicion that could not be taken back."""
    provider = HandWritten("nothing")
    one, other = provider.pair()
    send(other, b"kept")
    pair = sockets.lookup(one).pair
    assert not pair.worth_a_pull()
    sweeper_of(runtime.engine)._sweep()
    assert "WSPRecv overlapped" not in provider.calls
    assert received(one) == b"kept"
    close(one, other)


def test_an_idle_handle_is_not_received_from(hand: HandWritten, ends: tuple[int, int]) -> None:
    """Asked whether something is there, yes; a receive is only made when there is."""
    pair = sockets.lookup(ends[0]).pair
    until(lambda: runtime.engine.now() - pair.idle_since() > 0.05)
    assert not pair.worth_a_pull()
    assert "WSPRecv overlapped" not in hand.calls


def test_a_provider_that_ends_at_once_and_announces_nothing() -> None:
    """By its return alone: a receive for foreign readers must not hang on it."""
    provider = HandWritten(silent=True)
    one, other = provider.pair()
    os.write(other, b"as a file")
    until(lambda: provider.ends[one].arrived or sockets.lookup(one).pair.waiting())
    assert os.read(one, 100) == b"as a file"
    send(other, b"more")
    assert os.read(one, 100) == b"more"
    close(one, other)


# -- straight receives behind one for foreign readers ------------------------------------------------------------------


def test_a_non_blocking_receive_does_not_wait(ends: tuple[int, int]) -> None:
    one, other = ends
    set_nonblocking(one)
    pulling(one)
    assert received(one) == WSAError.WSAEWOULDBLOCK
    send(other, b"here")
    assert received(one) == b"here"
    assert received(one) == WSAError.WSAEWOULDBLOCK


def test_an_overlapped_receive_is_pending_and_gets_the_bytes(ends: tuple[int, int]) -> None:
    """In order, with those started before and after it."""
    one, other = ends
    pulling(one)
    with event() as first, event() as second:
        operations = [Operation(one, 3, hEvent=first), Operation(one, 100, hEvent=second)]
        for operation in operations:
            assert operation.code == PENDING
        assert not is_set(first)
        send(other, b"onetwo")
        assert is_set(first, 10_000)
        assert is_set(second, 10_000)
        assert data(operations[0]) == b"one"
        assert data(operations[1]) == b"two"


def test_what_the_pair_cannot_serve_goes_on_to_the_provider(hand: HandWritten, ends: tuple[int, int]) -> None:
    one, other = ends
    pulling(one)
    with event() as first, event() as second:
        operations = [Operation(one, 100, hEvent=first), Operation(one, 100, hEvent=second)]
        for operation in operations:
            assert operation.code == PENDING
        send(other, b"for the first")
        assert is_set(first, 10_000)
        until(lambda: len(hand.ends[one].waiting) == 1)
        assert not is_set(second)
        send(other, b"for the second")
        assert is_set(second, 10_000)
        assert data(operations[1]) == b"for the second"


def test_a_blocking_receive_waits_alertably(ends: tuple[int, int]) -> None:
    one, other = ends
    pulling(one)
    ran: list[int] = []
    receiving = Running(received, one)
    until(lambda: receiving.executive._parked)
    receiving.executive.queue_apc(ran.append, 1)
    until(lambda: ran)
    assert receiving.alive()
    send(other, b"at last")
    assert receiving.result() == b"at last"


def test_close_ends_who_waits_in_line(ends: tuple[int, int]) -> None:
    """WSPCloseSocket: pending overlapped operations are announced, WSA_OPERATION_ABORTED."""
    one, _ = ends
    pulling(one)
    with event() as told:
        operation = Operation(one, 10, hEvent=told)
        assert operation.code == PENDING
        close(one)
        assert is_set(told, 10_000)
        assert operation.internal == 0xC0000120  # STATUS_CANCELLED


@pytest.mark.leaks("the provider never announces the receive for foreign readers, whose memory it may still write to")
def test_cleanup_ends_who_waits_in_line_without_telling(ends: tuple[int, int]) -> None:
    """provider-functions 3.3: WSA_OPERATION_ABORTED without event or routine"""
    one, _ = ends
    pulling(one)
    with event() as told:
        operation = Operation(one, 10, hEvent=told)
        assert operation.code == PENDING
        assert ws2_32.WSACleanup() == 0
        assert operation.internal == 0xC0000120
        assert not is_set(told)
        assert ws2_32.WSAStartup(0x0202, byref(ws2_32.WSADATA())) == 0


# -- cancelling --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["mine", "one", "all"])
def test_a_receive_in_line_can_be_cancelled(ends: tuple[int, int], which: str) -> None:
    one, other = ends
    pulling(one)
    with event() as told:
        operation = Operation(one, 10, hEvent=told)
        assert operation.code == PENDING
        if which == "mine":
            assert kernel32.CancelIo(one)
        else:
            assert kernel32.CancelIoEx(one, byref(operation.overlapped) if which == "one" else None)
        assert is_set(told, 10_000)
        assert operation.internal == 0xC0000120
    send(other, b"not lost")
    assert received(one) == b"not lost"


def test_what_the_provider_has_is_out_of_reach(hand: HandWritten, ends: tuple[int, int]) -> None:
    """layering 3: CancelIo does not work on such handles; closing is the only sure cancel."""
    one, _ = ends
    with event() as told:
        operation = Operation(one, 10, hEvent=told)
        assert operation.code == PENDING
        assert kernel32.CancelIo(one), "also when there is none"
        assert not kernel32.CancelIoEx(one, None)
        assert kernel32.GetLastError() == ERROR_NOT_FOUND
        assert len(hand.ends[one].waiting) == 1
        close(one)
        assert is_set(told, 10_000)


# -- FIONREAD and shutdown ---------------------------------------------------------------------------------------------


def test_fionread_counts_what_was_moved(ends: tuple[int, int]) -> None:
    one, other = ends
    send(other, b"moved")
    moved(one)
    assert waiting(one) == 5
    size, count = ctypes.c_uint32(), ctypes.c_uint32()
    assert not ws2_32.WSAIoctl(one, FIONREAD, None, 0, byref(size), 4, byref(count), None, None)
    assert size.value == 5
    send(other, b" and more")
    assert waiting(one) == 5, "as much as one receive finds"
    assert received(one) == b"moved"
    assert waiting(one) == 9


def test_after_sd_receive_nothing_moved_is_received(ends: tuple[int, int]) -> None:
    """provider-functions 3.5: later receives fail, WSAESHUTDOWN"""
    one, other = ends
    send(other, b"moved")
    moved(one)
    assert ws2_32.shutdown(one, SD_RECEIVE) == 0
    assert received(one) == WSAError.WSAESHUTDOWN
    assert waiting(one) == 0
    buffer = ctypes.create_string_buffer(10)
    count, flags = ctypes.c_uint32(), ctypes.c_uint32()
    wsabuf = ws2_32.WSABUF(10, ctypes.addressof(buffer))
    assert ws2_32.WSARecv(one, byref(wsabuf), 1, byref(count), byref(flags), None, None)
    assert error() == WSAError.WSAESHUTDOWN


@pytest.mark.parametrize("kind", ["bytes"])
def test_after_sd_receive_nothing_moved_is_received_from_layers(kind: Any) -> None:
    from support import stacks
    from support.winsock import connected

    with stacks.installed(kind):
        one, other = connected()
        send(other, b"moved")
        moved(one)
        assert ws2_32.shutdown(one, SD_RECEIVE) == 0
        assert received(one) == WSAError.WSAESHUTDOWN
        close(one, other)


def test_the_end_is_asked_for_once(hand: HandWritten, ends: tuple[int, int]) -> None:
    """filepair rule 3: after the end there is nothing to look for, however often the sweep comes by."""
    one, other = ends
    assert ws2_32.shutdown(other, 1) == 0
    assert os.read(one, 10) == b""
    pair = sockets.lookup(one).pair
    asked = len(hand.calls)
    for _ in range(3):
        assert not pair.worth_a_pull()
        pair.sweep()
    assert len(hand.calls) == asked


def test_a_wspselect_that_blocks_does_not_hold_the_engine() -> None:
    asked, let_go = threading.Event(), threading.Event()

    class Stuck(HandWritten):
        def WSPSelect(self, *arguments: Any) -> int:
            asked.set()
            assert let_go.wait(LONG)
            return super().WSPSelect(*arguments)

    stuck = Stuck()
    one, other = stuck.pair()
    assert asked.wait(LONG)
    served = threading.Event()
    runtime.engine.call_soon(served.set)
    assert served.wait(LONG)
    let_go.set()
    send(other, b"after all")
    assert os.read(one, 10) == b"after all"
    close(one, other)
