"""The relay: bytes between the program's socket and the layers.

Rule 1: each direction has at most one piece on its way. What cannot be passed on stops the reading of its side, so
        the sender's window fills, as it would without us; memory is bounded by two pieces a connection.

Rule 2: an end passes as an end (half-close), a reset as a reset, both ways. Our socket towards the program resets
        when it is closed (`stone.complete`), until both directions have come to their ends in order.

Rule 3: a connection gets at most `BURST` pieces in a row while others wait.
"""

import select
import socket
from collections.abc import Callable
from typing import Any, Final

from ws2spi._abi.errors import WinsockError
from ws2spi._engine.boundary import PIECE
from ws2spi._engine.connection import Connection
from ws2spi._engine.operations import Request
from ws2spi.redirect.stone import CLOSED, SO_LINGER_ORDERLY, state_of

BURST: Final = 16
_IDLE: Final = 60  # seconds until we ask whether the other end of a half-closed connection is still there
_TCP_KEEPIDLE: Final = socket.TCP_KEEPIDLE
_BROKEN: Final = select.EPOLLERR | select.EPOLLHUP
_UNWATCHED: Final = -1


class Relay:
    """Between `near`, our end of the connection with the program, and `far`, the layers' connection.

    `ended(relay)` is called once, when both are closed.
    """

    __slots__ = (
        "_burst",
        "_down_done",
        "_ended",
        "_engine",
        "_failed",
        "_far",
        "_finished",
        "_gone",
        "_mask",
        "_near",
        "_number",
        "_rest",
        "_sending",
        "_up_done",
    )

    def __init__(self, engine: Any, near: socket.socket, far: Connection, ended: Callable[["Relay"], object]) -> None:
        self._engine = engine
        self._near = near
        self._number = near.fileno()
        self._far = far
        self._ended = ended
        self._mask = _UNWATCHED
        self._sending = False  # a piece from the program is going through the layers
        self._rest: memoryview | None = None  # what the program's socket had no room for
        self._up_done = False  # the program has ended its direction, and the layers know
        self._down_done = False
        self._failed = False  # what the program sends can no longer be passed on
        self._gone = False  # the program has ended: nobody reads what still comes down
        self._finished = False
        self._burst = 0

    def start(self) -> None:
        self._watch()
        self._ask()

    def program_gone(self) -> None:
        """No process has the program's socket any more: deliver what it sent, drop what comes for it."""
        self._gone = True
        if self._rest is not None:
            self._rest = None
            self._watch()
            self._ask()
        self._finish_if_done()

    def abort(self) -> None:
        """End both sides now, with resets."""
        self._far.abort()
        self._close()

    # -- up: from the program to the layers ------------------------------------------------------------------------

    def _near_ready(self, events: int) -> None:
        if self._finished:
            return
        if self._rest is not None and events & (select.EPOLLOUT | _BROKEN):
            self._write_rest()
            if self._finished:
                return
        if self._sending or self._up_done:
            # The state is asked for, because events of one round can be those of a socket that had the number before.
            if events & select.EPOLLERR and state_of(self._near) == CLOSED:
                self._reset_by_program()
            elif events & select.EPOLLHUP:
                # Both directions are shut: no event can come that the next read would not find.
                self._mask = _UNWATCHED
                self._engine.unwatch(self._number)
        elif events & ~select.EPOLLOUT:
            self._read_near()

    def _read_near(self) -> None:
        try:
            data = self._near.recv(PIECE)
        except BlockingIOError:
            self._watch()
            return
        except OSError:
            self._reset_by_program()
            return
        self._sending = True
        if data:
            try:
                if self._far.begin_send(data, self._sent) is None:
                    self._passed()
                    return
            except WinsockError:
                self._sending = False
                self._up_failed()
                return
        else:
            self._up_done = True
            self._near.setsockopt(socket.IPPROTO_TCP, _TCP_KEEPIDLE, _IDLE)
            self._near.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self._far.submit_shutdown(socket.SHUT_WR, self._shut)
        if self._sending and not self._finished:
            self._watch()

    def _sent(self, request: Request) -> None:
        if self._finished:
            return
        if request.error is not None:
            self._sending = False
            self._up_failed()
        else:
            self._passed()

    def _passed(self) -> None:
        """A piece from the program is through the layers."""
        self._sending = False
        if self._mask == _UNWATCHED:
            self._engine.call_soon(self._near_ready, select.EPOLLIN)  # what is left is read by asking
        elif not self._mask & select.EPOLLIN:
            self._watch()

    def _shut(self, request: Request) -> None:
        if self._finished:
            return
        self._sending = False
        if request.error is not None:
            self._up_failed()
        else:
            self._finish_if_done()

    def _up_failed(self) -> None:
        self._up_done = self._failed = True
        if self._down_done or state_of(self._far.transport.sock) != CLOSED:
            self._reset_program()
        else:
            # The peer has reset the connection. What had arrived before is the program's, and then the reset.
            self._watch()

    # -- down: from the layers to the program ----------------------------------------------------------------------

    def _ask(self) -> None:
        if not self._finished and not self._down_done:
            self._far.submit_recv(PIECE, self._received)

    def _received(self, request: Request) -> None:
        if self._finished:
            return
        if request.error is not None:
            self._reset_program()
            return
        data = request.result
        if not data:
            if self._failed:
                self._reset_program()
            else:
                self._end_down()
            return
        if not self._gone:
            try:
                sent = self._near.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._reset_by_program()
                return
            if sent < len(data):
                self._rest = memoryview(data)[sent:]
                self._watch()
                return
        self._burst += 1
        if self._burst < BURST:
            self._far.submit_recv(PIECE, self._received)
        else:
            self._burst = 0
            self._engine.call_soon(self._ask)

    def _write_rest(self) -> None:
        rest = self._rest
        assert rest is not None
        try:
            sent = self._near.send(rest)
        except BlockingIOError:
            return
        except OSError:
            self._reset_by_program()
            return
        if sent < len(rest):
            self._rest = rest[sent:]
            return
        self._rest = None
        self._burst = 0
        self._watch()
        self._ask()

    def _end_down(self) -> None:
        self._down_done = True
        try:
            self._near.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the program has reset it; reading will say so
        self._finish_if_done()

    # -- ends ------------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        mask = 0 if self._sending or self._up_done else select.EPOLLIN
        if self._rest is not None:
            mask |= select.EPOLLOUT
        if mask != self._mask:
            self._mask = mask
            self._engine.watch(self._number, mask, self._near_ready)

    def _finish_if_done(self) -> None:
        if self._up_done and not self._sending and (self._down_done or self._gone) and not self._finished:
            try:
                self._near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, SO_LINGER_ORDERLY)
            except OSError:
                pass
            self._far.close(lambda _: self._ended(self))
            self._close(tell=False)

    def _reset_by_program(self) -> None:
        """The program's side is gone without an end."""
        self._far.abort()
        self._close()

    def _reset_program(self) -> None:
        """The other side is gone without an end."""
        if not self._finished:
            self._far.abort()
            self._close()

    def _close(self, tell: bool = True) -> None:
        if self._finished:
            return
        self._finished = True
        self._rest = None
        self._engine.unwatch(self._number)
        self._near.close()
        if tell:
            self._ended(self)
