"""Driving: how coroutines of one connection are resumed, parked, and handed from one driver to another.

A parked coroutine belongs to its connection, not to who drives it. The blocked thread that owns it drives it from its
own poll; when that thread leaves, the next blocked client takes it over, or the engine.
"""

import select
from _thread import get_ident
from collections import deque
from collections.abc import Callable
from types import CodeType
from typing import Any, Protocol

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.interrupts import came_from_outside, raised_by_handler
from ws2spi._engine.mailbox import Mailbox
from ws2spi._engine.operations import Cancelled, Kind, Pause, Request, Task, Want
from ws2spi._engine.transport import EVERYTHING, SocketTransport
from ws2spi._executive import threads
from ws2spi._executive.threads import Thread

# Errors after which a stream is over in both directions, so that later calls get the same answer (the kernel tells
# once).
FATAL = frozenset({WSAError.WSAECONNRESET, WSAError.WSAECONNABORTED, WSAError.WSAETIMEDOUT, WSAError.WSAENETRESET})


class EngineShape(Protocol):
    """What a connection asks of the place that parks its coroutines: epoll's thread, or a fake with its own clock."""

    def now(self) -> float: ...
    def arm(self, transport: Any, events: int) -> None: ...
    def disarm(self, transport: Any) -> None: ...
    def at(self, moment: float, call: Callable[..., object], *arguments: Any) -> object: ...
    def serves_here(self) -> bool:
        """Whether the calling thread is the one that serves all connections."""
        ...

    def block(self, connection: Any, request: Request, timeout: float | None, alertable: bool = True) -> None: ...


class Observer:
    """Who wants to hear once when a connection may show what it does not show now (`observing`).

    `tell()` is called in the connection's mailbox; `interest` is then 0 until the observer asks anew.
    """

    __slots__ = ("interest", "tell")

    def __init__(self, tell: Callable[[], object]) -> None:
        self.interest = 0
        self.tell = tell


def would_block() -> WinsockError:
    return WinsockError(WSAError.WSAEWOULDBLOCK)


def aborted() -> WinsockError:
    return WinsockError(WSAError.WSA_OPERATION_ABORTED, "the socket was closed")


def afresh(error: WinsockError) -> WinsockError:
    """A copy of a kept error to be raised: one object raised again and again strings all its tracebacks together."""
    return WinsockError(error.code, error.detail, errno=error.errno)


class Driving:
    """The part of a connection that moves its coroutines along. State as in `Connection`."""

    engine: EngineShape
    transport: SocketTransport
    mailbox: Mailbox
    closing: bool
    _pump: Task | None
    _sends: deque[Task]
    _controls: list[Task]
    _observers: list[Observer]

    def _finish(self, task: Task, result: Any, error: WinsockError | None) -> None:
        """In the mailbox: `task` has ended; tell its client and let the next in line begin."""
        raise NotImplementedError

    def withdraw(self, request: Request, code: int) -> None:
        """In the mailbox: remove `request` and leave what it had begun."""
        raise NotImplementedError

    def layer_failed(self, name: str, method: str, error: BaseException) -> WinsockError:
        raise NotImplementedError

    # What one part of a connection asks of another.
    layer_interrupted: Callable[[str, BaseException | None], WinsockError]
    _is_whole: Callable[[BaseException, CodeType, bool], bool]
    _is_raw: Callable[[str], bool]
    _fail_closed: Callable[[str, str], WinsockError]
    _go_on_ending: Callable[[], None]
    _reconcile: Callable[[], None]
    _begin: Callable[[Task], None]
    _begin_next: Callable[[], None]
    _feed: Callable[[], None]
    _receive_left: Callable[..., None]
    _send_left: Callable[..., None]

    def step(self, task: Task, throw: BaseException | None = None) -> None:
        """In the mailbox: resume `task` until it parks or ends."""
        if task.done:
            return
        coroutine = task.coroutine
        assert coroutine is not None
        self._unpark(task)
        try:
            want = coroutine.send(None) if throw is None else coroutine.throw(throw)
        except StopIteration as stop:
            task.result = stop.value
            task.ended = True  # from here on an interrupt finds the result with the task (`mend`)
        except BaseException as error:
            task.struck = error
            if not task.is_suspended():  # else it was struck between its park and us
                self._classify(task, error)
            if not task.ended:
                raise
        else:
            self._parked(task, want)
            return
        self._finish(task, task.result, task.error)

    def _classify(self, task: Task, error: BaseException) -> None:
        """`error` ended the coroutine of `task`: is that its outcome? Not if it came from outside."""
        if raised_by_handler(error):
            return
        if isinstance(error, WinsockError):
            task.error = error
        elif isinstance(error, Cancelled):
            task.error = aborted()
        elif isinstance(error, Exception) or (
            # A layer's SystemExit or foreign CancelledError must not end the thread that serves everybody.
            self.engine.serves_here() and not isinstance(error, KeyboardInterrupt)
        ):
            task.error = self.layer_failed("?", task.role.value, error)
        else:
            return
        task.struck = None
        task.ended = True

    def resume(self, task: Task, want: Want) -> None:
        """In the mailbox: what `task` waited for may have come. Ignored if it waits for something else by now."""
        if task.want is want:
            self.step(task)

    def _parked(self, task: Task, want: Want) -> None:
        task.want = want
        task.generation += 1
        if want.kind is Kind.TIME:
            task.deadline = self.engine.now() + want.source
            if type(want) is Pause:
                if want.deadline is None:
                    want.deadline = task.deadline
                task.deadline = want.deadline
        elif want.kind is Kind.EVENT:
            want.source.park(task)
        if task.owner is None:
            self._park_on_engine(task, want)
        elif task.owner.ident != get_ident():
            task.owner.wake()

    def _park_on_engine(self, task: Task, want: Want) -> None:
        if want.kind is Kind.READ:
            want.source.reader = task
            self._arm(want.source)
        elif want.kind is Kind.WRITE:
            want.source.writer = task
            self._arm(want.source)
        elif want.kind is Kind.TIME:
            task.timer = self.engine.at(task.deadline, self.mailbox.post, self._due, task, task.generation)

    def _unpark(self, task: Task) -> None:
        """Forget where `task` waits. An armed descriptor may still fire; it will find nobody."""
        want, task.want = task.want, None
        if type(want) is Pause and want.deadline is not None and self.engine.now() >= want.deadline:
            want.over = True
        if task.timer is not None:
            task.timer.cancel()
            task.timer = None
        if want is not None and task.owner is None:
            transport = want.source
            if want.kind is Kind.READ and transport.reader is task:
                transport.reader = None
            elif want.kind is Kind.WRITE and transport.writer is task:
                transport.writer = None

    def _give(self, task: Task, owner: Thread | None) -> None:
        """Change who drives a parked task."""
        if task.owner is owner:
            return
        want = task.want
        self._unpark(task)
        task.owner = owner
        task.want = want
        task.generation += 1
        if want is None:
            return
        if owner is None:
            self._park_on_engine(task, want)
        elif owner.ident != get_ident():
            owner.wake()

    def _due(self, task: Task, generation: int) -> None:
        if task.generation == generation and task.owner is None and task.want is not None:
            self.step(task)

    def ready(self, transport: SocketTransport, events: int) -> None:
        """In the mailbox, posted by the engine: epoll showed `events` and has let go of the descriptor."""
        transport.armed = 0
        if transport.closed:
            return
        reader, writer = transport.reader, transport.writer
        if reader is not None and events & ~select.EPOLLOUT:
            reader.connection.step(reader)
        if writer is not None and events & ~(select.EPOLLIN | select.EPOLLRDHUP) and not transport.closed:
            writer.connection.step(writer)
        if transport.watched:
            transport.watched = 0
            self._tell(EVERYTHING)
        self._arm(transport)

    def _arm(self, transport: SocketTransport) -> None:
        events = 0
        if transport.reader is not None:
            events = select.EPOLLIN | select.EPOLLRDHUP
        if transport.writer is not None:
            events |= select.EPOLLOUT
        events |= transport.watched
        if events & ~transport.armed and not transport.closed:
            self.engine.arm(transport, events)
            transport.armed = events  # afterwards: an interrupt may have kept the engine from it

    def changed(self, bits: int) -> None:
        """In the mailbox: one of `bits` may be shown from now on. Observers look when the running step is over."""
        if self._observers:
            self.mailbox.steps.append((self._tell, (bits,)))

    def _tell(self, bits: int) -> None:
        for observer in tuple(self._observers):
            if observer.interest & bits:
                observer.interest = 0
                observer.tell()
                if not observer.interest and observer in self._observers:
                    # It may ask anew; a wait that an interrupt ended will not, and must not stay here.
                    self._observers.remove(observer)

    def driven_for(self, request: Request) -> Task | None:
        """The task that a thread blocked for `request` may have to drive; a hint, taken outside the mailbox."""
        head = tuple(self._sends)[:1]
        for task in (*head, *self._controls):
            if task.request is request:
                return task
        # What stands before us may be owned by an outer wait of this thread, which a signal handler interrupted.
        owned = (task for task in (self._pump, *head) if task is not None and task.owner is request.owner)
        return next(owned, None)

    def entrust(self, thread: Thread, request: Request) -> None:
        """In the mailbox: the engine drives what outer waits of `thread` have driven, while a nested one lasts."""
        for task in (*self._sends, *self._controls):
            if task.owner is thread and task.request is not request:
                self._give(task, None)

    def _complete(self, request: Request) -> None:
        """Results are in `request`; say so. Callbacks run when the mailbox is free. Twice is as good as once."""
        request.done = True
        if request.owner is not None:
            if request.owner.ident != get_ident():
                request.owner.wake()
        elif request.callback is not None:
            self.mailbox.later(request.announce)

    def _refuse_reentry(self) -> None:
        if self.mailbox.held_by_me():
            raise WinsockError(WSAError.WSAEINPROGRESS, "a blocking call from inside the connection's own layer")

    def _inside(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Run `call` in the mailbox and return what it gives: at once if it is free, else after who is there."""
        mailbox = self.mailbox
        if not mailbox.steps and not mailbox.occupant:
            me = get_ident()
            try:
                if mailbox.occupant.setdefault(0, me) is me:
                    return call(*arguments)
            except BaseException as error:
                if type(error) is not WinsockError and came_from_outside(error):
                    mailbox.steps.append((self._reconcile, ()))
                raise
            finally:
                try:  # without a call, see Mailbox
                    if mailbox.occupant[0] is me:
                        del mailbox.occupant[0]
                except KeyError:
                    pass
                if mailbox.steps or mailbox.announcements:
                    mailbox.drain()
        self._refuse_reentry()
        request = Request(threads.current())
        mailbox.post(self._answer_inside, request, call, arguments)
        self.engine.block(self, request, None, alertable=False)
        return request.value()

    def _answer_inside(self, request: Request, call: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        try:
            request.result = call(*arguments)
        except WinsockError as error:
            request.error = error
        except OSError as error:
            request.error = WinsockError(WSAError.WSASYSCALLFAILURE, str(error), errno=error.errno)
        self._complete(request)
