"""Reaching into a thread that waits in a system call: its memory, its sockets, its signals.

Rule 1: a thread is named by its tid and nothing is remembered about it between two calls. Measured: reading 16 bytes by
        process_vm_readv 1.1 µs (by a /proc/pid/mem kept open 0.5, but that is the wrong memory after an exec), opening
        and closing a pidfd 0.6 µs. Remembering would save 1 µs of a connect and cost a cache that must know of deaths,
        of reused numbers and of execs.
Rule 2: whoever acts on what is found here asks `Listener.valid` afterwards: only then did the tid mean the caller.
"""

import _socket
import ctypes
import errno
import os
import socket
from collections.abc import Iterator
from typing import Final

from ws2spi.redirect.machine import PIDFD_GETFD

PIDFD_THREAD: Final = os.O_EXCL  # Linux 6.9: a pidfd of one thread, with that thread's descriptors
_SO_COOKIE: Final = 57

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_readv = _libc.process_vm_readv
_writev = _libc.process_vm_writev
_readv.restype = _writev.restype = ctypes.c_ssize_t


class _Span(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


# One thread serves notifications, so one buffer is enough.
_LIMIT: Final = 256  # no socket address is longer than sockaddr_storage, 128
_buffer = ctypes.create_string_buffer(_LIMIT)
_window = memoryview(_buffer).cast("B")
_here = _Span(ctypes.addressof(_buffer), 0)
_there = _Span(0, 0)
_here_ref = ctypes.byref(_here)
_there_ref = ctypes.byref(_there)


def _fail() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))


def read(tid: int, address: int, size: int) -> bytes:
    """Copy `size` (at most 256) bytes out of a thread's memory.

    Errors:
        OSError: EFAULT (not all of it is there), ESRCH (it has died), EPERM (we may not look).
    """
    _here.length = _there.length = size
    _there.base = address
    got = _readv(tid, _here_ref, 1, _there_ref, 1, 0)
    if got < 0:
        raise _fail()
    if got != size:
        raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))
    return bytes(_window[:size])


def write(tid: int, address: int, data: bytes) -> None:
    """Copy `data` (at most 256 bytes) into a thread's memory, as its own protections allow. Errors: as `read`."""
    size = len(data)
    _window[:size] = data
    _here.length = _there.length = size
    _there.base = address
    put = _writev(tid, _here_ref, 1, _there_ref, 1, 0)
    if put < 0:
        raise _fail()
    if put != size:
        raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))


def open_thread(tid: int) -> int:
    """A pidfd through which the thread's descriptors can be taken."""
    try:
        return os.pidfd_open(tid, PIDFD_THREAD)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    # Before Linux 6.9 there are pidfds of processes only; those share one table of descriptors with all their threads
    # unless one has left it by unshare(CLONE_FILES).
    return os.pidfd_open(process_of(tid))


def take_descriptor(tid: int, number: int) -> int:
    """A duplicate, in our table, of the thread's descriptor `number`.

    Errors:
        OSError: EBADF (it has no such descriptor), ESRCH, EPERM (we may not), EMFILE or ENFILE (we have no room).
    """
    pidfd = open_thread(tid)
    try:
        taken = _syscall(PIDFD_GETFD, pidfd, ctypes.c_int(number & 0xFFFFFFFF), 0)
        if taken < 0:
            raise _fail()
        return int(taken)
    finally:
        os.close(pidfd)


class TakenSocket(socket.socket):
    """A socket whose `family` and `type` are plain ints.

    The standard ones are made into enum members at every look, which costs as much as four system calls.
    """

    family = _socket.socket.family  # type: ignore[assignment]
    type = _socket.socket.type  # type: ignore[assignment]


def take_socket(tid: int, number: int) -> TakenSocket:
    """As `take_descriptor`. Errors: also ENOTSOCK."""
    taken = take_descriptor(tid, number)
    try:
        return TakenSocket(fileno=taken)
    except OSError:
        os.close(taken)
        raise


def cookie_of(sock: socket.socket) -> bytes:
    """The kernel's name for a socket: unique for as long as the machine runs, whatever its descriptors are."""
    return sock.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8)


def process_of(tid: int) -> int:
    """The process (Tgid) that a thread belongs to. Raises OSError (ENOENT, ESRCH) if it has died."""
    return int(_status(tid, b"Tgid:"), 10)


def command_of(tid: int) -> str:
    """The thread's command name, "?" if it has died."""
    try:
        with open(f"/proc/{tid}/comm", "rb") as file:
            return file.read().rstrip(b"\n").decode(errors="replace")
    except OSError:
        return "?"


def waiting_signals(tid: int) -> int:
    """The signals (bit number - 1 for each) that wait and would have ended an interruptible call of this thread."""
    try:
        with open(f"/proc/{tid}/status", "rb") as file:
            lines = dict(line.split(b":", 1) for line in file if line.startswith((b"Sig", b"Shd")))
    except OSError:
        return 0  # it is dying, and its notification goes with it
    pending = int(lines[b"SigPnd"], 16) | int(lines[b"ShdPnd"], 16)
    # Signals with an ignoring default are never queued, so what is queued and not blocked or ignored has an effect.
    return pending & ~int(lines[b"SigBlk"], 16) & ~int(lines[b"SigIgn"], 16)


def find_socket(inode: int, first: int) -> tuple[int, int] | None:
    """A (pid, descriptor) that refers to the socket `inode`, looking at process `first` before all others.

    For sockets that have moved since they were seen: duplicated and closed, or left to a child. None if nobody whom we
    may look at has it.
    """
    wanted = f"socket:[{inode}]"
    for pid in _processes(first):
        folder = f"/proc/{pid}/fd"
        try:
            for name in os.listdir(folder):
                try:
                    if os.readlink(f"{folder}/{name}") == wanted:
                        return pid, int(name)
                except OSError:
                    continue
        except OSError:
            continue
    return None


def _processes(first: int) -> Iterator[int]:
    yield first
    ours = os.getpid()
    try:
        names = os.listdir("/proc")
    except OSError:
        return  # no descriptor left for it; who asks gets "not found"
    for name in names:
        if name.isdecimal() and int(name) not in (first, ours):
            yield int(name)


def _status(tid: int, field: bytes) -> bytes:
    with open(f"/proc/{tid}/status", "rb") as file:
        for line in file:
            if line.startswith(field):
                return line[len(field) :]
    raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
