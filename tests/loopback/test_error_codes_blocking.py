"""The documented error codes of calls that wait: cancelled from a blocking hook, refused inside one, out of time."""

import ctypes
import socket as py
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import ws2spi
from support import stacks, winsock
from support.clients import set_option
from support.readiness import select
from support.threads import Running
from support.winsock import byref, connected, error, listening, made, sockaddr
from ws2spi import mswsock, ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError

DWORD = ctypes.c_uint32
Call = Callable[[int], int]


def wsabuf(size: int) -> Any:
    memory = ctypes.create_string_buffer(size)
    found = ws2_32.WSABUF(size, ctypes.addressof(memory))
    found.memory = memory
    return found


def message(size: int, to: Any = None) -> Any:
    buffer = wsabuf(size)
    name, length = (ctypes.addressof(to), len(to)) if to is not None else (None, 0)
    found = mswsock.WSAMSG(name, length, ctypes.pointer(buffer), 1)
    found.kept = buffer, to
    return found


def wsasend(s: int, size: int = 1 << 16) -> int:
    return int(ws2_32.WSASend(s, byref(wsabuf(size)), 1, byref(DWORD()), 0, None, None))


def wsasendto(s: int, size: int = 1 << 16) -> int:
    return int(ws2_32.WSASendTo(s, byref(wsabuf(size)), 1, byref(DWORD()), 0, None, 0, None, None))


def wsasendmsg(s: int) -> int:
    return int(ws2_32.WSASendMsg(s, byref(message(1, sockaddr(9))), 0, byref(DWORD()), None, None))


def wsarecv(s: int) -> int:
    return int(ws2_32.WSARecv(s, byref(wsabuf(8)), 1, byref(DWORD()), byref(DWORD()), None, None))


def wsarecvfrom(s: int) -> int:
    return int(ws2_32.WSARecvFrom(s, byref(wsabuf(8)), 1, byref(DWORD()), byref(DWORD()), None, None, None, None))


def wsarecvmsg(s: int) -> int:
    return int(mswsock.WSARecvMsg(s, byref(message(8)), byref(DWORD()), None, None))


def wsapoll(s: int) -> int:
    one = ws2_32.WSAPOLLFD(s, c.POLLRDNORM, 0)
    return int(ws2_32.WSAPoll(byref(one), 1, -1))


def by_list(s: int, to: Any) -> int:
    address = ws2_32.SOCKET_ADDRESS(ctypes.cast(to, ctypes.POINTER(ws2_32.SOCKADDR)), len(to))

    class One(ctypes.Structure):
        _fields_ = (("iAddressCount", ctypes.c_int32), ("Address", ws2_32.SOCKET_ADDRESS * 1))

    given = One(1, (ws2_32.SOCKET_ADDRESS * 1)(address))
    return int(ws2_32.WSAConnectByList(s, byref(given), None, None, None, None, None, None))


def port_in(to: Any) -> bytes:
    return str(int.from_bytes(to.raw[2:4], "big")).encode()


CONNECTS: dict[str, Callable[[int, Any], int]] = {
    "connect": lambda s, to: ws2_32.connect(s, to, len(to)),
    "WSAConnect": lambda s, to: ws2_32.WSAConnect(s, to, len(to), None, None, None, None),
    "WSAConnectByList": by_list,
    "WSAConnectByNameA": lambda s, to: ws2_32.WSAConnectByNameA(s, b"127.0.0.1", port_in(to), *[None] * 6),
    "WSAConnectByNameW": lambda s, to: ws2_32.WSAConnectByNameW(s, "127.0.0.1", port_in(to).decode(), *[None] * 6),
}
RECEIVES: dict[str, Call] = {
    "recv": lambda s: ws2_32.recv(s, ctypes.create_string_buffer(8), 8, 0),
    "recvfrom": lambda s: ws2_32.recvfrom(s, ctypes.create_string_buffer(8), 8, 0, None, None),
    "WSARecv": wsarecv,
    "WSARecvFrom": wsarecvfrom,
    "WSARecvEx": lambda s: mswsock.WSARecvEx(s, ctypes.create_string_buffer(8), 8, byref(ctypes.c_int())),
}
SENDS: dict[str, Call] = {
    "send": lambda s: ws2_32.send(s, bytes(1 << 16), 1 << 16, 0),
    "sendto": lambda s: ws2_32.sendto(s, bytes(1 << 16), 1 << 16, 0, None, 0),
    "WSASend": wsasend,
    "WSASendTo": wsasendto,
}
ACCEPTS: dict[str, Call] = {
    "accept": lambda s: ws2_32.accept(s, None, None),
    "WSAAccept": lambda s: ws2_32.WSAAccept(s, None, None, None, 0),
}
LOOKS: dict[str, Call] = {"select": lambda s: select([s], seconds=None)[0], "WSAPoll": wsapoll}
MESSAGES: dict[str, Call] = {"WSASendMsg": wsasendmsg, "WSARecvMsg": wsarecvmsg}


class Held(stacks.Bytes):
    """Datagrams that nobody lets go."""

    async def send_to(self, conn: Any, data: bytes, address: Any) -> None:
        await conn.event().wait()


@contextmanager
def waiting(name: str) -> Iterator[tuple[int, Callable[[], int]]]:
    """A socket, and a call of the function with it that waits for ever."""
    if name in MESSAGES:
        with ws2spi.install(ws2spi.Stack([Held()])):
            s = made(c.SOCK_DGRAM)
            winsock.bound(s)
            yield s, lambda: MESSAGES[name](s)
            winsock.close(s)
    elif name in CONNECTS:
        with py.create_server(("127.0.0.1", 0), backlog=0) as full, py.create_connection(full.getsockname()):
            s = made()
            yield s, lambda: CONNECTS[name](s, sockaddr(full.getsockname()[1]))
            winsock.close(s)
    elif name in ACCEPTS:
        listener, _ = listening()
        yield listener, lambda: ACCEPTS[name](listener)
        winsock.close(listener)
    else:
        s, peer = connected()
        if name in SENDS:
            winsock.set_nonblocking(s)
            while ws2_32.send(s, bytes(1 << 16), 1 << 16, 0) > 0:
                pass
            winsock.set_nonblocking(s, 0)
        yield s, lambda: {**SENDS, **RECEIVES, **LOOKS}[name](s)
        winsock.close(s, peer)


WAITING = [*CONNECTS, *RECEIVES, *SENDS, *ACCEPTS, *LOOKS, *MESSAGES]


@pytest.fixture
def old_client() -> Iterator[None]:
    """Blocking hooks are for clients of version 1.1."""
    assert ws2_32.WSAStartup(0x0101, byref(ws2_32.WSADATA())) == 0
    yield
    winsock.stop()


def with_hook(hook: Callable[[], int], call: Callable[[], int]) -> tuple[int, WSAError]:
    """(result, code) of a call on a thread that has the hook."""

    def run() -> tuple[int, WSAError]:
        assert ws2_32.WSASetBlockingHook(hook) == 0
        try:
            return call(), WSAError(error())
        finally:
            assert ws2_32.WSAUnhookBlockingHook() == 0

    found: tuple[int, WSAError] = Running(run).result()
    return found


def cancel() -> int:
    assert ws2_32.WSACancelBlockingCall() == 0
    return 1


@pytest.mark.parametrize("name", WAITING)
def test_wsaeintr_from_a_blocking_hook(old_client: None, name: str) -> None:
    with waiting(name) as (_, call):
        assert with_hook(cancel, call)[1] == WSAError.WSAEINTR


@pytest.mark.parametrize("name", WAITING)
def test_wsaeinprogress_inside_a_blocking_hook(old_client: None, name: str) -> None:
    seen: list[WSAError] = []
    outer, peer = connected()
    with waiting(name) as (_, call):

        def hook() -> int:
            call()
            seen.append(WSAError(error()))
            return cancel()

        with_hook(hook, lambda: RECEIVES["recv"](outer))
    assert seen == [WSAError.WSAEINPROGRESS]
    winsock.close(outer, peer)


@pytest.mark.parametrize("name", [*RECEIVES, *SENDS, *MESSAGES])
def test_wsaetimedout(started: None, name: str) -> None:
    """SO_RCVTIMEO and SO_SNDTIMEO: the call ends by itself."""
    option = c.SO_SNDTIMEO if name in (*SENDS, "WSASendMsg") else c.SO_RCVTIMEO
    with waiting(name) as (s, call):
        assert set_option(s, c.SOL_SOCKET, option, (50).to_bytes(4, "little")) == 0
        assert (call(), WSAError(error())) == (c.SOCKET_ERROR, WSAError.WSAETIMEDOUT)
