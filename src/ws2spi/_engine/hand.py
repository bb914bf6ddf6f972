"""What a receive has taken, while its client has not been told.

From the end of a receive to the return of the function that the client has called, bytes are in nobody's place: an
interrupt (`interrupts.py`) that strikes there reaches the client instead of their number. So whoever takes them says
who takes them back, in the same breath, and the outermost frame of the call gives them back.

For receives that tell their end by their return. One that overlaps tells it by its OVERLAPPED.
"""

import os
import threading
from _thread import get_ident
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from ws2spi._engine.interrupts import came_from_outside

_Body = TypeVar("_Body", bound=Callable[..., Any])


class Owner(Protocol):
    """Who takes back what was taken from it."""

    def put_back(self, held: list[Any]) -> None:
        """What is in `held` comes first again, and leaves the list in the same breath."""
        ...


class Hand:
    """What the innermost call of the main thread has taken; no other thread runs signal handlers.

    Attributes:
        number: the socket that the client asked, -1: nobody would give anything back. What is taken from other sockets
            on the way is not the client's.
        owner, held: from whom, and what; to be stored in one line, next to the one that has taken it.
    """

    __slots__ = ("held", "main", "number", "owner")

    def __init__(self) -> None:
        self.number = -1
        self.owner: Owner | None = None
        self.held: list[Any] = []
        self.main = threading.main_thread().ident

    def takes_from(self, number: int) -> bool:
        """Whether what is taken from socket `number` now is to be stored here. To be asked before it is taken."""
        return self.number == number and get_ident() == self.main


hand = Hand()
os.register_at_fork(after_in_child=hand.__init__)  # type: ignore[misc]


def receives(body: _Body) -> _Body:
    """Decorator: `body` is a function of an exact face that receives, and is to be called under `guarded`."""
    body.guard = guarded  # type: ignore[attr-defined]
    return body


def guarded(call: Callable[..., Any]) -> Callable[..., Any]:
    """`call`, the outermost frame of a call of a client: what an interrupt keeps from the client is given back."""

    def receiving(*arguments: Any, **named: Any) -> Any:
        if get_ident() != hand.main:
            return call(*arguments, **named)
        outer = hand.number, hand.owner, hand.held  # of a call that a signal handler has interrupted to make this one
        try:
            hand.number, hand.owner = -1, None
            result = call(*arguments, **named)
            hand.number, hand.owner, hand.held = outer
            return result
        except BaseException as error:
            owner, held = hand.owner, hand.held
            hand.number, hand.owner, hand.held = outer
            if owner is not None and came_from_outside(error):
                owner.put_back(held)
            raise

    return receiving


def receiving_from(number: int) -> None:
    """For the function that the client has called: what is taken from this socket is taken for its client."""
    if get_ident() == hand.main:
        hand.number = number
