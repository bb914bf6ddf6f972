"""The life of a socket: making, naming, connecting, options, control codes, closing."""

import ctypes
from collections.abc import Callable
from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of, deref
from ws2spi._abi.types import DWORD, INT, WSAPROTOCOL_INFOW
from ws2spi._runtime import open_type, protocol_info, redirected
from ws2spi._runtime.catalog import CatalogEntry
from ws2spi._runtime.process import runtime
from ws2spi._runtime.serve import table_of
from ws2spi._runtime.sockets import sockets
from ws2spi.ws2_32._route import call, failed, refused, route, status, thread_id

_byref = ctypes.byref
_IOC_IN = 0x80000000  # a control code with input


def socket(af: int, type: int, protocol: int) -> int:
    """Make a socket for overlapped I/O (but see SO_OPENTYPE), of the first catalog entry that matches.

    Returns: the socket, or INVALID_SOCKET with the code in the last error.
    Errors:
        WSANOTINITIALISED: no WSAStartup.
        WSAEINVAL: neither family nor protocol.
        WSAESOCKTNOSUPPORT, WSAEAFNOSUPPORT, WSAEPROTOTYPE, WSAEPROTONOSUPPORT: no entry of the catalog fits.
        WSAEPROVIDERFAILEDINIT, WSAEINVALIDPROVIDER, WSAEINVALIDPROCTABLE: its provider does not start.
        WSAEMFILE, WSAENOBUFS: no descriptors or memory. WSAEACCES: a raw socket without CAP_NET_RAW.
    Source: winsock2.h, nf-winsock2-socket.
    Differs: a protocol of another type gives WSAEPROTOTYPE, as the page says; Windows gives WSAEPROTONOSUPPORT. Raw
        sockets of protocol 0 (every packet, SIO_RCVALL) cannot be had; a raw socket receives before it is bound.
    """
    return WSASocketW(af, type, protocol, None, 0, open_type.flags())


def WSASocketW(af: int, type: int, protocol: int, lpProtocolInfo: Any, g: int, dwFlags: int) -> int:
    """Make a socket: of the entry that `lpProtocolInfo` names, else of the first that matches the three numbers.

    Returns: the socket, or INVALID_SOCKET with the code in the last error.
    Errors: as socket(); and
        WSAEINVAL: `lpProtocolInfo` names no entry.
    Source: winsock2.h, nf-winsock2-wsasocketw.
    Differs: as socket(); socket groups are not acted on.
    """
    try:
        runtime.require()
        entry, info = _choose(af, type, protocol, lpProtocolInfo)
        table = table_of(runtime.provider(entry))
    except WinsockError as error:
        return failed(error, c.INVALID_SOCKET)
    code = INT()
    handle: int = table.lpWSPSocket(af, type, protocol, info, g, dwFlags, _byref(code))
    if handle == c.INVALID_SOCKET:
        refused(code)
        return handle
    _handed_out(handle, bool(dwFlags & c.WSA_FLAG_OVERLAPPED))
    return handle


def _handed_out(handle: int, overlapped: bool) -> None:
    """A new socket leaves to the client: from now on its handle works as a file too."""
    entry = sockets.entries.get(handle)
    if entry is not None:
        for one in entry.layers():
            one.overlapped = overlapped
        redirected.attach(entry)


def WSASocketA(af: int, type: int, protocol: int, lpProtocolInfo: Any, g: int, dwFlags: int) -> int:
    """Make a socket, as WSASocketW; the entry's structure is the one with single-byte text.

    Returns: the socket, or INVALID_SOCKET with the code in the last error.
    Errors: as WSASocketW.
    Source: winsock2.h, nf-winsock2-wsasocketa.
    Differs: as WSASocketW.
    """
    # Both forms are alike up to the text at their end, so the members below lie at the same places.
    given = deref(lpProtocolInfo, WSAPROTOCOL_INFOW)
    named = None if given is None else runtime.catalog.get(given.dwCatalogEntryId)
    if given is None or named is None:
        return WSASocketW(af, type, protocol, lpProtocolInfo, g, dwFlags)
    info = protocol_info.structure(named)
    info.dwProviderReserved = given.dwProviderReserved
    return WSASocketW(af, type, protocol, _byref(info), g, dwFlags)


def _choose(af: int, type: int, protocol: int, lpProtocolInfo: Any) -> tuple[CatalogEntry, Any]:
    given = deref(lpProtocolInfo, WSAPROTOCOL_INFOW)
    if given is None:
        entry = runtime.choose(af, type, protocol)
        return entry, ctypes.pointer(protocol_info.structure(entry))
    named = runtime.named(given.dwCatalogEntryId)
    # The client's own structure goes down: a provider finds in it what WSADuplicateSocket put there.
    return named, lpProtocolInfo


def closesocket(s: int) -> int:
    """Close a socket. Overlapped operations end with WSA_OPERATION_ABORTED, announced as usual.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK.
        WSAEWOULDBLOCK: non-blocking, with a linger time: the socket stays open.
    Source: winsock2.h, nf-winsock2-closesocket.
    Differs: aborted operations carry WSA_OPERATION_ABORTED everywhere; Windows gives WSAECONNABORTED on connections.
    """
    try:
        entry = route(s)
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)
    if redirected.closes_later(entry):
        return 0
    code = INT()
    if entry.table.lpWSPCloseSocket(entry.number, _byref(code)):
        refused(code)
        return c.SOCKET_ERROR
    if entry.maker().ifs:
        # There is no upcall that takes an IFS handle back, so the runtime forgets it when the provider has closed it.
        sockets.remove(entry)
    return 0


def bind(s: int, name: Any, namelen: int) -> int:
    """Give a socket its local address.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK.
        WSAEFAULT: `name` is NULL, too short, or of another family. WSAEAFNOSUPPORT: an unknown family.
        WSAEADDRINUSE, WSAEADDRNOTAVAIL. WSAEINVAL: bound already.
        WSAEACCES: a datagram socket, 255.255.255.255, and no SO_BROADCAST.
    Source: winsock2.h, nf-winsock2-bind.
    Differs: the broadcast address of one network is bound without SO_BROADCAST, too, as Linux does.
    """
    return status("lpWSPBind", s, name, namelen)


def listen(s: int, backlog: int) -> int:
    """Let a bound socket take connections.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK.
        WSAEINVAL: not bound. WSAEISCONN: connected. WSAEOPNOTSUPP: not a stream socket.
        WSAEADDRINUSE: another socket listens there; a bind with SO_REUSEADDR did not mind.
    Source: winsock2.h, nf-winsock2-listen.
    Differs: nothing.
    """
    return status("lpWSPListen", s, backlog)


def accept(s: int, addr: Any, addrlen: Any) -> int:
    """Take the next connection of a listening socket.

    Returns: its socket, or INVALID_SOCKET with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK.
        WSAEFAULT: `*addrlen` is too small; the connection waits on. (Without `addrlen` no address is stored.)
        WSAEINVAL: not listening. WSAEOPNOTSUPP: not a stream socket. WSAEWOULDBLOCK. WSAEMFILE, WSAENOBUFS.
        WSAEINTR: closed meanwhile, or cancelled by the blocking hook. WSAEINPROGRESS: inside a blocking hook.
    Source: winsock2.h, nf-winsock2-accept.
    Differs: a connection that was reset before is handed out, and its first receive tells WSAECONNRESET.
    """
    handle = call("lpWSPAccept", c.INVALID_SOCKET, s, addr, addrlen, None, 0)
    if handle != c.INVALID_SOCKET:
        _handed_out(handle, route(s).overlapped)
    return handle


def connect(s: int, name: Any, namelen: int) -> int:
    """Connect; on a datagram socket choose the peer, or remove it with an all-zero address.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK, WSAEFAULT, WSAEAFNOSUPPORT, WSAEADDRNOTAVAIL.
        WSAEWOULDBLOCK: non-blocking, under way. WSAEALREADY: still under way. WSAEISCONN.
        WSAECONNREFUSED, WSAENETUNREACH, WSAEHOSTUNREACH, WSAETIMEDOUT. WSAEINVAL: listening.
        WSAEADDRINUSE: there is a connection between these two addresses already. WSAEACCES: a broadcast address without
            SO_BROADCAST. WSAEINTR: cancelled by the blocking hook. WSAEINPROGRESS: inside a blocking hook.
    Source: winsock2.h, nf-winsock2-connect.
    Differs: nothing.
    """
    return status("lpWSPConnect", s, name, namelen, None, None, None, None)


def WSAConnect(s: int, name: Any, namelen: int, lpCallerData: Any, lpCalleeData: Any, lpSQOS: Any, lpGQOS: Any) -> int:
    """Connect, with the arguments that few transports know.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors: as connect(); and
        WSAEPROTONOSUPPORT: caller data, which the transport cannot carry. WSAEOPNOTSUPP: flow specifications that ask
            for more than best effort.
    Source: winsock2.h, nf-winsock2-wsaconnect.
    Differs: nothing.
    """
    return status("lpWSPConnect", s, name, namelen, lpCallerData, lpCalleeData, lpSQOS, lpGQOS)


def shutdown(s: int, how: int) -> int:
    """End one direction of a connection, or both.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK, WSAENOTCONN. WSAEINVAL: an unknown `how`.
        WSAECONNRESET: of sending, when the connection has ended by a reset, and no call has told of it.
    Source: winsock2.h, nf-winsock2-shutdown.
    Differs: after a call was told of the reset there is nothing to end, and it gives 0; the page does not say.
    """
    try:
        entry = route(s)
        if entry.pair is not None and how != c.SD_RECEIVE:
            entry.pair.before_send(pending=True)  # what foreign code has written goes before the end
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)
    result = status("lpWSPShutdown", s, how)
    if not result:
        redirected.after_shutdown(entry, how)
    return result


def getsockname(s: int, name: Any, namelen: Any) -> int:
    """Store the socket's local address.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK. WSAEFAULT: no room; the length stays as it is. WSAEINVAL: not bound.
    Source: winsock2.h, nf-winsock2-getsockname.
    Differs: nothing.
    """
    return status("lpWSPGetSockName", s, name, namelen)


def getpeername(s: int, name: Any, namelen: Any) -> int:
    """Store the peer's address.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK. WSAENOTCONN: looked at before the pointers. WSAEFAULT: no room.
    Source: winsock2.h, nf-winsock2-getpeername.
    Differs: nothing.
    """
    return status("lpWSPGetPeerName", s, name, namelen)


def getsockopt(s: int, level: int, optname: int, optval: Any, optlen: Any) -> int:
    """Read an option.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK. WSAEFAULT: no room. WSAEINVAL: unknown level. WSAENOPROTOOPT: unknown option.
    Source: winsock2.h, nf-winsock2-getsockopt.
    Differs: reading SO_ERROR clears it, as the page says.
    """
    if open_type.means(level, optname):
        return _of_thread(open_type.read, optval, optlen)
    return status("lpWSPGetSockOpt", s, level, optname, optval, optlen)


def setsockopt(s: int, level: int, optname: int, optval: Any, optlen: int) -> int:
    """Set an option.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK, WSAEFAULT. WSAEINVAL: unknown level. WSAENOPROTOOPT: unknown or read-only.
    Source: winsock2.h, nf-winsock2-setsockopt.
    Differs: SO_RANDOMIZE_PORT, SO_PORT_SCALABILITY, SO_CONDITIONAL_ACCEPT, SO_PAUSE_ACCEPT, TCP_BSDURGENT,
        IP_RECEIVE_BROADCAST and their like are kept and change nothing. IP_MULTICAST_LOOP is the sender's, as in POSIX.
    """
    if open_type.means(level, optname):
        return _of_thread(open_type.write, optval, optlen)
    return status("lpWSPSetSockOpt", s, level, optname, optval, optlen)


def _of_thread(function: Callable[[Any, Any], None], optval: Any, optlen: Any) -> int:
    """SO_OPENTYPE belongs to the calling thread: no socket is looked at, INVALID_SOCKET is as good as any."""
    try:
        runtime.require()
        function(optval, optlen)
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)
    return 0


def ioctlsocket(s: int, cmd: int, argp: Any) -> int:
    """Perform FIONBIO, FIONREAD or SIOCATMARK with its one number.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK. WSAEFAULT: `argp` is NULL. WSAEOPNOTSUPP: an unknown code.
    Source: winsock2.h, nf-winsock2-ioctlsocket.
    Differs: nothing.
    """
    cmd &= 0xFFFFFFFF  # FIONBIO is a negative `long`
    size = 4 if address_of(argp) else 0
    data_in, data_out = (size, 0) if cmd & _IOC_IN else (0, size)
    if not size:
        # One that takes nothing in would otherwise be answered with a shorter output.
        try:
            route(s)
        except WinsockError as error:
            return failed(error, c.SOCKET_ERROR)
        return failed(WinsockError(WSAError.WSAEFAULT, "argp"), c.SOCKET_ERROR)
    returned = DWORD()
    result = status("lpWSPIoctl", s, cmd, argp, data_in, argp, data_out, _byref(returned), None, None, thread_id())
    if not result:
        redirected.after_ioctl(s, cmd, argp, argp)
    return result


def WSAIoctl(
    s: int,
    dwIoControlCode: int,
    lpvInBuffer: Any,
    cbInBuffer: int,
    lpvOutBuffer: Any,
    cbOutBuffer: int,
    lpcbBytesReturned: Any,
    lpOverlapped: Any,
    lpCompletionRoutine: Any,
) -> int:
    """Perform a control code.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK. WSAEFAULT: a pointer or a short buffer. WSAEOPNOTSUPP: an unknown code.
        WSAEINVAL: not in this state, or not for this kind of socket. WSAEWOULDBLOCK, WSA_IO_PENDING.
        WSAENOPROTOOPT: circular queues, companion interfaces and quality of service, which there are not.
        WSAENOBUFS: a multicast filter of more sources than Linux takes. WSAEADDRNOTAVAIL: the filter of a group that
            the socket has not joined.
    Source: winsock2.h, nf-winsock2-wsaioctl.
    Differs: with an OVERLAPPED `lpcbBytesReturned` may be NULL, as the page says; Windows gives WSAEFAULT. Keep-alive
        times are rounded to seconds. A change of routes is told whichever destination was asked for.
    """
    result = status(
        "lpWSPIoctl",
        s,
        dwIoControlCode & 0xFFFFFFFF,
        lpvInBuffer,
        cbInBuffer,
        lpvOutBuffer,
        cbOutBuffer,
        lpcbBytesReturned,
        lpOverlapped,
        lpCompletionRoutine,
        thread_id(),
    )
    if not result:
        redirected.after_ioctl(s, dwIoControlCode & 0xFFFFFFFF, lpvInBuffer, lpvOutBuffer)
    return result
