"""Calls of the program that wait: blocking connects whose outcome is not known yet.

A thread whose notification we have received sleeps so deeply that only a fatal signal wakes it. So we look for signals
in its place and answer as connect(2) would have: -ERESTARTSYS, which the kernel turns into EINTR or into the same call
again, as the handler's SA_RESTART says; EINTR when the socket has SO_SNDTIMEO; EINPROGRESS when that time is over
(EALREADY for a call that joined an attempt under way).

Questions wait as well where the program's socket cannot be kept from looking connected (`door`): calls that never wait
without us. No program is prepared for an EINTR from them; so a handler runs and the same call comes again, unless the
signal is one by which a user ends a program, whose handler may be waiting for the call to return.
"""

import errno
import signal
import socket
import struct
from collections.abc import Callable
from typing import Any, Final

from ws2spi.redirect.process import waiting_signals

ERESTARTSYS: Final = 512  # linux/errno.h; never seen by a program
ERESTARTNOINTR: Final = 513  # again, whatever the handler's SA_RESTART says
PERIOD: Final = 0.1  # seconds between two looks for signals
_SHARE: Final = 10  # looking may take at most a tenth of the time, however many calls are held

_LEAVING: Final = sum(1 << number - 1 for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM))
_TIMEVAL: Final = struct.Struct("@ll")


class Held:
    """One call that waits. `leave(held, error)` is called when it must be answered before the outcome is known."""

    __slots__ = ("id", "interrupted", "leave", "question", "tid", "timer")

    def __init__(self, id_: int, tid: int, leave: Callable[["Held", int], object], question: bool = False) -> None:
        self.id = id_
        self.tid = tid
        self.leave = leave
        self.interrupted = ERESTARTSYS
        self.question = question
        self.timer: Any = None

    def answer_to(self, signals: int) -> int:
        """With what the call is left for the `signals` that wait (bit number - 1 for each)."""
        return ERESTARTNOINTR if self.question and not signals & _LEAVING else self.interrupted


class HeldCalls:
    """All calls that wait, and the one timer that looks for their signals."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._calls: dict[int, Held] = {}  # {notification id: call}
        self._looking = False

    def __len__(self) -> int:
        return len(self._calls)

    def hold(self, held: Held, sock: socket.socket, again: bool) -> None:
        """Watch over a call on `sock`.

        Parameters:
            again: the call joins an attempt that an earlier one began.
        """
        seconds = send_timeout(sock)
        if seconds:
            held.interrupted = errno.EINTR
        self.watch(held, seconds, errno.EALREADY if again else errno.EINPROGRESS)

    def watch(self, held: Held, seconds: float, late: int) -> None:
        """Watch over a call; after `seconds` (0: never) it is left with the errno `late`."""
        if seconds:
            held.timer = self._engine.call_later(seconds, self._leave, held, late)
        self._calls[held.id] = held
        if not self._looking:
            self._looking = True
            self._engine.call_later(PERIOD, self._look)

    def release(self, held: Held) -> None:
        """The call is being answered."""
        self._calls.pop(held.id, None)
        if held.timer is not None:
            held.timer.cancel()

    def _look(self) -> None:
        began = self._engine.now()
        for held in list(self._calls.values()):
            if held.id in self._calls and (signals := waiting_signals(held.tid)):
                self._leave(held, held.answer_to(signals))
        if self._calls:
            self._engine.call_later(max(PERIOD, _SHARE * (self._engine.now() - began)), self._look)
        else:
            self._looking = False

    def _leave(self, held: Held, error: int) -> None:
        if held.id in self._calls:
            self.release(held)
            held.leave(held, error)


def send_timeout(sock: socket.socket) -> float:
    """SO_SNDTIMEO in seconds, 0 for none."""
    seconds, micro = _TIMEVAL.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIMEVAL.size))
    return float(seconds + micro / 1e6)
