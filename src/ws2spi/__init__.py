"""ws2spi: layers written in Python between any program and the network.

The open, complete Winsock 2 service provider interface as a Python runtime for Linux. `Layer` is what you derive from;
`ws2spi run` puts layers under a program; `ws2spi.ws2_32` and `ws2spi.kernel32` are the exact faces of the DLLs.

Never: work at import time. Names are loaded when they are first used, so that the command line starts quickly.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ws2spi._abi.errors import ProviderContractError, WinsockError, WSAError
    from ws2spi._engine.boundary import View
    from ws2spi._engine.operations import Cancelled, sleep
    from ws2spi._executive.events import Event
    from ws2spi._executive.ports import CompletionPort, Packet, PortClosed
    from ws2spi._executive.threads import Thread
    from ws2spi._executive.threads import current as current_thread
    from ws2spi._executive.waits import wait
    from ws2spi._runtime.catalog import StoredCatalog
    from ws2spi._runtime.loading import install_provider, load_startup
    from ws2spi._runtime.names.catalog import install_name_space
    from ws2spi._runtime.names.provider import NameSpaceProvider
    from ws2spi._runtime.names.records import Query, Service, ServiceClass
    from ws2spi._runtime.names.services import ServiceTable
    from ws2spi.providers.layer import Layer
    from ws2spi.providers.layered import install
    from ws2spi.providers.stack import Stack

__version__ = "0.1.0"

_HOMES = {  # {public name: (module, name there)}
    "Cancelled": ("ws2spi._engine.operations", "Cancelled"),
    "CompletionPort": ("ws2spi._executive.ports", "CompletionPort"),
    "Event": ("ws2spi._executive.events", "Event"),
    "Layer": ("ws2spi.providers.layer", "Layer"),
    "NameSpaceProvider": ("ws2spi._runtime.names.provider", "NameSpaceProvider"),
    "Packet": ("ws2spi._executive.ports", "Packet"),
    "PortClosed": ("ws2spi._executive.ports", "PortClosed"),
    "ProviderContractError": ("ws2spi._abi.errors", "ProviderContractError"),
    "Query": ("ws2spi._runtime.names.records", "Query"),
    "Service": ("ws2spi._runtime.names.records", "Service"),
    "ServiceClass": ("ws2spi._runtime.names.records", "ServiceClass"),
    "ServiceTable": ("ws2spi._runtime.names.services", "ServiceTable"),
    "Stack": ("ws2spi.providers.stack", "Stack"),
    "StoredCatalog": ("ws2spi._runtime.catalog", "StoredCatalog"),
    "Thread": ("ws2spi._executive.threads", "Thread"),
    "View": ("ws2spi._engine.boundary", "View"),
    "WSAError": ("ws2spi._abi.errors", "WSAError"),
    "WinsockError": ("ws2spi._abi.errors", "WinsockError"),
    "current_thread": ("ws2spi._executive.threads", "current"),
    "install": ("ws2spi.providers.layered", "install"),
    "install_name_space": ("ws2spi._runtime.names.catalog", "install_name_space"),
    "install_provider": ("ws2spi._runtime.loading", "install_provider"),
    "load_startup": ("ws2spi._runtime.loading", "load_startup"),
    "sleep": ("ws2spi._engine.operations", "sleep"),
    "wait": ("ws2spi._executive.waits", "wait"),
}

__all__ = [
    "Cancelled",
    "CompletionPort",
    "Event",
    "Layer",
    "NameSpaceProvider",
    "Packet",
    "PortClosed",
    "ProviderContractError",
    "Query",
    "Service",
    "ServiceClass",
    "ServiceTable",
    "Stack",
    "StoredCatalog",
    "Thread",
    "View",
    "WSAError",
    "WinsockError",
    "current_thread",
    "install",
    "install_name_space",
    "install_provider",
    "load_startup",
    "sleep",
    "wait",
]


def __getattr__(name: str) -> Any:
    try:
        module, attribute = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module 'ws2spi' has no attribute {name!r}") from None
    value = getattr(importlib.import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
