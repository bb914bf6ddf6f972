"""Sending and receiving on a socket: the WSP functions that move bytes, and what their flags mean.

The plain call is the hot path; any flag that needs more leaves it at one test (`_send_flagged`, `_recv_flagged`).
"""

from collections.abc import Callable, Sequence
from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import fill
from ws2spi._engine.connection import Connection
from ws2spi._engine.hand import hand
from ws2spi._runtime.completion import Completion
from ws2spi._runtime.provider import Buffer
from ws2spi._runtime.sockets import SocketEntry
from ws2spi.providers.socket_state import Socket
from ws2spi.providers.transfers import Received, Starting, sent

Address = tuple[Any, ...]

# A blocking send goes in copies of at most so many bytes: its client may leave (a time-out, Ctrl-C) before the bytes
# do, and then do with its memory what it likes.
_COPIED = 1 << 18
# What changes nothing about a call: Windows lets a provider ignore MSG_DONTROUTE; a stream has no messages of which one
# could send a part (witness H8); data is pushed at once anyhow.
_PLAIN_SEND = c.MSG_DONTROUTE | c.MSG_PARTIAL
_PLAIN_RECV = c.MSG_PEEK | c.MSG_PARTIAL | c.MSG_PUSH_IMMEDIATE
_SEND_FLAGS = _PLAIN_SEND | c.MSG_OOB
_RECV_FLAGS = _PLAIN_RECV | c.MSG_OOB | c.MSG_WAITALL
_ALONE = c.MSG_OOB | c.MSG_PEEK | c.MSG_PARTIAL  # flags that MSG_WAITALL does not go with


class DataCalls:
    """WSPSend, WSPSendTo, WSPRecv and WSPRecvFrom of a `SocketProvider`."""

    reenable: Callable[[SocketEntry, int], None]

    # -- sending ---------------------------------------------------------------------------------------------------

    def send(
        self, entry: SocketEntry, buffers: Sequence[Buffer], flags: int, completion: Completion | None
    ) -> int | None:
        if entry.state.selection is not None:
            return self._send_selected(entry, buffers, flags, None, completion)
        return self._send(entry, buffers, flags, None, completion)

    def send_to(
        self,
        entry: SocketEntry,
        buffers: Sequence[Buffer],
        flags: int,
        address: Address,
        completion: Completion | None,
    ) -> int | None:
        state: Socket = entry.state
        if not state.stream and not address[1] and not state.raw:
            raise WinsockError(WSAError.WSAEADDRNOTAVAIL, "port 0")
        to = None if state.stream else address
        if state.selection is not None:
            return self._send_selected(entry, buffers, flags, to, completion)
        return self._send(entry, buffers, flags, to, completion)

    def _send_selected(
        self,
        entry: SocketEntry,
        buffers: Sequence[Buffer],
        flags: int,
        address: Address | None,
        completion: Completion | None,
    ) -> int | None:
        """A send of a socket that has selected network events: one that would block asks for the next FD_WRITE."""
        try:
            count = self._send(entry, buffers, flags, address, completion)
        except WinsockError as error:
            if error.code == WSAError.WSAEWOULDBLOCK:
                self.reenable(entry, c.FD_WRITE)
            raise
        if address is not None:
            self.reenable(entry, 0)  # it may have bound the socket, which is writable then
        return count

    def _send(
        self,
        entry: SocketEntry,
        buffers: Sequence[Buffer],
        flags: int,
        address: Address | None,
        completion: Completion | None,
    ) -> int | None:
        state: Socket = entry.state
        if flags:
            _check_send_flags(state, flags)
        if state.shut_send:
            raise WinsockError(WSAError.WSAESHUTDOWN, "send")
        if not state.connected and address is None:
            address = _default_peer(state)
        data: Any = buffers[0] if len(buffers) == 1 else b"".join(buffers)
        connection: Connection = state.connection
        if not state.stream:
            _check_datagram(state, len(data))
        elif flags & c.MSG_OOB:
            return self._send_urgent(state, bytes(data), completion)
        if completion is not None:
            starting = Starting(state.pending, completion, sent)
            ended = starting.started(connection.submit_send(data, starting.done, address))
            return None if ended is None else ended[0]
        if state.blocking:
            if not state.stream or len(data) <= _COPIED:
                return connection.send(bytes(data), address, state.send_timeout)
            pieces = memoryview(data)
            for start in range(0, len(pieces), _COPIED):
                connection.send(bytes(pieces[start : start + _COPIED]), address, state.send_timeout)
            return len(pieces)
        return connection.send_nowait(data, address)

    def _send_urgent(self, state: Socket, data: bytes, completion: Completion | None) -> int | None:
        connection: Connection = state.connection
        if completion is not None:
            starting = Starting(state.pending, completion, sent)
            ended = starting.started(connection.submit_send_urgent(data, starting.done))
            return None if ended is None else ended[0]
        if state.blocking:
            return connection.send_urgent(data, state.send_timeout)
        return connection.send_urgent_nowait(data)

    # -- receiving -------------------------------------------------------------------------------------------------

    def recv(
        self, entry: SocketEntry, buffers: Sequence[memoryview], flags: int, completion: Completion | None
    ) -> tuple[int, int] | None:
        if entry.state.selection is None:
            result = self._recv(entry, buffers, flags, completion)
        else:
            result = self.recv_from(entry, buffers, flags, completion)
        return None if result is None else result[:2]

    def recv_from(
        self, entry: SocketEntry, buffers: Sequence[memoryview], flags: int, completion: Completion | None
    ) -> tuple[int, int, Address | None] | None:
        if entry.state.selection is None:
            return self._recv(entry, buffers, flags, completion)
        try:
            return self._recv(entry, buffers, flags, completion)
        finally:
            self.reenable(entry, c.FD_READ | c.FD_OOB)

    def _recv(
        self, entry: SocketEntry, buffers: Sequence[memoryview], flags: int, completion: Completion | None
    ) -> tuple[int, int, Address | None] | None:
        state: Socket = entry.state
        if flags & ~_PLAIN_RECV:
            _check_recv_flags(state, flags, overlapped=completion is not None)
        if state.shut_recv:
            raise WinsockError(WSAError.WSAESHUTDOWN, "receive")
        if not state.connected:
            if state.stream:
                raise WinsockError(WSAError.WSAENOTCONN, "receive")
            if not state.connection.transport.bound():
                raise WinsockError(WSAError.WSAEINVAL, "receive before bind")
        if state.one_way == c.JL_SENDER_ONLY:
            raise WinsockError(WSAError.WSAEOPNOTSUPP, "joined as a sender only")
        size = len(buffers[0]) if len(buffers) == 1 else sum(len(buffer) for buffer in buffers)
        peek = bool(flags & c.MSG_PEEK)
        connection: Connection = state.connection
        if flags & ~_PLAIN_RECV:
            return self._recv_flagged(entry, buffers, flags, size, completion)
        if completion is not None:
            starting = Starting(state.pending, completion, Received(buffers, completion))
            ended = starting.started(connection.submit_recv(size, starting.done, peek=peek))
            return None if ended is None else (*ended, None)
        guarded = not peek and hand.takes_from(entry.number)
        if state.blocking:
            result = connection.recv(size, state.recv_timeout, peek=peek)
        else:
            result = connection.recv_nowait(size, peek=peek)
        if guarded:
            hand.owner, hand.held = connection, [result]
        if state.stream:
            return fill(buffers, result), 0, None
        data, sender = result
        count = fill(buffers, data)
        if count < len(data):
            if guarded:
                hand.owner = None  # the rest of it is gone, as the client is told
            raise WinsockError(WSAError.WSAEMSGSIZE, f"{len(data)} bytes for a buffer of {size}")
        return count, 0, sender

    def _recv_flagged(
        self,
        entry: SocketEntry,
        buffers: Sequence[memoryview],
        flags: int,
        size: int,
        completion: Completion | None,
    ) -> tuple[int, int, Address | None] | None:
        """MSG_OOB or MSG_WAITALL, both of streams."""
        state: Socket = entry.state
        connection: Connection = state.connection
        peek = bool(flags & c.MSG_PEEK)
        starting = None
        if completion is not None:
            starting = Starting(state.pending, completion, Received(buffers, completion))
        if flags & c.MSG_OOB:
            if connection.transport.urgent_inline():
                raise WinsockError(WSAError.WSAEINVAL, "MSG_OOB while urgent data is inline")
            if starting is not None:
                ended = starting.started(connection.submit_recv_urgent(size, starting.done, peek=peek))
                return None if ended is None else (*ended, None)
            if state.blocking:
                data = connection.recv_urgent(size, state.recv_timeout, peek=peek)
            else:
                data = connection.recv_urgent_nowait(size, peek=peek)
            return fill(buffers, data), 0, None
        guarded = hand.takes_from(entry.number)
        if entry.pair is not None:
            entry.pair.before_recv()
            moved = entry.pair.take(size, False) if entry.pair.holds() else None
            if moved is not None:
                held = [moved[0]]
                if guarded:
                    hand.owner, hand.held = connection, held
                connection.put_back(held)
        if starting is not None:
            ended = starting.started(connection.submit_recv(size, starting.done, least=size))
            return None if ended is None else (*ended, None)
        data = connection.recv_whole(size, state.recv_timeout)
        if guarded:
            hand.owner, hand.held = connection, [data]
        return fill(buffers, data), 0, None


def _check_send_flags(state: Socket, flags: int) -> None:
    """Errors:
    WSAEINVAL: an unknown flag. WSAEOPNOTSUPP: MSG_OOB or MSG_PARTIAL on a datagram socket.
    """
    if flags & ~_SEND_FLAGS:
        raise WinsockError(WSAError.WSAEINVAL, f"flags {flags & ~_SEND_FLAGS:#x}")
    if not state.stream and flags & (c.MSG_OOB | c.MSG_PARTIAL):
        raise WinsockError(WSAError.WSAEOPNOTSUPP, f"flags {flags:#x} on a datagram socket")


def _check_recv_flags(state: Socket, flags: int, *, overlapped: bool) -> None:
    """Errors:
    WSAEINVAL: an unknown flag. WSAEOPNOTSUPP: MSG_OOB or MSG_WAITALL on a datagram socket; MSG_WAITALL with another
    flag that forbids it, or on a non-blocking socket in a call that does not overlap.
    """
    if flags & ~_RECV_FLAGS:
        raise WinsockError(WSAError.WSAEINVAL, f"flags {flags & ~_RECV_FLAGS:#x}")
    if not state.stream:
        raise WinsockError(WSAError.WSAEOPNOTSUPP, f"flags {flags:#x} on a datagram socket")
    if flags & c.MSG_WAITALL and (flags & _ALONE or not (overlapped or state.blocking)):
        raise WinsockError(WSAError.WSAEOPNOTSUPP, "MSG_WAITALL")


def _default_peer(state: Socket) -> Address:
    """Where a send without an address goes that is not connected: to the group that was joined.

    Errors:
        WSAENOTCONN: nowhere. WSAEOPNOTSUPP: joined as a receiver only.
    """
    if state.group is None:
        raise WinsockError(WSAError.WSAENOTCONN, "send")
    return state.group


def _check_datagram(state: Socket, size: int) -> None:
    """Errors:
    WSAEMSGSIZE: longer than any datagram. WSAEOPNOTSUPP: joined as a receiver only.
    """
    limit = state.info.message_size
    if limit and size > limit:
        raise WinsockError(WSAError.WSAEMSGSIZE, f"{size} bytes; a message has at most {limit}")
    if state.one_way == c.JL_RECEIVER_ONLY:
        raise WinsockError(WSAError.WSAEOPNOTSUPP, "joined as a receiver only")
