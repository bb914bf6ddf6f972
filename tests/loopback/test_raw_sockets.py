"""Raw sockets of the base provider: TCP/IP raw sockets (winsock, tcp-ip-raw-sockets-2) and their catalog entries."""

import ctypes
import os
import socket
import struct
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support import winsock
from support.extension import fetch
from support.winsock import error
from ws2spi import mswsock, ws2_32
from ws2spi._abi import addresses
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError
from ws2spi._runtime.catalog import StoredCatalog

byref = ctypes.byref
INVALID = 2**64 - 1
PENDING = WSAError.WSA_IO_PENDING
MARK = struct.pack("!HH", os.getpid() & 0xFFFF, 7)
HOST = {c.AF_INET: "127.0.0.1", c.AF_INET6: "::1"}
PROTOCOL = {c.AF_INET: c.IPPROTO_ICMP, c.AF_INET6: c.IPPROTO_ICMPV6}
REPLY = {c.AF_INET: 0, c.AF_INET6: 129}

pytestmark = pytest.mark.usefixtures("started")
needs_the_right = pytest.mark.skipif(os.geteuid() != 0, reason="raw sockets need CAP_NET_RAW")


def raw(family: int, protocol: int | None = None) -> int:
    return int(ws2_32.WSASocketW(family, c.SOCK_RAW, PROTOCOL[family] if protocol is None else protocol, None, 0, 1))


@pytest.fixture
def ping(family: int) -> Iterator[int]:
    s = raw(family)
    assert s != INVALID, error()
    yield s
    ws2_32.closesocket(s)


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def echo(family: int, data: bytes) -> bytes:
    """An echo request; the kernel sums those of IPv6 up itself."""
    kind = 8 if family == c.AF_INET else 128
    head = struct.pack("!BBH", kind, 0, 0) + MARK
    return head[:2] + struct.pack("!H", checksum(head + data)) + head[4:] + data


def name(family: int) -> Any:
    return winsock.sockaddr(0, family, HOST[family])


def send(s: int, family: int, data: bytes) -> None:
    to = name(family)
    assert ws2_32.sendto(s, data, len(data), 0, byref(to), ctypes.sizeof(to)) == len(data), error()


def payload(family: int, packet: bytes) -> bytes:
    """The ICMP message: of IPv4 the header comes too."""
    if family == c.AF_INET6:
        return packet
    assert packet[0] >> 4 == 4
    return packet[(packet[0] & 15) * 4 :]


def is_answer(family: int, message: bytes) -> bool:
    return message[0] == REPLY[family] and message[4:8] == MARK


def answer(s: int, family: int) -> bytes:
    """The data of the echo reply; what else an ICMP socket sees is passed by."""
    buffer = ctypes.create_string_buffer(2048)
    sender, length = (ctypes.c_ubyte * 128)(), ctypes.c_int(128)
    while True:
        count = ws2_32.recvfrom(s, buffer, len(buffer), 0, sender, byref(length))
        assert count > 0, error()
        message = payload(family, buffer.raw[:count])
        if is_answer(family, message):
            assert addresses.unpack(bytes(sender)[: length.value])[1][:2] == (HOST[family], 0)
            return message[8:]


@needs_the_right
def test_an_echo_comes_back(ping: int, family: int) -> None:
    send(ping, family, echo(family, b"one way or another"))
    assert answer(ping, family) == b"one way or another"


@needs_the_right
def test_overlapped(ping: int, family: int) -> None:
    buffer, wsabuf = ctypes.create_string_buffer(2048), ws2_32.WSABUF()
    wsabuf.len, wsabuf.buf = 2048, ctypes.addressof(buffer)
    sender, length = (ctypes.c_ubyte * 128)(), ctypes.c_int(128)
    sent = False
    with winsock.event() as event:
        while True:
            record = ws2_32.WSAOVERLAPPED(hEvent=event)
            flags, count = ctypes.c_uint32(), ctypes.c_uint32()
            started = ws2_32.WSARecvFrom(
                ping, byref(wsabuf), 1, None, byref(flags), sender, byref(length), byref(record), None
            )
            assert started == 0 or error() == PENDING
            if not sent:
                send(ping, family, echo(family, b"at last!"))
                sent = True
            assert winsock.is_set(event, 10_000)
            assert ws2_32.WSAGetOverlappedResult(ping, byref(record), byref(count), 0, byref(flags))
            message = payload(family, buffer.raw[: count.value])
            if is_answer(family, message):
                assert message[8:] == b"at last!"
                return


@needs_the_right
def test_a_message_with_its_hop_limit(ping: int, family: int) -> None:
    level, option, kind = (
        (c.IPPROTO_IP, c.IP_RECVTTL, c.IP_TTL)
        if family == c.AF_INET
        else (c.IPPROTO_IPV6, c.IPV6_HOPLIMIT, c.IPV6_HOPLIMIT)
    )
    assert ws2_32.setsockopt(ping, level, option, byref(ctypes.c_int(1)), 4) == 0, error()
    send(ping, family, echo(family, b"xy"))
    memory, control = ctypes.create_string_buffer(2048), ctypes.create_string_buffer(128)
    buffer, room = ws2_32.WSABUF(2048, ctypes.addressof(memory)), ws2_32.WSABUF(128, ctypes.addressof(control))
    msg, count = mswsock.WSAMSG(None, 0, ctypes.pointer(buffer), 1, room, 0), ctypes.c_uint32()
    assert fetch(ping, "WSARecvMsg")(ping, ctypes.addressof(msg), ctypes.addressof(count), None, None) == 0, error()
    assert struct.unpack_from("<QiiI", control.raw) == (20, level, kind, 64)


@needs_the_right
def test_names_and_options(ping: int, family: int) -> None:
    value, size = ctypes.c_int(), ctypes.c_int(4)
    assert ws2_32.getsockopt(ping, c.SOL_SOCKET, c.SO_TYPE, byref(value), byref(size)) == 0
    assert value.value == c.SOCK_RAW
    info, size = ws2_32.WSAPROTOCOL_INFOW(), ctypes.c_int(628)
    assert ws2_32.getsockopt(ping, c.SOL_SOCKET, c.SO_PROTOCOL_INFOW, byref(info), byref(size)) == 0
    assert (info.iSocketType, info.iProtocol, info.iProtocolMaxOffset, info.iAddressFamily) == (3, 0, 255, family)
    at, length = (ctypes.c_ubyte * 128)(), ctypes.c_int(128)
    assert ws2_32.getsockname(ping, at, byref(length)) == -1
    assert error() == WSAError.WSAEINVAL, "no name yet"
    own = name(family)
    assert ws2_32.bind(ping, byref(own), ctypes.sizeof(own)) == 0, error()
    assert ws2_32.getsockname(ping, at, byref(length)) == 0
    assert addresses.unpack(bytes(at)[: length.value])[1][:2] == (HOST[family], 0)
    assert ws2_32.connect(ping, byref(own), ctypes.sizeof(own)) == 0, error()
    length.value = 128
    assert ws2_32.getpeername(ping, at, byref(length)) == 0
    assert addresses.unpack(bytes(at)[: length.value])[1][:2] == (HOST[family], 0)
    data = echo(family, b"to a peer!")
    assert ws2_32.send(ping, data, len(data), 0) == len(data)
    assert answer(ping, family) == b"to a peer!"
    assert ws2_32.listen(ping, 1) == -1
    assert error() == WSAError.WSAEOPNOTSUPP
    everything = byref(ctypes.c_uint32(1)), 4, None, 0, byref(ctypes.c_uint32()), None, None
    assert ws2_32.WSAIoctl(ping, c.SIO_RCVALL, *everything) == -1
    assert error() == WSAError.WSAEOPNOTSUPP


@needs_the_right
def test_a_header_of_ones_own() -> None:
    s = raw(c.AF_INET, c.IPPROTO_UDP)
    value, size = ctypes.c_int(1), ctypes.c_int(4)
    assert ws2_32.setsockopt(s, c.IPPROTO_IP, c.IP_HDRINCL, byref(value), 4) == 0, error()
    value.value = 0
    assert ws2_32.getsockopt(s, c.IPPROTO_IP, c.IP_HDRINCL, byref(value), byref(size)) == 0
    assert value.value == 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        port = receiver.getsockname()[1]
        udp = struct.pack("!HHHH", 4711, port, 8 + 5, 0) + b"hello"
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, 17, 0, bytes((127, 0, 0, 9)), bytes((127, 0, 0, 1)))
        send(s, c.AF_INET, head + udp)
        assert receiver.recvfrom(100) == (b"hello", ("127.0.0.9", 4711))
    ws2_32.closesocket(s)
    datagram = winsock.made(c.SOCK_DGRAM)
    assert ws2_32.setsockopt(datagram, c.IPPROTO_IP, c.IP_HDRINCL, byref(value), 4) == -1
    assert error() == WSAError.WSAENOPROTOOPT
    winsock.close(datagram)


def test_only_who_names_the_type_gets_one() -> None:
    shown = (ws2_32.WSAPROTOCOL_INFOW * 20)()
    room = ctypes.c_uint32(ctypes.sizeof(shown))
    count = ws2_32.WSAEnumProtocolsW(None, shown, byref(room))
    assert c.SOCK_RAW not in [one.iSocketType for one in shown[:count]], "hidden"
    for arguments, code in (
        ((c.AF_INET, c.SOCK_STREAM, 99), WSAError.WSAEPROTONOSUPPORT),
        ((c.AF_INET, 0, c.IPPROTO_ICMP), WSAError.WSAEPROTONOSUPPORT),
        ((c.AF_INET, c.SOCK_RAW, 256), WSAError.WSAEPROTONOSUPPORT),
        ((99, c.SOCK_RAW, 1), WSAError.WSAEAFNOSUPPORT),
    ):
        assert ws2_32.socket(*arguments) == INVALID
        assert error() == code, arguments


CAP_NET_RAW = 13
CAPABILITIES = ctypes.c_uint32 * 6  # effective, permitted and inheritable, twice 32 of them


@contextmanager
def without_the_right() -> Iterator[None]:
    """This thread may not make raw sockets; what it may is put back afterwards."""
    libc = ctypes.CDLL(None, use_errno=True)
    head, had = (ctypes.c_uint32 * 2)(0x2008_0522, 0), CAPABILITIES()
    assert libc.capget(head, had) == 0
    fewer = CAPABILITIES(*had)
    fewer[0] &= ~(1 << CAP_NET_RAW)
    assert libc.capset(head, fewer) == 0
    try:
        yield
    finally:
        assert libc.capset(head, had) == 0


def test_without_the_right_it_is_wsaeacces() -> None:
    with without_the_right():
        for call in (
            lambda: ws2_32.socket(c.AF_INET, c.SOCK_RAW, c.IPPROTO_ICMP),
            lambda: ws2_32.WSASocketW(c.AF_INET6, c.SOCK_RAW, c.IPPROTO_ICMPV6, None, 0, 1),
            lambda: ws2_32.WSASocketA(c.AF_INET, c.SOCK_RAW, c.IPPROTO_UDP, None, 0, 1),
        ):
            assert call() == INVALID
            assert error() == WSAError.WSAEACCES
        winsock.close(winsock.made(c.SOCK_DGRAM))


@needs_the_right
def test_a_layer_that_names_them_is_over_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody else is: a layer over every protocol leaves raw sockets alone."""
    winsock.stop()
    path = tmp_path / "loud.py"
    path.write_text(
        "from ws2spi import Layer\n\n\nclass Loud(Layer):\n    async def recv_from(self, conn, size):\n"
        "        data, sender = await conn.below.recv_from(size)\n"
        "        return data[:-6] + data[-6:].upper(), sender\n"
    )
    monkeypatch.setenv("WS2SPI_CATALOG", str(tmp_path / "catalog.sqlite"))
    stored = StoredCatalog()
    stored.install_chains(uuid.UUID(int=1), f"{path}:Loud", "loud", 0, None)
    for name_raw, heard in ((False, b"quiet!"), (True, b"QUIET!")):
        if name_raw:
            stored.install_chains(uuid.UUID(int=2), f"{path}:Loud", "loud raw", 0, [(c.AF_INET, c.SOCK_RAW, 0)])
        winsock.start()
        s = raw(c.AF_INET)
        send(s, c.AF_INET, echo(c.AF_INET, b"quiet!"))
        assert answer(s, c.AF_INET) == heard
        ws2_32.closesocket(s)
        winsock.stop()
    winsock.start()
