"""Which system calls of the program come to the supervisor: the policy, as a classic BPF program.

Rules:
1. What the filter can decide from registers, it decides: a call it lets pass costs 0.3 µs, a notification 10 µs.
2. It never lets pass what could make a TCP connection: connect is always asked about, MSG_FASTOPEN is answered
   EOPNOTSUPP (what a machine with TCP Fast Open switched off answers; every user of it falls back to connect),
   io_uring_setup is answered ENOSYS (a ring connects without a system call), MPTCP sockets EPROTONOSUPPORT (their
   users fall back to TCP).
3. 32-bit programs run, but get no connection: their connects come to the supervisor, which refuses and names them.
   The x32 ABI answers ENOSYS, as on a kernel built without it. An architecture we do not know is ended.
"""

import errno
import socket
from typing import Final, NamedTuple

from ws2spi.providers.stack import Stack
from ws2spi.redirect.bpf import Assembler
from ws2spi.redirect.machine import IO_URING_SETUP, Compat, Machine

ALLOW: Final = 0x7FFF0000  # SECCOMP_RET_ALLOW
NOTIFY: Final = 0x7FC00000  # SECCOMP_RET_USER_NOTIF
FAIL: Final = 0x00050000  # SECCOMP_RET_ERRNO, the error in the low 16 bits
KILL: Final = 0x80000000  # SECCOMP_RET_KILL_PROCESS

# struct seccomp_data: int nr; __u32 arch; __u64 instruction_pointer; __u64 args[6]
NR: Final = 0
ARCH: Final = 4

DATAGRAM_BIT: Final = 2  # in SOCK_DGRAM (2) and SOCK_RAW (3), not in SOCK_STREAM (1)
MSG_FASTOPEN: Final = 0x20000000
IPPROTO_MPTCP: Final = 262
SOCKETCALL_CONNECT: Final = 3
SOCKETCALL_SENDERS: Final = (11, 16, 20)  # sendto, sendmsg, sendmmsg: their flags are out of the filter's sight


def argument(index: int) -> int:
    """Offset of the low 32 bits of a call's argument (both machines are little-endian)."""
    return 16 + 8 * index


class Policy(NamedTuple):
    """What one run wants to be asked about, beside connect."""

    names: bool  # getpeername, getsockname: the kernel's answer may differ from the one the program would have seen
    errors: bool  # getsockopt(SO_ERROR): a failed attempt's error may be one that the kernel cannot be made to hold
    passing: bool  # listen(), and socket() of a datagram socket: to name what passes


def transparent(stack: Stack) -> bool:
    """Whether no layer wants to know of connects or bytes."""
    return stack.ifs and stack.plan.answers(-1, "connect") is None


def policy(stack: Stack, verbose: int) -> Policy:
    """What a run of `stack` must be asked about."""
    names = not transparent(stack)
    return Policy(names=names, errors=names, passing=verbose > 0)


def build(machine: Machine, policy: Policy) -> bytes:
    """The filter, as an array of struct sock_filter."""
    code = Assembler()
    code.load(ARCH)
    code.equal(machine.audit, "native")
    code.equal(machine.compat.audit, "compat", "kill")
    code.label("native")
    code.load(NR)
    if machine.x32_bit is not None:
        code.at_least(machine.x32_bit, "enosys")
    _native(code, machine, policy)
    code.label("compat")
    code.load(NR)
    _compat(code, machine.compat)
    _verdicts(code)
    return code.assemble()


def _native(code: Assembler, machine: Machine, policy: Policy) -> None:
    code.equal(machine.sendto, "sendto")  # the hot ones first
    code.equal(machine.sendmsg, "flags in third")
    code.equal(machine.sendmmsg, "flags in fourth")
    code.equal(machine.connect, "notify")
    if policy.names:
        code.equal(machine.getpeername, "notify")
        code.equal(machine.getsockname, "notify")
    if policy.errors:
        code.equal(machine.getsockopt, "getsockopt")
    if policy.passing:
        code.equal(machine.listen, "notify")
    code.equal(machine.socket, "socket")
    code.equal(IO_URING_SETUP, "enosys", "allow")

    code.label("sendto")
    code.load(argument(3))
    code.has_any(MSG_FASTOPEN, "no fast open")
    code.ret(ALLOW)

    if policy.errors:
        code.label("getsockopt")
        code.load(argument(1))
        code.equal(socket.SOL_SOCKET, "", "allow")
        code.load(argument(2))
        code.equal(socket.SO_ERROR, "notify", "allow")

    code.label("socket")
    code.load(argument(2))
    code.equal(IPPROTO_MPTCP, "no protocol")
    if policy.passing:
        code.load(argument(0))
        code.equal(socket.AF_INET, "internet")
        code.equal(socket.AF_INET6, "internet", "allow")
        code.label("internet")
        code.load(argument(1))
        code.has_any(DATAGRAM_BIT, "notify")
    code.ret(ALLOW)


def _compat(code: Assembler, compat: Compat) -> None:
    code.equal(compat.connect, "notify")
    code.equal(compat.sendto, "flags in fourth")
    code.equal(compat.sendmmsg, "flags in fourth")
    code.equal(compat.sendmsg, "flags in third")
    if compat.socketcall is not None:
        code.equal(compat.socketcall, "socketcall")
    code.equal(IO_URING_SETUP, "enosys", "allow")
    if compat.socketcall is not None:
        code.label("socketcall")
        code.load(argument(0))
        for number in (SOCKETCALL_CONNECT, *SOCKETCALL_SENDERS):
            code.equal(number, "notify")
        code.ret(ALLOW)


def _verdicts(code: Assembler) -> None:
    code.label("flags in third")
    code.load(argument(2))
    code.has_any(MSG_FASTOPEN, "no fast open", "allow")
    code.label("flags in fourth")
    code.load(argument(3))
    code.has_any(MSG_FASTOPEN, "no fast open", "allow")
    for label, verdict in (
        ("allow", ALLOW),
        ("notify", NOTIFY),
        ("no fast open", FAIL | errno.EOPNOTSUPP),
        ("no protocol", FAIL | errno.EPROTONOSUPPORT),
        ("enosys", FAIL | errno.ENOSYS),
        ("kill", KILL),
    ):
        code.label(label)
        code.ret(verdict)
