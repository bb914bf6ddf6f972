"""GetAddrInfoEx and SetAddrInfoEx: which providers are asked, the four kinds of lists, and the ways a query ends."""

import ctypes
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support import winsock
from support.names import Fixed, Hosts, Stuck, byref, guid
from support.winsock import error
from ws2spi import NameSpaceProvider, Query, Service, WinsockError, kernel32, ws2_32
from ws2spi._abi import addresses
from ws2spi._abi import names as n
from ws2spi._abi.constants import AF_INET, AF_INET6, SOCK_STREAM, STATUS_PENDING
from ws2spi._abi.errors import WSAError
from ws2spi._abi.types import OVERLAPPED, SOCKADDR_IN, TIMEVAL
from ws2spi._runtime.names.catalog import name_spaces
from ws2spi._runtime.names.services import ServiceTable

Install = Callable[..., Any]
OWN = 4711  # a name space of nobody's


def pointer(kind: Any = n.ADDRINFOEXW) -> Any:
    return ctypes.POINTER(kind)()


def asked(
    name: Any,
    service: Any = None,
    namespace: int = n.NS_DNS,
    provider: uuid.UUID | None = None,
    *,
    kind: Any = n.ADDRINFOEXW,
    hints: Any = None,
    timeout: Any = None,
    wide: bool = True,
) -> list[Any] | int:
    """The structures of GetAddrInfoEx's list, freed only by `FreeAddrInfoEx`; or the code."""
    first = pointer(kind)
    given = None if provider is None else byref(guid(provider))
    call = ws2_32.GetAddrInfoExW if wide else ws2_32.GetAddrInfoExA
    code = call(name, service, namespace, given, hints, byref(first), timeout, None, None, None)
    if code:
        assert error() == code, "the last error too"
        assert not first
        return int(code)
    return list(listed(first))


def listed(first: Any) -> Iterator[Any]:
    while first:
        yield first.contents
        first = first.contents.ai_next


def host(one: Any) -> tuple[str, int]:
    address = addresses.unpack(ctypes.string_at(one.ai_addr, one.ai_addrlen))[1]
    return address[0], address[1]


def told(found: list[Any] | int, wide: bool = True) -> list[tuple[str, int]]:
    """(host, port) of each; the list is freed."""
    assert isinstance(found, list), found
    result = [host(one) for one in found]
    (ws2_32.FreeAddrInfoExW if wide else ws2_32.FreeAddrInfoEx)(byref(found[0]))
    return result


def hints(kind: Any = n.ADDRINFOEXW, **members: Any) -> Any:
    return byref(kind(**{f"ai_{name}": value for name, value in members.items()}))


@pytest.fixture
def table(install: Install) -> Hosts:
    """The only NS_DNS provider."""
    winsock.stop()
    name_spaces.enable(n.DNS_PROVIDER, False)
    winsock.start()
    provider = Hosts({"a.test": ["10.0.0.1", "fd00::1"], "four.test": ["10.0.0.4"]})
    install(provider)
    return provider


# Whom it asks


def test_the_hosts_file_and_numbers_need_no_network(started: None) -> None:
    assert ("127.0.0.1", 80) in told(asked("localhost", "80"))
    found = asked("10.1.2.3", "http", hints=hints(socktype=SOCK_STREAM, flags=n.AI_NUMERICHOST))
    assert isinstance(found, list)
    one = found[0]
    assert (one.ai_flags, one.ai_family, one.ai_socktype, one.ai_addrlen) == (0, AF_INET, SOCK_STREAM, 16)
    assert (one.ai_canonname, one.ai_blob, bool(one.ai_provider)) == (None, None, False), "nobody was asked"
    assert told(found) == [("10.1.2.3", 80)]
    assert sorted(told(asked(None, "7"))) == [("127.0.0.1", 7), ("::1", 7)]


def test_each_result_names_its_provider(table: Hosts, install: Install) -> None:
    other = install(Fixed(Service(endpoints=Query().answer("10.0.0.9").endpoints, blob=b"more"), namespace=OWN))
    found = asked("a.test", None, n.NS_ALL)
    assert isinstance(found, list)
    by_host = {host(one)[0]: one for one in found}
    assert set(by_host) == {"10.0.0.1", "fd00::1", "10.0.0.9"}, "all name spaces"
    mine = by_host["10.0.0.9"]
    assert bytes(mine.ai_provider.contents) == other.provider_id.bytes_le
    assert ctypes.string_at(mine.ai_blob, mine.ai_bloblen) == b"more"
    assert bytes(by_host["10.0.0.1"].ai_provider.contents) != other.provider_id.bytes_le
    told(found)
    assert told(asked("a.test", None, OWN)) == [("10.0.0.9", 0)]
    assert told(asked("a.test", None, n.NS_DNS, other.provider_id)) == [("10.0.0.9", 0)], "the id outweighs the space"


def test_what_the_provider_is_told(table: Hosts) -> None:
    data = ctypes.create_string_buffer(b"secret", 6)
    given = n.ADDRINFOEXW(ai_family=AF_INET, ai_blob=ctypes.addressof(data), ai_bloblen=6)
    assert told(asked("a.test", "80", hints=byref(given))) == [("10.0.0.1", 80)]
    (query,) = table.asked
    assert (query.name, query.query_string, query.blob, query.families) == ("a.test", "80", b"secret", (AF_INET,))


def test_names_in_bytes(table: Hosts) -> None:
    given = hints(n.ADDRINFOEXA, flags=n.AI_CANONNAME, family=AF_INET6)
    found = asked(b"a.test", b"80", kind=n.ADDRINFOEXA, hints=given, wide=False)
    assert isinstance(found, list)
    assert found[0].ai_canonname == b"a.test"
    assert told(found, wide=False) == [("fd00::1", 80)]


# The kinds of lists


@pytest.mark.parametrize(("kind", "wide"), [(n.ADDRINFOEX2W, True), (n.ADDRINFOEX2A, False)])
def test_two_names_make_addrinfoex2(table: Hosts, kind: Any, wide: bool) -> None:
    name = "four.test" if wide else b"four.test"
    plain = n.ADDRINFOEXW if wide else n.ADDRINFOEXA
    found = asked(name, kind=kind, hints=hints(plain, flags=n.AI_CANONNAME | n.AI_FQDN), wide=wide)
    assert isinstance(found, list)
    one = found[0]
    assert (one.ai_flags & 0xFFFFFFFF, one.ai_version) == (n.AI_EXTENDED, 2)
    assert (one.ai_canonname, one.ai_fqdn) == (name, name)
    told(found, wide)
    found = asked(name, hints=hints(plain, flags=n.AI_FQDN), kind=plain, wide=wide)
    assert isinstance(found, list)
    assert (found[0].ai_flags, found[0].ai_canonname) == (0, name), "one name has room in an ADDRINFOEX"
    told(found, wide)


def test_an_interface_makes_addrinfoex3(table: Hosts) -> None:
    flags = ctypes.c_int(n.AI_EXTENDED).value
    given = hints(n.ADDRINFOEX3, flags=flags, version=3, interfaceindex=1)
    found = asked("four.test", kind=n.ADDRINFOEX3, hints=given)
    assert isinstance(found, list)
    assert (found[0].ai_version, found[0].ai_interfaceindex, found[0].ai_fqdn) == (3, 1, None)
    told(found)
    found = asked("four.test", hints=hints(n.ADDRINFOEX3, flags=flags, version=2, interfaceindex=1))
    assert isinstance(found, list)
    assert found[0].ai_flags == 0, "version 2 has no such member"
    told(found)
    for version in (0, 1, 5, 6):
        assert asked("four.test", hints=hints(n.ADDRINFOEX3, flags=flags, version=version)) == WSAError.WSAEINVAL


def test_a_resolution_handle_makes_addrinfoex4(table: Hosts) -> None:
    flags = ctypes.c_int(n.AI_EXTENDED | n.AI_RESOLUTION_HANDLE | n.AI_FQDN | n.AI_CANONNAME).value
    found = asked("four.test", kind=n.ADDRINFOEX4, hints=hints(n.ADDRINFOEX4, flags=flags, version=4))
    assert isinstance(found, list)
    one = found[0]
    assert (one.ai_version, one.ai_fqdn, one.ai_interfaceindex, one.ai_resolutionhandle) == (4, "four.test", 0, None)
    told(found)
    given = hints(n.ADDRINFOEXA, flags=n.AI_RESOLUTION_HANDLE)
    assert asked(b"four.test", kind=n.ADDRINFOEXA, hints=given, wide=False) == WSAError.WSAEINVAL


# Codes


@pytest.mark.parametrize("wide", [True, False])
def test_codes(table: Hosts, install: Install, wide: bool) -> None:
    kind = n.ADDRINFOEXW if wide else n.ADDRINFOEXA
    a = "a.test" if wide else b"a.test"
    own = install(Fixed(namespace=OWN))

    def code(name: Any, service: Any = None, *where: Any, **members: Any) -> Any:
        given = hints(kind, **members) if members else None
        return asked(name, service, *where, kind=kind, hints=given, wide=wide)

    nobody, port = ("nobody.test", "99999") if wide else (b"nobody.test", b"99999")
    assert code(nobody) == WSAError.WSAHOST_NOT_FOUND
    assert code(None) == WSAError.WSAHOST_NOT_FOUND, "neither name"
    assert code(a, flags=n.AI_NUMERICHOST) == WSAError.WSAHOST_NOT_FOUND
    assert code(nobody, None, OWN) == WSAError.WSASERVICE_NOT_FOUND, "not in that name space"
    assert code(nobody, None, n.NS_DNS, own.provider_id) == WSAError.WSASERVICE_NOT_FOUND
    assert code(a, None, OWN + 1) == WSAError.WSASERVICE_NOT_FOUND, "no such name space"
    assert code(a, None, n.NS_DNS, uuid.uuid4()) == WSAError.WSASERVICE_NOT_FOUND
    assert code("four.test" if wide else b"four.test", family=AF_INET6) == WSAError.WSANO_DATA
    assert code(a, port) == WSAError.WSATYPE_NOT_FOUND
    assert code(a, family=99) == WSAError.WSAEAFNOSUPPORT
    assert code(a, socktype=99) == WSAError.WSAESOCKTNOSUPPORT
    assert code(a, flags=0x2000) == WSAError.WSAEINVAL
    assert code(None, "80" if wide else b"80", flags=n.AI_CANONNAME) == WSAError.WSANO_RECOVERY
    assert code(a, addrlen=1) == WSAError.WSANO_RECOVERY, "a hint that must be 0"
    for telling in (WSAError.WSATRY_AGAIN, WSAError.WSANO_RECOVERY, WSAError.WSA_NOT_ENOUGH_MEMORY):
        failing = install(Fixed(WinsockError(telling)))
        assert code(a, None, n.NS_DNS, failing.provider_id) == telling
    call = ws2_32.GetAddrInfoExW if wide else ws2_32.GetAddrInfoExA
    assert call(a, None, n.NS_DNS, *[None] * 7) == WSAError.WSAEINVAL, "no ppResult"
    assert table.asked, "the table was asked for what only it can tell"


def test_before_wsastartup() -> None:
    first = pointer()
    for call, name in ((ws2_32.GetAddrInfoExW, "a"), (ws2_32.GetAddrInfoExA, b"a")):
        assert call(name, None, n.NS_ALL, None, None, byref(first), *[None] * 4) == WSAError.WSANOTINITIALISED
    for call, name in ((ws2_32.SetAddrInfoExW, "a"), (ws2_32.SetAddrInfoExA, b"a")):
        assert call(name, *[None] * 2, 0, None, 0, 0, *[None] * 5) == WSAError.WSANOTINITIALISED
        assert error() == WSAError.WSANOTINITIALISED


def test_what_the_a_form_has_no_use_for(table: Hosts) -> None:
    first = pointer(n.ADDRINFOEXA)
    reserved = byref(TIMEVAL()), byref(OVERLAPPED()), lambda *_: None, byref(ctypes.c_void_p())
    for position, value in enumerate(reserved):
        last: list[Any] = [None] * 4
        if callable(value):
            value = ctypes.CFUNCTYPE(None)(value)
        last[position] = value
        assert ws2_32.GetAddrInfoExA(b"a.test", None, 0, None, None, byref(first), *last) == WSAError.WSAEINVAL
        for call, name in ((ws2_32.SetAddrInfoExW, "a"), (ws2_32.SetAddrInfoExA, b"a")):
            assert call(name, None, None, 0, None, 0, 0, None, *last) == WSAError.WSAEINVAL


# Time


def test_the_time_is_over(install: Install) -> None:
    stuck = Stuck()
    own = install(stuck)
    assert asked("a.test", None, 0, own.provider_id, timeout=byref(TIMEVAL(0, 1000))) == WSAError.WSAETIMEDOUT
    assert stuck.entered.wait(10), "the provider goes on by itself"
    stuck.let_go.set()
    assert asked("a.test", timeout=byref(TIMEVAL(-1, 0))) == WSAError.WSAEINVAL
    assert told(asked("a.test", None, 0, own.provider_id, timeout=byref(TIMEVAL(60, 0)))) == [("10.0.0.1", 0)]


# Queries that go on


class Going:
    """A query with an OVERLAPPED."""

    def __init__(self, provider: Any, *, event: int = 0, routine: Any = None, timeout: Any = None) -> None:
        self.overlapped = OVERLAPPED(hEvent=event)
        self.first = pointer()
        self.handle = ctypes.c_void_p()
        self.place = byref(self.first)
        self.code = ws2_32.GetAddrInfoExW(
            "a.test", "80", n.NS_ALL, byref(guid(provider.provider_id)), None, self.place, timeout,
            byref(self.overlapped), routine, byref(self.handle),
        )  # fmt: skip

    def result(self) -> int:
        return int(ws2_32.GetAddrInfoExOverlappedResult(byref(self.overlapped)))

    def cancel(self) -> int:
        return int(ws2_32.GetAddrInfoExCancel(byref(self.handle)))

    @property
    def member_pointer(self) -> int:
        return self.overlapped.Offset | self.overlapped.OffsetHigh << 32


def test_an_event_is_set_at_the_end(install: Install) -> None:
    stuck = Stuck()
    own = install(stuck)
    with winsock.event() as event:
        going = Going(own, event=event)
        assert going.code == error() == WSAError.WSA_IO_PENDING
        assert stuck.entered.wait(10)
        assert (going.result(), going.overlapped.Internal) == (WSAError.WSAEINPROGRESS, STATUS_PENDING)
        assert not winsock.is_set(event)
        assert not going.first
        again = ws2_32.GetAddrInfoExW(
            "a.test", None, 0, None, None, byref(pointer()), None, byref(going.overlapped), None, None
        )
        assert again == WSAError.WSAEINVAL, "the OVERLAPPED is in use"
        stuck.let_go.set()
        assert winsock.is_set(event, 10_000)
    assert going.result() == 0
    assert going.member_pointer == ctypes.addressof(going.first)
    assert told(list(listed(going.first))) == [("10.0.0.1", 80)]
    assert going.cancel() == error() == WSAError.WSA_INVALID_HANDLE, "it has ended"


def test_a_routine_runs_elsewhere_while_the_client_waits_not_alertably(install: Install) -> None:
    own = install(Hosts({"a.test": ["10.0.0.1"]}))
    seen: list[Any] = []
    prototype = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32, ctypes.POINTER(OVERLAPPED))
    with winsock.event() as event:

        def routine(code: int, size: int, overlapped: Any) -> None:
            seen.append((code, size, ctypes.addressof(overlapped.contents), threading.current_thread()))
            kernel32.SetEvent(event)

        for given in (routine, prototype(routine), ctypes.cast(kept := prototype(routine), ctypes.c_void_p)):
            kernel32.ResetEvent(event)
            going = Going(own, routine=given)
            assert going.code == WSAError.WSA_IO_PENDING
            assert kernel32.WaitForSingleObject(event, 10_000) == 0
            code, size, address, thread = seen.pop()
            assert (code, size, address) == (0, 0, ctypes.addressof(going.overlapped))
            assert thread is not threading.current_thread()
            assert going.result() == 0
            assert told(list(listed(going.first))) == [("10.0.0.1", 80)]
        assert kept


def test_a_routine_that_fails_is_told_as_a_threads_failure(install: Install, monkeypatch: Any) -> None:
    failures: list[Any] = []
    done = threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda arguments: (failures.append(arguments.exc_type), done.set()))

    def routine(*_: Any) -> None:
        raise KeyError("a client's mistake")

    going = Going(install(Fixed()), routine=routine)
    assert done.wait(10)
    assert failures == [KeyError]
    assert going.result() == WSAError.WSASERVICE_NOT_FOUND


def test_a_cancel_ends_it_at_once(install: Install) -> None:
    stuck = Stuck()
    own = install(stuck)
    with winsock.event() as event:
        going = Going(own, event=event)
        assert stuck.entered.wait(10)
        assert going.cancel() == 0
        assert winsock.is_set(event, 10_000), "though the provider is still at it"
        assert going.result() == WSAError.WSA_E_CANCELLED
        assert not going.first
        assert going.cancel() == WSAError.WSA_INVALID_HANDLE
    assert ws2_32.GetAddrInfoExCancel(None) == WSAError.WSA_INVALID_HANDLE
    assert ws2_32.GetAddrInfoExCancel(byref(ctypes.c_void_p(0x999))) == WSAError.WSA_INVALID_HANDLE
    stuck.let_go.set()


def test_time_ends_it_too(install: Install) -> None:
    stuck = Stuck()
    with winsock.event() as event:
        going = Going(install(stuck), event=event, timeout=byref(TIMEVAL(0, 1000)))
        assert going.code == WSAError.WSA_IO_PENDING
        assert winsock.is_set(event, 10_000)
    assert going.result() == WSAError.WSAETIMEDOUT
    stuck.let_go.set()


def test_wsacleanup_ends_it(install: Install) -> None:
    stuck = Stuck()
    own = install(stuck)
    event = kernel32.CreateEventW(None, 1, 0, None)
    going = Going(own, event=event)
    assert stuck.entered.wait(10)
    winsock.stop()
    assert kernel32.WaitForSingleObject(event, 10_000) == 0
    assert going.result() == WSAError.WSA_E_CANCELLED
    kernel32.CloseHandle(event)
    stuck.let_go.set()
    winsock.start()


def test_how_an_overlapped_may_not_be(install: Install) -> None:
    own = install(Hosts({"a.test": ["10.0.0.1"]}))
    with winsock.event() as event:
        assert Going(own, event=event, routine=lambda *_: None).code == WSAError.WSAEINVAL, "both"
        assert Going(own).code == WSAError.WSAEINVAL, "neither"
        assert Going(own, event=event + 0x1000).code == WSAError.WSA_INVALID_HANDLE
    first = pointer()
    code = ws2_32.GetAddrInfoExW("a.test", None, 0, None, None, byref(first), None, None, lambda *_: None, None)
    assert code == WSAError.WSAEINVAL, "a routine alone"
    assert ws2_32.GetAddrInfoExOverlappedResult(None) == WSAError.WSAEINVAL


# Registering


class Registry(NameSpaceProvider):
    """A name space that keeps what is registered."""

    namespace = OWN
    blocking = False

    def __init__(self) -> None:
        self.table = ServiceTable()
        self.told: list[tuple[Service, int, bool]] = []

    def set_service(self, service: Service, operation: int, multiple: bool) -> None:
        self.told.append((service, operation, multiple))
        self.table.apply(service, operation, multiple)

    def lookup(self, query: Query) -> list[Service]:
        return self.table.find(query)


def sockaddrs(*hosts: str) -> Any:
    made = (n.SOCKET_ADDRESS * len(hosts))()
    for place, text in zip(made, hosts, strict=True):
        data = SOCKADDR_IN.from_buffer_copy(addresses.pack(AF_INET, (text, 0)))
        place.lpSockaddr = ctypes.cast(ctypes.pointer(data), type(place.lpSockaddr))
        place.iSockaddrLength = 16
    return made


@pytest.mark.parametrize("wide", [True, False])
def test_what_is_registered_is_found(install: Install, wide: bool) -> None:
    registry = Registry()
    own = install(registry)
    call = ws2_32.SetAddrInfoExW if wide else ws2_32.SetAddrInfoExA
    name, service = ("mine.test", "http") if wide else (b"mine.test", b"http")
    blob = n.BLOB(3, (ctypes.c_ubyte * 3)(*b"abc"))
    where = OWN, byref(guid(own.provider_id)), *[None] * 4
    assert call(name, service, sockaddrs("10.0.0.7", "10.0.0.8"), 2, byref(blob), n.SERVICE_MULTIPLE, *where) == 0
    registered, operation, multiple = registry.told[0]
    assert (registered.name, registered.query_string, registered.blob) == ("mine.test", "http", b"abc")
    assert (operation, multiple) == (n.RNRSERVICE_REGISTER, True)
    assert told(asked("mine.test", "80", OWN)) == [("10.0.0.7", 80), ("10.0.0.8", 80)]
    assert call(name, None, None, 0, None, 0, *where) == 0, "no addresses: deregistered"
    assert asked("mine.test", "80", OWN) == WSAError.WSASERVICE_NOT_FOUND


@pytest.mark.parametrize("wide", [True, False])
def test_codes_of_registering(install: Install, wide: bool) -> None:
    call = ws2_32.SetAddrInfoExW if wide else ws2_32.SetAddrInfoExA
    name = "a.test" if wide else b"a.test"
    own = install(Registry())

    def code(given: Any = name, count: int = 0, namespace: int = OWN, **where: Any) -> int:
        result = call(given, None, where.get("at"), count, None, 0, namespace, where.get("id"), *[None] * 4)
        assert result == 0 or error() == result
        return int(result)

    assert code() == WSAError.WSASERVICE_NOT_FOUND, "it was not registered"
    assert code(namespace=OWN + 1) == WSAError.WSASERVICE_NOT_FOUND
    assert code(None) == WSAError.WSAEINVAL
    assert code(count=1) == WSAError.WSAEINVAL, "addresses at NULL"
    assert code(count=1, at=(n.SOCKET_ADDRESS * 1)()) == WSAError.WSAEINVAL
    assert code(namespace=n.NS_DNS) == 0, "the DNS provider does nothing"
    own.remove()
    install(Hosts({}), namespace=OWN)
    assert code() == WSAError.WSAEOPNOTSUPP
    for telling in (
        WSAError.WSATRY_AGAIN, WSAError.WSANO_RECOVERY, WSAError.WSAENOBUFS, WSAError.WSA_NOT_ENOUGH_MEMORY
    ):  # fmt: skip
        provider = Hosts({})
        provider.set_service = lambda *_, telling=telling: _raise(telling)  # type: ignore[method-assign,misc]
        failing = install(provider)
        assert code(id=byref(guid(failing.provider_id))) == telling


def _raise(code: int) -> None:
    raise WinsockError(code)
