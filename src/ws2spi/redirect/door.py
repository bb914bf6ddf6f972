"""The way without a simultaneous open: a listener of ours on the loopback, and whom it lets in.

Where two sockets that connect to each other do not meet (some sandboxes' network stacks, some firewalls), the
program's socket cannot be kept in SYN_SENT (`stone`). Instead it is connected to a listener of ours at once, and the
program is kept from learning of that: what would tell it, a second connect, SO_ERROR, getpeername, is held by the
supervisor until the layers have connected (`questions`). The socket is writable early; that cannot be hidden.

Rule: only whom we expect comes in. A connection is known by its two addresses, and no two sockets of one network
      namespace share both; we hold the program's socket, so its address is its own. Everybody else is reset at once.
"""

import array
import errno
import fcntl
import os
import select
import socket
import termios
from collections.abc import Callable
from typing import Any, Final

from ws2spi.redirect.addresses import Address, unmapped
from ws2spi.redirect.stone import SO_LINGER_RESET, ClosedPort, without_fast_open

_BACKLOG: Final = 4096
_PAUSE: Final = 0.05  # seconds until we look again whether there are descriptors
_PATIENCE: Final = 1000  # milliseconds for the loopback to connect two sockets when it is tried

Tell = Callable[[socket.socket], object]


class Door(ClosedPort):
    """A listener at a loopback address of one family, and a closed port beside it.

    Parameters:
        engine: whose loop lets people in; None where the caller does it (`serve`).
    """

    def __init__(self, family: int = socket.AF_INET, engine: Any = None) -> None:
        super().__init__(family)
        self._engine = engine
        self._expected: dict[Address, Tell] = {}  # {the other end's (host, port): who is told}
        self._listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._listener.bind((self.host, 0))
        # Inherited by what is accepted, so that whatever ends us, queue included, does not look like an orderly end.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, SO_LINGER_RESET)
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._listener.listen(_BACKLOG)
        self.address: Address = self._listener.getsockname()[:2]
        self._open()

    def close(self) -> None:
        if self._engine is not None and self._listener.fileno() >= 0:
            self._engine.unwatch(self._listener.fileno())
        self._listener.close()
        super().close()

    def _open(self) -> None:
        if self._engine is not None and self._listener.fileno() >= 0:
            self._engine.watch(self._listener.fileno(), select.EPOLLIN, lambda _: self.serve())

    def works(self) -> bool:
        """Whether sockets can be connected on this loopback: try it."""
        came: list[socket.socket] = []
        with socket.socket(self.family) as sock:
            if self.hold(sock, False) not in (0, errno.EINPROGRESS):
                return False
            self.expect(sock.getsockname(), came.append)
            poll = select.poll()
            poll.register(self._listener.fileno(), select.POLLIN)
            while not came and poll.poll(_PATIENCE):
                self.serve()
            self.forget(sock.getsockname())
        for one in came:
            one.close()
        return bool(came)

    def hold(self, sock: socket.socket, mapped: bool) -> int:
        """Connect the program's socket to us. Parameters and result: as `Stone.hold`; the socket does connect."""
        error = without_fast_open(sock, self.address, mapped)
        return errno.EINPROGRESS if error == 0 else error

    def expect(self, local: Address, tell: Tell) -> None:
        """Call `tell(our end)` when the socket with the local address `local` has come in, now or later."""
        self._expected[unmapped(local)[:2]] = tell
        self.serve()

    def forget(self, local: Address) -> None:
        """It is not expected any more."""
        self._expected.pop(unmapped(local)[:2], None)

    def serve(self) -> None:
        """Let in who waits."""
        while True:
            try:
                came, address = self._listener.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                if self._engine is None or error.errno not in (errno.EMFILE, errno.ENFILE):
                    raise
                # They wait outside until something of ours has been closed.
                self._engine.unwatch(self._listener.fileno())
                self._engine.call_later(_PAUSE, self._open)
                return
            came.setblocking(False)
            tell = self._expected.pop(address[:2], None)
            if tell is None:
                came.close()
            else:
                tell(came)


def unread(sock: socket.socket) -> int:
    """How many bytes wait to be read."""
    count = array.array("i", [0])
    fcntl.ioctl(sock.fileno(), termios.FIONREAD, count)
    return count[0]


def forced() -> bool:
    """Whether the user wants this way even where it is not needed."""
    return os.environ.get("WS2SPI_NO_SIMULTANEOUS_OPEN", "") not in ("", "0")
