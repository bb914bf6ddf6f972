"""The tables of system calls, held against the kernel's own headers where they are installed."""

import re
from pathlib import Path

import pytest

from ws2spi.redirect import machine
from ws2spi.redirect.machine import AARCH64, X86_64, Machine

HEADERS = Path("/usr/include")
TABLES = {
    "x86_64": (X86_64, [HEADERS / "x86_64-linux-gnu/asm/unistd_64.h", HEADERS / "asm/unistd_64.h"]),
    "aarch64": (AARCH64, [HEADERS / "asm-generic/unistd.h"]),  # what arm64 uses
}
CALLS = [
    *("seccomp", "socket", "connect", "listen", "sendto", "sendmsg", "sendmmsg", "getsockname", "getpeername"),
    "getsockopt",
]


def read(*places: Path) -> str:
    for place in places:
        if place.exists():
            return place.read_text()
    pytest.skip(f"{places[0]} is not installed")


@pytest.mark.parametrize("name", TABLES)
def test_numbers_are_the_kernels(name: str) -> None:
    table, places = TABLES[name]
    numbers = {word: int(number) for word, number in re.findall(r"#define __NR_(\w+) (\d+)", read(*places))}
    assert {call: getattr(table, call) for call in CALLS} == {call: numbers[call] for call in CALLS}
    assert numbers.get("io_uring_setup", 425) == machine.IO_URING_SETUP
    assert numbers.get("pidfd_getfd", 438) == machine.PIDFD_GETFD


@pytest.mark.parametrize(
    ("table", "native", "compat"), [(X86_64, ("X86_64", 62), ("386", 3)), (AARCH64, ("AARCH64", 183), ("ARM", 40))]
)
def test_audit_values_are_the_kernels(table: Machine, native: tuple[str, int], compat: tuple[str, int]) -> None:
    numbers = dict(re.findall(r"#define EM_(\w+)\s+(\d+)", read(HEADERS / "linux/elf-em.h")))
    for name, number in (native, compat):
        assert int(numbers[name]) == number
    assert table.audit == native[1] | 0xC0000000  # 64 bit, little-endian
    assert table.compat.audit == compat[1] | 0x40000000
