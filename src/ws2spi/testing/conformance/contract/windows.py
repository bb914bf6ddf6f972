"""WSPAsyncSelect: network events as messages to a window."""

from collections.abc import Iterator
from contextlib import contextmanager

from ws2spi import kernel32, user32, ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError
from ws2spi.testing.conformance.client import Net, an_event, byref, ensure, expect, is_set, name_of, patience
from ws2spi.testing.conformance.rules import clause

_MESSAGE = user32.WM_USER + 7


class _Window:
    """A window of the calling thread."""

    def __init__(self, net: Net, handle: int) -> None:
        self.net = net
        self.handle = handle

    def select(self, s: int, mask: int) -> None:
        self.net.done(ws2_32.WSAAsyncSelect(s, self.handle, _MESSAGE, mask), "WSAAsyncSelect")

    def told(self, s: int, event: int, what: str) -> int:
        """The code of the next message, which must be of that socket and event."""
        for _ in range(patience.milliseconds):
            found = self._next()
            if found is not None:
                number, one, code = found
                ensure(number == s, f"{what}: the message names socket {number}, the client's is {s}")
                ensure(one == event, f"{what}: the message names event {one:#x}, {event:#x} expected")
                return code
            kernel32.Sleep(1)
        ensure(False, f"{what}: no message came")
        return 0

    def silent(self, what: str) -> None:
        """Raise `BrokenClauseError` if a message has come or comes soon."""
        kernel32.Sleep(5)
        found = self._next()
        ensure(found is None, f"{what}: a message came, (socket, event, code) {found}")

    def _next(self) -> tuple[int, int, int] | None:
        message = user32.MSG()
        if not user32.PeekMessageW(byref(message), self.handle, 0, 0, user32.PM_REMOVE):
            return None
        ensure(message.message == _MESSAGE, f"message {message.message} came, {_MESSAGE} was asked for")
        return message.wParam, message.lParam & 0xFFFF, message.lParam >> 16 & 0xFFFF


@contextmanager
def _window(net: Net) -> Iterator[_Window]:
    handle = user32.CreateWindowExW(0, None, None, 0, 0, 0, 0, 0, user32.HWND_MESSAGE, None, None, None)
    try:
        yield _Window(net, handle)
    finally:
        user32.DestroyWindow(handle)


@clause("WSPAsyncSelect, WPUPostMessage")
def window_is_told_of_data_once(net: Net) -> None:
    """One message with the client's socket and FD_READ when data comes, and no other before a receive."""
    client, server = net.pair()
    with _window(net) as window:
        window.select(server, c.FD_READ)
        window.silent("FD_READ before data")
        net.sent(client, b"ab")
        expect(window.told(server, c.FD_READ, "FD_READ"), 0, "FD_READ")
        net.sent(client, b"c")
        window.silent("FD_READ without a receive")
        net.wait_readable(server)
        got = net.recv(server, 1)
        ensure(isinstance(got, bytes), f"recv after FD_READ gave {got!r}")
        window.told(server, c.FD_READ, "FD_READ after a receive that left data")


@clause("WSPAsyncSelect")
def window_is_told_of_the_end(net: Net) -> None:
    """One message with FD_CLOSE at the peer's end, when the data before it has been received."""
    client, server = net.pair()
    with _window(net) as window:
        window.select(server, c.FD_CLOSE)
        net.sent(client, b"x")
        net.done(ws2_32.shutdown(client, c.SD_SEND), "shutdown")
        window.silent("FD_CLOSE before the data was received")
        net.wait_readable(server)
        ensure(net.recv(server, 1) == net.through(b"x"), "the data before the end did not come")
        expect(window.told(server, c.FD_CLOSE, "FD_CLOSE"), 0, "FD_CLOSE")
        window.silent("FD_CLOSE a second time")


@clause("WSPAsyncSelect")
def window_is_told_of_connections(net: Net) -> None:
    """FD_CONNECT and FD_ACCEPT are posted; the accepted socket inherits window, message and events."""
    listener, port = net.listener()
    s = net.socket()
    with _window(net) as connecting, _window(net) as listening:
        listening.select(listener, c.FD_ACCEPT | c.FD_READ)
        connecting.select(s, c.FD_CONNECT)
        code = net.connect(s, port)
        ensure(code in (0, WSAError.WSAEWOULDBLOCK), f"connect under WSAAsyncSelect: {name_of(code)}")
        expect(connecting.told(s, c.FD_CONNECT, "FD_CONNECT"), 0, "FD_CONNECT")
        expect(listening.told(listener, c.FD_ACCEPT, "FD_ACCEPT"), 0, "FD_ACCEPT")
        server = net.accept(listener)
        ensure(net.send(s, b"x") == 1, "send after FD_CONNECT")
        listening.told(server, c.FD_READ, "FD_READ of the accepted socket")


@clause("WSPAsyncSelect, WSPEventSelect")
def last_selection_counts(net: Net) -> None:
    """WSAAsyncSelect makes non-blocking; WSAEventSelect takes its place, and an event mask of 0 ends it."""
    client, server = net.pair()
    with _window(net) as window, an_event() as event:
        window.select(server, c.FD_READ)
        got = net.recv(server, 1)
        expect(got if isinstance(got, int) else 0, WSAError.WSAEWOULDBLOCK, "recv under WSAAsyncSelect")
        net.done(ws2_32.WSAEventSelect(server, event, c.FD_READ), "WSAEventSelect")
        net.sent(client, b"x")
        for _ in range(patience.milliseconds):
            if is_set(event):
                break
            kernel32.Sleep(1)
        ensure(is_set(event), "WSAEventSelect after WSAAsyncSelect: its event was never set")
        window.silent("WSAEventSelect after WSAAsyncSelect")
        window.select(server, c.FD_READ)
        window.told(server, c.FD_READ, "FD_READ that was true when it was asked for")
        window.select(server, 0)
        net.sent(client, b"y")
        net.wait_readable(server)
        net.recv(server, 1)
        window.silent("WSAAsyncSelect with no events")
