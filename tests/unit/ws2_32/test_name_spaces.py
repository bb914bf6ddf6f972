"""The name-space catalog: installing, enabling, ordering, listing; loading by a path; hand-written providers."""

import ctypes
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support import winsock
from support.names import EVERYTHING, Fixed, begun, byref, guid, inside, next_result, query_set, results
from support.winsock import error
from ws2spi import Service, WinsockError, install_name_space, ws2_32
from ws2spi._abi import names as n
from ws2spi._abi.errors import WSAError
from ws2spi._runtime.names.catalog import name_spaces
from ws2spi._runtime.names.loading import load
from ws2spi._runtime.names.provider import NameSpaceProvider

Install = Callable[..., Any]
OWN = uuid.UUID("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee")
C_MODULE = Path(__file__).with_name("c_name_space.py")

STATIC = """
from ws2spi import NameSpaceProvider

class Static(NameSpaceProvider):
    hosts = {"db.test": ["10.0.0.5"]}

    def lookup(self, query):
        if query.name in self.hosts:
            yield query.answer(*self.hosts[query.name])
"""


@pytest.fixture
def static(tmp_path: Path) -> str:
    path = tmp_path / "static.py"
    path.write_text(STATIC)
    return f"{path}:Static"


def install_path(path: Any, name: Any = "Own", namespace: int = n.NS_DNS, provider_id: uuid.UUID | None = OWN) -> int:
    """WSCInstallNameSpace; 0 or the code."""
    pointer = None if provider_id is None else byref(guid(provider_id))
    return error() if ws2_32.WSCInstallNameSpace(name, path, namespace, 7, pointer) else 0


def listed(call: Any = ws2_32.WSAEnumNameSpaceProvidersW, kind: Any = n.WSANAMESPACE_INFOW) -> list[Any]:
    """[(id, name space, active, version, name)] and the blob of Ex forms."""
    size = ctypes.c_uint32(0)
    assert call(byref(size), None) == -1
    assert error() == WSAError.WSAEFAULT
    buffer = ctypes.create_string_buffer(size.value)
    short = ctypes.c_uint32(size.value - 1)
    assert call(byref(short), buffer) == -1
    assert (error(), short.value) == (WSAError.WSAEFAULT, size.value)
    count = call(byref(size), buffer)
    found = []
    for one in (kind * count).from_buffer(buffer):
        row = [uuid.UUID(bytes_le=bytes(one.NSProviderId)), one.dwNameSpace, one.fActive, one.dwVersion,
               one.lpszIdentifier]  # fmt: skip
        if hasattr(one, "ProviderSpecific"):
            blob = one.ProviderSpecific
            assert not blob.cbSize or inside(blob.pBlobData, buffer)
            row.append(ctypes.string_at(blob.pBlobData, blob.cbSize) if blob.cbSize else b"")
        found.append(tuple(row))
    return found


BUILT_IN = (n.DNS_PROVIDER, n.NS_DNS, 1, 0, "Tcpip")


# Listing


def test_what_is_there_from_the_start(started: None) -> None:
    assert listed() == [BUILT_IN]
    assert listed(ws2_32.WSAEnumNameSpaceProvidersA, n.WSANAMESPACE_INFOA) == [(*BUILT_IN[:4], b"Tcpip")]
    assert listed(ws2_32.WSAEnumNameSpaceProvidersExW, n.WSANAMESPACE_INFOEXW) == [(*BUILT_IN, b"")]
    assert listed(ws2_32.WSAEnumNameSpaceProvidersExA, n.WSANAMESPACE_INFOEXA) == [(*BUILT_IN[:4], b"Tcpip", b"")]
    assert ws2_32.WSAEnumNameSpaceProvidersW(None, None) == -1
    assert error() == WSAError.WSAEFAULT


def test_listing_needs_a_start(started: None) -> None:
    winsock.stop()
    for call in (
        ws2_32.WSAEnumNameSpaceProvidersW,
        ws2_32.WSAEnumNameSpaceProvidersExA,
        ws2_32.WSCEnumNameSpaceProviders32,
        ws2_32.WSCEnumNameSpaceProvidersEx32,
    ):
        assert call(byref(ctypes.c_uint32(0)), None) == -1
        assert error() == WSAError.WSANOTINITIALISED


# Installing


def test_running_processes_go_on_with_what_they_have(started: None, static: str) -> None:
    assert install_path(static) == 0
    own = (OWN, n.NS_DNS, 1, 7, "Own")
    assert listed() == [BUILT_IN]
    assert listed(ws2_32.WSCEnumNameSpaceProviders32) == [BUILT_IN, own], "but it is installed"
    assert ws2_32.gethostbyname(b"db.test") == 0
    winsock.stop()
    winsock.start()
    assert listed() == [BUILT_IN, own]
    assert ws2_32.gethostbyname(b"db.test") != 0, "through FILE.py:Class"
    assert ws2_32.WSCUnInstallNameSpace(byref(guid(OWN))) == 0
    assert ws2_32.gethostbyname(b"db.test") != 0
    winsock.stop()
    winsock.start()
    assert listed() == [BUILT_IN]
    assert ws2_32.gethostbyname(b"db.test") == 0


def test_a_blob_of_ones_own(started: None, static: str) -> None:
    data = ctypes.create_string_buffer(b"settings", 8)
    blob = n.BLOB(8, ctypes.cast(data, ctypes.POINTER(ctypes.c_ubyte)))
    arguments = "Own", static, n.NS_NIS, 1, byref(guid(OWN))
    assert ws2_32.WSCInstallNameSpaceEx(*arguments, byref(blob)) == 0
    rows = listed(ws2_32.WSCEnumNameSpaceProvidersEx32, n.WSANAMESPACE_INFOEXW)
    assert rows[1] == (OWN, n.NS_NIS, 1, 1, "Own", b"settings")
    assert ws2_32.WSCUnInstallNameSpace32(byref(guid(OWN))) == 0
    assert ws2_32.WSCInstallNameSpaceEx32(*arguments, None) == 0
    assert ws2_32.WSCInstallNameSpace32(*arguments[:4], byref(guid(uuid.uuid4()))) == 0
    assert ws2_32.WSCInstallNameSpaceEx(*arguments[:4], byref(guid(uuid.uuid4())), byref(n.BLOB(3, None))) == -1
    assert error() == WSAError.WSAEINVAL


def test_inactive_providers_are_not_asked(started: None) -> None:
    assert ws2_32.WSCEnableNSProvider(byref(guid(n.DNS_PROVIDER)), 0) == 0
    assert ws2_32.gethostbyname(b"localhost") != 0, "the running process goes on"
    winsock.stop()
    winsock.start()
    assert listed()[0][2] == 0
    assert ws2_32.gethostbyname(b"localhost") == 0
    assert error() == WSAError.WSAHOST_NOT_FOUND
    query = query_set("localhost", provider_id=n.DNS_PROVIDER)
    assert ws2_32.WSALookupServiceBeginW(byref(query), EVERYTHING, byref(ctypes.c_uint64())) == -1
    assert error() == WSAError.WSASERVICE_NOT_FOUND
    assert ws2_32.WSCEnableNSProvider32(byref(guid(n.DNS_PROVIDER)), 1) == 0
    winsock.stop()
    winsock.start()
    assert ws2_32.gethostbyname(b"localhost") != 0


def test_the_order_can_be_written(started: None, static: str) -> None:
    assert install_path(static) == 0
    assert ws2_32.WSCWriteNameSpaceOrder(byref(guid(OWN)), 1) == 0
    assert [one.provider_id for one in name_spaces.store.entries()] == [OWN, n.DNS_PROVIDER]
    twice = OWN.bytes_le * 2
    for ids, count, code in (
        (None, 1, WSAError.WSAEFAULT),
        (byref(guid(uuid.uuid4())), 1, WSAError.WSAEINVAL),
        (twice, 2, WSAError.WSAEINVAL),
    ):
        assert ws2_32.WSCWriteNameSpaceOrder(ids, count) == code, "the code itself"
        assert ws2_32.WSCWriteNameSpaceOrder32(ids, count) == code


@pytest.mark.usefixtures("started")
def test_what_installing_refuses(static: str) -> None:
    assert install_path(static, provider_id=None) == WSAError.WSAEINVAL
    assert install_path(None) == WSAError.WSAEINVAL
    assert install_path(static, name=None) == WSAError.WSAEINVAL
    assert install_path(static, name="") == WSAError.WSAEINVAL
    assert install_path(static, namespace=n.NS_ALL) == WSAError.WSAEINVAL
    assert install_path(static, provider_id=n.DNS_PROVIDER) == WSAError.WSANO_RECOVERY
    assert install_path(static) == 0
    assert install_path(static) == WSAError.WSANO_RECOVERY
    for call in (ws2_32.WSCUnInstallNameSpace, lambda one: ws2_32.WSCEnableNSProvider(one, 1)):
        for pointer, code in ((None, WSAError.WSAEFAULT), (byref(guid(uuid.uuid4())), WSAError.WSAEINVAL)):
            assert call(pointer) == -1
            assert error() == code


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize(
    "code", [WSAError.WSAEACCES, WSAError.WSASYSCALLFAILURE, WSAError.WSA_NOT_ENOUGH_MEMORY, WSAError.WSANO_RECOVERY]
)
def test_what_the_store_says(monkeypatch: pytest.MonkeyPatch, static: str, code: int) -> None:
    def refuse(*arguments: Any) -> Any:
        raise WinsockError(code)

    for name in ("install", "remove", "enable", "order"):
        monkeypatch.setattr(name_spaces.store, name, refuse)
    assert install_path(static) == code
    for call in (ws2_32.WSCUnInstallNameSpace, lambda one: ws2_32.WSCEnableNSProvider(one, 1)):
        assert call(byref(guid(OWN))) == -1
        assert error() == code
    assert ws2_32.WSCWriteNameSpaceOrder(byref(guid(OWN)), 1) == code


def test_for_this_process_alone(install: Install) -> None:
    provider = Fixed(Service(name="here"), namespace=n.NS_NIS)
    with install(provider, "Here", provider_id=OWN):
        assert listed()[0] == (OWN, n.NS_NIS, 1, 1, "Here"), "before all others, at once"
        assert [one.name for one in results(begun("x", namespace=n.NS_NIS))] == ["here"]
        with pytest.raises(WinsockError) as caught:
            install_name_space(provider, provider_id=OWN)
        assert caught.value.code == WSAError.WSANO_RECOVERY
    assert listed() == [BUILT_IN]
    with pytest.raises(WinsockError) as caught:
        install_name_space(provider, namespace=n.NS_ALL)
    assert caught.value.code == WSAError.WSAEINVAL


# Loading


def test_paths(tmp_path: Path, static: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVIDERS", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    for path in (static, static.removesuffix(":Static"), "%PROVIDERS%/static.py", "static:Static", "static"):
        assert isinstance(load(path), NameSpaceProvider), path
    assert getattr(load(str(C_MODULE)), "__name__", "") == "NSPStartup"
    assert load(f"{C_MODULE}:NSPStartup") is not None


@pytest.mark.parametrize(
    ("text", "name"),
    [("", ""), ("x = 1", ":x"), ("raise ValueError", ""), ("class A: pass", ":A2"), ("def f(:", ""),
     (STATIC + STATIC.replace("Static", "Other"), "")],
)  # fmt: skip
def test_paths_that_lead_to_nothing(tmp_path: Path, text: str, name: str) -> None:
    path = tmp_path / "bad.py"
    path.write_text(text)
    for one in (f"{path}{name}", str(tmp_path / "absent.py"), "no.such.module:X"):
        with pytest.raises(WinsockError) as caught:
            load(one)
        assert caught.value.code == WSAError.WSAEPROVIDERFAILEDINIT


# Hand-written providers


def test_a_module_with_nspstartup_is_a_full_provider(started: None) -> None:
    assert install_path(str(C_MODULE), namespace=n.NS_NIS) == 0
    winsock.stop()
    winsock.start()
    flags = n.LUP_RETURN_NAME
    handle = begun("c.test", flags, namespace=n.NS_NIS)
    started_provider = name_spaces._started[OWN]
    module = started_provider.routines.NSPCleanup.__globals__
    module["calls"].clear()
    assert next_result(handle, flags, room=10) == WSAError.WSAEFAULT
    first = next_result(handle, flags)
    assert isinstance(first, Service)
    assert (first.name, first.namespace) == ("c.test", 41)
    second = next_result(handle, flags, wide=False)
    assert isinstance(second, Service)
    assert second.name == "second.test"
    assert next_result(handle, flags) == WSAError.WSA_E_NO_MORE
    assert ws2_32.WSANSPIoctl(handle, 1, None, 0, None, 0, None, None) == -1
    assert error() == WSAError.WSAEOPNOTSUPP, "its cbSize ends before NSPIoctl"
    ws2_32.WSALookupServiceEnd(handle)
    handle = begun("c.test", flags, namespace=n.NS_NIS)
    skipped = next_result(handle, flags | n.LUP_FLUSHPREVIOUS)
    assert isinstance(skipped, Service)
    assert skipped.name == "second.test"
    ws2_32.WSALookupServiceEnd(handle)
    assert module["calls"][:3] == ["next", "next", "end"]
    assert module["calls"][3] == "begin c.test aaaaaaaa 0x10"
    winsock.stop()
    assert module["calls"][-1] == "cleanup"


def startup(**changes: Any) -> Any:
    """An NSPStartup that fills everything in but for `changes`."""

    def nothing(*arguments: Any) -> int:
        return 0

    def NSPStartup(lpProviderId: Any, lpnspRoutines: Any) -> int:
        for name in n.NSP_NAMES:
            setattr(lpnspRoutines.contents, name, changes.get(name, nothing))
        lpnspRoutines.contents.cbSize = changes.get("cbSize", 88)
        return int(changes.get("result", 0))

    return NSPStartup


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"NSPLookupServiceEnd": None}, WSAError.WSAEINVALIDPROCTABLE),
        ({"NSPIoctl": None}, WSAError.WSAEINVALIDPROCTABLE),
        ({"NSPIoctl": None, "cbSize": 80}, None),
        ({"cbSize": 40}, WSAError.WSAEINVALIDPROCTABLE),
        ({"result": -1}, WSAError.WSAEPROVIDERFAILEDINIT),
    ],
)
def test_what_nspstartup_must_give(install: Install, changes: dict[str, Any], code: int | None) -> None:
    provider_id = install(startup(**changes)).provider_id
    begin = ws2_32.WSALookupServiceBeginW(byref(query_set("x", provider_id=provider_id)), 0, byref(ctypes.c_uint64()))
    assert (begin, error() if begin else None) == ((0, None) if code is None else (-1, code))


def test_functions_that_raise_or_say_nothing(install: Install, capfd: pytest.CaptureFixture[str]) -> None:
    def raises(*arguments: Any) -> int:
        raise KeyError("oops")

    for function, code in ((raises, WSAError.WSANO_RECOVERY), (lambda *_: -1, WSAError.WSASYSCALLFAILURE)):
        with install(startup(NSPLookupServiceBegin=function), "Buggy") as installed:
            query = query_set("x", provider_id=installed.provider_id)
            ws2_32.WSASetLastError(4711)
            assert ws2_32.WSALookupServiceBeginW(byref(query), 0, byref(ctypes.c_uint64())) == -1
            assert error() == code
    assert "Buggy" in capfd.readouterr().err


def test_a_provider_that_always_wants_more_room(install: Install) -> None:
    def greedy(handle: Any, flags: int, length: Any, target: Any) -> int:
        length[0] = length[0] + 8
        ws2_32.WSASetLastError(WSAError.WSAEFAULT)
        return -1

    provider_id = install(startup(NSPLookupServiceNext=greedy)).provider_id
    handle = begun("x", provider_id=provider_id, kind=n.WSAQUERYSETA)
    assert next_result(handle, wide=False) == WSAError.WSANO_RECOVERY
    ws2_32.WSALookupServiceEnd(handle)
