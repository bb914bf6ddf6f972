"""Stacks in the catalog: a stack of layers as a service provider, with a hidden entry of its own and its chains.

`install` puts a chain over the topmost entry of every protocol; sockets made from then on go through the layers. Where
that entry belongs to the base provider or to another stack, all layers share one connection over one Linux socket and
nothing is paid for the boundary between providers; over anybody else's procedure table the bottom is `lower`.
"""

import ctypes
import dataclasses
import importlib
import uuid
from contextvars import ContextVar
from functools import partial
from types import TracebackType

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.types import INT, WSPPROC_NAMES
from ws2spi._engine import lingering
from ws2spi._engine.connection import Connection
from ws2spi._engine.transport import SocketTransport
from ws2spi._runtime.catalog import BASE_IPV4, BASE_IPV6, CatalogEntry
from ws2spi._runtime.process import runtime
from ws2spi._runtime.serve import Served
from ws2spi._runtime.signatures import typed
from ws2spi._runtime.tables import ProcTable, handing
from ws2spi.providers.lower import ProviderTransport
from ws2spi.providers.private_thread import PrivateThread
from ws2spi.providers.sockets import SocketProvider
from ws2spi.providers.stack import Stack

# Loaded by name: a stack over the built-in provider alone needs nothing of it.
_LOADING = "ws2spi._runtime.loading"

_given: ContextVar[CatalogEntry | None] = ContextVar("_given", default=None)  # the info that WSPSocket was called with


class LayeredProvider(SocketProvider):
    """A stack as one provider: IFS if no layer touches bytes, else with handles of its own."""

    def __init__(self, stack: Stack, *, ifs: bool, provider_id: uuid.UUID | None = None) -> None:
        super().__init__(stack, ifs=ifs)
        self._provider_id = provider_id
        self._private = PrivateThread()
        # What the runtime calls; None: it serves the methods as they are.
        self.table = with_overrides(stack, Served(self).table)
        self._ends_itself = any(hasattr(layer, "WSPCleanup") for layer in stack.layers)
        self._ending = False

    def socket(self, af: int, type: int, protocol: int, info: CatalogEntry, flags: int) -> int:
        token = _given.set(info)
        try:
            return super().socket(af, type, protocol, self._own(info), flags)
        finally:
            _given.reset(token)

    def adopt(self, token: int, info: CatalogEntry) -> int:
        return super().adopt(token, self._own(info))

    def _own(self, info: CatalogEntry) -> CatalogEntry:
        """Our chain for what a hand-written layer above hands down: its own chain, unchanged, or our hidden entry."""
        if self._provider_id is None or (info.provider_id == self._provider_id and len(info.chain) > 1):
            return info
        own = [
            entry
            for entry in runtime.catalog.enum_protocols()
            if entry.provider_id == self._provider_id and entry.kind == info.kind
        ]
        # In a chain laid over one of ours stands its id; in a chain made by hand our own id, and then what is below us.
        return next(
            (one for one in own if one.catalog_id in info.chain or info.chain[-len(one.chain) :] == one.chain),
            own[0] if own else info,
        )

    def open(self, af: int, type: int, protocol: int, info: CatalogEntry) -> Connection:
        chain = _given.get() or info
        with handing(chain):
            stack, below = self._whole(info)
            if below.provider_id in (BASE_IPV4, BASE_IPV6):
                return stack.connection(runtime.engine, self.lower_socket(af, type, protocol))
            # A layered provider gets the chain's info as it was handed to us, any other its own (layering 2).
            handed = dataclasses.replace(below, provider_reserved=chain.provider_reserved)
            if below.chain_length > 1:
                handed = chain
            transport = ProviderTransport.open(af, type, protocol, below, handed, self._private)
        return stack.connection(runtime.engine, transport)

    def over(self, info: CatalogEntry, transport: SocketTransport) -> Connection:
        return self._whole(info)[0].connection(runtime.engine, transport)

    def _whole(self, info: CatalogEntry) -> tuple[Stack, CatalogEntry]:
        """All layers of ours over each other, and what is below the last."""
        layers = self.stack.layers
        below = _below(info)
        # Stacks over stacks are one stack: the boundary between two of ours is a call, not a socket handle.
        # One with WSP functions of its own is reached through them.
        while isinstance(provider := runtime.provider(below), LayeredProvider) and provider.table is None:
            layers += provider.stack.layers
            below = _below(below)
        return self.stack if layers is self.stack.layers else Stack(layers), below

    def cleanup(self) -> None:
        if self._ends_itself and self.table is not None and not self._ending:
            # The layers' own first; what it calls below comes back here.
            self._ending = True
            try:
                self.table.lpWSPCleanup(ctypes.byref(INT()))
            finally:
                self._ending = False
        super().cleanup()
        lingering.finish()  # before what is below is cleaned up
        self._private.close()
        self._private = PrivateThread()

    def forget(self) -> None:
        super().forget()
        self._private = PrivateThread()


def with_overrides(stack: Stack, table: ProcTable) -> ProcTable | None:
    """The procedure table as the layers' own WSP functions make it; None if no layer has any.

    A layer's `WSPConnect(self, below, s, name, …, lpErrno)` takes the place of `lpWSPConnect`; `below` is the table as
    it is beneath that layer.
    """
    result = None
    for layer in reversed(stack.layers):
        names = [name for name in WSPPROC_NAMES if hasattr(layer, name)]
        if names:
            below = result or table
            result = below.copy()
            for name in names:
                setattr(
                    result,
                    f"lp{name}",
                    typed(f"lp{name}", partial(getattr(layer, name), below), f"layer {layer.name!r}"),
                )
    return result


def _below(info: CatalogEntry) -> CatalogEntry:
    """The entry that a chain entry was layered over."""
    below = runtime.catalog.get(info.chain[1]) if len(info.chain) > 1 else None
    if below is None:
        raise WinsockError(WSAError.WSAEPROVIDERFAILEDINIT, f"what {info.name!r} was layered over is gone")
    return below


def _over_hand_written(entry: CatalogEntry) -> bool:
    """Whether an entry's provider, or one below it, is a WSPStartup: what it passes on is no descriptor to layers."""
    loading = importlib.import_module(_LOADING)
    return any(loading.is_hand_written(one) for one in (entry, *loading.below(entry)))


class Installed:
    """A stack in the catalog; `remove()` (or leaving the `with` block) takes it out again.

    Attributes:
        stack: the layers.
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
    """Put `stack` over the topmost entry of every protocol in this process's catalog, on top of the order.

    Parameters:
        name: what the entries are called; the layers' names unless given.
    Returns: what takes it out again.
    Errors: WinsockError WSANO_RECOVERY when a chain would have more than seven entries, or the stored catalog, whose
        layers it lies over, cannot be read.
    """
    title = name or " over ".join(layer.name for layer in stack.layers) or "empty stack"
    provider_id = uuid.uuid4()
    runtime.foresee_catalog()
    topmost: dict[tuple[int, int, int], CatalogEntry] = {}
    for entry in runtime.catalog.enum_protocols():
        topmost.setdefault((entry.address_family, entry.socket_type, entry.protocol), entry)
    # An IFS layer hands out the lower provider's handle, so it needs one that is a descriptor of its own all the way.
    ifs = stack.ifs and all(entry.ifs and not _over_hand_written(entry) for entry in topmost.values())
    flag = c.XP1_IFS_HANDLES if ifs else 0
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
            entry,
            name=f"{title} over {entry.name}",
            provider_id=provider_id,
            catalog_id=0,
            service_flags=entry.service_flags & ~c.XP1_IFS_HANDLES | flag,
            chain=(0, entry.catalog_id, *entry.chain[1:]),
            base=False,
        )
        for entry in topmost.values()
    ]
    if any(len(chain.chain) > c.MAX_PROTOCOL_CHAIN for chain in chains):
        raise WinsockError(WSAError.WSANO_RECOVERY, f"a chain has at most {c.MAX_PROTOCOL_CHAIN} entries")
    provider = LayeredProvider(stack, ifs=ifs, provider_id=provider_id)
    installed = runtime.catalog.install([own, *chains], lambda entry: provider)
    return Installed(stack, [entry.catalog_id for entry in installed])
