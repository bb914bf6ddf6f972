"""WSASetService by the table of its page, and service classes."""

import ctypes
import uuid
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from support import winsock
from support.names import EVERYTHING, OWN_CLASS, Fixed, begun, byref, guid, inside, next_result, query_set, results
from support.winsock import error
from ws2spi import NameSpaceProvider, Query, Service, ServiceClass, ServiceTable, WinsockError, ws2_32
from ws2spi._abi import names as n
from ws2spi._abi.errors import WSAError
from ws2spi._runtime.names.querysets import pack_class, pack_service, read_class
from ws2spi._runtime.names.records import ClassValue, endpoint

Install = Callable[..., Any]
A, B, C = (endpoint(f"10.0.0.{last}", 80) for last in (1, 2, 3))
NOT_FOUND = WSAError.WSASERVICE_NOT_FOUND


class Registry(NameSpaceProvider):
    """Keeps what it is told."""

    namespace = n.NS_NIS
    blocking = False

    def __init__(self) -> None:
        table = self.table = ServiceTable()
        self.set_service = table.apply  # type: ignore[method-assign]
        self.install_class = table.install_class  # type: ignore[method-assign]
        self.remove_class = table.remove_class  # type: ignore[method-assign]
        self.class_info = table.class_info  # type: ignore[method-assign]

    def lookup(self, query: Query) -> Iterable[Service]:
        return self.table.find(query)


@pytest.fixture
def registry(install: Install) -> uuid.UUID:
    provider_id: uuid.UUID = install(Registry()).provider_id
    return provider_id


def set_service(provider_id: uuid.UUID | None, operation: int, *endpoints: Any, multiple: bool = False) -> int:
    """WSASetServiceW of "db"; 0 or the code."""
    service = Service(name="db", class_id=OWN_CLASS, provider_id=provider_id, endpoints=endpoints)
    memory = pack_service(service).owned()
    return error() if ws2_32.WSASetServiceW(memory, operation, int(multiple)) else 0


def known(provider_id: uuid.UUID) -> list[Any] | None:
    """The registered endpoints, None when the service is not found."""
    handle = begun("db", class_id=OWN_CLASS, provider_id=provider_id)
    found = next_result(handle)
    ws2_32.WSALookupServiceEnd(handle)
    return list(found.endpoints) if isinstance(found, Service) else None


def test_registering_without_multiple_replaces(registry: uuid.UUID) -> None:
    assert set_service(registry, 0, A, B) == 0
    assert known(registry) == [A, B]
    assert set_service(registry, 0, C) == 0
    assert known(registry) == [C]


def test_registering_with_multiple_adds(registry: uuid.UUID) -> None:
    assert set_service(registry, 0, A, multiple=True) == 0
    assert set_service(registry, 0, B, multiple=True) == 0
    assert set_service(registry, 0, A, C, multiple=True) == 0
    assert known(registry) == [A, B, C]


def test_deregistering(registry: uuid.UUID) -> None:
    assert set_service(registry, 1) == NOT_FOUND
    assert set_service(registry, 1, A, multiple=True) == NOT_FOUND
    set_service(registry, 0, A, B)
    assert set_service(registry, 1, A, multiple=True) == 0
    assert known(registry) == [B]
    assert set_service(registry, 1, B, multiple=True) == 0
    assert known(registry) is None
    assert set_service(registry, 1) == 0, "deregistered, but the object is still there"
    set_service(registry, 0, A, B)
    assert set_service(registry, 1) == 0
    assert known(registry) is None


def test_deleting(registry: uuid.UUID) -> None:
    assert set_service(registry, 2) == NOT_FOUND
    assert set_service(registry, 2, A, multiple=True) == NOT_FOUND
    set_service(registry, 0, A, B)
    assert set_service(registry, 2, A, C, multiple=True) == 0
    assert known(registry) == [B]
    assert set_service(registry, 2, B, multiple=True) == 0
    assert set_service(registry, 2) == NOT_FOUND, "the object is gone"
    set_service(registry, 0, A, B)
    assert set_service(registry, 2) == 0
    assert set_service(registry, 1) == NOT_FOUND


def test_scope(registry: uuid.UUID, install: Install) -> None:
    other = install(Registry()).provider_id
    memory = pack_service(Service(name="db", class_id=OWN_CLASS, namespace=n.NS_NIS, endpoints=(A,))).owned()
    assert ws2_32.WSASetServiceW(memory, 0, 0) == 0
    assert known(registry) == known(other) == [A], "all providers of the name space"
    assert set_service(registry, 2) == 0
    assert (known(registry), known(other)) == (None, [A]), "the specified one"
    assert set_service(None, 2) == 0, "all providers; NS_DNS does nothing and succeeds"
    assert known(other) is None


def test_the_a_form_and_what_is_refused(registry: uuid.UUID, install: Install) -> None:
    memory = query_set("db", OWN_CLASS, provider_id=registry, kind=n.WSAQUERYSETA)
    assert ws2_32.WSASetServiceA(byref(memory), 0, 0) == 0
    for made in (None, query_set("db", None), query_set(None, OWN_CLASS), query_set("", OWN_CLASS, n.NS_NIS)):
        assert ws2_32.WSASetServiceW(None if made is None else byref(made), 0, 0) == -1
        assert error() == WSAError.WSAEINVAL
    small = query_set("db", OWN_CLASS)
    small.dwSize = 8
    assert ws2_32.WSASetServiceW(byref(small), 0, 0) == -1
    assert error() == WSAError.WSAEINVAL
    assert set_service(registry, 3) == WSAError.WSAEINVAL
    assert set_service(uuid.uuid4(), 0) == NOT_FOUND, "no such provider"
    for code in (WSAError.WSAEACCES, WSAError.WSA_NOT_ENOUGH_MEMORY):
        assert set_service(install(Refusing(code)).provider_id, 0) == code
    winsock.stop()
    assert set_service(registry, 0) == WSAError.WSANOTINITIALISED


class Refusing(NameSpaceProvider):
    """Answers everything with one code."""

    namespace = n.NS_NIS

    def __init__(self, code: int) -> None:
        self.code = code

    def _refuse(self, *arguments: Any) -> Any:
        raise WinsockError(self.code)

    set_service = install_class = remove_class = class_info = _refuse


def test_queries_by_version_protocol_and_any_name(registry: uuid.UUID) -> None:
    table = ServiceTable()
    table.apply(Service(name="db", class_id=OWN_CLASS, version=(3, 0), endpoints=(A,)), 0, False)

    def finds(**members: Any) -> bool:
        return bool(table.find(Query(class_id=OWN_CLASS, **members)))

    assert all(finds(name=name) for name in ("DB", None, "*"))
    assert not finds(name="other")
    assert [finds(version=(number, n.COMP_EQUAL)) for number in (2, 3, 4)] == [False, True, False]
    assert [finds(version=(number, n.COMP_NOTLESS)) for number in (2, 3, 4)] == [True, True, False]
    assert finds(protocols=((2, 6),))
    assert not finds(protocols=((2, 17),))
    assert not table.find(Query(class_id=uuid.uuid4(), name="db"))


# Classes

CLASS = ServiceClass(
    OWN_CLASS,
    "Datenbänke",
    (ClassValue("TcpPort", n.NS_NIS, 4, b"\x50\0\0\0"), ClassValue("Ort", n.NS_NIS, 3, b"")),
)


def install_class(info: Any = CLASS) -> int:
    memory = pack_class(info).owned() if isinstance(info, ServiceClass) else info
    return error() if ws2_32.WSAInstallServiceClassW(memory) else 0


def remove_class(class_id: uuid.UUID = OWN_CLASS) -> int:
    return error() if ws2_32.WSARemoveServiceClass(byref(guid(class_id))) else 0


def info_of(provider_id: uuid.UUID, class_id: uuid.UUID = OWN_CLASS, room: int = 4096, wide: bool = True) -> Any:
    """What WSAGetServiceClassInfo stored, or (code, size)."""
    buffer, size = ctypes.create_string_buffer(max(room, 1)), ctypes.c_uint32(room)
    call = ws2_32.WSAGetServiceClassInfoW if wide else ws2_32.WSAGetServiceClassInfoA
    if call(byref(guid(provider_id)), byref(guid(class_id)), byref(size), buffer):
        return error(), size.value
    kind: Any = n.WSASERVICECLASSINFOW
    found = kind.from_buffer(buffer)
    assert inside(found.lpClassInfos, buffer) or not found.dwCount
    return read_class(buffer, wide=wide)


@pytest.mark.parametrize("wide", [True, False])
def test_a_class_from_its_installation_to_its_removal(registry: uuid.UUID, wide: bool) -> None:
    assert info_of(registry, wide=wide) == (WSAError.WSATYPE_NOT_FOUND, 4096)
    memory = pack_class(CLASS, wide=wide).owned()
    install = ws2_32.WSAInstallServiceClassW if wide else ws2_32.WSAInstallServiceClassA
    assert install(memory) == 0
    assert info_of(registry, wide=wide) == CLASS
    code, needed = info_of(registry, room=8, wide=wide)
    assert code == WSAError.WSAEFAULT
    assert info_of(registry, room=needed, wide=wide) == CLASS
    assert info_of(registry, room=needed - 1, wide=wide) == (WSAError.WSAEFAULT, needed)
    assert install(memory) == -1
    assert error() == WSAError.WSAEALREADY
    assert remove_class() == 0
    assert remove_class() == WSAError.WSATYPE_NOT_FOUND


def test_a_class_in_use_stays(registry: uuid.UUID) -> None:
    install_class()
    set_service(registry, 0, A)
    assert remove_class() == WSAError.WSAETOOMANYREFS
    set_service(registry, 2)
    assert remove_class() == 0


def test_the_provider_gets_the_class_with_a_query(install: Install) -> None:
    class Asked(Registry):
        seen: ServiceClass | None = None

        def lookup(self, query: Query) -> Iterable[Service]:
            self.seen = query.class_info
            return ()

    provider = Asked()
    provider_id = install(provider).provider_id
    install_class()
    handle = begun("x", class_id=OWN_CLASS, provider_id=provider_id)
    next_result(handle)
    ws2_32.WSALookupServiceEnd(handle)
    assert provider.seen == CLASS


def name_of(class_id: uuid.UUID, room: int = 100, wide: bool = True) -> tuple[Any, int]:
    """(name or code, length)."""
    buffer, size = ctypes.create_string_buffer(2 * room + 2), ctypes.c_uint32(room)
    call = ws2_32.WSAGetServiceClassNameByClassIdW if wide else ws2_32.WSAGetServiceClassNameByClassIdA
    if call(byref(guid(class_id)), buffer, byref(size)):
        return error(), size.value
    return buffer.raw.decode("utf-16-le" if wide else "utf-8").partition("\0")[0], size.value


def test_names_of_classes(registry: uuid.UUID) -> None:
    assert name_of(OWN_CLASS)[0] == WSAError.WSA_INVALID_PARAMETER
    install_class()
    assert name_of(OWN_CLASS) == ("Datenbänke", 11)
    assert name_of(OWN_CLASS, wide=False) == ("Datenbänke", 12)
    assert name_of(OWN_CLASS, 11) == ("Datenbänke", 11)
    assert name_of(OWN_CLASS, 10) == (WSAError.WSAEFAULT, 11)
    assert name_of(n.SVCID_TCP(80)) == ("http", 5)
    assert ws2_32.WSAGetServiceClassNameByClassIdW(byref(guid(OWN_CLASS)), None, None) == -1
    assert error() == WSAError.WSAEFAULT
    assert ws2_32.WSAGetServiceClassNameByClassIdW(None, None, byref(ctypes.c_uint32(9))) == -1
    assert error() == WSAError.WSA_INVALID_PARAMETER
    winsock.stop()
    assert name_of(OWN_CLASS)[0] == WSAError.WSANOTINITIALISED


def test_what_classes_refuse(registry: uuid.UUID, install: Install) -> None:
    assert install_class(None) == WSAError.WSAEINVAL
    assert install_class(ServiceClass(OWN_CLASS)) == WSAError.WSAEINVAL, "a class has a name"
    nowhere = ServiceClass(OWN_CLASS, "x", (ClassValue("p", n.NS_BTH, 4, b""),))
    assert install_class(nowhere) == WSAError.WSA_INVALID_PARAMETER
    assert ws2_32.WSARemoveServiceClass(None) == -1
    assert error() == WSAError.WSAEINVAL
    assert remove_class(n.SVCID_HOSTNAME) == WSAError.WSAEACCES, "always there"
    assert info_of(uuid.uuid4())[0] == WSAError.WSAEINVAL
    one, size = byref(guid(registry)), byref(ctypes.c_uint32(100))
    buffer = ctypes.create_string_buffer(100)
    for arguments in ((None, one, size, buffer), (one, None, size, buffer), (one, one, None, buffer),
                      (one, one, size, None)):  # fmt: skip
        assert ws2_32.WSAGetServiceClassInfoW(*arguments) == -1
        assert error() == WSAError.WSAEINVAL
    plain = install(Fixed(namespace=n.NS_NBP)).provider_id
    assert info_of(plain)[0] == WSAError.WSAEOPNOTSUPP
    alone = ServiceClass(OWN_CLASS, "x", (ClassValue("p", n.NS_NBP, 4, b""),))
    assert install_class(alone) == WSAError.WSAEOPNOTSUPP


@pytest.mark.parametrize("code", [WSAError.WSAEACCES, WSAError.WSANO_DATA, WSAError.WSA_NOT_ENOUGH_MEMORY])
def test_codes_of_the_providers(install: Install, code: int) -> None:
    provider_id = install(Refusing(code)).provider_id
    assert info_of(provider_id)[0] == code
    assert install_class() == code
    assert remove_class() == code
    assert name_of(OWN_CLASS)[0] == code


def test_classes_need_a_start(registry: uuid.UUID) -> None:
    winsock.stop()
    assert install_class() == WSAError.WSANOTINITIALISED
    assert remove_class() == WSAError.WSANOTINITIALISED
    assert info_of(registry)[0] == WSAError.WSANOTINITIALISED


def test_classes_of_the_built_in_provider(started: None) -> None:
    info = info_of(n.DNS_PROVIDER, n.SVCID_TCP(80))
    assert info == ServiceClass(n.SVCID_TCP(80), "http", (ClassValue("TcpPort", n.NS_DNS, 4, b"\x50\0\0\0"),))
    assert install_class(ServiceClass(OWN_CLASS, "own")) == 0
    assert info_of(n.DNS_PROVIDER).name == "own"
    assert install_class(ServiceClass(n.SVCID_TCP(80), "mine")) == WSAError.WSAEALREADY
    assert remove_class() == 0
    flags = EVERYTHING
    assert results(begun("localhost", flags, class_id=n.SVCID_TCP(80)), flags)
