"""Numbers of the system calls we look at, for each machine we run on.

Rule: a number is written here once, with the name the kernel gives it; nothing else knows any.
Source: the kernel's syscall tables (arch/x86/entry/syscalls, arch/arm/tools/syscall.tbl, include/uapi/asm-generic).
"""

import os
from typing import Final, NamedTuple

AUDIT_ARCH_X86_64: Final = 0xC000003E
AUDIT_ARCH_I386: Final = 0x40000003
AUDIT_ARCH_AARCH64: Final = 0xC00000B7
AUDIT_ARCH_ARM: Final = 0x40000028

IO_URING_SETUP: Final = 425  # one number everywhere: calls since Linux 5.1 share it
PIDFD_GETFD: Final = 438


class Compat(NamedTuple):
    """The 32-bit calls a 64-bit kernel also serves; a program that uses them gets no connection."""

    audit: int
    connect: int
    sendto: int
    sendmsg: int
    sendmmsg: int
    socketcall: int | None  # i386 only: all socket calls through one number, arguments in memory


class Machine(NamedTuple):
    """What a filter for one machine needs to know."""

    name: str
    audit: int
    seccomp: int
    socket: int
    connect: int
    listen: int
    sendto: int
    sendmsg: int
    sendmmsg: int
    getsockname: int
    getpeername: int
    getsockopt: int
    x32_bit: int | None  # x86_64 only: calls of the x32 ABI carry this bit and the same audit value
    compat: Compat


X86_64: Final = Machine(
    name="x86_64",
    audit=AUDIT_ARCH_X86_64,
    seccomp=317,
    socket=41,
    connect=42,
    listen=50,
    sendto=44,
    sendmsg=46,
    sendmmsg=307,
    getsockname=51,
    getpeername=52,
    getsockopt=55,
    x32_bit=0x40000000,
    compat=Compat(AUDIT_ARCH_I386, connect=362, sendto=369, sendmsg=370, sendmmsg=345, socketcall=102),
)

AARCH64: Final = Machine(
    name="aarch64",
    audit=AUDIT_ARCH_AARCH64,
    seccomp=277,
    socket=198,
    connect=203,
    listen=201,
    sendto=206,
    sendmsg=211,
    sendmmsg=269,
    getsockname=204,
    getpeername=205,
    getsockopt=209,
    x32_bit=None,
    compat=Compat(AUDIT_ARCH_ARM, connect=283, sendto=290, sendmsg=296, sendmmsg=374, socketcall=None),
)

MACHINES: Final = {machine.name: machine for machine in (X86_64, AARCH64)}  # {os.uname().machine: Machine}


def this_machine() -> Machine | None:
    """The machine we run on, or None where the filter has no table for it."""
    return MACHINES.get(os.uname().machine)
