"""The filter's verdicts, found by running its program as the kernel would."""

import errno
import struct

import pytest

from ws2spi.providers.layer import Layer
from ws2spi.providers.stack import Stack
from ws2spi.redirect import bpf, filters
from ws2spi.redirect.filters import ALLOW, FAIL, KILL, MSG_FASTOPEN, NOTIFY, Policy
from ws2spi.redirect.machine import AARCH64, AUDIT_ARCH_ARM, AUDIT_ARCH_I386, MACHINES, X86_64, Machine

EVERYTHING = Policy(names=True, errors=True, passing=True)
NOTHING = Policy(names=False, errors=False, passing=False)


def verdict(code: bytes, audit: int, number: int, *arguments: int) -> int:
    """Run a filter on one call."""
    given = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("=iIQ6Q", number, audit, 0, *(word & 0xFFFFFFFFFFFFFFFF for word in given))
    program = list(bpf.INSTRUCTION.iter_unpack(code))
    at, accumulator = 0, 0
    while True:
        operation, true, false, k = program[at]
        at += 1
        if operation == bpf.RETURN:
            return k
        if operation == bpf.LOAD_WORD:
            (accumulator,) = struct.unpack_from("=I", data, k)
        else:
            holds = {
                bpf.JUMP_EQUAL: accumulator == k,
                bpf.JUMP_AT_LEAST: accumulator >= k,
                bpf.JUMP_SET: bool(accumulator & k),
            }[operation]
            at += true if holds else false


@pytest.fixture(params=MACHINES.values(), ids=lambda machine: machine.name)
def machine(request: pytest.FixtureRequest) -> Machine:
    return request.param  # type: ignore[no-any-return]


def on(machine: Machine, policy: Policy, number: int, *arguments: int) -> int:
    return verdict(filters.build(machine, policy), machine.audit, number, *arguments)


def test_connect_is_always_asked_about(machine: Machine) -> None:
    for policy in (NOTHING, EVERYTHING):
        assert on(machine, policy, machine.connect, 3, 0x7F0000000000, 16) == NOTIFY


def test_other_calls_pass(machine: Machine) -> None:
    trapped = {machine.connect, machine.getpeername, machine.getsockname, machine.listen}
    for number in range(600):
        if number not in trapped and number != 425:
            assert on(machine, EVERYTHING, number) == ALLOW, number


def test_listeners_are_asked_about_only_to_be_named(machine: Machine) -> None:
    assert on(machine, EVERYTHING, machine.listen, 3, 5) == NOTIFY
    assert on(machine, NOTHING, machine.listen, 3, 5) == ALLOW


def test_names_are_asked_about_when_they_may_differ(machine: Machine) -> None:
    for number in (machine.getpeername, machine.getsockname):
        assert on(machine, EVERYTHING, number, 3) == NOTIFY
        assert on(machine, NOTHING, number, 3) == ALLOW


@pytest.mark.parametrize(
    ("level", "option", "asked"), [(1, 4, True), (1, 3, False), (6, 4, False), (1 | 1 << 32, 4, True)]
)
def test_of_options_only_so_error_is_asked_about(machine: Machine, level: int, option: int, asked: bool) -> None:
    """The kernel takes an int: what stands above 32 bits is nothing to it, and must be nothing to us."""
    assert on(machine, EVERYTHING, machine.getsockopt, 3, level, option) == (NOTIFY if asked else ALLOW)
    assert on(machine, NOTHING, machine.getsockopt, 3, level, option) == ALLOW


def test_fast_open_is_answered_as_where_it_is_switched_off(machine: Machine) -> None:
    refused = FAIL | errno.EOPNOTSUPP
    for flags in (MSG_FASTOPEN, MSG_FASTOPEN | 0x4000, MSG_FASTOPEN | 1 << 40):
        assert on(machine, NOTHING, machine.sendto, 3, 1, 1, flags, 0, 0) == refused
        assert on(machine, NOTHING, machine.sendmsg, 3, 1, flags) == refused
        assert on(machine, NOTHING, machine.sendmmsg, 3, 1, 1, flags) == refused
    for flags in (0, 0x4000, 1 << 61):
        assert on(machine, EVERYTHING, machine.sendto, 3, 1, 1, flags, 1, 16) == ALLOW
        assert on(machine, EVERYTHING, machine.sendmsg, 3, 1, flags) == ALLOW
        assert on(machine, EVERYTHING, machine.sendmmsg, 3, 1, 1, flags) == ALLOW


@pytest.mark.parametrize(
    ("family", "type", "asked"),
    [
        (2, 2, True),
        (10, 2, True),
        (2, 3, True),
        (2, 2 | 0o2004000, True),
        (2, 1, False),
        (10, 1 | 0o2004000, False),
        (1, 2, False),
    ],
)
def test_datagram_sockets_are_asked_about_when_they_are_to_be_named(
    machine: Machine, family: int, type: int, asked: bool
) -> None:
    assert on(machine, EVERYTHING, machine.socket, family, type, 0) == (NOTIFY if asked else ALLOW)
    assert on(machine, NOTHING, machine.socket, family, type, 0) == ALLOW


def test_mptcp_sockets_are_refused(machine: Machine) -> None:
    assert on(machine, NOTHING, machine.socket, 2, 1, 262) == FAIL | errno.EPROTONOSUPPORT
    for protocol in (0, 6, 17):
        assert on(machine, NOTHING, machine.socket, 2, 1, protocol) == ALLOW


def test_io_uring_is_not_there(machine: Machine) -> None:
    code = filters.build(machine, NOTHING)
    for audit in (machine.audit, machine.compat.audit):
        assert verdict(code, audit, 425, 8) == FAIL | errno.ENOSYS


def test_x32_calls_are_not_there() -> None:
    for number in (0x40000000 + 42, 0x40000000 + 518, 0x40000000):
        assert on(X86_64, NOTHING, number) == FAIL | errno.ENOSYS


def test_32_bit_programs_run_but_their_connects_are_asked_about(machine: Machine) -> None:
    code, compat = filters.build(machine, NOTHING), machine.compat
    assert verdict(code, compat.audit, compat.connect, 3) == NOTIFY
    assert verdict(code, compat.audit, compat.sendmsg, 3, 1, MSG_FASTOPEN) == FAIL | errno.EOPNOTSUPP
    assert verdict(code, compat.audit, compat.sendto, 3, 1, 1, MSG_FASTOPEN) == FAIL | errno.EOPNOTSUPP
    assert verdict(code, compat.audit, 20) == ALLOW
    if compat.socketcall is not None:
        for call, expected in ((1, ALLOW), (3, NOTIFY), (11, NOTIFY), (16, NOTIFY), (20, NOTIFY), (17, ALLOW)):
            assert verdict(code, compat.audit, compat.socketcall, call, 1) == expected


@pytest.mark.parametrize("audit", [0, AUDIT_ARCH_I386, AUDIT_ARCH_ARM, 0xC000003E, 0xC00000B7, 0xFFFFFFFF])
def test_unknown_architecture_is_ended(audit: int, machine: Machine) -> None:
    if audit not in (machine.audit, machine.compat.audit):
        assert verdict(filters.build(machine, EVERYTHING), audit, machine.connect) == KILL


def test_tables_differ_where_the_machines_do() -> None:
    assert X86_64.connect == 42
    assert AARCH64.connect == 203


class Watch(Layer):
    async def connect(self, conn: object, address: object) -> None: ...


class Bytes(Layer):
    async def send(self, conn: object, data: bytes) -> None: ...


class Closes(Layer):
    async def close(self, conn: object) -> None: ...


@pytest.mark.parametrize(
    ("layers", "transparent"), [([], True), ([Closes()], True), ([Watch()], False), ([Closes(), Bytes()], False)]
)
def test_policy_follows_the_stack(layers: list[Layer], transparent: bool) -> None:
    stack = Stack(layers)
    assert filters.transparent(stack) is transparent
    assert filters.policy(stack, 0) == Policy(names=not transparent, errors=not transparent, passing=False)
    assert filters.policy(stack, 1).passing
