"""The names of a socket: WSPGetSockName and WSPGetPeerName."""

from typing import Any

from ws2spi._abi.addresses import Address
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._runtime.arguments import address_out
from ws2spi._runtime.serve.answering import Family, integer
from ws2spi._runtime.sockets import SocketEntry


class Names(Family):
    """The local and the remote name."""

    @integer
    def WSPGetSockName(self, s: int, name: Any, namelen: Any) -> int:
        entry = self.entry(s)
        _store_address(entry, self.provider.getsockname(entry), name, namelen)
        return 0

    @integer
    def WSPGetPeerName(self, s: int, name: Any, namelen: Any) -> int:
        entry = self.entry(s)
        # A socket without a peer is refused before the pointers are looked at.
        _store_address(entry, self.provider.getpeername(entry), name, namelen)
        return 0


def _store_address(entry: SocketEntry, address: Address, target: Any, length: Any) -> None:
    out = address_out(entry, target, length)
    if out is None:
        raise WinsockError(WSAError.WSAEFAULT, "no place for the address")
    out(address)
