"""Name-space providers and lookups for tests: what a C program would write, in few words."""

import ctypes
import threading
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from support.winsock import error
from ws2spi import NameSpaceProvider, ws2_32
from ws2spi._abi import names as n
from ws2spi._abi.memory import address_of
from ws2spi._abi.types import GUID
from ws2spi._runtime.names.querysets import read_service
from ws2spi._runtime.names.records import Query, Service

byref = ctypes.byref
OWN_CLASS = uuid.UUID("11111111-2222-3333-4444-555555555555")
EVERYTHING = n.LUP_RETURN_ALL & ~n.LUP_RETURN_ALIASES


class Hosts(NameSpaceProvider):
    """A static table; `asked` remembers the queries."""

    blocking = False

    def __init__(self, table: dict[str, list[str]]) -> None:
        self.table = table
        self.asked: list[Query] = []

    def lookup(self, query: Query) -> Iterator[Service]:
        self.asked.append(query)
        hosts = self.table.get((query.name or "").lower())
        if hosts is not None:
            yield query.answer(*hosts)


class Fixed(NameSpaceProvider):
    """Gives the same results whatever is asked; an exception among them is raised."""

    blocking = False

    def __init__(self, *results: Service | Exception, namespace: int = n.NS_DNS) -> None:
        self.results = results
        self.namespace = namespace

    def lookup(self, query: Query) -> Iterator[Service]:
        for one in self.results:
            if isinstance(one, Exception):
                raise one
            yield one


class Stuck(NameSpaceProvider):
    """Blocks in the first step of a lookup until it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.let_go = threading.Event()

    def lookup(self, query: Query) -> Iterable[Service]:
        self.entered.set()
        self.let_go.wait(10)
        return [query.answer("10.0.0.1")]


def guid(value: uuid.UUID) -> Any:
    """A GUID structure."""
    return GUID.from_buffer_copy(value.bytes_le)


def query_set(
    name: str | None = None,
    class_id: uuid.UUID | None = n.SVCID_INET_HOSTADDRBYNAME,
    namespace: int = n.NS_ALL,
    provider_id: uuid.UUID | None = None,
    kind: Any = None,
) -> Any:
    """A WSAQUERYSET as a client fills it in."""
    wide = kind is None
    result = (kind or n.WSAQUERYSETW)(dwSize=120, dwNameSpace=namespace)
    result.lpszServiceInstanceName = name if wide or name is None else name.encode()
    for field, value in (("lpServiceClassId", class_id), ("lpNSProviderId", provider_id)):
        if value is not None:
            setattr(result, field, ctypes.pointer(guid(value)))
    return result


def begun(name: str | None = None, flags: int = EVERYTHING, **more: Any) -> int:
    """WSALookupServiceBegin; the handle."""
    handle = ctypes.c_uint64()
    wide = more.get("kind") is None
    begin = ws2_32.WSALookupServiceBeginW if wide else ws2_32.WSALookupServiceBeginA
    assert begin(byref(query_set(name, **more)), flags, byref(handle)) == 0, error()
    return handle.value


def next_result(handle: int, flags: int = EVERYTHING, *, wide: bool = True, room: int = 4096) -> Service | int:
    """WSALookupServiceNext: the result, or the code."""
    buffer, size = ctypes.create_string_buffer(room), ctypes.c_uint32(room)
    call = ws2_32.WSALookupServiceNextW if wide else ws2_32.WSALookupServiceNextA
    if call(handle, flags, byref(size), buffer):
        return error()
    return read_service(buffer, wide=wide)


def results(handle: int, flags: int = EVERYTHING, *, wide: bool = True) -> list[Service]:
    """All results, and WSALookupServiceEnd."""
    found = []
    while isinstance(one := next_result(handle, flags, wide=wide), Service):
        found.append(one)
    assert one == 10110, one
    assert ws2_32.WSALookupServiceEnd(handle) == 0
    return found


def inside(pointer: Any, buffer: Any) -> bool:
    """Whether a pointer leads into a buffer."""
    start = ctypes.addressof(buffer)
    return start <= address_of(pointer) < start + ctypes.sizeof(buffer)
