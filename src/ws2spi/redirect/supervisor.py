"""The supervisor: answers the program's socket calls, one after the other, on one thread.

Rule 1: arguments are copied once and acted on as copied; what the program does to its memory meanwhile is without
        effect.

Rule 2: whether a call may go on to the kernel is decided by its registers and by the socket's own domain, type and
        protocol. A connect of a TCP socket never goes on: we do it.

Rule 3: every call gets an answer, whatever fails here.
"""

import errno
import os
import select
import socket
from collections.abc import Callable
from typing import Final

from ws2spi._engine import reports
from ws2spi._engine.boundary import describe
from ws2spi._engine.epoll import Engine
from ws2spi.providers.stack import Stack
from ws2spi.redirect import addresses
from ws2spi.redirect.addresses import Address
from ws2spi.redirect.attempt import Attempt
from ws2spi.redirect.desk import Desk
from ws2spi.redirect.filters import SOCKETCALL_CONNECT, transparent
from ws2spi.redirect.machine import Machine
from ws2spi.redirect.origin import Origin
from ws2spi.redirect.process import cookie_of, read, take_socket, write
from ws2spi.redirect.seccomp import Call, Listener
from ws2spi.redirect.stone import CLOSED, disconnect, nonblocking, state_of

_ABANDONED_PERIOD: Final = 1.0  # seconds between two looks for attempts whose socket the program has closed
_PEER_PATIENCE: Final = 1.0  # seconds that getpeername waits where the outcome is hidden from the program
_INTERNET: Final = (socket.AF_INET, socket.AF_INET6)


class Supervisor:
    """Serves one listener until its last process has ended and all that was sent is delivered.

    `ended()` is called then, or at once on `cut_short`.
    """

    def __init__(
        self,
        engine: Engine,
        machine: Machine,
        listener: Listener,
        stack: Stack,
        ended: Callable[[], object],
        *,
        killable: bool,
        simultaneous: bool = True,
        verbose: int = 0,
    ) -> None:
        self._desk = Desk(engine, listener, stack, killable=killable, simultaneous=simultaneous, verbose=verbose)
        self._engine = engine
        self._listener = listener
        self._machine = machine
        self._ended = ended
        self._looking = False
        self._transparent = transparent(stack)
        # {system call number: who answers it}
        self._handlers: dict[int, Callable[[Call], None]] = {
            machine.connect: self._connect,
            machine.listen: self._listen,
            machine.getpeername: self._getpeername,
            machine.getsockname: self._getsockname,
            machine.getsockopt: self._so_error,
            machine.socket: self._socket,
        }

    def start(self) -> None:
        self._engine.watch(self._listener.fd, select.EPOLLIN, self._serve)

    def cut_short(self) -> None:
        """End now: what is on its way is dropped, its connections reset."""
        for attempt in list(self._desk.attempts.values()):
            attempt.give_up()
        for relay in list(self._desk.relays):
            relay.abort()
        self._engine.unwatch(self._listener.fd)
        self._desk.meetings.close()
        self._ended()

    # -- the loop --------------------------------------------------------------------------------------------------

    def _serve(self, events: int) -> None:
        if not events & select.EPOLLIN:
            self._last_process_gone()
            return
        call = self._listener.receive()
        if call is not None:
            self._answer(call)

    def _answer(self, call: Call) -> None:
        try:
            if call.architecture != self._machine.audit:
                self._foreign(call)
            else:
                self._handlers[call.number](call)
        except OSError as error:
            self._refuse(call, error)
        except Exception as error:
            reports.report(f"unexpected: {describe(error)}")
            self._listener.answer(call.id, errno.EIO)

    def _refuse(self, call: Call, error: OSError) -> None:
        """Something on our side was in the way."""
        number = error.errno or errno.EIO
        if number in (errno.EBADF, errno.EFAULT):
            self._listener.answer(call.id, number)  # the program's own mistake
        elif number == errno.ENOTSOCK:
            self._listener.pass_on(call.id)  # the kernel says so itself
        elif number in (errno.ESRCH, errno.ENOENT):
            self._listener.answer(call.id, errno.EINTR)  # dead or dying; nobody reads this
        elif number in (errno.EPERM, errno.EACCES):
            who = Origin(call.tid)
            self._desk.say(f"may not look into {who}, so it gets no connection (see: ws2spi doctor)")
            self._listener.answer(call.id, errno.EACCES)
        else:
            self._desk.say(f"a call of {Origin(call.tid)} failed here: {error.strerror}")
            self._listener.answer(call.id, number)

    def _last_process_gone(self) -> None:
        """Nobody is under the filter any more: deliver what was sent, then end."""
        self._desk.program_gone = True
        self._engine.unwatch(self._listener.fd)
        for attempt in list(self._desk.attempts.values()):
            if not attempt.owes():
                attempt.give_up()
        for relay in list(self._desk.relays):
            relay.program_gone()
        self._end_when_idle()

    def _end_when_idle(self) -> None:
        if self._desk.relays or self._desk.attempts:
            self._engine.call_later(0.005, self._end_when_idle)
        else:
            self._desk.meetings.close()
            self._ended()

    # -- connect ---------------------------------------------------------------------------------------------------

    def _connect(self, call: Call) -> None:
        if self._transparent and not self._desk.verbose:
            self._listener.pass_on(call.id)  # no layer wants to know
            return
        sock = take_socket(call.tid, call.arguments[0])
        try:
            if sock.family not in _INTERNET or sock.type != socket.SOCK_STREAM:
                self._pass_other(call, sock)
                return
            if sock.proto != socket.IPPROTO_TCP:
                self._desk.say(f"{Origin(call.tid)} connects by protocol {sock.proto}, which has no layers: refused")
                self._listener.answer(call.id, errno.EPROTONOSUPPORT)
                return
            size = call.arguments[2] & 0xFFFFFFFF
            if size > addresses.MAX_SIZE:
                self._listener.answer(call.id, errno.EINVAL)
                return
            data = read(call.tid, call.arguments[1], size) if size else b""
            if not self._listener.valid(call.id):
                return  # it has died, and its tid may mean somebody else by now
            if self._connect_tcp(call, sock, data):
                sock = None  # type: ignore[assignment]
        finally:
            if sock is not None:
                sock.close()

    def _connect_tcp(self, call: Call, sock: socket.socket, data: bytes) -> bool:
        """Returns whether `sock` has got a new owner."""
        desk, cookie = self._desk, cookie_of(sock)
        undelivered = desk.take_undelivered(call.tid, cookie)
        if undelivered is not None:
            desk.answer(call.id, call.tid, cookie, undelivered)
            return False
        attempt = desk.attempts.get(cookie)
        if addresses.is_unspecified(data):
            if attempt is not None:
                attempt.give_up()
            desk.failures.pop(cookie)
            desk.answer(call.id, call.tid, cookie, disconnect(sock))
            return False
        if attempt is not None:
            if attempt.hides() and not os.get_blocking(sock.fileno()):
                attempt.keep_waiting(call, self._answer)
                return False
            attempt.join(call.id, call.tid, sock)
            return True
        refusal = addresses.refused(sock.family, data)
        failed = 0 if refusal else desk.failures.pop(cookie)
        if not refusal and (failed or state_of(sock) != CLOSED):
            # Connected, listening, or decided meanwhile without having been told. The kernel knows the answer and, as
            # nothing new begins here, looks at no address; but an error may have been another one than it knows.
            with nonblocking(sock):
                refusal = sock.connect_ex(("::1", 1) if sock.family == socket.AF_INET6 else ("127.0.0.1", 1))
            desk.answer(call.id, call.tid, cookie, failed or refusal)
            return False
        if refusal:
            desk.answer(call.id, call.tid, cookie, refusal)
            return False
        if self._transparent:
            desk.say(f"{Origin(call.tid)} connects to {addresses.show(addresses.unpack(data))}, through no layer")
            self._listener.pass_on(call.id)
            return False
        mapped = addresses.is_mapped(sock.family, data)
        attempt = Attempt(desk, call.tid, call.arguments[0], sock, cookie, addresses.unpack(data), mapped)
        try:
            attempt.begin(call.id)
        finally:
            if desk.attempts and not self._looking:
                self._looking = True
                self._engine.call_later(_ABANDONED_PERIOD, self._look_for_abandoned)
        return True

    def _look_for_abandoned(self) -> None:
        try:
            for attempt in list(self._desk.attempts.values()):
                if attempt.abandoned():
                    attempt.give_up()
        finally:
            self._looking = bool(self._desk.attempts)
            if self._looking:
                self._engine.call_later(_ABANDONED_PERIOD, self._look_for_abandoned)

    def _pass_other(self, call: Call, sock: socket.socket) -> None:
        """Datagrams, AF_UNIX and the like pass; -v names them."""
        if self._desk.verbose:
            size = min(call.arguments[2] & 0xFFFFFFFF, addresses.MAX_SIZE)
            self._name_other(call, sock, read(call.tid, call.arguments[1], size) if size else b"")
        self._listener.pass_on(call.id)

    def _name_other(self, call: Call, sock: socket.socket, data: bytes) -> None:
        who, family = Origin(call.tid), sock.family
        if family in _INTERNET:
            if not addresses.is_unspecified(data) and not addresses.refused(family, data):
                where = addresses.show(addresses.unpack(data))
                self._desk.say(f"{who} sends datagrams to {where}, which pass without layers")
        elif family == socket.AF_UNIX:
            path = data[2:].lstrip(b"\0").split(b"\0")[0].decode(errors="replace")
            self._desk.say(f"{who} connects to the local socket {path!r}, which passes without layers")
        else:
            self._desk.say(f"{who} connects a socket of family {int(family)}, which passes without layers")

    def _socket(self, call: Call) -> None:
        """Asked for with -v only, to name datagrams, whichever call sends them."""
        self._desk.say(f"{Origin(call.tid)} opens a datagram socket: what it sends passes without layers")
        self._listener.pass_on(call.id)

    def _listen(self, call: Call) -> None:
        """Asked for with -v only, to name what a server accepts."""
        with take_socket(call.tid, call.arguments[0]) as sock:
            if sock.family in _INTERNET and sock.type == socket.SOCK_STREAM:
                host, port = sock.getsockname()[:2]
                where = addresses.show((host, port)) if port else "a port that the kernel chooses"
                self._desk.say(f"{Origin(call.tid)} listens at {where}: what it accepts passes without layers")
        self._listener.pass_on(call.id)

    def _foreign(self, call: Call) -> None:
        """A 32-bit program: its calls have other numbers and layouts. It gets no connection, and the user is told."""
        compat = self._machine.compat
        if call.number == compat.connect or (
            call.number == compat.socketcall and call.arguments[0] == SOCKETCALL_CONNECT
        ):
            self._desk.say(f"{Origin(call.tid)} is a 32-bit program, which cannot be redirected: it gets no connection")
        self._listener.answer(call.id, errno.EACCES)

    # -- what the program is told about its sockets ----------------------------------------------------------------

    def _getpeername(self, call: Call) -> None:
        with take_socket(call.tid, call.arguments[0]) as sock:
            cookie = cookie_of(sock)
            attempt = self._desk.attempts.get(cookie)
            if attempt is not None and attempt.hides():
                # After poll's word some programs ask this to learn the outcome; others just want to show a socket, and
                # natively hear ENOTCONN (Python on its way out, of a socket that was not closed).
                if attempt.waits:
                    self._listener.answer(call.id, errno.ENOTCONN)
                else:
                    attempt.keep_waiting(call, self._answer, _PEER_PATIENCE, errno.ENOTCONN)
                return
            names = self._desk.names.get(cookie) if sock.family in _INTERNET else None
            if names is None or names.peer is None or not _has_peer(sock):
                self._listener.pass_on(call.id)
                return
            self._tell_name(call, sock, names.peer)

    def _getsockname(self, call: Call) -> None:
        with take_socket(call.tid, call.arguments[0]) as sock:
            names = self._desk.names.get(cookie_of(sock)) if sock.family in _INTERNET else None
            if names is None or names.local is None:
                self._listener.pass_on(call.id)
                return
            self._tell_name(call, sock, names.local)

    def _tell_name(self, call: Call, sock: socket.socket, address: Address) -> None:
        """What getpeername(2) and getsockname(2) do with the caller's buffer: cut to its size, tell the full size."""
        _, buffer, length = call.arguments[:3]
        room = int.from_bytes(read(call.tid, length, 4), "little", signed=True)
        if room < 0:
            self._listener.answer(call.id, errno.EINVAL)
            return
        data = addresses.pack(sock.family, address)
        if not self._listener.valid(call.id):
            return
        if room:
            write(call.tid, buffer, data[:room])
        write(call.tid, length, len(data).to_bytes(4, "little"))
        self._listener.answer(call.id)

    def _so_error(self, call: Call) -> None:
        with take_socket(call.tid, call.arguments[0]) as sock:
            if sock.family not in _INTERNET or sock.type != socket.SOCK_STREAM:
                self._listener.pass_on(call.id)
                return
            cookie = cookie_of(sock)
            attempt = self._desk.attempts.get(cookie)
            if attempt is not None and attempt.hides():
                attempt.keep_waiting(call, self._answer)
                return
            error = self._desk.failures.get(cookie) or (attempt.take_error() if attempt is not None else 0)
            if not error:
                self._listener.pass_on(call.id)
                return
            if self._tell_error(call, error) and self._desk.failures.pop(cookie) is not None:
                sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # told once, as by the kernel

    def _tell_error(self, call: Call, error: int) -> bool:
        """Returns whether it was heard."""
        _, _, _, buffer, length = call.arguments[:5]
        room = int.from_bytes(read(call.tid, length, 4), "little", signed=True)
        if room < 0:
            self._listener.answer(call.id, errno.EINVAL)
            return False
        if not self._listener.valid(call.id):
            return False
        data = error.to_bytes(4, "little")[:room]
        if data:
            write(call.tid, buffer, data)
        write(call.tid, length, len(data).to_bytes(4, "little"))
        return self._listener.answer(call.id)


def _has_peer(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True
