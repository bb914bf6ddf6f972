"""One connect of one socket of the program, from its call to its outcome.

Two ways. *Borrowed*: the layers connect the program's own socket, and then are out of the way. *Held*: the
program's socket is kept in SYN_SENT (`stone`) while the layers connect one of ours; then both sides meet in a
relay. A stack that looks at bytes is always held. So is a non-blocking program under a layer that sends or receives
in its connect (the program's socket would be writable before the layer is through) or that has not reached the
bottom when the program must have its answer (its socket would look closed).

Where the kernel cannot hold a socket (`door`), a held one is connected to us at once, and what would tell the program
so is held instead: the questions.

Rule: whatever the layers do, the program hears of one outcome: a connect that waits by its answer, one that does
      not by its socket's own state, with SO_ERROR as the supervisor tells it (`Desk.failures`).
"""

import errno
import os
import select
import socket
from collections.abc import Callable
from typing import Any

from ws2spi._engine import reports
from ws2spi._engine.connection import Connection
from ws2spi._engine.operations import Request
from ws2spi.redirect.addresses import Address, show, unmapped
from ws2spi.redirect.desk import Desk, Names
from ws2spi.redirect.door import Door, unread
from ws2spi.redirect.held import Held
from ws2spi.redirect.origin import Origin
from ws2spi.redirect.outgoing import CannotCarryError, Outgoing, free_for_loopback, namespace_of
from ws2spi.redirect.process import cookie_of, find_socket, take_socket
from ws2spi.redirect.relay import Relay
from ws2spi.redirect.seccomp import Call
from ws2spi.redirect.stone import CLOSED, SYN_SENT, Stone, came_about, disconnect, nonblocking, state_of
from ws2spi.redirect.transports import BorrowedTransport, OwnTransport, make_lower, settle

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # {host: what Linux connects to instead}


class Attempt:
    """See the module's text.

    Parameters:
        number: the program's descriptor.
        sock: a duplicate of the program's socket; the attempt's own from here on.
        address: where the program wants to go.
        mapped: that is an IPv4 address on an IPv6 socket.
    """

    __slots__ = (
        "_bound_host",
        "_bound_port",
        "_calls",
        "_connection",
        "_cookie",
        "_desk",
        "_inode",
        "_local",
        "_mapped",
        "_near",
        "_number",
        "_origin",
        "_outgoing",
        "_peer",
        "_place",
        "_questions",
        "_result",
        "_sock",
        "_submitting",
        "_tid",
        "_transport",
        "waits",
    )

    def __init__(
        self, desk: Desk, tid: int, number: int, sock: socket.socket, cookie: bytes, address: Address, mapped: bool
    ) -> None:
        self._desk = desk
        self._tid = tid
        self._number = number
        self._sock: socket.socket | None = sock
        self._cookie = cookie
        self._mapped = mapped
        self._peer = unmapped(address) if mapped else address
        self._origin = Origin(tid)
        self.waits = os.get_blocking(sock.fileno())
        self._calls: list[Held] = []
        self._inode = 0
        self._place: Stone | Door | None = None  # where the program's socket is held
        self._near: socket.socket | None = None  # our end of it, once it has come through a door
        self._questions: list[tuple[Held, Callable[[], object]]] = []
        self._outgoing: Outgoing | None = None
        self._local: Address = ()
        self._bound_port = 0
        self._bound_host = ""
        self._transport: BorrowedTransport | OwnTransport | None = None
        self._connection: Connection | None = None
        self._result: int | None = None  # 0 or an errno, once the layers have said it
        self._submitting = False

    def begin(self, id_: int) -> None:
        """The call that starts the attempt."""
        desk, sock = self._desk, self._sock
        assert sock is not None
        stack = desk.stack
        first = Held(id_, self._tid, self._leave)
        if stack.ifs and (self.waits or not stack.handshakes):
            transport: BorrowedTransport | OwnTransport = BorrowedTransport(sock)
            self._sock = None  # the transport's now
        else:
            lower = self._part(sock)
            if isinstance(lower, int):
                self._drop_sock()
                desk.answer(id_, self._tid, self._cookie, lower)
                return
            transport = OwnTransport(lower)
            transport.outgoing = self._outgoing
        self._transport = transport
        desk.attempts[self._cookie] = self
        if self.waits:
            self._calls.append(first)
        self._connection = connection = stack.connection(desk.engine, transport, origin=self._origin)
        self._submitting = True
        began = desk.engine.now()
        connection.submit_connect(self._peer, self._connected)
        self._submitting = False
        desk.engine.name_hog(connection, desk.engine.now() - began)  # its first step, up to the first wait
        if desk.verbose:
            self._say_begun()
        if self._result is not None:
            self._settle(first)
        elif self.waits:
            desk.held.hold(first, transport.sock if self._sock is None else self._sock, again=False)
        else:
            self._leave_it_running(first)

    def join(self, id_: int, tid: int, sock: socket.socket) -> None:
        """Another connect on the same socket while the outcome is open. `sock` is the attempt's own from here on."""
        if not os.get_blocking(sock.fileno()):
            sock.close()
            self._desk.answer(id_, tid, self._cookie, errno.EALREADY)
            return
        held = Held(id_, tid, self._leave)
        self._calls.append(held)
        self._desk.held.hold(held, sock, again=True)
        if self._borrowed() or self._sock is not None:
            sock.close()
        else:
            self._sock = sock

    def hides(self) -> bool:
        """Whether the program's socket is connected although the layers are not, so that its questions must wait."""
        return isinstance(self._place, Door)

    def keep_waiting(self, call: Call, serve: Callable[[Call], object], seconds: float = 0, late: int = 0) -> None:
        """A question about the socket: `serve(call)` when the outcome is known; the errno `late` after `seconds`."""
        held = Held(call.id, call.tid, self._leave_question, question=True)
        self._questions.append((held, lambda: serve(call)))
        self._desk.held.watch(held, seconds, late)

    def _leave_question(self, held: Held, error: int) -> None:
        self._questions = [entry for entry in self._questions if entry[0] is not held]
        self._desk.listener.answer(held.id, error)

    def _serve_questions(self) -> None:
        questions, self._questions = self._questions, []
        for held, serve in questions:
            self._desk.held.release(held)
            serve()

    def take_error(self) -> int:
        """SO_ERROR of the program's socket, for the program, while the outcome is open."""
        transport = self._transport
        if not isinstance(transport, BorrowedTransport) or transport.told:
            return 0
        error = transport.error or transport.take_error()
        transport.told = bool(error)
        return error

    def give_up(self) -> None:
        """The program has disconnected or closed its socket, or is gone."""
        del self._desk.attempts[self._cookie]
        for held in self._calls:
            self._desk.held.release(held)
            self._desk.answer(held.id, held.tid, self._cookie, errno.ECONNABORTED)
        self._calls.clear()
        self._drop_sock()
        self._close_near()
        assert self._connection is not None
        self._connection.abort()
        self._serve_questions()

    def owes(self) -> bool:
        """Whether the program has sent something already, as it can through a door."""
        if isinstance(self._place, Door):
            self._place.serve()
        near = self._near
        return near is not None and state_of(near) != CLOSED and unread(near) > 0

    def abandoned(self) -> bool:
        """Whether the program has closed the socket of a connect that nobody waits in."""
        if self._calls or self._questions or self.owes():
            return False
        sock = self._recover()
        if sock is not None and self._sock is None:
            sock.close()
        return sock is None

    def _leave_it_running(self, first: Held) -> None:
        """The program does not wait, and the layers are not through: EINPROGRESS, and its socket must look like it."""
        refusal = self._look_connecting()
        if refusal:
            self.give_up()
            self._desk.answer(first.id, first.tid, self._cookie, refusal)
            return
        self._drop_sock()  # a duplicate of ours would keep alive what the program closes
        self._desk.answer(first.id, first.tid, self._cookie, errno.EINPROGRESS)

    def _look_connecting(self) -> int:
        """The program does not wait any more: its own socket must be in SYN_SENT. Returns 0 or the kernel's refusal.

        If the layers have not reached it yet, they get another one to connect, and this one is held.
        """
        transport = self._transport
        if not isinstance(transport, BorrowedTransport) or not transport.borrowed or transport.answer is not None:
            return 0
        lower = self._part(transport.sock)
        if isinstance(lower, int):
            return lower
        transport.replace(lower)
        transport.outgoing = self._outgoing
        return 0

    def _leave(self, held: Held, error: int) -> None:
        """A call that waited must be answered before the outcome."""
        self._calls.remove(held)
        if not self._calls:
            self._look_connecting()
            self._drop_sock()
        self._desk.answer(held.id, held.tid, self._cookie, error)

    def _part(self, sock: socket.socket) -> socket.socket | int:
        """Hold the program's socket, and make one of ours that goes out in its place; or the errno that refuses it."""
        desk = self._desk
        if namespace_of(sock) != desk.namespace:
            desk.say(f"{self._origin} is in another network namespace, from where nothing can be relayed: refused")
            return errno.ENETUNREACH
        try:
            return self._hold(sock) or self._lower(sock)
        except CannotCarryError as error:
            desk.say(f"{self._origin} asks for {error.strerror}, which a relay cannot have: refused")
        self._close_near()
        return errno.ENETUNREACH

    def _hold(self, sock: socket.socket) -> int:
        """Bring the program's socket into SYN_SENT. Returns 0, or the errno with which the kernel refuses."""
        before = sock.getsockname()
        outgoing = self._outgoing = Outgoing(sock, ":" not in self._peer[0], before[0] not in _ANY)
        if outgoing.device:
            free_for_loopback(sock, outgoing.device)
            self._desk.devices.put(self._cookie, outgoing.device)
        else:
            outgoing.device = self._desk.devices.get(self._cookie) or b""  # taken from it by an earlier attempt
        place = self._desk.meetings.for_socket(sock.family, self._mapped)
        refusal = place.hold(sock, self._mapped)
        if refusal != errno.EINPROGRESS:
            return refusal
        self._place = place
        self._local = local = sock.getsockname()
        # A port that stays was bound by the program. (One that the kernel chose for an attempt that failed is still
        # told, but a new one is chosen.) An address can be bound without a port.
        self._bound_port = local[1] if before[1] == local[1] else 0
        self._bound_host = before[0] if before[1] in (0, local[1]) and before[0] not in _ANY else ""
        self._inode = os.fstat(sock.fileno()).st_ino
        if isinstance(place, Door):
            place.expect(local, self._came)
        return 0

    def _came(self, near: socket.socket) -> None:
        """The program's socket has come through the door."""
        self._near = near
        if self._result == 0:
            self._join_sides(None, self._take_near())

    def _take_near(self) -> socket.socket:
        near, self._near = self._near, None
        assert near is not None
        return near

    def _close_near(self) -> None:
        if isinstance(self._place, Door):
            self._place.forget(self._local)
        if self._near is not None:
            self._near.close()
            self._near = None

    def _lower(self, held: socket.socket) -> socket.socket:
        """The socket with which the layers go out; bound as the program's is, but for its port, which is taken."""
        host = unmapped((self._bound_host, 0))[0]
        try:
            return make_lower(socket.AF_INET6 if ":" in self._peer[0] else socket.AF_INET, self._outgoing, host)
        except OSError:
            clear(held)
            raise

    def _borrowed(self) -> bool:
        return isinstance(self._transport, BorrowedTransport) and self._transport.borrowed

    def _recover(self) -> socket.socket | None:
        """The program's socket, wherever the program has put it; None when nobody has it any more."""
        if self._sock is not None:
            return self._sock
        for tid, number in self._places():
            try:
                sock = take_socket(tid, number)
            except OSError:
                continue
            if cookie_of(sock) == self._cookie:
                return sock
            sock.close()
        return None

    def _places(self) -> Any:
        yield self._tid, self._number
        inode = self._inode
        if not inode and self._borrowed():
            assert self._transport is not None
            inode = self._inode = os.fstat(self._transport.fd).st_ino
        found = find_socket(inode, self._origin.pid)
        if found is not None:
            yield found

    def _drop_sock(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _connected(self, request: Request) -> None:
        """The layers are through."""
        self._result = 0 if request.error is None else request.error.errno or errno.ECONNABORTED
        if not self._submitting and self._desk.attempts.get(self._cookie) is self:
            self._settle(None)

    def _settle(self, first: Held | None) -> None:
        """Tell the program. `first` is its first call if that has no answer yet."""
        if self._result:
            self._fail(first)
        elif self._borrowed():
            self._let_go(first)
        else:
            self._meet(first)

    def _let_go(self, first: Held | None) -> None:
        """The program's own socket is connected. From here on the program talks to the kernel alone."""
        transport, desk = self._transport, self._desk
        assert isinstance(transport, BorrowedTransport)
        if transport.asked[:2] != self._peer[:2]:
            desk.names.put(self._cookie, Names(self._seen_peer(), None))
        self._finish_calls(first, 0, None if transport.settled else transport.sock, transport.answer or 0)
        desk.engine.disarm(transport)
        transport.let_go()
        self._connection = self._transport = None

    def _meet(self, first: Held | None) -> None:
        """The layers are connected; now the program's socket is."""
        place = self._place
        if isinstance(place, Door):
            if self._near is None:
                self._wait_to_meet(first)
            else:
                self._join_sides(first, self._take_near())
            return
        assert place is not None
        try:
            ours = place.complete(self._local)
        except OSError as error:
            reports.report(f"cannot complete the connection of {self._origin} to {show(self._peer)}: {error.strerror}")
            self._result = errno.ECONNABORTED
            self._fail(first)
            return
        if came_about(state_of(ours)):
            self._join_sides(first, ours)
        elif state_of(ours) == SYN_SENT:
            self._wait_to_meet(first)
            self._desk.engine.watch(ours.fileno(), select.EPOLLOUT, lambda _: self._met_late(ours))
        else:
            ours.close()
            self.give_up()  # nobody is there any more
            if first is not None and not self.waits:
                self._desk.answer(first.id, first.tid, self._cookie, errno.ECONNABORTED)

    def _wait_to_meet(self, first: Held | None) -> None:
        """The machine is so busy that the loopback dropped a packet; the kernel tries again."""
        if first is not None and not self.waits:
            self._leave_it_running(first)
        elif first is not None:
            assert self._sock is not None
            self._desk.held.hold(first, self._sock, again=False)

    def _met_late(self, ours: socket.socket) -> None:
        wanted = self._desk.attempts.get(self._cookie) is self
        if wanted and state_of(ours) == SYN_SENT:
            return
        self._desk.engine.unwatch(ours.fileno())
        if wanted and came_about(state_of(ours)):
            self._join_sides(None, ours)
            return
        ours.close()
        if wanted:
            self.give_up()

    def _join_sides(self, first: Held | None, ours: socket.socket) -> None:
        desk, connection, transport = self._desk, self._connection, self._transport
        assert connection is not None
        assert transport is not None
        try:
            local = transport.sock.getsockname()
            desk.names.put(self._cookie, Names(self._seen_peer(), (local[0], self._bound_port or local[1], *local[2:])))
        except OSError:
            pass
        self._finish_calls(first, 0, self._sock, errno.EINPROGRESS)
        self._drop_sock()
        relay = Relay(desk.engine, ours, connection, desk.relays.discard)
        desk.relays.add(relay)
        relay.start()
        if desk.program_gone:
            relay.program_gone()
        self._serve_questions()

    def _fail(self, first: Held | None) -> None:
        """The layers could not connect, or would not."""
        error = self._result
        assert error
        assert self._connection is not None
        if self._borrowed():
            assert self._transport is not None
            sock: socket.socket | None = self._transport.sock
        else:
            sock = self._recover()
        if self._calls or (first is not None and not self._kernel_was_asked()):
            if sock is not None:
                clear(sock)
            self._finish_calls(first, error, None, error)
        else:
            self._fail_quietly(sock, error)
            if first is not None:
                self._desk.answer(first.id, first.tid, self._cookie, errno.EINPROGRESS)
        if sock is not None and not self._borrowed():
            sock.close()
        self._sock = None
        self._close_near()  # after the program's end, which would hear of a reset
        self._connection.close()
        self._serve_questions()

    def _kernel_was_asked(self) -> bool:
        """Whether the program's own socket has begun to connect, so that EINPROGRESS is what its call returns."""
        return isinstance(self._transport, BorrowedTransport) and self._transport.answer == errno.EINPROGRESS

    def _fail_quietly(self, sock: socket.socket | None, error: int) -> None:
        """Nobody waits in a call: the socket itself must say it."""
        del self._desk.attempts[self._cookie]
        if sock is None:
            return
        if not (isinstance(self._transport, BorrowedTransport) and self._transport.told):
            self._desk.failures.put(self._cookie, error)
        # Of the kernel's own failure there is no sign left after the layers have heard of it; so it fails once more.
        self._desk.meetings.for_socket(sock.family, self._mapped).refuse(sock, self._mapped)

    def _finish_calls(self, first: Held | None, error: int, sock: socket.socket | None, nowait: int) -> None:
        """Answer all calls that wait, and `first`, which got `nowait` if it does not wait."""
        desk = self._desk
        del desk.attempts[self._cookie]
        if self._calls and not error and sock is not None:
            with nonblocking(sock):
                error = settle(sock)
        for held in self._calls:
            desk.held.release(held)
            desk.answer(held.id, held.tid, self._cookie, error)
        self._calls.clear()
        if first is not None and not self.waits:
            desk.answer(first.id, first.tid, self._cookie, nowait)

    def _seen_peer(self) -> Address:
        host = self._peer[0]
        return (_ANY.get(host, host), *self._peer[1:])

    def _say_begun(self) -> None:
        way = "by its own socket" if self._borrowed() else "relayed"
        names = ", ".join(layer.name for layer in self._desk.stack.layers) or "no layer"
        reports.report(f"{self._origin} connects to {show(self._peer)}, {way}, through {names}")


def clear(sock: socket.socket) -> None:
    """Bring a socket back to where connect() found it, without an error that SO_ERROR would tell a second time."""
    disconnect(sock)
    sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
