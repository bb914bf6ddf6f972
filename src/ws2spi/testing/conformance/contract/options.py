"""WSPGetSockOpt, WSPSetSockOpt and WSPIoctl."""

import ctypes
import os
import stat

from ws2spi import ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError
from ws2spi.testing.conformance.client import Net, byref, ensure, expect, last, pause, topmost_entry
from ws2spi.testing.conformance.rules import clause


@clause("WSPGetSockOpt", "any")
def defaults_of_a_new_socket(net: Net) -> None:
    """The boolean options of a new socket are off, SO_ERROR is 0."""
    s = net.socket()
    names = ("SO_ACCEPTCONN", "SO_BROADCAST", "SO_DEBUG", "SO_DONTROUTE", "SO_ERROR", "SO_KEEPALIVE", "SO_OOBINLINE")
    for name in (*names, "SO_REUSEADDR"):
        value = net.option(s, c.SOL_SOCKET, getattr(c, name))
        ensure(value == 0, f"{name} of a new socket is {value}")
    ensure(net.option(s, c.SOL_SOCKET, c.SO_TYPE) == c.SOCK_STREAM, "SO_TYPE of a stream is another")


@clause("WSPSetSockOpt", "any")
def options_keep_what_is_set(net: Net) -> None:
    """What is set can be read: SO_KEEPALIVE, TCP_NODELAY, time-outs."""
    s = net.socket()
    for level, option in ((c.SOL_SOCKET, c.SO_KEEPALIVE), (c.IPPROTO_TCP, c.TCP_NODELAY)):
        net.set_option(s, level, option, 1)
        ensure(net.option(s, level, option) == 1, f"option {option:#x} of level {level:#x} was not kept")
    for option in (c.SO_RCVTIMEO, c.SO_SNDTIMEO):
        net.set_option(s, c.SOL_SOCKET, option, 1500)
        ensure(net.option(s, c.SOL_SOCKET, option) == 1500, f"option {option:#x} was not kept")


@clause("WSPGetSockOpt", "any")
def unknown_options_are_refused(net: Net) -> None:
    """An option that nobody knows is WSAENOPROTOOPT, a level WSAEINVAL."""
    s = net.socket()
    value, size = ctypes.c_int32(), ctypes.c_int(4)
    result = ws2_32.getsockopt(s, c.SOL_SOCKET, 0x7777, byref(value), byref(size))
    expect(last() if result else 0, WSAError.WSAENOPROTOOPT, "getsockopt of an unknown option")
    result = ws2_32.getsockopt(s, 0x1234, 1, byref(value), byref(size))
    expect(last() if result else 0, WSAError.WSAEINVAL, "getsockopt of an unknown level")


@clause("WSPGetSockOpt", "any")
def options_need_room(net: Net) -> None:
    """Too little room for an option, or none, is WSAEFAULT."""
    s = net.socket()
    size = ctypes.c_int(1)
    result = ws2_32.getsockopt(s, c.SOL_SOCKET, c.SO_RCVBUF, byref(ctypes.c_int32()), byref(size))
    expect(last() if result else 0, WSAError.WSAEFAULT, "getsockopt with one byte of room")
    result = ws2_32.getsockopt(s, c.SOL_SOCKET, c.SO_TYPE, None, byref(ctypes.c_int(4)))
    expect(last() if result else 0, WSAError.WSAEFAULT, "getsockopt into NULL")


@clause("SO_ERROR")
def error_is_read_once(net: Net) -> None:
    """SO_ERROR tells the failure of a non-blocking connect, once."""
    listener, port = net.listener()
    net.close(listener)
    s = net.socket()
    net.nonblocking(s)
    code = net.connect(s, port)
    if code == WSAError.WSAECONNREFUSED:  # told at once, which is allowed
        return
    expect(code, WSAError.WSAEWOULDBLOCK, "a non-blocking connect")
    error = 0
    for _ in range(10_000):
        error = net.option(s, c.SOL_SOCKET, c.SO_ERROR)
        if error:
            break
        pause()
    expect(error, WSAError.WSAECONNREFUSED, "SO_ERROR after a refused connect")
    ensure(net.option(s, c.SOL_SOCKET, c.SO_ERROR) == 0, "SO_ERROR told the same error twice")


@clause("SO_PROTOCOL_INFOW", "any")
def protocol_info_is_the_topmost_entry(net: Net) -> None:
    """SO_PROTOCOL_INFOW gives the catalog entry that the socket was made by, the chain's where there is one."""
    s = net.socket()
    info, size = ws2_32.WSAPROTOCOL_INFOW(), ctypes.c_int(ctypes.sizeof(ws2_32.WSAPROTOCOL_INFOW))
    net.done(ws2_32.getsockopt(s, c.SOL_SOCKET, c.SO_PROTOCOL_INFOW, byref(info), byref(size)), "SO_PROTOCOL_INFOW")
    topmost = topmost_entry(net, c.SOCK_STREAM)
    ensure(
        info.dwCatalogEntryId == topmost.dwCatalogEntryId,
        f"SO_PROTOCOL_INFOW tells entry {info.dwCatalogEntryId}, the socket was made by {topmost.dwCatalogEntryId}",
    )


@clause("WSPIoctl, SIO_BASE_HANDLE", "any")
def base_handle_is_below_all_layers(net: Net) -> None:
    """SIO_BASE_HANDLE reaches the base provider's socket through every layer."""
    s = net.socket()
    handle, count = ctypes.c_uint64(), ctypes.c_uint32()
    net.done(
        ws2_32.WSAIoctl(s, c.SIO_BASE_HANDLE, None, 0, byref(handle), 8, byref(count), None, None), "SIO_BASE_HANDLE"
    )
    ensure(stat.S_ISSOCK(os.fstat(handle.value).st_mode), "SIO_BASE_HANDLE gave no socket")


@clause("WSPIoctl", "any")
def unknown_control_codes_are_refused(net: Net) -> None:
    """A control code that nobody knows is WSAEOPNOTSUPP."""
    s = net.socket()
    count = ctypes.c_uint32()
    result = ws2_32.WSAIoctl(s, 0x98007777, None, 0, None, 0, byref(count), None, None)
    expect(last() if result else 0, WSAError.WSAEOPNOTSUPP, "an unknown control code")
