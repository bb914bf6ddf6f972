"""What a socket shows to select, WSAPoll and network events: the connection's answer, in the light of Winsock's states.

The bits are those of `_engine.observing`. A descriptor shows things in states in which Winsock shows none: Linux calls
an unconnected stream hung up and writable.
"""

from ws2spi._engine.driving import Observer
from ws2spi._engine.observing import BROKEN, DATA, END, OTHER, ROOM, URGENT
from ws2spi._runtime import selecting
from ws2spi._runtime.sockets import SocketEntry
from ws2spi.providers.socket_state import Socket

ARRIVING = DATA | END | BROKEN  # a receive would end at once


def shown(entry: SocketEntry) -> int:
    """In the mailbox of the socket's connection: what the socket shows now."""
    state: Socket = entry.state
    if state.stream and not (state.connected or state.listening):
        return 0
    bits = state.connection.shown_inside()
    if state.deferred:
        bits |= DATA
    if entry.pair is not None and not state.listening and entry.pair.waiting():
        bits |= DATA  # moved for foreign readers, who have not read it
    return bits


def urgent(entry: SocketEntry, bits: int) -> bool:
    """Whether there is out-of-band data to be received apart from the stream (SO_OOBINLINE is off)."""
    return bool(bits & URGENT) and not entry.state.connection.transport.urgent_inline()


def to_wait_for(entry: SocketEntry, bits: int, wanted: int) -> int:
    """Of what is `wanted`, what can come while the socket shows `bits`; the owner's news always can.

    What is shown already, or shows as something that is, must not be waited for: it would come at once, for ever.
    """
    state: Socket = entry.state
    if state.stream and not (state.connected or state.listening):
        return OTHER
    interest = OTHER
    if not bits & (END | BROKEN):
        if not bits & DATA:
            interest |= wanted & ARRIVING
        elif state.stream:
            interest |= wanted & (END | BROKEN)
        if state.stream and not bits & URGENT:
            interest |= wanted & URGENT
    if not bits & ROOM:
        interest |= wanted & ROOM
    return interest if state.stream else interest & ~BROKEN


class Readiness:
    """What `_runtime.selecting` asks of a provider's sockets."""

    def shown(self, entry: SocketEntry, wanted: int) -> int:
        """What the socket shows now, with the bits of `_engine.observing` and those of `_runtime.selecting`.

        Parameters:
            wanted: the bits that the caller asks for; what has to be looked for is looked for.
        """
        state: Socket = entry.state
        bits: int = state.connection.inside(self._look, entry, wanted)
        return bits

    def _look(self, entry: SocketEntry, wanted: int) -> int:
        state: Socket = entry.state
        if wanted & URGENT and state.connected:
            state.connection.look_ahead()
        return self._shown(entry)

    def _shown(self, entry: SocketEntry) -> int:
        state: Socket = entry.state
        if state.closed:
            return selecting.CLOSED
        bits = shown(entry)
        if bits & URGENT and not urgent(entry, bits):
            bits &= ~URGENT
        if state.connect_failed:
            bits |= selecting.CONNECT_FAILED
        if state.shut_recv:
            bits |= selecting.RECEIVES_REFUSED
        return bits

    def observe(self, entry: SocketEntry, observer: Observer, wanted: int) -> None:
        """Have `observer` told once when one of the bits `wanted`, none of which was shown, may have come."""
        state: Socket = entry.state
        state.connection.inside(self._observe, entry, observer, wanted)

    def _observe(self, entry: SocketEntry, observer: Observer, wanted: int) -> None:
        connection = entry.state.connection
        if not wanted:
            connection.observe_inside(observer, 0)
            return
        bits = shown(entry)
        connection.observe_inside(observer, to_wait_for(entry, bits, wanted))
        if entry.state.closed or self._shown(entry) & wanted:  # it came since the caller looked
            observer.interest = 0
            observer.tell()
