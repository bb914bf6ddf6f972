"""The file that keeps the name-space catalog: other processes, damage, rights, and two writers at once."""

import os
import sqlite3
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from support import winsock
from support.names import byref, guid
from support.winsock import error
from ws2spi import StoredCatalog, WinsockError, ws2_32
from ws2spi._abi import names as n
from ws2spi._abi.errors import WSAError
from ws2spi._runtime.names.catalog import name_spaces
from ws2spi._runtime.names.entries import DNS_ENTRY, NameSpaceEntry

OWN = uuid.UUID("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee")

CHILD = """
import ctypes, sys, uuid
from ws2spi import ws2_32
from ws2spi._abi.types import GUID
provider_id = GUID.from_buffer_copy(uuid.UUID(sys.argv[1]).bytes_le)
sys.exit(ws2_32.WSCInstallNameSpace("Child", sys.argv[2], 12, 1, ctypes.byref(provider_id)) and 1)
"""

PROVIDER = """
from ws2spi import NameSpaceProvider

class Child(NameSpaceProvider):
    def lookup(self, query):
        if query.name == "child.test":
            yield query.answer("10.0.0.8")
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalog file of the test's own, not there yet."""
    path = tmp_path / "own" / "catalog.sqlite"
    monkeypatch.setenv("WS2SPI_CATALOG", str(path))
    return path


def child(provider_id: uuid.UUID, path: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", CHILD, str(provider_id), path])


def entry(provider_id: uuid.UUID = OWN) -> NameSpaceEntry:
    return NameSpaceEntry(provider_id, n.NS_NIS, "Own", "own.py:Own", version=3, blob=b"\0\1")


def test_what_another_process_installs_is_used_here(file: Path, tmp_path: Path) -> None:
    (tmp_path / "child.py").write_text(PROVIDER)
    assert child(OWN, f"{tmp_path}/child.py:Child").wait(30) == 0
    winsock.start()
    assert ws2_32.gethostbyname(b"child.test") != 0, error()
    winsock.stop()


def test_without_a_file_there_is_the_built_in_provider(file: Path) -> None:
    assert name_spaces.store.entries() == [DNS_ENTRY]
    name_spaces.store.reset()
    assert not file.exists(), "looking makes none"


def test_every_member_is_kept(file: Path) -> None:
    name_spaces.store.install(entry())
    assert name_spaces.store.entries() == [DNS_ENTRY, entry()]
    name_spaces.store.enable(OWN, False)
    assert name_spaces.store.entries()[1] == entry().enabled(False)
    name_spaces.store.order([OWN])
    assert name_spaces.store.entries() == [entry().enabled(False), DNS_ENTRY]
    name_spaces.store.remove(DNS_ENTRY.provider_id)
    assert name_spaces.store.entries() == [entry().enabled(False)]
    name_spaces.store.reset()
    assert name_spaces.store.entries() == [DNS_ENTRY]


def test_starting_the_catalog_over_takes_the_name_spaces_along(file: Path) -> None:
    name_spaces.store.install(entry())
    StoredCatalog().reset()
    assert name_spaces.store.entries() == [DNS_ENTRY]
    name_spaces.store.install(entry())
    assert name_spaces.store.entries() == [DNS_ENTRY, entry()]


def test_a_refused_change_leaves_no_trace(file: Path) -> None:
    name_spaces.store.install(entry())
    before = file.read_bytes()
    for refused in (
        lambda: name_spaces.store.install(entry()),
        lambda: name_spaces.store.remove(uuid.uuid4()),
        lambda: name_spaces.store.order([OWN, OWN]),
    ):
        with pytest.raises(WinsockError):
            refused()
    assert file.read_bytes() == before


def test_many_processes_install_at_once(file: Path) -> None:
    ids = [uuid.uuid4() for _ in range(4)]
    children = [child(one, "x.py") for one in ids]
    assert [one.wait(60) for one in children] == [0] * len(ids)
    assert {one.provider_id for one in name_spaces.store.entries()} == {DNS_ENTRY.provider_id, *ids}


def install() -> int:
    """WSCInstallNameSpace; 0 or the code."""
    return error() if ws2_32.WSCInstallNameSpace("Own", "own.py", n.NS_DNS, 1, byref(guid(OWN))) else 0


def test_a_damaged_file(file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"no data base" * 100)
    assert install() == WSAError.WSANO_RECOVERY
    assert ws2_32.WSCUnInstallNameSpace(byref(guid(OWN))) == -1
    assert error() == WSAError.WSANO_RECOVERY
    with pytest.raises(WinsockError) as caught:
        name_spaces.store.entries()
    assert caught.value.code == WSAError.WSANO_RECOVERY


def test_a_file_that_is_damaged_while_we_run(file: Path) -> None:
    winsock.start()
    file.parent.mkdir()
    file.write_bytes(b"no data base" * 100)
    assert ws2_32.gethostbyname(b"x.test") == 0
    assert error() == WSAError.WSANO_RECOVERY
    file.unlink()
    winsock.stop()


def test_no_rights(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **named: object) -> None:
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(os, "makedirs", refuse)
    assert install() == WSAError.WSAEACCES


@pytest.mark.parametrize(
    ("number", "code"),
    [(sqlite3.SQLITE_READONLY, WSAError.WSAEACCES), (sqlite3.SQLITE_FULL, WSAError.WSASYSCALLFAILURE),
     (sqlite3.SQLITE_NOMEM, WSAError.WSA_NOT_ENOUGH_MEMORY), (sqlite3.SQLITE_CORRUPT, WSAError.WSANO_RECOVERY)],
)  # fmt: skip
def test_what_the_data_base_says(file: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int) -> None:
    from ws2spi._runtime.names import stored

    def fail(connection: sqlite3.Connection) -> list[NameSpaceEntry]:
        failure = sqlite3.OperationalError("as told")
        failure.sqlite_errorcode = number
        raise failure

    monkeypatch.setattr(stored, "read", fail)
    assert install() == code
