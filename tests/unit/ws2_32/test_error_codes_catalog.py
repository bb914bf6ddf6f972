"""The documented error codes of the catalogs' functions that have a twin: the 32-bit forms, and the A forms."""

import ctypes
import errno
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.catalogs import LAYERS, code_of, entry, guid, infos, without_rights
from ws2spi import WinsockError, ws2_32
from ws2spi._abi import names as n
from ws2spi._abi.errors import WSAError
from ws2spi._executive import lasterror
from ws2spi._runtime.catalog import StoredCatalog, database
from ws2spi._runtime.names.catalog import name_spaces

E = WSAError
byref = ctypes.byref
A = uuid.UUID(int=1)
DWORD = ctypes.c_uint32


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for a catalog."""
    path = tmp_path / "catalog.sqlite"
    monkeypatch.setenv("WS2SPI_CATALOG", str(path))
    return path


@pytest.fixture
def layers(tmp_path: Path) -> str:
    path = tmp_path / "layers.py"
    path.write_text(LAYERS)
    return str(path)


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """From now on the catalog's file cannot be opened."""

    def connect(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(database.sqlite3, "connect", connect)


def remove(form: str) -> int:
    return code_of(getattr(ws2_32, f"WSCDeinstallProvider{form}"), byref(guid(A)))[1]


def update(form: str) -> int:
    return code_of(getattr(ws2_32, f"WSCUpdateProvider{form}"), byref(guid(A)), "/y.py", infos(entry()), 1)[1]


def order(form: str) -> int:
    return int(getattr(ws2_32, f"WSCWriteProviderOrder{form}")((DWORD * 6)(1004, 1003, 1002, 1001, 1000, 999), 6))


def path_of(form: str) -> int:
    memory, length = ctypes.create_string_buffer(600), ctypes.c_int32(300)
    return code_of(getattr(ws2_32, f"WSCGetProviderPath{form}"), byref(guid(A)), memory, byref(length))[1]


both = pytest.mark.parametrize("form", ["", "32"])
changes = pytest.mark.parametrize("call", [remove, update, order], ids=lambda call: call.__name__)
looks = pytest.mark.parametrize("call", [remove, update, order, path_of], ids=lambda call: call.__name__)


@both
@looks
def test_a_catalog_that_cannot_be_read(file: Path, call: Callable[[str], int], form: str) -> None:
    file.write_bytes(b"rubbish" * 1000)
    assert call(form) == E.WSANO_RECOVERY


@both
@changes
def test_no_memory(monkeypatch: pytest.MonkeyPatch, call: Callable[[str], int], form: str) -> None:
    code_of(ws2_32.WSCInstallProvider64_32, byref(guid(A)), "/x.py", infos(entry()), 1)
    failing(monkeypatch, MemoryError())
    assert call(form) == E.WSA_NOT_ENOUGH_MEMORY


@both
def test_pointers_and_ids(form: str) -> None:
    def function(name: str) -> Any:
        return getattr(ws2_32, name + form)

    memory, length = ctypes.create_string_buffer(600), ctypes.c_int32(300)
    assert code_of(function("WSCDeinstallProvider"), None)[1] == E.WSAEFAULT
    assert code_of(function("WSCUpdateProvider"), None, "/y.py", infos(entry()), 1)[1] == E.WSAEFAULT
    assert code_of(function("WSCGetProviderPath"), None, memory, byref(length))[1] == E.WSAEFAULT
    assert code_of(function("WSCGetProviderPath"), byref(guid(A)), memory, byref(length))[1] == E.WSAEINVAL
    assert code_of(function("WSCEnumProtocols"), None, None, None)[1] == E.WSAEFAULT
    assert function("WSCWriteProviderOrder")(None, 4) == E.WSAEINVAL
    for name in ("WSCDeinstallProvider", "WSCUpdateProvider", "WSCGetProviderPath", "WSCEnumProtocols"):
        parameters = {"WSCDeinstallProvider": 1, "WSCUpdateProvider": 4}.get(name, 3)
        lasterror.set(0)
        assert function(name)(*[None] * parameters, None) == -1
        assert lasterror.get() == E.WSAEFAULT, "of lpErrno itself: in the last error"


def install_both(path: str) -> int:
    call = ws2_32.WSCInstallProviderAndChains64_32
    return code_of(call, byref(guid(A)), path, None, "a", 0, None, 0, None)[1]


def test_installing_a_layer_in_both_catalogs(layers: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = f"{layers}:Bytes"
    call = ws2_32.WSCInstallProviderAndChains64_32
    assert call(byref(guid(A)), good, None, "a", 0, None, 0, None, None) == -1
    assert lasterror.get() == E.WSAEFAULT
    assert install_both("ws2spi._abi.constants") == E.WSAEINVALIDPROCTABLE
    code_of(ws2_32.WSCInstallProvider, byref(guid(uuid.uuid4())), "/x.py", infos(entry()), 1)
    with without_rights(file):
        assert install_both(good) == E.WSANO_RECOVERY
    monkeypatch.setattr(database, "PATIENCE", 0.02)
    with database.transaction(StoredCatalog().path, write=True):
        assert install_both(good) == E.WSAEINPROGRESS
    for error, code in ((MemoryError(), E.WSAENOBUFS), (OSError(errno.EIO, "disk"), E.WSASYSCALLFAILURE)):
        with monkeypatch.context() as patch:
            failing(patch, error)
            assert install_both(good) == code


def test_listing_for_applications(started: None) -> None:
    size = DWORD(3)
    for form in "AW":
        call = getattr(ws2_32, f"WSAEnumProtocols{form}")
        assert call(None, None, None) == -1
        assert lasterror.get() == E.WSAEFAULT
        assert call(None, None, byref(size)) == -1
        assert lasterror.get() == E.WSAENOBUFS


# Name spaces


def name_space_calls(path: str) -> dict[str, Callable[[], int]]:
    """Each function that changes the catalog of name spaces, as a call that would work."""

    def status(result: int) -> int:
        return lasterror.get() if result == -1 else result

    one = byref(guid(A))
    made = "Own", path, n.NS_NIS, 1, one
    return {
        "WSCInstallNameSpace": lambda: status(ws2_32.WSCInstallNameSpace(*made)),
        "WSCInstallNameSpace32": lambda: status(ws2_32.WSCInstallNameSpace32(*made)),
        "WSCInstallNameSpaceEx": lambda: status(ws2_32.WSCInstallNameSpaceEx(*made, None)),
        "WSCInstallNameSpaceEx32": lambda: status(ws2_32.WSCInstallNameSpaceEx32(*made, None)),
        "WSCUnInstallNameSpace": lambda: status(ws2_32.WSCUnInstallNameSpace(one)),
        "WSCUnInstallNameSpace32": lambda: status(ws2_32.WSCUnInstallNameSpace32(one)),
        "WSCEnableNSProvider": lambda: status(ws2_32.WSCEnableNSProvider(one, 1)),
        "WSCEnableNSProvider32": lambda: status(ws2_32.WSCEnableNSProvider32(one, 1)),
        "WSCWriteNameSpaceOrder": lambda: ws2_32.WSCWriteNameSpaceOrder(one, 1),
        "WSCWriteNameSpaceOrder32": lambda: ws2_32.WSCWriteNameSpaceOrder32(one, 1),
    }


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize("code", [E.WSAEACCES, E.WSASYSCALLFAILURE, E.WSA_NOT_ENOUGH_MEMORY, E.WSANO_RECOVERY])
def test_what_the_store_of_name_spaces_says(monkeypatch: pytest.MonkeyPatch, code: WSAError, layers: str) -> None:
    def refuse(*arguments: Any) -> Any:
        raise WinsockError(code)

    for name in ("install", "remove", "enable", "order"):
        monkeypatch.setattr(name_spaces.store, name, refuse)
    for name, call in name_space_calls(layers).items():
        assert call() == code, name


@pytest.mark.usefixtures("started")
@both
def test_pointers_and_ids_of_name_spaces(form: str) -> None:
    for name, more in (("WSCUnInstallNameSpace", ()), ("WSCEnableNSProvider", (1,))):
        call = getattr(ws2_32, name + form)
        for pointer, code in ((None, E.WSAEFAULT), (byref(guid(A)), E.WSAEINVAL)):
            assert call(pointer, *more) == -1
            assert lasterror.get() == code
    for name, more in (("WSCInstallNameSpace", ()), ("WSCInstallNameSpaceEx", (None,))):
        assert getattr(ws2_32, name + form)("Own", "/x.py", n.NS_ALL, 1, byref(guid(A)), *more) == -1
        assert lasterror.get() == E.WSAEINVAL


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize(
    "name",
    [
        "WSAEnumNameSpaceProvidersA",
        "WSAEnumNameSpaceProvidersW",
        "WSAEnumNameSpaceProvidersExA",
        "WSAEnumNameSpaceProvidersExW",
        "WSCEnumNameSpaceProviders32",
        "WSCEnumNameSpaceProvidersEx32",
    ],
)
def test_listing_name_spaces(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    call, size = getattr(ws2_32, name), DWORD(3)
    for length in (None, byref(size)):
        assert call(length, None) == -1
        assert lasterror.get() == E.WSAEFAULT

    def refuse(*arguments: Any) -> Any:
        raise MemoryError

    from ws2spi.ws2_32 import _name_spaces

    monkeypatch.setattr(_name_spaces, "_pack", refuse)
    assert call(byref(size), None) == -1
    assert lasterror.get() == E.WSA_NOT_ENOUGH_MEMORY
