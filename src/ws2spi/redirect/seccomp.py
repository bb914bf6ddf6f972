"""Installing a filter with a listener, and talking through the listener.

Rule: no decisions. What to trap is `filters`' business, what to answer `supervisor`'s.
Source: seccomp(2), seccomp_unotify(2), include/uapi/linux/seccomp.h.
"""

import ctypes
import errno
import fcntl
import os
import struct
from typing import Final, NamedTuple

from ws2spi.redirect.bpf import INSTRUCTION
from ws2spi.redirect.machine import Machine

PR_SET_NO_NEW_PRIVS: Final = 38
SET_MODE_FILTER: Final = 1
GET_ACTION_AVAIL: Final = 2
GET_NOTIF_SIZES: Final = 3
FLAG_NEW_LISTENER: Final = 1 << 3
FLAG_WAIT_KILLABLE_RECV: Final = 1 << 5

IOCTL_RECV: Final = 0xC0502100
IOCTL_SEND: Final = 0xC0182101
IOCTL_ID_VALID: Final = 0x40082102
IOCTL_SET_FLAGS: Final = 0x40082104
FD_SYNC_WAKE_UP: Final = 1

RESPONSE_CONTINUE: Final = 1  # SECCOMP_USER_NOTIF_FLAG_CONTINUE

# struct seccomp_notif: __u64 id; __u32 pid, flags; struct seccomp_data { int nr; __u32 arch; __u64 ip, args[6]; }
_NOTIFICATION: Final = struct.Struct("=QIIiIQ6Q")
_RESPONSE: Final = struct.Struct("=QqiI")  # struct seccomp_notif_resp: __u64 id; __s64 val; __s32 error; __u32 flags
_ID: Final = struct.Struct("=Q")
SIZES: Final = (_NOTIFICATION.size, _RESPONSE.size, 64)

_libc = ctypes.CDLL(None, use_errno=True)


def _fail() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


class Installed(NamedTuple):
    listener: int  # file descriptor
    wait_killable: bool


def seccomp(machine: Machine, operation: int, flags: int, argument: object) -> int:
    """seccomp(2). Raises OSError."""
    number = ctypes.c_long(machine.seccomp)
    result = int(_libc.syscall(number, ctypes.c_uint(operation), ctypes.c_uint(flags), argument))
    if result < 0:
        raise _fail()
    return result


def forgo_privileges() -> None:
    """PR_SET_NO_NEW_PRIVS: what allows an ordinary user to install a filter. Set-uid programs no longer gain by it."""
    one, zero = ctypes.c_ulong(1), ctypes.c_ulong(0)
    if _libc.prctl(PR_SET_NO_NEW_PRIVS, one, zero, zero, zero):
        raise _fail()


def install(machine: Machine, code: bytes, *, killable: bool = True) -> Installed:
    """Put the calling thread, and all it will start, under the filter `code`.

    Parameters:
        killable: ask for WAIT_KILLABLE_RECV (Linux 5.19), under which a call that the supervisor has seen is
            interrupted by fatal signals only; without it a Go program's preemption signals restart its calls.
    Errors:
        OSError: EBUSY when a filter above has a listener already; ENOSYS or EINVAL where the kernel has none.
    """
    program = _Program(len(code) // INSTRUCTION.size, code)
    if killable:
        try:
            flags = FLAG_NEW_LISTENER | FLAG_WAIT_KILLABLE_RECV
            return Installed(seccomp(machine, SET_MODE_FILTER, flags, ctypes.byref(program)), True)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
    return Installed(seccomp(machine, SET_MODE_FILTER, FLAG_NEW_LISTENER, ctypes.byref(program)), False)


def notification_sizes(machine: Machine) -> tuple[int, int, int]:
    """The kernel's sizes of a notification, a response and the data in it."""
    sizes = (ctypes.c_ushort * 3)()
    seccomp(machine, GET_NOTIF_SIZES, 0, ctypes.byref(sizes))
    return sizes[0], sizes[1], sizes[2]


class Call(NamedTuple):
    """A system call of the program that waits for our answer."""

    id: int
    tid: int  # a thread id, not a process id
    number: int
    architecture: int
    arguments: tuple[int, int, int, int, int, int]


class Listener:
    """The supervisor's end of a filter."""

    __slots__ = ("_request", "_response", "fd")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._request = bytearray(_NOTIFICATION.size)
        self._response = bytearray(_RESPONSE.size)

    def speed_up(self) -> bool:
        """Ask for the synchronous wake-up (Linux 6.6), which halves the cost of a call. Returns whether it is there."""
        try:
            fcntl.ioctl(self.fd, IOCTL_SET_FLAGS, FD_SYNC_WAKE_UP)
        except OSError:
            return False
        return True

    def receive(self) -> Call | None:
        """The next call. None if it has gone: its thread was killed between epoll's word and ours.

        Blocks when epoll has said nothing.
        """
        request = self._request
        request[:] = _ZEROS  # the kernel refuses a buffer that is not clear
        try:
            fcntl.ioctl(self.fd, IOCTL_RECV, request, True)
        except FileNotFoundError:
            return None
        id_, tid, _, number, architecture, _, a, b, c, d, e, f = _NOTIFICATION.unpack(request)
        return Call(id_, tid, number, architecture, (a, b, c, d, e, f))

    def answer(self, id_: int, error: int = 0) -> bool:
        """Let the call return 0, or -1 with `error` as errno.

        Returns False if nobody waits any more: the thread has died or (without WAIT_KILLABLE_RECV) left for a signal,
        after which its call may come again under a new id.
        """
        return self._send(id_, -error, 0)

    def pass_on(self, id_: int) -> bool:
        """Let the kernel do the call."""
        return self._send(id_, 0, RESPONSE_CONTINUE)

    def _send(self, id_: int, error: int, flags: int) -> bool:
        response = self._response
        _RESPONSE.pack_into(response, 0, id_, 0, error, flags)
        try:
            fcntl.ioctl(self.fd, IOCTL_SEND, response, True)
        except FileNotFoundError:
            return False
        return True

    def valid(self, id_: int) -> bool:
        """Whether the thread still waits, so that its tid still means it."""
        try:
            fcntl.ioctl(self.fd, IOCTL_ID_VALID, _ID.pack(id_))
        except OSError:
            return False
        return True


_ZEROS: Final = bytes(_NOTIFICATION.size)
