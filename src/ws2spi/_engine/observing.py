"""What a connection shows now, and who wants to hear when it may show something else.

An observer takes nothing and stands in nobody's way. It says what it is interested in, is told once when that may have
come (`tell`, in the mailbox), looks again, and says anew what it is interested in. So a condition that stays true and
that nobody waits for costs nothing: only what is not shown now is ever waited for.

Where no layer answers receives, the descriptor shows what there is; else it is the inbox, the end, or the error, and
looking starts the pump. Nothing is read ahead of a receive that would not be read ahead for readiness.
"""

import select
from collections.abc import Callable
from typing import Any

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.driving import Observer
from ws2spi._engine.receiving import Receiving
from ws2spi._engine.sending import Sending
from ws2spi._engine.transport import EVERYTHING

# What a connection may show.
DATA = 1  # a receive would get bytes, a datagram or a connection
END = 2  # the stream is known to have ended; what came before the end may still be there
ROOM = 4  # a send would take something, or fail at once
URGENT = 8  # urgent data, apart from the stream
BROKEN = 16  # receiving has failed for good
OTHER = 32  # never shown: something has changed that only the connection's owner knows, or it was closed

_ENDED = select.POLLRDHUP | select.POLLHUP | select.POLLERR


class Observing(Receiving, Sending):
    """See the module's text. Methods without an underscore are for any thread; the others run in the mailbox."""

    _accepting: bool
    closed: bool
    urgent_receives: bool
    _urgent_inbox: bytes
    look_ahead: Callable[[], None]

    def shown(self) -> int:
        """What the connection shows now, as bits of DATA to BROKEN. Starts the pump if nothing is there to be received.

        Raises WinsockError WSAEINPROGRESS from inside the connection's own layer.
        """
        return int(self._inside(self.shown_inside))

    def inside(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Run `call` in the mailbox and return what it gives, for who keeps state of his own there."""
        return self._inside(call, *arguments)

    def observe(self, observer: Observer, interest: int) -> None:
        """Tell `observer` once when one of the bits of `interest` may have come; at once if one is shown already.

        A later call replaces an earlier one; 0 ends it. Any thread or handler.
        """
        self.mailbox.post(self._observe, observer, interest)

    def tell_observers(self) -> None:
        """Something has changed that only the owner knows: everybody looks again. Any thread or handler."""
        self.mailbox.post(self._tell, EVERYTHING)

    # -- in the mailbox --------------------------------------------------------------------------------------------

    def _observe(self, observer: Observer, interest: int) -> None:
        self.observe_inside(observer, interest)
        # What came since the caller looked, and what was shown then.
        if interest & ~OTHER and self.shown_inside() & observer.interest:
            observer.interest = 0
            observer.tell()

    def observe_inside(self, observer: Observer, interest: int) -> None:
        """As `observe`, for who has looked in this very visit: none of `interest` may be shown now."""
        observer.interest = interest
        if not interest:
            if observer in self._observers:
                self._observers.remove(observer)
            return
        if observer not in self._observers:
            self._observers.append(observer)
        if interest & URGENT:
            self.look_ahead()
        self._look_out()

    def shown_inside(self) -> int:
        if self.closing:
            return BROKEN | ROOM
        events = 0
        if self.transport.direct and (self.raw_recv or self.raw_send or self.urgent_receives):
            events = self.transport.shown()
        return self._receive_shown(events) | self._send_shown(events)

    def reason_inside(self) -> int:
        """The code of what broke the connection; 0 if nothing is known."""
        return int(self._recv_error.code) if self._recv_error is not None else 0

    def _receive_shown(self, events: int) -> int:
        if not self.raw_recv:
            self.start_pump_unasked()
        shown = BROKEN if self._recv_error is not None else 0
        if self._inbox or self._late_error is not None:
            shown |= DATA
        if self._ended:
            shown |= END
        if self.urgent_receives and (events & select.POLLPRI or self._urgent_inbox):
            shown |= URGENT
        if shown & BROKEN or not self.raw_recv:
            return shown
        if self._connecting:
            return shown
        if not self.transport.stream or self._accepting:
            return shown | (DATA if events & (select.POLLIN | select.POLLERR) else 0)
        if events & _ENDED or events & select.POLLIN:
            shown |= self._stream_shown(events)
        return shown

    def _stream_shown(self, events: int) -> int:
        """What the descriptor of a stream has: poll calls data, the end and a reset alike input."""
        if self.transport.pending_bytes():
            shown = DATA
            if events & select.POLLERR:
                return shown | BROKEN  # what came before it can still be read, and the reader hears why
            return shown | (END if events & select.POLLRDHUP else 0)
        if events & select.POLLRDHUP and not events & select.POLLERR and not self.transport.reset:
            return END
        try:
            return DATA if self._raw(self.transport.recv_now, 1, True) else END
        except WinsockError as error:
            return 0 if error.code == WSAError.WSAEWOULDBLOCK else BROKEN

    def _send_shown(self, events: int) -> int:
        if self._send_error is not None:
            return ROOM
        if self._sends:
            return 0
        if not self.raw_send or events & (select.POLLOUT | select.POLLERR | select.POLLHUP):
            return ROOM
        return 0

    def _look_out(self) -> None:
        """Have the engine watch the descriptor for what observers wait for and only it can tell."""
        transport = self.transport
        if self.closing or not transport.direct:
            return
        interest = 0
        for observer in self._observers:
            interest |= observer.interest
        events = 0
        if self.raw_recv:
            if interest & DATA:
                events |= select.EPOLLIN | select.EPOLLRDHUP
            elif interest & END:
                events |= select.EPOLLRDHUP
            if interest & BROKEN:
                events |= select.EPOLLERR
        if interest & URGENT and self.urgent_receives:
            transport.saves_urgent = True
            events |= select.EPOLLPRI
        if interest & ROOM and self.raw_send and not self._sends:
            events |= select.EPOLLOUT
        transport.watched = events
        if events:
            self._arm(transport)
