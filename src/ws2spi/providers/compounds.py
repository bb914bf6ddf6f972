"""Operations of several steps: connect and then send, accept and then receive, send and then disconnect.

Each step is a request of a connection; a generator yields `(connection, begin)`, where `begin(done)` starts the
request, and gets its result back, or its error raised. Steps follow each other in the requests' callbacks, outside
mailboxes, on whichever thread ends them; there is never more than one at a time.
"""

from collections.abc import Callable, Generator
from typing import Any

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.connection import Connection
from ws2spi._engine.operations import Done, Request
from ws2spi._runtime.completion import Completion
from ws2spi.providers.socket_state import Socket

Step = tuple[Connection, Callable[[Done], Request]]
Flow = Generator[Step, Any, int]  # returns the number of bytes


class Compound(Request):
    """One client's operation. It stands among the pending ones of the socket it was started on, and is known to every
    socket whose end ends it.

    Parameters:
        owner: the socket it was started on; also: others whose close ends it.
        flow: its steps.
    """

    __slots__ = ("_begun", "_cancelled", "_completion", "_flow", "_owner", "_sockets", "on_cancel")

    def __init__(self, owner: Socket, completion: Completion, flow: Flow, *also: Socket) -> None:
        super().__init__()
        self._owner = owner
        self._completion = completion
        self._flow = flow
        self._sockets = (owner, *also)
        self._begun: list[tuple[Connection, Request]] = []
        self._cancelled = False
        self.on_cancel: Callable[[], object] | None = None  # of a step that runs on when its request is cancelled

    def start(self) -> None:
        """Begin. The client is told of the end by its completion, whatever it is."""
        self._owner.pending[self] = self._completion
        for state in self._sockets:
            state.compounds.add(self)
        self._advance(None)

    def cancel(self) -> None:
        """Ask it to end, with WSA_OPERATION_ABORTED unless it is done first. Any thread."""
        self._cancelled = True
        if self.on_cancel is not None:
            self.on_cancel()
        for connection, request in tuple(self._begun):
            connection.cancel(request)

    def _advance(self, request: Request | None) -> None:
        try:
            if request is not None and request.error is not None:
                step = self._flow.throw(request.error)
            else:
                step = self._flow.send(None if request is None else request.result)
                if self._cancelled:  # what the step before has brought is in the flow's hands, and goes with it
                    step = self._flow.throw(WinsockError(WSAError.WSA_OPERATION_ABORTED, "cancelled"))
        except StopIteration as stop:
            self._end(0, stop.value or 0)
            return
        except WinsockError as error:
            self._end(error.code, 0)
            return
        connection, begin = step
        begun = begin(self._advance)
        self._begun.append((connection, begun))
        if self._cancelled:
            connection.cancel(begun)

    def _end(self, code: int, transferred: int) -> None:
        for state in self._sockets:
            state.compounds.discard(self)
        self._owner.pending.pop(self, None)
        self.done = True
        self._completion.complete(code, transferred)


def end(state: Socket) -> None:
    """The socket is being closed: so end the operations that it is part of."""
    for compound in tuple(state.compounds):
        compound.cancel()
