"""Reaching into a thread: this one is as good as any."""

import errno
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ws2spi.redirect import process


@contextmanager
def thread() -> Iterator[int]:
    """The id of a thread that waits."""
    begun, end = threading.Event(), threading.Event()
    ids: list[int] = []

    def work() -> None:
        ids.append(threading.get_native_id())
        begun.set()
        end.wait(20)

    worker = threading.Thread(target=work)
    worker.start()
    assert begun.wait(20)
    try:
        yield ids[0]
    finally:
        end.set()
        worker.join(20)


def buffer(text: bytes) -> tuple[object, int]:
    import ctypes

    made = ctypes.create_string_buffer(text, len(text))
    return made, ctypes.addressof(made)


def test_memory_is_read_and_written() -> None:
    made, address = buffer(b"some text")
    assert process.read(os.getpid(), address, 4) == b"some"
    process.write(os.getpid(), address, b"more")
    assert made.raw == b"more text"  # type: ignore[attr-defined]


def test_memory_that_is_not_there_is_efault() -> None:
    with pytest.raises(OSError) as caught:
        process.read(os.getpid(), 1, 16)
    assert caught.value.errno == errno.EFAULT
    with pytest.raises(OSError) as caught:
        process.write(os.getpid(), 1, b"text")
    assert caught.value.errno == errno.EFAULT


def test_socket_is_taken_by_the_id_of_any_thread() -> None:
    with socket.socket() as sock, thread() as tid:
        with process.take_socket(tid, sock.fileno()) as taken:
            assert process.cookie_of(taken) == process.cookie_of(sock)
            assert (taken.family, taken.type, taken.proto) == (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        assert process.process_of(tid) == os.getpid()


def test_what_is_no_socket_or_not_there_says_so() -> None:
    reader, writer = os.pipe()
    for number, expected in ((reader, errno.ENOTSOCK), (99999, errno.EBADF), (-1 & 0xFFFFFFFF, errno.EBADF)):
        with pytest.raises(OSError) as caught:
            process.take_socket(os.getpid(), number)
        assert caught.value.errno == expected
    os.close(reader)
    os.close(writer)


def test_what_has_died_is_named_no_more() -> None:
    child = os.fork()
    if child == 0:
        signal.pause()
    assert process.command_of(child) != "?"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert process.command_of(child) == "?"
    assert process.waiting_signals(child) == 0
    with pytest.raises(OSError):
        process.process_of(child)


def test_signal_that_waits_is_seen_unless_it_is_blocked() -> None:
    """Of another process, stopped, so that its signals stay where they are."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.signal(signal.SIGUSR1, lambda *_: None)
            signal.signal(signal.SIGUSR2, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])
            os.write(writer, b"x")
            signal.pause()
        finally:
            os._exit(0)
    try:
        os.read(reader, 1)
        os.kill(child, signal.SIGSTOP)
        os.waitpid(child, os.WUNTRACED)
        for number, expected in ((signal.SIGUSR2, False), (signal.SIGWINCH, False), (signal.SIGUSR1, True)):
            os.kill(child, number)
            assert bool(process.waiting_signals(child)) is expected, number
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reader)
        os.close(writer)


def test_socket_is_found_wherever_it_is() -> None:
    with socket.socket() as sock:
        inode = os.fstat(sock.fileno()).st_ino
        assert process.find_socket(inode, os.getpid()) == (os.getpid(), sock.fileno())
    assert process.find_socket(inode, os.getpid()) is None
