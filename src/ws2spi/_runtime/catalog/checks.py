"""What is wrong with a catalog: what `ws2spi catalog verify` tells."""

import importlib.util
import os
import sqlite3
from typing import NamedTuple

from ws2spi._abi import constants as c
from ws2spi._runtime.catalog.database import is_empty
from ws2spi._runtime.catalog.entries import BASE_PROVIDERS, CatalogEntry
from ws2spi._runtime.catalog.paths import parts
from ws2spi._runtime.catalog.snapshot import OTHER, Snapshot


class Problem(NamedTuple):
    """One thing that is wrong. `kind` is for programs (chain, module, order, provider, id, file), `text` for people."""

    kind: str
    text: str


def missing_members(snapshot: Snapshot, entry: CatalogEntry) -> list[int]:
    """Return the ids in an entry's chain that the catalog does not have."""
    return [member for member in entry.chain if snapshot.get(member) is None]


def problems(snapshot: Snapshot, bits: int = 64) -> list[Problem]:
    """Return what is wrong with a catalog whose rows can be read."""
    where = " (32-bit catalog)" if bits == OTHER else ""
    found = []
    for entry in snapshot.entries:
        label = f"{entry.catalog_id} {entry.name!r}{where}"
        missing = missing_members(snapshot, entry)
        if missing:
            gone = ", ".join(map(str, missing))
            found.append(Problem("chain", f"entry {label}: its chain is broken, {gone} is not in the catalog"))
        elif len(entry.chain) > c.MAX_PROTOCOL_CHAIN or len(set(entry.chain)) != len(entry.chain):
            found.append(Problem("chain", f"entry {label}: its chain {entry.chain} is none that could be installed"))
        if entry.provider_id not in snapshot.providers:
            found.append(Problem("provider", f"entry {label}: nothing says where its provider is loaded from"))
        if entry.catalog_id >= snapshot.next_id:
            found.append(Problem("id", f"entry {label}: its id will be given out again"))
    used = {entry.provider_id for entry in snapshot.entries}
    for provider, known in snapshot.providers.items():
        if provider in BASE_PROVIDERS:
            continue
        if provider not in used:
            found.append(Problem("provider", f"provider {provider}{where} has no entry"))
        elif known.owner is None:
            missing_place = _missing_place(known.path)
            if missing_place:
                found.append(Problem("module", f"provider {provider}{where}: there is no {missing_place}"))
    return found


def _missing_place(path: str) -> str:
    """Return which file or module of a path is not there, "" if it is; nothing of it is executed but its packages."""
    place = parts(path)
    if place.file:
        return "" if os.path.isfile(place.file) else f"file {place.file}"
    try:
        there = place.module and importlib.util.find_spec(place.module) is not None
    except (ImportError, ValueError, AttributeError):
        there = False
    return "" if there else f"module {place.module!r}"


def damaged_rows(connection: sqlite3.Connection) -> list[Problem]:
    """Return what is wrong with the file and its rows as such."""
    found = []
    for (line,) in connection.execute("PRAGMA integrity_check"):
        if line != "ok":
            found.append(Problem("file", f"the file is damaged: {line}"))
    if is_empty(connection):
        return found
    twice = connection.execute(
        "SELECT bits, position, group_concat(id, ', ') FROM entries GROUP BY bits, position HAVING count(*) > 1"
    )
    for bits, position, ids in twice:
        where = " (32-bit catalog)" if bits == OTHER else ""
        found.append(Problem("order", f"entries {ids}{where} have the same place in the order, {position}"))
    return found
