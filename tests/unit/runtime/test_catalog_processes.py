"""The catalog file under many processes at once, and under processes that are killed (catalog 9, 11.1, 11.4)."""

import os
import random
import select
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.catalogs import TCP, entry
from ws2spi._abi.errors import WinsockError
from ws2spi._runtime.catalog import BASE_ENTRIES, StoredCatalog, database
from ws2spi._runtime.catalog.snapshot import NATIVE, Snapshot
from ws2spi._runtime.catalog.transfer import export, import_

HERE = __file__  # a provider path that is there, so that `problems` has nothing to say of it


@pytest.fixture
def stored(tmp_path: Path) -> StoredCatalog:
    return StoredCatalog(str(tmp_path / "catalog.sqlite"))


class Witness:
    """What must hold in every catalog that anybody ever sees."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {base.catalog_id: base.name for base in BASE_ENTRIES}  # {id: what it was given to}
        self.next_id = 0
        self.serial = 0

    def look(self, stored: StoredCatalog) -> Snapshot:
        assert stored.problems() == []
        snapshot, _, serial = stored.view()
        assert snapshot.next_id >= self.next_id
        assert serial >= self.serial
        self.next_id, self.serial = snapshot.next_id, serial
        for one in snapshot.entries:
            assert self.names.setdefault(one.catalog_id, one.name) == one.name, "an id was given out twice"
        return snapshot


# -- killed at every statement -----------------------------------------------------------------------------------------


def changes(stored: StoredCatalog) -> dict[str, Callable[[], Any]]:
    """Each kind of change, on a catalog with two layers."""
    first = uuid.UUID(int=1)
    document = export(stored)
    return {
        "install": lambda: stored.install(uuid.UUID(int=3), HERE, [entry("x"), entry("y")], both=True),
        "install_chains": lambda: stored.install_chains(uuid.UUID(int=3), HERE, "x"),
        "deinstall": lambda: stored.deinstall(uuid.UUID(int=2)),
        "update": lambda: stored.update(first, HERE, [entry("x", base=False), entry("y")]),
        "order": lambda: stored.order([one.catalog_id for one in reversed(stored.entries())]),
        "set_application": lambda: stored.set_application("/bin/true", "", 1),
        "reset": stored.reset,
        "import": lambda: import_(stored, document),
    }


def killed_at(statement: int, change: Callable[[], Any]) -> bool:
    """Make `change` in a process that SIGKILLs itself before its nth statement; False if it has not so many."""
    child = os.fork()
    if child == 0:
        try:
            left = [statement]
            connect = database.sqlite3.connect

            def count(_: str) -> None:
                left[0] -= 1
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)

            def traced(*arguments: Any, **named: Any) -> Any:
                connection = connect(*arguments, **named)
                connection.set_trace_callback(count)
                return connection

            database.sqlite3.connect = traced  # type: ignore[assignment]
            change()
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("kind", list(changes(StoredCatalog("/nowhere"))))
def test_a_change_that_is_killed_has_happened_or_has_not(stored: StoredCatalog, kind: str) -> None:
    """At every statement of every kind of change."""
    stored.install_chains(uuid.UUID(int=1), HERE, "first", 0, [TCP])
    stored.install_chains(uuid.UUID(int=2), HERE, "second", 0, [TCP])
    change = changes(stored)[kind]
    before, serial = stored.snapshot(), stored.serial()
    statement = 1
    while killed_at(statement, change):
        assert stored.problems() == []
        assert (stored.snapshot(), stored.serial()) == (before, serial), f"killed before statement {statement}"
        statement += 1
    assert statement > 5
    assert stored.serial() == serial + 1
    assert stored.problems() == []


def test_the_first_change_is_killed_while_it_makes_the_file(stored: StoredCatalog) -> None:
    def change() -> object:
        return stored.install(uuid.UUID(int=1), HERE, [entry("x")])

    statement = 1
    while killed_at(statement, change):
        assert tuple(stored.entries()) == BASE_ENTRIES
        assert stored.problems() == []
        statement += 1
    assert statement > 8
    assert [one.name for one in stored.entries()][6:] == ["x"]


# -- killed at any moment ----------------------------------------------------------------------------------------------


def churn(stored: StoredCatalog, seed: int, descriptor: int) -> None:
    """Change the catalog again and again; a byte goes to `descriptor` after each change."""
    dice = random.Random(seed)
    number = 0
    while True:
        number += 1
        snapshot = stored.snapshot()
        layers = [one.provider_id for one in snapshot.entries if not one.chain_length]
        provider = uuid.UUID(int=dice.getrandbits(128))
        try:
            roll = dice.random()
            if roll < 0.4 and len(layers) < 4:
                stored.install_chains(provider, HERE, f"{seed}/{number}", 0, None)
            elif roll < 0.6 and layers:
                stored.deinstall(dice.choice(layers))
            elif roll < 0.8:
                ids = [one.catalog_id for one in snapshot.entries]
                dice.shuffle(ids)
                stored.order(ids)
            elif roll < 0.9:
                (made,) = stored.install(provider, HERE, [entry(f"{seed}/{number}")])
                stored.deinstall(made.provider_id)
            else:
                stored.reset()
        except WinsockError:
            pass  # somebody else was quicker
        os.write(descriptor, b"x")


@pytest.mark.parametrize("seed", [1, 2])
def test_writers_are_killed_at_random_moments(stored: StoredCatalog, seed: int) -> None:
    """Two at once, three hundred times in all; nothing is ever wrong with what they leave."""
    dice = random.Random(seed)
    witness = Witness()
    for round_ in range(75):
        reading, writing = os.pipe()
        children = []
        for _ in range(2):
            child = os.fork()
            if child == 0:
                try:
                    churn(stored, dice.getrandbits(32) + len(children), writing)
                finally:
                    os._exit(1)
            children.append(child)
        os.close(writing)
        for child in children:
            os.read(reading, dice.randint(1, 3))  # it runs; where it is by now, nobody knows
            select.select([], [], [], dice.random() * 0.004)
            os.kill(child, signal.SIGKILL)
        for child in children:
            status = os.waitpid(child, 0)[1]
            assert os.WIFSIGNALED(status), f"round {round_}: a writer ended by itself"
        os.close(reading)
        witness.look(stored)
    assert witness.serial > 75


# -- at once -----------------------------------------------------------------------------------------------------------

_WORKER = """
import sys, uuid
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._runtime.catalog import StoredCatalog
stored, me, here = StoredCatalog(), int(sys.argv[1]), sys.argv[2]
changes = 0
sys.stdin.readline()
for turn in range(4):
    provider = uuid.UUID(int=1000 * me + turn)
    stored.install_chains(provider, here, f"{me}/{turn}", 0, None)
    changes += 1
    for _ in range(3):
        ids = [one.catalog_id for one in stored.entries()]
        try:
            stored.order(ids[me % len(ids):] + ids[:me % len(ids)])
            changes += 1
            break
        except WinsockError as error:
            assert error.code is WSAError.WSAEINVAL, error  # an entry came or went in between
    if turn % 2:
        stored.deinstall(provider)
        changes += 1
print(changes)
"""


def test_twenty_processes_install_reorder_and_remove_at_once(
    stored: StoredCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost: the serial counts every change that anybody made, and what was left is there."""
    monkeypatch.setenv("WS2SPI_CATALOG", stored.path)
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", _WORKER, str(number), HERE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(20)
    ]
    witness = Witness()
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for _ in range(10):
        witness.look(stored)  # readers are not kept out
    results = [worker.communicate(timeout=100) for worker in workers]
    assert [error for _, error in results if error] == []
    snapshot = witness.look(stored)
    assert stored.serial() == sum(int(out) for out, _ in results)
    left = sorted(one.name for one in snapshot.entries if not one.chain_length)
    assert left == sorted(f"{number}/{turn}" for number in range(20) for turn in (0, 2))
    assert snapshot.next_id == 1005 + 20 * 4 * 5
    assert StoredCatalog(stored.path, bits=NATIVE).entries() == list(snapshot.entries)
