"""WSPDuplicateSocket: one socket under several handles, of this process or of another one.

In one process the handles share everything: the connection, its layers, the blocking mode, the selection of network
events; the socket ends with the last of them. Foreign code that only reads a handle gets nothing while there are
others. Another process gets the Linux socket itself (`_runtime.offers`) and makes a connection of its own over it, with
the layers of its own catalog, which must be the same ones.

Layers that touch bytes keep state on them which cannot be in two places (a cipher's position, what was read ahead), so
their sockets are not duplicated into another process: refused, and the layer is named.
"""

import os
import secrets
import socket
from collections.abc import Callable
from typing import Any

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine import reports
from ws2spi._engine.boundary import DATA_METHODS
from ws2spi._engine.connection import Connection
from ws2spi._engine.transport import SocketTransport, winsock_error
from ws2spi._runtime import offers, upcalls
from ws2spi._runtime.catalog import CatalogEntry
from ws2spi._runtime.process import runtime
from ws2spi._runtime.sockets import SocketEntry
from ws2spi._runtime.upcalls.handles import forget_ifs_handle, free_number
from ws2spi.providers.socket_state import Socket
from ws2spi.providers.stack import Stack

# What of a socket's state another process needs: what Linux does not keep.
_STATE = (
    "accepted", "blocking", "connected", "listening", "multipoint", "one_way", "recv_timeout", "send_timeout",
    "shut_recv", "shut_send",
)  # fmt: skip

_here: dict[int, Socket] = {}  # {token: socket that this process has duplicated for itself}
os.register_at_fork(after_in_child=_here.clear)


class DuplicateCalls:
    """WSPDuplicateSocket of a `SocketProvider`, and the other half of it in WSPSocket."""

    ifs: bool
    stack: Stack
    _open: dict[int, SocketEntry]
    _enrol: Callable[[int, Socket], SocketEntry]
    _register: Callable[[Connection, CatalogEntry], SocketEntry]

    def duplicate(self, entry: SocketEntry, pid: int) -> int:
        """Prepare a duplicate for the process `pid`. Returns the number that goes into dwProviderReserved.

        Errors:
            WSAEINVAL: no such process; or layers that cannot be in two processes. WSAEMFILE, WSAENOBUFS.
        """
        state: Socket = entry.state
        if pid == os.getpid():
            token = 0
            while not token or token in _here:
                token = secrets.randbits(32)
            _here[token] = state
            return token
        connection = state.connection
        names = _layers_on_bytes(connection)
        if names or not connection.transport.direct:
            who = f"layer {names[0]!r} touches bytes" if names else f"{state.info.name!r} has no Linux socket"
            reports.report(f"a socket cannot be duplicated into process {pid}: {who}")
            raise WinsockError(WSAError.WSAEINVAL, who)
        words: dict[str, Any] = {name: getattr(state, name) for name in _STATE}
        words["layers"] = connection.plan.names
        words["group"] = state.group
        return offers.offer(connection.transport.fd, pid, words)

    def adopt(self, token: int, info: CatalogEntry) -> int:
        """Make a handle of the duplicate behind `token`, which works once.

        Errors:
            WSAEINVAL: there is none, or it is another process's; or its layers are not those of this process.
        """
        state = _here.pop(token, None)
        if state is not None:
            if state.closed:
                raise WinsockError(WSAError.WSAEINVAL, "the duplicated socket is closed")
            return self._share(state, info)
        descriptor, words = offers.fetch(token)
        connection = self.over(info, SocketTransport(socket.socket(fileno=descriptor)))
        if words.pop("layers") != list(connection.plan.names):
            connection.close()
            raise WinsockError(WSAError.WSAEINVAL, "the duplicate has other layers than this process")
        if words["listening"]:
            connection.become_listener()
        entry = self._register(connection, info)
        new: Socket = entry.state
        if words["connected"]:
            new.now_connected()
        group = words.pop("group")
        new.group = tuple(group) if group else None
        for name, value in words.items():
            setattr(new, name, value)
        if entry.pair is not None:
            entry.pair.nonblocking = not new.blocking
            entry.pair.shut_receive = new.shut_recv
        return entry.number

    def over(self, info: CatalogEntry, transport: SocketTransport) -> Connection:
        """A connection of this provider's layers over a Linux socket that exists already."""
        return self.stack.connection(runtime.engine, transport)

    def _share(self, state: Socket, info: CatalogEntry) -> int:
        first = next(iter(state.entries))
        if self.ifs:
            try:
                number = free_number(state.connection.transport.fd)
            except OSError as error:
                raise winsock_error(error, "dup") from None
            upcalls.modify_ifs_handle(info.catalog_id, number)
        else:
            number = upcalls.create_socket_handle(info.catalog_id, state.connection.number)
        entry = self._enrol(number, state)
        entry.port, entry.key, entry.skip_on_success = first.port, first.key, first.skip_on_success
        if entry.pair is not None:
            entry.pair.nonblocking = not state.blocking
            entry.pair.shut_receive = state.shut_recv
            for one in tuple(state.entries):
                _hold_together(one)
        return number

    def _close_copy(self, entry: SocketEntry) -> None:
        """One of several handles of a socket is closed: what is pending goes on, the others too."""
        state: Socket = entry.state
        state.entries.discard(entry)
        self._open.pop(entry.number, None)
        if self.ifs:
            forget_ifs_handle(entry.number)
            self.close_number(entry)
        else:
            upcalls.close_socket_handle(entry.number)
            if len(state.entries) == 1:
                next(iter(state.entries)).pair.quiet.discard(_hold_together)

    def close_number(self, entry: SocketEntry) -> None:
        """Close the descriptor of an IFS handle, unless the connection works with it; it closes that itself."""
        if entry.number != entry.state.connection.transport.fd:
            os.close(entry.number)


def _hold_together(entry: SocketEntry) -> None:
    """What was moved into a pair for foreign readers of one handle would be lost to the others: nothing is moved while
    there are several, and what was goes back.
    """
    pair, moved = entry.pair, []
    pair.quiet.add(_hold_together)
    pair.end_foreign_reading()
    while (found := pair.take(65536)) and (found[0] or not pair.stream):
        moved.append(found[0] if pair.stream else found)
    for one in reversed(moved):
        entry.state.connection.put_back(one)


def _layers_on_bytes(connection: Connection) -> list[str]:
    plan = connection.plan
    return [name for name, methods in zip(plan.names, plan.overrides, strict=True) if methods & set(DATA_METHODS)]
