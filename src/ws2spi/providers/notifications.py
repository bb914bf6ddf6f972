"""Socket state notifications: what ProcessSocketNotifications registers for one socket.

Rule 1: everything here changes in the mailbox of the socket's connection. A registration has at most one packet in the
        port; what it tells is made up when a thread takes it (`LivePacket`), so that nothing is told that is no longer
        so, and several changes are one notification.
Rule 2: level: told while it is so. A packet that was taken is put behind the others at once; the next get looks whether
        it is still so, and if not, the connection is asked to tell.
Rule 3: edge: told when it was not so and then is, while enabled. That it was not so in between is known from looking;
        after a call that receives (or a send that would have blocked) what is so then counts as new, because what came
        since that call cannot be told from what it has left.
Rule 4: a removal is told last, also where the port is full of the registration's own news; closing the socket ends the
        registration and tells nothing.
"""

from collections.abc import Callable
from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.driving import Observer
from ws2spi._engine.observing import BROKEN, DATA, END, ROOM
from ws2spi._executive.ports import CompletionPort, LivePacket
from ws2spi._runtime import selecting
from ws2spi._runtime.sockets import SocketEntry

_IN, _OUT = c.SOCK_NOTIFY_EVENT_IN, c.SOCK_NOTIFY_EVENT_OUT
_HANGUP, _ERR = c.SOCK_NOTIFY_EVENT_HANGUP, c.SOCK_NOTIFY_EVENT_ERR
_SHOWN = {
    _IN: DATA | selecting.RECEIVES_REFUSED,
    _OUT: ROOM,
    _HANGUP: END | BROKEN,
    _ERR: BROKEN | selecting.CONNECT_FAILED,
}
_BY_CALL = {c.FD_READ: _IN, c.FD_ACCEPT: _IN, c.FD_WRITE: _OUT}


class Registration:
    """One socket at one port.

    Parameters:
        look: gives what a socket shows, in its mailbox; observe: asks to be told, in its mailbox.
    """

    __slots__ = (
        "_edge",
        "_enabled",
        "_filter",
        "_fresh",
        "_held",
        "_look",
        "_observe",
        "_observer",
        "_once",
        "_queued",
        "entry",
        "key",
        "port",
        "removing",
    )  # fmt: skip

    def __init__(
        self,
        entry: SocketEntry,
        port: CompletionPort,
        key: int,
        look: Callable[[SocketEntry], int],
        observe: Callable[[SocketEntry, Observer, int], None],
    ) -> None:
        self.entry = entry
        self.port = port
        self.key = key
        self._look = look
        self._observe = observe
        self._observer = Observer(self.look)
        self._filter = 0
        self._once = self._edge = self._enabled = self._queued = False
        self.removing = False  # it is over as soon as somebody has been told so
        self._held = 0  # edge: what was so when somebody last looked
        self._fresh = 0  # edge: what has become so since the last packet was taken

    @property
    def edge(self) -> bool:
        """Whether calls on the socket have to be told to `reenable`."""
        return self._edge and self._enabled

    def enable(self, wanted: int, trigger: int) -> None:
        """Tell of these events from now on."""
        self._filter = wanted | _ERR
        self._once = bool(trigger & c.SOCK_NOTIFY_TRIGGER_ONESHOT)
        self._edge = bool(trigger & c.SOCK_NOTIFY_TRIGGER_EDGE)
        self._fresh = 0
        self._held = self._events() if self._edge else 0
        self._enabled = True
        self.look()

    def disable(self) -> None:
        """Tell of nothing until it is enabled again."""
        self._enabled = False
        self._observe(self.entry, self._observer, 0)

    def remove(self) -> None:
        """Tell of nothing any more, but of that."""
        self.disable()
        if not self.removing:
            self.removing = True
            self.port.post_live(LivePacket(self.key, make_up=self._removed))

    def look(self) -> None:
        """Something may have changed."""
        if not self._enabled:
            return
        events = self._events()
        if self._edge:
            self._fresh |= events & ~self._held
            self._held = events
            if self._fresh:
                self._queue()
        elif events:
            self._queue()
            return
        self._wait()

    def reenable(self, calls: int) -> None:
        """A call of these families (FD_ bits) was made (rule 3)."""
        for call, event in _BY_CALL.items():
            if calls & call:
                self._held &= ~event
        self.look()

    def _events(self) -> int:
        shown = self._look(self.entry)
        if shown & selecting.CLOSED:
            self._enabled = False
            return 0
        return sum(event for event, bits in _SHOWN.items() if shown & bits and event & self._filter)

    def _wait(self) -> None:
        if self._enabled:
            known = self._held if self._edge else 0
            wanted = [bits for event, bits in _SHOWN.items() if event & self._filter and not event & known]
            self._observe(self.entry, self._observer, _union(wanted))

    def _queue(self) -> None:
        if not self._queued:
            self._queued = True
            self.port.post_live(LivePacket(self.key, make_up=self._taken))

    # -- of a thread that has taken the packet ----------------------------------------------------------------------

    def _taken(self, packet: LivePacket) -> bool:
        state: Any = self.entry.state
        if state is None:  # the handle is gone
            return False
        try:
            packet.transferred = state.connection.inside(self._settle)
        except WinsockError:  # from inside the connection's own layer, which can only look when it has gone on
            state.connection.mailbox.post(self._settle_later)
            return False
        return bool(packet.transferred)

    def _settle_later(self) -> None:
        self._queued = False
        self.look()

    def _removed(self, packet: LivePacket) -> bool:
        packet.transferred = c.SOCK_NOTIFY_EVENT_REMOVE
        state: Any = self.entry.state
        if state is not None and state.registration is self:
            state.registration = None
        return True

    def _settle(self) -> int:
        self._queued = False
        if not self._enabled:
            return 0
        events = self._events()
        if self._edge:
            self._fresh |= events & ~self._held
            self._held = events
            events, self._fresh = self._fresh, 0
        if not events:
            self._wait()
        elif self._once:
            self.disable()
        elif self._edge:
            self._wait()
        else:
            self._queue()
        return events


def _union(bits: list[int]) -> int:
    result = 0
    for one in bits:
        result |= one
    return result


def check(operation: int, wanted: int, trigger: int) -> None:
    """Refuse what makes no sense.

    Errors:
        WSAEINVAL: no such operation, event or trigger; not exactly one of edge and level; one-shot and persistent.
    """
    if operation not in (c.SOCK_NOTIFY_OP_ENABLE, c.SOCK_NOTIFY_OP_DISABLE, c.SOCK_NOTIFY_OP_REMOVE):
        raise WinsockError(WSAError.WSAEINVAL, f"operation {operation}")
    if operation != c.SOCK_NOTIFY_OP_ENABLE:
        return
    when = trigger & (c.SOCK_NOTIFY_TRIGGER_LEVEL | c.SOCK_NOTIFY_TRIGGER_EDGE)
    often = c.SOCK_NOTIFY_TRIGGER_ONESHOT | c.SOCK_NOTIFY_TRIGGER_PERSISTENT
    if when not in (c.SOCK_NOTIFY_TRIGGER_LEVEL, c.SOCK_NOTIFY_TRIGGER_EDGE) or trigger & often == often:
        raise WinsockError(WSAError.WSAEINVAL, f"trigger flags {trigger:#x}")
    if trigger & ~0x0F or wanted & ~(_IN | _OUT | _HANGUP):
        raise WinsockError(WSAError.WSAEINVAL, f"trigger flags {trigger:#x}, events {wanted:#x}")
