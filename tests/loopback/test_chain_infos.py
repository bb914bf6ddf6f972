"""Which WSAPROTOCOL_INFO each provider of a chain is given (provider-functions 1 lpProtocolInfo, layering 2).

Every layered provider gets the info of the whole chain, the same at each, from WSPStartup and from WSPSocket; the base
gets its own, with the chain's dwProviderReserved.
"""

from typing import Any

import pytest

import ws2spi
from support.pass_through import PassThrough
from support.stacks import Bytes
from support.winsock import byref, close, connected, error
from ws2spi import ws2_32
from ws2spi._abi.constants import AF_INET, INVALID_SOCKET, SOCK_STREAM
from ws2spi._runtime import protocol_info
from ws2spi._runtime.catalog import CatalogEntry
from ws2spi._runtime.process import runtime

pytestmark = pytest.mark.usefixtures("started")

Seen = tuple[int, tuple[int, ...], int]  # (catalog id, chain, dwProviderReserved)


class Recorder(PassThrough):
    """Notes the infos it is given, and those it hands on."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[Seen] = []
        self.opened: list[Seen] = []
        self.handed: list[Seen] = []

    def WSPStartup(self, version: int, data: Any, info: Any, upcalls: Any, table: Any) -> int:
        self.started.append(seen(info))
        code = super().WSPStartup(version, data, info, upcalls, table)
        lower = self.lower.lpWSPSocket

        def socket(af: int, type: int, protocol: int, info: Any, *rest: Any) -> int:
            self.handed.append(seen(getattr(info, "_obj", None) or info))
            handle: int = lower(af, type, protocol, info, *rest)
            return handle

        self.lower = ws2_32.WSPPROC_TABLE.from_buffer_copy(self.lower)
        self.lower.lpWSPSocket = socket
        return code

    def WSPSocket(self, af: int, type: int, protocol: int, info: Any, g: int, flags: int, lpErrno: Any) -> int:
        self.opened.append(seen(info))
        return super().WSPSocket(af, type, protocol, info, g, flags, lpErrno)


def seen(info: Any) -> Seen:
    structure = getattr(info, "contents", info)
    chain = structure.ProtocolChain
    members = tuple(chain.ChainEntries)[: chain.ChainLen]
    return structure.dwCatalogEntryId, members, structure.dwProviderReserved


def topmost() -> CatalogEntry:
    return runtime.catalog.find(AF_INET, SOCK_STREAM, 6)


def socket(entry: CatalogEntry) -> int:
    s = ws2_32.WSASocketW(-1, -1, -1, byref(protocol_info.structure(entry)), 0, 1)
    assert s != INVALID_SOCKET, error()
    return int(s)


def as_seen(entry: CatalogEntry) -> Seen:
    return entry.catalog_id, entry.chain or (entry.catalog_id,), entry.provider_reserved


def test_the_second_id_of_a_chain_is_the_entry_that_it_lies_over() -> None:
    """As Microsoft's installer writes it: the lower chain's own id, not its layer's hidden one."""
    layer = PassThrough()
    base = topmost()
    below = layer.install(base)
    with ws2spi.install(ws2spi.Stack([Bytes()])) as installed:
        assert topmost().chain == (installed.ids[0], below.catalog_id, base.catalog_id)


@pytest.mark.parametrize("top", ["by hand", "stack"])
@pytest.mark.parametrize("middle", ["by hand", "stack"])
def test_everyone_in_a_chain_of_three_is_given_the_same_info(top: str, middle: str) -> None:
    base = topmost()
    layers: list[Recorder] = []
    own: list[Seen] = []
    for kind in ("by hand", middle, top):  # the lowest first
        if kind == "stack":
            ws2spi.install(ws2spi.Stack([Bytes()]))
        else:
            layers.append(Recorder())
            own.append(as_seen(layers[-1].install(topmost())))
    chain = topmost()
    s = socket(chain)
    assert len(chain.chain) == 4
    for layer in layers:
        assert layer.started[0] == as_seen(chain)
        # One that another hand-written layer has started is started by the DLL, too, for its first handle;
        # with that one's own entry, which it hands down in turn.
        assert set(layer.started[1:]) <= {*own, as_seen(chain)}
        assert layer.opened == [as_seen(chain)]
    assert layers[0].handed == [as_seen(base)]
    close(s)
    close(*connected())  # and the chain works


def test_what_lies_below_may_be_started_by_itself_first() -> None:
    layer = Recorder()
    own = layer.install(topmost())
    close(socket(own))
    ws2spi.install(ws2spi.Stack([Bytes()]))
    close(socket(topmost()))
    assert layer.started == [as_seen(own)]
    assert layer.opened == [as_seen(own), as_seen(topmost())]
