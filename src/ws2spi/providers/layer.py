"""`Layer`, the class that authors of layered providers derive from.

A method is a coroutine and is written once, whether the application blocks, polls, or uses overlapped I/O with events,
completion routines or completion ports::

    class Upper(Layer):
        '''Upper-case everything the program sends.'''

        async def send(self, conn, data):
            await conn.below.send(data.upper())

Rules for authors:

* `conn` is the layer's place on one connection (`ws2spi._engine.boundary.View`); keep variables on `conn.state`. The
  layer itself is shared by all connections of its stack.
* `send` gets at most 64 KiB of a stream at a time, as bytes; it is done when it returns. `recv(conn, size)` gives
  bytes, b"" only at the end; giving more than `size` is allowed, the rest is kept.
* Errors are `WinsockError`. Anything else is the layer's bug: the connection is reset in the layer's name.
* A layer must not block; it waits with `await`: for what is below, for `sleep(seconds)`, for `conn.event().wait()`.
* Who needs more overrides a WSP function itself, with its C signature: `def WSPBind(self, below, s, name, namelen,
  lpErrno)`, where `below` is the procedure table underneath (`below.lpWSPBind`). Such functions see the calls of
  Winsock clients in this process, not those of a program under `ws2spi run`.
* What a layer does not override costs nothing: it is left out of that method's path.
"""

from typing import TYPE_CHECKING, Any, ClassVar

from ws2spi._engine.boundary import CONTROL_METHODS, DATA_METHODS, METHODS

if TYPE_CHECKING:
    from ws2spi._engine.boundary import View

Address = tuple[Any, ...]


class Layer:
    """A layered service provider. Override what you need; everything else passes down.

    Class attributes:
        name: how users and messages call it; the class name in lower case unless given.
        on_error: "closed" (default): a bug of this layer ends the connection. "open": a call that raised before it
            touched anything below is repeated as a pass-through.
        handshakes: True when `connect` itself sends or receives. Under `ws2spi run` the program's own socket can carry
            such an exchange only while the program waits in a blocking connect; with this flag a non-blocking one is
            relayed.
    """

    name: ClassVar[str] = ""
    on_error: ClassVar[str] = "closed"
    handshakes: ClassVar[bool] = False

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "name" not in cls.__dict__:
            cls.name = cls.__name__.lower()
        if cls.on_error not in ("open", "closed"):
            raise TypeError(f"{cls.__name__}.on_error must be 'open' or 'closed', not {cls.on_error!r}")

    @classmethod
    def overrides(cls) -> frozenset[str]:
        """The names of the methods that this class answers itself."""
        return frozenset(method for method in METHODS if getattr(cls, method) is not getattr(Layer, method))

    @classmethod
    def ifs(cls) -> bool:
        """Whether it can expose the lower provider's own handle (XP1_IFS_HANDLES): it never touches the bytes."""
        return not cls.overrides() & frozenset(DATA_METHODS)

    # -- bytes of a stream -----------------------------------------------------------------------------------------

    async def send(self, conn: "View", data: bytes) -> None:
        """The application sends `data`. Return when it is done with."""
        await conn.below.send(data)

    async def recv(self, conn: "View", size: int) -> bytes:
        """The application receives. Return what there is, b"" at the end of the stream."""
        data: bytes = await conn.below.recv(size)
        return data

    # -- datagrams -------------------------------------------------------------------------------------------------

    async def send_to(self, conn: "View", data: bytes, address: Address | None) -> None:
        """One datagram, to `address` or (None) to the connected peer."""
        await conn.below.send_to(data, address)

    async def recv_from(self, conn: "View", size: int) -> tuple[bytes, Address]:
        """One datagram and who sent it."""
        result: tuple[bytes, Address] = await conn.below.recv_from(size)
        return result

    # -- urgent data of a stream -----------------------------------------------------------------------------------

    async def send_urgent(self, conn: "View", data: bytes) -> None:
        """The application sends `data`, the last byte of it urgent (MSG_OOB).

        A layer that overrides `send` and not this carries no urgent data: the application's call fails.
        """
        await conn.below.send_urgent(data)

    async def recv_urgent(self, conn: "View", size: int) -> bytes:
        """The application asks for urgent data; wait until there is some. As `send_urgent` goes with `send`, so does
        this with `recv`.
        """
        data: bytes = await conn.below.recv_urgent(size)
        return data

    # -- control ---------------------------------------------------------------------------------------------------

    async def socket(self, conn: "View") -> None:
        """A socket was made."""
        await conn.below.socket()

    async def bind(self, conn: "View", address: Address) -> None:
        await conn.below.bind(address)

    async def listen(self, conn: "View", backlog: int) -> None:
        await conn.below.listen(backlog)

    async def connect(self, conn: "View", address: Address) -> None:
        """Connect to `address`, or wherever you choose. A handshake sends and receives on `conn.below` afterwards."""
        await conn.below.connect(address)

    async def accept(self, conn: "View") -> "View":
        """The next incoming connection, as this layer sees it: it has a `below` and a `state` of its own.

        A handshake sends and receives on `accepted.below` before it returns `accepted`; others go on meanwhile, so that
        a peer that stalls holds up nobody. An error ends that connection and is the error of one accept. Asking for
        another connection closes the one before: it is refused.
        """
        accepted: View = await conn.below.accept()
        return accepted

    async def shutdown(self, conn: "View", how: int) -> None:
        """End one direction or both (socket.SHUT_RD, SHUT_WR, SHUT_RDWR), after what was sent."""
        await conn.below.shutdown(how)

    async def close(self, conn: "View") -> None:
        """The connection ends; last words may still be sent."""
        await conn.below.close()

    async def getsockopt(self, conn: "View", level: int, option: int, size: int) -> bytes:
        value: bytes = await conn.below.getsockopt(level, option, size)
        return value

    async def setsockopt(self, conn: "View", level: int, option: int, value: bytes) -> None:
        await conn.below.setsockopt(level, option, value)

    async def getsockname(self, conn: "View") -> Address:
        address: Address = await conn.below.getsockname()
        return address

    async def getpeername(self, conn: "View") -> Address:
        address: Address = await conn.below.getpeername()
        return address

    def __repr__(self) -> str:
        return f"<layer {self.name!r}>"


__all__ = ["CONTROL_METHODS", "DATA_METHODS", "Layer"]
