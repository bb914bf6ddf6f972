"""The bottom of a connection attempt: the program's own socket, or one of ours that stands for it.

Which of the two it is may turn out late. A layer that decides at once lets the program's own socket connect, and
after that we are out of the way. A layer that thinks first, under a program that will not wait, needs a socket of
ours: the program's own is kept in SYN_SENT meanwhile (`stone`). So an attempt begins with the program's socket and
changes to one of ours if `connect` has not come through the layers when the program must have its answer.
"""

import errno
import os
import socket
import types
from collections.abc import Generator

from ws2spi._engine.operations import Want
from ws2spi._engine.transport import Address, SocketTransport, winsock_error
from ws2spi.redirect.stone import CLOSED, SO_LINGER_ORDERLY, SO_LINGER_RESET, came_about, state_of


class OwnTransport(SocketTransport):
    """A socket of ours. Its end is a reset from birth, and orderly only if it is closed in order.

    So whatever ends this process, the peer is never told that all was said when it was not.
    """

    __slots__ = ("_abortive",)

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._abortive = False
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, SO_LINGER_RESET)

    @types.coroutine
    def connect(self, address: Address) -> Generator[Want, None, None]:
        wanted = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        if wanted != self.sock.family:
            # A layer leads an IPv6 program to an IPv4 proxy, or the other way round.
            self._change(make_lower(wanted))
        yield from super().connect(address)

    def make_abortive(self) -> None:
        self._abortive = True

    def close_now(self) -> None:
        if not self.closed and not self._abortive:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, SO_LINGER_ORDERLY)
        super().close_now()

    def _change(self, sock: socket.socket) -> None:
        """Stand on `sock` from now on; only while nothing waits for the old one."""
        self.sock.close()
        self.sock, self.fd = sock, sock.fileno()
        self._recv, self._send = sock.recv, sock.send
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, SO_LINGER_RESET)


class BorrowedTransport(OwnTransport):
    """A duplicate of the program's own socket, until `replace` puts one of ours in its place.

    Attributes:
        answer: what connect() on the program's socket returned (an errno or 0), None while it has not been called.
        error: why the connect failed, once that is known.
        told: whether the program has had it from SO_ERROR.
    """

    __slots__ = ("answer", "borrowed", "error", "told")

    def __init__(self, sock: socket.socket) -> None:
        SocketTransport.__init__(self, sock)  # the program's SO_LINGER is its own business
        self._abortive = False
        self.borrowed = True
        self.answer: int | None = None
        self.error = 0
        self.told = False

    def replace(self, sock: socket.socket) -> None:
        """Let the layers connect `sock` instead. The program's socket is closed here, not there."""
        assert self.answer is None
        self.borrowed = False
        self._change(sock)

    @types.coroutine
    def connect(self, address: Address) -> Generator[Want, None, None]:
        if not self.borrowed:
            yield from super().connect(address)
            return
        self.answer = self.begin_connect(self._spelled(address))
        if self.answer not in (0, errno.EINPROGRESS):
            self.error = self.answer
        # On the loopback the connection is often there already.
        while not self.error and not came_about(state := state_of(self.sock)):
            if self.take_error():
                break
            if state == CLOSED:
                # Connected at once, and ended since: what the program does next will find out. Else another thread of
                # the program has put an end to the attempt, and has had the error.
                self.error = 0 if self.answer == 0 else errno.ECONNABORTED
                break
            yield self.write
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

    def close_now(self) -> None:
        if self.borrowed:
            SocketTransport.close_now(self)  # only our duplicate
        else:
            super().close_now()

    def _spelled(self, address: Address) -> Address:
        """The address as the program's socket must have it: an IPv6 socket reaches an IPv4 host v4-mapped."""
        if self.sock.family == socket.AF_INET6 and ":" not in address[0]:
            return f"::ffff:{address[0]}", address[1]
        if self.sock.family == socket.AF_INET and ":" in address[0]:
            raise winsock_error(OSError(errno.EAFNOSUPPORT, ""), "an IPv4 socket cannot connect to an IPv6 address")
        return address


def make_lower(family: int) -> socket.socket:
    """A socket of ours for the lower side of a relay."""
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock
