"""WSAConnectByList and WSAConnectByName: the first of several addresses that answers.

They connect with the socket's own procedure table, one address after the other, and look at the clock between two
attempts, as their pages say. A socket in non-blocking mode is waited for all the same.
"""

import ctypes
import time
from typing import Any

from ws2spi._abi import addresses
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of, deref
from ws2spi._abi.types import INT, TIMEVAL, fd_set
from ws2spi._runtime.address_lists import read_list
from ws2spi._runtime.names import resolver
from ws2spi._runtime.sockets import SocketEntry

_byref = ctypes.byref


def by_list(entry: SocketEntry, address_list: Any, timeout: Any, reserved: Any) -> None:
    """Connect to one of a SOCKET_ADDRESS_LIST.

    Errors:
        WSAEINVAL: `reserved` is not NULL, or the list has no address. WSAEFAULT: no list.
        WSAETIMEDOUT: the time is over. The code of the last attempt.
    """
    if reserved is not None and address_of(reserved):
        raise WinsockError(WSAError.WSAEINVAL, "Reserved")
    start = address_of(address_list)
    if not start:
        raise WinsockError(WSAError.WSAEFAULT, "no list of addresses")
    count = INT.from_address(start).value
    _connect(entry, read_list(ctypes.string_at(start, 8 + 16 * max(0, count))), timeout)


def by_name(entry: SocketEntry, node: str | None, service: str | None, timeout: Any, reserved: Any) -> None:
    """Connect to one of the addresses of a host and a service.

    Errors: as `by_list`; and
        WSAEINVAL: no node or no service. WSAEHOSTUNREACH: the name leads nowhere.
    """
    if node is None or service is None or (reserved is not None and address_of(reserved)):
        raise WinsockError(WSAError.WSAEINVAL, "a name that is NULL, or Reserved that is not")
    hints = (entry.family, c.SOCK_STREAM, c.IPPROTO_TCP)
    candidates = resolved(node, service, *hints)
    if not candidates and entry.family == c.AF_INET6:
        candidates = [
            addresses.pack(c.AF_INET6, (f"::ffff:{addresses.unpack(one)[1][0]}", addresses.unpack(one)[1][1], 0, 0))
            for one in resolved(node, service, c.AF_INET, *hints[1:])
        ]
    if not candidates:
        raise WinsockError(WSAError.WSAEHOSTUNREACH, f"{node}:{service}")
    _connect(entry, candidates, timeout)


def resolved(node: str, service: str, family: int, kind: int, protocol: int) -> list[bytes]:
    """The sockaddrs of a host and a service; none if there is no such name."""
    try:
        found = resolver.getaddrinfo(node, service, 0, family, kind, protocol)
    except WinsockError:
        return []
    return [addresses.pack(family, one.address) for one in found if one.family == family]


def _connect(entry: SocketEntry, candidates: list[bytes], timeout: Any) -> None:
    limit = deref(timeout, TIMEVAL)
    deadline = None if limit is None else time.monotonic() + limit.tv_sec + limit.tv_usec / 1_000_000
    code = int(WSAError.WSAEINVAL)
    for position, candidate in enumerate(candidates):
        if position and deadline is not None and time.monotonic() >= deadline:
            raise WinsockError(WSAError.WSAETIMEDOUT, f"{position} of {len(candidates)} addresses tried")
        code = _attempt(entry, candidate)
        if not code:
            return
        if code in (WSAError.WSAENOTSOCK, WSAError.WSAEISCONN, WSAError.WSAEINTR, WSAError.WSANOTINITIALISED):
            break  # another address will not change that
    raise WinsockError(code, "the last of the addresses")


def _attempt(entry: SocketEntry, candidate: bytes) -> int:
    """The code with which a connect ends; 0 when it succeeds."""
    table, error = entry.table, INT()
    name = ctypes.create_string_buffer(candidate, len(candidate))
    if not table.lpWSPConnect(entry.number, name, len(candidate), None, None, None, None, _byref(error)):
        return 0
    if error.value != WSAError.WSAEWOULDBLOCK:
        return error.value or int(WSAError.WSASYSCALLFAILURE)
    writes, excepts = fd_set(1), fd_set(1)
    writes.fd_array[0] = excepts.fd_array[0] = entry.number
    if table.lpWSPSelect(0, None, _byref(writes), _byref(excepts), None, _byref(error)) == c.SOCKET_ERROR:
        return error.value
    outcome, size = INT(), INT(4)
    if table.lpWSPGetSockOpt(entry.number, c.SOL_SOCKET, c.SO_ERROR, _byref(outcome), _byref(size), _byref(error)):
        return error.value
    return outcome.value
