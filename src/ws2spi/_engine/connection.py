"""A connection: one socket under a stack of layers, and everything that clients asked of it.

Which thread runs what. All state below changes inside the connection's mailbox only (`mailbox.py`), on whichever thread
found it free; methods named without an underscore post there or enter it themselves. Steps of coroutines run there too:
between two awaits the layers of one connection run alone. Clients' callbacks run outside.

Rule 1: receives are requests, served in order from an inbox that one pump fills (`receiving.py`).
Rule 2: a client that cancels, times out or would block removes its request and leaves the pump. A send that has begun
        runs on. Only a close, or a layer's own failure, ends coroutines.
Rule 3: a parked coroutine belongs to its connection, not to who drives it (`driving.py`).
Rule 4: sends, shutdowns and connects hold the send turn in the order in which they were started (`sending.py`); no pump
        runs while a connect does.
Rule 5: what an interrupt tears is put right before anybody else comes in (`mending.py`).

Why one file: how operations begin, are withdrawn, end and fail is one set of states, and each way out must know the
others. What can be read by itself (receiving, sending, driving, mending) is elsewhere.
"""

import itertools
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, cast

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine import blocking, lingering, reports
from ws2spi._engine.accepting import Accepting
from ws2spi._engine.boundary import EMPTY, Call, Edge, Plan, View, describe
from ws2spi._engine.driving import EngineShape, aborted, afresh
from ws2spi._engine.inbox import ItemInbox
from ws2spi._engine.mailbox import Mailbox
from ws2spi._engine.mending import Mending
from ws2spi._engine.messages import Messages
from ws2spi._engine.operations import Cancelled, Done, Receive, Request, Role, Task, Want
from ws2spi._engine.transport import EVERYTHING, Address, SocketTransport
from ws2spi._engine.urgent import Urgent
from ws2spi._executive import threads

_numbers = itertools.count(1)
_STUBBORN = 1000  # awaits that a coroutine may reach after it was told to end, before we call it a bug


class Connection(Mending, Accepting, Urgent, Messages):
    """See the module's text. `plan` says which layers answer what; `origin` is handed to layers as it is."""

    def __init__(
        self, engine: EngineShape, transport: SocketTransport, plan: Plan = EMPTY, *, origin: Any = None
    ) -> None:
        self.engine = engine
        self.transport = transport
        self.plan = plan
        self.origin = origin
        self.context = 0
        self.number = next(_numbers)
        self.mailbox = Mailbox()
        transport.connection = self
        self._views: list[View | None] = [None] * len(plan.layers)
        self._edges: list[Edge | None] = [None] * len(plan.layers)
        stream = transport.stream
        self.raw_send = transport.direct and plan.answers(-1, "send" if stream else "send_to") is None
        self.raw_recv = transport.direct and plan.answers(-1, "recv" if stream else "recv_from") is None
        self._connecting = False
        self._observers = []
        self._init_sending(self.path(-1, "send" if stream else "send_to"))
        self._init_receiving(self.path(-1, "recv" if stream else "recv_from"))
        self._controls: list[Task] = []
        self._init_accepting()
        self._init_urgent()
        self._failure: str | None = None
        self.closing = False
        self.closed = False
        self._closed_requests: list[Request] = []  # who is told that the descriptor is closed

    # -- connecting, listening, control ----------------------------------------------------------------------------

    def connect(self, address: Address, timeout: float | None = None) -> None:
        self._wait(Request(threads.current()), timeout, self._queue_connect, address)

    def _wait(self, request: Request, timeout: float | None, step: Callable[..., object], *arguments: Any) -> Any:
        """Post `step(*arguments, request)`, block until `request` is done, and return what it gives."""
        self._refuse_reentry()
        try:
            self.mailbox.post(step, *arguments, request)
            self.engine.block(self, request, timeout)
            return request.value()
        except BaseException:
            if not request.done:  # an interrupt: the request goes, the operation does not
                self.mailbox.steps.append((self.withdraw, (request, WSAError.WSAEINTR)))
                self.mailbox.drain()
            raise

    def submit_connect(self, address: Address, done: Done | None = None) -> Request:
        request = Request(None, done)
        self.mailbox.post(self._queue_connect, address, request)
        return request

    def _queue_connect(self, address: Address, request: Request) -> None:
        self._connecting = True
        self._reconsider()
        self._enqueue(Task(self, Role.CONNECT, partial(self.path(-1, "connect"), address), request))

    def shutdown(self, how: int, timeout: float | None = None) -> None:
        """End one or both directions, in turn after what is being sent."""
        self._wait(Request(threads.current()), timeout, self._queue_shutdown, how)

    def submit_shutdown(self, how: int, done: Done | None = None) -> Request:
        request = Request(None, done)
        self.mailbox.post(self._queue_shutdown, how, request)
        return request

    def _queue_shutdown(self, how: int, request: Request) -> None:
        self._enqueue(Task(self, Role.SEND, partial(self.path(-1, "shutdown"), how), request))

    def perform(self, method: str, *arguments: Any, timeout: float | None = None) -> Any:
        """A control call (`bind`, `getsockopt`, names, …) through the layers, blocking. Returns what it gives."""
        return self._wait(Request(threads.current()), timeout, self._control, method, arguments)

    def submit(self, method: str, *arguments: Any, done: Done | None = None) -> Request:
        """As `perform`, without waiting."""
        request = Request(None, done)
        self.mailbox.post(self._control, method, arguments, request)
        return request

    def _control(self, method: str, arguments: tuple[Any, ...], request: Request) -> None:
        if self.closing:
            request.error = aborted()
            self._complete(request)
            return
        task = Task(self, Role.CONTROL, None, request)
        task.coroutine = cast(Any, self.path(-1, method)(*arguments))
        self._controls.append(task)
        self.step(task)

    def submit_work(self, work: Coroutine[Want, None, Any], done: Done | None = None) -> Request:
        """Drive a coroutine of the client's own in the mailbox: its awaits reach operations as a layer's do.

        For who moves many pieces, like a relay, and wants neither a request nor an inbox for each. It is cancelled when
        the connection ends. `done(request)` is called with what it returned.
        """
        request = Request(None, done)
        self.mailbox.post(self._begin_work, work, request)
        return request

    def _begin_work(self, work: Coroutine[Want, None, Any], request: Request) -> None:
        if self.closing:
            work.close()
            request.error = aborted()
            self._complete(request)
            return
        task = Task(self, Role.CONTROL, None, request)
        task.coroutine = work
        self._controls.append(task)
        self.step(task)

    def take_place(self, other: "Connection") -> None:
        """In the mailbox: become what is behind the descriptor of `other`, which is idle and has then lost it."""
        for one in (self, other):
            self.engine.disarm(one.transport)
            one.transport.armed = 0
        self.transport.take_place(other.transport)
        self._arm(self.transport)

    def renumber(self, number: int) -> None:
        """Go on with the descriptor `number`, a duplicate of the one it has, which is closed."""
        self._inside(self._renumber, number)

    def _renumber(self, number: int) -> None:
        self.engine.disarm(self.transport)
        self.transport.armed = 0
        self.transport.renumber(number)
        self._arm(self.transport)

    def listen(self, backlog: int) -> None:
        """Become a listener: from now on receives give accepted connections."""
        self.perform("listen", backlog)
        self.become_listener()

    def become_listener(self) -> None:
        """The socket listens already: receives give accepted connections."""
        self._inside(self._become_listener)

    # -- leaving ---------------------------------------------------------------------------------------------------

    def _finish(self, task: Task, result: Any, error: WinsockError | None) -> None:
        """In the mailbox: `task` has ended; tell its client and let the next in line begin."""
        task.result, task.error, task.ended = result, error, True  # an interrupt repeats what follows
        if task.role is Role.PUMP:
            self._pumped(task, result, error)
            return
        task.done = True
        if task.role is Role.CLOSE:
            self._finalise()
            return
        request = task.request
        if request is not None:
            request.error = error
            if task.role is Role.CONTROL:
                request.result = result
            self._complete(request)
        if task.role is Role.CONTROL:
            if task in self._controls:
                self._controls.remove(task)
            return
        if error is not None and task.role is Role.SEND:
            self._note_send_error(error, told=request is not None and not task.accepted)
            if request is None or task.accepted:
                self._send_error = self._send_error or afresh(error)  # a late error meets the next call
        if task in self._sends:
            self._sends.remove(task)
        if task.role is Role.CONNECT:
            self._connecting = any(other.role is Role.CONNECT for other in self._sends)
            self._reconsider()
            self._feed()
        if self._observers:
            self.changed(EVERYTHING)
        if self._sends:
            self.mailbox.steps.append((self._begin_next, ()))
        elif self.closing:
            self._last_words()

    def cancel(self, request: Request) -> None:
        """Withdraw `request`; it ends with WSA_OPERATION_ABORTED unless it is done first. Any thread or handler."""
        self.mailbox.post(self.withdraw, request, WSAError.WSA_OPERATION_ABORTED)

    def withdraw(self, request: Request, code: int) -> None:
        """In the mailbox: rule 2. Removes the request and leaves what it had begun."""
        if request.done:
            return
        if type(request) is Receive:
            if request in self._receives:
                self._receives.remove(request)
        elif request in self._watchers:
            self._watchers.remove(request)
        else:
            if not self._withdraw_task(request, code):
                return
        request.error = WinsockError(code, "withdrawn")
        self._complete(request)
        if self._pump is not None and self._pump.owner is not None and not self._receives and not self._watchers:
            self._give(self._pump, None)
        if self.raw_recv and self._pump is not None and not (self._receives or self._watchers):
            self._drop_pump()
        else:
            self._feed()

    def _withdraw_task(self, request: Request, code: int) -> bool:
        """Whether a client may leave its send, shutdown, connect or control call now."""
        for task in (*self._sends, *self._controls):
            if task.request is request:
                break
        else:
            return True
        if task.coroutine is None and not self._has_accepted_behind(task):
            self._sends.remove(task)
            task.done = True
            return True
        if code == WSAError.WSA_OPERATION_ABORTED and task.role is Role.SEND:
            return False  # cancelling is a request: such a send runs on, and its client hears of its end
        task.request = None
        self._give(task, None)
        return True

    def _has_accepted_behind(self, task: Task) -> bool:
        """Whether bytes that count as sent stand behind a send of a stream: without it, they would be out of place."""
        if task.role is not Role.SEND or not self.transport.stream:
            return False
        sends = list(self._sends)
        return any(other.accepted for other in sends[sends.index(task) + 1 :])

    def close(self, done: Done | None = None) -> None:
        """End the connection in order: what was accepted is delivered, layers' `close` runs, the descriptor closes.

        Receives and sends that are not yet done end now: overlapped ones with WSA_OPERATION_ABORTED, blocked ones with
        WSAEINTR. If something that was accepted stands behind such a send of a stream, the stream cannot be delivered
        whole any more, and the connection is reset. `done(request)` is called when the descriptor is closed. Any thread
        or handler, any number of times.
        """
        lingering.begin(self)  # not first in the mailbox: who is inside may get to it only after the process looked
        self.mailbox.post(self._close, done)

    def _close(self, done: Done | None) -> None:
        if done is not None and all(request.callback is not done for request in self._closed_requests):
            self._closed_requests.append(Request(None, done))
        if self.closed:
            lingering.end(self)
            self._tell_closed()
            return
        if self.closing:
            return
        self.closing = True
        self._end_all()

    def _end_all(self) -> None:
        self.changed(EVERYTHING)
        self._end_receives()
        for task in list(self._controls):
            if task.role is not Role.CLOSE:
                self._cancel(task)
        if any(self._has_accepted_behind(task) for task in self._sends if not task.accepted):
            self.transport.make_abortive()
            self._refuse_accepted()
        for task in list(self._sends):
            if not task.accepted:
                self._cancel(task)
        if not self._sends:
            self._last_words()

    def _refuse_accepted(self) -> None:
        for task in self._sends:
            task.accepted = False

    def _go_on_ending(self) -> None:
        """In the mailbox, after an interrupt: what had begun to end must come to its end."""
        if self._failure is not None and self._send_error is None:
            self._fail(WinsockError(WSAError.WSAECONNABORTED, self._failure))
        if self.closed:
            lingering.end(self)
            self._tell_closed()
        elif self.closing:
            self._end_all()

    def has_accepted(self) -> bool:
        """Whether bytes that count as sent are still on their way through the layers. A hint."""
        return any(task.accepted for task in tuple(self._sends)) or bool(self.mailbox.steps)

    def dismiss(self) -> None:
        """Every client leaves: requests end as on `close`, but the connection goes on for who else may use it."""
        self.mailbox.post(self._dismiss)

    def _dismiss(self) -> None:
        tasks = [task for task in (*self._sends, *self._controls) if not task.accepted]
        requests = [*self._receives, *self._watchers, *self._urgents, *(task.request for task in tasks)]
        for request in requests:
            if request is not None:
                blocked = request.owner is not None
                self.withdraw(request, WSAError.WSAEINTR if blocked else WSAError.WSA_OPERATION_ABORTED)

    def descriptor(self) -> int:
        """A descriptor that shows input when there may be something to receive (for `filepair`)."""
        return self.transport.descriptor()

    def abort(self) -> None:
        """End the connection now, with a reset below. Any thread or handler."""
        self.mailbox.post(self._abort, None)

    def _abort(self, reason: WinsockError | None) -> None:
        if self.closed:
            return
        if reason is not None:
            self._recv_error = self._recv_error or reason
            self._reconsider()
            self._send_error = self._send_error or reason
        self.transport.make_abortive()
        self._refuse_accepted()
        self._close(None)
        # What an earlier close was delivering, and last words that did not come to their end at once.
        for task in [*self._sends]:
            self._cancel(task)
        for task in [*self._controls]:
            self._cancel(task)

    def _end_receives(self) -> None:
        for request in (*self._receives, *self._watchers):
            request.error = blocking.interrupted() if request.owner is not None else aborted()
            self._complete(request)
        self._receives.clear()
        self._watchers.clear()
        self._close_urgent()
        self._recv_error = self._recv_error or aborted()
        self._reconsider()
        self._end_handshakes()
        if self._pump is not None:
            if any(task.accepted for task in self._sends):
                self._give(self._pump, None)  # a layer may need what it brings to deliver them
            else:
                self._cancel(self._pump)

    def _cancel(self, task: Task) -> None:
        """Throw Cancelled at the await where `task` is, and at every further one, until it has ended."""
        if task.done:
            return
        request = task.request
        if request is not None and not request.done:
            request.error = blocking.interrupted() if request.owner is not None else aborted()
            self._complete(request)
        task.request = None
        self._unpark(task)
        task.owner = None
        if task.coroutine is None:
            self._finish(task, None, aborted())
            return
        for _ in range(_STUBBORN):
            if task.done:
                return
            self.step(task, Cancelled())
        if not task.done:
            reports.report(
                f"a layer of {self._names()} goes on in {task.role.value} although its connection was closed; abandoned"
            )
            self._unpark(task)
            self._finish(task, None, aborted())

    def _last_words(self) -> None:
        """Everything accepted is delivered: the layers' own `close`, then the descriptor."""
        if self.closed or any(task.role is Role.CLOSE for task in self._controls):
            return
        if self._pump is not None:
            self._cancel(self._pump)
        if not self.plan.has_close:
            self._finalise()
            return
        task = Task(self, Role.CLOSE, None)
        task.coroutine = cast(Any, self.path(-1, "close")())
        self._controls.append(task)
        self.step(task)

    def _finalise(self) -> None:
        if self.closed:
            return
        self.engine.disarm(self.transport)
        if self.engine.serves_here():
            self.transport.do_not_wait()
        self.transport.close_now()
        if self._taken is not None:
            self._taken.make_abortive()
            self._taken.close_now()
        self.closed = True
        if self._accepting:
            for connection in cast(ItemInbox, self._inbox):
                self.mailbox.later(connection.abort)
        self._inbox.clear()
        lingering.end(self)
        self._tell_closed()

    def _tell_closed(self) -> None:
        while self._closed_requests:
            self._complete(self._closed_requests[0])
            del self._closed_requests[0]

    # -- failing ---------------------------------------------------------------------------------------------------

    def layer_failed(self, name: str, method: str, error: BaseException) -> WinsockError:
        """A layer raised something that is no WinsockError: report it, reset the lower socket, end both directions.

        Returns the error that everybody sees from now on.
        """
        if method == "accept" and self.run is not None and self.run.taken:
            return self.run.taken[-1].layer_failed(name, method, error)  # one client's end is not the listener's
        return self._fail_closed(f"layer {name!r} failed in {method}: {describe(error)}", f"layer {name!r} failed")

    def _fail_closed(self, why: str, short: str) -> WinsockError:
        seen = WinsockError(WSAError.WSAECONNABORTED, short)
        if self._failure is None:
            self._failure = why
            self.mailbox.leave(self._fail, seen)  # run by the drain that follows every step
            reports.report(f"{why}; connection #{self.number} closed")
        return seen

    def _fail(self, seen: WinsockError) -> None:
        if self.closed:
            return
        self._recv_error = self._send_error = afresh(seen)
        self._reconsider()
        self._inbox.clear()
        self.changed(EVERYTHING)
        try:
            self.transport.disconnect()
        except WinsockError:  # no kind of socket that can be disconnected
            self.transport.make_abortive()
            self.transport.end_both()
        self._end_handshakes()
        pump = self._pump
        if pump is not None:
            self._cancel(pump)
        self._feed()
        for task in [*self._controls, *self._sends]:
            if task.role is Role.CLOSE:
                continue
            request, task.request = task.request, None
            if request is not None and not request.done:
                request.error = afresh(seen)
                self._complete(request)
            self._cancel(task)

    @property
    def end_is_known(self) -> bool:
        """Whether a call of the client's has been told of the error that ended the connection."""
        return self._send_error_told or self._recv_error_told

    @property
    def failure(self) -> str | None:
        """Why the connection ended, if a layer failed."""
        return self._failure

    # -- layers ----------------------------------------------------------------------------------------------------

    def view(self, index: int) -> View:
        view = self._views[index]
        if view is None:
            layer = self.plan.layers[index]
            view = self._views[index] = View(self, index, getattr(layer, "on_error", "closed") == "open")
        return view

    def path(self, above: int, method: str) -> Call:
        """The next way down for `method` beneath layer `above` (-1: beneath the client)."""
        index = self.plan.answers(above, method)
        if index is None:
            if method == "accept":
                return self._accept_below
            if method == "recv_urgent" and self.transport.direct:
                return self._urgent_below
            return cast(Call, getattr(self.transport, method))
        edge = self._edges[index]
        if edge is None:
            edge = self._edges[index] = Edge(self, index)
        return edge.call(method)

    def _is_raw(self, method: str) -> bool:
        """Whether no layer overrides `method`."""
        return self.plan.answers(-1, method) is None

    def _names(self) -> str:
        return ", ".join(repr(name) for name in self.plan.names) or "no layer"

    def __repr__(self) -> str:
        state = "closed" if self.closed else "closing" if self.closing else "failed" if self._failure else "open"
        return (
            f"<Connection #{self.number} {state} receives={len(self._receives)} sends={len(self._sends)} "
            f"inbox={len(self._inbox)}>"
        )


__all__ = ["Connection", "EngineShape"]
