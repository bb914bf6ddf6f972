"""Any sequence of calls on handles, beside a model: which number names what, and which waits it satisfies.

executive 1 to 5, witness D13, K9: handles of events, threads and ports are numbers of one table, those of sockets are
descriptors; a closed one names nothing, an object lives as long as one handle names it.
"""

import ctypes
import threading
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from support import winsock
from support.leaks import open_handles
from support.machines import Counted, Length, run
from ws2spi import kernel32, ws2_32
from ws2spi._abi.constants import (
    DUPLICATE_CLOSE_SOURCE,
    ERROR_GEN_FAILURE,
    ERROR_INVALID_HANDLE,
    INVALID_HANDLE_VALUE,
    STILL_ACTIVE,
    WAIT_FAILED,
    WAIT_IO_COMPLETION,
    WAIT_TIMEOUT,
)
from ws2spi._abi.errors import WSAError

byref = ctypes.byref
picks = st.integers(0, 63)
low_bits = st.integers(0, 3)


@dataclass(eq=False)
class Event:
    manual: bool
    set: bool


@dataclass(eq=False)
class Thread:
    """Runs until `leave` is set; `ran` says which APCs have run."""

    leave: threading.Event = field(default_factory=threading.Event)
    ended: bool = False
    queued: list[int] = field(default_factory=list)
    ran: list[int] = field(default_factory=list)


@dataclass(eq=False)
class Port:
    packets: list[tuple[int, int]] = field(default_factory=list)


class Handles(Counted):
    """See the module's text. `named` is the model: {handle: object}."""

    @initialize(states=st.lists(st.booleans(), min_size=4, max_size=8))
    def begin(self, states: list[bool]) -> None:
        winsock.start()
        self.before = open_handles()
        self.named: dict[int, Any] = {}
        self.stale: list[int] = []
        self.sockets: list[int] = []
        self.threads: list[Thread] = []
        self.serial = 0
        for number, state in enumerate(states):
            self.make_event(number % 3 == 2, state, False)
        self.make_port()

    # -- picking ---------------------------------------------------------------------------------------------------

    def pick(self, number: int, kind: type | None = None) -> int | None:
        found = [h for h, target in self.named.items() if kind is None or isinstance(target, kind)]
        return found[number % len(found)] if found else None

    def refused(self, result: int, code: int, failure: int = 0) -> None:
        assert (result, kernel32.GetLastError()) == (failure, code)

    def new(self, handle: int, target: Any) -> None:
        assert handle, kernel32.GetLastError()
        assert not handle & 3
        assert handle not in self.named, "one number for two"
        assert handle not in self.stale, "given out again"
        self.named[handle] = target

    # -- making ----------------------------------------------------------------------------------------------------

    @rule(manual=st.booleans(), state=st.booleans(), winsocks=st.booleans())
    def make_event(self, manual: bool, state: bool, winsocks: bool) -> None:
        if winsocks:
            self.new(ws2_32.WSACreateEvent(), Event(True, False))
        else:
            self.new(kernel32.CreateEventW(None, manual, state, None), Event(manual, state))

    @rule()
    def make_port(self) -> None:
        self.new(kernel32.CreateIoCompletionPort(INVALID_HANDLE_VALUE, None, 0, 0), Port())

    @rule()
    def make_thread(self) -> None:
        if len([one for one in self.threads if not one.ended]) > 3:
            return
        made = Thread()

        def routine(_: Any) -> int:
            made.leave.wait()
            kernel32.SleepEx(0, True)
            return 77

        self.threads.append(made)
        self.new(kernel32.CreateThread(None, 0, routine, None, 0, None), made)

    @rule()
    def make_socket(self) -> None:
        if len(self.sockets) < 8:
            s = winsock.made()
            assert s not in self.sockets
            self.sockets.append(s)

    @rule(number=picks, low=low_bits, move=st.booleans())
    def duplicate(self, number: int, low: int, move: bool) -> None:
        source = self.pick(number)
        if source is None:
            return
        target = ctypes.c_uint64()
        process = kernel32.GetCurrentProcess()
        options = DUPLICATE_CLOSE_SOURCE if move else 0
        assert kernel32.DuplicateHandle(process, source | low, process, byref(target), 0, 0, options)
        self.new(target.value, self.named[source])
        if move:
            del self.named[source]
            self.stale.append(source)

    # -- closing ---------------------------------------------------------------------------------------------------

    @rule(number=picks, low=low_bits, winsocks=st.booleans())
    def close(self, number: int, low: int, winsocks: bool) -> None:
        handle = self.pick(number, Event if winsocks else None)
        if handle is None:
            return
        assert (ws2_32.WSACloseEvent if winsocks else kernel32.CloseHandle)(handle | low)
        del self.named[handle]
        self.stale.append(handle)

    @rule(number=picks, winsocks=st.booleans())
    def close_what_is_no_handle(self, number: int, winsocks: bool) -> None:
        """Closed before, never given out, or a socket: ERROR_INVALID_HANDLE, and nothing else happens."""
        wrong = [*self.stale, *self.sockets, 0, 0x7FFFFFF0]
        function = ws2_32.WSACloseEvent if winsocks else kernel32.CloseHandle
        self.refused(function(wrong[number % len(wrong)]), ERROR_INVALID_HANDLE)

    @rule(number=picks)
    def close_another_kind_as_an_event(self, number: int) -> None:
        handle = self.pick(number, (Thread, Port))  # type: ignore[arg-type]
        if handle is not None:
            self.refused(ws2_32.WSACloseEvent(handle), ERROR_INVALID_HANDLE)

    @rule(number=picks)
    def close_socket(self, number: int) -> None:
        if self.sockets:
            s = self.sockets.pop(number % len(self.sockets))
            assert ws2_32.closesocket(s) == 0
            self.refused(ws2_32.closesocket(s), WSAError.WSAENOTSOCK, -1)

    @rule(number=picks)
    def close_a_handle_as_a_socket(self, number: int) -> None:
        wrong = [*self.stale, *self.named, 0x7FFFFFF0]
        self.refused(ws2_32.closesocket(wrong[number % len(wrong)]), WSAError.WSAENOTSOCK, -1)

    # -- using -----------------------------------------------------------------------------------------------------

    @rule(number=picks, low=low_bits, on=st.booleans(), winsocks=st.booleans())
    def set_or_reset(self, number: int, low: int, on: bool, winsocks: bool) -> None:
        handle = self.pick(number, Event)
        if handle is None:
            return
        if winsocks:
            function = ws2_32.WSASetEvent if on else ws2_32.WSAResetEvent
        else:
            function = kernel32.SetEvent if on else kernel32.ResetEvent
        assert function(handle | low)
        self.named[handle].set = on

    @rule(number=picks)
    def set_what_is_no_event(self, number: int) -> None:
        wrong = [*self.stale, *self.sockets, *(h for h, one in self.named.items() if not isinstance(one, Event)), 0]
        self.refused(kernel32.SetEvent(wrong[number % len(wrong)]), ERROR_INVALID_HANDLE)

    def satisfied(self, target: Any) -> bool:
        return bool(target.ended if isinstance(target, Thread) else target.set)

    def consume(self, target: Any) -> None:
        if isinstance(target, Event) and not target.manual:
            target.set = False

    @rule(number=picks, low=low_bits)
    def wait_for_one(self, number: int, low: int) -> None:
        handle = self.pick(number, (Event, Thread))  # type: ignore[arg-type]
        if handle is None:
            return
        target = self.named[handle]
        expected = 0 if self.satisfied(target) else WAIT_TIMEOUT
        assert kernel32.WaitForSingleObject(handle | low, 0) == expected
        if expected == 0:
            self.consume(target)

    @rule(numbers=st.lists(picks, min_size=1, max_size=5), every=st.booleans(), winsocks=st.booleans())
    def wait_for_several(self, numbers: list[int], every: bool, winsocks: bool) -> None:
        chosen = [self.pick(number, (Event, Thread)) for number in numbers]  # type: ignore[arg-type]
        if chosen[0] is None:
            return
        targets = [self.named[one] for one in chosen]  # type: ignore[index]
        array = (ctypes.c_uint64 * len(chosen))(*chosen)
        if winsocks:
            result = ws2_32.WSAWaitForMultipleEvents(len(chosen), array, every, 0, 0)
        else:
            result = kernel32.WaitForMultipleObjectsEx(len(chosen), array, every, 0, 0)
        if every and len(set(map(id, targets))) < len(targets):
            assert result == WAIT_FAILED  # a handle twice, or two of one object
        elif every:
            ready = all(map(self.satisfied, targets))
            assert result == (0 if ready else WAIT_TIMEOUT)
            if ready:
                for target in targets:
                    self.consume(target)
        else:
            first = next((index for index, one in enumerate(targets) if self.satisfied(one)), None)
            assert result == (WAIT_TIMEOUT if first is None else first)
            if first is not None:
                self.consume(targets[first])

    @rule(numbers=st.lists(picks, max_size=5), also=picks)
    def wait_for_all_that_are_set(self, numbers: list[int], also: int) -> None:
        for number in numbers:
            self.set_or_reset(number, 0, True, False)
        ready = {id(target): handle for handle, target in self.named.items() if self.is_waitable_and_set(target)}
        chosen = list(ready.values())[:8]
        if not chosen:
            return
        another = self.pick(also, Event)
        if another is not None and not self.named[another].set:
            # One that is not set keeps the others from being taken (witness D4).
            mixed = (ctypes.c_uint64 * (len(chosen) + 1))(*chosen, another)
            assert kernel32.WaitForMultipleObjects(len(mixed), mixed, 1, 0) == WAIT_TIMEOUT
        assert kernel32.WaitForMultipleObjects(len(chosen), (ctypes.c_uint64 * len(chosen))(*chosen), 1, 0) == 0
        for handle in chosen:
            self.consume(self.named[handle])
        for handle in chosen:
            left = 0 if self.satisfied(self.named[handle]) else WAIT_TIMEOUT
            assert kernel32.WaitForSingleObject(handle, 0) == left

    def is_waitable_and_set(self, target: Any) -> bool:
        return not isinstance(target, Port) and self.satisfied(target)

    @rule(numbers=st.lists(picks, max_size=3), wrong=picks, every=st.booleans())
    def wait_with_a_stale_one(self, numbers: list[int], wrong: int, every: bool) -> None:
        """Nothing is consumed: the other rules would see it."""
        if not self.stale:
            return
        chosen = [self.pick(number, Event) for number in numbers]
        array = [*(one for one in chosen if one), self.stale[wrong % len(self.stale)]]
        result = kernel32.WaitForMultipleObjects(len(array), (ctypes.c_uint64 * len(array))(*array), every, 0)
        self.refused(result, ERROR_INVALID_HANDLE, WAIT_FAILED)

    @rule(number=picks)
    def post(self, number: int) -> None:
        handle = self.pick(number, Port)
        if handle is not None:
            self.serial += 1
            assert kernel32.PostQueuedCompletionStatus(handle, self.serial, self.serial * 3, None)
            self.named[handle].packets.append((self.serial, self.serial * 3))

    @rule(number=picks)
    def get(self, number: int) -> None:
        handle = self.pick(number, Port)
        if handle is None:
            return
        packets = self.named[handle].packets
        found = winsock.packet(handle)
        if packets:
            assert found[:3] == (True, *packets.pop(0))
        else:
            assert (found[0], found[4]) == (False, WAIT_TIMEOUT)

    # -- threads ---------------------------------------------------------------------------------------------------

    @rule(number=picks, low=low_bits)
    def queue_apc(self, number: int, low: int) -> None:
        handle = self.pick(number, Thread)
        if handle is None:
            return
        target = self.named[handle]
        self.serial += 1
        result = kernel32.QueueUserAPC(target.ran.append, handle | low, self.serial)
        if target.ended:
            self.refused(result, ERROR_GEN_FAILURE)
        else:
            assert result
            target.queued.append(self.serial)

    @rule(number=picks)
    def end_thread(self, number: int) -> None:
        handle = self.pick(number, Thread)
        if handle is not None:
            target = self.named[handle]
            target.leave.set()
            assert kernel32.WaitForSingleObject(handle, 10_000) == 0
            target.ended = True
            assert target.ran == target.queued

    @rule(number=picks)
    def ask_for_the_exit_code(self, number: int) -> None:
        handle = self.pick(number, Thread)
        if handle is not None:
            code = ctypes.c_uint32()
            assert kernel32.GetExitCodeThread(handle, byref(code))
            assert code.value == (77 if self.named[handle].ended else STILL_ACTIVE)

    @rule(count=st.integers(1, 3))
    def own_apcs(self, count: int) -> None:
        done: list[int] = []
        for number in range(count):
            assert kernel32.QueueUserAPC(done.append, kernel32.GetCurrentThread(), number)
        assert kernel32.SleepEx(0, False) == 0
        assert not done
        assert kernel32.SleepEx(0, True) == WAIT_IO_COMPLETION
        assert done == list(range(count))

    # -- always ----------------------------------------------------------------------------------------------------

    @invariant()
    def the_table_holds_what_the_model_says(self) -> None:
        if hasattr(self, "named"):
            assert open_handles() - self.before == set(self.named)

    def teardown(self) -> None:
        if not hasattr(self, "named"):
            return
        for thread in self.threads:
            thread.leave.set()
        for handle, target in self.named.items():
            if isinstance(target, Thread):
                assert kernel32.WaitForSingleObject(handle, 10_000) == 0
        for handle in self.named:
            assert kernel32.CloseHandle(handle)
        winsock.close(*self.sockets)
        winsock.stop()


def test_handles_name_what_the_model_says(length: Length) -> None:
    """executive 1, 2, 4, 5."""
    assert run(Handles, length) >= length.steps
