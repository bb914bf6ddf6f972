"""Handles of a stack that touches bytes, used as files: by os.read and os.write, select, children, C code, asyncio.

Design "Handles" (writes, reads, end, identity) and upcalls 5.1 "Handle nature". The other end of each connection is a
socket of Linux.
"""

import asyncio
import ctypes
import hashlib
import os
import random
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ws2spi
from support import stacks
from support.pass_through import PassThrough
from support.threads import LONG, Running, until
from support.winsock import (
    Operation,
    byref,
    close,
    error,
    listening,
    made,
    packet,
    port_for,
    received,
    set_nonblocking,
    sockaddr,
)
from ws2spi import kernel32, ws2_32
from ws2spi._abi.constants import AF_INET, INVALID_SOCKET, MSG_PEEK, SOCK_DGRAM, SOCK_STREAM
from ws2spi._abi.errors import WSAError
from ws2spi._engine.filepair import FilePair
from ws2spi._engine.sweeper import Sweeper
from ws2spi._runtime.process import runtime
from ws2spi._runtime.sockets import sockets
from ws2spi.providers.layer import Layer

FIONREAD = 0x4004667F


class Ahead(Layer):
    """Reads as much as it can get, whatever it is asked for, and sends in small pieces."""

    async def send(self, conn: Any, data: bytes) -> None:
        for start in range(0, len(data), 700):
            await conn.below.send(data[start : start + 700])

    async def recv(self, conn: Any, size: int) -> bytes:
        data: bytes = await conn.below.recv(10_000)
        return data


@pytest.fixture(params=["bytes", "two", "ahead"])
def stack(request: pytest.FixtureRequest, started: None) -> Iterator[None]:
    if request.param != "ahead":
        with stacks.installed(request.param):
            yield
        return
    with ws2spi.install(ws2spi.Stack([stacks.Bytes(), Ahead()])):
        yield


class Ends:
    """A handle and the socket of Linux at the other end of its connection."""

    def __init__(self, kind: int = SOCK_STREAM) -> None:
        self.handle = made(kind)
        if kind == SOCK_STREAM:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                self._connect(listener.getsockname()[1])
                self.peer = listener.accept()[0]
        else:
            self.peer = socket.socket(AF_INET, socket.SOCK_DGRAM)
            self.peer.bind(("127.0.0.1", 0))
            self._connect(self.peer.getsockname()[1])
            assert ws2_32.send(self.handle, b"hello", 5, 0) == 5
            self.peer.connect(self.peer.recvfrom(9)[1])
        self.peer.settimeout(LONG)
        self.pair: FilePair = sockets.lookup(self.handle).pair

    def _connect(self, port: int) -> None:
        address = sockaddr(port)
        assert ws2_32.connect(self.handle, address, 16) == 0, error()

    def close(self) -> None:
        ws2_32.closesocket(self.handle)
        self.peer.close()


@pytest.fixture
def ends(stack: None) -> Iterator[Ends]:
    ends = Ends()
    yield ends
    ends.close()


@pytest.fixture
def datagrams(stack: None) -> Iterator[Ends]:
    ends = Ends(SOCK_DGRAM)
    yield ends
    ends.close()


def readable(descriptor: int) -> None:
    """Wait until poll shows input."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    assert poll.poll(LONG * 1000)


def read_exactly(descriptor: int, size: int) -> bytes:
    data = b""
    while len(data) < size and (piece := os.read(descriptor, size - len(data))):
        data += piece
    return data


def send(handle: int, data: bytes) -> None:
    assert ws2_32.send(handle, data, len(data), 0) == len(data), error()


# -- everybody who takes a descriptor --------------------------------------------------------------------------------


def test_os_write_and_os_read(ends: Ends) -> None:
    assert os.write(ends.handle, b"down") == 4
    assert ends.peer.recv(10) == b"down"
    ends.peer.sendall(b"up")
    assert os.read(ends.handle, 10) == b"up"


def test_a_blocked_reader_is_served(ends: Ends) -> None:
    """The kernel does not say that it blocks; the sweep finds out."""
    reading = Running(os.read, ends.handle, 10)
    ends.peer.sendall(b"for you")
    assert reading.result() == b"for you"


@pytest.mark.parametrize("way", ["poll", "epoll", "select"])
def test_readiness(ends: Ends, way: str) -> None:
    ends.peer.sendall(b"x")
    if way == "select":
        assert select.select([ends.handle], [], [], LONG)[0] == [ends.handle]
    else:
        with select.epoll() as epoll:
            poll: Any = epoll if way == "epoll" else select.poll()
            poll.register(ends.handle, select.POLLIN)
            assert poll.poll(LONG if way == "epoll" else LONG * 1000) == [(ends.handle, select.POLLIN)]
    assert os.read(ends.handle, 10) == b"x"


def test_a_non_blocking_descriptor(ends: Ends) -> None:
    os.set_blocking(ends.handle, False)
    with pytest.raises(BlockingIOError):
        os.read(ends.handle, 10)
    ends.peer.sendall(b"now")
    readable(ends.handle)
    assert os.read(ends.handle, 10) == b"now"
    waiting = Running(received, ends.handle, 10)  # the socket's own mode is another
    ends.peer.sendall(b"straight")
    assert waiting.result() == b"straight"


def test_a_childs_stdin_and_stdout(ends: Ends) -> None:
    """issue item 3: subprocess"""
    child = subprocess.Popen(["cat"], stdin=ends.handle, stdout=ends.handle)
    data = os.urandom(200_000)
    got = Running(lambda: b"".join(iter(lambda: ends.peer.recv(65536), b"")))
    ends.peer.sendall(data)
    ends.peer.shutdown(socket.SHUT_WR)
    assert child.wait(LONG) == 0
    assert ws2_32.shutdown(ends.handle, 1) == 0
    assert got.result() == data


C_READER = r"""
#include <stdio.h>
#include <unistd.h>
int main(void) {
    char data[5000];
    unsigned long total = 0, sum = 0;
    for (ssize_t count; (count = read(0, data, sizeof data)) > 0; total += count)
        for (ssize_t i = 0; i < count; i++) sum = sum * 31 + (unsigned char)data[i];
    printf("%lu %lu\n", total, sum);
    return 0;
}
"""


@pytest.fixture(scope="module")
def c_reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from support.tools import need

    folder = tmp_path_factory.mktemp("c")
    (folder / "reader.c").write_text(C_READER)
    subprocess.run([need("gcc"), "-O1", "-o", folder / "reader", folder / "reader.c"], check=True)
    return folder / "reader"


def test_a_program_in_c_reads_its_stdin(ends: Ends, c_reader: Path) -> None:
    """issue item 3: "a C-level reader" """
    data = os.urandom(100_000)
    child = subprocess.Popen([c_reader], stdin=ends.handle, stdout=subprocess.PIPE, text=True)
    ends.peer.sendall(data)
    ends.peer.shutdown(socket.SHUT_WR)
    out, _ = child.communicate(timeout=LONG)
    total = 0
    for byte in data:
        total = (total * 31 + byte) % 2**64
    assert out == f"{len(data)} {total}\n"


def test_a_c_library_in_the_process(ends: Ends) -> None:
    libc = ctypes.CDLL(None)
    room = ctypes.create_string_buffer(20)
    ends.peer.sendall(b"libc")
    assert libc.read(ends.handle, room, 20) == 4
    assert room.value == b"libc"
    assert libc.write(ends.handle, b"back", 4) == 4
    assert ends.peer.recv(10) == b"back"


def test_asyncio(ends: Ends) -> None:
    async def first_line() -> bytes:
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        got = bytearray()
        done = loop.create_future()

        def more() -> None:
            got.extend(os.read(ends.handle, 10))
            if got.endswith(b"\n"):
                loop.remove_reader(ends.handle)
                done.set_result(None)

        loop.add_reader(ends.handle, more)
        ends.peer.sendall(b"a line for asyncio\n")
        await asyncio.wait_for(done, LONG)
        reader.feed_eof()
        return bytes(got)

    assert asyncio.run(first_line()) == b"a line for asyncio\n"


def test_a_socket_object_over_a_copy(ends: Ends) -> None:
    with socket.socket(fileno=os.dup(ends.handle)) as sock:
        sock.sendall(b"1")
        assert ends.peer.recv(10) == b"1"
        sock.shutdown(socket.SHUT_WR)
        assert ends.peer.recv(10) == b""
        ends.peer.sendall(b"the other direction goes on")
        assert sock.recv(99) == b"the other direction goes on"


# -- order -----------------------------------------------------------------------------------------------------------


def overlapped_send(handle: int, data: bytes, kept: list[Operation]) -> None:
    operation = Operation(handle, data)
    assert operation.code in (0, WSAError.WSA_IO_PENDING)
    kept.append(operation)


@pytest.mark.parametrize("seed", [1, 2])
def test_writes_of_all_kinds_keep_their_order(ends: Ends, seed: int) -> None:
    """Rule 1: a straight send never overtakes what foreign code wrote before it."""
    chance = random.Random(seed)
    kept: list[Operation] = []
    writers: list[Callable[[bytes], object]] = [
        lambda data: os.write(ends.handle, data),
        lambda data: os.write(ends.handle, data),
        lambda data: send(ends.handle, data),
        lambda data: overlapped_send(ends.handle, data, kept),
    ]
    size = 200_000
    sent, got = hashlib.blake2b(), hashlib.blake2b()

    def read() -> None:
        left = size
        while left:
            data = ends.peer.recv(65536)
            got.update(data)
            left -= len(data)

    reading = Running(read)
    left = size
    while left:
        data = chance.randbytes(min(left, chance.choice((1, 50, 3000))))
        chance.choice(writers)(data)
        sent.update(data)
        left -= len(data)
    reading.result()
    assert got.digest() == sent.digest()
    assert all(operation.result(wait=True)[0] for operation in kept)


@pytest.mark.parametrize("seed", [3, 4])
def test_reads_of_all_kinds_lose_and_reorder_nothing(ends: Ends, seed: int) -> None:
    """Rule 2: a straight receive drains the pair first, then goes straight again."""
    chance = random.Random(seed)

    def overlapped(size: int) -> bytes:
        operation = Operation(ends.handle, size)
        assert operation.code in (0, WSAError.WSA_IO_PENDING), operation.code
        done, count, _, code = operation.result(wait=True)
        assert done, code
        return operation.memory.raw[:count]

    def straight(size: int) -> bytes:
        data = received(ends.handle, size)
        assert isinstance(data, bytes), data
        return data

    readers = [overlapped, straight, straight, straight, straight, straight, straight, straight]
    size = 150_000
    sent, got = hashlib.blake2b(), hashlib.blake2b()

    def write() -> None:
        other = random.Random(-seed)
        left = size
        while left:
            data = other.randbytes(min(left, other.choice((10, 500, 20_000))))
            sent.update(data)
            ends.peer.sendall(data)
            left -= len(data)
        ends.peer.shutdown(socket.SHUT_WR)

    writing = Running(write)
    kinds = [0, 0]
    left = size
    while left:
        foreign = chance.random() < 0.1
        data = (
            os.read(ends.handle, chance.choice((100, 30_000)))
            if foreign
            else chance.choice(readers)(chance.choice((10, 1000, 30_000)))
        )
        kinds[foreign] += 1
        got.update(data)
        left -= len(data)
    writing.result()
    assert got.digest() == sent.digest()
    assert min(kinds) > 0
    assert os.read(ends.handle, 10) == b""
    assert received(ends.handle) == b""


def test_full_duplex_by_threads_of_both_kinds(ends: Ends) -> None:
    """A foreign reader and straight senders at once, and the peer answers everything."""
    size = 300_000
    answer = Running(lambda: [ends.peer.sendall(piece) for piece in iter(lambda: ends.peer.recv(65536), b"")])
    reading = Running(read_exactly, ends.handle, size)
    data = os.urandom(size)
    for start in range(0, size, 10_000):
        send(ends.handle, data[start : start + 10_000])
    assert reading.result() == data
    assert ws2_32.shutdown(ends.handle, 1) == 0
    answer.result()


def test_a_large_foreign_write_goes_whole(ends: Ends) -> None:
    data = os.urandom(1 << 20)
    got = Running(lambda: b"".join(iter(lambda: ends.peer.recv(65536), b"")))
    with open(os.dup(ends.handle), "wb", buffering=0) as file:
        left = memoryview(data)
        while left:
            left = left[file.write(left) :]
    assert ws2_32.shutdown(ends.handle, 1) == 0
    assert got.result() == data


def test_what_waits_in_the_pair_is_counted_and_peeked(ends: Ends) -> None:
    """FIONREAD and MSG_PEEK look where the next receive will look."""
    ends.peer.sendall(b"moved")
    readable(ends.handle)
    count = ctypes.c_uint32()
    assert ws2_32.ioctlsocket(ends.handle, FIONREAD, byref(count)) == 0
    assert count.value == 5
    assert received(ends.handle, 3, MSG_PEEK) == b"mov"
    assert received(ends.handle, 3) == b"mov"
    assert os.read(ends.handle, 10) == b"ed"


def test_a_zero_byte_receive_leaves_what_waits_in_the_pair(ends: Ends) -> None:
    ends.peer.sendall(b"moved")
    readable(ends.handle)
    operation = Operation(ends.handle, 0)
    assert operation.result(wait=True) == (1, 0, 0, 0)
    assert received(ends.handle, 10) == b"moved"


def test_a_pending_receive_comes_before_foreign_readers(ends: Ends) -> None:
    operation = Operation(ends.handle, 5)
    reading = Running(os.read, ends.handle, 10)
    ends.peer.sendall(b"first")
    assert operation.result(wait=True) == (1, 5, 0, 0)
    ends.peer.sendall(b"second")
    assert reading.result() == b"second"
    assert operation.memory.raw == b"first"


def test_a_cancelled_receive_leaves_the_data_to_foreign_readers(ends: Ends) -> None:
    operation = Operation(ends.handle, 5)
    assert kernel32.CancelIoEx(ends.handle, byref(operation.overlapped))
    ends.peer.sendall(b"kept")
    assert os.read(ends.handle, 10) == b"kept"


def test_a_foreign_reader_does_not_wait_for_the_sweep_each_time(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one buffer per 20 ms: once foreign code takes what was moved, the next move follows at once."""
    counts = {"sweep": 0, "_start_pull": 0}

    def counted(name: str) -> None:
        original = getattr(FilePair, name)

        def call(pair: FilePair) -> None:
            counts[name] += 1
            original(pair)

        monkeypatch.setattr(FilePair, name, call)

    for name in counts:
        counted(name)
    size = 4 << 20
    writing = Running(ends.peer.sendall, bytes(size))
    assert len(read_exactly(ends.handle, size)) == size
    writing.result()
    moves = counts["_start_pull"]
    assert moves >= size // 65536
    # A sweep may strike between two moves; without "at once" every move would need one.
    assert counts["sweep"] <= moves // 4


def test_a_handle_given_out_knowingly_needs_no_sweep(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FilePair, "sweep", lambda pair: pytest.fail("swept"))
    ends.pair.share()
    ends.peer.sendall(b"at once")
    assert os.read(ends.handle, 10) == b"at once"
    send(ends.handle, b"x")
    ends.peer.sendall(b"and again")
    assert os.read(ends.handle, 10) == b"and again"


# -- ends ------------------------------------------------------------------------------------------------------------


def test_the_end_of_the_stream(ends: Ends) -> None:
    ends.peer.sendall(b"last")
    ends.peer.shutdown(socket.SHUT_WR)
    assert os.read(ends.handle, 10) == b"last"
    assert os.read(ends.handle, 10) == b""
    assert os.read(ends.handle, 10) == b""
    assert received(ends.handle) == b""
    assert os.write(ends.handle, b"still open here") == 15
    assert ends.peer.recv(99) == b"still open here"


def test_the_end_reaches_foreign_readers_although_a_straight_one_saw_it_first(ends: Ends) -> None:
    ends.peer.shutdown(socket.SHUT_WR)
    assert received(ends.handle) == b""
    assert os.read(ends.handle, 10) == b""


def hard_close(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()


def test_a_reset_reaches_foreign_readers_after_the_data(ends: Ends) -> None:
    ends.peer.sendall(b"data")
    readable(ends.handle)
    hard_close(ends.peer)
    assert os.read(ends.handle, 10) == b"data"
    with pytest.raises(ConnectionResetError):
        os.read(ends.handle, 10)
    assert received(ends.handle) == WSAError.WSAECONNRESET


def test_a_reset_meets_foreign_writers(ends: Ends) -> None:
    hard_close(ends.peer)

    def write() -> bool:
        try:
            os.write(ends.handle, b"x")
        except (BrokenPipeError, ConnectionResetError):
            return True
        return False

    until(write)
    assert received(ends.handle) == WSAError.WSAECONNRESET


def test_a_straight_shutdown_ends_after_what_foreign_code_wrote(ends: Ends) -> None:
    os.write(ends.handle, b"written")
    assert ws2_32.shutdown(ends.handle, 1) == 0
    assert ends.peer.recv(10) == b"written"
    assert ends.peer.recv(10) == b""


def test_closesocket_delivers_what_foreign_code_wrote(ends: Ends) -> None:
    data = os.urandom(100_000)
    got = Running(lambda: b"".join(iter(lambda: ends.peer.recv(65536), b"")))
    left = memoryview(data)
    while left:
        left = left[os.write(ends.handle, left) :]
    close(ends.handle)
    assert got.result() == data


CHILD = """
import os, sys
os.write(1, b"ready\\n")
assert sys.stdin.buffer.raw.readline() == b"go\\n"
os.write(int(sys.argv[1]), b"from the child")
assert os.read(int(sys.argv[1]), 99) == b"to the child"
assert os.read(int(sys.argv[1]), 99) == b""
"""


def test_a_child_that_holds_a_copy_keeps_the_connection(ends: Ends) -> None:
    """closesocket here, and the child's copy works through this process until it closes too."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(ends.handle)],
        pass_fds=[ends.handle],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child.stdin, child.stdout:
        assert child.stdout.readline() == b"ready\n"
        close(ends.handle)
        assert received(ends.handle) == WSAError.WSAENOTSOCK
        child.stdin.write(b"go\n")
        child.stdin.flush()
        assert ends.peer.recv(99) == b"from the child"
        ends.peer.sendall(b"to the child")
        ends.peer.shutdown(socket.SHUT_WR)
        assert child.wait(LONG) == 0
    assert ends.peer.recv(99) == b""


def test_the_end_reaches_a_reader_while_a_child_holds_a_copy(ends: Ends) -> None:
    """Rule 3: a shutdown, not a close, which the child's copy would hold up."""
    gate, opener = os.pipe()
    child = os.fork()
    if not child:
        os.read(gate, 1)
        os._exit(0)
    try:
        ends.peer.shutdown(socket.SHUT_WR)
        assert os.read(ends.handle, 10) == b""
    finally:
        os.write(opener, b"x")
        os.waitpid(child, 0)
        os.close(gate)
        os.close(opener)


def test_a_forked_child_has_no_runtime_and_closes_nothing(ends: Ends) -> None:
    child = os.fork()
    if not child:
        code = 0 if received(ends.handle) == WSAError.WSANOTINITIALISED else 1
        os.write(ends.handle, b"child")
        os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert ends.peer.recv(10) == b"child"
    send(ends.handle, b"parent")
    assert ends.peer.recv(10) == b"parent"


# -- identity --------------------------------------------------------------------------------------------------------


def test_a_foreign_close_ends_the_connection(ends: Ends) -> None:
    os.write(ends.handle, b"last words")
    os.close(ends.handle)
    assert ends.peer.recv(99) == b"last words"
    assert ends.peer.recv(99) == b""
    until(lambda: ends.handle not in sockets.entries)
    assert received(ends.handle) == WSAError.WSAENOTSOCK


def test_a_number_that_is_a_strangers_by_now(ends: Ends) -> None:
    """Foreign close, and the number is a file's: nothing of ours reads or closes that."""
    with open("/etc/hostname", "rb") as original:
        os.dup2(original.fileno(), ends.handle)
    with open(ends.handle, "rb") as file:
        assert ends.peer.recv(10) == b""
        until(lambda: ends.handle not in sockets.entries)
        assert failed_with(ws2_32.closesocket(ends.handle)) == WSAError.WSAENOTSOCK
        assert file.read()


def test_a_number_that_is_another_socket_of_ours_by_now(ends: Ends) -> None:
    old = sockets.lookup(ends.handle)
    os.close(ends.handle)
    again = Ends()
    try:
        if again.handle == ends.handle:
            assert sockets.lookup(again.handle) is not old
        assert ends.peer.recv(10) == b""
        send(again.handle, b"alive")
        assert again.peer.recv(10) == b"alive"
        again.peer.sendall(b"and kicking")
        assert os.read(again.handle, 99) == b"and kicking"
    finally:
        again.close()


def failed_with(result: int) -> int:
    assert result == -1
    return error()


def test_handles_come_and_go_under_load(stack: None) -> None:
    """Numbers are reused at once; news of an old handle must not reach the new one."""
    failures: list[object] = []

    def work(seed: int) -> None:
        for number in range(40):
            ends = Ends()
            try:
                text = b"%d of %d" % (number, seed)
                (os.write if number % 2 else ws2_32_send)(ends.handle, text)
                ends.peer.sendall(text)
                answers = (ends.peer.recv(99), received(ends.handle) if number % 3 else os.read(ends.handle, 99))
                if answers != (text, text):
                    failures.append(answers)
            finally:
                ends.close()

    def ws2_32_send(handle: int, data: bytes) -> None:
        send(handle, data)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(LONG * 3)
    assert not failures


# -- ports, contexts, datagrams --------------------------------------------------------------------------------------


def test_a_completion_port_on_the_handle(ends: Ends) -> None:
    """upcalls 5.1 (2): a port may be associated; foreign use of the handle queues nothing"""
    with port_for(ends.handle, key=77) as port:
        os.write(ends.handle, b"x")
        assert ends.peer.recv(1) == b"x"
        operation = Operation(ends.handle, 10)
        ends.peer.sendall(b"packet")
        assert packet(port, 10_000) == (True, 6, 77, operation.address, 0)
        ends.peer.sendall(b"foreign")
        assert os.read(ends.handle, 10) == b"foreign"
        assert packet(port)[0] is False
        ends.peer.sendall(b"moved")
        readable(ends.handle)
        operation = Operation(ends.handle, 10)
        assert packet(port, 10_000) == (True, 5, 77, operation.address, 0)


def test_the_context_of_the_handle(stack: None) -> None:
    """WPUQuerySocketHandleContext: a value of its own for each handle; a copy of the descriptor has none"""

    def context(number: int) -> tuple[int, int, int]:
        value, code = ctypes.c_uint64(), ctypes.c_int()
        return ws2_32.WPUQuerySocketHandleContext(number, byref(value), byref(code)), value.value, code.value

    one, two = Ends(), Ends()
    values = [context(one.handle), context(two.handle)]
    assert [result for result, _, _ in values] == [0, 0]
    assert values[0][1] != values[1][1]
    copy = os.dup(one.handle)
    assert context(copy)[::2] == (-1, WSAError.WSAENOTSOCK)
    os.close(copy)
    one.close()
    two.close()
    assert context(one.handle)[::2] == (-1, WSAError.WSAENOTSOCK)


def test_datagrams_keep_their_boundaries(datagrams: Ends) -> None:
    for text in (b"one", b"", b"three"):
        assert os.write(datagrams.handle, text) == len(text)
    assert [datagrams.peer.recv(99) for _ in range(3)] == [b"one", b"", b"three"]
    for text in (b"four", b"", b"six"):
        datagrams.peer.send(text)
    assert [os.read(datagrams.handle, 99) for _ in range(3)] == [b"four", b"", b"six"]


def test_datagrams_read_both_ways(datagrams: Ends) -> None:
    """What was moved to the pair comes before what was not, and keeps its sender"""
    for number in range(5):
        datagrams.peer.send(b"%d" % number)
    readable(datagrams.handle)
    got = [received(datagrams.handle), os.read(datagrams.handle, 9), received(datagrams.handle)]
    got += [received(datagrams.handle), received(datagrams.handle)]
    assert got == [b"0", b"1", b"2", b"3", b"4"]


def test_recvfrom_after_a_move_knows_the_sender(datagrams: Ends) -> None:
    datagrams.peer.send(b"who?")
    readable(datagrams.handle)
    room, sender, length = ctypes.create_string_buffer(9), ctypes.create_string_buffer(16), ctypes.c_int(16)
    assert ws2_32.recvfrom(datagrams.handle, room, 9, 0, sender, byref(length)) == 4
    assert int.from_bytes(sender.raw[2:4], "big") == datagrams.peer.getsockname()[1]


def test_a_moved_datagram_that_is_too_long(datagrams: Ends) -> None:
    """I2 holds for what was moved to the pair, too"""
    datagrams.peer.send(b"12345")
    datagrams.peer.send(b"678")
    readable(datagrams.handle)
    assert received(datagrams.handle, 3) == WSAError.WSAEMSGSIZE
    assert received(datagrams.handle, 9) == b"678"


def test_a_foreign_close_of_a_datagram_handle(datagrams: Ends) -> None:
    os.close(datagrams.handle)
    until(lambda: datagrams.handle not in sockets.entries)


def test_non_blocking_receives_find_what_was_moved(ends: Ends) -> None:
    set_nonblocking(ends.handle)
    ends.peer.sendall(b"moved")
    readable(ends.handle)
    assert received(ends.handle, 99) == b"moved"
    assert received(ends.handle, 99) == WSAError.WSAEWOULDBLOCK


# -- before and beside a connection ----------------------------------------------------------------------------------


@pytest.fixture
def swept(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """`swept()` waits until the sweeper has looked three times more."""
    looks: list[int] = []
    original = Sweeper._sweep

    def sweep(sweeper: Sweeper) -> None:
        original(sweeper)
        looks.append(1)

    monkeypatch.setattr(Sweeper, "_sweep", sweep)

    def wait() -> None:
        before = len(looks)
        until(lambda: len(looks) >= before + 3)

    return wait


def test_a_listener_keeps_its_connections_for_accept(stack: None, swept: Callable[[], None]) -> None:
    """A waiting connection is no data for foreign readers"""
    listener, port = listening()
    with socket.create_connection(("127.0.0.1", port), LONG) as peer:
        swept()
        server = ws2_32.accept(listener, None, None)
        assert server != INVALID_SOCKET
        peer.sendall(b"hello")
        assert received(server) == b"hello"
        peer.sendall(b"file")
        assert os.read(server, 10) == b"file"
        close(server)
    os.close(listener)
    until(lambda: listener not in sockets.entries)


@pytest.mark.parametrize("kind", [SOCK_STREAM, SOCK_DGRAM])
def test_a_socket_that_is_not_connected_yet_is_left_alone(stack: None, swept: Callable[[], None], kind: int) -> None:
    """Linux shows an unconnected TCP socket as hung up, which means nothing"""
    handle = made(kind)
    swept()
    with socket.socket(AF_INET, socket.SOCK_STREAM if kind == SOCK_STREAM else socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        if kind == SOCK_STREAM:
            peer.listen()
        assert ws2_32.connect(handle, sockaddr(peer.getsockname()[1]), 16) == 0
        assert os.write(handle, b"first") == 5
        if kind == SOCK_STREAM:
            with peer.accept()[0] as server:
                assert server.recv(10) == b"first"
                server.sendall(b"back")
                assert os.read(handle, 10) == b"back"
        else:
            data, sender = peer.recvfrom(10)
            assert data == b"first"
            peer.sendto(b"back", sender)
            assert os.read(handle, 10) == b"back"
    close(handle)


def test_a_connect_that_takes_its_time(started: None, swept: Callable[[], None]) -> None:
    """What the layers receive in `connect` is theirs"""

    class Handshake(stacks.Bytes):
        async def connect(self, conn: Any, address: Any) -> None:
            await conn.below.connect(address)
            if await conn.below.recv(2) != b"OK":
                raise ws2spi.WinsockError(WSAError.WSAECONNREFUSED)

    with ws2spi.install(ws2spi.Stack([Handshake()])), socket.create_server(("127.0.0.1", 0)) as listener:
        handle = made()
        connecting = Running(ws2_32.connect, handle, sockaddr(listener.getsockname()[1]), 16)
        with listener.accept()[0] as peer:
            swept()
            peer.sendall(b"OKdata")
            assert connecting.result() == 0
            assert os.read(handle, 10) == b"data"
        close(handle)


def test_a_hand_written_listener_and_client(started: None, swept: Callable[[], None]) -> None:
    """The same for handles of a provider with a table of its own"""
    layer = PassThrough()
    layer.install(runtime.catalog.find(AF_INET, SOCK_STREAM, 6))
    listener, port = listening()
    client = made()
    swept()
    assert ws2_32.connect(client, sockaddr(port), 16) == 0
    swept()
    server = ws2_32.accept(listener, None, None)
    assert server != INVALID_SOCKET
    os.write(client, b"there")
    assert os.read(server, 10) == b"there"
    os.write(server, b"back")
    assert os.read(client, 10) == b"back"
    os.close(listener)
    until(lambda: listener not in sockets.entries)
    close(client, server)
    until(lambda: not layer.contexts)
