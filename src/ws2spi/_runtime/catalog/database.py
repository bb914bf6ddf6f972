"""The catalog file: an SQLite database, opened for one transaction at a time.

Rules:
1. A connection lives as long as one transaction, so a fork, a thread or a killed process leaves nothing half open.
2. The journal is a rollback journal, not a write-ahead log: a user without rights to the folder can then read a
   catalog of the whole machine, the file can lie in a home directory on the network, and nothing but the one file is
   left between two transactions.
3. Who finds the file locked waits here, in Python, where a signal ends the wait, and gives up after `PATIENCE`.
4. The file is opened by SQLite alone: closing any other descriptor of it would drop this process's locks (POSIX).
"""

import contextlib
import errno
import os
import random
import sqlite3
import time
from collections.abc import Iterator
from typing import NamedTuple

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._runtime.catalog import place

PATIENCE = 10.0  # seconds to wait for another process's transaction; one takes some milliseconds
SCHEMA = 1  # what PRAGMA user_version says
APPLICATION = 0x77327370  # PRAGMA application_id: "w2sp"

# The plain numbers of an entry, as columns; the attribute names of `CatalogEntry`.
NUMBERS = (
    "address_family", "socket_type", "protocol", "service_flags", "service_flags2", "service_flags3", "service_flags4",
    "provider_flags", "version", "max_sockaddr", "min_sockaddr", "protocol_max_offset", "network_byte_order",
    "security_scheme", "message_size", "provider_reserved",
)  # fmt: skip

# `bits` is 64 or 32: Windows keeps a catalog for either kind of process, and so does this file. The order of a catalog
# is the order of `position`. `owner` is the provider whose installation made this one too; `categories` is NULL for a
# provider that was not categorised.
_TABLES = (
    "CREATE TABLE state (name TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE providers (bits INTEGER, provider TEXT, path TEXT NOT NULL, owner TEXT, categories INTEGER, "
    "PRIMARY KEY (bits, provider)) WITHOUT ROWID",
    "CREATE TABLE entries (bits INTEGER, id INTEGER, position INTEGER NOT NULL, provider TEXT NOT NULL, "
    "name TEXT NOT NULL, base INTEGER NOT NULL, chain TEXT NOT NULL, "
    + ", ".join(f"{column} INTEGER NOT NULL" for column in NUMBERS)
    + ", PRIMARY KEY (bits, id)) WITHOUT ROWID",
    "CREATE TABLE applications (path TEXT, extra TEXT, categories INTEGER NOT NULL, PRIMARY KEY (path, extra)) "
    "WITHOUT ROWID",
)

_SYSTEM = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class Codes(NamedTuple):
    """What a failure is called; it depends on the function which codes its page has."""

    busy: WSAError = WSAError.WSATRY_AGAIN
    system: WSAError = WSAError.WSANO_RECOVERY  # the disk
    memory: WSAError = WSAError.WSA_NOT_ENOUGH_MEMORY
    other: WSAError = WSAError.WSANO_RECOVERY  # no rights, no catalog, damaged


class NotACatalogError(WinsockError):
    """What lies at the path is no catalog that we could read: damaged, or something else."""


@contextlib.contextmanager
def transaction(path: str, *, write: bool = False, codes: Codes | None = None) -> Iterator[sqlite3.Connection]:
    """One transaction; committed when the block ends, undone when it raises.

    Parameters:
        path: the file; a writing transaction makes it, and its folder, where they are missing.
        write: whether anything is to be changed; at most one such transaction runs at a time, on the whole machine.
        codes: the codes of `WinsockError` for what goes wrong here, whose detail is one line that names the file.
    """
    codes = codes or Codes()
    try:
        if write:
            _make_folder(path)
        connection = sqlite3.connect(_uri(path, "rwc" if write else "rw"), timeout=0, isolation_level=None, uri=True)
        try:
            deadline = time.monotonic() + PATIENCE
            _patiently(connection, "BEGIN IMMEDIATE" if write else "BEGIN", deadline)
            _check_schema(connection, path, write, deadline)
            yield connection
            _patiently(connection, "COMMIT", deadline)
        finally:
            connection.close()  # undoes what was not committed
    except sqlite3.Error as error:
        raise _translated(error, path, codes) from error
    except MemoryError as error:
        raise WinsockError(codes.memory, f"{path}: out of memory") from error
    except WinsockError:
        raise
    except OSError as error:
        code = codes.system if error.errno in _SYSTEM else codes.other
        raise WinsockError(code, f"{error.filename or path}: {error.strerror}") from error


def _make_folder(path: str) -> None:
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        # Options of layers may hold secrets; a place that was chosen on purpose is the chooser's business.
        os.makedirs(folder, 0o777 if os.environ.get(place.VARIABLE) else 0o700, exist_ok=True)


def _uri(path: str, mode: str) -> str:
    for letter, code in (("%", "%25"), ("?", "%3f"), ("#", "%23")):
        path = path.replace(letter, code)
    return f"file:{path}?mode={mode}"


def _patiently(connection: sqlite3.Connection, statement: str, deadline: float) -> sqlite3.Cursor:
    pause = 0.001
    while True:
        try:
            return connection.execute(statement)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _BUSY or time.monotonic() > deadline:
                raise
        time.sleep(pause * random.random())  # else processes that met once would meet again and again
        pause = min(pause * 2, 0.05)


def _check_schema(connection: sqlite3.Connection, path: str, write: bool, deadline: float) -> None:
    (version,) = _patiently(connection, "PRAGMA user_version", deadline).fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if (application, version) == (APPLICATION, SCHEMA):
        return
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if (application, version, tables) == (0, 0, 0):  # empty: just made, by us or by somebody who was killed
        if write:
            for statement in _TABLES:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {SCHEMA}")
        return
    if application != APPLICATION:
        raise NotACatalogError(WSAError.WSANO_RECOVERY, f"{path} is a database of something else, not a catalog")
    raise NotACatalogError(
        WSAError.WSANO_RECOVERY,
        f"{path} has the format {version}, and this ws2spi knows {SCHEMA} only: "
        + ("use the newer ws2spi that wrote it" if version > SCHEMA else "export it with the ws2spi that wrote it"),
    )


def is_empty(connection: sqlite3.Connection) -> bool:
    """Tell whether the file has no tables yet, which stands for the built-in entries."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return not version


def _translated(error: sqlite3.Error, path: str, codes: Codes) -> WinsockError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _BUSY:
        return WinsockError(codes.busy, f"{path} is being changed by another process")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return WinsockError(codes.other, f"{path} cannot be written: no rights")
    if code == sqlite3.SQLITE_CANTOPEN:
        return WinsockError(codes.other, f"{path} cannot be opened")
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT) or (
        isinstance(error, sqlite3.DatabaseError) and not code
    ):
        return NotACatalogError(codes.other, f'{path} is damaged or no catalog: {error} ("ws2spi catalog reset" helps)')
    if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL):
        return WinsockError(codes.system, f"{path}: {error}")
    if code == sqlite3.SQLITE_NOMEM:
        return WinsockError(codes.memory, f"{path}: out of memory")
    return NotACatalogError(codes.other, f"{path}: {error}")
