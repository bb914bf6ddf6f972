"""A catalog as JSON, whole: both catalogs, where providers are loaded from, categories, name-space providers.

Ids stay what they are in both directions. An import replaces what is there in one transaction, and refuses a document
that would leave something broken.
"""

import dataclasses
import uuid
from typing import Any

from ws2spi._runtime.catalog import rows
from ws2spi._runtime.catalog.checks import problems
from ws2spi._runtime.catalog.database import NUMBERS, transaction
from ws2spi._runtime.catalog.entries import FIRST_PRIVATE_ID, CatalogEntry
from ws2spi._runtime.catalog.operations import check_entry, check_text
from ws2spi._runtime.catalog.snapshot import NATIVE, OTHER, Applications, Installed, Snapshot
from ws2spi._runtime.catalog.store import StoredCatalog
from ws2spi._runtime.names import stored as stored_names
from ws2spi._runtime.names.entries import DNS_ENTRY, NameSpaceEntry

FORMAT, VERSION = "ws2spi catalog", 1


def export(stored: StoredCatalog) -> dict[str, Any]:
    """Return the catalog as what `json.dumps` takes."""
    catalogs: dict[int, Snapshot] = {NATIVE: Snapshot(), OTHER: Snapshot()}
    applications: Applications = {}
    spaces = [DNS_ENTRY]
    if stored.exists():
        with transaction(stored.path) as connection:
            catalogs = {bits: rows.read(connection, bits) for bits in catalogs}
            applications = rows.read_applications(connection)
            spaces = stored_names.read(connection)
    return {
        "format": FORMAT,
        "version": VERSION,
        "catalogs": {str(bits): _as_object(snapshot) for bits, snapshot in catalogs.items()},
        "applications": [
            {"path": path, "arguments": extra, "categories": categories}
            for (path, extra), categories in sorted(applications.items())
        ],
        "name_spaces": [
            {
                "provider": str(one.provider_id),
                "namespace": one.namespace,
                "name": one.name,
                "path": one.path,
                "active": one.active,
                "version": one.version,
                "blob": one.blob.hex(),
            }
            for one in spaces
        ],
    }


def _as_object(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "next_id": snapshot.next_id,
        "providers": {
            str(provider): {
                "path": known.path,
                **({"owner": str(known.owner)} if known.owner else {}),
                **({"categories": known.categories} if known.categories is not None else {}),
            }
            for provider, known in snapshot.providers.items()
        },
        "entries": [entry_as_object(entry) for entry in snapshot.entries],
    }


def entry_as_object(entry: CatalogEntry) -> dict[str, Any]:
    """Return an entry as what `json.dumps` takes."""
    return {
        "id": entry.catalog_id,
        "name": entry.name,
        "provider": str(entry.provider_id),
        "base": entry.base,
        "chain": list(entry.chain),
        **{column: getattr(entry, column) for column in NUMBERS},
    }


def import_(stored: StoredCatalog, document: Any) -> None:
    """Put a document that `export` made in the place of the catalog.

    Errors:
        ValueError: it is no such document, or what it says is broken; one line says where. `WinsockError` as every
        change.
    """
    catalogs, applications, spaces = _read(document)
    with transaction(stored.path, write=True) as connection:
        for bits, snapshot in catalogs.items():
            before = rows.read(connection, bits)
            next_id = max(before.next_id, snapshot.next_id)  # ids are given out once
            rows.write(connection, dataclasses.replace(snapshot, next_id=next_id), bits)
        rows.write_applications(connection, applications)
        stored_names.write(connection, spaces)
        rows.count_change(connection)


def _read(document: Any) -> tuple[dict[int, Snapshot], Applications, list[NameSpaceEntry]]:
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f'no catalog: "format" must be "{FORMAT}"')
    if document.get("version") != VERSION:
        raise ValueError(f"version {document.get('version')!r} is not known, {VERSION} is")
    try:
        catalogs = {bits: _snapshot(document["catalogs"][str(bits)]) for bits in (NATIVE, OTHER)}
        applications = {
            (str(one["path"]), str(one["arguments"])): int(one["categories"]) for one in document["applications"]
        }
        spaces = [_name_space(one) for one in document["name_spaces"]]
    except KeyError as error:
        raise ValueError(f"{error} is missing") from None
    except (TypeError, AttributeError) as error:
        raise ValueError(f"something is not of its kind: {error}") from None
    for bits, snapshot in catalogs.items():
        _check(snapshot, bits)
    if len({one.provider_id for one in spaces}) != len(spaces):
        raise ValueError("a name-space provider is there twice")
    return catalogs, applications, spaces


def _name_space(given: Any) -> NameSpaceEntry:
    for word in ("name", "path"):
        check_text(given[word], f"a {word} of a name space")
    return NameSpaceEntry(
        uuid.UUID(given["provider"]),
        int(given["namespace"]),
        given["name"],
        given["path"],
        bool(given["active"]),
        int(given["version"]),
        bytes.fromhex(given["blob"]),
    )


def _snapshot(given: Any) -> Snapshot:
    entries = tuple(
        CatalogEntry(
            catalog_id=int(one["id"]),
            name=str(one["name"]),
            provider_id=uuid.UUID(one["provider"]),
            base=bool(one["base"]),
            chain=tuple(int(member) for member in one["chain"]),
            **{column: _number(one, column) for column in NUMBERS},
        )
        for one in given["entries"]
    )
    providers = {
        uuid.UUID(provider): Installed(
            str(known["path"]),
            uuid.UUID(known["owner"]) if "owner" in known else None,
            int(known["categories"]) if "categories" in known else None,
        )
        for provider, known in given["providers"].items()
    }
    return Snapshot(entries, providers, int(given["next_id"]))


def _number(entry: Any, column: str) -> int:
    number = int(entry[column])
    if not -(2**31) <= number < 2**32:
        raise ValueError(f"entry {entry['id']}: {column} is {number}, which has no 32 bits")
    return number


def _check(snapshot: Snapshot, bits: int) -> None:
    ids = [entry.catalog_id for entry in snapshot.entries]
    if len(set(ids)) != len(ids) or not all(0 < one < FIRST_PRIVATE_ID for one in (*ids, snapshot.next_id)):
        raise ValueError(f"the {bits}-bit catalog has an id twice, or an impossible one")
    for known in snapshot.providers.values():
        check_text(known.path, "a path")
    for problem in problems(snapshot, bits):
        if problem.kind != "module":  # another machine's file may be brought later
            raise ValueError(problem.text)
    for entry in snapshot.entries:
        check_entry(snapshot, entry)
