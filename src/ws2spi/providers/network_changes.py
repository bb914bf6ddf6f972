"""SIO_ADDRESS_LIST_CHANGE and SIO_ROUTING_INTERFACE_CHANGE: waiting until the machine's addresses or routes change.

The kernel tells changes on a netlink socket. Each pending request has one of its own, driven by the engine like any
other receive, so cancelling and closing end it like any other. A request that overlaps pends; one of a blocking socket
waits; one of a non-blocking socket answers WSAEWOULDBLOCK and is told by FD_ADDRESS_LIST_CHANGE or
FD_ROUTING_INTERFACE_CHANGE, once, until it is asked for again.
"""

import socket

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.connection import Connection
from ws2spi._engine.operations import Request
from ws2spi._engine.transport import SocketTransport, winsock_error
from ws2spi._runtime.completion import Completion
from ws2spi._runtime.process import runtime
from ws2spi._runtime.sockets import SocketEntry
from ws2spi.providers import interfaces
from ws2spi.providers.socket_state import Socket
from ws2spi.providers.transfers import Starting

# {(control code, family): the group of rtnetlink.h, as a bit}
_GROUPS = {
    (c.SIO_ADDRESS_LIST_CHANGE, c.AF_INET): 0x10,
    (c.SIO_ADDRESS_LIST_CHANGE, c.AF_INET6): 0x100,
    (c.SIO_ROUTING_INTERFACE_CHANGE, c.AF_INET): 0x40,
    (c.SIO_ROUTING_INTERFACE_CHANGE, c.AF_INET6): 0x400,
}
_EVENTS = {
    c.SIO_ADDRESS_LIST_CHANGE: c.FD_ADDRESS_LIST_CHANGE,
    c.SIO_ROUTING_INTERFACE_CHANGE: c.FD_ROUTING_INTERFACE_CHANGE,
}


def await_change(entry: SocketEntry, code: int, data: bytes, completion: Completion | None) -> bytes | None:
    """Wait for the next change in the way of the call; no output.

    Errors:
        WSAEWOULDBLOCK: non-blocking; the event will tell. WSAEFAULT, WSAEAFNOSUPPORT: the destination of a route.
        WSAEINTR, WSA_OPERATION_ABORTED: the socket was closed, or the request cancelled.
    """
    state: Socket = entry.state
    if code == c.SIO_ROUTING_INTERFACE_CHANGE:
        interfaces.destination(entry.family, data)
    if completion is None and not state.blocking:
        if state.selection is not None:
            state.selection.reenable(_EVENTS[code])
        _tell_later(state, code, entry.family)
        raise WinsockError(WSAError.WSAEWOULDBLOCK, "the event tells")
    watch = _watch(state, _GROUPS[code, entry.family])

    def over() -> None:
        _end(state, watch)

    if completion is None:
        try:
            watch.recv(0)
        finally:
            over()
        return b""

    def finished(request: Request) -> tuple[int, int, int]:
        over()
        return (request.error.code if request.error is not None else 0), 0, 0

    starting = Starting(state.pending, completion, finished)
    request = watch.submit_recv(0, starting.done)
    state.elsewhere[request] = watch  # where it is cancelled; entries of ended ones go with the watch
    return None if starting.started(request) is None else b""


def _tell_later(state: Socket, code: int, family: int) -> None:
    """Tell the network event at the next change."""
    if code in state.watched:
        return
    state.watched.add(code)
    watch = _watch(state, _GROUPS[code, family])

    def changed(request: Request) -> None:
        state.watched.discard(code)
        _end(state, watch)
        if request.error is None and state.selection is not None:
            state.selection.happened(_EVENTS[code])

    watch.submit_recv(0, changed)


def _end(state: Socket, watch: Connection) -> None:
    if watch in state.watches:
        state.watches.remove(watch)
    for request, one in list(state.elsewhere.items()):
        if one is watch:
            state.elsewhere.pop(request, None)
    watch.close()


def _watch(state: Socket, groups: int) -> Connection:
    try:
        link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        link.bind((0, groups))
    except OSError as error:
        raise winsock_error(error, "netlink") from None
    watch = Connection(runtime.engine, SocketTransport(link))
    state.watches.append(watch)
    return watch
