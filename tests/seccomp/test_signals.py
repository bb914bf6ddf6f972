"""Signals, time-outs and event loops while a layer takes its time to connect; signals to `ws2spi run` itself."""

import os
import pty
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from support.runs import PATIENCE, Running, Server, command, own, run, tell_and_echo

GATES = ["Gate", "ControlGate"]  # relayed, and by the program's own socket
Start = Callable[..., Running]
Serve = Callable[..., Server]


def wait_for(path: Path) -> None:
    """Until a file exists that a layer or a program makes."""
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.02)):
        if path.exists():
            return
        pause.wait(0.02)
    pytest.fail(f"{path.name} did not appear")


@pytest.mark.parametrize("layer", GATES)
def test_signal_without_restart_interrupts_a_held_connect_and_a_second_one_joins_it(
    layer: str, compiled: Callable[..., Path], server: Serve, running: Start, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    echo = server(tell_and_echo)
    program = running([own(layer, gate=gate)], [compiled("alarm.c"), echo.port, "eintr"])
    assert program.line() == "connect EINTR"
    gate.touch()
    assert program.end() == (0, "again ok\nthen ok\n", "")
    assert echo.accepted == 1


@pytest.mark.parametrize("layer", GATES)
def test_signal_with_restart_leaves_a_held_connect_going(
    layer: str, compiled: Callable[..., Path], server: Serve, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    echo = server(tell_and_echo)
    done = run([own(layer, gate=gate)], [compiled("alarm.c"), echo.port, "restart", gate])
    assert (done.returncode, done.stdout, done.stderr) == (0, "connect ok\nalarms came\n", "")
    assert echo.accepted == 1


@pytest.mark.parametrize("layer", GATES)
def test_send_timeout_ends_a_held_connect_as_the_kernel_does(
    layer: str, compiled: Callable[..., Path], server: Serve, running: Start, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    echo = server(tell_and_echo)
    program = running([own(layer, gate=gate)], [compiled("alarm.c"), echo.port, "timeout", gate])
    assert program.line() == "connect EINPROGRESS"
    assert program.line() == "again EALREADY"
    gate.touch()
    assert program.end() == (0, "then ok\n", "")


@pytest.mark.parametrize("layer", ["Bytes", "Control", "Late"])
def test_storm_of_signals_loses_no_connect(layer: str, compiled: Callable[..., Path], server: Serve) -> None:
    echo = server(tell_and_echo)
    done = run([own(layer)], [compiled("storm.c"), echo.port, 200])
    assert (done.returncode, done.stdout) == (0, "in progress 200 connected 200\n")


@pytest.mark.parametrize("layer", GATES)
def test_wget_connect_timeout(layer: str, need: Callable[[str], str], server: Serve, tmp_path: Path) -> None:
    echo = server(tell_and_echo)
    argv = [need("wget"), "--tries=1", "--connect-timeout=0.5", "-O", os.devnull, f"http://127.0.0.1:{echo.port}/"]
    done = run([own(layer, gate=tmp_path / "never")], argv)
    assert done.returncode == 4, "network failure, as without us"
    assert "timed out" in done.stderr
    assert echo.accepted == 0


LOOP = """
import asyncio, sys
async def main():
    port, gate = int(sys.argv[1]), sys.argv[2]
    connecting = [asyncio.ensure_future(asyncio.open_connection("127.0.0.1", port)) for _ in range(5)]
    for turn in range(20):
        done, _ = await asyncio.wait(connecting, timeout=0.01)
        assert not done, "connected before the gate was open"
    print("turned 20 times")
    open(gate, "x").close()
    for reader, writer in await asyncio.gather(*connecting):
        name = writer.get_extra_info("sockname")
        assert await reader.readline() == f"{name[0]} {name[1]}\\n".encode()
        writer.close()
    print("connected")
asyncio.run(main())
"""


@pytest.mark.parametrize("layer", GATES)
def test_event_loop_goes_on_while_a_layer_connects(layer: str, server: Serve, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    echo = server(tell_and_echo)
    done = run([own(layer, gate=gate)], [sys.executable, "-c", LOOP, echo.port, gate])
    assert (done.stdout, done.stderr, done.returncode) == ("turned 20 times\nconnected\n", "", 0)


ABANDON = """
import asyncio, sys
async def main():
    for _ in range(3):
        try:
            await asyncio.wait_for(asyncio.open_connection("127.0.0.1", int(sys.argv[1])), 0.1)
        except asyncio.TimeoutError:
            print("timed out", flush=True)
asyncio.run(main())
sys.stdin.readline()
"""


def test_abandoned_attempts_are_given_up_below(server: Serve, running: Start, tmp_path: Path) -> None:
    ended = tmp_path / "ended"
    echo = server(tell_and_echo)
    layer = own("Gate", gate=tmp_path / "never", ended=ended)
    program = running([layer], [sys.executable, "-c", ABANDON, echo.port])
    assert [program.line() for _ in range(3)] == ["timed out"] * 3
    wait_for(ended)  # while the program still runs
    program.say("go")
    assert program.end()[0] == 0
    assert ended.read_text() == "here\n" * 3
    assert echo.accepted == 0


# -- signals to the run ------------------------------------------------------------------------------------------------

# os.write, because the signal may come while `print` is still about to return: a buffered writer is not reentrant.
CATCH = """
import os, signal, sys
def caught(number, frame):
    os.write(1, f"caught {signal.Signals(number).name}\\n".encode())
for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, caught)
print("ready", flush=True)
sys.stdin.readline()
sys.exit(7)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGINT])
def test_signal_to_the_run_reaches_the_program(number: signal.Signals, running: Start) -> None:
    program = running([own("Bytes")], [sys.executable, "-c", CATCH])
    assert program.line() == "ready"
    os.kill(program.pid, number)
    assert program.line() == f"caught {number.name}"
    program.say("go")
    assert program.end() == (7, "", "")


def test_program_ended_by_a_signal_gives_128_and_its_number(running: Start) -> None:
    program = running([], ["sh", "-c", "echo ready; exec cat"])
    assert program.line() == "ready"
    os.kill(program.pid, signal.SIGTERM)
    assert program.process.wait(PATIENCE) == 128 + signal.SIGTERM  # before its stdin ends


def on_a_terminal(words: list[str], listen: Callable[[int], None]) -> int:
    """Run `words` in a session with a terminal of its own; `listen(master)` talks to it. Returns the exit status."""
    pid, master = pty.fork()
    if pid == 0:
        try:
            os.execv(words[0], words)
        finally:
            os._exit(99)
    try:
        listen(master)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        os.close(master)


def read_until(master: int, wanted: bytes) -> bytes:
    data = b""
    while wanted not in data:
        try:
            piece = os.read(master, 4096)
        except OSError:  # how a terminal says that nobody has it open any more
            break
        data += piece
    assert wanted in data, data
    return data


def test_interrupt_key_reaches_the_program_once() -> None:
    def listen(master: int) -> None:
        read_until(master, b"ready")
        os.write(master, b"\x03")
        seen = read_until(master, b"caught SIGINT\r\n")
        os.write(master, b"go\n")
        try:
            while piece := os.read(master, 4096):
                seen += piece
        except OSError:
            pass
        assert seen.count(b"caught SIGINT") == 1

    assert on_a_terminal(command([own("Bytes")], [sys.executable, "-c", CATCH]), listen) == 7


@pytest.mark.parametrize("layer", GATES)
def test_interrupt_key_ends_a_held_connect(layer: str, server: Serve, tmp_path: Path) -> None:
    echo, mark = server(tell_and_echo), tmp_path / "mark"
    code = f"import socket; socket.create_connection(('127.0.0.1', {echo.port}))"
    words = command([own(layer, mark=mark, gate=tmp_path / "never")], [sys.executable, "-c", code])

    def listen(master: int) -> None:
        wait_for(mark)
        os.write(master, b"\x03")
        read_until(master, b"KeyboardInterrupt")

    assert on_a_terminal(words, listen) == 128 + signal.SIGINT


def test_terminal_stays_the_programs() -> None:
    code = "import os; print(os.isatty(0), os.tcgetpgrp(0) == os.getpgrp(), flush=True); print(input().upper())"

    def listen(master: int) -> None:
        read_until(master, b"True True")
        os.write(master, b"hello\n")
        read_until(master, b"HELLO")

    assert on_a_terminal(command([own("Bytes")], [sys.executable, "-c", code]), listen) == 0


def test_signal_after_the_program_has_ended_cuts_the_delivery_short(
    server: Serve, running: Start, tmp_path: Path
) -> None:
    seen: list[str] = []
    told = threading.Event()

    def serve(connection: socket.socket) -> None:
        try:
            seen.append(f"{len(connection.recv(100))} bytes")
        except OSError as error:
            seen.append(type(error).__name__)
        told.set()

    mark = tmp_path / "mark"
    echo = server(serve)
    code = f"import socket; socket.create_connection(('127.0.0.1', {echo.port})).sendall(b'x' * 10); print('sent')"
    program = running([own("Sends", mark=mark, gate=tmp_path / "never")], [sys.executable, "-c", code])
    assert program.line() == "sent"
    wait_for(mark)
    pause = threading.Event()
    while children(program.pid):  # the program has ended; what it sent is held by the layer
        pause.wait(0.02)
    assert program.process.poll() is None
    os.kill(program.pid, signal.SIGTERM)
    assert program.end() == (0, "", "")
    assert told.wait(PATIENCE)
    assert seen == ["ConnectionResetError"]


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
