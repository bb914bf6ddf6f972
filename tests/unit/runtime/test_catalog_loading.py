"""Stored providers: what a path names, how it is loaded, which chains an application gets (catalog 3, 4, 7, 8)."""

import ctypes
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.catalogs import LAYERS, TCP, entry
from ws2spi import ws2_32
from ws2spi._abi.constants import (
    LSP_CRYPTO_COMPRESS,
    LSP_FIREWALL,
    LSP_INSPECTOR,
    LSP_SYSTEM,
    PFL_HIDDEN,
    XP1_IFS_HANDLES,
)
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.types import WSPDATA
from ws2spi._runtime import loading, protocol_info
from ws2spi._runtime.catalog import StoredCatalog
from ws2spi._runtime.catalog.categories import admits, permitted, this_process
from ws2spi._runtime.catalog.paths import Parts, expand, parts
from ws2spi._runtime.process import runtime
from ws2spi._runtime.serve import table_of
from ws2spi._runtime.sockets import sockets
from ws2spi._runtime.tables import ProcTable
from ws2spi.providers.stack import Stack

byref = ctypes.byref
A, B, C = (uuid.UUID(int=number) for number in (1, 2, 3))
E = WSAError


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoredCatalog:
    monkeypatch.setenv("WS2SPI_CATALOG", str(tmp_path / "catalog.sqlite"))
    return StoredCatalog()


@pytest.fixture
def layers(tmp_path: Path) -> str:
    path = tmp_path / "layers.py"
    path.write_text(LAYERS)
    return str(path)


@pytest.fixture
def running(stored: StoredCatalog) -> Iterator[Any]:
    """A function that starts Winsock anew; at the end all is as it was."""

    def start() -> None:
        while runtime.starts:
            runtime.cleanup()
        assert ws2_32.WSAStartup(0x0202, byref(ws2_32.WSADATA())) == 0

    yield start
    while runtime.starts:
        runtime.cleanup()
    runtime.catalog.reset()
    runtime._application = None


def made(family: int = 2, kind: int = 1, protocol: int = 6) -> int:
    """The code of socket(), or 0; the socket is closed."""
    s = ws2_32.socket(family, kind, protocol)
    if s == 2**64 - 1:
        return int(ws2_32.WSAGetLastError())
    assert ws2_32.closesocket(s) == 0
    return 0


def layers_of(s: int) -> list[str]:
    provider: Any = sockets.lookup(s).provider
    return [type(layer).__name__ for layer in provider.stack.layers]


# -- paths -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/a/b.py", Parts(file="/a/b.py")),
        ("/a/b.py:Name", Parts(file="/a/b.py", name="Name")),
        ("b.py:Name:x=1,y=2", Parts(file="b.py", name="Name", options="x=1,y=2")),
        ("/a/b.py:x=1:2", Parts(file="/a/b.py", options="x=1:2")),
        ("a.b", Parts(module="a.b")),
        ("a.b:Name:when=12:30", Parts(module="a.b", name="Name", options="when=12:30")),
        ("%WHERE%/b.py:N", Parts(file="/there/b.py", name="N")),
        ("$WHERE/b.py", Parts(file="/there/b.py")),
        ("${WHERE}x.py", Parts(file="/therex.py")),
        ("~/b.py", Parts(file="/home/me/b.py")),
        ("%NOT_SET%/b.py", Parts(file="%NOT_SET%/b.py")),
    ],
)
def test_what_a_path_says(path: str, found: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", "/there")
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("NOT_SET", raising=False)
    assert parts(path) == found
    assert expand("100%") == "100%"


def test_what_a_path_can_name(layers: str) -> None:
    for name, kinds in (
        ("Bytes", ["Bytes"]),
        ("Bytes:mark=x", ["Bytes"]),
        ("Control", ["Control"]),
        ("stack", ["Bytes"]),
        ("factory", ["Control", "Bytes"]),
    ):
        found = loading.resolve(f"{layers}:{name}")
        assert isinstance(found, Stack)
        assert [type(layer).__name__ for layer in found.layers] == kinds
    assert loading.resolve(layers).__name__ == "WSPStartup", "a module's WSPStartup comes before its layers"
    assert loading.resolve(f"{layers}:Bytes:mark=x").layers[0].mark == b"x"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/nowhere/x.py", "no such file"),
        ("no.such.module", "ModuleNotFoundError"),
        ("", "ValueError"),
        ("{}:broken", "RuntimeError: not today"),
        ("{}:Bytes:colour=red", "colour"),
        ("{}:number", "no provider"),
        ("{}:nothing", "has no 'nothing'"),
        ("{}:factory:x=1", "not a layer"),
        ("ws2spi._abi.constants", "no WSPStartup"),
    ],
)
def test_what_cannot_be_loaded_is_one_line_with_the_path(path: str, words: str, layers: str) -> None:
    with pytest.raises(WinsockError) as raised:
        loading.resolve(path.format(layers))
    assert raised.value.code is E.WSAEPROVIDERFAILEDINIT
    assert words in raised.value.detail
    assert "\n" not in raised.value.detail


# -- sockets over stored layers ----------------------------------------------------------------------------------------


def test_a_socket_goes_through_the_stored_layers(
    stored: StoredCatalog, layers: str, running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAYERS", layers)
    stored.install_chains(A, "%LAYERS%:Bytes", "a", 0, [TCP])
    stored.install_chains(B, f"{layers}:factory", "b", 0, [TCP])
    running()
    s = ws2_32.socket(2, 1, 6)
    try:
        assert layers_of(s) == ["Control", "Bytes"]
        below = runtime.provider(runtime.catalog.get(sockets.lookup(s).info.chain[1]))  # type: ignore[arg-type]
        assert below.stack.layers[0].mark == b""  # type: ignore[attr-defined]
    finally:
        assert ws2_32.closesocket(s) == 0


def test_an_ifs_layer_is_one_layer_with_one_state(stored: StoredCatalog, layers: str, running: Any) -> None:
    """layering 3: a provider id for each chain; the layer is made once"""
    stored.install_chains(A, f"{layers}:Control", "a", XP1_IFS_HANDLES)
    running()
    pair = [ws2_32.socket(family, 1, 6) for family in (2, 23)]
    providers: list[Any] = [sockets.lookup(s).provider for s in pair]
    assert providers[0] is not providers[1]
    assert providers[0].stack is providers[1].stack
    assert providers[0].ifs
    for s in pair:
        assert ws2_32.closesocket(s) == 0


def test_a_layer_above_starts_the_one_below_by_its_path(stored: StoredCatalog, layers: str, running: Any) -> None:
    """layering 2: one path, several providers; the info says which, the entry's own or the whole chain's"""
    stored.install_chains(A, f"{layers}:Control", "a", XP1_IFS_HANDLES)
    stored.install_chains(B, f"{layers}:Bytes", "b", 0, [TCP])
    running()
    startup = loading.load_startup(runtime.catalog.path(A))
    tables = {}
    for catalog_id, below in ((1006, 1006), (1008, 1008), (1011, 1006)):
        table, data = ProcTable(), WSPDATA()
        info = protocol_info.structure(runtime.catalog.get(catalog_id))  # type: ignore[arg-type]
        assert startup(0x0202, byref(data), byref(info), None, table) == 0
        assert table.missing() == []
        entry = runtime.catalog.get(below)
        assert entry is not None
        assert table.lpWSPSocket == table_of(runtime.provider(entry)).lpWSPSocket
        tables[catalog_id] = table
    assert tables[1006].lpWSPSocket != tables[1008].lpWSPSocket
    stranger = protocol_info.structure(runtime.catalog.get(1001))  # type: ignore[arg-type]
    assert startup(0x0202, byref(WSPDATA()), byref(stranger), None, ProcTable()) == E.WSAEPROVIDERFAILEDINIT
    assert startup(0x0202, byref(WSPDATA()), None, None, ProcTable()) == E.WSAEFAULT
    hand_written = loading.load_startup(layers)
    assert hand_written(0x0202, None, ctypes.pointer(stranger), None, ProcTable()) in (0, 10106)


def test_a_layer_of_bytes_cannot_be_an_ifs_layer(
    stored: StoredCatalog, layers: str, running: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    stored.install_chains(A, f"{layers}:Bytes", "a", XP1_IFS_HANDLES, [TCP])
    running()
    assert made() == E.WSAEPROVIDERFAILEDINIT
    assert "looks at bytes" in capsys.readouterr().err


def test_a_hand_written_provider_in_a_file(
    stored: StoredCatalog, layers: str, running: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """catalog 8.3: WSPStartup is called with the chain's info; its refusal is named"""
    stored.install_chains(A, layers, "mine", 0, [TCP])
    running()
    assert made() == E.WSAEPROVIDERFAILEDINIT
    module = loading.resolve(layers).__globals__
    assert module["started"] == ["mine over [ws2spi Tcpip [TCP/IP]]"]
    assert "WSPStartup returned 10106" in capsys.readouterr().err
    module["answer"] = 0
    assert made() == E.WSAEINVALIDPROVIDER, "it answers no version"
    assert made(2, 2, 17) == 0, "others are not touched"


def test_a_failure_to_load_is_named_once_and_never_passed_by(
    stored: StoredCatalog, running: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    stored.install_chains(A, "/nowhere/x.py", "gone", 0, [TCP])
    running()
    assert made() == made() == E.WSAEPROVIDERFAILEDINIT
    (line,) = capsys.readouterr().err.splitlines()
    assert "gone over" in line
    assert "/nowhere/x.py" in line


def test_a_broken_chain_fails_and_says_what_is_gone(
    stored: StoredCatalog, layers: str, running: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """catalog 11.3"""
    stored.install_chains(A, f"{layers}:Bytes", "a", 0, [TCP])
    stored.install_chains(B, f"{layers}:Bytes", "b", 0, [TCP])
    stored.deinstall(A)
    running()
    assert made() == E.WSAEPROVIDERFAILEDINIT
    assert "1006 is gone" in capsys.readouterr().err
    s = ws2_32.WSASocketW(2, 1, 6, byref(_info(1008)), 0, 1)
    assert (s, ws2_32.WSAGetLastError()) == (2**64 - 1, E.WSAEPROVIDERFAILEDINIT)


def _info(catalog_id: int) -> Any:
    return ws2_32.WSAPROTOCOL_INFOW(dwCatalogEntryId=catalog_id)


def test_a_named_entry_is_taken_without_matching(stored: StoredCatalog, layers: str, running: Any) -> None:
    """catalog 8.1: hidden ones too; no socket can be made of a layer's own entry, or of an unknown id"""
    stored.install_chains(A, f"{layers}:Bytes", "a", 0, [TCP])
    running()
    for catalog_id, count in ((1001, 0), (1006, 1)):
        s = ws2_32.WSASocketW(-1, -1, -1, byref(_info(catalog_id)), 0, 1)
        assert len(layers_of(s)) == count
        assert ws2_32.closesocket(s) == 0
    for catalog_id in (1005, 4711):
        assert ws2_32.WSASocketW(2, 1, 6, byref(_info(catalog_id)), 0, 1) == 2**64 - 1
        assert ws2_32.WSAGetLastError() == E.WSAEINVAL


def test_the_order_decides(stored: StoredCatalog, layers: str, running: Any) -> None:
    """catalog 5, 8.2"""
    stored.install_chains(A, f"{layers}:Bytes", "a", 0, [TCP])
    stored.order([1001, 1002, 1003, 1004, 999, 1000, 1005, 1006])
    running()
    s = ws2_32.socket(2, 1, 6)
    assert layers_of(s) == []
    assert ws2_32.closesocket(s) == 0


def test_sockets_outlive_their_entry(stored: StoredCatalog, layers: str, running: Any) -> None:
    stored.install_chains(A, f"{layers}:Bytes", "a", 0, [TCP])
    running()
    s = ws2_32.socket(2, 1, 6)
    stored.deinstall(A)
    runtime.read_catalog()
    assert runtime.catalog.get(1006) is None
    assert runtime.catalog.recall(1006) is not None
    room = ctypes.c_int32(16)
    address = ws2_32.SOCKADDR_IN(2)
    address.sin_addr[:] = [127, 0, 0, 1]
    assert ws2_32.bind(s, byref(address), 16) == 0
    assert ws2_32.getsockname(s, byref(address), byref(room)) == 0
    assert ws2_32.closesocket(s) == 0
    s = ws2_32.socket(2, 1, 6)
    assert layers_of(s) == []
    assert ws2_32.closesocket(s) == 0


def test_what_a_process_installs_for_itself_lies_around_the_stored_ones(
    stored: StoredCatalog, layers: str, running: Any
) -> None:
    import ws2spi
    from ws2spi._runtime.catalog.entries import FIRST_PRIVATE_ID

    stored.install_chains(A, f"{layers}:Bytes", "a", 0, [TCP])
    running()
    with ws2spi.install(loading.resolve(f"{layers}:Control")) as installed:
        assert all(one >= FIRST_PRIVATE_ID for one in installed.ids)
        s = ws2_32.socket(2, 1, 6)
        assert sockets.lookup(s).info.chain[1:] == (1006, 1001)
        assert ws2_32.closesocket(s) == 0
        stored.install(B, "/x.py", [entry("later", protocol=99)])
        names = [one.name for one in runtime.catalog.beside(stored.snapshot())]
        assert names[0] == "control"
        assert names[-1] == "later"


def test_what_is_installed_before_the_start_up_lies_over_the_stored_layers_too(
    stored: StoredCatalog, layers: str, running: Any
) -> None:
    import ws2spi

    stored.install_chains(A, f"{layers}:Bytes", "a", 0, [TCP])
    assert runtime.starts == 0
    with ws2spi.install(loading.resolve(f"{layers}:Control")):
        running()
        s = ws2_32.socket(2, 1, 6)
        assert sockets.lookup(s).info.chain[1:] == (1006, 1001)
        assert ws2_32.closesocket(s) == 0


# -- categories --------------------------------------------------------------------------------------------------------


def test_the_example_of_the_categories_page() -> None:
    """catalog 7"""
    foo = LSP_SYSTEM | LSP_FIREWALL | LSP_CRYPTO_COMPRESS
    bar = LSP_FIREWALL | LSP_CRYPTO_COMPRESS
    lsps = [LSP_SYSTEM, None, LSP_FIREWALL, LSP_SYSTEM | LSP_FIREWALL | LSP_CRYPTO_COMPRESS | LSP_INSPECTOR]
    assert [admits(foo, lsp) for lsp in lsps] == [True, False, False, False]
    assert [admits(bar, lsp) for lsp in lsps] == [False, False, True, False]
    assert all(admits(None, lsp) for lsp in lsps)
    assert not any(admits(0, lsp) for lsp in lsps), "an application that permits nothing"


def test_exact_arguments_come_before_the_executable_alone() -> None:
    applications = {("/opt/x", ""): 1, ("/opt/x", "-k a"): 2}
    assert [permitted(applications, "/opt/x", extra) for extra in ("-k a", "-k b", "")] == [2, 1, 1]
    assert permitted(applications, "/opt/y", "-k a") is None


def test_a_chain_with_a_layer_that_is_not_admitted_is_passed_over(
    stored: StoredCatalog, layers: str, running: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """catalog 7: layering 12.9; the whole chain, the next match is taken; the set is fixed for the process's life"""
    stored.install_chains(A, f"{layers}:Bytes", "a", 0, [TCP])
    stored.install_chains(B, f"{layers}:Bytes", "b", 0, [TCP])
    stored.set_categories(A, LSP_FIREWALL)
    stored.set_categories(B, LSP_INSPECTOR)
    stored.set_application(this_process()[0], "", LSP_FIREWALL)
    runtime._application = None
    running()
    s = ws2_32.socket(2, 1, 6)
    assert sockets.lookup(s).catalog_id == 1006, "a's chain, past b over a"
    assert ws2_32.closesocket(s) == 0
    assert "b over" not in " ".join(one.name for one in runtime.catalog.enum_protocols())
    assert ws2_32.WSASocketW(2, 1, 6, byref(_info(1008)), 0, 1) == 2**64 - 1
    assert ws2_32.WSAGetLastError() == E.WSAEPROVIDERFAILEDINIT
    assert "categories" in capsys.readouterr().err
    stored.set_application(this_process()[0], "", LSP_INSPECTOR)
    running()
    s = ws2_32.socket(2, 1, 6)
    assert sockets.lookup(s).catalog_id == 1006
    assert ws2_32.closesocket(s) == 0


def test_the_layer_below_counts_too(stored: StoredCatalog, layers: str, running: Any) -> None:
    stored.install_chains(A, f"{layers}:Bytes", "a", 0, [TCP])
    stored.install_chains(B, f"{layers}:Bytes", "b", 0, [TCP])
    stored.set_categories(B, LSP_FIREWALL)
    stored.set_application(this_process()[0], this_process()[1], LSP_FIREWALL)
    runtime._application = None
    running()
    s = ws2_32.socket(2, 1, 6)
    assert sockets.lookup(s).catalog_id == 1001, "b is admitted, a below it is not"
    assert ws2_32.closesocket(s) == 0


def test_hidden_entries_match(stored: StoredCatalog, layers: str, running: Any) -> None:
    """catalog 3: hidden from WSAEnumProtocols only"""
    stored.install(A, f"{layers}:Bytes", [entry("hidden", protocol=99, provider_flags=PFL_HIDDEN)])
    running()
    assert runtime.choose(2, 1, 99).name == "hidden"
