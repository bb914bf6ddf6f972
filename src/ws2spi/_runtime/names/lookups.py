"""The DLL's side of WSALookupService*: one handle over the lookups of several providers.

Rules:
1. Providers are asked in the catalog's order, each until it has no more. One that fails, at its beginning or later, is
   left out; only when nothing was found at all does its code reach the client (spec: namespace 7.1, 7.2).
2. Calls of Next on one handle take turns. A call that waits for its turn, or for a provider, is ended by End from any
   thread with WSA_E_CANCELLED; a second End is WSA_INVALID_HANDLE (7.3, 7.5).
3. WSAENOMORE and WSAECANCELLED, the old twins, become WSA_E_NO_MORE and WSA_E_CANCELLED (7.4).
4. No lock is held while a provider runs.
"""

import ctypes
import itertools
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from ws2spi._abi import names as n
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.types import DWORD, HANDLE
from ws2spi._executive.events import Event
from ws2spi._executive.waits import wait
from ws2spi._runtime.names.catalog import name_spaces
from ws2spi._runtime.names.entries import NameSpaceEntry
from ws2spi._runtime.names.querysets import pack_class, pack_service, read_class, read_service
from ws2spi._runtime.names.records import Query, Service, ServiceClass
from ws2spi._runtime.names.routines import Started
from ws2spi._runtime.process import runtime
from ws2spi._runtime.threads import own_structure

_BEHAVIOUR = n.LUP_FLUSHPREVIOUS | n.LUP_RES_SERVICE
_NO_MORE = (WSAError.WSA_E_NO_MORE, WSAError.WSAENOMORE)
# What a provider says of the call, not of the name.
_CALLERS = (WSAError.WSAEFAULT, WSAError.WSAEINTR, WSAError.WSAEINPROGRESS)
_FIRST_ROOM = 1024
_TRIES = 8  # how often a provider may ask for still more room
_handles = itertools.count(0x5204, 4)
_lookups: dict[int, "Lookup"] = {}


class Lookup:
    """A lookup over some providers.

    Parameters:
        query: what is looked for.
        entries: whom to ask, in order.
    Errors: the first provider's, when none of them begins.
    """

    def __init__(self, query: Query, entries: list[NameSpaceEntry]) -> None:
        self.query = query
        self.ended = Event(manual=True)
        self._turn = Event(manual=False, signalled=True)
        self._parts: list[tuple[Started, int]] = []
        self._position = 0
        self._error: WinsockError | None = None
        self._found = False
        self._held: Service | None = None  # a result that did not fit an A client's buffer
        for entry in entries:
            try:
                started = name_spaces.started(entry)
                self._parts.append((started, _begin(started, query)))
            except WinsockError as error:
                self._error = self._error or error
        if not self._parts and self._error is not None:
            raise self._error

    def next_into(self, flags: int, length: Any, target: Any, *, wide: bool) -> None:
        """Store the next result in a client's buffer; errors as NSPLookupServiceNext."""
        self._take_turn()
        try:
            if wide and self._held is None:
                self._next(flags, lambda started, part, given: _next_into(started, part, given, length, target))
                return
            if flags & n.LUP_FLUSHPREVIOUS:
                self._held = None
            if self._held is None:
                self._held = self._next(flags, _next_service)
            pack_service(self._held, wide=wide).store(target, length)
            self._held = None
        finally:
            self._turn.set()

    def services(self, flags: int) -> Iterator[Service]:
        """Yield all results; the errors are those of the first one."""
        while True:
            self._take_turn()
            try:
                service = self._next(flags, _next_service)
            except WinsockError as error:
                if error.code == WSAError.WSA_E_NO_MORE:
                    return
                raise
            finally:
                self._turn.set()
            yield service

    def _take_turn(self) -> None:
        if wait((self._turn, self.ended)) or self.ended.is_set():
            raise self._cancelled()

    def _cancelled(self) -> WinsockError:
        return WinsockError(WSAError.WSA_E_CANCELLED, "the lookup has ended")

    def _next(self, flags: int, step: Callable[[Started, int, int], Any]) -> Any:
        # What Begin did not ask for, Next cannot add.
        given = flags & (self.query.flags | _BEHAVIOUR)
        while self._position < len(self._parts):
            started, part = self._parts[self._position]
            try:
                result = step(started, part, given)
            except WinsockError as error:
                if self.ended.is_set():
                    raise self._cancelled() from None
                if error.code in _CALLERS:
                    raise
                if error.code not in _NO_MORE:
                    self._error = self._error or error
                self._position += 1
                given &= ~n.LUP_FLUSHPREVIOUS  # the next provider has no previous result
            else:
                self._found = True
                return result
        why, self._error = self._error, None
        if why is not None and not self._found:
            self._found = True  # told once; from now on there is no more
            raise why
        raise WinsockError(WSAError.WSA_E_NO_MORE)

    def ioctl(self, code: int, data: Any, data_size: int, output: Any, room: int, returned: Any, told: Any) -> None:
        """Hand a control code to the one provider behind this handle.

        Errors:
            WSAEINVAL: there are several. Else the provider's.
        """
        if len(self._parts) != 1:
            raise WinsockError(WSAError.WSAEINVAL, f"{len(self._parts)} providers answer this lookup")
        started, part = self._parts[0]
        identity = ctypes.byref(own_structure())
        started.call("NSPIoctl", part, code, data, data_size, output, room, returned, told, identity)

    def end(self) -> None:
        """Let every provider end its part, whoever is inside it."""
        self.ended.set()
        for started, part in self._parts:
            try:
                started.call("NSPLookupServiceEnd", part)
            except WinsockError:
                pass  # the client's handle is gone in any case


def _begin(started: Started, query: Query) -> int:
    restrictions = pack_service(query).owned()
    info = class_info(started, query.class_id)
    described = None if info is None else pack_class(info).owned()
    handle = HANDLE()
    started.call_by_id("NSPLookupServiceBegin", restrictions, described, query.flags, ctypes.byref(handle))
    return handle.value or 0


def _next_into(started: Started, part: int, flags: int, length: Any, target: Any) -> None:
    started.call("NSPLookupServiceNext", part, flags, length, target)


def _next_service(started: Started, part: int, flags: int) -> Service:
    memory = with_room(lambda room, size: _next_into(started, part, flags, size, room))
    return read_service(memory)


def with_room(call: Callable[[Any, Any], None], prepare: Callable[[Any], None] | None = None) -> Any:
    """Call `call(buffer, byref(size))` with more room until what it stores fits; return the buffer.

    Parameters:
        prepare: fills the buffer in before each call.
    """
    size = _FIRST_ROOM
    for _ in range(_TRIES):
        memory = ctypes.create_string_buffer(size)
        if prepare is not None:
            prepare(memory)
        needed = DWORD(size)
        try:
            call(memory, ctypes.byref(needed))
        except WinsockError as error:
            if error.code != WSAError.WSAEFAULT or needed.value <= size:
                raise
            size = needed.value
        else:
            return memory
    raise WinsockError(WSAError.WSANO_RECOVERY, "a provider asks for more room again and again")


def class_info(started: Started, class_id: uuid.UUID | None) -> ServiceClass | None:
    """Return what a provider says of a service class, None when it says nothing."""
    try:
        return None if class_id is None else read_class(class_info_memory(started, class_id))
    except WinsockError:
        return None


def class_info_memory(started: Started, class_id: uuid.UUID) -> Any:
    """Return a WSASERVICECLASSINFOW with what a provider says of a class; errors as NSPGetServiceClassInfo."""
    asked = pack_class(ServiceClass(class_id))

    def prepare(memory: Any) -> None:
        ctypes.memmove(memory, asked.image(ctypes.addressof(memory)), len(asked))

    return with_room(lambda room, size: started.call_by_id("NSPGetServiceClassInfo", size, room), prepare)


# Handles


def begin(query: Query) -> int:
    """Begin a lookup in every active provider that the query means; return its handle.

    Errors:
        WSASERVICE_NOT_FOUND: no provider. Else the first provider's, when none of them begins.
    """
    lookup = Lookup(query, name_spaces.select(query.namespace, query.provider_id))
    handle = next(_handles)
    _lookups[handle] = lookup
    return handle


def find(handle: Any) -> Lookup:
    """Return the lookup of a handle; WSA_INVALID_HANDLE when there is none."""
    lookup = _lookups.get(handle) if isinstance(handle, int) else None
    if lookup is None:
        raise WinsockError(WSAError.WSA_INVALID_HANDLE, f"lookup {handle!r}")
    return lookup


def end(handle: Any) -> None:
    """End a lookup; WSA_INVALID_HANDLE when it has ended already."""
    lookup = _lookups.pop(handle, None) if isinstance(handle, int) else None
    if lookup is None:
        raise WinsockError(WSAError.WSA_INVALID_HANDLE, f"lookup {handle!r}")
    lookup.end()


def unload() -> None:
    """The last WSACleanup: lookups end, then the providers clean up."""
    for handle in tuple(_lookups):
        lookup = _lookups.pop(handle, None)
        if lookup is not None:
            lookup.end()
    name_spaces.unload()


def forget() -> None:
    """In a forked child."""
    _lookups.clear()
    name_spaces.forget()


runtime.extend(unload, forget)
