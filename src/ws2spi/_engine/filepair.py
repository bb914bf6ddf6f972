"""A descriptor that anybody may read and write, in front of something that is no descriptor.

The client's end of a socket pair is the handle; the hidden end is ours, one more client of what lies behind (`Behind`:
a connection, or a provider's table). Whoever uses WSA calls goes straight to it; whoever uses the handle as a file pays
for the way through the pair.

Rule 1, writes: what foreign code writes is moved into a send, one piece at a time. A straight send first moves what
        waits in the hidden end; one mover at a time is between taking bytes and queuing them; else it overtakes.
        A close goes behind them, too: a provider that aborts what is pending is closed when they are through.
Rule 2, reads: the kernel does not say that a reader is blocked. Every SWEEP seconds handles are looked at that have
        data behind them and for which no straight receive was made in that time; one buffer is moved into the pair. If
        foreign code takes it, the next one follows at once; a straight receive puts an end to that, and drains the pair
        first.
Rule 3, ends: the end of the stream is a shutdown of the hidden end, never a close: a forked child may hold a copy. A
        reset is one byte left unread in the hidden end when it closes. A hang-up of the hidden end means that the last
        copy of the handle is gone; only then is what lies behind told (`on_gone`).
Rule 4, identity: a handle is (number, inode). Nothing is read from or closed under a number whose inode differs.
Rule 5, the hidden end's own number: it may be a stranger's from the moment it is closed, so watching it anew and
        closing it exclude each other, and an event of the engine's is only a hint that it had news.

Why one file: writes, reads and ends of a handle share its mover, its identity and its hidden end; whoever changes one
rule must have the others before them.
"""

import _socket
import fcntl
import os
import select
import socket
import sys
import termios
import time
from _thread import allocate_lock, get_ident
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine import lingering
from ws2spi._engine.descriptors import inode_of, number_of, shown_events, write_now
from ws2spi._engine.epoll import Engine
from ws2spi._engine.hand import hand
from ws2spi._engine.sweeper import SWEEP, sweeper_of
from ws2spi._executive import threads

PULL = 32768  # bytes per move to a foreign reader: always fits into an empty pair
PUSH = 65536
MAX_DATAGRAM = 65536

_SEND = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
_CREDENTIALS = socket.CMSG_SPACE(12)  # sizeof(struct ucred)
_EVENTS = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET


class Behind(Protocol):
    """What a pair stands in front of."""

    def submit_send(self, data: bytes, done: Callable[[Any], object]) -> Any: ...
    def submit_recv(self, size: int, done: Callable[[Any], object]) -> Any: ...
    def submit_shutdown(self, how: int, done: Callable[[Any], object]) -> Any: ...
    def cancel(self, request: Any) -> None: ...
    def descriptor(self) -> int:
        """A descriptor that shows input when there may be something to receive; -1 if there is none."""
        ...

    # One that cannot withdraw a receive has `has_input() -> bool`: whether one would end at once.


class FilePair:
    """One handle. Methods may be called from any thread.

    Attributes:
        number: the client's descriptor; inode: its identity.
        behind: what it stands in front of, None until `attach`.
        on_gone: called once when the last copy of the handle is closed.
        receivable: whether what lies behind is in a state to be received from: connected, and no listener. A descriptor
            shows input in other states, too.
    """

    __slots__ = (
        "_asked",
        "_at_end",
        "_ended",
        "_engine",
        "_enqueue",
        "_gone",
        "_hidden",
        "_late",
        "_leaving",
        "_missed",
        "_moved",
        "_mover",
        "_nonblocking",
        "_on_sent",
        "_over",
        "_pull",
        "_pulled",
        "_pushing",
        "_resetting",
        "_serving",
        "_told",
        "_waiting",
        "_watched",
        "_watching",
        "behind",
        "given_out",
        "inode",
        "number",
        "on_gone",
        "quiet",
        "receivable",
        "shut_receive",
        "stream",
    )

    def __init__(self, engine: Engine, stream: bool) -> None:
        """Raises OSError when there are no descriptors left."""
        # Datagrams go through SEQPACKET: of a DGRAM pair the kernel never says that the other end is gone.
        kind = socket.SOCK_STREAM if stream else socket.SOCK_SEQPACKET
        # The C class: half the price of `socket.socketpair`, and nothing here misses the rest.
        client, self._hidden = _socket.socketpair(socket.AF_UNIX, kind)
        self.number = client.detach()
        self.inode = os.fstat(self.number).st_ino
        self.stream = stream
        if not stream:
            # Every datagram then comes with its sender's credentials, and the end without: so an empty one is no end.
            self._hidden.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.on_gone: Callable[[], object] | None = None
        self.receivable: Callable[[], bool] = _always
        self._engine = engine
        self.behind: Behind | None = None
        self._enqueue: Callable[..., Any] | None = None
        self._mover: dict[int, int] = {}  # rule 1: who is between taking bytes and queuing them, as `Mailbox.occupant`
        self._missed = False  # somebody came meanwhile, and left the rest to the mover
        self._pushing: deque[int] = deque()  # sizes of the foreign pieces on their way through
        self._on_sent: deque[Callable[[], object]] = deque()  # who is told, once, when they have come through
        self.given_out = False  # a client has the handle; else a layer above does, which receives through the table
        self.shut_receive = False  # the client has shut down receiving: nothing more is moved for foreign readers
        self.quiet: set[object] = set()  # who asks what lies behind whether it is ready: nothing is moved on suspicion
        self._nonblocking = False
        self._ended = False  # foreign code has shut down its writing side
        self._at_end = False  # a receive for foreign readers has seen the end of the stream: there is no more to come
        self._pull: Any = None  # the receive made for foreign readers
        self._pulled = False  # bytes may wait in the pair
        self._moved: deque[tuple[int, Any]] = deque()  # (length, sender) of datagrams that may wait in the pair
        self._serving = False  # foreign code took the last buffer: the next one goes without waiting for the sweep
        self._asked = engine.now()
        self._late: WinsockError | None = None  # met by a receive for foreign readers, to be told to a straight one
        self._waiting: list[threads.Thread] = []
        self._watched = -1
        self._gone = False
        self._told = False  # what lies behind knows that the last copy is gone
        self._leaving = allocate_lock()  # taken once, by who notices first that the last copy is gone
        self._watching = allocate_lock()  # rule 5; kept by who closes the hidden end
        self._over = False  # the hidden end is to be closed
        self._resetting = False  # with a reset

    @property
    def nonblocking(self) -> bool:
        """The client's mode: a straight send that cannot go at once moves nothing either, and a file's reader and
        writer meet the same.
        """
        return self._nonblocking

    @nonblocking.setter
    def nonblocking(self, nonblocking: bool) -> None:
        self._nonblocking = nonblocking
        try:
            if self.is_mine(self.number):
                os.set_blocking(self.number, not nonblocking)
        except OSError:  # another thread has just closed it
            pass

    # -- life ------------------------------------------------------------------------------------------------------

    def attach(self, behind: Behind) -> None:
        """Say what lies behind; from here on bytes move."""
        self.behind = behind
        self._enqueue = getattr(behind, "enqueue_send", None)
        self._engine.watch(self._hidden.fileno(), _EVENTS, self._stirred)
        self._watched = behind.descriptor()
        sweeper_of(self._engine).add(self, self._watched)

    def replace(self, behind: Behind) -> None:
        """Something else lies behind from here on; what lay there before is idle."""
        sweeper_of(self._engine).remove(self, self._watched)
        self.shut_receive = False
        self.attach(behind)

    def close(self) -> bool:
        """Close the client's end, if it still is ours. Returns whether that was its last copy."""
        number, self.number = self.number, -1
        if self.behind is None:
            self._close_number(number)
            self._discard()
            return True
        if self._closed_unwatched(number):
            lingering.begin(self)  # what was written before the end may be on its way
            self._push()
            self._hung_up()
            if self._told:  # else whoever noticed the end first, or sends the last piece, ends it
                lingering.end(self)
            return True
        return False

    def _as_socket(self) -> Iterator[_socket.socket]:
        """For `for client in …`, whose body detaches it: the client's end, without a moment in which an interrupt would
        leave an object that nobody has stored, and that closes the descriptor."""
        kind = socket.SOCK_STREAM if self.stream else socket.SOCK_SEQPACKET
        return map(_socket.socket, (socket.AF_UNIX,), (kind,), (0,), (self.number,))

    def _close_number(self, number: int) -> None:
        if number >= 0 and inode_of(number) == self.inode:
            os.close(number)

    def _closed_unwatched(self, number: int) -> bool:
        """Close the client's end and return whether that was its last copy, without the engine noticing first.

        It would end what lies behind at a time of its own, and a listener would still take connections when closesocket
        has returned.
        """
        if not self._watching.acquire(False):
            self._close_number(number)
            return bool(shown_events(self._hidden, select.POLLIN) & select.POLLHUP)
        last = False
        try:
            if not self._over:
                self._engine.unwatch(self._hidden.fileno())
            self._close_number(number)
            last = bool(shown_events(self._hidden, select.POLLIN) & select.POLLHUP)
        finally:
            if not last and not self._over:  # who asked for room meanwhile found it taken, so that is watched for, too
                self._engine.watch(self._hidden.fileno(), _EVENTS | select.EPOLLOUT, self._stirred)
            self._watching.release()
            if self._over:
                self._discard()
        return last

    def is_mine(self, number: int) -> bool:
        """Whether `number` still is this handle."""
        return number == self.number and inode_of(number) == self.inode

    def _hung_up(self) -> None:
        if self._mover:
            self._missed = True
            if self._mover:
                return  # it has bytes in its hands, and looks for the end afterwards
        if self._pushing or not self._leaving.acquire(False):
            return  # what was written before the end goes first
        self._gone = True
        on_gone, self.on_gone = self.on_gone, None
        self._discard()
        if on_gone is not None:
            on_gone()
        self._told = True
        lingering.end(self)  # what lies behind lingers by itself now

    def _discard(self) -> None:
        """Close the hidden end. Who finds it taken leaves it to whoever is there."""
        self._over = True
        if not self._watching.acquire(False):
            return
        if self.behind is not None:
            sweeper_of(self._engine).remove(self, self._watched)
            self._engine.unwatch(self._hidden.fileno())
        if self._resetting and self.is_mine(self.number):
            write_now(self.number, b"\0")  # left unread, it turns the close into a reset
        self._hidden.close()

    def _watch_for_room(self) -> None:
        """Tell `_drained` when foreign code has taken something."""
        if self._watching.acquire(False):
            if not self._over:
                self._engine.watch(self._hidden.fileno(), _EVENTS | select.EPOLLOUT, self._stirred)
            self._watching.release()
            if self._over:
                self._discard()

    # -- foreign writes --------------------------------------------------------------------------------------------

    def before_send(self, *, pending: bool = False) -> None:
        """To be called by every straight send and shutdown before it is queued (rule 1).

        Parameters:
            pending: it may wait for its turn without its caller: an overlapped send, a shutdown.
        """
        try:
            waiting = fcntl.ioctl(self._hidden, termios.FIONREAD, _NOTHING)
        except (OSError, ValueError):
            return
        if waiting != _NOTHING or self._mover:
            if self.nonblocking and not pending and self._pushing:
                # It would have to wait behind what is on its way; moving more would only fill our memory.
                raise WinsockError(WSAError.WSAEWOULDBLOCK, "foreign writes go first")
            self._push(int.from_bytes(waiting, sys.byteorder))

    def _stirred(self, events: int) -> None:
        """The hidden end has news; on the engine's thread."""
        if events & select.EPOLLIN:
            self._push()
        if events & select.EPOLLOUT:
            self._drained()
        if events & (select.EPOLLHUP | select.EPOLLERR) and shown_events(self._hidden, 0) & select.POLLHUP:
            self._hung_up()

    def settle(self) -> None:
        """Move all that foreign code has written so far: its writer, or the process, is about to end."""
        try:
            waiting = fcntl.ioctl(self._hidden, termios.FIONREAD, _NOTHING)
            if waiting != _NOTHING or self._mover:
                self._push(number_of(waiting))
        except (OSError, ValueError, WinsockError):
            pass

    def is_sending(self) -> bool:
        """Whether pieces of what foreign code wrote are on their way through."""
        return bool(self._pushing)

    def when_sent(self, call: Callable[[], object]) -> None:
        """Call `call` once, on any thread, when what is on its way has come through or failed. Writing ends here."""
        if self.is_mine(self.number):
            for client in self._as_socket():
                try:
                    client.shutdown(socket.SHUT_WR)  # whoever writes now is told, and what was moved goes on
                except OSError:
                    pass
                finally:
                    client.detach()
        self._on_sent.append(call)
        if not self._pushing:
            self._tell_sent()

    def _tell_sent(self) -> None:
        while self._on_sent:
            try:
                call = self._on_sent.popleft()
            except IndexError:  # told by another thread
                return
            call()

    def _push(self, amount: int | None = None) -> None:
        """Move what foreign code wrote.

        Parameters:
            amount: for a straight send: what was there when it came, moved without waiting for the piece before it, and
                no more, however fast foreign code writes. None, for the engine: one piece after the other.
        """
        behind = self.behind
        if behind is None:
            return
        mailbox, mover = None, self._mover
        me = get_ident()
        try:
            while mover.setdefault(0, me) is not me:
                self._missed = True
                if mover.setdefault(0, me) is me:
                    break
                if amount is None:
                    return  # whoever is there looks again afterwards
                if mover.get(0) == me:
                    raise WinsockError(WSAError.WSAEINPROGRESS, "interrupted between taking bytes and queuing them")
                time.sleep(0)  # another thread is between taking bytes and queuing them: let it
            moved = 0
            while (not self._pushing if amount is None else moved < amount) and not self._over:
                try:
                    data = self._written()
                except OSError:
                    break  # nothing there, or closed with unread bytes: then a hang-up follows
                if data is None:
                    self._end_writes(behind)
                    break
                moved += len(data) or 1
                self._pushing.append(len(data))
                if self._enqueue is None:
                    # A provider with a table of its own: its WSPSend runs here, because only its return says that the
                    # bytes are in order. A straight send from inside it is refused above.
                    behind.submit_send(data, self._pushed)
                else:
                    self._enqueue(data, self._pushed)
                    mailbox = getattr(behind, "mailbox", None)
        finally:
            try:  # without a call, see Mailbox
                if mover[0] is me:
                    del mover[0]
            except KeyError:
                pass
        if mailbox is not None:
            mailbox.drain()
        if self._missed and not mover:
            self._missed = False
            self._push()
            if shown_events(self._hidden, 0) & select.POLLHUP:
                self._hung_up()

    def _written(self) -> bytes | None:
        """The next piece that foreign code wrote; None at the end."""
        if self.stream:
            return self._hidden.recv(PUSH, socket.MSG_DONTWAIT) or None
        data, credentials, _, _ = self._hidden.recvmsg(MAX_DATAGRAM, _CREDENTIALS, socket.MSG_DONTWAIT)
        return data if credentials else None

    def _pushed(self, request: Any) -> None:
        self._pushing.popleft()
        if request.error is not None:
            self.reset()
            self._tell_sent()
            return
        if not self._pushing:
            self._tell_sent()
        if self._mover.get(0) == get_ident():
            return  # a provider's WSPSend has announced its end at once: the mover is still there and goes on
        self._push()
        if self._hidden.fileno() >= 0 and shown_events(self._hidden, 0) & select.POLLHUP:
            self._hung_up()

    def _end_writes(self, behind: Behind) -> None:
        if not self._ended:
            self._ended = True
            if not shown_events(self._hidden, 0) & select.POLLHUP:
                behind.submit_shutdown(socket.SHUT_WR, _ignore)

    # -- foreign reads ---------------------------------------------------------------------------------------------

    def before_recv(self) -> None:
        """To be called by every straight receive before it is queued: foreign reading is over, for now.

        Raises WinsockError: what a datagram receive for foreign readers was told, who cannot be told of it.
        """
        self.end_foreign_reading()
        late, self._late = self._late, None
        if late is not None:
            raise late

    def end_foreign_reading(self) -> None:
        """For now; it begins again when nothing straight was received for a while, unless somebody wants it `quiet`."""
        self._asked = self._engine.now()
        self._serving = False
        if self._pull is not None:
            self._stop_pull()
        if self.behind is not None:
            sweeper = sweeper_of(self._engine)
            sweeper.asked(self)
            if self._over:  # closed meanwhile: nobody looks after it any more, so nobody would forget it
                sweeper.remove(self, self._watched)

    def waiting(self) -> int:
        """Bytes that were moved to the client's end and not read there. Empty datagrams count as nothing."""
        if not self._pulled or self.shut_receive or not self.is_mine(self.number):
            return 0
        return number_of(fcntl.ioctl(self.number, termios.FIONREAD, _NOTHING))

    def holds(self) -> bool:
        """Whether something moved may still be in the pair, so that a straight receive must `take` first."""
        if self.shut_receive:
            return False
        if self._pulled and self._pull is None and not (self.waiting() or self._moved):
            self._pulled = False
        return self._pulled

    def take(self, size: int, peek: bool = False) -> tuple[bytes, Any] | None:
        """What was moved to the client's end and not read there: comes first. None: nothing, go straight.

        Returns at most `size` bytes of a stream, and None; or a whole datagram, and its sender. The end of a stream is
        not looked for here: it is below, too, and there it can be told from a reset.
        """
        if not self.holds() or not self.is_mine(self.number):
            return None
        flags = socket.MSG_DONTWAIT | (socket.MSG_PEEK if peek else 0)
        found: tuple[bytes, Any] | None = None
        guarded = not peek and hand.takes_from(self.number)
        for client in self._as_socket():
            try:
                # The credentials of rule 1 are not asked for here, but the end and an empty datagram differ all the
                # same: behind a datagram socket there is no end.
                for data in map(client.recv, (size if self.stream else MAX_DATAGRAM,), (flags,)):
                    found = data, None
                    if guarded:
                        hand.owner, hand.held = self, [found]
                    break
            except OSError:
                if self._pull is None:
                    self._pulled = False
                    self._moved.clear()
                return None
            finally:
                client.detach()
        if found is None or self.stream:
            return found
        # Who sent it; those before it were read by foreign code, which does not say so.
        moved = self._moved
        while moved and moved[0][0] != len(found[0]):
            moved.popleft()
        if moved:
            found = found[0], moved[0][1]
            if guarded:
                hand.held = [found]
            if not peek:
                del moved[0]
        return found

    def put_back(self, held: list[Any]) -> None:
        """What `take` has given to somebody who did not get it comes first again: all that waits in the pair goes back
        to what lies behind, or, if that cannot take it, through the pair once more."""
        again = [*held]
        while self.is_mine(self.number) and (found := self.take(PULL)) is not None and (found[0] or not self.stream):
            again.append(found)
        put_back = getattr(self.behind, "put_back", None)
        if put_back is not None:
            put_back([data for data, _ in again] if self.stream else again)
        else:
            for data, sender in again:
                if not self.stream:
                    self._moved.append((len(data), sender))
                try:
                    self._hidden.send(data, _SEND)
                except OSError:
                    pass  # nobody is left to read it
            self._pulled = True
        held.clear()

    def share(self) -> None:
        """The handle was given out knowingly (a child's stdin): serve its readers at once, until a straight receive."""
        self._serving = True
        if not self._unread():
            self._start_pull()

    @property
    def can_withdraw(self) -> bool:
        """Whether a receive made for foreign readers can be taken back without loss: then it may be made on
        suspicion."""
        return self._enqueue is not None

    def worth_a_pull(self) -> bool:
        """Without a descriptor behind: whether a receive for foreign readers can be taken back, or ends at once."""
        if self._at_end:
            return False
        if self.can_withdraw:
            return self.given_out
        has_input = getattr(self.behind, "has_input", None)
        return has_input is not None and self._pull is None and self.receivable() and bool(has_input())

    def idle_since(self) -> float:
        """When the last straight receive was made, on the engine's clock."""
        return self._asked

    def sweep(self) -> None:
        """On the engine's thread: there is data behind and nobody has asked for it. Move one buffer."""
        if not self.given_out or self.quiet or self._pull is not None or self.shut_receive or self._at_end:
            return
        if self.receivable() and not self._unread():
            self._start_pull()

    def _start_pull(self) -> None:
        behind = self.behind
        if self._pull is None and behind is not None and not self._gone and not self.shut_receive:
            self._pulled = True
            self._pull = _PENDING
            request = behind.submit_recv(PULL if self.stream else MAX_DATAGRAM, self._arrived)
            if self._pull is _PENDING:
                self._pull = request
                for thread in tuple(self._waiting):  # who came in between can withdraw it now
                    thread.wake()

    def _stop_pull(self) -> None:
        """Withdraw the receive made for foreign readers; if it has its bytes, wait until they are in the pair."""
        thread = threads.current()
        self._waiting.append(thread)
        was = thread.begin_park()
        try:
            withdrawn: Any = None
            while (request := self._pull) is not None:
                if request is not _PENDING and request is not withdrawn and self.behind is not None:
                    withdrawn = request
                    self.behind.cancel(request)
                    continue
                thread.park()
        finally:
            thread.end_park(was)
            self._waiting.remove(thread)

    def _arrived(self, request: Any) -> None:
        """A receive made for foreign readers has ended."""
        error = request.error
        again = False
        if error is None:
            data, sender = (request.result, None) if self.stream else request.result
            try:
                if not self.stream:
                    self._moved.append((len(data), sender))
                if data or not self.stream:
                    self._hidden.send(data, _SEND)
                    again = True
                else:
                    self._at_end = True
                    self._hidden.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # nobody is left to read it
        elif error.code not in (WSAError.WSA_OPERATION_ABORTED, WSAError.WSAEINTR, WSAError.WSAENOTCONN):
            if self.stream:
                self.reset()
            else:
                self._late = error  # of one datagram, and no end
        self._pull = None
        # What was moved can be received by the client, too, and the connection has shown nobody that it came.
        tell = getattr(self.behind, "tell_observers", None)
        if tell is not None:
            tell()
        for thread in tuple(self._waiting):
            thread.wake()
        if again and not self._gone and not self._waiting:
            self._watch_for_room()

    def _drained(self) -> None:
        """Room in the pair: if foreign code took everything, more may come at once."""
        if self._pull is not None or self._gone or not self._pulled:
            return
        if self._unread():
            return
        if self._engine.now() - self._asked > SWEEP:
            self._serving = True
        if self._serving:
            self._start_pull()

    def _unread(self) -> int:
        """Bytes in the pair that the client's end has not read."""
        try:
            return number_of(fcntl.ioctl(self._hidden, termios.TIOCOUTQ, _NOTHING))
        except (OSError, ValueError):
            return 0

    def end_reads(self) -> None:
        """The stream has ended: foreign readers get their end."""
        try:
            self._hidden.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def reset(self) -> None:
        """Foreign users get what is in the pair, then ECONNRESET."""
        lingering.end(self)
        if self._gone or self._hidden.fileno() < 0:
            return
        if self.stream:
            self._resetting = True
            self._discard()
            return
        try:
            self._hidden.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def __repr__(self) -> str:
        state = "gone" if self._gone else "serving" if self._serving else "straight"
        return f"<FilePair {self.number} {state}>"


_PENDING = object()
_NOTHING = bytes(4)  # the int of an ioctl, 0


def _always() -> bool:
    return True


def _ignore(request: Any) -> None:
    pass
