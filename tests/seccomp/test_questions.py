"""Without simultaneous open: what a program asks about its connect waits for the outcome, and nothing else changes."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from support.runs import PATIENCE, Running, Server, own, run, tell_and_echo

Start = Callable[..., Running]
Serve = Callable[..., Server]

BEGIN = """
import errno, os, select, signal, socket, struct, sys, threading
port, gate = int(sys.argv[1]), sys.argv[2]
def begin():
    sock = socket.socket()
    sock.setblocking(False)
    assert sock.connect_ex(("127.0.0.1", port)) == errno.EINPROGRESS
    assert select.select([], [sock], [], 20)[1]
    print("asks", flush=True)
    return sock
def error(sock):
    return errno.errorcode.get(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), "none")
def peer(sock):
    while True:
        try:
            return sock.getpeername()
        except OSError as failure:  # it waits for a second only
            assert failure.errno == errno.ENOTCONN
sock = begin()
"""


@pytest.fixture(autouse=True)
def held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WS2SPI_NO_SIMULTANEOUS_OPEN", "1")


def python(code: str, *arguments: object) -> list[object]:
    return [sys.executable, "-c", BEGIN + code, *arguments]


ASKS = {
    "SO_ERROR": "print(error(sock), os.path.exists(gate))",
    "getpeername": "print(peer(sock) == ('127.0.0.1', port), os.path.exists(gate))",
    "connect": "print(sock.connect_ex(('127.0.0.1', port)), os.path.exists(gate))",
}
TOLD = {"SO_ERROR": "none True", "getpeername": "True True", "connect": "0 True"}


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("layer", ["Gate", "ControlGate"])
def test_question_is_answered_when_the_layers_have_connected(
    layer: str, ask: str, server: Serve, running: Start, tmp_path: Path
) -> None:
    gate, echo = tmp_path / "gate", server(tell_and_echo)
    code = (
        ASKS[ask]
        + "\nsock.setblocking(True); print(sock.recv(100) == b'%s %d\\n' % (b'127.0.0.1', sock.getsockname()[1]))"
    )
    program = running([own(layer, gate=gate)], python(code, echo.port, gate))
    assert program.line() == "asks"
    assert echo.accepted == 0
    gate.touch()
    assert program.end() == (0, f"{TOLD[ask]}\nTrue\n", "")
    assert echo.accepted == 1


REFUSED = {
    "SO_ERROR": ("print(error(sock), error(sock))", "EACCES none"),
    "getpeername": (
        "try: sock.getpeername()\nexcept OSError as failure: print(errno.errorcode[failure.errno], error(sock))",
        "ENOTCONN EACCES",
    ),
    "connect": ("print(sock.connect_ex(('127.0.0.1', port)), error(sock))", "13 none"),
}


@pytest.mark.parametrize("ask", REFUSED)
def test_question_is_answered_with_the_layers_refusal(ask: str, server: Serve, running: Start, tmp_path: Path) -> None:
    gate, echo = tmp_path / "gate", server(tell_and_echo)
    code, told = REFUSED[ask]
    program = running([own("Refuse", error=13, gate=gate), own("Bytes")], python(code, echo.port, gate))
    assert program.line() == "asks"
    gate.touch()
    assert program.end() == (0, told + "\n", "")
    assert echo.accepted == 0


def test_peer_is_asked_for_a_second_only(server: Serve, running: Start, tmp_path: Path) -> None:
    """Who only wants to show a socket hears at last what it hears natively."""
    code = "try: sock.getpeername()\nexcept OSError as failure: print(errno.errorcode[failure.errno])"
    program = running([own("Gate", gate=tmp_path / "never")], python(code, server(tell_and_echo).port, "-"))
    assert program.end() == (0, "asks\nENOTCONN\n", "")


def test_interrupt_reaches_a_program_that_asks(server: Serve, running: Start, tmp_path: Path) -> None:
    program = running([own("Gate", gate=tmp_path / "never")], python("error(sock)", server(tell_and_echo).port, "-"))
    assert program.line() == "asks"
    os.kill(program.pid, signal.SIGINT)
    status, out, err = program.end()
    assert (status, out) == (128 + signal.SIGINT, "")
    assert "KeyboardInterrupt" in err


def test_other_signals_run_their_handlers_and_the_question_goes_on(
    server: Serve, running: Start, tmp_path: Path
) -> None:
    """Nobody is prepared for an EINTR from getsockopt. In Python a handler waits for it to return, in C it runs."""
    gate, echo = tmp_path / "gate", server(tell_and_echo)
    code = """
read, write = os.pipe()
os.set_blocking(write, False)
signal.signal(signal.SIGUSR1, lambda number, frame: None)
signal.set_wakeup_fd(write)
pid = os.getpid()
if os.fork() == 0:  # no thread, for a Python thread holds all others up in getsockopt
    print(pid, flush=True)
    os.read(read, 1)
    print("handled", flush=True)
    os._exit(0)
print(error(sock), os.path.exists(gate))
"""
    program = running([own("Gate", gate=gate)], python(code, echo.port, gate))
    assert program.line() == "asks"
    os.kill(int(program.line()), signal.SIGUSR1)
    assert program.line() == "handled"
    gate.touch()
    assert program.end() == (0, "none True\n", "")


@pytest.mark.parametrize("ending", ["sock.close(); sys.stdin.readline()", "os._exit(0)"])
def test_what_is_sent_before_the_outcome_is_delivered(
    ending: str, server: Serve, running: Start, tmp_path: Path
) -> None:
    """The socket is writable early; a program that does not ask may have closed it, or ended, when it is connected."""
    gate, told, seen = tmp_path / "gate", threading.Event(), []

    def serve(connection: socket.socket) -> None:
        data = b""
        while piece := connection.recv(100):
            data += piece
        seen.append(data)
        told.set()

    code = f"sock.send(b'early'); print('sent', flush=True); {ending}"
    program = running([own("Gate", gate=gate)], python(code, server(serve).port, gate))
    assert [program.line(), program.line()] == ["asks", "sent"]
    gate.touch()
    if "stdin" in ending:
        assert told.wait(PATIENCE)
        program.say("go")
    assert program.end() == (0, "", "")
    assert told.wait(PATIENCE)
    assert seen == [b"early"]


def test_closed_attempt_is_given_up_below(server: Serve, running: Start, tmp_path: Path) -> None:
    ended, echo = tmp_path / "ended", server(tell_and_echo)
    layer = own("Gate", gate=tmp_path / "never", ended=ended)
    program = running([layer], python("sock.close(); sys.stdin.readline()", echo.port, "-"))
    assert program.line() == "asks"
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.02)):
        if ended.exists():
            break
        pause.wait(0.02)
    assert ended.read_text() == "here\n"
    program.say("go")
    assert program.end() == (0, "", "")
    assert echo.accepted == 0


def test_killed_supervisor_resets(server: Serve, running: Start, tmp_path: Path) -> None:
    told, echo = tmp_path / "told", server(tell_and_echo)
    code = """
sock.setblocking(True)
print("waits", flush=True)
try:
    word = sock.recv(100)
except OSError as failure:
    word = errno.errorcode[failure.errno]
os.rename(os.open(gate + ".part", os.O_CREAT | os.O_WRONLY) and gate + ".part", gate + " " + str(word))
"""
    program = running([own("Gate", gate=tmp_path / "never")], python(code, echo.port, told))
    assert [program.line(), program.line()] == ["asks", "waits"]
    program.process.send_signal(signal.SIGKILL)
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.02)):
        if found := list(tmp_path.glob("told *")):
            break
        pause.wait(0.02)
    assert [path.name for path in found] == ["told ECONNRESET"]


def test_verbose_says_that_there_is_no_simultaneous_open(server: Serve) -> None:
    code = f"import socket; socket.create_connection(('127.0.0.1', {server(tell_and_echo).port}))"
    lines = run([own("Bytes")], [sys.executable, "-c", code], "-v").stderr.splitlines()
    assert [line for line in lines if "no simultaneous open" in line] == lines[:1]
    assert run([own("Bytes")], [sys.executable, "-c", code]).stderr == ""
