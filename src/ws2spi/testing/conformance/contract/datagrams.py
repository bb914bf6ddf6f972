"""Datagrams: boundaries, senders, messages that are too long."""

import ctypes

from ws2spi import ws2_32
from ws2spi._abi import addresses
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError
from ws2spi.testing.conformance.client import Net, Operation, an_event, byref, ensure, expect, last, wait_set
from ws2spi.testing.conformance.rules import clause


@clause("WSPSendTo, WSPRecvFrom", "datagram")
def boundaries_are_kept(net: Net) -> None:
    """Each receive gives one message, whole, in order on the loopback."""
    first, second = net.datagrams()
    messages = [b"one", b"", b"three" * 100, b"4"]
    for message in messages:
        ensure(net.send(first, message) == len(message), "send of a datagram")
    for message in messages:
        got = net.recv(second, 2000)
        ensure(got == net.through(message), f"{got!r} came instead of {message!r}")


@clause("WSPRecvFrom", "datagram")
def sender_is_told(net: Net) -> None:
    """recvfrom stores the sender's address; sendto reaches it."""
    (one, one_port), (other, other_port) = net.bound(c.SOCK_DGRAM), net.bound(c.SOCK_DGRAM)
    data, address = ctypes.create_string_buffer(b"who", 3), net.address(other_port)
    count = ws2_32.sendto(one, data, 3, 0, address, len(address))
    ensure(count == 3, f"sendto returned {count}, {last() if count < 0 else ''}")
    room, source, length = ctypes.create_string_buffer(10), ctypes.create_string_buffer(128), ctypes.c_int(128)
    count = ws2_32.recvfrom(other, room, 10, 0, source, byref(length))
    ensure(room.raw[: max(count, 0)] == net.through(b"who"), f"recvfrom gave {room.raw[: max(count, 0)]!r}")
    told = addresses.unpack(source.raw[: length.value])[1][1]
    ensure(told == one_port, f"recvfrom told port {told}, the sender has {one_port}")


@clause("WSPRecv, witness H", "datagram")
def message_that_is_too_long(net: Net) -> None:
    """A message longer than the buffer fills it, loses its rest and is WSAEMSGSIZE; the next one comes whole."""
    first, second = net.datagrams()
    net.send(first, b"0123456789")
    net.send(first, b"next")
    room = ctypes.create_string_buffer(4)
    count = ws2_32.recv(second, room, 4, 0)
    expect(last() if count < 0 else 0, WSAError.WSAEMSGSIZE, "recv of 10 bytes into 4")
    ensure(room.raw == net.through(b"0123456789")[:4], f"the buffer holds {room.raw!r}")
    got = net.recv(second, 100)
    ensure(got == net.through(b"next"), f"{got!r} came after a message that was too long")


@clause("WSPSendTo", "datagram")
def unbound_socket_gets_bound_by_sending(net: Net) -> None:
    """sendto on an unbound socket binds it."""
    s, (_, port) = net.socket(c.SOCK_DGRAM), net.bound(c.SOCK_DGRAM)
    data, address = ctypes.create_string_buffer(b"x", 1), net.address(port)
    ensure(ws2_32.sendto(s, data, 1, 0, address, len(address)) == 1, "sendto on an unbound socket")
    ensure(net.port_of(s) > 0, "sendto did not bind the socket")


@clause("WSPRecvFrom", "datagram")
def receive_needs_bind(net: Net) -> None:
    """A receive on an unbound datagram socket is WSAEINVAL."""
    s = net.socket(c.SOCK_DGRAM)
    got = net.recv(s, 10)
    expect(got if isinstance(got, int) else 0, WSAError.WSAEINVAL, "recv on an unbound datagram socket")


@clause("WSPSend", "datagram")
def send_needs_an_address(net: Net) -> None:
    """send on a datagram socket without a peer is WSAENOTCONN."""
    s, _ = net.bound(c.SOCK_DGRAM)
    count = net.send(s, b"x")
    expect(-count if count < 0 else 0, WSAError.WSAENOTCONN, "send without a peer")


@clause("WSPSendTo", "datagram")
def message_beyond_the_maximum(net: Net) -> None:
    """A message longer than the transport carries is WSAEMSGSIZE, and nothing is sent."""
    first, second = net.datagrams()
    count = net.send(first, bytes(70_000))
    expect(-count if count < 0 else 0, WSAError.WSAEMSGSIZE, "send of 70,000 bytes")
    net.send(first, b"small")
    got = net.recv(second, 100)
    ensure(got == net.through(b"small"), f"{got!r} came after a message that was refused")


@clause("WSPRecv", "datagram")
def nonblocking_datagrams_would_block(net: Net) -> None:
    """A non-blocking receive without a message is WSAEWOULDBLOCK, and loses none that comes later."""
    first, second = net.datagrams()
    net.nonblocking(second)
    got = net.recv(second, 10)
    expect(got if isinstance(got, int) else 0, WSAError.WSAEWOULDBLOCK, "recv without a message")
    net.send(first, b"late")
    net.ioctl(second, c.FIONBIO, 0)
    got = net.recv(second, 10)
    ensure(got == net.through(b"late"), f"{got!r} came")


@clause("WSPRecvFrom, overlapped", "datagram")
def overlapped_datagrams(net: Net) -> None:
    """Pending receives get one message each, in their order."""
    first, second = net.datagrams()
    with an_event() as one, an_event() as other:
        operations = [Operation(second, 10, event=event).must_pend("a receive of a datagram") for event in (one, other)]
        net.send(first, b"first")
        net.send(first, b"second")
        for operation, event, message in zip(operations, (one, other), (b"first", b"second"), strict=True):
            wait_set(event, "a receive of a datagram")
            operation.ended_with(0, len(message), "a receive of a datagram")
            got = operation.data(len(message))
            ensure(got == net.through(message), f"{got!r} came instead of {message!r}")


@clause("WSPRecv, MSG_PEEK", "datagram")
def peek_leaves_the_message(net: Net) -> None:
    """MSG_PEEK gives a message and leaves it."""
    first, second = net.datagrams()
    net.send(first, b"look")
    for flags in (c.MSG_PEEK, 0):
        got = net.recv(second, 10, flags)
        ensure(got == net.through(b"look"), f"recv with flags {flags} gave {got!r}")
