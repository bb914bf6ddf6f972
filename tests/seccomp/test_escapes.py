"""Nothing makes a TCP connection round the layers."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from support.runs import Server, own, run, tell_and_echo

EXPECTED = {
    "io_uring_setup": "ENOSYS",
    "sendto": "EOPNOTSUPP",
    "sendmsg": "EOPNOTSUPP",
    "sendmmsg": "EOPNOTSUPP",
    "mptcp": "EPROTONOSUPPORT",
    "x32 connect": "ENOSYS",
    "i386 connect": "EACCES",
    "i386 socketcall": "EACCES",
    "i386 io_uring_setup": "ENOSYS",
}


def told(text: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in text.splitlines())


@pytest.mark.parametrize("layers", [[], [own("Control")], [own("Bytes")]], ids=["empty", "control", "bytes"])
def test_other_ways_to_connect_are_refused(
    layers: Sequence[str], compiled: Callable[..., Path], server: Callable[..., Server]
) -> None:
    echo = server(tell_and_echo)
    argv = [compiled("escapes.c"), echo.port]
    native, layered = told(run(None, argv).stdout), run(layers, argv)
    assert layered.returncode == 0
    got = told(layered.stdout)
    for what, expected in EXPECTED.items():
        # Where this kernel has no such call either, its own answer is as good.
        if what in native:
            assert got[what] in (expected, native[what]), what
            assert got[what] != "done", what
    if native.get("i386 getpid") == "done":  # this kernel runs 32-bit programs
        assert got["i386 getpid"] == "done"
        assert got["i386 connect"] == "EACCES"
        assert "escapes" in layered.stderr
        assert "32-bit" in layered.stderr
        assert len(layered.stderr.splitlines()) == 1, "said once"


@pytest.mark.parametrize(
    ("scenario", "word"),
    [
        ("datagrams", "opens a datagram socket: what it sends passes"),
        ("local_sockets", "which passes without layers"),
        ("accepted", "listens at 127.0.0.1:"),
    ],
)
def test_verbose_names_what_passes(scenario: str, word: str) -> None:
    argv = [sys.executable, Path(__file__).with_name("probe.py"), scenario, "127.0.0.1", 9, 9]
    native, layered = run(None, argv), run([own("Bytes")], argv, "-v")
    assert layered.stdout == native.stdout
    lines = layered.stderr.splitlines()
    assert all(line.startswith("ws2spi: ") for line in lines)
    assert any(word in line for line in lines)
