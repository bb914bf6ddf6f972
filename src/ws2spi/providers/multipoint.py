"""WSPJoinLeaf: multicast groups of datagram sockets.

IP multicast has no roots: every socket is a leaf of both planes, and joining gives back the same socket. It keeps the
group as the peer of sends without an address; it is not connected, else Linux would receive from nobody.
"""

import ipaddress
import socket
import struct
from collections.abc import Callable

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._runtime.sockets import SocketEntry
from ws2spi.providers.socket_state import Address, Socket

_LEAF = c.WSA_FLAG_MULTIPOINT_C_LEAF | c.WSA_FLAG_MULTIPOINT_D_LEAF
_MULTIPOINT = _LEAF | c.WSA_FLAG_MULTIPOINT_C_ROOT | c.WSA_FLAG_MULTIPOINT_D_ROOT
_ONE_WAY = {c.JL_SENDER_ONLY: c.JL_SENDER_ONLY, c.JL_RECEIVER_ONLY: c.JL_RECEIVER_ONLY, c.JL_BOTH: 0}


def is_leaf(type: int, flags: int) -> bool:
    """Whether the flags of WSPSocket ask for a leaf of multipoint sessions.

    Errors:
        WSAEINVAL: a root, one plane without the other, or a stream.
    """
    if not flags & _MULTIPOINT:
        return False
    if flags & _MULTIPOINT != _LEAF or type != c.SOCK_DGRAM:
        raise WinsockError(WSAError.WSAEINVAL, f"multipoint flags {flags & _MULTIPOINT:#x}")
    return True


class MultipointCalls:
    """WSPJoinLeaf of a `SocketProvider`."""

    _now_connected: Callable[[Socket], None]

    def join_leaf(self, entry: SocketEntry, address: Address, flags: int) -> int:
        """Join the group `address`. Returns the socket's own handle, at once.

        Errors:
            WSAEINVAL: not made with multipoint flags; unknown `flags`. WSAEISCONN: a member of a group already.
            WSAEADDRNOTAVAIL: no multicast address. WSAENETUNREACH, WSAENOBUFS.
        """
        state: Socket = entry.state
        if not state.multipoint:
            raise WinsockError(WSAError.WSAEINVAL, "no multipoint socket")
        if flags not in _ONE_WAY:
            raise WinsockError(WSAError.WSAEINVAL, f"flags {flags:#x}")
        if state.group is not None:
            raise WinsockError(WSAError.WSAEISCONN, "a member already")
        group = ipaddress.ip_address(address[0])
        if not group.is_multicast:
            raise WinsockError(WSAError.WSAEADDRNOTAVAIL, f"{group} is no group")
        connection = state.connection
        if not connection.transport.bound():
            # The port of the session is that of its members; a sender needs any.
            any_, port = ("0.0.0.0", "::")[entry.family == c.AF_INET6], address[1]
            connection.perform("bind", (any_, 0 if flags == c.JL_SENDER_ONLY else port))
        if flags != c.JL_SENDER_ONLY:
            if entry.family == c.AF_INET:
                option, value = (socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP), group.packed + bytes(4)
            else:
                scope = address[3] if len(address) > 3 else 0
                option, value = (
                    (socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP),
                    group.packed + struct.pack("I", scope),
                )
            try:
                connection.perform("setsockopt", *option, value)
            except WinsockError as error:
                if error.errno == 19:  # ENODEV: no interface leads to the group
                    raise WinsockError(WSAError.WSAENETUNREACH, str(group), errno=19) from None
                raise
        state.group, state.one_way = address, _ONE_WAY[flags]
        if state.selection is not None:
            state.selection.connect_ended(0)
        return entry.number
