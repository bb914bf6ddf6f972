"""Programs under `ws2spi run`: the command itself, a run that goes on, and a server that its clients can ask."""

import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

PROGRAMS = Path(__file__).parents[1] / "seccomp"
OWN = PROGRAMS / "own_layers.py"
PATIENCE = 60.0  # seconds after which a run is taken to hang

Completed = subprocess.CompletedProcess[str]


def own(name: str, **options: object) -> str:
    """How a layer of `own_layers.py` is named on the command line."""
    text = ",".join(f"{key}={value}" for key, value in options.items())
    return f"{OWN}:{name}:{text}" if text else f"{OWN}:{name}"


def command(layers: Sequence[str], argv: Sequence[str], *options: str) -> list[str]:
    """`ws2spi run` as a command line, by the interpreter that runs the tests."""
    words = [sys.executable, "-m", "ws2spi.cli.main", "run", *options]
    for layer in layers:
        words += ["-l", layer]
    return [*words, "--", *map(str, argv)]


def run(layers: Sequence[str] | None, argv: Sequence[str], *options: str, **keywords: object) -> Completed:
    """Run a program to its end, under layers or (None) natively."""
    words = list(map(str, argv)) if layers is None else command(layers, argv, *options)
    settings: dict[str, object] = {"capture_output": True, "text": True, "timeout": PATIENCE, **keywords}
    return subprocess.run(words, check=False, **settings)  # type: ignore[call-overload,no-any-return]


class Running:
    """A program under `ws2spi run` that goes on; ended with the test."""

    def __init__(self, layers: Sequence[str], argv: Sequence[str], *options: str, **keywords: object) -> None:
        settings: dict[str, object] = {
            "stdin": subprocess.PIPE,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            **keywords,
        }
        self.process = subprocess.Popen(command(layers, argv, *options), **settings)  # type: ignore[call-overload]

    @property
    def pid(self) -> int:
        return int(self.process.pid)

    def line(self) -> str:
        """The next line on stdout; byte by byte, for what is read ahead would be lost to `end`."""
        line = b""
        while (byte := os.read(self.process.stdout.fileno(), 1)) not in (b"", b"\n"):
            line += byte
        return line.decode()

    def say(self, text: str) -> None:
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def end(self) -> tuple[int, str, str]:
        """Wait for the end: (status, stdout, stderr)."""
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class Server:
    """Accepts connections on a free loopback port, each in a thread that runs `serve(connection)`."""

    def __init__(self, serve: Callable[[socket.socket], None], host: str = "127.0.0.1", backlog: int = 4096) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.socket(family)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((host, 0))
        self._listener.listen(backlog)
        self.host = host
        self.port: int = self._listener.getsockname()[1]
        self._accepted = 0
        self._counting = threading.Lock()
        self._serve = serve
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def _accept(self) -> None:
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        while True:
            poll.poll()
            with self._counting:
                try:
                    connection, _ = self._listener.accept()
                except OSError:
                    return
                self._accepted += 1
            self._open.add(connection)
            thread = threading.Thread(target=self._run, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, connection: socket.socket) -> None:
        try:
            with connection:
                self._serve(connection)
        except OSError:
            pass
        finally:
            self._open.discard(connection)

    @property
    def accepted(self) -> int:
        """How many have been accepted. Whose program has ended may still stand in the queue: it counts too."""
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        pause = threading.Event()
        while poll.poll(0):
            pause.wait(0.01)
        with self._counting:
            return self._accepted

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(PATIENCE)
        self._listener.close()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join(PATIENCE)


def tell_and_echo(connection: socket.socket) -> None:
    """The server that `probe.py` wants."""
    host, port = connection.getpeername()[:2]
    connection.sendall(f"{host} {port}\n".encode())
    while data := connection.recv(4096):
        if data == b"bye\n":
            return
        if data == b"reset\n":
            reset(connection)
            return
        connection.sendall(data)


def reset(connection: socket.socket) -> None:
    """End a connection with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()
