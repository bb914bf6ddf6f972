"""Keeping the program's own socket in SYN_SENT, and ending that with success or refusal, all by TCP itself.

A stone is a loopback listener whose accept queue is kept full: Linux drops every SYN to it. A socket that connects
to it stays in SYN_SENT for as long as the kernel retries (two minutes), quietly. When the layers have connected, a
socket of ours that is bound to the stone's own address (SO_REUSEPORT) connects to the program's socket. Two sockets
that connect to each other are a simultaneous open (RFC 9293, section 3.5): both are established at once. Nothing is
ever accepted, so there is no backlog, no port to be matched, and no stranger: a SYN of anybody else is dropped as
well.

Measured: 18 µs, no failure in 20,000, without privileges; 2,000 held at once.
"""

import ctypes
import errno
import os
import select
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ws2spi.redirect.addresses import Address, pack, unmapped

SO_LINGER_RESET: Final = struct.pack("ii", 1, 0)  # struct linger: a close is a reset
SO_LINGER_ORDERLY: Final = struct.pack("ii", 0, 0)

ESTABLISHED: Final = 1  # include/net/tcp_states.h, as in the first byte of struct tcp_info
SYN_SENT: Final = 2
SYN_RECEIVED: Final = 3
CLOSED: Final = 7

_TCP_FASTOPEN_CONNECT: Final = 30
_PATIENCE: Final = 200  # milliseconds for two sockets to meet when it is tried
_UNSPECIFIED: Final = struct.pack("=H26x", socket.AF_UNSPEC)

# PyDLL: between the two calls of `refuse` no other thread may get the interpreter.
_connect = ctypes.PyDLL(None, use_errno=True).connect


def state_of(sock: socket.socket) -> int:
    """The TCP state of a socket."""
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


def came_about(state: int) -> bool:
    """Whether a connection in `state` was established; its peer may have ended it since (CLOSE_WAIT and on)."""
    return state not in (SYN_SENT, SYN_RECEIVED, CLOSED)


class ClosedPort:
    """A loopback address of one family at which connects are refused."""

    def __init__(self, family: int) -> None:
        self.family = family
        self.host = "127.0.0.1" if family == socket.AF_INET else "::1"
        # Bound but not listening: a connect to it is refused, and the port is nobody else's.
        self._closed = socket.socket(family)
        self._closed.bind((self.host, 0))
        closed: Address = self._closed.getsockname()[:2]
        # {seen from an IPv6 socket bound for an IPv4 address: struct sockaddr}
        self._closed_raw = {False: pack(family, closed).ljust(28), True: pack(socket.AF_INET6, closed)}

    def close(self) -> None:
        self._closed.close()

    def refuse(self, sock: socket.socket, mapped: bool) -> None:
        """Have the kernel refuse the held socket's connect: epoll, SO_ERROR and all."""
        descriptor, closed = sock.fileno(), self._closed_raw[mapped]
        with nonblocking(sock):
            # Between the two calls the socket is closed with ECONNRESET in SO_ERROR, for a microsecond: they follow one
            # another without anything of Python's between them that could be left out.
            _connect(descriptor, _UNSPECIFIED, 28)
            _connect(descriptor, closed, 28)


class Stone(ClosedPort):
    """A full listener at a loopback address of one family, and a closed port beside it.

    Only one user's sockets can be bound to one address by SO_REUSEPORT, so nobody else's can answer for the stone.
    """

    def __init__(self, family: int = socket.AF_INET) -> None:
        super().__init__(family)
        self._listener = socket.socket(family)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._listener.bind((self.host, 0))
        self._listener.listen(0)  # a queue of length 0 has room for one
        self.address: Address = self._listener.getsockname()[:2]
        self._plug = socket.socket(family)
        self._plug.connect(self.address)
        # The plug is connected when it has our answer, the queue is full when we have its answer to that.
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        poll.poll(_PATIENCE)

    def close(self) -> None:
        for sock in (self._listener, self._plug):
            sock.close()
        super().close()

    def works(self) -> bool:
        """Whether this kernel does what we count on: try it."""
        with socket.socket(self.family) as sock:
            if self.hold(sock, False) != errno.EINPROGRESS or state_of(sock) != SYN_SENT:
                return False
            with self.complete(sock.getsockname()) as ours:
                if state_of(ours) == SYN_SENT:  # a busy machine, or one that does not do it
                    poll = select.poll()
                    poll.register(ours, select.POLLOUT)
                    poll.poll(_PATIENCE)
                if state_of(ours) != ESTABLISHED or state_of(sock) != ESTABLISHED:
                    return False
        with socket.socket(self.family) as sock:
            self.hold(sock, False)
            self.refuse(sock, False)
            return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED

    def hold(self, sock: socket.socket, mapped: bool) -> int:
        """Bring the program's socket into SYN_SENT, without waiting.

        Parameters:
            sock: a duplicate of it; its O_NONBLOCK is set for the moment of the call.
            mapped: it is an IPv6 socket on its way to an IPv4 address.
        Returns:
            EINPROGRESS, or the error with which the kernel refuses (EISCONN, ENETUNREACH on an IPv6-only socket, …).
        """
        return without_fast_open(sock, self.address, mapped)

    def complete(self, local: Address) -> socket.socket:
        """Our end of the connection to the held socket whose local address is `local`.

        The socket is established at once, or will be (a busy kernel repeats the SYN), or is closed, when nobody holds
        the other end any more. Its end is a reset until it is told otherwise, so that whatever ends us does not look
        like an orderly end.
        """
        ours = socket.socket(self.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, SO_LINGER_RESET)
            ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ours.bind(self.address)
            error = ours.connect_ex(unmapped(local))
            if error not in (0, errno.EINPROGRESS):
                raise OSError(error, os.strerror(error))
        except BaseException:
            ours.close()
            raise
        return ours


def without_fast_open(sock: socket.socket, address: Address, mapped: bool) -> int:
    """Have the program's socket connect to `address`, without waiting. Parameters and result: as `Stone.hold`, or 0."""
    # A deferred Fast Open would make the socket writable before anybody has connected.
    try:
        sock.setsockopt(socket.IPPROTO_TCP, _TCP_FASTOPEN_CONNECT, 0)
    except OSError:
        pass  # it is not closed, so connect will refuse, or there is no Fast Open in this kernel
    with nonblocking(sock):
        return sock.connect_ex((f"::ffff:{address[0]}", address[1]) if mapped else address)


def disconnect(sock: socket.socket) -> int:
    """Dissolve a socket's connection or attempt (connect to AF_UNSPEC). Returns 0 or an errno."""
    return ctypes.get_errno() if _connect(sock.fileno(), _UNSPECIFIED, len(_UNSPECIFIED)) else 0


@contextmanager
def nonblocking(sock: socket.socket) -> Iterator[None]:
    """For the length of one call, on a socket whose blocking mode belongs to the program."""
    descriptor = sock.fileno()
    waits = os.get_blocking(descriptor)
    if waits:
        os.set_blocking(descriptor, False)
    try:
        yield
    finally:
        if waits:
            os.set_blocking(descriptor, True)
