"""Sockets from WSPSocket to WSPCloseSocket: making, naming, connecting, accepting, shutting down, closing."""

import ctypes

from ws2spi import ws2_32
from ws2spi._abi import addresses
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError
from ws2spi.testing.conformance.client import (
    LOOPBACK,
    ROUTINE,
    Net,
    Operation,
    Routine,
    an_event,
    byref,
    ensure,
    expect,
    last,
    pause,
    wait_set,
)
from ws2spi.testing.conformance.rules import clause


@clause("WSPSocket", "any")
def socket_starts_blocking_and_unbound(net: Net) -> None:
    """A new socket is unbound: its name cannot be asked for."""
    s = net.socket()
    room, length = ctypes.create_string_buffer(128), ctypes.c_int(128)
    result = ws2_32.getsockname(s, room, byref(length))
    expect(last() if result else 0, WSAError.WSAEINVAL, "getsockname of an unbound socket")


@clause("WSPSocket", "any")
def sockets_have_handles_of_their_own(net: Net) -> None:
    """Two sockets never share a handle."""
    made = [net.socket() for _ in range(5)]
    ensure(len(set(made)) == len(made), f"handles {made}")


@clause("WSPCloseSocket")
def closed_handle_is_no_socket(net: Net) -> None:
    """After closesocket the handle gives WSAENOTSOCK, also to a second closesocket."""
    s = net.socket()
    net.close(s)
    expect(last() if ws2_32.listen(s, 1) else 0, WSAError.WSAENOTSOCK, "listen on a closed handle")
    expect(last() if ws2_32.closesocket(s) else 0, WSAError.WSAENOTSOCK, "a second closesocket")


@clause("WSPBind", "any")
def bind_gives_a_port(net: Net) -> None:
    """bind to port 0 picks a port, which getsockname tells."""
    s, port = net.bound()
    ensure(port > 0, "getsockname told port 0 after bind")
    ensure(net.name_of(s, ws2_32.getsockname)[0] == LOOPBACK[net.family], "getsockname told another address")


@clause("WSPBind", "any")
def bind_twice_is_refused(net: Net) -> None:
    """A bound socket cannot be bound again: WSAEINVAL."""
    s, _ = net.bound()
    address = net.address(0)
    expect(last() if ws2_32.bind(s, address, len(address)) else 0, WSAError.WSAEINVAL, "a second bind")


@clause("WSPBind", "any")
def bind_to_a_used_port_is_refused(net: Net) -> None:
    """The port of a listening socket is in use: WSAEADDRINUSE."""
    _, port = net.listener()
    s, address = net.socket(), net.address(port)
    expect(last() if ws2_32.bind(s, address, len(address)) else 0, WSAError.WSAEADDRINUSE, "bind to a used port")


@clause("WSPListen")
def listen_needs_bind(net: Net) -> None:
    """listen on an unbound socket is WSAEINVAL, on a connected one WSAEISCONN."""
    s = net.socket()
    expect(last() if ws2_32.listen(s, 1) else 0, WSAError.WSAEINVAL, "listen before bind")
    client, _ = net.pair()
    expect(last() if ws2_32.listen(client, 1) else 0, WSAError.WSAEISCONN, "listen on a connected socket")


@clause("WSPListen")
def listen_again_changes_the_backlog(net: Net) -> None:
    """A second listen succeeds, and connections still come."""
    listener, port = net.listener()
    net.done(ws2_32.listen(listener, 50), "a second listen")
    client = net.socket()
    expect(net.connect(client, port), 0, "connect")
    net.exchange(client, net.accept(listener))


@clause("WSPAccept")
def accept_needs_listen(net: Net) -> None:
    """accept on a socket that does not listen is WSAEINVAL."""
    s, _ = net.bound()
    result = ws2_32.accept(s, None, None)
    expect(last() if result == c.INVALID_SOCKET else 0, WSAError.WSAEINVAL, "accept before listen")


@clause("WSPAccept")
def accept_tells_the_peer(net: Net) -> None:
    """accept stores the address that the peer knows as its own."""
    listener, port = net.listener()
    client = net.socket()
    expect(net.connect(client, port), 0, "connect")
    room, length = ctypes.create_string_buffer(128), ctypes.c_int(128)
    s = int(ws2_32.accept(listener, room, byref(length)))
    ensure(s != c.INVALID_SOCKET, "accept failed")
    net.handles.append(s)
    told = addresses.unpack(room.raw[: length.value])[1][:2]
    mine = net.name_of(client, ws2_32.getsockname)
    ensure(tuple(told) == mine, f"accept told {told}, the peer is {mine}")


@clause("WSPAccept")
def accept_gives_connections_in_their_order(net: Net) -> None:
    """Connections that wait are accepted in the order in which they came."""
    listener, port = net.listener()
    clients = [net.socket() for _ in range(3)]
    for client in clients:
        expect(net.connect(client, port), 0, "connect")
    for number, client in enumerate(clients):
        server = net.accept(listener)
        mine, told = net.name_of(client, ws2_32.getsockname), net.name_of(server, ws2_32.getpeername)
        ensure(mine == told, f"accept {number} gave the connection of {told}, not {mine}")


@clause("WSPAccept")
def nonblocking_accept_would_block(net: Net) -> None:
    """A non-blocking accept without a connection is WSAEWOULDBLOCK, and loses none that comes later."""
    listener, port = net.listener()
    net.nonblocking(listener)
    result = ws2_32.accept(listener, None, None)
    expect(last() if result == c.INVALID_SOCKET else 0, WSAError.WSAEWOULDBLOCK, "accept without a connection")
    net.ioctl(listener, c.FIONBIO, 0)
    client = net.socket()
    expect(net.connect(client, port), 0, "connect")
    net.exchange(client, net.accept(listener))


@clause("WSPConnect")
def connect_is_refused(net: Net) -> None:
    """Where nobody listens, connect is WSAECONNREFUSED, and the socket can be closed as ever."""
    listener, port = net.listener()
    net.close(listener)
    s = net.socket()
    expect(net.connect(s, port), WSAError.WSAECONNREFUSED, "connect to a closed port")


@clause("WSPConnect")
def connect_again_after_a_refusal(net: Net) -> None:
    """After WSAECONNREFUSED the same socket may connect elsewhere."""
    refused, closed_port = net.listener()
    net.close(refused)
    listener, port = net.listener()
    s = net.socket()
    expect(net.connect(s, closed_port), WSAError.WSAECONNREFUSED, "connect to a closed port")
    expect(net.connect(s, port), 0, "connect after a refusal")
    net.exchange(s, net.accept(listener))


@clause("WSPConnect")
def connect_twice_is_refused(net: Net) -> None:
    """A connected socket cannot connect: WSAEISCONN."""
    client, server = net.pair()
    _, port = net.listener()
    expect(net.connect(client, port), WSAError.WSAEISCONN, "connect of a connected socket")
    net.exchange(client, server)


@clause("WSPConnect")
def nonblocking_connect_pends(net: Net) -> None:
    """A non-blocking connect is WSAEWOULDBLOCK unless it ends at once; when it has, another one is WSAEISCONN."""
    listener, port = net.listener()
    s = net.socket()
    net.nonblocking(s)
    code = net.connect(s, port)
    if code:
        expect(code, WSAError.WSAEWOULDBLOCK, "a non-blocking connect")
    server = net.accept(listener)
    for _ in range(10_000):
        code = net.connect(s, port)
        if code not in (WSAError.WSAEALREADY, WSAError.WSAEWOULDBLOCK, WSAError.WSAEINVAL):
            break
        pause()
    expect(code, WSAError.WSAEISCONN, "a repeated connect")
    net.ioctl(s, c.FIONBIO, 0)
    net.exchange(s, server)


@clause("WSPConnect")
def connected_sockets_know_their_names(net: Net) -> None:
    """Each end's peer name is the other's own name."""
    client, server = net.pair()
    for one, other in ((client, server), (server, client)):
        mine, told = net.name_of(one, ws2_32.getsockname), net.name_of(other, ws2_32.getpeername)
        ensure(mine == told, f"getpeername told {told}, the peer is {mine}")


@clause("WSPGetPeerName")
def peer_name_needs_a_peer(net: Net) -> None:
    """getpeername of an unconnected socket is WSAENOTCONN."""
    s = net.socket()
    room, length = ctypes.create_string_buffer(128), ctypes.c_int(128)
    result = ws2_32.getpeername(s, room, byref(length))
    expect(last() if result else 0, WSAError.WSAENOTCONN, "getpeername without a peer")


@clause("WSPGetSockName")
def names_need_room(net: Net) -> None:
    """getsockname with too little room is WSAEFAULT."""
    s, _ = net.bound()
    room, length = ctypes.create_string_buffer(128), ctypes.c_int(4)
    result = ws2_32.getsockname(s, room, byref(length))
    expect(last() if result else 0, WSAError.WSAEFAULT, "getsockname with 4 bytes of room")


@clause("WSPShutdown")
def shutdown_needs_a_connection(net: Net) -> None:
    """shutdown of an unconnected stream is WSAENOTCONN, with a strange `how` WSAEINVAL."""
    s = net.socket()
    expect(last() if ws2_32.shutdown(s, c.SD_SEND) else 0, WSAError.WSAENOTCONN, "shutdown without a connection")
    client, _ = net.pair()
    expect(last() if ws2_32.shutdown(client, 7) else 0, WSAError.WSAEINVAL, "shutdown(7)")


@clause("WSPShutdown")
def shutdown_ends_one_direction(net: Net) -> None:
    """After SD_SEND the peer reads to the end and may still send; sending is WSAESHUTDOWN."""
    client, server = net.pair()
    net.sent(client, b"last words")
    net.done(ws2_32.shutdown(client, c.SD_SEND), "shutdown")
    net.arrives(server, b"last words")
    ensure(net.recv(server, 10) == b"", "the peer's recv did not tell the end after shutdown(SD_SEND)")
    ensure(net.recv(server, 10) == b"", "the end is not for good")
    net.sent(server, b"answer")
    net.arrives(client, b"answer")
    count = net.send(client, b"more")
    expect(-count if count < 0 else 0, WSAError.WSAESHUTDOWN, "send after shutdown(SD_SEND)")


@clause("WSPShutdown")
def shutdown_refuses_further_receives(net: Net) -> None:
    """After SD_RECEIVE receiving is WSAESHUTDOWN."""
    client, _ = net.pair()
    net.done(ws2_32.shutdown(client, c.SD_RECEIVE), "shutdown")
    got = net.recv(client, 10)
    expect(got if isinstance(got, int) else 0, WSAError.WSAESHUTDOWN, "recv after shutdown(SD_RECEIVE)")


@clause("WSPCloseSocket")
def close_delivers_what_was_sent(net: Net) -> None:
    """What send had accepted reaches the peer, then the end, though the socket was closed at once."""
    client, server = net.pair()
    data = bytes(range(256)) * 512
    net.sent(client, data)
    net.close(client)
    net.arrives(server, data, "what was sent before closesocket")
    ensure(net.recv(server, 1) == b"", "no end of the stream after the peer's closesocket")


@clause("WSPCloseSocket")
def close_with_linger_zero_resets(net: Net) -> None:
    """SO_LINGER with time 0 makes closesocket abortive: the peer gets WSAECONNRESET."""
    client, server = net.pair()
    linger = ws2_32.LINGER(1, 0)
    net.done(ws2_32.setsockopt(client, c.SOL_SOCKET, c.SO_LINGER, byref(linger), 4), "setsockopt(SO_LINGER)")
    net.close(client)
    got = net.recv(server, 10)
    expect(got if isinstance(got, int) else 0, WSAError.WSAECONNRESET, "the peer's recv")


@clause("WSPCloseSocket")
def close_ends_a_blocked_receive(net: Net) -> None:
    """A receive that blocks in another thread ends with WSAEINTR (or another error) when the socket is closed."""
    client, _ = net.pair()
    blocked = net.beside(net.recv, client, 10)
    pause()
    net.close(client)
    got = blocked.result()
    ensure(isinstance(got, int), f"a blocked recv returned {got!r} when its socket was closed")


@clause("WSPCloseSocket, witness J")
def close_aborts_pending_operations_and_tells(net: Net) -> None:
    """closesocket ends what is pending with WSA_OPERATION_ABORTED and announces it: event, routine."""
    client, _ = net.pair()
    routine = Routine()
    with an_event() as event:
        first = Operation(client, 10, event=event).must_pend("a receive without data")
        second = Operation(client, 10, routine=ROUTINE(routine)).must_pend("a second receive without data")
        net.close(client)
        wait_set(event, "a receive pending at closesocket")
        ensure(not first.pending, "the event of a pending receive was set before its status was final")
        routine.wait(1, "a receive pending at closesocket")
    error, size, address, _ = routine.calls[0]
    expect(error, WSAError.WSA_OPERATION_ABORTED, "the routine of a receive pending at closesocket")
    ensure(size == 0 and address == second.address, "the routine was called with another's values")


@clause("WSPSendDisconnect")
def send_disconnect_ends_one_direction(net: Net) -> None:
    """WSPSendDisconnect is a shutdown of sending; user data, which TCP has not, is WSAENOPROTOOPT."""
    client, server = net.pair()
    data = ws2_32.WSABUF(1, ctypes.addressof(_BYTE))
    result = ws2_32.WSASendDisconnect(client, byref(data))
    expect(last() if result else 0, WSAError.WSAENOPROTOOPT, "WSASendDisconnect with data")
    net.sent(client, b"last")
    net.done(ws2_32.WSASendDisconnect(client, None), "WSASendDisconnect")
    net.arrives(server, b"last")
    ensure(net.recv(server, 1) == b"", "the end did not come after WSASendDisconnect")
    expect(-net.send(client, b"x"), WSAError.WSAESHUTDOWN, "send after WSASendDisconnect")
    net.sent(server, b"back")
    net.arrives(client, b"back")
    result = ws2_32.WSASendDisconnect(net.socket(), None)
    expect(last() if result else 0, WSAError.WSAENOTCONN, "WSASendDisconnect without a connection")


@clause("WSPRecvDisconnect")
def recv_disconnect_refuses_receives(net: Net) -> None:
    """After WSPRecvDisconnect receiving is WSAESHUTDOWN and sending goes on; asked for data, it is WSAENOPROTOOPT."""
    client, server = net.pair()
    data = ws2_32.WSABUF(1, ctypes.addressof(_BYTE))
    result = ws2_32.WSARecvDisconnect(client, byref(data))
    expect(last() if result else 0, WSAError.WSAENOPROTOOPT, "WSARecvDisconnect with room for data")
    net.done(ws2_32.WSARecvDisconnect(client, None), "WSARecvDisconnect")
    got = net.recv(client, 1)
    expect(got if isinstance(got, int) else 0, WSAError.WSAESHUTDOWN, "recv after WSARecvDisconnect")
    net.sent(client, b"on")
    net.arrives(server, b"on")
    result = ws2_32.WSARecvDisconnect(net.socket(), None)
    expect(last() if result else 0, WSAError.WSAENOTCONN, "WSARecvDisconnect without a connection")


_BYTE = ctypes.create_string_buffer(1)
