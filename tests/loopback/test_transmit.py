"""TransmitFile and TransmitPackets: their pages in mswsock.h, layering 10, witness O15."""

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.extension import Accept, Connect, Disconnect, Started, fetch, met
from support.threads import Running, until
from support.winsock import (
    close,
    connected,
    datagram_pair,
    error,
    event,
    is_set,
    listening,
    made,
    packet,
    port_for,
    port_of,
    read_all,
    received,
)
from ws2spi import kernel32, mswsock, ws2_32
from ws2spi._abi.errors import WSAError
from ws2spi._executive.overlapped import pending_count

PENDING = WSAError.WSA_IO_PENDING
ABORTED = -WSAError.WSA_OPERATION_ABORTED
DISCONNECT, REUSE = mswsock.TF_DISCONNECT, mswsock.TF_REUSE_SOCKET
MEMORY, FILE, EOP = mswsock.TP_ELEMENT_MEMORY, mswsock.TP_ELEMENT_FILE, mswsock.TP_ELEMENT_EOP

pytestmark = pytest.mark.usefixtures("kind")

CONTENT = bytes(range(256)) * 8192  # 2 MiB


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    assert pending_count() == 0
    assert open_files() <= 1  # the fixture's own; no duplicate stays open


def open_files() -> int:
    """How many descriptors are open on the files of these tests."""
    count = 0
    for number in os.listdir("/proc/self/fd"):
        try:
            count += os.readlink(f"/proc/self/fd/{number}").split("/")[-1] in ("content", "big")
        except OSError:
            pass  # the directory's own
    return count


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made_here = tmp_path_factory.mktemp("files") / "content"
    made_here.write_bytes(CONTENT)
    return made_here


@pytest.fixture
def file(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY)
    yield fd
    os.close(fd)


class Transmit(Started):
    """TransmitFile with an OVERLAPPED."""

    def __init__(
        self,
        s: int,
        fd: int | None,
        count: int = 0,
        offset: int = 0,
        head: bytes = b"",
        tail: bytes = b"",
        flags: int = 0,
        hEvent: int = 0,
    ) -> None:
        super().__init__(s, hEvent)
        self.overlapped.Offset, self.overlapped.OffsetHigh = offset & 0xFFFFFFFF, offset >> 32
        self.memory = [ctypes.create_string_buffer(text, max(len(text), 1)) for text in (head, tail)]
        self.around = around(*self.memory, len(head), len(tail))
        where = ctypes.addressof(self.around) if head or tail else None
        self.answered(fetch(s, "TransmitFile")(s, fd, count, 0, self.address, where, flags))


def around(head: Any, tail: Any, head_size: int, tail_size: int) -> Any:
    return mswsock.TRANSMIT_FILE_BUFFERS(ctypes.addressof(head), head_size, ctypes.addressof(tail), tail_size)


def reading(s: int, size: int) -> Callable[[], bytes]:
    """Receive on another thread; call the result for the bytes."""
    found: list[bytes] = []
    thread = threading.Thread(target=lambda: found.append(read_all(s, size)), daemon=True)
    thread.start()

    def join() -> bytes:
        thread.join(20)
        return found[0]

    return join


def test_a_whole_file_with_something_around_it(pair: tuple[int, int], file: int) -> None:
    s, peer = pair
    data = reading(peer, len(CONTENT) + 9)
    transmit = Transmit(s, file, head=b"head", tail=b"tail!")
    assert transmit.code == PENDING
    assert data() == b"head" + CONTENT + b"tail!"
    assert transmit.result() == len(CONTENT) + 9


def test_a_part_of_a_file(pair: tuple[int, int], file: int) -> None:
    s, peer = pair
    assert Transmit(s, file, 1000, 123).result() == 1000
    assert read_all(peer, 1000) == CONTENT[123:1123]
    assert Transmit(s, file, 0, len(CONTENT) - 10).result() == 10
    assert read_all(peer, 10) == CONTENT[-10:]
    assert Transmit(s, file, 5000, len(CONTENT) - 10).result() == 10  # to the end
    assert read_all(peer, 10) == CONTENT[-10:]
    assert Transmit(s, file, 0, len(CONTENT)).result() == 0


def test_buffers_alone_and_nothing_at_all(pair: tuple[int, int]) -> None:
    s, peer = pair
    assert Transmit(s, None, head=b"only ", tail=b"these").result() == 10
    assert read_all(peer, 10) == b"only these"
    assert Transmit(s, None).result() == 0


def test_without_an_overlapped_from_the_current_position(pair: tuple[int, int], file: int) -> None:
    s, peer = pair
    os.lseek(file, 1000, os.SEEK_SET)
    call = fetch(s, "TransmitFile")
    assert call(s, file, 500, 0, None, None, 0) == 1
    assert call(s, file, 500, 0, None, None, 0) == 1
    assert read_all(peer, 1000) == CONTENT[1000:2000]


def test_other_sends_wait_for_their_turn(pair: tuple[int, int], file: int) -> None:
    s, peer = pair
    ws2_32.send(s, b"before", 6, 0)
    transmit = Transmit(s, file)
    sender = Running(lambda: ws2_32.send(s, b"after", 5, 0))
    data = read_all(peer, len(CONTENT) + 11)
    assert sender.result() == 5
    assert transmit.result() == len(CONTENT)
    assert (data[:6], data[-5:], len(data)) == (b"before", b"after", len(CONTENT) + 11)
    assert data[6:-5] == CONTENT


def test_the_client_may_close_the_file(pair: tuple[int, int], path: Path) -> None:
    s, peer = pair
    fd = os.open(path, os.O_RDONLY)
    transmit = Transmit(s, fd)
    os.close(fd)
    assert read_all(peer, len(CONTENT)) == CONTENT
    assert transmit.result() == len(CONTENT)


def test_event_and_port(pair: tuple[int, int], file: int) -> None:
    s, peer = pair
    with event() as handle, port_for(s, 4) as queue:
        transmit = Transmit(s, file, 100, hEvent=handle)
        assert packet(queue, 5000) == (True, 100, 4, transmit.address, 0)
        assert is_set(handle)
    assert read_all(peer, 100) == CONTENT[:100]


def test_codes_of_bad_arguments(pair: tuple[int, int], file: int, tmp_path: Path) -> None:
    s, _ = pair
    datagram = made(2)
    assert Transmit(datagram, file).code == WSAError.WSAEINVAL
    assert Transmit(s, file, flags=REUSE).code == WSAError.WSAEINVAL
    assert Transmit(s, file, flags=0x1000).code == WSAError.WSAEINVAL
    assert Transmit(s, file, offset=len(CONTENT) + 1).code == WSAError.WSAEINVAL
    assert Transmit(s, file, offset=1 << 40).code == WSAError.WSAEINVAL
    assert Transmit(s, file, 2147483647).code == WSAError.WSAEINVAL
    assert Transmit(s, 99999).code == WSAError.WSA_INVALID_HANDLE
    assert Transmit(s, s).code == WSAError.WSAEINVAL  # a socket is no file
    assert Transmit(s, file, hEvent=12345678).code == WSAError.WSA_INVALID_HANDLE
    buffers = mswsock.TRANSMIT_FILE_BUFFERS(None, 5, None, 0)
    call = fetch(s, "TransmitFile")
    assert (call(s, None, 0, 0, None, ctypes.addressof(buffers), 0), error()) == (0, WSAError.WSAEFAULT)
    assert (call(0x7FFFFFF, file, 0, 0, None, None, 0), error()) == (0, WSAError.WSAENOTSOCK)
    close(datagram)


def test_codes_of_bad_states(file: int) -> None:
    unconnected = made()
    assert Transmit(unconnected, file).code == WSAError.WSAENOTCONN
    s, peer = connected()
    assert ws2_32.shutdown(s, 1) == 0
    assert Transmit(s, file).code == WSAError.WSAESHUTDOWN
    close(unconnected, s, peer)


def test_a_reset_on_the_way(file: int) -> None:
    s, peer = connected()
    transmit = Transmit(s, file)
    linger = ctypes.create_string_buffer(b"\1\0\0\0", 4)
    assert ws2_32.setsockopt(peer, 0xFFFF, 0x80, linger, 4) == 0
    assert read_all(peer, 1000) == CONTENT[:1000]
    close(peer)
    # Where it fitted into the kernel's buffers, it had ended well before.
    assert transmit.result() in (len(CONTENT), -WSAError.WSAECONNRESET, -WSAError.WSAECONNABORTED)
    close(s)


def stuck(s: int, path: Path, tmp_path: Path) -> tuple[Transmit, int]:
    """A transmission that waits for its peer."""
    big = tmp_path / "big"
    with open(big, "wb") as sparse:
        sparse.truncate(256 << 20)
    fd = os.open(big, os.O_RDONLY)
    transmit = Transmit(s, fd)
    assert transmit.pending
    return transmit, fd


def test_cancelled_on_the_way_by_each_means(path: Path, tmp_path: Path) -> None:
    for way in (lambda s: kernel32.CancelIoEx(s, None), kernel32.CancelIo, ws2_32.closesocket):
        s, peer = connected()
        transmit, fd = stuck(s, path, tmp_path)
        with port_for(s) as queue:
            way(s)
            if way is not ws2_32.closesocket:
                # What is on its way runs on to the end of its piece; then no further one begins.
                drain = Running(lambda peer=peer: drained(peer))
                done, _, _, address, code = packet(queue, 10000)
                assert (done, address, code) == (False, transmit.address, 995)
                close(s)
                drain.result()
            else:
                assert packet(queue, 10000)[3:] == (transmit.address, 995)
        os.close(fd)
        close(peer)


def drained(s: int) -> None:
    while True:
        piece = received(s)
        if not isinstance(piece, bytes) or not piece:
            return


def test_o15_tf_disconnect(file: int) -> None:
    s, peer = connected()
    assert Transmit(s, file, 10, flags=DISCONNECT).result() == 10
    assert read_all(peer, 100) == CONTENT[:10]
    assert (ws2_32.send(s, b"x", 1, 0), error()) == (-1, WSAError.WSAESHUTDOWN)
    ws2_32.send(peer, b"still", 5, 0)
    assert received(s) == b"still"
    close(s, peer)


def test_o15_tf_reuse_socket_for_the_function_that_connected_it(file: int) -> None:
    connect, accept, listener = met()
    port = port_of(listener)
    transmit = Transmit(accept.accepted, file, 10, flags=DISCONNECT | REUSE)
    assert read_all(connect.s, 100) == CONTENT[:10]
    other = Transmit(connect.s, file, 10, flags=DISCONNECT | REUSE)
    assert (transmit.result(), other.result()) == (10, 10)
    assert Connect(port, s=accept.accepted).code == WSAError.WSAEINVAL  # not bound
    assert Accept(listener, accepted=connect.s).code == WSAError.WSAEINVAL  # still bound
    again = Accept(listener, 3, accept.accepted)
    assert Connect(port, b"yes", connect.s).result() == 3
    assert again.result() == 3
    close(connect.s, accept.accepted, listener)


def test_after_acceptex_before_the_update(file: int) -> None:
    connect, accept, listener = met()
    assert Transmit(accept.accepted, file, 7).result() == 7
    assert read_all(connect.s, 7) == CONTENT[:7]
    close(connect.s, accept.accepted, listener)


# TransmitPackets


class Packets(Started):
    """TransmitPackets of (flags, bytes) and (flags, descriptor, offset, count)."""

    def __init__(self, s: int, *parts: tuple[Any, ...], flags: int = 0, overlapped: bool = True) -> None:
        super().__init__(s)
        self.array = (mswsock.TRANSMIT_PACKETS_ELEMENT * max(len(parts), 1))()
        self.memory = []
        for element, (kind, what, *rest) in zip(self.array, parts, strict=False):
            element.dwElFlags = kind
            if isinstance(what, bytes):
                self.memory.append(ctypes.create_string_buffer(what, max(len(what), 1)))
                element.cLength, element.pBuffer = len(what), ctypes.addressof(self.memory[-1])
            else:
                element.hFile, element.nFileOffset, element.cLength = what, *rest
        call = fetch(s, "TransmitPackets")
        self.answered(call(s, ctypes.addressof(self.array), len(parts), 0, self.address if overlapped else None, flags))


def test_memory_and_files_in_their_order(pair: tuple[int, int], file: int) -> None:
    s, peer = pair
    os.lseek(file, 77, os.SEEK_SET)
    packets = Packets(s, (MEMORY, b"one"), (FILE, file, 10, 5), (MEMORY | EOP, b"two"), (FILE, file, -1, 4))
    assert (packets.code, packets.result()) == (PENDING, 15)
    assert read_all(peer, 15) == b"one" + CONTENT[10:15] + b"two" + CONTENT[77:81]
    assert Packets(s, (FILE, file, len(CONTENT) - 9, 0), overlapped=False).code == 0  # 0: to the end
    assert read_all(peer, 9) == CONTENT[-9:]
    assert Packets(s).result() == 0


def test_each_packet_is_one_datagram(file: int) -> None:
    s, peer = datagram_pair()
    packets = Packets(s, (MEMORY, b"a"), (MEMORY | EOP, b"b"), (FILE | EOP, file, 1, 3), (MEMORY, b"last"))
    assert packets.result() == 9
    assert [received(peer) for _ in range(3)] == [b"ab", CONTENT[1:4], b"last"]
    close(s, peer)


def test_packets_codes_of_bad_arguments(pair: tuple[int, int], file: int) -> None:
    s, _ = pair
    assert Packets(s, (0, b"x")).code == WSAError.WSAEINVAL
    assert Packets(s, (MEMORY, b"x"), flags=REUSE).code == WSAError.WSAEINVAL
    assert Packets(s, (FILE, file, len(CONTENT) + 1, 1)).code == WSAError.WSAEINVAL
    assert Packets(s, (MEMORY, b"x"), (FILE, 99999, 0, 1)).code == WSAError.WSA_INVALID_HANDLE
    call = fetch(s, "TransmitPackets")
    assert (call(s, None, 1, 0, None, 0), error()) == (0, WSAError.WSAEFAULT)
    array = (mswsock.TRANSMIT_PACKETS_ELEMENT * 2)()
    memory = ctypes.create_string_buffer(1)
    for element in array:
        element.dwElFlags, element.cLength, element.pBuffer = MEMORY, 1 << 30, ctypes.addressof(memory)
    assert (call(s, ctypes.addressof(array), 2, 0, None, 0), error()) == (0, WSAError.WSAEINVAL)  # too much
    array[0].pBuffer = None
    assert (call(s, ctypes.addressof(array), 1, 0, None, 0), error()) == (0, WSAError.WSAEFAULT)
    unconnected, datagram = made(), made(2)
    assert Packets(unconnected, (MEMORY, b"x")).code == WSAError.WSAENOTCONN
    assert Packets(datagram, (MEMORY, b"x"), flags=DISCONNECT).code == WSAError.WSAEINVAL
    assert (call(0x7FFFFFF, None, 0, 0, None, 0), error()) == (0, WSAError.WSAENOTSOCK)
    close(unconnected, datagram)


def test_packets_disconnect_and_reuse() -> None:
    connect, accept, listener = met()
    packets = Packets(accept.accepted, (MEMORY, b"bye"), flags=DISCONNECT | REUSE)
    assert read_all(connect.s, 10) == b"bye"
    assert Disconnect(connect.s).result() == 0
    assert packets.result() == 3
    assert Accept(listener, accepted=accept.accepted).code == PENDING
    close(connect.s, listener, accept.accepted)
    until(lambda: pending_count() == 0)


def test_the_dlls_own_export(file: int) -> None:
    s, peer = connected()
    assert mswsock.TransmitFile(s, file, 6, 0, None, None, 0) == 1
    assert read_all(peer, 6) == CONTENT[:6]
    _, port = listening()
    assert port
    close(s, peer)


def test_the_kernel_copies_where_no_layer_looks_at_bytes(kind: str, file: int, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    straight = os.sendfile

    def counted(*arguments: int) -> int:
        calls.append(arguments)
        return straight(*arguments)

    monkeypatch.setattr(os, "sendfile", counted)
    s, peer = connected()
    assert Transmit(s, file, 5).result() == 5
    assert read_all(peer, 5) == CONTENT[:5]
    assert bool(calls) == (kind in ("base", "control"))
    close(s, peer)
