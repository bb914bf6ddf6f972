"""The life of a socket, from WSPSocket to WSPCloseSocket, and WSPCleanup."""

from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of, deref, load_word, write_bytes
from ws2spi._abi.types import QOS, WSABUF, WSAPROTOCOL_INFOW
from ws2spi._runtime import protocol_info
from ws2spi._runtime.arguments import address_out, read_address
from ws2spi._runtime.catalog import CatalogEntry
from ws2spi._runtime.conditions import condition_of
from ws2spi._runtime.process import runtime
from ws2spi._runtime.serve.answering import Family, boolean, handle, integer
from ws2spi._runtime.sockets import SocketEntry, sockets


class Life(Family):
    """Making, connecting, accepting and ending sockets."""

    @handle
    def WSPSocket(self, af: int, type: int, protocol: int, lpProtocolInfo: Any, g: int, dwFlags: int) -> int:
        info = _catalog_entry(lpProtocolInfo)
        token = deref(lpProtocolInfo, WSAPROTOCOL_INFOW).dwProviderReserved
        adopt = getattr(self.provider, "adopt", None)
        if token and adopt is not None:
            handle: int = adopt(token, info)
            self._opened(handle, bool(dwFlags & c.WSA_FLAG_OVERLAPPED))
            return handle
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

    @handle
    def WSPAccept(self, s: int, addr: Any, addrlen: Any, lpfnCondition: Any, dwCallbackData: Any) -> int:
        entry = self.entry(s)
        deferred = False
        try:
            return self._accept(entry, addr, addrlen, lpfnCondition, dwCallbackData)
        except WinsockError as error:
            deferred = error.code == WSAError.WSATRY_AGAIN
            raise
        finally:
            if not deferred:
                self.called(entry, c.FD_ACCEPT)

    def _accept(self, entry: SocketEntry, addr: Any, addrlen: Any, lpfnCondition: Any, dwCallbackData: Any) -> int:
        # An address without a length is no error here: nothing is stored (witness P10).
        out = address_out(entry, addr, addrlen) if address_of(addrlen) else None
        ask = condition_of(lpfnCondition, dwCallbackData, entry.family, out)
        handle, peer = self.provider.accept(entry) if ask is None else self.provider.accept(entry, ask)
        self._opened(handle, entry.overlapped)
        if out is not None and ask is None:
            out(peer)
        return handle

    @integer
    def WSPBind(self, s: int, name: Any, namelen: int) -> int:
        entry = self.entry(s)
        self.provider.bind(entry, read_address(entry, name, namelen, WSAError.WSAEFAULT))
        return 0

    @integer
    def WSPListen(self, s: int, backlog: int) -> int:
        self.provider.listen(self.entry(s), backlog)
        return 0

    @integer
    def WSPConnect(
        self, s: int, name: Any, namelen: int, lpCallerData: Any, lpCalleeData: Any, lpSQOS: Any, lpGQOS: Any
    ) -> int:
        entry = self.entry(s)
        address = read_address(entry, name, namelen, WSAError.WSAEAFNOSUPPORT)
        _refuse_extras(lpCallerData, lpSQOS)
        self.provider.connect(entry, address)
        callee_data = deref(lpCalleeData, WSABUF)
        if callee_data is not None:
            callee_data.len = 0
        return 0

    @handle
    def WSPJoinLeaf(
        self,
        s: int,
        name: Any,
        namelen: int,
        lpCallerData: Any,
        lpCalleeData: Any,
        lpSQOS: Any,
        lpGQOS: Any,
        dwFlags: int,
    ) -> int:
        entry = self.entry(s)
        join = getattr(self.provider, "join_leaf", None)
        if join is None:
            raise WinsockError(WSAError.WSAEOPNOTSUPP, "multipoint sessions")
        address = read_address(entry, name, namelen, WSAError.WSAEAFNOSUPPORT)
        _refuse_extras(lpCallerData, lpSQOS)
        member: int = join(entry, address, dwFlags)
        callee_data = deref(lpCalleeData, WSABUF)
        if callee_data is not None:
            callee_data.len = 0
        return member

    @boolean
    def WSPGetQOSByName(self, s: int, lpQOSName: Any, lpQOS: Any) -> int:
        self.entry(s)
        name = deref(lpQOSName, WSABUF)
        if name is None or not name.buf or name.len < 2:
            raise WinsockError(WSAError.WSAEFAULT, "no name, or no room for the end of the list of names")
        if load_word(name.buf):
            raise WinsockError(WSAError.WSAEINVAL, "there are no templates")
        return c.TRUE  # the list of names, which is empty, is what stands there already

    @integer
    def WSPShutdown(self, s: int, how: int) -> int:
        entry = self.entry(s)
        if how not in (c.SD_RECEIVE, c.SD_SEND, c.SD_BOTH):
            raise WinsockError(WSAError.WSAEINVAL, f"how = {how}")
        self.provider.shutdown(entry, how)
        return 0

    @integer
    def WSPSendDisconnect(self, s: int, lpOutboundDisconnectData: Any) -> int:
        entry = self.entry(s)
        _refuse_disconnect_data(lpOutboundDisconnectData)
        self.provider.shutdown(entry, c.SD_SEND)
        return 0

    @integer
    def WSPRecvDisconnect(self, s: int, lpInboundDisconnectData: Any) -> int:
        entry = self.entry(s)
        _refuse_disconnect_data(lpInboundDisconnectData)
        self.provider.shutdown(entry, c.SD_RECEIVE)
        return 0

    @integer
    def WSPDuplicateSocket(self, s: int, dwProcessId: int, lpProtocolInfo: Any) -> int:
        entry = self.entry(s)
        duplicate = getattr(self.provider, "duplicate", None)
        if duplicate is None:
            raise WinsockError(WSAError.WSAEOPNOTSUPP, "duplicates")
        if not address_of(lpProtocolInfo):
            raise WinsockError(WSAError.WSAEFAULT, "no place for the protocol info")
        structure = protocol_info.structure(entry.info)
        structure.dwProviderReserved = duplicate(entry, dwProcessId)
        write_bytes(lpProtocolInfo, bytes(structure))
        return 0

    @integer
    def WSPCloseSocket(self, s: int) -> int:
        self.provider.close(self.entry(s))
        return 0

    @integer
    def WSPCleanup(self) -> int:
        runtime.providers.release(self.provider)
        return 0


def _given(argument: int, of_entry: int) -> int:
    """Return what a 0 or FROM_PROTOCOL_INFO stands for."""
    return of_entry if argument in (0, c.FROM_PROTOCOL_INFO, 0xFFFFFFFF) else argument


def _catalog_entry(lpProtocolInfo: Any) -> CatalogEntry:
    source = deref(lpProtocolInfo, WSAPROTOCOL_INFOW)
    if source is None:
        raise WinsockError(WSAError.WSAEFAULT, "no protocol info")
    return runtime.catalog.get(source.dwCatalogEntryId) or protocol_info.read(source)


def _refuse_extras(caller_data: Any, flows: Any) -> None:
    """Errors:
    WSAEPROTONOSUPPORT: caller data. WSAEOPNOTSUPP: flow specifications that ask for more than best effort.
    """
    data = deref(caller_data, WSABUF)
    if data is not None and data.len:
        raise WinsockError(WSAError.WSAEPROTONOSUPPORT, "caller data")
    wanted = deref(flows, QOS)
    if wanted is not None:
        for flow in (wanted.SendingFlowspec, wanted.ReceivingFlowspec):
            if flow.ServiceType & 0xFFFF not in (c.SERVICETYPE_NOTRAFFIC, c.SERVICETYPE_BESTEFFORT):
                raise WinsockError(WSAError.WSAEOPNOTSUPP, f"service type {flow.ServiceType}")


def _refuse_disconnect_data(argument: Any) -> None:
    data = deref(argument, WSABUF)
    if data is not None and data.len:
        raise WinsockError(WSAError.WSAENOPROTOOPT, "disconnect data")
