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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.ends import Ends, read_exactly, readable, send
from support.threads import LONG, Running
from support.winsock import (
    Operation,
    byref,
    received,
)
from ws2spi import kernel32, ws2_32
from ws2spi._abi.constants import MSG_PEEK
from ws2spi._abi.errors import WSAError
from ws2spi._engine.filepair import FilePair

FIONREAD = 0x4004667F


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
