"""Putting right what an interrupt has torn (`interrupts.py`).

An exception of a program's signal handler leaves through whatever the thread was doing for a connection, perhaps for
somebody else's request. Afterwards, still before anybody else comes into the mailbox, `mend` looks at all there is:

Rule 1: a step that was torn is repeated, unless its request is in its place or answered. Steps are written so that
        what they have done is seen by the second run.
Rule 2: a coroutine that is still suspended is resumed once more (operations look again; too early is harmless).
Rule 3: a coroutine that was torn itself is begun again if that is sure to lose or double nothing: there is no layer in
        its path (the transport knows what it had done), or none had executed anything. Else its connection ends, in the
        name of the layer that was interrupted: what the layer had in hand is gone, and a stream must not go on without.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from types import CodeType
from typing import Any

from ws2spi._abi.errors import WinsockError
from ws2spi._engine import blocking
from ws2spi._engine.boundary import Edge, describe
from ws2spi._engine.driving import Driving
from ws2spi._engine.interrupts import had_not_begun, is_engine, struck_frames
from ws2spi._engine.messages import Transmission
from ws2spi._engine.operations import Kind, Receive, Request, Role, Task


class Mending(Driving):
    """The part of a connection that survives interrupts."""

    raw_send: bool
    raw_recv: bool
    number: int
    closed: bool
    _accepting: bool
    _failure: str | None
    _receives: deque[Receive]
    _watchers: list[Request]
    _pump_for: Receive | None
    _handshakes: list[Task]
    drop_run: Callable[[Task], None]

    def mend(self, step: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        """In the mailbox: an interrupt has torn `step`, which is a method of this connection."""
        while step == self.mend:  # torn itself: the second interrupt came that soon
            step, arguments = arguments
        request = next((argument for argument in arguments if isinstance(argument, Request)), None)
        if step == self._answer_inside:  # may have done it, and must not do it twice
            assert request is not None
            if not request.done:
                request.error = blocking.interrupted()
                self._complete(request)
        elif request is None or step in (self.withdraw, self._receive_left, self._send_left) or not self._has(request):
            step(*arguments)
        self._reconcile()

    def _has(self, request: Request) -> bool:
        """Whether `request` is in its place or answered."""
        tasks = (*self._sends, *self._controls)
        return (
            request.done
            or request in self._receives
            or request in self._watchers
            or any(task.request is request for task in tasks)
        )

    def _reconcile(self) -> None:
        for request in (*self._receives, *self._watchers):
            if request.done:
                self._complete(request)
                queue: Any = self._receives if request in self._receives else self._watchers
                if request in queue:
                    queue.remove(request)
        pump = self._pump
        if pump is not None and pump.done:
            self._pump = self._pump_for = None
        for task in (self._pump, *self._sends, *self._controls, *self._handshakes):
            if task is not None:
                self._revive(task)
        self._begin_next()
        self._go_on_ending()
        if not self.closing:
            self._feed()

    def _revive(self, task: Task) -> None:
        if task.ended:
            self._finish(task, task.result, task.error)
        elif task.is_suspended():
            self.step(task)
        elif task.coroutine is not None and not task.done:
            self._replace(task)

    def _replace(self, task: Task) -> None:
        """The coroutine of `task` was torn."""
        error = task.struck
        task.struck = None
        if task.role in (Role.CONTROL, Role.CLOSE):  # moves no bytes; whoever asked hears of it
            self._finish(task, None, blocking.interrupted())
            return
        if task.role is Role.PUMP:
            raw = self.raw_recv
            method = "accept" if self._accepting else "recv"
        else:
            raw = self.raw_send if task.role is Role.SEND else self._is_raw("connect")
            method = task.role.value
        if method == "accept" and not raw:
            self.drop_run(task)
            return
        whole = raw or (error is not None and self._is_whole(error, Driving.step.__code__, raw))
        if not whole:
            self._finish(task, None, self.layer_interrupted(method, error))
        elif task.role is Role.PUMP:
            self._pump = self._pump_for = None
            if raw:
                self.transport.free_turn(Kind.READ)
            self._feed()
        else:
            self._begin_again(task)

    def _begin_again(self, task: Task) -> None:
        sent = self.transport.sent if task.role is Role.SEND and self.raw_send else 0
        if isinstance(task.factory, Transmission):
            task.factory.torn(sent)
        elif sent:
            assert isinstance(task.factory, partial)
            data, *rest = task.factory.args
            if not self.transport.stream or sent == len(data):
                self._finish(task, None, None)
                return
            task.factory = partial(task.factory.func, memoryview(data)[sent:], *rest)
        if self.raw_send:
            self.transport.free_turn(Kind.WRITE)
        task.coroutine = None
        self._begin(task)

    def _is_whole(self, error: BaseException, root: CodeType, raw: bool) -> bool:
        """Whether a coroutine that `error` tore, driven by `root`, can be left or begun again without loss."""
        if raw:
            return True
        torn = struck_frames(error, root)
        if not torn or not had_not_begun(*torn[-1]):
            return False
        # The uppermost boundary itself, or the method of the layer below it, for its first piece.
        edge = torn[0][0]
        return len(torn) == 1 or (
            len(torn) == 2 and not is_engine(torn[1][0]) and not edge.f_locals.get("start") and self._edge_of(edge)
        )

    def _edge_of(self, frame: Any) -> bool:
        return isinstance(frame.f_locals.get("self"), Edge)

    def layer_interrupted(self, method: str, error: BaseException | None) -> WinsockError:
        """An interrupt struck in the middle of a layer: report it, reset the lower socket, end both directions.

        Returns the error that everybody sees from now on, but for the thread that was interrupted.
        """
        name = "?"
        trace = None if error is None else error.__traceback__
        while trace is not None:
            edge = trace.tb_frame.f_locals.get("self")
            if isinstance(edge, Edge) and trace.tb_frame.f_code.co_name != "__init__":
                name, method = edge.name, trace.tb_frame.f_code.co_name
                if method in ("_control", "_call", "_or_pass"):
                    method = str(trace.tb_frame.f_locals["method"])
            trace = trace.tb_next
        what = f"{describe(error)} struck" if error is not None else "an interrupt struck"
        return self._fail_closed(f"{what} in the middle of {method} of layer {name!r}", f"layer {name!r} interrupted")
