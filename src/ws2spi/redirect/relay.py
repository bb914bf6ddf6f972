"""The relay: bytes between the program's socket and the layers.

A relay is two coroutines in the mailbox of the layers' connection, one for each direction. Each reads a piece, passes
it on, and reads the next when that is done: so what cannot be passed on stops the reading of its side, the sender's
window fills as it would without us, and memory is bounded by two pieces. Measured beside requests and callbacks for
each piece: half as much again of a stream, a sixth off a round trip.

Rule 1: an end passes as an end (half-close), a reset as a reset, both ways. Our socket towards the program resets when
        it is closed (`stone.complete`), until both directions have come to their ends in order.
Rule 2: a direction lets others have a turn after `BURST` pieces.
"""

import enum
import os
import select
import socket
import types
from collections.abc import Callable, Generator
from typing import Any, Final

from ws2spi._abi.errors import WinsockError
from ws2spi._engine.boundary import PIECE
from ws2spi._engine.connection import Connection
from ws2spi._engine.operations import Kind, Request, Want
from ws2spi.redirect.stone import CLOSED, SO_LINGER_ORDERLY, state_of
from ws2spi.redirect.transports import StreamTransport

BURST: Final = 16
LARGE: Final = 1 << 18  # bytes read at once where no layer wants them in pieces of its own
_IDLE: Final = 60  # seconds until we ask whether the other end of a half-closed connection is still there
_TURN: Final = Want(Kind.TIME, 0.0)


class End(enum.Enum):
    """How a direction came to its end."""

    ORDERLY = enum.auto()
    NEAR = enum.auto()  # the program's socket failed: reset, or nobody there
    FAR = enum.auto()  # the layers or the network failed


class Relay:
    """Between `near`, our end of the connection with the program, and `far`, the layers' connection.

    `ended(relay)` is called once, when both are closed.
    """

    __slots__ = ("_down", "_ended", "_engine", "_far", "_finished", "_gone", "_guard", "_near", "_up")

    def __init__(self, engine: Any, near: socket.socket, far: Connection, ended: Callable[["Relay"], object]) -> None:
        self._engine = engine
        self._near = StreamTransport(near)
        self._near.connection = far  # whose mailbox its operations run in
        self._far = far
        self._ended = ended
        self._up: End | None = None
        self._down: End | None = None
        self._gone = False  # the program has ended: nobody reads what still comes down
        self._finished = False
        self._guard = -1

    def start(self) -> None:
        self._far.submit_work(self._pass_up(), self._up_ended)
        self._far.submit_work(self._pass_down(), self._down_ended)

    def program_gone(self) -> None:
        """No process has the program's socket any more: deliver what it sent, drop what comes for it."""
        self._gone = True
        self._finish_if_done()

    def abort(self) -> None:
        """End both sides now, with resets."""
        if not self._finished:
            self._finished = True
            self._far.abort()
            self._close_near()
            self._ended(self)

    # -- the two directions ----------------------------------------------------------------------------------------

    async def _pass_up(self) -> End:
        near, far = self._near, self._far
        send, recv = far.path(-1, "send"), near.recv
        size = LARGE if far.raw_send else PIECE
        pieces = 0
        while True:
            try:
                data = await recv(size)
            except WinsockError:
                return End.NEAR
            try:
                if not data:
                    await far.path(-1, "shutdown")(socket.SHUT_WR)
                    return End.ORDERLY
                await self._guarded(send(data))
            except WinsockError:
                return End.FAR
            pieces = pieces + 1 if len(data) == size else 0  # a short piece is the last for now: the next read waits
            if pieces == BURST:
                pieces = 0
                await _let_others()

    async def _pass_down(self) -> End:
        near, far = self._near, self._far
        send, recv = near.send, far.path(-1, "recv")
        pieces = 0
        while True:
            try:
                data = await recv(LARGE)
            except WinsockError:
                return End.FAR
            if not data:
                break
            if not self._gone:
                try:
                    await send(data)
                except WinsockError:
                    return End.NEAR
            # A layer may give any number of short ones out of one long one.
            pieces = pieces + 1 if len(data) == LARGE or not far.raw_recv else 0
            if pieces == BURST:
                pieces = 0
                await _let_others()
        if self._up is not End.FAR:
            try:
                near.sock.shutdown(socket.SHUT_WR)
            except OSError:
                return End.NEAR
        return End.ORDERLY

    @types.coroutine
    def _guarded(self, sending: Any) -> Generator[Want, None, None]:
        """Pass a piece to the layers; while they keep it, nobody reads the program's side, so watch it for a reset."""
        try:
            want = sending.send(None)
        except StopIteration:
            return
        self._watch_for_reset()
        while True:
            try:
                try:
                    yield want
                except BaseException as error:
                    want = sending.throw(error)
                else:
                    want = sending.send(None)
            except StopIteration:
                return

    # -- ends ------------------------------------------------------------------------------------------------------

    def _up_ended(self, request: Request) -> None:
        if self._finished:
            return
        self._up = End.FAR if request.error is not None else request.result
        if self._up is End.NEAR:
            self.abort()
        elif self._up is End.FAR:
            # If the peer has reset the connection, what had arrived before is the program's, and then the reset.
            if self._down is not None or state_of(self._far.transport.sock) != CLOSED:
                self.abort()
        else:
            near = self._near.sock
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _IDLE)
            near.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self._finish_if_done()

    def _down_ended(self, request: Request) -> None:
        if self._finished:
            return
        self._down = End.FAR if request.error is not None else request.result
        if self._down is not End.ORDERLY or self._up is End.FAR:
            self.abort()
        else:
            self._finish_if_done()

    def _finish_if_done(self) -> None:
        if self._finished or self._up is not End.ORDERLY or not (self._gone or self._down is End.ORDERLY):
            return
        self._finished = True
        try:
            self._near.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, SO_LINGER_ORDERLY)
        except OSError:
            pass
        self._far.close(lambda _: self._ended(self))
        self._close_near()

    def _close_near(self) -> None:
        if self._guard >= 0:
            self._engine.unwatch(self._guard)
            os.close(self._guard)
            self._guard = -1
        self._engine.disarm(self._near)
        self._near.close_now()

    def _watch_for_reset(self) -> None:
        if self._guard < 0:
            # A descriptor of its own, since the other is the engine's, who wants to know of input only.
            self._guard = os.dup(self._near.fd)
            self._engine.watch(self._guard, 0, self._broken)

    def _broken(self, events: int) -> None:
        if self._finished:
            return
        # The state is asked for, because events of one round can be those of a socket that had the number before.
        if state_of(self._near.sock) == CLOSED:
            self.abort()
        elif events & select.EPOLLHUP:
            self._engine.unwatch(self._guard)  # both directions are shut; there will be nothing else


@types.coroutine
def _let_others() -> Generator[Want, None, None]:
    yield _TURN
