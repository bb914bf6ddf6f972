"""What is checked, and how it gets into this process's catalog for the time of a clause."""

import dataclasses
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeAlias

import ws2spi
from ws2spi._abi import constants as c
from ws2spi._runtime.catalog import CatalogEntry
from ws2spi._runtime.loading import install_provider
from ws2spi._runtime.process import runtime
from ws2spi.providers.layer import Layer
from ws2spi.providers.stack import Stack
from ws2spi.testing.conformance.neighbours import NEIGHBOURS

# What `make` may return: a layer, layers (top first), a stack, a WSPStartup, an object with one, or None for nothing
# at all, which leaves the base provider.
Subject: TypeAlias = Any
Make: TypeAlias = Callable[[], Subject]


@dataclasses.dataclass(frozen=True)
class Arrangement:
    """Where the subject stands: a name, and what is installed around it, from the network upwards."""

    name: str
    order: tuple[Any, ...]  # layer classes, and SUBJECT where the subject stands


SUBJECT = object()

ARRANGEMENTS = (
    Arrangement("alone", (SUBJECT,)),
    Arrangement("twice", (SUBJECT, SUBJECT)),
    *(Arrangement(f"over {layer.name}", (layer, SUBJECT)) for layer in NEIGHBOURS),
    *(Arrangement(f"under {layer.name}", (SUBJECT, layer)) for layer in NEIGHBOURS),
)


@contextmanager
def arranged(make: Make, arrangement: Arrangement) -> Iterator[None]:
    """Install the arrangement, bottom first, and take it out again."""
    with ExitStack() as installed:
        for part in arrangement.order:
            installed.enter_context(_installed(make() if part is SUBJECT else part()))
        yield


@contextmanager
def _installed(subject: Subject) -> Iterator[None]:
    if subject is None:
        yield
        return
    stack = _stack(subject)
    if stack is not None:
        with ws2spi.install(stack):
            yield
        return
    startup = getattr(subject, "WSPStartup", subject)
    if not callable(startup):
        raise TypeError(f"make() gave {subject!r}: not a Layer, layers, a Stack, or anything with a WSPStartup")
    entries = install_provider(startup, _entries(getattr(subject, "ifs", False)))
    told = getattr(subject, "installed", None)
    if told is not None:
        told(entries)
    try:
        yield
    finally:
        runtime.catalog.remove(entry.catalog_id for entry in entries)


def _stack(subject: Subject) -> Stack | None:
    if isinstance(subject, Stack):
        return subject
    if isinstance(subject, Layer):
        return Stack([subject])
    if isinstance(subject, Sequence) and not isinstance(subject, str):
        return Stack(subject)
    return None


def _entries(ifs: bool) -> list[CatalogEntry]:
    """A hidden entry of its own and a chain over the topmost entry of each protocol, all under one provider id."""
    topmost: dict[tuple[int, int, int], CatalogEntry] = {}
    for entry in runtime.catalog.enum_protocols():
        topmost.setdefault((entry.address_family, entry.socket_type, entry.protocol), entry)
    flag = c.XP1_IFS_HANDLES if ifs else 0
    provider_id = uuid.uuid4()
    chains = [
        dataclasses.replace(
            entry,
            name=f"subject over {entry.name}",
            provider_id=provider_id,
            catalog_id=0,
            service_flags=entry.service_flags & ~c.XP1_IFS_HANDLES | flag,
            # A 0 stands for the id of the first entry of this very call: the hidden one.
            chain=(0, entry.catalog_id, *entry.chain[1:]),
            base=False,
        )
        for entry in topmost.values()
    ]
    own = CatalogEntry(
        address_family=c.AF_INET,
        socket_type=c.SOCK_STREAM,
        protocol=c.IPPROTO_TCP,
        name="subject",
        provider_id=provider_id,
        service_flags=flag,
        provider_flags=c.PFL_HIDDEN,
        base=False,
    )
    return [own, *chains]
