"""AcceptEx, ConnectEx, DisconnectEx and transmissions on sockets over connections.

They go the way of plain calls, through every layer: an AcceptEx is an accept and a receive, a ConnectEx a connect and a
send. What lies beneath is not asked for extension functions of its own: a stack has them over any provider.

Rule 1: AcceptEx leaves the accept socket as it was until it has succeeded. Then the new connection takes the place of
        the one behind that handle: over its descriptor (dup2) where the handle is the socket itself, else behind its
        pair.
Rule 2: TF_REUSE_SOCKET puts a new, unconnected socket in the same place when the old connection has ended in both
        directions; what the peer still sends is dropped. A socket that was bound by bind() is bound to the same address
        again, another one is not.
"""

import os
import struct
import time
from collections.abc import Callable
from typing import Any

from ws2spi._abi import addresses
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.connection import Connection
from ws2spi._engine.operations import Done, Request
from ws2spi._engine.transport import Address
from ws2spi._runtime.catalog import CatalogEntry
from ws2spi._runtime.completion import Completion
from ws2spi._runtime.extensions import blocks
from ws2spi._runtime.extensions.pointers import pointer
from ws2spi._runtime.sockets import SocketEntry, sockets
from ws2spi.providers import base_handles, network_events
from ws2spi.providers.compounds import Compound, Flow, Step
from ws2spi.providers.control import OptionCalls
from ws2spi.providers.control_codes import Answer, ControlCodes
from ws2spi.providers.messages import MessageCalls
from ws2spi.providers.socket_state import Socket

CONNECTED = "ConnectEx"  # `Socket.limited` after one
_DISCARDED = 65536  # bytes that one receive drops while a connection ends for good
Arrived = Callable[[bytes, Address, Address], object]  # (first data, local address, remote address)


class ExtensionCalls(OptionCalls, ControlCodes, MessageCalls):
    """The extension functions of a `SocketProvider`, and what options and control codes say of them."""

    _open: dict[int, SocketEntry]
    open: Callable[[int, int, int, CatalogEntry], Connection]
    _now_connected: Callable[[Socket], None]

    # -- AcceptEx --------------------------------------------------------------------------------------------------

    def accept_ex(
        self, listening: SocketEntry, accepting: SocketEntry, size: int, arrived: Arrived, completion: Completion
    ) -> None:
        """Start to accept a connection on the socket `accepting`, and to receive its first `size` bytes.

        `arrived` stores them, before the end is told.

        Errors:
            WSAEINVAL: no listening stream; or `accepting` is bound, connected, listening, no such stream, or in use.
        """
        listener: Socket = listening.state
        target: Socket = accepting.state
        if not listener.stream or not listener.listening:
            raise WinsockError(WSAError.WSAEINVAL, "AcceptEx without listen")
        if not target.stream or accepting.family != listening.family or target.listening or target is listener:
            raise WinsockError(WSAError.WSAEINVAL, "the accept socket is of another kind")
        if target.connected or target.connecting is not None or target.compounds:
            raise WinsockError(WSAError.WSAEINVAL, "the accept socket is in use")
        if not target.reusable and _bound(target.connection):
            raise WinsockError(WSAError.WSAEINVAL, "the accept socket is bound")
        flow = self._accepting(listener, accepting, size, arrived)
        Compound(listener, completion, flow, target).start()

    def _accepting(self, listener: Socket, accepting: SocketEntry, size: int, arrived: Arrived) -> Flow:
        target: Socket = accepting.state
        connection: Connection = yield (
            listener.connection,
            lambda done: listener.connection.submit_recv(1, done),
        )
        target.connected_at = time.monotonic()
        data = b""
        try:
            local: Address = yield _control(connection, "getsockname")
            try:
                peer: Address = yield _control(connection, "getpeername")
            except WinsockError as error:
                if error.code == WSAError.WSA_OPERATION_ABORTED:
                    raise
                peer = addresses.wildcard(accepting.family)  # gone already; its first call will say so
            if size:
                data = yield connection, lambda done: connection.submit_recv(size, done)
            yield _inside(connection, self._put_behind, accepting, connection)
        except BaseException:
            target.connected_at = 0.0
            connection.abort()
            raise
        at = target.connected_at
        target.limited = listener
        target.accepted = True
        self._now_connected(target)
        target.connected_at = at
        target.reusable = False
        arrived(data, local, peer)
        return len(data)

    def _put_behind(self, entry: SocketEntry, connection: Connection) -> None:
        """In the mailbox of `connection`: it takes the place of what is behind the handle (rule 1)."""
        state: Socket = entry.state
        old = state.connection
        if state.closed or self._open.get(entry.number) is not entry:
            raise WinsockError(WSAError.WSA_OPERATION_ABORTED, "closed")
        selection = state.selection
        base_handles.end(state)
        if self.ifs:
            connection.take_place(old)
            try:
                inode = os.fstat(entry.number).st_ino
                if not state.blocking:
                    os.set_blocking(entry.number, False)
            except OSError:  # another thread has just closed it
                raise WinsockError(WSAError.WSA_OPERATION_ABORTED, "closed") from None
            for layer in sockets.lookup(entry.number).layers():
                layer.inode = inode
        else:
            connection.context = old.context
            entry.pair.replace(connection)
        state.connection = connection
        if selection is not None:
            network_events.move(entry, selection)
        connection.mailbox.later(old.close)

    # -- ConnectEx -------------------------------------------------------------------------------------------------

    def connect_ex(self, entry: SocketEntry, address: Address, data: memoryview | None, completion: Completion) -> None:
        """Start to connect to `address` and then to send `data`.

        Errors:
            WSAEINVAL: unbound, listening, no stream. WSAEISCONN. WSAEALREADY: a connect is under way.
            WSAEADDRNOTAVAIL: no address that can be connected to.
        """
        state: Socket = entry.state
        if not state.stream or state.listening:
            raise WinsockError(WSAError.WSAEINVAL, "ConnectEx on no plain stream")
        if state.connected:
            raise WinsockError(WSAError.WSAEISCONN)
        if state.connecting is not None:
            raise WinsockError(WSAError.WSAEALREADY)
        if state.compounds or not (state.reusable or _bound(state.connection)):
            raise WinsockError(WSAError.WSAEINVAL, "ConnectEx before bind")
        if not address[1] or address[0] in ("0.0.0.0", "::"):
            raise WinsockError(WSAError.WSAEADDRNOTAVAIL, f"{address[0]} port {address[1]}")
        state.connecting = mark = Request()
        mark.tag = CONNECTED
        state.connect_failed = False
        Compound(state, completion, self._connecting(state, address, data)).start()

    def _connecting(self, state: Socket, address: Address, data: memoryview | None) -> Flow:
        connection: Connection = state.connection
        try:
            yield connection, lambda done: connection.submit_connect(address, done)
        finally:
            state.connecting = None
        state.reusable = False
        state.limited = CONNECTED
        sending: list[Request] = []
        if data:
            # Begun before anybody can see that the socket is connected: its bytes are the first.
            sending.append(connection.submit_send(data))
        self._now_connected(state)
        if not data:
            return 0
        yield connection, lambda done: _joined(connection, sending[0], done)
        return len(data)

    # -- the end of a connection -----------------------------------------------------------------------------------

    def disconnect_ex(self, entry: SocketEntry, reuse: bool, completion: Completion) -> None:
        """Start to end a connection in order; with `reuse`, the socket is then as new.

        Errors:
            WSAEINVAL: no stream. WSAENOTCONN.
        """
        state: Socket = entry.state
        if not state.stream:
            raise WinsockError(WSAError.WSAEINVAL, "DisconnectEx of a datagram socket")
        if not state.connected:
            raise WinsockError(WSAError.WSAENOTCONN, "DisconnectEx")
        Compound(state, completion, self._disconnecting(entry, reuse)).start()

    def _disconnecting(self, entry: SocketEntry, reuse: bool, transferred: int = 0) -> Flow:
        state: Socket = entry.state
        old: Connection = state.connection
        if not state.shut_send:
            state.shut_send = True
            yield old, lambda done: old.submit_shutdown(1, done)
            old.tell_observers()
        if not reuse:
            return transferred
        state.shut_recv = True
        try:
            while (yield old, lambda done: old.submit_recv(_DISCARDED, done)):
                pass
        except WinsockError as error:
            if error.code == WSAError.WSA_OPERATION_ABORTED:
                raise
        fresh = self.open(entry.family, entry.type, entry.protocol, state.info)
        try:
            if state.bound_to is not None:
                yield from _bound_again(old, fresh, state.bound_to)
            yield _inside(fresh, self._put_behind, entry, fresh)
        except BaseException:
            fresh.close()
            raise
        state.connected = state.accepted = state.shut_send = state.shut_recv = False
        state.connected_at, state.limited, state.error = 0.0, None, 0
        state.reusable = True
        return transferred

    def transmit(
        self, entry: SocketEntry, packets: list[list[Any]], disconnect: bool, reuse: bool, completion: Completion
    ) -> None:
        """Start to send buffers and parts of files as one operation, and perhaps to end the connection after it.

        Errors:
            WSAENOTCONN, WSAESHUTDOWN.
        """
        state: Socket = entry.state
        if not state.connected:
            raise WinsockError(WSAError.WSAENOTCONN, "transmit")
        if state.shut_send:
            raise WinsockError(WSAError.WSAESHUTDOWN, "transmit")
        if entry.pair is not None:
            entry.pair.before_send(pending=True)
        holder: list[Compound] = []
        compound = Compound(state, completion, self._transmitting(entry, packets, disconnect, reuse, holder))
        holder.append(compound)
        compound.start()

    def _transmitting(
        self, entry: SocketEntry, packets: list[list[Any]], disconnect: bool, reuse: bool, holder: list[Compound]
    ) -> Flow:
        connection: Connection = entry.state.connection
        files = [part for packet in packets for part in packet if not isinstance(part, memoryview)]

        def begin(done: Done) -> Request:
            def ended(request: Request) -> None:
                for file in files:
                    if request.error is None:
                        file.sent(len(file))
                    file.close()
                done(request)

            request, transmission = connection.submit_transmission([list(packet) for packet in packets], ended)
            holder[0].on_cancel = transmission.cancel
            return request

        total: int = yield connection, begin
        if disconnect:
            yield from self._disconnecting(entry, reuse, total)
            if reuse:
                entry.state.reusable = False  # for the function that had connected it only: bound or not says which
        return total

    # -- options and control codes ---------------------------------------------------------------------------------

    def setsockopt(self, entry: SocketEntry, level: int, option: int, value: bytes) -> None:
        if level & 0xFFFF == c.SOL_SOCKET:
            if option == c.SO_UPDATE_ACCEPT_CONTEXT:
                return self._update_accept_context(entry, value)
            if option == c.SO_UPDATE_CONNECT_CONTEXT:
                return self._update_connect_context(entry)
        return super().setsockopt(entry, level, option, value)

    def _update_accept_context(self, entry: SocketEntry, value: bytes) -> None:
        state: Socket = entry.state
        if len(value) < 8:
            raise WinsockError(WSAError.WSAEFAULT, f"{len(value)} bytes for a SOCKET")
        number: int = struct.unpack_from("<Q", value)[0]
        listening = sockets.lookup(number).of(self)  # type: ignore[arg-type]
        if listening is None:
            raise WinsockError(WSAError.WSAENOTSOCK, f"socket {number} is another provider's")
        if not state.connected:
            raise WinsockError(WSAError.WSAENOTCONN, "SO_UPDATE_ACCEPT_CONTEXT")
        listener: Socket = listening.state
        if not state.accepted or not listener.listening or state.limited not in (None, listener):
            raise WinsockError(WSAError.WSAEINVAL, "SO_UPDATE_ACCEPT_CONTEXT without AcceptEx on that listener")
        if state.limited is None:
            return
        state.limited = None
        state.recv_timeout, state.send_timeout = listener.recv_timeout, listener.send_timeout
        if state.selection is None or not state.selection.mask:
            network_events.inherit(listener, entry)

    def _update_connect_context(self, entry: SocketEntry) -> None:
        state: Socket = entry.state
        if not state.connected:
            raise WinsockError(WSAError.WSAENOTCONN, "SO_UPDATE_CONNECT_CONTEXT")
        if state.limited == CONNECTED:
            state.limited = None

    def ioctl(
        self, entry: SocketEntry, code: int, data: bytes, out_size: int, completion: Completion | None
    ) -> Answer | None:
        code &= 0xFFFFFFFF
        if code == c.SIO_GET_EXTENSION_FUNCTION_POINTER:
            address = pointer(entry.info.provider_id, data)
            return _handle(address)
        transport = entry.state.connection.transport
        if code == c.SIO_BASE_HANDLE:
            if not transport.direct:
                return _handle(transport.base_handle())
            return _handle(transport.fd if self.ifs else base_handles.base_handle(entry))
        if code == c.SIO_QUERY_TARGET_PNP_HANDLE:
            return _handle(transport.fd if transport.direct else transport.number)
        if code in (c.SIO_BSP_HANDLE, c.SIO_BSP_HANDLE_SELECT, c.SIO_BSP_HANDLE_POLL):
            if completion is not None:
                raise WinsockError(WSAError.WSAEFAULT, "a control code that does not overlap")
            return _handle(entry.number)
        if code == c.SIO_EXT_POLL:
            return blocks.poll(data)
        if code == c.SIO_EXT_SENDMSG:
            return blocks.send_msg(entry, data)
        return super().ioctl(entry, code, data, out_size, completion)


def refuse_limited(state: Socket, call: str, *, names: bool = True) -> None:
    """Errors:
    WSAENOTCONN: AcceptEx or ConnectEx has connected the socket, and it has not been told so by setsockopt yet.
    """
    if state.limited is not None and (names or state.limited != CONNECTED):
        raise WinsockError(WSAError.WSAENOTCONN, f"{call} before SO_UPDATE_ACCEPT_CONTEXT or SO_UPDATE_CONNECT_CONTEXT")


def _bound(connection: Connection) -> bool:
    try:
        return bool(connection.transport.bound())
    except WinsockError as error:  # a provider below says it so
        if error.code != WSAError.WSAEINVAL:
            raise
        return False


def _handle(value: int) -> bytes:
    return struct.pack("<Q", value)


def _control(connection: Connection, method: str, *arguments: Any) -> Step:
    return connection, lambda done: connection.submit(method, *arguments, done=done)


def _inside(connection: Connection, call: Callable[..., Any], *arguments: Any) -> Step:
    return connection, lambda done: connection.submit_inside(call, *arguments, done=done)


def _joined(connection: Connection, request: Request, done: Done) -> Request:
    """Wait for a request that was begun without a callback."""

    def join() -> None:
        if request.done:
            connection.mailbox.later(done, request)
        else:
            request.callback = done

    connection.mailbox.post(join)
    return request


def _bound_again(old: Connection, fresh: Connection, address: Address) -> Flow:
    """Bind to what the client had bound; to another port where somebody else has that one by now."""
    for connection in (old, fresh):
        if connection.transport.direct:
            connection.transport.share_address()
    try:
        yield _control(fresh, "bind", address)
    except WinsockError as error:
        if error.code != WSAError.WSAEADDRINUSE:
            raise
        yield _control(fresh, "bind", (address[0], 0, *address[2:]))
    return 0


__all__ = ["CONNECTED", "ExtensionCalls", "refuse_limited"]
