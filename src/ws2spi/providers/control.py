"""Socket options of a socket: what Linux answers, and what Winsock keeps for itself."""

import os
import socket
import struct
import time

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError, wsa_from_errno
from ws2spi._runtime import protocol_info
from ws2spi._runtime.sockets import SocketEntry
from ws2spi.providers import options
from ws2spi.providers.socket_state import Socket

_WITH_HANDLES = ((c.SOL_SOCKET, c.SO_UPDATE_ACCEPT_CONTEXT),)
_READ_ONLY = frozenset(
    {
        c.SO_ERROR, c.SO_TYPE, c.SO_ACCEPTCONN, c.SO_CONNECT_TIME, c.SO_MAX_MSG_SIZE, c.SO_PROTOCOL_INFOW,
        c.SO_PROTOCOL_INFOA, c.SO_BSP_STATE, c.SO_GROUP_ID,
    }
)  # fmt: skip
_NEVER_CONNECTED = 0xFFFFFFFF  # SO_CONNECT_TIME


class OptionCalls:
    """WSPGetSockOpt and WSPSetSockOpt of a `SocketProvider`."""

    ifs: bool

    def getsockopt(self, entry: SocketEntry, level: int, option: int, size: int) -> bytes:
        state: Socket = entry.state
        if level & 0xFFFF == c.SOL_SOCKET:
            own = self._own_option(entry, state, option)
            if own is not None:
                if size < len(own):
                    raise WinsockError(WSAError.WSAEFAULT, f"{size} bytes for {len(own)}")
                return own
        key = (level & 0xFFFF, option)
        _need_raw(state, key)
        if _foreign(state, level, option):
            below: bytes = state.connection.perform("getsockopt", level, options.Untranslated(option), size)
            return below
        if key in options.OCTETS and not state.stream:
            kept: int | None = state.options.get(key, 0)
        else:
            kept = state.options.get(key, options.KEPT.get(key))
        if kept is not None:
            if size < 1:
                raise WinsockError(WSAError.WSAEFAULT, "no room")
            return struct.pack("<I", kept)[:size]
        row = options.lookup(level, option, "r")
        value = row.to_windows(state.connection.perform("getsockopt", row.level, row.number, row.size))
        if size < len(value):
            if size < 1 or not row.boolean:
                raise WinsockError(WSAError.WSAEFAULT, f"{size} bytes for {len(value)}")
            return value[:size]  # a boolean into a BOOLEAN
        return value

    def _own_option(self, entry: SocketEntry, state: Socket, option: int) -> bytes | None:
        """Options of SOL_SOCKET whose value is kept here and not by Linux."""
        if option == c.SO_ERROR:
            code, state.error = state.error, 0
            if not code and state.connecting is None:  # else the kernel's answer is for who waits for the connect
                code = self._pending_error(state)
            return struct.pack("<i", code)
        if option == c.SO_TYPE:
            return struct.pack("<i", c.SOCK_STREAM if state.stream else c.SOCK_RAW if state.raw else c.SOCK_DGRAM)
        if option == c.SO_ACCEPTCONN:
            return struct.pack("<i", state.listening)
        if option == c.SO_RCVTIMEO:
            return struct.pack("<I", int((state.recv_timeout or 0) * 1000))
        if option == c.SO_SNDTIMEO:
            return struct.pack("<I", int((state.send_timeout or 0) * 1000))
        if option == c.SO_CONNECT_TIME:
            seconds = int(time.monotonic() - state.connected_at) if state.connected_at else _NEVER_CONNECTED
            return struct.pack("<I", seconds)
        if option == c.SO_MAX_MSG_SIZE:
            return struct.pack("<I", state.info.message_size)
        if option == c.SO_PROTOCOL_INFOW:
            return bytes(protocol_info.structure(state.info))
        if option == c.SO_GROUP_ID:
            return struct.pack("<I", 0)  # a member of no group
        if option == c.SO_PROTOCOL_INFOA:
            return bytes(protocol_info.narrow(state.info))
        if options.is_option(option, c.SO_DONTLINGER):
            linger = state.connection.perform("getsockopt", socket.SOL_SOCKET, socket.SO_LINGER, 8)
            return struct.pack("<i", not struct.unpack("ii", linger)[0])
        if options.is_option(option, c.SO_EXCLUSIVEADDRUSE) and state.connection.transport.direct:
            return struct.pack("<i", state.options.get((c.SOL_SOCKET, c.SO_EXCLUSIVEADDRUSE & 0xFFFF), 0))
        return None

    def set_blocking(self, entry: SocketEntry, blocking: bool) -> None:
        """FIONBIO, the other way round; whoever uses the handle as a file meets the same mode.

        Errors:
            WSAENOTSOCK: it was closed meanwhile.
        """
        state: Socket = entry.state
        state.blocking = blocking
        for one in tuple(state.entries):
            if one.pair is not None:
                one.pair.nonblocking = not blocking
        if self.ifs:
            try:
                os.set_blocking(entry.number, blocking)
            except OSError:  # another thread closed it meanwhile
                raise WinsockError(WSAError.WSAENOTSOCK, f"socket {entry.number}") from None

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
                if not state.connection.transport.direct:
                    self._tell_below(state, option, value)
                return
            if option in _READ_ONLY:
                raise WinsockError(WSAError.WSAENOPROTOOPT, f"option {option:#x} can only be read")
            if options.is_option(option, c.SO_DONTLINGER):
                if any(options.boolean(value)):
                    state.connection.perform("setsockopt", socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
                    state.linger = 0
                return
            if options.is_option(option, c.SO_EXCLUSIVEADDRUSE) and state.connection.transport.direct:
                # Linux shares an address with nobody unless asked to.
                state.options[c.SOL_SOCKET, c.SO_EXCLUSIVEADDRUSE & 0xFFFF] = int(any(options.boolean(value)))
                return
        _need_raw(state, (level & 0xFFFF, option))
        if _foreign(state, level, option):
            state.connection.perform("setsockopt", level, options.Untranslated(option), value)
            return
        if (level & 0xFFFF, option) in options.OCTETS and not state.stream:
            self._set_octet(state, (level & 0xFFFF, option), any(options.boolean(value)))
            return
        if (level & 0xFFFF, option) in options.KEPT:
            state.options[level & 0xFFFF, option] = struct.unpack("<I", options.boolean(value))[0]
            return
        row = options.lookup(level, option, "w")
        converted = row.to_linux(value)
        state.connection.perform("setsockopt", row.level, row.number, converted)
        if row.number == socket.SO_LINGER and row.level == socket.SOL_SOCKET:
            on, seconds = struct.unpack("ii", converted)
            state.linger = seconds if on else 0
        elif row.number == socket.SO_OOBINLINE and row.level == socket.SOL_SOCKET:
            state.connection.tell_observers()  # what was urgent is so no more, or the reverse

    def _set_octet(self, state: Socket, key: tuple[int, int], wanted: bool) -> None:
        """IP_RECVTOS or IP_RECVECN, or those of IPv6."""
        whole, bits = options.OCTETS[key]
        either = wanted or any(state.options.get(one, 0) for one in (whole, bits) if one != key)
        row = options.lookup(*whole, "w")
        state.connection.perform("setsockopt", row.level, row.number, struct.pack("i", either))
        state.options[key] = int(wanted)

    def _tell_below(self, state: Socket, option: int, value: bytes) -> None:
        """An option that is kept here is the business of a provider below, too; one that lacks it does no harm."""
        try:
            state.connection.perform("setsockopt", c.SOL_SOCKET, options.Untranslated(option), value)
        except WinsockError:
            pass


def _need_raw(state: Socket, key: tuple[int, int]) -> None:
    """Linux lets every socket be asked for IP_HDRINCL."""
    if key == (c.IPPROTO_IP, c.IP_HDRINCL) and not state.raw:
        raise WinsockError(WSAError.WSAENOPROTOOPT, "IP_HDRINCL is an option of raw sockets")


def _foreign(state: Socket, level: int, option: int) -> bool:
    """Whether a provider below has to answer an option that Linux does not have."""
    if state.connection.transport.direct or options.same_below(level & 0xFFFF, option):
        return False
    return (level & 0xFFFF, option) not in _WITH_HANDLES


def _dword(value: bytes) -> int:
    number: int = struct.unpack("<I", options.dword(value))[0]
    return number
