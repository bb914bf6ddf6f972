"""Installing hand-written providers, and loading a provider by its path as a layer does with the one below it.

A path is what WPUGetProviderPath gives: `ws2spi:` and the provider's id. Where Windows has LoadLibrary and
GetProcAddress("WSPStartup"), there is `load_startup(path)`, for every kind of provider.
"""

import functools
import uuid
from collections.abc import Sequence
from typing import Any

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import deref
from ws2spi._abi.types import WSPDATA, WSPPROC_NAMES
from ws2spi._runtime.catalog import CatalogEntry, Loader
from ws2spi._runtime.process import HIGHEST_VERSION, runtime
from ws2spi._runtime.provider import Provider
from ws2spi._runtime.serve import table_of
from ws2spi._runtime.signatures import typed
from ws2spi._runtime.table_provider import TableProvider
from ws2spi._runtime.tables import Startup, start

PATH_PREFIX = "ws2spi:"

_LOWEST, _HIGHEST = (1, 0), (HIGHEST_VERSION & 0xFF, HIGHEST_VERSION >> 8)

_startups: dict[uuid.UUID, Startup] = {}  # {provider id: the WSPStartup it was installed with}


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


def load_startup(path: str) -> Startup:
    """Return the WSPStartup of the provider at `path`.

    Errors:
        WSAEPROVIDERFAILEDINIT: nothing can be loaded from there.
    """
    try:
        provider_id = uuid.UUID(path.removeprefix(PATH_PREFIX))
    except ValueError:
        raise WinsockError(WSAError.WSAEPROVIDERFAILEDINIT, f"no provider at {path!r}") from None
    entry = runtime.catalog.by_provider(provider_id)
    if entry is None:
        raise WinsockError(WSAError.WSAEPROVIDERFAILEDINIT, f"no provider at {path!r}")
    startup = _startups.get(provider_id)
    return startup or startup_of(runtime.provider(entry))


def startup_of(provider: Provider) -> Startup:
    """Return a WSPStartup that hands out the functions of a provider written in Python."""

    def WSPStartup(  # noqa: N802 - the name every provider exports
        version: int, data_argument: Any, info: Any, upcalls: Any, table_argument: Any
    ) -> int:
        requested = (version & 0xFF, version >> 8 & 0xFF)
        if requested < _LOWEST:
            return WSAError.WSAVERNOTSUPPORTED
        data = deref(data_argument, WSPDATA)
        if data is None or table_argument is None:
            return WSAError.WSAEFAULT
        major, minor = min(requested, _HIGHEST)
        data.wVersion, data.wHighVersion = major | minor << 8, HIGHEST_VERSION
        data.szDescription = "ws2spi"
        target = getattr(table_argument, "contents", table_argument)
        source = table_of(provider)
        for name in WSPPROC_NAMES:
            setattr(target, f"lp{name}", getattr(source, f"lp{name}"))
        runtime.providers.retain(provider)
        return 0

    return WSPStartup


def _typed_startup(startup: Startup) -> Startup:
    """Return `startup` with the functions it fills in made to receive pointers of their declared types."""

    @functools.wraps(startup)
    def call(version: int, data: Any, info: Any, upcalls: Any, table_argument: Any) -> int:
        code = startup(version, data, info, upcalls, table_argument)
        table = getattr(table_argument, "contents", table_argument)
        for name in WSPPROC_NAMES:
            function = getattr(table, f"lp{name}")
            if function:
                setattr(table, f"lp{name}", typed(f"lp{name}", function))
        return code

    return call
