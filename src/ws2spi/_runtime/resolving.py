"""From a provider's path (`catalog.paths`) to what lies there.

It may be a `WSPStartup`, which is a full provider; a `Layer` class, an object or a list of them, or a `Stack`, which
become one; or a function without parameters that returns any of these. Without a name in the path, the module's
`WSPStartup` is meant, else its only `Layer`.

Imports nothing of the runtime: `ws2spi run` comes here before it starts a program.
"""

import importlib
from typing import Any

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._runtime.catalog.paths import parts

# Loaded by name: they stand on lower floors than this folder.
_LAYER = "ws2spi.providers.layer"
_STACK = "ws2spi.providers.stack"
_REGISTRY = "ws2spi.layers.registry"


class NoEntryPointError(WinsockError):
    """The module is there, and nothing in it is a provider."""

    def __init__(self, detail: str) -> None:
        super().__init__(WSAError.WSAEPROVIDERFAILEDINIT, detail)


def resolve(path: str) -> Any:
    """Return what a path names: a `Stack`, or the WSPStartup of a hand-written provider, the only one that is callable.

    Errors:
        WSAEPROVIDERFAILEDINIT: it leads nowhere, or what lies there fails; as `NoEntryPointError`, it is no provider.
    """
    registry = importlib.import_module(_REGISTRY)
    shown = path
    try:
        place = parts(path)
        shown = f"{place.file or place.module}{f':{place.name}' if place.name else ''}"
        module = registry.load_file(place.file) if place.file else importlib.import_module(place.module)
        found = _named(module, place.name, shown, importlib.import_module(_LAYER).Layer)
        if place.options or isinstance(found, type):
            found = registry.make(found, place.options, shown)
        elif callable(found) and getattr(found, "__name__", "") != "WSPStartup":
            found = found()
    except WinsockError:
        raise
    except registry.LayerSpecError as error:
        raise WinsockError(WSAError.WSAEPROVIDERFAILEDINIT, str(error)) from error
    except (Exception, SystemExit) as error:
        raise WinsockError(WSAError.WSAEPROVIDERFAILEDINIT, f"{shown}: {_one_line(error)}") from error
    return _provider_in(found, shown)


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _named(module: Any, name: str, shown: str, layer: type) -> Any:
    """Return what a module has under a name; without one, its WSPStartup or its only layer."""
    if name:
        found = getattr(module, name, None)
        if found is None:
            raise NoEntryPointError(f"{shown}: the module has no {name!r}")
        return found
    if hasattr(module, "WSPStartup"):
        return module.WSPStartup
    own = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, layer) and value.__module__ == module.__name__
    ]
    if len(own) != 1:
        raise NoEntryPointError(f"{shown}: it has no WSPStartup, and {len(own) or 'no'} layers")
    return own[0]


def _provider_in(found: Any, shown: str) -> Any:
    layer, stack = importlib.import_module(_LAYER).Layer, importlib.import_module(_STACK).Stack
    if isinstance(found, stack):
        return found
    if isinstance(found, layer):
        return stack([found])
    if isinstance(found, list | tuple) and found and all(isinstance(one, layer) for one in found):
        return stack(found)
    startup = getattr(found, "WSPStartup", None) or found
    if callable(startup):
        return startup
    raise NoEntryPointError(f"{shown} is {type(found).__name__}, and no provider: a WSPStartup or a Layer is wanted")
