"""The documented error codes of the functions of names, in both forms: the A form is no stepchild."""

import ctypes
import uuid
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from support import winsock
from support.names import EVERYTHING, OWN_CLASS, Fixed, byref, guid, query_set
from ws2spi import NameSpaceProvider, Query, Service, ServiceClass, WinsockError, ws2_32
from ws2spi._abi import names as n
from ws2spi._abi.constants import AF_INET
from ws2spi._abi.errors import WSAError
from ws2spi._executive import lasterror
from ws2spi._runtime.names import served
from ws2spi._runtime.names.catalog import name_spaces
from ws2spi._runtime.names.querysets import pack_class
from ws2spi._runtime.names.records import ClassValue

Install = Callable[..., Any]
E = WSAError
both = pytest.mark.parametrize("form", "WA")
DWORD = ctypes.c_uint32


def code_of(result: int) -> WSAError:
    """The code of a call that failed: what it returned, or what it left."""
    assert result, "it went well"
    return WSAError(lasterror.get() if result == -1 else result)


def function(name: str, form: str) -> Any:
    return getattr(ws2_32, name + form)


class Answers(NameSpaceProvider):
    """Answers everything with one code."""

    namespace = n.NS_NIS
    blocking = False

    def __init__(self, code: int) -> None:
        self.code = code

    def _refuse(self, *arguments: Any) -> Any:
        raise WinsockError(self.code)

    def lookup(self, query: Query) -> Iterable[Service]:
        raise WinsockError(self.code)

    set_service = install_class = remove_class = class_info = _refuse


class Nameless(NameSpaceProvider):
    """Knows one class, which has no name."""

    namespace = n.NS_NIS

    def class_info(self, class_id: uuid.UUID) -> ServiceClass:
        return ServiceClass(class_id)


def query(form: str, *arguments: Any, **more: Any) -> Any:
    return byref(query_set(*arguments, **more, kind=n.WSAQUERYSETA if form == "A" else None))


# WSALookupService


@both
def test_beginning_a_lookup(install: Install, form: str) -> None:
    begin, handle = function("WSALookupServiceBegin", form), byref(ctypes.c_uint64())
    assert code_of(begin(None, EVERYTHING, handle)) == E.WSAEINVAL
    assert code_of(begin(query(form, "x", None), EVERYTHING, handle)) == E.WSAEINVAL
    assert code_of(begin(query(form, "x", namespace=n.NS_NDS), EVERYTHING, handle)) == E.WSASERVICE_NOT_FOUND
    assert code_of(begin(query(form, "x", provider_id=uuid.uuid4()), EVERYTHING, handle)) == E.WSASERVICE_NOT_FOUND


@both
@pytest.mark.parametrize("code", [E.WSANO_DATA, E.WSA_NOT_ENOUGH_MEMORY, E.WSASERVICE_NOT_FOUND])
def test_what_a_provider_says_of_a_lookup(install: Install, form: str, code: WSAError) -> None:
    handle = ctypes.c_uint64()
    asked = query(form, "x", provider_id=install(Answers(code)).provider_id)
    assert function("WSALookupServiceBegin", form)(asked, EVERYTHING, byref(handle)) == 0
    size, room = DWORD(4096), ctypes.create_string_buffer(4096)
    assert code_of(function("WSALookupServiceNext", form)(handle, EVERYTHING, byref(size), room)) == code
    assert ws2_32.WSALookupServiceEnd(handle) == 0


@both
@pytest.mark.parametrize("code", [E.WSANO_DATA, E.WSA_NOT_ENOUGH_MEMORY])
def test_what_providers_say_where_none_begins(
    install: Install, form: str, code: WSAError, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> Any:
        raise WinsockError(code)

    monkeypatch.setattr(served.ServedNames, "NSPLookupServiceBegin", refuse)
    asked = query(form, "x", provider_id=install(Answers(code)).provider_id)
    assert code_of(function("WSALookupServiceBegin", form)(asked, EVERYTHING, byref(ctypes.c_uint64()))) == code


@both
def test_going_on_with_a_lookup(install: Install, form: str) -> None:
    step = function("WSALookupServiceNext", form)
    size, room = DWORD(4096), ctypes.create_string_buffer(4096)
    assert code_of(step(0xBAD, EVERYTHING, byref(size), room)) == E.WSA_INVALID_HANDLE
    handle = ctypes.c_uint64()
    asked = query(form, "x", provider_id=install(Fixed(Service(name="x"))).provider_id)
    assert function("WSALookupServiceBegin", form)(asked, EVERYTHING, byref(handle)) == 0
    assert code_of(step(handle, EVERYTHING, None, room)) == E.WSAEINVAL
    assert code_of(step(handle, EVERYTHING, byref(DWORD(3)), room)) == E.WSAEFAULT
    assert step(handle, EVERYTHING, byref(size), room) == 0
    assert code_of(step(handle, EVERYTHING, byref(size), room)) == E.WSA_E_NO_MORE
    assert ws2_32.WSALookupServiceEnd(handle) == 0
    assert code_of(ws2_32.WSALookupServiceEnd(handle)) == E.WSA_INVALID_HANDLE


# WSASetService


@both
def test_setting_a_service(install: Install, form: str) -> None:
    set_service = function("WSASetService", form)
    assert code_of(set_service(None, 0, 0)) == E.WSAEINVAL
    assert code_of(set_service(query(form, "x", OWN_CLASS), 3, 0)) == E.WSAEINVAL
    missing = query(form, "x", OWN_CLASS, provider_id=uuid.uuid4())
    assert code_of(set_service(missing, 0, 0)) == E.WSASERVICE_NOT_FOUND
    for code in (E.WSAEACCES, E.WSA_NOT_ENOUGH_MEMORY):
        asked = query(form, "x", OWN_CLASS, provider_id=install(Answers(code)).provider_id)
        assert code_of(set_service(asked, 0, 0)) == code


# Service classes


def class_of(form: str, *values: ClassValue) -> Any:
    return pack_class(ServiceClass(OWN_CLASS, "own", values), wide=form == "W").owned()


def info(form: str, provider_id: uuid.UUID, room: int = 4096) -> int:
    memory = ctypes.create_string_buffer(room)
    arguments = byref(guid(provider_id)), byref(guid(OWN_CLASS)), byref(DWORD(room)), memory
    return int(function("WSAGetServiceClassInfo", form)(*arguments))


def name(form: str, room: int = 100) -> int:
    memory = ctypes.create_string_buffer(2 * room)
    get_name = function("WSAGetServiceClassNameByClassId", form)
    return int(get_name(byref(guid(OWN_CLASS)), memory, byref(DWORD(room))))


@both
def test_classes(install: Install, form: str) -> None:
    install_class = function("WSAInstallServiceClass", form)
    get_name = function("WSAGetServiceClassNameByClassId", form)
    assert code_of(install_class(None)) == E.WSAEINVAL
    assert code_of(install_class(class_of(form, ClassValue("p", n.NS_BTH, 4, b"")))) == E.WSA_INVALID_PARAMETER
    assert code_of(name(form)) == E.WSA_INVALID_PARAMETER
    assert code_of(get_name(None, None, byref(DWORD(9)))) == E.WSA_INVALID_PARAMETER
    assert code_of(info(form, uuid.uuid4())) == E.WSAEINVAL
    assert install_class(class_of(form)) == 0
    assert code_of(name(form, 2)) == E.WSAEFAULT
    plain = install(Fixed(namespace=n.NS_NBP)).provider_id
    assert code_of(info(form, plain)) == E.WSAEOPNOTSUPP
    alone = class_of(form, ClassValue("p", n.NS_NBP, 4, b""))
    assert code_of(install_class(alone)) == E.WSAEOPNOTSUPP


@both
def test_no_provider_keeps_classes(install: Install, form: str) -> None:
    name_spaces.store.enable(n.DNS_PROVIDER, False)
    winsock.stop()
    winsock.start()
    install(Fixed())
    assert code_of(name(form)) == E.WSAEOPNOTSUPP


@both
def test_a_class_without_a_name(install: Install, form: str) -> None:
    install(Nameless())
    assert code_of(name(form)) == E.WSANO_DATA


@both
@pytest.mark.parametrize("code", [E.WSAEACCES, E.WSANO_DATA, E.WSAENOBUFS, E.WSA_NOT_ENOUGH_MEMORY])
def test_what_a_provider_says_of_a_class(install: Install, form: str, code: WSAError) -> None:
    provider_id = install(Answers(code)).provider_id
    assert code_of(info(form, provider_id)) == code
    assert code_of(name(form)) == code
    assert code_of(function("WSAInstallServiceClass", form)(class_of(form, ClassValue("p", n.NS_NIS, 4, b"")))) == code
    assert code_of(ws2_32.WSARemoveServiceClass(byref(guid(OWN_CLASS)))) == code


# getaddrinfo, getnameinfo


def addresses(form: str, node: str | None, service: str | None, flags: int = 0, **hints: int) -> int:
    wide = form == "W"
    kind: Any = n.ADDRINFOW if wide else n.ADDRINFOA
    texts = [text if wide or text is None else text.encode() for text in (node, service)]
    place = ctypes.c_void_p()
    call = ws2_32.GetAddrInfoW if wide else ws2_32.getaddrinfo
    members = {f"ai_{key}": value for key, value in hints.items()}
    return int(call(*texts, byref(kind(ai_flags=flags, **members)), byref(place)))


@both
@pytest.mark.usefixtures("started")
@pytest.mark.parametrize(
    ("node", "service", "flags", "hints", "code"),
    [
        ("x.test", None, 0x40, {}, E.WSAEINVAL),
        (None, "80", n.AI_CANONNAME, {}, E.WSANO_RECOVERY),
        ("10.0.0.1", None, 0, {"family": 77}, E.WSAEAFNOSUPPORT),
        ("10.0.0.1", None, 0, {"socktype": 77}, E.WSAESOCKTNOSUPPORT),
        ("10.0.0.1", "no-such-service", 0, {}, E.WSATYPE_NOT_FOUND),
        (None, None, 0, {}, E.WSAHOST_NOT_FOUND),
    ],
)
def test_getaddrinfo(
    form: str, node: str | None, service: str | None, flags: int, hints: dict[str, int], code: WSAError
) -> None:
    assert addresses(form, node, service, flags, **hints) == code
    assert lasterror.get() == code, "it is in the last error, too"


@both
@pytest.mark.parametrize("code", [E.WSANO_DATA, E.WSATRY_AGAIN, E.WSANO_RECOVERY, E.WSA_NOT_ENOUGH_MEMORY])
def test_what_resolving_says(install: Install, form: str, code: WSAError) -> None:
    install(Fixed(WinsockError(code)))
    assert addresses(form, "x.test", None) == code


def names_of(form: str, address: Any, length: int, flags: int = 0, room: int = 100) -> int:
    memory = ctypes.create_string_buffer(2 * max(room, 1))
    call = ws2_32.GetNameInfoW if form == "W" else ws2_32.getnameinfo
    return int(call(address, length, memory, room, None, 0, flags))


@both
@pytest.mark.usefixtures("started")
def test_getnameinfo(form: str) -> None:
    address = ctypes.create_string_buffer(b"\2\0\0\x50\x0a\0\0\1" + bytes(8), 16)
    assert names_of(form, None, 16) == E.WSAEFAULT
    assert names_of(form, address, 7) == E.WSAEFAULT
    assert names_of(form, address, 16, n.NI_NUMERICHOST, 3) == E.WSAEFAULT
    assert names_of(form, address, 16, n.NI_NAMEREQD | n.NI_NUMERICHOST) == E.WSAEINVAL
    strange = ctypes.create_string_buffer(b"\x4d\0" + bytes(14), 16)
    assert names_of(form, strange, 16) == E.WSAEAFNOSUPPORT


@both
@pytest.mark.parametrize("code", [E.WSAHOST_NOT_FOUND, E.WSATRY_AGAIN, E.WSANO_RECOVERY, E.WSA_NOT_ENOUGH_MEMORY])
def test_what_resolving_an_address_says(install: Install, form: str, code: WSAError) -> None:
    install(Fixed(WinsockError(code)))
    address = ctypes.create_string_buffer(b"\2\0\0\x50\x0a\0\0\x63" + bytes(8), 16)
    assert names_of(form, address, 16, n.NI_NAMEREQD) == code


# Addresses as text


@both
@pytest.mark.usefixtures("started")
def test_addresses_as_text(form: str) -> None:
    to_text, to_address = function("WSAAddressToString", form), function("WSAStringToAddress", form)
    text, length = ctypes.create_string_buffer(200), DWORD(100)
    assert code_of(to_text(None, 16, None, text, byref(length))) == E.WSAEINVAL
    address = ctypes.create_string_buffer(b"\2\0\0\x50\x0a\0\0\1" + bytes(8), 16)
    assert code_of(to_text(address, 16, None, text, byref(DWORD(3)))) == E.WSAEFAULT
    written = "10.0.0.1" if form == "W" else b"10.0.0.1"
    room, size = ctypes.create_string_buffer(16), ctypes.c_int32(4)
    assert code_of(to_address(written, AF_INET, None, room, byref(size))) == E.WSAEFAULT
    nonsense = "x" if form == "W" else b"x"
    assert code_of(to_address(nonsense, AF_INET, None, room, byref(ctypes.c_int32(16)))) == E.WSAEINVAL
