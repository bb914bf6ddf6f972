"""The engine on epoll: drives what no blocked thread drives, and serves descriptors, timers and calls of others.

Everything here runs on one thread: the engine's own after `start()`, or the caller's in `run()` (a supervisor's main
thread). Other threads only append to `_calls` and wake it. Connections arm their descriptors themselves, from whichever
thread is in their mailbox: one-shot, and keyed by descriptor only until the event is in hand: the table gives the
transport, and a transport that was closed meanwhile is recognised by itself, not by its number.

The loop sleeps alertably: it is a thread of the executive like any other, so completion routines aimed at it run here.
"""

import heapq
import itertools
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from resource import RUSAGE_THREAD, getrusage
from typing import Any

from ws2spi._engine import blocking, reports
from ws2spi._engine.boundary import describe
from ws2spi._engine.operations import Task
from ws2spi._engine.transport import SocketTransport
from ws2spi._executive import threads

HOG = 0.1  # seconds that one step may hold everybody else up before it is named
_ACCOUNT = 0.02  # seconds between two looks at what the loop's thread has waited for a processor


Call = tuple[Callable[..., object], tuple[Any, ...]]


class Timer:
    """A call that will be made at `moment` unless it is cancelled first."""

    __slots__ = ("arguments", "call", "cancelled", "moment")

    def __init__(self, moment: float, call: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        self.moment = moment
        self.call = call
        self.arguments = arguments
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


def account() -> tuple[float, float]:
    """Seconds that the calling thread has run, and has been ready to run and was not let; 0 where no kernel says so."""
    try:
        with open("/proc/thread-self/schedstat", "rb", buffering=0) as file:
            ran, waited, _ = file.read().split()  # nanoseconds, nanoseconds, turns
    except (OSError, ValueError):
        return 0.0, 0.0
    return int(ran) / 1e9, int(waited) / 1e9


def switches() -> int:
    """How often the calling thread has given its processor up by itself."""
    return getrusage(RUSAGE_THREAD).ru_nvcsw


class Engine:
    """An epoll loop. See the module's text for which thread runs what."""

    block = staticmethod(blocking.block)

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._transports: dict[int, SocketTransport] = {}  # {descriptor: transport armed or once armed on it}
        self._watches: dict[int, Callable[[int], object]] = {}  # {descriptor: who is told of its events}
        self._calls: deque[Call] = deque()
        self._timers: list[tuple[float, int, Timer]] = []
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None
        self._loop: threads.Thread | None = None  # the executive's object of the thread that runs the loop
        self._stopping = False
        # Seconds that the loop's thread had run, and waited for a processor, when that was last asked for
        self._account = 0.0, 0.0
        self._slept = 0  # how often it had given its processor up by then
        self._polls = 0  # how often it has polled since
        self._asked = 0.0  # when that was
        self._hogs: set[tuple[str, ...]] = set()  # stacks whose step was named

    now = staticmethod(time.monotonic)

    # -- calls from anywhere ---------------------------------------------------------------------------------------

    def call_soon(self, call: Callable[..., object], *arguments: Any) -> None:
        """Run `call(*arguments)` on the loop. Safe from any thread, signal handler or `__del__`."""
        self._calls.append((call, arguments))
        loop = self._loop
        if loop is not None:
            loop.wake()

    def serves_here(self) -> bool:
        """Whether the calling thread is the loop's."""
        loop = self._loop
        return loop is not None and loop.ident == threading.get_ident()

    def run_on_loop(self, call: Callable[..., object], *arguments: Any) -> None:
        """As `call_soon`, but at once when the caller is the loop itself."""
        if self.serves_here():
            call(*arguments)
        else:
            self.call_soon(call, *arguments)

    def call_later(self, delay: float, call: Callable[..., object], *arguments: Any) -> Timer:
        """Run `call(*arguments)` on the loop after `delay` seconds, unless the timer is cancelled."""
        return self.at(self.now() + delay, call, *arguments)

    def at(self, moment: float, call: Callable[..., object], *arguments: Any) -> Timer:
        """As `call_later`, at a moment of the engine's clock."""
        timer = Timer(moment, call, arguments)
        if self.serves_here():
            self._add_timer(timer)
        else:
            self.call_soon(self._add_timer, timer)
        return timer

    # -- descriptors -----------------------------------------------------------------------------------------------

    def arm(self, transport: SocketTransport, events: int) -> None:
        """Tell the connection of `transport` once that its descriptor shows one of `events`."""
        descriptor = transport.fd
        known = self._transports.get(descriptor)
        self._transports[descriptor] = transport
        try:
            if known is transport:
                self._epoll.modify(descriptor, events | select.EPOLLONESHOT)
            else:
                self._epoll.register(descriptor, events | select.EPOLLONESHOT)
        except FileNotFoundError:
            self._epoll.register(descriptor, events | select.EPOLLONESHOT)
        except FileExistsError:
            self._epoll.modify(descriptor, events | select.EPOLLONESHOT)

    def disarm(self, transport: SocketTransport) -> None:
        """Forget `transport`; to be called before its descriptor closes."""
        if self._transports.get(transport.fd) is transport:
            del self._transports[transport.fd]
            try:
                self._epoll.unregister(transport.fd)
            except (OSError, ValueError):
                pass

    def watch(self, descriptor: int, events: int, tell: Callable[[int], object]) -> None:
        """Call `tell(events)` on the loop whenever `descriptor` shows one of `events` (level-triggered)."""
        known = descriptor in self._watches
        self._watches[descriptor] = tell
        try:
            (self._epoll.modify if known else self._epoll.register)(descriptor, events)
        except FileExistsError:
            self._epoll.modify(descriptor, events)
        except FileNotFoundError:
            self._epoll.register(descriptor, events)

    def unwatch(self, descriptor: int) -> None:
        """Stop watching; to be called before the descriptor closes."""
        if self._watches.pop(descriptor, None) is not None:
            try:
                self._epoll.unregister(descriptor)
            except (OSError, ValueError):
                pass

    # -- the loop --------------------------------------------------------------------------------------------------

    def start(self) -> "Engine":
        """Run on a daemon thread of the engine's own."""
        if self._stopping and self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._thread is None:
            running = threading.Event()
            self._thread = threading.Thread(target=self._run, args=(running,), name="ws2spi-engine", daemon=True)
            self._thread.start()
            running.wait()
        return self

    def stop(self) -> None:
        """End the loop after what it is doing; from another thread, wait for that."""
        self._stopping = True
        self.call_soon(int)
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def run(self) -> None:
        """Run on the calling thread until `stop()`."""
        self._run(None)

    def _run(self, running: threading.Event | None) -> None:
        loop = threads.current()
        self._loop = loop
        self._stopping = False
        was = loop.begin_park()
        loop_descriptor = loop.wake_descriptor
        self._epoll.register(loop_descriptor, select.EPOLLIN)
        if running is not None:
            running.set()
        try:
            while not self._stopping:
                self._run_calls()
                if loop.pending:
                    self._guarded(loop.run_apcs)
                pause = self._run_timers()
                if self._calls or loop.pending or self._stopping:
                    pause = 0
                if self.now() - self._asked > _ACCOUNT:
                    self._account, self._slept, self._polls = account(), switches(), 0
                    self._asked = self.now()
                self._polls += 1
                ready = self._epoll.poll(pause)
                for descriptor, events in ready:
                    if descriptor == loop_descriptor:
                        loop.swallow()
                        continue
                    transport = self._transports.get(descriptor)
                    if transport is not None:
                        self._tell_transport(transport, events)
                        continue
                    tell = self._watches.get(descriptor)
                    if tell is not None:
                        self._guarded(tell, events)
                transport = tell = None  # while the loop waits, it keeps nobody's connection or layer alive
        finally:
            self._loop = None
            loop.end_park(was)
            self._epoll.unregister(loop_descriptor)

    def _tell_transport(self, transport: SocketTransport, events: int) -> None:
        connection = transport.connection
        assert connection is not None
        began = self.now()
        self._guarded(connection.mailbox.post, connection.ready, transport, events)
        self.name_hog(connection, self.now() - began)

    def name_hog(self, connection: Any, seconds: float) -> None:
        """A step of the layers of `connection` took so long: say so, once for each stack, if that was too long."""
        if seconds <= HOG:
            return
        (ran, waited), (ran_before, waited_before) = account(), self._account
        seconds_of_its = seconds - (waited - waited_before)
        if ran - ran_before < HOG / 2:
            # Who waits for the interpreter wakes up each switch interval to ask for it; who sleeps or blocks does not.
            seconds_of_its -= (switches() - self._slept - self._polls) * sys.getswitchinterval()
        if seconds_of_its <= HOG:
            return  # the machine gave its processor to somebody else, or other threads computed
        names = connection.plan.names
        if names and names not in self._hogs:
            self._hogs.add(names)
            who = f"layer {names[0]!r}" if len(names) == 1 else f"one of the layers {', '.join(map(repr, names))}"
            reports.report(f"{who} held everybody up for {seconds * 1000:.0f} ms in one step; layers must not block")

    def _run_calls(self) -> None:
        calls = self._calls
        for _ in range(len(calls)):  # those that come meanwhile wait for the next round: descriptors get their share
            call, arguments = calls.popleft()
            self._guarded(call, *arguments)

    def _add_timer(self, timer: Timer) -> None:
        heapq.heappush(self._timers, (timer.moment, next(self._numbers), timer))

    def _run_timers(self) -> float | None:
        """Run what is due; returns seconds until the next one, None for never."""
        timers = self._timers
        due = (
            self.now()
        )  # asked once: a timer that is set anew for this very moment waits until descriptors were served
        while timers:
            moment, _, timer = timers[0]
            if timer.cancelled:
                heapq.heappop(timers)
                continue
            if moment > due:
                return max(0.0, moment - self.now())
            heapq.heappop(timers)
            began = self.now()
            self._guarded(timer.call, *timer.arguments)
            for argument in timer.arguments:
                if isinstance(argument, Task):  # a layer's sleep was over
                    self.name_hog(argument.connection, self.now() - began)
        return None

    def _guarded(self, call: Callable[..., object], *arguments: Any) -> None:
        """One client's broken callback must not end everybody's engine."""
        try:
            call(*arguments)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            reports.report(f"unexpected: {describe(error)}")

    def close(self) -> None:
        """Give the descriptors back; after `stop()`."""
        self._epoll.close()
