"""What a coroutine under the engine may wait for, and the requests that clients hold.

A layer's coroutine reaches an operation through `await`. The operation tries at once; if it would block it yields a
`Want` to whoever drives it and tries again when it is resumed. So a `Want` is a hint, never a promise: every operation
looks again, and being resumed too early is harmless.
"""

import enum
import types
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any

from ws2spi._abi.errors import WinsockError
from ws2spi._engine.interrupts import had_not_begun, struck_frames

if TYPE_CHECKING:
    from ws2spi._engine.driving import Driving
    from ws2spi._executive.threads import Thread


class Cancelled(BaseException):
    """Thrown into a layer's coroutine when its connection is closed; again at every further await until it has ended.

    A BaseException, so that a layer that retries on `Exception` does not swallow the end of its own connection.
    """


class Kind(enum.IntEnum):
    READ = 1  # the source's descriptor shows input (or an end, or an error)
    WRITE = 2  # the source's descriptor takes output
    TIME = 3  # seconds from now, in the engine's clock
    EVENT = 4  # an `Event` of the same connection


class Want:
    """What a parked coroutine waits for: a kind, and the transport, event or number of seconds it concerns."""

    __slots__ = ("kind", "source")

    def __init__(self, kind: Kind, source: Any) -> None:
        self.kind = kind
        self.source = source

    def __repr__(self) -> str:
        return f"<Want {self.kind.name} {self.source!r}>"


class Pause(Want):
    """Some seconds; whoever drives sets `deadline` at the first park and `over` when that moment has come."""

    __slots__ = ("deadline", "over")

    def __init__(self, seconds: float) -> None:
        super().__init__(Kind.TIME, seconds)
        self.deadline: float | None = None
        self.over = False


Driven = Generator[Want, None, Any]


@types.coroutine
def park(want: Want) -> Generator[Want, None, None]:
    """Hand `want` to whoever drives this coroutine; look again when it comes back."""
    yield want


@types.coroutine
def sleep(seconds: float) -> Generator[Want, None, None]:
    """Wait for `seconds` of the engine's clock without holding anything but this direction of the connection."""
    if seconds > 0:
        pause = Pause(seconds)
        while not pause.over:
            yield pause


class Event:
    """Lets one direction of a connection wait for the other: `await event.wait()` here, `event.set()` there.

    May be set from anywhere; waiters are resumed in the connection's mailbox, in the order in which they came.
    """

    __slots__ = ("_connection", "_is_set", "_waiters", "_want")

    def __init__(self, connection: "Driving") -> None:
        self._connection = connection
        self._is_set = False
        self._waiters: deque[Task] = deque()
        self._want = Want(Kind.EVENT, self)

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        if self._waiters:
            self._connection.mailbox.post(self._resume)

    def clear(self) -> None:
        self._is_set = False

    @types.coroutine
    def wait(self) -> Generator[Want, None, None]:
        while not self._is_set:
            yield self._want

    def park(self, task: "Task") -> None:
        """Called in the mailbox when `task` has yielded this event's want."""
        self._waiters.append(task)
        if self._is_set:  # set by another thread between the task's look and this line
            self._connection.mailbox.post(self._resume)

    def _resume(self) -> None:
        # Those that come meanwhile wait for the next time. One by one: an interrupt must not take the rest along.
        try:
            for _ in range(len(self._waiters)):
                task = self._waiters.popleft()
                if task.want is self._want:
                    task.connection.step(task)
        except BaseException:
            self._connection.mailbox.steps.append((self._resume, ()))
            raise

    def __repr__(self) -> str:
        return f"<Event {'set' if self._is_set else 'unset'} waiters={len(self._waiters)}>"


class Turn:
    """One at a time, first come first served, among coroutines of one connection.

    Needs no lock: it is only touched in the connection's mailbox. Hot paths spell `leave` out: with nobody `waiting`,
    `taken = False` is all there is to do.
    """

    __slots__ = ("taken", "waiting")

    def __init__(self) -> None:
        self.taken = False
        self.waiting: deque[Event] | None = None

    async def join(self, connection: "Driving") -> None:
        """Wait until the turn is ours. The quick way, when `taken` is False, is to set it without calling this."""
        if self.waiting is None:
            self.waiting = deque()
        event = Event(connection)
        self.waiting.append(event)
        try:
            await event.wait()
        except BaseException:
            # The turn may have been handed to us in the same moment; it must not die with us.
            if event.is_set():
                self.leave()
            else:
                self.waiting.remove(event)
            raise

    def leave(self) -> None:
        """Give the turn to the next in line, or to nobody."""
        if self.waiting:
            self.waiting.popleft().set()  # `taken` stays True: it passes from hand to hand
        else:
            self.taken = False

    def free_turn(self) -> None:
        """After an interrupt: the coroutine that was torn may not have come to its `finally`.

        A jump back to the head of a `try` is outside of it.
        """
        if not self.waiting:
            self.taken = False


Done = Callable[["Request"], object]


def is_suspended(coroutine: Any) -> bool:
    """Whether `coroutine`, or a generator in its place, has not come to its end."""
    if coroutine is None:
        return False
    frame = coroutine.gi_frame if isinstance(coroutine, types.GeneratorType) else coroutine.cr_frame
    return frame is not None


class Request:
    """What a client asked of a connection and has not been told yet.

    `done` is set last: whoever sees it may read `result` and `error`. `owner` is the thread that blocks for it, if any;
    `callback` is called once, outside the mailbox.
    """

    __slots__ = ("callback", "done", "error", "owner", "result", "tag")

    def __init__(self, owner: "Thread | None" = None, callback: Done | None = None) -> None:
        self.owner = owner
        self.callback = callback
        self.done = False
        self.result: Any = None
        self.error: WinsockError | None = None
        self.tag: Any = None  # the client's own mark, not looked at here

    def announce(self) -> None:
        """Call back, once."""
        callback, self.callback = self.callback, None
        if callback is not None:
            try:
                callback(self)
            except BaseException as error:
                torn = struck_frames(error, Request.announce.__code__)
                if len(torn) == 1 and had_not_begun(*torn[0]):
                    self.callback = callback
                raise

    def mend(self, step: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        """See `Mailbox`, rule 4: the only step of a request is its announcement."""
        self.announce()

    def value(self) -> Any:
        """The result of a finished request; raises its error."""
        if self.error is not None:
            raise self.error
        return self.result

    def __repr__(self) -> str:
        state = "pending" if not self.done else f"failed {self.error}" if self.error else "done"
        return f"<{type(self).__name__} {state}>"


class Receive(Request):
    """A receive waiting for its turn at the inbox. `size` 0 waits for readability and takes nothing.

    `least`: it is content with no fewer bytes of a stream, unless that ends or fails; they gather in the inbox, so that
    who gives it up loses none.
    """

    __slots__ = ("least", "peek", "size")

    def __init__(
        self, size: int, owner: "Thread | None" = None, callback: Done | None = None, peek: bool = False
    ) -> None:
        super().__init__(owner, callback)
        self.size = size
        self.peek = peek
        self.least = 0


class Role(enum.Enum):
    PUMP = "recv"  # the one receive (or accept) of the top layer that is in flight
    SEND = "send"  # holds or awaits the send turn
    CONNECT = "connect"  # the send turn, and no pump until it has ended
    CONTROL = "control"  # no turn
    CLOSE = "close"  # the layers' last words


class Task:
    """A coroutine being driven: by the thread that owns it, or by the engine when `owner` is None.

    `request` is the client's, and None once the client has left. `generation` counts parks, so that a timer or a ready
    descriptor that comes late finds out that it is not meant.
    """

    __slots__ = (
        "accepted",
        "connection",
        "coroutine",
        "deadline",
        "done",
        "ended",
        "error",
        "factory",
        "generation",
        "owner",
        "request",
        "result",
        "role",
        "struck",
        "timer",
        "want",
    )

    def __init__(
        self, connection: "Driving", role: Role, factory: Callable[[], Any] | None, request: Request | None = None
    ) -> None:
        self.connection = connection
        self.role = role
        self.factory = factory
        self.request = request
        self.owner = request.owner if request is not None else None
        self.coroutine: Coroutine[Want, None, Any] | None = None
        self.want: Want | None = None
        self.deadline = 0.0
        self.timer: Any = None  # of the engine, while it waits for a moment
        self.generation = 0
        self.accepted = False  # its bytes were reported as sent: a close must still deliver them
        self.done = False
        # What its coroutine came to, before anybody has heard of it.
        self.ended = False
        self.result: Any = None
        self.error: WinsockError | None = None
        self.struck: BaseException | None = None  # the interrupt that tore it

    def is_suspended(self) -> bool:
        """Whether there is a coroutine that can be resumed."""
        return is_suspended(self.coroutine)

    def __repr__(self) -> str:
        state = "done" if self.done else "queued" if self.coroutine is None else f"parked {self.want}"
        return f"<Task {self.role.value} {state}>"
