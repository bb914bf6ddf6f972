"""GetAddrInfoEx and SetAddrInfoEx: names by name space and provider, with time-outs, OVERLAPPED and cancelling."""

import ctypes
import sys
import threading
from collections.abc import Callable
from typing import Any

from ws2spi._abi import addresses
from ws2spi._abi import names as n
from ws2spi._abi.constants import STATUS_PENDING
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of, deref, load_pointer_sized, read_narrow, read_wide, store_pointer_sized
from ws2spi._abi.types import DWORD, OVERLAPPED, TIMEVAL
from ws2spi._executive import lasterror
from ws2spi._executive.handles import handles
from ws2spi._executive.overlapped import Overlapped, pending_at
from ws2spi._runtime.arguments import as_routine, routine_argument
from ws2spi._runtime.names import pending, resolver, services
from ws2spi._runtime.names.memory import Block
from ws2spi._runtime.names.querysets import read_addresses, read_blob, read_guid
from ws2spi._runtime.names.records import Endpoint, Service
from ws2spi._runtime.process import runtime

_NAMES = n.AI_CANONNAME | n.AI_FQDN
_lists: dict[int, Any] = {}  # {address of a list's first ADDRINFOEX: the memory of the whole list}
# LPLOOKUPSERVICE_COMPLETION_ROUTINE
_ROUTINE: Any = ctypes.CFUNCTYPE(None, DWORD, DWORD, ctypes.POINTER(OVERLAPPED))
_Ask = Callable[[], Block]


def GetAddrInfoExW(
    pName: Any,
    pServiceName: Any,
    dwNameSpace: int,
    lpNspId: Any,
    hints: Any,
    ppResult: Any,
    timeout: Any,
    lpOverlapped: Any,
    lpCompletionRoutine: Any,
    lpHandle: Any,
) -> int:
    """Store a list of the addresses of a host and a service, as the name-space providers that are meant know them.

    With an OVERLAPPED the call only begins the query: its end sets the OVERLAPPED's event or calls the routine (on a
    thread of the runtime's, with the code, 0 and the OVERLAPPED), and GetAddrInfoExOverlappedResult has the code.
    The list is of ADDRINFOEX; with AI_CANONNAME and AI_FQDN of ADDRINFOEX2, with an interface index in hints that are
    an ADDRINFOEX3 or 4 (AI_EXTENDED) of ADDRINFOEX3, with AI_RESOLUTION_HANDLE of ADDRINFOEX4. Free it with
    FreeAddrInfoExW.

    Returns: 0, or the error code, which is in the last error too.
    Errors:
        WSA_IO_PENDING: the query goes on.
        WSANOTINITIALISED: no WSAStartup.
        WSASERVICE_NOT_FOUND: no active provider of the name space, or with the id; or, in another name space than
            NS_DNS, no such name.
        WSAHOST_NOT_FOUND, WSANO_DATA, WSATRY_AGAIN, WSANO_RECOVERY, WSAEAFNOSUPPORT, WSAESOCKTNOSUPPORT,
        WSATYPE_NOT_FOUND, WSA_NOT_ENOUGH_MEMORY: as GetAddrInfoW.
        WSAEINVAL: unknown `ai_flags` or `ai_version`, or `ppResult` is NULL; a negative time; an OVERLAPPED in use,
            with both an event and a routine or with neither, or a routine without an OVERLAPPED.
        WSA_INVALID_HANDLE: hEvent is no event.
        WSAETIMEDOUT: the time was over; the providers go on by themselves.
    Source: ws2tcpip.h, nf-ws2tcpip-getaddrinfoexw.
    Differs: as getaddrinfo. A query with an OVERLAPPED always pends; what the arguments say is wrong is told at once.
        `timeout` is a timeval, as the header has it; the page names no code for its end. An interface index is handed
        back and chooses nothing; there is no resolution handle (NULL). ADDRINFOEX5 and 6 are not known.
    """
    try:
        asked = _asked(read_wide(pName), read_wide(pServiceName), dwNameSpace, lpNspId, hints, ppResult, wide=True)
        limit = _seconds(timeout)
        routine = as_routine(lpCompletionRoutine, _ROUTINE)
        if address_of(lpOverlapped):
            return _begin(asked, limit, ppResult, lpOverlapped, routine, lpHandle)
        if routine is not None:
            raise WinsockError(WSAError.WSAEINVAL, "a routine without an OVERLAPPED")
        _hand_out(ppResult, pending.within(limit, asked))
    except WinsockError as error:
        lasterror.set(int(error.code))
        return int(error.code)
    return 0


def GetAddrInfoExA(
    pName: Any,
    pServiceName: Any,
    dwNameSpace: int,
    lpNspId: Any,
    hints: Any,
    ppResult: Any,
    timeout: Any,
    lpOverlapped: Any,
    lpCompletionRoutine: Any,
    lpNameHandle: Any,
) -> int:
    """As GetAddrInfoExW, with texts in bytes; the last four parameters are NULL. FreeAddrInfoEx frees the list.

    Returns: 0, or the error code, which is in the last error too.
    Errors:
        WSAEINVAL: one of the last four parameters is not NULL; or as GetAddrInfoExW.
        WSANOTINITIALISED, WSASERVICE_NOT_FOUND, WSAHOST_NOT_FOUND, WSANO_DATA, WSATRY_AGAIN, WSANO_RECOVERY,
        WSAEAFNOSUPPORT, WSAESOCKTNOSUPPORT, WSATYPE_NOT_FOUND, WSA_NOT_ENOUGH_MEMORY: of GetAddrInfoExW.
    Source: ws2tcpip.h, nf-ws2tcpip-getaddrinfoexa.
    Differs: as getaddrinfo; AI_RESOLUTION_HANDLE and an interface index are of the W form alone.
    """
    try:
        name, service = read_narrow(pName), read_narrow(pServiceName)
        asked = _asked(name, service, dwNameSpace, lpNspId, hints, ppResult, wide=False)
        _refuse_reserved(timeout, lpOverlapped, lpCompletionRoutine, lpNameHandle)
        _hand_out(ppResult, asked())
    except WinsockError as error:
        lasterror.set(int(error.code))
        return int(error.code)
    return 0


def _refuse_reserved(*arguments: Any) -> None:
    if any(map(address_of, arguments)):
        raise WinsockError(WSAError.WSAEINVAL, "a reserved parameter is not NULL")


def _seconds(timeout: Any) -> float | None:
    limit = deref(timeout, TIMEVAL)
    if limit is None:
        return None
    seconds = float(limit.tv_sec + limit.tv_usec / 1e6)
    if seconds < 0:
        raise WinsockError(WSAError.WSAEINVAL, f"timeout {seconds}")
    return seconds


def _asked(
    node: str | None, service: str | None, namespace: int, lpNspId: Any, pHints: Any, ppResult: Any, *, wide: bool
) -> _Ask:
    """Return what asks the providers; all that the arguments alone can get wrong is refused here."""
    stored = store_pointer_sized(ppResult, 0)
    runtime.require()
    if not stored:
        raise WinsockError(WSAError.WSAEINVAL, "ppResult")
    plain: Any = n.ADDRINFOEXW if wide else n.ADDRINFOEXA
    hints = deref(pHints, plain)
    flags, asked, index, blob = 0, (0, 0, 0), 0, None
    if hints is not None:
        if hints.ai_addrlen or any(map(address_of, (hints.ai_canonname, hints.ai_addr, hints.ai_next))):
            raise WinsockError(WSAError.WSANO_RECOVERY, "hints that must be 0")
        flags = hints.ai_flags & 0xFFFFFFFF
        asked = hints.ai_family, hints.ai_socktype, hints.ai_protocol
        if hints.ai_blob and hints.ai_bloblen:
            blob = ctypes.string_at(hints.ai_blob, hints.ai_bloblen)
        if flags & n.AI_EXTENDED:
            index = _interface(address_of(pHints))
    if not wide and flags & n.AI_RESOLUTION_HANDLE:
        raise WinsockError(WSAError.WSAEINVAL, "ADDRINFOEX4 has a W form alone")
    kind: Any = plain
    if flags & n.AI_RESOLUTION_HANDLE:
        kind = n.ADDRINFOEX4
    elif index and wide:
        kind = n.ADDRINFOEX3
    elif flags & _NAMES == _NAMES:
        kind = n.ADDRINFOEX2W if wide else n.ADDRINFOEX2A
    flags &= ~(n.AI_EXTENDED | n.AI_RESOLUTION_HANDLE)
    resolver.check(node, service, flags, *asked[:2])
    where = resolver.Where(namespace, read_guid(lpNspId), service, blob)
    where.require()
    return lambda: _list(resolver.getaddrinfo(node, service, flags, *asked, where), kind, flags, index, wide)


def _interface(address: int) -> int:
    """Return the interface index of extended hints, 0 where their version has none."""
    hints = n.ADDRINFOEX3.from_address(address)
    if not 2 <= hints.ai_version <= 4:
        raise WinsockError(WSAError.WSAEINVAL, f"ai_version {hints.ai_version}")
    return int(hints.ai_interfaceindex) if hints.ai_version > 2 else 0


def _list(found: list[resolver.Info], kind: Any, flags: int, index: int, wide: bool) -> Block:
    version = {n.ADDRINFOEX2W: 2, n.ADDRINFOEX2A: 2, n.ADDRINFOEX3: 3, n.ADDRINFOEX4: 4}.get(kind, 1)
    block = Block()
    before = None
    for one in found:
        at = block.add(bytes(ctypes.sizeof(kind)))
        data = addresses.pack(one.family, one.address)
        block.number(at + kind.ai_family.offset, one.family)
        block.number(at + kind.ai_socktype.offset, one.socket_type)
        block.number(at + kind.ai_protocol.offset, one.protocol)
        block.number(at + kind.ai_addrlen.offset, len(data), 8)
        block.point(at + kind.ai_addr.offset, block.add(data))
        if version == 1 or flags & n.AI_CANONNAME:
            block.text(at + kind.ai_canonname.offset, one.canonical, wide)
        if one.blob:
            block.point(at + kind.ai_blob.offset, block.add(one.blob))
            block.number(at + kind.ai_bloblen.offset, len(one.blob), 8)
        if one.provider_id is not None:
            block.point(at + kind.ai_provider.offset, block.add(one.provider_id.bytes_le, 4))
        if version > 1:
            block.number(at + kind.ai_flags.offset, n.AI_EXTENDED)
            block.number(at + kind.ai_version.offset, version)
            if flags & n.AI_FQDN:
                block.text(at + kind.ai_fqdn.offset, one.canonical, wide)
        if version > 2:
            block.number(at + kind.ai_interfaceindex.offset, index)
        if before is not None:
            block.point(before + kind.ai_next.offset, at)
        before = at
    return block


def _hand_out(ppResult: Any, block: Block) -> None:
    memory = block.owned()
    start = ctypes.addressof(memory)
    _lists[start] = memory
    store_pointer_sized(ppResult, start)


def _begin(asked: _Ask, limit: float | None, ppResult: Any, lpOverlapped: Any, routine: Any, lpHandle: Any) -> int:
    record = Overlapped.from_argument(lpOverlapped, handles, with_event=routine is None)
    if routine is not None and record.structure.hEvent:
        raise WinsockError(WSAError.WSAEINVAL, "both an event and a routine")
    if routine is None and record.event is None:
        raise WinsockError(WSAError.WSAEINVAL, "neither an event nor a routine")
    if pending_at(record.address) is not None:
        raise WinsockError(WSAError.WSAEINVAL, "the OVERLAPPED is in use")
    query = pending.Pending(limit, asked)
    store_pointer_sized(lpHandle, query.handle)
    record.start()

    def tell(code: int, block: Block | None) -> None:
        if block is not None:
            _hand_out(ppResult, block)
        store_pointer_sized(record.address + OVERLAPPED.Offset.offset, address_of(ppResult))  # the member Pointer
        structure = record.structure
        record.complete(code, 0)  # Internal is the code itself, and not an NTSTATUS
        if routine is not None:
            _call(routine, code, structure)

    query.start(tell)
    lasterror.set(int(WSAError.WSA_IO_PENDING))
    return int(WSAError.WSA_IO_PENDING)


def _call(routine: Any, code: int, structure: Any) -> None:
    try:
        routine(code, 0, routine_argument(routine, structure))
    except BaseException:
        threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))


def GetAddrInfoExOverlappedResult(lpOverlapped: Any) -> int:
    """Return how a query ended that GetAddrInfoExW has begun.

    Returns: 0, or the error code.
    Errors:
        WSAEINPROGRESS: it has not ended. WSAEINVAL: NULL. Else the query's, WSA_E_CANCELLED or WSAETIMEDOUT for one.
    Source: ws2tcpip.h, nf-ws2tcpip-getaddrinfoexoverlappedresult.
    Differs: nothing.
    """
    structure = deref(lpOverlapped, OVERLAPPED)
    if structure is None:
        return int(WSAError.WSAEINVAL)
    code = structure.Internal or 0
    return int(WSAError.WSAEINPROGRESS if code == STATUS_PENDING else code)


def GetAddrInfoExCancel(lpHandle: Any) -> int:
    """End a query that GetAddrInfoExW has begun, with WSA_E_CANCELLED; does not wait for its event or routine.

    Parameters:
        lpHandle: where the handle is, not the handle.
    Returns: 0, or the error code.
    Errors:
        WSA_INVALID_HANDLE: no such query, or it has ended.
    Source: ws2tcpip.h, nf-ws2tcpip-getaddrinfoexcancel.
    Differs: nothing. What a provider is at goes on by itself, as the page says.
    """
    try:
        pending.cancel(load_pointer_sized(lpHandle) if address_of(lpHandle) else 0)
    except WinsockError as error:
        lasterror.set(int(error.code))
        return int(error.code)
    return 0


def FreeAddrInfoEx(pAddrInfoEx: Any) -> None:
    """Free a list that GetAddrInfoExA gave.

    Returns: nothing.
    Errors: none.
    Source: ws2tcpip.h, nf-ws2tcpip-freeaddrinfoex.
    Differs: what GetAddrInfoEx did not give, or what is freed already, is ignored.
    """
    _lists.pop(address_of(pAddrInfoEx), None)


def FreeAddrInfoExW(pAddrInfoEx: Any) -> None:
    """Free a list that GetAddrInfoExW gave.

    Returns: nothing.
    Errors: none.
    Source: ws2tcpip.h, nf-ws2tcpip-freeaddrinfoexw.
    Differs: as FreeAddrInfoEx.
    """
    _lists.pop(address_of(pAddrInfoEx), None)


def SetAddrInfoExW(
    pName: Any,
    pServiceName: Any,
    pAddresses: Any,
    dwAddressCount: int,
    lpBlob: Any,
    dwFlags: int,
    dwNameSpace: int,
    lpNspId: Any,
    timeout: Any,
    lpOverlapped: Any,
    lpCompletionRoutine: Any,
    lpNameHandle: Any,
) -> int:
    """Register a name with some addresses, or deregister it with none, where the name space and provider id mean.

    The providers get it as WSASetService would give it: of the class of host names (what GetAddrInfoEx asks for), the
    service's name as query string, `dwFlags` as control flags.

    Returns: 0 when one provider did it, or the error code, which is in the last error too.
    Errors:
        WSANOTINITIALISED: no WSAStartup.
        WSAEINVAL: no name, fewer addresses than `dwAddressCount`, or one of the last four parameters is not NULL.
        WSASERVICE_NOT_FOUND: no such provider, or no such name. WSAEOPNOTSUPP: no provider registers names.
        WSATRY_AGAIN, WSANO_RECOVERY, WSAENOBUFS, WSA_NOT_ENOUGH_MEMORY: the providers'.
    Source: ws2tcpip.h, nf-ws2tcpip-setaddrinfoexw.
    Differs: in NS_DNS it succeeds and does nothing, as WSASetService; on Windows the DNS provider registers no names.
    """
    names = read_wide(pName), read_wide(pServiceName)
    reserved = timeout, lpOverlapped, lpCompletionRoutine, lpNameHandle
    return _set(*names, pAddresses, dwAddressCount, lpBlob, dwFlags, dwNameSpace, lpNspId, reserved)


def SetAddrInfoExA(
    pName: Any,
    pServiceName: Any,
    pAddresses: Any,
    dwAddressCount: int,
    lpBlob: Any,
    dwFlags: int,
    dwNameSpace: int,
    lpNspId: Any,
    timeout: Any,
    lpOverlapped: Any,
    lpCompletionRoutine: Any,
    lpNameHandle: Any,
) -> int:
    """As SetAddrInfoExW, with texts in bytes.

    Returns: 0 when one provider did it, or the error code, which is in the last error too.
    Errors:
        WSANOTINITIALISED, WSAEINVAL, WSASERVICE_NOT_FOUND, WSAEOPNOTSUPP, WSATRY_AGAIN, WSANO_RECOVERY, WSAENOBUFS,
        WSA_NOT_ENOUGH_MEMORY: as SetAddrInfoExW.
    Source: ws2tcpip.h, nf-ws2tcpip-setaddrinfoexa.
    Differs: as SetAddrInfoExW.
    """
    names = read_narrow(pName), read_narrow(pServiceName)
    reserved = timeout, lpOverlapped, lpCompletionRoutine, lpNameHandle
    return _set(*names, pAddresses, dwAddressCount, lpBlob, dwFlags, dwNameSpace, lpNspId, reserved)


def _set(
    name: str | None,
    service: str | None,
    pAddresses: Any,
    count: int,
    lpBlob: Any,
    flags: int,
    namespace: int,
    lpNspId: Any,
    reserved: tuple[Any, ...],
) -> int:
    try:
        runtime.require()
        _refuse_reserved(*reserved)
        registered = Service(
            name=name,
            class_id=n.SVCID_INET_HOSTADDRBYNAME,
            namespace=namespace,
            provider_id=read_guid(lpNspId),
            query_string=service,
            endpoints=tuple(Endpoint(one, one, 0, 0) for one in read_addresses(pAddresses, count)),
            blob=read_blob(lpBlob),
        )
        operation = n.RNRSERVICE_REGISTER if count else n.RNRSERVICE_DEREGISTER
        services.set_service(registered, operation, flags & 0xFFFFFFFF)
    except WinsockError as error:
        lasterror.set(int(error.code))
        return int(error.code)
    return 0
