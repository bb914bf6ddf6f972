"""Urgent (out-of-band) data of a stream: one byte apart from the rest, for who asks for it.

Where it is carried: a stack carries it if every layer that answers `send` also answers `send_urgent`, and `recv` with
`recv_urgent`; who changes a stream must say what becomes of a byte that does not pass through it. Else both fail with
WSAEOPNOTSUPP.

As with all receives, requests are served in order from an inbox of its own that one pump fills, and who gives up a
request leaves the pump: it brings its byte for the next. Sending holds the send turn.

A socket of the kernel shows urgent data without its being received. Over another provider only a receive can tell, so
there the pump runs ahead for who wants to hear of urgent data (`look_ahead`), as it does for the stream.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine import blocking
from ws2spi._engine.boundary import Call, Plan
from ws2spi._engine.driving import Observer, aborted, afresh, would_block
from ws2spi._engine.observing import BROKEN, END, OTHER, URGENT, Observing
from ws2spi._engine.operations import Done, Event, Receive, Request, Role, Task
from ws2spi._executive import threads


class Urgent(Observing):
    """See the module's text."""

    plan: Plan
    path: Callable[[int, str], Call]
    _wait: Callable[..., Any]
    _begin_work: Callable[..., None]

    def _init_urgent(self) -> None:
        self.urgent_receives = self.transport.stream and self.plan.carries("recv_urgent")
        self._urgents: list[Receive] = []
        self._urgent_inbox = b""
        self._urgent_error: WinsockError | None = None  # of one call
        self._urgent_pump: Any = None  # the coroutine that waits for more
        self._urgent_arrived: Event | None = None  # what it waits for
        self._urgent_ahead = False  # nobody has asked for what the pump brings
        self._urgent_over = False  # running ahead has shown that nothing (more) will come

    # -- sending ---------------------------------------------------------------------------------------------------

    def send_urgent(self, data: bytes, timeout: float | None = None) -> int:
        """As `send`; the last byte of `data` is urgent. Raises WinsockError WSAEOPNOTSUPP too."""
        self._check_urgent("send_urgent")
        return cast(int, self._wait(Request(threads.current()), timeout, self._queue_urgent, data, False))

    def submit_send_urgent(self, data: bytes, done: Done | None = None) -> Request:
        """As `send_urgent`, without waiting."""
        self._check_urgent("send_urgent")
        request = Request(None, done)
        self.mailbox.post(self._queue_urgent, data, False, request)
        return request

    def send_urgent_nowait(self, data: bytes) -> int:
        """As `send_nowait`: all of `data` is taken, or WSAEWOULDBLOCK."""
        self._check_urgent("send_urgent")
        return cast(int, self._inside(self._send_urgent_nowait, data))

    def _send_urgent_nowait(self, data: bytes) -> int:
        if self._send_error is not None:
            raise self._kept_send_error()
        if self._sends or not self._writable():
            raise would_block()
        self._queue_urgent(data, True, Request())
        if self._send_error is not None:
            raise self._kept_send_error()
        return len(data)

    def _queue_urgent(self, data: bytes, accepted: bool, request: Request) -> None:
        request.result = len(data)
        task = Task(self, Role.SEND, partial(cast(Any, self.path(-1, "send_urgent")), data), request)
        task.accepted = accepted
        self._enqueue(task)

    def _check_urgent(self, method: str) -> None:
        if not self.transport.stream or not self.plan.carries(method):
            raise WinsockError(WSAError.WSAEOPNOTSUPP, "urgent data")

    # -- receiving -------------------------------------------------------------------------------------------------

    def recv_urgent(self, size: int, timeout: float | None = None, *, peek: bool = False) -> bytes:
        """Block until urgent data is there; b"" when there can be no more. Raises as `recv`, and WSAEOPNOTSUPP."""
        self._check_urgent("recv_urgent")
        request = Receive(size, threads.current(), None, peek)
        return cast(bytes, self._wait(request, timeout, self._ask_urgent))

    def submit_recv_urgent(self, size: int, done: Done | None = None, *, peek: bool = False) -> Receive:
        """As `recv_urgent`, without waiting."""
        self._check_urgent("recv_urgent")
        request = Receive(size, None, done, peek)
        self.mailbox.post(self._ask_urgent, request)
        return request

    def recv_urgent_nowait(self, size: int, *, peek: bool = False) -> bytes:
        """The urgent data that is there now, else WSAEWOULDBLOCK."""
        self._check_urgent("recv_urgent")
        return cast(bytes, self._inside(self._recv_urgent_nowait, size, peek))

    def _recv_urgent_nowait(self, size: int, peek: bool) -> bytes:
        request = Receive(size, None, None, peek)
        self._ask_urgent(request)
        if not request.done:
            self._urgents.remove(request)
            raise would_block()
        return cast(bytes, request.value())

    def look_ahead(self) -> None:
        """In the mailbox: somebody wants to hear of urgent data, which only a receive of the provider below can tell.

        Of a provider that does not let it wait there (it refuses, or has nothing now) nothing is ever told; it is
        asked once.
        """
        transport: Any = self.transport
        if transport.direct or not self.urgent_receives or not transport.expedited or self._urgent_over:
            return
        if self._urgent_inbox or self._urgent_pump is not None or self.closing or self._accepting:
            return
        if self._recv_error is not None or transport.urgent_inline():
            return
        self._urgent_ahead = True
        self._urgent_pump = self._bring_urgent(1)
        self._begin_work(self._urgent_pump, Request())

    def _ask_urgent(self, request: Receive) -> None:
        self._urgent_ahead = False
        self._urgents.append(request)
        # A pump that waits may not have been told yet of what readiness shows already.
        if self._urgent_arrived is not None:
            self._urgent_arrived.set()
            for task in tuple(self._controls):
                if self._urgent_pump is not None and task.coroutine is self._urgent_pump:
                    self.step(task)
        self._feed_urgent()

    def _feed_urgent(self) -> None:
        """Serve who waits, in order; start the pump for who still does."""
        while self._urgents:
            request = self._urgents[0]
            if request.done:
                pass  # its client has left
            elif self._urgent_inbox:
                request.result = self._urgent_inbox[: request.size]
                if not request.peek:
                    self._urgent_inbox = self._urgent_inbox[request.size :]
            elif self._urgent_error is not None:
                request.error, self._urgent_error = self._urgent_error, None
            elif self._recv_error is not None:
                request.error = afresh(self._recv_error)
            elif self._urgent_pump is not None:
                return
            else:
                # Started here, it may end before the next line: then the loop finds what it has brought.
                self._urgent_pump = self._bring_urgent(max(1, request.size))
                self._begin_work(self._urgent_pump, Request())
                continue
            self._complete(request)
            if self._urgents and self._urgents[0] is request:
                del self._urgents[0]

    async def _bring_urgent(self, size: int) -> None:
        try:
            data = await self.path(-1, "recv_urgent")(size)
            self._urgent_inbox += data
            if not data:
                self._urgent_over = True
                self._end_urgent(None)
        except WinsockError as error:
            if self._urgent_ahead:
                self._urgent_over = not self.transport.urgent_inline()  # then it may come again when it is not
            else:
                self._urgent_error = error
        finally:
            self._urgent_pump = None
            self._urgent_ahead = False
            self.mailbox.steps.append((self._feed_urgent, ()))
            self.changed(URGENT | OTHER)  # the end, told before it, is no reason not to look any more

    def _end_urgent(self, error: WinsockError | None) -> None:
        """Nothing more will come: an empty answer, or `error`, for all who wait."""
        waiting, self._urgents = self._urgents, []
        for request in waiting:
            if not request.done:
                request.result, request.error = b"", error
                if error is not None and request.owner is not None and self.closing:
                    request.error = blocking.interrupted()
                self._complete(request)

    def _close_urgent(self) -> None:
        self._end_urgent(aborted())

    async def _urgent_below(self, size: int) -> bytes:
        """Where the layers' `recv_urgent` ends."""
        arrived = self._urgent_arrived = Event(self)
        observer = Observer(arrived.set)
        try:
            while (data := self.transport.recv_urgent_now(size)) is None:
                if self.transport.urgent_inline():
                    raise WinsockError(WSAError.WSAEINVAL, "urgent data has become part of the stream")
                arrived.clear()
                self.observe_inside(observer, URGENT | END | BROKEN)
                await arrived.wait()
            return data
        finally:
            self._urgent_arrived = None
            self.observe_inside(observer, 0)
