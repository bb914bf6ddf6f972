"""Loading a name-space provider by its path, as LoadLibrary does with a DLL's.

`FILE.py:Class`, `FILE.py`, `package.module:Class` or `package.module`. Without a class the module exports NSPStartup,
or has one class of name-space providers. `%NAME%` stands for an environment variable, also in the folder's part.
"""

import importlib
import importlib.util
import os
import re
import sys
from types import ModuleType
from typing import Any

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._runtime.names.provider import NameSpaceProvider
from ws2spi._runtime.names.routines import Startup


def load(path: str) -> Startup | NameSpaceProvider:
    """Return the NSPStartup at a path, or an object of the class there.

    Errors:
        WSAEPROVIDERFAILEDINIT: there is nothing like it, or it raised.
    """
    expanded = re.sub(r"%(\w+)%", lambda match: os.environ.get(match[1], match[0]), path)
    place, _, name = expanded.rpartition(":") if ".py:" in expanded or ":" in expanded else (expanded, "", "")
    try:
        module = _module(place)
        return _made(getattr(module, name) if name else _exported(module, path))
    except WinsockError:
        raise
    except Exception as error:
        raise WinsockError(WSAError.WSAEPROVIDERFAILEDINIT, f"{path}: {error!r}") from error


def _module(place: str) -> ModuleType:
    if not place.endswith(".py"):
        return importlib.import_module(place)
    path = os.path.abspath(os.path.expanduser(place))
    name = f"ws2spi_name_space_{abs(hash(path)):x}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _exported(module: ModuleType, path: str) -> Any:
    startup = getattr(module, "NSPStartup", None)
    if startup is not None:
        return startup
    classes = [
        one
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, NameSpaceProvider) and one.__module__ == module.__name__
    ]
    if len(classes) != 1:
        raise WinsockError(
            WSAError.WSAEPROVIDERFAILEDINIT, f"{path}: neither NSPStartup nor exactly one NameSpaceProvider"
        )
    return classes[0]


def _made(found: Any) -> Startup | NameSpaceProvider:
    if isinstance(found, type) and issubclass(found, NameSpaceProvider):
        return found()
    if isinstance(found, NameSpaceProvider):
        return found
    if callable(found):
        return found  # type: ignore[no-any-return]
    raise TypeError(f"{found!r} is no name-space provider")
