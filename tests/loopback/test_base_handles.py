"""SIO_BASE_HANDLE and its kin as event loops ask for them: winsock-ioctls, layering 8 and 9, witness Q6."""

import ctypes
from collections.abc import Iterator
from typing import Any

import pytest

from support import stacks
from support.pass_through import PassThrough
from support.winsock import byref, close, connected, error, event, is_set, made, received, set_nonblocking
from ws2spi import install, mswsock, ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError
from ws2spi._abi.types import WSAPOLLDATA, WSAPOLLFD
from ws2spi._runtime.process import runtime
from ws2spi.providers.stack import Stack

BSP = (c.SIO_BSP_HANDLE_SELECT, c.SIO_BSP_HANDLE_POLL, c.SIO_BSP_HANDLE)


@pytest.fixture(params=[*stacks.KINDS, "by hand", "over by hand"])
def chain(request: pytest.FixtureRequest, started: None) -> Iterator[str]:
    """Every kind of stack, a hand-written layer, and a stack over that."""
    if "hand" not in request.param:
        with stacks.installed(request.param):
            yield request.param
        return
    for af in (c.AF_INET, c.AF_INET6):
        for kind, protocol in ((c.SOCK_STREAM, c.IPPROTO_TCP), (c.SOCK_DGRAM, c.IPPROTO_UDP)):
            PassThrough().install(runtime.catalog.find(af, kind, protocol))
    if request.param == "by hand":
        yield request.param
        return
    with install(Stack([stacks.Bytes()])):
        yield request.param


def asked(s: int, code: int, room: int = 8, **overlapped: Any) -> int:
    """The handle, or minus the code."""
    handle, count = ctypes.c_uint64(), ctypes.c_uint32()
    if ws2_32.WSAIoctl(s, code, None, 0, byref(handle), room, byref(count), overlapped.get("ov"), None):
        return -error()
    return handle.value


def protocol_of(s: int) -> int:
    """The first entry of the chain that made a socket: as libuv asks for it."""
    info, size = ws2_32.WSAPROTOCOL_INFOW(), ctypes.c_int(ctypes.sizeof(ws2_32.WSAPROTOCOL_INFOW))
    assert ws2_32.getsockopt(s, 0xFFFF, c.SO_PROTOCOL_INFOW, byref(info), byref(size)) == 0, error()
    return int(info.ProtocolChain.ChainLen)


def test_libuv_asks_the_base_handle_for_its_protocol(chain: str, family: int) -> None:
    s = made(family=family)
    set_nonblocking(s)
    base = asked(s, c.SIO_BASE_HANDLE)
    assert base > 0
    assert protocol_of(base) == (2 if chain == "control" else 1)
    assert (base == s) == (chain in ("base", "control"))
    assert asked(s, c.SIO_BASE_HANDLE) == base  # as long as the socket lives
    assert asked(base, c.SIO_BASE_HANDLE) == base
    close(s)
    assert asked(base, c.SIO_BASE_HANDLE) == -WSAError.WSAENOTSOCK


def test_mio_tries_the_bsp_handles_where_there_is_no_base_handle(chain: str, family: int) -> None:
    s = made(family=family)

    def base_of(raw: int) -> int:
        found = asked(raw, c.SIO_BASE_HANDLE)
        if found > 0:
            return found
        for code in BSP:
            other = asked(raw, code)
            if other > 0 and other != raw:
                found = asked(other, c.SIO_BASE_HANDLE)
                if found > 0:
                    return found
        return -1

    assert protocol_of(base_of(s)) == (2 if chain == "control" else 1)
    close(s)


def test_trio_walks_down_to_a_handle_that_is_its_own(chain: str, family: int) -> None:
    s = made(c.SOCK_DGRAM, family)
    base = asked(s, c.SIO_BASE_HANDLE)
    for code in BSP:
        at = s
        for _ in range(10):
            found = asked(at, code)
            assert found > 0
            if found == at:
                break
            at = found
        assert asked(at, code) == at
    assert protocol_of(base) == (2 if chain == "control" else 1)
    close(s)


def test_a_base_handle_shows_what_arrives_and_goes_when_its_socket_goes(chain: str, family: int) -> None:
    if "hand" in chain:
        return  # its private thread has a receive of its own below
    s, peer = connected(family)
    base = asked(s, c.SIO_BASE_HANDLE)
    ws2_32.send(peer, b"hello", 5, 0)
    array = (ws2_32.WSAPOLLFD * 1)(ws2_32.WSAPOLLFD(base, c.POLLRDNORM))
    assert ws2_32.WSAPoll(array, 1, 5000) == 1
    assert received(s) == b"hello"
    close(s)
    assert received(peer) == b""  # nothing keeps the connection open
    close(peer)


def test_q6_with_an_overlapped_and_short_buffers(kind: str) -> None:
    s = made()
    overlapped = mswsock.OVERLAPPED()
    assert asked(s, c.SIO_BASE_HANDLE, ov=byref(overlapped)) == asked(s, c.SIO_BASE_HANDLE)
    assert asked(s, c.SIO_BASE_HANDLE, 4) == -WSAError.WSAEFAULT
    for code in BSP:
        assert asked(s, code) == s
        assert asked(s, code, 4) == -WSAError.WSAEFAULT
        assert asked(s, code, ov=byref(mswsock.OVERLAPPED())) == -WSAError.WSAEFAULT
        assert asked(0x7FFFFFF, code) == -WSAError.WSAENOTSOCK
    close(s)


def test_sio_ext_poll_does_what_its_block_says(kind: str) -> None:
    s, peer = connected()
    ws2_32.send(peer, b"!", 1, 0)
    memory = ctypes.create_string_buffer(16 + ctypes.sizeof(WSAPOLLFD))
    data = WSAPOLLDATA.from_buffer(memory)
    data.fds, data.timeout = 1, 5000
    element = WSAPOLLFD.from_buffer(memory, 16)
    element.fd, element.events = s, c.POLLRDNORM
    count = ctypes.c_uint32()
    size = len(memory)
    assert ws2_32.WSAIoctl(s, c.SIO_EXT_POLL, memory, size, memory, size, byref(count), None, None) == 0
    assert (data.result, element.revents) == (1, c.POLLRDNORM)
    assert ws2_32.WSAIoctl(s, c.SIO_EXT_POLL, memory, size - 1, memory, size, byref(count), None, None) == -1
    assert error() == WSAError.WSAEFAULT
    assert ws2_32.WSAIoctl(s, c.SIO_EXT_SELECT, memory, size, memory, size, byref(count), None, None) == -1
    assert error() == WSAError.WSAEOPNOTSUPP
    close(s, peer)


def test_sio_ext_sendmsg_sends(kind: str, datagrams: tuple[int, int]) -> None:
    s, peer = datagrams
    text, sent, count = ctypes.create_string_buffer(b"block", 5), ctypes.c_uint32(), ctypes.c_uint32()
    buffer = ws2_32.WSABUF(5, ctypes.addressof(text))
    message = mswsock.WSAMSG(None, 0, ctypes.pointer(buffer), 1, ws2_32.WSABUF(0, None), 0)
    block = mswsock.WSASENDMSG(ctypes.pointer(message), 0, ctypes.pointer(sent), None, None)
    size = ctypes.sizeof(block)
    assert ws2_32.WSAIoctl(s, c.SIO_EXT_SENDMSG, byref(block), size, None, 0, byref(count), None, None) == 0, error()
    assert (sent.value, received(peer)) == (5, b"block")
    with event() as handle:
        overlapped = mswsock.OVERLAPPED(hEvent=handle)
        block.lpOverlapped = ctypes.pointer(overlapped)
        assert ws2_32.WSAIoctl(s, c.SIO_EXT_SENDMSG, byref(block), size, None, 0, byref(count), None, None) == 0
        assert (is_set(handle), received(peer)) == (True, b"block")
    assert ws2_32.WSAIoctl(s, c.SIO_EXT_SENDMSG, byref(block), 8, None, 0, byref(count), None, None) == -1
    assert error() == WSAError.WSAEFAULT
