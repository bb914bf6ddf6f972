"""The extension functions, reached by SIO_GET_EXTENSION_FUNCTION_POINTER and called past the DLL."""

import ctypes
import threading
import uuid

from ws2spi import kernel32, mswsock, ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError
from ws2spi._abi.mswsock import EXTENSIONS
from ws2spi.testing.conformance.client import (
    PENDING,
    ROUTINE,
    Net,
    Port,
    Routine,
    an_event,
    ensure,
    expect,
    is_set,
    last,
    wait_set,
)
from ws2spi.testing.conformance.extension_client import (
    Accept,
    Connect,
    Disconnect,
    Message,
    TransmitFile,
    TransmitPackets,
    a_file,
    asked_for,
    fetch,
)
from ws2spi.testing.conformance.rules import clause


@clause("WSPIoctl, SIO_GET_EXTENSION_FUNCTION_POINTER", "any")
def extension_functions_have_pointers(net: Net) -> None:
    """SIO_GET_EXTENSION_FUNCTION_POINTER gives a pointer for each documented GUID, and WSAEINVAL for another one."""
    s = net.socket()
    for name in EXTENSIONS:
        fetch(s, name)
    code, _ = asked_for(s, uuid.UUID(int=7).bytes_le)
    expect(code, WSAError.WSAEINVAL, "SIO_GET_EXTENSION_FUNCTION_POINTER with a GUID that nobody knows")


@clause("AcceptEx")
def acceptex_waits_for_a_connection(net: Net) -> None:
    """AcceptEx for 0 bytes pends and ends at the connect; after SO_UPDATE_ACCEPT_CONTEXT its socket is a plain one."""
    listener, port = net.listener()
    with an_event() as event:
        accept = Accept(net, listener, event=event).must_pend("AcceptEx without a connection")
        ensure(accept.pending and not is_set(event), "AcceptEx told an end without a connection")
        client = net.socket()
        expect(net.connect(client, port), 0, "connect")
        wait_set(event, "AcceptEx")
        accept.ended_with(0, 0, "AcceptEx")
    accept.update()
    ensure(net.name_of(accept.accepted, ws2_32.getpeername)[1] == net.port_of(client), "its peer's name is another")
    net.exchange(client, accept.accepted)


@clause("AcceptEx, GetAcceptExSockaddrs")
def acceptex_brings_data_and_addresses(net: Net) -> None:
    """AcceptEx with room for data ends with the first bytes; GetAcceptExSockaddrs finds both addresses behind them."""
    listener, port = net.listener()
    accept = Accept(net, listener, 100).started("AcceptEx")
    client = net.socket()
    expect(net.connect(client, port), 0, "connect")
    net.sent(client, b"first")
    accept.ends_with(0, None, "AcceptEx")
    _, count = accept.result()
    wanted = net.through(b"first")
    got = accept.memory.raw[:count]
    ensure(0 < count <= 5 and got == wanted[:count], f"AcceptEx brought {got!r} of {wanted!r}")
    local, remote = accept.names()
    ensure(local[1] == port, f"the local address has port {local[1]}, the listener {port}")
    ensure(remote[1] == net.port_of(client), f"the remote address has port {remote[1]}, the client another")
    accept.update()
    net.arrives_rest(accept.accepted, b"first", got)


@clause("AcceptEx")
def acceptex_refuses_what_cannot_be(net: Net) -> None:
    """AcceptEx without an OVERLAPPED, without listen, or with a bound accept socket is refused, and changes nothing."""
    listener, port = net.listener()
    used, plain = net.bound()[0], net.socket()
    call, memory = fetch(listener, "AcceptEx"), ctypes.create_string_buffer(200)
    done = call(listener, plain, ctypes.addressof(memory), 0, 44, 44, None, None)
    expect(0 if done else last(), WSAError.WSA_INVALID_PARAMETER, "AcceptEx without an OVERLAPPED")
    expect(Accept(net, plain).code, WSAError.WSAEINVAL, "AcceptEx on a socket that does not listen")
    expect(Accept(net, listener, accepted=used).code, WSAError.WSAEINVAL, "AcceptEx with a bound accept socket")
    accept = Accept(net, listener, accepted=plain).started("AcceptEx after refusals")
    client = net.socket()
    expect(net.connect(client, port), 0, "connect")
    accept.ends_with(0, 0, "AcceptEx after refusals")


@clause("AcceptEx, WSPCloseSocket, witness K5")
def closed_listener_ends_acceptex(net: Net) -> None:
    """closesocket of the listener ends a pending AcceptEx with an error, and tells so."""
    listener, _ = net.listener()
    with an_event() as event, Port() as port:
        port.add(listener, 5)
        accept = Accept(net, listener, event=event).must_pend("AcceptEx without a connection")
        net.close(listener)
        wait_set(event, "an AcceptEx whose listener was closed")
        packet = port.packet()
        ensure(packet and not packet[0] and packet[3] == accept.address, f"its packet is {packet}, a failure expected")


@clause("ConnectEx")
def connectex_connects_and_sends(net: Net) -> None:
    """ConnectEx sends its data first and tells how much; after SO_UPDATE_CONNECT_CONTEXT the socket is a plain one."""
    listener, port = net.listener()
    with an_event() as event:
        connect = Connect(net, port, b"with it", event=event).started("ConnectEx")
        wait_set(event, "ConnectEx")
        connect.ended_with(0, 7, "ConnectEx")
    connect.update()
    server = net.accept(listener)
    net.sent(connect.s, b" and after it")
    net.arrives(server, b"with it and after it")
    ensure(net.name_of(connect.s, ws2_32.getpeername)[1] == port, "getpeername tells another port")


@clause("ConnectEx")
def connectex_needs_bind(net: Net) -> None:
    """ConnectEx on an unbound socket is WSAEINVAL, and nothing is connected."""
    _, port = net.listener()
    s = net.socket()
    expect(Connect(net, port, s=s).code, WSAError.WSAEINVAL, "ConnectEx on an unbound socket")
    expect(net.connect(s, port), 0, "connect after that")


@clause("ConnectEx")
def connectex_tells_a_refusal(net: Net) -> None:
    """Where nobody listens, ConnectEx ends with WSAECONNREFUSED: at its start or at its end, which is told."""
    listener, port = net.listener()
    net.close(listener)
    with an_event() as event:
        connect = Connect(net, port, b"nobody", event=event)
        if connect.code == PENDING:
            wait_set(event, "a ConnectEx that is refused")
            connect.ended_with(WSAError.WSAECONNREFUSED, None, "ConnectEx where nobody listens")
        else:
            expect(connect.code, WSAError.WSAECONNREFUSED, "ConnectEx where nobody listens")


@clause("DisconnectEx")
def disconnectex_ends_in_order(net: Net) -> None:
    """DisconnectEx delivers what was sent, then the peer's end; without a connection it is WSAENOTCONN."""
    client, server = net.pair()
    net.sent(client, b"last words")
    Disconnect(client).ends_with(0, None, "DisconnectEx")
    net.arrives(server, b"last words")
    ensure(net.recv(server, 1) == b"", "the peer of a DisconnectEx does not see the end")
    expect(Disconnect(net.socket()).code, WSAError.WSAENOTCONN, "DisconnectEx without a connection")


@clause("DisconnectEx, TF_REUSE_SOCKET")
def disconnected_socket_is_used_again(net: Net) -> None:
    """After DisconnectEx with TF_REUSE_SOCKET the same handle serves for AcceptEx, and for ConnectEx."""
    listener, port = net.listener()
    accept = Accept(net, listener).started("AcceptEx")
    connect = Connect(net, port).started("ConnectEx")
    accept.ends_with(0, 0, "AcceptEx")
    connect.ends_with(0, 0, "ConnectEx")
    endings = [Disconnect(s, mswsock.TF_REUSE_SOCKET) for s in (accept.accepted, connect.s)]
    for one in endings:
        one.ends_with(0, None, "DisconnectEx with TF_REUSE_SOCKET")
    again = Accept(net, listener, accepted=accept.accepted).started("AcceptEx with a socket used before")
    once_more = Connect(net, port, s=connect.s).started("ConnectEx of a socket used before")
    again.ends_with(0, 0, "AcceptEx with a socket used before")
    once_more.ends_with(0, 0, "ConnectEx of a socket used before")
    net.exchange(connect.s, accept.accepted)


_CONTENT = bytes(range(256)) * 40


@clause("TransmitFile")
def transmitfile_sends_a_part_between_two_texts(net: Net) -> None:
    """TransmitFile sends head, the part of the file that the OVERLAPPED's offset and the count name, and tail."""
    client, server = net.pair()
    with a_file(_CONTENT) as file:
        transmit = TransmitFile(client, file, 1000, 5000, b"head", b"tail").started("TransmitFile")
        net.arrives(server, b"head" + _CONTENT[1000:6000] + b"tail", "what TransmitFile sent")
        transmit.ends_with(0, 5008, "TransmitFile")


@clause("TransmitFile, TF_DISCONNECT")
def transmitfile_may_disconnect(net: Net) -> None:
    """TF_DISCONNECT ends the connection behind the file; TF_REUSE_SOCKET without it is WSAEINVAL."""
    client, server = net.pair()
    with a_file(b"all of it") as file:
        refused = TransmitFile(client, file, 0, 0, b"", b"", mswsock.TF_REUSE_SOCKET)
        expect(refused.code, WSAError.WSAEINVAL, "TransmitFile with TF_REUSE_SOCKET alone")
        transmit = TransmitFile(client, file, 0, 0, b"", b"", mswsock.TF_DISCONNECT).started("TransmitFile")
        net.arrives(server, b"all of it", "what TransmitFile sent")
        ensure(net.recv(server, 1) == b"", "TF_DISCONNECT did not end the connection")
        transmit.ends_with(0, 9, "TransmitFile with TF_DISCONNECT")


@clause("TransmitPackets")
def transmitpackets_sends_in_order(net: Net) -> None:
    """TransmitPackets sends its elements, memory and parts of files, one behind the other."""
    client, server = net.pair()
    with a_file(_CONTENT) as file:
        transmit = TransmitPackets(client, [b"one ", (file, 256, 300), b" two"]).started("TransmitPackets")
        net.arrives(server, b"one " + _CONTENT[256:556] + b" two", "what TransmitPackets sent")
        transmit.ends_with(0, 308, "TransmitPackets")


@clause("AcceptEx, ConnectEx, WPUCompleteOverlappedRequest")
def extension_functions_complete_by_the_port(net: Net) -> None:
    """AcceptEx and ConnectEx on sockets with a port are told by one packet each: key and OVERLAPPED of the client."""
    listener, number = net.listener()
    s = net.bound()[0]
    with Port() as port:
        port.add(listener, 1)
        port.add(s, 2)
        accept = Accept(net, listener).started("AcceptEx")
        connect = Connect(net, number, b"data", s=s).started("ConnectEx")
        packets = {port.packet(), port.packet()}
        wanted = {(True, 0, 1, accept.address), (True, 4, 2, connect.address)}
        ensure(packets == wanted, f"the packets are {packets}, expected {wanted}")
        ensure(port.packet(20) is None, "a packet came twice")


@clause("WSARecvMsg", "datagram")
def recvmsg_tells_data_and_sender(net: Net) -> None:
    """WSARecvMsg gives one datagram and its sender; one that is too long is WSAEMSGSIZE with MSG_TRUNC."""
    first, second = net.datagrams()
    net.sent(first, b"message")
    got = Message(second, 100).recv()
    expect(got.code, 0, "WSARecvMsg")
    ensure(got.data() == net.through(b"message"), f"WSARecvMsg gave {got.data()!r}")
    ensure(got.sender() == net.port_of(first), "WSARecvMsg told another sender")
    net.sent(first, b"too long")
    cut = Message(second, 3).recv()
    expect(cut.code, WSAError.WSAEMSGSIZE, "WSARecvMsg with too little room")
    ensure(cut.message.dwFlags & c.MSG_TRUNC, f"its flags are {cut.message.dwFlags:#x}, MSG_TRUNC expected")


@clause("WSARecvMsg, WPUOpenCurrentThread", "datagram")
def recvmsg_runs_a_routine_in_its_thread(net: Net) -> None:
    """WSARecvMsg carries no thread id: its completion routine runs all the same, once, in the thread that called."""
    first, second = net.datagrams()
    routine = Routine()
    callback = ROUTINE(routine)
    message = Message(second, 100).recv(overlapped=True, routine=callback)
    message.must_pend("WSARecvMsg without a datagram")
    net.beside(net.sent, first, b"routine").result()  # a blocking call of this thread would be an alertable wait
    kernel32.Sleep(5)
    ensure(not routine.calls, "the routine ran outside an alertable wait")
    routine.wait(1, "WSARecvMsg")
    ensure(routine.threads == [threading.get_ident()], "the routine ran in another thread")
    error, count, address, _ = routine.calls[0]
    ensure((error, count, address) == (0, 7, message.address), f"the routine was told {routine.calls[0]}")
    ensure(message.memory.raw[:7] == net.through(b"routine"), "its buffer holds something else")


@clause("WSARecvMsg")
def recvmsg_is_for_datagrams(net: Net) -> None:
    """WSARecvMsg on a stream is WSAEOPNOTSUPP."""
    _, server = net.pair()
    expect(Message(server, 10).recv().code, WSAError.WSAEOPNOTSUPP, "WSARecvMsg on a stream")


@clause("WSASendMsg", "datagram")
def sendmsg_reaches_the_name(net: Net) -> None:
    """WSASendMsg sends one datagram to the name that it is given, and tells its length."""
    first, second = net.socket(c.SOCK_DGRAM), net.bound(c.SOCK_DGRAM)[0]
    message = Message(first, b"to you", net.address(net.port_of(second))).send()
    expect(message.code, 0, "WSASendMsg")
    ensure(message.count == 6, f"WSASendMsg told {message.count} bytes of 6")
    got = net.recv(second, 100)
    ensure(got == net.through(b"to you"), f"{got!r} arrived")
