"""What a provider remembers of one socket."""

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ws2spi._abi.constants import SOCK_RAW
from ws2spi._engine.connection import Connection
from ws2spi._engine.operations import Request
from ws2spi._runtime.catalog import CatalogEntry
from ws2spi._runtime.completion import Completion
from ws2spi._runtime.sockets import SocketEntry

if TYPE_CHECKING:
    from ws2spi.providers.network_events import Selection
    from ws2spi.providers.notifications import Registration

Address = tuple[Any, ...]


class Socket:
    """What a provider remembers of one socket."""

    __slots__ = (
        "accepted",
        "base",
        "blocking",
        "bound_to",
        "closed",
        "compounds",
        "connect_failed",
        "connected",
        "connected_at",
        "connecting",
        "connection",
        "deferred",
        "elsewhere",
        "entries",
        "error",
        "group",
        "info",
        "limited",
        "linger",
        "listening",
        "multipoint",
        "one_way",
        "options",
        "peer",
        "pending",
        "raw",
        "recv_timeout",
        "registration",
        "reusable",
        "selection",
        "send_timeout",
        "shut_recv",
        "shut_send",
        "stream",
        "watched",
        "watches",
    )

    def __init__(self, connection: Connection, info: CatalogEntry) -> None:
        self.connection = connection
        self.info = info
        self.stream = connection.transport.stream
        self.peer: Address | None = None  # of a connected raw socket, of which Linux says that it has none
        self.raw = info.socket_type == SOCK_RAW  # its addresses have no ports
        self.blocking = True
        self.connected = False
        self.accepted = False  # connected by an accept, not by a connect
        self.connect_failed = False  # the last connect of a non-blocking socket failed
        self.connected_at = 0.0
        self.connecting: Request | None = None
        self.listening = False
        self.shut_send = False
        self.shut_recv = False
        self.recv_timeout: float | None = None
        self.send_timeout: float | None = None
        self.error = 0  # SO_ERROR: a WSA code, read once
        self.closed = False  # closesocket was called
        self.entries: set[SocketEntry] = set()  # its handles; more than one once it was duplicated
        self.watches: list[Connection] = []  # netlink sockets of requests for changes of the network
        self.watched: set[int] = set()  # control codes that asked for a network event
        self.elsewhere: dict[Request, Connection] = {}  # of `pending`: whose request it is, if not the socket's own
        self.deferred: list[Connection] = []  # of a listener: connections on which a condition has not decided
        self.multipoint = False  # made as a leaf of multipoint sessions
        self.group: Address | None = None  # the multipoint session that was joined
        self.options: dict[tuple[int, int], int] = {}  # {(level, option): number}: set, and nothing to Linux
        self.linger = 0  # seconds that closesocket of a blocking socket waits for what was sent
        self.one_way = 0  # JL_SENDER_ONLY, JL_RECEIVER_ONLY or 0
        self.selection: Selection | None = None  # WSPEventSelect or WSPAsyncSelect is active
        self.registration: Registration | None = None  # ProcessSocketNotifications
        self.pending: dict[Request, Completion] = {}  # {request: the client's overlapped call}

        # What extension functions (`extensions.py`) have made of it.
        self.compounds: set[Any] = set()  # of several steps, that concern this socket
        self.limited: Any = None  # AcceptEx's listener, or CONNECTED: no SO_UPDATE_..._CONTEXT since then
        self.reusable = False  # DisconnectEx prepared it
        self.base: Any = None  # the entry of its base provider's socket, once somebody has asked for that
        self.bound_to: Any = None  # the address of bind()

    def now_connected(self) -> None:
        self.connected = True
        self.connected_at = time.monotonic()
        self.shut_send = self.shut_recv = False

    def inherit(self, listener: "Socket") -> None:
        """An accepted socket has the properties of its listener that Linux does not hand on by itself."""
        self.blocking = listener.blocking
        self.recv_timeout, self.send_timeout = listener.recv_timeout, listener.send_timeout
        self.options, self.linger = dict(listener.options), listener.linger

    def __repr__(self) -> str:
        state = "listening" if self.listening else "connected" if self.connected else "idle"
        return f"<Socket {state} pending={len(self.pending)} {self.connection!r}>"


def _of_upper(name: str) -> Any:
    """A property that is the upper socket's."""

    def read(self: "BaseSocket") -> Any:
        return getattr(self.upper, name)

    def write(self: "BaseSocket", value: Any) -> None:
        setattr(self.upper, name, value)

    return property(read, write)


class BaseSocket(Socket):
    """The base provider's socket under `upper`: both are one Linux socket, and share what becomes of it."""

    __slots__ = ("upper",)

    accepted = _of_upper("accepted")
    connected = _of_upper("connected")
    connected_at = _of_upper("connected_at")
    listening = _of_upper("listening")
    peer = _of_upper("peer")
    shut_recv = _of_upper("shut_recv")
    shut_send = _of_upper("shut_send")

    def __init__(self, connection: Connection, info: CatalogEntry, upper: Socket) -> None:
        self.upper: Any = SimpleNamespace()  # what a new socket begins with goes nowhere
        super().__init__(connection, info)
        self.upper = upper
        self.blocking = upper.blocking


def without_port(address: Address) -> Address:
    """The address of a raw socket: where Linux tells the protocol's number, Windows tells no port."""
    return (address[0], 0, *address[2:])
