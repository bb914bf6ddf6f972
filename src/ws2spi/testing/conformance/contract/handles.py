"""A SOCKET as a file handle: ReadFile and WriteFile, and foreign code that knows descriptors only."""

import ctypes
import os

from ws2spi import kernel32, ws2_32
from ws2spi._abi import constants as c
from ws2spi.testing.conformance.client import Net, Port, byref, ensure, name_of
from ws2spi.testing.conformance.rules import clause


@clause("WPUCreateSocketHandle, WPUModifyIFSHandle", "any")
def handle_is_a_file_handle(net: Net) -> None:
    """A socket is a descriptor that the operating system knows."""
    s = net.socket()
    os.fstat(s)
    ensure(os.get_inheritable(s) in (False, True), "the handle is no descriptor")


@clause("WPUCreateSocketHandle")
def writefile_reaches_the_provider(net: Net) -> None:
    """WriteFile goes through the provider's send, ReadFile through its receive."""
    client, server = net.pair(flags=0)  # without an OVERLAPPED both are for sockets that do not overlap
    data, count = ctypes.create_string_buffer(b"as a file", 9), ctypes.c_uint32()
    ensure(
        kernel32.WriteFile(client, data, 9, byref(count), None) and count.value == 9,
        f"WriteFile failed: {name_of(kernel32.GetLastError())}",
    )
    room, got = ctypes.create_string_buffer(9), b""
    while len(got) < 9:
        ensure(
            kernel32.ReadFile(server, room, 9 - len(got), byref(count), None),
            f"ReadFile failed: {name_of(kernel32.GetLastError())}",
        )
        ensure(count.value, "ReadFile told the end before all had come")
        got += room.raw[: count.value]
    ensure(got == net.through(b"as a file"), f"ReadFile gave {got!r}")


@clause("WPUCreateSocketHandle, ReadFile and WriteFile overlapped")
def file_calls_complete_by_the_port(net: Net) -> None:
    """An overlapped ReadFile on a socket with a port completes by a packet."""
    client, server = net.pair()
    with Port() as port:
        port.add(server, 9)
        room, overlapped = ctypes.create_string_buffer(10), ws2_32.WSAOVERLAPPED()
        result = kernel32.ReadFile(server, room, 10, None, byref(overlapped))
        ensure(result or kernel32.GetLastError() == 997, f"ReadFile failed: {name_of(kernel32.GetLastError())}")
        net.sent(client, b"ported")
        packet = port.packet()
        ensure(packet is not None and packet[0] and packet[2] == 9, f"the packet was {packet}")
        assert packet is not None
        net.arrives_rest(server, b"ported", room.raw[: packet[1]])


@clause("WPUCreateSocketHandle")
def foreign_writes_go_through_the_provider(net: Net) -> None:
    """What foreign code writes to the descriptor arrives before what is sent afterwards."""
    client, server = net.pair()
    net.sent(client, b"1")
    ensure(os.write(client, b"two") == 3, "os.write to the handle")
    net.sent(client, b"3")
    if _made_by_us(client, net):
        net.arrives(server, b"1two3", "sends around a foreign write")
    else:
        net.arrives(server, b"1")
        ensure(net.read(server, 3) in (b"two", net.through(b"two")), "a foreign write on the lower handle")
        net.arrives(server, b"3")


@clause("WPUCreateSocketHandle")
def foreign_reads_go_through_the_provider(net: Net) -> None:
    """Foreign code that reads the descriptor gets what the provider receives."""
    client, server = net.pair()
    net.sent(client, b"for a stranger")
    got = b""
    while len(got) < 14:
        piece = net.beside(os.read, server, 14 - len(got)).result()
        ensure(piece, "os.read told the end before all had come")
        got += piece
    wanted = net.through(b"for a stranger") if _made_by_us(server, net) else None
    ensure(wanted is None or got == wanted, f"os.read gave {got!r}")


def _made_by_us(s: int, net: Net) -> bool:
    """Whether the handle is one of WPUCreateSocketHandle, and not the lower provider's own."""
    info, size = ws2_32.WSAPROTOCOL_INFOW(), ctypes.c_int(ctypes.sizeof(ws2_32.WSAPROTOCOL_INFOW))
    ws2_32.getsockopt(s, c.SOL_SOCKET, c.SO_PROTOCOL_INFOW, byref(info), byref(size))
    return not info.dwServiceFlags1 & c.XP1_IFS_HANDLES
