"""The base provider: TCP and UDP over IPv4 and IPv6, by Linux sockets. Its handles are the sockets' own descriptors.

Never: layers, or anything a stack of them would need.
"""

from ws2spi._runtime.catalog import CatalogEntry
from ws2spi.providers.sockets import SocketProvider
from ws2spi.providers.stack import Stack


class BaseProvider(SocketProvider):
    """The bottom of every chain."""

    def __init__(self) -> None:
        super().__init__(Stack(), ifs=True)


def provider(entry: CatalogEntry) -> BaseProvider:
    """The catalog's loader of the built-in base entries."""
    return BaseProvider()
