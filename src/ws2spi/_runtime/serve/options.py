"""The options of a socket: WSPGetSockOpt and WSPSetSockOpt."""

from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of, is_null, load_int, read_bytes, store_int, write_bytes
from ws2spi._runtime import protocol_info
from ws2spi._runtime.serve.answering import Family, integer

_LARGEST_OPTION = 4096  # none takes more; a client's wrong size must not make us read all its memory


class Options(Family):
    """Options in Windows' layout; those that the runtime knows by itself are answered here."""

    @integer
    def WSPGetSockOpt(self, s: int, level: int, optname: int, optval: Any, optlen: Any) -> int:
        entry = self.entry(s)
        place = address_of(optval)
        if is_null(optlen) or not place:
            raise WinsockError(WSAError.WSAEFAULT, "no room for the option")
        size = load_int(optlen)
        if level == c.SOL_SOCKET and optname == c.SO_PROTOCOL_INFOW:
            value = bytes(protocol_info.structure(entry.info))
        else:
            value = self.provider.getsockopt(entry, level, optname, size)
        if len(value) > size:
            raise WinsockError(WSAError.WSAEFAULT, f"{size} bytes for an option of {len(value)}")
        write_bytes(place, value)
        store_int(optlen, len(value))
        return 0

    @integer
    def WSPSetSockOpt(self, s: int, level: int, optname: int, optval: Any, optlen: int) -> int:
        entry = self.entry(s)
        if optlen < 0 or (optlen and not address_of(optval)):
            raise WinsockError(WSAError.WSAEFAULT, "no option value")
        self.provider.setsockopt(entry, level, optname, read_bytes(optval, min(optlen, _LARGEST_OPTION)))
        return 0
