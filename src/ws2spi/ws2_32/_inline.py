"""The inline functions of ws2tcpip.h: each is one call of WSAIoctl, getsockopt or setsockopt, its types written out.

The DLL exports none of them; they are here so that code which uses them finds them.
"""

import ctypes
import functools
from collections.abc import Callable
from typing import Any

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.memory import address_of, load_dword, read_bytes, store_int, write_bytes
from ws2spi._abi.types import DWORD
from ws2spi.ws2_32 import _sockets
from ws2spi.ws2_32._route import failed, route

_STORAGE = 128  # sockaddr_storage
_MOST_SOURCES = 1 << 16  # beyond what any system takes, so that a wild count asks for no wild memory
_IPV4, _ANY = (c.SIO_GET_MULTICAST_FILTER, c.SIO_SET_MULTICAST_FILTER, 4), (c.SIOCGMSFILTER, c.SIOCSMSFILTER, _STORAGE)


def SetIpv4SourceFilter(
    Socket: int, Interface: Any, Group: Any, FilterMode: int, SourceCount: int, SourceList: Any
) -> int:
    """Say from which sources an IPv4 socket takes the datagrams of a group: MCAST_INCLUDE these, MCAST_EXCLUDE others.

    Parameters:
        Interface, Group: an IN_ADDR, or its S_addr (network byte order); an interface 0.x.x.x is an index.
    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK. WSAEINVAL: a stream, no multicast address, or another mode.
        WSAEFAULT: no `SourceList`. WSAENOBUFS: more sources than Linux takes.
    Source: ws2tcpip.h, nf-ws2tcpip-setipv4sourcefilter.
    Differs: a group that was not joined is joined; the page is silent (RFC 3678 has no join beside it).
    """
    return _set(Socket, _IPV4, lambda: _in_addr(Group) + _in_addr(Interface), FilterMode, SourceCount, SourceList)


def GetIpv4SourceFilter(
    Socket: int, Interface: Any, Group: Any, FilterMode: Any, SourceCount: Any, SourceList: Any
) -> int:
    """Store the filter of an IPv4 socket's group: as many sources as there is room for, and the number of all.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK. WSAEINVAL: a stream. WSAEADDRNOTAVAIL: the group is not joined.
        WSAEFAULT: no `FilterMode` or `SourceCount`, or no `SourceList` and room for some.
    Source: ws2tcpip.h, nf-ws2tcpip-getipv4sourcefilter.
    Differs: nothing.
    """
    return _get(Socket, _IPV4, lambda: _in_addr(Group) + _in_addr(Interface), FilterMode, SourceCount, SourceList)


def SetSourceFilter(
    Socket: int, Interface: int, Group: Any, GroupLength: int, FilterMode: int, SourceCount: int, SourceList: Any
) -> int:
    """As SetIpv4SourceFilter for either family: an interface's index, a sockaddr, an array of SOCKADDR_STORAGE.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK. WSAEINVAL: a stream, no multicast address, another mode or address family.
        WSAEFAULT: no `SourceList` or `Group`. WSAENOBUFS: more sources than Linux takes, or a `GroupLength` beyond
            SOCKADDR_STORAGE.
    Source: ws2tcpip.h, nf-ws2tcpip-setsourcefilter.
    Differs: as SetIpv4SourceFilter.
    """
    head = functools.partial(_group_head, Interface, Group, GroupLength)
    return _set(Socket, _ANY, head, FilterMode, SourceCount, SourceList)


def GetSourceFilter(
    Socket: int, Interface: int, Group: Any, GroupLength: int, FilterMode: Any, SourceCount: Any, SourceList: Any
) -> int:
    """As GetIpv4SourceFilter for either family.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK. WSAEINVAL: a stream, or another address family. WSAEADDRNOTAVAIL: the group is
            not joined. WSAENOBUFS: a `GroupLength` beyond SOCKADDR_STORAGE.
        WSAEFAULT: no `Group`, `FilterMode` or `SourceCount`, or no `SourceList` and room for some.
    Source: ws2tcpip.h, nf-ws2tcpip-getsourcefilter.
    Differs: nothing.
    """
    head = functools.partial(_group_head, Interface, Group, GroupLength)
    return _get(Socket, _ANY, head, FilterMode, SourceCount, SourceList)


def _in_addr(address: Any) -> bytes:
    if isinstance(address, int):
        return (address & 0xFFFFFFFF).to_bytes(4, "little")
    return read_bytes(address, 4) if address_of(address) else bytes(4)


def _group_head(index: int, group: Any, length: int) -> bytes:
    if length > _STORAGE:
        raise WinsockError(WSAError.WSAENOBUFS, f"GroupLength {length}")
    if not address_of(group) or length < 2:
        raise WinsockError(WSAError.WSAEFAULT, "Group")
    return (index & 0xFFFFFFFF).to_bytes(8, "little") + read_bytes(group, length).ljust(_STORAGE, b"\0")


Head = Callable[[], bytes]  # what names group and interface, read once the socket was looked at


def _set(s: int, codes: tuple[int, int, int], head: Head, mode: int, count: int, sources: Any) -> int:
    _, code, unit = codes
    try:
        route(s)
        data = head() + bytes(DWORD(mode)) + bytes(DWORD(count))
        if count and not address_of(sources):
            raise WinsockError(WSAError.WSAEFAULT, "SourceList")
        if not 0 <= count <= _MOST_SOURCES:
            raise WinsockError(WSAError.WSAENOBUFS, f"{count} sources")
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)
    data += read_bytes(sources, count * unit)
    return _sockets.WSAIoctl(s, code, data, len(data), None, 0, ctypes.byref(DWORD()), None, None)


def _get(s: int, codes: tuple[int, int, int], head: Head, mode: Any, count: Any, sources: Any) -> int:
    code, _, unit = codes
    try:
        route(s)
        asked = head()
        room = load_dword(count) if address_of(count) else 0
        if not address_of(mode) or not address_of(count) or (room and not address_of(sources)):
            raise WinsockError(WSAError.WSAEFAULT, "a NULL pointer")
    except WinsockError as error:
        return failed(error, c.SOCKET_ERROR)
    answer = ctypes.create_string_buffer(len(asked) + 8 + min(room, _MOST_SOURCES) * unit)
    got = DWORD()
    done = _sockets.WSAIoctl(s, code, asked, len(asked), answer, len(answer), ctypes.byref(got), None, None)
    if not done:
        data = answer.raw[: got.value]
        store_int(mode, int.from_bytes(data[len(asked) : len(asked) + 4], "little"))
        store_int(count, int.from_bytes(data[len(asked) + 4 : len(asked) + 8], "little"))
        write_bytes(sources, data[len(asked) + 8 :])
    return done


def WSASetUdpSendMessageSize(Socket: int, MsgSize: int) -> int:
    """Let what is sent be cut into datagrams of this size; 0: let it be one.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK. WSAENOPROTOOPT: a stream. WSAEINVAL: no size of a datagram.
    Source: ws2tcpip.h, nf-ws2tcpip-wsasetudpsendmessagesize.
    Differs: Linux cuts one send into 128 datagrams at most (64 before 6.9).
    """
    return _set_option(Socket, c.UDP_SEND_MSG_SIZE, MsgSize)


def WSAGetUdpSendMessageSize(Socket: int, MsgSize: Any) -> int:
    """Store what WSASetUdpSendMessageSize has set.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK. WSAENOPROTOOPT: a stream. WSAEFAULT: NULL.
    Source: ws2tcpip.h, nf-ws2tcpip-wsagetudpsendmessagesize.
    Differs: nothing.
    """
    return _get_option(Socket, c.UDP_SEND_MSG_SIZE, MsgSize)


def WSASetUdpRecvMaxCoalescedSize(Socket: int, MaxCoalescedMsgSize: int) -> int:
    """Let datagrams of one sender be received together, up to this size; WSARecvMsg tells the size of each.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK. WSAENOPROTOOPT: a stream. WSAEINVAL: less than the largest datagram, and not 0.
    Source: ws2tcpip.h, nf-ws2tcpip-wsasetudprecvmaxcoalescedsize.
    Differs: Linux has a switch and no size, so that a limit below 65507 bytes could not be kept, and is refused.
    """
    return _set_option(Socket, c.UDP_RECV_MAX_COALESCED_SIZE, MaxCoalescedMsgSize)


def WSAGetUdpRecvMaxCoalescedSize(Socket: int, MaxCoalescedMsgSize: Any) -> int:
    """Store up to which size datagrams are received together: 0 or 65535.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK. WSAENOPROTOOPT: a stream. WSAEFAULT: NULL.
    Source: ws2tcpip.h, nf-ws2tcpip-wsagetudprecvmaxcoalescedsize.
    Differs: 65535 whatever was set.
    """
    return _get_option(Socket, c.UDP_RECV_MAX_COALESCED_SIZE, MaxCoalescedMsgSize)


def WSASetRecvIPEcn(Socket: int, Enabled: int) -> int:
    """Say whether WSARecvMsg tells the ECN codepoint of a datagram (the control message IP_ECN or IPV6_ECN, an INT).

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK. WSAENOPROTOOPT: a stream.
    Source: ws2tcpip.h, nf-ws2tcpip-wsasetrecvipecn.
    Differs: nothing.
    """
    return _set_option(Socket, c.IP_RECVECN, Enabled, _ip_level(Socket))


def WSAGetRecvIPEcn(Socket: int, Enabled: Any) -> int:
    """Store what WSASetRecvIPEcn has set.

    Returns: 0, or SOCKET_ERROR with the code in the last error.
    Errors:
        WSANOTINITIALISED, WSAENOTSOCK. WSAENOPROTOOPT: a stream. WSAEFAULT: NULL.
    Source: ws2tcpip.h, nf-ws2tcpip-wsagetrecvipecn.
    Differs: nothing.
    """
    return _get_option(Socket, c.IP_RECVECN, Enabled, _ip_level(Socket))


def _ip_level(s: int) -> int:
    try:
        return c.IPPROTO_IPV6 if route(s).family == c.AF_INET6 else c.IPPROTO_IP
    except WinsockError:  # the call itself says so
        return c.IPPROTO_IP


def _set_option(s: int, option: int, value: int, level: int = c.IPPROTO_UDP) -> int:
    number = DWORD(value)
    return _sockets.setsockopt(s, level, option, ctypes.byref(number), ctypes.sizeof(number))


def _get_option(s: int, option: int, target: Any, level: int = c.IPPROTO_UDP) -> int:
    room = DWORD(ctypes.sizeof(DWORD))
    return _sockets.getsockopt(s, level, option, target, ctypes.byref(room))
