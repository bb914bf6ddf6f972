"""WSPIoctl: control codes of TCP and UDP sockets, one row for each in `_CODES`.

What cannot be had on Linux is refused with the code of its page: WSAENOPROTOOPT where the page of a control code says
so, WSAEOPNOTSUPP for every other (SIO_FLUSH too: witness Q7).
"""

import socket
import struct
from collections.abc import Callable
from typing import Any

from ws2spi._abi import addresses
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.observing import URGENT
from ws2spi._runtime.address_lists import AddressList, read_list
from ws2spi._runtime.completion import Completion
from ws2spi._runtime.sockets import SocketEntry
from ws2spi.providers import interfaces, multicast_filters, options
from ws2spi.providers.network_changes import await_change

Answer = bytes | AddressList
Perform = Callable[[Any, SocketEntry, bytes], Answer]


class ControlCodes:
    """WSPIoctl of a `SocketProvider`."""

    set_blocking: Callable[[SocketEntry, bool], None]
    setsockopt: Callable[[SocketEntry, int, int, bytes], None]

    def ioctl(
        self, entry: SocketEntry, code: int, data: bytes, out_size: int, completion: Completion | None
    ) -> Answer | None:
        code &= 0xFFFFFFFF
        if code in (c.SIO_ADDRESS_LIST_CHANGE, c.SIO_ROUTING_INTERFACE_CHANGE):
            return await_change(entry, code, data, completion)
        transport: Any = entry.state.connection.transport
        if not transport.direct and code not in _OF_THE_STACK:
            answer: Answer | None = transport.ioctl(code, data, out_size, completion)
            return answer
        if code in _FILTERS:
            _need_datagrams(entry)
            return _FILTERS[code](entry, data, out_size)
        perform = _CODES.get(code)
        if perform is None:
            refusal = WSAError.WSAENOPROTOOPT if code in _NO_OPTION else WSAError.WSAEOPNOTSUPP
            raise WinsockError(refusal, f"control code {code:#010x}")
        return perform(self, entry, data)

    def _mode(self, entry: SocketEntry, data: bytes) -> bytes:
        blocking = not _dword(data)
        if blocking and entry.state.selection is not None and entry.state.selection.mask:
            raise WinsockError(WSAError.WSAEINVAL, "blocking mode while network events are selected")
        self.set_blocking(entry, blocking)
        return b""

    def _readable(self, entry: SocketEntry, data: bytes) -> bytes:
        waiting = entry.pair.waiting() if entry.pair is not None else 0
        return struct.pack("<I", waiting or entry.state.connection.available())

    def _at_mark(self, entry: SocketEntry, data: bytes) -> bytes:
        _need_stream(entry, "a mark")
        connection = entry.state.connection
        if connection.shown() & URGENT:
            return struct.pack("<I", False)
        if not connection.transport.direct and connection.urgent_receives:
            try:
                below = connection.transport.ioctl(c.SIOCATMARK, b"", 4, None)
            except WinsockError:
                return struct.pack("<I", True)  # it has no such data
            return struct.pack("<I", any(below))
        return struct.pack("<I", True)

    def _broadcast_address(self, entry: SocketEntry, data: bytes) -> bytes:
        if entry.family != c.AF_INET:
            raise WinsockError(WSAError.WSAENOPROTOOPT, "IPv6 has no broadcast")
        return addresses.pack(c.AF_INET, ("255.255.255.255", 0))

    def _multipoint_loopback(self, entry: SocketEntry, data: bytes) -> bytes:
        _need_datagrams(entry)
        level, option = _multicast(entry, c.IP_MULTICAST_LOOP, c.IPV6_MULTICAST_LOOP)
        self.setsockopt(entry, level, option, struct.pack("<I", bool(_dword(data))))
        return b""

    def _multicast_scope(self, entry: SocketEntry, data: bytes) -> bytes:
        _need_datagrams(entry)
        level, option = _multicast(entry, c.IP_MULTICAST_TTL, c.IPV6_MULTICAST_HOPS)
        self.setsockopt(entry, level, option, struct.pack("<I", _dword(data)))
        return b""

    def _routing_interface(self, entry: SocketEntry, data: bytes) -> bytes:
        return interfaces.source_for(entry.family, interfaces.destination(entry.family, data))

    def _address_list(self, entry: SocketEntry, data: bytes) -> AddressList:
        return AddressList(interfaces.local_addresses(entry.family))

    def _sorted_list(self, entry: SocketEntry, data: bytes) -> AddressList:
        return AddressList(interfaces.preferred(read_list(data)))

    def _keep_alive(self, entry: SocketEntry, data: bytes) -> bytes:
        """struct tcp_keepalive: onoff, keepalivetime and keepaliveinterval in milliseconds; Linux counts seconds."""
        _need_stream(entry, "keep-alive")
        if len(data) < 12:
            raise WinsockError(WSAError.WSAEFAULT, f"{len(data)} bytes for a tcp_keepalive")
        on, idle, interval = struct.unpack_from("<III", data)
        perform = entry.state.connection.perform
        perform("setsockopt", socket.SOL_SOCKET, socket.SO_KEEPALIVE, struct.pack("i", bool(on)))
        if on:
            for option, milliseconds in ((socket.TCP_KEEPIDLE, idle), (socket.TCP_KEEPINTVL, interval)):
                if not milliseconds:
                    raise WinsockError(WSAError.WSAEINVAL, "a keep-alive time of 0")
                seconds = min(max(1, round(milliseconds / 1000)), 32767)
                perform("setsockopt", socket.IPPROTO_TCP, option, struct.pack("i", seconds))
        return b""

    def _connection_resets(self, entry: SocketEntry, data: bytes) -> bytes:
        """SIO_UDP_CONNRESET: whether receives are told that an earlier datagram found nobody."""
        _need_datagrams(entry)
        transport = entry.state.connection.transport
        if transport.direct:
            transport.refusals = bool(options.boolean(data).strip(b"\0"))
        return b""


def _dword(value: bytes) -> int:
    number: int = struct.unpack("<I", options.dword(value))[0]
    return number


def _need_stream(entry: SocketEntry, what: str) -> None:
    if not entry.state.stream:
        raise WinsockError(WSAError.WSAEINVAL, f"{what} of a datagram socket")


def _need_datagrams(entry: SocketEntry) -> None:
    if entry.state.stream:
        raise WinsockError(WSAError.WSAEINVAL, "a control code for datagram sockets")


def _multicast(entry: SocketEntry, ipv4: int, ipv6: int) -> tuple[int, int]:
    return (c.IPPROTO_IP, ipv4) if entry.family == c.AF_INET else (c.IPPROTO_IPV6, ipv6)


_CODES: dict[int, Perform] = {
    c.FIONBIO: ControlCodes._mode,
    c.FIONREAD: ControlCodes._readable,
    c.SIOCATMARK: ControlCodes._at_mark,
    c.SIO_GET_BROADCAST_ADDRESS: ControlCodes._broadcast_address,
    c.SIO_MULTIPOINT_LOOPBACK: ControlCodes._multipoint_loopback,
    c.SIO_MULTICAST_SCOPE: ControlCodes._multicast_scope,
    c.SIO_ROUTING_INTERFACE_QUERY: ControlCodes._routing_interface,
    c.SIO_ADDRESS_LIST_QUERY: ControlCodes._address_list,
    c.SIO_ADDRESS_LIST_SORT: ControlCodes._sorted_list,
    c.SIO_KEEPALIVE_VALS: ControlCodes._keep_alive,
    c.SIO_UDP_CONNRESET: ControlCodes._connection_resets,
}


def _set_ipv4_filter(entry: SocketEntry, data: bytes, _: int) -> bytes:
    multicast_filters.set_ipv4(entry, data)
    return b""


def _set_group_filter(entry: SocketEntry, data: bytes, _: int) -> bytes:
    multicast_filters.set_group(entry, data)
    return b""


_FILTERS: dict[int, Callable[[SocketEntry, bytes, int], bytes]] = {
    c.SIO_GET_MULTICAST_FILTER: multicast_filters.get_ipv4,
    c.SIO_SET_MULTICAST_FILTER: _set_ipv4_filter,
    c.SIOCGMSFILTER: multicast_filters.get_group,
    c.SIOCSMSFILTER: _set_group_filter,
}
# Where another provider is below, only these stop here: about our own handle and mode, or with handles of ours in them.
_OF_THE_STACK = frozenset(
    {
        c.FIONBIO, c.FIONREAD, c.SIOCATMARK, c.SIO_BSP_HANDLE, c.SIO_BSP_HANDLE_SELECT, c.SIO_BSP_HANDLE_POLL,
        c.SIO_EXT_SELECT, c.SIO_EXT_POLL, c.SIO_EXT_SENDMSG, c.SIO_GET_EXTENSION_FUNCTION_POINTER,
    }
)  # fmt: skip
# Codes whose pages name WSAENOPROTOOPT for a provider that does not support them. Linux drops the newest datagram of a
# full queue and cannot be told otherwise; there are no companion interfaces and there is no quality of service.
_NO_OPTION = frozenset(
    {
        c.SIO_ENABLE_CIRCULAR_QUEUEING, c.SIO_ASSOCIATE_HANDLE, c.SIO_TRANSLATE_HANDLE, c.SIO_GET_QOS,
        c.SIO_SET_QOS, c.SIO_GET_GROUP_QOS, c.SIO_SET_GROUP_QOS,
    }
)  # fmt: skip
