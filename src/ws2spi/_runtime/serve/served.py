"""The whole table of one provider, joined from the families."""

from collections.abc import Callable
from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.types import WSPPROC_NAMES
from ws2spi._runtime.process import runtime
from ws2spi._runtime.provider import Provider
from ws2spi._runtime.serve.answering import fail
from ws2spi._runtime.serve.events import Events
from ws2spi._runtime.serve.life import Life
from ws2spi._runtime.serve.names import Names
from ws2spi._runtime.serve.options import Options
from ws2spi._runtime.serve.transfer import Transfer
from ws2spi._runtime.tables import ProcTable


class Served(Life, Names, Options, Transfer, Events):
    """The WSP functions of one Python provider; `table` holds them."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.table = ProcTable()
        for name in WSPPROC_NAMES:
            failure = c.INVALID_SOCKET if name == "WSPJoinLeaf" else c.FALSE if name == "WSPGetQOSByName" else -1
            function = getattr(self, name, None) or _unsupported(name, failure)
            setattr(self.table, f"lp{name}", function)


def _unsupported(name: str, failure: int) -> Callable[..., int]:
    def call(*arguments: Any) -> int:
        return fail(arguments[-1], WinsockError(WSAError.WSAEOPNOTSUPP, name), failure)

    call.__name__ = name
    return call


def table_of(provider: Provider) -> ProcTable:
    """Return the procedure table of any provider: its own where it was written with one, else a served one."""
    own = getattr(provider, "table", None)
    if isinstance(own, ProcTable):
        return own
    served = runtime.served.get(id(provider))
    if served is None:
        served = runtime.served[id(provider)] = Served(provider)
    table: ProcTable = served.table
    return table
