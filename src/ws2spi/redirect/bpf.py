"""A small assembler for classic BPF, as much of it as a seccomp filter needs.

Rule 1: nothing here knows what a filter is for; `filters` says that.
Rule 2: jumps go forward only (the kernel's rule), so labels are resolved in one pass from the end.
"""

import struct
from typing import Final

# linux/bpf_common.h: the only instruction classes used here.
LOAD_WORD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
JUMP: Final = 0x05  # BPF_JMP | BPF_JA
JUMP_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
JUMP_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
JUMP_SET: Final = 0x45  # BPF_JMP | BPF_JSET | BPF_K
RETURN: Final = 0x06  # BPF_RET | BPF_K

INSTRUCTION: Final = struct.Struct("=HBBI")  # struct sock_filter: code, jt, jf, k

_MAX_CONDITIONAL = 255  # a conditional jump's offsets are one byte each


class Assembler:
    """Collects instructions with symbolic targets and turns them into the kernel's array.

    A target of `""` means the next instruction.
    """

    def __init__(self) -> None:
        self._code: list[tuple[int, int, str, str]] = []  # (code, k, label when true, label when false)
        self._labels: dict[str, int] = {}  # {label: index of the instruction it stands before}

    def label(self, name: str) -> None:
        """Name the place before the next instruction."""
        if name in self._labels:
            raise ValueError(f"label {name!r} is defined twice")
        self._labels[name] = len(self._code)

    def load(self, offset: int) -> None:
        """Load the 32-bit word at `offset` bytes of struct seccomp_data."""
        self._code.append((LOAD_WORD, offset, "", ""))

    def equal(self, value: int, then: str = "", otherwise: str = "") -> None:
        self._code.append((JUMP_EQUAL, value, then, otherwise))

    def at_least(self, value: int, then: str = "", otherwise: str = "") -> None:
        self._code.append((JUMP_AT_LEAST, value, then, otherwise))

    def has_any(self, mask: int, then: str = "", otherwise: str = "") -> None:
        self._code.append((JUMP_SET, mask, then, otherwise))

    def ret(self, value: int) -> None:
        self._code.append((RETURN, value, "", ""))

    def assemble(self) -> bytes:
        """The instructions as the kernel wants them.

        Errors:
            ValueError: an unknown label, a jump backwards, or one too far for a conditional jump.
        """
        return b"".join(
            INSTRUCTION.pack(code, self._distance(at, true), self._distance(at, false), k)
            for at, (code, k, true, false) in enumerate(self._code)
        )

    def _distance(self, at: int, label: str) -> int:
        if not label:
            return 0
        if label not in self._labels:
            raise ValueError(f"label {label!r} is not defined")
        distance = self._labels[label] - at - 1
        if not 0 <= distance <= _MAX_CONDITIONAL:
            raise ValueError(f"label {label!r} is {distance} instructions away")
        return distance
