"""What `ws2spi run` takes from the catalog: the layers of the chains that TCP sockets would get."""

import os
import socket
import uuid
from collections.abc import Sequence
from typing import NamedTuple

from ws2spi._abi.constants import AF_INET, AF_INET6, IPPROTO_TCP, SOCK_STREAM
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._runtime.catalog.categories import permitted
from ws2spi._runtime.catalog.entries import BASE_PROVIDERS, CatalogEntry
from ws2spi._runtime.catalog.snapshot import Snapshot
from ws2spi._runtime.catalog.store import StoredCatalog
from ws2spi._runtime.catalog.view import Catalog

_FAMILIES = {socket.AF_INET: AF_INET, socket.AF_INET6: AF_INET6}  # {Linux: Windows}


class StoredLayer(NamedTuple):
    """A layer of a chain: what its entry is called, where it is loaded from, and which layer it is."""

    name: str
    path: str
    layer: uuid.UUID


def stored_layers(argv: Sequence[str]) -> dict[int, list[StoredLayer]]:
    """Return {Linux address family: the layers of its TCP sockets, top first} for a program.

    Parameters:
        argv: the program, whose LSP categories decide which layers it gets, and its arguments.
    Errors:
        As `StoredCatalog.view`, and `Catalog.find`. WSAEPROVIDERFAILEDINIT: a chain is broken, or ends in a provider
        that is not the built-in one.
    """
    snapshot, applications, _ = StoredCatalog().view()
    categories = permitted(applications, found(argv[0]), " ".join(argv[1:])) if applications else None
    view = Catalog()
    view.take(snapshot, categories)
    layers: dict[int, list[StoredLayer]] = {}
    for family, number in _FAMILIES.items():
        entry = view.find(number, SOCK_STREAM, IPPROTO_TCP)
        view.check(entry)
        layers[family] = _layers(snapshot, entry)
    return layers


def _layers(snapshot: Snapshot, entry: CatalogEntry) -> list[StoredLayer]:
    layers: list[StoredLayer] = []
    while entry.chain and len(layers) < len(snapshot.entries):
        known = snapshot.providers[entry.provider_id]
        own = snapshot.get(entry.chain[0])
        name = own.name if own is not None and not own.chain_length else entry.name
        layers.append(StoredLayer(name, known.path, known.owner or entry.provider_id))
        below = snapshot.get(entry.chain[1]) if len(entry.chain) > 1 else None
        if below is None:
            raise WinsockError(WSAError.WSAEPROVIDERFAILEDINIT, f"{entry.name}: its chain is broken")
        entry = below
    if entry.provider_id not in BASE_PROVIDERS:
        detail = f"{entry.name} is a provider of its own, which only Winsock programs of Python can use"
        raise WinsockError(WSAError.WSAEPROVIDERFAILEDINIT, detail)
    return layers


def found(program: str) -> str:
    """Return the file that a program's name means, as the shell finds it."""
    if "/" in program:
        return program
    for folder in os.get_exec_path():
        path = os.path.join(folder, program)
        if os.access(path, os.X_OK) and not os.path.isdir(path):
            return path
    return program
