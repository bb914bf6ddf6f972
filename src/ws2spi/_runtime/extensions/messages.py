"""WSARecvMsg and WSASendMsg: WSAMSG in, the buffers, the name and the control data out."""

# ruff: noqa: N802, N803 - Windows' spelling

import ctypes
import struct
from collections.abc import Iterable
from typing import Any

from ws2spi._abi import addresses
from ws2spi._abi.addresses import Address
from ws2spi._abi.constants import MSG_CTRUNC, MSG_PEEK, SOCK_DGRAM, SOCK_RAW, SOCKET_ERROR
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of, deref, is_null, read_bytes, store_int, write_bytes
from ws2spi._abi.mswsock import WSAMSG
from ws2spi._executive import lasterror
from ws2spi._runtime.arguments import read_address, read_buffers
from ws2spi._runtime.completion import Completion, begin
from ws2spi._runtime.redirected import receive_made
from ws2spi._runtime.sockets import SocketEntry
from ws2spi._runtime.threads import own_structure

_HEADER = struct.Struct("<Qii")  # WSACMSGHDR: length with the header, level, type

Control = tuple[int, int, bytes]  # (level, type, data), Windows' numbers and layouts


class MessageOut:
    """Where a received message's name, control data and flags go; the room is checked when this is made.

    Errors:
        WSAEFAULT: a NULL name or control buffer with a length, or less room for the name than the family needs.
    """

    def __init__(self, entry: SocketEntry, message: Any) -> None:
        self._message = message
        self._family = entry.family
        self._name = address_of(message.name)
        self._control = pointer_field(message.Control, "buf")
        self._room = message.Control.len
        room = message.namelen
        if (room and not self._name) or (self._name and room < addresses.SIZES[entry.family]):
            raise WinsockError(WSAError.WSAEFAULT, "no room for the name")
        if self._room and not self._control:
            raise WinsockError(WSAError.WSAEFAULT, "no room for control data")

    def __call__(self, sender: Address | None, control: Iterable[Control], flags: int) -> int:
        """Store all of it; returns the flags, with MSG_CTRUNC if there was no room for every control message."""
        message = self._message
        if sender is not None and self._name:
            data = addresses.pack(self._family, sender)
            write_bytes(self._name, data)
            message.namelen = len(data)
        used = 0
        for level, kind, data in control:
            piece = _HEADER.pack(_HEADER.size + len(data), level, kind) + data
            if used + len(piece) > self._room:
                flags |= MSG_CTRUNC
                break
            write_bytes(self._control + used, piece)
            used = min(used + (len(piece) + 7 & ~7), self._room)
        message.Control.len = used
        message.dwFlags = flags
        return flags


def pointer_field(structure: Any, name: str) -> int:
    """A pointer field, read as raw memory: a script's own layout may declare it as a c_char_p."""
    place = ctypes.addressof(structure) + getattr(type(structure), name).offset
    return int(ctypes.c_uint64.from_address(place).value)


def control_of(message: Any) -> list[Control]:
    """The control messages that a client wants sent.

    Errors:
        WSAEFAULT: NULL with a length. WSAEINVAL: a length that does not fit.
    """
    size, place = message.Control.len, pointer_field(message.Control, "buf")
    if not size:
        return []
    if not place:
        raise WinsockError(WSAError.WSAEFAULT, "no control data")
    memory, at, found = read_bytes(place, size), 0, []
    while at + _HEADER.size <= size:
        length, level, kind = _HEADER.unpack_from(memory, at)
        if length < _HEADER.size or at + length > size:
            raise WinsockError(WSAError.WSAEINVAL, f"a control message of {length} bytes")
        found.append((level, kind, memory[at + _HEADER.size : at + length]))
        at += length + 7 & ~7
    return found


def _message(entry: SocketEntry, lpMsg: Any) -> Any:
    message = deref(lpMsg, WSAMSG)
    if message is None:
        raise WinsockError(WSAError.WSAEFAULT, "lpMsg is NULL")
    if entry.type not in (SOCK_DGRAM, SOCK_RAW):
        raise WinsockError(WSAError.WSAEOPNOTSUPP, "messages of a stream")
    return message


def _start(
    entry: SocketEntry, lpOverlapped: Any, lpCompletionRoutine: Any, lpBytes: Any, keep: object
) -> Completion | None:
    if not is_null(lpOverlapped):
        return begin(entry, lpOverlapped, lpCompletionRoutine, ctypes.byref(own_structure()), keep)
    if is_null(lpBytes):
        raise WinsockError(WSAError.WSAEFAULT, "no place for the number of bytes")
    return None


def _pending() -> int:
    lasterror.set(WSAError.WSA_IO_PENDING)
    return SOCKET_ERROR


def WSARecvMsg(entry: SocketEntry, lpMsg: Any, lpdwNumberOfBytesRecvd: Any, lpOverlapped: Any, routine: Any) -> int:
    """See `ws2spi.mswsock.WSARecvMsg`."""
    completion = None
    try:
        message = _message(entry, lpMsg)
        if message.dwFlags & ~MSG_PEEK:
            raise WinsockError(WSAError.WSAEOPNOTSUPP, f"flags {message.dwFlags:#x}")
        out = MessageOut(entry, message)
        buffers = read_buffers(message.lpBuffers, message.dwBufferCount)
    except WinsockError:
        receive_made(entry)
        raise
    if entry.pair is not None:
        entry.pair.before_recv()
    completion = _start(entry, lpOverlapped, routine, lpdwNumberOfBytesRecvd, (lpMsg, message, buffers))
    offered = None if completion is None else completion.offered
    try:
        received = entry.provider.recv_msg(entry, buffers, message.dwFlags, out, offered)  # type: ignore[attr-defined]
    except WinsockError:
        if completion is not None:
            completion.refused()
        raise
    if received is None:
        return _pending()
    if completion is not None:
        completion.finished(*received)
    store_int(lpdwNumberOfBytesRecvd, received[0])
    return 0


def WSASendMsg(
    entry: SocketEntry, lpMsg: Any, dwFlags: int, lpNumberOfBytesSent: Any, lpOverlapped: Any, routine: Any
) -> int:
    """See `ws2spi.ws2_32.WSASendMsg`."""
    message = _message(entry, lpMsg)
    name = address_of(message.name)
    if message.namelen and not name:
        raise WinsockError(WSAError.WSAEFAULT, "no name")
    address = read_address(entry, name, message.namelen, WSAError.WSAEAFNOSUPPORT) if name else None
    control = control_of(message)
    buffers = read_buffers(message.lpBuffers, message.dwBufferCount)
    if entry.pair is not None:
        entry.pair.before_send(pending=not is_null(lpOverlapped))
    completion = _start(entry, lpOverlapped, routine, lpNumberOfBytesSent, (lpMsg, message, buffers))
    offered = None if completion is None else completion.offered
    try:
        sent = entry.provider.send_msg(entry, buffers, dwFlags, address, control, offered)  # type: ignore[attr-defined]
    except WinsockError:
        if completion is not None:
            completion.refused()
        raise
    if sent is None:
        return _pending()
    if completion is not None:
        completion.finished(sent)
    store_int(lpNumberOfBytesSent, sent)
    return 0
