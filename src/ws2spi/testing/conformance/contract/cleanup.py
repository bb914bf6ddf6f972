"""WSPCleanup with things pending, and WSPStartup after it; blocking calls and who ends them."""

import ctypes
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from ws2spi import kernel32, ws2_32
from ws2spi._abi import addresses
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError
from ws2spi.testing.conformance.client import (
    LOOPBACK,
    ROUTINE,
    Net,
    Operation,
    Routine,
    an_event,
    ensure,
    expect,
    is_set,
    last,
    name_of,
    patience,
)
from ws2spi.testing.conformance.rules import clause

_ENDED = (
    WSAError.WSAEINTR,
    WSAError.WSA_OPERATION_ABORTED,
    WSAError.WSAENOTSOCK,
    WSAError.WSANOTINITIALISED,
    WSAError.WSAECONNABORTED,
)


def _clean_up(net: Net) -> None:
    net.done(ws2_32.WSACleanup(), "WSACleanup")
    net.handles.clear()


def _start(net: Net, version: int = 0x0202) -> None:
    expect(ws2_32.WSAStartup(version, ws2_32.WSADATA()), 0, "WSAStartup")


@contextmanager
def _foreign_peer(net: Net) -> Iterator[tuple[int, socket.socket]]:
    """A connected socket, and its peer, which is no socket of the provider."""
    with socket.create_server((LOOPBACK[net.family], 0), family=addresses.linux_family(net.family)) as listener:
        s = net.socket()
        expect(net.connect(s, listener.getsockname()[1]), 0, "connect")
        peer, _ = listener.accept()
    with peer:
        peer.settimeout(patience.seconds)
        yield s, peer


@clause("WSPCleanup")
def cleanup_ends_blocked_calls(net: Net) -> None:
    """WSACleanup ends the calls that block in other threads, with an error."""
    listener, _ = net.listener()

    def accepting() -> int:
        return 0 if ws2_32.accept(listener, None, None) != c.INVALID_SOCKET else last()

    # The peer is somebody else's, or its end might come first.
    with _foreign_peer(net) as (s, _):
        calls = [net.beside(net.recv, s, 10), net.beside(accepting)]
        kernel32.Sleep(10)  # they need not block by then; the rule is the same
        _clean_up(net)
        for call, what in zip(calls, ("recv", "accept"), strict=True):
            got = call.result()
            ensure(got in _ENDED, f"{what} during WSACleanup gave {name_of(got) if isinstance(got, int) else got!r}")


@clause("WSPCleanup")
def cleanup_is_silent_about_what_pends(net: Net) -> None:
    """WSACleanup drops pending overlapped calls without setting an event or running a routine."""
    _, server = net.pair()
    routine = Routine()
    with an_event() as event:
        operations = [
            Operation(server, 10, event=event).must_pend("a receive without data"),
            Operation(server, 10, routine=ROUTINE(routine)).must_pend("a second receive without data"),
        ]
        _clean_up(net)
        kernel32.SleepEx(0, True)
        ensure(not is_set(event), "WSACleanup set the event of a pending receive")
        ensure(not routine.calls, "WSACleanup ran the routine of a pending receive")
        for operation in operations:
            ensure(not operation.overlapped.InternalHigh, "WSACleanup told bytes of a pending receive")


@clause("WSPCleanup, WSPCloseSocket")
def cleanup_delivers_what_closed_sockets_sent(net: Net) -> None:
    """What a closed socket had accepted still leaves when WSACleanup follows at once, then the end."""
    size = 50_000
    with _foreign_peer(net) as (s, peer):
        reading = net.beside(_counted, peer)
        net.sent(s, bytes(size))
        net.close(s)
        _clean_up(net)
        got = reading.result()
    ensure(got == size, f"{got} of {size} bytes had left when the provider was gone")


def _counted(peer: socket.socket) -> int:
    """How many bytes come before the end."""
    count = 0
    try:
        while piece := peer.recv(65536):
            count += len(piece)
    except OSError as error:
        ensure(False, f"the peer got {count} bytes, then {error}")
    return count


@clause("WSPCleanup, WSPStartup")
def provider_starts_again_after_cleanup(net: Net) -> None:
    """After WSACleanup with a socket open a WSAStartup begins anew: old handles are gone, new sockets work."""
    client, _ = net.pair()
    _clean_up(net)
    _start(net)
    got = net.recv(client, 1)
    expect(got if isinstance(got, int) else 0, WSAError.WSAENOTSOCK, "recv with a handle of before")
    net.exchange(*net.pair())


# -- blocking calls ----------------------------------------------------------------------------------------------------

_HOOK = ctypes.CFUNCTYPE(ctypes.c_int)


def _hooked(net: Net, hook: object) -> None:
    """A client of version 1.1 with a blocking hook on the calling thread."""
    net.done(ws2_32.WSACleanup(), "WSACleanup")
    _start(net, 0x0101)
    ws2_32.WSASetBlockingHook(hook)
    expect(last(), 0, "WSASetBlockingHook")


@clause("WPUQueryBlockingCallback")
def blocking_hook_runs_while_a_call_waits(net: Net) -> None:
    """A blocking receive runs its thread's hook again and again while it waits, and still gets the data."""
    ran: list[int] = []
    sender = 0

    def hook() -> int:
        ran.append(1)
        if sender and len(ran) == 3:
            net.beside(net.sent, sender, b"at last")
        return 0

    _hooked(net, _HOOK(hook))
    try:
        sender, server = net.pair()
        ran.clear()
        net.arrives(server, b"at last")
        ensure(len(ran) >= 3, f"the hook ran {len(ran)} times")
    finally:
        ws2_32.WSAUnhookBlockingHook()


@clause("WSPCancelBlockingCall")
def blocking_call_can_be_cancelled(net: Net) -> None:
    """WSACancelBlockingCall from the hook ends a blocking receive with WSAEINTR; without one it is WSAEINVAL."""
    answers: list[int] = []
    cancelling = False

    def hook() -> int:
        if cancelling:
            answers.append(last() if ws2_32.WSACancelBlockingCall() else 0)
        return 0

    _hooked(net, _HOOK(hook))
    try:
        client, server = net.pair()
        cancelling = True
        got = net.recv(server, 10)
        ensure(answers, "recv never ran the hook")
        expect(answers[0], 0, "WSACancelBlockingCall from the hook")
        expect(got if isinstance(got, int) else 0, WSAError.WSAEINTR, "a receive that was cancelled")
        result = ws2_32.WSACancelBlockingCall()
        expect(last() if result else 0, WSAError.WSAEINVAL, "WSACancelBlockingCall without a blocking call")
        cancelling = False
        net.sent(client, b"still")
        net.arrives(server, b"still")
    finally:
        ws2_32.WSAUnhookBlockingHook()
