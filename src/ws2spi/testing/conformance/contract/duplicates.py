"""WSPDuplicateSocket: a second handle of the same socket, opened from its description by WSPSocket."""

import os
from typing import Any

from ws2spi import ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError
from ws2spi.testing.conformance.client import Net, byref, ensure, expect, last, name_of
from ws2spi.testing.conformance.rules import clause


def _described(net: Net, s: int) -> Any:
    info = ws2_32.WSAPROTOCOL_INFOW()
    net.done(ws2_32.WSADuplicateSocketW(s, os.getpid(), byref(info)), "WSADuplicateSocketW")
    return info


def _opened(net: Net, info: Any) -> int:
    """The new handle, or minus the code."""
    any_ = c.FROM_PROTOCOL_INFO
    s = int(ws2_32.WSASocketW(any_, any_, any_, byref(info), 0, c.WSA_FLAG_OVERLAPPED))
    if s == c.INVALID_SOCKET:
        return -last()
    net.handles.append(s)
    return s


def _duplicate(net: Net, s: int) -> int:
    twin = _opened(net, _described(net, s))
    ensure(twin > 0, f"WSASocketW with the description of a socket: {name_of(-twin)}")
    return twin


@clause("WSPDuplicateSocket, WSPSocket")
def duplicates_share_one_socket(net: Net) -> None:
    """A duplicate has a handle of its own and everything else in common: bytes, name, blocking mode."""
    client, server = net.pair()
    twin = _duplicate(net, server)
    ensure(twin != server, "the duplicate has the same handle")
    net.exchange(client, twin)
    net.sent(client, b"abcd")
    net.arrives_rest(twin, b"abcd", net.read(server, 2))
    ensure(net.port_of(twin) == net.port_of(server), "the duplicate has another name")
    net.nonblocking(server)
    got = net.recv(twin, 1)
    expect(got if isinstance(got, int) else 0, WSAError.WSAEWOULDBLOCK, "recv of a duplicate of a non-blocking socket")


@clause("WSPDuplicateSocket, WSPCloseSocket")
def last_handle_closes_the_socket(net: Net) -> None:
    """The connection goes on until its last handle is closed; the closed one is no socket."""
    client, server = net.pair()
    twin = _duplicate(net, server)
    net.close(server)
    got = net.recv(server, 1)
    expect(got if isinstance(got, int) else 0, WSAError.WSAENOTSOCK, "recv of the closed handle")
    net.exchange(client, twin)
    net.close(twin)
    ensure(net.recv(client, 1) == b"", "the end did not come when the last handle was closed")


@clause("WSPDuplicateSocket")
def description_opens_one_handle(net: Net) -> None:
    """A description of WSPDuplicateSocket can be used once; the second use is WSAEINVAL."""
    _, server = net.pair()
    info = _described(net, server)
    ensure(_opened(net, info) > 0, "WSASocketW with the description of a socket")
    expect(max(-_opened(net, info), 0), WSAError.WSAEINVAL, "WSASocketW with a description that has been used")
