"""The NSP functions of a provider written in Python: its methods under their C signatures.

A step of a lookup that may take time runs on a helper thread, so that NSPLookupServiceEnd, from any other thread, ends
the call of NSPLookupServiceNext that waits for it with WSA_E_CANCELLED.
"""

import functools
import itertools
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from ws2spi._abi import names as n
from ws2spi._abi.constants import SOCKET_ERROR
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of, read_bytes, store_int, store_pointer_sized, write_bytes
from ws2spi._engine import reports
from ws2spi._executive import lasterror
from ws2spi._executive.events import Event
from ws2spi._runtime.names import notifications
from ws2spi._runtime.names.memory import Block
from ws2spi._runtime.names.provider import NameSpaceProvider, change_state
from ws2spi._runtime.names.querysets import pack_class, pack_service, read_class, read_guid, read_query, read_service
from ws2spi._runtime.names.records import Query, Service, checked
from ws2spi._runtime.names.routines import NspRoutines, Startup
from ws2spi._runtime.names.worker import Task, finish

_handles = itertools.count(0x10004, 4)  # unlike anybody's index or address, for whole processes unique

# What each restriction keeps of a result.
_RETURNS = (
    (n.LUP_RETURN_NAME, "name"),
    (n.LUP_RETURN_TYPE, "class_id"),
    (n.LUP_RETURN_VERSION, "version"),
    (n.LUP_RETURN_COMMENT, "comment"),
    (n.LUP_RETURN_BLOB, "blob"),
    (n.LUP_RETURN_QUERY_STRING, "query_string"),
)


def guarded(title: str, function: Callable[[], Any]) -> Any:
    """Call a provider's method; an exception that is no WinsockError is its bug: reported, and WSANO_RECOVERY."""
    try:
        return function()
    except (WinsockError, StopIteration):
        raise
    except Exception as error:
        reports.report(f"{title}: {error!r}")
        raise WinsockError(WSAError.WSANO_RECOVERY, f"{title}: {error!r}") from error


class _Lookup:
    """One lookup in one provider."""

    def __init__(self, provider: NameSpaceProvider, title: str, query: Query) -> None:
        self.query = query
        self.ended = Event(manual=True)
        self.revision = change_state(provider).revision
        self.listeners: list[notifications.Notification] = []
        self._provider = provider
        self._title = title
        self._results: Iterator[Service] | None = None
        self._found = False
        # The step whose result has not been taken: it did not fit, or who waited for it left (a signal handler raised).
        # One reference, so that no interrupt can lose a result or double it.
        self._current: Task[Service] | None = None

    def next(self, flags: int) -> Service:
        """The result that has not been taken yet, unless it is to be dropped, or the next one; WSA_E_NO_MORE."""
        current = self._current
        if current is not None and flags & n.LUP_FLUSHPREVIOUS and current.done.is_set():
            current = None
        if current is None:
            current = self._current = Task(self._step)
            if not self._provider.blocking:
                current.run()
        try:
            return finish(current, self.ended)
        except BaseException as error:
            if error is current.error:
                self._current = None
            raise

    def taken(self) -> None:
        """The result has reached the client."""
        self._current = None

    def _step(self) -> Service:
        while True:
            try:
                service: Service = guarded(self._title, self._advance)
            except StopIteration:
                code = WSAError.WSA_E_NO_MORE if self._found else WSAError.WSASERVICE_NOT_FOUND
                self._found = True
                raise WinsockError(code, self.query.name or "") from None
            if service.is_alias and not self.query.flags & n.LUP_RETURN_ALIASES:
                continue
            self._found = True
            return service

    def _advance(self) -> Service:
        if self._results is None:
            self._results = iter(self._provider.lookup(self.query))
        return checked(next(self._results))

    def end(self) -> None:
        """Whoever waits in `next` leaves; notifications that were asked for are aborted."""
        self.query.cancelled = True
        self.ended.set()
        for listener in self.listeners:
            listener.abort()


def restricted(service: Service, flags: int) -> Service:
    """Return of a result what the LUP_RETURN_ flags leave."""
    kept: dict[str, Any] = {field: getattr(service, field) for flag, field in _RETURNS if flags & flag}
    if flags & n.LUP_RETURN_ADDR:
        kept["endpoints"] = service.endpoints
    return Service(
        **kept,
        namespace=service.namespace,
        provider_id=service.provider_id,
        context=service.context,
        output_flags=service.output_flags,
    )


def _nsp(method: Callable[..., None]) -> Callable[..., int]:
    """Turn a method that raises into one that returns 0 or SOCKET_ERROR with the thread's last error set."""

    @functools.wraps(method)
    def call(self: "ServedNames", *arguments: Any) -> int:
        try:
            method(self, *arguments)
        except WinsockError as error:
            lasterror.set(int(error.code))
            return SOCKET_ERROR
        return 0

    call.takes_any_pointer = True  # type: ignore[attr-defined]
    return call


class ServedNames:
    """The functions of NSP_ROUTINE for one Python provider; `fill` puts them into a table."""

    def __init__(self, provider: NameSpaceProvider, provider_id: uuid.UUID, title: str) -> None:
        self.provider = provider
        self.provider_id = provider_id
        self.title = title
        self._lookups: dict[int, _Lookup] = {}

    def fill(self, routines: NspRoutines) -> None:
        """Fill a table in, as NSPStartup does."""
        routines.dwMajorVersion, routines.dwMinorVersion = 4, 4
        for name in n.NSP_NAMES:
            call = functools.partial(getattr(self, name))
            call.takes_any_pointer = True  # type: ignore[attr-defined]
            setattr(routines, name, call)

    def _lookup(self, handle: Any) -> _Lookup:
        lookup = self._lookups.get(int(getattr(handle, "value", handle) or 0))
        if lookup is None:
            raise WinsockError(WSAError.WSA_INVALID_HANDLE, f"lookup {handle}")
        return lookup

    def _own(self, provider_id: Any) -> None:
        if read_guid(provider_id) != self.provider_id:
            raise WinsockError(WSAError.WSAEINVAL, "lpProviderId")

    @_nsp
    def NSPCleanup(self, lpProviderId: Any) -> None:
        self._own(lpProviderId)
        for handle in tuple(self._lookups):
            lookup = self._lookups.pop(handle, None)
            if lookup is not None:
                lookup.end()
        guarded(self.title, self.provider.cleanup)

    @_nsp
    def NSPLookupServiceBegin(
        self, lpProviderId: Any, lpqsRestrictions: Any, lpServiceClassInfo: Any, dwControlFlags: int, lphLookup: Any
    ) -> None:
        self._own(lpProviderId)
        query = read_query(lpqsRestrictions, dwControlFlags)
        if not address_of(lphLookup):
            raise WinsockError(WSAError.WSAEINVAL, "lphLookup")
        if address_of(lpServiceClassInfo):
            query.class_info = read_class(lpServiceClassInfo)
        handle = next(_handles)
        self._lookups[handle] = _Lookup(self.provider, self.title, query)
        store_pointer_sized(lphLookup, handle)

    @_nsp
    def NSPLookupServiceNext(self, hLookup: Any, dwControlFlags: int, lpdwBufferLength: Any, lpqsResults: Any) -> None:
        lookup = self._lookup(hLookup)
        if not address_of(lpdwBufferLength):
            raise WinsockError(WSAError.WSAEINVAL, "lpdwBufferLength")
        service = restricted(lookup.next(dwControlFlags), lookup.query.flags & dwControlFlags)
        service.namespace = service.namespace or self.provider.namespace
        service.provider_id = service.provider_id or self.provider_id
        block: Block = guarded(self.title, lambda: pack_service(service))
        block.store(lpqsResults, lpdwBufferLength)
        lookup.taken()

    @_nsp
    def NSPLookupServiceEnd(self, hLookup: Any) -> None:
        lookup = self._lookup(hLookup)
        if self._lookups.pop(int(getattr(hLookup, "value", hLookup)), None) is lookup:
            lookup.end()

    @_nsp
    def NSPSetService(
        self, lpProviderId: Any, lpServiceClassInfo: Any, lpqsRegInfo: Any, essOperation: int, dwControlFlags: int
    ) -> None:
        self._own(lpProviderId)
        service = read_service(lpqsRegInfo)
        multiple = bool(dwControlFlags & n.SERVICE_MULTIPLE)
        guarded(self.title, lambda: self.provider.set_service(service, essOperation, multiple))

    @_nsp
    def NSPInstallServiceClass(self, lpProviderId: Any, lpServiceClassInfo: Any) -> None:
        self._own(lpProviderId)
        info = read_class(lpServiceClassInfo)
        guarded(self.title, lambda: self.provider.install_class(info))

    @_nsp
    def NSPRemoveServiceClass(self, lpProviderId: Any, lpServiceClassId: Any) -> None:
        self._own(lpProviderId)
        class_id = _class_id(read_guid(lpServiceClassId))
        guarded(self.title, lambda: self.provider.remove_class(class_id))

    @_nsp
    def NSPGetServiceClassInfo(self, lpProviderId: Any, lpdwBufSize: Any, lpServiceClassInfo: Any) -> None:
        self._own(lpProviderId)
        if not address_of(lpdwBufSize):
            raise WinsockError(WSAError.WSAEINVAL, "lpdwBufSize")
        asked = read_class(lpServiceClassInfo)
        info = guarded(self.title, lambda: self.provider.class_info(asked.class_id))
        block: Block = guarded(self.title, lambda: pack_class(info))
        block.store(lpServiceClassInfo, lpdwBufSize)

    @_nsp
    def NSPIoctl(
        self,
        hLookup: Any,
        dwControlCode: int,
        lpvInBuffer: Any,
        cbInBuffer: int,
        lpvOutBuffer: Any,
        cbOutBuffer: int,
        lpcbBytesReturned: Any,
        lpCompletion: Any,
        lpThreadId: Any,
    ) -> None:
        lookup = self._lookup(hLookup)
        code = dwControlCode & 0xFFFFFFFF
        if code == n.SIO_NSP_NOTIFY_CHANGE and self.provider.notifies:
            self._notify(lookup, lpCompletion, lpThreadId)
            return
        if cbInBuffer and not address_of(lpvInBuffer):
            raise WinsockError(WSAError.WSAEFAULT, "lpvInBuffer")
        data = read_bytes(lpvInBuffer, cbInBuffer)
        output: bytes = guarded(self.title, lambda: bytes(self.provider.ioctl(lookup.query, code, data)))
        if len(output) > cbOutBuffer or (output and not address_of(lpvOutBuffer)):
            store_int(lpcbBytesReturned, len(output))
            raise WinsockError(WSAError.WSAEFAULT, f"{len(output)} bytes needed")
        write_bytes(lpvOutBuffer, output)
        store_int(lpcbBytesReturned, len(output))

    def _notify(self, lookup: _Lookup, lpCompletion: Any, lpThreadId: Any) -> None:
        state = change_state(self.provider)
        notification = notifications.begin(lpCompletion, lpThreadId)
        if notification is None:
            if lookup.revision == state.revision:
                raise WinsockError(WSAError.WSAEWOULDBLOCK, "nothing has changed")
            return
        lookup.listeners.append(notification)
        notification.listen(state, lookup.revision)
        if lookup.ended.is_set():
            notification.abort()
        raise WinsockError(WSAError.WSA_IO_PENDING)


def _class_id(class_id: uuid.UUID | None) -> uuid.UUID:
    if class_id is None:
        raise WinsockError(WSAError.WSAEINVAL, "lpServiceClassId")
    return class_id


def startup_of(provider: NameSpaceProvider, title: str) -> Startup:
    """Return an NSPStartup that hands out the functions of a Python provider."""

    def NSPStartup(lpProviderId: Any, lpnspRoutines: Any) -> int:
        provider_id = read_guid(lpProviderId)
        if provider_id is None:
            lasterror.set(WSAError.WSAEINVAL)
            return SOCKET_ERROR
        ServedNames(provider, provider_id, title).fill(getattr(lpnspRoutines, "contents", lpnspRoutines))
        return 0

    return NSPStartup
