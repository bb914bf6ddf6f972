"""WSARecvMsg and WSASendMsg on sockets over connections, and control messages in both spellings."""

import socket
import struct
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import fill
from ws2spi._engine.connection import Connection
from ws2spi._engine.datagram import Datagram
from ws2spi._engine.operations import Request
from ws2spi._engine.transport import Address
from ws2spi._runtime.completion import Completion
from ws2spi._runtime.provider import Buffer
from ws2spi._runtime.sockets import SocketEntry
from ws2spi.providers.socket_state import Socket
from ws2spi.providers.transfers import Starting, sent

Control = tuple[int, int, bytes]  # (level, type, data)

_IP, _IPV6 = socket.IPPROTO_IP, socket.IPPROTO_IPV6
_UDP = socket.IPPROTO_UDP
# Linux' numbers; the socket module has no names for them
_IP_PKTINFO = 8
_UDP_SEGMENT, _UDP_GRO = 103, 104
# {(level, Linux type): Windows type} of those whose data is an int, or the same structure
_SAME = {
    (_IP, socket.IP_TTL): c.IP_TTL,
    (_IP, socket.IP_TOS): c.IP_TOS,
    (_IPV6, socket.IPV6_PKTINFO): c.IPV6_PKTINFO,
    (_IPV6, socket.IPV6_HOPLIMIT): c.IPV6_HOPLIMIT,
    (_IPV6, socket.IPV6_TCLASS): c.IPV6_TCLASS,
    (_UDP, _UDP_GRO): c.UDP_COALESCED_INFO,
}
_BACK = {(level, windows): linux for (level, linux), windows in _SAME.items()}


class _Octet(NamedTuple):
    """Windows' two options, and its control message, of the octet that has the bits of congestion notification."""

    whole: int
    bits: int  # the number of the message, too
    message: int


# {(level, Linux' message): its octet}
_OCTETS = {
    (_IP, socket.IP_TOS): _Octet(c.IP_RECVTOS, c.IP_RECVECN, c.IP_TOS),
    (_IPV6, socket.IPV6_TCLASS): _Octet(c.IPV6_RECVTCLASS, c.IPV6_RECVECN, c.IPV6_TCLASS),
}


class Out(Protocol):
    """Stores what comes with a message; gives the flags back, with MSG_CTRUNC where there was too little room."""

    def __call__(self, sender: Address | None, control: Iterable[Control], flags: int) -> int: ...


class MessageCalls:
    """The two functions of a `SocketProvider`."""

    def recv_msg(
        self,
        entry: SocketEntry,
        buffers: Sequence[memoryview],
        flags: int,
        out: Out,
        completion: Completion | None,
    ) -> tuple[int, int] | None:
        """Receive one datagram with its control data. Returns (bytes, flags), None when pending.

        Errors:
            WSAESHUTDOWN. WSAEINVAL: not bound. WSAEMSGSIZE: cut; what there was room for is stored, and so is the rest.
        """
        state: Socket = entry.state
        try:
            if state.shut_recv:
                raise WinsockError(WSAError.WSAESHUTDOWN, "receive")
            connection: Connection = state.connection
            if not state.connected and not connection.transport.bound():
                raise WinsockError(WSAError.WSAEINVAL, "receive before bind")
            if state.one_way == c.JL_SENDER_ONLY:
                raise WinsockError(WSAError.WSAEOPNOTSUPP, "joined as a sender only")
            connection.keep_control()
            received = _Received(buffers, out, state.options)
            size = sum(len(buffer) for buffer in buffers)
            peek = bool(flags & c.MSG_PEEK)
            if completion is not None:
                starting = Starting(state.pending, completion, received)
                return starting.started(connection.submit_recv(size, starting.done, peek=peek))
            request = Request()
            if state.blocking:
                request.result = connection.recv(size, state.recv_timeout, peek=peek)
            else:
                request.result = connection.recv_nowait(size, peek=peek)
            code, count, got = received(request)
            if code:
                raise WinsockError(code, f"a datagram longer than {size} bytes")
            return count, got
        finally:
            if state.selection is not None:
                state.selection.reenable(c.FD_READ | c.FD_OOB)

    def send_msg(
        self,
        entry: SocketEntry,
        buffers: Sequence[Buffer],
        flags: int,
        address: Address | None,
        control: Sequence[Control],
        completion: Completion | None,
    ) -> int | None:
        """Send one datagram with control data. Returns the number of bytes, None when pending.

        Errors:
            As `send_to`. WSAEINVAL: control data that Linux does not know.
        """
        state: Socket = entry.state
        if not control:
            if address is None:
                return self.send(entry, buffers, flags, completion)  # type: ignore[attr-defined, no-any-return]
            return self.send_to(entry, buffers, flags, address, completion)  # type: ignore[attr-defined, no-any-return]
        if flags & ~c.MSG_DONTROUTE:
            raise WinsockError(WSAError.WSAEOPNOTSUPP, f"flags {flags:#x}")
        if state.shut_send:
            raise WinsockError(WSAError.WSAESHUTDOWN, "send")
        if address is None and not state.connected:
            raise WinsockError(WSAError.WSAENOTCONN, "send")
        if address is not None and not address[1] and not state.raw:
            raise WinsockError(WSAError.WSAEADDRNOTAVAIL, "port 0")
        data: Any = buffers[0] if len(buffers) == 1 else b"".join(buffers)
        connection: Connection = state.connection
        linux = [to_linux(*message) for message in _with_octet(connection, control)]
        if completion is not None:
            starting = Starting(state.pending, completion, sent)
            ended = starting.started(connection.submit_message(data, linux, starting.done, address))
            return None if ended is None else ended[0]
        if state.blocking:
            return connection.send_message(bytes(data), linux, address, state.send_timeout)
        return connection.send_message_nowait(data, linux, address)


class _Received:
    """Puts a received datagram where the client wants it."""

    __slots__ = ("_buffers", "_options", "_out")

    def __init__(self, buffers: Sequence[memoryview], out: Out, options: dict[tuple[int, int], int]) -> None:
        self._buffers = buffers
        self._out = out
        self._options = options

    def __call__(self, request: Request) -> tuple[int, int, int]:
        if request.error is not None:
            return request.error.code, 0, 0
        data, sender = request.result
        control = request.result.control if isinstance(request.result, Datagram) else ()
        cut = isinstance(request.result, Datagram) and request.result.flags & socket.MSG_CTRUNC
        flags = c.MSG_CTRUNC if cut else 0
        messages = []
        for level, kind, value in control:
            flags |= _kind_of_address(level, kind, value)
            message = to_windows(level, kind, value)
            if message is None:
                continue
            octet = _OCTETS.get((level, kind))
            bits = None if octet is None else self._options.get((level, octet.bits))
            # Where nobody has asked for the bits alone, it was the whole octet that was asked for.
            if octet is None or self._options.get((level, octet.whole), bits is None):
                messages.append(message)
            if octet is not None and bits:
                messages.append((level, octet.bits, struct.pack("<i", message[2][0] & 3)))
        count = fill(self._buffers, data)
        if count < len(data):
            flags |= c.MSG_TRUNC
        flags = self._out(sender, messages, flags)
        return (WSAError.WSAEMSGSIZE if count < len(data) else 0), count, flags


def _with_octet(connection: Connection, control: Sequence[Control]) -> Sequence[Control]:
    """The messages with IP_ECN (IPV6_ECN) put into the octet that is sent: the message's own, else the socket's.

    Errors:
        WSAEINVAL: no codepoint, or that of congestion encountered, which only routers may set.
    """
    for (level, linux), octet in _OCTETS.items():
        bits = [data for message_level, kind, data in control if (message_level, kind) == (level, octet.bits)]
        if not bits:
            continue
        codepoint = int.from_bytes(bits[-1], "little")
        if len(bits[-1]) != 4 or codepoint > 2:
            raise WinsockError(WSAError.WSAEINVAL, f"ECN codepoint {codepoint}")
        whole = [data for message_level, kind, data in control if (message_level, kind) == (level, octet.message)]
        base: bytes = whole[-1] if whole else connection.perform("getsockopt", level, linux, 4)
        value = struct.pack("<i", int.from_bytes(base[:4], "little") & 0xFC | codepoint)
        others = [one for one in control if one[:2] not in ((level, octet.bits), (level, octet.message))]
        control = [*others, (level, octet.message, value)]
    return control


def _kind_of_address(level: int, kind: int, data: bytes) -> int:
    """MSG_BCAST or MSG_MCAST, as the address says that a datagram was sent to."""
    if (level, kind) == (_IP, _IP_PKTINFO):
        own, to = data[4:8], data[8:12]
        if to[0] & 0xF0 == 0xE0:
            return c.MSG_MCAST
        return c.MSG_BCAST if to != own else 0
    if (level, kind) == (_IPV6, socket.IPV6_PKTINFO):
        return c.MSG_MCAST if data[0] == 0xFF else 0
    return 0


def to_windows(level: int, kind: int, data: bytes) -> Control | None:
    """A control message in Windows' spelling; None for one that Windows does not know."""
    if (level, kind) == (_IP, _IP_PKTINFO):
        return level, c.IP_PKTINFO, data[8:12] + data[:4]
    windows = _SAME.get((level, kind))
    if windows is None:
        return None
    return level, windows, data + bytes(3) if len(data) == 1 else data  # IP_TOS is one byte there, an int here


def to_linux(level: int, kind: int, data: bytes) -> Control:
    """A control message in Linux' spelling.

    Errors:
        WSAEINVAL: one that Linux does not know, or data of another size.
    """
    try:
        if (level, kind) == (_IP, c.IP_PKTINFO):
            address, index = struct.unpack("<4s4s", data)
            return level, _IP_PKTINFO, index + address + bytes(4)
        if (level, kind) == (_UDP, c.UDP_SEND_MSG_SIZE):
            (size,) = struct.unpack("<I", data)
            return level, _UDP_SEGMENT, struct.pack("H", size)
        if len(data) == (20 if kind == c.IPV6_PKTINFO else 4):
            return level, _BACK[level, kind], data
    except (KeyError, struct.error):
        pass
    raise WinsockError(WSAError.WSAEINVAL, f"control message {kind} of level {level}, {len(data)} bytes")
