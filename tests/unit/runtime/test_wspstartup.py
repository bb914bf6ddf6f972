"""WSPStartup, sentence by sentence (provider-functions 1); what it may not answer is in `test_tables.py`."""

import ctypes
from typing import Any

import pytest

import ws2spi
from support.hand_written import HandWritten
from support.memory_provider import memory_entry
from support.pass_through import PassThrough
from ws2spi import ws2_32
from ws2spi._abi.constants import INVALID_SOCKET
from ws2spi._abi.errors import WSAError
from ws2spi._abi.types import DWORD, INT, WSPDATA, WSPPROC_NAMES
from ws2spi._runtime.catalog import BASE_IPV4, CatalogEntry
from ws2spi._runtime.loading import PATH_PREFIX, install_provider, load_startup
from ws2spi._runtime.process import runtime
from ws2spi._runtime.sockets import sockets
from ws2spi._runtime.tables import ProcTable, upcall_table
from ws2spi.providers.layer import Layer

pytestmark = pytest.mark.usefixtures("started")
byref = ctypes.byref


def base_entry() -> CatalogEntry:
    entry = runtime.catalog.by_provider(BASE_IPV4)
    assert entry is not None
    return entry


def begin(version: int = 0x0202) -> tuple[int, WSPDATA, ProcTable]:
    """The base provider's WSPStartup, as a layer calls it: (code, WSPDATA, its table)."""
    data, table = WSPDATA(), ProcTable()
    startup = load_startup(f"{PATH_PREFIX}{BASE_IPV4}")
    return startup(version, ctypes.pointer(data), None, upcall_table(), table), data, table


@pytest.mark.parametrize(
    ("requested", "version"),
    [
        (0x0001, 0x0001),
        (0x0101, 0x0101),
        (0x0501, 0x0501),
        (0x0002, 0x0002),
        (0x0102, 0x0102),
        (0x0202, 0x0202),
        (0x0302, 0x0202),
        (0x0003, 0x0202),
        (0xFFFF, 0x0202),
    ],
)
def test_version_is_the_lower_of_what_is_asked_for_and_the_highest(requested: int, version: int) -> None:
    """Low byte major, high byte minor; wHighVersion is the provider's own highest."""
    code, data, _ = begin(requested)
    assert (code, data.wVersion, data.wHighVersion) == (0, version, 0x0202)


@pytest.mark.parametrize("requested", [0x0000, 0x0900])
def test_a_version_below_the_lowest_is_refused_by_the_return_value(requested: int) -> None:
    """The error code itself is returned, not stored."""
    code, data, table = begin(requested)
    assert code == WSAError.WSAVERNOTSUPPORTED
    assert data.wVersion == 0
    assert table.missing()


def test_a_null_structure_is_wsaefault() -> None:
    startup = load_startup(f"{PATH_PREFIX}{BASE_IPV4}")
    assert startup(0x0202, None, None, upcall_table(), ProcTable()) == WSAError.WSAEFAULT
    assert startup(0x0202, ctypes.pointer(WSPDATA()), None, upcall_table(), None) == WSAError.WSAEFAULT


def test_the_data_names_the_provider_and_every_entry_is_filled_in() -> None:
    code, data, table = begin()
    assert code == 0
    assert data.szDescription
    assert table.missing() == []


@pytest.mark.parametrize("missing", WSPPROC_NAMES)
def test_every_entry_must_be_there(missing: str) -> None:
    """WSAEINVALIDPROCTABLE, and the start is balanced as far as there is a WSPCleanup."""
    cleaned: list[int] = []

    def startup(version: int, data: Any, info: Any, upcalls: Any, table: Any) -> int:
        data.contents.wVersion = version
        for name in WSPPROC_NAMES:
            setattr(table, f"lp{name}", lambda *_: -1)
        table.lpWSPCleanup = lambda lpErrno: cleaned.append(1) or 0
        setattr(table, f"lp{missing}", None)
        return 0

    install_provider(startup, [memory_entry()])
    assert ws2_32.socket(2, 1, 6) == INVALID_SOCKET
    assert ws2_32.WSAGetLastError() == WSAError.WSAEINVALIDPROCTABLE
    assert cleaned == ([] if missing == "WSPCleanup" else [1])


def test_a_provider_is_started_when_a_socket_first_needs_it_and_by_nothing_else() -> None:
    """Lazy; and WSPStartup is the first call that a process makes into a provider."""
    provider = HandWritten()
    ws2_32.WSAStartup(0x0202, byref(ws2_32.WSADATA()))
    ws2_32.WSCEnumProtocols(None, None, byref(DWORD(0)), byref(INT()))
    ws2_32.WSACleanup()
    assert provider.calls == []
    ws2_32.closesocket(ws2_32.socket(2, 1, 6))
    assert provider.calls[0] == "WSPStartup"
    assert provider.calls.count("WSPStartup") == 1


def test_each_success_needs_one_wspcleanup() -> None:
    """The count is the process's: sockets go on until the runtime's own start is balanced; one too many is refused."""
    s = ws2_32.socket(2, 1, 6)
    tables = [begin()[2] for _ in range(3)]
    code = INT()
    for table in tables:
        assert table.lpWSPCleanup(byref(code)) == 0
    assert s in sockets.entries
    assert tables[0].lpWSPCleanup(byref(code)) == -1
    assert code.value == WSAError.WSANOTINITIALISED
    assert ws2_32.bind(s, byref(ws2_32.SOCKADDR_IN(2)), 16) == 0, "and has ended nothing"
    ws2_32.closesocket(s)


def test_a_layer_that_forgets_its_wspcleanup_keeps_nothing_alive() -> None:
    begin()
    s = ws2_32.socket(2, 1, 6)
    assert ws2_32.WSACleanup() == 0
    assert s not in sockets.entries
    assert ws2_32.WSAStartup(0x0202, byref(ws2_32.WSADATA())) == 0
    code = INT()
    assert begin()[2].lpWSPCleanup(byref(code)) == 0
    assert begin()[2].lpWSPCleanup(byref(code)) == 0, "a restart counts from nothing"


def test_all_get_the_one_upcall_table_and_a_layer_hands_it_down_unchanged() -> None:
    """`Upcalls`: the latest one wins; here there is one for the life of the process."""
    seen: list[Any] = []
    base, layer = HandWritten(), PassThrough()
    plain = base.WSPStartup

    def startup(version: int, data: Any, info: Any, upcalls: Any, table: Any) -> int:
        seen.append(upcalls)
        return plain(version, data, info, upcalls, table)

    layer.install(install_provider(startup, [memory_entry(name="below", protocol=4711)])[0])
    assert ws2_32.socket(2, 1, 4711) != INVALID_SOCKET
    assert len(seen) >= 1
    assert all(one.contents is upcall_table() for one in (*seen, layer.up))


def test_a_layer_gets_the_whole_chain_and_the_base_its_own_info() -> None:
    """`lpProtocolInfo`, for WSPStartup and WSPSocket."""
    infos: list[tuple[str, int, list[int]]] = []
    layer = PassThrough()

    def note(what: str, info: Any) -> None:
        chain = info.contents.ProtocolChain
        infos.append((what, info.contents.dwCatalogEntryId, list(chain.ChainEntries)[: chain.ChainLen]))

    base = HandWritten()
    start, socket = base.WSPStartup, base.WSPSocket

    def startup(version: int, data: Any, info: Any, upcalls: Any, table: Any) -> int:
        note("base WSPStartup", info)
        code = start(version, data, info, upcalls, table)
        table.lpWSPSocket = lambda *arguments: (note("base WSPSocket", arguments[3]), socket(*arguments))[1]
        return code

    entry = install_provider(startup, [memory_entry(name="below", protocol=4711)])[0]
    chain = layer.install(entry)
    began = layer.WSPStartup

    def layer_startup(version: int, data: Any, info: Any, upcalls: Any, table: Any) -> int:
        note("layer WSPStartup", info)
        return began(version, data, info, upcalls, table)

    layer.WSPStartup = layer_startup  # type: ignore[method-assign]
    runtime.catalog.remove([chain.catalog_id, layer.own_id])
    chain = layer.install(entry)
    assert ws2_32.socket(2, 1, 4711) != INVALID_SOCKET
    assert ("layer WSPStartup", chain.catalog_id, [layer.own_id, entry.catalog_id]) in infos
    below = [info for info in infos if info[0].startswith("base")]
    assert {what for what, _, _ in below} == {"base WSPStartup", "base WSPSocket"}
    assert all(identity == entry.catalog_id and len(members) == 1 for _, identity, members in below)


def test_one_of_our_stacks_hands_the_base_its_own_info() -> None:
    """The same rule for a `Layer` over a hand-written base."""
    base = HandWritten()
    infos: list[tuple[int, int]] = []
    socket = base.WSPSocket

    def noted(*arguments: Any) -> int:
        infos.append((arguments[3].contents.dwCatalogEntryId, arguments[3].contents.ProtocolChain.ChainLen))
        return socket(*arguments)

    base.WSPSocket = noted  # type: ignore[method-assign]

    class Bytes(Layer):
        async def send(self, conn: Any, data: bytes) -> None:
            await conn.below.send(data)

    with ws2spi.install(ws2spi.Stack([Bytes()])):
        assert ws2_32.socket(2, 1, 6) != INVALID_SOCKET
    assert infos == [(base.entry.catalog_id, 1)]


def test_a_layers_own_wspcleanup_runs_once_and_what_is_below_after_it() -> None:
    """3.3, for a layer that overrides the WSP function itself."""
    order: list[str] = []

    class Ends(Layer):
        async def send(self, conn: Any, data: bytes) -> None:
            await conn.below.send(data)

        def WSPCleanup(self, below: Any, lpErrno: Any) -> int:
            order.append(f"layer, {len(sockets)} open")
            result: int = below.lpWSPCleanup(lpErrno)
            order.append("below")
            return result

    with ws2spi.install(ws2spi.Stack([Ends()])):
        assert ws2_32.socket(2, 1, 6) != INVALID_SOCKET
        assert ws2_32.WSACleanup() == 0
    assert order == ["layer, 1 open", "below"]
