"""WSARecvMsg and WSASendMsg: nc-mswsock-lpfn_wsarecvmsg, nf-winsock2-wsasendmsg, witness I2 to I4 and F9."""

import ctypes
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from support.extension import fetch
from support.winsock import (
    LOOPBACK,
    bound,
    byref,
    close,
    connected,
    error,
    event,
    is_set,
    made,
    packet,
    port_for,
    received,
    set_nonblocking,
    sockaddr,
)
from ws2spi import kernel32, mswsock, ws2_32
from ws2spi._abi import addresses
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError
from ws2spi._executive.overlapped import pending_count

PENDING = WSAError.WSA_IO_PENDING

pytestmark = pytest.mark.usefixtures("kind")


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    kernel32.SleepEx(0, True)
    yield
    assert pending_count() == 0


class Message:
    """A WSAMSG with its memory."""

    def __init__(self, data: bytes | int, name: Any = 128, control: Any = 256, flags: int = 0) -> None:
        self.memory = (
            ctypes.create_string_buffer(data, max(len(data), 1))
            if isinstance(data, bytes)
            else (ctypes.create_string_buffer(max(data, 1)))
        )
        size = len(data) if isinstance(data, bytes) else data
        self.buffer = ws2_32.WSABUF(size, ctypes.addressof(self.memory))
        self.name = ctypes.create_string_buffer(name) if isinstance(name, int) else name
        self.control = (
            ctypes.create_string_buffer(control)
            if isinstance(control, int)
            else (ctypes.create_string_buffer(control, max(len(control), 1)))
        )
        room = control if isinstance(control, int) else len(control)
        self.msg = mswsock.WSAMSG(
            ctypes.addressof(self.name) if len(self.name) else None,
            len(self.name),
            ctypes.pointer(self.buffer),
            1,
            ws2_32.WSABUF(room, ctypes.addressof(self.control) if room else None),
            flags,
        )
        self.overlapped = mswsock.OVERLAPPED()
        self.count = ctypes.c_uint32(0xABCD)

    def recv(self, s: int, *, overlapped: bool = False, routine: Any = None, hEvent: int = 0) -> int:
        """WSARecvMsg: 0 or the code."""
        self.overlapped.hEvent = hEvent
        result = fetch(s, "WSARecvMsg")(
            s,
            ctypes.addressof(self.msg),
            None if overlapped else ctypes.addressof(self.count),
            ctypes.addressof(self.overlapped) if overlapped else None,
            routine,
        )
        return error() if result else 0

    def send(self, s: int, *, overlapped: bool = False, flags: int = 0) -> int:
        """WSASendMsg: 0 or the code."""
        ov = byref(self.overlapped) if overlapped else None
        result = ws2_32.WSASendMsg(s, byref(self.msg), flags, None if overlapped else byref(self.count), ov, None)
        return error() if result else 0

    def sender(self) -> Any:
        return addresses.unpack(self.name.raw[: self.msg.namelen])[1]

    def messages(self) -> list[tuple[int, int, bytes]]:
        """The control data, as a C program walks through it."""
        data, at, found = self.control.raw[: self.msg.Control.len], 0, []
        while at + 16 <= len(data):
            length, level, kind = struct.unpack_from("<Qii", data, at)
            found.append((level, kind, data[at + 16 : at + length]))
            at += (length + 7) & ~7
        return found


def cmsg(level: int, kind: int, data: bytes) -> bytes:
    return struct.pack("<Qii", 16 + len(data), level, kind) + data + bytes(-len(data) % 8)


@pytest.fixture
def receiver(family: int) -> Iterator[tuple[int, int]]:
    """A bound socket and its port."""
    s = made(2, family)
    yield s, bound(s, family)
    ws2_32.closesocket(s)


@pytest.fixture
def stranger(family: int) -> Iterator[socket.socket]:
    """A socket that is not ours."""
    with socket.socket(addresses.linux_family(family), socket.SOCK_DGRAM) as sock:
        sock.bind((LOOPBACK[family], 0))
        yield sock


def on(s: int, level: int, option: int) -> None:
    assert ws2_32.setsockopt(s, level, option, byref(ctypes.c_int(1)), 4) == 0, error()


def test_a_datagram_with_its_sender(receiver: tuple[int, int], stranger: socket.socket, family: int) -> None:
    s, port = receiver
    stranger.sendto(b"hello", (LOOPBACK[family], port))
    message = Message(100)
    assert (message.recv(s), message.count.value, message.memory.raw[:5]) == (0, 5, b"hello")
    assert message.sender()[:2] == stranger.getsockname()[:2]
    assert (message.msg.Control.len, message.msg.dwFlags) == (0, 0)


def test_packet_information(receiver: tuple[int, int], stranger: socket.socket, family: int) -> None:
    s, port = receiver
    level = 0 if family == c.AF_INET else 41
    on(s, level, c.IP_PKTINFO)
    on(s, level, c.IP_RECVTTL)
    stranger.sendto(b"hello", (LOOPBACK[family], port))
    message = Message(100)
    assert message.recv(s) == 0
    found = {(one[0], one[1]): one[2] for one in message.messages()}
    loopback = socket.if_nametoindex("lo")
    packed = socket.inet_pton(addresses.linux_family(family), LOOPBACK[family])
    assert found[level, c.IP_PKTINFO] == packed + struct.pack("<I", loopback)
    hops = c.IP_TTL if family == c.AF_INET else c.IPV6_HOPLIMIT
    assert struct.unpack("<i", found[level, hops]) == (64,)
    assert message.msg.dwFlags & (c.MSG_BCAST | c.MSG_MCAST | c.MSG_CTRUNC) == 0


def test_too_little_room_for_control_data(receiver: tuple[int, int], stranger: socket.socket, family: int) -> None:
    s, port = receiver
    on(s, 0 if family == c.AF_INET else 41, c.IP_PKTINFO)
    for room in (0, 20):
        stranger.sendto(b"hello", (LOOPBACK[family], port))
        message = Message(100, control=room)
        assert (message.recv(s), message.msg.dwFlags, message.msg.Control.len) == (0, c.MSG_CTRUNC, 0)


def test_i2_i3_a_datagram_that_is_cut(receiver: tuple[int, int], stranger: socket.socket, family: int) -> None:
    s, port = receiver
    stranger.sendto(b"hello", (LOOPBACK[family], port))
    message = Message(3)
    assert (message.recv(s), message.memory.raw[:3], message.msg.dwFlags) == (
        WSAError.WSAEMSGSIZE,
        b"hel",
        c.MSG_TRUNC,
    )
    with port_for(s) as queue:
        cut = Message(3)
        assert cut.recv(s, overlapped=True) == PENDING
        stranger.sendto(b"hello", (LOOPBACK[family], port))
        assert packet(queue, 5000)[::4] == (False, 234)
        assert (cut.overlapped.InternalHigh, cut.msg.dwFlags) == (3, c.MSG_TRUNC)


def test_peeking_leaves_it(receiver: tuple[int, int], stranger: socket.socket, family: int) -> None:
    s, port = receiver
    stranger.sendto(b"hello", (LOOPBACK[family], port))
    for flags in (c.MSG_PEEK, 0):
        message = Message(100, flags=flags)
        assert (message.recv(s), message.count.value) == (0, 5)


def test_overlapped_with_event_port_and_routine(
    receiver: tuple[int, int], stranger: socket.socket, family: int
) -> None:
    s, port = receiver
    ends = []

    @ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32)
    def routine(code: int, count: int, overlapped: int, flags: int) -> None:
        ends.append((code, count, overlapped))

    with_routine = Message(100)
    assert with_routine.recv(s, overlapped=True, routine=ctypes.cast(routine, ctypes.c_void_p)) == PENDING
    stranger.sendto(b"first", (LOOPBACK[family], port))
    assert kernel32.SleepEx(5000, True) == c.WAIT_IO_COMPLETION
    assert ends == [(0, 5, ctypes.addressof(with_routine.overlapped))]
    with event() as handle, port_for(s, 6) as queue:
        told = Message(100)
        assert told.recv(s, overlapped=True, hEvent=handle) == PENDING
        stranger.sendto(b"second", (LOOPBACK[family], port))
        assert packet(queue, 5000) == (True, 6, 6, ctypes.addressof(told.overlapped), 0)
        assert is_set(handle)
        assert told.sender()[:2] == stranger.getsockname()[:2]
        refused = Message(100)
        assert refused.recv(s, overlapped=True, routine=ctypes.cast(routine, ctypes.c_void_p)) == WSAError.WSAEINVAL


def test_one_that_is_there_ends_at_once(receiver: tuple[int, int], stranger: socket.socket, family: int) -> None:
    s, port = receiver
    stranger.sendto(b"there", (LOOPBACK[family], port))
    probe = ctypes.create_string_buffer(10)
    assert ws2_32.recv(s, probe, 10, c.MSG_PEEK) == 5
    message = Message(100)
    assert (message.recv(s, overlapped=True), message.overlapped.InternalHigh) == (0, 5)


def test_cancelled_and_closed(family: int) -> None:
    for end in (lambda s: kernel32.CancelIoEx(s, None), close):
        s = made(2, family)
        bound(s, family)
        with port_for(s) as queue:
            message = Message(100)
            assert message.recv(s, overlapped=True) == PENDING
            end(s)
            assert packet(queue, 5000)[4] == 995
        ws2_32.closesocket(s)


def test_receive_codes(receiver: tuple[int, int], family: int) -> None:
    s, _ = receiver
    stream, unbound = made(family=family), made(2, family)
    assert Message(100).recv(stream) == WSAError.WSAEOPNOTSUPP
    assert Message(100, flags=c.MSG_PEEK).recv(stream) == WSAError.WSAEOPNOTSUPP
    assert Message(100, flags=c.MSG_OOB).recv(s) == WSAError.WSAEOPNOTSUPP
    assert Message(100).recv(unbound) == WSAError.WSAEINVAL
    assert Message(100, name=8).recv(s) == WSAError.WSAEFAULT
    for field in ("name", "control", "bytes", "msg"):
        message = Message(100)
        call = fetch(s, "WSARecvMsg")
        count = ctypes.addressof(message.count)
        if field == "name":
            message.msg.name = None
        elif field == "control":
            message.msg.Control.buf = None
        elif field == "bytes":
            count = 0
        place = None if field == "msg" else ctypes.addressof(message.msg)
        assert (call(s, place, count, None, None), error()) == (-1, WSAError.WSAEFAULT)
    assert (fetch(s, "WSARecvMsg")(0x7FFFFFF, None, None, None, None), error()) == (-1, WSAError.WSAENOTSOCK)
    set_nonblocking(s)
    assert Message(100).recv(s) == WSAError.WSAEWOULDBLOCK
    assert ws2_32.shutdown(s, 0) == 0
    assert Message(100).recv(s) == WSAError.WSAESHUTDOWN
    close(stream, unbound)


def test_the_time_out(receiver: tuple[int, int]) -> None:
    s, _ = receiver
    assert ws2_32.setsockopt(s, 0xFFFF, c.SO_RCVTIMEO, byref(ctypes.c_uint32(10)), 4) == 0
    assert Message(100).recv(s) == WSAError.WSAETIMEDOUT


def test_sending_to_a_name_and_to_the_peer(receiver: tuple[int, int], family: int) -> None:
    s, port = receiver
    sender = made(2, family)
    name = sockaddr(port, family)
    message = Message(b"hello", name=name, control=0)
    assert (message.send(sender), message.count.value, received(s)) == (0, 5, b"hello")
    assert ws2_32.connect(sender, name, len(name)) == 0
    assert (Message(b"again", name=b"", control=0).send(sender), received(s)) == (0, b"again")
    assert (Message(b"pending", name=b"", control=0).send(sender, overlapped=True), received(s)) == (0, b"pending")
    close(sender)


def test_the_source_address_is_chosen(receiver: tuple[int, int], family: int) -> None:
    s, port = receiver
    host = "127.0.0.77" if family == c.AF_INET else "::1"
    linux = addresses.linux_family(family)
    level = 0 if family == c.AF_INET else 41
    control = cmsg(level, c.IP_PKTINFO, socket.inet_pton(linux, host) + bytes(4))
    for way in ("blocking", "overlapped", "nonblocking"):
        sender = made(2, family)
        if way == "nonblocking":
            set_nonblocking(sender)
        message = Message(b"chosen", name=sockaddr(port, family), control=control)
        assert message.send(sender, overlapped=way == "overlapped") == 0
        got = Message(100)
        assert (got.recv(s), got.sender()[0]) == (0, host)
        close(sender)


def test_send_codes(receiver: tuple[int, int], family: int) -> None:
    s, port = receiver
    name = sockaddr(port, family)
    level = 0 if family == c.AF_INET else 41
    stream = made(family=family)
    good = cmsg(level, c.IP_PKTINFO, bytes(8 if family == c.AF_INET else 20))
    assert Message(b"x", name=name, control=0).send(stream) == WSAError.WSAEOPNOTSUPP
    for control in (b"", good):
        assert Message(b"x", name=b"", control=control or 0).send(s) == WSAError.WSAENOTCONN
        assert Message(b"x", name=name, control=control or 0).send(s, flags=c.MSG_OOB) == WSAError.WSAEOPNOTSUPP
        assert Message(b"x", name=sockaddr(0, family), control=control or 0).send(s) == WSAError.WSAEADDRNOTAVAIL
    assert Message(b"x", name=name, control=cmsg(level, 999, bytes(4))).send(s) == WSAError.WSAEINVAL
    assert Message(b"x", name=name, control=cmsg(level, c.IP_PKTINFO, bytes(3))).send(s) == WSAError.WSAEINVAL
    assert Message(b"x", name=name, control=good[:-4] if len(good) == 24 else good[:20]).send(s) == WSAError.WSAEINVAL
    for field in ("name", "control", "bytes", "msg"):
        message = Message(b"x", name=name, control=good)
        if field == "name":
            message.msg.name = None
        elif field == "control":
            message.msg.Control.buf = None
        where = None if field == "msg" else byref(message.msg)
        count = None if field == "bytes" else byref(message.count)
        assert (ws2_32.WSASendMsg(s, where, 0, count, None, None), error()) == (-1, WSAError.WSAEFAULT)
    assert (ws2_32.WSASendMsg(0x7FFFFFF, None, 0, None, None, None), error()) == (-1, WSAError.WSAENOTSOCK)
    assert ws2_32.connect(s, name, len(name)) == 0
    assert ws2_32.shutdown(s, 1) == 0
    for control in (0, good):
        assert Message(b"x", name=b"", control=control).send(s) == WSAError.WSAESHUTDOWN
    close(stream)


def test_a_stream_has_no_messages() -> None:
    s, peer = connected()
    assert Message(10).recv(s) == WSAError.WSAEOPNOTSUPP
    close(s, peer)


def test_multicast_is_told(stranger: socket.socket, family: int) -> None:
    if family != c.AF_INET:
        return
    s = made(2, family)
    wildcard = sockaddr(0, family, "0.0.0.0")
    assert ws2_32.bind(s, wildcard, len(wildcard)) == 0
    room, length = ctypes.create_string_buffer(16), ctypes.c_int(16)
    assert ws2_32.getsockname(s, room, byref(length)) == 0
    port = addresses.unpack(room.raw)[1][1]
    on(s, 0, c.IP_PKTINFO)
    group = socket.inet_aton("239.7.7.7") + socket.inet_aton("127.0.0.1")
    assert ws2_32.setsockopt(s, 0, c.IP_ADD_MEMBERSHIP, group, 8) == 0
    stranger.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
    stranger.sendto(b"all", ("239.7.7.7", port))
    message = Message(100)
    assert (message.recv(s), message.msg.dwFlags & c.MSG_MCAST) == (0, c.MSG_MCAST)
    close(s)
