"""A snapshot in the database, and out of it.

The store reads a catalog, applies a change and writes it, in one transaction. It has some dozens of rows, so that
reading and writing it whole costs less than being clever.
"""

import sqlite3
import uuid

from ws2spi._abi.errors import WSAError
from ws2spi._runtime.catalog.database import NUMBERS, NotACatalogError, is_empty
from ws2spi._runtime.catalog.entries import CatalogEntry
from ws2spi._runtime.catalog.snapshot import NATIVE, Applications, Installed, Snapshot


def read(connection: sqlite3.Connection, bits: int = NATIVE) -> Snapshot:
    """Return the catalog as a transaction sees it."""
    if is_empty(connection):
        return Snapshot()
    columns = f"id, provider, name, base, chain, {', '.join(NUMBERS)}"
    rows = connection.execute(f"SELECT {columns} FROM entries WHERE bits = ? ORDER BY position, id", (bits,)).fetchall()
    owners = connection.execute(
        "SELECT provider, path, owner, categories FROM providers WHERE bits = ?", (bits,)
    ).fetchall()
    (next_id,) = connection.execute("SELECT number FROM state WHERE name = ?", (f"next_id_{bits}",)).fetchone() or (0,)
    if not next_id:
        return Snapshot()
    try:
        entries = tuple(
            CatalogEntry(
                catalog_id=number,
                provider_id=uuid.UUID(provider),
                name=name,
                base=bool(base),
                chain=tuple(int(member) for member in chain.split()),
                **dict(zip(NUMBERS, numbers, strict=True)),
            )
            for number, provider, name, base, chain, *numbers in rows
        )
        providers = {
            uuid.UUID(provider): Installed(path, uuid.UUID(owner) if owner else None, categories)
            for provider, path, owner, categories in owners
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise NotACatalogError(WSAError.WSANO_RECOVERY, f"the catalog holds what it never wrote: {error}") from error
    return Snapshot(entries, providers, next_id)


def write(connection: sqlite3.Connection, snapshot: Snapshot, bits: int = NATIVE) -> None:
    """Store a catalog in place of the one there."""
    connection.execute("DELETE FROM entries WHERE bits = ?", (bits,))
    connection.execute("DELETE FROM providers WHERE bits = ?", (bits,))
    marks = ", ".join("?" * (7 + len(NUMBERS)))
    connection.executemany(
        f"INSERT INTO entries (bits, id, position, provider, name, base, chain, {', '.join(NUMBERS)}) VALUES ({marks})",
        [
            (
                bits,
                entry.catalog_id,
                position,
                str(entry.provider_id),
                entry.name,
                int(entry.base),
                " ".join(map(str, entry.chain)),
                *(getattr(entry, column) for column in NUMBERS),
            )
            for position, entry in enumerate(snapshot.entries)
        ],
    )
    connection.executemany(
        "INSERT INTO providers (bits, provider, path, owner, categories) VALUES (?, ?, ?, ?, ?)",
        [
            (bits, str(provider), known.path, str(known.owner) if known.owner else None, known.categories)
            for provider, known in snapshot.providers.items()
        ],
    )
    store_number(connection, f"next_id_{bits}", snapshot.next_id)


def read_applications(connection: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """Return which categories which application permits."""
    if is_empty(connection):
        return {}
    rows = connection.execute("SELECT path, extra, categories FROM applications")
    return {(path, extra): categories for path, extra, categories in rows}


def write_applications(connection: sqlite3.Connection, applications: Applications) -> None:
    """Store which categories which application permits."""
    connection.execute("DELETE FROM applications")
    connection.executemany(
        "INSERT INTO applications (path, extra, categories) VALUES (?, ?, ?)",
        [(path, extra, categories) for (path, extra), categories in applications.items()],
    )


def store_number(connection: sqlite3.Connection, name: str, number: int) -> None:
    """Store one of the numbers that are no rows: the next ids, the serial."""
    connection.execute("INSERT OR REPLACE INTO state (name, number) VALUES (?, ?)", (name, number))


def read_serial(connection: sqlite3.Connection) -> int:
    """Return the number that grows with every change."""
    if is_empty(connection):
        return 0
    (serial,) = connection.execute("SELECT number FROM state WHERE name = 'serial'").fetchone() or (0,)
    return int(serial)


def count_change(connection: sqlite3.Connection) -> None:
    """Let the serial grow: who waits for a change is told of this one."""
    store_number(connection, "serial", read_serial(connection) + 1)
