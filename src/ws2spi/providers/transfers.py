"""Overlapped calls and buffers: how what the engine brings reaches the client of a socket."""

from _thread import get_ident
from collections.abc import Callable, Sequence

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import fill
from ws2spi._engine.operations import Request
from ws2spi._runtime.completion import Completion

Finish = Callable[[Request], tuple[int, int, int]]  # request -> (code, bytes, flags)


class Starting:
    """The start of an overlapped call, on the thread that makes it.

    The engine may finish the request before the start returns. On the starting thread that is an immediate end, which
    the
    caller reports by its own return; on another one the client is told at once, even before the start returns.
    """

    __slots__ = ("completion", "ended", "finish", "pending", "starter")

    def __init__(self, pending: dict[Request, Completion], completion: Completion, finish: Finish) -> None:
        self.pending = pending
        self.completion = completion
        self.finish = finish  # request -> (code, bytes, flags), storing what was received
        self.starter = get_ident()
        self.ended = False

    def done(self, request: Request) -> None:
        """The engine's callback."""
        self.pending.pop(request, None)
        if self.starter == get_ident():
            self.ended = True  # still inside the start
            return
        self.tell(request)

    def started(self, request: Request) -> tuple[int, int] | None:
        """Back in the start: (bytes, flags) of an immediate success, None when pending; raises an immediate failure."""
        if not self.ended:
            self.pending[request] = self.completion
            self.starter = 0
            if request.done:  # ended between the two lines above, on another thread, which has told or will
                self.pending.pop(request, None)
            return None
        code, transferred, flags = self.finish(request)
        if not code:
            return transferred, flags
        if code == WSAError.WSAEMSGSIZE:
            # A receive that was cut short is an end like any other: the client is told of it.
            self.completion.complete(code, transferred, flags)
        raise request.error or WinsockError(code)

    def tell(self, request: Request) -> None:
        code, transferred, flags = self.finish(request)
        self.completion.complete(code, transferred, flags)


class Received:
    """Puts what an overlapped receive brought where the client wants it."""

    __slots__ = ("_buffers", "_completion")

    def __init__(self, buffers: Sequence[memoryview], completion: Completion) -> None:
        self._buffers = buffers
        self._completion = completion

    def __call__(self, request: Request) -> tuple[int, int, int]:
        if request.error is not None:
            return request.error.code, 0, 0
        result = request.result
        if type(result) is bytes:
            return 0, fill(self._buffers, result), 0
        data, sender = result
        self._completion.set_address(sender)
        count = fill(self._buffers, data)
        return (WSAError.WSAEMSGSIZE if count < len(data) else 0), count, 0


def sent(request: Request) -> tuple[int, int, int]:
    if request.error is not None:
        return request.error.code, 0, 0
    return 0, request.result, 0
