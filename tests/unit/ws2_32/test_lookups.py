"""WSALookupService*: results in the client's buffer, merging, restricting, and ends from other threads.

Clauses are of spec namespace 4 and 7, and of the pages of WSALookupServiceBegin, Next and End.
"""

import ctypes
import signal
import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from support import winsock
from support.names import (
    EVERYTHING,
    OWN_CLASS,
    Fixed,
    Hosts,
    Stuck,
    begun,
    guid,
    inside,
    next_result,
    query_set,
    results,
)
from support.winsock import error
from ws2spi import NameSpaceProvider, Query, Service, WinsockError, ws2_32
from ws2spi._abi import names as n
from ws2spi._abi.constants import AF_INET, AF_INET6
from ws2spi._abi.errors import WSAError
from ws2spi._runtime.names.catalog import name_spaces
from ws2spi._runtime.names.records import endpoint

Install = Callable[..., Any]
byref = ctypes.byref

FULL = Service(
    name="gerät",
    class_id=OWN_CLASS,
    version=(3, n.COMP_NOTLESS),
    comment="a comment",
    query_string="a query",
    endpoints=(endpoint("10.0.0.1", 80), endpoint("fe80::1%2", 81)),
    blob=b"private",
)


def alone(install: Install, provider: NameSpaceProvider) -> uuid.UUID:
    """Install a provider; its id, for queries that shall reach it alone."""
    provider_id: uuid.UUID = install(provider).provider_id
    return provider_id


# Results


def test_a_result_byte_for_byte(install: Install) -> None:
    provider_id = alone(install, Fixed(FULL))
    handle = begun("x", provider_id=provider_id)
    buffer, size = ctypes.create_string_buffer(4096), ctypes.c_uint32(4096)
    assert ws2_32.WSALookupServiceNextW(handle, EVERYTHING, byref(size), buffer) == 0
    found = n.WSAQUERYSETW.from_buffer(buffer)
    assert (found.dwSize, found.dwNameSpace, found.dwOutputFlags) == (120, n.NS_DNS, 0)
    assert (found.lpszServiceInstanceName, found.lpszComment, found.lpszQueryString) == (
        "gerät",
        "a comment",
        "a query",
    )
    assert bytes(found.lpServiceClassId.contents) == OWN_CLASS.bytes_le
    assert bytes(found.lpNSProviderId.contents) == provider_id.bytes_le
    assert (found.lpVersion.contents.dwVersion, found.lpVersion.contents.ecHow) == (3, 1)
    assert ctypes.string_at(found.lpBlob.contents.pBlobData, found.lpBlob.contents.cbSize) == b"private"
    assert found.dwNumberOfCsAddrs == 2
    four, six = found.lpcsaBuffer[0], found.lpcsaBuffer[1]
    assert (four.iSocketType, four.iProtocol, four.RemoteAddr.iSockaddrLength) == (1, 6, 16)
    assert ctypes.string_at(four.RemoteAddr.lpSockaddr, 16) == b"\2\0\0\x50\x0a\0\0\1" + bytes(8)
    assert ctypes.string_at(four.LocalAddr.lpSockaddr, 16) == b"\2\0" + bytes(14)
    assert six.RemoteAddr.iSockaddrLength == 28
    assert ctypes.string_at(six.RemoteAddr.lpSockaddr, 28)[-4:] == b"\2\0\0\0", "the scope"
    pointers = (
        found.lpServiceClassId, found.lpNSProviderId, found.lpVersion, found.lpBlob, found.lpBlob.contents.pBlobData,
        found.lpcsaBuffer, six.RemoteAddr.lpSockaddr,
    )  # fmt: skip
    assert all(inside(pointer, buffer) for pointer in pointers)
    ws2_32.WSALookupServiceEnd(handle)


def test_a_form_has_bytes(install: Install) -> None:
    provider_id = alone(install, Fixed(FULL))
    handle = begun("x", provider_id=provider_id, kind=n.WSAQUERYSETA)
    buffer, size = ctypes.create_string_buffer(4096), ctypes.c_uint32(4096)
    assert ws2_32.WSALookupServiceNextA(handle, EVERYTHING, byref(size), buffer) == 0
    found = n.WSAQUERYSETA.from_buffer(buffer)
    assert found.lpszServiceInstanceName == "gerät".encode()
    assert inside(found.lpcsaBuffer, buffer)
    assert ws2_32.WSALookupServiceNextA(handle, EVERYTHING, byref(size), buffer) == -1
    assert error() == WSAError.WSA_E_NO_MORE
    ws2_32.WSALookupServiceEnd(handle)


@pytest.mark.parametrize("wide", [True, False])
def test_too_little_room_says_how_much_and_keeps_the_result(install: Install, wide: bool) -> None:
    kind = None if wide else n.WSAQUERYSETA
    handle = begun("x", provider_id=alone(install, Fixed(FULL)), kind=kind)
    call = ws2_32.WSALookupServiceNextW if wide else ws2_32.WSALookupServiceNextA
    size = ctypes.c_uint32(0)
    assert call(handle, EVERYTHING, byref(size), None) == -1
    assert error() == WSAError.WSAEFAULT
    needed = size.value
    buffer, size = ctypes.create_string_buffer(needed), ctypes.c_uint32(needed - 1)
    assert call(handle, EVERYTHING, byref(size), buffer) == -1
    assert (error(), size.value) == (WSAError.WSAEFAULT, needed)
    assert buffer.raw == bytes(needed), "nothing is written"
    assert call(handle, EVERYTHING, byref(size), buffer) == 0, "exactly what was asked for"
    ws2_32.WSALookupServiceEnd(handle)


@pytest.mark.parametrize("wide", [True, False])
def test_flush_previous_drops_what_did_not_fit(install: Install, wide: bool) -> None:
    two = Fixed(FULL, Service(name="second", class_id=OWN_CLASS))
    handle = begun("x", provider_id=alone(install, two), kind=None if wide else n.WSAQUERYSETA)
    assert next_result(handle, wide=wide, room=8) == WSAError.WSAEFAULT
    found = next_result(handle, EVERYTHING | n.LUP_FLUSHPREVIOUS, wide=wide)
    assert isinstance(found, Service)
    assert found.name == "second"
    assert next_result(handle, wide=wide) == WSAError.WSA_E_NO_MORE
    ws2_32.WSALookupServiceEnd(handle)


def test_next_can_only_restrict(install: Install) -> None:
    provider_id = alone(install, Fixed(FULL, FULL, FULL))
    handle = begun("x", n.LUP_RETURN_NAME | n.LUP_RETURN_ADDR, provider_id=provider_id)
    found = next_result(handle, n.LUP_RETURN_NAME)
    assert isinstance(found, Service)
    assert (found.name, found.endpoints, found.comment) == ("gerät", (), None)
    found = next_result(handle, EVERYTHING)
    assert isinstance(found, Service)
    assert (found.name, len(found.endpoints), found.comment, found.blob) == ("gerät", 2, None, None)
    found = next_result(handle, 0)
    assert found == Service(namespace=n.NS_DNS, provider_id=provider_id)
    ws2_32.WSALookupServiceEnd(handle)


@pytest.mark.parametrize(
    ("flag", "field"),
    [(n.LUP_RETURN_NAME, "name"), (n.LUP_RETURN_TYPE, "class_id"), (n.LUP_RETURN_VERSION, "version"),
     (n.LUP_RETURN_COMMENT, "comment"), (n.LUP_RETURN_ADDR, "endpoints"), (n.LUP_RETURN_BLOB, "blob"),
     (n.LUP_RETURN_QUERY_STRING, "query_string")],
)  # fmt: skip
def test_each_flag_returns_its_member(install: Install, flag: int, field: str) -> None:
    (found,) = results(begun("x", flag, provider_id=alone(install, Fixed(FULL))), flag)
    assert getattr(found, field) == getattr(FULL, field)
    others = {"name", "class_id", "version", "comment", "endpoints", "blob", "query_string"} - {field}
    assert not any(getattr(found, other) for other in others)


def test_aliases_come_only_when_asked_for(install: Install) -> None:
    alias = Service(name="other", output_flags=n.RESULT_IS_ALIAS)
    provider_id = alone(install, Fixed(FULL, alias))
    assert [one.name for one in results(begun("x", provider_id=provider_id))] == ["gerät"]
    flags = EVERYTHING | n.LUP_RETURN_ALIASES
    found = results(begun("x", flags, provider_id=provider_id), flags)
    assert [(one.name, one.output_flags) for one in found] == [("gerät", 0), ("other", 1)]


def test_the_provider_gets_the_whole_query(install: Install) -> None:
    provider = Hosts({})
    query = query_set("host", OWN_CLASS, provider_id=alone(install, provider))
    version, protocols = n.WSAVERSION(2, n.COMP_EQUAL), (n.AFPROTOCOLS * 2)((AF_INET, 6), (AF_INET6, 17))
    data = ctypes.create_string_buffer(b"blob", 4)
    blob = n.BLOB(4, ctypes.cast(data, ctypes.POINTER(ctypes.c_ubyte)))
    query.lpVersion, query.lpBlob = ctypes.pointer(version), ctypes.pointer(blob)
    query.dwNumberOfProtocols, query.lpafpProtocols = 2, protocols
    query.lpszContext, query.lpszQueryString, query.lpszComment = "context", "what", "ignored"
    handle = ctypes.c_uint64()
    assert ws2_32.WSALookupServiceBeginW(byref(query), EVERYTHING, byref(handle)) == 0
    query.lpszServiceInstanceName = "changed"  # after Begin the client's memory is its own again
    assert next_result(handle.value) == WSAError.WSASERVICE_NOT_FOUND
    (asked,) = provider.asked
    assert (asked.name, asked.class_id, asked.version, asked.comment) == ("host", OWN_CLASS, (2, 0), None)
    assert (asked.context, asked.query_string, asked.blob) == ("context", "what", b"blob")
    assert (asked.protocols, asked.flags) == (((AF_INET, 6), (AF_INET6, 17)), EVERYTHING)
    ws2_32.WSALookupServiceEnd(handle.value)


# Several providers


def test_providers_are_merged_in_their_order(install: Install) -> None:
    install(Fixed(Service(name="c"), namespace=n.NS_NIS))
    install(Fixed(Service(name="a"), Service(name="b"), namespace=n.NS_NIS))
    assert [one.name for one in results(begun("x", namespace=n.NS_NIS))] == ["a", "b", "c"]


def test_a_failing_provider_is_left_out(install: Install, capfd: pytest.CaptureFixture[str]) -> None:
    install(Fixed(Service(name="good"), namespace=n.NS_NIS))
    install(Fixed(Service(name="then"), ValueError("a bug"), namespace=n.NS_NIS), "Buggy")
    install(Fixed(WinsockError(WSAError.WSAEREFUSED), namespace=n.NS_NIS))
    assert [one.name for one in results(begun("x", namespace=n.NS_NIS))] == ["then", "good"]
    assert "Buggy" in capfd.readouterr().err


def test_a_provider_that_cannot_start_is_left_out(install: Install) -> None:
    def NSPStartup(lpProviderId: Any, lpnspRoutines: Any) -> int:
        ws2_32.WSASetLastError(WSAError.WSASYSNOTREADY)
        return -1

    install(Fixed(Service(name="good"), namespace=n.NS_NIS))
    install(NSPStartup, namespace=n.NS_NIS)
    assert [one.name for one in results(begun("x", namespace=n.NS_NIS))] == ["good"]


@pytest.mark.parametrize("code", [WSAError.WSANO_DATA, WSAError.WSASERVICE_NOT_FOUND, WSAError.WSA_NOT_ENOUGH_MEMORY])
def test_what_a_provider_says_is_told_once_when_nothing_was_found(install: Install, code: int) -> None:
    handle = begun("x", provider_id=alone(install, Fixed(WinsockError(code))))
    assert next_result(handle) == code
    assert next_result(handle) == WSAError.WSA_E_NO_MORE
    ws2_32.WSALookupServiceEnd(handle)


def test_the_old_code_for_no_more(install: Install) -> None:
    handle = begun("x", provider_id=alone(install, Fixed(FULL, WinsockError(WSAError.WSAENOMORE))))
    assert isinstance(next_result(handle), Service)
    assert next_result(handle) == WSAError.WSA_E_NO_MORE
    ws2_32.WSALookupServiceEnd(handle)
    handle = begun("x", provider_id=alone(install, Fixed(WinsockError(WSAError.WSAENOMORE))))
    assert next_result(handle) == WSAError.WSA_E_NO_MORE, "also as the first answer"
    ws2_32.WSALookupServiceEnd(handle)


def test_a_provider_restricts_by_itself(install: Install) -> None:
    """Whoever calls NSPLookupServiceNext straight gets no more than NSPLookupServiceBegin asked for."""
    provider_id = alone(install, Fixed(FULL))
    results(begun("x", provider_id=provider_id))
    routines = name_spaces._started[provider_id].routines
    handle, buffer, size = ctypes.c_uint64(), ctypes.create_string_buffer(4096), ctypes.c_uint32(4096)
    own = byref(guid(provider_id))
    assert routines.NSPLookupServiceBegin(own, byref(query_set("x")), None, n.LUP_RETURN_NAME, byref(handle)) == 0
    assert routines.NSPLookupServiceNext(handle.value, EVERYTHING, byref(size), buffer) == 0
    found = n.WSAQUERYSETW.from_buffer(buffer)
    assert (found.lpszServiceInstanceName, found.lpszComment, found.dwNumberOfCsAddrs) == ("gerät", None, 0)
    assert routines.NSPLookupServiceEnd(handle.value) == 0
    for call, arguments, code in (
        (routines.NSPLookupServiceEnd, (handle.value,), WSAError.WSA_INVALID_HANDLE),
        (routines.NSPLookupServiceNext, (4, 0, byref(size), buffer), WSAError.WSA_INVALID_HANDLE),
        (routines.NSPCleanup, (byref(guid(OWN_CLASS)),), WSAError.WSAEINVAL),
        (routines.NSPLookupServiceBegin, (own, None, None, 0, byref(handle)), WSAError.WSAEINVAL),
        (routines.NSPLookupServiceBegin, (own, byref(query_set("x")), None, 0, None), WSAError.WSAEINVAL),
        (routines.NSPGetServiceClassInfo, (own, None, buffer), WSAError.WSAEINVAL),
        (routines.NSPRemoveServiceClass, (own, None), WSAError.WSAEINVAL),
    ):
        assert call(*arguments) == -1
        assert error() == code


# Begin


def failing_begin(query: Any, flags: int = EVERYTHING, out: Any = None) -> int:
    handle = ctypes.c_uint64() if out is None else None
    result = ws2_32.WSALookupServiceBeginW(query, flags, byref(handle) if handle is not None else None)
    assert result == -1
    return error()


def test_begin_refuses(started: None) -> None:
    assert failing_begin(None) == WSAError.WSAEINVAL
    assert failing_begin(byref(query_set("x")), out=0) == WSAError.WSAEINVAL
    small = query_set("x")
    small.dwSize = 119
    assert failing_begin(byref(small)) == WSAError.WSAEINVAL
    assert failing_begin(byref(query_set("x", None))) == WSAError.WSAEINVAL, "the class is required"
    assert failing_begin(byref(query_set("x", namespace=n.NS_BTH))) == WSAError.WSASERVICE_NOT_FOUND
    unknown = query_set("x", provider_id=uuid.uuid4())
    assert failing_begin(byref(unknown)) == WSAError.WSASERVICE_NOT_FOUND
    many = query_set("x")
    many.dwNumberOfProtocols = 1
    assert failing_begin(byref(many)) == WSAError.WSAEINVAL, "an array at NULL"


def test_begin_gives_the_code_of_a_single_provider_that_fails(install: Install) -> None:
    for code in (WSAError.WSANO_DATA, WSAError.WSA_NOT_ENOUGH_MEMORY):
        provider_id = install(failing_startup(code)).provider_id
        assert failing_begin(byref(query_set("x", provider_id=provider_id))) == code


def failing_startup(code: int) -> Any:
    """An NSPStartup whose lookups do not begin."""

    def fail(*arguments: Any) -> int:
        ws2_32.WSASetLastError(code)
        return -1

    def NSPStartup(lpProviderId: Any, lpnspRoutines: Any) -> int:
        for name in n.NSP_NAMES:
            setattr(lpnspRoutines.contents, name, fail)
        lpnspRoutines.contents.NSPCleanup = lambda lpProviderId: 0
        return 0

    return NSPStartup


# Handles and ends


def test_handles(started: None) -> None:
    handle = begun("localhost")
    assert next_result(handle + 1) == WSAError.WSA_INVALID_HANDLE
    assert ws2_32.WSALookupServiceNextW(handle, 0, None, None) == -1
    assert error() == WSAError.WSAEINVAL
    assert ws2_32.WSALookupServiceEnd(handle) == 0
    assert next_result(handle) == WSAError.WSA_INVALID_HANDLE
    for bad in (handle, 0, -1, None):
        assert ws2_32.WSALookupServiceEnd(bad) == -1
        assert error() == WSAError.WSA_INVALID_HANDLE


def test_everything_needs_a_start(started: None) -> None:
    winsock.stop()
    assert failing_begin(byref(query_set("x"))) == WSAError.WSANOTINITIALISED
    assert next_result(4) == WSAError.WSANOTINITIALISED
    assert ws2_32.WSALookupServiceEnd(4) == -1
    assert error() == WSAError.WSANOTINITIALISED


@pytest.fixture
def stuck() -> Any:
    provider = Stuck()
    yield provider
    provider.let_go.set()


def in_thread(body: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(body()))
    thread.start()
    return thread, answers


@pytest.mark.parametrize("wide", [True, False])
def test_end_from_another_thread_cancels_next(install: Install, stuck: Stuck, wide: bool) -> None:
    handle = begun("x", provider_id=alone(install, stuck), kind=None if wide else n.WSAQUERYSETA)
    thread, answers = in_thread(lambda: next_result(handle, wide=wide))
    assert stuck.entered.wait(10)
    waiting, also = in_thread(lambda: next_result(handle, wide=wide))  # this one waits for its turn
    assert ws2_32.WSALookupServiceEnd(handle) == 0
    for one in (thread, waiting):
        one.join(10)
        assert not one.is_alive()
    assert answers == [WSAError.WSA_E_CANCELLED]
    assert also[0] in (WSAError.WSA_E_CANCELLED, WSAError.WSA_INVALID_HANDLE), "the second, if it came before End"


def test_whatever_a_provider_says_after_the_end(install: Install) -> None:
    """A hand-written one leaves its Next with the old code once its NSPLookupServiceEnd was called."""
    entered, ended = threading.Event(), threading.Event()

    def begin(provider_id: Any, query: Any, info: Any, flags: int, handle: Any) -> int:
        handle[0] = 1
        return 0

    def follow(handle: int, flags: int, length: Any, target: Any) -> int:
        entered.set()
        ended.wait(10)
        ws2_32.WSASetLastError(WSAError.WSAECANCELLED)
        return -1

    def NSPStartup(lpProviderId: Any, lpnspRoutines: Any) -> int:
        for name in n.NSP_NAMES:
            setattr(lpnspRoutines.contents, name, lambda *arguments: 0)
        lpnspRoutines.contents.NSPLookupServiceBegin = begin
        lpnspRoutines.contents.NSPLookupServiceNext = follow
        lpnspRoutines.contents.NSPLookupServiceEnd = lambda handle: ended.set() or 0
        lpnspRoutines.contents.NSPGetServiceClassInfo = lambda *arguments: -1
        return 0

    handle = begun("x", provider_id=install(NSPStartup).provider_id)
    thread, answers = in_thread(lambda: next_result(handle))
    assert entered.wait(10)
    assert ws2_32.WSALookupServiceEnd(handle) == 0
    thread.join(10)
    assert answers == [WSAError.WSA_E_CANCELLED]


def test_the_last_cleanup_ends_lookups(install: Install, stuck: Stuck) -> None:
    handle = begun("x", provider_id=alone(install, stuck))
    thread, answers = in_thread(lambda: next_result(handle))
    assert stuck.entered.wait(10)
    winsock.stop()
    thread.join(10)
    assert answers == [WSAError.WSA_E_CANCELLED]
    winsock.start()
    assert next_result(handle) == WSAError.WSA_INVALID_HANDLE


def test_a_step_that_was_left_is_taken_up_again(install: Install, stuck: Stuck) -> None:
    """A signal handler that raises leaves the wait; the provider's step goes on, and its result is not lost."""
    handle = begun("x", provider_id=alone(install, stuck))

    class LeaveError(Exception):
        pass

    left = threading.Event()

    def leave(number: int, frame: Any) -> None:
        if not left.is_set():
            left.set()
            raise LeaveError

    before = signal.signal(signal.SIGUSR1, leave)
    main = threading.get_ident()

    def interrupt() -> None:
        stuck.entered.wait(10)
        signal.pthread_kill(main, signal.SIGUSR1)
        while not left.wait(0.1):  # one that comes just before poll() does not end it
            signal.pthread_kill(main, signal.SIGUSR1)

    thread, _ = in_thread(interrupt)
    try:
        with pytest.raises(LeaveError):
            next_result(handle)
    finally:
        thread.join()
        signal.signal(signal.SIGUSR1, before)
    stuck.let_go.set()
    found = next_result(handle)
    assert isinstance(found, Service)
    assert [one.address for one in found.endpoints] == [("10.0.0.1", 0)]
    assert next_result(handle) == WSAError.WSA_E_NO_MORE
    ws2_32.WSALookupServiceEnd(handle)


def test_calls_on_one_handle_take_turns(install: Install) -> None:
    class Watched(NameSpaceProvider):
        inside = 0
        most = 0

        def lookup(self, query: Query) -> Any:
            for number in range(200):
                self.inside += 1
                self.most = max(self.most, self.inside)
                self.inside -= 1
                yield Service(name=str(number))

    provider = Watched()
    handle = begun("x", provider_id=alone(install, provider))

    def drain() -> list[str]:
        found = []
        while isinstance(one := next_result(handle), Service):
            found.append(one.name or "")
        return found

    threads = [in_thread(drain) for _ in range(3)]
    for thread, _ in threads:
        thread.join(20)
    found = [name for _, answers in threads for name in answers[0]]
    assert sorted(found, key=int) == [str(number) for number in range(200)], "none lost, none doubled"
    assert provider.most == 1
    ws2_32.WSALookupServiceEnd(handle)


def test_a_query_learns_that_its_lookup_has_ended(install: Install) -> None:
    provider = Hosts({"x": ["10.0.0.1"]})
    handle = begun("x", provider_id=alone(install, provider))
    next_result(handle)
    assert not provider.asked[0].cancelled
    ws2_32.WSALookupServiceEnd(handle)
    assert provider.asked[0].cancelled


def test_cleanup_cleans_providers_up(install: Install) -> None:
    class Tidy(Fixed):
        cleaned = 0

        def cleanup(self) -> None:
            self.cleaned += 1

    provider = Tidy(FULL)
    provider_id = alone(install, provider)
    results(begun("x", provider_id=provider_id))
    winsock.stop()
    assert provider.cleaned == 1
    winsock.start()
    assert [one.name for one in results(begun("x", provider_id=provider_id))] == ["gerät"], "it starts anew"
    assert name_spaces.python[provider_id] is provider


# The built-in provider


def test_host_names_by_the_systems_resolver(started: None) -> None:
    flags = n.LUP_RETURN_NAME | n.LUP_RETURN_ADDR | n.LUP_RETURN_BLOB
    (found,) = results(begun("localhost", flags, namespace=n.NS_DNS), flags)
    assert found.provider_id == n.DNS_PROVIDER
    assert [one.address for one in found.endpoints] == [("127.0.0.1", 0)], "IPv4 unless protocols say more"
    blob = found.blob or b""
    entry = n.HOSTENT.from_buffer_copy(blob)
    assert (entry.h_addrtype, entry.h_length) == (AF_INET, 4)
    name_at = int.from_bytes(blob[:8], "little")
    assert blob[name_at:].partition(b"\0")[0], "offsets from the blob's beginning"
    listed = int.from_bytes(blob[24:32], "little")
    first = int.from_bytes(blob[listed : listed + 8], "little")
    assert blob[first : first + 4] == b"\x7f\0\0\1"


def test_a_port_class_gives_the_port_and_the_protocol(started: None) -> None:
    for class_id, kind, protocol in ((n.SVCID_TCP(8080), 1, 6), (n.SVCID_UDP(8080), 2, 17)):
        (found,) = results(begun("localhost", class_id=class_id))
        assert {(one.socket_type, one.protocol) for one in found.endpoints} == {(kind, protocol)}
        assert {(one.address or ("", 0))[1] for one in found.endpoints} == {8080}


def test_the_computers_name_addresses_and_services(started: None) -> None:
    import socket

    (found,) = results(begun(class_id=n.SVCID_HOSTNAME, namespace=n.NS_DNS))
    assert found.name == socket.gethostname()
    (found,) = results(begun("127.0.0.1", class_id=n.SVCID_INET_HOSTADDRBYINETSTRING, namespace=n.NS_DNS))
    assert found.name == socket.gethostbyaddr("127.0.0.1")[0]
    (found,) = results(begun("http/tcp", class_id=n.SVCID_INET_SERVICEBYNAME, namespace=n.NS_DNS))
    assert (found.name, n.SERVENT.from_buffer_copy(found.blob or b"").s_port) == ("http", socket.htons(80))
    handle = begun("x", class_id=OWN_CLASS, namespace=n.NS_DNS)
    assert next_result(handle) == WSAError.WSASERVICE_NOT_FOUND, "a class it does not serve"
    ws2_32.WSALookupServiceEnd(handle)
