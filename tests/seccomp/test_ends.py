"""How connections end: in order, by resets, with the program, with the supervisor, by a layer's bug."""

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


class Seen:
    """What a server saw of its only client."""

    def __init__(self) -> None:
        self.size = 0
        self.end = ""
        self._told = threading.Event()

    def serve(self, connection: socket.socket) -> None:
        try:
            while data := connection.recv(65536):
                self.size += len(data)
            self.end = "in order"
        except OSError as error:
            self.end = type(error).__name__
        self._told.set()

    def wait(self) -> tuple[int, str]:
        assert self._told.wait(PATIENCE)
        return self.size, self.end


def python(code: str, *arguments: object) -> list[object]:
    return [sys.executable, "-c", "import os, socket, struct, sys\n" + code, *arguments]


def test_what_a_program_sent_before_it_ended_is_delivered(server: Serve, running: Start, tmp_path: Path) -> None:
    seen, gate = Seen(), tmp_path / "gate"
    code = """
sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
sock.sendall(bytes(100_000))
print("sent", flush=True)
sys.exit(5)
"""
    program = running([own("Sends", gate=gate)], python(code, server(seen.serve).port))
    assert program.line() == "sent"
    gate.touch()
    assert program.end() == (5, "", "")
    assert seen.wait() == (100_000, "in order")


def test_run_ends_although_the_peer_never_closes(server: Serve) -> None:
    release = threading.Event()
    echo = server(lambda connection: release.wait(PATIENCE))
    code = "socket.create_connection(('127.0.0.1', int(sys.argv[1]))).sendall(b'x')"
    try:
        done = run([own("Bytes")], python(code, echo.port))
    finally:
        release.set()
    assert (done.returncode, done.stderr) == (0, "")


def test_run_lasts_as_long_as_the_programs_children(server: Serve, running: Start) -> None:
    echo = server(tell_and_echo)
    code = """
if os.fork() == 0:
    sys.stdin.readline()
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as sock:
        print(sock.recv(100) != b"", flush=True)
    os._exit(0)
print("parent has ended", flush=True)
os._exit(3)
"""
    program = running([own("Bytes")], python(code, echo.port))
    assert program.line() == "parent has ended"
    program.say("go")
    assert program.end() == (3, "True\n", "")


@pytest.mark.parametrize("layer", ["Bytes", "Control"])
def test_reset_by_the_program_is_a_reset_for_the_server(layer: str, server: Serve) -> None:
    seen = Seen()
    code = """
sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
sock.sendall(b"x" * 10)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
sock.close()
"""
    done = run([own(layer)], python(code, server(seen.serve).port))
    assert done.returncode == 0
    assert seen.wait()[1] == "ConnectionResetError"


def test_killed_supervisor_resets_what_was_relayed_and_lets_nothing_round(
    server: Serve, running: Start, tmp_path: Path
) -> None:
    seen, told = Seen(), tmp_path / "told"

    def serve(connection: socket.socket) -> None:
        connection.sendall(connection.recv(10))
        seen.serve(connection)

    code = """
sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
sock.sendall(b"x" * 10)
sock.recv(10)
print(os.getpid(), flush=True)
def attempt(work):
    try:
        return work()
    except OSError as error:
        return type(error).__name__, error.errno
received = attempt(lambda: sock.recv(100))
again = attempt(lambda: socket.create_connection(("127.0.0.1", int(sys.argv[1]))))
with open(sys.argv[2] + ".part", "w") as file:
    print(received, again, file=file)
os.rename(sys.argv[2] + ".part", sys.argv[2])
"""
    echo = server(serve)
    program = running([own("Bytes")], python(code, echo.port, told))
    child = os.pidfd_open(int(program.line()))
    try:
        program.process.send_signal(signal.SIGKILL)
        assert seen.wait() == (0, "ConnectionResetError")
        pause = threading.Event()
        for _ in range(int(PATIENCE / 0.02)):
            if told.exists():
                break
            pause.wait(0.02)
        assert told.read_text() == "('ConnectionResetError', 104) ('OSError', 38)\n"
        assert echo.accepted == 1
    finally:
        try:
            signal.pidfd_send_signal(child, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.close(child)


def test_bug_of_a_layer_resets_its_connection_and_is_named(server: Serve) -> None:
    echo = server(tell_and_echo)
    code = """
for _ in range(2):
    sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    try:
        print(sock.recv(100))
    except OSError as error:
        print(type(error).__name__)
"""
    done = run([own("Broken")], python(code, echo.port))
    assert (done.returncode, done.stdout) == (0, "ConnectionResetError\n" * 2)
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert all("broken" in line and "ValueError: a bug" in line for line in lines)


def test_quiet_says_nothing_of_it(server: Serve) -> None:
    echo = server(tell_and_echo)
    code = "socket.create_connection(('127.0.0.1', int(sys.argv[1]))); print('done')"
    done = run([own("Broken")], python(code, echo.port), "-q")
    assert (done.stdout, done.stderr) == ("done\n", "")


@pytest.mark.parametrize("error", [111, 110, 13, 113])
@pytest.mark.parametrize("gated", [False, True])
def test_refusal_by_a_layer_is_the_programs_error(error: int, gated: bool, server: Serve, tmp_path: Path) -> None:
    echo = server(tell_and_echo)
    gate = tmp_path / "gate"
    code = """
import select
for blocking in (True, False):
    with socket.socket() as sock:
        sock.setblocking(blocking)
        if sys.argv[2] == "True" and blocking:
            open(sys.argv[3], "x").close()
        number = sock.connect_ex(("127.0.0.1", int(sys.argv[1])))
        if number == 115:
            poll = select.poll()
            poll.register(sock, select.POLLOUT)
            poll.poll(20000)
            number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        print(number)
"""
    for below in ([], [own("Bytes")]):
        gate.unlink(missing_ok=True)
        layer = own("Refuse", error=error, gate=gate) if gated else own("Refuse", error=error)
        done = run([layer, *below], python(code, echo.port, gated, gate))
        assert (done.stdout, done.stderr) == (f"{error}\n" * 2, "")
    assert echo.accepted == 0


def test_layer_leads_elsewhere_and_the_program_does_not_see_it(server: Serve) -> None:
    echo = server(tell_and_echo)
    with socket.socket() as never:
        never.bind(("127.0.0.1", 0))
        asked = never.getsockname()[1]
        code = """
sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
print(sock.getpeername(), sock.recv(100) == "{} {}\\n".format(*sock.getsockname()).encode())
"""
        for below in ([], [own("Bytes")]):
            done = run([own("Elsewhere", port=echo.port), *below], python(code, asked))
            assert (done.stdout, done.stderr) == (f"('127.0.0.1', {asked}) True\n", "")


@pytest.mark.parametrize("blocking", [True, False])
def test_handshake_of_a_layer_comes_before_the_programs_first_byte(blocking: bool, server: Serve) -> None:
    def serve(connection: socket.socket) -> None:
        assert connection.recv(6) == b"hello\n", "the handshake"
        connection.sendall(b"welcome\n")
        connection.sendall(connection.recv(100))

    code = """
import select
sock = socket.socket()
sock.setblocking(sys.argv[2] == "True")
sock.connect_ex(("127.0.0.1", int(sys.argv[1])))
poll = select.poll()
poll.register(sock, select.POLLOUT)
poll.poll(20000)
sock.setblocking(True)
sock.sendall(b"from the program")
print(sock.recv(100))
"""
    done = run([own("Greet")], python(code, server(serve).port, blocking))
    assert (done.stdout, done.stderr) == ("b'from the program'\n", "")


def test_layers_change_bytes(server: Serve) -> None:
    echo = server(tell_and_echo)
    code = """
sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
sock.recv(100)
sock.sendall(b"text")
print(sock.recv(100))
"""
    assert run([own("Upper")], python(code, echo.port)).stdout == "b'TEXT'\n"


def test_slow_reader_holds_the_sender_back_and_memory_stays_flat(server: Serve, running: Start) -> None:
    size, begin = 200_000_000, threading.Event()
    seen = Seen()

    def serve(connection: socket.socket) -> None:
        assert begin.wait(PATIENCE)
        seen.serve(connection)

    code = """
sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
sock.setblocking(False)
size, data, sent = int(sys.argv[2]), bytes(1 << 20), 0
import select
poll = select.poll()
poll.register(sock, select.POLLOUT)
while poll.poll(500):  # until nothing has gone for a while
    sent += sock.send(data)
    assert sent < 100_000_000, "nobody holds us back"
print("held back", flush=True)
sock.setblocking(True)
while sent < size:
    sent += sock.send(data[: size - sent])
sock.shutdown(socket.SHUT_WR)
sock.recv(1)
sys.stdin.readline()
"""
    program = running([own("Bytes")], python(code, server(serve).port, size))
    assert program.line() == "held back"
    begin.set()
    assert seen.wait() == (size, "in order")
    status = Path(f"/proc/{program.pid}/status").read_text()
    (peak,) = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")]
    program.say("go")
    assert program.end() == (0, "", "")
    assert peak < 64 * 1024, "kilobytes"
