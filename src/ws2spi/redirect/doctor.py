"""What `ws2spi run` needs of this machine, each tried for real in a child process.

Rule: a check never raises, and its advice is one line that a user can act on.
"""

import errno
import os
import resource
import select
import signal
import socket
from collections.abc import Callable
from contextlib import closing
from typing import Final, NamedTuple

from ws2spi.redirect import filters, seccomp
from ws2spi.redirect.door import Door, forced
from ws2spi.redirect.machine import Machine, this_machine
from ws2spi.redirect.process import PIDFD_THREAD, take_descriptor
from ws2spi.redirect.stone import Stone

_DOCKER: Final = "in a container, start it with --cap-add=SYS_PTRACE (or a seccomp profile that allows {})"
_FEW_DESCRIPTORS: Final = 4096  # two for each relayed connection
_PATIENCE: Final = 5000  # milliseconds for a child to say a word


class Check(NamedTuple):
    """One thing looked at. `advice` is empty where there is nothing to do."""

    name: str
    ok: bool
    detail: str = ""
    advice: str = ""


def checks() -> list[Check]:
    """Everything, in the order in which it matters."""
    machine = this_machine()
    if machine is None:
        name = os.uname().machine
        return [Check("machine", False, name, "ws2spi run has filters for x86_64 and aarch64 only")]
    watched = _Watched(machine)
    try:
        results = [
            Check("machine", True, f"{machine.name}, Linux {os.uname().release}"),
            _guarded("user notifications", lambda: _notifications(machine, watched)),
            _guarded("sockets of another process (pidfd_getfd)", lambda: _sockets(watched)),
            _guarded("answering a call", lambda: _answering(machine, watched)),
            _guarded("calls undisturbed by signals (WAIT_KILLABLE_RECV)", lambda: _killable(watched)),
            _guarded("fast hand-over (SYNC_WAKE_UP)", lambda: _wake_up(watched)),
        ]
    finally:
        watched.end()
    return [
        *results,
        _guarded("threads by pidfd (PIDFD_THREAD)", _threads),
        _guarded("simultaneous open, IPv4", lambda: _simultaneous_open(socket.AF_INET)),
        _guarded("simultaneous open, IPv6", lambda: _simultaneous_open(socket.AF_INET6)),
        _guarded("descriptors", _descriptors),
    ]


def _guarded(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()._replace(name=name)
    except OSError as error:
        return Check(name, False, error.strerror or str(error), "please report this with the output of: uname -a")


class _Watched:
    """A child under the filter of a run, stopped in connect(2). `error` says why there is none."""

    def __init__(self, machine: Machine) -> None:
        self.error = 0
        self.killable = False
        self.listener: seccomp.Listener | None = None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.fork()
        if self.pid == 0:
            _connect_under_filter(machine, theirs)
        theirs.close()
        ours.settimeout(_PATIENCE / 1000)
        with ours:
            try:
                message, descriptors, _, _ = socket.recv_fds(ours, 16, 1)
            except OSError as error:
                message, descriptors = (error.errno or errno.EIO).to_bytes(4, "little"), []
        if descriptors:
            self.killable = message == b"K"
            self.listener = seccomp.Listener(descriptors[0])
        else:
            self.error = int.from_bytes(message[:4], "little") or errno.ECHILD

    def call(self) -> seccomp.Call | None:
        """The call in which the child waits."""
        assert self.listener is not None
        poll = select.poll()
        poll.register(self.listener.fd, select.POLLIN)
        return self.listener.receive() if poll.poll(_PATIENCE) else None

    def end(self) -> None:
        if self.listener is not None:
            os.close(self.listener.fd)
            self.listener = None
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0


def _connect_under_filter(machine: Machine, theirs: socket.socket) -> None:
    """In the child."""
    try:
        code = filters.build(machine, filters.Policy(names=True, errors=True, passing=True))
        try:
            seccomp.forgo_privileges()
            installed = seccomp.install(machine, code)
        except OSError as error:
            theirs.send((error.errno or errno.EIO).to_bytes(4, "little"))
            os._exit(1)
        socket.send_fds(theirs, [b"K" if installed.wait_killable else b"N"], [installed.listener])
        os.close(installed.listener)
        with socket.socket() as sock:
            answer = sock.connect_ex(("127.0.0.1", 1))
        os.write(theirs.fileno(), answer.to_bytes(4, "little"))
        signal.pause()
    finally:
        os._exit(1)


def _notifications(machine: Machine, watched: _Watched) -> Check:
    if watched.error == errno.EBUSY:
        advice = "this shell runs under ws2spi run or another supervisor already: leave it first"
        return Check("", False, "a supervisor is there already", advice)
    if watched.error:
        detail = os.strerror(watched.error)
        return Check("", False, detail, f"Linux 5.9 or newer is needed; {_DOCKER.format('seccomp')}")
    if seccomp.notification_sizes(machine) != seccomp.SIZES:
        return Check("", False, "notifications have another size", "this kernel is newer than this ws2spi: update it")
    return Check("", True)


def _sockets(watched: _Watched) -> Check:
    if watched.listener is None:
        return Check("", False, "not tried")
    try:
        os.close(take_descriptor(watched.pid, 0))
    except OSError as error:
        if error.errno == errno.EBADF:  # the child has no such descriptor, but we might have had it
            return Check("", True)
        if error.errno == errno.ENOSYS:
            return Check("", False, os.strerror(errno.ENOSYS), "Linux 5.6 or newer is needed")
        scope = _yama()
        advice = (
            f"kernel.yama.ptrace_scope is {scope}: set it to 1, or run as root"
            if scope > 1
            else _DOCKER.format("pidfd_getfd and process_vm_readv")
        )
        return Check("", False, os.strerror(error.errno or 0), advice)
    return Check("", True)


def _yama() -> int:
    try:
        with open("/proc/sys/kernel/yama/ptrace_scope") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0


def _answering(machine: Machine, watched: _Watched) -> Check:
    if watched.listener is None:
        return Check("", False, "not tried")
    call = watched.call()
    if call is None or call.number != machine.connect or call.tid != watched.pid:
        return Check("", False, "a connect was not announced", "please report this with the output of: uname -a")
    if not watched.listener.valid(call.id) or not watched.listener.answer(call.id, errno.ECONNREFUSED):
        return Check("", False, "an answer was not taken", "please report this with the output of: uname -a")
    return Check("", True)


def _killable(watched: _Watched) -> Check:
    if watched.listener is None:
        return Check("", False, "not tried")
    if watched.killable:
        return Check("", True)
    return Check("", True, "missing: calls interrupted by signals start again (Linux 5.19 has it)")


def _wake_up(watched: _Watched) -> Check:
    if watched.listener is None:
        return Check("", False, "not tried")
    if watched.listener.speed_up():
        return Check("", True)
    return Check("", True, "missing: each connect costs twice as much (Linux 6.6 has it)")


def _threads() -> Check:
    try:
        os.close(os.pidfd_open(os.getpid(), PIDFD_THREAD))
    except OSError:
        return Check("", True, "missing: threads with descriptors of their own are not served (Linux 6.9 has it)")
    return Check("", True)


def _simultaneous_open(family: int) -> Check:
    try:
        stone = Stone(family)
    except OSError as error:
        if family == socket.AF_INET6:
            return Check("", True, "there is no IPv6 on the loopback")
        return Check("", False, os.strerror(error.errno or 0), "the loopback interface must be up: ip link set lo up")
    with closing(stone):
        if not forced() and stone.works():
            return Check("", True)
    with closing(Door(family)) as door:
        if not door.works():
            advice = "layers cannot be used here: look for firewall rules on the loopback interface"
            return Check("", False, "two sockets on the loopback cannot be connected", advice)
    why = "WS2SPI_NO_SIMULTANEOUS_OPEN is set" if forced() else "missing"
    return Check("", True, f"{why}: an event loop stops for as long as a layer takes to connect")


def _descriptors() -> Check:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= _FEW_DESCRIPTORS:
        return Check("", True, "unlimited" if hard == resource.RLIM_INFINITY else f"at most {hard}")
    advice = f"room for about {hard // 2} relayed connections: raise the hard limit (ulimit -Hn)"
    return Check("", False, f"at most {hard}", advice)
