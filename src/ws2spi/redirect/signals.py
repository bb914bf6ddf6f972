"""Signals to `ws2spi run` itself: passed to the program while it lives, and a wish to end once it does not.

A signal from the terminal reaches the program directly, for both are in its foreground process group; passing it on
would deliver it twice. The kernel marks such signals (SI_KERNEL), which a Python signal handler cannot see: so they
are blocked and read from a signalfd.
"""

import ctypes
import os
import signal
import struct
from typing import Final, NamedTuple

FORWARDED: Final = frozenset(
    {
        signal.SIGHUP,
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGTERM,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGWINCH,
    }
)
_BLOCKED: Final = FORWARDED | {signal.SIGCHLD}
ENDING: Final = FORWARDED - {signal.SIGWINCH, signal.SIGUSR1, signal.SIGUSR2}

_SI_KERNEL: Final = 0x80
_SFD_FLAGS: Final = os.O_CLOEXEC | os.O_NONBLOCK
_SIGINFO: Final = struct.Struct("=Iii116x")  # struct signalfd_siginfo: number, errno, code, …


class Received(NamedTuple):
    number: int
    from_terminal: bool


class Before(NamedTuple):
    """What `restore_for_program` gives back."""

    mask: set[int]
    children_ignored: bool  # SIGCHLD, which makes the kernel forget how children ended


def block() -> Before:
    """Keep the signals from ending this process, and have the kernel remember how children end."""
    ignored = signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return Before(set(signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)), ignored)


def open_descriptor() -> int:
    """A descriptor that shows input while a blocked signal waits."""
    mask = sum(1 << (number - 1) for number in _BLOCKED)
    words = mask.to_bytes(128, "little")  # sigset_t
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = int(libc.signalfd(-1, words, _SFD_FLAGS))
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return descriptor


def read(descriptor: int) -> Received | None:
    """The next signal, None if there is none."""
    try:
        data = os.read(descriptor, _SIGINFO.size)
    except BlockingIOError:
        return None
    number, _, code = _SIGINFO.unpack(data)
    return Received(number, code == _SI_KERNEL)


def restore_for_program(before: Before) -> None:
    """In the child: the signals as they were before Python and we came. To be called just before exec."""
    # Python ignores these two for itself, and an ignored signal stays ignored across exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    if before.children_ignored:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, before.mask)
