"""WSPAccept: the next connection of a listener, and the client's condition function that decides on it.

Linux has shaken hands with a peer before anybody can be asked, so a rejected one sees its connection reset instead of
refused. A deferred connection stays the first of its listener: accepts with or without a condition get it next,
readiness shows it, and no further FD_ACCEPT is told before it is decided.
"""

import os
from collections.abc import Callable
from typing import Any

from ws2spi._abi import addresses
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.connection import Connection
from ws2spi._engine.observing import BROKEN
from ws2spi._runtime.catalog import CatalogEntry
from ws2spi._runtime.conditions import Condition
from ws2spi._runtime.sockets import SocketEntry
from ws2spi.providers import network_events
from ws2spi.providers.socket_state import Address, Socket


class AcceptCalls:
    """WSPAccept of a `SocketProvider`."""

    ifs: bool
    _register: Callable[[Connection, CatalogEntry], SocketEntry]

    def accept(self, entry: SocketEntry, condition: Condition | None = None) -> tuple[int, Address]:
        """Take the first connection, if `condition(peer, local name)` says so.

        Errors:
            WSAEOPNOTSUPP: a datagram socket. WSAEINVAL: not listening; the condition gave what it must not.
            WSAECONNREFUSED: CF_REJECT. WSATRY_AGAIN: CF_DEFER. WSAEACCES: a deferred connection was withdrawn.
            WSAEWOULDBLOCK, WSAEINTR, WSAEMFILE, WSAENOBUFS.
        """
        state: Socket = entry.state
        if not state.stream:
            raise WinsockError(WSAError.WSAEOPNOTSUPP, "accept on a datagram socket")
        if not state.listening:
            raise WinsockError(WSAError.WSAEINVAL, "accept without listen")
        connection, deferred = _first(state)
        try:
            peer = connection.perform("getpeername")
        except WinsockError:
            peer = addresses.wildcard(entry.family)  # gone already; its first call will say so
        if condition is not None:
            if deferred and connection.shown() & BROKEN:
                connection.abort()
                raise WinsockError(WSAError.WSAEACCES, "the deferred connection was withdrawn")
            _decide(state, connection, condition, peer)
        accepted = self._register(connection, state.info)
        new: Socket = accepted.state
        new.accepted = True
        new.now_connected()
        new.inherit(state)
        if not new.blocking and self.ifs:
            os.set_blocking(accepted.number, False)
        network_events.inherit(state, accepted)
        return accepted.number, peer


def _first(state: Socket) -> tuple[Connection, bool]:
    """The next connection, and whether it was deferred before."""
    try:
        return state.deferred.pop(0), True
    except IndexError:
        taken: Any = state.connection.recv(1) if state.blocking else state.connection.recv_nowait(1)
        return taken, False


def _decide(state: Socket, connection: Connection, condition: Condition, peer: Address) -> None:
    verdict = None
    try:
        verdict = condition(peer, connection.perform("getsockname"))
    finally:
        if verdict not in (c.CF_ACCEPT, c.CF_REJECT):
            state.deferred.insert(0, connection)  # nothing was decided, whatever else is wrong
    if verdict == c.CF_DEFER:
        raise WinsockError(WSAError.WSATRY_AGAIN, "CF_DEFER")
    if verdict == c.CF_REJECT:
        connection.abort()
        raise WinsockError(WSAError.WSAECONNREFUSED, "CF_REJECT")
    if verdict != c.CF_ACCEPT:
        raise WinsockError(WSAError.WSAEINVAL, f"a condition function gave {verdict}")
