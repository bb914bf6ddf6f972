"""A mailbox: who finds it free runs what is in it; who finds it taken leaves the step there.

Rule 1: steps run one at a time, in the order in which they were posted, on whichever thread found the mailbox free.
Rule 2: nobody waits for it. Posting is safe from a signal handler or `__del__` that strikes inside a step of the same
        thread, because every change of state is one C call (`deque.append`, `popleft`, `dict.setdefault`).
Rule 3: what must not run inside (callbacks of clients) is handed to `later` and runs after the mailbox is free, one at
        a time and in order.
Rule 4: a step that an interrupt tears (`interrupts.py`) is followed at once by `mend(step, arguments)` of the object
        whose method it is, if that has one.
"""

from _thread import get_ident
from collections import deque
from collections.abc import Callable
from typing import Any

from ws2spi._engine.interrupts import came_from_outside, had_not_begun, struck_frames

Step = tuple[Callable[..., object], tuple[Any, ...]]


class Mailbox:
    """See the module's text.

    `occupant` says who is inside: empty, or {0: an int that `get_ident()` made for this visit}. Entering is one call,
    `occupant.setdefault(0, me) is me`, inside the `try` whose `finally` leaves: an interrupt that raises right after
    the call finds in the dict, and not in a variable, that we have entered. (A lock that was taken just before a `try`,
    or just before its result was stored, would stay taken: 332 of 11,033 signals whose handler raised hit that place.)
    """

    __slots__ = ("_announcer", "announcements", "occupant", "steps")

    def __init__(self) -> None:
        self.occupant: dict[int, int] = {}
        self.steps: deque[Step] = deque()
        self._announcer: dict[int, int] = {}
        self.announcements: deque[Step] = deque()

    def post(self, step: Callable[..., object], *arguments: Any) -> None:
        """Run `step(*arguments)` inside: now, if nobody is there, else as soon as whoever is there gets to it."""
        self.steps.append((step, arguments))
        self.drain()

    def leave(self, step: Callable[..., object], *arguments: Any) -> None:
        """From inside: run `step(*arguments)` inside, after this step and what was posted before."""
        self.steps.append((step, arguments))

    def later(self, step: Callable[..., object], *arguments: Any) -> None:
        """From inside: run `step(*arguments)` once the mailbox is free."""
        self.announcements.append((step, arguments))

    def drain(self) -> None:
        """Run what is there. To be called after every visit, unless nothing is there."""
        try:
            _run(self.steps, self.occupant)
            if self.announcements:
                _run(self.announcements, self._announcer)
        except BaseException:
            # Ctrl-C leaves through whoever is inside; what others have left here must not wait for the next visitor.
            self.drain()
            raise

    def is_taken(self) -> bool:
        """Whether anybody is inside."""
        return bool(self.occupant)

    def held_by_me(self) -> bool:
        """Whether this very thread is inside, further up its stack."""
        return self.occupant.get(0) == get_ident()


class Lodging(Mailbox):
    """Of a connection that lives in another one's mailbox until it has one of its own.

    The two are one mailbox. What is posted here goes on to the new one if it comes to its turn after the move, so that
    no step of the connection runs in the old mailbox beside those in the new.
    """

    __slots__ = ("_moved_to",)

    def __init__(self, house: Mailbox) -> None:
        self.occupant = house.occupant
        self.steps = house.steps
        self._announcer = house._announcer
        self.announcements = house.announcements
        self._moved_to: Mailbox | None = None

    def post(self, step: Callable[..., object], *arguments: Any) -> None:
        self.steps.append((self._in_turn, (step, arguments)))
        self.drain()

    def leave(self, step: Callable[..., object], *arguments: Any) -> None:
        self.steps.append((self._in_turn, (step, arguments)))

    def move_out(self) -> Mailbox:
        """From inside: return the mailbox that takes this one's place from now on."""
        self._moved_to = Mailbox()
        return self._moved_to

    def _in_turn(self, step: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        if self._moved_to is None:
            step(*arguments)
        else:
            self._moved_to.post(step, *arguments)


def _run(queue: "deque[Step]", occupant: dict[int, int]) -> None:
    """Run what is in `queue`, unless somebody else does."""
    # A step posted after the inner loop saw the queue empty and before we left finds us inside; the outer test, after
    # leaving, picks it up.
    step: Callable[..., object] | None = None
    arguments: tuple[Any, ...] = ()
    while queue:
        me = get_ident()
        try:
            if occupant.setdefault(0, me) is not me:
                return
            while queue:
                step, arguments = queue[0]
                del queue[0]
                step(*arguments)
                step = None
        except BaseException as error:
            if step is not None and came_from_outside(error):
                _put_back(queue, step, arguments, error)
            raise
        finally:
            # Without a call: interrupts strike after calls, and this must not be left out.
            try:
                if occupant[0] is me:
                    del occupant[0]
            except KeyError:
                pass


def _put_back(queue: "deque[Step]", step: Callable[..., Any], arguments: tuple[Any, ...], error: BaseException) -> None:
    """`error` tore `step`: it comes again if it had not begun, else whoever knows puts right what it left."""
    owner = getattr(step, "__self__", None)
    if isinstance(owner, Lodging):
        inner, _ = arguments
        mend = getattr(getattr(inner, "__self__", None), "mend", None)
        if mend is not None:
            queue.appendleft((step, (mend, arguments)))
            return
    mend = getattr(owner, "mend", None)
    if mend is not None:
        queue.appendleft((mend, (step, arguments)))
        return
    torn = struck_frames(error, _run.__code__)
    if len(torn) == 1 and had_not_begun(*torn[0]):
        queue.appendleft((step, arguments))
