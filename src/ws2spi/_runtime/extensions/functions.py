"""The bodies of the extension functions: C arguments in, one method of the provider called, the documented answer out.

Rules that all of them share:
1. With an OVERLAPPED they never end at once: FALSE and ERROR_IO_PENDING, also when the end has been told by then, and a
   packet comes with FILE_SKIP_COMPLETION_PORT_ON_SUCCESS too (witness O3, O9, O13).
2. On a socket that was not opened for overlapped I/O, and without an OVERLAPPED where that is allowed, the call takes
   its time. It runs no APCs.
3. A bad socket comes before everything else; a start that is refused leaves the OVERLAPPED in progress (witness F10).
"""

# ruff: noqa: N802, N803 - Windows' spelling

from collections.abc import Callable
from typing import Any

from ws2spi._abi import addresses
from ws2spi._abi.constants import FALSE, TRUE
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of, deref, is_null, store_int, store_pointer
from ws2spi._abi.mswsock import (
    MOST_BYTES,
    TF_DISCONNECT,
    TF_REUSE_SOCKET,
    TP_ELEMENT_EOP,
    TP_ELEMENT_FILE,
    TP_ELEMENT_MEMORY,
    TRANSMIT_FILE_BUFFERS,
    TRANSMIT_PACKETS_ELEMENT,
)
from ws2spi._abi.types import OVERLAPPED
from ws2spi._executive import lasterror
from ws2spi._executive.overlapped import Overlapped
from ws2spi._runtime.arguments import items, read_address, view
from ws2spi._runtime.completion import Completion, begin, result_of
from ws2spi._runtime.extensions import addresses as areas
from ws2spi._runtime.extensions import messages
from ws2spi._runtime.extensions.files import FilePart, Part, opened
from ws2spi._runtime.sockets import SocketEntry, sockets

_TF_FLAGS = 0x37
_CURRENT_POSITION = -1


def _run(
    entry: SocketEntry,
    lpOverlapped: Any,
    keep: object,
    start: Callable[[Completion], None],
    lpBytes: Any = None,
) -> int:
    """Start an operation with `start(completion)` and answer for it (rules 1 and 2)."""
    if is_null(lpOverlapped):
        completion = Completion(entry, Overlapped(packet=False), keep=keep)
        completion.start()
    else:
        completion = begin(entry, lpOverlapped, None, None, (lpOverlapped, keep))
    record = completion.overlapped
    try:
        start(completion)
    except WinsockError:
        completion.refused()
        raise
    except BaseException:  # Ctrl-C
        entry.provider.cancel(entry, None, record)
        raise
    if entry.overlapped and record.structure is not None:
        lasterror.set(WSAError.WSA_IO_PENDING)
        return FALSE
    try:
        transferred, _ = result_of(record, True)
    except WinsockError as error:
        if error.code == WSAError.WSA_OPERATION_ABORTED:
            raise WinsockError(WSAError.WSAEINTR, "the socket was closed, or the call cancelled") from None
        raise
    except BaseException:
        entry.provider.cancel(entry, None, record)
        raise
    store_int(lpBytes, transferred)
    return TRUE


def _need_overlapped(lpOverlapped: Any) -> None:
    if is_null(lpOverlapped):
        raise WinsockError(WSAError.WSA_INVALID_PARAMETER, "lpOverlapped is NULL")


def AcceptEx(
    entry: SocketEntry,
    sAcceptSocket: int,
    lpOutputBuffer: Any,
    dwReceiveDataLength: int,
    dwLocalAddressLength: int,
    dwRemoteAddressLength: int,
    lpdwBytesReceived: Any,
    lpOverlapped: Any,
) -> int:
    """See `ws2spi.mswsock.AcceptEx`."""
    topmost = sockets.lookup(sAcceptSocket)
    accepting = topmost.of(entry.provider)
    if accepting is None:
        if topmost.family != entry.family:
            raise WinsockError(WSAError.WSAEINVAL, "the accept socket is of another family")
        raise WinsockError(WSAError.WSAENOTSOCK, f"socket {sAcceptSocket} is another provider's")
    _need_overlapped(lpOverlapped)
    buffer = address_of(lpOutputBuffer)
    needed = addresses.SIZES[entry.family] + areas.MORE
    if not buffer or dwRemoteAddressLength < needed or 0 < dwLocalAddressLength < needed:
        raise WinsockError(WSAError.WSAEFAULT, "no room for the data or the addresses")
    data = view(buffer, dwReceiveDataLength)
    places = buffer + dwReceiveDataLength, buffer + dwReceiveDataLength + dwLocalAddressLength

    def arrived(first: bytes, local: addresses.Address, remote: addresses.Address) -> None:
        data[: len(first)] = first
        areas.store(places[0], dwLocalAddressLength, entry.family, local)
        areas.store(places[1], dwRemoteAddressLength, entry.family, remote)

    return _run(
        entry,
        lpOverlapped,
        lpOutputBuffer,
        lambda completion: entry.provider.accept_ex(  # type: ignore[attr-defined]
            entry, accepting, dwReceiveDataLength, arrived, completion
        ),
        lpdwBytesReceived,
    )


def GetAcceptExSockaddrs(
    lpOutputBuffer: Any,
    dwReceiveDataLength: int,
    dwLocalAddressLength: int,
    dwRemoteAddressLength: int,
    LocalSockaddr: Any,
    LocalSockaddrLength: Any,
    RemoteSockaddr: Any,
    RemoteSockaddrLength: Any,
) -> None:
    """See `ws2spi.mswsock.GetAcceptExSockaddrs`."""
    place = address_of(lpOutputBuffer) + dwReceiveDataLength
    for room, pointer, size in (
        (dwLocalAddressLength, LocalSockaddr, LocalSockaddrLength),
        (dwRemoteAddressLength, RemoteSockaddr, RemoteSockaddrLength),
    ):
        address, length = areas.find(place, room)
        store_pointer(pointer, address)
        store_int(size, length)
        place += room


def ConnectEx(
    entry: SocketEntry,
    name: Any,
    namelen: int,
    lpSendBuffer: Any,
    dwSendDataLength: int,
    lpdwBytesSent: Any,
    lpOverlapped: Any,
) -> int:
    """See `ws2spi.mswsock.ConnectEx`."""
    _need_overlapped(lpOverlapped)
    address = read_address(entry, name, namelen, WSAError.WSAEAFNOSUPPORT)
    data = None if is_null(lpSendBuffer) else view(address_of(lpSendBuffer), dwSendDataLength)
    return _run(
        entry,
        lpOverlapped,
        lpSendBuffer,
        lambda completion: entry.provider.connect_ex(entry, address, data, completion),  # type: ignore[attr-defined]
        lpdwBytesSent,
    )


def DisconnectEx(entry: SocketEntry, lpOverlapped: Any, dwFlags: int, dwReserved: int) -> int:
    """See `ws2spi.mswsock.DisconnectEx`."""
    if dwFlags & ~TF_REUSE_SOCKET or dwReserved:
        raise WinsockError(WSAError.WSAEINVAL, f"flags {dwFlags:#x}, reserved {dwReserved:#x}")
    reuse = bool(dwFlags & TF_REUSE_SOCKET)
    return _run(
        entry,
        lpOverlapped,
        None,
        lambda completion: entry.provider.disconnect_ex(entry, reuse, completion),  # type: ignore[attr-defined]
    )


def TransmitFile(
    entry: SocketEntry,
    hFile: Any,
    nNumberOfBytesToWrite: int,
    nNumberOfBytesPerSend: int,
    lpOverlapped: Any,
    lpTransmitBuffers: Any,
    dwFlags: int,
) -> int:
    """See `ws2spi.mswsock.TransmitFile`."""
    _check_flags(dwFlags)
    if entry.type != 1:
        raise WinsockError(WSAError.WSAEINVAL, "only a stream carries a file")
    if nNumberOfBytesToWrite > MOST_BYTES:
        raise WinsockError(WSAError.WSAEINVAL, f"{nNumberOfBytesToWrite} bytes; at most {MOST_BYTES}")
    parts: list[Part] = []
    around = deref(lpTransmitBuffers, TRANSMIT_FILE_BUFFERS)
    if around is not None and around.HeadLength:
        parts.append(view(messages.pointer_field(around, "Head"), around.HeadLength))
    structure = deref(lpOverlapped, OVERLAPPED)
    offset = None if structure is None else structure.Offset | structure.OffsetHigh << 32
    file = address_of(hFile)
    if file:
        parts.append(opened(file, offset, nNumberOfBytesToWrite))
    if around is not None and around.TailLength:
        parts.append(view(messages.pointer_field(around, "Tail"), around.TailLength))
    return _transmit(entry, [parts], dwFlags, lpOverlapped, lpTransmitBuffers)


def TransmitPackets(
    entry: SocketEntry,
    lpPacketArray: Any,
    nElementCount: int,
    nSendSize: int,
    lpOverlapped: Any,
    dwFlags: int,
) -> int:
    """See `ws2spi.mswsock.TransmitPackets`."""
    _check_flags(dwFlags)
    if dwFlags & TF_DISCONNECT and entry.type != 1:
        raise WinsockError(WSAError.WSAEINVAL, "a datagram socket cannot be disconnected")
    packets: list[list[Part]] = [[]]
    try:
        for element in items(lpPacketArray, nElementCount, TRANSMIT_PACKETS_ELEMENT) if nElementCount else ():
            flags = element.dwElFlags
            if flags & TP_ELEMENT_FILE:
                offset = None if element.nFileOffset == _CURRENT_POSITION else element.nFileOffset
                packets[-1].append(opened(address_of(element.hFile), offset, element.cLength))
            elif flags & TP_ELEMENT_MEMORY:
                packets[-1].append(view(messages.pointer_field(element, "pBuffer"), element.cLength))
            else:
                raise WinsockError(WSAError.WSAEINVAL, f"element flags {flags:#x}")
            if flags & TP_ELEMENT_EOP:
                packets.append([])
        packets = [packet for packet in packets if packet]
        total = sum(len(part) for packet in packets for part in packet)
        if total > MOST_BYTES:
            raise WinsockError(WSAError.WSAEINVAL, f"{total} bytes; at most {MOST_BYTES}")
    except WinsockError:
        _close(packets)
        raise
    return _transmit(entry, packets, dwFlags, lpOverlapped, lpPacketArray)


def _check_flags(flags: int) -> None:
    if flags & ~_TF_FLAGS or (flags & TF_REUSE_SOCKET and not flags & TF_DISCONNECT):
        raise WinsockError(WSAError.WSAEINVAL, f"flags {flags:#x}")


def _transmit(entry: SocketEntry, packets: list[list[Part]], flags: int, lpOverlapped: Any, keep: object) -> int:
    disconnect, reuse = bool(flags & TF_DISCONNECT), bool(flags & TF_REUSE_SOCKET)

    def start(completion: Completion) -> None:
        entry.provider.transmit(entry, packets, disconnect, reuse, completion)  # type: ignore[attr-defined]

    try:
        return _run(entry, lpOverlapped, keep, start)
    except WinsockError:
        _close(packets)
        raise


def _close(packets: list[list[Part]]) -> None:
    for packet in packets:
        for part in packet:
            if isinstance(part, FilePart):
                part.close()


FUNCTIONS: dict[str, Callable[..., int]] = {
    "AcceptEx": AcceptEx,
    "ConnectEx": ConnectEx,
    "DisconnectEx": DisconnectEx,
    "TransmitFile": TransmitFile,
    "TransmitPackets": TransmitPackets,
    "WSARecvMsg": messages.WSARecvMsg,
    "WSASendMsg": messages.WSASendMsg,
}
