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
ENDING: Final = FORWARDED - {signal.SIGWINCH, signal.SIGUSR1, signal.SIGUSR2}

_SI_KERNEL: Final = 0x80
_SFD_FLAGS: Final = os.O_CLOEXEC | os.O_NONBLOCK
_SIGINFO: Final = struct.Struct("=Iii116x")  # struct signalfd_siginfo: number, errno, code, …


class Received(NamedTuple):
    number: int
    from_terminal: bool


def block() -> set[int]:
    """Keep the signals from ending this process. Returns the mask to give back to the program."""
    return set(signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED))


def open_descriptor() -> int:
    """A descriptor that shows input while a blocked signal waits."""
    mask = sum(1 << (number - 1) for number in FORWARDED)
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


def restore_for_program(mask: set[int]) -> None:
    """In the child: the signals as they were before Python and we came. To be called just before exec."""
    # Python ignores these two for itself, and an ignored signal stays ignored across exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
