"""The catalog's functions under their C names: what they store, and every code of their pages (catalog 6)."""

import ctypes
import errno
import os
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as some

from support.catalogs import KINDS, LAYERS, TCP, UNTOUCHED, code_of, done, entry, guid, infos, listed, without_rights
from ws2spi import ws2_32
from ws2spi._abi.constants import ERROR_CALL_NOT_IMPLEMENTED, PFL_HIDDEN, XP1_IFS_HANDLES
from ws2spi._abi.errors import WSAError
from ws2spi._abi.wide import create_unicode_buffer
from ws2spi._runtime.catalog import BASE_ENTRIES, BASE_IPV4, StoredCatalog, database
from ws2spi._runtime.process import runtime

byref = ctypes.byref
A, B, C = (uuid.UUID(int=number) for number in (1, 2, 3))
BUILT_IN = [entry.catalog_id for entry in BASE_ENTRIES]
E = WSAError
SIZE_T = ctypes.c_uint64


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


@pytest.fixture
def running() -> Iterator[None]:
    assert ws2_32.WSAStartup(0x0202, byref(ws2_32.WSADATA())) == 0
    yield
    while runtime.starts:
        runtime.cleanup()
    runtime.catalog.reset()


def install(provider: uuid.UUID, *entries: Any, path: Any = "/x.py", function: Any = None) -> tuple[int, int]:
    function = function or ws2_32.WSCInstallProvider
    return code_of(function, byref(guid(provider)), path, infos(*entries), len(entries))


def chains(provider: uuid.UUID, path: Any, name: Any = "a", flags: int = 0, kinds: Any = ()) -> tuple[int, int]:
    """WSCInstallProviderAndChains over the topmost entries of `kinds`, or over the base entries."""
    array = infos(*(entry(address_family=kind[0], socket_type=kind[1], protocol=kind[2]) for kind in kinds))
    arguments = (array, len(kinds)) if kinds else (None, 0)
    return code_of(ws2_32.WSCInstallProviderAndChains, byref(guid(provider)), path, name, flags, *arguments, None)


def order(*ids: int, function: Any = None) -> int:
    return int((function or ws2_32.WSCWriteProviderOrder)((ctypes.c_uint32 * len(ids))(*ids), len(ids)))


def set_info(provider: uuid.UUID, categories: int, function: Any = None) -> tuple[int, int]:
    info = ctypes.c_uint32(categories)
    return code_of(function or ws2_32.WSCSetProviderInfo, byref(guid(provider)), 0, byref(info), 4, 0)


def categorise(path: Any, extra: Any, categories: int, before: Any = None) -> tuple[int, int]:
    lengths = [0 if text is None else len(text) for text in (path, extra)]
    return code_of(ws2_32.WSCSetApplicationCategory, path, lengths[0], extra, lengths[1], categories, before)


# -- layout ------------------------------------------------------------------------------------------------------------


def test_the_layouts_of_protocol_info() -> None:
    """catalog 1, byte for byte"""
    offsets = {
        "dwServiceFlags1": 0, "dwServiceFlags2": 4, "dwServiceFlags3": 8, "dwServiceFlags4": 12, "dwProviderFlags": 16,
        "ProviderId": 20, "dwCatalogEntryId": 36, "ProtocolChain": 40, "iVersion": 72, "iAddressFamily": 76,
        "iMaxSockAddr": 80, "iMinSockAddr": 84, "iSocketType": 88, "iProtocol": 92, "iProtocolMaxOffset": 96,
        "iNetworkByteOrder": 100, "iSecurityScheme": 104, "dwMessageSize": 108, "dwProviderReserved": 112,
        "szProtocol": 116,
    }  # fmt: skip
    for kind, size in ((ws2_32.WSAPROTOCOL_INFOW, 628), (ws2_32.WSAPROTOCOL_INFOA, 372)):
        assert {name: getattr(kind, name).offset for name in offsets} == offsets
        assert ctypes.sizeof(kind) == size


def test_an_entry_comes_back_byte_for_byte() -> None:
    given = infos(entry("näme 🂡", protocol=77, protocol_max_offset=3, service_flags=0x20066, service_flags4=9,
                        provider_reserved=0xDEADBEEF, message_size=0xFFFFFFFF, network_byte_order=1,
                        security_scheme=-1, version=2, max_sockaddr=28, min_sockaddr=16))  # fmt: skip
    given[0].dwCatalogEntryId = 4711  # ignored
    done(ws2_32.WSCInstallProvider, byref(guid(A)), "/x.py", given, 1)
    found = listed()[-1]
    given[0].dwCatalogEntryId = 1005
    given[0].ProviderId = guid(A)
    given[0].ProtocolChain.ChainEntries[0] = 1005  # a base entry names itself
    assert bytes(found) == bytes(given[0])


# -- WSCInstallProvider ------------------------------------------------------------------------------------------------


def test_what_is_installed_is_enumerated_at_once_and_seen_by_the_next_start_up(running: None) -> None:
    """catalog 6.1, 9"""
    assert install(A, entry("mine", protocol=99)) == (0, UNTOUCHED)
    assert [one.szProtocol for one in listed()][-1] == "mine"
    assert "mine" not in [one.szProtocol for one in listed(ws2_32.WSAEnumProtocolsW)]
    assert ws2_32.WSASocketW(2, 1, 99, None, 0, 1) == 2**64 - 1
    assert ws2_32.WSAGetLastError() == E.WSAEPROTONOSUPPORT
    assert ws2_32.WSACleanup() == 0
    assert ws2_32.WSAStartup(0x0202, byref(ws2_32.WSADATA())) == 0
    assert "mine" in [one.szProtocol for one in listed(ws2_32.WSAEnumProtocolsW)]
    done(ws2_32.WSCDeinstallProvider, byref(guid(A)))
    assert "mine" in [one.szProtocol for one in listed(ws2_32.WSAEnumProtocolsW)], "a running process keeps it"
    assert "mine" not in [one.szProtocol for one in listed()]


@pytest.mark.parametrize("function", [ws2_32.WSCInstallProvider, ws2_32.WSCInstallProvider64_32])
def test_codes_of_installing(
    function: Any, file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = byref(guid(A))
    for pointers in ((None, "/x.py", infos(entry())), (one, None, infos(entry())), (one, "/x.py", None)):
        assert code_of(function, *pointers, 1) == (-1, E.WSAEFAULT)
    assert function(one, "/x.py", infos(entry()), 1, None) == -1
    assert ws2_32.WSAGetLastError() == E.WSAEFAULT
    assert code_of(function, one, "/x.py", infos(entry()), 0) == (-1, E.WSAEINVAL)
    assert code_of(function, one, "", infos(entry()), 1) == (-1, E.WSAEINVAL)
    for length in (-1, 8, 2**31 - 1):
        bad = infos(entry())
        bad[0].ProtocolChain.ChainLen = length
        assert code_of(function, one, "/x.py", bad, 1) == (-1, E.WSAEINVAL)
    assert install(A, entry(chain=(4711, 1001), base=False), function=function) == (-1, E.WSAEINVAL)
    assert code_of(function, one, "/x.py", infos(entry()), 0xFFFFFFFF) == (-1, E.WSAENOBUFS)
    assert len(listed()) == 6
    assert install(A, entry(), function=function) == (0, UNTOUCHED)
    assert install(A, entry(), function=function) == (-1, E.WSANO_RECOVERY)
    with without_rights(file):
        assert install(B, entry(), function=function) == (-1, E.WSANO_RECOVERY)

    def fail(error: BaseException) -> Any:
        def connect(*_: Any, **__: Any) -> Any:
            raise error

        return connect

    for error, code in (
        (OSError(errno.EIO, "disk"), E.WSASYSCALLFAILURE),
        (MemoryError(), E.WSA_NOT_ENOUGH_MEMORY),
        (PermissionError(errno.EACCES, "no"), E.WSANO_RECOVERY),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(database.sqlite3, "connect", fail(error))
            assert install(B, entry(), function=function) == (-1, code)
    assert capsys.readouterr().err == ""


def test_a_full_disk_is_a_system_call_that_failed(file: Path) -> None:
    """The limit of a process's files, as a disk without room; what was there stays."""
    import resource

    assert install(A, entry()) == (0, UNTOUCHED)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    import signal

    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size, hard))
    try:
        many = [entry("x" * 250) for _ in range(200)]
        assert install(B, *many) == (-1, E.WSASYSCALLFAILURE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert StoredCatalog().problems()[0].kind == "module"
    assert len(listed()) == 7


def test_both_catalogs(file: Path) -> None:
    """catalog 4, 6: the suffixes 64_32 and 32"""
    assert install(A, entry("both"), function=ws2_32.WSCInstallProvider64_32) == (0, UNTOUCHED)
    assert install(B, entry("native")) == (0, UNTOUCHED)
    assert [one.szProtocol for one in listed()][6:] == ["both", "native"]
    assert [one.szProtocol for one in listed(ws2_32.WSCEnumProtocols32)][6:] == ["both"]
    done(ws2_32.WSCUpdateProvider32, byref(guid(A)), "/32.py", infos(entry("thirty-two")), 1)
    assert path_of(A, ws2_32.WSCGetProviderPath32) == "/32.py"
    assert path_of(A) == "/x.py"
    assert order(1005, 1001, 1002, 1003, 1004, 999, 1000, function=ws2_32.WSCWriteProviderOrder32) == 0
    assert listed(ws2_32.WSCEnumProtocols32)[0].szProtocol == "thirty-two"
    assert listed()[0].dwCatalogEntryId == 1001
    done(ws2_32.WSCDeinstallProvider32, byref(guid(A)))
    assert len(listed()) == 8
    assert code_of(ws2_32.WSCDeinstallProvider32, byref(guid(A))) == (-1, E.WSAEINVAL)
    assert code_of(ws2_32.WSCUpdateProvider32, byref(guid(A)), "/", infos(entry()), 1) == (-1, E.WSAEINVAL)


# -- WSCInstallProviderAndChains ---------------------------------------------------------------------------------------


def test_a_layer_and_its_chains(layers: str) -> None:
    own = ctypes.c_uint32()
    done(ws2_32.WSCInstallProviderAndChains, byref(guid(A)), f"{layers}:Bytes", "a", 0, None, 0, byref(own))
    first, *others = listed()[:5]
    assert (own.value, first.dwCatalogEntryId, first.ProtocolChain.ChainLen) == (1005, 1005, 0)
    assert first.dwProviderFlags == PFL_HIDDEN
    assert [tuple(one.ProtocolChain.ChainEntries)[:2] for one in others] == [(1005, 1001 + n) for n in range(4)]


def test_codes_of_installing_a_layer(layers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = f"{layers}:Bytes"
    call = ws2_32.WSCInstallProviderAndChains
    one = byref(guid(A))
    assert call(one, good, "a", 0, None, 0, None, None) == -1
    assert ws2_32.WSAGetLastError() == E.WSAEFAULT
    for arguments in ((None, good, "a"), (one, None, "a"), (one, good, None), (one, "", "a"), (one, good, "")):
        assert code_of(call, *arguments, 0, None, 0, None) == (-1, E.WSAEINVAL)
    invalid = [
        (A, "/" * 256 + "x.py"),
        (A, "/nowhere/x.py"),
        (A, "no.such.module"),
        (A, f"{layers}:Bytes:colour=red"),
        (A, f"{layers}:broken"),
        (A, good, "n" * 256),
        (A, good, "a", 2),
        (A, good, "a", 0, [(2, 1, 99)]),
    ]
    for arguments in invalid:
        assert chains(*arguments) == (-1, E.WSAEINVAL), arguments  # type: ignore[arg-type]
    assert code_of(call, one, good, "a", 0, infos(entry()), 0, None) == (-1, E.WSAEINVAL)
    assert code_of(call, one, good, "a", 0, infos(entry()), 10**6, None) == (-1, E.WSAENOBUFS)
    for path in (f"{layers}:nothing", layers, f"{layers}:number"):
        assert chains(A, path if path != layers else "ws2spi._abi.constants") == (-1, E.WSAEINVALIDPROCTABLE)
    assert chains(A, good, kinds=[TCP]) == (0, UNTOUCHED)
    assert chains(A, good, "other") == (-1, E.WSAEINVAL)
    assert chains(B, good, "a") == (-1, E.WSAEINVAL)
    for number in range(5):
        assert chains(uuid.UUID(int=10 + number), good, f"more {number}", 0, [TCP]) == (0, UNTOUCHED)
    assert chains(B, good, "one too many", 0, [TCP]) == (-1, E.WSANO_RECOVERY)
    monkeypatch.setattr(database, "PATIENCE", 0.02)
    with database.transaction(StoredCatalog().path, write=True):
        assert chains(B, good, "meanwhile") == (-1, E.WSAEINPROGRESS)

    def no_memory(*_: Any, **__: Any) -> Any:
        raise MemoryError

    def no_disk(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EIO, "disk")

    for failure, code in ((no_memory, E.WSAENOBUFS), (no_disk, E.WSASYSCALLFAILURE)):
        with monkeypatch.context() as patch:
            patch.setattr(database.sqlite3, "connect", failure)
            assert chains(B, good, "b") == (-1, code)


def test_no_base_provider_and_no_rights(layers: str, file: Path) -> None:
    assert chains(A, f"{layers}:Bytes") == (0, UNTOUCHED)
    with without_rights(file):
        assert chains(B, f"{layers}:Control", "b", XP1_IFS_HANDLES) == (-1, E.WSANO_RECOVERY)
    for base in {str(uuid.UUID(bytes_le=bytes(one.ProviderId))) for one in listed() if one.ProtocolChain.ChainLen == 1}:
        done(ws2_32.WSCDeinstallProvider, byref(guid(uuid.UUID(base))))
    assert chains(B, f"{layers}:Bytes", "b") == (-1, E.WSANO_RECOVERY)


def test_a_layer_in_both_catalogs(layers: str) -> None:
    good = f"{layers}:Bytes"
    call = ws2_32.WSCInstallProviderAndChains64_32
    done(call, byref(guid(A)), good, None, "a", 0, infos(entry()), 1, None)
    done(call, byref(guid(B)), good, "/32.py", "b", 0, infos(entry()), 1, None)
    assert [path_of(one, ws2_32.WSCGetProviderPath32) for one in (A, B)] == [good, "/32.py"]
    assert [path_of(one) for one in (A, B)] == [good, good]
    assert code_of(call, None, good, None, "c", 0, None, 0, None) == (-1, E.WSAEINVAL)


# -- removing, updating, ordering --------------------------------------------------------------------------------------


def test_codes_of_removing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call = ws2_32.WSCDeinstallProvider
    assert code_of(call, byref(guid(A))) == (-1, E.WSAEINVAL)
    assert code_of(call, None) == (-1, E.WSAEFAULT)
    assert call(byref(guid(A)), None) == -1
    assert ws2_32.WSAGetLastError() == E.WSAEFAULT
    install(A, entry())
    with without_rights(file):
        assert code_of(call, byref(guid(A))) == (-1, E.WSANO_RECOVERY)
    with monkeypatch.context() as patch:
        patch.setattr(database.sqlite3, "connect", _raise(MemoryError()))
        assert code_of(call, byref(guid(A))) == (-1, E.WSA_NOT_ENOUGH_MEMORY)
    file.write_bytes(b"rubbish" * 1000)
    assert code_of(call, byref(guid(A))) == (-1, E.WSANO_RECOVERY)


def _raise(error: BaseException) -> Any:
    def function(*_: Any, **__: Any) -> Any:
        raise error

    return function


def test_codes_of_updating(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call, one = ws2_32.WSCUpdateProvider, byref(guid(A))
    assert code_of(call, one, "/y.py", infos(entry()), 1) == (-1, E.WSAEINVAL)
    install(A, entry("before"))
    for pointers in ((None, "/x.py", infos(entry())), (one, None, infos(entry())), (one, "/x.py", None)):
        assert code_of(call, *pointers, 1) == (-1, E.WSAEFAULT)
    assert call(one, "/y.py", infos(entry()), 1, None) == -1
    assert code_of(call, one, "/y.py", infos(entry()), 0) == (-1, E.WSAEINVAL)
    foreign = infos(entry())
    foreign[0].dwCatalogEntryId = 1001
    assert code_of(call, one, "/y.py", foreign, 1) == (-1, E.WSAEINVAL)
    with without_rights(file):
        assert code_of(call, one, "/y.py", infos(entry()), 1) == (-1, E.WSANO_RECOVERY)
    with monkeypatch.context() as patch:
        patch.setattr(database.sqlite3, "connect", _raise(MemoryError()))
        assert code_of(call, one, "/y.py", infos(entry()), 1) == (-1, E.WSA_NOT_ENOUGH_MEMORY)
    done(call, one, "/y.py", infos(entry("after")), 1)
    assert (listed()[-1].szProtocol, listed()[-1].dwCatalogEntryId, path_of(A)) == ("after", 1005, "/y.py")


def test_a_chain_gets_its_ids_by_an_update() -> None:
    """catalog 6.8: the usual use"""
    install(A, entry("own", base=False), entry("chain"))
    chain = listed()[-1]
    chain.ProtocolChain.ChainLen = 2
    chain.ProtocolChain.ChainEntries[:2] = [1005, 1001]
    done(ws2_32.WSCUpdateProvider, byref(guid(A)), "/x.py", byref(chain), 1)
    assert list(listed()[-1].ProtocolChain.ChainEntries)[:2] == [1005, 1001]


def test_codes_of_ordering(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """catalog 6.7: the code itself; nothing changes unless every id is there once"""
    install(A, entry())
    for ids in ((), (999,), (*BUILT_IN, 1004), (*BUILT_IN, 1006), (*BUILT_IN, 1005, 9)):
        assert order(*ids) == E.WSAEINVAL
    assert ws2_32.WSCWriteProviderOrder(None, 5) == E.WSAEINVAL
    assert ws2_32.WSCWriteProviderOrder((ctypes.c_uint32 * 5)(), 2**31) == E.WSAEINVAL
    with without_rights(file):
        assert order(1005, *BUILT_IN) == E.WSANO_RECOVERY
    with monkeypatch.context() as patch:
        patch.setattr(database.sqlite3, "connect", _raise(MemoryError()))
        assert order(1005, *BUILT_IN) == E.WSA_NOT_ENOUGH_MEMORY
    assert [one.dwCatalogEntryId for one in listed()] == [*BUILT_IN, 1005]
    assert order(1005, *BUILT_IN) == 0
    assert [one.dwCatalogEntryId for one in listed()] == [1005, *BUILT_IN]


def test_an_installer_that_knows_nothing_newer_than_windows_xp(layers: str, running: None) -> None:
    """catalog 10, the manual recipe, within one WSAStartup"""
    own = entry("layer", base=False, provider_flags=PFL_HIDDEN)
    assert install(A, own, path=layers + ":Bytes") == (0, UNTOUCHED)
    hidden = next(one for one in listed() if bytes(one.ProviderId) == A.bytes_le)
    chain = listed()[0]
    lower = chain.dwCatalogEntryId
    chain.ProtocolChain.ChainLen = 2
    chain.ProtocolChain.ChainEntries[:2] = [hidden.dwCatalogEntryId, lower]
    chain.dwServiceFlags1 &= ~XP1_IFS_HANDLES
    chain.szProtocol = "layer over TCP"
    done(ws2_32.WSCInstallProvider, byref(guid(B)), layers + ":Bytes", byref(chain), 1)
    ids = [one.dwCatalogEntryId for one in listed()]
    assert order(ids[-1], *ids[:-1]) == 0
    assert set_info(A, 0x8) == (0, UNTOUCHED)
    assert listed()[0].szProtocol == "layer over TCP"


# -- listing -----------------------------------------------------------------------------------------------------------


def test_listing_by_protocol_and_with_too_little_room(layers: str, running: None) -> None:
    """catalog 6.4, 6.5; witness R6"""
    chains(A, f"{layers}:Bytes")
    room = ctypes.c_uint32(628 * 11 - 1)
    array = (ws2_32.WSAPROTOCOL_INFOW * 20)()
    call = ws2_32.WSCEnumProtocols
    assert code_of(call, None, array, byref(room)) == (-1, E.WSAENOBUFS)
    assert room.value == 628 * 11
    assert code_of(call, None, array, None) == (-1, E.WSAEFAULT)
    assert code_of(call, None, None, byref(room)) == (-1, E.WSAEFAULT)
    assert call(None, array, byref(room), None) == -1
    for protocols, count in (((17, 0), 4), ((6, 17, 0), 9), ((77, 0), 0)):
        wanted = (ctypes.c_int32 * len(protocols))(*protocols)
        room.value = ctypes.sizeof(array)
        assert code_of(call, wanted, array, byref(room)) == (count, UNTOUCHED)
        assert all(array[n].iProtocol in protocols for n in range(count))


def test_codes_of_listing_for_applications(file: Path) -> None:
    for function in (ws2_32.WSAEnumProtocolsW, ws2_32.WSAEnumProtocolsA):
        room = ctypes.c_uint32(0)
        assert function(None, None, byref(room)) == -1
        assert ws2_32.WSAGetLastError() == E.WSANOTINITIALISED
    file.write_bytes(b"rubbish" * 1000)
    room = ctypes.c_uint32()
    assert code_of(ws2_32.WSCEnumProtocols, None, None, byref(room)) == (-1, E.WSANO_RECOVERY)
    assert code_of(ws2_32.WSCEnumProtocols32, None, None, byref(room)) == (-1, E.WSANO_RECOVERY)


def test_hidden_entries_and_layers_are_for_installers_only(layers: str) -> None:
    """catalog 6.5"""
    chains(A, f"{layers}:Bytes")
    install(B, entry("hidden", provider_flags=PFL_HIDDEN))
    assert ws2_32.WSAStartup(0x0202, byref(ws2_32.WSADATA())) == 0
    try:
        names = [one.szProtocol for one in listed(ws2_32.WSAEnumProtocolsW)]
        assert len(names) == 8
        assert not {"a", "hidden"} & set(names)
        assert {"a", "hidden"} < {one.szProtocol for one in listed()}
        room = ctypes.c_uint32(0)
        assert ws2_32.WSAEnumProtocols(None, None, byref(room)) == -1
        assert (ws2_32.WSAGetLastError(), room.value) == (E.WSAENOBUFS, 8 * 628)
        for arguments in ((None, None, byref(room)), (None, None, None)):
            assert ws2_32.WSAEnumProtocolsA(*arguments) == -1
        assert ws2_32.WSAGetLastError() == E.WSAEFAULT
    finally:
        runtime.cleanup()
        runtime.catalog.reset()


def test_the_narrow_form() -> None:
    install(A, entry("ä" * 200), entry("plain"))
    assert ws2_32.WSAStartup(0x0202, byref(ws2_32.WSADATA())) == 0
    try:
        array = (ws2_32.WSAPROTOCOL_INFOA * 6)()
        room = ctypes.c_uint32(ctypes.sizeof(array))
        assert ws2_32.WSAEnumProtocolsA(None, array, byref(room)) == 6
        assert (array[0].szProtocol, array[5].szProtocol) == (b"ws2spi Tcpip [TCP/IP]", b"plain")
        assert array[4].szProtocol == "ä".encode() * 127, "cut where a character begins"
        assert [one.dwCatalogEntryId for one in array] == list(range(1001, 1007))
    finally:
        runtime.cleanup()
        runtime.catalog.reset()


def path_of(provider: uuid.UUID, function: Any = None, room: int = 300) -> str | tuple[int, int, int]:
    """The path, or (result, code, stored length)."""
    buffer, length = create_unicode_buffer(room), ctypes.c_int32(room)
    answer = code_of(function or ws2_32.WSCGetProviderPath, byref(guid(provider)), buffer, byref(length))
    if answer != (0, UNTOUCHED):
        return (*answer, length.value)
    assert length.value == len(buffer.value) + 1
    return str(buffer.value)


def test_the_path_of_a_provider(running: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """catalog 6.6: environment strings are not expanded"""
    install(A, entry(), path="%LAYERS%/x.py")
    assert path_of(A) == "%LAYERS%/x.py"
    assert path_of(A, room=13) == (-1, E.WSAEFAULT, 14)
    assert path_of(B) == (-1, E.WSAEINVAL, 300)
    assert path_of(BASE_IPV4) == f"ws2spi:{BASE_IPV4}"
    length = ctypes.c_int32(300)
    for arguments in ((byref(guid(A)), None, byref(length)), (byref(guid(A)), create_unicode_buffer(9), None)):
        assert code_of(ws2_32.WSCGetProviderPath, *arguments) == (-1, E.WSAEFAULT)
    assert ws2_32.WSCGetProviderPath(byref(guid(A)), create_unicode_buffer(300), byref(length), None) == -1
    assert path_of(A, ws2_32.WPUGetProviderPath) == (-1, E.WSAEINVAL, 300), "this process started before"
    runtime.read_catalog()
    assert path_of(A, ws2_32.WPUGetProviderPath) == "%LAYERS%/x.py"


# -- categories --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setter", "getter", "add"),
    [
        (ws2_32.WSCSetProviderInfo, ws2_32.WSCGetProviderInfo, ws2_32.WSCInstallProviderAndChains),
        (ws2_32.WSCSetProviderInfo32, ws2_32.WSCGetProviderInfo32, None),
    ],
)
def test_categories_of_a_layer(
    setter: Any, getter: Any, add: Any, layers: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """catalog 6.9"""
    one = byref(guid(A))
    if add:
        done(add, one, f"{layers}:Bytes", "a", 0, None, 0, None)
    else:
        done(ws2_32.WSCInstallProviderAndChains64_32, one, f"{layers}:Bytes", None, "a", 0, None, 0, None)
    info, size = ctypes.c_uint32(7), SIZE_T(4)
    assert code_of(getter, one, 0, byref(info), byref(size), 0) == (0, UNTOUCHED)
    assert info.value == 0
    assert set_info(A, 0x80000009, setter) == (0, UNTOUCHED)
    assert code_of(getter, one, 0, byref(info), byref(size), 0) == (0, UNTOUCHED)
    assert info.value == 0x80000009
    for size_before, target in ((3, byref(info)), (100, None)):
        size.value = size_before
        assert code_of(getter, one, 0, target, byref(size), 0) == (-1, E.WSAEFAULT)
        assert size.value == 4
    assert code_of(getter, one, 0, byref(info), None, 0) == (-1, E.WSAEFAULT)
    assert code_of(getter, None, 0, byref(info), byref(size), 0) == (-1, E.WSAEFAULT)
    assert getter(one, 0, byref(info), byref(size), 0, None) == -1
    assert code_of(setter, None, 0, byref(info), 4, 0) == (-1, E.WSAEFAULT)
    assert code_of(setter, one, 0, None, 4, 0) == (-1, E.WSAEFAULT)
    assert setter(one, 0, byref(info), 4, 0, None) == -1
    assert code_of(setter, one, 1, byref(info), 4, 0) == (-1, ERROR_CALL_NOT_IMPLEMENTED)
    assert code_of(getter, one, 1, byref(info), byref(size), 0) == (-1, ERROR_CALL_NOT_IMPLEMENTED)
    for kind, flags in ((2, 0), (0, 1)):
        assert code_of(setter, one, kind, byref(info), 4, flags) == (-1, E.WSAEINVAL)
        assert code_of(getter, one, kind, byref(info), byref(size), flags) == (-1, E.WSAEINVAL)
    assert code_of(setter, one, 0, byref(info), 8, 0) == (-1, E.WSAEINVAL)
    assert set_info(A, 0x100, setter) == (-1, E.WSAEINVAL)
    for stranger in (B, BASE_IPV4):
        assert set_info(stranger, 1, setter) == (-1, E.WSAEINVAL)
        assert code_of(getter, byref(guid(stranger)), 0, byref(info), byref(size), 0) == (-1, E.WSAEINVALIDPROVIDER)
    with without_rights(file):
        assert set_info(A, 1, setter) == (-1, E.WSANO_RECOVERY)
    with monkeypatch.context() as patch:
        patch.setattr(database.sqlite3, "connect", _raise(MemoryError()))
        assert set_info(A, 1, setter) == (-1, E.WSA_NOT_ENOUGH_MEMORY)
        assert code_of(getter, one, 0, byref(info), byref(size), 0) == (-1, E.WSA_NOT_ENOUGH_MEMORY)
    file.write_bytes(b"rubbish" * 1000)
    assert code_of(getter, one, 0, byref(info), byref(size), 0) == (-1, E.WSANO_RECOVERY)


def category(path: Any, extra: Any = None) -> tuple[int, int, int]:
    found = ctypes.c_uint32(UNTOUCHED)
    lengths = [0 if text is None else len(text) for text in (path, extra)]
    answer = code_of(ws2_32.WSCGetApplicationCategory, path, lengths[0], extra, lengths[1], byref(found))
    return (*answer, found.value)


def test_categories_of_an_application(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """catalog 6.10: known by path and arguments, categories are added"""
    before = ctypes.c_uint32(99)
    assert category("/usr/bin/env") == (-1, E.WSASERVICE_NOT_FOUND, UNTOUCHED)
    assert categorise("/usr/bin/env", None, 0x8, byref(before)) == (0, UNTOUCHED)
    assert before.value == 0
    assert category("/usr/bin/env", "-k x") == (-1, E.WSASERVICE_NOT_FOUND, UNTOUCHED)
    assert categorise("/usr/bin/env", "-k x", 0x1) == (0, UNTOUCHED)
    assert categorise("/usr/bin/env", None, 0x80000000, byref(before)) == (0, UNTOUCHED)
    assert before.value == 0x8
    assert category("/usr/bin/env") == (0, UNTOUCHED, 0x80000008)
    assert category("/usr/bin/env", "-k x") == (0, UNTOUCHED, 0x1)
    monkeypatch.setenv("SOMEWHERE", "/usr")
    assert category("%SOMEWHERE%/bin/../bin/env") == (0, UNTOUCHED, 0x80000008)


def test_codes_of_categorising_an_application(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = byref(ctypes.c_uint32())
    assert categorise(None, None, 1) == (-1, E.WSAEFAULT)
    assert category(None)[:2] == (-1, E.WSAEFAULT)
    assert code_of(ws2_32.WSCGetApplicationCategory, "/x", 2, None, 0, None) == (-1, E.WSAEFAULT)
    assert ws2_32.WSCSetApplicationCategory("/x", 2, None, 0, 1, None, None) == -1
    assert ws2_32.WSCGetApplicationCategory("/x", 2, None, 0, found, None) == -1
    assert ws2_32.WSAGetLastError() == E.WSAEFAULT
    assert categorise("", None, 1) == (-1, E.WSAEINVAL)
    assert category("")[:2] == (-1, E.WSAEINVAL)
    assert categorise("/x", None, 0x100) == (-1, E.WSAEINVAL)
    assert categorise("/x", "\ud800", 1) == (-1, E.WSAEINVAL)
    assert categorise("/x", None, 1) == (0, UNTOUCHED)
    text = create_unicode_buffer("/x and more")
    assert code_of(ws2_32.WSCGetApplicationCategory, text, 2, None, 0, found) == (0, UNTOUCHED), "counted"
    with without_rights(file):
        assert categorise("/x", None, 1) == (-1, E.WSANO_RECOVERY)
    file.write_bytes(b"rubbish" * 1000)
    assert category("/x")[:2] == (-1, E.WSANO_RECOVERY)


_text = some.text(some.characters(), max_size=300) | some.sampled_from(
    ["%A%/x.py", "${\ud800}", "~", "a.b:C:d=e", "/x.py:A"]
)
_number = some.integers(-(2**31), 2**32 - 1) | some.integers(-1, 8)


@hypothesis.settings(
    max_examples=150, deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
@hypothesis.given(_text, _text, _number, _number, _number, some.booleans())
def test_no_argument_makes_an_exception(path: str, name: str, number: int, other: int, size: int, wide: bool) -> None:
    """Whatever texts and numbers come: 0 or a code, and a catalog with nothing wrong but what it names."""
    where: Any = create_unicode_buffer(path) if wide else path
    characters = len(path) if wide else number
    given = infos(entry())
    given[0].ProtocolChain.ChainLen = number if -(2**31) <= number < 2**31 else 0
    given[0].iProtocol = other & 0x7FFFFFFF
    one, info, length = byref(guid(A)), ctypes.c_uint32(other & 0xFFFFFFFF), SIZE_T(max(size, 0))
    calls: list[tuple[Any, ...]] = [
        (ws2_32.WSCInstallProvider, one, where, given, 1),
        (ws2_32.WSCInstallProviderAndChains, byref(guid(B)), where, name, number & 0xFFFFFFFF, None, 0, None),
        (ws2_32.WSCInstallProviderAndChains, byref(guid(B)), where, name, 0x20000, given, 1, None),
        (ws2_32.WSCUpdateProvider, one, where, given, 1),
        (ws2_32.WSCSetProviderInfo, byref(guid(B)), 0, byref(info), 4, 0),
        (ws2_32.WSCSetProviderInfo, one, number, byref(info), size, other),
        (ws2_32.WSCGetProviderInfo, one, number, byref(info), byref(length), other),
        (
            ws2_32.WSCSetApplicationCategory,
            where,
            characters,
            name,
            size,
            other & 0xFFFFFFFF,
            None,
        ),
        (ws2_32.WSCGetApplicationCategory, where, characters, name, size, byref(info)),
        (ws2_32.WSCDeinstallProvider, one),
    ]
    for function, *arguments in calls:
        result, code = code_of(function, *arguments)
        assert (result == 0) == (code == UNTOUCHED), (function, result, code)
    assert isinstance(order(number & 0xFFFFFFFF, other & 0xFFFFFFFF), int)
    # "chain": the provider of the last call may lie below another one.
    assert {problem.kind for problem in StoredCatalog().problems()} <= {"module", "chain"}
    code_of(ws2_32.WSCDeinstallProvider, byref(guid(B)))


def test_a_catalog_that_cannot_be_read_keeps_winsock_from_starting(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """errors: WSASYSNOTREADY; one line says why"""
    file.write_bytes(b"rubbish" * 1000)
    assert ws2_32.WSAStartup(0x0202, byref(ws2_32.WSADATA())) == E.WSASYSNOTREADY
    (line,) = capsys.readouterr().err.splitlines()
    assert str(file) in line
    assert runtime.starts == 0
    os.unlink(file)
    assert ws2_32.WSAStartup(0x0202, byref(ws2_32.WSADATA())) == 0
    runtime.cleanup()


def test_nothing_needs_a_file_that_only_uses_the_built_in_entries(file: Path, running: None) -> None:
    s = ws2_32.socket(2, 1, 6)
    assert ws2_32.closesocket(s) == 0
    assert len(listed(ws2_32.WSAEnumProtocolsW)) == 4
    assert not file.exists()
    assert tuple((one.iAddressFamily, one.iSocketType, one.iProtocol) for one in listed())[:4] == KINDS
    assert [(one.iAddressFamily, one.iSocketType, one.dwProviderFlags) for one in listed()[4:]] == [
        (2, 3, 12),
        (23, 3, 12),
    ]
    assert sqlite3.sqlite_version_info > (3, 20)
