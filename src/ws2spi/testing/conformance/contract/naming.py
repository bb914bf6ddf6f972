"""Addresses as texts, multipoint sessions, templates of quality of service."""

import ctypes
from typing import Any

from ws2spi import ws2_32
from ws2spi._abi import addresses
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError
from ws2spi.testing.conformance.client import (
    LOOPBACK,
    Net,
    NotTriedError,
    byref,
    ensure,
    expect,
    last,
    name_of,
    topmost_entry,
)
from ws2spi.testing.conformance.rules import clause

_GROUP = {c.AF_INET: "239.77.0.9", c.AF_INET6: "ff05::77:9"}


@clause("WSPAddressToString", "any")
def addresses_become_texts(net: Net) -> None:
    """WSPAddressToString writes host and port, before any socket has been made; what is no address is WSAEINVAL."""
    text, size = ctypes.create_string_buffer(128), ctypes.c_uint32(64)
    info, address = topmost_entry(net, c.SOCK_STREAM), net.address(77)
    result = ws2_32.WSAAddressToStringW(address, len(address), byref(info), text, byref(size))
    net.done(result, "WSAAddressToStringW")
    got = text.raw[: 2 * size.value - 2].decode("utf-16-le", "replace")
    host = LOOPBACK[net.family]
    wanted = f"{host}:77" if net.family == c.AF_INET else f"[{host}]:77"
    ensure(got == wanted, f"WSAAddressToStringW wrote {got!r}, {wanted!r} expected")
    size.value = 64
    result = ws2_32.WSAAddressToStringW(address, 3, byref(info), text, byref(size))
    ensure(result, "WSAAddressToStringW took an address of 3 bytes")
    ensure(last() in (WSAError.WSAEINVAL, WSAError.WSAEFAULT), f"an address of 3 bytes: {name_of(last())}")


@clause("WSPStringToAddress", "any")
def texts_become_addresses(net: Net) -> None:
    """WSPStringToAddress reads host and port, a missing port is 0; what is no address is WSAEINVAL."""
    info, host = topmost_entry(net, c.SOCK_STREAM), LOOPBACK[net.family]
    with_port = f"{host}:77" if net.family == c.AF_INET else f"[{host}]:77"
    for text, port in ((with_port, 77), (host, 0)):
        code, got = _address(net, text, info)
        expect(code, 0, f"WSAStringToAddressW({text!r})")
        ensure(got == (host, port), f"WSAStringToAddressW({text!r}) gave {got}")
    code, _ = _address(net, "no address at all", info)
    expect(code, WSAError.WSAEINVAL, "WSAStringToAddressW of what is no address")


def _address(net: Net, text: str, info: Any) -> tuple[int, tuple[str, int]]:
    """(code, (host, port)) of WSAStringToAddressW."""
    wide = (text + "\0").encode("utf-16-le")
    room, size = ctypes.create_string_buffer(128), ctypes.c_int(128)
    result = ws2_32.WSAStringToAddressW(
        ctypes.create_string_buffer(wide, len(wide)), net.family, byref(info), room, byref(size)
    )
    if result or not size.value or room.raw[:2] == b"\0\0":
        return (last() if result else 0), ("", 0)
    host, port = addresses.unpack(room.raw[: size.value])[1][:2]
    return 0, (host, port)


def _joined(net: Net, s: int, port: int) -> int:
    """WSAJoinLeaf of a group: the socket, or minus the code."""
    data = addresses.pack(net.family, (_GROUP[net.family], port))
    name = ctypes.create_string_buffer(data, len(data))
    member = int(ws2_32.WSAJoinLeaf(s, name, len(name), None, None, None, None, c.JL_BOTH))
    return member if member != c.INVALID_SOCKET else -last()


@clause("WSPJoinLeaf", "datagram")
def join_needs_a_multipoint_socket(net: Net) -> None:
    """WSPJoinLeaf of a socket that was not made for multipoint sessions is WSAEINVAL (or WSAEOPNOTSUPP)."""
    code = -_joined(net, net.socket(c.SOCK_DGRAM), 7777)
    ensure(code in (WSAError.WSAEINVAL, WSAError.WSAEOPNOTSUPP), f"WSAJoinLeaf of a plain socket: {name_of(code)}")


@clause("WSPJoinLeaf, WSPSocket", "datagram")
def leaf_joins_with_its_own_socket(net: Net) -> None:
    """WSPJoinLeaf of a leaf socket returns that socket, which is a member then: a second join is WSAEISCONN."""
    flags = c.WSA_FLAG_OVERLAPPED | c.WSA_FLAG_MULTIPOINT_C_LEAF | c.WSA_FLAG_MULTIPOINT_D_LEAF
    s = net.socket(c.SOCK_DGRAM, flags)
    member = _joined(net, s, 7777)
    if -member in (WSAError.WSAENETUNREACH, WSAError.WSAEADDRNOTAVAIL):
        raise NotTriedError("no interface leads to a multicast group here")
    ensure(member == s, f"WSAJoinLeaf of leaf {s} gave {member if member > 0 else name_of(-member)}")
    expect(-_joined(net, s, 7777), WSAError.WSAEISCONN, "a second WSAJoinLeaf")


@clause("WSPGetQOSByName", "any")
def unknown_templates_are_refused(net: Net) -> None:
    """WSPGetQOSByName is FALSE: WSAEINVAL for an unknown template, WSAEFAULT without a name, WSAENOTSOCK if closed."""
    s = net.socket()
    text = "no such template\0".encode("utf-16-le")
    memory = ctypes.create_string_buffer(text, len(text))
    name = ws2_32.WSABUF(len(text), ctypes.addressof(memory))

    def code(s: int, name: object) -> int:
        return 0 if ws2_32.WSAGetQOSByName(s, name, byref(ws2_32.QOS())) else last()

    expect(code(s, byref(name)), WSAError.WSAEINVAL, "WSAGetQOSByName of an unknown template")
    expect(code(s, None), WSAError.WSAEFAULT, "WSAGetQOSByName without a name")
    net.close(s)
    expect(code(s, byref(name)), WSAError.WSAENOTSOCK, "WSAGetQOSByName of a closed socket")
