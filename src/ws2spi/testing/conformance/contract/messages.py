"""What flags change: urgent data, whole receives; and a listener that asks before it accepts."""

import ctypes

from ws2spi import kernel32, ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError
from ws2spi.testing.conformance.client import Net, ensure, expect, last
from ws2spi.testing.conformance.rules import clause

CONDITION = ctypes.CFUNCTYPE(
    ctypes.c_int,
    *[ctypes.c_void_p] * 6,
    ctypes.c_void_p,
    ctypes.c_size_t,
)


@clause("WSPRecv, MSG_WAITALL, witness H7")
def whole_receives_wait_for_all(net: Net) -> None:
    """MSG_WAITALL gives all the bytes that were asked for, however they come; at the end what there is."""
    client, server = net.pair()
    net.sent(client, b"0123")
    net.wait_readable(server)
    receiving = net.beside(net.recv, server, 10, c.MSG_WAITALL)
    kernel32.Sleep(20)  # one that does not wait for all has returned by then
    for piece in (b"4567", b"89"):
        net.sent(client, piece)
    got = receiving.result()
    ensure(got == net.through(b"0123456789"), f"recv(MSG_WAITALL) gave {got!r}")
    net.sent(client, b"rest")
    net.done(ws2_32.shutdown(client, c.SD_SEND), "shutdown")
    got = net.recv(server, 10, c.MSG_WAITALL)
    ensure(got == net.through(b"rest"), f"recv(MSG_WAITALL) before the end gave {got!r}")


@clause("WSPAccept")
def condition_is_asked(net: Net) -> None:
    """CF_REJECT refuses a connection with WSAECONNREFUSED; CF_ACCEPT takes the next one."""
    listener, port = net.listener()
    asked: list[int] = []

    def condition(*arguments: int) -> int:
        asked.append(arguments[-1])
        return c.CF_REJECT if len(asked) == 1 else c.CF_ACCEPT

    pointer = CONDITION(condition)
    refused = net.socket()
    expect(net.connect(refused, port), 0, "connect")
    s = int(ws2_32.WSAAccept(listener, None, None, pointer, 77))
    expect(last() if s == c.INVALID_SOCKET else 0, WSAError.WSAECONNREFUSED, "WSAAccept with CF_REJECT")
    client = net.socket()
    expect(net.connect(client, port), 0, "connect")
    s = int(ws2_32.WSAAccept(listener, None, None, pointer, 77))
    ensure(s != c.INVALID_SOCKET, "WSAAccept with CF_ACCEPT failed")
    net.handles.append(s)
    ensure(asked == [77, 77], f"the condition was asked with {asked}")
    net.exchange(client, s)


@clause("WSPAccept")
def deferred_connection_stays_first(net: Net) -> None:
    """CF_DEFER is WSATRY_AGAIN, and the next accept is asked about the same connection."""
    listener, port = net.listener()
    answers = [c.CF_DEFER, c.CF_ACCEPT]
    pointer = CONDITION(lambda *arguments: answers.pop(0))
    client, later = net.socket(), net.socket()
    expect(net.connect(client, port), 0, "connect")
    expect(net.connect(later, port), 0, "connect")
    s = int(ws2_32.WSAAccept(listener, None, None, pointer, 0))
    expect(last() if s == c.INVALID_SOCKET else 0, WSAError.WSATRY_AGAIN, "WSAAccept with CF_DEFER")
    s = int(ws2_32.WSAAccept(listener, None, None, pointer, 0))
    ensure(s != c.INVALID_SOCKET, "WSAAccept after CF_DEFER failed")
    net.handles.append(s)
    net.exchange(client, s)
