"""Loading providers by their path, and installing hand-written ones for this process.

A stored provider's path names a file or a module and something in it: see `resolving`.

`ws2spi:` and a provider's id stand for a provider that has no file: the built-in ones, and those of this process alone.
Where Windows has LoadLibrary and GetProcAddress("WSPStartup"), there is `load_startup(path)`, for every kind of them.
"""

import functools
import importlib
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from ws2spi._abi.constants import MAX_PATH
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import deref
from ws2spi._abi.types import WSAPROTOCOL_INFOW, WSPDATA, WSPPROC_NAMES
from ws2spi._runtime import protocol_info
from ws2spi._runtime.catalog import PATH_PREFIX, CatalogEntry, Loader, StoredCatalog
from ws2spi._runtime.catalog.snapshot import BASE_PATH
from ws2spi._runtime.function_tables import WSPPROC_TABLE, call_startup, table_behind
from ws2spi._runtime.process import HIGHEST_VERSION, runtime
from ws2spi._runtime.provider import Provider
from ws2spi._runtime.resolving import NoEntryPointError, resolve
from ws2spi._runtime.serve import table_of
from ws2spi._runtime.signatures import name_owner
from ws2spi._runtime.table_provider import TableProvider
from ws2spi._runtime.tables import ProcTable, Startup, start

# Loaded by name: it stands on a lower floor than this folder.
_LAYERED = "ws2spi.providers.layered"

_LOWEST, _HIGHEST = (1, 0), (HIGHEST_VERSION & 0xFF, HIGHEST_VERSION >> 8)

_startups: dict[uuid.UUID, Startup] = {}  # {provider id: the WSPStartup it was installed with}

# {(provider id of a layer's own entry, path): its stack}: the chains of an IFS layer are providers of their own, and
# yet one layer, with one state, until the last WSACleanup.
_stacks: dict[tuple[uuid.UUID, str], Any] = {}
runtime.extend(_stacks.clear, _stacks.clear)


def install_provider(startup: Startup, entries: Sequence[CatalogEntry], *, top: bool = True) -> list[CatalogEntry]:
    """Install a hand-written provider for this process and return its entries, with their ids.

    Parameters:
        startup: `WSPStartup(wVersionRequested, lpWSPData, lpProtocolInfo, UpcallTable, lpProcTable)`: returns 0 or a
            code, having filled in all thirty functions of `lpProcTable`. It is called once per provider id, when a
            socket is first asked for.
        entries: at least one; a 0 in a chain stands for the first of them. Several provider ids are allowed.
        top: put the entries before all others, as chains must be; else behind.
    Errors:
        WSAEINVAL, WSANO_RECOVERY: as `Catalog.install`.
    """
    typed_startup = _typed_startup(startup)

    def load(entry: CatalogEntry) -> Provider:
        return TableProvider(start(typed_startup, entry), entry.name)

    loader: Loader = load
    installed = runtime.catalog.install(entries, loader, top=top)
    for entry in installed:
        _startups[entry.provider_id] = typed_startup
    return installed


def install_layer(
    provider_id: uuid.UUID,
    path: str,
    name: str,
    flags: int,
    kinds: Sequence[tuple[int, int, int]] | None,
    *,
    path32: str | None = None,
    both: bool = False,
) -> int:
    """Install a layer with its chains in the stored catalog, as WSCInstallProviderAndChains does.

    A layer with handles of its own is loaded first, to see that it is one.

    Returns: the id of its own, hidden entry.
    Errors:
        WSAEINVAL: a path that is too long or leads nowhere; and as `StoredCatalog.install_chains`.
        WSAEINVALIDPROCTABLE: what lies there is no provider.
    """
    if any(len(one) >= MAX_PATH for one in (path, path32 or "")):
        raise WinsockError(WSAError.WSAEINVAL, f"a path has at most {MAX_PATH - 1} characters")
    if path and not flags:
        try:
            resolve(path)
        except NoEntryPointError as error:
            raise WinsockError(WSAError.WSAEINVALIDPROCTABLE, error.detail) from error
        except WinsockError as error:
            raise WinsockError(WSAError.WSAEINVAL, error.detail) from error
    return StoredCatalog().install_chains(provider_id, path, name, flags, kinds, path32=path32, both=both)


def stored_provider_path(provider_id: uuid.UUID) -> str:
    """Return the path of a provider as the stored catalog has it now, else as this process sees it.

    Errors:
        WSAEINVAL: neither knows it.
    """
    return runtime.catalog.path(provider_id, StoredCatalog().snapshot())


def load_startup(path: str) -> Startup:
    """Return the WSPStartup of the provider at `path`.

    Errors:
        WSAEPROVIDERFAILEDINIT: nothing can be loaded from there.
    """
    if path.startswith(PATH_PREFIX):
        entry = _entry_of(path.removeprefix(PATH_PREFIX))
        if entry is None:
            raise WinsockError(WSAError.WSAEPROVIDERFAILEDINIT, f"no provider at {path!r}")
        return _startups.get(entry.provider_id) or startup_of(runtime.provider(entry))
    found = resolve(path)
    return _typed_startup(found) if callable(found) else _startup_by_entry(path)


def _entry_of(text: str) -> CatalogEntry | None:
    try:
        return runtime.catalog.by_provider(uuid.UUID(text))
    except ValueError:
        return None


def _startup_by_entry(path: str) -> Startup:
    """Return the WSPStartup of an installed layer: it hands out the functions of the provider that its info means.

    One path may serve several providers; the info is the entry to be started, or the chain of the layers above it.
    """

    def WSPStartup(  # noqa: N802 - the name every provider exports
        version: int, data: Any, info: Any, upcalls: Any, table: Any
    ) -> int:
        structure = deref(info, WSAPROTOCOL_INFOW)
        if structure is None:
            return WSAError.WSAEFAULT
        catalog_id = structure.dwCatalogEntryId
        chain = runtime.catalog.get(catalog_id)
        for member in (catalog_id, *(chain.chain if chain is not None else ())):
            entry = runtime.catalog.get(member)
            if entry is not None and entry.chain_length and runtime.catalog.path(entry.provider_id) == path:
                try:
                    return startup_of(runtime.provider(entry))(version, data, info, upcalls, table)
                except WinsockError as error:
                    return error.code
        return WSAError.WSAEPROVIDERFAILEDINIT

    return WSPStartup


def is_hand_written(entry: CatalogEntry) -> bool:
    """Tell whether the provider of an entry is a WSPStartup.

    Errors:
        WSAEPROVIDERFAILEDINIT: it is stored, and cannot be loaded.
    """
    known = runtime.catalog.stored(entry.provider_id)
    if known is None or known.path == BASE_PATH:
        return entry.provider_id in _startups
    key = known.owner or entry.provider_id, known.path
    if key in _stacks:
        return False
    found = resolve(known.path)
    if callable(found):
        return True
    _stacks[key] = found
    return False


def below(entry: CatalogEntry) -> Iterator[CatalogEntry]:
    """What a chain was laid over, and what that was laid over, down to the base."""
    seen = set()
    lower = runtime.catalog.get(entry.chain[1]) if len(entry.chain) > 1 else None
    while lower is not None and lower.catalog_id not in seen:
        seen.add(lower.catalog_id)
        yield lower
        lower = runtime.catalog.get(lower.chain[1]) if len(lower.chain) > 1 else None


# -- stored providers --------------------------------------------------------------------------------------------------


def loader_of(path: str) -> Loader:
    """Return what loads the provider stored with `path`."""

    def load(entry: CatalogEntry) -> Provider:
        known = runtime.catalog.stored(entry.provider_id)
        key = (known.owner if known is not None else None) or entry.provider_id, path
        found = _stacks.get(key) or resolve(path)
        if callable(found):
            startup = _startups[entry.provider_id] = _typed_startup(found)
            return TableProvider(start(startup, entry), entry.name)
        if entry.ifs and not found.ifs:
            detail = f"{path}: it looks at bytes, and was installed as an IFS layer, which never sees them"
            raise WinsockError(WSAError.WSAEPROVIDERFAILEDINIT, detail)
        _stacks[key] = found
        # Its layers use the descriptor of a provider of ours; what a hand-written one passes on is none to them.
        ifs = entry.ifs and not any(not one.ifs or is_hand_written(one) for one in below(entry))
        provider: Provider = importlib.import_module(_LAYERED).LayeredProvider(
            found, ifs=ifs, provider_id=entry.provider_id
        )
        return provider

    return load


# -- the way back ------------------------------------------------------------------------------------------------------
def startup_of(provider: Provider) -> Startup:
    """Return a WSPStartup that hands out the functions of a provider written in Python."""

    def WSPStartup(  # noqa: N802 - the name every provider exports
        version: int, data_argument: Any, info: Any, upcalls: Any, table_argument: Any
    ) -> int:
        requested = (version & 0xFF, version >> 8 & 0xFF)
        if requested < _LOWEST:
            return WSAError.WSAVERNOTSUPPORTED
        data = deref(data_argument, WSPDATA)
        if data is None or table_behind(table_argument) is None:
            return WSAError.WSAEFAULT
        major, minor = min(requested, _HIGHEST)
        data.wVersion, data.wHighVersion = major | minor << 8, HIGHEST_VERSION
        data.szDescription = "ws2spi"
        target = table_behind(table_argument)
        source = table_of(provider)
        for name in WSPPROC_NAMES:
            setattr(target, f"lp{name}", getattr(source, f"lp{name}"))
        runtime.providers.retain(provider)
        return 0

    return WSPStartup


def _typed_startup(startup: Startup) -> Startup:
    """Return `startup` with the functions it fills in made to receive pointers of their declared types, as it does."""

    @functools.wraps(startup)
    def call(version: int, data: Any, info: Any, upcalls: Any, table_argument: Any) -> int:
        table = table_behind(table_argument)
        # It may copy bytes into it, so that what it gets is a structure in any case.
        memory = WSPPROC_TABLE() if isinstance(table, ProcTable) else table
        code = call_startup(startup, version, data, info, upcalls, memory)
        for name in WSPPROC_NAMES if memory is not None else ():
            function = getattr(memory, f"lp{name}")
            if function:
                name_owner(function, _owner(info))
                if memory is not table:
                    setattr(table, f"lp{name}", function)
        return code

    return call


def _owner(info: Any) -> str:
    """Whom reports name: the entry that is started."""
    structure = deref(info, WSAPROTOCOL_INFOW)
    return protocol_info.read(structure).name if structure is not None else "a provider"
