"""The bottom of a connection attempt: the program's own socket, or one of ours that stands for it.

Which of the two it is may turn out late. A layer that decides at once lets the program's own socket connect, and
after that we are out of the way. A layer that thinks first, under a program that will not wait, needs a socket of
ours: the program's own is kept in SYN_SENT meanwhile (`stone`). So an attempt begins with the program's socket and
changes to one of ours if `connect` has not come through the layers when the program must have its answer.
"""

import errno
import os
import socket

from ws2spi._engine.operations import park
from ws2spi._engine.transport import Address, SocketTransport, winsock_error
from ws2spi.redirect.outgoing import Outgoing, bind
from ws2spi.redirect.stone import CLOSED, SO_LINGER_ORDERLY, SO_LINGER_RESET, SYN_SENT, came_about, state_of

_RECV = socket.MSG_DONTWAIT


class StreamTransport(SocketTransport):
    """A stream that knows when it has been read empty.

    Who has got less than it asked for would get "try again" next: waiting at once saves that call, and the engine looks
    before it sleeps.
    """

    __slots__ = ("_emptied",)

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._emptied = False

    async def recv(self, size: int) -> bytes:
        turn = self._receiving
        if turn.taken:
            await turn.join(self._owner())
        turn.taken = True
        try:
            if self._emptied:
                await park(self.read)
            while True:
                try:
                    data = self._recv(size, _RECV) or self._end(size)
                except BlockingIOError:
                    await park(self.read)
                else:
                    self._emptied = len(data) < size
                    return data
        except OSError as error:
            raise self._failed(error, "recv") from None
        finally:
            if turn.waiting:
                turn.leave()
            else:
                turn.taken = False


class OwnTransport(StreamTransport):
    """A socket of ours. Its end is a reset from birth, and orderly only if it is closed in order.

    So whatever ends this process, the peer is never told that all was said when it was not.
    """

    __slots__ = ("_abortive", "family", "outgoing")

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._abortive = False
        self.outgoing: Outgoing | None = None
        self.family: int = sock.family
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, SO_LINGER_RESET)

    async def connect(self, address: Address) -> None:
        wanted = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        if wanted != self.family:
            # A layer leads an IPv6 program to an IPv4 proxy, or the other way round.
            try:
                lower = make_lower(wanted, self.outgoing)
            except OSError as failure:
                raise winsock_error(failure, "connect") from None
            self._change(lower)
        error = self.sock.connect_ex(address)
        if error == errno.ECONNABORTED:
            error = self.sock.connect_ex(address)  # after an attempt that failed the kernel says so once
        if error == errno.EINPROGRESS and came_about(state_of(self.sock)):
            return  # on the loopback it is there already
        while error == errno.EINPROGRESS:
            await park(self.write)
            error = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if not error and state_of(self.sock) == SYN_SENT:
                error = errno.EINPROGRESS  # resumed early
        if error:
            raise winsock_error(OSError(error, os.strerror(error)), "connect")

    def make_abortive(self) -> None:
        self._abortive = True

    def close_now(self) -> None:
        if not self.closed and not self._abortive:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, SO_LINGER_ORDERLY)
        super().close_now()

    def _change(self, sock: socket.socket) -> None:
        """Stand on `sock` from now on; only while nothing waits for the old one."""
        self.sock.close()
        self.sock, self.fd, self.family = sock, sock.fileno(), sock.family
        self._recv, self._send = sock.recv, sock.send
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, SO_LINGER_RESET)


class BorrowedTransport(OwnTransport):
    """A duplicate of the program's own socket, until `replace` puts one of ours in its place.

    Attributes:
        answer: what connect() on the program's socket returned (an errno or 0), None while it has not been called.
        asked: where the layers wanted to go.
        error: why the connect failed, once that is known.
        settled: whether `settle` has been done.
        told: whether the program has had it from SO_ERROR.
    """

    __slots__ = ("answer", "asked", "borrowed", "error", "settled", "told")

    def __init__(self, sock: socket.socket) -> None:
        StreamTransport.__init__(self, sock)  # the program's SO_LINGER is its own business
        self._abortive = False
        self.outgoing = None
        self.family = sock.family
        self.borrowed = True
        self.answer: int | None = None
        self.asked: Address = ()
        self.error = 0
        self.settled = False
        self.told = False

    def replace(self, sock: socket.socket) -> None:
        """Let the layers connect `sock` instead. The program's socket is closed here, not there."""
        assert self.answer is None
        self.borrowed = False
        self._change(sock)

    async def connect(self, address: Address) -> None:
        if not self.borrowed:
            await super().connect(address)
            return
        self.asked = address
        descriptor = self.fd
        waits = os.get_blocking(descriptor)
        if waits:
            os.set_blocking(descriptor, False)
        self.answer = self.sock.connect_ex(self._spelled(address))
        if self.answer not in (0, errno.EINPROGRESS):
            self.error = self.answer
        elif waits and came_about(state_of(self.sock)):
            # On the loopback it is there already, and the next call can be made while O_NONBLOCK is set anyway.
            self.settled = True
            self.error = settle(self.sock)
        if waits:
            os.set_blocking(descriptor, True)
        while not self.error and not came_about(state := state_of(self.sock)):
            if self.take_error():
                break
            if state == CLOSED:
                # Connected at once, and ended since: what the program does next will find out. Else another thread of
                # the program has put an end to the attempt, and has had the error.
                self.error = 0 if self.answer == 0 else errno.ECONNABORTED
                break
            await park(self.write)
        if self.error:
            raise winsock_error(OSError(self.error, os.strerror(self.error)), "connect")

    def take_error(self) -> int:
        """SO_ERROR, which the kernel tells once: kept for whoever asks second, the layers or the program."""
        error = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self.error = self.error or error
        return error

    def make_abortive(self) -> None:
        if not self.borrowed:
            super().make_abortive()

    def let_go(self) -> None:
        """The program's socket is connected; nobody here needs it, or the connection, any more."""
        SocketTransport.close_now(self)
        # What refers to each other waits for the collector, and 50 objects for each connect make it work.
        self.connection = None

    def close_now(self) -> None:
        if self.borrowed:
            SocketTransport.close_now(self)  # only our duplicate
        else:
            super().close_now()

    def _spelled(self, address: Address) -> Address:
        """The address as the program's socket must have it: an IPv6 socket reaches an IPv4 host v4-mapped."""
        six = ":" in address[0]
        if not six and self.family == socket.AF_INET6:
            return f"::ffff:{address[0]}", address[1]
        if six and self.family == socket.AF_INET:
            raise winsock_error(OSError(errno.EAFNOSUPPORT, ""), "an IPv4 socket cannot connect to an IPv6 address")
        return address


def settle(sock: socket.socket) -> int:
    """Leave a connected socket as a connect() that waited leaves it: a further one gets EISCONN.

    The kernel comes to that state when it is asked again, with O_NONBLOCK set. Returns 0, or an errno: the connection
    has been reset meanwhile, and that is told only once, so connect() has to say it, as the kernel's own might.
    """
    error = sock.connect_ex(("::1", 1) if sock.family == socket.AF_INET6 else ("127.0.0.1", 1))
    return 0 if error == errno.EISCONN else error


def make_lower(family: int, outgoing: Outgoing | None = None, host: str = "") -> socket.socket:
    """A socket of ours for the lower side of a relay, with what the program's asks of its way out.

    Parameters:
        host: the source address to bind to, if it is of this family.
    Errors:
        OSError: also CannotCarryError.
    """
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if outgoing is not None:
            outgoing.apply(sock)
        if host and (":" in host) == (family == socket.AF_INET6):
            bind(sock, host)
    except OSError:
        sock.close()
        raise
    return sock
