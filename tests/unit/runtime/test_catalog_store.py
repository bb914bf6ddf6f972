"""The catalog in its file: transactions, ids, order, what a damaged or foreign file gives."""

import os
import sqlite3
import uuid
from pathlib import Path
from typing import Any

import pytest

from support.catalogs import TCP, UDP, entry, without_rights
from ws2spi._abi.constants import LSP_FIREWALL, PFL_HIDDEN, XP1_IFS_HANDLES
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._runtime.catalog import BASE_ENTRIES, BASE_IPV4, StoredCatalog, database, place
from ws2spi._runtime.catalog.snapshot import Snapshot

A, B, C = (uuid.UUID(int=number) for number in (1, 2, 3))


@pytest.fixture
def stored(tmp_path: Path) -> StoredCatalog:
    return StoredCatalog(str(tmp_path / "folder" / "catalog.sqlite"))


def refused(code: WSAError, function: Any, *arguments: Any) -> str:
    """The detail of the refusal."""
    with pytest.raises(WinsockError) as raised:
        function(*arguments)
    assert raised.value.code is code, raised.value
    assert "\n" not in raised.value.detail
    return raised.value.detail


def ids(stored: StoredCatalog) -> list[int]:
    return [one.catalog_id for one in stored.entries()]


def test_without_a_file_there_are_the_built_in_entries_and_looking_makes_none(stored: StoredCatalog) -> None:
    assert tuple(stored.entries()) == BASE_ENTRIES
    assert stored.serial() == 0
    assert stored.problems() == []
    assert not os.path.exists(os.path.dirname(stored.path))


def test_installed_entries_come_last_and_keep_every_field(stored: StoredCatalog) -> None:
    """catalog 5, 6.1"""
    given = entry("mine", protocol=200, service_flags=0xFFFFFFFF, message_size=2**32 - 1, version=-3, max_sockaddr=99)
    (made,) = stored.install(A, "/x.py", [given])
    assert ids(stored) == [1001, 1002, 1003, 1004, 999, 1000, 1005]
    assert stored.entries()[-1] == made
    assert (made.service_flags, made.message_size, made.version, made.provider_id) == (0xFFFFFFFF, 2**32 - 1, -3, A)
    assert stored.provider_path(A) == "/x.py"


def test_ids_are_never_given_out_twice(stored: StoredCatalog) -> None:
    """catalog 11.1: after a removal and after a reset"""
    stored.install(A, "/x.py", [entry()])
    stored.deinstall(A)
    stored.install(A, "/x.py", [entry()])
    assert ids(stored)[-1] == 1006
    assert stored.reset() == ""
    assert ids(stored) == [1001, 1002, 1003, 1004, 999, 1000]
    stored.install(A, "/x.py", [entry()])
    assert ids(stored)[-1] == 1007


def test_a_refused_change_changes_nothing(stored: StoredCatalog) -> None:
    stored.install(A, "/x.py", [entry()])
    before, serial = stored.snapshot(), stored.serial()
    assert "already installed" in refused(WSAError.WSANO_RECOVERY, stored.install, A, "/y.py", [entry()])
    refused(WSAError.WSAEINVAL, stored.install, B, "/y.py", [])
    refused(WSAError.WSAEINVAL, stored.install, B, "", [entry()])
    refused(WSAError.WSAEINVAL, stored.install, B, "/\ud800.py", [entry()])
    refused(WSAError.WSAEINVAL, stored.install, B, "/y.py", [entry("\udc00")])
    refused(WSAError.WSAEINVAL, stored.install, B, "/y.py", [entry("x" * 256)])
    refused(WSAError.WSAEINVAL, stored.order, [1001, 1002])
    refused(WSAError.WSAEINVAL, stored.order, [1001, 1002, 1003, 1004, 1004])
    assert (stored.snapshot(), stored.serial()) == (before, serial)


@pytest.mark.parametrize("chain", [(4711, 1001), (1001, 1001), tuple(range(1001, 1009))])
def test_a_chain_names_what_is_there_each_once_and_at_most_seven(stored: StoredCatalog, chain: tuple[int, ...]) -> None:
    """catalog 4, 11.2"""
    stored.install(A, "/x.py", [entry() for _ in range(6)])
    refused(WSAError.WSAEINVAL, stored.install, B, "/y.py", [entry(chain=chain, base=False)])


def test_a_layer_over_every_base_entry(stored: StoredCatalog) -> None:
    """catalog 6.2: the hidden entry first, one chain for each protocol, all on top"""
    own = stored.install_chains(A, "/x.py", "a")
    first, *chains = stored.entries()[:5]
    assert (own, first.catalog_id, first.chain_length, first.provider_flags) == (1005, 1005, 0, PFL_HIDDEN)
    assert [one.chain for one in chains] == [(1005, base.catalog_id) for base in BASE_ENTRIES if not base.hidden]
    assert {one.provider_id for one in chains} == {A}
    assert not any(one.ifs for one in chains)
    assert chains[0].name == "a over [ws2spi Tcpip [TCP/IP]]"


def test_a_second_layer_lies_over_the_base_or_over_the_topmost(stored: StoredCatalog) -> None:
    """catalog 6.2: NULL list; list given, only the three fields compared, duplicates ignored"""
    stored.install_chains(A, "/x.py", "a")
    stored.install_chains(B, "/x.py", "b")
    assert stored.entries()[1].chain == (1010, 1001)
    stored.install_chains(C, "/x.py", "c", kinds=[TCP, TCP])
    own, chain, *_ = stored.entries()
    assert chain.chain == (own.catalog_id, 1011, 1001)
    assert len(stored.snapshot().of(C)) == 2


def test_the_seventh_layer_over_another_is_too_many(stored: StoredCatalog) -> None:
    """catalog 4: MAX_PROTOCOL_CHAIN"""
    for number in range(6):
        stored.install_chains(uuid.UUID(int=10 + number), __file__, f"layer {number}", kinds=[TCP])
    assert stored.entries()[1].chain_length == 7
    refused(WSAError.WSANO_RECOVERY, stored.install_chains, C, "/x.py", "seventh", 0, [TCP])
    assert stored.problems() == []


def test_chains_of_an_ifs_layer_have_ids_of_their_own_and_go_with_it(stored: StoredCatalog) -> None:
    """layering 3: one GUID for each chain"""
    stored.install_chains(A, "/x.py", "a", XP1_IFS_HANDLES)
    providers = [one.provider_id for one in stored.entries()[:5]]
    assert providers[0] == A
    assert len(set(providers)) == 5
    assert all(one.ifs for one in stored.entries()[:5])
    stored.deinstall(A)
    assert tuple(stored.entries()) == BASE_ENTRIES
    assert set(stored.snapshot().providers) == set(Snapshot().providers)


def test_refusals_of_a_layer(stored: StoredCatalog) -> None:
    """catalog 6.2: the conditions of WSAEINVAL and WSANO_RECOVERY"""
    stored.install_chains(A, "/x.py", "a", 0, [TCP])
    for arguments in (
        (B, "", "b"),
        (B, "/x.py", ""),
        (B, "/x.py", "b" * 256),
        (B, "/x.py", "b", 1),
        (B, "/x.py", "b", 0, []),
        (B, "/x.py", "b", 0, [(2, 1, 99)]),
        (A, "/x.py", "b"),
        (B, "/x.py", "a"),
    ):
        refused(WSAError.WSAEINVAL, stored.install_chains, *arguments)
    stored.replace(lambda before: Snapshot((), {}, before.next_id))
    refused(WSAError.WSANO_RECOVERY, stored.install_chains, B, "/x.py", "b")


def test_an_ifs_layer_over_handles_of_another_layers_own_promises_no_descriptors(stored: StoredCatalog) -> None:
    """catalog 4: the attributes of a chain describe the chain as a whole"""
    stored.install_chains(A, "/x.py", "a", 0, [TCP])
    stored.install_chains(B, "/y.py", "b", XP1_IFS_HANDLES, [TCP, UDP])
    own, over_a_layer, over_the_base = stored.entries()[:3]
    assert (own.ifs, over_a_layer.ifs, over_the_base.ifs) == (True, False, True)
    assert over_a_layer.provider_id != over_the_base.provider_id != own.provider_id


def test_removing_a_member_leaves_a_broken_chain_and_verify_names_it(stored: StoredCatalog) -> None:
    """catalog 11.3"""
    stored.install_chains(A, __file__, "a", 0, [TCP])
    stored.install_chains(B, __file__, "b", 0, [TCP])
    stored.deinstall(A)
    (problem,) = stored.problems()
    assert problem.kind == "chain"
    assert "1008 'b over" in problem.text
    assert "1006 is not in the catalog" in problem.text
    refused(WSAError.WSAEINVAL, stored.deinstall, A)


def test_an_update_keeps_ids_and_places(stored: StoredCatalog) -> None:
    """catalog 6.8"""
    stored.install(A, "/x.py", [entry("one"), entry("two")])
    stored.install(B, "/y.py", [entry("three")])
    stored.update(A, "/z.py", [entry("uno"), entry("due", catalog_id=1005), entry("tre")])
    assert [(one.catalog_id, one.name) for one in stored.entries()[6:]] == [
        (1005, "due"), (1006, "uno"), (1007, "three"), (1008, "tre"),
    ]  # fmt: skip
    assert stored.provider_path(A) == "/z.py"
    for arguments in ((C, "/z.py", [entry()]), (A, "", [entry()]), (A, "/z.py", []),
                      (A, "/z.py", [entry(catalog_id=1007)]), (A, "/z.py", [entry(chain=(4711, 1001))])):  # fmt: skip
        refused(WSAError.WSAEINVAL, stored.update, *arguments)


def test_two_catalogs_live_side_by_side(stored: StoredCatalog) -> None:
    """catalog 4: one for 64-bit and one for 32-bit processes, ids and GUIDs each of its own"""
    other = StoredCatalog(stored.path, bits=32)
    stored.install(A, "/x.py", [entry()])
    assert len(other.entries()) == 6
    stored.install_chains(B, "/x.py", "b", path32="/x32.py", both=True, kinds=[UDP])
    assert (ids(stored)[0], ids(other)[0]) == (1006, 1005)
    assert (stored.provider_path(B), other.provider_path(B)) == ("/x.py", "/x32.py")
    other.deinstall(B)
    assert (len(other.entries()), len(stored.entries())) == (6, 9)
    refused(WSAError.WSAEINVAL, other.provider_path, B)


def test_categories_belong_to_the_hidden_entry(stored: StoredCatalog) -> None:
    stored.install_chains(A, "/x.py", "a", XP1_IFS_HANDLES)
    stored.set_categories(A, LSP_FIREWALL)
    assert stored.get_categories(A) == LSP_FIREWALL
    chain = stored.entries()[1].provider_id
    for provider in (chain, BASE_IPV4, C):
        refused(WSAError.WSAEINVAL, stored.set_categories, provider, 1)
        refused(WSAError.WSAEINVALIDPROVIDER, stored.get_categories, provider)
    refused(WSAError.WSAEINVAL, stored.set_categories, A, 0x100)


# -- the file ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"no database, and long enough to be one" * 50, b"short"])
def test_a_file_that_is_no_database_is_one_line_and_reset_mends_it(stored: StoredCatalog, content: bytes) -> None:
    os.makedirs(os.path.dirname(stored.path))
    Path(stored.path).write_bytes(content)
    assert stored.path in refused(WSAError.WSANO_RECOVERY, stored.snapshot)
    refused(WSAError.WSANO_RECOVERY, stored.install, A, "/x.py", [entry()])
    assert [problem.kind for problem in stored.problems()] == ["file"]
    aside = stored.reset()
    assert Path(aside).read_bytes() == content
    assert tuple(stored.entries()) == BASE_ENTRIES
    stored.install(A, __file__, [entry()])
    assert ids(stored)[-1] > 1_000_000, "which ids the lost file had given out is unknown"
    assert stored.problems() == []


def test_a_damaged_page_is_one_line(stored: StoredCatalog) -> None:
    for number in range(40):
        stored.install(uuid.UUID(int=number), "/x.py" * 100, [entry("x" * 200)])
    data = bytearray(Path(stored.path).read_bytes())
    for page in range(4096, len(data), 4096):
        data[page : page + 300] = os.urandom(300)
    Path(stored.path).write_bytes(data)
    refused(WSAError.WSANO_RECOVERY, stored.snapshot)
    assert stored.problems()
    assert os.path.exists(stored.reset())


def test_a_catalog_of_a_newer_ws2spi_is_left_alone(stored: StoredCatalog) -> None:
    stored.install(A, "/x.py", [entry()])
    with sqlite3.connect(stored.path) as connection:
        connection.execute(f"PRAGMA user_version = {database.SCHEMA + 1}")
    connection.close()
    for function, *arguments in ((stored.snapshot,), (stored.install, B, "/x.py", [entry()])):
        assert "newer ws2spi" in refused(WSAError.WSANO_RECOVERY, function, *arguments)


def test_a_database_of_something_else_is_left_alone(stored: StoredCatalog) -> None:
    os.makedirs(os.path.dirname(stored.path))
    with sqlite3.connect(stored.path) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    assert "something else" in refused(WSAError.WSANO_RECOVERY, stored.install, A, "/x.py", [entry()])


def test_an_empty_file_stands_for_the_built_in_entries(stored: StoredCatalog) -> None:
    """What a process leaves that was killed while it made the file."""
    os.makedirs(os.path.dirname(stored.path))
    Path(stored.path).touch()
    assert tuple(stored.entries()) == BASE_ENTRIES
    assert (stored.problems(), stored.serial()) == ([], 0)
    stored.install(A, "/x.py", [entry()])
    assert ids(stored)[-1] == 1005


def test_rows_that_nobody_wrote_are_one_line(stored: StoredCatalog) -> None:
    stored.install(A, "/x.py", [entry()])
    with sqlite3.connect(stored.path) as connection:
        connection.execute("UPDATE entries SET provider = 'nonsense' WHERE id = 1005")
    connection.close()
    refused(WSAError.WSANO_RECOVERY, stored.snapshot)
    assert [problem.kind for problem in stored.problems()] == ["file"]


def test_verify_names_equal_places_lost_files_and_lost_providers(stored: StoredCatalog) -> None:
    stored.install(A, "/nowhere/x.py:Name", [entry()])
    stored.install(B, "no.such.module", [entry()])
    stored.install(C, "json:loads", [entry()])
    with sqlite3.connect(stored.path) as connection:
        connection.execute("UPDATE entries SET position = 0 WHERE id = 1002")
        connection.execute("DELETE FROM providers WHERE provider = ?", (str(C),))
    connection.close()
    kinds = {problem.kind: problem.text for problem in stored.problems()}
    assert "1001, 1002" in kinds["order"]
    assert "1007" in kinds["provider"]
    texts = " ".join(problem.text for problem in stored.problems())
    assert "no file /nowhere/x.py" in texts
    assert "no module 'no.such.module'" in texts


def test_without_rights_it_can_be_read_and_not_written(stored: StoredCatalog) -> None:
    """catalog 6: WSANO_RECOVERY"""
    stored.install(A, "/x.py", [entry()])
    with without_rights(Path(stored.path)):
        assert len(stored.entries()) == 7
        for function, *arguments in (
            (stored.install, B, "/x.py", [entry()]),
            (stored.install_chains, B, "/x.py", "b"),
            (stored.deinstall, A),
            (stored.update, A, "/x.py", [entry()]),
            (stored.order, [1005, 1004, 1003, 1002, 1001, 999, 1000]),
            (stored.set_application, "/bin/true", "", 1),
            (stored.reset,),
        ):
            refused(WSAError.WSANO_RECOVERY, function, *arguments)


def test_a_catalog_that_cannot_be_looked_at_is_not_passed_by(stored: StoredCatalog) -> None:
    stored.install(A, "/x.py", [entry()])
    folder = Path(stored.path).parent
    folder.chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        assert stored.exists()
        refused(WSAError.WSANO_RECOVERY, stored.snapshot)
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o700)
    assert len(stored.entries()) == 7


def test_a_place_where_no_file_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "catalog.sqlite", tmp_path):
        refused(WSAError.WSANO_RECOVERY, StoredCatalog(str(path)).install, A, "/x.py", [entry()])


def test_the_second_writer_waits_and_gives_up(stored: StoredCatalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """catalog 11.4: WSATRY_AGAIN; WSAEINPROGRESS where the page has it"""
    stored.install(A, "/x.py", [entry()])
    monkeypatch.setattr(database, "PATIENCE", 0.02)
    with database.transaction(stored.path, write=True):
        refused(WSAError.WSATRY_AGAIN, stored.deinstall, A)
        refused(WSAError.WSAEINPROGRESS, stored.install_chains, B, "/x.py", "b")
        assert len(stored.entries()) == 7, "readers go on"
    stored.deinstall(A)


def test_a_change_that_raises_is_undone(stored: StoredCatalog) -> None:
    stored.install(A, "/x.py", [entry()])

    def fail(before: Snapshot) -> Snapshot:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stored.replace(fail)
    assert len(stored.entries()) == 7
    stored.deinstall(A)


def test_where_the_file_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WS2SPI_CATALOG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", "/home/somebody")
    assert place.path() == f"{tmp_path}/ws2spi/catalog.sqlite"
    for useless in ("", "relative"):
        monkeypatch.setenv("XDG_CONFIG_HOME", useless)
        assert place.path() == "/home/somebody/.config/ws2spi/catalog.sqlite"
    monkeypatch.setenv("WS2SPI_CATALOG", "/etc/ws2spi.sqlite")
    assert place.path() == "/etc/ws2spi.sqlite"


def test_a_file_with_letters_that_mean_something_to_sqlite(tmp_path: Path) -> None:
    stored = StoredCatalog(str(tmp_path / "a?mode=ro#%41" / "c.sqlite"))
    stored.install(A, "/x.py", [entry()])
    assert os.path.exists(stored.path)
    assert len(stored.entries()) == 7
