"""The Winsock behaviour of a socket over a connection of the engine: common to the base provider and to stacks of
layers.

One `Socket` stands behind each handle (`entry.state`). What Winsock keeps and Linux does not is kept here: the blocking
mode, time-outs, shut-down directions, the error of a failed connect, and which overlapped calls are pending.
"""

import errno
import os
import socket
import struct
import time
from _thread import get_ident
from collections.abc import Sequence
from typing import Any

from ws2spi._abi import addresses
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError, wsa_from_errno
from ws2spi._engine.connection import Connection
from ws2spi._engine.operations import Request
from ws2spi._engine.transport import SocketTransport, winsock_error
from ws2spi._executive.overlapped import Overlapped
from ws2spi._executive.threads import Thread
from ws2spi._runtime import protocol_info, upcalls
from ws2spi._runtime.catalog import CatalogEntry
from ws2spi._runtime.completion import Completion, result_of
from ws2spi._runtime.process import runtime
from ws2spi._runtime.provider import Buffer
from ws2spi._runtime.sockets import SocketEntry, sockets
from ws2spi._runtime.upcalls.handles import forget_ifs_handle
from ws2spi.providers import options
from ws2spi.providers.stack import Stack

Address = tuple[Any, ...]

_TYPES = {c.SOCK_STREAM: socket.SOCK_STREAM, c.SOCK_DGRAM: socket.SOCK_DGRAM}
_SEND_FLAGS = c.MSG_DONTROUTE | c.MSG_PARTIAL
_RECV_FLAGS = c.MSG_PEEK | c.MSG_PARTIAL | c.MSG_PUSH_IMMEDIATE
_NEVER_CONNECTED = 0xFFFFFFFF  # SO_CONNECT_TIME


class Socket:
    """What a provider remembers of one socket."""

    __slots__ = (
        "blocking",
        "connected",
        "connected_at",
        "connecting",
        "connection",
        "error",
        "info",
        "listening",
        "pending",
        "recv_timeout",
        "send_timeout",
        "shut_recv",
        "shut_send",
        "stream",
    )

    def __init__(self, connection: Connection, info: CatalogEntry) -> None:
        self.connection = connection
        self.info = info
        self.stream = connection.transport.stream
        self.blocking = True
        self.connected = False
        self.connected_at = 0.0
        self.connecting: Request | None = None
        self.listening = False
        self.shut_send = False
        self.shut_recv = False
        self.recv_timeout: float | None = None
        self.send_timeout: float | None = None
        self.error = 0  # SO_ERROR: a WSA code, read once
        self.pending: dict[Request, Completion] = {}  # {request: the client's overlapped call}

    def now_connected(self) -> None:
        self.connected = True
        self.connected_at = time.monotonic()
        self.shut_send = self.shut_recv = False

    def __repr__(self) -> str:
        state = "listening" if self.listening else "connected" if self.connected else "idle"
        return f"<Socket {state} pending={len(self.pending)} {self.connection!r}>"


class Starting:
    """The start of an overlapped call, on the thread that makes it.

    The engine may finish the request before the start returns. On the starting thread that is an immediate end, which
    the
    caller reports by its own return; on another one the client is told at once, even before the start returns.
    """

    __slots__ = ("completion", "ended", "finish", "socket", "starter")

    def __init__(self, state: Socket, completion: Completion, finish: Any) -> None:
        self.socket = state
        self.completion = completion
        self.finish = finish  # request -> (code, bytes, flags), storing what was received
        self.starter = get_ident()
        self.ended = False

    def done(self, request: Request) -> None:
        """The engine's callback."""
        self.socket.pending.pop(request, None)
        if self.starter == get_ident():
            self.ended = True  # still inside the start
            return
        self.tell(request)

    def started(self, request: Request) -> tuple[int, int] | None:
        """Back in the start: (bytes, flags) of an immediate success, None when pending; raises an immediate failure."""
        if not self.ended:
            self.socket.pending[request] = self.completion
            self.starter = 0
            if request.done:  # ended between the two lines above, on another thread, which has told or will
                self.socket.pending.pop(request, None)
            return None
        code, transferred, flags = self.finish(request)
        if not code:
            return transferred, flags
        if code == WSAError.WSAEMSGSIZE:
            # A receive that was cut short is an end like any other: the client is told of it.
            self.completion.complete(code, transferred, flags)
        raise request.error or WinsockError(code)

    def tell(self, request: Request) -> None:
        code, transferred, flags = self.finish(request)
        self.completion.complete(code, transferred, flags)


class SocketProvider:
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

    # -- life ------------------------------------------------------------------------------------------------------

    def socket(self, af: int, type: int, protocol: int, info: CatalogEntry, flags: int) -> int:
        return self._register(self.open(af, type, protocol, info), info).number

    def open(self, af: int, type: int, protocol: int, info: CatalogEntry) -> Connection:
        """A new connection of this provider's layers over what lies beneath them."""
        return self.stack.connection(runtime.engine, self.lower_socket(af, type, protocol))

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
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # Windows' default
        return SocketTransport(sock)

    def _register(self, connection: Connection, info: CatalogEntry) -> SocketEntry:
        """Give a connection its handle."""
        try:
            if self.ifs:
                number = upcalls.modify_ifs_handle(info.catalog_id, connection.transport.fd)
            else:
                connection.context = connection.number
                number = upcalls.create_socket_handle(info.catalog_id, connection.number)
        except BaseException:
            connection.close()
            raise
        found = sockets.lookup(number).of(self)
        if found is None:
            connection.close()
            raise WinsockError(
                WSAError.WSAEPROVIDERFAILEDINIT, f"catalog entry {info.catalog_id} is another provider's"
            )
        found.state = Socket(connection, info)
        found.on_purge = self._purged
        self._open[number] = found
        if found.pair is not None:
            entry = found
            found.pair.on_gone = lambda: self._last_copy_closed(entry)
            found.pair.attach(connection)
        return found

    def close(self, entry: SocketEntry) -> None:
        state: Socket = entry.state
        if not state.blocking and self._would_linger(state):
            raise WinsockError(WSAError.WSAEWOULDBLOCK, "unsent data and a linger time")
        self._open.pop(entry.number, None)
        if self.ifs:
            forget_ifs_handle(entry.number)
            state.connection.close()
        else:
            # What lies behind ends with the last copy of the handle; a child may still hold one.
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
        self._open.pop(entry.number, None)
        sockets.remove(entry)
        entry.state.connection.close()

    def _purged(self, entry: SocketEntry) -> None:
        """The number was given out again: foreign code had closed our descriptor. Close nothing under it."""
        self._open.pop(entry.number, None)
        if entry.state is None:
            return
        if self.ifs:
            entry.state.connection.transport.lose()
        entry.state.connection.close()

    def cleanup(self) -> None:
        opened, self._open = self._open, {}
        for entry in opened.values():
            state: Socket = entry.state
            pending = list(state.pending.values())
            state.pending.clear()
            for completion in pending:
                if not completion.told:
                    completion.abandon()
            if self.ifs:
                try:
                    forget_ifs_handle(entry.number)
                except WinsockError:
                    pass
            state.connection.close()

    # -- names and state -------------------------------------------------------------------------------------------

    def bind(self, entry: SocketEntry, address: Address) -> None:
        state: Socket = entry.state
        state.connection.perform("bind", address)

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

    def accept(self, entry: SocketEntry) -> tuple[int, Address]:
        state: Socket = entry.state
        if not state.stream:
            raise WinsockError(WSAError.WSAEOPNOTSUPP, "accept on a datagram socket")
        if not state.listening:
            raise WinsockError(WSAError.WSAEINVAL, "accept without listen")
        connection: Connection = state.connection.recv(1) if state.blocking else state.connection.recv_nowait(1)
        try:
            peer = connection.perform("getpeername")
        except WinsockError:
            peer = addresses.wildcard(entry.family)  # gone already; its first call will say so
        accepted = self._register(connection, state.info)
        new: Socket = accepted.state
        new.now_connected()
        new.blocking = state.blocking
        if not new.blocking and self.ifs:
            os.set_blocking(accepted.number, False)
        new.recv_timeout, new.send_timeout = state.recv_timeout, state.send_timeout
        return accepted.number, peer

    def connect(self, entry: SocketEntry, address: Address) -> None:
        state: Socket = entry.state
        if not state.stream:
            self._connect_datagram(state, address)
            return
        if state.listening:
            raise WinsockError(WSAError.WSAEINVAL, "connect on a listening socket")
        if state.connected:
            raise WinsockError(WSAError.WSAEISCONN)
        if state.connecting is not None:
            raise WinsockError(WSAError.WSAEALREADY)
        if not address[1]:
            raise WinsockError(WSAError.WSAEADDRNOTAVAIL, "port 0")
        if state.blocking:
            state.connection.connect(address)
            state.now_connected()
            return
        request = state.connecting = Request()
        starting = state.connection.submit_connect(address, lambda done: self._connect_ended(state, request, done))
        if not starting.done:
            raise WinsockError(WSAError.WSAEWOULDBLOCK, "connecting")
        if starting.error is not None:
            state.error = 0  # told by this very return
            raise starting.error

    def _connect_ended(self, state: Socket, mark: Request, request: Request) -> None:
        if request.error is None:
            state.now_connected()
        else:
            state.error = request.error.code
        if state.connecting is mark:
            state.connecting = None

    def _connect_datagram(self, state: Socket, address: Address) -> None:
        if address[:2] in (("0.0.0.0", 0), ("::", 0)):
            state.connection.transport.disconnect()
            state.connected = False
            return
        state.connection.connect(address)
        state.now_connected()

    def shutdown(self, entry: SocketEntry, how: int) -> None:
        state: Socket = entry.state
        if state.stream and not state.connected:
            raise WinsockError(WSAError.WSAENOTCONN, "shutdown")
        if how != c.SD_SEND:
            # Linux would end receives that are already pending; Winsock only refuses further ones.
            state.shut_recv = True
        if how != c.SD_RECEIVE and not state.shut_send:
            state.shut_send = True
            if state.stream:
                request = state.connection.submit_shutdown(socket.SHUT_WR)
                if request.done and request.error is not None:
                    raise request.error

    def getsockname(self, entry: SocketEntry) -> Address:
        state: Socket = entry.state
        name: Address = state.connection.perform("getsockname")
        if not name[1]:
            raise WinsockError(WSAError.WSAEINVAL, "the socket is not bound")
        return name

    def getpeername(self, entry: SocketEntry) -> Address:
        state: Socket = entry.state
        if state.stream and not state.connected:
            raise WinsockError(WSAError.WSAENOTCONN, "getpeername")
        peer: Address = state.connection.perform("getpeername")
        return peer

    def _bound(self, state: Socket) -> bool:
        return state.connection.transport.bound()

    # -- data ------------------------------------------------------------------------------------------------------

    def send(
        self, entry: SocketEntry, buffers: Sequence[Buffer], flags: int, completion: Completion | None
    ) -> int | None:
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
        if not state.stream and not address[1]:
            raise WinsockError(WSAError.WSAEADDRNOTAVAIL, "port 0")
        return self._send(entry, buffers, flags, None if state.stream else address, completion)

    def _send(
        self,
        entry: SocketEntry,
        buffers: Sequence[Buffer],
        flags: int,
        address: Address | None,
        completion: Completion | None,
    ) -> int | None:
        state: Socket = entry.state
        if flags & ~_SEND_FLAGS:
            self._refuse_flags(flags & ~_SEND_FLAGS)
        if state.shut_send:
            raise WinsockError(WSAError.WSAESHUTDOWN, "send")
        if not state.connected and address is None:
            raise WinsockError(WSAError.WSAENOTCONN, "send")
        data: Any = buffers[0] if len(buffers) == 1 else b"".join(buffers)
        connection = state.connection
        if completion is not None:
            starting = Starting(state, completion, _sent)
            ended = starting.started(connection.submit_send(data, starting.done, address))
            return None if ended is None else ended[0]
        if state.blocking:
            if state.send_timeout is not None:
                data = bytes(data)  # the client may leave before the bytes do
            return connection.send(data, address, state.send_timeout)
        return connection.send_nowait(data, address)

    def recv(
        self, entry: SocketEntry, buffers: Sequence[memoryview], flags: int, completion: Completion | None
    ) -> tuple[int, int] | None:
        result = self._recv(entry, buffers, flags, completion)
        return None if result is None else result[:2]

    def recv_from(
        self, entry: SocketEntry, buffers: Sequence[memoryview], flags: int, completion: Completion | None
    ) -> tuple[int, int, Address | None] | None:
        return self._recv(entry, buffers, flags, completion)

    def _recv(
        self, entry: SocketEntry, buffers: Sequence[memoryview], flags: int, completion: Completion | None
    ) -> tuple[int, int, Address | None] | None:
        state: Socket = entry.state
        if flags & ~_RECV_FLAGS:
            self._refuse_flags(flags & ~_RECV_FLAGS)
        if state.shut_recv:
            raise WinsockError(WSAError.WSAESHUTDOWN, "receive")
        if not state.connected:
            if state.stream:
                raise WinsockError(WSAError.WSAENOTCONN, "receive")
            if not self._bound(state):
                raise WinsockError(WSAError.WSAEINVAL, "receive before bind")
        size = len(buffers[0]) if len(buffers) == 1 else sum(len(buffer) for buffer in buffers)
        peek = bool(flags & c.MSG_PEEK)
        connection = state.connection
        if completion is not None:
            starting = Starting(state, completion, _Received(buffers, completion))
            ended = starting.started(connection.submit_recv(size, starting.done, peek=peek))
            return None if ended is None else (*ended, None)
        if state.blocking:
            result = connection.recv(size, state.recv_timeout, peek=peek)
        else:
            result = connection.recv_nowait(size, peek=peek)
        if state.stream:
            return _fill(buffers, result), 0, None
        data, sender = result
        count = _fill(buffers, data)
        if count < len(data):
            raise WinsockError(WSAError.WSAEMSGSIZE, f"{len(data)} bytes for a buffer of {size}")
        return count, 0, sender

    def _refuse_flags(self, flags: int) -> None:
        known = c.MSG_OOB | c.MSG_WAITALL
        if flags & known:
            raise WinsockError(WSAError.WSAEOPNOTSUPP, f"flags {flags & known:#x}")
        raise WinsockError(WSAError.WSAEINVAL, f"flags {flags:#x}")

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
            state.connection.cancel(request)
        return len(wanted)

    def get_overlapped_result(self, entry: SocketEntry, overlapped: Overlapped, wait: bool) -> tuple[int, int]:
        return result_of(overlapped, wait)

    # -- options and control codes ---------------------------------------------------------------------------------

    def getsockopt(self, entry: SocketEntry, level: int, option: int, size: int) -> bytes:
        state: Socket = entry.state
        if level & 0xFFFF == c.SOL_SOCKET:
            own = self._own_option(entry, state, option)
            if own is not None:
                if size < len(own):
                    raise WinsockError(WSAError.WSAEFAULT, f"{size} bytes for {len(own)}")
                return own
        row = options.lookup(level, option)
        value = row.to_windows(state.connection.perform("getsockopt", row.level, row.number, row.size))
        if size < len(value):
            if size < 1 or row.room != 4:
                raise WinsockError(WSAError.WSAEFAULT, f"{size} bytes for {len(value)}")
            return value[:size]  # a boolean into a BOOLEAN
        return value

    def _own_option(self, entry: SocketEntry, state: Socket, option: int) -> bytes | None:
        """Options of SOL_SOCKET whose value is kept here and not by Linux."""
        if option == c.SO_ERROR:
            code, state.error = state.error, 0
            return struct.pack("<i", code or self._pending_error(state))
        if option == c.SO_TYPE:
            return struct.pack("<i", c.SOCK_STREAM if state.stream else c.SOCK_DGRAM)
        if option == c.SO_ACCEPTCONN:
            return struct.pack("<i", state.listening)
        if option == c.SO_RCVTIMEO:
            return struct.pack("<I", int((state.recv_timeout or 0) * 1000))
        if option == c.SO_SNDTIMEO:
            return struct.pack("<I", int((state.send_timeout or 0) * 1000))
        if option == c.SO_CONNECT_TIME:
            seconds = int(time.monotonic() - state.connected_at) if state.connected else _NEVER_CONNECTED
            return struct.pack("<I", seconds)
        if option == c.SO_MAX_MSG_SIZE:
            return struct.pack("<I", state.info.message_size)
        if option == c.SO_PROTOCOL_INFOW:
            return bytes(protocol_info.structure(state.info))
        if option == c.SO_DEBUG:
            return struct.pack("<i", 0)
        if options.is_option(option, c.SO_DONTLINGER):
            linger = state.connection.perform("getsockopt", socket.SOL_SOCKET, socket.SO_LINGER, 8)
            return struct.pack("<i", not struct.unpack("ii", linger)[0])
        if options.is_option(option, c.SO_EXCLUSIVEADDRUSE):
            return struct.pack("<i", 0)
        return None

    def _pending_error(self, state: Socket) -> int:
        value = state.connection.perform("getsockopt", socket.SOL_SOCKET, socket.SO_ERROR, 4)
        number: int = struct.unpack("i", value)[0]
        return wsa_from_errno(number) if number else 0

    def setsockopt(self, entry: SocketEntry, level: int, option: int, value: bytes) -> None:
        state: Socket = entry.state
        if level & 0xFFFF == c.SOL_SOCKET:
            if option in (c.SO_RCVTIMEO, c.SO_SNDTIMEO):
                milliseconds = _dword(value)
                seconds = milliseconds / 1000 if milliseconds else None
                if option == c.SO_RCVTIMEO:
                    state.recv_timeout = seconds
                else:
                    state.send_timeout = seconds
                return
            if option in (c.SO_ERROR, c.SO_TYPE, c.SO_ACCEPTCONN, c.SO_CONNECT_TIME, c.SO_MAX_MSG_SIZE):
                raise WinsockError(WSAError.WSAENOPROTOOPT, f"option {option:#x} can only be read")
            if options.is_option(option, c.SO_DONTLINGER):
                if _dword(value):
                    state.connection.perform("setsockopt", socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
                return
            if options.is_option(option, c.SO_EXCLUSIVEADDRUSE) or option in (c.SO_DEBUG, c.SO_UPDATE_CONNECT_CONTEXT):
                return  # Linux shares an address with nobody unless asked to
        row = options.lookup(level, option)
        state.connection.perform("setsockopt", row.level, row.number, row.to_linux(value))

    def ioctl(
        self, entry: SocketEntry, code: int, data: bytes, out_size: int, completion: Completion | None
    ) -> bytes | None:
        state: Socket = entry.state
        code &= 0xFFFFFFFF
        if code == c.FIONBIO:
            state.blocking = not _dword(data)
            if self.ifs:
                os.set_blocking(entry.number, state.blocking)
            return b""
        if code == c.FIONREAD:
            return struct.pack("<I", state.connection.available())
        if code == c.SIO_BASE_HANDLE:
            return struct.pack("<Q", state.connection.transport.fd)
        if code in (c.SIO_BSP_HANDLE, c.SIO_BSP_HANDLE_SELECT, c.SIO_BSP_HANDLE_POLL):
            return struct.pack("<Q", entry.number)
        raise WinsockError(WSAError.WSAEOPNOTSUPP, f"control code {code:#010x}", errno=errno.EOPNOTSUPP)


class _Received:
    """Puts what an overlapped receive brought where the client wants it."""

    __slots__ = ("_buffers", "_completion")

    def __init__(self, buffers: Sequence[memoryview], completion: Completion) -> None:
        self._buffers = buffers
        self._completion = completion

    def __call__(self, request: Request) -> tuple[int, int, int]:
        if request.error is not None:
            return request.error.code, 0, 0
        result = request.result
        if type(result) is bytes:
            return 0, _fill(self._buffers, result), 0
        data, sender = result
        self._completion.set_address(sender)
        count = _fill(self._buffers, data)
        return (WSAError.WSAEMSGSIZE if count < len(data) else 0), count, 0


def _sent(request: Request) -> tuple[int, int, int]:
    if request.error is not None:
        return request.error.code, 0, 0
    return 0, request.result, 0


def _fill(buffers: Sequence[memoryview], data: bytes) -> int:
    """Store `data` into `buffers`, packed; returns how much found room."""
    size = len(data)
    if len(buffers) == 1:
        target = buffers[0]
        if size <= len(target):
            target[:size] = data
            return size
    offset = 0
    for target in buffers:
        piece = data[offset : offset + len(target)]
        target[: len(piece)] = piece
        offset += len(piece)
        if offset == size:
            break
    return offset


def _dword(value: bytes) -> int:
    if len(value) < 4:
        if not value:
            raise WinsockError(WSAError.WSAEFAULT, "no value")
        return value[0]
    number: int = struct.unpack_from("<I", value)[0]
    return number
