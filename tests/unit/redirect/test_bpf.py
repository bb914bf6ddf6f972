"""The assembler: what it emits, and what it refuses."""

import struct

import pytest

from ws2spi.redirect.bpf import INSTRUCTION, Assembler


def instructions(code: bytes) -> list[tuple[int, int, int, int]]:
    return list(INSTRUCTION.iter_unpack(code))


def test_instruction_has_the_kernels_layout() -> None:
    assert INSTRUCTION.size == 8
    code = Assembler()
    code.ret(0x7FFF0000)
    assert code.assemble() == struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000)


def test_jumps_count_the_instructions_between() -> None:
    code = Assembler()
    code.load(0)
    code.equal(1, "yes", "no")
    code.ret(0)
    code.label("no")
    code.ret(1)
    code.label("yes")
    code.ret(2)
    assert instructions(code.assemble())[1] == (0x15, 2, 1, 1)


def test_no_label_means_the_next_instruction() -> None:
    code = Assembler()
    code.has_any(4)
    code.at_least(5)
    code.ret(0)
    assert [(true, false) for _, true, false, _ in instructions(code.assemble())] == [(0, 0)] * 3


def test_unknown_label_is_refused() -> None:
    code = Assembler()
    code.equal(1, "nowhere")
    with pytest.raises(ValueError, match="'nowhere' is not defined"):
        code.assemble()


def test_label_given_twice_is_refused() -> None:
    code = Assembler()
    code.label("here")
    with pytest.raises(ValueError, match="twice"):
        code.label("here")


def test_jump_backwards_is_refused() -> None:
    code = Assembler()
    code.label("start")
    code.load(0)
    code.equal(1, "start")
    with pytest.raises(ValueError, match="-2 instructions away"):
        code.assemble()


@pytest.mark.parametrize(("between", "fits"), [(255, True), (256, False)])
def test_conditional_jump_reaches_255_instructions(between: int, fits: bool) -> None:
    code = Assembler()
    code.equal(1, "far")
    for _ in range(between):
        code.load(0)
    code.label("far")
    code.ret(0)
    if fits:
        assert instructions(code.assemble())[0][1] == 255
    else:
        with pytest.raises(ValueError, match="256 instructions away"):
            code.assemble()
