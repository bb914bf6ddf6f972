"""Socket addresses as text, as WSAAddressToString writes them and WSAStringToAddress reads them; host names.

IPv4 "10.0.0.1", with a port "10.0.0.1:80"; IPv6 "fe80::1", with a scope "fe80::1%2", with a port "[fe80::1%2]:80".
A port of 0 and a scope of 0 are not written. Reading is more generous: IPv4 in all of inet_addr's notations, brackets
without a port, ports in hexadecimal and octal, an interface's name for a scope.
"""

import re
import socket

from ws2spi._abi.addresses import SIZES, Address
from ws2spi._abi.constants import AF_INET, AF_INET6, AF_UNSPEC
from ws2spi._abi.errors import WinsockError, WSAError

_IPV6 = re.compile(r"(?:\[(?P<inside>[^\]]*)\](?::(?P<port>.*))?|(?P<bare>[^\[\]]*))\Z", re.DOTALL)
_NUMBER = re.compile(r"(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)\Z")
_IPV4_PART = re.compile(r"(?:0[xX][0-9a-fA-F]+|[0-9]+)(?:\.(?:0[xX][0-9a-fA-F]+|[0-9]+)){0,3}\Z")


def format_address(family: int, address: Address) -> str:
    """Return the text of an address tuple."""
    host, port = address[0].partition("%")[0], address[1]
    if family == AF_INET:
        return f"{host}:{port}" if port else host
    scope = address[3] if len(address) == 4 else 0
    if scope:
        host += f"%{scope}"
    return f"[{host}]:{port}" if port else host


def parse_address(text: str, family: int = AF_UNSPEC) -> tuple[int, Address]:
    """Return `(family, address)` of a text; what it does not say is 0.

    Parameters:
        family: AF_INET, AF_INET6, or AF_UNSPEC for either.
    Errors:
        WSAEINVAL: no address of that family, or a family without addresses.
    """
    if family not in SIZES and family != AF_UNSPEC:
        raise WinsockError(WSAError.WSAEINVAL, f"address family {family}")
    if family != AF_INET6:
        found = _ipv4(text)
        if found is not None:
            return AF_INET, found
    if family != AF_INET:
        found6 = _ipv6(text)
        if found6 is not None:
            return AF_INET6, found6
    raise WinsockError(WSAError.WSAEINVAL, f"no address: {text!r}")


def ipv4_number(text: str) -> bytes | None:
    """Return the four bytes of an IPv4 text in one of the notations of inet_addr, None for what is none."""
    # inet_aton itself stops at white space and takes what stands before it.
    if not _IPV4_PART.match(text):
        return None
    try:
        return socket.inet_aton(text)
    except OSError:
        return None


def ascii_name(name: str) -> str:
    """Return a host name as the wire has it: labels beyond ASCII in Punycode.

    Errors:
        WSAHOST_NOT_FOUND: no such name can exist.
    """
    if name.isascii():
        # What the system's resolver would cut or choke on.
        if len(name) > 255 or re.search(r"[\0\s]", name):
            raise WinsockError(WSAError.WSAHOST_NOT_FOUND, name)
        return name
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        raise WinsockError(WSAError.WSAHOST_NOT_FOUND, name) from None


def own_name(name: str | None) -> str:
    """Return a host name, this computer's for the names that mean it: NULL, "" and "..localmachine"."""
    return name if name and name != "..localmachine" else socket.gethostname()


def _ipv4(text: str) -> tuple[str, int] | None:
    host, colon, port_text = text.partition(":")
    number = ipv4_number(host)
    port = _port(port_text) if colon else 0
    if number is None or port is None:
        return None
    return socket.inet_ntoa(number), port


def _ipv6(text: str) -> tuple[str, int, int, int] | None:
    match = _IPV6.match(text)
    if match is None:
        return None
    host, percent, scope_text = (match["inside"] if match["bare"] is None else match["bare"]).partition("%")
    port = 0 if match["port"] is None else _port(match["port"])
    scope = _scope(scope_text) if percent else 0
    if port is None or scope is None:
        return None
    try:
        packed = socket.inet_pton(socket.AF_INET6, host)
    except (OSError, ValueError):
        return None
    return socket.inet_ntop(socket.AF_INET6, packed), port, 0, scope


def _port(text: str) -> int | None:
    number = _integer(text)
    return number if number is not None and number <= 0xFFFF else None


def _scope(text: str) -> int | None:
    number = _integer(text) if not text.isdigit() else int(text)
    if number is not None:
        return number if number <= 0xFFFFFFFF else None
    try:
        return socket.if_nametoindex(text)
    except (OSError, ValueError):
        return None


def _integer(text: str) -> int | None:
    """A number as C writes it: decimal, 0x hexadecimal, or octal after a leading 0."""
    if not text.isascii() or not _NUMBER.match(text):
        return None
    return int(text, 16 if text[:2] in ("0x", "0X") else 8 if text[0] == "0" else 10)
