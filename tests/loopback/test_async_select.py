"""WSAAsyncSelect over every kind of provider: provider-functions 6.3 and rows M of the witness for messages."""

import ctypes
import signal
from collections.abc import Iterator

import pytest

from support import winsock
from support.readiness import fill, settle
from support.threads import Running, until
from support.winsock import byref, close, connected, error, event, is_set, listening, made, read_all, received, sockaddr
from ws2spi import user32, ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError

pytestmark = pytest.mark.usefixtures("kind")
READ, WRITE, ACCEPT, CONNECT, CLOSE = c.FD_READ, c.FD_WRITE, c.FD_ACCEPT, c.FD_CONNECT, c.FD_CLOSE
WM_SOCKET = user32.WM_USER + 7


class Client:
    """A window and what was posted to it."""

    def __init__(self) -> None:
        self.window = user32.CreateWindowExW(0, None, None, 0, 0, 0, 0, 0, user32.HWND_MESSAGE, None, None, None)
        self.message = user32.MSG()

    def select(self, s: int, mask: int, message: int = WM_SOCKET) -> None:
        assert ws2_32.WSAAsyncSelect(s, self.window, message, mask) == 0, error()

    def get(self) -> tuple[int, int, int, int]:
        """The next message: (message, socket, event, error), waiting for it."""
        until(lambda: user32.PeekMessageW(byref(self.message), self.window, 0, 0, user32.PM_NOREMOVE))
        assert user32.GetMessageW(byref(self.message), self.window, 0, 0) == 1
        found = self.message
        assert found.hwnd == self.window
        codes = ws2_32.WSAGETSELECTEVENT(found.lParam), ws2_32.WSAGETSELECTERROR(found.lParam)
        return found.message, found.wParam, *codes

    def told(self, s: int, *events: int) -> None:
        """Exactly one message for each of `events`, in this order."""
        assert [self.get() for _ in events] == [(WM_SOCKET, s, one, 0) for one in events]
        self.silent(s)

    def silent(self, s: int) -> None:
        settle(s)
        if user32.PeekMessageW(byref(self.message), None, 0, 0, user32.PM_NOREMOVE):
            found = self.message
            pytest.fail(f"message {found.message} of {found.wParam} (socket {s}): {found.lParam:#x}")


@pytest.fixture
def client() -> Iterator[Client]:
    client = Client()
    yield client
    assert user32.DestroyWindow(client.window) == 1


@pytest.fixture
def pair(kind: str) -> Iterator[tuple[int, int]]:
    ends = connected()
    yield ends
    for s in ends:
        ws2_32.closesocket(s)


def send(s: int, data: bytes) -> None:
    assert ws2_32.send(s, data, len(data), 0) == len(data), error()


def test_6_3_one_message_per_event_with_socket_and_event(client: Client, pair: tuple[int, int]) -> None:
    """6.3: (hWnd, wMsg, wParam = socket, lParam = event | error << 16); CONNECT before WRITE; M17"""
    client.select(pair[0], CONNECT | WRITE | READ)
    client.told(pair[0], CONNECT, WRITE)
    send(pair[1], b"hello")
    client.told(pair[0], READ)


def test_6_3_read_until_nothing_remains(client: Client, pair: tuple[int, int]) -> None:
    """6.3 READ: at registration if data; after recv, also with MSG_PEEK, if data remains; M2 not for more data"""
    send(pair[1], b"hello")
    winsock.set_nonblocking(pair[0])
    until(lambda: received(pair[0], 5, c.MSG_PEEK) == b"hello")
    client.select(pair[0], READ)
    client.told(pair[0], READ)
    send(pair[1], b"more")
    client.silent(pair[0])
    received(pair[0], 1, c.MSG_PEEK)
    client.told(pair[0], READ)
    read_all(pair[0], 5)
    until(lambda: received(pair[0], 9, c.MSG_PEEK) == b"more")
    read_all(pair[0], 4)
    while user32.PeekMessageW(byref(client.message), None, 0, 0, user32.PM_REMOVE):
        pass
    assert received(pair[0]) == WSAError.WSAEWOULDBLOCK
    client.silent(pair[0])


def test_m5_registering_again_posts_again(client: Client, pair: tuple[int, int]) -> None:
    send(pair[1], b"hello")
    client.select(pair[0], READ)
    client.told(pair[0], READ)
    client.select(pair[0], READ)
    client.told(pair[0], READ)


def test_6_3_write_after_wsaewouldblock(client: Client, pair: tuple[int, int]) -> None:
    """6.3 WRITE: after WSAEWOULDBLOCK when there is space"""
    client.select(pair[0], WRITE)
    client.told(pair[0], WRITE)
    total = fill(pair[0])
    while user32.PeekMessageW(byref(client.message), None, 0, 0, user32.PM_REMOVE):
        pass
    client.silent(pair[0])
    assert len(read_all(pair[1], total)) == total
    client.told(pair[0], WRITE)


def test_6_3_accept_and_inheritance(client: Client, kind: str) -> None:
    """6.3 ACCEPT; 4.2 the accepted socket has window, message and events of its listener"""
    listener, port = listening()
    client.select(listener, ACCEPT | READ | WRITE)
    peers = [made() for _ in "ab"]
    address = sockaddr(port)
    for peer in peers:
        assert ws2_32.connect(peer, address, len(address)) == 0
    client.told(listener, ACCEPT)
    first = ws2_32.accept(listener, None, None)
    found = sorted([client.get(), client.get()])
    assert found == sorted([(WM_SOCKET, listener, ACCEPT, 0), (WM_SOCKET, first, WRITE, 0)])
    second = ws2_32.accept(listener, None, None)
    assert client.get() == (WM_SOCKET, second, WRITE, 0)
    send(peers[0], b"x")
    client.told(first, READ)
    close(first, second, listener, *peers)


def test_6_3_connect_refused(client: Client, kind: str) -> None:
    """6.3 CONNECT: failure of a non-blocking connect, with its code in the high word"""
    free, s = made(), made()
    address = sockaddr(winsock.bound(free))
    client.select(s, CONNECT | WRITE | CLOSE)
    assert ws2_32.connect(s, address, len(address)) == -1
    assert error() == WSAError.WSAEWOULDBLOCK
    assert client.get() == (WM_SOCKET, s, CONNECT, WSAError.WSAECONNREFUSED)
    client.silent(s)
    close(s, free)


def test_6_3_close_after_all_data(client: Client, pair: tuple[int, int]) -> None:
    client.select(pair[0], READ | CLOSE)
    send(pair[1], b"last")
    close(pair[1])
    client.told(pair[0], READ)
    assert read_all(pair[0], 4) == b"last"
    assert client.get() == (WM_SOCKET, pair[0], CLOSE, 0)
    client.silent(pair[0])


def test_6_3_close_on_a_reset(client: Client, pair: tuple[int, int]) -> None:
    client.select(pair[0], CLOSE)
    linger = ws2_32.LINGER(1, 0)
    assert ws2_32.setsockopt(pair[1], c.SOL_SOCKET, c.SO_LINGER, byref(linger), 4) == 0
    close(pair[1])
    assert client.get() == (WM_SOCKET, pair[0], CLOSE, WSAError.WSAECONNRESET)


def test_m24_cancelling_leaves_what_was_posted(client: Client, pair: tuple[int, int]) -> None:
    """6.3: lEvent 0 cancels but queued messages still come; so do they after closesocket (3.2)"""
    client.select(pair[0], WRITE | READ)
    client.select(pair[0], 0)
    send(pair[1], b"x")
    client.told(pair[0], WRITE)
    client.select(pair[1], WRITE | CLOSE)
    close(pair[1])
    client.told(pair[1], WRITE)


def test_m24_event_and_message_replace_each_other(client: Client, pair: tuple[int, int]) -> None:
    with event() as handle:
        assert ws2_32.WSAEventSelect(pair[0], handle, READ) == 0
        client.select(pair[0], READ)
        send(pair[1], b"x")
        client.told(pair[0], READ)
        assert not is_set(handle)
        assert ws2_32.WSAEventSelect(pair[0], handle, READ) == 0
        assert is_set(handle)
        client.silent(pair[0])


def test_6_3_a_second_message_replaces_the_first(client: Client, pair: tuple[int, int]) -> None:
    """nf-winsock-wsaasyncselect: different messages for different events are not possible"""
    client.select(pair[0], READ, WM_SOCKET + 1)
    client.select(pair[0], WRITE)
    client.told(pair[0], WRITE)
    send(pair[1], b"x")
    client.silent(pair[0])


def test_6_3_arguments_and_mode(client: Client, pair: tuple[int, int]) -> None:
    """6.3 Errors: WSAEINVAL (window), WSAENOTSOCK; forced non-blocking, FIONBIO back is WSAEINVAL while active"""
    for bad in (0, 4, 999_996):
        assert ws2_32.WSAAsyncSelect(pair[0], bad, WM_SOCKET, READ) == -1
        assert error() == WSAError.WSAEINVAL
    assert ws2_32.WSAAsyncSelect(999_999, client.window, WM_SOCKET, READ) == -1
    assert error() == WSAError.WSAENOTSOCK
    client.select(pair[0], READ)
    assert received(pair[0]) == WSAError.WSAEWOULDBLOCK
    assert ws2_32.ioctlsocket(pair[0], c.FIONBIO, byref(ctypes.c_uint32(0))) == -1
    assert error() == WSAError.WSAEINVAL
    assert ws2_32.WSAAsyncSelect(pair[0], None, 0, 0) == 0
    assert ws2_32.ioctlsocket(pair[0], c.FIONBIO, byref(ctypes.c_uint32(0))) == 0


# The queue


def test_messages_belong_to_the_windows_thread_and_may_be_posted_from_a_signal_handler(client: Client) -> None:
    """upcalls 7.2 WPUPostMessage: TRUE, FALSE without a window"""
    message = user32.MSG()
    assert ws2_32.WPUPostMessage(4, 1, 2, 3) == 0
    elsewhere = Running(lambda: user32.PeekMessageW(byref(user32.MSG()), None, 0, 0, user32.PM_REMOVE))
    assert elsewhere.result() == 0

    def handler(number: int, frame: object) -> None:
        assert ws2_32.WPUPostMessage(client.window, WM_SOCKET, 5, -1) == 1

    old = signal.signal(signal.SIGUSR1, handler)
    try:
        signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, old)
    assert user32.PeekMessageW(byref(message), None, WM_SOCKET + 1, WM_SOCKET + 9, user32.PM_REMOVE) == 0
    assert user32.GetMessageW(byref(message), None, WM_SOCKET, WM_SOCKET) == 1
    assert (message.hwnd, message.message, message.wParam, message.lParam) == (client.window, WM_SOCKET, 5, -1)


def test_getmessage_waits_and_wm_quit_ends_a_loop() -> None:
    made: list[int] = []
    got: list[int] = []

    def loop() -> int:
        made.append(user32.CreateWindowExW(*[None] * 12))
        message = user32.MSG()
        while user32.GetMessageW(byref(message), None, 0, 0) > 0:
            got.append(message.message)
            if message.message == WM_SOCKET:
                user32.PostQuitMessage(3)
        user32.DestroyWindow(made[0])
        return int(message.wParam)

    running = Running(loop)
    until(lambda: made)
    assert user32.PostMessageW(made[0], 77, 0, 0) == 1
    until(lambda: got == [77])
    assert user32.PostMessageW(made[0], WM_SOCKET, 0, 0) == 1
    assert running.result() == 3
    assert user32.IsWindow(made[0]) == 0
    assert user32.PostMessageW(made[0], 77, 0, 0) == 0
    assert error() == c.ERROR_INVALID_WINDOW_HANDLE
    assert user32.GetMessageW(byref(user32.MSG()), made[0], 0, 0) == -1


def test_destroying_a_window_drops_its_messages(client: Client) -> None:
    other = Client()
    for window in (client.window, other.window):
        user32.PostMessageW(window, 1, 0, 0)
    assert user32.DestroyWindow(other.window) == 1
    assert user32.DestroyWindow(other.window) == 0
    assert client.get()[0] == 1
    assert not user32.PeekMessageW(byref(user32.MSG()), None, 0, 0, user32.PM_REMOVE)
