"""All of a catalog at one moment, as plain values.

Every change is a function from one snapshot to the next (`operations`).
"""

import dataclasses
import uuid
from collections.abc import Mapping
from typing import NamedTuple

from ws2spi._runtime.catalog.entries import BASE_ENTRIES, BASE_PROVIDERS, NEXT_ID, CatalogEntry

NATIVE = 64  # the catalog of this kind of process
OTHER = 32  # the one that the functions with the suffix 32 speak of; no process loads from it

BASE_PATH = "ws2spi.providers.base"  # what the path of the built-in providers is called


class Installed(NamedTuple):
    """One provider id.

    Attributes:
        path: where it is loaded from, environment strings as they were written.
        owner: the provider whose installation made this one too, and whose removal removes it.
        categories: the LSP categories, None when it was not categorised.
    """

    path: str
    owner: uuid.UUID | None = None
    categories: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Snapshot:
    """One catalog: its entries in order, {provider id: `Installed`}, and the id that the next entry gets."""

    entries: tuple[CatalogEntry, ...] = BASE_ENTRIES
    providers: Mapping[uuid.UUID, Installed] = dataclasses.field(
        default_factory=lambda: {provider: Installed(BASE_PATH) for provider in BASE_PROVIDERS}
    )
    next_id: int = NEXT_ID

    def of(self, provider_id: uuid.UUID) -> list[CatalogEntry]:
        """Return the entries of one provider id, in order."""
        return [entry for entry in self.entries if entry.provider_id == provider_id]

    def get(self, catalog_id: int) -> CatalogEntry | None:
        """Return the entry of an id, or None."""
        return next((entry for entry in self.entries if entry.catalog_id == catalog_id), None)


Applications = Mapping[tuple[str, str], int]  # {(executable, arguments or ""): permitted LSP categories}
