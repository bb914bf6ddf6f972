"""Stacks in the catalog: a stack of layers as a service provider, with a hidden entry of its own and its chains.

`install` puts chains over the base entries on top of the order; sockets made from then on go through the layers.
"""

import dataclasses
import uuid
from types import TracebackType

from ws2spi._abi import constants as c
from ws2spi._runtime.catalog import CatalogEntry
from ws2spi._runtime.process import runtime
from ws2spi.providers.sockets import SocketProvider
from ws2spi.providers.stack import Stack


class LayeredProvider(SocketProvider):
    """A stack as one provider: IFS if no layer touches bytes, else with handles of its own."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack, ifs=stack.ifs)


class Installed:
    """A stack in the catalog; `remove()` (or leaving the `with` block) takes it out again.

    Attributes:
        ids: the catalog ids, the layer's own hidden entry first.
    """

    def __init__(self, stack: Stack, ids: list[int]) -> None:
        self.stack = stack
        self.ids = ids

    def remove(self) -> None:
        """New sockets no longer go through the stack; those that exist keep it."""
        runtime.catalog.remove(self.ids)

    def __enter__(self) -> "Installed":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


def install(stack: Stack, name: str | None = None) -> Installed:
    """Put `stack` over every base entry of this process's catalog, on top of the order.

    Parameters:
        name: what the entries are called; the layers' names unless given.
    Returns: what takes it out again.
    """
    title = name or " over ".join(layer.name for layer in stack.layers) or "empty stack"
    provider_id = uuid.uuid4()
    flag = c.XP1_IFS_HANDLES if stack.ifs else 0
    bases = [entry for entry in runtime.catalog.enum_protocols() if entry.base and not entry.chain]
    own = CatalogEntry(
        address_family=c.AF_INET,
        socket_type=c.SOCK_STREAM,
        protocol=c.IPPROTO_TCP,
        name=title,
        provider_id=provider_id,
        service_flags=flag,
        provider_flags=c.PFL_HIDDEN,
        base=False,
    )
    chains = [
        dataclasses.replace(
            base,
            name=f"{title} over {base.name}",
            provider_id=provider_id,
            catalog_id=0,
            service_flags=base.service_flags & ~c.XP1_IFS_HANDLES | flag,
            chain=(0, base.catalog_id),
            base=False,
        )
        for base in bases
    ]
    provider = LayeredProvider(stack)
    installed = runtime.catalog.install([own, *chains], lambda entry: provider)
    return Installed(stack, [entry.catalog_id for entry in installed])
