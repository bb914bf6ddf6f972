"""The documented error codes of WSASendMsg that it shares with WSASendTo: it has a way of its own into the provider."""

import ctypes
import os
import socket as py
from collections.abc import Iterator
from typing import Any

import pytest

from support import winsock
from support.winsock import byref, error, made, sockaddr
from ws2spi import mswsock, ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError

pytestmark = pytest.mark.usefixtures("started")
DWORD = ctypes.c_uint32


def code(s: int, size: int = 1, to: Any = None, hEvent: int = 0, *, overlapped: bool = False) -> WSAError:
    """The code of a WSASendMsg that is refused."""
    memory = ctypes.create_string_buffer(size)
    buffer = ws2_32.WSABUF(size, ctypes.addressof(memory))
    name, length = (ctypes.addressof(to), len(to)) if to is not None else (None, 0)
    message = mswsock.WSAMSG(name, length, ctypes.pointer(buffer), 1)
    structure = ws2_32.WSAOVERLAPPED(hEvent=hEvent)
    request = byref(structure) if overlapped else None
    assert ws2_32.WSASendMsg(s, byref(message), 0, byref(DWORD()), request, None) == c.SOCKET_ERROR
    return WSAError(error())


@pytest.fixture
def datagram() -> Iterator[int]:
    s = made(c.SOCK_DGRAM)
    yield s
    ws2_32.closesocket(s)


def test_what_is_wrong_with_an_address_or_a_message(datagram: int) -> None:
    assert code(datagram, to=sockaddr(9, c.AF_INET6)) == WSAError.WSAEAFNOSUPPORT
    assert code(datagram, to=sockaddr(9, host="255.255.255.255")) == WSAError.WSAEACCES
    assert code(datagram, 70_000, to=sockaddr(9)) == WSAError.WSAEMSGSIZE
    assert code(datagram, to=sockaddr(9), hEvent=0xBAD0, overlapped=True) == WSAError.WSA_INVALID_HANDLE


def test_wsaenetunreach() -> None:
    """Over the loopback device no other address is reached."""
    s = made(c.SOCK_DGRAM, c.AF_INET6)
    with py.socket(fileno=os.dup(s)) as same:
        same.setsockopt(py.SOL_SOCKET, py.SO_BINDTODEVICE, b"lo")
    assert code(s, to=sockaddr(9, c.AF_INET6, "2001:db8::1")) == WSAError.WSAENETUNREACH
    winsock.close(s)
