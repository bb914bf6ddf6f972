"""The name-space catalog in the file that holds the transport providers too: one table more.

The table comes with the first change, so catalogs without name-space providers of one's own are as they always were. A
file without it stands for the built-in provider alone. Which `ws2spi` made the file does not matter: the table's shape
is this module's affair.
"""

import os
import sqlite3
import uuid
from collections.abc import Callable, Sequence

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._runtime.catalog import place, rows
from ws2spi._runtime.catalog.database import Codes, NotACatalogError, transaction
from ws2spi._runtime.names.entries import DNS_ENTRY, NameSpaceEntry, moved_first, require_known

_TABLE = (
    "CREATE TABLE name_spaces (provider TEXT PRIMARY KEY, position INTEGER NOT NULL, namespace INTEGER NOT NULL, "
    "name TEXT NOT NULL, path TEXT NOT NULL, active INTEGER NOT NULL, version INTEGER NOT NULL, blob BLOB NOT NULL) "
    "WITHOUT ROWID"
)
_COLUMNS = "provider, namespace, name, path, active, version, blob"
# The page's words for rights and for the rest.
_CODES = Codes(
    busy=WSAError.WSANO_RECOVERY,
    system=WSAError.WSASYSCALLFAILURE,
    memory=WSAError.WSA_NOT_ENOUGH_MEMORY,
    other=WSAError.WSAEACCES,
)


class StoredNameSpaces:
    """The entries of the user's catalog file; every method is one transaction.

    Errors, of every method: WSAEACCES: no rights. WSANO_RECOVERY: the file is damaged, or somebody has been changing it
    for ten seconds. WSASYSCALLFAILURE: the disk. WSA_NOT_ENOUGH_MEMORY.
    """

    def entries(self) -> list[NameSpaceEntry]:
        """Return all entries in their order."""
        path = place.path()
        if not os.path.exists(path):
            return [DNS_ENTRY]
        try:
            with transaction(path, codes=_CODES) as connection:
                return read(connection)
        except NotACatalogError as error:
            raise WinsockError(WSAError.WSANO_RECOVERY, error.detail) from error

    def install(self, entry: NameSpaceEntry) -> None:
        """Append an entry; WSANO_RECOVERY when its id is there already."""

        def change(entries: list[NameSpaceEntry]) -> list[NameSpaceEntry]:
            if any(one.provider_id == entry.provider_id for one in entries):
                raise WinsockError(WSAError.WSANO_RECOVERY, f"provider {entry.provider_id} is already installed")
            return [*entries, entry]

        self._change(change)

    def remove(self, provider_id: uuid.UUID) -> None:
        """Take an entry out; WSAEINVAL when there is none."""

        def change(entries: list[NameSpaceEntry]) -> list[NameSpaceEntry]:
            require_known(entries, provider_id)
            return [one for one in entries if one.provider_id != provider_id]

        self._change(change)

    def enable(self, provider_id: uuid.UUID, active: bool) -> None:
        """Say whether queries reach a provider; WSAEINVAL when there is none."""

        def change(entries: list[NameSpaceEntry]) -> list[NameSpaceEntry]:
            require_known(entries, provider_id)
            return [one.enabled(active) if one.provider_id == provider_id else one for one in entries]

        self._change(change)

    def order(self, provider_ids: Sequence[uuid.UUID]) -> None:
        """Put these entries first, in this order; WSAEINVAL when one is unknown or named twice."""
        self._change(lambda entries: moved_first(entries, provider_ids))

    def reset(self) -> None:
        """Leave nothing but the built-in provider."""
        if os.path.exists(place.path()):
            self._change(lambda entries: [DNS_ENTRY])

    def _change(self, change: Callable[[list[NameSpaceEntry]], list[NameSpaceEntry]]) -> None:
        try:
            with transaction(place.path(), write=True, codes=_CODES) as connection:
                after = change(read(connection))
                write(connection, after)
                rows.count_change(connection)
        except NotACatalogError as error:
            raise WinsockError(WSAError.WSANO_RECOVERY, error.detail) from error


def _has_table(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'name_spaces'").fetchone())


def read(connection: sqlite3.Connection) -> list[NameSpaceEntry]:
    """Return all entries as a transaction sees them."""
    if not _has_table(connection):
        return [DNS_ENTRY]
    rows = connection.execute(f"SELECT {_COLUMNS} FROM name_spaces ORDER BY position")
    return [
        NameSpaceEntry(uuid.UUID(provider), namespace, name, path, bool(active), version, bytes(blob))
        for provider, namespace, name, path, active, version, blob in rows
    ]


def write(connection: sqlite3.Connection, entries: list[NameSpaceEntry]) -> None:
    """Store the entries in place of those there."""
    if _has_table(connection):
        connection.execute("DELETE FROM name_spaces")
    else:
        connection.execute(_TABLE)
    connection.executemany(
        f"INSERT INTO name_spaces (position, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (position, str(one.provider_id), one.namespace, one.name, one.path, one.active, one.version, one.blob)
            for position, one in enumerate(entries)
        ],
    )
