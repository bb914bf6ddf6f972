"""The Winsock behaviour of a socket over a connection of the engine: common to the base provider and to stacks of
layers.

One `Socket` stands behind each handle (`entry.state`). What Winsock keeps and Linux does not is kept here: the blocking
mode, time-outs, shut-down directions, the error of a failed connect, and which overlapped calls are pending.
"""

import socket
import struct
from typing import Any

from ws2spi._abi import addresses
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.connection import Connection
from ws2spi._engine.operations import Request
from ws2spi._engine.transport import SocketTransport, winsock_error
from ws2spi._executive.overlapped import Overlapped
from ws2spi._executive.threads import Thread
from ws2spi._runtime import upcalls
from ws2spi._runtime.catalog import CatalogEntry
from ws2spi._runtime.completion import result_of
from ws2spi._runtime.process import runtime
from ws2spi._runtime.sockets import SocketEntry, sockets
from ws2spi._runtime.upcalls.handles import forget_ifs_handle, free_number, is_leaving
from ws2spi.providers import network_events
from ws2spi.providers.accepting import AcceptCalls
from ws2spi.providers.compounds import Compound
from ws2spi.providers.data import DataCalls
from ws2spi.providers.duplicates import DuplicateCalls
from ws2spi.providers.extensions import CONNECTED, ExtensionCalls, refuse_limited
from ws2spi.providers.lingers import linger
from ws2spi.providers.multipoint import MultipointCalls, is_leaf
from ws2spi.providers.network_events import NetworkEvents
from ws2spi.providers.socket_state import BaseSocket, Socket, without_port
from ws2spi.providers.stack import Stack

Address = tuple[Any, ...]

_TYPES = {c.SOCK_STREAM: socket.SOCK_STREAM, c.SOCK_DGRAM: socket.SOCK_DGRAM, c.SOCK_RAW: socket.SOCK_RAW}
# What a client of a non-blocking socket takes for "on its way". A layer may fail with it, too.
_ON_ITS_WAY = (WSAError.WSAEWOULDBLOCK, WSAError.WSAEALREADY)
# How a connect may fail that was on its way: its outcome comes later, however quick it was.
_LATER = (WSAError.WSAECONNREFUSED, WSAError.WSAETIMEDOUT, WSAError.WSAECONNRESET, *_ON_ITS_WAY)


class SocketProvider(ExtensionCalls, AcceptCalls, DataCalls, DuplicateCalls, MultipointCalls, NetworkEvents):
    """The WSP functions over connections of a stack; `Provider` says what each of them does.

    Parameters:
        stack: the layers, empty for the base provider.
        ifs: whether the lower socket's own descriptor is the handle.
    """

    def __init__(self, stack: Stack, *, ifs: bool) -> None:
        self.stack = stack
        self.ifs = ifs
        self._open: dict[int, SocketEntry] = {}  # {handle: entry}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.stack!r} sockets={len(self._open)}>"

    def is_kin(self, other: object) -> bool:
        """Whether another provider is this one for other protocols: the same layers, or both the base."""
        return isinstance(other, SocketProvider) and other.stack.layers == self.stack.layers

    # -- life ------------------------------------------------------------------------------------------------------

    def socket(self, af: int, type: int, protocol: int, info: CatalogEntry, flags: int) -> int:
        leaf = is_leaf(type, flags)
        entry = self._register(self.open(af, type, protocol, info), info)
        entry.state.multipoint = leaf
        return entry.number

    def open(self, af: int, type: int, protocol: int, info: CatalogEntry) -> Connection:
        """A new connection of this provider's layers over what lies beneath them."""
        return self.stack.connection(runtime.engine, self.lower_socket(af, type, protocol))

    def register_lower(self, lower: SocketTransport, info: CatalogEntry, upper: Socket) -> SocketEntry:
        """Register the Linux socket that lies under `upper`."""
        connection = self.stack.connection(runtime.engine, lower)
        return self._register(connection, info, BaseSocket(connection, info, upper))

    def discard(self, entry: SocketEntry) -> None:
        """Close a socket that was adopted, whatever its mode."""
        if self._open.get(entry.number) is entry:
            entry.state.blocking = True
            self.close(entry)

    def lower_socket(self, af: int, type: int, protocol: int) -> SocketTransport:
        """A new Linux socket for Windows' numbers."""
        kind = _TYPES.get(type)
        if kind is None:
            raise WinsockError(WSAError.WSAESOCKTNOSUPPORT, f"socket type {type}")
        try:
            family = addresses.linux_family(af)
        except addresses.UnknownFamilyError:
            raise WinsockError(WSAError.WSAEAFNOSUPPORT, f"address family {af}") from None
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:
            raise winsock_error(error, "socket") from None
        if family == socket.AF_INET6 and kind != socket.SOCK_RAW:  # a raw one sees its own family anyhow
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # Windows' default
        return SocketTransport(sock)

    def _register(self, connection: Connection, info: CatalogEntry, state: Socket | None = None) -> SocketEntry:
        """Give a connection its handle."""
        try:
            if self.ifs:
                if is_leaving(connection.transport.fd):
                    connection.renumber(_free_number(connection.transport.fd))
                number = upcalls.modify_ifs_handle(info.catalog_id, connection.transport.fd)
            else:
                connection.context = connection.number
                number = upcalls.create_socket_handle(info.catalog_id, connection.number)
        except BaseException:
            connection.close()
            raise
        return self._enrol(number, state or Socket(connection, info))

    def _enrol(self, number: int, state: Socket) -> SocketEntry:
        """A new handle of a socket."""
        connection = state.connection
        found = sockets.lookup(number).of(self)
        if found is None:
            connection.close()
            raise WinsockError(
                WSAError.WSAEPROVIDERFAILEDINIT, f"catalog entry {state.info.catalog_id} is another provider's"
            )
        found.state = state
        state.entries.add(found)
        found.on_purge = self._purged
        self._open[number] = found
        if found.pair is not None:
            entry = found
            found.pair.on_gone = lambda: self._last_copy_closed(entry)
            found.pair.receivable = lambda: _receivable(state)
            found.pair.attach(connection)
        return found

    def close(self, entry: SocketEntry) -> None:
        state: Socket = entry.state
        if len(state.entries) > 1:
            self._close_copy(entry)
            return
        if not state.blocking and self._would_linger(state):
            raise WinsockError(WSAError.WSAEWOULDBLOCK, "unsent data and a linger time")
        if state.linger and state.blocking and state.connected and state.stream:
            linger(state)
        network_events.end(state)
        self._open.pop(entry.number, None)
        if self.ifs:
            forget_ifs_handle(entry.number)
            self.close_number(entry)
            state.connection.close()
        else:
            # What lies behind ends with the last copy of the handle; a child may still hold one.
            entry.pair.settle()  # first, so that it is seen which sends have foreign bytes behind them
            state.connection.dismiss()
            upcalls.close_socket_handle(entry.number)

    def _would_linger(self, state: Socket) -> bool:
        if not state.connected:
            return False
        if not state.connection.transport.unsent_bytes():
            return False
        on, seconds = struct.unpack(
            "ii", state.connection.perform("getsockopt", socket.SOL_SOCKET, socket.SO_LINGER, 8)
        )
        return bool(on and seconds)

    def _last_copy_closed(self, entry: SocketEntry) -> None:
        """The hidden end hung up: closesocket and nobody else had it, or foreign code closed the descriptor."""
        self._forget(entry)
        sockets.remove(entry)
        if self._others_have(entry):
            return
        network_events.end(entry.state)
        entry.state.connection.close()

    def _others_have(self, entry: SocketEntry) -> bool:
        """Whether the socket of a handle that is gone has further ones."""
        others: set[SocketEntry] = entry.state.entries
        was = entry in others
        others.discard(entry)
        return bool(others) or not was

    def _forget(self, entry: SocketEntry) -> None:
        if self._open.get(entry.number) is entry:  # else the number is another socket's by now
            del self._open[entry.number]

    def _purged(self, entry: SocketEntry) -> None:
        """The number was given out again: foreign code had closed our descriptor. Close nothing under it."""
        self._forget(entry)
        if entry.state is None:
            return
        if entry.pair is not None:
            entry.pair.close()  # once what was written before has gone; a child may hold a copy
            return
        if self._others_have(entry) and entry.number != entry.state.connection.transport.fd:
            return
        network_events.end(entry.state)
        entry.state.connection.transport.lose()
        entry.state.connection.close()

    def cleanup(self) -> None:
        opened, self._open = self._open, {}
        # All operations and calls before any socket: the end of one must not be told as the end of its peer's stream.
        for entry in opened.values():
            pending = list(entry.state.pending.values())
            entry.state.pending.clear()
            for completion in pending:
                if not completion.told:
                    completion.abandon()
            network_events.end(entry.state)
            entry.state.connection.dismiss()
        for entry in opened.values():
            state: Socket = entry.state
            if self.ifs:
                try:
                    forget_ifs_handle(entry.number)
                except WinsockError:
                    pass
                self.close_number(entry)
            elif entry.pair is not None:
                entry.pair.settle()  # what foreign code wrote was accepted, too
            state.connection.close()

    def deliver(self) -> None:
        """The process ends without WSACleanup: close what still has accepted bytes on their way."""
        for entry in list(self._open.values()):
            if entry.pair is not None:
                entry.pair.settle()
            if entry.state.connection.has_accepted():
                entry.state.connection.close()

    def forget(self) -> None:
        """In a forked child: the sockets are the parent's."""
        self._open = {}

    # -- names and state -------------------------------------------------------------------------------------------

    def bind(self, entry: SocketEntry, address: Address) -> None:
        state: Socket = entry.state
        broadcast = not state.stream and address[0] == "255.255.255.255"
        if broadcast and not any(state.connection.perform("getsockopt", socket.SOL_SOCKET, socket.SO_BROADCAST, 4)):
            raise WinsockError(WSAError.WSAEACCES, "bind to the broadcast address without SO_BROADCAST")
        state.connection.perform("bind", address)
        state.bound_to = address
        if state.selection is not None:
            state.selection.reenable(0)  # a bound datagram socket is writable

    def listen(self, entry: SocketEntry, backlog: int) -> None:
        state: Socket = entry.state
        if not state.stream:
            raise WinsockError(WSAError.WSAEOPNOTSUPP, "listen on a datagram socket")
        if state.connected:
            raise WinsockError(WSAError.WSAEISCONN, "listen on a connected socket")
        if not self._bound(state):
            raise WinsockError(WSAError.WSAEINVAL, "listen before bind")
        state.connection.listen(min(backlog, socket.SOMAXCONN) if backlog >= 0 else socket.SOMAXCONN)
        state.listening = True
        if state.selection is not None:
            state.selection.reenable(0)

    def connect(self, entry: SocketEntry, address: Address) -> None:
        state: Socket = entry.state
        if not state.stream:
            self._connect_datagram(state, address)
            if entry.pair is not None:
                entry.pair.shut_receive = False
            return
        if state.listening:
            raise WinsockError(WSAError.WSAEINVAL, "connect on a listening socket")
        if state.connected:
            raise WinsockError(WSAError.WSAEISCONN)
        if state.connecting is not None:
            raise WinsockError(WSAError.WSAEINVAL if state.connecting.tag == CONNECTED else WSAError.WSAEALREADY)
        if not address[1] or address[0] in ("0.0.0.0", "::"):
            raise WinsockError(WSAError.WSAEADDRNOTAVAIL, f"{address[0]} port {address[1]}")
        state.connect_failed = False
        if state.blocking:
            try:
                state.connection.connect(address)
            except WinsockError as failure:
                if failure.code in _ON_ITS_WAY:  # whoever waits for the end of that must find it
                    self._connect_failed(state, failure.code)
                raise
            self._now_connected(state)
            return
        mark = state.connecting = Request()
        mark.tag = [True]  # taken by who tells the outcome
        starting = state.connection.submit_connect(address, lambda done: self._connect_ended(state, mark, done))
        if starting.done:
            error = starting.error
            if error is not None and error.code not in _LATER and _take(mark.tag):
                state.connecting = None
                state.error = 0  # told by this very return
                raise error
            self._connect_ended(state, mark, starting)  # its callback may still be on its way on another thread
        # Also when it was quick: Windows never answers a connect of a stream at once.
        raise WinsockError(WSAError.WSAEWOULDBLOCK, "connecting")

    def _connect_ended(self, state: Socket, mark: Request, request: Request) -> None:
        # Before the outcome can be seen: who sees it may connect again.
        if state.connecting is mark:
            state.connecting = None
        if not _take(mark.tag):
            return
        if request.error is None:
            self._now_connected(state)
        else:
            self._connect_failed(state, request.error.code)

    def _connect_failed(self, state: Socket, code: int) -> None:
        state.error = code
        state.connect_failed = True
        if state.selection is not None:
            state.selection.connect_ended(state.error)
        state.connection.tell_observers()

    def _now_connected(self, state: Socket) -> None:
        state.now_connected()
        if state.selection is not None:
            state.selection.connect_ended(0)
        state.connection.tell_observers()
        if state.base is not None:
            state.base.state.connection.tell_observers()

    def _connect_datagram(self, state: Socket, address: Address) -> None:
        if address[:2] in (("0.0.0.0", 0), ("::", 0)):
            state.connection.transport.dissolve()
            state.connected = False
            return
        if not address[1] and not state.raw:
            raise WinsockError(WSAError.WSAEADDRNOTAVAIL, "port 0")
        state.connection.connect(address)
        state.peer = without_port(address) if state.raw else None
        state.connection.forget_others(address)
        self._now_connected(state)

    def shutdown(self, entry: SocketEntry, how: int) -> None:
        state: Socket = entry.state
        if state.stream and not state.connected:
            raise WinsockError(WSAError.WSAENOTCONN, "shutdown")
        refuse_limited(state, "shutdown")
        if how != c.SD_SEND:
            # Linux would end receives that are already pending; Winsock only refuses further ones.
            state.shut_recv = True
            if entry.pair is not None:
                entry.pair.shut_receive = True
        if how != c.SD_RECEIVE and not state.shut_send:
            state.shut_send = True
            if state.stream:
                # Told once, a reset leaves nothing to end: CPython's suite expects that of Windows; Wine.
                known = state.connection.end_is_known
                request = state.connection.submit_shutdown(socket.SHUT_WR)
                error = request.error if request.done else None
                if error is not None and not known:
                    if error.code == WSAError.WSAENOTCONN:  # Linux's word for a connection that was there, too
                        raise WinsockError(WSAError.WSAECONNRESET, "shutdown after a reset")
                    raise error
        state.connection.tell_observers()

    def getsockname(self, entry: SocketEntry) -> Address:
        state: Socket = entry.state
        refuse_limited(state, "getsockname", names=False)
        name: Address = state.connection.perform("getsockname")
        if state.raw and (state.bound_to is not None or state.connected):
            return without_port(name)
        if not name[1] or state.raw:
            raise WinsockError(WSAError.WSAEINVAL, "the socket is not bound")
        return name

    def getpeername(self, entry: SocketEntry) -> Address:
        state: Socket = entry.state
        if state.stream and not state.connected:
            raise WinsockError(WSAError.WSAENOTCONN, "getpeername")
        refuse_limited(state, "getpeername")
        if state.raw and state.connected and state.peer is not None:
            return state.peer
        peer: Address = state.connection.perform("getpeername")
        return peer

    def _bound(self, state: Socket) -> bool:
        return state.connection.transport.bound()

    # -- overlapped calls -------------------------------------------------------------------------------------------

    def cancel(self, entry: SocketEntry, thread: Thread | None, overlapped: Overlapped | None) -> int:
        state: Socket | None = entry.state
        if state is None:
            return 0
        wanted = [
            request
            for request, completion in list(state.pending.items())
            if (thread is None or completion.issuer is thread)
            and (overlapped is None or completion.overlapped is overlapped)
        ]
        for request in wanted:
            if isinstance(request, Compound):
                request.cancel()
            else:
                state.elsewhere.get(request, state.connection).cancel(request)
        return len(wanted)

    def get_overlapped_result(self, entry: SocketEntry, overlapped: Overlapped, wait: bool) -> tuple[int, int]:
        return result_of(overlapped, wait)


def _free_number(descriptor: int) -> int:
    try:
        return free_number(descriptor)
    except OSError as error:
        raise winsock_error(error, "dup") from None


def _take(tokens: list[Any]) -> bool:
    """Whether the caller is the first to ask."""
    try:
        tokens.pop()
    except IndexError:
        return False
    return True


def _receivable(state: Socket) -> bool:
    """Whether a receive for foreign readers may be made. Another provider refuses one on a datagram socket without a
    name, and the client's next receive would hear of that.
    """
    if state.stream or state.connected:
        return state.connected
    transport = state.connection.transport
    return transport.direct or transport.bound()
