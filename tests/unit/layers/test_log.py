"""What `log` says, and that saying it holds nobody up."""

import gc
import json
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi.layers import log as module
from ws2spi.layers.log import Log, Writer
from ws2spi.layers.options import File

REFUSED = WinsockError(WSAError.WSAECONNREFUSED, "nobody there")


class Conn:
    """A connection as a layer sees it; `failing` names the methods that raise."""

    def __init__(self, number: int = 1, origin: Any = None, failing: tuple[str, ...] = ()) -> None:
        self.number = number
        self.origin = origin
        self.failing = failing
        self.state = SimpleNamespace()
        self.below = self
        self.clock = 0.0
        self.inbound = [b"hello", b""]
        self.peer = ("127.0.0.1", 80)

    def now(self) -> float:
        self.clock += 0.25
        return self.clock

    def _try(self, method: str) -> None:
        if method in self.failing:
            raise REFUSED

    async def connect(self, address: Any) -> None:
        self._try("connect")

    async def accept(self) -> "Conn":
        self._try("accept")
        return Conn(self.number + 1)

    async def send(self, data: bytes) -> None:
        self._try("send")

    async def recv(self, size: int) -> bytes:
        self._try("recv")
        return self.inbound.pop(0)

    async def send_to(self, data: bytes, address: Any) -> None:
        self._try("send_to")

    async def recv_from(self, size: int) -> Any:
        self._try("recv_from")
        return b"datagram", self.peer

    async def getsockname(self) -> Any:
        self._try("getsockname")
        return ("127.0.0.1", 40000)

    async def getpeername(self) -> Any:
        return self.peer

    async def close(self) -> None:
        self._try("close")


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    with pytest.raises(StopIteration) as stop:
        coroutine.send(None)
    return stop.value.value


def fails(coroutine: Coroutine[Any, Any, Any]) -> None:
    with pytest.raises(WinsockError):
        coroutine.send(None)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "log"


def session(layer: Log, conn: Conn) -> None:
    run(layer.connect(conn, ("127.0.0.1", 80)))
    run(layer.send(conn, b"abc"))
    assert run(layer.recv(conn, 100)) == b"hello"
    assert run(layer.recv(conn, 100)) == b""
    run(layer.close(conn))
    layer.finish()


def test_text_tells_begin_end_bytes_and_durations(target: Path) -> None:
    session(Log(file=File(str(target))), Conn(origin=SimpleNamespace(pid=42, command="curl")))
    first, last = target.read_text().splitlines()
    clock = r"\d\d:\d\d:\d\d\.\d\d\d "
    assert re.fullmatch(clock + r"#1 curl\[42\] connect 127\.0\.0\.1:80 in 250 ms from 127\.0\.0\.1:40000", first)
    assert re.fullmatch(clock + r"#1 curl\[42\] close 127\.0\.0\.1:80: sent 3 B, received 5 B in 250 ms", last)


def test_json_is_one_object_in_a_line(target: Path) -> None:
    session(Log(format="json", file=File(str(target))), Conn(origin=SimpleNamespace(pid=42, command="curl")))
    first, last = map(json.loads, target.read_text().splitlines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("time"))
    assert first == {
        "event": "connect",
        "connection": 1,
        "pid": 42,
        "command": "curl",
        "peer": "127.0.0.1:80",
        "local": "127.0.0.1:40000",
        "seconds": 0.25,
    }
    assert (last["event"], last["sent"], last["received"]) == ("close", 3, 5)


def test_refused_connect_is_told_once(target: Path) -> None:
    layer, conn = Log(file=File(str(target))), Conn(failing=("connect",))
    fails(layer.connect(conn, ("::1", 80)))
    run(layer.close(conn))
    layer.finish()
    (line,) = target.read_text().splitlines()
    assert line.endswith("#1 connect [::1]:80 failed after 250 ms: nobody there (WSAECONNREFUSED)")


@pytest.mark.parametrize("method", ["accept", "send", "recv", "send_to", "recv_from"])
def test_error_is_told_and_passed_on(target: Path, method: str) -> None:
    layer, conn = Log(format="json", file=File(str(target))), Conn(failing=(method,))
    arguments: dict[str, tuple[Any, ...]] = {"accept": (), "send_to": (b"x", None), "send": (b"x",)}
    fails(getattr(layer, method)(conn, *arguments.get(method, (9,))))
    layer.finish()
    entry = json.loads(target.read_text())
    assert entry["event"] == method.split("_")[0]
    assert (entry["error"], entry["code"], entry["detail"]) == ("WSAECONNREFUSED", 10061, "nobody there")


def test_accepted_connection_has_its_own_lines(target: Path) -> None:
    layer = Log(file=File(str(target)))
    accepted = run(layer.accept(Conn()))
    run(layer.close(accepted))
    layer.finish()
    first, last = target.read_text().splitlines()
    assert "#2 accept 127.0.0.1:80" in first
    assert "#2 close 127.0.0.1:80: sent 0 B, received 0 B" in last


def test_datagrams_are_counted(target: Path) -> None:
    layer, conn = Log(format="json", file=File(str(target))), Conn()
    run(layer.connect(conn, ("127.0.0.1", 80)))
    run(layer.send_to(conn, b"four", None))
    run(layer.recv_from(conn, 100))
    run(layer.close(conn))
    layer.finish()
    entry = json.loads(target.read_text().splitlines()[-1])
    assert (entry["sent"], entry["received"]) == (4, 8)


def test_close_that_fails_is_still_told(target: Path) -> None:
    layer, conn = Log(file=File(str(target))), Conn(failing=("close", "getsockname"))
    run(layer.connect(conn, ("127.0.0.1", 80)))
    fails(layer.close(conn))
    layer.finish()
    assert "close" in target.read_text().splitlines()[-1]


def test_file_is_appended_to(target: Path) -> None:
    target.write_text("before\n")
    session(Log(file=File(str(target))), Conn())
    assert target.read_text().startswith("before\n")


def test_command_cannot_steer_the_terminal(target: Path) -> None:
    session(Log(file=File(str(target))), Conn(origin=SimpleNamespace(pid=1, command="a\x1b[2Jb\nc")))
    assert "a?[2Jb?c[1]" in target.read_text()
    assert len(target.read_text().splitlines()) == 2


def test_full_queue_drops_counts_and_tells_at_the_end() -> None:
    read, write = os.pipe()
    writer = Writer(write, 3, lambda lost: f"lost {lost}")
    # The pipe is full before the first line, so that the thread blocks and lines pile up behind it.
    os.set_blocking(write, False)
    filled = 0
    while True:
        try:
            filled += os.write(write, b"." * 4096)
        except BlockingIOError:
            break
    os.set_blocking(write, True)
    for number in range(100):
        writer.put(f"line {number}")
    assert writer.dropped >= 90
    received = bytearray()
    reader = threading.Thread(
        target=lambda: [received.extend(piece) for piece in iter(lambda: os.read(read, 65536), b"")]
    )
    reader.start()
    writer.close()
    reader.join(10)
    os.close(read)
    lines = bytes(received[filled:]).decode().splitlines()
    assert lines[-1] == f"lost {writer.dropped}"
    assert len(lines) - 1 + writer.dropped == 100
    assert lines[0] == "line 0"


def test_reader_who_never_reads_does_not_hold_the_exit_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.01)
    read, write = os.pipe()
    writer = Writer(write, 10_000, str)
    writer.put("x" * 1_000_000)
    writer.close()
    drain = threading.Thread(target=lambda: [None for _ in iter(lambda: os.read(read, 65536), b"")])
    drain.start()
    assert writer._thread is not None
    writer._thread.join(10)
    os.close(write)
    drain.join(10)
    os.close(read)


def test_reader_who_has_gone_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    writer = Writer(write, 10, str)
    writer.put("to nobody")
    writer.close()


def test_layer_that_nobody_holds_stops_its_thread(target: Path) -> None:
    layer = Log(file=File(str(target)))
    run(layer.connect(Conn(), ("127.0.0.1", 80)))
    thread = layer._writer._thread
    assert thread is not None
    del layer
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()
    assert "connect" in target.read_text()


def test_exit_writes_out_what_waits(target: Path) -> None:
    script = (
        "import sys; from ws2spi.layers.log import Log\n"
        "layer = Log(file=sys.argv[1])\n"
        "for n in range(500): layer._writer.put(str(n))\n"
    )
    subprocess.run([sys.executable, "-c", script, str(target)], check=True, timeout=30)
    assert target.read_text().splitlines() == [str(number) for number in range(500)]


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [
        ({}, True),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, True),
        ({"TERM": "dumb"}, False),
        ({"TERM": "xterm"}, True),
        ({"TERM": "dumb", "CLICOLOR_FORCE": "1"}, False),  # what is forced is stderr, not a file
    ],
)
def test_colours_on_a_terminal_only_and_as_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], coloured: bool
) -> None:
    for name in ("NO_COLOR", "CLICOLOR_FORCE", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    master, slave = pty.openpty()
    layer = Log(file=File(os.ttyname(slave)))
    fails(layer.connect(Conn(failing=("connect",)), ("127.0.0.1", 80)))
    layer.finish()
    text = os.read(master, 4096).decode()
    os.close(master)
    os.close(slave)
    assert ("\x1b[31m" in text) is coloured


def test_fork_child_writes_with_a_thread_of_its_own(target: Path) -> None:
    script = (
        "import os, sys; from ws2spi.layers.log import Log\n"
        "layer = Log(file=sys.argv[1]); layer._writer.put('parent')\n"
        "pid = os.fork()\n"
        "layer._writer.put('child') if pid == 0 else os.waitpid(pid, 0)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(target)], check=True, timeout=30)
    assert sorted(target.read_text().splitlines()) == ["child", "parent"]
