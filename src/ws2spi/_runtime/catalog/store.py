"""The stored catalog: every change to it is one transaction, and every look at it too.

What is installed here, other processes find at their next start-up. Nothing is kept between two calls, so objects of
this class may be made, shared and thrown away at will.
"""

import os
import time
import uuid
from collections.abc import Callable, Sequence
from typing import TypeVar

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._runtime.catalog import categories as cat
from ws2spi._runtime.catalog import operations, place, rows
from ws2spi._runtime.catalog.checks import Problem, damaged_rows, problems
from ws2spi._runtime.catalog.database import Codes, NotACatalogError, transaction
from ws2spi._runtime.catalog.entries import CatalogEntry
from ws2spi._runtime.catalog.snapshot import NATIVE, OTHER, Applications, Snapshot

_R = TypeVar("_R")

_INSTALL = Codes(system=WSAError.WSASYSCALLFAILURE)
_CHAINS = Codes(WSAError.WSAEINPROGRESS, WSAError.WSASYSCALLFAILURE, WSAError.WSAENOBUFS)
_APPLICATIONS = Codes(memory=WSAError.WSANO_RECOVERY)

# After a catalog was lost, its next id is unknown. One id for each second since then is more than anybody gave out.
_EPOCH = 1_767_225_600  # the beginning of 2026


class StoredCatalog:
    """The catalog in a file.

    Parameters:
        path: the file; by default the user's (`place.path`), looked up at each call. It need not exist.
        bits: 64 for the catalog that processes load from, 32 for the one that the functions with the suffix 32 mean.
    Errors, of every method: `WinsockError`, whose detail is one line that names the file.
        WSANO_RECOVERY: no rights, damaged, of a newer ws2spi, or (unless a method says otherwise) a failing disk.
        WSATRY_AGAIN: somebody has been changing it for ten seconds. WSA_NOT_ENOUGH_MEMORY.
    """

    def __init__(self, path: str | None = None, *, bits: int = NATIVE) -> None:
        self._path = path
        self.bits = bits

    def __repr__(self) -> str:
        return f"<StoredCatalog {self.path}{' 32' if self.bits == OTHER else ''}>"

    @property
    def path(self) -> str:
        """The file."""
        return self._path or place.path()

    def exists(self) -> bool:
        """Tell whether there is a file."""
        return place.exists(self.path)

    # -- looking ---------------------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Return all of the catalog as it is now; the built-in entries where there is no file."""
        if not self.exists():
            return Snapshot()
        with transaction(self.path) as connection:
            return rows.read(connection, self.bits)

    def view(self) -> tuple[Snapshot, Applications, int]:
        """Return what a process reads at its start-up: the catalog, the applications' categories, and the serial."""
        if not self.exists():
            return Snapshot(), {}, 0
        with transaction(self.path) as connection:
            return (
                rows.read(connection, self.bits),
                rows.read_applications(connection),
                rows.read_serial(connection),
            )

    def serial(self) -> int:
        """Return the number that grows with every change; 0 where there is no file."""
        if not self.exists():
            return 0
        with transaction(self.path) as connection:
            return rows.read_serial(connection)

    def entries(self) -> list[CatalogEntry]:
        """Return all entries in their order, hidden ones too."""
        return list(self.snapshot().entries)

    def provider_path(self, provider_id: uuid.UUID) -> str:
        """Return where a provider is loaded from, environment strings as they were written; WSAEINVAL if unknown."""
        known = self.snapshot().providers.get(provider_id)
        if known is None:
            raise WinsockError(WSAError.WSAEINVAL, f"provider {provider_id} is not installed")
        return known.path

    def problems(self) -> list[Problem]:
        """Return what is wrong: broken chains, what cannot be found, rows that contradict each other.

        A file that cannot be read at all is one problem.
        """
        if not self.exists():
            return []
        try:
            with transaction(self.path) as connection:
                found = damaged_rows(connection)
                for bits in (NATIVE, OTHER):
                    found += problems(rows.read(connection, bits), bits)
                return found
        except NotACatalogError as error:
            return [Problem("file", error.detail)]

    # -- changing --------------------------------------------------------------------------------------------------

    def _change(
        self,
        function: Callable[[Snapshot, int], tuple[Snapshot, _R]],
        *,
        both: bool = False,
        codes: Codes | None = None,
    ) -> _R:
        """Apply `function(snapshot, bits)` in one transaction; return its second result for `self.bits`."""
        with transaction(self.path, write=True, codes=codes) as connection:
            for bits in (NATIVE, OTHER) if both else (self.bits,):
                changed, result = function(rows.read(connection, bits), bits)
                rows.write(connection, changed, bits)
                if bits == self.bits:
                    answer = result
            rows.count_change(connection)
            return answer

    def install(
        self, provider_id: uuid.UUID, path: str, entries: Sequence[CatalogEntry], *, both: bool = False
    ) -> list[CatalogEntry]:
        """Add a provider's entries at the end of the order; return them with their ids.

        Parameters:
            path: where it is loaded from, see `ws2spi._runtime.loading`.
            both: into the 32-bit catalog too.
        Errors:
            WSAEINVAL, WSANO_RECOVERY: as `operations.install`. WSASYSCALLFAILURE: the disk.
        """

        def change(before: Snapshot, bits: int) -> tuple[Snapshot, list[CatalogEntry]]:
            after = operations.install(before, provider_id, path, entries)
            return after, after.of(provider_id)

        return self._change(change, both=both, codes=_INSTALL)

    def install_chains(
        self,
        provider_id: uuid.UUID,
        path: str,
        name: str,
        flags: int = 0,
        kinds: Sequence[tuple[int, int, int]] | None = None,
        *,
        path32: str | None = None,
        both: bool = False,
    ) -> int:
        """Add a layer with its chains, before all others; return the id of its own, hidden entry.

        Parameters:
            flags: XP1_IFS_HANDLES or 0.
            kinds: lay it over the topmost entry of each (family, type, protocol); None: over the base entries.
            path32: the path for the 32-bit catalog, with `both`; the same one unless given.
        Errors:
            WSAEINVAL, WSANO_RECOVERY: as `operations.install_chains`. WSAEINPROGRESS: somebody else is changing it.
            WSASYSCALLFAILURE: the disk. WSAENOBUFS: no memory.
        """

        def change(before: Snapshot, bits: int) -> tuple[Snapshot, int]:
            where = path32 if bits == OTHER and path32 else path
            return operations.install_chains(before, provider_id, where, name, flags, kinds)

        return self._change(change, both=both, codes=_CHAINS)

    def deinstall(self, provider_id: uuid.UUID) -> None:
        """Remove every entry of a provider id; WSAEINVAL if it is not installed."""
        self._change(lambda before, bits: (operations.deinstall(before, provider_id), None))

    def update(self, provider_id: uuid.UUID, path: str, entries: Sequence[CatalogEntry]) -> None:
        """Give an installed provider a new path and new entries, as `operations.update`."""
        self._change(lambda before, bits: (operations.update(before, provider_id, path, entries), None))

    def order(self, ids: Sequence[int]) -> None:
        """Put the entries into the order of `ids`; WSAEINVAL unless every id of the catalog is there exactly once."""
        self._change(lambda before, bits: (operations.order(before, ids), None))

    def replace(self, after: Callable[[Snapshot], Snapshot]) -> None:
        """Make any change in one transaction: `after` gets the catalog and returns what it is to be."""
        self._change(lambda before, bits: (after(before), None))

    # -- categories ------------------------------------------------------------------------------------------------

    def set_categories(self, provider_id: uuid.UUID, categories: int) -> None:
        """Categorise a layer, named by the provider id of its own entry; WSAEINVAL as `operations.categorise`."""
        self._change(lambda before, bits: (operations.categorise(before, provider_id, categories), None))

    def get_categories(self, provider_id: uuid.UUID) -> int:
        """Return a layer's categories, 0 if it was not categorised; WSAEINVALIDPROVIDER when no layer has that id."""
        now = self.snapshot()
        if not operations.is_layer(now, provider_id):
            raise WinsockError(WSAError.WSAEINVALIDPROVIDER, f"provider {provider_id} is no installed layer")
        return now.providers[provider_id].categories or 0

    def set_application(self, executable: str, arguments: str, categories: int) -> int:
        """Permit an application some LSP categories, beside those it has; return what it had before.

        Parameters:
            executable: its path, environment strings allowed.
            arguments: its command line without the program's name; "" for any.
        Errors:
            WSAEINVAL: no path, or no such category.
        """
        return self.change_application(executable, arguments, lambda before: (before or 0) | categories) or 0

    def change_application(
        self, executable: str, arguments: str, after: Callable[[int | None], int | None]
    ) -> int | None:
        """Make any change to the categories that an application permits; return those it had before.

        Parameters:
            executable, arguments: as `set_application`.
            after: gets those it has and returns those that it is to have; None for one that is not categorised.
        Errors:
            WSAEINVAL: no path, or no such category.
        """
        key = cat.identity(executable, arguments)
        with transaction(self.path, write=True, codes=_APPLICATIONS) as connection:
            applications = rows.read_applications(connection)
            before = applications.get(key)
            rows.write_applications(connection, operations.permit(applications, key, after(before)))
            rows.count_change(connection)
        return before

    def get_application(self, executable: str, arguments: str) -> int:
        """Return the categories of an application; WSASERVICE_NOT_FOUND when it was not categorised."""
        key = cat.identity(executable, arguments)
        categories = None
        if self.exists():
            with transaction(self.path, codes=_APPLICATIONS) as connection:
                categories = rows.read_applications(connection).get(key)
        if categories is None:
            raise WinsockError(WSAError.WSASERVICE_NOT_FOUND, f"{executable} {arguments}".rstrip())
        return categories

    # -- starting over ---------------------------------------------------------------------------------------------

    def reset(self) -> str:
        """Leave nothing but the built-in entries, whatever the file holds.

        A file that cannot be read as a catalog is set aside, and a new one is made whose ids begin beyond any that the
        old one may have given out.

        Returns: where the old file lies, or "".
        """
        try:
            with transaction(self.path, write=True) as connection:
                for bits in (NATIVE, OTHER):
                    rows.write(connection, operations.reset(rows.read(connection, bits)), bits)
                rows.write_applications(connection, {})
                connection.execute("DROP TABLE IF EXISTS name_spaces")  # see `_runtime.names.stored`
                rows.count_change(connection)
            return ""
        except NotACatalogError:
            aside = self._set_aside()
        first = max(int(time.time()) - _EPOCH, 0) + Snapshot().next_id
        with transaction(self.path, write=True) as connection:
            for bits in (NATIVE, OTHER):
                rows.write(connection, Snapshot(next_id=first), bits)
            # A serial nobody has seen, so that who watches the file notices.
            rows.store_number(connection, "serial", time.time_ns() // 1_000_000)
        return aside

    def _set_aside(self) -> str:
        aside, number = f"{self.path}.damaged", 1
        while os.path.lexists(aside):
            number += 1
            aside = f"{self.path}.damaged{number}"
        try:
            os.rename(self.path, aside)
            if os.path.exists(f"{self.path}-journal"):
                os.rename(f"{self.path}-journal", f"{aside}-journal")
        except OSError as error:
            raise WinsockError(WSAError.WSANO_RECOVERY, f"{self.path} cannot be set aside: {error.strerror}") from error
        return aside
