"""Bytes of a stream: WSPSend and WSPRecv as blocking and non-blocking calls."""

import ctypes

from ws2spi import ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError
from ws2spi.testing.conformance.client import Net, byref, ensure, expect, last
from ws2spi.testing.conformance.rules import clause


@clause("WSPSend, WSPRecv")
def bytes_arrive_in_order_both_ways(net: Net) -> None:
    """What one end sends, the other receives: every byte, once, in order."""
    client, server = net.pair()
    for number in range(20):
        net.exchange(client, server, b"%03d" % number * (number + 1))


@clause("WSPSend, WSPRecv")
def full_duplex(net: Net) -> None:
    """Both directions carry 100,000 bytes at the same time, and neither waits for the other."""
    client, server = net.pair()
    data = bytes(range(250)) * 400
    sends = [net.beside(net.sent, client, data), net.beside(net.sent, server, data[::-1])]
    receiving = net.beside(net.arrives, client, data[::-1])
    net.arrives(server, data)
    receiving.result()
    for send in sends:
        send.result()


@clause("WSPRecv")
def receive_returns_what_is_there(net: Net) -> None:
    """A stream's receive completes with what has come; it does not wait for the buffer to be full."""
    client, server = net.pair()
    net.sent(client, b"abc")
    got = net.recv(server, 1000)
    ensure(isinstance(got, bytes) and 1 <= len(got) <= 3, f"recv(1000) of three bytes gave {got!r}")
    assert isinstance(got, bytes)
    rest = net.read(server, 3 - len(got))
    ensure(got + rest == net.through(b"abc"), f"{got + rest!r} arrived")


@clause("WSPRecv")
def surplus_is_kept(net: Net) -> None:
    """What does not fit into the buffer comes with the next receives."""
    client, server = net.pair()
    data = bytes(range(200))
    net.sent(client, data)
    got = b"".join(net.read(server, size) for size in (1, 2, 7, 90, 100))
    ensure(got == net.through(data), "a stream read in pieces of 1, 2, 7, 90 and 100 bytes differs")


@clause("WSPRecv")
def end_of_stream_is_for_good(net: Net) -> None:
    """After the peer's orderly end every receive gives 0 bytes."""
    client, server = net.pair()
    net.sent(client, b"x")
    net.close(client)
    net.arrives(server, b"x")
    for attempt in range(3):
        got = net.recv(server, 10)
        ensure(got == b"", f"receive {attempt} after the end gave {got!r}")


@clause("WSPRecv")
def reset_is_told(net: Net) -> None:
    """A peer that resets is WSAECONNRESET (or WSAECONNABORTED), not the end of the stream."""
    client, server = net.pair()
    linger = ws2_32.LINGER(1, 0)
    ws2_32.setsockopt(client, c.SOL_SOCKET, c.SO_LINGER, byref(linger), 4)
    net.close(client)
    got = net.recv(server, 10)
    ensure(got in (WSAError.WSAECONNRESET, WSAError.WSAECONNABORTED), f"recv after a reset gave {got!r}")


@clause("WSPRecv, MSG_PEEK")
def peek_leaves_the_bytes(net: Net) -> None:
    """MSG_PEEK gives the bytes without taking them."""
    client, server = net.pair()
    net.sent(client, b"peek")
    net.wait_readable(server, 1)
    first = net.recv(server, 2, c.MSG_PEEK)
    ensure(isinstance(first, bytes) and len(first) >= 1, f"recv(MSG_PEEK) gave {first!r}")
    assert isinstance(first, bytes)
    ensure(net.through(b"peek").startswith(first), f"recv(MSG_PEEK) gave {first!r}")
    net.arrives(server, b"peek", "what came after MSG_PEEK")


@clause("WSPIoctl, FIONREAD")
def readable_bytes_are_counted(net: Net) -> None:
    """FIONREAD counts bytes that the next receives give without waiting."""
    client, server = net.pair()
    ensure(net.ioctl(server, c.FIONREAD) == 0, "FIONREAD told bytes before any were sent")
    net.sent(client, b"count me")
    net.wait_readable(server)
    told = net.ioctl(server, c.FIONREAD)
    ensure(1 <= told <= 8, f"FIONREAD told {told} of 8 bytes")
    net.nonblocking(server)
    data = b""
    while len(data) < told:
        piece = net.recv(server, told - len(data))
        if isinstance(piece, int):
            ensure(False, f"FIONREAD told {told} bytes; after {len(data)} recv failed with {piece}")
            return
        data += piece
    net.ioctl(server, c.FIONBIO, 0)
    net.arrives_rest(server, b"count me", data)


@clause("WSPRecv")
def nonblocking_receive_would_block(net: Net) -> None:
    """A non-blocking receive without data is WSAEWOULDBLOCK, and what comes later is not lost."""
    client, server = net.pair()
    net.nonblocking(server)
    for _ in range(3):
        got = net.recv(server, 10)
        expect(got if isinstance(got, int) else 0, WSAError.WSAEWOULDBLOCK, "recv without data")
    net.sent(client, b"later")
    net.wait_readable(server)
    net.ioctl(server, c.FIONBIO, 0)
    net.arrives(server, b"later")


@clause("WSPSend")
def nonblocking_send_would_block(net: Net) -> None:
    """A non-blocking send that cannot go on is WSAEWOULDBLOCK; exactly what was told as accepted arrives."""
    client, server = net.pair()
    net.set_option(client, c.SOL_SOCKET, c.SO_SNDBUF, 8192)
    net.set_option(server, c.SOL_SOCKET, c.SO_RCVBUF, 8192)
    net.nonblocking(client)
    piece = bytes(range(256)) * 64
    accepted = bytearray()
    for _ in range(2000):
        start = len(accepted) % 256
        count = net.send(client, piece[start : start + 8192])
        if count < 0:
            expect(-count, WSAError.WSAEWOULDBLOCK, "a non-blocking send that cannot go on")
            break
        ensure(count > 0, "a non-blocking send told 0 bytes")
        accepted += piece[start : start + count]
    else:
        ensure(False, "a peer that does not read never made a non-blocking send answer WSAEWOULDBLOCK")
    receiving = net.beside(net.arrives, server, bytes(accepted), "what non-blocking sends had accepted")
    receiving.result()
    net.close(client)
    ensure(net.recv(server, 10) == b"", "more arrived than the sends had told")


@clause("SO_RCVTIMEO")
def receive_times_out_and_loses_nothing(net: Net) -> None:
    """A receive that waited for SO_RCVTIMEO is WSAETIMEDOUT, and data that comes later goes to the next one."""
    client, server = net.pair()
    net.set_option(server, c.SOL_SOCKET, c.SO_RCVTIMEO, 20)
    got = net.recv(server, 10)
    expect(got if isinstance(got, int) else 0, WSAError.WSAETIMEDOUT, "recv after SO_RCVTIMEO")
    net.set_option(server, c.SOL_SOCKET, c.SO_RCVTIMEO, 0)
    net.sent(client, b"too late")
    net.arrives(server, b"too late")


@clause("WSPSend, WSPRecv")
def data_needs_a_connection(net: Net) -> None:
    """send and recv on an unconnected stream are WSAENOTCONN."""
    s = net.socket()
    count = net.send(s, b"x")
    expect(-count if count < 0 else 0, WSAError.WSAENOTCONN, "send without a connection")
    got = net.recv(s, 1)
    expect(got if isinstance(got, int) else 0, WSAError.WSAENOTCONN, "recv without a connection")


@clause("WSPSend, WSPRecv")
def buffers_gather_and_scatter(net: Net) -> None:
    """Several buffers are sent as one and filled in their order."""
    client, server = net.pair()
    parts = [ctypes.create_string_buffer(part, len(part)) for part in (b"one", b"", b"three", b"4")]
    out = (ws2_32.WSABUF * 4)(*[ws2_32.WSABUF(len(part), ctypes.addressof(part)) for part in parts])
    count = ctypes.c_uint32()
    net.done(ws2_32.WSASend(client, out, 4, byref(count), 0, None, None), "WSASend of four buffers")
    ensure(count.value == 9, f"WSASend of 9 bytes in four buffers told {count.value}")
    net.wait_readable(server)
    rooms = [ctypes.create_string_buffer(size) for size in (2, 5, 50)]
    into = (ws2_32.WSABUF * 3)(*[ws2_32.WSABUF(len(room), ctypes.addressof(room)) for room in rooms])
    flags = ctypes.c_uint32()
    net.done(ws2_32.WSARecv(server, into, 3, byref(count), byref(flags), None, None), "WSARecv into three buffers")
    got = b"".join(room.raw for room in rooms)[: count.value]
    got += net.read(server, 9 - len(got))
    ensure(got == net.through(b"onethree4"), f"{got!r} arrived")


@clause("WSPSend")
def sending_nothing_succeeds(net: Net) -> None:
    """A send of 0 bytes on a stream succeeds and sends nothing."""
    client, server = net.pair()
    ensure(net.send(client, b"") == 0, "send of nothing did not return 0")
    net.exchange(client, server)


@clause("WSPSend")
def strange_flags_are_refused(net: Net) -> None:
    """A flag that nobody knows is WSAEINVAL or WSAEOPNOTSUPP, and nothing is sent."""
    client, server = net.pair()
    count = net.send(client, b"flagged", 0x40000000)
    ensure(
        -count in (WSAError.WSAEOPNOTSUPP, WSAError.WSAEINVAL),
        f"send with an unknown flag returned {count}",
    )
    net.exchange(client, server)


@clause("WSPSend, WSPRecv")
def bad_pointers_are_told(net: Net) -> None:
    """A buffer at NULL is WSAEFAULT, and the connection goes on."""
    client, server = net.pair()
    result = ws2_32.send(client, None, 5, 0)
    expect(last() if result < 0 else 0, WSAError.WSAEFAULT, "send from NULL")
    net.exchange(client, server)


@clause("WSPSend, WSPRecv")
def long_stream_through_changing_reads(net: Net) -> None:
    """A long stream read in pieces of changing size is the stream that was sent."""
    client, server = net.pair()
    data = b"".join(number.to_bytes(4, "little") for number in range(15_000))
    sending = net.beside(net.sent, client, data)
    got, size = b"", 1
    while len(got) < len(data):
        piece = net.recv(server, size)
        ensure(isinstance(piece, bytes) and piece, f"recv({size}) gave {piece!r}")
        assert isinstance(piece, bytes)
        got += piece
        size = size * 3 % 9973 + 1
    sending.result()
    ensure(got == net.through(data), "a long stream differs")
