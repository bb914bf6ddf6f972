"""A signal handler that raises, at every place of our code where it can, in receives of the exact face.

The client never hears how many bytes there were; so they are received once more by who asks next (decision 0011).
"""

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ws2spi
from support.ends import Ends
from support.interrupts import Strike, Struck, raising_everywhere
from support.stacks import KINDS, installed
from support.threads import Running, until
from support.winsock import byref, received, set_nonblocking, start, stop
from ws2spi import kernel32, ws2_32
from ws2spi._abi.constants import SOCK_DGRAM, SOCK_STREAM
from ws2spi._engine import reports
from ws2spi._executive.threads import current

OURS = (str(Path(ws2spi.__file__).parent),)
END = b"|the end"

pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")  # it may strike in between


@pytest.fixture
def named() -> Iterator[list[str]]:
    texts: list[str] = []
    before = reports.set_sink(texts.append)
    yield texts
    reports.set_sink(before)


class Call:
    """A receive by one of the functions; `data` of its result are the bytes."""

    def __init__(self, name: str, s: int, size: int = 100, windll: bool = False) -> None:
        self.room = ctypes.create_string_buffer(100)
        self._count = ctypes.c_uint32(77)
        self._flags = ctypes.c_uint32()
        self._buffer = ws2_32.WSABUF(size, ctypes.addressof(self.room))
        address = ctypes.create_string_buffer(128), byref(ctypes.c_int(128))
        function = getattr(kernel32 if name == "ReadFile" else ws2_32, name)
        self._function = function.copy(ctypes.c_int32) if windll else function
        ours = byref(self._buffer), 1, byref(self._count), byref(self._flags)
        self._arguments: tuple[Any, ...] = {
            "recv": (s, self.room, size, 0),
            "recvfrom": (s, self.room, size, 0, *address),
            "WSARecv": (s, *ours, None, None),
            "WSARecvFrom": (s, *ours, *address, None, None),
            "ReadFile": (s, self.room, size, byref(self._count), None),
        }[name]

    def __call__(self) -> int:
        return int(self._function(*self._arguments))

    def data(self, result: int) -> bytes:
        count = result if self._count.value == 77 else self._count.value
        return self.room.raw[:count]


def struck(strike: Strike, call: Call) -> bytes:
    """What the client knows to have received."""
    try:
        with strike:
            result = call()
    except Struck:
        return b""
    assert not strike.where, f"what the handler raised was swallowed, the call gave {result}"
    return call.data(result)


def rest(s: int) -> bytes:
    set_nonblocking(s, 0)
    data = b""
    while not data.endswith(END):
        piece = received(s)
        assert isinstance(piece, bytes), piece
        assert piece
        data += piece
    return data


def is_named(named: list[str], kind: str) -> bool:
    """Whether the connection has ended in the name of a layer that was interrupted."""
    was = bool(named)
    assert not was or (kind in ("bytes", "two") and "in the middle of" in named[0]), named
    named.clear()
    return was


FUNCTIONS = ("recv", "recvfrom", "WSARecv", "WSARecvFrom", "ReadFile")


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> Iterator[str]:
    start()
    with installed(request.param):
        yield request.param
    stop()


def made(function: str, kind: int = SOCK_STREAM) -> Ends:
    """ReadFile without an OVERLAPPED is for sockets that do not overlap."""
    return Ends(kind, overlapped=function != "ReadFile")


@pytest.mark.parametrize("kind", KINDS, indirect=True)
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "non-blocking"])
def test_a_receive_of_what_is_there(kind: str, function: str, blocking: bool, named: list[str]) -> None:
    def run(strike: Strike) -> None:
        ends = made(function)
        set_nonblocking(ends.handle, not blocking)
        ends.peer.sendall(b"hello")
        known = struck(strike, Call(function, ends.handle))
        if not is_named(named, kind):
            ends.peer.sendall(END)
            assert known + rest(ends.handle) == b"hello" + END
        ends.close()

    assert raising_everywhere(run, OURS) > 10


@pytest.mark.parametrize("kind", KINDS, indirect=True)
def test_a_receive_that_waits(kind: str, named: list[str]) -> None:
    def run(strike: Strike) -> None:
        ends = made("WSARecv")
        me, over = current(), [False]

        def later() -> None:
            until(lambda: me._parked or over[0])
            ends.peer.sendall(b"hello")

        sending = Running(later)
        known = struck(strike, Call("WSARecv", ends.handle))
        over[0] = True
        sending.result()
        if not is_named(named, kind):
            ends.peer.sendall(END)
            assert known + rest(ends.handle) == b"hello" + END
        ends.close()

    assert raising_everywhere(run, OURS) > 10


@pytest.mark.parametrize("kind", ["base"], indirect=True)
@pytest.mark.parametrize("function", ["recv", "WSARecv"])
def test_a_receive_through_a_copy_of_the_library(kind: str, function: str, named: list[str]) -> None:
    """`windll` has functions with settings of their own, and looks at the result."""

    def run(strike: Strike) -> None:
        ends = made(function)
        ends.peer.sendall(b"hello")
        known = struck(strike, Call(function, ends.handle, windll=True))
        ends.peer.sendall(END)
        assert known + rest(ends.handle) == b"hello" + END
        ends.close()

    assert raising_everywhere(run, OURS) > 10


@pytest.mark.parametrize("kind", KINDS, indirect=True)
@pytest.mark.parametrize("function", ["recvfrom", "WSARecv"])
@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "non-blocking"])
def test_a_datagram(kind: str, function: str, blocking: bool, named: list[str]) -> None:
    def run(strike: Strike) -> None:
        ends = made(function, SOCK_DGRAM)
        set_nonblocking(ends.handle, not blocking)
        ends.peer.send(b"hello")
        known = struck(strike, Call(function, ends.handle))
        if not is_named(named, kind):
            ends.peer.send(END)
            assert known + rest(ends.handle) == b"hello" + END
        ends.close()

    assert raising_everywhere(run, OURS) > 10


@pytest.mark.parametrize("kind", ["bytes"], indirect=True)
@pytest.mark.parametrize("function", ["recv", "WSARecv"])
@pytest.mark.parametrize("first", [3, 5], ids=["part", "all"])
def test_what_was_moved_for_foreign_readers(kind: str, function: str, first: int, named: list[str]) -> None:
    def run(strike: Strike) -> None:
        ends = made(function)
        ends.peer.sendall(b"hello")
        ends.pair.share()
        until(lambda: ends.pair.waiting() == 5)
        known = struck(strike, Call(function, ends.handle, first))
        if not is_named(named, kind):
            ends.peer.sendall(END)
            assert known + rest(ends.handle) == b"hello" + END
        ends.close()

    assert raising_everywhere(run, OURS) > 10
