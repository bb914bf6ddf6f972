"""Any sequence of overlapped and plain calls on the two ends of a connection, over any stack, beside a model.

The model knows what each end has started. It holds (executive 7 to 9, upcalls 4, witness F, G, J):
- no byte is lost, doubled or out of order, whatever is cancelled, cut short or closed in between;
- of one direction, operations end in the order of their starts (but for what was cancelled);
- every started operation is told once, by its own way and by no other, and its status block is final before;
- an operation whose start was refused is told never.

Why one file: the machine is one class, and what it knows of a record is read beside the rules that start one.
"""

import ctypes
import random
from contextlib import ExitStack
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from support import winsock
from support.machines import Counted, Length, run
from support.pass_through import PassThrough
from support.stacks import KINDS, installed
from support.threads import until
from ws2spi import kernel32, ws2_32
from ws2spi._abi.constants import (
    AF_INET,
    ERROR_IO_PENDING,
    FD_CLOSE,
    FD_READ,
    FD_WRITE,
    INVALID_HANDLE_VALUE,
    SD_SEND,
    SO_RCVBUF,
    SO_SNDBUF,
    SOCK_STREAM,
    SOL_SOCKET,
)
from ws2spi._abi.errors import WSAError
from ws2spi._executive import threads
from ws2spi._executive.overlapped import pending_at
from ws2spi._runtime.process import runtime
from ws2spi._runtime.sockets import sockets

byref = ctypes.byref
STREAM = random.Random(7).randbytes(1 << 18)
PENDING = 0x103
ABORTED = 0xC0000120
MOST = 6  # operations of one end and direction at once
CROWDED = 40_000  # bytes on their way, beyond which nobody sends

sizes = st.integers(1, 3000) | st.integers(1, 20_000)
which = st.integers(0, 1)
WAYS = ("none", "event", "routine", "port", "low bit")
POLLRDNORM, POLLHUP, POLLERR = 0x0100, 0x0002, 0x0001


class Record:
    """One operation that was started, and what has been told of it."""

    def __init__(self, machine: "Records", side: "Side", data: bytes | int, way: str, call: str) -> None:
        self.machine, self.way, self.call = machine, way, call
        self.sending = isinstance(data, bytes)
        self.data = data if isinstance(data, bytes) else b""
        size = len(data) if isinstance(data, bytes) else data
        self.memory = ctypes.create_string_buffer(self.data, size) if size else ctypes.create_string_buffer(1)
        self.event = kernel32.CreateEventW(None, False, True, None) if way in ("event", "low bit") else 0
        self.overlapped = ws2_32.WSAOVERLAPPED(hEvent=self.event | (way == "low bit"))
        self.routines: list[tuple[int, int]] = []
        self.packets: list[int] = []
        self.counted = self.seen = self.cancelled = False
        self.code = self._start(side, size)
        self.started = self.code in (0, ERROR_IO_PENDING)
        self.port = side.port and way != "low bit" and not (side.skips and not self.code)

    def _start(self, side: "Side", size: int) -> int:
        routine = self.told if self.way == "routine" else None
        if self.call == "file":
            if routine is not None:
                function = kernel32.WriteFileEx if self.sending else kernel32.ReadFileEx
                done = function(side.s, self.memory, size, byref(self.overlapped), self.file_told)
                # TRUE says that it has started, not that it is over.
                return 0 if done else int(kernel32.GetLastError())
            function = kernel32.WriteFile if self.sending else kernel32.ReadFile
            done = function(side.s, self.memory, size, None, byref(self.overlapped))
            return 0 if done else int(kernel32.GetLastError())
        half = size // 2  # two buffers, so that gathering and scattering take part
        start = ctypes.addressof(self.memory)
        buffers = (ws2_32.WSABUF * 2)(ws2_32.WSABUF(half, start), ws2_32.WSABUF(size - half, start + half))
        if self.sending:
            result = ws2_32.WSASend(side.s, buffers, 2, None, 0, byref(self.overlapped), routine)
        else:
            flags = ctypes.c_uint32()
            result = ws2_32.WSARecv(side.s, buffers, 2, None, byref(flags), byref(self.overlapped), routine)
        return winsock.error() if result else 0

    def told(self, code: int, count: int, overlapped: Any, flags: int) -> None:
        self.file_told(code, count, overlapped)

    def file_told(self, code: int, count: int, overlapped: Any) -> None:
        assert ctypes.addressof(overlapped.contents) == ctypes.addressof(self.overlapped)
        assert self.ended, "told before the status was final"
        self.routines.append((code, count))

    @property
    def ended(self) -> bool:
        return bool(self.overlapped.Internal != PENDING)

    @property
    def moved(self) -> int:
        """Bytes: what went or came, or all of it as long as that is open."""
        if not self.started:
            return 0
        return int(self.overlapped.InternalHigh) if self.ended else len(self.data)

    def check(self) -> None:
        """What it has been told by now is not too much."""
        assert len(self.routines) <= (self.way == "routine")
        assert len(self.packets) <= self.port
        if not self.started:
            assert not self.routines
            assert not self.packets

    def check_all_told(self) -> None:
        """It is over, and everything that announces it has been taken."""
        assert self.ended or not self.started
        assert len(self.routines) == (self.started and self.way == "routine"), self
        assert len(self.packets) == (self.started and self.port and self.way != "routine"), self
        if self.event and self.started:
            assert winsock.is_set(self.event), "no event"
            assert not winsock.is_set(self.event), "an auto-reset event is taken once"
        if self.started:
            result, count, _, code = self.result()
            assert (result, count) == ((1, self.overlapped.InternalHigh) if not self.overlapped.Internal else (0, 99))
            assert bool(code) == (not result)
        assert pending_at(ctypes.addressof(self.overlapped)) is None

    def result(self) -> tuple[int, int, int, int]:
        """What WSAGetOverlappedResult says; 99 where nothing was stored. Asked on a socket that is open."""
        count, flags = ctypes.c_uint32(99), ctypes.c_uint32(99)
        done = ws2_32.WSAGetOverlappedResult(
            self.machine.any_socket, byref(self.overlapped), byref(count), False, byref(flags)
        )
        return done, count.value, flags.value, 0 if done else winsock.error()

    def close(self) -> None:
        if self.event:
            kernel32.CloseHandle(self.event)

    def __repr__(self) -> str:
        state = hex(self.overlapped.Internal)
        what = f"{'send' if self.sending else 'receive'} of {len(self.memory)} by {self.call}, {self.way}"
        told = f"routines {self.routines}, packets {self.packets}"
        return f"<{what}: code {self.code}, {state}, {told}, cancelled {self.cancelled}>"


class Side:
    """One end: `pieces` is what it has sent, in order; a Record counts as far as its status says."""

    def __init__(self, s: int, port: int, skips: bool) -> None:
        self.s, self.port, self.skips = s, port, skips
        self.pieces: list[bytes | Record] = []
        self.position = 0
        self.got = bytearray()
        self.receives: list[Record] = []
        self.shut = self.closed = self.ended = False
        self.events = 0

    def sends(self) -> list[Record]:
        return [one for one in self.pieces if isinstance(one, Record)]

    def said(self) -> bytes:
        """What the peer receives in the end."""
        return b"".join(one if isinstance(one, bytes) else one.data[: one.moved] for one in self.pieces)


class Records(Counted):
    """See the module's text."""

    always = ""  # the kind of every example's stack, instead of one that is drawn

    @initialize(
        kind=st.sampled_from(KINDS),
        ported=st.lists(st.booleans(), min_size=2, max_size=2),
        skips=st.booleans(),
        small=st.booleans(),
    )
    def begin(self, kind: str, ported: list[bool], skips: bool, small: bool) -> None:
        kind = self.always or kind
        threads.current().pending.clear()
        winsock.start()
        self.exit = ExitStack()
        self.hand: PassThrough | None = None
        if kind == "by hand":
            self.hand = PassThrough()
            self.hand.install(runtime.catalog.find(AF_INET, SOCK_STREAM, 6))
        else:
            self.exit.enter_context(installed(kind))
        self.any_socket = winsock.made()
        self.event = ws2_32.WSACreateEvent()
        self.port = kernel32.CreateIoCompletionPort(INVALID_HANDLE_VALUE, None, 0, 0)
        self.all: list[Record] = []
        self.at: dict[int, Record] = {}  # {address of its OVERLAPPED: record}
        self.sides = []
        self.reset = False  # bytes that nobody had read were closed on: the other end may lose what it has not read
        for s, with_port in zip(winsock.connected(), ported, strict=True):
            # Direct sockets alone can promise it: kernel32 refuses those without handles of the system.
            may_skip = with_port and skips and kernel32.SetFileCompletionNotificationModes(s, 1)
            if with_port:
                assert kernel32.CreateIoCompletionPort(s, self.port, s, 0) == self.port
            if small:
                for option in (SO_SNDBUF, SO_RCVBUF):
                    ws2_32.setsockopt(s, SOL_SOCKET, option, byref(ctypes.c_int(4096)), 4)
            self.sides.append(Side(s, self.port if with_port else 0, bool(may_skip)))

    def other(self, side: Side) -> Side:
        return self.sides[side is self.sides[0]]

    def can(self, function: str) -> bool:
        """Whether the stack has a function; the provider written by hand need not have every one."""
        return self.hand is None or hasattr(self.hand, function)

    def outstanding(self, side: Side) -> int:
        """Bytes that are on their way to `side` or wait there."""
        return len(self.other(side).said()) - len(side.got)

    # -- starting --------------------------------------------------------------------------------------------------

    @rule(number=which, size=sizes, way=st.sampled_from(WAYS), call=st.sampled_from(["socket", "file"]))
    def send(self, number: int, size: int, way: str, call: str) -> None:
        side = self.sides[number]
        if (
            self.own_business(side, way)
            or self.outstanding(self.other(side)) > CROWDED
            or sum(not one.ended for one in side.sends()) > MOST
        ):
            return
        record = Record(self, side, STREAM[side.position : side.position + size], way, call)
        self.enter(side, record)
        if record.started:
            side.position += size
            side.pieces.append(record)

    @rule(number=which, size=sizes, way=st.sampled_from(WAYS), call=st.sampled_from(["socket", "file"]))
    def receive(self, number: int, size: int, way: str, call: str) -> None:
        side = self.sides[number]
        if self.own_business(side, way) or len(side.receives) > MOST:
            return
        record = Record(self, side, size, way, call)
        self.enter(side, record)
        if record.started:
            side.receives.append(record)
        self.harvest()

    def own_business(self, side: Side, way: str) -> bool:
        """A routine on a socket with a port: who refuses it is the provider, and the one written by hand does not."""
        return self.hand is not None and way == "routine" and bool(side.port)

    def enter(self, side: Side, record: Record) -> None:
        self.all.append(record)
        self.at[ctypes.addressof(record.overlapped)] = record
        if record.started:
            assert not side.closed, record
            assert record.way != "routine" or not side.port, "a routine and a port"
            # A routine's way: success at once is success, and the routine is told all the same.
            assert record.code or record.call == "file" or record.ended, "done, and its status is not"
            return
        if side.closed:
            assert record.code in (WSAError.WSAENOTSOCK, 6), record
        elif record.way == "routine" and side.port:
            assert record.code in (WSAError.WSAEINVAL, 87), record
        elif record.sending and side.shut:
            assert record.code in (WSAError.WSAESHUTDOWN, 233), record
        else:
            assert self.other(side).closed, record

    @rule(number=which, size=st.integers(1, 2000))
    def send_now(self, number: int, size: int) -> None:
        side = self.sides[number]
        if side.closed or side.shut or any(not one.ended for one in side.sends()):
            return
        winsock.set_nonblocking(side.s) if not side.events else None
        data = STREAM[side.position : side.position + size]
        count = ws2_32.send(side.s, data, size, 0)
        if count < 0:
            assert winsock.error() == WSAError.WSAEWOULDBLOCK or self.other(side).closed
            return
        side.position += count
        side.pieces.append(data[:count])

    @rule(number=which, size=sizes)
    def receive_now(self, number: int, size: int) -> None:
        side = self.sides[number]
        self.harvest()
        if side.closed or side.receives:
            return
        winsock.set_nonblocking(side.s) if not side.events else None
        data = winsock.received(side.s, size)
        if isinstance(data, bytes):
            self.take(side, data)
        else:
            assert data == WSAError.WSAEWOULDBLOCK or self.other(side).closed, data

    # -- cancelling, ending ----------------------------------------------------------------------------------------

    @rule(number=which, position=st.integers(0, 12))
    def cancel(self, number: int, position: int) -> None:
        side = self.sides[number]
        running = [one for one in side.receives + side.sends() if not one.ended]
        if running and not side.closed:
            running[position % len(running)].cancelled = True
            kernel32.CancelIoEx(side.s, byref(running[position % len(running)].overlapped))
        elif not side.closed:
            assert not kernel32.CancelIoEx(side.s, byref(ws2_32.WSAOVERLAPPED()))

    @rule(number=which)
    def cancel_all(self, number: int) -> None:
        side = self.sides[number]
        if not side.closed:
            for one in side.receives + side.sends():
                one.cancelled = one.cancelled or not one.ended
            kernel32.CancelIo(side.s)

    @rule(number=which)
    def shut_down(self, number: int) -> None:
        side = self.sides[number]
        if not side.closed and not side.shut:
            assert ws2_32.shutdown(side.s, SD_SEND) == 0 or self.other(side).closed
            side.shut = True

    @rule(number=which, sure=st.integers(0, 20))
    def close(self, number: int, sure: int) -> None:
        if sure == 13:  # rare: little can happen afterwards
            self.close_side(self.sides[number])

    def close_side(self, side: Side) -> None:
        if side.closed:
            return
        self.harvest()
        self.reset = self.reset or bool(self.outstanding(side)) or any(not one.ended for one in side.sends())
        side.closed = True
        winsock.close(side.s)
        until(lambda: self.over(side.receives))
        self.harvest()

    # -- asking ----------------------------------------------------------------------------------------------------

    @rule(number=which, mask=st.sampled_from([FD_READ, FD_WRITE, FD_READ | FD_CLOSE, FD_READ | FD_WRITE | FD_CLOSE, 0]))
    def select_events(self, number: int, mask: int) -> None:
        side = self.sides[number]
        if not side.closed and self.can("WSPEventSelect"):
            assert ws2_32.WSAEventSelect(side.s, self.event if mask else 0, mask) == 0, winsock.error()
            side.events = mask

    @rule(number=which)
    def enumerate_events(self, number: int) -> None:
        side = self.sides[number]
        if side.closed or not self.can("WSPEnumNetworkEvents"):
            return
        found = ws2_32.WSANETWORKEVENTS()
        assert ws2_32.WSAEnumNetworkEvents(side.s, self.event, byref(found)) == 0
        assert not found.lNetworkEvents & ~side.events, "an event nobody asked for"

    @rule(number=which)
    def poll(self, number: int) -> None:
        side = self.sides[number]
        self.harvest()
        if side.closed or self.other(side).closed or not self.can("WSPSelect"):
            return
        readable = self.readable(side)
        if not self.outstanding(side) and not self.other(side).shut:
            assert not readable, "nothing was sent"
        elif not side.receives and any(isinstance(one, bytes) or one.moved for one in self.other(side).pieces):
            # Whatever was accepted arrives, and the end of it.
            until(lambda: self.readable(side) or bool(side.got) or not self.outstanding(side))

    def readable(self, side: Side) -> bool:
        one = ws2_32.WSAPOLLFD(side.s, POLLRDNORM, 0)
        assert ws2_32.WSAPoll(byref(one), 1, 0) >= 0
        polled = bool(one.revents & (POLLRDNORM | POLLHUP | POLLERR))
        chosen = ws2_32.fd_set()
        chosen.fd_count, chosen.fd_array[0] = 1, side.s
        zero = ws2_32.TIMEVAL(0, 0)
        count = ws2_32.select(0, byref(chosen), None, None, byref(zero))
        assert count == chosen.fd_count
        if not side.receives:  # else one of them may have taken it between the two questions
            assert count or not polled or not self.outstanding(side), "poll sees what select does not"
        return polled

    # -- being told ------------------------------------------------------------------------------------------------

    @rule()
    def alert(self) -> None:
        kernel32.SleepEx(0, True)

    @rule()
    def take_packets(self) -> None:
        while True:
            done, count, key, address, code = winsock.packet(self.port)
            if not address:
                assert (done, code) == (False, 258)
                return
            record = self.at[address]
            assert record.ended, "a packet before the status was final"
            assert key in [side.s for side in self.sides]
            assert done == (not record.overlapped.Internal)
            assert count == record.overlapped.InternalHigh
            record.packets.append(count)

    # -- the model -------------------------------------------------------------------------------------------------

    def harvest(self) -> None:
        """Take what receives have brought. The later ones are looked at first: see `ended`."""
        for side in self.sides:
            ended = [one.ended for one in reversed(side.receives)][::-1]
            for position, one in enumerate(side.receives):
                if ended[position] and not one.overlapped.Internal and self.hand is None:
                    # (The provider written by hand stores a routine's status when it is delivered.)
                    assert all(ended[:position]), "a later receive ended before an earlier one"
            count = ended.index(False) if False in ended else len(ended)
            done, side.receives = side.receives[:count], side.receives[count:]
            for one in done:
                data = one.memory.raw[: one.overlapped.InternalHigh]
                if one.overlapped.Internal == 0:
                    self.take(side, data)
                else:
                    assert side.closed or one.cancelled or self.other(side).closed, one
                    assert not data, "bytes and an error"

    def take(self, side: Side, data: bytes) -> None:
        side.got += data
        side.ended = side.ended or not data
        assert not (side.ended and data), "bytes after the end"

    @invariant()
    def nothing_is_told_too_often(self) -> None:
        if not hasattr(self, "sides"):
            return
        self.harvest()
        for one in self.all:
            one.check()
        for side in self.sides:
            sends = self.other(side).sends()
            if not any(one.cancelled and not one.ended for one in sends):
                assert self.other(side).said().startswith(side.got), "lost, doubled or out of order"

    def teardown(self) -> None:
        if not hasattr(self, "sides"):
            return
        try:
            self.finish()
        finally:
            for one in self.all:
                one.close()
            for side in self.sides:
                ws2_32.closesocket(side.s)
            winsock.close(self.any_socket)
            kernel32.CloseHandle(self.port)
            ws2_32.WSACloseEvent(self.event)
            self.exit.close()
            winsock.stop()
            if self.hand is not None:
                until(lambda: not self.hand.contexts)  # type: ignore[union-attr]
            threads.current().pending.clear()

    def finish(self) -> None:
        for side in self.sides:
            if not side.closed:
                ws2_32.WSAEventSelect(side.s, 0, 0)
                winsock.set_nonblocking(side.s)
                self.shut_down(self.sides.index(side))
        until(self.drained)
        for side in self.sides:
            if not side.closed and not self.reset:
                assert bytes(side.got) == self.other(side).said(), "lost"
        for side in self.sides:
            self.close_side(side)
        until(lambda: self.over(self.all))
        if self.hand is not None:
            until(lambda: not self.hand.records)  # type: ignore[union-attr]
        kernel32.SleepEx(0, True)
        self.take_packets()
        self.nothing_is_told_too_often()
        for one in self.all:
            one.check_all_told()
        until(lambda: not {side.s for side in self.sides} & set(sockets.entries))

    def over(self, records: list[Record]) -> bool:
        """Whether what was started has ended; a provider may store a status on the thread that is told."""
        kernel32.SleepEx(0, True)
        return all(one.ended for one in records if one.started)

    def drained(self) -> bool:
        """Read both ends to their end."""
        kernel32.SleepEx(0, True)
        self.harvest()
        for side in self.sides:
            if not side.closed and not side.receives and not side.ended:
                data = winsock.received(side.s, 65536)
                if isinstance(data, bytes):
                    self.take(side, data)
                elif data != WSAError.WSAEWOULDBLOCK:
                    assert self.other(side).closed, data
                    side.ended = True
        return all(side.closed or (side.ended and not side.receives) for side in self.sides)


class RecordsByHand(Records):
    """Over the provider that is written by hand."""

    always = "by hand"


def test_records_over_a_hand_written_provider(length: Length) -> None:
    assert run(RecordsByHand, length) >= length.steps


def test_records_are_told_once_and_bytes_keep_their_order(length: Length) -> None:
    """executive 7 to 9, upcalls 4, layering 3 to 5."""
    assert run(Records, length) >= length.steps
