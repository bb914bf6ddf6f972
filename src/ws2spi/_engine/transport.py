"""The bottom of a stack: a Linux socket whose operations are coroutines.

Rule 1: bytes move and descriptors close only inside the mailbox of the connection that owns the transport.
Rule 2: the socket's own blocking mode is the program's business and is left alone: MSG_DONTWAIT does not depend on it.
        connect() and accept() know no such flag; connect sets O_NONBLOCK for the length of one call, a listener for
        good.
Rule 3: at most one coroutine waits for each direction of a descriptor; the others queue for their turn.
Rule 4: an interrupt (`interrupts.py`) finds bytes either in the kernel or in the hands of who asked: `map` moves them,
        and what it gives is stored before any handler can run. What a torn operation had done is known: `sent` counts
        the bytes of the last send that are gone, `taken` keeps what an accept has got. So it can be begun again.

Why one file: it is one object, the whole of what the engine does with a Linux socket.
"""

import array
import errno
import fcntl
import os
import select
import socket
import struct
import termios
from typing import TYPE_CHECKING, Any

from ws2spi._abi.errors import WinsockError, WSAError, wsa_from_errno
from ws2spi._engine import asked_option
from ws2spi._engine.asked_option import AskedSize
from ws2spi._engine.datagram import Datagram
from ws2spi._engine.interrupts import raised_by_handler
from ws2spi._engine.operations import Kind, Task, Turn, Want, park

if TYPE_CHECKING:
    from ws2spi._engine.connection import Connection

Address = tuple[Any, ...]

_RECV = socket.MSG_DONTWAIT
_SEND = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
_SHOWN = select.POLLIN | select.POLLRDHUP | select.POLLOUT | select.POLLPRI
_RECV_FLAGS = (_RECV,)
_SEND_FLAGS = (_SEND,)
_ABORTIVE = struct.pack("ii", 1, 0)  # struct linger: on, 0 seconds
_SO_PEEK_OFF = 42  # asm-generic/socket.h; the socket module has no name for it
_UNSPECIFIED = struct.pack("H14x", socket.AF_UNSPEC)
MAX_DATAGRAM = 65536
CONTROL_ROOM = 512  # bytes of control data that one datagram may bring
EVERYTHING = -1  # all bits of `observing`


def winsock_error(error: OSError, what: str) -> WinsockError:
    """The WinsockError for an OSError of the kernel, which keeps its errno.

    One that a signal handler raised (a program's own TimeoutError) is raised again as it is.
    """
    if raised_by_handler(error):
        raise error
    number = error.errno or errno.EIO
    return WinsockError(wsa_from_errno(number), f"{what}: {os.strerror(number)}", errno=number)


class SocketTransport:
    """A socket of ours and what the engine knows of it.

    `reader` and `writer` are the tasks parked on the engine for its descriptor, `watched` what observers of the
    connection wait for there, `armed` the interest last told to epoll.
    """

    direct = True  # non-blocking questions can be put to the kernel without a coroutine

    __slots__ = (
        "_receiving",
        "_recv",
        "_send",
        "_sending",
        "armed",
        "closed",
        "connection",
        "fd",
        "kept",
        "last",
        "out_control",
        "read",
        "reader",
        "refusals",
        "reset",
        "saves_urgent",
        "sent",
        "shut_write",
        "sock",
        "stream",
        "taken",
        "urgent",
        "watched",
        "with_control",
        "write",
        "writer",
    )

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.stream = sock.type == socket.SOCK_STREAM
        self.connection: Connection | None = None
        self.read = Want(Kind.READ, self)
        self.write = Want(Kind.WRITE, self)
        self.reader: Task | None = None
        self.writer: Task | None = None
        self.armed = 0
        self.watched = 0
        self.closed = False
        self.shut_write = False
        self.reset = False  # a call was told of a reset, which the kernel tells once
        self.saves_urgent = False  # somebody has asked for urgent data: a receive must not read past it
        self.urgent = b""  # saved so
        self.kept: list[tuple[bytes, Address]] = []  # datagrams taken from the kernel that come before its own
        self.refusals = True  # datagrams: a receive is told that an earlier one found nobody
        self.sent = 0
        self.with_control = False  # receives bring control data, and leave it in `last`
        self.last: Any = None  # [(level, type, data)] and flags of the last datagram
        self.out_control: Any = None  # goes with the datagram that is being sent
        self.taken: Any = None  # [new socket, its descriptor] of an accept
        self._recv = sock.recv
        self._send = sock.send
        self._receiving = Turn()
        self._sending = Turn()

    # -- data ------------------------------------------------------------------------------------------------------

    async def send(self, data: Any) -> None:
        """All of `data`, in order with every other send."""
        turn = self._sending
        if turn.taken:
            await turn.join(self._owner())
        self.sent = 0
        try:
            try:
                for sent in map(self._send, (data,), _SEND_FLAGS):
                    self.sent = sent
                    if sent == len(data):
                        return
            except BlockingIOError:
                pass
            turn.taken = True
            whole = memoryview(data)
            while rest := whole[self.sent :]:
                await park(self.write)
                try:
                    for sent in map(self._send, (rest,), _SEND_FLAGS):
                        self.sent += sent
                except BlockingIOError:
                    pass
        except OSError as error:
            raise self._failed(error, "send") from None
        finally:
            if turn.waiting:
                turn.leave()
            else:
                turn.taken = False

    async def recv(self, size: int) -> bytes:
        """Whatever is there, at most `size` bytes; b"" at the end."""
        turn = self._receiving
        if turn.taken:
            await turn.join(self._owner())
        try:
            while True:
                if self.saves_urgent:
                    self._save_urgent()
                try:
                    for data in map(self._recv, (size,), _RECV_FLAGS):
                        return data or self._end(size)
                except BlockingIOError:
                    turn.taken = True
                    await park(self.read)
        except OSError as error:
            raise self._failed(error, "recv") from None
        finally:
            if turn.waiting:
                turn.leave()
            else:
                turn.taken = False

    async def peek(self, size: int) -> bytes:
        """As `recv`, but the bytes stay."""
        turn = self._receiving
        if turn.taken:
            await turn.join(self._owner())
        turn.taken = True
        try:
            while True:
                try:
                    return self._recv(size, _RECV | socket.MSG_PEEK) or self._end(size)
                except BlockingIOError:
                    await park(self.read)
                except OSError as error:
                    raise self._failed(error, "recv") from None
        finally:
            if turn.waiting:
                turn.leave()
            else:
                turn.taken = False

    async def send_to(self, data: Any, address: Address | None = None) -> None:
        """One datagram, to `address` or to the connected peer."""
        turn = self._sending
        if turn.taken:
            await turn.join(self._owner())
        turn.taken = True
        self.sent = 0
        try:
            while True:
                try:
                    if self.out_control:
                        gone = map(self.sock.sendmsg, ((data,),), (self.out_control,), _SEND_FLAGS, (address,))
                    elif address is None:
                        gone = map(self._send, (data,), _SEND_FLAGS)
                    else:
                        gone = map(self.sock.sendto, (data,), _SEND_FLAGS, (address,))
                    for sent in gone:
                        self.sent = sent or 1  # an empty one is gone, too
                        return
                except BlockingIOError:
                    await park(self.write)
                except OSError as error:
                    raise self._failed(error, "send") from None
        finally:
            if turn.waiting:
                turn.leave()
            else:
                turn.taken = False

    async def recv_from(self, size: int = MAX_DATAGRAM) -> tuple[bytes, Address]:
        """One datagram, whole (cut to `size`), and who sent it."""
        turn = self._receiving
        if turn.taken:
            await turn.join(self._owner())
        turn.taken = True
        try:
            while True:
                if self.kept:
                    kept = self.kept[0]
                    del self.kept[0]
                    return kept
                try:
                    if self.with_control:
                        return self._recv_message(size, _RECV)
                    for result in map(self.sock.recvfrom, (size,), _RECV_FLAGS):
                        return result
                except BlockingIOError:
                    await park(self.read)
                except OSError as error:
                    if error.errno == errno.ECONNREFUSED and not self.refusals:
                        continue  # SIO_UDP_CONNRESET is off
                    raise self._failed(error, "recv") from None
        finally:
            if turn.waiting:
                turn.leave()
            else:
                turn.taken = False

    async def send_urgent(self, data: Any) -> None:
        """As `send`; the last byte is urgent (TCP has room for one)."""
        turn = self._sending
        if turn.taken:
            await turn.join(self._owner())
        turn.taken = True
        self.sent = 0
        whole = memoryview(data)
        try:
            while rest := whole[self.sent :]:
                plain = rest[:-1]
                flags = _SEND if plain else _SEND | socket.MSG_OOB
                try:
                    for sent in map(self._send, (plain or rest,), (flags,)):
                        self.sent += sent
                except BlockingIOError:
                    await park(self.write)
        except OSError as error:
            raise self._failed(error, "send") from None
        finally:
            turn.leave()

    def _recv_message(self, size: int, flags: int) -> Datagram:
        """One datagram, its sender, and its control data."""
        data, control, got, sender = self.sock.recvmsg(size, CONTROL_ROOM, flags)
        datagram = Datagram((data, sender))
        self.last = datagram.control, datagram.flags = control, got
        return datagram

    async def send_file(self, file: int, offset: int, count: int) -> int:
        """Bytes of a file, as many as go at once, at least one; 0 at its end.

        sendfile() has no MSG_DONTWAIT: the descriptor is non-blocking for the length of one call, as for a connect.
        """
        turn = self._sending
        if turn.taken:
            await turn.join(self._owner())
        turn.taken = True
        self.sent = 0
        try:
            while True:
                flags = fcntl.fcntl(self.fd, fcntl.F_GETFL)
                try:
                    if not flags & os.O_NONBLOCK:
                        fcntl.fcntl(self.fd, fcntl.F_SETFL, flags | os.O_NONBLOCK)
                    for sent in map(os.sendfile, (self.fd,), (file,), (offset,), (count,)):
                        self.sent = sent
                        return sent
                except BlockingIOError:
                    pass
                finally:
                    if not flags & os.O_NONBLOCK:
                        fcntl.fcntl(self.fd, fcntl.F_SETFL, flags)
                await park(self.write)
        except OSError as error:
            raise self._failed(error, "send") from None
        finally:
            if turn.waiting:
                turn.leave()
            else:
                turn.taken = False

    def take_place(self, other: "SocketTransport") -> None:
        """Become the socket behind the descriptor of `other`, whose own socket is gone then."""
        os.dup2(self.fd, other.fd, inheritable=False)
        self.sock, other.sock = other.sock, self.sock
        self.fd = other.fd
        self._recv, self._send = self.sock.recv, self.sock.send
        other.closed = True
        other.sock.close()

    def renumber(self, number: int) -> None:
        """Go on with the descriptor `number`, a duplicate of the one it has, which is closed."""
        old = self.sock
        self.sock = socket.socket(old.family, old.type, old.proto, number)
        self.fd = number
        self._recv, self._send = self.sock.recv, self.sock.send
        old.close()

    def share_address(self) -> None:
        """Let another socket be bound to the same address while this one ends."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

    async def wait(self, kind: Kind) -> None:
        """Ready for reading or writing, by poll; moves nothing."""
        want, turn = (self.read, self._receiving) if kind is Kind.READ else (self.write, self._sending)
        if turn.taken:
            await turn.join(self._owner())
        turn.taken = True
        try:
            while not self.ready(kind):
                await park(want)
        finally:
            if turn.waiting:
                turn.leave()
            else:
                turn.taken = False

    # -- control ---------------------------------------------------------------------------------------------------

    async def connect(self, address: Address) -> None:
        error = self.begin_connect(address)
        if error == errno.ECONNABORTED:
            # After a failed attempt Linux answers the next one so, once, and starts nothing.
            error = self.begin_connect(address)
        while error in (errno.EINPROGRESS, errno.EALREADY):  # EALREADY: an interrupt tore the first attempt to wait
            await park(self.write)
            error = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if not error and not self.connected():
                error = errno.EINPROGRESS  # resumed early
        if error == errno.EADDRNOTAVAIL and self.bound():
            error = errno.EADDRINUSE  # so Linux says that a connection between these two names is there already
        if error:
            raise winsock_error(OSError(error, os.strerror(error)), "connect")
        self.shut_write = False

    def begin_connect(self, address: Address) -> int:
        """Start connecting without waiting. Returns 0 or an errno."""
        flags = fcntl.fcntl(self.fd, fcntl.F_GETFL)
        if flags & os.O_NONBLOCK:
            return self.sock.connect_ex(address)
        fcntl.fcntl(self.fd, fcntl.F_SETFL, flags | os.O_NONBLOCK)
        try:
            return self.sock.connect_ex(address)
        finally:
            fcntl.fcntl(self.fd, fcntl.F_SETFL, flags)

    def connected(self) -> bool:
        try:
            self.sock.getpeername()
        except OSError:
            return False
        return True

    async def accept(self) -> "SocketTransport":
        """The next incoming connection as a transport of its own."""
        turn = self._receiving
        if turn.taken:
            await turn.join(self._owner())
        turn.taken = True
        try:
            while True:
                try:
                    transport = type(self)(self._accept())
                    self.taken = None
                    return transport
                except BlockingIOError:
                    await park(self.read)
                except OSError as error:
                    raise self._failed(error, "accept") from None
        finally:
            if turn.waiting:
                turn.leave()
            else:
                turn.taken = False

    def _accept(self) -> socket.socket:
        """A new socket; until `taken` is cleared, a further call gives the same one."""
        taken = self.taken
        if taken is None:
            taken = self.taken = [socket.socket.__new__(socket.socket), -1]
        if taken[1] < 0:
            accept = self.sock._accept  # type: ignore[attr-defined]
            for taken[1], _ in iter(accept, None):
                break
        socket.socket.__init__(taken[0], fileno=taken[1])  # the same however often
        return taken[0]  # type: ignore[no-any-return]

    async def bind(self, address: Address) -> None:
        try:
            self.sock.bind(address)
        except OSError as error:
            raise winsock_error(error, "bind") from None

    async def listen(self, backlog: int) -> None:
        try:
            self.sock.listen(backlog)
            os.set_blocking(self.fd, False)
        except OSError as error:
            raise winsock_error(error, "listen") from None

    async def shutdown(self, how: int) -> None:
        if how != socket.SHUT_RD:
            self.shut_write = True
        try:
            self.sock.shutdown(how)
        except OSError as error:
            raise winsock_error(error, "shutdown") from None

    async def getsockname(self) -> Address:
        try:
            return self.sock.getsockname()  # type: ignore[no-any-return]
        except OSError as error:
            raise winsock_error(error, "getsockname") from None

    async def getpeername(self) -> Address:
        try:
            return self.sock.getpeername()  # type: ignore[no-any-return]
        except OSError as error:
            raise winsock_error(error, "getpeername") from None

    async def getsockopt(self, level: int, option: int, size: int) -> bytes:
        """Linux numbers and layouts; the size may be an `AskedSize`."""
        try:
            if type(size) is AskedSize:
                return asked_option.read(self.sock, level, option, size)
            return self.sock.getsockopt(level, option, size)
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP:  # a level of another kind of socket; setsockopt says ENOPROTOOPT
                raise WinsockError(WSAError.WSAENOPROTOOPT, f"option {option} of level {level}") from None
            raise winsock_error(error, "getsockopt") from None

    async def setsockopt(self, level: int, option: int, value: bytes) -> None:
        try:
            self.sock.setsockopt(level, option, value)
        except OSError as error:
            raise winsock_error(error, "setsockopt") from None

    async def socket(self) -> None:
        """The socket exists already; this is where a layer's `socket` ends."""

    async def close(self) -> None:
        """The descriptor itself is closed by the connection, after the layers have had their say."""

    # -- for the connection ----------------------------------------------------------------------------------------

    def send_now(self, data: Any) -> int:
        """What the kernel takes at once. Raises WinsockError, WSAEWOULDBLOCK when that is nothing."""
        try:
            return self._send(data, _SEND)
        except OSError as error:
            raise self._failed(error, "send") from None

    def recv_now(self, size: int, peek: bool = False) -> bytes:
        if self.saves_urgent:
            self._save_urgent()
        try:
            if peek:
                return self._recv(size, _RECV | socket.MSG_PEEK) or self._end(size)
            for data in map(self._recv, (size,), _RECV_FLAGS):
                if data:
                    return data
            return self._end(size)
        except OSError as error:
            raise self._failed(error, "recv") from None

    def recv_urgent_now(self, size: int) -> bytes | None:
        """Urgent data; None while there is none, b"" when there can be no more."""
        self.saves_urgent = True
        self._save_urgent()
        if self.urgent:
            data = self.urgent[:size]
            self.urgent = self.urgent[size:]
            return data
        return b"" if self.shown() & (select.POLLRDHUP | select.POLLHUP | select.POLLERR) else None

    def _save_urgent(self) -> None:
        """Linux forgets an urgent byte that a receive reads past: take it out before."""
        try:
            for data in map(self._recv, (1,), (_RECV | socket.MSG_OOB,)):
                self.urgent += data
            if self.urgent and self.connection is not None:
                self.connection.changed(EVERYTHING)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EAGAIN, errno.ENOTCONN):
                raise self._failed(error, "recv") from None

    def peek_from(self) -> tuple[bytes, Address]:
        """The first datagram, which stays, and its sender; WSAEWOULDBLOCK when there is none."""
        if self.kept:
            return self.kept[0]
        try:
            if self.with_control:
                return self._recv_message(MAX_DATAGRAM, _RECV | socket.MSG_PEEK)
            return self.sock.recvfrom(MAX_DATAGRAM, _RECV | socket.MSG_PEEK)
        except OSError as error:
            raise self._failed(error, "recv") from None

    def forget_others(self) -> None:
        """Of the datagrams that have arrived, only those of the peer stay. Linux filters the later ones alone."""
        try:
            peer = self.sock.getpeername()
            while True:
                for data, sender in map(self.sock.recvfrom, (MAX_DATAGRAM,), _RECV_FLAGS):
                    if sender[:2] == peer[:2]:
                        self.kept.append((data, sender))
        except OSError as error:  # no more; an error is no datagram, and about the peer before
            winsock_error(error, "recv")

    def ready(self, kind: Kind) -> bool:
        """Whether poll shows input (READ) or room (WRITE) now, errors and ends included."""
        if self.kept and kind is Kind.READ:
            return True
        poll = select.poll()
        poll.register(self.fd, select.POLLIN | select.POLLRDHUP if kind is Kind.READ else select.POLLOUT)
        return bool(poll.poll(0))

    def shown(self) -> int:
        """The events that poll shows now, of those a connection may be asked about."""
        poll = select.poll()
        poll.register(self.fd, _SHOWN)
        ready = poll.poll(0)
        return (ready[0][1] if ready else 0) | (
            (select.POLLPRI if self.urgent else 0) | (select.POLLIN if self.kept else 0)
        )

    def urgent_inline(self) -> bool:
        """Whether urgent data comes as part of the stream (SO_OOBINLINE)."""
        return bool(self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE))

    def descriptor(self) -> int:
        """What shows input when there may be something to receive."""
        return -1 if self.closed else self.fd

    def pending_bytes(self) -> int:
        """Bytes in the receive buffer, of all datagrams together."""
        if not self.stream:
            return self._pending_datagrams()
        count = array.array("i", [0])
        fcntl.ioctl(self.fd, termios.FIONREAD, count)
        return count[0]

    def _pending_datagrams(self) -> int:
        """Linux tells the length of the first only; peeks that move on from one to the next find the others."""
        total = sum(len(data) for data, _ in self.kept)
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, _SO_PEEK_OFF, 0)
            while True:
                total += self.sock.recv_into(bytearray(1), 1, _RECV | socket.MSG_PEEK | socket.MSG_TRUNC)
        except OSError:  # no more, or an error that the next receive tells
            return total
        finally:
            self.sock.setsockopt(socket.SOL_SOCKET, _SO_PEEK_OFF, -1)

    def unsent_bytes(self) -> int:
        """Bytes sent that the peer has not acknowledged."""
        count = array.array("i", [0])
        fcntl.ioctl(self.fd, termios.TIOCOUTQ, count)
        return count[0]

    def bound(self) -> bool:
        """Whether the socket has a local port."""
        name = self.sock.getsockname()
        return len(name) > 1 and bool(name[1])

    def lose(self) -> None:
        """The descriptor was closed behind our back and its number belongs to a stranger: never touch it again."""
        self.closed = True
        self.sock.detach()

    def make_abortive(self) -> None:
        """From now on the end of this socket is a reset."""
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORTIVE)
        except OSError:
            pass  # not a kind of socket that can be reset

    def disconnect(self) -> None:
        """Dissolve the association (AF_UNSPEC), as connecting a datagram socket to no address does."""
        # The socket module cannot spell AF_UNSPEC addresses.
        import ctypes

        if ctypes.CDLL(None, use_errno=True).connect(self.fd, _UNSPECIFIED, len(_UNSPECIFIED)):
            raise winsock_error(OSError(ctypes.get_errno(), "AF_UNSPEC"), "connect")

    def end_both(self) -> None:
        """Both directions are over, for the peer too. The descriptor stays."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # they are over already

    def dissolve(self) -> None:
        """A datagram socket forgets its peer."""
        self.disconnect()

    def do_not_wait(self) -> None:
        """A close that is not the client's own must not wait for SO_LINGER; the kernel goes on sending by itself."""
        try:
            on, seconds = struct.unpack("ii", self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8))
            if on and seconds:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
        except OSError:
            pass

    def free_turn(self, kind: Kind) -> None:
        """Whoever moved bytes in this direction was torn by an interrupt."""
        (self._receiving if kind is Kind.READ else self._sending).free_turn()

    def close_now(self) -> None:
        if not self.closed:
            self.sock.close()
            self.closed = True
            if self.taken is not None and self.taken[1] >= 0 > self.taken[0].fileno():
                os.close(self.taken[1])

    def _owner(self) -> "Connection":
        assert self.connection is not None, "a transport is driven by its connection"
        return self.connection

    def _end(self, size: int) -> bytes:
        """The answer to a receive that the kernel has nothing for: the end, unless a send was told of a reset."""
        if size and self.reset and self.stream:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        return b""

    def _failed(self, error: OSError, what: str) -> WinsockError:
        if error.errno == errno.ECONNREFUSED and not self.stream:
            # An earlier datagram found nobody. Winsock calls that a reset, whichever call hears of it.
            return WinsockError(WSAError.WSAECONNRESET, f"{what}: {error.strerror}", errno=error.errno)
        if error.errno == errno.EPIPE and not self.shut_write:
            # Linux reports a reset once and EPIPE ever after; the cause has not changed.
            error = ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        if error.errno == errno.ECONNRESET:
            self.reset = True
        return winsock_error(error, what)

    def __repr__(self) -> str:
        return f"<SocketTransport fd={self.fd} {'closed' if self.closed else 'open'}>"
