"""The installed layers beneath those of one run."""

import uuid
from collections.abc import Sequence
from typing import Any

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.connection import Connection, EngineShape
from ws2spi._runtime.catalog.launching import StoredLayer, stored_layers
from ws2spi._runtime.resolving import resolve
from ws2spi.providers.layer import Layer
from ws2spi.providers.stack import Stack


class StackByFamily(Stack):
    """A stack for each address family in the shape of one, which has the layers of all: it decides what must be seen.

    Parameters:
        stacks: {Linux address family: its stack}.
    """

    def __init__(self, stacks: dict[int, Stack]) -> None:
        layers = {id(layer): layer for stack in stacks.values() for layer in stack.layers}
        super().__init__(layers.values())
        self._stacks = stacks

    def connection(self, engine: EngineShape, transport: Any, *, origin: Any = None) -> Connection:
        """A new connection of the layers for the family of `transport`."""
        stack = self._stacks.get(transport.family)
        if stack is None:
            return super().connection(engine, transport, origin=origin)
        return stack.connection(engine, transport, origin=origin)


def over_installed(layers: Sequence[Layer], argv: Sequence[str]) -> Stack:
    """Return the stack of a run: `layers`, and beneath them those that are installed for the program.

    Errors: WinsockError with a line for the user: the catalog cannot be read, or one of its layers cannot be loaded.
    """
    made: dict[tuple[uuid.UUID, str], Sequence[Layer]] = {}  # both families have the same objects
    stacks = {}
    for family, stored in stored_layers(argv).items():
        below: list[Layer] = []
        for one in stored:
            key = one.layer, one.path
            if key not in made:
                made[key] = _made(one)
            below += made[key]
        stacks[family] = Stack([*layers, *below])
    first, *others = stacks.values()
    if all(stack.layers == first.layers for stack in others):
        return first
    return StackByFamily(stacks)


def _made(stored: StoredLayer) -> Sequence[Layer]:
    try:
        found = resolve(stored.path)
    except WinsockError as error:
        raise WinsockError(error.code, f"installed layer {stored.name!r}: {error.detail}") from error
    if not isinstance(found, Stack):
        detail = f"{stored.name!r} is a hand-written provider, which only Winsock programs of Python can use"
        raise WinsockError(WSAError.WSAEPROVIDERFAILEDINIT, detail)
    return found.layers
