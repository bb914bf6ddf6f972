"""The network events of a socket: what WSPEventSelect and WSPAsyncSelect have in common, and the calls themselves.

Rule 1: everything below changes in the mailbox of the socket's connection, so copying the record, clearing it and
        resetting the event are one step that no event can come between.
Rule 2: a bit that was told is told again only after a call of its family (`reenable`), and then only if the condition
        holds: FD_READ, FD_OOB and FD_ACCEPT by any call, FD_WRITE by a send that ended with WSAEWOULDBLOCK, FD_CONNECT
        by a new connect, FD_CLOSE never.
Rule 3: the connection is asked to tell only what is enabled and not so already, so a condition that stays true and
        that nobody re-enables costs nothing.
Rule 4: nothing of the client's runs here: an event is set, or a message is put into a queue.
"""

from collections.abc import Callable

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.driving import Observer
from ws2spi._engine.observing import BROKEN, DATA, END, ROOM, URGENT
from ws2spi._executive.events import Event
from ws2spi._executive.ports import CompletionPort
from ws2spi._runtime import upcalls
from ws2spi._runtime.sockets import SocketEntry
from ws2spi.providers import base_handles, compounds, notifications, readiness
from ws2spi.providers.socket_state import Socket

_BITS = (  # in the order in which those that come together are told
    c.FD_CONNECT,
    c.FD_WRITE,
    c.FD_OOB,
    c.FD_READ,
    c.FD_ACCEPT,
    c.FD_CLOSE,
    c.FD_QOS,
    c.FD_GROUP_QOS,
    c.FD_ROUTING_INTERFACE_CHANGE,
    c.FD_ADDRESS_LIST_CHANGE,
)
# Told only when the provider says so (`happened`), after the control code that asks for it.
_ON_REQUEST = c.FD_QOS | c.FD_GROUP_QOS | c.FD_ROUTING_INTERFACE_CHANGE | c.FD_ADDRESS_LIST_CHANGE
_CLOSE_CODES = (WSAError.WSAECONNRESET, WSAError.WSAECONNABORTED, WSAError.WSAENETDOWN)

Tell = Callable[[SocketEntry, int, int], object]  # (socket, event, error code)


class Selection:
    """What one socket has selected, from the call to the next one, or to its end.

    Parameters:
        mask: the events; 0 for a socket whose calls are only told to a registration (`notifications`).
        tell: is given each event, in the mailbox.
    Attributes:
        record: the events that were told and not yet enumerated; codes: the error code of each.
    """

    __slots__ = ("_enabled", "_observer", "_outcome", "codes", "entry", "mask", "record", "tell")

    def __init__(self, entry: SocketEntry, mask: int, tell: Tell) -> None:
        self.entry = entry
        self.mask = mask
        self.tell: Tell | None = tell
        self.record = 0
        self.codes: dict[int, int] = {}  # {event: code}
        self._enabled = mask & ~_ON_REQUEST
        self._observer = Observer(self.look)
        state: Socket = entry.state
        # How the last connect ended, until it is told: a connection that is there already counts.
        self._outcome: int | None = 0 if state.connected and not state.accepted else None

    # -- in the mailbox --------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Tell what is enabled and so, and wait for the rest."""
        if self.tell is None:
            return
        state: Socket = self.entry.state
        if self._outcome is not None and self._enabled & c.FD_CONNECT:
            code, self._outcome = self._outcome, None
            self._happened(c.FD_CONNECT, code)
        if self._enabled & c.FD_OOB and state.connected:
            state.connection.look_ahead()  # before a receive of the stream can pass it
        shown = readiness.shown(self.entry)
        if self._enabled & c.FD_WRITE and shown & ROOM and self._may_write(state):
            self._happened(c.FD_WRITE, 0)
        if self._enabled & c.FD_OOB and readiness.urgent(self.entry, shown):
            self._happened(c.FD_OOB, 0)
        if shown & DATA and not state.shut_recv:
            arrived = self._enabled & (c.FD_ACCEPT if state.listening else c.FD_READ)
            if arrived:
                self._happened(arrived, 0)
        if self._enabled & c.FD_CLOSE and state.connected and state.stream:
            self._look_for_the_end(state, shown)
        self._wait(state, shown)

    def _look_for_the_end(self, state: Socket, shown: int) -> None:
        if shown & BROKEN:
            code = state.connection.reason_inside() or WSAError.WSAECONNRESET
            self._happened(c.FD_CLOSE, code if code in _CLOSE_CODES else WSAError.WSAECONNABORTED)
        elif shown & END and (state.shut_recv or not shown & DATA):
            self._happened(c.FD_CLOSE, 0)

    def _wait(self, state: Socket, shown: int) -> None:
        enabled, wanted = self._enabled, 0
        if enabled & (c.FD_ACCEPT if state.listening else c.FD_READ) and not state.shut_recv:
            wanted |= DATA
        if enabled & c.FD_CLOSE and not state.listening:
            wanted |= END | BROKEN
        if enabled & c.FD_WRITE and self._may_write(state):
            wanted |= ROOM
        if enabled & c.FD_OOB:
            wanted |= URGENT
        interest = readiness.to_wait_for(self.entry, shown, wanted)
        state.connection.observe_inside(self._observer, interest)

    def _may_write(self, state: Socket) -> bool:
        """Whether the socket is in a state in which FD_WRITE can come: connected, or a bound datagram socket."""
        if state.stream:
            return state.connected and not state.shut_send
        return state.connected or state.connection.transport.bound()

    def _happened(self, event: int, code: int) -> None:
        self._enabled &= ~event
        self.record |= event
        self.codes[event] = int(code)
        tell = self.tell  # gone when closesocket was called this very moment
        if tell is not None:
            tell(self.entry, event, int(code))

    def _reenable(self, events: int) -> None:
        self._enabled |= events & self.mask
        self.look()
        registration = self.entry.state.registration
        if registration is not None and registration.edge:
            registration.reenable(events)

    def _connect_ended(self, code: int) -> None:
        self._outcome = code
        self._enabled |= self.mask & (c.FD_CONNECT | (0 if code else c.FD_WRITE))
        self.look()

    def _change(self, event: int, code: int) -> None:
        if self.tell is not None and event & self.mask & self._enabled:
            self._happened(event, code)

    def stop(self) -> None:
        """Nothing is told any more."""
        self.tell = None
        self.entry.state.connection.observe_inside(self._observer, 0)

    def take(self, event: Event | None) -> tuple[int, dict[int, int]]:
        """Give and clear the record, and reset the event that goes with it."""
        record, codes = self.record, self.codes
        self.record, self.codes = 0, {}
        if event is not None:
            event.reset()
        return record, codes

    # -- from anywhere ---------------------------------------------------------------------------------------------

    def reenable(self, events: int) -> None:
        """A call that re-enables `events` has been made; what still holds is told again."""
        self.entry.state.connection.mailbox.post(self._reenable, events)

    def connect_ended(self, code: int) -> None:
        """A connect has succeeded (0), at once or later; or one that had answered WSAEWOULDBLOCK has failed."""
        self.entry.state.connection.mailbox.post(self._connect_ended, code)

    def happened(self, event: int, code: int = 0) -> None:
        """For FD_QOS and the two changes: it happened. Told once for each `reenable` that asked for it."""
        self.entry.state.connection.mailbox.post(self._change, event, code)


class NetworkEvents(readiness.Readiness):
    """WSPEventSelect, WSPAsyncSelect and WSPEnumNetworkEvents of a `SocketProvider`."""

    set_blocking: Callable[[SocketEntry, bool], None]

    def event_select(self, entry: SocketEntry, event: Event | None, mask: int) -> None:
        """Set `event` whenever one of the events of `mask` is recorded; 0 cancels."""

        def tell(entry: SocketEntry, happened: int, code: int) -> None:
            assert event is not None
            event.set()

        if mask & c.FD_ALL_EVENTS and event is None:
            raise WinsockError(WSAError.WSAEINVAL, "no event")
        self._select(entry, mask, tell)

    def async_select(self, entry: SocketEntry, window: int, message: int, mask: int) -> None:
        """Post `message` to a window for each event of `mask`; 0 cancels, but what was posted comes."""

        def tell(entry: SocketEntry, happened: int, code: int) -> None:
            upcalls.post_message(window, message, entry.number, happened | code << 16)

        if mask & c.FD_ALL_EVENTS and not upcalls.is_window(window):
            raise WinsockError(WSAError.WSAEINVAL, f"window {window}")
        self._select(entry, mask, tell)

    def _select(self, entry: SocketEntry, mask: int, tell: Tell) -> None:
        # Unknown bits are no events (witness M22).
        mask &= c.FD_ALL_EVENTS
        state: Socket = entry.state
        self.set_blocking(entry, False)
        state.connection.inside(_replace, entry, Selection(entry, mask, tell) if mask else None)

    def enum_network_events(self, entry: SocketEntry, event: Event | None) -> tuple[int, dict[int, int]]:
        """Give and clear the record and reset `event`, in one step: (events, {event: error code})."""
        state: Socket = entry.state
        taken: tuple[int, dict[int, int]] = state.connection.inside(_take, state, event)
        return taken

    def notify(
        self, entry: SocketEntry, port: CompletionPort, key: int, operation: int, wanted: int, trigger: int
    ) -> None:
        """Do what a SOCK_NOTIFY_REGISTRATION asks for; the numbers are its members.

        Errors:
            WSAEINVAL: as `notifications.check`; the socket is registered with another port, or (but for enabling)
                with none.
        """
        notifications.check(operation, wanted, trigger)
        state: Socket = entry.state
        state.connection.inside(self._notify, entry, port, key, operation, wanted, trigger)

    def _notify(
        self, entry: SocketEntry, port: CompletionPort, key: int, operation: int, wanted: int, trigger: int
    ) -> None:
        state: Socket = entry.state
        registration = state.registration
        enabling = operation == c.SOCK_NOTIFY_OP_ENABLE
        if registration is None or (enabling and registration.removing):
            if not enabling:
                raise WinsockError(WSAError.WSAEINVAL, "not registered")
            registration = notifications.Registration(entry, port, key, self._shown, self._observe)
            state.registration = registration
        elif registration.port is not port:
            raise WinsockError(WSAError.WSAEINVAL, "registered with another port")
        if enabling:
            registration.enable(wanted, trigger)
        elif operation == c.SOCK_NOTIFY_OP_DISABLE:
            registration.disable()
        else:
            registration.remove()
        if registration.edge and state.selection is None:
            state.selection = Selection(entry, 0, _tell_nobody)  # calls are told to it, and by it to the registration

    def reenable(self, entry: SocketEntry, events: int) -> None:
        """A call of the family of `events` was made that did not reach this provider, or never will."""
        state: Socket | None = entry.state
        if state is not None and state.selection is not None:
            state.selection.reenable(events)


def _tell_nobody(entry: SocketEntry, event: int, code: int) -> None:
    pass


def _replace(entry: SocketEntry, selection: Selection | None) -> None:
    state: Socket = entry.state
    if state.selection is not None:
        state.selection.stop()
    if selection is None and state.registration is not None and state.registration.edge:
        selection = Selection(entry, 0, _tell_nobody)
    state.selection = selection
    if selection is not None:
        selection.look()


def _take(state: Socket, event: Event | None) -> tuple[int, dict[int, int]]:
    if state.selection is not None:
        return state.selection.take(event)
    if event is not None:
        event.reset()
    return 0, {}


def inherit(listener: Socket, accepted: SocketEntry) -> None:
    """An accepted socket has what its listener has selected."""
    selection = listener.selection
    if selection is not None and selection.mask and selection.tell is not None:
        state: Socket = accepted.state
        state.connection.inside(_replace, accepted, Selection(accepted, selection.mask, selection.tell))


def move(entry: SocketEntry, selection: Selection) -> None:
    """In the mailbox of the connection that is now behind a socket: it selects what the one before had selected."""
    tell, selection.tell = selection.tell, None
    if tell is not None:
        state: Socket = entry.state
        state.selection = Selection(entry, selection.mask, tell)
        state.selection.look()


def end(state: Socket) -> None:
    """The socket is being closed: nothing is told from here on, and who waits for it looks once more."""
    state.closed = True
    state.registration = None  # what it has queued will find that out
    compounds.end(state)
    base_handles.end(state)
    connection = state.connection
    for watch in tuple(state.watches):
        watch.close()
    while state.deferred:
        state.deferred.pop().abort()  # nobody is left to decide
    selection, state.selection = state.selection, None
    if selection is not None:
        selection.tell = None  # not only in its turn: whoever is in the mailbox must not tell of anything after this
        connection.mailbox.post(selection.stop)
    connection.tell_observers()
