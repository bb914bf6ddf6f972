"""The names of a socket, and addresses as text."""

from typing import Any

from ws2spi._abi import addresses
from ws2spi._abi.addresses import Address
from ws2spi._abi.constants import AF_UNSPEC
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of, deref, load_dword, load_int, read_bytes, read_wide, store_int, write_bytes
from ws2spi._abi.types import WSAPROTOCOL_INFOW
from ws2spi._abi.wide import encode_wide
from ws2spi._runtime.arguments import address_out
from ws2spi._runtime.names.text import format_address, parse_address
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

    # Addresses as text need no socket. Lengths are bytes here, where the API counts characters.

    @integer
    def WSPAddressToString(
        self,
        lpsaAddress: Any,
        dwAddressLength: int,
        lpProtocolInfo: Any,
        lpszAddressString: Any,
        lpdwAddressStringLength: Any,
    ) -> int:
        start = address_of(lpsaAddress)
        if not start or dwAddressLength <= 0 or not address_of(lpdwAddressStringLength):
            raise WinsockError(WSAError.WSAEINVAL, "no address, or no place for its text's length")
        try:
            family, address = addresses.unpack(read_bytes(start, min(dwAddressLength, 128)))
        except ValueError as error:
            raise WinsockError(WSAError.WSAEINVAL, str(error)) from None
        _check_protocol(lpProtocolInfo, family)
        data = encode_wide(format_address(family, address)) + b"\0\0"
        room = load_dword(lpdwAddressStringLength)
        store_int(lpdwAddressStringLength, len(data))
        if room < len(data) or not address_of(lpszAddressString):
            raise WinsockError(WSAError.WSAEFAULT, f"{len(data)} bytes needed")
        write_bytes(lpszAddressString, data)
        return 0

    @integer
    def WSPStringToAddress(
        self, AddressString: Any, AddressFamily: int, lpProtocolInfo: Any, lpAddress: Any, lpAddressLength: Any
    ) -> int:
        text = read_wide(AddressString)
        if text is None:
            raise WinsockError(WSAError.WSAEINVAL, "no text")
        family, address = parse_address(text, AddressFamily)
        # With AF_UNSPEC the text says the family, and any protocol of the provider's will do.
        _check_protocol(lpProtocolInfo, AddressFamily)
        if not address_of(lpAddressLength):
            raise WinsockError(WSAError.WSAEFAULT, "no place for the address's length")
        data = addresses.pack(family, address)
        room = load_int(lpAddressLength)
        store_int(lpAddressLength, len(data))
        if room < len(data) or not address_of(lpAddress):
            raise WinsockError(WSAError.WSAEFAULT, f"{len(data)} bytes needed")
        write_bytes(lpAddress, data)
        return 0


def _check_protocol(lpProtocolInfo: Any, family: int) -> None:
    info = deref(lpProtocolInfo, WSAPROTOCOL_INFOW)
    if info is None or info.iAddressFamily not in addresses.SIZES or family not in (AF_UNSPEC, info.iAddressFamily):
        raise WinsockError(WSAError.WSAEINVAL, f"the protocol is not one of address family {family}")


def _store_address(entry: SocketEntry, address: Address, target: Any, length: Any) -> None:
    out = address_out(entry, target, length)
    if out is None:
        raise WinsockError(WSAError.WSAEFAULT, "no place for the address")
    out(address)
