"""What newer kernels make easy, done without.

No WAIT_KILLABLE_RECV (Linux 5.19), no wake-up flag (6.6), no PIDFD_THREAD (6.9).
"""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from support.http_server import HttpServer
from support.runs import PATIENCE, Server, command, own, run, tell_and_echo

OLDER = """
import errno, os, sys
from ws2spi.redirect import seccomp
install, pidfd_open = seccomp.install, os.pidfd_open
def older_pidfd_open(pid, flags=0):
    if flags:
        raise OSError(errno.EINVAL, "no such flag")
    return pidfd_open(pid)
os.pidfd_open = older_pidfd_open
seccomp.install = lambda machine, code: install(machine, code, killable=False)
seccomp.Listener.speed_up = lambda self: False
from ws2spi.cli.main import main
sys.exit(main())
"""


def run_older(layers: Sequence[str], argv: Sequence[object]) -> subprocess.CompletedProcess[str]:
    words = command(layers, [str(word) for word in argv])
    assert words[1:3] == ["-m", "ws2spi.cli.main"]
    words[1:3] = ["-c", OLDER]
    return subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)


@pytest.mark.parametrize("layer", ["Bytes", "Control", "Late"])
def test_storm_of_signals_loses_no_connect(
    layer: str, compiled: Callable[..., Path], server: Callable[..., Server]
) -> None:
    """A signal may take a call away before our answer comes: the same call comes again, and gets that answer.

    Now and then the kernel takes our answer and still lets the signal win; the call that comes again then hears
    EALREADY. So not every first answer is EINPROGRESS, but every connection comes about.
    """
    echo = server(tell_and_echo)
    done = run_older([own(layer)], [compiled("storm.c"), echo.port, 200])
    assert done.returncode == 0
    assert done.stdout.endswith(" connected 200\n")


@pytest.mark.parametrize("layer", ["Gate", "ControlGate"])
def test_held_connect_goes_on_under_signals(
    layer: str, compiled: Callable[..., Path], server: Callable[..., Server], tmp_path: Path
) -> None:
    gate, echo = tmp_path / "gate", server(tell_and_echo)
    done = run_older([own(layer, gate=gate)], [compiled("alarm.c"), echo.port, "restart", gate])
    assert (done.returncode, done.stdout, done.stderr) == (0, "connect ok\nalarms came\n", "")
    assert echo.accepted == 1


@pytest.mark.parametrize("layer", ["Bytes", "Control", "Late"])
def test_static_go_program(layer: str, compiled: Callable[..., Path], http_server: HttpServer) -> None:
    """Its runtime sends itself signals all the time, and its calls come from any of its threads."""
    (http_server.root / "small").write_bytes(b"0123456789" * 2000)
    argv = [compiled("downloads.go"), f"{http_server.url}/small"]
    done = run_older([own(layer)], argv)
    assert (done.stdout, done.stderr) == (run(None, argv).stdout, "")
