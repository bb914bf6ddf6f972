"""The procedure table of a provider written in Python: its methods under their C signatures.

The runtime routes every call through a procedure table, and a hand-written layer calls the provider below it through
one. So the conversion of C arguments for Python providers is here and nowhere else.

Return values: 0 or SOCKET_ERROR, a handle or INVALID_SOCKET, TRUE or FALSE; the code goes to `*lpErrno`, and nothing is
put into the thread's last error. `*lpErrno` stays untouched on success.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from ws2spi._abi import constants as c
from ws2spi._abi.addresses import Address
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of, deref, load_dword, load_int, read_bytes, store_int, write_bytes
from ws2spi._abi.types import WSABUF, WSAPROTOCOL_INFOW, WSPPROC_NAMES
from ws2spi._runtime import protocol_info
from ws2spi._runtime.arguments import address_out, read_address, read_buffers
from ws2spi._runtime.catalog import CatalogEntry
from ws2spi._runtime.completion import Completion, begin, is_null, overlapped_of
from ws2spi._runtime.process import runtime
from ws2spi._runtime.provider import Provider
from ws2spi._runtime.sockets import SocketEntry, sockets
from ws2spi._runtime.tables import ProcTable

_PENDING = int(WSAError.WSA_IO_PENDING)
_R = TypeVar("_R")


def fail(lpErrno: Any, error: WinsockError, result: _R) -> _R:
    """Store the code of `error` and return `result`."""
    store_int(lpErrno, error.code)
    return result


def _answering(failure: int) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Turn a method that raises into one with a last parameter `lpErrno` that returns `failure`."""

    def decorate(method: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(method)
        def call(self: "Served", *arguments: Any) -> int:
            try:
                return method(self, *arguments[:-1])
            except WinsockError as error:
                return fail(arguments[-1], error, failure)

        return call

    return decorate


_integer = _answering(c.SOCKET_ERROR)
_handle = _answering(c.INVALID_SOCKET)
_boolean = _answering(c.FALSE)


def _unsupported(name: str, failure: int) -> Callable[..., int]:
    def call(*arguments: Any) -> int:
        return fail(arguments[-1], WinsockError(WSAError.WSAEOPNOTSUPP, name), failure)

    call.__name__ = name
    return call


class Served:
    """The WSP functions of one Python provider; `table` holds them."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.table = ProcTable()
        for name in WSPPROC_NAMES:
            failure = c.INVALID_SOCKET if name == "WSPJoinLeaf" else c.FALSE if name == "WSPGetQOSByName" else -1
            function = getattr(self, name, None) or _unsupported(name, failure)
            setattr(self.table, f"lp{name}", function)

    def entry(self, s: int) -> SocketEntry:
        """Return this provider's entry for a handle, also where a layer has registered the same handle over it."""
        entry = sockets.entries.get(s)
        if entry is not None and entry.provider is not self.provider:
            entry = entry.of(self.provider)
        if entry is None:
            raise WinsockError(WSAError.WSAENOTSOCK, f"socket {s}")
        return entry

    # Life of a socket

    @_handle
    def WSPSocket(self, af: int, type: int, protocol: int, lpProtocolInfo: Any, g: int, dwFlags: int) -> int:
        info = _catalog_entry(lpProtocolInfo)
        handle = self.provider.socket(
            _given(af, info.address_family),
            _given(type, info.socket_type),
            _given(protocol, info.protocol),
            info,
            dwFlags,
        )
        self._opened(handle, bool(dwFlags & c.WSA_FLAG_OVERLAPPED))
        return handle

    def _opened(self, handle: int, overlapped: bool) -> SocketEntry | None:
        entry = sockets.entries.get(handle)
        if entry is not None:
            entry.overlapped = overlapped
        return entry

    @_handle
    def WSPAccept(self, s: int, addr: Any, addrlen: Any, lpfnCondition: Any, dwCallbackData: Any) -> int:
        entry = self.entry(s)
        if lpfnCondition:
            raise WinsockError(WSAError.WSAEOPNOTSUPP, "condition functions")
        out = address_out(entry, addr, addrlen)
        handle, peer = self.provider.accept(entry)
        self._opened(handle, entry.overlapped)
        if out is not None:
            out(peer)
        return handle

    @_integer
    def WSPBind(self, s: int, name: Any, namelen: int) -> int:
        entry = self.entry(s)
        self.provider.bind(entry, read_address(entry, name, namelen, WSAError.WSAEFAULT))
        return 0

    @_integer
    def WSPListen(self, s: int, backlog: int) -> int:
        self.provider.listen(self.entry(s), backlog)
        return 0

    @_integer
    def WSPConnect(
        self, s: int, name: Any, namelen: int, lpCallerData: Any, lpCalleeData: Any, lpSQOS: Any, lpGQOS: Any
    ) -> int:
        entry = self.entry(s)
        address = read_address(entry, name, namelen, WSAError.WSAEAFNOSUPPORT)
        caller_data = deref(lpCallerData, WSABUF)
        if caller_data is not None and caller_data.len:
            raise WinsockError(WSAError.WSAEPROTONOSUPPORT, "caller data")
        self.provider.connect(entry, address)
        callee_data = deref(lpCalleeData, WSABUF)
        if callee_data is not None:
            callee_data.len = 0
        return 0

    @_integer
    def WSPShutdown(self, s: int, how: int) -> int:
        entry = self.entry(s)
        if how not in (c.SD_RECEIVE, c.SD_SEND, c.SD_BOTH):
            raise WinsockError(WSAError.WSAEINVAL, f"how = {how}")
        self.provider.shutdown(entry, how)
        return 0

    @_integer
    def WSPSendDisconnect(self, s: int, lpOutboundDisconnectData: Any) -> int:
        entry = self.entry(s)
        _refuse_disconnect_data(lpOutboundDisconnectData)
        self.provider.shutdown(entry, c.SD_SEND)
        return 0

    @_integer
    def WSPRecvDisconnect(self, s: int, lpInboundDisconnectData: Any) -> int:
        entry = self.entry(s)
        _refuse_disconnect_data(lpInboundDisconnectData)
        self.provider.shutdown(entry, c.SD_RECEIVE)
        return 0

    @_integer
    def WSPCloseSocket(self, s: int) -> int:
        self.provider.close(self.entry(s))
        return 0

    @_integer
    def WSPCleanup(self) -> int:
        # The runtime counts its own start of this provider; a layer's start holds nothing that must be freed early.
        return 0

    # Names and options

    @_integer
    def WSPGetSockName(self, s: int, name: Any, namelen: Any) -> int:
        entry = self.entry(s)
        _store_address(entry, self.provider.getsockname(entry), name, namelen)
        return 0

    @_integer
    def WSPGetPeerName(self, s: int, name: Any, namelen: Any) -> int:
        entry = self.entry(s)
        # A socket without a peer is refused before the pointers are looked at.
        _store_address(entry, self.provider.getpeername(entry), name, namelen)
        return 0

    @_integer
    def WSPGetSockOpt(self, s: int, level: int, optname: int, optval: Any, optlen: Any) -> int:
        entry = self.entry(s)
        if not address_of(optlen) or not address_of(optval):
            raise WinsockError(WSAError.WSAEFAULT, "no room for the option")
        size = load_int(optlen)
        if level == c.SOL_SOCKET and optname == c.SO_PROTOCOL_INFOW:
            value = bytes(protocol_info.structure(entry.info))
        else:
            value = self.provider.getsockopt(entry, level, optname, size)
        if len(value) > size:
            raise WinsockError(WSAError.WSAEFAULT, f"{size} bytes for an option of {len(value)}")
        write_bytes(optval, value)
        store_int(optlen, len(value))
        return 0

    @_integer
    def WSPSetSockOpt(self, s: int, level: int, optname: int, optval: Any, optlen: int) -> int:
        entry = self.entry(s)
        if optlen < 0 or (optlen and not address_of(optval)):
            raise WinsockError(WSAError.WSAEFAULT, "no option value")
        self.provider.setsockopt(entry, level, optname, read_bytes(optval, optlen))
        return 0

    # Data. A refused start leaves the OVERLAPPED as `begin` made it: in progress for ever, with its event reset, and
    # nobody is told.

    def WSPSend(
        self,
        s: int,
        lpBuffers: Any,
        dwBufferCount: int,
        lpNumberOfBytesSent: Any,
        dwFlags: int,
        lpOverlapped: Any,
        lpCompletionRoutine: Any,
        lpThreadId: Any,
        lpErrno: Any,
    ) -> int:
        completion = None
        try:
            entry = self.entry(s)
            buffers = read_buffers(lpBuffers, dwBufferCount)
            if is_null(lpOverlapped):
                _need(lpNumberOfBytesSent)
                sent = self.provider.send(entry, buffers, dwFlags, None)
            else:
                completion = begin(entry, lpOverlapped, lpCompletionRoutine, lpThreadId, (lpBuffers, buffers))
                sent = self.provider.send(entry, buffers, dwFlags, completion.offered)
                if sent is None:
                    return _pending(lpErrno)
                completion.finished(sent)
        except WinsockError as error:
            return _refused(lpErrno, error, completion)
        if lpNumberOfBytesSent is not None:
            store_int(lpNumberOfBytesSent, sent)  # type: ignore[arg-type]
        return 0

    def WSPSendTo(
        self,
        s: int,
        lpBuffers: Any,
        dwBufferCount: int,
        lpNumberOfBytesSent: Any,
        dwFlags: int,
        lpTo: Any,
        iTolen: int,
        lpOverlapped: Any,
        lpCompletionRoutine: Any,
        lpThreadId: Any,
        lpErrno: Any,
    ) -> int:
        if is_null(lpTo):
            # Without an address it is a send: on a connected socket it works, on another one WSPSend knows the code.
            return self.WSPSend(
                s,
                lpBuffers,
                dwBufferCount,
                lpNumberOfBytesSent,
                dwFlags,
                lpOverlapped,
                lpCompletionRoutine,
                lpThreadId,
                lpErrno,
            )
        completion = None
        try:
            entry = self.entry(s)
            buffers = read_buffers(lpBuffers, dwBufferCount)
            address = read_address(entry, lpTo, iTolen, WSAError.WSAEAFNOSUPPORT)
            if is_null(lpOverlapped):
                _need(lpNumberOfBytesSent)
                sent = self.provider.send_to(entry, buffers, dwFlags, address, None)
            else:
                completion = begin(entry, lpOverlapped, lpCompletionRoutine, lpThreadId, (lpBuffers, buffers))
                sent = self.provider.send_to(entry, buffers, dwFlags, address, completion.offered)
                if sent is None:
                    return _pending(lpErrno)
                completion.finished(sent)
        except WinsockError as error:
            return _refused(lpErrno, error, completion)
        if lpNumberOfBytesSent is not None:
            store_int(lpNumberOfBytesSent, sent)  # type: ignore[arg-type]
        return 0

    def WSPRecv(
        self,
        s: int,
        lpBuffers: Any,
        dwBufferCount: int,
        lpNumberOfBytesRecvd: Any,
        lpFlags: Any,
        lpOverlapped: Any,
        lpCompletionRoutine: Any,
        lpThreadId: Any,
        lpErrno: Any,
    ) -> int:
        completion = None
        try:
            entry = self.entry(s)
            buffers, flags = _receive_arguments(lpBuffers, dwBufferCount, lpFlags)
            if is_null(lpOverlapped):
                _need(lpNumberOfBytesRecvd)
                result = self.provider.recv(entry, buffers, flags, None)
            else:
                completion = begin(entry, lpOverlapped, lpCompletionRoutine, lpThreadId, (lpBuffers, buffers))
                result = self.provider.recv(entry, buffers, flags, completion.offered)
                if result is None:
                    return _pending(lpErrno)
                completion.finished(result[0], result[1])
        except WinsockError as error:
            return _refused(lpErrno, error, completion)
        received, flags = result  # type: ignore[misc]
        if lpNumberOfBytesRecvd is not None:
            store_int(lpNumberOfBytesRecvd, received)
        store_int(lpFlags, flags)
        return 0

    def WSPRecvFrom(
        self,
        s: int,
        lpBuffers: Any,
        dwBufferCount: int,
        lpNumberOfBytesRecvd: Any,
        lpFlags: Any,
        lpFrom: Any,
        lpFromlen: Any,
        lpOverlapped: Any,
        lpCompletionRoutine: Any,
        lpThreadId: Any,
        lpErrno: Any,
    ) -> int:
        completion = None
        try:
            entry = self.entry(s)
            buffers, flags = _receive_arguments(lpBuffers, dwBufferCount, lpFlags)
            out = address_out(entry, lpFrom, lpFromlen)
            if is_null(lpOverlapped):
                _need(lpNumberOfBytesRecvd)
                result = self.provider.recv_from(entry, buffers, flags, None)
            else:
                completion = begin(entry, lpOverlapped, lpCompletionRoutine, lpThreadId, (lpBuffers, buffers))
                completion.address_out = out
                result = self.provider.recv_from(entry, buffers, flags, completion.offered)
                if result is None:
                    return _pending(lpErrno)
                if result[2] is not None:
                    completion.set_address(result[2])
                completion.finished(result[0], result[1])
        except WinsockError as error:
            return _refused(lpErrno, error, completion)
        received, flags, sender = result  # type: ignore[misc]
        if lpNumberOfBytesRecvd is not None:
            store_int(lpNumberOfBytesRecvd, received)
        store_int(lpFlags, flags)
        if out is not None and sender is not None:
            out(sender)
        return 0

    def WSPIoctl(
        self,
        s: int,
        dwIoControlCode: int,
        lpvInBuffer: Any,
        cbInBuffer: int,
        lpvOutBuffer: Any,
        cbOutBuffer: int,
        lpcbBytesReturned: Any,
        lpOverlapped: Any,
        lpCompletionRoutine: Any,
        lpThreadId: Any,
        lpErrno: Any,
    ) -> int:
        completion = None
        try:
            entry = self.entry(s)
            if cbInBuffer and is_null(lpvInBuffer):
                raise WinsockError(WSAError.WSAEFAULT, "no input buffer")
            data = read_bytes(lpvInBuffer, cbInBuffer)
            if is_null(lpOverlapped):
                _need(lpcbBytesReturned)
                output = self.provider.ioctl(entry, dwIoControlCode, data, cbOutBuffer, None)
            else:
                completion = begin(entry, lpOverlapped, lpCompletionRoutine, lpThreadId, ())
                output = self.provider.ioctl(entry, dwIoControlCode, data, cbOutBuffer, completion.offered)
            if output is None:
                return _pending(lpErrno)
            if len(output) > cbOutBuffer or (output and is_null(lpvOutBuffer)):
                raise WinsockError(WSAError.WSAEFAULT, f"{cbOutBuffer} bytes for {len(output)}")
            write_bytes(lpvOutBuffer, output)
            if completion is not None:
                completion.finished(len(output))
        except WinsockError as error:
            return _refused(lpErrno, error, completion)
        if lpcbBytesReturned is not None:
            store_int(lpcbBytesReturned, len(output))
        return 0

    @_boolean
    def WSPGetOverlappedResult(self, s: int, lpOverlapped: Any, lpcbTransfer: Any, fWait: int, lpdwFlags: Any) -> int:
        entry = self.entry(s)
        if is_null(lpOverlapped) or is_null(lpcbTransfer):
            raise WinsockError(WSAError.WSAEFAULT, "no OVERLAPPED or no place for the number of bytes")
        transferred, flags = self.provider.get_overlapped_result(entry, overlapped_of(lpOverlapped), bool(fWait))
        store_int(lpcbTransfer, transferred)
        if lpdwFlags is not None:
            store_int(lpdwFlags, flags)
        return c.TRUE


def _need(place: Any) -> None:
    """Without an OVERLAPPED the client must say where the number of bytes goes."""
    if is_null(place):
        raise WinsockError(WSAError.WSAEFAULT, "no place for the number of bytes")


def _pending(lpErrno: Any) -> int:
    store_int(lpErrno, _PENDING)
    return c.SOCKET_ERROR


def _refused(lpErrno: Any, error: WinsockError, completion: Completion | None) -> int:
    if completion is not None:
        completion.refused()
    store_int(lpErrno, error.code)
    return c.SOCKET_ERROR


def _receive_arguments(lpBuffers: Any, count: int, lpFlags: Any) -> tuple[list[memoryview], int]:
    if not count:
        raise WinsockError(WSAError.WSAEINVAL, "no buffers")
    if is_null(lpFlags):
        raise WinsockError(WSAError.WSAEFAULT, "no flags")
    return read_buffers(lpBuffers, count), load_dword(lpFlags)


def _store_address(entry: SocketEntry, address: Address, target: Any, length: Any) -> None:
    out = address_out(entry, target, length)
    if out is None:
        raise WinsockError(WSAError.WSAEFAULT, "no place for the address")
    out(address)


def _given(argument: int, of_entry: int) -> int:
    """Return what a 0 or FROM_PROTOCOL_INFO stands for."""
    return of_entry if argument in (0, c.FROM_PROTOCOL_INFO, 0xFFFFFFFF) else argument


def _catalog_entry(lpProtocolInfo: Any) -> CatalogEntry:
    source = deref(lpProtocolInfo, WSAPROTOCOL_INFOW)
    if source is None:
        raise WinsockError(WSAError.WSAEFAULT, "no protocol info")
    return runtime.catalog.get(source.dwCatalogEntryId) or protocol_info.read(source)


def _refuse_disconnect_data(argument: Any) -> None:
    data = deref(argument, WSABUF)
    if data is not None and data.len:
        raise WinsockError(WSAError.WSAENOPROTOOPT, "disconnect data")


def table_of(provider: Provider) -> ProcTable:
    """Return the procedure table of any provider: its own where it was written with one, else a served one."""
    own = getattr(provider, "table", None)
    if isinstance(own, ProcTable):
        return own
    served = runtime.served.get(id(provider))
    if served is None:
        served = runtime.served[id(provider)] = Served(provider)
    table: ProcTable = served.table
    return table
