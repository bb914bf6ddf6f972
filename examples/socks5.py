"""A SOCKS5 proxy (RFC 1928, without authentication) under a program that knows of none."""

import ipaddress
import socket

from ws2spi import Layer, WinsockError, WSAError

REPLIES = {
    2: WSAError.WSAEACCES,
    3: WSAError.WSAENETUNREACH,
    4: WSAError.WSAEHOSTUNREACH,
    5: WSAError.WSAECONNREFUSED,
    6: WSAError.WSAETIMEDOUT,
}


class Socks5(Layer):
    """Lead every connection through a SOCKS5 proxy.

    Options:
        proxy: HOST:PORT of the proxy
    """

    handshakes = True

    def __init__(self, *, proxy: str) -> None:
        host, _, port = proxy.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            raise ValueError(f"option 'proxy': {proxy!r} is not HOST:PORT")
        try:  # looked up once and now: a layer must not block later
            self.proxy = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0][4]
        except OSError as error:
            raise ValueError(f"option 'proxy': {host}: {error.strerror}") from error

    async def connect(self, conn, address):
        await conn.below.connect(self.proxy)
        await conn.below.send(b"\x05\x01\x00")  # version 5, one method: no authentication
        if await exactly(conn, 2) != b"\x05\x00":
            raise WinsockError(WSAError.WSAEACCES, "the proxy wants authentication")
        host = ipaddress.ip_address(address[0])
        kind = b"\x01" if host.version == 4 else b"\x04"
        await conn.below.send(b"\x05\x01\x00" + kind + host.packed + address[1].to_bytes(2, "big"))
        _, reply, _, kind_bound = await exactly(conn, 4)
        length = {1: 4, 4: 16}.get(kind_bound) or (await exactly(conn, 1))[0]
        await exactly(conn, length + 2)  # the proxy's own address, which nobody needs
        if reply:
            raise WinsockError(REPLIES.get(reply, WSAError.WSAECONNREFUSED), f"the proxy says {reply}")
        conn.state.peer = address

    async def getpeername(self, conn):
        return conn.state.peer


async def exactly(conn, size):
    """`size` bytes from below; a stream that ends earlier is a connection that failed."""
    data = b""
    while len(data) < size:
        piece = await conn.below.recv(size - len(data))
        if not piece:
            raise WinsockError(WSAError.WSAECONNRESET, "the proxy closed the connection")
        data += piece
    return data
