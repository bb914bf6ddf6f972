"""The accepting side of a listener under layers: several handshakes at once, none in another's way.

A layer's `accept` takes a connection from below and may then talk with the peer before it passes it up. Each such run
is a task of its own (`AcceptRun`).

Rule 1: the pump is the run that has no connection yet; there is one. When it has taken one and its layers wait for
        anything, it stands aside among the handshakes, driven by the engine, and, if somebody still asks for a
        connection, the next pump starts. So a peer that says nothing holds up nobody.
Rule 2: connections are handed out in the order in which their layers were done with them. Layers that do not wait are
        done in the very step that took the connection: there the order is the kernel's, and one run is all there is.
Rule 3: at most HANDSHAKES are open at once; one more connection waits at the door, the others in the listen backlog.
        A handshake that has lasted PATIENCE seconds then makes room: it is given up, its peer reset.
Rule 4: a run that fails ends its own connection. Its error is that of one accept, as the page of accept has it
        (WSAECONNRESET and the like); the listener goes on. One that makes room is nobody's error.
Rule 5: all runs share the listener's mailbox, since they share the listener's `conn.state`; nobody waits for a mailbox.
        A connection moves into one of its own when it is handed out, and takes along what others have posted for it.
"""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, cast

from ws2spi._abi.errors import ProviderContractError, WinsockError
from ws2spi._engine import reports
from ws2spi._engine.boundary import Call, Plan
from ws2spi._engine.inbox import ItemInbox
from ws2spi._engine.interrupts import came_from_outside
from ws2spi._engine.mailbox import Lodging
from ws2spi._engine.operations import Event, Kind, Task, Want
from ws2spi._engine.receiving import Receiving
from ws2spi._engine.transport import SocketTransport

if TYPE_CHECKING:
    from ws2spi._engine.connection import Connection

HANDSHAKES = 128  # a fraction of the usual 1024 descriptors; a peer needs no more of them than one
PATIENCE = 10.0  # seconds that a handshake may last once others wait for its place


class AcceptRun:
    """One run of the layers' `accept`, as a coroutine that says whose turn it is while it runs.

    Attributes:
        taken: the connection it has from below, or what layers have of it; empty while it waits for one.
        began: when it got that, on the engine's clock.
        given_up: it made room for others.
    """

    __slots__ = ("_coroutine", "_listener", "began", "given_up", "taken")

    def __init__(self, listener: "Accepting") -> None:
        self._listener = listener
        self._coroutine: Coroutine[Want, None, Any] = self._accept()
        self.taken: list[Connection] = []
        self.began = 0.0
        self.given_up = False

    async def _accept(self) -> "Connection":
        listener = self._listener
        accepted: Any = None
        try:
            accepted = await listener.path(-1, "accept")()
            if accepted not in self.taken:
                accepted, other = None, accepted
                raise listener.not_accepted(other)
            own = cast(Lodging, accepted.mailbox).move_out()
            if self.taken == [accepted]:
                # In one breath: an interrupt finds it still taken, or handed out.
                self.taken, accepted.mailbox = [], own
                return cast("Connection", accepted)
        except BaseException as error:
            accepted = None
            if self.taken and came_from_outside(error):
                self.taken[-1].layer_interrupted("accept", error)
            raise
        finally:
            taken, self.taken = self.taken, []
            for connection in taken:
                if accepted is None:
                    connection.abort()  # it failed, or the listener closes
                elif connection is not accepted:
                    connection.close()  # a layer did not want it
        accepted.mailbox = own
        return cast("Connection", accepted)

    @property
    def cr_frame(self) -> Any:
        """As of a coroutine: None when it has ended."""
        return cast(Any, self._coroutine).cr_frame

    def send(self, value: None) -> Want:
        listener = self._listener
        outer, listener.run = listener.run, self
        try:
            return self._coroutine.send(value)
        finally:
            listener.run = outer

    def throw(self, error: BaseException) -> Want:
        listener = self._listener
        outer, listener.run = listener.run, self
        try:
            return self._coroutine.throw(error)
        finally:
            listener.run = outer

    def close(self) -> None:
        self._coroutine.close()


class Accepting(Receiving):
    """What makes a connection a listener."""

    plan: Plan
    origin: Any

    path: Callable[[int, str], Call]

    def _init_accepting(self) -> None:
        self.run: AcceptRun | None = None  # whose step this is
        self._handshakes: list[Task] = []  # oldest first
        self._asked_for = False  # somebody has looked for a connection, and none has come since
        self._taken: SocketTransport | None = None  # what an accept has taken, until it is a connection
        self._vacancy: Event | None = None  # the one at the door waits for it

    def _become_listener(self) -> None:
        if self._accepting:
            return
        self._accepting = True
        self._reconsider()
        self._inbox = ItemInbox()
        self.raw_recv = self.transport.direct and self.plan.answers(-1, "accept") is None
        self._produce = self._accept_below if self.raw_recv else cast(Call, lambda: AcceptRun(self))

    async def _accept_below(self) -> "Connection":
        """Where the layers' `accept` ends: the new socket, under the same stack."""
        run = self.run
        if run is not None:
            for refused in run.taken:
                refused.close()  # asking for another one, a layer has refused it
            run.taken.clear()
        # An accept that an interrupt tears is begun again, with what it had taken.
        if self._taken is None:
            self._taken = await self.transport.accept()
        connection = type(cast("Connection", self))(self.engine, self._taken, self.plan, origin=self.origin)
        if run is None:
            self._taken = None
        else:
            # Until the layers have accepted it, what they do on the new connection is driven by this one.
            connection.mailbox = Lodging(self.mailbox)
            run.taken += (connection,)
            self._taken = None
            if len(self._handshakes) >= HANDSHAKES and self._is_pump(run):
                await self._at_the_door()
            run.began = self.engine.now()
            self.mailbox.steps.append((self._stand_aside, (run,)))  # by then it is done, or its layers wait
        return connection

    def _is_pump(self, run: AcceptRun | None) -> bool:
        return self._pump is not None and self._pump.coroutine is cast(Any, run)

    def _stand_aside(self, run: AcceptRun) -> None:
        """Rule 1, after the step in which `run` has got its connection."""
        if self._is_pump(run) and self._pump is not None and not self.closing:
            self._give(self._pump, None)
            if self._pump not in self._handshakes:
                self._handshakes.append(self._pump)
            self._pump = self._pump_for = None
            self._feed()
            if self._asked_for and self._pump is None:
                self.start_pump_unasked()

    async def _at_the_door(self) -> None:
        """Wait until one of the handshakes ends, at most until the oldest has had its time."""
        while len(self._handshakes) >= HANDSHAKES:
            vacancy = self._vacancy = Event(cast("Connection", self))
            oldest = self._handshakes[0]
            until = cast(AcceptRun, oldest.coroutine).began + PATIENCE
            timer: Any = None
            if until > self.engine.now():
                timer = self.engine.at(until, vacancy.set)
            else:
                self.mailbox.steps.append((self._give_up, (oldest,)))
            try:
                await vacancy.wait()
            finally:
                self._vacancy = None
                if timer is not None:
                    timer.cancel()

    def drop_run(self, task: Task) -> None:
        """An interrupt has torn it; the connection that it had taken has ended."""
        if task is self._pump:
            self._pump = self._pump_for = None
            self.transport.free_turn(Kind.READ)
        if task in self._handshakes:
            self._handshakes.remove(task)
        task.done = True
        if self._vacancy is not None:
            self._vacancy.set()
        self._feed()

    def _give_up(self, task: Task) -> None:
        if not task.done:
            cast(AcceptRun, task.coroutine).given_up = True
            reports.report(
                f"listener #{cast('Connection', self).number}: a peer's handshake has lasted {PATIENCE:.0f} s while "
                f"{HANDSHAKES} are open and others wait; reset"
            )
            self._cancel(task)

    def _end_handshakes(self) -> None:
        """The listener ends: so does every connection that its layers have not passed up."""
        for task in list(self._handshakes):
            self._cancel(task)

    def _pumped(self, task: Task, data: Any, error: WinsockError | None) -> None:
        if task is not self._pump:
            if task in self._handshakes:
                self._handshakes.remove(task)
            if self._vacancy is not None:
                self._vacancy.set()
            if cast(AcceptRun, task.coroutine).given_up and not self.closing:
                task.done = True
                return
        if self._accepting:
            self._asked_for = False
        super()._pumped(task, data, error)

    def start_pump_unasked(self) -> None:
        if self._accepting and not self.closing and not self._something():
            self._asked_for = True
        super().start_pump_unasked()

    def not_accepted(self, result: object) -> WinsockError:
        """The error for a layer whose `accept` has passed up what it has not got from below."""
        index = cast(int, self.plan.answers(-1, "accept"))
        what = "a connection of another accept" if isinstance(result, Accepting) else type(result).__name__
        error = ProviderContractError(self.plan.names[index], f"accept must give what below.accept gave, not {what}")
        return self.layer_failed(self.plan.names[index], "accept", error)

    def _cancel(self, task: Task) -> None:
        raise NotImplementedError


__all__ = ["HANDSHAKES", "PATIENCE", "AcceptRun", "Accepting"]
