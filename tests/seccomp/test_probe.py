"""What a program sees of its sockets is what it sees natively, under every kind of stack."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from support.runs import Completed, Server, own, run, tell_and_echo

PROBE = Path(__file__).with_name("probe.py")
STACKS = {
    "empty": [],
    "control": [own("Control")],
    "late": [own("Late")],
    "bytes": [own("Bytes")],
    "late-bytes": [own("Late"), own("Bytes")],
    "held": [own("Late"), own("Bytes")],  # on a kernel without simultaneous open
}
SCENARIOS = [
    "connected_blocking",
    "connected_nonblocking",
    "connected_edge_triggered",
    "refused_blocking",
    "refused_nonblocking",
    "refused_asked_by_connect",
    "refused_many",
    "disconnect",
    "bad_arguments",
    "bad_name_arguments",
    "unconnected_names",
    "half_close",
    "reset_by_server",
    "closed_by_server",
    "bound",
    "any_address",
    "unreachable",
    "other_thread",
    "forked",
    "moved",
    "datagrams",
    "local_sockets",
]


def under(name: str, layers: Sequence[str], argv: Sequence[object]) -> Completed:
    if name != "held":
        return run(layers, argv)
    done = run(layers, argv, env={**os.environ, "WS2SPI_NO_SIMULTANEOUS_OPEN": "1"})
    # Poll ends early there, and what it shows depends on the moment: SO_ERROR is what must be true.
    for line, wanted in (("failed False", "failed True"), ("False ECON", "True ECON"), ("(False,", "(True,")):
        done.stdout = done.stdout.replace(line, wanted)
    return done


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_program_sees_what_it_sees_natively(
    scenario: str, host: str, server: Callable[..., Server], closed_port: int
) -> None:
    echo = server(tell_and_echo, host)
    argv = [sys.executable, PROBE, scenario, host, echo.port, closed_port]
    native = run(None, argv)
    assert native.returncode == 0, native.stderr
    for name, layers in STACKS.items():
        if name.startswith(("late", "held")) and scenario == "unreachable":
            continue  # the kernel says it in connect itself, and a layer that thinks first is asked too late for that
        if (name, scenario, host) == ("held", "refused_many", "::1"):
            continue  # once is enough of what takes seconds
        layered = under(name, layers, argv)
        assert (layered.stderr, layered.returncode) == ("", 0), name
        assert layered.stdout == native.stdout, name


def test_ipv6_socket_to_an_ipv4_host_sees_what_it_sees_natively(
    server: Callable[..., Server], closed_port: int
) -> None:
    echo = server(tell_and_echo)
    argv = [sys.executable, PROBE, "mapped", "127.0.0.1", echo.port, closed_port]
    native = run(None, argv)
    assert native.returncode == 0, native.stderr
    for name, layers in STACKS.items():
        layered = under(name, layers, argv)
        assert (layered.stdout, layered.stderr, layered.returncode) == (native.stdout, "", 0), name
