"""The provider catalog: what is installed, in which order, and which entry a socket is made of.

`entries` (the words: one entry, the built-in ones), `place` (where the file is), `database` (opening it, transactions),
`rows` (what lies in it), `store` (every change to it, as one transaction each), `snapshot` (all of it at one moment),
`operations` (each change, from one snapshot to the next), `checks` (what is wrong with a catalog), `paths` (where a
provider is loaded from), `categories` (which layers an application admits), `view` (the catalog as this process sees
it), `matching` (socket()'s choice), `changes` (being told of a change), `transfer` (JSON), `launching` (what `ws2spi
run` takes from it).

Names are loaded when they are first used: `ws2spi run` asks `place` before every program, and most machines have no
catalog file.

Never: loads a provider (`ws2spi._runtime.loading` does), or touches the file outside a transaction.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ws2spi._runtime.catalog.entries import (
        BASE_ENTRIES,
        BASE_IPV4,
        BASE_IPV6,
        BASE_PROVIDERS,
        FIRST_ID,
        PATH_PREFIX,
        CatalogEntry,
        Loader,
    )
    from ws2spi._runtime.catalog.store import StoredCatalog
    from ws2spi._runtime.catalog.view import Catalog

__all__ = [
    "BASE_ENTRIES",
    "BASE_IPV4",
    "BASE_IPV6",
    "BASE_PROVIDERS",
    "FIRST_ID",
    "PATH_PREFIX",
    "Catalog",
    "CatalogEntry",
    "Loader",
    "StoredCatalog",
]

_HOMES = {"Catalog": "view", "StoredCatalog": "store"}  # {name: module}; the others are in `entries`


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES.get(name, 'entries')}"), name)
    globals()[name] = value
    return value
