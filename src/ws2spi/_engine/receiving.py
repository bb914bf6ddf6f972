"""The receiving side of a connection: requests, the pump, the inbox.

A receive is a `Receive` request. At most one `recv` of the top layer, the pump, is in flight; what it brings goes to
the inbox, and requests are served from there in order. Where no layer overrides `recv` (`raw_recv`), nothing is ever
read ahead: the pump moves no bytes before a request is there to take them, and the kernel answers questions of
readiness.

Why one file: the queue, the pump and the inbox are one set of states; each way in must know what the others left.
"""

from _thread import get_ident
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.boundary import PIECE, Call
from ws2spi._engine.driving import FATAL, Driving, afresh, would_block
from ws2spi._engine.inbox import ByteInbox, ItemInbox
from ws2spi._engine.interrupts import came_from_outside
from ws2spi._engine.operations import Done, Kind, Receive, Request, Role, Task, Want, is_suspended
from ws2spi._engine.transport import EVERYTHING, MAX_DATAGRAM, Address
from ws2spi._executive import threads


class Receiving(Driving):
    """Receives, readability and acceptance of connections."""

    raw_recv: bool
    labels: bool
    labelled: Callable[[Any], Any]
    _connecting: bool

    def _init_receiving(self, produce: Call) -> None:
        self._produce = produce
        self._accepting = False
        self._inbox: ByteInbox | ItemInbox = ByteInbox() if self.transport.stream else ItemInbox()
        self._receives: deque[Receive] = deque()
        self._watchers: list[Request] = []  # who waits for readability without taking anything
        self._pump: Task | None = None
        self._pump_for: Receive | None = None  # the request that a raw pump was started for
        self._ended = False  # the stream below is at its end
        self._recv_error: WinsockError | None = None  # for good
        self._recv_error_told = False
        self._late_error: WinsockError | None = None  # of one call, while nobody was there to hear of it
        self._reconsider()

    def recv(self, size: int, timeout: float | None = None, *, peek: bool = False) -> Any:
        """Block until something is there: bytes (b"" at the end), (datagram, sender), or an accepted connection.

        Raises WinsockError: WSAETIMEDOUT, WSAEINTR when closed meanwhile, WSAEINPROGRESS inside the connection's own
        layer.
        """
        mailbox = self.mailbox
        request: Receive | None = None
        coroutine: Any = None
        data: Any = None
        try:
            if not peek and not mailbox.steps and not mailbox.occupant:
                # Nobody is here: run the pump's first step on the spot, without a request or a task.
                me = get_ident()
                try:
                    if mailbox.occupant.setdefault(0, me) is me:
                        if self._straight and self._pump is None and not self._receives and not self._inbox and size:
                            coroutine = self._produce(size)
                            try:
                                want = coroutine.send(None)
                            except StopIteration as stop:
                                data = stop.value
                                if not data and not self.raw_recv:
                                    self._end()
                                return data
                            except WinsockError as error:
                                self._note_recv_error(error, told=True)
                                raise
                            request = Receive(size, threads.current())
                            self._adopt(coroutine, want, request)
                        else:
                            request = Receive(size, threads.current())
                            self._ask(request)
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
                request = Receive(size, threads.current(), peek=peek)
                mailbox.post(self._ask, request)
            self.engine.block(self, request, timeout)
            if request.error is not None:
                raise request.error
            return request.result  # spelled out, as an interrupt would find the bytes in nobody's hands
        except BaseException as error:
            first = request is None
            if request is None:
                if coroutine is None:
                    raise  # nothing was begun
                request = Receive(size)
                request.result, request.done = data, True
            mailbox.steps.append((self._receive_left, (request, coroutine, first, error)))
            mailbox.drain()
            raise

    def _adopt(self, coroutine: Any, want: Want | None, request: Receive | None) -> None:
        """In the mailbox: a receive that was begun without a request must wait after all."""
        task = Task(self, Role.PUMP, None)  # no pump has a request of its own: those in line are served by `_feed`
        task.coroutine = coroutine
        if request is not None:
            task.owner = request.owner
            self._receives += (request,)  # in one breath: an interrupt finds all or nothing
        self._pump, self._pump_for = task, request
        if want is not None:
            self._parked(task, want)
        else:
            self.step(task)

    def _receive_left(self, request: Receive, coroutine: Any, first: bool, error: BaseException) -> None:
        """In the mailbox: `error` goes to the client instead of what `request` or `coroutine` brought or will bring.

        `first`: it came in the coroutine's first step, before there was a request.
        """
        if came_from_outside(error):
            self._reconcile()  # first: what the pump has brought may be nowhere yet
        data_in_hand = request.result is not None
        if not request.done:
            self.withdraw(request, WSAError.WSAEINTR)
        elif request.result and not request.peek:
            self._inbox.put_back(request.result)
            request.result = None
            self.changed(EVERYTHING)
            self._feed()
        if coroutine is None or (self._pump is not None and self._pump.coroutine is coroutine):
            pass
        elif is_suspended(coroutine):
            if self.raw_recv:
                coroutine.close()  # has moved nothing
                self.transport.free_turn(Kind.READ)
            elif self._pump is None and not self.closing:
                self._adopt(coroutine, None, None)
        elif (
            first
            and came_from_outside(error)
            and not data_in_hand
            and not self._is_whole(error, Receiving.recv.__code__, self.raw_recv)
        ):
            self.layer_interrupted("recv", error)

    def recv_whole(self, size: int, timeout: float | None = None) -> bytes:
        """Block until `size` bytes of a stream are there, or all there are before its end or an error.

        Raises as `recv`; what has come by then is kept for the next receive.
        """
        self._refuse_reentry()
        request = Receive(size, threads.current())
        request.least = size
        try:
            self.mailbox.post(self._ask, request)
            self.engine.block(self, request, timeout)
            return cast(bytes, request.value())
        except BaseException as error:
            self.mailbox.steps.append((self._receive_left, (request, None, False, error)))
            self.mailbox.drain()
            raise

    def forget_others(self, peer: Address) -> None:
        """A datagram socket has a new peer: what others have sent before is not received any more."""
        self._inside(self._forget_others, peer)

    def _forget_others(self, peer: Address) -> None:
        if self.transport.direct:
            self.transport.forget_others()
        inbox = cast(ItemInbox, self._inbox)
        for item in [item for item in inbox if item[1][:2] != peer[:2]]:
            inbox.remove(item)

    def put_back(self, held: list[Any]) -> None:
        """What was received for somebody else comes first again, the last in `held` before the others; they leave the
        list. Any thread."""
        self.mailbox.post(self._put_back, held)

    def _put_back(self, held: list[Any]) -> None:
        while held:
            self._inbox.put_back(held[-1])
            del held[-1]
        self.changed(EVERYTHING)
        self._feed()

    def submit_recv(self, size: int, done: Done | None = None, *, peek: bool = False, least: int = 0) -> Receive:
        """Ask for data without waiting; `done(request)` is called once, outside the mailbox. Any thread."""
        request = Receive(size, None, done, peek)
        request.least = least
        self.mailbox.post(self._ask, request)
        return request

    def recv_nowait(self, size: int, *, peek: bool = False) -> Any:
        """What is there now, else WSAEWOULDBLOCK. Requests that wait come first."""
        taken: list[Any] = []
        try:
            return self._inside(self._recv_nowait, size, peek, taken)
        except BaseException as error:
            if taken or type(error) is not WinsockError:
                self.put_back(taken)  # after the receive, if that is still to be made
            raise

    def _recv_nowait(self, size: int, peek: bool, taken: list[Any]) -> Any:
        data = self._now(size, peek)
        if not peek:
            taken += (data,)  # in the same breath: an interrupt may keep the result from whoever called
        return data

    def _now(self, size: int, peek: bool) -> Any:
        if self._receives or self._connecting:  # what comes during a connect is its handshake's
            raise would_block()
        if self._late_error is not None and not self._inbox:
            raise self._take_late_error()
        if self.raw_recv and not self._inbox and self._recv_error is None and not self.closing:
            if type(self._inbox) is ByteInbox:
                if not size and not self.transport.ready(Kind.READ):
                    raise would_block()  # Linux is content with nothing at once
                try:
                    return self.transport.recv_now(size, peek)
                except WinsockError as error:
                    self._note_recv_error(error)
                    raise
            return self._try_raw_item(peek)
        self.start_pump_unasked()
        if self._inbox:
            return self._inbox.peek(size) if peek else self._inbox.get(size)
        if self._late_error is not None:
            raise self._take_late_error()
        if self._recv_error is not None:
            self._recv_error_told = True
            raise afresh(self._recv_error)
        if self._ended:
            return b""
        raise would_block()

    def _take_late_error(self) -> WinsockError:
        error, self._late_error = self._late_error, None
        assert error is not None
        self._reconsider()
        return error

    def _try_raw_item(self, peek: bool) -> Any:
        """One datagram or connection, without leaving a parked coroutine behind."""
        if peek:
            return self.transport.peek_from()
        coroutine = self._produce_call(MAX_DATAGRAM)
        try:
            coroutine.send(None)
        except StopIteration as stop:
            return stop.value
        coroutine.close()
        raise would_block()

    def _raw(self, call: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return call(*arguments)
        except WinsockError as error:
            self._note_recv_error(error, told=True)
            raise

    def _note_recv_error(self, error: WinsockError, *, told: bool = False) -> None:
        if error.code in FATAL and self.transport.stream and not self._accepting:
            self._recv_error = self._recv_error or afresh(error)
            self._recv_error_told = self._recv_error_told or told
            self._reconsider()

    def _end(self) -> None:
        self._ended = True
        self._reconsider()

    def _reconsider(self) -> None:
        """A receive may go straight to the top layer while the stream is simply open."""
        self._straight = (
            self.transport.stream
            and not (self._accepting or self._connecting or self._ended)
            and self._recv_error is None
            and self._late_error is None
        )

    def available(self) -> int:
        """Bytes that a receive would find now (FIONREAD)."""
        return cast(int, self._inside(self._available))

    def _available(self) -> int:
        if self.raw_recv and not self._connecting:
            return self.transport.pending_bytes() + self._inbox.total()
        self.start_pump_unasked()
        return self._inbox.total()

    def stocked(self) -> bool:
        """Whether the inbox has something, or the end or an error is known. A hint, without entering the mailbox."""
        return bool(self._inbox) or self._ended or self._recv_error is not None

    def readable(self) -> bool:
        """Whether a receive would not block now: something in the inbox, the end, or an error."""
        return bool(self._inside(self._readable))

    def _readable(self) -> bool:
        if self._recv_error is not None or self._late_error is not None or self.closing:
            return True
        if self._connecting:
            return False
        if self.raw_recv:
            return bool(self._inbox) or self.transport.ready(Kind.READ)
        self.start_pump_unasked()
        return self._something()

    def _something(self) -> bool:
        """Whether the next receive would get an answer without the pump."""
        return bool(self._inbox) or self._over()

    def _over(self) -> bool:
        """Whether the next receive hears of the end or an error once the inbox is empty."""
        return self._ended or self._recv_error is not None or self._late_error is not None

    def wait_readable(self, timeout: float | None = None) -> bool:
        """Block until `readable`, at most `timeout` seconds. Returns whether it is."""
        self._refuse_reentry()
        request = Request(threads.current())
        try:
            self.mailbox.post(self._watch, request)
            self.engine.block(self, request, timeout)
        except BaseException:
            self.mailbox.steps.append((self.withdraw, (request, WSAError.WSAEINTR)))
            self.mailbox.drain()
            raise
        return request.error is None or request.error.code != WSAError.WSAETIMEDOUT

    def submit_readable(self, done: Done) -> Request:
        """`done(request)` once a receive would not block. Takes nothing."""
        request = Request(None, done)
        self.mailbox.post(self._watch, request)
        return request

    def _watch(self, request: Request) -> None:
        self._watchers.append(request)
        self._feed()

    def _ask(self, request: Receive) -> None:
        self._receives.append(request)
        self._feed()

    def _feed(self) -> None:
        """Serve waiting requests from the inbox, in order; start or hand over the pump for those that still wait."""
        queue, inbox = self._receives, self._inbox
        while queue:
            request = queue[0]
            if request.done:
                pass  # an interrupt came between its answer and these lines
            elif inbox and (not request.least or inbox.total() >= request.least or self._over()):
                if not request.size and type(inbox) is ByteInbox:
                    request.result = b""
                elif request.peek:
                    request.result = inbox.peek(request.size)
                else:
                    request.result, request.done = inbox.get(request.size), True
            elif self._late_error is not None:
                request.error, request.done = self._late_error, True
                self._take_late_error()
            elif self._recv_error is not None:
                request.error = afresh(self._recv_error)
                self._recv_error_told = True
            elif self._ended:
                request.result = b""
            else:
                break
            self._complete(request)
            if queue and queue[0] is request:
                del queue[0]
        if self._something():
            self._tell_watchers()
            if not queue:
                return
        if queue or self._watchers:
            if self._pump is None:
                if not self._connecting:
                    self._start_pump()
            elif self.raw_recv and self._pump_for is not (queue[0] if queue else None):
                # A raw pump moves nothing before it ends, so it can be put down and started for the new head.
                self._drop_pump()
                self._start_pump()
            else:
                self._assign_pump()

    def _tell_watchers(self) -> None:
        while self._watchers:
            watcher = self._watchers[0]
            self._complete(watcher)
            if self._watchers and self._watchers[0] is watcher:
                del self._watchers[0]

    def start_pump_unasked(self) -> None:
        """In the mailbox: let the top layer read once, for readiness or for a layer that waits for input."""
        if self.raw_recv or self._pump is not None or self._connecting:
            return
        # Another provider refuses to receive on a datagram socket without a name; who asks later would hear of it.
        if not (self.transport.direct or self.transport.stream or self.transport.bound()):
            return
        # After close only a layer asks, one that is still delivering what was accepted.
        if self._sends if self.closing else not self._something():
            self._start_pump()

    def _start_pump(self) -> None:
        head = self._receives[0] if self._receives else None
        task = Task(self, Role.PUMP, None)
        blocked = head if head is not None else next(iter(self._watchers), None)
        task.owner = blocked.owner if blocked is not None else None
        task.coroutine = self._pump_coroutine(head)
        self._pump, self._pump_for = task, head
        self.step(task)

    def _pump_coroutine(self, head: Receive | None) -> Any:
        if type(self._inbox) is ItemInbox:
            if self.raw_recv and (head is None or (head.peek and self._produce == self.transport.recv_from)):
                return self.transport.wait(Kind.READ)
            return self._produce_call(MAX_DATAGRAM)
        size = head.size if head is not None else 0
        if head is not None and head.least:
            size = max(1, head.least - self._inbox.total())
        if not self.raw_recv:
            return self._produce(size or PIECE)
        if head is None or not size:
            return self.transport.wait(Kind.READ)
        return (self.transport.peek if head.peek else self.transport.recv)(size)

    def _produce_call(self, size: int) -> Any:
        return self._produce(size) if not self._accepting else self._produce()

    def _pumped(self, task: Task, data: Any, error: WinsockError | None) -> None:
        """The pump has ended. `task.done` says that what it brought is where it belongs; an interrupt repeats the rest.

        Data and the mark are stored together, without a call in between.
        """
        head = self._pump_for if task is self._pump else None
        if self.closing:  # nobody will ask for it
            if self._accepting and data is not None:
                self.mailbox.later(data.abort)
        elif task.done:
            pass
        elif error is not None:
            self._note_recv_error(error)
            if self._recv_error is None:
                self._failed_once(task, head, error)
        elif self.raw_recv:
            self._raw_pumped(task, head, data)
        elif not isinstance(data, bytes) or data:
            if not self._hand_over(task, data):
                self._inbox.put(self.labelled(data) if self.labels else data)
                task.done = True
        else:
            self._end()
        task.done = True
        if task is self._pump:
            self._pump = self._pump_for = None
        if self.closing:
            return
        if self._observers:
            self.changed(EVERYTHING)
        if self._receives or self._watchers:
            # Posted, not called: a long queue of receives that finish at once must not become a deep stack.
            self.mailbox.steps.append((self._feed, ()))

    def _hand_over(self, task: Task, data: Any) -> bool:
        """The short way past an empty inbox: give all of a piece to the first in line. False if it must be kept."""
        if self._inbox or not self._receives or type(data) is not bytes:
            return False
        first = self._receives[0]
        if first.peek or first.least or len(data) > first.size:
            return False
        self._answer(task, first, data, None)
        return True

    def _raw_pumped(self, task: Task, head: Receive | None, data: Any) -> None:
        if head is None or (data is None and not head.size):
            self._tell_watchers()
            if head is not None:
                self._answer(task, head, b"", None)
        elif data is None:
            try:
                self._answer(task, head, self.transport.peek_from(), None)
            except WinsockError as error:
                if error.code != WSAError.WSAEWOULDBLOCK:  # else somebody else took it: the pump starts again
                    self._answer(task, head, None, error)
        elif head.least and data:
            self._inbox.put(data)
            task.done = True
        elif head.least and self._inbox:
            head.least, task.done = 0, True  # the end: it gets what there is
        else:
            self._answer(task, head, data, None)

    def _failed_once(self, task: Task, head: Receive | None, error: WinsockError) -> None:
        """An error of one call only, like a datagram's: the first in line hears of it, or else the next who asks."""
        first = head if head is not None and not head.done else next(iter(self._receives), None)
        if first is not None and not (first.least and self._inbox):
            self._answer(task, first, None, error)
        else:
            self._late_error, task.done = error, True
            self._reconsider()

    def _answer(self, task: Task, request: Receive, result: Any, error: WinsockError | None) -> None:
        """What the pump brought goes to `request`, and to nobody else."""
        if request.done:
            # Its client left in the very step that brought the data: the next one gets it.
            if error is None and result is not None:
                self._inbox.put(result)
                task.done = True
            return
        request.result, request.error, request.done, task.done = result, error, True, True
        self._complete(request)
        if request in self._receives:
            self._receives.remove(request)

    def _assign_pump(self) -> None:
        """Rule 3: the pump is driven by the first client in line if that one blocks, else by the engine."""
        pump = self._pump
        assert pump is not None
        first = self._receives[0] if self._receives else next(iter(self._watchers), None)
        self._give(pump, first.owner if first is not None else None)

    def _drop_pump(self) -> None:
        pump, self._pump, self._pump_for = self._pump, None, None
        if pump is not None:
            self._unpark(pump)
            pump.done = True
            if pump.coroutine is not None:
                pump.coroutine.close()
