"""How layers are joined on one connection: views, edges, and what lies below.

A layer is shared by all connections of its stack; what a method gets as `conn` is a `View`, the layer's own place on
one connection. `conn.below` leads to the next lower layer that overrides the method called, or to the transport: a
layer that does not override a method is left out of that method's path.

At the upper edge of a layer that moves bytes:
Rule 1: `send` gets at most PIECE bytes of a stream at a time, as `bytes`; a datagram whole.
Rule 2: `recv(size)` gives at most `size` bytes; the surplus is kept there, and so is the end: b"" is for good.
Rule 3: one call per direction at a time; the others wait in line, first come first served.
Rule 4: an exception that is not a WinsockError is the layer's bug. The connection fails in the layer's name; whoever
        called sees WSAECONNABORTED.
"""

import os
import types
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ws2spi._abi.errors import ProviderContractError, WinsockError, WSAError
from ws2spi._engine import reports
from ws2spi._engine.interrupts import came_from_outside
from ws2spi._engine.operations import Cancelled, Event, Turn

if TYPE_CHECKING:
    from ws2spi._engine.connection import Connection

PIECE = 65536  # bytes of a stream that one `send` of a layer gets: one full read of a relay, and a bound for buffers

DATA_METHODS = ("send", "recv", "send_to", "recv_from", "send_urgent", "recv_urgent")
# {method: whose overriding stops it}: who changes the stream must say what becomes of its urgent bytes.
_STOPPED_BY = {"send_urgent": "send", "recv_urgent": "recv"}
CONTROL_METHODS = (
    "socket",
    "bind",
    "listen",
    "connect",
    "accept",
    "shutdown",
    "close",
    "getsockopt",
    "setsockopt",
    "getsockname",
    "getpeername",
)
METHODS = DATA_METHODS + CONTROL_METHODS

Call = Callable[..., Awaitable[Any]]


class Plan:
    """Which layer answers which method, worked out once for a stack.

    `layers` top first; `overrides[i]` the names of the methods that layer i overrides.
    """

    __slots__ = ("_next", "has_close", "has_socket", "layers", "names", "overrides")

    def __init__(self, layers: Sequence[Any], overrides: Sequence[frozenset[str]]) -> None:
        self.layers = tuple(layers)
        self.overrides = tuple(overrides)
        self.names = tuple(getattr(layer, "name", type(layer).__name__) for layer in self.layers)
        # {(index of the layer above, or -1 for the client; method): index of the layer that answers, or None:
        # transport}
        self._next: dict[tuple[int, str], int | None] = {}
        for above in range(-1, len(self.layers)):
            for method in METHODS:
                lower = range(above + 1, len(self.layers))
                names = {method, _STOPPED_BY.get(method, method)}
                self._next[above, method] = next((i for i in lower if names & self.overrides[i]), None)
        self.has_close = self.answers(-1, "close") is not None
        self.has_socket = self.answers(-1, "socket") is not None

    def answers(self, above: int, method: str) -> int | None:
        return self._next[above, method]

    def carries(self, method: str) -> bool:
        """Whether urgent data passes in the direction of `method`: no layer changes the stream and is silent on it."""
        return all(method in names for names in self.overrides if _STOPPED_BY[method] in names)


EMPTY = Plan((), ())


class View:
    """A layer's place on one connection; what its methods get as `conn`.

    Attributes:
        below: the same methods, one floor down; each is awaited.
        state: a namespace for the layer's own variables on this connection.
        context: the value behind WPUQuerySocketHandleContext, 0 where there is no such handle.
        origin: who opened the connection, as far as known (pid, command), else None.
        number: a small number that names the connection in logs.
    """

    __slots__ = ("_connection", "_index", "below", "state")

    def __init__(self, connection: "Connection", index: int, counted: bool) -> None:
        self._connection = connection
        self._index = index
        self.below = (CountingBelow if counted else Below)(connection, index)
        self.state = types.SimpleNamespace()

    @property
    def context(self) -> int:
        return self._connection.context

    @property
    def origin(self) -> Any:
        return self._connection.origin

    @property
    def number(self) -> int:
        return self._connection.number

    @property
    def stream(self) -> bool:
        """Whether this is a byte stream (TCP), not datagrams."""
        return bool(self._connection.transport.stream)

    def now(self) -> float:
        """Seconds on the engine's clock."""
        return self._connection.engine.now()

    def event(self) -> Event:
        """A new event by which one direction of this connection waits for the other."""
        return Event(self._connection)

    def want_input(self) -> None:
        """Have the top of the stack read once although nobody has asked for data, so that `recv` of this layer runs.

        For a layer whose `send` waits for something that arrives from below.
        """
        self._connection.mailbox.post(self._connection.start_pump_unasked)

    def __repr__(self) -> str:
        return f"<conn #{self.number} of layer {self._connection.plan.names[self._index]!r}>"


class Below:
    """What a layer finds beneath it. A method is looked up at its first use and kept."""

    __slots__ = ("_connection", "_index", *METHODS)

    def __init__(self, connection: "Connection", index: int) -> None:
        self._connection = connection
        self._index = index

    def __getattr__(self, method: str) -> Call:  # only reached while the slot is empty
        if method not in METHODS:
            raise AttributeError(f"there is no {method!r} below a layer; there are {', '.join(METHODS)}")
        call = self._connection.path(self._index, method)
        if method == "accept":
            call = partial(self._accept, call)
        setattr(self, method, call)
        return call

    async def _accept(self, call: Call) -> "View":
        connection = await call()
        view: View = connection.view(self._index)
        return view


class CountingBelow(Below):
    """For a layer that may fail open: knows whether anything below was touched."""

    __slots__ = ("uses",)

    def __init__(self, connection: "Connection", index: int) -> None:
        super().__init__(connection, index)
        self.uses = 0

    def __getattr__(self, method: str) -> Call:
        call = super().__getattr__(method)
        counted = partial(self._count, call)
        setattr(self, method, counted)
        return counted

    def _count(self, call: Call, *arguments: Any) -> Awaitable[Any]:
        self.uses += 1
        return call(*arguments)


class Edge:
    """The upper edge of one layer on one connection: keeps the boundary's rules and names the layer that fails."""

    __slots__ = (
        "_connection",
        "_layer",
        "_overrides",
        "_receiving",
        "_recv",
        "_send",
        "_sending",
        "_surplus",
        "_view",
    )

    def __init__(self, connection: "Connection", index: int) -> None:
        layer = connection.plan.layers[index]
        self._connection = connection
        self._layer = layer
        self._overrides = connection.plan.overrides[index]
        self._view = view = connection.view(index)
        opens = isinstance(view.below, CountingBelow)
        self._send: Call = self._send_or_pass if opens else layer.send
        self._recv: Call = self._recv_or_pass if opens else layer.recv
        self._sending = Turn()
        self._receiving = Turn()
        self._surplus: bytes | None = None  # what `recv` gave too much; b"" once it has given the end

    def call(self, method: str) -> Call:
        """The way in for `method`."""
        if method in DATA_METHODS:
            entry: Call = getattr(self, method)
            return entry
        return partial(self._control, method)

    async def send(self, data: Any) -> None:
        turn = self._sending
        if turn.taken:
            await turn.join(self._connection)
        turn.taken = True
        try:
            if type(data) is bytes and len(data) <= PIECE:
                await self._send(self._view, data)
            else:
                pieces = memoryview(data)
                for start in range(0, len(pieces), PIECE):
                    await self._send(self._view, bytes(pieces[start : start + PIECE]))
        except WinsockError:
            raise
        except Exception as error:
            raise self._blame("send", error) from error
        finally:
            if turn.waiting:
                turn.leave()
            else:
                turn.taken = False

    async def recv(self, size: int) -> bytes:
        turn = self._receiving
        if turn.taken:
            await turn.join(self._connection)
        turn.taken = True
        try:
            data = self._surplus
            if data is None:
                data = await self._recv(self._view, size)
                if type(data) is bytes and 0 < len(data) <= size:
                    return data  # the usual case, quickly
                data = self._as_bytes(data)
            if 0 < len(data) <= size:
                self._surplus = None
                return data
            # Too much is kept; nothing at all is the end, and kept for good, unless nothing was asked for.
            if data or size > 0:
                self._surplus = data[size:]
            return data[:size]
        except WinsockError:
            raise
        except Exception as error:
            raise self._blame("recv", error) from error
        finally:
            if turn.waiting:
                turn.leave()
            else:
                turn.taken = False

    async def send_to(self, data: Any, address: Any) -> None:
        turn = self._sending
        if turn.taken:
            await turn.join(self._connection)
        turn.taken = True
        try:
            await self._call("send_to", bytes(data), address)
        finally:
            turn.leave()

    async def recv_from(self, size: int) -> tuple[bytes, Any]:
        turn = self._receiving
        if turn.taken:
            await turn.join(self._connection)
        turn.taken = True
        try:
            data, address = await self._call("recv_from", size)
            return self._as_bytes(data), address
        except WinsockError:
            raise
        except Exception as error:
            raise self._blame("recv_from", error) from error
        finally:
            turn.leave()

    async def send_urgent(self, data: Any) -> None:
        self._check_urgent("send_urgent")
        turn = self._sending
        if turn.taken:
            await turn.join(self._connection)
        turn.taken = True
        try:
            await self._call("send_urgent", bytes(data))
        finally:
            turn.leave()

    async def recv_urgent(self, size: int) -> bytes:
        self._check_urgent("recv_urgent")
        data = await self._call("recv_urgent", size)
        try:
            return self._as_bytes(data)
        except ProviderContractError as error:
            raise self._blame("recv_urgent", error) from error

    def _check_urgent(self, method: str) -> None:
        if method not in self._overrides:
            raise WinsockError(WSAError.WSAEOPNOTSUPP, f"layer {self.name!r} carries no urgent data")

    async def _control(self, method: str, *arguments: Any) -> Any:
        result = await self._call(method, *arguments)
        return result._connection if isinstance(result, View) else result

    async def _call(self, method: str, *arguments: Any) -> Any:
        try:
            if isinstance(self._view.below, CountingBelow):
                return await self._or_pass(method, *arguments)
            return await getattr(self._layer, method)(self._view, *arguments)
        except WinsockError:
            raise
        except Exception as error:
            raise self._blame(method, error) from error

    async def _or_pass(self, method: str, *arguments: Any) -> Any:
        """For `on_error = "open"`: repeat as a pass-through a call that failed before it touched anything below."""
        below = self._view.below
        assert isinstance(below, CountingBelow)
        uses = below.uses
        try:
            return await getattr(self._layer, method)(self._view, *arguments)
        except WinsockError:
            raise
        except Exception as error:
            if below.uses != uses or came_from_outside(error):
                raise
            reports.report(f"layer {self.name!r} failed in {method}: {describe(error)}; passed through (on_error=open)")
        return await getattr(below, method)(*arguments)

    async def _send_or_pass(self, view: View, data: bytes) -> None:
        await self._or_pass("send", data)

    async def _recv_or_pass(self, view: View, size: int) -> Any:
        return await self._or_pass("recv", size)

    def _as_bytes(self, data: Any) -> bytes:
        if isinstance(data, (bytes, bytearray, memoryview)):
            return bytes(data)
        raise ProviderContractError(self.name, f"recv must give bytes, not {type(data).__name__}")

    def _blame(self, method: str, error: Exception) -> WinsockError:
        """What the caller sees instead of `error`; an interrupt, which is not the layer's, passes as it is."""
        if came_from_outside(error):
            raise error
        code = getattr(getattr(type(self._layer), method), "__code__", None)
        if isinstance(error, TypeError) and code is not None and not code.co_flags & _COROUTINE:
            error.add_note(f"{method} is not written with 'async def'")
        return self._connection.layer_failed(self.name, method, error)

    @property
    def name(self) -> str:
        layer = self._layer
        return str(getattr(layer, "name", type(layer).__name__))


_COROUTINE = 0x80  # inspect.CO_COROUTINE, without importing inspect
_PACKAGE = os.path.dirname(os.path.dirname(__file__))
_NOT_THE_AUTHORS = (_PACKAGE + os.sep, os.path.dirname(os.__file__) + os.sep, "<frozen ")
_AUTHORS_AFTER_ALL = (
    os.path.join(_PACKAGE, "layers", ""),
    os.path.join(os.path.dirname(os.__file__), "site-packages", ""),
)


def describe(error: BaseException) -> str:
    """An exception on one line, with the author's own line that led to it, or else the place where it was raised."""
    text = "; ".join(" ".join(words.split()) for words in (str(error), *getattr(error, "__notes__", ())) if words)
    where = own = ""
    trace = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        where = f" ({file}:{trace.tb_lineno})"
        if file.startswith(_AUTHORS_AFTER_ALL) or not file.startswith(_NOT_THE_AUTHORS):
            own = where
        trace = trace.tb_next
    where = own or where
    return f"{type(error).__name__}: {text}{where}" if text else f"{type(error).__name__}{where}"


__all__ = ["CONTROL_METHODS", "DATA_METHODS", "EMPTY", "METHODS", "PIECE", "Below", "Cancelled", "Edge", "Plan", "View"]
