"""`ws2spi run`: start the program under the filter, serve it, leave as it left.

The program is our child, in our process group and on our terminal. Between fork and exec it installs the filter,
hands us the listener, and waits for our word: by then everything that could fail on our side has been tried, so
that nothing is started that could not be served.
"""

import ctypes
import errno
import os
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

from ws2spi._engine import reports
from ws2spi.providers.stack import Stack
from ws2spi.redirect import door, filters, seccomp, signals
from ws2spi.redirect.machine import Machine, this_machine
from ws2spi.redirect.process import take_descriptor
from ws2spi.redirect.stone import Stone

OURS: Final = 125  # the statuses of env(1) and timeout(1)
CANNOT_EXECUTE: Final = 126
NOT_FOUND: Final = 127

_LISTENER = b"L"
_LISTENER_KILLABLE = b"K"
_NO_FILTER = b"F"
_NO_EXEC = b"X"
_GO = b"G"

_YAMA = "/proc/sys/kernel/yama/ptrace_scope"
_PR_SET_CHILD_SUBREAPER = 36


class CannotRunError(Exception):
    """Nothing was started. `status` is what `run` leaves with; str() is the line that says why."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def run(argv: Sequence[str], stack: Stack, *, verbose: int = 0, quiet: bool = False) -> int:
    """Run a program over `stack` and return the exit status to leave with.

    Parameters:
        argv: the program's name, looked up in PATH, and its arguments.
        verbose: above 0, name connections and what passes without layers on stderr.
        quiet: say nothing but why the program could not be started.
    """
    _hold_standard_descriptors()
    before = signals.block()
    if quiet:
        reports.set_sink(lambda text: None)
    try:
        program = Program.start(argv, stack, verbose, before)
    except CannotRunError as refusal:
        signal.pthread_sigmask(signal.SIG_SETMASK, before.mask)  # a signal that came meanwhile ends us now
        try:
            if sys.stderr is not None:  # closed by whoever started us
                sys.stderr.write(f"ws2spi: {refusal}\n")
                sys.stderr.flush()
        except OSError:  # nobody hears it (a full disk); the status still tells
            pass
        return refusal.status
    # Only now, while the program's own start goes on.
    from ws2spi.redirect.session import Session

    return Session(program, stack, verbose).serve()


class Program:
    """The child."""

    def __init__(self, pid: int, machine: Machine, listener: int, killable: bool) -> None:
        self.pid = pid
        self.machine = machine
        self.listener = listener
        self.killable = killable
        self.simultaneous = True  # whether the loopback completes simultaneous opens

    @classmethod
    def start(cls, argv: Sequence[str], stack: Stack, verbose: int, before: signals.Before) -> "Program":
        machine = this_machine()
        if machine is None:
            name = os.uname().machine
            raise CannotRunError(OURS, f"there is no filter for this machine ({name}); x86_64 and aarch64 have one")
        code = filters.build(machine, filters.policy(stack, verbose))
        _refuse_nesting(machine, code)
        simultaneous = _try_loopback(stack, verbose)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours:
            with theirs:
                for stream in (sys.stdout, sys.stderr):
                    if stream is not None:
                        stream.flush()
                pid = os.fork()
                if pid == 0:
                    _become(argv, machine, code, ours, theirs, before)
            try:
                program = cls._meet(pid, machine, ours, argv[0])
                program.simultaneous = simultaneous
                return program
            except BaseException:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                raise

    @classmethod
    def _meet(cls, pid: int, machine: Machine, child: socket.socket, name: str) -> "Program":
        """Take the listener, see that we can work, let the child go, and hear whether it could."""
        message, descriptors, _, _ = socket.recv_fds(child, 16, 1)
        kind, number = message[:1], int.from_bytes(message[1:5], "little")
        if kind == _NO_FILTER:
            raise _no_filter(number)
        if not descriptors:
            raise CannotRunError(OURS, "the program's process ended before it could be started")
        listener = descriptors[0]
        try:
            _try_to_look_into(pid)
            _become_reaper()
            child.send(_GO)
            message = child.recv(16)  # ends without a word when exec has closed the other end
            if message:
                raise _no_exec(int.from_bytes(message[1:5], "little"), name)
        except BaseException:
            os.close(listener)
            raise
        return cls(pid, machine, listener, kind == _LISTENER_KILLABLE)


def _become(
    argv: Sequence[str],
    machine: Machine,
    code: bytes,
    ours: socket.socket,
    theirs: socket.socket,
    before: signals.Before,
) -> NoReturn:
    """In the child: install the filter, hand over the listener, wait for the word, become the program."""
    try:
        ours.close()
        try:
            seccomp.forgo_privileges()
            installed = seccomp.install(machine, code)
        except OSError as error:
            theirs.send(_NO_FILTER + (error.errno or 0).to_bytes(4, "little"))
            os._exit(OURS)
        kind = _LISTENER_KILLABLE if installed.wait_killable else _LISTENER
        socket.send_fds(theirs, [kind], [installed.listener])
        os.close(installed.listener)
        if theirs.recv(16) != _GO:
            os._exit(OURS)
        theirs.send(_NO_EXEC + _execute(argv, before).to_bytes(4, "little"))
    finally:
        os._exit(OURS)


def _execute(argv: Sequence[str], before: signals.Before) -> int:
    """execvp(3), which also runs a script without a first line, as shells do. Returns only with an errno."""
    words = [os.fsencode(word) for word in argv]
    array = (ctypes.c_char_p * (len(words) + 1))(*words, None)
    libc = ctypes.CDLL(None, use_errno=True)
    signals.restore_for_program(before)
    libc.execvp(words[0], array)
    return ctypes.get_errno()


def _no_filter(number: int) -> CannotRunError:
    if number == errno.EBUSY:
        return CannotRunError(
            OURS,
            "this is already running under ws2spi run, or another supervisor, and the kernel allows one only: "
            "give the outer one all the layers",
        )
    return CannotRunError(
        OURS, f"the kernel does not let us watch a program ({os.strerror(number)}): see ws2spi doctor"
    )


def _no_exec(number: int, name: str) -> CannotRunError:
    if number in (errno.ENOENT, errno.ENOTDIR) and not (os.path.sep in name and os.path.exists(name)):
        return CannotRunError(NOT_FOUND, f"{name!r}: no such program")
    return CannotRunError(CANNOT_EXECUTE, f"{name!r} cannot be executed: {os.strerror(number)}")


def _try_to_look_into(pid: int) -> None:
    try:
        os.close(take_descriptor(pid, 0) if _has_descriptor(pid, 0) else os.pidfd_open(pid))
    except OSError as error:
        raise CannotRunError(
            OURS, f"may not take sockets from the program (pidfd_getfd: {error.strerror}): see ws2spi doctor"
        )


def _hold_standard_descriptors() -> None:
    """Where standard input, output or error is closed, keep its number from being given to a socket of ours.

    The program gets it as we did: closed.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)  # the lowest free number, which is this one


def _refuse_nesting(machine: Machine, code: bytes) -> None:
    """Under another supervisor nothing that follows could work, and what we try would go through its layers.

    Only a child can ask, because a filter stays for good.
    """
    with open("/proc/self/status", "rb") as file:
        if b"\nSeccomp:\t2" not in file.read():
            return
    pid = os.fork()
    if pid == 0:
        number = 0
        try:
            seccomp.forgo_privileges()
            seccomp.install(machine, code)
        except OSError as error:
            number = error.errno or errno.EIO
        os._exit(number if number == errno.EBUSY else 0)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == errno.EBUSY:
        raise _no_filter(errno.EBUSY)


def _has_descriptor(pid: int, number: int) -> bool:
    return os.path.lexists(f"/proc/{pid}/fd/{number}")


def _try_loopback(stack: Stack, verbose: int) -> bool:
    """Whether the loopback completes simultaneous opens. One of the two ways to hold a connect must be there."""
    if filters.transparent(stack):
        return True
    if not door.forced():
        stone = Stone()
        try:
            if stone.works():
                return True
        finally:
            stone.close()
    entrance = door.Door()
    try:
        if not entrance.works():
            raise CannotRunError(OURS, "two sockets on the loopback cannot be connected: see ws2spi doctor")
    finally:
        entrance.close()
    if verbose:
        reports.report(
            "no simultaneous open on the loopback: a program that does not wait in connect waits when it asks for the "
            "outcome"
        )
    return False


def _become_reaper() -> None:
    """Under Yama's ptrace_scope 1 we may look into descendants only: daemons must become our children, not init's."""
    try:
        with open(_YAMA) as file:
            restricted = file.read().strip() == "1"
    except OSError:
        return
    if restricted:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
