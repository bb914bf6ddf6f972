"""The sending side of a connection: the send turn.

Sends, shutdowns and connects hold the turn in the order in which they were started. A send that has begun runs on, even
when its client leaves; a non-blocking send above a layer is accepted into a buffer of ours and delivered afterwards.
"""

from _thread import get_ident
from collections import deque
from functools import partial
from typing import Any, cast

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.boundary import PIECE, Call
from ws2spi._engine.driving import FATAL, Driving, aborted, afresh, would_block
from ws2spi._engine.interrupts import came_from_outside
from ws2spi._engine.operations import Done, Kind, Request, Role, Task, Want, is_suspended
from ws2spi._engine.transport import Address
from ws2spi._executive import threads


class Sending(Driving):
    """Sends and writability."""

    raw_send: bool
    _failure: str | None

    def _init_sending(self, send: Call) -> None:
        self._send = send
        self._sends: deque[Task] = deque()  # the head holds the turn
        self._send_error: WinsockError | None = None
        self._send_error_told = False

    def send(self, data: Any, address: Address | None = None, timeout: float | None = None) -> int:
        """Block until all of `data` has gone through the layers. Returns its length.

        Raises WinsockError: WSAETIMEDOUT (what has begun runs on), WSAEINTR when closed meanwhile.
        """
        mailbox = self.mailbox
        request: Request | None = None
        coroutine: Any = None
        try:
            if not mailbox.steps and not self._sends and not mailbox.occupant:
                # Nobody is here: run the first step on the spot, without a request or a task.
                me = get_ident()
                try:
                    if mailbox.occupant.setdefault(0, me) is me:
                        if self._sends or self._send_error is not None or self.closing:
                            request = Request(threads.current())
                            self._queue_send(data, address, request)
                        else:
                            coroutine = self._send(data) if self.transport.stream else self._send(data, address)
                            self.transport.sent = 0
                            try:
                                want = coroutine.send(None)
                            except StopIteration:
                                return len(data)
                            except WinsockError as error:
                                self._note_send_error(error)
                                raise
                            request = Request(threads.current())
                            self._adopt_send(coroutine, want, data, address, request)
                finally:
                    try:  # without a call, see Mailbox
                        if mailbox.occupant[0] is me:
                            del mailbox.occupant[0]
                    except KeyError:
                        pass
                    if mailbox.steps or mailbox.announcements:
                        mailbox.drain()
            if request is None:
                self._refuse_reentry()
                request = Request(threads.current())
                mailbox.post(self._queue_send, data, address, request)
            self.engine.block(self, request, timeout)
            return cast(int, request.value())
        except BaseException as error:
            if request is None and coroutine is None:
                raise  # nothing was begun
            mailbox.steps.append((self._send_left, (request, coroutine, data, address, error)))
            mailbox.drain()
            raise

    def _adopt_send(
        self, coroutine: Any, want: Want | None, data: Any, address: Address | None, request: Request | None
    ) -> None:
        """In the mailbox: a send that was begun without a request must wait after all."""
        if request is not None:
            request.result = len(data)
        task = Task(self, Role.SEND, self._sender(data, address), request)
        task.coroutine = coroutine
        self._sends.appendleft(task)
        if want is not None:
            self._parked(task, want)
        else:
            self.step(task)

    def _sender(self, data: Any, address: Address | None) -> partial[Any]:
        return partial(self._send, data) if self.transport.stream else partial(self._send, data, address)

    def _send_left(
        self, request: Request | None, coroutine: Any, data: Any, address: Address | None, error: BaseException
    ) -> None:
        """In the mailbox: `error` goes to the client; what has begun runs on."""
        if request is not None and not request.done:
            self.withdraw(request, WSAError.WSAEINTR)
        if coroutine is None or any(task.coroutine is coroutine for task in self._sends):
            pass
        elif is_suspended(coroutine):
            if not self.closing:
                self._adopt_send(coroutine, None, data, address, None)
        elif request is not None or not came_from_outside(error):
            pass  # it was driven by a task
        elif not self._is_whole(error, Sending.send.__code__, self.raw_send):
            self.layer_interrupted("send", error)
        elif self.raw_send and self.transport.stream and 0 < self.transport.sent < len(data):
            rest = memoryview(data)[self.transport.sent :]
            self.transport.sent = 0
            self._sends.appendleft(Task(self, Role.SEND, self._sender(rest, address)))
            self._begin_next()
        if came_from_outside(error):
            self._reconcile()

    def submit_send(self, data: Any, done: Done | None = None, address: Address | None = None) -> Request:
        """Send without waiting; `data` must stay as it is until `done(request)`. Any thread."""
        request = Request(None, done)
        self.mailbox.post(self._queue_send, data, address, request)
        return request

    def enqueue_send(self, data: Any, done: Done | None = None) -> Request:
        """Accept `data` for sending: a close delivers it, and no client can withdraw it.

        The step is left in the mailbox, and the caller must call `mailbox.drain()` afterwards: for a mover, of whom
        there is one at a time between taking bytes and queuing them, where no layer may run.
        """
        request = Request(None, done)
        self.mailbox.steps.append((self._queue_accepted, (data, request)))
        return request

    def _queue_accepted(self, data: Any, request: Request) -> None:
        self._queue_send(data, None, request, accepted=True)

    def send_nowait(self, data: Any, address: Address | None = None) -> int:
        """Send what can go now and say how much; else WSAEWOULDBLOCK.

        Above a layer that overrides `send`, one piece is taken into a buffer of ours and counts as sent; until it has
        gone through, the next call would block. A late error meets the next call.
        """
        return cast(int, self._inside(self._send_nowait, data, address))

    def _send_nowait(self, data: Any, address: Address | None) -> int:
        if self._send_error is not None:
            raise self._kept_send_error()
        if self.closing:
            raise aborted()
        if self._sends:
            raise would_block()
        stream = self.transport.stream
        if self.raw_send and stream:
            try:
                return self.transport.send_now(data)
            except WinsockError as error:
                self._note_send_error(error)
                raise
        piece = bytes(memoryview(data)[:PIECE]) if stream else bytes(data)
        task = Task(self, Role.SEND, self._sender(piece, address))
        task.accepted = True
        self._sends.append(task)
        self._begin(task)
        if self._send_error is not None:
            raise self._kept_send_error()
        return len(piece)

    def _kept_send_error(self) -> WinsockError:
        """The error that meets this call: of a stream, which lacks bytes now, for good; of one datagram, once."""
        error = self._send_error
        assert error is not None
        self._send_error_told = True
        if not self.transport.stream and self._failure is None:
            self._send_error = None
        return afresh(error)

    def writable(self) -> bool:
        """Whether a send would take something now."""
        return bool(self._inside(self._writable))

    def _writable(self) -> bool:
        if self._send_error is not None or self.closing:
            return True
        if self._sends:
            return False
        return not self.raw_send or self.transport.ready(Kind.WRITE)

    def _queue_send(self, data: Any, address: Address | None, request: Request, *, accepted: bool = False) -> Request:
        request.result = len(data)
        task = Task(self, Role.SEND, self._sender(data, address), request)
        task.accepted = accepted
        self._enqueue(task)
        return request

    def _enqueue(self, task: Task) -> None:
        self._sends.append(task)
        if self._sends[0] is task:
            self._begin(task)

    def _begin(self, task: Task) -> None:
        """The head of the send queue has the turn."""
        error = None
        if self._send_error is not None and (self.transport.stream or task.role is Role.SEND):
            error = self._kept_send_error()
        elif self.closing and not task.accepted:
            error = aborted()
        if error is not None:
            self._finish(task, None, error)
            return
        assert task.factory is not None
        self.transport.sent = 0
        task.coroutine = task.factory()
        self.step(task)

    def _begin_next(self) -> None:
        if self._sends and self._sends[0].coroutine is None:
            self._begin(self._sends[0])

    def _note_send_error(self, error: WinsockError, *, told: bool = True) -> None:
        if error.code in FATAL and self.transport.stream:
            self._send_error = self._send_error or afresh(error)
            self._send_error_told = self._send_error_told or told
