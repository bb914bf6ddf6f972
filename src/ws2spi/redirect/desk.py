"""What the parts of one supervisor share: the loop, the listener, the stack, and what is remembered about sockets.

Rule: a socket is known by its cookie (`process.cookie_of`). Nothing tells us when the program closes one, so tables
      that are not emptied by events are bounded and forget the oldest.
"""

import socket
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ws2spi._engine import reports
from ws2spi._engine.epoll import Engine
from ws2spi.providers.stack import Stack
from ws2spi.redirect.addresses import Address
from ws2spi.redirect.held import HeldCalls
from ws2spi.redirect.meetings import Meetings
from ws2spi.redirect.outgoing import namespace_of
from ws2spi.redirect.seccomp import Listener

if TYPE_CHECKING:
    from ws2spi.redirect.attempt import Attempt
    from ws2spi.redirect.relay import Relay

_Value = TypeVar("_Value")
_REMEMBERED = 65_536  # sockets; one of them costs about 300 bytes


class Memory(Generic[_Value]):
    """A dict that forgets its oldest entries."""

    def __init__(self, limit: int = _REMEMBERED) -> None:
        self._limit = limit
        self._entries: dict[Any, _Value] = {}

    def put(self, key: Any, value: _Value) -> None:
        entries = self._entries
        entries.pop(key, None)
        entries[key] = value
        if len(entries) > self._limit:
            del entries[next(iter(entries))]

    def get(self, key: Any) -> _Value | None:
        return self._entries.get(key)

    def pop(self, key: Any) -> _Value | None:
        return self._entries.pop(key, None)

    def __len__(self) -> int:
        return len(self._entries)


class Names:
    """The names that a program would have seen, None for one about which the kernel tells the truth."""

    __slots__ = ("local", "peer")

    def __init__(self, peer: Address | None, local: Address | None) -> None:
        self.peer = peer
        self.local = local


class Desk:
    """Shared by `Supervisor` and its attempts.

    Attributes:
        attempts: {cookie: attempt whose outcome is open}.
        names: {cookie: names to tell instead of the kernel's}.
        failures: {cookie: errno that SO_ERROR or a repeated connect has to tell}.
        devices: {cookie: device that the program's socket was bound to before it had to reach the loopback}.
        namespace: the kernel's name for our network namespace, b"" where it has none.
        program_gone: nobody is under the filter any more.
    """

    def __init__(
        self,
        engine: Engine,
        listener: Listener,
        stack: Stack,
        *,
        killable: bool,
        simultaneous: bool = True,
        verbose: int = 0,
    ) -> None:
        self.engine = engine
        self.listener = listener
        self.stack = stack
        self.verbose = verbose
        self.meetings = Meetings(engine, simultaneous)
        self.held = HeldCalls(engine)
        self.attempts: dict[bytes, Attempt] = {}
        self.relays: set[Relay] = set()
        self.names: Memory[Names] = Memory()
        self.failures: Memory[int] = Memory()
        self.devices: Memory[bytes] = Memory()
        with socket.socket() as ours:
            self.namespace = namespace_of(ours)
        self.program_gone = False
        self._killable = killable
        self._undelivered: dict[tuple[int, bytes], int] = {}  # {(tid, cookie): errno}
        self._said: Memory[bool] = Memory(1024)

    def answer(self, id_: int, tid: int, cookie: bytes, error: int) -> None:
        """Answer a connect. What does not arrive is kept for the same call under a new id.

        Only without WAIT_KILLABLE_RECV: with it a call that has left is the call of a thread that has died.
        """
        if not self.listener.answer(id_, error) and not self._killable:
            self._undelivered[tid, cookie] = error

    def take_undelivered(self, tid: int, cookie: bytes) -> int | None:
        return self._undelivered.pop((tid, cookie), None) if self._undelivered else None

    def say(self, text: str) -> None:
        """Report `text`, once."""
        if self._said.get(text) is None:
            self._said.put(text, True)
            reports.report(text)
