"""A stack: layers in order, ready to be put over sockets."""

from collections.abc import Iterable
from typing import Any

from ws2spi._engine.boundary import Plan
from ws2spi._engine.connection import Connection, EngineShape
from ws2spi.providers.layer import Layer


class Stack:
    """Layers, top first: the first one is nearest to the application.

    Attributes:
        layers: the layers.
        ifs: whether none of them touches bytes, so that the lower socket itself can be handed out.
        handshakes: whether the `connect` of one of them sends or receives.
    """

    def __init__(self, layers: Iterable[Layer] = ()) -> None:
        self.layers = tuple(layers)
        for layer in self.layers:
            if not isinstance(layer, Layer):
                raise TypeError(f"a stack is made of Layer objects, not {type(layer).__name__}: {layer!r}")
        self.ifs = all(layer.ifs() for layer in self.layers)
        self.handshakes = any(layer.handshakes for layer in self.layers)
        self.plan = Plan(self.layers, [layer.overrides() for layer in self.layers])

    def connection(self, engine: EngineShape, transport: Any, *, origin: Any = None) -> Connection:
        """A new connection of these layers over `transport` (a `SocketTransport` or what takes its place).

        Their `socket` methods run first.
        """
        connection = Connection(engine, transport, self.plan, origin=origin)
        if self.plan.has_socket:
            connection.submit("socket")
        return connection

    def __repr__(self) -> str:
        return f"<Stack {' over '.join(layer.name for layer in self.layers) or 'empty'}>"
